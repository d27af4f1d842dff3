//! A system that is not modelled further: it answers after a time, or fails.
//!
//! ```toml
//! [external.card-gateway]
//! time = "uniform(50ms, 150ms)"
//! failure-rate = "0.5%"
//! concurrency = 50
//! ```
//!
//! A step `{ use = "card-gateway" }` calls it; `time` in the step takes the place of its own.

use super::contract::*;
use super::permits::Permits;
use crate::distribution::{Law, LawUnit, Sampler};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Outcome, Visit};
use crate::quantity::SimTime;

/// As running.
pub struct External {
    calls: Permits,
    time: Option<Sampler>,
    failure_time: Option<Sampler>,
    failure_rate: f64,
    failed: u64,
    answered: u64,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    time: Option<Law>,
    failure_rate: f64,
    failure_time: Option<Law>,
    concurrency: u64,
}

/// The operation behind the wait: the answer is there, good or bad.
const ANSWER: u8 = 0;

impl Component for External {
    const KIND: &'static str = "external";
    const ABOUT: &'static str = "a system that is not modelled further: it answers after a time, or fails";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key("time", Form::Law, None, "until the answer"),
        key(
            "failure-rate",
            Form::Share,
            Some("\"0%\""),
            "share of the calls that fail",
        ),
        key(
            "failure-time",
            Form::Law,
            None,
            "until a failure is known; without it as long as an answer takes",
        ),
        key(
            "concurrency",
            Form::Count,
            None,
            "calls that it works on at once; more wait, first come, first served",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let mut law = |key: &str| match reader.law(key) {
            Some(text) => {
                let what = format!("`{key}` of {}", reader.what());
                read_law(&text, LawUnit::Duration, &what, names, reader.sink()).map(Some)
            }
            None => (!reader.has(key)).then_some(None),
        };
        let (time, failure_time) = (law("time"), law("failure-time"));
        let failure_rate = reader.share("failure-rate");
        let concurrency = match reader.has("concurrency") {
            true => reader.count_in("concurrency", 1..=u32::MAX as u64),
            false => Some(u64::MAX),
        };
        Some(Plan {
            time: time?,
            failure_rate: failure_rate?.0,
            failure_time: failure_time?,
            concurrency: concurrency?,
        })
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        (plan.concurrency != u64::MAX).then_some(plan.concurrency as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        let mean = |law: &Option<Law>| law.as_ref().map(|l| l.mean().unwrap_or(f64::INFINITY));
        let answer = mean(&plan.time).unwrap_or(0.0);
        let failure = mean(&plan.failure_time).unwrap_or(answer);
        Facts {
            unit: "calls",
            time: match plan.failure_rate {
                0.0 => answer,
                share => (1.0 - share) * answer + share * failure,
            },
            failure: plan.failure_rate,
            ..Facts::default()
        }
    }

    fn lower(_: &Plan, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
        let site = lowering.site(step.path.clone(), step.time.clone());
        let frame = lowering
            .asm
            .enter(step.place.base, step.place.sel, site, false, step.name.clone());
        let answer = lowering.site(format!("{}/answer", step.path), None);
        lowering
            .asm
            .op_at(step.place.base, step.place.sel, frame, CALL, site, "the call");
        lowering.asm.op_at(
            step.place.base,
            step.place.sel,
            frame,
            ANSWER,
            answer,
            "the answer",
        );
        body(lowering);
        lowering.asm.leave(step.name.clone());
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let timer = build.timer(0);
        External {
            calls: Permits::new(plan.concurrency, u64::MAX, Fault::Rejected, build.instance, timer),
            time: plan.time.as_ref().map(Sampler::new),
            failure_time: plan.failure_time.as_ref().map(Sampler::new),
            failure_rate: plan.failure_rate,
            failed: 0,
            answered: 0,
        }
    }

    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        // The step's own time, if it has one, was drawn with the step; it is kept for when the call begins.
        *cx.word(visit) = visit.demand;
        self.calls.acquire(visit, cx)
    }

    fn op(&mut self, op: u8, visit: Visit, cx: &mut Context) -> Admission {
        if op == CALL {
            let mut draws = cx.site_draws(visit);
            let fails = self.failure_rate > 0.0 && draws.unit() < self.failure_rate;
            let own = std::mem::replace(cx.word(visit), fails as u64);
            let sampler = if fails && self.failure_time.is_some() {
                &self.failure_time
            } else {
                &self.time
            };
            let time = match sampler {
                _ if own > 0 => own,
                Some(sampler) => cx.sample(sampler, &mut draws),
                None => 0,
            };
            return if time > 0 {
                Admission::Serve(time)
            } else {
                Admission::Proceed
            };
        }
        if *cx.word(visit) == 1 {
            self.failed += 1;
            return Admission::Reject(Fault::Failed);
        }
        self.answered += 1;
        Admission::Proceed
    }

    fn leave(&mut self, _: Visit, _: Outcome, cx: &mut Context) {
        self.calls.release(cx);
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        self.calls.cancel(visit, cx);
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.time = plan.time.as_ref().map(Sampler::new);
        self.failure_time = plan.failure_time.as_ref().map(Sampler::new);
        self.failure_rate = plan.failure_rate;
        self.calls.resize(plan.concurrency, cx);
    }

    fn reset(&mut self, _: SimTime) {
        (self.failed, self.answered) = (0, 0);
    }

    fn observe(&self, _: &Context, _: SimTime, out: &mut Readings) {
        let calls = self.failed + self.answered;
        if calls > 0 {
            out.add(
                "error_share",
                Unit::Share,
                Combine::Mean,
                self.failed as f64 / calls as f64,
            );
        }
    }
}

/// The operation that begins the wait.
const CALL: u8 = 1;
