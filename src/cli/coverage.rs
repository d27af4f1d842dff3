//! `validate coverage`: how often the intervals hold the exact value.

use std::sync::atomic::AtomicBool;

use super::exit::Exit;
use super::{TrialArgs, fail, page, print, say};
use crate::experiment::sweep::Forget;
use crate::experiment::trials::Fallen;
use crate::experiment::trials::coverage::{Coverage, cover};
use crate::experiment::trials::systems::{System, systems};
use crate::experiment::{Control, Failure};

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
    let mut text = head(args.experiments);
    print(&text);
    for system in wanted {
        let begun = std::time::Instant::now();
        let found = match cover(system, args.experiments, &control(args)) {
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
    finish(args, "coverage", &text)
}

/// How the trials are carried out.
pub(super) fn control(args: &TrialArgs) -> Control<'static> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    Control {
        threads: args.threads.map_or(0, usize::from),
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

/// Writes the section, if all systems were asked for.
pub(super) fn finish(args: &TrialArgs, name: &str, text: &str) -> Exit {
    if !args.only.is_empty() {
        return Exit::Done;
    }
    match page::put(&args.out, name, text.trim_end()) {
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

fn head(experiments: u32) -> String {
    format!(
        "## How often the intervals hold the exact value\n\n\
         Made by `plimsoll validate coverage`: {experiments} experiments with each system, seeds 1 to {experiments}.\n\n\
         | system | figure | exact | mean | ± | without | held | too low | too high |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|\n"
    )
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
            "| {} | `{} {}` | {:.4e} | {:+.2} % | {:.1} % | {} | {held} | {} | {} |\n",
            system.title,
            c.subject,
            c.figure,
            c.exact,
            100.0 * (c.mean - 1.0),
            100.0 * c.half_width,
            c.without,
            c.below,
            c.above
        ));
    }
    text
}
