//! Whether more and more is inside, and where it is left behind.

use super::{mean, rate, value};
use crate::experiment::PointPlan;
use crate::experiment::collect::Collected;
use crate::experiment::planned::last_change;
use crate::experiment::results::{Metric, SYSTEM, Unit};
use crate::model::arithmetic::arithmetic;
use crate::statistics::interval::mean_interval;
use crate::statistics::trend::{FALSE_ALARM, FEWEST, Growth, STRETCHES, growth_over_replications};

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

/// Growth of the number inside, requests and backlogs.
#[derive(Clone, Copy, Debug)]
pub struct Grown {
    pub growth: Growth,
    /// How many more a second.
    pub slope: f64,
    /// From when on it was looked at, seconds; the measured time if nothing changes by plan.
    pub since: Option<f64>,
    /// Requests that came and were answered a second from then on.
    pub offered: f64,
    pub carried: f64,
    /// Of how many replications how many grow by themselves, and how many more a second are in them.
    pub alone: Option<(usize, usize, f64)>,
}

impl Grown {
    /// From when on, if not from the start.
    pub fn late(&self) -> Option<f64> {
        self.since.filter(|at| *at > 0.0)
    }
}

/// Growth in the measured time, or, where load or system change by plan, since the last change. A time too short for a trend is
/// judged by the balance of what came and what went, one in which the load changes all along by what the change does not
/// explain.
pub fn growth(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Option<Grown> {
    if plan.changes_by_plan() {
        return growth_by_plan(plan, seen);
    }
    let of = |name: &str| mean(metrics, SYSTEM, name).unwrap_or(0.0);
    let grown = |growth, slope, alone| Grown {
        growth,
        slope,
        since: None,
        offered: of("offered"),
        carried: of("throughput"),
        alone,
    };
    let series: Vec<Vec<f64>> = seen.inside.iter().map(|b| b.0.clone()).collect();
    // A stretch is a whole number of windows; what is left over was dropped.
    let width = *seen.times.0.first()?;
    let windows = (seen.shortest.0 / width).round() - (seen.warm_up as f64 * 1e-9 / width).ceil();
    let each = (windows / STRETCHES as f64).floor().max(1.0);
    let found = match growth_over_replications(&series, each * width, FALSE_ALARM) {
        Ok(trend) => {
            let alone = trend.alone.map(|(n, slope)| (series.len(), n, slope));
            (trend.growth, trend.slope.mean, alone)
        }
        Err(_) => {
            let (growth, slope) = balance(seen)?;
            (growth, slope, None)
        }
    };
    // A load that comes to an empty system fills it: as many as are served without waiting are no queue.
    let last: Vec<f64> = series
        .iter()
        .filter_map(|inside| inside.last().copied())
        .collect();
    if found.0 == Growth::Steady {
        return Some(grown(found.0, found.1, found.2));
    }
    let (last, served) = (average(&last), of("offered") * response(plan));
    let growth = match served > 0.0 && last <= FULL * served {
        true if last >= (2.0 - FULL) * served => Growth::Steady,
        true => Growth::Undecided,
        false => found.0,
    };
    Some(grown(growth, found.1, found.2))
}

/// How many are inside at the end, on the average of the replications.
pub fn inside_at_end(seen: &Collected) -> f64 {
    let last: Vec<f64> = seen.inside.iter().filter_map(|b| b.0.last().copied()).collect();
    average(&last)
}

/// So many times as many inside as are served without any waiting are no queue yet.
const FULL: f64 = 1.02;

/// The share of a run that must be left after the last change to be judged by itself, and that is judged where changes go on.
const LAST: f64 = 0.1;
/// More of what arrives than this stays inside, beside what the changing load explains. A queue grows as well while its load comes close to
/// its capacity: by 1 to 2 % of a load that climbs to 98 % of it within some minutes.
const STAYS: f64 = 0.03;
/// What is left of an overload matters if it takes longer than this share of the run to work off.
const LEFT: f64 = 0.1;

fn growth_by_plan(plan: &PointPlan, seen: &Collected) -> Option<Grown> {
    let width = *seen.times.0.first()?;
    let whole = seen.windows.iter().map(|(inside, _)| inside.0.len()).min()?;
    let end = whole as f64 * width;
    let measured = seen.warm_up as f64 * 1e-9;
    let constant = last_change(&plan.model)
        .map(|at| at.max(measured))
        .filter(|at| *at <= (1.0 - LAST) * end)
        .map(|at| libm::ceil(at / width - 1e-6) as usize)
        .filter(|first| whole >= first + FEWEST);
    let first = constant.unwrap_or(whole - (libm::round(LAST * whole as f64) as usize).clamp(1, whole));
    let tails = seen
        .windows
        .iter()
        .map(|(inside, _)| inside.0[first..whole].to_vec());
    let tails: Vec<Vec<f64>> = tails.collect();
    let (offered, carried) = (flows(seen, "offered", first), flows(seen, "throughput", first));
    let grown = |growth, slope| {
        Some(Grown {
            growth,
            slope,
            since: Some(first as f64 * width),
            offered: average(&offered),
            carried: average(&carried),
            alone: None,
        })
    };
    let response = response(plan);
    if constant.is_some() {
        let trend = growth_over_replications(&tails, width, FALSE_ALARM).ok()?;
        let last: Vec<f64> = tails.iter().filter_map(|inside| inside.last().copied()).collect();
        let no_queue = average(&last) <= (FULL * average(&offered) * response).max(1.0);
        return match trend.growth {
            Growth::Growing | Growth::Undecided if no_queue => grown(Growth::Steady, trend.slope.mean),
            growth => grown(growth, trend.slope.mean),
        };
    }
    // More inside is what a growing load brings with it: its rate times what a request takes (Little).
    let change = |values: &[f64]| -> Option<f64> {
        let half = values.len() / 2;
        let (from, to) = (values.get(..half)?, values.get(values.len() - half..)?);
        let between = (values.len() - half) as f64 * width;
        (half > 0).then(|| (average(to) - average(from)) / between)
    };
    let explained = change(&offered)? * response;
    let slopes: Option<Vec<f64>> = tails.iter().map(|inside| change(inside)).collect();
    let beyond: Vec<f64> = slopes?
        .iter()
        .map(|s| s - explained - STAYS * average(&offered))
        .collect();
    let found = mean_interval(&beyond, 1.0 - 2.0 * FALSE_ALARM).ok()?;
    let slope = found.mean + explained + STAYS * average(&offered);
    match found.low.is_some_and(|low| low > 0.0) {
        true => grown(Growth::Growing, slope),
        false => grown(Growth::Steady, slope),
    }
}

/// What an overload that is over has left behind: how many are inside at the end, and how many seconds it takes to work them off at the
/// rate of then.
pub fn left_over(plan: &PointPlan, seen: &Collected) -> Option<(f64, f64)> {
    let width = *seen.times.0.first()?;
    let windows = seen.windows.iter().map(|(inside, _)| inside.0.len()).min()?;
    let tail = windows - (libm::round(LAST * windows as f64) as usize).clamp(1, windows);
    let last = seen
        .windows
        .iter()
        .filter_map(|(inside, _)| inside.0[..windows].last().copied());
    let inside = average(&last.collect::<Vec<f64>>());
    let (came, done) = (flows(seen, "offered", tail), flows(seen, "throughput", tail));
    let rate = average(&done).max(average(&came));
    let matters = LEFT * windows as f64 * width;
    // What is served without waiting makes it less still.
    if rate <= 0.0 || inside / rate <= matters {
        return None;
    }
    let takes = inside / rate - FULL * response(plan);
    (takes > matters).then_some((inside, takes))
}

/// From when on nobody is answered any more though so many are inside, seconds: for longer than a tenth of the run, and three times
/// as long as any answer took.
pub fn stalled(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Option<(f64, f64)> {
    let width = *seen.times.0.first()?;
    let ended: Vec<f64> = flows(seen, "throughput", 0)
        .into_iter()
        .zip(flows(seen, "failures", 0))
        .map(|(done, failed)| done + failed)
        .collect();
    let first = ended.len() - ended.iter().rev().take_while(|n| **n <= 0.0).count();
    let end = ended.len() as f64 * width;
    let (since, longest) = (
        first as f64 * width,
        mean(metrics, SYSTEM, "response_time_max").unwrap_or(0.0),
    );
    let patience = (LAST * end).max(3.0 * longest.max(response(plan)));
    let inside = *flows(seen, "inside", 0).last()?;
    (end - since >= patience && inside >= 1.0).then_some((since, inside))
}

/// What all flows show a second in each window from `first` on, on the average of the replications.
fn flows(seen: &Collected, name: &str, first: usize) -> Vec<f64> {
    let mut sums: Vec<f64> = vec![0.0; seen.times.0.len().saturating_sub(first)];
    let of_flows = |c: &&crate::experiment::collect::Column| c.subject.starts_with("flow.") && c.name == name;
    for column in seen.columns.iter().filter(of_flows) {
        for (sum, value) in sums.iter_mut().zip(column.values.0.iter().skip(first)) {
            *sum += if value.is_finite() { *value } else { 0.0 };
        }
    }
    sums
}

/// Seconds that a request takes without waiting, on the average of the workloads.
fn response(plan: &PointPlan) -> f64 {
    let streams = arithmetic(&plan.model).streams;
    let rate: f64 = streams.iter().map(|s| s.rate).sum();
    let taken: f64 = streams.iter().map(|s| s.rate * s.response).sum();
    match taken / rate {
        response if response.is_finite() => response,
        _ => 0.0,
    }
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
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
pub fn backlogs(seen: &Collected, metrics: &[Metric], grown: &Grown) -> Vec<Left> {
    let (slope, warm) = (grown.slope, grown.since.unwrap_or(seen.warm_up as f64 * 1e-9));
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
pub fn told(left: &[Left], since: Option<f64>) -> String {
    let each: Vec<String> = left
        .iter()
        .map(|l| {
            let grows = format!("the {} of {} grows by {}", l.what, l.subject, rate(l.slope));
            // What is done is known for the measured time only.
            match since {
                Some(at) => format!("{grows} from {} on", value(Unit::Seconds, at)),
                None => format!("{grows}: {} are {}", rate(l.carried), l.done),
            }
        })
        .collect();
    each.join("; ")
}
