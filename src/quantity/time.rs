//! Simulated time in whole nanoseconds. All arithmetic saturates: an event that would lie beyond the
//! last representable instant (584 years) lies at it.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub, SubAssign};

use super::{Decimal, Quantity, padded, quote};

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// An instant: whole nanoseconds since the start of the run.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct SimTime(u64);

/// A length of time in whole nanoseconds, never negative.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct SimDuration(u64);

impl SimTime {
    pub const ZERO: SimTime = SimTime(0);
    pub const MAX: SimTime = SimTime(u64::MAX);

    pub const fn from_nanos(nanos: u64) -> Self {
        SimTime(nanos)
    }

    pub const fn nanos(self) -> u64 {
        self.0
    }

    pub fn as_secs_f64(self) -> f64 {
        self.since_start().as_secs_f64()
    }

    /// The time from the start of the run to this instant.
    pub const fn since_start(self) -> SimDuration {
        SimDuration(self.0)
    }
}

impl SimDuration {
    pub const ZERO: SimDuration = SimDuration(0);
    pub const MAX: SimDuration = SimDuration(u64::MAX);

    pub const fn from_nanos(nanos: u64) -> Self {
        SimDuration(nanos)
    }

    pub const fn from_micros(micros: u64) -> Self {
        SimDuration(micros.saturating_mul(1_000))
    }

    pub const fn from_millis(millis: u64) -> Self {
        SimDuration(millis.saturating_mul(1_000_000))
    }

    pub const fn from_secs(secs: u64) -> Self {
        SimDuration(secs.saturating_mul(NANOS_PER_SEC))
    }

    /// The one place where a float becomes time: to the nearest nanosecond, halves away from zero.
    /// What is negative or not a number becomes zero, what is too long becomes [`SimDuration::MAX`].
    pub fn from_secs_f64(secs: f64) -> Self {
        // `as` sends NaN and negative values to zero and saturates above.
        SimDuration((secs * NANOS_PER_SEC as f64).round() as u64)
    }

    pub const fn nanos(self) -> u64 {
        self.0
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC as f64
    }

    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This length times a factor, rounded as in [`SimDuration::from_secs_f64`].
    pub fn scaled(self, factor: f64) -> Self {
        SimDuration::from_secs_f64(self.as_secs_f64() * factor)
    }

    /// Reads `"200ms"`, `"1.5 s"`, `"2m30s"`, `"1h 30m"`. The decimal is taken exactly, then rounded
    /// to a whole nanosecond.
    ///
    /// # Errors
    /// Says what is wrong with the text and what would do.
    pub fn parse(text: &str) -> Result<Self, String> {
        <Self as Quantity>::parse_text(text)
    }
}

/// Units of time from the longest to the shortest, in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400 * NANOS_PER_SEC),
    ("h", 3_600 * NANOS_PER_SEC),
    ("m", 60 * NANOS_PER_SEC),
    ("s", NANOS_PER_SEC),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The length of a unit by its name. `min` and the two ways to write micro are understood as well.
fn unit_nanos(name: &str) -> Option<u64> {
    let name = match name {
        "min" => "m",
        "µs" | "μs" => "us",
        other => other,
    };
    UNITS
        .iter()
        .find(|(unit, _)| *unit == name)
        .map(|(_, nanos)| *nanos)
}

impl Quantity for SimDuration {
    const NAME: &'static str = "a duration";
    const HELP: &'static str =
        r#"write a duration with its unit (ns, us, ms, s, min, h, d), such as "200ms", "1.5s" or "2min""#;

    fn read(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err("the text is empty".to_owned());
        }
        let mut total: u128 = 0;
        let mut last_unit = u64::MAX;
        while !rest.is_empty() {
            let (number, after) = Decimal::scan(rest)?;
            let after = after.trim_start();
            let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            if name.is_empty() {
                return Err(if after.is_empty() {
                    format!("{} has no unit", quote(text))
                } else {
                    format!("{} is not a unit of time", quote(after))
                });
            }
            let nanos = unit_nanos(name).ok_or_else(|| format!("{} is not a unit of time", quote(name)))?;
            if nanos >= last_unit {
                return Err(format!(
                    "the units of {} do not go from the longest to the shortest",
                    quote(text)
                ));
            }
            last_unit = nanos;
            total = number
                .times(nanos.into())
                .and_then(|part| total.checked_add(part))
                .filter(|sum| *sum <= u64::MAX.into())
                .ok_or_else(|| format!("{} is longer than 584 years", quote(text)))?;
            rest = after.trim_start();
        }
        // The sum was held against u64::MAX above.
        Ok(SimDuration(total as u64))
    }
}

/// Exact, and read back by [`SimDuration::parse`] to the same value: `200ms`, `1.5s`, `1h 30m`. With
/// a precision, as in `{:.3}`, a length under a minute is rounded to that many significant digits.
impl fmt::Display for SimDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return padded(f, "0s");
        }
        let mut text = String::new();
        let mut left = self.0;
        for (name, nanos) in &UNITS[..3] {
            if left >= *nanos {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(&format!("{}{name}", left / nanos));
                left %= nanos;
            }
        }
        if left > 0 {
            let precision = f.precision().filter(|_| text.is_empty());
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&under_a_minute(left, precision));
        }
        padded(f, &text)
    }
}

fn under_a_minute(nanos: u64, significant: Option<usize>) -> String {
    let nanos = match significant {
        Some(digits) => {
            let step = 10u64.pow(nanos.ilog10().saturating_sub(digits.max(1) as u32 - 1));
            (nanos + step / 2) / step * step
        }
        None => nanos,
    };
    let (name, unit) = UNITS[3..]
        .iter()
        .find(|(_, unit)| nanos >= *unit)
        .unwrap_or(&UNITS[6]);
    let (whole, fraction) = (nanos / unit, nanos % unit);
    if fraction == 0 {
        return format!("{whole}{name}");
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{fraction:0width$}");
    format!("{whole}.{}{name}", fraction.trim_end_matches('0'))
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.since_start().fmt(f)
    }
}

impl Add<SimDuration> for SimTime {
    type Output = SimTime;
    fn add(self, length: SimDuration) -> SimTime {
        SimTime(self.0.saturating_add(length.0))
    }
}

impl AddAssign<SimDuration> for SimTime {
    fn add_assign(&mut self, length: SimDuration) {
        *self = *self + length;
    }
}

impl Sub<SimDuration> for SimTime {
    type Output = SimTime;
    fn sub(self, length: SimDuration) -> SimTime {
        SimTime(self.0.saturating_sub(length.0))
    }
}

impl Sub for SimTime {
    type Output = SimDuration;
    fn sub(self, earlier: SimTime) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }
}

impl Add for SimDuration {
    type Output = SimDuration;
    fn add(self, other: SimDuration) -> SimDuration {
        SimDuration(self.0.saturating_add(other.0))
    }
}

impl AddAssign for SimDuration {
    fn add_assign(&mut self, other: SimDuration) {
        *self = *self + other;
    }
}

impl Sub for SimDuration {
    type Output = SimDuration;
    fn sub(self, other: SimDuration) -> SimDuration {
        SimDuration(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for SimDuration {
    fn sub_assign(&mut self, other: SimDuration) {
        *self = *self - other;
    }
}

impl Mul<u64> for SimDuration {
    type Output = SimDuration;
    fn mul(self, times: u64) -> SimDuration {
        SimDuration(self.0.saturating_mul(times))
    }
}

/// Rounds down. A division by zero saturates like everything else here.
impl Div<u64> for SimDuration {
    type Output = SimDuration;
    fn div(self, parts: u64) -> SimDuration {
        SimDuration(self.0.checked_div(parts).unwrap_or(u64::MAX))
    }
}

impl Sum for SimDuration {
    fn sum<I: Iterator<Item = SimDuration>>(lengths: I) -> SimDuration {
        lengths.fold(SimDuration::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_exactly() {
        for (text, nanos) in [
            ("200ms", 200_000_000),
            ("1.5 s", 1_500_000_000),
            ("2m30s", 150_000_000_000),
            ("2min", 120_000_000_000),
            ("1h 30m", 5_400_000_000_000),
            ("250us", 250_000),
            ("250µs", 250_000),
            ("10ns", 10),
            ("0.1ns", 0),
            ("0.5ns", 1),
            ("0s", 0),
            ("7d", 604_800_000_000_000),
            ("1_000ms", 1_000_000_000),
            ("1e3 ms", 1_000_000_000),
            (".5s", 500_000_000),
            ("0.3s", 300_000_000),
        ] {
            assert_eq!(SimDuration::parse(text), Ok(SimDuration(nanos)), "{text}");
        }
    }

    #[test]
    fn bad_durations_say_what_is_wrong_and_what_would_do() {
        for (text, problem) in [
            ("", "the text is empty"),
            ("5", "`5` has no unit"),
            ("5 seconds", "`seconds` is not a unit of time"),
            ("5 S", "`S` is not a unit of time"),
            ("-5s", "`-5s` is negative"),
            ("s", "`s` does not begin with a number"),
            ("1,5s", "`1,5s` has a comma; the decimal sign is a point"),
            (
                "1s 1m",
                "the units of `1s 1m` do not go from the longest to the shortest",
            ),
            (
                "1s1s",
                "the units of `1s1s` do not go from the longest to the shortest",
            ),
            ("1s/2", "`/2` does not begin with a number"),
            ("600y", "`y` is not a unit of time"),
            ("300000d", "`300000d` is longer than 584 years"),
            ("1e40s", "`1e40s` has too many digits"),
            ("5%", "`%` is not a unit of time"),
        ] {
            let expected = format!("{problem}; {}", SimDuration::HELP);
            assert_eq!(SimDuration::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_float_becomes_time_in_one_way() {
        for (secs, nanos) in [
            (1.5, 1_500_000_000),
            (0.4e-9, 0),
            (0.5e-9, 1),
            (-1.0, 0),
            (f64::NAN, 0),
            (f64::NEG_INFINITY, 0),
            (f64::INFINITY, u64::MAX),
            (1e30, u64::MAX),
        ] {
            assert_eq!(SimDuration::from_secs_f64(secs).nanos(), nanos, "{secs}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let second = SimDuration::from_secs(1);
        assert_eq!(SimTime::MAX + second, SimTime::MAX);
        assert_eq!(SimTime::ZERO - SimTime::MAX, SimDuration::ZERO);
        assert_eq!(SimDuration::ZERO - second, SimDuration::ZERO);
        assert_eq!(SimDuration::MAX * 2, SimDuration::MAX);
        assert_eq!(second / 0, SimDuration::MAX);
        assert_eq!(
            [second, SimDuration::MAX].into_iter().sum::<SimDuration>(),
            SimDuration::MAX
        );
    }

    #[test]
    fn durations_are_written_for_people() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5us"),
            (200_000_000, "200ms"),
            (1_500_000_000, "1.5s"),
            (120_000_000_000, "2m"),
            (90_500_000_000, "1m 30.5s"),
            (5_400_000_000_000, "1h 30m"),
            (1_234_567_891, "1.234567891s"),
        ] {
            assert_eq!(SimDuration(nanos).to_string(), text);
        }
        assert_eq!(format!("{:.3}", SimDuration(1_234_567_891)), "1.23s");
        assert_eq!(format!("{:.2}", SimDuration(999_600)), "1ms");
        assert_eq!(
            format!("{:>4.1}|{:.1}", SimDuration::ZERO, SimTime::ZERO),
            "  0s|0s"
        );
        assert_eq!(format!("{:>8.3}|", SimDuration(12_345_678)), "  12.3ms|");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos: u64) {
            let length = SimDuration(nanos);
            prop_assert_eq!(SimDuration::parse(&length.to_string()), Ok(length));
        }

        #[test]
        fn any_precision_is_safe(nanos: u64, digits in 0usize..40) {
            let _ = format!("{:.*}", digits, SimDuration(nanos));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*") {
            let _ = SimDuration::parse(&text);
        }
    }
}
