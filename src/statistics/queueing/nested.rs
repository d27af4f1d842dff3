//! Two pools, one held inside the other: a thread that borrows a connection.
//!
//! A request takes an outer permit, works `outside` seconds, takes an inner permit, works `inside`
//! seconds, and gives both back. While it waits for the inner permit it goes on holding the outer
//! one, which is why the pools cannot be treated as two stations in a row. No formula is known; the
//! Markov chain with exponential times is solved.

use serde::{Deserialize, Serialize};

use crate::statistics::ctmc::Chain;
use crate::statistics::{Refusal, at_least_one, positive};

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// Poisson arrivals per second; those that find `room` requests present are turned away.
    Open { rate: f64, room: u32 },
    /// `users` who think for an exponential time with this mean, in seconds, between requests.
    Closed { users: u32, think_time: f64 },
}

/// The two pools.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NestedPools {
    pub source: Source,
    pub outer: u32,
    pub inner: u32,
    /// Mean seconds with the outer permit alone, not counting the wait for the inner one.
    pub outside: f64,
    /// Mean seconds with both.
    pub inside: f64,
}

/// Steady state of nested pools.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NestedMeans {
    /// Requests completed per second.
    pub throughput: f64,
    /// Share of arrivals turned away; zero for a closed source.
    pub rejected: f64,
    /// Mean wait for the outer permit, in seconds.
    pub outer_waiting_time: f64,
    /// Mean wait for the inner permit, in seconds.
    pub inner_waiting_time: f64,
    /// Mean time from arrival to departure, in seconds.
    pub response_time: f64,
    /// Mean number of outer permits held.
    pub outer_held: f64,
    /// Mean number of inner permits held.
    pub inner_held: f64,
}

/// States up to which the chain is built.
const MOST_STATES: usize = 200_000;

/// Solves the chain; refuses parameters outside their domain and more than 200,000 states.
pub fn nested_pools(pools: &NestedPools) -> Result<NestedMeans, Refusal> {
    at_least_one(pools.outer, "the outer pool")?;
    at_least_one(pools.inner, "the inner pool")?;
    let outside = 1.0 / positive(pools.outside, "the time outside")?;
    let inside = 1.0 / positive(pools.inside, "the time inside")?;
    let arrivals: Box<dyn Fn(u32) -> f64> = match pools.source {
        Source::Open { rate, room } => {
            positive(rate, "the arrival rate")?;
            at_least_one(room, "the room")?;
            Box::new(move |present| if present < room { rate } else { 0.0 })
        }
        Source::Closed { users, think_time } => {
            at_least_one(users, "the number of users")?;
            let rate = 1.0 / positive(think_time, "the think time")?;
            Box::new(move |present| rate * f64::from(users.saturating_sub(present)))
        }
    };
    // A state: waiting for the outer permit, working outside, waiting for or working inside.
    let chain = Chain::explore([0u32, 0, 0], MOST_STATES, |&[queue, first, second], to| {
        let rate = arrivals(queue + first + second);
        if rate > 0.0 {
            let next = if first + second < pools.outer {
                [queue, first + 1, second]
            } else {
                [queue + 1, first, second]
            };
            to.push((next, rate));
        }
        if first > 0 {
            to.push(([queue, first - 1, second + 1], outside * f64::from(first)));
        }
        if second > 0 {
            let next = if queue > 0 {
                [queue - 1, first + 1, second - 1]
            } else {
                [queue, first, second - 1]
            };
            to.push((next, inside * f64::from(second.min(pools.inner))));
        }
    })?;
    let stationary = chain.stationary()?;
    let inner_held = stationary.mean(|&[_, _, second]| f64::from(second.min(pools.inner)));
    let outer_held = stationary.mean(|&[_, first, second]| f64::from(first + second));
    let queue = stationary.mean(|&[queue, _, _]| f64::from(queue));
    let blocked = stationary.mean(|&[_, _, second]| f64::from(second.saturating_sub(pools.inner)));
    let throughput = inner_held * inside;
    let rejected = match pools.source {
        Source::Open { room, .. } => stationary.mean(|state| {
            if state.iter().sum::<u32>() >= room {
                1.0
            } else {
                0.0
            }
        }),
        Source::Closed { .. } => 0.0,
    };
    Ok(NestedMeans {
        throughput,
        rejected,
        outer_waiting_time: queue / throughput,
        inner_waiting_time: blocked / throughput,
        response_time: (queue + outer_held) / throughput,
        outer_held,
        inner_held,
    })
}

#[cfg(test)]
mod tests {
    use super::super::mg1;
    use super::*;
    use crate::statistics::assert_close;
    use crate::statistics::closed::{Place, closed_network};

    #[test]
    fn an_outer_pool_for_everybody_leaves_a_product_form() {
        let found = nested_pools(&NestedPools {
            source: Source::Closed {
                users: 12,
                think_time: 3.0,
            },
            outer: 12,
            inner: 2,
            outside: 0.5,
            inside: 0.8,
        })
        .unwrap();
        let places = [Place::delay(0.5), Place::servers(0.8, 2)];
        let exact = closed_network(&places, 3.0, 12).unwrap();
        assert_close(found.throughput, exact[11].throughput, 1e-9);
        assert_close(found.response_time, exact[11].response_time, 1e-9);
        assert!(found.outer_waiting_time.abs() < 1e-12);
    }

    #[test]
    fn one_permit_each_is_a_single_server_of_two_stages() {
        let found = nested_pools(&NestedPools {
            source: Source::Open { rate: 0.5, room: 300 },
            outer: 1,
            inner: 1,
            outside: 0.4,
            inside: 0.8,
        })
        .unwrap();
        let cv = (0.16f64 + 0.64).sqrt() / 1.2;
        let exact = mg1(0.5, 1.2, cv).unwrap();
        assert_close(found.outer_waiting_time, exact.waiting_time, 1e-8);
        assert_close(found.response_time, exact.response_time, 1e-8);
        assert!(found.inner_waiting_time.abs() < 1e-12 && found.rejected < 1e-12);
    }

    #[test]
    fn overload_is_bounded_by_the_inner_pool() {
        let found = nested_pools(&NestedPools {
            source: Source::Open { rate: 50.0, room: 40 },
            outer: 10,
            inner: 2,
            outside: 0.01,
            inside: 1.0,
        })
        .unwrap();
        assert_close(found.throughput, 2.0, 1e-6);
        assert_close(found.rejected, 0.96, 1e-6);
        assert_close(found.outer_held, 10.0, 1e-3);
        // Little: eight wait for the inner pool, two a second leave it (a few are still outside).
        assert_close(found.inner_waiting_time, 4.0, 0.01);
    }

    #[test]
    fn nonsense_is_refused() {
        let good = NestedPools {
            source: Source::Open { rate: 1.0, room: 5 },
            outer: 2,
            inner: 1,
            outside: 0.1,
            inside: 0.1,
        };
        assert!(nested_pools(&good).is_ok());
        assert!(nested_pools(&NestedPools { outer: 0, ..good }).is_err());
        assert!(nested_pools(&NestedPools { inside: 0.0, ..good }).is_err());
        let source = Source::Closed {
            users: 3,
            think_time: 0.0,
        };
        assert!(nested_pools(&NestedPools { source, ..good }).is_err());
        let source = Source::Open {
            rate: 1.0,
            room: u32::MAX,
        };
        assert!(nested_pools(&NestedPools { source, ..good }).is_err());
    }
}
