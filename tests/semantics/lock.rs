use super::*;

fn burst(lock: &str, steps: &str, count: u32) -> String {
    format!(
        r#"
[lock.row]
{lock}
[flow.f]
steps = [{steps}]
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

const HOLD: &str = r#"{ use = "row", steps = [{ delay = "100ms" }] }"#;

fn row(o: &Observations, name: &str) -> f64 {
    figure(o, "lock.row", name)
}

#[test]
fn a_mutex_is_held_by_one_and_waited_for_in_order() {
    let o = observe(&burst("", HOLD, 10), 10.0);
    near(figure(&o, "flow.f", "response_time_max"), 0.991, 1e-9);
    near(row(&o, "utilisation"), 0.1, 1e-9);
    assert_eq!(row(&o, "queue_of_a_key_max"), 9.0);
    assert_eq!(row(&o, "contention_share"), 0.9);
}

#[test]
fn a_hot_row_has_at_most_the_rate_of_one_over_its_hold_time() {
    let source = r#"
[lock.row]
key = "list(1, 0)"
[flow.f]
steps = [{ use = "row", time = "21ms", steps = [{ delay = "0s" }] }]
[workload.w]
executor = "users"
users = 10
flow = "f"
"#;
    let o = observe(source, 100.0);
    near(figure(&o, "flow.f", "throughput"), 1.0 / 0.021, 0.02);
    near(figure(&o, "flow.f", "response_time_p50"), 0.21, 0.001);
    near(row(&o, "hottest_key_utilisation"), 1.0, 1e-3);
    assert_eq!(row(&o, "hottest_key_share"), 1.0);
}

#[test]
fn rows_are_independent_and_skew_makes_one_hot() {
    let at = |key: &str| {
        observe(
            &burst(
                &format!("key = \"{key}\""),
                r#"{ use = "row", steps = [{ delay = "5ms" }] }"#,
                20_000,
            ),
            20.0,
        )
    };
    let even = at("uniform(1000)");
    near(row(&even, "hottest_key_share"), 0.001, 0.001);
    near(row(&even, "busy_mean"), 5.0, 0.05);
    assert!(row(&even, "contention_share") < 0.01);
    let skewed = at("zipf(1000, 1.1)");
    near(row(&skewed, "hottest_key_share"), 0.17, 0.02);
    assert!(row(&skewed, "contention_share") > 0.1);
    near(row(&skewed, "hottest_key_utilisation"), 0.85, 0.1);
}

#[test]
fn a_billion_keys_take_no_memory() {
    let lock = r#"key = "zipf(1000000000, 0.9)""#;
    let o = observe(
        &burst(lock, r#"{ use = "row", steps = [{ delay = "5ms" }] }"#, 5000),
        10.0,
    );
    assert_eq!(figure(&o, "flow.f", "throughput"), 500.0);
}

#[test]
fn one_request_always_meets_the_same_row_and_holds_it_again() {
    let twice = r#"{ use = "row", steps = [{ use = "row", steps = [{ parallel = [{ steps = [{ use = "row", steps = [{ delay = "10ms" }] }] }] }] }] }"#;
    let source = burst("", twice, 3);
    let o = observe(&source, 1.0);
    assert_eq!(figure(&o, "flow.f", "throughput"), 3.0);
    near(figure(&o, "flow.f", "response_time_max"), 0.028, 1e-9);
    // Three visits of one holder are one lock.
    near(row(&o, "busy_mean"), 0.03, 1e-9);
}

#[test]
fn a_lock_wait_ends_after_its_time_out_and_only_that_wait() {
    let lock = "wait-timeout = \"250ms\"";
    let o = observe(&burst(lock, HOLD, 5), 10.0);
    // The fourth comes at 3 ms and would wait until 300 ms.
    assert_eq!(figure(&o, "flow.f", "failures_lock_timeout"), 0.2);
    near(figure(&o, "flow.f", "failure_time_max"), 0.25, 1e-9);
    assert_eq!(row(&o, "lock_timeouts"), 0.2);
    assert_eq!(row(&o, "contention_share"), 0.8);
}

#[test]
fn without_a_time_out_a_waiter_waits_for_ever() {
    let o = observe(
        &burst("", r#"{ use = "row", steps = [{ delay = "1000s" }] }"#, 3),
        3000.0,
    );
    near(row(&o, "waiting_time_max"), 1999.998, 1e-6);
}

#[test]
fn nowait_fails_at_once() {
    let o = observe(&burst("wait-timeout = \"0s\"", HOLD, 3), 10.0);
    assert_eq!(figure(&o, "flow.f", "failures_lock_timeout"), 0.2);
    assert_eq!(row(&o, "lock_timeouts"), 0.2);
    assert_eq!(figure(&o, "flow.f", "failure_time_max"), 0.0);
}

/// Two locks taken in opposite orders by two requests at once.
pub fn crossed(more: &str) -> String {
    format!(
        r#"
[lock.a]
{more}
[lock.b]
{more}
[flow.ab]
steps = [{{ use = "a", steps = [{{ delay = "10ms" }}, {{ use = "b", steps = [{{ delay = "5ms" }}] }}] }}]
[flow.ba]
steps = [{{ use = "b", steps = [{{ delay = "10ms" }}, {{ use = "a", steps = [{{ delay = "5ms" }}] }}] }}]
[workload.one]
executor = "shared-iterations"
iterations = 1
flow = "ab"
[workload.two]
executor = "shared-iterations"
iterations = 1
start-time = "1ms"
flow = "ba"
"#
    )
}

#[test]
fn the_one_that_closes_a_circle_of_waits_is_the_victim_at_once() {
    let o = observe(&crossed(""), 10.0);
    assert_eq!(figure(&o, "flow.ba", "failures_deadlock"), 0.1);
    near(figure(&o, "flow.ba", "failure_time_max"), 0.01, 1e-9);
    // What the victim held went to the other.
    near(figure(&o, "flow.ab", "response_time_max"), 0.016, 1e-9);
    assert_eq!(figure(&o, "lock.a", "deadlocks"), 0.1);
    // One came to the first lock and had it, one was the victim; of the two at the second one waited.
    assert_eq!(figure(&o, "lock.a", "contention_share"), 0.0);
    assert_eq!(figure(&o, "lock.b", "contention_share"), 0.5);
}

#[test]
fn with_a_deadlock_timeout_the_first_waiter_looks_after_it() {
    let o = observe(&crossed("deadlock-timeout = \"1s\""), 10.0);
    assert_eq!(figure(&o, "flow.ab", "failures_deadlock"), 0.1);
    near(figure(&o, "flow.ab", "failure_time_max"), 1.01, 1e-9);
    near(figure(&o, "flow.ba", "response_time_max"), 1.014, 1e-9);
    assert_eq!(figure(&o, "lock.b", "deadlocks"), 0.1);
}

#[test]
fn without_detection_only_a_time_out_ends_a_deadlock() {
    let o = observe(&crossed("deadlock-detection = false"), 10.0);
    assert_eq!(figure(&o, "flow.ab", "throughput"), 0.0);
    assert_eq!(figure(&o, "flow.ba", "failures"), 0.0);
    let never = observe(
        &crossed("deadlock-detection = false\ndeadlock-timeout = \"1s\""),
        10.0,
    );
    assert_eq!(figure(&never, "flow.ab", "failures"), 0.0);
    let o = observe(
        &crossed("deadlock-detection = false\nwait-timeout = \"2s\""),
        10.0,
    );
    assert_eq!(figure(&o, "flow.ab", "failures_lock_timeout"), 0.1);
    near(figure(&o, "flow.ba", "response_time_max"), 2.014, 1e-9);
}

#[test]
fn until_the_first_in_line_has_woken_up_a_newcomer_may_take_the_row_and_the_loser_stays_first() {
    // Requests at 0, 1, 2, 3 .. ms; the row is free from 2.5 to 3.5 ms, when the second wakes up.
    let steps = r#"{ use = "row", steps = [{ delay = "2500us" }] }"#;
    let o = observe(&burst("wake-up-latency = \"1ms\"", steps, 4), 1.0);
    assert_eq!(row(&o, "claimed_share"), 0.25);
    // The loser stays first: at 5.5 ms the barger ends, at 6.5 the second begins.
    near(row(&o, "waiting_time_max"), 0.008, 1e-9);
    assert_eq!(figure(&o, "flow.f", "throughput"), 4.0);
    let o = observe(&burst("", steps, 4), 1.0);
    near(row(&o, "waiting_time_max"), 0.0045, 1e-9);
}

#[test]
fn a_popularity_that_cannot_be_read_is_refused() {
    let said = refusal(&burst("key = \"zipf(10)\"", HOLD, 1));
    assert!(said.contains("`key` of lock `row`"), "{said}");
}

#[test]
fn the_first_in_line_is_woken_once_at_a_time() {
    let o = observe(
        &format!(
            "[lock.row]\norder = \"unfair\"\nwake-up-latency = \"10ms\"\n[flow.f]\n\
             steps = [{{ use = \"row\", steps = [{{ delay = \"1ms\" }}] }}]\n{}",
            // Waiting from 0.5 ms on, the second is told at 1 ms and runs at 11 ms; the third and the fourth barge. The
            // fifth is told at 12 ms, when the second is done.
            requests(&[
                (0.0, "f"),
                (0.0005, "f"),
                (0.002, "f"),
                (0.004, "f"),
                (0.0045, "f")
            ])
        ),
        1.0,
    );
    near(figure(&o, "flow.f", "response_time_max"), 0.023 - 0.0045, 1e-9);
    near(figure(&o, "lock.row", "claimed_share"), 2.0 / 5.0, 1e-9);
}

#[test]
fn the_hottest_key_is_as_busy_as_it_is_held_while_it_is_the_hottest() {
    let busy = |set: &str| {
        let text = format!(
            "[lock.row]\nkey = \"list(1, 0)\"\n[flow.f]\nsteps = [{{ use = \"row\", steps = [{{ delay = \"5s\" }}] }}]\n\
             [[timeline]]\nat = \"1s\"\nset = {{ {set} }}\n{}",
            requests(&[(0.0, "f")])
        );
        figure(&observe(&text, 10.0), "lock.row", "hottest_key_utilisation") * 10.0
    };
    near(busy("\"lock.row.wait-timeout\" = \"9s\""), 5.0, 1e-9);
    near(busy("\"lock.row.key\" = \"list(0, 1)\""), 1.0, 1e-9);
}

#[test]
fn a_victim_that_has_waited_is_a_failure_of_the_lock() {
    let o = observe(&crossed("deadlock-timeout = \"1s\""), 10.0);
    // Of the lock that it waited for and of the one that it held.
    for lock in ["lock.a", "lock.b"] {
        near(figure(&o, lock, "failed") * 10.0, 1.0, 1e-9);
    }
}

#[test]
fn whoever_leaves_while_the_first_in_line_wakes_up_the_first_that_is_left_is_on_its_way() {
    // The row is free at 1 s; the first who waits has woken up at 1.1 s. One of the two leaves at 1.05 s with its process.
    let last = |first: &str, second: &str| {
        let hold = r#"steps = [{ use = "row", steps = [{ delay = "1s" }] }]"#;
        let o = observe(
            &format!(
                "[lock.row]\nwake-up-latency = \"100ms\"\n[service.near]\n[flow.stay]\n{hold}\n[flow.quit]\nat = \"near\"\n{hold}\n\
                 [[timeline]]\nat = \"1050ms\"\nstop = \"near\"\n{}",
                requests(&[(0.0, "stay"), (0.1, first), (0.2, second)])
            ),
            10.0,
        );
        near(figure(&o, "lock.row", "throughput") * 10.0, 2.0, 1e-9);
        figure(&o, "flow.stay", "response_time_max")
    };
    // The second is told when the first goes away; the first goes on waking up when the second does.
    near(last("quit", "stay"), 1.05 + 0.1 + 1.0 - 0.2, 1e-9);
    near(last("stay", "quit"), 1.0 + 0.1 + 1.0 - 0.1, 1e-9);
}
