//! Where the transient ends: MSER-5, and Welch's moving average for the eye.
//!
//! White, K. P. (1997), "An effective truncation heuristic for bias reduction in simulation
//! output", *Simulation* 69(6), pp. 323–334; White, Cobb & Spratt (2000), "A comparison of five
//! steady-state truncation heuristics for simulation", *Proc. Winter Simulation Conference*,
//! pp. 755–760, for groups of five and the rule on the second half.

use serde::{Deserialize, Serialize};

use super::{Refusal, all_finite, mean};

/// Where to cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warmup {
    /// Drop this many observations from the front.
    Found { observations: usize },
    /// The statistic was smallest in the second half: the run is too short to tell transient from
    /// steady state, or there is no steady state.
    NotFound,
}

/// Observations in a group of MSER-5.
pub const GROUP: usize = 5;
/// Fewest groups the rule is applied to.
pub const FEWEST_GROUPS: usize = 10;

/// MSER-5: groups the series by five and finds the cut that minimises the squared standard error
/// of what remains, sum of squares / remaining².
///
/// The series is observations in order, or means of equal bins of time. Ties go to the earlier cut.
/// Refuses fewer than 50 observations or values that are not finite.
pub fn mser5(series: &[f64]) -> Result<Warmup, Refusal> {
    mser(series, GROUP)
}

/// [`mser5`] with another group size, for a series that is already grouped.
pub fn mser(series: &[f64], group: usize) -> Result<Warmup, Refusal> {
    let group = group.max(1);
    all_finite(series, "an observation")?;
    let groups: Vec<f64> = series.chunks_exact(group).map(mean).collect();
    let m = groups.len();
    if m < FEWEST_GROUPS {
        return Err(Refusal::TooFew {
            needed: FEWEST_GROUPS * group,
            found: series.len(),
        });
    }
    // From the back, mean and sum of squares are updated a group at a time (Welford), which loses
    // no digits however large the mean. The last groups are left out: a handful of equal values
    // at the end would otherwise win by chance.
    let mut centre = 0.0;
    let mut squares = 0.0;
    let mut best = f64::INFINITY;
    let mut cut = 0;
    for (kept, (index, &value)) in groups.iter().enumerate().rev().enumerate() {
        let kept = (kept + 1) as f64;
        let off = value - centre;
        centre += off / kept;
        squares += off * (value - centre);
        let statistic = squares / (kept * kept);
        if kept as usize >= GROUP && statistic <= best {
            best = statistic;
            cut = index;
        }
    }
    Ok(if 2 * cut > m {
        Warmup::NotFound
    } else {
        Warmup::Found {
            observations: cut * group,
        }
    })
}

/// Welch's moving average with `window` values on either side, fewer at the front; the result stops
/// `window` short of the end (Law, *Simulation Modeling and Analysis*, 4th ed., section 9.5.1).
pub fn moving_average(series: &[f64], window: usize) -> Vec<f64> {
    let end = series.len().saturating_sub(window);
    (0..end)
        .map(|i| {
            let reach = i.min(window);
            mean(&series[i - reach..=i + reach])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::TestRandom;
    use super::*;

    #[test]
    fn a_decaying_start_is_cut_where_it_sinks_into_the_noise() {
        let mut random = TestRandom(11);
        let series: Vec<f64> = (0..5000)
            .map(|i| 100.0 - 50.0 * libm::exp(-f64::from(i) / 100.0) + random.normal())
            .collect();
        let Warmup::Found { observations } = mser5(&series).unwrap() else {
            panic!("no cut found");
        };
        // 50 exp(-t/100) is below the noise of 1 after 391 observations.
        assert!((250..900).contains(&observations), "{observations}");
    }

    #[test]
    fn a_steady_series_is_hardly_cut() {
        let mut cuts = 0;
        for seed in 0..20 {
            let mut random = TestRandom(seed);
            let series: Vec<f64> = (0..1000).map(|_| random.exponential(1.0)).collect();
            if let Warmup::Found { observations } = mser5(&series).unwrap() {
                cuts += observations;
            }
        }
        assert!(cuts / 20 < 250, "mean cut {}", cuts / 20);
        let flat = mser5(&[3.0; 100]).unwrap();
        assert_eq!(flat, Warmup::Found { observations: 0 });
    }

    #[test]
    fn a_growing_series_has_no_cut() {
        let series: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(mser5(&series).unwrap(), Warmup::NotFound);
    }

    #[test]
    fn the_statistic_is_the_published_one() {
        // Worked by hand with single groups: minimum of squares/kept² among cuts keeping five.
        let series = [9.0, 5.0, 1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.0];
        assert_eq!(
            mser(&series, 1).unwrap(),
            Warmup::NotFound,
            "five near-equal values at the end win in so short a series"
        );
        let longer: Vec<f64> = [9.0, 5.0]
            .into_iter()
            .chain((0..40).map(|i| if i % 2 == 0 { 1.0 } else { 1.2 }))
            .collect();
        assert_eq!(mser(&longer, 1).unwrap(), Warmup::Found { observations: 2 });
    }

    #[test]
    fn a_cut_in_the_middle_is_the_last_that_counts() {
        let after = |start: usize| -> Vec<f64> {
            let noise = (0..20).map(|i| if i % 2 == 0 { 1.0 } else { 1.2 });
            std::iter::repeat_n(9.0, start).chain(noise).collect()
        };
        assert_eq!(mser(&after(20), 1).unwrap(), Warmup::Found { observations: 20 });
        assert_eq!(mser(&after(21), 1).unwrap(), Warmup::NotFound);
    }

    #[test]
    fn short_or_broken_series_are_refused() {
        let short = Refusal::TooFew {
            needed: 50,
            found: 49,
        };
        assert_eq!(mser5(&[1.0; 49]), Err(short));
        assert!(mser5(&[1.0; 50]).is_ok());
        assert!(mser5(&[f64::NAN; 100]).is_err());
    }

    #[test]
    fn welch_averages_with_a_shrinking_window_at_the_front() {
        let series = [2.0, 4.0, 9.0, 1.0, 5.0];
        assert_eq!(moving_average(&series, 1), vec![2.0, 5.0, 14.0 / 3.0, 5.0]);
        assert!(moving_average(&series, 9).is_empty());
    }
}
