//! Permits that are held: a limited number, a first-come line before them, one time limit on waiting.
//!
//! A freed permit goes straight to the first in line, never through an event of its own. Because all wait
//! equally long at most, one timer for the head of the line is enough.

use crate::kernel::{Admission, Context, Fault, Line, TimerId, Visit};

/// A number of permits with a line before them.
pub struct Permits {
    pub limit: u64,
    pub taken: u64,
    pub line: Line,
    /// Nanoseconds; `u64::MAX` for no limit.
    pub patience: u64,
    instance: u32,
    timer: TimerId,
    armed: bool,
    fault: Fault,
}

impl Permits {
    /// `timer` must wake [`Permits::expire`]; `fault` is raised in who has waited too long.
    pub fn new(limit: u64, patience: u64, fault: Fault, instance: u32, timer: TimerId) -> Self {
        Permits {
            limit,
            taken: 0,
            line: Line::default(),
            patience,
            instance,
            timer,
            armed: false,
            fault,
        }
    }

    /// Takes a permit or joins the line.
    #[inline(always)]
    pub fn acquire(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        if self.taken < self.limit {
            self.taken += 1;
            return Admission::Proceed;
        }
        self.wait(visit, cx)
    }

    /// Joins the line.
    #[inline]
    pub fn wait(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        cx.begin_wait(visit);
        self.line.push_back(&mut cx.requests, visit.slot);
        if self.patience != u64::MAX && !self.armed {
            self.armed = true;
            cx.arm(self.timer, cx.nanos().saturating_add(self.patience));
        }
        Admission::Wait
    }

    /// Gives a permit back: the first in line has it now. Under a lowered limit it is not handed on.
    #[inline(always)]
    pub fn release(&mut self, cx: &mut Context) {
        if self.taken > self.limit {
            self.taken -= 1;
            return;
        }
        match self.line.pop_front(&mut cx.requests) {
            Some(next) => cx.admit(self.instance, next),
            None => self.taken -= 1,
        }
    }

    /// A waiting visitor goes away.
    pub fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        self.line.remove(&mut cx.requests, visit.slot);
        cx.abandon(visit.instance, visit.slot);
    }

    pub fn instance(&self) -> u32 {
        self.instance
    }

    /// A waiting visitor is refused.
    pub fn turn_away(&mut self, slot: u32, cx: &mut Context) {
        self.line.remove(&mut cx.requests, slot);
        cx.refuse(self.instance, slot, self.fault);
    }

    /// The timer went off: who has waited too long is refused.
    pub fn expire(&mut self, cx: &mut Context) {
        self.armed = false;
        while let Some(slot) = self.line.head() {
            let due = cx.requests[slot].since.saturating_add(self.patience);
            if due > cx.nanos() {
                self.armed = true;
                return cx.arm(self.timer, due);
            }
            self.line.pop_front(&mut cx.requests);
            cx.refuse(self.instance, slot, self.fault);
        }
    }

    /// Another limit: more are let in at once; fewer take effect as permits come back.
    pub fn resize(&mut self, limit: u64, cx: &mut Context) {
        self.limit = limit;
        while self.taken < self.limit {
            let Some(next) = self.line.pop_front(&mut cx.requests) else {
                return;
            };
            self.taken += 1;
            cx.admit(self.instance, next);
        }
    }
}
