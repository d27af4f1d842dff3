//! What the engine measures at every instance of every component without being asked.

use crate::metric::Gauge;

/// Counters and gauges of one instance. Waiting and visit times are kept for a component as a whole.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// Visitors inside, waiting ones included.
    pub present: Gauge,
    /// Visitors that wait.
    pub waiting: Gauge,
    /// Visitors that came.
    pub arrivals: u64,
    /// Visits that ended well.
    pub completed: u64,
    /// Visits whose steps failed.
    pub failed: u64,
    /// Visitors turned away.
    pub rejected: u64,
    /// Visitors whose wait was cut short.
    pub timed_out: u64,
    /// Visitors that left because their caller did.
    pub cancelled: u64,
    /// Visitors that did not have to wait.
    pub unwaited: u64,
    /// Which pair of histograms it adds to.
    pub times: u32,
}
