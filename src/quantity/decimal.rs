//! Decimal numbers read exactly, so that a quantity is rounded once and never through a float.

use super::quote;

/// A decimal number kept exactly: `digits` / 10^`places`.
pub(super) struct Decimal {
    digits: u128,
    places: u32,
    /// As Rust would parse it.
    text: String,
}

impl Decimal {
    /// Enough for every quantity here and few enough that `digits` times a unit fits into 128 bits.
    const MOST_DIGITS: u32 = 22;

    /// Reads a number from the start of the text and gives back what follows it.
    pub(super) fn scan(text: &str) -> Result<(Decimal, &str), String> {
        let bytes = text.as_bytes();
        if bytes.first() == Some(&b'-') {
            return Err(format!("{} is negative", quote(text)));
        }
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let mut clean = String::new();
        let mut at = 0;
        let mut places = 0i64;
        let mut seen_point = false;
        let mut seen_digit = false;
        while at < bytes.len() {
            match bytes[at] {
                b'0'..=b'9' => {
                    seen_digit = true;
                    places += i64::from(seen_point);
                    clean.push(bytes[at].into());
                }
                b'.' if !seen_point && digit(at + 1) => {
                    seen_point = true;
                    clean.push('.');
                }
                b'_' if seen_digit && digit(at + 1) => {}
                b',' if digit(at + 1) => {
                    return Err(format!(
                        "{} has a comma; the decimal sign is a point",
                        quote(text)
                    ));
                }
                _ => break,
            }
            at += 1;
        }
        if !seen_digit {
            let law = text.ends_with(')') && text.find('(').is_some_and(|open| open > 0);
            return Err(match law {
                true => format!("{} is a law, and one fixed value is needed here", quote(text)),
                false => format!("{} does not begin with a number", quote(text)),
            });
        }
        let too_many = || format!("{} has too many digits", quote(text));
        let significant: String = clean.chars().filter(char::is_ascii_digit).collect();
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let start = at + 1 + sign;
            let mut end = start;
            while digit(end) {
                end += 1;
            }
            if end > start {
                let exponent: i64 = text[at + 1..end].parse().map_err(|_| too_many())?;
                places = places.checked_sub(exponent).ok_or_else(too_many)?;
                clean.push_str(&text[at..end]);
                at = end;
            }
        }
        let mut digits: u128 = match significant.trim_start_matches('0') {
            "" => 0,
            kept if kept.len() > Self::MOST_DIGITS as usize => return Err(too_many()),
            kept => kept.parse().map_err(|_| too_many())?,
        };
        if places < 0 && digits != 0 {
            let zeros = u32::try_from(-places).map_err(|_| too_many())?;
            digits = 10u128
                .checked_pow(zeros)
                .and_then(|power| digits.checked_mul(power))
                .filter(|digits| *digits < 10u128.pow(Self::MOST_DIGITS))
                .ok_or_else(too_many)?;
        }
        // Beyond 38 places a value of at most 22 digits is nothing in any unit known here.
        let places = if digits == 0 {
            0
        } else {
            places.clamp(0, 39) as u32
        };
        Ok((
            Decimal {
                digits,
                places,
                text: clean,
            },
            &text[at..],
        ))
    }

    /// This many units, to the nearest whole, halves upwards; none if it does not fit.
    pub(super) fn times(&self, unit: u128) -> Option<u128> {
        let product = self.digits.checked_mul(unit)?;
        let Some(divisor) = 10u128.checked_pow(self.places) else {
            return Some(0);
        };
        let up = product % divisor >= divisor.div_ceil(2) && divisor > 1;
        Some(product / divisor + u128::from(up))
    }

    /// The nearest float, always finite.
    pub(super) fn to_f64(&self) -> f64 {
        self.text.parse().unwrap_or(f64::MAX)
    }
}
