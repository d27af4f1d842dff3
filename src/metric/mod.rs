//! What is measured, as plain data: counters, time-weighted gauges and histograms.

mod histogram;

pub use histogram::{Histogram, Packed};

use crate::quantity::SimTime;

/// A number of occurrences.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter(u64);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Counter(0)
    }

    /// One more.
    #[inline(always)]
    pub fn increment(&mut self) {
        self.0 += 1;
    }

    /// `n` more.
    #[inline(always)]
    pub fn add(&mut self, n: u64) {
        self.0 += n;
    }

    /// How many so far.
    #[inline(always)]
    pub fn value(self) -> u64 {
        self.0
    }

    /// Starts again at zero.
    pub fn reset(&mut self) {
        self.0 = 0;
    }
}

/// A number present, with its maximum and its area over time.
///
/// The area under n(t) up to T is n·T less the sum of the entry times plus the sum of the leaving
/// times, so a change costs two additions and no interval is ever multiplied out. All of it is
/// whole nanoseconds: the area is exact.
///
/// Changes must come in the order of time, and no more can leave than are present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gauge {
    value: u64,
    max: u64,
    /// Sum of leaving times less sum of entry times, in nanoseconds, since the start of
    /// measurement, at which those present count as entering.
    balance: i128,
    since: SimTime,
}

impl Gauge {
    /// Nobody present, measured from time zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// One enters.
    #[inline(always)]
    pub fn enter(&mut self, now: SimTime) {
        self.value += 1;
        self.max = self.max.max(self.value);
        self.balance -= now.nanos() as i128;
    }

    /// One leaves.
    #[inline(always)]
    pub fn leave(&mut self, now: SimTime) {
        debug_assert!(self.value > 0, "more leave than are present");
        self.value = self.value.wrapping_sub(1);
        self.balance += now.nanos() as i128;
    }

    /// `k` enter, or `-k` leave, at once.
    #[inline(always)]
    pub fn add(&mut self, now: SimTime, k: i64) {
        debug_assert!(
            self.value.checked_add_signed(k).is_some(),
            "more leave than are present"
        );
        self.value = self.value.wrapping_add_signed(k);
        self.max = self.max.max(self.value);
        self.balance -= k as i128 * now.nanos() as i128;
    }

    /// How many are present.
    #[inline(always)]
    pub fn value(&self) -> u64 {
        self.value
    }

    /// The most that were present at once since the start of measurement.
    #[inline(always)]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The start of measurement.
    pub fn since(&self) -> SimTime {
        self.since
    }

    /// The integral of the number present from the start of measurement to `now`, in nanoseconds.
    pub fn area(&self, now: SimTime) -> u128 {
        let area = self.value as i128 * now.nanos() as i128 + self.balance;
        debug_assert!(area >= 0, "a gauge was read or changed out of the order of time");
        area.max(0) as u128
    }

    /// The time average from the start of measurement to `now`; none over no time.
    pub fn mean(&self, now: SimTime) -> Option<f64> {
        let span = now.nanos().saturating_sub(self.since.nanos());
        (span > 0).then(|| self.area(now) as f64 / span as f64)
    }

    /// Starts measurement at `now`: the area is zero, the maximum is the number present.
    pub fn reset(&mut self, now: SimTime) {
        self.max = self.value;
        self.balance = -(self.value as i128 * now.nanos() as i128);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(nanos: u64) -> SimTime {
        SimTime::from_nanos(nanos)
    }

    #[test]
    fn a_gauge_that_nobody_entered_has_a_mean_of_zero_and_none_over_no_time() {
        let gauge = Gauge::new();
        assert_eq!(gauge.mean(at(0)), None);
        assert_eq!(gauge.mean(at(7)), Some(0.0));
        assert_eq!((gauge.value(), gauge.max(), gauge.area(at(7))), (0, 0, 0));
    }

    #[test]
    fn a_gauge_late_in_a_long_run_stays_exact() {
        let late = (1 << 60) - 1_000_000;
        let mut gauge = Gauge::new();
        gauge.add(at(0), 1 << 28);
        assert_eq!(gauge.area(at(late)), (1u128 << 28) * late as u128);
        gauge.reset(at(late));
        assert_eq!(gauge.area(at(late)), 0);
        gauge.leave(at(late + 3));
        assert_eq!(gauge.area(at(late + 5)), (1 << 28) * 5 - 2);
        assert_eq!(gauge.max(), 1 << 28);
    }

    proptest! {
        #[test]
        fn a_gauge_agrees_with_stepwise_integration(
            steps in prop::collection::vec((0u64..1_000_000_000, -20i64..20, prop::bool::weighted(0.05)), 1..200),
        ) {
            let mut gauge = Gauge::new();
            let (mut now, mut since) = (0u64, 0u64);
            let (mut present, mut most, mut area) = (0i64, 0i64, 0u128);
            for (gap, k, reset) in steps {
                area += present as u128 * gap as u128;
                now += gap;
                if reset {
                    gauge.reset(at(now));
                    (area, most, since) = (0, present, now);
                }
                let k = k.max(-present);
                present += k;
                most = most.max(present);
                match k {
                    1 => gauge.enter(at(now)),
                    -1 => gauge.leave(at(now)),
                    k => gauge.add(at(now), k),
                }
                prop_assert_eq!(gauge.value(), present as u64);
                prop_assert_eq!(gauge.max(), most as u64);
                prop_assert_eq!(gauge.area(at(now)), area);
                let later = now + 17;
                let mean = (area + 17 * present as u128) as f64 / (later - since) as f64;
                prop_assert_eq!(gauge.mean(at(later)), Some(mean));
            }
        }
    }
}
