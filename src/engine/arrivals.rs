//! Workloads as running: schedules, virtual users, client deadlines.

mod deadlines;
mod users;

use std::collections::VecDeque;

use super::Engine;
use crate::kernel::request::{AGENT, CHILD, DEADLINE, DETACHED, State};
use crate::kernel::unchecked::{at, at_mut};
use crate::kernel::{Context, Fault, Line, NONE, TimerId, TimerOwner, rank};
use crate::metric::{Gauge, Histogram};
use crate::model::workload::{Arrivals, Iterations, Pacing, Profile, Tool, WorkloadPlan};
use crate::quantity::{SimDuration, SimTime};
use crate::random::{Draws, request_key, salt};

/// What a closed user's round takes at least where the answer comes in no time at all: 0.1 ms, nanoseconds. No load
/// generator starts more than about ten thousand iterations a second from one user.
const SHORTEST_ROUND: u64 = 100_000;

const ARRIVE: u32 = 0;
const DEADLINES: u32 = 1;
const POPULATION: u32 = 2;
const STOP: u32 = 3;
const INTERRUPT: u32 = 4;
const VU_READY: u32 = 5;
const RAMP_DOWN: u32 = 6;

/// One workload under way.
pub struct Workload {
    salt: u64,
    /// Open, without users, client work, deadline or limits, one flow: the flow, and its entry.
    plain: Option<(u16, u32)>,
    timers: [TimerId; 7],
    /// Arrivals so far.
    number: u64,
    /// The instant of the next arrival as the schedule has it, before rounding; seconds since its start.
    area: f64,
    stopping: bool,
    /// Users: how many rounds each has begun, and which are wanted.
    rounds: Vec<u32>,
    /// A user that runs: its slot; `NONE` for one that rests.
    slots: Vec<u32>,
    wanted: u32,
    /// Users that were removed and may still finish: the instant by which, and the user.
    leaving: VecDeque<(u64, u32)>,
    /// The latest such instant of each user.
    leave_by: Vec<u64>,
    /// k6: users whose iteration has its answer and lasts until the script's pause is over.
    pausing: Vec<bool>,
    /// Arrival-rate executors: users that are free, who has waited longest first, and how many exist.
    free: VecDeque<u32>,
    exist: u32,
    /// Requests whose answer is awaited; kept only where the workload limits them.
    in_flight: u64,
    initialising: bool,
    shared_left: u64,
    deadlines: Line,
    deadline_armed: bool,
    /// Since the measurement began:
    pub dropped: u64,
    pub interrupted: u64,
    pub iterations: u64,
    pub iteration_time: Histogram,
    pub slow: u64,
    /// wrk: what it records, before it fills in.
    pub latency: Histogram,
    pub busy_users: Gauge,
    pub users: Gauge,
}

impl Workload {
    pub fn new(index: u32, plan: &WorkloadPlan, flows: &[crate::model::Flow], cx: &mut Context) -> Self {
        let timers = std::array::from_fn(|tag| {
            cx.timer(TimerOwner::Workload {
                index,
                tag: tag as u32,
            })
        });
        let exist = plan.users.map_or(0, |u| u.pre_allocated);
        let is_plain = !plan.is_closed()
            && !plan.has_client()
            && plan.mix.len() == 1
            && plan.users.is_none()
            && plan.timeout.is_none()
            && plan.limit.is_none()
            && plan.record_limit.is_none();
        Workload {
            salt: salt(&plan.name),
            plain: is_plain.then(|| (plan.mix[0].0, flows[plan.mix[0].0 as usize].entry)),
            timers,
            number: 0,
            area: 0.0,
            stopping: false,
            rounds: Vec::new(),
            slots: Vec::new(),
            wanted: 0,
            leaving: Default::default(),
            leave_by: Vec::new(),
            pausing: Vec::new(),
            free: (0..exist).collect(),
            exist,
            in_flight: 0,
            initialising: false,
            shared_left: match plan.iterations {
                Iterations::Shared(n) => n,
                _ => 0,
            },
            deadlines: Line::default(),
            deadline_armed: false,
            dropped: 0,
            interrupted: 0,
            iterations: 0,
            iteration_time: Histogram::new(),
            slow: 0,
            latency: Histogram::new(),
            busy_users: Gauge::default(),
            users: Gauge::default(),
        }
    }

    pub fn reset(&mut self, now: SimTime) {
        self.dropped = 0;
        self.interrupted = 0;
        self.iterations = 0;
        self.slow = 0;
        self.iteration_time.clear();
        self.latency.clear();
        self.busy_users.reset(now);
        self.users.reset(now);
    }
}

fn nanos(seconds: f64) -> u64 {
    SimDuration::from_secs_f64(seconds).nanos()
}

impl Engine<'_> {
    pub(super) fn start_workload(&mut self, w: usize) {
        let plan = &self.model.workloads[w];
        let timers = self.workloads[w].timers;
        if let Some(duration) = plan.duration {
            let end = plan.start.saturating_add(duration);
            self.cx.arm_ranked(timers[STOP as usize], end, rank::TIMER);
            self.cx.arm_ranked(
                timers[INTERRUPT as usize],
                end.saturating_add(plan.graceful_stop),
                rank::TIMER,
            );
        }
        let now = self.cx.now();
        let exist = self.workloads[w].exist as i64;
        self.workloads[w].users.add(now, exist);
        if plan.is_closed() {
            self.cx
                .arm_ranked(timers[POPULATION as usize], plan.start, rank::ARRIVAL);
        } else {
            self.next_arrival(w);
        }
    }

    pub(super) fn workload_timer(&mut self, w: usize, tag: u32) {
        match tag {
            ARRIVE => self.arrive(w),
            DEADLINES => self.expire_clients(w),
            POPULATION => self.change_population(w),
            STOP => self.stop_workload(w),
            INTERRUPT => self.interrupt(w),
            RAMP_DOWN => self.interrupt_leavers(w),
            _ => {
                let (now, me) = (self.cx.now(), &mut self.workloads[w]);
                me.initialising = false;
                me.free.push_back(me.exist);
                me.exist += 1;
                me.users.add(now, 1);
            }
        }
    }

    // ---------------------------------------------------------------- open

    /// Puts the next arrival into the calendar.
    #[inline(always)]
    fn next_arrival(&mut self, w: usize) {
        let plan = at(&self.model.workloads, w as u32);
        let me = at_mut(&mut self.workloads, w as u32);
        if me.stopping {
            return;
        }
        let k = me.number;
        let at = match &plan.arrivals {
            Arrivals::Poisson(rate) if rate.stages.is_empty() => {
                // A constant rate: the gap is a draw of the site's law.
                let gap = sample_gap(&self.cx, plan.gap_site, k);
                if k == 0 {
                    plan.start.saturating_add(gap)
                } else {
                    self.cx.nanos().saturating_add(gap)
                }
            }
            Arrivals::Renewal(_) => {
                let gap = sample_gap(&self.cx, plan.gap_site, k);
                if k == 0 {
                    plan.start.saturating_add(gap)
                } else {
                    self.cx.nanos().saturating_add(gap)
                }
            }
            Arrivals::Poisson(rate) => {
                me.area += sample_gap(&self.cx, plan.gap_site, k) as f64 * 1e-9;
                match reach(rate, me.area) {
                    Some(t) => plan.start.saturating_add(nanos(t)),
                    None => return,
                }
            }
            Arrivals::Paced { rate, from_zero } => {
                let area = k as f64 + if *from_zero { 0.0 } else { 1.0 };
                match reach(rate, area) {
                    Some(t) => plan.start.saturating_add(nanos(t)),
                    None => return,
                }
            }
            Arrivals::Recorded(times) => match times.get(k as usize) {
                Some(t) => plan.start.saturating_add(nanos(*t)),
                None => return,
            },
            Arrivals::Users(_) => return,
        };
        let timer = me.timers[ARRIVE as usize];
        self.cx.arm_ranked(timer, at, rank::ARRIVAL);
    }

    fn arrive(&mut self, w: usize) {
        let plan = at(&self.model.workloads, w as u32);
        let me = at_mut(&mut self.workloads, w as u32);
        if me.stopping {
            return;
        }
        let number = me.number;
        me.number += 1;
        self.next_arrival(w);
        let mut user = NONE;
        if let Some(users) = plan.users {
            let now = self.cx.now();
            let me = &mut self.workloads[w];
            let Some(free) = me.free.pop_front() else {
                me.dropped += 1;
                if me.exist < users.max && !me.initialising {
                    me.initialising = true;
                    let (timer, at) = (me.timers[VU_READY as usize], self.cx.nanos() + users.initialise);
                    self.cx.arm(timer, at);
                }
                return;
            };
            user = free;
            me.busy_users.enter(now);
        }
        if let Some(limit) = plan.limit {
            let me = &mut self.workloads[w];
            if me.in_flight >= limit {
                me.dropped += 1;
                return;
            }
            me.in_flight += 1;
        }
        let Some(slot) = self.take_slot() else { return };
        let key = request_key(at(&self.workloads, w as u32).salt, number);
        let now = self.cx.nanos();
        let r = &mut self.cx.requests[slot];
        r.key = key;
        r.start = now;
        r.intended = now;
        r.pc = plan.entry;
        r.workload = w as u16;
        r.parent = user;
        r.state = State::Ready;
        if let Some(offset) = self.model.record_frame {
            let frame = self.cx.requests.frame_index(slot, offset);
            self.cx.requests.frame(frame).word = number;
        }
        self.execute(slot);
    }

    // ---------------------------------------------------------------- begin and end of a request

    /// `Begin`: stamps the request and sends it into the flow that the mix draws. Says whether it runs on.
    #[inline(always)]
    pub(super) fn begin(&mut self, slot: u32) -> bool {
        let w = self.cx.requests[slot].workload as usize;
        if let Some((flow, entry)) = at(&self.workloads, w as u32).plain {
            let now = self.cx.now();
            let r = &mut self.cx.requests[slot];
            r.flow = flow;
            r.pc = entry;
            at_mut(&mut self.flows, flow as u32).start(now);
            return true;
        }
        let plan = &self.model.workloads[w];
        if plan.is_closed() {
            if !self.next_round(w, slot) {
                return false;
            }
        } else if plan.has_client() {
            // Sent only now; the schedule wanted it earlier.
            self.cx.requests[slot].start = self.cx.nanos();
        }
        let flow = if plan.mix.len() == 1 {
            plan.mix[0].0
        } else {
            let purpose = self.cx.sites[plan.mix_site as usize].purpose;
            let u = Draws::new(purpose, self.cx.requests[slot].key).unit();
            let mut sum = 0.0;
            plan.mix
                .iter()
                .find(|(_, share)| {
                    sum += share;
                    u < sum
                })
                .unwrap_or(&plan.mix[plan.mix.len() - 1])
                .0
        };
        let now = self.cx.now();
        let r = &mut self.cx.requests[slot];
        r.flow = flow;
        r.pc = self.model.flows[flow as usize].entry;
        self.flows[flow as usize].start(now);
        if plan.timeout.is_some() {
            self.set_deadline(w, slot);
        }
        true
    }

    /// A request is done or has failed. Says whether the slot runs on, as a user's next round.
    #[inline(always)]
    pub(super) fn finish(&mut self, slot: u32, fault: Option<Fault>) -> bool {
        let r = &self.cx.requests[slot];
        if fault.is_some()
            || r.flags & (CHILD | AGENT | DEADLINE | DETACHED) != 0
            || at(&self.workloads, r.workload as u32).plain.is_none()
        {
            return self.settle(slot, fault);
        }
        let (now, start, intended) = (self.cx.now(), r.start, r.intended);
        at_mut(&mut self.flows, r.flow as u32).complete(now, start, intended);
        self.give_slot(slot);
        false
    }

    /// [`Engine::finish`] for every sort of request, user and end.
    #[inline(never)]
    fn settle(&mut self, slot: u32, fault: Option<Fault>) -> bool {
        let r = self.cx.requests[slot];
        if r.flags & CHILD != 0 {
            // A child's outermost scope answers to its parent before this point.
            self.give_slot(slot);
            return false;
        }
        if r.flags & AGENT != 0 {
            return self.finish_agent(slot);
        }
        let now = self.cx.now();
        let w = r.workload as usize;
        if r.flags & DEADLINE != 0 {
            self.clear_deadline(w, slot);
        }
        if r.flags & DETACHED != 0 {
            self.flows[r.flow as usize].wasted += fault.is_none() as u64;
            self.give_slot(slot);
            return false;
        }
        self.answered(w);
        let meter = &mut self.flows[r.flow as usize];
        let plan = &self.model.workloads[w];
        match fault {
            None if plan
                .record_limit
                .is_some_and(|limit| now.nanos() - r.start >= limit) =>
            {
                // wrk: counted as a request, not recorded as a latency (`stats_record` takes n < limit).
                meter.complete_unrecorded(now);
                self.workloads[w].slow += 1;
            }
            None => {
                meter.complete(now, r.start, r.intended);
                if plan.record_limit.is_some() {
                    self.workloads[w].latency.record(now.nanos() - r.start);
                }
            }
            Some(fault) => meter.fail(now, r.start, fault),
        }
        if plan.is_closed() {
            return self.think(w, slot);
        }
        if plan.users.is_some() {
            return self.think_open(w, slot);
        }
        self.give_slot(slot);
        false
    }

    /// Nobody waits any more for the answer to one of the workload's requests.
    fn answered(&mut self, w: usize) {
        let me = &mut self.workloads[w];
        me.in_flight = me.in_flight.saturating_sub(1);
    }

    /// The answer has come to a user of an arrival-rate executor, who is busy until the script's pause is over.
    fn think_open(&mut self, w: usize, slot: u32) -> bool {
        let plan = &self.model.workloads[w];
        let r = &mut self.cx.requests[slot];
        r.flags = DETACHED;
        r.home = NONE;
        r.pc = plan.rest;
        if plan.think.is_some() {
            let think = self.cx.sample_site(plan.think_site, slot);
            self.cx.hold(slot, think);
            return false;
        }
        true
    }

    /// `Rest`: the user is free for the next arrival.
    pub(super) fn rest(&mut self, slot: u32) {
        let now = self.cx.now();
        let r = self.cx.requests[slot];
        let me = &mut self.workloads[r.workload as usize];
        me.free.push_back(r.parent);
        me.busy_users.leave(now);
        me.iterations += 1;
        me.iteration_time.record(now.nanos() - r.start);
        self.give_slot(slot);
    }

    // ---------------------------------------------------------------- closed

    /// The next round of a user begins, unless the user is to stop.
    fn next_round(&mut self, w: usize, slot: u32) -> bool {
        let plan = &self.model.workloads[w];
        let user = self.cx.requests[slot].parent;
        self.end_pause(w, slot);
        let me = &mut self.workloads[w];
        let stop = me.stopping
            || user >= me.wanted
            || match plan.iterations {
                Iterations::Unlimited => false,
                Iterations::Shared(_) => me.shared_left == 0,
                Iterations::Each(n) => me.rounds[user as usize] as u64 >= n,
            };
        let now = self.cx.now();
        if stop {
            me.slots[user as usize] = NONE;
            me.users.leave(now);
            self.give_slot(slot);
            return false;
        }
        if let Iterations::Shared(_) = plan.iterations {
            me.shared_left -= 1;
        }
        let round = me.rounds[user as usize];
        me.rounds[user as usize] = round.wrapping_add(1);
        let key = request_key(me.salt, (user as u64) << 32 | round as u64);
        let r = &mut self.cx.requests[slot];
        r.key = key;
        r.start = now.nanos();
        if !plan.has_client() {
            r.intended = now.nanos();
        }
        r.home = NONE;
        r.flags = 0;
        true
    }

    /// The script's pause is over, and with it the iteration.
    fn end_pause(&mut self, w: usize, slot: u32) {
        let r = self.cx.requests[slot];
        let (me, now) = (&mut self.workloads[w], self.cx.nanos());
        if std::mem::take(&mut me.pausing[r.parent as usize]) {
            me.iterations += 1;
            me.iteration_time.record(now - r.start);
        }
    }

    /// A user has its answer: think, then the next round.
    #[inline(always)]
    fn think(&mut self, w: usize, slot: u32) -> bool {
        let plan = &self.model.workloads[w];
        let now = self.cx.nanos();
        let start = self.cx.requests[slot].start;
        let r = &mut self.cx.requests[slot];
        r.pc = plan.entry;
        r.home = NONE;
        r.intended = now;
        let me = &mut self.workloads[w];
        if plan.think.is_none() || plan.tool != Tool::K6 {
            me.iterations += 1;
            me.iteration_time.record(now - start);
        } else {
            // A k6 script sleeps inside its iteration.
            me.pausing[r.parent as usize] = true;
        }
        let wait = if plan.think.is_none() {
            0
        } else {
            let think = self.cx.sample_site(plan.think_site, slot);
            match plan.pacing {
                Pacing::After => think,
                Pacing::Between => think.saturating_sub(now - start),
            }
        };
        // A round must take time, or a user whose calls are refused at once would never let the clock go on.
        let wait = if wait == 0 && now == start {
            SHORTEST_ROUND
        } else {
            wait
        };
        if wait == 0 {
            return true;
        }
        self.cx.requests[slot].intended = now.saturating_add(wait);
        self.cx.hold(slot, wait);
        false
    }

    /// A thread of a component's own whose program fails outside any scope stands still.
    fn finish_agent(&mut self, slot: u32) -> bool {
        self.cx.requests[slot].state = State::Joining;
        false
    }
}

#[inline(always)]
fn sample_gap(cx: &Context, site: u32, number: u64) -> u64 {
    let s = at(&cx.sites, site);
    match &s.sampler {
        Some(sampler) => cx.sample(sampler, &mut Draws::new(s.purpose, number)),
        None => u64::MAX,
    }
}

/// When the area under a rate is reached, unless the profile has ended before.
fn reach(rate: &Profile, area: f64) -> Option<f64> {
    let t = rate.reaches(area)?;
    (rate.stages.is_empty() || t <= rate.length() + 1e-9 || rate.stages.last().is_some_and(|s| s.1 > 0.0))
        .then_some(t)
}

#[cfg(test)]
mod tests;
