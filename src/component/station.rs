//! A station: servers and a queue, as the textbooks have it.
//!
//! ```toml
//! [station.desk]
//! servers = 2
//! discipline = "fcfs"
//! capacity = 12          # servers and places to wait; without it there is no limit
//!
//! [station.press]
//! preemptive = true      # who goes first interrupts who goes later
//!
//! [station.disk]
//! speeds = [1.0, 1.6, 2.0]   # of its server with one, two, and three or more inside
//! ```
//!
//! A step `{ use = "desk", time = "exp(1s)" }` is served there; `{ use = "press", time = "exp(1s)", priority = 1 }` goes
//! behind those with priority 0, which is what a step has that says nothing.
//!
//! **Disciplines** order those of one priority: `fcfs`, `lcfs` (neither interrupts), `siro` (service in random order),
//! `lcfs-pr` (who comes interrupts who came before) and `infinite-server` (nobody waits). Who was interrupted goes on later
//! with what is left of its service (preemptive resume), before those of its priority that have not begun. Whoever finds `capacity`
//! inside is turned away, whatever its priority.
//!
//! **Load-dependent service**: with n inside each server works at the n-th of `speeds`, the last one standing for all larger
//! numbers; times of steps are stated for 1.
//!
//! A station that is `in` a service stands still while its replica is paused, and goes on with what is left. One outside
//! serves on; its visitors from a paused replica hear of it afterwards.

mod jobs;

use std::collections::BTreeMap;

use super::contract::*;
use super::waiting::{self, Order, Waiting};
use crate::diagnostic::Sink;
use crate::document::{Form, Item, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Outcome, TimerId, Visit};
use crate::quantity::{SimDuration, SimTime};
use jobs::Jobs;

/// As running.
pub struct Station {
    servers: u32,
    busy: u32,
    places: u64,
    waiting: Waiting,
    /// Who is in service, where somebody may be interrupted.
    jobs: Option<Box<Jobs>>,
    patience: Option<u64>,
    timer: TimerId,
    /// When the timer is set; `u64::MAX` if it is not.
    due: u64,
    instance: u32,
    home: Option<u32>,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    servers: u32,
    /// Places to wait.
    places: u64,
    discipline: Discipline,
    preemptive: bool,
    speeds: Vec<f64>,
    patience: Option<SimDuration>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Discipline {
    Fcfs,
    Lcfs,
    LcfsPr,
    Siro,
    InfiniteServer,
}

impl Plan {
    /// A station without limits.
    pub fn servers(servers: u32) -> Plan {
        Plan {
            servers,
            places: u64::MAX,
            discipline: Discipline::Fcfs,
            preemptive: false,
            speeds: Vec::new(),
            patience: None,
        }
    }

    /// Speed of all servers together with the number inside that suits it, in servers of the first speed.
    fn best(&self) -> f64 {
        let Some(first) = self.speeds.first() else {
            return 1.0;
        };
        let servers = f64::from(self.servers);
        let last = self.speeds.len();
        let all = self.speeds.iter().enumerate().map(|(i, speed)| {
            let busy = match i + 1 == last {
                true => servers,
                false => servers.min((i + 1) as f64),
            };
            busy * speed / (servers * first)
        });
        all.fold(0.0, f64::max)
    }

    /// Whether it can be held while other steps run: not if its visitors may be interrupted.
    fn serves_only(&self) -> bool {
        self.preemptive || !self.speeds.is_empty()
    }
}

const DISCIPLINES: &[&str] = &["fcfs", "lcfs", "lcfs-pr", "siro", "infinite-server"];

impl Component for Station {
    const KIND: &'static str = "station";
    const ABOUT: &'static str = "servers and a queue, as the textbooks have it";
    const FREEZES: bool = true;
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key("servers", Form::Count, Some("1"), "how many are served at once"),
        key(
            "capacity",
            Form::Count,
            None,
            "most inside, served ones included; more are rejected",
        ),
        key(
            "discipline",
            Form::Choice(DISCIPLINES),
            Some("\"fcfs\""),
            "who of one priority is served next; `lcfs-pr` interrupts, and with `infinite-server` nobody waits",
        ),
        key(
            "preemptive",
            Form::Boolean,
            Some("false"),
            "whether a smaller `priority` interrupts a larger one, which goes on later where it was",
        ),
        key(
            "speeds",
            Form::List,
            None,
            "speed of each server with one, two, .. inside; the last one stands for all larger numbers",
        ),
        key(
            "patience",
            Form::Duration,
            None,
            "who has waited this long leaves",
        ),
    ];
    const SETTABLE: &'static [&'static str] = &["servers", "capacity", "patience"];
    const STEP_KEYS: &'static [Key] = &[waiting::PRIORITY];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
        let servers = reader.count_in("servers", 1..=u32::MAX as u64);
        let capacity = reader.has("capacity").then(|| reader.count("capacity"));
        let shared = ["ps", "processor-sharing", "round-robin", "sharing"];
        let written = reader.item("discipline").and_then(|item| item.as_str());
        if written.is_some_and(|word| shared.contains(&word)) {
            let span = reader.span("discipline");
            reader
                .sink()
                .error(
                    span,
                    "does-not-apply",
                    "a station does not share its servers among those inside",
                )
                .help("a host does: `[host.cpu]`, and steps `{ cpu = \"exp(10ms)\", on = \"cpu\" }`");
            return None;
        }
        let discipline = match reader.choice("discipline")? {
            "lcfs" => Discipline::Lcfs,
            "lcfs-pr" => Discipline::LcfsPr,
            "siro" => Discipline::Siro,
            "infinite-server" => Discipline::InfiniteServer,
            _ => Discipline::Fcfs,
        };
        let preemptive = reader.boolean("preemptive")? || discipline == Discipline::LcfsPr;
        let speeds = speeds(reader)?;
        let patience = reader.duration("patience");
        let mut fits = true;
        let mut refuse = |reader: &mut Reader, key: &str, why: &str| {
            if reader.has(key) {
                let (span, what) = (reader.key_span(key), reader.what().to_owned());
                reader
                    .sink()
                    .error(span, "does-not-apply", format!("{what}: `{key}` {why}"))
                    .help("leave it out");
                fits = false;
            }
        };
        if discipline == Discipline::InfiniteServer {
            for key in ["servers", "capacity", "preemptive", "patience"] {
                refuse(reader, key, "means nothing where nobody waits");
            }
        }
        if preemptive || discipline == Discipline::Siro {
            refuse(
                reader,
                "patience",
                "counts the wait in a line that only grows older",
            );
        }
        let servers = servers?;
        if !fits {
            return None;
        }
        let places = match capacity {
            None => u64::MAX,
            Some(c) => {
                let c = c?;
                if c < servers {
                    let (span, what) = (reader.span("capacity"), reader.what().to_owned());
                    reader
                        .sink()
                        .error(
                            span,
                            "capacity-below-servers",
                            format!("{what} has room for {c} and {servers} servers"),
                        )
                        .help("`capacity` counts those in service too; give it at least `servers`");
                    return None;
                }
                c - servers
            }
        };
        Some(Plan {
            servers: match discipline {
                Discipline::InfiniteServer => u32::MAX,
                _ => servers as u32,
            },
            places,
            discipline,
            preemptive,
            speeds,
            patience,
        })
    }

    fn accepts(plan: &Plan, usage: Usage) -> Result<(), String> {
        match usage {
            Usage::Hold if plan.serves_only() => Err(
                "its visitors can be interrupted or slowed down, so it serves a `time` and cannot be held while other steps run"
                    .into(),
            ),
            _ => Ok(()),
        }
    }

    fn check_step(plan: &Plan, options: &BTreeMap<String, Item>, sink: &mut Sink) {
        let useless = (plan.discipline == Discipline::InfiniteServer).then_some("where nobody waits");
        waiting::check_priority(options, useless, sink);
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        (plan.discipline != Discipline::InfiniteServer).then_some(plan.servers as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "servers",
            bounded: plan.places < u64::MAX,
            places: match plan.places {
                u64::MAX => f64::INFINITY,
                places => places as f64 + f64::from(plan.servers),
            },
            fair: !plan.preemptive && plan.discipline != Discipline::Lcfs,
            to_the_end: !plan.preemptive,
            patience: plan.patience.map(|p| (p, "patience")),
            speed: plan.speeds.first().copied().unwrap_or(1.0),
            boost: match plan.speeds.as_slice() {
                [first, .., last] => last / first,
                _ => 1.0,
            },
            best: plan.best(),
            ..Facts::default()
        }
    }

    fn lower(_: &Plan, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
        let site = lowering.sites.len();
        if step.time.is_some() {
            lowering.serve(step, body);
        } else {
            lowering.visit(step, false, body);
        }
        // Either way of entering names its own site first.
        waiting::note_priority(step, site, lowering);
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let home = build.home();
        let order = match plan.discipline {
            Discipline::Lcfs | Discipline::LcfsPr => Order::LastCome,
            Discipline::Siro => Order::Random(build.purpose("order")),
            Discipline::Fcfs | Discipline::InfiniteServer => Order::FirstCome,
        };
        // In a process that may be paused everybody may be interrupted.
        let interrupts = plan.serves_only() || home.is_some();
        Station {
            servers: plan.servers,
            busy: 0,
            places: plan.places,
            waiting: Waiting::new(order),
            jobs: interrupts.then(|| {
                Box::new(Jobs::new(
                    plan.preemptive,
                    plan.discipline == Discipline::LcfsPr,
                    &plan.speeds,
                    build.instance,
                ))
            }),
            patience: plan.patience.map(|p| p.nanos()),
            timer: build.timer(0),
            due: u64::MAX,
            instance: build.instance,
            home,
        }
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        if self.jobs.is_some() {
            return self.enter_watched(visit, cx);
        }
        if self.busy < self.servers {
            self.busy += 1;
            return Admission::Serve(visit.demand);
        }
        self.wait(visit, cx)
    }

    #[inline(always)]
    fn leave(&mut self, visit: Visit, _: Outcome, cx: &mut Context) {
        if self.jobs.is_some() {
            return self.leave_watched(visit, cx);
        }
        if self.busy > self.servers {
            self.busy -= 1;
            return;
        }
        match self.waiting.pop(cx) {
            None => self.busy -= 1,
            Some((_, next)) => {
                let demand = *cx.waiting_word(next);
                cx.admit_for(visit.instance, next, demand);
            }
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        let paused = self.jobs.as_mut().is_some_and(|j| j.forget_paused(visit.slot));
        if !paused {
            let class = cx.site(visit.site).note;
            self.waiting.remove(class, visit.slot, cx);
        }
        cx.abandon(visit.instance, visit.slot);
        if let Some(jobs) = &mut self.jobs {
            jobs.pace(self.busy, &self.waiting, cx);
        }
    }

    fn wake(&mut self, _: u32, cx: &mut Context) {
        self.due = u64::MAX;
        let Some(patience) = self.patience else { return };
        for class in 0..self.waiting.classes() {
            while let Some(slot) = self.waiting.oldest(class) {
                let due = cx.requests[slot].since.saturating_add(patience);
                if due > cx.nanos() {
                    self.set_timer(due, cx);
                    break;
                }
                self.waiting.remove(class, slot, cx);
                cx.refuse(self.instance, slot, Fault::TimedOut);
            }
        }
        if let Some(jobs) = &mut self.jobs {
            jobs.pace(self.busy, &self.waiting, cx);
        }
    }

    fn freeze(&mut self, replica: u32, cx: &mut Context) {
        if self.home == Some(replica)
            && let Some(jobs) = &mut self.jobs
        {
            self.busy -= jobs.pause(cx);
        }
    }

    fn thaw(&mut self, replica: u32, cx: &mut Context) {
        if self.home == Some(replica)
            && let Some(jobs) = &mut self.jobs
        {
            self.busy += jobs.unpause(cx);
            self.fill(cx);
        }
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.servers = plan.servers;
        self.places = plan.places;
        self.patience = plan.patience.map(|p| p.nanos());
        self.fill(cx);
        self.wake(0, cx);
    }

    fn reset(&mut self, _: SimTime) {
        if let Some(jobs) = &mut self.jobs {
            jobs.reset();
        }
    }
}

impl Station {
    #[inline(always)]
    fn wait(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        if self.waiting.len() >= self.places {
            return Admission::Reject(Fault::Rejected);
        }
        *cx.word(visit) = visit.demand;
        cx.begin_wait(visit);
        let class = cx.site(visit.site).note;
        self.waiting.push(class, visit.slot, cx);
        if let Some(patience) = self.patience {
            self.set_timer(cx.nanos().saturating_add(patience), cx);
        }
        Admission::Wait
    }

    fn set_timer(&mut self, at: u64, cx: &mut Context) {
        if at < self.due {
            self.due = at;
            cx.arm(self.timer, at);
        }
    }

    fn enter_watched(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let Some(jobs) = &mut self.jobs else {
            return Admission::Proceed;
        };
        let class = cx.site(visit.site).note;
        let inside = u64::from(self.busy) + self.waiting.len() + jobs.paused();
        if inside >= self.places.saturating_add(u64::from(self.servers)) {
            return Admission::Reject(Fault::Rejected);
        }
        let free = self.busy < self.servers && !jobs.is_paused();
        if !free {
            let Some(victim) = jobs.outranked(class, cx) else {
                let answer = self.wait(visit, cx);
                if let Some(jobs) = &mut self.jobs {
                    jobs.pace(self.busy, &self.waiting, cx);
                }
                return answer;
            };
            let (victim_class, slot) = jobs.interrupt(victim, cx);
            self.waiting.push_front(victim_class, slot, cx);
            self.busy -= 1;
        }
        self.busy += 1;
        jobs.pace(self.busy, &self.waiting, cx);
        Admission::Serve(jobs.begin(visit, class, cx))
    }

    fn leave_watched(&mut self, visit: Visit, cx: &mut Context) {
        let Some(jobs) = &mut self.jobs else { return };
        jobs.end(visit, cx);
        self.busy -= 1;
        self.fill(cx);
    }

    /// Free servers take up who waits.
    fn fill(&mut self, cx: &mut Context) {
        let paused = self.jobs.as_ref().is_some_and(|j| j.is_paused());
        while self.busy < self.servers
            && !paused
            && let Some((class, slot)) = self.waiting.pop(cx)
        {
            self.busy += 1;
            match &mut self.jobs {
                Some(jobs) => jobs.take_up(class, slot, cx),
                None => {
                    let demand = *cx.waiting_word(slot);
                    cx.admit_for(self.instance, slot, demand);
                }
            }
        }
        if let Some(jobs) = &mut self.jobs {
            jobs.pace(self.busy, &self.waiting, cx);
        }
    }
}

/// The speeds with one, two, .. inside; empty if there is one speed only.
fn speeds(reader: &mut Reader) -> Option<Vec<f64>> {
    if !reader.has("speeds") {
        return Some(Vec::new());
    }
    let (items, span) = (reader.list("speeds")?, reader.span("speeds"));
    let mut list = Vec::new();
    for item in items {
        let speed = item.number("a speed", reader.sink())?;
        if !(1e-6..=1e6).contains(&speed) {
            reader
                .sink()
                .error(
                    item.span.clone(),
                    "out-of-range",
                    format!("a speed of {speed}; it must lie between 1e-6 and 1e6"),
                )
                .help("1 is the speed for which the times of steps are stated");
            return None;
        }
        list.push(speed);
    }
    if list.is_empty() {
        reader
            .sink()
            .error(span, "empty-list", "`speeds` has no speed")
            .help("write one for each number inside, as in [1.0, 1.6, 2.0]");
        return None;
    }
    Some(list)
}
