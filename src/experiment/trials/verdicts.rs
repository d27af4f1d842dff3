//! How often each verdict is said, below, at and above capacity, and after a disturbance.

use super::systems::station;
use super::{Fallen, repeat};
use crate::experiment::results::Verdict;
use crate::experiment::{Control, Overrides};
use crate::statistics::Refusal;
use crate::statistics::closed::{Place, closed_network};

/// Shares of capacity at which the verdicts are tried.
const LOADS: [f64; 9] = [0.5, 0.8, 0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.2];
/// The verdicts in the order of [`Said::counts`].
pub const VERDICTS: [Verdict; 5] = [
    Verdict::Stable,
    Verdict::Recovered,
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
    /// Shares of it that are tried.
    pub loads: &'static [f64],
    source: fn(f64) -> String,
}

/// What was said at one load.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Share of capacity.
    pub load: f64,
    pub trials: u32,
    /// By verdict, in the order of [`VERDICTS`].
    pub counts: [u32; 5],
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
        loads: &LOADS,
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
            loads: &LOADS,
            source: |rate| station(20, "exp(1s)", rate),
        },
        Loaded {
            name: "nested",
            title: "a pool of 2 held inside a pool of 5",
            capacity: full.last().map_or(f64::NAN, |m| m.throughput),
            loads: &LOADS,
            source: nested,
        },
        Loaded {
            name: "consumer",
            title: "a partition and its consumer",
            capacity: 20.0,
            loads: &LOADS,
            source: consumer,
        },
        // After ten seconds without service a backlog of 10 λ drains with μ - λ: at 0.95 in 190 of the 390 seconds left.
        Loaded {
            name: "paused",
            title: "M/M/1, 10 s pause",
            capacity: 20.0,
            loads: &[0.5, 0.8, 0.9, 0.95, 1.05],
            source: |rate| paused(rate, 10),
        },
        // After three hundred the backlog of 300 λ is there at the end: 100 seconds are left.
        Loaded {
            name: "paused-long",
            title: "M/M/1, 300 s pause",
            capacity: 20.0,
            loads: &[0.8, 0.9, 0.95],
            source: |rate| paused(rate, 300),
        },
        // At 30 % for 200 of 600 seconds, then at once at the load.
        Loaded {
            name: "step",
            title: "M/M/1, a step after 200 s",
            capacity: 20.0,
            loads: &LOADS,
            source: |rate| {
                staged(
                    6.0,
                    &format!(
                        "{{ duration = \"200s\", target = \"6/s\" }}, {{ duration = \"0s\", target = \"{rate}/s\" }}"
                    ),
                )
            },
        },
        // The load is that of the end; one of 1.2 is above the capacity for the last hundred seconds.
        Loaded {
            name: "ramp",
            title: "M/M/1, a ramp that ends at",
            capacity: 20.0,
            loads: &[0.5, 0.8, 0.95, 1.05, 1.2, 1.5, 2.0],
            source: |rate| staged(0.0, &format!("{{ duration = \"600s\", target = \"{rate}/s\" }}")),
        },
        // Four attempts for each call: it carries a storm of its own below a quarter of its capacity.
        Loaded {
            name: "storm",
            title: "retry storm after a 1 s pause",
            capacity: 10.0,
            loads: &[0.1, 0.2, 0.7, 0.8, 0.9],
            source: storm,
        },
    ])
}

/// What arrives is answered at once; what waits is records.
fn consumer(rate: f64) -> String {
    format!(
        "[topic.events]\npartitions = 1\nlinger = \"0s\"\n\n[consumer.group]\ntopic = \"events\"\nconcurrency = 1\n\
         max-poll-records = 10\nsteps = [{{ delay = \"exp(50ms)\" }}]\n\n[flow.send]\nsteps = [{{ publish = \"events\" }}]\n\n\
         [workload.arrivals]\nexecutor = \"poisson\"\nrate = \"{rate}/s\"\n"
    )
}

/// Ten minutes of a load that changes.
fn staged(start: f64, stages: &str) -> String {
    let plain = station(1, "exp(50ms)", 1.0);
    let stages = format!("start-rate = \"{start}/s\"\nstages = [{stages}]");
    format!(
        "{}\n[run]\nduration = \"600s\"\n",
        plain.replace("rate = \"1/s\"", &stages)
    )
}

fn paused(rate: f64, seconds: u32) -> String {
    format!(
        "[host.machine]\n\n[service.app]\nhost = \"machine\"\n\n[station.server]\nin = \"app\"\n\n[flow.request]\n\
         at = \"app\"\nsteps = [{{ use = \"server\", time = \"exp(50ms)\" }}]\n\n\
         [workload.arrivals]\nexecutor = \"poisson\"\nrate = \"{rate}/s\"\n\n\
         [[timeline]]\nat = \"200s\"\npause = \"app\"\nfor = \"{seconds}s\"\n"
    )
}

/// The shipped model at another rate.
fn storm(rate: f64) -> String {
    let interval = format!("{:.0}ns", 1e9 / rate);
    include_str!("../../../models/retry-storm.toml").replace("142857142ns", &interval)
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
        counts: [0; 5],
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
