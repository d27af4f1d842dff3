//! A lock: a mutex, or rows of a table of which each is locked by itself.
//!
//! ```toml
//! [lock.inventory-row]
//! key = "zipf(1000, 1.1)"      # which row; a hot row is a skewed key. Without it there is one lock
//! wait-timeout = "50s"
//! ```
//!
//! `{ use = "inventory-row", steps = [..] }` holds it. A request always meets the same row of one lock: the key is
//! drawn for the request, not for the step (in a later round of a loop or of a retry it is drawn anew). Within a request a lock can be taken again (it is re-entrant).
//!
//! With `wake-up-latency` a lock that is released is free until the first in line has been woken and runs: whoever
//! comes meanwhile takes it, and the first in line waits on **at the head**. So PostgreSQL locks rows: a newcomer that
//! finds no holder takes the row without queueing, while the first waiter keeps the tuple lock that the others wait
//! for (`heap_lock_tuple`, src/backend/access/heap/heapam.c).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::contract::*;
use crate::distribution::{Law, LawUnit, Popularity, PopularitySampler, Sampler};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Line, NONE, Outcome, TimerId, Visit};
use crate::quantity::{SimDuration, SimTime};
use crate::random::child_key;

/// As running. State is kept only for keys in use; the map is never iterated.
pub struct Lock {
    rows: HashMap<u64, Row, BuildHasherDefault<Mix>>,
    keys: Option<PopularitySampler>,
    purpose: u32,
    fair: bool,
    patience: u64,
    timer: TimerId,
    armed: bool,
    /// All who wait, in the order in which they came, for the time-out.
    waiting: std::collections::VecDeque<(u64, u32, u64)>,
    instance: u32,
    wake_up: Option<Sampler>,
    wake_purpose: u32,
    wake_timer: TimerId,
    /// Rows that are free until their first waiter runs: when it does, and which.
    waking: BinaryHeap<Reverse<(u64, u64)>>,
    hand_offs: u64,
    contended: u64,
    taken: u64,
    claimed: u64,
    longest: u64,
    deadlocks: u64,
}

/// One row that is locked.
struct Row {
    /// `NONE` while it is free and its first waiter is being woken.
    owner: u32,
    /// How often the owner has taken it.
    depth: u32,
    line: Line,
}

/// Keys are small numbers: one multiplication spreads them.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.write_u64(u64::from(*b));
        }
    }
    fn write_u64(&mut self, v: u64) {
        let x = (self.0 ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = x ^ (x >> 32);
    }
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    keys: Option<Popularity>,
    fair: bool,
    patience: Option<SimDuration>,
    wake_up: Option<Law>,
}

const PATIENCE: u32 = 0;
const WAKE_UP: u32 = 1;
const ORDERS: &[&str] = &["fair", "unfair"];

impl Component for Lock {
    const KIND: &'static str = "lock";
    const ABOUT: &'static str = "a mutex, or rows of which each is locked by itself";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica; a row of a database is in none",
        ),
        key(
            "key",
            Form::Text,
            None,
            "which row: `uniform(n)`, `zipf(n, s)` or `list(3, 2, 1)` of weights",
        ),
        key(
            "order",
            Form::Choice(ORDERS),
            Some("\"fair\""),
            "who is next: the first in line (InnoDB with equal weights, a fair ReentrantLock), or the last to come (`unfair`, the worst case of a barging lock)",
        ),
        key(
            "wait-timeout",
            Form::Duration,
            None,
            "longest wait for one lock (InnoDB `innodb_lock_wait_timeout` is 50 s; PostgreSQL `lock_timeout` is off)",
        ),
        key(
            "wake-up-latency",
            Form::Law,
            None,
            "how long the first in line takes to run after a release; until then a newcomer may take the lock (PostgreSQL's rows). Without it the hand-over is immediate",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let keys = match reader.text("key") {
            Some(text) => match Popularity::parse(&text) {
                Ok(keys) => Some(keys),
                Err(why) => {
                    let span = reader.span("key");
                    reader.sink().error(span, "bad-key", why);
                    return None;
                }
            },
            None if reader.has("key") => return None,
            None => None,
        };
        let fair = reader.choice("order")? == "fair";
        let patience = if reader.has("wait-timeout") {
            Some(reader.duration("wait-timeout")?)
        } else {
            None
        };
        let wake_up = match reader.law("wake-up-latency") {
            Some(text) => {
                let what = format!("`wake-up-latency` of {}", reader.what());
                Some(read_law(&text, LawUnit::Duration, &what, names, reader.sink())?)
            }
            None => None,
        };
        Some(Plan {
            keys,
            fair,
            patience,
            wake_up,
        })
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        plan.keys.is_none().then_some(1.0)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "holders",
            hottest: plan.keys.as_ref().map(Popularity::hottest),
            patience: plan.patience.map(|p| (p, "wait-timeout")),
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        Lock {
            rows: HashMap::default(),
            keys: plan.keys.as_ref().map(Popularity::sampler),
            purpose: build.purpose("key"),
            fair: plan.fair,
            patience: plan.patience.map_or(u64::MAX, SimDuration::nanos),
            timer: build.timer(PATIENCE),
            armed: false,
            waiting: Default::default(),
            instance: build.instance,
            wake_up: plan.wake_up.as_ref().map(Sampler::new),
            wake_purpose: build.purpose("wake-up"),
            wake_timer: build.timer(WAKE_UP),
            waking: BinaryHeap::new(),
            hand_offs: 0,
            contended: 0,
            taken: 0,
            claimed: 0,
            longest: 0,
            deadlocks: 0,
        }
    }

    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let row = match &self.keys {
            Some(keys) => keys.sample(&mut cx.draws(self.purpose, visit.slot)),
            None => 0,
        };
        *cx.word(visit) = row;
        self.taken += 1;
        match self.rows.get_mut(&row) {
            None => {
                self.rows.insert(
                    row,
                    Row {
                        owner: visit.slot,
                        depth: 1,
                        line: Line::default(),
                    },
                );
                Admission::Proceed
            }
            Some(r) if r.owner == visit.slot => {
                r.depth += 1;
                Admission::Proceed
            }
            Some(r) if r.owner == NONE => {
                self.claimed += 1;
                r.give(visit.slot, cx);
                Admission::Proceed
            }
            Some(r) => {
                self.contended += 1;
                let owner = r.owner;
                if cx.waits_for(owner, visit.slot) {
                    self.deadlocks += 1;
                    return Admission::Reject(Fault::Deadlock);
                }
                cx.begin_wait(visit);
                cx.set_blocker(visit.slot, owner);
                let before = if self.fair { None } else { r.line.head() };
                r.line.insert_before(&mut cx.requests, before, visit.slot);
                self.longest = self.longest.max(r.line.len() as u64);
                if self.patience != u64::MAX {
                    let due = cx.nanos().saturating_add(self.patience);
                    self.waiting.push_back((due, visit.slot, row));
                    if !self.armed {
                        self.armed = true;
                        cx.arm(self.timer, due);
                    }
                }
                Admission::Wait
            }
        }
    }

    fn leave(&mut self, visit: Visit, _: Outcome, cx: &mut Context) {
        let row = *cx.word(visit);
        let Some(r) = self.rows.get_mut(&row) else { return };
        r.depth -= 1;
        if r.depth > 0 {
            return;
        }
        if r.line.is_empty() {
            self.rows.remove(&row);
            return;
        }
        let Some(wake_up) = &self.wake_up else {
            if let Some(next) = r.line.pop_front(&mut cx.requests) {
                r.give(next, cx);
                cx.admit(self.instance, next);
            }
            return;
        };
        r.owner = NONE;
        let mut at = r.line.head();
        while let Some(s) = at {
            cx.clear_blocker(s);
            at = r.line.after(&cx.requests, s);
        }
        self.hand_offs += 1;
        let key = child_key(u64::from(self.instance), self.hand_offs);
        let due = cx.nanos() + cx.sample(wake_up, &mut cx.draws_of(self.wake_purpose, key));
        self.waking.push(Reverse((due, row)));
        cx.arm(self.wake_timer, due);
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        let row = *cx.waiting_word(visit.slot);
        self.take_out(visit.slot, row, cx);
        cx.abandon(visit.instance, visit.slot);
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        if tag == WAKE_UP {
            return self.woken(cx);
        }
        self.armed = false;
        while let Some(&(due, slot, row)) = self.waiting.front() {
            let waits = self.still_waits(due, slot, row, cx);
            if waits && due > cx.nanos() {
                self.armed = true;
                return cx.arm(self.timer, due);
            }
            self.waiting.pop_front();
            if waits {
                self.take_out(slot, row, cx);
                cx.refuse(self.instance, slot, Fault::LockTimeout);
            }
        }
    }

    fn adopt(&mut self, plan: &Plan, _: &mut Context) {
        self.patience = plan.patience.map_or(u64::MAX, SimDuration::nanos);
        self.fair = plan.fair;
        self.wake_up = plan.wake_up.as_ref().map(Sampler::new);
    }

    fn reset(&mut self, _: SimTime) {
        (self.contended, self.taken, self.longest, self.deadlocks) = (0, 0, 0, 0);
        self.claimed = 0;
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        if self.taken > 0 {
            out.add(
                "contended_share",
                Unit::Share,
                Combine::Mean,
                self.contended as f64 / self.taken as f64,
            );
        }
        if self.taken > 0 && self.wake_up.is_some() {
            let share = self.claimed as f64 / self.taken as f64;
            out.add("claimed_share", Unit::Share, Combine::Mean, share);
        }
        out.add("longest_line", Unit::Count, Combine::Max, self.longest as f64);
        let span = (cx.now() - since).as_secs_f64().max(1e-9);
        out.add(
            "deadlocks",
            Unit::PerSecond,
            Combine::Sum,
            self.deadlocks as f64 / span,
        );
    }
}

impl Row {
    /// Gives the row to a request, for which all in line now wait.
    fn give(&mut self, to: u32, cx: &mut Context) {
        (self.owner, self.depth) = (to, 1);
        cx.clear_blocker(to);
        let mut at = self.line.head();
        while let Some(s) = at {
            cx.set_blocker(s, to);
            at = self.line.after(&cx.requests, s);
        }
    }
}

impl Lock {
    /// First waiters run: each takes its row unless somebody has come before.
    fn woken(&mut self, cx: &mut Context) {
        while let Some(&Reverse((due, row))) = self.waking.peek() {
            if due > cx.nanos() {
                return;
            }
            self.waking.pop();
            let Some(r) = self.rows.get_mut(&row).filter(|r| r.owner == NONE) else {
                continue;
            };
            if let Some(next) = r.line.pop_front(&mut cx.requests) {
                r.give(next, cx);
                cx.admit(self.instance, next);
            }
        }
    }

    fn take_out(&mut self, slot: u32, row: u64, cx: &mut Context) {
        cx.clear_blocker(slot);
        if let Some(r) = self.rows.get_mut(&row) {
            r.line.remove(&mut cx.requests, slot);
            // A free row that nobody waits for any more is as if it had never been locked.
            if r.owner == NONE && r.line.is_empty() {
                self.rows.remove(&row);
            }
        }
    }

    /// Whether an entry of the time-out queue is not stale: its request still stands in that row's line since then.
    fn still_waits(&self, due: u64, slot: u32, row: u64, cx: &Context) -> bool {
        let Some(r) = self.rows.get(&row) else {
            return false;
        };
        cx.requests[slot].since.saturating_add(self.patience) == due && r.line.contains(&cx.requests, slot)
    }
}
