//! Several replicas behind a balancer.

use plimsoll::statistics::queueing::{join_shortest_queue, mm1, power_of_choices};

use super::{Judge, REPLICATIONS};
use crate::support::{book, replicate};

#[test]
fn join_the_shortest_queue() {
    for (replicas, rate) in [(2u32, 500.0), (3, 850.0)] {
        let text = book("jsq")
            .replace("replicas = 3", &format!("replicas = {replicas}"))
            .replace("850/s", &format!("{rate}/s"));
        let exact = join_shortest_queue(replicas, rate, 0.003).unwrap();
        Judge::new(&replicate(&text, REPLICATIONS))
            .figure("flow.request", "response_time_mean", exact.response_time)
            .figure("station.server", "in_system_mean", exact.number_in_system);
    }
}

#[test]
fn at_random_each_replica_is_a_station_of_its_own() {
    let text = book("jsq").replace("least-connections", "random");
    let exact = mm1(850.0 / 3.0, 0.003).unwrap();
    Judge::new(&replicate(&text, REPLICATIONS))
        .figure("flow.request", "response_time_mean", exact.response_time)
        .figure("station.server", "utilisation", 0.85);
}

#[test]
fn in_turn_each_replica_sees_erlang_gaps() {
    // Each third of a Poisson stream: E3/M/1. The root of s = A(μ(1-s)) gives R = S/(1-s) (Kleinrock 1, section 6.4).
    let text = book("jsq").replace("least-connections", "round-robin");
    let (rate, service) = (850.0, 0.003);
    let mut s = 0.5f64;
    for _ in 0..10_000 {
        s = (rate / (rate + (1.0 - s) / service)).powi(3);
    }
    Judge::new(&replicate(&text, REPLICATIONS)).figure(
        "flow.request",
        "response_time_mean",
        service / (1.0 - s),
    );
}

#[test]
fn two_choices_among_many_replicas() {
    // The formula is the limit of many queues; with 600 it is met to about 0.1 %.
    let text = book("jsq")
        .replace("least-connections", "power-of-two")
        .replace("replicas = 3", "replicas = 600")
        .replace("850/s", "160000/s")
        .replace("110s", "800ms")
        .replace("10s", "100ms");
    let exact = power_of_choices(2, 0.8, 0.003).unwrap();
    Judge::new(&replicate(&text, REPLICATIONS)).figure("flow.request", "response_time_mean", exact);
}
