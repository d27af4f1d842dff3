//! What the figures of an objective leave out: response times are those of requests that were answered, and what was
//! never sent cannot fail.

use super::estimate::value;
use super::results::{Judgement, Metric, SYSTEM, Unit};
use crate::model::Model;

/// Losses from which an objective on response times says whose they are.
const MANY: f64 = 0.05;

/// Adds to each term of the objective what its figure leaves out, if that is much.
pub fn tell(model: &Model, metrics: &[Metric], judged: &mut [Judgement]) {
    for (objective, told) in model.objectives.iter().zip(judged) {
        let of = |name: &str| {
            let found = metrics
                .iter()
                .find(|m| m.subject == objective.subject && m.name == name);
            found.map(|m| m.mean).filter(|mean| mean.is_finite())
        };
        let Some(lost) = of("failure_share") else { continue };
        // Of all that should have been sent.
        let unsent = unsent(model, metrics, &objective.subject);
        let unsent = unsent / (of("offered").unwrap_or(0.0) + unsent).max(f64::MIN_POSITIVE);
        let share = |share: f64| format!("{:.0} %", (100.0 * share).clamp(0.0, 99.0));
        let time = objective.figure.starts_with("response_time_");
        let answered = (1.0 - lost) * (1.0 - unsent);
        if time && 1.0 - answered >= MANY {
            told.detail.push_str(&match told.met {
                Some(true) => format!(", met by the {} that were answered", share(answered)),
                _ => format!(", of the {} that were answered", share(answered)),
            });
        } else if objective.figure == "failure_share" && unsent > 0.0 {
            let never = value(Unit::Share, unsent);
            told.detail
                .push_str(&format!(", and {never} of the iterations were never sent"));
        }
    }
}

/// Iterations a second of this flow, or of all, that were not begun.
fn unsent(model: &Model, metrics: &[Metric], subject: &str) -> f64 {
    let dropped = |w: &crate::model::workload::WorkloadPlan| {
        let of = format!("workload.{}", w.name);
        let found = metrics.iter().find(|m| m.subject == of && m.name == "dropped");
        let rate = found
            .map(|m| m.mean)
            .filter(|mean| mean.is_finite())
            .unwrap_or(0.0);
        let mine = |flow: u16| {
            let name = model.flow_plans.get(usize::from(flow)).map(|f| f.name.as_str());
            subject == SYSTEM || subject.strip_prefix("flow.") == name
        };
        rate * w
            .mix
            .iter()
            .filter(|(flow, _)| mine(*flow))
            .map(|m| m.1)
            .sum::<f64>()
    };
    model.workloads.iter().map(dropped).sum()
}
