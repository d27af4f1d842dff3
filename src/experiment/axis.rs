//! What is varied: lists, ranges, logarithmic ranges, zipped paths and named alternatives.

use super::range::{numbers, range};
use super::results::{Axis, AxisValue};
use crate::diagnostic::{Sink, Span};
use crate::document::{Form, Item, Key, Reader, Table, Value, key};

/// The keys of `[[vary]]`.
pub const KEYS: &[Key] = &[
    key(
        "path",
        Form::Text,
        None,
        "dotted path of the model, as in \"service.api.replicas\"",
    ),
    key(
        "paths",
        Form::List,
        None,
        "several paths that change together; `values` then has one list for each, or one for all",
    ),
    key(
        "label",
        Form::Text,
        None,
        "short name for tables; else the path's last part",
    ),
    key("values", Form::List, None, "the values in order"),
    key("from", Form::Value, None, "first value of a range"),
    key("to", Form::Value, None, "last value of a range"),
    key("step", Form::Value, None, "distance of two values of a range"),
    key("points", Form::Count, None, "number of values of a range"),
    key(
        "scale",
        Form::Choice(&["linear", "log"]),
        Some("\"linear\""),
        "whether neighbours of a range have the same distance or the same ratio",
    ),
    key(
        "alternatives",
        Form::List,
        None,
        "named sets of changes: `[{ name = \"pool 40\", set = { \"connection-pool.db.maximum-pool-size\" = 40 } }]`",
    ),
];

/// The keys of an alternative.
pub const ALTERNATIVE_KEYS: &[Key] = &[
    key("name", Form::Text, None, "as the tables call it"),
    key(
        "set",
        Form::Table,
        None,
        "paths and their values; nothing for the model as it is",
    ),
];

/// One value put at one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub path: String,
    pub value: Value,
    /// Where the experiment names the path.
    pub span: Span,
    /// Where it writes the value.
    pub place: Span,
}

/// An axis and, for each of its values, what it changes.
#[derive(Clone, Debug)]
pub struct AxisPlan {
    pub axis: Axis,
    pub changes: Vec<Vec<Change>>,
}

/// Reads one `[[vary]]`.
pub fn read(number: usize, table: &Table, sink: &mut Sink) -> Option<AxisPlan> {
    let mut reader = Reader::new(format!("`vary` number {}", number + 1), table, KEYS, sink);
    let ways = ["values", "from", "alternatives"];
    let given: Vec<&str> = ways.into_iter().filter(|k| reader.has(k)).collect();
    let what = reader.what().to_owned();
    if given.len() != 1 {
        let span = reader.table_span();
        let message = match given.as_slice() {
            [] => format!("{what} does not say which values"),
            many => format!("{what} says twice which values: `{}`", many.join("` and `")),
        };
        reader.sink().error(span, "bad-axis", message).help(
            "write `values = [1, 2, 3]`, or `from = 10`, `to = 100` and `step = 10` or `points = 10`, or `alternatives = [...]`",
        );
        return None;
    }
    let label = reader.text("label");
    if given == ["alternatives"] {
        return alternatives(&mut reader, label);
    }
    let paths = paths(&mut reader)?;
    let columns = match given[0] {
        "values" => columns(&mut reader, paths.len())?,
        _ => {
            let span = reader.span("from");
            let at = |value: Value| Item {
                value,
                span: span.clone(),
            };
            vec![range(&mut reader)?.into_iter().map(at).collect::<Vec<_>>(); paths.len()]
        }
    };
    let count = columns[0].len();
    let values = |column: &[Item]| column.iter().map(|item| item.value.clone()).collect::<Vec<_>>();
    let mut numbers = numbers(&values(&columns[0]));
    let changes: Vec<Vec<Change>> = (0..count)
        .map(|i| {
            paths
                .iter()
                .zip(&columns)
                .map(|((path, span), column)| Change {
                    path: path.clone(),
                    value: column[i].value.clone(),
                    span: span.clone(),
                    place: column[i].span.clone(),
                })
                .collect()
        })
        .collect();
    // An axis with a name of its own is told by its first path, if that tells its values apart.
    let first: Vec<String> = columns[0].iter().map(|item| written(&item.value)).collect();
    let apart = (1..count).all(|i| !first[..i].contains(&first[i]));
    let differ = columns
        .windows(2)
        .any(|pair| values(&pair[0]) != values(&pair[1]));
    let zipped = differ && !(label.is_some() && apart);
    // Values that share the number of their first path would share their place in tables and pictures.
    let shared = |(_, n): &(String, Vec<f64>)| (1..count).any(|i| n[..i].contains(&n[i]));
    if differ && numbers.as_ref().is_some_and(shared) {
        numbers = None;
    }
    let values: Vec<AxisValue> = (0..count)
        .map(|i| AxisValue {
            label: if zipped {
                columns
                    .iter()
                    .map(|c| written(&c[i].value))
                    .collect::<Vec<_>>()
                    .join(" / ")
            } else {
                first[i].clone()
            },
            number: numbers.as_ref().map(|(_, n)| n[i]),
        })
        .collect();
    let places: Vec<&Span> = columns[0].iter().map(|item| &item.span).collect();
    if repeated(&values, &places, &mut reader) {
        return None;
    }
    let first = &paths[0].0;
    let last = first.rsplit('.').next().unwrap_or(first).trim_matches('"');
    Some(AxisPlan {
        axis: Axis {
            label: label.unwrap_or_else(|| last.to_owned()),
            path: paths.iter().map(|p| p.0.as_str()).collect::<Vec<_>>().join(", "),
            unit: numbers.map_or(String::new(), |(unit, _)| unit),
            values,
        },
        changes,
    })
}

fn alternatives(reader: &mut Reader, label: Option<String>) -> Option<AxisPlan> {
    for other in ["path", "paths", "to", "step", "points"] {
        if reader.has(other) {
            let span = reader.key_span(other);
            reader
                .sink()
                .error(
                    span,
                    "bad-axis",
                    format!("`{other}` does not go with `alternatives`"),
                )
                .help("each alternative names its own paths in `set`");
            return None;
        }
    }
    let list = reader.list("alternatives")?;
    let (mut values, mut places) = (Vec::new(), Vec::new());
    let mut changes = Vec::new();
    let mut whole = true;
    for (i, item) in list.iter().enumerate() {
        let what = format!("alternative {}", i + 1);
        let Some(table) = item.table(&what, reader.sink()) else {
            whole = false;
            continue;
        };
        let mut inner = Reader::new(what, table, ALTERNATIVE_KEYS, reader.sink());
        let name = inner.required_text("name");
        let set = inner.table("set").map(changes_of);
        match name {
            Some(name) => {
                values.push(AxisValue {
                    label: name,
                    number: None,
                });
                places.push(&item.span);
            }
            None => whole = false,
        }
        changes.push(set.unwrap_or_default());
    }
    if values.is_empty() && whole {
        nothing(reader, "alternatives");
        return None;
    }
    whole &= !repeated(&values, &places, reader);
    whole.then(|| AxisPlan {
        axis: Axis {
            label: label.unwrap_or_else(|| "alternative".to_owned()),
            path: String::new(),
            unit: String::new(),
            values,
        },
        changes,
    })
}

/// The changes that a `set` table asks for. A key with a point in it is a path; a table under a plain key
/// is a part of a path.
pub fn changes_of(table: &Table) -> Vec<Change> {
    let mut out = Vec::new();
    flatten(table, "", &mut out);
    out
}

fn flatten(table: &Table, prefix: &str, out: &mut Vec<Change>) {
    for entry in &table.entries {
        let path = format!("{prefix}{}", entry.key);
        match &entry.item.value {
            Value::Table(inner) if !inner.entries.is_empty() && !entry.key.contains('.') => {
                flatten(inner, &format!("{path}."), out);
            }
            value => out.push(Change {
                path,
                value: value.clone(),
                span: entry.key_span.clone(),
                place: entry.item.span.clone(),
            }),
        }
    }
}

/// Reports a value that an axis has twice: its points would be the same.
fn repeated(values: &[AxisValue], places: &[&Span], reader: &mut Reader) -> bool {
    let again = (1..values.len()).find(|i| values[..*i].iter().any(|v| v.label == values[*i].label));
    let Some(again) = again else { return false };
    let message = format!("{} has `{}` twice", reader.what(), values[again].label);
    reader
        .sink()
        .error(places[again].clone(), "bad-axis", message)
        .label("given before")
        .help("keep one of the two");
    true
}

fn nothing(reader: &mut Reader, key: &str) {
    let span = reader.span(key);
    let what = reader.what().to_owned();
    reader
        .sink()
        .error(span, "bad-axis", format!("`{key}` of {what} is empty"))
        .help("give at least one value");
}

fn paths(reader: &mut Reader) -> Option<Vec<(String, Span)>> {
    match (reader.has("path"), reader.has("paths")) {
        (true, false) => {
            let span = reader.span("path");
            Some(vec![(reader.text("path")?, span)])
        }
        (false, true) => {
            let list = reader.list("paths")?;
            if list.is_empty() {
                nothing(reader, "paths");
                return None;
            }
            list.iter()
                .map(|item| Some((item.text("a path", reader.sink())?, item.span.clone())))
                .collect()
        }
        (both, _) => {
            let span = reader.table_span();
            let what = reader.what().to_owned();
            let message = if both {
                format!("{what} has both `path` and `paths`")
            } else {
                format!("{what} does not say what it varies")
            };
            reader
                .sink()
                .error(span, "bad-axis", message)
                .help("write `path = \"service.api.replicas\"`");
            None
        }
    }
}

/// One list of values for each path.
fn columns(reader: &mut Reader, paths: usize) -> Option<Vec<Vec<Item>>> {
    let list = reader.list("values")?;
    if list.is_empty() {
        nothing(reader, "values");
        return None;
    }
    let zipped = paths > 1 && list.iter().all(|i| i.as_array().is_some());
    if !zipped {
        return Some(vec![list.to_vec(); paths]);
    }
    let columns: Vec<Vec<Item>> = list.iter().filter_map(|i| Some(i.as_array()?.to_vec())).collect();
    let lengths: Vec<usize> = columns.iter().map(Vec::len).collect();
    let span = reader.span("values");
    if columns.len() != paths {
        reader
            .sink()
            .error(
                span,
                "bad-axis",
                format!("there are {paths} paths and {} lists of values", columns.len()),
            )
            .help("`values` has one list for each of `paths`, in the same order");
        return None;
    }
    if lengths.iter().any(|l| *l != lengths[0]) {
        let lengths: Vec<String> = lengths.iter().map(usize::to_string).collect();
        reader
            .sink()
            .error(
                span,
                "bad-axis",
                format!("the lists of values have {} entries", lengths.join(", ")),
            )
            .help("paths that change together need lists of equal length");
        return None;
    }
    if lengths[0] == 0 {
        nothing(reader, "values");
        return None;
    }
    Some(columns)
}

/// A value as a table shows it.
pub fn written(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Integer(i) => i.to_string(),
        Value::Float(f) => f.to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::Datetime(d) => d.clone(),
        Value::Array(items) => {
            let parts: Vec<String> = items.iter().map(|i| written(&i.value)).collect();
            format!("[{}]", parts.join(", "))
        }
        Value::Table(t) => {
            let parts: Vec<String> = t
                .entries
                .iter()
                .map(|e| format!("{} {}", e.key, written(&e.item.value)))
                .collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
