//! What outlives the request that made it: records in the partitions of a topic, rows of an outbox.
//!
//! Producers and consumers never hold one another. A topic puts a [`Log`] into the context when it is built; a
//! consumer group signs on there when it is built. Appending a record wakes the group's thread that owns the
//! partition if it waits in its poll: it tries its operation again ([`Context::again`]), so that no event is
//! spent on a poll that finds nothing. Records are kept until every group has committed them; a log without a
//! group only counts.

mod rebalance;

use std::collections::{BTreeMap, VecDeque};

use super::{Context, NONE, context};
use crate::metric::Gauge;
use crate::quantity::SimTime;

/// A message: the key of its draws, and when it was produced (nanoseconds).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub key: u64,
    pub at: u64,
}

/// Records of one partition from offset `from` up to, and without, `to`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub partition: u32,
    pub from: u64,
    pub to: u64,
}

#[derive(Clone, Debug, Default)]
struct Partition {
    records: VecDeque<Record>,
    /// Offset of the oldest record that is kept.
    first: u64,
    /// Log end offset.
    end: u64,
}

/// How a group deals partitions out.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// Neighbours together; the first members get one more (Kafka `RangeAssignor`).
    Range,
    /// In turn (Kafka `RoundRobinAssignor`).
    RoundRobin,
    /// Everybody keeps what it has as far as shares stay even, and goes on meanwhile (Kafka `CooperativeStickyAssignor`).
    CooperativeSticky,
}

/// A thread of a group.
#[derive(Clone, Debug)]
struct Member {
    alive: bool,
    joined: bool,
    /// The request that waits in its poll.
    waiting: u32,
    /// Its partitions that have records it has not taken.
    ready: VecDeque<u32>,
    /// Records taken from the first of them in a row.
    taken: u64,
    /// Records in its partitions that it has not taken, and how many wake it.
    available: u64,
    wants: u64,
    /// Records that its client has, or that the answer to its last fetch brings.
    buffered: u64,
    /// Until when the broker waits with the answer to the fetch that is under way, nanoseconds, and for how many records; zero
    /// while there is none.
    asked_until: u64,
    least: u64,
    /// When an append made the broker answer last: what is appended at the same instant came in the same request.
    answered: u64,
}

/// A consumer group: offsets, assignment, lag.
#[derive(Clone, Debug)]
pub struct Group {
    consumer: u32,
    assignment: Assignment,
    owner: Vec<u32>,
    position: Vec<u64>,
    committed: Vec<u64>,
    /// What polls have returned of each partition: up to, and without, this offset.
    delivered: Vec<u64>,
    queued: Vec<bool>,
    members: Vec<Member>,
    assigned: bool,
    rebalancing: Option<u64>,
    /// Members that are gone and not missed yet, whose places others have taken anew.
    ghosts: u32,
    /// The coordinator waits for more members of a group that was empty; some have come since it last looked.
    gathering: bool,
    newcomers: bool,
    pub rebalances: u64,
    /// Nanoseconds from the begin to the end of rebalances; by the eager protocol the group stands still meanwhile.
    pub rebalance_time: u64,
    /// Records appended and not committed, over all partitions.
    pub lag: Gauge,
    /// The same by partition, for up to [`SHOWN`] partitions.
    pub lags: Vec<Gauge>,
}

/// Logs of more partitions than this do not show each of them.
pub const SHOWN: usize = 64;

/// The partitions of one topic.
#[derive(Clone, Debug)]
pub struct Log {
    topic: u32,
    partitions: Vec<Partition>,
    pub groups: Vec<Group>,
    /// Size of a record.
    pub record_bytes: u64,
    stored: u64,
    /// Records appended since the measurement began.
    pub appended: u64,
    /// The same by partition, for up to [`SHOWN`] partitions.
    pub by_partition: Vec<u64>,
}

impl Log {
    pub fn new(topic: u32, partitions: u32, record_bytes: u64) -> Log {
        let shown = if partitions as usize <= SHOWN {
            partitions as usize
        } else {
            0
        };
        Log {
            topic,
            partitions: vec![Partition::default(); partitions as usize],
            groups: Vec::new(),
            record_bytes,
            stored: 0,
            appended: 0,
            by_partition: vec![0; shown],
        }
    }

    pub fn partitions(&self) -> u32 {
        self.partitions.len() as u32
    }

    /// Bytes that the kept records and offsets take, at most.
    pub fn bytes(&self) -> usize {
        let offsets = self.groups.len() * 29 + size_of::<Partition>();
        2 * self.stored as usize * size_of::<Record>() + self.partitions.len() * offsets
    }

    /// The group of a consumer, by its first instance.
    pub fn group_of(&self, consumer: u32) -> Option<u32> {
        self.groups
            .iter()
            .position(|g| g.consumer == consumer)
            .map(|i| i as u32)
    }

    /// The group of this consumer; made when it is asked for first.
    pub fn group(&mut self, consumer: u32, assignment: Assignment) -> u32 {
        if let Some(group) = self.group_of(consumer) {
            return group;
        }
        let n = self.partitions.len();
        self.groups.push(Group {
            consumer,
            assignment,
            owner: vec![NONE; n],
            position: vec![0; n],
            committed: vec![0; n],
            delivered: vec![0; n],
            queued: vec![false; n],
            members: Vec::new(),
            assigned: false,
            rebalancing: None,
            ghosts: 0,
            gathering: false,
            newcomers: false,
            rebalances: 0,
            rebalance_time: 0,
            lag: Gauge::default(),
            lags: vec![Gauge::default(); self.by_partition.len()],
        });
        self.groups.len() as u32 - 1
    }

    /// The record at an offset, if it is still kept.
    pub fn record(&self, partition: u32, offset: u64) -> Option<Record> {
        let p = &self.partitions[partition as usize];
        p.records.get(offset.checked_sub(p.first)? as usize).copied()
    }

    /// Takes up to `most` records for a member, partition by partition, at most `quota` of one before the next. How many of
    /// them a poll has returned before is the answer.
    pub fn take(&mut self, group: u32, member: u32, mut most: u64, quota: u64, out: &mut Vec<Span>) -> u64 {
        let mut again = 0;
        let Group {
            members,
            position,
            delivered,
            queued,
            ..
        } = &mut self.groups[group as usize];
        let m = &mut members[member as usize];
        most = most.min(m.buffered);
        while most > 0
            && let Some(&p) = m.ready.front()
        {
            let i = p as usize;
            let end = self.partitions[i].end;
            let n = (end - position[i])
                .min(most)
                .min(quota.saturating_sub(m.taken).max(1));
            if n > 0 {
                out.push(Span {
                    partition: p,
                    from: position[i],
                    to: position[i] + n,
                });
            }
            again += delivered[i].saturating_sub(position[i]).min(n);
            position[i] += n;
            delivered[i] = delivered[i].max(position[i]);
            m.taken += n;
            m.available -= n;
            m.buffered -= n;
            most -= n;
            if position[i] == end {
                m.ready.pop_front();
                queued[i] = false;
                m.taken = 0;
            } else if m.taken >= quota {
                m.ready.rotate_left(1);
                m.taken = 0;
            }
        }
        again
    }

    /// A member seeks back: what it has taken of its partitions and not processed is polled again, in this order.
    pub fn give_back(&mut self, group: u32, member: u32, spans: &[Span]) {
        let g = &mut self.groups[group as usize];
        let m = &mut g.members[member as usize];
        for s in spans.iter().rev().filter(|s| s.from < s.to) {
            let i = s.partition as usize;
            // Another one has it by now, and reads on from what is committed.
            if g.owner[i] != member || !m.alive || g.position[i] != s.to {
                continue;
            }
            if g.delivered[i] == s.to {
                g.delivered[i] = s.from;
            }
            g.position[i] = s.from;
            m.available += s.to - s.from;
            m.forget_fetch();
            if std::mem::replace(&mut g.queued[i], true) {
                let at = match m.ready.back() {
                    Some(p) if *p == s.partition => Some(m.ready.len() - 1),
                    _ => m.ready.iter().position(|p| *p == s.partition),
                };
                at.and_then(|at| m.ready.remove(at));
            }
            m.ready.push_front(s.partition);
            m.taken = 0;
        }
    }

    /// Commits what a member has processed; records that every group has committed are forgotten.
    pub fn commit(&mut self, group: u32, spans: &[Span], now: SimTime) {
        for s in spans {
            let i = s.partition as usize;
            let g = &mut self.groups[group as usize];
            let n = s.to.saturating_sub(g.committed[i]);
            g.committed[i] += n;
            g.lag.add(now, -(n as i64));
            if let Some(lag) = g.lags.get_mut(i) {
                lag.add(now, -(n as i64));
            }
            let keep = self.groups.iter().map(|g| g.committed[i]).min().unwrap_or(0);
            let p = &mut self.partitions[i];
            let gone = (keep - p.first) as usize;
            p.records.drain(..gone);
            p.first = keep;
            self.stored -= gone as u64;
            if p.records.is_empty() && p.records.capacity() > 4096 {
                p.records = VecDeque::new();
            }
        }
    }

    /// The measurement begins.
    pub fn reset(&mut self, now: SimTime) {
        self.appended = 0;
        self.by_partition.fill(0);
        for g in &mut self.groups {
            g.lag.reset(now);
            g.lags.iter_mut().for_each(|l| l.reset(now));
            g.rebalances = 0;
            g.rebalance_time = 0;
        }
    }

    /// The longest lag of one partition now.
    pub fn longest_lag(&self, group: u32) -> u64 {
        let g = &self.groups[group as usize];
        let lags = self.partitions.iter().zip(&g.committed).map(|(p, c)| p.end - c);
        lags.max().unwrap_or(0)
    }

    /// Log end offset less position: what the client has not taken yet (Kafka's client metric `records-lag`).
    pub fn client_lag(&self, group: u32) -> u64 {
        let g = &self.groups[group as usize];
        self.partitions
            .iter()
            .zip(&g.position)
            .map(|(p, at)| p.end - at)
            .sum()
    }

    /// Age of the oldest record that is not committed, nanoseconds.
    pub fn time_lag(&self, group: u32, now: u64) -> u64 {
        let g = &self.groups[group as usize];
        let oldest = self
            .partitions
            .iter()
            .zip(&g.committed)
            .filter_map(|(p, c)| p.records.get((c - p.first) as usize).map(|r| r.at));
        oldest.min().map_or(0, |at| now - at)
    }
}

impl Member {
    /// The broker answers the fetch under way if enough is there; says whether it does.
    fn answer(&mut self) -> bool {
        let enough = self.asked_until > 0 && self.available >= self.least;
        if enough {
            (self.buffered, self.asked_until) = (self.available, 0);
        }
        enough
    }

    /// A record more.
    fn append(&mut self, now: u64) {
        self.end_fetch(now);
        self.available += 1;
        if self.answered == now {
            self.buffered += 1;
        } else if self.answer() {
            self.answered = now;
        }
    }

    /// A fetch that has waited long enough is answered with what was there.
    fn end_fetch(&mut self, now: u64) {
        if self.asked_until > 0 && now > self.asked_until {
            (self.buffered, self.asked_until) = (self.available, 0);
        }
    }

    /// What its client has, and what is on its way there, is thrown away.
    fn forget_fetch(&mut self) {
        (self.buffered, self.asked_until, self.answered) = (0, 0, u64::MAX);
    }
}

impl Group {
    /// Adds a thread before the run; its number is returned.
    pub fn add_member(&mut self) -> u32 {
        self.members.push(Member {
            alive: true,
            joined: false,
            waiting: NONE,
            ready: VecDeque::new(),
            taken: 0,
            available: 0,
            wants: 1,
            buffered: 0,
            asked_until: 0,
            least: 1,
            answered: u64::MAX,
        });
        self.assigned = false;
        self.members.len() as u32 - 1
    }

    /// A poll returns, and a fetch goes out unless its client still has records: the answer holds what is there when
    /// `least` records are, or what is there at `until`, nanoseconds.
    pub fn fetch(&mut self, member: u32, least: u64, until: u64) {
        let m = &mut self.members[member as usize];
        if m.buffered == 0 {
            (m.asked_until, m.least) = (until, least);
            m.answer();
        }
    }

    /// A fetch that is answered at once, with all that is there.
    pub fn fetch_now(&mut self, member: u32) {
        let m = &mut self.members[member as usize];
        (m.buffered, m.asked_until) = (m.available, 0);
    }

    /// Records that its client has by now.
    pub fn buffered(&mut self, member: u32, now: u64) -> u64 {
        let m = &mut self.members[member as usize];
        m.end_fetch(now);
        m.buffered
    }

    /// Records that a member can take.
    pub fn available(&self, member: u32) -> u64 {
        self.members[member as usize].available
    }

    /// Whether members are asked to join again.
    pub fn is_rebalancing(&self) -> bool {
        self.rebalancing.is_some()
    }

    /// Whether the group stands still until all its members have joined again.
    pub fn stands_still(&self) -> bool {
        self.rebalancing.is_some() && self.assignment != Assignment::CooperativeSticky
    }
}

impl Context {
    /// The log of the topic with this instance.
    pub fn log_of(&self, topic: u32) -> Option<u32> {
        self.logs.iter().position(|l| l.topic == topic).map(|i| i as u32)
    }

    /// Appends a record; a thread that waits for it is woken.
    pub fn append(&mut self, log: u32, partition: u32, record: Record) {
        let now = self.now();
        let log = &mut self.logs[log as usize];
        log.appended += 1;
        let i = partition as usize;
        if let Some(n) = log.by_partition.get_mut(i) {
            *n += 1;
        }
        let p = &mut log.partitions[i];
        p.end += 1;
        if log.groups.is_empty() {
            p.first = p.end;
            return;
        }
        p.records.push_back(record);
        log.stored += 1;
        for g in &mut log.groups {
            g.lag.enter(now);
            if let Some(lag) = g.lags.get_mut(i) {
                lag.enter(now);
            }
            let still = g.stands_still();
            let Some(m) = g.members.get_mut(g.owner[i] as usize) else {
                continue;
            };
            m.append(now.nanos());
            if !std::mem::replace(&mut g.queued[i], true) {
                m.ready.push_back(partition);
            }
            if m.waiting != NONE && m.available >= m.wants && !still {
                let slot = std::mem::replace(&mut m.waiting, NONE);
                context::try_again(&mut self.requests, &mut self.effects, slot);
            }
        }
    }
}

/// A row of an outbox.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: u64,
    /// When it was written.
    pub at: u64,
    /// Not read before this.
    pub due: u64,
    /// How often it was tried.
    pub tries: u32,
    /// Its message has gone out.
    pub sent: bool,
}

/// The table of an outbox, which the pollers of all replicas share.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The outbox's first instance.
    pub outbox: u32,
    pub rows: VecDeque<Row>,
    /// Rows that wait to be tried again, in the order in which they are due.
    pub retries: VecDeque<Row>,
    /// Rows written and not yet marked as sent, those in a poller's hands included.
    pub pending: Gauge,
    /// Rows of transactions that are not over, by the frame of the connection's visit.
    open: BTreeMap<u32, Vec<Row>>,
    /// Rows written since the measurement began.
    pub inserted: u64,
}

impl Rows {
    /// The empty table of an outbox with this first instance.
    pub fn of(outbox: u32) -> Rows {
        Rows {
            outbox,
            ..Rows::default()
        }
    }

    /// A row can be read from now on.
    pub fn write(&mut self, row: Row, now: SimTime) {
        self.rows.push_back(Row {
            due: now.nanos(),
            ..row
        });
        self.pending.enter(now);
        self.inserted += 1;
    }

    /// A row can be read when its transaction is committed.
    pub fn write_in(&mut self, transaction: u32, row: Row) {
        self.open.entry(transaction).or_default().push(row);
    }

    /// A transaction is over; how many rows were its own.
    pub fn end(&mut self, transaction: u32, commits: bool, now: SimTime) -> usize {
        let rows = self.open.remove(&transaction).unwrap_or_default();
        let n = rows.len();
        for row in rows.into_iter().filter(|_| commits) {
            self.write(row, now);
        }
        n
    }

    /// Takes up to `most` rows that are due, oldest first; locked ones are in other hands already (`SKIP LOCKED`).
    pub fn claim(&mut self, now: u64, most: usize, out: &mut Vec<Row>) {
        while out.len() < most && self.retries.front().is_some_and(|r| r.due <= now) {
            out.extend(self.retries.pop_front());
        }
        let n = most.saturating_sub(out.len()).min(self.rows.len());
        out.extend(self.rows.drain(..n));
    }

    /// When the oldest row that nobody holds was written.
    pub fn oldest(&self) -> Option<u64> {
        let retry = self.retries.iter().map(|r| r.at).min();
        self.rows.front().map(|r| r.at).into_iter().chain(retry).min()
    }

    pub fn bytes(&self) -> usize {
        let open: usize = self.open.values().map(Vec::capacity).sum();
        (self.rows.capacity() + self.retries.capacity() + open) * size_of::<Row>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(partitions: u32, members: u32, assignment: Assignment) -> Log {
        let mut log = Log::new(0, partitions, 1024);
        let g = log.group(9, assignment);
        for _ in 0..members {
            log.groups[g as usize].add_member();
        }
        log.assign(g);
        log
    }

    fn owners(log: &Log) -> &[u32] {
        &log.groups[0].owner
    }

    #[test]
    fn range_gives_the_first_members_one_more() {
        assert_eq!(owners(&log(7, 3, Assignment::Range)), [0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(owners(&log(2, 4, Assignment::Range)), [0, 1]);
        assert_eq!(owners(&log(5, 2, Assignment::RoundRobin)), [0, 1, 0, 1, 0]);
    }

    #[test]
    fn records_are_kept_until_every_group_has_committed_them() {
        let mut l = log(1, 1, Assignment::Range);
        let other = l.group(10, Assignment::Range);
        l.groups[other as usize].add_member();
        l.assign(other);
        let mut cx = Context::new(SimTime::from_nanos(1), 1, Box::new([]), None);
        cx.logs.push(l);
        for key in 0..10 {
            cx.append(0, 0, Record { key, at: 0 });
        }
        let l = &mut cx.logs[0];
        let mut spans = Vec::new();
        l.groups[0].fetch_now(0);
        l.groups[1].fetch_now(0);
        l.take(0, 0, 6, 100, &mut spans);
        l.commit(0, &spans, SimTime::ZERO);
        assert_eq!(
            (l.stored, l.groups[0].lag.value(), l.groups[1].lag.value()),
            (10, 4, 10)
        );
        spans.clear();
        l.take(1, 0, 4, 100, &mut spans);
        l.commit(1, &spans, SimTime::ZERO);
        assert_eq!((l.stored, l.client_lag(0), l.longest_lag(1)), (6, 4, 6));
        assert_eq!(l.record(0, 4).map(|r| r.key), Some(4));
        assert_eq!(l.record(0, 3), None);
    }

    #[test]
    fn a_poll_takes_one_partition_after_the_other() {
        let mut cx = Context::new(SimTime::from_nanos(1), 1, Box::new([]), None);
        cx.logs.push(log(2, 1, Assignment::Range));
        for _ in 0..10 {
            cx.append(0, 0, Record { key: 0, at: 0 });
            cx.append(0, 1, Record { key: 0, at: 0 });
        }
        cx.logs[0].groups[0].fetch_now(0);
        let mut spans = Vec::new();
        cx.logs[0].take(0, 0, 12, 100, &mut spans);
        let of = |s: &Span| (s.partition, s.from, s.to);
        assert_eq!(spans.iter().map(of).collect::<Vec<_>>(), [(0, 0, 10), (1, 0, 2)]);
        spans.clear();
        cx.logs[0].take(0, 0, 100, 3, &mut spans);
        assert_eq!(spans.iter().map(|s| s.to - s.from).sum::<u64>(), 8);
    }
}
