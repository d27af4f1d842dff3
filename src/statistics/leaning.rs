//! Intervals over replications whose values lean to one side, as those of queues do.
//!
//! A few replications with a long queue carry the mean and the variance, so that where they are missing both are too low
//! together, and Student's t misses from below. With the third moment known the error is, to first order,
//! P(T ≤ x) = Φ(x) + γ (2x² + 1) φ(x)/(6√n), γ the skewness of a value (Johnson 1978, *JASA* 73, pp. 536–544; Hall 1992,
//! *The Bootstrap and Edgeworth Expansion*, §2.6), so that both limits move by γ s (2t² + 1)/(6n) to the side that the
//! values lean to. Here the limit on that side moves and the other stays: the third moment of ten or twenty values is too
//! unsure to shorten an interval with.

use super::interval::{Estimate, mean_interval_by, student};
use super::{Refusal, all_finite, mean, probability};

/// Mean of independent observations with Student's t interval, wider on the side to which the observations lean.
///
/// # Errors
/// As [`mean_interval`](super::interval::mean_interval).
pub fn leaning_interval(values: &[f64], level: f64) -> Result<Estimate, Refusal> {
    leaning_interval_by(student(values.len(), level)?, values, level)
}

fn leaning_interval_by(t: f64, values: &[f64], level: f64) -> Result<Estimate, Refusal> {
    let plain = mean_interval_by(t, values, level)?;
    let (Some(low), Some(high)) = (plain.low, plain.high) else {
        return Ok(plain);
    };
    let more = lean(t, values);
    let (low, high) = (low + more.min(0.0), high + more.max(0.0));
    Ok(Estimate::with_interval(plain.mean, low, high, level, plain.n))
}

/// By how much the limits move: γ s (2t² + 1)/(6n). Zero below three values and for equal ones.
fn lean(t: f64, values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if values.len() < 3 {
        return 0.0;
    }
    let centre = mean(values);
    let (mut squares, mut cubes) = (0.0, 0.0);
    for v in values {
        let d = v - centre;
        squares += d * d;
        cubes += d * d * d;
    }
    if squares <= 0.0 || !squares.is_finite() || !cubes.is_finite() {
        return 0.0;
    }
    // γ = √n Σd³/(Σd²)^1.5 and s = √(Σd²/(n - 1)), so that γ s/n = Σd³/(Σd² √(n(n - 1))).
    cubes / squares / (n * (n - 1.0)).sqrt() * (2.0 * t * t + 1.0) / 6.0
}

/// Halvings in the search for a limit, which lies within this factor of the quantile's share.
const HALVINGS: u32 = 16;
const FARTHEST: f64 = 64.0;

/// A quantile over replications: the value that a share `above` of all times exceeds, and as its interval all values v
/// for which the interval of the share of times above v holds `above`.
///
/// How many times lie above a fixed value is a mean over replications, however the times within one depend on one another
/// and however few there are; the quantile of one replication is neither normal nor unbiased. The test of a value by its
/// share, inverted: Woodruff 1952, *JASA* 47, pp. 635–646; for simulation Asmussen & Glynn, *Stochastic Simulation*,
/// 2007, §III.4. The interval of a share is [`leaning_interval`].
///
/// `value` gives the value that a share of all times exceeds, `counts` for each replication how many times there are and
/// how many of them lie above a value; both come from the same times.
///
/// # Errors
/// A level or a share outside (0, 1), counts that are not finite, or no replication.
pub fn quantile_interval(
    above: f64,
    value: impl Fn(f64) -> f64,
    counts: impl Fn(f64) -> Vec<(f64, f64)>,
    level: f64,
) -> Result<Estimate, Refusal> {
    probability(above, "the share above the quantile")?;
    let quantile = value(above);
    all_finite(&[quantile], "the quantile of all")?;
    let here = counts(quantile);
    let t = student(here.len(), level)?;
    let interval = |counts: &[(f64, f64)]| leaning_interval_by(t, &shares(counts), level);
    let share = |v: f64| interval(&counts(v));
    let here = interval(&here)?;
    let none = |why: &str| Ok(Estimate::without_interval(quantile, level, here.n, why));
    if here.half_width.is_none() {
        return none("one replication shows no variation, so there is no interval");
    }
    let reaches_up =
        |e: f64| -> Result<bool, Refusal> { Ok(share(value(e))?.high.is_some_and(|h| h >= above)) };
    let reaches_down =
        |e: f64| -> Result<bool, Refusal> { Ok(share(value(e))?.low.is_some_and(|l| l <= above)) };
    if reaches_up(above / FARTHEST)? {
        return none("the replications differ too much for an interval");
    }
    let high = limit(above, above / FARTHEST, reaches_up)?;
    let all = (above * FARTHEST).min(1.0);
    let low = if reaches_down(all)? {
        all
    } else {
        limit(above, all, reaches_down)?
    };
    let (low, high) = (value(low).min(quantile), value(high).max(quantile));
    Ok(Estimate::with_interval(quantile, low, high, level, here.n))
}

/// The share farthest from `from` towards `to` that still `holds`, as the logarithm is halved.
fn limit(from: f64, to: f64, holds: impl Fn(f64) -> Result<bool, Refusal>) -> Result<f64, Refusal> {
    let (mut inside, mut outside) = (libm::log(from), libm::log(to));
    for _ in 0..HALVINGS {
        let middle = 0.5 * (inside + outside);
        if holds(libm::exp(middle))? {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    Ok(libm::exp(inside))
}

/// For each replication the share of its times that lie above a value, linearised so that their mean is the share P of
/// all: P + (a - P n)/n̄ for a of n times above.
fn shares(counts: &[(f64, f64)]) -> Vec<f64> {
    let all: f64 = counts.iter().map(|c| c.0).sum();
    let above: f64 = counts.iter().map(|c| c.1).sum();
    let (share, each) = (above / all, all / counts.len() as f64);
    counts
        .iter()
        .map(|(n, a)| share + (a - share * n) / each)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::interval::mean_interval;
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
        let highest = leaning_interval(&right, 0.95).unwrap().high;
        assert_eq!(found.low, highest.map(|v| -v));
        let even = [1.0, 2.0, 3.0];
        assert_eq!(
            leaning_interval(&even, 0.95).unwrap(),
            mean_interval(&even, 0.95).unwrap()
        );
        // Three values may lean, and nothing is said of those whose cubes are beyond all numbers.
        let three = [0.0, 0.0, 9.0];
        let high = |of: Estimate| of.high.unwrap();
        assert!(high(leaning_interval(&three, 0.95).unwrap()) > high(mean_interval(&three, 0.95).unwrap()));
        let mut huge = [0.0; 21];
        huge[20] = 1e103;
        assert_eq!(
            leaning_interval(&huge, 0.95).unwrap(),
            mean_interval(&huge, 0.95).unwrap()
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

    /// Replications of times in bursts: `n` exponential times, each taken `burst` times.
    fn bursts(replications: usize, n: usize, burst: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut random = TestRandom(seed);
        (0..replications)
            .map(|_| {
                (0..n)
                    .flat_map(|_| std::iter::repeat_n(random.exponential(1.0), burst))
                    .collect()
            })
            .collect()
    }

    fn quantile(p: f64, replications: &[Vec<f64>]) -> Result<Estimate, Refusal> {
        let mut all: Vec<f64> = replications.concat();
        all.sort_by(f64::total_cmp);
        let value = |share: f64| all[((1.0 - share) * (all.len() - 1) as f64) as usize];
        let counts = |v: f64| -> Vec<(f64, f64)> {
            let above = |times: &Vec<f64>| times.iter().filter(|t| **t > v).count() as f64;
            replications.iter().map(|r| (r.len() as f64, above(r))).collect()
        };
        quantile_interval(1.0 - p, value, counts, 0.95)
    }

    #[test]
    fn a_far_quantile_of_dependent_times_is_held() {
        for (p, n, burst) in [(0.99, 400, 1), (0.99, 400, 5), (0.5, 100, 5)] {
            let exact = -libm::log(1.0 - p);
            let held = (0..200)
                .filter(|&seed| {
                    let found = quantile(p, &bursts(20, n, burst, seed)).unwrap();
                    found.contains(exact) == Some(true)
                })
                .count();
            // 95 % of 200 is 190 with standard deviation 3.1; the longer side makes it a little more.
            assert!(
                (181..=199).contains(&held),
                "{held} of 200, p {p}, bursts of {burst}"
            );
        }
    }

    #[test]
    fn a_quantile_is_as_unsure_as_the_replications_differ() {
        let same = vec![vec![1.0, 2.0, 3.0, 4.0]; 3];
        let found = quantile(0.5, &same).unwrap();
        assert_eq!((found.mean, found.half_width), (2.0, Some(0.0)));
        assert_eq!(quantile(0.5, &same[..1]).unwrap().half_width, None);
        // One of two replications has all that is far: the quantile may as well be near.
        let apart = [vec![1.0; 1000], [vec![1.0; 900], vec![9.0; 100]].concat()];
        let found = quantile(0.99, &apart).unwrap();
        assert_eq!((found.low, found.mean, found.high), (Some(1.0), 9.0, Some(9.0)));
        assert!(quantile(1.0, &same).is_err());
    }

    #[test]
    fn shares_have_the_share_of_all_as_their_mean() {
        let shares = shares(&[(100.0, 10.0), (300.0, 15.0)]);
        assert_close(mean(&shares), 25.0 / 400.0, 1e-12);
        // 0.0625 + (10 - 6.25)/200 and 0.0625 + (15 - 18.75)/200
        assert_close(shares[0], 0.081_25, 1e-12);
        assert_close(shares[1], 0.043_75, 1e-12);
    }
}
