use super::*;

/// Requests one a millisecond from time zero, each holding a connection for `time`.
fn burst(pool: &str, count: u32, time: &str) -> String {
    burst_at("connection-pool", "db", pool, count, time) + "timeout = \"10h\"\n"
}

fn db(o: &Observations, name: &str) -> f64 {
    figure(o, "connection-pool.db", name)
}

#[test]
fn the_pool_has_ten_connections_and_a_time_out_of_thirty_seconds() {
    let o = observe(&burst("", 12, "100s"), 60.0);
    assert_eq!(db(&o, "connections_active_max"), 10.0);
    assert_eq!(db(&o, "connections_timeout_total"), 2.0);
    near(figure(&o, "flow.f", "failure_time_max"), 30.0, 1e-9);
    assert_eq!(db(&o, "connections_pending_max"), 2.0);
}

#[test]
fn a_time_out_below_250_ms_is_taken_with_a_warning() {
    let told = |timeout: &str| {
        let source = burst(&format!("connection-timeout = \"{timeout}\""), 1, "1s");
        let mut sink = plimsoll::diagnostic::Sink::default();
        assert!(plimsoll::model::load("test", &source, None, &mut sink).is_some());
        plimsoll::diagnostic::render(sink.diagnostics(), "test", &source, false)
    };
    assert!(told("200ms").contains("HikariCP takes 30 s instead of anything below 250 ms"));
    assert!(!told("250ms").contains("HikariCP"));
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    let o = observe(&burst("maximum-pool-size = 1", 5, "100ms"), 10.0);
    near(db(&o, "waiting_time_max"), 0.396, 1e-9);
    assert_eq!(figure(&o, "flow.f", "throughput"), 0.5);
}

#[test]
fn connections_are_opened_one_at_a_time_with_a_rest_of_30_ms() {
    // The housekeeper comes after 100 ms, but a borrower asks at once: ready at 20, 70, 120, 170 ms.
    let pool = "maximum-pool-size = 4\ninitially = \"empty\"\nconnect-time = \"20ms\"";
    let o = observe(&burst(pool, 8, "10s"), 10.0);
    assert_eq!(db(&o, "connections_creation_total"), 4.0);
    assert_eq!(db(&o, "connections_creation_time_mean"), 0.02);
    let size = o
        .columns
        .iter()
        .find(|c| c.subject == "connection-pool.db" && c.name == "connections_active")
        .expect("a series of active connections");
    // Windows of 100 ms: two stand at 100 ms, all four at 200 ms.
    assert_eq!(size.values[..2], [2.0, 4.0]);
    // Those who waited were given the new ones: the fourth came at 3 ms.
    near(db(&o, "waiting_time_p50"), 0.07, 0.02);
}

#[test]
fn an_empty_pool_is_filled_by_the_housekeeper() {
    let pool = "maximum-pool-size = 3\ninitially = \"empty\"\nconnect-time = \"0s\"";
    let source = burst(pool, 3, "1s").replace("executor", "start-time = \"5s\"\nexecutor");
    let o = observe(&source, 20.0);
    assert_eq!(db(&o, "connections_max"), 3.0);
    assert_eq!(db(&o, "waiting_time_max"), 0.0);
    // At 100, 130 and 160 ms.
    near(db(&o, "connections_mean"), (60.0 - 0.39) / 20.0, 1e-9);
}

#[test]
fn the_pool_tries_to_have_minimum_idle_connections_idle() {
    let pool = "maximum-pool-size = 10\nminimum-idle = 2\nconnect-time = \"0s\"";
    // The two that stand are enough; the housekeeper sees at 100 ms that none is idle, and adds two.
    let o = observe(&burst(pool, 2, "50ms"), 10.0);
    assert_eq!(db(&o, "connections_max"), 2.0);
    let o = observe(&burst(pool, 2, "1s"), 10.0);
    assert_eq!(db(&o, "connections_max"), 4.0);
    // The third has to wait: the adder goes on until two are idle again.
    let o = observe(&burst(pool, 5, "1s"), 10.0);
    assert_eq!(db(&o, "connections_max"), 7.0);
}

#[test]
fn an_idle_connection_is_closed_at_a_round_of_the_housekeeper() {
    let pool = "maximum-pool-size = 10\nminimum-idle = 2\nconnect-time = \"0s\"\nidle-timeout = \"20s\"\nmax-lifetime = \"0s\"";
    let o = observe(&burst(pool, 5, "1s"), 100.0);
    // Five more than two until the round at 30.1 s, at which they have idled for longer than 20 s.
    assert_eq!(db(&o, "connections_retired_total"), 5.0);
    near(db(&o, "connections_mean"), 2.0 + 5.0 * 0.301, 0.01);
}

#[test]
fn a_connection_lives_for_max_lifetime_less_a_random_share() {
    let pool = "maximum-pool-size = 10\nmax-lifetime = \"100s\"\nmax-lifetime-variance = \"25%\"\nconnect-time = \"0s\"";
    let o = observe(&burst(pool, 1, "1s"), 99.9);
    let retired = db(&o, "connections_retired_total");
    assert_eq!(retired, 10.0, "all are between 75 and 100 s old");
    assert_eq!(db(&o, "connections_creation_total"), 10.0);
    let o = observe(&burst(pool, 1, "1s"), 74.9);
    assert_eq!(db(&o, "connections_retired_total"), 0.0);
}

#[test]
fn a_connection_in_use_outlives_its_time_until_it_is_returned() {
    let pool = "maximum-pool-size = 1\nmax-lifetime = \"30s\"\nmax-lifetime-variance = \"0%\"\nconnect-time = \"1s\"\nconnection-timeout = \"0s\"";
    let o = observe(&burst(pool, 2, "40s"), 100.0);
    // The second waits for the new one: 40 s and 1 s to connect.
    near(db(&o, "waiting_time_max"), 41.0 - 0.001, 1e-9);
    assert_eq!(figure(&o, "flow.f", "throughput"), 0.02);
    assert_eq!(db(&o, "connections_max"), 1.0);
}

#[test]
fn a_connection_idle_for_half_a_second_is_tested_first() {
    let pool = "maximum-pool-size = 1\nvalidation-time = \"3ms\"";
    let at = |start: &str| {
        burst(pool, 1, "100ms").replace("executor", &format!("start-time = \"{start}\"\nexecutor"))
    };
    let o = observe(&at("1s"), 10.0);
    near(figure(&o, "flow.f", "response_time_max"), 0.103, 1e-9);
    let o = observe(&at("400ms"), 10.0);
    near(figure(&o, "flow.f", "response_time_max"), 0.1, 1e-9);
}

const TWO_POOLS: &str = r#"
[service.s]
replicas = 2
[database.mysql]
max-connections = 15
[connection-pool.db]
in = "s"
to = "mysql"
connection-timeout = "5s"
[flow.f]
at = "s"
steps = [{ use = "db", steps = [{ delay = "100s" }] }]
[workload.w]
executor = "constant-arrival-rate"
rate = "1000/s"
pre-allocated-vus = 1000
duration = "19500us"
graceful-stop = "10000s"
timeout = "10h"
flow = "f"
"#;

#[test]
fn all_pools_together_meet_the_servers_max_connections() {
    let o = observe(TWO_POOLS, 60.0);
    assert_eq!(db(&o, "connections_mean"), 15.0);
    assert_eq!(figure(&o, "database.mysql", "connections_max"), 15.0);
    assert_eq!(db(&o, "connections_active_max"), 10.0);
}

#[test]
fn a_refusing_server_makes_borrowers_wait_for_their_time_out() {
    let o = observe(TWO_POOLS, 60.0);
    assert_eq!(figure(&o, "flow.f", "failures_acquire_timeout") * 60.0, 5.0);
    assert_eq!(figure(&o, "flow.f", "failure_time_max"), 5.0);
    assert!(o.figure("flow.f", "failures_too_many_connections").is_none());
}

#[test]
fn the_adder_waits_10_ms_after_a_refusal_doubling_to_5_s() {
    let o = observe(TWO_POOLS, 60.0);
    // Refused at 0 (twice: filling up, and the adder), 10, 30, 70, 150, 310, 630, 1270, 2550, 5110 ms, then every 5 s.
    assert_eq!(db(&o, "connections_refused_total"), 11.0 + 10.0);
}

#[test]
fn a_larger_maximum_takes_effect_at_once_and_a_smaller_one_as_connections_come_back() {
    let timeline = r#"
[[timeline]]
at = "500ms"
set = { "connection-pool.db.maximum-pool-size" = 4 }
[[timeline]]
at = "2500ms"
set = { "connection-pool.db.maximum-pool-size" = 1 }
"#;
    let o = observe(
        &(burst("maximum-pool-size = 2\nconnect-time = \"0s\"", 8, "1s") + timeline),
        20.0,
    );
    assert_eq!(db(&o, "connections_max"), 4.0);
    assert_eq!(figure(&o, "flow.f", "throughput") * 20.0, 8.0);
    assert_eq!(db(&o, "connections_active_max"), 4.0);
    assert!(db(&o, "connections_mean") < 1.4);
}
