//! A Tomcat thread that has answered looks once more at its connection before it takes the next task.

use crate::distribution::{Law, Sampler};
use crate::kernel::{Context, TimerId, Visit};
use crate::random::child_key;

/// Threads that have answered and look for the next request of the same connection.
pub struct ReadingOn {
    law: Sampler,
    purpose: u32,
    timer: TimerId,
    /// Until when, nanoseconds, and the workload and user of the connection.
    looking: Vec<(u64, u16, u32)>,
    looks: u64,
    /// Requests that were found so, since the measurement began.
    pub found: u64,
    instance: u32,
}

impl ReadingOn {
    pub fn new(law: &Law, purpose: u32, timer: TimerId, instance: u32) -> Self {
        ReadingOn {
            law: Sampler::new(law),
            purpose,
            timer,
            looking: Vec::new(),
            looks: 0,
            found: 0,
            instance,
        }
    }

    /// The thread that has answered this visitor looks for its next request.
    pub fn look(&mut self, visit: Visit, cx: &mut Context) {
        self.looks += 1;
        let mut draws = cx.draws_of(self.purpose, child_key(u64::from(self.instance), self.looks));
        let until = cx.nanos().saturating_add(cx.sample(&self.law, &mut draws));
        let r = &cx.requests[visit.slot];
        self.looking.push((until, r.workload, r.parent));
        cx.arm(self.timer, until);
    }

    /// Whether a thread looks for a request of this visitor's connection; it has found it.
    pub fn finds(&mut self, visit: Visit, cx: &Context) -> bool {
        let r = &cx.requests[visit.slot];
        let mine = |l: &(u64, u16, u32)| (l.1, l.2) == (r.workload, r.parent);
        let Some(at) = self.looking.iter().position(mine) else {
            return false;
        };
        self.looking.remove(at);
        self.found += 1;
        true
    }

    /// How many threads have looked in vain until now.
    pub fn in_vain(&mut self, cx: &Context) -> usize {
        let before = self.looking.len();
        self.looking.retain(|l| l.0 > cx.nanos());
        before - self.looking.len()
    }
}
