//! How a replica's threads leave their group and come back: closing, crashes, pauses.

use super::Consumer;
use crate::kernel::{Context, Effect, NONE};

impl Consumer {
    pub(super) fn members(&self) -> std::ops::Range<u32> {
        self.member..self.member + self.threads.len() as u32
    }

    pub(super) fn missed(&mut self, cx: &mut Context) {
        self.down = None;
        cx.depart(self.log, self.group, self.members());
    }

    /// The first members of an empty group have come: the coordinator waits for more.
    pub(super) fn gather(&mut self, cx: &mut Context) {
        let now = cx.nanos();
        self.gathering = Some((
            now.saturating_add(self.plan.initial_delay),
            now.saturating_add(self.plan.max_poll_interval),
        ));
        self.watch_gathering(cx);
    }

    /// Each time that somebody has come meanwhile it waits once more, up to the rebalance timeout.
    pub(super) fn watch_gathering(&mut self, cx: &mut Context) {
        let now = cx.nanos();
        let Some((until, last)) = self.gathering else {
            return;
        };
        let until = match until.min(last) {
            until if until > now => until,
            until if until < last && cx.newcomers(self.log, self.group) => {
                until.saturating_add(self.plan.initial_delay).min(last)
            }
            _ => {
                self.gathering = None;
                return cx.gathered(self.log, self.group);
            }
        };
        self.gathering = Some((until, last));
        cx.arm(self.gathered, until);
    }

    pub(super) fn close(&mut self, cx: &mut Context) -> bool {
        let busy = self.threads.iter().any(|t| !t.spans.is_empty());
        // A paused process finishes nothing.
        if !busy || !self.plan.closes || self.plan.shutdown_timeout == 0 || self.paused.is_some() {
            return false;
        }
        let until = cx.nanos().saturating_add(self.plan.shutdown_timeout);
        self.closing = Some(until);
        for t in 0..self.threads.len() {
            if self.threads[t].spans.is_empty() {
                self.close_thread(t, cx);
            }
        }
        cx.arm(self.shutdown, until);
        true
    }

    pub(super) fn stop(&mut self, cx: &mut Context) {
        self.closing = None;
        self.lost = self.threads.iter().filter(|t| !t.left).count() as u64;
        for t in &mut self.threads {
            t.replace(cx.nanos());
        }
        (self.paused, self.overdue) = (None, false);
        if self.lost == 0 || self.plan.session_timeout == 0 || self.plan.closes && !self.plan.is_static {
            return self.missed(cx);
        }
        let at = cx.nanos().saturating_add(self.plan.session_timeout);
        self.down = Some(at);
        cx.arm(self.session, at);
    }

    pub(super) fn start_again(&mut self, cx: &mut Context) {
        let members = self.members();
        let first = match self.down.take() {
            Some(_) if self.plan.is_static => {
                cx.resume(self.log, self.group, members);
                false
            }
            // The old members are missed at their time, or when the join has taken too long.
            Some(at) => {
                let at = at.min(cx.nanos().saturating_add(self.plan.max_poll_interval));
                self.ghosts.push(at);
                cx.arm(self.session, at);
                cx.replace(self.log, self.group, members, true)
            }
            None => cx.replace(self.log, self.group, members, false),
        };
        if first {
            self.gather(cx);
        }
    }

    pub(super) fn pause(&mut self, replica: u32, cx: &mut Context) {
        if self.home == Some(replica) {
            let now = cx.nanos();
            self.paused = Some(now);
            self.pause_limit
                .set(now.saturating_add(self.plan.session_timeout), cx);
        }
    }

    pub(super) fn go_on(&mut self, replica: u32, cx: &mut Context) {
        if self.home != Some(replica) {
            return;
        }
        self.paused = None;
        if std::mem::take(&mut self.overdue) {
            self.leave_overdue(cx);
        }
        for t in &mut self.threads {
            let slot = std::mem::replace(&mut t.parked, NONE);
            if slot != NONE {
                cx.again(slot);
            }
        }
        cx.join_late(self.log, self.group, self.members());
    }

    /// A thread of a process that stops has nothing in hand any more: it closes its consumer, which leaves the group.
    pub(super) fn close_thread(&mut self, t: usize, cx: &mut Context) {
        if std::mem::replace(&mut self.threads[t].closed, true) {
            return;
        }
        if !self.plan.is_static {
            let member = self.member + t as u32;
            cx.depart(self.log, self.group, member..member + 1);
        }
        if self.threads.iter().all(|t| t.closed) {
            self.finish_closing(cx);
        }
    }

    /// All threads are closed, or have taken too long: the process may end.
    pub(super) fn finish_closing(&mut self, cx: &mut Context) {
        if self.closing.take().is_some()
            && let Some(home) = self.home
        {
            cx.leave_effect(Effect::Finished(home));
        }
    }

    /// A process that has been paused for `session-timeout` has sent no heartbeat: the group goes on without it.
    pub(super) fn watch_pause(&mut self, cx: &mut Context) {
        if !self.pause_limit.rings(cx) {
            return;
        }
        let Some(since) = self.paused else { return };
        let limit = since.saturating_add(self.plan.session_timeout);
        if limit > cx.nanos() {
            return self.pause_limit.set(limit, cx);
        }
        for t in 0..self.threads.len() {
            let slot = cx.leave_poll(self.log, self.group, self.member + t as u32);
            let thread = &mut self.threads[t];
            self.counts.session_timeouts += u64::from(!thread.left);
            thread.left = true;
            thread.parked = slot;
        }
        cx.depart(self.log, self.group, self.members());
    }
}
