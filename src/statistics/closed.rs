//! Closed networks: a fixed population that thinks, asks and waits.

mod classes;

pub use classes::{ClosedClass, ClosedClassMeans, closed_classes};

use serde::{Deserialize, Serialize};

use super::ctmc::birth_death;
use super::queueing::Means;
use super::{Refusal, at_least_one, not_negative, positive};

/// How a place in a closed network serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// One server, with a queue.
    Queue,
    /// No queue: everybody is served at once.
    Delay,
    /// This many servers, one queue.
    Servers(u32),
    /// Speed with 1, 2, … present, relative to one request alone; the last value holds beyond.
    Speeds(Vec<f64>),
}

/// A place in a closed network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Seconds of service a request needs here in one round, over all visits.
    pub demand: f64,
    pub kind: Kind,
}

impl Place {
    pub fn queue(demand: f64) -> Place {
        Place {
            demand,
            kind: Kind::Queue,
        }
    }

    pub fn delay(demand: f64) -> Place {
        Place {
            demand,
            kind: Kind::Delay,
        }
    }

    pub fn servers(demand: f64, servers: u32) -> Place {
        Place {
            demand,
            kind: Kind::Servers(servers),
        }
    }

    /// Speed with `present` requests; a delay serves each at full speed.
    fn speed(&self, present: usize) -> f64 {
        match &self.kind {
            Kind::Queue => 1.0,
            Kind::Delay => present as f64,
            Kind::Servers(servers) => present.min(*servers as usize) as f64,
            Kind::Speeds(speeds) => speeds[present.min(speeds.len()) - 1],
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        not_negative(self.demand, "a demand")?;
        match &self.kind {
            Kind::Queue | Kind::Delay => Ok(()),
            Kind::Servers(servers) => at_least_one(*servers, "a number of servers").map(|_| ()),
            Kind::Speeds(speeds) if speeds.is_empty() => Err(Refusal::TooFew { needed: 1, found: 0 }),
            Kind::Speeds(speeds) => speeds
                .iter()
                .try_for_each(|&speed| positive(speed, "a speed").map(|_| ())),
        }
    }
}

/// One place in the steady state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaceMeans {
    /// Mean number present.
    pub number: f64,
    /// Mean time spent here in one round, in seconds.
    pub residence_time: f64,
}

/// A closed network in the steady state at one population.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosedMeans {
    pub population: u32,
    /// Rounds completed per second.
    pub throughput: f64,
    /// Time of a round without thinking, in seconds.
    pub response_time: f64,
    /// In the order of the places given.
    pub places: Vec<PlaceMeans>,
}

/// Steps up to which several classes are solved.
const MOST_STEPS: usize = 20_000_000;
/// Population times places up to which [`closed_network`] keeps the whole curve.
const MOST_ROWS: usize = 2_000_000;
/// Square of the population times places up to which weights are convolved: a second or two.
const MOST_TERMS: usize = 100_000_000;

/// Exact solution of a closed network with a product form, for populations 1 to `population`.
///
/// Single servers and delays by mean value analysis (Reiser & Lavenberg 1980, *Journal of the ACM*
/// 27, pp. 313–322; Lazowska et al., *Quantitative System Performance*, section 6.4). With stations
/// of many servers or varying speed, by convolution of marginal weights (Buzen 1973,
/// *Communications of the ACM* 16, pp. 527–531): the answer is that of
/// mean value analysis with marginal probabilities (Lazowska et al., the appendix on load dependent
/// service centers), without its loss of digits near saturation.
/// `think_time` may be zero. Exponential service is assumed at first-come-first-served places, any
/// law at delays and processor sharing.
pub fn closed_network(
    places: &[Place],
    think_time: f64,
    population: u32,
) -> Result<Vec<ClosedMeans>, Refusal> {
    at_least_one(population, "the population")?;
    not_negative(think_time, "the think time")?;
    let mut total = think_time;
    for place in places {
        place.check()?;
        total += place.demand;
    }
    positive(total, "the sum of demands and think time")?;
    let rows = (population as usize).saturating_mul(places.len().max(1));
    if rows > MOST_ROWS {
        return Err(Refusal::TooLarge {
            what: "users times places",
            limit: MOST_ROWS,
        });
    }
    let simple = |place: &Place| match place.kind {
        Kind::Queue | Kind::Delay => true,
        Kind::Servers(servers) => servers == 1,
        Kind::Speeds(_) => false,
    };
    if places.iter().all(simple) {
        return Ok(mean_values(places, think_time, population));
    }
    if rows.saturating_mul(population as usize) > MOST_TERMS {
        return Err(Refusal::TooLarge {
            what: "terms (users squared times places) of a network with many servers",
            limit: MOST_TERMS,
        });
    }
    Ok(convolution(places, think_time, population as usize))
}

fn mean_values(places: &[Place], think_time: f64, population: u32) -> Vec<ClosedMeans> {
    let mut numbers = vec![0.0; places.len()];
    (1..=population)
        .map(|n| {
            let times: Vec<f64> = places
                .iter()
                .zip(&numbers)
                .map(|(place, number)| match place.kind {
                    Kind::Delay => place.demand,
                    _ => place.demand * (1.0 + number),
                })
                .collect();
            let response_time: f64 = times.iter().sum();
            let throughput = f64::from(n) / (think_time + response_time);
            for (number, time) in numbers.iter_mut().zip(&times) {
                *number = throughput * time;
            }
            ClosedMeans {
                population: n,
                throughput,
                response_time,
                places: times
                    .iter()
                    .map(|&residence_time| PlaceMeans {
                        number: throughput * residence_time,
                        residence_time,
                    })
                    .collect(),
            }
        })
        .collect()
}

/// Logarithm of a sum of exponentials.
fn log_sum(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + libm::log(terms.map(|term| libm::exp(term - largest)).sum::<f64>())
}

/// Logarithms of the convolution of two sequences given by their logarithms.
fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    (0..a.len())
        .map(|n| log_sum((0..=n).map(|k| a[k] + b[n - k])))
        .collect()
}

/// Weights are kept as logarithms: those of a delay with long thinking overflow otherwise.
fn convolution(places: &[Place], think_time: f64, population: usize) -> Vec<ClosedMeans> {
    let weights = |demand: f64, speed: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let mut log = 0.0;
        (0..=population)
            .map(|n| {
                if n > 0 {
                    log += libm::log(demand / speed(n));
                }
                log
            })
            .collect()
    };
    let think = weights(think_time, &|n| n as f64);
    let own: Vec<Vec<f64>> = places
        .iter()
        .map(|place| weights(place.demand, &|n| place.speed(n)))
        .collect();
    // before[i]: thinking and places 0..i; after[i]: places i.. ; their convolution leaves one out.
    let mut before = vec![think];
    for weight in &own {
        let next = convolve(&before[before.len() - 1], weight);
        before.push(next);
    }
    let mut nothing = vec![f64::NEG_INFINITY; population + 1];
    nothing[0] = 0.0;
    let mut after = vec![nothing];
    for weight in own.iter().skip(1).rev() {
        let next = convolve(&after[after.len() - 1], weight);
        after.push(next);
    }
    after.reverse();
    let whole = &before[places.len()];
    let others: Vec<Vec<f64>> = (0..places.len())
        .map(|i| convolve(&before[i], &after[i]))
        .collect();
    (1..=population)
        .map(|n| {
            let throughput = libm::exp(whole[n - 1] - whole[n]);
            let means: Vec<PlaceMeans> = (0..places.len())
                .map(|i| {
                    let number: f64 = (1..=n)
                        .map(|k| k as f64 * libm::exp(own[i][k] + others[i][n - k] - whole[n]))
                        .sum();
                    PlaceMeans {
                        number,
                        residence_time: number / throughput,
                    }
                })
                .collect();
            ClosedMeans {
                population: n as u32,
                throughput,
                response_time: means.iter().map(|place| place.residence_time).sum(),
                places: means,
            }
        })
        .collect()
}

/// The machine-repairman model, M/M/c//N: `users` who each run for an exponential time of mean
/// `think_time` and then need one of `servers` for an exponential service.
///
/// Kleinrock, *Queueing Systems* vol. 1, sections 3.8 and 3.10.
pub fn machine_repairman(
    users: u32,
    think_time: f64,
    servers: u32,
    service_time: f64,
) -> Result<Means, Refusal> {
    at_least_one(users, "the number of users")?;
    at_least_one(servers, "the number of servers")?;
    positive(think_time, "the think time")?;
    positive(service_time, "the service time")?;
    if users > 10_000_000 {
        return Err(Refusal::TooLarge {
            what: "users",
            limit: 10_000_000,
        });
    }
    let present = birth_death(
        users as usize,
        |n| (f64::from(users) - n as f64) / think_time,
        |n| n.min(servers as usize) as f64 / service_time,
    )?;
    let mut busy = 0.0;
    let mut waiting = 0.0;
    for (n, p) in present.iter().enumerate() {
        busy += p * n.min(servers as usize) as f64;
        waiting += p * n.saturating_sub(servers as usize) as f64;
    }
    let throughput = busy / service_time;
    Ok(Means::from_wait(
        throughput,
        f64::from(servers),
        service_time,
        waiting / throughput,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    #[test]
    fn two_users_worked_by_hand() {
        // Round by round: R(1) = 1.5, X(1) = 0.4; R(2) = 0.5 × 1.2 + 1 × 1.4 = 2, X(2) = 2/3.
        let places = [Place::queue(0.5), Place::queue(1.0)];
        let found = closed_network(&places, 1.0, 2).unwrap();
        assert_close(found[0].throughput, 0.4, 1e-14);
        assert_close(found[1].response_time, 2.0, 1e-14);
        assert_close(found[1].throughput, 2.0 / 3.0, 1e-14);
        assert_close(found[1].places[1].residence_time, 1.4, 1e-14);
    }

    #[test]
    fn convolution_and_mean_values_agree() {
        let simple = [
            Place::queue(0.605),
            Place::queue(2.1),
            Place::delay(0.4),
            Place::queue(0.0),
        ];
        let mut dressed = simple.clone();
        dressed[1].kind = Kind::Speeds(vec![1.0]);
        let by_means = closed_network(&simple, 15.0, 60).unwrap();
        let by_weights = closed_network(&dressed, 15.0, 60).unwrap();
        for (a, b) in by_means.iter().zip(&by_weights) {
            assert_close(b.throughput, a.throughput, 1e-10);
            assert_close(b.response_time, a.response_time, 1e-9);
            assert_close(b.places[0].number, a.places[0].number, 1e-9);
        }
    }

    #[test]
    fn many_servers_agree_with_the_machine_repairman() {
        for (users, servers) in [(1, 1), (10, 1), (30, 4), (200, 50)] {
            let found = closed_network(&[Place::servers(0.5, servers)], 2.0, users).unwrap();
            let last = &found[users as usize - 1];
            let exact = machine_repairman(users, 2.0, servers, 0.5).unwrap();
            assert_close(last.throughput, exact.throughput, 1e-10);
            assert_close(last.response_time, exact.response_time, 1e-9);
        }
    }

    #[test]
    fn saturation_of_many_servers_loses_no_digits() {
        let places = [
            Place::servers(1.0, 50),
            Place::queue(0.001),
            Place::servers(0.2, 16),
        ];
        let found = closed_network(&places, 5.0, 1000).unwrap();
        assert_close(found[999].throughput, 50.0, 1e-9);
        for n in [1, 10, 250, 300, 320, 999] {
            let means = &found[n];
            assert!(means.throughput <= 50.0 * (1.0 + 1e-9));
            assert!(means.throughput >= found[n - 1].throughput * (1.0 - 1e-9));
            let present: f64 = means.places.iter().map(|place| place.number).sum();
            let total = present + 5.0 * means.throughput;
            assert_close(total, (n + 1) as f64, 1e-9);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(closed_network(&[], 0.0, 3).is_err());
        assert!(closed_network(&[Place::queue(1.0)], 1.0, 0).is_err());
        assert!(closed_network(&[Place::queue(f64::NAN)], 1.0, 1).is_err());
        assert!(closed_network(&[Place::servers(1.0, 0)], 1.0, 1).is_err());
        assert!(closed_network(&[Place::servers(1.0, 2)], 1.0, u32::MAX).is_err());
        assert!(closed_network(&[Place::queue(1.0)], 1.0, u32::MAX).is_err());
        assert!(closed_network(&[Place::servers(1.0, 2)], 1.0, 20_000).is_err());
        assert!(machine_repairman(10_000_001, 1.0, 1, 1.0).is_err());
        let empty = Place {
            demand: 1.0,
            kind: Kind::Speeds(Vec::new()),
        };
        assert!(closed_network(&[empty], 1.0, 1).is_err());
        assert!(closed_classes(&[], &[false]).is_err());
        assert!(machine_repairman(5, 0.0, 1, 1.0).is_err());
        let many = ClosedClass {
            population: u32::MAX,
            think_time: 1.0,
            demands: vec![1.0],
        };
        assert!(closed_classes(&[many.clone(), many], &[false]).is_err());
    }
}
