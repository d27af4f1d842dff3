//! A bulkhead: lets only so many calls in at once (resilience4j's semaphore `Bulkhead`).
//!
//! ```toml
//! [bulkhead.payment]
//! max-concurrent-calls = 25
//! max-wait-duration = "0s"
//! ```
//!
//! Who finds it full waits its turn for `max-wait-duration` on its own thread, then is rejected; by default at once.

use super::contract::*;
use super::permits::Permits;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Outcome, Visit};
use crate::quantity::SimDuration;

/// As running.
pub struct Bulkhead {
    permits: Permits,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    calls: u64,
    wait: u64,
}

impl Component for Bulkhead {
    const KIND: &'static str = "bulkhead";
    const ABOUT: &'static str = "lets only so many calls in at once";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key(
            "max-concurrent-calls",
            Form::Count,
            Some("25"),
            "calls inside at once (resilience4j `maxConcurrentCalls`, 25)",
        ),
        key(
            "max-wait-duration",
            Form::Duration,
            Some("\"0s\""),
            "how long a caller waits to get in (resilience4j `maxWaitDuration`, 0)",
        ),
    ];
    const SETTABLE: &'static [&'static str] = &["max-concurrent-calls", "max-wait-duration"];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
        let calls = reader.count("max-concurrent-calls");
        let wait = reader.duration("max-wait-duration");
        Some(Plan {
            calls: calls?,
            wait: wait?.nanos(),
        })
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        Some(plan.calls as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "calls",
            patience: Some((SimDuration::from_nanos(plan.wait), "max-wait-duration")),
            bounded: plan.wait == 0,
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let timer = build.timer(0);
        Bulkhead {
            permits: Permits::new(plan.calls, plan.wait, Fault::Rejected, build.instance, timer),
        }
    }

    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        if self.permits.patience == 0 && self.permits.taken >= self.permits.limit {
            return Admission::Reject(Fault::Rejected);
        }
        self.permits.acquire(visit, cx)
    }

    fn leave(&mut self, _: Visit, _: Outcome, cx: &mut Context) {
        self.permits.release(cx);
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        self.permits.cancel(visit, cx);
    }

    fn wake(&mut self, _: u32, cx: &mut Context) {
        self.permits.expire(cx);
    }

    /// Who waits already is held to the new time, too.
    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.permits.patience = plan.wait;
        self.permits.resize(plan.calls, cx);
        self.permits.expire(cx);
    }
}
