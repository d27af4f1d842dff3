//! Little's law, the utilisation law and the balance of flows, for every component of every shipped model.

use plimsoll::diagnostic::Sink;
use plimsoll::document::Value;
use plimsoll::engine::observe::Observations;
use plimsoll::model::{self, Model};

use crate::support::{options, run, shipped};

/// The model with loads that end after `seconds`, so that a longer run sees every request out.
fn ending(name: &str, text: &str, folder: &std::path::Path, seconds: u64) -> Model {
    let mut sink = Sink::default();
    let mut document = plimsoll::document::parse(text, &mut sink).expect("a shipped model can be read");
    let workloads: Vec<String> = match document.root().get("workload").map(|i| &i.value) {
        Some(Value::Table(t)) => t.keys().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    for w in workloads {
        let path = format!("workload.\"{w}\".duration");
        document
            .set(&path, Value::String(format!("{seconds}s")))
            .expect("a workload takes a duration");
    }
    model::from_document(name, document, Some(folder), &mut sink)
        .unwrap_or_else(|| panic!("{name}: {:?}", sink.diagnostics()))
}

fn value(o: &Observations, subject: &str, name: &str) -> f64 {
    o.figure(subject, name).unwrap_or(0.0)
}

/// Equal but for the rounding of sums of floats.
#[track_caller]
fn same(name: &str, what: &str, a: f64, b: f64) {
    let scale = a.abs().max(b.abs()).max(1e-9);
    assert!(
        (a - b).abs() <= 1e-9 * scale + 1e-12,
        "{name}: {what}: {a} and {b}"
    );
}

#[test]
fn littles_law_and_the_balance_of_flows_hold_for_every_component_of_every_model() {
    for (name, text, folder) in shipped() {
        let model = ending(&name, &text, &folder, 4);
        let o = run(&model, &options(0, 400.0, 0.0));
        let span = o.simulated;
        let mut busy = 0;
        for entry in &model.components {
            let s = entry.subject();
            let rate = |what: &str| value(&o, &s, what);
            // Who was turned away at once was inside for no time and is in no histogram.
            let visits = rate("arrivals") - rate("rejected");
            if rate("arrivals") == 0.0 {
                continue;
            }
            busy += 1;
            let ended = rate("throughput") + rate("failed") + rate("cancelled") + rate("timed_out");
            same(&name, &format!("{s}: arrivals and departures"), visits, ended);
            if visits == 0.0 {
                continue;
            }
            same(
                &name,
                &format!("{s}: L = X W, in system"),
                rate("in_system_mean"),
                visits * rate("visit_time_mean"),
            );
            same(
                &name,
                &format!("{s}: L = X W, in queue"),
                rate("in_queue_mean"),
                visits * rate("waiting_time_mean"),
            );
            if entry.kind == "station" {
                let served = rate("in_system_mean") - rate("in_queue_mean");
                same(&name, &format!("{s}: utilisation law"), rate("busy_mean"), served);
            }
        }
        let none = model.components.is_empty();
        assert!(busy > 0 || none, "{name}: no component was visited in {span} s");
        for flow in &model.flows {
            let s = format!("flow.{}", flow.name);
            let (offered, done) = (
                value(&o, &s, "offered"),
                // What the load generator dropped at its end is told apart: it is no failure of the system.
                value(&o, &s, "throughput")
                    + value(&o, &s, "failures")
                    + o.figure(&s, "failures_interrupted").unwrap_or(0.0),
            );
            same(&name, &format!("{s}: sent and ended"), offered, done);
        }
    }
}
