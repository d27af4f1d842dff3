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
    })
}

/// Judges several replications together, each a series as for [`growth_in_run`].
///
/// The slope of a replication is its last stretch minus its first over the time between; Student's
/// t over replications is then exact in its false-alarm rate whatever the correlation within one.
/// Steady if no growth is shown and most replications are steady by themselves.
pub fn growth_over_replications(
    replications: &[Vec<f64>],
    bin_seconds: f64,
    false_alarm: f64,
) -> Result<Trend, Refusal> {
    if replications.len() < 2 {
        return match replications.first() {
            Some(only) => growth_in_run(only, bin_seconds, false_alarm),
            None => Err(Refusal::TooFew {
                needed: 1,
                found: 0,
            }),
        };
    }
    let single: Vec<Trend> = replications
        .iter()
        .map(|series| growth_in_run(series, bin_seconds, false_alarm))
        .collect::<Result<_, _>>()?;
    let slopes: Vec<f64> = single.iter().map(|trend| trend.slope.mean).collect();
    let n = slopes.len() as f64;
    let level = 1.0 - 2.0 * false_alarm;
    let slope = mean_interval(&slopes, level)?;
    let lag1 = mean(&single.iter().map(|trend| trend.lag1).collect::<Vec<_>>());
    let error = (variance(&slopes) / n).sqrt();
    let grows = slope.mean > student_quantile(1.0 - false_alarm, n - 1.0)? * error;
    let growth = if grows && slope.mean > 0.0 {
        Growth::Growing
    } else if 2 * count(&single, Growth::Steady) > single.len() {
        Growth::Steady
    } else {
        Growth::Undecided
    };
    Ok(Trend {
        growth,
        slope,
        lag1,
    })
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
