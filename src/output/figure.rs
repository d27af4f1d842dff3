//! Figures as people read them: a unit that fits, and no more digits than the interval supports.

use crate::experiment::results::{Metric, Unit};

/// How a unit is shown: the value is divided by `factor` and followed by `suffix`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub factor: f64,
    pub suffix: &'static str,
}

const TIME: [(f64, &str); 5] = [(7200.0, "h"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns")];

/// The scale in which a value of about `magnitude` is easy to read.
pub fn scale(unit: Unit, magnitude: f64) -> Scale {
    let size = magnitude.abs();
    let pick = |steps: &[(f64, f64, &'static str)]| {
        let found = steps.iter().find(|(from, _, _)| size >= *from);
        let (_, factor, suffix) = found.copied().unwrap_or((0.0, 1.0, ""));
        Scale { factor, suffix }
    };
    match unit {
        Unit::Seconds if size == 0.0 => Scale {
            factor: 1e-3,
            suffix: "ms",
        },
        Unit::Seconds => {
            let suffix = TIME
                .iter()
                .find(|(from, _)| size >= *from)
                .map_or("s", |(_, suffix)| suffix);
            let factor = match suffix {
                "h" => 3600.0,
                "ms" => 1e-3,
                "µs" => 1e-6,
                "ns" => 1e-9,
                _ => 1.0,
            };
            Scale { factor, suffix }
        }
        Unit::PerSecond => pick(&[
            (1e11, 1e9, "G/s"),
            (1e8, 1e6, "M/s"),
            (1e5, 1e3, "k/s"),
            (0.0, 1.0, "/s"),
        ]),
        Unit::Count => pick(&[(1e11, 1e9, "G"), (1e8, 1e6, "M"), (1e5, 1e3, "k"), (0.0, 1.0, "")]),
        Unit::Share => Scale {
            factor: 0.01,
            suffix: "%",
        },
        Unit::Bytes => {
            const KIB: f64 = 1024.0;
            const MIB: f64 = 1024.0 * KIB;
            const GIB: f64 = 1024.0 * MIB;
            const TIB: f64 = 1024.0 * GIB;
            pick(&[
                (TIB, TIB, "TiB"),
                (GIB, GIB, "GiB"),
                (MIB, MIB, "MiB"),
                (KIB, KIB, "KiB"),
                (0.0, 1.0, "B"),
            ])
        }
        Unit::None => Scale {
            factor: 1.0,
            suffix: "",
        },
    }
}

/// One scale for a whole column, so that its values compare at a glance: the scale of the smallest
/// value, unless the largest would need more than five digits in it.
pub fn shared_scale(unit: Unit, magnitudes: impl Iterator<Item = f64>) -> Scale {
    let sizes = magnitudes
        .map(f64::abs)
        .filter(|size| size.is_finite() && *size > 0.0);
    let range = sizes.fold(None, |range: Option<(f64, f64)>, size| match range {
        Some((least, most)) => Some((least.min(size), most.max(size))),
        None => Some((size, size)),
    });
    let Some((least, most)) = range else {
        return scale(unit, 0.0);
    };
    let fine = scale(unit, least);
    if most / fine.factor < 1e5 {
        fine
    } else {
        scale(unit, most)
    }
}

/// The largest distance from the mean to an end of the interval, which is what `±` stands for here.
pub fn half_width(metric: &Metric) -> Option<f64> {
    metric
        .interval()
        .map(|(low, high)| (high - metric.mean).max(metric.mean - low).max(0.0))
}

/// What decides the scale of a metric: its mean, or its half-width if that is larger.
pub fn magnitude(metric: &Metric) -> f64 {
    let half = half_width(metric).unwrap_or(0.0);
    if metric.mean.is_finite() {
        metric.mean.abs().max(half)
    } else {
        0.0
    }
}

/// `583 ± 4 /s`; without an interval `583 /s`; `–` when nothing was observed.
pub fn figure(metric: &Metric) -> String {
    let scale = scale(metric.unit, magnitude(metric));
    with_suffix(in_scale(metric, scale), scale)
}

/// As [`figure`], in a given scale and without its suffix.
pub fn in_scale(metric: &Metric, scale: Scale) -> String {
    interval_text(
        metric.mean / scale.factor,
        half_width(metric).map(|half| half / scale.factor),
    )
}

/// A value known without an interval, with four significant digits: `12.5 ms`.
pub fn plain(value: f64, unit: Unit) -> String {
    let scale = scale(unit, if value.is_finite() { value } else { 0.0 });
    with_suffix(significant(value / scale.factor), scale)
}

fn with_suffix(text: String, scale: Scale) -> String {
    if scale.suffix.is_empty() || text == "–" {
        text
    } else {
        format!("{text} {}", scale.suffix)
    }
}

/// A mean and its half-width, both already in the scale shown.
pub fn interval_text(mean: f64, half: Option<f64>) -> String {
    let Some(half) = half else {
        return significant(mean);
    };
    if !mean.is_finite() {
        return "–".to_owned();
    }
    // One digit of the half-width, two when it begins with 1; the mean is cut at the same place.
    let (digit, exponent) = leading(half, 0);
    let decimals = if digit == '1' { 1 } else { 0 } - exponent;
    let most = 5 - leading(mean, 0).1;
    if half == 0.0 || decimals > most.max(0) + 1 {
        return format!("{} ± 0", significant(mean));
    }
    let size = mean.abs().max(half);
    // More digits than these nobody reads; the half-width is then at most the last of them.
    let last = 4 - leading(mean, 0).1;
    if mean != 0.0 && decimals > last.max(0) && (1e-5..1e7).contains(&size) {
        let least = fixed(libm::pow(10.0, -f64::from(last.max(0))), last.max(0));
        return format!("{} ± {least}", fixed(mean, last.max(0)));
    }
    if size >= 1e7 || decimals > 9 {
        return format!("{mean:.2e} ± {half:.0e}");
    }
    if size < 1e-5 {
        return format!("{mean:.0e} ± {half:.0e}");
    }
    format!("{} ± {}", fixed(mean, decimals), fixed(half, decimals))
}

/// Four significant digits without trailing zeros; powers of ten when very large or very small.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let (_, exponent) = leading(value, 3);
    if !(-5..7).contains(&exponent) {
        return format!("{value:.2e}");
    }
    let text = fixed(value, (3 - exponent).max(0));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Rounds at `decimals` digits after the point; negative counts round before it.
fn fixed(value: f64, decimals: i32) -> String {
    if decimals >= 0 {
        let text = format!("{value:.*}", decimals as usize);
        let zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
        return if zero {
            text.trim_start_matches('-').to_owned()
        } else {
            text
        };
    }
    let unit = (decimals..0).fold(1.0, |unit, _| unit * 10.0);
    // Adding zero turns a negative zero into the usual one.
    format!("{:.0}", (value / unit).round() * unit + 0.0)
}

/// The first digit and the decimal exponent after rounding to `places` digits behind the first. The
/// formatter computes them exactly, where a logarithm could be off by one at powers of ten.
fn leading(value: f64, places: usize) -> (char, i32) {
    let text = format!("{:.*e}", places, value.abs());
    let digit = text.chars().next().unwrap_or('0');
    let exponent = text
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    (digit, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(unit: Unit, mean: f64, half: f64) -> Metric {
        Metric {
            subject: "system".into(),
            name: "throughput".into(),
            unit,
            mean,
            low: half.is_finite().then_some(mean - half),
            high: half.is_finite().then_some(mean + half),
            replications: 5,
            note: None,
            theory: None,
        }
    }

    #[test]
    fn a_figure_has_the_digits_of_its_interval() {
        let cases = [
            (Unit::PerSecond, 583.21, 4.4, "583 ± 4 /s"),
            (Unit::PerSecond, 583.21, 1.44, "583.2 ± 1.4 /s"),
            (Unit::PerSecond, 583.21, 0.037, "583.21 ± 0.04 /s"),
            (Unit::PerSecond, 123_456.0, 1234.0, "123.5 ± 1.2 k/s"),
            (Unit::PerSecond, 583.21, 123.0, "580 ± 120 /s"),
            (Unit::Share, 0.006, 5e-9, "0.60000 ± 0.00001 %"),
            (Unit::Seconds, 2.00663e-3, 2e-9, "2.0066 ± 0.0001 ms"),
            (Unit::PerSecond, 54_321.4, 0.3, "54321 ± 1 /s"),
            (Unit::PerSecond, 929.0, 0.0, "929 ± 0 /s"),
            (Unit::PerSecond, 929.0, 1e-12, "929 ± 0 /s"),
            (Unit::Seconds, 0.0452, 0.0003, "45.2 ± 0.3 ms"),
            (Unit::Seconds, 1.21, 0.04, "1.21 ± 0.04 s"),
            (Unit::Seconds, 9.2e-7, 3e-8, "920 ± 30 ns"),
            (Unit::Seconds, 0.0, 0.003, "0 ± 3 ms"),
            (Unit::Share, 0.0042, 0.0011, "0.42 ± 0.11 %"),
            (Unit::Bytes, 3.5 * 1024.0 * 1024.0, 104_857.6, "3.50 ± 0.10 MiB"),
            (Unit::Count, 12.0, f64::NAN, "12"),
            (Unit::Count, f64::NAN, 3.0, "–"),
            (Unit::None, 1e300, 1e299, "1.00e300 ± 1e299"),
            (Unit::None, 1e-300, f64::NAN, "1.00e-300"),
            (Unit::None, -0.4, 96.0, "0 ± 100"),
            (Unit::Share, 2e-10, 1e-9, "2e-8 ± 1e-7 %"),
            (Unit::Share, 0.0, 3e-6, "0.0000 ± 0.0003 %"),
        ];
        for (unit, mean, half, expected) in cases {
            assert_eq!(
                figure(&metric(unit, mean, half)),
                expected,
                "{unit:?} {mean} ± {half}"
            );
        }
    }

    #[test]
    fn a_value_alone_has_four_digits() {
        for (value, expected) in [(583.0, "583"), (0.0251349, "0.02513"), (99_999.6, "100000")] {
            assert_eq!(significant(value), expected);
        }
        assert_eq!(plain(0.25, Unit::Share), "25 %");
        assert_eq!(plain(90_000.0, Unit::Seconds), "25 h");
        assert_eq!(plain(f64::INFINITY, Unit::Seconds), "–");
    }

    #[test]
    fn a_column_shares_one_scale() {
        let milliseconds = shared_scale(Unit::Seconds, [0.045, 0.21, 4.2].into_iter());
        assert_eq!(milliseconds.suffix, "ms");
        assert_eq!(shared_scale(Unit::Seconds, [1e-6, 30.0].into_iter()).suffix, "s");
        assert_eq!(shared_scale(Unit::PerSecond, [f64::NAN].into_iter()).suffix, "/s");
    }
}
