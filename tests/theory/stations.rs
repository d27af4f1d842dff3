//! Open stations.

use plimsoll::statistics::queueing::{
    Mmc, erlang_b, md1, mg1, mm1, mmc_fixed_patience, mmc_processor_sharing, mmck,
};

use super::{Judge, REPLICATIONS, tried};
use crate::support::{book, replicate};

#[test]
fn m_m_1() {
    let runs = replicate(&book("mm1"), REPLICATIONS);
    let exact = mm1(800.0, 0.001).unwrap();
    let tail = Mmc::new(1, 800.0, 0.001).unwrap();
    Judge::new(&runs)
        .figure("flow.request", "response_time_mean", exact.response_time)
        .figure("flow.request", "throughput", 800.0)
        .figure("flow.request", "inside_mean", exact.number_in_system)
        .figure("station.server", "utilisation", 0.8)
        .figure("station.server", "waiting_time_mean", exact.waiting_time)
        .figure("station.server", "in_queue_mean", exact.number_waiting)
        .figure("station.server", "in_system_mean", exact.number_in_system)
        .figure(
            "flow.request",
            "response_time_p50",
            tail.response_time_quantile(0.5).unwrap(),
        )
        .figure(
            "flow.request",
            "response_time_p95",
            tail.response_time_quantile(0.95).unwrap(),
        )
        .figure(
            "flow.request",
            "response_time_p99",
            tail.response_time_quantile(0.99).unwrap(),
        );
}

#[test]
fn m_m_c_with_percentiles() {
    let runs = replicate(&book("mmc"), REPLICATIONS);
    let exact = Mmc::new(4, 850.0, 0.004).unwrap();
    let means = exact.means();
    let mut judge = Judge::new(&runs);
    judge
        .figure("station.server", "utilisation", 0.85)
        .figure("station.server", "busy_mean", 3.4)
        // Erlang C enters by way of the mean wait.
        .figure("station.server", "waiting_time_mean", means.waiting_time)
        .figure("station.server", "in_queue_mean", means.number_waiting)
        .figure("station.server", "visit_time_mean", means.response_time);
    for (name, p) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
        judge
            .figure(
                "station.server",
                &format!("waiting_time_{name}"),
                exact.waiting_time_quantile(p).unwrap(),
            )
            .figure(
                "flow.request",
                &format!("response_time_{name}"),
                exact.response_time_quantile(p).unwrap(),
            );
    }
}

#[test]
fn m_m_c_k() {
    let runs = replicate(&book("mmck"), REPLICATIONS);
    let exact = mmck(3, 8, 1100.0, 0.003).unwrap();
    Judge::new(&runs)
        .figure("flow.request", "failure_share", exact.rejected)
        .figure("flow.request", "throughput", exact.means.throughput)
        .figure("flow.request", "response_time_mean", exact.means.response_time)
        .figure("station.server", "utilisation", exact.means.utilisation)
        .figure("station.server", "rejected", 1100.0 * exact.rejected)
        .figure("station.server", "waiting_time_mean", exact.means.waiting_time)
        .figure("station.server", "in_system_mean", exact.means.number_in_system);
}

#[test]
fn erlangs_loss_does_not_ask_for_the_law() {
    let lost = erlang_b(10, 8.0).unwrap();
    for law in ["lognormal(10ms, cv 2)", "exp(10ms)", "10ms"] {
        let text = book("erlang-b").replace("lognormal(10ms, cv 2)", law);
        Judge::new(&replicate(&text, REPLICATIONS))
            .figure("flow.call", "failure_share", lost)
            .figure("station.lines", "busy_mean", 8.0 * (1.0 - lost));
    }
}

#[test]
fn m_d_1() {
    let exact = md1(800.0, 0.001).unwrap();
    Judge::new(&replicate(&book("md1"), REPLICATIONS))
        .figure("station.server", "waiting_time_mean", exact.waiting_time)
        .figure("flow.request", "response_time_mean", exact.response_time);
}

#[test]
fn m_g_1() {
    for (law, cv) in [
        ("lognormal(1ms, cv 2)", 2.0),
        ("hyperexp(1ms, cv 2)", 2.0),
        ("erlang(4, 1ms)", 0.5),
    ] {
        let exact = mg1(700.0, 0.001, cv).unwrap();
        Judge::new(&replicate(
            &book("mg1").replace("lognormal(1ms, cv 2)", law),
            REPLICATIONS,
        ))
        .figure("station.server", "waiting_time_mean", exact.waiting_time)
        .figure("station.server", "in_queue_mean", exact.number_waiting)
        .figure("station.server", "utilisation", 0.7);
    }
}

#[test]
fn the_last_to_come_wait_no_less_on_average() {
    let text = book("mm1").replace("servers = 1", "servers = 1\ndiscipline = \"lcfs\"");
    let exact = mm1(800.0, 0.001).unwrap();
    Judge::new(&replicate(&text, REPLICATIONS)).figure(
        "station.server",
        "waiting_time_mean",
        exact.waiting_time,
    );
}

#[test]
fn processor_sharing_does_not_ask_for_the_law() {
    for (cores, rate) in [(1u32, 375.0), (2, 750.0), (4, 1500.0)] {
        let exact = mmc_processor_sharing(cores, rate, 0.002).unwrap();
        for law in ["lognormal(2ms, cv 1.5)", "exp(2ms)", "2ms"] {
            let text = book("ps")
                .replace("lognormal(2ms, cv 1.5)", law)
                .replace("cores = 2", &format!("cores = {cores}"))
                .replace("750/s", &format!("{rate}/s"))
                .replace("110s", "55s")
                .replace("10s", "5s");
            Judge::new(&replicate(&text, REPLICATIONS))
                .figure("flow.request", "response_time_mean", exact.response_time)
                .figure("host.machine", "in_system_mean", exact.number_in_system)
                .figure("host.machine", "utilisation", 0.75);
        }
    }
}

#[test]
fn fixed_patience_at_a_pool_and_at_a_station() {
    let exact = mmc_fixed_patience(5, 110.0, 0.05, 0.25).unwrap();
    let runs = replicate(&book("patience"), REPLICATIONS);
    Judge::new(&runs)
        .figure("flow.request", "failure_share", exact.abandoned)
        .figure("connection-pool.db", "timed_out", 110.0 * exact.abandoned)
        .figure("connection-pool.db", "waiting_time_mean", exact.waiting_time)
        .figure("connection-pool.db", "in_queue_mean", exact.number_waiting)
        .figure("connection-pool.db", "utilisation", exact.utilisation);
    let station = book("patience")
        .replace("[connection-pool.db]", "[station.db]")
        .replace("maximum-pool-size", "servers")
        .replace("connection-timeout", "patience")
        .replace(
            "steps = [{ delay = \"exp(50ms)\" }] }]",
            "time = \"exp(50ms)\" }]",
        );
    Judge::new(&replicate(&station, REPLICATIONS))
        .figure("flow.request", "failure_share", exact.abandoned)
        .figure("station.db", "waiting_time_mean", exact.waiting_time)
        .figure("station.db", "utilisation", exact.utilisation);
}

#[test]
fn stations_in_a_row_are_independent() {
    // Jackson 1957: the output of M/M/c is Poisson, so each station is as if it stood alone.
    let (a, b) = (
        Mmc::new(2, 500.0, 0.003).unwrap().means(),
        mm1(250.0, 0.003).unwrap(),
    );
    Judge::new(&replicate(&tried("tandem"), REPLICATIONS))
        .figure("station.a", "visit_time_mean", a.response_time)
        .figure("station.b", "visit_time_mean", b.response_time)
        .figure(
            "flow.request",
            "response_time_mean",
            a.response_time + 0.5 * b.response_time,
        );
}
