//! One timer of a component that is moved to and fro: only its earliest setting counts.

use crate::kernel::{Context, TimerId};

/// A timer and the instant at which it is awaited.
pub struct Alarm {
    timer: TimerId,
    at: u64,
}

impl Alarm {
    /// `timer` must wake a component that asks [`Alarm::rings`] first.
    pub fn new(timer: TimerId) -> Self {
        Alarm { timer, at: u64::MAX }
    }

    /// Asks to be woken at `at`, or earlier if that was asked already.
    #[inline(always)]
    pub fn set(&mut self, at: u64, cx: &mut Context) {
        if at < self.at {
            self.at = at.max(cx.nanos());
            cx.arm(self.timer, self.at);
        }
    }

    /// Whether this is the instant that was asked for. A setting that was overtaken by an earlier one is stale.
    #[inline]
    pub fn rings(&mut self, cx: &Context) -> bool {
        let due = self.at <= cx.nanos();
        if due {
            self.at = u64::MAX;
        }
        due
    }
}
