//! A TOML 1.1 document as an owned tree in which every key and value knows its place in the source.

use crate::diagnostic::Span;

mod brackets;
mod convert;
mod key;
mod file;
mod path;
mod reader;
mod syntax;

pub use convert::Spanned;
pub use file::{MOST_DATA, MOST_TEXT, read_text};
pub use key::{Form, Key, STEPS, key};
pub use reader::Reader;
pub use syntax::parse;

#[derive(Clone, PartialEq, Debug)]
pub struct Document {
    pub source: String,
    root: Table,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Item>),
    Table(Table),
}

/// A value and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Item {
    pub value: Value,
    pub span: Span,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub item: Item,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Table {
    /// In the order of the file.
    pub entries: Vec<Entry>,
    /// Of the header, of the braces, or of the dotted key that brought the table about.
    pub span: Span,
}

impl Table {
    pub fn get(&self, key: &str) -> Option<&Item> {
        self.entry(key).map(|entry| &entry.item)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Item> {
        self.entries
            .iter_mut()
            .find(|entry| entry.key == key)
            .map(|entry| &mut entry.item)
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }
}

impl Item {
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Item]> {
        match &self.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self.value, Value::Integer(_) | Value::Float(_))
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl Value {
    /// The sort of value in words, with its article.
    pub fn describe(&self) -> &'static str {
        match self {
            Value::String(_) => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

impl Item {
    /// The same value as if all of it stood at one place.
    fn placed_at(self, span: &Span) -> Item {
        self.respanned(&|_| span.clone())
    }

    /// The same value as if so many bytes stood before the text that it comes from.
    #[must_use]
    pub fn moved(self, by: usize) -> Item {
        self.respanned(&|span| span.start + by..span.end + by)
    }

    fn respanned(self, place: &dyn Fn(&Span) -> Span) -> Item {
        let value = match self.value {
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| item.respanned(place)).collect())
            }
            Value::Table(table) => Value::Table(Table {
                entries: table
                    .entries
                    .into_iter()
                    .map(|entry| Entry {
                        key: entry.key,
                        key_span: place(&entry.key_span),
                        item: entry.item.respanned(place),
                    })
                    .collect(),
                span: place(&table.span),
            }),
            other => other,
        };
        Item {
            value,
            span: place(&self.span),
        }
    }
}

impl Document {
    pub fn root(&self) -> &Table {
        &self.root
    }

    pub fn root_mut(&mut self) -> &mut Table {
        &mut self.root
    }
}

/// A piece of the document for a message: between backticks and not too long.
pub fn code(text: &str) -> String {
    format!("`{}`", clipped(text))
}

fn clipped(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Diagnostic, Sink, render};
    use proptest::prelude::*;

    pub(super) fn document(source: &str) -> Document {
        let mut sink = Sink::default();
        let document = parse(source, &mut sink);
        document.unwrap_or_else(|| panic!("{}", render(sink.diagnostics(), "t", source, false)))
    }

    const VALID: &str = "a = 1\n[pool.x]\nsize = 20\ntimeout = \"5s\"\nmode = \"fast\"\n\
        [[flow.f.steps]]\nuse = 'x'\nsteps = [{ cpu = \"exp(2ms)\", \"é\" = 0.5 }, 1979-05-27]\n";

    const KEYS: &[Key] = &[
        key("size", Form::Count, Some("10"), "how many"),
        key("timeout", Form::Duration, Some("\"30s\""), "how long"),
        key("mode", Form::Choice(&["fast", "slow"]), None, "how"),
        key("share", Form::Share, Some("0.5"), "how much"),
        key("rate", Form::Rate, None, "how often"),
        key("bytes", Form::Bytes, None, "how large"),
        key("steps", Form::Steps, None, "what"),
        key("use", Form::Name, None, "which"),
        key("number", Form::Number, None, "number"),
        key("flag", Form::Boolean, None, "flag"),
    ];

    fn read_all(table: &Table, sink: &mut Sink) {
        let mut reader = Reader::new("table `t`".to_owned(), table, KEYS, sink);
        let _ = reader.count_in("size", 1..=100);
        let _ = (
            reader.duration("timeout"),
            reader.choice("mode"),
            reader.share("share"),
        );
        let _ = (
            reader.required_rate("rate"),
            reader.bytes("bytes"),
            reader.name("use"),
        );
        let _ = (reader.number("number"), reader.boolean("flag"));
        let steps = reader.list("steps").unwrap_or_default();
        for table in steps.iter().filter_map(Item::as_table) {
            read_all(table, reader.sink());
        }
        for table in table.entries.iter().filter_map(|entry| entry.item.as_table()) {
            read_all(table, reader.sink());
        }
    }

    fn survives(source: &str) {
        let mut sink = Sink::default();
        if let Some(mut document) = parse(source, &mut sink) {
            read_all(document.root(), &mut sink);
            let canonical = document.canonical();
            assert_eq!(self::document(&canonical).canonical(), canonical, "{source:?}");
            let _ = document.set("pool.x.size", Value::Integer(1));
        } else {
            assert!(sink.has_errors());
        }
        let _ = render(sink.diagnostics(), "model.toml", source, false);
        let _ = render(sink.diagnostics(), "model.toml", source, true);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            survives(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn random_pieces_of_toml_never_panic(pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\n", "\r\n", " ", "\t", "#", "a", "b",
                "pool", "\"", "'", "\"\"\"", "'''", "\\", "\\u12", "1", "-", "_", "0x", "e9", "inf",
                "nan", "true", "1979-05-27", "T07:32:00", "é", "\u{feff}", "\u{0}", "a = 1\n",
                "[a]\n", "[a.b]\n", "[[a]]\n", "a.b = 1\n", "size = 5\n", "size = -1\n", "steps = [",
            ]), 0..40)) {
            survives(&pieces.concat());
        }

        #[test]
        fn mutated_documents_never_panic(
            edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<char>(), 0..3), 1..6)
        ) {
            let mut text: Vec<char> = VALID.chars().collect();
            for (at, c, how) in edits {
                if text.is_empty() {
                    break;
                }
                let at = at.index(text.len());
                match how {
                    0 => text[at] = c,
                    1 => text.insert(at, c),
                    _ => drop(text.remove(at)),
                }
            }
            survives(&text.into_iter().collect::<String>());
        }

        #[test]
        fn any_span_can_be_drawn(source in "(\\PC|[\t\r\n\u{feff}\u{0}]){0,300}", start in 0usize..400, length in 0usize..50) {
            let problem = Diagnostic::error("odd", "odd").at(start..start + length).label("here");
            let _ = render(&[problem], "model.toml", &source, false);
        }
    }

    #[test]
    fn the_sample_for_mutation_is_valid() {
        survives(VALID);
        assert_eq!(
            document(VALID)
                .get("flow.f.steps[0].steps[0].\"é\"")
                .unwrap()
                .value,
            Value::Float(0.5)
        );
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_crash() {
        survives(&format!("a = {}", "[".repeat(100_000)));
        survives(&format!("a = {}", "{a=".repeat(100_000)));
        survives(&format!("{}b = 1", "a.".repeat(100_000)));
    }
}
