//! Flows that split, join, and answer before their end.

use plimsoll::statistics::ctmc::Chain;
use plimsoll::statistics::queueing::mm1;

use super::{Judge, REPLICATIONS};
use crate::support::{book, figure, model, options, replicate, run};

/// Throughput and response time of `users` who think and ask a server of one thread with two phases.
fn second_phase(users: u32, think: f64, first: f64, second: f64) -> (f64, f64) {
    // The server's phase (0 for idle), and how many wait for it.
    let chain = Chain::explore([0u32, 0], 10_000, |&[phase, waiting], to| {
        let thinking = users - waiting - u32::from(phase == 1);
        if thinking > 0 {
            let next = if phase == 0 { [1, 0] } else { [phase, waiting + 1] };
            to.push((next, f64::from(thinking) / think));
        }
        match phase {
            1 => to.push(([2, waiting], 1.0 / first)),
            2 if waiting > 0 => to.push(([1, waiting - 1], 1.0 / second)),
            2 => to.push(([0, 0], 1.0 / second)),
            _ => {}
        }
    })
    .unwrap();
    let solved = chain.stationary().unwrap();
    let throughput = solved.probability(|s| s[0] == 1) / first;
    (throughput, f64::from(users) / throughput - think)
}

#[test]
fn the_second_phase_runs_on_while_the_caller_has_gone() {
    for users in [1u32, 4] {
        let (throughput, response) = second_phase(users, 0.1, 0.02, 0.03);
        let text = book("second-phase").replace("users = 4", &format!("users = {users}"));
        Judge::new(&replicate(&text, REPLICATIONS))
            .figure("flow.request", "throughput", throughput)
            .figure("flow.request", "response_time_mean", response)
            .figure("station.thread", "utilisation", throughput * 0.05);
        // The same when the users ask the server themselves.
        let direct = text.replace("flow = \"request\"", "flow = \"serve\"");
        Judge::new(&replicate(&direct, REPLICATIONS)).figure("flow.serve", "response_time_mean", response);
    }
}

#[test]
fn an_answer_at_the_end_changes_nothing() {
    // Draws belong to their steps: a flow that runs apart from its caller draws the same.
    let text = book("second-phase").replace("    { reply = true },\n", "");
    let late = text.replace(
        "    { delay = \"exp(30ms)\" },\n",
        "    { delay = \"exp(30ms)\" },\n    { reply = true },\n",
    );
    let (a, b) = (
        run(&model(&text), &options(0, 60.0, 0.0)),
        run(&model(&late), &options(0, 60.0, 0.0)),
    );
    for name in ["throughput", "response_time_mean", "response_time_max"] {
        assert_eq!(
            figure(&a, "flow.request", name),
            figure(&b, "flow.request", name),
            "{name}"
        );
    }
}

#[test]
fn what_fails_after_the_answer_fails_nobody() {
    let before = book("second-phase").replace("{ reply = true }", "{ fail = 1.0 },\n    { reply = true }");
    let after = book("second-phase").replace("{ reply = true }", "{ reply = true },\n    { fail = 1.0 }");
    let o = run(&model(&before), &options(0, 20.0, 0.0));
    assert_eq!(figure(&o, "flow.request", "failure_share"), 1.0);
    let o = run(&model(&after), &options(0, 20.0, 0.0));
    assert_eq!(figure(&o, "flow.request", "failure_share"), 0.0);
    assert!(figure(&o, "station.thread", "failed") > 10.0);
}

#[test]
fn two_halves_of_a_request_join() {
    for rate in [300.0f64, 700.0] {
        let one = mm1(rate, 0.001).unwrap();
        let exact = (12.0 - rate * 0.001) / 8.0 * one.response_time;
        let text = book("fork-join").replace("700/s", &format!("{rate}/s"));
        Judge::new(&replicate(&text, REPLICATIONS))
            .figure("flow.request", "response_time_mean", exact)
            .figure("station.left", "visit_time_mean", one.response_time)
            .figure("station.right", "visit_time_mean", one.response_time);
    }
}

#[test]
fn a_quorum_goes_on_with_the_first_answers() {
    for (join, exact) in [
        (1, 1.0f64 / 3.0),
        (2, 1.0 / 3.0 + 0.5),
        (3, 1.0 / 3.0 + 0.5 + 1.0),
    ] {
        let text = book("quorum").replace("join = 2", &format!("join = {join}"));
        Judge::new(&replicate(&text, REPLICATIONS)).figure("flow.read", "response_time_mean", 0.01 * exact);
    }
}

#[test]
fn the_rest_of_a_quorum_finishes_or_is_cancelled() {
    let text = |rest: &str| {
        format!(
            r#"
            [station.slow]
            servers = 100
            [flow.read]
            steps = [
              {{ parallel = [
                {{ steps = [{{ delay = "10ms" }}] }},
                {{ steps = [{{ use = "slow", time = "100ms" }}] }},
              ], join = 1, rest = "{rest}" }},
            ]
            [workload.w]
            executor = "constant-arrival-rate"
            rate = "10/s"
            pre-allocated-vus = 100
            "#
        )
    };
    let at = |rest: &str| run(&model(&text(rest)), &options(0, 9.95, 0.0));
    let (finish, cancel) = (at("finish"), at("cancel"));
    for o in [&finish, &cancel] {
        assert_eq!(figure(o, "flow.read", "response_time_max"), 0.01);
    }
    assert_eq!(figure(&finish, "station.slow", "visit_time_max"), 0.1);
    assert_eq!(figure(&cancel, "station.slow", "visit_time_max"), 0.01);
    assert_eq!(finish.figure("station.slow", "cancelled"), None);
    assert!(figure(&cancel, "station.slow", "cancelled") > 9.0);
}

#[test]
fn a_quorum_fails_when_too_few_branches_are_left() {
    let text = |join: u32| {
        format!(
            r#"
            [flow.read]
            steps = [
              {{ parallel = [
                {{ steps = [{{ delay = "10ms" }}, {{ fail = 1.0 }}] }},
                {{ steps = [{{ delay = "20ms" }}] }},
                {{ steps = [{{ delay = "30ms" }}] }},
                {{ steps = [{{ delay = "40ms" }}, {{ fail = 1.0 }}] }},
              ], join = {join} }},
            ]
            [workload.w]
            executor = "constant-arrival-rate"
            rate = "10/s"
            pre-allocated-vus = 100
            "#
        )
    };
    let o = run(&model(&text(2)), &options(0, 9.95, 0.0));
    assert_eq!(figure(&o, "flow.read", "failure_share"), 0.0);
    assert!((figure(&o, "flow.read", "response_time_max") - 0.03).abs() < 1e-9);
    // The fourth failure leaves two of three; nobody waits for it any longer.
    let o = run(&model(&text(3)), &options(0, 9.95, 0.0));
    assert_eq!(figure(&o, "flow.read", "failure_share"), 1.0);
    assert!((figure(&o, "flow.read", "failure_time_max") - 0.04).abs() < 1e-9);
}
