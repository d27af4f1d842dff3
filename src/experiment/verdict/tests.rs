//! Each rule of the verdict with figures made by hand, on both sides of its limit.

use std::path::Path;

use super::losses::CAPACITY_FAULTS;
use super::*;
use crate::experiment::collect::{Bit, Bits, Column};
use crate::experiment::{Overrides, WarmUp, load_model_text};

mod busiest;
mod grown;

const OPEN: &str = "executor = \"poisson\"\nrate = \"10/s\"";
const USERS: &str = "executor = \"users\"\nusers = 5";

fn plan(workload: &str, more: &str) -> PointPlan {
    written(&format!(
        "[station.desk]\n[station.back]\n[flow.visit]\nsteps = [{{ use = \"desk\", steps = [{{ use = \"back\", time = \"10ms\" }}] }}]\n\
         [workload.w]\n{workload}\n{more}"
    ))
}

fn written(text: &str) -> PointPlan {
    let loaded = load_model_text(Path::new("m.toml"), text, &Overrides::default());
    let mut points = loaded.experiment.expect("a model").points;
    let mut point = points.swap_remove(0);
    point.settings.warm_up = WarmUp::Told(0);
    point
}

fn figures(list: &[(&str, &str, f64)]) -> Vec<Metric> {
    let metric = |(subject, name, mean): &(&str, &str, f64)| Metric {
        subject: (*subject).to_owned(),
        name: (*name).to_owned(),
        unit: Unit::PerSecond,
        mean: *mean,
        low: None,
        high: None,
        replications: 4,
        note: None,
        theory: None,
    };
    list.iter().map(metric).collect()
}

/// Ten a second arrive, `carried` are carried, and these figures besides.
fn carrying(carried: f64, more: &[(&str, &str, f64)]) -> Vec<Metric> {
    let mut list = vec![(SYSTEM, "offered", 10.0), (SYSTEM, "throughput", carried)];
    list.extend(more);
    figures(&list)
}

/// Four replications of 1000 s, of which 200 s are cut off: the number inside in twenty stretches of 40 s.
fn seen(inside: impl Fn(usize, usize) -> f64) -> Collected {
    Collected {
        replications: 4,
        warm_up: 200_000_000_000,
        inside: (0..4)
            .map(|r| Bits((0..20).map(|i| inside(r, i)).collect()))
            .collect(),
        shortest: Bit(1000.0),
        times: Bits((1..=200).map(|i| 5.0 * f64::from(i)).collect()),
        ..Collected::default()
    }
}

/// Up and down around 5, with no growth.
fn steady() -> Collected {
    seen(|r, i| 5.0 + if (r + i) % 2 == 0 { 0.5 } else { -0.5 })
}

/// So many more a second, and a little up and down.
fn growing(slope: f64) -> Collected {
    seen(move |r, i| {
        slope * 40.0 * i as f64 * (1.0 + 0.01 * r as f64) + if (r + i) % 2 == 0 { 1e-3 } else { -1e-3 }
    })
}

fn verdict(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> (Verdict, String) {
    Findings::of(plan, seen, metrics).verdict()
}

fn bottleneck(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Option<String> {
    Findings::of(plan, seen, metrics).bottleneck()
}

fn judged(seen: &Collected, metrics: &[Metric]) -> (Verdict, String) {
    verdict(&plan(OPEN, ""), seen, metrics)
}

#[test]
fn what_is_carried_with_room_to_spare_is_stable() {
    let metrics = carrying(
        10.0,
        &[
            ("station.desk", "utilisation", 0.3),
            ("station.back", "utilisation", 0.2),
        ],
    );
    let (verdict, why) = judged(&steady(), &metrics);
    assert_eq!(verdict, Verdict::Stable, "{why}");
    assert_eq!(
        why,
        "10/s arrive and 10/s are carried; the busiest is station.desk at 30 %"
    );
}

#[test]
fn losses_for_want_of_capacity_are_an_overload_from_a_twentieth_and_critical_from_a_two_hundredth() {
    let of = |fault: &str, lost: f64| judged(&steady(), &carrying(10.0 - lost, &[(SYSTEM, fault, lost)])).0;
    for (lost, expected) in [
        (0.04, Verdict::Stable),
        (0.05, Verdict::NearCritical),
        (0.49, Verdict::NearCritical),
        (0.5, Verdict::Overloaded),
    ] {
        assert_eq!(of("failures_rejected", lost), expected, "{lost}");
    }
    for fault in CAPACITY_FAULTS {
        assert_eq!(
            of(&format!("failures_{fault}"), 2.0),
            Verdict::Overloaded,
            "{fault}"
        );
    }
    // A fault that more capacity would not mend.
    assert_eq!(of("failures_failed", 2.0), Verdict::Stable);
    assert_eq!(of("rejected", 2.0), Verdict::Stable);
}

#[test]
fn where_most_fail_for_other_reasons_nothing_is_said_of_capacity() {
    let of = |failing: f64| {
        judged(
            &steady(),
            &carrying(10.0 - failing, &[(SYSTEM, "failures_failed", failing)]),
        )
    };
    assert_eq!(
        of(10.0),
        (
            Verdict::Failing,
            "10/s arrive, and 100 % fails: failed 10/s".to_owned()
        )
    );
    assert_eq!(of(5.0).0, Verdict::Failing);
    assert_eq!(of(4.9).0, Verdict::Stable);
    // Beside an overload they are named.
    let both = [
        (SYSTEM, "failures_failed", 2.0),
        (SYSTEM, "failures_rejected", 1.0),
    ];
    let (verdict_, why) = judged(&steady(), &carrying(7.0, &both));
    assert_eq!(verdict_, Verdict::Overloaded);
    assert_eq!(why, "10 % of 10/s is lost: rejected 1/s; 20 % fails: failed 2/s");
}

#[test]
fn the_two_largest_losses_are_named() {
    let lost = [
        (SYSTEM, "failures_rejected", 0.5),
        (SYSTEM, "failures_lock_timeout", 2.0),
        (SYSTEM, "failures_timed_out", 1.0),
        (SYSTEM, "failures_deadlock", 3.0),
        ("flow.visit", "failures_rejected", 3.0),
    ];
    let (verdict, why) = judged(&steady(), &carrying(3.5, &lost));
    assert_eq!(verdict, Verdict::Overloaded);
    assert_eq!(
        why,
        "35 % of 10/s is lost: lock timeout 2/s, timed out 1/s; 30 % fails: deadlock 3/s"
    );
}

#[test]
fn what_was_never_sent_for_want_of_users_is_lost_where_the_load_does_not_wait() {
    let metrics = carrying(10.0, &[("workload.w", "dropped", 10.0)]);
    let (verdict_, why) = judged(&steady(), &metrics);
    assert_eq!(verdict_, Verdict::Overloaded);
    // Of twenty that should have come.
    assert_eq!(
        why,
        "50 % of 20/s is lost: never sent at the limit of those in flight 10/s"
    );
    assert_eq!(verdict(&plan(USERS, ""), &steady(), &metrics).0, Verdict::Stable);
}

#[test]
fn a_number_inside_that_grows_by_a_thousandth_of_what_arrives_is_an_overload() {
    let metrics = carrying(9.0, &[]);
    let (verdict_, why) = judged(&growing(1.0), &metrics);
    assert_eq!(verdict_, Verdict::Overloaded);
    // 1 % more from replication to replication: 1.015 on the average.
    assert_eq!(
        why,
        "the number inside grows by 1.015/s: 10/s arrive, 9/s are carried"
    );
    assert_eq!(judged(&growing(0.011), &metrics).0, Verdict::Overloaded);
    assert_ne!(judged(&growing(0.009), &metrics).0, Verdict::Overloaded);
    assert_ne!(judged(&growing(-1.0), &metrics).0, Verdict::Overloaded);
    // Closed users cannot become more; what they leave to others can.
    let many = "executor = \"users\"\nusers = 5000";
    assert_eq!(
        verdict(&plan(many, ""), &growing(1.0), &metrics).0,
        Verdict::Stable
    );
    let (verdict_, why) = verdict(&plan(USERS, ""), &growing(1.0), &carrying(10.0, &[]));
    assert_eq!(verdict_, Verdict::Overloaded);
    assert_eq!(
        why,
        "work that nobody waits for grows by 1.015/s: 10/s arrive, 10/s are answered"
    );
}

/// What four replications saw of a load that changes by plan: a hundred windows of a second each, their number inside by
/// window, and what came and went.
fn passing(inside: impl Fn(usize) -> f64, offered: impl Fn(usize) -> f64) -> Collected {
    let mut all = seen(|_, i| i as f64);
    (all.warm_up, all.shortest) = (0, Bit(100.0));
    all.times = Bits((1..=100).map(f64::from).collect());
    let windows = |r: usize| -> Vec<f64> {
        (0..100)
            .map(|i| inside(i) * (1.0 + r as f64 / 100.0) + ((i * 7 + r * 3) % 5) as f64)
            .collect()
    };
    all.windows = (0..4).map(|r| (Bits(windows(r)), Bits(vec![1.0; 100]))).collect();
    let column = |name: &str, values: Vec<f64>| Column {
        subject: "flow.visit".to_owned(),
        name: name.to_owned(),
        unit: Unit::PerSecond,
        values: Bits(values),
    };
    let carried = |i: usize| offered(i) - (inside(i + 1) - inside(i));
    all.columns = vec![
        column("offered", (0..100).map(&offered).collect()),
        column("throughput", (0..100).map(carried).collect()),
    ];
    all
}

#[test]
fn after_its_last_change_a_load_is_judged_by_what_stays() {
    let metrics = carrying(90.0, &[]);
    let step = plan(
        "executor = \"poisson\"\nstart-rate = \"50/s\"\nstages = [{ duration = \"40s\", target = \"50/s\" }, { duration = \"0s\", target = \"150/s\" }]",
        "[run]\nduration = \"100s\"\n",
    );
    let offered = |i: usize| if i < 40 { 50.0 } else { 150.0 };
    let overflowing = passing(|i| 50.0 * i.saturating_sub(40) as f64, offered);
    let (verdict_, why) = verdict(&step, &overflowing, &metrics);
    assert_eq!(verdict_, Verdict::Overloaded);
    assert_eq!(
        why,
        "the number inside grows by 50.75/s from 40s on: 150/s arrive, 100/s are carried"
    );
    // More inside after the step than before is no growth.
    let higher = passing(|i| if i < 42 { 1.0 } else { 10.0 }, offered);
    assert_ne!(verdict(&step, &higher, &metrics).0, Verdict::Overloaded);
    // A warm-up that was told changes nothing.
    let mut told = overflowing;
    told.warm_up = 10_000_000_000;
    assert_eq!(verdict(&step, &told, &metrics).0, Verdict::Overloaded);
}

#[test]
fn what_an_overload_has_left_is_an_overload_until_it_is_worked_off() {
    let metrics = carrying(90.0, &[]);
    let spike = plan(
        "executor = \"poisson\"\nstart-rate = \"300/s\"\nstages = [{ duration = \"40s\", target = \"300/s\" }, { duration = \"0s\", target = \"95/s\" }]",
        "[run]\nduration = \"100s\"\n",
    );
    let offered = |i: usize| if i < 40 { 300.0 } else { 95.0 };
    let left = |at_the_end: f64| {
        let peak = at_the_end + 120.0;
        passing(
            move |i| {
                if i < 40 {
                    peak * i as f64 / 40.0
                } else {
                    peak - 2.0 * (i - 40) as f64
                }
            },
            offered,
        )
    };
    let (verdict_, why) = verdict(&spike, &left(3000.0), &metrics);
    assert_eq!(verdict_, Verdict::Overloaded);
    assert!(
        why.contains("are still inside at the end, left from before: they take 31s to work off"),
        "{why}"
    );
    // What takes five of a hundred seconds is nearly gone.
    assert_ne!(verdict(&spike, &left(480.0), &metrics).0, Verdict::Overloaded);
}

#[test]
fn what_a_growing_load_brings_with_it_is_no_overload() {
    let metrics = carrying(90.0, &[]);
    let ramp = plan(
        "executor = \"poisson\"\nstart-rate = \"0/s\"\nstages = [{ duration = \"100s\", target = \"300/s\" }]",
        "[run]\nduration = \"100s\"\n",
    );
    let offered = |i: usize| 3.0 * i as f64;
    // 10 ms each: 0.03 more a second.
    let delay = passing(|i| 0.03 * i as f64, offered);
    assert_eq!(verdict(&ramp, &delay, &metrics).0, Verdict::Stable);
    let beyond = passing(
        |i| 1.5 * (i.saturating_sub(33) as f64) * (i.saturating_sub(33) as f64),
        offered,
    );
    let (verdict_, why) = verdict(&ramp, &beyond, &metrics);
    assert_eq!(verdict_, Verdict::Overloaded);
    assert!(why.contains("from 1m 30s on"), "{why}");
}

#[test]
fn a_run_short_against_the_memory_of_the_system_is_undecided() {
    // Up in two replications and down in two: no growth, and each stretch like the one before.
    let wandering = seen(|r, i| 100.0 + if r % 2 == 0 { i as f64 } else { -(i as f64) });
    let (verdict_, why) = judged(&wandering, &carrying(10.0, &[]));
    assert_eq!(verdict_, Verdict::Undecided);
    assert!(why.starts_with("the run is short"), "{why}");
    let mut transient = steady();
    transient.transient_lasts = true;
    let (verdict_, why) = judged(&transient, &carrying(10.0, &[]));
    assert_eq!(verdict_, Verdict::Undecided);
    assert!(why.starts_with("no end of the transient"), "{why}");
}

#[test]
fn one_that_is_busy_nearly_all_the_time_leaves_no_room() {
    let busy = |share: f64| carrying(10.0, &[("station.desk", "utilisation", share)]);
    assert_eq!(judged(&steady(), &busy(0.949)).0, Verdict::Stable);
    let (verdict_, why) = judged(&steady(), &busy(0.95));
    assert_eq!(verdict_, Verdict::NearCritical);
    assert_eq!(
        why,
        "10/s arrive and 10/s are carried, but station.desk is at 95 %"
    );
    let (verdict_, why) = verdict(&plan(USERS, ""), &steady(), &busy(0.96));
    assert_eq!(verdict_, Verdict::NearCritical);
    assert_eq!(
        why,
        "station.desk is busy for 96 % of the time: more users would wait longer and get no more done"
    );
}

#[test]
fn a_run_that_saw_no_request_is_undecided() {
    let none = figures(&[(SYSTEM, "offered", 0.0), (SYSTEM, "throughput", 0.0)]);
    assert_eq!(judged(&steady(), &none).0, Verdict::Undecided);
    assert_eq!(judged(&steady(), &[]).0, Verdict::Undecided);
}

#[test]
fn a_run_that_memory_ended_is_an_overload_if_a_twentieth_of_what_came_stayed_inside() {
    let cut = |by: Cut, carried: f64, failed: f64| {
        let mut seen = steady();
        (seen.cut, seen.cut_by, seen.peak_requests) = (1, Some(by), 123);
        judged(&seen, &carrying(carried, &[(SYSTEM, "failures", failed)]))
    };
    let (verdict_, why) = cut(Cut::Memory, 5.0, 4.4);
    assert_eq!(verdict_, Verdict::Overloaded);
    assert_eq!(
        why,
        "the number inside grew to 123 and reached the limit of memory after 16m 40s (--max-memory)"
    );
    // What failed has ended too.
    let (verdict_, why) = cut(Cut::Memory, 5.0, 4.6);
    assert_eq!(verdict_, Verdict::Undecided);
    assert_eq!(
        why,
        "the limit of memory ended the run after 16m 40s (--max-memory)"
    );
    for (by, limit) in [(Cut::Wall, "real time"), (Cut::Events, "events")] {
        let (verdict_, why) = cut(by, 5.0, 0.0);
        assert_eq!(verdict_, Verdict::Undecided);
        assert!(why.contains(&format!("the limit of {limit} ended")), "{why}");
    }
}

#[test]
fn an_objective_holds_or_fails_only_with_its_whole_interval() {
    let text = "[objective]\nmean = \"< 1s\"\nthroughput = \"> 9/s\"\n";
    let model = plan(OPEN, text).model;
    let judge = |name: &str, interval: Option<(f64, f64)>| {
        let mut all = figures(&[("flow.visit", name, 1.0)]);
        (all[0].low, all[0].high) = (interval.map(|i| i.0), interval.map(|i| i.1));
        let found = objective(&model, &all);
        let found = found.into_iter().find(|j| {
            j.text.starts_with(match name {
                "response_time_mean" => "mean",
                _ => "throughput",
            })
        });
        found.expect("an objective").met
    };
    let mean = |low, high| judge("response_time_mean", Some((low, high)));
    assert_eq!(mean(0.8, 0.999), Some(true));
    assert_eq!(mean(0.8, 1.0), None, "below, not at most");
    assert_eq!(mean(0.999, 1.2), None);
    assert_eq!(mean(1.0, 1.2), Some(false));
    let throughput = |low, high| judge("throughput", Some((low, high)));
    assert_eq!(throughput(9.001, 10.0), Some(true));
    assert_eq!(throughput(9.0, 10.0), None, "above, not at least");
    assert_eq!(throughput(8.0, 9.001), None);
    assert_eq!(throughput(8.0, 9.0), Some(false));
    assert_eq!(judge("throughput", None), None);
}

/// An outage from 400 s to 500 s in a run of 1000 s with windows of 10 s; the number inside is 2 before it, and
/// from so many seconds on `after`.
fn outage(after: f64, from: f64, carried: f64) -> (PointPlan, Collected) {
    let plan = plan(
        OPEN,
        "[[timeline]]\nat = \"400s\"\nset = { \"station.desk.servers\" = 3 }\n\
         [[timeline]]\nat = \"500s\"\nset = { \"station.desk.servers\" = 1 }\n",
    );
    let mut seen = steady();
    seen.times = Bits((1..=100).map(|i| 10.0 * f64::from(i)).collect());
    for r in 0..4 {
        let noise = |i: i32| 1e-3 * f64::from((i + r) % 3);
        let inside = (0..100).map(|i| {
            let t = 10.0 * f64::from(i);
            noise(i)
                + if t < 400.0 {
                    2.0
                } else if t < from {
                    50.0
                } else {
                    after
                }
        });
        let throughput = (0..100).map(|i| noise(i) + if i < 40 { 10.0 } else { carried });
        seen.windows
            .push((Bits(inside.collect()), Bits(throughput.collect())));
    }
    (plan, seen)
}

#[test]
fn after_a_disturbance_it_is_said_whether_the_system_is_as_before() {
    let said = |after: f64, from: f64, carried: f64, lost: f64| {
        let (plan, seen) = outage(after, from, carried);
        verdict(
            &plan,
            &seen,
            &carrying(10.0 - lost, &[(SYSTEM, "failures_rejected", lost)]),
        )
    };
    let (verdict_, why) = said(2.0, 600.0, 10.0, 0.04);
    assert_eq!(verdict_, Verdict::Recovered, "{why}");
    assert!(
        why.starts_with("within 1m 50s of 8m 20s, when the disturbance ended: 2.001 inside and 10/s carried at the end, 2.001 and 10/s before"),
        "{why}"
    );
    assert!(!why.contains("in all"), "{why}");
    // What was lost meanwhile is told too, and is no overload of now.
    let (verdict_, why) = said(2.0, 600.0, 10.0, 0.8);
    assert_eq!(verdict_, Verdict::Recovered);
    assert!(
        why.contains("; in all 8 % of 10/s is lost: rejected 0.8/s"),
        "{why}"
    );
    let (verdict_, why) = said(50.0, 600.0, 10.0, 0.8);
    assert_eq!(verdict_, Verdict::Overloaded);
    assert!(why.contains("has not recovered"), "{why}");
    assert!(!why.contains("in all"), "{why}");
    let (verdict_, why) = said(2.0, 600.0, 5.0, 0.0);
    assert_eq!(verdict_, Verdict::Overloaded, "{why}");
}

/// Columns of a run of 1000 s whose backlogs grow by so many a second.
fn with_backlogs(mut seen: Collected, list: &[(&str, &str, f64)]) -> Collected {
    for (subject, name, slope) in list {
        let values = seen.times.0.iter().map(|t| slope * t).collect();
        seen.columns.push(crate::experiment::collect::Column {
            subject: (*subject).to_owned(),
            name: (*name).to_owned(),
            unit: Unit::Count,
            values: Bits(values),
        });
    }
    seen
}

#[test]
fn each_backlog_is_told_its_own_growth_and_gives_way_before_who_is_busy() {
    let left = [
        ("consumer.slow", "lag", 0.6),
        ("outbox.rows", "pending", 0.4),
        ("consumer.fast", "lag", 0.01),
        // Who waits for a connection is a request, and was counted as one.
        ("connection-pool.db", "pending", 0.5),
    ];
    let seen = with_backlogs(growing(1.0), &left);
    let metrics = carrying(
        10.0,
        &[
            ("consumer.slow", "lag_end", 600.0),
            ("consumer.slow", "consumed", 9.4),
            ("consumer.slow", "utilisation", 0.99),
            ("consumer.fast", "consumed", 10.0),
            ("outbox.rows", "pending_end", 400.0),
            ("outbox.rows", "sent", 9.6),
            ("station.desk", "utilisation", 0.5),
        ],
    );
    let plan = plan(OPEN, "");
    let (verdict_, why) = verdict(&plan, &seen, &metrics);
    assert_eq!(verdict_, Verdict::Overloaded);
    assert_eq!(
        why,
        "the lag of consumer.slow grows by 0.6/s: 9.4/s are consumed; the backlog of outbox.rows grows by 0.4/s: 9.6/s are sent"
    );
    let consumed = written(
        "[topic.t]\n[consumer.slow]\ntopic = \"t\"\nsteps = [{ delay = \"1ms\" }]\n[flow.f]\nsteps = [{ publish = \"t\" }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\n",
    );
    assert_eq!(
        bottleneck(&consumed, &seen, &metrics).as_deref(),
        Some("consumer.slow threads 99 %")
    );
    let rows = with_backlogs(growing(1.0), &left[1..2]);
    let rows = with_backlogs(rows, &[("consumer.slow", "lag", 0.2)]);
    assert_eq!(
        bottleneck(&plan, &rows, &metrics).as_deref(),
        Some("outbox.rows behind by 0.4/s")
    );
    // Steady backlogs give no way.
    assert_eq!(
        bottleneck(&plan, &steady(), &metrics).as_deref(),
        Some("station.desk servers 50 %")
    );
    // Most of the growth is elsewhere.
    let elsewhere = with_backlogs(growing(1.0), &[("consumer.slow", "lag", 0.1)]);
    let (_, why) = verdict(&plan, &elsewhere, &metrics);
    assert!(why.starts_with("work that nobody waits for grows"), "{why}");
    // Losses come first, and are not all.
    let mut lossy = metrics;
    lossy.extend(figures(&[(SYSTEM, "failures_rejected", 2.0)]));
    let (verdict_, why) = verdict(&plan, &rows, &lossy);
    assert_eq!(verdict_, Verdict::Overloaded);
    assert!(
        why.contains("rejected 2/s; besides, the backlog of outbox.rows"),
        "{why}"
    );
    assert_eq!(
        bottleneck(&plan, &rows, &lossy).as_deref(),
        Some("station.desk servers 50 %")
    );
}

#[test]
fn a_measured_time_too_short_for_a_trend_is_judged_by_what_came_and_went() {
    let short = |carried: [f64; 4], failed: f64| {
        let mut seen = seen(|_, _| 100.0);
        seen.inside.iter_mut().for_each(|b| b.0.truncate(5));
        let mut add = |name: &str, values: [f64; 4]| {
            seen.figures.push(crate::experiment::collect::Values {
                subject: SYSTEM.into(),
                name: name.into(),
                unit: Unit::PerSecond,
                values: Bits(values.to_vec()),
                pooled: None,
            });
        };
        add("offered", [10.0, 10.1, 9.9, 10.0]);
        add("throughput", carried);
        add("failures", [failed; 4]);
        let metrics = carrying(
            carried.iter().sum::<f64>() / 4.0,
            &[("station.desk", "utilisation", 0.5)],
        );
        judged(&seen, &metrics)
    };
    let (verdict_, why) = short([3.0, 3.1, 3.0, 3.1], 0.0);
    assert_eq!(verdict_, Verdict::Overloaded);
    assert_eq!(
        why,
        "the number inside grows by 6.95/s: 10/s arrive, 3.05/s are carried"
    );
    // What is carried about makes up for what comes: nothing is shown.
    let (verdict_, why) = short([10.0, 10.2, 9.8, 10.1], 0.0);
    assert_eq!(verdict_, Verdict::Undecided, "{why}");
    let (verdict_, why) = short([10.0, 10.1, 9.9, 10.0], 0.0);
    assert_eq!(verdict_, Verdict::Undecided, "{why}");
    // What failed is gone too.
    let (verdict_, why) = short([8.0, 8.2, 7.8, 8.1], 2.0);
    assert_eq!(verdict_, Verdict::Undecided, "{why}");
}

#[test]
fn more_may_end_than_arrives_and_no_more_is_lost_than_ended() {
    let metrics = carrying(5.0, &[(SYSTEM, "failures_client_timeout", 15.0)]);
    let (verdict_, why) = judged(&steady(), &metrics);
    assert_eq!(verdict_, Verdict::Overloaded);
    assert!(why.starts_with("75 % of 10/s is lost"), "{why}");
}

#[test]
fn what_was_overloaded_before_a_disturbance_does_not_recover() {
    let (plan, seen) = outage(2.0, 600.0, 10.0);
    let said = |before: f64, more: &[(&str, &str, f64)]| {
        let mut seen = seen.clone();
        for (name, rate) in [("offered", 10.0), ("throughput", before)] {
            let values = Bits(vec![rate; 100]);
            seen.columns.push(crate::experiment::collect::Column {
                subject: "flow.visit".into(),
                name: name.into(),
                unit: Unit::PerSecond,
                values,
            });
        }
        verdict(&plan, &seen, &carrying(10.0, more)).0
    };
    assert_eq!(said(9.6, &[]), Verdict::Recovered);
    let lost = [(SYSTEM, "failures_rejected", 6.0)];
    assert_eq!(said(4.0, &lost), Verdict::Overloaded);
    // Failing by itself was part of being well.
    assert_eq!(said(9.0, &[(SYSTEM, "failures_failed", 1.0)]), Verdict::Recovered);
}

#[test]
fn rows_and_records_may_be_left_behind_and_a_topic_that_nobody_reads_may_not() {
    let of =
        |subject: &str, name: &str, value: f64| growth::leaves_behind(&figures(&[(subject, name, value)]));
    assert!(of("outbox.rows", "pending_end", 0.0));
    assert!(of("consumer.c", "lag_end", 3.0));
    assert!(!of("topic.t", "lag_end", 3.0));
    assert!(!of("consumer.c", "lag_max", 3.0));
    assert!(!of("consumer.c", "lag_end", f64::NAN));
}
