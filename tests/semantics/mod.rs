//! How each kind behaves: one test a rule, named after it.

mod autoscaler;
mod balancer;
mod cache;
mod connection_lives;
mod connection_pool;
mod cpu_limit;
mod database;
mod external;
mod guards;
mod host;
mod lock;
mod restart;
mod returning;
mod retry;
mod settings;
mod station;
mod thread_pool;
mod time_limiter;
mod tomcat;
mod workload;
mod changes;
mod consumer;
mod consumer_group;
mod rebalance;
mod heap;
mod heap_cycles;
mod leaving;
mod steps;
mod outbox;
mod producer;
mod topic;

use plimsoll::engine::observe::Observations;
use plimsoll::engine::{Options, run};

/// Runs a model for so many seconds; nothing is left out as warm-up.
pub fn observe(source: &str, seconds: f64) -> Observations {
    observe_seeded(source, seconds, 1)
}

pub fn observe_seeded(source: &str, seconds: f64, seed: u64) -> Observations {
    observe_after(source, 0.0, seconds, seed)
}

/// The same with a warm-up.
pub fn observe_after(source: &str, warm_up: f64, seconds: f64, seed: u64) -> Observations {
    let mut sink = plimsoll::diagnostic::Sink::default();
    let model = plimsoll::model::load(
        "test",
        source,
        Some(std::path::Path::new("tests/semantics")),
        &mut sink,
    );
    let said = plimsoll::diagnostic::render(sink.diagnostics(), "test", source, false);
    let model = model.unwrap_or_else(|| panic!("{said}"));
    let options = Options {
        seed,
        replication: 0,
        duration: (seconds * 1e9) as u64,
        warm_up: (warm_up * 1e9) as u64,
        windows: 100,
        coin: false,
        budget: Default::default(),
    };
    run(&model, &options).unwrap_or_else(|broken| panic!("{}\n{}", broken.0, model.program.listing()))
}

/// So many requests, one a millisecond from time zero (k6 starts at zero), each holding a component with these
/// keys for `time`. The text ends within the workload's table.
pub fn burst_at(kind: &str, name: &str, keys: &str, count: u32, time: &str) -> String {
    format!(
        r#"
[{kind}.{name}]
{keys}
[flow.f]
steps = [{{ use = "{name}", steps = [{{ delay = "{time}" }}] }}]
[workload.w]
executor = "constant-arrival-rate"
rate = "1000/s"
pre-allocated-vus = 1000
duration = "{}us"
graceful-stop = "10000s"
flow = "f"
"#,
        1000 * count - 500
    )
}

/// What a model is refused with.
pub fn refusal(source: &str) -> String {
    let mut sink = plimsoll::diagnostic::Sink::default();
    assert!(
        plimsoll::model::load("test", source, None, &mut sink).is_none(),
        "the model was accepted"
    );
    plimsoll::diagnostic::render(sink.diagnostics(), "test", source, false)
}

/// A figure that must be there.
#[track_caller]
pub fn figure(o: &Observations, subject: &str, name: &str) -> f64 {
    o.figure(subject, name).unwrap_or_else(|| {
        let list: Vec<_> = o
            .figures
            .iter()
            .filter(|f| f.subject == subject)
            .map(|f| (&f.name, f.value))
            .collect();
        panic!("{subject} has no {name}; it has {list:?}")
    })
}

#[track_caller]
pub fn near(value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value - expected).abs() <= tolerance,
        "{value} is not within {tolerance} of {expected}"
    );
}

/// One request of each flow at each of these instants, seconds.
pub fn requests(list: &[(f64, &str)]) -> String {
    let mut text = String::new();
    for (i, (at, flow)) in list.iter().enumerate() {
        text += &format!(
            "[workload.w{i:03}]\nexecutor = \"shared-iterations\"\nstart-time = \"{at}s\"\nflow = \"{flow}\"\n\
             timeout = \"1h\"\nmax-duration = \"1h\"\n"
        );
    }
    text
}
