//! What a breaker remembers of the latest calls.

/// Outcomes of the latest calls: of a number of calls, or of a number of seconds.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) by_time: bool,
    minimum: u64,
    /// Per call or per second: calls, failures, slow calls.
    ring: Vec<[u32; 3]>,
    next: usize,
    second: u64,
    sum: [u64; 3],
}

impl Window {
    pub(super) fn new(by_time: bool, size: u64, minimum: u64, now: u64) -> Window {
        Window {
            by_time,
            // A window of calls never holds more than its size.
            minimum: if by_time { minimum } else { minimum.min(size) },
            ring: vec![[0; 3]; size as usize],
            next: 0,
            second: now / 1_000_000_000,
            sum: [0; 3],
        }
    }

    pub(super) fn forget(&mut self) {
        for (sum, gone) in self.sum.iter_mut().zip(std::mem::take(&mut self.ring[self.next])) {
            *sum -= gone as u64;
        }
    }

    /// Drops the seconds that have left a window of time.
    pub(super) fn turn(&mut self, now: u64) {
        let second = now / 1_000_000_000;
        let passed = (second - self.second).min(self.ring.len() as u64);
        self.second = second;
        for _ in 0..passed {
            self.next = (self.next + 1) % self.ring.len();
            self.forget();
        }
    }

    pub(super) fn record(&mut self, failed: bool, slow: bool, now: u64) {
        if self.by_time {
            self.turn(now);
        } else {
            self.next = (self.next + 1) % self.ring.len();
            self.forget();
        }
        for (i, n) in [true, failed, slow].into_iter().enumerate() {
            self.ring[self.next][i] += n as u32;
            self.sum[i] += n as u64;
        }
    }

    /// Failures and slow calls in percent of the calls; `None` below the minimum of calls.
    pub(super) fn rates(&self) -> Option<(f64, f64)> {
        let [calls, failed, slow] = self.sum;
        (calls >= self.minimum).then(|| {
            (
                failed as f64 * 100.0 / calls as f64,
                slow as f64 * 100.0 / calls as f64,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_window_of_ten_calls_with_a_minimum_of_five_knows_its_rate_at_the_fifth() {
        let mut w = Window::new(false, 10, 5, 0);
        for failed in [true, false, true, false] {
            w.record(failed, false, 0);
            assert_eq!(w.rates(), None);
        }
        w.record(true, false, 0);
        assert_eq!(w.rates(), Some((60.0, 0.0)));
    }

    #[test]
    fn a_window_of_calls_has_its_minimum_at_its_size_at_most() {
        let mut w = Window::new(false, 3, 100, 0);
        for _ in 0..3 {
            w.record(true, true, 0);
        }
        assert_eq!(w.rates(), Some((100.0, 100.0)));
    }

    #[test]
    fn a_window_of_calls_forgets_by_calls_and_not_by_time() {
        let mut w = Window::new(false, 4, 1, 0);
        w.record(true, false, 0);
        for _ in 0..3 {
            w.record(false, false, 3600 * SECOND);
        }
        assert_eq!(w.rates(), Some((25.0, 0.0)));
        w.record(false, false, 3600 * SECOND);
        assert_eq!(w.rates(), Some((0.0, 0.0)));
    }

    #[test]
    fn a_window_of_time_forgets_second_by_second() {
        let mut w = Window::new(true, 10, 2, 0);
        w.record(true, false, SECOND / 2);
        w.record(false, false, 5 * SECOND);
        assert_eq!(w.rates(), Some((50.0, 0.0)));
        w.record(false, false, 9 * SECOND + SECOND / 2);
        assert_eq!(w.sum, [3, 1, 0]);
        w.record(false, false, 10 * SECOND);
        assert_eq!(w.sum, [3, 0, 0]);
        w.record(false, false, 1000 * SECOND);
        assert_eq!((w.sum, w.rates()), ([1, 0, 0], None));
    }
}
