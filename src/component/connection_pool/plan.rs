//! What is written of a pool, as checked.

use super::super::connection_adder::AdderPlan;
use super::super::contract::*;
use crate::distribution::{Law, LawUnit};
use crate::document::Reader;
use crate::quantity::SimDuration;

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub maximum_pool_size: u64,
    pub connection_timeout: SimDuration,
    /// The database whose connections these are.
    pub to: Option<ComponentId>,
    /// As written.
    pub(super) minimum_idle: Option<u64>,
    pub(super) adder: AdderPlan,
    /// Nanoseconds.
    pub(super) idle_timeout: u64,
    pub(super) validation: Option<Law>,
    pub(super) filled: bool,
    pub(super) wake_up: Option<Law>,
}

/// More connections than this in one pool are refused: the life of each is followed.
const MOST: u64 = 1_000_000;

/// HikariCP: its setter throws below this.
const LEAST_TIMEOUT: u64 = 250_000_000;
/// HikariCP: a shorter lifetime becomes the default of 30 min.
const LEAST_LIFETIME: u64 = 30_000_000_000;
/// HikariCP: a shorter idle time becomes the default of 10 min.
const LEAST_IDLE: u64 = 10_000_000_000;
const SECOND: u64 = 1_000_000_000;

impl Plan {
    /// Whether anybody asks how long a connection has idled.
    pub(super) fn tracked(&self) -> bool {
        self.validation.is_some() || self.minimum_idle() < self.maximum_pool_size
    }

    /// As HikariCP takes it at the start.
    pub(super) fn minimum_idle(&self) -> u64 {
        let most = self.maximum_pool_size;
        self.minimum_idle.unwrap_or(most).min(most)
    }
}

/// Reads the table.
pub(super) fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
    let maximum = reader.count_in("maximum-pool-size", 1..=MOST);
    let minimum_idle = match reader.has("minimum-idle") {
        true => reader.count_in("minimum-idle", 0..=MOST).map(Some),
        false => Some(None),
    };
    let timeout = check_timeout(reader);
    let connect = law(reader, "connect-time", names);
    let filled = reader.choice("initially").map(|c| c == "filled");
    let idle_timeout = reader.duration("idle-timeout").map(or_never);
    let lifetime = reader.duration("max-lifetime").map(or_never);
    let variance = reader.share("max-lifetime-variance").map(|s| s.0);
    let validation = law(reader, "validation-time", names);
    let wake_up = law(reader, "wake-up-latency", names);
    let to = match reader.name("to") {
        Some(to) => Some(names.resolve(&["database"], &to, reader)?),
        None => None,
    };
    let plan = Plan {
        maximum_pool_size: maximum?,
        connection_timeout: timeout?,
        to,
        minimum_idle: minimum_idle?,
        adder: AdderPlan {
            connect: connect??,
            lifetime: lifetime?,
            variance: variance?,
        },
        idle_timeout: idle_timeout?,
        validation: validation?,
        filled: filled?,
        wake_up: wake_up?,
    };
    warn(&plan, reader);
    Some(plan)
}

/// What HikariCP would not take as it is written (`HikariConfig.validateNumerics`, the same in 2.7.9 and 6.0).
fn warn(plan: &Plan, reader: &mut Reader) {
    let (lifetime, idle) = (plan.adder.lifetime, plan.idle_timeout);
    if lifetime < LEAST_LIFETIME {
        let instead = "it takes 30 min instead of a max-lifetime below 30 s; the model takes what is written";
        replaced("max-lifetime", instead, reader);
    }
    if plan.minimum_idle.is_some_and(|n| n > plan.maximum_pool_size) {
        let instead = "it takes `maximum-pool-size` instead, and so does the model";
        replaced("minimum-idle", instead, reader);
    }
    // A pool of fixed size closes nothing that idles.
    if plan.minimum_idle() == plan.maximum_pool_size || idle == u64::MAX || !reader.has("idle-timeout") {
        return;
    }
    if lifetime != u64::MAX && idle.saturating_add(SECOND) > lifetime {
        let instead = "it closes no idle connection unless idle-timeout is at least 1 s below max-lifetime; the model takes what is written";
        replaced("idle-timeout", instead, reader);
    } else if idle < LEAST_IDLE {
        let instead =
            "it takes 10 min instead of an idle-timeout below 10 s; the model takes what is written";
        replaced("idle-timeout", instead, reader);
    }
}

fn replaced(key: &str, instead: &str, reader: &mut Reader) {
    let (span, what) = (reader.key_span(key), reader.what().to_owned());
    let message = format!("{what}: HikariCP does not take this `{key}`");
    reader
        .sink()
        .warning(span, "replaced-at-start", message)
        .help(instead);
}

/// Zero stands for "never".
pub(super) fn or_never(d: SimDuration) -> u64 {
    match d.nanos() {
        0 => u64::MAX,
        n => n,
    }
}

fn check_timeout(reader: &mut Reader) -> Option<SimDuration> {
    let timeout = reader.duration("connection-timeout")?;
    if timeout.nanos() != 0 && timeout.nanos() < LEAST_TIMEOUT {
        let (span, what) = (reader.span("connection-timeout"), reader.what().to_owned());
        reader
            .sink()
            .warning(
                span,
                "below-least",
                format!("{what} has a connection-timeout of {timeout}"),
            )
            .help("HikariCP refuses anything below 250 ms but 0; the model takes what is written");
    }
    Some(timeout)
}

/// A law of durations; the outer `None` if it is wrong, the inner one if there is none.
pub(in crate::component) fn law(reader: &mut Reader, name: &str, names: &Names) -> Option<Option<Law>> {
    match reader.law(name) {
        None => Some(None),
        Some(text) => {
            let what = format!("`{name}` of {}", reader.what());
            read_law(&text, LawUnit::Duration, &what, names, reader.sink()).map(Some)
        }
    }
}
