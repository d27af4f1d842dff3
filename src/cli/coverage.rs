//! `validate coverage`: how often the intervals hold the exact value.

use super::exit::Exit;
use super::trials::{control, fallen, page_written, unit_of, wanted};
use super::{TrialArgs, page, print, say};
use crate::experiment::results::SYSTEM;
use crate::experiment::trials::coverage::{Coverage, cover};
use crate::experiment::trials::systems::{System, systems};
use crate::output::figure::plain;

/// Runs the trials and writes the section.
pub fn coverage(args: &TrialArgs) -> Exit {
    let wanted = match wanted(systems(), "an exact value", |s| s.name, &args.only) {
        Ok(wanted) => wanted,
        Err(exit) => return exit,
    };
    let mut text = String::new();
    print(HEAD);
    for system in &wanted {
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
    page_written(&args.out, page::put_rows(&args.out, "coverage", HEAD, &text))
}

const HEAD: &str = "\
## How often the intervals hold the exact value

Made by `plimsoll validate coverage`.

| system | figure | exact | mean | ± | experiments | not converged | held | too low | too high |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
";

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
