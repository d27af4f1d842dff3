//! The results of an experiment as plain data: what `output` draws and what `results.json` holds.
//!
//! Nothing here computes. A value that could not be observed is NaN; in JSON, which has no NaN, it is
//! `null`, and an infinity becomes `null` too.

use serde::{Deserialize, Serialize};

/// The version of the layout of [`Results`]. It grows when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// The subject under which figures of all flows together stand.
pub const SYSTEM: &str = "system";

/// Everything an experiment found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// One line for people.
    pub title: String,
    /// The name of the output folder.
    pub name: String,
    /// What the experiment is for, in the author's words.
    pub about: Option<String>,
    /// One run or a grid of points.
    pub kind: Kind,
    /// The seed all draws derive from.
    pub seed: u64,
    /// Replications asked for at each point.
    pub replications: u32,
    /// Coverage of every interval, as a share: 0.95.
    pub confidence: f64,
    /// What was varied; empty for a run.
    pub axes: Vec<Axis>,
    /// One entry a finished point, in grid order.
    pub points: Vec<Point>,
    /// What to draw first; `None` leaves the choice to the output.
    pub curve: Option<CurveSpec>,
    /// What deserves to be said about the experiment as a whole.
    pub findings: Vec<Finding>,
    /// False when the experiment was stopped before its last point.
    pub complete: bool,
}

/// The sort of experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One point, looked at closely.
    Run,
    /// A grid of points, compared.
    Sweep,
}

/// One thing that was varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Short name for tables: `replicas`.
    pub label: String,
    /// The dotted path in the model: `service.order-api.replicas`.
    pub path: String,
    /// The unit of the numbers, as written after them; may be empty.
    pub unit: String,
    /// The values in the order given.
    pub values: Vec<AxisValue>,
}

/// One value of an axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AxisValue {
    /// As written: `40/s`, `ZGC`.
    pub label: String,
    /// In the axis' unit, when the value is a number.
    pub number: Option<f64>,
}

/// One point of the grid with its figures over all replications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The place in grid order.
    pub index: usize,
    /// For each axis, the index of its value.
    pub coordinates: Vec<usize>,
    /// Every figure, in the order in which it should be listed.
    pub metrics: Vec<Metric>,
    /// How the system bore the load.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub verdict_reason: String,
    /// What gives way first: `host.vps cpu 99 %`. It begins with the component's name.
    pub bottleneck: Option<String>,
    /// Remarks on this point.
    pub notes: Vec<String>,
    /// False when the precision asked for was not reached.
    pub converged: bool,
    /// False when the run is short against the system's memory, so that intervals may be too narrow.
    #[serde(default = "yes")]
    pub settled: bool,
    /// The run over time, the mean over replications.
    pub series: Series,
    /// The objective, term by term.
    pub objective: Vec<Judgement>,
    /// Events executed in all replications.
    pub events: u64,
    /// Simulated time cut off at the start, in seconds.
    pub warm_up_s: f64,
    /// Simulated time observed after the warm-up, in seconds.
    pub duration_s: f64,
}

/// One figure with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// `system`, `flow.purchase`, `connection-pool.orders-db`, `host.vps`.
    pub subject: String,
    /// `response_time_p95`.
    pub name: String,
    /// The unit of `mean`, `low` and `high`.
    pub unit: Unit,
    /// The mean over replications; NaN when nothing was observed.
    #[serde(with = "nan_as_null")]
    pub mean: f64,
    /// Lower end of the confidence interval.
    pub low: Option<f64>,
    /// Upper end of the confidence interval.
    pub high: Option<f64>,
    /// Replications in which it was observed.
    pub replications: u32,
    /// Why there is no interval, or what to beware of.
    pub note: Option<String>,
    /// What a closed form says, where its assumptions hold.
    pub theory: Option<Theory>,
}

/// The value of a closed form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Theory {
    /// In the metric's unit.
    #[serde(with = "nan_as_null")]
    pub value: f64,
    /// Its name, such as `M/M/c, Erlang C`.
    pub formula: String,
}

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Events per second.
    PerSecond,
    /// A number of things, possibly an average.
    Count,
    /// A part of a whole, 0 to 1; written in per cent.
    Share,
    /// Bytes.
    Bytes,
    /// A bare number.
    None,
}

/// How a point bore its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// What arrives is carried, with room.
    Stable,
    /// What arrives is carried, with little room.
    NearCritical,
    /// More arrives than is carried.
    Overloaded,
    /// Something disturbed the system, and it is again as it was before.
    Recovered,
    /// Most requests fail, for other reasons than want of capacity.
    Failing,
    /// The run does not tell.
    Undecided,
}

/// One term of the objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// As written: `p95 < 500ms`.
    pub text: String,
    /// `None` when the interval lies on both sides of the line.
    pub met: Option<bool>,
    /// What was observed.
    pub detail: String,
}

/// Figures over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The end of each window, in simulated seconds.
    pub times_s: Vec<f64>,
    /// One column a figure, each as long as `times_s`.
    pub columns: Vec<SeriesColumn>,
}

/// One figure over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesColumn {
    /// As [`Metric::subject`].
    pub subject: String,
    /// As [`Metric::name`].
    pub name: String,
    /// The unit of the values.
    pub unit: Unit,
    /// NaN where nothing was observed in the window.
    #[serde(with = "nans_as_nulls")]
    pub values: Vec<f64>,
}

/// What the first picture shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurveSpec {
    /// The axis drawn from left to right.
    pub x: usize,
    /// What is drawn, as (subject, name).
    pub metrics: Vec<(String, String)>,
    /// The axis whose values become separate lines.
    pub group: Option<usize>,
}

/// A remark on the experiment as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// One or two sentences.
    pub text: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Good to know.
    Note,
    /// Changes how the figures should be read.
    Warning,
    /// The figures cannot be relied upon.
    Serious,
}

impl Point {
    /// The figure `name` of `subject`.
    pub fn metric(&self, subject: &str, name: &str) -> Option<&Metric> {
        self.metrics
            .iter()
            .find(|metric| metric.subject == subject && metric.name == name)
    }
}

impl Metric {
    /// The interval, when both of its ends are finite.
    pub fn interval(&self) -> Option<(f64, f64)> {
        match (self.low, self.high) {
            (Some(low), Some(high)) if low.is_finite() && high.is_finite() => Some((low, high)),
            _ => None,
        }
    }
}

fn yes() -> bool {
    true
}

mod nan_as_null {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else {
            serializer.serialize_none()
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

mod nans_as_nulls {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| value.is_finite().then_some(*value)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let values: Vec<Option<f64>> = Vec::deserialize(deserializer)?;
        Ok(values
            .into_iter()
            .map(|value| value.unwrap_or(f64::NAN))
            .collect())
    }
}
