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
/// Squares asks for an odd key with an irregular bit pattern. Here the eight upper hexadecimal digits
/// differ from one another, the eight lower ones do too, and the last is odd: some 2^57 keys, dealt
/// from a BLAKE3 hash of the three arguments, and no weak one among them.
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    /// Bounds of a chi-square with 255 degrees of freedom that chance leaves once in a million on
    /// either side (Wilson and Hilferty's approximation).
    const CHI2_255: std::ops::Range<f64> = 160.0..378.0;

    fn chi_square(counts: &[u32]) -> f64 {
        let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
        counts
            .iter()
            .map(|count| (f64::from(*count) - expected).powi(2) / expected)
            .sum()
    }

    /// Equal frequency of the top and the bottom byte, of pairs of neighbours, and no correlation
    /// of neighbours: six figures, each wrong by chance about twice in a million.
    fn looks_random(what: &str, words: impl Iterator<Item = u64>) {
        let words: Vec<u64> = words.collect();
        let mut counts = [[0u32; 256]; 5];
        for word in &words {
            counts[0][(word >> 56) as usize] += 1;
            counts[1][(word >> 24 & 255) as usize] += 1;
            counts[2][(word & 255) as usize] += 1;
        }
        for pair in words.chunks_exact(2) {
            counts[3][((pair[0] >> 60) << 4 | pair[1] >> 60) as usize] += 1;
            counts[4][((pair[0] & 15) << 4 | pair[1] & 15) as usize] += 1;
        }
        for (test, counts) in counts.iter().enumerate() {
            let chi2 = chi_square(counts);
            assert!(CHI2_255.contains(&chi2), "{what}, test {test}: chi-square {chi2}");
        }
        let centred: Vec<f64> = words.iter().map(|word| open_unit(*word) - 0.5).collect();
        let product: f64 = centred.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let z = 12.0 * product / (words.len() as f64).sqrt();
        assert!(
            z.abs() < 4.8,
            "{what}: serial correlation is {z} standard errors off"
        );
    }

    fn first(seed: u64, replication: u64, purpose: &str, request: u64) -> u64 {
        Draws::new(purpose_key(seed, replication, purpose), request).next_u64()
    }

    #[test]
    fn the_generator_gives_the_words_of_the_published_algorithm() {
        // Computed with arbitrary-precision integers from the definition in the paper.
        let expected = [
            (0, 0x36d8_8366_cee6_33a5, 0x800c_823e_cc9b_9607),
            (1, 0x9447_16e0_0e60_dfaa, 0x5f4f_366d_b727_a9f6),
            (2, 0xc8a8_f4e0_6786_54bf, 0xeee7_7e31_0b90_add2),
            (
                12_345_678_901_234_567_890,
                0xb9c0_f579_c545_4341,
                0xbfbb_c893_fb74_7b92,
            ),
        ];
        for (counter, one, other) in expected {
            assert_eq!(squares64(counter, 0x548c_9dec_bce6_5297), one);
            assert_eq!(squares64(counter, 0xc8e4_fd15_4ce3_2f6d), other);
        }
    }

    #[test]
    fn keys_and_draws_stay_what_they_are() {
        let key = purpose_key(1, 0, "service time of mysql");
        let request = request_key(salt("shoppers"), 7);
        let mut draws = Draws::new(key, request);
        let found = [
            key.0,
            salt("shoppers"),
            request,
            child_key(request, 1),
            draws.next_u64(),
        ];
        let found = found.map(|word| format!("{word:016x}")).join(" ");
        assert_eq!(
            found,
            "7f318e5dafb03c91 38e22e8a655bf548 c32aac955164ccea 284f78be3eba7305 b883455352dd2149"
        );
    }

    #[test]
    fn a_purpose_key_is_irregular_and_odd() {
        for seed in 0..2000 {
            let PurposeKey(key) = purpose_key(seed, 0, "service time");
            assert_eq!(key & 1, 1);
            for half in [key >> 32, key & 0xffff_ffff] {
                let digits = (0..8).fold(0u16, |set, place| set | 1 << (half >> (4 * place) & 15));
                assert_eq!(digits.count_ones(), 8, "{key:016x}");
            }
        }
    }

    #[test]
    fn a_draw_does_not_depend_on_what_was_drawn_before() {
        let keys = ["a", "b"].map(|purpose| purpose_key(3, 1, purpose));
        let draw = |purpose: usize, request: u64, k: usize| {
            let mut draws = Draws::new(keys[purpose], request_key(9, request));
            (0..=k).map(|_| draws.next_u64()).last()
        };
        let mut forward = Vec::new();
        let mut backward = Vec::new();
        for i in 0..60 {
            forward.push(draw(i % 2, i as u64 / 6, i % 3));
            backward.push(draw((59 - i) % 2, (59 - i) as u64 / 6, (59 - i) % 3));
        }
        backward.reverse();
        assert_eq!(forward, backward);
    }

    #[test]
    fn no_two_draws_are_equal_across_requests_purposes_replications_and_k() {
        let mut words = Vec::new();
        for (seed, replication, purpose) in [(1, 0, "a"), (1, 0, "b"), (1, 1, "a"), (2, 0, "a"), (0, 1, "a")]
        {
            let key = purpose_key(seed, replication, purpose);
            for number in 0..20_000 {
                let request = request_key(5, number);
                let mut draws = Draws::new(key, request);
                words.extend([draws.next_u64(), draws.next_u64(), draws.next_u64()]);
                words.push(Draws::new(key, child_key(request, 0)).next_u64());
            }
        }
        let drawn = words.len();
        words.sort_unstable();
        words.dedup();
        // 400,000 random words of 64 bits hold an equal pair once in 200 million times.
        assert_eq!(words.len(), drawn);
    }

    #[test]
    fn consecutive_requests_look_random() {
        let key = purpose_key(1, 0, "service time");
        for stream in [0, salt("shoppers")] {
            let requests = (0..1 << 18).map(|number| request_key(stream, number));
            looks_random(
                "requests",
                requests.map(|request| Draws::new(key, request).next_u64()),
            );
        }
        looks_random(
            "bare counters",
            (0..1 << 18).map(|n| Draws::new(key, n).next_u64()),
        );
    }

    #[test]
    fn consecutive_draws_look_random() {
        for seed in 0..4 {
            let mut draws = Draws::new(purpose_key(seed, 0, "x"), request_key(0, seed));
            looks_random("k", (0..1 << 18).map(|_| draws.next_u64()));
        }
    }

    #[test]
    fn purposes_seeds_and_replications_look_random() {
        let n = 1 << 16;
        looks_random(
            "purposes",
            (0..n).map(|i| first(1, 0, &format!("purpose {i}"), 77)),
        );
        looks_random("seeds", (0..n).map(|i| first(i, 0, "x", 77)));
        looks_random("replications", (0..n).map(|i| first(1, i, "x", 77)));
    }

    #[test]
    fn children_and_grandchildren_look_random() {
        let key = purpose_key(1, 0, "x");
        let parent = request_key(salt("shoppers"), 1);
        let first = |request| Draws::new(key, request).next_u64();
        looks_random("children", (0..1 << 18).map(|i| first(child_key(parent, i))));
        let line = std::iter::successors(Some(parent), |request| Some(child_key(*request, 0)));
        looks_random("line of descent", line.take(1 << 18).map(first));
    }

    #[test]
    fn streams_of_requests_share_no_keys_at_any_offset() {
        let mut keys: Vec<u64> = (0..100u64)
            .flat_map(|stream| (0..2000).map(move |number| request_key(stream, number)))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 200_000);
    }

    #[test]
    fn one_changed_bit_of_the_request_changes_half_the_bits_drawn() {
        let key = purpose_key(1, 0, "x");
        let mut changed = [0u32; 64];
        for number in 0..1000 {
            let request = request_key(1, number);
            for (bit, changed) in changed.iter_mut().enumerate() {
                let one = Draws::new(key, request).next_u64();
                let other = Draws::new(key, request ^ 1 << bit).next_u64();
                *changed += (one ^ other).count_ones();
            }
        }
        // 1000 words of 64 fair bits: 32,000 ± 126; six standard deviations.
        for (bit, changed) in changed.iter().enumerate() {
            assert!((31_240..32_760).contains(changed), "bit {bit}: {changed}");
        }
    }

    #[test]
    fn the_unit_interval_is_open() {
        assert!(open_unit(0) > 0.0);
        assert!(open_unit(u64::MAX) < 1.0);
    }

    #[test]
    fn the_rand_interface_gives_the_same_words() {
        let key = purpose_key(1, 0, "x");
        let mut own = Draws::new(key, 5);
        let mut rand = Draws::new(key, 5);
        assert_eq!(Rng::next_u64(&mut rand), own.next_u64());
        assert_eq!(u64::from(Rng::next_u32(&mut rand)), own.next_u64() >> 32);
        let mut bytes = [0; 11];
        rand.fill_bytes(&mut bytes);
        assert_eq!(bytes[..8], own.next_u64().to_le_bytes());
        assert_eq!(bytes[8..], own.next_u64().to_le_bytes()[..3]);
    }
}
