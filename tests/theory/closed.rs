//! A fixed population, and pools held inside pools.

use plimsoll::statistics::closed::{Place, closed_network, machine_repairman};
use plimsoll::statistics::queueing::{NestedPools, Source, nested_pools};

use super::{Judge, REPLICATIONS, tried};
use crate::support::{book, replicate};

#[test]
fn a_closed_network_agrees_with_mean_value_analysis() {
    for users in [10u32, 60, 110] {
        let text = book("closed").replace("users = 60", &format!("users = {users}"));
        let places = [Place::queue(0.008), Place::servers(0.030, 4)];
        let exact = closed_network(&places, 0.4, users).unwrap().pop().unwrap();
        Judge::new(&replicate(&text, REPLICATIONS))
            .figure("flow.request", "throughput", exact.throughput)
            .figure("flow.request", "response_time_mean", exact.response_time)
            .figure("host.machine", "in_system_mean", exact.places[0].number)
            .figure("host.machine", "utilisation", exact.throughput * 0.008)
            .figure("station.database", "in_system_mean", exact.places[1].number);
    }
}

#[test]
fn machine_repairman_with_constant_repairs_of_exponential_mean() {
    let exact = machine_repairman(9, 0.06, 2, 0.02).unwrap();
    Judge::new(&replicate(&tried("repairmen"), REPLICATIONS))
        .figure("flow.repair", "throughput", exact.throughput)
        .figure("flow.repair", "response_time_mean", exact.response_time)
        .figure("station.repairers", "in_queue_mean", exact.number_waiting);
}

#[test]
fn a_pool_held_inside_a_pool_closed() {
    let exact = nested_pools(&NestedPools {
        source: Source::Closed {
            users: 12,
            think_time: 0.05,
        },
        outer: 5,
        inner: 2,
        outside: 0.02,
        inside: 0.03,
    })
    .unwrap();
    Judge::new(&replicate(&book("nested"), REPLICATIONS))
        .figure("flow.request", "throughput", exact.throughput)
        .figure("flow.request", "response_time_mean", exact.response_time)
        .figure("station.threads", "waiting_time_mean", exact.outer_waiting_time)
        .figure("station.threads", "busy_mean", exact.outer_held)
        .figure(
            "station.connections",
            "waiting_time_mean",
            exact.inner_waiting_time,
        )
        .figure("station.connections", "busy_mean", exact.inner_held);
}

#[test]
fn a_pool_held_inside_a_pool_open() {
    let exact = nested_pools(&NestedPools {
        source: Source::Open { rate: 60.0, room: 15 },
        outer: 5,
        inner: 2,
        outside: 0.02,
        inside: 0.03,
    })
    .unwrap();
    Judge::new(&replicate(&tried("nested-open"), REPLICATIONS))
        .figure("flow.request", "throughput", exact.throughput)
        .figure("flow.request", "failure_share", exact.rejected)
        .figure("flow.request", "response_time_mean", exact.response_time)
        .figure("station.threads", "waiting_time_mean", exact.outer_waiting_time)
        .figure(
            "station.connections",
            "waiting_time_mean",
            exact.inner_waiting_time,
        );
}
