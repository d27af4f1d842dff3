//! What a replication saw: figures over the measured time, and the run over time.

pub mod figures;
pub mod recorder;

use super::{Broken, Engine, Stopped};
use crate::component::Unit;
use crate::metric::Histogram;

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
    /// Mean number of requests inside and of what nobody waits for ([`crate::kernel::Context::backlog`]), window by window: the series that
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
