//! Brackets and their partners: where a list or a table within a line was left open, of which the reader of TOML tells
//! only by what it stumbles over afterwards.

use crate::diagnostic::{Diagnostic, Span};

/// Bytes of a text in which the first of two keys is looked for.
const LONGEST_SEARCHED: usize = 256 << 10;

/// What a scan of a text found.
pub(super) struct Brackets {
    /// Where each bracket of a value opens, and where it closes.
    pairs: Vec<(usize, usize)>,
    /// The first bracket without a partner.
    pub(super) fault: Option<Fault>,
}

/// A bracket without a partner.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// One that opens; the line that shows it, and the bracket that comes instead.
    Open {
        at: usize,
        is: char,
        line: usize,
        other: Option<char>,
        end: bool,
    },
    Closing {
        at: usize,
        is: char,
    },
}

impl Fault {
    pub(super) fn at(&self) -> usize {
        match self {
            Fault::Open { at, .. } | Fault::Closing { at, .. } => *at,
        }
    }

    pub(super) fn told(&self) -> Diagnostic {
        let (text, at) = match self {
            Fault::Open { at, is, .. } => (format!("a `{is}` is not closed"), *at),
            Fault::Closing { at, is } => (format!("a `{is}` closes nothing"), *at),
        };
        let told = Diagnostic::error("syntax", text).at(at..at + 1);
        let what = |is: char| if matches!(is, '[' | ']') { "list" } else { "table" };
        match self {
            Fault::Closing { is, .. } => {
                let partner = if *is == ']' { '[' } else { '{' };
                told.help(format!(
                    "take it away, or put `{partner}` where the {} begins",
                    what(*is)
                ))
            }
            Fault::Open {
                is, line, other, end, ..
            } => told
                .label(match other {
                    Some(other) => format!("`{other}` on line {line} comes first"),
                    None if *end => "the file ends first".to_owned(),
                    None => format!("line {line} goes on as if it were"),
                })
                .help(format!("put `{}` where the {} ends", closing(*is), what(*is))),
        }
    }
}

fn closing(is: char) -> char {
    if is == '[' { ']' } else { '}' }
}

impl Brackets {
    /// Looks at all brackets that stand in values: not in texts, comments and headers.
    pub(super) fn of(source: &str) -> Brackets {
        let bytes = source.as_bytes();
        let mut open: Vec<usize> = Vec::new();
        let mut pairs = Vec::new();
        let mut fault = None;
        let (mut at, mut line, mut fresh) = (0, 1, true);
        let opened = |at: usize, line, other, end| Fault::Open {
            at,
            is: char::from(bytes[at]),
            line,
            other,
            end,
        };
        while at < bytes.len() {
            if fresh {
                fresh = false;
                let rest = source[at..].lines().next().unwrap_or_default().trim_start();
                let in_list = open.last().is_some_and(|top| bytes[*top] == b'[');
                if open.is_empty() && rest.starts_with('[') {
                    // A header has its own brackets.
                    at += source[at..].find('\n').unwrap_or(source.len() - at);
                    continue;
                }
                if let Some(top) = open.last()
                    && (is_header(rest) || in_list && is_entry(rest))
                {
                    fault = Some(opened(*top, line, None, false));
                    break;
                }
            }
            match bytes[at] {
                b'\n' => {
                    line += 1;
                    fresh = true;
                }
                b'#' => {
                    at += source[at..].find('\n').unwrap_or(source.len() - at);
                    continue;
                }
                quote @ (b'"' | b'\'') => {
                    let end = text_end(bytes, at, quote);
                    line += bytes[at..end].iter().filter(|byte| **byte == b'\n').count();
                    at = end;
                    continue;
                }
                b'[' | b'{' => open.push(at),
                byte @ (b']' | b'}') => {
                    let is = char::from(byte);
                    match open.pop() {
                        Some(top) if closing(char::from(bytes[top])) == is => pairs.push((top, at)),
                        Some(top) => {
                            fault = Some(opened(top, line, Some(is), false));
                            break;
                        }
                        None => {
                            fault = Some(Fault::Closing { at, is });
                            break;
                        }
                    }
                }
                _ => {}
            }
            at += 1;
        }
        if fault.is_none()
            && let Some(top) = open.last()
        {
            fault = Some(opened(*top, line, None, true));
        }
        Brackets { pairs, fault }
    }

    /// The innermost pair around a place.
    fn around(&self, at: usize) -> Option<(usize, usize)> {
        let holds = |pair: &&(usize, usize)| pair.0 < at && at < pair.1;
        self.pairs.iter().filter(holds).max_by_key(|pair| pair.0).copied()
    }

    /// What belongs to the header at a place: all up to the next one; `None` if it is none.
    pub(super) fn section(&self, source: &str, at: usize) -> Option<Span> {
        let start = source[..at].rfind('\n').map_or(0, |end| end + 1);
        let header = source[start..].trim_start().starts_with('[') && self.around(at).is_none();
        let end = source[at..].find("\n[").map_or(source.len(), |end| at + end);
        header.then_some(start..end)
    }

    /// The line on which what is given again at `span` was given before.
    pub(super) fn before(&self, source: &str, span: &Span) -> Option<usize> {
        if source.len() > LONGEST_SEARCHED {
            return None;
        }
        let line_of = |at: usize| 1 + source[..at].matches('\n').count();
        let start = source[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let bare = |line: &str| -> String {
            let line = line.split('#').next().unwrap_or_default();
            line.chars().filter(|char| !char.is_whitespace()).collect()
        };
        let own = bare(source[start..].lines().next().unwrap_or_default());
        if own.starts_with('[') && self.around(span.start).is_none() {
            return source[..start]
                .lines()
                .position(|line| bare(line) == own)
                .map(|at| at + 1);
        }
        let table = self.around(span.start);
        let name = source.get(span.clone())?.trim();
        if name.is_empty() {
            return None;
        }
        let mut from = match table {
            Some((open, _)) => open,
            None => source[..start].rfind("\n[").unwrap_or(0),
        };
        while let Some(found) = source.get(from..span.start)?.find(name) {
            let at = from + found;
            from = at + name.len();
            let before = source[..at].trim_end_matches([' ', '\t']).chars().next_back();
            let begins = before.is_none_or(|char| matches!(char, '\n' | ',' | '{' | '.'));
            let after = source[from..].trim_start_matches([' ', '\t', '"', '\'']);
            if begins && after.starts_with(['=', '.']) && self.around(at) == table {
                return Some(line_of(at));
            }
        }
        None
    }
}

/// Whether a line is the header of a table: brackets around a name, and nothing else.
fn is_header(line: &str) -> bool {
    let line = line.split('#').next().unwrap_or_default().trim_end();
    let inside = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inside = inside.map(|inside| match inside.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').unwrap_or("="),
        None => inside,
    });
    let name = |char: char| char.is_alphanumeric() || " -_.\"'".contains(char);
    inside.is_some_and(|inside| {
        let inside = inside.trim();
        inside.chars().all(name) && inside.starts_with(|char: char| char.is_ascii_alphabetic())
    })
}

/// Whether a line begins with a key and its value, which cannot stand in a list.
fn is_entry(line: &str) -> bool {
    let Some((key, _)) = line.split_once('=') else {
        return false;
    };
    let key = key.trim_end();
    let name = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    !key.is_empty() && key.chars().all(name)
}

/// Behind the end of the text that begins here.
fn text_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let long = bytes[at..].starts_with(&[quote; 3]);
    let mut here = at + if long { 3 } else { 1 };
    while here < bytes.len() {
        match bytes[here] {
            b'\\' if quote == b'"' => here += 1,
            b'\n' if !long => return here,
            byte if byte == quote && !long => return here + 1,
            byte if byte == quote && bytes[here..].starts_with(&[quote; 3]) => return here + 3,
            _ => {}
        }
        here += 1;
    }
    bytes.len()
}
