//! Exponential service at one or many servers: M/M/1, M/M/c, M/M/c/K, the two Erlang formulas.

use serde::{Deserialize, Serialize};

use super::Means;
use crate::statistics::special::bisect;
use crate::statistics::{Refusal, at_least_one, positive, probability, stable};

/// Servers up to which the recursions are run.
pub const MOST_SERVERS: u32 = 10_000_000;

/// Erlang's B formula: the share of arrivals that find all servers busy when nobody may wait
/// (M/M/c/c; insensitive to the law of service).
///
/// `offered` is the offered load in erlangs. By the recursion B(n) = a B(n-1) / (n + a B(n-1)),
/// which is stable for any number of servers. Erlang 1917; Cooper, *Introduction to Queueing
/// Theory*, 2nd ed., section 3.3.
pub fn erlang_b(servers: u32, offered: f64) -> Result<f64, Refusal> {
    positive(offered, "the offered load")?;
    if servers > MOST_SERVERS {
        return Err(Refusal::TooLarge {
            what: "servers",
            limit: MOST_SERVERS as usize,
        });
    }
    let mut blocked = 1.0;
    for n in 1..=servers {
        blocked = offered * blocked / (f64::from(n) + offered * blocked);
        if blocked == 0.0 {
            break;
        }
    }
    Ok(blocked)
}

/// Erlang's C formula: the share of arrivals that must wait in M/M/c.
///
/// From Erlang B by C = cB / (c - a(1 - B)); Cooper, section 3.4.
pub fn erlang_c(servers: u32, offered: f64) -> Result<f64, Refusal> {
    at_least_one(servers, "the number of servers")?;
    let blocked = erlang_b(servers, offered)?;
    let c = f64::from(servers);
    stable(offered / c)?;
    Ok(c * blocked / (c - offered * (1.0 - blocked)))
}

/// M/M/c, first come first served: Poisson arrivals, exponential service, unlimited queue.
///
/// Kleinrock, *Queueing Systems* vol. 1, sections 3.2 (one server) and 3.5 (many); the law of the
/// wait is in Cooper, section 3.4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mmc {
    servers: u32,
    arrival_rate: f64,
    service_time: f64,
    waits: f64,
}

impl Mmc {
    /// Refuses no servers, parameters that are not positive, and saturation.
    pub fn new(servers: u32, arrival_rate: f64, service_time: f64) -> Result<Mmc, Refusal> {
        positive(arrival_rate, "the arrival rate")?;
        positive(service_time, "the service time")?;
        Ok(Mmc {
            servers,
            arrival_rate,
            service_time,
            waits: erlang_c(servers, arrival_rate * service_time)?,
        })
    }

    /// Offered load over the number of servers.
    pub fn utilisation(&self) -> f64 {
        self.arrival_rate * self.service_time / f64::from(self.servers)
    }

    /// Share of arrivals that wait.
    pub fn probability_of_waiting(&self) -> f64 {
        self.waits
    }

    /// Rate at which the wait of those who wait runs off: cμ - λ.
    fn spare_rate(&self) -> f64 {
        f64::from(self.servers) / self.service_time - self.arrival_rate
    }

    /// Means in the steady state.
    pub fn means(&self) -> Means {
        Means::from_wait(
            self.arrival_rate,
            f64::from(self.servers),
            self.service_time,
            self.waits / self.spare_rate(),
        )
    }

    /// P(waiting time > t).
    pub fn waiting_time_exceeds(&self, t: f64) -> f64 {
        self.waits * libm::exp(-self.spare_rate() * t.max(0.0))
    }

    /// The `p`-quantile of the waiting time, in seconds; zero where `p` of all do not wait.
    pub fn waiting_time_quantile(&self, p: f64) -> Result<f64, Refusal> {
        probability(p, "the quantile's probability")?;
        let tail = 1.0 - p;
        Ok(if self.waits <= tail {
            0.0
        } else {
            libm::log(self.waits / tail) / self.spare_rate()
        })
    }

    /// P(response time > t).
    pub fn response_time_exceeds(&self, t: f64) -> f64 {
        let scaled = t.max(0.0) / self.service_time;
        // With x = c - 1 - a: exp(-μt) (1 + C (1 - exp(-xμt)) / x), and x may be zero or negative.
        let x = f64::from(self.servers) - 1.0 - self.arrival_rate * self.service_time;
        let served = libm::exp(-scaled);
        let exponent = -x * scaled;
        if exponent.abs() < 1e-9 {
            served * (1.0 + self.waits * scaled)
        } else if exponent > 1.0 {
            // Multiplied out, so that a large growing factor never meets a vanishing one.
            let slow = libm::exp(exponent - scaled);
            (served * (1.0 + self.waits / x) - self.waits / x * slow).clamp(0.0, 1.0)
        } else {
            served * (1.0 - self.waits * libm::expm1(exponent) / x)
        }
    }

    /// The `p`-quantile of the response time, in seconds.
    pub fn response_time_quantile(&self, p: f64) -> Result<f64, Refusal> {
        probability(p, "the quantile's probability")?;
        let tail = 1.0 - p;
        let mut high = self.service_time;
        while self.response_time_exceeds(high) > tail && high < 1e300 {
            high *= 2.0;
        }
        Ok(bisect(0.0, high, |t| self.response_time_exceeds(t) <= tail))
    }
}

/// M/M/1 in the steady state: response S/(1 - ρ). Kleinrock vol. 1, section 3.2.
pub fn mm1(arrival_rate: f64, service_time: f64) -> Result<Means, Refusal> {
    positive(arrival_rate, "the arrival rate")?;
    positive(service_time, "the service time")?;
    let rho = stable(arrival_rate * service_time)?;
    let wait = rho * service_time / (1.0 - rho);
    Ok(Means::from_wait(arrival_rate, 1.0, service_time, wait))
}

/// A station that turns arrivals away.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossMeans {
    /// Share of arrivals turned away.
    pub rejected: f64,
    /// Means over the admitted.
    pub means: Means,
}

/// M/M/c/K: room for `room` requests in all, waiting and in service; the rest are turned away.
///
/// Defined at any load. `room` equal to `servers` is Erlang's loss system. Kleinrock vol. 1,
/// section 3.6 (one server) and section 3.10 (many, with an unlimited population).
pub fn mmck(servers: u32, room: u32, arrival_rate: f64, service_time: f64) -> Result<LossMeans, Refusal> {
    at_least_one(servers, "the number of servers")?;
    positive(arrival_rate, "the arrival rate")?;
    positive(service_time, "the service time")?;
    if room < servers {
        return Err(Refusal::Domain {
            parameter: "the room",
            must: "at least the number of servers",
            found: f64::from(room),
        });
    }
    if room > MOST_SERVERS {
        return Err(Refusal::TooLarge {
            what: "places",
            limit: MOST_SERVERS as usize,
        });
    }
    let offered = arrival_rate * service_time;
    positive(offered, "the offered load")?;
    let mut weight = 1.0;
    let (mut total, mut waiting, mut busy) = (1.0, 0.0, 0.0);
    for n in 1..=room {
        weight *= offered / f64::from(n.min(servers));
        total += weight;
        waiting += weight * f64::from(n.saturating_sub(servers));
        busy += weight * f64::from(n.min(servers));
        // Weights matter only in proportion; scaling down keeps overload from overflowing.
        if total > 1e200 {
            weight *= 1e-200;
            total *= 1e-200;
            waiting *= 1e-200;
            busy *= 1e-200;
        }
    }
    // By the busy servers: in deep overload the admitted share, 1 - rejected, would have no digits left.
    let throughput = busy / total / service_time;
    Ok(LossMeans {
        rejected: weight / total,
        means: Means::from_wait(
            throughput,
            f64::from(servers),
            service_time,
            waiting / busy * service_time,
        ),
    })
}

/// M/M/1/K, closed form where the load is not 1: rejected (1 - ρ) ρ^K / (1 - ρ^(K+1)). Kleinrock
/// vol. 1, section 3.6. Evaluated by [`mmck`].
pub fn mm1k(room: u32, arrival_rate: f64, service_time: f64) -> Result<LossMeans, Refusal> {
    mmck(1, room, arrival_rate, service_time)
}

/// M/G/c under processor sharing with at most one server a request, in the mean: the number in
/// system is that of M/M/c first come first served, whatever the law of service (Kelly,
/// *Reversibility and Stochastic Networks*, section 3.3; Cohen 1979, *Acta Informatica* 12, pp.
/// 245–284). `waiting_time` is the stretch over a service without company.
pub fn mmc_processor_sharing(servers: u32, arrival_rate: f64, service_time: f64) -> Result<Means, Refusal> {
    Ok(Mmc::new(servers, arrival_rate, service_time)?.means())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::assert_close;
    use crate::statistics::ctmc::birth_death;

    #[test]
    fn erlang_b_agrees_with_the_traffic_tables() {
        // Offered load for 1 % blocking in the classic tables, rounded there to two decimals.
        for (servers, offered) in [(1, 0.0101), (5, 1.36), (10, 4.46), (20, 12.03), (100, 84.06)] {
            assert_close(erlang_b(servers, offered).unwrap(), 0.01, 0.006);
        }
        assert_eq!(erlang_b(0, 3.0).unwrap(), 1.0);
        assert!(erlang_b(1_000_000, 1e6).unwrap() < 1e-3);
        assert_eq!(erlang_b(5000, 1.0).unwrap(), 0.0);
    }

    #[test]
    fn twenty_servers_at_nine_tenths() {
        let station = Mmc::new(20, 18.0, 1.0).unwrap();
        assert!((station.means().response_time - 1.2754).abs() < 5e-5);
        assert_close(station.probability_of_waiting(), 0.550_8, 1e-3);
        assert_close(station.utilisation(), 0.9, 1e-15);
    }

    #[test]
    fn one_server_of_many_is_the_single_server() {
        let many = Mmc::new(1, 8.0, 0.1).unwrap();
        let one = mm1(8.0, 0.1).unwrap();
        assert_close(many.means().response_time, one.response_time, 1e-13);
        assert_close(one.response_time, 0.5, 1e-13);
        assert_close(one.number_in_system, 4.0, 1e-13);
        // Response of M/M/1 is exponential, so p99 is ln 100 means.
        let p99 = many.response_time_quantile(0.99).unwrap();
        assert_close(p99, 0.5 * libm::log(100.0), 1e-12);
        // Far out, where the factor that grows would be infinite and the one that falls zero.
        assert_close(many.response_time_exceeds(200.0), libm::exp(-400.0), 1e-9);
        assert_close(many.waiting_time_exceeds(0.3), 0.8 * libm::exp(-0.6), 1e-12);
    }

    #[test]
    fn response_tails_integrate_to_the_mean() {
        // Loads with c - 1 - a positive, exactly zero and negative.
        for (servers, rate) in [(3, 1.0), (3, 2.0), (3, 2.5), (50, 40.0)] {
            let station = Mmc::new(servers, rate, 1.0).unwrap();
            let step = 0.001;
            let integral: f64 = (0..60_000)
                .map(|i| step * station.response_time_exceeds((f64::from(i) + 0.5) * step))
                .sum();
            assert_close(integral, station.means().response_time, 1e-6);
            let p95 = station.response_time_quantile(0.95).unwrap();
            assert_close(station.response_time_exceeds(p95), 0.05, 1e-9);
        }
    }

    #[test]
    fn waiting_quantiles_are_zero_until_somebody_waits() {
        let station = Mmc::new(4, 2.0, 1.0).unwrap();
        let waits = station.probability_of_waiting();
        assert_eq!(station.waiting_time_quantile(1.0 - waits - 1e-6).unwrap(), 0.0);
        let p99 = station.waiting_time_quantile(0.99).unwrap();
        assert_close(station.waiting_time_exceeds(p99), 0.01, 1e-12);
    }

    #[test]
    fn a_bounded_station_agrees_with_its_markov_chain() {
        for (servers, room, rate) in [(1, 5, 0.8), (1, 5, 1.0), (3, 10, 2.0), (3, 10, 30.0)] {
            let found = mmck(servers, room, rate, 1.0).unwrap();
            let chain = birth_death(room as usize, |_| rate, |n| (n as u32).min(servers) as f64).unwrap();
            let number: f64 = chain.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
            assert_close(found.rejected, chain[room as usize], 1e-12);
            assert_close(found.means.number_in_system, number, 1e-12);
        }
    }

    #[test]
    fn bounded_stations_meet_their_limits() {
        let (rho, room) = (0.8f64, 7);
        let mut power = 1.0;
        for _ in 0..room {
            power *= rho;
        }
        let closed_form = (1.0 - rho) * power / (1.0 - power * rho);
        assert_close(mm1k(room, rho, 1.0).unwrap().rejected, closed_form, 1e-12);
        let lossy = mmck(10, 10, 4.46, 1.0).unwrap();
        assert_close(lossy.rejected, erlang_b(10, 4.46).unwrap(), 1e-12);
        assert_close(
            mmck(2, 400, 1.6, 1.0).unwrap().means.waiting_time,
            Mmc::new(2, 1.6, 1.0).unwrap().means().waiting_time,
            1e-9,
        );
        let flooded = mmck(4, 100_000, 4e6, 1.0).unwrap();
        assert_close(flooded.means.utilisation, 1.0, 1e-6);
        assert_close(flooded.means.number_in_system, 1e5, 1e-6);
        // So deep that the share turned away is one to the last digit.
        let drowned = mmck(2, 10, 1e18, 1.0).unwrap();
        assert_eq!(drowned.rejected, 1.0);
        assert_close(drowned.means.throughput, 2.0, 1e-12);
        assert_close(drowned.means.waiting_time, 4.0, 1e-12);
    }

    #[test]
    fn response_tails_keep_their_digits_beside_the_removable_pole() {
        // x = c - 1 - a just below, at and just above zero: the tail is nearly the one at zero.
        let at = Mmc::new(3, 2.0, 1.0).unwrap();
        for off in [-1e-9, -1e-13, 1e-13, 1e-9] {
            let beside = Mmc::new(3, 2.0 + off, 1.0).unwrap();
            for t in [0.5, 3.0, 12.0] {
                let (a, b) = (at.response_time_exceeds(t), beside.response_time_exceeds(t));
                assert_close(b, a, 1e-7 * (off.abs() * 1e9).max(1e-4));
            }
        }
    }

    #[test]
    fn saturation_and_nonsense_are_refused() {
        assert_eq!(mm1(10.0, 0.1), Err(Refusal::Unstable { utilisation: 1.0 }));
        assert!(Mmc::new(2, 3.0, 1.0).is_err());
        assert!(Mmc::new(0, 3.0, 1.0).is_err());
        assert!(Mmc::new(2, f64::NAN, 1.0).is_err());
        assert!(mmck(4, 3, 1.0, 1.0).is_err());
        assert!(mmck(1, MOST_SERVERS, 0.1, 1.0).is_ok());
        assert!(mmck(1, MOST_SERVERS + 1, 1.0, 1.0).is_err());
        assert!(mmck(1, u32::MAX, 1.0, 1.0).is_err());
        assert!(erlang_b(u32::MAX, 1.0).is_err());
    }
}
