//! What gives way first: who leaves more behind, turns most away, or is busiest.

use std::collections::BTreeSet;

use super::occupied::{Occupied, SAME, occupied};
use super::{Findings, Losses, growth, mean, overflowing, percent, rate};
use crate::component::ComponentId;
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
/// A process is paused for so much of the time that nothing else of it can be the cause.
const STANDS_STILL: f64 = 0.5;
/// So many who wait, on average, are nobody.
const UNNOTICED: f64 = 0.001;

/// The component that holds the others up.
pub struct Busiest {
    pub subject: String,
    /// What of it is busy, in a word, and whether that must be said.
    what: &'static str,
    special: bool,
    pub utilisation: f64,
    /// From when to when, seconds; the measured time if nothing changes by plan.
    between: Option<(f64, f64)>,
}

impl Busiest {
    /// Whether it is a process that stands still for most of the time.
    fn stands_still(&self) -> bool {
        self.what == "paused" && self.utilisation >= STANDS_STILL
    }

    /// ` (connections)`, where it is not what one thinks of first.
    pub fn of_what(&self) -> String {
        match self.special {
            true => format!(" ({})", self.what),
            false => String::new(),
        }
    }

    /// `, from 5m to 6m`, where it is not the whole measured time that is spoken of.
    pub fn when(&self) -> String {
        let seconds = |s: f64| value(Unit::Seconds, s);
        match self.between {
            Some((from, to)) => format!(" from {} to {}", seconds(from), seconds(to)),
            None => String::new(),
        }
    }
}

/// Among the components that are about as busy as the busiest, one that encloses no other of them: who waits for the inner one keeps
/// the outer ones occupied.
pub fn busiest(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Option<Busiest> {
    let changes = plan.changes_by_plan();
    let mut found: Vec<(usize, Busiest)> = Vec::new();
    for (i, entry) in plan.model.components.iter().enumerate() {
        let Some(Occupied { what, share, special }) = occupied(entry, metrics) else {
            continue;
        };
        // Servers that a lower number leaves at work are more than there are.
        let most = |busy: f64| busy.min(1.0);
        let mut one = Busiest {
            subject: entry.subject(),
            what,
            special,
            utilisation: most(share),
            between: None,
        };
        if changes
            && let Some((busy, between)) = busiest_stretch(seen, &one.subject)
            && most(busy) > one.utilisation + SAME
        {
            (one.utilisation, one.between) = (most(busy), Some(between));
        }
        if is_waited_for(entry, metrics, one.utilisation) {
            found.push((i, one));
        }
    }
    let top = found.iter().map(|f| f.1.utilisation).fold(0.0, f64::max);
    if top <= 0.0 {
        return None;
    }
    // A process that stands still half of the time keeps everything else of it occupied.
    found.retain(|(_, b)| b.utilisation >= top - AS_BUSY || b.stands_still());
    let enclosed = Enclosed::of(&plan.model);
    let mut rank: Vec<(bool, u32, f64, usize)> = Vec::new();
    for (n, (i, b)) in found.iter().enumerate() {
        let others = found.iter().map(|other| other.0).filter(|other| other != i);
        let holds_one = others
            .clone()
            .any(|other| enclosed.holds(*i, other) && !enclosed.holds(other, *i));
        rank.push((!holds_one, enclosed.depth[*i], b.utilisation, n));
    }
    let innermost = rank.into_iter().reduce(|a, b| {
        let better = (b.0, b.1) > (a.0, a.1) || (b.0, b.1) == (a.0, a.1) && b.2 > a.2;
        if better { b } else { a }
    })?;
    Some(found.swap_remove(innermost.3).1)
}

/// Whether anybody waits for it: users for whom there is just enough are held up by nothing.
fn is_waited_for(entry: &Entry, metrics: &[Metric], busy: f64) -> bool {
    let subject = entry.subject();
    let waiting = ["in_queue_mean", "backlog_mean", "pending_mean"];
    let waits = |name| mean(metrics, &subject, name).is_some_and(|n| n > UNNOTICED);
    match entry.kind {
        "connection-pool" | "thread-pool" if busy >= NEAR_CRITICAL => {
            mean(metrics, &subject, "in_queue_mean").is_none() || waiting.into_iter().any(waits)
        }
        _ => true,
    }
}

/// How busy a component is in its busiest stretch, on the average of the replications, and from when to when it is about as busy,
/// seconds.
fn busiest_stretch(seen: &Collected, subject: &str) -> Option<(f64, (f64, f64))> {
    let columns = &seen.columns;
    let column = columns
        .iter()
        .find(|c| c.subject == subject && c.name == "utilisation")?;
    let (busy, width) = (&column.values.0, *seen.times.0.first()?);
    let all = busy.len().min(seen.times.0.len());
    // What was before the measured time is no matter.
    let before = (libm::ceil(seen.warm_up as f64 * 1e-9 / width - 1e-6) as usize).min(all);
    let windows = all - before;
    let each = (libm::round(STRETCH * windows as f64) as usize).clamp(1, windows.max(1));
    let mean = |stretch: &[f64]| {
        let there: Vec<f64> = stretch.iter().copied().filter(|b| b.is_finite()).collect();
        there.iter().sum::<f64>() / there.len() as f64
    };
    let stretches: Vec<f64> = busy[before..all].windows(each).map(mean).collect();
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
    let from = before + best.0;
    let to = from + best.1 - 1 + each;
    Some((most, (from as f64 * width, to as f64 * width)))
}

/// Which components are visited from within which others.
struct Enclosed {
    pairs: BTreeSet<(usize, usize)>,
    /// How many visits enclose one of each component, at most.
    depth: Vec<u32>,
}

impl Enclosed {
    fn of(model: &Model) -> Enclosed {
        let scopes = &model.program.scopes;
        let owner = |comp: u32| model.layout.owner.get(comp as usize).map(|id| id.0 as usize);
        let mut out = Enclosed {
            pairs: BTreeSet::new(),
            depth: vec![0; model.components.len()],
        };
        for scope in scopes {
            let ScopeKind::Visit { comp, .. } = scope.kind else {
                continue;
            };
            let Some(inner) = owner(comp) else { continue };
            let (mut depth, mut at) = (1, scope.parent);
            while let Some(outer) = scopes.get(at as usize) {
                if let ScopeKind::Visit { comp, .. } = outer.kind {
                    depth += 1;
                    out.pairs.extend(owner(comp).map(|outer| (outer, inner)));
                }
                at = outer.parent;
            }
            out.depth[inner] = out.depth[inner].max(depth);
        }
        out.count_limits(model);
        out
    }

    /// A limit of CPU time is met wherever the service computes: as far inside as its host.
    fn count_limits(&mut self, model: &Model) {
        for (i, entry) in model.components.iter().enumerate() {
            let host = model
                .layout
                .hosts
                .get(&ComponentId(i as u32))
                .map(|h| h.0 as usize);
            if let ("service", Some(host)) = (entry.kind, host) {
                let around: Vec<usize> = self.pairs.iter().filter(|p| p.1 == host).map(|p| p.0).collect();
                self.pairs.extend(around.into_iter().map(|outer| (outer, i)));
                self.depth[i] = self.depth[host];
            }
            if entry.kind == "heap" {
                // Whatever its process does stands still in a pause.
                self.pairs.retain(|p| p.0 != i);
                self.pairs
                    .extend((0..model.components.len()).filter(|o| *o != i).map(|o| (o, i)));
            }
        }
    }

    fn holds(&self, outer: usize, inner: usize) -> bool {
        self.pairs.contains(&(outer, inner))
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
            Some(b) => format!("{} {} {}", left.subject, b.what, percent(b.share)),
            None => format!("{} behind by {}", left.subject, rate(left.slope)),
        });
    }
    let busiest = found.busiest.as_ref();
    let idle = busiest.is_none_or(|b| b.utilisation < NEAR_CRITICAL && !b.stands_still());
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
