//! The table of commands and flags. Results go to standard output, everything else to standard error.

mod bench;
mod check;
mod coverage;
mod events;
pub mod exit;
mod page;
mod partial;
mod profile;
mod progress;
mod run;
mod testbed;
mod theory;
mod trials;
pub mod understood;
mod validate;
mod verdicts;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::diagnostic::{Severity, render};
use crate::document::Value;
use crate::engine::Budget;
use crate::experiment::{Overrides, Sheet};
use crate::quantity::{Bytes, SimDuration};
use exit::Exit;

/// How much load a back end carries, what breaks first, and which change moves the line.
///
/// plimsoll simulates a back end that is described in a TOML file: its thread pools, connection pools,
/// locks, queues and hosts, under the load that a load-test tool would make.
#[derive(Parser)]
#[command(name = "plimsoll", version, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Simulate one model and say how it bears its load
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Simulate every point of an experiment and compare them
    #[command(after_help = SWEEP_EXAMPLES)]
    Sweep(RunArgs),
    /// Check a model or an experiment without simulating anything
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Write the events of one replication, or a digest of them, to compare builds and machines
    #[command(after_help = EVENTS_EXAMPLES)]
    Events(EventsArgs),
    /// Name the first event at which two such files differ
    Diverge(DivergeArgs),
    /// Measure how fast this machine simulates five small models
    Bench(BenchArgs),
    /// Hold models of real systems against what was reported of them
    #[command(after_help = VALIDATE_EXAMPLES)]
    Validate(ValidateArgs),
}

const RUN_EXAMPLES: &str = "\
Examples:
  plimsoll run models/shop.toml
  plimsoll run models/shop.toml --set connection-pool.orders-db.maximum-pool-size=40
  plimsoll run models/shop.toml --duration 1h --replications 20 --profile";
const SWEEP_EXAMPLES: &str = "\
Examples:
  plimsoll sweep experiments/scale-out.toml
  plimsoll sweep experiments/scale-out.toml --replications 3 --out output/quick

Ctrl-C keeps the finished points; the same command goes on from there.";
const CHECK_EXAMPLES: &str = "\
Examples:
  plimsoll check models/shop.toml
  plimsoll check models/shop.toml --listing";

const EVENTS_EXAMPLES: &str = "\
Examples:
  plimsoll events models/shop.toml --out here.csv
  plimsoll diverge here.csv there.csv
  plimsoll events models/shop.toml --every 1 --from 4097 --to 8192 --out here.csv";

const VALIDATE_EXAMPLES: &str = "\
Examples:
  plimsoll validate
  plimsoll validate testbed
  plimsoll validate coverage
  plimsoll validate verdicts
  plimsoll validate theory
  plimsoll validate docs/cases.toml --replications 3 --out output/validation.md";

const THEORY_HELP: &str = "\
The models are those of models/textbook and a few small ones; each is run as `plimsoll run` does it.

Examples:
  plimsoll validate theory
  plimsoll validate theory --only closed --only fork-join";
const COVERAGE_HELP: &str = "\
An experiment is what `plimsoll run` does with a model that says nothing of the run: ten minutes from an
empty start, a warm-up found by MSER-5, twenty replications, intervals of 95 %.

Examples:
  plimsoll validate coverage
  plimsoll validate coverage --experiments 200 --only mm1-95";

#[derive(Args)]
struct RunArgs {
    /// The file: a model for `run`, an experiment for `sweep`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Simulated time of each replication, warm-up included, such as 10m
    #[arg(long, value_name = "TIME", value_parser = length)]
    duration: Option<SimDuration>,
    /// Simulated time that is not measured, such as 30s; else the end of the transient is looked for
    #[arg(long, value_name = "TIME", value_parser = length)]
    warm_up: Option<SimDuration>,
    /// Independent replications of each point
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    replications: Option<u32>,
    /// Seed of all draws; the same seed gives the same bytes
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Change the model: a dotted path and a TOML value; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    set: Vec<(String, Value)>,
    /// The folder to write into, instead of output/NAME
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads to use; they do not change the results [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Let a seeded coin decide the order of events at the same instant
    #[arg(long)]
    coin: bool,
    /// Say how fast it ran and which components took the work
    #[arg(long)]
    profile: bool,
    /// End a replication after about this many events (looked at every 65,536)
    #[arg(long, value_name = "N")]
    max_events: Option<u64>,
    /// End a replication when requests in flight take more memory than this [default: 4GiB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_memory: Option<Bytes>,
    /// Begin nothing new after this much real time, such as 5m
    #[arg(long, value_name = "TIME", value_parser = length)]
    max_wall: Option<SimDuration>,
}

#[derive(Args)]
struct CheckArgs {
    /// The model or experiment
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the compiled program of every flow
    #[arg(long)]
    listing: bool,
    /// Change the model: a dotted path and a TOML value; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    set: Vec<(String, Value)>,
}

#[derive(Args)]
struct EventsArgs {
    /// The model
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One row for every N events; each row's digest covers all events up to it
    #[arg(long, value_name = "N", default_value_t = 4096)]
    every: u64,
    /// No row before this event
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// No row after this event
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Number of the replication
    #[arg(long, value_name = "N", default_value_t = 0)]
    replication: u64,
    /// Windows of the figures over time
    #[arg(long, value_name = "N", default_value_t = crate::experiment::WINDOWS, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    windows: u32,
    /// Simulated time, warm-up included, such as 10m
    #[arg(long, value_name = "TIME", value_parser = length)]
    duration: Option<SimDuration>,
    /// Simulated time that is not measured; the end of the transient is not looked for
    #[arg(long, value_name = "TIME", value_parser = length)]
    warm_up: Option<SimDuration>,
    /// Seed of all draws
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Change the model: a dotted path and a TOML value; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    set: Vec<(String, Value)>,
    /// Let a seeded coin decide the order of events at the same instant
    #[arg(long)]
    coin: bool,
    /// End after about this many events
    #[arg(long, value_name = "N")]
    max_events: Option<u64>,
}

#[derive(Args)]
struct DivergeArgs {
    /// What `events` wrote
    #[arg(value_name = "ONE")]
    one: PathBuf,
    /// What `events` of another build or machine wrote
    #[arg(value_name = "OTHER")]
    other: PathBuf,
}

#[derive(Args)]
struct BenchArgs {
    /// Customers of each model
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    customers: u64,
    /// Rounds; the median is printed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Only these models: m1 to m5, and few or many (100 or a million in flight)
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// Print JSON lines instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
struct ValidateArgs {
    #[command(subcommand)]
    what: Option<Validation>,
    /// The reported rows; `testbed` for the measured stack of docs/testbed.toml
    #[arg(value_name = "FILE", default_value = "docs/cases.toml")]
    file: PathBuf,
    /// The page whose section is written anew
    #[arg(long, value_name = "FILE", default_value = "docs/validation.md")]
    out: PathBuf,
    /// Independent replications of each point
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    replications: Option<u32>,
}

#[derive(Subcommand)]
enum Validation {
    /// Measure how often the intervals hold the exact value, for systems with exact answers
    #[command(after_help = COVERAGE_HELP)]
    Coverage(TrialArgs),
    /// Measure how often each verdict is said, below, at and above capacity
    Verdicts(TrialArgs),
    /// Put simulated figures beside those of formulas
    #[command(after_help = THEORY_HELP)]
    Theory(TheoryArgs),
}

#[derive(Args)]
struct TheoryArgs {
    /// Only these systems, such as closed; may be repeated. The rows of the others stay as they are
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Threads to use; they do not change the results [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The page whose section is written anew
    #[arg(long, value_name = "FILE", default_value = "docs/theory.md")]
    out: PathBuf,
}

#[derive(Args)]
struct TrialArgs {
    /// Independent experiments with each system: the seeds 1 to N
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    experiments: u32,
    /// Only these systems, such as mm1-80; may be repeated. The rows of the others stay as they are
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Threads to use; they do not change the results [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The page whose section is written anew
    #[arg(long, value_name = "FILE", default_value = "docs/validation.md")]
    out: PathBuf,
}

fn length(text: &str) -> Result<SimDuration, String> {
    match SimDuration::parse(text)? {
        length if length.nanos() == 0 => Ok(length),
        length if length.nanos() < 1 << 60 => Ok(length),
        _ => Err("longer than 36 years, more than the clock can count".to_owned()),
    }
}

fn size(text: &str) -> Result<Bytes, String> {
    Bytes::parse(text)
}

/// `path=value`, the value as TOML, or as a text if it is none: `40`, `"exp(2ms)"` and `exp(2ms)` all do.
fn setting(text: &str) -> Result<(String, Value), String> {
    let Some((path, value)) = text.split_once('=') else {
        return Err("write PATH=VALUE, as in service.api.replicas=3".to_owned());
    };
    let value = value.trim();
    let value = Value::parse(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((path.trim().to_owned(), value))
}

impl RunArgs {
    fn overrides(&self) -> Overrides {
        let mut budget = Budget::default();
        if let Some(events) = self.max_events {
            budget.events = events;
        }
        if let Some(memory) = self.max_memory {
            budget.memory = usize::try_from(memory.0).unwrap_or(usize::MAX);
        }
        Overrides {
            duration: self.duration.map(SimDuration::nanos),
            warm_up: self.warm_up.map(SimDuration::nanos),
            replications: self.replications,
            seed: self.seed,
            set: self.set.clone(),
            coin: self.coin,
            budget,
        }
    }

    fn wall(&self) -> Option<Duration> {
        self.max_wall.map(|w| Duration::from_nanos(w.nanos()))
    }
}

/// Reads the arguments and carries out the command.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(why) => {
            // Help and version go to standard output, complaints to standard error.
            let _ = why.print();
            let exit = if why.use_stderr() {
                Exit::Impossible
            } else {
                Exit::Done
            };
            return exit.into();
        }
    };
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Sweep(args) => run::sweep(&args),
        Command::Check(args) => check::check(&args),
        Command::Events(args) => events::events(&args),
        Command::Diverge(args) => events::diverge(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Validate(ValidateArgs {
            what: Some(Validation::Coverage(args)),
            ..
        }) => coverage::coverage(&args),
        Command::Validate(ValidateArgs {
            what: Some(Validation::Verdicts(args)),
            ..
        }) => verdicts::verdicts(&args),
        Command::Validate(ValidateArgs {
            what: Some(Validation::Theory(args)),
            ..
        }) => theory::theory(&args),
        Command::Validate(args) if args.file.as_os_str() == "testbed" => {
            testbed::validate(&args, std::path::Path::new("docs/testbed.toml"))
        }
        Command::Validate(args) => validate::validate(&args),
    }
    .into()
}

/// Whether colours are wanted on a stream.
fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Columns of the terminal; where there is none, those of `COLUMNS`, or 80.
fn width() -> usize {
    let told = || std::env::var("COLUMNS").ok()?.trim().parse().ok();
    let terminal = comfy_table::Table::new().width().map(usize::from);
    terminal.or_else(told).unwrap_or(80)
}

/// Prints a result; a reader who has gone away is no error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints what is to be said about the files.
fn complain(sheets: &[Sheet]) {
    let mut text = String::new();
    let colour = colour(&std::io::stderr());
    let mut errors = 0;
    for sheet in sheets {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&render(&sheet.diagnostics, &sheet.path, &sheet.source, colour));
        let is_error = |d: &&crate::diagnostic::Diagnostic| d.severity == Severity::Error;
        errors += sheet.diagnostics.iter().filter(is_error).count();
    }
    if errors > 1 {
        text.push_str(&format!("\n{errors} errors; nothing was run\n"));
    }
    say(&text);
}

/// Prints to standard error.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints one error without a place in a file.
fn fail(text: &str) {
    let error = if colour(&std::io::stderr()) {
        "\x1b[1;31merror\x1b[0m"
    } else {
        "error"
    };
    say(&format!("{error}: {text}\n"));
}
