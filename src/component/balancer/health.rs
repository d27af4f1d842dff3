//! What a balancer learns about replicas from the calls it sent there, by the rules of nginx
//! (`ngx_http_upstream_round_robin.c`; counted in nanoseconds instead of seconds).

/// Failures by replica.
pub struct Health {
    /// Zero: failures do not count.
    max_fails: u32,
    timeout: u64,
    replicas: Vec<Replica>,
    /// Replicas with too many failures.
    marked: u32,
    left: Vec<u32>,
    /// How often a replica had one failure too many.
    pub marked_down: u64,
}

#[derive(Copy, Clone, Default)]
struct Replica {
    fails: u32,
    /// The last failure.
    failed: u64,
    /// The last failure, or the call that tried it since.
    checked: u64,
}

impl Health {
    pub fn new(max_fails: u32, timeout: u64, replicas: u32) -> Self {
        // With one replica nothing is marked.
        let max_fails = if replicas > 1 { max_fails } else { 0 };
        let n = if max_fails > 0 { replicas as usize } else { 0 };
        Health {
            max_fails,
            timeout,
            replicas: vec![Replica::default(); n],
            marked: 0,
            left: Vec::new(),
            marked_down: 0,
        }
    }

    /// Whether failures count.
    pub fn watches(&self) -> bool {
        self.max_fails > 0
    }

    /// Those of `alive` that may be called now.
    #[inline]
    pub fn pass_over<'a>(&'a mut self, alive: &'a [u32], now: u64) -> &'a [u32] {
        if self.marked == 0 {
            return alive;
        }
        let Health {
            max_fails,
            timeout,
            replicas,
            left,
            ..
        } = self;
        left.clear();
        left.extend(alive.iter().filter(|r| {
            let r = replicas[**r as usize];
            r.fails < *max_fails || now - r.checked > *timeout
        }));
        left
    }

    /// A call goes there. One that was passed over long enough is tried by this call alone.
    #[inline]
    pub fn chosen(&mut self, replica: u32, now: u64) {
        if let Some(r) = self.replicas.get_mut(replica as usize)
            && now - r.checked > self.timeout
        {
            r.checked = now;
        }
    }

    /// A call is back.
    #[inline]
    pub fn ended(&mut self, replica: u32, failed: bool, now: u64) {
        let Some(r) = self.replicas.get_mut(replica as usize) else {
            return;
        };
        if failed {
            r.fails += 1;
            (r.failed, r.checked) = (now, now);
            if r.fails == self.max_fails {
                self.marked += 1;
                self.marked_down += 1;
            }
        } else if r.failed < r.checked {
            // Only a call that was sent as a trial clears what came before.
            if r.fails >= self.max_fails {
                self.marked -= 1;
            }
            r.fails = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_failures_pass_a_replica_over_until_one_call_has_tried_it() {
        let mut h = Health::new(2, 10, 2);
        h.ended(1, true, 100);
        assert_eq!(h.pass_over(&[0, 1], 100), [0, 1]);
        h.ended(1, true, 105);
        assert_eq!(h.pass_over(&[0, 1], 115), [0]);
        assert_eq!(h.pass_over(&[0, 1], 116), [0, 1]);
        // One call tries it, and nobody else meanwhile.
        h.chosen(1, 116);
        assert_eq!(h.pass_over(&[0, 1], 117), [0]);
        h.ended(1, false, 118);
        assert_eq!(h.pass_over(&[0, 1], 118), [0, 1]);
        assert_eq!((h.marked, h.marked_down), (0, 1));
    }

    #[test]
    fn a_trial_that_fails_marks_it_again() {
        let mut h = Health::new(1, 10, 2);
        h.ended(0, true, 5);
        h.chosen(0, 16);
        h.ended(0, true, 17);
        assert_eq!(h.pass_over(&[0, 1], 27), [1]);
        assert_eq!(h.pass_over(&[0], 27), [0u32; 0]);
    }

    #[test]
    fn a_failure_is_forgotten_by_a_call_that_was_sent_later_than_the_time_out_and_by_no_other() {
        let failures = |sent: u64| {
            let mut h = Health::new(2, 10, 2);
            h.ended(1, true, 100);
            h.chosen(1, sent);
            h.ended(1, false, 120);
            h.ended(1, true, 121);
            h.marked
        };
        assert_eq!((failures(100), failures(110), failures(111)), (1, 1, 0));
        // Of two marked replicas the one that works is called again, and counts once.
        let mut h = Health::new(1, 10, 3);
        h.ended(0, true, 5);
        h.ended(1, true, 5);
        h.chosen(0, 16);
        h.ended(0, false, 17);
        h.ended(0, false, 18);
        assert_eq!(h.marked, 1);
        assert_eq!(h.pass_over(&[0, 1, 2], 10), [0, 2]);
    }

    #[test]
    fn a_single_replica_is_never_marked() {
        let mut h = Health::new(1, 10, 1);
        h.ended(0, true, 5);
        assert_eq!(h.pass_over(&[0], 5), [0]);
        assert!(!h.watches());
    }
}
