//! An outbox: rows written with the business data, and pollers that send them on.
//!
//! ```toml
//! [outbox.payment-events]
//! in = "order-api"                  # a poller in every replica; without it, one for all
//! poll-interval = "250ms"
//! batch = 1000
//! publishes = "order-events"         # the topic to which the messages go
//! steps = [
//!   { use = "orders-db", steps = [
//!     { query = "mysql", time = "5ms" },          # select
//!     { each = [{ delay = "2ms" }] },               # send each
//!     { query = "mysql", time = "8ms" },          # mark
//!   ] },
//! ]
//! ```
//!
//! A step `{ publish = "payment-events" }` writes a row, which costs nothing by itself. Among the steps of a connection pool it belongs to
//! that connection's transaction: it can be read when they are done, and is gone when they fail. Elsewhere, and in branches of
//! `parallel` or under a time limiter, it can be read at once. A poller waits `poll-interval` after each poll (a fixed delay), takes
//! up to `batch` rows that no other poller holds (`FOR UPDATE SKIP LOCKED`), oldest first, and runs its steps once
//! for all of them; `{ each = [..] }` goes through the rows one by one, and a row's message goes out at the end of its round; without
//! `each` all go out when the steps are done. Then the rows are marked as sent. A second `each`, or a retry around one, goes through all of
//! them once more; a message goes out once in a poll.
//! With `drain` a poller that got a full batch polls again at once. Steps run only if there are rows.
//!
//! When a step of `each` fails the poll ends: rows that it has gone through are marked, the one at which it failed is tried
//! again after `retry-interval`, `max-retries` times, and then given up; rows behind it are read again in the next
//! poll. When another step fails, all rows of the poll share its fate (the transaction is rolled back), and those whose
//! messages are out already are sent again. Rows in the hands of a poller that stops are free again.
//! A message lies in its topic when it is sent: what sending takes is for the steps of `each`, the topic's producer has no part in it.
//! Messages draw their random numbers by the row; a later try draws times and failures anew, and keys not.
//! `sent` counts messages, `sent_again` those of rows that had been sent before;
//! `added_latency` is the time from the writing of a row until it is sent first. Without `publishes` the rows simply end.

use super::contract::*;
use super::topic::partition_of;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::log::Row;
use crate::kernel::request::delivery_key;
use crate::kernel::{Admission, Caught, Context, Fault, Outcome, Record, Rows, Visit};
use crate::metric::Histogram;
use crate::quantity::SimTime;
use crate::random::child_key;

/// As running: the poller of one replica.
pub struct Outbox {
    plan: Plan,
    /// Number of the table in the context.
    table: usize,
    topic: Option<u32>,
    first_replica: bool,
    hand: Vec<Row>,
    /// Rows of the hand that `each` has begun and gone through.
    at: usize,
    done: usize,
    /// Rows of the hand whose messages are out.
    out: usize,
    full: bool,
    polls: u64,
    counts: Counts,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    polls: u64,
    empty: u64,
    sent: u64,
    sent_again: u64,
    retried: u64,
    given_up: u64,
    /// From the writing of a row until it is sent.
    latency: Histogram,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    interval: u64,
    batch: u64,
    drain: bool,
    publishes: Option<ComponentId>,
    max_retries: u64,
    retry_interval: u64,
}

const WAIT: u8 = 0;
const CLAIM: u8 = 1;
const AGAIN: u8 = 2;

impl Component for Outbox {
    const KIND: &'static str = "outbox";
    const ABOUT: &'static str = "rows that a poller sends on";
    const CATCHES: bool = true;
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[
        ("pending", Unit::Count, Combine::Sum),
        ("oldest_age", Unit::Seconds, Combine::Max),
    ];
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service whose replicas poll; without it one poller for all",
        ),
        key(
            "poll-interval",
            Form::Duration,
            Some("\"1s\""),
            "from the end of a poll to the next (no standard default; 0.1 to 5 s are common)",
        ),
        key(
            "batch",
            Form::Count,
            Some("100"),
            "most rows in a poll (no standard default; 50 to 1000 are common)",
        ),
        key(
            "drain",
            Form::Boolean,
            Some("false"),
            "whether a poll that found a full batch is followed by another one at once",
        ),
        key(
            "steps",
            Form::Steps,
            None,
            "what a poll with rows does; `{ each = [..] }` goes through them",
        ),
        key(
            "publishes",
            Form::Name,
            None,
            "the topic to which the messages go",
        ),
        key(
            "max-retries",
            Form::Count,
            Some("10"),
            "tries of a row beyond the first (no standard default)",
        ),
        key(
            "retry-interval",
            Form::Duration,
            Some("\"30s\""),
            "until a row that failed is tried again (no standard default)",
        ),
    ];
    const SETTABLE: &'static [&'static str] =
        &["poll-interval", "batch", "drain", "max-retries", "retry-interval"];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let interval = reader.positive_duration("poll-interval");
        let batch = reader.count_in("batch", 1..=1 << 40);
        let drain = reader.boolean("drain");
        let (tries, retry) = (reader.count("max-retries"), reader.duration("retry-interval"));
        let publishes = match reader.name("publishes") {
            Some(name) => Some(names.resolve(&["topic"], &name, reader)?),
            None => None,
        };
        Some(Plan {
            interval: interval?.nanos(),
            batch: batch?,
            drain: drain?,
            publishes,
            max_retries: tries?,
            retry_interval: retry?.nanos(),
        })
    }

    fn accepts(_: &Plan, _: Usage) -> Result<(), String> {
        Err("a row is written by `{ publish = \"..\" }`".into())
    }

    fn batches(_: &Plan) -> bool {
        true
    }

    fn capacity(_: &Plan) -> Option<f64> {
        Some(1.0)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "pollers",
            feed: Some(Feed {
                from: None,
                to: plan.publishes,
                threads: 1,
                batch: plan.batch as f64,
                attempts: (1.0, 0.0),
                pause: if plan.drain {
                    0.0
                } else {
                    plan.interval as f64 / 1e9
                },
                poll: None,
            }),
            ..Facts::default()
        }
    }

    /// Writing a row. It goes to the table that all pollers share, wherever the writer runs.
    fn lower(_: &Plan, step: &UseStep, lowering: &mut Lowering, _: &mut dyn FnMut(&mut Lowering)) {
        let site = lowering.site(step.path.clone(), None);
        let transaction = step.transaction.map_or(0, |frame| u32::from(frame) + 1);
        lowering.sites[site as usize].note = WRITE | transaction << 1;
        lowering.asm.enter(
            step.place.base,
            step.place.sel,
            site,
            false,
            format!("a row for {}", step.name),
        );
        lowering.asm.leave(step.name.clone());
    }

    fn agents(_: &Plan, me: Place, l: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) -> Option<u32> {
        let frame = l.asm.depth() - 1;
        let wait = l.asm.here();
        l.asm.op(me.base, me.sel, frame, WAIT, "until the next poll");
        let claim = l.asm.here();
        l.asm.op_at(me.base, me.sel, frame, CLAIM, wait, "take rows");
        let site = l.site(String::new(), None);
        l.asm.enter(me.base, me.sel, site, true, "process the rows");
        body(l);
        l.asm.leave("rows");
        l.asm.op_at(
            me.base,
            me.sel,
            frame,
            AGAIN,
            claim,
            "more, if the batch was full",
        );
        l.asm.jump_to(wait, "wait again");
        Some(1)
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let first = build.base_of(build.id);
        let known = build.cx.outboxes.iter().position(|o| o.outbox == first);
        let table = known.unwrap_or_else(|| {
            build.cx.outboxes.push(Rows::of(first));
            build.cx.outboxes.len() - 1
        });
        Outbox {
            table,
            topic: plan.publishes.and_then(|id| build.cx.log_of(build.base_of(id))),
            first_replica: build.replica == 0,
            hand: Vec::new(),
            at: 0,
            done: 0,
            out: 0,
            full: false,
            polls: build.replica as u64,
            counts: Counts::default(),
            plan: plan.clone(),
        }
    }

    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let note = cx.site(visit.site).note;
        if note & WRITE != 0 {
            let (at, now) = (cx.nanos(), cx.now());
            let row = Row {
                key: cx.identity_at(visit.site, visit.slot).next_u64(),
                at,
                due: at,
                tries: 0,
                sent: false,
            };
            match (note >> 1).checked_sub(1) {
                None => cx.outboxes[self.table].write(row, now),
                Some(frame) => {
                    let transaction = cx.requests.frame_index(visit.slot, frame as u16);
                    cx.outboxes[self.table].write_in(transaction, row);
                    cx.uncommitted += 1;
                }
            }
        } else {
            *cx.word(visit) = POLL;
        }
        Admission::Proceed
    }

    fn leave(&mut self, visit: Visit, outcome: Outcome, cx: &mut Context) {
        // Both who writes a row and who polls is a visitor.
        if outcome != Outcome::Done || *cx.word(visit) & POLL == 0 {
            return;
        }
        let failed = *cx.word(visit) & FAILED != 0;
        // A full batch that failed is not followed by another at once.
        self.full &= !failed;
        // What was gone through is marked; the row at which it failed is tried again later; the rest was not tried.
        let (marked, tried) = match (failed, self.at > self.done) {
            (false, _) => (self.hand.len(), 0),
            (true, true) => (self.done, self.at - self.done),
            (true, false) => (0, self.hand.len()),
        };
        if !failed {
            // Without `each` nothing is out yet.
            (self.out..self.hand.len()).for_each(|i| self.send(i, cx));
        }
        let mut hand = std::mem::take(&mut self.hand);
        for row in hand.drain(marked + tried..).rev() {
            cx.outboxes[self.table].rows.push_front(row);
        }
        let now = cx.now();
        for (i, row) in hand.drain(..).enumerate() {
            if i < marked {
                cx.outboxes[self.table].pending.leave(now);
            } else {
                self.try_later(row, cx);
            }
        }
        self.hand = hand;
    }

    fn caught(&mut self, visit: Visit, _: Fault, cx: &mut Context) -> Caught {
        *cx.word(visit) |= FAILED;
        Caught::Absorb
    }

    fn op(&mut self, op: u8, visit: Visit, cx: &mut Context) -> Admission {
        match op {
            WAIT => Admission::Serve(self.plan.interval),
            CLAIM => {
                self.polls += 1;
                self.counts.polls += 1;
                (self.at, self.done, self.out) = (0, 0, 0);
                let now = cx.nanos();
                cx.outboxes[self.table].claim(now, self.plan.batch as usize, &mut self.hand);
                self.full = self.hand.len() as u64 == self.plan.batch;
                if self.hand.is_empty() {
                    self.counts.empty += 1;
                    return Admission::Skip;
                }
                cx.requests
                    .take_up(visit.slot, child_key(self.hand[0].key, 1 << 32), 0);
                Admission::Proceed
            }
            EACH_BEGIN => {
                (self.at, self.done) = (0, 0);
                Admission::Proceed
            }
            EACH_NEXT => match self.hand.get(self.at) {
                Some(row) => {
                    self.at += 1;
                    cx.requests
                        .take_up(visit.slot, row.key, delivery_key(row.tries.into()));
                    Admission::Proceed
                }
                None => {
                    let first = self.hand.first().map_or(0, |r| r.key);
                    cx.requests.take_up(visit.slot, child_key(first, 1 << 32), 0);
                    Admission::Skip
                }
            },
            EACH_DONE => {
                self.done = self.at;
                if self.at > self.out {
                    self.out = self.at;
                    self.send(self.at - 1, cx);
                }
                Admission::Proceed
            }
            _ if self.plan.drain && self.full => Admission::Skip,
            _ => Admission::Proceed,
        }
    }

    fn stopped(&mut self, cx: &mut Context) {
        // Oldest first again; a row whose transaction was cut off is free at once.
        for row in self.hand.drain(..).rev() {
            cx.outboxes[self.table].rows.push_front(row);
        }
    }

    fn adopt(&mut self, plan: &Plan, _: &mut Context) {
        self.plan = plan.clone();
    }

    fn reset(&mut self, _: SimTime) {
        self.counts = Counts::default();
    }

    fn probe(&self, cx: &Context, out: &mut Vec<f64>) {
        if !self.first_replica {
            return out.extend([0.0; 2]);
        }
        let rows = &cx.outboxes[self.table];
        out.push(rows.pending.value() as f64);
        out.push(self.oldest_age(cx));
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        let span = (cx.now() - since).as_secs_f64().max(1e-9);
        let c = &self.counts;
        let each = [
            (
                "inserted",
                if self.first_replica {
                    cx.outboxes[self.table].inserted
                } else {
                    0
                },
            ),
            ("sent", c.sent),
            ("sent_again", c.sent_again),
            ("retried", c.retried),
            ("given_up", c.given_up),
            ("polls", c.polls),
            ("empty_polls", c.empty),
        ];
        for (name, n) in each {
            out.add(name, Unit::PerSecond, Combine::Sum, n as f64 / span);
        }
        let full = c.polls.saturating_sub(c.empty);
        out.ratio("rows_per_poll", Unit::Count, c.sent as f64, full as f64);
        out.times("added_latency", &c.latency);
        if self.first_replica {
            let pending = &cx.outboxes[self.table].pending;
            out.add(
                "pending_mean",
                Unit::Count,
                Combine::Sum,
                pending.mean(cx.now()).unwrap_or(f64::NAN),
            );
            out.add("pending_max", Unit::Count, Combine::Sum, pending.max() as f64);
            out.add("pending_end", Unit::Count, Combine::Sum, pending.value() as f64);
            out.add("oldest_age_end", Unit::Seconds, Combine::Sum, self.oldest_age(cx));
        }
    }
}

impl Outbox {
    /// The message of a row in hand goes out.
    fn send(&mut self, i: usize, cx: &mut Context) {
        let row = &mut self.hand[i];
        self.counts.sent += 1;
        if std::mem::replace(&mut row.sent, true) {
            self.counts.sent_again += 1;
        } else {
            self.counts.latency.record(cx.nanos() - row.at);
        }
        if let Some(topic) = self.topic {
            let partition = partition_of(row.key >> 32, cx.logs[topic as usize].partitions());
            let record = Record {
                key: child_key(row.key, 1),
                at: cx.nanos(),
            };
            cx.append(topic, partition, record);
        }
    }

    fn try_later(&mut self, row: Row, cx: &mut Context) {
        let now = cx.now();
        let rows = &mut cx.outboxes[self.table];
        if u64::from(row.tries) < self.plan.max_retries {
            self.counts.retried += 1;
            let due = now.nanos().saturating_add(self.plan.retry_interval);
            rows.retries.push_back(Row {
                due,
                tries: row.tries + 1,
                ..row
            });
        } else {
            self.counts.given_up += 1;
            rows.pending.leave(now);
        }
    }

    /// Age of the oldest row that is not sent, as far as this poller sees.
    fn oldest_age(&self, cx: &Context) -> f64 {
        let held = self.hand.iter().map(|r| r.at).min();
        let oldest = cx.outboxes[self.table].oldest().into_iter().chain(held).min();
        oldest.map_or(0.0, |at| (cx.nanos() - at) as f64 * 1e-9)
    }
}

/// The site's note of a step that writes a row; above it the frame of its transaction, from 1.
const WRITE: u32 = 1;
/// Set in the word of a poll's visit, and when one of its steps has failed.
const POLL: u64 = 1;
const FAILED: u64 = 2;
