//! One way through a flow's steps with mean times: how often each component is visited and how long it is held,
//! which waits and limits lie within which, and what is held while something else is acquired.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Model;
use super::super::step::{Step, What};
use crate::component::{ComponentId, Facts, Plan};
use crate::diagnostic::Span;
use crate::distribution::Law;
use crate::kernel::Fault;

/// Visits and server-seconds of each component, by id.
#[derive(Clone, Debug)]
pub struct Sums {
    pub visits: Vec<f64>,
    pub busy: Vec<f64>,
}

impl Sums {
    pub fn none(components: usize) -> Self {
        Sums {
            visits: vec![0.0; components],
            busy: vec![0.0; components],
        }
    }

    /// What was added since `before` counts `factor` times.
    fn scale_since(&mut self, before: &Sums, factor: f64) {
        for (now, was) in [(&mut self.visits, &before.visits), (&mut self.busy, &before.busy)] {
            for (now, was) in now.iter_mut().zip(was) {
                if now != was {
                    *now = was + (*now - was) * factor;
                }
            }
        }
    }

    /// Adds `rate` times the other.
    pub fn add(&mut self, other: &Sums, rate: f64) {
        for (now, more) in [(&mut self.visits, &other.visits), (&mut self.busy, &other.busy)] {
            for (now, more) in now.iter_mut().zip(more) {
                if *more > 0.0 {
                    *now += rate * more;
                }
            }
        }
    }
}

/// The mean time of steps, in seconds, and the share of requests that come out of them without a failure.
#[derive(Copy, Clone, Debug)]
pub struct Passage {
    pub time: f64,
    pub passes: f64,
    /// What of `time` comes after the answer to the caller of the flow, if it is answered before the end.
    pub after: Option<f64>,
}

/// Waits between two tries that are added up, at most.
const MOST_WAITS: i32 = 1000;

/// A limit on the time of what lies inside it: who leaves, and when.
#[derive(Clone, Debug)]
pub struct Limit {
    pub who: String,
    pub seconds: f64,
}

/// A wait or a limit that may outlast the one around it.
#[derive(Clone, Debug)]
pub struct Inversion {
    pub component: ComponentId,
    pub key: &'static str,
    pub seconds: f64,
    pub outer: Limit,
    /// Whether the outer one is only the patience of those who wait for what is held.
    pub held: bool,
    pub span: Span,
}

/// What limits how many requests can stand where they hold a first permit and want a second one.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crowd {
    Component(u32),
    /// A workload or a component's own threads, by number.
    Source(u32),
}

/// A component acquired while it is held.
#[derive(Clone, Debug)]
pub struct Nested {
    /// Permits that one request holds at most.
    pub depth: u32,
    /// How many requests can be there, by what limits them; infinite if nothing does.
    pub crowds: BTreeMap<Crowd, f64>,
    pub span: Span,
}

/// What all walks found about the order of acquisition and about limits.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub nested: BTreeMap<ComponentId, Nested>,
    /// Held, acquired: where it is first seen.
    pub order: BTreeMap<(ComponentId, ComponentId), Span>,
    pub inversions: Vec<Inversion>,
    /// Visited where the visit may be cut short, because another branch was faster.
    pub cancelled: BTreeSet<ComponentId>,
    /// Visited within a limit on the time of a scope.
    pub limited: BTreeSet<ComponentId>,
    /// Whether somebody goes on with the first few of several branches, of whose times means do not tell.
    pub races: bool,
}

/// A walk on behalf of one source of requests.
pub struct Walk<'a> {
    pub model: &'a Model,
    pub facts: &'a [Facts],
    pub findings: &'a mut Findings,
    pub sums: Sums,
    /// Number of the source, and how many of its requests can be under way; infinite if nothing limits them.
    pub source: u32,
    pub population: f64,
    /// Things handled in one go, for the steps of a component's own threads.
    pub batch: f64,
    services: Vec<ComponentId>,
    held: Vec<ComponentId>,
    limits: Vec<Limit>,
    /// Branches around this place that may be cancelled, and scopes with a limit.
    cancels: u32,
    deadlines: u32,
}

impl<'a> Walk<'a> {
    pub fn new(
        model: &'a Model,
        facts: &'a [Facts],
        findings: &'a mut Findings,
        source: u32,
        population: f64,
    ) -> Self {
        Walk {
            model,
            facts,
            findings,
            sums: Sums::none(model.components.len()),
            source,
            population,
            batch: 1.0,
            services: Vec::new(),
            held: Vec::new(),
            limits: Vec::new(),
            cancels: 0,
            deadlines: 0,
        }
    }

    /// All that follows happens while somebody waits this long.
    pub fn within(&mut self, limit: Limit) {
        self.limits.push(limit);
    }

    /// Steps of a component's own threads run at the service it is in.
    pub fn at(&mut self, service: Option<ComponentId>) {
        self.services.extend(service);
    }

    pub fn flow(&mut self, index: usize, weight: f64) -> Passage {
        let model = self.model;
        let flow = &model.flow_plans[index];
        let balances = |b: &&ComponentId| flow.at.is_some_and(|s| model.layout.balances.get(*b) == Some(&s));
        if let Some(balancer) = model.layout.balances.keys().find(balances) {
            self.sums.visits[balancer.0 as usize] += weight;
        }
        self.services.extend(flow.at);
        let passage = self.steps(&flow.steps, weight);
        if flow.at.is_some() {
            self.services.pop();
        }
        Passage {
            time: passage.time - passage.after.unwrap_or(0.0),
            after: None,
            ..passage
        }
    }

    pub fn steps(&mut self, steps: &[Step], weight: f64) -> Passage {
        let mut whole = Passage {
            time: 0.0,
            passes: 1.0,
            after: None,
        };
        for step in steps {
            let part = self.step(step, weight * whole.passes);
            let time = times(whole.passes, part.time);
            whole.time += time;
            whole.after = match (whole.after, part.after) {
                (Some(after), _) => Some(after + time),
                (None, after) => after.map(|a| times(whole.passes, a)),
            };
            whole.passes *= part.passes;
        }
        whole
    }

    fn step(&mut self, step: &Step, weight: f64) -> Passage {
        let certain = |time| Passage {
            time,
            passes: 1.0,
            after: None,
        };
        match &step.what {
            What::Use {
                component,
                time,
                steps,
                ..
            } => {
                let time = time.as_ref().map(mean_of);
                self.visit(*component, time, steps, weight, &step.span)
            }
            What::Cpu { time, on, .. } => {
                let host = on.or_else(|| self.host());
                certain(self.compute(host, on.is_none(), mean_of(time), weight))
            }
            What::Query { database, time, cpu } => {
                let entry = &self.model.components[database.0 as usize];
                let host = match &entry.plan {
                    Plan::Database(p) if p.own_cores => self.host_called(&entry.name),
                    Plan::Database(p) => p.host,
                    _ => None,
                };
                let cpu = match cpu {
                    Some(law) => self.compute(host, false, mean_of(law), weight),
                    None => 0.0,
                };
                self.visit(*database, Some(mean(time) + cpu), &[], weight, &step.span)
            }
            What::Delay(law) => certain(mean_of(law)),
            What::Call { flow } => match self.model.flow_plans.iter().position(|f| f.name == flow.value) {
                Some(index) => self.flow(index, weight),
                None => certain(0.0),
            },
            What::Publish { to, options } => {
                let waits = options.get("send").and_then(|item| item.as_str());
                let time = waits.map(|how| match how {
                    "sync" => self.facts[to.0 as usize].outcome,
                    _ => 0.0,
                });
                self.visit(*to, time, &[], weight, &step.span)
            }
            What::Choose { branches, .. } => {
                let total: f64 = branches.iter().map(|b| b.0).sum();
                let mut whole = Passage {
                    time: 0.0,
                    passes: 0.0,
                    after: None,
                };
                for (share, steps) in branches {
                    let share = share / total;
                    let part = self.steps(steps, weight * share);
                    whole.time += times(share, part.time);
                    whole.passes += share * part.passes;
                    if let Some(after) = part.after {
                        whole.after = Some(whole.after.unwrap_or(0.0) + times(share, after));
                    }
                }
                whole
            }
            What::Try { steps, instead, on } => {
                let part = self.steps(steps, weight);
                // Only what fails by itself is known before a run.
                let caught = if on.contains(Fault::Failed) {
                    1.0 - part.passes
                } else {
                    0.0
                };
                let other = self.steps(instead, weight * caught);
                Passage {
                    time: part.time + times(caught, other.time),
                    passes: part.passes + caught * other.passes,
                    after: part.after,
                }
            }
            What::Parallel {
                branches,
                quorum,
                cancels,
            } => {
                let all = *quorum == 0 || *quorum as usize == branches.len();
                self.findings.races |= !all;
                self.cancels += u32::from(*cancels);
                let mut longest = 0.0f64;
                // Shares of requests by how many of their branches pass.
                let mut passed = vec![1.0];
                for steps in branches {
                    let part = self.steps(steps, weight);
                    longest = longest.max(part.time);
                    passed.push(0.0);
                    for n in (0..passed.len()).rev() {
                        let one_fewer = if n > 0 { passed[n - 1] } else { 0.0 };
                        passed[n] = passed[n] * (1.0 - part.passes) + one_fewer * part.passes;
                    }
                }
                self.cancels -= u32::from(*cancels);
                let needed = if *quorum == 0 {
                    branches.len()
                } else {
                    *quorum as usize
                };
                Passage {
                    // The mean of the longest is at least the longest of the means; of the first ones nothing is known.
                    time: if all { longest } else { 0.0 },
                    passes: passed[needed..].iter().sum(),
                    after: None,
                }
            }
            What::Repeat { times: rounds, steps } => {
                let n = mean_of(rounds);
                self.rounds(steps, weight, |p| geometric(p, n), |p| libm::pow(p, n))
            }
            What::Each(steps) => {
                let n = self.batch;
                let one = self.steps(steps, weight * n);
                Passage {
                    time: times(n, one.time),
                    passes: libm::pow(one.passes, n),
                    after: None,
                }
            }
            What::Fail { share, .. } => Passage {
                time: 0.0,
                passes: 1.0 - mean(share),
                after: None,
            },
            What::Reply => Passage {
                after: Some(0.0),
                ..certain(0.0)
            },
        }
    }

    /// Steps that run several times: `rounds` and `passes` of the share that comes through one round.
    fn rounds(
        &mut self,
        steps: &[Step],
        weight: f64,
        rounds: impl FnOnce(f64) -> f64,
        passes: impl Fn(f64) -> f64,
    ) -> Passage {
        let before = self.sums.clone();
        let once = self.steps(steps, weight);
        let n = rounds(once.passes);
        self.sums.scale_since(&before, n);
        Passage {
            time: times(n, once.time),
            passes: passes(once.passes),
            // The caller is answered in the first round.
            after: once.after.map(|a| a + times((n - 1.0).max(0.0), once.time)),
        }
    }

    /// Steps that are tried again when they fail, `most` times at most, `wait` seconds after the first failure and so on.
    pub fn tries(&mut self, steps: &[Step], weight: f64, most: f64, wait: impl Fn(i32) -> f64) -> Passage {
        let mut fails = 0.0;
        let mut whole = self.rounds(
            steps,
            weight,
            |p| {
                fails = 1.0 - p;
                geometric(fails, most)
            },
            |p| 1.0 - libm::pow(1.0 - p, most),
        );
        let (mut share, mut n) = (fails, 0);
        // What comes after so many failures in a row is too rare to count, or goes on as it is.
        while share > 1e-9 && f64::from(n + 1) < most && n < MOST_WAITS {
            whole.time += times(share, wait(n));
            (share, n) = (share * fails, n + 1);
        }
        whole
    }

    fn visit(
        &mut self,
        id: ComponentId,
        own: Option<f64>,
        steps: &[Step],
        weight: f64,
        span: &Span,
    ) -> Passage {
        let facts = &self.facts[id.0 as usize];
        self.seen(id);
        self.waits(id, span);
        let holds = self.model.components[id.0 as usize].plan.capacity().is_some() || facts.hottest.is_some();
        // Who holds a lock has it already.
        let again = facts.hottest.is_none()
            && self.model.components[id.0 as usize].kind == "lock"
            && self.held.contains(&id);
        if holds && !again {
            self.acquires(id, span);
        }
        if holds && !steps.is_empty() {
            self.held.push(id);
        }
        let limit = facts.deadline.map(|(d, _)| d.as_secs_f64());
        if let Some(seconds) = limit {
            let who = self.subject(id);
            self.limits.push(Limit { who, seconds });
            self.deadlines += 1;
        }
        let (first, longer, longest) = facts.waits;
        let wait = |n: i32| (first * libm::pow(longer, f64::from(n))).min(longest);
        let mut inside = self.tries(steps, weight * facts.inside, facts.attempts, wait);
        if let Some(seconds) = limit {
            self.limits.pop();
            self.deadlines -= 1;
            inside.time = inside.time.min(seconds);
        }
        if holds && !steps.is_empty() {
            self.held.pop();
        }
        let time = own.unwrap_or(facts.time) / facts.speed + times(facts.inside, inside.time);
        if !again {
            self.sums.visits[id.0 as usize] += weight;
            self.sums.busy[id.0 as usize] += times(weight, time);
        }
        Passage {
            time: if own.is_none() {
                time.min(facts.until)
            } else {
                time
            },
            passes: (1.0 - facts.failure) * (1.0 - facts.inside * (1.0 - inside.passes)),
            after: inside.after.map(|a| times(facts.inside, a)),
        }
    }

    /// Notes what may cut a visit short.
    fn seen(&mut self, id: ComponentId) {
        if self.cancels > 0 {
            self.findings.cancelled.insert(id);
        }
        if self.deadlines > 0 {
            self.findings.limited.insert(id);
        }
    }

    fn compute(&mut self, host: Option<ComponentId>, own: bool, demand: f64, weight: f64) -> f64 {
        let Some(host) = host else { return demand };
        self.seen(host);
        let time = demand / self.facts[host.0 as usize].speed;
        self.sums.visits[host.0 as usize] += weight;
        self.sums.busy[host.0 as usize] += times(weight, time);
        if let Some(service) = self.services.last().copied().filter(|_| own) {
            self.sums.visits[service.0 as usize] += weight;
            self.sums.busy[service.0 as usize] += times(weight, time);
        }
        time
    }

    /// The host of the service where the walk stands.
    fn host(&self) -> Option<ComponentId> {
        let service = &self.model.components[self.services.last()?.0 as usize];
        match &service.plan {
            Plan::Service(p) if p.own_cores => self.host_called(&service.name),
            Plan::Service(p) => p.host,
            _ => None,
        }
    }

    fn host_called(&self, name: &str) -> Option<ComponentId> {
        let mut all = self.model.components.iter();
        let own = all.position(|c| c.kind == "host" && c.name == name)?;
        Some(ComponentId(own as u32))
    }

    fn subject(&self, id: ComponentId) -> String {
        let entry = &self.model.components[id.0 as usize];
        format!("{} `{}`", super::super::check::words(entry.kind), entry.name)
    }

    /// Notes limits that are shorter than what the component may wait.
    fn waits(&mut self, id: ComponentId, span: &Span) {
        let facts = &self.facts[id.0 as usize];
        let own = [facts.patience, facts.deadline];
        for (length, key) in own.into_iter().flatten() {
            let seconds = length.as_secs_f64();
            let shortest = self.limits.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds));
            if let Some(outer) = shortest.filter(|l| l.seconds < seconds) {
                let outer = outer.clone();
                self.inverted(id, key, seconds, outer, false, span);
            }
            // Those who queue for what is held meanwhile.
            let impatient = self.held.iter().filter(|h| **h != id).filter_map(|h| {
                let (p, _) = self.facts[h.0 as usize].patience?;
                Some((p.as_secs_f64(), *h))
            });
            let first = impatient.min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((patience, holder)) = first.filter(|f| f.0 < seconds && f.0 > 0.0) {
                let outer = Limit {
                    who: self.subject(holder),
                    seconds: patience,
                };
                self.inverted(id, key, seconds, outer, true, span);
            }
        }
    }

    fn inverted(
        &mut self,
        component: ComponentId,
        key: &'static str,
        seconds: f64,
        outer: Limit,
        held: bool,
        span: &Span,
    ) {
        let all = &mut self.findings.inversions;
        let known = |i: &Inversion| i.component == component && i.key == key && i.outer.who == outer.who;
        if !all.iter().any(known) {
            all.push(Inversion {
                component,
                key,
                seconds,
                outer,
                held,
                span: span.clone(),
            });
        }
    }

    /// Notes what is held while this is acquired.
    fn acquires(&mut self, id: ComponentId, span: &Span) {
        for held in &self.held {
            if *held != id {
                let order = &mut self.findings.order;
                order.entry((*held, id)).or_insert_with(|| span.clone());
            }
        }
        let Some(first) = self.held.iter().position(|h| *h == id) else {
            return;
        };
        let depth = self.held.iter().filter(|h| **h == id).count() as u32 + 1;
        let outside = self.held[..first].iter().filter_map(|h| {
            let capacity = self.model.components[h.0 as usize].plan.capacity()?;
            Some((capacity, Crowd::Component(h.0)))
        });
        let all = outside.chain([(self.population, Crowd::Source(self.source))]);
        let (size, crowd) = all
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap_or((f64::INFINITY, Crowd::Source(self.source)));
        let nested = self.findings.nested.entry(id).or_insert_with(|| Nested {
            depth,
            crowds: BTreeMap::new(),
            span: span.clone(),
        });
        nested.depth = nested.depth.max(depth);
        nested.crowds.insert(crowd, size);
    }
}

/// Mean of a law of durations or numbers; infinite where it has none.
pub fn mean_of(law: &Law) -> f64 {
    law.mean().unwrap_or(f64::INFINITY)
}

fn mean(law: &Option<Law>) -> f64 {
    law.as_ref().map_or(0.0, mean_of)
}

/// A product in which nothing of an infinite time is nothing.
pub fn times(weight: f64, time: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { weight * time }
}

/// 1 + p + p² + … , `n` terms, also for a mean number of terms that is no whole number.
fn geometric(p: f64, n: f64) -> f64 {
    if p >= 1.0 {
        n
    } else {
        (1.0 - libm::pow(p, n)) / (1.0 - p)
    }
}
