//! `validate theory`: simulated figures beside those of formulas.

use super::coverage::{all_known, control, fallen, unit_of};
use super::exit::Exit;
use super::{TheoryArgs, fail, page, print, say};
use crate::experiment::Overrides;
use crate::experiment::results::{Metric, SYSTEM};
use crate::experiment::trials::repeat;
use crate::experiment::trials::textbook::{Case, cases};
use crate::output::figure::{figure, plain};

const HEAD: &str = "\
## Simulated beside exact

Made by `plimsoll validate theory`: each model run once, as `plimsoll run` does it, with seed 1 and intervals of 95 %,
of which one in twenty does not hold the exact value.

| system | model | figure | exact | simulated | interval |
|---|---|---|---:|---:|---|
";

/// Runs the models and writes the section.
pub fn theory(args: &TheoryArgs) -> Exit {
    let known = match cases() {
        Ok(known) => known,
        Err(why) => {
            fail(&format!(
                "a bug in plimsoll: an exact value cannot be computed: {why}"
            ));
            return Exit::Bug;
        }
    };
    let names: Vec<&str> = known.iter().map(|c| c.name).collect();
    if let Err(exit) = all_known(&args.only, &names) {
        return exit;
    }
    let mut text = String::new();
    print(HEAD);
    for case in &known {
        if !args.only.is_empty() && !args.only.iter().any(|o| o == case.name) {
            continue;
        }
        let mut rows = String::new();
        let none = Overrides::default();
        let ran = repeat(
            case.name,
            &case.source,
            &none,
            1,
            &control(args.threads),
            |point| {
                for (subject, name, exact) in &case.figures {
                    let metric = point.metric(subject, name);
                    rows.push_str(&row(case, (subject, name), *exact, metric));
                }
            },
        );
        if let Err(why) = ran {
            return fallen(case.name, why);
        }
        print(&rows);
        text.push_str(&rows);
    }
    match page::put_rows(&args.out, "theory", HEAD, &text) {
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

fn row(case: &Case, (subject, name): (&str, &str), exact: f64, metric: Option<&Metric>) -> String {
    let interval = metric.and_then(Metric::interval);
    let verdict = match interval {
        Some((low, high)) if low <= exact && exact <= high => "holds it",
        Some((_, high)) if high < exact => "below",
        Some(_) => "above",
        None => "none",
    };
    let figure_name = match subject {
        SYSTEM => name.to_owned(),
        subject => format!("{subject}.{name}"),
    };
    format!(
        "| {} | {} | `{figure_name}` | {} | {} | {verdict} |\n",
        case.name,
        case.title,
        plain(exact, metric.map_or(unit_of(name), |m| m.unit)),
        metric.map_or("not observed".to_owned(), figure),
    )
}
