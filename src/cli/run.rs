//! `run` and `sweep`: from a file to a summary and a folder.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::check::of_points;
use super::exit::Exit;
use super::partial::{Lock, Partial};
use super::progress::Bar;
use super::{RunArgs, colour, complain, fail, print, profile, say, width};
use crate::diagnostic::{Diagnostic, Severity};
use crate::experiment::Done;
use crate::experiment::results::Kind;
use crate::experiment::{Control, Experiment, Failure, Loaded, carry_out, load, load_model};
use crate::output::{self, InputFile, ManifestInput};

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

pub fn run(args: &RunArgs) -> Exit {
    let loaded = load_model(&args.file, &args.overrides());
    carry(args, loaded)
}

pub fn sweep(args: &RunArgs) -> Exit {
    let loaded = load(&args.file, &args.overrides());
    carry(args, loaded)
}

fn carry(args: &RunArgs, loaded: Loaded) -> Exit {
    complain(&loaded.sheets);
    let Some(experiment) = loaded.experiment else {
        return Exit::Impossible;
    };
    if experiment.kind == Kind::Sweep {
        // What figures do not show: settings that contradict one another.
        let ids = ["too-many-connections", "deadlock", "inverted-timeouts"];
        let told = |found: &Diagnostic| ids.contains(&found.id) && found.severity == Severity::Warning;
        complain(&of_points(&experiment, &args.set, told));
    }
    let folder = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("output").join(&experiment.name));
    if let Err(why) = std::fs::create_dir_all(&folder) {
        fail(&format!("cannot make the folder `{}`: {why}", folder.display()));
        return Exit::Impossible;
    }
    let _lock = match Lock::take(&folder) {
        Ok(lock) => lock,
        Err(why) => {
            fail(&why);
            return Exit::Impossible;
        }
    };
    listen();
    let partial = Partial::in_folder(&folder);
    partial.tidy();
    let bar = Bar::new();
    let begun = Instant::now();
    let control = Control {
        threads: args.threads.map_or(0, usize::from),
        stop: &STOP,
        wall: args.wall(),
        store: &partial,
        progress: &|p| bar.show(p),
    };
    let done = carry_out(&experiment, &control);
    bar.clear();
    partial.warn();
    match done {
        Ok(done) => finish(args, &experiment, done, &folder, &partial, begun),
        Err(Failure::Bug(what)) => {
            fail(&format!(
                "a bug in plimsoll: {what}\nPlease report it with the model; the run repeats exactly."
            ));
            Exit::Bug
        }
        Err(Failure::Threads(why)) => {
            fail(&format!("cannot start the threads: {why}"));
            Exit::Impossible
        }
    }
}

/// The first Ctrl-C ends after the replications under way, the second at once.
fn listen() {
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
        say("\nstopping after the replications under way; once more to stop at once\n");
    };
    // Without a handler Ctrl-C still ends the program; finished points are on disk either way.
    let _ = ctrlc::set_handler(handler);
}

fn finish(
    args: &RunArgs,
    experiment: &Experiment,
    done: Done,
    folder: &std::path::Path,
    partial: &Partial,
    begun: Instant,
) -> Exit {
    let seconds = begun.elapsed().as_secs_f64();
    if done.resumed > 0 {
        say(&format!(
            "{} points were finished by an earlier run\n",
            done.resumed
        ));
    }
    let stopped = STOP.load(Ordering::Relaxed) && !done.results.complete;
    if done.results.points.is_empty() {
        say(
            "stopped before the first replication began to measure; nothing was written\n\
             a shorter --duration, or a --warm-up of your own instead of the search for it, leaves more of the time\n",
        );
        return if stopped { Exit::Interrupted } else { Exit::NotMet };
    }
    let manifest = ManifestInput {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command_line: command_line(),
        inputs: experiment
            .inputs
            .iter()
            .map(|i| InputFile::of(i.path.display().to_string(), &i.content))
            .collect(),
    };
    print(&output::terminal(
        &done.results,
        width(),
        colour(&std::io::stdout()),
    ));
    if args.profile {
        say(&profile::text(&done, seconds));
    }
    if let Err(why) = output::write_all(&done.results, folder, &manifest) {
        fail(&why.to_string());
        return Exit::Impossible;
    }
    say(&format!(
        "\nwritten to {}\n",
        folder.join("report.html").display()
    ));
    if done.results.complete {
        partial.remove();
    }
    match (stopped, done.results.complete && done.met()) {
        (true, _) => Exit::Interrupted,
        (_, true) => Exit::Done,
        _ => Exit::NotMet,
    }
}

/// As given, without the path of the program, so that the manifest does not depend on where it lies.
fn command_line() -> Vec<String> {
    let rest = std::env::args_os()
        .skip(1)
        .map(|a| a.to_string_lossy().into_owned());
    std::iter::once("plimsoll".to_owned()).chain(rest).collect()
}
