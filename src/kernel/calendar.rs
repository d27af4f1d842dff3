//! The calendar: the future event list.
//!
//! Up to a few hundred pending events it is a heap. Beyond, only the events of a short window ahead
//! are in order: those that were in the window when it was opened as a sorted run, those that came
//! since in the heap. Later ones wait in the unsorted buckets of a ladder. The order in which events
//! come out is that of the events themselves, so it is the same whichever structure holds them.

mod heap;
mod ladder;

use crate::quantity::SimTime;
use heap::Heap;
use ladder::Ladder;

/// Events in the heap beyond which later ones move to the ladder.
const MANY: usize = 384;
/// Events in the ladder below which all move back to the heap.
const FEW: usize = 96;
/// So many events ahead a request is fetched into the cache: at 20 to 50 ns an event that is a memory's latency or two.
const AHEAD: usize = 8;
/// The end of a window without end: everything goes to the heap.
const NEVER: u64 = u64::MAX;

const TIME_BITS: u32 = 60;
const RANK_BITS: u32 = 2;
const NUMBER_BITS: u32 = 38;
const PAYLOAD_BITS: u32 = 28;

const NUMBER_SHIFT: u32 = PAYLOAD_BITS;
const RANK_SHIFT: u32 = NUMBER_SHIFT + NUMBER_BITS;
const TIME_SHIFT: u32 = RANK_SHIFT + RANK_BITS;

const _: () = assert!(TIME_SHIFT + TIME_BITS == u128::BITS);

/// One entry of the calendar, compared as a single integer.
///
/// From the most significant bit down: time in nanoseconds (60 bits, 36 years), rank (2 bits),
/// running number (38 bits), payload (28 bits). So equal times come out by rank, equal ranks in
/// the order of their numbers, and one comparison decides all of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Event(u128);

impl Event {
    /// The latest instant an event can have: 2^60 - 1 ns.
    pub const TIME_MAX: SimTime = SimTime::from_nanos((1 << TIME_BITS) - 1);
    /// The highest rank.
    pub const RANK_MAX: u8 = (1 << RANK_BITS) - 1;
    /// The highest running number; a run that counts on starts again at zero, which can only
    /// touch the order of ties.
    pub const NUMBER_MAX: u64 = (1 << NUMBER_BITS) - 1;
    /// The highest payload.
    pub const PAYLOAD_MAX: u32 = (1 << PAYLOAD_BITS) - 1;

    /// Fills the slots of the heap that hold no event; no event is later.
    const NONE: Event = Event(u128::MAX);

    /// An event at `time`. A time beyond [`Event::TIME_MAX`] counts as that time, `number` is
    /// taken modulo 2^38; a rank or payload out of range is a bug of the caller.
    #[inline(always)]
    pub fn new(time: SimTime, rank: u8, number: u64, payload: u32) -> Self {
        Self::within(time.nanos().min(Self::TIME_MAX.nanos()), rank, number, payload)
    }

    /// [`Event::new`] for an instant that is known to be in range.
    #[inline(always)]
    pub(super) fn within(time: u64, rank: u8, number: u64, payload: u32) -> Self {
        debug_assert!(time <= Self::TIME_MAX.nanos(), "a time has 60 bits");
        debug_assert!(rank <= Self::RANK_MAX, "a rank has two bits");
        debug_assert!(payload <= Self::PAYLOAD_MAX, "a payload has 28 bits");
        let number = number & Self::NUMBER_MAX;
        Event(
            (time as u128) << TIME_SHIFT
                | (rank as u128) << RANK_SHIFT
                | (number as u128) << NUMBER_SHIFT
                | payload as u128,
        )
    }

    /// When it happens.
    #[inline(always)]
    pub fn time(self) -> SimTime {
        SimTime::from_nanos(self.nanos())
    }

    /// Its place among events of one instant: the lower comes first.
    #[inline(always)]
    pub fn rank(self) -> u8 {
        (self.0 >> RANK_SHIFT) as u8 & Self::RANK_MAX
    }

    /// Its place among events of one instant and rank.
    #[inline(always)]
    pub fn number(self) -> u64 {
        (self.0 >> NUMBER_SHIFT) as u64 & Self::NUMBER_MAX
    }

    /// What the owner put in.
    #[inline(always)]
    pub fn payload(self) -> u32 {
        self.0 as u32 & Self::PAYLOAD_MAX
    }

    #[inline(always)]
    fn nanos(self) -> u64 {
        (self.0 >> TIME_SHIFT) as u64
    }
}

/// The future event list.
///
/// [`push`](Calendar::push) and [`pop`](Calendar::pop) take amortised logarithmic time whatever the
/// pattern of times, and about constant time for the usual ones.
pub struct Calendar {
    /// The events before `window_end` that came after the window was opened.
    heap: Heap,
    /// The events of the window when it was opened, latest first.
    run: Vec<Event>,
    /// The first nanosecond beyond the window.
    window_end: u64,
    /// The events from `window_end` on.
    ladder: Ladder,
}

impl Default for Calendar {
    fn default() -> Self {
        Self::new()
    }
}

impl Calendar {
    /// An empty calendar.
    pub fn new() -> Self {
        Calendar {
            heap: Heap::new(),
            run: Vec::new(),
            window_end: NEVER,
            ladder: Ladder::new(),
        }
    }

    /// Enters an event; it may lie before the last one taken.
    #[inline(always)]
    pub fn push(&mut self, event: Event) {
        if event.nanos() >= self.window_end {
            self.ladder.insert(event);
        } else if self.heap.has_hole() || !self.heap.is_full() {
            self.heap.push(event);
        } else {
            self.overflow(event);
        }
    }

    /// Takes the earliest event.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Event> {
        self.heap.close();
        loop {
            let top = self.heap.top();
            if let Some(&next) = self.run.last()
                && next <= top
            {
                self.run.pop();
                return Some(next);
            }
            if self.heap.len() > 0 {
                self.heap.take_top();
                return Some(top);
            }
            if !self.refill() {
                return None;
            }
        }
    }

    /// An event that will be taken soon, told only while so many are pending that what they concern has left the cache.
    #[inline(always)]
    pub fn soon(&self) -> Option<Event> {
        let at = self.run.len().checked_sub(AHEAD)?;
        self.run.get(at).copied()
    }

    /// When the earliest event happens; the event stays.
    #[inline]
    pub fn peek_time(&mut self) -> Option<SimTime> {
        if self.run.is_empty() && self.heap.len() == 0 {
            self.heap.close();
            if !self.refill() {
                return None;
            }
        }
        let top = self.heap.peek();
        let next = self.run.last().map_or(top, |&next| next.min(top));
        Some(next.time())
    }

    /// How many events are pending.
    #[inline]
    pub fn len(&self) -> usize {
        self.heap.len() + self.run.len() + self.ladder.len()
    }

    /// Bytes its entries take, about: each in its place, and half as much again for places that are free.
    pub fn bytes(&self) -> usize {
        self.len() * 3 / 2 * size_of::<Event>()
    }

    /// Whether no event is pending.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens the next window. False if no event is pending.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> bool {
        if self.ladder.len() == 0 && self.window_end == NEVER {
            return false;
        }
        if self.ladder.len() <= FEW {
            self.window_end = NEVER;
            self.run = Vec::new();
            self.heap.resize(self.heap.capacity().min(MANY));
            self.ladder.drain(|event| self.heap.push(event));
            return self.heap.len() > 0;
        }
        if self.heap.capacity() > 2 * MANY {
            self.heap.resize(MANY);
        }
        self.window_end = self.ladder.open(&mut self.run);
        if self.run.capacity() > 4 * self.run.len().max(MANY) {
            self.run.shrink_to_fit();
        }
        true
    }

    /// Enters an event for which the heap has no room.
    #[cold]
    #[inline(never)]
    fn overflow(&mut self, event: Event) {
        let capacity = self.heap.capacity();
        if capacity < MANY {
            self.heap.resize((2 * capacity).min(MANY));
        } else if self.window_end == NEVER {
            self.window_end = 0;
            self.heap.iter().for_each(|event| self.ladder.insert(event));
            self.heap.clear();
        } else {
            let window = self.heap.iter().chain(self.run.iter().copied());
            match self.ladder.take_back(window, self.window_end) {
                Some(end) => {
                    self.window_end = end;
                    self.heap.clear();
                    self.run.clear();
                }
                // One instant has no narrower window.
                None => self.heap.resize(capacity + capacity / 4),
            }
        }
        self.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    fn event(nanos: u64, number: u64) -> Event {
        Event::new(
            SimTime::from_nanos(nanos),
            (number % 4) as u8,
            number,
            number as u32 & 0xff,
        )
    }

    /// A calendar beside a reference heap; each step is made on both.
    #[derive(Default)]
    struct Pair {
        calendar: Calendar,
        reference: BinaryHeap<Reverse<Event>>,
        number: u64,
    }

    impl Pair {
        fn push(&mut self, nanos: u64) {
            let event = event(nanos, self.number);
            self.number += 1;
            self.calendar.push(event);
            self.reference.push(Reverse(event));
        }

        /// Pops from both and answers the time.
        fn pop(&mut self) -> Option<u64> {
            assert_eq!(self.calendar.len(), self.reference.len());
            assert_eq!(self.calendar.is_empty(), self.reference.is_empty());
            let expected = self.reference.pop().map(|Reverse(e)| e);
            assert_eq!(self.calendar.peek_time(), expected.map(Event::time));
            let event = self.calendar.pop();
            assert_eq!(event, expected);
            event.map(|e| e.time().nanos())
        }

        fn drain(&mut self) {
            while self.pop().is_some() {}
            assert!(self.calendar.is_empty());
        }
    }

    #[test]
    fn the_fields_of_an_event_come_back() {
        let e = Event::new(Event::TIME_MAX, Event::RANK_MAX, Event::NUMBER_MAX, 5);
        assert_eq!(
            (e.time(), e.rank(), e.number(), e.payload()),
            (Event::TIME_MAX, 3, Event::NUMBER_MAX, 5)
        );
        let e = Event::new(SimTime::from_nanos(77), 1, 0, Event::PAYLOAD_MAX);
        assert_eq!(
            (e.time().nanos(), e.rank(), e.number(), e.payload()),
            (77, 1, 0, Event::PAYLOAD_MAX)
        );
        let late = Event::new(SimTime::from_nanos(u64::MAX), 0, Event::NUMBER_MAX + 3, 0);
        assert_eq!((late.time(), late.number()), (Event::TIME_MAX, 2));
    }

    /// Splitmix64: enough chance for a test, the same every time.
    struct Chance(u64);

    impl Chance {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        }
    }

    /// Ways in which a simulation spreads the delays of new events.
    #[derive(Copy, Clone, Debug)]
    enum Delays {
        Even,
        AllEqual,
        OneInstant,
        NearAndFar,
        EveryOctave,
        Clustered,
        Backwards,
    }

    const DELAYS: [Delays; 7] = [
        Delays::Even,
        Delays::AllEqual,
        Delays::OneInstant,
        Delays::NearAndFar,
        Delays::EveryOctave,
        Delays::Clustered,
        Delays::Backwards,
    ];

    impl Delays {
        fn time(self, now: u64, chance: &mut Chance) -> u64 {
            let x = chance.next();
            match self {
                Delays::Even => now + x % 1_000_000,
                Delays::AllEqual => now + 1_000,
                Delays::OneInstant => now,
                Delays::NearAndFar if x & 7 == 0 => now + 30_000_000_000 + (x >> 8) % 1_000_000_000,
                Delays::NearAndFar => now + (x >> 8) % 1_000_000,
                Delays::EveryOctave => now + (x >> (x % 58 + 6)),
                Delays::Clustered => now + (x % 3) * 1_000_000_000 + (x >> 8) % 5,
                Delays::Backwards => (now + 1_000).saturating_sub(x % 2_000),
            }
        }
    }

    /// Grows to `most`, holds there for a while, shrinks to `least`, grows again, and drains.
    fn live_through(delays: Delays, most: usize, least: usize, seed: u64) {
        let mut pair = Pair::default();
        let mut chance = Chance(seed);
        let mut now = 0;
        for level in [most, least, most / 2 + 1] {
            while pair.calendar.len() < level {
                pair.push(delays.time(now, &mut chance));
                if chance.next().is_multiple_of(4) {
                    now = pair.pop().unwrap();
                }
            }
            while pair.calendar.len() > level {
                now = pair.pop().unwrap();
                if chance.next().is_multiple_of(4) {
                    pair.push(delays.time(now, &mut chance));
                }
            }
            for _ in 0..2 * level {
                now = pair.pop().unwrap();
                pair.push(delays.time(now, &mut chance));
            }
        }
        pair.drain();
    }

    #[test]
    fn every_pattern_of_delays_agrees_with_the_reference_at_every_size() {
        for delays in DELAYS {
            for most in [1, 5, FEW, MANY - 1, MANY + 1, 3 * MANY, 20_000] {
                for least in [1, FEW - 1, FEW + 1, MANY / 2] {
                    live_through(delays, most, least.min(most), most as u64);
                }
            }
        }
    }

    #[test]
    fn a_change_of_pattern_under_many_events_agrees_with_the_reference() {
        let mut pair = Pair::default();
        let mut chance = Chance(7);
        let mut now = 0;
        for round in 0..60 {
            let delays = DELAYS[(chance.next() % DELAYS.len() as u64) as usize];
            for _ in 0..if round % 3 == 0 { 4_000 } else { 500 } {
                pair.push(delays.time(now, &mut chance));
            }
            for _ in 0..1_500.min(pair.calendar.len()) {
                now = pair.pop().unwrap();
            }
        }
        pair.drain();
    }

    #[test]
    fn the_last_event_of_all_times_is_an_event_like_others() {
        let last = Event::new(Event::TIME_MAX, 3, Event::NUMBER_MAX, Event::PAYLOAD_MAX);
        for count in [1, 2, 6, 4 * MANY] {
            let mut calendar = Calendar::new();
            (0..count).for_each(|_| calendar.push(last));
            assert_eq!(calendar.peek_time(), Some(Event::TIME_MAX));
            assert!((0..count).all(|_| calendar.pop() == Some(last)));
            assert_eq!(calendar.pop(), None);
            assert_eq!(calendar.peek_time(), None);
        }
    }

    /// Bytes the calendar holds on to.
    fn footprint(calendar: &Calendar) -> usize {
        16 * (calendar.heap.capacity() + calendar.run.capacity()) + calendar.ladder.footprint()
    }

    #[test]
    fn memory_follows_the_number_of_events_both_ways() {
        for delays in DELAYS {
            let mut calendar = Calendar::new();
            let mut chance = Chance(1);
            let many = 400_000;
            for number in 0..many {
                calendar.push(event(delays.time(1_000, &mut chance), number));
            }
            for number in 0..many / 2 {
                let now = calendar.pop().unwrap().time().nanos();
                calendar.push(event(delays.time(now, &mut chance), number));
            }
            let held = footprint(&calendar) as f64 / (16 * many) as f64;
            assert!(held < 2.2, "{delays:?}: {held} times the events");
            // The events of one instant go back together.
            let last = match delays {
                Delays::AllEqual | Delays::OneInstant => 0,
                _ => 2_000,
            };
            while calendar.len() > last {
                calendar.pop();
            }
            calendar.peek_time();
            let kept = footprint(&calendar);
            assert!(kept < 300_000, "{delays:?}: {kept} bytes for {last} events");
        }
    }

    /// No pattern may cost more than a heap would, let alone the square of the events. Counted in
    /// steps of the ladder and not in seconds, so that a busy machine fails nothing.
    #[test]
    fn no_pattern_deals_an_event_often() {
        for delays in DELAYS {
            let mut calendar = Calendar::new();
            let mut chance = Chance(2);
            let many = 100_000;
            for number in 0..many {
                calendar.push(event(delays.time(1_000, &mut chance), number));
            }
            for number in 0..3 * many {
                let now = calendar.pop().unwrap().time().nanos();
                calendar.push(event(delays.time(now, &mut chance), number));
            }
            let dealt = calendar.ladder.dealt as f64 / (4 * many) as f64;
            assert!(dealt < 8.0, "{delays:?}: each event is dealt {dealt} times");
        }
    }

    proptest! {
        #[test]
        fn any_order_of_steps_agrees_with_the_reference(
            steps in prop::collection::vec((0u64..50, any::<bool>()), 0..3000),
        ) {
            let mut pair = Pair::default();
            for (time, push) in steps {
                if push { pair.push(time) } else { pair.pop(); }
            }
            pair.drain();
        }
    }
}
