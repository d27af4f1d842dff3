//! What arithmetic alone says about a model, before any run: how much work arrives at each component against its
//! capacity, what saturates first and at which rate, what a population can reach, and which limits contradict one
//! another. All of it follows from means; waiting is not counted, so that times held are lower bounds.
//!
//! Offered load is arrival rate × mean time held (Little). A population of N users with think time Z completes at
//! most N / (R + Z) requests a second, R being the time without any waiting, and at most min c / D over the
//! components (Denning & Buzen, "The Operational Analysis of Queueing Network Models", 1978).
//!
//! These are bounds as far as R and D are what each completed request has certainly taken before its answer. Work that nobody waits
//! for, that is cut short, or that others' failures spare a request, bounds nothing: what it would come to is told as a figure
//! that may be exceeded.

mod capacity;
mod findings;
mod hands;
mod memory;
mod streams;
mod sums;
mod text;
mod walk;

use std::collections::BTreeMap;

use super::Model;
use super::check::quoted;
use super::workload::{Arrivals, Profile, WorkloadPlan};
use crate::component::{ComponentId, Facts, Plan};
use crate::diagnostic::{Diagnostic, Span};
use sums::Sums;
use walk::Findings;

/// What the sums say.
#[derive(Clone, Debug)]
pub struct Arithmetic {
    /// By workload.
    pub streams: Vec<Stream>,
    /// The components that have a capacity and something to do, the busiest first.
    pub loads: Vec<Load>,
    /// How many replicas each autoscaler will want, in words.
    pub scaling: Vec<String>,
    /// What is taken for granted, in words.
    pub assumed: Vec<String>,
    /// Whether loads do not grow with the rate of requests as a straight line does.
    pub bends: bool,
    /// What is probably not meant, at its place.
    pub warnings: Vec<Diagnostic>,
}

/// What a workload asks for.
#[derive(Clone, Debug)]
pub struct Stream {
    pub name: String,
    /// Requests a second that are counted with: offered (at the peak, where the rate changes), or about what its users can reach.
    pub rate: f64,
    /// What the model writes, of which virtual users may be too few to send all.
    pub written: f64,
    /// More are not completed in a second.
    pub most: f64,
    /// Whether requests can fail.
    pub fails: bool,
    /// Mean seconds that a request takes without any waiting.
    pub response: f64,
    /// Whether it takes at least that long, since the first of several branches are waited for.
    pub at_least: bool,
    /// Where requests wait for answers.
    pub users: Option<Users>,
}

/// A closed workload's bounds.
#[derive(Clone, Debug)]
pub struct Users {
    pub number: f64,
    /// Seconds.
    pub think: f64,
    /// Whether the think time is the least distance of two starts.
    pub paced: bool,
    /// Mean seconds that a completed request takes at least.
    pub sure: f64,
    /// Whether there are always as many.
    pub steady: bool,
    /// Requests a second that so many users can have completed.
    pub by_number: f64,
    /// Requests a second that the component with the least room for them carries.
    pub by_capacity: Option<(ComponentId, f64)>,
    /// If that is because users keep connections: how many there are, and for how many seconds a round takes one.
    pub kept: Option<(f64, f64)>,
    /// What the component with the least room would carry if all that is counted came to it and was waited for, where that is less.
    pub about: Option<(ComponentId, f64)>,
}

/// The work that arrives at a component.
#[derive(Clone, Debug)]
pub struct Load {
    pub component: ComponentId,
    /// `kind.name`.
    pub subject: String,
    pub visits_per_second: f64,
    /// Mean seconds held in a visit.
    pub held: f64,
    /// Servers or permits asked for, on average.
    pub load: f64,
    /// What there are of them, in all instances.
    pub capacity: f64,
    /// The sum in words: "90/s × 202 ms = 18.2 of 20 connections".
    pub sum: String,
    /// Whether users who wait for answers ask for part of it, so that it is the most there can be.
    pub at_most: bool,
    /// Whether part of it may be cancelled or cut short before it is done, so that less is asked for.
    pub cancelled: bool,
}

impl Load {
    pub fn utilisation(&self) -> f64 {
        self.load / self.capacity
    }
}

/// What one request of a workload asks for.
struct Demand {
    sums: Sums,
    /// Mean seconds without waiting.
    response: f64,
    /// Mean seconds until the answer at least.
    sure: f64,
    fails: bool,
    /// Share of requests that take longer than their caller waits.
    late: f64,
    at_least: bool,
}

/// Rounds in which the rates of lookups and the shares of misses find each other, at most.
const ROUNDS: usize = 50;

/// Does the sums.
pub fn arithmetic(model: &Model) -> Arithmetic {
    let mut facts: Vec<Facts> = model.components.iter().map(|c| c.plan.facts()).collect();
    let (mut found, mut visits) = once(model, &facts);
    for _ in 0..ROUNDS {
        let mut changed = 0.0f64;
        for (i, entry) in model.components.iter().enumerate() {
            let Plan::Cache(plan) = &entry.plan else { continue };
            if plan.expires() {
                let instances = f64::from(model.layout.instances(ComponentId(i as u32)));
                let seen = plan.facts_at(visits[i] / instances);
                changed = changed.max((seen.inside - facts[i].inside).abs());
                // Half of the way, so that it does not swing.
                facts[i].inside = 0.5 * (facts[i].inside + seen.inside);
                facts[i].time = seen.time;
            }
        }
        if changed < 1e-9 {
            break;
        }
        (found, visits) = once(model, &facts);
    }
    found
}

/// The sums with these facts, and the visits a second of each component.
fn once(model: &Model, facts: &[Facts]) -> (Arithmetic, Vec<f64>) {
    let mut sums = Calculation {
        model,
        facts,
        found: Findings::default(),
        total: Sums::none(model.components.len()),
        closed: vec![false; model.components.len()],
        comes: Vec::new(),
        streams: Vec::new(),
        warnings: Vec::new(),
    };
    let demands: Vec<Demand> = (0..model.workloads.len()).map(|w| sums.demand(w)).collect();
    for (index, demand) in demands.iter().enumerate() {
        sums.impatient(index, demand);
    }
    sums.comes = demands
        .iter()
        .map(|d| d.sums.visits.iter().map(|v| *v > 0.0).collect())
        .collect();
    let hands = sums.hands();
    let mut handled = vec![0.0; hands.len()];
    for (w, demand) in model.workloads.iter().zip(&demands) {
        if !w.is_closed() {
            sums.open(w, demand);
        }
    }
    sums.propagate(&hands, &mut handled);
    let open = sums.total.clone();
    let done = sums.open_is_done(&demands).then(|| open.clone());
    for (w, demand) in model.workloads.iter().zip(&demands) {
        if w.is_closed() {
            sums.users(w, demand, &open, done.as_ref());
        }
    }
    sums.propagate(&hands, &mut handled);
    sums.streams.sort_by(|a, b| a.name.cmp(&b.name));
    let loads = sums.loads();
    let scaling = sums.scaling(&loads);
    let assumed = sums.assumed();
    let bends = sums.bends();
    sums.overloaded(&loads, &open);
    sums.wished();
    sums.hurried();
    sums.pools();
    sums.nested();
    sums.order();
    sums.inversions();
    sums.crowded(&demands);
    let (warnings, visits) = (sums.warnings, sums.total.visits);
    let arithmetic = Arithmetic {
        streams: sums.streams,
        loads,
        scaling,
        assumed,
        bends,
        warnings,
    };
    (arithmetic, visits)
}

struct Calculation<'a> {
    model: &'a Model,
    facts: &'a [Facts],
    found: Findings,
    /// A second's visits and server-seconds.
    total: Sums,
    /// Components that closed workloads visit.
    closed: Vec<bool>,
    /// By workload, the components that its requests visit.
    comes: Vec<Vec<bool>>,
    streams: Vec<Stream>,
    warnings: Vec<Diagnostic>,
}

impl Calculation<'_> {
    fn find(&self, kind: &str, name: &str) -> Option<usize> {
        let mut all = self.model.components.iter();
        all.position(|c| c.kind == kind && c.name == name)
    }

    /// Where a key of a table stands, or else the table.
    fn span(&self, path: &[&str]) -> Option<Span> {
        (1..=path.len()).rev().find_map(|n| {
            let path: Vec<String> = path[..n].iter().map(|p| quoted(p)).collect();
            Some(self.model.document.get(&path.join("."))?.span.clone())
        })
    }

    fn warn(&mut self, id: &'static str, text: String, span: Option<Span>) -> &mut Diagnostic {
        let mut d = Diagnostic::warning(id, text);
        d.span = span;
        self.warnings.push(d);
        let last = self.warnings.len() - 1;
        &mut self.warnings[last]
    }
}

/// How many requests of a workload can be under way at once.
fn population(w: &WorkloadPlan) -> f64 {
    let users = match (&w.arrivals, &w.users) {
        (Arrivals::Users(profile), _) => profile.peak(),
        (_, Some(users)) => users.max as f64,
        _ => f64::INFINITY,
    };
    w.limit.map_or(users, |l| users.min(l as f64))
}

/// Whether a rate or a population changes.
fn changes(profile: &Profile) -> bool {
    profile.stages.iter().any(|s| s.1 != profile.start)
}

/// Groups by key, for sums over pools.
type Groups<K, V> = BTreeMap<K, Vec<V>>;

#[cfg(test)]
mod kinds;
#[cfg(test)]
mod tests;
