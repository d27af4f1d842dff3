//! A database server: cores of its own or a host's, and a limited number of connections.
//!
//! ```toml
//! [database.mysql]
//! cores = 4
//! max-connections = 151
//! ```
//!
//! Steps `{ query = "mysql", time = "lognormal(150ms, cv 0.5)" }` run there.

use super::contract::*;
use super::permits::Permits;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Outcome, Visit};

/// As running.
pub struct Database {
    statements: Permits,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    parallelism: u64,
    max_connections: u64,
    pub host: Option<ComponentId>,
}

impl Component for Database {
    const KIND: &'static str = "database";
    const ABOUT: &'static str = "a database server that runs queries";
    const KEYS: &'static [Key] = &[
        key(
            "host",
            Form::Name,
            None,
            "the host whose cores its `cpu` demands share",
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
            Some("151"),
            "connections the server accepts (MySQL `max_connections`, 151; PostgreSQL 100)",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let parallelism = if reader.has("parallelism") {
            reader.count_in("parallelism", 1..=u32::MAX as u64)
        } else {
            Some(u64::MAX)
        };
        let max_connections = reader.count_in("max-connections", 1..=u32::MAX as u64);
        let host = match reader.name("host") {
            Some(name) => Some(names.resolve(&["host"], &name, reader)?),
            None => None,
        };
        Some(Plan {
            parallelism: parallelism?,
            max_connections: max_connections?,
            host,
        })
    }

    fn seats(plan: &Plan) -> Option<u64> {
        Some(plan.max_connections)
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        (plan.parallelism != u64::MAX).then_some(plan.parallelism as f64)
    }

    fn facts(_: &Plan) -> Facts {
        Facts {
            unit: "statements",
            ..Facts::default()
        }
    }

    fn lower(_: &Plan, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
        lowering.visit(step, false, body);
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let timer = build.timer(0);
        Database {
            statements: Permits::new(plan.parallelism, u64::MAX, Fault::Rejected, build.instance, timer),
        }
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        self.statements.acquire(visit, cx)
    }

    #[inline(always)]
    fn leave(&mut self, _: Visit, _: Outcome, cx: &mut Context) {
        self.statements.release(cx);
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        self.statements.cancel(visit, cx);
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.statements.resize(plan.parallelism, cx);
    }
}
