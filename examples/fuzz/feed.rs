//! What is fed, and how.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use plimsoll::cli::understood;
use plimsoll::diagnostic::{Sink, render};
use plimsoll::distribution::{Law, LawUnit, Popularity, Sampler, Tables};
use plimsoll::document::{self, Value};
use plimsoll::engine::{self, Budget, Options};
use plimsoll::experiment::collect::Collected;
use plimsoll::experiment::sweep::Forget;
use plimsoll::experiment::{Control, Loaded, Overrides, carry_out, load_model_text, load_text};
use plimsoll::model::{self, arithmetic::arithmetic};
use plimsoll::quantity::{Bytes, Money, Rate, Share, SimDuration};
use plimsoll::random::{Draws, purpose_key};

use crate::mild;
use crate::mutate::{AMOUNTS, Dice, Seeds, law};
use crate::output;
use crate::words::{MEASURED, READERS, STORED, TRAIL, arguments, path};

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
        data: Vec<u8>,
        model: String,
        folder: PathBuf,
    },
    /// Rows that `validate` reads.
    Rows(String),
    /// A table of measurements, or the trail of a run beside which another one is laid.
    Table {
        data: Vec<u8>,
        folder: PathBuf,
        trail: bool,
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
        0..=49 => Input::Model {
            text: seeds.spoilt(dice, &seeds.models),
            folder: root.join("models"),
        },
        50..=63 => Input::Model {
            text: mild::changed(dice, &seeds.shipped),
            folder: root.join("models"),
        },
        64 | 65 => Input::Experiment {
            text: seeds.spoilt(dice, &seeds.experiments),
            path: root.join("experiments/x.toml"),
        },
        66 => Input::Experiment {
            text: mild::changed(dice, &seeds.experiments),
            path: root.join("experiments/x.toml"),
        },
        67..=75 => Input::Data {
            data: bytes(dice, &seeds.tables, seeds),
            model: dice.pick(READERS).to_owned(),
            folder: scratch.to_owned(),
        },
        76 => Input::Rows(seeds.spoilt(dice, &seeds.rows)),
        77 => {
            let trail = dice.below(2) == 0;
            let text = if trail { TRAIL } else { MEASURED };
            Input::Table {
                data: bytes(dice, &[text.to_owned()], seeds),
                folder: scratch.to_owned(),
                trail,
            }
        }
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

/// A spoilt text as bytes, now and then with a few that are no text.
fn bytes(dice: &mut Dice, from: &[String], seeds: &Seeds) -> Vec<u8> {
    let mut bytes = seeds.spoilt(dice, from).into_bytes();
    if !bytes.is_empty() && dice.below(8) == 0 {
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(bytes.len());
            bytes[at] = dice.below(256) as u8;
        }
    }
    bytes
}

impl Input {
    pub fn kind(&self) -> &'static str {
        match self {
            Input::Model { .. } => "model",
            Input::Experiment { .. } => "experiment",
            Input::Data { .. } => "data",
            Input::Rows(_) => "rows",
            Input::Table { .. } => "table",
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
            | Input::Rows(text)
            | Input::Stored(text) => text.clone(),
            Input::Data { data, model, .. } => {
                format!("{model}\n---- x.csv\n{}", String::from_utf8_lossy(data))
            }
            Input::Table { data, .. } => String::from_utf8_lossy(data).into_owned(),
            Input::Path { path, value, text } => format!("{path} = {value}\n----\n{text}"),
            Input::Arguments(list) => list.join("\n"),
        }
    }

    /// Feeds it; an error is an identity of a run that broke.
    pub fn feed(&self, dice: &mut Dice) -> Result<Taken, String> {
        match self {
            Input::Model { text, folder } => match dice.below(50) {
                0 => {
                    let loaded = load_model_text(&folder.join("x.toml"), text, &few(true));
                    feed_loaded(loaded, true, dice)
                }
                n => feed_model(text, folder, n % 3 == 0, dice.next()),
            },
            Input::Experiment { text, path } => feed_experiment(text, path, dice),
            Input::Data { data, model, folder } => {
                std::fs::write(folder.join("x.csv"), data).map_err(|why| why.to_string())?;
                match dice.below(10) {
                    0 => {
                        let loaded = load_model_text(&folder.join("x.toml"), model, &few(true));
                        feed_loaded(loaded, true, dice)
                    }
                    n => feed_model(model, folder, n % 3 == 0, dice.next()),
                }
            }
            Input::Rows(text) => Ok(understood::rows(text).map_or(Taken::Refused, |()| Taken::Fine)),
            Input::Table { data, folder, trail } => {
                let path = folder.join("table.csv");
                std::fs::write(&path, data).map_err(|why| why.to_string())?;
                let read = match trail {
                    false => understood::measurements(&path),
                    true => {
                        let other = folder.join("trail.csv");
                        std::fs::write(&other, TRAIL).map_err(|why| why.to_string())?;
                        understood::trails(&path, &other)
                            .and(understood::trails(&other, &path))
                            .map(drop)
                    }
                };
                Ok(read.map_or(Taken::Refused, |()| Taken::Fine))
            }
            Input::Law(text) => Ok(feed_law(text, dice)),
            Input::Path { path, value, text } => Ok(feed_path(path, value, text)),
            Input::Arguments(list) => {
                Ok(understood::arguments(list.iter()).map_or(Taken::Refused, |()| Taken::Fine))
            }
            Input::Stored(text) => {
                Ok(serde_json::from_str::<Collected>(text).map_or(Taken::Refused, |_| Taken::Fine))
            }
        }
    }
}

/// Few events and little memory: what takes more is cut short.
fn budget() -> Budget {
    Budget {
        events: 3_000,
        memory: 64 << 20,
        wall: None,
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
        Ok(_) => Ok(Taken::Ran),
        Err(broken) => Err(format!("broken: {}", broken.0)),
    }
}

/// Two replications of what is run.
fn few(run: bool) -> Overrides {
    Overrides {
        replications: run.then_some(2),
        budget: budget(),
        ..Overrides::default()
    }
}

fn feed_experiment(text: &str, path: &Path, dice: &mut Dice) -> Result<Taken, String> {
    let run = dice.below(40) == 0;
    feed_loaded(load_text(path, text, &few(run)), run, dice)
}

/// Carries out what was read, and writes it down in every form.
fn feed_loaded(loaded: Loaded, run: bool, dice: &mut Dice) -> Result<Taken, String> {
    for sheet in &loaded.sheets {
        let _ = render(&sheet.diagnostics, &sheet.path, &sheet.source, false);
    }
    if loaded.experiment.is_none() != loaded.has_errors() {
        return Err("an experiment comes back exactly if nothing is wrong".to_owned());
    }
    let Some(experiment) = loaded.experiment else {
        return Ok(Taken::Refused);
    };
    let instances: usize = experiment.points.iter().map(|p| p.model.layout.owner.len()).sum();
    if !run || experiment.points.len() > 12 || instances > 20_000 {
        return Ok(Taken::Fine);
    }
    let stop = AtomicBool::new(false);
    let control = Control {
        threads: 1,
        stop: &stop,
        wall: None,
        store: &Forget,
        progress: &|_| {},
    };
    match carry_out(&experiment, &control) {
        Ok(done) => output::written(&done.results, dice.below(8) == 0).map(|()| Taken::Ran),
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
