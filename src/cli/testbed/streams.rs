//! The arrivals and draws of a measured run, made again from its stated seeds.
//!
//! The load generator's clock and the servlet's draws are functions of two seeds. How was found from runs whose requests
//! were logged: all 9190 draws and arrivals of E7 repeat 1 and all arrivals of E2.1 repeat 1 come out to the digits logged.
//!
//! - Arrivals: xoshiro256** (Blackman and Vigna 2018), its state four outputs of SplitMix64 from `arrival_seed`; a gap
//!   is -ln(1 - u) / rate. Along a ramp candidates come at the highest rate, and a second u keeps the share due then.
//! - Draws, in the order of arrivals: SplitMix64 from `service_seed`. Exponential: -mean ln(1 - u). Lognormal: normal
//!   values by Marsaglia's polar method, the second of each pair kept for the next draw.

use std::fmt::Write;

use crate::distribution::Law;
use crate::model::workload::Profile;

/// SplitMix64 (Steele, Lea and Flood 2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        unit(self.next())
    }
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

struct Xoshiro([u64; 4]);

impl Xoshiro {
    fn new(seed: u64) -> Self {
        let mut mix = SplitMix(seed);
        Xoshiro(std::array::from_fn(|_| mix.next()))
    }

    fn unit(&mut self) -> f64 {
        let s = &mut self.0;
        let out = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        unit(out)
    }
}

/// The arrivals up to `end` seconds, in seconds.
pub fn arrivals(seed: u64, rate: &Profile, end: f64) -> Vec<f64> {
    let mut random = Xoshiro::new(seed);
    let peak = rate.peak();
    let ramps = rate.stages.iter().any(|s| s.1 != rate.start);
    let mut list = Vec::new();
    let mut at = 0.0;
    loop {
        at -= libm::log(1.0 - random.unit()) / peak;
        if at >= end {
            return list;
        }
        if !ramps || random.unit() * peak <= rate.at(at) {
            list.push(at);
        }
    }
}

/// So many draws in seconds; `None` for a law that the servlet does not have.
pub fn draws(seed: u64, law: &Law, count: usize) -> Option<Vec<f64>> {
    let mut random = SplitMix(seed);
    match *law {
        Law::Exponential { mean } => Some(
            (0..count)
                .map(|_| -mean * libm::log(1.0 - random.unit()))
                .collect(),
        ),
        Law::LogNormal { mean, cv } => {
            let variance = libm::log(1.0 + cv * cv);
            let (mu, sigma) = (libm::log(mean) - 0.5 * variance, variance.sqrt());
            let mut spare = None;
            let mut normal = move || {
                spare.take().unwrap_or_else(|| {
                    loop {
                        let (a, b) = (2.0 * random.unit() - 1.0, 2.0 * random.unit() - 1.0);
                        let q = a * a + b * b;
                        if q > 0.0 && q < 1.0 {
                            let m = (-2.0 * libm::log(q) / q).sqrt();
                            spare = Some(b * m);
                            break a * m;
                        }
                    }
                })
            };
            Some((0..count).map(|_| libm::exp(mu + sigma * normal())).collect())
        }
        _ => None,
    }
}

/// A recording: a line an arrival, with its draw where the servlet draws.
pub fn csv(arrivals: &[f64], draws: Option<&[f64]>) -> String {
    let mut text = String::from(if draws.is_some() {
        "at_s,service_ms\n"
    } else {
        "at_s\n"
    });
    for (i, at) in arrivals.iter().enumerate() {
        let _ = match draws.and_then(|d| d.get(i)) {
            Some(draw) => writeln!(text, "{at:.9},{:.6}", draw * 1e3),
            None => writeln!(text, "{at:.9}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first requests of E7 repeat 1 and the first draws of E2.1 repeat 1 as they were logged.
    #[test]
    fn the_logged_requests_come_out() {
        let ramp = Profile {
            start: 50.0,
            stages: vec![(5.0, 50.0), (60.0, 250.0)],
        };
        let at = arrivals(7001, &ramp, 65.0);
        assert_eq!(at.len(), 9190);
        // The generator cuts fractions of a nanosecond off.
        let nanos: Vec<u64> = at[..2].iter().map(|t| (t * 1e9) as u64).collect();
        assert_eq!(nanos, [24_775_447, 40_874_935]);
        let drawn = draws(507_001, &Law::Exponential { mean: 0.05 }, 2).expect("a law it has");
        let shown: Vec<String> = drawn.iter().map(|d| format!("{:.3}", d * 1e3)).collect();
        assert_eq!(shown, ["109.429", "121.145"]);
        let drawn = draws(502_041, &Law::LogNormal { mean: 0.05, cv: 0.5 }, 2).expect("a law it has");
        let shown: Vec<String> = drawn.iter().map(|d| format!("{:.3}", d * 1e3)).collect();
        assert_eq!(shown, ["43.352", "77.926"]);
    }
}
