//! How a connection pool comes by its connections, and how long they live.
//!
//! HikariCP has one adder thread with a queue of orders, each for one connection: it connects, adds the connection and
//! sleeps 30 ms before the next order; after a failure it sleeps 10 ms, doubling to 5 s, and tries again
//! (`HikariPool.PoolEntryCreator` of 5.1 and 6.0). An order that is not wanted any more is dropped. So a pool grows by less than 33
//! connections a second. (Up to 4.0 there is no rest after a success, and failures wait 250 ms, growing by half to 10 s.)

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::contract::Build;
use crate::distribution::{Law, Sampler};
use crate::kernel::{Context, TimerId};
use crate::random::child_key;

/// As checked.
#[derive(Clone, Debug)]
pub struct AdderPlan {
    pub connect: Law,
    /// Nanoseconds; `u64::MAX` for ever.
    pub lifetime: u64,
    /// Share of the lifetime that may be missing.
    pub variance: f64,
}

const REST: u64 = 30_000_000;
const FIRST_BACK_OFF: u64 = 10_000_000;
const LAST_BACK_OFF: u64 = 5_000_000_000;

#[derive(Copy, Clone, PartialEq, Eq)]
enum State {
    Off,
    Connecting,
    /// After a refusal, for another try.
    BackingOff,
    /// After a success.
    Resting,
}

/// What comes of looking whether a connection is to be opened.
#[derive(Copy, Clone, PartialEq, Eq)]
pub enum Next {
    /// It stands already: connecting takes no time.
    Connected,
    /// The timer will tell, or nothing is to be done.
    Later,
}

/// The adder thread and the lives of the connections it made.
pub struct Adder {
    connect: Sampler,
    lifetime: u64,
    variance: f64,
    /// The server's places, shared with other pools.
    seat: Option<u32>,
    state: State,
    back_off: u64,
    /// Connections that were ordered and not begun, and how many may be.
    orders: u64,
    most_orders: u64,
    /// Server and number of what it wishes for.
    wish: Option<(u32, u32)>,
    timer: TimerId,
    /// When the timer is awaited; one that was set before the process ended is stale.
    due: u64,
    purpose: u32,
    instance: u32,
    /// Connections begun, which keys their draws.
    number: u64,
    /// When lives end, and whose.
    lives: BinaryHeap<Reverse<(u64, u32)>>,
    lifetime_timer: TimerId,
    lifetime_due: u64,
    /// Since the measurement began:
    pub created: u64,
    pub refused: u64,
    /// Nanoseconds.
    pub creation_time: u64,
}

impl Adder {
    pub fn new(
        plan: &AdderPlan,
        (seat, most_orders): (Option<u32>, u64),
        timer: TimerId,
        lifetime_timer: TimerId,
        build: &mut Build,
    ) -> Self {
        Adder {
            connect: Sampler::new(&plan.connect),
            lifetime: plan.lifetime,
            variance: plan.variance,
            seat,
            state: State::Off,
            back_off: FIRST_BACK_OFF,
            orders: 0,
            wish: None,
            most_orders,
            timer,
            due: u64::MAX,
            purpose: build.purpose("connection"),
            instance: build.replica,
            number: 0,
            lives: BinaryHeap::new(),
            lifetime_timer,
            lifetime_due: u64::MAX,
            created: 0,
            refused: 0,
            creation_time: 0,
        }
    }

    pub fn is_off(&self) -> bool {
        self.state == State::Off
    }

    /// Orders so many connections more, as far as the queue has room.
    pub fn order(&mut self, n: u64) {
        self.orders = self.orders.saturating_add(n).min(self.most_orders);
    }

    /// Orders that were not begun yet.
    pub fn orders(&self) -> u64 {
        self.orders
    }

    /// Takes the next order, if there is one; those that are not `wanted` are dropped.
    pub fn next(&mut self, wanted: bool, cx: &mut Context) -> Next {
        self.back_off = FIRST_BACK_OFF;
        if self.orders == 0 || !wanted {
            self.orders = 0;
            self.state = State::Off;
            return Next::Later;
        }
        self.orders -= 1;
        self.connect(cx)
    }

    /// The process has ended, and with it the thread, its orders and the lives of all connections.
    pub fn end(&mut self, cx: &mut Context) {
        if self.state == State::Connecting {
            self.give_seat(cx);
        }
        (self.state, self.orders, self.due) = (State::Off, 0, u64::MAX);
        self.lives.clear();
    }

    fn sleep(&mut self, state: State, time: u64, cx: &mut Context) {
        self.state = state;
        self.due = cx.nanos().saturating_add(time);
        cx.arm(self.timer, self.due);
    }

    /// Wants so many connections to be there at the start.
    pub fn wish(&mut self, connections: u64, cx: &mut Context) {
        self.wish = self.seat.map(|s| (s, cx.seats[s as usize].wish(connections)));
    }

    /// Its process is not there at the start.
    pub fn withdraw(&self, cx: &mut Context) {
        if let Some((seat, wish)) = self.wish {
            cx.seats[seat as usize].withdraw(wish);
        }
    }

    /// How many connections there are at the start, of those that were wished for.
    pub fn share(&self, cx: &mut Context) -> u64 {
        self.wish
            .map_or(u64::MAX, |(seat, wish)| cx.seats[seat as usize].share(wish))
    }

    /// Its first order meets a server that is full when all have taken their shares.
    pub fn begin_refused(&mut self, orders: u64, cx: &mut Context) {
        self.order(orders - 1);
        self.refused += 1;
        if let Some(s) = self.seat {
            cx.seats[s as usize].refused += 1;
        }
        self.back_off(cx);
    }

    fn back_off(&mut self, cx: &mut Context) {
        self.sleep(State::BackingOff, self.back_off, cx);
        self.back_off = (2 * self.back_off).min(LAST_BACK_OFF);
    }

    /// Takes a place at the server, or counts a refusal.
    pub fn take_seat(&mut self, cx: &mut Context) -> bool {
        let now = cx.now();
        let there = self.seat.is_none_or(|s| cx.seats[s as usize].take(now));
        self.refused += !there as u64;
        there
    }

    pub fn give_seat(&mut self, cx: &mut Context) {
        if let Some(s) = self.seat {
            let now = cx.now();
            cx.seats[s as usize].give(now);
        }
    }

    /// Begins to connect, or sleeps after a refusal.
    fn connect(&mut self, cx: &mut Context) -> Next {
        if !self.take_seat(cx) {
            self.back_off(cx);
            return Next::Later;
        }
        let mut draws = cx.draws_of(self.purpose, child_key(self.instance as u64, self.number << 1));
        let time = cx.sample(&self.connect, &mut draws);
        self.created += 1;
        self.creation_time += time;
        if time == 0 {
            self.state = State::Connecting;
            return Next::Connected;
        }
        self.sleep(State::Connecting, time, cx);
        Next::Later
    }

    /// The timer went off, perhaps.
    pub fn woken(&mut self, wanted: bool, cx: &mut Context) -> Next {
        if self.due > cx.nanos() {
            return Next::Later;
        }
        self.due = u64::MAX;
        match self.state {
            State::Connecting => Next::Connected,
            State::BackingOff if wanted => self.connect(cx),
            State::BackingOff | State::Resting => self.next(wanted, cx),
            State::Off => Next::Later,
        }
    }

    /// Sleeps after a success.
    pub fn rest(&mut self, cx: &mut Context) {
        self.sleep(State::Resting, REST, cx);
    }

    // ------------------------------------------------------------ lives

    /// A connection begins to live; its number, from 1.
    pub fn begin_life(&mut self, cx: &mut Context) -> u32 {
        self.number += 1;
        let id = self.number as u32;
        if self.lifetime == u64::MAX {
            return id;
        }
        let key = child_key(self.instance as u64, self.number << 1 | 1);
        let missing = cx.draws_of(self.purpose, key).unit() * self.variance * self.lifetime as f64;
        let end = cx.nanos().saturating_add(self.lifetime - missing as u64);
        if end <= cx.horizon() {
            self.lives.push(Reverse((end, id)));
            self.watch(cx);
        }
        id
    }

    /// Whether a connection that is opened from the begin of the run on may come to its end within it.
    pub fn lives_end(&self, cx: &Context) -> bool {
        let least = self.lifetime as f64 * (1.0 - self.variance);
        self.lifetime != u64::MAX && least <= cx.horizon() as f64
    }

    /// A connection was closed before its time.
    pub fn end_life(&mut self, id: u32) {
        self.lives.retain(|Reverse(life)| life.1 != id);
    }

    /// A connection whose life is over by now.
    pub fn life_is_over(&mut self, cx: &mut Context) -> Option<u32> {
        if self.lifetime_due <= cx.nanos() {
            self.lifetime_due = u64::MAX;
        }
        match self.lives.peek() {
            Some(Reverse((end, id))) if *end <= cx.nanos() => {
                let id = *id;
                self.lives.pop();
                Some(id)
            }
            _ => {
                self.watch(cx);
                None
            }
        }
    }

    fn watch(&mut self, cx: &mut Context) {
        if let Some(Reverse((end, _))) = self.lives.peek().copied()
            && end < self.lifetime_due
        {
            self.lifetime_due = end;
            cx.arm(self.lifetime_timer, end);
        }
    }

    /// Other laws, for connections to come.
    pub fn adopt(&mut self, plan: &AdderPlan) {
        self.connect = Sampler::new(&plan.connect);
        self.lifetime = plan.lifetime;
        self.variance = plan.variance;
    }

    pub fn reset(&mut self) {
        (self.created, self.refused, self.creation_time) = (0, 0, 0);
    }
}
