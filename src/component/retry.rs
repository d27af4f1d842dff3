//! A retry: runs the steps inside again when they fail (resilience4j `Retry`).
//!
//! ```toml
//! [retry.payment]
//! max-attempts = 3
//! wait-duration = "500ms"
//! back-off = "exponential"
//! jitter = 0.5
//! ignore = ["not_permitted"]
//! ```
//!
//! A step `{ use = "payment", steps = [..] }` runs its steps up to `max-attempts` times. Between two attempts the
//! caller sleeps and keeps what it holds outside the scope: its thread above all. Each attempt draws anew what happens to it: times,
//! failures, choices. What the request is about stays: keys of locks, caches and messages, how often `repeat` runs, and
//! choices `by = "request"`.

use super::contract::*;
use super::faults;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::request::round_key;
use crate::kernel::{Admission, Caught, Context, Fault, Faults, Outcome, Visit};
use crate::quantity::{SimDuration, SimTime};

/// As running. A visit's word counts the attempts that failed.
pub struct Retry {
    plan: Plan,
    retries: u64,
    successful_without_retry: u64,
    successful_with_retry: u64,
    failed_without_retry: u64,
    failed_with_retry: u64,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    attempts: u64,
    wait: SimDuration,
    /// What each wait is longer than the one before; 1 for a fixed wait.
    multiplier: f64,
    longest: Option<SimDuration>,
    jitter: f64,
    on: Faults,
    ignore: Faults,
}

impl Plan {
    /// The wait after the attempt with this number, counted from 1; `u` is uniform in (0, 1).
    fn wait(&self, attempt: u64, u: f64) -> u64 {
        let mut seconds = self.wait.as_secs_f64();
        for _ in 1..attempt.min(10_000) {
            seconds *= self.multiplier;
        }
        if self.jitter > 0.0 {
            seconds *= 1.0 - self.jitter + 2.0 * self.jitter * u;
        }
        // resilience4j's `ofExponentialRandomBackoff`: the smaller of what was drawn and the longest.
        if let Some(longest) = self.longest {
            seconds = seconds.min(longest.as_secs_f64());
        }
        if seconds == self.wait.as_secs_f64() {
            return self.wait.nanos();
        }
        SimDuration::from_secs_f64(seconds).nanos()
    }

    fn retries(&self, fault: Fault) -> bool {
        self.on.contains(fault) && !self.ignore.contains(fault)
    }
}

const BACK_OFFS: &[&str] = &["fixed", "exponential"];

impl Component for Retry {
    const KIND: &'static str = "retry";
    const ABOUT: &'static str = "runs the steps inside again when they fail";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key(
            "max-attempts",
            Form::Count,
            Some("3"),
            "attempts, the first one included (resilience4j `maxAttempts`, 3)",
        ),
        key(
            "wait-duration",
            Form::Duration,
            Some("\"500ms\""),
            "between two attempts (resilience4j `waitDuration`, 500 ms)",
        ),
        key(
            "back-off",
            Form::Choice(BACK_OFFS),
            Some("\"fixed\""),
            "whether waits grow (resilience4j: fixed)",
        ),
        key(
            "multiplier",
            Form::Number,
            Some("1.5"),
            "growth of an exponential back-off (resilience4j `exponentialBackoffMultiplier`, 1.5)",
        ),
        key(
            "max-wait-duration",
            Form::Duration,
            None,
            "longest wait of an exponential back-off, jitter included (resilience4j `exponentialMaxWaitDuration`)",
        ),
        key(
            "jitter",
            Form::Share,
            Some("0"),
            "each wait is drawn this far around its length (resilience4j `randomizedWaitFactor`: 0.5 when waits are randomised)",
        ),
        key(
            "on",
            Form::List,
            None,
            "names of the faults that are tried again; without it all (resilience4j `retryExceptions`)",
        ),
        key(
            "ignore",
            Form::List,
            None,
            "names of faults that are not tried again (resilience4j `ignoreExceptions`)",
        ),
    ];
    const CATCHES: bool = true;
    const SETTABLE: &'static [&'static str] = &[
        "max-attempts",
        "wait-duration",
        "back-off",
        "multiplier",
        "max-wait-duration",
        "jitter",
        "on",
        "ignore",
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
        let attempts = reader.count_in("max-attempts", 1..=1_000_000);
        let wait = reader.duration("wait-duration");
        let exponential = reader.choice("back-off").map(|b| b == "exponential");
        let multiplier = reader.number_in("multiplier", 1.0..=1000.0);
        let longest = match reader.has("max-wait-duration") {
            true => reader.duration("max-wait-duration").map(Some),
            false => Some(None),
        };
        let jitter = reader.share("jitter");
        let on = faults::read(reader, "on", Faults::ALL);
        let ignore = faults::read(reader, "ignore", Faults::NONE);
        let exponential = exponential?;
        if !exponential {
            for name in ["multiplier", "max-wait-duration"] {
                if reader.has(name) {
                    let (span, what) = (reader.key_span(name), reader.what().to_owned());
                    reader
                        .sink()
                        .warning(
                            span,
                            "no-effect",
                            format!("{what}: `{name}` has no effect on a fixed wait"),
                        )
                        .help("add `back-off = \"exponential\"`");
                }
            }
        }
        Some(Plan {
            attempts: attempts?,
            wait: wait?,
            multiplier: if exponential { multiplier? } else { 1.0 },
            longest: longest?,
            jitter: jitter?.0,
            on: on?,
            ignore: ignore?,
        })
    }

    fn accepts(_: &Plan, usage: Usage) -> Result<(), String> {
        match usage {
            Usage::Hold => Ok(()),
            Usage::Serve => Err("a retry needs `steps` that it can run again".into()),
        }
    }

    fn facts(plan: &Plan) -> Facts {
        // Only what fails by itself is known before a run.
        let attempts = if plan.retries(Fault::Failed) {
            plan.attempts
        } else {
            1
        };
        let longest = plan.longest.map_or(f64::INFINITY, |d| d.as_secs_f64());
        Facts {
            attempts: attempts as f64,
            waits: (plan.wait.as_secs_f64(), plan.multiplier, longest),
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, _: &mut Build) -> Self {
        Retry {
            plan: plan.clone(),
            retries: 0,
            successful_without_retry: 0,
            successful_with_retry: 0,
            failed_without_retry: 0,
            failed_with_retry: 0,
        }
    }

    fn enter(&mut self, _: Visit, _: &mut Context) -> Admission {
        Admission::Proceed
    }

    fn caught(&mut self, visit: Visit, fault: Fault, cx: &mut Context) -> Caught {
        if !self.plan.retries(fault) {
            self.failed_without_retry += 1;
            return Caught::Propagate;
        }
        let failed = *cx.word(visit) + 1;
        if failed >= self.plan.attempts {
            self.failed_with_retry += 1;
            return Caught::Propagate;
        }
        self.retries += 1;
        let u = match self.plan.jitter > 0.0 {
            true => cx.site_draws(visit).unit(),
            false => 0.5,
        };
        let wait = self.plan.wait(failed, u);
        *cx.word(visit) = failed;
        let tag = tag(visit, cx);
        cx.requests
            .vary(visit.slot, round_key(tag, failed - 1) ^ round_key(tag, failed));
        Caught::Again(wait)
    }

    fn leave(&mut self, visit: Visit, outcome: Outcome, cx: &mut Context) {
        let failed = *cx.word(visit);
        let tag = tag(visit, cx);
        cx.requests.vary(visit.slot, round_key(tag, failed));
        match (outcome, failed) {
            (Outcome::Done, 0) => self.successful_without_retry += 1,
            (Outcome::Done, _) => self.successful_with_retry += 1,
            _ => {}
        }
    }

    fn adopt(&mut self, plan: &Plan, _: &mut Context) {
        self.plan = plan.clone();
    }

    fn reset(&mut self, _: SimTime) {
        (
            self.retries,
            self.successful_without_retry,
            self.successful_with_retry,
        ) = (0, 0, 0);
        (self.failed_without_retry, self.failed_with_retry) = (0, 0);
    }

    fn observe(&self, _: &Context, _: SimTime, out: &mut Readings) {
        for (name, n) in [
            ("successful_without_retry", self.successful_without_retry),
            ("successful_with_retry", self.successful_with_retry),
            ("failed_without_retry", self.failed_without_retry),
            ("failed_with_retry", self.failed_with_retry),
            ("retries", self.retries),
        ] {
            out.add(name, Unit::Count, Combine::Sum, n as f64);
        }
    }
}

/// Sets the rounds of nested retries apart by how deep their scopes lie, which other flows do not change; the upper
/// bit sets them apart from those of loops.
fn tag(visit: Visit, cx: &Context) -> u32 {
    1 << 16 | (visit.frame - cx.requests.frame_index(visit.slot, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(multiplier: f64, jitter: f64) -> Plan {
        Plan {
            attempts: 3,
            wait: SimDuration::from_nanos(500_000_000),
            multiplier,
            longest: None,
            jitter,
            on: Faults::ALL,
            ignore: Faults::NONE,
        }
    }

    #[test]
    fn waits_are_fixed_or_grow_by_half_each_time() {
        let fixed: Vec<u64> = (1..4).map(|n| plan(1.0, 0.0).wait(n, 0.1)).collect();
        assert_eq!(fixed, [500_000_000; 3]);
        let growing: Vec<u64> = (1..4).map(|n| plan(1.5, 0.0).wait(n, 0.1)).collect();
        assert_eq!(growing, [500_000_000, 750_000_000, 1_125_000_000]);
    }

    #[test]
    fn a_wait_is_spread_before_it_is_capped() {
        // 1.125 s, spread from 562.5 ms to 1687.5 ms.
        let mut capped = plan(1.5, 0.5);
        capped.longest = Some(SimDuration::from_nanos(600_000_000));
        assert_eq!(capped.wait(3, 0.0), 562_500_000);
        assert_eq!(capped.wait(3, 0.5), 600_000_000);
        assert_eq!(capped.wait(3, 1.0), 600_000_000);
    }

    #[test]
    fn a_wait_that_grows_for_ever_stays_a_duration() {
        assert!(plan(1000.0, 0.0).wait(1_000_000, 0.5) > 0);
    }
}
