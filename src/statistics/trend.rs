//! Does a queue grow? A test on the number in system over time, with a stated false-alarm rate.
//!
//! A queue above capacity is a random walk with a drift: its *increments* over equal stretches are
//! nearly independent, and their mean is the growth rate. A queue well below capacity comes back
//! again and again: its increments cancel, so a test that takes them for independent asks for more
//! evidence than it needs and gives fewer false alarms than stated. That is why the test stands on
//! increments and not on a fitted line, whose error under correlation is easily underrated.
//!
//! The second question is whether "no growth seen" means anything. It does if the averages of the
//! stretches hardly depend on one another, so that the run spans many busy and idle times. If they
//! still depend on one another, the run is short against the system's memory and the answer is
//! [`Growth::Undecided`].

use serde::{Deserialize, Serialize};

use super::batch::{autocorrelation, into_batches};
use super::interval::{Estimate, mean_interval};
use super::special::student_quantile;
use super::{Refusal, all_finite, mean, positive, probability, variance};

/// False-alarm rate of "growing" for a system that does not grow, per test.
pub const FALSE_ALARM: f64 = 0.01;
/// Significance that growth must have in the second half of a run by itself. With 1 % in the whole this calls M/M/1 at
/// 0.98 of its capacity growing in some 4 % of runs from empty instead of 12 %, and at 1.02 in as many as before
/// (12,000 arrivals in each of ten replications).
pub const GOES_ON: f64 = 0.1;
/// Growth of which less than this share goes on in the second half of a run fades. Exactly at capacity a queue grows with the
/// square root of time, from the middle of the first stretch by half as much in the second half as in the first; above capacity by
/// as much in the end.
pub const FADES: f64 = 0.7;
/// Stretches a run is cut into.
pub const STRETCHES: usize = 20;
/// Fewest observations of the number in system.
pub const FEWEST: usize = 10;
/// Lag-1 correlation of stretch averages above which a run counts as too short to call steady.
const LASTING: f64 = 0.45;

/// What the series shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    Growing,
    Steady,
    Undecided,
}

/// Growth of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    pub growth: Growth,
    /// Requests per second by which the number in system grows.
    pub slope: Estimate,
    /// Lag-1 correlation of the stretch averages; zero when judged over replications.
    pub lag1: f64,
    /// Replications that grow by themselves, and how fast they do on average, where not all of them together grow.
    #[serde(default)]
    pub alone: Option<(usize, f64)>,
}

/// Judges one run: `series` is the number in system averaged over (or read at) equal bins of
/// `bin_seconds`, with the warm-up removed.
///
/// Growing if the one-sided t test of the increments rejects at `false_alarm`. The interval of the
/// slope has level 1 - 2 × `false_alarm`. Refuses fewer than ten bins and values that are not finite.
pub fn growth_in_run(series: &[f64], bin_seconds: f64, false_alarm: f64) -> Result<Trend, Refusal> {
    positive(bin_seconds, "the bin")?;
    check_alarm(false_alarm)?;
    all_finite(series, "an observation")?;
    if series.len() < FEWEST {
        return Err(Refusal::TooFew {
            needed: FEWEST,
            found: series.len(),
        });
    }
    let stretches = STRETCHES.min(series.len());
    let averages = into_batches(series, stretches);
    let stretch_seconds = (series.len() / stretches) as f64 * bin_seconds;
    let increments: Vec<f64> = averages
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) / stretch_seconds)
        .collect();
    let slope = mean_interval(&increments, 1.0 - 2.0 * false_alarm)?;
    let lag1 = autocorrelation(&averages);
    let growth = if slope.low.is_some_and(|low| low > 0.0) {
        Growth::Growing
    } else if lag1 <= LASTING {
        Growth::Steady
    } else {
        Growth::Undecided
    };
    Ok(Trend {
        growth,
        slope,
        lag1,
        alone: None,
    })
}

/// Judges several replications together, each a series as for [`growth_in_run`].
///
/// The slope of a replication is its last stretch minus its first over the time between; Student's
/// t over replications is then exact in its false-alarm rate whatever the correlation within one.
/// A system that starts empty and is close to its capacity grows as well, but less and less, where one above its
/// capacity goes on growing: the second half must show growth by itself, at [`GOES_ON`], and must not show, at `false_alarm`, less
/// than [`FADES`] of the first half's, unless most replications grow by themselves. Steady if no growth is shown and most replications are steady by themselves.
pub fn growth_over_replications(
    replications: &[Vec<f64>],
    bin_seconds: f64,
    false_alarm: f64,
) -> Result<Trend, Refusal> {
    if replications.len() < 2 {
        return match replications.first() {
            Some(only) => growth_in_run(only, bin_seconds, false_alarm),
            None => Err(Refusal::TooFew { needed: 1, found: 0 }),
        };
    }
    let single: Vec<Trend> = replications
        .iter()
        .map(|series| growth_in_run(series, bin_seconds, false_alarm))
        .collect::<Result<_, _>>()?;
    let slopes: Vec<f64> = single.iter().map(|trend| trend.slope.mean).collect();
    let late: Vec<f64> = replications.iter().map(|series| late_growth(series)).collect();
    let faded: Vec<f64> = replications
        .iter()
        .zip(&late)
        .map(|(series, late)| FADES * early_growth(series) - late)
        .collect();
    let n = slopes.len() as f64;
    let level = 1.0 - 2.0 * false_alarm;
    let slope = mean_interval(&slopes, level)?;
    let lag1 = mean(&single.iter().map(|trend| trend.lag1).collect::<Vec<_>>());
    let above = |values: &[f64], false_alarm: f64| -> Result<bool, Refusal> {
        let (centre, error) = (mean(values), (variance(values) / n).sqrt());
        Ok(centre > 0.0 && centre > student_quantile(1.0 - false_alarm, n - 1.0)? * error)
    };
    let grows = above(&slopes, false_alarm)? && above(&late, GOES_ON)?;
    // Most of them by themselves: more than a fill-up, even if a limit ends it.
    let most = 2 * count(&single, Growth::Growing) > single.len();
    let growth = if grows && (most || !above(&faded, false_alarm)?) {
        Growth::Growing
    } else if 2 * count(&single, Growth::Steady) > single.len() {
        Growth::Steady
    } else {
        Growth::Undecided
    };
    let growing = single.iter().filter(|trend| trend.growth == Growth::Growing);
    let growing: Vec<f64> = growing.map(|trend| trend.slope.mean).collect();
    let alone = (growth != Growth::Growing && !growing.is_empty()).then(|| (growing.len(), mean(&growing)));
    Ok(Trend {
        growth,
        slope,
        lag1,
        alone,
    })
}

/// Growth over the first half of a run's stretches.
fn early_growth(series: &[f64]) -> f64 {
    let averages = into_batches(series, STRETCHES.min(series.len()));
    match &averages[..averages.len() / 2] {
        [first, .., last] => last - first,
        _ => 0.0,
    }
}

/// Growth over the second half of a run's stretches.
fn late_growth(series: &[f64]) -> f64 {
    let averages = into_batches(series, STRETCHES.min(series.len()));
    match &averages[averages.len() / 2..] {
        [first, .., last] => last - first,
        _ => 0.0,
    }
}

fn count(trends: &[Trend], growth: Growth) -> usize {
    trends.iter().filter(|trend| trend.growth == growth).count()
}

fn check_alarm(false_alarm: f64) -> Result<(), Refusal> {
    probability(2.0 * false_alarm, "twice the false-alarm rate").map(|_| ())
}

/// The verdict on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stability {
    Stable,
    NearCritical,
    Overloaded,
    Undecided,
}

/// Utilisation of the busiest component from which a system that does not grow is near-critical.
pub const NEAR_CRITICAL: f64 = 0.95;

/// Growth and the utilisation of the busiest component together.
pub fn stability(growth: Growth, utilisation: Option<f64>) -> Stability {
    let busy = utilisation.is_some_and(|rho| rho >= NEAR_CRITICAL);
    match (growth, busy) {
        (Growth::Growing, _) => Stability::Overloaded,
        (_, true) => Stability::NearCritical,
        (Growth::Steady, false) => Stability::Stable,
        (Growth::Undecided, false) => Stability::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::super::TestRandom;
    use super::*;

    /// Number in system of M/M/1 with unit service, averaged over `bins` of ten seconds.
    fn single_server(rate: f64, bins: usize, seed: u64) -> Vec<f64> {
        let mut random = TestRandom(seed);
        let mut series = vec![0.0; bins];
        let end = 10.0 * bins as f64;
        let (mut now, mut present) = (0.0, 0u32);
        while now < end {
            let busy = if present > 0 { 1.0 } else { 0.0 };
            let until = (now + random.exponential(1.0 / (rate + busy))).min(end);
            let mut from: f64 = now;
            while from < until {
                let bin = ((from / 10.0) as usize).min(bins - 1);
                let to = until.min(10.0 * (bin + 1) as f64);
                series[bin] += f64::from(present) * (to - from) / 10.0;
                if to <= from {
                    break;
                }
                from = to;
            }
            now = until;
            if random.uniform() * (rate + busy) < rate {
                present += 1;
            } else {
                present = present.saturating_sub(1);
            }
        }
        series
    }

    fn verdicts(rate: f64, bins: usize) -> [usize; 3] {
        let mut counts = [0; 3];
        for seed in 0..200 {
            let trend = growth_in_run(&single_server(rate, bins, seed), 10.0, FALSE_ALARM).unwrap();
            counts[trend.growth as usize] += 1;
        }
        counts
    }

    #[test]
    fn false_alarms_stay_below_the_stated_rate() {
        // 1 % of 200 is 2; more than 7 has a chance of 1 in 1000. All runs start empty, not cut.
        for (rate, bins) in [(0.3, 200), (0.7, 200), (0.9, 1000), (0.95, 1000)] {
            let [growing, ..] = verdicts(rate, bins);
            assert!(growing <= 7, "{rate}: {growing} false alarms");
        }
    }

    #[test]
    fn a_calm_station_is_called_steady() {
        let [_, steady, _] = verdicts(0.5, 400);
        assert!(steady >= 190, "{steady}");
    }

    #[test]
    fn overload_is_seen() {
        // Drift 0.1 over 10000 s against a random walk of √(2.1 × 10000): seven deviations.
        let [growing, ..] = verdicts(1.1, 1000);
        assert!(growing >= 195, "{growing}");
    }

    #[test]
    fn a_run_too_short_for_its_load_is_not_called_steady_as_a_rule() {
        // Relaxation time of M/M/1 at 0.99 is about 40000 s; the run has 5000.
        let [_, steady, _] = verdicts(0.99, 500);
        assert!(steady < 70, "{steady}");
    }

    #[test]
    fn replications_together_see_what_one_cannot() {
        let together = |rate: f64, seed: u64| {
            let series: Vec<Vec<f64>> = (0..10)
                .map(|i| single_server(rate, 300, 1000 * seed + i))
                .collect();
            growth_over_replications(&series, 10.0, FALSE_ALARM).unwrap()
        };
        let seen = (0..20).filter(|&s| together(1.05, s).growth == Growth::Growing);
        assert!(seen.count() >= 19);
        let alarms = (0..100).filter(|&s| together(0.8, s + 50).growth == Growth::Growing);
        // 1 % of 100; the start from empty is left in.
        assert!(alarms.count() <= 5);
        let slope = together(1.5, 3).slope;
        assert!((slope.mean - 0.5).abs() < 0.05, "{slope:?}");
    }

    #[test]
    fn the_fill_up_of_many_short_runs_is_no_growth() {
        // M/M/1 at 0.9 for 300 s: its relaxation time is about 400 s.
        let together = |rate: f64| {
            let seed = |i: u64| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let series: Vec<Vec<f64>> = (0..400).map(|i| single_server(rate, 30, seed(i))).collect();
            growth_over_replications(&series, 10.0, FALSE_ALARM)
                .unwrap()
                .growth
        };
        assert_eq!(together(0.9), Growth::Undecided);
        assert_eq!(together(0.3), Growth::Steady);
        assert_eq!(together(1.2), Growth::Growing);
    }

    #[test]
    fn replications_that_grow_alone_are_counted() {
        let calm = |seed: u64| single_server(0.3, 100, seed);
        let away: Vec<f64> = (0..100).map(|i| f64::from(i) * 20.0).collect();
        let series = vec![calm(1), calm(2), away, calm(3), calm(4)];
        let found = growth_over_replications(&series, 10.0, FALSE_ALARM).unwrap();
        assert_eq!(found.growth, Growth::Steady);
        let (count, slope) = found.alone.unwrap();
        assert_eq!(count, 1);
        assert!((slope - 2.0).abs() < 1e-9, "{slope}");
        let calm = growth_over_replications(&series[..2], 10.0, FALSE_ALARM).unwrap();
        assert_eq!(calm.alone, None);
    }

    #[test]
    fn constant_and_linear_series_need_no_luck() {
        let flat = growth_in_run(&[4.0; 50], 1.0, FALSE_ALARM).unwrap();
        assert_eq!(flat.growth, Growth::Steady);
        let ramp: Vec<f64> = (0..40).map(|i| f64::from(i) * 3.0).collect();
        let found = growth_in_run(&ramp, 2.0, FALSE_ALARM).unwrap();
        assert_eq!(found.growth, Growth::Growing);
        assert!((found.slope.mean - 1.5).abs() < 1e-12);
    }

    #[test]
    fn the_verdict_joins_growth_and_utilisation() {
        assert_eq!(stability(Growth::Growing, None), Stability::Overloaded);
        assert_eq!(stability(Growth::Steady, Some(0.5)), Stability::Stable);
        assert_eq!(stability(Growth::Steady, Some(0.97)), Stability::NearCritical);
        assert_eq!(stability(Growth::Undecided, Some(0.97)), Stability::NearCritical);
        assert_eq!(stability(Growth::Undecided, Some(0.5)), Stability::Undecided);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(growth_in_run(&[1.0; 9], 1.0, 0.01).is_err());
        assert!(growth_in_run(&[f64::NAN; 20], 1.0, 0.01).is_err());
        assert!(growth_in_run(&[1.0; 20], 0.0, 0.01).is_err());
        assert!(growth_in_run(&[1.0; 20], 1.0, 0.5).is_err());
        assert!(growth_over_replications(&[], 1.0, 0.01).is_err());
    }
}
