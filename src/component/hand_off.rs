//! The hand-off of HikariCP's connection bag, as its source has it (`ConcurrentBag`, tag HikariCP-2.7.9; the same in 6.0).
//!
//! A thread that returns a connection marks it free first and hands it to the first waiter second. Until that
//! waiter has been scheduled and has claimed it, the connection is free for anybody who asks: a newcomer scans the
//! bag before it queues. The waiter that finds its connection gone polls again, **at the end** of the line, with what
//! is left of its time-out; with 10 µs or less left it fails. So the line is first come first served only as far
//! as waiters wake up faster than newcomers come, and under load some wait several rounds.
//!
//! One number describes the machine: how long a woken thread takes to run. In a service on a host that serves first come, first
//! served the thread stands in the run queue before that, behind whoever is there.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::distribution::Sampler;
use crate::kernel::{Admission, Context, Fault, Line, TimerId, Visit};
use crate::random::child_key;

/// The idle connections of a pool, latest returned last: since when each is idle, and its number. Empty where nobody asks.
#[derive(Default)]
pub struct Idle {
    pub kept: bool,
    pub list: std::collections::VecDeque<(u64, u32)>,
}

impl Idle {
    /// A connection comes back and nobody waits for it.
    pub fn push(&mut self, now: u64, id: u32) {
        if self.kept {
            self.list.push_back((now, id));
        }
    }

    /// The one that was returned last.
    pub fn pop(&mut self) -> Option<(u64, u32)> {
        self.list.pop_back()
    }

    /// Takes a connection out, if it is idle.
    pub fn remove(&mut self, id: u32) -> bool {
        let at = self.list.iter().position(|c| c.1 == id);
        at.is_some_and(|i| self.list.remove(i).is_some())
    }
}

/// `ConcurrentBag.borrow` polls no more with this left: 10 µs.
const LAST_POLL: u64 = 10_000;

/// A waiter that was handed a connection and has not run yet.
#[derive(Clone, Copy, Debug)]
struct Handed {
    /// When it runs.
    due: u64,
    slot: u32,
    /// The connection.
    id: u32,
    /// Somebody else has claimed the connection meanwhile, or it was closed.
    stolen: bool,
}

/// Connections with the bag's hand-off.
pub struct HandOff {
    limit: u64,
    in_use: u64,
    idle: u64,
    line: Line,
    handed: Vec<Handed>,
    /// Deadlines of waiters that lost a connection and wait again: the line's order is no longer that of deadlines.
    again: BinaryHeap<Reverse<(u64, u32)>>,
    patience: u64,
    wake_up: Sampler,
    purpose: u32,
    instance: u32,
    /// On whose cores waiters run.
    host: Option<u32>,
    wake_timer: TimerId,
    patience_timer: TimerId,
    armed: bool,
    hand_offs: u64,
    /// Since the measurement began: connections that were claimed from a waiter on its way.
    pub steals: u64,
    /// Acquisitions.
    pub acquired: u64,
}

impl HandOff {
    /// `wake_timer` must wake [`HandOff::woken`], `patience_timer` [`HandOff::expire`].
    pub fn new(
        limit: u64,
        patience: u64,
        wake_up: Sampler,
        purpose: u32,
        (instance, host): (u32, Option<u32>),
        wake_timer: TimerId,
        patience_timer: TimerId,
    ) -> Self {
        HandOff {
            limit,
            in_use: 0,
            idle: limit,
            line: Line::default(),
            handed: Vec::new(),
            again: BinaryHeap::new(),
            patience,
            wake_up,
            purpose,
            instance,
            host,
            wake_timer,
            patience_timer,
            armed: false,
            hand_offs: 0,
            steals: 0,
            acquired: 0,
        }
    }

    /// Claims a free connection, one on its way to a waiter if need be, or joins the line. The visit's word is the number of
    /// the one that was on its way.
    pub fn acquire(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        if self.idle > 0 {
            self.idle -= 1;
        } else if let Some(h) = self.handed.iter_mut().find(|h| !h.stolen) {
            h.stolen = true;
            *cx.word(visit) = u64::from(h.id);
            self.steals += 1;
        } else {
            cx.begin_wait(visit);
            self.line.push_back(&mut cx.requests, visit.slot);
            if self.patience != u64::MAX && !self.armed {
                self.armed = true;
                cx.arm(self.patience_timer, cx.nanos().saturating_add(self.patience));
            }
            return Admission::Wait;
        }
        self.in_use += 1;
        self.acquired += 1;
        Admission::Proceed
    }

    /// A connection comes back.
    pub fn release(&mut self, id: u32, idle: &mut Idle, cx: &mut Context) {
        self.in_use -= 1;
        self.offer(id, idle, cx);
    }

    fn offer(&mut self, id: u32, idle: &mut Idle, cx: &mut Context) {
        debug_assert_eq!(self.in_use + self.idle + self.on_their_way() + 1, self.limit);
        match self.line.pop_front(&mut cx.requests) {
            None => {
                self.idle += 1;
                idle.push(cx.nanos(), id);
            }
            Some(slot) => {
                self.hand_offs += 1;
                let mut draws = cx.draws_of(self.purpose, child_key(self.instance as u64, self.hand_offs));
                let behind = self.host.map_or(0, |host| cx.run_queue(host));
                let due = cx.nanos() + cx.sample(&self.wake_up, &mut draws) + behind;
                self.handed.push(Handed {
                    due,
                    slot,
                    id,
                    stolen: false,
                });
                cx.arm(self.wake_timer, due);
            }
        }
    }

    fn on_their_way(&self) -> u64 {
        self.handed.iter().filter(|h| !h.stolen).count() as u64
    }

    /// Waiters that were handed a connection run: they claim it, or find it gone.
    pub fn woken(&mut self, idle: &mut Idle, cx: &mut Context) {
        let now = cx.nanos();
        while let Some(i) = self.handed.iter().position(|h| h.due <= now) {
            let h = self.handed.remove(i);
            if !h.stolen || self.idle > 0 {
                let id = match h.stolen {
                    false => h.id,
                    true => {
                        self.idle -= 1;
                        idle.pop().map_or(0, |c| c.1)
                    }
                };
                *cx.waiting_word(h.slot) = u64::from(id);
                self.in_use += 1;
                self.acquired += 1;
                cx.admit(self.instance, h.slot);
                continue;
            }
            let deadline = cx.requests[h.slot].since.saturating_add(self.patience);
            if deadline <= now.saturating_add(LAST_POLL) {
                cx.refuse(self.instance, h.slot, Fault::AcquireTimeout);
                continue;
            }
            self.line.push_back(&mut cx.requests, h.slot);
            if self.patience != u64::MAX {
                self.again.push(Reverse((deadline, h.slot)));
                cx.arm(self.patience_timer, deadline);
            }
        }
    }

    /// Who has waited too long, in the line or again in the line, is refused.
    pub fn expire(&mut self, cx: &mut Context) {
        let now = cx.nanos();
        while let Some(Reverse((deadline, slot))) = self.again.peek().copied() {
            if deadline > now {
                break;
            }
            self.again.pop();
            self.refuse_late(slot, cx);
        }
        self.armed = false;
        while let Some(slot) = self.line.head() {
            let due = cx.requests[slot].since.saturating_add(self.patience);
            if due > now {
                self.armed = true;
                return cx.arm(self.patience_timer, due);
            }
            self.refuse_late(slot, cx);
        }
    }

    /// Refuses a request if it still waits in this line and its time is over; an entry may be stale.
    fn refuse_late(&mut self, slot: u32, cx: &mut Context) {
        let mut at = self.line.head();
        while let Some(s) = at {
            if s == slot {
                if cx.requests[slot].since.saturating_add(self.patience) <= cx.nanos() {
                    self.line.remove(&mut cx.requests, slot);
                    cx.refuse(self.instance, slot, Fault::AcquireTimeout);
                }
                return;
            }
            at = self.line.after(&cx.requests, s);
        }
    }

    /// A waiting visitor goes away.
    pub fn cancel(&mut self, visit: Visit, idle: &mut Idle, cx: &mut Context) {
        if let Some(i) = self.handed.iter().position(|h| h.slot == visit.slot) {
            let h = self.handed.remove(i);
            cx.abandon(visit.instance, visit.slot);
            if !h.stolen {
                self.offer(h.id, idle, cx);
            }
            return;
        }
        self.line.remove(&mut cx.requests, visit.slot);
        cx.abandon(visit.instance, visit.slot);
    }

    /// One more connection.
    pub fn grow(&mut self, id: u32, idle: &mut Idle, cx: &mut Context) {
        self.limit += 1;
        self.offer(id, idle, cx);
    }

    /// A connection on its way to a waiter is closed: that one will find it gone. Says whether there was one.
    pub fn shrink_handed(&mut self, id: u32) -> bool {
        let Some(h) = self.handed.iter_mut().find(|h| h.id == id && !h.stolen) else {
            return false;
        };
        h.stolen = true;
        self.limit -= 1;
        true
    }

    /// One idle connection less.
    pub fn shrink_idle(&mut self) {
        self.limit -= 1;
        self.idle -= 1;
    }

    /// One connection in use no longer counts: it will not come back.
    pub fn shrink_in_use(&mut self) {
        self.limit -= 1;
        self.in_use -= 1;
    }

    pub fn idle(&self) -> u64 {
        self.idle
    }

    pub fn in_use(&self) -> u64 {
        self.in_use
    }

    /// Who stands in line.
    pub fn waiting(&self) -> u64 {
        self.line.len() as u64
    }

    /// Another time-out.
    pub fn set_patience(&mut self, patience: u64, cx: &mut Context) {
        self.patience = patience;
        self.expire(cx);
    }
}
