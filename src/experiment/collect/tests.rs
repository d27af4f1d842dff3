use super::*;
use crate::engine::observe;
use crate::metric::Histogram;

/// One replication of 10 s with these figures; more is set by the tests.
fn seen(figures: &[(&str, &str, f64)]) -> Observations {
    let figure = |(subject, name, value): &(&str, &str, f64)| Figure {
        subject: (*subject).to_owned(),
        name: (*name).to_owned(),
        unit: component::Unit::Count,
        value: *value,
    };
    Observations {
        figures: figures.iter().map(figure).collect(),
        samples: Vec::new(),
        times: (1..=10).map(f64::from).collect(),
        columns: Vec::new(),
        inside: vec![1.0; 10],
        response: Vec::new(),
        completed: vec![2.0; 10],
        events: 5,
        peak_requests: 7,
        request_bytes: 70,
        stopped: None,
        simulated: 10.0,
        visits: vec![("a".to_owned(), 3), ("b".to_owned(), 4)],
    }
}

fn gathered(list: Vec<Observations>) -> Collected {
    let mut all = Collector::new(0, false, true);
    list.into_iter().for_each(|o| all.add(o));
    all.finish(true, 0.95)
}

fn values<'a>(seen: &'a Collected, subject: &str, name: &str) -> &'a [f64] {
    let found = seen
        .figures
        .iter()
        .find(|f| f.subject == subject && f.name == name);
    &found.expect("the figure").values.0
}

#[test]
fn sums_and_extremes_are_those_of_all_replications() {
    let mut second = seen(&[]);
    (second.events, second.peak_requests, second.request_bytes) = (6, 9, 60);
    (second.simulated, second.visits[1].1) = (8.0, 40);
    let mut third = seen(&[]);
    third.simulated = 9.0;
    let all = gathered(vec![seen(&[]), second, third]);
    assert_eq!((all.replications, all.events), (3, 16));
    assert_eq!((all.peak_requests, all.peak_bytes), (9, 70));
    assert_eq!((all.shortest, all.simulated), (Bit(8.0), Bit(27.0)));
    assert_eq!(all.visits, [("a".to_owned(), 9), ("b".to_owned(), 48)]);
    assert_eq!((all.cut, all.cut_by), (0, None));
    let mut longer = seen(&[]);
    longer.simulated = 20.0;
    assert_eq!(gathered(vec![seen(&[]), longer]).shortest, Bit(10.0));
    let mut all = Collector::new(3, true, false);
    all.add(seen(&[]));
    all.add(seen(&[]));
    assert_eq!((all.replications(), all.events(), all.warm_up()), (2, 10, 3));
    let all = all.finish(false, 0.95);
    assert!(all.transient_lasts && !all.converged && all.windows.is_empty());
}

#[test]
fn the_first_limit_that_cut_a_replication_short_is_kept() {
    for (why, kept) in [
        (Stopped::Events, Cut::Events),
        (Stopped::Memory, Cut::Memory),
        (Stopped::Wall, Cut::Wall),
    ] {
        let mut cut = seen(&[]);
        cut.stopped = Some(why);
        let mut later = seen(&[]);
        later.stopped = Some(Stopped::Events);
        let all = gathered(vec![seen(&[]), cut, later]);
        assert_eq!((all.cut, all.cut_by), (2, Some(kept)));
    }
}

#[test]
fn what_a_replication_does_not_list_did_not_happen_or_was_not_observed() {
    let all = gathered(vec![
        seen(&[("s", "x", 1.0), ("s", "failed", 5.0), ("t", "x", 2.0)]),
        seen(&[
            ("s", "x", 3.0),
            ("s", "failures_rejected", 6.0),
            ("t", "x", 4.0),
            ("t", "y", 8.0),
        ]),
        seen(&[("t", "x", 9.0), ("s", "x", 7.0)]),
    ]);
    assert_eq!(values(&all, "s", "x"), [1.0, 3.0, 7.0]);
    assert_eq!(values(&all, "t", "x"), [2.0, 4.0, 9.0]);
    assert_eq!(values(&all, "s", "failed"), [5.0, 0.0, 0.0]);
    assert_eq!(values(&all, "s", "failures_rejected"), [0.0, 6.0, 0.0]);
    let late = values(&all, "t", "y");
    assert!(late[0].is_nan() && late[1] == 8.0 && late[2].is_nan());
    for name in ["cancelled", "wasted", "failures_killed"] {
        assert_eq!(absent(name), 0.0);
    }
    assert!(absent("response_time_mean").is_nan());
    // Found by subject and name, in whatever order.
    let mut so_far = Collector::new(0, false, false);
    so_far.add(seen(&[("s", "x", 1.0), ("t", "x", 4.0), ("t", "y", 9.0)]));
    so_far.add(seen(&[("s", "x", 3.0), ("t", "x", 6.0), ("t", "y", 11.0)]));
    for (subject, name, mean) in [("s", "x", 2.0), ("t", "x", 5.0), ("t", "y", 10.0)] {
        assert_eq!(so_far.estimate(subject, name, 0.95).unwrap().mean, mean);
    }
    assert!(so_far.estimate("s", "y", 0.95).is_err());
}

#[test]
fn series_are_means_over_the_replications_that_saw_a_window() {
    let with = |values: &[f64]| {
        let mut o = seen(&[]);
        let column = |name: &str, values: Vec<f64>| observe::Column {
            subject: "s".to_owned(),
            name: name.to_owned(),
            unit: component::Unit::Share,
            values,
        };
        o.times = (1..=values.len()).map(|i| i as f64).collect();
        o.columns = vec![column("u", values.to_vec()), column("v", vec![0.5; values.len()])];
        o
    };
    let nan = f64::NAN;
    let all = gathered(vec![
        with(&[0.1, nan]),
        with(&[0.3, nan, 0.6]),
        with(&[0.2, nan, 0.2]),
    ]);
    assert_eq!(all.times, Bits(vec![1.0, 2.0, 3.0]));
    let found = &all.columns[0];
    assert_eq!((found.subject.as_str(), found.name.as_str()), ("s", "u"));
    assert!((found.values.0[0] - 0.2).abs() < 1e-15 && found.values.0[1].is_nan());
    assert_eq!(found.values.0[2], 0.4);
    assert_eq!(all.columns[1].values, Bits(vec![0.5; 3]));
}

#[test]
fn a_rate_that_a_breaker_does_not_have_is_not_averaged() {
    let with = |values: [f64; 3]| {
        let mut o = seen(&[]);
        let column = |subject: &str| observe::Column {
            subject: subject.to_owned(),
            name: "failure_rate".to_owned(),
            unit: component::Unit::Count,
            values: values.to_vec(),
        };
        o.times = vec![1.0, 2.0, 3.0];
        o.columns = vec![column("circuit-breaker.b"), column("else.b")];
        o
    };
    let all = gathered(vec![with([-1.0, -1.0, 40.0]), with([-1.0, 80.0, 60.0])]);
    let found = &all.columns[0].values.0;
    assert!(found[0].is_nan());
    assert_eq!(found[1..], [80.0, 50.0]);
    assert_eq!(all.columns[1].values, Bits(vec![-1.0, 39.5, 50.0]));
    // Nothing failed of enough calls: that is a rate.
    let all = gathered(vec![with([0.0, -1.0, 40.0])]);
    assert_eq!(all.columns[0].values.0[0], 0.0);
}

#[test]
fn the_number_inside_is_kept_from_the_first_window_after_the_warm_up() {
    // Windows of 1 s, of which two and a half are cut off.
    let mut all = Collector::new(2_500_000_000, false, true);
    let mut o = seen(&[]);
    o.inside = (0..10).map(f64::from).collect();
    all.add(o);
    // Many windows become twenty stretches.
    let mut long = seen(&[]);
    long.inside = (0..43).map(f64::from).collect();
    all.add(long);
    let all = all.finish(true, 0.95);
    assert_eq!(all.inside[0], Bits((3..10).map(f64::from).collect()));
    assert_eq!(
        all.inside[1],
        Bits((0..20).map(|i| 3.5 + 2.0 * f64::from(i)).collect())
    );
    assert_eq!(all.windows[0].0, Bits((0..10).map(f64::from).collect()));
    assert_eq!(all.windows[0].1, Bits(vec![2.0; 10]));
}

#[test]
fn percentiles_are_those_of_all_times_together() {
    let with = |what: &str, seconds: &[u64]| {
        let mut o = seen(&[("s", "response_time_p50", 0.0), ("s", "response_time_p90", 0.0)]);
        let mut histogram = Histogram::new();
        seconds.iter().for_each(|s| histogram.record(s * 1_000_000_000));
        o.samples = vec![Times {
            subject: "s".to_owned(),
            what: what.to_owned(),
            histogram,
        }];
        o
    };
    let list: Vec<u64> = (1..=20).collect();
    let mut all = Collector::new(0, false, false);
    all.add(with("response_time", &list[..12]));
    all.add(with("response_time", &list[12..]));
    all.add(seen(&[]));
    let so_far = all.estimate("s", "response_time_p50", 0.95).unwrap();
    let all = all.finish(true, 0.95);
    let pooled = |name: &str| {
        let found = all.figures.iter().find(|f| f.name == name);
        found.expect("the figure").pooled.clone()
    };
    let half = pooled("response_time_p50").expect("a median");
    assert!((half.quantile.0 - 10.5).abs() < 0.6, "{half:?}");
    assert_eq!(so_far.mean, half.quantile.0);
    let ninety = pooled("response_time_p90").expect("two of twenty lie beyond it");
    assert!((ninety.quantile.0 - 18.5).abs() < 0.6, "{ninety:?}");
    // Of nine times none lies beyond the 90th percentile.
    let mut few = Collector::new(0, false, false);
    few.add(with("response_time", &list[..9]));
    let few = few.finish(true, 0.95);
    assert!(
        few.figures
            .iter()
            .all(|f| (f.name == "response_time_p50") == f.pooled.is_some())
    );
}

#[test]
fn times_that_are_all_alike_have_percentiles_without_width() {
    let constant = |nanos: u64| {
        let mut o = seen(&[("s", "response_time_p90", 0.0), ("s", "response_time_p99", 0.0)]);
        let mut histogram = Histogram::new();
        (0..1000).for_each(|_| histogram.record(nanos));
        o.samples = vec![Times {
            subject: "s".to_owned(),
            what: "response_time".to_owned(),
            histogram,
        }];
        o
    };
    // Wherever in its bucket the one time lies.
    for nanos in [10_000_000, 10_010_000, 10_050_000] {
        let all = gathered(vec![constant(nanos), constant(nanos), constant(nanos)]);
        for figure in &all.figures {
            let pooled = figure.pooled.as_ref().expect("a percentile");
            let value = Bit(nanos as f64 * 1e-9);
            assert_eq!(pooled.quantile, value, "{}", figure.name);
            assert_eq!(
                pooled.limits,
                Some((value, value)),
                "{}: {:?}",
                figure.name,
                pooled.note
            );
        }
    }
}

#[test]
fn floats_are_compared_by_their_bits() {
    assert_eq!(Bit(f64::NAN), Bit(f64::NAN));
    assert_ne!(Bit(0.0), Bit(-0.0));
    assert_eq!(Bits(vec![f64::NAN, 1.0]), Bits(vec![f64::NAN, 1.0]));
    assert_ne!(Bits(vec![1.0, 2.0]), Bits(vec![1.0, 3.0]));
}
