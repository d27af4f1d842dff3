//! Batch means: an interval from one long run.

use serde::{Deserialize, Serialize};

use super::interval::{Estimate, mean_interval};
use super::{Refusal, all_finite, mean, probability};

/// What batching one run gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchMeans {
    pub estimate: Estimate,
    pub batches: usize,
    /// Observations in a batch.
    pub batch_size: usize,
    /// Lag-1 autocorrelation of the batch means.
    pub lag1: f64,
    /// Whether the lag-1 check passed, so that batches may count as independent.
    pub independent: bool,
}

/// Most batches tried; halved until the batch means pass the check.
pub const MOST_BATCHES: usize = 80;
/// Fewest batches an interval is formed from.
pub const FEWEST_BATCHES: usize = 10;

/// Mean of one run's observations in order, with an interval from batch means.
///
/// Starts with up to [`MOST_BATCHES`] batches and merges them in pairs until their lag-1
/// autocorrelation is no longer significant (one-sided, 5 %) or fewer than [`FEWEST_BATCHES`] would
/// remain (Law, *Simulation Modeling and Analysis*, 4th ed., section 9.5.3; Schmeiser 1982,
/// *Operations Research* 30, pp. 556–568, on why 10 to 30 batches do). Observations that do not
/// fill a batch are dropped from the front. If correlation remains, the note says so: the interval
/// is then too short. Fewer than 20 observations give a figure without interval.
pub fn batch_means(series: &[f64], level: f64) -> Result<BatchMeans, Refusal> {
    probability(level, "the confidence level")?;
    all_finite(series, "an observation")?;
    if series.is_empty() {
        return Err(Refusal::TooFew { needed: 1, found: 0 });
    }
    let n = series.len();
    if n < 2 * FEWEST_BATCHES {
        let why = format!("{n} observations are too few to batch");
        return Ok(BatchMeans {
            estimate: Estimate::without_interval(mean(series), level, n, why),
            batches: 0,
            batch_size: n,
            lag1: 0.0,
            independent: false,
        });
    }
    let mut batches = MOST_BATCHES.min(n / 2);
    loop {
        let batch_size = n / batches;
        let means = into_batches(series, batches);
        let lag1 = autocorrelation(&means);
        // Under independence the estimate is near -1/b with standard deviation near 1/sqrt(b).
        let independent = lag1 <= 1.645 / (batches as f64).sqrt();
        if independent || batches / 2 < FEWEST_BATCHES {
            let mut estimate = mean_interval(&means, level)?;
            if !independent {
                estimate = estimate.noted(format!(
                    "batches still depend on one another (lag-1 correlation {lag1:.2}), so the interval is too short"
                ));
            }
            return Ok(BatchMeans {
                estimate,
                batches,
                batch_size,
                lag1,
                independent,
            });
        }
        batches /= 2;
    }
}

/// Means of `batches` equal batches; the observations left over are dropped from the front.
/// Fewer observations than batches give one batch an observation; none give no batch.
pub fn into_batches(series: &[f64], batches: usize) -> Vec<f64> {
    let batches = batches.min(series.len());
    if batches == 0 {
        return Vec::new();
    }
    let size = series.len() / batches;
    series[series.len() - size * batches..]
        .chunks_exact(size)
        .map(mean)
        .collect()
}

/// Lag-1 autocorrelation; zero for a constant series or fewer than three values.
pub fn autocorrelation(series: &[f64]) -> f64 {
    if series.len() < 3 {
        return 0.0;
    }
    let centre = mean(series);
    let total: f64 = series.iter().map(|x| (x - centre) * (x - centre)).sum();
    if total <= 0.0 {
        return 0.0;
    }
    let lagged: f64 = series
        .windows(2)
        .map(|pair| (pair[0] - centre) * (pair[1] - centre))
        .sum();
    lagged / total
}

/// The mean lag-1 correlation of the averages of each replication's stretches, if it is significantly above zero
/// (one-sided, 5 %): the check of [`batch_means`] on all replications at once. A replication whose stretches depend
/// on one another spans so few of the system's busy times that the mean of a replication is not yet nearly normal,
/// which Student's t asks for, and the start is not yet forgotten.
///
/// Constant series do not depend on one another. `None` too if no replication has [`FEWEST_BATCHES`] stretches.
pub fn dependence(replications: &[Vec<f64>]) -> Option<f64> {
    let long: Vec<&Vec<f64>> = replications
        .iter()
        .filter(|r| r.len() >= FEWEST_BATCHES)
        .collect();
    let stretches: usize = long.iter().map(|r| r.len()).sum();
    let lags: Vec<f64> = long.iter().map(|r| autocorrelation(r)).collect();
    let lag1 = mean(&lags);
    (stretches > 0 && lag1 > 1.645 / (stretches as f64).sqrt()).then_some(lag1)
}

#[cfg(test)]
mod tests {
    use super::super::TestRandom;
    use super::*;

    #[test]
    fn stretches_that_depend_on_one_another_are_told_from_those_that_do_not() {
        let of = |r: f64, first: u64| -> Vec<Vec<f64>> {
            (first..first + 10)
                .map(|seed| autoregression(r, 20, seed))
                .collect()
        };
        let seen = |r: f64| (0..200).filter(|i| dependence(&of(r, 10 * i)).is_some()).count();
        // The estimate is low by about 1/20, so that the false alarms stay below the 5 % asked for.
        let (none, some) = (seen(0.0), seen(0.3));
        assert!(none <= 10, "{none} of 200");
        // Estimates scatter by 0.063 about 0.19, 1.2 deviations above the threshold of 0.116: 88 %, less three deviations.
        assert!(some >= 162, "{some} of 200");
        assert_eq!(dependence(&[vec![2.0; 20]]), None);
        assert_eq!(dependence(&[vec![1.0, 2.0, 3.0]]), None);
        assert_eq!(dependence(&[]), None);
    }

    /// x' = r x + noise with mean 10.
    fn autoregression(r: f64, n: usize, seed: u64) -> Vec<f64> {
        let mut random = TestRandom(seed);
        let mut x = 0.0;
        (0..n)
            .map(|_| {
                x = r * x + random.normal();
                10.0 + x
            })
            .collect()
    }

    #[test]
    fn batch_intervals_cover_the_mean_of_a_correlated_series() {
        // 95 % asked; 200 runs. Binomial spread of the count at 93 % is 3.6.
        let covered = (0..200)
            .filter(|&seed| {
                let found = batch_means(&autoregression(0.9, 4000, seed), 0.95).unwrap();
                found.estimate.contains(10.0) == Some(true)
            })
            .count();
        assert!((176..=199).contains(&covered), "{covered} of 200");
    }

    #[test]
    fn lasting_correlation_is_reported() {
        let ramp: Vec<f64> = (0..1000).map(f64::from).collect();
        let found = batch_means(&ramp, 0.95).unwrap();
        assert!(!found.independent);
        assert!(found.estimate.note.is_some());
        assert!(found.batches >= FEWEST_BATCHES && found.batches < 2 * FEWEST_BATCHES);
    }

    #[test]
    fn independent_values_keep_many_batches() {
        let found = batch_means(&autoregression(0.0, 8000, 3), 0.95).unwrap();
        assert_eq!((found.batches, found.batch_size), (80, 100));
        assert!(found.independent && found.lag1.abs() < 0.2);
    }

    #[test]
    fn leftovers_are_dropped_from_the_front() {
        let series: Vec<f64> = (0..7).map(f64::from).collect();
        assert_eq!(into_batches(&series, 3), vec![1.5, 3.5, 5.5]);
        assert_eq!(into_batches(&series, 50).len(), 7);
        assert!(into_batches(&[], 3).is_empty());
    }

    #[test]
    fn twenty_observations_are_enough_for_ten_batches_of_two() {
        let series = autoregression(0.0, 20, 3);
        let found = batch_means(&series, 0.95).unwrap();
        assert_eq!((found.batches, found.batch_size), (10, 2));
        assert!(found.estimate.half_width.is_some());
        assert_eq!(batch_means(&series[1..], 0.95).unwrap().estimate.half_width, None);
    }

    #[test]
    fn neighbours_of_three_values_already_say_something_and_a_large_mean_changes_nothing() {
        for offset in [0.0, 1e9] {
            let found = autocorrelation(&[offset + 1.0, offset + 1.0, offset + 4.25]);
            assert!((found + 1.0 / 6.0).abs() < 1e-6, "{found}");
        }
        assert_eq!(autocorrelation(&[1.0, 2.0]), 0.0);
    }

    #[test]
    fn short_and_broken_series_give_no_interval() {
        assert!(batch_means(&[], 0.95).is_err());
        assert!(batch_means(&[1.0, f64::NAN], 0.95).is_err());
        let few = batch_means(&[1.0, 2.0, 3.0], 0.95).unwrap();
        assert_eq!((few.estimate.mean, few.estimate.half_width), (2.0, None));
    }
}
