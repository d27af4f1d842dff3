//! Requests in flight: one small record each in a slab, with a fixed number of frames beside it.

use super::NONE;
use super::unchecked::{at, at_mut, prefetch};

/// What a request is doing between two instants.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// The slot is free.
    Free,
    /// In the calendar: a hold or a service that ends by itself.
    Holding,
    /// In a component's hands: waiting in its line or served under a shared discipline.
    Waiting,
    /// Waiting for forked children.
    Joining,
    /// Its process is paused; it goes on at the end of the pause.
    Stalled,
    /// Due to run at this instant.
    Ready,
}

/// The caller has left; nobody waits for the answer.
pub const DETACHED: u16 = 1;
/// A fault waits to be raised when the request runs next.
pub const FAILING: u16 = 2;
/// Part of the system itself (a consumer thread, a poller): never counted as a workload's request.
pub const AGENT: u16 = 4;
/// A forked child: it answers to its parent.
pub const CHILD: u16 = 8;
/// It has a client deadline, linked through frame 0.
pub const DEADLINE: u16 = 16;
/// Its thread was interrupted and ends as soon as it hears of it.
pub const INTERRUPTED: u16 = 32;
/// A child that goes on without its parent.
pub const ORPHAN: u16 = 64;
/// The server did not take its connection: no code of the service has seen it.
pub const REFUSED: u16 = 128;
/// It has come back from a call into a process that is paused.
pub const RETURNED: u16 = 256;

/// A replica in so many bits of a word; all of them set stand for `NONE`.
pub const fn pack_replica(replica: u32, bits: u32) -> u64 {
    (replica & (NONE >> (32 - bits))) as u64
}

/// The replica in the lowest bits of a word, as [`pack_replica`] wrote it.
pub const fn unpack_replica(word: u64, bits: u32) -> u32 {
    let all = NONE >> (32 - bits);
    match word as u32 & all {
        found if found == all => NONE,
        found => found,
    }
}

/// A request in flight.
#[derive(Copy, Clone, Debug)]
#[repr(C, align(64))]
pub struct Request {
    /// Keys its draws; loops and attempts change it from round to round and put it back.
    pub key: u64,
    /// When it was really started, nanoseconds.
    pub start: u64,
    /// When its schedule wanted it started, nanoseconds.
    pub intended: u64,
    /// When it began to wait where it waits now, nanoseconds.
    pub since: u64,
    /// Running number of its entry in the calendar; an entry with another number is stale.
    pub ticket: u32,
    /// The instruction to run next, or the `Enter` at which it waits.
    pub pc: u32,
    /// Neighbours in the line it waits in.
    pub next: u32,
    pub prev: u32,
    /// The parent's slot for a child; the virtual user for a workload's request.
    pub parent: u32,
    /// The service replica it runs in.
    pub home: u32,
    pub flow: u16,
    pub workload: u16,
    pub flags: u16,
    pub state: State,
    /// With `FAILING`: the number of the fault.
    pub fault: u8,
}

/// From so many requests on the slab grows by address space instead of copying.
const LARGE: usize = 1 << 18;

const EMPTY: Request = Request {
    key: 0,
    start: 0,
    intended: 0,
    since: 0,
    ticket: 0,
    pc: 0,
    next: NONE,
    prev: NONE,
    parent: NONE,
    home: NONE,
    flow: 0,
    workload: u16::MAX,
    state: State::Free,
    flags: 0,
    fault: 0,
};

/// Two words of an open scope: when it was entered, and one word of the component's own.
#[derive(Copy, Clone, Debug, Default)]
pub struct Frame {
    pub start: u64,
    pub word: u64,
}

/// The slab of requests. Slots are reused, latest first.
pub struct Requests {
    slots: Vec<Request>,
    frames: Vec<Frame>,
    stride: usize,
    free: u32,
    live: usize,
    peak: usize,
    /// The room to take at once when the slab becomes large; zero for none.
    room: usize,
    /// The frame whose word is what attempts and deliveries have added to the key, if the model has any.
    attempts: Option<u16>,
}

impl Requests {
    /// A slab whose requests have `stride` frames each.
    pub fn new(stride: usize) -> Self {
        Requests {
            slots: Vec::new(),
            frames: Vec::new(),
            stride: stride.max(1),
            free: NONE,
            live: 0,
            peak: 0,
            room: 0,
            attempts: None,
        }
    }

    /// Says which frame notes what attempts and deliveries add to a request's key.
    pub fn note_attempts(&mut self, frame: Option<u16>) {
        self.attempts = frame;
    }

    /// Says how many bytes there may be. A large slab takes address space for all of them at once: growing means copying,
    /// and while it copied a run would hold nearly twice what it needs.
    pub fn expect(&mut self, bytes: usize) {
        self.room = bytes / (size_of::<Request>() + self.stride * size_of::<Frame>());
    }

    /// Takes a free slot; `None` when the slab cannot grow any further.
    #[inline(always)]
    pub fn take(&mut self) -> Option<u32> {
        self.live += 1;
        if self.live > self.peak {
            self.peak = self.live;
        }
        let slot = self.free;
        if slot != NONE {
            let r = &mut self.slots[slot as usize];
            self.free = r.next;
            *r = EMPTY;
            if let Some(frame) = self.attempts {
                let f = self.frame_index(slot, frame);
                self.frame(f).word = 0;
            }
            return Some(slot);
        }
        self.grow()
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> Option<u32> {
        let n = self.slots.len();
        if n >= (1 << 27) {
            self.live -= 1;
            return None;
        }
        if n == self.slots.capacity() && !(n >= LARGE && self.take_room(n)) {
            let more = (n / 4).max(64);
            self.slots.reserve_exact(more);
            self.frames.reserve_exact(more * self.stride);
        }
        self.slots.push(EMPTY);
        self.frames.resize((n + 1) * self.stride, Frame::default());
        Some(n as u32)
    }

    /// Whether there was address space for all requests that may be, and for those of the last events before a check.
    fn take_room(&mut self, n: usize) -> bool {
        let more = (self.room + LARGE).saturating_sub(n).min(1 << 27);
        let frames = more.saturating_mul(self.stride);
        self.room > n
            && self.slots.try_reserve_exact(more).is_ok()
            && self.frames.try_reserve_exact(frames).is_ok()
    }

    /// Gives a slot back.
    #[inline(always)]
    pub fn release(&mut self, slot: u32) {
        let free = self.free;
        let r = &mut self.slots[slot as usize];
        debug_assert!(r.state != State::Free, "slot {slot} is given back twice");
        r.state = State::Free;
        r.ticket = 0;
        r.next = free;
        self.free = slot;
        self.live -= 1;
    }

    /// Requests in flight, agents and children included.
    pub fn live(&self) -> usize {
        self.live
    }

    /// The most there ever were.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// Number of slots, free or not.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Bytes the requests take.
    pub fn bytes(&self) -> usize {
        self.slots.len() * size_of::<Request>() + self.frames.len() * size_of::<Frame>()
    }

    /// Has the cache fetch a request and its outermost frames; any number will do.
    #[inline(always)]
    pub fn prefetch(&self, slot: u32) {
        prefetch(&self.slots, slot as usize);
        prefetch(&self.frames, slot as usize * self.stride);
    }

    /// Index of a request's frame number `offset`.
    #[inline(always)]
    pub fn frame_index(&self, slot: u32, offset: u16) -> u32 {
        (slot as usize * self.stride + offset as usize) as u32
    }

    /// The slot to which a frame belongs.
    #[inline(always)]
    pub fn owner_of(&self, index: u32) -> u32 {
        index / self.stride as u32
    }

    #[inline(always)]
    pub fn frame(&mut self, index: u32) -> &mut Frame {
        at_mut(&mut self.frames, index)
    }

    /// The component's word of a frame.
    pub fn word(&self, index: u32) -> u64 {
        at(&self.frames, index).word
    }

    /// Has a request's draws differ by `by` from now on, or takes that back, while it stays the same request.
    pub fn vary(&mut self, slot: u32, by: u64) {
        self[slot].key ^= by;
        if let Some(frame) = self.attempts {
            let f = self.frame_index(slot, frame);
            self.frame(f).word ^= by;
        }
    }

    /// A thread takes up a request, a record or a row with the key `identity`, for the attempt that adds `by` to it.
    pub fn take_up(&mut self, slot: u32, identity: u64, by: u64) {
        self[slot].key = identity ^ by;
        if let Some(frame) = self.attempts {
            let f = self.frame_index(slot, frame);
            self.frame(f).word = by;
        }
    }

    /// What attempts and deliveries have added to a request's key.
    #[inline(always)]
    pub fn attempt(&self, slot: u32) -> u64 {
        match self.attempts {
            Some(frame) => self.word(self.frame_index(slot, frame)),
            None => 0,
        }
    }

    /// The key of what the request is about, the same in every attempt.
    #[inline(always)]
    pub fn identity(&self, slot: u32) -> u64 {
        self[slot].key ^ self.attempt(slot)
    }

    /// Copies all frames of one request to another, as a child takes over its parent's scopes.
    pub fn copy_frames(&mut self, from: u32, to: u32) {
        let (f, t) = (from as usize * self.stride, to as usize * self.stride);
        self.frames.copy_within(f..f + self.stride, t);
    }
}

impl std::ops::Index<u32> for Requests {
    type Output = Request;
    #[inline(always)]
    fn index(&self, slot: u32) -> &Request {
        at(&self.slots, slot)
    }
}

impl std::ops::IndexMut<u32> for Requests {
    #[inline(always)]
    fn index_mut(&mut self, slot: u32) -> &mut Request {
        at_mut(&mut self.slots, slot)
    }
}

/// A line of waiting requests, linked through their records: no allocation, removal from the middle at once.
#[derive(Copy, Clone, Debug)]
pub struct Line {
    head: u32,
    tail: u32,
    len: u32,
}

impl Default for Line {
    fn default() -> Self {
        Line {
            head: NONE,
            tail: NONE,
            len: 0,
        }
    }
}

impl Line {
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// The request that waits at the front.
    #[inline(always)]
    pub fn head(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    /// The request that waits at the end.
    #[inline(always)]
    pub fn tail(&self) -> Option<u32> {
        (self.tail != NONE).then_some(self.tail)
    }

    #[inline(always)]
    pub fn push_back(&mut self, requests: &mut Requests, slot: u32) {
        let tail = self.tail;
        let r = &mut requests[slot];
        r.next = NONE;
        r.prev = tail;
        if tail == NONE {
            self.head = slot;
        } else {
            requests[tail].next = slot;
        }
        self.tail = slot;
        self.len += 1;
    }

    /// Puts a request before `before`, or at the end when there is no such request.
    pub fn insert_before(&mut self, requests: &mut Requests, before: Option<u32>, slot: u32) {
        let Some(before) = before else {
            return self.push_back(requests, slot);
        };
        let prev = requests[before].prev;
        requests[before].prev = slot;
        let r = &mut requests[slot];
        r.next = before;
        r.prev = prev;
        if prev == NONE {
            self.head = slot;
        } else {
            requests[prev].next = slot;
        }
        self.len += 1;
    }

    #[inline(always)]
    pub fn pop_front(&mut self, requests: &mut Requests) -> Option<u32> {
        let slot = self.head;
        if slot == NONE {
            return None;
        }
        let next = requests[slot].next;
        self.head = next;
        if next == NONE {
            self.tail = NONE;
        } else {
            requests[next].prev = NONE;
        }
        self.len -= 1;
        Some(slot)
    }

    /// Takes a request out from wherever it stands in this line.
    #[inline(always)]
    pub fn remove(&mut self, requests: &mut Requests, slot: u32) {
        let (prev, next) = (requests[slot].prev, requests[slot].next);
        if prev == NONE {
            debug_assert_eq!(self.head, slot, "the request stands in another line");
            self.head = next;
        } else {
            requests[prev].next = next;
        }
        if next == NONE {
            self.tail = prev;
        } else {
            requests[next].prev = prev;
        }
        self.len -= 1;
    }

    /// Appends a request whose links are kept elsewhere.
    pub fn append_raw(&mut self, slot: u32) {
        if self.head == NONE {
            self.head = slot;
        }
        self.tail = slot;
        self.len += 1;
    }

    /// Takes out a request whose links are kept elsewhere, with the neighbours it had.
    pub fn remove_raw(&mut self, prev: u32, next: u32) {
        if prev == NONE {
            self.head = next;
        }
        if next == NONE {
            self.tail = prev;
        }
        self.len -= 1;
    }

    /// The request in front of `slot`.
    pub fn before(&self, requests: &Requests, slot: u32) -> Option<u32> {
        let prev = requests[slot].prev;
        (prev != NONE).then_some(prev)
    }

    /// The request behind `slot`.
    pub fn after(&self, requests: &Requests, slot: u32) -> Option<u32> {
        let next = requests[slot].next;
        (next != NONE).then_some(next)
    }
}

/// What round `round` of a loop adds (by exclusive or) to its request's key; `which` keeps nested loops apart.
/// Nothing in the first round, so that putting steps into a loop moves no draw.
pub fn round_key(which: u32, round: u64) -> u64 {
    if round == 0 {
        0
    } else {
        crate::random::child_key((which as u64) << 32 | 0x6c6f_6f70, round)
    }
}

/// What the delivery of a record or row adds to its key after so many failed tries; nothing in the first one.
pub fn delivery_key(tries: u64) -> u64 {
    round_key(1 << 17, tries)
}
