//! What one component costs: a request through one of each kind, in nanoseconds a request, statistics on.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plimsoll::diagnostic::{Sink, render};
use plimsoll::engine::{self, Budget, Options};
use plimsoll::model::{self, Model};

/// Requests a second, and seconds.
const RATE: u64 = 1000;
const SECONDS: u64 = 20;

const HOLD: &str = "steps = [{ delay = \"exp(10ms)\" }]";

fn load(name: &str, tables: &str, step: &str) -> Model {
    let source = format!(
        "{tables}\n[flow.f]\nsteps = [{step}]\n[workload.w]\nexecutor = \"poisson\"\nrate = \"{RATE}/s\"\nflow = \"f\"\n"
    );
    let mut sink = Sink::default();
    let model = model::load(name, &source, None, &mut sink);
    model.unwrap_or_else(|| panic!("{}", render(sink.diagnostics(), name, &source, false)))
}

fn options() -> Options {
    Options {
        seed: 1,
        replication: 0,
        duration: SECONDS * 1_000_000_000,
        warm_up: 0,
        windows: 200,
        coin: false,
        budget: Budget::default(),
    }
}

fn components(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("component");
    group.throughput(Throughput::Elements(RATE * SECONDS));
    group.sample_size(20);
    let cases = [
        ("nothing but a delay", "", "{ delay = \"exp(10ms)\" }".to_owned()),
        (
            "station",
            "[station.s]\nservers = 12",
            "{ use = \"s\", time = \"exp(10ms)\" }".to_owned(),
        ),
        (
            "thread-pool",
            "[thread-pool.s]\nmax-threads = 12",
            format!("{{ use = \"s\", {HOLD} }}"),
        ),
        (
            "connection-pool",
            "[connection-pool.s]\nmaximum-pool-size = 12",
            format!("{{ use = \"s\", {HOLD} }}"),
        ),
        (
            "lock of many rows",
            "[lock.s]\nkey = \"zipf(1000, 0.9)\"",
            format!("{{ use = \"s\", {HOLD} }}"),
        ),
        (
            "external",
            "[external.s]\ntime = \"exp(10ms)\"\nfailure-rate = \"1%\"",
            "{ use = \"s\" }".to_owned(),
        ),
        (
            "database",
            "[database.s]\nparallelism = 12",
            "{ query = \"s\", time = \"exp(10ms)\" }".to_owned(),
        ),
        (
            "host, shared by all",
            "[host.s]\ncores = 12",
            "{ cpu = \"exp(10ms)\", on = \"s\" }".to_owned(),
        ),
        (
            "host, first come first served",
            "[host.s]\ncores = 12\ndiscipline = \"fcfs\"",
            "{ cpu = \"exp(10ms)\", on = \"s\" }".to_owned(),
        ),
    ];
    for (name, tables, step) in cases {
        let model = load(name, tables, &step);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                engine::run(black_box(&model), &options())
                    .map(|o| o.events)
                    .unwrap_or(0)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, components);
criterion_main!(benches);
