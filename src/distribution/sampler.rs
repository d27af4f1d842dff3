//! Laws compiled for drawing.

use std::sync::Arc;

use rand::distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;

use super::{Law, Tables, VALUE_MAX, hyperexponential_phases, lognormal_parameters};
use crate::random::Draws;

const NANOS_PER_SECOND: f64 = 1e9;

/// Up to this many phases an Erlang value is drawn as a sum of exponentials; above, as a gamma.
const ERLANG_SUM_MAX: u32 = 4;

/// A law compiled for drawing: an offset, a scale and a shape. Cheap to clone.
///
/// Draws that have nothing to do with one another come from different purposes or requests; a
/// sampler takes from [`Draws`] as many as it needs.
#[derive(Clone, Debug)]
pub struct Sampler {
    offset: f64,
    scale: f64,
    offset_nanos: f64,
    scale_nanos: f64,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Constant,
    Exponential,
    Uniform,
    LogNormal {
        sigma: f64,
    },
    Triangular {
        mode: f64,
    },
    Normal {
        cv: f64,
    },
    Erlang {
        k: u32,
    },
    Gamma {
        d: f64,
        c: f64,
    },
    /// Gamma with a shape below 1: the one with shape + 1, times U^(1/shape).
    BoostedGamma {
        d: f64,
        c: f64,
        inverse_shape: f64,
    },
    Weibull {
        inverse_shape: f64,
    },
    Pareto {
        inverse_alpha: f64,
    },
    BoundedPareto {
        inverse_alpha: f64,
        reach: f64,
    },
    HyperExponential {
        phases: [(f64, f64); 2],
    },
    Values(Arc<[f64]>),
    WeightedValues(Arc<(WeightedAliasIndex<f64>, Arc<[f64]>)>),
    /// Cumulative share, and the sampler for those below it.
    Mixture(Arc<[(f64, Sampler)]>),
    /// Steps in a unit, and the sampler that is rounded up to whole steps.
    Ceiling(Arc<(f64, Sampler)>),
}

impl Sampler {
    /// Compiles a law that has passed [`Law::check`].
    pub fn new(law: &Law) -> Sampler {
        match law {
            Law::Constant { value } => Sampler::of(*value, 0.0, Shape::Constant),
            Law::Exponential { mean } => Sampler::of(0.0, *mean, Shape::Exponential),
            Law::Uniform { low, high } => Sampler::of(*low, high - low, Shape::Uniform),
            Law::Triangular { low, high, .. } if low == high => Sampler::of(*low, 0.0, Shape::Constant),
            Law::Triangular { low, mode, high } => {
                let mode = (mode - low) / (high - low);
                Sampler::of(*low, high - low, Shape::Triangular { mode })
            }
            Law::Normal { mean, sd } => Sampler::of(0.0, *mean, Shape::Normal { cv: sd / mean }),
            Law::LogNormal { mean, cv } => {
                let (median, sigma) = lognormal_parameters(*mean, *cv);
                Sampler::of(0.0, median, Shape::LogNormal { sigma })
            }
            Law::Erlang { k, mean } if *k <= ERLANG_SUM_MAX => {
                Sampler::of(0.0, mean / f64::from(*k), Shape::Erlang { k: *k })
            }
            Law::Erlang { k, mean } => Sampler::gamma(*mean, f64::from(*k)),
            // Below this the law is a constant to eight digits.
            Law::Gamma { mean, cv } if *cv < 1e-8 => Sampler::of(*mean, 0.0, Shape::Constant),
            Law::Gamma { mean, cv } => Sampler::gamma(*mean, 1.0 / (cv * cv)),
            Law::Weibull { mean, shape } => {
                let scale = mean / libm::tgamma(1.0 + 1.0 / shape);
                Sampler::of(
                    0.0,
                    scale,
                    Shape::Weibull {
                        inverse_shape: 1.0 / shape,
                    },
                )
            }
            Law::Pareto { min, alpha } => Sampler::of(
                0.0,
                *min,
                Shape::Pareto {
                    inverse_alpha: 1.0 / alpha,
                },
            ),
            Law::BoundedPareto { min, max, alpha } => {
                let reach = -libm::expm1(-alpha * libm::log(max / min));
                Sampler::of(
                    0.0,
                    *min,
                    Shape::BoundedPareto {
                        inverse_alpha: 1.0 / alpha,
                        reach,
                    },
                )
            }
            Law::HyperExponential { mean, cv } => {
                let phases = hyperexponential_phases(1.0, *cv);
                Sampler::of(0.0, *mean, Shape::HyperExponential { phases })
            }
            Law::Empirical {
                values,
                weights: None,
            } => Sampler::of(0.0, 1.0, Shape::Values(values.clone())),
            Law::Empirical {
                values,
                weights: Some(weights),
            } => match WeightedAliasIndex::new(weights.to_vec()) {
                Ok(alias) => {
                    let table = Arc::new((alias, values.clone()));
                    Sampler::of(0.0, 1.0, Shape::WeightedValues(table))
                }
                Err(_) => unreachable!("weights were found positive and finite by Law::check"),
            },
            Law::Mixture { parts } => {
                let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
                let mut sum = 0.0;
                let parts = parts.iter().map(|(weight, law)| {
                    sum += weight / total;
                    (sum, Sampler::new(law))
                });
                Sampler::of(0.0, 1.0, Shape::Mixture(parts.collect()))
            }
            Law::Shifted { base, law } => {
                let inner = Sampler::new(law);
                Sampler::of(base + inner.offset, inner.scale, inner.shape)
            }
            Law::Ceiling { step, law } => Sampler::of(
                0.0,
                *step,
                Shape::Ceiling(Arc::new((1.0 / step, Sampler::new(law)))),
            ),
            // Where no request is at hand to look its record up: one of them.
            Law::Recorded { values, .. } => {
                let all: Arc<[f64]> = super::all(values).collect();
                match all.is_empty() {
                    true => Sampler::of(0.0, 0.0, Shape::Constant),
                    false => Sampler::of(0.0, 1.0, Shape::Values(all)),
                }
            }
        }
    }

    fn of(offset: f64, scale: f64, shape: Shape) -> Sampler {
        let (offset_nanos, scale_nanos) = (offset * NANOS_PER_SECOND, scale * NANOS_PER_SECOND);
        Sampler {
            offset,
            scale,
            offset_nanos,
            scale_nanos,
            shape,
        }
    }

    fn gamma(mean: f64, shape: f64) -> Sampler {
        let raised = if shape < 1.0 { shape + 1.0 } else { shape };
        let d = raised - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        let kind = if shape < 1.0 {
            Shape::BoostedGamma {
                d,
                c,
                inverse_shape: 1.0 / shape,
            }
        } else {
            Shape::Gamma { d, c }
        };
        Sampler::of(0.0, mean / shape, kind)
    }

    /// A value of a law of seconds in whole nanoseconds, rounded to the nearest, at most 2^60.
    #[inline(always)]
    pub fn sample_nanos(&self, tables: &Tables, draws: &mut Draws) -> u64 {
        whole(self.offset_nanos + self.scale_nanos * self.unscaled(tables, draws))
    }

    /// A value in the law's own unit, at most 2^60.
    #[inline(always)]
    pub fn sample(&self, tables: &Tables, draws: &mut Draws) -> f64 {
        (self.offset + self.scale * self.unscaled(tables, draws)).min(VALUE_MAX)
    }

    #[inline(always)]
    fn unscaled(&self, tables: &Tables, draws: &mut Draws) -> f64 {
        match &self.shape {
            Shape::Constant => 0.0,
            Shape::Exponential => tables.exponential(draws),
            Shape::Uniform => draws.unit(),
            Shape::LogNormal { sigma } => tables.exp(sigma * tables.normal(draws)),
            shape => {
                let (x, rest) = shape.draw(tables, draws.clone());
                *draws = rest;
                x
            }
        }
    }
}

impl Shape {
    #[inline(never)]
    fn draw(&self, tables: &Tables, mut draws: Draws) -> (f64, Draws) {
        let x = self.value(tables, &mut draws);
        (x, draws)
    }

    #[inline(always)]
    fn value(&self, tables: &Tables, draws: &mut Draws) -> f64 {
        match self {
            Shape::Constant => 0.0,
            Shape::Exponential => tables.exponential(draws),
            Shape::Uniform => draws.unit(),
            Shape::LogNormal { sigma } => tables.exp(sigma * tables.normal(draws)),
            Shape::Triangular { mode } => {
                let u = draws.unit();
                if u < *mode {
                    (u * mode).sqrt()
                } else {
                    1.0 - ((1.0 - u) * (1.0 - mode)).sqrt()
                }
            }
            Shape::Normal { cv } => loop {
                let x = 1.0 + cv * tables.normal(draws);
                if x >= 0.0 {
                    break x;
                }
            },
            Shape::Erlang { k } => (0..*k).map(|_| tables.exponential(draws)).sum(),
            Shape::Gamma { d, c } => gamma(*d, *c, tables, draws),
            Shape::BoostedGamma { d, c, inverse_shape } => {
                // U^(1/shape) = e^(-E/shape) with E exponential.
                let boost = tables.exp(-tables.exponential(draws) * inverse_shape);
                boost * gamma(*d, *c, tables, draws)
            }
            Shape::Weibull { inverse_shape } => {
                let e = tables.exponential(draws);
                if e > 0.0 {
                    tables.pow(e, *inverse_shape)
                } else {
                    0.0
                }
            }
            Shape::Pareto { inverse_alpha } => tables.exp(tables.exponential(draws) * inverse_alpha),
            Shape::BoundedPareto { inverse_alpha, reach } => {
                tables.exp(-libm::log1p(-draws.unit() * reach) * inverse_alpha)
            }
            Shape::HyperExponential {
                phases: [often, rare],
            } => {
                let mean = if draws.unit() < rare.0 { rare.1 } else { often.1 };
                mean * tables.exponential(draws)
            }
            Shape::Values(values) => values[below(draws.next_u64(), values.len() as u64) as usize],
            Shape::WeightedValues(table) => table.1[table.0.sample(draws)],
            Shape::Ceiling(inner) => {
                let (x, rest) = inner.1.shape.draw(tables, draws.clone());
                *draws = rest;
                libm::ceil((inner.1.offset + inner.1.scale * x) * inner.0)
            }
            Shape::Mixture(parts) => {
                let u = draws.unit();
                let last = parts.len() - 1;
                let chosen = parts[..last]
                    .iter()
                    .position(|(share, _)| u < *share)
                    .unwrap_or(last);
                let sampler = &parts[chosen].1;
                let (x, rest) = sampler.shape.draw(tables, draws.clone());
                *draws = rest;
                sampler.offset + sampler.scale * x
            }
        }
    }
}

/// The whole number nearest to x ≥ 0, at most 2^60.
#[inline(always)]
fn whole(x: f64) -> u64 {
    // From 2^52 to 2^53 a float counts in ones, and its lower 52 bits are the count above 2^52:
    // adding 2^52 rounds, and costs less than the conversion.
    const ONES: f64 = (1u64 << 52) as f64;
    if x < ONES {
        return (x + ONES).to_bits() - ONES.to_bits();
    }
    x.min(VALUE_MAX) as i64 as u64
}

/// A number from 0 to n - 1: the upper word of the product (D. Lemire, "Fast Random Integer
/// Generation in an Interval", 2019, without its rejection: the bias is at most n / 2^64).
#[inline(always)]
pub(super) fn below(bits: u64, n: u64) -> u64 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u64
}

/// A gamma value of shape d + 1/3 ≥ 1 and scale 1 (G. Marsaglia and W. W. Tsang, "A Simple Method
/// for Generating Gamma Variables", ACM Trans. Math. Software 26, 2000).
fn gamma(d: f64, c: f64, tables: &Tables, draws: &mut Draws) -> f64 {
    loop {
        let x = tables.normal(draws);
        let root = 1.0 + c * x;
        if root <= 0.0 {
            continue;
        }
        let v = root * root * root;
        let u = draws.unit();
        let x2 = x * x;
        if u < 1.0 - 0.0331 * x2 * x2 || libm::log(u) < 0.5 * x2 + d * (1.0 - v + libm::log(v)) {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_the_nearest_and_saturate() {
        let ones = (1u64 << 52) as f64;
        let cases = [
            (0.0, 0),
            (0.49, 0),
            (0.51, 1),
            (1e9 + 0.4, 1_000_000_000),
            (ones - 0.5, 1 << 52),
            (ones - 1.0, (1 << 52) - 1),
            (ones, 1 << 52),
            (ones + 1.0, (1 << 52) + 1),
            (1e300, 1 << 60),
            (f64::INFINITY, 1 << 60),
        ];
        for (x, expected) in cases {
            assert_eq!(whole(x), expected, "{x}");
        }
    }
}
