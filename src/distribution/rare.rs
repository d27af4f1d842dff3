//! What a law keeps in values so rare that a run may not draw one.

use super::Law;

/// Steps of the integral over the exponent of the tail.
const STEPS: usize = 128;

impl Law {
    /// The share of the second moment in values above the one that is exceeded once in `draws` draws on average: about what the
    /// sample of so many draws lacks as often as not. 1 if the second moment is infinite, 0 for values from a record.
    pub fn rare_share(&self, draws: f64) -> f64 {
        if let Law::Recorded { .. } = self {
            return 0.0;
        }
        let (Some(mean), Some(variance)) = (self.mean(), self.variance()) else {
            return 1.0;
        };
        let second = variance + mean * mean;
        if second <= 0.0 || variance <= 0.0 || draws.is_nan() || draws <= 1.0 {
            return 0.0;
        }
        // E[X²; X ≤ q] = ∫ Q(u)² du over u to 1 - 1/n, with u = 1 - e^-y, by the midpoint rule.
        let width = libm::log(draws) / STEPS as f64;
        let seen: f64 = (0..STEPS)
            .map(|i| {
                let y = (i as f64 + 0.5) * width;
                let value = self.quantile(-libm::expm1(-y));
                value * value * libm::exp(-y)
            })
            .sum();
        (1.0 - seen * width / second).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(law: &Law, draws: f64, expected: f64) {
        let found = law.rare_share(draws);
        assert!((found - expected).abs() < 1e-3, "{found}, expected {expected}");
    }

    #[test]
    fn what_is_rare_agrees_with_the_closed_forms() {
        // Exponential: (q² + 2q + 2) e^-q / 2 with e^-q = 1/n.
        close(
            &Law::Exponential { mean: 0.02 },
            100.0,
            0.01 * (4.605_170f64.powi(2) + 2.0 * 4.605_170 + 2.0) / 2.0,
        );
        // Lognormal: Φ(2σ - z), σ² = ln 10, z = 4.5745 for one in 418,000.
        close(&Law::LogNormal { mean: 0.02, cv: 3.0 }, 418_000.0, 0.0617);
        // Pareto above 2: n^(2/α - 1).
        close(&Law::Pareto { min: 1.0, alpha: 2.5 }, 1e5, 0.1);
        assert_eq!(Law::Pareto { min: 1.0, alpha: 1.5 }.rare_share(1e6), 1.0);
        assert_eq!(Law::Constant { value: 3.0 }.rare_share(10.0), 0.0);
        close(&Law::Uniform { low: 0.0, high: 1.0 }, 1e5, 0.0);
        close(&Law::HyperExponential { mean: 0.02, cv: 3.0 }, 4e5, 0.0027);
    }
}
