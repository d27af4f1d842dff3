//! Laws of chance: samples of every law are held against what the law says of itself.

use super::*;
use crate::random::{Draws, purpose_key, request_key};

mod reading;

const N: usize = 200_000;

/// Standard errors a figure may be off: chance goes beyond once in 1.7 million. With 24 laws and
/// 13 figures each, a false alarm would come with one seed in some 5,000; the seed is fixed.
const Z_MAX: f64 = 5.0;

/// sqrt(n) times the largest distance between two distribution functions stays below this but for
/// once in ten million times (Kolmogorov: 2 exp(−2 · 2.9²)).
const KOLMOGOROV_MAX: f64 = 2.9;

fn draw(law: &Law, purpose: &str) -> Vec<f64> {
    let tables = Tables::get();
    let sampler = Sampler::new(law);
    let key = purpose_key(2026, 0, purpose);
    let sample = |number| sampler.sample(tables, &mut Draws::new(key, request_key(1, number)));
    (0..N as u64).map(sample).collect()
}

/// `rounding` is what may part the two where chance has no part, as in a constant.
fn within(what: &str, found: f64, expected: f64, standard_error: f64, rounding: f64) {
    let room = Z_MAX * standard_error + rounding;
    assert!(
        (found - expected).abs() <= room,
        "{what}: {found} instead of {expected} ± {room}"
    );
}

/// Holds samples against mean, variance, quantiles and the whole distribution function.
fn holds(text: &str) {
    let law = parse(text);
    let mut samples = draw(&law, text);
    assert!(samples.iter().all(|x| *x >= 0.0), "{text}: negative value");

    let n = N as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let central = |power| samples.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
    let (variance, fourth) = (central(2), central(4));
    if let (Some(true_mean), Some(true_variance)) = (law.mean(), law.variance()) {
        within(
            &format!("{text}: mean"),
            mean,
            true_mean,
            (true_variance / n).sqrt(),
            1e-11 * mean,
        );
        let error = ((fourth - variance * variance) / n).max(0.0).sqrt();
        within(
            &format!("{text}: variance"),
            variance,
            true_variance,
            error,
            1e-20 * mean * mean,
        );
    }

    samples.sort_by(f64::total_cmp);
    for p in [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999] {
        let quantile = law.quantile(p);
        let reached = law.cdf(quantile);
        assert!(
            reached >= p && law.cdf(quantile * (1.0 - 1e-9)) <= reached,
            "{text}: {p}"
        );
        assert!(
            law.cdf(quantile * (1.0 - 1e-9) - 1e-300) < p,
            "{text}: not the smallest at {p}"
        );
        let below = samples.partition_point(|x| *x <= quantile * (1.0 + 1e-12)) as f64;
        let error = (n * reached * (1.0 - reached)).sqrt();
        within(&format!("{text}: quantile {p}"), below, n * reached, error, 1e-6);
    }

    let mut distance: f64 = 0.0;
    for i in (0..N).step_by(37) {
        // Beside a jump both sides count.
        let x = samples[i];
        let (first, past) = (
            samples.partition_point(|y| *y < x),
            samples.partition_point(|y| *y <= x),
        );
        distance = distance.max(law.cdf(x * (1.0 - 1e-12)) - past as f64 / n);
        distance = distance.max(first as f64 / n - law.cdf(x * (1.0 + 1e-12)));
        distance = distance.max(past as f64 / n - law.cdf(x * (1.0 + 1e-12)));
    }
    let scaled = distance * n.sqrt();
    assert!(scaled < KOLMOGOROV_MAX, "{text}: Kolmogorov distance {scaled}");
}

fn parse(text: &str) -> Law {
    let mut load = |file: &str| Err(format!("{file} is not there"));
    match Law::parse(text, LawUnit::Duration, &mut load) {
        Ok(law) => law,
        Err(message) => panic!("{message}"),
    }
}

#[test]
fn samples_follow_the_simple_laws() {
    for text in [
        "200ms",
        "exp(2ms)",
        "uniform(50ms, 150ms)",
        "triangular(1ms, 2ms, 5ms)",
        "triangular(1ms, 1ms, 5ms)",
        "triangular(1ms, 5ms, 5ms)",
        "normal(20ms, cv 0.2)",
        "normal(20ms, sd 10ms)",
        "lognormal(200ms, cv 0.5)",
        "lognormal(200ms, cv 2)",
        "20ms + exp(5ms)",
    ] {
        holds(text);
    }
}

#[test]
fn samples_follow_the_gamma_family() {
    for text in [
        "erlang(1, 30ms)",
        "erlang(3, 30ms)",
        "erlang(20, 30ms)",
        "gamma(20ms, cv 0.1)",
        "gamma(20ms, cv 1)",
        "gamma(20ms, cv 2)",
        "gamma(20ms, cv 4)",
    ] {
        holds(text);
    }
}

#[test]
fn samples_follow_the_heavy_tails() {
    for text in [
        "weibull(20ms, shape 0.7)",
        "weibull(20ms, shape 3)",
        "pareto(10ms, alpha 0.9)",
        "pareto(10ms, alpha 1.5)",
        "pareto(10ms, alpha 9)",
        "bounded-pareto(10ms, 5s, alpha 1)",
        "bounded-pareto(10ms, 5s, alpha 1.5)",
        "hyperexp(20ms, cv 1)",
        "hyperexp(20ms, cv 4)",
        "ceil(1ms, exp(5ms))",
        "ceil(2ms, lognormal(20ms, cv 0.5))",
    ] {
        holds(text);
    }
}

#[test]
fn samples_follow_empirical_laws_and_mixtures() {
    for text in [
        "empirical(1ms, 2ms, 5ms)",
        "empirical(3: 1ms, 1: 5ms, 0.5: 2ms)",
        "mix(0.9: exp(2ms), 0.1: 500ms)",
        "mix(3: 1ms + uniform(1ms, 2ms), 1: mix(50%: gamma(5ms, cv 0.5), 50%: lognormal(9ms, cv 1)))",
    ] {
        holds(text);
    }
}

#[test]
fn a_law_without_mean_or_variance_says_so() {
    assert_eq!(parse("pareto(1ms, alpha 1)").mean(), None);
    assert_eq!(parse("pareto(1ms, alpha 2)").variance(), None);
    assert!(parse("pareto(1ms, alpha 2)").mean().is_some());
    assert_eq!(
        parse("mix(0.9: 1ms, 0.1: pareto(1ms, alpha 1.5))").variance(),
        None
    );
    assert_eq!(parse("1ms + pareto(1ms, alpha 1.5)").cv2(), None);
    assert_eq!(parse("0").cv2(), None);
}

#[test]
fn moments_are_those_of_the_parameters() {
    let close = |found: Option<f64>, expected: f64| {
        let found = found.unwrap_or(f64::NAN);
        assert!(
            (found - expected).abs() <= 1e-12 * expected,
            "{found} instead of {expected}"
        );
    };
    close(parse("erlang(4, 30ms)").cv2(), 0.25);
    close(parse("hyperexp(20ms, cv 4)").cv2(), 16.0);
    close(parse("gamma(20ms, sd 10ms)").cv2(), 0.25);
    close(parse("20ms + exp(5ms)").mean(), 0.025);
    close(parse("mix(1: exp(1ms), 1: exp(3ms))").mean(), 0.002);
    close(parse("mix(1: exp(1ms), 1: exp(3ms))").variance(), 6e-6);
    // Weibull with shape 1 is exponential.
    close(parse("weibull(20ms, shape 1)").cv2(), 1.0);
    // A far bound leaves the Pareto law as it is.
    close(parse("bounded-pareto(1ms, 1e12s, alpha 3)").mean(), 0.0015);
}

#[test]
fn nanoseconds_are_the_sample_rounded_and_saturate() {
    let tables = Tables::get();
    let key = purpose_key(1, 0, "x");
    for text in [
        "200ms",
        "exp(2ms)",
        "lognormal(20ms, cv 1)",
        "1us + erlang(3, 2ms)",
        "gamma(1ms, cv 3)",
    ] {
        let sampler = Sampler::new(&parse(text));
        for number in 0..1000 {
            let nanos = sampler.sample_nanos(tables, &mut Draws::new(key, number));
            let seconds = sampler.sample(tables, &mut Draws::new(key, number));
            assert!(
                (nanos as f64 - seconds * 1e9).abs() <= 0.5 + 1e-6,
                "{text}: {nanos}, {seconds}"
            );
        }
    }
    let huge = Sampler::new(&parse("pareto(30000d, alpha 0.1)"));
    let most = (0..1000)
        .map(|number| huge.sample_nanos(tables, &mut Draws::new(key, number)))
        .max();
    assert_eq!(most, Some(1 << 60));
}
#[test]
fn a_longer_mean_lengthens_every_request_alike() {
    let tables = Tables::get();
    let key = purpose_key(1, 0, "x");
    let (short, long) = (Sampler::new(&parse("exp(2ms)")), Sampler::new(&parse("exp(3ms)")));
    for number in 0..1000 {
        let of = |sampler: &Sampler| sampler.sample(tables, &mut Draws::new(key, number));
        assert!((of(&long) - 1.5 * of(&short)).abs() < 1e-15);
    }
}

#[test]
fn draws_stay_what_they_are() {
    let tables = Tables::get();
    let key = purpose_key(1, 0, "golden");
    let mut found = String::new();
    for text in [
        "exp(2ms)",
        "uniform(50ms, 150ms)",
        "triangular(1ms, 2ms, 5ms)",
        "normal(20ms, cv 0.2)",
        "lognormal(200ms, cv 0.5)",
        "erlang(3, 30ms)",
        "gamma(20ms, cv 0.5)",
        "gamma(20ms, cv 2)",
        "weibull(20ms, shape 0.7)",
        "pareto(10ms, alpha 1.5)",
        "bounded-pareto(10ms, 5s, alpha 1.5)",
        "hyperexp(20ms, cv 4)",
        "empirical(3: 1ms, 1: 5ms)",
        "mix(0.9: exp(2ms), 0.1: 500ms)",
    ] {
        let sampler = Sampler::new(&parse(text));
        // The sum of many reaches wedges and tails as well.
        let sum: u64 = (0..10_000)
            .map(|number| sampler.sample_nanos(tables, &mut Draws::new(key, number)))
            .sum();
        let first = sampler.sample_nanos(tables, &mut Draws::new(key, 0));
        found.push_str(&format!("{text}: {first} {sum}\n"));
    }
    insta::assert_snapshot!(found, @r"
    exp(2ms): 511793 20343882734
    uniform(50ms, 150ms): 64542871 1004807424710
    triangular(1ms, 2ms, 5ms): 1762702 26806947029
    normal(20ms, cv 0.2): 21841828 199767081062
    lognormal(200ms, cv 0.5): 222350853 1997301928290
    erlang(3, 30ms): 17611561 302570827880
    gamma(20ms, cv 0.5): 23104681 199356483274
    gamma(20ms, cv 2): 141073511 197776515781
    weibull(20ms, shape 0.7): 2254418 205269617762
    pareto(10ms, alpha 1.5): 11860135 306551030100
    bounded-pareto(10ms, 5s, alpha 1.5): 11104442 297481122952
    hyperexp(20ms, cv 4): 15490591 194845645022
    empirical(3: 1ms, 1: 5ms): 1000000 20000000000
    mix(0.9: exp(2ms), 0.1: 500ms): 3004147 541007764874
    ");
}

#[test]
fn far_parameters_give_finite_values() {
    let tables = Tables::get();
    let key = purpose_key(1, 0, "x");
    for text in [
        "gamma(20ms, cv 1000)",
        "gamma(20ms, cv 0.000001)",
        "gamma(20ms, cv 0)",
        "lognormal(20ms, cv 1000)",
        "lognormal(20ms, cv 0)",
        "normal(20ms, cv 0)",
        "weibull(20ms, shape 0.05)",
        "weibull(20ms, shape 1000)",
        "hyperexp(20ms, cv 1000)",
        "uniform(3ms, 3ms)",
        "triangular(3ms, 3ms, 3ms)",
        "erlang(4000000000, 3ms)",
        "bounded-pareto(1ns, 10000d, alpha 0.1)",
    ] {
        let law = parse(text);
        let sampler = Sampler::new(&law);
        for number in 0..2000 {
            let x = sampler.sample(tables, &mut Draws::new(key, number));
            assert!(x.is_finite() && x >= 0.0, "{text}: {x}");
        }
        assert!(law.mean().is_some_and(f64::is_finite), "{text}");
        assert!(
            law.variance()
                .is_some_and(|variance| variance.is_finite() && variance >= -1e-18),
            "{text}"
        );
        let median = law.quantile(0.5);
        assert!((0.0..=VALUE_MAX).contains(&median), "{text}: {median}");
        assert!((0.0..=1.0).contains(&law.cdf(median)), "{text}");
    }
}

#[test]
fn the_incomplete_gamma_function_meets_its_closed_forms() {
    for x in [0.01, 0.5, 1.0, 2.5, 7.0, 30.0] {
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-13, "{x}");
        close(gamma_p(1.0, x), 1.0 - libm::exp(-x));
        close(gamma_p(0.5, x), libm::erf(x.sqrt()));
        close(gamma_p(3.0, x), 1.0 - libm::exp(-x) * (1.0 + x + 0.5 * x * x));
    }
    // On both sides of the place where the method changes.
    for i in -40..=40 {
        let x = 1e5 + 30.0 * f64::from(i);
        let (exact, approximate) = (gamma_p(1e5, x), gamma_p(1e5 * (1.0 + 1e-15), x));
        assert!((exact - approximate).abs() < 1e-7, "{x}: {exact}, {approximate}");
    }
}
