use super::*;

/// One job of each size at time zero, or a millisecond after another.
fn jobs(host: &str, sizes: &[&str]) -> String {
    let mut source = format!("[host.h]\n{host}\n");
    for (i, size) in sizes.iter().enumerate() {
        source += &format!(
            r#"
[flow.f{i}]
steps = [{{ cpu = "{size}", on = "h" }}]
[workload.w{i}]
executor = "shared-iterations"
iterations = 1
flow = "f{i}"
"#
        );
    }
    source
}

fn response(o: &Observations, i: usize) -> f64 {
    figure(o, &format!("flow.f{i}"), "response_time_max")
}

#[test]
fn jobs_on_a_shared_core_run_at_equal_speed() {
    let o = observe(&jobs("cores = 1", &["1s", "2s", "3s"]), 10.0);
    // 3 · 1 s, then two share for 2 s, then one is alone for 1 s.
    near(response(&o, 0), 3.0, 1e-6);
    near(response(&o, 1), 5.0, 1e-6);
    near(response(&o, 2), 6.0, 1e-6);
    near(figure(&o, "host.h", "utilisation"), 0.6, 1e-6);
}

#[test]
fn with_no_more_jobs_than_cores_each_has_one() {
    let o = observe(&jobs("cores = 3", &["1s", "2s", "3s"]), 10.0);
    assert_eq!(
        (response(&o, 0), response(&o, 1), response(&o, 2)),
        (1.0, 2.0, 3.0)
    );
}

#[test]
fn processor_sharing_has_the_mean_of_its_closed_form() {
    let source = |law: &str| {
        format!(
            r#"
[host.h]
cores = 1
[flow.f]
steps = [{{ cpu = "{law}", on = "h" }}]
[workload.w]
executor = "poisson"
rate = "70/s"
flow = "f"
"#
        )
    };
    // S / (1 - rho), whatever the law of S.
    for law in ["exp(10ms)", "10ms", "uniform(0ms, 20ms)"] {
        let o = observe(&source(law), 2000.0);
        near(figure(&o, "flow.f", "response_time_mean"), 0.01 / 0.3, 0.0015);
    }
}

#[test]
fn a_second_thread_of_a_core_adds_its_gain() {
    let o = observe(&jobs("cores = 1\nhyper-thread-gain = 0.25", &["1s", "1s"]), 10.0);
    near(response(&o, 0), 2.0 / 1.25, 1e-6);
    let o = observe(
        &jobs("cores = 1\nhyper-thread-gain = 0.25", &["1s", "1s", "1s"]),
        10.0,
    );
    near(response(&o, 0), 3.0 / 1.25, 1e-6);
}

#[test]
fn contention_takes_a_share_of_the_speed_beyond_the_cores() {
    let host = "cores = 1\ncontention = { sigma = 0.1, kappa = 0.05 }";
    let o = observe(&jobs(host, &["1s", "1s", "1s"]), 10.0);
    // e = 2: 1 + 0.1 · 2 + 0.05 · 2 · 3 = 1.5
    near(response(&o, 0), 3.0 * 1.5, 1e-6);
}

const PAUSED: &str = r#"
[service.a]
host = "h"
[service.b]
host = "h"
[flow.fa]
at = "a"
steps = [{ cpu = "1s" }]
[flow.fb]
at = "b"
steps = [{ cpu = "1s" }]
[workload.wa]
executor = "shared-iterations"
iterations = 1
flow = "fa"
[workload.wb]
executor = "shared-iterations"
iterations = 1
flow = "fb"
[[timeline]]
at = "500ms"
pause = "a"
for = "3s"
"#;

fn paused(host: &str) -> (f64, f64, Observations) {
    let o = observe(&format!("[host.h]\n{host}\n{PAUSED}"), 10.0);
    let max = |flow: &str| figure(&o, flow, "response_time_max");
    (max("flow.fa"), max("flow.fb"), o)
}

#[test]
fn while_one_process_is_paused_the_others_run_faster() {
    let (a, b, o) = paused("cores = 1");
    // Both have 0.75 s left at 0.5 s; b is alone until 1.25 s, a from 3.5 s on.
    near(b, 1.25, 1e-6);
    near(a, 4.25, 1e-6);
    near(figure(&o, "host.h", "utilisation"), 0.2, 1e-6);
}

#[test]
fn a_job_in_service_stands_still_while_its_process_is_paused() {
    let (a, b, o) = paused("cores = 1\ndiscipline = \"fcfs\"");
    // a is half done at 0.5 s; b has the core until 1.5 s; a goes on at 3.5 s.
    near(b, 1.5, 1e-9);
    near(a, 4.0, 1e-9);
    near(figure(&o, "host.h", "utilisation"), 0.2, 1e-9);
    // With a core each, b is not touched.
    let (a, b, _) = paused("cores = 2\ndiscipline = \"fcfs\"");
    assert_eq!((a, b), (4.0, 1.0));
    let (a, b, _) = paused("cores = 2\ndiscipline = \"round-robin\"");
    assert_eq!((a, b), (4.0, 1.0));
}

#[test]
fn a_waiting_job_of_a_paused_process_does_not_begin() {
    let source = format!("[host.h]\ncores = 1\ndiscipline = \"fcfs\"\n{PAUSED}")
        .replace("pause = \"a\"", "pause = \"b\"");
    let o = observe(&source, 10.0);
    assert_eq!(figure(&o, "flow.fa", "response_time_max"), 1.0);
    assert_eq!(figure(&o, "flow.fb", "response_time_max"), 4.5);
}

#[test]
fn in_turn_each_job_runs_for_a_quantum() {
    let host = "cores = 1\ndiscipline = \"round-robin\"\nquantum = \"400ms\"";
    let o = observe(&jobs(host, &["1s", "500ms"]), 10.0);
    // 0: 0-0.4, 1: 0.4-0.8, 0: 0.8-1.2, 1: 1.2-1.3, 0: 1.3-1.5
    near(response(&o, 1), 1.3, 1e-9);
    near(response(&o, 0), 1.5, 1e-9);
    near(figure(&o, "host.h", "utilisation"), 0.15, 1e-9);
}

#[test]
fn each_change_of_job_costs_a_switch() {
    let host = "cores = 1\ndiscipline = \"round-robin\"\nquantum = \"400ms\"\nswitch-time = \"10ms\"";
    let o = observe(&jobs(host, &["1s", "500ms"]), 10.0);
    near(response(&o, 1), 1.34, 1e-9);
    near(response(&o, 0), 1.55, 1e-9);
    assert_eq!(figure(&o, "host.h", "context_switches"), 0.5);
}

#[test]
fn a_job_alone_is_stopped_at_a_multiple_of_the_quantum_after_another_came() {
    let host = "cores = 1\ndiscipline = \"round-robin\"\nquantum = \"400ms\"";
    let source = jobs(host, &["2s", "100ms"]).replace(
        "iterations = 1\nflow = \"f1\"",
        "iterations = 1\nstart-time = \"500ms\"\nflow = \"f1\"",
    );
    let o = observe(&source, 10.0);
    near(response(&o, 1), 0.4, 1e-9);
    near(response(&o, 0), 2.1, 1e-9);
}

#[test]
fn with_a_small_quantum_turns_become_processor_sharing() {
    let host = "cores = 2\ndiscipline = \"round-robin\"\nquantum = \"1ms\"";
    let sizes = ["300ms", "500ms", "700ms", "1100ms"];
    let (turns, shared) = (
        observe(&jobs(host, &sizes), 10.0),
        observe(&jobs("cores = 2", &sizes), 10.0),
    );
    for i in 0..4 {
        near(response(&turns, i), response(&shared, i), 0.005);
    }
}

#[test]
fn the_load_average_lags_behind_the_runnable_tasks() {
    let host = "cores = 1";
    let o = observe(&jobs(host, &["1000s", "1000s"]), 61.0);
    // Twelve samples of two tasks: 2 · (1 - 1/e).
    near(figure(&o, "host.h", "load_average_max"), 1.264, 0.01);
}

#[test]
fn who_runs_and_who_waits_is_runnable_under_every_discipline() {
    for host in ["", "discipline = \"fcfs\"", "discipline = \"round-robin\""] {
        // Two short ones are gone at the first sample, and three stay to the end.
        let sizes = ["1s", "1s", "1000s", "1000s", "1000s"];
        let o = observe(&jobs(&format!("cores = 2\n{host}"), &sizes), 61.0);
        near(figure(&o, "host.h", "load_average_max"), 3.0 * 0.632, 0.02);
        // The mean of 3 (1 - e^(-k/12)) over twelve samples.
        near(figure(&o, "host.h", "load_average_mean"), 1.18, 0.02);
    }
}

#[test]
fn keys_of_another_discipline_are_refused() {
    let said = refusal(&jobs("cores = 1\nquantum = \"1ms\"", &["1s"]));
    assert!(said.contains("no use for `quantum`"), "{said}");
    let said = refusal(&jobs(
        "cores = 1\ndiscipline = \"fcfs\"\ncontention = { sigma = 0.1 }",
        &["1s"],
    ));
    assert!(said.contains("no use for `contention`"), "{said}");
}

#[test]
fn others_take_the_core_from_time_to_time() {
    let others = "cores = 1\nothers = { every = \"10s\", take = \"4s\" }";
    // Alone for 10 s, at half speed for 4 s, alone again.
    let o = observe(&jobs(others, &["15s"]), 19.0);
    near(response(&o, 0), 17.0, 1e-6);
    // First come, first served: until 6 s, until 11 s, and then the others have the core until 14 s.
    let o = observe(
        &jobs(&format!("{others}\ndiscipline = \"fcfs\""), &["6s", "5s", "1s"]),
        19.0,
    );
    near(response(&o, 0), 6.0, 1e-9);
    near(response(&o, 1), 11.0, 1e-9);
    near(response(&o, 2), 15.0, 1e-9);
    let said = refusal(&jobs("others = { every = \"0s\", take = \"1s\" }", &["1s"]));
    assert!(said.contains("leave no time to work"), "{said}");
    let said = refusal(&jobs("others = { every = \"1s\" }", &["1s"]));
    assert!(said.contains("no `take`"), "{said}");
}

#[test]
fn what_contention_takes_is_told_while_it_goes_on_and_afterwards() {
    let host = "cores = 1\ncontention = { sigma = 0.1, kappa = 0.05 }";
    // Three at once keep two thirds of the core, and end together at 4.5 s.
    for seconds in [0.5, 2.0, 10.0] {
        let o = observe(&jobs(host, &["1s", "1s", "1s"]), seconds);
        near(figure(&o, "host.h", "contention_loss"), 1.0 / 3.0, 1e-6);
    }
}

#[test]
fn what_contention_takes_of_several_cores_is_the_share_by_which_they_are_slower() {
    let host = "cores = 2\ncontention = { sigma = 0.1, kappa = 0.05 }";
    let o = observe(&jobs(host, &["1s", "1s", "1s"]), 20.0);
    // Two cores would be done with three seconds of work after 1.5 s.
    let end = response(&o, 2);
    assert!(end > 1.6, "{end}");
    near(figure(&o, "host.h", "contention_loss"), 1.0 - 1.5 / end, 1e-6);
}

#[test]
fn who_comes_back_from_a_pause_takes_turns_with_who_has_run_alone() {
    let text = "[host.b]\ndiscipline = \"round-robin\"\nquantum = \"100ms\"\n[service.s]\nhost = \"b\"\n[service.t]\nhost = \"b\"\n\
                [flow.paused]\nat = \"s\"\nsteps = [{ cpu = \"500ms\" }]\n[flow.alone]\nat = \"t\"\nsteps = [{ cpu = \"2s\" }]\n\
                [[timeline]]\nat = \"200ms\"\npause = \"s\"\nfor = \"500ms\"\n"
        .to_owned()
        + &requests(&[(0.0, "paused"), (0.3, "alone")]);
    let o = observe(&text, 10.0);
    // The other one's slice ends at 0.8 s: from 0.8, 1 and 1.2 s it has the core for 0.1 s each.
    near(figure(&o, "flow.paused", "response_time_max"), 1.3, 1e-9);
    near(figure(&o, "flow.alone", "response_time_max"), 2.3, 1e-9);
}

#[test]
fn others_are_runnable_too() {
    // At each sample, 5 s apart, one of the others is there.
    let others = "cores = 2\nothers = { every = \"3100ms\", take = \"3s\" }";
    for discipline in ["", "discipline = \"fcfs\"", "discipline = \"round-robin\""] {
        let o = observe(&jobs(&format!("{others}\n{discipline}"), &["1000s"; 3]), 61.0);
        near(figure(&o, "host.h", "load_average_max"), 4.0 * 0.632, 0.02);
    }
}

#[test]
fn who_has_waited_for_a_core_and_is_paused_at_work_goes_on_with_what_is_left() {
    for discipline in ["fcfs", "round-robin"] {
        let text = format!(
            "[host.h]\ncores = 1\ndiscipline = \"{discipline}\"\n[service.s]\nhost = \"h\"\n\
             [flow.a]\nat = \"s\"\nsteps = [{{ cpu = \"1s\" }}]\n\
             [[timeline]]\nat = \"1500ms\"\npause = \"s\"\nfor = \"2s\"\n{}",
            requests(&[(0.0, "a"), (0.5, "a")])
        );
        let quantum = "discipline = \"round-robin\"\nquantum = \"10s\"";
        let o = observe(&text.replace("discipline = \"round-robin\"", quantum), 10.0);
        // The second runs from 1 to 1.5 s and from 3.5 to 4 s.
        near(figure(&o, "flow.a", "response_time_max"), 3.5, 1e-9);
    }
}
