//! The calendar: the future event list.

use crate::quantity::SimTime;

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
        debug_assert!(rank <= Self::RANK_MAX, "a rank has two bits");
        debug_assert!(payload <= Self::PAYLOAD_MAX, "a payload has 28 bits");
        let time = time.nanos().min(Self::TIME_MAX.nanos());
        let rank = rank & Self::RANK_MAX;
        let number = number & Self::NUMBER_MAX;
        let payload = payload & Self::PAYLOAD_MAX;
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

/// Four siblings of the heap: one cache line.
#[derive(Copy, Clone)]
#[repr(align(64))]
struct Line([Event; 4]);

/// A 4-ary heap whose pop leaves a hole at the root for the next push.
///
/// The node at position `p` has the line `p - 2` as its children, the root is at position 3, so
/// each group of siblings is one line and slots 0 to 2 stay empty. Slots without an event hold
/// [`Event::NONE`], so the least child needs no bound.
struct Heap {
    lines: Vec<Line>,
    /// Events, and the hole if it is open.
    filled: usize,
    hole: bool,
}

const ROOT: usize = 3;

impl Heap {
    fn new() -> Self {
        Heap {
            lines: vec![Line([Event::NONE; 4]); 16],
            filled: 0,
            hole: false,
        }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.filled - self.hole as usize
    }

    #[inline(always)]
    fn set(&mut self, position: usize, event: Event) {
        self.lines[position >> 2].0[position & 3] = event;
    }

    /// The least of four and its place, without a branch.
    #[inline(always)]
    fn least(line: &Line) -> (usize, Event) {
        let [a, b, c, d] = line.0;
        let (left, first) = if b < a { (1, b) } else { (0, a) };
        let (right, second) = if d < c { (3, d) } else { (2, c) };
        if second < first {
            (right, second)
        } else {
            (left, first)
        }
    }

    /// Puts `event` where it belongs on the way down from the empty root.
    #[inline(always)]
    fn sink(&mut self, event: Event) {
        let mut position = ROOT;
        while let Some(children) = self.lines.get(position - 2) {
            let (slot, least) = Self::least(children);
            if event <= least {
                break;
            }
            let child = (position - 2) * 4 + slot;
            self.set(position, least);
            position = child;
        }
        self.set(position, event);
    }

    /// Puts `event` at the end and lets it rise.
    #[inline(always)]
    fn append(&mut self, event: Event) {
        let mut position = self.filled + ROOT;
        self.filled += 1;
        if position >> 2 >= self.lines.len() {
            self.grow();
        }
        while position > ROOT {
            let parent = (position >> 2) + 2;
            let above = self.lines[parent >> 2].0[parent & 3];
            if above <= event {
                break;
            }
            self.set(position, above);
            position = parent;
        }
        self.set(position, event);
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let lines = self.lines.len();
        let more = if lines < 1 << 12 { lines.max(16) } else { lines / 4 };
        self.lines.reserve_exact(more);
        self.lines.resize(lines + more, Line([Event::NONE; 4]));
    }

    #[inline(always)]
    fn push(&mut self, event: Event) {
        if self.hole {
            self.hole = false;
            self.sink(event);
        } else {
            self.append(event);
        }
    }

    /// Moves the last event into the hole.
    #[inline(always)]
    fn close(&mut self) {
        if self.hole {
            self.hole = false;
            self.filled -= 1;
            let last = self.filled + ROOT;
            let event = self.lines[last >> 2].0[last & 3];
            self.set(last, Event::NONE);
            if self.filled > 0 {
                self.sink(event);
            }
        }
    }

    /// The earliest event, or [`Event::NONE`]; the hole must be closed.
    #[inline(always)]
    fn top(&self) -> Event {
        debug_assert!(!self.hole);
        self.lines[0].0[ROOT]
    }

    /// Takes the root, which must hold an event, and leaves the hole.
    #[inline(always)]
    fn take_top(&mut self) {
        debug_assert!(self.filled > 0 && !self.hole);
        self.hole = true;
    }

    /// The earliest event, or [`Event::NONE`], leaving an open hole open.
    #[inline(always)]
    fn peek(&self) -> Event {
        if self.hole {
            Self::least(&self.lines[1]).1
        } else {
            self.top()
        }
    }
}

/// The future event list.
pub struct Calendar {
    heap: Heap,
}

impl Default for Calendar {
    fn default() -> Self {
        Self::new()
    }
}

impl Calendar {
    /// An empty calendar.
    pub fn new() -> Self {
        Calendar { heap: Heap::new() }
    }

    /// Enters an event; it may lie before the last one taken.
    #[inline(always)]
    pub fn push(&mut self, event: Event) {
        self.heap.push(event);
    }

    /// Takes the earliest event.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Event> {
        self.heap.close();
        if self.heap.filled == 0 {
            return None;
        }
        let event = self.heap.top();
        self.heap.take_top();
        Some(event)
    }

    /// When the earliest event happens; the event stays.
    #[inline]
    pub fn peek_time(&mut self) -> Option<SimTime> {
        if self.is_empty() {
            return None;
        }
        Some(self.heap.peek().time())
    }

    /// How many events are pending.
    #[inline]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no event is pending.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
