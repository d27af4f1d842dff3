//! An autoscaler: adds and removes replicas of a service, as a Kubernetes HorizontalPodAutoscaler.
//!
//! ```toml
//! [autoscaler.api]
//! of = "order-api"          # its `replicas` are the most there can be (`maxReplicas`)
//! min = 2
//! cpu = "70%"               # of `cpu-request`
//! cpu-request = 0.5
//! requests = "200/s"        # or so many calls a second each, whichever asks for more
//! provisioning = "uniform(5s, 20s)"
//! ```
//!
//! Every `sync-period` it compares what each replica has with its goal, `desired = ceil(current × ratio)`, unless the ratio is within
//! `tolerance` of 1. Of several goals the one that asks for most counts. CPU is a whole percentage of what is requested, measured between the
//! last two looks at the counters (`metric-period`, at multiples of it; the syncs fall anywhere between, which
//! a draw decides). Replicas that were not ready for all of that time are left out on the way down and count as idle on the way up.
//! A `lag` is shared out: so many records of `consumer` each, and never more replicas than partitions.
//!
//! How fast it goes: without a `behavior` at most to twice the number, or 4, in one step, and down to the largest number recommended
//! within `scale-down-stabilization`. Any of the keys `scale-up-…` and `scale-down-…` but that one makes a `behavior`, with
//! Kubernetes' defaults for the others.
//!
//! A replica more takes its `provisioning` (a place, the image, maybe a node) and the service's `start-up-time` until it takes calls,
//! with empty caches, and with pools as their `initially` says. The first to go are those that are not ready, then the youngest; a service with
//! `graceful-shutdown` lets them finish what they have. A place whose old process still does so is filled when it has ended.
//! The most replicas that can be are built from the start, so `check` counts with all of them; utilisation is that of those that exist.
//!
//! Readings: `replicas_mean`, `_max`, `_end` (wanted ones, ready or not), `ready_mean`, `scale_ups` and `scale_downs` (decisions), and
//! `at_most`, the share of time at the most there can be. Not modelled: the work of starting itself, slower first requests, calls that still
//! reach a replica after it was told to stop.

mod decision;
mod settings;

pub use settings::Plan;

use super::contract::*;
use crate::distribution::Sampler;
use crate::document::{Key, Reader};
use crate::kernel::{Admission, Context, Effect, Replica, TimerId, Visit};
use crate::metric::Gauge;
use crate::quantity::SimTime;
use decision::{Bounds, Goal, History, Sample};

/// As running.
pub struct Autoscaler {
    plan: Plan,
    bounds: Bounds,
    cpu: Option<Goal>,
    /// The service's first replica.
    first: u32,
    pods: Vec<Pod>,
    /// Hosts whose CPU clocks are brought up to date before a look at them.
    hosts: Vec<u32>,
    /// Log and group whose lag counts, and its partitions.
    lag: Option<(u32, u32, u32)>,
    /// The last two looks at the counters.
    looks: [Look; 2],
    history: History,
    timers: [TimerId; 4],
    phase: u64,
    provisioning: Option<(Sampler, u32)>,
    started: u64,
    replicas: Gauge,
    at_most: Gauge,
    ups: u64,
    downs: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pod {
    Absent,
    /// It takes calls at this instant.
    Starting(u64),
    /// Since when it takes calls; zero for those that were there from the start.
    Ready(u64),
}

/// CPU time and calls answered of each replica, and when that was.
#[derive(Clone, Debug, Default)]
struct Look {
    at: Option<u64>,
    counters: Vec<(u64, u64)>,
}

/// More replicas than this no autoscaler handles: each of its decisions looks at all of them.
pub const MOST: u32 = 10_000;

const LOOK: u32 = 0;
const NOTE: u32 = 1;
const SYNC: u32 = 2;
const READY: u32 = 3;

/// A younger replica is left out while it was not ready for all of a measurement (`--horizontal-pod-autoscaler-cpu-initialization-period`, 5 min).
const YOUNG: u64 = 300_000_000_000;

impl Component for Autoscaler {
    const KIND: &'static str = "autoscaler";
    const ABOUT: &'static str = "adds and removes replicas of a service";
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[
        ("replicas", Unit::Count, Combine::Sum),
        ("ready", Unit::Count, Combine::Sum),
    ];
    const KEYS: &'static [Key] = settings::KEYS;
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        settings::check(reader, names)
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let first = build.layout.first_replica.get(&plan.of).copied().unwrap_or(0);
        let most = build.layout.service_replicas(plan.of);
        let mut pods = vec![Pod::Ready(0); most as usize];
        for (i, pod) in pods.iter_mut().enumerate() {
            let mine = &mut build.cx.replicas[first as usize + i];
            mine.watched = plan.cpu.is_some();
            if i >= plan.initially as usize {
                *pod = Pod::Absent;
                (mine.exists, mine.up) = (false, false);
            }
        }
        let hosts = match build.layout.hosts.get(&plan.of) {
            Some(host) if plan.cpu.is_some() => {
                let base = build.base_of(*host);
                (base..base + build.layout.instances(*host)).collect()
            }
            _ => Vec::new(),
        };
        let cpu = plan.cpu.map(|percent| {
            let limit = build.layout.cpu_limit(plan.of);
            Goal::Utilisation {
                percent,
                request: libm::round(plan.cpu_request.or(limit).unwrap_or(1.0) * 1e3) as u64,
            }
        });
        let lag = plan.lag.and_then(|(_, consumer)| {
            let group = build.base_of(consumer);
            let logs = build.cx.logs.iter().enumerate();
            let mut found =
                logs.filter_map(|(log, l)| Some((log as u32, l.group_of(group)?, l.partitions())));
            found.next()
        });
        let syncs = build.purpose("sync");
        let phase = build.cx.draws_of(syncs, 0).unit() * plan.sync_period as f64;
        let provisioning = plan
            .provisioning
            .as_ref()
            .map(|law| (Sampler::new(law), build.purpose("provisioning")));
        let mut history = History::default();
        history.recommend(0, plan.initially);
        let (mut replicas, mut at_most) = (Gauge::default(), Gauge::default());
        replicas.add(SimTime::ZERO, i64::from(plan.initially));
        at_most.add(SimTime::ZERO, i64::from(plan.initially == most));
        Autoscaler {
            bounds: Bounds {
                min: plan.min,
                max: most,
                rules: plan.rules,
                window: plan.window,
            },
            cpu,
            first,
            pods,
            hosts,
            lag,
            looks: [Look::default(), Look::default()],
            history,
            timers: [LOOK, NOTE, SYNC, READY].map(|tag| build.timer(tag)),
            phase: phase as u64,
            provisioning,
            started: 0,
            replicas,
            at_most,
            ups: 0,
            downs: 0,
            plan: plan.clone(),
        }
    }

    fn start(&mut self, cx: &mut Context) {
        cx.arm(self.timers[LOOK as usize], 0);
        cx.arm(self.timers[SYNC as usize], self.phase);
    }

    fn enter(&mut self, _: Visit, _: &mut Context) -> Admission {
        Admission::Proceed
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        match tag {
            LOOK => {
                // The hosts count up to now first.
                for host in &self.hosts {
                    cx.leave_effect(Effect::HostLoad {
                        host: *host,
                        threads: 0,
                    });
                }
                cx.arm(self.timers[NOTE as usize], cx.nanos());
                cx.arm(
                    self.timers[LOOK as usize],
                    cx.nanos().saturating_add(self.plan.metric_period),
                );
            }
            NOTE => self.note(cx),
            SYNC => {
                self.decide(cx);
                cx.arm(
                    self.timers[SYNC as usize],
                    cx.nanos().saturating_add(self.plan.sync_period),
                );
            }
            _ => self.take_into_service(cx),
        }
    }

    fn reset(&mut self, now: SimTime) {
        for gauge in [&mut self.replicas, &mut self.at_most] {
            gauge.reset(now);
        }
        (self.ups, self.downs) = (0, 0);
    }

    fn probe(&self, cx: &Context, out: &mut Vec<f64>) {
        out.push(self.replicas.value() as f64);
        out.push(self.mine(cx).iter().filter(|r| r.exists && r.up).count() as f64);
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        let span = (cx.now() - since).nanos().max(1) as f64;
        let ready = self.mine(cx).iter().map(|r| r.serving.total(cx.nanos()) as f64);
        let ready = ready.sum::<f64>() / span;
        let mean = |gauge: &Gauge| gauge.mean(cx.now()).unwrap_or(f64::NAN);
        out.add("replicas_mean", Unit::Count, Combine::Sum, mean(&self.replicas));
        out.add(
            "replicas_max",
            Unit::Count,
            Combine::Sum,
            self.replicas.max() as f64,
        );
        out.add(
            "replicas_end",
            Unit::Count,
            Combine::Sum,
            self.replicas.value() as f64,
        );
        out.add("ready_mean", Unit::Count, Combine::Sum, ready);
        out.add("scale_ups", Unit::Count, Combine::Sum, self.ups as f64);
        out.add("scale_downs", Unit::Count, Combine::Sum, self.downs as f64);
        out.add("at_most", Unit::Share, Combine::Mean, mean(&self.at_most));
    }
}

impl Autoscaler {
    fn mine<'a>(&self, cx: &'a Context) -> &'a [Replica] {
        cx.replicas_of(self.first, self.pods.len() as u32)
    }

    /// A look at the counters.
    fn note(&mut self, cx: &Context) {
        let replicas = self.mine(cx);
        self.looks.swap(0, 1);
        let look = &mut self.looks[1];
        look.at = Some(cx.nanos());
        look.counters.clear();
        look.counters
            .extend(replicas.iter().map(|r| (r.cpu_time, r.answered)));
    }

    /// What is known of the replicas that exist. `young` are those that are too young to be judged.
    fn samples(&self, cx: &Context, young: Sample, of: impl Fn((u64, u64)) -> u128) -> Vec<Sample> {
        let [before, last] = &self.looks;
        let (Some(from), Some(to)) = (before.at, last.at) else {
            return Vec::new();
        };
        let span = u128::from((to - from).max(1));
        let pods = self.pods.iter().zip(self.mine(cx)).enumerate();
        pods.filter_map(|(i, (pod, replica))| {
            let since = match *pod {
                Pod::Absent => return None,
                Pod::Starting(_) => return Some(Sample::Unready),
                Pod::Ready(since) => since,
            };
            let is_new = since > 0 && since > from;
            let is_down = !replica.up && since > 0;
            if is_new || is_down && cx.nanos() - since < YOUNG {
                return Some(young);
            }
            let had = of(last.counters[i]) - of(before.counters[i]);
            // Of nanoseconds in nanoseconds, or of calls in nanoseconds, thousandths.
            Some(Sample::Measured((had * 1000 / span) as u64))
        })
        .collect()
    }

    fn decide(&mut self, cx: &mut Context) {
        let (now, current) = (cx.nanos(), self.replicas.value() as u32);
        let tolerance = self.plan.tolerance;
        let by_cpu = self.cpu.and_then(|goal| {
            let samples = self.samples(cx, Sample::Unready, |c| u128::from(c.0));
            goal.replicas(&samples, current, tolerance)
        });
        let by_requests = self.plan.requests.and_then(|each| {
            const SECOND: u128 = 1_000_000_000;
            let samples = self.samples(cx, Sample::Missing, |c| u128::from(c.1) * SECOND);
            Goal::Average(each).replicas(&samples, current, tolerance)
        });
        let by_lag = self
            .plan
            .lag
            .zip(self.lag)
            .map(|((each, _), (log, group, partitions))| {
                let lag = cx.logs[log as usize].groups[group as usize].lag.value();
                let most = each.saturating_mul(u64::from(partitions));
                decision::replicas_for_sum(lag.min(most), each, current, tolerance)
            });
        let Some(wanted) = by_cpu.max(by_requests).max(by_lag) else {
            return;
        };
        // Where a goal cannot be judged nothing is taken away.
        let blind =
            self.cpu.is_some() && by_cpu.is_none() || self.plan.requests.is_some() && by_requests.is_none();
        if blind && wanted < current {
            return;
        }
        let to = self.history.limit(now, current, wanted, &self.bounds);
        if to == current {
            return;
        }
        self.history.scaled(now, current, to, &self.plan.rules);
        if to > current {
            self.ups += 1;
            (current..to).for_each(|_| self.add(cx));
        } else {
            self.downs += 1;
            (to..current).for_each(|_| self.remove(cx));
        }
        self.count(cx);
    }

    /// One replica more; a place whose old process is still at work comes last.
    fn add(&mut self, cx: &mut Context) {
        let first = self.first as usize;
        let free = (0..self.pods.len()).filter(|i| self.pods[*i] == Pod::Absent);
        let Some(i) = free.min_by_key(|i| cx.replicas[first + i].is_draining()) else {
            return;
        };
        let after = match &self.provisioning {
            Some((law, purpose)) => cx.sample(law, &mut cx.draws_of(*purpose, self.started)),
            None => 0,
        };
        self.started += 1;
        let ready = cx
            .nanos()
            .saturating_add(after)
            .saturating_add(cx.replicas[first + i].start_up);
        self.pods[i] = Pod::Starting(ready);
        cx.arm(self.timers[READY as usize], ready);
    }

    /// One less: who is not ready goes first, then the youngest.
    fn remove(&mut self, cx: &mut Context) {
        let first = self.first as usize;
        let rank = |i: &usize| match self.pods[*i] {
            Pod::Absent => (0, 0, *i),
            Pod::Ready(since) => (1 + u8::from(!cx.replicas[first + i].up), since, *i),
            Pod::Starting(ready) => (3, ready, *i),
        };
        let Some(i) = (0..self.pods.len()).max_by_key(rank) else {
            return;
        };
        if matches!(self.pods[i], Pod::Ready(_)) {
            cx.leave_effect(Effect::Remove(self.first + i as u32));
        }
        self.pods[i] = Pod::Absent;
    }

    fn take_into_service(&mut self, cx: &mut Context) {
        let now = cx.nanos();
        for (i, pod) in self.pods.iter_mut().enumerate() {
            if matches!(*pod, Pod::Starting(at) if at <= now) {
                *pod = Pod::Ready(now);
                cx.leave_effect(Effect::Add(self.first + i as u32));
            }
        }
        self.count(cx);
    }

    /// Brings the gauges up to date.
    fn count(&mut self, cx: &Context) {
        let now = cx.now();
        let set = |gauge: &mut Gauge, to: usize| gauge.add(now, to as i64 - gauge.value() as i64);
        let there = self.pods.iter().filter(|p| **p != Pod::Absent).count();
        set(&mut self.replicas, there);
        set(&mut self.at_most, usize::from(there == self.pods.len()));
    }
}
