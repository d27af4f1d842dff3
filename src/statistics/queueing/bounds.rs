//! Laws and bounds that hold without a distribution, two approximations, and staffing.

use serde::{Deserialize, Serialize};

use super::Mmc;
use super::many::MOST_SERVERS;
use crate::statistics::special::{bisect, normal_cdf, normal_density};
use crate::statistics::{Refusal, at_least_one, not_negative, positive, probability, stable};

/// Little's law: mean number present = throughput × mean time present.
/// Little 1961, *Operations Research* 9, pp. 383–387.
pub fn little_number(throughput: f64, time: f64) -> f64 {
    throughput * time
}

/// Little's law with an observed triple: relative gap between number and throughput × time; `None`
/// if all are zero. Identically zero only if the interval begins and ends empty.
pub fn little_gap(number: f64, throughput: f64, time: f64) -> Option<f64> {
    let product = throughput * time;
    let size = number.abs().max(product.abs());
    (size > 0.0).then(|| (number - product).abs() / size)
}

/// A place in a network: total service demanded of it by one request, and its servers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// Seconds of service a request needs in all its visits.
    pub seconds: f64,
    pub servers: u32,
}

/// Limits between which throughput (per second) and response time (seconds) must lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    pub throughput_low: f64,
    pub throughput_high: f64,
    pub response_time_low: f64,
    pub response_time_high: f64,
}

fn sums(demands: &[Demand], users: u32, think_time: f64) -> Result<(f64, f64), Refusal> {
    at_least_one(users, "the number of users")?;
    not_negative(think_time, "the think time")?;
    let (mut total, mut largest) = (0.0, 0.0f64);
    for demand in demands {
        not_negative(demand.seconds, "a demand")?;
        at_least_one(demand.servers, "a number of servers")?;
        total += demand.seconds;
        largest = largest.max(demand.seconds / f64::from(demand.servers));
    }
    positive(total, "the sum of demands")?;
    Ok((total, largest))
}

/// Asymptotic bounds of a closed system of `users` with think time.
///
/// X ≤ min(c_i/D_i, N/(D + Z)), X ≥ N/(ND + Z); the responses follow by R = N/X - Z. They assume
/// no law of service, only that demands do not grow with load (Denning & Buzen 1978, *Computing
/// Surveys* 10, pp. 225–261; Lazowska et al., *Quantitative System Performance*, section 5.2).
pub fn asymptotic_bounds(demands: &[Demand], users: u32, think_time: f64) -> Result<Bounds, Refusal> {
    let (total, largest) = sums(demands, users, think_time)?;
    let n = f64::from(users);
    Ok(Bounds {
        throughput_low: n / (n * total + think_time),
        throughput_high: (1.0 / largest).min(n / (total + think_time)),
        response_time_low: total.max(n * largest - think_time),
        response_time_high: n * total,
    })
}

/// Highest arrival rate an open system can carry, per second: the smallest c_i/D_i.
pub fn capacity(demands: &[Demand]) -> Result<f64, Refusal> {
    let (_, largest) = sums(demands, 1, 0.0)?;
    Ok(1.0 / largest)
}

/// Balanced job bounds of a closed system whose stations all have one server: tighter than
/// [`asymptotic_bounds`], but only for networks with a product form.
///
/// Zahorjan, Sevcik, Eager & Galler 1982, *Communications of the ACM* 25, pp. 134–141; Lazowska et
/// al., section 5.4 (the form with think time).
pub fn balanced_job_bounds(demands: &[f64], users: u32, think_time: f64) -> Result<Bounds, Refusal> {
    let listed: Vec<Demand> = demands
        .iter()
        .map(|&seconds| Demand { seconds, servers: 1 })
        .collect();
    let (total, largest) = sums(&listed, users, think_time)?;
    let used = demands.iter().filter(|&&seconds| seconds > 0.0).count();
    let average = total / used as f64;
    let n = f64::from(users);
    let slow = total + (n - 1.0) * largest / (1.0 + think_time / (n * total));
    let fast = total + (n - 1.0) * average / (1.0 + think_time / total);
    Ok(Bounds {
        throughput_low: n / (think_time + slow),
        throughput_high: (1.0 / largest).min(n / (think_time + fast)),
        response_time_low: fast.max(n * largest - think_time),
        response_time_high: slow,
    })
}

/// Kingman's approximation of the mean wait in G/G/1, in seconds: ρ/(1-ρ) · (ca² + cs²)/2 · S.
///
/// Exact for M/G/1; asymptotically exact in heavy traffic. Kingman 1961, *Proceedings of the
/// Cambridge Philosophical Society* 57, pp. 902–904.
pub fn kingman(
    arrival_rate: f64,
    service_time: f64,
    arrival_cv: f64,
    service_cv: f64,
) -> Result<f64, Refusal> {
    positive(arrival_rate, "the arrival rate")?;
    positive(service_time, "the service time")?;
    not_negative(arrival_cv, "the arrivals' coefficient of variation")?;
    not_negative(service_cv, "the service's coefficient of variation")?;
    let rho = stable(arrival_rate * service_time)?;
    let variation = (arrival_cv * arrival_cv + service_cv * service_cv) / 2.0;
    Ok(rho / (1.0 - rho) * variation * service_time)
}

/// Kingman's bound, which no G/G/1 with independent gaps and services exceeds, in seconds:
/// λ (σa² + σs²) / (2 (1 - ρ)). Kingman 1962, *Biometrika* 49, pp. 315–324.
pub fn kingman_bound(
    arrival_rate: f64,
    service_time: f64,
    arrival_cv: f64,
    service_cv: f64,
) -> Result<f64, Refusal> {
    kingman(arrival_rate, service_time, arrival_cv, service_cv)?;
    let gap = arrival_cv / arrival_rate;
    let service = service_cv * service_time;
    let rho = arrival_rate * service_time;
    Ok(arrival_rate * (gap * gap + service * service) / (2.0 * (1.0 - rho)))
}

/// Allen and Cunneen's approximation of the mean wait in G/G/c, in seconds: the wait of M/M/c times
/// (ca² + cs²)/2. Allen, *Probability, Statistics, and Queueing Theory*, 2nd ed., 1990.
pub fn allen_cunneen(
    servers: u32,
    arrival_rate: f64,
    service_time: f64,
    arrival_cv: f64,
    service_cv: f64,
) -> Result<f64, Refusal> {
    not_negative(arrival_cv, "the arrivals' coefficient of variation")?;
    not_negative(service_cv, "the service's coefficient of variation")?;
    let exponential = Mmc::new(servers, arrival_rate, service_time)?.means();
    Ok(exponential.waiting_time * (arrival_cv * arrival_cv + service_cv * service_cv) / 2.0)
}

/// Share that waits in a large M/M/c staffed at a + β√a: 1 / (1 + β Φ(β)/φ(β)).
/// Halfin & Whitt 1981, *Operations Research* 29, pp. 567–588.
pub fn halfin_whitt(beta: f64) -> Result<f64, Refusal> {
    positive(beta, "the safety factor")?;
    Ok(1.0 / (1.0 + beta * normal_cdf(beta) / normal_density(beta).max(f64::MIN_POSITIVE)))
}

/// Square-root staffing: servers for offered load `offered` so that about `waits` of arrivals wait,
/// a + β√a rounded up, with β from [`halfin_whitt`].
pub fn square_root_staffing(offered: f64, waits: f64) -> Result<u32, Refusal> {
    positive(offered, "the offered load")?;
    probability(waits, "the share that waits")?;
    let beta = bisect(0.0, 38.0, |beta| {
        halfin_whitt(beta).map_or(1.0, |share| share) <= waits
    });
    to_servers((offered + beta * offered.sqrt()).ceil())
}

/// The smallest number of servers at which M/M/c makes at most `waits` of arrivals wait: the exact
/// answer beside the rule of thumb.
pub fn servers_for_waiting(offered: f64, waits: f64) -> Result<u32, Refusal> {
    positive(offered, "the offered load")?;
    probability(waits, "the share that waits")?;
    to_servers(offered.ceil())?;
    let mut blocked = 1.0;
    let mut servers = 0u32;
    while servers < MOST_SERVERS {
        servers += 1;
        let c = f64::from(servers);
        blocked = offered * blocked / (c + offered * blocked);
        if c > offered && c * blocked / (c - offered * (1.0 - blocked)) <= waits {
            return Ok(servers);
        }
    }
    Err(Refusal::TooLarge {
        what: "servers",
        limit: MOST_SERVERS as usize,
    })
}

fn to_servers(count: f64) -> Result<u32, Refusal> {
    if count <= f64::from(MOST_SERVERS) {
        Ok(count.max(1.0) as u32)
    } else {
        Err(Refusal::TooLarge {
            what: "servers",
            limit: MOST_SERVERS as usize,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::mg1;
    use super::*;
    use crate::statistics::assert_close;
    use crate::statistics::closed::{Place, closed_network};

    #[test]
    fn bounds_enclose_the_exact_solution() {
        let demands = [0.605, 2.1, 1.35];
        let places: Vec<Place> = demands.iter().map(|&d| Place::queue(d)).collect();
        let listed = demands.map(|seconds| Demand { seconds, servers: 1 });
        for think in [0.0, 15.0] {
            for exact in closed_network(&places, think, 40).unwrap() {
                let wide = asymptotic_bounds(&listed, exact.population, think).unwrap();
                let tight = balanced_job_bounds(&demands, exact.population, think).unwrap();
                for bounds in [wide, tight] {
                    assert!(bounds.throughput_low <= exact.throughput * (1.0 + 1e-12));
                    assert!(bounds.throughput_high >= exact.throughput * (1.0 - 1e-12));
                    assert!(bounds.response_time_low <= exact.response_time * (1.0 + 1e-12));
                    assert!(bounds.response_time_high >= exact.response_time * (1.0 - 1e-12));
                }
                assert!(tight.throughput_low >= wide.throughput_low * (1.0 - 1e-12));
                assert!(tight.throughput_high <= wide.throughput_high * (1.0 + 1e-12));
            }
        }
        assert_close(capacity(&listed).unwrap(), 1.0 / 2.1, 1e-15);
    }

    #[test]
    fn servers_raise_the_ceiling() {
        let demands = [
            Demand {
                seconds: 0.2,
                servers: 4,
            },
            Demand {
                seconds: 0.06,
                servers: 1,
            },
        ];
        assert_close(capacity(&demands).unwrap(), 1.0 / 0.06, 1e-12);
        assert!(capacity(&[]).is_err());
        assert!(asymptotic_bounds(&demands, 0, 0.0).is_err());
        assert!(balanced_job_bounds(&[0.0], 3, 0.0).is_err());
    }

    #[test]
    fn approximations_are_exact_where_they_should_be() {
        let exact = mg1(7.0, 0.12, 1.7).unwrap().waiting_time;
        assert_close(kingman(7.0, 0.12, 1.0, 1.7).unwrap(), exact, 1e-12);
        assert_close(
            allen_cunneen(5, 4.0, 1.0, 1.0, 1.0).unwrap(),
            Mmc::new(5, 4.0, 1.0).unwrap().means().waiting_time,
            1e-12,
        );
        // Of Poisson arrivals the bound promises (1 + ρ)/2λ too much.
        let bound = kingman_bound(7.0, 0.12, 1.0, 1.7).unwrap();
        assert_close(bound, exact + 1.84 / 14.0, 1e-12);
        // Clockwork never waits, whatever its rate; only arrivals that scatter do.
        assert_eq!(kingman(7.0, 0.12, 0.0, 0.0).unwrap(), 0.0);
        assert_close(
            kingman(7.0, 0.12, 2.0, 0.0).unwrap(),
            0.84 / 0.16 * 2.0 * 0.12,
            1e-12,
        );
    }

    #[test]
    fn one_user_meets_nobody_and_many_meet_the_bottleneck() {
        let demands = [0.605, 2.1, 1.35];
        let listed = demands.map(|seconds| Demand { seconds, servers: 1 });
        let both = |users| {
            [
                asymptotic_bounds(&listed, users, 15.0).unwrap(),
                balanced_job_bounds(&demands, users, 15.0).unwrap(),
            ]
        };
        for alone in both(1) {
            assert_close(alone.throughput_low, 1.0 / 19.055, 1e-12);
            assert_close(alone.throughput_high, 1.0 / 19.055, 1e-12);
            assert_close(alone.response_time_low, 4.055, 1e-12);
            assert_close(alone.response_time_high, 4.055, 1e-12);
        }
        for crowd in both(1000) {
            assert_close(crowd.throughput_high, 1.0 / 2.1, 1e-12);
            assert_close(crowd.response_time_low, 2100.0 - 15.0, 1e-12);
        }
        // Where nobody asks for anything nobody queues, and the balance is among the others. All alike, it is the answer.
        let balanced = balanced_job_bounds(&[0.4, 0.4, 0.0], 6, 0.0).unwrap();
        let exact = &closed_network(&[Place::queue(0.4), Place::queue(0.4)], 0.0, 6).unwrap()[5];
        assert_close(balanced.throughput_high, exact.throughput, 1e-12);
        assert_close(balanced.response_time_low, exact.response_time, 1e-12);
    }

    #[test]
    fn staffing_rule_and_exact_staffing_agree_at_scale() {
        // β = 1: 1 / (1 + 0.84134/0.24197).
        assert!((halfin_whitt(1.0).unwrap() - 0.2234).abs() < 5e-5);
        for offered in [20.0, 100.0, 1000.0] {
            for waits in [0.05, 0.2, 0.5] {
                let rule = square_root_staffing(offered, waits).unwrap();
                let exact = servers_for_waiting(offered, waits).unwrap();
                assert!(rule.abs_diff(exact) <= 1, "{offered} {waits}: {rule} {exact}");
                let share = super::super::erlang_c(exact, offered).unwrap();
                assert!(share <= waits);
            }
        }
        assert!(square_root_staffing(1e12, 0.1).is_err());
        assert!(servers_for_waiting(1e12, 0.1).is_err());
    }

    #[test]
    fn the_gap_in_littles_law_is_relative() {
        assert_eq!(little_gap(little_number(4.0, 0.5), 4.0, 0.5), Some(0.0));
        assert_close(little_gap(1.0, 1.0, 0.9).unwrap(), 0.1, 1e-12);
        assert_close(little_gap(30.0, 50.0, 0.8).unwrap(), 0.25, 1e-12);
        assert_eq!(little_gap(0.0, 0.0, 0.0), None);
    }
}
