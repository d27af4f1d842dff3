//! Draws diagnostics as text: the message, the source line with the place underlined, help and notes.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Severity, Span};

/// Of a long source line this many characters are shown, the place among them.
const WIDTH: usize = 120;
/// Characters kept before the place when the line is cut.
const BEFORE: usize = 40;
/// A message longer than this is cut: it can only be so long by quoting what was written.
const LONGEST_TEXT: usize = 2_000;

/// Stands in for the path while drawing; a private-use character that is escaped in all else.
const STAND_IN: char = '\u{e000}';

/// Draws all diagnostics of one document, ordered by place, then severity; those without a place
/// come last. `colour` adds terminal styles.
pub fn render(diags: &[Diagnostic], path: &str, source: &str, colour: bool) -> String {
    let lines = Lines::new(source);
    let mut ordered: Vec<&Diagnostic> = diags.iter().collect();
    ordered.sort_by_key(|d| {
        let start = d.span.as_ref().map_or(usize::MAX, |span| span.start);
        (start, d.severity)
    });
    let renderer = if colour {
        Renderer::styled().hyperlink(false)
    } else {
        Renderer::plain()
    };
    // Lines are cut here, with the place in view; the drawing need not cut them again.
    let renderer = renderer.term_width(WIDTH + 2 * LONGEST_TEXT);
    let path = printable(path, false);
    let mut out = String::new();
    for diagnostic in ordered {
        if !out.is_empty() {
            out.push('\n');
        }
        let view = diagnostic.span.as_ref().map(|span| lines.view(span));
        let place = view.as_ref().map_or(path.clone(), |view| {
            format!("{path}:{}:{}", view.line, view.column)
        });
        let drawn = with_place(&renderer.render(&[group(diagnostic, view)]), &place);
        for line in drawn.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out
}

/// Puts the place where the stand-in for the path is, instead of the line and column that the drawing
/// found in the piece of source it was given.
fn with_place(drawn: &str, place: &str) -> String {
    match drawn.split_once(STAND_IN) {
        Some((before, after)) => {
            let after = after.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
            format!("{before}{place}{after}")
        }
        None => drawn.to_owned(),
    }
}

fn group(diagnostic: &Diagnostic, view: Option<View>) -> Group<'static> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level
        .primary_title(printable(&diagnostic.message, false))
        .id(diagnostic.id);
    let mut group = Group::with_title(title);
    match view {
        Some(view) => {
            let label = printable(&diagnostic.label, false);
            let annotation = AnnotationKind::Primary.span(view.mark);
            let annotation = if label.is_empty() {
                annotation
            } else {
                annotation.label(Some(label))
            };
            group = group.element(
                Snippet::source(view.text)
                    .path(Some(STAND_IN.to_string()))
                    .line_start(view.line)
                    .annotation(annotation),
            );
        }
        None => group = group.element(Origin::path(STAND_IN.to_string())),
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help, true)));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(printable(note, true)));
    }
    group
}

/// Text that may quote what a user wrote, without anything that could move the cursor.
fn printable(text: &str, line_breaks: bool) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST_TEXT {
            out.push('…');
            break;
        }
        if c == '\n' && line_breaks {
            out.push(c);
        } else if disturbs(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, and those that reorder or hide text.
fn disturbs(c: char) -> bool {
    c.is_control()
        || c == STAND_IN
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The lines of a source, found once.
struct Lines<'a> {
    source: &'a str,
    starts: Vec<usize>,
}

/// One line, or the part of it around a place, ready to be drawn.
struct View {
    text: String,
    /// The place, in bytes of `text`.
    mark: Span,
    /// Counted from one.
    line: usize,
    /// Counted from one, in characters of the source.
    column: usize,
}

impl<'a> Lines<'a> {
    fn new(source: &'a str) -> Self {
        let breaks = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Lines { source, starts }
    }

    /// The line on which the span begins; of a span over several lines, its part on the first.
    fn view(&self, span: &Span) -> View {
        let mut start = floor(self.source, span.start);
        // The end of a file that ends in a line break belongs to the line before.
        if start == self.source.len() && self.source.ends_with('\n') && start > 0 {
            start -= 1;
        }
        let index = self
            .starts
            .partition_point(|line| *line <= start)
            .saturating_sub(1);
        let line_start = self.starts[index];
        let line_end = self
            .starts
            .get(index + 1)
            .map_or(self.source.len(), |next| next - 1);
        let line = &self.source[line_start..line_end];
        let line = line.strip_suffix('\r').unwrap_or(line);
        let bom = if line_start == 0 && line.starts_with('\u{feff}') {
            3
        } else {
            0
        };
        let line = &line[bom..];
        let line_start = line_start + bom;

        let first = start.saturating_sub(line_start).min(line.len());
        let last = floor(self.source, span.end)
            .saturating_sub(line_start)
            .clamp(first, line.len());
        let last = floor(line, last);
        let column = line[..first].chars().count();
        let skipped = if line.chars().count() > WIDTH {
            column.saturating_sub(BEFORE)
        } else {
            0
        };

        let mut text = String::new();
        if skipped > 0 {
            text.push('…');
        }
        let mut mark: Span = text.len()..text.len();
        let mut shown = 0;
        for (at, c) in line.char_indices().skip(skipped) {
            if at <= first {
                mark = text.len()..text.len();
            }
            if shown >= WIDTH {
                text.push('…');
                break;
            }
            let before = text.len();
            match c {
                '\t' => text.push_str("    "),
                c if disturbs(c) => text.extend(c.escape_default()),
                c => text.push(c),
            }
            shown += text[before..].chars().count();
            if at < last {
                mark.end = text.len();
            }
        }
        if first == line.len() {
            mark = text.len()..text.len();
        }
        View {
            text,
            mark,
            line: index + 1,
            column: column + 1,
        }
    }
}

/// The nearest character boundary at or before a byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(source: &str, problem: Diagnostic) -> String {
        render(&[problem], "models/checkout.toml", source, false)
    }

    fn place_of(source: &str, what: &str) -> Span {
        let start = source.find(what).unwrap();
        start..start + what.len()
    }

    #[test]
    fn a_problem_is_drawn_with_its_line_and_help() {
        let source = "[rate-limiter.edge]\nrate = \"40/s\"\nbrust = 50\n";
        let problem = Diagnostic::error("unknown-key", "rate limiter `edge` has no key `brust`")
            .at(place_of(source, "brust"))
            .label("did you mean `burst`?")
            .help("its keys are `burst`, `rate`")
            .note("keys are as in the documentation");
        assert_eq!(
            drawn(source, problem),
            "\
error[unknown-key]: rate limiter `edge` has no key `brust`
 --> models/checkout.toml:3:1
  |
3 | brust = 50
  | ^^^^^ did you mean `burst`?
  |
  = help: its keys are `burst`, `rate`
  = note: keys are as in the documentation
"
        );
    }

    #[test]
    fn a_problem_without_a_place_names_the_file() {
        let problem = Diagnostic::warning("overload", "too much is offered").help("offer less");
        assert_eq!(
            drawn("", problem),
            "\
warning[overload]: too much is offered
--> models/checkout.toml
 = help: offer less
"
        );
    }

    #[test]
    fn problems_come_in_the_order_of_the_file_and_errors_first() {
        let diags = [
            Diagnostic::error("nowhere", "n"),
            Diagnostic::error("later", "n").at(4..5),
            Diagnostic::warning("odd", "n").at(0..1),
            Diagnostic::error("bad", "n").at(0..2),
        ];
        let text = render(&diags, "m", "ab\ncd\n", false);
        let ids: Vec<&str> = text
            .lines()
            .filter_map(|l| Some(l.split_once('[')?.1.split_once(']')?.0))
            .collect();
        assert_eq!(ids, ["bad", "odd", "later", "nowhere"]);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let source = format!("x = [{}\"here\"{}]\n", "1, ".repeat(50_000), ", 2".repeat(50_000));
        let text = drawn(
            &source,
            Diagnostic::error("odd", "n").at(place_of(&source, "\"here\"")),
        );
        assert!(text.len() < 600, "{text}");
        assert!(text.contains("models/checkout.toml:1:150006\n"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.contains("\"here\"")).unwrap();
        let column = lines[at].chars().collect::<String>().find("\"here\"").unwrap();
        let before = lines[at][..column].chars().count();
        assert_eq!(lines[at + 1].find("^^^^^^").unwrap(), before, "{text}");
    }

    #[test]
    fn tabs_line_ends_marks_and_other_letters_keep_the_underline_in_place() {
        for (source, expected) in [
            ("\u{feff}bad = 1\r\n", "1 | bad = 1\n  | ^^^"),
            ("\t\tbad = 1\r\n", "1 |         bad = 1\n  |         ^^^"),
            (
                "\"é ü\" = { bad = 1 }\n",
                "1 | \"é ü\" = { bad = 1 }\n  |           ^^^",
            ),
            (
                "a = 1\n\u{1b}[31m bad\n",
                "2 | \\u{1b}[31m bad\n  |            ^^^",
            ),
        ] {
            let text = drawn(source, Diagnostic::error("odd", "n").at(place_of(source, "bad")));
            assert!(text.contains(expected), "{source:?}\n{text}");
        }
    }

    #[test]
    fn what_was_written_cannot_reach_the_terminal() {
        let problem = Diagnostic::error("odd", "no \u{1b}[31m\nkey \u{202e} \u{e000}")
            .at(0..1)
            .label("\u{7}")
            .help("\u{1b}]0;title");
        let text = drawn("a\n", problem);
        assert!(text.chars().all(|c| c == '\n' || !disturbs(c)), "{text:?}");
    }

    #[test]
    fn colour_is_only_added_when_asked_for() {
        let problem = Diagnostic::error("odd", "n").at(0..1);
        assert!(render(std::slice::from_ref(&problem), "m", "a", true).contains('\u{1b}'));
        assert!(!drawn("a", problem).contains('\u{1b}'));
    }
}
