//! Whether more and more is inside, and where it is left behind.

use super::{mean, rate};
use crate::experiment::collect::Collected;
use crate::experiment::results::{Metric, SYSTEM};
use crate::statistics::interval::mean_interval;
use crate::statistics::trend::{FALSE_ALARM, Growth, STRETCHES, growth_over_replications};

/// Work that nobody waits for and that gets more and more: the records of a group, the rows of an outbox.
pub struct Left {
    pub subject: String,
    /// How many more a second.
    pub slope: f64,
    what: &'static str,
    done: &'static str,
    /// How many a second are done.
    carried: f64,
}

/// Whether the model keeps work that nobody waits for.
pub fn leaves_behind(metrics: &[Metric]) -> bool {
    metrics.iter().any(|m| {
        m.mean.is_finite()
            && (m.name == "pending_end" || m.name == "lag_end" && m.subject.starts_with("consumer."))
    })
}

/// Growth of the number inside, requests and backlogs, a second. A measured time too short for a trend is judged by the
/// balance of what came and what went.
pub fn growth(seen: &Collected) -> Option<(Growth, f64)> {
    let series: Vec<Vec<f64>> = seen.inside.iter().map(|b| b.0.clone()).collect();
    // A stretch is a whole number of windows; what is left over was dropped.
    let width = *seen.times.0.first()?;
    let windows = (seen.shortest.0 / width).round() - (seen.warm_up as f64 * 1e-9 / width).ceil();
    let each = (windows / STRETCHES as f64).floor().max(1.0);
    match growth_over_replications(&series, each * width, FALSE_ALARM) {
        Ok(trend) => Some((trend.growth, trend.slope.mean)),
        Err(_) => balance(seen),
    }
}

/// What came less what went, a second, in each replication.
fn balance(seen: &Collected) -> Option<(Growth, f64)> {
    let of = |name: &str| {
        let found = seen
            .figures
            .iter()
            .find(|f| f.subject == SYSTEM && f.name == name);
        found.map(|f| &f.values.0)
    };
    let (offered, carried, failed) = (of("offered")?, of("throughput")?, of("failures")?);
    let stayed = offered.iter().zip(carried).zip(failed);
    let stayed: Vec<f64> = stayed
        .map(|((came, done), failed)| came - done - failed)
        .collect();
    let stayed = mean_interval(&stayed, 1.0 - 2.0 * FALSE_ALARM).ok()?;
    let grows = stayed.low.is_some_and(|low| low > 0.0);
    let growth = if grows { Growth::Growing } else { Growth::Undecided };
    Some((growth, stayed.mean))
}

/// What is left behind, the fastest first, where that is most of a growth of `slope` a second.
pub fn backlogs(seen: &Collected, metrics: &[Metric], slope: f64) -> Vec<Left> {
    let warm = seen.warm_up as f64 * 1e-9;
    let measured = |values: &[f64]| -> Option<f64> {
        let times = seen.times.0.iter().copied();
        let mut points = times
            .zip(values.iter().copied())
            .filter(|(t, v)| *t >= warm && v.is_finite());
        let (first, last) = (points.next()?, points.next_back()?);
        Some((last.1 - first.1) / (last.0 - first.0))
    };
    let mut left: Vec<Left> = seen
        .columns
        .iter()
        .filter_map(|column| {
            let (what, done) = match column.name.as_str() {
                "lag" if column.subject.starts_with("consumer.") => ("lag", "consumed"),
                "pending" if column.subject.starts_with("outbox.") => ("backlog", "sent"),
                _ => return None,
            };
            let carried = mean(metrics, &column.subject, done)?;
            Some(Left {
                subject: column.subject.clone(),
                slope: measured(&column.values.0)?,
                what,
                done,
                carried,
            })
        })
        .filter(|left| left.slope > 0.0)
        .collect();
    left.sort_by(|a, b| b.slope.total_cmp(&a.slope));
    let sum: f64 = left.iter().map(|l| l.slope).sum();
    if sum < 0.5 * slope {
        return Vec::new();
    }
    // What hardly grows is not worth a word.
    left.retain(|l| l.slope >= 0.05 * sum);
    left
}

/// The backlogs in words.
pub fn told(left: &[Left]) -> String {
    let each: Vec<String> = left
        .iter()
        .map(|l| {
            format!(
                "the {} of {} grows by {}: {} are {}",
                l.what,
                l.subject,
                rate(l.slope),
                rate(l.carried),
                l.done
            )
        })
        .collect();
    each.join("; ")
}
