//! The trials behind `plimsoll validate coverage`, `verdicts` and `theory`, in small, and the page of formulas.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use plimsoll::experiment::replicate::dry_run;
use plimsoll::experiment::sweep::Forget;
use plimsoll::experiment::trials::coverage::cover;
use plimsoll::experiment::trials::systems::systems;
use plimsoll::experiment::trials::textbook::cases;
use plimsoll::experiment::trials::verdicts::{self, loaded};
use plimsoll::experiment::{Control, Overrides, load_model_text};
use plimsoll::statistics::interval::clopper_pearson;

use crate::support::{files, root};

static NEVER: AtomicBool = AtomicBool::new(false);

fn control() -> Control<'static> {
    Control {
        threads: 0,
        stop: &NEVER,
        wall: None,
        store: &Forget,
        progress: &|_| {},
    }
}

#[test]
fn intervals_hold_the_exact_value_about_as_often_as_they_say() {
    let all = systems().unwrap();
    let system = all.iter().find(|s| s.name == "mm1-50").unwrap();
    for c in cover(system, 200, &control()).unwrap() {
        let intervals = c.holds + c.below + c.above;
        assert!(intervals >= 180, "{}: {} are not converged", c.figure, c.without);
        // One miss in a thousand if the true share is 93 %.
        let share = clopper_pearson(c.holds.into(), intervals.into(), 0.998).unwrap();
        assert!(
            share.high.unwrap() >= 0.93,
            "{}: {} of {intervals} intervals hold it",
            c.figure,
            c.holds
        );
    }
}

#[test]
fn far_from_its_capacity_a_system_is_never_misjudged() {
    let all = loaded().unwrap();
    let system = all.iter().find(|s| s.name == "mm1").unwrap();
    let said = |load: f64| verdicts::say(system, load, 20, &control()).unwrap().counts;
    assert_eq!(said(0.5), [20, 0, 0, 0, 0]);
    assert_eq!(said(1.2), [0, 0, 0, 20, 0]);
}

#[test]
fn every_model_that_is_tried_has_the_figures_that_are_known() {
    let mut models = Vec::new();
    for s in systems().unwrap() {
        let figures = s.figures.iter().map(|k| (k.subject.clone(), k.name.clone()));
        models.push((s.name, s.source.clone(), figures.collect::<Vec<_>>()));
    }
    for c in cases().unwrap() {
        let figures = c.figures.iter().map(|f| (f.0.to_owned(), f.1.to_owned()));
        models.push((c.name, c.source.clone(), figures.collect()));
    }
    for (name, source, figures) in models {
        let loaded = load_model_text(Path::new("trial.toml"), &source, &Overrides::default());
        let experiment = loaded.experiment.unwrap_or_else(|| panic!("{name} is refused"));
        let known = dry_run(&experiment.points[0], None);
        for figure in figures {
            let found = known.iter().any(|k| k.subject == figure.0 && k.name == figure.1);
            assert!(found, "{name} has no figure {figure:?}");
        }
    }
}

/// The cells of the page's rows, table by table: the head's last two say what they are.
fn rows(page: &str) -> Vec<Vec<String>> {
    page.lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("|---"))
        .map(|l| {
            let cells = l.trim_matches('|').split(" | ");
            cells.map(|c| c.trim().to_owned()).collect()
        })
        .collect()
}

#[test]
fn a_system_is_said_to_recover_if_it_does() {
    let systems = loaded().unwrap();
    let said = |name: &str, load: f64| {
        let system = systems.iter().find(|s| s.name == name).unwrap();
        verdicts::say(system, load, 5, &control()).unwrap().counts
    };
    assert_eq!(said("paused", 0.5), [0, 5, 0, 0, 0]);
    assert_eq!(said("paused-long", 0.9), [0, 0, 0, 5, 0]);
    assert_eq!(said("storm", 0.2), [0, 5, 0, 0, 0]);
    assert_eq!(said("storm", 0.7), [0, 0, 0, 5, 0]);
}

#[test]
fn the_page_of_formulas_names_tests_and_models_that_exist() {
    let page = std::fs::read_to_string(root().join("docs/theory.md")).unwrap();
    let mut sources = String::new();
    for path in files("src/statistics", "rs")
        .into_iter()
        .chain(files("src/distribution", "rs"))
        .chain(files("tests/theory", "rs"))
    {
        sources.push_str(&std::fs::read_to_string(path).unwrap());
    }
    let cases = cases().unwrap();
    let formulas = page.split("<!-- theory: begin -->").next().unwrap();
    let (mut tests, mut simulated) = (0, 0);
    for row in rows(formulas) {
        let Some(test) = row.get(4) else { continue };
        for name in test.split('`').skip(1).step_by(2) {
            // A name with capitals or a path is a function's, not a test's.
            assert!(
                sources.contains(&format!("fn {name}")) || !name.contains('_'),
                "there is no test `{name}`"
            );
            tests += 1;
        }
        for name in row
            .get(5)
            .map_or("", String::as_str)
            .split('`')
            .skip(1)
            .step_by(2)
        {
            assert!(cases.iter().any(|c| c.name == name), "there is no case `{name}`");
            simulated += 1;
        }
    }
    assert!(tests > 40 && simulated > 15, "{tests} {simulated}");
    for case in &cases {
        assert!(
            page.contains(&format!("\n| {} | ", case.name)),
            "`plimsoll validate theory` has not run `{}`",
            case.name
        );
    }
}
