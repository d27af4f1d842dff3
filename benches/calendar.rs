//! The hold model: n events pending, each step takes the earliest and enters one an exponential
//! time later. The figure is one step, the draw included.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use plimsoll::kernel::calendar::{Calendar, Event};
use plimsoll::quantity::SimTime;
use rand_distr::{Distribution, Exp1};
use std::hint::black_box;

/// Splitmix64, as a source for the sampler.
struct Source(u64);

impl rand::TryRng for Source {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok((self.try_next_u64()? >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(x ^ (x >> 31))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

fn hold(c: &mut Criterion) {
    let mut group = c.benchmark_group("calendar/hold");
    for pending in [100u64, 10_000, 1_000_000] {
        let mut source = Source(11);
        let mut delay = || {
            let mean: f64 = Exp1.sample(&mut source);
            (mean * 1e9) as u64
        };
        let mut calendar = Calendar::new();
        let mut number = 0;
        for _ in 0..pending {
            calendar.push(Event::new(SimTime::from_nanos(delay()), 0, number, 0));
            number += 1;
        }
        let mut step = || {
            let event = calendar.pop().expect("the hold model never runs dry");
            let time = SimTime::from_nanos(event.time().nanos() + delay());
            calendar.push(Event::new(time, 0, number, event.payload()));
            number += 1;
            event
        };
        // To the mix of remaining times that the hold model settles to.
        for _ in 0..2 * pending {
            step();
        }
        group.bench_function(BenchmarkId::from_parameter(pending), |b| {
            b.iter(|| black_box(step()))
        });
    }
    group.finish();
}

criterion_group!(benches, hold);
criterion_main!(benches);
