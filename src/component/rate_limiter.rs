//! A rate limiter: so many calls in each period (resilience4j `RateLimiter`).
//!
//! ```toml
//! [rate-limiter.partner]
//! limit-for-period = 50
//! limit-refresh-period = "1s"
//! timeout-duration = "5s"
//! ```
//!
//! Periods follow one another from the start of the process. Each brings `limit-for-period` permits; unused ones are
//! lost. A caller who finds none reserves one of a later period if that begins within `timeout-duration`, and
//! sleeps until then. Otherwise it sleeps the whole `timeout-duration` and is rejected. Nothing is given back.

use super::alarm::Alarm;
use super::contract::*;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Line, Visit};
use crate::quantity::{SimDuration, SimTime};

/// As running. A waiter's word is the instant at which its sleep ends.
pub struct RateLimiter {
    plan: Plan,
    budget: Budget,
    /// Those who reserved a permit, and those who will be rejected: each line is in order of their instants.
    reserved: Line,
    hopeless: Line,
    alarms: [Alarm; 2],
    instance: u32,
    reservations: u64,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    limit: u64,
    period: u64,
    timeout: u64,
}

/// Permits of the current period; below zero when those of later ones are reserved.
#[derive(Copy, Clone, Debug)]
struct Budget {
    /// When the limiter was made: periods count from there, nanoseconds.
    origin: u64,
    cycle: u64,
    permits: i64,
}

impl Budget {
    fn new(plan: &Plan, now: u64) -> Budget {
        Budget {
            origin: now,
            cycle: 0,
            permits: plan.limit as i64,
        }
    }

    fn turn(&mut self, plan: &Plan, now: u64) {
        let cycle = (now - self.origin) / plan.period;
        let new = (cycle - self.cycle) as i128 * plan.limit as i128;
        self.cycle = cycle;
        self.permits = (self.permits as i128 + new).min(plan.limit as i128) as i64;
    }

    /// Takes a permit; how long from now it is good, or `None` if that is later than the caller waits.
    fn reserve(&mut self, plan: &Plan, now: u64) -> Option<u64> {
        self.turn(plan, now);
        let wait = if self.permits >= 1 {
            0
        } else {
            // Permits missing after the next period's have come decide how many whole periods are waited for.
            let to_next = (self.cycle + 1).saturating_mul(plan.period) - (now - self.origin);
            let missing = 1 - (self.permits as i128 + plan.limit as i128);
            let full = (missing.max(0) as u128).div_ceil(plan.limit as u128);
            (full as u64).saturating_mul(plan.period).saturating_add(to_next)
        };
        (wait <= plan.timeout).then(|| {
            self.permits -= 1;
            wait
        })
    }
}

const RESERVED: u32 = 0;
const HOPELESS: u32 = 1;
/// Marks the word of a waiter in the line of those who will be rejected.
const DOOMED: u64 = 1 << 63;

impl Component for RateLimiter {
    const KIND: &'static str = "rate-limiter";
    const ABOUT: &'static str = "lets so many calls in during each period";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key(
            "limit-for-period",
            Form::Count,
            Some("50"),
            "permits of one period (resilience4j `limitForPeriod`, 50)",
        ),
        key(
            "limit-refresh-period",
            Form::Duration,
            Some("\"500ns\""),
            "length of a period (resilience4j `limitRefreshPeriod`, 500 ns: as good as no limit)",
        ),
        key(
            "timeout-duration",
            Form::Duration,
            Some("\"5s\""),
            "how long a caller sleeps for a permit (resilience4j `timeoutDuration`, 5 s)",
        ),
    ];
    const SETTABLE: &'static [&'static str] =
        &["limit-for-period", "limit-refresh-period", "timeout-duration"];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
        let limit = reader.count_in("limit-for-period", 1..=u32::MAX as u64);
        let period = reader.positive_duration("limit-refresh-period");
        let timeout = reader.duration("timeout-duration");
        Some(Plan {
            limit: limit?,
            period: period?.nanos(),
            timeout: timeout?.nanos(),
        })
    }

    fn facts(plan: &Plan) -> Facts {
        let rate = plan.limit as f64 * 1e9 / plan.period as f64;
        Facts {
            unit: "calls",
            // resilience4j's default is as good as no limit.
            rate: (rate < 1e6).then_some(rate),
            patience: Some((SimDuration::from_nanos(plan.timeout), "timeout-duration")),
            bounded: true,
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        RateLimiter {
            budget: Budget::new(plan, 0),
            plan: plan.clone(),
            reserved: Line::default(),
            hopeless: Line::default(),
            alarms: [RESERVED, HOPELESS].map(|tag| Alarm::new(build.timer(tag))),
            instance: build.instance,
            reservations: 0,
        }
    }

    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let now = cx.nanos();
        let (line, tag, due, mark) = match self.budget.reserve(&self.plan, now) {
            Some(0) => return Admission::Proceed,
            Some(wait) => {
                self.reservations += 1;
                (&mut self.reserved, RESERVED, now.saturating_add(wait), 0)
            }
            None if self.plan.timeout == 0 => return Admission::Reject(Fault::Rejected),
            None => {
                let due = now.saturating_add(self.plan.timeout);
                (&mut self.hopeless, HOPELESS, due, DOOMED)
            }
        };
        cx.begin_wait(visit);
        *cx.word(visit) = due.min(DOOMED - 1) | mark;
        // Usually the end; a shorter time-out set during the run puts later callers before earlier ones.
        let mut behind = None;
        let mut at = line.tail();
        while let Some(slot) = at
            && *cx.waiting_word(slot) & !DOOMED > due
        {
            behind = at;
            at = line.before(&cx.requests, slot);
        }
        line.insert_before(&mut cx.requests, behind, visit.slot);
        self.alarms[tag as usize].set(due, cx);
        Admission::Wait
    }

    /// The permit of a caller who leaves is not given back.
    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        let doomed = *cx.word(visit) & DOOMED != 0;
        let line = if doomed {
            &mut self.hopeless
        } else {
            &mut self.reserved
        };
        line.remove(&mut cx.requests, visit.slot);
        cx.abandon(visit.instance, visit.slot);
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        if !self.alarms[tag as usize].rings(cx) {
            return;
        }
        loop {
            let line = match tag {
                RESERVED => &mut self.reserved,
                _ => &mut self.hopeless,
            };
            let Some(slot) = line.head() else { return };
            let due = *cx.waiting_word(slot) & !DOOMED;
            if due > cx.nanos() {
                return self.alarms[tag as usize].set(due, cx);
            }
            line.pop_front(&mut cx.requests);
            match tag {
                RESERVED => cx.admit(self.instance, slot),
                _ => cx.refuse(self.instance, slot, Fault::Rejected),
            }
        }
    }

    /// A process that comes back has a new limiter.
    fn started(&mut self, cx: &mut Context) {
        self.budget = Budget::new(&self.plan, cx.nanos());
    }

    /// Permits at hand stay what they are, as far as the new limit allows; sleepers sleep on.
    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.budget.turn(&self.plan, cx.nanos());
        self.plan = plan.clone();
        self.budget.cycle = (cx.nanos() - self.budget.origin) / plan.period;
        self.budget.permits = self.budget.permits.min(plan.limit as i64);
    }

    fn reset(&mut self, _: SimTime) {
        self.reservations = 0;
    }

    fn observe(&self, cx: &Context, _: SimTime, out: &mut Readings) {
        let mut budget = self.budget;
        budget.turn(&self.plan, cx.nanos());
        out.add(
            "available_permissions",
            Unit::Count,
            Combine::Sum,
            budget.permits as f64,
        );
        out.add(
            "reservations",
            Unit::Count,
            Combine::Sum,
            self.reservations as f64,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn plan() -> Plan {
        Plan {
            limit: 5,
            period: SECOND,
            timeout: 2 * SECOND,
        }
    }

    #[test]
    fn twenty_calls_after_the_start_of_a_period_wait_for_three_periods_or_in_vain() {
        let (plan, e) = (plan(), 1000);
        let mut budget = Budget::new(&plan, 0);
        let waits: Vec<Option<u64>> = (0..20).map(|_| budget.reserve(&plan, e)).collect();
        let want = [Some(0), Some(SECOND - e), Some(2 * SECOND - e), None];
        for (i, wait) in waits.into_iter().enumerate() {
            assert_eq!(wait, want[i / 5], "call {}", i + 1);
        }
    }

    #[test]
    fn unused_permits_are_lost_and_reserved_ones_stay_taken() {
        let plan = plan();
        let mut budget = Budget::new(&plan, 0);
        budget.turn(&plan, 100 * SECOND);
        assert_eq!(budget.permits, 5);
        for _ in 0..8 {
            budget.reserve(&plan, 100 * SECOND);
        }
        assert_eq!(budget.permits, -3);
        budget.turn(&plan, 101 * SECOND);
        assert_eq!(budget.permits, 2);
    }
}
