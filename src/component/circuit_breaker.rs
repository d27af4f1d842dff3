//! A circuit breaker: after too many failures it turns calls away for a while (resilience4j `CircuitBreaker`).
//!
//! ```toml
//! [circuit-breaker.payment]
//! sliding-window-type = "count-based"
//! sliding-window-size = 100
//! minimum-number-of-calls = 100
//! failure-rate-threshold = "50%"
//! wait-duration-in-open-state = "60s"
//! permitted-number-of-calls-in-half-open-state = 10
//! ignore = ["not_permitted"]
//! ```
//!
//! A step `{ use = "payment", steps = [..] }` is one call. Closed: each call that ends is recorded, then the rates
//! are compared with their thresholds. Open: calls fail with `not_permitted`. Half open: a few calls are let in, and
//! their outcome decides; calls that began before and end now count, too, as in the real one.
//! A call that a time limit around it cuts short is interrupted: that is an exception, and counts as `timed_out` does.

mod window;

use super::alarm::Alarm;
use super::contract::*;
use super::faults;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Faults, Outcome, Visit};
use crate::quantity::SimTime;
use window::Window;

/// As running.
pub struct CircuitBreaker {
    plan: Plan,
    state: State,
    window: Window,
    /// Calls that half open still lets in.
    permits: u64,
    /// Open: when it may become half open. Half open: when it opens again at the latest.
    until: u64,
    alarm: Alarm,
    /// When this state began to be measured, and time in each state before.
    since: u64,
    spent: [u64; 3],
    transitions: [u64; 3],
    not_permitted: u64,
    successful: u64,
    failed: u64,
    ignored: u64,
    slow: u64,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum State {
    Closed,
    HalfOpen,
    Open,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    by_time: bool,
    size: u64,
    minimum: u64,
    failure_rate: f64,
    slow_rate: f64,
    slow: u64,
    open_wait: u64,
    permitted: u64,
    automatic: bool,
    /// Zero for no limit.
    longest_half_open: u64,
    record: Faults,
    ignore: Faults,
}

const TYPES: &[&str] = &["count-based", "time-based"];

impl Component for CircuitBreaker {
    const KIND: &'static str = "circuit-breaker";
    const ABOUT: &'static str = "turns calls away for a while after too many failures";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key(
            "sliding-window-type",
            Form::Choice(TYPES),
            Some("\"count-based\""),
            "whether the window counts calls or seconds (resilience4j: COUNT_BASED)",
        ),
        key(
            "sliding-window-size",
            Form::Count,
            Some("100"),
            "calls or seconds that are looked back on (resilience4j, 100)",
        ),
        key(
            "minimum-number-of-calls",
            Form::Count,
            Some("100"),
            "calls without which no rate is formed (resilience4j, 100; at most the size of a window of calls)",
        ),
        key(
            "failure-rate-threshold",
            Form::Share,
            Some("\"50%\""),
            "share of failed calls from which it opens (resilience4j, 50 %)",
        ),
        key(
            "slow-call-rate-threshold",
            Form::Share,
            Some("\"100%\""),
            "share of slow calls from which it opens (resilience4j, 100 %)",
        ),
        key(
            "slow-call-duration-threshold",
            Form::Duration,
            Some("\"60s\""),
            "a call that takes longer is slow (resilience4j, 60 s)",
        ),
        key(
            "wait-duration-in-open-state",
            Form::Duration,
            Some("\"60s\""),
            "how long it stays open (resilience4j, 60 s)",
        ),
        key(
            "permitted-number-of-calls-in-half-open-state",
            Form::Count,
            Some("10"),
            "calls that try whether it works again (resilience4j, 10)",
        ),
        key(
            "automatic-transition-from-open-to-half-open",
            Form::Boolean,
            Some("false"),
            "becomes half open by itself, not at the next call (resilience4j, false)",
        ),
        key(
            "max-wait-duration-in-half-open-state",
            Form::Duration,
            Some("\"0s\""),
            "half open no longer than this, then open again; 0 waits for ever (resilience4j, 0)",
        ),
        key(
            "record",
            Form::List,
            None,
            "names of the faults that are failures; without it all; others count as success (resilience4j `recordExceptions`)",
        ),
        key(
            "ignore",
            Form::List,
            None,
            "names of faults that count as neither (resilience4j `ignoreExceptions`)",
        ),
    ];
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[
        // 0 closed, 1 half open, 2 open.
        ("state", Unit::Count, Combine::Mean),
        // As the real one shows it: in percent, -1 below the minimum of calls.
        ("failure_rate", Unit::Count, Combine::Max),
        ("slow_call_rate", Unit::Count, Combine::Max),
    ];
    const SETTABLE: &'static [&'static str] = &[
        "sliding-window-type",
        "sliding-window-size",
        "minimum-number-of-calls",
        "failure-rate-threshold",
        "slow-call-rate-threshold",
        "slow-call-duration-threshold",
        "wait-duration-in-open-state",
        "permitted-number-of-calls-in-half-open-state",
        "automatic-transition-from-open-to-half-open",
        "max-wait-duration-in-half-open-state",
        "record",
        "ignore",
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
        let by_time = reader.choice("sliding-window-type").map(|t| t == "time-based");
        let size = reader.count_in("sliding-window-size", 1..=1_000_000);
        let minimum = reader.count_in("minimum-number-of-calls", 1..=u32::MAX as u64);
        let failure_rate = rate(reader, "failure-rate-threshold");
        let slow_rate = rate(reader, "slow-call-rate-threshold");
        let slow = reader.positive_duration("slow-call-duration-threshold");
        let open_wait = reader.positive_duration("wait-duration-in-open-state");
        let permitted = reader.count_in("permitted-number-of-calls-in-half-open-state", 1..=1_000_000);
        let automatic = reader.boolean("automatic-transition-from-open-to-half-open");
        let longest = reader.duration("max-wait-duration-in-half-open-state");
        let record = faults::read(reader, "record", Faults::ALL);
        let ignore = faults::read(reader, "ignore", Faults::NONE);
        Some(Plan {
            by_time: by_time?,
            size: size?,
            minimum: minimum?,
            failure_rate: failure_rate?,
            slow_rate: slow_rate?,
            slow: slow?.nanos(),
            open_wait: open_wait?.nanos(),
            permitted: permitted?,
            automatic: automatic?,
            longest_half_open: longest?.nanos(),
            record: record?,
            ignore: ignore?,
        })
    }

    fn keeps(plan: &Plan) -> u64 {
        plan.size * 12
    }

    fn accepts(_: &Plan, usage: Usage) -> Result<(), String> {
        match usage {
            Usage::Hold => Ok(()),
            Usage::Serve => Err("a circuit breaker needs `steps` whose outcome it records".into()),
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        CircuitBreaker {
            window: Window::new(plan.by_time, plan.size, plan.minimum, 0),
            plan: plan.clone(),
            state: State::Closed,
            permits: 0,
            until: u64::MAX,
            alarm: Alarm::new(build.timer(0)),
            since: 0,
            spent: [0; 3],
            transitions: [0; 3],
            not_permitted: 0,
            successful: 0,
            failed: 0,
            ignored: 0,
            slow: 0,
        }
    }

    fn enter(&mut self, _: Visit, cx: &mut Context) -> Admission {
        // The next call after the wait tries again; the real one compares with `isAfter`.
        if self.state == State::Open && cx.nanos() > self.until {
            self.go(State::HalfOpen, cx);
        }
        let permitted = match self.state {
            State::Closed => true,
            State::HalfOpen if self.permits > 0 => {
                self.permits -= 1;
                true
            }
            State::HalfOpen | State::Open => false,
        };
        if permitted {
            return Admission::Proceed;
        }
        self.not_permitted += 1;
        Admission::Reject(Fault::NotPermitted)
    }

    fn leave(&mut self, visit: Visit, outcome: Outcome, cx: &mut Context) {
        let outcome = match outcome {
            // The interrupt reaches the call as an exception, unless its whole process has ended.
            Outcome::Cancelled if cx.is_running(visit.slot) => Outcome::Failed(Fault::TimedOut),
            other => other,
        };
        let failed = match outcome {
            Outcome::Cancelled => return self.give_back(),
            Outcome::Failed(fault) if self.plan.ignore.contains(fault) => {
                self.ignored += 1;
                return self.give_back();
            }
            Outcome::Failed(fault) => self.plan.record.contains(fault),
            Outcome::Done => false,
        };
        let now = cx.nanos();
        let slow = now - cx.requests.frame(visit.frame).start > self.plan.slow;
        match failed {
            true => self.failed += 1,
            false => self.successful += 1,
        }
        self.slow += slow as u64;
        if self.state == State::Open {
            return;
        }
        self.window.record(failed, slow, now);
        let Some((failures, slows)) = self.window.rates() else {
            return;
        };
        if failures >= self.plan.failure_rate || slows >= self.plan.slow_rate {
            self.go(State::Open, cx);
        } else if self.state == State::HalfOpen {
            self.go(State::Closed, cx);
        }
    }

    fn wake(&mut self, _: u32, cx: &mut Context) {
        if !self.alarm.rings(cx) {
            return;
        }
        if cx.nanos() < self.until {
            return self.alarm.set(self.until, cx);
        }
        match self.state {
            State::Open if self.plan.automatic => self.go(State::HalfOpen, cx),
            State::HalfOpen => self.go(State::Open, cx),
            _ => {}
        }
    }

    /// A process that comes back has a new breaker: closed, and without memory.
    fn stopped(&mut self, cx: &mut Context) {
        let before = self.transitions;
        self.go(State::Closed, cx);
        self.transitions = before;
    }

    /// Its state begins anew if what was set belongs to it: the window when closed, the trial when half open, the wait when open.
    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        let belongs = |p: &Plan| match self.state {
            State::Closed => [p.by_time as u64, p.size, p.minimum, 0],
            State::HalfOpen => [p.permitted, p.minimum, p.longest_half_open, 0],
            State::Open => [p.open_wait, p.automatic as u64, 0, 0],
        };
        let anew = belongs(&self.plan) != belongs(plan);
        self.plan = plan.clone();
        if anew {
            let state = self.state;
            self.go(state, cx);
        }
    }

    fn reset(&mut self, now: SimTime) {
        self.since = now.nanos();
        (self.spent, self.transitions) = ([0; 3], [0; 3]);
        (self.not_permitted, self.successful, self.failed) = (0, 0, 0);
        (self.ignored, self.slow) = (0, 0);
    }

    fn probe(&self, cx: &Context, out: &mut Vec<f64>) {
        let mut window = self.window.clone();
        if window.by_time {
            window.turn(cx.nanos());
        }
        let (failures, slows) = window.rates().unwrap_or((-1.0, -1.0));
        out.extend([self.state as u8 as f64, failures, slows]);
    }

    fn observe(&self, cx: &Context, _: SimTime, out: &mut Readings) {
        let mut spent = self.spent;
        spent[self.state as usize] += cx.nanos() - self.since;
        for (i, state) in ["closed", "half_open", "open"].into_iter().enumerate() {
            let seconds = spent[i] as f64 * 1e-9;
            out.add(format!("time_{state}"), Unit::Seconds, Combine::Mean, seconds);
            out.add(
                format!("transitions_to_{state}"),
                Unit::Count,
                Combine::Sum,
                self.transitions[i] as f64,
            );
        }
        for (name, n) in [
            ("not_permitted_calls", self.not_permitted),
            ("calls_successful", self.successful),
            ("calls_failed", self.failed),
            ("calls_ignored", self.ignored),
            ("slow_calls", self.slow),
        ] {
            out.add(name, Unit::Count, Combine::Sum, n as f64);
        }
    }
}

impl CircuitBreaker {
    /// Every transition starts with fresh figures.
    fn go(&mut self, to: State, cx: &mut Context) {
        let now = cx.nanos();
        self.spent[self.state as usize] += now - self.since;
        self.since = now;
        if to != self.state {
            self.transitions[to as usize] += 1;
        }
        self.state = to;
        self.until = u64::MAX;
        let p = &self.plan;
        match to {
            State::Closed => self.window = Window::new(p.by_time, p.size, p.minimum, now),
            State::HalfOpen => {
                self.permits = p.permitted;
                self.window = Window::new(false, p.permitted, p.minimum, now);
                if p.longest_half_open > 0 {
                    self.until = now.saturating_add(p.longest_half_open);
                    self.alarm.set(self.until, cx);
                }
            }
            State::Open => {
                self.until = now.saturating_add(p.open_wait);
                if p.automatic {
                    self.alarm.set(self.until, cx);
                }
            }
        }
    }

    /// A call that says nothing returns its permit.
    fn give_back(&mut self) {
        if self.state == State::HalfOpen {
            self.permits += 1;
        }
    }
}

/// A threshold above nothing, in percent.
fn rate(reader: &mut Reader, key: &str) -> Option<f64> {
    let share = reader.share(key)?.0;
    if share > 0.0 {
        return Some(share * 100.0);
    }
    let (span, what) = (reader.span(key), reader.what().to_owned());
    reader
        .sink()
        .error(
            span,
            "out-of-range",
            format!("`{key}` of {what} is zero: it would open at once"),
        )
        .help("give it a share above zero, such as \"50%\"");
    None
}
