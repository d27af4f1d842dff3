//! Laws as they are written.

use super::text::{named, nearest, plain_number, split, split_number, weighted};
use super::{Columns, Law};

/// What the values of a law measure, and so which units may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LawUnit {
    /// Written `200ms`, held in seconds.
    Duration,
    /// Written `3`, `0.5` or `62%`, held as it is.
    Number,
    /// Written `350KiB` or `2MB`, held in bytes.
    Bytes,
}

/// What a value of a unit may look like: suffix and size.
type Suffixes = &'static [(&'static str, f64)];

const DURATION: Suffixes = &[
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6), // micro sign
    ("μs", 1e-6), // Greek mu
    ("ms", 1e-3),
    ("s", 1.0),
    ("min", 60.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
];
const NUMBER: Suffixes = &[("", 1.0), ("%", 0.01)];
const BYTES: Suffixes = &[
    ("B", 1.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

impl LawUnit {
    fn suffixes(self) -> Suffixes {
        match self {
            LawUnit::Duration => DURATION,
            LawUnit::Number => NUMBER,
            LawUnit::Bytes => BYTES,
        }
    }

    /// What to write, for the end of a message.
    fn wanted(self) -> &'static str {
        match self {
            LawUnit::Duration => "a time such as `200ms` (units: ns, us, ms, s, min, h, d)",
            LawUnit::Number => "a number such as `3`, `0.5` or `62%`",
            LawUnit::Bytes => "a size such as `350KiB` (units: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB)",
        }
    }

    fn example(self) -> &'static str {
        match self {
            LawUnit::Duration => "200ms",
            LawUnit::Number => "3",
            LawUnit::Bytes => "350KiB",
        }
    }
}

/// How a law is called and written, in the order of the documentation.
const LAWS: &[(&str, &str)] = &[
    ("exp", "`exp(mean)`"),
    ("uniform", "`uniform(low, high)`"),
    ("triangular", "`triangular(low, most likely, high)`"),
    ("normal", "`normal(mean, cv 0.2)` or `normal(mean, sd value)`"),
    (
        "lognormal",
        "`lognormal(mean, cv 0.5)` or `lognormal(mean, sd value)`",
    ),
    (
        "erlang",
        "`erlang(3, mean)`, the mean being that of all phases together",
    ),
    ("gamma", "`gamma(mean, cv 2)` or `gamma(mean, sd value)`"),
    ("weibull", "`weibull(mean, shape 0.7)`"),
    ("pareto", "`pareto(minimum, alpha 1.5)`"),
    ("bounded-pareto", "`bounded-pareto(minimum, maximum, alpha 1.5)`"),
    ("hyperexp", "`hyperexp(mean, cv 4)` or `hyperexp(mean, sd value)`"),
    (
        "empirical",
        "`empirical(value, value)`, `empirical(3: value, 1: value)` or `empirical(file)`",
    ),
    ("mix", "`mix(0.9: law, 0.1: law)`"),
    ("ceil", "`ceil(step, law)`"),
    (
        "recorded",
        "`recorded(column, 1ms)`: a column of the recording that the workload replays, and what a 1 in it means",
    ),
];

/// Other names under which the same laws are known.
const ALIASES: &[(&str, &str)] = &[
    ("exponential", "exp"),
    ("hyperexponential", "hyperexp"),
    ("log-normal", "lognormal"),
    ("triangle", "triangular"),
    ("mixture", "mix"),
    ("constant", "a plain value"),
    ("const", "a plain value"),
    ("deterministic", "a plain value"),
    ("poisson", "exp"),
];

/// Laws within laws beyond this depth are refused, so that no text can exhaust the stack.
const DEPTH_MAX: usize = 8;

/// Longest text and most values that are read from a model.
const TEXT_MAX: usize = 1 << 16;

/// Reads the values of an empirical law from a named file, in seconds, bytes or plain numbers.
type Loader<'a> = dyn FnMut(&str) -> Result<Vec<f64>, String> + 'a;

/// Finds a column of the recordings that workloads replay, in units of so many seconds, bytes or ones.
type Recordings<'a> = dyn FnMut(&str, f64) -> Result<Columns, String> + 'a;

impl Law {
    /// Reads a law as it is written in a model, and checks it.
    ///
    /// A value alone is a constant: `200ms`. A constant may be added to a law: `20ms + exp(5ms)`.
    ///
    /// | written | law |
    /// | --- | --- |
    /// | `exp(2ms)` | exponential with that mean |
    /// | `uniform(50ms, 150ms)` | uniform between the two |
    /// | `triangular(1ms, 2ms, 5ms)` | low, most likely, high |
    /// | `normal(20ms, cv 0.2)`, `normal(20ms, sd 4ms)` | normal, drawn again below zero, which lifts the mean by 2.8 % at a cv of 0.5 and by nothing below 0.2 |
    /// | `lognormal(200ms, cv 0.5)` | lognormal with that mean |
    /// | `erlang(3, 30ms)` | three phases, together 30 ms on average |
    /// | `gamma(20ms, cv 2)` | gamma with that mean |
    /// | `weibull(20ms, shape 0.7)` | Weibull with that mean |
    /// | `pareto(10ms, alpha 1.5)` | Pareto with that minimum |
    /// | `bounded-pareto(10ms, 5s, alpha 1.5)` | Pareto between the two |
    /// | `hyperexp(20ms, cv 4)` | hyperexponential with that mean |
    /// | `empirical(1ms, 2ms, 5ms)`, `empirical(3: 1ms, 1: 5ms)` | one of the values |
    /// | `empirical(times.csv)` | one of the values that `load` reads from that file |
    /// | `mix(0.9: exp(2ms), 0.1: 500ms)` | one of the laws, by weight |
    /// | `ceil(1ms, exp(50ms))` | the law rounded up to whole milliseconds |
    /// | `recorded(service_ms, 1ms)` | the request's own value in a column of the replayed `file`, where a 1 means 1 ms |
    ///
    /// Wherever a `cv` is written, `sd` and a value will do as well. `load` gives values in
    /// seconds, bytes or plain numbers.
    ///
    /// # Errors
    /// One phrase that names what was found and what would do.
    pub fn parse(text: &str, unit: LawUnit, load: &mut Loader) -> Result<Law, String> {
        let mut none = |_: &str, _: f64| {
            Err("only steps of flows take recorded values: they belong to single requests".to_owned())
        };
        Law::parse_with(text, unit, load, &mut none)
    }

    /// [`Law::parse`] for a step that replayed requests run, with their `recordings`.
    ///
    /// # Errors
    /// As [`Law::parse`].
    pub fn parse_with(
        text: &str,
        unit: LawUnit,
        load: &mut Loader,
        recordings: &mut Recordings,
    ) -> Result<Law, String> {
        if text.len() > TEXT_MAX {
            return Err(format!(
                "this law is {} bytes long, more than {TEXT_MAX}: put its values into a file and \
                 write `empirical(file)`",
                text.len()
            ));
        }
        Reader {
            unit,
            load,
            recordings,
        }
        .law(text, 0)
    }
}

struct Reader<'a, 'b> {
    unit: LawUnit,
    load: &'a mut Loader<'b>,
    recordings: &'a mut Recordings<'b>,
}

impl Reader<'_, '_> {
    fn law(&mut self, text: &str, depth: usize) -> Result<Law, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err(format!(
                "no value is written: write {} or a law such as `exp({})`",
                self.unit.wanted(),
                self.unit.example()
            ));
        }
        if depth > DEPTH_MAX {
            return Err(format!("laws stand within laws more than {DEPTH_MAX} deep"));
        }
        let terms = split(text, '+')?;
        let mut base = 0.0;
        let mut random: Option<Law> = None;
        for term in &terms {
            match self.term(term, depth)? {
                Law::Constant { value } => base += value,
                law if random.is_none() => random = Some(law),
                _ => {
                    return Err(format!(
                        "`{text}` adds two laws: only a constant and one law can be added, as in \
                         `{0} + exp({0})`",
                        self.unit.example()
                    ));
                }
            }
        }
        let law = match random {
            None => Law::Constant { value: base },
            Some(law) if terms.len() == 1 => law,
            Some(law) => law
                .each_recorded(|v| v + base)
                .unwrap_or_else(|law| Law::Shifted {
                    base,
                    law: Box::new(law),
                }),
        };
        law.check().map_err(|message| format!("`{text}`: {message}"))?;
        Ok(law)
    }

    fn term(&mut self, text: &str, depth: usize) -> Result<Law, String> {
        let Some((name, rest)) = text.split_once('(') else {
            return self.plain(text);
        };
        let name = name.trim();
        let Some(inside) = rest.strip_suffix(')') else {
            return Err(format!("`{text}` goes on after the closing parenthesis"));
        };
        let arguments = split(inside, ',')?;
        let arguments = if inside.trim().is_empty() {
            Vec::new()
        } else {
            arguments
        };
        let law = match (name, arguments.as_slice()) {
            ("exp", [mean]) => Law::Exponential {
                mean: self.value(mean)?,
            },
            ("uniform", [low, high]) => Law::Uniform {
                low: self.value(low)?,
                high: self.value(high)?,
            },
            ("triangular", [low, mode, high]) => Law::Triangular {
                low: self.value(low)?,
                mode: self.value(mode)?,
                high: self.value(high)?,
            },
            ("normal", [mean, spread]) => {
                let mean = self.value(mean)?;
                Law::Normal {
                    mean,
                    sd: mean * self.cv(spread, mean)?,
                }
            }
            ("lognormal", [mean, spread]) => {
                let mean = self.value(mean)?;
                Law::LogNormal {
                    mean,
                    cv: self.cv(spread, mean)?,
                }
            }
            ("gamma", [mean, spread]) => {
                let mean = self.value(mean)?;
                Law::Gamma {
                    mean,
                    cv: self.cv(spread, mean)?,
                }
            }
            ("hyperexp", [mean, spread]) => {
                let mean = self.value(mean)?;
                Law::HyperExponential {
                    mean,
                    cv: self.cv(spread, mean)?,
                }
            }
            ("erlang", [phases, mean]) => {
                let phases = phases.strip_prefix("k ").unwrap_or(phases);
                let k = phases.trim().parse().map_err(|_| {
                    format!("found `{phases}` as the number of phases of `erlang`: write a whole number, as in `erlang(3, {})`", self.unit.example())
                })?;
                Law::Erlang {
                    k,
                    mean: self.value(mean)?,
                }
            }
            ("weibull", [mean, shape]) => Law::Weibull {
                mean: self.value(mean)?,
                shape: named("shape", shape)?,
            },
            ("pareto", [min, alpha]) => Law::Pareto {
                min: self.value(min)?,
                alpha: named("alpha", alpha)?,
            },
            ("bounded-pareto", [min, max, alpha]) => Law::BoundedPareto {
                min: self.value(min)?,
                max: self.value(max)?,
                alpha: named("alpha", alpha)?,
            },
            ("ceil", [step, law]) => {
                let (step, law) = (self.value(step)?, self.law(law, depth + 1)?);
                let whole = |v: f64| match step > 0.0 {
                    true => libm::ceil(v / step) * step,
                    false => v,
                };
                law.each_recorded(whole).unwrap_or_else(|law| Law::Ceiling {
                    step,
                    law: Box::new(law),
                })
            }
            ("recorded", [column]) if self.unit == LawUnit::Number => self.recorded(column, 1.0)?,
            ("recorded", [column, one]) => {
                let one = self.value(one)?;
                self.recorded(column, one)?
            }
            ("empirical", [file]) if names_a_file(file) => self.file(file)?,
            ("empirical", [_, ..]) => self.empirical(&arguments)?,
            ("mix", [_, ..]) => {
                let mut parts = Vec::new();
                for argument in &arguments {
                    let (weight, law) = weighted(argument)?;
                    let law = self.law(law, depth + 1)?;
                    if matches!(law, Law::Recorded { .. }) {
                        return Err(format!(
                            "`{text}` draws lots for a recorded value: it stands alone, in `ceil`, or with a constant added"
                        ));
                    }
                    parts.push((weight, law));
                }
                Law::Mixture { parts }
            }
            _ => return Err(wrong_call(name, text, self.unit)),
        };
        law.check().map_err(|message| format!("`{text}`: {message}"))?;
        Ok(law)
    }

    fn recorded(&mut self, column: &str, one: f64) -> Result<Law, String> {
        let column = column.trim().trim_matches('"');
        if one <= 0.0 {
            return Err(format!(
                "a 1 in the column `{column}` must mean more than nothing, as in `recorded({column}, {})`",
                self.unit.example()
            ));
        }
        let values = (self.recordings)(column, one)?;
        Ok(Law::Recorded {
            column: column.into(),
            values,
        })
    }

    /// A value without parentheses: a constant, or a law whose parentheses were forgotten.
    fn plain(&self, text: &str) -> Result<Law, String> {
        if let Some((_, written)) = LAWS.iter().find(|(name, _)| *name == text) {
            return Err(format!("`{text}` stands without its parameters: write {written}"));
        }
        Ok(Law::Constant {
            value: self.value(text)?,
        })
    }

    fn value(&self, text: &str) -> Result<f64, String> {
        let text = text.trim();
        let (number, suffix) = split_number(text);
        let Some(number) = number else {
            return Err(format!("found `{text}`: write {}", self.unit.wanted()));
        };
        if number < 0.0 {
            return Err(format!("found `{text}`: a law has no negative values"));
        }
        match self
            .unit
            .suffixes()
            .iter()
            .find(|(written, _)| *written == suffix)
        {
            Some((_, size)) => Ok(number * size),
            None if suffix.is_empty() && number == 0.0 => Ok(0.0),
            None if suffix.is_empty() => Err(format!("`{text}` has no unit: write {}", self.unit.wanted())),
            None => Err(format!(
                "`{text}` has the unit `{suffix}`: write {}",
                self.unit.wanted()
            )),
        }
    }

    /// `cv 0.5`, or `sd` and a value; a bare number could be meant as either.
    fn cv(&self, text: &str, mean: f64) -> Result<f64, String> {
        if let Some(sd) = text.trim().strip_prefix("sd ") {
            return Ok(if mean > 0.0 { self.value(sd)? / mean } else { 0.0 });
        }
        let cv = text
            .trim()
            .strip_prefix("cv")
            .and_then(|cv| plain_number(cv).ok());
        cv.ok_or_else(|| {
            format!(
                "found `{}`: write the coefficient of variation as in `cv 0.5`, or the standard \
                 deviation as in `sd {}`",
                text.trim(),
                self.unit.example()
            )
        })
    }

    fn file(&mut self, file: &str) -> Result<Law, String> {
        let file = file.trim().trim_matches(['"', '\'']);
        let mut values = (self.load)(file)?;
        if let Some(wrong) = values.iter().find(|value| !value.is_finite() || **value < 0.0) {
            return Err(format!(
                "`{file}` holds the value {wrong}: a law has no such values"
            ));
        }
        values.sort_by(f64::total_cmp);
        Ok(Law::Empirical {
            values: values.into(),
            weights: None,
        })
    }

    fn empirical(&mut self, arguments: &[&str]) -> Result<Law, String> {
        if !arguments.iter().any(|argument| argument.contains(':')) {
            let values: Result<Vec<f64>, String> =
                arguments.iter().map(|argument| self.value(argument)).collect();
            let mut values = values?;
            values.sort_by(f64::total_cmp);
            return Ok(Law::Empirical {
                values: values.into(),
                weights: None,
            });
        }
        let mut pairs = Vec::new();
        for argument in arguments {
            let (weight, value) = weighted(argument)?;
            pairs.push((self.value(value)?, weight));
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (values, weights): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        Ok(Law::Empirical {
            values: values.into(),
            weights: Some(weights.into()),
        })
    }
}

/// Whether the only argument of `empirical` is a file rather than a value.
fn names_a_file(argument: &str) -> bool {
    let (number, suffix) = split_number(argument.trim());
    let known = |units: Suffixes| units.iter().any(|(written, _)| *written == suffix);
    number.is_none() && !argument.contains(':')
        || number.is_some() && suffix.contains('.') && !(known(DURATION) || known(BYTES))
}

fn wrong_call(name: &str, text: &str, unit: LawUnit) -> String {
    if let Some((_, written)) = LAWS.iter().find(|(known, _)| *known == name) {
        return format!("`{text}` has the wrong number of parameters: write {written}");
    }
    let lower = name.to_lowercase();
    if let Some((_, meant)) = ALIASES.iter().find(|(known, _)| *known == lower) {
        let written = LAWS
            .iter()
            .find(|(known, _)| known == meant)
            .map(|(_, written)| *written);
        let instead = match written {
            Some(written) => written.to_string(),
            None => format!("a value alone, as `{}`", unit.example()),
        };
        return format!("no law is called `{name}`: write {instead}");
    }
    let names = || LAWS.iter().map(|(name, _)| *name);
    let all = names().collect::<Vec<_>>().join(", ");
    match nearest(&lower, names()) {
        Some(meant) => format!("no law is called `{name}`: did you mean `{meant}`?"),
        None => format!("no law is called `{name}`: the laws are {all}"),
    }
}
