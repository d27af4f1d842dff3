//! What changes by plan in the course of a run: stages of a load, its begin and end, the timeline.

use crate::model::Model;
use crate::model::workload::{Arrivals, Iterations, Profile, WorkloadPlan};

/// The stages of a load, if it has any.
pub fn stages(arrivals: &Arrivals) -> Option<&Profile> {
    match arrivals {
        Arrivals::Poisson(p) | Arrivals::Paced { rate: p, .. } | Arrivals::Users(p) => {
            (!p.stages.is_empty()).then_some(p)
        }
        _ => None,
    }
}

/// Users who are started one by one change the load, if that takes more than this share of the run.
const SPAWN: f64 = 0.1;

/// When the last user is started, seconds after the first, if they are started one by one.
fn spawned(w: &WorkloadPlan) -> Option<f64> {
    match (&w.arrivals, w.spawn.per_second) {
        (Arrivals::Users(p), Some(rate)) => Some(p.peak() / rate),
        _ => None,
    }
}

/// Whether the load or the system changes in the course of a run of so many nanoseconds, so that there is no steady state to wait for.
pub fn changes_by_plan(model: &Model, duration: u64) -> bool {
    let passing = |w: &&WorkloadPlan| {
        stages(&w.arrivals).is_some()
            || w.start > 0
            || w.duration.is_some()
            || w.iterations != Iterations::Unlimited
            || spawned(w).is_some_and(|takes| takes > SPAWN * duration as f64 * 1e-9)
            || matches!(w.arrivals, Arrivals::Recorded(_))
    };
    // One that begins after the end is none.
    let sends = |w: &&WorkloadPlan| w.start < duration;
    !model.timeline.is_empty() || model.workloads.iter().filter(sends).any(|w| passing(&w))
}

/// From when on nothing changes by plan any more, in seconds; `None` where that is not known, as of a recorded load.
pub fn last_change(model: &Model) -> Option<f64> {
    let seconds = |nanos: u64| nanos as f64 * 1e-9;
    let mut last = model.timeline.iter().map(|h| seconds(h.at)).fold(0.0, f64::max);
    for w in &model.workloads {
        if matches!(w.arrivals, Arrivals::Recorded(_))
            || !w.is_closed() && w.iterations != Iterations::Unlimited
        {
            return None;
        }
        let start = seconds(w.start);
        last = last.max(start + spawned(w).unwrap_or(0.0));
        if let Some(duration) = w.duration {
            last = last.max(start + seconds(duration));
        }
        let Some(profile) = stages(&w.arrivals) else {
            continue;
        };
        let (mut begin, mut value) = (0.0, profile.start);
        for &(length, to) in &profile.stages {
            if to != value && length > 0.0 {
                last = last.max(start + begin + length);
            } else if to != value {
                last = last.max(start + begin);
            }
            (begin, value) = (begin + length, to);
        }
    }
    Some(last)
}
