//! Priorities that interrupt. Those that do not are in [`mg1_priority`](super::mg1_priority).

use super::PriorityClass;
use crate::statistics::{Refusal, not_negative, positive, stable};

/// Mean response times of M/G/1 with classes in order of priority, of which each interrupts those behind it; who was
/// interrupted goes on later with what is left (preemptive resume).
///
/// T_k = (S_k (1 - σ_k) + Σ_{i ≤ k} λ_i E(S_i²) / 2) / ((1 - σ_{k-1}) (1 - σ_k)) with σ_k the utilisation of classes 1
/// to k. Bertsekas & Gallager, *Data Networks*, 2nd ed. (1992), section 3.5.3; Conway, Maxwell & Miller, *Theory of
/// Scheduling* (1967), chapter 8.
/// Refused when all classes together reach capacity, although the upper ones may then still be stable.
pub fn mg1_preemptive_resume(classes: &[PriorityClass]) -> Result<Vec<f64>, Refusal> {
    if classes.is_empty() {
        return Err(Refusal::TooFew { needed: 1, found: 0 });
    }
    let (mut residual, mut above) = (0.0, 0.0);
    let mut times = Vec::with_capacity(classes.len());
    for class in classes {
        positive(class.arrival_rate, "an arrival rate")?;
        positive(class.service_time, "a service time")?;
        not_negative(class.cv, "a coefficient of variation")?;
        let square = class.service_time * class.service_time * (1.0 + class.cv * class.cv);
        residual += class.arrival_rate * square / 2.0;
        let upto = above + class.arrival_rate * class.service_time;
        stable(upto)?;
        times.push((class.service_time * (1.0 - upto) + residual) / ((1.0 - above) * (1.0 - upto)));
        above = upto;
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::super::{Mmc, mg1};
    use super::*;
    use crate::statistics::assert_close;
    use crate::statistics::ctmc::Chain;

    #[test]
    fn the_first_class_sees_nobody_else_and_all_of_exponential_service_are_one_queue() {
        let class = |arrival_rate, cv| PriorityClass {
            arrival_rate,
            service_time: 0.001,
            cv,
        };
        let found = mg1_preemptive_resume(&[class(300.0, 2.0), class(400.0, 0.5)]).unwrap();
        assert_close(found[0], mg1(300.0, 0.001, 2.0).unwrap().response_time, 1e-13);
        let found = mg1_preemptive_resume(&[class(300.0, 1.0), class(500.0, 1.0)]).unwrap();
        let inside = 300.0 * found[0] + 500.0 * found[1];
        let all = Mmc::new(1, 800.0, 0.001).unwrap().means().number_in_system;
        assert_close(inside, all, 1e-12);
        assert!(mg1_preemptive_resume(&[class(300.0, 1.0), class(700.0, 1.0)]).is_err());
        assert!(mg1_preemptive_resume(&[]).is_err());
    }

    #[test]
    fn classes_of_other_laws_agree_with_their_markov_chain() {
        // The first class hyperexponential, the second in two exponential phases.
        let sorts = [(0.7, 0.5), (0.3, 2.0)];
        let rates = [0.25, 0.3];
        // State: present, sort in service; present, phases done of the one in service.
        type State = (u16, u8, u16, u8);
        let chain = Chain::explore(State::default(), 40_000, |&(a, sort, b, done), to| {
            let begin = |n: u16, rate: f64, to: &mut Vec<(State, f64)>| {
                for (sort, (share, _)) in (0u8..).zip(sorts) {
                    to.push(((n, sort, b, done), rate * share));
                }
            };
            match a {
                0 => begin(1, rates[0], to),
                1..40 => to.push(((a + 1, sort, b, done), rates[0])),
                _ => {}
            }
            if b < 60 {
                to.push(((a, sort, b + 1, done), rates[1]));
            }
            let service = 1.0 / sorts[usize::from(sort)].1;
            match (a, b, done) {
                (0, 0, _) => {}
                (0, _, 0) => to.push(((0, 0, b, 1), 2.0 / 0.8)),
                (0, ..) => to.push(((0, 0, b - 1, 0), 2.0 / 0.8)),
                (1, ..) => to.push(((0, 0, b, done), service)),
                _ => begin(a - 1, service, to),
            }
        })
        .unwrap();
        let solved = chain.stationary().unwrap();
        let mean = 0.7 * 0.5 + 0.3 * 2.0;
        let second = 2.0 * (0.7 * 0.25 + 0.3 * 4.0);
        let classes = [
            (mean, (second / (mean * mean) - 1.0f64).sqrt()),
            (0.8, 0.5f64.sqrt()),
        ];
        let classes: Vec<PriorityClass> = classes
            .into_iter()
            .zip(rates)
            .map(|((service_time, cv), arrival_rate)| PriorityClass {
                arrival_rate,
                service_time,
                cv,
            })
            .collect();
        let found = mg1_preemptive_resume(&classes).unwrap();
        assert_close(rates[0] * found[0], solved.mean(|s| f64::from(s.0)), 1e-6);
        assert_close(rates[1] * found[1], solved.mean(|s| f64::from(s.2)), 1e-6);
    }
}
