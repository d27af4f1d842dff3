//! `validate theory`: simulated figures beside those of formulas.

use super::exit::Exit;
use super::trials::{control, fallen, page_written, unit_of, wanted};
use super::{TheoryArgs, page, print};
use crate::experiment::Overrides;
use crate::experiment::results::{Metric, SYSTEM};
use crate::experiment::trials::repeat;
use crate::experiment::trials::textbook::{Case, cases};
use crate::output::figure::{figure, plain};

const HEAD: &str = "\
## Simulated beside exact

Made by `plimsoll validate theory`: each model run once, as `plimsoll run` does it, with seed 1 and intervals of 95 %,
of which one in twenty does not hold the exact value. The models share their random numbers, so that misses come together.

| system | model | figure | exact | simulated | interval |
|---|---|---|---:|---:|---|
";

/// Runs the models and writes the section.
pub fn theory(args: &TheoryArgs) -> Exit {
    let wanted = match wanted(cases(), "an exact value", |c| c.name, &args.only) {
        Ok(wanted) => wanted,
        Err(exit) => return exit,
    };
    let mut text = String::new();
    print(HEAD);
    for case in &wanted {
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
    page_written(&args.out, page::put_rows(&args.out, "theory", HEAD, &text))
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
