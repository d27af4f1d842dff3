//! A consumer group: threads that poll a topic and run steps for each record, or for each poll.
//!
//! ```toml
//! [consumer.settlement]
//! topic = "order-events"
//! in = "order-api"               # its threads run in every replica, and stop with it
//! concurrency = 3                # threads in a replica, each with a consumer of its own
//! max-poll-records = 500
//! steps = [{ use = "orders-db", steps = [{ query = "mysql", time = "50ms" }] }]
//! ```
//!
//! With `batch = true` the steps run once for each poll; `{ each = [..] }` among them goes through its records, from the first one each time.
//!
//! As Spring Kafka does it: a thread polls, processes up to `max-poll-records` records one after the other, and
//! commits once for all of them (`AckMode.BATCH`, synchronously). A poll takes one partition's records before the
//! next one's. When the steps of a record fail, what was done before it is committed, the thread waits for `retry-interval`, and polls
//! and fetches again from that record on (`DefaultErrorHandler` seeks back). It is tried `retries` times more, then skipped, or sent
//! to the `dead-letter` topic. A batch that fails is tried again as a whole, in memory.
//!
//! All threads of all replicas are one group. When a replica stops, or is back, partitions are dealt out anew. By the eager
//! protocol (`range`, `round-robin`) nobody processes until every living thread has come to its next poll. With `cooperative-sticky`
//! everybody goes on with what it has; only partitions that move stand still, for two rounds of polls.
//!
//! A replica that closes its consumers finishes the polls they have in hand, as far as `shutdown-timeout` allows, and leaves the group;
//! the process ends when they have, and is back no earlier. (Its requests fail at once.) One that crashes, or is paused, is missed after
//! `session-timeout`. If it is back before that, its new threads wait with everybody who has to join until the old ones are missed,
//! unless membership is static.
//!
//! A thread that does not come to its next poll within `max-poll-interval` leaves the group: others get its partitions, its
//! commit fails, so that what it had in hand is processed twice, and it joins again at its next poll. Each pause between two tries of a
//! record ends in a poll; a batch is polled for while it is tried again.
//!
//! Steps draw their random numbers by the record, whichever thread gets it. In a later try a record keeps what it is about (keys,
//! rounds of `repeat`, what is drawn `by = "request"`: a poison record is `{ fail = "1%", by = "request" }`) and draws the rest anew; one that is
//! redelivered after a rebalance draws the same.
//!
//! Readings beside lag and end-to-end times, each a second: `redelivered` (records that a poll returned though one before had, other
//! than to try them again; `consumed` counts them each time, but not those that were `skipped`), `poll_timeouts`, `session_timeouts`, `failed_commits`. `busiest_thread_utilisation` is the share of time in
//! which the busiest thread of all had records in hand, pauses and waits for its next try included: what limits a group with more threads
//! than partitions, or with a hot one.
//!
//! The next fetch goes out when a poll returns and the client has nothing left, so that it is under way while the thread works. The broker
//! answers it when `fetch-min-bytes` are there, by default with the first record that comes, or after `fetch-max-wait` with what is there.
//! So a poll after an idle time returns one record, and what came meanwhile is in the next one: a batch listener with a cost for each
//! poll works in smaller batches than it might. One broker leads all partitions.
//!
//! Not modelled: the heartbeat interval until members learn of a rebalance.

mod membership;
mod plan;
mod poll;
mod readings;
mod thread;

pub use plan::Plan;

pub use readings::lag_readings;

use super::alarm::Alarm;
use super::contract::*;
use crate::distribution::{Law, Sampler};
use crate::document::{Key, Reader};
use crate::kernel::request::delivery_key;
use crate::kernel::{Admission, Caught, Context, Fault, Outcome, Record, TimerId, Visit};
use crate::metric::{Gauge, Histogram};
use crate::quantity::{SimDuration, SimTime};
use crate::random::child_key;
use thread::Thread;

/// As running: the threads of one replica.
pub struct Consumer {
    plan: Plan,
    log: u32,
    group: u32,
    /// Its first thread's number in the group.
    member: u32,
    first_replica: bool,
    threads: Vec<Thread>,
    dead_letter: Option<u32>,
    fetch: Option<Sampler>,
    commit: Option<Sampler>,
    purposes: [u32; 2],
    session: TimerId,
    poll_limit: Alarm,
    hold_limit: Alarm,
    pause_limit: Alarm,
    /// The replica in which it runs, and since when it is paused.
    home: Option<u32>,
    instance: u32,
    paused: Option<u64>,
    /// Until when its threads may finish their polls before the process ends.
    closing: Option<u64>,
    shutdown: TimerId,
    /// Until when the coordinator waits for more members of a group that was empty, and at most.
    gathering: Option<(u64, u64)>,
    gathered: TimerId,
    /// A thread came too late to its poll while it was paused, which it notices itself.
    overdue: bool,
    /// Until when the group counts the members of a process that is gone.
    down: Option<u64>,
    /// How many members it had when it ended.
    lost: u64,
    ghosts: Vec<u64>,
    counts: Counts,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    polls: u64,
    polled: u64,
    consumed: u64,
    retried: u64,
    skipped: u64,
    redelivered: u64,
    poll_timeouts: u64,
    session_timeouts: u64,
    failed_commits: u64,
    latency: Histogram,
    idle: Gauge,
    /// Nanoseconds that threads have spent on commits.
    committing: u64,
}

const SESSION: u32 = 0;
const POLL_LIMIT: u32 = 1;
const HOLD_LIMIT: u32 = 2;
const PAUSE_LIMIT: u32 = 3;
const SHUTDOWN: u32 = 4;
const GATHERED: u32 = 5;

const POLL: u8 = 0;
const COLLECT: u8 = 1;
const COMMIT: u8 = 2;
const COMMITTED: u8 = 3;

/// Set in the word of a visit whose record was given up.
const SKIPPED: u64 = 1 << 63;

impl Component for Consumer {
    const KIND: &'static str = "consumer";
    const ABOUT: &'static str = "a group of threads that process a topic's records";
    const CATCHES: bool = true;
    const FREEZES: bool = true;
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[
        ("lag", Unit::Count, Combine::Sum),
        ("lag_partition_max", Unit::Count, Combine::Sum),
        ("client_lag", Unit::Count, Combine::Sum),
        ("time_lag", Unit::Seconds, Combine::Sum),
    ];
    const KEYS: &'static [Key] = plan::KEYS;
    const SETTABLE: &'static [&'static str] = &[
        "max-poll-records",
        "max-partition-fetch",
        "fetch-min-bytes",
        "fetch-max-wait",
        "fetch-time",
        "commit-time",
        "retries",
        "retry-interval",
        "on-stop",
        "shutdown-timeout",
        "session-timeout",
        "max-poll-interval",
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        plan::check(reader, names)
    }

    fn batches(plan: &Plan) -> bool {
        plan.batch
    }

    fn keeps(plan: &Plan) -> u64 {
        u64::from(plan.concurrency) * 512
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        Some(plan.concurrency as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        let mean = |law: &Option<Law>| law.as_ref().map_or(0.0, |l| l.mean().unwrap_or(f64::INFINITY));
        let records = plan.max_poll_records as f64;
        let (batch, polls) = if plan.batch {
            (records, 1.0)
        } else {
            (1.0, 1.0 / records)
        };
        Facts {
            unit: "threads",
            feed: Some(Feed {
                from: Some(plan.topic),
                to: None,
                threads: u64::from(plan.concurrency),
                batch,
                // A poll that finds plenty does not wait for it; it commits once.
                pause: polls * mean(&plan.commit_time),
                attempts: (
                    plan.retries.saturating_add(1) as f64,
                    plan.retry_interval as f64 * 1e-9,
                ),
                poll: Some((1.0 / polls, SimDuration::from_nanos(plan.max_poll_interval))),
            }),
            ..Facts::default()
        }
    }

    fn agents(plan: &Plan, me: Place, l: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) -> Option<u32> {
        let frame = l.asm.depth() - 1;
        let poll = l.asm.here();
        l.asm.op(me.base, me.sel, frame, POLL, "poll");
        // An operation with a jump given at once: nothing came, poll again.
        l.asm.op_at(me.base, me.sel, frame, COLLECT, poll, "take records");
        let site = l.site(String::new(), None);
        if plan.batch {
            l.asm.enter(me.base, me.sel, site, true, "process the batch");
            body(l);
            l.asm.leave("batch");
        } else {
            let top = l.asm.here();
            let none = l.asm.op(me.base, me.sel, frame, EACH_NEXT, "the next record");
            l.asm.enter(me.base, me.sel, site, true, "process a record");
            body(l);
            l.asm.leave("record");
            l.asm.jump_to(top, "on to the next record");
            l.asm.land(none);
        }
        l.asm.op(me.base, me.sel, frame, COMMIT, "commit");
        l.asm.op(me.base, me.sel, frame, COMMITTED, "committed");
        l.asm.jump_to(poll, "poll again");
        Some(plan.concurrency)
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let topic = build.base_of(plan.topic);
        let first = build.base_of(build.id);
        // Topics stand before consumers in the list of kinds: their logs are there.
        let log = build.cx.log_of(topic).unwrap_or(0);
        let l = &mut build.cx.logs[log as usize];
        let group = l.group(first, plan.assignment);
        let g = &mut l.groups[group as usize];
        let member = (0..plan.concurrency).map(|_| g.add_member()).min().unwrap_or(0);
        let dead_letter = plan.dead_letter.and_then(|id| build.cx.log_of(build.base_of(id)));
        Consumer {
            log,
            group,
            member,
            first_replica: build.replica == 0,
            threads: vec![Thread::new(0); plan.concurrency as usize],
            dead_letter,
            fetch: plan.fetch_time.as_ref().map(Sampler::new),
            commit: plan.commit_time.as_ref().map(Sampler::new),
            purposes: [build.purpose("fetch-time"), build.purpose("commit-time")],
            session: build.timer(SESSION),
            poll_limit: Alarm::new(build.timer(POLL_LIMIT)),
            hold_limit: Alarm::new(build.timer(HOLD_LIMIT)),
            pause_limit: Alarm::new(build.timer(PAUSE_LIMIT)),
            home: build.home(),
            instance: build.instance,
            paused: None,
            closing: None,
            shutdown: build.timer(SHUTDOWN),
            gathering: None,
            gathered: build.timer(GATHERED),
            overdue: false,
            down: None,
            lost: 0,
            ghosts: Vec::new(),
            counts: Counts::default(),
            plan: plan.clone(),
        }
    }

    fn start(&mut self, cx: &mut Context) {
        cx.first_assignment(self.log, self.group);
    }

    fn absent(&mut self, cx: &mut Context) {
        cx.leave_out(self.log, self.group, self.members());
    }

    fn enter(&mut self, _: Visit, _: &mut Context) -> Admission {
        Admission::Proceed
    }

    fn leave(&mut self, visit: Visit, outcome: Outcome, cx: &mut Context) {
        if outcome != Outcome::Done {
            return;
        }
        let skipped = *cx.word(visit) & SKIPPED != 0;
        let thread = &self.threads[cx.requests[visit.slot].parent as usize];
        let (log, now) = (&cx.logs[self.log as usize], cx.nanos());
        let counts = &mut self.counts;
        let mut done = |record: Record| {
            if skipped {
                counts.skipped += 1;
            } else {
                counts.consumed += 1;
                counts.latency.record(now - record.at);
            }
        };
        if self.plan.batch {
            let all = thread
                .spans
                .iter()
                .flat_map(|s| (s.from..s.to).map(|o| (s.partition, o)));
            all.filter_map(|(p, o)| log.record(p, o)).for_each(done);
        } else if let Some(record) = thread.record {
            done(record);
        }
    }

    fn caught(&mut self, visit: Visit, _: Fault, cx: &mut Context) -> Caught {
        if !self.plan.batch {
            return self.record_failed(visit, cx);
        }
        let tries = *cx.word(visit);
        if tries < self.plan.retries {
            *cx.word(visit) = tries + 1;
            self.counts.retried += 1;
            let key = self.key_in_hand(visit.slot, cx);
            cx.requests.take_up(visit.slot, key, delivery_key(tries + 1));
            // The batch is tried again in memory while the paused consumer is polled.
            self.threads[cx.requests[visit.slot].parent as usize].polled =
                cx.nanos().saturating_add(self.plan.retry_interval);
            return Caught::Again(self.plan.retry_interval);
        }
        *cx.word(visit) |= SKIPPED;
        if let Some(dead) = self.dead_letter {
            self.send_to(dead, visit.slot, cx);
        }
        Caught::Absorb
    }

    fn op(&mut self, op: u8, visit: Visit, cx: &mut Context) -> Admission {
        let t = cx.requests[visit.slot].parent as usize;
        match op {
            POLL => self.poll(t, visit.slot, cx),
            COLLECT => self.collect(t, visit.slot, cx),
            EACH_BEGIN => {
                let thread = &mut self.threads[t];
                thread.at = (0, thread.spans.first().map_or(0, |s| s.from));
                Admission::Proceed
            }
            EACH_NEXT => self.next(t, visit.slot, cx),
            // A poll whose first record failed has nothing to commit.
            COMMIT if self.threads[t].spans.is_empty() => Admission::Proceed,
            COMMIT => match &self.commit {
                Some(law) => {
                    let key = child_key(self.threads[t].polls, (self.member as u64) << 32 | t as u64);
                    self.threads[t].commits = Some(cx.nanos());
                    Admission::Serve(cx.sample(law, &mut cx.draws_of(self.purposes[1], key)))
                }
                None => Admission::Proceed,
            },
            COMMITTED => {
                let now = cx.now();
                let thread = &mut self.threads[t];
                if let Some(since) = thread.commits.take() {
                    self.counts.committing += now.nanos() - since;
                }
                if thread.left {
                    self.counts.failed_commits += u64::from(!thread.spans.is_empty());
                } else {
                    cx.logs[self.log as usize].commit(self.group, &thread.spans, now);
                }
                thread.spans.clear();
                match std::mem::take(&mut thread.back_off) {
                    // Who closes does not wait.
                    _ if self.closing.is_some() => Admission::Proceed,
                    0 => Admission::Proceed,
                    wait => Admission::Serve(wait),
                }
            }
            _ => Admission::Proceed,
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        // Only a poll waits.
        let t = cx.requests[visit.slot].parent;
        cx.leave_poll(self.log, self.group, self.member + t);
        if std::mem::take(&mut self.threads[t as usize].waited) {
            let now = cx.now();
            self.counts.idle.leave(now);
        }
    }

    fn closing(&mut self, cx: &mut Context) -> bool {
        self.close(cx)
    }

    fn stopped(&mut self, cx: &mut Context) {
        self.stop(cx)
    }

    fn started(&mut self, cx: &mut Context) {
        self.start_again(cx)
    }

    fn freeze(&mut self, replica: u32, cx: &mut Context) {
        self.pause(replica, cx)
    }

    fn thaw(&mut self, replica: u32, cx: &mut Context) {
        self.go_on(replica, cx)
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        match tag {
            POLL_LIMIT => self.watch_polls(cx),
            HOLD_LIMIT => self.watch_fetches(cx),
            PAUSE_LIMIT => self.watch_pause(cx),
            SHUTDOWN if self.closing.is_some_and(|until| until <= cx.nanos()) => self.finish_closing(cx),
            SHUTDOWN => {}
            GATHERED => self.watch_gathering(cx),
            _ => {
                let now = cx.nanos();
                let before = self.ghosts.len();
                self.ghosts.retain(|at| *at > now);
                for _ in self.ghosts.len()..before {
                    self.counts.session_timeouts += self.lost;
                    cx.forget_ghost(self.log, self.group);
                }
                if self.down.is_some_and(|at| at <= now) {
                    self.counts.session_timeouts += self.lost;
                    self.missed(cx);
                }
            }
        }
    }

    fn adopt(&mut self, plan: &Plan, _: &mut Context) {
        self.plan = plan.clone();
        self.fetch = plan.fetch_time.as_ref().map(Sampler::new);
        self.commit = plan.commit_time.as_ref().map(Sampler::new);
    }

    /// At work on records, or committing.
    fn busy(&self, now: SimTime, cx: &Context) -> Option<f64> {
        let m = &cx.meters[self.instance as usize];
        let at_work = m.present.area(now) - m.waiting.area(now);
        let commits = self.threads.iter().filter_map(|t| t.commits);
        let under_way: u64 = commits.map(|since| now.nanos() - since).sum();
        Some(at_work as f64 + (self.counts.committing + under_way) as f64)
    }

    fn reset(&mut self, now: SimTime) {
        self.counts.idle.reset(now);
        for thread in &mut self.threads {
            thread.reset(now.nanos());
        }
        self.counts = Counts {
            idle: self.counts.idle.clone(),
            ..Counts::default()
        };
    }

    fn probe(&self, cx: &Context, out: &mut Vec<f64>) {
        if !self.first_replica {
            return out.extend([0.0; 4]);
        }
        let log = &cx.logs[self.log as usize];
        out.push(log.groups[self.group as usize].lag.value() as f64);
        out.push(log.longest_lag(self.group) as f64);
        out.push(log.client_lag(self.group) as f64);
        out.push(log.time_lag(self.group, cx.nanos()) as f64 * 1e-9);
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        let span = (cx.now() - since).as_secs_f64().max(1e-9);
        let c = &self.counts;
        out.add(
            "consumed",
            Unit::PerSecond,
            Combine::Sum,
            c.consumed as f64 / span,
        );
        out.add("retried", Unit::PerSecond, Combine::Sum, c.retried as f64 / span);
        out.add("skipped", Unit::PerSecond, Combine::Sum, c.skipped as f64 / span);
        for (name, n) in [
            ("redelivered", c.redelivered),
            ("poll_timeouts", c.poll_timeouts),
            ("session_timeouts", c.session_timeouts),
            ("failed_commits", c.failed_commits),
        ] {
            out.add(name, Unit::PerSecond, Combine::Sum, n as f64 / span);
        }
        out.ratio("records_per_poll", Unit::Count, c.polled as f64, c.polls as f64);
        let idle = c.idle.mean(cx.now()).unwrap_or(f64::NAN) / self.threads.len() as f64;
        out.add("poll_idle_ratio", Unit::Share, Combine::Mean, idle);
        let worked = self.threads.iter().map(|t| t.worked(cx.nanos())).max();
        out.add(
            "busiest_thread_utilisation",
            Unit::Share,
            Combine::Max,
            worked.unwrap_or(0) as f64 * 1e-9 / span,
        );
        out.times("end_to_end", &c.latency);
        if self.first_replica {
            lag_readings(&cx.logs[self.log as usize], self.group, cx.now(), out);
        }
    }
}
