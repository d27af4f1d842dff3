//! Handshakes that the kernel dropped, and when the client's kernel tries again.
//!
//! Linux doubles the distance from one second: 1, 3, 7, 15, 31 and 63 s after the first try, and gives up at 127 s
//! (`tcp_syn_retries` = 6). From 6.5 on it first tries `tcp_syn_linear_timeouts` times (4) at the same distance, so
//! after 1, 2, 3, 4, 5, 7, 11 s and so on. All who were dropped for the n-th time try again after the same time, so
//! each n is a first-in first-out line with one timer for its head.

use super::contract::Build;
use crate::kernel::{Context, Line, TimerId};

/// Tries with doubled distances, the wait before giving up included: `tcp_syn_retries` + 1.
const DOUBLED: usize = 7;
const SECOND: u64 = 1_000_000_000;
/// Most tries at one distance.
pub const MOST_LINEAR: u64 = 127;

/// Dropped handshakes.
pub struct SynRetry {
    lines: Vec<Waiting>,
    linear: usize,
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
    pub fn new(linear: u64, build: &mut Build) -> Self {
        let linear = linear.min(MOST_LINEAR) as usize;
        let waiting = |n| Waiting {
            line: Line::default(),
            due: Default::default(),
            timer: build.timer(n as u32),
            armed: false,
        };
        SynRetry {
            lines: (0..linear + DOUBLED).map(waiting).collect(),
            linear,
            dropped: 0,
        }
    }

    /// The first packet of a request is dropped.
    pub fn drop_first(&mut self, slot: u32, cx: &mut Context) {
        self.put(0, slot, cx);
    }

    /// The packet of try `n` is dropped too; `false` when the client's kernel has given up.
    pub fn again(&mut self, n: u32, slot: u32, cx: &mut Context) -> bool {
        let next = n as usize + 1;
        if next >= self.lines.len() {
            return false;
        }
        self.put(next, slot, cx);
        true
    }

    fn put(&mut self, n: usize, slot: u32, cx: &mut Context) {
        self.dropped += 1;
        let w = &mut self.lines[n];
        let gap = SECOND << n.saturating_sub(self.linear);
        let due = cx.nanos().saturating_add(gap);
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
