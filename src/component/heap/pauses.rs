//! Pauses that are given instead of computed: by laws, from a table, or from a collector's log.

use super::gc_log::{self, Logged};
use crate::component::{Names, read_law};
use crate::distribution::{Law, LawUnit};
use crate::document::{Form, Key, Reader, key};

/// As checked.
#[derive(Clone, Debug)]
pub enum Pauses {
    /// From one start to the next, and how long.
    Laws { every: Law, lasts: Law },
    /// Start and length, nanoseconds, in the order of their starts.
    Measured(std::sync::Arc<[(u64, u64)]>),
    /// The collections of a log in their order, each when so much has been allocated.
    Allocated(std::sync::Arc<[Collection]>),
}

/// A collection that an allocation triggers.
#[derive(Clone, Debug, PartialEq)]
pub struct Collection {
    /// Bytes allocated since the one before it.
    pub after: u64,
    /// Nanoseconds.
    pub length: u64,
    /// Pauses of a concurrent cycle that follow it: from the end of the pause before to the start, and how long.
    pub then: Vec<(u64, u64)>,
}

const TRIGGERS: &[&str] = &["time", "allocation"];

const KEYS: &[Key] = &[
    key(
        "every",
        Form::Law,
        None,
        "from the start of a pause to the start of the next one",
    ),
    key("lasts", Form::Law, None, "how long a pause is"),
    key(
        "log",
        Form::Text,
        None,
        "a file: lines `start,length` in seconds, or a log of the JVM (`-Xlog:gc,safepoint`, JDK 9 and later)",
    ),
    key(
        "last",
        Form::Duration,
        None,
        "only the end of the log, so long: the time of the load test; without it all of it",
    ),
    key(
        "trigger",
        Form::Choice(TRIGGERS),
        Some("\"time\""),
        "when the log's pauses happen: at their `time`, or when so much was allocated as between them in the log",
    ),
];

/// Reads the table `pauses`; `None` if it is wrong.
pub fn check(reader: &mut Reader, names: &Names) -> Option<Option<Pauses>> {
    if !reader.has("pauses") {
        return Some(None);
    }
    let table = reader.table("pauses")?;
    let what = format!("the pauses of {}", reader.what());
    let mut inner = Reader::new(what, table, KEYS, reader.sink());
    if inner.has("log") {
        return from_file(&mut inner, names).map(Some);
    }
    for key in ["last", "trigger"] {
        if inner.has(key) {
            let span = inner.key_span(key);
            inner
                .sink()
                .error(span, "does-not-apply", format!("`{key}` belongs to a `log`"))
                .help("write `{ log = \"gc.log\" }`, or leave it out");
            return None;
        }
    }
    inner.required("every");
    inner.required("lasts");
    let (every, lasts) = (inner.law("every")?, inner.law("lasts")?);
    let span = every.span.clone();
    let every = read_law(&every, LawUnit::Duration, "`every`", names, inner.sink());
    let lasts = read_law(&lasts, LawUnit::Duration, "`lasts`", names, inner.sink());
    let (every, lasts) = (every?, lasts?);
    if every.mean().is_some_and(|m| m < 1e-6) {
        inner.sink().error(
            span,
            "out-of-range",
            "pauses less than a microsecond apart leave no time to work",
        );
        return None;
    }
    Some(Some(Pauses::Laws { every, lasts }))
}

fn from_file(inner: &mut Reader, names: &Names) -> Option<Pauses> {
    for key in ["every", "lasts"] {
        if inner.has(key) {
            let span = inner.key_span(key);
            inner.sink().error(
                span,
                "two-verbs",
                format!("pauses have either a `log` or `every` and `lasts`, not `{key}` beside a `log`"),
            );
            return None;
        }
    }
    let (file, span) = (inner.text("log")?, inner.span("log"));
    let last = match inner.has("last") {
        true => Some(inner.positive_duration("last")?.nanos()),
        false => None,
    };
    let by_allocation = inner.choice("trigger")? == "allocation";
    let folder = names.folder.as_deref();
    let path = folder.unwrap_or(std::path::Path::new("")).join(&file);
    let found = crate::document::read_text(&path, crate::document::MOST_DATA)
        .map_err(|e| format!("reading {}: {e}", path.display()))
        .and_then(|text| {
            let found = match by_allocation {
                true => collections(&text, last).map(|list| Pauses::Allocated(list.into())),
                false => parse(&text, last).map(|list| Pauses::Measured(list.into())),
            };
            found.map_err(|e| format!("{}: {e}", path.display()))
        });
    found
        .map_err(|problem| {
            inner.sink().error(span, "bad-file", problem).help(
                "write lines `start,length` in seconds, or give a log made with -Xlog:gc,safepoint (for ZGC -Xlog:gc,gc+phases)",
            );
        })
        .ok()
}

/// Starts and lengths from `start,length` lines or from a JVM's unified log, the last so many nanoseconds of it.
pub fn parse(text: &str, last: Option<u64>) -> Result<Vec<(u64, u64)>, String> {
    let (mut list, end) = if gc_log::is_log(text) {
        let (list, end) = gc_log::read(text)?;
        let pauses = list.iter().map(|p| (p.end.saturating_sub(p.length), p.length));
        (pauses.collect(), end)
    } else {
        let list = table(text)?;
        let end = list.iter().map(|(start, length)| start + length).max();
        (list, end.unwrap_or(0))
    };
    let from = last.map_or(0, |last| end.saturating_sub(last));
    list.retain(|(start, _)| *start >= from);
    for pause in &mut list {
        pause.0 -= from;
    }
    if list.is_empty() {
        return Err("no pause found in it".into());
    }
    list.sort_unstable();
    Ok(list)
}

/// The collections of a JVM's log, each with what was allocated before it.
fn collections(text: &str, last: Option<u64>) -> Result<Vec<Collection>, String> {
    if !gc_log::is_log(text) {
        return Err("it is not a log of the JVM's, and only that says how much was allocated".into());
    }
    let (list, end) = gc_log::read(text)?;
    let from = last.map_or(0, |last| end.saturating_sub(last));
    let mut found: Vec<Collection> = Vec::new();
    let (mut before, mut allocated): (Option<&Logged>, u64) = (None, 0);
    for p in &list {
        let Some((used, _)) = p.sizes else {
            return Err(format!(
                "line {}: this pause has no sizes before and after it, as in `190M->107M(255M)`, so nobody knows which allocation triggers it",
                p.line
            ));
        };
        let previous = before.and_then(|b| b.sizes).map_or(0, |s| s.1);
        allocated = allocated.saturating_add(used.saturating_sub(previous));
        let gap = before.map_or(0, |b| p.end.saturating_sub(p.length).saturating_sub(b.end));
        before = Some(p);
        let inside = p.end.saturating_sub(p.length) >= from;
        match found.last_mut() {
            Some(collection) if p.of_cycle => collection.then.push((gap, p.length)),
            _ if p.of_cycle => {}
            _ => {
                if inside {
                    found.push(Collection {
                        after: allocated,
                        length: p.length,
                        then: Vec::new(),
                    });
                }
                allocated = 0;
            }
        }
    }
    if found.is_empty() {
        return Err("no pause found in it".into());
    }
    if found.iter().all(|c| c.after == 0) {
        return Err("nothing was allocated between its pauses, so no allocation would trigger one".into());
    }
    Ok(found)
}

fn nanos(seconds: f64) -> u64 {
    libm::round(seconds * 1e9) as u64
}

fn table(text: &str) -> Result<Vec<(u64, u64)>, String> {
    let mut list = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line
            .split(',')
            .map(|f| f.trim().parse::<f64>().ok().filter(|v| (0.0..1e9).contains(v)));
        match (fields.next().flatten(), fields.next().flatten()) {
            (Some(start), Some(length)) => list.push((nanos(start), nanos(length))),
            _ if i == 0 => {} // a header
            _ => {
                return Err(format!(
                    "line {}: `{line}` is not a start and a length in seconds",
                    i + 1
                ));
            }
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[1.0s][gc] GC(0) Pause Young (Allocation Failure) 60M->10M(100M) 100.000ms
[9.0s][gc] GC(1) Pause Young (Allocation Failure) 70M->15M(100M) 2.000ms
[9.5s][gc] GC(2) Pause Young (Concurrent Start) (G1 Evacuation Pause) 60M->20M(100M) 3.000ms
[9.6s][gc] GC(3) Pause Remark 25M->25M(100M) 4.000ms
[9.7s][gc] GC(3) Pause Cleanup 26M->24M(100M) 0.100ms
[10.0s][gc] GC(4) Pause Young (Mixed) (G1 Evacuation Pause) 50M->20M(100M) 5.000ms
";

    #[test]
    fn a_logs_pauses_happen_at_their_times_counted_from_the_begin_of_its_last_part() {
        let all = parse(LOG, None).unwrap_or_default();
        assert_eq!((all.len(), all[0]), (6, (900_000_000, 100_000_000)));
        let part = parse(LOG, Some(1_500_000_000)).unwrap_or_default();
        assert_eq!((part.len(), part[0]), (5, (498_000_000, 2_000_000)));
        assert!(parse(LOG, Some(1)).is_err_and(|e| e == "no pause found in it"));
    }

    #[test]
    fn between_collections_lies_what_was_allocated() {
        let list = collections(LOG, Some(1_500_000_000)).unwrap_or_default();
        let mib = |c: &Collection| (c.after >> 20, c.length);
        assert_eq!(
            list.iter().map(mib).collect::<Vec<_>>(),
            [(60, 2_000_000), (45, 3_000_000), (32, 5_000_000)]
        );
        assert_eq!(list[1].then, [(96_000_000, 4_000_000), (99_900_000, 100_000)]);
        // Pauses of a cycle that began before the log are no collections.
        let late = collections(&LOG[LOG.find("[9.6s]").unwrap_or(0)..], None).unwrap_or_default();
        assert_eq!(late.iter().map(mib).collect::<Vec<_>>(), [(52, 5_000_000)]);
    }

    #[test]
    fn a_log_without_sizes_says_nothing_of_allocation() {
        let zgc = "[15.0s][info][gc,phases] GC(7) y: Pause Mark Start 0.021ms\n";
        assert!(collections(zgc, None).is_err_and(|e| e.starts_with("line 1: ")));
        assert!(collections("1,0.5\n", None).is_err());
        let still = "[1.0s][gc] GC(0) Pause Full (System.gc()) 0M->0M(9M) 1.000ms\n";
        assert!(collections(still, None).is_err_and(|e| e.contains("nothing was allocated")));
    }

    #[test]
    fn a_table_has_a_start_and_a_length_a_line() {
        assert_eq!(
            parse("start,length\n2,0.5\n1,0.1\n", None),
            Ok(vec![(1_000_000_000, 100_000_000), (2_000_000_000, 500_000_000)])
        );
        assert!(parse("1,0.1\n2,x\n", None).is_err_and(|e| e.contains("line 2")));
        assert!(parse("", None).is_err());
    }
}
