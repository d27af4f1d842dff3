//! Figures of the measured time.

use super::{Figure, Observations, PERCENTILES, Times, percentile};
use crate::component::{Combine, Reading, Readings, Unit};
use crate::engine::Engine;
use crate::engine::flow_meter::FlowMeter;
use crate::kernel::Fault;
use crate::metric::Histogram;
use crate::model::workload::Arrivals;
use crate::quantity::SimTime;

/// Figures of the measured time.
pub fn collect(engine: &mut Engine) -> Observations {
    let now = engine.cx.now();
    // A run that was stopped before its measurement began has only its warm-up to show.
    let warm_up = if now.nanos() > engine.options.warm_up {
        engine.options.warm_up
    } else {
        0
    };
    let since = SimTime::from_nanos(warm_up);
    let span = (now.nanos() - warm_up).max(1) as f64 * 1e-9;
    let mut out = Figures {
        list: Vec::new(),
        samples: Vec::new(),
        span,
    };
    let mut all = FlowMeter::default();
    let mut inside = 0.0;
    for (flow, meter) in engine.model.flows.iter().zip(&engine.flows) {
        let mean = meter.inside().area(now) as f64 * 1e-9 / span;
        inside += mean;
        out.flow(&format!("flow.{}", flow.name), meter, mean);
        all.merge(meter);
    }
    if engine.model.flows.len() != 1 {
        out.flow("system", &all, inside);
    }
    for (i, entry) in engine.model.components.iter().enumerate() {
        let base = engine.model.layout.bases[i] as usize;
        let instances = base..base + entry.instances as usize;
        out.component(
            engine,
            &entry.subject(),
            i,
            instances,
            engine.capacities[i].mean(warm_up, now.nanos()),
            since,
        );
    }
    for (id, seat) in &engine.model.layout.seats {
        let (entry, s) = (
            &engine.model.components[id.0 as usize],
            &engine.cx.seats[*seat as usize],
        );
        let subject = entry.subject();
        out.put(
            &subject,
            "connections_mean",
            Unit::Count,
            s.used.area(now) as f64 * 1e-9 / span,
        );
        out.put(&subject, "connections_max", Unit::Count, s.used.max() as f64);
        if s.limit < u64::MAX {
            let share = s.used.area(now) as f64 * 1e-9 / span / s.limit as f64;
            out.put(&subject, "connections_utilisation", Unit::Share, share);
        }
        out.put(
            &subject,
            "connections_refused",
            Unit::PerSecond,
            s.refused as f64 / span,
        );
    }
    for (plan, w) in engine.model.workloads.iter().zip(&engine.workloads) {
        let subject = format!("workload.{}", plan.name);
        out.put(&subject, "dropped", Unit::PerSecond, w.dropped as f64 / span);
        if plan.is_closed() || plan.users.is_some() {
            out.put(&subject, "dropped_iterations", Unit::Count, w.dropped as f64);
            out.put(
                &subject,
                "iterations",
                Unit::PerSecond,
                w.iterations as f64 / span,
            );
            out.put(&subject, "interrupted", Unit::Count, w.interrupted as f64);
            out.put(
                &subject,
                "iteration_duration_mean",
                Unit::Seconds,
                w.iteration_time.mean().unwrap_or(f64::NAN) * 1e-9,
            );
            out.put(
                &subject,
                "vus_mean",
                Unit::Count,
                // k6's `vus` are those that run an iteration, its `vus_max` those that exist.
                match plan.is_closed() {
                    true => w.users.area(now) as f64 * 1e-9 / span,
                    false => w.busy_users.area(now) as f64 * 1e-9 / span,
                },
            );
            out.put(&subject, "vus_max", Unit::Count, w.users.max() as f64);
        }
        if plan.record_limit.is_some() {
            out.put(&subject, "timeouts", Unit::Count, w.slow as f64);
            // As wrk prints it: connections that would have sent meanwhile are filled in.
            let connections = match &plan.arrivals {
                Arrivals::Users(users) => users.peak(),
                _ => 1.0,
            };
            let rounds = libm::floor((w.latency.count() + w.slow) as f64 / connections).max(1.0);
            let interval = libm::round(span * 1e9 / rounds) as u64;
            out.times(&subject, "latency", &w.latency.back_filled(interval));
        }
    }
    let visits = engine
        .model
        .components
        .iter()
        .enumerate()
        .map(|(i, e)| {
            let base = engine.model.layout.bases[i] as usize;
            (
                e.subject(),
                engine.cx.meters[base..base + e.instances as usize]
                    .iter()
                    .map(|m| m.arrivals)
                    .sum(),
            )
        })
        .collect();
    Observations {
        figures: out.list,
        samples: out.samples,
        times: std::mem::take(&mut engine.recorder.times),
        columns: std::mem::take(&mut engine.recorder.columns),
        inside: std::mem::take(&mut engine.recorder.inside),
        response: std::mem::take(&mut engine.recorder.response),
        completed: std::mem::take(&mut engine.recorder.completed),
        events: engine.cx.events,
        peak_requests: engine.cx.requests.peak(),
        request_bytes: engine.cx.requests.bytes(),
        stopped: engine.stopped,
        simulated: now.as_secs_f64(),
        visits,
    }
}

struct Figures {
    list: Vec<Figure>,
    samples: Vec<Times>,
    span: f64,
}

impl Figures {
    fn put(&mut self, subject: &str, name: &str, unit: Unit, value: f64) {
        self.list.push(Figure {
            subject: subject.into(),
            name: name.into(),
            unit,
            value,
        });
    }

    fn times(&mut self, subject: &str, what: &str, h: &Histogram) {
        self.put(
            subject,
            &format!("{what}_mean"),
            Unit::Seconds,
            h.mean().map_or(f64::NAN, |v| v * 1e-9),
        );
        for (name, p) in PERCENTILES {
            let value = percentile(h, p).unwrap_or(f64::NAN);
            self.put(subject, &format!("{what}_{name}"), Unit::Seconds, value);
        }
        self.samples.push(Times {
            subject: subject.into(),
            what: what.into(),
            histogram: h.clone(),
        });
        let max = h.max().map_or(f64::NAN, |v| v as f64 * 1e-9);
        self.put(subject, &format!("{what}_max"), Unit::Seconds, max);
    }

    fn flow(&mut self, subject: &str, m: &FlowMeter, inside: f64) {
        let per = self.span;
        let failures = m.failures();
        let ended = m.completed + failures;
        self.put(subject, "offered", Unit::PerSecond, m.started as f64 / per);
        self.put(subject, "throughput", Unit::PerSecond, m.completed as f64 / per);
        self.put(subject, "failures", Unit::PerSecond, failures as f64 / per);
        let share = if ended > 0 {
            failures as f64 / ended as f64
        } else {
            f64::NAN
        };
        self.put(subject, "failure_share", Unit::Share, share);
        for fault in Fault::ALL {
            let n = m.failed[fault as usize];
            if n > 0 {
                self.put(
                    subject,
                    &format!("failures_{}", fault.name()),
                    Unit::PerSecond,
                    n as f64 / per,
                );
            }
        }
        if m.client_timeouts > 0 {
            self.put(
                subject,
                "failures_client_timeout",
                Unit::PerSecond,
                m.client_timeouts as f64 / per,
            );
            self.put(subject, "wasted", Unit::PerSecond, m.wasted as f64 / per);
        }
        self.put(subject, "inside_mean", Unit::Count, inside);
        self.times(subject, "response_time", &m.response);
        if !m.intended.is_empty() {
            self.times(subject, "intended_response_time", &m.intended);
        }
        if m.failure_time.count() > 0 {
            self.times(subject, "failure_time", &m.failure_time);
        }
    }

    fn component(
        &mut self,
        engine: &Engine,
        subject: &str,
        times: usize,
        instances: std::ops::Range<usize>,
        capacity: Option<f64>,
        since: SimTime,
    ) {
        let (cx, now) = (&engine.cx, engine.cx.now());
        let (count, first) = (instances.len() as f64, instances.start as u32);
        let there: f64 = instances
            .clone()
            .map(|i| engine.share_of_time(i as u32, now))
            .sum();
        let (mut busiest, mut busy, mut waiting, mut present) = (0.0f64, 0.0, 0u128, 0u128);
        let (mut queue_max, mut system_max) = (0, 0);
        let mut sum = [0u64; 7];
        // The value and, of a mean, what it is to be divided by.
        let mut merged: Vec<(String, Unit, Combine, f64, f64)> = Vec::new();
        let mut own: Vec<(&'static str, Histogram)> = Vec::new();
        for i in instances {
            let m = &cx.meters[i];
            let (p, q) = (m.present.area(now), m.waiting.area(now));
            present += p;
            waiting += q;
            let mine = engine.components[i]
                .busy(now, &engine.cx)
                .unwrap_or((p - q) as f64);
            busy += mine;
            busiest = busiest.max(mine / engine.share_of_time(i as u32, now));
            queue_max = queue_max.max(m.waiting.max());
            system_max = system_max.max(m.present.max());
            let mine = [
                m.arrivals,
                m.completed,
                m.failed,
                m.rejected,
                m.timed_out,
                m.cancelled,
                m.unwaited,
            ];
            for (s, v) in sum.iter_mut().zip(mine) {
                *s += v;
            }
            let mut readings = Readings::default();
            engine.components[i].observe(cx, since, &mut readings);
            let there = || engine.share_of_time(i as u32, now);
            for Reading {
                name,
                unit,
                combine,
                value,
                of,
            } in readings.list
            {
                // An instance that saw nothing of a mean has no say in it.
                let (value, of) = match combine {
                    Combine::Mean if value.is_nan() || of.is_some_and(|of| of <= 0.0) => (0.0, 0.0),
                    Combine::Mean => (value, of.unwrap_or_else(there)),
                    Combine::Sum | Combine::Max => (value, 1.0),
                };
                match merged.iter_mut().find(|r| r.0 == name) {
                    Some(r) if combine == Combine::Max => r.3 = r.3.max(value),
                    Some(r) => (r.3, r.4) = (r.3 + value, r.4 + of),
                    None => merged.push((name, unit, combine, value, of)),
                }
            }
            for (what, times) in readings.times {
                match own.iter_mut().find(|o| o.0 == what) {
                    Some(o) => o.1.merge(&times),
                    None => own.push((what, times)),
                }
            }
        }
        let span = self.span;
        let mean = |area: u128| area as f64 * 1e-9 / span;
        let [
            arrivals,
            completed,
            failed,
            rejected,
            timed_out,
            cancelled,
            unwaited,
        ] = sum;
        if let Some(c) = capacity {
            self.put(
                subject,
                "utilisation",
                Unit::Share,
                busy * 1e-9 / self.span / (c * count),
            );
            if engine.replica_of(first).is_some() {
                // Spread over the instances that there can be, the capacity is less than one has while it exists.
                let share = busiest * 1e-9 / self.span / (c * count / there);
                self.put(subject, "busiest_replica_utilisation", Unit::Share, share);
            }
        }
        self.put(subject, "busy_mean", Unit::Count, busy * 1e-9 / self.span);
        self.put(subject, "in_queue_mean", Unit::Count, mean(waiting));
        self.put(subject, "in_queue_max", Unit::Count, queue_max as f64);
        self.put(subject, "in_system_mean", Unit::Count, mean(present));
        self.put(subject, "in_system_max", Unit::Count, system_max as f64);
        let per = self.span;
        self.put(subject, "arrivals", Unit::PerSecond, arrivals as f64 / per);
        self.put(subject, "throughput", Unit::PerSecond, completed as f64 / per);
        self.put(subject, "rejected", Unit::PerSecond, rejected as f64 / per);
        self.put(subject, "timed_out", Unit::PerSecond, timed_out as f64 / per);
        if failed > 0 {
            self.put(subject, "failed", Unit::PerSecond, failed as f64 / per);
        }
        if cancelled > 0 {
            self.put(subject, "cancelled", Unit::PerSecond, cancelled as f64 / per);
        }
        let t = &cx.times[times];
        let mut wait = t.wait.clone();
        wait.record_n(0, unwaited);
        self.times(subject, "waiting_time", &wait);
        self.times(subject, "visit_time", &t.visit);
        for (name, unit, combine, value, of) in merged {
            let value = if combine == Combine::Mean {
                value / of
            } else {
                value
            };
            self.put(subject, &name, unit, value);
        }
        for (what, times) in own {
            self.times(subject, what, &times);
        }
    }
}
