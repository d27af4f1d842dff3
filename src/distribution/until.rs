//! Times that a limit ends.

use super::Law;

/// Steps in which a law without a closed form is added up.
const STEPS: u32 = 1000;

impl Law {
    /// The mean of the lesser of the value and `limit`: the integral of P(X > x) from zero to there.
    pub fn mean_until(&self, limit: f64) -> f64 {
        if limit <= 0.0 {
            return 0.0;
        }
        match self {
            Law::Constant { value } => value.min(limit),
            Law::Exponential { mean } => -mean * libm::expm1(-limit / mean),
            Law::Pareto { min, .. } if limit <= *min => limit,
            Law::Pareto { min, alpha } if *alpha == 1.0 => min + min * libm::log(limit / min),
            Law::Pareto { min, alpha } => {
                let scaled = libm::pow(limit / min, 1.0 - alpha) - 1.0;
                min + min * scaled / (1.0 - alpha)
            }
            Law::Shifted { base, law } => base.min(limit) + law.mean_until(limit - base),
            Law::Mixture { parts } => {
                let total: f64 = parts.iter().map(|p| p.0).sum();
                let sum: f64 = parts.iter().map(|(w, law)| w * law.mean_until(limit)).sum();
                sum / total
            }
            _ => {
                let step = limit / f64::from(STEPS);
                let lasts = |i: u32| 1.0 - self.cdf(step * (f64::from(i) + 0.5));
                let sum = step * (0..STEPS).map(lasts).sum::<f64>();
                self.mean().map_or(sum, |mean| sum.min(mean))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Law;

    #[test]
    fn a_time_is_ended_by_its_limit() {
        let exponential = Law::Exponential { mean: 2.0 };
        let wanted = 2.0 * (1.0 - libm::exp(-1.5));
        assert!((exponential.mean_until(3.0) - wanted).abs() < 1e-12);
        let fixed = Law::Constant { value: 2.0 };
        assert_eq!((fixed.mean_until(3.0), fixed.mean_until(1.5)), (2.0, 1.5));
        let later = Law::Shifted {
            base: 1.0,
            law: Box::new(exponential.clone()),
        };
        assert!((later.mean_until(4.0) - 1.0 - wanted).abs() < 1e-12);
        let mixed = Law::Mixture {
            parts: vec![(3.0, fixed), (1.0, exponential)],
        };
        assert!((mixed.mean_until(3.0) - 0.75 * 2.0 - 0.25 * wanted).abs() < 1e-12);
        let tailed = |alpha: f64| Law::Pareto { min: 1.0, alpha }.mean_until(4.0);
        assert!((tailed(0.5) - 3.0).abs() < 1e-12);
        assert!((tailed(1.0) - 1.0 - libm::log(4.0)).abs() < 1e-12);
        assert!((tailed(2.0) - 1.75).abs() < 1e-12);
        // From 0 to 4: x - x²/8 at 2.
        let even = Law::Uniform { low: 0.0, high: 4.0 };
        assert!((even.mean_until(2.0) - 1.5).abs() < 1e-9);
        assert!((even.mean_until(8.0) - 2.0).abs() < 1e-9);
    }
}
