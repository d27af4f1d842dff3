//! A connection pool.
//!
//! ```toml
//! [connection-pool.orders-db]
//! in = "order-api"
//! to = "mysql"
//! maximum-pool-size = 20
//! connection-timeout = "5s"
//! ```

use super::contract::*;
use super::permits::Permits;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Outcome, Visit};
use crate::quantity::SimDuration;

/// As running.
pub struct ConnectionPool {
    connections: Permits,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    maximum_pool_size: u64,
    connection_timeout: SimDuration,
}

impl Component for ConnectionPool {
    const KIND: &'static str = "connection-pool";
    const ABOUT: &'static str = "connections that are held while they are used";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key("to", Form::Name, None, "the database it connects to"),
        key(
            "maximum-pool-size",
            Form::Count,
            Some("10"),
            "most connections (HikariCP `maximumPoolSize`, 10)",
        ),
        key(
            "connection-timeout",
            Form::Duration,
            Some("\"30s\""),
            "longest wait for a connection (HikariCP `connectionTimeout`, 30 s)",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let maximum_pool_size = reader.count_in("maximum-pool-size", 1..=u32::MAX as u64);
        let connection_timeout = reader.duration("connection-timeout");
        if let Some(to) = reader.name("to") {
            names.resolve(&["database"], &to, reader)?;
        }
        Some(Plan {
            maximum_pool_size: maximum_pool_size?,
            connection_timeout: connection_timeout?,
        })
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        Some(plan.maximum_pool_size as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "connections",
            patience: Some((plan.connection_timeout, "connection-timeout")),
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let timer = build.timer(0);
        let patience = plan.connection_timeout.nanos();
        ConnectionPool {
            connections: Permits::new(
                plan.maximum_pool_size,
                patience,
                Fault::AcquireTimeout,
                build.instance,
                timer,
            ),
        }
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        self.connections.acquire(visit, cx)
    }

    #[inline(always)]
    fn leave(&mut self, _: Visit, _: Outcome, cx: &mut Context) {
        self.connections.release(cx);
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        self.connections.cancel(visit, cx);
    }

    fn wake(&mut self, _: u32, cx: &mut Context) {
        self.connections.expire(cx);
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        self.connections.patience = plan.connection_timeout.nanos();
        self.connections.resize(plan.maximum_pool_size, cx);
    }
}
