//! Queueing formulas, each with its source: what a simulated station must agree with.
//!
//! Arrival rates are per second, times in seconds, offered load a = λS in erlangs, utilisation
//! ρ = a/c. A formula that has no answer (saturation, a parameter outside its domain) returns a
//! [`Refusal`](super::Refusal).

pub mod bounds;
pub mod dispatch;
pub mod impatient;
pub mod many;
pub mod nested;
pub mod priority;
pub mod single;

use serde::{Deserialize, Serialize};

pub use bounds::*;
pub use dispatch::*;
pub use impatient::*;
pub use many::*;
pub use nested::*;
pub use priority::*;
pub use single::*;

/// Steady-state means of a station. Where requests can be turned away, the times are those of the
/// requests admitted and `throughput` counts the admitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Means {
    /// Admitted requests per second.
    pub throughput: f64,
    /// Share of server capacity that is busy.
    pub utilisation: f64,
    /// Time in queue, in seconds.
    pub waiting_time: f64,
    /// Time from arrival to departure, in seconds.
    pub response_time: f64,
    /// Requests in queue.
    pub number_waiting: f64,
    /// Requests in queue and in service.
    pub number_in_system: f64,
}

impl Means {
    /// All six from the wait, by Little's law.
    pub(in crate::statistics) fn from_wait(
        throughput: f64,
        servers: f64,
        service_time: f64,
        waiting_time: f64,
    ) -> Means {
        let response_time = waiting_time + service_time;
        Means {
            throughput,
            utilisation: throughput * service_time / servers,
            waiting_time,
            response_time,
            number_waiting: throughput * waiting_time,
            number_in_system: throughput * response_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{Refusal, assert_close};

    fn flat(means: Means) -> [Vec<f64>; 3] {
        [
            vec![means.utilisation, means.number_waiting, means.number_in_system],
            vec![means.waiting_time, means.response_time],
            vec![means.throughput],
        ]
    }

    fn impatient(means: AbandonMeans) -> [Vec<f64>; 3] {
        let shares = [
            means.abandoned,
            means.waits,
            means.utilisation,
            means.number_waiting,
        ];
        let times = [Some(means.waiting_time), means.waiting_time_served];
        let times = times.into_iter().flatten().collect();
        [shares.to_vec(), times, vec![means.throughput]]
    }

    fn between(bounds: Bounds) -> [Vec<f64>; 3] {
        let times = vec![bounds.response_time_low, bounds.response_time_high];
        let rates = vec![bounds.throughput_low, bounds.throughput_high];
        [Vec::new(), times, rates]
    }

    fn times(found: impl IntoIterator<Item = f64>) -> [Vec<f64>; 3] {
        [Vec::new(), found.into_iter().collect(), Vec::new()]
    }

    /// Every formula with its times in a unit of `u` seconds: what has no unit, what is a time, what is a rate.
    fn all(u: f64) -> Result<Vec<[Vec<f64>; 3]>, Refusal> {
        let (rate, time) = (1.3 / u, 0.7 * u);
        let station = Mmc::new(3, 2.0 * rate, time)?;
        let lossy = mmck(2, 7, 2.0 * rate, time)?;
        let mixed = Hyperexponential::new(rate, [(0.8, 0.4 * u), (0.2, 1.7 * u)])?;
        let square = mg1_waiting_second_moment(rate, [time, 0.6 * u * u, 0.9 * u * u * u])?;
        let classes = [(0.4, 0.3, 2.0), (0.9, 0.6, 0.5)].map(|(rate, time, cv)| PriorityClass {
            arrival_rate: rate / u,
            service_time: time * u,
            cv,
        });
        let demands = [(0.3, 2), (0.2, 1)].map(|(time, servers)| Demand {
            seconds: time * u,
            servers,
        });
        let alone = demands.map(|demand| demand.seconds);
        let quantile = |patience, p| mmc_fixed_patience_waiting_quantile(3, 5.0 / u, time, patience * u, p);
        let nested = |source| {
            nested_pools(&NestedPools {
                source,
                outer: 3,
                inner: 2,
                outside: 0.3 * u,
                inside: time,
            })
            .map(|means| {
                [
                    vec![means.rejected, means.outer_held, means.inner_held],
                    vec![
                        means.outer_waiting_time,
                        means.inner_waiting_time,
                        means.response_time,
                    ],
                    vec![means.throughput],
                ]
            })
        };
        let mut found = vec![
            flat(mm1(rate, time)?),
            flat(station.means()),
            [
                vec![
                    station.utilisation(),
                    station.probability_of_waiting(),
                    station.waiting_time_exceeds(1.1 * u),
                    station.response_time_exceeds(1.1 * u),
                ],
                vec![
                    station.waiting_time_quantile(0.97)?,
                    station.response_time_quantile(0.97)?,
                ],
                Vec::new(),
            ],
            flat(lossy.means),
            [vec![lossy.rejected], Vec::new(), Vec::new()],
            flat(mg1(rate, time, 1.7)?),
            [
                vec![mixed.response_time_exceeds(2.1 * u)],
                vec![
                    mixed.response_time_quantile(0.6)?,
                    mixed.response_time_quantile(0.999)?,
                ],
                Vec::new(),
            ],
            times([
                square.sqrt(),
                processor_sharing_response(rate, time, 0.4 * u)?,
                kingman(rate, time, 0.6, 1.7)?,
                kingman_bound(rate, time, 0.6, 1.7)?,
                allen_cunneen(3, 2.0 * rate, time, 0.6, 1.7)?,
                fork_join_two(rate, time)?,
                power_of_choices(2, 0.9, time)?,
                power_of_choices(1, 0.9, time)?,
                quantile(2.2, 0.6)?,
                quantile(2.2, 0.9)?,
            ]),
            flat(mg1_vacations(rate, time, 1.7, 2.3 * u, 0.4)?),
            flat(mg1_pauses(0.5 / u, time, 1.7, 0.2 / u, 1.1 * u, 0.4)?),
            times(mg1_preemptive_resume(&classes)?),
            between(asymptotic_bounds(&demands, 9, 0.4 * u)?),
            between(balanced_job_bounds(&alone, 9, 0.4 * u)?),
            [Vec::new(), Vec::new(), vec![capacity(&demands)?]],
            flat(join_shortest_queue(2, rate, time)?),
            impatient(mmc_fixed_patience(3, 5.0 / u, time, 2.2 * u)?),
            impatient(mmc_fixed_patience(3, 4.0 / u, time, 2.2 * u)?),
            impatient(mmc_exponential_patience(3, 5.0 / u, time, 2.2 * u)?),
            nested(Source::Open { rate, room: 9 })?,
            nested(Source::Closed {
                users: 7,
                think_time: 1.6 * u,
            })?,
        ];
        found.extend(mg1_priority(&classes)?.into_iter().map(flat));
        Ok(found)
    }

    #[test]
    fn another_unit_of_time_changes_no_share_and_no_number() {
        let plain = all(1.0).unwrap();
        for unit in [0.003, 60.0] {
            for (found, plain) in all(unit).unwrap().into_iter().zip(&plain) {
                for (dimension, factor) in [1.0, unit, 1.0 / unit].into_iter().enumerate() {
                    assert_eq!(found[dimension].len(), plain[dimension].len());
                    for (found, plain) in found[dimension].iter().zip(&plain[dimension]) {
                        assert_close(*found, plain * factor, 1e-9);
                    }
                }
            }
        }
    }
}
