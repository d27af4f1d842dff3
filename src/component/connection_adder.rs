//! How a connection pool comes by its connections, and how long they live.
//!
//! HikariCP has one adder thread: it connects, adds the connection, sleeps 30 ms and looks again; after a failure it
//! sleeps 10 ms, doubling to 5 s (`HikariPool.PoolEntryCreator`). So a pool grows by less than 33 connections a second.

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
    Sleeping,
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
    timer: TimerId,
    purpose: u32,
    instance: u32,
    /// Connections begun, which keys their draws.
    number: u64,
    /// When lives end.
    lives: BinaryHeap<Reverse<u64>>,
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
        seat: Option<u32>,
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
            timer,
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

    /// Begins to connect if one more connection is `wanted`, or sleeps after a refusal, or is done.
    pub fn go_on(&mut self, wanted: bool, cx: &mut Context) -> Next {
        if !wanted {
            self.state = State::Off;
            self.back_off = FIRST_BACK_OFF;
            return Next::Later;
        }
        if !self.take_seat(cx) {
            self.state = State::Sleeping;
            cx.arm(self.timer, cx.nanos() + self.back_off);
            self.back_off = (2 * self.back_off).min(LAST_BACK_OFF);
            return Next::Later;
        }
        let mut draws = cx.draws_of(self.purpose, child_key(self.instance as u64, self.number << 1));
        let time = cx.sample(&self.connect, &mut draws);
        self.created += 1;
        self.creation_time += time;
        self.state = State::Connecting;
        if time == 0 {
            return Next::Connected;
        }
        cx.arm(self.timer, cx.nanos().saturating_add(time));
        Next::Later
    }

    /// The timer went off: whether a connection stands now.
    pub fn connected(&self) -> bool {
        self.state == State::Connecting
    }

    /// Nobody wants the connection any more that stands now.
    pub fn drop_connection(&mut self, cx: &mut Context) {
        self.state = State::Off;
        self.give_seat(cx);
    }

    /// Sleeps after a success.
    pub fn rest(&mut self, cx: &mut Context) {
        self.state = State::Sleeping;
        self.back_off = FIRST_BACK_OFF;
        cx.arm(self.timer, cx.nanos() + REST);
    }

    // ------------------------------------------------------------ lives

    /// A connection begins to live.
    pub fn begin_life(&mut self, cx: &mut Context) {
        self.number += 1;
        if self.lifetime == u64::MAX {
            return;
        }
        let key = child_key(self.instance as u64, self.number << 1 | 1);
        let missing = cx.draws_of(self.purpose, key).unit() * self.variance * self.lifetime as f64;
        self.live_until(cx.nanos().saturating_add(self.lifetime - missing as u64), cx);
    }

    /// A connection lives a millisecond longer.
    pub fn live_on(&mut self, cx: &mut Context) {
        self.live_until(cx.nanos() + 1_000_000, cx);
    }

    fn live_until(&mut self, end: u64, cx: &mut Context) {
        self.lives.push(Reverse(end));
        self.watch(cx);
    }

    /// A connection was closed before its time.
    pub fn end_life(&mut self) {
        self.lives.pop();
    }

    /// Whether one more life is over by now.
    pub fn life_is_over(&mut self, cx: &mut Context) -> bool {
        if self.lifetime_due <= cx.nanos() {
            self.lifetime_due = u64::MAX;
        }
        match self.lives.peek() {
            Some(Reverse(end)) if *end <= cx.nanos() => {
                self.lives.pop();
                true
            }
            _ => {
                self.watch(cx);
                false
            }
        }
    }

    fn watch(&mut self, cx: &mut Context) {
        if let Some(Reverse(end)) = self.lives.peek().copied()
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
