//! Handshakes that the kernel dropped, and when the client's kernel tries again.
//!
//! Linux doubles the distance from one second: 1, 3, 7, 15, 31 and 63 s after the first try, and gives up at 127 s
//! (`tcp_syn_retries` = 6). All who were dropped for the n-th time try again after the same time, so each n is a
//! first-in first-out line with one timer for its head.

use super::contract::Build;
use crate::kernel::{Context, Line, TimerId};

/// Seconds from one try to the next; the last is the wait before giving up.
const GAPS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];
const SECOND: u64 = 1_000_000_000;

/// Dropped handshakes.
pub struct SynRetry {
    lines: [Waiting; GAPS.len()],
    /// Packets dropped since the measurement began.
    pub dropped: u64,
}

struct Waiting {
    line: Line,
    due: std::collections::VecDeque<(u64, u32)>,
    timer: TimerId,
    armed: bool,
}

impl SynRetry {
    /// Its timers carry the number of the try as their tag.
    pub fn new(build: &mut Build) -> Self {
        let lines = std::array::from_fn(|n| Waiting {
            line: Line::default(),
            due: Default::default(),
            timer: build.timer(n as u32),
            armed: false,
        });
        SynRetry { lines, dropped: 0 }
    }

    /// The first packet of a request is dropped.
    pub fn drop_first(&mut self, slot: u32, cx: &mut Context) {
        self.put(0, slot, cx);
    }

    /// The packet of try `n` is dropped too; `false` when the client's kernel has given up.
    pub fn again(&mut self, n: u32, slot: u32, cx: &mut Context) -> bool {
        let next = n as usize + 1;
        if next >= GAPS.len() {
            return false;
        }
        self.put(next, slot, cx);
        true
    }

    fn put(&mut self, n: usize, slot: u32, cx: &mut Context) {
        self.dropped += 1;
        let w = &mut self.lines[n];
        let due = cx.nanos().saturating_add(GAPS[n] * SECOND);
        w.line.push_back(&mut cx.requests, slot);
        w.due.push_back((due, slot));
        if !w.armed {
            w.armed = true;
            cx.arm(w.timer, due);
        }
    }

    /// The next request whose try `n` is due now.
    pub fn due(&mut self, n: u32, cx: &mut Context) -> Option<u32> {
        let w = &mut self.lines[n as usize];
        w.armed = false;
        let &(due, slot) = w.due.front()?;
        if due > cx.nanos() {
            w.armed = true;
            cx.arm(w.timer, due);
            return None;
        }
        w.due.pop_front();
        w.line.remove(&mut cx.requests, slot);
        Some(slot)
    }

    /// A request whose caller has left no longer tries.
    pub fn remove(&mut self, slot: u32, cx: &mut Context) {
        for w in &mut self.lines {
            if let Some(i) = w.due.iter().position(|(_, s)| *s == slot) {
                w.due.remove(i);
                w.line.remove(&mut cx.requests, slot);
                return;
            }
        }
    }
}
