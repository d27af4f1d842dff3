//! How a server comes by its connections: handshakes, the kernel's accept queue, the limit of open connections, keep-alive.
//!
//! ```text
//! SYN ──▶ accept queue (accept-count + 1) ──▶ open connection (max-connections) ──▶ executor
//!  └─ dropped while the accept queue is full, sent again after 1, 3, 7, 15, 31, 63 s, given up after 127 s
//! ```
//!
//! A connection that has been accepted by the kernel waits in silence; the server knows nothing of it
//! (Tomcat takes a place of its connection latch before it calls `accept()`). A virtual user keeps the
//! connection between requests and so holds a place while thinking. With an error as its answer the connection is closed, as with 500
//! and 503 (`Http11Processor.statusDropsConnection`). Calls of other servers come on connections of those servers' clients, as many as are
//! under way.
//!
//! All requests whose SYN was dropped equally often wait equally long for the next attempt, so each number of
//! attempts has a first-in-first-out line with one timer.
//!
//! Where the clients' kernel counts ticks (`tcp-tick`), SYNs that were dropped at different times are sent again together. As long as one place
//! is free all of them are answered, and each client takes itself for connected and sends its request; but the handshake ends only
//! when its last packet finds a place, and those beyond the free places are dropped (`tcp_check_req`, "listen_overflow"). Such a
//! client sends its data again after 0.2, 0.6, 1.4 … s, and goes on with that when its user has gone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

mod kept;

use super::tcp_timer::{DATA_RETRIES, data_gap, goes_off, syn_gaps};
use crate::kernel::request::{AGENT, CHILD, DETACHED, REFUSED};
use crate::kernel::{Context, Fault, Line, NONE, TimerId, Visit};
use crate::metric::Gauge;
use crate::quantity::SimTime;
use kept::{CLOSED, IDLE, Kept, MOST_SERVED, WATCHED};

/// As checked.
#[derive(Clone, Debug)]
pub struct Limits {
    pub max_connections: u64,
    /// Places in the accept queue.
    pub backlog: u64,
    pub keep_alive: bool,
    /// Nanoseconds.
    pub keep_alive_timeout: u64,
    pub max_keep_alive_requests: u64,
    pub reset_on_overflow: bool,
    pub syn_retries: u32,
    pub syn_linear: u32,
    /// Nanoseconds between two ticks of the clients' kernel; zero where its timers go off on time.
    pub tick: u64,
}

/// What became of an attempt to connect.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Dialled {
    /// There is a connection.
    Connected,
    /// The visitor waits in the kernel, or for its next SYN.
    Waits,
    /// Refused at once.
    Reset,
}

// The lowest byte of a visit's word says where it waits.
/// In the executor's queue.
pub const QUEUED: u64 = 1;
const BACKLOG: u64 = 2;
/// The client takes itself for connected, the server does not.
const HALF: u64 = 3;
const SYN: u64 = 16;
const STAGE: u64 = 0xff;
/// Noted at a step by which another server comes.
pub const INNER: u32 = 1;

/// The connection is the one that a user keeps.
const KEPT: u64 = 1 << 8;
/// The task runs on its caller's thread.
pub const NO_THREAD: u64 = 1 << 9;

/// Timers: connections that have idled too long, then one for each number of attempts.
const IDLE_TIMER: u32 = 0;
const SYN_TIMERS: u32 = 1;

/// As running.
pub struct Connector {
    limits: Limits,
    instance: u32,
    open: u64,
    backlog: Line,
    /// Requests whose SYN was dropped, by the number of attempts made less one.
    dropped: Vec<Line>,
    /// Nanoseconds that each of those waits is meant to last.
    gaps: Vec<u64>,
    /// Clients whose last packet of the handshake was dropped: when they send again, in which order they came, who they are, and
    /// how often they have sent again.
    half: BTreeMap<(u64, u64), (u32, u32)>,
    halves: u64,
    timers: Vec<TimerId>,
    armed: Vec<bool>,
    /// The server is paused and accepts nothing.
    pub frozen: bool,
    /// By workload and user.
    kept: Vec<Vec<Kept>>,
    /// When to look at which kept connection, by workload and user.
    expiries: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// Kept connections that nobody uses now, with those that have idled too long since somebody looked.
    idle: Gauge,
    /// Visitors in the accept queue.
    pub in_backlog: Gauge,
    /// Visitors whose SYN was dropped.
    pub unconnected: Gauge,
    pub open_max: u64,
    pub syns_dropped: u64,
    pub acks_dropped: u64,
    pub connect_timeouts: u64,
    pub resets: u64,
}

impl Connector {
    /// Number of timers that [`Connector::new`] takes.
    pub fn timers(limits: &Limits) -> u32 {
        SYN_TIMERS + limits.syn_linear + limits.syn_retries + 2
    }

    /// `timers` must wake [`Connector::wake`] with their index.
    pub fn new(limits: Limits, instance: u32, timers: Vec<TimerId>) -> Self {
        let gaps = syn_gaps(limits.syn_linear, limits.syn_retries);
        Connector {
            limits,
            instance,
            open: 0,
            backlog: Line::default(),
            dropped: vec![Line::default(); gaps.len()],
            gaps,
            half: BTreeMap::new(),
            halves: 0,
            armed: vec![false; timers.len()],
            timers,
            frozen: false,
            kept: Vec::new(),
            expiries: BinaryHeap::new(),
            idle: Gauge::default(),
            in_backlog: Gauge::default(),
            unconnected: Gauge::default(),
            open_max: 0,
            syns_dropped: 0,
            acks_dropped: 0,
            connect_timeouts: 0,
            resets: 0,
        }
    }

    /// Open connections, idle ones included.
    pub fn open(&self, now: SimTime) -> u64 {
        self.open - self.expired(now).count() as u64
    }

    /// A visitor comes, on the connection it keeps or on a new one.
    #[inline(always)]
    pub fn connect(&mut self, visit: Visit, cx: &mut Context) -> Dialled {
        if self.limits.keep_alive {
            let r = &cx.requests[visit.slot];
            if r.parent != NONE && r.flags & (CHILD | AGENT) == 0 && cx.site(visit.site).note != INNER {
                return self.connect_user(visit, cx);
            }
        }
        self.dial(visit, cx)
    }

    #[inline(always)]
    fn dial(&mut self, visit: Visit, cx: &mut Context) -> Dialled {
        self.close_expired(cx.now());
        if self.open < self.limits.max_connections && !self.frozen && self.backlog.is_empty() {
            self.open += 1;
            self.open_max = self.open_max.max(self.open);
            return Dialled::Connected;
        }
        self.dial_in_vain(visit, cx)
    }

    #[cold]
    #[inline(never)]
    fn dial_in_vain(&mut self, visit: Visit, cx: &mut Context) -> Dialled {
        let full = self.backlog.len() as u64 >= self.limits.backlog;
        if full && self.limits.reset_on_overflow {
            self.resets += 1;
            return Dialled::Reset;
        }
        cx.begin_wait(visit);
        if full {
            self.unconnected.enter(cx.now());
            self.drop_syn(visit.slot, 0, cx);
        } else {
            self.join_backlog(visit.slot, cx);
        }
        Dialled::Waits
    }

    fn join_backlog(&mut self, slot: u32, cx: &mut Context) {
        stage(slot, BACKLOG, cx);
        self.in_backlog.enter(cx.now());
        self.backlog.push_back(&mut cx.requests, slot);
        self.arm_idle(cx);
    }

    fn drop_syn(&mut self, slot: u32, attempt: usize, cx: &mut Context) {
        self.syns_dropped += 1;
        stage(slot, SYN + attempt as u64, cx);
        self.dropped[attempt].push_back(&mut cx.requests, slot);
        let i = SYN_TIMERS as usize + attempt;
        if !self.armed[i] {
            self.armed[i] = true;
            let due = self.due(cx.requests[slot].since, attempt);
            cx.arm(self.timers[i], due);
        }
    }

    /// When a SYN that was sent first at `since` and dropped each time is sent again after this attempt.
    fn due(&self, since: u64, attempt: usize) -> u64 {
        let gaps = self.gaps[..=attempt].iter();
        gaps.fold(since, |at, gap| goes_off(at, *gap, self.limits.tick))
    }

    /// The visitor has its answer, an error or not: its connection is kept or closed. Says whether a place is free now.
    #[inline(always)]
    pub fn done(&mut self, visit: Visit, failed: bool, cx: &mut Context) -> bool {
        if *cx.word(visit) & KEPT != 0 {
            let detached = cx.requests[visit.slot].flags & DETACHED != 0;
            let (now, limit) = (cx.now(), self.limits.max_keep_alive_requests);
            let kept = self.of_user(visit.slot, cx);
            if kept.holder == visit.slot {
                kept.served += u32::from(kept.served & MOST_SERVED < MOST_SERVED);
                if !failed && !detached && u64::from(kept.served & MOST_SERVED) < limit {
                    kept.holder = IDLE;
                    kept.idle_since = now.nanos();
                    let watched = kept.served & WATCHED != 0;
                    kept.served |= WATCHED;
                    self.idle.enter(now);
                    if !watched {
                        self.watch_idle(visit.slot, cx);
                    }
                    self.arm_idle(cx);
                    return false;
                }
                kept.holder = CLOSED;
            }
        }
        self.open -= 1;
        !self.backlog.is_empty()
    }

    /// Whether the connection of a visitor that was answered stays open.
    pub fn keeps(&mut self, visit: Visit, cx: &Context) -> bool {
        cx.requests.word(visit.frame) & KEPT != 0 && self.of_user(visit.slot, cx).holder == IDLE
    }

    /// The server closes the connection of a visitor that it turns away.
    pub fn close(&mut self, visit: Visit, cx: &mut Context) {
        self.forget(visit, cx);
        self.open -= 1;
    }

    /// The next visitor from the accept queue, if a place is free.
    pub fn accept(&mut self, cx: &mut Context) -> Option<u32> {
        if self.frozen || self.open >= self.limits.max_connections {
            return None;
        }
        let slot = self.backlog.pop_front(&mut cx.requests)?;
        self.in_backlog.leave(cx.now());
        self.open += 1;
        self.open_max = self.open_max.max(self.open);
        stage(slot, 0, cx);
        Some(slot)
    }

    /// A waiting visitor goes away. Says whether it stood here, or else in the executor's queue, connected.
    pub fn cancel(&mut self, visit: Visit, cx: &mut Context) -> bool {
        let stage = *cx.word(visit) & STAGE;
        let now = cx.now();
        match stage {
            QUEUED => return false,
            BACKLOG => {
                self.backlog.remove(&mut cx.requests, visit.slot);
                self.in_backlog.leave(now);
            }
            HALF => {
                self.half.retain(|_, half| half.0 != visit.slot);
                self.unconnected.leave(now);
            }
            _ => {
                let attempt = (stage - SYN) as usize;
                self.dropped[attempt].remove(&mut cx.requests, visit.slot);
                self.unconnected.leave(now);
            }
        }
        self.forget(visit, cx);
        cx.abandon(visit.instance, visit.slot);
        true
    }

    /// A timer went off. The accept queue may have changed.
    pub fn wake(&mut self, timer: u32, cx: &mut Context) {
        self.armed[timer as usize] = false;
        if timer == IDLE_TIMER {
            self.close_expired(cx.now());
            return self.arm_idle(cx);
        }
        match (timer - SYN_TIMERS) as usize == self.gaps.len() {
            true => self.send_data_again(cx),
            false => self.send_syns_again(cx),
        }
    }

    /// The SYNs whose time has come are sent again, together: all are looked at before any of their handshakes ends.
    fn send_syns_again(&mut self, cx: &mut Context) {
        let mut sent = Vec::new();
        for attempt in (0..self.gaps.len()).rev() {
            while let Some(slot) = self.dropped[attempt].head() {
                let due = self.due(cx.requests[slot].since, attempt);
                if due > cx.nanos() {
                    let timer = SYN_TIMERS as usize + attempt;
                    if !self.armed[timer] {
                        self.armed[timer] = true;
                        cx.arm(self.timers[timer], due);
                    }
                    break;
                }
                self.dropped[attempt].pop_front(&mut cx.requests);
                sent.push((slot, attempt));
            }
        }
        let answered = self.limits.tick > 0 && (self.backlog.len() as u64) < self.limits.backlog;
        for (slot, attempt) in sent {
            self.try_again(slot, attempt, answered, cx);
        }
    }

    /// Clients that take themselves for connected send their requests again.
    fn send_data_again(&mut self, cx: &mut Context) {
        while let Some(first) = self.half.first_entry() {
            if first.key().0 > cx.nanos() {
                break;
            }
            let (slot, tried) = first.remove();
            if (self.backlog.len() as u64) < self.limits.backlog {
                self.unconnected.leave(cx.now());
                self.join_backlog(slot, cx);
            } else if tried >= DATA_RETRIES {
                self.give_up(slot, cx);
            } else {
                self.acks_dropped += 1;
                self.wait_half(slot, tried + 1, cx);
            }
        }
        self.watch_halves(cx);
    }

    fn wait_half(&mut self, slot: u32, tried: u32, cx: &mut Context) {
        stage(slot, HALF, cx);
        let due = goes_off(cx.nanos(), data_gap(tried), self.limits.tick);
        self.halves += 1;
        self.half.insert((due, self.halves), (slot, tried));
    }

    fn watch_halves(&mut self, cx: &mut Context) {
        let timer = SYN_TIMERS as usize + self.gaps.len();
        if let Some((&(due, _), _)) = self.half.first_key_value() {
            cx.arm(self.timers[timer], due);
        }
    }

    fn try_again(&mut self, slot: u32, attempt: usize, answered: bool, cx: &mut Context) {
        let last = attempt + 1 == self.gaps.len();
        if last || cx.requests[slot].flags & DETACHED != 0 {
            self.give_up(slot, cx);
        } else if (self.backlog.len() as u64) < self.limits.backlog {
            self.unconnected.leave(cx.now());
            self.join_backlog(slot, cx);
        } else if answered {
            self.acks_dropped += 1;
            self.wait_half(slot, 0, cx);
            self.watch_halves(cx);
        } else {
            self.drop_syn(slot, attempt + 1, cx);
        }
    }

    /// The client's kernel gives up; or the client has gone, and its SYN with it.
    fn give_up(&mut self, slot: u32, cx: &mut Context) {
        let left = cx.requests[slot].flags & DETACHED != 0;
        self.connect_timeouts += !left as u64;
        self.unconnected.leave(cx.now());
        self.forget(cx.waiting_visit(self.instance, slot), cx);
        cx.requests[slot].flags |= REFUSED;
        cx.refuse(self.instance, slot, Fault::ConnectTimeout);
    }

    /// Other limits. The schedule of SYNs stays as it was.
    pub fn adopt(&mut self, limits: &Limits, cx: &mut Context) {
        self.close_expired(cx.now());
        self.limits = limits.clone();
        self.watch_anew(cx);
    }

    pub fn reset(&mut self, now: SimTime) {
        self.close_expired(now);
        self.idle.reset(now);
        self.in_backlog.reset(now);
        self.unconnected.reset(now);
        self.open_max = self.open;
        (self.syns_dropped, self.acks_dropped) = (0, 0);
        (self.connect_timeouts, self.resets) = (0, 0);
    }
}

/// Notes where a waiting visitor stands.
pub fn stage(slot: u32, stage: u64, cx: &mut Context) {
    let word = cx.waiting_word(slot);
    *word = (*word & !STAGE) | stage;
}
