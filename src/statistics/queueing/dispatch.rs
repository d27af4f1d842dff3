//! Several queues behind one dispatcher: at random, to the shortest, to the shorter of a few.

use super::Means;
use crate::statistics::ctmc::Chain;
use crate::statistics::{Refusal, at_least_one, positive, stable};

/// Longest queue kept before an arrival to it is taken as lost.
const MOST_WAITING: u32 = 2_000;

/// Join the shortest queue among `queues` exponential servers, ties broken evenly; `arrival_rate`
/// is the total.
///
/// No closed form is known; the Markov chain of sorted queue lengths is solved, each length cut off
/// where a share below about 1e-9 would lie beyond. Two to four queues. Kingman 1961, *Annals of
/// Mathematical Statistics* 32, pp. 1314–1323, treats the two-queue case.
pub fn join_shortest_queue(queues: u32, arrival_rate: f64, service_time: f64) -> Result<Means, Refusal> {
    if !(2..=4).contains(&queues) {
        return Err(Refusal::Domain {
            parameter: "the number of queues",
            must: "2 to 4",
            found: f64::from(queues),
        });
    }
    positive(arrival_rate, "the arrival rate")?;
    positive(service_time, "the service time")?;
    let k = f64::from(queues);
    let rho = stable(arrival_rate * service_time / k)?;
    // Lengths stay close together, so each falls off like the common queue's: ρ^k a step.
    let cut = (libm::log(1e-10) / (k * libm::log(rho))).ceil() + 4.0;
    if cut > f64::from(MOST_WAITING) {
        return Err(Refusal::TooLarge {
            what: "requests in one queue",
            limit: MOST_WAITING as usize,
        });
    }
    let cut = cut as u16;
    let service_rate = 1.0 / service_time;
    let start = vec![0u16; queues as usize];
    let chain = Chain::explore(start, 200_000, |state, to| {
        // Sorted from long to short: joining the last of a run of equals, leaving the last too,
        // keeps the order.
        let shortest = state[state.len() - 1];
        if shortest < cut {
            let mut next = state.clone();
            let place = next.iter().position(|&n| n == shortest).unwrap_or(0);
            next[place] += 1;
            to.push((next, arrival_rate));
        }
        for i in 0..state.len() {
            let last_of_equals = i + 1 == state.len() || state[i + 1] != state[i];
            if state[i] > 0 && last_of_equals {
                let equals = state.iter().filter(|&&n| n == state[i]).count();
                let mut next = state.clone();
                next[i] -= 1;
                to.push((next, service_rate * equals as f64));
            }
        }
    })?;
    let stationary = chain.stationary()?;
    let number = stationary.mean(|state| state.iter().map(|&n| f64::from(n)).sum());
    let wait = (number / arrival_rate - service_time).max(0.0);
    Ok(Means::from_wait(arrival_rate, k, service_time, wait))
}

/// Mean response time when every arrival of a Poisson stream forks into two halves for two servers with a queue each,
/// exponential and independent, and ends when both have: (12 - ρ)/8 times that of M/M/1.
///
/// Flatto & Hahn 1984, "Two parallel queues created by arrivals with two demands I", *SIAM Journal on Applied
/// Mathematics* 44, pp. 1041–1053; Nelson & Tantawi 1988, *IEEE Transactions on Computers* 37, pp. 739–743; in this form Thomasian 2014, "Analysis of fork/join and related queueing systems", *ACM Computing
/// Surveys* 47(2), article 17, equation (6).
pub fn fork_join_two(arrival_rate: f64, service_time: f64) -> Result<f64, Refusal> {
    let one = super::mm1(arrival_rate, service_time)?;
    Ok((12.0 - one.utilisation) / 8.0 * one.response_time)
}

/// Mean response in seconds when each arrival joins the shortest of `choices` queues drawn at
/// random, in the limit of many queues: S Σ ρ^((d^i - d)/(d - 1)) over i ≥ 1; one choice is M/M/1.
///
/// `utilisation` is the load of each server. Vvedenskaya, Dobrushin & Karpelevich 1996,
/// *Problems of Information Transmission* 32, pp. 15–27; Mitzenmacher 2001, *IEEE Transactions on Parallel and Distributed Systems* 12, pp. 1094–1104.
pub fn power_of_choices(choices: u32, utilisation: f64, service_time: f64) -> Result<f64, Refusal> {
    at_least_one(choices, "the number of choices")?;
    positive(utilisation, "the utilisation")?;
    positive(service_time, "the service time")?;
    stable(utilisation)?;
    if choices == 1 {
        return Ok(service_time / (1.0 - utilisation));
    }
    let d = f64::from(choices);
    let log = libm::log(utilisation);
    let (mut sum, mut exponent) = (0.0, 0.0);
    // Exponents 0, d, d + d², …: each is d times the one before plus d.
    for _ in 0..2000 {
        let term = libm::exp(exponent * log);
        sum += term;
        if term < 1e-18 {
            break;
        }
        exponent = d * exponent + d;
    }
    Ok(service_time * sum)
}

#[cfg(test)]
mod tests {
    use super::super::{Mmc, mm1};
    use super::*;
    use crate::statistics::assert_close;

    #[test]
    fn two_halves_take_longer_than_one_and_less_than_if_they_were_independent() {
        // Never busy, the longer of two exponential times is 3/2; halves that wait together overlap more.
        assert_close(fork_join_two(1e-9, 1.0).unwrap(), 1.5, 1e-8);
        for rate in [0.3, 0.8, 0.95] {
            let (both, one) = (fork_join_two(rate, 1.0).unwrap(), mm1(rate, 1.0).unwrap());
            assert!(one.response_time < both && both < 1.5 * one.response_time);
        }
        // The chain of both numbers, cut off: by Little's law from arrivals of which not both halves are done. Requests
        // leave a queue in order, so those under way are as many as the longer queue.
        let rate = 0.5;
        let chain = Chain::explore([0u16, 0], 20_000, |&[a, b], to| {
            if a < 60 && b < 60 {
                to.push(([a + 1, b + 1], rate));
            }
            if a > 0 {
                to.push(([a - 1, b], 1.0));
            }
            if b > 0 {
                to.push(([a, b - 1], 1.0));
            }
        })
        .unwrap();
        let under_way = chain.stationary().unwrap().mean(|&[a, b]| f64::from(a.max(b)));
        assert_close(under_way / rate, fork_join_two(rate, 1.0).unwrap(), 1e-6);
        assert!(fork_join_two(1.0, 1.0).is_err());
    }

    #[test]
    fn the_shortest_queue_lies_between_one_common_queue_and_a_random_one() {
        for (queues, rate) in [(2, 1.0), (2, 1.8), (3, 2.4), (4, 2.0)] {
            let found = join_shortest_queue(queues, rate, 1.0).unwrap().response_time;
            let common = Mmc::new(queues, rate, 1.0).unwrap().means().response_time;
            let random = mm1(rate / f64::from(queues), 1.0).unwrap().response_time;
            assert!(common < found && found < random, "{common} {found} {random}");
        }
    }

    #[test]
    fn sorting_and_cutting_change_nothing() {
        // The same system with both queues told apart and a longer cut.
        let rate = 1.4;
        let chain = Chain::explore([0u16, 0], 20_000, |&[a, b], to| {
            let share = |mine: u16, other: u16| match mine.cmp(&other) {
                std::cmp::Ordering::Less => rate,
                std::cmp::Ordering::Equal => rate / 2.0,
                std::cmp::Ordering::Greater => 0.0,
            };
            if a < 60 && b < 60 {
                to.push(([a + 1, b], share(a, b)));
                to.push(([a, b + 1], share(b, a)));
            }
            if a > 0 {
                to.push(([a - 1, b], 1.0));
            }
            if b > 0 {
                to.push(([a, b - 1], 1.0));
            }
        })
        .unwrap();
        let number = chain.stationary().unwrap().mean(|&[a, b]| f64::from(a + b));
        let found = join_shortest_queue(2, rate, 1.0).unwrap();
        assert_close(found.number_in_system, number, 1e-7);
    }

    #[test]
    fn two_choices_agree_with_the_sum_written_out() {
        // ρ = 0.9, exponents 0 2 6 14 30 62 126: 1 + .81 + .531441 + .228768 + .042391 + .001456 + .000002
        assert_close(power_of_choices(2, 0.9, 1.0).unwrap(), 2.614_057, 1e-6);
        assert_close(power_of_choices(2, 0.5, 2.0).unwrap(), 2.0 * 1.265_686, 1e-6);
        assert_close(power_of_choices(1, 0.9, 1.0).unwrap(), 10.0, 1e-12);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(join_shortest_queue(1, 0.5, 1.0).is_err());
        assert!(join_shortest_queue(2, 2.0, 1.0).is_err());
        let limit = MOST_WAITING as usize;
        let nearly_full = join_shortest_queue(2, 1.999_999, 1.0);
        assert!(matches!(nearly_full, Err(Refusal::TooLarge { limit: found, .. }) if found == limit));
        assert!(power_of_choices(0, 0.5, 1.0).is_err());
        assert!(power_of_choices(2, 1.0, 1.0).is_err());
    }
}
