//! The loop: takes the next event from the calendar and carries it out, until the time is up.

mod arrivals;
mod blame;
mod branches;
mod flow_meter;
mod interpret;
pub mod observe;
mod processes;
mod timeline;
pub mod trail;

use crate::component::{Build, CALL_TIMED_OUT, ComponentId, Instance, KINDS};
use crate::distribution::{Columns, Law, Sampler};
use crate::kernel::context::{TIMER_BIT, Times};
use crate::kernel::request::{AGENT, CHILD, DETACHED, FAILING, State};
use crate::kernel::{Context, CpuUse, Effect, Fault, Meter, Replica, Seats, Site, TimerId, TimerOwner, rank};
use crate::model::Model;
use crate::program::{Instr, Scope, Table};
use crate::quantity::SimTime;
use crate::random::{Draws, purpose_key};
use arrivals::Workload;
use flow_meter::FlowMeter;
use observe::Observations;
use observe::recorder::Recorder;
use processes::{Agent, Closing};
use timeline::Capacity;

/// How one replication is run.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub replication: u64,
    /// Nanoseconds, warm-up included.
    pub duration: u64,
    /// Nanoseconds that are not measured.
    pub warm_up: u64,
    /// Windows of the time series.
    pub windows: u32,
    /// A seeded coin decides the order at equal instants instead of rank and running number.
    pub coin: bool,
    pub budget: Budget,
}

/// Limits at which a run stops with what it has.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub events: u64,
    /// Bytes that requests in flight may take.
    pub memory: usize,
    pub wall: Option<std::time::Duration>,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            events: u64::MAX,
            memory: 4 << 30,
            wall: None,
        }
    }
}

/// Why a run ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Too many events in all, or too many rounds of a loop at one instant.
    Events,
    Memory,
    Wall,
}

/// A broken identity: only a bug can cause it.
#[derive(Clone, Debug)]
pub struct Broken(pub String);

/// One replication under way.
pub struct Engine<'m> {
    model: &'m Model,
    cx: Context,
    components: Vec<Instance>,
    code: &'m [Instr],
    scope_at: &'m [u32],
    scopes: &'m [Scope],
    tables: &'m [Table],
    flows: Vec<FlowMeter>,
    workloads: Vec<Workload>,
    freezers: Vec<u32>,
    closing: Vec<Closing>,
    recorder: Recorder,
    options: Options,
    stopped: Option<Stopped>,
    /// When building began: real time counts from there.
    begun: std::time::Instant,
    started: u64,
    ended: u64,
    agents: Vec<Agent>,
    capacities: Vec<Capacity>,
    /// Jumps backwards at an instant: the instant, and how many.
    spun: (u64, u64),
    /// The number of events at which the budget is looked at next.
    next_check: u64,
}

/// The columns of a law that looks a request's record up.
fn recorded(law: &Law) -> Option<&Columns> {
    match law {
        Law::Recorded { values, .. } => Some(values),
        _ => None,
    }
}

/// So many rounds of loops at one instant are no headway any more.
const MOST_SPINS: u64 = 20_000_000;
/// Events between two looks at the budget.
const CHECK_EVERY: u64 = 1 << 16;

impl<'m> Engine<'m> {
    /// Builds every instance at time zero.
    pub fn new(model: &'m Model, options: &Options) -> Self {
        let begun = std::time::Instant::now();
        let (seed, replication) = (options.seed, options.replication);
        let sites: Box<[Site]> = model
            .sites
            .iter()
            .map(|s| Site {
                purpose: purpose_key(seed, replication, &s.purpose),
                sampler: s.law.as_ref().filter(|l| recorded(l).is_none()).map(Sampler::new),
                recorded: s.law.as_ref().and_then(recorded).cloned().map(Box::new),
                keys: s.keys.as_ref().map(|k| k.sampler()),
                note: s.note,
                by_request: s.by_request,
            })
            .collect();
        let coin = options
            .coin
            .then(|| Draws::new(purpose_key(seed, replication, "coin"), 0));
        let stride = model.program.stride as usize;
        let mut cx = Context::new(SimTime::from_nanos(options.duration), stride, sites, coin);
        cx.requests.expect(options.budget.memory);
        cx.record_frame = model.record_frame.unwrap_or(0);
        cx.requests.note_attempts(model.attempt_frame);
        for _ in 0..model.replicas {
            cx.replicas.push(Replica::default());
        }
        let seats: u64 = model.layout.seats.len() as u64;
        cx.seats = vec![Seats::default(); seats as usize];
        for (id, seat) in &model.layout.seats {
            cx.seats[*seat as usize].limit = model.components[id.0 as usize].plan.seats().unwrap_or(u64::MAX);
        }
        let mut components = Vec::with_capacity(model.layout.owner.len());
        let mut freezers = Vec::new();
        for (id, entry) in model.components.iter().enumerate() {
            cx.times.push(Times::default());
            let freezes = KINDS.iter().any(|k| k.name == entry.kind && k.freezes);
            for replica in 0..entry.instances {
                let instance = components.len() as u32;
                cx.meters.push(Meter {
                    times: id as u32,
                    ..Meter::default()
                });
                if freezes {
                    freezers.push(instance);
                }
                let mut build = Build {
                    cx: &mut cx,
                    layout: &model.layout,
                    id: ComponentId(id as u32),
                    instance,
                    replica,
                    seed,
                    replication,
                };
                components.push(entry.plan.build(&mut build));
            }
        }
        let flows = model.flows.iter().map(|_| FlowMeter::default()).collect();
        let workloads = model
            .workloads
            .iter()
            .enumerate()
            .map(|(i, plan)| Workload::new(i as u32, plan, &model.flows, &mut cx))
            .collect();
        let recorder = Recorder::new(model, options, &mut cx);
        Engine {
            model,
            cx,
            components,
            code: &model.program.code,
            scope_at: &model.program.scope_at,
            scopes: &model.program.scopes,
            tables: &model.program.tables,
            flows,
            workloads,
            freezers,
            closing: Vec::new(),
            recorder,
            options: options.clone(),
            stopped: None,
            begun,
            started: 0,
            ended: 0,
            agents: Vec::new(),
            capacities: model
                .components
                .iter()
                .enumerate()
                .map(|(i, e)| {
                    // All replicas of a service are one instance.
                    let replicas = model.layout.replicas.get(&ComponentId(i as u32));
                    Capacity::new(e.plan.capacity(), replicas.copied().unwrap_or(e.instances))
                })
                .collect(),
            spun: (0, 0),
            next_check: CHECK_EVERY.min(options.budget.events),
        }
    }

    /// Runs to the end and says what was observed.
    pub fn run(self) -> Result<Observations, Broken> {
        self.run_watched(&mut ())
    }

    fn run_watched(mut self, watch: &mut impl trail::Watch) -> Result<Observations, Broken> {
        self.start();
        self.work(watch);
        let end = if self.stopped.is_some() {
            self.cx.nanos()
        } else {
            self.options.duration
        };
        self.cx.advance(end);
        self.check_conservation()?;
        Ok(observe::figures::collect(&mut self))
    }

    fn start(&mut self) {
        for replica in 0..self.cx.replicas.len() as u32 {
            let r = &mut self.cx.replicas[replica as usize];
            r.there.set(r.exists, 0);
            r.serving.set(r.up, 0);
            if !r.exists {
                self.count_replica(replica, false);
                self.tell_replica(replica, |component, cx| component.absent(cx));
            }
        }
        let whole = self.cx.replicas.iter().all(|r| r.exists);
        for i in 0..self.components.len() {
            if whole || self.exists(i as u32) {
                self.components[i].start(&mut self.cx);
            }
        }
        for (i, happening) in self.model.timeline.iter().enumerate() {
            let timer = self.cx.timer(TimerOwner::Timeline(i as u32));
            self.cx.arm_ranked(timer, happening.at, rank::COMPLETION);
        }
        self.start_agents();
        self.recorder.start(&mut self.cx);
        for i in 0..self.workloads.len() {
            self.start_workload(i);
        }
        self.carry_out();
    }

    fn work(&mut self, watch: &mut impl trail::Watch) {
        while let Some(event) = self.cx.calendar.pop() {
            self.cx.advance(event.time().nanos());
            self.cx.events += 1;
            if let Some(soon) = self.cx.calendar.soon() {
                self.cx.requests.prefetch(soon.payload());
            }
            watch.see(self, event);
            let payload = event.payload();
            if payload & TIMER_BIT == 0 {
                let r = &mut self.cx.requests[payload];
                // A ticket that does not fit belongs to a hold that was cut short.
                if r.ticket == event.number() as u32 && r.state == State::Holding {
                    r.ticket = 0;
                    if !self.stands_still(payload) {
                        self.execute(payload);
                        self.carry_out();
                    }
                }
            } else {
                self.timer(payload & !TIMER_BIT);
                self.carry_out();
            }
            if self.cx.events >= self.next_check {
                let events = self.cx.events;
                // Never beyond the last event that is allowed.
                self.next_check = (events + CHECK_EVERY).min(self.options.budget.events.max(events + 1));
                if self.over_budget() {
                    return;
                }
            }
        }
    }

    #[cold]
    fn over_budget(&mut self) -> bool {
        let b = &self.options.budget;
        if self.stopped.is_some() {
            return true;
        }
        if self.cx.events >= b.events {
            self.stopped = Some(Stopped::Events);
        } else if self.cx.bytes() > b.memory {
            self.stopped = Some(Stopped::Memory);
        } else if b.wall.is_some_and(|w| self.begun.elapsed() > w) {
            self.stopped = Some(Stopped::Wall);
        }
        self.stopped.is_some()
    }

    #[inline(never)]
    fn timer(&mut self, id: u32) {
        match self.cx.timer_owner(id) {
            TimerOwner::Component { instance, tag } => {
                self.components[instance as usize].wake(tag, &mut self.cx)
            }
            TimerOwner::Workload { index, tag } => self.workload_timer(index as usize, tag),
            TimerOwner::Timeline(i) => self.happen(i as usize),
            TimerOwner::Replica(replica) => self.comes_back(replica),
            TimerOwner::Observer => {
                self.end_window();
                self.recorder.arm(&mut self.cx, TimerId(id));
                // A window of a million instances takes longer than many events.
                if self.options.budget.wall.is_some() {
                    self.next_check = self.cx.events;
                }
            }
            TimerOwner::WarmUp => self.begin_measurement(),
        }
    }

    /// Notes the window that ends now, unless it was noted already.
    fn end_window(&mut self) {
        let now = self.cx.now();
        if self.recorder.is_open(now) {
            let flows = &mut self.flows;
            self.recorder.window(now, &self.cx, &self.components, flows);
        }
    }

    fn begin_measurement(&mut self) {
        let now = self.cx.now();
        // A window that ends with the warm-up is noted before its times are forgotten.
        if self.recorder.is_due(now) {
            self.end_window();
        }
        self.recorder.rebase(now, &self.cx, &self.components, &self.flows);
        for m in &mut self.cx.meters {
            *m = Meter {
                times: m.times,
                present: m.present.clone(),
                waiting: m.waiting.clone(),
                ..Meter::default()
            };
            m.present.reset(now);
            m.waiting.reset(now);
        }
        for t in &mut self.cx.times {
            t.wait.clear();
            t.visit.clear();
        }
        for c in &mut self.capacities {
            c.reset(now.nanos());
        }
        for s in &mut self.cx.seats {
            s.used.reset(now);
            s.refused = 0;
        }
        for r in &mut self.cx.replicas {
            r.pause.reset(now);
            r.there.reset(now.nanos());
            r.serving.reset(now.nanos());
            r.cpu = CpuUse {
                since: now.nanos(),
                ..CpuUse::default()
            };
        }
        for l in &mut self.cx.logs {
            l.reset(now);
        }
        for o in &mut self.cx.outboxes {
            o.pending.reset(now);
            o.inserted = 0;
        }
        self.cx.orphans.reset(now);
        for c in &mut self.components {
            c.reset(now);
        }
        for f in &mut self.flows {
            f.reset(now);
        }
        for w in &mut self.workloads {
            w.reset(now);
        }
    }

    /// Carries out what components left to be done, in the order in which they left it.
    #[inline(always)]
    fn carry_out(&mut self) {
        let mut i = 0;
        while i < self.cx.effects.len() {
            let effect = self.cx.effects[i];
            i += 1;
            if let Effect::Resume(slot) = effect {
                if self.cx.requests[slot].state != State::Ready {
                    continue;
                }
                if !self.stands_still(slot) && !self.heeds(slot) {
                    self.execute(slot);
                }
            } else {
                self.effect(effect);
            }
        }
        self.cx.effects.clear();
    }

    #[inline(never)]
    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Resume(_) => {}
            Effect::Fail(slot, fault) => {
                let r = &mut self.cx.requests[slot];
                if r.state == State::Free || r.flags & FAILING == 0 {
                    return;
                }
                r.flags &= !FAILING;
                self.fail_where_it_waits(slot, fault);
            }
            Effect::Expire { slot, frame, fault } => self.expire(slot, frame, fault),
            Effect::Freeze(replica) => {
                for i in 0..self.freezers.len() {
                    let f = self.freezers[i] as usize;
                    self.components[f].freeze(replica, &mut self.cx);
                }
            }
            Effect::Thaw(replica) => {
                if self.cx.is_paused(replica) {
                    return;
                }
                for i in 0..self.freezers.len() {
                    let f = self.freezers[i] as usize;
                    self.components[f].thaw(replica, &mut self.cx);
                }
                self.wake_stalled(replica);
            }
            Effect::Stop(replica) => self.stop_replica(replica),
            Effect::Drained(replica) => self.drained(replica),
            Effect::Add(replica) => self.add_replica(replica),
            Effect::Remove(replica) => self.remove_replica(replica),
            Effect::Start(replica) => self.start_replica(replica),
            Effect::Finished(replica) => self.finished(replica),
            Effect::HostLoad { host, threads } => self.components[host as usize].load(threads, &mut self.cx),
        }
    }

    fn fail_where_it_waits(&mut self, slot: u32, fault: Fault) {
        let pc = self.cx.requests[slot].pc;
        if self.cx.requests[slot].state == State::Waiting
            && let Instr::Enter {
                frame,
                sel,
                comp,
                site,
            } = self.code[pc as usize]
        {
            let visit = self.visit(slot, comp, sel, frame, site);
            let m = self.leave_waiting(visit);
            match fault {
                Fault::Rejected | Fault::NotPermitted | Fault::TooManyConnections => m.rejected += 1,
                Fault::AcquireTimeout | Fault::TimedOut | Fault::LockTimeout | Fault::ConnectTimeout => {
                    m.timed_out += 1;
                }
                _ => m.failed += 1,
            }
        }
        self.cx.requests[slot].state = State::Ready;
        if self.cx.is_frozen(slot) {
            // The thread is told only when the pause is over.
            return self.fail_later(slot, fault);
        }
        let scope = self.scope_at[pc as usize];
        if self.raise(slot, fault, scope) {
            self.execute(slot);
        }
    }

    /// A deadline over a scope has passed: what runs inside is cut short and the fault is raised at the scope.
    fn expire(&mut self, slot: u32, frame: u32, fault: Fault) {
        if self.cx.requests[slot].state == State::Free {
            return;
        }
        if fault == Fault::TimedOut {
            self.blame(slot, frame, CALL_TIMED_OUT);
        }
        let scope = self.unwind(slot, frame);
        if self.raise(slot, fault, scope) {
            self.execute(slot);
        }
    }

    /// The run ends after this event.
    fn stop(&mut self, why: Stopped) {
        self.stopped = Some(why);
        self.next_check = 0;
    }

    fn take_slot(&mut self) -> Option<u32> {
        let slot = self.cx.requests.take();
        match slot {
            Some(_) => self.started += 1,
            None => self.stop(Stopped::Memory),
        }
        slot
    }

    fn give_slot(&mut self, slot: u32) {
        self.ended += 1;
        self.cx.requests.release(slot);
    }

    fn check_conservation(&self) -> Result<(), Broken> {
        let inside = self.cx.requests.live() as u64;
        if self.started != self.ended + inside {
            return Err(Broken(format!(
                "{} requests began, {} ended and {inside} are inside: some were lost",
                self.started, self.ended
            )));
        }
        // A run that a limit cut short may have left some between two steps.
        let whole = self.stopped.is_none();
        if let Some(slot) =
            (0..self.cx.requests.slots() as u32).find(|s| whole && self.cx.requests[*s].state == State::Ready)
        {
            return Err(Broken(format!("the request in slot {slot} waits for nothing")));
        }
        for (i, flow) in self.flows.iter().enumerate() {
            flow.check()
                .map_err(|e| Broken(format!("flow `{}`: {e}", self.model.flows[i].name)))?;
        }
        observe::check_presence(self)
    }

    /// Whether a request is a plain request of a workload, whose answer somebody waits for.
    fn is_attended(&self, slot: u32) -> bool {
        self.cx.requests[slot].flags & (DETACHED | AGENT | CHILD) == 0
    }
}

/// Runs one replication.
pub fn run(model: &Model, options: &Options) -> Result<Observations, Broken> {
    Engine::new(model, options).run()
}
