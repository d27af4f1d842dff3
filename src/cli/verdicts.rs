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
    let mut text = String::new();
    print(HEAD);
    for system in &known {
        if !args.only.is_empty() && !args.only.iter().any(|o| o == system.name) {
            continue;
        }
        for load in LOADS {
            match verdicts::say(system, load, args.experiments, &control(args.threads)) {
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
    finish(args, "verdicts", HEAD, &text)
}

const HEAD: &str = "\
## How often each verdict is said

Made by `plimsoll validate verdicts`. The load is what is offered as a share of what the system can carry.

| system | load | experiments | stable | near-critical | overloaded | undecided |
|---|---:|---:|---:|---:|---:|---:|
";

fn row(title: &str, said: &Said) -> String {
    let share = |count: &u32| match count {
        0 => "–".to_owned(),
        n => format!("{:.1} %", 100.0 * f64::from(*n) / f64::from(said.trials)),
    };
    let cells: Vec<String> = said.counts.iter().map(share).collect();
    format!(
        "| {title} | {:.2} | {} | {} |\n",
        said.load,
        said.trials,
        cells.join(" | ")
    )
}
