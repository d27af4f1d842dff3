//! `[plot]` of an experiment, and the names of axes and figures.

use super::super::figure_name;
use super::super::replicate::Known;
use super::super::results::{Axis, CurveSpec};
use crate::diagnostic::{Sink, Span, nearest};
use crate::document::{Form, Key, Reader, Table, key};
use crate::model::objective;

/// The keys of `[plot]`.
pub const PLOT_KEYS: &[Key] = &[
    key(
        "metrics",
        Form::List,
        None,
        "figures to draw, as in [\"throughput\", \"response_time_p95\", \"host.vps.utilisation\"]",
    ),
    key(
        "x",
        Form::Text,
        None,
        "which axis runs from left to right: its label, or the last part of its path",
    ),
    key(
        "group",
        Form::Text,
        None,
        "label of the axis whose values become lines",
    ),
];

pub(super) fn read_plot(
    table: &Table,
    axes: &[Axis],
    known: Option<&[Known]>,
    sink: &mut Sink,
) -> Option<CurveSpec> {
    let mut reader = Reader::new("`plot`".into(), table, PLOT_KEYS, sink);
    let mut axis = |key: &str| -> Option<usize> {
        let label = reader.text(key)?;
        let span = reader.span(key);
        find_axis(&label, axes, span, reader.sink())
    };
    let (x, group) = (axis("x"), axis("group"));
    let mut metrics = Vec::new();
    for item in reader.list("metrics").unwrap_or_default() {
        let Some(text) = item.text("a metric to draw", reader.sink()) else {
            continue;
        };
        let (subject, name) = figure_name(&text);
        if known.is_none_or(|k| check_figure(&subject, &name, k, item.span.clone(), reader.sink())) {
            metrics.push((subject, name));
        }
    }
    if axes.is_empty() {
        return None;
    }
    Some(CurveSpec {
        x: x.unwrap_or_else(|| (0..axes.len()).find(|i| Some(*i) != group).unwrap_or(0)),
        metrics,
        group,
    })
}

/// The axis with this label; an unknown one is reported with the nearest.
pub(in crate::experiment) fn find_axis(
    label: &str,
    axes: &[Axis],
    span: Span,
    sink: &mut Sink,
) -> Option<usize> {
    if let Some(found) = axes.iter().position(|a| a.label == label || a.path == label) {
        return Some(found);
    }
    let labels: Vec<&str> = axes.iter().map(|a| a.label.as_str()).collect();
    let mut d = sink.error(span, "unknown-name", format!("there is no axis `{label}`"));
    if let Some(near) = nearest(label, labels.iter().copied()) {
        d.label = format!("did you mean `{near}`?");
    }
    d.help.push(match labels.as_slice() {
        [] => "nothing is varied: add a `[[vary]]`".to_owned(),
        some => format!("the axes are `{}`", some.join("`, `")),
    });
    None
}

/// Whether a figure exists; an unknown one is reported with the nearest.
pub(in crate::experiment) fn check_figure(
    subject: &str,
    name: &str,
    known: &[Known],
    span: Span,
    sink: &mut Sink,
) -> bool {
    if known.iter().any(|k| k.subject == subject && k.name == name) || name.starts_with("failures_") {
        return true;
    }
    let mut subjects: Vec<&str> = known.iter().map(|k| k.subject.as_str()).collect();
    subjects.dedup();
    if !subjects.contains(&subject) {
        let mut d = sink.error(span, "unknown-metric", format!("nothing is called `{subject}`"));
        if let Some(near) = nearest(subject, subjects.iter().copied()) {
            d.label = format!("did you mean `{near}`?");
        }
        d.help
            .push(format!("there are figures of `{}`", subjects.join("`, `")));
        return false;
    }
    let names: Vec<&str> = known
        .iter()
        .filter(|k| k.subject == subject)
        .map(|k| k.name.as_str())
        .collect();
    let mut d = sink.error(
        span,
        "unknown-metric",
        format!("`{subject}` has no figure `{name}`"),
    );
    // `p95` is what objectives call `response_time_p95`.
    let short = names.iter().find(|known| **known == objective::figure(name));
    if let Some(near) = short.copied().or(nearest(name, names.iter().copied())) {
        d.label = format!("did you mean `{near}`?");
    }
    d.help.push(format!("its figures are `{}`", names.join("`, `")));
    false
}
