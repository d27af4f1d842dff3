//! A lock: one mutex, or a row for each of many keys.
//!
//! ```toml
//! [lock.inventory-row]
//! key = "zipf(1000, 1.1)"      # one request always meets the same row
//! wait-timeout = "50s"         # InnoDB
//!
//! [lock.cache-refresh]         # a mutex in each JVM
//! in = "order-api"
//! order = "unfair"
//! deadlock-detection = false
//! ```
//!
//! Steps inside `{ use = "inventory-row", steps = [..] }` run while it is held; held again by the same request, or by a
//! branch of it, it is simply held (re-entrant). A row has at most the rate 1 / mean hold time, and whoever waits
//! holds a connection and a thread meanwhile.
//!
//! Order: `fair` hands a freed row to the first in line (InnoDB's CATS falls back to this for waiters that hold nothing
//! else, MySQL 8.0.20). With `unfair`, or a `wake-up-latency`, it is free until the first in line has woken up; a newcomer
//! may take it, and the loser stays first (PostgreSQL's tuple lock, Java's unfair locks). In a service whose host serves first
//! come, first served the woken one stands in that host's run queue first.
//!
//! A wait that closes a circle of waits is a deadlock: the one that closes it fails with `deadlock`, at once (InnoDB) or
//! after `deadlock-timeout` (PostgreSQL, 1 s). Only waits for locks are looked at. A row is named by the draw of the
//! request's key: a round of a loop meets a row of its own, another attempt of a retry the same one.
//!
//! Readings: `contention_share` (acquisitions that had to wait), `queue_of_a_key_max` (longest line before one key),
//! `hottest_key_share` (acquisitions of the most popular key), `hottest_key_utilisation`, `deadlocks` and `lock_timeouts`
//! a second, `claimed_share` (acquisitions that overtook a waiter).

mod deadlines;

use deadlines::Deadlines;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::connection_pool::law;
use super::contract::*;
use crate::distribution::{Law, Popularity, PopularitySampler, Sampler};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::rows::within;
use crate::kernel::{Admission, Context, Fault, NONE, Outcome, TimerId, Visit};
use crate::metric::Gauge;
use crate::quantity::{SimDuration, SimTime};
use crate::random::child_key;

/// As running.
pub struct Lock {
    key: Option<PopularitySampler>,
    hottest: u64,
    purpose: u32,
    /// The time to wake up, for a lock that may be barged.
    wake_up: Option<Sampler>,
    /// On whose cores waiters run.
    host: Option<u32>,
    wakes: BinaryHeap<Reverse<(u64, u64, u64)>>,
    wakes_begun: u64,
    wake_timer: TimerId,
    time_limit: Deadlines,
    deadlock: Deadlines,
    detects: bool,
    instance: u32,
    waiting: u64,
    held: Gauge,
    hot: Gauge,
    acquired: u64,
    waited: u64,
    hot_acquired: u64,
    barged: u64,
    deadlocks: u64,
    timeouts: u64,
    longest: u64,
    /// Rows that are held once more by the request that has them, or a branch of it, each with who does.
    again: Vec<(u32, u32)>,
    /// Rows whose first visit is over while a branch still holds them.
    outlived: Vec<u32>,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    key: Popularity,
    barging: Option<Law>,
    /// Nanoseconds; `u64::MAX` for ever.
    wait_timeout: u64,
    deadlock_timeout: u64,
    detects: bool,
}

/// Marks a visit that found the lock held by its own request.
const HELD_ALREADY: u64 = 1 << 63;

const TIME_LIMIT: u32 = 0;
const DEADLOCK: u32 = 1;
const WAKE_UP: u32 = 2;

/// Seconds.
const UNFAIR_WAKE_UP: f64 = 50e-6;

const ORDERS: &[&str] = &["fair", "unfair"];

impl Component for Lock {
    const KIND: &'static str = "lock";
    const ABOUT: &'static str = "a mutex, or a row lock for each of many keys";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key(
            "key",
            Form::Text,
            Some("\"uniform(1)\""),
            "how popular each key is: `uniform(n)`, `zipf(n, s)` or `list(weights)`; without it there is one, a mutex",
        ),
        key(
            "order",
            Form::Choice(ORDERS),
            Some("\"fair\""),
            "`fair`: the first in line has it at once; `unfair`: until the first in line has woken up a newcomer may take it (PostgreSQL, Java's unfair locks)",
        ),
        key(
            "wake-up-latency",
            Form::Law,
            None,
            "how long the first in line takes to run after a release; until then a newcomer may take the lock (PostgreSQL's rows). Without it 50 us with `unfair` (Linux 5 to 50 us on an idle CPU), else the hand-over is immediate",
        ),
        key(
            "wait-timeout",
            Form::Duration,
            None,
            "longest wait, 0 for none (NOWAIT); without it there is no limit (PostgreSQL `lock_timeout` 0, mutexes; InnoDB `innodb_lock_wait_timeout` is 50 s)",
        ),
        key(
            "deadlock-detection",
            Form::Boolean,
            Some("true"),
            "whether circles of waits are looked for (InnoDB `innodb_deadlock_detect` ON; mutexes of a JVM are not looked at)",
        ),
        key(
            "deadlock-timeout",
            Form::Duration,
            Some("\"0s\""),
            "a waiter looks for a circle after this (InnoDB at once; PostgreSQL `deadlock_timeout`, 1 s)",
        ),
    ];
    const HEARS: bool = false;
    const SETTABLE: &'static [&'static str] =
        &["key", "wait-timeout", "deadlock-detection", "deadlock-timeout"];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let span = reader.span("key");
        let popularity = reader.text("key").map(|text| Popularity::parse(&text));
        let popularity = match popularity? {
            Ok(p) => Some(p),
            Err(problem) => {
                let what = format!("`key` of {}", reader.what());
                reader.sink().error(span, "bad-law", format!("{what}: {problem}"));
                None
            }
        };
        let barging = reader.choice("order").map(|o| o == "unfair");
        let wake_up = law(reader, "wake-up-latency", names);
        let wait_timeout = match reader.has("wait-timeout") {
            true => reader.duration("wait-timeout").map(|d| d.nanos()),
            false => Some(u64::MAX),
        };
        let detects = reader.boolean("deadlock-detection");
        let deadlock_timeout = reader.duration("deadlock-timeout").map(|d| d.nanos());
        let wake_up = wake_up?.or(barging?.then_some(Law::Constant {
            value: UNFAIR_WAKE_UP,
        }));
        Some(Plan {
            key: popularity?,
            barging: wake_up,
            wait_timeout: wait_timeout?,
            deadlock_timeout: deadlock_timeout?,
            detects: detects?,
        })
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        (plan.key.len() == 1).then_some(1.0)
    }

    fn facts(plan: &Plan) -> Facts {
        let finite = plan.wait_timeout != u64::MAX;
        Facts {
            unit: "holders",
            hottest: (plan.key.len() > 1).then(|| plan.key.hottest()),
            patience: finite.then(|| (SimDuration::from_nanos(plan.wait_timeout), "wait-timeout")),
            deadlocks: plan.detects,
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        Lock {
            key: (plan.key.len() > 1).then(|| plan.key.sampler()),
            hottest: hottest(&plan.key),
            purpose: build.purpose("key"),
            wake_up: plan.barging.as_ref().map(Sampler::new),
            host: build.waking_host(),
            wakes: BinaryHeap::new(),
            wakes_begun: 0,
            wake_timer: build.timer(WAKE_UP),
            time_limit: Deadlines::new(plan.wait_timeout, build.timer(TIME_LIMIT)),
            deadlock: Deadlines::new(plan.check_after(), build.timer(DEADLOCK)),
            detects: plan.detects,
            instance: build.instance,
            waiting: 0,
            held: Gauge::default(),
            hot: Gauge::default(),
            acquired: 0,
            waited: 0,
            hot_acquired: 0,
            barged: 0,
            deadlocks: 0,
            timeouts: 0,
            longest: 0,
            again: Vec::new(),
            outlived: Vec::new(),
        }
    }

    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let key = match &self.key {
            Some(sampler) => sampler.sample(&mut cx.identity_draws(self.purpose, visit.slot)),
            None => 0,
        };
        let slot = visit.slot;
        let Some(row) = cx.rows.find(self.instance, key) else {
            let row = cx.rows.insert(self.instance, key, slot);
            *cx.word(visit) = row as u64;
            self.acquire(key, cx.now());
            return Admission::Proceed;
        };
        let owner = cx.rows[row].owner;
        if owner == NONE {
            // Whoever it was given up for has not woken up yet.
            cx.rows[row].owner = slot;
            *cx.word(visit) = row as u64;
            self.barged += 1;
            self.acquire(key, cx.now());
            return Admission::Proceed;
        }
        if within(slot, owner, &cx.requests) {
            *cx.word(visit) = HELD_ALREADY | row as u64;
            self.again.push((row, slot));
            return Admission::Proceed;
        }
        if self.time_limit.after == 0 {
            self.timeouts += 1;
            return Admission::Reject(Fault::LockTimeout);
        }
        if self.detects && self.deadlock.after == u64::MAX && cx.rows.closes_a_circle(slot, row, &cx.requests)
        {
            self.deadlocks += 1;
            return Admission::Reject(Fault::Deadlock);
        }
        cx.begin_wait(visit);
        *cx.word(visit) = row as u64;
        cx.rows[row].line.push_back(&mut cx.requests, slot);
        cx.rows.set_waits(slot, Some(row));
        self.waited += 1;
        self.waiting += 1;
        self.longest = self.longest.max(cx.rows[row].line.len() as u64);
        let instance = self.instance;
        self.time_limit.begin(slot, row, self.waiting, instance, cx);
        self.deadlock.begin(slot, row, self.waiting, instance, cx);
        Admission::Wait
    }

    fn leave(&mut self, visit: Visit, _: Outcome, cx: &mut Context) {
        let word = *cx.word(visit);
        if word & HELD_ALREADY != 0 || !self.again.is_empty() {
            return self.leave_again(visit.slot, word, cx);
        }
        self.release(word as u32, cx);
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        match tag {
            TIME_LIMIT => {
                while let Some((slot, row)) = self.time_limit.next(self.instance, cx) {
                    self.timeouts += 1;
                    self.turn_away(slot, row, Fault::LockTimeout, cx);
                }
            }
            DEADLOCK => {
                while let Some((slot, row)) = self.deadlock.next(self.instance, cx) {
                    if cx.rows.closes_a_circle(slot, row, &cx.requests) {
                        self.deadlocks += 1;
                        self.turn_away(slot, row, Fault::Deadlock, cx);
                    }
                }
            }
            _ => self.woken(cx),
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        let row = *cx.word(visit) as u32;
        cx.abandon(visit.instance, visit.slot);
        self.unqueue(visit.slot, row, cx);
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.key = (plan.key.len() > 1).then(|| plan.key.sampler());
        let hottest = hottest(&plan.key);
        if hottest != self.hottest {
            self.hottest = hottest;
            self.hot.add(cx.now(), -(self.hot.value() as i64));
        }
        self.detects = plan.detects;
        // Waits under way have the new limits too; one that began without a limit goes on without.
        self.time_limit.after = plan.wait_timeout;
        self.deadlock.after = plan.check_after();
        self.time_limit.rearm(cx);
        self.deadlock.rearm(cx);
    }

    fn busy(&self, now: SimTime, _: &Context) -> Option<f64> {
        Some(self.held.area(now) as f64)
    }

    fn reset(&mut self, now: SimTime) {
        self.held.reset(now);
        self.hot.reset(now);
        (self.acquired, self.waited, self.hot_acquired, self.barged) = (0, 0, 0, 0);
        (self.deadlocks, self.timeouts, self.longest) = (0, 0, 0);
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        let span = (cx.now() - since).nanos().max(1) as f64;
        let came = self.acquired + self.waiting + self.timeouts + self.deadlocks;
        out.ratio("contention_share", Unit::Share, self.waited as f64, came as f64);
        out.add(
            "queue_of_a_key_max",
            Unit::Count,
            Combine::Max,
            self.longest as f64,
        );
        let acquired = self.acquired as f64;
        out.ratio(
            "hottest_key_share",
            Unit::Share,
            self.hot_acquired as f64,
            acquired,
        );
        let hot = self.hot.area(cx.now()) as f64 / span;
        out.add("hottest_key_utilisation", Unit::Share, Combine::Max, hot);
        let per_second = |n: u64| n as f64 * 1e9 / span;
        out.add(
            "deadlocks",
            Unit::PerSecond,
            Combine::Sum,
            per_second(self.deadlocks),
        );
        out.add(
            "lock_timeouts",
            Unit::PerSecond,
            Combine::Sum,
            per_second(self.timeouts),
        );
        if self.wake_up.is_some() {
            out.ratio("claimed_share", Unit::Share, self.barged as f64, acquired);
        }
    }
}

impl Plan {
    /// When a waiter looks for a circle; `u64::MAX` for not later than at once.
    fn check_after(&self) -> u64 {
        match self.deadlock_timeout {
            0 => u64::MAX,
            _ if !self.detects => u64::MAX,
            after => after,
        }
    }
}

impl Lock {
    fn acquire(&mut self, key: u64, now: SimTime) {
        self.acquired += 1;
        self.held.enter(now);
        if key == self.hottest {
            self.hot_acquired += 1;
            self.hot.enter(now);
        }
    }

    /// The end of a visit where rows are held again: a row is free when all have left it, also those of branches that outlive
    /// who took it first.
    #[cold]
    fn leave_again(&mut self, slot: u32, word: u64, cx: &mut Context) {
        let row = word as u32;
        if word & HELD_ALREADY != 0 {
            if let Some(i) = self.again.iter().rposition(|held| *held == (row, slot)) {
                self.again.swap_remove(i);
            }
            if !self.outlived.contains(&row) {
                return;
            }
        }
        match self.again.iter().find(|held| held.0 == row) {
            Some((_, slot)) => {
                cx.rows[row].owner = *slot;
                if !self.outlived.contains(&row) {
                    self.outlived.push(row);
                }
            }
            None => {
                self.outlived.retain(|r| *r != row);
                self.release(row, cx);
            }
        }
    }

    fn release(&mut self, row: u32, cx: &mut Context) {
        let (now, key) = (cx.now(), cx.rows[row].key);
        self.held.leave(now);
        // The hottest key may have become another one meanwhile.
        if key == self.hottest && self.hot.value() > 0 {
            self.hot.leave(now);
        }
        if cx.rows[row].line.is_empty() {
            return cx.rows.remove(row);
        }
        if self.wake_up.is_none() {
            return self.grant(row, cx);
        }
        cx.rows[row].owner = NONE;
        self.wake_first(row, cx);
    }

    /// The first in line is told that the row is free, unless it is on its way already: waking it twice makes it no faster.
    fn wake_first(&mut self, row: u32, cx: &mut Context) {
        let (Some(wake_up), 0) = (&self.wake_up, cx.rows[row].waking) else {
            return;
        };
        self.wakes_begun += 1;
        cx.rows[row].waking = self.wakes_begun;
        let key = cx.rows[row].key;
        let mut draws = cx.draws_of(self.purpose, child_key(self.instance as u64, self.wakes_begun));
        let behind = self.host.map_or(0, |host| cx.run_queue(host));
        let due = cx.nanos().saturating_add(cx.sample(wake_up, &mut draws) + behind);
        self.wakes.push(Reverse((due, self.wakes_begun, key)));
        cx.arm(self.wake_timer, due);
    }

    /// The first in line has the row.
    fn grant(&mut self, row: u32, cx: &mut Context) {
        let Some(next) = cx.rows[row].line.pop_front(&mut cx.requests) else {
            return;
        };
        cx.rows[row].owner = next;
        cx.rows.set_waits(next, None);
        self.waiting -= 1;
        self.acquire(cx.rows[row].key, cx.now());
        cx.admit(self.instance, next);
    }

    fn woken(&mut self, cx: &mut Context) {
        while let Some(Reverse((due, number, key))) = self.wakes.peek().copied() {
            if due > cx.nanos() {
                return;
            }
            self.wakes.pop();
            // It may have left meanwhile.
            if let Some(row) = cx.rows.find(self.instance, key)
                && cx.rows[row].waking == number
            {
                cx.rows[row].waking = 0;
                if cx.rows[row].owner == NONE {
                    self.grant(row, cx);
                }
            }
        }
    }

    fn turn_away(&mut self, slot: u32, row: u32, fault: Fault, cx: &mut Context) {
        cx.refuse(self.instance, slot, fault);
        self.unqueue(slot, row, cx);
    }

    fn unqueue(&mut self, slot: u32, row: u32, cx: &mut Context) {
        let was_first = cx.rows[row].line.head() == Some(slot);
        cx.rows[row].line.remove(&mut cx.requests, slot);
        cx.rows.set_waits(slot, None);
        self.waiting -= 1;
        if was_first {
            cx.rows[row].waking = 0;
        }
        if cx.rows[row].owner == NONE {
            match cx.rows[row].line.is_empty() {
                true => cx.rows.remove(row),
                false => self.wake_first(row, cx),
            }
        }
    }
}

/// The most popular key. Of `uniform` and `zipf` it is the first.
fn hottest(key: &Popularity) -> u64 {
    let mut best = 0;
    for i in 1..key.len().min(100_000) {
        if key.probability(i) > key.probability(best) {
            best = i;
        }
    }
    best
}
