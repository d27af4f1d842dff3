//! Priorities that interrupt. Those that do not are in [`mg1_priority`](super::mg1_priority).

use super::PriorityClass;
use crate::statistics::{Refusal, not_negative, positive, stable};

/// Mean response times of M/G/1 with classes in order of priority, of which each interrupts those behind it; who was
/// interrupted goes on later with what is left (preemptive resume).
///
/// T_k = (S_k (1 - σ_k) + Σ_{i ≤ k} λ_i E(S_i²) / 2) / ((1 - σ_{k-1}) (1 - σ_k)) with σ_k the utilisation of classes 1
/// to k. Conway, Maxwell & Miller, *Theory of Scheduling* (1967), section 8-6; Gross & Harris, section 3.4.
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
}
