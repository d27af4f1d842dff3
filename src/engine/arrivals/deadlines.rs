//! Callers who wait only so long.

use super::{DEADLINES, Engine};
use crate::component::CALLER_LEFT;
use crate::kernel::request::{DEADLINE, DETACHED, State};
use crate::kernel::{Effect, NONE};

impl Engine<'_> {
    /// The caller will give up at a fixed distance from now: a line in order of deadlines, linked through frame 0.
    pub(super) fn set_deadline(&mut self, w: usize, slot: u32) {
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

    pub(super) fn clear_deadline(&mut self, w: usize, slot: u32) {
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

    pub(super) fn expire_clients(&mut self, w: usize) {
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
        self.blame(slot, NONE, CALLER_LEFT);
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
            n.parent = r.parent;
            self.think_open(w, next);
        } else if plan.users.is_some() {
            let (now, me) = (self.cx.now(), &mut self.workloads[w]);
            me.free.push_back(r.parent);
            me.busy_users.leave(now);
            me.iterations += 1;
            me.iteration_time.record(now.nanos() - r.start);
        }
    }
}
