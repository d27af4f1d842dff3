//! `bench`: nanoseconds an event on five small models, every default statistic on, and with few or many in flight.
//!
//! Work is counted the same way for every simulator: two events a customer where there is one queue, three where a
//! request waits for a connection and then for a core. What the engine counts itself stands beside it.

use std::time::Instant;

use super::exit::Exit;
use super::{BenchArgs, fail, print, say};
use crate::diagnostic::{Sink, render};
use crate::engine::{Budget, Engine, Options};
use crate::experiment::WINDOWS;
use crate::model;

struct Bench {
    name: &'static str,
    about: &'static str,
    source: &'static str,
    /// Customers a second that complete.
    rate: f64,
    events_a_customer: f64,
    /// Counts in the geometric mean; the others are run when named.
    standard: bool,
}

const MODELS: [Bench; 7] = [
    Bench {
        name: "m1",
        about: "M/M/1",
        source: include_str!("../../models/bench/m1.toml"),
        rate: 0.9,
        events_a_customer: 2.0,
        standard: true,
    },
    Bench {
        name: "m2",
        about: "M/M/20",
        source: include_str!("../../models/bench/m2.toml"),
        rate: 18.0,
        events_a_customer: 2.0,
        standard: true,
    },
    Bench {
        name: "m3",
        about: "open web tier",
        source: include_str!("../../models/bench/m3.toml"),
        rate: 90.0,
        events_a_customer: 3.0,
        standard: true,
    },
    Bench {
        name: "m4",
        about: "closed web tier",
        source: include_str!("../../models/bench/m4.toml"),
        rate: 99.0,
        events_a_customer: 3.0,
        standard: true,
    },
    Bench {
        name: "m5",
        about: "M/M/10000",
        source: include_str!("../../models/bench/m5.toml"),
        rate: 9500.0,
        events_a_customer: 2.0,
        standard: true,
    },
    Bench {
        name: "few",
        about: "100 in flight",
        source: include_str!("../../models/bench/few.toml"),
        rate: 100.0,
        events_a_customer: 2.0,
        standard: false,
    },
    Bench {
        name: "many",
        about: "10^6 in flight",
        source: include_str!("../../models/bench/many.toml"),
        rate: 1e6,
        events_a_customer: 2.0,
        standard: false,
    },
];

/// One model measured.
struct Measured {
    customers: f64,
    seconds: f64,
    ns_per_event: f64,
    events: u64,
    peak: usize,
    bytes: usize,
    response: f64,
}

pub fn bench(args: &BenchArgs) -> Exit {
    if let Some(unknown) = args.models.iter().find(|m| MODELS.iter().all(|b| b.name != **m)) {
        fail(&format!(
            "there is no bench model `{unknown}`; there are {}",
            MODELS.map(|b| b.name).join(", ")
        ));
        return Exit::Impossible;
    }
    if cfg!(debug_assertions) {
        say("warning: this is not a release build; the figures say little\n");
    }
    if !args.json {
        print("model                 ns/event   customers/s    mean response   in flight   bytes each\n");
    }
    let mut product = 0.0;
    let mut count = 0;
    for bench in &MODELS {
        let wanted = match args.models.is_empty() {
            true => bench.standard,
            false => args.models.iter().any(|m| m == bench.name),
        };
        if !wanted {
            continue;
        }
        let mut rounds = Vec::new();
        for _ in 0..args.rounds {
            match measure(bench, args.customers) {
                Ok(measured) => rounds.push(measured),
                Err(why) => {
                    fail(&format!("{}: {why}", bench.name));
                    return Exit::Bug;
                }
            }
        }
        rounds.sort_by(|a, b| a.ns_per_event.total_cmp(&b.ns_per_event));
        let m = &rounds[rounds.len() / 2];
        if bench.standard {
            product += m.ns_per_event.ln();
            count += 1;
        }
        print(&if args.json { json(bench, m) } else { row(bench, m) });
    }
    if !args.json && count > 1 {
        let mean = (product / f64::from(count)).exp();
        print(&format!("{:<20} {mean:>9.1}\n", "geometric mean"));
    }
    Exit::Done
}

fn measure(bench: &Bench, customers: u64) -> Result<Measured, String> {
    let mut sink = Sink::default();
    let model = model::load(bench.name, bench.source, None, &mut sink)
        .ok_or_else(|| render(sink.diagnostics(), bench.name, bench.source, false))?;
    let options = Options {
        seed: 1,
        replication: 0,
        duration: (customers as f64 / bench.rate * 1e9) as u64,
        warm_up: 0,
        windows: WINDOWS,
        coin: false,
        budget: Budget::default(),
    };
    let engine = Engine::new(&model, &options);
    let begun = Instant::now();
    let seen = engine.run().map_err(|broken| broken.0)?;
    let seconds = begun.elapsed().as_secs_f64();
    let flow = format!("flow.{}", model.flows[0].name);
    let figure = |name: &str| seen.figure(&flow, name).unwrap_or(0.0);
    let completed = (figure("throughput") * seen.simulated).max(1.0);
    Ok(Measured {
        customers: completed,
        seconds,
        ns_per_event: seconds * 1e9 / (completed * bench.events_a_customer),
        events: seen.events,
        peak: seen.peak_requests,
        bytes: seen.request_bytes,
        response: figure("response_time_mean"),
    })
}

fn row(bench: &Bench, m: &Measured) -> String {
    format!(
        "{:<4} {:<15} {:>9.1} {:>13.0} {:>13.4} s {:>11} {:>12.0}\n",
        bench.name,
        bench.about,
        m.ns_per_event,
        m.customers / m.seconds,
        m.response,
        m.peak,
        m.bytes as f64 / m.peak.max(1) as f64,
    )
}

fn json(bench: &Bench, m: &Measured) -> String {
    let line = serde_json::json!({
        "model": bench.name,
        "customers": m.customers,
        "seconds": m.seconds,
        "ns_per_event": m.ns_per_event,
        "events_per_customer": bench.events_a_customer,
        "engine_events": m.events,
        "peak_requests": m.peak,
        "request_bytes": m.bytes,
        "response_time_mean_s": m.response,
    });
    format!("{line}\n")
}
