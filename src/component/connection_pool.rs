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
//! The rules are those of HikariCP 5.1 and 6.0. (In 2.7.9 to 4.0 the adder does not rest after a success, and after a refusal it
//! waits 250 ms, growing by half to 10 s.)
//!
//! A request takes an idle connection or waits in line until `connection-timeout`; then `acquire_timeout`. Whoever begins to
//! wait orders one connection, if there are fewer orders than waiters; the housekeeper, 100 ms after the start and then
//! every 30 s, and a connection that closes order what is missing to `minimum-idle` idle ones. **So idle connections that were
//! taken are not made up for at once.** One adder carries out the orders one after the other, each followed by a rest of 30 ms, as
//! long as there are fewer connections than `maximum-pool-size` and either fewer idle ones than `minimum-idle` or more waiters
//! than idle ones. A server that refuses makes the adder wait 10 ms, doubling to 5 s; **nobody who waits is told**: they
//! wait for their time-out. The housekeeper closes connections that have idled too long. A connection lives for
//! `max-lifetime` less a random share; one in use is closed when it comes back (up to 5.1 when it is borrowed next).
//!
//! Set during the run, a lower maximum closes nothing, as in HikariCP: connections go as they come to the end of their lives. A higher
//! one opens nothing until somebody begins to wait or the housekeeper comes, and a `minimum-idle` that was not written stays what
//! it was. A paused process opens and closes nothing.
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

use super::connection_adder::Adder;
use super::contract::*;
use super::hand_off::{HandOff, Idle};
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
    leaving: Vec<u32>,
    maximum: u64,
    minimum_idle: u64,
    /// As it was written.
    minimum_idle_written: Option<u64>,
    adder: Adder,
    active_max: u64,
    /// Open connections, those that leave included.
    size: Gauge,
    retired: u64,
    /// Kept if anybody asks how long a connection has idled, or when it comes to its end.
    idle: Idle,
    idle_timeout: u64,
    validation: Option<Sampler>,
    validation_purpose: u32,
    housekeeper: TimerId,
    /// When it comes next.
    house_due: u64,
    filled: bool,
    /// The timeline has set something.
    changed: bool,
    /// Its process has ended and is not back yet.
    down: bool,
    /// When its process began.
    began: u64,
    /// The replica of its process.
    home: Option<u32>,
    /// Timers that went off while the process was paused, a bit for each tag.
    late: u32,
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
            "`filled`: `minimum-idle` connections stand when the process takes its first request, opened while it started; `empty`: the housekeeper begins to open them 100 ms later",
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
    const FREEZES: bool = true;
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
        let maximum = plan.maximum_pool_size;
        let mut adder = Adder::new(&plan.adder, (seat, maximum), adder_timer, lifetime_timer, build);
        if plan.filled {
            adder.wish(plan.minimum_idle(), build.cx);
        }
        ConnectionPool {
            connections,
            leaving: Vec::new(),
            maximum,
            minimum_idle: plan.minimum_idle(),
            minimum_idle_written: plan.minimum_idle,
            idle: Idle {
                kept: plan.tracked() || adder.lives_end(build.cx),
                ..Idle::default()
            },
            adder,
            active_max: 0,
            size: Gauge::default(),
            retired: 0,
            idle_timeout: plan.idle_timeout,
            validation: plan.validation.as_ref().map(Sampler::new),
            validation_purpose: build.purpose("validation"),
            housekeeper: build.timer(HOUSEKEEPER),
            house_due: u64::MAX,
            filled: plan.filled,
            changed: false,
            down: false,
            began: 0,
            home: build.home(),
            late: 0,
            instance: build.instance,
        }
    }

    fn start(&mut self, cx: &mut Context) {
        if self.filled {
            let ready = self.minimum_idle.min(self.adder.share(cx));
            while self.size.value() < ready && self.adder.take_seat(cx) {
                self.add(cx);
            }
            match self.minimum_idle - ready {
                0 => self.fill(cx),
                missing => self.adder.begin_refused(missing, cx),
            }
        }
        self.keep_house(cx);
    }

    fn absent(&mut self, cx: &mut Context) {
        self.adder.withdraw(cx);
        self.down = true;
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        let (admission, in_use, stolen) = match &mut self.connections {
            Connections::Direct(permits) => (permits.acquire(visit, cx), permits.taken, false),
            Connections::Bag(bag) => {
                let idle = bag.idle() > 0;
                (bag.acquire(visit, cx), bag.in_use(), !idle)
            }
        };
        if admission == Admission::Wait {
            self.ask(cx);
            return admission;
        }
        self.active_max = self.active_max.max(in_use + self.leaving.len() as u64);
        if stolen {
            // Who may have taken another one's connection orders one more.
            self.ask(cx);
        } else if self.idle.kept {
            return self.borrowed(visit, cx);
        }
        admission
    }

    #[inline(always)]
    fn leave(&mut self, visit: Visit, outcome: Outcome, cx: &mut Context) {
        cx.end_transaction(visit, outcome == Outcome::Done);
        if self.idle.kept {
            return self.returned(visit, cx);
        }
        match &mut self.connections {
            Connections::Direct(permits) => permits.release(cx),
            Connections::Bag(bag) => bag.release(0, &mut self.idle, cx),
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        match &mut self.connections {
            Connections::Direct(permits) => permits.cancel(visit, cx),
            Connections::Bag(bag) => bag.cancel(visit, &mut self.idle, cx),
        }
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        match (tag, &mut self.connections) {
            (PATIENCE, Connections::Direct(permits)) => return permits.expire(cx),
            (PATIENCE, Connections::Bag(bag)) => return bag.expire(cx),
            (WAKE_UP, Connections::Bag(bag)) => {
                bag.woken(&mut self.idle, cx);
                self.active_max = self.active_max.max(self.in_use());
                return;
            }
            _ => {}
        }
        if self.home.is_some_and(|r| cx.is_paused(r)) {
            self.late |= 1 << tag;
            return;
        }
        match tag {
            ADDER => {
                let wanted = self.wants_more();
                let next = self.adder.woken(wanted, cx);
                self.came(next, cx);
            }
            LIFETIME => {
                while let Some(id) = self.adder.life_is_over(cx) {
                    self.retire(id, cx);
                }
            }
            HOUSEKEEPER if self.house_due <= cx.nanos() => {
                self.house_due = u64::MAX;
                self.close_idle(cx);
                self.fill(cx);
                self.keep_house(cx);
            }
            _ => {}
        }
    }

    fn thaw(&mut self, replica: u32, cx: &mut Context) {
        if self.home == Some(replica) {
            let late = std::mem::take(&mut self.late);
            for tag in [LIFETIME, ADDER, HOUSEKEEPER] {
                if late & 1 << tag != 0 {
                    self.wake(tag, cx);
                }
            }
        }
    }

    fn stopped(&mut self, cx: &mut Context) {
        self.down = true;
        self.late = 0;
        self.house_due = u64::MAX;
        self.adder.end(cx);
        self.close_all(cx);
    }

    fn started(&mut self, cx: &mut Context) {
        self.down = false;
        self.began = cx.nanos();
        self.start(cx);
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.changed = true;
        self.maximum = plan.maximum_pool_size;
        if self.minimum_idle_written != plan.minimum_idle {
            self.minimum_idle_written = plan.minimum_idle;
            self.minimum_idle = plan.minimum_idle();
        }
        self.idle_timeout = plan.idle_timeout;
        self.validation = plan.validation.as_ref().map(Sampler::new);
        self.adder.adopt(&plan.adder);
        if plan.tracked() || self.minimum_idle < self.maximum || self.adder.lives_end(cx) {
            self.keep_track(cx);
        }
        let patience = or_never(plan.connection_timeout);
        match &mut self.connections {
            Connections::Direct(permits) => {
                permits.patience = patience;
                permits.expire(cx);
            }
            Connections::Bag(bag) => bag.set_patience(patience, cx),
        }
        if !self.down {
            self.keep_house(cx);
        }
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
        out.ratio(
            "connections_creation_time_mean",
            Unit::Seconds,
            self.adder.creation_time as f64 * 1e-9,
            self.adder.created as f64,
        );
        if let Connections::Bag(bag) = &self.connections
            && bag.acquired > 0
        {
            let (steals, acquired) = (bag.steals as f64, bag.acquired as f64);
            out.ratio("steal_share", Unit::Share, steals, acquired);
        }
    }
}
