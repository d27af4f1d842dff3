//! Keyed random numbers: a draw is a pure function of seed, replication, purpose, request and `k`.
//!
//! The generator is the 64-bit, five-round variant of Squares (B. Widynski, "Squares: A Fast
//! Counter-Based RNG", arXiv:2004.06278). It turns a key and a counter into 64 random bits and
//! keeps no state, so nothing that happens elsewhere in a run can move a draw. Here
//!
//! - the *key* stands for (seed, replication, purpose's name), see [`purpose_key`];
//! - the *counter* stands for (request, `k`): it starts at the request's key and moves by a fixed
//!   odd step with every draw, see [`Draws`].
//!
//! Names are hashed with BLAKE3, which is the same on every platform. The mixing function is the
//! finaliser of SplitMix64 (variant 13 of D. Stafford's "Better Bit Mixing", 2011).

use std::convert::Infallible;

use rand::TryRng;

/// What the counter moves by from one draw to the next: 2^64 divided by the golden ratio, odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Sets child keys apart from request keys made of the same numbers: the fraction of √2, odd.
const CHILD: u64 = 0x6a09_e667_f3bc_c909;

/// The key of one purpose ("service time of `mysql`") in one replication of one experiment.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct PurposeKey(u64);

/// The key for the draws of one purpose.
///
/// Squares asks for keys with an irregular bit pattern. As its paper recommends, the eight upper
/// hexadecimal digits differ from one another, the eight lower ones do too, and the last is odd:
/// about 2^57 keys, dealt from a BLAKE3 hash of the three arguments, none of them weak.
pub fn purpose_key(seed: u64, replication: u64, purpose: &str) -> PurposeKey {
    let mut hasher = blake3::Hasher::new_derive_key("plimsoll purpose key, version 1");
    hasher.update(&seed.to_le_bytes());
    hasher.update(&replication.to_le_bytes());
    hasher.update(purpose.as_bytes());
    let hash = hasher.finalize();
    let bytes = hash.as_bytes();
    let upper = distinct_digits(first_u64(&bytes[0..8]), None);
    let last = 2 * (bytes[16] & 7) + 1;
    let lower = distinct_digits(first_u64(&bytes[8..16]), Some(last));
    PurposeKey(upper << 32 | lower)
}

/// Eight different hexadecimal digits chosen by `number`; the last one may be given.
fn distinct_digits(mut number: u64, last: Option<u8>) -> u64 {
    let mut deck: Vec<u8> = (0..16).filter(|digit| Some(*digit) != last).collect();
    let dealt = if last.is_some() { 7 } else { 8 };
    let mut digits = 0;
    for _ in 0..dealt {
        let place = number % deck.len() as u64;
        number /= deck.len() as u64;
        digits = digits << 4 | u64::from(deck.remove(place as usize));
    }
    match last {
        Some(last) => digits << 4 | u64::from(last),
        None => digits,
    }
}

/// A number for a name, to be given to [`request_key`]. The same on every platform.
pub fn salt(name: &str) -> u64 {
    let hash = blake3::derive_key("plimsoll salt, version 1", name.as_bytes());
    first_u64(&hash[0..8])
}

/// The key of request `number` of the stream with this salt; for one salt, different numbers give
/// different keys.
#[inline]
pub fn request_key(stream_salt: u64, number: u64) -> u64 {
    // Mixed before and after, so that two streams never run side by side at some offset.
    mix(mix(number.wrapping_add(STEP)) ^ stream_salt)
}

/// The key of the `ordinal`-th request that another one spawned, forked or looped; for one
/// parent, different ordinals give different keys.
#[inline]
pub fn child_key(request_key: u64, ordinal: u64) -> u64 {
    mix(mix(ordinal ^ CHILD).wrapping_add(request_key))
}

/// A bijection of the 64-bit words in which every bit of the result hangs on every bit given.
#[inline(always)]
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn first_u64(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Five rounds of Squares; see the head of this file.
#[inline(always)]
fn squares64(counter: u64, key: u64) -> u64 {
    let y = counter.wrapping_mul(key);
    let z = y.wrapping_add(key);
    let mut x = y;
    x = x.wrapping_mul(x).wrapping_add(y).rotate_left(32);
    x = x.wrapping_mul(x).wrapping_add(z).rotate_left(32);
    x = x.wrapping_mul(x).wrapping_add(y).rotate_left(32);
    let t = x.wrapping_mul(x).wrapping_add(z);
    x = t.rotate_left(32);
    t ^ (x.wrapping_mul(x).wrapping_add(y) >> 32)
}

/// The draws for one purpose of one request, in order: `k` = 0, 1, 2, …
///
/// It also serves wherever a generator of the `rand` crate is asked for. Laws from `rand_distr`
/// that take logarithms are not portable, though: take those of [`crate::distribution`].
#[derive(Clone, Debug)]
pub struct Draws {
    key: u64,
    counter: u64,
}

impl Draws {
    /// The draws of `request_key` (from [`request_key`] or [`child_key`]) for `purpose`.
    #[inline(always)]
    pub fn new(purpose: PurposeKey, request_key: u64) -> Self {
        Draws {
            key: purpose.0,
            counter: request_key,
        }
    }

    /// The next 64 random bits.
    #[inline(always)]
    pub fn next_u64(&mut self) -> u64 {
        let bits = squares64(self.counter, self.key);
        self.counter = self.counter.wrapping_add(STEP);
        bits
    }

    /// The next uniform number, a multiple of 2^-53 within the open interval (0, 1).
    #[inline(always)]
    pub fn unit(&mut self) -> f64 {
        open_unit(self.next_u64())
    }
}

/// A uniform number in the open interval (0, 1) made of the upper 52 bits.
#[inline(always)]
pub(crate) fn open_unit(bits: u64) -> f64 {
    const SPACING: f64 = 1.0 / (1u64 << 52) as f64;
    ((bits >> 12) as i64 as f64 + 0.5) * SPACING
}

impl TryRng for Draws {
    type Error = Infallible;

    #[inline(always)]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next_u64() >> 32) as u32)
    }

    #[inline(always)]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next_u64())
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for chunk in dst.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}
