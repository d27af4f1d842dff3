//! A service outside the model: an answer after a while, or an error.
//!
//! ```toml
//! [external.payment]
//! time = "lognormal(80ms, cv 1)"
//! failure-rate = "0.5%"
//! timeout = "2s"
//! concurrency = 50
//! ```
//!
//! A step `{ use = "payment" }` waits for its answer; `{ use = "payment", time = "200ms" }` has a law of its own. A failed
//! call raises `failed` when its answer is there. With `concurrency` it works on so many calls at once, the others wait
//! in line. After `timeout`, waiting included, the caller gives up with `timed_out`. It leaves the line, but a call that is
//! being worked on is worked on to its end and keeps its place, as nobody tells the other side.
//! An outage is a timeline entry: `set = { "external.payment.failure-rate" = "100%", "external.payment.failure-time" = "0s" }`.
//!
//! Readings: `failure_share` (of the calls answered, how many failed).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::alarm::Alarm;
use super::connection_pool::law;
use super::contract::*;
use crate::distribution::{Law, Sampler};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Line, Outcome, TimerId, Visit};
use crate::metric::Gauge;
use crate::quantity::{SimDuration, SimTime};
use crate::random::Draws;

/// As running.
pub struct External {
    time: Sampler,
    failure_time: Option<Sampler>,
    failure_rate: f64,
    timeout: u64,
    limit: u64,
    busy: u64,
    line: Line,
    timer: TimerId,
    armed: bool,
    /// When the calls end whose callers have given up, and the timer for the first of them.
    orphans: BinaryHeap<Reverse<u64>>,
    ending: Alarm,
    instance: u32,
    /// The same over time.
    occupied: Gauge,
    answered: u64,
    failed: u64,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    time: Law,
    failure_time: Option<Law>,
    failure_rate: f64,
    /// Nanoseconds; `u64::MAX` for ever.
    timeout: u64,
    concurrency: u64,
}

impl Plan {
    /// How long a call lasts that nobody gives up.
    fn lasts(&self) -> Law {
        match (&self.failure_time, self.failure_rate) {
            (Some(failing), 1.0) => failing.clone(),
            (Some(failing), share) if share > 0.0 => Law::Mixture {
                parts: vec![(1.0 - share, self.time.clone()), (share, failing.clone())],
            },
            _ => self.time.clone(),
        }
    }
}

/// The timer of the calls whose callers have given up.
const ENDS: u32 = 1;

// The lowest byte of a visit's word says how the call ends, the others how long it takes; once it is being worked on, how
// long it goes on after its caller has given up.
const GOOD: u64 = 0;
const FAILS: u64 = 1;
const TIMES_OUT: u64 = 2;
const LONGEST: u64 = u64::MAX >> 8;

/// The operation behind the service: the answer is looked at.
const ANSWER: u8 = 0;

impl Component for External {
    const KIND: &'static str = "external";
    const ABOUT: &'static str = "a service outside the model: an answer after a while, or an error";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service whose replicas each have their own",
        ),
        key("time", Form::Law, Some("\"0s\""), "how long an answer takes"),
        key(
            "failure-rate",
            Form::Share,
            Some("\"0%\""),
            "share of calls that fail",
        ),
        key(
            "failure-time",
            Form::Law,
            None,
            "how long a failing answer takes; without it as long as any other",
        ),
        key(
            "timeout",
            Form::Duration,
            None,
            "the caller gives up after this; without it never (a JDBC or HTTP read without settings waits for ever)",
        ),
        key(
            "concurrency",
            Form::Count,
            None,
            "calls that it works on at once; without it there is no limit",
        ),
    ];
    const HEARS: bool = false;
    const SETTABLE: &'static [&'static str] =
        &["time", "failure-time", "failure-rate", "timeout", "concurrency"];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let time = law(reader, "time", names);
        let failure_time = law(reader, "failure-time", names);
        let failure_rate = reader.share("failure-rate").map(|s| s.0);
        let timeout = match reader.has("timeout") {
            true => reader.positive_duration("timeout").map(|d| d.nanos()),
            false => Some(u64::MAX),
        };
        let concurrency = match reader.has("concurrency") {
            true => reader.count_in("concurrency", 1..=u32::MAX as u64),
            false => Some(u64::MAX),
        };
        Some(Plan {
            time: time??,
            failure_time: failure_time?,
            failure_rate: failure_rate?,
            timeout: timeout?,
            concurrency: concurrency?,
        })
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        (plan.concurrency != u64::MAX).then_some(plan.concurrency as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        let lasts = plan.lasts();
        Facts {
            unit: "calls",
            time: lasts.mean().unwrap_or(f64::INFINITY),
            until: match plan.timeout {
                u64::MAX => f64::INFINITY,
                timeout => lasts.mean_until(timeout as f64 * 1e-9),
            },
            law: Some(lasts),
            failure: plan.failure_rate,
            patience: (plan.timeout != u64::MAX).then(|| (SimDuration::from_nanos(plan.timeout), "timeout")),
            ..Facts::default()
        }
    }

    fn lower(_: &Plan, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
        let site = lowering.site(step.path.clone(), step.time.clone());
        let (base, sel) = (step.place.base, step.place.sel);
        let frame = lowering.asm.enter(base, sel, site, false, step.name.clone());
        lowering.asm.op_at(base, sel, frame, ANSWER, site, "the answer");
        body(lowering);
        lowering.asm.leave(step.name.clone());
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        External {
            time: Sampler::new(&plan.time),
            failure_time: plan.failure_time.as_ref().map(Sampler::new),
            failure_rate: plan.failure_rate,
            timeout: plan.timeout,
            limit: plan.concurrency,
            busy: 0,
            line: Line::default(),
            timer: build.timer(0),
            armed: false,
            orphans: BinaryHeap::new(),
            ending: Alarm::new(build.timer(ENDS)),
            instance: build.instance,
            occupied: Gauge::default(),
            answered: 0,
            failed: 0,
        }
    }

    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let call = self.call(visit, cx);
        if self.busy < self.limit {
            self.begin(cx);
            return Admission::Serve(self.serve(visit, call, self.timeout, cx));
        }
        *cx.word(visit) = call;
        cx.begin_wait(visit);
        self.line.push_back(&mut cx.requests, visit.slot);
        if self.timeout != u64::MAX && !self.armed {
            self.armed = true;
            cx.arm(self.timer, cx.nanos().saturating_add(self.timeout));
        }
        Admission::Wait
    }

    fn op(&mut self, _: u8, visit: Visit, cx: &mut Context) -> Admission {
        self.answered += 1;
        match *cx.word(visit) & 0xff {
            FAILS => {
                self.failed += 1;
                Admission::Reject(Fault::Failed)
            }
            TIMES_OUT => {
                self.failed += 1;
                Admission::Reject(Fault::TimedOut)
            }
            _ => Admission::Proceed,
        }
    }

    fn leave(&mut self, visit: Visit, _: Outcome, cx: &mut Context) {
        let word = *cx.word(visit);
        if word & 0xff == TIMES_OUT && self.limit != u64::MAX {
            self.orphans.push(Reverse(cx.nanos().saturating_add(word >> 8)));
            return self.await_orphan(cx);
        }
        self.end(cx);
        self.admit(cx);
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        self.line.remove(&mut cx.requests, visit.slot);
        cx.abandon(visit.instance, visit.slot);
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        if tag == ENDS {
            if !self.ending.rings(cx) {
                return;
            }
            while self.orphans.peek().is_some_and(|end| end.0 <= cx.nanos()) {
                self.orphans.pop();
                self.end(cx);
            }
            self.await_orphan(cx);
            return self.admit(cx);
        }
        self.armed = false;
        while let Some(slot) = self.line.head() {
            let due = cx.requests[slot].since.saturating_add(self.timeout);
            if due > cx.nanos() {
                self.armed = true;
                return cx.arm(self.timer, due);
            }
            self.line.pop_front(&mut cx.requests);
            cx.refuse(self.instance, slot, Fault::TimedOut);
        }
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.time = Sampler::new(&plan.time);
        self.failure_time = plan.failure_time.as_ref().map(Sampler::new);
        self.failure_rate = plan.failure_rate;
        self.timeout = plan.timeout;
        self.limit = plan.concurrency;
        self.admit(cx);
        self.wake(0, cx);
    }

    /// With calls whose callers have given up, which keep their places.
    fn busy(&self, now: SimTime, _: &Context) -> Option<f64> {
        Some(self.occupied.area(now) as f64)
    }

    fn reset(&mut self, now: SimTime) {
        self.occupied.reset(now);
        (self.answered, self.failed) = (0, 0);
    }

    fn observe(&self, _: &Context, _: SimTime, out: &mut Readings) {
        if self.answered > 0 {
            let (failed, answered) = (self.failed as f64, self.answered as f64);
            out.ratio("failure_share", Unit::Share, failed, answered);
        }
    }
}

impl External {
    fn begin(&mut self, cx: &Context) {
        self.busy += 1;
        self.occupied.enter(cx.now());
    }

    fn end(&mut self, cx: &Context) {
        self.busy -= 1;
        self.occupied.leave(cx.now());
    }

    /// How the call will end and how long it takes.
    fn call(&self, visit: Visit, cx: &Context) -> u64 {
        let site = &cx.sites[visit.site as usize];
        let key = cx.requests[visit.slot].key;
        // The complement keys a second draw of the same step.
        let fails = self.failure_rate > 0.0 && Draws::new(site.purpose, !key).unit() < self.failure_rate;
        let time = match &self.failure_time {
            Some(law) if fails => cx.sample(law, &mut cx.site_draws(visit)),
            _ if site.sampler.is_some() => visit.demand,
            _ => cx.sample(&self.time, &mut cx.site_draws(visit)),
        };
        time.min(LONGEST) << 8 | if fails { FAILS } else { GOOD }
    }

    /// Begins to serve a call that may take no longer than `limit`; how long it takes.
    fn serve(&self, visit: Visit, call: u64, limit: u64, cx: &mut Context) -> u64 {
        let time = call >> 8;
        *cx.word(visit) = match time.checked_sub(limit) {
            Some(more) if more > 0 => more << 8 | TIMES_OUT,
            _ => call & 0xff,
        };
        time.min(limit)
    }

    fn await_orphan(&mut self, cx: &mut Context) {
        if let Some(Reverse(end)) = self.orphans.peek() {
            self.ending.set(*end, cx);
        }
    }

    fn admit(&mut self, cx: &mut Context) {
        while self.busy < self.limit
            && let Some(slot) = self.line.pop_front(&mut cx.requests)
        {
            self.begin(cx);
            let visit = cx.waiting_visit(self.instance, slot);
            let call = *cx.word(visit);
            let waited = cx.nanos() - cx.requests[slot].since;
            let time = self.serve(visit, call, self.timeout.saturating_sub(waited), cx);
            cx.admit_for(self.instance, slot, time);
        }
    }
}
