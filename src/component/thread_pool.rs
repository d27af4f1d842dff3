//! A thread pool: Tomcat's connector and threads, or a plain Java executor.
//!
//! ```toml
//! [thread-pool.http]
//! in = "order-api"
//! max-threads = 200
//! max-connections = 8192
//! accept-count = 100
//!
//! [thread-pool.async]
//! in = "order-api"
//! executor = "java"
//! core-threads = 8
//! queue-capacity = 100
//! max-threads = 16
//! policy = "caller-runs"
//! ```
//!
//! **Tomcat** (`executor = "tomcat"`). A request comes through the kernel's accept queue to a connection, then to a
//! thread: the pool grows to `max-threads` first, then the executor's queue fills. At each limit the caller sees something else:
//!
//! | limit | what happens |
//! | --- | --- |
//! | all threads busy | waits in the executor's queue, without a time limit |
//! | `max-queue-capacity` | the connection is closed at once: `rejected` |
//! | `max-connections` | waits in silence in the accept queue, `accept-count` + 1 places |
//! | accept queue full | the SYN is dropped and sent again after 1, 3, 7, 15, 31, 63 s; given up after 127 s: `connect_timeout` |
//!
//! A request whose client has left is run all the same, unless its handshake was never completed. While its process
//! is paused the server accepts nothing, so a long pause fills the accept queue.
//!
//! **Java** (`executor = "java"`). `core-threads` first, then the queue, then up to `max-threads`, each running the task
//! that just came, which so overtakes the queue; then `policy`. Threads beyond the core die after `thread-keep-alive`.
//! With `queue = "priority"` the queue has no limit, so that the pool never grows beyond its core, and steps
//! `{ use = "async", priority = 1, steps = [..] }` go behind those of priority 0; equals keep their order.
//!
//! Beside what every component reports (`busy_mean` is Micrometer's `tomcat_threads_busy_threads`):
//! `threads_current` (threads started, at the end; `tomcat_threads_current_threads`), `connections_open_mean` and `_max`
//! (`tomcat_connections_current_connections`), `connections_idle_mean` (kept alive, unused), `executor_queue_mean` and `_max`,
//! `backlog_mean` and `_max` (accept queue), `syns_dropped` and `connect_timeouts` and `resets` a second,
//! `read_on` a second (requests found by the thread that answered the one before), `caller_runs` a second (Java).
//!
//! A thread that has answered looks once more at the connection before it takes the next task, and goes on with what is
//! there (`Http11Processor.service`). A client that sends its next request within that time overtakes the queue: means stay as they
//! are, but few threads before many busy clients answer some at once and others late. Clients across a network are not that
//! near; on one machine a third of them were. `read-on = "exp(0.1ms)"` models it for clients of keep-alive connections; the time
//! runs from the end of the steps inside, and while it runs the thread serves nobody else.

mod plan;
mod reading_on;
mod readings;

pub use plan::Plan;

use plan::{Threads, UNBOUNDED};
use reading_on::ReadingOn;
use std::collections::{BTreeMap, VecDeque};

use super::connector::{Connector, Dialled, INNER, NO_THREAD, QUEUED, stage};
use super::contract::*;
use super::waiting::{self, Order, Waiting};
use crate::diagnostic::Sink;
use crate::document::{Form, Item, Key, Reader, key};
use crate::kernel::request::REFUSED;
use crate::kernel::{Admission, Context, Fault, Outcome, Visit};
use crate::metric::Gauge;
use crate::quantity::SimTime;

/// As running.
pub struct ThreadPool {
    threads: Threads,
    /// Absent for a plain executor, which has no connections.
    front: Option<Connector>,
    reading_on: Option<ReadingOn>,
    started: u64,
    busy: u64,
    queue: Waiting,
    queued: Gauge,
    /// Java: since when each idle thread is, longest first.
    resting: VecDeque<u64>,
    caller_runs: u64,
    instance: u32,
    home: Option<u32>,
}

/// The tag of the timer of threads that read on, above those of the connector.
const READ_ON: u32 = u32::MAX;
const EXECUTORS: &[&str] = &["tomcat", "java"];
const POLICIES: &[&str] = &["abort", "caller-runs"];
const QUEUES: &[&str] = &["fifo", "priority"];
const CONNECTIONS: &[&str] = &["keep-alive", "per-request"];

impl Component for ThreadPool {
    const KIND: &'static str = "thread-pool";
    const ABOUT: &'static str = "threads that are held while a request runs";
    const FREEZES: bool = true;
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[
        ("connections_open", Unit::Count, Combine::Sum),
        ("backlog", Unit::Count, Combine::Sum),
        ("executor_queue", Unit::Count, Combine::Sum),
    ];
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
            "`tomcat`: threads to the maximum, then the queue; `java`: core, queue, maximum, then the policy (ThreadPoolExecutor)",
        ),
        key(
            "max-threads",
            Form::Count,
            Some("200"),
            "most threads (Tomcat `maxThreads`, 200; with `executor = \"java\"` unbounded unless written)",
        ),
        key(
            "min-spare-threads",
            Form::Count,
            Some("10"),
            "threads that stand ready from the start (Tomcat `minSpareThreads`, 10)",
        ),
        key(
            "max-queue-capacity",
            Form::Count,
            Some("2147483647"),
            "places in the executor's queue (Tomcat `maxQueueSize`, unbounded)",
        ),
        key(
            "virtual-threads",
            Form::Boolean,
            Some("false"),
            "a new virtual thread for each request, limited by `max-connections` alone (Spring `spring.threads.virtual.enabled`, false)",
        ),
        key(
            "max-connections",
            Form::Number,
            Some("8192"),
            "most open connections, idle ones included; -1 for no limit (Tomcat `maxConnections`, 8192)",
        ),
        key(
            "accept-count",
            Form::Count,
            Some("100"),
            "length of the kernel's accept queue, which holds one more (Tomcat `acceptCount`, 100)",
        ),
        key(
            "connections",
            Form::Choice(CONNECTIONS),
            Some("\"keep-alive\""),
            "`keep-alive`: a user of a closed workload keeps its connection while it thinks, requests without a user bring their own; `per-request`: each request brings its own (HTTP/1.1 keeps alive)",
        ),
        key(
            "max-keep-alive-requests",
            Form::Number,
            Some("100"),
            "requests after which a kept connection is closed; -1 for no limit, 1 for none kept (Tomcat `maxKeepAliveRequests`, 100)",
        ),
        key(
            "keep-alive-timeout",
            Form::Duration,
            Some("\"60s\""),
            "an idle connection is closed after this (Tomcat `keepAliveTimeout` = `connectionTimeout`, 60 s under Spring Boot, 20 s in the shipped server.xml)",
        ),
        key(
            "abort-on-overflow",
            Form::Boolean,
            Some("false"),
            "a full accept queue resets the connection instead of dropping the SYN (Linux `tcp_abort_on_overflow`, 0)",
        ),
        key(
            "tcp-syn-retries",
            Form::Count,
            Some("6"),
            "how often the client's kernel sends a SYN again, at doubling distances from 1 s (Linux `tcp_syn_retries`, 6)",
        ),
        key(
            "tcp-syn-linear-timeouts",
            Form::Count,
            Some("0"),
            "how often it does so 1 s apart before that (Linux `tcp_syn_linear_timeouts`: none before 6.5, then 4)",
        ),
        key(
            "tcp-tick",
            Form::Duration,
            None,
            "the tick of the clients' kernel, if they are on one machine (Linux `CONFIG_HZ` 250: 4 ms): SYNs of the same 8 or 64 ticks are sent again together; without it each is on time",
        ),
        key(
            "read-on",
            Form::Law,
            None,
            "how long a thread that has answered still finds the next request of the same kept connection and goes on with it, ahead of the queue (Tomcat `Http11Processor.service`); without it not at all",
        ),
        key(
            "core-threads",
            Form::Count,
            Some("8"),
            "Java: threads that are started before the queue fills (Spring Boot `spring.task.execution.pool.core-size`, 8)",
        ),
        key(
            "queue-capacity",
            Form::Count,
            Some("2147483647"),
            "Java: places in the queue; 0 hands over directly (Spring Boot `queue-capacity`, unbounded)",
        ),
        key(
            "queue",
            Form::Choice(QUEUES),
            Some("\"fifo\""),
            "Java: the queue's order: first in, first out (LinkedBlockingQueue), or by the steps' `priority`, without limit (PriorityBlockingQueue)",
        ),
        key(
            "policy",
            Form::Choice(POLICIES),
            Some("\"abort\""),
            "Java: when the queue is full and all threads run: `abort` rejects, `caller-runs` lets the caller do it (AbortPolicy)",
        ),
        key(
            "thread-keep-alive",
            Form::Duration,
            Some("\"60s\""),
            "Java: an idle thread beyond the core dies after this (Spring Boot `keep-alive`, 60 s)",
        ),
    ];
    const SETTABLE: &'static [&'static str] = &[
        "max-threads",
        "max-queue-capacity",
        "max-connections",
        "accept-count",
        "max-keep-alive-requests",
        "keep-alive-timeout",
        "abort-on-overflow",
        "core-threads",
        "queue-capacity",
        "policy",
        "thread-keep-alive",
    ];
    const STEP_KEYS: &'static [Key] = &[waiting::PRIORITY];
    type Plan = Plan;

    fn check_step(plan: &Plan, options: &BTreeMap<String, Item>, sink: &mut Sink) {
        let useless =
            (!plan.threads.by_priority).then_some("without executor = \"java\" and queue = \"priority\"");
        waiting::check_priority(options, useless, sink);
    }

    fn lower(plan: &Plan, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
        let site = lowering.sites.len();
        lowering.visit(step, false, body);
        // Entering names its site first.
        match plan.limits {
            Some(_) => lowering.sites[site].note = u32::from(step.inner) * INNER,
            None => waiting::note_priority(step, site, lowering),
        }
    }

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        plan::check(reader, names)
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        let t = &plan.threads;
        let most = match &plan.limits {
            // An unbounded queue never lets the pool grow beyond its core.
            None if t.queue >= UNBOUNDED => t.core.max(1),
            None => t.max,
            Some(limits) => t.max.min(limits.max_connections),
        };
        (most < UNBOUNDED).then_some(most as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "threads",
            // Java's default is as good as none.
            bounded: plan.places() < UNBOUNDED,
            places: match plan.places() {
                UNBOUNDED.. => f64::INFINITY,
                places => places as f64,
            },
            fair: !plan.threads.by_priority,
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let instance = build.instance;
        let front = plan.limits.as_ref().map(|limits| {
            let timers = (0..Connector::timers(limits))
                .map(|tag| build.timer(tag))
                .collect();
            Connector::new(limits.clone(), instance, timers)
        });
        let reading_on = plan.read_on.as_ref().map(|law| {
            let (purpose, timer) = (build.purpose("read-on"), build.timer(READ_ON));
            ReadingOn::new(law, purpose, timer, instance)
        });
        ThreadPool {
            threads: plan.threads.clone(),
            front,
            reading_on,
            started: if plan.threads.java { 0 } else { plan.threads.core },
            busy: 0,
            queue: Waiting::new(Order::FirstCome),
            queued: Gauge::default(),
            resting: VecDeque::new(),
            caller_runs: 0,
            instance,
            home: build.home(),
        }
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let Some(front) = &mut self.front else {
            return self.enter_java(visit, cx);
        };
        match front.connect(visit, cx) {
            Dialled::Connected if self.reading_on.as_mut().is_some_and(|r| r.finds(visit, cx)) => {
                Admission::Proceed
            }
            Dialled::Connected if self.busy < self.threads.max => {
                self.busy += 1;
                self.started = self.started.max(self.busy);
                Admission::Proceed
            }
            Dialled::Connected if self.queue.len() < self.threads.queue => self.wait(visit, cx),
            Dialled::Connected => {
                front.close(visit, cx);
                self.accept(cx);
                cx.requests[visit.slot].flags |= REFUSED;
                Admission::Reject(Fault::Rejected)
            }
            Dialled::Waits => Admission::Wait,
            Dialled::Reset => {
                cx.requests[visit.slot].flags |= REFUSED;
                Admission::Reject(Fault::Rejected)
            }
        }
    }

    #[inline(always)]
    fn leave(&mut self, visit: Visit, outcome: Outcome, cx: &mut Context) {
        match &mut self.front {
            Some(front) => {
                let place = front.done(visit, matches!(outcome, Outcome::Failed(_)), cx);
                let others = self.queue.len() > 0;
                match &mut self.reading_on {
                    Some(reading_on) if others && front.keeps(visit, cx) => reading_on.look(visit, cx),
                    _ => {
                        self.next_task(cx);
                    }
                }
                if place {
                    self.accept(cx);
                }
            }
            None => {
                if *cx.word(visit) & NO_THREAD == 0 && !self.next_task(cx) {
                    if self.started > self.threads.max {
                        // The maximum was lowered: this thread ends.
                        self.started -= 1;
                    } else {
                        self.resting.push_back(cx.nanos());
                    }
                }
            }
        }
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        if tag == READ_ON {
            let free = self.reading_on.as_mut().map_or(0, |r| r.in_vain(cx));
            (0..free).for_each(|_| {
                self.next_task(cx);
            });
            return;
        }
        if let Some(front) = &mut self.front {
            front.wake(tag, cx);
            self.accept(cx);
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        if let Some(front) = &mut self.front {
            if front.cancel(visit, cx) {
                return;
            }
            front.close(visit, cx);
        }
        let class = self.class(visit, cx);
        self.queue.remove(class, visit.slot, cx);
        self.queued.leave(cx.now());
        cx.abandon(visit.instance, visit.slot);
        self.accept(cx);
    }

    fn freeze(&mut self, replica: u32, _: &mut Context) {
        if let Some(front) = &mut self.front {
            front.frozen |= self.home == Some(replica);
        }
    }

    fn thaw(&mut self, replica: u32, cx: &mut Context) {
        if let Some(front) = &mut self.front
            && self.home == Some(replica)
        {
            front.frozen = false;
            self.accept(cx);
        }
    }

    fn stopped(&mut self, cx: &mut Context) {
        if let Some(front) = &mut self.front {
            front.close_all_idle(cx);
            self.accept(cx);
        }
        self.resting.clear();
        let at_start = if self.threads.java { 0 } else { self.threads.core };
        self.started = at_start.max(self.busy);
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        if plan.threads.java != self.threads.java {
            return; // an executor of another make is another component
        }
        self.threads = plan.threads.clone();
        if let (Some(front), Some(limits)) = (&mut self.front, &plan.limits) {
            front.adopt(limits, cx);
        }
        while self.started > self.threads.max && self.resting.pop_front().is_some() {
            self.started -= 1;
        }
        // Java starts threads up to a larger core; a larger maximum matters when the queue is full.
        let most = match self.threads.java {
            true => self.threads.core,
            false => self.threads.max,
        };
        while self.busy < most
            && let Some((_, slot)) = self.queue.pop(cx)
        {
            self.queued.leave(cx.now());
            self.busy += 1;
            self.started = self.started.max(self.busy);
            cx.admit(self.instance, slot);
        }
        self.accept(cx);
    }

    fn reset(&mut self, now: SimTime) {
        self.queued.reset(now);
        self.caller_runs = 0;
        if let Some(reading_on) = &mut self.reading_on {
            reading_on.found = 0;
        }
        if let Some(front) = &mut self.front {
            front.reset(now);
        }
    }

    fn probe(&self, cx: &Context, out: &mut Vec<f64>) {
        let front = self.front.as_ref();
        out.push(front.map_or(0.0, |f| f.open(cx.now()) as f64));
        out.push(front.map_or(0.0, |f| f.in_backlog.value() as f64));
        out.push(self.queue.len() as f64);
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        self.read(cx, since, out);
    }
}

impl ThreadPool {
    /// The line in which a visitor waits; Tomcat has only one.
    fn class(&self, visit: Visit, cx: &Context) -> u32 {
        match self.front {
            None => cx.site(visit.site).note,
            Some(_) => 0,
        }
    }

    fn wait(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        cx.begin_wait(visit);
        *cx.word(visit) |= QUEUED;
        let class = self.class(visit, cx);
        self.queue.push(class, visit.slot, cx);
        self.queued.enter(cx.now());
        Admission::Wait
    }

    /// A thread is free: it takes the next task, if there is one, unless there are too many threads now.
    #[inline(always)]
    fn next_task(&mut self, cx: &mut Context) -> bool {
        if self.busy <= self.threads.max
            && let Some((_, slot)) = self.queue.pop(cx)
        {
            self.queued.leave(cx.now());
            cx.admit(self.instance, slot);
            return true;
        }
        self.busy -= 1;
        false
    }

    /// Free places are taken from the accept queue, and the accepted go to the executor.
    fn accept(&mut self, cx: &mut Context) {
        let Some(front) = &mut self.front else { return };
        while let Some(slot) = front.accept(cx) {
            if self.busy < self.threads.max {
                self.busy += 1;
                self.started = self.started.max(self.busy);
                cx.admit(self.instance, slot);
            } else if self.queue.len() < self.threads.queue {
                stage(slot, QUEUED, cx);
                self.queue.push(0, slot, cx);
                self.queued.enter(cx.now());
            } else {
                front.close(cx.waiting_visit(self.instance, slot), cx);
                cx.requests[slot].flags |= REFUSED;
                cx.refuse(self.instance, slot, Fault::Rejected);
            }
        }
    }

    fn enter_java(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let t = &self.threads;
        let now = cx.nanos();
        while self.started > t.core
            && let Some(since) = self.resting.front()
            && since.saturating_add(t.keep_alive) <= now
        {
            self.resting.pop_front();
            self.started -= 1;
        }
        // Without a core the first task still gets a thread.
        let new_thread = self.started < t.core.max(1);
        if !new_thread {
            if self.queue.len() == 0 && self.resting.pop_front().is_some() {
                self.busy += 1;
                return Admission::Proceed;
            }
            if self.queue.len() < t.queue {
                return self.wait(visit, cx);
            }
        }
        if new_thread || self.started < t.max {
            self.started += 1;
            self.busy += 1;
            return Admission::Proceed;
        }
        if t.caller_runs {
            self.caller_runs += 1;
            *cx.word(visit) = NO_THREAD;
            return Admission::Proceed;
        }
        Admission::Reject(Fault::Rejected)
    }
}
