//! One Kafka producer: batches by partition, buffer memory, unanswered requests. See `topic`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

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

    /// Whether one more record fits.
    fn has_room(&self, batch: &Batch) -> bool {
        (batch.records.len() as u64 + 1) * self.record <= self.batch
    }

    /// Whether a partition's first batch need not linger: it is filled to the last byte, or the next one was begun because a
    /// record did not fit (`RecordAccumulator.ready`: `batch.isFull() || dequeSize > 1`).
    fn is_full(&self, line: &VecDeque<Batch>) -> bool {
        line.len() > 1
            || line
                .front()
                .is_some_and(|b| b.records.len() as u64 * self.record >= self.batch)
    }
}

#[derive(Debug, Default)]
struct Batch {
    partition: u32,
    created: u64,
    /// What it took of the buffer.
    memory: u64,
    /// Its number: earlier ones were begun earlier.
    number: u64,
    records: Vec<Record>,
    /// Callers who wait for its acknowledgement.
    waiters: Vec<u32>,
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
    /// Batches that were not sent yet, by partition, oldest first; records are added to the last one.
    lines: BTreeMap<u32, VecDeque<Batch>>,
    /// Number, begin and partition of the first of each line.
    first: BTreeSet<(u64, u64, u32)>,
    /// How many of these are full.
    full: usize,
    begun: u64,
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
            lines: BTreeMap::new(),
            first: BTreeSet::new(),
            full: 0,
            begun: 0,
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
        self.closed && self.lines.is_empty() && self.sent.is_empty()
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
        for batch in std::mem::take(&mut self.lines).into_values().flatten() {
            self.release(batch.memory, cx, meters);
            meters.lost += batch.records.len() as u64;
        }
        self.first.clear();
        self.full = 0;
    }

    /// The settings have changed.
    pub fn adopt(&mut self, limits: &Limits, cx: &Context) {
        self.full = self.lines.values().filter(|l| limits.is_full(l)).count();
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
        let waiter = sync.then_some(visit.slot);
        // An open batch needs no more memory, whoever waits for some.
        let there = self.append(partition, record, waiter, limits)
            || self.blocked.is_empty() && self.begin(partition, record, waiter, limits, cx, meters);
        if !there {
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

    /// Adds a record to its partition's open batch, if there is one that has room.
    fn append(&mut self, partition: u32, record: Record, waiter: Option<u32>, limits: &Limits) -> bool {
        let Some(line) = self.lines.get_mut(&partition) else {
            return false;
        };
        let was_full = limits.is_full(line);
        let Some(batch) = line.back_mut().filter(|b| limits.has_room(b)) else {
            return false;
        };
        batch.records.push(record);
        batch.waiters.extend(waiter);
        self.full += usize::from(!was_full && limits.is_full(line));
        true
    }

    /// Begins a batch with a record, if there is memory for it.
    fn begin(
        &mut self,
        partition: u32,
        record: Record,
        waiter: Option<u32>,
        limits: &Limits,
        cx: &Context,
        meters: &mut Meters,
    ) -> bool {
        let memory = limits.batch_memory();
        if self.used + memory > limits.buffer {
            return false;
        }
        self.used += memory;
        meters.buffer.add(cx.now(), memory as i64);
        let mut batch = self.spare.pop().unwrap_or_default();
        self.begun += 1;
        (batch.number, batch.created) = (self.begun, cx.nanos());
        (batch.partition, batch.memory, batch.lost) = (partition, memory, false);
        batch.records.push(record);
        batch.waiters.extend(waiter);
        let line = self.lines.entry(partition).or_default();
        if line.is_empty() {
            self.first.insert((batch.number, batch.created, partition));
        }
        let was_full = limits.is_full(line);
        line.push_back(batch);
        self.full += usize::from(!was_full && limits.is_full(line));
        true
    }

    /// Takes the first batch of a partition; the next one is not yet put in its place.
    fn take_first(&mut self, partition: u32, limits: &Limits) -> Option<Batch> {
        let line = self.lines.get_mut(&partition)?;
        let was_full = limits.is_full(line);
        let batch = line.pop_front()?;
        self.full -= usize::from(was_full);
        self.full += usize::from(limits.is_full(line));
        self.first.remove(&(batch.number, batch.created, partition));
        Some(batch)
    }

    /// The next batch of a partition is its first one now.
    fn move_up(&mut self, partition: u32) {
        match self.lines.get(&partition).and_then(VecDeque::front) {
            Some(batch) => {
                self.first.insert((batch.number, batch.created, partition));
            }
            None => {
                self.lines.remove(&partition);
            }
        }
    }

    /// Whether there is something to send: a full batch, one that has lingered, or somebody who waits for memory.
    fn is_ready(&self, limits: &Limits, now: u64) -> bool {
        let lingered = |created: u64| now >= created.saturating_add(limits.linger);
        self.full > 0
            || self.first.first().is_some_and(|f| lingered(f.1))
            || !self.blocked.is_empty()
            || self.closed && !self.lines.is_empty()
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
        if !room || self.lines.is_empty() || !self.is_ready(limits, now) || self.is_frozen(cx) {
            return false;
        }
        let (mut bytes, mut batches) = (0, Vec::new());
        // With what is ready goes the first batch of every partition, ready or not.
        let firsts: Vec<u32> = self.first.iter().map(|f| f.2).collect();
        for partition in firsts {
            let first = self.lines.get(&partition).and_then(VecDeque::front);
            let size = first.map_or(0, |b| b.records.len() as u64 * limits.record);
            if !batches.is_empty() && bytes + size > limits.request {
                break;
            }
            let Some(batch) = self.take_first(partition, limits) else {
                continue;
            };
            bytes += size;
            self.oldest_sent = self.oldest_sent.min(batch.created);
            batches.push(batch);
        }
        for batch in &batches {
            self.move_up(batch.partition);
        }
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
            let waiter = sync.then_some(slot);
            let there = self.append(partition, record, waiter, limits)
                || self.begin(partition, record, waiter, limits, cx, meters);
            if !there {
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
        while let Some((_, created, partition)) = self.first.first().copied()
            && now >= created.saturating_add(limits.delivery)
        {
            let Some(batch) = self.take_first(partition, limits) else {
                return;
            };
            self.move_up(partition);
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
        if self.landed > 0 || room && (self.full > 0 || self.closed && !self.lines.is_empty()) {
            return 0;
        }
        let mut due = answer.min(self.oldest_sent.saturating_add(limits.delivery));
        if let Some(b) = self.blocked.front() {
            due = due.min(b.until);
        }
        if let Some((_, created, _)) = self.first.first() {
            due = due.min(created.saturating_add(limits.delivery));
            if room {
                due = due.min(created.saturating_add(limits.linger));
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
        for batch in self.lines.values_mut().flatten().chain(sent) {
            if let Some(i) = batch.waiters.iter().position(|w| *w == visit.slot) {
                batch.waiters.remove(i);
                return true;
            }
        }
        false
    }
}
