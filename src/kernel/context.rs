//! What a component may do: read the clock, draw, wait, admit, fail, set a timer.
//!
//! A component never calls another one. What has to reach others is left here as an [`Effect`],
//! which the engine carries out at the same instant, in the order in which effects were left.

use super::calendar::{Calendar, Event};
use super::meter::Meter;
use super::request::{FAILING, RETURNED, Requests, State};
use super::unchecked::{at, at_mut};
use super::{Fault, NONE, Replica, Visit, rank};
use crate::distribution::{Columns, PopularitySampler, Sampler, Tables};
use crate::metric::{Gauge, Histogram};
use crate::quantity::SimTime;
use crate::random::{Draws, PurposeKey};

/// Payloads with this bit name a timer, those without a request.
pub const TIMER_BIT: u32 = 1 << 27;

/// A request left to the engine by a component.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Let the request run on.
    Resume(u32),
    /// Raise a fault in the request where it waits. Left by [`Context::fail`], which marks the request too: an effect
    /// whose request was cancelled meanwhile has no mark any more.
    Fail(u32, Fault),
    /// Unwind the request to the scope with this frame and raise a fault there.
    Expire { slot: u32, frame: u32, fault: Fault },
    /// Stop everything that runs in the replica.
    Freeze(u32),
    /// End a stop; the last of several lets the work go on.
    Thaw(u32),
    /// Take a replica out of service; what it has in flight fails, or may end within its grace period.
    Stop(u32),
    /// A replica that takes nothing in any more has nothing in flight, or no more time.
    Drained(u32),
    /// Put a replica into service.
    Start(u32),
    /// A process more, which takes requests from now on.
    Add(u32),
    /// A process less.
    Remove(u32),
    /// A component whose threads had something to finish in a replica that stops has finished it.
    Finished(u32),
    /// Threads that belong to no request (a collector's) run on a host, or have ended if negative.
    HostLoad { host: u32, threads: i32 },
}

/// Who set a timer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum TimerOwner {
    /// An instance of a component, with a tag of its own.
    Component { instance: u32, tag: u32 },
    /// A workload, with a tag of its own.
    Workload { index: u32, tag: u32 },
    /// The timeline's entry of this number.
    Timeline(u32),
    /// The process of a replica, which begins to take requests.
    Replica(u32),
    /// The end of a window of the time series.
    Observer,
    /// The end of the warm-up.
    WarmUp,
}

/// A timer that can be armed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct TimerId(pub u32);

/// One step of a program: its key for draws and its law.
#[derive(Clone)]
pub struct Site {
    pub purpose: PurposeKey,
    /// How long, or how much; absent where a component is only held.
    pub sampler: Option<Sampler>,
    /// Instead of a sampler: what was recorded of the replayed request.
    pub recorded: Option<Box<Columns>>,
    /// Which key is asked for, where the step touches one of many.
    pub keys: Option<PopularitySampler>,
    /// A number of the kind's own, fixed when the step was compiled.
    pub note: u32,
    /// Whether it draws for what the request is about, the same in every attempt.
    pub by_request: bool,
}

/// Waiting and visit times of one component over all its instances.
#[derive(Clone, Default)]
pub struct Times {
    pub wait: Histogram,
    pub visit: Histogram,
}

/// Who waits for the cores of a host.
#[derive(Clone, Debug, Default)]
struct RunQueue {
    cores: u32,
    /// When each core will have done what it has; empty unless somebody asks.
    until: Vec<u64>,
}

/// The state of a run that components may touch.
pub struct Context {
    now: u64,
    horizon: u64,
    pub(crate) calendar: Calendar,
    number: u64,
    coin: Option<Draws>,
    pub requests: Requests,
    /// Keyed locks in use.
    pub rows: super::rows::Rows,
    pub meters: Vec<Meter>,
    pub times: Vec<Times>,
    pub(crate) effects: Vec<Effect>,
    timers: Vec<TimerOwner>,
    pub seats: Vec<super::Seats>,
    pub replicas: Vec<Replica>,
    /// Topics' records.
    pub logs: Vec<super::Log>,
    /// Outboxes' rows.
    pub outboxes: Vec<super::Rows>,
    /// Rows of transactions that are not over.
    pub uncommitted: usize,
    /// Children that go on without their parents.
    pub orphans: Gauge,
    /// Bytes that the contents of caches have come to take.
    pub contents: usize,
    pub(crate) sites: Box<[Site]>,
    purposes: Vec<PurposeKey>,
    tables: &'static Tables,
    /// Of hosts that serve first come, first served, by instance: when each core will have done what has come so far.
    run_queues: Vec<RunQueue>,
    /// The frame that notes a replayed request's record.
    pub record_frame: u16,
    /// How often replicas came or went so far: what is known about them is as old as this number.
    pub health: u64,
    /// Events taken from the calendar so far.
    pub events: u64,
}

impl Context {
    pub fn new(horizon: SimTime, stride: usize, sites: Box<[Site]>, coin: Option<Draws>) -> Self {
        Context {
            now: 0,
            horizon: horizon.nanos().min(Event::TIME_MAX.nanos()),
            calendar: Calendar::new(),
            number: 0,
            coin,
            requests: Requests::new(stride),
            rows: super::rows::Rows::default(),
            meters: Vec::new(),
            times: Vec::new(),
            effects: Vec::new(),
            timers: Vec::new(),
            seats: Vec::new(),
            replicas: Vec::new(),
            logs: Vec::new(),
            outboxes: Vec::new(),
            uncommitted: 0,
            orphans: Gauge::default(),
            contents: 0,
            sites,
            purposes: Vec::new(),
            tables: Tables::get(),
            run_queues: Vec::new(),
            record_frame: 0,
            health: 0,
            events: 0,
        }
    }

    /// The simulated time.
    #[inline(always)]
    pub fn now(&self) -> SimTime {
        SimTime::from_nanos(self.now)
    }

    /// The simulated time in nanoseconds.
    #[inline(always)]
    pub fn nanos(&self) -> u64 {
        self.now
    }

    /// The instant at which the run ends.
    pub fn horizon(&self) -> u64 {
        self.horizon
    }

    #[inline(always)]
    pub(crate) fn advance(&mut self, to: u64) {
        debug_assert!(to >= self.now, "time ran back from {} to {to}", self.now);
        self.now = to;
    }

    #[inline(always)]
    fn next_number(&mut self) -> u64 {
        match &mut self.coin {
            None => {
                self.number += 1;
                self.number
            }
            // The coin's side decides a tie; the low bits keep numbers apart, so that a stale ticket never fits.
            Some(coin) => {
                self.number += 1;
                ((coin.next_u64() >> 58) << 32) | (self.number & 0xffff_ffff)
            }
        }
    }

    #[inline(always)]
    fn order(&self, rank: u8) -> u8 {
        if self.coin.is_some() && rank != rank::OBSERVE {
            0
        } else {
            rank
        }
    }

    /// Puts a request into the calendar for `after` nanoseconds from now.
    #[inline(always)]
    pub fn hold(&mut self, slot: u32, after: u64) {
        let at = self.now.saturating_add(after);
        let number = self.next_number();
        let r = &mut self.requests[slot];
        r.state = State::Holding;
        r.ticket = number as u32;
        if at <= self.horizon {
            let rank = self.order(rank::COMPLETION);
            self.calendar.push(Event::within(at, rank, number, slot));
        }
    }

    /// [`Context::hold`], to go on at `pc`.
    #[inline(always)]
    pub(crate) fn hold_at(&mut self, slot: u32, pc: u32, after: u64) {
        self.requests[slot].pc = pc;
        self.hold(slot, after);
    }

    /// Registers a timer; meant for the time before the run.
    pub fn timer(&mut self, owner: TimerOwner) -> TimerId {
        self.timers.push(owner);
        TimerId(self.timers.len() as u32 - 1)
    }

    #[inline(always)]
    pub(crate) fn timer_owner(&self, id: u32) -> TimerOwner {
        *at(&self.timers, id)
    }

    /// Has a timer go off at an instant. A timer armed twice goes off twice; the owner tells which still counts.
    #[inline(always)]
    pub fn arm(&mut self, timer: TimerId, at: u64) {
        self.arm_ranked(timer, at, rank::TIMER);
    }

    #[inline(always)]
    pub(crate) fn arm_ranked(&mut self, timer: TimerId, at: u64, rank: u8) {
        if at <= self.horizon {
            let number = self.next_number();
            let rank = self.order(rank);
            self.calendar
                .push(Event::within(at.max(self.now), rank, number, timer.0 | TIMER_BIT));
        }
    }

    // ---------------------------------------------------------------- waiting

    /// The visitor begins to wait.
    #[inline(always)]
    pub fn begin_wait(&mut self, visit: Visit) {
        let r = &mut self.requests[visit.slot];
        r.since = self.now;
        // The ticket is free while a request waits: it notes the frame of the visit.
        r.ticket = visit.frame;
        let now = self.now();
        at_mut(&mut self.meters, visit.instance).waiting.enter(now);
    }

    /// The component's word of a waiting visitor.
    #[inline(always)]
    pub fn waiting_word(&mut self, slot: u32) -> &mut u64 {
        let frame = self.requests[slot].ticket;
        &mut self.requests.frame(frame).word
    }

    /// The visit that a waiting visitor makes at this instance.
    pub fn waiting_visit(&self, instance: u32, slot: u32) -> Visit {
        Visit {
            instance,
            slot,
            frame: self.requests[slot].ticket,
            site: NONE,
            demand: 0,
        }
    }

    #[inline(always)]
    fn end_wait(&mut self, instance: u32, slot: u32) {
        let now = self.now();
        let waited = self.now - self.requests[slot].since;
        let m = at_mut(&mut self.meters, instance);
        m.waiting.leave(now);
        let t = m.times;
        at_mut(&mut self.times, t).wait.record(waited);
    }

    /// A waiting visitor is let in and goes on at this instant.
    #[inline(always)]
    pub fn admit(&mut self, instance: u32, slot: u32) {
        self.end_wait(instance, slot);
        self.proceed(slot);
    }

    /// A waiting visitor is let in and is served for `demand` nanoseconds.
    #[inline(always)]
    pub fn admit_for(&mut self, instance: u32, slot: u32, demand: u64) {
        self.end_wait(instance, slot);
        if demand == 0 {
            return self.proceed(slot);
        }
        self.requests[slot].pc += 1;
        self.hold(slot, demand);
    }

    /// A waiting visitor begins to be served under a shared discipline; [`Context::proceed`] ends it.
    pub fn begin_service(&mut self, instance: u32, slot: u32) {
        self.end_wait(instance, slot);
    }

    /// A visitor under a shared discipline did not have to wait.
    #[inline(always)]
    pub fn unwaited(&mut self, instance: u32) {
        self.meters[instance as usize].unwaited += 1;
    }

    /// A visitor that the component had in its hands, not waiting, goes on at this instant.
    #[inline(always)]
    pub fn proceed(&mut self, slot: u32) {
        let r = &mut self.requests[slot];
        r.pc += 1;
        r.state = State::Ready;
        self.effects.push(Effect::Resume(slot));
    }

    /// A request that waits at an operation tries it again at this instant.
    pub fn again(&mut self, slot: u32) {
        try_again(&mut self.requests, &mut self.effects, slot);
    }

    /// A waiting visitor is turned away. The component has taken it out of its line already.
    pub fn refuse(&mut self, instance: u32, slot: u32, fault: Fault) {
        self.end_wait(instance, slot);
        self.requests[slot].state = State::Waiting;
        self.fail(slot, fault);
    }

    /// A visitor in the component's hands that is not waiting fails.
    pub fn fail(&mut self, slot: u32, fault: Fault) {
        let r = &mut self.requests[slot];
        r.flags |= FAILING;
        r.fault = fault as u8;
        self.effects.push(Effect::Fail(slot, fault));
    }

    /// A waiting visitor leaves because its caller did.
    pub fn abandon(&mut self, instance: u32, slot: u32) {
        self.end_wait(instance, slot);
    }

    /// Leaves an effect for the engine.
    pub fn leave_effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    // ---------------------------------------------------------------- frames

    /// The word of the visit that belongs to the component.
    #[inline(always)]
    pub fn word(&mut self, visit: Visit) -> &mut u64 {
        &mut self.requests.frame(visit.frame).word
    }

    // ---------------------------------------------------------------- draws

    /// Names a purpose for draws of a component's own; meant for the time before the run.
    pub fn purpose(&mut self, key: PurposeKey) -> u32 {
        self.purposes.push(key);
        self.purposes.len() as u32 - 1
    }

    /// The draws of a request for a purpose named by [`Context::purpose`].
    #[inline(always)]
    pub fn draws(&self, purpose: u32, slot: u32) -> Draws {
        Draws::new(self.purposes[purpose as usize], self.requests[slot].key)
    }

    /// The draws for a purpose named by [`Context::purpose`] of what a request is about: the same in every attempt.
    #[inline(always)]
    pub fn identity_draws(&self, purpose: u32, slot: u32) -> Draws {
        Draws::new(self.purposes[purpose as usize], self.requests.identity(slot))
    }

    /// The draws for a purpose that belong to no request, as a poller's k-th interval.
    pub fn draws_of(&self, purpose: u32, key: u64) -> Draws {
        Draws::new(self.purposes[purpose as usize], key)
    }

    /// The draws of a visit at its step.
    #[inline(always)]
    pub fn site_draws(&self, visit: Visit) -> Draws {
        self.draws_at(visit.site, visit.slot)
    }

    /// The draws of a request at a step: in each attempt others, unless they are for what the request is about.
    #[inline(always)]
    pub fn draws_at(&self, site: u32, slot: u32) -> Draws {
        let s = at(&self.sites, site);
        match s.by_request {
            true => Draws::new(s.purpose, self.requests.identity(slot)),
            false => Draws::new(s.purpose, self.requests[slot].key),
        }
    }

    /// The draws at a step of what the request is about: the same in every attempt.
    #[inline(always)]
    pub fn identity_at(&self, site: u32, slot: u32) -> Draws {
        Draws::new(at(&self.sites, site).purpose, self.requests.identity(slot))
    }

    /// Draws from a step's law; zero where it has none.
    #[inline(always)]
    pub fn sample_site(&self, site: u32, slot: u32) -> u64 {
        let s = at(&self.sites, site);
        match &s.sampler {
            Some(sampler) => {
                let mut draws = Draws::new(s.purpose, self.requests[slot].key);
                sampler.sample_nanos(self.tables, &mut draws)
            }
            None if s.recorded.is_none() => 0,
            None => self.recorded_nanos(site, slot),
        }
    }

    #[cold]
    #[inline(never)]
    fn recorded_nanos(&self, site: u32, slot: u32) -> u64 {
        libm::round(self.recorded(site, slot).unwrap_or(0.0) * 1e9) as u64
    }

    /// A host that serves first come, first served has so many cores.
    pub fn set_run_queue(&mut self, host: u32, cores: u32) {
        let n = self.run_queues.len().max(host as usize + 1);
        self.run_queues.resize(n, RunQueue::default());
        let queue = &mut self.run_queues[host as usize];
        queue.cores = cores;
        if !queue.until.is_empty() {
            queue.until.resize(cores as usize, self.now);
        }
    }

    /// Has a host's run queue counted, if it has one: somebody's threads wake up on it.
    pub fn count_run_queue(&mut self, host: u32) {
        if let Some(queue) = self.run_queues.get_mut(host as usize) {
            queue.until.resize(queue.cores as usize, self.now);
        }
    }

    /// So much work joins a host's run queue.
    #[inline(always)]
    pub fn join_run_queue(&mut self, host: u32, demand: u64) {
        let queue = &mut at_mut(&mut self.run_queues, host).until;
        if !queue.is_empty() {
            join(queue, self.now, demand);
        }
    }

    /// How long a thread that is woken now waits for a core, nanoseconds; zero where no run queue is counted.
    pub fn run_queue(&self, host: u32) -> u64 {
        let queue = self.run_queues.get(host as usize);
        let first = queue.and_then(|q| q.until.iter().min());
        first.map_or(0, |at| at.saturating_sub(self.now))
    }

    /// What was recorded of the replayed request, where the step takes that.
    #[cold]
    #[inline(never)]
    pub fn recorded(&self, site: u32, slot: u32) -> Option<f64> {
        let columns = self.sites[site as usize].recorded.as_deref()?;
        let record = self
            .requests
            .word(self.requests.frame_index(slot, self.record_frame));
        let workload = self.requests[slot].workload;
        columns
            .get(workload as usize)?
            .as_ref()?
            .get(record as usize)
            .copied()
    }

    /// Draws from a law of the component's own.
    #[inline(always)]
    pub fn sample(&self, sampler: &Sampler, draws: &mut Draws) -> u64 {
        sampler.sample_nanos(self.tables, draws)
    }

    /// Draws a plain number from a law of the component's own.
    pub fn sample_number(&self, sampler: &Sampler, draws: &mut Draws) -> f64 {
        sampler.sample(self.tables, draws)
    }

    /// Draws a plain number from a step's law; zero where it has none.
    pub fn sample_site_number(&self, site: u32, slot: u32) -> f64 {
        let s = &self.sites[site as usize];
        match &s.sampler {
            Some(sampler) => sampler.sample(self.tables, &mut Draws::new(s.purpose, self.requests[slot].key)),
            None => self.recorded(site, slot).unwrap_or(0.0),
        }
    }

    /// A step as it runs.
    pub fn site(&self, site: u32) -> &Site {
        &self.sites[site as usize]
    }

    /// Work taken on that no request waits for, over time since the measurement began, in items times nanoseconds: the lag
    /// of every consumer group, the rows of every outbox, and what goes on without its caller.
    pub fn backlog(&self, now: SimTime) -> u128 {
        let groups = self.logs.iter().flat_map(|log| &log.groups);
        let lags: u128 = groups.map(|group| group.lag.area(now)).sum();
        let rows: u128 = self.outboxes.iter().map(|rows| rows.pending.area(now)).sum();
        lags + rows + self.orphans.area(now)
    }

    /// A connection is given back: what was written with it can be read, or is gone.
    #[inline(always)]
    pub fn end_transaction(&mut self, visit: Visit, commits: bool) {
        if self.uncommitted > 0 {
            self.end_writes(visit.frame, commits);
        }
    }

    #[cold]
    #[inline(never)]
    fn end_writes(&mut self, transaction: u32, commits: bool) {
        for rows in &mut self.outboxes {
            self.uncommitted -= rows.end(transaction, commits, SimTime::from_nanos(self.now));
        }
    }

    /// Bytes that requests, the calendar, logs, outboxes and the contents of caches take.
    pub fn bytes(&self) -> usize {
        let logs: usize = self.logs.iter().map(super::Log::bytes).sum();
        let rows: usize = self.outboxes.iter().map(super::Rows::bytes).sum();
        self.requests.bytes() + self.calendar.bytes() + logs + rows + self.contents
    }

    /// Whether the request's process, if it has one, has not been stopped.
    pub fn is_running(&self, slot: u32) -> bool {
        let home = self.requests[slot].home;
        home == NONE || at(&self.replicas, home).up
    }

    /// What was done for a request elsewhere is over: it is back in this replica, which sees it when it is not paused.
    #[inline(always)]
    pub fn come_home(&mut self, slot: u32, home: u32) {
        self.requests[slot].home = home;
        if self.is_paused(home) {
            self.requests[slot].flags |= RETURNED;
        }
    }

    /// Whether the request's process is paused.
    #[inline(always)]
    pub fn is_frozen(&self, slot: u32) -> bool {
        self.is_paused(self.requests[slot].home)
    }

    /// Whether a replica's process is paused; `NONE` has no process.
    #[inline(always)]
    pub fn is_paused(&self, replica: u32) -> bool {
        replica != NONE && at(&self.replicas, replica).frozen > 0
    }
}

/// A request that waits at an operation runs it once more.
pub(in crate::kernel) fn try_again(requests: &mut Requests, effects: &mut Vec<Effect>, slot: u32) {
    requests[slot].state = State::Ready;
    effects.push(Effect::Resume(slot));
}

#[inline(never)]
fn join(queue: &mut [u64], now: u64, demand: u64) {
    if let Some(core) = queue.iter_mut().min() {
        *core = (*core).max(now).saturating_add(demand);
    }
}
