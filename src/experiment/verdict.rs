//! What the figures of a point say: how it bears its load, what gives way first, whether the objective is met.

mod busiest;
mod growth;

use super::PointPlan;
use super::collect::{Collected, Cut};
use super::estimate::{keeps_bound, told, value};
use super::recovery::recovered;
use super::results::{Judgement, Metric, SYSTEM, Unit, Verdict};
use crate::model::Model;
use crate::quantity::SimDuration;
use crate::statistics::recovery::{Recovery, State};
use crate::statistics::trend::{Growth, NEAR_CRITICAL};
use busiest::{Busiest, busiest};
use growth::Grown;

/// Losses for want of capacity from which more arrives than is carried.
const OVERLOADED_LOSS: f64 = 0.05;
/// Losses for want of capacity from which there is little room.
const CRITICAL_LOSS: f64 = 0.005;
/// Growth below this share of what arrives is no overload, however significant.
const GROWTH_THAT_MATTERS: f64 = 0.001;
/// Other failures from which the figures say little of capacity.
const FAILING: f64 = 0.5;
/// The failures that want of capacity causes.
const CAPACITY_FAULTS: &[&str] = &[
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

fn find<'a>(metrics: &'a [Metric], subject: &str, name: &str) -> Option<&'a Metric> {
    metrics
        .iter()
        .find(|m| m.subject == subject && m.name == name && m.mean.is_finite())
}

fn mean(metrics: &[Metric], subject: &str, name: &str) -> Option<f64> {
    find(metrics, subject, name).map(|m| m.mean)
}

/// What the figures of a point say.
pub struct Findings<'a> {
    plan: &'a PointPlan,
    seen: &'a Collected,
    metrics: &'a [Metric],
    offered: f64,
    carried: f64,
    losses: Losses,
    /// `None` where growth says nothing.
    grown: Option<Grown>,
    busiest: Option<Busiest>,
    /// The share that fails for other reasons than want of capacity, and what is said of it if it is worth a word.
    otherwise: (f64, String),
}

impl<'a> Findings<'a> {
    pub fn of(plan: &'a PointPlan, seen: &'a Collected, metrics: &'a [Metric]) -> Findings<'a> {
        let offered = mean(metrics, SYSTEM, "offered").unwrap_or(0.0);
        Findings {
            plan,
            seen,
            metrics,
            offered,
            carried: mean(metrics, SYSTEM, "throughput").unwrap_or(0.0),
            losses: losses(plan, metrics, offered),
            grown: growth_of(plan, seen, metrics),
            busiest: busiest(plan, seen, metrics),
            otherwise: otherwise_failing(metrics, offered),
        }
    }

    /// How the point bears its load, and why.
    pub fn verdict(&self) -> (Verdict, String) {
        if let Some(cut) = self.cut() {
            return cut;
        }
        if self.offered <= 0.0 && self.losses.arriving <= 0.0 {
            return (
                Verdict::Undecided,
                "no request arrived in the measured time".to_owned(),
            );
        }
        let (verdict, mut text) = self.decided();
        if !matches!(verdict, Verdict::Failing | Verdict::Undecided) {
            text.push_str(&self.otherwise.1);
        }
        (verdict, text)
    }

    /// A run that a limit ended.
    fn cut(&self) -> Option<(Verdict, String)> {
        let seen = self.seen;
        if seen.cut == 0 {
            return None;
        }
        let (limit, way) = match seen.cut_by {
            Some(Cut::Memory) => ("memory", "--max-memory"),
            Some(Cut::Wall) => ("real time", "--max-wall"),
            _ => ("events", "--max-events"),
        };
        let after = SimDuration::from_secs_f64(seen.shortest.0);
        // A run that ends early may be too short for the trend, but not for the balance of what came and went.
        let ended = self.carried + mean(self.metrics, SYSTEM, "failures").unwrap_or(0.0);
        let grows = ended < (1.0 - OVERLOADED_LOSS) * self.offered;
        Some(match (seen.cut_by, grows) {
            (Some(Cut::Memory), true) => (
                Verdict::Overloaded,
                format!(
                    "the number inside grew to {} and reached the limit of {limit} after {after:.3} ({way})",
                    seen.peak_requests
                ),
            ),
            _ => (
                Verdict::Undecided,
                format!("the limit of {limit} ended the run after {after:.3} ({way})"),
            ),
        })
    }

    fn decided(&self) -> (Verdict, String) {
        let (plan, losses) = (self.plan, &self.losses);
        if let Some((until, found)) =
            recovered(&plan.model, self.seen, 1.0 - OVERLOADED_LOSS - self.otherwise.0)
        {
            let (verdict, mut text) = after_disturbance(until, &found);
            if verdict == Verdict::Recovered && losses.matter() {
                text = format!("{text}; in all {}", losses.told());
            }
            return (verdict, text);
        }
        let grown = overflowing(self.grown);
        if losses.overload() {
            let behind = grown.map(|grown| growth::backlogs(self.seen, self.metrics, &grown));
            let text = match behind.filter(|left| !left.is_empty()) {
                Some(left) => {
                    let since = grown.and_then(|grown| grown.late());
                    format!("{}; besides, {}", losses.told(), growth::told(&left, since))
                }
                None => losses.told(),
            };
            return (Verdict::Overloaded, text);
        }
        if let Some(grown) = grown {
            return (Verdict::Overloaded, growing(self.seen, self.metrics, &grown));
        }
        if let Some((inside, takes)) = growth::left_over(plan, self.seen).filter(|_| !is_closed(plan)) {
            let text = format!(
                "{} are still inside at the end, left from before: they take {} to work off",
                value(Unit::Count, inside),
                value(
                    Unit::Seconds,
                    if takes > 10.0 { libm::round(takes) } else { takes }
                )
            );
            return (Verdict::Overloaded, text);
        }
        if self.otherwise.0 >= FAILING {
            let text = self.otherwise.1.trim_start_matches("; ");
            return (
                Verdict::Failing,
                format!("{} arrive, and {text}", rate(self.offered)),
            );
        }
        if self.seen.transient_lasts {
            let text = "no end of the transient was found, so the figures still depend on how the run began; make it longer";
            return (Verdict::Undecided, text.to_owned());
        }
        if losses.matter() {
            return (Verdict::NearCritical, losses.told());
        }
        if let Some(b) = self.busiest.as_ref().filter(|b| b.utilisation >= NEAR_CRITICAL) {
            return (Verdict::NearCritical, self.little_room(b));
        }
        if self.grown.is_some_and(|grown| grown.growth == Growth::Undecided) {
            let text = "the run is short against the system's memory: whether the number inside grows cannot be told; make it longer";
            return (Verdict::Undecided, text.to_owned());
        }
        let room = match &self.busiest {
            Some(b) => format!(
                "; the busiest is {} at {}{}",
                b.subject,
                percent(b.utilisation),
                b.when()
            ),
            None => String::new(),
        };
        (Verdict::Stable, format!("{}{room}", self.arrive_and_leave()))
    }

    fn arrive_and_leave(&self) -> String {
        format!(
            "{} arrive and {} are carried",
            rate(self.offered),
            rate(self.carried)
        )
    }

    fn little_room(&self, b: &Busiest) -> String {
        let (busy, when) = (percent(b.utilisation), b.when());
        if !is_closed(self.plan) {
            return format!(
                "{}, but {} is at {busy}{when}",
                self.arrive_and_leave(),
                b.subject
            );
        }
        let subject = &b.subject;
        format!(
            "{subject} is busy for {busy} of the time{when}: more users would wait longer and get no more done"
        )
    }

    /// What gives way first.
    pub fn bottleneck(&self) -> Option<String> {
        busiest::bottleneck(self)
    }
}

/// What is said of a system that was disturbed until then, in seconds.
fn after_disturbance(until: f64, found: &Recovery) -> (Verdict, String) {
    let seconds = |s: f64| value(Unit::Seconds, s);
    let until = seconds(until);
    let now = format!(
        "{} inside and {} carried at the end, {} and {} before",
        value(Unit::Count, found.inside.1),
        rate(found.throughput.1),
        value(Unit::Count, found.inside.0),
        rate(found.throughput.0),
    );
    match (found.state, found.after) {
        (State::Recovered, Some(after)) => {
            let text = format!(
                "within {} of {until}, when the disturbance ended: {now}",
                seconds(after)
            );
            (Verdict::Recovered, text)
        }
        (State::Recovered, None) => {
            let text = format!("the disturbance ended at {until}: {now}");
            (Verdict::Recovered, text)
        }
        (State::NotRecovered, _) => {
            let text = format!("the disturbance ended at {until}, and the system has not recovered: {now}");
            (Verdict::Overloaded, text)
        }
        (State::Undecided, _) => {
            let text = format!(
                "the disturbance ended at {until}; whether the system recovers cannot be told: {now}; make the run longer"
            );
            (Verdict::Undecided, text)
        }
    }
}

/// All load comes from users who wait for their answers.
fn is_closed(plan: &PointPlan) -> bool {
    plan.model.workloads.iter().all(|w| w.is_closed())
}

fn rate(v: f64) -> String {
    value(Unit::PerSecond, v)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Whether the number inside grows; `None` where that says nothing: users wait for one another's answers and nothing is left
/// behind.
fn growth_of(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Option<Grown> {
    if is_closed(plan) && !growth::leaves_behind(metrics) {
        return None;
    }
    growth::growth(plan, seen, metrics)
}

/// The growth, if it is one that matters against what arrives.
fn overflowing(grown: Option<Grown>) -> Option<Grown> {
    grown.filter(|g| g.growth == Growth::Growing && g.slope >= GROWTH_THAT_MATTERS * g.offered)
}

/// What is said of a number inside that grows.
fn growing(seen: &Collected, metrics: &[Metric], grown: &Grown) -> String {
    let left = growth::backlogs(seen, metrics, grown);
    if !left.is_empty() {
        return growth::told(&left, grown.late());
    }
    let since = match grown.late() {
        Some(at) => format!(" from {} on", value(Unit::Seconds, at)),
        None => String::new(),
    };
    format!(
        "the number inside grows by {}{since}: {} arrive, {} are carried",
        rate(grown.slope),
        rate(grown.offered),
        rate(grown.carried)
    )
}

/// How often a second requests fail by a fault of this sort, and its name, for those that were seen.
fn failures(metrics: &[Metric], counts: impl Fn(&str) -> bool) -> Vec<(f64, String)> {
    metrics
        .iter()
        .filter(|m| m.subject == SYSTEM && m.mean > 0.0)
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
fn otherwise_failing(metrics: &[Metric], offered: f64) -> (f64, String) {
    let mut parts = failures(metrics, |fault| !CAPACITY_FAULTS.contains(&fault));
    let share = parts.iter().map(|p| p.0).sum::<f64>() / offered;
    parts.sort_by(most_first);
    let text = match share >= CRITICAL_LOSS {
        true => format!("; {} fails: {}", value(Unit::Share, share), largest(&parts)),
        false => String::new(),
    };
    (share, text)
}

/// What is lost for want of capacity.
struct Losses {
    /// Of what arrives.
    share: f64,
    /// Requests a second that arrive, those that are never sent included.
    arriving: f64,
    /// How many a second by each fault, the most first.
    parts: Vec<(f64, String)>,
    /// Workloads that cannot send all they should: how many a second are not sent, and why.
    unsent: Vec<(String, f64, &'static str)>,
}

impl Losses {
    fn overload(&self) -> bool {
        self.share >= OVERLOADED_LOSS
    }

    fn matter(&self) -> bool {
        self.share >= CRITICAL_LOSS
    }

    fn told(&self) -> String {
        format!(
            "{} of {} is lost: {}",
            value(Unit::Share, self.share),
            rate(self.arriving),
            largest(&self.parts)
        )
    }
}

fn losses(plan: &PointPlan, metrics: &[Metric], offered: f64) -> Losses {
    let mut parts = failures(metrics, |fault| CAPACITY_FAULTS.contains(&fault));
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
    Losses {
        share: sum / arriving.max(ended),
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

/// The model's objective, term by term.
pub fn objective(model: &Model, metrics: &[Metric]) -> Vec<Judgement> {
    model
        .objectives
        .iter()
        .map(|o| {
            let found = find(metrics, &o.subject, &o.figure);
            let (met, detail) = match found {
                None => (None, "not observed".to_owned()),
                Some(m) => match m.interval() {
                    None => (None, format!("{}, without interval", told(m))),
                    Some((low, high)) => (keeps_bound((low, high), o.below, o.bound), told(m)),
                },
            };
            Judgement {
                text: o.text.clone(),
                met,
                detail,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
