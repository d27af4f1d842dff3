//! Keyed locks that are held or waited for: which request has each, and who waits for whom.
//!
//! All locks of a run share one table, so that a circle of waits is found across them. Only keys in use have a
//! row: a lock with a billion keys takes no more memory than the requests that hold one.

use super::request::{CHILD, Requests};
use super::{Line, NONE};

/// A key that is held or waited for.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The lock's instance.
    pub instance: u32,
    pub key: u64,
    /// The request that holds it; `NONE` while it is free and waiters are on their way.
    pub owner: u32,
    /// Number of the wake-up under way of the first in line; zero for none.
    pub waking: u64,
    /// Who waits for it.
    pub line: Line,
}

/// The table. A row keeps its number while it is in use.
#[derive(Default)]
pub struct Rows {
    rows: Vec<Row>,
    free: Vec<u32>,
    /// Open addressing with linear probing: a row's number plus one, zero for an empty place.
    index: Vec<u32>,
    used: usize,
    /// By slot: the row it waits for.
    waits: Vec<u32>,
}

/// InnoDB takes a longer chain of waits for a deadlock (MySQL 8.4 manual, section 17.7.5.2).
const LONGEST_CHAIN: u32 = 200;

impl Rows {
    fn home(&self, instance: u32, key: u64) -> usize {
        let mixed = (key ^ (instance as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize & (self.index.len() - 1)
    }

    /// The row of a key in use.
    pub fn find(&self, instance: u32, key: u64) -> Option<u32> {
        if self.index.is_empty() {
            return None;
        }
        let mut at = self.home(instance, key);
        loop {
            let row = self.index[at].checked_sub(1)?;
            let r = &self.rows[row as usize];
            if r.instance == instance && r.key == key {
                return Some(row);
            }
            at = (at + 1) & (self.index.len() - 1);
        }
    }

    /// A row for a key that is not in use.
    pub fn insert(&mut self, instance: u32, key: u64, owner: u32) -> u32 {
        if 2 * (self.used + 1) > self.index.len() {
            self.grow();
        }
        let row = Row {
            instance,
            key,
            owner,
            waking: 0,
            line: Line::default(),
        };
        let number = match self.free.pop() {
            Some(n) => {
                self.rows[n as usize] = row;
                n
            }
            None => {
                self.rows.push(row);
                self.rows.len() as u32 - 1
            }
        };
        self.place(number);
        self.used += 1;
        number
    }

    fn place(&mut self, number: u32) {
        let r = self.rows[number as usize];
        let mut at = self.home(r.instance, r.key);
        while self.index[at] != 0 {
            at = (at + 1) & (self.index.len() - 1);
        }
        self.index[at] = number + 1;
    }

    #[cold]
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.index);
        self.index = vec![0; (2 * old.len()).max(64)];
        for entry in old.into_iter().filter(|e| *e != 0) {
            self.place(entry - 1);
        }
    }

    /// The key is no longer in use.
    pub fn remove(&mut self, number: u32) {
        let mask = self.index.len() - 1;
        let r = self.rows[number as usize];
        let mut hole = self.home(r.instance, r.key);
        while self.index[hole] != number + 1 {
            hole = (hole + 1) & mask;
        }
        // What stands behind moves up where it may, so that no search stops early.
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let Some(other) = self.index[at].checked_sub(1) else {
                break;
            };
            let o = &self.rows[other as usize];
            let home = self.home(o.instance, o.key);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.index[hole] = other + 1;
                hole = at;
            }
        }
        self.index[hole] = 0;
        self.used -= 1;
        self.free.push(number);
    }

    /// The row for which a request waits.
    pub fn waits_for(&self, slot: u32) -> Option<u32> {
        self.waits.get(slot as usize).copied().filter(|r| *r != NONE)
    }

    /// Notes that a request waits for a row, or no longer for any.
    pub fn set_waits(&mut self, slot: u32, row: Option<u32>) {
        if self.waits.len() <= slot as usize {
            self.waits.resize(slot as usize + 1, NONE);
        }
        self.waits[slot as usize] = row.unwrap_or(NONE);
    }

    /// Whether `slot`, waiting for `row`, would wait for itself.
    pub fn closes_a_circle(&self, slot: u32, mut row: u32, requests: &Requests) -> bool {
        for _ in 0..LONGEST_CHAIN {
            let owner = self.rows[row as usize].owner;
            if owner == NONE {
                return false;
            }
            if within(slot, owner, requests) {
                return true;
            }
            match self.waits_for(owner) {
                Some(next) => row = next,
                None => return false,
            }
        }
        true
    }

    /// Keys in use.
    pub fn used(&self) -> usize {
        self.used
    }
}

impl std::ops::Index<u32> for Rows {
    type Output = Row;
    fn index(&self, row: u32) -> &Row {
        &self.rows[row as usize]
    }
}

impl std::ops::IndexMut<u32> for Rows {
    fn index_mut(&mut self, row: u32) -> &mut Row {
        &mut self.rows[row as usize]
    }
}

/// Whether `slot` is `ancestor` or a branch that runs inside it.
pub fn within(mut slot: u32, ancestor: u32, requests: &Requests) -> bool {
    loop {
        if slot == ancestor {
            return true;
        }
        let r = &requests[slot];
        if r.flags & CHILD == 0 || r.parent == NONE {
            return false;
        }
        slot = r.parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn rows_are_found_as_in_an_ordered_map(
            steps in prop::collection::vec((0u32..3, 0u64..40, any::<bool>()), 0..2000),
        ) {
            let (mut rows, mut map) = (Rows::default(), BTreeMap::new());
            for (instance, key, put) in steps {
                let there = map.get(&(instance, key)).copied();
                prop_assert_eq!(rows.find(instance, key), there);
                match (there, put) {
                    (None, true) => {
                        map.insert((instance, key), rows.insert(instance, key, 7));
                    }
                    (Some(row), false) => {
                        rows.remove(row);
                        map.remove(&(instance, key));
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(rows.used(), map.len());
            for ((instance, key), row) in map {
                prop_assert_eq!(rows.find(instance, key), Some(row));
            }
        }
    }

    #[test]
    fn a_circle_of_three_is_found_and_a_chain_is_not() {
        let mut requests = Requests::new(1);
        for _ in 0..4 {
            requests.take();
        }
        let mut rows = Rows::default();
        let held: Vec<u32> = (0..4).map(|slot| rows.insert(0, slot as u64, slot)).collect();
        rows.set_waits(0, Some(held[1]));
        rows.set_waits(1, Some(held[2]));
        assert!(!rows.closes_a_circle(2, held[3], &requests));
        assert!(rows.closes_a_circle(2, held[0], &requests));
    }
}
