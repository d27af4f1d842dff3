//! From the values of the replications to figures with intervals.

use super::collect::{Collected, Pooled, Values};
use super::results::{Metric, Unit};
use crate::quantity::SimDuration;
use crate::statistics::interval::{Estimate, loss_interval};
use crate::statistics::leaning::leaning_interval;

/// All figures of a point.
pub fn metrics(seen: &Collected, confidence: f64) -> Vec<Metric> {
    seen.figures.iter().map(|f| metric(f, seen, confidence)).collect()
}

fn metric(figure: &Values, seen: &Collected, confidence: f64) -> Metric {
    let observed = figure.observed();
    // A percentile of all times together counts a replication without enough of its own too.
    let replications = match figure.pooled {
        Some(_) => seen.replications,
        None => observed.len() as u32,
    };
    let mut metric = Metric {
        subject: figure.subject.clone(),
        name: figure.name.clone(),
        unit: figure.unit,
        mean: f64::NAN,
        low: None,
        high: None,
        replications,
        note: None,
        theory: None,
    };
    if replications == 0 {
        return metric;
    }
    if is_longest(figure, seen) {
        metric.mean = observed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        metric.note = Some("the longest of all replications has no interval".to_owned());
        return metric;
    }
    let estimate = match (losses(figure, seen, confidence), &figure.pooled) {
        (Some(estimate), _) => Ok(estimate),
        (None, Some(pooled)) => Ok(percentile(pooled, seen.replications, confidence)),
        (None, None) => leaning_interval(&observed, confidence),
    };
    match estimate {
        Ok(estimate) => {
            let ceiling = if figure.unit == Unit::Share {
                within_one(&observed)
            } else {
                f64::INFINITY
            };
            let floor = if observed.iter().all(|v| *v >= 0.0) {
                0.0
            } else {
                f64::NEG_INFINITY
            };
            metric.mean = estimate.mean;
            metric.low = estimate.low.filter(|v| v.is_finite()).map(|v| v.max(floor));
            metric.high = estimate.high.filter(|v| v.is_finite()).map(|v| v.min(ceiling));
            metric.note = note(&estimate);
        }
        Err(why) => metric.note = Some(why.to_string()),
    }
    let total = seen.replications;
    if replications < total {
        metric.note = Some(format!(
            "observed in {replications} of {total} replications, so it may be off"
        ));
    }
    metric
}

/// Whether it is the longest of times whose percentiles count all replications together. The longest of all stands beside them, as
/// the mean of the longest of each would lie below some of them; it grows with the number of replications and has no interval.
fn is_longest(figure: &Values, seen: &Collected) -> bool {
    let Some(times) = figure.name.strip_suffix("_max") else {
        return false;
    };
    seen.figures.iter().any(|f| {
        let percentile = f.name.strip_prefix(times).is_some_and(|end| end == "_p50");
        percentile && f.subject == figure.subject && f.pooled.is_some()
    })
}

fn percentile(pooled: &Pooled, replications: u32, level: f64) -> Estimate {
    let n = replications as usize;
    let value = pooled.quantile.0;
    match &pooled.limits {
        Some((low, high)) => Estimate::with_interval(value, low.0, high.0, level, n),
        None => Estimate::without_interval(value, level, n, pooled.note.clone().unwrap_or_default()),
    }
}

fn note(estimate: &Estimate) -> Option<String> {
    match estimate.n {
        1 if estimate.half_width.is_none() => Some("one replication has no interval".to_owned()),
        _ => estimate.note.clone(),
    }
}

/// A share that never left 0 to 1 cannot have an interval that does.
fn within_one(observed: &[f64]) -> f64 {
    if observed.iter().all(|v| *v <= 1.0) {
        1.0
    } else {
        f64::INFINITY
    }
}

/// The interval of a share of losses rests on counts, so that it stands when few or none were seen.
fn losses(figure: &Values, seen: &Collected, confidence: f64) -> Option<Estimate> {
    if figure.name != "failure_share" {
        return None;
    }
    let other = |name: &str| {
        let found = seen
            .figures
            .iter()
            .find(|f| f.subject == figure.subject && f.name == name);
        found.map(|f| &f.values.0)
    };
    let (failures, throughput) = (other("failures")?, other("throughput")?);
    let span = seen.shortest.0 - seen.warm_up as f64 * 1e-9;
    if span <= 0.0 || seen.cut > 0 {
        return None;
    }
    let counts: Vec<(u64, u64)> = failures
        .iter()
        .zip(throughput)
        .map(|(f, t)| {
            let lost = (f * span).round() as u64;
            (lost, lost + (t * span).round() as u64)
        })
        .collect();
    if counts.iter().all(|(_, ended)| *ended == 0) {
        return None;
    }
    loss_interval(&counts, confidence).ok()
}

/// A value in words: `123 ms`, `4.2/s`, `98.1 %`.
pub fn value(unit: Unit, v: f64) -> String {
    let digits = |v: f64| {
        let rounded: f64 = format!("{v:.3e}").parse().unwrap_or(v);
        rounded.to_string()
    };
    match unit {
        _ if !v.is_finite() => "nothing".to_owned(),
        Unit::Seconds => match v {
            v if v < 0.0 => format!("{} s", digits(v)),
            // Of minutes and seconds four digits as well.
            v => {
                let rounded: f64 = format!("{v:.3e}").parse().unwrap_or(v);
                format!("{:.4}", SimDuration::from_secs_f64(rounded))
            }
        },
        Unit::PerSecond => format!("{}/s", digits(v)),
        Unit::Share => format!("{} %", digits(100.0 * v)),
        Unit::Bytes => format!("{} B", digits(v)),
        Unit::Count | Unit::None => digits(v),
    }
}

/// A figure in words with its interval: `123 ms (119 ms to 127 ms)`.
pub fn told(metric: &Metric) -> String {
    let mean = value(metric.unit, metric.mean);
    match metric.interval() {
        Some((low, high)) => format!(
            "{mean} ({} to {})",
            value(metric.unit, low),
            value(metric.unit, high)
        ),
        None => mean,
    }
}

/// Whether all of an interval lies below (or above) a bound; `None` if it lies on both sides.
pub fn keeps_bound((low, high): (f64, f64), below: bool, bound: f64) -> Option<bool> {
    match below {
        true if high < bound => Some(true),
        true if low >= bound => Some(false),
        false if low > bound => Some(true),
        false if high <= bound => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
