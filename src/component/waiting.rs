//! Who waits, where steps can have a `priority`: a line for each of them, in the order of the discipline.

use std::collections::BTreeMap;

use super::contract::{Lowering, UseStep};
use crate::diagnostic::Sink;
use crate::document::{Form, Item, Key, Value, key};
use crate::kernel::{Context, Line};

/// The key of a step.
pub const PRIORITY: Key = key(
    "priority",
    Form::Count,
    Some("0"),
    "who goes first: 0 before 1, 1 before 2",
);

/// Each priority has a line of its own.
const MOST_PRIORITIES: u64 = 255;

/// Reads a step's `priority`; `useless` says why it has no effect where it has none.
pub fn check_priority(options: &BTreeMap<String, Item>, useless: Option<&str>, sink: &mut Sink) {
    let Some(item) = options.get("priority") else {
        return;
    };
    let Some(priority) = item.count("`priority`", sink) else {
        return;
    };
    if priority > MOST_PRIORITIES {
        sink.error(
            item.span.clone(),
            "out-of-range",
            format!("a priority of {priority}; the largest is {MOST_PRIORITIES}"),
        )
        .help("only their order counts: 0 goes before 1, 1 before 2");
    } else if let Some(why) = useless {
        sink.error(
            item.span.clone(),
            "does-not-apply",
            format!("`priority` means nothing {why}"),
        )
        .help("leave it out");
    }
}

/// Notes a step's priority at the site by which it enters.
pub fn note_priority(step: &UseStep, site: usize, lowering: &mut Lowering) {
    if let Some(Value::Integer(priority)) = step.options.get("priority").map(|i| &i.value) {
        lowering.sites[site].note = *priority as u32;
    }
}

/// Who of one priority goes first.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Order {
    FirstCome,
    LastCome,
    /// Anybody, by draws for this purpose.
    Random(u32),
}

/// Those who wait.
pub struct Waiting {
    order: Order,
    /// Of priority 0: in most models there is no other.
    first: Line,
    /// Of the priorities behind it.
    more: Vec<Line>,
    /// By priority, where the order is random: each request keeps its place in the link that a line would use.
    pools: Vec<Vec<u32>>,
    len: u64,
    drawn: u64,
}

impl Waiting {
    pub fn new(order: Order) -> Self {
        Waiting {
            order,
            first: Line::default(),
            more: Vec::new(),
            pools: Vec::new(),
            len: 0,
            drawn: 0,
        }
    }

    #[inline(always)]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Priorities in use, and some before them.
    pub fn classes(&self) -> u32 {
        1 + self.more.len() as u32
    }

    fn line(&mut self, class: u32) -> &mut Line {
        if class == 0 {
            return &mut self.first;
        }
        let at = class as usize - 1;
        if at >= self.more.len() {
            self.more.resize(at + 1, Line::default());
        }
        &mut self.more[at]
    }

    /// One more waits.
    #[inline(always)]
    pub fn push(&mut self, class: u32, slot: u32, cx: &mut Context) {
        self.len += 1;
        if self.order == Order::FirstCome && class == 0 {
            return self.first.push_back(&mut cx.requests, slot);
        }
        self.push_elsewhere(class, slot, cx);
    }

    #[inline(never)]
    fn push_elsewhere(&mut self, class: u32, slot: u32, cx: &mut Context) {
        match self.order {
            Order::FirstCome => self.line(class).push_back(&mut cx.requests, slot),
            Order::LastCome => self.put_first(class, slot, cx),
            Order::Random(_) => self.pool(class, slot, cx),
        }
    }

    /// One that was interrupted waits, before all others of its priority.
    pub fn push_front(&mut self, class: u32, slot: u32, cx: &mut Context) {
        self.len += 1;
        match self.order {
            Order::Random(_) => self.pool(class, slot, cx),
            _ => self.put_first(class, slot, cx),
        }
    }

    fn put_first(&mut self, class: u32, slot: u32, cx: &mut Context) {
        let line = self.line(class);
        let head = line.head();
        line.insert_before(&mut cx.requests, head, slot);
    }

    fn pool(&mut self, class: u32, slot: u32, cx: &mut Context) {
        let at = class as usize;
        if at >= self.pools.len() {
            self.pools.resize(at + 1, Vec::new());
        }
        cx.requests[slot].next = self.pools[at].len() as u32;
        self.pools[at].push(slot);
    }

    /// The next one to be served, with its priority.
    #[inline(always)]
    pub fn pop(&mut self, cx: &mut Context) -> Option<(u32, u32)> {
        if self.len == 0 {
            return None;
        }
        self.len -= 1;
        // Where the order is random nobody stands in this line.
        match self.first.pop_front(&mut cx.requests) {
            Some(slot) => Some((0, slot)),
            None => self.pop_elsewhere(cx),
        }
    }

    #[inline(never)]
    fn pop_elsewhere(&mut self, cx: &mut Context) -> Option<(u32, u32)> {
        if let Order::Random(purpose) = self.order {
            return self.draw(purpose, cx);
        }
        let mut lines = (1..).zip(&mut self.more);
        lines.find_map(|(class, l)| Some((class, l.pop_front(&mut cx.requests)?)))
    }

    fn draw(&mut self, purpose: u32, cx: &mut Context) -> Option<(u32, u32)> {
        let mut pools = (0..).zip(&mut self.pools);
        let (class, pool) = pools.find(|(_, p)| !p.is_empty())?;
        self.drawn += 1;
        let at = (cx.draws_of(purpose, self.drawn).unit() * pool.len() as f64) as usize;
        Some((class, take(pool, at.min(pool.len() - 1), cx)))
    }

    /// One leaves from wherever it stands.
    pub fn remove(&mut self, class: u32, slot: u32, cx: &mut Context) {
        self.len -= 1;
        match self.order {
            Order::Random(_) => {
                let at = cx.requests[slot].next as usize;
                take(&mut self.pools[class as usize], at, cx);
            }
            _ => self.line(class).remove(&mut cx.requests, slot),
        }
    }

    /// Who of a priority came first; not known where the order is random.
    pub fn oldest(&mut self, class: u32) -> Option<u32> {
        match self.order {
            Order::FirstCome => self.line(class).head(),
            Order::LastCome => self.line(class).tail(),
            Order::Random(_) => None,
        }
    }
}

/// Takes one out; the last one gets its place.
fn take(pool: &mut Vec<u32>, at: usize, cx: &mut Context) -> u32 {
    let slot = pool.swap_remove(at);
    if let Some(moved) = pool.get(at) {
        cx.requests[*moved].next = at as u32;
    }
    slot
}
