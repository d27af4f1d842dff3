//! Requests that are lost for want of capacity, or that fail for other reasons.

use super::{mean, rate, value};
use crate::experiment::PointPlan;
use crate::experiment::collect::Collected;
use crate::experiment::results::{Metric, SYSTEM, Unit};
use crate::statistics::trend::NEAR_CRITICAL;

/// Losses for want of capacity from which there is little room.
const CRITICAL_LOSS: f64 = 0.005;
/// Losses for want of capacity from which more arrives than is carried.
pub const OVERLOADED_LOSS: f64 = 0.05;
/// The failures that want of capacity causes.
pub const CAPACITY_FAULTS: &[&str] = &[
    "rejected",
    "acquire_timeout",
    "not_permitted",
    "unavailable",
    "timed_out",
    "too_many_connections",
    "connect_timeout",
    "lock_timeout",
    "client_timeout",
    "out_of_memory",
];

/// How often a second requests fail by a fault of this sort, and its name, for those that were seen.
fn failures(metrics: &[Metric], subject: &str, counts: impl Fn(&str) -> bool) -> Vec<(f64, String)> {
    metrics
        .iter()
        .filter(|m| m.subject == subject && m.mean > 0.0)
        .filter_map(|m| {
            let fault = m.name.strip_prefix("failures_")?;
            counts(fault).then(|| (m.mean, fault.replace('_', " ")))
        })
        .collect()
}

fn most_first(a: &(f64, String), b: &(f64, String)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0)
}

/// The first two of these, in words.
fn largest(parts: &[(f64, String)]) -> String {
    let words: Vec<String> = parts
        .iter()
        .take(2)
        .map(|(v, w)| format!("{w} {}", rate(*v)))
        .collect();
    words.join(", ")
}

/// The share that fails for other reasons than want of capacity, and what is said of it if it is worth a word.
pub fn otherwise_failing(metrics: &[Metric], offered: f64) -> (f64, String) {
    let mut parts = failures(metrics, SYSTEM, |fault| !CAPACITY_FAULTS.contains(&fault));
    let share = parts.iter().map(|p| p.0).sum::<f64>() / offered;
    parts.sort_by(most_first);
    let text = match share >= CRITICAL_LOSS {
        true => format!("; {} fails: {}", value(Unit::Share, share), largest(&parts)),
        false => String::new(),
    };
    (share, text)
}

/// What is lost for want of capacity.
pub struct Losses {
    /// Of what arrives.
    pub share: f64,
    /// Requests a second that arrive, those that are never sent included.
    pub arriving: f64,
    /// How many a second by each fault, the most first.
    pub parts: Vec<(f64, String)>,
    /// Workloads that cannot send all they should: how many a second are not sent, and why.
    pub unsent: Vec<(String, f64, &'static str)>,
    /// The flow that loses most of its own, where all of them together do not lose that much.
    flow: Option<FlowLoss>,
}

impl Losses {
    pub fn overload(&self) -> bool {
        self.share >= OVERLOADED_LOSS || self.flow.is_some()
    }

    pub fn matter(&self) -> bool {
        self.share >= CRITICAL_LOSS
    }

    pub fn told(&self) -> String {
        if let Some(flow) = &self.flow {
            return format!(
                "{} of the {} of flow.{} is lost: {}",
                value(Unit::Share, flow.share),
                rate(flow.offered),
                flow.name,
                largest(&flow.parts)
            );
        }
        format!(
            "{} of {} is lost: {}",
            value(Unit::Share, self.share),
            rate(self.arriving),
            largest(&self.parts)
        )
    }
}

/// What one of several flows loses of its own.
struct FlowLoss {
    name: String,
    share: f64,
    offered: f64,
    parts: Vec<(f64, String)>,
}

/// Requests that a flow must have lost before it is spoken of.
const FEW: f64 = 10.0;

/// The flow that loses most of its own, if that is an overload.
fn worst_flow(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Option<FlowLoss> {
    let measured = (seen.shortest.0 - seen.warm_up as f64 * 1e-9) * f64::from(seen.replications);
    let lost = plan.model.flows.iter().filter_map(|flow| {
        let subject = format!("flow.{}", flow.name);
        let offered = mean(metrics, &subject, "offered").filter(|n| *n > 0.0)?;
        let mut parts = failures(metrics, &subject, |fault| CAPACITY_FAULTS.contains(&fault));
        parts.sort_by(most_first);
        let sum: f64 = parts.iter().map(|p| p.0).sum();
        let share = sum / offered.max(sum);
        (share >= OVERLOADED_LOSS && sum * measured >= FEW).then_some(FlowLoss {
            name: flow.name.clone(),
            share,
            offered,
            parts,
        })
    });
    lost.max_by(|a, b| a.share.total_cmp(&b.share))
}

/// What is lost of what arrives.
pub fn losses(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Losses {
    let offered = mean(metrics, SYSTEM, "offered").unwrap_or(0.0);
    let mut parts = failures(metrics, SYSTEM, |fault| CAPACITY_FAULTS.contains(&fault));
    let unsent: Vec<(String, f64, &str)> = plan
        .model
        .workloads
        .iter()
        .filter(|w| !w.is_closed())
        .flat_map(|w| {
            let dropped = mean(metrics, &format!("workload.{}", w.name), "dropped").unwrap_or(0.0);
            let why = match w.users.is_some() {
                true => "never sent for want of virtual users",
                false => "never sent at the limit of those in flight",
            };
            let held = held_up(&w.name, metrics);
            [
                (w.name.clone(), dropped, why),
                (w.name.clone(), held, "never sent for want of the client's time"),
            ]
        })
        .filter(|(_, each, _)| *each > 0.0)
        .collect();
    parts.extend(unsent.iter().map(|(_, each, why)| (*each, (*why).to_owned())));
    let arriving = offered + unsent.iter().map(|(_, each, _)| each).sum::<f64>();
    let sum: f64 = parts.iter().map(|p| p.0).sum();
    parts.sort_by(most_first);
    // In a short time more may end than arrives.
    let ended = mean(metrics, SYSTEM, "throughput").unwrap_or(0.0) + sum;
    let share = sum / arriving.max(ended);
    let flow = match share < OVERLOADED_LOSS {
        true => worst_flow(plan, seen, metrics),
        false => None,
    };
    Losses {
        share,
        flow,
        arriving,
        parts,
        unsent,
    }
}

/// How many requests a second stay behind with a client that is at work all the time.
fn held_up(workload: &str, metrics: &[Metric]) -> f64 {
    let client = format!("client.{workload}");
    let of = |name| mean(metrics, &client, name).unwrap_or(0.0);
    match of("utilisation") >= NEAR_CRITICAL {
        true => (of("arrivals") - of("throughput")).max(0.0),
        false => 0.0,
    }
}
