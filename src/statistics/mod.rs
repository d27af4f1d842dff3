//! Statistics and queueing theory: what a run's numbers are worth, and what they ought to be.
//!
//! The first half turns observations into statements with an error attached: [`interval`] for
//! replications, pairs and rare losses, [`leaning`] for what leans to one side and for quantiles, [`precision`] for when to stop, [`batch`] for one
//! long run, [`warmup`] for the
//! transient, [`trend`] for queues that grow, [`recovery`] for what a disturbance leaves. The second half is the theory that simulated figures
//! are held against: [`queueing`] for open stations, [`closed`] for a fixed population, [`ctmc`] for
//! whatever has no formula, [`scalability`] for the Universal Scalability Law.
//!
//! All functions are pure. Rates are per second and times in seconds unless said otherwise. Nothing
//! here calls a transcendental function of the platform, so equal inputs give equal bits everywhere.
//! `docs/theory.md` lists each formula with its source and its test.

use std::fmt;

pub mod batch;
pub mod closed;
pub mod ctmc;
pub mod interval;
pub mod leaning;
pub mod precision;
pub mod queueing;
pub mod recovery;
pub mod scalability;
pub mod special;
pub mod trend;
pub mod warmup;

pub use interval::Estimate;
pub use precision::{Precision, relative_precision};

/// Why a function of this shelf has no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// A parameter lies outside the formula's domain.
    Domain {
        parameter: &'static str,
        must: &'static str,
        found: f64,
    },
    /// The offered load is at or above capacity: no steady state exists.
    Unstable { utilisation: f64 },
    /// Too few observations.
    TooFew { needed: usize, found: usize },
    /// The computation would be larger than this shelf is willing to make it.
    TooLarge { what: &'static str, limit: usize },
    /// An iteration did not settle.
    NotConverged { what: &'static str },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Domain {
                parameter,
                must,
                found,
            } => write!(f, "{parameter} must be {must}, found {found}"),
            Refusal::Unstable { utilisation } => write!(
                f,
                "offered load is {utilisation} of capacity: there is no steady state"
            ),
            Refusal::TooFew { needed, found } => {
                write!(f, "needs at least {needed} observations, found {found}")
            }
            Refusal::TooLarge { what, limit } => write!(f, "more than {limit} {what}"),
            Refusal::NotConverged { what } => write!(f, "{what} did not converge"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The value itself, if it is finite and above zero.
fn positive(value: f64, parameter: &'static str) -> Result<f64, Refusal> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(Refusal::Domain {
            parameter,
            must: "positive and finite",
            found: value,
        })
    }
}

/// The value itself, if it is finite and not below zero.
fn not_negative(value: f64, parameter: &'static str) -> Result<f64, Refusal> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(Refusal::Domain {
            parameter,
            must: "zero or more and finite",
            found: value,
        })
    }
}

/// The value itself, if it lies strictly between zero and one.
fn probability(value: f64, parameter: &'static str) -> Result<f64, Refusal> {
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err(Refusal::Domain {
            parameter,
            must: "strictly between 0 and 1",
            found: value,
        })
    }
}

/// The count itself, if it is at least one.
fn at_least_one(value: u32, parameter: &'static str) -> Result<u32, Refusal> {
    if value >= 1 {
        Ok(value)
    } else {
        Err(Refusal::Domain {
            parameter,
            must: "at least 1",
            found: 0.0,
        })
    }
}

/// `Ok` below saturation.
fn stable(utilisation: f64) -> Result<f64, Refusal> {
    if utilisation < 1.0 {
        Ok(utilisation)
    } else {
        Err(Refusal::Unstable { utilisation })
    }
}

/// `Ok` if every value is finite.
fn all_finite(values: &[f64], parameter: &'static str) -> Result<(), Refusal> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(&found) => Err(Refusal::Domain {
            parameter,
            must: "finite",
            found,
        }),
    }
}

/// Arithmetic mean; zero for an empty slice.
fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// Unbiased sample variance; zero for fewer than two values.
fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let centre = mean(values);
    let squares: f64 = values.iter().map(|x| (x - centre) * (x - centre)).sum();
    squares / (values.len() - 1) as f64
}

/// A small generator for tests that need many samples; SplitMix64 (Steele, Lea & Flood 2014).
#[cfg(test)]
pub(crate) struct TestRandom(pub u64);

#[cfg(test)]
impl TestRandom {
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log1p(-self.uniform())
    }

    pub fn normal(&mut self) -> f64 {
        special::normal_quantile(self.uniform().max(1e-12)).unwrap_or(0.0)
    }
}

#[cfg(test)]
pub(crate) fn assert_close(found: f64, expected: f64, relative: f64) {
    let error = (found - expected).abs();
    // Every number is near enough to infinity.
    assert!(
        expected.is_finite() && error <= relative * expected.abs().max(1e-300),
        "found {found}, expected {expected}, off by {error}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_values_have_a_variance_and_a_large_mean_costs_it_no_digits() {
        assert_eq!(variance(&[5.0]), 0.0);
        assert_eq!(variance(&[1.0, 3.0]), 2.0);
        let exact = 3.25 * 3.25 / 3.0;
        assert_close(variance(&[1e9 + 1.0, 1e9 + 1.0, 1e9 + 4.25]), exact, 1e-9);
    }

    #[test]
    fn what_cannot_be_and_what_must_be_are_no_probabilities() {
        assert!(probability(0.0, "it").is_err() && probability(1.0, "it").is_err());
        assert_eq!(probability(0.5, "it"), Ok(0.5));
    }
}
