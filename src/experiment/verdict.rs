//! What the figures of a point say: how it bears its load, what gives way first, whether the objective is met.

mod busiest;
mod growth;
mod losses;
mod occupied;

use super::PointPlan;
use super::collect::{Collected, Cut};
use super::estimate::{keeps_bound, told, value};
use super::recovery::recovered;
use super::results::{Judgement, Metric, SYSTEM, Unit, Verdict};
use crate::model::Model;
use crate::model::workload::Arrivals;
use crate::quantity::SimDuration;
use crate::statistics::recovery::{Recovery, State};
use crate::statistics::trend::{Growth, NEAR_CRITICAL};
use busiest::{Busiest, busiest};
use growth::Grown;
use losses::{Losses, OVERLOADED_LOSS, losses, otherwise_failing};

/// Growth below this share of what arrives is no overload, however significant.
const GROWTH_THAT_MATTERS: f64 = 0.001;
/// Other failures from which the figures say little of capacity.
const FAILING: f64 = 0.5;
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
            losses: losses(plan, seen, metrics),
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
        if let Some((since, inside)) =
            growth::stalled(self.plan, self.seen, self.metrics).filter(|_| is_closed(self.plan))
        {
            let text = format!(
                "nobody is answered any more from {} on, and {} wait for ever",
                value(Unit::Seconds, since),
                value(Unit::Count, inside)
            );
            return (Verdict::Overloaded, text);
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
        if let Some(text) = self.some_run_away() {
            return (Verdict::NearCritical, text);
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
                "; the busiest is {} at {}{}{}",
                b.subject,
                percent(b.utilisation),
                b.of_what(),
                b.when()
            ),
            None => String::new(),
        };
        (Verdict::Stable, format!("{}{room}", self.arrive_and_leave()))
    }

    /// Replications that do not come back, where most do.
    fn some_run_away(&self) -> Option<String> {
        let (of, n, slope) = self.grown?.alone?;
        (slope >= OVERLOADED_LOSS * self.offered).then(|| {
            format!(
                "in {n} of {of} replications the number inside grows by {} and does not come back, in the others it does not grow",
                rate(slope)
            )
        })
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
                "{}, but {} is at {busy}{}{when}",
                self.arrive_and_leave(),
                b.subject,
                b.of_what()
            );
        }
        let (subject, what) = (&b.subject, b.of_what());
        format!(
            "{subject} is busy for {busy} of the time{what}{when}: more users would wait longer and get no more done"
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

/// The most users that there are at one time, of all workloads together.
fn users(plan: &PointPlan) -> f64 {
    let peak = |w: &crate::model::workload::WorkloadPlan| match &w.arrivals {
        Arrivals::Users(profile) => profile.peak(),
        _ => 0.0,
    };
    plan.model.workloads.iter().map(peak).sum()
}

fn rate(v: f64) -> String {
    value(Unit::PerSecond, v)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Whether the number inside grows; `None` where that says nothing: users wait for one another's answers, nothing is left
/// behind, and no more is inside than there are users.
fn growth_of(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Option<Grown> {
    if is_closed(plan) && !growth::leaves_behind(metrics) && growth::inside_at_end(seen) <= users(plan) {
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
    let (slope, came, gone) = (grown.slope, grown.offered, grown.carried);
    if gone >= came - 0.5 * slope {
        return format!(
            "work that nobody waits for grows by {}{since}: {} arrive, {} are answered",
            rate(slope),
            rate(came),
            rate(gone)
        );
    }
    format!(
        "the number inside grows by {}{since}: {} arrive, {} are carried",
        rate(slope),
        rate(came),
        rate(gone)
    )
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
