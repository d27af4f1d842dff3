//! Draws diagnostics as text: the message, the source line with the place underlined, help and notes.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Severity, Span};

/// Of a long source line this many characters are shown, the place among them.
const WIDTH: usize = 120;
/// Characters kept before the place when the line is cut.
const BEFORE: usize = 40;
/// A message longer than this is cut: it can only be so long by quoting what was written.
const LONGEST_TEXT: usize = 2_000;

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
    let path = printable(path, false);
    let mut out = String::new();
    for diagnostic in ordered {
        if !out.is_empty() {
            out.push('\n');
        }
        let drawn = renderer.render(&[group(diagnostic, &path, &lines)]);
        for line in drawn.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out
}

fn group<'a>(diagnostic: &Diagnostic, path: &'a str, lines: &Lines<'_>) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level
        .primary_title(printable(&diagnostic.message, false))
        .id(diagnostic.id);
    let mut group = Group::with_title(title);
    match &diagnostic.span {
        Some(span) => {
            let view = lines.view(span);
            let label = printable(&diagnostic.label, false);
            let annotation = AnnotationKind::Primary.span(view.mark);
            let annotation = if label.is_empty() {
                annotation
            } else {
                annotation.label(Some(label))
            };
            group = group
                .element(Origin::path(path).line(view.line).char_column(view.column))
                .element(
                    Snippet::source(view.text)
                        .line_start(view.line)
                        .annotation(annotation),
                );
        }
        None => group = group.element(Origin::path(path)),
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
        let breaks = source
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0)
            .chain(breaks.map(|(at, _)| at + 1))
            .collect();
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
