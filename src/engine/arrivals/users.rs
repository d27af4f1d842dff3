//! How many users there are, and what becomes of those that are no longer wanted.

use super::{Engine, POPULATION, RAMP_DOWN, nanos};
use crate::kernel::request::{DEADLINE, DETACHED, State};
use crate::kernel::{Effect, Fault, NONE, rank};
use crate::model::workload::{Arrivals, Iterations, Profile};
use crate::random::request_key;

impl Engine<'_> {
    pub(super) fn change_population(&mut self, w: usize) {
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

    pub(super) fn interrupt_leavers(&mut self, w: usize) {
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

    pub(super) fn stop_workload(&mut self, w: usize) {
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

    pub(super) fn interrupt(&mut self, w: usize) {
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
            me.free.push_back(r.parent);
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
                me.free.push_back(r.parent);
                me.busy_users.leave(now);
            }
        }
        self.give_slot(slot);
    }
}

/// k6 and Locust count whole users: a fraction is not a user yet. Asked at instants that were rounded to nanoseconds.
pub(super) fn whole(users: f64) -> u32 {
    (users + 1e-3).floor().clamp(0.0, u32::MAX as f64) as u32
}

/// When the whole number of users changes next after `t`.
pub(super) fn next_change(profile: &Profile, t: f64) -> Option<f64> {
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
