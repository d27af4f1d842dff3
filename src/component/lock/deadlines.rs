//! Time limits of waits: all equally long, so that the first to wait is the first to be due.

use std::collections::VecDeque;

use crate::component::alarm::Alarm;
use crate::kernel::{Context, TimerId};

/// Instants equally long after the begin of each wait, in the order of the waits; who waits no longer is passed over.
pub(super) struct Deadlines {
    pub(super) after: u64,
    waits: VecDeque<(u64, u32, u32)>,
    alarm: Alarm,
}

impl Deadlines {
    pub(super) fn new(after: u64, timer: TimerId) -> Self {
        Deadlines {
            after,
            waits: VecDeque::new(),
            alarm: Alarm::new(timer),
        }
    }

    pub(super) fn begin(&mut self, slot: u32, row: u32, waiting: u64, instance: u32, cx: &mut Context) {
        if self.after == u64::MAX {
            return;
        }
        // Waits that are over are dropped before they outnumber those that are not.
        if self.waits.len() as u64 > 4 * waiting + 64 {
            self.waits.retain(|w| still_waits(*w, instance, cx));
        }
        self.waits.push_back((cx.nanos(), slot, row));
        self.rearm(cx);
    }

    pub(super) fn rearm(&mut self, cx: &mut Context) {
        if self.after != u64::MAX
            && let Some(first) = self.waits.front()
        {
            self.alarm.set(first.0.saturating_add(self.after), cx);
        }
    }

    /// The next one who has waited so long, and for which row.
    pub(super) fn next(&mut self, instance: u32, cx: &mut Context) -> Option<(u32, u32)> {
        // Who else is due at this instant is found without its having been asked for again.
        self.alarm.rings(cx);
        while let Some(first) = self.waits.front().copied() {
            let waits = still_waits(first, instance, cx);
            if waits && first.0.saturating_add(self.after) > cx.nanos() {
                break;
            }
            self.waits.pop_front();
            if waits {
                return Some((first.1, first.2));
            }
        }
        self.rearm(cx);
        None
    }
}

fn still_waits((since, slot, row): (u64, u32, u32), instance: u32, cx: &Context) -> bool {
    cx.rows.waits_for(slot) == Some(row)
        && cx.requests[slot].since == since
        && cx.rows[row].instance == instance
}
