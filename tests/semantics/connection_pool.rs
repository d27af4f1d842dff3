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

/// What is said of a pool with these keys.
fn told(keys: &str) -> String {
    let (keys, rest) = keys.split_at(keys.find("[[").unwrap_or(keys.len()));
    let source = burst(keys, 1, "1s") + rest;
    let mut sink = plimsoll::diagnostic::Sink::default();
    assert!(plimsoll::model::load("test", &source, None, &mut sink).is_some());
    plimsoll::diagnostic::render(sink.diagnostics(), "test", &source, false)
}

#[test]
fn a_time_out_below_250_ms_is_taken_with_a_warning() {
    assert!(told("connection-timeout = \"200ms\"").contains("HikariCP refuses anything below 250 ms"));
    assert!(!told("connection-timeout = \"250ms\"").contains("HikariCP"));
    assert!(!told("connection-timeout = \"0s\"").contains("HikariCP"));
    let timeline =
        "[[timeline]]\nat = \"1s\"\nset = { \"connection-pool.db.connection-timeout\" = \"100ms\" }";
    assert!(told(timeline).contains("HikariCP refuses anything below 250 ms"));
}

#[test]
fn what_hikaricp_replaces_at_its_start_is_told() {
    let replaced = |keys: &str| {
        let said = told(keys);
        said.contains("HikariCP does not take this").then_some(said)
    };
    let said = |keys: &str| replaced(keys).unwrap_or_default();
    assert!(said("max-lifetime = \"29s\"").contains("30 min instead"));
    assert!(said("minimum-idle = 11").contains("takes `maximum-pool-size` instead"));
    assert!(said("minimum-idle = 2\nidle-timeout = \"9s\"").contains("10 min instead"));
    let both = "minimum-idle = 2\nmax-lifetime = \"40s\"\nidle-timeout";
    assert!(said(&format!("{both} = \"39500ms\"")).contains("closes no idle connection"));
    for taken in [
        &format!("{both} = \"39s\""),
        "max-lifetime = \"30s\"",
        "max-lifetime = \"0s\"",
        "minimum-idle = 10",
        "idle-timeout = \"1s\"",
        "minimum-idle = 2\nidle-timeout = \"0s\"",
        "minimum-idle = 2\nidle-timeout = \"10s\"",
    ] {
        assert_eq!(replaced(taken), None, "{taken}");
    }
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
    assert_eq!(db(&o, "connections_active_max"), 8.0);
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
    // Both are refused at 0, 10, 30, 70, 150, 310, 630, 1270, 2550, 5110 ms, then every 5 s.
    assert_eq!(db(&o, "connections_refused_total"), 2.0 * (10.0 + 10.0));
}

#[test]
fn a_waiter_orders_one_connection_and_idle_ones_are_made_up_for_by_the_housekeeper() {
    let pool = "minimum-idle = 5\nmaximum-pool-size = 10\nconnect-time = \"2ms\"";
    let source = burst(pool, 6, "60s").replace("executor", "start-time = \"1s\"\nexecutor");
    // The sixth, at 1.005 s, orders one for itself.
    let o = observe(&source, 30.0);
    assert_eq!(db(&o, "connections_creation_total"), 1.0);
    near(db(&o, "waiting_time_max"), 0.002, 1e-9);
    // At 30.1 s five are missing, and only four may be opened: at 30.102, 30.134, 30.166 and 30.198 s.
    let o = observe(&source, 30.19);
    assert_eq!(
        (db(&o, "connections_creation_total"), db(&o, "connections_max")),
        (4.0, 9.0)
    );
    let o = observe(&source, 31.0);
    assert_eq!(
        (db(&o, "connections_creation_total"), db(&o, "connections_max")),
        (5.0, 10.0)
    );
}

/// Two connections that live for 30 s, opened in 100 ms; one request of each flow at each instant: `long` holds one for 20 s, `short`
/// for 1 s.
fn two_lives(keys: &str, calls: &[(f64, &str)]) -> Observations {
    observe(
        &format!(
            "[connection-pool.db]\nmaximum-pool-size = 2\nmax-lifetime = \"30s\"\nmax-lifetime-variance = \"0%\"\n\
             connect-time = \"100ms\"\n{keys}\n\
             [flow.long]\nsteps = [{{ use = \"db\", steps = [{{ delay = \"20s\" }}] }}]\n\
             [flow.short]\nsteps = [{{ use = \"db\", steps = [{{ delay = \"1s\" }}] }}]\n{}",
            requests(calls)
        ),
        80.0,
    )
}

#[test]
fn the_connection_that_has_come_to_its_end_is_closed_by_who_has_it() {
    for keys in ["", "wake-up-latency = \"0s\""] {
        // At 30 s the idle one is closed and made up for by 30.1 s; the other one is in use until 40 s. The two that come at
        // 30 s share the new one.
        let o = two_lives(keys, &[(20.0, "long"), (30.0, "short"), (30.0, "short")]);
        near(figure(&o, "flow.short", "response_time_max"), 2.1, 1e-6);
        near(figure(&o, "flow.short", "response_time_mean"), 1.6, 1e-6);
        assert_eq!(db(&o, "connections_max"), 2.0);
        assert_eq!(db(&o, "connections_active_max"), 2.0);
        assert_eq!(
            super::connection_lives::last(&o, "connection-pool.db", "connections_active"),
            0.0
        );
    }
}

const TWICE_AT_A_TIME: &str =
    "executor = \"per-vu-iterations\"\nvus = 6\nflow = \"call\"\nmax-duration = \"1h\"\ntimeout = \"1h\"\n";

#[test]
fn a_lower_maximum_closes_nothing() {
    let o = observe(
        &format!(
            "[connection-pool.db]\n[flow.call]\nsteps = [{{ use = \"db\", steps = [{{ delay = \"1s\" }}] }}]\n\
             [workload.w]\nstart-time = \"2s\"\n{TWICE_AT_A_TIME}\
             [[timeline]]\nat = \"1s\"\nset = {{ \"connection-pool.db.maximum-pool-size\" = 2 }}\n"
        ),
        20.0,
    );
    near(figure(&o, "flow.call", "response_time_max"), 1.0, 1e-9);
    assert_eq!(db(&o, "connections_mean"), 10.0);
}

#[test]
fn under_a_lower_maximum_a_connection_that_comes_to_its_end_is_not_replaced() {
    let o = two_lives(
        "[[timeline]]\nat = \"1s\"\nset = { \"connection-pool.db.maximum-pool-size\" = 1 }",
        &[(70.0, "short"), (70.0, "short")],
    );
    // At 30 s both are closed, and one is opened by 30.1 s, another by 60.2 s.
    near(
        db(&o, "connections_mean"),
        (60.0 + 29.9 + 19.9 - 0.1) / 80.0,
        0.01,
    );
    near(figure(&o, "flow.short", "response_time_max"), 2.0, 1e-6);
}

#[test]
fn a_higher_maximum_opens_a_connection_for_the_next_who_waits() {
    // Eight wait for two connections; what they ordered was dropped, as the pool was full.
    let timeline = "[[timeline]]\nat = \"500ms\"\nset = { \"connection-pool.db.maximum-pool-size\" = 4 }\n";
    let pool = "maximum-pool-size = 2\nconnect-time = \"0s\"";
    let o = observe(&(burst(pool, 8, "1s") + timeline), 20.0);
    assert_eq!(db(&o, "connections_max"), 2.0);
    // One more who comes then orders one more.
    let late = requests(&[(0.6, "f")]);
    let o = observe(&(burst(pool, 8, "1s") + timeline + &late), 20.0);
    assert_eq!(db(&o, "connections_max"), 3.0);
    // Without them the housekeeper does at 30.1 s: idle ones are missing as long as all are in use.
    let o = observe(&(burst(pool, 8, "20s") + timeline), 40.0);
    assert_eq!(db(&o, "connections_max"), 4.0);
}

/// A pool in a service, which is paused from 50 ms to 5.05 s, or restarted at 5 s and back at 6 s.
fn in_a_service(keys: &str, timeline: &str, calls: &[(f64, &str)]) -> Observations {
    observe(
        &format!(
            "[service.s]\nstart-up-time = \"1s\"\n[connection-pool.db]\nin = \"s\"\n{keys}\n\
             [flow.call]\nat = \"s\"\nsteps = [{{ use = \"db\", steps = [{{ delay = \"1s\" }}] }}]\n\
             [[timeline]]\n{timeline}\n{}",
            requests(calls)
        ),
        10.0,
    )
}

#[test]
fn a_paused_process_opens_no_connections() {
    let keys = "initially = \"empty\"\nmaximum-pool-size = 5\nconnect-time = \"2ms\"";
    let pause = "at = \"50ms\"\npause = \"s\"\nfor = \"5s\"";
    let o = in_a_service(keys, pause, &[(9.0, "call")]);
    // At 5.052, 5.084, 5.116, 5.148 and 5.18 s.
    near(db(&o, "connections_mean"), (5.0 * 10.0 - 25.58) / 10.0, 1e-9);
}

#[test]
fn a_restarted_process_has_new_connections_and_a_new_housekeeper() {
    let keys = "maximum-pool-size = 5\nconnect-time = \"500ms\"\ninitially = \"empty\"";
    let o = in_a_service(keys, "at = \"5s\"\nrestart = \"s\"", &[(1.9, "call")]);
    // Opened at 0.6, 1.13, 1.66, 2.19 and 2.72 s, closed at 5 s; again from 6.1 s on.
    let first = 5.0 * 5.0 - (0.6 + 1.13 + 1.66 + 2.19 + 2.72);
    let second = 5.0 * 10.0 - (6.6 + 7.13 + 7.66 + 8.19 + 8.72);
    near(db(&o, "connections_mean"), (first + second) / 10.0, 1e-9);
    // One that was being opened when the process ended does not come afterwards.
    let o = in_a_service(keys, "at = \"2.5s\"\nrestart = \"s\"", &[(1.9, "call")]);
    let first = 4.0 * 2.5 - (0.6 + 1.13 + 1.66 + 2.19);
    let second = 5.0 * 10.0 - (4.1 + 4.63 + 5.16 + 5.69 + 6.22);
    near(db(&o, "connections_mean"), (first + second) / 10.0, 1e-9);
}

#[test]
fn pools_that_start_together_share_what_the_server_has() {
    // Fifteen places for three pools of ten: five each, so that five of a replica's six requests are served at once.
    let times: Vec<(f64, &str)> = (0..18).map(|_| (1.0, "f")).collect();
    let o = observe(
        &("[service.api]\nreplicas = 3\n[database.mysql]\nmax-connections = 15\n\
           [connection-pool.db]\nin = \"api\"\nto = \"mysql\"\n\
           [flow.f]\nat = \"api\"\nsteps = [{ use = \"db\", steps = [{ delay = \"100ms\" }] }]\n"
            .to_owned()
            + &requests(&times)),
        20.0,
    );
    near(figure(&o, "flow.f", "throughput") * 20.0, 18.0, 1e-9);
    near(
        figure(&o, "flow.f", "response_time_mean"),
        (15.0 * 0.1 + 3.0 * 0.2) / 18.0,
        1e-9,
    );
    assert_eq!(figure(&o, "connection-pool.db", "connections_active_max"), 5.0);
}

#[test]
fn connections_that_were_opened_in_the_warm_up_are_not_counted() {
    let pool = "maximum-pool-size = 4\ninitially = \"empty\"\nconnect-time = \"20ms\"";
    let o = observe_after(&burst(pool, 8, "10s"), 1.0, 10.0, 1);
    assert_eq!(db(&o, "connections_creation_total"), 0.0);
    assert!(
        o.figure("connection-pool.db", "connections_creation_time_mean")
            .is_none()
    );
}

#[test]
fn idle_connections_are_closed_only_while_fewer_are_wanted_idle_than_fit() {
    let at = |first: u32, keys: &str, when: &str, later: u32| {
        let pool = format!(
            "maximum-pool-size = {first}\nconnect-time = \"0s\"\nidle-timeout = \"20s\"\nmax-lifetime = \"0s\"\n{keys}"
        );
        let set = format!(
            "[[timeline]]\nat = \"{when}\"\nset = {{ \"connection-pool.db.maximum-pool-size\" = {later} }}\n"
        );
        let source = burst(&pool, 6, "1s").replace("executor", "start-time = \"1s\"\nexecutor") + &set;
        let o = observe(&source, 100.0);
        (db(&o, "connections_max"), db(&o, "connections_retired_total"))
    };
    // As many as fit at the start are to idle, and still are when the pool is made larger.
    assert_eq!(at(2, "", "100ms", 4), (4.0, 2.0));
    assert_eq!(at(10, "minimum-idle = 2", "10s", 3), (6.0, 4.0));
    assert_eq!(at(10, "minimum-idle = 2", "10s", 2), (6.0, 0.0));
}

#[test]
fn connections_are_opened_for_those_who_still_wait() {
    for more in ["", "\nwake-up-latency = \"0s\""] {
        let most = |patience: &str, holds: &str| {
            let pool = format!(
                "maximum-pool-size = 10\nminimum-idle = 0\ninitially = \"empty\"\nconnect-time = \"1s\"\nconnection-timeout = \"{patience}\"{more}"
            );
            db(&observe(&burst(&pool, 3, holds), 10.0), "connections_max")
        };
        // All three have given up when the first stands; or it serves all of them before the next is begun.
        assert_eq!(most("500ms", "1s"), 1.0, "{more}");
        assert_eq!(most("30s", "1ms"), 1.0, "{more}");
        assert_eq!(most("30s", "5s"), 3.0, "{more}");
    }
}

#[test]
fn a_connection_that_is_to_be_closed_when_it_is_returned_is_active_until_then() {
    let pool = "maximum-pool-size = 2\nmax-lifetime = \"40s\"\nmax-lifetime-variance = \"0%\"\nconnect-time = \"0s\"";
    let later = "[workload.later]\nexecutor = \"shared-iterations\"\nstart-time = \"60s\"\nflow = \"f\"\ntimeout = \"1h\"\nmax-duration = \"1h\"\n";
    let o = observe(&(burst(pool, 1, "100s") + later), 70.0);
    assert_eq!(db(&o, "connections_active_max"), 2.0);
}
