//! A connection pool: HikariCP's.
//!
//! ```toml
//! [connection-pool.orders-db]
//! in = "order-api"
//! to = "mysql"                  # all pools together meet mysql's max-connections
//! maximum-pool-size = 20
//! connection-timeout = "5s"
//! minimum-idle = 5
//! connect-time = "uniform(2ms, 6ms)"
//! initially = "empty"
//! ```
//!
//! A request takes an idle connection or waits in line until `connection-timeout`; then `acquire_timeout`. One adder
//! opens connections one after the other, each followed by a rest of 30 ms, while there are fewer than
//! `maximum-pool-size` and either fewer idle ones than `minimum-idle` or more waiters than idle ones. A server that
//! refuses makes the adder wait 10 ms, doubling to 5 s; **nobody who waits is told**: they wait for their time-out.
//! A housekeeper every 30 s closes connections that have idled too long. A connection lives for `max-lifetime` less a
//! random share; one in use is closed when it comes back.
//!
//! A returned connection goes to the first in line. With `wake-up-latency` it is free until that one has woken up: a
//! newcomer may claim it, and the loser waits again at the end of the line, as in HikariCP. A
//! waiter in a service whose host serves first come, first served stands in that host's run queue before it has its connection.
//! Which of the idle connections is taken is the one last returned; it decides about `validation-time` alone.
//!
//! Readings under Micrometer's names: `connections_active_mean` and `_max`, `connections_idle_mean`,
//! `connections_pending_mean` and `_max`, `connections_mean` and `_max` (all open ones), `connections_timeout_total`,
//! `connections_creation_total` and `connections_creation_time_mean`; beside them `connections_refused_total` (by the
//! server), `connections_retired_total` (lifetime or idle time over). The acquire time is the waiting time, the usage
//! time the visit time less it. With `wake-up-latency`: `steal_share`.
//!
//! Left out: keep-alive pings, leak detection, suspension, the borrower's own list of connections.

mod connections;
mod plan;

pub use plan::Plan;
pub(super) use plan::law;

use plan::or_never;
use std::collections::VecDeque;

use super::connection_adder::Adder;
use super::contract::*;
use super::hand_off::HandOff;
use super::permits::Permits;
use crate::distribution::Sampler;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Outcome, TimerId, Visit};
use crate::metric::Gauge;
use crate::quantity::SimTime;

/// As running.
pub struct ConnectionPool {
    connections: Connections,
    /// Connections in use that are closed when they come back. They are counted here alone.
    leaving: u64,
    maximum: u64,
    minimum_idle: u64,
    adder: Adder,
    active_max: u64,
    /// Open connections, those that leave included.
    size: Gauge,
    retired: u64,
    /// Whether anybody asks how long a connection has idled.
    tracked: bool,
    /// When each idle connection was returned, latest last.
    idle_since: VecDeque<u64>,
    idle_timeout: u64,
    validation: Option<Sampler>,
    validation_purpose: u32,
    housekeeper: TimerId,
    housekeeping: bool,
    filled: bool,
    /// Its process has ended and is not back yet.
    down: bool,
    instance: u32,
}

/// How a returned connection finds its next user.
enum Connections {
    /// The first in line has it at once.
    Direct(Permits),
    /// The first in line has it once it runs, unless somebody claims it before.
    Bag(HandOff),
}

/// `com.zaxxer.hikari.housekeeping.periodMs`, and the housekeeper's first round.
const HOUSEKEEPING: u64 = 30_000_000_000;
const FIRST_ROUND: u64 = 100_000_000;
/// `com.zaxxer.hikari.aliveBypassWindowMs`: a connection idle for longer is tested before it is used.
const ALIVE_BYPASS: u64 = 500_000_000;

const PATIENCE: u32 = 0;
const WAKE_UP: u32 = 1;
const ADDER: u32 = 2;
const LIFETIME: u32 = 3;
const HOUSEKEEPER: u32 = 4;

const INITIALLY: &[&str] = &["filled", "empty"];

impl Component for ConnectionPool {
    const KIND: &'static str = "connection-pool";
    const ABOUT: &'static str = "connections that are held while they are used";
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[
        ("connections_active", Unit::Count, Combine::Sum),
        ("connections_idle", Unit::Count, Combine::Sum),
        ("connections_pending", Unit::Count, Combine::Sum),
    ];
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key(
            "to",
            Form::Name,
            None,
            "the database it connects to; all pools together meet its `max-connections`",
        ),
        key(
            "maximum-pool-size",
            Form::Count,
            Some("10"),
            "most connections (HikariCP `maximumPoolSize`, 10)",
        ),
        key(
            "minimum-idle",
            Form::Count,
            None,
            "idle connections that the pool tries to have; without it as many as `maximum-pool-size` (HikariCP `minimumIdle`)",
        ),
        key(
            "connection-timeout",
            Form::Duration,
            Some("\"30s\""),
            "longest wait for a connection, from 250 ms, or 0 for no limit (HikariCP `connectionTimeout`, 30 s)",
        ),
        key(
            "connect-time",
            Form::Law,
            Some("\"2ms\""),
            "to open a connection (about a PostgreSQL backend without TLS, 1 to 5 ms; MySQL 0.2 to 1 ms; measure yours)",
        ),
        key(
            "initially",
            Form::Choice(INITIALLY),
            Some("\"filled\""),
            "`filled`: `minimum-idle` connections stand at time zero; `empty`: the housekeeper begins to open them after 100 ms",
        ),
        key(
            "idle-timeout",
            Form::Duration,
            Some("\"600s\""),
            "an idle connection beyond `minimum-idle` is closed after this; 0 for never (HikariCP `idleTimeout`, 10 min)",
        ),
        key(
            "max-lifetime",
            Form::Duration,
            Some("\"1800s\""),
            "a connection is replaced after this; 0 for never (HikariCP `maxLifetime`, 30 min)",
        ),
        key(
            "max-lifetime-variance",
            Form::Share,
            Some("\"25%\""),
            "up to this share less, drawn for each connection (HikariCP since November 2024, 25 %; up to 6.0 2.5 %)",
        ),
        key(
            "validation-time",
            Form::Law,
            None,
            "to test a connection that has idled for more than 500 ms before it is used: a round trip (HikariCP tests; without it the test takes no time)",
        ),
        key(
            "wake-up-latency",
            Form::Law,
            None,
            "how long a waiter that was handed a connection takes to run; until then a newcomer may claim it (HikariCP's bag). Without it the hand-off is immediate and first come, first served",
        ),
    ];
    const SETTABLE: &'static [&'static str] = &[
        "maximum-pool-size",
        "minimum-idle",
        "connection-timeout",
        "connect-time",
        "idle-timeout",
        "max-lifetime",
        "max-lifetime-variance",
        "validation-time",
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        plan::check(reader, names)
    }

    fn keeps(plan: &Plan) -> u64 {
        plan.maximum_pool_size * if plan.tracked() { 64 } else { 8 }
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        Some(plan.maximum_pool_size as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "connections",
            patience: (plan.connection_timeout.nanos() > 0)
                .then_some((plan.connection_timeout, "connection-timeout")),
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let (patience_timer, wake_timer) = (build.timer(PATIENCE), build.timer(WAKE_UP));
        let patience = or_never(plan.connection_timeout);
        let connections = match &plan.wake_up {
            None => Connections::Direct(Permits::new(
                0,
                patience,
                Fault::AcquireTimeout,
                build.instance,
                patience_timer,
            )),
            Some(law) => Connections::Bag(HandOff::new(
                0,
                patience,
                Sampler::new(law),
                build.purpose("wake-up"),
                (build.instance, build.waking_host()),
                wake_timer,
                patience_timer,
            )),
        };
        let seat = plan.to.and_then(|db| build.layout.seats.get(&db).copied());
        let (adder_timer, lifetime_timer) = (build.timer(ADDER), build.timer(LIFETIME));
        ConnectionPool {
            connections,
            leaving: 0,
            maximum: plan.maximum_pool_size,
            minimum_idle: plan.minimum_idle,
            adder: Adder::new(&plan.adder, seat, adder_timer, lifetime_timer, build),
            active_max: 0,
            size: Gauge::default(),
            retired: 0,
            tracked: plan.tracked(),
            idle_since: VecDeque::new(),
            idle_timeout: plan.idle_timeout,
            validation: plan.validation.as_ref().map(Sampler::new),
            validation_purpose: build.purpose("validation"),
            housekeeper: build.timer(HOUSEKEEPER),
            housekeeping: false,
            filled: plan.filled,
            down: false,
            instance: build.instance,
        }
    }

    fn start(&mut self, cx: &mut Context) {
        if self.filled {
            while self.size.value() < self.minimum_idle && self.adder.take_seat(cx) {
                self.add(cx);
            }
            self.ask(cx);
        }
        self.keep_house(cx, FIRST_ROUND);
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let (admission, in_use) = match &mut self.connections {
            Connections::Direct(permits) => (permits.acquire(visit, cx), permits.taken),
            Connections::Bag(bag) => (bag.acquire(visit, cx), bag.in_use()),
        };
        if admission == Admission::Wait {
            self.ask(cx);
        } else {
            self.active_max = self.active_max.max(in_use + self.leaving);
            if self.tracked {
                return self.borrowed(visit, cx);
            }
        }
        admission
    }

    #[inline(always)]
    fn leave(&mut self, _: Visit, _: Outcome, cx: &mut Context) {
        if self.leaving > 0 {
            self.leaving -= 1;
            return self.closed(cx);
        }
        match &mut self.connections {
            Connections::Direct(permits) => permits.release(cx),
            Connections::Bag(bag) => bag.release(cx),
        }
        if self.tracked {
            self.note_idle(cx);
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        match &mut self.connections {
            Connections::Direct(permits) => permits.cancel(visit, cx),
            Connections::Bag(bag) => bag.cancel(visit, cx),
        }
        self.note_idle(cx);
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        match (tag, &mut self.connections) {
            (PATIENCE, Connections::Direct(permits)) => permits.expire(cx),
            (PATIENCE, Connections::Bag(bag)) => bag.expire(cx),
            (WAKE_UP, Connections::Bag(bag)) => bag.woken(cx),
            (ADDER, _) => {
                if self.adder.connected() && self.down {
                    // Who asked for it has ended.
                    self.adder.drop_connection(cx);
                } else if self.adder.connected() {
                    self.add(cx);
                    self.adder.rest(cx);
                } else {
                    self.create(cx);
                }
            }
            (LIFETIME, _) => {
                while self.adder.life_is_over(cx) {
                    self.retire(cx);
                }
            }
            (HOUSEKEEPER, _) => {
                self.housekeeping = false;
                self.close_idle(cx);
                self.ask(cx);
                self.keep_house(cx, HOUSEKEEPING);
            }
            _ => {}
        }
        self.note_idle(cx);
    }

    fn stopped(&mut self, cx: &mut Context) {
        self.down = true;
        while self.shrink(cx) {
            self.adder.end_life();
        }
        self.note_idle(cx);
    }

    fn started(&mut self, cx: &mut Context) {
        self.down = false;
        self.start(cx);
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.maximum = plan.maximum_pool_size;
        self.minimum_idle = plan.minimum_idle;
        self.idle_timeout = plan.idle_timeout;
        self.validation = plan.validation.as_ref().map(Sampler::new);
        self.tracked = plan.tracked();
        self.adder.adopt(&plan.adder);
        let patience = or_never(plan.connection_timeout);
        match &mut self.connections {
            Connections::Direct(permits) => {
                permits.patience = patience;
                permits.expire(cx);
            }
            Connections::Bag(bag) => bag.set_patience(patience, cx),
        }
        while self.size.value() - self.leaving > self.maximum && self.shrink(cx) {
            self.adder.end_life();
        }
        self.note_idle(cx);
        self.ask(cx);
        self.keep_house(cx, HOUSEKEEPING);
    }

    fn reset(&mut self, now: SimTime) {
        self.size.reset(now);
        self.active_max = self.in_use();
        self.retired = 0;
        self.adder.reset();
        if let Connections::Bag(bag) = &mut self.connections {
            (bag.steals, bag.acquired) = (0, 0);
        }
    }

    fn probe(&self, cx: &Context, out: &mut Vec<f64>) {
        out.push(self.in_use() as f64);
        out.push(self.idle() as f64);
        out.push(cx.meters[self.instance as usize].waiting.value() as f64);
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        let now = cx.now();
        let span = (now - since).nanos().max(1) as f64;
        let mean = |g: &Gauge| g.area(now) as f64 / span;
        let meter = &cx.meters[self.instance as usize];
        let (size, pending) = (mean(&self.size), mean(&meter.waiting));
        let active = mean(&meter.present) - pending;
        let mut count = |name, combine, value| out.add(name, Unit::Count, combine, value);
        count("connections_active_mean", Combine::Sum, active);
        count("connections_active_max", Combine::Max, self.active_max as f64);
        count("connections_idle_mean", Combine::Sum, (size - active).max(0.0));
        count("connections_pending_mean", Combine::Sum, pending);
        count(
            "connections_pending_max",
            Combine::Max,
            meter.waiting.max() as f64,
        );
        count("connections_mean", Combine::Sum, size);
        count("connections_max", Combine::Max, self.size.max() as f64);
        count("connections_timeout_total", Combine::Sum, meter.timed_out as f64);
        count(
            "connections_creation_total",
            Combine::Sum,
            self.adder.created as f64,
        );
        count(
            "connections_refused_total",
            Combine::Sum,
            self.adder.refused as f64,
        );
        count("connections_retired_total", Combine::Sum, self.retired as f64);
        let creation = self.adder.creation_time as f64 * 1e-9 / self.adder.created as f64;
        out.add(
            "connections_creation_time_mean",
            Unit::Seconds,
            Combine::Mean,
            creation,
        );
        if let Connections::Bag(bag) = &self.connections
            && bag.acquired > 0
        {
            let share = bag.steals as f64 / bag.acquired as f64;
            out.add("steal_share", Unit::Share, Combine::Mean, share);
        }
    }
}
