//! Numbers with units, and ranges of them.

use crate::diagnostic::Span;
use crate::document::{Reader, Value};
use crate::quantity::{Rate, SimDuration};

/// Most values of one axis.
const MOST_VALUES: usize = 10_000;

/// A number with what is written after it.
#[derive(Clone, Debug, PartialEq)]
struct Number {
    value: f64,
    unit: String,
    whole: bool,
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Integer(i) => Some(Number {
            value: *i as f64,
            unit: String::new(),
            whole: true,
        }),
        Value::Float(f) if f.is_finite() => Some(Number {
            value: *f,
            unit: String::new(),
            whole: false,
        }),
        Value::String(text) => {
            let text = text.trim();
            let end = text
                .find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c)))
                .unwrap_or(text.len());
            let value: f64 = text[..end].parse().ok()?;
            let unit = text[end..].to_owned();
            let plain = unit
                .trim()
                .chars()
                .all(|c| c.is_alphabetic() || "/% µ".contains(c));
            (value.is_finite() && plain).then_some(Number {
                value,
                unit,
                whole: false,
            })
        }
        _ => None,
    }
}

/// The common unit of a list and its numbers in it.
pub(super) fn numbers(values: &[Value]) -> Option<(String, Vec<f64>)> {
    let read: Vec<Number> = values.iter().map(number).collect::<Option<_>>()?;
    let unit = read[0].unit.trim().to_owned();
    if read.iter().all(|n| n.unit.trim() == unit) {
        return Some((unit, read.into_iter().map(|n| n.value).collect()));
    }
    let texts: Vec<&str> = values
        .iter()
        .map(|v| match v {
            Value::String(s) => Some(s.as_str()),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let all = |read: &dyn Fn(&str) -> Option<f64>| texts.iter().map(|t| read(t)).collect::<Option<Vec<_>>>();
    if let Some(seconds) = all(&|t| SimDuration::parse(t).ok().map(|d| d.as_secs_f64())) {
        return Some(("s".to_owned(), seconds));
    }
    all(&|t| Rate::parse(t).ok().map(|r| r.per_second)).map(|rates| ("/s".to_owned(), rates))
}

/// The values of `from`, `to` and `step` or `points`.
pub(super) fn range(reader: &mut Reader) -> Option<Vec<Value>> {
    let mut end = |key: &str| -> Option<Number> {
        if !reader.required(key) {
            return None;
        }
        let found = reader.item(key).and_then(|i| number(&i.value));
        if found.is_none() {
            let span = reader.span(key);
            reader
                .sink()
                .error(span, "bad-range", format!("`{key}` of a range is not a number"))
                .help("write a number such as 10, or one with a unit such as \"10/s\"");
        }
        found
    };
    let (from, to) = (end("from"), end("to"));
    let step = reader.has("step").then(|| {
        let item = reader.item("step").and_then(|i| number(&i.value));
        (item, reader.span("step"))
    });
    let points = reader
        .has("points")
        .then(|| reader.count_in("points", 2..=MOST_VALUES as u64));
    let log = reader.choice("scale")? == "log";
    let (from, to) = (from?, to?);
    let span = reader.span("from");
    let mut wrong = |span: Span, message: String, help: &str| {
        reader.sink().error(span, "bad-range", message).help(help);
        None
    };
    if from.unit.trim() != to.unit.trim() {
        let message = format!(
            "the range begins in `{}` and ends in `{}`",
            from.unit.trim(),
            to.unit.trim()
        );
        return wrong(span, message, "write both ends in the same unit");
    }
    let whole_step = step
        .as_ref()
        .is_none_or(|(step, _)| step.as_ref().is_some_and(|s| s.whole));
    let whole = from.whole && to.whole && whole_step;
    let values: Vec<f64> = match (step, points) {
        (Some((step, at)), None) => {
            if log {
                return wrong(
                    at,
                    "a logarithmic range has no `step`".to_owned(),
                    "write `points = 10`",
                );
            }
            let Some(step) = step.filter(|s| s.value != 0.0 && s.unit.trim() == from.unit.trim()) else {
                return wrong(
                    at,
                    "`step` is not a number above zero in the unit of the range".to_owned(),
                    "write the distance of two values as `from` is written",
                );
            };
            let length = (to.value - from.value) / step.value;
            if length < 0.0 {
                return wrong(
                    at,
                    "`step` leads away from the end of the range".to_owned(),
                    "give it the other sign, or exchange `from` and `to`",
                );
            }
            if length >= MOST_VALUES as f64 {
                return wrong(
                    at,
                    format!("the range has more than {MOST_VALUES} values"),
                    "make `step` larger",
                );
            }
            // A last value that only rounding keeps out is in.
            let last = (length + 1e-9).floor() as usize;
            (0..=last).map(|i| from.value + i as f64 * step.value).collect()
        }
        (None, Some(points)) => {
            let last = points? - 1;
            if log && !(from.value > 0.0 && to.value > 0.0) {
                return wrong(
                    span,
                    "a logarithmic range begins and ends above zero".to_owned(),
                    "write `scale = \"linear\"`, or begin above zero",
                );
            }
            (0..=last)
                .map(|i| {
                    let share = i as f64 / last as f64;
                    match i {
                        _ if i == last => to.value,
                        _ if log => from.value * libm::pow(to.value / from.value, share),
                        _ => from.value + share * (to.value - from.value),
                    }
                })
                .collect()
        }
        _ => {
            return wrong(
                span,
                "a range needs either `step` or `points`".to_owned(),
                "write `step = 10` or `points = 10`",
            );
        }
    };
    let digits = if log { 4 } else { 12 };
    let mut out: Vec<Value> = values
        .into_iter()
        .map(|v| {
            if whole {
                return Value::Integer(v.round() as i64);
            }
            let rounded: f64 = format!("{v:.*e}", digits - 1).parse().unwrap_or(v);
            match from.unit.as_str() {
                "" => Value::Float(rounded),
                unit => Value::String(format!("{rounded}{unit}")),
            }
        })
        .collect();
    out.dedup();
    Some(out)
}
