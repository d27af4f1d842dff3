//! Connections that users keep between their requests, and that the server closes when they have idled too long.

use std::cmp::Reverse;

use super::{Connector, Dialled, IDLE_TIMER, KEPT};
use crate::kernel::{Context, NONE, Visit};
use crate::metric::Gauge;
use crate::quantity::SimTime;

/// A user's connection.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    /// The slot of the request that uses it, or one of the two below.
    pub(super) holder: u32,
    /// How many requests it has served, and whether the server looks at it when it may have idled too long.
    pub(super) served: u32,
    pub(super) idle_since: u64,
}

/// With the requests served: it is watched. So many are as good as more.
pub(super) const WATCHED: u32 = 1 << 31;
pub(super) const MOST_SERVED: u32 = WATCHED - 1;

pub(super) const CLOSED: u32 = NONE;
pub(super) const IDLE: u32 = NONE - 1;

impl Connector {
    /// Kept connections that nobody uses.
    pub fn idle(&self, now: SimTime) -> Gauge {
        let mut idle = self.idle.clone();
        for end in self.expired(now) {
            idle.leave(SimTime::from_nanos(end));
        }
        idle
    }

    /// When connections were closed that have idled too long and that nobody has looked at since.
    pub(super) fn expired(&self, now: SimTime) -> impl Iterator<Item = u64> {
        let due = self.expiries.peek().is_some_and(|e| e.0.0 <= now.nanos());
        let watched = due.then_some(&self.expiries).into_iter().flatten();
        let ends = watched.filter_map(|Reverse((_, w, user))| {
            let kept = &self.kept[*w as usize][*user as usize];
            (kept.holder == IDLE).then(|| kept.idle_since.saturating_add(self.limits.keep_alive_timeout))
        });
        ends.filter(move |end| *end <= now.nanos())
    }

    pub(super) fn connect_user(&mut self, visit: Visit, cx: &mut Context) -> Dialled {
        let (slot, now) = (visit.slot, cx.now());
        let timeout = self.limits.keep_alive_timeout;
        let kept = self.of_user(slot, cx);
        if kept.holder == IDLE {
            if now.nanos() < kept.idle_since.saturating_add(timeout) {
                kept.holder = slot;
                *cx.word(visit) = KEPT;
                self.idle.leave(now);
                return Dialled::Connected;
            }
            // It has idled too long: the server has closed it meanwhile.
            let end = kept.idle_since.saturating_add(timeout);
            kept.holder = CLOSED;
            self.idle.leave(SimTime::from_nanos(end));
            self.open -= 1;
        }
        let kept = self.of_user(slot, cx);
        if kept.holder != slot {
            // A request that the user has given up may still run; its connection ends with it.
            kept.holder = slot;
            kept.served &= WATCHED;
            *cx.word(visit) = KEPT;
        }
        let dialled = self.dial(visit, cx);
        if dialled == Dialled::Reset {
            self.forget(visit, cx);
        }
        dialled
    }

    pub(super) fn of_user(&mut self, slot: u32, cx: &Context) -> &mut Kept {
        let r = &cx.requests[slot];
        let (w, user) = (r.workload as usize, r.parent as usize);
        if self.kept.len() <= w {
            self.kept.resize(w + 1, Vec::new());
        }
        let users = &mut self.kept[w];
        if users.len() <= user {
            let closed = Kept {
                holder: CLOSED,
                served: 0,
                idle_since: 0,
            };
            users.resize(user + 1, closed);
        }
        &mut users[user]
    }

    /// The visitor's kept connection is no more.
    pub(super) fn forget(&mut self, visit: Visit, cx: &mut Context) {
        if *cx.word(visit) & KEPT != 0 {
            let kept = self.of_user(visit.slot, cx);
            if kept.holder == visit.slot {
                kept.holder = CLOSED;
            }
        }
    }

    /// The connection of the user whose request this is idles; each is looked at once in a time-out.
    pub(super) fn watch_idle(&mut self, slot: u32, cx: &mut Context) {
        let r = &cx.requests[slot];
        let due = cx.nanos().saturating_add(self.limits.keep_alive_timeout);
        self.expiries
            .push(Reverse((due, u32::from(r.workload), r.parent)));
    }

    /// While somebody waits for a place, connections are closed as soon as they have idled too long; else it is enough to look
    /// when a place is asked for.
    #[inline(always)]
    pub(super) fn arm_idle(&mut self, cx: &mut Context) {
        let i = IDLE_TIMER as usize;
        if !self.backlog.is_empty()
            && !self.armed[i]
            && let Some(Reverse((due, ..))) = self.expiries.peek()
        {
            self.armed[i] = true;
            cx.arm(self.timers[i], (*due).max(cx.nanos()));
        }
    }

    #[inline(always)]
    pub(super) fn close_expired(&mut self, now: SimTime) {
        while let Some(Reverse((due, w, user))) = self.expiries.peek().copied()
            && due <= now.nanos()
        {
            self.expiries.pop();
            let kept = &mut self.kept[w as usize][user as usize];
            kept.served &= !WATCHED;
            if kept.holder != IDLE {
                continue;
            }
            let end = kept.idle_since.saturating_add(self.limits.keep_alive_timeout);
            if end > now.nanos() {
                kept.served |= WATCHED;
                self.expiries.push(Reverse((end, w, user)));
                continue;
            }
            kept.holder = CLOSED;
            self.open -= 1;
            self.idle.leave(SimTime::from_nanos(end));
        }
    }

    /// The process has ended: connections that nobody uses are closed.
    pub fn close_all_idle(&mut self, cx: &mut Context) {
        let now = cx.now();
        self.close_expired(now);
        for kept in self.kept.iter_mut().flatten().filter(|k| k.holder == IDLE) {
            kept.holder = CLOSED;
            self.open -= 1;
            self.idle.leave(now);
        }
    }

    /// Another time-out: who has idled longer is closed, the others are watched for it.
    pub(super) fn watch_anew(&mut self, cx: &mut Context) {
        let (now, timeout) = (cx.now(), self.limits.keep_alive_timeout);
        self.expiries.clear();
        let users = self.kept.iter_mut().enumerate();
        for (w, user, kept) in users.flat_map(|(w, u)| u.iter_mut().enumerate().map(move |(i, k)| (w, i, k)))
        {
            kept.served &= !WATCHED;
            let end = kept.idle_since.saturating_add(timeout);
            if kept.holder == IDLE && end <= now.nanos() {
                kept.holder = CLOSED;
                self.open -= 1;
                self.idle.leave(now);
            } else if kept.holder == IDLE {
                kept.served |= WATCHED;
                self.expiries.push(Reverse((end, w as u32, user as u32)));
            }
        }
        // The wake-up lets in who waits for a place that is free now.
        let i = IDLE_TIMER as usize;
        self.armed[i] = true;
        cx.arm(self.timers[i], now.nanos());
    }
}
