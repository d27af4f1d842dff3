//! What a keyed draw costs: a fresh key for every draw, as in a run, summed over many requests.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plimsoll::distribution::{Law, LawUnit, Popularity, Sampler, Tables};
use plimsoll::random::{Draws, purpose_key, request_key};

const REQUESTS: u64 = 10_000;

fn keyed(criterion: &mut Criterion) {
    let tables = Tables::get();
    let key = purpose_key(1, 0, "bench");
    let requests: Vec<u64> = (0..REQUESTS).map(|number| request_key(1, number)).collect();
    let mut group = criterion.benchmark_group("keyed");
    group.throughput(Throughput::Elements(REQUESTS));
    group.bench_function("u64", |bencher| {
        bencher.iter(|| {
            let mut sum = 0u64;
            for request in black_box(&requests) {
                sum = sum.wrapping_add(Draws::new(key, *request).next_u64());
            }
            sum
        });
    });
    for text in [
        "200ms",
        "exp(2ms)",
        "20ms + exp(2ms)",
        "uniform(50ms, 150ms)",
        "lognormal(200ms, cv 0.5)",
        "erlang(3, 30ms)",
        "gamma(20ms, cv 2)",
        "weibull(20ms, shape 0.7)",
        "pareto(10ms, alpha 1.5)",
        "hyperexp(20ms, cv 4)",
        "mix(0.9: exp(2ms), 0.1: 500ms)",
    ] {
        let law = Law::parse(text, LawUnit::Duration, &mut |_| Ok(vec![]));
        let sampler = Sampler::new(&law.expect("the laws of this list are well formed"));
        group.bench_function(text, |bencher| {
            bencher.iter(|| {
                let sampler = black_box(&sampler);
                let mut sum = 0u64;
                for request in black_box(&requests) {
                    sum += sampler.sample_nanos(tables, &mut Draws::new(key, *request));
                }
                sum
            });
        });
    }
    for text in [
        "uniform(1000)",
        "zipf(1000, 1.1)",
        "zipf(1M, 1.1)",
        "zipf(1000M, 1.1)",
    ] {
        let popularity = Popularity::parse(text).expect("the popularities of this list are well formed");
        let sampler = popularity.sampler();
        group.bench_function(text, |bencher| {
            bencher.iter(|| {
                let sampler = black_box(&sampler);
                let mut sum = 0u64;
                for request in black_box(&requests) {
                    sum += sampler.sample(&mut Draws::new(key, *request));
                }
                sum
            });
        });
    }
    // Each draw waits for the one before: the latency, where the sums above show the throughput.
    let law = Law::Exponential { mean: 0.002 };
    let sampler = Sampler::new(&law);
    group.bench_function("exp(2ms), each after the other", |bencher| {
        bencher.iter(|| {
            let sampler = black_box(&sampler);
            let mut sum = 0u64;
            for request in black_box(&requests) {
                sum += sampler.sample_nanos(tables, &mut Draws::new(key, request ^ (sum & 1)));
            }
            sum
        });
    });
    group.finish();
}

criterion_group!(benches, keyed);
criterion_main!(benches);
