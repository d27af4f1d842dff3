//! `validate coverage`: how often the intervals hold the exact value.

use std::sync::atomic::AtomicBool;

use super::exit::Exit;
use super::{TrialArgs, fail, page, print, say};
use crate::experiment::results::{SYSTEM, Unit};
use crate::experiment::sweep::Forget;
use crate::experiment::trials::Fallen;
use crate::experiment::trials::coverage::{Coverage, cover};
use crate::experiment::trials::systems::{System, systems};
use crate::experiment::{Control, Failure};
use crate::output::figure::plain;

/// Runs the trials and writes the section.
pub fn coverage(args: &TrialArgs) -> Exit {
    let known = match systems() {
        Ok(known) => known,
        Err(why) => {
            fail(&format!(
                "a bug in plimsoll: an exact value cannot be computed: {why}"
            ));
            return Exit::Bug;
        }
    };
    let names: Vec<&str> = known.iter().map(|s| s.name).collect();
    if let Err(exit) = all_known(&args.only, &names) {
        return exit;
    }
    let wanted: Vec<&System> = known
        .iter()
        .filter(|s| args.only.is_empty() || args.only.iter().any(|o| o == s.name))
        .collect();
    let mut text = String::new();
    print(HEAD);
    for system in wanted {
        let begun = std::time::Instant::now();
        let found = match cover(system, args.experiments, &control(args.threads)) {
            Ok(found) => found,
            Err(why) => return fallen(system.name, why),
        };
        let rows = rows(system, &found);
        print(&rows);
        say(&format!(
            "{}: {:.0} s\n",
            system.name,
            begun.elapsed().as_secs_f64()
        ));
        text.push_str(&rows);
    }
    finish(args, "coverage", HEAD, &text)
}

/// How the trials are carried out.
pub(super) fn control(threads: Option<u16>) -> Control<'static> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    Control {
        threads: threads.map_or(0, usize::from),
        stop: &NEVER,
        wall: None,
        store: &Forget,
        progress: &|_| {},
    }
}

/// Refuses names that are not among the known ones.
pub(super) fn all_known(asked: &[String], known: &[&str]) -> Result<(), Exit> {
    match asked.iter().find(|a| !known.contains(&a.as_str())) {
        None => Ok(()),
        Some(other) => {
            fail(&format!(
                "there is no system `{other}`; there are {}",
                known.join(", ")
            ));
            Err(Exit::Impossible)
        }
    }
}

/// What is said when a trial cannot be carried out.
pub(super) fn fallen(name: &str, why: Fallen) -> Exit {
    match why {
        Fallen::Model(said) => {
            say(&said);
            fail(&format!("a bug in plimsoll: the model of `{name}` is refused"));
            Exit::Bug
        }
        Fallen::Run(Failure::Bug(what)) => {
            fail(&format!("a bug in plimsoll: {what}"));
            Exit::Bug
        }
        Fallen::Run(Failure::Threads(why)) => {
            fail(&format!("cannot start the threads: {why}"));
            Exit::Impossible
        }
    }
}

/// Writes the section; rows of systems that were not asked for stay as they are.
pub(super) fn finish(args: &TrialArgs, name: &str, head: &str, rows: &str) -> Exit {
    match page::put_rows(&args.out, name, head, rows) {
        Ok(()) => {
            say(&format!("written to {}\n", args.out.display()));
            Exit::Done
        }
        Err(why) => {
            fail(&why);
            Exit::Impossible
        }
    }
}

const HEAD: &str = "\
## How often the intervals hold the exact value

Made by `plimsoll validate coverage`.

| system | figure | exact | mean | ± | experiments | not converged | held | too low | too high |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// The unit, by the figure's name.
pub(super) fn unit_of(figure: &str) -> Unit {
    match figure {
        "throughput" | "consumed" => Unit::PerSecond,
        "failure_share" | "utilisation" => Unit::Share,
        f if f.contains("_time_") || f.starts_with("end_to_end") => Unit::Seconds,
        _ => Unit::Count,
    }
}

fn named(c: &Coverage) -> String {
    match c.subject.as_str() {
        SYSTEM => c.figure.clone(),
        subject => format!("{subject}.{}", c.figure),
    }
}

fn percent(share: f64, signed: bool) -> String {
    match (share.is_finite(), signed) {
        (false, _) => "–".to_owned(),
        (true, true) => format!("{:+.2} %", 100.0 * share),
        (true, false) => format!("{:.1} %", 100.0 * share),
    }
}

fn rows(system: &System, found: &[Coverage]) -> String {
    let mut text = String::new();
    for c in found {
        let held = match c.share() {
            Some(share) => format!(
                "{:.1} % ({:.1} to {:.1})",
                100.0 * share.mean,
                100.0 * share.low.unwrap_or(f64::NAN),
                100.0 * share.high.unwrap_or(f64::NAN)
            ),
            None => "–".to_owned(),
        };
        text.push_str(&format!(
            "| {} | `{}` | {} | {} | {} | {} | {} | {held} | {} | {} |\n",
            system.title,
            named(c),
            plain(c.exact, unit_of(&c.figure)),
            percent(c.mean - 1.0, true),
            percent(c.half_width, false),
            c.trials,
            c.without,
            c.below,
            c.above
        ));
    }
    text
}
