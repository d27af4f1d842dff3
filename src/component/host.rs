//! A host: cores that processes share.
//!
//! ```toml
//! [host.vps]
//! cores = 6
//! discipline = "processor-sharing"
//! contention = { sigma = 0.02, kappa = 0.001 }
//!
//! [host.batch]
//! cores = 2
//! discipline = "round-robin"
//! quantum = "3ms"
//! switch-time = "5us"
//!
//! [host.shared]
//! cores = 1
//! discipline = "fcfs"
//! others = { every = "exp(20ms)", take = "exp(1.5ms)" }   # what else runs there
//! ```
//!
//! Steps `{ cpu = "exp(2ms)" }` run on the host of their service.
//!
//! **Processor sharing**: with n jobs on c cores each runs at min(1, c / n) of a core's speed, exactly. It is the limit of short
//! slices. A core with `hyper-thread-gain` g runs two threads at (1 + g) / 2 each. `contention` takes a share of the speed away:
//! with the excess e = n / c - 1 it is divided by 1 + sigma e + kappa e (e + 1), the Universal Scalability Law with e in place of N - 1,
//! and while e > 0 `switch` is lost to context switches. All cores together then do c / (1 + ..), less and less the more jobs there are: users who
//! wait for their answers settle somewhere, a backlog of an open load never drains. **First come, first served** fits demands below a slice.
//! **Round robin** counts slices of a `quantum` out, with `switch-time` before each change of job.
//!
//! `others` are processes outside the model: from time to time one wants a core, for `take` by the clock. Under processor sharing and round robin it
//! shares with the rest; under first come, first served it has the core from when the job on it ends until its time is over, and
//! whatever falls due meanwhile goes on together afterwards.
//!
//! Jobs of a paused process leave the cores to others and go on with what they have left.
//!
//! Readings: `load_average_mean` and `_max` (Linux's one-minute average; without tasks that wait for a disk), `runnable_mean`
//! (processor sharing), `context_switches` a second (round robin).

mod sharing;

use super::contract::*;
use super::first_come::FirstCome;
use super::load_average::{self, LoadAverage};
use super::outsiders::{self, OthersPlan, Outsiders};
use super::processor_sharing::{Contention, ProcessorSharing};
use super::round_robin::RoundRobin;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Outcome, TimerId, TimerOwner, Visit};
use crate::quantity::SimTime;
use sharing::Sharing;

/// As running.
pub struct Host {
    speed: f64,
    cores: Cores,
    /// Threads that belong to no request.
    others: u64,
    load: LoadAverage,
    tick: TimerId,
    instance: u32,
    outsiders: Box<Outsiders>,
}

/// The cores, by discipline.
enum Cores {
    Sharing(Box<Sharing>),
    FirstCome(FirstCome),
    RoundRobin(RoundRobin),
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub cores: f64,
    discipline: Discipline,
    speed: f64,
    contention: Contention,
    /// Nanoseconds.
    quantum: u64,
    switch_time: u64,
    others: Option<OthersPlan>,
}

impl Plan {
    /// Whether threads share the cores, so that their CPU time can be limited.
    pub fn shares(&self) -> bool {
        self.discipline == Discipline::Sharing
    }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Discipline {
    Sharing,
    FirstCome,
    RoundRobin,
}

const SHARING_TIMER: u32 = 0;
const LOAD_TIMER: u32 = 1;
const CORE_TIMERS: u32 = 2;
const DISCIPLINES: &[&str] = &["processor-sharing", "fcfs", "round-robin"];
/// Tags above those of the cores.
const OTHERS_COME: u32 = u32::MAX;
const OTHERS_GO: u32 = u32::MAX - 1;
const LIMITS_TIMER: u32 = u32::MAX - 2;
/// Each core of a round has a timer of its own.
const MOST_IN_TURN: f64 = 4096.0;

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
            "who runs: all at once at equal speed, first come first served to the end, or in turn for a `quantum`",
        ),
        key(
            "speed",
            Form::Number,
            Some("1.0"),
            "work done a second by one core; demands are stated for 1",
        ),
        key(
            "hyper-thread-gain",
            Form::Number,
            Some("0.0"),
            "what a core's second thread adds to it, from 0 (none) to 1 (Intel 0.2 to 0.3)",
        ),
        key(
            "quantum",
            Form::Duration,
            Some("\"3ms\""),
            "in turn: longest slice (Linux EEVDF base slice on 8 cores and more, 2.8 to 3 ms)",
        ),
        key(
            "switch-time",
            Form::Duration,
            Some("\"0s\""),
            "in turn: cost of taking up another job (a direct context switch takes 1 to 3 us, 5 to 50 us with caches)",
        ),
        key(
            "contention",
            Form::Table,
            None,
            "what oversubscription costs: `{ sigma = 0.02, kappa = 0.001, switch = 0.002 }` (Universal Scalability Law over runnable threads per core), `process-switch = \"1ms\"` each `slice` that goes to another process",
        ),
        key(
            "others",
            Form::Table,
            None,
            "processes outside the model: `{ every = \"exp(20ms)\", take = \"exp(1.5ms)\" }`, from the start of one to the next and how long each wants a core",
        ),
    ];
    const HEARS: bool = false;
    const SETTABLE: &'static [&'static str] = &[
        "cores",
        "speed",
        "hyper-thread-gain",
        "contention",
        "quantum",
        "switch-time",
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let cores = reader.number_in("cores", 0.001..=1e6);
        let discipline = match reader.choice("discipline")? {
            "fcfs" => Discipline::FirstCome,
            "round-robin" => Discipline::RoundRobin,
            _ => Discipline::Sharing,
        };
        let speed = reader.number_in("speed", 1e-6..=1e6);
        let second_thread = reader.number_in("hyper-thread-gain", 0.0..=1.0);
        let quantum = reader.positive_duration("quantum");
        let switch_time = reader.duration("switch-time");
        let contention = check_contention(reader);
        let outsiders = outsiders::check(reader, names);
        let cores = cores?;
        let mut fits = true;
        let others: &[&str] = match discipline {
            Discipline::Sharing => &["quantum", "switch-time"],
            Discipline::FirstCome => &["quantum", "switch-time", "contention", "hyper-thread-gain"],
            Discipline::RoundRobin => &["contention", "hyper-thread-gain"],
        };
        for name in others {
            if reader.has(name) {
                let (span, what) = (reader.key_span(name), reader.what().to_owned());
                reader
                    .sink()
                    .error(span, "does-not-apply", format!("{what} has no use for `{name}` with its discipline"))
                    .help("`quantum` and `switch-time` belong to \"round-robin\", `contention` and `hyper-thread-gain` to \"processor-sharing\"");
                fits = false;
            }
        }
        if discipline != Discipline::Sharing && cores.fract() != 0.0 {
            let span = reader.span("cores");
            let which = match discipline {
                Discipline::FirstCome => "first come first served",
                _ => "round robin",
            };
            reader.sink().error(
                span,
                "out-of-range",
                format!("{which} needs a whole number of cores"),
            );
            return None;
        }
        if discipline == Discipline::RoundRobin && cores > MOST_IN_TURN {
            let span = reader.span("cores");
            reader
                .sink()
                .error(
                    span,
                    "out-of-range",
                    format!("round robin has at most {MOST_IN_TURN} cores"),
                )
                .help("with so many, processor sharing gives the same");
            return None;
        }
        let mut contention = contention?;
        contention.second_thread = second_thread?;
        let plan = Plan {
            cores,
            discipline,
            speed: speed?,
            contention,
            quantum: quantum?.nanos(),
            switch_time: switch_time?.nanos(),
            others: outsiders?,
        };
        fits.then_some(plan)
    }

    fn keeps(plan: &Plan) -> u64 {
        match plan.discipline {
            Discipline::Sharing => 0,
            _ => plan.cores as u64 * 32,
        }
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        Some(plan.cores)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "cores",
            speed: plan.speed,
            boost: 1.0 + plan.contention.second_thread,
            best: 1.0 + plan.contention.second_thread,
            to_the_end: matches!(plan.discipline, Discipline::FirstCome),
            ..Facts::default()
        }
    }

    fn lower(_: &Plan, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
        lowering.serve(step, body);
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let instance = build.instance;
        let cores = match plan.discipline {
            Discipline::Sharing => {
                let timer = build.timer(SHARING_TIMER);
                let jobs = ProcessorSharing::new(plan.cores, plan.speed, plan.contention, timer);
                Cores::Sharing(Box::new(Sharing::new(jobs, build.timer(LIMITS_TIMER))))
            }
            Discipline::FirstCome => {
                build.set_run_queue(plan.cores as u32);
                Cores::FirstCome(FirstCome::new(plan.cores as u32, instance))
            }
            Discipline::RoundRobin => {
                let timers = (0..plan.cores as u32)
                    .map(|core| build.timer(CORE_TIMERS + core))
                    .collect();
                Cores::RoundRobin(RoundRobin::new(plan.quantum, plan.switch_time, timers, instance))
            }
        };
        let timers = [build.timer(OTHERS_COME), build.timer(OTHERS_GO)];
        let outsiders = Box::new(Outsiders::new(&plan.others, timers, build));
        Host {
            speed: plan.speed,
            cores,
            others: 0,
            load: LoadAverage::default(),
            tick: build.timer(LOAD_TIMER),
            instance,
            outsiders,
        }
    }

    fn start(&mut self, cx: &mut Context) {
        cx.arm(self.tick, load_average::PERIOD);
        self.outsiders.expect(self.instance, cx);
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let demand = self.scaled(visit.demand);
        match &mut self.cores {
            Cores::FirstCome(cores) => cores.enter(visit, demand, cx),
            Cores::RoundRobin(cores) => cores.enter(visit, demand, cx),
            Cores::Sharing(cores) => {
                if visit.demand == 0 {
                    return Admission::Proceed;
                }
                cx.unwaited(visit.instance);
                cores.enter(visit.slot, visit.demand, cx);
                Admission::Wait
            }
        }
    }

    #[inline(always)]
    fn leave(&mut self, visit: Visit, _: Outcome, cx: &mut Context) {
        if let Cores::FirstCome(cores) = &mut self.cores {
            cores.leave(visit, cx);
        }
    }

    fn load(&mut self, threads: i32, cx: &mut Context) {
        self.others = self.others.saturating_add_signed(threads as i64);
        match &mut self.cores {
            Cores::Sharing(cores) => cores.change(cx, |jobs, cx| jobs.set_others(self.others, cx)),
            // Who is on a core stays; fewer are taken up behind them.
            Cores::FirstCome(cores) => cores.set_others(self.others as usize, cx),
            Cores::RoundRobin(cores) => cores.set_others(self.others as usize, cx),
        }
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        if tag == LOAD_TIMER {
            let runnable = match &self.cores {
                Cores::Sharing(cores) => cores.jobs.runnable_now(),
                Cores::FirstCome(cores) => cores.runnable() + self.others,
                Cores::RoundRobin(cores) => cores.runnable() + self.others,
            };
            self.load.sample(runnable);
            return cx.arm(self.tick, cx.nanos() + load_average::PERIOD);
        }
        if tag == OTHERS_GO {
            return self.load(-1, cx);
        }
        if tag == OTHERS_COME {
            if let Some(take) = self.outsiders.come(self.instance, cx) {
                if let Cores::FirstCome(_) = self.cores {
                    cx.join_run_queue(self.instance, take);
                }
                self.load(1, cx);
            }
            return;
        }
        match &mut self.cores {
            Cores::Sharing(cores) if tag == LIMITS_TIMER => cores.wake_limits(cx),
            Cores::Sharing(cores) => cores.wake(cx),
            Cores::RoundRobin(cores) => cores.wake((tag - CORE_TIMERS) as usize, cx),
            Cores::FirstCome(_) => {}
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        match &mut self.cores {
            Cores::FirstCome(cores) => cores.cancel(visit, cx),
            Cores::RoundRobin(cores) => cores.cancel(visit, cx),
            Cores::Sharing(cores) => cores.remove(visit.slot, cx),
        }
    }

    fn freeze(&mut self, replica: u32, cx: &mut Context) {
        match &mut self.cores {
            Cores::FirstCome(cores) => cores.freeze(replica, cx),
            Cores::RoundRobin(cores) => cores.freeze(replica, cx),
            Cores::Sharing(cores) => cores.freeze(replica, cx),
        }
    }

    fn thaw(&mut self, replica: u32, cx: &mut Context) {
        match &mut self.cores {
            Cores::FirstCome(cores) => cores.thaw(replica, cx),
            Cores::RoundRobin(cores) => cores.thaw(replica, cx),
            Cores::Sharing(cores) => cores.thaw(replica, cx),
        }
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.speed = plan.speed;
        match &mut self.cores {
            Cores::Sharing(cores) => cores.change(cx, |jobs, cx| {
                jobs.adopt(plan.cores, plan.speed, plan.contention, cx);
            }),
            Cores::FirstCome(cores) => {
                cx.set_run_queue(self.instance, plan.cores as u32);
                cores.adopt(plan.cores as u32, cx);
            }
            Cores::RoundRobin(cores) => {
                let timers = (cores.timers()..plan.cores as usize)
                    .map(|core| {
                        cx.timer(TimerOwner::Component {
                            instance: self.instance,
                            tag: CORE_TIMERS + core as u32,
                        })
                    })
                    .collect();
                cores.adopt(plan.quantum, plan.switch_time, timers, plan.cores as usize, cx);
            }
        }
    }

    fn reset(&mut self, now: SimTime) {
        match &mut self.cores {
            Cores::Sharing(cores) => cores.jobs.reset(now),
            Cores::RoundRobin(cores) => {
                cores.busy.reset(now);
                cores.switches = 0;
            }
            Cores::FirstCome(_) => {}
        }
        self.load.reset();
    }

    fn probe(&self, _: &Context, out: &mut Vec<f64>) {
        out.push(self.load.now()[0]);
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        if let Some((mean, max)) = self.load.mean_and_max() {
            out.add("load_average_mean", Unit::Count, Combine::Mean, mean);
            out.add("load_average_max", Unit::Count, Combine::Max, max);
        }
        let span = (cx.now() - since).nanos().max(1) as f64;
        match &self.cores {
            Cores::Sharing(cores) => {
                let runnable = cores.jobs.runnable.area(cx.now()) as f64 / span;
                out.add("runnable_mean", Unit::Count, Combine::Mean, runnable);
                if let Some(lost) = cores.jobs.share_lost(cx.now()) {
                    out.add("contention_loss", Unit::Share, Combine::Mean, lost);
                }
            }
            Cores::RoundRobin(cores) => {
                let switches = cores.switches as f64 * 1e9 / span;
                out.add("context_switches", Unit::PerSecond, Combine::Sum, switches);
            }
            Cores::FirstCome(_) => {}
        }
    }

    fn busy(&self, now: SimTime, _: &Context) -> Option<f64> {
        match &self.cores {
            Cores::Sharing(cores) => Some(cores.jobs.busy.area(now) as f64 / 1000.0),
            Cores::RoundRobin(cores) => Some(cores.busy.area(now) as f64),
            Cores::FirstCome(_) => None,
        }
    }
}

impl Host {
    #[inline(always)]
    fn scaled(&self, demand: u64) -> u64 {
        if self.speed == 1.0 {
            demand
        } else {
            libm::round(demand as f64 / self.speed) as u64
        }
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
        second_thread: 0.0,
    })
}
