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
    records: Vec<Record>,
    /// Callers who wait for its acknowledgement.
    waiters: Vec<u32>,
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
    number: u64,
    sticky: Option<u32>,
    /// Records on the sticky partition since it was chosen.
    stuck: u64,
    switches: u64,
    used: u64,
    /// Batches that were not sent yet, oldest first.
    waiting: VecDeque<Batch>,
    /// Batches sent to each partition's account: number of the open one in `waiting`, counted from `gone`.
    open: BTreeMap<u32, u64>,
    gone: u64,
    blocked: VecDeque<Blocked>,
    sent: VecDeque<Sent>,
    requests: u64,
    spare: Vec<Batch>,
}

impl Producer {
    pub fn new(number: u64) -> Producer {
        Producer {
            number,
            sticky: None,
            stuck: 0,
            switches: 0,
            used: 0,
            waiting: VecDeque::new(),
            open: BTreeMap::new(),
            gone: 0,
            blocked: VecDeque::new(),
            sent: VecDeque::new(),
            requests: 0,
            spare: Vec::new(),
        }
    }

    /// Requests sent so far.
    pub fn sent(&self) -> u64 {
        self.requests
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
                self.waiting.push_back(batch);
                self.open
                    .insert(partition, self.gone + self.waiting.len() as u64 - 1);
                self.waiting.len() - 1
            }
        };
        let batch = &mut self.waiting[place];
        batch.records.push(record);
        batch.waiters.extend(waiter);
        true
    }

    fn is_ready(&self, batch: &Batch, limits: &Limits, now: u64) -> bool {
        limits.is_full(batch.records.len())
            || now >= batch.created.saturating_add(limits.linger)
            || !self.blocked.is_empty()
    }

    /// Sends one request if something is ready and the link has room; says whether it did.
    pub fn send_request(
        &mut self,
        limits: &Limits,
        cx: &mut Context,
        meters: &mut Meters,
        send_time: impl FnOnce(&Context) -> u64,
    ) -> bool {
        if self.sent.len() >= limits.in_flight as usize || self.waiting.is_empty() {
            return false;
        }
        let now = cx.nanos();
        if !self.waiting.iter().any(|b| self.is_ready(b, limits, now)) {
            return false;
        }
        let (mut bytes, mut batches, mut stay) = (0, Vec::new(), VecDeque::new());
        let mut skipped: Vec<u32> = Vec::new();
        for batch in std::mem::take(&mut self.waiting) {
            let size = batch.records.len() as u64 * limits.record;
            let taken = batches.iter().any(|b: &Batch| b.partition == batch.partition);
            let fits = batches.is_empty() || bytes + size <= limits.request;
            // Later batches of a partition wait for the earlier ones.
            if !taken && fits && !skipped.contains(&batch.partition) && self.is_ready(&batch, limits, now) {
                bytes += size;
                batches.push(batch);
            } else {
                if !taken {
                    skipped.push(batch.partition);
                }
                stay.push_back(batch);
            }
        }
        self.gone = 0;
        self.open.clear();
        for (i, b) in stay.iter().enumerate() {
            self.open.insert(b.partition, i as u64);
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
        while self.sent.front().is_some_and(|s| s.answered <= cx.nanos()) {
            let Some(sent) = self.sent.pop_front() else { return };
            for mut batch in sent.batches {
                let late = cx.nanos() - batch.created > limits.delivery;
                self.used -= limits.batch_memory();
                meters.buffer.add(cx.now(), -(limits.batch_memory() as i64));
                if late {
                    meters.lost += batch.records.len() as u64;
                } else {
                    for record in &batch.records {
                        cx.append(log, batch.partition, *record);
                    }
                }
                self.tell(&batch.waiters, late, cx);
                batch.records.clear();
                batch.waiters.clear();
                self.spare.push(batch);
            }
            self.unblock(instance, limits, cx, meters);
        }
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

    /// Callers who have waited too long for memory fail; batches that are too old are lost.
    pub fn expire(&mut self, instance: u32, limits: &Limits, cx: &mut Context, meters: &mut Meters) {
        while self.blocked.front().is_some_and(|b| b.until <= cx.nanos()) {
            let Some(b) = self.blocked.pop_front() else { return };
            meters.buffer_exhausted += 1;
            cx.refuse(instance, b.slot, Fault::TimedOut);
        }
        while self
            .waiting
            .front()
            .is_some_and(|b| cx.nanos() - b.created > limits.delivery)
        {
            let Some(mut batch) = self.waiting.pop_front() else {
                return;
            };
            self.gone += 1;
            if self.open.get(&batch.partition).is_some_and(|n| *n < self.gone) {
                self.open.remove(&batch.partition);
            }
            self.used -= limits.batch_memory();
            meters.buffer.add(cx.now(), -(limits.batch_memory() as i64));
            meters.lost += batch.records.len() as u64;
            self.tell(&batch.waiters, true, cx);
            batch.records.clear();
            batch.waiters.clear();
            self.spare.push(batch);
        }
        self.unblock(instance, limits, cx, meters);
    }

    /// When something is to be done next.
    pub fn next_due(&self, limits: &Limits) -> u64 {
        let answer = self.sent.front().map(|s| s.answered);
        let blocked = self.blocked.front().map(|b| b.until);
        let front = self.waiting.front().map(|b| b.created);
        let room = self.sent.len() < limits.in_flight as usize;
        if room && self.waiting.iter().any(|b| limits.is_full(b.records.len())) {
            return 0;
        }
        let linger = front
            .filter(|_| room)
            .map(|created| created.saturating_add(limits.linger));
        let lost = front.map(|created| created.saturating_add(limits.delivery).saturating_add(1));
        [answer, blocked, linger, lost]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(u64::MAX)
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
