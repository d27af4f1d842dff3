//! One replication: a pure function of the point, the settings and the replication's number.

use std::path::Path;

use super::collect::unit;
use super::results::{SYSTEM, Unit};
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
/// Most looks at instances, one at each for every window: a second or two.
const MOST_LOOKS: usize = 20_000_000;

/// So many windows, or fewer, but not fewer than `least`, where the model has so many instances that looking at them
/// would take longer than the events.
fn windows(wanted: u32, least: u32, plan: &PointPlan) -> u32 {
    let instances = plan.model.layout.owner.len().max(1);
    let most = u32::try_from(MOST_LOOKS / instances).unwrap_or(u32::MAX);
    wanted.min(most.max(least))
}

fn pilot_windows(plan: &PointPlan) -> u32 {
    windows(PILOT_WINDOWS, 100, plan)
}

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
    options.windows = windows(options.windows, 20, plan);
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
    options.windows = pilot_windows(plan);
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
pub fn transient(pilots: &[Pilot], plan: &PointPlan) -> Option<u64> {
    let cut = |series: &dyn Fn(&Pilot) -> &Vec<f64>| -> Option<u64> {
        let length = pilots.iter().map(|p| series(p).len()).min().unwrap_or(0);
        let average: Vec<f64> = (0..length)
            .map(|i| pilots.iter().map(|p| series(p)[i]).sum::<f64>() / pilots.len() as f64)
            .collect();
        match mser5(&average) {
            Ok(Warmup::Found { observations }) => {
                let width = (plan.settings.duration / u64::from(pilot_windows(plan))).max(1);
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

/// A figure that a model reports.
#[derive(Clone, Debug)]
pub struct Known {
    pub subject: String,
    pub name: String,
    pub unit: Unit,
}

/// From so many instances on a dry run builds one of each.
const SLIM: usize = 1000;

/// The model with one replica of every service and nothing that happens to them. Figures carry the names of
/// components, not of replicas, so theirs are the same, and a million replicas are not built for that.
fn one_of_each(model: &Model, folder: Option<&Path>) -> Option<Model> {
    let mut document = model.document.clone();
    let root = document.root_mut();
    root.entries.retain(|e| e.key != "timeline");
    if let Some(Value::Table(services)) = root.get_mut("service").map(|i| &mut i.value) {
        for service in &mut services.entries {
            if let Value::Table(service) = &mut service.item.value
                && let Some(replicas) = service.get_mut("replicas")
            {
                replicas.value = Value::Integer(1);
            }
        }
    }
    if let Some(Value::Table(autoscalers)) = root.get_mut("autoscaler").map(|i| &mut i.value) {
        for autoscaler in &mut autoscalers.entries {
            if let Value::Table(autoscaler) = &mut autoscaler.item.value {
                autoscaler
                    .entries
                    .retain(|e| e.key != "min" && e.key != "initially");
            }
        }
    }
    model::from_document(&model.name, document, folder, &mut Sink::default())
}

/// Subjects, names and units of the figures that the point's model reports, from a run of one nanosecond. Data files are
/// looked for in `folder`.
pub fn dry_run(plan: &PointPlan, folder: Option<&Path>) -> Vec<Known> {
    let mut options = options(&plan.settings, 0, 0);
    options.duration = 1;
    options.windows = 1;
    let slim = match plan.model.layout.owner.len() {
        0..SLIM => None,
        _ => one_of_each(&plan.model, folder),
    };
    let Ok(seen) = engine::run(slim.as_ref().unwrap_or(&plan.model), &options) else {
        return Vec::new();
    };
    let mut figures = seen.figures;
    add_system(&mut figures);
    let known = |f: Figure| Known {
        unit: unit(f.unit),
        subject: f.subject,
        name: f.name,
    };
    figures.into_iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Overrides, load_model};

    /// A dry run of many replicas builds one of each, and names what a run of all of them names.
    #[test]
    fn one_replica_of_each_service_has_the_figures_of_many() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        for (file, service) in [
            ("case-a.toml", "api"),
            ("case-e.toml", "shop"),
            ("shop.toml", "order-api"),
            ("textbook/jsq.toml", "app"),
        ] {
            let many = Overrides {
                set: vec![(format!("service.{service}.replicas"), Value::Integer(3))],
                ..Overrides::default()
            };
            let loaded = load_model(&models.join(file), &many);
            let plan = &loaded.experiment.expect(file).points[0];
            let one = one_of_each(&plan.model, Some(&models)).expect(file);
            assert!(one.replicas < plan.model.replicas);
            let mut options = options(&plan.settings, 0, 0);
            (options.duration, options.windows) = (1, 1);
            let names = |model: &Model| {
                let seen = engine::run(model, &options).expect(file);
                let names = seen.figures.into_iter().map(|f| (f.subject, f.name));
                names.collect::<Vec<_>>()
            };
            assert_eq!(names(&one), names(&plan.model), "{file}");
        }
    }

    #[test]
    fn a_million_instances_have_fewer_windows() {
        let text = "[service.api]\nreplicas = REPLICAS\n[station.s]\nin = \"api\"\n[flow.f]\nat = \"api\"\n\
            steps = [{ use = \"s\", time = \"1ms\" }]\n\
            [workload.w]\nexecutor = \"poisson\"\nrate = \"1/s\"\nflow = \"f\"\n";
        let of = |replicas: &str, wanted, least| {
            let text = text.replace("REPLICAS", replicas);
            let loaded =
                crate::experiment::load_model_text(Path::new("m.toml"), &text, &Overrides::default());
            windows(wanted, least, &loaded.experiment.expect("a model").points[0])
        };
        assert_eq!((of("1000", 200, 20), of("1000", PILOT_WINDOWS, 100)), (200, 1000));
        assert_eq!(
            (of("1000000", 200, 20), of("1000000", PILOT_WINDOWS, 100)),
            (20, 100)
        );
    }
}
