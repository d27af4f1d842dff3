//! `validate verdicts`: how often each verdict is said, below, at and above capacity.

use super::exit::Exit;
use super::trials::{control, fallen, page_written, wanted};
use super::{TrialArgs, page, print, say};
use crate::experiment::trials::verdicts::{self, Said};

/// Runs the trials and writes the section.
pub fn verdicts(args: &TrialArgs) -> Exit {
    let wanted = match wanted(verdicts::loaded(), "a capacity", |s| s.name, &args.only) {
        Ok(wanted) => wanted,
        Err(exit) => return exit,
    };
    let mut text = String::new();
    print(HEAD);
    for system in &wanted {
        for load in system.loads {
            match verdicts::say(system, *load, args.experiments, &control(args.threads)) {
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
    page_written(&args.out, page::put_rows(&args.out, "verdicts", HEAD, &text))
}

const HEAD: &str = "\
## How often each verdict is said

Made by `plimsoll validate verdicts`. The load is what is offered as a share of what the system can carry.

| system | load | experiments | stable | recovered | near-critical | overloaded | undecided |
|---|---:|---:|---:|---:|---:|---:|---:|
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
