//! What gives way first: who leaves more behind, turns most away, or is busiest.

use super::{Findings, Losses, growth, mean, overflowing, percent, rate};
use crate::experiment::PointPlan;
use crate::experiment::collect::Collected;
use crate::experiment::estimate::value;
use crate::experiment::results::{Metric, Unit};
use crate::model::{Entry, Model};
use crate::program::ScopeKind;
use crate::statistics::trend::NEAR_CRITICAL;

/// Components this close to the busiest one are as busy; the innermost of them holds the others up.
const AS_BUSY: f64 = 0.05;
/// Where load or system change by plan, a component is as busy as in the busiest stretch of the run of this share.
const STRETCH: f64 = 0.1;
/// Stretches this close are about as busy.
const SAME: f64 = 0.02;

/// The component that holds the others up.
pub struct Busiest {
    pub subject: String,
    /// What of it is busy, in a word.
    what: &'static str,
    pub utilisation: f64,
    /// From when to when, seconds; the measured time if nothing changes by plan.
    between: Option<(f64, f64)>,
}

impl Busiest {
    /// `, from 5m to 6m`, where it is not the whole measured time that is spoken of.
    pub fn when(&self) -> String {
        let seconds = |s: f64| value(Unit::Seconds, s);
        match self.between {
            Some((from, to)) => format!(" from {} to {}", seconds(from), seconds(to)),
            None => String::new(),
        }
    }
}

/// Among the components that are about as busy as the busiest, the innermost: who waits for it keeps the
/// others occupied.
pub fn busiest(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Option<Busiest> {
    let changes = plan.changes_by_plan();
    let components = plan.model.components.iter().zip(depths(&plan.model));
    let found: Vec<(Busiest, u32)> = components
        .filter_map(|(entry, depth)| {
            let mut found = occupied(entry, metrics)?;
            // Servers that a lower number leaves at work are more than there are.
            let most = |busy: f64| busy.min(1.0);
            found.utilisation = most(found.utilisation);
            if changes
                && let Some((busy, between)) = busiest_stretch(seen, &found.subject)
                && most(busy) > found.utilisation + SAME
            {
                (found.utilisation, found.between) = (most(busy), Some(between));
            }
            Some((found, depth))
        })
        .collect();
    let top = found.iter().map(|f| f.0.utilisation).fold(0.0, f64::max);
    if top <= 0.0 {
        return None;
    }
    let mut best: Option<(Busiest, u32)> = None;
    for (b, depth) in found {
        if b.utilisation < top - AS_BUSY {
            continue;
        }
        let better = match &best {
            None => true,
            Some((known, deep)) => depth > *deep || depth == *deep && b.utilisation > known.utilisation,
        };
        if better {
            best = Some((b, depth));
        }
    }
    best.map(|b| b.0)
}

/// How much of a component is occupied in the measured time.
fn occupied(entry: &Entry, metrics: &[Metric]) -> Option<Busiest> {
    let subject = entry.subject();
    let of = |name| mean(metrics, &subject, name);
    let mut busy = of("utilisation").map(|share| (share, noun(entry)));
    // Connections that lie in pools are no burden before one more is refused.
    let connections = match of("connections_refused") {
        Some(refused) if refused > 0.0 => of("connections_utilisation"),
        _ => None,
    };
    // Of many keys or threads the hottest holds up who comes for it.
    for (share, of_what) in [
        (of("hottest_key_utilisation"), "held"),
        (of("busiest_thread_utilisation"), "busiest thread"),
        (connections, "connections"),
    ] {
        if let Some(share) = share
            && busy.is_none_or(|(all, _)| share > all + SAME)
        {
            busy = Some((share, of_what));
        }
    }
    let (utilisation, what) = busy?;
    Some(Busiest {
        subject,
        what,
        utilisation,
        between: None,
    })
}

/// How busy a component is in its busiest stretch, on the average of the replications, and from when to when it is about as busy,
/// seconds.
fn busiest_stretch(seen: &Collected, subject: &str) -> Option<(f64, (f64, f64))> {
    let columns = &seen.columns;
    let column = columns
        .iter()
        .find(|c| c.subject == subject && c.name == "utilisation")?;
    let (busy, width) = (&column.values.0, *seen.times.0.first()?);
    let windows = busy.len().min(seen.times.0.len());
    let each = (libm::round(STRETCH * windows as f64) as usize).clamp(1, windows.max(1));
    let mean = |stretch: &[f64]| {
        let there: Vec<f64> = stretch.iter().copied().filter(|b| b.is_finite()).collect();
        there.iter().sum::<f64>() / there.len() as f64
    };
    let stretches: Vec<f64> = busy[..windows].windows(each).map(mean).collect();
    let most = stretches
        .iter()
        .copied()
        .filter(|b| b.is_finite())
        .reduce(f64::max)?;
    // The longest time over which all stretches are about as busy.
    let (mut best, mut from) = ((0, 0), 0);
    for run in stretches.chunk_by(|a, b| (*a >= most - SAME) == (*b >= most - SAME)) {
        if run[0] >= most - SAME && run.len() > best.1 {
            best = (from, run.len());
        }
        from += run.len();
    }
    let (from, to) = (best.0, best.0 + best.1 - 1 + each);
    Some((most, (from as f64 * width, to as f64 * width)))
}

/// How many visits enclose a visit of each component, at most.
fn depths(model: &Model) -> Vec<u32> {
    let scopes = &model.program.scopes;
    let mut out = vec![0; model.components.len()];
    for scope in scopes {
        let ScopeKind::Visit { comp, .. } = scope.kind else {
            continue;
        };
        let (mut depth, mut at) = (1, scope.parent);
        while let Some(outer) = scopes.get(at as usize) {
            depth += u32::from(matches!(outer.kind, ScopeKind::Visit { .. }));
            at = outer.parent;
        }
        if let Some(id) = model.layout.owner.get(comp as usize) {
            let mine = &mut out[id.0 as usize];
            *mine = depth.max(*mine);
        }
    }
    out
}

/// What a component is busy with, in a word.
fn noun(entry: &Entry) -> &'static str {
    match entry.kind {
        "host" => "cpu",
        "station" if entry.is_client() => "threads",
        "thread-pool" | "consumer" => "threads",
        "connection-pool" => "connections",
        "station" => "servers",
        "database" => "statements",
        "lock" => "held",
        _ => "busy",
    }
}

/// What gives way first: what leaves more and more behind, what turns requests away though nobody is busy, else who is busiest.
pub fn bottleneck(found: &Findings) -> Option<String> {
    let (metrics, losses) = (found.metrics, &found.losses);
    // Where requests are lost, what they wait for gives way before what is left behind.
    let grown = overflowing(found.grown).filter(|_| !losses.overload());
    let left = grown.and_then(|grown| growth::backlogs(found.seen, metrics, &grown).into_iter().next());
    if let Some(left) = left {
        let entries = &found.plan.model.components;
        let consumer = entries
            .iter()
            .find(|e| e.kind == "consumer" && e.subject() == left.subject);
        return Some(match consumer.and_then(|entry| occupied(entry, metrics)) {
            Some(b) => format!("{} {} {}", b.subject, b.what, percent(b.utilisation)),
            None => format!("{} behind by {}", left.subject, rate(left.slope)),
        });
    }
    let busiest = found.busiest.as_ref();
    let idle = busiest.is_none_or(|b| b.utilisation < NEAR_CRITICAL);
    if losses.overload()
        && idle
        && let Some(gate) = turns_away(found.plan, metrics, losses)
    {
        return Some(gate);
    }
    match busiest {
        Some(b) => Some(format!(
            "{} {} {}{}",
            b.subject,
            b.what,
            percent(b.utilisation),
            b.when()
        )),
        None => waited_for(&found.plan.model, metrics),
    }
}

/// Who turns most away while nobody is busy: a limit, or a workload that cannot send; or whose memory is full.
fn turns_away(plan: &PointPlan, metrics: &[Metric], losses: &Losses) -> Option<String> {
    if losses
        .parts
        .first()
        .is_some_and(|(_, fault)| fault == "out of memory")
        && let Some(heap) = plan.model.components.iter().find(|e| e.kind == "heap")
    {
        return Some(format!("{} out of memory", heap.subject()));
    }
    let unsent = losses.unsent.iter().map(|(workload, each, _)| {
        let text = format!("workload.{workload} never sends {}", rate(*each));
        (*each, text)
    });
    let gates = plan.model.components.iter().filter_map(|entry| {
        let subject = entry.subject();
        let of = |name| mean(metrics, &subject, name).unwrap_or(0.0);
        let mut each = of("rejected") + of("timed_out");
        if entry.kind == "time-limiter" {
            // Whose work it cuts short has failed inside it.
            each += of("failed");
        }
        let text = format!("{subject} turns away {}", rate(each));
        (each > 0.0).then_some((each, text))
    });
    let (each, text) = unsent.chain(gates).max_by(|a, b| a.0.total_cmp(&b.0))?;
    // What is turned away within is often tried again, or answered otherwise.
    (each >= 0.5 * losses.share * losses.arriving).then_some(text)
}

/// Who is waited for longest: `lock.row waiting 1.5s`.
fn waited_for(model: &Model, metrics: &[Metric]) -> Option<String> {
    let waits = model.components.iter().filter_map(|entry| {
        let subject = entry.subject();
        let wait = mean(metrics, &subject, "waiting_time_mean")?;
        (wait > 0.0).then_some((subject, wait))
    });
    let (subject, wait) = waits.max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!("{subject} waiting {}", value(Unit::Seconds, wait)))
}
