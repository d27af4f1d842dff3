//! A heap: what a JVM allocates, what its collector does about it, and what that costs.
//!
//! ```toml
//! [heap.jvm]
//! in = "order-api"               # one in every replica
//! size = "1GiB"
//! collector = "g1"               # or "serial", "parallel", "zgc"
//! live-set = "180MiB"            # caches, classes, pools: what never dies
//! retained = "40%"               # of what a request allocates, it keeps so much until it ends
//! pauses = { every = "exp(10min)", lasts = "80ms" }   # beside the computed ones
//! ```
//!
//! Without `size` nothing is computed: `pauses = { log = "gc.log", last = "40s", trigger = "allocation" }` takes a load test's own
//! pauses.
//!
//! A step `{ cpu = "2ms", allocates = "350KiB" }` allocates in the heap of its service. What a branch allocates, or work under a
//! limit of time, is kept until that ends.
//!
//! A full eden is collected while the JVM stands still: a base pause and the copying of what lives, which is what
//! the requests in flight keep. Survivors that find no survivor space, or are 15 collections old, are promoted, and
//! are garbage in old space when their request ends. Old space that cannot take them leads to a full collection,
//! whose pause grows with everything that lives. G1 fits eden to its pause goal, marks beside the application from
//! 45 % on and takes the garbage back in mixed collections; ZGC does everything beside the application, and a
//! request that allocates faster than it frees waits for the cycle's end (an allocation stall). If a full collection
//! leaves less than 2 % free, the request that allocates fails (`out_of_memory`).
//!
//! A pause stops this JVM's work and nothing else; its workers take cores of the host meanwhile, as concurrent
//! workers do during a cycle. That the workers may find no free core does not make a pause longer here.
//!
//! **A log's pauses** (`-Xlog:gc,safepoint`, JDK 9 and later). With `trigger = "allocation"`
//! the log is read as the collector's answers: the request that allocates the last byte of what the log shows
//! between two collections triggers the next one and waits for its end, as everything in this JVM does; remarks and
//! cleanups follow at their logged distance; after the last collection comes the first one again. So another arrival
//! rate or another size a request can be tried on the same log. With `trigger = "time"` they come at their logged
//! times, whoever is there, and only once; the log's begin, or that of its `last` part, is the run's. How long a pause
//! is comes from the line of its safepoint, if the log has it: it counts the way there too.
//!
//! Pauses, speeds and shares without a flag of the JVM behind them are assumptions to be fitted to a log:
//! shortest pause 2 ms, 500 MB/s copied by a worker, 1 GB/s marked by a worker, 1 GB/s of live bytes in a full
//! collection. Not modelled: barriers' cost in the application, humongous objects, fragmentation, safepoint time.

mod gc_log;
mod given;
mod memory;
mod pauses;
mod settings;

use std::cell::Cell;
use std::collections::VecDeque;

use super::contract::*;
use crate::document::{Key, Reader};
use crate::kernel::{Admission, Context, Effect, Fault, Outcome, TimerId, Visit};
use crate::metric::{Gauge, Histogram};
use crate::quantity::SimTime;
use given::Plain;
use memory::{Collector, Memory};
use settings::Plan;

/// As running: the heap of one replica.
pub struct Heap {
    memory: Option<Memory>,
    home: Option<u32>,
    host: Option<u32>,
    pause_timer: TimerId,
    cycle_timer: TimerId,
    plain_timer: TimerId,
    /// Ends of pauses that are on, with their workers.
    on: Vec<(u64, u32)>,
    /// The concurrent cycle under way: its end, what lived at its start, what was allocated since.
    cycle: Option<(u64, u64, u64)>,
    /// Bytes allocated since the last cycle began, and when that was: the rate that a concurrent collector expects.
    pace: (u64, u64),
    stalled: VecDeque<Stall>,
    plain: Option<Box<Plain>>,
    counts: Box<Counts>,
    used: Gauge,
    paused: Gauge,
    seen: Cell<(u64, u128)>,
}

/// A request that waits for memory.
#[derive(Copy, Clone, Debug)]
struct Stall {
    slot: u32,
    frame: u32,
    bytes: u64,
    since: u64,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    young: u64,
    full: u64,
    cycles: u64,
    stalls: u64,
    exhausted: u64,
    allocated: u64,
    promoted: u64,
    pauses: Histogram,
    stall_times: Histogram,
}

const PAUSE: u32 = 0;
const CYCLE: u32 = 1;
const PLAIN: u32 = 2;
/// A cycle begins when memory would last less than this many cycles (`ZAllocationSpikeTolerance`, 2).
const SPIKE: f64 = 2.0;
/// No pause is longer: 18 years.
const LONGEST: u64 = 1 << 59;

impl Component for Heap {
    const KIND: &'static str = "heap";
    const ABOUT: &'static str = "a JVM's memory: allocation, collections, pauses";
    const PROBES: &'static [(&'static str, Unit, Combine)] = &[
        ("heap_used", Unit::Bytes, Combine::Sum),
        ("paused_share", Unit::Share, Combine::Mean),
    ];
    const KEYS: &'static [Key] = settings::KEYS;
    type Plan = Plan;

    fn check(reader: &mut Reader, names: &Names) -> Option<Plan> {
        settings::check(reader, names)
    }

    fn facts(_: &Plan) -> Facts {
        Facts {
            unit: "JVMs",
            ..Facts::default()
        }
    }

    fn build(plan: &Plan, build: &mut Build) -> Self {
        let cpus = build.processors().unwrap_or(1.0);
        let memory = plan.shape.as_ref().map(|d| Memory::new(d.shape(cpus)));
        let plain = plan.pauses.as_ref().map(|p| Plain::new(p, build));
        let mut used = Gauge::default();
        used.add(SimTime::ZERO, memory.as_ref().map_or(0, |m| m.used() as i64));
        Heap {
            memory,
            home: build.home(),
            host: build.host(),
            pause_timer: build.timer(PAUSE),
            cycle_timer: build.timer(CYCLE),
            plain_timer: build.timer(PLAIN),
            on: Vec::new(),
            cycle: None,
            pace: (0, 0),
            stalled: VecDeque::new(),
            plain: plain.map(Box::new),
            counts: Box::default(),
            used,
            paused: Gauge::default(),
            seen: Cell::new((0, 0)),
        }
    }

    fn start(&mut self, cx: &mut Context) {
        self.arm_plain(cx);
    }

    fn enter(&mut self, _: Visit, _: &mut Context) -> Admission {
        Admission::Proceed
    }

    fn leave(&mut self, visit: Visit, _: Outcome, cx: &mut Context) {
        if let Some(m) = &mut self.memory {
            m.release(*cx.word(visit));
        }
    }

    /// The one operation: allocate.
    fn op(&mut self, _: u8, visit: Visit, cx: &mut Context) -> Admission {
        let bytes = libm::round(cx.sample_site_number(visit.site, visit.slot)).clamp(0.0, 1e18) as u64;
        let Some(memory) = &self.memory else {
            self.allocate_as_logged(bytes, cx);
            return Admission::Proceed;
        };
        if bytes == 0 {
            return Admission::Proceed;
        }
        if memory.shape.collector == Collector::Zgc {
            return self.allocate_beside(visit, bytes, cx);
        }
        if !memory.fits(bytes) && !self.make_room(bytes, cx) {
            self.counts.exhausted += 1;
            return Admission::Reject(Fault::OutOfMemory);
        }
        self.take(visit.frame, bytes, cx);
        Admission::Proceed
    }

    fn cancel(&mut self, visit: Visit, _: &mut Context) {
        self.stalled.retain(|s| s.slot != visit.slot);
    }

    fn wake(&mut self, tag: u32, cx: &mut Context) {
        match tag {
            PAUSE => self.end_pauses(cx.nanos(), cx),
            CYCLE => {
                if self.cycle.is_some_and(|(end, ..)| end <= cx.nanos()) {
                    self.end_cycle(cx);
                }
            }
            _ if matches!(self.plain.as_deref(), Some(Plain::Allocated { .. })) => self.pause_as_logged(cx),
            _ => {
                let length = self.plain_length(cx);
                self.pause(length, 0, cx);
                self.arm_plain(cx);
            }
        }
    }

    fn stopped(&mut self, cx: &mut Context) {
        self.end_pauses(u64::MAX, cx);
        if self.cycle.take().is_some() {
            self.occupy(-(self.concurrent() as i32), cx);
        }
        self.stalled.clear();
        if let Some(m) = &mut self.memory {
            *m = Memory::new(m.shape);
        }
        if let Some(Plain::Allocated { at, since, then, .. }) = self.plain.as_deref_mut() {
            (*at, *since) = (0, 0);
            then.clear();
        }
        self.pace = (0, cx.nanos());
        self.note(cx);
    }

    fn reset(&mut self, now: SimTime) {
        *self.counts = Counts::default();
        self.used.reset(now);
        self.paused.reset(now);
        self.seen.set((now.nanos(), 0));
    }

    fn probe(&self, cx: &Context, out: &mut Vec<f64>) {
        let (then, area) = self.seen.replace((cx.nanos(), self.paused.area(cx.now())));
        let span = cx.nanos().saturating_sub(then).max(1) as f64;
        out.push(self.used.value() as f64);
        out.push((self.paused.area(cx.now()) - area) as f64 / span);
    }

    fn observe(&self, cx: &Context, since: SimTime, out: &mut Readings) {
        let span = (cx.now() - since).as_secs_f64().max(1e-9);
        let c = &self.counts;
        let ns = |v: Option<f64>| v.map_or(f64::NAN, |v| v * 1e-9);
        out.add(
            "pauses",
            Unit::PerSecond,
            Combine::Sum,
            c.pauses.count() as f64 / span,
        );
        out.times("pause", &c.pauses);
        out.add(
            "paused_share",
            Unit::Share,
            Combine::Mean,
            self.paused.mean(cx.now()).unwrap_or(f64::NAN),
        );
        if matches!(self.plain.as_deref(), Some(Plain::Allocated { .. })) {
            out.add("allocated", Unit::Bytes, Combine::Sum, c.allocated as f64);
        }
        let Some(m) = &self.memory else { return };
        out.add("young_collections", Unit::Count, Combine::Sum, c.young as f64);
        out.add(
            "young_collections_rate",
            Unit::PerSecond,
            Combine::Sum,
            c.young as f64 / span,
        );
        out.add("full_collections", Unit::Count, Combine::Sum, c.full as f64);
        out.add(
            "full_collections_rate",
            Unit::PerSecond,
            Combine::Sum,
            c.full as f64 / span,
        );
        out.add("concurrent_cycles", Unit::Count, Combine::Sum, c.cycles as f64);
        out.add("allocation_stalls", Unit::Count, Combine::Sum, c.stalls as f64);
        out.add(
            "allocation_stall_mean",
            Unit::Seconds,
            Combine::Mean,
            ns(c.stall_times.mean()),
        );
        out.add("out_of_memory", Unit::Count, Combine::Sum, c.exhausted as f64);
        out.add("allocated", Unit::Bytes, Combine::Sum, c.allocated as f64);
        out.add(
            "allocation_rate",
            Unit::Bytes,
            Combine::Sum,
            c.allocated as f64 / span,
        );
        out.add("promoted", Unit::Bytes, Combine::Sum, c.promoted as f64);
        let size = m.shape.size as f64;
        let mean = self.used.mean(cx.now()).unwrap_or(f64::NAN);
        out.add("occupancy_mean", Unit::Share, Combine::Mean, mean / size);
        out.add(
            "occupancy_max",
            Unit::Share,
            Combine::Max,
            self.used.max() as f64 / size,
        );
        out.add("used_mean", Unit::Bytes, Combine::Sum, mean);
        out.add("live_end", Unit::Bytes, Combine::Sum, m.live() as f64);
    }
}

impl Heap {
    fn concurrent(&self) -> u32 {
        self.memory.as_ref().map_or(0, |m| m.shape.concurrent)
    }

    fn occupy(&self, threads: i32, cx: &mut Context) {
        if let Some(host) = self.host
            && threads != 0
        {
            cx.leave_effect(Effect::HostLoad { host, threads });
        }
    }

    /// Brings the gauge of used bytes up to date.
    fn note(&mut self, cx: &Context) {
        let used = self.memory.as_ref().map_or(0, Memory::used);
        self.used.add(cx.now(), used as i64 - self.used.value() as i64);
    }

    /// The request whose visit has this frame gets its bytes.
    fn take(&mut self, frame: u32, bytes: u64, cx: &mut Context) {
        let Some(m) = &mut self.memory else { return };
        let word = &mut cx.requests.frame(frame).word;
        *word = m.allocate(*word, bytes);
        self.counts.allocated += bytes;
        self.pace.0 += bytes;
        if let Some(cycle) = &mut self.cycle {
            cycle.2 += bytes;
        }
        self.note(cx);
    }

    /// The JVM stands still for so long. A pause of no length is none.
    fn pause(&mut self, length: u64, threads: u32, cx: &mut Context) {
        self.counts.pauses.record(length);
        let Some(home) = self.home else { return };
        if length == 0 {
            return;
        }
        cx.freeze(home);
        self.occupy(threads as i32, cx);
        if self.on.is_empty() {
            let now = cx.now();
            self.paused.enter(now);
        }
        let end = cx.nanos().saturating_add(length);
        self.on.push((end, threads));
        cx.arm(self.pause_timer, end);
    }

    /// Ends the pauses that are due by `now`.
    fn end_pauses(&mut self, now: u64, cx: &mut Context) {
        let Some(home) = self.home else { return };
        let before = self.on.len();
        let (over, on): (Vec<_>, Vec<_>) = self.on.iter().partition(|(end, _)| *end <= now);
        self.on = on;
        for (_, threads) in over {
            self.occupy(-(threads as i32), cx);
            cx.thaw(home);
        }
        if before > 0 && self.on.is_empty() {
            let now = cx.now();
            self.paused.leave(now);
        }
    }

    /// Collects until so many bytes fit; says whether they do.
    fn make_room(&mut self, bytes: u64, cx: &mut Context) -> bool {
        let Some(m) = &mut self.memory else { return true };
        let threads = m.shape.threads;
        let mut done = m.collect();
        let mut length = done.pause;
        if !done.full && !m.fits(bytes) {
            self.counts.young += 1;
            self.counts.promoted += done.promoted;
            done = m.full();
            length += done.pause;
        }
        let fits = if done.full { !m.is_exhausted(bytes) } else { true };
        self.counts.promoted += done.promoted;
        if done.full {
            self.counts.full += 1;
            // What was being marked has been collected.
            if self.cycle.take().is_some() {
                self.occupy(-(self.concurrent() as i32), cx);
            }
        } else {
            self.counts.young += 1;
        }
        self.pause(length, threads, cx);
        self.note(cx);
        if self.cycle.is_none() && self.memory.as_ref().is_some_and(Memory::wants_marking) {
            self.begin_cycle(cx);
        }
        fits
    }

    fn begin_cycle(&mut self, cx: &mut Context) {
        let Some(m) = &self.memory else { return };
        let end = cx.nanos().saturating_add(m.marking_time().max(1));
        let (live, concurrent, short) = (m.live(), m.shape.concurrent, m.shape.short_pause);
        let zgc = m.shape.collector == Collector::Zgc;
        self.cycle = Some((end, live, 0));
        self.pace = (0, cx.nanos());
        self.counts.cycles += 1;
        self.occupy(concurrent as i32, cx);
        cx.arm(self.cycle_timer, end);
        if zgc {
            self.pause(short, 0, cx);
        }
    }

    fn end_cycle(&mut self, cx: &mut Context) {
        let Some((_, live, allocated)) = self.cycle.take() else {
            return;
        };
        self.occupy(-(self.concurrent() as i32), cx);
        let Some(m) = &mut self.memory else { return };
        let (threads, base, short) = (m.shape.threads, m.shape.base_pause, m.shape.short_pause);
        if m.shape.collector == Collector::G1 {
            m.marked();
            return self.pause(base, threads, cx);
        }
        m.cycle_done(live, allocated);
        self.note(cx);
        self.pause(short, 0, cx);
        while let Some(s) = self.stalled.front().copied() {
            let Some(m) = &self.memory else { return };
            if m.fits(s.bytes) {
                self.stalled.pop_front();
                self.counts.stall_times.record(cx.nanos() - s.since);
                self.take(s.frame, s.bytes, cx);
                cx.proceed(s.slot);
            } else if m.shape.size.saturating_sub(m.live()) < s.bytes {
                self.stalled.pop_front();
                self.counts.exhausted += 1;
                cx.fail(s.slot, Fault::OutOfMemory);
            } else {
                return self.begin_cycle(cx);
            }
        }
    }

    /// Allocates under a collector that works beside the application.
    fn allocate_beside(&mut self, visit: Visit, bytes: u64, cx: &mut Context) -> Admission {
        let Some(m) = &self.memory else {
            return Admission::Proceed;
        };
        if !self.stalled.is_empty() || !m.fits(bytes) {
            if m.shape.size.saturating_sub(m.live()) < bytes {
                self.counts.exhausted += 1;
                return Admission::Reject(Fault::OutOfMemory);
            }
            self.counts.stalls += 1;
            self.stalled.push_back(Stall {
                slot: visit.slot,
                frame: visit.frame,
                bytes,
                since: cx.nanos(),
            });
            if self.cycle.is_none() {
                self.begin_cycle(cx);
            }
            return Admission::Wait;
        }
        self.take(visit.frame, bytes, cx);
        let Some(m) = &self.memory else {
            return Admission::Proceed;
        };
        if self.cycle.is_none() {
            let span = (cx.nanos() - self.pace.1).max(1) as f64;
            let rate = self.pace.0 as f64 / span;
            let free = m.shape.size.saturating_sub(m.used()) as f64;
            if free < rate * SPIKE * m.marking_time() as f64 {
                self.begin_cycle(cx);
            }
        }
        Admission::Proceed
    }
}

#[cfg(test)]
mod tests;
