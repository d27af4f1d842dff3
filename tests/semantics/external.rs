use super::*;

fn calls(external: &str, step: &str, count: u32) -> String {
    format!(
        r#"
[external.payment]
{external}
[flow.f]
steps = [{step}]
[workload.w]
executor = "constant-arrival-rate"
rate = "1000/s"
pre-allocated-vus = 1000
duration = "{}us"
flow = "f"
"#,
        1000 * count - 500
    )
}

const CALL: &str = r#"{ use = "payment" }"#;

#[test]
fn an_answer_takes_its_time_and_fails_at_its_rate() {
    let o = observe(
        &calls("time = \"exp(20ms)\"\nfailure-rate = \"10%\"", CALL, 20_000),
        30.0,
    );
    near(figure(&o, "external.payment", "visit_time_mean"), 0.02, 0.0005);
    near(figure(&o, "external.payment", "failure_share"), 0.1, 0.007);
    near(figure(&o, "flow.f", "failure_share"), 0.1, 0.007);
    near(figure(&o, "flow.f", "failure_time_mean"), 0.02, 0.002);
}

#[test]
fn two_calls_of_one_request_fail_independently() {
    let twice = format!("{CALL}, {CALL}");
    let o = observe(&calls("failure-rate = \"50%\"", &twice, 20_000), 30.0);
    near(figure(&o, "flow.f", "failure_share"), 0.75, 0.01);
}

#[test]
fn a_failing_answer_may_come_sooner() {
    let o = observe(
        &calls(
            "time = \"1s\"\nfailure-rate = \"100%\"\nfailure-time = \"5ms\"",
            CALL,
            10,
        ),
        10.0,
    );
    assert_eq!(figure(&o, "flow.f", "failure_time_max"), 0.005);
}

#[test]
fn the_caller_gives_up_after_its_time_out_waiting_included() {
    let one = "time = \"100ms\"\nconcurrency = 1\ntimeout = \"250ms\"";
    let o = observe(&calls(one, CALL, 4), 10.0);
    // At 0 and 100 ms two are served; the third has 52 ms left at 200 ms, the fourth never begins.
    assert_eq!(figure(&o, "flow.f", "throughput"), 0.2);
    assert_eq!(figure(&o, "flow.f", "failures_timed_out"), 0.2);
    near(figure(&o, "flow.f", "failure_time_max"), 0.25, 1e-9);
}

#[test]
fn no_more_than_concurrency_are_worked_on_at_once() {
    let o = observe(&calls("time = \"1s\"\nconcurrency = 2", CALL, 6), 10.0);
    near(figure(&o, "flow.f", "response_time_max"), 2.996, 3e-3);
    near(figure(&o, "external.payment", "utilisation"), 0.3, 1e-9);
}

#[test]
fn a_step_may_say_how_long_its_own_call_takes() {
    let o = observe(
        &calls("time = \"1s\"", r#"{ use = "payment", time = "0s" }"#, 1),
        10.0,
    );
    assert_eq!(figure(&o, "flow.f", "response_time_max"), 0.0);
}

#[test]
fn an_outage_is_a_change_of_the_failure_rate() {
    let timeline = r#"
[[timeline]]
at = "5s"
set = { "external.payment.failure-rate" = "100%" }
[[timeline]]
at = "7s"
set = { "external.payment.failure-rate" = 0.0 }
"#;
    let o = observe(&(calls("time = \"1ms\"", CALL, 10_000) + timeline), 10.5);
    near(figure(&o, "flow.f", "failures") * 10.5, 2000.0, 2.0);
}

#[test]
fn a_good_answer_takes_its_time_though_failing_ones_come_sooner() {
    let keys = "time = \"1s\"\nfailure-rate = \"50%\"\nfailure-time = \"5ms\"";
    let o = observe(&calls(keys, CALL, 100), 10.0);
    let of = |name: &str| figure(&o, "flow.f", name);
    near(of("response_time_mean"), 1.0, 1e-9);
    assert_eq!((of("response_time_max"), of("failure_time_max")), (1.0, 0.005));
    near(of("failure_share"), 0.5, 0.16);
    // An answer that comes too late has failed too.
    let o = observe(&calls("time = \"1s\"\ntimeout = \"250ms\"", CALL, 7), 10.0);
    assert_eq!(figure(&o, "external.payment", "failure_share"), 1.0);
    near(figure(&o, "flow.f", "failures_timed_out"), 0.7, 1e-9);
}

#[test]
fn a_call_whose_caller_has_given_up_keeps_its_place_busy() {
    let o = observe(
        "[external.payment]\ntime = \"100ms\"\nconcurrency = 1\ntimeout = \"30ms\"\n\
         [flow.f]\nsteps = [{ use = \"payment\" }]\n[workload.w]\nexecutor = \"constant-arrival-rate\"\nrate = \"5/s\"\n\
         pre-allocated-vus = 100\nflow = \"f\"\n",
        100.0,
    );
    // Every 200 ms one of 100 ms, of which its caller waits for 30.
    near(figure(&o, "external.payment", "utilisation"), 0.5, 2e-3);
    near(figure(&o, "flow.f", "failures_timed_out"), 5.0, 0.02);
}

#[test]
fn an_answer_at_the_very_instant_of_the_time_out_is_in_time() {
    let o = observe(&calls("time = \"1s\"\ntimeout = \"1s\"", CALL, 1), 10.0);
    assert_eq!(figure(&o, "flow.f", "failures"), 0.0);
    near(figure(&o, "flow.f", "response_time_max"), 1.0, 1e-9);
}
