//! A service: a process that runs in one or more replicas, on a host they share or on one each.
//!
//! ```toml
//! [service.order-api]
//! host = "vps"          # all replicas share it; { cores = 2 } gives each its own
//! replicas = 3
//! ```

use super::contract::*;
use crate::document::{Form, Key, Reader, Value, key};
use crate::kernel::{Admission, Context, Visit};
use crate::quantity::SimDuration;

/// What the kind is called.
pub struct Service;

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub replicas: u32,
    pub start_up: SimDuration,
    /// The shared host, if it names one.
    pub host: Option<ComponentId>,
    /// Cores of a host of each replica's own.
    pub own_cores: bool,
}

impl Plan {
    /// Stands in for a component whose table could not be read, so that the rest can be checked.
    pub fn none() -> Plan {
        Plan {
            replicas: 1,
            start_up: SimDuration::ZERO,
            host: None,
            own_cores: false,
        }
    }
}

/// More replicas than this are refused: each has its own state.
pub const MOST_REPLICAS: u64 = 1_000_000;

impl Component for Service {
    const KIND: &'static str = "service";
    const ABOUT: &'static str = "a process: where it runs and in how many replicas";
    const KEYS: &'static [Key] = &[
        key(
            "host",
            Form::Value,
            None,
            "a host's name: all replicas share it; or a host's table, `{ cores = 2 }`: each replica has its own",
        ),
        key("replicas", Form::Count, Some("1"), "processes that run it"),
        key(
            "start-up-time",
            Form::Duration,
            Some("\"0s\""),
            "from a restart until it takes requests",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        let replicas = reader.count_in("replicas", 1..=MOST_REPLICAS);
        let start_up = reader.duration("start-up-time");
        let mut host = None;
        let mut own_cores = false;
        match reader.item("host").map(|i| (&i.value, i.span.clone())) {
            None => {}
            Some((Value::String(name), span)) => {
                let name = crate::document::Spanned {
                    value: name.clone(),
                    span,
                };
                host = Some(names.resolve(&["host"], &name, reader)?);
            }
            Some((Value::Table(_), _)) => own_cores = true,
            Some((_, span)) => {
                reader
                    .sink()
                    .error(span, "wrong-type", "`host` is a host's name or a host's table")
                    .help(
                        "write `host = \"vps\"` for a shared one, `host = { cores = 2 }` for one a replica",
                    );
                return None;
            }
        }
        Some(Plan {
            replicas: replicas? as u32,
            start_up: start_up?,
            host,
            own_cores,
        })
    }

    fn accepts(_: &Plan, _: Usage) -> Result<(), String> {
        Err("a service is reached by `call`, not by `use`".into())
    }

    fn build(_: &Plan, _: &mut Build) -> Self {
        Service
    }

    fn enter(&mut self, _: Visit, _: &mut Context) -> Admission {
        Admission::Proceed
    }
}
