//! What an experiment asserts: `[[expect]]`. An expectation that is not met ends the command with exit code 1.
//!
//! ```toml
//! [[expect]]
//! metric = "throughput"
//! at = { replicas = 3 }
//! is = "< 700/s"
//!
//! [[expect]]
//! metric = "throughput"
//! at = { replicas = 3 }
//! less-than = { replicas = 1 }      # the same figure at another point, compared replication by replication
//!
//! [[expect]]
//! verdict = "stable"                # at every point
//! ```

use super::estimate::{self, keeps_bound, value};
use super::figure_name;
use super::read::{check_figure, find_axis};
use super::replicate::Known;
use super::results::{Axis, Judgement, Point, Unit, Verdict};
use crate::diagnostic::{Sink, Span};
use crate::document::{Form, Item, Key, Reader, Table, key};
use crate::quantity::{Bytes, Rate, Share, SimDuration};
use crate::statistics::interval::paired_difference;

/// The keys of `[[expect]]`.
pub const KEYS: &[Key] = &[
    key(
        "metric",
        Form::Text,
        None,
        "the figure, as in \"response_time_p95\"",
    ),
    key("is", Form::Text, None, "bound of the figure, as in \"< 500ms\""),
    key(
        "at",
        Form::Table,
        None,
        "the points, as in `{ replicas = 3 }`; without it every point",
    ),
    key(
        "less-than",
        Form::Table,
        None,
        "another point, at which the figure is larger",
    ),
    key(
        "more-than",
        Form::Table,
        None,
        "another point, at which the figure is smaller",
    ),
    key(
        "verdict",
        Form::Choice(&[
            "stable",
            "near-critical",
            "overloaded",
            "recovered",
            "failing",
            "undecided",
        ]),
        None,
        "how the points bear their load",
    ),
    key(
        "objective",
        Form::Choice(&["met", "missed"]),
        None,
        "whether the model's objective is met",
    ),
];

/// One assertion.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Axis and value of the points it is about.
    pub at: Vec<(usize, usize)>,
    pub what: What,
    /// As it is told.
    pub text: String,
}

/// What is asserted.
#[derive(Clone, Debug)]
pub enum What {
    Bound {
        figure: (String, String),
        below: bool,
        /// In the figure's unit; a bare number fits any.
        bound: Bound,
    },
    Compared {
        figure: (String, String),
        less: bool,
        other: Vec<(usize, usize)>,
    },
    Verdict(Verdict),
    Objective(bool),
}

/// A bound and what it measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    pub value: f64,
    /// `None` for a bare number.
    pub unit: Option<Unit>,
}

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub met: bool,
    pub text: String,
}

/// Values of one figure, replication by replication: (subject, name), values.
pub type Kept = ((String, String), Vec<f64>);

impl Expectation {
    /// The figure it compares replication by replication.
    pub fn compared(&self) -> Option<&(String, String)> {
        match &self.what {
            What::Compared { figure, .. } => Some(figure),
            _ => None,
        }
    }
}

/// Reads the list.
pub fn read(items: &[Item], axes: &[Axis], known: Option<&[Known]>, sink: &mut Sink) -> Vec<Expectation> {
    let mut out = Vec::new();
    for (i, item) in items.iter().enumerate() {
        if let Some(table) = item.table("an entry of `expect`", sink)
            && let Some(e) = one(i, table, axes, known, sink)
        {
            out.push(e);
        }
    }
    out
}

fn one(
    number: usize,
    table: &Table,
    axes: &[Axis],
    known: Option<&[Known]>,
    sink: &mut Sink,
) -> Option<Expectation> {
    let mut reader = Reader::new(format!("`expect` number {}", number + 1), table, KEYS, sink);
    let mut place = |key: &str| -> Option<Option<Vec<(usize, usize)>>> {
        match reader.table(key) {
            Some(table) => at(table, axes, reader.sink()).map(Some),
            None if reader.has(key) => None,
            None => Some(None),
        }
    };
    let (at, less, more) = (place("at"), place("less-than"), place("more-than"));
    let metric = reader.text("metric");
    let is = reader.text("is");
    let verdict = reader.choice("verdict");
    let objective = reader.choice("objective");
    let (at, less, more) = (at?.unwrap_or_default(), less?, more?);
    let span = reader.table_span();
    let what = reader.what().to_owned();
    let figure = metric.as_deref().map(figure_name);
    if let (Some((subject, name)), Some(known)) = (&figure, known) {
        let span = reader.span("metric");
        if !check_figure(subject, name, known, span, reader.sink()) {
            return None;
        }
    }
    let place = if at.is_empty() {
        String::new()
    } else {
        format!(" at {}", told(&at, axes))
    };
    let (kind, text) = match (figure, is, less, more, verdict, objective) {
        (Some(figure), Some(is), None, None, None, None) => {
            let span = reader.span("is");
            let unit = known.and_then(|known| {
                let found = known
                    .iter()
                    .find(|k| (&k.subject, &k.name) == (&figure.0, &figure.1));
                found.map(|k| k.unit)
            });
            let (below, bound) = bound(&is, span.clone(), reader.sink())?;
            if let Some(unit) = unit {
                fits(&is, bound, unit, &figure.1, span, reader.sink())?;
            }
            let text = format!("{} {}{place}", metric.as_deref().unwrap_or(""), is.trim());
            (What::Bound { figure, below, bound }, text)
        }
        (Some(figure), None, less, more, None, None) if less.is_some() != more.is_some() => {
            let word = if less.is_some() { "less" } else { "more" };
            let less_than = less.is_some();
            let other = less.or(more).unwrap_or_default();
            let there = told(&other, axes);
            let text = format!(
                "{}{place} {word} than at {there}",
                metric.as_deref().unwrap_or("")
            );
            let what = What::Compared {
                figure,
                less: less_than,
                other,
            };
            (what, text)
        }
        (None, None, None, None, Some(word), None) => {
            let verdict = match word {
                "stable" => Verdict::Stable,
                "near-critical" => Verdict::NearCritical,
                "overloaded" => Verdict::Overloaded,
                "recovered" => Verdict::Recovered,
                "failing" => Verdict::Failing,
                _ => Verdict::Undecided,
            };
            (What::Verdict(verdict), format!("verdict {word}{place}"))
        }
        (None, None, None, None, None, Some(word)) => {
            let text = format!("the objective{place} is expected to be {word}");
            (What::Objective(word == "met"), text)
        }
        _ => {
            reader
                .sink()
                .error(span, "bad-expectation", format!("{what} does not say one thing that must hold"))
                .help(
                    "write `metric` with one of `is`, `less-than` and `more-than`, or `verdict`, or `objective`",
                );
            return None;
        }
    };
    Some(Expectation { at, what: kind, text })
}

fn told(at: &[(usize, usize)], axes: &[Axis]) -> String {
    let parts: Vec<String> = at
        .iter()
        .map(|(axis, value)| format!("{} {}", axes[*axis].label, axes[*axis].values[*value].label))
        .collect();
    parts.join(", ")
}

fn at(table: &Table, axes: &[Axis], sink: &mut Sink) -> Option<Vec<(usize, usize)>> {
    let mut out = Vec::new();
    for entry in &table.entries {
        let axis = find_axis(&entry.key, axes, entry.key_span.clone(), sink)?;
        let wanted = super::axis::written(&entry.item.value);
        match axes[axis].values.iter().position(|v| v.label == wanted) {
            Some(value) => out.push((axis, value)),
            None => {
                let values: Vec<&str> = axes[axis].values.iter().map(|v| v.label.as_str()).collect();
                sink.error(
                    entry.item.span.clone(),
                    "unknown-name",
                    format!("axis `{}` has no value `{wanted}`", axes[axis].label),
                )
                .help(format!("its values are `{}`", values.join("`, `")));
                return None;
            }
        }
    }
    Some(out)
}

/// Whether a bound measures what the figure does; it is reported if not.
fn fits(text: &str, bound: Bound, unit: Unit, name: &str, span: Span, sink: &mut Sink) -> Option<()> {
    let text = text.trim();
    let sign = text.trim_end_matches(|c: char| !"<>=".contains(c));
    let number = text.trim_start_matches(['<', '>', '=', ' ']);
    let (what, example) = match unit {
        Unit::Seconds => ("a time", format!("{number}ms")),
        Unit::PerSecond => ("a rate", format!("{number}/s")),
        Unit::Share => ("a share", format!("{number}%")),
        Unit::Bytes => ("a number of bytes", format!("{number}MiB")),
        Unit::Count => ("a number", "20".to_owned()),
        Unit::None => return Some(()),
    };
    let (problem, example) = match bound.unit {
        Some(own) if own == unit => return Some(()),
        Some(_) => {
            let example = match unit {
                Unit::Seconds => "500ms",
                Unit::PerSecond => "900/s",
                Unit::Share => "1%",
                Unit::Bytes => "8MiB",
                Unit::Count | Unit::None => "20",
            };
            (
                format!("`{name}` is {what}, and the bound is not"),
                example.to_owned(),
            )
        }
        None if matches!(unit, Unit::Seconds | Unit::Bytes) => {
            (format!("`{name}` is {what}, and the bound has no unit"), example)
        }
        None if unit == Unit::Share && bound.value >= 1.0 => {
            let problem = format!("`{name}` is a share, of which 1 without a sign is all");
            (problem, example)
        }
        None => return Some(()),
    };
    sink.error(span, "bad-expectation", format!("`is = \"{text}\"`: {problem}"))
        .help(format!("write `is = \"{sign} {example}\"`"));
    None
}

fn bound(text: &str, span: Span, sink: &mut Sink) -> Option<(bool, Bound)> {
    let trimmed = text.trim();
    let parts = [("<=", true), (">=", false), ("<", true), (">", false)]
        .into_iter()
        .find_map(|(sign, below)| trimmed.strip_prefix(sign).map(|rest| (below, rest.trim())));
    let value = parts.and_then(|(below, rest)| {
        let number = |value, unit| Some((below, Bound { value, unit }));
        if let Ok(v) = rest.parse::<f64>() {
            return number(v, None);
        }
        if let Ok(d) = SimDuration::parse(rest) {
            return number(d.as_secs_f64(), Some(Unit::Seconds));
        }
        if let Ok(r) = Rate::parse(rest) {
            return number(r.per_second, Some(Unit::PerSecond));
        }
        if let Ok(s) = Share::parse(rest) {
            return number(s.0, Some(Unit::Share));
        }
        Bytes::parse(rest)
            .ok()
            .and_then(|b| number(b.as_f64(), Some(Unit::Bytes)))
    });
    if value.is_none() {
        sink.error(
            span,
            "bad-expectation",
            format!("`is = \"{trimmed}\"` is no bound"),
        )
        .help("write `<` or `>` and a number or quantity, as in \"< 500ms\", \"> 900/s\", \"< 1%\"");
    }
    value
}

fn stands_at(point: &Point, at: &[(usize, usize)]) -> bool {
    at.iter()
        .all(|(axis, value)| point.coordinates.get(*axis) == Some(value))
}

/// Judges an expectation at all its points. Points that were not run leave it unmet.
pub fn judge(e: &Expectation, points: &[(&Point, &[Kept])], axes: &[Axis], confidence: f64) -> Outcome {
    let mine: Vec<_> = points.iter().filter(|(p, _)| stands_at(p, &e.at)).collect();
    if mine.is_empty() {
        return outcome(e, &[(String::new(), Miss::Fails("not run".to_owned()))], 1);
    }
    let mut missed = Vec::new();
    for (point, kept) in &mine {
        let failed = match &e.what {
            What::Verdict(v) => (point.verdict != *v).then(|| Miss::Fails(verdict(point))),
            What::Objective(met) => objective(point, *met),
            What::Bound { figure, below, bound } => bounded(point, figure, *below, *bound),
            What::Compared { figure, less, other } => {
                let other = points.iter().find(|(p, _)| {
                    stands_at(p, other)
                        && p.coordinates.iter().enumerate().all(|(axis, v)| {
                            other.iter().any(|(a, _)| *a == axis) || point.coordinates[axis] == *v
                        })
                });
                match other {
                    None => Miss::because("the other point was not run"),
                    Some((_, theirs)) => {
                        let unit = point.metric(&figure.0, &figure.1).map_or(Unit::None, |m| m.unit);
                        compared(figure, unit, *less, kept, theirs, confidence)
                    }
                }
            }
        };
        if let Some(miss) = failed {
            missed.push((named(point, e, axes), miss));
        }
    }
    outcome(e, &missed, mine.len())
}

/// The point by the axes of which the expectation says nothing.
fn named(point: &Point, e: &Expectation, axes: &[Axis]) -> String {
    let told = |axis: &usize| e.at.iter().any(|(known, _)| known == axis);
    let place: Vec<(usize, usize)> = point.coordinates.iter().copied().enumerate().collect();
    let several = |(axis, _): &(usize, usize)| axes.get(*axis).is_some_and(|a| a.values.len() > 1);
    let place: Vec<_> = place
        .into_iter()
        .filter(several)
        .filter(|(axis, _)| !told(axis))
        .collect();
    self::told(&place, axes)
}

fn verdict(point: &Point) -> String {
    let word = match point.verdict {
        Verdict::Stable => "stable",
        Verdict::NearCritical => "near critical",
        Verdict::Overloaded => "overloaded",
        Verdict::Recovered => "recovered",
        Verdict::Failing => "failing",
        Verdict::Undecided => "undecided",
    };
    match point.verdict_reason.trim_end_matches('.') {
        "" => format!("it is {word}"),
        reason => format!("it is {word}: {reason}"),
    }
}

/// Why an expectation is not met at a point.
enum Miss {
    Fails(String),
    Undecided(String),
}

impl Miss {
    fn because(why: &str) -> Option<Miss> {
        Some(Miss::Fails(why.to_owned()))
    }

    fn why(&self) -> &str {
        match self {
            Miss::Fails(why) | Miss::Undecided(why) => why,
        }
    }
}

/// Points of which the reason is told.
const REASONS: usize = 3;

fn outcome(e: &Expectation, missed: &[(String, Miss)], points: usize) -> Outcome {
    let text = &e.text;
    if missed.is_empty() {
        return Outcome {
            met: true,
            text: format!("Expectation met: {text}."),
        };
    }
    let word = match missed.iter().any(|(_, miss)| matches!(miss, Miss::Fails(_))) {
        true => "not met",
        false => "undecided",
    };
    let place = match points {
        1 => String::new(),
        _ => format!(" at {} of {points} points", missed.len()),
    };
    let told = missed
        .iter()
        .take(REASONS)
        .map(|(name, miss)| match name.as_str() {
            "" => miss.why().to_owned(),
            name => format!("{name}: {}", miss.why()),
        });
    let mut why: Vec<String> = told.collect();
    if missed.len() > REASONS {
        why.push(format!("and {} more", missed.len() - REASONS));
    }
    Outcome {
        met: false,
        text: format!("Expectation {word}{place}: {text} ({}).", why.join("; ")),
    }
}

fn objective(point: &Point, wanted: bool) -> Option<Miss> {
    let terms = &point.objective;
    if terms.is_empty() {
        return Miss::because("the model has no objective");
    }
    let term = |met: Option<bool>| terms.iter().find(|j| j.met == met);
    let of = |j: &Judgement| format!("{}, {}", j.text, j.detail);
    match (wanted, term(Some(false)), term(None)) {
        (false, Some(_), _) => None,
        (false, None, Some(j)) => Some(Miss::Undecided(format!("it is undecided: {}", of(j)))),
        (false, None, None) => Miss::because("it is met"),
        (true, Some(j), _) => Some(Miss::Fails(format!("it is missed: {}", of(j)))),
        (true, None, Some(j)) => Some(Miss::Undecided(format!("it is undecided: {}", of(j)))),
        (true, None, None) => None,
    }
}

fn bounded(point: &Point, figure: &(String, String), below: bool, bound: Bound) -> Option<Miss> {
    let Some(metric) = point.metric(&figure.0, &figure.1) else {
        return Miss::because("not observed");
    };
    if bound.unit.is_some_and(|unit| unit != metric.unit) {
        return Miss::because("the bound has another unit than the figure");
    }
    let (low, high) = metric.interval().unwrap_or((metric.mean, metric.mean));
    let found = format!("found {}", estimate::told(metric));
    match keeps_bound((low, high), below, bound.value) {
        Some(true) => None,
        Some(false) => Some(Miss::Fails(found)),
        None => Some(Miss::Undecided(format!("{found}, on both sides of the bound"))),
    }
}

fn compared(
    figure: &(String, String),
    unit: Unit,
    less: bool,
    mine: &[Kept],
    theirs: &[Kept],
    confidence: f64,
) -> Option<Miss> {
    let values = |kept: &[Kept]| kept.iter().find(|(f, _)| f == figure).map(|k| k.1.clone());
    let (Some(a), Some(b)) = (values(mine), values(theirs)) else {
        return Miss::because("not observed");
    };
    let both = a.len().min(b.len());
    let Ok(difference) = paired_difference(&b[..both], &a[..both], confidence) else {
        return Miss::because("not observed in every replication");
    };
    let (low, high) = (
        difference.low.unwrap_or(difference.mean),
        difference.high.unwrap_or(difference.mean),
    );
    let lies = format!(
        "the difference lies between {} and {}",
        value(unit, low),
        value(unit, high)
    );
    match keeps_bound((low, high), less, 0.0) {
        Some(true) => None,
        Some(false) => Some(Miss::Fails(lies)),
        None => Some(Miss::Undecided(lies)),
    }
}
