//! Whole runs of the five small models, in nanoseconds a customer.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plimsoll::diagnostic::{Sink, render};
use plimsoll::engine::{self, Budget, Options};
use plimsoll::model;

/// Name, source, customers a second.
const MODELS: [(&str, &str, f64); 5] = [
    ("m1", include_str!("../models/bench/m1.toml"), 0.9),
    ("m2", include_str!("../models/bench/m2.toml"), 18.0),
    ("m3", include_str!("../models/bench/m3.toml"), 90.0),
    ("m4", include_str!("../models/bench/m4.toml"), 99.0),
    ("m5", include_str!("../models/bench/m5.toml"), 9500.0),
];

const CUSTOMERS: f64 = 50_000.0;

fn runs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("run");
    group.throughput(Throughput::Elements(CUSTOMERS as u64));
    group.sample_size(20);
    for (name, source, rate) in MODELS {
        let mut sink = Sink::default();
        let model = model::load(name, source, None, &mut sink);
        let model = model.unwrap_or_else(|| panic!("{}", render(sink.diagnostics(), name, source, false)));
        let options = Options {
            seed: 1,
            replication: 0,
            duration: (CUSTOMERS / rate * 1e9) as u64,
            warm_up: 0,
            windows: 200,
            coin: false,
            budget: Budget::default(),
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                engine::run(black_box(&model), &options)
                    .map(|o| o.events)
                    .unwrap_or(0)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, runs);
criterion_main!(benches);
