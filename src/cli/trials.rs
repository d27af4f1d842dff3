//! What the commands of `validate` share: which systems are wanted, runs without a folder, and how they end.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::exit::Exit;
use super::progress::Bar;
use super::{fail, say};
use crate::experiment::results::{Results, Unit};
use crate::experiment::sweep::Forget;
use crate::experiment::trials::Fallen;
use crate::experiment::{Control, Experiment, Failure, carry_out};

static NEVER: AtomicBool = AtomicBool::new(false);

/// The systems with the names asked for, all of them if none is asked for. `what` is computed for each.
pub fn wanted<T>(
    known: Result<Vec<T>, impl std::fmt::Display>,
    what: &str,
    name: impl Fn(&T) -> &'static str,
    asked: &[String],
) -> Result<Vec<T>, Exit> {
    let mut known = known.map_err(|why| {
        fail(&format!("a bug in plimsoll: {what} cannot be computed: {why}"));
        Exit::Bug
    })?;
    let names: Vec<&str> = known.iter().map(&name).collect();
    if let Some(other) = asked.iter().find(|a| !names.contains(&a.as_str())) {
        fail(&format!(
            "there is no system `{other}`; there are {}",
            names.join(", ")
        ));
        return Err(Exit::Impossible);
    }
    known.retain(|k| asked.is_empty() || asked.iter().any(|a| a == name(k)));
    Ok(known)
}

/// How trials are carried out.
pub fn control(threads: Option<u16>) -> Control<'static> {
    Control {
        threads: threads.map_or(0, usize::from),
        stop: &NEVER,
        wall: None,
        store: &Forget,
        progress: &|_| {},
    }
}

/// Carries an experiment out under a progress bar; nothing is kept on disk.
pub fn watched(experiment: &Experiment) -> Result<Results, Failure> {
    let bar = Bar::new();
    let control = Control {
        progress: &|p| bar.show(p),
        ..control(None)
    };
    let done = carry_out(experiment, &control);
    bar.clear();
    done.map(|done| done.results)
}

/// What is said when a trial cannot be carried out.
pub fn fallen(name: &str, why: Fallen) -> Exit {
    match why {
        Fallen::Model(said) => {
            say(&said);
            fail(&format!("a bug in plimsoll: the model of `{name}` is refused"));
            Exit::Bug
        }
        Fallen::Run(why) => failed(why),
    }
}

/// What is said when a run failed.
pub fn failed(why: Failure) -> Exit {
    match why {
        Failure::Bug(what) => {
            fail(&format!("a bug in plimsoll: {what}"));
            Exit::Bug
        }
        Failure::Threads(why) => {
            fail(&format!("cannot start the threads: {why}"));
            Exit::Impossible
        }
    }
}

/// What is said of a page that was to be written.
pub fn page_written(out: &Path, how: Result<(), String>) -> Exit {
    match how {
        Ok(()) => {
            say(&format!("written to {}\n", out.display()));
            Exit::Done
        }
        Err(why) => {
            fail(&why);
            Exit::Impossible
        }
    }
}

/// The unit, by the figure's name.
pub fn unit_of(figure: &str) -> Unit {
    match figure {
        "throughput" | "consumed" => Unit::PerSecond,
        "failure_share" | "utilisation" => Unit::Share,
        f if f.contains("_time_") || f.starts_with("end_to_end") => Unit::Seconds,
        _ => Unit::Count,
    }
}
