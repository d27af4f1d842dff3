//! Exponential and normal draws by the ziggurat method (G. Marsaglia and W. W. Tsang, "The
//! Ziggurat Method for Generating Random Variables", J. Stat. Software 5(8), 2000), 256 layers.
//!
//! Layer and place within the layer come from different bits of one word, as J. A. Doornik asks
//! ("An Improved Ziggurat Method to Generate Normal Random Samples", 2005).

use std::sync::LazyLock;

use crate::random::Draws;

const LAYERS: usize = 256;
/// Where the tail of the exponential begins, for 256 layers of equal area (Marsaglia and Tsang).
const EXPONENTIAL_TAIL: f64 = 7.697_117_470_131_05;
/// Where the tail of the normal begins, for 256 layers of equal area (Marsaglia and Tsang).
const NORMAL_TAIL: f64 = 3.654_152_885_361_009;

/// Pieces of an octave in the table of [`Tables::exp`].
const PIECES: usize = 32;

/// One layer: a place below `inside` lies wholly under the curve.
#[derive(Clone, Copy, Default)]
struct Layer {
    inside: u64,
    width: f64,
}

struct Ziggurat {
    layers: [Layer; LAYERS],
    /// Height of the curve at the right edge of each layer; the last is the top.
    heights: [f64; LAYERS + 1],
}

impl Ziggurat {
    /// Layers of equal area under `f`, which falls from 1 at zero; `bits` is the width of a place.
    fn new(tail: f64, tail_area: f64, bits: u32, f: fn(f64) -> f64, inverse: fn(f64) -> f64) -> Self {
        let area = tail * f(tail) + tail_area;
        let mut edges = [0.0; LAYERS + 1];
        edges[0] = area / f(tail);
        edges[1] = tail;
        for i in 2..LAYERS {
            edges[i] = inverse(area / edges[i - 1] + f(edges[i - 1]));
        }
        let places = (1u64 << bits) as f64;
        let mut layers = [Layer::default(); LAYERS];
        let mut heights = [1.0; LAYERS + 1];
        for i in 0..LAYERS {
            let inside = (edges[i + 1] / edges[i] * places) as u64;
            layers[i] = Layer {
                inside,
                width: edges[i] / places,
            };
            heights[i] = f(edges[i]);
        }
        Ziggurat { layers, heights }
    }

    /// Whether a point at `x` in the wedge of `layer` lies under the curve.
    fn accepts(&self, layer: usize, draws: &mut Draws, height_at_x: f64) -> bool {
        let (low, high) = (self.heights[layer], self.heights[layer + 1]);
        low + draws.unit() * (high - low) < height_at_x
    }
}

/// The tables behind the draws, built once.
pub struct Tables {
    exponential: Ziggurat,
    normal: Ziggurat,
    /// 2^(i / 32).
    roots: [f64; PIECES],
}

impl Tables {
    /// The tables, built at the first call.
    pub fn get() -> &'static Tables {
        static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);
        &TABLES
    }

    fn new() -> Tables {
        let normal_tail_area =
            (0.5 * std::f64::consts::PI).sqrt() * libm::erfc(NORMAL_TAIL * std::f64::consts::FRAC_1_SQRT_2);
        Tables {
            exponential: Ziggurat::new(
                EXPONENTIAL_TAIL,
                libm::exp(-EXPONENTIAL_TAIL),
                53,
                |x| libm::exp(-x),
                |y| -libm::log(y),
            ),
            normal: Ziggurat::new(
                NORMAL_TAIL,
                normal_tail_area,
                52,
                |x| libm::exp(-0.5 * x * x),
                |y| (-2.0 * libm::log(y)).sqrt(),
            ),
            roots: std::array::from_fn(|i| libm::exp2(i as f64 / PIECES as f64)),
        }
    }

    /// An exponential value with mean 1.
    #[inline(always)]
    pub fn exponential(&self, draws: &mut Draws) -> f64 {
        let bits = draws.next_u64();
        let layer = self.exponential.layers[bits as usize & (LAYERS - 1)];
        let place = bits >> 11;
        let x = place as i64 as f64 * layer.width;
        if place < layer.inside {
            return x;
        }
        let (x, rest) = self.exponential_edge(bits, x, draws.clone());
        *draws = rest;
        x
    }

    /// The rare case: a wedge or the tail. Draws are passed by value so that they can stay in
    /// registers where nothing rare happens.
    #[cold]
    #[inline(never)]
    fn exponential_edge(&self, bits: u64, x: f64, mut draws: Draws) -> (f64, Draws) {
        let (mut bits, mut x) = (bits, x);
        let mut beyond = 0.0;
        loop {
            let index = bits as usize & (LAYERS - 1);
            if index == 0 {
                // Without memory: the tail is the law itself, moved.
                beyond += EXPONENTIAL_TAIL;
            } else if self.exponential.accepts(index, &mut draws, libm::exp(-x)) {
                return (beyond + x, draws);
            }
            bits = draws.next_u64();
            let layer = self.exponential.layers[bits as usize & (LAYERS - 1)];
            x = (bits >> 11) as i64 as f64 * layer.width;
            if bits >> 11 < layer.inside {
                return (beyond + x, draws);
            }
        }
    }

    /// A standard normal value.
    #[inline(always)]
    pub fn normal(&self, draws: &mut Draws) -> f64 {
        let bits = draws.next_u64();
        let layer = self.normal.layers[bits as usize & (LAYERS - 1)];
        let place = bits as i64 >> 11;
        let x = place as f64 * layer.width;
        if place.unsigned_abs() < layer.inside {
            return x;
        }
        let (x, rest) = self.normal_edge(bits, x, draws.clone());
        *draws = rest;
        x
    }

    #[cold]
    #[inline(never)]
    fn normal_edge(&self, bits: u64, x: f64, mut draws: Draws) -> (f64, Draws) {
        let (mut bits, mut x) = (bits, x);
        loop {
            let index = bits as usize & (LAYERS - 1);
            if index == 0 {
                return (libm::copysign(self.normal_tail(&mut draws), x), draws);
            }
            if self.normal.accepts(index, &mut draws, libm::exp(-0.5 * x * x)) {
                return (x, draws);
            }
            bits = draws.next_u64();
            let layer = self.normal.layers[bits as usize & (LAYERS - 1)];
            let place = bits as i64 >> 11;
            x = place as f64 * layer.width;
            if place.unsigned_abs() < layer.inside {
                return (x, draws);
            }
        }
    }

    /// Beyond the last layer: G. Marsaglia, "Generating a Variable from the Tail of the Normal
    /// Distribution", Technometrics 6, 1964.
    fn normal_tail(&self, draws: &mut Draws) -> f64 {
        loop {
            let x = -libm::log(draws.unit()) / NORMAL_TAIL;
            let y = -libm::log(draws.unit());
            if 2.0 * y > x * x {
                return NORMAL_TAIL + x;
            }
        }
    }

    /// e^x within a relative 1e-14, for x clamped to ±700.
    ///
    /// x = (32 n + i) ln 2 / 32 + r; then e^x = 2^n · 2^(i/32) · e^r, the last by its Taylor
    /// polynomial of degree 5, whose remainder for |r| ≤ ln 2 / 64 is below 3e-15.
    #[inline(always)]
    pub fn exp(&self, x: f64) -> f64 {
        const PER_PIECE: f64 = PIECES as f64 / std::f64::consts::LN_2;
        // ln 2 / 32 in two parts; the first has so few digits that its product is exact.
        const STEP_HIGH: f64 = 6.931_471_803_691_238e-1 / PIECES as f64;
        const STEP_LOW: f64 = 1.908_214_929_270_587_7e-10 / PIECES as f64;
        // Added and taken away again, it rounds to a whole number: 1.5 · 2^52.
        const ROUND: f64 = 6_755_399_441_055_744.0;
        let x = x.clamp(-700.0, 700.0);
        let shifted = x * PER_PIECE + ROUND;
        let whole = shifted - ROUND;
        let number = whole as i64;
        let r = (x - whole * STEP_HIGH) - whole * STEP_LOW;
        let r2 = r * r;
        let low = 1.0 + r;
        let middle = 0.5 + r * (1.0 / 6.0);
        let high = 1.0 / 24.0 + r * (1.0 / 120.0);
        let polynomial = low + r2 * (middle + r2 * high);
        let root = self.roots[number as usize & (PIECES - 1)];
        let power = f64::from_bits((((number >> 5) + 1023) << 52) as u64);
        root * polynomial * power
    }

    /// x^exponent for x > 0, through [`Tables::exp`].
    #[inline]
    pub(super) fn pow(&self, x: f64, exponent: f64) -> f64 {
        self.exp(libm::log(x) * exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::purpose_key;

    #[test]
    fn the_layers_close_at_the_top() {
        let tables = Tables::get();
        for (ziggurat, bits) in [(&tables.exponential, 53), (&tables.normal, 52)] {
            let places = (1u64 << bits) as f64;
            let edge = |i: usize| ziggurat.layers[i].width * places;
            let area = edge(0) * ziggurat.heights[1];
            for i in 1..LAYERS {
                let layer = edge(i) * (ziggurat.heights[i + 1] - ziggurat.heights[i]);
                assert!(
                    (layer / area - 1.0).abs() < 1e-9,
                    "layer {i}: {layer} instead of {area}"
                );
            }
        }
    }

    #[test]
    fn the_tails_have_their_share_and_shape() {
        let tables = Tables::get();
        let mut draws = Draws::new(purpose_key(1, 0, "tails"), 0);
        let n = 4_000_000;
        let (mut far_exponential, mut beyond, mut far_normal, mut positive) = (0u32, 0.0, 0u32, 0u32);
        for _ in 0..n {
            let e = tables.exponential(&mut draws);
            if e > EXPONENTIAL_TAIL {
                far_exponential += 1;
                beyond += e - EXPONENTIAL_TAIL;
            }
            let z = tables.normal(&mut draws);
            far_normal += u32::from(z.abs() > NORMAL_TAIL);
            positive += u32::from(z > 0.0);
        }
        let within = |found: f64, p: f64| {
            let (mean, sd) = (f64::from(n) * p, (f64::from(n) * p * (1.0 - p)).sqrt());
            assert!(
                (found - mean).abs() < 5.0 * sd,
                "{found} instead of {mean} ± {sd}"
            );
        };
        within(f64::from(far_exponential), libm::exp(-EXPONENTIAL_TAIL));
        within(
            f64::from(far_normal),
            libm::erfc(NORMAL_TAIL * std::f64::consts::FRAC_1_SQRT_2),
        );
        within(f64::from(positive), 0.5);
        let (mean, count) = (beyond / f64::from(far_exponential), f64::from(far_exponential));
        assert!(
            (mean - 1.0).abs() < 5.0 / count.sqrt(),
            "the tail exceeds by {mean} on average"
        );
    }

    #[test]
    fn the_fast_exponential_function_agrees_with_libm() {
        let tables = Tables::get();
        let mut worst: f64 = 0.0;
        for i in -700_000..=700_000 {
            let x = f64::from(i) * 1e-3 + f64::from(i % 977) * 1e-7;
            let x = x.clamp(-700.0, 700.0);
            worst = worst.max((tables.exp(x) / libm::exp(x) - 1.0).abs());
        }
        assert!(worst < 1e-14, "{worst}");
        assert_eq!(tables.exp(0.0), 1.0);
        assert!(tables.exp(f64::INFINITY).is_finite() && tables.exp(f64::NEG_INFINITY) > 0.0);
    }
}
