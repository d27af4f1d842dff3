//! From text to tree: the TOML reader's findings in this tool's words, its values as ours.

use toml::de::{DeTable, DeValue};

use super::brackets::{Brackets, Fault};
use super::{Document, Entry, Item, Table, Value, clipped, code};
use crate::diagnostic::{Diagnostic, Sink, Span};

/// More syntax errors than this are not worth reading before the first are mended.
const MOST_SYNTAX_ERRORS: usize = 20;

impl Value {
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

/// Reads a document. Every syntax error that can be told goes to the sink as `syntax`; with any of
/// them there is no document.
pub fn parse(source: &str, sink: &mut Sink) -> Option<Document> {
    if source.len() as u64 > super::MOST_TEXT {
        let text = format!(
            "the text has {} bytes, more than {} MiB",
            source.len(),
            super::MOST_TEXT >> 20
        );
        sink.push(
            Diagnostic::error("too-large", text)
                .at(0..0)
                .help("put numbers into a data file and name it, as in `empirical(times.csv)`"),
        );
        return None;
    }
    if weight(source) > MOST_WEIGHT {
        let most = MOST_WEIGHT / 4;
        let text = format!("the text has more than {most} tables, or as much in keys and values");
        sink.push(
            Diagnostic::error("too-large", text)
                .at(0..0)
                .help("put numbers into a data file and name it, as in `empirical(times.csv)`"),
        );
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(source);
    let mut problems = Vec::new();
    // What follows a bracket without its partner is read as something else than was meant.
    let brackets = (!errors.is_empty()).then(|| Brackets::of(source));
    let fault = brackets.as_ref().and_then(|found| found.fault.clone());
    let mut again = 0..0;
    let sound = fault.as_ref().map_or(usize::MAX, Fault::at);
    for error in errors {
        let span = error.span().unwrap_or(source.len()..source.len());
        if span.start >= sound {
            continue;
        }
        let problem = match (error.message(), &brackets) {
            // The keys of a table that is given twice are not told as well.
            ("duplicate key", _) if again.contains(&span.start) => continue,
            ("duplicate key", Some(brackets)) => {
                again = brackets.section(source, span.start).unwrap_or(again);
                twice(span, source, brackets)
            }
            (message, _) => syntax_problem(message, span, source),
        };
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        if problems.len() > MOST_SYNTAX_ERRORS {
            break;
        }
    }
    if let Some(fault) = fault {
        problems.retain(|problem| problem.span.as_ref().is_some_and(|span| span.start < sound));
        problems.push(fault.told());
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

/// Quarters of what a table takes, which is about 1.2 KiB: half a GiB in all. Dotted keys and headers make tables of a
/// few bytes, so the length of a text says little.
const MOST_WEIGHT: usize = 1_600_000;

/// What a text can take at most when it is read, in quarters of a table. Marks in comments and texts count as well.
fn weight(source: &str) -> usize {
    let of = |byte: u8| match byte {
        b'[' | b'{' | b'.' => 4,
        b'=' => 2,
        b',' => 1,
        _ => 0,
    };
    source.bytes().map(of).sum()
}

/// A key or a table that is given again, and where it was given before.
fn twice(span: Span, source: &str, brackets: &Brackets) -> Diagnostic {
    let found = source.get(span.clone()).unwrap_or_default().trim();
    let before = brackets.before(source, &span);
    Diagnostic::error("syntax", format!("{} is given twice", code(found)))
        .at(span)
        .label(match before {
            Some(line) => format!("given before on line {line}"),
            None => "given before in the same table".to_owned(),
        })
        .help("keep one of the two, or give one another name")
}

/// What stands between quotation marks as a word processor sets them.
fn in_typographic_quotes(text: &str) -> Option<&str> {
    const MARKS: [char; 10] = ['“', '”', '„', '‟', '‘', '’', '‚', '«', '»', '″'];
    text.starts_with(MARKS).then(|| text.trim_matches(MARKS))
}

/// Says in this tool's words what the TOML reader found.
fn syntax_problem(message: &str, span: Span, source: &str) -> Diagnostic {
    let found = source.get(span.clone()).unwrap_or_default().trim();
    let (what, expected) = match message.split_once(", expected ") {
        Some((what, expected)) => (what, Some(expected)),
        None => (message, None),
    };
    if what == "string values must be quoted" {
        if found.is_empty() {
            return Diagnostic::error("syntax", "a value is missing")
                .at(span)
                .label("nothing follows the `=`");
        }
        if let Some(inside) = in_typographic_quotes(found) {
            return Diagnostic::error("syntax", "those are typographic quotation marks")
                .at(span)
                .help(format!("write \"{}\"", clipped(inside)));
        }
        return Diagnostic::error("syntax", format!("{} must stand in quotation marks", code(found)))
            .at(span)
            .help(format!("write \"{}\"", clipped(found)));
    }
    let problem = Diagnostic::error("syntax", what).at(span);
    match expected {
        Some(expected) if expected != "nothing" => problem.label(format!("expected {expected}")),
        _ => problem,
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
                number_problem(number.as_str(), "integer", &span, problems);
            }
            Value::Integer(value.unwrap_or_default())
        }
        DeValue::Float(number) => {
            let value = number.as_str().parse::<f64>().ok();
            let value = value.filter(|v| !v.is_infinite() || number.as_str().contains("inf"));
            if value.is_none() {
                number_problem(number.as_str(), "number", &span, problems);
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

fn number_problem(text: &str, sort: &str, span: &Span, problems: &mut Vec<Diagnostic>) {
    let told = |problem: &Diagnostic| {
        problem
            .span
            .as_ref()
            .is_some_and(|known| span.start <= known.start && known.start <= span.end)
    };
    if problems.len() > MOST_SYNTAX_ERRORS || problems.iter().any(told) {
        return;
    }
    let problem = Diagnostic::error("syntax", format!("the {sort} {} is too large", code(text)))
        .at(span.clone())
        .label("does not fit into 64 bits");
    problems.push(problem);
}

#[cfg(test)]
mod tests {
    use super::super::tests::document;
    use super::*;

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
        let source = "zeta = 1\n[b.x]\nk = 'v'\n[a]\nq.r = [1.5, true]\n[b.a]\n[[list]]\n[[list]]\n";
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
        assert_eq!(document.get("a.q.r[1]").unwrap().value, Value::Boolean(true));
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
    fn what_is_given_twice_is_told_with_the_line_of_the_first() {
        for (source, line) in [
            ("[a.x]\nq = 1\n[b.x]\n[a.y]\n[ a.x ] # again\n", Some(1)),
            ("[a]\nq = 1\n[b]\n[a]\nq = 2\nq = 3\n", Some(1)),
            ("[a]\nq = 1\n[b]\nq = 2\n\nq = 3\n", Some(4)),
            ("\"\" = 1\n\"\" = 2\n", Some(1)),
            ("[a]\nq = [{ q = 1 }]\nr = [{ q = 1, s = 2, q = 3 }]\n", Some(3)),
            (
                "[a]\nr = [{ q = 1 }, {\n  q = 2,\n  s = 3,\n  q = 3 }]\n",
                Some(3),
            ),
        ] {
            let mut sink = Sink::default();
            assert_eq!(parse(source, &mut sink), None);
            assert_eq!(sink.diagnostics().len(), 1, "{source}");
            let told = &sink.diagnostics()[0].label;
            let expected = line.map(|line| format!("given before on line {line}"));
            assert_eq!(Some(told), expected.as_ref(), "{source}");
        }
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
                ("the number `1e999` is too large".to_owned(), "1e999".to_owned()),
            ]
        );
        assert_eq!(document("a = 0xff").get("a").unwrap().value, Value::Integer(255));
    }

    #[test]
    fn a_byte_order_mark_moves_no_place() {
        let source = "\u{feff}a = 1\r\nb = 2\r\n";
        let document = document(source);
        assert_eq!(&source[document.root().entry("b").unwrap().key_span.clone()], "b");
    }

    #[test]
    fn syntax_errors_say_what_is_wrong_and_where() {
        for (source, place, expected) in [
            (
                "a = 5s\n",
                "5s",
                "`5s` must stand in quotation marks; write \"5s\"",
            ),
            (
                "a = exp(2ms)\n",
                "exp(2ms)",
                "`exp(2ms)` must stand in quotation marks; write \"exp(2ms)\"",
            ),
            (
                "a = “x y”\n",
                "“x y”",
                "those are typographic quotation marks; write \"x y\"",
            ),
            (
                "a = [1, 2\nb = 1\n[c]\n",
                "[",
                "a `[` is not closed: line 2 goes on as if it were; put `]` where the list ends",
            ),
            (
                "[a]\nx = [{ y = 1, z = [{ q = 2 ] }]\n[b]\n",
                "{",
                "a `{` is not closed: `]` on line 2 comes first; put `}` where the table ends",
            ),
            (
                "[a]\nx = [1]]\n[b]\n",
                "]",
                "a `]` closes nothing; take it away, or put `[` where the list begins",
            ),
            ("a = \n", "", "a value is missing: nothing follows the `=`"),
            ("[a\nb = 1\n", "", "unclosed table: expected `]`"),
            ("a = \"x\n", "", "invalid basic string: expected `\"`"),
            ("a = 01\n", "0", "unexpected leading zero"),
            (
                "a = 1979-99-99\n",
                "1979-99-99",
                "invalid date: expected month between 01 and 12",
            ),
            (
                "a = {b = 1, b = 2}\n",
                "b",
                "`b` is given twice: given before on line 1; \
                 keep one of the two, or give one another name",
            ),
        ] {
            let mut sink = Sink::default();
            assert_eq!(parse(source, &mut sink), None);
            let [found] = sink.diagnostics() else {
                panic!("{source:?}: {:?}", sink.diagnostics())
            };
            let mut text = found.message.clone();
            if !found.label.is_empty() {
                text.push_str(&format!(": {}", found.label));
            }
            if let Some(help) = found.help.first() {
                text.push_str(&format!("; {help}"));
            }
            assert_eq!(text, expected, "{source:?}");
            assert_eq!(source[found.span.clone().unwrap()].trim(), place, "{source:?}");
        }
    }

    #[test]
    fn a_file_of_nothing_but_errors_is_told_in_a_page() {
        let source = "x = 5s\n".repeat(1000);
        let mut sink = Sink::default();
        assert_eq!(parse(&source, &mut sink), None);
        let found = sink.into_vec();
        assert_eq!(found.len(), MOST_SYNTAX_ERRORS);
        assert_eq!(
            found[MOST_SYNTAX_ERRORS - 1].notes,
            ["there are more syntax errors after this one"]
        );
    }
}
