//! How often each of `n` keys is asked for.

use std::sync::Arc;

use rand::distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;

use super::parse;
use super::sampler::below;
use crate::random::Draws;

/// Up to this many keys a table is drawn from; above, no memory is spent on keys.
const TABLE_MAX: u64 = 1 << 20;

/// The largest number of keys.
const KEYS_MAX: u64 = 1_000_000_000;

/// Terms of the Zipf sum that are added one by one before the Euler–Maclaurin remainder.
const SUM_TERMS: u64 = 1000;

/// The popularity of keys 0, 1, …, n − 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Popularity {
    law: PopularityLaw,
    /// The sum of the weights.
    total: f64,
}

#[derive(Clone, Debug, PartialEq)]
enum PopularityLaw {
    Uniform { n: u64 },
    Zipf { n: u64, s: f64 },
    List { weights: Arc<[f64]> },
}

impl Popularity {
    /// Reads `uniform(n)`, `zipf(n, s)` or `list(weight, weight, …)`.
    ///
    /// # Errors
    /// One phrase that names what was found and what would do.
    pub fn parse(text: &str) -> Result<Popularity, String> {
        parse::popularity(text)
    }

    /// `n` keys asked for equally often; `n` from 1 to 10^9.
    pub fn uniform(n: u64) -> Result<Popularity, String> {
        check_keys(n)?;
        Ok(Popularity {
            law: PopularityLaw::Uniform { n },
            total: n as f64,
        })
    }

    /// Key `i` is asked for in proportion to (i + 1)^−s; `n` from 1 to 10^9, `s` from 0 to 20.
    pub fn zipf(n: u64, s: f64) -> Result<Popularity, String> {
        check_keys(n)?;
        if !(0.0..=20.0).contains(&s) {
            return Err(format!(
                "the exponent of `zipf` is {s}: it must lie between 0 and 20"
            ));
        }
        Ok(Popularity {
            law: PopularityLaw::Zipf { n, s },
            total: zipf_sum(n, s),
        })
    }

    /// One key a weight, asked for in proportion to it; at least one weight must be above zero.
    pub fn list(weights: Vec<f64>) -> Result<Popularity, String> {
        check_keys(weights.len() as u64)?;
        if let Some(wrong) = weights
            .iter()
            .find(|weight| !(0.0..=1e18).contains(*weight))
        {
            return Err(format!("the weight {wrong} must lie between 0 and 1e18"));
        }
        let total = weights.iter().sum();
        if total == 0.0 {
            return Err("at least one weight must be above zero".to_string());
        }
        Ok(Popularity {
            law: PopularityLaw::List {
                weights: weights.into(),
            },
            total,
        })
    }

    /// The number of keys.
    #[allow(clippy::len_without_is_empty)] // there is always a key
    pub fn len(&self) -> u64 {
        match &self.law {
            PopularityLaw::Uniform { n } | PopularityLaw::Zipf { n, .. } => *n,
            PopularityLaw::List { weights } => weights.len() as u64,
        }
    }

    /// The share of requests that ask for key `i`; zero beyond the last key.
    pub fn probability(&self, i: u64) -> f64 {
        if i >= self.len() {
            return 0.0;
        }
        let weight = match &self.law {
            PopularityLaw::Uniform { .. } => 1.0,
            PopularityLaw::Zipf { s, .. } => zipf_weight(i + 1, *s),
            PopularityLaw::List { weights } => weights[i as usize],
        };
        weight / self.total
    }

    /// The same popularity compiled for drawing.
    pub fn sampler(&self) -> PopularitySampler {
        PopularitySampler(match &self.law {
            PopularityLaw::Uniform { n } => Picker::Uniform { n: *n },
            PopularityLaw::Zipf { n, s } if *n > TABLE_MAX => Picker::Zipf(ZipfPicker::new(*n, *s)),
            PopularityLaw::Zipf { n, s } => {
                Picker::of_weights((1..=*n).map(|rank| zipf_weight(rank, *s)).collect())
            }
            PopularityLaw::List { weights } => Picker::of_weights(weights.to_vec()),
        })
    }
}

fn check_keys(n: u64) -> Result<(), String> {
    if (1..=KEYS_MAX).contains(&n) {
        Ok(())
    } else {
        Err(format!(
            "found {n} keys: there must be from 1 to 10^9 of them"
        ))
    }
}

fn zipf_weight(rank: u64, s: f64) -> f64 {
    libm::pow(rank as f64, -s)
}

/// Σ i^−s for i from 1 to n: the first terms as they are, the rest by the Euler–Maclaurin formula
/// with two corrections, whose remainder is far below a double's precision from i = 1000 on.
fn zipf_sum(n: u64, s: f64) -> f64 {
    let head: f64 = (1..=n.min(SUM_TERMS))
        .rev()
        .map(|rank| zipf_weight(rank, s))
        .sum();
    if n <= SUM_TERMS {
        return head;
    }
    let (a, b) = (SUM_TERMS as f64, n as f64);
    let integral = {
        let (d, ratio) = (1.0 - s, libm::log(b / a));
        let unscaled = if d.abs() < 1e-12 {
            ratio
        } else {
            libm::expm1(d * ratio) / d
        };
        libm::pow(a, d) * unscaled
    };
    let (fa, fb) = (libm::pow(a, -s), libm::pow(b, -s));
    // Σ from a to b is ∫ + (f(a) + f(b)) / 2 + (f'(b) − f'(a)) / 12; the head holds f(a) already.
    head + integral + 0.5 * (fb - fa) + (s * fa / a - s * fb / b) / 12.0
}

/// A popularity compiled for drawing. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PopularitySampler(Picker);

#[derive(Clone, Debug)]
enum Picker {
    Uniform { n: u64 },
    Table(Arc<WeightedAliasIndex<f64>>),
    Zipf(ZipfPicker),
}

impl Picker {
    fn of_weights(weights: Vec<f64>) -> Picker {
        match WeightedAliasIndex::new(weights) {
            Ok(table) => Picker::Table(Arc::new(table)),
            Err(_) => unreachable!("weights were found finite, with a sum above zero, when made"),
        }
    }
}

impl PopularitySampler {
    /// The key asked for, from 0 to n − 1.
    #[inline]
    pub fn sample(&self, draws: &mut Draws) -> u64 {
        match &self.0 {
            Picker::Uniform { n } => below(draws.next_u64(), *n),
            Picker::Table(table) => table.sample(draws) as u64,
            Picker::Zipf(zipf) => zipf.sample(draws),
        }
    }
}

/// Rejection-inversion for Zipf ranks (W. Hörmann and G. Derflinger, "Rejection-Inversion to
/// Generate Variates from Monotone Discrete Distributions", ACM TOMACS 6, 1996).
#[derive(Clone, Debug)]
struct ZipfPicker {
    n: f64,
    s: f64,
    /// H at 1.5, less the weight of rank 1; and at n + 0.5.
    low: f64,
    high: f64,
    /// Up to this distance above the drawn point a rank is taken without a further look.
    sure: f64,
}

impl ZipfPicker {
    fn new(n: u64, s: f64) -> ZipfPicker {
        let mut zipf = ZipfPicker {
            n: n as f64,
            s,
            low: 0.0,
            high: 0.0,
            sure: 0.0,
        };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(zipf.n + 0.5);
        zipf.sure = 2.0 - zipf.inverse(zipf.integral(2.5) - libm::pow(2.0, -s));
        zipf
    }

    /// H(x), an integral of x^−s that is zero at 1.
    fn integral(&self, x: f64) -> f64 {
        let (d, log) = (1.0 - self.s, libm::log(x));
        if d.abs() < 1e-12 {
            log
        } else {
            libm::expm1(d * log) / d
        }
    }

    fn inverse(&self, y: f64) -> f64 {
        let d = 1.0 - self.s;
        if d.abs() < 1e-12 {
            libm::exp(y)
        } else {
            libm::exp(libm::log1p((d * y).max(-1.0)) / d)
        }
    }

    fn sample(&self, draws: &mut Draws) -> u64 {
        loop {
            let y = self.high + draws.unit() * (self.low - self.high);
            let x = self.inverse(y);
            let rank = (x + 0.5).floor().clamp(1.0, self.n);
            if rank - x <= self.sure || y >= self.integral(rank + 0.5) - libm::pow(rank, -self.s) {
                return rank as u64 - 1;
            }
        }
    }
}
