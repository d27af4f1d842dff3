//! What is varied, how long and how precise; replications and when to stop; the grid in parallel; what
//! the figures are worth and what they say.
//!
//! [`load`] reads an experiment or a model into an [`Experiment`], with every point's model checked.
//! [`sweep::carry_out`] runs it on all threads. What it finds are [`results`], which do not
//! depend on the number of threads. Nothing here prints or writes a file.

pub mod axis;
pub mod collect;
mod doubt;
pub mod estimate;
pub mod expectation;
pub mod finish;
mod grid;
mod planned;
mod range;
pub mod read;
pub mod recovery;
pub mod replicate;
pub mod results;
mod simulate;
pub mod sweep;
pub mod theory;
pub mod trials;
mod unanswered;
pub mod verdict;

pub use finish::{Done, key};
pub use grid::{Apart, Commanded, Said, apart};
pub use read::{
    Input, Loaded, Overrides, Sheet, is_experiment, load, load_model, load_model_text, load_text,
};
pub use simulate::{Error, simulate, simulate_with};
pub use sweep::{Control, Failure, Progress, Store, carry_out};

use crate::engine::Budget;
use crate::model::Model;
use expectation::Expectation;
use results::{Axis, CurveSpec, Kind};

/// Simulated time of a run whose model and experiment do not say, in nanoseconds: ten minutes.
pub const DEFAULT_DURATION: u64 = 600_000_000_000;
/// Replications where nobody says. With ten the intervals of 99th percentiles hold the exact value in 90 to 94 % of
/// experiments near saturation, with twenty in 93 to 96 % (`plimsoll validate coverage`).
pub const DEFAULT_REPLICATIONS: u32 = 20;
/// The seed where nobody says.
pub const DEFAULT_SEED: u64 = 1;
/// Coverage of the intervals where nobody says.
pub const DEFAULT_CONFIDENCE: f64 = 0.95;
/// Windows of the series.
pub const WINDOWS: u32 = 200;
/// Most points of a grid.
pub const MOST_POINTS: usize = 10_000;

/// An experiment that can be carried out.
#[derive(Debug)]
pub struct Experiment {
    /// Name of the output folder: the stem of the file.
    pub name: String,
    pub title: String,
    pub about: Option<String>,
    pub kind: Kind,
    pub axes: Vec<Axis>,
    /// In grid order: the last axis changes fastest.
    pub points: Vec<PointPlan>,
    pub curve: Option<CurveSpec>,
    pub expectations: Vec<Expectation>,
    /// The files that were read.
    pub inputs: Vec<Input>,
}

/// One point of the grid before it is run.
#[derive(Debug)]
pub struct PointPlan {
    pub index: usize,
    /// For each axis, the index of its value.
    pub coordinates: Vec<usize>,
    /// `replicas 3, pool 20`; empty for a run.
    pub label: String,
    pub model: Model,
    pub settings: Settings,
}

impl PointPlan {
    /// Whether load or system change in the course of the run.
    pub(crate) fn changes_by_plan(&self) -> bool {
        planned::changes_by_plan(&self.model, self.settings.duration)
    }
}

/// How long, how often and how precise.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Nanoseconds, warm-up included.
    pub duration: u64,
    pub warm_up: WarmUp,
    pub replications: u32,
    pub seed: u64,
    /// Coverage of the intervals.
    pub confidence: f64,
    pub precision: Option<PrecisionGoal>,
    pub windows: u32,
    /// A seeded coin decides the order at equal instants.
    pub coin: bool,
    pub budget: Budget,
}

/// The end of the transient.
#[derive(Clone, Debug, PartialEq)]
pub enum WarmUp {
    /// Nanoseconds, as told.
    Told(u64),
    /// Where MSER-5 finds it.
    Find,
    /// Nothing is cut off because the load or the system changes by plan.
    Nothing,
}

/// A figure and how precise it shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct PrecisionGoal {
    pub subject: String,
    pub name: String,
    /// Half-width as a share of the figure.
    pub within: f64,
    pub confidence: f64,
    pub max_replications: u32,
}

/// A figure as an experiment writes it: `response_time_p95` of all flows together, or
/// `host.vps.utilisation` of a component.
pub fn figure_name(text: &str) -> (String, String) {
    match text.trim().rsplit_once('.') {
        Some((subject, name)) => (subject.trim().to_owned(), name.trim().to_owned()),
        None => (results::SYSTEM.to_owned(), text.trim().to_owned()),
    }
}
