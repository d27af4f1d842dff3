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
    pub(super) minimum_idle: u64,
    pub(super) adder: AdderPlan,
    /// Nanoseconds.
    pub(super) idle_timeout: u64,
    pub(super) validation: Option<Law>,
    pub(super) filled: bool,
    pub(super) wake_up: Option<Law>,
}

/// More connections than this in one pool are refused: the life of each is followed.
const MOST: u64 = 1_000_000;

/// HikariCP: a time-out below this becomes the default of 30 s.
const LEAST_TIMEOUT: u64 = 250_000_000;

impl Plan {
    /// Whether anybody asks how long a connection has idled.
    pub(super) fn tracked(&self) -> bool {
        self.validation.is_some() || self.minimum_idle < self.maximum_pool_size
    }
}

/// Reads the table.
pub(super) fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
    let maximum = reader.count_in("maximum-pool-size", 1..=MOST);
    let minimum_idle = match reader.has("minimum-idle") {
        true => reader.count_in("minimum-idle", 0..=MOST),
        false => maximum,
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
    let maximum = maximum?;
    Some(Plan {
        maximum_pool_size: maximum,
        connection_timeout: timeout?,
        to,
        minimum_idle: minimum_idle?.min(maximum),
        adder: AdderPlan {
            connect: connect??,
            lifetime: lifetime?,
            variance: variance?,
        },
        idle_timeout: idle_timeout?,
        validation: validation?,
        filled: filled?,
        wake_up: wake_up?,
    })
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
            .help("HikariCP takes 30 s instead of anything below 250 ms; the model takes what is written");
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
