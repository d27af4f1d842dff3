//! Requests that give up waiting: fixed patience (a timeout in the queue) and exponential patience.

use serde::{Deserialize, Serialize};

use super::many::erlang_b;
use crate::statistics::special::bisect;
use crate::statistics::{Refusal, at_least_one, positive, probability};

/// Longest queue of which the states are summed.
const MOST_WAITING: u32 = 20_000_000;

/// Steady state of a station whose requests abandon the queue. Defined at any load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AbandonMeans {
    /// Share of arrivals that abandon.
    pub abandoned: f64,
    /// Share of arrivals that do not start at once.
    pub waits: f64,
    /// Requests served per second.
    pub throughput: f64,
    /// Share of server capacity that is busy.
    pub utilisation: f64,
    /// Mean time in queue of all arrivals, whether served or not, in seconds.
    pub waiting_time: f64,
    /// Mean time in queue of those served, in seconds; `None` where no formula is given.
    pub waiting_time_served: Option<f64>,
    /// Mean number in queue.
    pub number_waiting: f64,
}

/// (e^θ - 1)/θ and ∫₀¹ u e^(θu) du, both divided by e^θ if θ > 0.
fn exponential_integrals(theta: f64) -> (f64, f64) {
    if theta.abs() < 0.05 {
        let scale = if theta > 0.0 { libm::exp(-theta) } else { 1.0 };
        let (mut zeroth, mut first, mut term) = (0.0, 0.0, 1.0);
        for k in 0..14u32 {
            let k = f64::from(k);
            zeroth += term / (k + 1.0);
            first += term / (k + 2.0);
            term *= theta / (k + 1.0);
        }
        (scale * zeroth, scale * first)
    } else if theta > 0.0 {
        let decay = libm::exp(-theta);
        ((1.0 - decay) / theta, (theta - 1.0 + decay) / (theta * theta))
    } else {
        let growth = libm::exp(theta);
        (
            (growth - 1.0) / theta,
            (theta * growth - growth + 1.0) / (theta * theta),
        )
    }
}

/// M/M/c+D: each request abandons after waiting exactly `patience` seconds, as a borrower of a
/// connection pool does at its connection timeout.
///
/// Exact. The wait offered to an arrival has density λ p e^((λ-cμ)x) below the patience and falls
/// off as e^(-cμx) beyond, p being the chance that exactly c - 1 servers are busy. Barrer 1957,
/// *Operations Research* 5, pp. 650–656; Baccelli & Hébuterne 1981, "On queues with impatient
/// customers", *Performance '81*, pp. 159–179; Boots & Tijms 1999, *Management Science* 45, pp.
/// 444–448.
pub fn mmc_fixed_patience(
    servers: u32,
    arrival_rate: f64,
    service_time: f64,
    patience: f64,
) -> Result<AbandonMeans, Refusal> {
    at_least_one(servers, "the number of servers")?;
    positive(arrival_rate, "the arrival rate")?;
    positive(service_time, "the service time")?;
    positive(patience, "the patience")?;
    let c = f64::from(servers);
    let drain = c / service_time;
    let theta = finite((arrival_rate - drain) * patience)?;
    let (zeroth, first) = exponential_integrals(theta);
    // All weights relative to e^θ when θ > 0, so that overload cannot overflow.
    let (unit, edge) = if theta > 0.0 {
        (libm::exp(-theta), 1.0)
    } else {
        (1.0, libm::exp(theta))
    };
    let below = unit / erlang_b(servers - 1, arrival_rate * service_time)?.max(1e-300);
    let within = arrival_rate * patience * zeroth;
    let beyond = arrival_rate * edge / drain;
    let total = below + within + beyond;
    let abandoned = beyond / total;
    let throughput = arrival_rate * (1.0 - abandoned);
    // Mean offered wait up to the patience, and the patience itself for those who give up.
    let served_part = arrival_rate * patience * patience * first / total;
    let waiting_time = served_part + patience * abandoned;
    Ok(AbandonMeans {
        abandoned,
        waits: (within + beyond) / total,
        throughput,
        utilisation: throughput * service_time / c,
        waiting_time,
        waiting_time_served: (abandoned < 1.0).then(|| served_part / (1.0 - abandoned)),
        number_waiting: arrival_rate * waiting_time,
    })
}

fn finite(value: f64) -> Result<f64, Refusal> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Refusal::Domain {
            parameter: "the excess load over the patience",
            must: "finite",
            found: value,
        })
    }
}

/// The `p`-quantile of the time in queue of all arrivals of M/M/c+D, whether served or not, in seconds: from the same
/// density as [`mmc_fixed_patience`]. Zero where `p` of all start at once, the patience where more than 1 - `p`
/// give up.
pub fn mmc_fixed_patience_waiting_quantile(
    servers: u32,
    arrival_rate: f64,
    service_time: f64,
    patience: f64,
    p: f64,
) -> Result<f64, Refusal> {
    let means = mmc_fixed_patience(servers, arrival_rate, service_time, patience)?;
    let tail = 1.0 - probability(p, "the quantile's probability")?;
    if means.waits <= tail {
        return Ok(0.0);
    }
    if means.abandoned >= tail {
        return Ok(patience);
    }
    // Between the two the density is proportional to e^(excess x): the share of it below t, both ends scaled alike.
    let excess = arrival_rate - f64::from(servers) / service_time;
    let below = |t: f64| {
        if (excess * patience).abs() < 1e-9 {
            t / patience
        } else if excess > 0.0 {
            libm::exp(excess * (t - patience)) * libm::expm1(-excess * t) / libm::expm1(-excess * patience)
        } else {
            libm::expm1(excess * t) / libm::expm1(excess * patience)
        }
    };
    let wanted = (means.waits - tail) / (means.waits - means.abandoned);
    Ok(bisect(0.0, patience, |t| below(t) >= wanted))
}

/// M/M/c+M, Erlang's A: patience is exponential with mean `patience` seconds.
///
/// The birth–death chain summed until its tail no longer counts. Palm 1957; Garnett, Mandelbaum &
/// Reiman 2002, *Manufacturing & Service Operations Management* 4, pp. 208–227.
pub fn mmc_exponential_patience(
    servers: u32,
    arrival_rate: f64,
    service_time: f64,
    patience: f64,
) -> Result<AbandonMeans, Refusal> {
    at_least_one(servers, "the number of servers")?;
    positive(arrival_rate, "the arrival rate")?;
    positive(service_time, "the service time")?;
    positive(patience, "the patience")?;
    let c = f64::from(servers);
    let drain = c / service_time;
    // Weights relative to "exactly c present"; the c states below it sum to 1/B - 1.
    let blocked = erlang_b(servers, arrival_rate * service_time)?.max(1e-300);
    let (mut below, mut at_or_above, mut waiting) = (1.0 / blocked - 1.0, 1.0, 0.0);
    let mut weight = 1.0;
    let mut settled = false;
    for k in 1..=MOST_WAITING {
        let k = f64::from(k);
        let ratio = arrival_rate / (drain + k / patience);
        weight *= ratio;
        at_or_above += weight;
        waiting += k * weight;
        if at_or_above > 1e200 {
            for sum in [&mut below, &mut at_or_above, &mut waiting, &mut weight] {
                *sum *= 1e-200;
            }
        }
        // Ratios fall with k, so the tail is below a geometric series.
        if ratio < 1.0 && k * weight < 1e-17 * (1.0 - ratio) * (waiting + at_or_above) {
            settled = true;
            break;
        }
    }
    if !settled {
        return Err(Refusal::TooLarge {
            what: "states of the queue",
            limit: MOST_WAITING as usize,
        });
    }
    let total = below + at_or_above;
    let number_waiting = waiting / total;
    let waiting_time = number_waiting / arrival_rate;
    let abandoned = waiting_time / patience;
    let throughput = arrival_rate * (1.0 - abandoned);
    Ok(AbandonMeans {
        abandoned,
        waits: at_or_above / total,
        throughput,
        utilisation: throughput * service_time / c,
        waiting_time,
        waiting_time_served: None,
        number_waiting,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Mmc;
    use super::*;
    use crate::statistics::{TestRandom, assert_close};

    /// Share abandoned and mean time in queue over `arrivals`, first come first served.
    fn simulate(
        servers: usize,
        rate: f64,
        arrivals: u32,
        mut patience: impl FnMut(&mut TestRandom) -> f64,
    ) -> (f64, f64) {
        let mut random = TestRandom(2024);
        let mut free_at = vec![0.0f64; servers];
        let (mut now, mut lost, mut waited) = (0.0, 0u32, 0.0);
        for _ in 0..arrivals {
            now += random.exponential(1.0 / rate);
            let first = (0..servers).min_by(|&i, &j| free_at[i].total_cmp(&free_at[j]));
            let first = first.unwrap();
            let wait = (free_at[first] - now).max(0.0);
            let limit = patience(&mut random);
            if wait > limit {
                lost += 1;
                waited += limit;
            } else {
                waited += wait;
                free_at[first] = now + wait + random.exponential(1.0);
            }
        }
        let n = f64::from(arrivals);
        (f64::from(lost) / n, waited / n)
    }

    #[test]
    fn the_quantile_of_a_wait_with_an_end_integrates_to_its_mean() {
        for (servers, rate, patience) in [(1u32, 0.9, 2.0), (3, 3.0, 0.7), (5, 8.0, 1.5)] {
            let means = mmc_fixed_patience(servers, rate, 1.0, patience).unwrap();
            let n = 20_000;
            let sum: f64 = (0..n)
                .map(|i| {
                    let p = (f64::from(i) + 0.5) / f64::from(n);
                    mmc_fixed_patience_waiting_quantile(servers, rate, 1.0, patience, p).unwrap()
                })
                .sum();
            assert_close(sum / f64::from(n), means.waiting_time, 1e-3);
        }
    }

    #[test]
    fn fixed_patience_agrees_with_a_simulation() {
        for (servers, rate, patience) in [(1, 0.9, 2.0), (3, 3.0, 0.7), (5, 8.0, 1.5)] {
            let found = mmc_fixed_patience(servers, rate, 1.0, patience).unwrap();
            let (lost, wait) = simulate(servers as usize, rate, 1_000_000, |_| patience);
            // A million arrivals leave an error below 1 % at these loads.
            assert_close(found.abandoned, lost, 0.02);
            assert_close(found.waiting_time, wait, 0.02);
        }
    }

    #[test]
    fn fixed_patience_balances_the_servers() {
        // Busy servers counted by state must equal served arrivals × service time.
        for (servers, rate, patience) in [(1u32, 0.5, 1.0), (4, 4.0, 0.5), (4, 4.0001, 0.5), (20, 30.0, 3.0)]
        {
            let found = mmc_fixed_patience(servers, rate, 1.0, patience).unwrap();
            let carried_below = rate * (1.0 - erlang_b(servers - 1, rate).unwrap());
            let busy = (1.0 - found.waits) * carried_below + found.waits * f64::from(servers);
            assert_close(found.utilisation * f64::from(servers), busy, 1e-10);
        }
    }

    #[test]
    fn patience_has_its_limits() {
        let endless = mmc_fixed_patience(3, 2.4, 1.0, 1e4).unwrap();
        let station = Mmc::new(3, 2.4, 1.0).unwrap();
        assert_close(endless.waiting_time, station.means().waiting_time, 1e-9);
        assert_close(endless.waits, station.probability_of_waiting(), 1e-9);
        let none = mmc_fixed_patience(3, 2.4, 1.0, 1e-12).unwrap();
        assert_close(none.abandoned, erlang_b(3, 2.4).unwrap(), 1e-9);
        // Twice the capacity: half must go, and the served wait nearly all their patience.
        let flooded = mmc_fixed_patience(10, 20.0, 1.0, 1000.0).unwrap();
        assert_close(flooded.abandoned, 0.5, 1e-9);
        assert_close(flooded.waiting_time_served.unwrap(), 1000.0, 1e-3);
        let endless = mmc_exponential_patience(3, 2.4, 1.0, 1e9).unwrap();
        assert_close(endless.waiting_time, station.means().waiting_time, 1e-6);
    }

    #[test]
    fn a_patience_that_hardly_ever_ends_leaves_the_quantiles_of_the_plain_queue() {
        let station = Mmc::new(1, 0.999, 1.0).unwrap();
        for p in [0.3, 0.99] {
            let found = mmc_fixed_patience_waiting_quantile(1, 0.999, 1.0, 1e7, p).unwrap();
            assert_close(found, station.waiting_time_quantile(p).unwrap(), 1e-9);
        }
    }

    #[test]
    fn patience_like_the_service_leaves_a_poisson_number_present() {
        // All present leave at the same rate, so their number is that of infinitely many servers.
        let found = mmc_exponential_patience(3, 4.0, 0.5, 0.5).unwrap();
        let below = libm::exp(-2.0) * (1.0 + 2.0 + 2.0);
        let third = libm::exp(-2.0) * 8.0 / 6.0;
        assert_close(found.waits, 1.0 - below, 1e-12);
        let waiting = 2.0 * (1.0 - below) - 3.0 * (1.0 - below - third);
        assert_close(found.number_waiting, waiting, 1e-12);
        assert_close(found.waiting_time, waiting / 4.0, 1e-12);
        assert_close(found.abandoned, waiting / 2.0, 1e-12);
        assert_close(found.utilisation, (2.0 - waiting) / 3.0, 1e-12);
    }

    #[test]
    fn a_flood_of_the_patient_is_summed_to_its_end() {
        // The server is never idle, so of twice its capacity one half gives up.
        let found = mmc_exponential_patience(1, 2.0, 1.0, 2000.0).unwrap();
        assert_close(found.abandoned, 0.5, 1e-9);
        assert_close(found.number_waiting, 2000.0, 1e-9);
        let endless = mmc_exponential_patience(1, 2.0, 1.0, 1e12);
        let limit = MOST_WAITING as usize;
        assert!(matches!(endless, Err(Refusal::TooLarge { limit: found, .. }) if found == limit));
    }

    #[test]
    fn both_sides_of_exact_saturation_meet() {
        let at = mmc_fixed_patience(2, 2.0, 1.0, 1.0).unwrap();
        for rate in [1.999_999, 2.000_001, 1.94, 2.06] {
            let near = mmc_fixed_patience(2, rate, 1.0, 1.0).unwrap();
            assert_close(near.waiting_time, at.waiting_time, 0.07);
            assert_close(near.abandoned, at.abandoned, 0.12);
        }
        let (series, closed) = (exponential_integrals(0.049_999), exponential_integrals(0.050_001));
        assert_close(series.0, closed.0, 1e-5);
        assert_close(series.1, closed.1, 1e-5);
    }

    #[test]
    fn erlang_a_gives_the_published_call_centre() {
        // Garnett, Mandelbaum & Reiman 2002, table 1: 50 agents, 48 calls a minute of one minute,
        // patience of two minutes.
        let found = mmc_exponential_patience(50, 48.0, 1.0, 2.0).unwrap();
        assert!((found.abandoned - 0.031).abs() < 5e-4, "{found:?}");
        assert!((found.waiting_time * 60.0 - 3.7).abs() < 0.05, "{found:?}");
        assert!((found.utilisation - 0.93).abs() < 5e-3, "{found:?}");
        assert!((found.number_waiting - 3.0).abs() < 0.5, "{found:?}");
    }

    #[test]
    fn exponential_patience_agrees_with_a_simulation() {
        let found = mmc_exponential_patience(3, 4.0, 1.0, 0.8).unwrap();
        let (lost, wait) = simulate(3, 4.0, 1_000_000, |random| random.exponential(0.8));
        assert_close(found.abandoned, lost, 0.01);
        assert_close(found.waiting_time, wait, 0.01);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(mmc_fixed_patience(0, 1.0, 1.0, 1.0).is_err());
        assert!(mmc_fixed_patience(1, 1.0, 1.0, 0.0).is_err());
        assert!(mmc_fixed_patience(1, 1e300, 1.0, 1e300).is_err());
        assert!(mmc_exponential_patience(1, 1.0, -1.0, 1.0).is_err());
    }
}
