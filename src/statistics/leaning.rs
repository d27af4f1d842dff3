//! Intervals over replications whose values lean to one side, as those of queues do.
//!
//! A few replications with a long queue carry the mean and the variance, so that where they are missing both are too low
//! together, and Student's t misses from below. With the third moment known the error is, to first order,
//! P(T ≤ x) = Φ(x) + γ (2x² + 1) φ(x)/(6√n), γ the skewness of a value (Johnson 1978, *JASA* 73, pp. 536–544; Hall 1992,
//! *The Bootstrap and Edgeworth Expansion*, §2.6), so that both limits move by γ s (2t² + 1)/(6n) to the side that the
//! values lean to. Here the limit on that side moves and the other stays: the third moment of ten or twenty values is too
//! unsure to shorten an interval with.

use super::interval::{Estimate, mean_interval};
use super::special::student_quantile;
use super::{Refusal, all_finite, mean};

/// Mean of independent observations with Student's t interval, wider on the side to which the observations lean.
///
/// # Errors
/// As [`mean_interval`].
pub fn leaning_interval(values: &[f64], level: f64) -> Result<Estimate, Refusal> {
    let plain = mean_interval(values, level)?;
    let (Some(low), Some(high)) = (plain.low, plain.high) else {
        return Ok(plain);
    };
    let more = lean(values, level)?;
    let (low, high) = (low + more.min(0.0), high + more.max(0.0));
    Ok(Estimate::with_interval(plain.mean, low, high, level, plain.n))
}

/// By how much the limits move: γ s (2t² + 1)/(6n). Zero below three values and for equal ones.
pub(super) fn lean(values: &[f64], level: f64) -> Result<f64, Refusal> {
    let n = values.len() as f64;
    if values.len() < 3 {
        return Ok(0.0);
    }
    let centre = mean(values);
    let (mut squares, mut cubes) = (0.0, 0.0);
    for v in values {
        let d = v - centre;
        squares += d * d;
        cubes += d * d * d;
    }
    if squares <= 0.0 || !squares.is_finite() || !cubes.is_finite() {
        return Ok(0.0);
    }
    let t = student_quantile(0.5 * (1.0 + level), n - 1.0)?;
    // γ = √n Σd³/(Σd²)^1.5 and s = √(Σd²/(n - 1)), so that γ s/n = Σd³/(Σd² √(n(n - 1))).
    Ok(cubes / squares / (n * (n - 1.0)).sqrt() * (2.0 * t * t + 1.0) / 6.0)
}

/// Exceedances at which a [`Tail`] keeps the value, as multiples of that of the quantile: powers of 2^(1/4) from 1/8 to 8.
const STEPS: i32 = 12;

/// A quantile of all replications' times together, and what its interval needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    pub quantile: f64,
    /// For each replication the share of its times above the quantile, linearised so that their mean is the share of
    /// all: P + (a - P n)/n̄ for a of n times above.
    pub above: Vec<f64>,
    /// Values that are exceeded by multiples of the quantile's share, in the order of [`Tail::multiples`].
    pub nearby: Vec<f64>,
}

impl Tail {
    /// The multiples of the quantile's share at which `nearby` has values.
    pub fn multiples() -> impl Iterator<Item = f64> {
        (-STEPS..=STEPS).map(|j| libm::exp2(f64::from(j) / 4.0))
    }

    /// Shares above the quantile from counts: for each replication how many times there are and how many lie above.
    pub fn shares(counts: &[(f64, f64)]) -> Vec<f64> {
        let all: f64 = counts.iter().map(|c| c.0).sum();
        let above: f64 = counts.iter().map(|c| c.1).sum();
        let (share, each) = (above / all, all / counts.len() as f64);
        counts
            .iter()
            .map(|(n, a)| share + (a - share * n) / each)
            .collect()
    }

    /// The value that `multiple` times as many times exceed.
    fn at(&self, multiple: f64) -> Option<f64> {
        let place = 4.0 * libm::log2(multiple) + f64::from(STEPS);
        let last = self.nearby.len().checked_sub(1)?;
        if place.is_nan() || place < 0.0 {
            return None;
        }
        let i = (place as usize).min(last);
        let part = if i == last { 0.0 } else { place - i as f64 };
        let (here, next) = (self.nearby[i], self.nearby[(i + 1).min(last)]);
        Some(here + part * (next - here))
    }
}

/// A quantile over replications: the quantile of all times together, with the interval of the share of times above it
/// carried over to times.
///
/// How many times lie above a fixed value is a mean over replications, however the times within one depend on one another
/// and however few there are; the quantile of one replication is neither normal nor unbiased. The interval of that share
/// ([`leaning_interval`]) is turned into one of the quantile by the distribution of all times, with the relative error of
/// the share taken to be the same at the limits (Woodruff 1952, *JASA* 47, pp. 635–646; for simulation Asmussen & Glynn,
/// *Stochastic Simulation*, 2007, §III.4a).
///
/// # Errors
/// A level outside (0, 1), or values that are not finite.
pub fn quantile_interval(tail: &Tail, level: f64) -> Result<Estimate, Refusal> {
    all_finite(&[tail.quantile], "the quantile of all")?;
    all_finite(&tail.nearby, "a value near the quantile")?;
    let share = leaning_interval(&tail.above, level)?;
    let n = share.n;
    let none = |why: &str| Ok(Estimate::without_interval(tail.quantile, level, n, why));
    let (Some(low), Some(high)) = (share.low, share.high) else {
        return none("one observation shows no variation, so there is no interval");
    };
    if low == high {
        return Ok(Estimate::with_interval(
            tail.quantile,
            tail.quantile,
            tail.quantile,
            level,
            n,
        ));
    }
    let (less, more) = (low / share.mean, high / share.mean);
    // At most all may exceed the lower limit; the least value kept stands for that.
    let below = tail.at(if less > 0.0 { 1.0 / less } else { f64::MAX });
    match (below, tail.at(1.0 / more)) {
        (Some(below), Some(above)) => Ok(Estimate::with_interval(
            tail.quantile,
            below.min(tail.quantile),
            above.max(tail.quantile),
            level,
            n,
        )),
        _ => none("the replications differ too much for an interval"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TestRandom, assert_close};
    use super::*;

    #[test]
    fn only_the_side_that_the_values_lean_to_is_longer() {
        let right = [1.0, 1.0, 1.0, 1.0, 6.0];
        let plain = mean_interval(&right, 0.95).unwrap();
        let found = leaning_interval(&right, 0.95).unwrap();
        assert_eq!((found.mean, found.low), (plain.mean, plain.low));
        // Deviations -1 four times and 4 once: Σd² = 20, Σd³ = 60, t = 2.776445 with four degrees of freedom:
        // 60/20/√20 × (2 × 7.708647 + 1)/6 = 1.835509
        assert_close(found.high.unwrap() - plain.high.unwrap(), 1.835_509, 1e-6);
        let left = right.map(|v| -v);
        let found = leaning_interval(&left, 0.95).unwrap();
        assert_eq!(found.high, plain.low.map(|v| -v));
        let even = [1.0, 2.0, 3.0];
        assert_eq!(
            leaning_interval(&even, 0.95).unwrap(),
            mean_interval(&even, 0.95).unwrap()
        );
        assert_eq!(leaning_interval(&[2.0; 5], 0.95).unwrap().half_width, Some(0.0));
        assert_eq!(leaning_interval(&[2.0], 0.95).unwrap().half_width, None);
        assert!(leaning_interval(&[], 0.95).is_err());
    }

    #[test]
    fn a_leaning_mean_is_held_more_often_than_by_student() {
        // Twenty exponential values. By 4,000 repetitions elsewhere: 91.1 % by Student, 94.2 % with the longer side.
        let (mut plain, mut leaning) = (0, 0);
        for seed in 0..2000 {
            let mut random = TestRandom(seed);
            let values: Vec<f64> = (0..20).map(|_| random.exponential(1.0)).collect();
            let held = |e: Estimate| u32::from(e.contains(1.0) == Some(true));
            plain += held(mean_interval(&values, 0.95).unwrap());
            leaning += held(leaning_interval(&values, 0.95).unwrap());
        }
        // 94.2 % of 2,000 is 1,883 with standard deviation 10.5, 91.1 % is 1,823 with 12.7.
        assert!((1852..=1915).contains(&leaning), "{leaning} of 2000");
        assert!((1785..=1861).contains(&plain), "{plain} of 2000");
    }

    /// Replications of times in bursts: `n` exponential times, each taken `burst` times, multiplied by `size` of the
    /// replication.
    fn tail(p: f64, replications: usize, n: usize, burst: usize, seed: u64) -> Tail {
        let mut random = TestRandom(seed);
        let each: Vec<Vec<f64>> = (0..replications)
            .map(|_| {
                (0..n)
                    .flat_map(|_| std::iter::repeat_n(random.exponential(1.0), burst))
                    .collect()
            })
            .collect();
        let mut all: Vec<f64> = each.concat();
        all.sort_by(f64::total_cmp);
        let value = |share: f64| {
            let at = (1.0 - share).clamp(0.0, 1.0) * (all.len() - 1) as f64;
            all[at as usize]
        };
        let quantile = value(1.0 - p);
        let counts: Vec<(f64, f64)> = each
            .iter()
            .map(|times| {
                let above = times.iter().filter(|t| **t > quantile).count();
                (times.len() as f64, above as f64)
            })
            .collect();
        Tail {
            quantile,
            above: Tail::shares(&counts),
            nearby: Tail::multiples().map(|m| value((1.0 - p) * m)).collect(),
        }
    }

    #[test]
    fn a_far_quantile_of_dependent_times_is_held() {
        let exact = libm::log(100.0);
        for (n, burst) in [(400, 1), (400, 20)] {
            let held = (0..400)
                .filter(|&seed| {
                    let found = quantile_interval(&tail(0.99, 20, n, burst, seed), 0.95).unwrap();
                    found.contains(exact) == Some(true)
                })
                .count();
            // 95 % of 400 is 380 with standard deviation 4.4; the longer side makes it a little more.
            assert!((366..=396).contains(&held), "{held} of 400, bursts of {burst}");
        }
    }

    #[test]
    fn a_quantile_has_the_interval_of_its_share() {
        let mut tail = tail(0.9, 10, 100, 1, 1);
        let found = quantile_interval(&tail, 0.95).unwrap();
        assert_eq!((found.mean, found.n), (tail.quantile, 10));
        assert!(found.low < Some(tail.quantile) && found.high > Some(tail.quantile));
        tail.above = vec![0.125; 10];
        assert_eq!(quantile_interval(&tail, 0.95).unwrap().half_width, Some(0.0));
        tail.above = vec![0.1];
        assert_eq!(quantile_interval(&tail, 0.95).unwrap().half_width, None);
        // One replication has them all: nobody knows how far the quantile is.
        tail.above = vec![0.0, 0.3];
        assert_eq!(quantile_interval(&tail, 0.95).unwrap().half_width, None);
        tail.quantile = f64::NAN;
        assert!(quantile_interval(&tail, 0.95).is_err());
    }

    #[test]
    fn shares_have_the_share_of_all_as_their_mean() {
        let shares = Tail::shares(&[(100.0, 10.0), (300.0, 15.0)]);
        assert_close(mean(&shares), 25.0 / 400.0, 1e-12);
        // 0.0625 + (10 - 6.25)/200 and 0.0625 + (15 - 18.75)/200
        assert_close(shares[0], 0.081_25, 1e-12);
        assert_close(shares[1], 0.043_75, 1e-12);
    }
}
