//! One way through a flow's steps with mean times: how often each component is visited and how long it is held,
//! which waits and limits lie within which, and what is held while something else is acquired.

mod branching;
mod rounds;
mod until;
mod visit;
mod waits;

use std::collections::{BTreeMap, BTreeSet};

use super::super::Model;
use super::super::step::{Step, What};
use super::sums::{Passage, Sums};
use crate::component::{ComponentId, Facts};
use crate::diagnostic::Span;
use crate::distribution::Law;
use crate::kernel::Fault;
pub use until::Cut;

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
    /// Visited in a branch of several at once, whose requests are nobody's own.
    pub branched: BTreeSet<ComponentId>,
    /// Visited with a priority of its own.
    pub ranked: BTreeSet<ComponentId>,
    /// Where the flows run that publish to a topic.
    pub publishers: BTreeMap<ComponentId, BTreeSet<Option<ComponentId>>>,
    /// Whether somebody goes on with the first few of several branches, of whose times means do not tell.
    pub races: bool,
}

/// Nanoseconds that a run simulates where the model does not say.
const USUAL_RUN: u64 = 600_000_000_000;
/// What happens less often than this does not count.
const RARE: f64 = 1e-12;

/// Who else there is, and what the caller does.
#[derive(Copy, Clone, Debug)]
pub struct Around {
    /// How many requests can be under way of all sources; infinite if nothing limits them.
    pub everybody: f64,
    /// No request is under way as long as this: whoever waits so long, never leaves. Seconds.
    pub horizon: f64,
    /// The caller may leave, and the work goes on.
    pub orphans: bool,
    /// Replicas come and go.
    pub unsteady: bool,
}

/// What requests that fail by what they are about do in this walk.
#[derive(Copy, Clone, Debug, PartialEq)]
enum About {
    /// They are among the others.
    Mixed,
    /// There are none.
    Good,
    /// All are of them, and this is their share.
    Bad(f64),
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
    pub around: Around,
    services: Vec<ComponentId>,
    held: Vec<ComponentId>,
    limits: Vec<Limit>,
    /// Branches around this place that may be cancelled, and scopes with a limit.
    cancels: u32,
    deadlines: u32,
    /// Scopes around this place whose work is not waited for, or not done for all who get as far; and branches of several at once.
    apart: u32,
    branches: u32,
    about: About,
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
            around: Around {
                everybody: f64::INFINITY,
                horizon: f64::INFINITY,
                orphans: false,
                unsteady: false,
            },
            services: Vec::new(),
            held: Vec::new(),
            limits: Vec::new(),
            cancels: 0,
            deadlines: 0,
            apart: 0,
            branches: 0,
            about: About::Mixed,
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

    /// Flows by share, one of which a request runs.
    pub fn mix(&mut self, flows: &[(u16, f64)]) -> Passage {
        let ways: Vec<(f64, usize)> = flows.iter().map(|f| (f.1, f.0 as usize)).collect();
        self.alternatives(&ways, |walk, flow, share| walk.flow(*flow, share))
    }

    /// The time of a flow without waiting, ended after `limit` seconds.
    pub fn flow_until(&mut self, index: usize, limit: f64) -> Option<Cut> {
        let flow = &self.model.flow_plans[index];
        if super::super::step::replies(&flow.steps) {
            return None;
        }
        self.services.extend(flow.at);
        let cut = self.until(&flow.steps, limit);
        if flow.at.is_some() {
            self.services.pop();
        }
        cut
    }

    fn flow(&mut self, index: usize, weight: f64) -> Passage {
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
            // The caller goes on when it is answered.
            done: passage.sure,
            fails: passage.fails || (flow.at.is_some() && self.around.unsteady),
            ..passage
        }
    }

    pub fn steps(&mut self, steps: &[Step], weight: f64) -> Passage {
        let mut whole = Passage::lasting(0.0);
        let apart = self.apart;
        for step in steps {
            let part = self.step(step, weight * whole.passes);
            let time = times(whole.passes, part.time);
            whole.time += time;
            whole.done += times(whole.passes, part.done);
            if whole.after.is_none() {
                whole.sure += times(whole.passes, part.sure);
                if !whole.fails {
                    whole.spent += times(whole.passes, part.spent);
                }
                // What follows the answer is nothing that its caller waits for.
                self.apart += u32::from(part.after.is_some());
            }
            whole.after = match (whole.after, part.after) {
                (Some(after), _) => Some(after + time),
                (None, after) => after.map(|a| times(whole.passes, a)),
            };
            whole.passes *= part.passes;
            whole.fails |= part.fails;
            whole.never = 1.0 - (1.0 - whole.never) * (1.0 - part.never);
        }
        self.apart = apart;
        whole
    }

    /// Mean seconds that a law says, and what of them a run sees: nothing that lasts longer comes to its end in it.
    fn taken(&self, law: &Law) -> (f64, f64) {
        let mean = mean_of(law);
        let run = self.model.run.duration.unwrap_or(USUAL_RUN) as f64 * 1e-9;
        let longer = mean.is_infinite() || 1.0 - law.cdf(run) > RARE;
        (mean, if longer { law.mean_until(run) } else { mean })
    }

    fn step(&mut self, step: &Step, weight: f64) -> Passage {
        match &step.what {
            What::Use {
                component,
                time,
                steps,
                options,
            } => {
                let time = time.as_ref().map(|law| self.taken(law));
                if options.contains_key("priority") {
                    self.findings.ranked.insert(*component);
                }
                let shared = options.contains_key("keyed-by");
                self.visit(*component, time, steps, weight, (&step.span, shared))
            }
            What::Cpu { time, on, allocates } => {
                let host = on.or_else(|| self.host());
                if let (Some(service), Some(law)) = (self.services.last(), allocates) {
                    self.sums.bytes[service.0 as usize] += times(weight, mean_of(law));
                }
                let (time, sure) = self.compute(host, on.is_none(), self.taken(time), weight);
                Passage {
                    sure,
                    done: sure,
                    spent: if allocates.is_some() { 0.0 } else { sure },
                    fails: allocates.is_some(),
                    ..Passage::lasting(time)
                }
            }
            What::Query { database, time, cpu } => {
                let host = self.host_of_database(*database);
                let (cpu, sure_cpu) = match cpu {
                    Some(law) => self.compute(host, false, self.taken(law), weight),
                    None => (0.0, 0.0),
                };
                let (time, sure) = time.as_ref().map_or((0.0, 0.0), |law| self.taken(law));
                let own = (time + cpu, sure + sure_cpu);
                self.visit(*database, Some(own), &[], weight, (&step.span, false))
            }
            What::Delay(law) => {
                let (time, sure) = self.taken(law);
                Passage {
                    sure,
                    done: sure,
                    spent: sure,
                    ..Passage::lasting(time)
                }
            }
            What::Call { flow } => match self.model.flow_plans.iter().position(|f| f.name == flow.value) {
                Some(index) => self.flow(index, weight),
                None => Passage::lasting(0.0),
            },
            What::Publish { to, options } => {
                let at = self.services.last().copied();
                self.findings.publishers.entry(*to).or_default().insert(at);
                let waits = options.get("send").and_then(|item| item.as_str());
                let time = waits.map(|how| match how {
                    "sync" => self.facts[to.0 as usize].outcome,
                    _ => 0.0,
                });
                let time = time.map(|t| (t, t));
                self.visit(*to, time, &[], weight, (&step.span, false))
            }
            What::Choose { branches, by_request } => {
                let total: f64 = branches.iter().map(|b| b.0).sum();
                let ways: Vec<(f64, &[Step])> =
                    branches.iter().map(|b| (b.0 / total, b.1.as_slice())).collect();
                let whole = self.alternatives(&ways, |walk, steps, share| walk.steps(steps, weight * share));
                Passage {
                    // Who is to take another branch the next time, may pass then.
                    never: if *by_request { whole.never } else { 0.0 },
                    ..whole
                }
            }
            What::Try { steps, instead, on } => {
                self.attempt(steps, instead, on.contains(Fault::Failed), weight)
            }
            What::Parallel {
                branches,
                quorum,
                cancels,
            } => self.parallel(branches, *quorum as usize, *cancels, weight),
            What::Repeat { times: rounds, steps } => self.repeat(rounds, steps, weight),
            What::Each(steps) => {
                let n = self.batch;
                let one = self.steps(steps, weight * n);
                Passage {
                    time: times(n, one.time),
                    passes: libm::pow(one.passes, n),
                    after: None,
                    sure: 0.0,
                    done: 0.0,
                    spent: 0.0,
                    ..one
                }
            }
            What::Fail { share, by_request } => self.fail(mean(share), *by_request),
            What::Reply => Passage {
                after: Some(0.0),
                ..Passage::lasting(0.0)
            },
        }
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
