//! The calendar's heap, which is all of it while few events are pending.

use super::Event;
use crate::kernel::unchecked::{at, at_mut};

/// Four siblings: one cache line.
#[derive(Copy, Clone)]
#[repr(align(64))]
struct Line([Event; 4]);

const EMPTY: Line = Line([Event::NONE; 4]);

/// The root's position; slots 0 to 2 stay empty so that every group of siblings is one line.
const ROOT: usize = 3;

/// A 4-ary heap whose pop leaves a hole at the root for the next push to fill.
///
/// An event that takes the hole sinks once, where a pop and a push would sink one and lift one.
/// The children of position `p` are line `p - 2`. Slots without an event hold [`Event::NONE`], so
/// the least child needs no bound.
pub(super) struct Heap {
    lines: Vec<Line>,
    /// Events, the hole included.
    filled: usize,
    hole: bool,
}

impl Heap {
    pub fn new() -> Self {
        Heap {
            lines: vec![EMPTY; 16],
            filled: 0,
            hole: false,
        }
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.filled - self.hole as usize
    }

    #[inline(always)]
    pub fn has_hole(&self) -> bool {
        self.hole
    }

    /// How many events fit.
    #[inline(always)]
    pub fn capacity(&self) -> usize {
        self.lines.len() * 4 - ROOT
    }

    /// Whether an event that finds no hole needs more capacity.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.filled == self.capacity()
    }

    /// Sets the capacity to `events` or a few more; what is there stays.
    pub fn resize(&mut self, events: usize) {
        let lines = (events.max(self.filled) + ROOT).div_ceil(4).max(16);
        self.lines.reserve_exact(lines.saturating_sub(self.lines.len()));
        self.lines.resize(lines, EMPTY);
        self.lines.shrink_to_fit();
    }

    #[inline(always)]
    fn get(&self, position: usize) -> Event {
        at(&self.lines, position as u32 >> 2).0[position & 3]
    }

    #[inline(always)]
    fn set(&mut self, position: usize, event: Event) {
        at_mut(&mut self.lines, position as u32 >> 2).0[position & 3] = event;
    }

    /// The least of four and its slot, without a branch.
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
        let end = self.filled + ROOT;
        let lines = &mut self.lines[..];
        let mut position = ROOT;
        while (position - 2) * 4 < end {
            let (slot, least) = Self::least(at(lines, position as u32 - 2));
            if event <= least {
                break;
            }
            at_mut(lines, position as u32 >> 2).0[position & 3] = least;
            position = (position - 2) * 4 + slot;
        }
        at_mut(lines, position as u32 >> 2).0[position & 3] = event;
    }

    /// Enters an event; there must be a hole or room.
    #[inline(always)]
    pub fn push(&mut self, event: Event) {
        if self.hole {
            self.hole = false;
            return self.sink(event);
        }
        let mut position = self.filled + ROOT;
        self.filled += 1;
        while position > ROOT {
            let parent = (position >> 2) + 2;
            let above = self.get(parent);
            if above <= event {
                break;
            }
            self.set(position, above);
            position = parent;
        }
        self.set(position, event);
    }

    /// Moves the last event into the hole, if there is one.
    #[inline(always)]
    pub fn close(&mut self) {
        if self.hole {
            self.hole = false;
            self.filled -= 1;
            let last = self.filled + ROOT;
            let event = self.get(last);
            self.set(last, Event::NONE);
            if self.filled > 0 {
                self.sink(event);
            }
        }
    }

    /// The earliest event or, if there is none, [`Event::NONE`]. The hole must be closed.
    #[inline(always)]
    pub fn top(&self) -> Event {
        debug_assert!(!self.hole, "the root is a hole");
        self.get(ROOT)
    }

    /// Gives up the event at the top.
    #[inline(always)]
    pub fn take_top(&mut self) {
        debug_assert!(self.filled > 0 && !self.hole, "nothing is at the top");
        self.hole = true;
    }

    /// As `top`, but leaves a hole open for the next push.
    #[inline]
    pub fn peek(&self) -> Event {
        if self.hole {
            Self::least(&self.lines[1]).1
        } else {
            self.top()
        }
    }

    /// Every event, in no order. The hole must be closed.
    pub fn iter(&self) -> impl Iterator<Item = Event> + Clone + '_ {
        debug_assert!(!self.hole, "the root is a hole");
        let slots = self.lines.iter().flat_map(|line| line.0);
        slots.skip(ROOT).take(self.filled)
    }

    pub fn clear(&mut self) {
        self.lines.fill(EMPTY);
        self.filled = 0;
        self.hole = false;
    }
}
