use super::*;
use crate::experiment::collect::{Bit, Bits};
use crate::statistics::interval::loss_interval;

fn values(name: &str, unit: Unit, values: &[f64]) -> Values {
    Values {
        subject: "flow.f".to_owned(),
        name: name.to_owned(),
        unit,
        values: Bits(values.to_vec()),
        pooled: None,
    }
}

/// Replications of 100 s, of which 20 s are cut off.
fn seen(figures: Vec<Values>) -> Collected {
    Collected {
        replications: figures[0].values.0.len() as u32,
        warm_up: 20_000_000_000,
        shortest: Bit(100.0),
        figures,
        ..Collected::default()
    }
}

fn first(figures: Vec<Values>) -> Metric {
    metrics(&seen(figures), 0.95).swap_remove(0)
}

#[test]
fn a_share_of_losses_is_judged_by_its_counts() {
    // In 80 s: 8 of 80, 16 of 96, 0 of 40.
    let figures = |share: &[f64]| {
        vec![
            values("failure_share", Unit::Share, share),
            values("failures", Unit::PerSecond, &[0.1, 0.2, 0.0]),
            values("throughput", Unit::PerSecond, &[0.9, 1.0, 0.5]),
        ]
    };
    let expected = loss_interval(&[(8, 80), (16, 96), (0, 40)], 0.95).unwrap();
    let found = first(figures(&[0.1, 1.0 / 6.0, 0.0]));
    assert_eq!((found.mean, found.high), (expected.mean, expected.high));
    assert_eq!(found.low, expected.low.map(|low| low.max(0.0)));
    // Where a limit cut a run short counts and spans do not fit.
    let mut cut = seen(figures(&[0.1, 0.2, 0.0]));
    cut.cut = 1;
    let plain = leaning_interval(&[0.1, 0.2, 0.0], 0.95).unwrap();
    assert_eq!(metrics(&cut, 0.95)[0].mean, plain.mean);
    // Another flow's failures are not this one's.
    let mut other = figures(&[0.1, 0.2, 0.0]);
    other[1].subject = "flow.g".to_owned();
    assert_eq!(first(other).mean, plain.mean);
}

#[test]
fn where_nothing_ended_a_share_of_losses_has_no_counts() {
    let none = vec![
        values("failure_share", Unit::Share, &[0.5, 0.5]),
        values("failures", Unit::PerSecond, &[0.0, 0.0]),
        values("throughput", Unit::PerSecond, &[0.0, 0.0]),
    ];
    assert_eq!(first(none).mean, 0.5);
}

#[test]
fn an_interval_stays_where_its_figure_can_be() {
    let of = |unit, list: &[f64]| first(vec![values("x", unit, list)]);
    let share = of(Unit::Share, &[0.2, 0.999, 1.0, 0.1]);
    assert_eq!((share.low, share.high), (Some(0.0), Some(1.0)));
    // A share that went beyond one, as a utilisation under a capacity that was lowered.
    assert!(of(Unit::Share, &[0.2, 1.001, 1.0, 0.1]).high > Some(1.0));
    assert!(of(Unit::Count, &[0.2, 0.999, 1.0, 0.1]).high > Some(1.0));
    assert!(of(Unit::Count, &[0.2, -0.001, 1.0, 0.1]).low < Some(0.0));
}

#[test]
fn what_some_replications_did_not_observe_is_noted() {
    let some = first(vec![values("x", Unit::Seconds, &[1.0, f64::NAN, 3.0])]);
    assert_eq!((some.mean, some.replications), (2.0, 2));
    assert_eq!(
        some.note.as_deref(),
        Some("observed in 2 of 3 replications, so it may be off")
    );
    let none = first(vec![values("x", Unit::Seconds, &[f64::NAN, f64::NAN])]);
    assert!(none.mean.is_nan() && none.low.is_none() && none.note.is_none());
    assert_eq!(none.replications, 0);
    let one = first(vec![values("x", Unit::Seconds, &[2.0])]);
    assert_eq!(one.note.as_deref(), Some("one replication has no interval"));
    let all = first(vec![values("x", Unit::Seconds, &[1.0, 2.0])]);
    assert_eq!(all.note, None);
    // A percentile of all times together counts every replication.
    let mut pooled = values("response_time_p99", Unit::Seconds, &[1.0, f64::NAN]);
    pooled.pooled = Some(Pooled {
        quantile: Bit(1.5),
        limits: Some((Bit(1.0), Bit(2.5))),
        note: None,
    });
    let found = first(vec![pooled.clone()]);
    assert_eq!((found.mean, found.low, found.high), (1.5, Some(1.0), Some(2.5)));
    assert_eq!((found.replications, found.note), (2, None));
    let held = pooled.pooled.as_mut().unwrap();
    (held.limits, held.note) = (None, Some("too few".to_owned()));
    let found = first(vec![pooled]);
    assert_eq!((found.low, found.note.as_deref()), (None, Some("too few")));
}

#[test]
fn values_are_told_in_their_units() {
    for (unit, v, words) in [
        (Unit::Seconds, 0.123, "123ms"),
        (Unit::Seconds, 0.0, "0s"),
        (Unit::Seconds, -1.5, "-1.5 s"),
        (Unit::PerSecond, 4.2, "4.2/s"),
        (Unit::Share, 0.981, "98.1 %"),
        (Unit::Bytes, 1024.0, "1024 B"),
        (Unit::Count, 2.0, "2"),
        (Unit::None, 123_456.0, "123500"),
        (Unit::Count, f64::NAN, "nothing"),
    ] {
        assert_eq!(value(unit, v), words);
    }
    let mut metric = first(vec![values("x", Unit::Share, &[0.2])]);
    assert_eq!(told(&metric), "20 %");
    (metric.low, metric.high) = (Some(0.1), Some(0.3));
    assert_eq!(told(&metric), "20 % (10 % to 30 %)");
}
