//! The shortest way from a text to figures, for programs that use this crate as a library.

use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::results::Results;
use super::sweep::Forget;
use super::{Control, Failure, Overrides, Sheet, carry_out, load_model_text};
use crate::diagnostic::{Severity, render};

/// Why there are no results.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The model cannot be run; what is wrong with it, each with its place.
    Refused(Vec<Sheet>),
    /// The threads could not be started.
    Threads(String),
    /// An identity of the simulation does not hold: a bug in plimsoll.
    Bug(String),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Refused(sheets) => sheets.iter().try_for_each(|sheet| {
                let errors: Vec<_> = sheet
                    .diagnostics
                    .iter()
                    .filter(|d| d.severity == Severity::Error)
                    .cloned()
                    .collect();
                out.write_str(&render(&errors, &sheet.path, &sheet.source, false))
            }),
            Error::Threads(why) => write!(out, "cannot start the threads: {why}"),
            Error::Bug(what) => write!(out, "a bug in plimsoll: {what}"),
        }
    }
}

impl std::error::Error for Error {}

/// Simulates a model as its own `[run]` says, on all cores.
///
/// # Errors
/// [`Error::Refused`] if the text is no model that can be run; the other errors do not depend on it.
pub fn simulate(model: &str) -> Result<Results, Error> {
    simulate_with(model, &Overrides::default())
}

/// Simulates a model with another duration, seed, number of replications, or changes of its values. Data files that
/// it names are looked for in the present folder.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_with(model: &str, overrides: &Overrides) -> Result<Results, Error> {
    let loaded = load_model_text(Path::new("model.toml"), model, overrides);
    let Some(experiment) = loaded.experiment else {
        return Err(Error::Refused(loaded.sheets));
    };
    let control = Control {
        threads: 0,
        stop: &AtomicBool::new(false),
        wall: None,
        store: &Forget,
        progress: &|_| {},
    };
    match carry_out(&experiment, &control) {
        Ok(done) => Ok(done.results),
        Err(Failure::Bug(what)) => Err(Error::Bug(what)),
        Err(Failure::Threads(why)) => Err(Error::Threads(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_model_is_told_with_its_place() {
        let why = simulate("[station.desk]\nserves = 2\n").unwrap_err();
        assert!(matches!(why, Error::Refused(_)));
        let told = why.to_string();
        assert!(
            told.contains("model.toml:2:1") && told.contains("did you mean `servers`?"),
            "{told}"
        );
        assert!(matches!(simulate("station ="), Err(Error::Refused(_))));
    }
}
