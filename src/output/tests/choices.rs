//! What is shown where not everything can be.

use super::fixture::*;
use super::survives;
use crate::experiment::results::*;
use crate::output::{explain, pictures, terminal};

#[test]
fn what_was_asked_for_stands_in_the_table_first() {
    let mut results = named_axis();
    let metrics = [
        ("connection-pool.orders-db", "in_queue_mean"),
        (SYSTEM, "response_time_p99"),
        ("host.vps", "in_queue_max"),
        ("host.vps", "utilisation"),
        ("thread-pool.http", "rejected"),
    ];
    results.curve = Some(CurveSpec {
        x: 0,
        metrics: metrics
            .map(|(subject, name)| (subject.into(), name.into()))
            .into(),
        group: None,
    });
    let text = terminal(&results, 80, false);
    let (_, rest) = text.split_once("No room for ").expect("too little room");
    let left_out = rest.split(';').next().unwrap();
    for asked in ["in queue mean", "p99", "in queue max"] {
        assert!(!left_out.contains(asked), "{text}");
    }
    assert!(
        left_out.contains("p50") && left_out.contains("failures"),
        "{text}"
    );
    let head = text.lines().find(|line| line.contains("verdict")).unwrap();
    assert!(head.find("collector") < head.find("p99"), "{text}");
    // Each has its own panel.
    assert_eq!(pictures::curve(&results).panels.len(), 5);
    survives(&results);
}

#[test]
fn more_panels_than_a_page_holds_are_told_of() {
    let mut results = two_axes();
    let names = ["offered", "throughput", "failure_share", "response_time_mean"];
    let subjects = [SYSTEM, "connection-pool.orders-db", "host.vps"];
    let all = subjects.iter().flat_map(|subject| {
        let known = &results.points[0];
        let own = known.metrics.iter().filter(|metric| metric.subject == *subject);
        own.map(|metric| (metric.subject.clone(), metric.name.clone()))
    });
    let metrics: Vec<(String, String)> = all.take(10).collect();
    assert!(metrics.len() == 10 && metrics[0].1 == names[0]);
    results.curve.as_mut().unwrap().metrics = metrics;
    let picture = pictures::curve(&results);
    assert!(
        picture.caption.contains("8 of 10 figures shown"),
        "{}",
        picture.caption
    );
}

#[test]
fn a_note_points_at_the_line_that_it_is_about() {
    let mut results = two_axes();
    results.curve.as_mut().unwrap().group = Some(1);
    let picture = pictures::curve(&results);
    let panel = &picture.panels[0];
    assert!(panel.notes.iter().any(|note| note.line > 0), "{:?}", panel.notes);
    for (at, note) in panel.notes.iter().enumerate() {
        let same = |other: &crate::output::chart::Note| other.x == note.x && other.text == note.text;
        assert!(!panel.notes[..at].iter().any(same), "{:?}", panel.notes);
    }
    for note in &panel.notes {
        let line = &panel.lines[note.line];
        assert!(
            line.marks.iter().any(|mark| (mark.x, mark.y) == (note.x, note.y)),
            "{note:?}"
        );
    }
}

#[test]
fn a_breaker_has_panels_of_its_own() {
    let mut results = run();
    let series = &mut results.points[0].series;
    for (name, value) in [("state", 2.0), ("failure_rate", 83.0), ("in_system", 5.0)] {
        series.columns.push(SeriesColumn {
            subject: "circuit-breaker.card".into(),
            name: name.into(),
            unit: Unit::Count,
            values: vec![value; series.times_s.len()],
        });
    }
    let picture = pictures::over_time(&results, &results.points[0]);
    let titles: Vec<&str> = picture.panels.iter().map(|panel| panel.title.as_str()).collect();
    assert_eq!(
        titles[3..],
        [
            "number in queue or system",
            "breaker: 0 closed, 1 half open, 2 open",
            "breaker: rates in %"
        ]
    );
    let labels: Vec<&str> = picture.panels[3]
        .lines
        .iter()
        .map(|line| line.label.as_str())
        .collect();
    assert_eq!(labels.len(), 2, "{labels:?}");
    survives(&results);
}

#[test]
fn what_was_not_observed_did_not_change() {
    let with = |mean: f64| {
        let share = |name: &str, mean: f64| metric("consumer.c", name, Unit::Share, mean, 0.001);
        let metrics = vec![share("poll_idle_ratio", mean), share("hit_ratio", mean / 2.0)];
        point(0, &[], metrics, Verdict::Stable)
    };
    let found = explain::changes(&with(0.8), &with(0.2));
    assert_eq!(found[0], "poll idle ratio of consumer.c falls from 80 % to 20 %");
    assert_eq!(found.len(), 2);
    for (before, after) in [(f64::NAN, f64::NAN), (0.8, f64::NAN), (f64::NAN, 0.2)] {
        assert!(explain::changes(&with(before), &with(after)).is_empty());
    }
}

#[test]
fn a_figure_that_is_the_same_everywhere_has_no_range() {
    let mut results = named_axis();
    for point in &mut results.points {
        let found = point
            .metrics
            .iter_mut()
            .find(|metric| metric.name == "throughput");
        (found.unwrap()).clone_from(&metric(SYSTEM, "throughput", Unit::PerSecond, 80.0, 2.0));
    }
    let text = terminal(&results, 120, false);
    assert!(text.contains("Throughput is 80 ± 2 /s at all points."), "{text}");
}

#[test]
fn bars_have_names_that_differ() {
    let mut results = named_axis();
    let long = [
        "a rather long name of a change, none",
        "a rather long name of a change, one",
    ];
    for (value, name) in results.axes[0].values.iter_mut().zip(long) {
        value.label = name.into();
    }
    let text = terminal(&results, 60, false);
    let bars: Vec<&str> = text.lines().filter(|line| line.contains('█')).collect();
    let name = |bar: &str| bar.split("  ").next().unwrap().to_owned();
    assert!(bars.len() == 3 && name(bars[0]) != name(bars[1]), "{text}");
    survives(&results);
}
