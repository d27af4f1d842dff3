//! Requests that give up waiting: fixed patience (a timeout in the queue) and exponential patience.

use serde::{Deserialize, Serialize};

use super::many::{MOST_SERVERS, erlang_b};
use crate::statistics::{Refusal, at_least_one, positive};

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
        (
            (1.0 - decay) / theta,
            (theta - 1.0 + decay) / (theta * theta),
        )
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
    for k in 1..=2 * MOST_SERVERS {
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
            limit: 2 * MOST_SERVERS as usize,
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
