//! What the timeline does to a run, and what a component can do over time.

use super::Engine;
use crate::component::ComponentId;
use crate::kernel::{Context, Effect};
use crate::model::Change;

/// What one instance of a component can do, over time: the timeline may change it.
#[derive(Clone, Copy)]
pub struct Capacity {
    /// As planned.
    each: Option<f64>,
    /// How many instances there are, of so many that there can be.
    present: u32,
    of: u32,
    /// Capacity times nanoseconds from the begin of measurement to `since`.
    area: f64,
    since: u64,
}

impl Capacity {
    pub fn new(each: Option<f64>, instances: u32) -> Self {
        Capacity {
            each,
            present: instances,
            of: instances,
            area: 0.0,
            since: 0,
        }
    }

    /// Spread over all instances that there can be.
    pub fn now(&self) -> Option<f64> {
        match self.present == self.of {
            true => self.each,
            false => self
                .each
                .map(|each| each * f64::from(self.present) / f64::from(self.of)),
        }
    }

    pub fn adopt(&mut self, at: u64, each: Option<f64>) {
        self.note(at);
        self.each = each;
    }

    /// One instance more, or one less.
    pub fn count(&mut self, at: u64, more: bool) {
        self.note(at);
        self.present = match more {
            true => self.present + 1,
            false => self.present - 1,
        };
    }

    pub fn reset(&mut self, now: u64) {
        (self.area, self.since) = (0.0, now);
    }

    fn note(&mut self, at: u64) {
        self.area += self.now().unwrap_or(0.0) * (at - self.since) as f64;
        self.since = at;
    }

    /// The mean from `from`, the begin of measurement, to `to`.
    pub fn mean(mut self, from: u64, to: u64) -> Option<f64> {
        let now = self.now()?;
        if self.area == 0.0 && self.since <= from {
            return Some(now);
        }
        self.note(to);
        Some(self.area / (to - from).max(1) as f64)
    }
}

impl Engine<'_> {
    pub(super) fn happen(&mut self, index: usize) {
        let happening = &self.model.timeline[index];
        match &happening.what {
            Change::Adopt { component, plan } => {
                if let Some(seat) = self.model.layout.seats.get(component) {
                    self.cx.seats[*seat as usize].limit = plan.seats().unwrap_or(u64::MAX);
                }
                let now = self.cx.nanos();
                let capacity = &mut self.capacities[component.0 as usize];
                capacity.adopt(now, plan.capacity());
                self.recorder.set_capacity(*component, now, capacity.now());
                let base = self.model.layout.bases[component.0 as usize];
                for i in base..base + self.model.layout.instances(*component) {
                    self.components[i as usize].adopt(plan, &mut self.cx);
                }
            }
            Change::Stop {
                service,
                replica,
                until,
                restarts,
            } => self.each_replica(*service, *replica, |cx, r| {
                let replica = &mut cx.replicas[r as usize];
                replica.restarts = *restarts;
                let down = &mut replica.down_until;
                *down = match *restarts && *down == u64::MAX {
                    true => *until,
                    false => (*down).max(*until),
                };
                cx.leave_effect(Effect::Stop(r));
            }),
            Change::Start {
                service,
                replica,
                asked,
            } => self.each_replica(*service, *replica, |cx, r| {
                let replica = &cx.replicas[r as usize];
                // Outages take their union, unless somebody starts it by hand; a restart begins when the old process has ended.
                let waits = replica.restarts && replica.is_draining();
                if *asked || replica.down_until <= cx.nanos() && !waits {
                    cx.leave_effect(Effect::Start(r));
                }
            }),
            Change::Freeze {
                service,
                replica,
                until,
            } => self.each_replica(*service, *replica, |cx, r| cx.pause(r, *until)),
            Change::Thaw { service, replica } => {
                self.each_replica(*service, *replica, |cx, r| cx.end_pause(r, cx.nanos()))
            }
        }
    }

    fn each_replica(&mut self, service: ComponentId, replica: Option<u32>, act: impl Fn(&mut Context, u32)) {
        let Some(first) = self.model.layout.first_replica.get(&service).copied() else {
            return;
        };
        let count = self.model.layout.service_replicas(service);
        for r in 0..count {
            if replica.is_none_or(|only| only == r) {
                act(&mut self.cx, first + r);
            }
        }
    }
}
