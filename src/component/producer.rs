//! One Kafka producer: batches by partition, buffer memory, unanswered requests. See `topic`.

use std::collections::{BTreeMap, VecDeque};

use super::topic::Meters;
use crate::kernel::{Admission, Context, Fault, Record, Visit};

/// The producer's settings, in bytes and nanoseconds.
#[derive(Copy, Clone, Debug)]
pub struct Limits {
    pub partitions: u32,
    pub linger: u64,
    pub batch: u64,
    pub record: u64,
    pub buffer: u64,
    pub request: u64,
    pub in_flight: u32,
    pub max_block: u64,
    pub delivery: u64,
}

impl Limits {
    /// What a batch takes of the buffer.
    fn batch_memory(&self) -> u64 {
        self.batch.max(self.record)
    }

    /// Whether one more record would not fit any more.
    fn is_full(&self, records: usize) -> bool {
        (records as u64 + 1) * self.record > self.batch
    }
}

#[derive(Debug, Default)]
struct Batch {
    partition: u32,
    created: u64,
    /// What it took of the buffer.
    memory: u64,
    records: Vec<Record>,
    /// Callers who wait for its acknowledgement.
    waiters: Vec<u32>,
    /// An earlier batch of its partition waits too.
    behind: bool,
    /// It was given up while its request was unanswered.
    lost: bool,
}

/// A caller who waits for buffer memory.
#[derive(Debug)]
struct Blocked {
    slot: u32,
    partition: u32,
    record: Record,
    sync: bool,
    until: u64,
}

/// A request on its way.
#[derive(Debug)]
struct Sent {
    answered: u64,
    batches: Vec<Batch>,
}

/// As running.
pub struct Producer {
    /// It keys its draws.
    number: u64,
    /// The replica in which it runs; `NONE` for flows without a service.
    home: u32,
    /// Its process has ended: it sends what it has.
    closed: bool,
    sticky: Option<u32>,
    /// Records on the sticky partition since it was chosen.
    stuck: u64,
    switches: u64,
    used: u64,
    /// Batches that were not sent yet, oldest first.
    waiting: VecDeque<Batch>,
    /// How many of them are full.
    full: usize,
    /// Batches sent to each partition's account: number of the open one in `waiting`, counted from `gone`.
    open: BTreeMap<u32, u64>,
    gone: u64,
    blocked: VecDeque<Blocked>,
    sent: VecDeque<Sent>,
    /// How many of these requests the broker has answered; a paused process has not seen it.
    landed: usize,
    /// No batch on its way is older than this.
    oldest_sent: u64,
    requests: u64,
    spare: Vec<Batch>,
}

impl Producer {
    pub fn new(number: u64, home: u32) -> Producer {
        Producer {
            number,
            home,
            closed: false,
            sticky: None,
            stuck: 0,
            switches: 0,
            used: 0,
            waiting: VecDeque::new(),
            full: 0,
            open: BTreeMap::new(),
            gone: 0,
            blocked: VecDeque::new(),
            sent: VecDeque::new(),
            landed: 0,
            oldest_sent: u64::MAX,
            requests: 0,
            spare: Vec::new(),
        }
    }

    /// The key of the draws of its next request.
    pub fn request_key(&self) -> u64 {
        crate::random::child_key(self.number, self.requests)
    }

    /// Whether its process has ended and nothing of it is left.
    pub fn is_gone(&self) -> bool {
        self.closed && self.waiting.is_empty() && self.sent.is_empty()
    }

    /// Whether its process is paused: its sender does nothing, and nobody sees an answer.
    fn is_frozen(&self, cx: &Context) -> bool {
        !self.closed && cx.is_paused(self.home)
    }

    /// Its process ends: what was not sent goes out at once, or is lost. What is on its way reaches the broker.
    pub fn close(&mut self, flush: bool, cx: &Context, meters: &mut Meters) {
        self.closed = true;
        if flush {
            return;
        }
        while let Some(batch) = self.waiting.pop_front() {
            self.release(batch.memory, cx, meters);
            meters.lost += batch.records.len() as u64;
        }
        self.open.clear();
        self.full = 0;
    }

    /// The settings have changed.
    pub fn adopt(&mut self, limits: &Limits, cx: &Context) {
        let full = self.waiting.iter().filter(|b| limits.is_full(b.records.len()));
        self.full = full.count();
        for blocked in &mut self.blocked {
            let since = cx.requests[blocked.slot].since;
            blocked.until = since.saturating_add(limits.max_block);
        }
    }

    fn release(&mut self, memory: u64, cx: &Context, meters: &mut Meters) {
        self.used -= memory;
        meters.buffer.add(cx.now(), -(memory as i64));
    }

    /// The partition for a record without a key: the same one until `batch.size` bytes went there
    /// (KIP-794; the next one is uniformly random).
    pub fn stick(&mut self, limits: &Limits, cx: &Context, purpose: u32) -> u32 {
        let fresh = self.stuck * limits.record >= limits.batch.max(limits.record);
        if self.sticky.is_none() || fresh {
            let key = crate::random::child_key(self.number, self.switches);
            let u = cx.draws_of(purpose, key).unit();
            self.sticky = Some(((u * limits.partitions as f64) as u32).min(limits.partitions - 1));
            self.switches += 1;
            self.stuck = 0;
        }
        self.stuck += 1;
        self.sticky.unwrap_or(0)
    }

    /// A caller sends a record.
    #[allow(clippy::too_many_arguments)]
    pub fn send(
        &mut self,
        visit: Visit,
        partition: u32,
        record: Record,
        sync: bool,
        limits: &Limits,
        cx: &mut Context,
        meters: &mut Meters,
    ) -> Admission {
        let behind = !self.blocked.is_empty();
        if behind || !self.add(partition, record, sync.then_some(visit.slot), limits, cx, meters) {
            cx.begin_wait(visit);
            let until = cx.nanos().saturating_add(limits.max_block);
            self.blocked.push_back(Blocked {
                slot: visit.slot,
                partition,
                record,
                sync,
                until,
            });
            return Admission::Wait;
        }
        if sync {
            cx.unwaited(visit.instance);
            return Admission::Wait;
        }
        Admission::Proceed
    }

    /// Adds a record to its partition's open batch, or to a new one if there is memory for it.
    fn add(
        &mut self,
        partition: u32,
        record: Record,
        waiter: Option<u32>,
        limits: &Limits,
        cx: &Context,
        meters: &mut Meters,
    ) -> bool {
        let open = self.open.get(&partition).and_then(|n| n.checked_sub(self.gone));
        let place = match open {
            Some(i) if !limits.is_full(self.waiting[i as usize].records.len()) => i as usize,
            _ => {
                let memory = limits.batch_memory();
                if self.used + memory > limits.buffer {
                    return false;
                }
                self.used += memory;
                meters.buffer.add(cx.now(), memory as i64);
                let mut batch = self.spare.pop().unwrap_or_default();
                batch.partition = partition;
                batch.created = cx.nanos();
                batch.memory = memory;
                batch.lost = false;
                let number = self.gone + self.waiting.len() as u64;
                batch.behind = self
                    .open
                    .insert(partition, number)
                    .is_some_and(|n| n >= self.gone);
                self.waiting.push_back(batch);
                self.waiting.len() - 1
            }
        };
        let batch = &mut self.waiting[place];
        batch.records.push(record);
        batch.waiters.extend(waiter);
        self.full += usize::from(limits.is_full(batch.records.len()));
        true
    }

    /// Whether there is something to send: a full batch, one that has lingered, or somebody who waits for memory.
    fn is_ready(&self, limits: &Limits, now: u64) -> bool {
        let lingered = |b: &Batch| now >= b.created.saturating_add(limits.linger);
        self.full > 0
            || self.waiting.front().is_some_and(lingered)
            || !self.blocked.is_empty()
            || self.closed && !self.waiting.is_empty()
    }

    /// Sends one request if something is ready and the link has room; says whether it did.
    pub fn send_request(
        &mut self,
        limits: &Limits,
        cx: &mut Context,
        meters: &mut Meters,
        send_time: impl FnOnce(&Context) -> u64,
    ) -> bool {
        let now = cx.nanos();
        let room = self.sent.len() < limits.in_flight as usize;
        if !room || self.waiting.is_empty() || !self.is_ready(limits, now) || self.is_frozen(cx) {
            return false;
        }
        let (mut bytes, mut batches, mut stay) = (0, Vec::new(), VecDeque::new());
        let mut fits = true;
        self.gone = 0;
        self.full = 0;
        self.open.clear();
        // With what is ready goes the first batch of every partition, ready or not.
        for mut batch in std::mem::take(&mut self.waiting) {
            let size = batch.records.len() as u64 * limits.record;
            fits &= batch.behind || batches.is_empty() || bytes + size <= limits.request;
            if fits && !batch.behind {
                bytes += size;
                self.oldest_sent = self.oldest_sent.min(batch.created);
                batches.push(batch);
            } else {
                batch.behind = self.open.insert(batch.partition, stay.len() as u64).is_some();
                self.full += usize::from(limits.is_full(batch.records.len()));
                stay.push_back(batch);
            }
        }
        self.waiting = stay;
        self.requests += 1;
        meters.requests += 1;
        meters.batches += batches.len() as u64;
        meters.records += batches.iter().map(|b| b.records.len() as u64).sum::<u64>();
        // Answers come in the order of the requests.
        let last = self.sent.back().map_or(0, |s| s.answered);
        let answered = now.saturating_add(send_time(cx)).max(last);
        self.sent.push_back(Sent { answered, batches });
        true
    }

    /// Takes in the answers that have come: the records are in the log, waiting callers go on, memory is free again.
    pub fn answer(
        &mut self,
        log: u32,
        instance: u32,
        limits: &Limits,
        cx: &mut Context,
        meters: &mut Meters,
    ) {
        let now = cx.nanos();
        while let Some(sent) = self.sent.get(self.landed).filter(|s| s.answered <= now) {
            for batch in sent.batches.iter().filter(|b| !b.lost) {
                for record in &batch.records {
                    cx.append(log, batch.partition, *record);
                }
            }
            self.landed += 1;
            if self.is_frozen(cx) {
                continue;
            }
            self.see(cx, meters);
            self.unblock(instance, limits, cx, meters);
        }
        if self.landed > 0 && !self.is_frozen(cx) {
            // What was answered during a pause.
            while self.landed > 0 {
                self.see(cx, meters);
            }
            self.unblock(instance, limits, cx, meters);
        }
    }

    /// The process sees the oldest answer.
    fn see(&mut self, cx: &mut Context, meters: &mut Meters) {
        self.landed -= 1;
        let Some(sent) = self.sent.pop_front() else { return };
        for batch in sent.batches {
            if !batch.lost {
                self.release(batch.memory, cx, meters);
            }
            self.end(batch, false, cx);
        }
        if self.sent.is_empty() {
            self.oldest_sent = u64::MAX;
        }
    }

    /// Nothing more happens to a batch: who waits for it is told.
    fn end(&mut self, mut batch: Batch, lost: bool, cx: &mut Context) {
        self.tell(&batch.waiters, lost, cx);
        batch.records.clear();
        batch.waiters.clear();
        self.spare.push(batch);
    }

    fn tell(&self, waiters: &[u32], late: bool, cx: &mut Context) {
        for slot in waiters {
            if late {
                cx.fail(*slot, Fault::TimedOut);
            } else {
                cx.proceed(*slot);
            }
        }
    }

    fn unblock(&mut self, instance: u32, limits: &Limits, cx: &mut Context, meters: &mut Meters) {
        while let Some(b) = self.blocked.front() {
            let (slot, partition, record, sync) = (b.slot, b.partition, b.record, b.sync);
            if !self.add(partition, record, sync.then_some(slot), limits, cx, meters) {
                return;
            }
            self.blocked.pop_front();
            if sync {
                cx.begin_service(instance, slot);
            } else {
                cx.admit(instance, slot);
            }
        }
    }

    /// Callers who have waited too long for memory fail; batches that are too old are lost, also those on their way.
    pub fn expire(&mut self, instance: u32, limits: &Limits, cx: &mut Context, meters: &mut Meters) {
        if self.is_frozen(cx) {
            return;
        }
        let now = cx.nanos();
        while self.blocked.front().is_some_and(|b| b.until <= now) {
            let Some(b) = self.blocked.pop_front() else { return };
            meters.buffer_exhausted += 1;
            cx.refuse(instance, b.slot, Fault::TimedOut);
        }
        let is_late = |b: &Batch| now >= b.created.saturating_add(limits.delivery);
        while self.waiting.front().is_some_and(is_late) {
            let Some(batch) = self.waiting.pop_front() else {
                return;
            };
            self.gone += 1;
            let next = self.waiting.iter_mut().find(|b| b.partition == batch.partition);
            next.into_iter().for_each(|b| b.behind = false);
            self.full -= usize::from(limits.is_full(batch.records.len()));
            self.release(batch.memory, cx, meters);
            meters.lost += batch.records.len() as u64;
            self.end(batch, true, cx);
        }
        if now >= self.oldest_sent.saturating_add(limits.delivery) {
            self.expire_sent(limits, cx, meters);
        }
        self.unblock(instance, limits, cx, meters);
    }

    /// Batches on their way that are too old: their callers fail and their memory is free, but their requests stay unanswered.
    fn expire_sent(&mut self, limits: &Limits, cx: &mut Context, meters: &mut Meters) {
        let now = cx.nanos();
        self.oldest_sent = u64::MAX;
        for i in 0..self.sent.len() {
            for j in 0..self.sent[i].batches.len() {
                let batch = &mut self.sent[i].batches[j];
                if batch.lost {
                    continue;
                }
                if now < batch.created.saturating_add(limits.delivery) {
                    self.oldest_sent = self.oldest_sent.min(batch.created);
                    continue;
                }
                batch.lost = true;
                meters.lost += batch.records.len() as u64;
                let (memory, waiters) = (batch.memory, std::mem::take(&mut batch.waiters));
                self.tell(&waiters, true, cx);
                self.release(memory, cx, meters);
            }
        }
    }

    /// When something is to be done next.
    pub fn next_due(&self, limits: &Limits, cx: &Context) -> u64 {
        let answer = self.sent.get(self.landed).map_or(u64::MAX, |s| s.answered);
        if self.is_frozen(cx) {
            return answer;
        }
        let room = self.sent.len() < limits.in_flight as usize;
        if self.landed > 0 || room && (self.full > 0 || self.closed && !self.waiting.is_empty()) {
            return 0;
        }
        let mut due = answer.min(self.oldest_sent.saturating_add(limits.delivery));
        if let Some(b) = self.blocked.front() {
            due = due.min(b.until);
        }
        if let Some(b) = self.waiting.front() {
            due = due.min(b.created.saturating_add(limits.delivery));
            if room {
                due = due.min(b.created.saturating_add(limits.linger));
            }
        }
        due
    }

    /// A caller goes away; its record stays where it is, unless it never got in. Says whether it was here.
    pub fn forget(&mut self, visit: Visit, cx: &mut Context) -> bool {
        if let Some(i) = self.blocked.iter().position(|b| b.slot == visit.slot) {
            self.blocked.remove(i);
            cx.abandon(visit.instance, visit.slot);
            return true;
        }
        let sent = self.sent.iter_mut().flat_map(|s| &mut s.batches);
        for batch in self.waiting.iter_mut().chain(sent) {
            if let Some(i) = batch.waiters.iter().position(|w| *w == visit.slot) {
                batch.waiters.remove(i);
                return true;
            }
        }
        false
    }
}
