//! Limits on the CPU time of a replica: the bandwidth control of Linux's scheduler (CFS quota), as containers have it.
//!
//! All threads of the replica draw on one quota in each period, on whichever core they run. When it is used up all of
//! them stand still until the next period begins; nothing is saved up. The 5 ms slices in which Linux hands a quota out to
//! cores are left out.

use super::processor_sharing::ProcessorSharing;
use crate::kernel::{Context, CpuLimit, TimerId};

struct Group {
    replica: u32,
    limit: CpuLimit,
    /// What is left of the quota, 2^-32 core-nanoseconds.
    left: u128,
    /// The CPU clock when that was counted.
    seen: u128,
    /// When the next period begins.
    next: u64,
    /// Whether it worked in this period.
    worked: bool,
    /// Since when it stands still.
    since: Option<u64>,
    /// Its jobs meanwhile, with what they have left.
    stopped: Vec<(u32, u64)>,
}

/// The limited replicas on one host.
pub struct CpuLimits {
    groups: Vec<Group>,
    timer: TimerId,
    due: u64,
}

impl CpuLimits {
    pub fn new(timer: TimerId) -> Self {
        CpuLimits {
            groups: Vec::new(),
            timer,
            due: u64::MAX,
        }
    }

    /// Counts what was used up to now. To be called before the number of running jobs changes.
    #[inline]
    pub fn settle(&mut self, jobs: &mut ProcessorSharing, cx: &mut Context) {
        if !self.groups.is_empty() {
            self.count(jobs, cx);
        }
    }

    #[inline(never)]
    fn count(&mut self, jobs: &mut ProcessorSharing, cx: &mut Context) {
        let clock = jobs.cpu_clock(cx.nanos());
        for group in &mut self.groups {
            let running = jobs.running_of(group.replica);
            let used = u128::from(running) * (clock - group.seen);
            group.seen = clock;
            group.worked |= running > 0;
            let (replica, had) = (
                &mut cx.replicas[group.replica as usize],
                (used.min(group.left) >> 32) as u64,
            );
            replica.cpu.used += had;
            replica.cpu_time += had;
            group.left = group.left.saturating_sub(used);
        }
    }

    /// A job comes. Says whether it runs; one of a replica that stands still waits here for the next period.
    #[inline]
    pub fn admit(&mut self, slot: u32, demand: u64, jobs: &mut ProcessorSharing, cx: &mut Context) -> bool {
        let home = cx.requests[slot].home;
        let Some(limit) = cx.replicas.get(home as usize).and_then(|r| r.quota()) else {
            return true;
        };
        let now = cx.nanos();
        let found = self.groups.iter().position(|g| g.replica == home);
        let at = found.unwrap_or_else(|| {
            self.groups.push(Group {
                replica: home,
                limit,
                // Of the period before the first one that begins in the run; a later one brings its own.
                left: u128::from(limit.quota) << 32,
                seen: jobs.cpu_clock(now),
                next: limit.phase,
                worked: false,
                since: None,
                stopped: Vec::new(),
            });
            self.groups.len() - 1
        });
        let group = &mut self.groups[at];
        if group.since.is_some() {
            group.stopped.push((slot, demand));
            return false;
        }
        if now >= group.next {
            group.refill(now, cx);
        }
        true
    }

    /// A job that stands still goes away; says whether it was one.
    pub fn remove(&mut self, slot: u32) -> bool {
        for group in &mut self.groups {
            if let Some(at) = group.stopped.iter().position(|job| job.0 == slot) {
                group.stopped.remove(at);
                return true;
            }
        }
        false
    }

    /// Sets the next look at the quotas. To be called after the number of running jobs has changed.
    #[inline]
    pub fn schedule(&mut self, jobs: &ProcessorSharing, cx: &mut Context) {
        if !self.groups.is_empty() {
            self.set(jobs, cx);
        }
    }

    #[inline(never)]
    fn set(&mut self, jobs: &ProcessorSharing, cx: &mut Context) {
        let now = cx.nanos();
        let mut due = u64::MAX;
        for group in &self.groups {
            let running = jobs.running_of(group.replica);
            if group.since.is_some() {
                due = due.min(group.next);
            } else if running > 0 {
                let speed = u128::from(running) * u128::from(jobs.cpu_rate());
                let lasts = group.left.div_ceil(speed.max(1)).min(u128::from(u64::MAX)) as u64;
                due = due.min(group.next).min(now.saturating_add(lasts));
            }
        }
        if due < self.due {
            self.due = due;
            cx.arm(self.timer, due);
        }
    }

    /// The timer went off: quotas that are used up stop their replicas, new periods let them go on. What was used is settled, and jobs
    /// that are done at this instant have gone. `back` takes those that go on.
    pub fn wake(
        &mut self,
        jobs: &mut ProcessorSharing,
        cx: &mut Context,
        mut back: impl FnMut(&mut ProcessorSharing, u32, u32, u64, &mut Context),
    ) {
        if cx.nanos() < self.due {
            return;
        }
        self.due = u64::MAX;
        let now = cx.nanos();
        for group in &mut self.groups {
            if now >= group.next {
                for (slot, left) in group.refill(now, cx) {
                    back(jobs, group.replica, slot, left.max(1), cx);
                }
            } else if group.since.is_none() && group.left == 0 && jobs.running_of(group.replica) > 0 {
                group.stopped = jobs.take(group.replica, cx);
                group.since = Some(now);
                cx.replicas[group.replica as usize].cpu.throttled_periods += 1;
            }
        }
        self.schedule(jobs, cx);
    }
}

impl Group {
    /// A new period has begun; the jobs that stood still.
    fn refill(&mut self, now: u64, cx: &mut Context) -> Vec<(u32, u64)> {
        let cpu = &mut cx.replicas[self.replica as usize].cpu;
        cpu.periods += u64::from(std::mem::take(&mut self.worked) || self.since.is_some());
        if let Some(since) = self.since.take() {
            cpu.throttled += now - since.max(cpu.since);
        }
        self.left = u128::from(self.limit.quota) << 32;
        let begun = (now - self.next) / self.limit.period + 1;
        self.next = self.next.saturating_add(begun.saturating_mul(self.limit.period));
        std::mem::take(&mut self.stopped)
    }
}
