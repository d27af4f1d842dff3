//! A thread pool: Tomcat's connector, or a plain Java executor.
//!
//! ```toml
//! [thread-pool.http]
//! in = "order-api"
//! max-threads = 200
//! accept-count = 100
//! max-connections = 8192
//! ```
//!
//! Tomcat's chain: a new connection waits in the kernel's backlog (`accept-count` + 1 places) while `max-connections`
//! are open, and is dropped when that is full: the client's kernel tries again 1, 3, 7, 15, 31 and 63 s after the first
//! try and gives up at 127 s (newer ones sooner: `tcp-syn-linear-timeouts`). An accepted request takes a thread, a new one up to `max-threads`, then waits in the
//! executor's queue without any time limit. A request whose caller has left runs all the same.
//!
//! `executor = "java"` is `ThreadPoolExecutor`: up to `core-threads`, then the queue, then up to `max-threads`, then refusal;
//! the task that finds the queue full starts at once on a new thread and so overtakes those in the queue.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use super::contract::*;
use super::syn_retry::{MOST_LINEAR, SynRetry};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Line, Outcome, Visit};
use crate::quantity::SimTime;

/// As running.
pub struct ThreadPool {
    plan: Plan,
    busy: u64,
    queue: Line,
    backlog: Line,
    dropped: SynRetry,
    connections: u64,
    most_connections: u64,
    /// Open keep-alive connections and the requests that they have carried; never iterated.
    open: HashMap<(u16, u32), u64, BuildHasherDefault<DefaultHasher>>,
    instance: u32,
    refused: u64,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    java: bool,
    core: u64,
    max_threads: u64,
    queue: u64,
    max_connections: u64,
    accept_count: u64,
    /// Tries of a dropped handshake at one distance before it doubles.
    linear_tries: u64,
    /// Requests on one connection before the server closes it; `None` for a connection a request.
    keep_alive: Option<u64>,
    /// Nothing is limited but threads and queue: the common case, kept short.
    plain: bool,
}

const EXECUTORS: &[&str] = &["tomcat", "java"];
const CONNECTIONS: &[&str] = &["per-request", "keep-alive"];
const UNLIMITED: u64 = u64::MAX;
/// Bits of the visit's word: the connection stays open; a core thread runs the task.
const QUEUED: u64 = 1;

impl Component for ThreadPool {
    const KIND: &'static str = "thread-pool";
    const ABOUT: &'static str =
        "threads that are held while a request runs: Tomcat's connector or a Java executor";
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[("backlog", Unit::Count, Combine::Sum)];
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key(
            "executor",
            Form::Choice(EXECUTORS),
            Some("\"tomcat\""),
            "`tomcat`: threads up to the maximum, then the queue; `java`: core, queue, maximum, refusal",
        ),
        key(
            "max-threads",
            Form::Count,
            Some("200"),
            "most threads (Tomcat `maxThreads`, 200)",
        ),
        key(
            "core-threads",
            Form::Count,
            None,
            "`java` only: threads that are started before the queue is used; without it as many as `max-threads`",
        ),
        key(
            "max-queue-capacity",
            Form::Count,
            Some("2147483647"),
            "places in the executor's queue (Tomcat `maxQueueSize`, 2147483647); more are refused and their connection is closed",
        ),
        key(
            "virtual-threads",
            Form::Boolean,
            Some("false"),
            "one virtual thread a request: no limit but `max-connections`",
        ),
        key(
            "max-connections",
            Form::Count,
            Some("8192"),
            "open connections, idle ones included (Tomcat `maxConnections`, 8192); more wait in the kernel",
        ),
        key(
            "accept-count",
            Form::Count,
            Some("100"),
            "the kernel's backlog (Tomcat `acceptCount`, 100); it has one place more",
        ),
        key(
            "tcp-syn-linear-timeouts",
            Form::Count,
            Some("0"),
            "tries of a dropped handshake one second apart before the distance doubles (the client's kernel: 0 before Linux 6.5, 4 from then on)",
        ),
        key(
            "connections",
            Form::Choice(CONNECTIONS),
            Some("\"per-request\""),
            "`keep-alive`: a user of a closed workload keeps its connection while it thinks",
        ),
        key(
            "max-keep-alive-requests",
            Form::Count,
            Some("100"),
            "requests on one connection before the server closes it (Tomcat `maxKeepAliveRequests`, 100); 0 for no limit",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
        let java = reader.choice("executor")? == "java";
        let most = u64::from(u32::MAX);
        let max_threads = reader.count_in("max-threads", 1..=most);
        let core = if reader.has("core-threads") {
            Some(reader.count_in("core-threads", 0..=most)?)
        } else {
            None
        };
        let queue = reader.count("max-queue-capacity");
        let virtual_threads = reader.boolean("virtual-threads")?;
        let max_connections = reader.count_in("max-connections", 1..=most);
        let accept_count = reader.count_in("accept-count", 0..=most);
        let linear_tries = reader.count_in("tcp-syn-linear-timeouts", 0..=MOST_LINEAR);
        let keep_alive = reader.choice("connections")? == "keep-alive";
        let requests = reader.count("max-keep-alive-requests");
        let what = reader.what().to_owned();
        let mut max_threads = max_threads?;
        if !java && core.is_some() {
            let span = reader.key_span("core-threads");
            reader
                .sink()
                .error(span, "not-taken", format!("{what}: Tomcat's executor has no `core-threads`"))
                .help("Tomcat starts threads up to `max-threads` before it queues; `executor = \"java\"` has a core");
            return None;
        }
        let core = core.unwrap_or(max_threads);
        if core > max_threads {
            let span = reader.span("core-threads");
            reader.sink().error(
                span,
                "out-of-range",
                format!("{what}: {core} core threads, but at most {max_threads} threads"),
            );
            return None;
        }
        if virtual_threads {
            max_threads = UNLIMITED;
        }
        let max_connections = if java { UNLIMITED } else { max_connections? };
        let keep_alive = keep_alive.then_some(match requests? {
            0 => UNLIMITED,
            n => n,
        });
        Some(Plan {
            java,
            core: if virtual_threads { UNLIMITED } else { core },
            max_threads,
            queue: queue?,
            max_connections,
            accept_count: accept_count?,
            linear_tries: linear_tries?,
            keep_alive,
            plain: false,
        })
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        // A Java executor starts more than its core only when its queue is full.
        let endless = plan.java && plan.queue >= i32::MAX as u64;
        let threads = if endless { plan.core } else { plan.max_threads };
        (threads != UNLIMITED).then_some(threads as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "threads",
            // Tomcat's default is as good as none.
            bounded: plan.queue < i32::MAX as u64,
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let mut plan = plan.clone();
        plan.plain = !plan.java && plan.keep_alive.is_none();
        ThreadPool {
            dropped: SynRetry::new(plan.linear_tries, build),
            plan,
            busy: 0,
            queue: Line::default(),
            backlog: Line::default(),
            connections: 0,
            most_connections: 0,
            open: HashMap::default(),
            instance: build.instance,
            refused: 0,
        }
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        if self.plan.plain
            && self.connections < self.plan.max_connections
            && self.busy < self.plan.max_threads
        {
            self.connections += 1;
            self.busy += 1;
            return Admission::Proceed;
        }
        self.connect(visit, cx)
    }

    #[inline(always)]
    fn leave(&mut self, visit: Visit, _: Outcome, cx: &mut Context) {
        match self.queue.pop_front(&mut cx.requests) {
            // A thread above a lowered limit ends instead of taking the next task.
            Some(next) if self.busy <= self.plan.max_threads => cx.admit(self.instance, next),
            Some(next) => {
                let first = self.queue.head();
                self.queue.insert_before(&mut cx.requests, first, next);
                self.busy -= 1;
            }
            None => self.busy -= 1,
        }
        if self.plan.plain && self.backlog.is_empty() {
            self.connections -= 1;
        } else {
            self.disconnect(visit.slot, cx);
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        match *cx.word(visit) & 3 {
            IN_BACKLOG => self.backlog.remove(&mut cx.requests, visit.slot),
            IN_RETRY => self.dropped.remove(visit.slot, cx),
            _ => {
                self.queue.remove(&mut cx.requests, visit.slot);
                cx.abandon(visit.instance, visit.slot);
                return self.disconnect(visit.slot, cx);
            }
        }
        cx.abandon(visit.instance, visit.slot);
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        while let Some(slot) = self.dropped.due(tag, cx) {
            if self.connections < self.plan.max_connections {
                self.accept(slot, cx);
            } else if (self.backlog.len() as u64) <= self.plan.accept_count {
                *cx.waiting_word(slot) = IN_BACKLOG;
                self.backlog.push_back(&mut cx.requests, slot);
            } else if !self.dropped.again(tag, slot, cx) {
                cx.refuse(self.instance, slot, Fault::ConnectTimeout);
            }
        }
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        let plain = self.plan.plain;
        self.plan = Plan {
            plain,
            ..plan.clone()
        };
        while self.busy < self.plan.max_threads {
            let Some(next) = self.queue.pop_front(&mut cx.requests) else {
                break;
            };
            self.busy += 1;
            cx.admit(self.instance, next);
        }
        self.accept_more(cx);
    }

    fn reset(&mut self, _: SimTime) {
        self.refused = 0;
        self.dropped.dropped = 0;
        self.most_connections = self.connections;
    }

    fn probe(&self, _: &Context, out: &mut Vec<f64>) {
        out.push(self.backlog.len() as f64);
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        let span = (cx.now() - since).as_secs_f64().max(1e-9);
        if self.dropped.dropped > 0 {
            out.add(
                "syn_dropped",
                Unit::PerSecond,
                Combine::Sum,
                self.dropped.dropped as f64 / span,
            );
        }
        if self.refused > 0 {
            out.add(
                "queue_refused",
                Unit::PerSecond,
                Combine::Sum,
                self.refused as f64 / span,
            );
        }
        if self.plan.keep_alive.is_some() {
            out.add(
                "connections_max",
                Unit::Count,
                Combine::Max,
                self.most_connections as f64,
            );
        }
    }
}

const IN_BACKLOG: u64 = 2;
const IN_RETRY: u64 = 3;

impl ThreadPool {
    /// A request comes: on its open connection, on a new one, or not yet.
    fn connect(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let r = cx.requests[visit.slot];
        let user = (r.workload, r.parent);
        if self.plan.keep_alive.is_some() && self.open.contains_key(&user) {
            return self.submit(visit, cx);
        }
        if self.connections < self.plan.max_connections {
            self.opened(user);
            return self.submit(visit, cx);
        }
        cx.begin_wait(visit);
        if (self.backlog.len() as u64) <= self.plan.accept_count {
            *cx.word(visit) = IN_BACKLOG;
            self.backlog.push_back(&mut cx.requests, visit.slot);
        } else {
            *cx.word(visit) = IN_RETRY;
            self.dropped.drop_first(visit.slot, cx);
        }
        Admission::Wait
    }

    fn opened(&mut self, user: (u16, u32)) {
        self.connections += 1;
        self.most_connections = self.most_connections.max(self.connections);
        if self.plan.keep_alive.is_some() {
            self.open.insert(user, 0);
        }
    }

    /// Hands a request whose connection is open to the executor.
    fn submit(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let threads = if self.plan.java {
            self.plan.core
        } else {
            self.plan.max_threads
        };
        if self.busy < threads {
            self.busy += 1;
            return Admission::Proceed;
        }
        if (self.queue.len() as u64) < self.plan.queue {
            cx.begin_wait(visit);
            *cx.word(visit) = QUEUED;
            self.queue.push_back(&mut cx.requests, visit.slot);
            return Admission::Wait;
        }
        if self.busy < self.plan.max_threads {
            self.busy += 1;
            return Admission::Proceed;
        }
        self.refused += 1;
        self.close(visit.slot, cx);
        Admission::Reject(Fault::Rejected)
    }

    /// The acceptor takes a waiting connection.
    fn accept(&mut self, slot: u32, cx: &mut Context) {
        let r = cx.requests[slot];
        self.opened((r.workload, r.parent));
        if self.busy < self.plan.max_threads {
            self.busy += 1;
            cx.admit(self.instance, slot);
        } else if (self.queue.len() as u64) < self.plan.queue {
            *cx.waiting_word(slot) = QUEUED;
            self.queue.push_back(&mut cx.requests, slot);
        } else {
            self.refused += 1;
            self.connections -= 1;
            self.open.remove(&(r.workload, r.parent));
            cx.refuse(self.instance, slot, Fault::Rejected);
        }
    }

    /// A request is done: its connection closes, or stays open for the user's next one.
    fn disconnect(&mut self, slot: u32, cx: &mut Context) {
        if let Some(most) = self.plan.keep_alive {
            let r = cx.requests[slot];
            let gone = r.flags & crate::kernel::request::DETACHED != 0;
            if let Some(served) = self.open.get_mut(&(r.workload, r.parent)) {
                *served += 1;
                if *served < most && !gone {
                    return;
                }
            }
        }
        self.close(slot, cx);
    }

    fn close(&mut self, slot: u32, cx: &mut Context) {
        let r = cx.requests[slot];
        self.connections -= 1;
        self.open.remove(&(r.workload, r.parent));
        self.accept_more(cx);
    }

    fn accept_more(&mut self, cx: &mut Context) {
        while self.connections < self.plan.max_connections {
            let Some(next) = self.backlog.pop_front(&mut cx.requests) else {
                return;
            };
            self.accept(next, cx);
        }
    }
}
