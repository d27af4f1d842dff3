//! Where events wait unsorted until their turn is near.

use super::Event;

/// Events a bucket should hold when it is opened.
const TARGET: usize = 48;
/// A bucket with more than this is dealt into narrower buckets before anything is sorted.
const FULL: usize = 4 * TARGET;
/// Events a chunk: buckets are chains of chunks, so a bucket wastes less than one of them.
const CHUNK: usize = 8;
/// Chunks a slab: the pool grows by one slab at a time and never moves one.
const SLAB: usize = 256;
/// Slots a bucket is dealt to when it is sorted.
const SLOT_BITS: u32 = 7;
const SLOTS: usize = 1 << SLOT_BITS;
const NIL: u32 = u32::MAX;

#[derive(Copy, Clone)]
#[repr(align(64))]
struct Chunk([Event; CHUNK]);

struct Slab {
    chunks: [Chunk; SLAB],
    next: [u32; SLAB],
}

/// The chunks of all buckets, and the chain of free ones.
struct Pool {
    slabs: Vec<Box<Slab>>,
    free: u32,
}

/// An unsorted bag of events. The head of its chain is the one chunk that may be partly filled.
#[derive(Copy, Clone)]
struct Bucket {
    head: u32,
    len: u32,
}

impl Bucket {
    const EMPTY: Bucket = Bucket { head: NIL, len: 0 };
}

impl Pool {
    const fn new() -> Self {
        Pool {
            slabs: Vec::new(),
            free: NIL,
        }
    }

    fn capacity(&self) -> usize {
        self.slabs.len() * SLAB * CHUNK
    }

    #[inline(always)]
    fn next(&mut self, chunk: u32) -> &mut u32 {
        &mut self.slabs[chunk as usize / SLAB].next[chunk as usize % SLAB]
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let first = (self.slabs.len() * SLAB) as u32;
        let next = std::array::from_fn(|i| if i + 1 < SLAB { first + i as u32 + 1 } else { NIL });
        let chunks = [Chunk([Event::NONE; CHUNK]); SLAB];
        self.slabs.push(Box::new(Slab { chunks, next }));
        self.free = first;
    }

    #[inline(always)]
    fn push(&mut self, bucket: &mut Bucket, event: Event) {
        let slot = bucket.len as usize % CHUNK;
        if slot == 0 {
            if self.free == NIL {
                self.grow();
            }
            let chunk = self.free;
            self.free = std::mem::replace(self.next(chunk), bucket.head);
            bucket.head = chunk;
        }
        let chunk = bucket.head as usize;
        self.slabs[chunk / SLAB].chunks[chunk % SLAB].0[slot] = event;
        bucket.len += 1;
    }

    /// Calls `visit` with the events of each chunk.
    fn each(&self, bucket: Bucket, mut visit: impl FnMut(&[Event])) {
        let mut left = bucket.len as usize;
        let mut chunk = bucket.head as usize;
        while left > 0 {
            let here = (left - 1) % CHUNK + 1;
            let slab = &self.slabs[chunk / SLAB];
            visit(&slab.chunks[chunk % SLAB].0[..here]);
            chunk = slab.next[chunk % SLAB] as usize;
            left -= here;
        }
    }

    /// Takes the events of the head chunk out of `bucket` and frees the chunk.
    #[inline(always)]
    fn take_chunk(&mut self, bucket: &mut Bucket) -> (Chunk, usize) {
        let here = (bucket.len as usize - 1) % CHUNK + 1;
        let head = bucket.head;
        let chunk = self.slabs[head as usize / SLAB].chunks[head as usize % SLAB];
        let free = self.free;
        bucket.head = std::mem::replace(self.next(head), free);
        bucket.len -= here as u32;
        self.free = head;
        (chunk, here)
    }

    /// The least and the greatest time of a bucket that is not empty.
    fn span(&self, bucket: Bucket) -> (u64, u64) {
        let (mut min, mut max) = (u64::MAX, 0);
        self.each(bucket, |events| {
            for event in events {
                min = min.min(event.nanos());
                max = max.max(event.nanos());
            }
        });
        (min, max)
    }
}

/// A row of buckets of equal width. The last one reaches to the end, however far that is.
struct Rung {
    start: u64,
    /// Binary logarithm of a bucket's width in nanoseconds.
    shift: u32,
    /// The first instant beyond the last bucket.
    end: u64,
    /// The first bucket that was not opened yet.
    current: usize,
    buckets: Vec<Bucket>,
}

impl Rung {
    #[inline(always)]
    fn bucket(&mut self, time: u64) -> &mut Bucket {
        let last = self.buckets.len() - 1;
        let at = ((time - self.start) >> self.shift) as usize;
        &mut self.buckets[at.min(last)]
    }

    fn bucket_end(&self, at: usize) -> u64 {
        if at + 1 == self.buckets.len() {
            self.end
        } else {
            self.start + ((at as u64 + 1) << self.shift)
        }
    }
}

/// The width, as the nearest power of two, that gives each bucket its target if `count` events
/// spread evenly over `span`; at most an eighth of the span, so that every rung gets on.
fn shift_for(span: u64, count: usize) -> u32 {
    let even = span as u128 * TARGET as u128 / count as u128;
    let width = (even as u64).min(span / 8).max(1);
    (width + width / 2).ilog2()
}

/// Latest first; quick if few events are far from their place.
fn insertion_sort(events: &mut [Event]) {
    for i in 1..events.len() {
        let event = events[i];
        let mut at = i;
        while at > 0 && events[at - 1] < event {
            events[at] = events[at - 1];
            at -= 1;
        }
        events[at] = event;
    }
}

/// Events beyond the calendar's current window, in unsorted buckets.
///
/// Rungs lie one within another: a bucket that turns out too full when its turn comes is dealt
/// into the buckets of a new rung, as in the ladder queue of Tang, Goh and Thng (ACM TOMACS 15(3),
/// 2005). What lies beyond the first rung waits in one bag, and is dealt out when the first rung is
/// used up. A new rung is at least three times finer, so however times are spread, an event is dealt
/// a bounded number of times, and mostly once or twice.
pub(super) struct Ladder {
    pool: Pool,
    /// The coarsest first. Each but the first lies within one opened bucket of the one before.
    rungs: Vec<Rung>,
    far: Bucket,
    len: usize,
    /// Events put into buckets so far, the second and third time included.
    #[cfg(test)]
    pub dealt: u64,
}

impl Default for Ladder {
    fn default() -> Self {
        Self::new()
    }
}

impl Ladder {
    pub const fn new() -> Self {
        Ladder {
            pool: Pool::new(),
            rungs: Vec::new(),
            far: Bucket::EMPTY,
            len: 0,
            #[cfg(test)]
            dealt: 0,
        }
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Enters an event that does not lie before the end of the window last opened.
    #[inline(always)]
    pub fn insert(&mut self, event: Event) {
        self.len += 1;
        #[cfg(test)]
        {
            self.dealt += 1;
        }
        let time = event.nanos();
        for rung in self.rungs.iter_mut().rev() {
            if time < rung.end {
                return self.pool.push(rung.bucket(time), event);
            }
        }
        self.pool.push(&mut self.far, event);
    }

    /// Takes back `events` from an open window that ends at `end`, and answers where the part of
    /// it that is still open ends. Does nothing if they all happen in one instant.
    pub fn take_back(&mut self, events: impl Iterator<Item = Event> + Clone, end: u64) -> Option<u64> {
        let (mut min, mut max, mut count) = (u64::MAX, 0, 0);
        for event in events.clone() {
            min = min.min(event.nanos());
            max = max.max(event.nanos());
            count += 1;
        }
        if min >= max {
            return None;
        }
        self.add_rung(min, max, end, count);
        events.for_each(|event| self.insert(event));
        Some(min)
    }

    /// Adds a rung for `count` events from `min` to `max`.
    fn add_rung(&mut self, min: u64, max: u64, end: u64, count: usize) {
        let shift = shift_for(max - min, count);
        let buckets = ((max - min) >> shift) as usize + 1;
        self.rungs.push(Rung {
            start: min,
            shift,
            end,
            current: 0,
            buckets: vec![Bucket::EMPTY; buckets],
        });
    }

    /// Moves the earliest bucket that is not empty into `window`, latest event first, and answers
    /// the end of that window. There must be an event.
    pub fn open(&mut self, window: &mut Vec<Event>) -> u64 {
        debug_assert!(self.len > 0, "nothing to open");
        self.give_back();
        loop {
            let Some(rung) = self.rungs.last_mut() else {
                self.deal_far();
                continue;
            };
            let waiting = &rung.buckets[rung.current..];
            let Some(skipped) = waiting.iter().position(|bucket| bucket.len > 0) else {
                self.rungs.pop();
                continue;
            };
            let at = rung.current + skipped;
            let end = rung.bucket_end(at);
            let mut bucket = std::mem::replace(&mut rung.buckets[at], Bucket::EMPTY);
            rung.current = at + 1;
            if bucket.len as usize <= FULL {
                let (start, shift) = (rung.start + ((at as u64) << rung.shift), rung.shift);
                self.sort_into(bucket, start, shift, window);
                return end;
            }
            let (min, max) = self.pool.span(bucket);
            if min < max {
                self.len -= bucket.len as usize;
                self.add_rung(min, max, end, bucket.len as usize);
                while bucket.len > 0 {
                    let (chunk, events) = self.pool.take_chunk(&mut bucket);
                    chunk.0[..events].iter().for_each(|&event| self.insert(event));
                }
                continue;
            }
            // One instant: open no more than that, what comes later finds the bucket still there.
            if min + 1 < end {
                rung.current = at;
            }
            self.sort_into(bucket, min, 0, window);
            self.give_back();
            return end.min(min + 1);
        }
    }

    /// Moves a bucket's events, which lie from `start` on and mostly within `1 << shift`, to
    /// `window`.
    fn sort_into(&mut self, mut bucket: Bucket, start: u64, shift: u32, window: &mut Vec<Event>) {
        debug_assert!(window.is_empty(), "the last window is still open");
        self.len -= bucket.len as usize;
        // Evenly spread events are nearly in order once dealt to slots, latest first.
        let fine = shift.saturating_sub(SLOT_BITS);
        let slot = |event: &Event| {
            let at = (event.nanos() - start) >> fine;
            SLOTS - 1 - (at as usize).min(SLOTS - 1)
        };
        let mut ends = [0u32; SLOTS];
        self.pool.each(bucket, |events| {
            for event in events {
                ends[slot(event)] += 1;
            }
        });
        let mut most = 0;
        let mut before = 0;
        for end in &mut ends {
            most = most.max(*end);
            before += *end;
            *end = before;
        }
        window.resize(bucket.len as usize, Event::NONE);
        while bucket.len > 0 {
            let (chunk, events) = self.pool.take_chunk(&mut bucket);
            for &event in &chunk.0[..events] {
                let end = &mut ends[slot(&event)];
                *end -= 1;
                window[*end as usize] = event;
            }
        }
        if most <= 10 {
            insertion_sort(window);
        } else {
            window.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// Deals the far events out to a first rung: at least half of them, the rest stays.
    fn deal_far(&mut self) {
        let mut bucket = std::mem::replace(&mut self.far, Bucket::EMPTY);
        let count = bucket.len as usize;
        let (min, max) = self.pool.span(bucket);
        // The width follows the density of the earlier half, found by counting in classes that
        // are a quarter of an octave wide.
        let mut classes = [0usize; 256];
        self.pool.each(bucket, |events| {
            for event in events {
                let offset = (event.nanos() - min) | 4;
                let octave = offset.ilog2();
                let quarter = (offset >> (octave - 2)) & 3;
                classes[(octave * 4) as usize + quarter as usize] += 1;
            }
        });
        let (mut early, mut class) = (0, 0);
        while early * 2 < count {
            early += classes[class];
            class += 1;
        }
        let last = class as u64 - 1;
        let span = (((last % 4 + 5) << (last / 4 - 2)) - 1).min(max - min);
        let shift = shift_for(span, early);
        let to_max = ((max - min) >> shift) as usize + 1;
        let to_span = (span >> shift) as usize + 1;
        let buckets = to_max.min(to_span.max(3 * count / TARGET));
        self.rungs.push(Rung {
            start: min,
            shift,
            end: min + ((buckets as u64) << shift),
            current: 0,
            buckets: vec![Bucket::EMPTY; buckets],
        });
        self.len -= count;
        while bucket.len > 0 {
            let (chunk, events) = self.pool.take_chunk(&mut bucket);
            chunk.0[..events].iter().for_each(|&event| self.insert(event));
        }
    }

    /// If the pool has become far too large, moves every event into the far bag of a new one.
    fn give_back(&mut self) {
        if self.pool.capacity() > 8 * self.len + 4 * SLAB * CHUNK {
            let mut packed = Ladder::new();
            self.drain(|event| packed.insert(event));
            *self = packed;
        }
    }

    /// Takes every event, in no order.
    pub fn drain(&mut self, mut into: impl FnMut(Event)) {
        let all = std::mem::take(self);
        let rungs = all.rungs.iter().flat_map(|rung| &rung.buckets);
        for &bucket in rungs.chain([&all.far]) {
            all.pool
                .each(bucket, |events| events.iter().for_each(|&event| into(event)));
        }
    }

    /// Bytes held.
    #[cfg(test)]
    pub fn footprint(&self) -> usize {
        let buckets: usize = self.rungs.iter().map(|rung| rung.buckets.capacity()).sum();
        self.pool.slabs.len() * size_of::<Slab>() + buckets * size_of::<Bucket>()
    }
}
