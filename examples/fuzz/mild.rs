//! Changes that leave a text well formed: a quantity becomes another of its sort, a number another number. Most of what
//! comes out is accepted, and so reaches the engine.

use plimsoll::quantity::{Bytes, Rate, Share, SimDuration};

use crate::mutate::{Dice, Sort, tokens};

/// One of the texts with one to four values changed.
pub fn changed(dice: &mut Dice, from: &[String]) -> String {
    let mut text = from[dice.below(from.len())].clone();
    for _ in 0..1 + dice.below(4) {
        let values: Vec<_> = tokens(&text)
            .into_iter()
            .filter(|(from, to, sort)| match sort {
                Sort::Text => to - from > 2 && others(&text[from + 1..to - 1]).is_some(),
                Sort::Number => true,
                Sort::Word => false,
            })
            .collect();
        if values.is_empty() {
            break;
        }
        let (from, to, sort) = values[dice.below(values.len())];
        if sort == Sort::Number {
            let list = if text[from..to].contains('.') {
                FRACTIONS
            } else {
                COUNTS
            };
            text.replace_range(from..to, dice.pick(list));
        } else if let Some(list) = others(&text[from + 1..to - 1]) {
            text.replace_range(from + 1..to - 1, dice.pick(list));
        }
    }
    text
}

/// Quantities of the same sort; `None` for what is no quantity.
fn others(inside: &str) -> Option<&'static [&'static str]> {
    if inside.contains('(') {
        return Some(match inside.starts_with("zipf") {
            true => POPULARITIES,
            false => LAWS,
        });
    }
    if SimDuration::parse(inside).is_ok() {
        return Some(DURATIONS);
    }
    if Rate::parse(inside).is_ok() {
        return Some(RATES);
    }
    if Share::parse(inside).is_ok() {
        return Some(SHARES);
    }
    Bytes::parse(inside).is_ok().then_some(SIZES)
}

const COUNTS: &[&str] = &[
    "0",
    "1",
    "1",
    "2",
    "2",
    "3",
    "4",
    "5",
    "7",
    "10",
    "16",
    "33",
    "100",
    "200",
    "1000",
    "5000",
    "65536",
    "4294967295",
];
const FRACTIONS: &[&str] = &[
    "0.0", "0.1", "0.5", "0.999", "1.0", "1.5", "2.0", "30.0", "1e-9", "1e6",
];
const DURATIONS: &[&str] = &[
    "0s", "1ns", "1us", "20us", "1ms", "5ms", "50ms", "200ms", "1s", "5s", "30s", "10min", "24h", "300000h",
];
const RATES: &[&str] = &[
    "1e-9/s", "1/h", "0.5/s", "3/s", "40/s", "200/s", "1000/s", "50000/s", "1e8/s",
];
const SHARES: &[&str] = &["0%", "0.1%", "1%", "20%", "50%", "99%", "100%"];
const SIZES: &[&str] = &["0B", "1B", "1KiB", "350KiB", "8MiB", "1GiB", "1TiB"];
const POPULARITIES: &[&str] = &[
    "zipf(1, 1)",
    "zipf(10, 0)",
    "zipf(1000, 1.1)",
    "zipf(1000000000, 0.9)",
    "zipf(100, 20)",
];
const LAWS: &[&str] = &[
    "exp(1ms)",
    "exp(1ns)",
    "exp(10s)",
    "exp(1000h)",
    "uniform(0s, 1s)",
    "uniform(50ms, 150ms)",
    "triangular(0s, 1ms, 1s)",
    "normal(50ms, sd 40ms)",
    "lognormal(150ms, cv 0.5)",
    "lognormal(1ms, cv 30)",
    "erlang(10ms, 4)",
    "gamma(10ms, cv 0.2)",
    "weibull(10ms, shape 0.3)",
    "pareto(1ms, alpha 1.1)",
    "pareto(1ms, alpha 0.5)",
    "bounded-pareto(1ms, 100s, alpha 1.2)",
    "hyperexp(10ms, cv 5)",
    "mix(0.9: 1ms, 0.1: exp(2s))",
    "ceil(1ms, exp(2ms))",
    "0.5ms + exp(1ms)",
];
