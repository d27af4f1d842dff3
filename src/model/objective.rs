//! Objectives: what users need.

use super::compile::FlowPlan;
use crate::diagnostic::{Sink, Span};
use crate::document::{Document, Form, Key, Reader, Value, key};
use crate::quantity::{Rate, Share, SimDuration};

/// The keys of `[objective]` and of `[objective.FLOW]`.
pub const KEYS: &[Key] = &[
    key(
        "p50",
        Form::Text,
        None,
        "median response time of the requests that were answered, as in \"< 100ms\"",
    ),
    key("p90", Form::Text, None, "90th percentile of the response time"),
    key("p95", Form::Text, None, "95th percentile of the response time"),
    key("p99", Form::Text, None, "99th percentile of the response time"),
    key(
        "p99-9",
        Form::Text,
        None,
        "99.9th percentile of the response time",
    ),
    key("mean", Form::Text, None, "mean response time"),
    key("max", Form::Text, None, "longest response time"),
    key(
        "errors",
        Form::Text,
        None,
        "share of the requests that were sent which fail, as in \"< 1%\"",
    ),
    key(
        "throughput",
        Form::Text,
        None,
        "completed requests, as in \"> 900/s\"",
    ),
];

/// One condition on one figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// "system", or a flow's subject.
    pub subject: String,
    /// The figure's name in the results.
    pub figure: String,
    /// Whether the figure must stay below the bound, or above it.
    pub below: bool,
    /// In seconds, a share, or per second.
    pub bound: f64,
    /// As written, after the name of the flow if it is of one: "buy: p95 < 500ms".
    pub text: String,
}

/// Reads `[objective]`, and a table for each flow inside it.
pub fn check(document: &Document, flows: &[FlowPlan], sink: &mut Sink) -> Vec<Objective> {
    let mut out = Vec::new();
    let Some(Value::Table(table)) = document.root().get("objective").map(|i| &i.value) else {
        return out;
    };
    let whole = if flows.len() == 1 {
        format!("flow.{}", flows[0].name)
    } else {
        "system".to_owned()
    };
    let mut own = table.clone();
    own.entries.retain(|e| !matches!(e.item.value, Value::Table(_)));
    read(&own, &whole, None, sink, &mut out);
    for f in flows {
        if let Some(Value::Table(t)) = table.get(&f.name).map(|i| &i.value) {
            read(t, &format!("flow.{}", f.name), Some(&f.name), sink, &mut out);
        }
    }
    for e in &table.entries {
        let known = flows.iter().any(|f| f.name == e.key);
        if matches!(e.item.value, Value::Table(_)) && !known {
            super::check::unknown_flow(&e.key, e.key_span.clone(), flows, sink);
        }
    }
    out
}

fn read(
    table: &crate::document::Table,
    subject: &str,
    flow: Option<&str>,
    sink: &mut Sink,
    out: &mut Vec<Objective>,
) {
    let what = match flow {
        Some(flow) => format!("the objective of flow `{flow}`"),
        None => "the objective".to_owned(),
    };
    let mut reader = Reader::new(what, table, KEYS, sink);
    for k in KEYS {
        let Some(text) = reader.text(k.name) else { continue };
        let span = reader.span(k.name);
        if let Some(mut o) = condition(k.name, &text, subject, span, reader.sink()) {
            if let Some(flow) = flow {
                o.text = format!("{flow}: {}", o.text);
            }
            out.push(o);
        }
    }
}

/// The name in the results of the figure that a key is about.
pub fn figure(key: &str) -> String {
    match key {
        "errors" => "failure_share".to_owned(),
        "throughput" => "throughput".to_owned(),
        other => format!("response_time_{}", other.replace('-', "_")),
    }
}

fn condition(key: &str, text: &str, subject: &str, span: Span, sink: &mut Sink) -> Option<Objective> {
    let trimmed = text.trim();
    let (below, rest) = match trimmed.strip_prefix("<=").or_else(|| trimmed.strip_prefix('<')) {
        Some(rest) => (true, rest),
        None => match trimmed.strip_prefix(">=").or_else(|| trimmed.strip_prefix('>')) {
            Some(rest) => (false, rest),
            None => {
                sink.error(
                    span,
                    "bad-objective",
                    format!("`{key} = \"{text}\"` does not compare"),
                )
                .help(format!("write `{key} = \"< 500ms\"`: `<` or `>` before a bound"));
                return None;
            }
        },
    };
    let rest = rest.trim();
    if key == "errors" && rest.parse::<f64>().is_ok_and(|share| share >= 1.0) {
        let bad = format!(
            "`{key} = \"{text}\"` lets everything fail: {rest} without a sign is a share, and 1 is all"
        );
        sink.error(span, "bad-objective", bad).help(format!(
            "for {rest} of a hundred write `{key} = \"{} {rest}%\"`",
            &trimmed[..1]
        ));
        return None;
    }
    let bound = match key {
        "errors" => Share::parse(rest).map(|s| s.0),
        "throughput" => Rate::parse(rest).map(|r| r.per_second),
        _ => SimDuration::parse(rest).map(|d| d.as_secs_f64()),
    };
    match bound {
        Ok(bound) => Some(Objective {
            subject: subject.into(),
            figure: figure(key),
            below,
            bound,
            text: format!("{key} {trimmed}"),
        }),
        Err(why) => {
            sink.error(span, "bad-objective", format!("`{key} = \"{text}\"`: {why}"));
            None
        }
    }
}
