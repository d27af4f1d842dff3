use super::*;

/// One call whose steps stand inside a retry.
fn once(retry: &str, inside: &str) -> Observations {
    observe(
        &format!(
            "[bulkhead.thread]\n[retry.again]\n{retry}\n[flow.call]\nsteps = [{{ use = \"thread\", steps = [\
             {{ use = \"again\", steps = [{inside}] }}] }}]\n{}",
            requests(&[(0.0, "call")])
        ),
        100.0,
    )
}

#[test]
fn three_attempts_include_the_first() {
    let o = once("", "{ delay = \"10ms\" }, { fail = \"100%\" }");
    assert_eq!(figure(&o, "retry.again", "retries"), 2.0);
    assert_eq!(figure(&o, "retry.again", "failed_with_retry"), 1.0);
    near(figure(&o, "flow.call", "failure_time_mean"), 1.03, 1e-9);
}

#[test]
fn the_sleep_between_attempts_holds_the_thread() {
    let o = once("", "{ fail = \"100%\" }");
    near(figure(&o, "bulkhead.thread", "in_system_mean"), 0.01, 1e-12);
}

#[test]
fn exponential_back_off_grows_by_half() {
    let o = once(
        "max-attempts = 4\nback-off = \"exponential\"",
        "{ fail = \"100%\" }",
    );
    near(
        figure(&o, "flow.call", "failure_time_mean"),
        0.5 + 0.75 + 1.125,
        1e-9,
    );
}

#[test]
fn jitter_spreads_each_wait_around_its_length() {
    let o = once(
        "max-attempts = 101\nwait-duration = \"100ms\"\njitter = 0.5",
        "{ fail = \"100%\" }",
    );
    // A hundred waits, uniform from 50 to 150 ms: four standard deviations of their sum are 1.16 s.
    let time = figure(&o, "flow.call", "failure_time_mean");
    near(time, 10.0, 1.16);
    assert!((time - 10.0).abs() > 1e-6);
}

#[test]
fn an_ignored_fault_is_not_tried_again() {
    for keys in ["ignore = [\"failed\"]", "on = [\"timed_out\"]"] {
        let o = once(keys, "{ fail = \"100%\" }");
        assert_eq!(figure(&o, "retry.again", "retries"), 0.0);
        assert_eq!(figure(&o, "retry.again", "failed_without_retry"), 1.0);
    }
}

#[test]
fn each_attempt_draws_anew() {
    let o = observe(
        "[retry.again]\nmax-attempts = 3\nwait-duration = \"0s\"\n\
         [flow.call]\nsteps = [{ use = \"again\", steps = [{ fail = \"50%\" }] }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"\n",
        1000.0,
    );
    // 100,000 calls: a standard error of 0.00105.
    near(figure(&o, "flow.call", "failure_share"), 0.125, 0.0045);
    let all = 100.0 * 1000.0;
    near(
        figure(&o, "retry.again", "successful_without_retry") / all,
        0.5,
        0.02,
    );
    near(
        figure(&o, "retry.again", "successful_with_retry") / all,
        0.375,
        0.02,
    );
}

/// Requests of a retry of three attempts around these steps, at 100/s for 1000 s: the share that fails.
fn failing(before: &str, inside: &str) -> f64 {
    let o = observe(
        &format!(
            "[retry.again]\nmax-attempts = 3\nwait-duration = \"1ms\"\n{before}\n\
             [flow.call]\nsteps = [{{ use = \"again\", steps = [{inside}] }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"100/s\"\nflow = \"call\"\nstart-time = \"1s\"\n"
        ),
        1001.0,
    );
    figure(&o, "flow.call", "failure_share")
}

#[test]
fn a_later_attempt_asks_for_the_same_row() {
    // One of two rows is held for ever: half of all requests want it, however often they try.
    let row = "[lock.row]\nkey = \"uniform(2)\"\nwait-timeout = \"0s\"\n\
               [flow.holder]\nsteps = [{ use = \"row\", steps = [{ delay = \"2000s\" }] }]\n"
        .to_owned()
        + &requests(&[(0.0, "holder")]);
    let take = "{ use = \"row\", steps = [] }";
    let parallel = format!("{{ parallel = [{{ steps = [{take}] }}] }}");
    for inside in [take, &parallel] {
        // 100,000 requests: four standard errors are 0.0063.
        near(failing(&row, inside), 0.5, 0.0064);
    }
}

#[test]
fn a_choice_or_failure_by_request_is_the_same_in_every_attempt() {
    let choose =
        |by: &str| format!("{{ choose = [{{ steps = [{{ fail = \"100%\" }}] }}, {{ steps = [] }}]{by} }}");
    near(failing("", &choose("")), 0.125, 0.0045);
    near(failing("", &choose(", by = \"attempt\"")), 0.125, 0.0045);
    near(failing("", &choose(", by = \"request\"")), 0.5, 0.0064);
    near(failing("", "{ fail = \"50%\", by = \"request\" }"), 0.5, 0.0064);
}

#[test]
fn a_later_attempt_goes_as_often_round_a_loop() {
    // Rounded to no round or one. Half of the requests go round once, and do so in each attempt.
    let inside = "{ repeat = \"uniform(0, 1)\", steps = [{ fail = \"100%\" }] }";
    near(failing("", inside), 0.5, 0.0064);
}

#[test]
fn what_comes_after_a_retry_draws_as_if_nothing_had_failed() {
    let model = |share: &str| {
        format!(
            "[retry.again]\nmax-attempts = 1000\nwait-duration = \"0s\"\n\
             [flow.call]\nsteps = [{{ use = \"again\", steps = [{{ fail = \"{share}\" }}] }}, {{ delay = \"exp(1s)\" }}]\n\
             [workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\n"
        )
    };
    let (a, b) = (observe(&model("0%"), 200.0), observe(&model("70%"), 200.0));
    for name in ["response_time_mean", "response_time_p99", "response_time_max"] {
        assert_eq!(
            figure(&a, "flow.call", name),
            figure(&b, "flow.call", name),
            "{name}"
        );
    }
}

#[test]
fn nested_retries_multiply() {
    let o = observe(
        &format!(
            "[station.server]\n[retry.inner]\nwait-duration = \"0s\"\n[retry.outer]\nwait-duration = \"0s\"\n[flow.call]\nsteps = [\
             {{ use = \"outer\", steps = [{{ use = \"inner\", steps = [{{ use = \"server\", time = \"1ms\" }}, {{ fail = \"100%\" }}] }}] }}]\n{}",
            requests(&[(0.0, "call")])
        ),
        10.0,
    );
    near(figure(&o, "station.server", "throughput"), 0.9, 1e-9);
}

#[test]
fn an_unknown_fault_is_refused_with_the_nearest_one() {
    let said = refusal(
        "[retry.again]\non = [\"timed_uot\"]\n[flow.call]\nsteps = [{ use = \"again\", steps = [] }]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\n",
    );
    assert!(said.contains("did you mean `timed_out`?"), "{said}");
}

fn storm(change: impl Fn(String) -> String) -> Observations {
    let source = include_str!("../../models/retry-storm.toml").to_owned();
    observe(&change(source), 300.0)
}

/// Calls that completed in the last minute, a second.
fn late(o: &Observations) -> f64 {
    let column = o
        .columns
        .iter()
        .find(|c| c.subject == "flow.order" && c.name == "throughput")
        .expect("a throughput over time");
    let last = &column.values[column.values.len() * 4 / 5..];
    last.iter().sum::<f64>() / last.len() as f64
}

#[test]
fn a_retry_storm_outlives_the_pause_that_began_it() {
    let o = storm(|s| s);
    assert!(late(&o) < 0.1, "{} calls a second complete", late(&o));
    // The server works all the time, for callers who have left.
    assert!(figure(&o, "station.server", "utilisation") > 0.95);
    let calm = storm(|s| s.replace("for = \"1s\"", "for = \"0s\""));
    near(late(&calm), 7.0, 0.1);
    near(figure(&calm, "station.server", "utilisation"), 0.7, 0.01);
}

#[test]
fn a_retry_storm_ends_below_capacity_divided_by_attempts() {
    // Four attempts for each of 2 calls a second ask for 8 of the server's 10 a second.
    let o = storm(|s| s.replace("142857142ns", "500ms"));
    near(late(&o), 2.0, 0.1);
}
