//! How many lookups miss, before any run.

use super::Plan;
use crate::component::Facts;
use crate::distribution::Popularity;

/// The first keys are added up one by one, the others in blocks that are a thousandth as long as what lies before them.
const SINGLE: u64 = 10_000;

impl Plan {
    /// Whether it depends on the rate of lookups.
    pub fn expires(&self) -> bool {
        self.keys.is_some() && (self.limits.after_write != u64::MAX || self.limits.after_access != u64::MAX)
    }

    /// Whether all of its keys find room and stay.
    pub fn keeps_all(&self) -> bool {
        let all = |k: &Popularity| k.len() <= self.limits.size;
        self.keys.as_ref().is_some_and(all) && !self.expires()
    }

    /// What is known of it with so many lookups a second in each instance.
    pub fn facts_at(&self, rate: f64) -> Facts {
        let misses = self.misses(rate);
        let hit = self.hit_time.as_ref();
        let hit = hit.map_or(0.0, |l| l.mean().unwrap_or(f64::INFINITY));
        Facts {
            inside: misses,
            time: if misses < 1.0 { (1.0 - misses) * hit } else { 0.0 },
            ..Facts::default()
        }
    }

    /// Share of misses among so many lookups a second, each for a key of its own choice: at least those of a cache that
    /// always holds the most popular keys, and those that expire.
    ///
    /// Of a key that is asked for l times a second (Poisson), one lookup in 1 + l T comes first after a load has expired T after
    /// it was stored; and with a gap longer than T before it comes the share e^(-l T).
    pub fn misses(&self, rate: f64) -> f64 {
        let Some(keys) = &self.keys else {
            return 1.0 - self.hit_ratio;
        };
        let sized = keys.share_beyond(self.limits.size);
        if !self.expires() || !rate.is_finite() {
            return sized;
        }
        let seconds = |nanos: u64| match nanos {
            u64::MAX => f64::INFINITY,
            nanos => nanos as f64 * 1e-9,
        };
        let (written, used) = (
            seconds(self.limits.after_write),
            seconds(self.limits.after_access),
        );
        let missed = |p: f64| {
            let asked = rate * p;
            let gone = if written.is_finite() {
                1.0 / (1.0 + asked * written)
            } else {
                0.0
            };
            let idle = if used.is_finite() {
                libm::exp(-asked * used)
            } else {
                0.0
            };
            p * gone.max(idle)
        };
        sized.max(over(keys, missed)).min(1.0)
    }
}

/// A sum over keys of a function of how often each is asked for.
fn over(keys: &Popularity, of: impl Fn(f64) -> f64) -> f64 {
    let (mut sum, mut i, n) = (0.0, 0, keys.len());
    while i < n {
        let block = (i / 1000).max(1).min(n - i);
        // Those of a list stand in any order.
        let block = if i < SINGLE || keys.is_list() { 1 } else { block };
        sum += block as f64 * of(keys.probability(i + block / 2));
        i += block;
    }
    sum
}
