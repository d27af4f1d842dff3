//! What the figures of a point say: how it bears its load, what gives way first, whether the objective is met.

mod growth;

use super::PointPlan;
use super::collect::{Collected, Cut};
use super::estimate::{told, value};
use super::recovery::recovered;
use super::results::{Judgement, Metric, SYSTEM, Unit, Verdict};
use crate::model::Model;
use crate::program::ScopeKind;
use crate::quantity::SimDuration;
use crate::statistics::recovery::{Recovery, State};
use crate::statistics::trend::{Growth, NEAR_CRITICAL};
use growth::{Grown, Left};

/// Losses for want of capacity from which more arrives than is carried.
const OVERLOADED_LOSS: f64 = 0.05;
/// Losses for want of capacity from which there is little room.
const CRITICAL_LOSS: f64 = 0.005;
/// Growth below this share of what arrives is no overload, however significant.
const GROWTH_THAT_MATTERS: f64 = 0.001;
/// Components this close to the busiest one are as busy; the innermost of them holds the others up.
const AS_BUSY: f64 = 0.05;
/// The failures that want of capacity causes.
const CAPACITY_FAULTS: &[&str] = &[
    "rejected",
    "acquire_timeout",
    "not_permitted",
    "unavailable",
    "timed_out",
    "too_many_connections",
    "connect_timeout",
    "lock_timeout",
    "client_timeout",
    "out_of_memory",
];

fn find<'a>(metrics: &'a [Metric], subject: &str, name: &str) -> Option<&'a Metric> {
    metrics
        .iter()
        .find(|m| m.subject == subject && m.name == name && m.mean.is_finite())
}

fn mean(metrics: &[Metric], subject: &str, name: &str) -> Option<f64> {
    find(metrics, subject, name).map(|m| m.mean)
}

/// How the point bears its load, and why.
pub fn verdict(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> (Verdict, String) {
    let busiest = busiest(&plan.model, metrics);
    let busy = busiest.as_ref().map(|b| b.utilisation);
    let offered = mean(metrics, SYSTEM, "offered").unwrap_or(0.0);
    let carried = mean(metrics, SYSTEM, "throughput").unwrap_or(0.0);
    if seen.cut > 0 {
        let (limit, way) = match seen.cut_by {
            Some(Cut::Memory) => ("memory", "--max-memory"),
            Some(Cut::Wall) => ("real time", "--max-wall"),
            _ => ("events", "--max-events"),
        };
        let after = SimDuration::from_secs_f64(seen.shortest.0);
        // A run that ends early may be too short for the trend, but not for the balance of what came and went.
        let ended = carried + mean(metrics, SYSTEM, "failures").unwrap_or(0.0);
        let grows = ended < (1.0 - OVERLOADED_LOSS) * offered;
        return match (seen.cut_by, grows) {
            (Some(Cut::Memory), true) => (
                Verdict::Overloaded,
                format!(
                    "the number inside grew to {} and reached the limit of {limit} after {after:.3} ({way})",
                    seen.peak_requests
                ),
            ),
            _ => (
                Verdict::Undecided,
                format!("the limit of {limit} ended the run after {after:.3} ({way})"),
            ),
        };
    }
    if offered <= 0.0 {
        return (
            Verdict::Undecided,
            "no request arrived in the measured time".to_owned(),
        );
    }
    let (loss, arriving, words) = losses(plan, metrics, offered);
    let lost = || {
        format!(
            "{} of {} is lost: {words}",
            value(Unit::Share, loss),
            rate(arriving)
        )
    };
    let otherwise = otherwise_failing(metrics, offered);
    if let Some((until, found)) = recovered(&plan.model, seen, 1.0 - OVERLOADED_LOSS - otherwise.0) {
        let (verdict, mut text) = after_disturbance(until, &found);
        if verdict == Verdict::Recovered && loss >= CRITICAL_LOSS {
            text = format!("{text}; in all {}", lost());
        }
        return (verdict, text);
    }
    let closed = is_closed(plan);
    let growth = growth_of(plan, seen, metrics);
    let grown = overflowing(growth);
    if loss >= OVERLOADED_LOSS {
        let behind = grown.map(|grown| growth::backlogs(seen, metrics, &grown));
        let text = match behind.filter(|left| !left.is_empty()) {
            Some(left) => {
                let since = grown.and_then(|grown| grown.late());
                format!("{}; besides, {}", lost(), growth::told(&left, since))
            }
            None => lost(),
        };
        return (Verdict::Overloaded, text);
    }
    if let Some(grown) = grown {
        return (Verdict::Overloaded, growing(seen, metrics, &grown));
    }
    if let Some((inside, takes)) = growth::left_over(plan, seen).filter(|_| !closed) {
        let text = format!(
            "{} are still inside at the end, left from before: they take {} to work off",
            value(Unit::Count, inside),
            value(
                Unit::Seconds,
                if takes > 10.0 { libm::round(takes) } else { takes }
            )
        );
        return (Verdict::Overloaded, text);
    }
    if seen.transient_lasts {
        let text = "no end of the transient was found, so the figures still depend on how the run began; make it longer";
        return (Verdict::Undecided, text.to_owned());
    }
    if loss >= CRITICAL_LOSS {
        return (Verdict::NearCritical, lost());
    }
    if let Some(b) = busiest.as_ref().filter(|b| b.utilisation >= NEAR_CRITICAL) {
        let text = if closed {
            format!(
                "{} is busy for {} of the time: more users would wait longer and get no more done",
                b.subject,
                percent(b.utilisation)
            )
        } else {
            format!(
                "{} arrive and {} are carried, but {} is at {}",
                rate(offered),
                rate(carried),
                b.subject,
                percent(b.utilisation)
            )
        };
        return (Verdict::NearCritical, text);
    }
    if growth.is_some_and(|grown| grown.growth == Growth::Undecided) {
        let text = "the run is short against the system's memory: whether the number inside grows cannot be told; make it longer";
        return (Verdict::Undecided, text.to_owned());
    }
    let room = match (&busiest, busy) {
        (Some(b), Some(u)) => format!("; the busiest is {} at {}", b.subject, percent(u)),
        _ => String::new(),
    };
    (
        Verdict::Stable,
        format!(
            "{} arrive and {} are carried{room}{}",
            rate(offered),
            rate(carried),
            otherwise.1
        ),
    )
}

/// What is said of a system that was disturbed until then, in seconds.
fn after_disturbance(until: f64, found: &Recovery) -> (Verdict, String) {
    let seconds = |s: f64| value(Unit::Seconds, s);
    let until = seconds(until);
    let now = format!(
        "{} inside and {} carried at the end, {} and {} before",
        value(Unit::Count, found.inside.1),
        rate(found.throughput.1),
        value(Unit::Count, found.inside.0),
        rate(found.throughput.0),
    );
    match (found.state, found.after) {
        (State::Recovered, Some(after)) => {
            let text = format!(
                "within {} of {until}, when the disturbance ended: {now}",
                seconds(after)
            );
            (Verdict::Recovered, text)
        }
        (State::Recovered, None) => {
            let text = format!("the disturbance ended at {until}: {now}");
            (Verdict::Recovered, text)
        }
        (State::NotRecovered, _) => {
            let text = format!("the disturbance ended at {until}, and the system has not recovered: {now}");
            (Verdict::Overloaded, text)
        }
        (State::Undecided, _) => {
            let text = format!(
                "the disturbance ended at {until}; whether the system recovers cannot be told: {now}; make the run longer"
            );
            (Verdict::Undecided, text)
        }
    }
}

/// All load comes from users who wait for their answers.
fn is_closed(plan: &PointPlan) -> bool {
    plan.model.workloads.iter().all(|w| w.is_closed())
}

fn rate(v: f64) -> String {
    value(Unit::PerSecond, v)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Whether the number inside grows; `None` where that says nothing: users wait for one another's answers and nothing is left
/// behind.
fn growth_of(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Option<Grown> {
    if is_closed(plan) && !growth::leaves_behind(metrics) {
        return None;
    }
    growth::growth(plan, seen, metrics)
}

/// The growth, if it is one that matters against what arrives.
fn overflowing(grown: Option<Grown>) -> Option<Grown> {
    grown.filter(|g| g.growth == Growth::Growing && g.slope >= GROWTH_THAT_MATTERS * g.offered)
}

/// What is said of a number inside that grows.
fn growing(seen: &Collected, metrics: &[Metric], grown: &Grown) -> String {
    let left = growth::backlogs(seen, metrics, grown);
    if !left.is_empty() {
        return growth::told(&left, grown.late());
    }
    let since = match grown.late() {
        Some(at) => format!(" from {} on", value(Unit::Seconds, at)),
        None => String::new(),
    };
    format!(
        "the number inside grows by {}{since}: {} arrive, {} are carried",
        rate(grown.slope),
        rate(grown.offered),
        rate(grown.carried)
    )
}

/// How often a second requests fail by a fault of this sort, and its name, for those that were seen.
fn failures(metrics: &[Metric], counts: impl Fn(&str) -> bool) -> Vec<(f64, String)> {
    metrics
        .iter()
        .filter(|m| m.subject == SYSTEM && m.mean > 0.0)
        .filter_map(|m| {
            let fault = m.name.strip_prefix("failures_")?;
            counts(fault).then(|| (m.mean, fault.replace('_', " ")))
        })
        .collect()
}

/// The largest two of these, in words.
fn largest(mut parts: Vec<(f64, String)>) -> String {
    parts.sort_by(|a, b| b.0.total_cmp(&a.0));
    let words: Vec<String> = parts
        .iter()
        .take(2)
        .map(|(v, w)| format!("{w} {}", rate(*v)))
        .collect();
    words.join(", ")
}

/// The share that fails for other reasons than want of capacity, and what is said of it if it is worth a word.
fn otherwise_failing(metrics: &[Metric], offered: f64) -> (f64, String) {
    let parts = failures(metrics, |fault| !CAPACITY_FAULTS.contains(&fault));
    let share = parts.iter().map(|p| p.0).sum::<f64>() / offered;
    let text = match share >= CRITICAL_LOSS {
        true => format!("; {} fails: {}", value(Unit::Share, share), largest(parts)),
        false => String::new(),
    };
    (share, text)
}

/// The share of what arrives that is lost for want of capacity, what arrives a second, and by which failures.
fn losses(plan: &PointPlan, metrics: &[Metric], offered: f64) -> (f64, f64, String) {
    let mut parts = failures(metrics, |fault| CAPACITY_FAULTS.contains(&fault));
    let mut arriving = offered;
    for w in &plan.model.workloads {
        let dropped = mean(metrics, &format!("workload.{}", w.name), "dropped").unwrap_or(0.0);
        if dropped > 0.0 && !w.is_closed() {
            arriving += dropped;
            let why = match w.users.is_some() {
                true => "never sent for want of virtual users",
                false => "never sent at the limit of those in flight",
            };
            parts.push((dropped, why.to_owned()));
        }
    }
    let sum: f64 = parts.iter().map(|p| p.0).sum();
    // In a short time more may end than arrives.
    let ended = mean(metrics, SYSTEM, "throughput").unwrap_or(0.0) + sum;
    (sum / arriving.max(ended), arriving, largest(parts))
}

/// The component that holds the others up.
struct Busiest {
    subject: String,
    kind: &'static str,
    utilisation: f64,
}

/// Among the components that are about as busy as the busiest, the innermost: who waits for it keeps the
/// others occupied.
fn busiest(model: &Model, metrics: &[Metric]) -> Option<Busiest> {
    let depths = depths(model);
    let found: Vec<(Busiest, u32)> = model
        .components
        .iter()
        .zip(depths)
        .filter_map(|(entry, depth)| {
            let subject = entry.subject();
            // Of many keys the hottest holds the others' requests up, if they come for it.
            let busy = ["utilisation", "hottest_key_utilisation"].into_iter();
            let utilisation = busy
                .filter_map(|name| mean(metrics, &subject, name))
                .reduce(f64::max)?;
            let kind = entry.kind;
            let b = Busiest {
                subject,
                kind,
                utilisation,
            };
            Some((b, depth))
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
fn noun(kind: &str) -> &str {
    match kind {
        "host" => "cpu",
        "thread-pool" => "threads",
        "connection-pool" => "connections",
        "station" => "servers",
        "database" => "statements",
        "lock" => "held",
        "consumer" => "threads",
        _ => "busy",
    }
}

/// What gives way first: what leaves more and more behind, else who is busiest.
pub fn bottleneck(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Option<String> {
    let offered = mean(metrics, SYSTEM, "offered").unwrap_or(0.0);
    // Where requests are lost, what they wait for gives way before what is left behind.
    let (loss, ..) = losses(plan, metrics, offered);
    let grown = match loss >= OVERLOADED_LOSS {
        true => None,
        false => overflowing(growth_of(plan, seen, metrics)),
    };
    let left = grown.and_then(|grown| growth::backlogs(seen, metrics, &grown).into_iter().next());
    match left {
        Some(Left { subject, slope, .. }) => Some(match mean(metrics, &subject, "utilisation") {
            Some(busy) if subject.starts_with("consumer.") => {
                format!("{subject} {} {}", noun("consumer"), percent(busy))
            }
            _ => format!("{subject} behind by {}", rate(slope)),
        }),
        None => busy_or_waiting(&plan.model, metrics),
    }
}

/// Who is busiest, or waited for longest: `host.vps cpu 99 %`.
fn busy_or_waiting(model: &Model, metrics: &[Metric]) -> Option<String> {
    if let Some(b) = busiest(model, metrics) {
        return Some(format!(
            "{} {} {}",
            b.subject,
            noun(b.kind),
            percent(b.utilisation)
        ));
    }
    let waits = model.components.iter().filter_map(|entry| {
        let subject = entry.subject();
        let wait = mean(metrics, &subject, "waiting_time_mean")?;
        (wait > 0.0).then_some((subject, wait))
    });
    let (subject, wait) = waits.max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!("{subject} waiting {}", value(Unit::Seconds, wait)))
}

/// The model's objective, term by term.
pub fn objective(model: &Model, metrics: &[Metric]) -> Vec<Judgement> {
    model
        .objectives
        .iter()
        .map(|o| {
            let found = find(metrics, &o.subject, &o.figure);
            let (met, detail) = match found {
                None => (None, "not observed".to_owned()),
                Some(m) => match m.interval() {
                    None => (None, format!("{}, without interval", told(m))),
                    Some((low, high)) => {
                        let (holds, fails) = if o.below {
                            (high < o.bound, low >= o.bound)
                        } else {
                            (low > o.bound, high <= o.bound)
                        };
                        let met = match (holds, fails) {
                            (true, _) => Some(true),
                            (_, true) => Some(false),
                            _ => None,
                        };
                        (met, told(m))
                    }
                },
            };
            Judgement {
                text: o.text.clone(),
                met,
                detail,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
