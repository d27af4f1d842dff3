//! `validate verdicts`: how often each verdict is said, below, at and above capacity.

use super::coverage::{all_known, control, fallen, finish};
use super::exit::Exit;
use super::{TrialArgs, fail, print, say};
use crate::experiment::trials::verdicts::{self, LOADS, Said};

/// Runs the trials and writes the section.
pub fn verdicts(args: &TrialArgs) -> Exit {
    let known = match verdicts::loaded() {
        Ok(known) => known,
        Err(why) => {
            fail(&format!(
                "a bug in plimsoll: a capacity cannot be computed: {why}"
            ));
            return Exit::Bug;
        }
    };
    let names: Vec<&str> = known.iter().map(|s| s.name).collect();
    if let Err(exit) = all_known(&args.only, &names) {
        return exit;
    }
    let mut text = head(args.experiments);
    print(&text);
    for system in &known {
        if !args.only.is_empty() && !args.only.iter().any(|o| o == system.name) {
            continue;
        }
        for load in LOADS {
            match verdicts::say(system, load, args.experiments, &control(args)) {
                Ok(said) => {
                    let row = row(system.title, &said);
                    print(&row);
                    text.push_str(&row);
                }
                Err(why) => return fallen(system.name, why),
            }
        }
        say(&format!("{}: done\n", system.name));
    }
    finish(args, "verdicts", &text)
}

fn head(experiments: u32) -> String {
    format!(
        "## How often each verdict is said\n\n\
         Made by `plimsoll validate verdicts`: {experiments} experiments with each system at each load, seeds 1 to \
         {experiments}. The load is that offered as a share of what the system can carry.\n\n\
         | system | load | stable | near-critical | overloaded | undecided |\n|---|---:|---:|---:|---:|---:|\n"
    )
}

fn row(title: &str, said: &Said) -> String {
    let share = |count: &u32| match count {
        0 => "–".to_owned(),
        n => format!("{:.1} %", 100.0 * f64::from(*n) / f64::from(said.trials)),
    };
    let cells: Vec<String> = said.counts.iter().map(share).collect();
    format!("| {title} | {:.2} | {} |\n", said.load, cells.join(" | "))
}
