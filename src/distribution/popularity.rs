//! How often each of `n` keys is asked for.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rand::distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;

use super::sampler::below;
use super::text::{nearest, plain_number, share, split_number};
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
    shared: Shared,
}

/// The table that all samplers of a popularity draw from: a thousand caches of a million keys have one. It goes with
/// the last of them, so that models that wait for their turn keep none.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Weak<WeightedAliasIndex<f64>>>>);

/// It follows from the law.
impl PartialEq for Shared {
    fn eq(&self, _: &Shared) -> bool {
        true
    }
}

impl Shared {
    fn table(&self, weights: impl FnOnce() -> Vec<f64>) -> Picker {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let table = held
            .upgrade()
            .unwrap_or_else(|| match WeightedAliasIndex::new(weights()) {
                Ok(table) => Arc::new(table),
                Err(_) => unreachable!("weights were found finite, with a sum above zero, when made"),
            });
        *held = Arc::downgrade(&table);
        Picker::Table(table)
    }
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
        const WRITTEN: &str = "write `uniform(1000)`, `zipf(1000, 1.1)` or `list(3, 2, 1)`";
        let text = text.trim();
        let call = text
            .split_once('(')
            .and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)));
        let Some((name, inside)) = call else {
            return Err(format!("found `{text}` for the popularity of keys: {WRITTEN}"));
        };
        let name = name.trim();
        let arguments: Vec<&str> = inside.split(',').map(str::trim).collect();
        let popularity = match (name, arguments.as_slice()) {
            ("uniform", [n]) => Popularity::uniform(key_count(n)?),
            ("zipf", [n, s]) => {
                let s = s.strip_prefix("s ").unwrap_or(s);
                Popularity::zipf(key_count(n)?, plain_number(s)?)
            }
            ("list", weights) => Popularity::list(
                weights
                    .iter()
                    .map(|weight| share(weight))
                    .collect::<Result<_, _>>()?,
            ),
            ("uniform" | "zipf", _) => {
                return Err(format!("`{text}` has {} parameters: {WRITTEN}", arguments.len()));
            }
            _ => {
                let meant = nearest(name, ["uniform", "zipf", "list"].into_iter());
                let meant = meant.map(|meant| format!("did you mean `{meant}`? "));
                return Err(format!(
                    "no popularity is called `{name}`: {}{WRITTEN}",
                    meant.unwrap_or_default()
                ));
            }
        };
        popularity.map_err(|message| format!("`{text}`: {message}"))
    }

    /// `n` keys asked for equally often; `n` from 1 to 10^9.
    pub fn uniform(n: u64) -> Result<Popularity, String> {
        check_keys(n)?;
        Ok(Popularity {
            law: PopularityLaw::Uniform { n },
            total: n as f64,
            shared: Shared::default(),
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
            shared: Shared::default(),
        })
    }

    /// One key a weight, asked for in proportion to it; at least one weight must be above zero.
    pub fn list(weights: Vec<f64>) -> Result<Popularity, String> {
        check_keys(weights.len() as u64)?;
        if let Some(wrong) = weights.iter().find(|weight| !(0.0..=1e18).contains(*weight)) {
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
            shared: Shared::default(),
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

    /// Whether keys stand in an order of their own, and not by how often they are asked for.
    pub fn is_list(&self) -> bool {
        matches!(self.law, PopularityLaw::List { .. })
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

    /// How often the most popular key is asked for, as a share.
    pub fn hottest(&self) -> f64 {
        match &self.law {
            PopularityLaw::List { weights } => weights.iter().fold(0.0, |m: f64, w| m.max(*w)) / self.total,
            _ => self.probability(0),
        }
    }

    /// The share of requests for others than the `n` most popular keys; zero where there are too many to add up.
    pub fn share_beyond(&self, n: u64) -> f64 {
        if n >= self.len() || n > TABLE_MAX {
            return 0.0;
        }
        let top: f64 = match &self.law {
            PopularityLaw::List { weights } => {
                let mut sorted = weights.to_vec();
                sorted.sort_by(|a, b| b.total_cmp(a));
                sorted.iter().take(n as usize).sum::<f64>() / self.total
            }
            _ => (0..n).map(|i| self.probability(i)).sum(),
        };
        (1.0 - top).clamp(0.0, 1.0)
    }

    /// The same popularity compiled for drawing.
    pub fn sampler(&self) -> PopularitySampler {
        PopularitySampler(match &self.law {
            PopularityLaw::Uniform { n } => Picker::Uniform { n: *n },
            PopularityLaw::Zipf { n, s } if *n > TABLE_MAX => Picker::Zipf(ZipfPicker::new(*n, *s)),
            PopularityLaw::Zipf { n, s } => {
                let weights = || (1..=*n).map(|rank| zipf_weight(rank, *s)).collect();
                self.shared.table(weights)
            }
            PopularityLaw::List { weights } => self.shared.table(|| weights.to_vec()),
        })
    }
}

fn key_count(text: &str) -> Result<u64, String> {
    let (number, suffix) = split_number(text);
    let factor = match suffix {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        _ => 0.0,
    };
    match number.map(|number| number * factor) {
        Some(n) if (1.0..=1e18).contains(&n) && n == n.trunc() => Ok(n as u64),
        _ => Err(format!(
            "found `{text}` as the number of keys: write a whole number, as `1000`, `10k` or `1M`"
        )),
    }
}

fn check_keys(n: u64) -> Result<(), String> {
    if (1..=KEYS_MAX).contains(&n) {
        Ok(())
    } else {
        Err(format!("found {n} keys: there must be from 1 to 10^9 of them"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{purpose_key, request_key};

    const N: u64 = 400_000;

    fn made(popularity: Result<Popularity, String>) -> Popularity {
        match popularity {
            Ok(popularity) => popularity,
            Err(message) => panic!("{message}"),
        }
    }

    /// Each of the first ten keys, and all beyond together, is drawn as often as its probability
    /// says, within five standard errors: once in 1.7 million times chance alone goes further.
    fn holds(what: &str, popularity: &Popularity, mut sample: impl FnMut(&mut Draws) -> u64) {
        let key = purpose_key(1, 0, what);
        let mut counts = [0u64; 11];
        for number in 0..N {
            let picked = sample(&mut Draws::new(key, request_key(0, number)));
            assert!(picked < popularity.len(), "{what}: {picked}");
            counts[picked.min(10) as usize] += 1;
        }
        let first: f64 = (0..10).map(|i| popularity.probability(i)).sum();
        for (i, count) in counts.into_iter().enumerate() {
            let p = if i < 10 {
                popularity.probability(i as u64)
            } else {
                (1.0 - first).max(0.0)
            };
            let (mean, sd) = (N as f64 * p, (N as f64 * p * (1.0 - p)).sqrt());
            // Where less than one is expected the normal bound does not hold; a few may come.
            let room = 5.0 * sd + if mean < 10.0 { 8.0 } else { 1e-6 };
            assert!(
                (count as f64 - mean).abs() <= room,
                "{what}, key {i}: {count} instead of {mean}"
            );
        }
    }

    #[test]
    fn samplers_of_one_popularity_share_their_table_and_no_longer_than_they_live() {
        let popularity = made(Popularity::parse("zipf(1000, 1.1)"));
        let table = |sampler: &PopularitySampler| match &sampler.0 {
            Picker::Table(table) => Arc::as_ptr(table),
            other => panic!("{other:?}"),
        };
        let (one, other) = (popularity.sampler(), popularity.clone().sampler());
        assert_eq!(table(&one), table(&other));
        drop((one, other));
        let held = popularity.shared.0.lock().unwrap();
        assert!(held.upgrade().is_none());
    }

    #[test]
    fn keys_are_drawn_as_often_as_they_say() {
        for text in [
            "uniform(7)",
            "uniform(1000000000)",
            "list(3, 2, 1)",
            "list(0, 5, 0, 1)",
            "list(1)",
            "zipf(1, 1)",
            "zipf(1000, 0)",
            "zipf(1000, 1.1)",
            "zipf(100000, 1)",
            "zipf(2000000, 0.8)",
            "zipf(1000000000, 1)",
            "zipf(1000000000, 1.2)",
            "zipf(1000000000, 20)",
        ] {
            let popularity = made(Popularity::parse(text));
            let sampler = popularity.sampler();
            holds(text, &popularity, |draws| sampler.sample(draws));
        }
    }

    #[test]
    fn rejection_inversion_agrees_with_the_exact_shares() {
        for n in [1, 2, 10, 12, 1000] {
            for s in [0.0, 0.5, 0.99, 1.0, 1.01, 2.0, 8.0, 20.0] {
                let popularity = made(Popularity::zipf(n, s));
                let zipf = ZipfPicker::new(n, s);
                holds(&format!("{n} {s}"), &popularity, |draws| zipf.sample(draws));
            }
        }
    }

    #[test]
    fn an_impossible_key_is_never_drawn() {
        let sampler = made(Popularity::list(vec![0.0, 1.0, 0.0])).sampler();
        let key = purpose_key(1, 0, "x");
        assert!((0..10_000).all(|number| sampler.sample(&mut Draws::new(key, number)) == 1));
    }

    #[test]
    fn probabilities_add_up() {
        for text in [
            "uniform(7)",
            "list(3, 2, 1)",
            "zipf(5000, 1.1)",
            "zipf(200000, 0.7)",
            "zipf(200000, 1)",
        ] {
            let popularity = made(Popularity::parse(text));
            let sum: f64 = (0..popularity.len())
                .rev()
                .map(|i| popularity.probability(i))
                .sum();
            assert!((sum - 1.0).abs() < 1e-12, "{text}: {sum}");
            assert_eq!(popularity.probability(popularity.len()), 0.0);
        }
    }
}
