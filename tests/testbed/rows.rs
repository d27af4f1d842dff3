//! Rows of the measured stack against their tolerance. The seeds are fixed, so there is no false alarm: a miss says
//! that a rule or a number of a model has changed. `plimsoll validate testbed` runs all rows with more seeds.

use plimsoll::document::Value;
use plimsoll::engine;

use crate::support::{figure, options, root};

/// Mean over a few runs of a figure at the servlet.
fn predicted(model: &str, set: &[(&str, &str)], names: [&str; 4]) -> [f64; 4] {
    let path = root().join("models/testbed").join(model);
    let overrides = plimsoll::experiment::Overrides {
        set: set
            .iter()
            .map(|(path, value)| ((*path).to_owned(), Value::parse(value).expect("a TOML value")))
            .collect(),
        ..Default::default()
    };
    let loaded = plimsoll::experiment::load_model(&path, &overrides);
    let model = &loaded.experiment.expect("the model is fine").points[0].model;
    let mut sums = [0.0; 4];
    for r in 0..5 {
        let o = engine::run(model, &options(r, 25.0, 5.0)).expect("no identity is broken");
        for (sum, name) in sums.iter_mut().zip(names) {
            *sum += figure(&o, "station.servlet", name) / 5.0;
        }
    }
    sums
}

/// Measured figures and the most per cent that each may be missed by.
#[track_caller]
fn within(predicted: [f64; 4], measured: [(f64, f64); 4]) {
    for (p, (m, most)) in predicted.into_iter().zip(measured) {
        let error = (p / m - 1.0) * 100.0;
        assert!(
            error.abs() <= most,
            "predicted {p}, measured {m}: {error:+.1} %, at most {most} %"
        );
    }
}

const NAMES: [&str; 4] = [
    "throughput",
    "visit_time_mean",
    "visit_time_p95",
    "visit_time_p99",
];

#[test]
fn forty_clients_before_ten_connections() {
    let set = [("workload.load.connections", "40")];
    within(
        predicted("db.toml", &set, NAMES),
        [(196.86, 3.0), (0.20286, 4.0), (0.33353, 15.0), (0.41893, 25.0)],
    );
}

#[test]
fn a_call_after_the_connection_is_given_back() {
    let set = [("workload.load.connections", "80")];
    within(
        predicted("two.toml", &set, NAMES),
        [(491.38, 3.0), (0.16254, 4.0), (0.16644, 20.0), (0.25467, 30.0)],
    );
}

#[test]
fn one_row_before_ten_clients() {
    let set = [
        ("workload.load.connections", "10"),
        ("lock.inventory.key", "\"uniform(1)\""),
    ];
    within(
        predicted("lock.toml", &set, NAMES),
        [(46.15, 3.0), (0.21613, 4.0), (0.23138, 10.0), (0.24495, 15.0)],
    );
}
