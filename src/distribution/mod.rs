//! Probability laws of non-negative values, and the popularity of keys.
//!
//! A [`Law`] knows its parameters, mean, variance, distribution function and quantiles, and can be
//! read from text. A [`Sampler`] is the same law compiled for speed. A [`Popularity`] says how
//! often each of `n` keys is asked for.
//!
//! Every figure is the same on every platform: what is not an exactly rounded operation comes from
//! the `libm` crate or from a polynomial with a fixed order of operations.

use std::sync::Arc;

mod parse;
mod popularity;
mod rare;
mod sampler;
mod special;
#[cfg(test)]
mod tests;
mod text;
mod until;
mod ziggurat;

pub use parse::LawUnit;
pub use popularity::{Popularity, PopularitySampler};
pub use sampler::Sampler;
pub use ziggurat::Tables;

use special::{gamma_p, normal_cdf, normal_density};

/// A law of non-negative values: seconds, bytes, or plain numbers.
///
/// Formulas are those of A. M. Law, "Simulation Modeling and Analysis", chapter 6, unless another
/// source is named. `cv` is the coefficient of variation, standard deviation divided by mean.
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    /// Always the same value.
    Constant { value: f64 },
    /// Exponential, cv 1.
    Exponential { mean: f64 },
    /// Equally likely anywhere from `low` to `high`.
    Uniform { low: f64, high: f64 },
    /// Rises straight from `low` to `mode` and falls straight to `high`.
    Triangular { low: f64, mode: f64, high: f64 },
    /// Normal, negative values drawn again. `mean` and `sd` are those before that; [`Law::mean`]
    /// and [`Law::variance`] those after it, at most 3 % off because `sd` ≤ `mean` / 2 is required.
    Normal { mean: f64, sd: f64 },
    /// The logarithm is normal.
    LogNormal { mean: f64, cv: f64 },
    /// The sum of `k` exponential phases that take `mean` together.
    Erlang { k: u32, mean: f64 },
    /// Gamma with shape 1 / cv².
    Gamma { mean: f64, cv: f64 },
    /// Weibull; a `shape` below 1 gives a heavier tail than exponential.
    Weibull { mean: f64, shape: f64 },
    /// P(X > x) = (min / x)^alpha. The mean is infinite for alpha ≤ 1, the variance for alpha ≤ 2.
    Pareto { min: f64, alpha: f64 },
    /// Pareto conditioned on not exceeding `max`.
    BoundedPareto { min: f64, max: f64, alpha: f64 },
    /// Two exponential phases with balanced means, cv ≥ 1 (Whitt, "Approximating a Point Process
    /// by a Renewal Process", 1982).
    HyperExponential { mean: f64, cv: f64 },
    /// One of the values in ascending order, equally likely or by weight.
    Empirical {
        values: Arc<[f64]>,
        weights: Option<Arc<[f64]>>,
    },
    /// One of several laws, chosen by weight; weights are shares of their sum.
    Mixture { parts: Vec<(f64, Law)> },
    /// A constant and a law on top.
    Shifted { base: f64, law: Box<Law> },
    /// A law rounded up to whole steps, as by a timer that counts in ticks.
    Ceiling { step: f64, law: Box<Law> },
    /// What was recorded of the very request that is replayed: a value of each record, for each workload that
    /// replays a recording. Constants and rounding have been worked in.
    Recorded { column: Arc<str>, values: Columns },
}

/// A column of the recording of each workload, by the workload's number.
pub type Columns = Arc<[Option<Arc<[f64]>>]>;

fn all(columns: &Columns) -> impl Iterator<Item = f64> {
    columns.iter().flatten().flat_map(|c| c.iter().copied())
}

fn average(columns: &Columns, of: impl Fn(f64) -> f64) -> f64 {
    let (n, sum) = all(columns).fold((0u64, 0.0), |(n, sum), v| (n + 1, sum + of(v)));
    sum / n.max(1) as f64
}

/// First and second moment of the number of steps to which a law is rounded up, from its tail probabilities.
fn ceiling_sums(law: &Law, step: f64) -> (f64, f64) {
    let (mut first, mut second) = (0.0, 0.0);
    for k in 0..1_000_000u32 {
        let beyond = 1.0 - law.cdf(f64::from(k) * step);
        first += beyond;
        second += (2.0 * f64::from(k) + 1.0) * beyond;
        if beyond < 1e-12 {
            break;
        }
    }
    (first, second)
}

/// No value may exceed this: 2^60, in nanoseconds 36 years, far beyond every run.
const VALUE_MAX: f64 = (1u64 << 60) as f64;

impl Law {
    /// Whether the parameters make a law that can be drawn from; the error says what would do.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Law::Constant { value } => at_least_zero("the value", *value),
            Law::Exponential { mean } => positive("the mean", *mean),
            Law::Uniform { low, high } => {
                at_least_zero("the lower end", *low)?;
                positive("the upper end", *high)?;
                require(
                    low <= high,
                    "the lower end, written first, lies above the upper end",
                )
            }
            Law::Triangular { low, mode, high } => {
                at_least_zero("the lower end", *low)?;
                positive("the upper end", *high)?;
                require(
                    low <= mode && mode <= high,
                    "write the lower end, the most likely value and the upper end in ascending order",
                )
            }
            Law::Normal { mean, sd } => {
                positive("the mean", *mean)?;
                at_least_zero("the standard deviation", *sd)?;
                require(
                    *sd <= 0.5 * mean,
                    "more than 2.3 % of the values would be negative: keep the cv at or below 0.5, \
                     or use `lognormal` or `gamma`",
                )
            }
            Law::LogNormal { mean, cv } | Law::Gamma { mean, cv } => {
                positive("the mean", *mean)?;
                between("cv", *cv, 0.0, 1000.0)
            }
            Law::Erlang { k, mean } => {
                positive("the mean", *mean)?;
                require(*k >= 1, "the number of phases is at least 1")
            }
            Law::Weibull { mean, shape } => {
                positive("the mean", *mean)?;
                between("the shape", *shape, 0.05, 1000.0)
            }
            Law::Pareto { min, alpha } => {
                positive("the minimum", *min)?;
                between("alpha", *alpha, 0.1, 1000.0)
            }
            Law::BoundedPareto { min, max, alpha } => {
                positive("the minimum", *min)?;
                positive("the maximum", *max)?;
                between("alpha", *alpha, 0.1, 1000.0)?;
                require(
                    min < max,
                    "the minimum, written first, must lie below the maximum",
                )
            }
            Law::HyperExponential { mean, cv } => {
                positive("the mean", *mean)?;
                require(
                    *cv >= 1.0,
                    &format!(
                        "found cv {cv}: a hyperexponential has a cv of 1 or more; below 1 use `gamma` or `erlang`"
                    ),
                )?;
                between("cv", *cv, 1.0, 1000.0)
            }
            Law::Empirical { values, weights } => {
                require(!values.is_empty(), "an empirical law needs at least one value")?;
                for value in values.iter() {
                    at_least_zero("each value", *value)?;
                }
                require(values.is_sorted(), "the values must be in ascending order")?;
                if let Some(weights) = weights {
                    require(weights.len() == values.len(), "each value needs its weight")?;
                    for weight in weights.iter() {
                        positive("each weight", *weight)?;
                    }
                }
                Ok(())
            }
            Law::Mixture { parts } => {
                require(!parts.is_empty(), "a mixture needs at least one part")?;
                for (weight, law) in parts {
                    positive("each weight", *weight)?;
                    law.check()?;
                }
                Ok(())
            }
            Law::Shifted { base, law } => {
                at_least_zero("the constant", *base)?;
                law.check()
            }
            Law::Ceiling { step, law } => {
                if !(step.is_finite() && *step > 0.0) {
                    return Err("the step must be above zero".into());
                }
                law.check()
            }
            Law::Recorded { values, .. } => all(values).try_for_each(|v| at_least_zero("each value", v)),
        }
    }

    /// The mean; `None` when it is infinite.
    pub fn mean(&self) -> Option<f64> {
        Some(match self {
            Law::Constant { value } => *value,
            Law::Exponential { mean }
            | Law::LogNormal { mean, .. }
            | Law::Erlang { mean, .. }
            | Law::Gamma { mean, .. }
            | Law::Weibull { mean, .. }
            | Law::HyperExponential { mean, .. } => *mean,
            Law::Uniform { low, high } => 0.5 * (low + high),
            Law::Triangular { low, mode, high } => (low + mode + high) / 3.0,
            Law::Normal { mean, sd } => mean + sd * hazard_at_zero(*mean, *sd),
            Law::Pareto { min, alpha } if *alpha > 1.0 => alpha * min / (alpha - 1.0),
            Law::Pareto { .. } => return None,
            Law::BoundedPareto { min, max, alpha } => bounded_pareto_moment(1.0, *min, *max, *alpha),
            Law::Empirical { values, weights } => weighted_sum(values, weights.as_deref(), |value| value),
            Law::Mixture { parts } => mixture_sum(parts, Law::mean)?,
            Law::Shifted { base, law } => base + law.mean()?,
            Law::Ceiling { step, law } => match law.as_ref() {
                Law::Exponential { mean } => step / -libm::expm1(-step / mean),
                law => {
                    law.mean()?; // infinite with it
                    step * ceiling_sums(law, *step).0
                }
            },
            Law::Recorded { values, .. } => average(values, |v| v),
        })
    }

    /// The variance, in the unit squared; `None` when it is infinite.
    pub fn variance(&self) -> Option<f64> {
        Some(match self {
            Law::Constant { .. } => 0.0,
            Law::Exponential { mean } => mean * mean,
            Law::Uniform { low, high } => (high - low) * (high - low) / 12.0,
            Law::Triangular { low, mode, high } => {
                let (a, b) = (mode - low, high - low);
                (b * b - a * b + a * a) / 18.0
            }
            Law::Normal { mean, sd } if *sd > 0.0 => {
                let hazard = hazard_at_zero(*mean, *sd);
                sd * sd * (1.0 - mean / sd * hazard - hazard * hazard)
            }
            Law::Normal { .. } => 0.0,
            Law::LogNormal { mean, cv } | Law::Gamma { mean, cv } | Law::HyperExponential { mean, cv } => {
                mean * mean * cv * cv
            }
            Law::Erlang { k, mean } => mean * mean / f64::from(*k),
            Law::Weibull { mean, shape } => {
                let scale = mean / libm::tgamma(1.0 + 1.0 / shape);
                scale * scale * libm::tgamma(1.0 + 2.0 / shape) - mean * mean
            }
            Law::Pareto { min, alpha } if *alpha > 2.0 => {
                alpha * min * min / ((alpha - 1.0) * (alpha - 1.0) * (alpha - 2.0))
            }
            Law::Pareto { .. } => return None,
            Law::BoundedPareto { min, max, alpha } => {
                let mean = bounded_pareto_moment(1.0, *min, *max, *alpha);
                (bounded_pareto_moment(2.0, *min, *max, *alpha) - mean * mean).max(0.0)
            }
            Law::Empirical { values, weights } => {
                let mean = self.mean()?;
                weighted_sum(values, weights.as_deref(), |value| {
                    (value - mean) * (value - mean)
                })
            }
            Law::Mixture { parts } => {
                let mean = self.mean()?;
                mixture_sum(parts, |law| {
                    let apart = law.mean()? - mean;
                    Some(law.variance()? + apart * apart)
                })?
            }
            Law::Shifted { law, .. } => law.variance()?,
            Law::Ceiling { step, law } => match law.as_ref() {
                // The number of steps is geometric.
                Law::Exponential { mean } => {
                    let p = -libm::expm1(-step / mean);
                    step * step * (1.0 - p) / (p * p)
                }
                law => {
                    law.variance()?;
                    let (first, second) = ceiling_sums(law, *step);
                    step * step * (second - first * first)
                }
            },
            Law::Recorded { values, .. } => {
                let mean = average(values, |v| v);
                average(values, |v| (v - mean) * (v - mean))
            }
        })
    }

    /// The squared coefficient of variation; `None` when it is infinite or the mean is zero.
    pub fn cv2(&self) -> Option<f64> {
        let mean = self.mean()?;
        if mean > 0.0 {
            Some(self.variance()? / (mean * mean))
        } else {
            None
        }
    }

    /// P(X ≤ x).
    pub fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 {
            return 0.0;
        }
        match self {
            Law::Constant { value } => step(x >= *value),
            Law::Exponential { mean } => -libm::expm1(-x / mean),
            Law::Uniform { low, high } if low < high => ((x - low) / (high - low)).clamp(0.0, 1.0),
            Law::Uniform { low, .. } => step(x >= *low),
            Law::Triangular { low, mode, high } => {
                if x >= *high {
                    1.0
                } else if x > *mode {
                    1.0 - (high - x) * (high - x) / ((high - low) * (high - mode))
                } else if x > *low {
                    (x - low) * (x - low) / ((high - low) * (mode - low))
                } else {
                    0.0
                }
            }
            Law::Normal { mean, sd } if *sd > 0.0 => {
                let negative = normal_cdf(-mean / sd);
                ((normal_cdf((x - mean) / sd) - negative) / (1.0 - negative)).max(0.0)
            }
            Law::Normal { mean, .. } => step(x >= *mean),
            Law::LogNormal { mean, cv } if *cv > 0.0 => {
                let (median, sigma) = lognormal_parameters(*mean, *cv);
                if x > 0.0 {
                    normal_cdf(libm::log(x / median) / sigma)
                } else {
                    0.0
                }
            }
            Law::Gamma { mean, cv } if *cv > 0.0 => {
                let shape = 1.0 / (cv * cv);
                gamma_p(shape, x * shape / mean)
            }
            Law::LogNormal { mean, .. } | Law::Gamma { mean, .. } => step(x >= *mean),
            Law::Erlang { k, mean } => gamma_p(f64::from(*k), x * f64::from(*k) / mean),
            Law::Weibull { mean, shape } => {
                let scale = mean / libm::tgamma(1.0 + 1.0 / shape);
                -libm::expm1(-libm::pow(x / scale, *shape))
            }
            Law::Pareto { min, alpha } => {
                if x > *min {
                    1.0 - libm::pow(min / x, *alpha)
                } else {
                    0.0
                }
            }
            Law::BoundedPareto { min, max, alpha } => {
                if x <= *min {
                    0.0
                } else if x >= *max {
                    1.0
                } else {
                    (1.0 - libm::pow(min / x, *alpha)) / (1.0 - libm::pow(min / max, *alpha))
                }
            }
            Law::HyperExponential { mean, cv } => {
                let phases = hyperexponential_phases(*mean, *cv);
                phases
                    .iter()
                    .map(|(share, mean)| -share * libm::expm1(-x / mean))
                    .sum()
            }
            Law::Empirical { values, weights } => {
                weighted_sum(values, weights.as_deref(), |value| step(value <= x))
            }
            Law::Mixture { parts } => mixture_sum(parts, |law| Some(law.cdf(x))).unwrap_or(0.0),
            Law::Shifted { base, law } => law.cdf(x - base),
            Law::Ceiling { step, law } if x >= 0.0 => law.cdf(libm::floor(x / step) * step),
            Law::Ceiling { .. } => 0.0,
            Law::Recorded { values, .. } => average(values, |v| step(v <= x)),
        }
    }

    /// A recorded value with the same done to each; any other law is given back.
    fn each_recorded(self, change: impl Fn(f64) -> f64) -> Result<Law, Law> {
        let Law::Recorded { column, values } = self else {
            return Err(self);
        };
        let values = values
            .iter()
            .map(|c| c.as_ref().map(|c| c.iter().map(|v| change(*v)).collect()))
            .collect();
        Ok(Law::Recorded { column, values })
    }

    /// The smallest x with P(X ≤ x) ≥ p, by bisection of [`Law::cdf`] down to neighbouring floats;
    /// at most 2^60.
    pub fn quantile(&self, p: f64) -> f64 {
        if self.cdf(0.0) >= p {
            return 0.0;
        }
        // Non-negative floats are ordered like their bits, so 64 halvings always suffice.
        let (mut below, mut above) = (0u64, VALUE_MAX.to_bits());
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            if self.cdf(f64::from_bits(middle)) >= p {
                above = middle;
            } else {
                below = middle;
            }
        }
        f64::from_bits(above)
    }
}

/// φ(μ/σ) / Φ(μ/σ), what cutting a normal off at zero adds to its mean in units of σ.
fn hazard_at_zero(mean: f64, sd: f64) -> f64 {
    if sd > 0.0 {
        normal_density(mean / sd) / normal_cdf(mean / sd)
    } else {
        0.0
    }
}

/// Median and standard deviation of the logarithm.
fn lognormal_parameters(mean: f64, cv: f64) -> (f64, f64) {
    let sigma2 = libm::log1p(cv * cv);
    (mean * libm::exp(-0.5 * sigma2), sigma2.sqrt())
}

/// Share and mean of the two phases, each of which carries half of the mean.
fn hyperexponential_phases(mean: f64, cv: f64) -> [(f64, f64); 2] {
    let excess = ((cv * cv - 1.0) / (cv * cv + 1.0)).max(0.0).sqrt();
    // 1 - excess without cancellation, for large cv.
    let rare = 0.5 * (2.0 / (cv * cv + 1.0)) / (1.0 + excess);
    let often = 1.0 - rare;
    [(often, mean / (2.0 * often)), (rare, mean / (2.0 * rare))]
}

/// E[X^r]: α min^α / (1 − (min/max)^α) · ∫ x^(r − α − 1) dx.
fn bounded_pareto_moment(r: f64, min: f64, max: f64, alpha: f64) -> f64 {
    let ratio = libm::log(max / min);
    let d = r - alpha;
    let integral = if d.abs() < 1e-12 {
        ratio
    } else {
        libm::expm1(d * ratio) / d
    };
    alpha * libm::pow(min, r) * integral / -libm::expm1(-alpha * ratio)
}

fn weighted_sum(values: &[f64], weights: Option<&[f64]>, of: impl Fn(f64) -> f64) -> f64 {
    match weights {
        None => values.iter().map(|value| of(*value)).sum::<f64>() / values.len() as f64,
        Some(weights) => {
            let total: f64 = weights.iter().sum();
            values
                .iter()
                .zip(weights)
                .map(|(value, weight)| weight * of(*value))
                .sum::<f64>()
                / total
        }
    }
}

fn mixture_sum(parts: &[(f64, Law)], of: impl Fn(&Law) -> Option<f64>) -> Option<f64> {
    let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
    let mut sum = 0.0;
    for (weight, law) in parts {
        sum += weight * of(law)?;
    }
    Some(sum / total)
}

fn step(reached: bool) -> f64 {
    if reached { 1.0 } else { 0.0 }
}

fn require(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_string()) }
}

fn positive(what: &str, value: f64) -> Result<(), String> {
    at_least_zero(what, value)?;
    require(value > 0.0, &format!("{what} must be above zero"))
}

fn at_least_zero(what: &str, value: f64) -> Result<(), String> {
    require(value >= 0.0, &format!("{what} must not be negative"))?;
    require(value <= VALUE_MAX, &format!("{what} is too large: at most 2^60"))
}

fn between(what: &str, value: f64, low: f64, high: f64) -> Result<(), String> {
    require(
        (low..=high).contains(&value),
        &format!("{what} is {value}: it must lie between {low} and {high}"),
    )
}
