//! The contents of a cache: keys in the order of use and in the order of writing, each in one small record.

const NIL: u32 = u32::MAX;

/// Which key makes room for another.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The one that was not used for longest.
    Lru,
    /// The one that was written first.
    Fifo,
}

/// Limits of a cache's contents; `u64::MAX` for none.
#[derive(Copy, Clone, Debug)]
pub struct Limits {
    pub policy: Policy,
    pub size: u64,
    /// Nanoseconds after which a written key is gone.
    pub after_write: u64,
    /// Nanoseconds after which an unused key is gone.
    pub after_access: u64,
}

#[derive(Copy, Clone)]
struct Entry {
    key: u64,
    written: u64,
    used: u64,
    /// Neighbours in the order of use and in the order of writing: the one before, the one after.
    links: [[u32; 2]; 2],
}

const USE: usize = 0;
const WRITE: usize = 1;

/// Keys that are present.
pub struct Store {
    limits: Limits,
    entries: Vec<Entry>,
    index: Index,
    free: Vec<u32>,
    /// Oldest and newest of each order.
    ends: [[u32; 2]; 2],
    pub evictions: u64,
    pub expirations: u64,
}

/// Where each key's record stands: open addressing with linear probing, at most half full, no holes.
#[derive(Default)]
struct Index {
    /// Number of a record, or `NIL`; a power of two of them.
    places: Vec<u32>,
    len: usize,
}

impl Index {
    /// The first place to look at; `mask` is the number of places less one.
    fn home(key: u64, mask: usize) -> usize {
        // Fibonacci hashing (Knuth, volume 3, section 6.4): keys are small numbers side by side.
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask
    }

    /// The place of a key, or the empty one where it would stand.
    fn find(&self, key: u64, entries: &[Entry]) -> usize {
        let mask = self.places.len() - 1;
        let mut at = Index::home(key, mask);
        while self.places[at] != NIL && entries[self.places[at] as usize].key != key {
            at = (at + 1) & mask;
        }
        at
    }

    fn get(&self, key: u64, entries: &[Entry]) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let record = self.places[self.find(key, entries)];
        (record != NIL).then_some(record)
    }

    /// Notes a key that is not there yet.
    fn insert(&mut self, record: u32, entries: &[Entry]) {
        if 2 * (self.len + 1) > self.places.len() {
            let more = (2 * self.places.len()).max(16);
            let old = std::mem::replace(&mut self.places, vec![NIL; more]);
            for record in old.into_iter().filter(|r| *r != NIL) {
                let at = self.find(entries[record as usize].key, entries);
                self.places[at] = record;
            }
        }
        let at = self.find(entries[record as usize].key, entries);
        self.places[at] = record;
        self.len += 1;
    }

    /// Takes a key out; those behind it that could not stand at home close up.
    fn remove(&mut self, key: u64, entries: &[Entry]) {
        let mask = self.places.len() - 1;
        let mut hole = self.find(key, entries);
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            if self.places[at] == NIL {
                break;
            }
            let home = Index::home(entries[self.places[at] as usize].key, mask);
            // It may move back as far as its home.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.places[hole] = self.places[at];
                hole = at;
            }
        }
        self.places[hole] = NIL;
        self.len -= 1;
    }
}

impl Store {
    pub fn new(limits: Limits) -> Store {
        Store {
            limits,
            entries: Vec::new(),
            index: Index::default(),
            free: Vec::new(),
            ends: [[NIL; 2]; 2],
            evictions: 0,
            expirations: 0,
        }
    }

    /// Everything is gone; what was counted stays.
    pub fn forget(&mut self) {
        *self = Store {
            evictions: self.evictions,
            expirations: self.expirations,
            ..Store::new(self.limits)
        };
    }

    /// Keys present, those included whose time is over but which nobody has asked for since.
    pub fn len(&self) -> usize {
        self.index.len
    }

    /// Bytes that the contents have come to take; they never give any back.
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.index.places.len() * size_of::<u32>()
    }

    /// Whether a key is there; asking counts as use.
    pub fn get(&mut self, key: u64, now: u64) -> bool {
        self.expire(now);
        let Some(i) = self.index.get(key, &self.entries) else {
            return false;
        };
        self.entries[i as usize].used = now;
        self.unlink(USE, i);
        self.append(USE, i);
        true
    }

    /// Writes a key; others make room.
    pub fn put(&mut self, key: u64, now: u64) {
        self.expire(now);
        if let Some(i) = self.index.get(key, &self.entries) {
            let e = &mut self.entries[i as usize];
            (e.written, e.used) = (now, now);
            for order in [USE, WRITE] {
                self.unlink(order, i);
                self.append(order, i);
            }
            return;
        }
        if self.limits.size == 0 {
            return;
        }
        while self.index.len as u64 >= self.limits.size {
            self.evict();
        }
        let entry = Entry {
            key,
            written: now,
            used: now,
            links: [[NIL; 2]; 2],
        };
        let i = match self.free.pop() {
            Some(i) => {
                self.entries[i as usize] = entry;
                i
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        self.index.insert(i, &self.entries);
        self.append(USE, i);
        self.append(WRITE, i);
    }

    /// Other limits; what is too much goes at once.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
        while self.index.len as u64 > limits.size {
            self.evict();
        }
    }

    fn evict(&mut self) {
        let order = match self.limits.policy {
            Policy::Lru => USE,
            Policy::Fifo => WRITE,
        };
        self.evictions += 1;
        self.remove(self.ends[order][0]);
    }

    /// Times are equal for all, so what is over stands at the old end of its order.
    fn expire(&mut self, now: u64) {
        for (order, life) in [(USE, self.limits.after_access), (WRITE, self.limits.after_write)] {
            if life == u64::MAX {
                continue;
            }
            while self.ends[order][0] != NIL {
                let oldest = self.ends[order][0];
                let e = &self.entries[oldest as usize];
                let since = if order == USE { e.used } else { e.written };
                if since.saturating_add(life) > now {
                    break;
                }
                self.expirations += 1;
                self.remove(oldest);
            }
        }
    }

    fn remove(&mut self, i: u32) {
        self.unlink(USE, i);
        self.unlink(WRITE, i);
        let key = self.entries[i as usize].key;
        self.index.remove(key, &self.entries);
        self.free.push(i);
    }

    fn append(&mut self, order: usize, i: u32) {
        let newest = self.ends[order][1];
        self.entries[i as usize].links[order] = [newest, NIL];
        match newest {
            NIL => self.ends[order][0] = i,
            newest => self.entries[newest as usize].links[order][1] = i,
        }
        self.ends[order][1] = i;
    }

    fn unlink(&mut self, order: usize, i: u32) {
        let [older, newer] = self.entries[i as usize].links[order];
        match older {
            NIL => self.ends[order][0] = newer,
            older => self.entries[older as usize].links[order][1] = newer,
        }
        match newer {
            NIL => self.ends[order][1] = older,
            newer => self.entries[newer as usize].links[order][0] = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Popularity;
    use crate::random::{Draws, purpose_key};

    fn limits(policy: Policy, size: u64) -> Limits {
        Limits {
            policy,
            size,
            after_write: u64::MAX,
            after_access: u64::MAX,
        }
    }

    #[test]
    fn the_key_unused_for_longest_makes_room() {
        let mut s = Store::new(limits(Policy::Lru, 2));
        s.put(1, 0);
        s.put(2, 1);
        assert!(s.get(1, 2));
        s.put(3, 3);
        assert!(s.get(1, 4) && !s.get(2, 4) && s.get(3, 4));
        assert_eq!((s.len(), s.evictions), (2, 1));
    }

    #[test]
    fn first_in_is_first_out_whatever_is_used() {
        let mut s = Store::new(limits(Policy::Fifo, 2));
        s.put(1, 0);
        s.put(2, 1);
        assert!(s.get(1, 2));
        s.put(3, 3);
        assert!(!s.get(1, 4) && s.get(2, 4) && s.get(3, 4));
    }

    #[test]
    fn a_key_is_gone_at_its_time_after_writing_however_often_it_is_used() {
        let mut l = limits(Policy::Lru, 10);
        l.after_write = 100;
        let mut s = Store::new(l);
        s.put(1, 0);
        assert!(s.get(1, 50) && s.get(1, 99) && !s.get(1, 100));
        assert_eq!((s.len(), s.expirations), (0, 1));
    }

    #[test]
    fn use_restarts_the_clock_of_expiry_after_access() {
        let mut l = limits(Policy::Lru, 10);
        l.after_access = 100;
        let mut s = Store::new(l);
        s.put(1, 0);
        assert!(s.get(1, 99) && s.get(1, 198) && !s.get(1, 298));
    }

    #[test]
    fn a_smaller_size_takes_effect_at_once_and_no_size_keeps_nothing() {
        let mut s = Store::new(limits(Policy::Lru, 10));
        (0..10).for_each(|k| s.put(k, k));
        s.limit(limits(Policy::Lru, 3));
        assert_eq!((s.len(), s.get(9, 10), s.get(6, 10)), (3, true, false));
        s.limit(limits(Policy::Lru, 0));
        s.put(1, 11);
        assert_eq!(s.len(), 0);
    }

    #[test]
    fn the_index_agrees_with_a_plain_set_of_keys() {
        let mut s = Store::new(limits(Policy::Fifo, 50));
        let mut plain = std::collections::VecDeque::new();
        for n in 0..20_000u64 {
            // Keys that crowd: few, far apart, with common low bits.
            let key = crate::random::child_key(3, n) % 200 * 1_000_003;
            assert_eq!(s.get(key, n), plain.contains(&key), "{n}");
            if !plain.contains(&key) {
                s.put(key, n);
                plain.push_back(key);
                if plain.len() > 50 {
                    plain.pop_front();
                }
            }
            assert_eq!(s.len(), plain.len());
        }
    }

    /// Share of hits after the contents have settled.
    fn ratio(policy: Policy, exponent: f64, size: u64) -> f64 {
        let sampler = Popularity::zipf(10_000, exponent)
            .expect("a popularity")
            .sampler();
        let mut s = Store::new(limits(policy, size));
        let (key, mut hits) = (purpose_key(1, 0, "keys"), 0);
        let (settle, count) = (100_000, 300_000);
        for n in 0..settle + count {
            let k = sampler.sample(&mut Draws::new(key, crate::random::request_key(7, n)));
            let hit = s.get(k, n);
            if !hit {
                s.put(k, n);
            }
            hits += (hit && n >= settle) as u64;
        }
        hits as f64 / count as f64
    }

    #[test]
    fn hit_ratios_are_those_of_the_characteristic_time_approximation() {
        // Che, Tung and Wang (2002) for least recently used, Fricker, Robert and Roberts (2012) for first in first
        // out; 300,000 draws have a standard error below 0.001, hits of neighbours are nearly independent.
        for (exponent, size, lru, fifo) in [
            (0.8, 1000, 0.437, 0.394),
            (1.0, 100, 0.391, 0.342),
            (1.0, 1000, 0.676, 0.631),
        ] {
            let (l, f) = (
                ratio(Policy::Lru, exponent, size),
                ratio(Policy::Fifo, exponent, size),
            );
            assert!((l - lru).abs() < 0.006, "LRU {exponent} {size}: {l} for {lru}");
            assert!((f - fifo).abs() < 0.006, "FIFO {exponent} {size}: {f} for {fifo}");
        }
    }
}
