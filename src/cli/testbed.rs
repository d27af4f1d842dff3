//! `validate testbed`: what was measured on a real stack against what the models predict, as a section of a page and
//! as a picture.
//!
//! The rows stand in a TOML file, each with its model, the settings of that configuration, and the line of the
//! tolerance table that it belongs to; the measurements in a CSV file, one line a run:
//!
//! ```toml
//! measured = "../models/testbed/measured.csv"
//! [[row]]
//! name = "E1.3"
//! what = "20 clients, pool 5"
//! model = "../models/testbed/db.toml"
//! class = "closed"
//! seen = "server"                 # server: servlet entry to exit; client: from the intended start
//! duration = "25s"
//! warm-up = "5s"
//! set = { connection-pool = ... } # paths of the model and their values
//! ```
//!
//! Runs that differ in more than their seeds are predicted one by one. `repeats = [{..}, {..}]` sets what is each run's own, as
//! its collector's log. `replay = { draws = "exp(50ms)", set = {..} }` makes the run's arrivals and draws again from
//! the seeds in the measurements and has the workload replay them; `set` says which law takes `recorded(service_ms, 1ms)`.

mod drawing;
mod page;
mod predict;
mod streams;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::{ValidateArgs, complain, fail, print, say};
use crate::diagnostic::Sink;
use crate::distribution::{Law, LawUnit};
use crate::document::{self, Form, Key, Reader, Table, Value, key};
use crate::experiment::Sheet;
use page::page;
use predict::predict_all;

const FILE_KEYS: &[Key] = &[
    key(
        "measured",
        Form::Text,
        None,
        "the CSV file with the measurements, relative to this one",
    ),
    key("row", Form::List, None, "measured configurations"),
];
const ROW_KEYS: &[Key] = &[
    key("name", Form::Text, None, "as the measurements call it"),
    key("what", Form::Text, None, "the configuration in words"),
    key(
        "model",
        Form::Text,
        None,
        "the model's file, relative to this one",
    ),
    key(
        "class",
        Form::Choice(&CLASS_NAMES),
        None,
        "the line of the tolerance table",
    ),
    key(
        "seen",
        Form::Choice(&["server", "client"]),
        None,
        "where response times were taken",
    ),
    key(
        "duration",
        Form::Duration,
        None,
        "length of a run, warm-up included",
    ),
    key("warm-up", Form::Duration, None, "what of it is not measured"),
    key("set", Form::Table, None, "paths of the model and their values"),
    key("repeats", Form::List, None, "the same for each repeat"),
    key(
        "replay",
        Form::Table,
        None,
        "makes each repeat's arrivals and draws again from its seeds",
    ),
];
const REPLAY_KEYS: &[Key] = &[
    key(
        "draws",
        Form::Law,
        None,
        "the law of the servlet's draws; none for fixed times",
    ),
    key("set", Form::Table, None, "paths of the model and their values"),
];

/// Replications where nobody says: their mean is compared with the mean of the repeats.
const REPLICATIONS: u32 = 20;

/// What is compared: name, unit, and the column of the measurements.
const METRICS: [(&str, &str); 7] = [
    ("throughput", "/s"),
    ("mean", "ms"),
    ("p50", "ms"),
    ("p95", "ms"),
    ("p99", "ms"),
    ("failed", "%"),
    ("claimed", "%"),
];
const COLUMNS: [&str; 7] = [
    "throughput",
    "mean_ms",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "failed",
    "claimed",
];
const FAILED: usize = 5;
const CLAIMED: usize = 6;
/// More failures than this are a stall.
const STALLED: f64 = 0.3;

/// Rows that are judged alike: the largest error of each metric in per cent; without one it is only reported.
struct Class {
    title: &'static str,
    most: [Option<f64>; 7],
}

const CLASS_NAMES: [&str; 10] = [
    "free",
    "open",
    "closed",
    "crowded",
    "replay",
    "overload",
    "threads",
    "collected",
    "nested",
    "probe",
];

fn class(name: &str) -> Class {
    let (title, most): (_, &[f64]) = match name {
        "free" => ("nobody waits for the pool", &[3., 4., 4., 5., 10.]),
        "open" => ("open, up to 0.83 of capacity", &[3., 4., 4., 5., 10.]),
        "closed" => ("closed, clients ≤ 4 × pool", &[3., 4., 4., 15., 25.]),
        "crowded" => ("closed, clients > 4 × pool", &[3., 4., 4., 20., 30.]),
        "replay" => ("open, above 0.9 of capacity", &[3., 10., 0., 10.]),
        "overload" => (
            "open, overloaded, connection time-out",
            &[3., 10., 25., 10., 25., 25.],
        ),
        "threads" => ("open, above 0.9 of the threads' capacity", &[3., 10., 0., 10.]),
        "collected" => ("collections, each run with its own log", &[0., 0., 0., 0., 20.]),
        "nested" => ("nested connections", &[5., 4., 4., 15., 25.]),
        _ => ("probes: the wake-up latency was fitted to `claimed`", &[]),
    };
    let most = std::array::from_fn(|i| most.get(i).copied().filter(|t| *t > 0.0));
    Class { title, most }
}

/// A measured configuration.
pub(super) struct Row {
    name: String,
    what: String,
    model: PathBuf,
    class: String,
    server: bool,
    duration: u64,
    warm_up: u64,
    set: Vec<(String, Value)>,
    /// What is each repeat's own.
    repeats: Vec<Vec<(String, Value)>>,
    replay: Option<Replay>,
}

/// Arrivals and draws are those of the run.
struct Replay {
    draws: Option<Law>,
    set: Vec<(String, Value)>,
}

/// One configuration's repeats.
#[derive(Default)]
pub(super) struct Repeats {
    /// For each metric the values that were taken.
    values: [Vec<f64>; 7],
    /// Of arrivals and of draws, where they are stated.
    seeds: Vec<(u64, Option<u64>)>,
}

/// One line of the table.
struct Line {
    row: usize,
    metric: usize,
    /// Repeats, their mean, and their standard deviation as a share of it.
    repeats: usize,
    measured: f64,
    spread: Option<f64>,
    predicted: f64,
    most: Option<f64>,
    /// Errors of single runs that were predicted one by one, per cent.
    runs: Vec<f64>,
    /// Whether nested pools stall in both worlds or in none; then nothing else counts.
    stalls: Option<(bool, bool)>,
}

impl Line {
    /// Per cent.
    fn error(&self) -> f64 {
        (self.predicted / self.measured - 1.0) * 100.0
    }

    fn ok(&self) -> Option<bool> {
        if let Some((measured, predicted)) = self.stalls {
            return Some(measured == predicted);
        }
        self.most.map(|most| self.error().abs() <= most)
    }
}

/// Runs every row and writes the section and the picture.
pub fn validate(args: &ValidateArgs, file: &Path) -> Exit {
    match carry(args, file) {
        Ok(()) => Exit::Done,
        Err(Problem::Files(sheets)) => {
            complain(&sheets);
            Exit::Impossible
        }
        Err(Problem::Other(why)) => {
            fail(&why);
            Exit::Impossible
        }
        Err(Problem::Bug(what)) => {
            fail(&format!("a bug in plimsoll: {what}"));
            Exit::Bug
        }
    }
}

enum Problem {
    Files(Vec<Sheet>),
    Other(String),
    Bug(String),
}

fn carry(args: &ValidateArgs, file: &Path) -> Result<(), Problem> {
    let source = document::read_text(file, document::MOST_TEXT)
        .map_err(|why| Problem::Other(format!("cannot read the rows `{}`: {why}", file.display())))?;
    let mut sink = Sink::default();
    let folder = file.parent().unwrap_or(Path::new(""));
    let found = read(&source, folder, &mut sink).filter(|_| !sink.has_errors());
    let Some((rows, csv)) = found else {
        return Err(Problem::Files(vec![Sheet {
            path: file.display().to_string(),
            source,
            diagnostics: sink.into_vec(),
        }]));
    };
    let measured = measurements(&csv).map_err(Problem::Other)?;
    let mut lines = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let Some(repeats) = measured.get(&row.name) else {
            let why = format!("{} has no measurement of row `{}`", csv.display(), row.name);
            return Err(Problem::Other(why));
        };
        say(&format!("{} {}\n", row.name, row.what));
        let predicted = predict_all(row, repeats, args.replications.unwrap_or(REPLICATIONS))?;
        compare(i, row, &repeats.values, &predicted, &mut lines);
    }
    let picture = args.out.with_file_name("testbed.svg");
    let page = page(&rows, &lines);
    print(&page);
    super::page::put(&args.out, "testbed", page.trim_end()).map_err(Problem::Other)?;
    std::fs::write(&picture, drawing::svg(&rows, &lines))
        .map_err(|why| Problem::Other(format!("cannot write `{}`: {why}", picture.display())))?;
    say(&format!(
        "written to {} and {}\n",
        args.out.display(),
        picture.display()
    ));
    Ok(())
}

pub(super) fn read(source: &str, folder: &Path, sink: &mut Sink) -> Option<(Vec<Row>, PathBuf)> {
    let document = document::parse(source, sink)?;
    let mut reader = Reader::new("the testbed's rows".into(), document.root(), FILE_KEYS, sink);
    let measured = reader.required_text("measured");
    let list = reader.list("row").unwrap_or_default().to_vec();
    let mut rows = Vec::new();
    for item in &list {
        let table = item.table("a row", sink)?;
        rows.extend(row(table, folder, sink));
    }
    Some((rows, folder.join(measured?)))
}

fn row(table: &Table, folder: &Path, sink: &mut Sink) -> Option<Row> {
    let mut reader = Reader::new("a row".into(), table, ROW_KEYS, sink);
    let (name, what) = (reader.required_text("name"), reader.required_text("what"));
    let model = reader.required_text("model");
    let (class, seen) = (reader.required_choice("class"), reader.required_choice("seen"));
    let (duration, warm_up) = (reader.duration("duration"), reader.duration("warm-up"));
    let set = reader.table("set");
    let repeats = reader.list("repeats").unwrap_or_default().to_vec();
    let replay = match reader.table("replay") {
        Some(table) => Some(replay(table, reader.sink())?),
        None => None,
    };
    let mut each = Vec::new();
    for item in &repeats {
        each.push(entries(Some(item.table("a repeat", reader.sink())?)));
    }
    Some(Row {
        name: name?,
        what: what?,
        model: folder.join(model?),
        class: class?.to_owned(),
        server: seen? == "server",
        duration: duration?.nanos(),
        warm_up: warm_up?.nanos(),
        set: entries(set),
        repeats: each,
        replay,
    })
}

fn replay(table: &Table, sink: &mut Sink) -> Option<Replay> {
    let mut reader = Reader::new("a replay".into(), table, REPLAY_KEYS, sink);
    let draws = match reader.has("draws") {
        false => None,
        true => {
            let text = reader.law("draws")?;
            let mut none = |_: &str| Err("the servlet draws from no file".to_owned());
            match Law::parse(&text.value, LawUnit::Duration, &mut none) {
                Ok(law) => Some(law),
                Err(why) => {
                    reader.sink().error(text.span, "bad-law", why);
                    return None;
                }
            }
        }
    };
    let set = entries(reader.table("set"));
    Some(Replay { draws, set })
}

/// Paths and values.
fn entries(table: Option<&Table>) -> Vec<(String, Value)> {
    let list = table.map_or(&[][..], |t| &t.entries);
    list.iter()
        .map(|e| (e.key.clone(), e.item.value.clone()))
        .collect()
}

pub(super) fn measurements(path: &Path) -> Result<BTreeMap<String, Repeats>, String> {
    let wrong = |why: String| format!("reading the measurements `{}`: {why}", path.display());
    let mut csv = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_path(path)
        .map_err(|why| wrong(why.to_string()))?;
    let heads = csv.headers().map_err(|why| wrong(why.to_string()))?.clone();
    let place = |name: &str| {
        let found = heads.iter().position(|h| h == name);
        found.ok_or_else(|| wrong(format!("there is no column `{name}`")))
    };
    let name = place("row")?;
    let mut places = [0; 7];
    for (at, column) in places.iter_mut().zip(COLUMNS) {
        *at = place(column)?;
    }
    let seeds = [place("arrival_seed")?, place("service_seed")?];
    let mut rows: BTreeMap<String, Repeats> = BTreeMap::new();
    for record in csv.records() {
        let record = record.map_err(|why| wrong(why.to_string()))?;
        let repeats = rows.entry(record[name].to_owned()).or_default();
        let [arrivals, draws] = seeds.map(|at| record[at].trim().parse::<u64>().ok());
        repeats.seeds.extend(arrivals.map(|a| (a, draws)));
        for (values, at) in repeats.values.iter_mut().zip(places) {
            match record[at].trim() {
                "" => {}
                text => match text.parse::<f64>() {
                    Ok(v) if v.is_finite() => values.push(v),
                    _ => return Err(wrong(format!("`{text}` is no number"))),
                },
            }
        }
    }
    Ok(rows)
}

fn compare(i: usize, row: &Row, repeats: &[Vec<f64>; 7], runs: &[[f64; 7]], lines: &mut Vec<Line>) {
    let class = class(&row.class);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let predicted: [f64; 7] = std::array::from_fn(|m| mean(&runs.iter().map(|r| r[m]).collect::<Vec<_>>()));
    let nested = row.class == "nested";
    let stalls = [mean(&repeats[FAILED]), predicted[FAILED]].map(|share| share > STALLED);
    for (metric, values) in repeats.iter().enumerate() {
        if values.is_empty() || !predicted[metric].is_finite() {
            continue;
        }
        let measured = mean(values);
        let nothing = measured == 0.0 && predicted[metric] == 0.0;
        if nothing && !(nested && metric == FAILED) || metric == FAILED && measured < 1e-3 && !nested {
            continue;
        }
        let scale = if metric >= FAILED { 100.0 } else { 1.0 };
        let n = values.len();
        let variance = values.iter().map(|v| (v - measured).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
        let judged = !(nested && (stalls[0] || stalls[1]));
        lines.push(Line {
            row: i,
            metric,
            repeats: n,
            measured: measured * scale,
            spread: (n > 1 && measured > 0.0).then(|| variance.sqrt() / measured * 100.0),
            predicted: predicted[metric] * scale,
            most: class.most[metric].filter(|_| judged && metric != CLAIMED),
            runs: match runs.len() == n && n > 1 {
                true => values
                    .iter()
                    .zip(runs)
                    .map(|(v, r)| (r[metric] / v - 1.0) * 100.0)
                    .collect(),
                false => Vec::new(),
            },
            stalls: (nested && metric == FAILED).then_some((stalls[0], stalls[1])),
        });
    }
}
