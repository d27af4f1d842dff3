//! The run over time: windows of the series.

use super::Column;
use crate::component::{Combine, ComponentId, Instance, KINDS, Unit};
use crate::engine::Options;
use crate::engine::flow_meter::FlowMeter;
use crate::kernel::{Context, TimerId, TimerOwner, rank};
use crate::metric::Histogram;
use crate::model::Model;
use crate::quantity::SimTime;

/// Takes note window by window.
pub struct Recorder {
    width: u64,
    last: u64,
    timer: TimerId,
    warm_up: Option<(TimerId, u64)>,
    pub(super) times: Vec<f64>,
    pub(super) columns: Vec<Column>,
    pub(super) inside: Vec<f64>,
    pub(super) response: Vec<f64>,
    pub(super) completed: Vec<f64>,
    flows: Vec<FlowWas>,
    backlog: u128,
    components: Vec<ComponentWas>,
    places: Vec<Place>,
    /// How the series of each component's own are put together from those of its replicas.
    combines: Vec<Vec<Combine>>,
    probe_buffer: Vec<f64>,
}

/// A component's instances, and what they can do at once.
struct Place {
    base: u32,
    instances: u32,
    /// Of each instance since `since`; not a number where there is no limit.
    capacity: f64,
    since: u64,
    /// Capacity times nanoseconds in this window before then.
    before: f64,
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
        let (mut places, mut combines) = (Vec::new(), Vec::new());
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
            places.push(Place {
                base: model.layout.bases[i],
                instances: entry.instances,
                capacity,
                before: 0.0,
                since: 0,
            });
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
            places,
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

    /// Another capacity from now on.
    pub fn set_capacity(&mut self, component: ComponentId, now: u64, capacity: Option<f64>) {
        let (last, l) = (self.last, &mut self.places[component.0 as usize]);
        l.before += l.capacity * (now - l.since.max(last)) as f64;
        (l.capacity, l.since) = (capacity.unwrap_or(f64::NAN), now);
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
        for (was, place) in self.components.iter_mut().zip(&self.places) {
            for i in place.base..place.base + place.instances {
                let m = &cx.meters[i as usize];
                let (p, q) = (m.present.area(now), m.waiting.area(now));
                was.present = was.present.wrapping_sub(p);
                was.waiting = was.waiting.wrapping_sub(q);
                was.busy -= components[i as usize].busy(now, cx).unwrap_or((p - q) as f64);
            }
        }
    }

    /// Notes what happened in the window that ends now.
    pub fn window(&mut self, now: SimTime, cx: &Context, components: &[Instance], flows: &mut [FlowMeter]) {
        let from = std::mem::replace(&mut self.last, now.nanos());
        let span = (now.nanos() - from) as f64;
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
        let places = self.places.iter_mut().zip(&self.combines);
        for (was, (place, combines)) in self.components.iter_mut().zip(places) {
            let (base, count) = (place.base, place.instances);
            let before = std::mem::take(&mut place.before);
            let capacity = match place.since > from {
                true => (before + place.capacity * (now.nanos() - place.since) as f64) / span,
                false => place.capacity,
            };
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
