//! What is counted for each flow: every request ends in exactly one bucket or is still inside.

use crate::kernel::Fault;
use crate::metric::{Gauge, Histogram};
use crate::quantity::SimTime;

/// Buckets and response times of one flow.
#[derive(Clone, Default)]
pub struct FlowMeter {
    /// Requests sent, from the start of the run.
    total_started: u64,
    total_ended: u64,
    inside: Gauge,
    /// Since the measurement began:
    pub started: u64,
    pub completed: u64,
    /// The client gave up; the work may have gone on.
    pub client_timeouts: u64,
    /// Work finished after its client had left.
    pub wasted: u64,
    pub failed: [u64; Fault::ALL.len()],
    /// Response time of completed requests, from the real and from the intended start.
    pub response: Histogram,
    pub intended: Histogram,
    /// Time until a failure was known.
    pub failure_time: Histogram,
}

impl FlowMeter {
    #[inline(always)]
    pub fn start(&mut self, now: SimTime) {
        self.total_started += 1;
        self.started += 1;
        self.inside.enter(now);
    }

    #[inline(always)]
    pub fn complete(&mut self, now: SimTime, start: u64, intended: u64) {
        self.leave(now);
        self.completed += 1;
        if start != intended || !self.intended.is_empty() {
            self.record_intended(now.nanos() - intended);
        }
        self.response.record(now.nanos() - start);
    }

    /// Until the first late start both times are the same; from then on both are kept.
    #[cold]
    fn record_intended(&mut self, time: u64) {
        if self.intended.is_empty() {
            self.intended = self.response.clone();
        }
        self.intended.record(time);
    }

    /// Completed, but too late for the tool to record how long it took.
    pub fn complete_unrecorded(&mut self, now: SimTime) {
        self.leave(now);
        self.completed += 1;
    }

    pub fn fail(&mut self, now: SimTime, start: u64, fault: Fault) {
        self.leave(now);
        self.failed[fault as usize] += 1;
        if fault == Fault::Interrupted {
            return;
        }
        self.failure_time.record(now.nanos() - start);
    }

    pub fn give_up(&mut self, now: SimTime, start: u64) {
        self.leave(now);
        self.client_timeouts += 1;
        self.failure_time.record(now.nanos() - start);
    }

    #[inline(always)]
    fn leave(&mut self, now: SimTime) {
        self.total_ended += 1;
        self.inside.leave(now);
    }

    /// Requests whose answer somebody waits for.
    pub fn inside(&self) -> &Gauge {
        &self.inside
    }

    /// All failures, client time-outs included. What the load generator interrupted at its end is none: no tool
    /// counts it.
    pub fn failures(&self) -> u64 {
        let interrupted = self.failed[Fault::Interrupted as usize];
        self.failed.iter().sum::<u64>() - interrupted + self.client_timeouts
    }

    pub fn reset(&mut self, now: SimTime) {
        let keep = (self.total_started, self.total_ended, self.inside.clone());
        *self = FlowMeter {
            total_started: keep.0,
            total_ended: keep.1,
            inside: keep.2,
            ..FlowMeter::default()
        };
        self.inside.reset(now);
    }

    /// Adds another flow's buckets and times.
    pub fn merge(&mut self, other: &FlowMeter) {
        self.started += other.started;
        self.completed += other.completed;
        self.client_timeouts += other.client_timeouts;
        self.wasted += other.wasted;
        for (a, b) in self.failed.iter_mut().zip(other.failed) {
            *a += b;
        }
        self.response.merge(&other.response);
        self.intended.merge(&other.intended);
        self.failure_time.merge(&other.failure_time);
    }

    /// Sent = ended + inside.
    pub fn check(&self) -> Result<(), String> {
        let inside = self.inside.value();
        if self.total_started == self.total_ended + inside {
            Ok(())
        } else {
            Err(format!(
                "{} sent, {} ended, {inside} inside",
                self.total_started, self.total_ended
            ))
        }
    }
}
