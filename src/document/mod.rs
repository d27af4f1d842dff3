//! A TOML 1.1 document as an owned tree in which every key and value knows its place in the source.

use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Sink, Span};

mod path;
mod reader;

pub use reader::{Form, Key, Reader, Spanned, key};

/// More syntax errors than this are not worth reading before the first are mended.
const MOST_SYNTAX_ERRORS: usize = 20;

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

    /// Reads a value as it would be written after `=` in TOML; all spans are zero.
    ///
    /// # Errors
    /// What the TOML reader has against it.
    pub fn parse(toml: &str) -> Result<Value, String> {
        let value = DeValue::parse(toml).map_err(|error| error.message().to_owned())?;
        let mut problems = Vec::new();
        let item = owned(value.into_inner(), 0..0, &mut problems);
        match problems.into_iter().next() {
            Some(problem) => Err(problem.message),
            None => Ok(item.placed_at(&(0..0)).value),
        }
    }
}

impl Item {
    /// The same value as if all of it stood at one place.
    fn placed_at(mut self, span: &Span) -> Item {
        self.span = span.clone();
        self.value = match self.value {
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| item.placed_at(span)).collect())
            }
            Value::Table(table) => Value::Table(Table {
                entries: table
                    .entries
                    .into_iter()
                    .map(|entry| Entry {
                        key: entry.key,
                        key_span: span.clone(),
                        item: entry.item.placed_at(span),
                    })
                    .collect(),
                span: span.clone(),
            }),
            other => other,
        };
        self
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

/// Reads a document. Every syntax error that can be told goes to the sink as `syntax`; with any of
/// them there is no document.
pub fn parse(source: &str, sink: &mut Sink) -> Option<Document> {
    let (table, errors) = DeTable::parse_recoverable(source);
    let mut problems = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(source.len()..source.len());
        let problem = syntax_problem(error.message(), span, source);
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        if problems.len() > MOST_SYNTAX_ERRORS {
            break;
        }
    }
    let clean = problems.is_empty();
    let root = match owned(DeValue::Table(table.into_inner()), 0..0, &mut problems).value {
        Value::Table(table) if clean && problems.is_empty() => Some(table),
        _ => None,
    };
    problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
    let more = problems.len() > MOST_SYNTAX_ERRORS;
    for (count, mut problem) in problems.into_iter().take(MOST_SYNTAX_ERRORS).enumerate() {
        if more && count + 1 == MOST_SYNTAX_ERRORS {
            problem
                .notes
                .push("there are more syntax errors after this one".to_owned());
        }
        sink.push(problem);
    }
    root.map(|root| Document {
        source: source.to_owned(),
        root,
    })
}

/// Says in this tool's words what the TOML reader found.
fn syntax_problem(message: &str, span: Span, source: &str) -> Diagnostic {
    let found = source.get(span.clone()).unwrap_or_default().trim();
    let (what, expected) = match message.split_once(", expected ") {
        Some((what, expected)) => (what, Some(expected)),
        None => (message, None),
    };
    if what == "duplicate key" {
        return Diagnostic::error("syntax", format!("{} is given twice", code(found)))
            .at(span)
            .label("given before in the same table")
            .help("keep one of the two, or give one another name");
    }
    let mut problem = Diagnostic::error("syntax", what).at(span);
    if let Some(expected) = expected {
        problem = problem.label(format!("expected {expected}"));
    }
    if what.starts_with("string values must be quoted") {
        problem = problem.help(format!("write \"{}\"", clipped(found)));
    }
    problem
}

/// A piece of the document for a message: between backticks and not too long.
fn code(text: &str) -> String {
    format!("`{}`", clipped(text))
}

fn clipped(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Numbers that TOML allows to be written but that fit no machine number become syntax problems.
fn owned(value: DeValue<'_>, span: Span, problems: &mut Vec<Diagnostic>) -> Item {
    let value = match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(value) => Value::Datetime(value.to_string()),
        DeValue::Integer(number) => {
            let value = i64::from_str_radix(number.as_str(), number.radix());
            if value.is_err() {
                problems.push(number_problem(number.as_str(), "integer", &span));
            }
            Value::Integer(value.unwrap_or_default())
        }
        DeValue::Float(number) => {
            let value = number.as_str().parse::<f64>().ok();
            let value = value.filter(|v| !v.is_infinite() || number.as_str().contains("inf"));
            if value.is_none() {
                problems.push(number_problem(number.as_str(), "number", &span));
            }
            Value::Float(value.unwrap_or_default())
        }
        DeValue::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| {
                    let span = item.span();
                    owned(item.into_inner(), span, problems)
                })
                .collect(),
        ),
        DeValue::Table(table) => {
            let mut entries: Vec<Entry> = table
                .into_iter()
                .map(|(key, item)| {
                    let span = item.span();
                    Entry {
                        key_span: key.span(),
                        key: key.into_inner().into_owned(),
                        item: owned(item.into_inner(), span, problems),
                    }
                })
                .collect();
            // The parser keeps keys in alphabetical order; a reader expects the order of the file.
            entries.sort_by_key(|entry| entry.key_span.start);
            Value::Table(Table {
                entries,
                span: span.clone(),
            })
        }
    };
    Item { value, span }
}

fn number_problem(text: &str, sort: &str, span: &Span) -> Diagnostic {
    Diagnostic::error("syntax", format!("the {sort} {} is too large", code(text)))
        .at(span.clone())
        .label("does not fit into 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::render;
    use proptest::prelude::*;

    pub(super) fn document(source: &str) -> Document {
        let mut sink = Sink::default();
        let document = parse(source, &mut sink);
        document.unwrap_or_else(|| panic!("{}", render(sink.diagnostics(), "t", source, false)))
    }

    fn problems(source: &str) -> Vec<(String, String)> {
        let mut sink = Sink::default();
        assert_eq!(parse(source, &mut sink), None, "{source}");
        sink.into_vec()
            .into_iter()
            .map(|d| (d.message, source[d.span.unwrap()].to_owned()))
            .collect()
    }

    #[test]
    fn entries_keep_the_order_and_the_places_of_the_file() {
        let source =
            "zeta = 1\n[b.x]\nk = 'v'\n[a]\nq.r = [1.5, true]\n[b.a]\n[[list]]\n[[list]]\n";
        let document = document(source);
        assert_eq!(
            document.root().keys().collect::<Vec<_>>(),
            ["zeta", "b", "a", "list"]
        );
        let b = document.get("b").unwrap().as_table().unwrap();
        assert_eq!(b.keys().collect::<Vec<_>>(), ["x", "a"]);
        let x = b.get("x").unwrap().as_table().unwrap();
        assert_eq!(&source[x.span.clone()], "[b.x]");
        let entry = x.entry("k").unwrap();
        assert_eq!(&source[entry.key_span.clone()], "k");
        assert_eq!(&source[entry.item.span.clone()], "'v'");
        assert_eq!(
            document.get("a.q.r[1]").unwrap().value,
            Value::Boolean(true)
        );
        assert_eq!(document.get("list").unwrap().as_array().unwrap().len(), 2);
    }

    #[test]
    fn all_syntax_errors_are_told_at_once() {
        let found = problems("a = \nb = 5s\nc = 1\nc = 2\nd = [1, 2\n");
        let messages: Vec<&str> = found.iter().map(|(message, _)| message.as_str()).collect();
        assert!(messages.len() >= 3, "{found:?}");
        assert!(
            found.contains(&("`c` is given twice".to_owned(), "c".to_owned())),
            "{found:?}"
        );
    }

    #[test]
    fn a_table_given_twice_is_told_with_its_place() {
        let source = "[pool.a]\nx = 1\n[pool.b]\n[pool.a]\n";
        assert_eq!(
            problems(source),
            [("`a` is given twice".to_owned(), "a".to_owned())]
        );
    }

    #[test]
    fn numbers_that_fit_no_machine_number_are_refused() {
        assert_eq!(
            problems("a = 99999999999999999999\nb = 1e999"),
            [
                (
                    "the integer `99999999999999999999` is too large".to_owned(),
                    "99999999999999999999".to_owned()
                ),
                (
                    "the number `1e999` is too large".to_owned(),
                    "1e999".to_owned()
                ),
            ]
        );
        assert_eq!(
            document("a = 0xff").get("a").unwrap().value,
            Value::Integer(255)
        );
    }

    #[test]
    fn a_byte_order_mark_moves_no_place() {
        let source = "\u{feff}a = 1\r\nb = 2\r\n";
        let document = document(source);
        assert_eq!(
            &source[document.root().entry("b").unwrap().key_span.clone()],
            "b"
        );
    }

    const VALID: &str = "a = 1\n[pool.x]\nsize = 20\ntimeout = \"5s\"\nmode = \"fast\"\n\
        [[flow.f.steps]]\nuse = 'x'\nsteps = [{ cpu = \"exp(2ms)\", é = 0.5 }, 1979-05-27]\n";

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
        for table in table
            .entries
            .iter()
            .filter_map(|entry| entry.item.as_table())
        {
            read_all(table, reader.sink());
        }
    }

    fn survives(source: &str) {
        let mut sink = Sink::default();
        if let Some(mut document) = parse(source, &mut sink) {
            read_all(document.root(), &mut sink);
            let canonical = document.canonical();
            assert_eq!(
                self::document(&canonical).canonical(),
                canonical,
                "{source:?}"
            );
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
                .get("flow.f.steps[0].steps[0].é")
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
