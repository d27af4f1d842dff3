//! From values to places along an axis, and the round numbers at which the axis is labelled.

/// An axis from `from` to `to`, linear or logarithmic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub from: f64,
    pub to: f64,
    pub logarithmic: bool,
}

impl Span {
    /// An axis that holds `least ..= most`. A linear axis of values that are not negative starts at
    /// zero when `from_zero` is set; an axis without extent is given some.
    pub fn holding(least: f64, most: f64, logarithmic: bool, from_zero: bool) -> Span {
        if logarithmic && least > 0.0 {
            let (from, to) = if least < most {
                (least, most)
            } else {
                (least / 2.0, most * 2.0)
            };
            return Span {
                from,
                to,
                logarithmic,
            };
        }
        let (mut from, mut to) = (least, most);
        if from_zero && from > 0.0 {
            from = 0.0;
        }
        if to - from <= 0.0 {
            let room = if to == 0.0 { 1.0 } else { to.abs() * 0.5 };
            (from, to) = (from - room, to + room);
            if from_zero && least >= 0.0 {
                from = 0.0;
            }
        }
        Span {
            from,
            to,
            logarithmic: false,
        }
    }

    /// The place of a value, 0 at `from` and 1 at `to`; NaN for what has no place.
    pub fn place(&self, value: f64) -> f64 {
        if self.logarithmic {
            if value <= 0.0 {
                return f64::NAN;
            }
            let ratio = libm::log(self.to / self.from);
            return libm::log(value / self.from) / ratio;
        }
        // Halved, so that the difference of huge values of opposite sign stays finite.
        (value / 2.0 - self.from / 2.0) / (self.to / 2.0 - self.from / 2.0)
    }

    /// Round values inside the axis, about `about` of them.
    pub fn ticks(&self, about: usize) -> Vec<f64> {
        if self.logarithmic {
            self.decades(about)
        } else {
            self.steps(about)
        }
    }

    /// Widens a linear axis to whole ticks and a logarithmic one a little.
    pub fn rounded(self, about: usize) -> Span {
        if self.logarithmic {
            return Span {
                from: self.from / 1.15,
                to: self.to * 1.15,
                ..self
            };
        }
        let step = round_step((self.to / 2.0 - self.from / 2.0) * 2.0 / about.max(1) as f64);
        let from = (self.from / step).floor() * step;
        let to = (self.to / step).ceil() * step;
        if from.is_finite() && to.is_finite() && from < to {
            Span { from, to, ..self }
        } else {
            self
        }
    }

    fn steps(&self, about: usize) -> Vec<f64> {
        let step = round_step((self.to / 2.0 - self.from / 2.0) * 2.0 / about.max(1) as f64);
        let first = (self.from / step - 1e-9).ceil();
        let last = (self.to / step + 1e-9).floor();
        if !step.is_finite() || step <= 0.0 || !(0.0..=100.0).contains(&(last - first)) {
            return vec![self.from, self.to];
        }
        // Whole multiples divided, not summed, so that 0.3 is written 0.3.
        (0..=(last - first) as u64)
            .map(|at| (first + at as f64) * step)
            .collect()
    }

    fn decades(&self, about: usize) -> Vec<f64> {
        let mut all: Vec<(f64, u32)> = Vec::new();
        for exponent in -320..=308 {
            for factor in [1_u32, 2, 5] {
                let value: f64 = format!("{factor}e{exponent}").parse().unwrap_or(f64::NAN);
                if value >= self.from && value <= self.to {
                    all.push((value, factor));
                }
            }
        }
        if all.len() > about * 2 {
            all.retain(|(_, factor)| *factor == 1);
        }
        let every = all.len().div_ceil(about.max(1) * 2).max(1);
        let ticks: Vec<f64> = all.into_iter().step_by(every).map(|(value, _)| value).collect();
        if ticks.len() < 2 {
            vec![self.from, self.to]
        } else {
            ticks
        }
    }
}

/// The least of 1, 2, 2.5 and 5 times a power of ten that is not below `raw`.
fn round_step(raw: f64) -> f64 {
    if !(raw.is_finite() && raw > 0.0) {
        return 1.0;
    }
    let text = format!("{raw:e}");
    let exponent = text.split_once('e').map_or("0", |(_, exponent)| exponent);
    let candidates = ["1", "2", "2.5", "5", "10"].iter();
    let steps = candidates.filter_map(|factor| format!("{factor}e{exponent}").parse::<f64>().ok());
    steps.into_iter().find(|step| *step >= raw).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let span = Span::holding(3.0, 929.0, false, true).rounded(5);
        assert_eq!((span.from, span.to), (0.0, 1000.0));
        assert_eq!(span.ticks(5), [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
        let span = Span::holding(0.004, 7.0, true, true);
        assert!(span.ticks(5).contains(&0.01) && span.ticks(5).contains(&1.0));
    }

    #[test]
    fn any_range_has_an_axis() {
        let ranges = [
            (0.0, 0.0),
            (5.0, 5.0),
            (-3.0, -3.0),
            (f64::MIN, f64::MAX),
            (1e-300, 2e-300),
            (1e300, 1e308),
        ];
        for (least, most) in ranges {
            for logarithmic in [false, true] {
                let span = Span::holding(least, most, logarithmic, true).rounded(5);
                assert!(span.from < span.to, "{least} {most}");
                let ticks = span.ticks(5);
                assert!((2..=30).contains(&ticks.len()), "{least} {most} {ticks:?}");
                assert!(span.place(most).is_finite() && span.place(least).is_finite());
            }
        }
    }
}
