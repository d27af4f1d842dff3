//! A host: cores that processes share.
//!
//! ```toml
//! [host.vps]
//! cores = 6
//! discipline = "processor-sharing"
//! contention = { sigma = 0.02, kappa = 0.001 }
//! ```
//!
//! Steps `{ cpu = "exp(2ms)" }` run on the host of their service.

use super::contract::*;
use super::processor_sharing::{Contention, ProcessorSharing};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Line, Outcome, TimerId, Visit};
use crate::quantity::SimTime;

/// As running.
pub struct Host {
    plan: Plan,
    instance: u32,
    sharing: ProcessorSharing,
    // First come, first served:
    busy: u64,
    /// Threads that belong to no request.
    others: u64,
    line: Line,
    /// Jobs of paused replicas, with what they have left.
    paused: Vec<(u32, u32, u64)>,
    load: LoadAverage,
    tick: TimerId,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub cores: f64,
    discipline: Discipline,
    speed: f64,
    contention: Contention,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Discipline {
    Sharing,
    FirstCome,
}

/// The one-minute load average as Linux computes it: every 5 s, decayed by exp(-5/60) (kernel/sched/loadavg.c).
#[derive(Default)]
struct LoadAverage {
    one: f64,
    max: f64,
    sum: f64,
    samples: u64,
}

const LOAD_PERIOD: u64 = 5_000_000_000;
const SHARING_TIMER: u32 = 0;
const LOAD_TIMER: u32 = 1;
const DISCIPLINES: &[&str] = &["processor-sharing", "fcfs"];

impl Component for Host {
    const KIND: &'static str = "host";
    const ABOUT: &'static str = "cores that processes share";
    const FREEZES: bool = true;
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[("load_average", Unit::Count, Combine::Sum)];
    const KEYS: &'static [Key] = &[
        key("cores", Form::Number, Some("1"), "how many run at once"),
        key(
            "discipline",
            Form::Choice(DISCIPLINES),
            Some("\"processor-sharing\""),
            "who runs: all at once at equal speed, or first come first served",
        ),
        key(
            "speed",
            Form::Number,
            Some("1.0"),
            "work done a second by one core; demands are stated for 1",
        ),
        key(
            "contention",
            Form::Table,
            None,
            "what oversubscription costs: `{ sigma = 0.02, kappa = 0.001, switch = 0.002 }` (Universal Scalability Law over runnable threads per core), `process-switch = \"1ms\"` each `slice` that goes to another process",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
        let cores = reader.number_in("cores", 0.001..=1e6);
        let discipline = match reader.choice("discipline")? {
            "fcfs" => Discipline::FirstCome,
            _ => Discipline::Sharing,
        };
        let speed = reader.number_in("speed", 1e-6..=1e6);
        let contention = check_contention(reader);
        let cores = cores?;
        if discipline == Discipline::FirstCome && cores.fract() != 0.0 {
            let span = reader.span("cores");
            reader.sink().error(
                span,
                "out-of-range",
                "first come first served needs a whole number of cores",
            );
            return None;
        }
        Some(Plan {
            cores,
            discipline,
            speed: speed?,
            contention: contention?,
        })
    }

    fn accepts(_: &Plan, usage: Usage) -> Result<(), String> {
        match usage {
            Usage::Serve => Ok(()),
            Usage::Hold => Err("a host is not held; use `{ cpu = \"2ms\" }`".into()),
        }
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        Some(plan.cores)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "cores",
            speed: plan.speed,
            ..Facts::default()
        }
    }

    fn lower(_: &Plan, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
        lowering.serve(step, body);
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let timer = build.timer(SHARING_TIMER);
        Host {
            plan: plan.clone(),
            instance: build.instance,
            sharing: ProcessorSharing::new(plan.cores, plan.speed, plan.contention, timer),
            busy: 0,
            others: 0,
            line: Line::default(),
            paused: Vec::new(),
            load: LoadAverage::default(),
            tick: build.timer(LOAD_TIMER),
        }
    }

    fn start(&mut self, cx: &mut Context) {
        cx.arm(self.tick, LOAD_PERIOD);
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        match self.plan.discipline {
            Discipline::FirstCome => {
                let demand = self.scaled(visit.demand);
                if ((self.busy + self.others) as f64) < self.plan.cores {
                    self.busy += 1;
                    return Admission::Serve(demand);
                }
                *cx.word(visit) = demand;
                cx.begin_wait(visit);
                self.line.push_back(&mut cx.requests, visit.slot);
                Admission::Wait
            }
            Discipline::Sharing => {
                if visit.demand == 0 {
                    *cx.word(visit) = 1;
                    return Admission::Proceed;
                }
                cx.unwaited(visit.instance);
                self.sharing.enter(visit.slot, visit.demand, cx);
                Admission::Wait
            }
        }
    }

    #[inline(always)]
    fn leave(&mut self, _: Visit, _: Outcome, cx: &mut Context) {
        if self.plan.discipline == Discipline::FirstCome {
            self.busy -= 1;
            self.admit_next(cx);
        }
    }

    fn load(&mut self, threads: i32, cx: &mut Context) {
        self.others = self.others.saturating_add_signed(threads as i64);
        match self.plan.discipline {
            Discipline::Sharing => self.sharing.set_others(self.others, cx),
            // Who is being served stays; fewer are let in behind them.
            Discipline::FirstCome => self.admit_next(cx),
        }
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        if tag == LOAD_TIMER {
            let runnable = match self.plan.discipline {
                Discipline::Sharing => self.sharing.runnable_now(),
                Discipline::FirstCome => self.busy + self.others + self.line.len() as u64,
            };
            self.load.sample(runnable as f64);
            return cx.arm(self.tick, cx.nanos() + LOAD_PERIOD);
        }
        self.sharing.wake(cx, |slot, cx| cx.proceed(slot));
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        match self.plan.discipline {
            Discipline::FirstCome => {
                self.line.remove(&mut cx.requests, visit.slot);
                cx.abandon(visit.instance, visit.slot);
            }
            Discipline::Sharing => match self.paused.iter().position(|p| p.1 == visit.slot) {
                Some(i) => {
                    self.paused.remove(i);
                }
                None => {
                    self.sharing.remove(visit.slot, cx);
                }
            },
        }
    }

    fn freeze(&mut self, replica: u32, cx: &mut Context) {
        if self.plan.discipline == Discipline::Sharing {
            let taken = self.sharing.take(replica, cx);
            self.paused
                .extend(taken.into_iter().map(|(slot, left)| (replica, slot, left)));
        }
    }

    fn thaw(&mut self, replica: u32, cx: &mut Context) {
        let (back, stay) = std::mem::take(&mut self.paused)
            .into_iter()
            .partition(|p| p.0 == replica);
        self.paused = stay;
        let back: Vec<(u32, u32, u64)> = back;
        for (_, slot, left) in back {
            self.sharing.enter(slot, left.max(1), cx);
        }
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.plan = plan.clone();
        self.sharing.adopt(plan.cores, plan.speed, plan.contention, cx);
    }

    fn reset(&mut self, now: SimTime) {
        self.sharing.busy.reset(now);
        self.sharing.runnable.reset(now);
        self.load = LoadAverage {
            one: self.load.one,
            ..LoadAverage::default()
        };
    }

    fn probe(&self, _: &Context, out: &mut Vec<f64>) {
        out.push(self.load.one);
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        if self.load.samples > 0 {
            out.add(
                "load_average_mean",
                Unit::Count,
                Combine::Mean,
                self.load.sum / self.load.samples as f64,
            );
            out.add("load_average_max", Unit::Count, Combine::Max, self.load.max);
        }
        if self.plan.discipline == Discipline::Sharing {
            let span = (cx.now() - since).nanos().max(1) as f64;
            let runnable = self.sharing.runnable.area(cx.now()) as f64 / span;
            out.add("runnable_mean", Unit::Count, Combine::Mean, runnable);
        }
    }

    fn busy(&self, now: SimTime) -> Option<f64> {
        (self.plan.discipline == Discipline::Sharing).then(|| self.sharing.busy.area(now) as f64 / 1000.0)
    }
}

impl Host {
    /// First come, first served: lets in as many as there are free cores.
    #[inline(always)]
    fn admit_next(&mut self, cx: &mut Context) {
        while ((self.busy + self.others) as f64) < self.plan.cores
            && let Some(next) = self.line.pop_front(&mut cx.requests)
        {
            self.busy += 1;
            let demand = *cx.waiting_word(next);
            cx.admit_for(self.instance, next, demand);
        }
    }

    #[inline(always)]
    fn scaled(&self, demand: u64) -> u64 {
        if self.plan.speed == 1.0 {
            demand
        } else {
            libm::round(demand as f64 / self.plan.speed) as u64
        }
    }
}

impl LoadAverage {
    fn sample(&mut self, runnable: f64) {
        // exp(-5/60) in the kernel's fixed point: 1884 of 2048.
        const DECAY: f64 = 1884.0 / 2048.0;
        self.one = self.one * DECAY + runnable * (1.0 - DECAY);
        self.max = self.max.max(self.one);
        self.sum += self.one;
        self.samples += 1;
    }
}

fn check_contention(reader: &mut Reader) -> Option<Contention> {
    const KEYS: &[Key] = &[
        key("sigma", Form::Number, Some("0.0"), "serial share"),
        key("kappa", Form::Number, Some("0.0"), "coherency"),
        key(
            "switch",
            Form::Number,
            Some("0.0"),
            "share of a slice lost to a context switch",
        ),
        key(
            "process-switch",
            Form::Duration,
            Some("\"0s\""),
            "time to refill a core's caches after a thread of another replica has run (some us to over 1 ms: Li, Ding and Shen 2007)",
        ),
        key(
            "slice",
            Form::Duration,
            Some("\"3ms\""),
            "how long a thread runs while others wait (Linux: 0.75 ms, times 1 + log2 of up to 8 cores, rounded down)",
        ),
    ];
    let Some(table) = reader.table("contention") else {
        return (!reader.has("contention")).then_some(Contention::NONE);
    };
    let what = format!("the contention of {}", reader.what());
    let mut inner = Reader::new(what, table, KEYS, reader.sink());
    let sigma = inner.number_in("sigma", 0.0..=1e3);
    let kappa = inner.number_in("kappa", 0.0..=1e3);
    let switch = inner.number_in("switch", 0.0..=0.99);
    let process_switch = inner.duration("process-switch");
    let slice = inner.positive_duration("slice");
    Some(Contention {
        sigma: sigma?,
        kappa: kappa?,
        switch: switch?,
        process_switch: process_switch?.as_secs_f64() / slice?.as_secs_f64(),
    })
}
