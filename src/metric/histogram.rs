//! Quantiles of whole nanoseconds, with a stated error.

/// Sub-buckets an octave, as a power of two.
const SUB_BITS: u32 = 7;
const SUB: usize = 1 << SUB_BITS;

/// A log-linear histogram of whole nanoseconds.
///
/// Values below 256 ns have a bucket each; above, every octave is cut into 128 buckets of equal
/// width, so a bucket is at most 1/128 (0.79 %) of its values wide. Count, sum, minimum and maximum
/// are exact. Buckets exist from the lowest to the highest octave met: 1 KiB an octave.
///
/// Why not the crate `hdrhistogram` (7.6, two significant digits, which is the same resolution): it
/// keeps no exact sum, which Little's law is checked with, and no exact extremes; it holds every
/// octave up to the highest; its quantiles are bucket ends. `record` is no slower here: 2.3 ns
/// against 2.6 ns for exponential values in one loop on a shared Zen 4 machine.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Index of the first bucket of `counts`, a multiple of [`SUB`].
    base: usize,
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

#[inline(always)]
fn index(value: u64) -> usize {
    let shift = u64::BITS - 1 - SUB_BITS - (value | SUB as u64).leading_zeros();
    ((shift as usize) << SUB_BITS) + (value >> shift) as usize
}

/// The least and the greatest value of a bucket.
fn bounds(index: usize) -> (u64, u64) {
    let shift = (index >> SUB_BITS).saturating_sub(1);
    let low = ((index - (shift << SUB_BITS)) as u64) << shift;
    (low, low + ((1 << shift) - 1))
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Nothing recorded, nothing allocated.
    pub const fn new() -> Self {
        Histogram {
            base: 0,
            counts: Vec::new(),
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }

    /// Records one value.
    #[inline(always)]
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Records a value `n` times.
    #[inline(always)]
    pub fn record_n(&mut self, value: u64, n: u64) {
        if n == 0 {
            return;
        }
        let index = index(value);
        match self.counts.get_mut(index.wrapping_sub(self.base)) {
            Some(count) => *count += n,
            None => self.record_outside(index, n),
        }
        self.count += n;
        self.sum += value as u128 * n as u128;
        // Two branches that are never taken; joined, the compiler makes numbers of them first.
        if value < self.min {
            self.extend(value);
        }
        if value > self.max {
            self.extend(value);
        }
    }

    /// Rare after the first few records, so predicted branches are cheaper than two stores.
    #[cold]
    #[inline(never)]
    fn extend(&mut self, value: u64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    #[cold]
    #[inline(never)]
    fn record_outside(&mut self, index: usize, n: u64) {
        self.cover(index, index + 1);
        self.counts[index - self.base] += n;
    }

    /// Makes the buckets `from..to` exist, in whole octaves.
    fn cover(&mut self, from: usize, to: usize) {
        let from = from / SUB * SUB;
        let to = to.next_multiple_of(SUB);
        if self.counts.is_empty() {
            self.base = from;
        }
        if from < self.base {
            let below = self.base - from;
            self.counts.splice(0..0, std::iter::repeat_n(0, below));
            self.base = from;
        }
        if to > self.base + self.counts.len() {
            let len = to - self.base;
            self.counts.reserve_exact(len - self.counts.len());
            self.counts.resize(len, 0);
        }
    }

    /// How many values were recorded.
    #[inline]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing was recorded.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The exact sum, in nanoseconds.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The least value; exact, except after [`Histogram::diff`].
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest value; exact, except after [`Histogram::diff`].
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The exact mean, in nanoseconds.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The value below which a share `p` of the records lies, in nanoseconds.
    ///
    /// With the n records in order, numbered from 0, the answer lies in the bucket of the record
    /// whose number is nearest to p·(n − 1), so it is less than 1/128 away from that record; within
    /// the bucket the records are taken to be evenly spread. `p` below 0 or above 1 counts as 0 or
    /// 1, which give the minimum and the maximum. None if nothing was recorded or `p` is not a
    /// number.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        if self.count == 0 || p.is_nan() {
            return None;
        }
        if p <= 0.0 {
            return Some(self.min as f64);
        }
        if p >= 1.0 {
            return Some(self.max as f64);
        }
        let rank = p * (self.count - 1) as f64 + 0.5;
        let mut below = 0;
        for (low, high, count) in self.iter() {
            let here = below + count;
            if rank <= here as f64 {
                let share = (rank - below as f64) / count as f64;
                let value = low as f64 + share * (high - low) as f64;
                return Some(value.clamp(self.min as f64, self.max as f64));
            }
            below = here;
        }
        Some(self.max as f64)
    }

    /// The share of records above `value`; exact below 256 ns and at bucket bounds, else the
    /// records of one bucket are taken to be evenly spread. 0 if nothing was recorded.
    pub fn share_above(&self, value: u64) -> f64 {
        if self.count == 0 || value >= self.max {
            return 0.0;
        }
        if value < self.min {
            return 1.0;
        }
        let mut above = 0;
        let mut part = 0.0;
        for (low, high, count) in self.iter() {
            if low > value {
                above += count;
            } else if high > value {
                part = count as f64 * ((high - value) as f64 / ((high - low) as f64 + 1.0));
            }
        }
        (above as f64 + part) / self.count as f64
    }

    /// What is needed later to tell how many records lie above a value: the buckets that hold something.
    pub fn packed(&self) -> Packed {
        let occupied = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        let mut buckets: Vec<(u32, u64)> = occupied.map(|(at, n)| ((self.base + at) as u32, *n)).collect();
        let mut above = 0;
        for bucket in buckets.iter_mut().rev() {
            above += bucket.1;
            bucket.1 = above;
        }
        Packed(buckets.into())
    }

    /// The buckets that hold something, upwards: least value, greatest value, count.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        let occupied = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        occupied.map(|(at, &count)| {
            let (low, high) = bounds(self.base + at);
            (low, high, count)
        })
    }

    /// Adds the records of `other`. The order of merging does not matter.
    pub fn merge(&mut self, other: &Histogram) {
        if other.count == 0 {
            return;
        }
        self.cover(other.base, other.base + other.counts.len());
        let offset = other.base - self.base;
        for (mine, more) in self.counts[offset..].iter_mut().zip(&other.counts) {
            *mine += more;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forgets everything but keeps the buckets for the next records.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.count = 0;
        self.sum = 0;
        self.min = u64::MAX;
        self.max = 0;
    }

    /// With the records that wrk 4 adds for requests it did not send while it waited for a slow answer: each record
    /// n of at least twice the `interval` also counts as n - interval, n - 2 interval, ... above the interval
    /// (wrk `stats.c`, `stats_correct`). Buckets stand for their greatest value. wrk counts in microseconds,
    /// so no interval is shorter.
    pub fn back_filled(&self, interval: u64) -> Histogram {
        let interval = interval.max(1000);
        let mut filled = self.clone();
        for (_, high, count) in self.iter() {
            let mut missed = high.min(self.max).saturating_sub(interval);
            while missed > interval {
                filled.record_n(missed, count);
                missed -= interval;
            }
        }
        filled
    }

    /// What was recorded since `earlier`, a copy of this histogram made before.
    ///
    /// Count, sum and mean are exact; the minimum and the maximum are only known to the bucket,
    /// unless they lie beyond those of `earlier`. If `earlier` is no such copy, buckets in which it
    /// holds more count as empty.
    pub fn diff(&self, earlier: &Histogram) -> Histogram {
        let mut window = Histogram::new();
        let before = |index: usize| {
            let at = index.wrapping_sub(earlier.base);
            earlier.counts.get(at).copied().unwrap_or(0)
        };
        let changed = |at: &usize| self.counts[*at] > before(self.base + at);
        let Some(first) = (0..self.counts.len()).find(changed) else {
            return window;
        };
        let last = (first..self.counts.len()).rev().find(changed).unwrap_or(first);
        window.cover(self.base + first, self.base + last + 1);
        for at in first..=last {
            let index = self.base + at;
            let n = self.counts[at].saturating_sub(before(index));
            window.counts[index - window.base] = n;
            window.count += n;
        }
        window.sum = self.sum.saturating_sub(earlier.sum);
        window.min = match self.min < earlier.min {
            true => self.min,
            false => bounds(self.base + first).0.max(self.min),
        };
        window.max = match self.max > earlier.max {
            true => self.max,
            false => bounds(self.base + last).1.min(self.max),
        };
        window
    }
}

/// A histogram that is only kept: 16 bytes for each bucket that holds something, with how many records it and those
/// above it hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packed(Box<[(u32, u64)]>);

impl Packed {
    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.0.first().map_or(0, |b| b.1)
    }

    /// How many records lie above a value in nanoseconds; the records of one bucket are taken to be evenly spread.
    pub fn above(&self, value: f64) -> f64 {
        let at = self
            .0
            .partition_point(|b| (bounds(b.0 as usize).1 as f64) < value);
        let Some(&(bucket, here)) = self.0.get(at) else {
            return 0.0;
        };
        let higher = self.0.get(at + 1).map_or(0, |b| b.1);
        let (low, high) = bounds(bucket as usize);
        let part = ((high as f64 - value) / ((high - low) as f64 + 1.0)).min(1.0);
        // A bucket that lies above the value as a whole counts as a whole.
        let part = if low as f64 > value { 1.0 } else { part };
        higher as f64 + part * (here - higher) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|&v| histogram.record(v));
        histogram
    }

    /// Equal in everything that can be read, whatever the range of empty buckets.
    fn assert_same(a: &Histogram, b: &Histogram) {
        assert_eq!(a.iter().collect::<Vec<_>>(), b.iter().collect::<Vec<_>>());
        assert_eq!((a.count(), a.sum()), (b.count(), b.sum()));
        assert_eq!((a.min(), a.max()), (b.min(), b.max()));
    }

    /// Values of every size, small ones often equal.
    fn value() -> impl Strategy<Value = u64> {
        prop_oneof![
            0u64..300,
            1_000_000u64..2_000_000,
            (0u32..64, any::<u64>()).prop_map(|(shift, v)| v >> shift),
            Just(u64::MAX),
        ]
    }

    #[test]
    fn buckets_meet_without_gap_and_hold_their_bounds() {
        let last = index(u64::MAX);
        assert_eq!(last, 57 * SUB + SUB - 1);
        assert_eq!(bounds(last).1, u64::MAX);
        for i in 0..=last {
            let (low, high) = bounds(i);
            assert_eq!((index(low), index(high)), (i, i));
            assert!((high - low) as f64 <= low as f64 / SUB as f64);
            if i > 0 {
                assert_eq!(bounds(i - 1).1 + 1, low);
            }
        }
    }

    #[test]
    fn an_empty_histogram_answers_none() {
        let empty = Histogram::new();
        assert_eq!(empty.quantile(0.5), None);
        assert_eq!((empty.min(), empty.max(), empty.mean()), (None, None, None));
        assert_eq!(empty.share_above(0), 0.0);
        assert_same(&empty.diff(&empty), &Histogram::new());
        assert_eq!(filled(&[1]).quantile(f64::NAN), None);
    }

    #[test]
    fn a_single_value_is_every_quantile() {
        let histogram = filled(&[123_456_789]);
        for p in [-1.0, 0.0, 0.3, 0.5, 0.999, 1.0, 2.0] {
            assert_eq!(histogram.quantile(p), Some(123_456_789.0));
        }
    }

    #[test]
    fn recording_a_value_no_times_changes_nothing() {
        let mut histogram = filled(&[5]);
        histogram.record_n(1 << 50, 0);
        assert_same(&histogram, &filled(&[5]));
        histogram.record_n(1 << 50, 2);
        assert_same(&histogram, &filled(&[5, 1 << 50, 1 << 50]));
    }

    #[test]
    fn small_values_are_exact() {
        let values: Vec<u64> = (0..256).collect();
        let histogram = filled(&values);
        for v in 0..256u64 {
            assert_eq!(histogram.quantile(v as f64 / 255.0), Some(v as f64));
            assert_eq!(histogram.share_above(v), (255 - v) as f64 / 256.0);
        }
    }

    #[test]
    fn what_is_kept_tells_how_many_lie_above() {
        let mut histogram = Histogram::new();
        for value in [3, 7, 7, 100, 1_000_000, 1_000_001, 5_000_000] {
            histogram.record(value);
        }
        let kept = histogram.packed();
        assert_eq!(kept.count(), 7);
        for value in [0, 3, 6, 7, 99, 100, 4_000_000, 6_000_000] {
            let expected = 7.0 * histogram.share_above(value);
            assert!((kept.above(value as f64) - expected).abs() < 1e-9, "{value}");
        }
        // A bucket of 8192 ns that holds two records: half of it is one.
        let (low, high) = bounds(index(1_000_000));
        let found = kept.above(0.5 * (low + high) as f64);
        assert!((found - 2.0).abs() < 0.001, "{found}");
        assert_eq!(Histogram::new().packed().above(1.0), 0.0);
    }

    #[test]
    fn a_window_knows_only_what_came_in_it() {
        let mut histogram = filled(&[1_000_000, 5_000_000, 90_000_000]);
        let earlier = histogram.clone();
        histogram.record_n(2_000_000, 3);
        let window = histogram.diff(&earlier);
        assert_eq!((window.count(), window.sum()), (3, 6_000_000));
        assert_eq!(window.iter().count(), 1);
        assert!((window.quantile(0.5).unwrap() / 2e6 - 1.0).abs() < 1.0 / 128.0);
        assert!(window.counts.len() <= SUB);
    }

    #[test]
    fn a_slow_answer_stands_for_those_it_held_up() {
        let h = filled(&[100_000, 150_000, 450_000]);
        let filled = h.back_filled(100_000);
        // 450 us also counts as 350 and 250 and 150 us; 150 us is below twice the interval.
        assert_eq!(filled.count(), 6);
        assert_eq!(filled.max(), Some(450_000));
        assert_eq!(filled.sum(), 100_000 + 2 * 150_000 + 250_000 + 350_000 + 450_000);
    }

    #[test]
    fn an_answer_after_three_whole_intervals_held_up_one_request() {
        let mut h = Histogram::new();
        h.record_n(50_000, 2);
        h.record_n(300_000, 4);
        let filled = h.back_filled(100_000);
        // 200 us; 100 us is not above the interval.
        assert_eq!(filled.count(), 2 + 4 + 4);
        assert_eq!(filled.sum(), h.sum() + 4 * 200_000);
    }

    #[test]
    fn records_of_one_bucket_count_as_evenly_spread() {
        let (low, high) = bounds(index(1_000_000));
        let middle = low + (high - low) / 2;
        let histogram = filled(&[low, low, low, high + 1]);
        let spread = 3.0 * (high - middle) as f64 / (high - low + 1) as f64;
        assert_eq!(histogram.share_above(middle), (1.0 + spread) / 4.0);
        assert_eq!(histogram.share_above(high), 0.25);
        assert_eq!(histogram.share_above(low - 1), 1.0);
        assert_eq!(filled(&[low, low]).share_above(low), 0.0);
    }

    #[test]
    fn count_and_mean_are_exact() {
        let histogram = filled(&[1_000_001, 2_000_003, 4_000_002]);
        assert_eq!(histogram.mean(), Some(7_000_006.0 / 3.0));
        assert!(!histogram.is_empty() && Histogram::new().is_empty());
    }

    #[test]
    fn histograms_without_small_values_merge() {
        let (near, far) = (filled(&[1 << 40]), filled(&[1 << 42]));
        for (first, second) in [(&near, &far), (&far, &near)] {
            let mut merged = first.clone();
            merged.merge(second);
            assert_same(&merged, &filled(&[1 << 40, 1 << 42]));
        }
    }

    #[test]
    fn a_window_knows_a_new_extreme_to_the_last_digit() {
        let earlier = filled(&[5_000_000]);
        let mut histogram = earlier.clone();
        histogram.record(1_000_001);
        histogram.record(90_000_001);
        let window = histogram.diff(&earlier);
        assert_eq!((window.min(), window.max()), (Some(1_000_001), Some(90_000_001)));
        // The first bucket of an octave, and nothing before.
        let single = filled(&[1 << 40]);
        assert_same(&single.diff(&Histogram::new()), &single);
    }

    proptest! {
        #[test]
        fn quantiles_stay_within_a_bucket_of_the_sorted_sample(
            mut values in prop::collection::vec(value(), 1..400),
            ps in prop::collection::vec(0.0f64..=1.0, 20),
        ) {
            let histogram = filled(&values);
            values.sort_unstable();
            let n = values.len();
            prop_assert_eq!(histogram.count(), n as u64);
            prop_assert_eq!(histogram.sum(), values.iter().map(|&v| v as u128).sum::<u128>());
            prop_assert_eq!(histogram.min(), Some(values[0]));
            prop_assert_eq!(histogram.max(), Some(values[n - 1]));
            for p in ps {
                let at = p * (n - 1) as f64;
                // At a half either neighbour is the nearest.
                let nearest = [(at - 0.5).ceil().max(0.0) as usize, (at + 0.5).floor() as usize];
                let got = histogram.quantile(p).unwrap();
                let close = |v: u64| (got - v as f64).abs() <= v as f64 / 128.0;
                prop_assert!(nearest.iter().any(|&i| close(values[i.min(n - 1)])), "p {} got {}", p, got);
            }
        }

        #[test]
        fn quantiles_never_fall_as_p_rises(values in prop::collection::vec(value(), 1..200)) {
            let histogram = filled(&values);
            let mut before = 0.0;
            for k in 0..=1000 {
                let q = histogram.quantile(k as f64 / 1000.0).unwrap();
                prop_assert!(q >= before);
                before = q;
            }
        }

        #[test]
        fn the_share_above_is_right_to_one_bucket(
            values in prop::collection::vec(value(), 1..200), limit in value(),
        ) {
            let share = filled(&values).share_above(limit) * values.len() as f64;
            let (low, high) = bounds(index(limit));
            let at_least = values.iter().filter(|&&v| v > high).count() as f64;
            let at_most = values.iter().filter(|&&v| v >= low).count() as f64;
            prop_assert!(share >= at_least - 1e-9 && share <= at_most + 1e-9);
        }

        #[test]
        fn merging_and_windows_are_inverse(
            a in prop::collection::vec(value(), 0..200), b in prop::collection::vec(value(), 0..200),
        ) {
            let (first, second) = (filled(&a), filled(&b));
            let both: Vec<u64> = a.iter().chain(&b).copied().collect();
            let mut merged = first.clone();
            merged.merge(&second);
            assert_same(&merged, &filled(&both));
            let mut other_way = second.clone();
            other_way.merge(&first);
            assert_same(&merged, &other_way);

            let window = merged.diff(&first);
            prop_assert_eq!(window.iter().collect::<Vec<_>>(), second.iter().collect::<Vec<_>>());
            prop_assert_eq!((window.count(), window.sum()), (second.count(), second.sum()));
            if let (Some(low), Some(high)) = (second.min(), second.max()) {
                prop_assert_eq!(index(window.min().unwrap()), index(low));
                prop_assert_eq!(index(window.max().unwrap()), index(high));
            }

            merged.clear();
            assert_same(&merged, &Histogram::new());
            both.iter().for_each(|&v| merged.record(v));
            assert_same(&merged, &filled(&both));
        }
    }
}
