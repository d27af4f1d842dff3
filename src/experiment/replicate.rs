//! One replication: a pure function of the point, the settings and the replication's number.

use std::path::Path;

use super::results::SYSTEM;
use super::{PointPlan, Settings};
use crate::diagnostic::Sink;
use crate::document::Value;
use crate::engine::observe::{Figure, Observations, Times};
use crate::engine::{self, Broken, Options};
use crate::model::{self, Model};
use crate::statistics::warmup::{Warmup, mser5};

/// Number of the first pilot replication; pilots count down from here and never meet a measured one.
const PILOT: u64 = u64::MAX;
/// Pilots whose average is looked at before the end of the transient counts as not found.
pub const PILOTS: u32 = 3;
/// Windows of a pilot: MSER-5 cuts in steps of half a per cent.
const PILOT_WINDOWS: u32 = 1000;

fn options(settings: &Settings, replication: u64, warm_up: u64) -> Options {
    Options {
        seed: settings.seed,
        replication,
        duration: settings.duration,
        warm_up,
        windows: settings.windows,
        coin: settings.coin,
        budget: settings.budget,
    }
}

/// Runs one measured replication.
///
/// # Errors
/// When an identity that must hold does not: a bug.
pub fn replicate(
    plan: &PointPlan,
    replication: u32,
    warm_up: u64,
    wall: Option<std::time::Duration>,
) -> Result<Observations, Broken> {
    let mut options = options(&plan.settings, u64::from(replication), warm_up);
    options.budget.wall = wall;
    let mut seen = engine::run(&plan.model, &options)?;
    if let Some(flow) = add_system(&mut seen.figures) {
        let of_flow = seen.samples.iter().filter(|s| s.subject == flow);
        let mut whole: Vec<Times> = of_flow.cloned().collect();
        for times in &mut whole {
            times.subject = SYSTEM.to_owned();
        }
        seen.samples.extend(whole);
    }
    Ok(seen)
}

/// What a pilot saw of the run over time.
pub struct Pilot {
    inside: Vec<f64>,
    response: Vec<f64>,
    pub events: u64,
    /// It was cut off by the wall clock.
    pub cut: bool,
}

/// Runs the pilot with this number, from nothing measured on.
///
/// # Errors
/// When an identity that must hold does not: a bug.
pub fn pilot(plan: &PointPlan, number: u32, wall: Option<std::time::Duration>) -> Result<Pilot, Broken> {
    let mut options = options(&plan.settings, PILOT - u64::from(number), 0);
    options.windows = PILOT_WINDOWS;
    options.budget.wall = wall;
    let seen = engine::run(&plan.model, &options)?;
    Ok(Pilot {
        inside: seen.inside,
        response: seen.response,
        events: seen.events,
        cut: seen.stopped == Some(engine::Stopped::Wall),
    })
}

/// The end of the transient in nanoseconds, if the average of the pilots shows one: the later of the cuts in the
/// number inside and in the response time.
pub fn transient(pilots: &[Pilot], settings: &Settings) -> Option<u64> {
    let cut = |series: &dyn Fn(&Pilot) -> &Vec<f64>| -> Option<u64> {
        let length = pilots.iter().map(|p| series(p).len()).min().unwrap_or(0);
        let average: Vec<f64> = (0..length)
            .map(|i| pilots.iter().map(|p| series(p)[i]).sum::<f64>() / pilots.len() as f64)
            .collect();
        match mser5(&average) {
            Ok(Warmup::Found { observations }) => {
                let width = (settings.duration / u64::from(PILOT_WINDOWS)).max(1);
                Some(observations as u64 * width)
            }
            _ => None,
        }
    };
    let inside = cut(&|p| &p.inside)?;
    // Windows in which nobody ended have no response time; then the number inside decides alone.
    Some(inside.max(cut(&|p| &p.response).unwrap_or(0)))
}

/// A single flow stands for the system as a whole; which one.
fn add_system(figures: &mut Vec<Figure>) -> Option<String> {
    if figures.iter().any(|f| f.subject == SYSTEM) {
        return None;
    }
    let flow = figures
        .iter()
        .map(|f| f.subject.clone())
        .find(|s| s.starts_with("flow."))?;
    let mut whole: Vec<Figure> = figures.iter().filter(|f| f.subject == flow).cloned().collect();
    for figure in &mut whole {
        figure.subject = SYSTEM.to_owned();
    }
    figures.splice(0..0, whole);
    Some(flow)
}

/// From so many instances on a dry run builds one of each.
const SLIM: usize = 1000;

/// The model with so many replicas of every service and nothing that happens to them. Figures carry the names of
/// components, not of replicas, so one of each names them all, and a million replicas are not built for that.
fn with_replicas(count: i64, model: &Model, folder: Option<&Path>) -> Option<Model> {
    let mut document = model.document.clone();
    let root = document.root_mut();
    root.entries.retain(|e| e.key != "timeline");
    if let Some(Value::Table(services)) = root.get_mut("service").map(|i| &mut i.value) {
        for service in &mut services.entries {
            if let Value::Table(service) = &mut service.item.value
                && let Some(replicas) = service.get_mut("replicas")
            {
                replicas.value = Value::Integer(count);
            }
        }
    }
    model::from_document(&model.name, document, folder, &mut Sink::default())
}

/// Subjects and names of the figures that the point's model reports, from a run of one nanosecond. Data files are
/// looked for in `folder`.
pub fn dry_run(plan: &PointPlan, folder: Option<&Path>) -> Vec<(String, String)> {
    let mut options = options(&plan.settings, 0, 0);
    options.duration = 1;
    options.windows = 1;
    let slim = match plan.model.layout.owner.len() {
        0..SLIM => None,
        _ => with_replicas(1, &plan.model, folder),
    };
    let Ok(seen) = engine::run(slim.as_ref().unwrap_or(&plan.model), &options) else {
        return Vec::new();
    };
    let mut figures = seen.figures;
    add_system(&mut figures);
    figures.into_iter().map(|f| (f.subject, f.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Overrides, load_model};

    /// A dry run of many replicas builds one of each, and names what a run of all of them names.
    #[test]
    fn one_replica_of_each_service_has_the_figures_of_many() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        for file in ["case-a.toml", "case-e.toml", "retry-storm.toml", "shop.toml"] {
            let loaded = load_model(&models.join(file), &Overrides::default());
            let plan = &loaded.experiment.expect(file).points[0];
            let with = |count| with_replicas(count, &plan.model, Some(&models)).expect(file);
            let mut options = options(&plan.settings, 0, 0);
            (options.duration, options.windows) = (1, 1);
            let names = |model: &Model| {
                let seen = engine::run(model, &options).expect(file);
                let names = seen.figures.into_iter().map(|f| (f.subject, f.name));
                names.collect::<Vec<_>>()
            };
            let (one, three) = (with(1), with(3));
            assert!(one.replicas < three.replicas);
            assert_eq!(names(&one), names(&three), "{file}");
        }
    }
}
