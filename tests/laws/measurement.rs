//! What is measured after a warm-up is what was seen in all less what was seen before it.

use plimsoll::component::Unit;
use plimsoll::diagnostic::Sink;
use plimsoll::engine::observe::Observations;
use plimsoll::model::{self, Model};

use crate::support::{options, run, shipped};

/// One of everything, each with something to do.
const ALL_KINDS: &str = include_str!("all-kinds.toml");

/// Counts of what there is at the end, beside those whose names say so.
const AT_THE_END: &[&str] = &["size", "threads_current", "available_permissions"];
/// Means over things that either part of a run may have several of.
const OF_PARTS: &[&str] = &[
    "records_per_poll",
    "records_per_batch",
    "rows_per_poll",
    "batches_per_request",
    "load_average_mean",
];

fn check(name: &str, model: &Model, warm_up: f64, measured: f64) {
    let end = warm_up + measured;
    let runs = [(end, 0.0), (warm_up, 0.0), (end, warm_up)];
    let runs = runs.map(|(seconds, warm_up)| run(model, &options(0, seconds, warm_up)));
    for f in &runs[0].figures {
        let (subject, figure) = (f.subject.as_str(), f.name.as_str());
        // Failures that did not happen are not listed.
        let [whole, before, after] = [0, 1, 2].map(|i| runs[i].figure(subject, figure).unwrap_or(0.0));
        let average = figure.ends_with("_mean") || ["utilisation", "paused_share"].contains(&figure);
        let rate = f.unit == Unit::PerSecond || figure.ends_with("_rate");
        let (found, expected) = match f.unit {
            _ if OF_PARTS.contains(&figure) => continue,
            _ if figure.ends_with("_max") => (whole, before.max(after)),
            _ if figure.ends_with("_end") || AT_THE_END.contains(&figure) => (whole, after),
            Unit::Seconds => continue,
            _ if rate || average => (whole * end, before * warm_up + after * measured),
            Unit::Share => continue,
            _ => (whole, before + after),
        };
        let scale = found.abs().max(expected.abs()).max(1e-3);
        assert!(
            (found - expected).abs() <= 1e-6 * scale,
            "{name}: {subject} {figure}: {whole} in {end} s, {before} in {warm_up} s, {after} in the rest"
        );
    }
}

#[test]
fn a_warm_up_takes_away_what_came_before_it_and_nothing_else() {
    check("all kinds", &crate::support::model(ALL_KINDS), 2.0, 4.0);
    for (name, text, folder) in shipped().into_iter().filter(|m| !m.0.contains("bench")) {
        let model = model::load(&name, &text, Some(&folder), &mut Sink::default()).expect("a shipped model");
        check(&name, &model, 0.7, 1.3);
    }
}

fn column<'a>(o: &'a Observations, subject: &str, name: &str) -> &'a [f64] {
    let found = o.columns.iter().find(|c| c.subject == subject && c.name == name);
    &found
        .unwrap_or_else(|| panic!("no column {name} of {subject}"))
        .values
}

#[track_caller]
fn near(what: &str, found: f64, expected: f64) {
    let scale = found.abs().max(expected.abs()).max(1e-3);
    assert!(
        (found - expected).abs() <= 1e-6 * scale,
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn the_windows_of_a_series_add_up_to_the_figures() {
    let model = crate::support::model(ALL_KINDS);
    let o = run(&model, &options(0, 4.0, 0.0));
    assert_eq!(o.times.len(), 20);
    near("the end of the second window", o.times[1], 0.4);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / 20.0;
    let figure = |subject: &str, name: &str| o.figure(subject, name).unwrap_or(0.0);
    let series = |subject: &str, name: &str| mean(column(&o, subject, name));
    for flow in &model.flows {
        let s = format!("flow.{}", flow.name);
        for name in ["offered", "throughput", "failures"] {
            near(&format!("{s} {name}"), series(&s, name), figure(&s, name));
        }
        near(&s, series(&s, "inside"), figure(&s, "inside_mean"));
    }
    // What lies in logs and outboxes counts as inside, and so does what goes on without its caller.
    let left = figure("consumer.worker", "lag_mean") + figure("outbox.rows", "pending_mean");
    let inside = figure("system", "inside_mean") + left;
    assert!(
        (inside..1.1 * inside).contains(&mean(&o.inside)),
        "{inside}, {:?}",
        o.inside
    );
    near("completed", mean(&o.completed), figure("system", "throughput"));
    let times = o.response.iter().zip(&o.completed).filter(|(t, _)| !t.is_nan());
    let times: f64 = times.map(|(t, n)| t * n).sum();
    let completed: f64 = o.completed.iter().sum();
    near(
        "response",
        times / completed,
        figure("system", "response_time_mean"),
    );
    for entry in &model.components {
        let s = entry.subject();
        near(&s, series(&s, "in_queue"), figure(&s, "in_queue_mean"));
        near(&s, series(&s, "in_system"), figure(&s, "in_system_mean"));
        if o.figure(&s, "utilisation").is_some() {
            near(&s, series(&s, "utilisation"), figure(&s, "utilisation"));
        }
    }
    near(
        "paused",
        series("heap.jvm", "paused_share"),
        figure("heap.jvm", "paused_share"),
    );
    let last = |subject: &str, name: &str| column(&o, subject, name)[19];
    near(
        "rows",
        last("outbox.rows", "pending"),
        figure("outbox.rows", "pending_end"),
    );
    near(
        "lag",
        last("consumer.worker", "lag"),
        figure("consumer.worker", "lag_end"),
    );
    // One window is the whole run.
    let mut once = options(0, 4.0, 0.0);
    once.windows = 1;
    let o = run(&model, &once);
    for p in ["response_time_p50", "response_time_p95"] {
        let expected = o.figure("flow.order", p).expect("there are requests");
        near(p, column(&o, "flow.order", p)[0], expected);
    }
}

#[test]
fn a_series_does_not_depend_on_when_the_measurement_begins() {
    let model = crate::support::model(ALL_KINDS);
    // It begins in the middle of the seventh window, and at the end of the fifth.
    for (warm_up, window) in [(1.3, Some(6)), (1.0, None)] {
        let (whole, late) = (
            run(&model, &options(0, 4.0, 0.0)),
            run(&model, &options(0, 4.0, warm_up)),
        );
        for (a, b) in whole.columns.iter().zip(&late.columns) {
            for (i, (x, y)) in a.values.iter().zip(&b.values).enumerate() {
                // Of the window in which it begins, only the times that are measured are known.
                let cut = a.name.starts_with("response_time") && window == Some(i);
                if a.name.starts_with("response_time") && !cut {
                    // As precise as the histogram's buckets.
                    let same = (x - y).abs() <= 0.01 * x || x.is_nan() && y.is_nan();
                    assert!(same, "{} {} window {i}: {y}, {x}", a.subject, a.name);
                } else if !(cut || x.is_nan() && y.is_nan()) {
                    near(&format!("{} {} window {i}", a.subject, a.name), *y, *x);
                }
            }
        }
        for (x, y) in whole.inside.iter().zip(&late.inside) {
            near("inside", *y, *x);
        }
        for (x, y) in whole.completed.iter().zip(&late.completed) {
            near("completed", *y, *x);
        }
    }
}
