//! What arithmetic may know about a kind before any run.

use super::contract::ComponentId;
use crate::distribution::Law;
use crate::quantity::SimDuration;

/// What a component does to the requests that visit it, as far as a sum can use it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What its capacity is counted in, in the plural.
    pub unit: &'static str,
    /// Mean time that a visit takes where the step does not say, in seconds.
    pub time: f64,
    /// The law of that time, where there is one.
    pub law: Option<Law>,
    /// Mean seconds after which the caller goes on, where that is earlier.
    pub until: f64,
    /// Work that one server does in a second, in seconds of demand.
    pub speed: f64,
    /// What its capacity is multiplied by when all of it is busy, as by hyper-threads.
    pub boost: f64,
    /// What it is multiplied by at its best, with so many inside as suit it.
    pub best: f64,
    /// Mean seconds that a visitor who waits for the outcome is there at least, where a step decides whether it does.
    pub outcome: f64,
    /// Share of the visits whose steps run, as a cache's misses.
    pub inside: f64,
    /// Whether fewer of them may run than that, as of loads that others wait for.
    pub unsure: bool,
    /// Share of the visits that fail by themselves.
    pub failure: f64,
    /// Most times that the steps of a visit run when they fail.
    pub attempts: f64,
    /// Seconds between them: the first wait, what each next one is longer by, and the longest.
    pub waits: (f64, f64, f64),
    /// Longest wait to get in, and what the key is called.
    pub patience: Option<(SimDuration, &'static str)>,
    /// Longest time that the steps inside may take, and what the key is called.
    pub deadline: Option<(SimDuration, &'static str)>,
    /// Whether those who find no place are turned away, so that its queue cannot grow without bound.
    pub bounded: bool,
    /// Visitors for whom one instance has room, in line or not.
    pub places: f64,
    /// Whether everybody comes to be served whoever else is there.
    pub fair: bool,
    /// Whether who has begun is served to the end, however many come after.
    pub to_the_end: bool,
    /// Whether visitors fail who wait for each other.
    pub deadlocks: bool,
    /// Unanswered requests of one producer at most, and the mean seconds until the answer, if each has one record.
    pub link: Option<(f64, f64)>,
    /// Share of the visits that meet at the most popular of many keys, each of which is held by one at a time.
    pub hottest: Option<f64>,
    /// Most visits a second that one instance lets through.
    pub rate: Option<f64>,
    /// Places in which at most one of the threads that [`Facts::feed`] from it can work, as a topic's partitions.
    pub partitions: Option<u64>,
    /// Share of what is published that lies in the place with most of it.
    pub fullest: f64,
    /// What the threads that it runs by itself live on.
    pub feed: Option<Feed>,
}

/// Threads that handle what others leave for them.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Where it lies, as a topic; `None` if the component keeps it itself.
    pub from: Option<ComponentId>,
    /// Where it goes when it is done with.
    pub to: Option<ComponentId>,
    /// Threads in each instance.
    pub threads: u64,
    /// How many things the steps handle in one go when there is plenty.
    pub batch: f64,
    /// Mean seconds that a go takes beside the steps.
    pub pause: f64,
    /// Most times that a go is tried when it fails, and the seconds between two tries.
    pub attempts: (f64, f64),
    /// Most goes between two of its polls, and how long they may take.
    pub poll: Option<(f64, SimDuration)>,
}

impl Default for Facts {
    fn default() -> Self {
        Facts {
            unit: "permits",
            time: 0.0,
            law: None,
            until: f64::INFINITY,
            speed: 1.0,
            boost: 1.0,
            best: 1.0,
            outcome: 0.0,
            inside: 1.0,
            unsure: false,
            failure: 0.0,
            attempts: 1.0,
            waits: (0.0, 1.0, f64::INFINITY),
            patience: None,
            deadline: None,
            bounded: false,
            places: f64::INFINITY,
            fair: true,
            to_the_end: true,
            deadlocks: false,
            link: None,
            hottest: None,
            rate: None,
            partitions: None,
            fullest: 0.0,
            feed: None,
        }
    }
}

/// `{ n } { unit }`, with one in the singular.
pub fn counted(n: &str, unit: &str) -> String {
    let unit = if n == "1" {
        unit.strip_suffix('s').unwrap_or(unit)
    } else {
        unit
    };
    format!("{n} {unit}")
}
