//! The same model with many seeds: how often the intervals hold the exact value, and how often each verdict is said.
//!
//! Every trial is what `plimsoll run` does with the model and that seed, from an empty start: pilots, warm-up,
//! replications, intervals, verdict.

pub mod coverage;
pub mod systems;
pub mod textbook;
pub mod verdicts;

use std::path::Path;

use super::results::Point;
use super::{Control, Failure, Overrides, PointPlan, carry_out, load_model_text};
use crate::diagnostic::render;

/// Trials carried out together; their series are let go afterwards.
const TOGETHER: u32 = 50;

/// Why a trial could not be carried out.
#[derive(Debug)]
pub enum Fallen {
    /// The model's text is wrong; the messages.
    Model(String),
    Run(Failure),
}

/// Runs the model with the seeds 1 to `trials` and hands each point to `see`, in the order of the seeds. Less than
/// `trials` points come if the control stops the work.
///
/// # Errors
/// When the text is no model, threads cannot be started, or an identity is broken that only a bug can break.
pub fn repeat(
    name: &str,
    source: &str,
    overrides: &Overrides,
    trials: u32,
    control: &Control,
    mut see: impl FnMut(&Point),
) -> Result<(), Fallen> {
    let path = format!("{name}.toml");
    let loaded = load_model_text(Path::new(&path), source, overrides);
    let Some(mut experiment) = loaded.experiment else {
        let said = loaded.sheets.iter();
        let said = said.map(|s| render(&s.diagnostics, &s.path, &s.source, false));
        return Err(Fallen::Model(said.collect()));
    };
    let Some(plan) = experiment.points.pop() else {
        return Err(Fallen::Model("the model has no point\n".to_owned()));
    };
    let mut first = 0;
    while first < trials {
        let last = trials.min(first + TOGETHER);
        experiment.points = (first..last).map(|i| with_seed(&plan, first, i)).collect();
        let done = carry_out(&experiment, control).map_err(Fallen::Run)?;
        done.results.points.iter().for_each(&mut see);
        if !done.results.complete {
            break;
        }
        first = last;
    }
    Ok(())
}

fn with_seed(plan: &PointPlan, first: u32, i: u32) -> PointPlan {
    let mut settings = plan.settings.clone();
    settings.seed = u64::from(i) + 1;
    PointPlan {
        index: (i - first) as usize,
        coordinates: Vec::new(),
        label: String::new(),
        model: plan.model.clone(),
        settings,
    }
}
