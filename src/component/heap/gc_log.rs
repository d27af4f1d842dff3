//! A collector's log, as the JVM's unified logging writes it (JDK 9 and later, `-Xlog:gc` and more).

/// A pause of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// Nanoseconds from the log's time zero.
    pub end: u64,
    /// Nanoseconds: the whole stop where the log has `safepoint` lines, else the collector's own time.
    pub length: u64,
    /// Bytes in use before and after it.
    pub sizes: Option<(u64, u64)>,
    /// It comes of a concurrent cycle's progress (remark, cleanup), not of an allocation that found no room.
    pub of_cycle: bool,
    /// Its line, from 1.
    pub line: usize,
}

/// The pauses of a log and the time of its last line in nanoseconds; the error names the line.
///
/// Pauses are lines `GC(57) Pause Young (Normal) 1536M->412M(2048M) 18.734ms`, of ZGC also `GC(7) y: Pause Mark
/// Start 0.021ms`. A line `Safepoint ..., Total: 6371374 ns` after them says how long the JVM stood still for them.
pub fn read(text: &str) -> Result<(Vec<Logged>, u64), String> {
    let mut list: Vec<Logged> = Vec::new();
    let mut clock = Clock::default();
    let mut last = 0u64;
    let cut_off = !text.ends_with('\n');
    let lines = text.lines().count();
    for (i, line) in text.lines().enumerate() {
        let wrong = |what: &str| Err(format!("line {}: {what}: `{}`", i + 1, shortened(line)));
        let (decorations, message) = split(line);
        let time = clock.read(decorations);
        if let Some(time) = time {
            if time + 1e9 < last as f64 {
                return wrong("time runs back by more than a second, as if two JVMs had written this log");
            }
            last = last.max(time as u64);
        }
        if let Some(total) = safepoint(message) {
            // Pauses that ended within this stop belong to it; the first of them bears what the collector does not count.
            let begin = last.saturating_sub(total);
            let within = list.iter().rev().take_while(|p| p.end >= begin).count();
            let at = list.len() - within;
            let counted: u64 = list[at..].iter().map(|p| p.length).fold(0, u64::saturating_add);
            if let Some(p) = list.get_mut(at) {
                p.length = p.length.saturating_add(total.saturating_sub(counted));
            }
            continue;
        }
        let Some(what) = pause(message) else { continue };
        let Some(word) = what.split_whitespace().last().filter(|w| w.ends_with("ms")) else {
            let begins = decorations.contains("start") || cut_off && i + 1 == lines;
            match begins {
                true => continue,
                false => return wrong("a pause without its length"),
            }
        };
        let length = word.trim_end_matches("ms").parse::<f64>().ok();
        let Some(length) = length.filter(|l| (0.0..1e9).contains(l)) else {
            return wrong("a pause whose length is no number of milliseconds");
        };
        let Some(time) = time else {
            return wrong(
                "a pause without a time in front of it (decorations `uptime`, `uptimenanos` or `time`)",
            );
        };
        list.push(Logged {
            end: time as u64,
            length: libm::round(length * 1e6) as u64,
            sizes: what.split_whitespace().find_map(sizes),
            of_cycle: what.starts_with("Pause Remark") || what.starts_with("Pause Cleanup"),
            line: i + 1,
        });
    }
    Ok((list, last))
}

/// Whether a text is such a log.
pub fn is_log(text: &str) -> bool {
    text.lines().any(|line| pause(split(line).1).is_some())
}

/// What stands in brackets in front, and the rest.
fn split(line: &str) -> (&str, &str) {
    let mut at = 0;
    while let Some(rest) = line.get(at..)
        && rest.trim_start().starts_with('[')
        && let Some(end) = rest.find(']')
    {
        at += end + 1;
    }
    line.split_at(at)
}

/// `Pause ...` of a line that tells of one.
fn pause(message: &str) -> Option<&str> {
    let message = message.trim();
    let rest = message.strip_prefix("GC(")?.split_once(')')?.1.trim_start();
    // Generational ZGC names the generation first.
    let rest = rest
        .strip_prefix("y: ")
        .or(rest.strip_prefix("Y: "))
        .or(rest.strip_prefix("O: "))
        .unwrap_or(rest);
    rest.starts_with("Pause ").then_some(rest)
}

/// Nanoseconds of a safepoint.
fn safepoint(message: &str) -> Option<u64> {
    let message = message.trim();
    message.strip_prefix("Safepoint \"")?;
    let total = message.split_once("Total:")?.1;
    total.split_whitespace().next()?.parse().ok()
}

/// `190M->107M(255M)` in bytes before and after.
fn sizes(word: &str) -> Option<(u64, u64)> {
    let (before, rest) = word.split_once("->")?;
    Some((bytes(before)?, bytes(rest.split('(').next()?)?))
}

/// 16 TiB: no collector takes more.
const LARGEST_HEAP: u64 = 1 << 44;

fn bytes(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b'B' => 1,
        b'K' => 1 << 10,
        b'M' => 1 << 20,
        b'G' => 1 << 30,
        _ => return None,
    };
    let bytes = text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(unit)?;
    (bytes <= LARGEST_HEAP).then_some(bytes)
}

fn shortened(line: &str) -> String {
    let mut text: String = line.chars().take(100).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

/// Reads the time in front of a line, in nanoseconds: since the JVM's start, `[12.345s]`, `[12345ms]` or
/// `[12345678901ns]`, the finest of them; or a date and time, counted from the first one.
#[derive(Default)]
struct Clock {
    first: Option<f64>,
    last: f64,
    days: f64,
}

impl Clock {
    fn read(&mut self, decorations: &str) -> Option<f64> {
        let mut best: Option<(u8, f64)> = None;
        let mut dated = None;
        for field in decorations.split(['[', ']']).map(str::trim) {
            for (rank, suffix, unit) in [(3, "ns", 1.0), (2, "ms", 1e6), (1, "s", 1e9)] {
                let Some(number) = field.strip_suffix(suffix) else {
                    continue;
                };
                if let Ok(v) = number.replace(',', ".").parse::<f64>()
                    && (0.0..1e18).contains(&(v * unit))
                    && best.is_none_or(|b| b.0 < rank)
                {
                    best = Some((rank, v * unit));
                }
                break;
            }
            if let Some((_, time)) = field.split_once('T') {
                dated = dated.or_else(|| time_of_day(time));
            }
        }
        if let Some((_, time)) = best {
            return Some(time);
        }
        let time = dated?;
        if time + 43_200.0 < self.last {
            self.days += 86_400.0;
        }
        self.last = time;
        let first = *self.first.get_or_insert(time);
        Some((time + self.days - first) * 1e9)
    }
}

fn time_of_day(text: &str) -> Option<f64> {
    let text = text.split(['+', '-', 'Z']).next()?;
    let mut fields = text.split(':').map(|f| f.parse::<f64>().ok());
    let (h, m, s) = (fields.next()??, fields.next()??, fields.next()??);
    (h < 25.0 && m < 61.0 && s < 62.0).then_some(h * 3600.0 + m * 60.0 + s)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_and_lengths(text: &str) -> Vec<(u64, u64)> {
        let (list, _) = read(text).unwrap_or_default();
        list.iter().map(|p| (p.end, p.length)).collect()
    }

    #[test]
    fn only_pause_lines_are_pauses() {
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
        let (list, last) = read(text).expect("a log");
        assert_eq!(last, 20_000_000_000);
        assert_eq!(
            list.iter()
                .map(|p| (p.end, p.length, p.of_cycle))
                .collect::<Vec<_>>(),
            [
                (12_345_000_000, 18_734_000, false),
                (13_500_000_000, 4_210_000, true),
                (15_000_000_000, 21_000, false),
                (20_000_000_000, 1_850_331_000, false)
            ]
        );
        assert_eq!(list[0].sizes, Some((1536 << 20, 412 << 20)));
        assert_eq!(list[2].sizes, None);
    }

    #[test]
    fn a_safepoint_says_how_long_the_stop_was() {
        let text = "\
[0.658s][657748905ns][gc] GC(0) Pause Young (Allocation Failure) 64M->64M(245M) 251.544ms
[0.658s][657809625ns][safepoint] Safepoint \"ParallelGCFailedAllocation\", Time since last: 313011082 ns, Reaching safepoint: 6410 ns, Cleanup: 30776 ns, At safepoint: 251652651 ns, Total: 251689837 ns
[1.746s][1746024506ns][safepoint] Safepoint \"Cleanup\", Time since last: 1088131618 ns, Reaching safepoint: 3755 ns, Cleanup: 75502 ns, At safepoint: 2133 ns, Total: 81390 ns
[2.000s][2000000000ns][gc] GC(1) Pause Young (Allocation Failure) 64M->64M(245M) 1.000ms
";
        assert_eq!(
            ends_and_lengths(text),
            [(657_748_905, 251_689_837), (2_000_000_000, 1_000_000)]
        );
    }

    #[test]
    fn dates_are_counted_from_the_first_line_over_midnight() {
        let text = "\
[2025-01-01T23:59:59.500+0000][gc] GC(1) Pause Young (Normal) 1M->1M(2M) 0.000ms
[2025-01-02T00:00:01.000+0000][gc] GC(2) Pause Young (Normal) 1M->1M(2M) 100.000ms
";
        assert_eq!(ends_and_lengths(text), [(0, 0), (1_500_000_000, 100_000_000)]);
    }

    #[test]
    fn wrong_lines_are_told_by_their_number() {
        let told = |line: &str| {
            let text = format!("[1.0s][gc] GC(0) Pause Young (Normal) 2M->1M(4M) 1.0ms\n{line}\n");
            read(&text).expect_err("a wrong log")
        };
        let cases = [
            (
                "[2.0s][gc] GC(1) Pause Young (Normal) 2M->1M(4M)",
                "without its length",
            ),
            (
                "[2.0s][gc] GC(1) Pause Young (Normal) 2M->1M(4M) x.5ms",
                "no number",
            ),
            (
                "[2.0s][gc] GC(1) Pause Young (Normal) 2M->1M(4M) -3ms",
                "no number",
            ),
            (
                "[gc] GC(1) Pause Young (Normal) 2M->1M(4M) 3.0ms",
                "without a time",
            ),
            (
                "[nans][gc] GC(1) Pause Young (Normal) 2M->1M(4M) 3.0ms",
                "without a time",
            ),
            (
                "[-5.0s][gc] GC(1) Pause Young (Normal) 2M->1M(4M) 3.0ms",
                "without a time",
            ),
            (
                "[9999999999s][gc] GC(1) Pause Young (Normal) 2M->1M(4M) 3.0ms",
                "without a time",
            ),
        ];
        for (line, what) in cases {
            let why = told(line);
            assert!(why.starts_with("line 2: ") && why.contains(what), "{why}");
        }
        let text =
            "[9.0s][gc] GC(0) Pause Young 2M->1M(4M) 1.0ms\n[0.5s][gc] GC(0) Pause Young 2M->1M(4M) 1.0ms\n";
        assert!(read(text).is_err_and(|why| why.contains("runs back")));
        // The last line of a JVM that was killed.
        let text = "[9.0s][gc] GC(0) Pause Young 2M->1M(4M) 1.0ms\n[9.5s][gc] GC(1) Pause You";
        assert_eq!(ends_and_lengths(text).len(), 1);
    }

    #[test]
    fn sizes_are_read_in_all_units_of_the_log() {
        for (text, expected) in [
            ("17B", Some(17)),
            ("64K", Some(64 << 10)),
            ("107M", Some(107 << 20)),
            ("2G", Some(2 << 30)),
            ("16384G", Some(LARGEST_HEAP)),
            ("16385G", None),
            ("5X", None),
            ("M", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
        assert_eq!(sizes("190M->107K(255M)"), Some((190 << 20, 107 << 10)));
    }

    #[test]
    fn a_date_that_runs_back_by_more_than_half_a_day_is_the_next_day() {
        let log = |times: &[&str]| {
            let line = |t: &&str| {
                format!("[2026-11-21T{t}+0100][gc] GC(1) Pause Young (Normal) (G1) 10M->5M(20M) 2.000ms\n")
            };
            times.iter().map(line).collect::<String>()
        };
        let ends = |times: &[&str]| -> Vec<u64> {
            ends_and_lengths(&log(times))
                .iter()
                .map(|p| p.0 / 1_000_000)
                .collect()
        };
        assert_eq!(
            ends(&["23:59:59.500", "00:00:00.250", "23:59:59.500", "00:00:00.250"]),
            [0, 750, 86_400_000, 86_400_750]
        );
        assert_eq!(ends(&["13:00:00.000", "00:59:59.000"]), [0, 43_199_000]);
        assert!(read(&log(&["13:00:00.000", "01:00:01.000"])).is_err());
        // A leap second.
        assert_eq!(ends(&["23:59:58.000", "23:59:60.500"]), [0, 2500]);
        assert!(read(&log(&["23:59:62.000"])).is_err());
    }

    #[test]
    fn half_a_day_back_is_no_new_day_and_a_time_of_day_has_its_limits() {
        let mut clock = Clock::default();
        let mut at = |time: &str| clock.read(&format!("[2026-11-21T{time}Z]")).map(|t| t * 1e-9);
        assert_eq!(
            (at("12:00:00"), at("00:00:00"), at("12:00:01"), at("00:00:00.5")),
            (Some(0.0), Some(-43_200.0), Some(1.0), Some(43_200.5))
        );
        for (time, is_one) in [
            ("24:60:61.9", true),
            ("25:00:00", false),
            ("00:61:00", false),
            ("00:00:62", false),
            ("99:00:00", false),
            ("00:99:00", false),
        ] {
            assert_eq!(time_of_day(time).is_some(), is_one, "{time}");
        }
    }

    #[test]
    fn of_two_times_as_fine_the_first_counts() {
        assert_eq!(Clock::default().read("[2.5s][7.5s]"), Some(2.5e9));
        assert_eq!(Clock::default().read("[2.5s][2600ms][7700ms]"), Some(2.6e9));
    }

    #[test]
    fn a_long_line_is_shown_with_its_end_left_out() {
        assert_eq!(shortened(&"a".repeat(100)), "a".repeat(100));
        assert_eq!(shortened(&"a".repeat(101)), "a".repeat(100) + "…");
    }
}
