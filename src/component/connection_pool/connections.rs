//! The connections of a pool: who opens them, who has them, how long they idle.

use super::super::connection_adder::Next;
use super::{ALIVE_BYPASS, ConnectionPool, Connections, FIRST_ROUND, HOUSEKEEPING};
use crate::kernel::{Admission, Context, Visit};

impl ConnectionPool {
    pub(super) fn idle(&self) -> u64 {
        match &self.connections {
            Connections::Direct(permits) => permits.limit - permits.taken,
            Connections::Bag(bag) => bag.idle(),
        }
    }

    pub(super) fn in_use(&self) -> u64 {
        self.leaving.len() as u64
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

    /// HikariCP's `fillPool`: as many orders as idle connections are missing.
    pub(super) fn fill(&mut self, cx: &mut Context) {
        let missing = self.minimum_idle.saturating_sub(self.idle());
        if self.size.value() < self.maximum && missing > 0 {
            self.order(missing, cx);
        }
    }

    /// HikariCP's `addBagItem`: one more order, if there are fewer of them than waiters.
    pub(super) fn ask(&mut self, cx: &mut Context) {
        if self.waiting() > self.adder.orders() {
            self.order(1, cx);
        }
    }

    fn order(&mut self, n: u64, cx: &mut Context) {
        if self.down {
            return;
        }
        self.adder.order(n);
        if self.adder.is_off() {
            let wanted = self.wants_more();
            let next = self.adder.next(wanted, cx);
            self.came(next, cx);
        }
    }

    /// HikariCP's `shouldContinueCreating`.
    pub(super) fn wants_more(&self) -> bool {
        let idle = self.idle();
        self.size.value() < self.maximum && (idle < self.minimum_idle || self.waiting() > idle)
    }

    /// What came of an order.
    pub(super) fn came(&mut self, next: Next, cx: &mut Context) {
        if next == Next::Connected {
            self.add(cx);
            self.adder.rest(cx);
        }
    }

    /// A connection stands.
    pub(super) fn add(&mut self, cx: &mut Context) {
        self.size.enter(cx.now());
        let id = self.adder.begin_life(cx);
        match &mut self.connections {
            Connections::Direct(permits) => {
                match permits.line.head() {
                    Some(next) => *cx.waiting_word(next) = u64::from(id),
                    None => self.idle.push(cx.nanos(), id),
                }
                permits.resize(permits.limit + 1, cx);
            }
            Connections::Bag(bag) => bag.grow(id, &mut self.idle, cx),
        }
        self.active_max = self.active_max.max(self.in_use());
    }

    /// Closes an idle connection, which was taken out of the list already.
    pub(super) fn close_one(&mut self, cx: &mut Context) {
        match &mut self.connections {
            Connections::Direct(permits) => permits.limit -= 1,
            Connections::Bag(bag) => bag.shrink_idle(),
        }
        self.closed(cx);
    }

    /// A connection has lived for long enough: it is closed at once, or by who uses it.
    pub(super) fn retire(&mut self, id: u32, cx: &mut Context) {
        self.retired += 1;
        if self.idle.remove(id) {
            self.close_one(cx);
        } else if let Connections::Bag(bag) = &mut self.connections
            && bag.shrink_handed(id)
        {
            self.closed(cx);
        } else {
            match &mut self.connections {
                Connections::Direct(permits) => {
                    (permits.limit, permits.taken) = (permits.limit - 1, permits.taken - 1)
                }
                Connections::Bag(bag) => bag.shrink_in_use(),
            }
            self.leaving.push(id);
            return;
        }
        self.ask(cx);
    }

    /// A connection is closed; the pool is filled up.
    pub(super) fn closed(&mut self, cx: &mut Context) {
        self.size.leave(cx.now());
        self.adder.give_seat(cx);
        self.fill(cx);
    }

    // ------------------------------------------------------------ idle connections

    /// A visitor has taken the idle connection that was returned last.
    pub(super) fn borrowed(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let Some((since, id)) = self.idle.pop() else {
            return Admission::Proceed;
        };
        *cx.word(visit) = u64::from(id);
        if cx.nanos() - since > ALIVE_BYPASS
            && let Some(validation) = &self.validation
        {
            let mut draws = cx.draws(self.validation_purpose, visit.slot);
            return Admission::Serve(cx.sample(validation, &mut draws));
        }
        Admission::Proceed
    }

    /// A connection whose number matters comes back.
    pub(super) fn returned(&mut self, visit: Visit, cx: &mut Context) {
        let id = *cx.word(visit) as u32;
        if let Some(i) = self.leaving.iter().position(|l| *l == id) {
            self.leaving.swap_remove(i);
            return self.closed(cx);
        }
        match &mut self.connections {
            Connections::Direct(permits) => {
                match permits.line.head() {
                    Some(next) => *cx.waiting_word(next) = u64::from(id),
                    None => self.idle.push(cx.nanos(), id),
                }
                permits.release(cx);
            }
            Connections::Bag(bag) => bag.release(id, &mut self.idle, cx),
        }
    }

    /// From now on it is known which connection is where. One of which that is not known has no number, and no end.
    pub(super) fn keep_track(&mut self, cx: &Context) {
        if !self.idle.kept {
            self.idle.kept = true;
            for _ in 0..self.idle() {
                self.idle.push(cx.nanos(), 0);
            }
        }
    }

    pub(super) fn close_idle(&mut self, cx: &mut Context) {
        while self.idle_timeout != u64::MAX
            && self.minimum_idle < self.maximum
            && self.idle() > self.minimum_idle
            && let Some((since, id)) = self.idle.list.front().copied()
            && since.saturating_add(self.idle_timeout) <= cx.nanos()
        {
            self.idle.list.pop_front();
            self.retired += 1;
            self.adder.end_life(id);
            self.close_one(cx);
        }
    }

    /// Everything closes, as the process has ended.
    pub(super) fn close_all(&mut self, cx: &mut Context) {
        self.idle.list.clear();
        while self.idle() > 0 {
            self.close_one(cx);
        }
    }

    /// The next round of the housekeeper, if it may find anything to do: its rounds count from the start of the process.
    pub(super) fn keep_house(&mut self, cx: &mut Context) {
        if self.minimum_idle < self.maximum || self.changed || !self.filled {
            let passed = cx.nanos().saturating_sub(self.began + FIRST_ROUND);
            let rounds = match cx.nanos() < self.began + FIRST_ROUND {
                true => 0,
                false => passed / HOUSEKEEPING + 1,
            };
            let due = self.began + FIRST_ROUND + rounds * HOUSEKEEPING;
            if due != self.house_due {
                self.house_due = due;
                cx.arm(self.housekeeper, due);
            }
        }
    }
}
