//! What fills a Java heap and what a collection does to it. Bytes and nanoseconds; no clock of its own.
//!
//! Every request notes, in one word, the collection number at which it first allocated and the bytes that it keeps
//! until it ends. So the bytes in flight are known by age, and a collection moves whole ages, oldest first.

use std::collections::VecDeque;

/// How dead objects are found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Collector {
    Serial,
    Parallel,
    G1,
    Zgc,
}

/// Sizes and speeds of one heap.
#[derive(Copy, Clone, Debug)]
pub struct Shape {
    pub collector: Collector,
    pub size: u64,
    /// Eden and survivor spaces, where they are fixed.
    pub young: Option<u64>,
    /// Bytes that live as long as the process.
    pub live_set: u64,
    /// Share of what a request allocates that it keeps until it ends.
    pub retained: f64,
    /// Stop-the-world workers.
    pub threads: u32,
    /// Workers beside the application.
    pub concurrent: u32,
    /// Shortest pause, nanoseconds.
    pub base_pause: u64,
    /// A pause of a concurrent collector.
    pub short_pause: u64,
    /// Bytes a second that a worker copies.
    pub copy: f64,
    /// Bytes a second that a worker marks.
    pub mark: f64,
    /// Live bytes a second of a full collection, all workers together.
    pub full: f64,
    pub pause_goal: u64,
    /// Share of the heap in old regions at which G1 begins to mark.
    pub ihop: f64,
    /// Collections survived before promotion.
    pub tenuring: usize,
}

/// What a collection did.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Collected {
    pub pause: u64,
    pub promoted: u64,
    pub full: bool,
}

/// As running.
#[derive(Clone, Debug)]
pub struct Memory {
    pub shape: Shape,
    /// Bytes allocated since the last collection.
    pub eden: u64,
    /// Bytes that survived and are still young.
    pub survivors: u64,
    /// Bytes in old regions, dead ones included.
    pub old: u64,
    /// Of these, bytes that requests in flight keep.
    transient: u64,
    /// Bytes that requests in flight keep in young space, by the collection at which they began, oldest first.
    ages: VecDeque<u64>,
    /// Requests that began up to this collection have been promoted.
    tenured: u64,
    /// Mixed collections still to come.
    mixed: u64,
    /// Survivors of the last young collection for each byte of its eden.
    survival: f64,
}

const BYTES: u64 = (1 << 40) - 1;
/// G1: share of the heap kept free (`G1ReservePercent`, 10), least and most of it in young regions
/// (`G1NewSizePercent`, 5; `G1MaxNewSizePercent`, 60), mixed collections (`G1MixedGCCountTarget`, 8), waste that is
/// left (`G1HeapWastePercent`, 5).
const G1: (f64, f64, f64, u64, f64) = (0.10, 0.05, 0.60, 8, 0.05);
/// Below this free share after a full collection the JVM gives up (`GCHeapFreeLimit`, 2).
const FREE_LIMIT: f64 = 0.02;

/// ZGC's concurrent workers: a quarter of the CPUs, but no more than have a small page (2 MiB) each in 2 % of the
/// heap (`ZHeuristics::nconcurrent_workers`).
pub fn zgc_workers(cpus: u32, size: u64) -> u32 {
    let pages = part(size, 0.02) / (2 << 20);
    cpus.div_ceil(4).min(pages.min(1 << 20) as u32).max(1)
}

fn part(bytes: u64, share: f64) -> u64 {
    libm::round(bytes as f64 * share) as u64
}

fn nanos(bytes: f64, speed: f64) -> u64 {
    libm::round(bytes / speed * 1e9).clamp(0.0, 9e18) as u64
}

impl Memory {
    pub fn new(shape: Shape) -> Memory {
        Memory {
            shape,
            eden: 0,
            survivors: 0,
            old: shape.live_set,
            transient: 0,
            ages: VecDeque::from([0]),
            tenured: 0,
            mixed: 0,
            survival: 0.0,
        }
    }

    pub fn used(&self) -> u64 {
        self.eden + self.survivors + self.old
    }

    /// Bytes that a full collection could not free.
    pub fn live(&self) -> u64 {
        self.shape.live_set + self.transient + self.ages.iter().sum::<u64>()
    }

    /// Young space where it is fixed: a third of the heap (`NewRatio` 2).
    fn young(&self) -> u64 {
        self.shape.young.unwrap_or(self.shape.size / 3)
    }

    fn old_capacity(&self) -> u64 {
        self.shape.size - self.young().min(self.shape.size)
    }

    /// How full eden may get.
    pub fn eden_capacity(&self) -> u64 {
        let s = &self.shape;
        let free = s.size.saturating_sub(self.old + self.survivors);
        match s.collector {
            // `SurvivorRatio` 8: eden is 8 of 10 parts of young space.
            Collector::Serial | Collector::Parallel => (self.young() / 10 * 8).min(free),
            Collector::Zgc => free,
            Collector::G1 => {
                if let Some(young) = s.young {
                    return young.min(free);
                }
                let (reserve, least, most, ..) = G1;
                let least = part(s.size, least);
                let room = free.saturating_sub(part(s.size, reserve));
                let mut eden = part(s.size, most).saturating_sub(self.survivors).min(room);
                if self.survival > 0.0 {
                    let copied =
                        s.pause_goal.saturating_sub(s.base_pause) as f64 * 1e-9 * s.threads as f64 * s.copy;
                    eden = eden.min((copied / self.survival) as u64);
                }
                eden.max(least).min(free)
            }
        }
    }

    /// Whether there is room without a collection.
    pub fn fits(&self, bytes: u64) -> bool {
        self.eden + bytes <= self.eden_capacity()
    }

    /// A request allocates; its word comes back changed.
    pub fn allocate(&mut self, word: u64, bytes: u64) -> u64 {
        self.eden += bytes;
        let kept = part(bytes, self.shape.retained);
        let epoch = if word == 0 { self.epoch() } else { (word >> 40) - 1 };
        let had = word & BYTES;
        let kept = kept.min(BYTES - had);
        *self.age(epoch) += kept;
        (epoch + 1) << 40 | (had + kept)
    }

    /// A request ends: what it kept is dead, wherever it lies.
    pub fn release(&mut self, word: u64) {
        if word != 0 {
            let kept = word & BYTES;
            let age = self.age((word >> 40) - 1);
            *age = age.saturating_sub(kept);
        }
    }

    fn epoch(&self) -> u64 {
        self.tenured + self.ages.len() as u64
    }

    fn age(&mut self, epoch: u64) -> &mut u64 {
        match epoch.checked_sub(self.tenured + 1) {
            Some(i) if self.shape.collector != Collector::Zgc && (i as usize) < self.ages.len() => {
                &mut self.ages[i as usize]
            }
            _ => &mut self.transient,
        }
    }

    /// Collects because eden is full: young space, or everything where young survivors have no place to go.
    pub fn collect(&mut self) -> Collected {
        let s = self.shape;
        let alive: u64 = self.ages.iter().sum();
        let (space, limit) = match s.collector {
            Collector::Serial | Collector::Parallel => (self.young() / 10, self.old_capacity()),
            _ => (u64::MAX, s.size - part(s.size, G1.1)),
        };
        // Oldest first: what is old enough, and what finds no survivor space.
        let (mut promoted, mut n) = (0, 0);
        while n < self.ages.len() && (self.ages.len() - n > s.tenuring || alive - promoted > space) {
            promoted += self.ages[n];
            n += 1;
        }
        if self.old
            + promoted
            + if s.collector == Collector::G1 {
                alive - promoted
            } else {
                0
            }
            > limit
        {
            return self.full();
        }
        self.ages.drain(..n);
        self.tenured += n as u64;
        self.ages.push_back(0);
        self.old += promoted;
        self.transient += promoted;
        self.survival = if self.eden > 0 {
            alive as f64 / self.eden as f64
        } else {
            0.0
        };
        self.eden = 0;
        self.survivors = alive - promoted;
        let moved = self.mixed_part();
        let pause = s.base_pause + nanos(alive as f64 + moved, s.threads as f64 * s.copy);
        Collected {
            pause,
            promoted,
            full: false,
        }
    }

    /// A mixed collection takes its share of the old garbage; returns the live bytes that have to move for it.
    fn mixed_part(&mut self) -> f64 {
        if self.mixed == 0 {
            return 0.0;
        }
        let live = self.shape.live_set + self.transient;
        let garbage = self.old.saturating_sub(live);
        if garbage <= part(self.shape.size, G1.4) {
            self.mixed = 0;
            return 0.0;
        }
        let freed = garbage / self.mixed;
        self.mixed -= 1;
        let moved = freed as f64 * live as f64 / self.old as f64;
        self.old -= freed;
        moved
    }

    /// Collects everything: what lives is packed together in old space.
    pub fn full(&mut self) -> Collected {
        let live = self.live();
        let before = self.old;
        self.transient += self.ages.iter().sum::<u64>();
        self.tenured = self.epoch();
        self.ages.clear();
        self.ages.push_back(0);
        (self.eden, self.survivors, self.old, self.mixed) = (0, 0, live, 0);
        Collected {
            pause: self.shape.base_pause + nanos(live as f64, self.shape.full),
            promoted: live.saturating_sub(before),
            full: true,
        }
    }

    /// Whether so little is free after a full collection that the JVM gives up.
    pub fn is_exhausted(&self, bytes: u64) -> bool {
        let free = self.shape.size.saturating_sub(self.used());
        free < bytes || (free as f64) < FREE_LIMIT * self.shape.size as f64
    }

    /// Whether G1 is to mark now.
    pub fn wants_marking(&self) -> bool {
        let s = &self.shape;
        s.collector == Collector::G1 && self.mixed == 0 && self.old as f64 >= s.ihop * s.size as f64
    }

    /// Marking is done: mixed collections may begin.
    pub fn marked(&mut self) {
        self.mixed = G1.3;
    }

    /// How long concurrent workers mark what lives.
    pub fn marking_time(&self) -> u64 {
        nanos(self.live() as f64, self.shape.concurrent as f64 * self.shape.mark)
    }

    /// A concurrent cycle ends: what lived at its start and what was allocated since stays.
    pub fn cycle_done(&mut self, live_at_start: u64, allocated: u64) {
        self.old = self.used().min(live_at_start + allocated);
        self.eden = 0;
        self.survivors = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    fn shape(collector: Collector) -> Shape {
        Shape {
            collector,
            size: 900 * MB,
            young: None,
            live_set: 100 * MB,
            retained: 1.0,
            threads: 4,
            concurrent: 1,
            base_pause: 2_000_000,
            short_pause: 100_000,
            copy: 500e6,
            mark: 1e9,
            full: 1e9,
            pause_goal: 200_000_000,
            ihop: 0.45,
            tenuring: 15,
        }
    }

    #[test]
    fn a_small_heap_on_a_large_machine_has_few_concurrent_workers() {
        let gib = 1 << 30;
        assert_eq!(zgc_workers(16, 4 * gib), 4);
        assert_eq!(zgc_workers(64, gib), 10);
        assert_eq!(zgc_workers(1, gib), 1);
        assert_eq!(zgc_workers(64, 64 << 20), 1);
    }

    #[test]
    fn garbage_costs_nothing_to_collect() {
        let mut m = Memory::new(shape(Collector::Parallel));
        assert_eq!(m.eden_capacity(), 240 * MB);
        for _ in 0..240 {
            let w = m.allocate(0, MB);
            m.release(w);
        }
        assert!(!m.fits(MB));
        assert_eq!(
            m.collect(),
            Collected {
                pause: 2_000_000,
                promoted: 0,
                full: false
            }
        );
        assert_eq!(m.used(), 100 * MB);
    }

    #[test]
    fn survivors_are_copied_by_all_workers() {
        let mut m = Memory::new(shape(Collector::Parallel));
        m.allocate(0, 20 * MB);
        // 20 MB at 4 × 500 MB/s: 10 ms on top of the 2 ms.
        assert_eq!(m.collect().pause, 12_000_000);
        assert_eq!((m.survivors, m.old), (20 * MB, 100 * MB));
    }

    #[test]
    fn what_finds_no_survivor_space_is_promoted_and_stays_as_garbage() {
        let mut m = Memory::new(shape(Collector::Parallel));
        let words: Vec<u64> = (0..40).map(|_| m.allocate(0, MB)).collect();
        assert_eq!(m.collect().promoted, 40 * MB);
        words.iter().for_each(|w| m.release(*w));
        assert_eq!((m.old, m.live()), (140 * MB, 100 * MB));
        assert_eq!(m.full().pause, 102_000_000);
        assert_eq!(m.used(), 100 * MB);
    }

    #[test]
    fn who_survives_fifteen_collections_is_promoted() {
        let mut m = Memory::new(shape(Collector::Parallel));
        m.allocate(0, MB);
        let promoted: Vec<u64> = (0..17).map(|_| m.collect().promoted).collect();
        assert_eq!(promoted.iter().position(|p| *p > 0), Some(15));
        assert_eq!(m.old, 101 * MB);
    }

    #[test]
    fn a_full_old_space_leads_to_a_full_collection() {
        let mut m = Memory::new(shape(Collector::Serial));
        let mut fulls = 0;
        let mut held = VecDeque::new();
        for _ in 0..4000 {
            if !m.fits(MB) {
                fulls += m.collect().full as u32;
            }
            held.push_back(m.allocate(0, MB));
            if held.len() > 100 {
                held.pop_front().into_iter().for_each(|w| m.release(w));
            }
        }
        assert!(fulls >= 1, "{m:?}");
        assert_eq!(m.live(), 200 * MB);
        assert!(m.used() <= 900 * MB);
    }

    #[test]
    fn g1_marks_at_its_threshold_and_mixed_collections_free_old_regions() {
        let mut m = Memory::new(shape(Collector::G1));
        m.old = 500 * MB;
        assert!(m.wants_marking());
        m.marked();
        for _ in 0..8 {
            m.collect();
        }
        assert!(m.old < 150 * MB, "{}", m.old);
    }

    #[test]
    fn g1_makes_eden_smaller_when_survivors_would_break_the_pause_goal() {
        let mut m = Memory::new(Shape {
            pause_goal: 20_000_000,
            ..shape(Collector::G1)
        });
        let before = m.eden_capacity();
        m.allocate(0, 100 * MB);
        m.collect();
        assert!(m.eden_capacity() < before / 2);
    }

    #[test]
    fn a_live_set_that_fills_the_heap_exhausts_it() {
        let mut m = Memory::new(shape(Collector::Parallel));
        m.allocate(0, 790 * MB);
        m.full();
        assert!(m.is_exhausted(MB));
    }

    #[test]
    fn g1_marks_from_its_share_of_old_regions_on_and_not_while_it_cleans_up() {
        let mut m = Memory::new(shape(Collector::G1));
        // 45 % of 900 MB.
        for (old, wants) in [(404, false), (405, true), (500, true)] {
            m.old = old * MB;
            assert_eq!(m.wants_marking(), wants, "{old} MB");
        }
        m.marked();
        assert!(!m.wants_marking());
        let mut parallel = Memory::new(shape(Collector::Parallel));
        parallel.old = 500 * MB;
        assert!(!parallel.wants_marking());
        // What lives is marked by the concurrent workers alone.
        assert_eq!(m.marking_time(), 100_000_000);
        m.shape.concurrent = 2;
        assert_eq!(m.marking_time(), 50_000_000);
    }

    #[test]
    fn a_mixed_collection_takes_its_part_of_the_garbage_and_moves_what_lives_among_it() {
        let mut m = Memory::new(shape(Collector::G1));
        m.old = 500 * MB;
        m.marked();
        // An eighth of 400 MB; a fifth of what is freed lives: 10 MB at 2 GB/s.
        assert_eq!(m.collect().pause, 2_000_000 + 5_000_000);
        assert_eq!(m.old, 450 * MB);
        // A seventh of 350 MB, of which two ninths live.
        assert_eq!(m.collect().pause, 2_000_000 + 5_555_556);
        assert_eq!(m.old, 400 * MB);
        // No more than 5 % of the heap is left lying.
        for (old, after) in [(145, 145), (148, 142)] {
            let mut m = Memory::new(shape(Collector::G1));
            m.old = old * MB;
            m.marked();
            m.collect();
            assert_eq!(m.old, after * MB, "{old} MB");
        }
    }

    #[test]
    fn eden_of_g1_keeps_to_its_limits_and_to_the_pause_goal() {
        let fresh = |old: u64| {
            let mut m = Memory::new(shape(Collector::G1));
            m.old = old * MB;
            m.eden_capacity()
        };
        // 60 % at most; 10 % stay free; 5 % at least, if there is so much.
        assert_eq!(fresh(100), 540 * MB);
        assert_eq!(fresh(700), 110 * MB);
        assert_eq!(fresh(850), 45 * MB);
        assert_eq!(fresh(870), 30 * MB);
        let after = |goal: u64| {
            let mut m = Memory::new(Shape {
                pause_goal: goal,
                retained: 0.25,
                ..shape(Collector::G1)
            });
            m.allocate(0, 100 * MB);
            m.collect();
            m.eden_capacity()
        };
        // A quarter survives: in 18 ms four workers copy the survivors of 144 MB.
        assert!(after(20_000_000).abs_diff(144 * MB) <= 1);
        // With time enough: 60 % less the 25 MB of survivors.
        assert_eq!(after(10_000_000_000), 515 * MB);
        let fixed = Memory::new(Shape {
            young: Some(300 * MB),
            ..shape(Collector::G1)
        });
        assert_eq!(fixed.eden_capacity(), 300 * MB);
    }

    #[test]
    fn the_oldest_are_promoted_when_survivor_space_is_full() {
        let mut m = Memory::new(shape(Collector::Parallel));
        m.allocate(0, 20 * MB);
        assert_eq!(m.collect().promoted, 0);
        m.allocate(0, 20 * MB);
        // A tenth of 300 MB holds the younger ones only.
        assert_eq!(m.collect().promoted, 20 * MB);
        assert_eq!((m.survivors, m.old, m.live()), (20 * MB, 120 * MB, 140 * MB));
    }

    #[test]
    fn a_collection_becomes_a_full_one_when_survivors_have_no_place_to_go() {
        for (collector, old, alive, full) in [
            (Collector::G1, 800, 55, false),
            (Collector::G1, 800, 56, true),
            (Collector::Parallel, 560, 40, false),
            (Collector::Parallel, 561, 40, true),
            // What fits into survivor space needs no place in the old one.
            (Collector::Parallel, 590, 20, false),
        ] {
            let mut m = Memory::new(shape(collector));
            m.old = old * MB;
            m.allocate(0, alive * MB);
            assert_eq!(m.collect().full, full, "{collector:?} {old} + {alive}");
        }
    }

    #[test]
    fn below_two_per_cent_free_the_machine_gives_up() {
        let exhausted = |free: u64, bytes: u64| {
            let mut m = Memory::new(shape(Collector::Parallel));
            m.old = (900 - free) * MB;
            m.is_exhausted(bytes * MB)
        };
        assert!(!exhausted(18, 1) && exhausted(17, 1));
        assert!(!exhausted(30, 30) && exhausted(30, 31));
    }

    #[test]
    fn what_a_request_keeps_is_as_old_as_the_request() {
        for collector in [Collector::Parallel, Collector::G1, Collector::Zgc] {
            let mut m = Memory::new(Shape {
                tenuring: 1,
                ..shape(collector)
            });
            let first = m.allocate(0, MB);
            let other = m.allocate(0, 3 * MB);
            m.collect();
            let first = m.allocate(first, 2 * MB);
            assert_eq!(m.live(), 106 * MB);
            m.collect();
            m.release(first);
            assert_eq!(m.live(), 103 * MB);
            m.release(other);
            m.release(0);
            assert_eq!(m.live(), 100 * MB, "{collector:?}");
        }
    }
}
