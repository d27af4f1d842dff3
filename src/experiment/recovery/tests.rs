use std::path::Path;

use super::*;
use crate::experiment::{Overrides, load_model_text};

/// A service with one station; `more` are tables behind the workload's keys.
fn span(workload: &str, more: &str) -> Option<(f64, f64)> {
    let text = format!(
        "[service.api]\nreplicas = 2\nstart-up-time = \"5s\"\n[station.desk]\n[flow.f]\nat = \"api\"\n\
         steps = [{{ use = \"desk\", time = \"1ms\" }}]\n[workload.w]\nflow = \"f\"\n{workload}\n{more}"
    );
    let loaded = load_model_text(Path::new("m.toml"), &text, &Overrides::default());
    let found = disturbance(&loaded.experiment.expect("a model").points[0].model);
    let whole = |seconds: f64| (seconds * 1e6).round() / 1e6;
    found.map(|(from, to)| (whole(from), whole(to)))
}

const STEADY: &str = "executor = \"poisson\"\nrate = \"10/s\"";

fn at(second: u32, what: &str) -> String {
    format!("[[timeline]]\nat = \"{second}s\"\n{what}\n")
}

fn timeline(list: &[(u32, &str)]) -> Option<(f64, f64)> {
    let entries: Vec<String> = list.iter().map(|(t, what)| at(*t, what)).collect();
    span(STEADY, &entries.concat())
}

const TWO: &str = "set = { \"station.desk.servers\" = 2 }";
const ONE: &str = "set = { \"station.desk.servers\" = 1 }";

#[test]
fn what_begins_and_ends_is_a_disturbance_from_the_first_begin_to_the_last_end() {
    assert_eq!(timeline(&[]), None);
    assert_eq!(
        timeline(&[(100, "outage = \"api\"\nfor = \"10s\"")]),
        Some((100.0, 110.0))
    );
    assert_eq!(
        timeline(&[(100, "pause = \"api\"\nfor = \"10s\"")]),
        Some((100.0, 110.0))
    );
    assert_eq!(timeline(&[(100, "restart = \"api\"")]), Some((100.0, 105.0)));
    assert_eq!(timeline(&[(100, TWO), (130, ONE)]), Some((100.0, 130.0)));
    let both = [(100, TWO), (120, "pause = \"api\"\nfor = \"50s\""), (130, ONE)];
    assert_eq!(timeline(&both), Some((100.0, 170.0)));
    let stopped = [
        (60, "stop = \"api\"\nreplica = 1"),
        (70, "start = \"api\"\nreplica = 1"),
    ];
    assert_eq!(timeline(&stopped), Some((60.0, 70.0)));
    // Set to what it is already.
    assert_eq!(timeline(&[(100, ONE)]), None);
    // Another value on the way does not end it.
    let three = "set = { \"station.desk.servers\" = 3 }";
    assert_eq!(
        timeline(&[(100, TWO), (110, three), (130, ONE)]),
        Some((100.0, 130.0))
    );
}

#[test]
fn what_does_not_end_is_no_passing_disturbance() {
    assert_eq!(timeline(&[(100, TWO)]), None);
    assert_eq!(
        timeline(&[(10, "pause = \"api\"\nfor = \"10s\""), (100, TWO)]),
        None
    );
    assert_eq!(timeline(&[(60, "stop = \"api\"")]), None);
    // Another replica came back than the one that went.
    let crossed = [
        (60, "stop = \"api\"\nreplica = 1"),
        (70, "start = \"api\"\nreplica = 0"),
    ];
    assert_eq!(timeline(&crossed), None);
}

#[test]
fn a_load_that_leaves_its_value_and_comes_back_is_a_disturbance() {
    let stages = |list: &[(u32, u32)]| {
        let list: Vec<String> = list
            .iter()
            .map(|(rate, seconds)| format!("{{ target = \"{rate}/s\", duration = \"{seconds}s\" }}"))
            .collect();
        let stages = list.join(", ");
        span(
            &format!("executor = \"poisson\"\nstart-rate = \"10/s\"\nstages = [{stages}]"),
            "",
        )
    };
    assert_eq!(stages(&[(10, 100)]), None);
    assert_eq!(
        stages(&[(10, 100), (50, 20), (10, 30), (10, 100)]),
        Some((100.0, 150.0))
    );
    assert_eq!(stages(&[(50, 20), (10, 30)]), Some((0.0, 50.0)));
    assert_eq!(stages(&[(10, 100), (50, 20), (20, 30)]), None);
    let both = "executor = \"poisson\"\nstart-rate = \"10/s\"\nstages = [{ target = \"20/s\", duration = \"5s\" }, \
                { target = \"10/s\", duration = \"5s\" }, { target = \"10/s\", duration = \"90s\" }]";
    let pause = at(30, "pause = \"api\"\nfor = \"1s\"");
    assert_eq!(span(both, &pause), Some((0.0, 31.0)));
}

#[test]
fn a_load_that_begins_late_or_ends_is_not_meant_to_be_as_before() {
    let pause = at(30, "pause = \"api\"\nfor = \"1s\"");
    assert_eq!(span(STEADY, &pause), Some((30.0, 31.0)));
    for more in ["start-time = \"10s\"", "duration = \"100s\""] {
        assert_eq!(span(&format!("{STEADY}\n{more}"), &pause), None, "{more}");
    }
    let users = "executor = \"users\"\nusers = 3\nthink-time = \"1s\"";
    assert_eq!(span(users, &pause), Some((30.0, 31.0)));
    let some = "executor = \"shared-iterations\"\nvus = 3\niterations = 10";
    assert_eq!(span(some, &pause), None);
}

#[test]
fn recorded_arrivals_are_not_meant_to_be_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("arrivals.csv");
    std::fs::write(&path, "seconds\n1\n2\n3\n").expect("writing");
    let recorded = format!("executor = \"recorded\"\nfile = {path:?}");
    let pause = at(30, "pause = \"api\"\nfor = \"1s\"");
    assert_eq!(span(&recorded, &pause), None);
}
