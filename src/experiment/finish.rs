//! From what the replications of a point saw to the point of the results, and from all points to the whole.

use std::fmt::Write;

use super::collect::Collected;
use super::doubt::doubts;
use super::expectation::{self, Kept, Outcome};
use super::results::{Finding, Metric, Point, Results, SCHEMA, Series, SeriesColumn, Unit, Verdict, Weight};
use super::{Experiment, PointPlan, WarmUp, estimate, theory, unanswered, verdict};
use crate::model::workload::Arrivals;

/// What an experiment gave.
#[derive(Debug)]
pub struct Done {
    pub results: Results,
    pub outcomes: Vec<Outcome>,
    /// Points that an earlier run had finished.
    pub resumed: usize,
    /// Visits of each component over all replications that were gathered.
    pub visits: Vec<(String, u64)>,
    pub events: u64,
    /// Simulated seconds in all replications.
    pub simulated: f64,
    /// Most requests in flight in any replication, and the bytes they took.
    pub peak: (usize, usize),
}

impl Done {
    /// Whether every expectation and every wished precision is met.
    pub fn met(&self) -> bool {
        self.outcomes.iter().all(|o| o.met) && self.results.points.iter().all(|p| p.converged)
    }
}

/// The key under which a finished point is stored: it covers everything that decides the figures.
pub fn key(plan: &PointPlan) -> String {
    let s = &plan.settings;
    let m = &plan.model;
    let told = (
        s.duration,
        &s.warm_up,
        s.replications,
        s.seed,
        &s.precision,
        s.windows,
        s.coin,
        s.confidence,
    );
    let limits = (s.budget.events, s.budget.memory);
    let mut hasher = blake3::Hasher::new();
    // The laws are part of it because the data files that they were read from are not in the document.
    let mut arrivals = Vec::new();
    for w in &m.workloads {
        if let Arrivals::Recorded(times) = &w.arrivals {
            for t in times.iter() {
                hasher.update(&t.to_bits().to_le_bytes());
            }
            hasher.update(&[0xff]);
        } else {
            arrivals.push(&w.arrivals);
        }
    }
    for part in [
        format_args!("{}", env!("CARGO_PKG_VERSION")),
        format_args!("{}", m.document.canonical()),
        format_args!(
            "{told:?} {limits:?} {:?} {arrivals:?} {:?}",
            m.sites, m.components
        ),
        format_args!("{}", m.program.listing()),
    ] {
        // Recorded arrivals may be many: they are hashed as they are written out. The zero ends the part.
        let _ = write!(Hashing(&mut hasher), "{part}\0");
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// What autoscalers did.
fn replicas_kept(plan: &PointPlan, seen: &Collected, metrics: &[Metric]) -> Vec<String> {
    let most = |subject: &str| {
        let found = seen
            .figures
            .iter()
            .find(|f| f.subject == subject && f.name == "replicas_max");
        let most = found.map_or(f64::NAN, |f| f.observed().into_iter().fold(f64::NAN, f64::max));
        estimate::value(Unit::Count, most)
    };
    let figure = |subject: &str, name: &str| {
        let found = metrics.iter().find(|m| m.subject == subject && m.name == name);
        found.map_or("?".to_owned(), |m| estimate::value(m.unit, m.mean))
    };
    let autoscalers = plan.model.components.iter().filter(|e| e.kind == "autoscaler");
    autoscalers
        .map(|e| {
            let subject = e.subject();
            format!(
                "{subject} kept {} replicas on average, at most {}, at the end {}.",
                figure(&subject, "replicas_mean"),
                most(&subject),
                figure(&subject, "replicas_end")
            )
        })
        .collect()
}

struct Hashing<'a>(&'a mut blake3::Hasher);

impl Write for Hashing<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// A finished point with what the summary needs beside it.
pub(super) struct Finished {
    pub point: Point,
    pub kept: Vec<Kept>,
    pub visits: Vec<(String, u64)>,
    pub events: u64,
    pub simulated: f64,
    pub peak: (usize, usize),
}

/// The point with its figures, from what its replications saw.
pub(super) fn finish(plan: &PointPlan, seen: Collected, kept: &[(String, String)]) -> Finished {
    let settings = &plan.settings;
    let mut metrics = estimate::metrics(&seen, settings.confidence);
    let found = verdict::Findings::of(plan, &seen, &metrics);
    let ((verdict, reason), bottleneck) = (found.verdict(), found.bottleneck());
    let mut notes = Vec::new();
    if settings.warm_up == WarmUp::Nothing {
        notes.push(
            "The load or the system changes by plan, so everything from the start is measured.".to_owned(),
        );
    }
    if seen.transient_lasts {
        notes.push("No end of the transient was found (MSER-5); a tenth of the run was cut off.".to_owned());
    }
    if seen.cut > 0 {
        notes.push(format!(
            "A limit ended {} of {} replications early.",
            seen.cut, seen.replications
        ));
    }
    if seen.cut_by.is_none() && seen.replications < settings.replications {
        notes.push(format!(
            "Stopped after {} of {} replications.",
            seen.replications, settings.replications
        ));
    }
    if let Some(goal) = settings.precision.as_ref().filter(|_| !seen.converged) {
        notes.push(format!(
            "Not converged: {} is not within {} after {} replications.",
            goal.name,
            estimate::value(Unit::Share, goal.within),
            seen.replications
        ));
    }
    notes.extend(replicas_kept(plan, &seen, &metrics));
    let doubts = doubts(plan, &seen, &metrics);
    let settled = doubts.is_empty();
    if verdict != Verdict::Overloaded {
        notes.extend(doubts);
    }
    if let Err(why) = theory::add(&plan.model, &mut metrics) {
        notes.push(format!("{}: {why}.", theory::NO_CLOSED_FORM));
    }
    let kept = kept
        .iter()
        .filter_map(|figure| {
            let found = seen
                .figures
                .iter()
                .find(|f| f.subject == figure.0 && f.name == figure.1)?;
            Some((figure.clone(), found.values.0.clone()))
        })
        .collect();
    let mut objective = verdict::objective(&plan.model, &metrics);
    unanswered::tell(&plan.model, &metrics, &mut objective);
    let warm_up_s = seen.warm_up as f64 * 1e-9;
    let point = Point {
        index: plan.index,
        coordinates: plan.coordinates.clone(),
        metrics,
        verdict,
        verdict_reason: reason,
        bottleneck,
        notes,
        converged: seen.converged,
        settled,
        series: Series {
            times_s: seen.times.0,
            columns: seen
                .columns
                .into_iter()
                .map(|c| SeriesColumn {
                    subject: c.subject,
                    name: c.name,
                    unit: c.unit,
                    values: c.values.0,
                })
                .collect(),
        },
        objective,
        events: seen.events,
        warm_up_s,
        duration_s: seen.shortest.0 - warm_up_s,
    };
    Finished {
        point,
        kept,
        visits: seen.visits,
        events: seen.events,
        simulated: seen.simulated.0,
        peak: (seen.peak_requests, seen.peak_bytes),
    }
}

pub(super) fn summary(experiment: &Experiment, finished: Vec<Finished>, whole: bool, resumed: usize) -> Done {
    let points = experiment.points.len();
    let complete = whole && finished.len() == points;
    let settings = experiment.points.first().map(|p| &p.settings);
    let confidence = settings.map_or(super::DEFAULT_CONFIDENCE, |s| s.confidence);
    let pairs: Vec<(&Point, &[Kept])> = finished.iter().map(|f| (&f.point, f.kept.as_slice())).collect();
    let outcomes: Vec<Outcome> = experiment
        .expectations
        .iter()
        .map(|e| expectation::judge(e, &pairs, &experiment.axes, confidence))
        .collect();
    let mut findings: Vec<Finding> = outcomes
        .iter()
        .map(|o| Finding {
            weight: if o.met { Weight::Note } else { Weight::Serious },
            text: o.text.clone(),
        })
        .collect();
    if !complete {
        findings.push(Finding {
            weight: Weight::Warning,
            text: match whole {
                true => format!(
                    "Stopped after {} of {points} points; the same command goes on from there.",
                    finished.len()
                ),
                false => {
                    "Stopped before the first point was finished; the same command begins anew.".to_owned()
                }
            },
        });
    }
    let mut visits: Vec<(String, u64)> = Vec::new();
    let (mut events, mut simulated, mut peak) = (0, 0.0, (0, 0));
    let mut list = Vec::with_capacity(finished.len());
    for f in finished {
        events += f.events;
        simulated += f.simulated;
        peak = (peak.0.max(f.peak.0), peak.1.max(f.peak.1));
        for (name, n) in f.visits {
            match visits.iter_mut().find(|v| v.0 == name) {
                Some(v) => v.1 += n,
                None => visits.push((name, n)),
            }
        }
        list.push(f.point);
    }
    let results = Results {
        schema: SCHEMA,
        title: experiment.title.clone(),
        name: experiment.name.clone(),
        about: experiment.about.clone(),
        kind: experiment.kind,
        seed: settings.map_or(super::DEFAULT_SEED, |s| s.seed),
        replications: settings.map_or(super::DEFAULT_REPLICATIONS, |s| s.replications),
        confidence,
        axes: experiment.axes.clone(),
        points: list,
        curve: experiment.curve.clone(),
        findings,
        complete,
    };
    Done {
        results,
        outcomes,
        resumed,
        visits,
        events,
        simulated,
        peak,
    }
}
