//! How often each verdict is said, below, at and above capacity.

use super::systems::station;
use super::{Fallen, repeat};
use crate::experiment::results::Verdict;
use crate::experiment::{Control, Overrides};
use crate::statistics::Refusal;
use crate::statistics::closed::{Place, closed_network};

/// Shares of capacity at which the verdicts are tried.
pub const LOADS: [f64; 9] = [0.5, 0.8, 0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.2];
/// The verdicts in the order of [`Said::counts`].
pub const VERDICTS: [Verdict; 4] = [
    Verdict::Stable,
    Verdict::NearCritical,
    Verdict::Overloaded,
    Verdict::Undecided,
];

/// A system whose capacity is known.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub name: &'static str,
    /// As a table calls it.
    pub title: &'static str,
    /// Requests a second that it can carry.
    pub capacity: f64,
    source: fn(f64) -> String,
}

/// What was said at one load.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Share of capacity.
    pub load: f64,
    pub trials: u32,
    /// By verdict, in the order of [`VERDICTS`].
    pub counts: [u32; 4],
}

/// All systems.
///
/// # Errors
/// Never with the numbers written here; the formula's refusal is passed on.
pub fn loaded() -> Result<Vec<Loaded>, Refusal> {
    let one = Loaded {
        name: "mm1",
        title: "M/M/1",
        capacity: 20.0,
        source: |rate| station(1, "exp(50ms)", rate),
    };
    // While somebody always waits, five requests are inside: their throughput is that of a closed network.
    let full = closed_network(&[Place::delay(0.100), Place::servers(0.150, 2)], 0.0, 5)?;
    Ok(vec![
        one,
        Loaded {
            name: "mm20",
            title: "M/M/20",
            capacity: 20.0,
            source: |rate| station(20, "exp(1s)", rate),
        },
        Loaded {
            name: "nested",
            title: "a pool of 2 held inside a pool of 5",
            capacity: full.last().map_or(f64::NAN, |m| m.throughput),
            source: nested,
        },
    ])
}

fn nested(rate: f64) -> String {
    format!(
        "[station.threads]\nservers = 5\n\n[station.connections]\nservers = 2\n\n[flow.request]\n\
         steps = [{{ use = \"threads\", steps = [{{ delay = \"exp(100ms)\" }}, \
         {{ use = \"connections\", time = \"exp(150ms)\" }}] }}]\n\n\
         [workload.arrivals]\nexecutor = \"poisson\"\nrate = \"{rate}/s\"\n"
    )
}

/// Tries one system at one load with so many seeds.
///
/// # Errors
/// As [`repeat`].
pub fn say(system: &Loaded, load: f64, trials: u32, control: &Control) -> Result<Said, Fallen> {
    let mut said = Said {
        load,
        trials: 0,
        counts: [0; 4],
    };
    let source = (system.source)(load * system.capacity);
    repeat(
        system.name,
        &source,
        &Overrides::default(),
        trials,
        control,
        |point| {
            said.trials += 1;
            for (count, verdict) in said.counts.iter_mut().zip(VERDICTS) {
                *count += u32::from(verdict == point.verdict);
            }
        },
    )?;
    Ok(said)
}
