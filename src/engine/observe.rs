//! What a replication saw: figures over the measured time, and the run over time.

use super::flow_meter::FlowMeter;
use super::{Broken, Engine, Options, Stopped, Workload};
use crate::component::{Combine, Instance, KINDS, Readings, Unit};
use crate::kernel::{Context, Fault, TimerId, TimerOwner, rank};
use crate::metric::Histogram;
use crate::model::Model;
use crate::model::workload::Arrivals;
use crate::quantity::SimTime;

/// One figure of one replication. NaN stands for "not observed".
#[derive(Clone, Debug)]
pub struct Figure {
    pub subject: String,
    pub name: String,
    pub unit: Unit,
    pub value: f64,
}

/// The times behind percentiles, so that several replications can be looked at as one sample.
#[derive(Clone, Debug)]
pub struct Times {
    pub subject: String,
    /// The figures' names without their ends: `response_time`.
    pub what: String,
    pub histogram: Histogram,
}

/// The ends of percentiles' names, and their probabilities.
pub const PERCENTILES: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99_9", 0.999),
];

/// A percentile in seconds, if there are observations beyond it.
pub fn percentile(h: &Histogram, p: f64) -> Option<f64> {
    let enough = h.count() as f64 * (1.0 - p) >= 1.0 || p == 0.5 && h.count() > 0;
    h.quantile(p).filter(|_| enough).map(|v| v * 1e-9)
}

/// A figure over time, one value a window.
#[derive(Clone, Debug)]
pub struct Column {
    pub subject: String,
    pub name: String,
    pub unit: Unit,
    pub values: Vec<f64>,
}

/// What one replication saw.
#[derive(Clone, Debug)]
pub struct Observations {
    pub figures: Vec<Figure>,
    pub samples: Vec<Times>,
    /// Ends of the windows, seconds.
    pub times: Vec<f64>,
    pub columns: Vec<Column>,
    /// Mean number of requests inside and of what nobody waits for ([`Context::backlog`]), window by window: the series that
    /// shows growth and warm-up.
    pub inside: Vec<f64>,
    /// Mean response time of the requests that ended in each window, seconds; NaN where none did.
    pub response: Vec<f64>,
    /// Requests completed a second in each window, as flows count them.
    pub completed: Vec<f64>,
    pub events: u64,
    /// Most requests in flight at once, and the bytes they took.
    pub peak_requests: usize,
    pub request_bytes: usize,
    pub stopped: Option<Stopped>,
    /// Simulated seconds.
    pub simulated: f64,
    /// Events handled by each component's own timers and visits, for `--profile`.
    pub visits: Vec<(String, u64)>,
}

impl Observations {
    /// The value of a figure, if it was observed.
    pub fn figure(&self, subject: &str, name: &str) -> Option<f64> {
        self.figures
            .iter()
            .find(|f| f.subject == subject && f.name == name)
            .map(|f| f.value)
            .filter(|v| !v.is_nan())
    }
}

/// Takes note window by window.
pub struct Recorder {
    width: u64,
    last: u64,
    timer: TimerId,
    warm_up: Option<(TimerId, u64)>,
    times: Vec<f64>,
    columns: Vec<Column>,
    inside: Vec<f64>,
    response: Vec<f64>,
    completed: Vec<f64>,
    flows: Vec<FlowWas>,
    backlog: u128,
    components: Vec<ComponentWas>,
    layout: Vec<(u32, u32, f64)>,
    /// How the series of each component's own are put together from those of its replicas.
    combines: Vec<Vec<Combine>>,
    probe_buffer: Vec<f64>,
}

#[derive(Clone, Default)]
struct FlowWas {
    started: u64,
    completed: u64,
    failed: u64,
    area: u128,
    response: Histogram,
}

#[derive(Clone, Default)]
struct ComponentWas {
    busy: f64,
    waiting: u128,
    present: u128,
}

const FLOW_COLUMNS: [(&str, Unit); 6] = [
    ("offered", Unit::PerSecond),
    ("throughput", Unit::PerSecond),
    ("failures", Unit::PerSecond),
    ("inside", Unit::Count),
    ("response_time_p50", Unit::Seconds),
    ("response_time_p95", Unit::Seconds),
];
const COMPONENT_COLUMNS: [(&str, Unit); 3] = [
    ("utilisation", Unit::Share),
    ("in_queue", Unit::Count),
    ("in_system", Unit::Count),
];

impl Recorder {
    pub fn new(model: &Model, options: &Options, cx: &mut Context) -> Self {
        let timer = cx.timer(TimerOwner::Observer);
        let warm_up = (options.warm_up > 0).then(|| (cx.timer(TimerOwner::WarmUp), options.warm_up));
        let mut columns = Vec::new();
        let mut column = |subject: &str, name: &str, unit| {
            columns.push(Column {
                subject: subject.into(),
                name: name.into(),
                unit,
                values: Vec::new(),
            });
        };
        for flow in &model.flows {
            for (name, unit) in FLOW_COLUMNS {
                column(&format!("flow.{}", flow.name), name, unit);
            }
        }
        let (mut layout, mut combines) = (Vec::new(), Vec::new());
        for (i, entry) in model.components.iter().enumerate() {
            for (name, unit) in COMPONENT_COLUMNS {
                column(&entry.subject(), name, unit);
            }
            let probes = KINDS
                .iter()
                .find(|k| k.name == entry.kind)
                .map_or(&[][..], |k| k.probes);
            for (name, unit, _) in probes {
                column(&entry.subject(), name, *unit);
            }
            combines.push(probes.iter().map(|p| p.2).collect());
            let capacity = entry.plan.capacity().unwrap_or(f64::NAN);
            layout.push((model.layout.bases[i], entry.instances, capacity));
        }
        let width = (options.duration / options.windows.max(1) as u64).max(1);
        Recorder {
            width,
            last: 0,
            timer,
            warm_up,
            times: Vec::new(),
            columns,
            inside: Vec::new(),
            response: Vec::new(),
            completed: Vec::new(),
            flows: vec![FlowWas::default(); model.flows.len()],
            backlog: 0,
            components: vec![ComponentWas::default(); model.components.len()],
            layout,
            combines,
            probe_buffer: Vec::new(),
        }
    }

    pub fn start(&mut self, cx: &mut Context) {
        cx.arm_ranked(self.timer, self.width, rank::OBSERVE);
        if let Some((timer, at)) = self.warm_up {
            cx.arm_ranked(timer, at, rank::OBSERVE);
        }
    }

    pub fn arm(&mut self, cx: &mut Context, timer: TimerId) {
        cx.arm_ranked(timer, cx.nanos() + self.width, rank::OBSERVE);
    }

    /// Whether a window ends at this instant.
    pub fn is_due(&self, now: SimTime) -> bool {
        now.nanos() == self.last + self.width
    }

    /// Whether time has passed since the last window ended.
    pub fn is_open(&self, now: SimTime) -> bool {
        now.nanos() > self.last
    }

    /// Another capacity; the window in which it changes is judged by the new one.
    pub fn set_capacity(&mut self, component: crate::component::ComponentId, capacity: Option<f64>) {
        self.layout[component.0 as usize].2 = capacity.unwrap_or(f64::NAN);
    }

    /// The measurement begins in the middle of a window: counters are about to go back to zero, so what the window has
    /// seen already is carried as a debt. Differences are taken modulo 2^64 and 2^128.
    pub fn rebase(&mut self, now: SimTime, cx: &Context, components: &[Instance], flows: &[FlowMeter]) {
        for (flow, was) in flows.iter().zip(&mut self.flows) {
            *was = FlowWas {
                started: was.started.wrapping_sub(flow.started),
                completed: was.completed.wrapping_sub(flow.completed),
                failed: was.failed.wrapping_sub(flow.failures()),
                area: was.area.wrapping_sub(flow.inside().area(now)),
                response: Histogram::default(),
            };
        }
        self.backlog = self.backlog.wrapping_sub(cx.backlog(now));
        for (was, &(base, count, _)) in self.components.iter_mut().zip(&self.layout) {
            for i in base..base + count {
                let m = &cx.meters[i as usize];
                let (p, q) = (m.present.area(now), m.waiting.area(now));
                was.present = was.present.wrapping_sub(p);
                was.waiting = was.waiting.wrapping_sub(q);
                was.busy -= components[i as usize].busy(now, cx).unwrap_or((p - q) as f64);
            }
        }
    }

    /// Notes what happened in the window that ends now.
    pub fn window(
        &mut self,
        now: SimTime,
        cx: &Context,
        components: &[Instance],
        flows: &mut [FlowMeter],
        _workloads: &[Workload],
    ) {
        let span = (now.nanos() - self.last) as f64;
        self.last = now.nanos();
        self.times.push(now.as_secs_f64());
        let (mut c, mut inside, mut sum, mut count, mut completed) = (0, 0.0, 0.0, 0u64, 0.0);
        let mut put = |columns: &mut Vec<Column>, value: f64| {
            columns[c].values.push(value);
            c += 1;
        };
        for (flow, was) in flows.iter().zip(&mut self.flows) {
            let seconds = span * 1e-9;
            let area = flow.inside().area(now);
            let here = area.wrapping_sub(was.area) as f64 / span;
            inside += here;
            let failed = flow.failures();
            let window = flow.response.diff(&was.response);
            sum += window.sum() as f64 * 1e-9;
            count += window.count();
            put(
                &mut self.columns,
                flow.started.wrapping_sub(was.started) as f64 / seconds,
            );
            let carried = flow.completed.wrapping_sub(was.completed) as f64 / seconds;
            completed += carried;
            put(&mut self.columns, carried);
            put(
                &mut self.columns,
                failed.wrapping_sub(was.failed) as f64 / seconds,
            );
            put(&mut self.columns, here);
            put(
                &mut self.columns,
                window.quantile(0.5).map_or(f64::NAN, |v| v * 1e-9),
            );
            put(
                &mut self.columns,
                window.quantile(0.95).map_or(f64::NAN, |v| v * 1e-9),
            );
            *was = FlowWas {
                started: flow.started,
                completed: flow.completed,
                failed,
                area,
                response: flow.response.clone(),
            };
        }
        let backlog = cx.backlog(now);
        inside += backlog.wrapping_sub(self.backlog) as f64 / span;
        self.backlog = backlog;
        self.inside.push(inside);
        self.completed.push(completed);
        self.response
            .push(if count > 0 { sum / count as f64 } else { f64::NAN });
        let layout = self.layout.iter().zip(&self.combines);
        for (was, (&(base, count, capacity), combines)) in self.components.iter_mut().zip(layout) {
            let (mut busy, mut waiting, mut present) = (0.0, 0u128, 0u128);
            self.probe_buffer.clear();
            let mut probes: Vec<f64> = Vec::new();
            for i in base..base + count {
                let m = &cx.meters[i as usize];
                let (p, q) = (m.present.area(now), m.waiting.area(now));
                present += p;
                waiting += q;
                busy += components[i as usize].busy(now, cx).unwrap_or((p - q) as f64);
                self.probe_buffer.clear();
                components[i as usize].probe(cx, &mut self.probe_buffer);
                if probes.is_empty() {
                    probes.clone_from(&self.probe_buffer);
                } else {
                    for ((all, v), combine) in probes.iter_mut().zip(&self.probe_buffer).zip(combines) {
                        *all = if *combine == Combine::Max {
                            all.max(*v)
                        } else {
                            *all + v
                        };
                    }
                }
            }
            let of = |area: u128, before: u128| area.wrapping_sub(before) as f64 / span;
            put(
                &mut self.columns,
                (busy - was.busy) / span / (capacity * count as f64),
            );
            put(&mut self.columns, of(waiting, was.waiting));
            put(&mut self.columns, of(present, was.present));
            for (v, combine) in probes.into_iter().zip(combines) {
                let mean = *combine == Combine::Mean;
                put(&mut self.columns, if mean { v / count as f64 } else { v });
            }
            *was = ComponentWas {
                busy,
                waiting,
                present,
            };
        }
    }
}

/// Little's law holds as an identity: what the gauge shows is what is inside.
pub fn check_presence(engine: &Engine) -> Result<(), Broken> {
    for (i, m) in engine.cx.meters.iter().enumerate() {
        let (present, waiting) = (m.present.value(), m.waiting.value());
        if waiting > present {
            let id = engine.model.layout.owner[i];
            let name = engine.model.components[id.0 as usize].subject();
            return Err(Broken(format!(
                "{name}: {present} inside, {waiting} of them waiting"
            )));
        }
    }
    Ok(())
}

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
        let count = instances.len() as f64;
        let (mut busy, mut waiting, mut present) = (0.0, 0u128, 0u128);
        let (mut queue_max, mut system_max) = (0, 0);
        let mut sum = [0u64; 7];
        let mut merged: Vec<(String, Unit, Combine, f64)> = Vec::new();
        let mut own: Vec<(&'static str, Histogram)> = Vec::new();
        for i in instances {
            let m = &cx.meters[i];
            let (p, q) = (m.present.area(now), m.waiting.area(now));
            present += p;
            waiting += q;
            busy += engine.components[i]
                .busy(now, &engine.cx)
                .unwrap_or((p - q) as f64);
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
            for (name, unit, combine, value) in readings.list {
                match merged.iter_mut().find(|r| r.0 == name) {
                    Some(r) if combine == Combine::Max => r.3 = r.3.max(value),
                    Some(r) => r.3 += value,
                    None => merged.push((name, unit, combine, value)),
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
        for (name, unit, combine, value) in merged {
            let value = if combine == Combine::Mean {
                value / count
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_needs_an_observation_beyond_it() {
        let of = |n: u64, p: f64| {
            let mut h = Histogram::new();
            h.record_n(1_000_000, n);
            percentile(&h, p).is_some()
        };
        for (p, enough) in [(0.9, 10), (0.95, 20), (0.99, 100), (0.999, 1000)] {
            assert!(!of(enough - 1, p) && of(enough + 1, p), "{p}");
        }
        // The median of one is that one.
        assert!(!of(0, 0.5) && of(1, 0.5));
        let mut h = Histogram::new();
        (1..=100).for_each(|s| h.record(s * 1_000_000_000));
        assert!((percentile(&h, 0.9).expect("ten lie beyond it") - 90.0).abs() < 1.0);
    }
}
