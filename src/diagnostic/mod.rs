//! What is wrong with a document, where, and what would do: problems are collected, never thrown one
//! at a time, so that a reader sees all of them in one go.

use std::ops::{Deref, DerefMut, Range};

mod render;

pub use render::render;

/// Bytes of the document's source.
pub type Span = Range<usize>;

#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// It can, but probably not as was meant.
    Warning,
    Note,
}

/// One problem: an identifier in words, one lowercase phrase, a place, and help that can be acted on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Such as `unknown-key`; stable, so that tests and readers can hold on to it.
    pub id: &'static str,
    pub message: String,
    pub span: Option<Span>,
    /// Stands beside the underlined place.
    pub label: String,
    pub help: Vec<String>,
    pub notes: Vec<String>,
}

impl Diagnostic {
    fn new(severity: Severity, id: &'static str, message: String) -> Self {
        Diagnostic {
            severity,
            id,
            message,
            span: None,
            label: String::new(),
            help: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn error(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, id, message.into())
    }

    pub fn warning(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, id, message.into())
    }

    pub fn remark(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, id, message.into())
    }

    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// A diagnostic that already lies in a [`Sink`], so that a label or help can be added to it.
pub struct Added<'a>(&'a mut Diagnostic);

impl Added<'_> {
    pub fn at(self, span: Span) -> Self {
        self.0.span = Some(span);
        self
    }

    pub fn label(self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    pub fn help(self, help: impl Into<String>) -> Self {
        self.0.help.push(help.into());
        self
    }

    pub fn note(self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }
}

impl Deref for Added<'_> {
    type Target = Diagnostic;
    fn deref(&self) -> &Diagnostic {
        self.0
    }
}

impl DerefMut for Added<'_> {
    fn deref_mut(&mut self) -> &mut Diagnostic {
        self.0
    }
}

/// So many errors are kept, and so many of everything else: nobody reads more, and a file of a million wrong keys would
/// take long to tell and much memory.
pub const MOST_KEPT: usize = 500;

/// Collects diagnostics in the order in which they were found.
#[derive(Clone, Default, Debug)]
pub struct Sink {
    found: Vec<Diagnostic>,
    /// Errors, and others, that were found.
    errors: usize,
    others: usize,
    /// The last one that was not kept.
    spare: Option<Diagnostic>,
}

impl Sink {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.add(diagnostic);
    }

    fn add(&mut self, diagnostic: Diagnostic) -> Added<'_> {
        let count = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            _ => &mut self.others,
        };
        *count += 1;
        if *count > MOST_KEPT {
            return Added(self.spare.insert(diagnostic));
        }
        self.spare = None;
        let at = self.found.len();
        self.found.push(diagnostic);
        Added(&mut self.found[at])
    }

    pub fn error(&mut self, span: Span, id: &'static str, message: impl Into<String>) -> Added<'_> {
        self.add(Diagnostic::error(id, message).at(span))
    }

    pub fn warning(&mut self, span: Span, id: &'static str, message: impl Into<String>) -> Added<'_> {
        self.add(Diagnostic::warning(id, message).at(span))
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.found
    }

    /// The one found last, so that a caller can add the place that only it knows.
    pub fn last_mut(&mut self) -> Option<&mut Diagnostic> {
        self.spare.as_mut().or(self.found.last_mut())
    }

    /// All that were kept, and a remark on how many were not.
    pub fn into_vec(self) -> Vec<Diagnostic> {
        let more = |found: usize| found.saturating_sub(MOST_KEPT);
        let told = match (more(self.errors), more(self.others)) {
            (0, 0) => return self.found,
            (errors, 0) => format!("{errors} errors more are not shown"),
            (0, others) => format!("{others} warnings more are not shown"),
            (errors, others) => format!("{errors} errors and {others} warnings more are not shown"),
        };
        let mut found = self.found;
        found.push(Diagnostic::remark("too-many-problems", told));
        found
    }
}

/// The candidate that was probably meant, if one is close: another spelling of the same word
/// (`maximumPoolSize` for `maximum-pool-size`) or at most one slip for every three letters, where
/// two neighbours changed about count as one. The first of equals wins. Else the only one that begins
/// like this (`least-conn`), or the word of this tool for it (`sleep` is a `delay`).
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    let wanted = plain(name);
    let length = wanted.chars().count();
    let mut best: Option<(usize, &str)> = None;
    let (mut begun, mut ours) = (Vec::new(), None);
    let meant = OTHER_WORDS
        .iter()
        .filter(|(_, words)| words.contains(&wanted.as_str()));
    let meant: Vec<&str> = meant.map(|(ours, _)| *ours).collect();
    for candidate in candidates {
        let offered = plain(candidate);
        let offered_length = offered.chars().count();
        let allowed = length.max(offered_length) / 3;
        let comparable = length.abs_diff(offered_length) <= allowed && !wanted.is_empty();
        let distance = match comparable {
            true => strsim::damerau_levenshtein(&wanted, &offered),
            false => usize::MAX,
        };
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
        if length >= BEGINNING && offered.starts_with(&wanted) {
            begun.push(candidate);
        }
        if meant.contains(&candidate) {
            ours = ours.or(Some(candidate));
        }
    }
    let only = match begun.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    best.map(|(_, candidate)| candidate).or(only).or(ours)
}

/// So many letters of a name are enough to find it, if only one begins with them.
const BEGINNING: usize = 5;

/// Words for what this tool calls otherwise, without the marks between their parts.
const OTHER_WORDS: &[(&str, &[&str])] = &[
    ("delay", &["sleep", "wait", "pause"]),
    ("publish", &["send", "produce", "emit", "enqueue"]),
    ("query", &["sql", "statement", "select"]),
    ("cpu", &["compute", "work", "burn"]),
    ("choose", &["branch", "switch", "if"]),
    ("parallel", &["fork", "all"]),
    ("repeat", &["loop", "times"]),
    ("fail", &["error", "throw"]),
    ("reply", &["return", "respond", "answer"]),
    ("else", &["otherwise", "fallback", "catch"]),
    ("cache", &["redis", "memcached", "caffeine"]),
    (
        "external",
        &["httpclient", "http", "api", "upstream", "thirdparty"],
    ),
    ("topic", &["kafka", "queue", "stream"]),
    ("lock", &["mutex", "latch"]),
    ("bulkhead", &["semaphore"]),
    ("balancer", &["loadbalancer", "lb", "nginx", "haproxy"]),
    ("host", &["server", "machine", "node", "vm"]),
    ("database", &["db", "mysql", "postgres", "postgresql"]),
    ("connection-pool", &["pool", "datasource", "hikari"]),
    ("workload", &["load", "scenario", "users", "traffic"]),
    ("objective", &["slo", "sla", "threshold", "thresholds"]),
    ("run", &["simulation", "simulate", "settings", "options"]),
    ("replicas", &["instances"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        let keys = ["burst", "rate", "maximum-pool-size", "minimum-idle", "in", "to"];
        for (name, expected) in [
            ("brust", Some("burst")),
            ("bursts", Some("burst")),
            ("rte", Some("rate")),
            ("maximumPoolSize", Some("maximum-pool-size")),
            ("maximum_pool_size", Some("maximum-pool-size")),
            ("max-pool-size", Some("maximum-pool-size")),
            ("idle", None),
            ("i", None),
            ("x", None),
            ("", None),
            ("--", None),
            ("completely-different", None),
            ("minim", Some("minimum-idle")),
            ("m", None),
        ] {
            assert_eq!(nearest(name, keys), expected, "{name}");
        }
    }

    #[test]
    fn a_word_of_another_tool_leads_to_ours() {
        let words = [
            "delay",
            "publish",
            "cache",
            "external",
            "least-connections",
            "least-bytes",
        ];
        for (name, expected) in [
            ("sleep", Some("delay")),
            ("Send", Some("publish")),
            ("redis", Some("cache")),
            ("http-client", Some("external")),
            ("least-conn", Some("least-connections")),
            ("least", None),
        ] {
            assert_eq!(nearest(name, words), expected, "{name}");
        }
        assert_eq!(nearest("redis", ["lock"]), None);
    }

    #[test]
    fn what_nobody_reads_any_more_is_counted() {
        let mut sink = Sink::default();
        for i in 0..MOST_KEPT + 7 {
            sink.warning(0..1, "odd", format!("{i} is odd")).help("do this");
        }
        assert!(!sink.has_errors());
        assert_eq!(
            sink.last_mut().map(|d| d.message.clone()),
            Some("506 is odd".into())
        );
        sink.error(0..1, "bad", "this is bad").label("here");
        assert_eq!(sink.last_mut().map(|d| d.id), Some("bad"));
        assert!(sink.has_errors());
        let found = sink.into_vec();
        assert_eq!(found.len(), MOST_KEPT + 2);
        assert_eq!(found[MOST_KEPT].label, "here");
        assert_eq!(found[MOST_KEPT + 1].message, "7 warnings more are not shown");
    }

    #[test]
    fn a_sink_knows_errors_from_warnings() {
        let mut sink = Sink::default();
        sink.warning(0..1, "odd", "this is odd").help("do this");
        assert!(!sink.has_errors());
        sink.error(0..1, "bad", "this is bad").label("here").note("why");
        assert!(sink.has_errors());
        let found = sink.into_vec();
        assert_eq!(found[0].help, ["do this"]);
        assert_eq!((found[1].label.as_str(), found[1].notes.len()), ("here", 1));
    }
}
