//! A limited number of places that several components share, as a database server's connections.

use crate::metric::Gauge;
use crate::quantity::SimTime;

/// The places of one server.
#[derive(Clone, Debug, Default)]
pub struct Seats {
    pub limit: u64,
    pub used: Gauge,
    pub refused: u64,
    /// How many connections each client wants that stands ready from the start.
    wishes: Vec<u64>,
    /// What each gets of them, worked out when the first one asks.
    shares: Vec<u64>,
}

impl Seats {
    /// Takes a place, or counts a refusal.
    pub fn take(&mut self, now: SimTime) -> bool {
        if self.used.value() < self.limit {
            self.used.enter(now);
            true
        } else {
            self.refused += 1;
            false
        }
    }

    /// Gives a place back.
    pub fn give(&mut self, now: SimTime) {
        self.used.leave(now);
    }

    /// Notes what a client wants to have at the start, and says its number.
    pub fn wish(&mut self, places: u64) -> u32 {
        self.wishes.push(places);
        self.wishes.len() as u32 - 1
    }

    /// A client is not there at the start.
    pub fn withdraw(&mut self, client: u32) {
        self.wishes[client as usize] = 0;
    }

    /// How many places a client has at the start, where all connect at once and take places in turn.
    pub fn share(&mut self, client: u32) -> u64 {
        if self.shares.is_empty() {
            self.shares = in_turn(&self.wishes, self.limit);
        }
        self.shares[client as usize]
    }
}

/// What each gets of so many if they take one each in turn until they have what they want or nothing is left.
fn in_turn(wishes: &[u64], limit: u64) -> Vec<u64> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|i| wishes[*i]);
    let (mut left, mut shares) = (limit, wishes.to_vec());
    for (n, i) in order.iter().enumerate() {
        let others = (order.len() - n) as u64;
        if wishes[*i] <= left / others {
            left -= wishes[*i];
            continue;
        }
        // From here on all get the same, and the first of them one more as far as that goes.
        let mut rest = order[n..].to_vec();
        rest.sort_unstable();
        for (k, i) in rest.into_iter().enumerate() {
            shares[i] = left / others + u64::from((k as u64) < left % others);
        }
        break;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_in_turn() {
        assert_eq!(in_turn(&[10, 10, 10], 15), [5, 5, 5]);
        assert_eq!(in_turn(&[10, 10, 10], 17), [6, 6, 5]);
        assert_eq!(in_turn(&[10, 2, 10], 15), [7, 2, 6]);
        assert_eq!(in_turn(&[10, 2, 10], 22), [10, 2, 10]);
        assert_eq!(in_turn(&[10, 0, 10], 1), [1, 0, 0]);
        assert_eq!(in_turn(&[3, 3], u64::MAX), [3, 3]);
        assert_eq!(in_turn(&[], 5), [0; 0]);
    }
}
