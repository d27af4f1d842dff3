//! What each workload asks for, and what bounds its users.

use super::sums::Sums;
use super::text::{rate, seconds, significant};
use super::walk::{self, Around, Limit, Walk};
use super::{Calculation, Demand, Stream, Users, changes, population};
use crate::component::{ComponentId, Plan};
use crate::model::workload::{Arrivals, Pacing, WorkloadPlan};

/// No request is taken to last longer than if everybody came before it so many times.
const LATEST: f64 = 10.0;

impl Calculation<'_> {
    /// Of one request of a workload: sums and mean time without waiting.
    pub fn demand(&mut self, index: usize) -> Demand {
        let everybody = self.everybody();
        let around = Around {
            everybody,
            horizon: f64::INFINITY,
            orphans: false,
            unsteady: self.unsteady(),
        };
        let first = self.walked(index, around);
        // What takes longer than all queues at once is not reached.
        let horizon = LATEST * everybody * first.response;
        if horizon.is_nan() || horizon.is_infinite() {
            let orphans = self.model.workloads[index].timeout.is_some();
            return match orphans {
                true => self.walked(index, Around { orphans, ..around }),
                false => first,
            };
        }
        let timeout = self.model.workloads[index].timeout;
        let orphans = timeout.is_some_and(|t| (t as f64 / 1e9) < horizon);
        self.walked(
            index,
            Around {
                horizon,
                orphans,
                ..around
            },
        )
    }

    fn walked(&mut self, index: usize, around: Around) -> Demand {
        let w = &self.model.workloads[index];
        let races = std::mem::take(&mut self.found.races);
        let mut walk = Walk::new(
            self.model,
            self.facts,
            &mut self.found,
            index as u32,
            population(w),
        );
        walk.around = around;
        let limit = w.timeout.map(|t| t as f64 / 1e9);
        if let Some(seconds) = limit {
            walk.within(Limit {
                who: format!("the caller, workload `{}`", w.name),
                seconds,
            });
        }
        let passage = walk.mix(&w.mix);
        let cut = limit.and_then(|limit| {
            let flows = w.mix.iter().map(|(flow, share)| {
                let cut = walk.flow_until(*flow as usize, limit)?;
                Some((share * cut.mean, share * cut.beyond))
            });
            let flows: Option<Vec<(f64, f64)>> = flows.collect();
            let sum = |all: Vec<(f64, f64)>| all.iter().fold((0.0, 0.0), |s, f| (s.0 + f.0, s.1 + f.1));
            flows.map(sum)
        });
        let mut sums = walk.sums;
        let (mut response, mut sure, mut fails) = (passage.time, passage.sure, passage.fails);
        let late = match (limit, cut) {
            (Some(_), Some((_, beyond))) => beyond,
            (Some(limit), None) if response > limit => 1.0,
            _ => 0.0,
        };
        if around.orphans {
            // Others' failures end it sooner.
            sure = cut.filter(|_| !fails).map_or(0.0, |c| c.0);
            fails = true;
        }
        let site = format!("workload.{}/client", w.name);
        let client = self.model.sites.iter().find(|s| s.purpose == site);
        if let (Some(law), Some(station)) = (
            client.and_then(|s| s.law.as_ref()),
            self.find("station", &super::super::client_name(&w.name)),
        ) {
            let time = walk::mean_of(law);
            sums.visits[station] += 1.0;
            sums.busy[station] += time;
            sums.sure_visits[station] += 1.0;
            sums.sure_busy[station] += time;
            response += time;
            sure += time;
        }
        let at_least = self.found.races;
        self.found.races |= races;
        Demand {
            sums,
            response,
            sure,
            fails: fails || passage.passes < 1.0,
            late,
            at_least,
        }
    }

    /// A caller who leaves before most of its requests can be done.
    pub fn impatient(&mut self, index: usize, demand: &Demand) {
        let w = &self.model.workloads[index];
        let Some(timeout) = w.timeout.filter(|_| demand.late > 0.5) else {
            return;
        };
        let text = format!(
            "workload `{}` gives up after {}, and a request takes {} on average without any waiting",
            w.name,
            seconds(timeout as f64 / 1e9),
            seconds(demand.response)
        );
        let span = self.span(&["workload", &w.name, "timeout"]);
        self.warn("too-short", text, span);
    }

    /// How many requests can be under way at once, threads of components included.
    fn everybody(&self) -> f64 {
        let workloads: f64 = self.model.workloads.iter().map(population).sum();
        let threads = self.facts.iter().enumerate().filter_map(|(i, f)| {
            let instances = self.model.layout.instances(ComponentId(i as u32));
            Some(f.feed.as_ref()?.threads as f64 * f64::from(instances))
        });
        workloads + threads.sum::<f64>()
    }

    /// Whether replicas come and go.
    fn unsteady(&self) -> bool {
        let scaled = |plan: &Plan| matches!(plan, Plan::Autoscaler(_));
        !self.model.timeline.is_empty() || self.model.components.iter().any(|c| scaled(&c.plan))
    }

    pub fn open(&mut self, w: &WorkloadPlan, demand: &Demand) {
        let written = match &w.arrivals {
            Arrivals::Poisson(p) | Arrivals::Paced { rate: p, .. } => p.peak(),
            Arrivals::Renewal(law) => 1.0 / walk::mean_of(law),
            Arrivals::Recorded(times) => match times.last() {
                Some(last) if *last > 0.0 => times.len() as f64 / last,
                _ => 0.0,
            },
            Arrivals::Users(_) => return,
        };
        let (mut offered, mut most) = (written, written);
        if let Some(users) = &w.users {
            let think = w.think.as_ref().map_or(0.0, walk::mean_of);
            let cycle = demand.response + think;
            let needed = written * cycle;
            if needed > users.max as f64 {
                let key = if users.max == users.pre_allocated {
                    "pre-allocated-vus"
                } else {
                    "max-vus"
                };
                let text = format!(
                    "workload `{}` needs at least {} × {} = {} virtual users, and has at most {}: iterations are dropped",
                    w.name,
                    rate(written),
                    seconds(cycle),
                    significant(needed),
                    users.max
                );
                let span = self.span(&["workload", &w.name, key]);
                self.warn("too-few-users", text, span);
                offered = users.max as f64 / cycle;
            }
            most = most.min(users.max as f64 / (demand.sure + think));
        }
        self.total.add(&demand.sums, offered);
        self.streams.push(Stream {
            name: w.name.clone(),
            rate: offered,
            written,
            most,
            fails: demand.fails,
            response: demand.response,
            at_least: demand.at_least,
            users: None,
        });
    }

    /// Whether all that open workloads ask for is certainly done: it never ends, nothing of it can fail, nobody goes before it,
    /// and there is room for it everywhere.
    pub fn open_is_done(&self, demands: &[Demand]) -> bool {
        let plain = |(w, d): (&WorkloadPlan, &Demand)| {
            let steady = match &w.arrivals {
                Arrivals::Users(_) => return true,
                Arrivals::Recorded(_) => false,
                Arrivals::Poisson(p) | Arrivals::Paced { rate: p, .. } => !changes(p),
                Arrivals::Renewal(_) => true,
            };
            let ends = w.duration.is_some() || w.start > 0 || w.users.is_some() || w.limit.is_some();
            steady && !ends && !d.fails && w.timeout.is_none()
        };
        let mut all = self.model.workloads.iter().zip(demands);
        let cut = !self.found.cancelled.is_empty() || !self.found.limited.is_empty();
        all.all(plain)
            && !cut
            && self.found.ranked.is_empty()
            && (0..self.facts.len()).all(|i| {
                let need = self.need(i, &self.total);
                let room = self.capacity(i).is_none_or(|c| need < c);
                need <= 0.0 || (self.facts[i].fair && room)
            })
    }

    /// `done` is what open workloads certainly have done.
    pub fn users(&mut self, w: &WorkloadPlan, demand: &Demand, open: &Sums, done: Option<&Sums>) {
        let Arrivals::Users(profile) = &w.arrivals else {
            return;
        };
        let number = profile.peak();
        let think = w.think.as_ref().map_or(0.0, walk::mean_of);
        let paced = w.pacing == Pacing::Between;
        let cycle = if paced {
            demand.sure.max(think)
        } else {
            demand.sure + think
        };
        let by_number = number / cycle;
        let mut by_capacity: Option<(ComponentId, f64)> = None;
        let mut about: Option<(ComponentId, f64)> = None;
        let least = |least: &mut Option<(ComponentId, f64)>, i: usize, most: f64| {
            if least.is_none_or(|(_, x)| most < x) {
                *least = Some((ComponentId(i as u32), most));
            }
        };
        for i in 0..self.model.components.len() {
            let Some(capacity) = self.capacity(i) else {
                continue;
            };
            let (need, sure) = (self.need(i, &demand.sums), self.sure_need(i, &demand.sums));
            if sure > 0.0 {
                let left = capacity * self.facts[i].best / self.facts[i].boost;
                let left = left - done.map_or(0.0, |d| self.need(i, d));
                least(&mut by_capacity, i, (left / sure).max(0.0));
            }
            if need > 0.0 {
                let left = capacity - self.need(i, open);
                least(&mut about, i, (left / need).max(0.0));
            }
        }
        let mut kept = None;
        for i in 0..self.model.components.len() {
            let Some((places, held)) = self.kept(i, w, demand) else {
                continue;
            };
            if by_capacity.is_none_or(|(_, x)| places / held < x) {
                by_capacity = Some((ComponentId(i as u32), places / held));
                kept = Some((places, held));
            }
        }
        let most = by_capacity.map_or(by_number, |(_, x)| x.min(by_number));
        let carried = by_capacity.map_or(f64::INFINITY, |b| b.1);
        let about = about.filter(|(_, x)| *x < carried * (1.0 - 1e-9));
        let reached = about.map_or(most, |(_, x)| x.min(most));
        if reached.is_finite() {
            self.total.add(&demand.sums, reached);
        }
        for (closed, visits) in self.closed.iter_mut().zip(&demand.sums.visits) {
            *closed |= *visits > 0.0;
        }
        self.streams.push(Stream {
            name: w.name.clone(),
            rate: reached,
            written: reached,
            most,
            fails: demand.fails,
            response: demand.response,
            at_least: demand.at_least,
            users: Some(Users {
                number,
                think,
                paced,
                sure: demand.sure,
                steady: !changes(profile),
                by_number,
                by_capacity,
                kept,
                about,
            }),
        });
    }

    /// Connections of a server that a user keeps while it thinks: how many there are, and for how many seconds each round takes
    /// one. It is closed when it has idled too long, and after so many requests.
    fn kept(&self, i: usize, w: &WorkloadPlan, demand: &Demand) -> Option<(f64, f64)> {
        let Plan::ThreadPool(pool) = &self.model.components[i].plan else {
            return None;
        };
        let id = ComponentId(i as u32);
        // A branch of several at once brings a connection of its own.
        if demand.sums.sure_visits[i] < 1.0 - 1e-9 || self.found.branched.contains(&id) {
            return None;
        }
        let (places, timeout, requests) = pool.kept()?;
        let idle = w.think.as_ref().map_or(0.0, |law| law.mean_until(timeout));
        let idle = idle.max(0.0) * (1.0 - 1.0 / requests.max(1.0));
        let idle = match w.pacing {
            Pacing::After => idle,
            // How much of the distance of two starts is left for it, is not known.
            Pacing::Between => 0.0,
        };
        let held = demand.sums.sure_busy[i] + idle;
        let instances = f64::from(self.model.layout.instances(id));
        (idle > 0.0).then_some((places * instances, held))
    }
}
