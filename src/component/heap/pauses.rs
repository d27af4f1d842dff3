//! Pauses that are given instead of computed: by laws, from a table, or from a collector's log.

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
}

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
        "a file: lines `start,length` in seconds, or a log of the JVM (`-Xlog:gc`, JDK 9 and later)",
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
        let (file, span) = (inner.text("log")?, inner.span("log"));
        let path = names
            .folder
            .as_deref()
            .unwrap_or(std::path::Path::new(""))
            .join(&file);
        let found = crate::document::read_text(&path, crate::document::MOST_DATA)
            .map_err(|e| format!("reading {}: {e}", path.display()))
            .and_then(|text| parse(&text).map_err(|e| format!("{}: {e}", path.display())));
        return match found {
            Ok(list) => Some(Some(Pauses::Measured(list.into()))),
            Err(problem) => {
                inner.sink().error(span, "bad-file", problem).help(
                    "write lines `start,length` in seconds, or give a log made with -Xlog:gc (for ZGC -Xlog:gc,gc+phases)",
                );
                None
            }
        };
    }
    if !(inner.required("every") & inner.required("lasts")) {
        return None;
    }
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

/// Pauses from `start,length` lines or from a JVM's unified log.
pub fn parse(text: &str) -> Result<Vec<(u64, u64)>, String> {
    let mut list = if text.contains("Pause ") {
        log(text)
    } else {
        table(text)?
    };
    if list.is_empty() {
        return Err("no pause found in it".into());
    }
    list.sort_unstable();
    Ok(list)
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

/// Lines `Pause ... 18.734ms` are the pauses; cycle times of concurrent collectors are not. A line is written when
/// its pause ends, at the time in front of it.
fn log(text: &str) -> Vec<(u64, u64)> {
    let mut list = Vec::new();
    let mut clock = Clock::default();
    for line in text.lines() {
        let Some(at) = line.find("Pause ") else { continue };
        let Some(length) = line.split_whitespace().last().and_then(|w| w.strip_suffix("ms")) else {
            continue; // the line that a log at a finer level writes at the start
        };
        let (Ok(length), Some(end)) = (length.parse::<f64>(), clock.read(&line[..at])) else {
            continue;
        };
        list.push((nanos((end - length * 1e-3).max(0.0)), nanos(length * 1e-3)));
    }
    list
}

/// Reads the time in front of a log line: seconds since start, `[12.345s]` or `[12345ms]`, or a date and time,
/// counted from the first one.
#[derive(Default)]
struct Clock {
    first: Option<f64>,
    last: f64,
    days: f64,
}

impl Clock {
    fn read(&mut self, decorations: &str) -> Option<f64> {
        let mut dated = None;
        for field in decorations.split(['[', ']']).map(str::trim) {
            if let Some(v) = field.strip_suffix("ms").and_then(|v| v.parse::<f64>().ok()) {
                return Some(v * 1e-3);
            }
            if let Some(v) = field
                .strip_suffix('s')
                .and_then(|v| v.replace(',', ".").parse::<f64>().ok())
            {
                return Some(v);
            }
            if let Some((_, time)) = field.split_once('T') {
                dated = dated.or_else(|| time_of_day(time));
            }
        }
        let time = dated?;
        if time + 43_200.0 < self.last {
            self.days += 86_400.0;
        }
        self.last = time;
        let first = *self.first.get_or_insert(time);
        Some(time + self.days - first)
    }
}

fn time_of_day(text: &str) -> Option<f64> {
    let text = text.split(['+', '-', 'Z']).next()?;
    let mut fields = text.split(':').map(|f| f.parse::<f64>().ok());
    let (h, m, s) = (fields.next()??, fields.next()??, fields.next()??);
    Some(h * 3600.0 + m * 60.0 + s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pause_lines_of_a_unified_log_are_pauses() {
        let text = "\
[12.345s][info][gc] GC(57) Pause Young (Normal) (G1 Evacuation Pause) 1536M->412M(2048M) 18.734ms
[13.0s][info][gc] GC(59) Concurrent Mark Cycle
[13.5s][info][gc] GC(59) Pause Remark 1010M->985M(2048M) 4.210ms
[13.6s][info][gc] GC(59) Concurrent Mark Cycle 240.118ms
[14.0s][info][gc,start] GC(60) Pause Young (Normal) (G1 Evacuation Pause)
[15.0s][info][gc,phases] GC(7) y: Pause Mark Start 0.021ms
[16.0s][info][gc] GC(7) Minor Collection (Allocation Rate) 2126M(52%)->888M(22%) 0.093s
[17.0s][info][gc] Allocation Stall (http-nio-8080-exec-12) 38.120ms
[20.0s][info][gc] GC(70) Pause Full (G1 Compaction Pause) 2040M->1100M(2048M) 1850.331ms
";
        let found = parse(text).unwrap_or_default();
        assert_eq!(
            found,
            [
                (12_326_266_000, 18_734_000),
                (13_495_790_000, 4_210_000),
                (14_999_979_000, 21_000),
                (18_149_669_000, 1_850_331_000)
            ]
        );
    }

    #[test]
    fn dates_are_counted_from_the_first_line_over_midnight() {
        let text = "\
[2025-01-01T23:59:59.500+0000][gc] GC(1) Pause Young (Normal) 1M->1M(2M) 0.000ms
[2025-01-02T00:00:01.000+0000][gc] GC(2) Pause Young (Normal) 1M->1M(2M) 100.000ms
";
        assert_eq!(parse(text), Ok(vec![(0, 0), (1_400_000_000, 100_000_000)]));
    }

    #[test]
    fn a_table_has_a_start_and_a_length_a_line() {
        assert_eq!(
            parse("start,length\n2,0.5\n1,0.1\n"),
            Ok(vec![(1_000_000_000, 100_000_000), (2_000_000_000, 500_000_000)])
        );
        assert!(parse("1,0.1\n2,x\n").is_err_and(|e| e.contains("line 2")));
        assert!(parse("").is_err());
    }
}
