//! Pauses that are given beside those that are computed: by laws, or as a log has them.

use super::pauses::{Collection, Pauses};
use super::{Heap, LONGEST};
use crate::component::Build;
use crate::distribution::Sampler;
use crate::kernel::Context;
use crate::random::child_key;

/// Pauses that are given.
pub enum Plain {
    Laws {
        every: Sampler,
        lasts: Sampler,
        purposes: [u32; 2],
        number: u64,
    },
    Measured {
        list: std::sync::Arc<[(u64, u64)]>,
        at: usize,
    },
    Allocated {
        list: std::sync::Arc<[Collection]>,
        at: usize,
        /// Bytes since the collection before.
        since: u64,
        /// Pauses of concurrent cycles to come: start and length.
        then: Vec<(u64, u64)>,
    },
}

impl Plain {
    pub fn new(pauses: &Pauses, build: &mut Build) -> Self {
        match pauses {
            Pauses::Laws { every, lasts } => Plain::Laws {
                every: Sampler::new(every),
                lasts: Sampler::new(lasts),
                purposes: [build.purpose("pauses/every"), build.purpose("pauses/lasts")],
                number: 0,
            },
            Pauses::Measured(list) => Plain::Measured {
                list: list.clone(),
                at: 0,
            },
            Pauses::Allocated(list) => Plain::Allocated {
                list: list.clone(),
                at: 0,
                since: 0,
                then: Vec::new(),
            },
        }
    }
}

impl Heap {
    /// Sets the timer for the next given pause.
    pub(super) fn arm_plain(&mut self, cx: &mut Context) {
        let key = child_key(self.home.unwrap_or(0) as u64, self.plain_number());
        match self.plain.as_deref() {
            Some(Plain::Laws { every, purposes, .. }) => {
                let after = cx.sample(every, &mut cx.draws_of(purposes[0], key)).max(1);
                let at = cx.nanos().saturating_add(after);
                cx.arm(self.plain_timer, at);
            }
            Some(Plain::Measured { list, at }) => {
                if let Some((start, _)) = list.get(*at) {
                    cx.arm(self.plain_timer, *start);
                }
            }
            Some(Plain::Allocated { .. }) | None => {}
        }
    }

    /// Counts bytes towards the log's next collection; the one that reaches it is paused with all others.
    pub(super) fn allocate_as_logged(&mut self, bytes: u64, cx: &mut Context) {
        let Some(Plain::Allocated {
            list,
            at,
            since,
            then,
        }) = self.plain.as_deref_mut()
        else {
            return;
        };
        if bytes == 0 {
            return;
        }
        self.counts.allocated += bytes;
        *since += bytes;
        // Whole rounds of the log first, so that no size makes the loop long.
        let sum = |of: fn(&Collection) -> u64| list.iter().map(of).fold(0u64, u64::saturating_add);
        let whole = |c: &Collection| c.then.iter().map(|p| p.1).fold(c.length, u64::saturating_add);
        let (round, all) = (sum(|c| c.after), sum(whole));
        let rounds = *since / round;
        let mut length = all.saturating_mul(rounds).min(LONGEST);
        *since -= round * rounds;
        let now = cx.nanos();
        while *since >= list[*at].after {
            let c = &list[*at];
            *since -= c.after;
            length = length.saturating_add(c.length).min(LONGEST);
            let mut start = now.saturating_add(length);
            for (gap, pause) in &c.then {
                start = start.saturating_add(*gap);
                then.push((start, *pause));
                cx.arm(self.plain_timer, start);
                start = start.saturating_add(*pause);
            }
            *at = (*at + 1) % list.len();
        }
        if length > 0 {
            self.pause(length, 0, cx);
        }
    }

    /// Pauses of a concurrent cycle that are due.
    pub(super) fn pause_as_logged(&mut self, cx: &mut Context) {
        let Some(Plain::Allocated { then, .. }) = self.plain.as_deref_mut() else {
            return;
        };
        let now = cx.nanos();
        let length = then
            .iter()
            .filter(|p| p.0 <= now)
            .map(|p| p.1)
            .fold(0, u64::saturating_add)
            .min(LONGEST);
        then.retain(|p| p.0 > now);
        if length > 0 {
            self.pause(length, 0, cx);
        }
    }

    fn plain_number(&self) -> u64 {
        match self.plain.as_deref() {
            Some(Plain::Laws { number, .. }) => *number,
            _ => 0,
        }
    }

    /// How long the given pause is that begins now.
    pub(super) fn plain_length(&mut self, cx: &Context) -> u64 {
        let key = child_key(self.home.unwrap_or(0) as u64, self.plain_number());
        match self.plain.as_deref_mut() {
            Some(Plain::Laws {
                lasts,
                purposes,
                number,
                ..
            }) => {
                *number += 1;
                cx.sample(lasts, &mut cx.draws_of(purposes[1], key))
            }
            Some(Plain::Measured { list, at }) => {
                *at += 1;
                list.get(*at - 1).map_or(0, |(_, length)| *length)
            }
            Some(Plain::Allocated { .. }) | None => 0,
        }
    }
}
