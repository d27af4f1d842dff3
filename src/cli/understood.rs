//! What the fuzzer asks: whether arguments and the files of the rarer commands are understood, without carrying anything
//! out.

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;

use super::{Cli, Command, check, events, testbed, validate};
use crate::diagnostic::{Sink, render};
use crate::experiment::{Loaded, load, load_model};

/// Whether these arguments, the program's name first, ask for something that can begin: they are read, and the file
/// that `run`, `sweep` or `check` names is read with the changes that they ask for.
///
/// # Errors
/// The text that the command would print, or its help.
pub fn arguments<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> Result<(), String> {
    let cli = Cli::try_parse_from(arguments).map_err(|why| why.to_string())?;
    match cli.command {
        Command::Run(args) => begins(load_model(&args.file, &args.overrides())),
        Command::Sweep(args) => begins(load(&args.file, &args.overrides())),
        Command::Check(args) => begins(check::either(&args).0),
        _ => Ok(()),
    }
}

fn begins(loaded: Loaded) -> Result<(), String> {
    let told = |s: &crate::experiment::Sheet| render(&s.diagnostics, &s.path, &s.source, false);
    match loaded.experiment {
        Some(_) => Ok(()),
        None => Err(loaded.sheets.iter().map(told).collect()),
    }
}

/// Reads the rows that `validate` holds models against, and those of its testbed.
///
/// # Errors
/// What is wrong with both.
pub fn rows(text: &str) -> Result<(), String> {
    let one = |wrong: &mut dyn FnMut(&mut Sink) -> bool| {
        let mut sink = Sink::default();
        match wrong(&mut sink) && !sink.has_errors() {
            true => None,
            false => Some(render(sink.diagnostics(), "rows.toml", text, false)),
        }
    };
    let folder = Path::new("");
    let reported = one(&mut |sink| validate::read(text, folder, sink).is_some());
    let measured = one(&mut |sink| testbed::read(text, folder, sink).is_some());
    match (reported, measured) {
        (Some(a), Some(b)) => Err(a + &b),
        _ => Ok(()),
    }
}

/// Reads the testbed's measurements.
///
/// # Errors
/// What is wrong with them.
pub fn measurements(path: &Path) -> Result<(), String> {
    testbed::measurements(path).map(drop)
}

/// Compares two trails as `diverge` does; comes back with what it would say.
///
/// # Errors
/// Why one of them is no trail.
pub fn trails(one: &Path, other: &Path) -> Result<Option<String>, String> {
    events::compare(one, other)
}
