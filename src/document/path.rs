//! Dotted paths into a document, and its canonical text.

use super::{Document, Entry, Item, Table, Value, code};
use crate::diagnostic::{Span, nearest};

/// One step of a path.
#[derive(PartialEq, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// Reads `a.b-c."d e".f[0]`.
fn steps(path: &str) -> Result<Vec<Step>, String> {
    let wrong = |why: &str| Err(format!("the path {} {why}", code(path)));
    let mut steps = Vec::new();
    let mut rest = path.trim();
    loop {
        let first = rest.chars().next();
        match first {
            Some(quote @ ('"' | '\'')) => {
                let Some(end) = rest[1..].find(quote) else {
                    return wrong("has a quotation mark that is not closed");
                };
                steps.push(Step::Key(rest[1..=end].to_owned()));
                rest = &rest[end + 2..];
            }
            _ => {
                let end = rest.find(['.', '[', ']', '"', '\'']).unwrap_or(rest.len());
                if rest[..end].trim().is_empty() {
                    return wrong("has an empty part");
                }
                steps.push(Step::Key(rest[..end].trim().to_owned()));
                rest = &rest[end..];
            }
        }
        while let Some(after) = rest.strip_prefix('[') {
            let Some((index, after)) = after.split_once(']') else {
                return wrong("has a bracket that is not closed");
            };
            let Ok(index) = index.trim().parse() else {
                return wrong("has an index that is not a whole number from 0 up");
            };
            steps.push(Step::Index(index));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(steps),
            None => return wrong("goes on without a point between two parts"),
        }
    }
}

/// The path up to some step, as it would be written.
fn written(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&key_text(key));
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

impl Document {
    /// The value at a dotted path such as `workload.x.stages[0].target`; parts with points in them
    /// are quoted.
    pub fn get(&self, path: &str) -> Option<&Item> {
        let steps = steps(path).ok()?;
        let (first, rest) = steps.split_first()?;
        let Step::Key(first) = first else { return None };
        rest.iter()
            .try_fold(self.root.get(first)?, |item, step| match (step, &item.value) {
                (Step::Key(key), Value::Table(table)) => table.get(key),
                (Step::Index(index), Value::Array(items)) => items.get(*index),
                _ => None,
            })
    }

    /// Puts a value at a dotted path. The last key may be new, all before it must exist, unless the value is a whole table with a kind
    /// and a name, as `autoscaler.api`. The value
    /// takes the place in the source of the one it replaces, or else of the table around it, so that
    /// a later complaint about it points at the model.
    ///
    /// # Errors
    /// Says which part of the path is missing and the nearest name there is.
    pub fn set(&mut self, path: &str, value: Value) -> Result<(), String> {
        self.put(path, value, None)
    }

    /// As [`Document::set`] for a value that keeps its own place, with the place of what names it.
    ///
    /// # Errors
    /// As [`Document::set`].
    pub fn set_from(&mut self, path: &str, item: Item, named: Span) -> Result<(), String> {
        self.put(path, item.value, Some((item.span, named)))
    }

    fn put(&mut self, path: &str, value: Value, own: Option<(Span, Span)>) -> Result<(), String> {
        let (table_at, is_table) = (
            own.as_ref().map(|o| o.1.clone()),
            matches!(value, Value::Table(_)),
        );
        let placed = |around: Span| match own {
            Some((span, named)) => (named, Item { value, span }),
            None => {
                let span = around.clone();
                (around.clone(), Item { value, span }.placed_at(&around))
            }
        };
        let steps = steps(path)?;
        let mut place = Place::Table(&mut self.root);
        for (at, step) in steps.iter().enumerate() {
            let last = at + 1 == steps.len();
            let parent = written(&steps[..at]);
            let item = match (place, step) {
                (Place::Table(table), Step::Key(key)) => {
                    match table.entries.iter().position(|entry| entry.key == *key) {
                        Some(found) => &mut table.entries[found].item,
                        None if last => {
                            let (key_span, item) = placed(table.span.clone());
                            let key = key.clone();
                            table.entries.push(Entry { key, key_span, item });
                            return Ok(());
                        }
                        // The first component of its kind: a whole table with a name.
                        None if at == 0 && steps.len() == 2 && is_table => {
                            let key_span = table_at.clone().unwrap_or(table.span.clone());
                            let (key, span) = (key.clone(), key_span.clone());
                            let kind = Value::Table(Table {
                                entries: Vec::new(),
                                span: span.clone(),
                            });
                            let item = Item { value: kind, span };
                            table.entries.push(Entry { key, key_span, item });
                            let last = table.entries.len() - 1;
                            &mut table.entries[last].item
                        }
                        None => return Err(no_such_key(key, &parent, table)),
                    }
                }
                (Place::Array(items), Step::Index(index)) => {
                    let count = items.len();
                    items.get_mut(*index).ok_or_else(|| match count {
                        0 => format!("`{parent}` is an empty list"),
                        1 => format!("`{parent}` has one entry: there is no [{index}], only [0]"),
                        _ => format!(
                            "`{parent}` has {count} entries: there is no [{index}], only [0] to [{}]",
                            count - 1
                        ),
                    })?
                }
                (Place::Table(_), Step::Index(index)) => {
                    return Err(format!("`{parent}` is a table, not a list: it has no [{index}]"));
                }
                (Place::Array(_), Step::Key(key)) => {
                    let example = match (key.parse::<usize>(), steps.get(at + 1)) {
                        (Ok(index), Some(Step::Key(next))) => format!("{parent}[{index}].{}", key_text(next)),
                        (Ok(index), _) => format!("{parent}[{index}]"),
                        (Err(_), _) => format!("{parent}[0].{}", key_text(key)),
                    };
                    return Err(format!(
                        "`{parent}` is a list: say which entry, as in `{example}`"
                    ));
                }
                (Place::Leaf(kind), _) => {
                    return Err(format!("`{parent}` is {kind}: nothing lies within it"));
                }
            };
            if last {
                // A component is a table: nobody means to put something else in its place.
                if let (Value::Table(table), false, 2) = (&item.value, is_table, steps.len()) {
                    let whole = written(&steps);
                    let example = table.entries.iter().find(|entry| entry.item.is_number());
                    let Some(example) = example.or(table.entries.first()) else {
                        return Err(format!("`{whole}` is a table: add the key that is meant"));
                    };
                    let keys = table.keys().take(20).map(|key| format!("`{}`", key_text(key)));
                    return Err(format!(
                        "`{whole}` is a table: add a key, as in `{whole}.{}`; it has {}",
                        key_text(&example.key),
                        keys.collect::<Vec<_>>().join(", ")
                    ));
                }
                *item = placed(item.span.clone()).1;
                return Ok(());
            }
            place = Place::of(&mut item.value);
        }
        Err(format!("the path {} is empty", code(path)))
    }

    /// The document as TOML with one line a value, sorted by key: files that differ only in order,
    /// layout, comments or the way tables are written have the same.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        write_lines(&self.root, "", &mut text);
        text
    }
}

/// Where a path has come to.
enum Place<'a> {
    Table(&'a mut Table),
    Array(&'a mut Vec<Item>),
    Leaf(&'static str),
}

impl<'a> Place<'a> {
    fn of(value: &'a mut Value) -> Self {
        match value {
            Value::Table(table) => Place::Table(table),
            Value::Array(items) => Place::Array(items),
            other => Place::Leaf(other.describe()),
        }
    }
}

fn no_such_key(key: &str, parent: &str, table: &Table) -> String {
    let mut text = if parent.is_empty() {
        format!("there is no table `{}`", key_text(key))
    } else {
        format!("`{parent}` has no `{}`", key_text(key))
    };
    if let Some(near) = nearest(key, table.keys()) {
        text.push_str(&format!("; did you mean `{}`?", key_text(near)));
    } else if !table.entries.is_empty() {
        let names: Vec<String> = table
            .keys()
            .take(20)
            .map(|key| format!("`{}`", key_text(key)))
            .collect();
        text.push_str(&format!("; there is {}", names.join(", ")));
    }
    text
}

fn sorted(table: &Table) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = table.entries.iter().collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries
}

fn write_lines(table: &Table, prefix: &str, text: &mut String) {
    for entry in sorted(table) {
        let path = format!("{prefix}{}", key_text(&entry.key));
        match &entry.item.value {
            Value::Table(inner) if !inner.entries.is_empty() => {
                write_lines(inner, &format!("{path}."), text);
            }
            value => {
                text.push_str(&path);
                text.push_str(" = ");
                write_value(value, text);
                text.push('\n');
            }
        }
    }
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => write_string(string, text),
        Value::Integer(number) => text.push_str(&number.to_string()),
        Value::Float(number) if number.is_nan() => text.push_str("nan"),
        Value::Float(number) => text.push_str(&format!("{number:?}")),
        Value::Boolean(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Datetime(date) => text.push_str(date),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                write_value(&item.value, text);
            }
            text.push(']');
        }
        Value::Table(table) => {
            text.push('{');
            for (at, entry) in sorted(table).into_iter().enumerate() {
                text.push_str(if at > 0 { ", " } else { " " });
                text.push_str(&key_text(&entry.key));
                text.push_str(" = ");
                write_value(&entry.item.value, text);
            }
            text.push_str(if table.entries.is_empty() { "}" } else { " }" });
        }
    }
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() => text.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}

/// A key as TOML wants it: bare if it can be, else quoted.
fn key_text(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        return key.to_owned();
    }
    let mut text = String::new();
    write_string(key, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::document;
    use super::*;

    const MODEL: &str = "[connection-pool.orders-db]\nmaximum-pool-size = 20\n\
        [workload.x]\nstages = [{ target = \"30/s\" }, { target = \"60/s\" }]\n[workload.\"a.b\"]\nn = 1\n";

    #[test]
    fn a_path_sets_what_it_names() {
        let mut document = document(MODEL);
        let before = document
            .get("connection-pool.orders-db.maximum-pool-size")
            .unwrap()
            .clone();
        document
            .set("connection-pool.orders-db.maximum-pool-size", Value::Integer(40))
            .unwrap();
        let after = document
            .get("connection-pool.orders-db.maximum-pool-size")
            .unwrap();
        assert_eq!((&after.value, &after.span), (&Value::Integer(40), &before.span));
        document
            .set("workload.x.stages[1].target", Value::String("90/s".into()))
            .unwrap();
        assert_eq!(
            document.get("workload.x.stages[1].target").unwrap().as_str(),
            Some("90/s")
        );
        document.set("workload.\"a.b\".n", Value::Integer(2)).unwrap();
        document.set("workload.'a.b'.new", Value::Boolean(true)).unwrap();
        assert_eq!(
            document.get("workload.'a.b'.new").unwrap().value,
            Value::Boolean(true)
        );
    }

    #[test]
    fn a_value_from_elsewhere_takes_the_place_of_the_old_one() {
        let mut document = document(MODEL);
        let other = Value::parse("[{ target = \"1/s\" }]").unwrap();
        let place = document.get("workload.x.stages").unwrap().span.clone();
        document.set("workload.x.stages", other).unwrap();
        assert_eq!(document.get("workload.x.stages[0].target").unwrap().span, place);
    }

    #[test]
    fn a_whole_table_may_be_the_first_of_its_kind() {
        let mut document = document(MODEL);
        let table = || {
            Value::Table(Table {
                entries: Vec::new(),
                span: 0..0,
            })
        };
        document.set("autoscaler.api", table()).unwrap();
        document.set("autoscaler.api.min", Value::Integer(2)).unwrap();
        assert_eq!(
            document.get("autoscaler.api.min").unwrap().value,
            Value::Integer(2)
        );
        document.set("autoscaler.other", table()).unwrap();
        assert!(document.get("autoscaler.api").is_some() && document.get("autoscaler.other").is_some());
        // A value or a part of one must have its place already.
        assert!(document.set("retry.r", Value::Integer(1)).is_err());
        assert!(document.set("retry.r.on", table()).is_err());
    }

    #[test]
    fn a_wrong_path_says_what_is_missing() {
        for (path, expected) in [
            (
                "conection-pool.orders-db.x",
                "there is no table `conection-pool`; did you mean `connection-pool`?",
            ),
            (
                "connection-pool.order-db.x",
                "`connection-pool` has no `order-db`; did you mean `orders-db`?",
            ),
            (
                "flow.buy.x",
                "there is no table `flow`; there is `connection-pool`, `workload`",
            ),
            (
                "workload.x.stages[2].target",
                "`workload.x.stages` has 2 entries: there is no [2], only [0] to [1]",
            ),
            (
                "workload.x.stages.target",
                "`workload.x.stages` is a list: say which entry, as in `workload.x.stages[0].target`",
            ),
            (
                "workload.x[0]",
                "`workload.x` is a table, not a list: it has no [0]",
            ),
            (
                "workload.x.stages[0].target.x",
                "`workload.x.stages[0].target` is a text: nothing lies within it",
            ),
            ("", "the path `` has an empty part"),
            ("a..b", "the path `a..b` has an empty part"),
            (
                "a.\"b",
                "the path `a.\"b` has a quotation mark that is not closed",
            ),
            ("a[0", "the path `a[0` has a bracket that is not closed"),
            (
                "a[-1]",
                "the path `a[-1]` has an index that is not a whole number from 0 up",
            ),
            (
                "a[0]b",
                "the path `a[0]b` goes on without a point between two parts",
            ),
        ] {
            let mut document = document(MODEL);
            assert_eq!(
                document.set(path, Value::Integer(1)),
                Err(expected.to_owned()),
                "{path}"
            );
            assert_eq!(document.canonical(), self::document(MODEL).canonical());
        }
    }

    #[test]
    fn order_and_layout_do_not_change_the_canonical_text() {
        let one = "# c\n[b]\ny = 1\nx = \"a\\u0041\"\n[a]\nz.w = [1, { q = 1.0, p = true }]\n[e]\n";
        let two = "e = {}\na = { z = { w = [ 1,\n { p = true, q = 1e0 } ] } }\nb.x = 'aA'\nb.y = 0x1\n";
        assert_eq!(document(one).canonical(), document(two).canonical());
        assert_eq!(
            document(one).canonical(),
            "a.z.w = [1, { p = true, q = 1.0 }]\nb.x = \"aA\"\nb.y = 1\ne = {}\n"
        );
        assert_ne!(document("a = 1").canonical(), document("a = 1.0").canonical());
    }
}
