use super::*;

/// Requests one a millisecond from time zero, each holding its thread for `time`.
fn burst(pool: &str, count: u32, time: &str) -> String {
    burst_at("thread-pool", "http", pool, count, time)
}

/// Users who come at once, think and come again.
fn users(pool: &str, users: u32, time: &str, think: &str) -> String {
    format!(
        r#"
[thread-pool.http]
{pool}
[flow.f]
steps = [{{ use = "http", steps = [{{ delay = "{time}" }}] }}]
[workload.w]
executor = "users"
users = {users}
think-time = "{think}"
flow = "f"
"#
    )
}

fn http(o: &Observations, name: &str) -> f64 {
    figure(o, "thread-pool.http", name)
}

#[test]
fn tomcat_grows_to_max_threads_before_it_queues() {
    let o = observe(&burst("max-threads = 5\nmin-spare-threads = 2", 5, "1s"), 10.0);
    assert_eq!(http(&o, "threads_current"), 5.0);
    assert_eq!(http(&o, "executor_queue_max"), 0.0);
    let o = observe(&burst("max-threads = 5\nmin-spare-threads = 2", 7, "1s"), 10.0);
    assert_eq!(http(&o, "threads_current"), 5.0);
    assert_eq!(http(&o, "executor_queue_max"), 2.0);
    near(http(&o, "waiting_time_max"), 0.995, 1e-6);
}

#[test]
fn min_spare_threads_stand_ready_and_are_enough_for_a_light_load() {
    let o = observe(&burst("", 3, "1s"), 10.0);
    assert_eq!(http(&o, "threads_current"), 10.0);
}

#[test]
fn tomcat_queues_without_limit_and_without_time_limit() {
    let o = observe(&burst("max-threads = 1", 50, "10s"), 1000.0);
    near(http(&o, "throughput"), 0.05, 1e-9);
    near(http(&o, "waiting_time_max"), 490.0, 1.0);
}

#[test]
fn a_full_executor_queue_closes_the_connection_at_once() {
    let o = observe(&burst("max-threads = 1\nmax-queue-capacity = 2", 10, "1s"), 10.0);
    assert_eq!(figure(&o, "flow.f", "failures_rejected"), 0.7);
    assert_eq!(figure(&o, "flow.f", "throughput"), 0.3);
    assert_eq!(figure(&o, "flow.f", "failure_time_max"), 0.0);
    // A fourth is open for as long as it takes to refuse it.
    assert_eq!(http(&o, "connections_open_max"), 4.0);
}

#[test]
fn at_max_connections_newcomers_wait_in_silence_in_the_accept_queue() {
    let pool = "max-threads = 10\nmax-connections = 2\naccept-count = 4\nconnections = \"per-request\"";
    let o = observe(&burst(pool, 7, "1s"), 10.0);
    assert_eq!(http(&o, "connections_open_max"), 2.0);
    assert_eq!(http(&o, "backlog_max"), 5.0, "accept-count + 1 places");
    let mut columns = o.columns.iter().filter(|c| c.subject == "thread-pool.http");
    let open = columns.find(|c| c.name == "connections_open").expect("a series");
    assert_eq!(open.values[..2], [2.0, 2.0]);
    assert_eq!(http(&o, "syns_dropped"), 0.0);
    assert_eq!(http(&o, "busy_mean"), 0.7);
    assert_eq!(figure(&o, "flow.f", "throughput"), 0.7);
}

#[test]
fn a_full_accept_queue_drops_the_syn_which_comes_again_after_a_second() {
    let pool = "max-threads = 10\nmax-connections = 2\naccept-count = 1\nconnections = \"per-request\"";
    let o = observe(&burst(pool, 5, "400ms"), 10.0);
    assert_eq!(http(&o, "syns_dropped"), 0.1);
    // Its place has been free for long when it comes again.
    near(figure(&o, "flow.f", "response_time_max"), 1.4, 1e-9);
    // Until then it has no connection.
    near(http(&o, "connections_open_mean") * 10.0, 5.0 * 0.4, 1e-9);
}

#[test]
fn a_syn_is_given_up_after_127_seconds() {
    let patient =
        |pool: &str| burst(pool, 3, "1000s").replace("flow = \"f\"\n", "flow = \"f\"\ntimeout = \"10h\"\n");
    let pool = "max-threads = 1\nmax-connections = 1\naccept-count = 0";
    let o = observe(&patient(pool), 200.0);
    assert_eq!(figure(&o, "flow.f", "failures_connect_timeout"), 1.0 / 200.0);
    near(figure(&o, "flow.f", "failure_time_max"), 127.0, 1e-9);
    near(http(&o, "syns_dropped") * 200.0, 7.0, 1e-9);
    near(http(&o, "connect_timeouts") * 200.0, 1.0, 1e-9);
    // Newer kernels first send it five times one second apart.
    let newer = format!("{pool}\ntcp-syn-linear-timeouts = 4");
    let o = observe(&patient(&newer), 200.0);
    near(figure(&o, "flow.f", "failure_time_max"), 131.0, 1e-9);
}

#[test]
fn with_abort_on_overflow_a_full_accept_queue_resets() {
    let pool = "max-connections = 1\naccept-count = 0\nabort-on-overflow = true";
    let o = observe(&burst(pool, 3, "5s"), 10.0);
    assert_eq!(http(&o, "resets"), 0.1);
    assert_eq!(figure(&o, "flow.f", "failures_rejected"), 0.1);
}

#[test]
fn an_abandoned_request_is_run_all_the_same() {
    let source =
        burst("max-threads = 1", 3, "1s").replace("flow = \"f\"\n", "flow = \"f\"\ntimeout = \"500ms\"\n");
    let o = observe(&source, 10.0);
    assert_eq!(figure(&o, "flow.f", "failures_client_timeout"), 0.3);
    assert_eq!(figure(&o, "flow.f", "wasted"), 0.3);
    near(http(&o, "busy_mean"), 0.3, 1e-9);
}

#[test]
fn who_gives_up_before_the_handshake_is_never_run() {
    let pool = "max-connections = 1\naccept-count = 0";
    let source = burst(pool, 3, "5s").replace("flow = \"f\"\n", "flow = \"f\"\ntimeout = \"500ms\"\n");
    let o = observe(&source, 20.0);
    assert_eq!(figure(&o, "flow.f", "failures_client_timeout"), 3.0 / 20.0);
    assert_eq!(figure(&o, "flow.f", "wasted"), 2.0 / 20.0);
}

#[test]
fn an_idle_kept_connection_holds_a_place_but_no_thread() {
    // Three users on two connections: the third waits until one is closed after its 100th request.
    let pool = "max-connections = 2";
    let o = observe(&users(pool, 3, "10ms", "90ms"), 9.0);
    assert_eq!(http(&o, "throughput") * 9.0, 180.0);
    assert_eq!(http(&o, "in_queue_mean"), 1.0);
    near(http(&o, "busy_mean"), 0.2, 1e-9);
    near(http(&o, "connections_idle_mean"), 1.8, 1e-9);
    near(http(&o, "connections_open_mean"), 2.0, 1e-9);
    let o = observe(&users(pool, 3, "10ms", "90ms"), 30.0);
    near(http(&o, "waiting_time_max"), 9.91, 1e-6);
    // With a connection for each request all three are served.
    let o = observe(
        &users(
            "max-connections = 2\nconnections = \"per-request\"",
            3,
            "10ms",
            "90ms",
        ),
        9.0,
    );
    assert!(http(&o, "throughput") > 28.0);
}

#[test]
fn a_kept_connection_is_closed_after_max_keep_alive_requests() {
    let pool = "max-connections = 2\nmax-keep-alive-requests = 10";
    let o = observe(&users(pool, 3, "10ms", "90ms"), 30.0);
    near(http(&o, "waiting_time_max"), 0.91, 1e-6);
    let never = "max-connections = 2\nmax-keep-alive-requests = -1";
    let o = observe(&users(never, 3, "10ms", "90ms"), 30.0);
    assert_eq!(http(&o, "in_queue_mean"), 1.0);
}

#[test]
fn a_connection_that_idles_too_long_is_closed() {
    let pool = "max-connections = 1\nkeep-alive-timeout = \"2s\"";
    let o = observe(&users(pool, 2, "1s", "10s"), 12.0);
    // The first is done at 1 s and its connection closed at 3 s; the second runs from 3 s to 4 s.
    near(http(&o, "waiting_time_max"), 3.0, 1e-9);
    near(http(&o, "throughput") * 12.0, 3.0, 1e-9);
}

#[test]
fn virtual_threads_are_limited_by_connections_alone() {
    let o = observe(&burst("virtual-threads = true", 900, "5s"), 10.0);
    assert_eq!(http(&o, "in_system_max"), 900.0);
    assert_eq!(http(&o, "in_queue_max"), 0.0);
    let o = observe(
        &burst(
            "virtual-threads = true\nmax-connections = 100\naccept-count = 1000\nconnections = \"per-request\"",
            900,
            "5s",
        ),
        100.0,
    );
    assert_eq!(http(&o, "connections_open_max"), 100.0);
    near(http(&o, "waiting_time_max"), 39.3, 0.1);
}

#[test]
fn a_paused_server_accepts_nothing() {
    let source = r#"
[host.h]
cores = 8
[service.s]
host = "h"
[thread-pool.http]
in = "s"
accept-count = 9
[flow.f]
at = "s"
steps = [{ use = "http", steps = [{ cpu = "1ms" }] }]
[workload.w]
executor = "constant-arrival-rate"
rate = "100/s"
pre-allocated-vus = 1000
duration = "10s"
flow = "f"
[[timeline]]
at = "1005ms"
pause = "s"
for = "500ms"
"#;
    let o = observe(source, 10.0);
    assert_eq!(http(&o, "backlog_max"), 10.0);
    assert_eq!(http(&o, "syns_dropped") * 10.0, 40.0);
    near(figure(&o, "flow.f", "response_time_max"), 1.001, 1e-6);
}

const JAVA: &str = "executor = \"java\"\ncore-threads = 2\nqueue-capacity = 3\nmax-threads = 4";

#[test]
fn a_java_pool_fills_its_queue_before_it_grows_beyond_the_core() {
    let o = observe(&burst(JAVA, 5, "1s"), 10.0);
    assert_eq!(
        (http(&o, "threads_current"), http(&o, "executor_queue_max")),
        (2.0, 3.0)
    );
    let o = observe(&burst(JAVA, 7, "1s"), 10.0);
    assert_eq!(
        (http(&o, "threads_current"), http(&o, "executor_queue_max")),
        (4.0, 3.0)
    );
}

#[test]
fn beyond_the_queue_the_newcomer_overtakes_those_who_wait() {
    let o = observe(&burst(JAVA, 6, "1s"), 10.0);
    // The sixth runs at once, the third waits for the first.
    near(http(&o, "waiting_time_max"), 1.001, 1e-9);
    assert_eq!(
        (http(&o, "threads_current"), http(&o, "in_queue_max")),
        (3.0, 3.0)
    );
}

#[test]
fn a_java_pool_rejects_when_queue_and_threads_are_full() {
    let o = observe(&burst(JAVA, 10, "1s"), 10.0);
    assert_eq!(figure(&o, "flow.f", "failures_rejected"), 0.3);
}

#[test]
fn with_caller_runs_nobody_is_rejected() {
    let o = observe(
        &burst(&format!("{JAVA}\npolicy = \"caller-runs\""), 10, "1s"),
        10.0,
    );
    assert_eq!(figure(&o, "flow.f", "throughput"), 1.0);
    assert_eq!(http(&o, "caller_runs"), 0.3);
    assert_eq!(http(&o, "in_system_max"), 10.0);
}

#[test]
fn an_unbounded_queue_never_lets_a_java_pool_grow() {
    let o = observe(
        &burst(
            "executor = \"java\"\ncore-threads = 2\nmax-threads = 100",
            50,
            "1s",
        ),
        60.0,
    );
    assert_eq!(http(&o, "threads_current"), 2.0);
    near(http(&o, "utilisation"), 50.0 / 120.0, 1e-9);
}

#[test]
fn a_java_pool_of_as_many_threads_as_it_takes_has_no_utilisation() {
    let o = observe(
        &burst(
            "executor = \"java\"\ncore-threads = 0\nqueue-capacity = 0",
            5,
            "1s",
        ),
        10.0,
    );
    assert_eq!(http(&o, "busy_mean"), 0.5);
    assert!(o.figure("thread-pool.http", "utilisation").is_none());
}

#[test]
fn threads_beyond_the_core_die_after_their_keep_alive() {
    let two_bursts = |keep: &str| {
        let pool = format!(
            "executor = \"java\"\ncore-threads = 1\nqueue-capacity = 1\nmax-threads = 3\nthread-keep-alive = \"{keep}\""
        );
        burst(&pool, 4, "1s")
            + r#"
[workload.later]
executor = "constant-arrival-rate"
rate = "1000/s"
pre-allocated-vus = 10
start-time = "20s"
duration = "1500us"
flow = "f"
"#
    };
    // The second of the later two waits for the one thread that is left, or finds another still there.
    let o = observe(&two_bursts("5s"), 30.0);
    assert_eq!(http(&o, "threads_current"), 1.0);
    let o = observe(&two_bursts("60s"), 30.0);
    assert_eq!(http(&o, "threads_current"), 3.0);
}

#[test]
fn a_limit_is_a_whole_number_from_one_up_or_none() {
    for limit in ["0", "1.5"] {
        let said = refusal(&burst(&format!("max-connections = {limit}"), 2, "1s"));
        assert!(said.contains("-1 for no limit"), "{said}");
    }
}

#[test]
fn keys_of_the_other_executor_are_refused() {
    let said = refusal(&burst("core-threads = 3", 2, "1s"));
    assert!(
        said.contains("no `core-threads` with executor = \"tomcat\""),
        "{said}"
    );
    let said = refusal(&burst("executor = \"java\"\naccept-count = 3", 2, "1s"));
    assert!(
        said.contains("no `accept-count` with executor = \"java\""),
        "{said}"
    );
}

#[test]
fn a_priority_queue_serves_the_smallest_number_first_and_equals_in_turn() {
    let text = |queue: &str| {
        let flow = |name: &str, p: u32| {
            let priority = if queue.is_empty() {
                String::new()
            } else {
                format!("priority = {p}, ")
            };
            format!(
                "[flow.{name}]\nsteps = [{{ use = \"async\", {priority}steps = [{{ delay = \"1s\" }}] }}]\n"
            )
        };
        format!("[thread-pool.async]\nexecutor = \"java\"\ncore-threads = 1\n{queue}\n")
            + &flow("first", 0)
            + &flow("low", 7)
            + &flow("lower", 7)
            + &flow("high", 1)
            + &requests(&[(0.0, "first"), (0.1, "low"), (0.2, "lower"), (0.3, "high")])
    };
    let ends = |queue: &str| {
        let o = observe(&text(queue), 10.0);
        ["first", "low", "lower", "high"].map(|f| figure(&o, &format!("flow.{f}"), "response_time_max"))
    };
    for (found, expected) in ends("").iter().zip([1.0, 1.9, 2.8, 3.7]) {
        near(*found, expected, 1e-9);
    }
    for (found, expected) in ends("queue = \"priority\"").iter().zip([1.0, 2.9, 3.8, 1.7]) {
        near(*found, expected, 1e-9);
    }
}
