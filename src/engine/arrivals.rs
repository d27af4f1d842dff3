//! Workloads as running: schedules, virtual users, client deadlines.

use super::Engine;
use crate::kernel::request::{AGENT, CHILD, DEADLINE, DETACHED, State};
use crate::kernel::unchecked::{at, at_mut};
use crate::kernel::{Context, Effect, Fault, Line, NONE, TimerId, TimerOwner, rank};
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
    leaving: std::collections::VecDeque<(u64, u32)>,
    /// The latest such instant of each user.
    leave_by: Vec<u64>,
    /// k6: users whose iteration has its answer and lasts until the script's pause is over.
    pausing: Vec<bool>,
    /// Arrival-rate executors: users that are free, and how many exist.
    idle: u32,
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
            idle: exist,
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
                me.exist += 1;
                me.idle += 1;
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
        if let Some(users) = plan.users {
            let now = self.cx.now();
            let me = &mut self.workloads[w];
            if me.idle == 0 {
                me.dropped += 1;
                if me.exist < users.max && !me.initialising {
                    me.initialising = true;
                    let (timer, at) = (me.timers[VU_READY as usize], self.cx.nanos() + users.initialise);
                    self.cx.arm(timer, at);
                }
                return;
            }
            me.idle -= 1;
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
        me.idle += 1;
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

    fn change_population(&mut self, w: usize) {
        let plan = &self.model.workloads[w];
        let Arrivals::Users(profile) = &plan.arrivals else {
            return;
        };
        let t = (self.cx.nanos() - plan.start) as f64 * 1e-9;
        let (wanted, next) = match plan.spawn.per_second {
            Some(rate) => {
                // Locust: batches of max(1, floor(rate)) users every batch / rate seconds.
                let batch = rate.floor().max(1.0);
                let step = batch / rate;
                let batches = ((t / step) + 1e-9).floor() + 1.0;
                let want = (batches * batch).min(profile.at(t));
                let done = want >= profile.peak() && profile.stages.is_empty();
                (want as u32, (!done).then_some(batches * step))
            }
            None => (whole(profile.at(t)), next_change(profile, t)),
        };
        // A removal at the very end is carried out; nobody begins any more.
        let stopping = self.workloads[w].stopping;
        let wanted = match stopping {
            true => wanted.min(self.workloads[w].wanted),
            false => wanted,
        };
        self.set_population(w, wanted);
        if let Some(next) = next.filter(|_| !stopping) {
            let (timer, at) = (
                self.workloads[w].timers[POPULATION as usize],
                plan.start.saturating_add(nanos(next)),
            );
            self.cx
                .arm_ranked(timer, at.max(self.cx.nanos() + 1), rank::ARRIVAL);
        }
    }

    fn set_population(&mut self, w: usize, wanted: u32) {
        let plan = &self.model.workloads[w];
        let before = self.workloads[w].wanted;
        self.workloads[w].wanted = wanted;
        let now = self.cx.now();
        if wanted < before {
            let by = now.nanos().saturating_add(plan.graceful_ramp_down);
            let me = &mut self.workloads[w];
            for user in (wanted..before).rev() {
                me.leaving.push_back((by, user));
                me.leave_by[user as usize] = by;
            }
            let timer = me.timers[RAMP_DOWN as usize];
            self.cx.arm(timer, by);
        }
        for user in before..wanted {
            let me = &mut self.workloads[w];
            if me.slots.len() <= user as usize {
                me.slots.resize(user as usize + 1, NONE);
                me.rounds.resize(user as usize + 1, 0);
                me.leave_by.resize(user as usize + 1, 0);
                me.pausing.resize(user as usize + 1, false);
            }
            if me.slots[user as usize] != NONE {
                continue; // still finishing its last round: it simply goes on
            }
            let Some(slot) = self.take_slot() else { return };
            let me = &mut self.workloads[w];
            me.slots[user as usize] = slot;
            me.users.enter(now);
            let key = request_key(me.salt ^ 0x7468_696e_6b00, user as u64);
            let r = &mut self.cx.requests[slot];
            r.workload = w as u16;
            r.parent = user;
            r.pc = plan.entry;
            r.key = key;
            r.state = State::Ready;
            r.intended = now.nanos();
            if plan.spawn.think_first && plan.think.is_some() {
                let think = self.cx.sample_site(plan.think_site, slot);
                self.cx.hold(slot, think);
            } else {
                self.cx.leave_effect(Effect::Resume(slot));
            }
        }
    }

    fn interrupt_leavers(&mut self, w: usize) {
        let now = self.cx.nanos();
        while let Some(&(by, user)) = self.workloads[w].leaving.front() {
            if by > now {
                break;
            }
            self.workloads[w].leaving.pop_front();
            let me = &self.workloads[w];
            let slot = me.slots[user as usize];
            // Who was wanted again and removed again has more time.
            if user >= me.wanted && slot != NONE && me.leave_by[user as usize] == by {
                self.interrupt_request(slot);
            }
        }
    }

    fn stop_workload(&mut self, w: usize) {
        let plan = &self.model.workloads[w];
        let me = &mut self.workloads[w];
        me.stopping = true;
        if let Iterations::Shared(_) = plan.iterations {
            me.dropped += me.shared_left;
            me.shared_left = 0;
        }
        if let Iterations::Each(n) = plan.iterations {
            me.dropped += me.rounds.iter().map(|r| n.saturating_sub(*r as u64)).sum::<u64>();
        }
    }

    fn interrupt(&mut self, w: usize) {
        let plan = &self.model.workloads[w];
        for slot in 0..self.cx.requests.slots() as u32 {
            let r = &self.cx.requests[slot];
            if r.state == State::Free || r.workload != w as u16 {
                continue;
            }
            if self.is_attended(slot) {
                self.interrupt_request(slot);
            } else if plan.users.is_some() && r.flags == DETACHED && r.pc == plan.rest {
                self.end_early(slot);
            }
        }
    }

    /// The load generator drops a running iteration: its connection closes, the server's work goes on.
    fn interrupt_request(&mut self, slot: u32) {
        let r = self.cx.requests[slot];
        let (w, now) = (r.workload as usize, self.cx.now());
        let plan = &self.model.workloads[w];
        if plan.is_before_begin(r.pc) {
            return self.end_early(slot);
        }
        if r.flags & DEADLINE != 0 {
            self.clear_deadline(w, slot);
        }
        self.flows[r.flow as usize].fail(now, r.start, Fault::Interrupted);
        self.answered(w);
        let me = &mut self.workloads[w];
        me.interrupted += 1;
        if plan.is_closed() {
            me.slots[r.parent as usize] = NONE;
            me.users.leave(now);
        } else if plan.users.is_some() {
            me.idle += 1;
            me.busy_users.leave(now);
        }
        self.cx.requests[slot].flags |= DETACHED;
    }

    /// Interrupts a user that thinks or that works on its next request: nothing is under way.
    fn end_early(&mut self, slot: u32) {
        let r = self.cx.requests[slot];
        let (w, now) = (r.workload as usize, self.cx.now());
        let plan = &self.model.workloads[w];
        self.unwind(slot, NONE);
        self.answered(w);
        let me = &mut self.workloads[w];
        if plan.is_closed() {
            me.interrupted += std::mem::take(&mut me.pausing[r.parent as usize]) as u64;
            me.slots[r.parent as usize] = NONE;
            me.users.leave(now);
        } else {
            me.interrupted += 1;
            if plan.users.is_some() {
                me.idle += 1;
                me.busy_users.leave(now);
            }
        }
        self.give_slot(slot);
    }

    // ---------------------------------------------------------------- client deadlines

    /// The caller will give up at a fixed distance from now: a line in order of deadlines, linked through frame 0.
    fn set_deadline(&mut self, w: usize, slot: u32) {
        let timeout = self.model.workloads[w].timeout.unwrap_or(u64::MAX);
        let at = self.cx.nanos().saturating_add(timeout);
        let f = self.cx.requests.frame_index(slot, 0);
        let me = &mut self.workloads[w];
        let tail = me.deadlines.tail().unwrap_or(NONE);
        *self.cx.requests.frame(f) = crate::kernel::Frame {
            start: at,
            word: (tail as u64) << 32 | NONE as u64,
        };
        if tail != NONE {
            let t = self.cx.requests.frame_index(tail, 0);
            let word = &mut self.cx.requests.frame(t).word;
            *word = (*word & !0xffff_ffff) | slot as u64;
        }
        me.deadlines.append_raw(slot);
        self.cx.requests[slot].flags |= DEADLINE;
        if !me.deadline_armed {
            me.deadline_armed = true;
            let timer = me.timers[DEADLINES as usize];
            self.cx.arm(timer, at);
        }
    }

    fn clear_deadline(&mut self, w: usize, slot: u32) {
        let f = self.cx.requests.frame_index(slot, 0);
        let word = self.cx.requests.frame(f).word;
        let (prev, next) = ((word >> 32) as u32, word as u32);
        if prev != NONE {
            let p = self.cx.requests.frame_index(prev, 0);
            let word = &mut self.cx.requests.frame(p).word;
            *word = (*word & !0xffff_ffff) | next as u64;
        }
        if next != NONE {
            let n = self.cx.requests.frame_index(next, 0);
            let word = &mut self.cx.requests.frame(n).word;
            *word = (*word & 0xffff_ffff) | (prev as u64) << 32;
        }
        self.workloads[w].deadlines.remove_raw(prev, next);
        self.cx.requests[slot].flags &= !DEADLINE;
    }

    fn expire_clients(&mut self, w: usize) {
        let now = self.cx.nanos();
        self.workloads[w].deadline_armed = false;
        while let Some(slot) = self.workloads[w].deadlines.head() {
            let f = self.cx.requests.frame_index(slot, 0);
            let at = self.cx.requests.frame(f).start;
            if at > now {
                let me = &mut self.workloads[w];
                me.deadline_armed = true;
                let timer = me.timers[DEADLINES as usize];
                self.cx.arm(timer, at);
                break;
            }
            self.clear_deadline(w, slot);
            self.give_up(w, slot);
        }
    }

    /// The caller leaves; the work it asked for goes on without it.
    fn give_up(&mut self, w: usize, slot: u32) {
        let r = self.cx.requests[slot];
        self.flows[r.flow as usize].give_up(self.cx.now(), r.start);
        self.answered(w);
        self.cx.requests[slot].flags |= DETACHED;
        let plan = &self.model.workloads[w];
        if plan.is_closed() {
            let Some(next) = self.take_slot() else { return };
            self.workloads[w].slots[r.parent as usize] = next;
            let n = &mut self.cx.requests[next];
            n.key = r.key;
            n.start = r.start;
            n.intended = r.intended;
            n.workload = r.workload;
            n.parent = r.parent;
            n.pc = plan.entry;
            n.state = State::Ready;
            if self.think(w, next) {
                self.cx.leave_effect(Effect::Resume(next));
            }
        } else if plan.users.is_some() && plan.think.is_some() {
            // The script goes on to its pause.
            let Some(next) = self.take_slot() else { return };
            let n = &mut self.cx.requests[next];
            n.key = r.key;
            n.start = r.start;
            n.workload = r.workload;
            self.think_open(w, next);
        } else if plan.users.is_some() {
            let (now, me) = (self.cx.now(), &mut self.workloads[w]);
            me.idle += 1;
            me.busy_users.leave(now);
            me.iterations += 1;
            me.iteration_time.record(now.nanos() - r.start);
        }
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

/// k6 and Locust count whole users: a fraction is not a user yet. Asked at instants that were rounded to nanoseconds.
fn whole(users: f64) -> u32 {
    (users + 1e-3).floor().clamp(0.0, u32::MAX as f64) as u32
}

/// When the whole number of users changes next after `t`.
fn next_change(profile: &Profile, t: f64) -> Option<f64> {
    let (mut from, mut begin) = (profile.start, 0.0);
    for &(length, to) in &profile.stages {
        let end = begin + length;
        if t < end && length > 0.0 && to != from {
            let slope = (to - from) / length;
            let now = from + slope * (t.max(begin) - begin);
            let target = if slope > 0.0 {
                (now + 1e-3).floor() + 1.0
            } else {
                (now - 1e-3).ceil() - 1.0
            };
            let at = begin + (target - from) / slope;
            if at <= end + 1e-9 {
                return Some(at.max(t));
            }
            return Some(end);
        }
        if t < end {
            return Some(end);
        }
        begin = end;
        from = to;
    }
    None
}

#[cfg(test)]
mod tests;
