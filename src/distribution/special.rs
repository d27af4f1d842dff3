//! The special functions the laws need, made of `libm` alone so that they are portable.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Φ(z), the distribution function of the standard normal law.
pub(super) fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// φ(z), the density of the standard normal law.
pub(super) fn normal_density(z: f64) -> f64 {
    libm::exp(-0.5 * z * z) / (2.0 * PI).sqrt()
}

/// P(a, x), the regularised lower incomplete gamma function: the series below x = a + 1, the
/// continued fraction above it, evaluated by Lentz's method (Press et al., "Numerical Recipes",
/// 3rd edition, section 6.2). From a = 10^5 on, where these lose digits and take long, Wilson and
/// Hilferty's cube-root approximation (1931), there within 10^-7.
pub(super) fn gamma_p(a: f64, x: f64) -> f64 {
    const ROUNDS: usize = 100_000;
    const LARGE: f64 = 1e5;
    if x <= 0.0 {
        return 0.0;
    }
    if x > 1e300 {
        return 1.0;
    }
    if a > LARGE {
        let spread = 1.0 / (9.0 * a);
        return normal_cdf((libm::cbrt(x / a) - 1.0 + spread) / spread.sqrt());
    }
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let mut term = 1.0 / a;
        let mut sum = term;
        for n in 1..ROUNDS {
            term *= x / (a + n as f64);
            sum += term;
            if term < sum * 1e-16 {
                break;
            }
        }
        (front * sum).clamp(0.0, 1.0)
    } else {
        const TINY: f64 = 1e-300;
        let mut b = x + 1.0 - a;
        let mut c = 1.0 / TINY;
        let mut d = 1.0 / b;
        let mut h = d;
        for n in 1..ROUNDS {
            let n = n as f64;
            let an = -n * (n - a);
            b += 2.0;
            d = an * d + b;
            d = 1.0 / if d.abs() < TINY { TINY } else { d };
            c = b + an / c;
            c = if c.abs() < TINY { TINY } else { c };
            let factor = d * c;
            h *= factor;
            if (factor - 1.0).abs() < 1e-15 {
                break;
            }
        }
        (1.0 - front * h).clamp(0.0, 1.0)
    }
}
