//! A thread's way through a poll: waiting, taking records, going through them, giving one up.

use super::{Consumer, SKIPPED};
use crate::kernel::log::Span;
use crate::kernel::request::delivery_key;
use crate::kernel::{Admission, Caught, Context, Record, Visit};
use crate::random::child_key;

impl Consumer {
    /// Waits for records, or goes on to take them. In a rebalance this is where the thread joins again.
    pub(super) fn poll(&mut self, t: usize, slot: u32, cx: &mut Context) -> Admission {
        let member = self.member + t as u32;
        let now = cx.now();
        if self.threads[t].waited {
            self.counts.idle.leave(now);
        }
        self.threads[t].polled = u64::MAX;
        self.threads[t].end_poll(now.nanos());
        if self.closing.is_some() {
            self.threads[t].waited = false;
            self.close_thread(t, cx);
            return Admission::Wait;
        }
        if self.threads[t].sought && self.threads[t].held_until == u64::MAX {
            self.threads[t].fetched = cx.nanos();
        }
        let left = std::mem::take(&mut self.threads[t].left);
        if left && cx.join(self.log, self.group, member..member + 1) {
            self.gather(cx);
        }
        // A cooperative rebalance may ask for a second round at once.
        for _ in 0..2 {
            if !cx.logs[self.log as usize].groups[self.group as usize].is_rebalancing() {
                break;
            }
            cx.wait_in_poll(self.log, self.group, member, slot, 1);
            // Who asks is not woken: it looks for itself.
            cx.leave_poll(self.log, self.group, member);
            cx.finish_rebalance(self.log, self.group);
        }
        let nanos = cx.nanos();
        let log = &mut cx.logs[self.log as usize];
        let group = &mut log.groups[self.group as usize];
        let fetched = group.buffered(member, nanos) > 0;
        let available = group.available(member);
        let thread = &mut self.threads[t];
        if !thread.waited && !fetched && nanos > thread.fetched.saturating_add(self.plan.fetch_max_wait) {
            // The last one came back empty while the thread was at work; the next one goes out now.
            thread.fetched = nanos;
        }
        let held = available > 0 && !fetched && self.is_held(t, available * log.record_bytes, nanos);
        let log = &cx.logs[self.log as usize];
        let group = &log.groups[self.group as usize];
        if group.stands_still() || available == 0 || held {
            let wants = match held {
                true => self.plan.fetch_min_bytes.div_ceil(log.record_bytes.max(1)),
                false => 1,
            };
            if held {
                self.hold_limit.set(self.threads[t].held_until, cx);
            }
            cx.wait_in_poll(self.log, self.group, member, slot, wants);
            self.counts.idle.enter(now);
            self.threads[t].waited = true;
            return Admission::Wait;
        }
        let thread = &mut self.threads[t];
        let comes_late = std::mem::take(&mut thread.waited) | std::mem::take(&mut thread.sought);
        if !fetched {
            // The fetch that went out before has brought nothing, or was thrown away.
            cx.logs[self.log as usize].groups[self.group as usize].fetch_now(member);
        } else if !comes_late {
            return Admission::Proceed;
        }
        match &self.fetch {
            Some(law) => {
                let key = child_key(self.threads[t].polls, (self.member as u64) << 32 | t as u64);
                Admission::Serve(cx.sample(law, &mut cx.draws_of(self.purposes[0], key)))
            }
            None => Admission::Proceed,
        }
    }

    pub(super) fn collect(&mut self, t: usize, slot: u32, cx: &mut Context) -> Admission {
        let now = cx.nanos();
        if self.closing.is_some() {
            return Admission::Wait;
        }
        let log = &mut cx.logs[self.log as usize];
        if log.groups[self.group as usize].stands_still() {
            return Admission::Skip;
        }
        let thread = &mut self.threads[t];
        thread.spans.clear();
        let quota = (self.plan.partition_fetch / log.record_bytes.max(1)).max(1);
        let member = self.member + t as u32;
        let most = self.plan.max_poll_records;
        self.counts.redelivered += log.take(self.group, member, most, quota, &mut thread.spans);
        let least = self.plan.fetch_min_bytes.div_ceil(log.record_bytes.max(1)).max(1);
        let until = now.saturating_add(self.plan.fetch_max_wait);
        log.groups[self.group as usize].fetch(member, least, until);
        let Some(first) = thread.spans.first().copied() else {
            return Admission::Skip;
        };
        thread.at = (0, first.from);
        thread.polls += 1;
        thread.begin_poll(now);
        (thread.polled, thread.fetched, thread.held_until) = (now, now, u64::MAX);
        self.counts.polls += 1;
        self.counts.polled += thread.spans.iter().map(|s| s.to - s.from).sum::<u64>();
        thread.record = log.record(first.partition, first.from);
        cx.requests.take_up(slot, self.key_in_hand(slot, cx), 0);
        let limit = now.saturating_add(self.plan.max_poll_interval);
        self.poll_limit.set(limit, cx);
        Admission::Proceed
    }

    /// Whether the broker holds back the answer to a fetch: less than wanted is there. It answers an empty fetch after each
    /// `fetch-max-wait`, and the next one goes out at once.
    fn is_held(&mut self, t: usize, bytes: u64, now: u64) -> bool {
        if bytes >= self.plan.fetch_min_bytes {
            return false;
        }
        let thread = &mut self.threads[t];
        if thread.held_until == u64::MAX {
            let rounds = (now - thread.fetched) / self.plan.fetch_max_wait + 1;
            thread.held_until = thread
                .fetched
                .saturating_add(rounds.saturating_mul(self.plan.fetch_max_wait));
        }
        now < thread.held_until
    }

    /// Fetches that the broker has held back for long enough are answered with what is there.
    pub(super) fn watch_fetches(&mut self, cx: &mut Context) {
        if !self.hold_limit.rings(cx) {
            return;
        }
        for t in 0..self.threads.len() {
            let until = self.threads[t].held_until;
            if until <= cx.nanos() {
                cx.look_again(self.log, self.group, self.member + t as u32);
            } else if until != u64::MAX {
                self.hold_limit.set(until, cx);
            }
        }
    }

    /// Threads that have been away from their polls for too long leave the group by themselves.
    pub(super) fn watch_polls(&mut self, cx: &mut Context) {
        if !self.poll_limit.rings(cx) {
            return;
        }
        if self.paused.is_some() {
            self.overdue = true;
            return;
        }
        self.leave_overdue(cx);
    }

    pub(super) fn leave_overdue(&mut self, cx: &mut Context) {
        let mut next = u64::MAX;
        for t in 0..self.threads.len() {
            let thread = &mut self.threads[t];
            if thread.left || thread.polled == u64::MAX {
                continue;
            }
            let limit = thread.polled.saturating_add(self.plan.max_poll_interval);
            if limit > cx.nanos() {
                next = next.min(limit);
                continue;
            }
            thread.left = true;
            self.counts.poll_timeouts += 1;
            let member = self.member + t as u32;
            cx.depart(self.log, self.group, member..member + 1);
        }
        if next != u64::MAX {
            self.poll_limit.set(next, cx);
        }
    }

    pub(super) fn next(&mut self, t: usize, slot: u32, cx: &mut Context) -> Admission {
        let log = &cx.logs[self.log as usize];
        let thread = &mut self.threads[t];
        while let Some(span) = thread.spans.get(thread.at.0) {
            if thread.at.1 < span.to {
                thread.record = log.record(span.partition, thread.at.1);
                thread.at.1 += 1;
                let key = thread.record.map_or(0, |r| r.key);
                let tries = match thread.failed {
                    Some((p, o, tries)) if (p, o + 1) == (span.partition, thread.at.1) => tries,
                    _ => 0,
                };
                cx.requests.take_up(slot, key, delivery_key(tries));
                return Admission::Proceed;
            }
            thread.at.0 += 1;
            thread.at.1 = thread.spans.get(thread.at.0).map_or(0, |s| s.from);
        }
        if self.plan.batch {
            thread.record = thread.spans.first().and_then(|s| log.record(s.partition, s.from));
            cx.requests.take_up(slot, self.key_in_hand(slot, cx), 0);
        }
        Admission::Skip
    }

    /// A record failed: what was done before it is committed, it and all behind it are polled again. Its thread waits before that,
    /// or gives the record up.
    pub(super) fn record_failed(&mut self, visit: Visit, cx: &mut Context) -> Caught {
        let t = cx.requests[visit.slot].parent as usize;
        let thread = &mut self.threads[t];
        let (at, next) = thread.at;
        let Some(span) = thread.spans.get(at).copied() else {
            return Caught::Absorb;
        };
        let offset = next - 1;
        let tries = match thread.failed {
            Some((p, o, tries)) if (p, o) == (span.partition, offset) => tries,
            _ => 0,
        };
        let again = tries < self.plan.retries;
        if again {
            thread.failed = Some((span.partition, offset, tries + 1));
            thread.back_off = self.plan.retry_interval;
            self.counts.retried += 1;
        } else {
            thread.failed = None;
            *cx.word(visit) |= SKIPPED;
            if let Some(dead) = self.dead_letter {
                self.send_to(dead, visit.slot, cx);
            }
        }
        let thread = &mut self.threads[t];
        let from = if again { offset } else { next };
        let mut back = thread.spans.split_off(at);
        if from > span.from {
            thread.spans.push(Span { to: from, ..span });
        }
        back[0].from = from;
        thread.at = (thread.spans.len(), 0);
        thread.sought = back.iter().any(|s| s.from < s.to);
        cx.logs[self.log as usize].give_back(self.group, self.member + t as u32, &back);
        match again {
            true => Caught::GiveUp,
            false => Caught::Absorb,
        }
    }

    /// The key of the draws: the record's own, or one made of the batch's first record.
    pub(super) fn key_in_hand(&self, slot: u32, cx: &Context) -> u64 {
        let thread = &self.threads[cx.requests[slot].parent as usize];
        if !self.plan.batch {
            return thread.record.map_or(0, |r| r.key);
        }
        let log = &cx.logs[self.log as usize];
        let first = thread.spans.first().and_then(|s| log.record(s.partition, s.from));
        child_key(first.map_or(0, |r| r.key), 1 << 32)
    }

    /// Sends what was given up to another topic, to the partition of the same number as far as there is one.
    pub(super) fn send_to(&self, dead: u32, slot: u32, cx: &mut Context) {
        let thread = &self.threads[cx.requests[slot].parent as usize];
        let partitions = cx.logs[dead as usize].partitions();
        let at = cx.nanos();
        let spans = if self.plan.batch {
            thread.spans.clone()
        } else {
            let Some(s) = thread.spans.get(thread.at.0) else {
                return;
            };
            vec![Span {
                partition: s.partition,
                from: thread.at.1 - 1,
                to: thread.at.1,
            }]
        };
        for s in spans {
            for offset in s.from..s.to {
                let key = cx.logs[self.log as usize]
                    .record(s.partition, offset)
                    .map_or(0, |r| r.key);
                cx.append(
                    dead,
                    s.partition % partitions,
                    Record {
                        key: child_key(key, 1 << 33),
                        at,
                    },
                );
            }
        }
    }
}
