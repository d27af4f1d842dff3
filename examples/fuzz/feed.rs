//! What is fed, and how.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use plimsoll::diagnostic::{Sink, render};
use plimsoll::distribution::{Law, LawUnit, Popularity, Sampler, Tables};
use plimsoll::document::{self, Value};
use plimsoll::engine::{self, Budget, Options};
use plimsoll::experiment::collect::Collected;
use plimsoll::experiment::sweep::Forget;
use plimsoll::experiment::{Control, Overrides, carry_out, load_text};
use plimsoll::model::{self, arithmetic::arithmetic};
use plimsoll::quantity::{Bytes, Money, Rate, Share, SimDuration};
use plimsoll::random::{Draws, purpose_key};

use crate::mutate::{AMOUNTS, Dice, Seeds, law};

/// What became of an input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    Refused,
    Fine,
    Ran,
}

pub enum Input {
    Model {
        text: String,
        folder: PathBuf,
    },
    Experiment {
        text: String,
        path: PathBuf,
    },
    /// A data file, and the model that names it.
    Data {
        data: String,
        model: String,
        folder: PathBuf,
    },
    Law(String),
    Path {
        path: String,
        value: String,
        text: String,
    },
    Arguments(Vec<String>),
    Stored(String),
}

/// An input by the dice.
pub fn input(dice: &mut Dice, seeds: &Seeds, root: &Path, scratch: &Path) -> Input {
    match dice.below(100) {
        0..=65 => Input::Model {
            text: seeds.spoilt(dice, &seeds.models),
            folder: root.join("models"),
        },
        66..=71 => Input::Experiment {
            text: seeds.spoilt(dice, &seeds.experiments),
            path: root.join("experiments/x.toml"),
        },
        72..=77 => Input::Data {
            data: seeds.spoilt(dice, &seeds.tables),
            model: dice.pick(READERS).to_owned(),
            folder: scratch.to_owned(),
        },
        78..=87 => Input::Law(law(dice, 0)),
        88..=91 => Input::Path {
            path: path(dice),
            value: dice.pick(AMOUNTS).to_owned(),
            text: seeds.models[dice.below(seeds.models.len())].clone(),
        },
        92..=97 => Input::Arguments(arguments(dice)),
        _ => Input::Stored(seeds.spoilt(dice, &[STORED.to_owned()])),
    }
}

impl Input {
    pub fn kind(&self) -> &'static str {
        match self {
            Input::Model { .. } => "model",
            Input::Experiment { .. } => "experiment",
            Input::Data { .. } => "data",
            Input::Law(_) => "law",
            Input::Path { .. } => "path",
            Input::Arguments(_) => "arguments",
            Input::Stored(_) => "stored",
        }
    }

    pub fn text(&self) -> String {
        match self {
            Input::Model { text, .. }
            | Input::Experiment { text, .. }
            | Input::Law(text)
            | Input::Stored(text) => text.clone(),
            Input::Data { data, model, .. } => format!("{model}\n---- x.csv\n{data}"),
            Input::Path { path, value, text } => format!("{path} = {value}\n----\n{text}"),
            Input::Arguments(list) => list.join("\n"),
        }
    }

    /// Feeds it; an error is an identity of a run that broke.
    pub fn feed(&self, dice: &mut Dice) -> Result<Taken, String> {
        match self {
            Input::Model { text, folder } => feed_model(text, folder, dice.below(3) == 0, dice.next()),
            Input::Experiment { text, path } => feed_experiment(text, path, dice.below(20) == 0),
            Input::Data { data, model, folder } => {
                std::fs::write(folder.join("x.csv"), data).map_err(|why| why.to_string())?;
                feed_model(model, folder, dice.below(3) == 0, dice.next())
            }
            Input::Law(text) => Ok(feed_law(text, dice)),
            Input::Path { path, value, text } => Ok(feed_path(path, value, text)),
            Input::Arguments(list) => {
                Ok(plimsoll::cli::understood(list.iter()).map_or(Taken::Refused, |()| Taken::Fine))
            }
            Input::Stored(text) => {
                Ok(serde_json::from_str::<Collected>(text).map_or(Taken::Refused, |_| Taken::Fine))
            }
        }
    }
}

/// Few events and little time: what takes more is cut short.
fn budget() -> Budget {
    Budget {
        events: 3_000,
        memory: 64 << 20,
        wall: Some(Duration::from_secs(3)),
    }
}

fn feed_model(text: &str, folder: &Path, run: bool, seed: u64) -> Result<Taken, String> {
    let mut sink = Sink::default();
    let model = model::load("fuzz", text, Some(folder), &mut sink);
    let _ = render(sink.diagnostics(), "fuzz.toml", text, seed.is_multiple_of(2));
    if model.is_none() != sink.has_errors() {
        return Err("a model comes back exactly if nothing is wrong".to_owned());
    }
    let Some(model) = model else {
        return Ok(Taken::Refused);
    };
    let sums = arithmetic(&model);
    let _ = sums.table(&model);
    let _ = render(&sums.warnings, "fuzz.toml", text, false);
    if !run {
        return Ok(Taken::Fine);
    }
    let options = Options {
        seed,
        replication: seed % 3,
        duration: [1_000_000_000, 1, 60_000_000_000, (1 << 60) - 1][(seed >> 8) as usize % 4],
        warm_up: 0,
        windows: 10,
        coin: seed.is_multiple_of(5),
        budget: budget(),
    };
    match engine::run(&model, &options) {
        Ok(seen) if seen.stopped == Some(engine::Stopped::Wall) => {
            Err("3000 events took more than 3 s".to_owned())
        }
        Ok(_) => Ok(Taken::Ran),
        Err(broken) => Err(format!("broken: {}", broken.0)),
    }
}

fn feed_experiment(text: &str, path: &Path, run: bool) -> Result<Taken, String> {
    let overrides = Overrides {
        replications: run.then_some(2),
        budget: budget(),
        ..Overrides::default()
    };
    let loaded = load_text(path, text, &overrides);
    for sheet in &loaded.sheets {
        let _ = render(&sheet.diagnostics, &sheet.path, &sheet.source, false);
    }
    let Some(experiment) = loaded.experiment else {
        return Ok(Taken::Refused);
    };
    if !run || experiment.points.len() > 20 {
        return Ok(Taken::Fine);
    }
    let stop = AtomicBool::new(false);
    let control = Control {
        threads: 1,
        stop: &stop,
        wall: Some(Duration::from_secs(5)),
        store: &Forget,
        progress: &|_| {},
    };
    match carry_out(&experiment, &control) {
        Ok(done) => {
            let _ = plimsoll::output::terminal(&done.results, 80, false);
            Ok(Taken::Ran)
        }
        Err(failure) => Err(format!("{failure:?}")),
    }
}

fn feed_law(text: &str, dice: &mut Dice) -> Taken {
    let _ = (
        SimDuration::parse(text).is_ok(),
        Rate::parse(text).is_ok(),
        Bytes::parse(text).is_ok(),
    );
    let _ = (Share::parse(text).is_ok(), Money::parse(text).is_ok());
    if let Ok(keys) = Popularity::parse(text) {
        let key = keys
            .sampler()
            .sample(&mut Draws::new(purpose_key(dice.next(), 0, "fuzz"), 0));
        assert!(key < keys.len(), "a key beyond the last");
        let _ = (
            keys.hottest(),
            keys.probability(0),
            keys.share_beyond(keys.len() / 2),
        );
    }
    let mut taken = Taken::Refused;
    for unit in [LawUnit::Duration, LawUnit::Bytes, LawUnit::Number] {
        let Ok(law) = Law::parse(text, unit, &mut |_| Ok(vec![0.0, 1.0, 2.0])) else {
            continue;
        };
        taken = Taken::Fine;
        let sampler = Sampler::new(&law);
        for k in 0..8 {
            let value = sampler.sample(
                Tables::get(),
                &mut Draws::new(purpose_key(dice.next(), 0, "fuzz"), k),
            );
            assert!(value >= 0.0, "a law gave {value}");
            let _ = sampler.sample_nanos(
                Tables::get(),
                &mut Draws::new(purpose_key(dice.next(), 0, "fuzz"), k),
            );
        }
        let _ = (law.mean(), law.variance(), law.cv2(), law.cdf(1.0), law.cdf(0.0));
        for p in [0.0, 1e-9, 0.5, 0.999, 1.0] {
            let _ = law.quantile(p);
        }
    }
    taken
}

fn feed_path(path: &str, value: &str, text: &str) -> Taken {
    let value = Value::parse(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let Some(mut document) = document::parse(text, &mut Sink::default()) else {
        return Taken::Refused;
    };
    let _ = document.get(path);
    match document.set(path, value) {
        Ok(()) => {
            let _ = document.canonical();
            let mut sink = Sink::default();
            let model = model::from_document("fuzz", document, None, &mut sink);
            let _ = render(sink.diagnostics(), "fuzz.toml", text, false);
            assert_eq!(
                model.is_none(),
                sink.has_errors(),
                "a model comes back exactly if nothing is wrong"
            );
            Taken::Fine
        }
        Err(_) => Taken::Refused,
    }
}

fn path(dice: &mut Dice) -> String {
    const PARTS: &[&str] = &[
        "service",
        "api",
        "order-api",
        "replicas",
        "station",
        "server",
        "servers",
        "flow",
        "visit",
        "main",
        "steps",
        "steps[0]",
        "steps[1]",
        "[0]",
        "[-1]",
        "[18446744073709551616]",
        "workload",
        "customers",
        "shoppers",
        "rate",
        "\"a.b\"",
        "\"",
        "",
        "é",
        "time",
        "steps[0].steps[0]",
        "run",
        "duration",
        "host",
        "cores",
        "timeline",
        "timeline[0]",
        "connection-pool",
        "maximum-pool-size",
        "arrivals",
        "users",
        "vus",
        "database",
        "objective",
    ];
    let parts: Vec<&str> = (0..1 + dice.below(4)).map(|_| dice.pick(PARTS)).collect();
    parts.join(dice.pick(&[".", ".", ".", "..", "", " . "]))
}

fn arguments(dice: &mut Dice) -> Vec<String> {
    const WORDS: &[&str] = &[
        "run",
        "sweep",
        "check",
        "bench",
        "validate",
        "help",
        "models/shop.toml",
        "experiments/scale-out.toml",
        "--duration",
        "--warm-up",
        "--replications",
        "--seed",
        "--set",
        "--out",
        "--threads",
        "--coin",
        "--profile",
        "--max-events",
        "--max-memory",
        "--max-wall",
        "--listing",
        "--customers",
        "--rounds",
        "--json",
        "--help",
        "--version",
        "-h",
        "-V",
        "--",
        "-",
        "--no",
        "m3",
        "a.b=1",
        "a=",
        "=",
        "a.b=exp(2ms)",
        "a.b=[1",
        "testbed",
        "\u{0}",
        "é=é",
        "/dev/null",
    ];
    let mut list = vec!["plimsoll".to_owned()];
    for _ in 0..dice.below(8) {
        let word = if dice.below(3) == 0 {
            dice.pick(AMOUNTS)
        } else {
            dice.pick(WORDS)
        };
        let glued = word.starts_with("--") && dice.below(4) == 0;
        list.push(if glued {
            format!("{word}={}", dice.pick(AMOUNTS))
        } else {
            word.to_owned()
        });
    }
    list
}

/// A finished point as a sweep keeps it.
const STORED: &str = r#"{"replications":2,"warm_up":0,"transient_lasts":false,"converged":true,"figures":[{"subject":"system",
"name":"throughput","unit":"per-second","values":[4607182418800017408,9221120237041090560]}],"times":[1,2],"columns":[],
"inside":[[0],[1]],"events":5,"peak_requests":1,"peak_bytes":64,"cut":0,"cut_by":null,"shortest":0,"simulated":0,"visits":[["station.a",3]]}"#;

/// Models that read a data file in each of the ways there are.
const READERS: &[&str] = &[
    "[flow.f]\nsteps = [{ delay = \"1ms\" }]\n[workload.w]\nexecutor = \"recorded\"\nfile = \"x.csv\"\nflow = \"f\"\n",
    "[flow.f]\nsteps = [{ delay = \"empirical(x.csv)\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\nflow = \"f\"\n",
    "[service.s]\nhost = { cores = 1 }\n[heap.jvm]\nin = \"s\"\npauses = { log = \"x.csv\" }\n[flow.f]\nat = \"s\"\n\
     steps = [{ cpu = \"1ms\" }]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\nflow = \"f\"\n",
];
