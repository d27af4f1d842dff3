//! Work that runs beside its request: how it begins, answers, ends, and is left behind.

use super::Engine;
use crate::component::Instance;
use crate::kernel::request::{CHILD, INTERRUPTED, ORPHAN, State};
use crate::kernel::{Fault, Frame, NONE};
use crate::program::{Instr, ScopeKind};

impl Engine<'_> {
    pub(super) fn fork(&mut self, slot: u32, pc: u32, frame: u16, table: u32) {
        let targets = self.tables[table as usize].targets.len();
        let quorum = self.tables[table as usize].quorum;
        let (left, first) = (
            self.cx.requests.frame_index(slot, frame),
            self.cx.requests.frame_index(slot, frame + 1),
        );
        *self.cx.requests.frame(left) = Frame {
            start: targets as u64,
            word: u64::MAX,
        };
        *self.cx.requests.frame(first) = Frame {
            start: u64::from(quorum),
            word: NONE as u64,
        };
        self.cx.requests[slot].pc = pc + 1;
        self.cx.requests[slot].state = State::Joining;
        let scope = self.scope_at[pc as usize + 1];
        let apart = matches!(
            self.scopes[scope as usize].kind,
            ScopeKind::Fork { apart: true, .. }
        );
        for i in 0..targets {
            let target = self.tables[table as usize].targets[i];
            let Some(child) = self.take_slot() else { break };
            self.cx.requests.copy_frames(slot, child);
            let parent = self.cx.requests[slot];
            let attempt = self.cx.requests.attempt(slot);
            let r = &mut self.cx.requests[child];
            r.key = match apart {
                true => parent.key,
                false => crate::random::child_key(parent.key ^ attempt, i as u64) ^ attempt,
            };
            r.start = parent.start;
            r.intended = parent.intended;
            r.pc = target;
            r.parent = slot;
            r.home = parent.home;
            r.flow = parent.flow;
            r.workload = parent.workload;
            r.flags = CHILD | (parent.flags & crate::kernel::request::AGENT);
            r.state = State::Ready;
            // Children are linked through the word of their own first frame.
            let Some(own) = self
                .around(self.scope_at[target as usize])
                .find_map(|s| match s.kind {
                    ScopeKind::Child { frame } => Some(frame),
                    _ => None,
                })
            else {
                unreachable!("a branch does not begin in a child's scope")
            };
            let head = std::mem::replace(&mut self.cx.requests.frame(first).word, child as u64);
            let f = self.cx.requests.frame_index(child, own);
            *self.cx.requests.frame(f) = Frame {
                start: own as u64,
                word: head,
            };
            self.cx.leave_effect(crate::kernel::Effect::Resume(child));
        }
    }

    /// A child is done, or has failed.
    pub(super) fn join(&mut self, child: u32, frame: u16, fault: Option<Fault>) {
        let parent = self.cx.requests[child].parent;
        let f = self.cx.requests.frame_index(child, frame);
        let next = self.cx.requests.frame(f).word;
        self.bury(child);
        if parent != NONE {
            self.part(parent, child, frame, next, fault);
        }
    }

    /// A child answers its parent, and goes on by itself.
    #[inline(never)]
    pub(super) fn reply(&mut self, child: u32, frame: u16) {
        let parent = std::mem::replace(&mut self.cx.requests[child].parent, NONE);
        if parent != NONE {
            self.orphan(child);
            let f = self.cx.requests.frame_index(child, frame);
            let next = self.cx.requests.frame(f).word;
            self.part(parent, child, frame, next, None);
        }
    }

    /// A child goes on without its parent.
    fn orphan(&mut self, child: u32) {
        self.cx.requests[child].flags |= ORPHAN;
        self.cx.orphans.enter(self.cx.now());
    }

    /// A child has ended.
    fn bury(&mut self, child: u32) {
        if self.cx.requests[child].flags & ORPHAN != 0 {
            self.cx.orphans.leave(self.cx.now());
        }
        self.give_slot(child);
    }

    /// A child and its parent part; a parent that has nobody left to wait for goes on.
    fn part(&mut self, parent: u32, child: u32, frame: u16, next: u64, fault: Option<Fault>) {
        // The parent's frames of the fork stand just before the child's own.
        let (left, first) = (
            self.cx.requests.frame_index(parent, frame - 2),
            self.cx.requests.frame_index(parent, frame - 1),
        );
        self.unlink_child(first, child, next, frame);
        let needed = self.cx.requests.frame(first).start;
        let l = self.cx.requests.frame(left);
        l.start -= 1;
        if let Some(fault) = fault
            && l.word == u64::MAX
        {
            l.word = fault as u8 as u64;
        }
        let (running, failed) = (l.start, l.word);
        if needed > 0 {
            // A quorum: failures count only when those that are left cannot make it up.
            let needed = needed - u64::from(fault.is_none());
            self.cx.requests.frame(first).start = needed;
            if needed == 0 || running < needed {
                self.leave_rest(parent, frame - 2);
                self.go_on(parent, (needed > 0).then_some(failed));
            }
        } else if running == 0 {
            self.go_on(parent, (failed != u64::MAX).then_some(failed));
        }
    }

    fn go_on(&mut self, parent: u32, failed: Option<u64>) {
        match failed {
            None => {
                self.cx.requests[parent].state = State::Ready;
                self.cx.leave_effect(crate::kernel::Effect::Resume(parent));
            }
            Some(fault) => self.cx.fail(parent, Fault::from_index(fault as u8)),
        }
    }

    /// The branches beyond a quorum are cancelled, or go on by themselves.
    fn leave_rest(&mut self, parent: u32, frame: u16) {
        let pc = self.cx.requests[parent].pc;
        if let Instr::Fork { table, .. } = self.code[pc as usize - 1] {
            let cancels = self.tables[table as usize].cancels_rest;
            self.leave_children(parent, frame, cancels);
        }
    }

    fn unlink_child(&mut self, first: u32, child: u32, next: u64, frame: u16) {
        let mut at = self.cx.requests.frame(first).word;
        if at == child as u64 {
            self.cx.requests.frame(first).word = next;
            return;
        }
        while at != NONE as u64 {
            let f = self.cx.requests.frame_index(at as u32, frame);
            let n = self.cx.requests.frame(f).word;
            if n == child as u64 {
                self.cx.requests.frame(f).word = next;
                return;
            }
            at = n;
        }
    }

    /// The first of the children of a parent's fork, whose frames are `frame` and the next one; `NONE` for none.
    pub(super) fn first_child(&mut self, parent: u32, frame: u16) -> u32 {
        let first = self.cx.requests.frame_index(parent, frame + 1);
        self.cx.requests.frame(first).word as u32
    }

    /// The child behind another one of the same fork; `NONE` for none.
    pub(super) fn next_child(&mut self, child: u32, frame: u16) -> u32 {
        let own = self.cx.requests.frame_index(child, frame + 2);
        self.cx.requests.frame(own).word as u32
    }

    /// The parent leaves its fork: its children end with it, or go on by themselves.
    pub(super) fn leave_children(&mut self, slot: u32, frame: u16, cancels: bool) {
        let mut at = self.first_child(slot, frame);
        let first = self.cx.requests.frame_index(slot, frame + 1);
        self.cx.requests.frame(first).word = NONE as u64;
        while at != NONE {
            let child = at;
            at = self.next_child(child, frame);
            self.cx.requests[child].parent = NONE;
            match cancels {
                true => self.interrupt_child(child),
                false => self.orphan(child),
            }
        }
    }

    /// Interrupts the thread of a child that nobody waits for: a wait inside the process ends at once, and so does the
    /// thread. What was asked of another system goes on there, and its answer is read before the thread ends.
    fn interrupt_child(&mut self, child: u32) {
        if self.hears(child) {
            self.end_child(child);
        } else {
            self.cx.requests[child].flags |= INTERRUPTED;
            self.orphan(child);
        }
    }

    /// Whether a request's thread hears an interrupt where it is.
    fn hears(&self, slot: u32) -> bool {
        let r = &self.cx.requests[slot];
        if self.is_away(self.scope_at[r.pc as usize]) {
            return false;
        }
        let at = match r.state {
            State::Waiting => r.pc,
            State::Holding => r.pc.saturating_sub(1),
            State::Joining | State::Ready => return true,
            State::Stalled | State::Free => return false,
        };
        match self.code[at as usize] {
            Instr::Enter { comp, .. } | Instr::Op { comp, .. } => self.components[comp as usize].hears(),
            _ => true,
        }
    }

    /// Whether a call into a service or a query is open here: what is done is done by the other system.
    fn is_away(&self, scope: u32) -> bool {
        self.around(scope).any(|s| match s.kind {
            ScopeKind::Visit { comp, .. } => {
                self.is_balancer(comp) || matches!(self.components[comp as usize], Instance::Database(_))
            }
            _ => false,
        })
    }

    /// Whether a request was interrupted and its own thread is back in this scope.
    pub(super) fn is_over(&self, slot: u32, scope: u32) -> bool {
        self.cx.requests[slot].flags & INTERRUPTED != 0 && !self.is_away(scope)
    }

    /// Ends a request that was interrupted, if its own thread is at work again.
    #[inline(always)]
    pub(super) fn heeds(&mut self, slot: u32) -> bool {
        self.cx.requests[slot].flags & INTERRUPTED != 0 && self.ends_interrupted(slot)
    }

    #[cold]
    #[inline(never)]
    fn ends_interrupted(&mut self, slot: u32) -> bool {
        let pc = self.cx.requests[slot].pc;
        let over = self.is_over(slot, self.scope_at[pc as usize]);
        if over {
            self.cx.requests[slot].state = State::Ready;
            self.end_child(slot);
        }
        over
    }

    /// Ends a child that nobody waits for, wherever it is.
    pub(super) fn end_child(&mut self, child: u32) {
        self.unwind(child, NONE);
        self.bury(child);
    }
}
