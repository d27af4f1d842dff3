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

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::contract::*;
use crate::distribution::{Popularity, PopularitySampler};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Line, Outcome, TimerId, Visit};
use crate::quantity::{SimDuration, SimTime};

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
    contended: u64,
    taken: u64,
    longest: u64,
    deadlocks: u64,
}

/// One row that is locked.
struct Row {
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
}

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
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
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
        Some(Plan { keys, fair, patience })
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
            timer: build.timer(0),
            armed: false,
            waiting: Default::default(),
            instance: build.instance,
            contended: 0,
            taken: 0,
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
        match r.line.pop_front(&mut cx.requests) {
            None => {
                self.rows.remove(&row);
            }
            Some(next) => {
                r.owner = next;
                r.depth = 1;
                cx.clear_blocker(next);
                let mut at = r.line.head();
                while let Some(s) = at {
                    cx.set_blocker(s, next);
                    at = r.line.after(&cx.requests, s);
                }
                cx.admit(self.instance, next);
            }
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        let row = *cx.waiting_word(visit.slot);
        self.take_out(visit.slot, row, cx);
        cx.abandon(visit.instance, visit.slot);
    }

    fn wake(&mut self, _: u32, cx: &mut Context) {
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
    }

    fn reset(&mut self, _: SimTime) {
        (self.contended, self.taken, self.longest, self.deadlocks) = (0, 0, 0, 0);
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

impl Lock {
    fn take_out(&mut self, slot: u32, row: u64, cx: &mut Context) {
        cx.clear_blocker(slot);
        if let Some(r) = self.rows.get_mut(&row) {
            r.line.remove(&mut cx.requests, slot);
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
