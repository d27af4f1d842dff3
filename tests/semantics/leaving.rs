//! Who leaves before its turn: a caller whose process ends gives back what it has, wherever it stands.

use super::*;

/// One place of each kind that lets one in at a time: its subject, its tables, and a step that holds it for 1 s.
fn places() -> Vec<(&'static str, String, &'static str)> {
    let hold = r#"{ use = "b", steps = [{ delay = "1s" }] }"#;
    let serve = r#"{ use = "b", time = "1s" }"#;
    let cpu = r#"{ cpu = "1s", on = "b" }"#;
    [
        (
            "bulkhead.b",
            "max-concurrent-calls = 1\nmax-wait-duration = \"10s\"",
            hold,
        ),
        (
            "connection-pool.b",
            "maximum-pool-size = 1\nconnect-time = \"0s\"",
            hold,
        ),
        ("lock.b", "", hold),
        ("thread-pool.b", "max-threads = 1", hold),
        (
            "thread-pool.b",
            "max-connections = 1\naccept-count = 4\nconnections = \"per-request\"",
            hold,
        ),
        ("thread-pool.b", "executor = \"java\"\ncore-threads = 1", hold),
        (
            "thread-pool.b",
            "executor = \"java\"\ncore-threads = 1\nqueue = \"priority\"",
            r#"{ use = "b", priority = 3, steps = [{ delay = "1s" }] }"#,
        ),
        ("database.b", "parallelism = 1", r#"{ query = "b", time = "1s" }"#),
        ("external.b", "time = \"1s\"\nconcurrency = 1", r#"{ use = "b" }"#),
        ("station.b", "", serve),
        ("station.b", "", r#"{ use = "b", time = "1s", priority = 2 }"#),
        ("station.b", "patience = \"5s\"", serve),
        ("station.b", "discipline = \"lcfs\"", serve),
        ("station.b", "discipline = \"siro\"", serve),
        ("station.b", "preemptive = true", serve),
        ("station.b", "speeds = [1.0, 1.0]", serve),
        ("host.b", "discipline = \"fcfs\"", cpu),
        ("host.b", "discipline = \"round-robin\"\nquantum = \"10s\"", cpu),
    ]
    .map(|(subject, keys, step)| (subject, format!("[{subject}]\n{keys}\n"), step))
    .into()
}

/// Everybody takes the step, `quit` in a process that ends at `stop` seconds.
fn model(tables: &str, step: &str, stop: f64, list: &[(f64, &str)]) -> String {
    format!(
        "{tables}\n[service.near]\n[flow.stay]\nsteps = [{step}]\n[flow.next]\nsteps = [{step}]\n\
         [flow.quit]\nat = \"near\"\nsteps = [{step}]\n[[timeline]]\nat = \"{stop}s\"\nstop = \"near\"\n{}",
        requests(list)
    )
}

#[test]
fn who_leaves_a_line_is_not_waited_for() {
    for (subject, tables, step) in places() {
        let text = model(&tables, step, 0.6, &[(0.0, "stay"), (0.1, "quit"), (0.2, "next")]);
        let o = observe(&text, 10.0);
        let of = |name: &str| figure(&o, subject, name) * 10.0;
        near(figure(&o, "flow.quit", "failure_time_max"), 0.5, 1e-9);
        near(figure(&o, "flow.stay", "response_time_max"), 1.0, 1e-9);
        near(figure(&o, "flow.next", "response_time_max"), 1.8, 1e-9);
        // It waited from 0.1 to 0.6 s, the next one from 0.2 to 1 s.
        near(of("in_queue_mean"), 0.5 + 0.8, 1e-9);
        near(of("busy_mean"), 2.0, 1e-9);
        near(of("cancelled"), 1.0, 1e-9);
        near(of("throughput"), 2.0, 1e-9);
        near(figure(&o, subject, "waiting_time_max"), 0.8, 1e-9);
        near(
            figure(&o, subject, "visit_time_mean"),
            (1.0 + 0.5 + 1.8) / 3.0,
            1e-9,
        );
    }
}

#[test]
fn who_leaves_what_it_holds_makes_room_at_once() {
    for (subject, tables, step) in places() {
        let text = model(&tables, step, 0.5, &[(0.0, "quit"), (0.2, "next"), (3.0, "stay")]);
        let o = observe(&text, 10.0);
        let of = |name: &str| figure(&o, subject, name) * 10.0;
        near(figure(&o, "flow.quit", "failure_time_max"), 0.5, 1e-9);
        near(figure(&o, "flow.next", "response_time_max"), 1.3, 1e-9);
        near(figure(&o, "flow.stay", "response_time_max"), 1.0, 1e-9);
        near(of("in_queue_mean"), 0.3, 1e-9);
        near(of("busy_mean"), 2.5, 1e-9);
        near(of("cancelled"), 1.0, 1e-9);
    }
}

#[test]
fn a_job_that_leaves_a_shared_core_leaves_it_to_the_others() {
    let text = model(
        "[host.b]\n",
        r#"{ cpu = "1s", on = "b" }"#,
        0.5,
        &[(0.0, "stay"), (0.0, "quit"), (3.0, "next")],
    );
    let o = observe(&text, 10.0);
    // Half the speed for half a second, then alone.
    near(figure(&o, "flow.stay", "response_time_max"), 1.25, 1e-6);
    near(figure(&o, "flow.next", "response_time_max"), 1.0, 1e-6);
    near(figure(&o, "host.b", "busy_mean"), 0.225, 1e-6);
    near(figure(&o, "host.b", "runnable_mean"), 0.275, 1e-6);
}

/// The step is taken at a service that stands still from 0.2 s to 1.2 s; the process that asks it for `quit` ends at 0.5 s.
fn paused(tables: &str, service: &str, step: &str, list: &[(f64, &str)]) -> Observations {
    let text = format!(
        "{tables}\n[service.near]\n[service.far]\n{service}\n[flow.work]\nat = \"far\"\nsteps = [{step}]\n\
         [flow.stay]\nsteps = [{{ call = \"work\" }}]\n[flow.quit]\nat = \"near\"\nsteps = [{{ call = \"work\" }}]\n\
         [[timeline]]\nat = \"200ms\"\npause = \"far\"\nfor = \"1s\"\n[[timeline]]\nat = \"500ms\"\nstop = \"near\"\n{}",
        requests(list)
    );
    observe(&text, 10.0)
}

#[test]
fn the_work_of_a_paused_process_may_be_given_up_meanwhile() {
    let host = |keys: &str| format!("[host.b]\n{keys}\n");
    let (on, cpu) = ("host = \"b\"", "{ cpu = \"1s\" }");
    for (subject, tables, service, step) in [
        ("host.b", host("discipline = \"fcfs\""), on, cpu),
        (
            "host.b",
            host("discipline = \"round-robin\"\nquantum = \"10s\""),
            on,
            cpu,
        ),
        (
            "station.b",
            "[station.b]\nin = \"far\"\n".to_owned(),
            "",
            r#"{ use = "b", time = "1s" }"#,
        ),
    ] {
        let o = paused(
            &tables,
            service,
            step,
            &[(0.0, "quit"), (0.1, "quit"), (0.3, "stay")],
        );
        let of = |name: &str| figure(&o, subject, name) * 10.0;
        near(figure(&o, "flow.quit", "failure_time_max"), 0.5, 1e-9);
        // It comes during the pause and goes on after it: nobody is before it any more.
        near(figure(&o, "flow.stay", "response_time_max"), 1.9, 1e-9);
        // The first ran for 0.2 s and stood still for 0.3; the second waited for 0.4 s.
        near(of("busy_mean"), 1.2, 1e-9);
        near(of("in_queue_mean"), 0.7, 1e-9);
        near(of("cancelled"), 2.0, 1e-9);
    }
    let o = paused(
        "[host.b]\n",
        on,
        cpu,
        &[(0.0, "quit"), (0.1, "quit"), (0.3, "stay")],
    );
    near(figure(&o, "flow.stay", "response_time_max"), 1.9, 1e-6);
    near(figure(&o, "host.b", "busy_mean"), 0.12, 1e-6);
}

#[test]
fn after_a_pause_who_had_begun_goes_first_and_who_had_not_goes_last() {
    let text = |keys: &str| {
        let flow = |name: &str, at: &str, cpu: &str| {
            format!("[flow.{name}]\nat = \"{at}\"\nsteps = [{{ cpu = \"{cpu}\" }}]\n")
        };
        format!("[host.h]\n{keys}\n[service.b]\nhost = \"h\"\n[service.c]\nhost = \"h\"\n")
            + &flow("b1", "b", "1s")
            + &flow("b2", "b", "1s")
            + &flow("c1", "c", "2s")
            + &flow("c2", "c", "1s")
            + "[[timeline]]\nat = \"200ms\"\npause = \"b\"\nfor = \"1s\"\n"
            + &requests(&[(0.0, "b1"), (0.1, "b2"), (0.3, "c1"), (0.4, "c2")])
    };
    let ends = |keys: &str| {
        let o = observe(&text(keys), 10.0);
        ["b1", "b2", "c1", "c2"].map(|f| figure(&o, &format!("flow.{f}"), "response_time_max"))
    };
    // c1 runs from 0.3 to 2.3 s; of b1 0.8 s are left.
    for (found, expected) in ends("discipline = \"fcfs\"").iter().zip([3.1, 5.0, 2.0, 3.7]) {
        near(*found, expected, 1e-9);
    }
    // In turn all of them stand at the end of the line again.
    let turns = ends("discipline = \"round-robin\"\nquantum = \"10s\"");
    for (found, expected) in turns.iter().zip([4.1, 5.0, 2.0, 2.9]) {
        near(*found, expected, 1e-9);
    }
}

#[test]
fn a_direct_query_that_is_given_up_gives_its_connection_back() {
    let text = model(
        "[database.b]\nparallelism = 1\nmax-connections = 2\n",
        r#"{ query = "b", time = "1s" }"#,
        0.6,
        &[(0.0, "stay"), (0.1, "quit"), (0.3, "next"), (0.7, "stay")],
    );
    let o = observe(&text, 10.0);
    // Two are inside at 0.3 s; at 0.7 s one of them has left.
    near(
        figure(&o, "flow.next", "failures_too_many_connections"),
        0.1,
        1e-9,
    );
    near(figure(&o, "flow.stay", "response_time_max"), 1.3, 1e-9);
    near(
        figure(&o, "database.b", "connections_mean"),
        0.1 * (2.0 + 0.5 + 0.3),
        1e-9,
    );
}

#[test]
fn a_caller_may_end_while_its_syn_is_not_answered() {
    let pool = "[thread-pool.b]\nmax-connections = 1\naccept-count = 0\nconnections = \"per-request\"\n";
    let step = r#"{ use = "b", steps = [{ delay = "2s" }] }"#;
    // After the first SYN, and after the second one, which is sent a second later.
    for (stop, dropped) in [(0.7, 1.0), (1.7, 2.0)] {
        let list = [(0.0, "stay"), (0.1, "stay"), (0.2, "quit"), (9.0, "stay")];
        let o = observe(&model(pool, step, stop, &list), 20.0);
        let of = |name: &str| figure(&o, "thread-pool.b", name) * 20.0;
        let waited = stop - 0.2;
        near(figure(&o, "flow.quit", "failure_time_max"), waited, 1e-9);
        near(of("syns_dropped"), dropped, 1e-9);
        // One waits in the accept queue for 1.9 s.
        near(of("in_queue_mean"), 1.9 + waited, 1e-9);
        near(of("backlog_mean"), 1.9, 1e-9);
        near(of("throughput"), 3.0, 1e-9);
        near(figure(&o, "flow.stay", "response_time_max"), 3.9, 1e-9);
    }
}

#[test]
fn who_leaves_a_rate_limiter_takes_its_permit_with_it() {
    let text = model(
        "[rate-limiter.b]\nlimit-for-period = 1\nlimit-refresh-period = \"1s\"\ntimeout-duration = \"10s\"\n",
        r#"{ use = "b", steps = [] }"#,
        0.7,
        &[(0.0, "stay"), (0.1, "stay"), (0.2, "quit"), (0.8, "next")],
    );
    let o = observe(&text, 10.0);
    // The permits of 1 and 2 s are reserved.
    near(figure(&o, "flow.stay", "response_time_max"), 0.9, 1e-9);
    near(figure(&o, "flow.quit", "failure_time_max"), 0.5, 1e-9);
    near(figure(&o, "flow.next", "response_time_max"), 2.2, 1e-9);
    near(
        figure(&o, "rate-limiter.b", "in_queue_mean"),
        0.1 * (0.9 + 0.5 + 2.2),
        1e-9,
    );
}

#[test]
fn who_would_be_rejected_by_a_rate_limiter_may_leave_before() {
    let text = model(
        "[rate-limiter.b]\nlimit-for-period = 1\nlimit-refresh-period = \"1s\"\ntimeout-duration = \"1500ms\"\n",
        r#"{ use = "b", steps = [] }"#,
        0.8,
        &[
            (0.0, "stay"),
            (0.1, "stay"),
            (0.2, "next"),
            (0.3, "quit"),
            (1.2, "stay"),
        ],
    );
    let o = observe(&text, 10.0);
    near(figure(&o, "flow.stay", "response_time_max"), 0.9, 1e-9);
    near(figure(&o, "flow.quit", "failure_time_max"), 0.5, 1e-9);
    // It finds the permits of 1 s taken and would get that of 2 s too late.
    near(figure(&o, "flow.next", "failure_time_max"), 1.5, 1e-9);
    near(
        figure(&o, "rate-limiter.b", "in_queue_mean"),
        0.1 * (0.9 + 1.5 + 0.5 + 0.8),
        1e-9,
    );
}
