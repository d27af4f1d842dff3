//! The time that a database gives each statement.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::alarm::Alarm;
use crate::kernel::{Context, TimerId, Visit};

/// Which statements must have ended when. Each carries a number in its visit's word, by which those that have ended are known.
pub struct StatementTimer {
    /// Nanoseconds; `u64::MAX` for ever.
    pub after: u64,
    /// When, number, slot and frame.
    due: BinaryHeap<Reverse<(u64, u64, u32, u32)>>,
    number: u64,
    running: usize,
    alarm: Alarm,
}

/// A word that begins so is that of a statement with a number; what stands below the number is the database's own.
const NUMBERED: u64 = 0x5_7170 << 44;
const NUMBER: u64 = 0x3f_ffff;
/// Where the number stands.
pub const BELOW: u32 = 22;

/// So many statements that have ended may be kept until their time would have come.
const SLACK: usize = 1024;

impl StatementTimer {
    /// `timer` must wake a component that asks [`StatementTimer::next`].
    pub fn new(after: u64, timer: TimerId) -> Self {
        StatementTimer {
            after,
            due: BinaryHeap::new(),
            number: 0,
            running: 0,
            alarm: Alarm::new(timer),
        }
    }

    /// A statement has come; what its word says already stays below the number.
    pub fn begin(&mut self, visit: Visit, cx: &mut Context) {
        let at = cx.nanos().saturating_add(self.after);
        self.number += 1;
        self.running += 1;
        *cx.word(visit) |= NUMBERED | (self.number & NUMBER) << BELOW;
        self.due.push(Reverse((at, self.number, visit.slot, visit.frame)));
        self.alarm.set(at, cx);
        if self.due.len() > 2 * self.running + SLACK {
            let due = std::mem::take(&mut self.due);
            let running = |d: &Reverse<(u64, u64, u32, u32)>| is_number(d.0.1, d.0.3, cx);
            self.due = due.into_iter().filter(running).collect();
        }
    }

    /// A statement with this word has ended, or was never let in.
    pub fn end(&mut self, word: u64) {
        self.running -= usize::from(word & NUMBERED == NUMBERED);
    }

    /// The timer went off: the next statement whose time is over, by slot and frame. It is asked for again at this instant.
    pub fn next(&mut self, cx: &mut Context) -> Option<(u32, u32)> {
        if !self.alarm.rings(cx) {
            return None;
        }
        while let Some(Reverse((at, number, slot, frame))) = self.due.peek().copied() {
            if at > cx.nanos() {
                self.alarm.set(at, cx);
                return None;
            }
            self.due.pop();
            if is_number(number, frame, cx) {
                if let Some(Reverse((at, ..))) = self.due.peek() {
                    self.alarm.set(*at, cx);
                }
                return Some((slot, frame));
            }
        }
        None
    }
}

fn is_number(number: u64, frame: u32, cx: &Context) -> bool {
    cx.requests.word(frame) >> BELOW == (NUMBERED >> BELOW) | (number & NUMBER)
}
