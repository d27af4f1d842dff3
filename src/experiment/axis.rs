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
    /// Where the experiment says so.
    pub span: Span,
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
        _ => vec![range(&mut reader)?; paths.len()],
    };
    let count = columns[0].len();
    let mut numbers = numbers(&columns[0]);
    let changes: Vec<Vec<Change>> = (0..count)
        .map(|i| {
            paths
                .iter()
                .zip(&columns)
                .map(|((path, span), column)| Change {
                    path: path.clone(),
                    value: column[i].clone(),
                    span: span.clone(),
                })
                .collect()
        })
        .collect();
    // An axis with a name of its own is told by its first path, if that tells its values apart.
    let first: Vec<String> = columns[0].iter().map(written).collect();
    let apart = (1..count).all(|i| !first[..i].contains(&first[i]));
    let differ = columns.windows(2).any(|pair| pair[0] != pair[1]);
    let zipped = differ && !(label.is_some() && apart);
    // Values that share the number of their first path would share their place in tables and pictures.
    let shared = |(_, n): &(String, Vec<f64>)| (1..count).any(|i| n[..i].contains(&n[i]));
    if differ && numbers.as_ref().is_some_and(shared) {
        numbers = None;
    }
    let values = (0..count)
        .map(|i| AxisValue {
            label: if zipped {
                columns
                    .iter()
                    .map(|c| written(&c[i]))
                    .collect::<Vec<_>>()
                    .join(" / ")
            } else {
                written(&columns[0][i])
            },
            number: numbers.as_ref().map(|(_, n)| n[i]),
        })
        .collect();
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
    let mut values = Vec::new();
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
            Some(name) => values.push(AxisValue {
                label: name,
                number: None,
            }),
            None => whole = false,
        }
        changes.push(set.unwrap_or_default());
    }
    if values.is_empty() && whole {
        nothing(reader, "alternatives");
        return None;
    }
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
            }),
        }
    }
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
fn columns(reader: &mut Reader, paths: usize) -> Option<Vec<Vec<Value>>> {
    let list = reader.list("values")?;
    if list.is_empty() {
        nothing(reader, "values");
        return None;
    }
    let plain = |items: &[Item]| items.iter().map(|i| i.value.clone()).collect::<Vec<_>>();
    let zipped = paths > 1 && list.iter().all(|i| i.as_array().is_some());
    if !zipped {
        return Some(vec![plain(list); paths]);
    }
    let columns: Vec<Vec<Value>> = list.iter().filter_map(|i| i.as_array()).map(plain).collect();
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
mod tests {
    use super::*;
    use crate::document::parse;

    fn axis(source: &str) -> Result<AxisPlan, String> {
        let mut sink = Sink::default();
        let document = parse(source, &mut sink).expect("valid TOML");
        let plan = read(0, document.root(), &mut sink);
        plan.ok_or_else(|| {
            sink.diagnostics()
                .iter()
                .map(|d| d.message.clone())
                .collect::<Vec<_>>()
                .join("; ")
        })
    }

    fn labels(source: &str) -> Vec<String> {
        let plan = axis(source).expect("an axis");
        assert_eq!(plan.axis.values.len(), plan.changes.len());
        plan.axis.values.into_iter().map(|v| v.label).collect()
    }

    #[test]
    fn ranges_hit_both_ends() {
        assert_eq!(
            labels("path = 'a.b'\nfrom = 1\nto = 5\nstep = 2"),
            ["1", "3", "5"]
        );
        assert_eq!(
            labels("path = 'a.b'\nfrom = 0.1\nto = 0.5\nstep = 0.1"),
            ["0.1", "0.2", "0.3", "0.4", "0.5"]
        );
        assert_eq!(
            labels("path = 'a.b'\nfrom = '10/s'\nto = '1000/s'\npoints = 3\nscale = 'log'"),
            ["10/s", "100/s", "1000/s"]
        );
        assert_eq!(
            labels("path = 'a.b'\nfrom = 1\nto = 4\npoints = 10\nscale = 'log'"),
            ["1", "2", "3", "4"]
        );
        assert_eq!(labels("path = 'a.b'\nfrom = 5\nto = 5\nstep = 1"), ["5"]);
        assert_eq!(
            labels("path = 'a.b'\nfrom = 0.1\nto = 0.7\npoints = 4"),
            ["0.1", "0.3", "0.5", "0.7"]
        );
    }

    #[test]
    fn a_step_that_is_not_whole_is_kept_between_whole_ends() {
        assert_eq!(
            labels("path = 'a.b'\nfrom = 1\nto = 3\nstep = 0.5"),
            ["1", "1.5", "2", "2.5", "3"]
        );
        assert_eq!(
            labels("path = 'a.b'\nfrom = 1\nto = 2.5\npoints = 4"),
            ["1", "1.5", "2", "2.5"]
        );
    }

    #[test]
    fn units_become_the_axis_unit() {
        let plan = axis("path = 'w.x.rate'\nvalues = ['40/s', '80/s']").unwrap();
        assert_eq!(
            (plan.axis.unit.as_str(), plan.axis.label.as_str()),
            ("/s", "rate")
        );
        let plan = axis("path = 'w.x.t'\nvalues = ['500ms', '1s']").unwrap();
        assert_eq!(plan.axis.unit, "s");
        assert_eq!(plan.axis.values[0].number, Some(0.5));
        let plan = axis("path = 'w.x.t'\nvalues = ['exp(2ms)', 'exp(3ms)']").unwrap();
        assert_eq!(plan.axis.values[0].number, None);
        let plan = axis("path = 'w.x.n'\nvalues = [3, 4]").unwrap();
        assert_eq!(plan.axis.values[1].number, Some(4.0));
        let plan = axis("path = 'w.x.n'\nvalues = ['1e3', '2e3']").unwrap();
        assert_eq!(plan.axis.values[1].number, None);
    }

    #[test]
    fn zipped_paths_change_together() {
        let plan = axis("paths = ['a.n', 'b.m']\nvalues = [[1, 2], [100, 200]]").unwrap();
        assert_eq!(plan.axis.values[1].label, "2 / 200");
        assert_eq!(plan.changes[1][1].value, Value::Integer(200));
        let same = axis("paths = ['a.n', 'b.m']\nvalues = [1, 2]").unwrap();
        assert_eq!(same.changes[1][1].value, Value::Integer(2));
        assert_eq!(same.axis.values[1].label, "2");
        // One path of which each value is a list.
        let lists = axis("path = 'a.n'\nvalues = [[1, 2], [3, 4]]").unwrap();
        assert_eq!((lists.changes.len(), lists.changes[1].len()), (2, 1));
        assert!(matches!(&lists.changes[1][0].value, Value::Array(items) if items.len() == 2));
    }

    #[test]
    fn an_axis_with_a_name_is_told_by_its_first_path_where_that_is_enough() {
        let zipped = "paths = ['a.n', 'b.m']\nlabel = 'size'\n";
        assert_eq!(labels(&format!("{zipped}values = [[1, 2], [7, 8]]")), ["1", "2"]);
        assert_eq!(
            labels(&format!("{zipped}values = [[1, 1], [7, 8]]")),
            ["1 / 7", "1 / 8"]
        );
    }

    #[test]
    fn points_that_share_the_value_of_the_first_path_have_places_of_their_own() {
        let plan = |values: &str| {
            axis(&format!("paths = ['a.t', 'b.m']\nvalues = {values}"))
                .unwrap()
                .axis
        };
        let shared = plan("[['10s', '10s', '20s'], [100, 1000, 100]]");
        assert!(
            shared.values.iter().all(|value| value.number.is_none()),
            "{shared:?}"
        );
        assert_eq!(shared.values[1].label, "10s / 1000");
        assert_eq!(shared.unit, "");
        let own = plan("[['10s', '20s'], [100, 1000]]");
        assert_eq!(own.values[1].number, Some(20.0));
        // The same number written in two ways is the same place.
        let twice = plan("[['1s', '1000ms'], [1, 2]]");
        assert!(
            twice.values.iter().all(|value| value.number.is_none()),
            "{twice:?}"
        );
    }

    #[test]
    fn a_table_under_a_plain_key_is_a_part_of_a_path() {
        let source = "alternatives = [{ name = 'x', set = { a.b = 1, 'c.d' = { e = 2 }, f = { g = { h = 3 } }, i = {} } }]";
        let plan = axis(source).unwrap();
        let paths: Vec<&str> = plan.changes[0]
            .iter()
            .map(|change| change.path.as_str())
            .collect();
        assert_eq!(paths, ["a.b", "c.d", "f.g.h", "i"]);
        assert_eq!(plan.changes[0][2].value, Value::Integer(3));
    }

    #[test]
    fn an_alternative_without_a_name_is_not_said_to_be_missing() {
        let found = axis("alternatives = [{ set = {} }]").map(|_| ()).unwrap_err();
        assert!(!found.contains("is empty"), "{found}");
    }

    #[test]
    fn what_is_wrong_with_an_axis_is_said() {
        for (source, expected) in [
            ("path = 'a.b'", "does not say which values"),
            ("values = [1]", "does not say what it varies"),
            ("path = 'a.b'\nvalues = []", "is empty"),
            ("path = 'a.b'\nvalues = [1]\nfrom = 1", "says twice"),
            ("path = 'a.b'\nfrom = 1\nto = 5", "either `step` or `points`"),
            ("path = 'a.b'\nfrom = 1\nto = 5\nstep = -1", "leads away"),
            ("path = 'a.b'\nfrom = 1\nto = 5\nstep = 0", "above zero"),
            (
                "path = 'a.b'\nfrom = 0\nto = 5\npoints = 3\nscale = 'log'",
                "above zero",
            ),
            (
                "path = 'a.b'\nfrom = '1s'\nto = '5ms'\npoints = 3",
                "begins in `s`",
            ),
            (
                "path = 'a.b'\nfrom = 5\nto = 0\npoints = 3\nscale = 'log'",
                "above zero",
            ),
            (
                "path = 'a.b'\nfrom = inf\nto = 1\nstep = 1",
                "`from` of a range is not a number",
            ),
            ("path = 'a.b'\nfrom = 0\nto = 1e9\nstep = 1", "more than 10000"),
            (
                "path = 'a.b'\nfrom = 'x'\nto = 1\nstep = 1",
                "`from` of a range is not a number",
            ),
            ("paths = ['a', 'b']\nvalues = [[1], [1, 2]]", "have 1, 2 entries"),
            ("paths = ['a', 'b']\nvalues = [[1]]", "2 paths and 1 lists"),
            ("alternatives = [{ set = {} }]", "has no `name`"),
            ("path = 'a'\nalternatives = [{ name = 'x' }]", "does not go with"),
        ] {
            let found = axis(source).map(|_| ()).expect_err(source);
            assert!(found.contains(expected), "{source}: {found}");
        }
    }
}
