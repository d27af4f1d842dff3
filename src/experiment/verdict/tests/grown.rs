//! How much more is inside, since when, and what an overload has left.

use super::super::growth::{growth, left_over};
use super::*;
use crate::statistics::trend::Growth;

/// The same in windows of two seconds.
fn wide(mut all: Collected) -> Collected {
    all.times = Bits((1..=100).map(|i| 2.0 * f64::from(i)).collect());
    all.shortest = Bit(200.0);
    all
}

fn near(found: f64, wanted: f64) {
    assert!((found - wanted).abs() < 1e-6, "{found}, not {wanted}");
}

/// A load of 150/s that was another one until so many seconds.
fn stepped(at: u32) -> PointPlan {
    plan(
        &format!(
            "executor = \"poisson\"\nstart-rate = \"50/s\"\nstages = [{{ duration = \"{at}s\", target = \"50/s\" }}, \
             {{ duration = \"0s\", target = \"150/s\" }}]"
        ),
        "[run]\nduration = \"200s\"\n",
    )
}

#[test]
fn a_load_that_goes_on_changing_is_judged_at_the_end_by_what_its_change_does_not_explain() {
    let ramp = plan(
        "executor = \"poisson\"\nstart-rate = \"0/s\"\nstages = [{ duration = \"200s\", target = \"300/s\" }]",
        "[run]\nduration = \"200s\"\n",
    );
    // A mean load of 283.5/s in the last tenth, 1.5/s more every second, 10 ms each: 8.52/s may stay.
    let of = |more: f64| {
        let all = wide(passing(|i| 2.0 * more * i as f64, |i| 3.0 * i as f64));
        growth(&ramp, &all, &[]).expect("a tenth of the run")
    };
    for (more, grows) in [(8.0, Growth::Steady), (9.3, Growth::Growing)] {
        let found = of(more);
        assert_eq!(found.growth, grows, "{more}");
        // The four replications have 0 to 3 % more than that.
        near(found.slope, 1.015 * more);
        near(found.offered, 283.5);
        assert_eq!(found.since, Some(180.0));
    }
    let mut short = wide(passing(|i| i as f64, |i| 3.0 * i as f64));
    for (inside, _) in &mut short.windows {
        inside.0.truncate(10);
    }
    assert!(growth(&ramp, &short, &[]).is_none(), "one window has no slope");
}

#[test]
fn a_load_that_has_stopped_changing_is_judged_from_then_on() {
    let since = |at: u32, warm_up: u64| {
        let mut all = wide(passing(|i| 20.0 * i as f64, |_| 150.0));
        all.warm_up = warm_up * 1_000_000_000;
        let found = growth(&stepped(at), &all, &[]).expect("enough windows");
        assert_eq!(found.growth, Growth::Growing);
        found.since
    };
    assert_eq!(since(100, 0), Some(100.0));
    assert_eq!(since(101, 0), Some(102.0));
    assert_eq!(since(60, 100), Some(100.0));
    // Ten windows are enough, of a tenth of the run.
    assert_eq!(since(180, 0), Some(180.0));
    assert_eq!(since(190, 0), Some(180.0));
}

#[test]
fn as_many_as_are_served_without_waiting_are_no_queue() {
    // 1000/s of 10 ms; up and down by 2.5 on the average in the last window.
    let with = |last: f64| {
        let inside = move |i: usize| (last - 2.5) / 1.015 * i as f64 / 99.0;
        let all = wide(passing(inside, |_| 1000.0));
        growth(&stepped(100), &all, &[]).expect("enough windows").growth
    };
    assert_eq!(with(10.1), Growth::Steady);
    assert_eq!(with(11.5), Growth::Growing);
}

#[test]
fn a_load_that_comes_to_an_empty_system_fills_it() {
    let metrics = figures(&[(SYSTEM, "offered", 1000.0), (SYSTEM, "throughput", 1000.0)]);
    // Up to so many on the average of the replications, where ten are served without waiting.
    let with = |last: f64| {
        let all = growing(last / (760.0 * 1.015));
        growth(&plan(OPEN, ""), &all, &metrics).expect("a trend").growth
    };
    assert_eq!(with(10.0), Growth::Steady);
    assert_eq!(with(9.0), Growth::Undecided);
    assert_eq!(with(10.5), Growth::Growing);
}

#[test]
fn what_is_left_takes_as_long_as_it_is_more_than_what_is_served_at_once() {
    // In the last tenth 105/s come and 107/s are done; 10 ms each.
    let left = |inside: f64| {
        let (last, came) = (
            (inside - 2.5) / 1.015,
            |i: usize| if i < 95 { 115.0 } else { 95.0 },
        );
        let all = wide(passing(move |i| last + 2.0 * (99.0 - i as f64), came));
        left_over(&stepped(100), &all)
    };
    let (inside, takes) = left(107.0 * 31.0 + 5.0).expect("more than a tenth of the run");
    near(inside, 3322.0);
    near(takes, 3322.0 / 107.0 - 1.02 * 0.01);
    assert_eq!(left(107.0 * 19.9), None);
    // Without what is served at once it takes less than a tenth of the run.
    assert_eq!(left(107.0 * 20.005), None);
    // Nobody comes and nothing is done.
    assert_eq!(left_over(&stepped(100), &wide(passing(|_| 100.0, |_| 0.0))), None);
}
