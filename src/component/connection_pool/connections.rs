//! The connections of a pool: who opens them, who has them, how long they idle.

use super::super::connection_adder::Next;
use super::{ALIVE_BYPASS, ConnectionPool, Connections};
use crate::kernel::{Admission, Context, Visit};

impl ConnectionPool {
    pub(super) fn idle(&self) -> u64 {
        match &self.connections {
            Connections::Direct(permits) => permits.limit - permits.taken,
            Connections::Bag(bag) => bag.idle(),
        }
    }

    pub(super) fn in_use(&self) -> u64 {
        self.leaving
            + match &self.connections {
                Connections::Direct(permits) => permits.taken,
                Connections::Bag(bag) => bag.in_use(),
            }
    }

    pub(super) fn waiting(&self) -> u64 {
        match &self.connections {
            Connections::Direct(permits) => permits.line.len() as u64,
            Connections::Bag(bag) => bag.waiting(),
        }
    }

    /// Asks the adder for more connections, if there is reason to.
    pub(super) fn ask(&mut self, cx: &mut Context) {
        if self.size.value() < self.maximum && !self.down && self.adder.is_off() {
            self.create(cx);
        }
    }

    /// HikariCP's `shouldContinueCreating`.
    pub(super) fn create(&mut self, cx: &mut Context) {
        let idle = self.idle();
        let wanted = !self.down
            && self.size.value() < self.maximum
            && (idle < self.minimum_idle || self.waiting() > idle);
        match self.adder.go_on(wanted, cx) {
            Next::Connected => {
                self.add(cx);
                self.adder.rest(cx);
            }
            Next::Later => {}
        }
    }

    /// A connection stands.
    pub(super) fn add(&mut self, cx: &mut Context) {
        self.size.enter(cx.now());
        self.adder.begin_life(cx);
        match &mut self.connections {
            Connections::Direct(permits) => permits.resize(permits.limit + 1, cx),
            Connections::Bag(bag) => bag.grow(cx),
        }
        self.active_max = self.active_max.max(self.in_use());
        self.note_idle(cx);
    }

    /// Takes one connection out, an idle one if there is one. Says whether it could.
    pub(super) fn shrink(&mut self, cx: &mut Context) -> bool {
        let idle = self.idle() > 0;
        if !idle && self.in_use() == self.leaving {
            return false;
        }
        match &mut self.connections {
            Connections::Direct(permits) => {
                permits.limit -= 1;
                permits.taken -= !idle as u64;
            }
            Connections::Bag(bag) if idle => bag.shrink_idle(),
            Connections::Bag(bag) => bag.shrink_in_use(),
        }
        if idle {
            self.idle_since.pop_front();
            self.closed(cx);
        } else {
            self.leaving += 1;
        }
        true
    }

    pub(super) fn retire(&mut self, cx: &mut Context) {
        if self.shrink(cx) {
            self.retired += 1;
        } else {
            // All are on their way to a waiter.
            self.adder.live_on(cx);
        }
    }

    /// A connection is closed; the pool is filled up.
    pub(super) fn closed(&mut self, cx: &mut Context) {
        self.size.leave(cx.now());
        self.adder.give_seat(cx);
        self.ask(cx);
    }

    // ------------------------------------------------------------ idle connections

    pub(super) fn borrowed(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        if self.idle_since.len() as u64 > self.idle()
            && let Some(since) = self.idle_since.pop_back()
            && cx.nanos() - since > ALIVE_BYPASS
            && let Some(validation) = &self.validation
        {
            let mut draws = cx.draws(self.validation_purpose, visit.slot);
            return Admission::Serve(cx.sample(validation, &mut draws));
        }
        Admission::Proceed
    }

    pub(super) fn note_idle(&mut self, cx: &Context) {
        if !self.tracked {
            return self.idle_since.clear();
        }
        let idle = self.idle() as usize;
        self.idle_since.truncate(idle);
        while self.idle_since.len() < idle {
            self.idle_since.push_back(cx.nanos());
        }
    }

    pub(super) fn close_idle(&mut self, cx: &mut Context) {
        while self.idle_timeout != u64::MAX
            && self.minimum_idle < self.maximum
            && self.idle() > self.minimum_idle
            && let Some(since) = self.idle_since.front()
            && since.saturating_add(self.idle_timeout) <= cx.nanos()
        {
            self.retired += self.shrink(cx) as u64;
            // The life of one connection ends with it; which one does not matter.
            self.adder.end_life();
        }
    }

    pub(super) fn keep_house(&mut self, cx: &mut Context, after: u64) {
        if !self.housekeeping && (self.minimum_idle < self.maximum || !self.filled) {
            self.housekeeping = true;
            cx.arm(self.housekeeper, cx.nanos() + after);
        }
    }
}
