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
use super::hand_off::HandOff;
use super::permits::Permits;
use crate::distribution::{Law, LawUnit, Sampler};
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Outcome, Visit};
use crate::quantity::{SimDuration, SimTime};

/// As running.
pub struct ConnectionPool {
    connections: Connections,
}

/// How a returned connection finds its next user.
enum Connections {
    /// The first in line has it at once.
    Direct(Permits),
    /// The first in line has it once it runs, unless somebody claims it before.
    Bag(HandOff),
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    maximum_pool_size: u64,
    connection_timeout: SimDuration,
    wake_up: Option<Law>,
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
            "wake-up-latency",
            Form::Law,
            None,
            "how long a waiter that was handed a connection takes to run; until then a newcomer may claim it (HikariCP's bag). Without it the hand-off is immediate and first come, first served",
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
        let wake_up = match reader.law("wake-up-latency") {
            Some(text) => {
                let what = format!("`wake-up-latency` of {}", reader.what());
                Some(read_law(&text, LawUnit::Duration, &what, names, reader.sink())?)
            }
            None => None,
        };
        if let Some(to) = reader.name("to") {
            names.resolve(&["database"], &to, reader)?;
        }
        Some(Plan {
            maximum_pool_size: maximum_pool_size?,
            connection_timeout: connection_timeout?,
            wake_up,
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
        let (patience_timer, wake_timer) = (build.timer(PATIENCE), build.timer(WAKE_UP));
        let (size, patience) = (plan.maximum_pool_size, plan.connection_timeout.nanos());
        let connections = match &plan.wake_up {
            None => Connections::Direct(Permits::new(
                size,
                patience,
                Fault::AcquireTimeout,
                build.instance,
                patience_timer,
            )),
            Some(law) => Connections::Bag(HandOff::new(
                size,
                patience,
                Sampler::new(law),
                build.purpose("wake-up"),
                build.instance,
                wake_timer,
                patience_timer,
            )),
        };
        ConnectionPool { connections }
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        match &mut self.connections {
            Connections::Direct(permits) => permits.acquire(visit, cx),
            Connections::Bag(bag) => bag.acquire(visit, cx),
        }
    }

    #[inline(always)]
    fn leave(&mut self, _: Visit, _: Outcome, cx: &mut Context) {
        match &mut self.connections {
            Connections::Direct(permits) => permits.release(cx),
            Connections::Bag(bag) => bag.release(cx),
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        match &mut self.connections {
            Connections::Direct(permits) => permits.cancel(visit, cx),
            Connections::Bag(bag) => bag.cancel(visit, cx),
        }
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        match &mut self.connections {
            Connections::Direct(permits) => permits.expire(cx),
            Connections::Bag(bag) if tag == WAKE_UP => bag.woken(cx),
            Connections::Bag(bag) => bag.expire(cx),
        }
    }

    fn adopt(&mut self, plan: &Plan, cx: &mut Context) {
        let (size, patience) = (plan.maximum_pool_size, plan.connection_timeout.nanos());
        match &mut self.connections {
            Connections::Direct(permits) => {
                permits.patience = patience;
                permits.resize(size, cx);
            }
            Connections::Bag(bag) => bag.adopt(size, patience, cx),
        }
    }

    fn reset(&mut self, _: SimTime) {
        if let Connections::Bag(bag) = &mut self.connections {
            (bag.steals, bag.acquired) = (0, 0);
        }
    }

    fn observe(&self, _: &Context, _: SimTime, out: &mut Readings) {
        if let Connections::Bag(bag) = &self.connections
            && bag.acquired > 0
        {
            let share = bag.steals as f64 / bag.acquired as f64;
            out.add("steal_share", Unit::Share, Combine::Mean, share);
        }
    }
}

const PATIENCE: u32 = 0;
const WAKE_UP: u32 = 1;
