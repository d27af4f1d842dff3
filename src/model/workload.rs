//! Workloads as checked: who sends requests, when, and how the sender's tool counts.

use crate::distribution::Law;

/// A rate or a population that changes linearly from stage to stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Value at time zero.
    pub start: f64,
    /// Length in seconds and value at its end, one stage after another.
    pub stages: Vec<(f64, f64)>,
}

impl Profile {
    /// The same value for ever.
    pub fn constant(value: f64) -> Self {
        Profile {
            start: value,
            stages: Vec::new(),
        }
    }

    /// Length of all stages in seconds.
    pub fn length(&self) -> f64 {
        self.stages.iter().map(|s| s.0).sum()
    }

    /// The value at `t` seconds; the last one after the end.
    pub fn at(&self, t: f64) -> f64 {
        let (mut from, mut begin) = (self.start, 0.0);
        for &(length, to) in &self.stages {
            if t < begin + length {
                return from + (to - from) * (t - begin) / length;
            }
            begin += length;
            from = to;
        }
        from
    }

    /// The largest value.
    pub fn peak(&self) -> f64 {
        self.stages.iter().map(|s| s.1).fold(self.start, f64::max)
    }

    /// Area under the profile up to `t` seconds.
    pub fn area(&self, t: f64) -> f64 {
        let (mut from, mut begin, mut area) = (self.start, 0.0, 0.0);
        for &(length, to) in &self.stages {
            if t < begin + length {
                let x = t - begin;
                return area + x * from + 0.5 * (to - from) * x * x / length;
            }
            area += 0.5 * (from + to) * length;
            begin += length;
            from = to;
        }
        area + (t - begin) * from
    }

    /// The instant at which the area reaches `target`, or `None` if it never does.
    ///
    /// Within a stage the area is a quadratic in time; the root is taken in the form that does not cancel.
    pub fn reaches(&self, target: f64) -> Option<f64> {
        let (mut from, mut begin, mut area) = (self.start, 0.0, 0.0);
        for &(length, to) in &self.stages {
            let whole = 0.5 * (from + to) * length;
            if target <= area + whole {
                let need = target - area;
                if need <= 0.0 {
                    return Some(begin);
                }
                let slope = (to - from) / length;
                let root = (from * from + 2.0 * slope * need).max(0.0).sqrt();
                return Some(begin + (2.0 * need / (from + root)).min(length));
            }
            area += whole;
            begin += length;
            from = to;
        }
        let rest = target - area;
        (from > 0.0).then(|| begin + rest / from)
    }
}

/// How requests come.
#[derive(Clone, Debug)]
pub enum Arrivals {
    /// Independent of what happens: a Poisson stream with this rate a second.
    Poisson(Profile),
    /// Gaps drawn from a law.
    Renewal(Law),
    /// On schedule: the k-th arrival when the area under the rate reaches k (`from_zero`) or k + 1.
    Paced { rate: Profile, from_zero: bool },
    /// At recorded instants, seconds from the start.
    Recorded(std::sync::Arc<[f64]>),
    /// A population of users, each of which sends, waits for the answer, thinks, and sends again.
    Users(Profile),
}

/// The iterations that a closed workload may make.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Iterations {
    Unlimited,
    /// All users together.
    Shared(u64),
    /// Each user.
    Each(u64),
}

/// When users stand ready.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Spawn {
    /// Users a second, in whole batches as Locust starts them; `None` for all at once or along the profile.
    pub per_second: Option<f64>,
    /// A user thinks before the first request.
    pub think_first: bool,
}

/// How think time counts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// The think time follows the answer.
    After,
    /// The think time is the least distance of two starts (Locust's `constant_pacing`).
    Between,
}

/// Virtual users that an arrival-rate executor may use.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct VirtualUsers {
    pub pre_allocated: u32,
    pub max: u32,
    /// How long it takes to initialise one more, nanoseconds.
    pub initialise: u64,
}

/// Whose definitions of latency and failure the results follow.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    Plain,
    K6,
    Wrk,
    Locust,
}

/// A workload as checked.
#[derive(Clone, Debug)]
pub struct WorkloadPlan {
    pub name: String,
    pub tool: Tool,
    pub arrivals: Arrivals,
    /// Flow numbers and weights.
    pub mix: Vec<(u16, f64)>,
    /// Begins this long after the run, nanoseconds.
    pub start: u64,
    /// Starts no new requests after this long, nanoseconds; `None` for as long as the run lasts.
    pub duration: Option<u64>,
    /// Then waits this long for those in flight and interrupts them.
    pub graceful_stop: u64,
    /// What a user removed by the profile may take to finish.
    pub graceful_ramp_down: u64,
    pub users: Option<VirtualUsers>,
    pub iterations: Iterations,
    pub spawn: Spawn,
    pub think: Option<Law>,
    pub pacing: Pacing,
    /// The caller gives up after this long; the work goes on. Nanoseconds.
    pub timeout: Option<u64>,
    /// Answers slower than this are counted as time-outs but not recorded (wrk). Nanoseconds.
    pub record_limit: Option<u64>,
    /// Most requests that may be in flight before further arrivals are refused; a guard for open workloads.
    pub limit: Option<u64>,
    /// Entry of its program: the choice of the flow.
    pub entry: u32,
    /// Where a user of an arrival-rate executor rests; `Begin` stands just before, the client's own work before that.
    pub rest: u32,
    /// Site of the mix's draw, of the gap between arrivals, and of the think time.
    pub mix_site: u32,
    pub gap_site: u32,
    pub think_site: u32,
}

impl WorkloadPlan {
    /// Whether the client's own work precedes each request.
    pub fn has_client(&self) -> bool {
        self.rest > self.entry + 1
    }

    /// Whether a request at this instruction has not been sent yet.
    pub fn is_before_begin(&self, pc: u32) -> bool {
        (self.entry..self.rest).contains(&pc)
    }

    /// Whether the next request waits for an answer.
    pub fn is_closed(&self) -> bool {
        matches!(self.arrivals, Arrivals::Users(_))
    }
}
