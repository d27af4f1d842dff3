//! Closed networks with several classes.

use serde::{Deserialize, Serialize};

use super::super::{Refusal, all_finite, not_negative, positive};
use super::{MOST_STEPS, PlaceMeans};

/// A request class of a closed network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosedClass {
    pub population: u32,
    /// In seconds.
    pub think_time: f64,
    /// Seconds of service needed at each place in one round.
    pub demands: Vec<f64>,
}

/// One class in the steady state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosedClassMeans {
    pub throughput: f64,
    pub response_time: f64,
    pub places: Vec<PlaceMeans>,
}

/// Exact mean value analysis with several classes at single servers (`true` in `delays`: at a
/// delay). Work grows with the product of populations; refused beyond twenty million steps.
///
/// Reiser & Lavenberg 1980; Lazowska et al., section 7.4. At first-come-first-served places the
/// product form needs the same mean service a visit for all classes; processor sharing does not.
pub fn closed_classes(classes: &[ClosedClass], delays: &[bool]) -> Result<Vec<ClosedClassMeans>, Refusal> {
    let places = delays.len();
    let mut points = 1usize;
    for class in classes {
        not_negative(class.think_time, "a think time")?;
        all_finite(&class.demands, "a demand")?;
        if class.demands.len() != places {
            return Err(Refusal::TooFew {
                needed: places,
                found: class.demands.len(),
            });
        }
        for &demand in &class.demands {
            not_negative(demand, "a demand")?;
        }
        let total = class.think_time + class.demands.iter().sum::<f64>();
        positive(total, "the sum of a class's demands and think time")?;
        points = points.saturating_mul(class.population as usize + 1);
    }
    if classes.is_empty() {
        return Err(Refusal::TooFew { needed: 1, found: 0 });
    }
    if points.saturating_mul((places + 1).saturating_mul(classes.len())) > MOST_STEPS {
        return Err(Refusal::TooLarge {
            what: "steps",
            limit: MOST_STEPS,
        });
    }
    // Populations are visited in mixed-radix order, so that one user fewer is `stride` earlier.
    let mut strides = Vec::with_capacity(classes.len());
    let mut stride = 1usize;
    for class in classes {
        strides.push(stride);
        stride *= class.population as usize + 1;
    }
    let mut numbers = vec![0.0; points * places];
    let mut answer = vec![
        ClosedClassMeans {
            throughput: 0.0,
            response_time: 0.0,
            places: vec![
                PlaceMeans {
                    number: 0.0,
                    residence_time: 0.0,
                };
                places
            ],
        };
        classes.len()
    ];
    for point in 1..points {
        for (k, class) in classes.iter().enumerate() {
            let users = point / strides[k] % (class.population as usize + 1);
            if users == 0 {
                continue;
            }
            let fewer = (point - strides[k]) * places;
            let mut response_time = 0.0;
            for place in 0..places {
                let ahead = if delays[place] {
                    0.0
                } else {
                    numbers[fewer + place]
                };
                let time = class.demands[place] * (1.0 + ahead);
                answer[k].places[place].residence_time = time;
                response_time += time;
            }
            let throughput = users as f64 / (class.think_time + response_time);
            answer[k].throughput = throughput;
            answer[k].response_time = response_time;
            for place in 0..places {
                let number = throughput * answer[k].places[place].residence_time;
                answer[k].places[place].number = number;
                numbers[point * places + place] += number;
            }
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::super::super::assert_close;
    use super::super::super::ctmc::Chain;
    use super::super::{Place, closed_network};
    use super::*;

    #[test]
    fn equal_classes_are_one_class() {
        let class = |population| ClosedClass {
            population,
            think_time: 1.0,
            demands: vec![0.3, 0.7, 0.2],
        };
        let found = closed_classes(&[class(3), class(5), class(0)], &[false, false, true]).unwrap();
        let places = [Place::queue(0.3), Place::queue(0.7), Place::delay(0.2)];
        let single = closed_network(&places, 1.0, 8).unwrap();
        assert_close(found[0].response_time, single[7].response_time, 1e-12);
        assert_close(
            found[0].throughput + found[1].throughput,
            single[7].throughput,
            1e-12,
        );
        assert_eq!(found[2].throughput, 0.0);
    }

    #[test]
    fn two_classes_agree_with_their_markov_chain() {
        // Two places under processor sharing; the state counts each class at the first place.
        let demands = [[0.3, 1.0], [0.9, 0.4]];
        let users = [3u32, 2];
        let chain = Chain::explore([0u32, 0], 100, |&here, to| {
            let there = [users[0] - here[0], users[1] - here[1]];
            for class in 0..2 {
                for (at, demand, joins) in
                    [(here, demands[class][0], false), (there, demands[class][1], true)]
                {
                    if at[class] == 0 {
                        continue;
                    }
                    let share = f64::from(at[class]) / f64::from(at[0] + at[1]);
                    let mut next = here;
                    next[class] = if joins { here[class] + 1 } else { here[class] - 1 };
                    to.push((next, share / demand));
                }
            }
        })
        .unwrap();
        let solved = chain.stationary().unwrap();
        let classes = [0, 1].map(|k| ClosedClass {
            population: users[k],
            think_time: 0.0,
            demands: demands[k].to_vec(),
        });
        let found = closed_classes(&classes, &[false, false]).unwrap();
        for class in 0..2 {
            let number = solved.mean(|here| f64::from(here[class]));
            assert_close(found[class].places[0].number, number, 1e-10);
        }
    }
}
