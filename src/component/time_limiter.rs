//! A time limiter: its caller leaves when the steps inside take too long (resilience4j `TimeLimiter`).
//!
//! ```toml
//! [time-limiter.payment]
//! timeout-duration = "500ms"
//! cancel-running = false      # the work goes on without its caller
//! ```
//!
//! A step `{ use = "payment", steps = [..] }` fails with `timed_out` after `timeout-duration`. The steps inside run on a
//! thread of their own. Without `cancel-running` it goes on to its end and holds what it took, as the work of a
//! `CompletionStage` does. With it the thread is interrupted (`Future.cancel(true)`): a wait for a pool, a bulkhead, a
//! rate limiter or a station, a synchronous send, a `delay` and the wait before a retry end at once, and the thread gives back what it
//! holds. A `query`, a row lock, an `external` and a `call` are not cut short: the thread reads the answer first, and the
//! other system knows nothing of it; `cpu` is finished too. Then the thread ends at its next step, its retries included; a breaker or
//! a retry around what was answered well has seen a success.

use super::alarm::Alarm;
use super::contract::*;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Effect, Fault, NONE, Outcome, Visit};
use crate::quantity::{SimDuration, SimTime};

/// As running: the open scopes in the order in which they were opened. All have the same time, so the first
/// is due first and one timer is enough. A scope's word holds its neighbours' frames.
pub struct TimeLimiter {
    timeout: u64,
    first: u32,
    last: u32,
    alarm: Alarm,
    /// A deadline passed while the process whose threads notice it stood still.
    late: bool,
    expiring: u32,
    successful: u64,
    failed: u64,
    timeouts: u64,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    timeout: u64,
    cancel: bool,
}

impl Component for TimeLimiter {
    const KIND: &'static str = "time-limiter";
    const ABOUT: &'static str = "lets its caller leave when the steps inside take too long";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key(
            "timeout-duration",
            Form::Duration,
            Some("\"1s\""),
            "how long the steps inside may take (resilience4j `timeoutDuration`, 1 s)",
        ),
        key(
            "cancel-running",
            Form::Boolean,
            Some("true"),
            "whether the work ends with its caller's patience (resilience4j `cancelRunningFuture`, true; a `CompletionStage` is never cancelled)",
        ),
    ];
    const FREEZES: bool = true;
    const SETTABLE: &'static [&'static str] = &["timeout-duration"];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
        let timeout = reader.positive_duration("timeout-duration");
        let cancel = reader.boolean("cancel-running");
        Some(Plan {
            timeout: timeout?.nanos(),
            cancel: cancel?,
        })
    }

    fn accepts(_: &Plan, usage: Usage) -> Result<(), String> {
        match usage {
            Usage::Hold => Ok(()),
            Usage::Serve => Err("a time limiter needs `steps` whose time it limits".into()),
        }
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            deadline: Some((SimDuration::from_nanos(plan.timeout), "timeout-duration")),
            ..Facts::default()
        }
    }

    fn lower(plan: &Plan, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
        lowering.visit(step, false, &mut |lowering| {
            let branch = lowering
                .asm
                .branch_off(plan.cancel, "work whose caller may leave");
            body(lowering);
            lowering.asm.come_back(branch);
        });
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        TimeLimiter {
            timeout: plan.timeout,
            first: NONE,
            last: NONE,
            alarm: Alarm::new(build.timer(0)),
            late: false,
            expiring: NONE,
            successful: 0,
            failed: 0,
            timeouts: 0,
        }
    }

    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        *cx.word(visit) = pair(self.last, NONE);
        match self.last {
            NONE => self.first = visit.frame,
            last => {
                let word = &mut cx.requests.frame(last).word;
                *word = pair(before(*word), visit.frame);
            }
        }
        self.last = visit.frame;
        self.alarm.set(cx.nanos().saturating_add(self.timeout), cx);
        Admission::Proceed
    }

    fn leave(&mut self, visit: Visit, outcome: Outcome, cx: &mut Context) {
        let word = *cx.word(visit);
        let (prev, next) = (before(word), after(word));
        match prev {
            NONE => self.first = next,
            prev => {
                let word = &mut cx.requests.frame(prev).word;
                *word = pair(before(*word), next);
            }
        }
        match next {
            NONE => self.last = prev,
            next => {
                let word = &mut cx.requests.frame(next).word;
                *word = pair(prev, after(*word));
            }
        }
        let expired = std::mem::replace(&mut self.expiring, NONE) == visit.frame;
        match outcome {
            Outcome::Done => self.successful += 1,
            Outcome::Failed(_) if expired => self.timeouts += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Cancelled => {}
        }
    }

    /// One scope at a time: closing one may end others.
    fn wake(&mut self, _: u32, cx: &mut Context) {
        if !self.alarm.rings(cx) || self.first == NONE {
            return;
        }
        let mut frame = self.first;
        let slot = loop {
            let due = self.due(frame, cx);
            if due > cx.nanos() {
                return self.alarm.set(due, cx);
            }
            let slot = cx.requests.owner_of(frame);
            if !cx.is_frozen(slot) {
                break slot;
            }
            // A process that is paused does not look at the clock.
            self.late = true;
            frame = after(cx.requests.frame(frame).word);
            if frame == NONE {
                return;
            }
        };
        let next = after(cx.requests.frame(frame).word);
        if next != NONE {
            let due = self.due(next, cx);
            self.alarm.set(due, cx);
        }
        self.expiring = frame;
        cx.leave_effect(Effect::Expire {
            slot,
            frame,
            fault: Fault::TimedOut,
        });
    }

    fn thaw(&mut self, _: u32, cx: &mut Context) {
        if std::mem::take(&mut self.late) {
            let now = cx.nanos();
            self.alarm.set(now, cx);
        }
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.timeout = plan.timeout;
        if self.first != NONE {
            let due = self.due(self.first, cx);
            self.alarm.set(due, cx);
        }
    }

    fn reset(&mut self, _: SimTime) {
        (self.successful, self.failed, self.timeouts) = (0, 0, 0);
    }

    fn observe(&self, _: &Context, _: SimTime, out: &mut Readings) {
        for (name, n) in [
            ("calls_successful", self.successful),
            ("calls_failed", self.failed),
            ("calls_timeout", self.timeouts),
        ] {
            out.add(name, Unit::Count, Combine::Sum, n as f64);
        }
    }
}

impl TimeLimiter {
    fn due(&self, frame: u32, cx: &mut Context) -> u64 {
        cx.requests.frame(frame).start.saturating_add(self.timeout)
    }
}

fn pair(before: u32, after: u32) -> u64 {
    (before as u64) << 32 | after as u64
}

fn before(word: u64) -> u32 {
    (word >> 32) as u32
}

fn after(word: u64) -> u32 {
    word as u32
}
