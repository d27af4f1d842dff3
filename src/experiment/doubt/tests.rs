use std::path::Path;

use super::*;
use crate::experiment::collect::{Bit, Bits};
use crate::experiment::results::Unit;
use crate::experiment::{Overrides, load_model_text};

fn plan(law: &str) -> PointPlan {
    let text = format!(
        "[station.desk]\n[flow.f]\nsteps = [{{ use = \"desk\", time = \"{law}\" }}]\n\
         [workload.w]\nexecutor = \"poisson\"\nrate = \"10/s\"\n"
    );
    let loaded = load_model_text(Path::new("m.toml"), &text, &Overrides::default());
    let mut point = loaded.experiment.expect("a model").points.swap_remove(0);
    point.settings.warm_up = WarmUp::Told(0);
    point
}

fn metrics(response: f64, waiting: f64, throughput: f64) -> Vec<Metric> {
    let metric = |subject: &str, name: &str, mean: f64| Metric {
        subject: subject.to_owned(),
        name: name.to_owned(),
        unit: Unit::Seconds,
        mean,
        low: None,
        high: None,
        replications: 4,
        note: None,
        theory: None,
    };
    vec![
        metric("flow.f", "response_time_mean", 1e9),
        metric(SYSTEM, "throughput", throughput),
        metric(SYSTEM, "response_time_mean", response),
        metric("station.desk", "throughput", 1e9),
        metric("station.desk", "waiting_time_mean", waiting),
    ]
}

/// Four replications of 1000 s each, 250 s of which are cut off: 3000 s are measured.
fn seen() -> Collected {
    Collected {
        replications: 4,
        warm_up: 250_000_000_000,
        simulated: Bit(4000.0),
        inside: (0..4)
            .map(|r| Bits((0..20).map(|i| f64::from((i + r) % 2)).collect()))
            .collect(),
        ..Collected::default()
    }
}

#[test]
fn a_law_whose_rare_values_matter_is_named_where_somebody_waits() {
    let heavy = plan("lognormal(1ms, cv 10)");
    let said = doubts(&heavy, &seen(), &metrics(1.0, 0.5, 10.0));
    assert_eq!(said.len(), 1);
    // Of 30,000 draws.
    let law = heavy
        .model
        .sites
        .iter()
        .find_map(|s| s.law.as_ref().filter(|l| l.mean() == Some(1e-3)));
    let share = 100.0 * law.expect("the law of the step").rare_share(30_000.0);
    assert!(
        said[0].contains(&format!(
            "{share:.0} % of the second moment of the law at flow.f/"
        )),
        "{said:?}"
    );
    // Waiting of no more than a twentieth of the response time does not matter.
    assert!(doubts(&heavy, &seen(), &metrics(1.0, 0.05, 10.0)).is_empty());
    assert_eq!(doubts(&heavy, &seen(), &metrics(1.0, 0.051, 10.0)).len(), 1);
    let light = plan("exp(1ms)");
    assert!(doubts(&light, &seen(), &metrics(1.0, 0.5, 10.0)).is_empty());
}

#[test]
fn a_law_is_in_doubt_from_a_twentieth_of_its_second_moment_on() {
    let plan = plan("lognormal(1ms, cv 3)");
    let law = plan
        .model
        .sites
        .iter()
        .find_map(|s| s.law.as_ref().filter(|l| l.mean() == Some(1e-3)));
    let law = law.expect("the law of the step");
    // The number of draws that leaves just a twentieth.
    let (mut few, mut many) = (1e3, 1e9);
    while many / few > 1.0 + 1e-9 {
        let middle = f64::sqrt(few * many);
        let rare = law.rare_share(middle) > 0.05;
        (few, many) = if rare { (middle, many) } else { (few, middle) };
    }
    for (throughput, doubtful) in [(0.999 * few / 3000.0, true), (1.001 * few / 3000.0, false)] {
        let said = doubts(&plan, &seen(), &metrics(1.0, 0.5, throughput));
        assert_eq!(!said.is_empty(), doubtful, "{throughput}");
    }
}

#[test]
fn stretches_that_depend_on_one_another_are_told_unless_the_load_changes_by_plan() {
    let mut plan = plan("exp(1ms)");
    let mut drifting = seen();
    drifting.inside = (0..4)
        .map(|r| Bits((0..20).map(|i| f64::from((i + r) / 5 % 2)).collect()))
        .collect();
    let of = |plan: &PointPlan, seen: &Collected| doubts(plan, seen, &metrics(1.0, 0.5, 10.0));
    assert!(of(&plan, &seen()).is_empty());
    let said = of(&plan, &drifting);
    assert!(
        said.len() == 1 && said[0].contains("depend on one another"),
        "{said:?}"
    );
    plan.settings.warm_up = WarmUp::Nothing;
    assert!(of(&plan, &drifting).is_empty());
}
