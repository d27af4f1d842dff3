//! Failures and what is done about them: retries, deadlines, clients that give up, replicas that stop.

use plimsoll::statistics::queueing::Mmc;

use super::{Judge, REPLICATIONS};
use crate::support::{book, figure, model, options, replicate, run};

#[test]
fn retries_multiply_the_load_by_the_geometric_sum() {
    // Attempts fail with 30 % each; at most three are made.
    let text = r#"
        [retry.again]
        max-attempts = 3
        wait-duration = "5ms"
        [station.server]
        servers = 4000000000
        [flow.request]
        steps = [{ use = "again", steps = [{ use = "server", time = "exp(10ms)" }, { fail = "30%" }] }]
        [workload.arrivals]
        executor = "poisson"
        rate = "500/s"
        [run]
        duration = "440s"
        warm-up = "40s"
    "#;
    let p: f64 = 0.3;
    let (first, second, third) = (1.0 - p, p * (1.0 - p), p * p * (1.0 - p));
    let mean = (first * 0.010 + second * 0.025 + third * 0.040) / (first + second + third);
    Judge::new(&replicate(text, REPLICATIONS))
        .figure("flow.request", "failure_share", p.powi(3))
        .figure("station.server", "arrivals", 500.0 * (1.0 + p + p * p))
        .figure("flow.request", "response_time_mean", mean);
}

#[test]
fn a_deadline_cuts_work_short_or_leaves_it_running() {
    let text = |cancels: bool| {
        format!(
            r#"
            [time-limiter.patience]
            timeout-duration = "100ms"
            cancel-running = {cancels}
            [station.server]
            servers = 4000000000
            [flow.request]
            steps = [{{ use = "patience", steps = [{{ use = "server", time = "exp(100ms)" }}] }}]
            [workload.arrivals]
            executor = "poisson"
            rate = "200/s"
            [run]
            duration = "220s"
            warm-up = "20s"
            "#
        )
    };
    let e = libm::exp(-1.0);
    // The mean of an exponential time given that it is below its mean: (1 - 2/e) / (1 - 1/e).
    let below = 0.1 * (1.0 - 2.0 * e) / (1.0 - e);
    for (cancels, busy) in [(true, 20.0 * (1.0 - e)), (false, 20.0)] {
        Judge::new(&replicate(&text(cancels), REPLICATIONS))
            .figure("flow.request", "failure_share", e)
            .figure("flow.request", "response_time_mean", below)
            .figure("station.server", "busy_mean", busy);
    }
}

#[test]
fn clients_that_give_up_leave_their_work_behind() {
    // The server does not see that nobody waits: it stays M/M/1, and who waits longer than 10 ms has gone.
    let text = book("mm1").replace("rate = \"800/s\"", "rate = \"800/s\"\ntimeout = \"10ms\"");
    let exact = Mmc::new(1, 800.0, 0.001).unwrap();
    let gone = exact.response_time_exceeds(0.010);
    Judge::new(&replicate(&text, REPLICATIONS))
        .figure("flow.request", "failure_share", gone)
        .figure("flow.request", "wasted", 800.0 * gone)
        .figure("station.server", "utilisation", 0.8)
        .figure("station.server", "in_system_mean", exact.means().number_in_system);
}

#[test]
fn a_cache_lets_misses_through() {
    let text = r#"
        [cache.near]
        hit-ratio = "80%"
        [station.server]
        servers = 1
        [flow.request]
        steps = [{ use = "near", steps = [{ use = "server", time = "exp(4ms)" }] }]
        [workload.arrivals]
        executor = "poisson"
        rate = "1000/s"
        [run]
        duration = "110s"
        warm-up = "10s"
    "#;
    // A Poisson stream thinned by independent coins is Poisson.
    let exact = Mmc::new(1, 200.0, 0.004).unwrap().means();
    Judge::new(&replicate(text, REPLICATIONS))
        .figure("station.server", "waiting_time_mean", exact.waiting_time)
        .figure("flow.request", "response_time_mean", 0.2 * exact.response_time);
}

const STOPPED: &str = r#"
    [service.app]
    replicas = 2
    start-up-time = "1s"
    [service.behind]
    [station.desk]
    in = "app"
    servers = 8
    [station.store]
    in = "behind"
    servers = 8
    [flow.request]
    at = "app"
    steps = [{ use = "desk", time = "100ms" }, { call = "lookup" }]
    [flow.lookup]
    at = "behind"
    steps = [{ use = "store", time = "150ms" }]
    [workload.arrivals]
    executor = "constant-arrival-rate"
    rate = "10/s"
    pre-allocated-vus = 100
    flow = "request"
    [[timeline]]
    at = "1s"
"#;

#[test]
fn a_restart_fails_what_is_under_way_and_turns_away_what_comes() {
    let o = run(
        &model(&(STOPPED.to_owned() + "restart = \"app\"\n")),
        &options(0, 4.0, 0.0),
    );
    // Requests of 0.8 and 0.9 s are under way, one of them behind, the one of 1.0 s has not come: the end of things
    // is before their beginning at one instant. Ten come while nobody is there.
    let per = 4.0;
    assert_eq!(figure(&o, "flow.request", "failures_killed") * per, 2.0);
    assert_eq!(figure(&o, "flow.request", "failures_unavailable") * per, 10.0);
    // What the store did for the process that stopped was given up with it.
    assert_eq!(figure(&o, "station.store", "cancelled") * per, 1.0);
    assert_eq!(figure(&o, "station.desk", "cancelled") * per, 1.0);
}

#[test]
fn one_replica_may_stop_while_the_other_goes_on() {
    let o = run(
        &model(&(STOPPED.to_owned() + "restart = \"app\"\nreplica = 1\n")),
        &options(0, 4.0, 0.0),
    );
    // In turn: 0.0 s to replica 0, 0.1 s to replica 1, and so on: 0.9 s to replica 1 and 0.8 s to replica 0.
    assert_eq!(figure(&o, "flow.request", "failures_killed") * 4.0, 1.0);
    assert!(o.figure("flow.request", "failures_unavailable").is_none());
}

#[test]
fn branches_end_with_their_caller() {
    // A restart in the middle of branches: every branch gives back what it holds.
    let text = r#"
        [service.app]
        [station.a]
        servers = 2
        [connection-pool.b]
        maximum-pool-size = 1
        [flow.request]
        at = "app"
        steps = [{ parallel = [
          { steps = [{ use = "a", time = "300ms" }] },
          { steps = [{ use = "b", steps = [{ delay = "300ms" }] }] },
          { steps = [{ repeat = 3, steps = [{ use = "b", steps = [{ delay = "100ms" }] }] }] },
        ] }]
        [workload.arrivals]
        executor = "constant-arrival-rate"
        rate = "2/s"
        pre-allocated-vus = 100
        duration = "3s"
        [[timeline]]
        at = "1100ms"
        restart = "app"
    "#;
    let o = run(&model(text), &options(0, 20.0, 0.0));
    let per = 20.0;
    assert_eq!(figure(&o, "flow.request", "failures_killed") * per, 2.0);
    assert_eq!(figure(&o, "flow.request", "throughput") * per, 4.0);
    // Afterwards nobody is inside: the area over the last ten seconds is that of the first ten.
    let early = run(&model(text), &options(0, 10.0, 0.0));
    for s in ["station.a", "connection-pool.b"] {
        let area = |o: &plimsoll::engine::observe::Observations, t: f64| figure(o, s, "in_system_mean") * t;
        assert!(
            (area(&o, 20.0) - area(&early, 10.0)).abs() < 1e-9,
            "{s} still holds somebody"
        );
    }
}
