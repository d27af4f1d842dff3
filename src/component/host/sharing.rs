//! Processor sharing on a host, and who stands still meanwhile.

use crate::component::cpu_limit::CpuLimits;
use crate::component::processor_sharing::ProcessorSharing;
use crate::kernel::{Context, TimerId};

/// Jobs that share the cores, those of paused replicas, and those of replicas whose quota is used up.
pub struct Sharing {
    pub jobs: ProcessorSharing,
    /// Jobs of paused replicas, with what they have left.
    paused: Vec<(u32, u32, u64)>,
    limits: CpuLimits,
}

impl Sharing {
    /// `timer` must wake [`Sharing::wake_limits`].
    pub fn new(jobs: ProcessorSharing, timer: TimerId) -> Self {
        Sharing {
            jobs,
            paused: Vec::new(),
            limits: CpuLimits::new(timer),
        }
    }

    /// Changes the running jobs or their speed: what quotas were used before counts at the old one.
    #[inline]
    pub fn change<T>(
        &mut self,
        cx: &mut Context,
        act: impl FnOnce(&mut ProcessorSharing, &mut Context) -> T,
    ) -> T {
        self.limits.settle(&mut self.jobs, cx);
        let result = act(&mut self.jobs, cx);
        self.limits.schedule(&self.jobs, cx);
        result
    }

    /// A job comes, or goes on.
    #[inline]
    pub fn enter(&mut self, slot: u32, demand: u64, cx: &mut Context) {
        self.limits.settle(&mut self.jobs, cx);
        if self.limits.admit(slot, demand, &mut self.jobs, cx) {
            self.jobs.enter(slot, demand, cx);
        }
        self.limits.schedule(&self.jobs, cx);
    }

    pub fn wake(&mut self, cx: &mut Context) {
        self.change(cx, |jobs, cx| jobs.wake(cx, |slot, cx| cx.proceed(slot)));
    }

    /// A period has begun, or a quota is used up.
    pub fn wake_limits(&mut self, cx: &mut Context) {
        // What is done at this instant is done within its quota.
        self.wake(cx);
        let paused = &mut self.paused;
        self.limits
            .wake(&mut self.jobs, cx, |jobs, replica, slot, left, cx| {
                match cx.is_paused(replica) {
                    true => paused.push((replica, slot, left)),
                    false => jobs.enter(slot, left, cx),
                }
            });
    }

    pub fn remove(&mut self, slot: u32, cx: &mut Context) {
        if let Some(i) = self.paused.iter().position(|p| p.1 == slot) {
            self.paused.remove(i);
        } else if !self.limits.remove(slot) {
            self.change(cx, |jobs, cx| jobs.remove(slot, cx));
        }
    }

    pub fn freeze(&mut self, replica: u32, cx: &mut Context) {
        let taken = self.change(cx, |jobs, cx| jobs.take(replica, cx));
        let taken = taken.into_iter().map(|(slot, left)| (replica, slot, left));
        self.paused.extend(taken);
    }

    pub fn thaw(&mut self, replica: u32, cx: &mut Context) {
        let (back, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.paused)
            .into_iter()
            .partition(|p| p.0 == replica);
        self.paused = stay;
        for (_, slot, left) in back {
            self.enter(slot, left.max(1), cx);
        }
    }
}
