//! What is written is read as meant, or refused with a sentence that helps.

use proptest::prelude::*;

use super::super::*;

fn read(text: &str, unit: LawUnit) -> Result<Law, String> {
    let mut load = |file: &str| match file {
        "times.csv" | "2024-times.csv" => Ok(vec![0.003, 0.001, 0.002]),
        "empty.csv" => Ok(vec![]),
        "odd.csv" => Ok(vec![0.001, f64::NAN]),
        _ => Err(format!("cannot read `{file}`: no such file")),
    };
    Law::parse(text, unit, &mut load)
}

fn values(values: &[f64]) -> Law {
    Law::Empirical {
        values: values.into(),
        weights: None,
    }
}

#[test]
fn laws_are_read_as_written() {
    let cases = [
        ("200ms", Law::Constant { value: 0.2 }),
        (" 1.5 s ", Law::Constant { value: 1.5 }),
        ("0", Law::Constant { value: 0.0 }),
        ("1_000us", Law::Constant { value: 1e-3 }),
        ("2µs", Law::Constant { value: 2e-6 }),
        ("1e+3ms", Law::Constant { value: 1.0 }),
        ("5min", Law::Constant { value: 300.0 }),
        ("20ms + 5ms", Law::Constant { value: 0.025 }),
        ("exp(2ms)", Law::Exponential { mean: 0.002 }),
        ("exp( 2 ms )", Law::Exponential { mean: 0.002 }),
        (
            "uniform(50ms, 150ms)",
            Law::Uniform {
                low: 0.05,
                high: 0.15,
            },
        ),
        (
            "triangular(1s,2s,5s)",
            Law::Triangular {
                low: 1.0,
                mode: 2.0,
                high: 5.0,
            },
        ),
        ("normal(20s, cv 0.5)", Law::Normal { mean: 20.0, sd: 10.0 }),
        ("normal(20s, sd 10s)", Law::Normal { mean: 20.0, sd: 10.0 }),
        ("lognormal(200ms, cv 0.5)", Law::LogNormal { mean: 0.2, cv: 0.5 }),
        ("lognormal(2s, sd 1s)", Law::LogNormal { mean: 2.0, cv: 0.5 }),
        ("erlang(3, 30ms)", Law::Erlang { k: 3, mean: 0.03 }),
        ("gamma(20ms, cv 2)", Law::Gamma { mean: 0.02, cv: 2.0 }),
        (
            "weibull(20ms, shape 0.7)",
            Law::Weibull {
                mean: 0.02,
                shape: 0.7,
            },
        ),
        (
            "pareto(10ms, alpha 1.5)",
            Law::Pareto {
                min: 0.01,
                alpha: 1.5,
            },
        ),
        (
            "bounded-pareto(10ms, 5s, alpha 1.5)",
            Law::BoundedPareto {
                min: 0.01,
                max: 5.0,
                alpha: 1.5,
            },
        ),
        (
            "hyperexp(20ms, cv 4)",
            Law::HyperExponential { mean: 0.02, cv: 4.0 },
        ),
        ("empirical(2s, 1s, 5s)", values(&[1.0, 2.0, 5.0])),
        ("empirical(times.csv)", values(&[0.001, 0.002, 0.003])),
        ("empirical(\"times.csv\")", values(&[0.001, 0.002, 0.003])),
        ("empirical(2024-times.csv)", values(&[0.001, 0.002, 0.003])),
        (
            "empirical(75%: 2s, 25%: 1s)",
            Law::Empirical {
                values: [1.0, 2.0].into(),
                weights: Some([0.25, 0.75].into()),
            },
        ),
        (
            "mix(0.9: exp(2ms), 0.1: 500ms)",
            Law::Mixture {
                parts: vec![
                    (0.9, Law::Exponential { mean: 0.002 }),
                    (0.1, Law::Constant { value: 0.5 }),
                ],
            },
        ),
        (
            "20ms + exp(5ms)",
            Law::Shifted {
                base: 0.02,
                law: Box::new(Law::Exponential { mean: 0.005 }),
            },
        ),
        (
            "exp(5ms) + 20ms",
            Law::Shifted {
                base: 0.02,
                law: Box::new(Law::Exponential { mean: 0.005 }),
            },
        ),
    ];
    for (text, law) in cases {
        assert_eq!(read(text, LawUnit::Duration), Ok(law), "{text}");
    }
}

#[test]
fn sizes_and_plain_numbers_have_their_own_units() {
    let constant = |value| Ok(Law::Constant { value });
    assert_eq!(read("350KiB", LawUnit::Bytes), constant(358_400.0));
    assert_eq!(read("2 MB", LawUnit::Bytes), constant(2e6));
    assert_eq!(
        read("exp(1GiB)", LawUnit::Bytes),
        Ok(Law::Exponential {
            mean: 1_073_741_824.0
        })
    );
    assert_eq!(read("3", LawUnit::Number), constant(3.0));
    assert_eq!(read("62%", LawUnit::Number), constant(0.62));
    assert_eq!(
        read("uniform(1, 5)", LawUnit::Number),
        Ok(Law::Uniform { low: 1.0, high: 5.0 })
    );
    assert!(read("3ms", LawUnit::Number).is_err());
    assert!(read("3", LawUnit::Bytes).is_err());
    assert!(read("3MB", LawUnit::Duration).is_err());
}

#[test]
fn what_cannot_be_read_is_refused_with_help() {
    let times = "write a time such as `200ms` (units: ns, us, ms, s, min, h, d)";
    let cases = [
        ("", "no value is written: write a time such as `200ms` (units: ns, us, ms, s, min, h, d) or a law such as `exp(200ms)`".to_string()),
        ("20", format!("`20` has no unit: {times}")),
        ("20MB", format!("`20MB` has the unit `MB`: {times}")),
        ("-20ms", format!("found `-20ms`: {}", "a law has no negative values")),
        ("soon", format!("found `soon`: {times}")),
        ("exp", "`exp` stands without its parameters: write `exp(mean)`".to_string()),
        ("expo(2ms)", "no law is called `expo`: did you mean `exp`?".to_string()),
        ("logNormal(2ms, cv 1)", "no law is called `logNormal`: did you mean `lognormal`?".to_string()),
        ("exponential(2ms)", "no law is called `exponential`: write `exp(mean)`".to_string()),
        ("constant(2ms)", "no law is called `constant`: write a value alone, as `200ms`".to_string()),
        ("cauchy(2ms)", "no law is called `cauchy`: the laws are exp, uniform, triangular, normal, lognormal, erlang, gamma, weibull, pareto, bounded-pareto, hyperexp, empirical, mix, ceil, recorded".to_string()),
        ("exp(2ms, 3ms)", "`exp(2ms, 3ms)` has the wrong number of parameters: write `exp(mean)`".to_string()),
        ("exp()", "`exp()` has the wrong number of parameters: write `exp(mean)`".to_string()),
        ("exp(2ms", "`exp(2ms` lacks a closing parenthesis".to_string()),
        ("exp(2ms))", "`exp(2ms))` closes a parenthesis that was not opened".to_string()),
        ("exp(2ms) s", "`exp(2ms) s` goes on after the closing parenthesis".to_string()),
        ("exp(0ms)", "`exp(0ms)`: the mean must be above zero".to_string()),
        ("exp(1e300s)", "`exp(1e300s)`: the mean is too large: at most 2^60".to_string()),
        ("uniform(150ms, 50ms)", "`uniform(150ms, 50ms)`: the lower end, written first, lies above the upper end".to_string()),
        ("lognormal(200ms, 0.5)", "found `0.5`: write the coefficient of variation as in `cv 0.5`, or the standard deviation as in `sd 200ms`".to_string()),
        ("lognormal(200ms, 50ms)", "found `50ms`: write the coefficient of variation as in `cv 0.5`, or the standard deviation as in `sd 200ms`".to_string()),
        ("normal(200ms, cv 0.6)", "`normal(200ms, cv 0.6)`: more than 2.3 % of the values would be negative: keep the cv at or below 0.5, or use `lognormal` or `gamma`".to_string()),
        ("hyperexp(20ms, cv 0.5)", "`hyperexp(20ms, cv 0.5)`: found cv 0.5: a hyperexponential has a cv of 1 or more; below 1 use `gamma` or `erlang`".to_string()),
        ("erlang(2.5, 30ms)", "found `2.5` as the number of phases of `erlang`: write a whole number, as in `erlang(3, 200ms)`".to_string()),
        ("erlang(0, 30ms)", "`erlang(0, 30ms)`: the number of phases is at least 1".to_string()),
        ("pareto(10ms, alpha 0)", "`pareto(10ms, alpha 0)`: alpha is 0: it must lie between 0.1 and 1000".to_string()),
        ("weibull(10ms, 5ms)", "found `5ms`: write a plain number, as in `shape 1.5`".to_string()),
        ("mix(exp(2ms))", "`exp(2ms)` has no weight: write the weight and a colon before it, as in `0.9: exp(2ms)`".to_string()),
        ("mix(most: exp(2ms))", "found `most` as a weight: write a number such as `0.9`, `3` or `90%`".to_string()),
        ("mix(0: exp(2ms))", "`mix(0: exp(2ms))`: each weight must be above zero".to_string()),
        ("exp(1ms) + exp(2ms)", "`exp(1ms) + exp(2ms)` adds two laws: only a constant and one law can be added, as in `200ms + exp(200ms)`".to_string()),
        ("empirical(none.csv)", "cannot read `none.csv`: no such file".to_string()),
        ("empirical(empty.csv)", "`empirical(empty.csv)`: an empirical law needs at least one value".to_string()),
        ("empirical(odd.csv)", "`odd.csv` holds the value NaN: a law has no such values".to_string()),
    ];
    for (text, message) in cases {
        assert_eq!(read(text, LawUnit::Duration), Err(message), "{text}");
    }
}

#[test]
fn laws_nested_too_deep_are_refused() {
    let text = format!("{}1ms{}", "mix(1: ".repeat(5000), ")".repeat(5000));
    let message = read(&text, LawUnit::Duration).unwrap_err();
    assert_eq!(message, "laws stand within laws more than 8 deep");
    let long = "1".repeat(100_000);
    assert!(read(&long, LawUnit::Duration).is_err_and(|message| message.len() < 200));
}

#[test]
fn popularities_are_read_as_written() {
    assert_eq!(Popularity::parse("uniform(1000)"), Popularity::uniform(1000));
    assert_eq!(Popularity::parse("zipf(10k, 1.1)"), Popularity::zipf(10_000, 1.1));
    assert_eq!(
        Popularity::parse("zipf(1M, s 0.9)"),
        Popularity::zipf(1_000_000, 0.9)
    );
    assert_eq!(
        Popularity::parse("list(3, 2, 1)"),
        Popularity::list(vec![3.0, 2.0, 1.0])
    );
    let written = "write `uniform(1000)`, `zipf(1000, 1.1)` or `list(3, 2, 1)`";
    let cases = [
        (
            "1000",
            format!("found `1000` for the popularity of keys: {written}"),
        ),
        ("zipf(1000)", format!("`zipf(1000)` has 1 parameters: {written}")),
        (
            "zpif(1000, 1)",
            format!("no popularity is called `zpif`: did you mean `zipf`? {written}"),
        ),
        (
            "uniform(2.5)",
            "found `2.5` as the number of keys: write a whole number, as `1000`, `10k` or `1M`".to_string(),
        ),
        (
            "uniform(2000000000)",
            "`uniform(2000000000)`: found 2000000000 keys: there must be from 1 to 10^9 of them".to_string(),
        ),
        (
            "zipf(10, -1)",
            "`zipf(10, -1)`: the exponent of `zipf` is -1: it must lie between 0 and 20".to_string(),
        ),
        (
            "list(0, 0)",
            "`list(0, 0)`: at least one weight must be above zero".to_string(),
        ),
        (
            "list()",
            "found `` as a weight: write a number such as `0.9`, `3` or `90%`".to_string(),
        ),
    ];
    for (text, message) in cases {
        assert_eq!(Popularity::parse(text), Err(message), "{text}");
    }
}

/// Text made of the pieces that laws are made of.
fn near_law() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "exp",
        "mix",
        "lognormal",
        "pareto",
        "empirical",
        "erlang",
        "gamma",
        "zipf",
        "list",
        "(",
        "(",
        ")",
        ")",
        ",",
        ", ",
        ":",
        "+",
        " ",
        "cv ",
        "sd ",
        "alpha ",
        "shape ",
        "0",
        "1",
        "2.5",
        "1e",
        "e+9",
        "-",
        "_",
        "ms",
        "s",
        "µs",
        "%",
        "KiB",
        ".csv",
        "\"",
        "NaN",
        "inf",
        "é",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..30).prop_map(|chosen| chosen.concat())
}

proptest! {
    #[test]
    fn reading_never_panics(text in prop_oneof![near_law(), any::<String>()]) {
        for unit in [LawUnit::Duration, LawUnit::Number, LawUnit::Bytes] {
            let _ = read(&text, unit);
        }
        let _ = Popularity::parse(&text);
    }

    #[test]
    fn a_law_that_is_read_can_be_drawn_from(
        name in prop::sample::select(&["exp", "uniform", "normal", "lognormal", "gamma", "weibull", "pareto", "hyperexp", "erlang"][..]),
        first in 0.0f64..1e4,
        second in 0.0f64..1e3,
        number in any::<u64>(),
    ) {
        let text = match name {
            "exp" => format!("exp({first}ms)"),
            "uniform" => format!("uniform({first}ms, {second}s)"),
            "erlang" => format!("erlang({}, {first}ms)", second as u64),
            "weibull" => format!("weibull({first}ms, shape {second})"),
            "pareto" => format!("pareto({first}ms, alpha {second})"),
            _ => format!("{name}({first}ms, cv {second})"),
        };
        if let Ok(law) = read(&text, LawUnit::Duration) {
            let mut draws = crate::random::Draws::new(crate::random::purpose_key(1, 0, "x"), number);
            let x = Sampler::new(&law).sample(Tables::get(), &mut draws);
            prop_assert!(x.is_finite() && x >= 0.0);
            prop_assert!((0.0..=1.0).contains(&law.cdf(x)));
        }
    }
}
