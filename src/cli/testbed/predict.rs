//! What the models say of a row.

use std::path::Path;

use super::super::trials::watched;
use super::{Problem, Repeats, Replay, Row, streams};
use crate::document::Value;
use crate::experiment::results::Point;
use crate::experiment::{Failure, Overrides, load_model};
use crate::model::workload::{Arrivals, Profile, WorkloadPlan};

/// The figures of all runs that are predicted one by one, else the figures that all repeats share.
pub fn predict_all(row: &Row, repeats: &Repeats, replications: u32) -> Result<Vec<[f64; 7]>, Problem> {
    if let Some(replay) = &row.replay {
        let folder =
            tempfile::tempdir().map_err(|why| Problem::Other(format!("no folder for replays: {why}")))?;
        let mut runs = Vec::new();
        for (i, seeds) in repeats.seeds.iter().enumerate() {
            let file = folder.path().join(format!("{i}.csv"));
            let set = replayed(row, replay, *seeds, &file)?;
            runs.push(predict(row, &set, replications)?);
        }
        return Ok(runs);
    }
    if row.repeats.is_empty() {
        return Ok(vec![predict(row, &[], replications)?]);
    }
    row.repeats
        .iter()
        .map(|set| predict(row, set, replications))
        .collect()
}

/// Writes a run's arrivals and draws to a file; comes back with what has the workload replay them.
fn replayed(
    row: &Row,
    replay: &Replay,
    (seed, draws): (u64, Option<u64>),
    file: &Path,
) -> Result<Vec<(String, Value)>, Problem> {
    let other = |why: String| Problem::Other(format!("row `{}`: {why}", row.name));
    let (rate, timeout) = offered(row)?;
    let end = row.duration as f64 * 1e-9;
    let arrivals = streams::arrivals(seed, &rate, end);
    let draws = match &replay.draws {
        None => None,
        Some(law) => {
            let seed = draws.ok_or_else(|| other("a run has no `service_seed`".into()))?;
            let list = streams::draws(seed, law, arrivals.len());
            Some(list.ok_or_else(|| other("its servlet draws from `exp` or `lognormal`".into()))?)
        }
    };
    let text = streams::csv(&arrivals, draws.as_deref());
    std::fs::write(file, text).map_err(|why| other(format!("writing {}: {why}", file.display())))?;
    let mut set = replay.set.clone();
    let mut workload = format!(
        "{{ executor = \"recorded\", file = {:?}",
        file.display().to_string()
    );
    if let Some(timeout) = timeout {
        workload.push_str(&format!(", timeout = \"{timeout}ns\""));
    }
    workload.push_str(" }");
    let value = Value::parse(&workload).map_err(|_| other("its workload cannot be replayed".into()))?;
    set.push(("workload.load".into(), value));
    Ok(set)
}

/// The row's workload with these settings.
fn workload(row: &Row, own: &[(String, Value)]) -> Result<Option<WorkloadPlan>, Problem> {
    let overrides = Overrides {
        set: row.set.iter().chain(own).cloned().collect(),
        ..Overrides::default()
    };
    let loaded = load_model(&row.model, &overrides);
    let Some(mut experiment) = loaded.experiment else {
        return Err(Problem::Files(loaded.sheets));
    };
    let model = experiment.points.first_mut().map(|p| &mut p.model);
    Ok(model.and_then(|m| m.workloads.iter().find(|w| w.name == "load").cloned()))
}

fn is_open(row: &Row, own: &[(String, Value)]) -> Result<bool, Problem> {
    Ok(workload(row, own)?.is_some_and(|w| !w.is_closed()))
}

/// The rate at which a row's workload sends, and its client's time-out.
fn offered(row: &Row) -> Result<(Profile, Option<u64>), Problem> {
    match workload(row, &[])?.map(|w| (w.arrivals, w.timeout)) {
        Some((Arrivals::Poisson(rate), timeout)) => Ok((rate, timeout)),
        _ => Err(Problem::Other(format!(
            "row `{}`: only a Poisson stream can be made again from its seeds",
            row.name
        ))),
    }
}

/// The model's figures in the units of the measurements; NaN where nothing was observed.
///
/// The generator of open streams counts a request by its intended start and waits for its answer: times and failures
/// are those of a run that goes on after the last arrival. Its throughput is what was completed until then.
fn predict(row: &Row, own: &[(String, Value)], replications: u32) -> Result<[f64; 7], Problem> {
    let figures = figures_of(row, own, row.duration, replications)?;
    if row.server || !is_open(row, own)? {
        return Ok(figures);
    }
    let mut own = own.to_vec();
    let until = Value::String(format!("{}ns", row.duration));
    own.push(("workload.load.duration".into(), until));
    let mut all = figures_of(row, &own, row.duration + DRAIN, replications)?;
    all[0] = figures[0];
    Ok(all)
}

/// Nanoseconds after which every request of an open row has ended: the longest time-out of the client.
const DRAIN: u64 = 20_000_000_000;

fn figures_of(
    row: &Row,
    own: &[(String, Value)],
    duration: u64,
    replications: u32,
) -> Result<[f64; 7], Problem> {
    let overrides = Overrides {
        duration: Some(duration),
        warm_up: Some(row.warm_up),
        replications: Some(replications),
        set: row.set.iter().chain(own).cloned().collect(),
        ..Overrides::default()
    };
    let loaded = load_model(&row.model, &overrides);
    let Some(experiment) = loaded.experiment else {
        return Err(Problem::Files(loaded.sheets));
    };
    let results = watched(&experiment).map_err(|why| match why {
        Failure::Bug(what) => Problem::Bug(what),
        Failure::Threads(why) => Problem::Other(format!("cannot start the threads: {why}")),
    })?;
    let point = results.points.first();
    Ok(point.map_or([f64::NAN; 7], |p| figures(row, p)))
}

fn figures(row: &Row, point: &Point) -> [f64; 7] {
    let get = |subject: &str, name: &str| point.metric(subject, name).map_or(f64::NAN, |m| m.mean);
    let time = |name: &str| {
        1e3 * match row.server {
            true => get("station.servlet", &format!("visit_time_{name}")),
            false => get("system", &format!("response_time_{name}")),
        }
    };
    let subject = if row.server { "station.servlet" } else { "system" };
    [
        get(subject, "throughput"),
        time("mean"),
        time("p50"),
        time("p95"),
        time("p99"),
        get("system", "failure_share"),
        get("connection-pool.db", "steal_share"),
    ]
}
