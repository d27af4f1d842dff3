//! What arithmetic alone says about a model, before any run: how much work arrives at each component against its
//! capacity, what saturates first and at which rate, what a population can reach, and which limits contradict one
//! another. All of it follows from means; waiting is not counted, so that times held are lower bounds.
//!
//! Offered load is arrival rate × mean time held (Little). A population of N users with think time Z completes at
//! most N / (R + Z) requests a second, R being the time without any waiting, and at most min c / D over the
//! components (Denning & Buzen, "The Operational Analysis of Queueing Network Models", 1978).

mod findings;
mod text;
mod walk;

use std::collections::BTreeMap;

use super::Model;
use super::check::quoted;
use super::workload::{Arrivals, Pacing, Profile, WorkloadPlan};
use crate::component::{ComponentId, Facts, Plan};
use crate::diagnostic::{Diagnostic, Span};
use text::{rate, seconds, significant};
use walk::{Findings, Limit, Sums, Walk};

/// What the sums say.
#[derive(Clone, Debug)]
pub struct Arithmetic {
    /// By workload.
    pub streams: Vec<Stream>,
    /// The components that have a capacity and something to do, the busiest first.
    pub loads: Vec<Load>,
    /// How many replicas each autoscaler will want, in words.
    pub scaling: Vec<String>,
    /// What is probably not meant, at its place.
    pub warnings: Vec<Diagnostic>,
}

/// What a workload asks for.
#[derive(Clone, Debug)]
pub struct Stream {
    pub name: String,
    /// Requests a second: offered (at the peak, where the rate changes), or the most that its users can reach.
    pub rate: f64,
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
    /// Requests a second that so many users can send.
    pub by_number: f64,
    /// Requests a second that the component with the least room for them carries.
    pub by_capacity: Option<(ComponentId, f64)>,
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

/// A component's own threads and what they do for one thing that is left for them.
struct Hands {
    id: ComponentId,
    from: ComponentId,
    each: Sums,
}

/// Does the sums.
pub fn arithmetic(model: &Model) -> Arithmetic {
    let facts: Vec<Facts> = model.components.iter().map(|c| c.plan.facts()).collect();
    let mut sums = Calculation {
        model,
        facts: &facts,
        found: Findings::default(),
        total: Sums::none(model.components.len()),
        closed: vec![false; model.components.len()],
        streams: Vec::new(),
        warnings: Vec::new(),
    };
    let demands: Vec<(Sums, f64)> = (0..model.workloads.len()).map(|w| sums.demand(w)).collect();
    let hands = sums.hands();
    let mut handled = vec![0.0; hands.len()];
    for (w, (demand, response)) in model.workloads.iter().zip(&demands) {
        if !w.is_closed() {
            sums.open(w, demand, *response);
        }
    }
    sums.propagate(&hands, &mut handled);
    let open = sums.total.clone();
    for (w, (demand, response)) in model.workloads.iter().zip(&demands) {
        if w.is_closed() {
            sums.users(w, demand, *response, &open);
        }
    }
    sums.propagate(&hands, &mut handled);
    sums.streams.sort_by(|a, b| a.name.cmp(&b.name));
    let loads = sums.loads();
    let scaling = sums.scaling(&loads);
    sums.overloaded(&loads, &open);
    sums.wished();
    sums.hurried();
    sums.pools();
    sums.nested();
    sums.order();
    sums.inversions();
    let warnings = sums.warnings;
    Arithmetic {
        streams: sums.streams,
        loads,
        scaling,
        warnings,
    }
}

struct Calculation<'a> {
    model: &'a Model,
    facts: &'a [Facts],
    found: Findings,
    /// A second's visits and server-seconds.
    total: Sums,
    /// Components that closed workloads visit.
    closed: Vec<bool>,
    streams: Vec<Stream>,
    warnings: Vec<Diagnostic>,
}

impl Calculation<'_> {
    /// Of one request of a workload: sums and mean time without waiting.
    fn demand(&mut self, index: usize) -> (Sums, f64) {
        let w = &self.model.workloads[index];
        let mut walk = Walk::new(
            self.model,
            self.facts,
            &mut self.found,
            index as u32,
            population(w),
        );
        if let Some(timeout) = w.timeout {
            walk.within(Limit {
                who: format!("the caller, workload `{}`", w.name),
                seconds: timeout as f64 / 1e9,
            });
        }
        let mut response = 0.0;
        for (flow, share) in &w.mix {
            response += walk::times(*share, walk.flow(*flow as usize, *share).time);
        }
        let mut sums = walk.sums;
        let site = format!("workload.{}/client", w.name);
        let client = self.model.sites.iter().find(|s| s.purpose == site);
        if let (Some(law), Some(station)) = (
            client.and_then(|s| s.law.as_ref()),
            self.find("station", &super::client_name(&w.name)),
        ) {
            let time = walk::mean_of(law);
            sums.visits[station] += 1.0;
            sums.busy[station] += time;
            response += time;
        }
        if let Some(timeout) = w.timeout.filter(|t| response > *t as f64 / 1e9) {
            let text = format!(
                "workload `{}` gives up after {}, and a request takes {} on average without any waiting",
                w.name,
                seconds(timeout as f64 / 1e9),
                seconds(response)
            );
            let span = self.span(&["workload", &w.name, "timeout"]);
            self.warn("too-short", text, span);
        }
        (sums, response)
    }

    /// What components' own threads do, of those that live on what others leave.
    fn hands(&mut self) -> Vec<Hands> {
        let mut list = Vec::new();
        for (i, entry) in self.model.components.iter().enumerate() {
            let Some(feed) = &self.facts[i].feed else { continue };
            let id = ComponentId(i as u32);
            let source = (self.model.workloads.len() + i) as u32;
            let crowd = feed.threads as f64;
            let mut walk = Walk::new(self.model, self.facts, &mut self.found, source, crowd);
            walk.batch = feed.batch;
            walk.at(entry.service);
            let (attempts, wait) = feed.attempts;
            let time = match self.model.agent_steps.get(&id) {
                Some(steps) => walk.tries(steps, 1.0 / feed.batch, attempts, |_| wait).time,
                None => 0.0,
            };
            let mut each = walk.sums;
            let go = time + feed.pause;
            if let Some((goes, limit)) = feed.poll
                && go * goes > limit.as_secs_f64()
            {
                let text = format!(
                    "consumer `{}` needs {} × {} = {} for a full poll, and leaves its group after {}: what it has in hand is processed twice",
                    entry.name,
                    significant(goes),
                    seconds(go),
                    seconds(go * goes),
                    seconds(limit.as_secs_f64())
                );
                let span = self.span(&["consumer", &entry.name, "max-poll-records"]);
                let help = "lower `max-poll-records`, or raise `max-poll-interval`";
                self.warn("slow-poll", text, span).help.push(help.into());
            }
            let places = feed.from.and_then(|f| self.facts[f.0 as usize].partitions);
            let threads = feed.threads * u64::from(self.model.layout.instances(id));
            if let Some(places) = places.filter(|p| threads > *p) {
                let text = format!(
                    "consumer `{}` has {threads} threads, and its topic {}: the rest stay idle",
                    entry.name,
                    crate::component::counted(&places.to_string(), "partitions")
                );
                let span = self.span(&["consumer", &entry.name, "concurrency"]);
                self.warn("idle-threads", text, span);
            }
            each.busy[i] += go / feed.batch;
            if feed.from.is_some() {
                each.visits[i] += 1.0;
            }
            if let Some(to) = feed.to {
                each.visits[to.0 as usize] += 1.0;
            }
            list.push(Hands {
                id,
                from: feed.from.unwrap_or(id),
                each,
            });
        }
        list
    }

    /// What is left for components' own threads becomes their work, and what they leave for others in turn.
    fn propagate(&mut self, hands: &[Hands], handled: &mut [f64]) {
        for _ in 0..=hands.len() {
            for (h, done) in hands.iter().zip(handled.iter_mut()) {
                let more = self.total.visits[h.from.0 as usize] - *done;
                if more > 0.0 {
                    *done += more;
                    self.total.add(&h.each, more);
                    let from = h.from.0 as usize;
                    self.closed[h.id.0 as usize] |= self.closed[from];
                }
            }
        }
    }

    fn open(&mut self, w: &WorkloadPlan, demand: &Sums, response: f64) {
        let mut offered = match &w.arrivals {
            Arrivals::Poisson(p) | Arrivals::Paced { rate: p, .. } => p.peak(),
            Arrivals::Renewal(law) => 1.0 / walk::mean_of(law),
            Arrivals::Recorded(times) => match times.last() {
                Some(last) if *last > 0.0 => times.len() as f64 / last,
                _ => 0.0,
            },
            Arrivals::Users(_) => return,
        };
        if let Some(users) = &w.users {
            let cycle = response + w.think.as_ref().map_or(0.0, walk::mean_of);
            let needed = offered * cycle;
            if needed > users.max as f64 {
                let key = if users.max == users.pre_allocated {
                    "pre-allocated-vus"
                } else {
                    "max-vus"
                };
                let text = format!(
                    "workload `{}` needs at least {} × {} = {} virtual users, and has at most {}: iterations are dropped",
                    w.name,
                    rate(offered),
                    seconds(cycle),
                    significant(needed),
                    users.max
                );
                let span = self.span(&["workload", &w.name, key]);
                self.warn("too-few-users", text, span);
                offered = users.max as f64 / cycle;
            }
        }
        self.total.add(demand, offered);
        self.streams.push(Stream {
            name: w.name.clone(),
            rate: offered,
            response,
            at_least: self.found.races,
            users: None,
        });
    }

    fn users(&mut self, w: &WorkloadPlan, demand: &Sums, response: f64, open: &Sums) {
        let Arrivals::Users(profile) = &w.arrivals else {
            return;
        };
        let number = profile.peak();
        let think = w.think.as_ref().map_or(0.0, walk::mean_of);
        let paced = w.pacing == Pacing::Between;
        let cycle = if paced {
            response.max(think)
        } else {
            response + think
        };
        let by_number = number / cycle;
        let mut by_capacity: Option<(ComponentId, f64)> = None;
        for i in 0..self.model.components.len() {
            let (need, share) = (self.need(i, demand), self.capacity(i));
            let Some(capacity) = share.filter(|_| need > 0.0) else {
                continue;
            };
            let most = ((capacity - self.need(i, open)) / need).max(0.0);
            if by_capacity.is_none_or(|(_, x)| most < x) {
                by_capacity = Some((ComponentId(i as u32), most));
            }
        }
        let reached = by_capacity.map_or(by_number, |(_, x)| x.min(by_number));
        if reached.is_finite() {
            self.total.add(demand, reached);
        }
        for (closed, visits) in self.closed.iter_mut().zip(&demand.visits) {
            *closed |= *visits > 0.0;
        }
        self.streams.push(Stream {
            name: w.name.clone(),
            rate: reached,
            response,
            at_least: self.found.races,
            users: Some(Users {
                number,
                think,
                paced,
                by_number,
                by_capacity,
            }),
        });
    }

    /// What there is of a component in all its instances; of a keyed lock, the one holder of its hottest key.
    fn capacity(&self, i: usize) -> Option<f64> {
        let facts = &self.facts[i];
        let instances = self.model.layout.instances(ComponentId(i as u32)) as f64;
        if facts.hottest.is_some() {
            return Some(instances);
        }
        if let Some(feed) = &facts.feed {
            let threads = feed.threads as f64 * instances;
            let topic = feed.from.map(|f| &self.facts[f.0 as usize]);
            let Some(topic) = topic else { return Some(threads) };
            let places = topic.partitions.map_or(f64::INFINITY, |p| p as f64);
            // The thread with the fullest partition is at work all the time while others are not.
            return Some(threads.min(places).min(1.0 / topic.fullest));
        }
        if let Some(rate) = facts.rate {
            return Some(rate * instances);
        }
        let each = self.model.components[i].plan.capacity()?;
        Some(each * facts.boost * instances * (1.0 - self.paused(i)))
    }

    /// The share of time in which what serves in a component stands still, because its process has pauses that are given.
    fn paused(&self, i: usize) -> f64 {
        let entry = &self.model.components[i];
        if !matches!(entry.kind, "host" | "station") || entry.service.is_none() {
            return 0.0;
        }
        let heaps = self
            .model
            .components
            .iter()
            .filter(|e| e.service == entry.service);
        let shares = heaps.filter_map(|e| match &e.plan {
            Plan::Heap(plan) => plan.paused_share(),
            _ => None,
        });
        shares.fold(0.0, f64::max).min(1.0)
    }

    /// What of that is asked for.
    fn need(&self, i: usize, sums: &Sums) -> f64 {
        let facts = &self.facts[i];
        match (facts.hottest, facts.rate) {
            (Some(share), _) => share * sums.busy[i],
            (None, Some(_)) if facts.feed.is_none() => sums.visits[i],
            _ => sums.busy[i],
        }
    }

    /// The replicas that autoscalers will come to.
    fn scaling(&self, loads: &[Load]) -> Vec<String> {
        let layout = &self.model.layout;
        let autoscalers = self.model.components.iter().filter_map(|e| match &e.plan {
            Plan::Autoscaler(plan) => Some((e, plan)),
            _ => None,
        });
        let told = autoscalers.filter_map(|(entry, plan)| {
            // On a host that others share its own part is not known here.
            let own = layout
                .hosts
                .get(&plan.of)
                .filter(|h| layout.placed_in.contains_key(h));
            let cores = own
                .and_then(|host| loads.iter().find(|l| l.component == *host))
                .map(|l| l.load);
            let balancers = layout.balances.iter().filter(|(_, service)| **service == plan.of);
            let calls: f64 = balancers.map(|(b, _)| self.total.visits[b.0 as usize]).sum();
            let limit = layout.cpu_limit(plan.of);
            let wanted = plan.wants(cores, limit, calls)?;
            let most = f64::from(layout.service_replicas(plan.of));
            let wanted_text =
                crate::component::counted(&significant(wanted.max(f64::from(plan.min))), "replicas");
            Some(match wanted > most {
                true => format!(
                    "{} would want {wanted_text} at this load and may have {}.",
                    entry.subject(),
                    significant(most)
                ),
                false => format!(
                    "{} comes to about {wanted_text} of at most {} at this load; the sums count all of them.",
                    entry.subject(),
                    significant(most)
                ),
            })
        });
        told.collect()
    }

    fn loads(&self) -> Vec<Load> {
        let mut list = Vec::new();
        for (i, entry) in self.model.components.iter().enumerate() {
            let (Some(capacity), visits) = (self.capacity(i), self.total.visits[i]) else {
                continue;
            };
            let busy = self.total.busy[i];
            let load = self.need(i, &self.total);
            if visits <= 0.0 || load <= 0.0 {
                continue;
            }
            let held = busy / visits;
            let id = ComponentId(i as u32);
            let sum = self.sum(i, visits, held, load, capacity);
            list.push(Load {
                component: id,
                subject: entry.subject(),
                visits_per_second: visits,
                held,
                load,
                capacity,
                sum,
                at_most: self.closed[i],
                cancelled: self.found.cancelled.contains(&id) || self.found.limited.contains(&id),
            });
        }
        list.sort_by(|a, b| b.utilisation().total_cmp(&a.utilisation()));
        list
    }

    fn sum(&self, i: usize, visits: f64, held: f64, load: f64, capacity: f64) -> String {
        let facts = &self.facts[i];
        let instances = self.model.layout.instances(ComponentId(i as u32));
        let (visits, time, total) = (rate(visits), seconds(held), significant(load));
        if facts.rate.is_some() && facts.feed.is_none() {
            return format!("{visits} of {}", rate(capacity));
        }
        if let Some(share) = facts.hottest {
            let share = significant(100.0 * share);
            return format!("{visits} × {share} % × {time} = {total} of 1 holder of the hottest key");
        }
        let each = capacity / instances as f64;
        let there = match &facts.feed {
            None if instances > 1 => {
                let one = crate::component::counted(&significant(each), facts.unit);
                format!("{instances} × {one}")
            }
            _ => crate::component::counted(&significant(capacity), facts.unit),
        };
        format!("{visits} × {time} = {total} of {there}")
    }

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
