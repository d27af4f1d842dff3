//! A station: servers and a queue, as the textbooks have it.
//!
//! ```toml
//! [station.desk]
//! servers = 2
//! discipline = "fcfs"
//! capacity = 12          # servers and places to wait; without it there is no limit
//! ```
//!
//! A step `{ use = "desk", time = "exp(1s)" }` is served there.

use super::contract::*;
use crate::document::{Form, Key, Reader, key};
use crate::kernel::{Admission, Context, Fault, Line, Outcome, TimerId, Visit};
use crate::quantity::SimDuration;

/// As running.
pub struct Station {
    servers: u32,
    busy: u32,
    places: u64,
    last_come: bool,
    line: Line,
    patience: Option<u64>,
    timer: TimerId,
    armed: bool,
    instance: u32,
}

/// As checked.
#[derive(Clone, Debug)]
pub struct Plan {
    servers: u32,
    /// Places to wait.
    places: u64,
    last_come: bool,
    patience: Option<SimDuration>,
}

impl Plan {
    /// A station without limits.
    pub fn servers(servers: u32) -> Plan {
        Plan {
            servers,
            places: u64::MAX,
            last_come: false,
            patience: None,
        }
    }
}

const DISCIPLINES: &[&str] = &["fcfs", "lcfs"];

impl Component for Station {
    const KIND: &'static str = "station";
    const ABOUT: &'static str = "servers and a queue, as the textbooks have it";
    const KEYS: &'static [Key] = &[
        key(
            "in",
            Form::Name,
            None,
            "the service it is part of: one in every replica",
        ),
        key("servers", Form::Count, Some("1"), "how many are served at once"),
        key(
            "capacity",
            Form::Count,
            None,
            "most inside, served ones included; more are rejected",
        ),
        key(
            "discipline",
            Form::Choice(DISCIPLINES),
            Some("\"fcfs\""),
            "who is served next; `lcfs` does not interrupt",
        ),
        key(
            "patience",
            Form::Duration,
            None,
            "who has waited this long leaves",
        ),
    ];
    type Plan = Plan;

    fn check(reader: &mut Reader, _: &Names) -> Option<Plan> {
        let servers = reader.count_in("servers", 1..=u32::MAX as u64);
        let capacity = reader.has("capacity").then(|| reader.count("capacity"));
        let last_come = reader.choice("discipline")? == "lcfs";
        let patience = reader.duration("patience");
        let servers = servers?;
        let places = match capacity {
            None => u64::MAX,
            Some(c) => {
                let c = c?;
                if c < servers {
                    let (span, what) = (reader.span("capacity"), reader.what().to_owned());
                    reader
                        .sink()
                        .error(
                            span,
                            "capacity-below-servers",
                            format!("{what} has room for {c} and {servers} servers"),
                        )
                        .help("`capacity` counts those in service too; give it at least `servers`");
                    return None;
                }
                c - servers
            }
        };
        Some(Plan {
            servers: servers as u32,
            places,
            last_come,
            patience,
        })
    }

    fn capacity(plan: &Plan) -> Option<f64> {
        Some(plan.servers as f64)
    }

    fn facts(plan: &Plan) -> Facts {
        Facts {
            unit: "servers",
            bounded: plan.places < u64::MAX,
            patience: plan.patience.map(|p| (p, "patience")),
            ..Facts::default()
        }
    }

    fn lower(_: &Plan, step: &UseStep, lowering: &mut Lowering, body: &mut dyn FnMut(&mut Lowering)) {
        if step.time.is_some() {
            lowering.serve(step, body);
        } else {
            lowering.visit(step, false, body);
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        Station {
            servers: plan.servers,
            busy: 0,
            places: plan.places,
            last_come: plan.last_come,
            line: Line::default(),
            patience: plan.patience.map(|p| p.nanos()),
            timer: build.timer(0),
            armed: false,
            instance: build.instance,
        }
    }

    #[inline(always)]
    fn enter(&mut self, visit: Visit, cx: &mut Context) -> Admission {
        if self.busy < self.servers {
            self.busy += 1;
            return Admission::Serve(visit.demand);
        }
        if self.line.len() as u64 >= self.places {
            return Admission::Reject(Fault::Rejected);
        }
        *cx.word(visit) = visit.demand;
        cx.begin_wait(visit);
        let first = if self.last_come { self.line.head() } else { None };
        self.line.insert_before(&mut cx.requests, first, visit.slot);
        if let Some(patience) = self.patience
            && !self.armed
        {
            self.armed = true;
            cx.arm(self.timer, cx.nanos().saturating_add(patience));
        }
        Admission::Wait
    }

    #[inline(always)]
    fn leave(&mut self, visit: Visit, _: Outcome, cx: &mut Context) {
        match self.line.pop_front(&mut cx.requests) {
            None => self.busy -= 1,
            Some(next) => {
                let demand = *cx.waiting_word(next);
                cx.admit_for(visit.instance, next, demand);
            }
        }
    }

    fn cancel(&mut self, visit: Visit, cx: &mut Context) {
        self.line.remove(&mut cx.requests, visit.slot);
        cx.abandon(visit.instance, visit.slot);
    }

    fn wake(&mut self, _: u32, cx: &mut Context) {
        self.armed = false;
        let patience = self.patience.unwrap_or(u64::MAX);
        // The one who came first stands at the end of a last-come line.
        while let Some(slot) = if self.last_come {
            self.line.tail()
        } else {
            self.line.head()
        } {
            let due = cx.requests[slot].since.saturating_add(patience);
            if due > cx.nanos() {
                self.armed = true;
                cx.arm(self.timer, due);
                return;
            }
            self.line.remove(&mut cx.requests, slot);
            cx.refuse(self.instance, slot, Fault::TimedOut);
        }
    }
}
