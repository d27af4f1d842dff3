//! Special functions and quantiles: normal, Student's t, beta.
//!
//! Built on the `libm` crate and plain arithmetic, so results are the same bits on every platform.
//! Quantiles are found by bisection: slow by the standards of a numerical library (microseconds) and
//! fast enough for one call a printed figure.

use super::{Refusal, positive, probability};

/// Standard normal density at `z`.
pub fn normal_density(z: f64) -> f64 {
    libm::exp(-0.5 * z * z) / (2.0 * std::f64::consts::PI).sqrt()
}

/// Standard normal distribution function at `z`.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

/// The `p`-quantile of the standard normal law; refuses `p` outside (0, 1).
pub fn normal_quantile(p: f64) -> Result<f64, Refusal> {
    probability(p, "the probability")?;
    if p == 0.5 {
        return Ok(0.0);
    }
    // Solved in the lower tail, where the distribution function keeps its relative precision.
    let tail = p.min(1.0 - p);
    let z = bisect(-40.0, 0.0, |z| normal_cdf(z) >= tail);
    Ok(if p < 0.5 { z } else { -z })
}

/// The regularised incomplete beta function I_x(a, b).
///
/// Continued fraction by Lentz's method (Press et al., *Numerical Recipes*, 3rd ed., section 6.4).
/// Refuses shapes that are not positive and `x` outside 0 to 1.
pub fn incomplete_beta(a: f64, b: f64, x: f64) -> Result<f64, Refusal> {
    positive(a, "the first shape")?;
    positive(b, "the second shape")?;
    if !(0.0..=1.0).contains(&x) {
        return Err(Refusal::Domain {
            parameter: "the argument",
            must: "between 0 and 1",
            found: x,
        });
    }
    Ok(beta_cdf(a, b, x))
}

/// [`incomplete_beta`] without the checks.
fn beta_cdf(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let ln_front =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    let front = libm::exp(ln_front);
    // The fraction converges quickly only on its own side of the mean.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..=200_000u32 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        let step = d * c;
        h *= step;
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    h
}

/// The `p`-quantile of the beta law with shapes `a` and `b`.
pub fn beta_quantile(p: f64, a: f64, b: f64) -> Result<f64, Refusal> {
    probability(p, "the probability")?;
    positive(a, "the first shape")?;
    positive(b, "the second shape")?;
    Ok(bisect(0.0, 1.0, |x| beta_cdf(a, b, x) >= p))
}

/// Student's t distribution function with `freedom` degrees of freedom.
pub fn student_cdf(t: f64, freedom: f64) -> Result<f64, Refusal> {
    positive(freedom, "the degrees of freedom")?;
    let tail = student_tail(t.abs(), freedom);
    Ok(if t > 0.0 { 1.0 - tail } else { tail })
}

/// P(T > t) for t >= 0.
fn student_tail(t: f64, freedom: f64) -> f64 {
    let square = t * t;
    // Of x and 1 - x the smaller one is computed directly, so that neither loses its digits.
    if square < freedom {
        0.5 * (1.0 - beta_cdf(0.5, 0.5 * freedom, square / (freedom + square)))
    } else {
        0.5 * beta_cdf(0.5 * freedom, 0.5, freedom / (freedom + square))
    }
}

/// The `p`-quantile of Student's t with `freedom` degrees of freedom.
///
/// Refuses `p` outside (0, 1) and `freedom` that is not positive.
pub fn student_quantile(p: f64, freedom: f64) -> Result<f64, Refusal> {
    probability(p, "the probability")?;
    positive(freedom, "the degrees of freedom")?;
    if p == 0.5 {
        return Ok(0.0);
    }
    let tail = p.min(1.0 - p);
    let mut high = 2.0;
    while student_tail(high, freedom) > tail && high < 1e150 {
        high *= 2.0;
    }
    let t = bisect(0.0, high, |t| student_tail(t, freedom) <= tail);
    Ok(if p < 0.5 { -t } else { t })
}

/// Binomial distribution function P(X <= k) of `n` trials with chance `p` in (0, 1).
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> Result<f64, Refusal> {
    probability(p, "the probability")?;
    if k >= n {
        return Ok(1.0);
    }
    Ok(1.0 - beta_cdf((k + 1) as f64, (n - k) as f64, p))
}

/// The smallest point between `low` and `high` at which a monotone condition holds.
pub(super) fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..2000 {
        let middle = low + 0.5 * (high - low);
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;
    use statrs::distribution::{Beta, ContinuousCDF, Normal, StudentsT};

    #[test]
    fn student_quantiles_agree_with_the_printed_table() {
        // NIST/SEMATECH e-Handbook, section 1.3.6.7.2; the table has three decimals.
        for (p, freedom, printed) in [
            (0.975, 1.0, 12.706),
            (0.95, 2.0, 2.920),
            (0.975, 9.0, 2.262),
            (0.995, 29.0, 2.756),
            (0.975, 100.0, 1.984),
        ] {
            let found = student_quantile(p, freedom).unwrap();
            assert!((found - printed).abs() < 6e-4, "{p} {freedom}: {found}");
        }
    }

    #[test]
    fn quantiles_agree_with_an_independent_library() {
        for freedom in [1.0, 2.0, 3.0, 7.0, 30.0, 500.0] {
            let law = StudentsT::new(0.0, 1.0, freedom).unwrap();
            for p in [0.6, 0.9, 0.975, 0.995, 0.9995] {
                let ours = student_quantile(p, freedom).unwrap();
                assert_close(ours, law.inverse_cdf(p), 1e-6);
                assert_close(student_cdf(ours, freedom).unwrap(), p, 1e-12);
                assert_close(student_quantile(1.0 - p, freedom).unwrap(), -ours, 1e-9);
            }
        }
        let normal = Normal::new(0.0, 1.0).unwrap();
        let beta = Beta::new(3.0, 40.0).unwrap();
        for p in [0.001, 0.025, 0.3, 0.975, 0.999] {
            assert_close(normal_quantile(p).unwrap(), normal.inverse_cdf(p), 1e-8);
            assert_close(beta_quantile(p, 3.0, 40.0).unwrap(), beta.inverse_cdf(p), 1e-8);
        }
    }

    #[test]
    fn one_degree_of_freedom_is_the_law_of_cauchy_near_the_middle_and_far_out() {
        for p in [0.5 + 1e-6, 0.75, 1.0 - 1e-9] {
            let exact = 1.0 / libm::tan(std::f64::consts::PI * (1.0 - p));
            assert_close(student_quantile(p, 1.0).unwrap(), exact, 1e-8);
        }
        let exact = libm::atan(1e-9) / std::f64::consts::PI;
        assert_close(student_cdf(-1e9, 1.0).unwrap(), exact, 1e-12);
        assert_eq!(student_cdf(0.0, 3.0).unwrap(), 0.5);
    }

    #[test]
    fn the_binomial_sum_agrees_with_counting() {
        // 4 tosses of a fair coin: 1 + 4 + 6 of 16.
        assert_close(binomial_cdf(2, 4, 0.5).unwrap(), 11.0 / 16.0, 1e-13);
        assert_eq!(binomial_cdf(4, 4, 0.5).unwrap(), 1.0);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(student_quantile(1.0, 3.0).is_err());
        assert!(student_quantile(0.9, 0.0).is_err());
        assert!(normal_quantile(f64::NAN).is_err());
        assert!(incomplete_beta(1.0, 1.0, 2.0).is_err());
        assert!(beta_quantile(0.5, -1.0, 1.0).is_err());
    }
}
