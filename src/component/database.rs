//! A database server: cores of its own or a host's, and a limited number of connections.
//!
//! ```toml
//! [database.mysql]
//! product = "mysql"
//! cores = 4                # its own; or host = "db-box" to share one
//! max-connections = 151
//! parallelism = 32
//! ```
//!
//! A step `{ query = "mysql", time = "lognormal(150ms, cv 0.5)", cpu = "2ms" }` runs there: `time` passes at the server
//! (disk, round trips), `cpu` is a demand on its cores, which share the processor among all running statements. No more
//! than `parallelism` statements run at once; the others wait in order.
//!
//! Connections are taken by the connection pools that point here with `to`, all of them together. A query outside
//! any pool opens a connection of its own for as long as it runs. Beyond `max-connections` the server refuses at once,
//! there is no queue: a direct query fails with `too_many_connections`, a pool's adder tries again later while borrowers wait.
//!
//! A statement that is not done after `statement-timeout` is cancelled, its wait at the server included (a wait for a row is that of
//! a `lock`, and ends after its `wait-timeout`): it fails with `timed_out`
//! and leaves its place and its core at once. JDBC's `setQueryTimeout` does the same from outside. A statement whose caller has left,
//! as by a socket time-out, runs on.
//!
//! Readings: `connections_mean` and `_max` (MySQL `Threads_connected`), `connections_refused` a second (MySQL
//! `Connection_errors_max_connections`), `statement_timeouts` a second; `busy_mean` is `Threads_running`. Cores of its own are the host of the same name.

use super::contract::*;
use super::permits::Permits;
use super::statement_timer::{BELOW, StatementTimer};
use crate::distribution::Law;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::request::{State, pack_replica, unpack_replica};
use crate::kernel::{Admission, Context, Effect, Fault, NONE, Outcome, Visit};
use crate::quantity::{SimDuration, SimTime};

/// As running.
pub struct Database {
    statements: Permits,
    seat: Option<u32>,
    timer: StatementTimer,
    /// Statements that were cancelled.
    timeouts: u64,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    parallelism: u64,
    max_connections: u64,
    /// Nanoseconds; `u64::MAX` for ever.
    statement_timeout: u64,
    pub host: Option<ComponentId>,
    /// It has cores of its own: the host of its name.
    pub own_cores: bool,
}

const PRODUCTS: &[&str] = &["mysql", "postgresql"];

// In a visit's word: whether it has a connection of its own; above it the replica of its caller.
const CONNECTED: u64 = 1;
const HOME_BITS: u32 = BELOW - 1;

/// The replica from which a statement was sent, by its visit's word; `NONE` for none.
pub fn caller(word: u64) -> u32 {
    unpack_replica(word >> 1, HOME_BITS)
}

/// The demand by which a query outside any pool is known: it brings its own connection.
const DIRECT: f64 = 1e-9;

impl Component for Database {
    const KIND: &'static str = "database";
    const ABOUT: &'static str = "a database server that runs queries";
    const KEYS: &'static [Key] = &[
        key(
            "product",
            Form::Choice(PRODUCTS),
            Some("\"mysql\""),
            "whose defaults it has",
        ),
        key(
            "host",
            Form::Name,
            None,
            "the host whose cores its `cpu` demands share",
        ),
        key(
            "cores",
            Form::Number,
            None,
            "cores of its own, shared by all running statements; instead of `host`",
        ),
        key(
            "parallelism",
            Form::Count,
            None,
            "statements that run at once; without it there is no limit (InnoDB `innodb_thread_concurrency`, 0)",
        ),
        key(
            "max-connections",
            Form::Count,
            None,
            "connections the server accepts from applications (MySQL `max_connections`, 151; PostgreSQL 97: 100 less 3 for superusers)",
        ),
        key(
            "statement-timeout",
            Form::Duration,
            None,
            "the server cancels a statement after this; without it never (PostgreSQL `statement_timeout`, MySQL `max_execution_time`)",
        ),
    ];
    const HEARS: bool = false;
    const SETTABLE: &'static [&'static str] = &["max-connections", "parallelism", "statement-timeout"];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let parallelism = if reader.has("parallelism") {
            reader.count_in("parallelism", 1..=u32::MAX as u64)
        } else {
            Some(u64::MAX)
        };
        let product = reader.choice("product");
        let max_connections = if reader.has("max-connections") {
            reader.count_in("max-connections", 1..=u32::MAX as u64)
        } else {
            product.map(|p| if p == "postgresql" { 97 } else { 151 })
        };
        let statement_timeout = match reader.has("statement-timeout") {
            true => reader.positive_duration("statement-timeout").map(|d| d.nanos()),
            false => Some(u64::MAX),
        };
        let own_cores = reader.has("cores");
        if own_cores && reader.has("host") {
            let (span, what) = (reader.key_span("cores"), reader.what().to_owned());
            reader
                .sink()
                .error(
                    span,
                    "does-not-apply",
                    format!("{what} has cores of its own and a host"),
                )
                .help("`cores` for a machine of its own, `host` for one it shares; leave one out");
            return None;
        }
        let host = match reader.name("host") {
            Some(name) => Some(names.resolve(&["host"], &name, reader)?),
            None => None,
        };
        Some(Plan {
            parallelism: parallelism?,
            max_connections: max_connections?,
            statement_timeout: statement_timeout?,
            host,
            own_cores,
        })
    }

    fn seats(plan: &Plan) -> Option<u64> {
        Some(plan.max_connections)
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        (plan.parallelism != u64::MAX).then_some(plan.parallelism as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        let limit = (plan.statement_timeout != u64::MAX).then_some(plan.statement_timeout);
        Facts {
            unit: "statements",
            patience: limit.map(|t| (SimDuration::from_nanos(t), "statement-timeout")),
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let timer = build.timer(0);
        Database {
            statements: Permits::new(plan.parallelism, u64::MAX, Fault::TimedOut, build.instance, timer),
            timer: StatementTimer::new(plan.statement_timeout, timer),
            seat: build.layout.seats.get(&build.id).copied(),
            timeouts: 0,
        }
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        if visit.demand > 0 {
            let now = cx.now();
            if let Some(seat) = self.seat
                && !cx.seats[seat as usize].take(now)
            {
                return Admission::Reject(Fault::TooManyConnections);
            }
            *cx.word(visit) = CONNECTED;
        }
        // What is done is done by the server, whatever becomes of the caller's process meanwhile.
        let home = std::mem::replace(&mut cx.requests[visit.slot].home, NONE);
        *cx.word(visit) |= pack_replica(home, HOME_BITS) << 1;
        if self.timer.after != u64::MAX {
            self.timer.begin(visit, cx);
        }
        self.statements.acquire(visit, cx)
    }

    #[inline(always)]
    fn leave(&mut self, visit: Visit, _: Outcome, cx: &mut Context) {
        self.let_go(visit, cx);
        self.statements.release(cx);
    }

    fn wake(&mut self, _: u32, cx: &mut Context) {
        let Some((slot, frame)) = self.timer.next(cx) else {
            return;
        };
        self.timeouts += 1;
        let r = &cx.requests[slot];
        if r.state == State::Waiting && r.ticket == frame {
            let visit = cx.waiting_visit(self.statements.instance(), slot);
            self.let_go(visit, cx);
            return self.statements.turn_away(slot, cx);
        }
        cx.leave_effect(Effect::Expire {
            slot,
            frame,
            fault: Fault::TimedOut,
        });
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        self.let_go(visit, cx);
        self.statements.cancel(visit, cx);
    }

    fn reset(&mut self, _: SimTime) {
        self.timeouts = 0;
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        if self.timer.after != u64::MAX {
            let span = (cx.now() - since).as_secs_f64().max(1e-9);
            let each = self.timeouts as f64 / span;
            out.add("statement_timeouts", Unit::PerSecond, Combine::Sum, each);
        }
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.statements.resize(plan.parallelism, cx);
        self.timer.after = plan.statement_timeout;
    }
}

impl Database {
    /// Nothing is left of a statement at the server: its caller has it back.
    #[inline(always)]
    fn let_go(&mut self, visit: Visit, cx: &mut Context) {
        let word = std::mem::take(cx.word(visit));
        cx.come_home(visit.slot, caller(word));
        if word & CONNECTED != 0
            && let Some(seat) = self.seat
        {
            let now = cx.now();
            cx.seats[seat as usize].give(now);
        }
        self.timer.end(word);
    }
}

/// Compiles a query; `direct` says that it runs outside any pool and brings its own connection.
pub fn lower_query(
    step: &UseStep,
    direct: bool,
    lowering: &mut Lowering,
    body: &mut dyn FnMut(&mut Lowering),
) {
    let mark = direct.then_some(Law::Constant { value: DIRECT });
    let site = lowering.site(format!("{}/enter", step.path), mark);
    lowering
        .asm
        .enter(step.place.base, step.place.sel, site, false, step.name.clone());
    if let Some(law) = &step.time {
        let hold = lowering.site(step.path.clone(), Some(law.clone()));
        lowering.asm.hold(hold, describe(law));
    }
    body(lowering);
    lowering.asm.leave(step.name.clone());
}
