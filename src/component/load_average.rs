//! The load average as Linux computes it (`kernel/sched/loadavg.c`): every 5 s (and a tick, left out here) the number of runnable tasks is mixed
//! into three averages, in fixed point with 11 bits.

/// Nanoseconds between two samples.
pub const PERIOD: u64 = 5_000_000_000;

const ONE: u64 = 1 << 11;
/// 1 / exp(5 s / 1 min), 1 / exp(5 s / 5 min), 1 / exp(5 s / 15 min).
const DECAY: [u64; 3] = [1884, 2014, 2037];

/// Averages over 1, 5 and 15 minutes.
#[derive(Default)]
pub struct LoadAverage {
    fixed: [u64; 3],
    max: f64,
    sum: f64,
    samples: u64,
}

impl LoadAverage {
    /// `runnable` tasks run or wait for a core.
    pub fn sample(&mut self, runnable: u64) {
        let active = runnable.min(1 << 32) * ONE;
        for (load, decay) in self.fixed.iter_mut().zip(DECAY) {
            let mut next = *load * decay + active * (ONE - decay);
            if active >= *load {
                next += ONE - 1;
            }
            *load = next / ONE;
        }
        let one = self.now()[0];
        self.max = self.max.max(one);
        self.sum += one;
        self.samples += 1;
    }

    /// The three averages.
    pub fn now(&self) -> [f64; 3] {
        self.fixed.map(|f| f as f64 / ONE as f64)
    }

    /// Of the one-minute average, over the samples since the measurement began.
    pub fn mean_and_max(&self) -> Option<(f64, f64)> {
        (self.samples > 0).then(|| (self.sum / self.samples as f64, self.max))
    }

    /// The measurement begins; the averages stay.
    pub fn reset(&mut self) {
        (self.max, self.sum, self.samples) = (0.0, 0.0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 2048 · 164 + 2047 = 337,919, / 2048 = 164.999; then 164 · 1884 + 337,919 = 646,895, / 2048 = 315.9.
    #[test]
    fn the_first_samples_are_those_of_the_kernel() {
        let mut load = LoadAverage::default();
        load.sample(1);
        assert_eq!(load.fixed, [164, 34, 11]);
        load.sample(1);
        assert_eq!(load.fixed[0], 315);
        // 315 · 1884 / 2048 = 289.8
        load.sample(0);
        assert_eq!(load.fixed[0], 289);
    }

    #[test]
    fn a_steady_load_is_reached_after_minutes() {
        let mut load = LoadAverage::default();
        for _ in 0..12 {
            load.sample(4);
        }
        // 1 - 1/e of it after a minute.
        assert!((load.now()[0] - 4.0 * 0.632).abs() < 0.02, "{:?}", load.now());
        for _ in 0..2000 {
            load.sample(4);
        }
        assert_eq!(load.now(), [4.0, 4.0, 4.0]);
    }

    #[test]
    fn a_new_measurement_forgets_samples_and_keeps_the_averages() {
        let mut load = LoadAverage::default();
        assert_eq!(load.mean_and_max(), None);
        for _ in 0..100 {
            load.sample(4);
        }
        load.sample(0);
        load.reset();
        assert_eq!(load.mean_and_max(), None);
        load.sample(0);
        let now = load.now()[0];
        assert!(now > 3.0);
        assert_eq!(load.mean_and_max(), Some((now, now)));
        load.sample(0);
        let (mean, max) = load.mean_and_max().expect("two samples");
        assert_eq!((mean, max), ((now + load.now()[0]) / 2.0, now));
    }
}
