//! One server with general service: Pollaczek–Khinchine, processor sharing, pauses, priorities.

use serde::{Deserialize, Serialize};

use super::Means;
use crate::statistics::special::bisect;
use crate::statistics::{Refusal, not_negative, positive, probability, stable};

/// Mean and second moment of a service time from its mean and coefficient of variation.
fn second_moment(mean: f64, cv: f64) -> f64 {
    mean * mean * (1.0 + cv * cv)
}

/// M/G/1, first come first served, from the mean service time and its coefficient of variation
/// (standard deviation over mean): W = λ E(S²) / (2 (1 - ρ)).
///
/// Pollaczek 1930 and Khinchine 1932; Kleinrock, *Queueing Systems* vol. 1, section 5.5.
pub fn mg1(arrival_rate: f64, service_time: f64, cv: f64) -> Result<Means, Refusal> {
    positive(arrival_rate, "the arrival rate")?;
    positive(service_time, "the service time")?;
    not_negative(cv, "the coefficient of variation")?;
    let rho = stable(arrival_rate * service_time)?;
    let wait = arrival_rate * second_moment(service_time, cv) / (2.0 * (1.0 - rho));
    Ok(Means::from_wait(arrival_rate, 1.0, service_time, wait))
}

/// M/D/1: constant service; [`mg1`] with no variation, so half the wait of M/M/1.
pub fn md1(arrival_rate: f64, service_time: f64) -> Result<Means, Refusal> {
    mg1(arrival_rate, service_time, 0.0)
}

/// M/H2/1, first come first served: service is exponential with one of two means, so that the response time is a
/// mixture of two exponentials as well.
///
/// By partial fractions of the Pollaczek–Khinchine transform S*(s) (1 - ρ) s / (s - λ + λ S*(s)) (Kleinrock vol. 1,
/// section 5.7), whose denominator is a square after s has been divided out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyperexponential {
    /// Weight and rate of each of the two exponentials.
    parts: [(f64, f64); 2],
}

impl Hyperexponential {
    /// `phases` are the share and the mean of each sort of request; the shares must add up to one.
    pub fn new(arrival_rate: f64, phases: [(f64, f64); 2]) -> Result<Hyperexponential, Refusal> {
        positive(arrival_rate, "the arrival rate")?;
        for (share, mean) in phases {
            positive(share, "a phase's share")?;
            positive(mean, "a phase's mean")?;
        }
        let [(p, fast), (q, slow)] = phases.map(|(share, mean)| (share, 1.0 / mean));
        if (p + q - 1.0).abs() > 1e-9 {
            return Err(Refusal::Domain {
                parameter: "the sum of the phases' shares",
                must: "one",
                found: p + q,
            });
        }
        let rho = stable(arrival_rate * (p / fast + q / slow))?;
        let (sum, product) = (fast + slow - arrival_rate, fast * slow * (1.0 - rho));
        // (sum² - 4 product) is never negative: the transform has two real poles. The smaller root without cancellation.
        let large = 0.5 * (sum + (sum * sum - 4.0 * product).max(0.0).sqrt());
        let small = product / large;
        let above = |s: f64| (1.0 - rho) * (fast * slow - (p * fast + q * slow) * s);
        let weight = above(small) / (large - small) / small;
        Ok(Hyperexponential {
            parts: [(weight, small), (1.0 - weight, large)],
        })
    }

    /// P(response time > t).
    pub fn response_time_exceeds(&self, t: f64) -> f64 {
        self.parts
            .iter()
            .map(|(weight, rate)| weight * libm::exp(-rate * t.max(0.0)))
            .sum()
    }

    /// The `p`-quantile of the response time, in seconds.
    pub fn response_time_quantile(&self, p: f64) -> Result<f64, Refusal> {
        probability(p, "the quantile's probability")?;
        let tail = 1.0 - p;
        let mut high = 1.0 / self.parts[0].1;
        while self.response_time_exceeds(high) > tail && high < 1e300 {
            high *= 2.0;
        }
        Ok(bisect(0.0, high, |t| self.response_time_exceeds(t) <= tail))
    }
}

/// Second moment of the M/G/1 waiting time, in seconds²: 2 W² + λ E(S³) / (3 (1 - ρ)).
///
/// `moments` are E(S), E(S²), E(S³). Takács 1962; Kleinrock vol. 1, section 5.7.
pub fn mg1_waiting_second_moment(arrival_rate: f64, moments: [f64; 3]) -> Result<f64, Refusal> {
    positive(arrival_rate, "the arrival rate")?;
    positive(moments[0], "the service time")?;
    positive(moments[1], "the second moment of service")?;
    positive(moments[2], "the third moment of service")?;
    if moments[1] < moments[0] * moments[0] * (1.0 - 1e-12) {
        return Err(Refusal::Domain {
            parameter: "the second moment of service",
            must: "at least the square of the mean",
            found: moments[1],
        });
    }
    let rho = stable(arrival_rate * moments[0])?;
    let wait = arrival_rate * moments[1] / (2.0 * (1.0 - rho));
    Ok(2.0 * wait * wait + arrival_rate * moments[2] / (3.0 * (1.0 - rho)))
}

/// M/G/1 under processor sharing: mean response S/(1 - ρ) whatever the law of service.
/// Kleinrock, *Queueing Systems* vol. 2, section 4.4.
pub fn mg1_processor_sharing(arrival_rate: f64, service_time: f64) -> Result<Means, Refusal> {
    super::mm1(arrival_rate, service_time)
}

/// Mean response under M/G/1 processor sharing of a request that needs `demand` seconds:
/// demand/(1 - ρ). Kleinrock vol. 2, section 4.4.
pub fn processor_sharing_response(arrival_rate: f64, service_time: f64, demand: f64) -> Result<f64, Refusal> {
    positive(arrival_rate, "the arrival rate")?;
    positive(service_time, "the service time")?;
    not_negative(demand, "the demand")?;
    Ok(demand / (1.0 - stable(arrival_rate * service_time)?))
}

/// M/G/1 whose server goes on vacation each time it finds nobody, and again until it finds somebody:
/// adds E(V²)/(2 E(V)) to the wait of [`mg1`].
///
/// Levy & Yechiali 1975, *Management Science* 22, pp. 202–211; Fuhrmann & Cooper 1985, *Operations
/// Research* 33, pp. 1117–1129.
pub fn mg1_vacations(
    arrival_rate: f64,
    service_time: f64,
    cv: f64,
    vacation: f64,
    vacation_cv: f64,
) -> Result<Means, Refusal> {
    positive(vacation, "the vacation")?;
    not_negative(vacation_cv, "the vacation's coefficient of variation")?;
    let plain = mg1(arrival_rate, service_time, cv)?;
    let residual = second_moment(vacation, vacation_cv) / (2.0 * vacation);
    let wait = plain.waiting_time + residual;
    Ok(Means::from_wait(arrival_rate, 1.0, service_time, wait))
}

/// M/G/1 with a server that stops for everybody now and then (a garbage collector, a failover) and
/// goes on where it was. Stops begin after exponential times of running, busy or not.
///
/// `pause_rate` is stops per second of running, `pause` their mean length, `pause_cv` its
/// coefficient of variation. With g = 1 + ξE(P), f = 1 - 1/g the share of time stopped and
/// r = E(P²)/2E(P): W = (g² λ E(S²)/2 + f r) / (1 - gρ), response W + gS.
///
/// Avi-Itzhak & Naor 1963, *Operations Research* 11, pp. 303–320 (their model with breakdowns at any
/// time). The wait is up to the first moment of service; what pauses add to the service itself is
/// part of the response. Stops at fixed intervals have no exact formula here. The `utilisation`
/// includes the pauses met in service: gρ.
pub fn mg1_pauses(
    arrival_rate: f64,
    service_time: f64,
    cv: f64,
    pause_rate: f64,
    pause: f64,
    pause_cv: f64,
) -> Result<Means, Refusal> {
    positive(arrival_rate, "the arrival rate")?;
    positive(service_time, "the service time")?;
    not_negative(cv, "the coefficient of variation")?;
    not_negative(pause_rate, "the rate of pauses")?;
    positive(pause, "the pause")?;
    not_negative(pause_cv, "the pause's coefficient of variation")?;
    let stretch = 1.0 + pause_rate * pause;
    let rho = stable(stretch * arrival_rate * service_time)?;
    let stopped = pause_rate * pause / stretch;
    let residual = second_moment(pause, pause_cv) / (2.0 * pause);
    let ahead = stretch * stretch * arrival_rate * second_moment(service_time, cv) / 2.0;
    let wait = (ahead + stopped * residual) / (1.0 - rho);
    Ok(Means::from_wait(arrival_rate, 1.0, stretch * service_time, wait))
}

/// A request class at a priority station.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PriorityClass {
    /// Arrivals per second, Poisson.
    pub arrival_rate: f64,
    /// Mean service time, in seconds.
    pub service_time: f64,
    /// Its coefficient of variation.
    pub cv: f64,
}

/// M/G/1 with classes in order of priority, the first served first; a service begun is finished.
///
/// W_k = W0 / ((1 - σ_{k-1}) (1 - σ_k)) with σ_k the utilisation of classes 1 to k. Cobham 1954,
/// *Operations Research* 2, pp. 70–76; Kleinrock vol. 2, section 3.6. Refused
/// when all classes together reach capacity, although the upper ones may then still be stable.
pub fn mg1_priority(classes: &[PriorityClass]) -> Result<Vec<Means>, Refusal> {
    if classes.is_empty() {
        return Err(Refusal::TooFew { needed: 1, found: 0 });
    }
    let mut residual = 0.0;
    let mut total = 0.0;
    for class in classes {
        positive(class.arrival_rate, "an arrival rate")?;
        positive(class.service_time, "a service time")?;
        not_negative(class.cv, "a coefficient of variation")?;
        residual += class.arrival_rate * second_moment(class.service_time, class.cv) / 2.0;
        total += class.arrival_rate * class.service_time;
    }
    stable(total)?;
    let mut above = 0.0;
    Ok(classes
        .iter()
        .map(|class| {
            let upto = above + class.arrival_rate * class.service_time;
            let wait = residual / ((1.0 - above) * (1.0 - upto));
            above = upto;
            Means::from_wait(class.arrival_rate, 1.0, class.service_time, wait)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::{Mmc, mm1};
    use super::*;
    use crate::statistics::assert_close;
    use crate::statistics::ctmc::Chain;

    #[test]
    fn two_sorts_of_requests_give_two_exponentials() {
        let phases = [(0.9, 0.5), (0.1, 5.5)];
        let found = Hyperexponential::new(0.7, phases).unwrap();
        let second: f64 = phases.iter().map(|(p, m)| 2.0 * p * m * m).sum();
        let exact = mg1(0.7, 1.0, (second - 1.0).sqrt()).unwrap();
        // The mean is the integral of the tail.
        let mean: f64 = found.parts.iter().map(|(w, r)| w / r).sum();
        assert_close(mean, exact.response_time, 1e-12);
        // The second moment by way of the wait's and the service's.
        let third: f64 = phases.iter().map(|(p, m)| 6.0 * p * m * m * m).sum();
        let wait2 = mg1_waiting_second_moment(0.7, [1.0, second, third]).unwrap();
        let both = wait2 + 2.0 * exact.waiting_time + second;
        let square: f64 = found.parts.iter().map(|(w, r)| 2.0 * w / (r * r)).sum();
        assert_close(square, both, 1e-12);
        // Nearly equal sorts are one sort.
        let alike = Hyperexponential::new(0.8, [(0.5, 1.0 - 1e-7), (0.5, 1.0 + 1e-7)]).unwrap();
        let one = Mmc::new(1, 0.8, 1.0).unwrap();
        for p in [0.5, 0.95, 0.99] {
            let (a, b) = (alike.response_time_quantile(p), one.response_time_quantile(p));
            assert_close(a.unwrap(), b.unwrap(), 1e-6);
        }
        // The transform inverted numerically (Talbot's method) gives the same tail.
        for (t, tail) in [
            (0.3, 0.863_858_243_411_61),
            (5.0, 0.439_283_180_542_30),
            (20.0, 0.136_869_719_673_67),
        ] {
            assert_close(found.response_time_exceeds(t), tail, 1e-10);
        }
        assert!(Hyperexponential::new(1.0, phases).is_err());
        assert!(Hyperexponential::new(0.5, [(0.9, 0.5), (0.2, 1.0)]).is_err());
    }

    #[test]
    fn exponential_service_gives_the_single_server_and_constant_service_half_its_wait() {
        let exponential = mg1(8.0, 0.1, 1.0).unwrap();
        assert_close(
            exponential.waiting_time,
            mm1(8.0, 0.1).unwrap().waiting_time,
            1e-13,
        );
        let constant = md1(8.0, 0.1).unwrap();
        assert_close(constant.waiting_time, exponential.waiting_time / 2.0, 1e-13);
    }

    #[test]
    fn the_second_moment_agrees_with_the_exponential_wait() {
        // M/M/1: the wait is 0 with 1 - ρ, else exponential with rate μ - λ.
        let (rate, mean) = (8.0, 0.1);
        let moments = [mean, 2.0 * mean * mean, 6.0 * mean * mean * mean];
        let found = mg1_waiting_second_moment(rate, moments).unwrap();
        let spare: f64 = 1.0 / mean - rate;
        assert_close(found, 0.8 * 2.0 / (spare * spare), 1e-12);
        assert!(mg1_waiting_second_moment(rate, [0.1, 0.001, 0.001]).is_err());
        // Constant service: the second moment is just the square of the mean, and W = 0.2.
        let constant = mg1_waiting_second_moment(rate, [mean, mean * mean, mean * mean * mean]).unwrap();
        assert_close(constant, 2.0 * 0.04 + 0.008 / 0.6, 1e-12);
    }

    #[test]
    fn processor_sharing_stretches_all_alike() {
        assert_close(mg1_processor_sharing(8.0, 0.1).unwrap().response_time, 0.5, 1e-13);
        assert_close(processor_sharing_response(8.0, 0.1, 0.01).unwrap(), 0.05, 1e-13);
    }

    #[test]
    fn pauses_agree_with_their_markov_chain() {
        let (rate, service, pause_rate, pause) = (0.6, 1.0, 0.2, 1.5);
        let chain = Chain::explore((0u32, true), 2000, |&(n, runs), to| {
            if n < 400 {
                to.push(((n + 1, runs), rate));
            }
            if runs && n > 0 {
                to.push(((n - 1, true), 1.0 / service));
            }
            let turn = if runs { pause_rate } else { 1.0 / pause };
            to.push(((n, !runs), turn));
        })
        .unwrap();
        let number = chain.stationary().unwrap().mean(|&(n, _)| f64::from(n));
        let found = mg1_pauses(rate, service, 1.0, pause_rate, pause, 1.0).unwrap();
        assert_close(found.number_in_system, number, 1e-7);
        let none = mg1_pauses(rate, service, 1.0, 0.0, pause, 1.0).unwrap();
        assert_close(
            none.response_time,
            mm1(rate, service).unwrap().response_time,
            1e-12,
        );
        // ρ = 0.8 and 30 % of the time stopped: nothing is left.
        assert!(mg1_pauses(0.8, 1.0, 1.0, 0.2, 1.5, 1.0).is_err());
    }

    #[test]
    fn vacations_agree_with_their_markov_chain() {
        let (rate, vacation) = (0.7, 2.0);
        let chain = Chain::explore((0u32, false), 2000, |&(n, serves), to| {
            if n < 300 {
                to.push(((n + 1, serves), rate));
            }
            if serves {
                to.push(((n - 1, n > 1), 1.0));
            } else if n > 0 {
                to.push(((n, true), 1.0 / vacation));
            }
        })
        .unwrap();
        let number = chain.stationary().unwrap().mean(|&(n, _)| f64::from(n));
        let found = mg1_vacations(rate, 1.0, 1.0, vacation, 1.0).unwrap();
        assert_close(found.number_in_system, number, 1e-7);
    }

    /// Hyperexponential service for the chains below: shares and means.
    const SORTS: [(f64, f64); 2] = [(0.7, 0.5), (0.3, 2.0)];

    /// Mean and coefficient of variation of [`SORTS`].
    fn sorts() -> (f64, f64) {
        let mean: f64 = SORTS.iter().map(|(p, m)| p * m).sum();
        let second: f64 = SORTS.iter().map(|(p, m)| 2.0 * p * m * m).sum();
        (mean, (second / (mean * mean) - 1.0).sqrt())
    }

    #[test]
    fn pauses_and_vacations_of_two_phases_agree_with_their_markov_chains() {
        let (service, cv) = sorts();
        let (rate, away, two) = (0.4, 0.8, 0.5f64.sqrt());
        // State: present, sort in service, phase of the pause (0: runs) or of the vacation.
        let begin = |n: u16, away: u8, rate: f64, to: &mut Vec<((u16, u8, u8), f64)>| {
            for (sort, (share, _)) in (0u8..).zip(SORTS) {
                to.push(((n, sort, away), rate * share));
            }
        };
        for pauses in [true, false] {
            let start = (0, 0, u8::from(!pauses));
            let chain = Chain::explore(start, 4000, |&(n, sort, phase), to| {
                let serves = n > 0 && phase == 0;
                match (n, phase) {
                    (0, _) if pauses => begin(1, phase, rate, to),
                    (0..150, _) => to.push(((n + 1, sort, phase), rate)),
                    _ => {}
                }
                let done = 1.0 / SORTS[usize::from(sort)].1;
                match n {
                    1 if serves => to.push(((0, 0, start.2), done)),
                    2.. if serves => begin(n - 1, 0, done, to),
                    _ => {}
                }
                match phase {
                    0 if pauses => to.push(((n, sort, 1), 0.3)),
                    1 => to.push(((n, sort, 2), 2.0 / away)),
                    2 if !pauses && n == 0 => to.push(((0, 0, 1), 2.0 / away)),
                    2 if !pauses => begin(n, 0, 2.0 / away, to),
                    2 => to.push(((n, sort, 0), 2.0 / away)),
                    _ => {}
                }
            })
            .unwrap();
            let number = chain.stationary().unwrap().mean(|s| f64::from(s.0));
            let found = if pauses {
                mg1_pauses(rate, service, cv, 0.3, away, two)
            } else {
                mg1_vacations(rate, service, cv, away, two)
            };
            assert_close(found.unwrap().number_in_system, number, 1e-7);
        }
    }

    #[test]
    fn priorities_agree_with_their_markov_chain() {
        // State: waiting of each class and the class in service (0 for none).
        let rates = [0.2, 0.3];
        let means = [0.5, 1.2];
        let chain = Chain::explore((0u16, 0u16, 0u8), 20_000, |&(a, b, at), to| {
            for (class, rate) in [(1u8, rates[0]), (2, rates[1])] {
                let (more_a, more_b) = (u16::from(class == 1), u16::from(class == 2));
                if at == 0 {
                    to.push(((a, b, class), rate));
                } else if a + more_a <= 30 && b + more_b <= 60 {
                    to.push(((a + more_a, b + more_b, at), rate));
                }
            }
            if at > 0 {
                let next = match (a, b) {
                    (0, 0) => (0, 0, 0),
                    (0, _) => (0, b - 1, 2),
                    _ => (a - 1, b, 1),
                };
                to.push((next, 1.0 / means[usize::from(at) - 1]));
            }
        })
        .unwrap();
        let solved = chain.stationary().unwrap();
        let classes = [0, 1].map(|k| PriorityClass {
            arrival_rate: rates[k],
            service_time: means[k],
            cv: 1.0,
        });
        let found = mg1_priority(&classes).unwrap();
        assert_close(found[0].number_waiting, solved.mean(|s| f64::from(s.0)), 1e-6);
        assert_close(found[1].number_waiting, solved.mean(|s| f64::from(s.1)), 1e-6);
    }

    #[test]
    fn priorities_move_waiting_about_but_do_not_remove_it() {
        // Kleinrock's conservation law: Σ ρ_k W_k = ρ W0 / (1 - ρ).
        let classes =
            [(2.0, 0.1, 0.0), (1.0, 0.2, 1.0), (0.5, 0.6, 3.0)].map(|(arrival_rate, service_time, cv)| {
                PriorityClass {
                    arrival_rate,
                    service_time,
                    cv,
                }
            });
        let found = mg1_priority(&classes).unwrap();
        let sum: f64 = found.iter().map(|m| m.utilisation * m.waiting_time).sum();
        let residual = (2.0 * 0.01 + 1.0 * 0.08 + 0.5 * 3.6) / 2.0;
        assert_close(sum, 0.7 * residual / 0.3, 1e-12);
        assert!(mg1_priority(&[]).is_err());
        assert!(mg1_priority(&[classes[2], classes[2], classes[2], classes[2]]).is_err());
    }
}
