//! The exit codes, all of them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and everything that was expected holds.
    Done = 0,
    /// Done, but an expectation was not met, a wished precision was not reached, or `--max-wall` ended the run.
    NotMet = 1,
    /// Could not be done: arguments, files, or what is written in them. Nothing was run.
    Impossible = 2,
    /// A bug in plimsoll. Rust's own code for a panic.
    Bug = 101,
    /// Interrupted with Ctrl-C; what was finished is kept. 128 + SIGINT, as shells have it.
    Interrupted = 130,
}

/// The table for the help text.
pub const HELP: &str = "\
Exit codes:
  0    done
  1    done, but an expectation was not met, a precision was not reached, or time ran out
  2    could not be done: arguments, files, or what is written in them
  101  a bug in plimsoll
  130  interrupted; what was finished is kept and the same command goes on from there";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
