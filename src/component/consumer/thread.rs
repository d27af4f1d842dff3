//! One thread of a consumer group: what it has in hand.

use crate::kernel::log::Span;
use crate::kernel::{NONE, Record};

#[derive(Clone, Debug, Default)]
pub(super) struct Thread {
    pub(super) spans: Vec<Span>,
    /// Number of the span and the offset in it that is next.
    pub(super) at: (usize, u64),
    /// The record in hand.
    pub(super) record: Option<Record>,
    pub(super) waited: bool,
    pub(super) polls: u64,
    /// When its last poll returned records, nanoseconds; `u64::MAX` while it polls.
    pub(super) polled: u64,
    /// When its last fetch went out, and until when the broker may hold back the answer; `u64::MAX` while nothing is there.
    pub(super) fetched: u64,
    pub(super) held_until: u64,
    /// It came to its poll too late and is no member.
    pub(super) left: bool,
    /// The record that failed last, and how often: partition, offset, tries.
    pub(super) failed: Option<(u32, u64, u64)>,
    /// The request that waited in its poll when the group lost it.
    pub(super) parked: u32,
    /// It has closed its consumer.
    pub(super) closed: bool,
    /// Until it polls again, nanoseconds, after a record failed; its fetch must go out anew.
    pub(super) back_off: u64,
    pub(super) sought: bool,
    /// Since when it commits, nanoseconds.
    pub(super) commits: Option<u64>,
    /// Since when it has a poll's records in hand, nanoseconds.
    at_work: Option<u64>,
    /// Nanoseconds that it had records in hand.
    worked: u64,
}

impl Thread {
    pub(super) fn new(polls: u64) -> Thread {
        Thread {
            polls,
            polled: u64::MAX,
            held_until: u64::MAX,
            parked: NONE,
            ..Thread::default()
        }
    }

    /// A new process's thread in place of this one.
    pub(super) fn replace(&mut self, now: u64) {
        self.end_poll(now);
        *self = Thread {
            worked: self.worked,
            ..Thread::new(self.polls)
        };
    }

    /// It has a poll's records in hand.
    pub(super) fn begin_poll(&mut self, now: u64) {
        self.at_work = Some(now);
    }

    /// It comes to its next poll.
    pub(super) fn end_poll(&mut self, now: u64) {
        self.worked += self.at_work.take().map_or(0, |since| now - since);
    }

    /// Nanoseconds that it had records in hand, up to now.
    pub(super) fn worked(&self, now: u64) -> u64 {
        self.worked + self.at_work.map_or(0, |since| now - since)
    }

    /// What is counted begins now.
    pub(super) fn reset(&mut self, now: u64) {
        self.worked = 0;
        for since in [&mut self.at_work, &mut self.commits].into_iter().flatten() {
            *since = now;
        }
    }
}
