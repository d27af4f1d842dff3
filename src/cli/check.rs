//! `check`: what can be said about a model or an experiment without simulating anything.

use super::exit::Exit;
use super::{CheckArgs, complain, print};
use crate::diagnostic::{Diagnostic, Sink};
use crate::document::{self, Value};
use crate::experiment::{
    Commanded, Experiment, Input, Loaded, Overrides, Said, Sheet, apart, is_experiment, load_model,
    load_model_text, load_text,
};
use crate::model::arithmetic::arithmetic;
use crate::output::table::{cells, padded};
use crate::quantity::SimDuration;

pub fn check(args: &CheckArgs) -> Exit {
    let (loaded, experiment) = either(args);
    complain(&loaded.sheets);
    let Some(found) = loaded.experiment else {
        return Exit::Impossible;
    };
    let mut text = format!("{}: {}\n", args.file.display(), told(&found, experiment));
    if !experiment && let Some(point) = found.points.first() {
        let sums = arithmetic(&point.model);
        let told = apart(sums.warnings.clone(), point.model.document.source.len());
        complain(&[sheet(args, &point.model.document.source, &told.model)]);
        complain(&Vec::from_iter(Commanded::of(&args.set).sheet(told.command)));
        text.push('\n');
        text.push_str(&sums.table(&point.model));
    }
    if experiment {
        // The line of each point tells of overload.
        complain(&of_points(&found, &args.set, |warning| warning.id != "overload"));
        text.push_str(&each_point(&found));
    }
    if args.listing {
        for point in &found.points {
            text.push('\n');
            if !point.label.is_empty() {
                text.push_str(&format!("at {}\n", point.label));
            }
            text.push_str(&point.model.program.listing());
        }
    }
    print(&text);
    Exit::Done
}

/// Reads a model or an experiment; whether it is an experiment.
pub(super) fn either(args: &CheckArgs) -> (Loaded, bool) {
    let file = &args.file;
    let overrides = &Overrides {
        set: args.set.clone(),
        ..Overrides::default()
    };
    // Read once: what comes through a pipe is gone afterwards.
    let source = document::read_text(file, document::MOST_TEXT);
    let experiment = source.as_ref().is_ok_and(|source| {
        let document = document::parse(source, &mut Sink::default());
        document.as_ref().is_some_and(is_experiment)
    });
    let loaded = match source {
        Ok(source) if experiment => load_text(file, &source, overrides),
        Ok(source) => load_model_text(file, &source, overrides),
        Err(_) => load_model(file, overrides),
    };
    (loaded, experiment)
}

/// Points of an experiment whose sums are done.
const MOST: usize = 60;

/// What arithmetic warns of at the points of an experiment, each once, with the points: of each place in the file in
/// which it lies.
pub(super) fn of_points(
    found: &Experiment,
    commanded: &[(String, Value)],
    wanted: impl Fn(&Diagnostic) -> bool,
) -> Vec<Sheet> {
    let [own, model, ..] = found.inputs.as_slice() else {
        return Vec::new();
    };
    let shown = &found.points[..found.points.len().min(MOST)];
    let mut said = Said::default();
    for point in shown {
        let mut sink = Sink::default();
        let warnings = arithmetic(&point.model).warnings.into_iter();
        warnings.filter(&wanted).for_each(|warning| sink.push(warning));
        said.note(sink, &point.label);
    }
    let told = apart(said.finish(shown.len()), model.content.len());
    let sheets = [(model, told.model), (own, told.experiment)].into_iter();
    let sheets = sheets.filter(|(_, diagnostics)| !diagnostics.is_empty());
    let sheet = |(input, diagnostics): (&Input, Vec<Diagnostic>)| Sheet {
        path: input.path.display().to_string(),
        source: String::from_utf8_lossy(&input.content).into_owned(),
        diagnostics,
    };
    let command = Commanded::of(commanded).sheet(told.command);
    sheets.map(sheet).chain(command).collect()
}

/// A line of arithmetic for each point of an experiment.
fn each_point(found: &Experiment) -> String {
    let mut text = String::from("\nWhat arithmetic says; waiting is not counted\n\n");
    let shown = &found.points[..found.points.len().min(MOST)];
    let wide = shown.iter().map(|p| cells(&p.label)).max().unwrap_or(0);
    for point in shown {
        let says = arithmetic(&point.model).headline(&point.model);
        text.push_str(&format!("{}  {says}\n", padded(&point.label, wide)));
    }
    if shown.len() < found.points.len() {
        text.push_str(&format!("and {} points more\n", found.points.len() - shown.len()));
    }
    text
}

fn sheet(args: &CheckArgs, source: &str, warnings: &[Diagnostic]) -> Sheet {
    Sheet {
        path: args.file.display().to_string(),
        source: source.to_owned(),
        diagnostics: warnings.to_vec(),
    }
}

fn told(found: &Experiment, experiment: bool) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let Some(point) = found.points.first() else {
        return "nothing to run".to_owned();
    };
    let durations = || found.points.iter().map(|point| point.settings.duration);
    let shortest = durations().min().unwrap_or_default();
    let longest = durations().max().unwrap_or_default();
    let long = SimDuration::from_nanos;
    let length = format!(
        "{} of {}",
        count(point.settings.replications as usize, "replication"),
        match shortest == longest {
            true => long(longest).to_string(),
            false => format!("{} to {}", long(shortest), long(longest)),
        }
    );
    if experiment {
        return format!("fine: {}, {length}", count(found.points.len(), "point"));
    }
    let m = &point.model;
    format!(
        "fine: {}, {}, {}; {length}",
        count(m.components.len(), "component"),
        count(m.flows.len(), "flow"),
        count(m.workloads.len(), "workload")
    )
}
