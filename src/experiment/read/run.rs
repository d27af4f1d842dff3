//! `[run]` of an experiment: how long, how often, how precise.

use super::super::{DEFAULT_CONFIDENCE, PrecisionGoal, figure_name};
use crate::diagnostic::{Sink, Span};
use crate::document::{Form, Key, Reader, Table, key};
use crate::model::{self, RunPlan};

/// The keys of `[run]` of an experiment.
pub const RUN_KEYS: &[Key] = &[
    key(
        "duration",
        Form::Duration,
        None,
        "simulated time, warm-up included (10 min)",
    ),
    key(
        "warm-up",
        Form::Duration,
        None,
        "simulated time that is not measured; without it MSER-5 finds the end of the transient",
    ),
    key(
        "replications",
        Form::Count,
        None,
        "independent runs of each point (20, or `max-replications` if that is less)",
    ),
    key("seed", Form::Count, None, "seed of all draws (1)"),
    key(
        "confidence",
        Form::Share,
        Some("\"95%\""),
        "coverage of the intervals",
    ),
    key(
        "precision",
        Form::Table,
        None,
        "replicate until a figure is this precise: `{ metric = \"response_time_p99\", within = \"5%\" }`",
    ),
];

/// The keys of `precision` in `[run]`.
pub const PRECISION_KEYS: &[Key] = &[
    key(
        "metric",
        Form::Text,
        None,
        "the figure, as in \"response_time_p99\"",
    ),
    key(
        "within",
        Form::Share,
        None,
        "half-width of its interval as a share of it",
    ),
    key(
        "confidence",
        Form::Share,
        None,
        "coverage of that interval; else that of the run",
    ),
    key(
        "max-replications",
        Form::Count,
        Some("100"),
        "most replications of a point; not below `replications`",
    ),
];

/// `[run]` as written.
#[derive(Clone, Default)]
pub(in crate::experiment) struct RunKeys {
    pub plan: RunPlan,
    pub confidence: Option<f64>,
    pub precision: Option<(PrecisionGoal, Span)>,
}

pub(super) fn read_run(table: &Table, sink: &mut Sink) -> RunKeys {
    let mut reader = Reader::new("`run`".into(), table, RUN_KEYS, sink);
    let plan = model::check::read_run(&mut reader);
    let confidence = level(&mut reader, "confidence");
    let precision = reader.table("precision").and_then(|table| {
        let span = reader.span("precision");
        let mut inner = Reader::new(
            "`precision` of `run`".into(),
            table,
            PRECISION_KEYS,
            reader.sink(),
        );
        let metric = inner.required_text("metric");
        let span = if inner.has("metric") {
            inner.span("metric")
        } else {
            span
        };
        let within = inner.required_share("within");
        let own = inner
            .has("confidence")
            .then(|| level(&mut inner, "confidence"))
            .flatten();
        let most = inner.count_in("max-replications", 2..=1_000_000);
        let (metric, within) = (metric?, within?.0);
        if within <= 0.0 {
            let at = inner.span("within");
            inner
                .sink()
                .error(
                    at,
                    "out-of-range",
                    "no figure is exact: `within` must be above 0 %",
                )
                .help("write `within = \"5%\"`");
            return None;
        }
        let (subject, name) = figure_name(&metric);
        let goal = PrecisionGoal {
            subject,
            name,
            within,
            confidence: own.or(confidence).unwrap_or(DEFAULT_CONFIDENCE),
            max_replications: most? as u32,
        };
        Some((goal, span))
    });
    RunKeys {
        plan,
        confidence,
        precision,
    }
}

fn level(reader: &mut Reader, key: &str) -> Option<f64> {
    let level = reader.share(key)?.0;
    if level > 0.0 && level < 1.0 {
        return Some(level);
    }
    let span = reader.span(key);
    reader
        .sink()
        .error(span, "out-of-range", "a confidence lies between 0 % and 100 %")
        .help("write \"95%\"");
    None
}
