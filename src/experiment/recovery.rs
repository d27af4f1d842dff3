//! Whether a system that was disturbed is again what it was before.

use std::collections::BTreeMap;

use super::collect::Collected;
use crate::model::workload::{Arrivals, Iterations, WorkloadPlan};
use crate::model::{Change, Model};
use crate::statistics::recovery::{FALSE_ALARM, Recovery, Watched, recovery};

/// From when to when something was not as it is written, in seconds: an outage, a pause, a restart, a parameter that was
/// set to something else and back, a load that left its value and came back to it.
///
/// `None` if nothing disturbs, or if at the end something is still other than at the start: then the system is not
/// meant to be as before.
pub fn disturbance(model: &Model) -> Option<(f64, f64)> {
    let mut spans = Vec::new();
    let mut open: BTreeMap<String, u64> = BTreeMap::new();
    for happening in &model.timeline {
        let (key, begins) = match &happening.what {
            Change::Stop { service, replica, .. } => (format!("stop {service:?} {replica:?}"), true),
            Change::Start { service, replica, .. } => (format!("stop {service:?} {replica:?}"), false),
            Change::Freeze { service, replica, .. } => (format!("pause {service:?} {replica:?}"), true),
            Change::Thaw { service, replica } => (format!("pause {service:?} {replica:?}"), false),
            Change::Adopt { component, plan } => {
                let written = &model.components[component.0 as usize].plan;
                let other = format!("{plan:?}") != format!("{written:?}");
                (format!("set {component:?}"), other)
            }
        };
        if begins {
            open.entry(key).or_insert(happening.at);
        } else if let Some(from) = open.remove(&key) {
            spans.push((from as f64 * 1e-9, happening.at as f64 * 1e-9));
        }
    }
    if !open.is_empty() {
        return None;
    }
    for workload in &model.workloads {
        match departure(workload) {
            Departure::None => {}
            Departure::Passing(from, to) => spans.push((from, to)),
            Departure::Lasting => return None,
        }
    }
    let from = spans.iter().map(|s| s.0).fold(f64::INFINITY, f64::min);
    let to = spans.iter().map(|s| s.1).fold(f64::NEG_INFINITY, f64::max);
    (!spans.is_empty()).then_some((from, to))
}

enum Departure {
    None,
    Passing(f64, f64),
    Lasting,
}

/// How a load leaves the value it has at first.
fn departure(workload: &WorkloadPlan) -> Departure {
    let ends = workload.start > 0 || workload.duration.is_some();
    if ends || workload.iterations != Iterations::Unlimited {
        return Departure::Lasting;
    }
    let profile = match &workload.arrivals {
        Arrivals::Poisson(p) | Arrivals::Paced { rate: p, .. } | Arrivals::Users(p) => p,
        Arrivals::Recorded(_) => return Departure::Lasting,
        _ => return Departure::None,
    };
    let start = profile.start;
    let mut begin = 0.0;
    let mut value = start;
    let (mut left, mut back) = (None, 0.0);
    for &(length, to) in &profile.stages {
        if value != start || to != start {
            left = left.or(Some(begin));
            back = begin + length;
        }
        begin += length;
        value = to;
    }
    match left {
        None => Departure::None,
        Some(from) if value == start => Departure::Passing(from, back),
        Some(_) => Departure::Lasting,
    }
}

/// When the disturbance ended, in seconds, and what the replications show of the time after it; `None` if there is none, the
/// run is too short around it, or less than the share `carried` of what arrived was carried before: then there is nothing
/// good to go back to.
pub fn recovered(model: &Model, seen: &Collected, carried: f64) -> Option<(f64, Recovery)> {
    let span = disturbance(model)?;
    let window = *seen.times.0.first()?;
    let watched: Vec<Watched> = seen
        .windows
        .iter()
        .map(|(inside, throughput)| Watched {
            inside: inside.0.clone(),
            throughput: throughput.0.clone(),
        })
        .collect();
    let found = recovery(&watched, window, span, FALSE_ALARM).ok()??;
    let (came, done) = (
        before(seen, "offered", span.0),
        before(seen, "throughput", span.0),
    );
    (done >= carried * came).then_some((span.1, found))
}

/// What all flows show a second in the second half of the time up to `until`.
fn before(seen: &Collected, name: &str, until: f64) -> f64 {
    let flows = seen
        .columns
        .iter()
        .filter(|c| c.subject.starts_with("flow.") && c.name == name);
    flows
        .map(|column| {
            let values = seen.times.0.iter().zip(&column.values.0);
            let there: Vec<f64> = values
                .filter(|(t, v)| (0.5 * until..=until).contains(*t) && v.is_finite())
                .map(|(_, v)| *v)
                .collect();
            there.iter().sum::<f64>() / there.len().max(1) as f64
        })
        .sum()
}

#[cfg(test)]
mod tests;
