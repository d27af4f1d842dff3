//! Plain values with units, as people write them: `"40/s"`, `"8 MiB"`, `"62%"`, `"12 USD"`, `"1.5s"`.

use std::fmt;

mod decimal;
mod time;

use decimal::Decimal;

pub use time::{SimDuration, SimTime};

/// A value that is written as a number with a unit.
pub trait Quantity: Sized {
    /// With its article, as in "a duration".
    const NAME: &'static str;
    /// What to write instead, with examples.
    const HELP: &'static str;

    /// Reads the text.
    ///
    /// # Errors
    /// Says only what is wrong; [`Quantity::HELP`] says what would do.
    fn read(text: &str) -> Result<Self, String>;

    /// Reads the text.
    ///
    /// # Errors
    /// Says what is wrong and what would do.
    fn parse_text(text: &str) -> Result<Self, String> {
        Self::read(text).map_err(|problem| format!("{problem}; {}", Self::HELP))
    }
}

/// What a user wrote, between backticks and not longer than a message can bear.
fn quote(text: &str) -> String {
    const LONGEST: usize = 40;
    let text = text.trim();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// A float in at most `digits` significant digits, without an exponent and without trailing zeros.
fn significant(value: f64, digits: usize) -> String {
    let rounded = format!("{value:.*e}", digits.saturating_sub(1));
    match rounded.parse::<f64>() {
        Ok(rounded) => rounded.to_string(),
        Err(_) => value.to_string(),
    }
}

/// Writes a text in the width and alignment asked for. `Formatter::pad` would do, but takes the
/// precision for a number of characters to keep.
fn padded(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let width = f.width().unwrap_or(0);
    match f.align() {
        Some(fmt::Alignment::Right) => write!(f, "{text:>width$}"),
        Some(fmt::Alignment::Center) => write!(f, "{text:^width$}"),
        _ => write!(f, "{text:<width$}"),
    }
}

/// Occurrences in a time; kept per second.
#[derive(Copy, Clone, PartialEq, PartialOrd, Default, Debug)]
pub struct Rate {
    /// Finite and not negative.
    pub per_second: f64,
}

/// Units of time a rate may be taken over, in seconds.
const RATE_UNITS: [(&str, f64); 4] = [("s", 1.0), ("min", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

impl Rate {
    pub const ZERO: Rate = Rate { per_second: 0.0 };

    pub const fn per_second(per_second: f64) -> Self {
        Rate { per_second }
    }

    /// Reads `"40/s"`, `"2400/min"`, `"10/h"`, `"3/d"`.
    ///
    /// # Errors
    /// Says what is wrong with the text and what would do.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_text(text)
    }

    /// The time between two occurrences at this rate; [`SimDuration::MAX`] for a rate of zero.
    pub fn period(self) -> SimDuration {
        SimDuration::from_secs_f64(1.0 / self.per_second)
    }
}

impl Quantity for Rate {
    const NAME: &'static str = "a rate";
    const HELP: &'static str = r#"write a rate over s, min, h or d, such as "40/s", "2400/min" or "10/h""#;

    fn read(text: &str) -> Result<Self, String> {
        let (number, rest) = Decimal::scan(text.trim())?;
        let rest = rest.trim_start();
        let Some(unit) = rest.strip_prefix('/') else {
            return Err(if rest.is_empty() {
                format!("{} does not say over which time", quote(text))
            } else {
                format!("{} is not `/` and a unit of time", quote(rest))
            });
        };
        let unit = unit.trim();
        let (_, seconds) = RATE_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| format!("{} is not a unit of time for a rate", quote(unit)))?;
        Ok(Rate {
            per_second: number.to_f64() / seconds,
        })
    }
}

/// In the shortest unit in which it is at least one, to six significant digits.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, seconds) = RATE_UNITS
            .iter()
            .find(|(_, seconds)| self.per_second * seconds >= 0.999_999_5)
            .unwrap_or(&RATE_UNITS[0]);
        padded(
            f,
            &format!("{}/{name}", significant(self.per_second * seconds, 6)),
        )
    }
}

/// A number of bytes.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Bytes(pub u64);

/// Binary units before decimal ones, large before small: the order in which one is picked to print.
const BYTE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl Bytes {
    pub const ZERO: Bytes = Bytes(0);

    pub const fn count(self) -> u64 {
        self.0
    }

    pub fn as_f64(self) -> f64 {
        self.0 as f64
    }

    /// Reads `"350KiB"`, `"8 MiB"`, `"1GB"`, `"512B"`; a part of a byte is rounded.
    ///
    /// # Errors
    /// Says what is wrong with the text and what would do.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_text(text)
    }
}

impl Quantity for Bytes {
    const NAME: &'static str = "a size in bytes";
    const HELP: &'static str = r#"write a size with its unit (B, KB = 1000 B, KiB = 1024 B, MB, MiB, GB, GiB, TB, TiB), such as "350KiB" or "8 MiB""#;

    fn read(text: &str) -> Result<Self, String> {
        let (number, unit) = Decimal::scan(text.trim())?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Err(format!("{} has no unit", quote(text)));
        }
        let name = if unit == "kB" { "KB" } else { unit };
        let (_, size) = BYTE_UNITS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("{} is not a unit of size", quote(unit)))?;
        number
            .times((*size).into())
            .and_then(|bytes| u64::try_from(bytes).ok())
            .map(Bytes)
            .ok_or_else(|| format!("{} is more than 16 EiB", quote(text)))
    }
}

/// Exact, in the largest unit of which it is a whole number. With a precision, as in `{:.1}`, in the
/// largest binary unit with that many decimal places.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(places) = f.precision() {
            return match BYTE_UNITS[..4].iter().find(|(_, size)| self.0 >= *size) {
                Some((name, size)) => write!(f, "{:.places$}{name}", self.0 as f64 / *size as f64),
                None => write!(f, "{}B", self.0),
            };
        }
        let (name, size) = BYTE_UNITS
            .iter()
            .find(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size))
            .unwrap_or(&BYTE_UNITS[8]);
        padded(f, &format!("{}{name}", self.0 / size))
    }
}

/// A part of a whole, from 0 to 1.
#[derive(Copy, Clone, PartialEq, PartialOrd, Default, Debug)]
pub struct Share(pub f64);

impl Share {
    pub const NONE: Share = Share(0.0);
    pub const ALL: Share = Share(1.0);

    pub const fn value(self) -> f64 {
        self.0
    }

    /// Reads `"62%"` or `"0.62"`.
    ///
    /// # Errors
    /// Says what is wrong with the text and what would do.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_text(text)
    }

    /// Takes a bare number from 0 to 1.
    ///
    /// # Errors
    /// Says only what is wrong; [`Quantity::HELP`] says what would do.
    pub fn from_number(number: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&number) {
            Ok(Share(number))
        } else if number > 1.0 && number <= 100.0 {
            Err(format!(
                "{number} is more than the whole; for {number} of a hundred write \"{number}%\""
            ))
        } else {
            Err(format!("{number} is not between 0 and 1"))
        }
    }
}

impl Quantity for Share {
    const NAME: &'static str = "a share";
    const HELP: &'static str = r#"write a share between 0% and 100%, such as "62%" or 0.62"#;

    fn read(text: &str) -> Result<Self, String> {
        let (number, rest) = Decimal::scan(text.trim())?;
        match rest.trim() {
            "%" => match number.to_f64() / 100.0 {
                share if share <= 1.0 => Ok(Share(share)),
                _ => Err(format!("{} is more than the whole", quote(text))),
            },
            "" => Share::from_number(number.to_f64()),
            other => Err(format!("{} is not `%`", quote(other))),
        }
    }
}

/// In per cent, to six significant digits.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        padded(f, &format!("{}%", significant(self.0 * 100.0, 6)))
    }
}

/// An amount in one currency; amounts in different currencies are not compared.
#[derive(Clone, PartialEq, Debug)]
pub struct Money {
    /// Finite and not negative.
    pub amount: f64,
    /// Three capital letters, as in ISO 4217.
    pub currency: String,
}

impl Money {
    /// Reads `"12 USD"`, `"0.4 EUR"`.
    ///
    /// # Errors
    /// Says what is wrong with the text and what would do.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_text(text)
    }
}

impl Quantity for Money {
    const NAME: &'static str = "an amount of money";
    const HELP: &'static str = r#"write an amount and the three letters of its currency, such as "12 USD""#;

    fn read(text: &str) -> Result<Self, String> {
        let (number, rest) = Decimal::scan(text.trim())?;
        let currency = rest.trim();
        if currency.is_empty() {
            return Err(format!("{} has no currency", quote(text)));
        }
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(format!("{} is not a currency", quote(currency)));
        }
        Ok(Money {
            amount: number.to_f64(),
            currency: currency.to_owned(),
        })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.precision() {
            Some(places) => write!(f, "{:.places$} {}", self.amount, self.currency),
            None => write!(f, "{} {}", significant(self.amount, 9), self.currency),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_are_read_per_second() {
        for (text, per_second, back) in [
            ("40/s", 40.0, "40/s"),
            ("2400/min", 40.0, "40/s"),
            ("10 / h", 10.0 / 3600.0, "10/h"),
            ("3/d", 3.0 / 86400.0, "3/d"),
            ("0.5/s", 0.5, "30/min"),
            ("1e3/s", 1000.0, "1000/s"),
            ("1_500/s", 1500.0, "1500/s"),
            ("0/s", 0.0, "0/s"),
        ] {
            let rate = Rate::parse(text).unwrap();
            assert_eq!(rate.per_second, per_second, "{text}");
            assert_eq!(rate.to_string(), back);
        }
        assert_eq!(Rate::per_second(40.0).period(), SimDuration::from_millis(25));
        assert_eq!(Rate::ZERO.period(), SimDuration::MAX);
    }

    #[test]
    fn sizes_are_read_in_bytes() {
        for (text, bytes, back) in [
            ("350KiB", 358_400, "350KiB"),
            ("8 MiB", 8 << 20, "8MiB"),
            ("1GB", 1_000_000_000, "1GB"),
            ("1kB", 1_000, "1KB"),
            ("512B", 512, "512B"),
            ("1.5KiB", 1_536, "1536B"),
            ("0B", 0, "0B"),
        ] {
            let size = Bytes::parse(text).unwrap();
            assert_eq!(size, Bytes(bytes), "{text}");
            assert_eq!(size.to_string(), back);
        }
        assert_eq!(format!("{:.1}", Bytes(1_500_000)), "1.4MiB");
    }

    #[test]
    fn shares_and_money_are_read() {
        assert_eq!(Share::parse("62%"), Ok(Share(0.62)));
        assert_eq!(Share::parse("0.62"), Ok(Share(0.62)));
        assert_eq!(Share::parse("100 %"), Ok(Share::ALL));
        assert_eq!(Share(0.625).to_string(), "62.5%");
        let money = Money::parse("12.50 USD").unwrap();
        assert_eq!((money.amount, money.currency.as_str()), (12.5, "USD"));
        assert_eq!(money.to_string(), "12.5 USD");
    }

    #[test]
    fn bad_quantities_say_what_is_wrong() {
        fn problem<T: Quantity>(text: &str) -> String {
            match T::read(text) {
                Ok(_) => "accepted".to_owned(),
                Err(problem) => problem,
            }
        }
        type Problem = fn(&str) -> String;
        let table: [(Problem, &str, &str); 20] = [
            (problem::<Rate>, "40", "`40` does not say over which time"),
            (problem::<Rate>, "40 rps", "`rps` is not `/` and a unit of time"),
            (problem::<Rate>, "40/m", "`m` is not a unit of time for a rate"),
            (problem::<Rate>, "40/", "`` is not a unit of time for a rate"),
            (problem::<Rate>, "-1/s", "`-1/s` is negative"),
            (problem::<Rate>, "/s", "`/s` does not begin with a number"),
            (
                problem::<Rate>,
                "1,000/s",
                "`1,000/s` has a comma; the decimal sign is a point",
            ),
            (problem::<Bytes>, "512", "`512` has no unit"),
            (problem::<Bytes>, "512m", "`m` is not a unit of size"),
            (problem::<Bytes>, "8 mib", "`mib` is not a unit of size"),
            (
                problem::<Bytes>,
                "99999999TiB",
                "`99999999TiB` is more than 16 EiB",
            ),
            (problem::<Bytes>, "", "`` does not begin with a number"),
            (problem::<Share>, "120%", "`120%` is more than the whole"),
            (
                problem::<Share>,
                "62",
                "62 is more than the whole; for 62 of a hundred write \"62%\"",
            ),
            (problem::<Share>, "200", "200 is not between 0 and 1"),
            (problem::<Share>, "5 percent", "`percent` is not `%`"),
            (problem::<Share>, "NaN", "`NaN` does not begin with a number"),
            (problem::<Money>, "12", "`12` has no currency"),
            (problem::<Money>, "12 dollars", "`dollars` is not a currency"),
            (
                problem::<Bytes>,
                "1234567890123456789012345678901234567890123456789B",
                "`1234567890123456789012345678901234567890…` has too many digits",
            ),
        ];
        for (read, text, expected) in table {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(
            Rate::parse("40"),
            Err(format!("`40` does not say over which time; {}", Rate::HELP))
        );
    }

    proptest! {
        #[test]
        fn sizes_are_read_back(bytes: u64) {
            prop_assert_eq!(Bytes::parse(&Bytes(bytes).to_string()), Ok(Bytes(bytes)));
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC*|[0-9._eE+-]{0,60}[a-zA-Z/%]{0,4}") {
            let _ = (SimDuration::parse(&text), Rate::parse(&text), Bytes::parse(&text));
            let _ = (Share::parse(&text), Money::parse(&text));
        }

        #[test]
        fn what_is_read_is_finite(text in "[0-9]{1,25}(\\.[0-9]{1,9})?(e[+-]?[0-9]{1,3})?") {
            if let Ok(rate) = Rate::parse(&format!("{text}/s")) {
                prop_assert!(rate.per_second.is_finite() && rate.per_second >= 0.0);
            }
        }
    }
}
