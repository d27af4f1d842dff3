//! Which partition a key goes to.

/// The partition of a key, as Kafka's default partitioner chooses it for the key's decimal digits.
pub fn partition_of(key: u64, partitions: u32) -> u32 {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = key;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    (murmur2(&digits[at..]) & 0x7fff_ffff) % partitions
}

/// Kafka's hash of keys (`org.apache.kafka.common.utils.Utils.murmur2`; A. Appleby's MurmurHash2, seed 0x9747b28c).
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c_u32 ^ data.len() as u32;
    let mut blocks = data.chunks_exact(4);
    for b in &mut blocks {
        let mut k = u32::from_le_bytes([b[0], b[1], b[2], b[3]]).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let tail = blocks.remainder();
    if !tail.is_empty() {
        for (i, b) in tail.iter().enumerate() {
            h ^= (*b as u32) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h = (h ^ h >> 13).wrapping_mul(M);
    h ^ h >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_gives_the_values_of_kafkas_own_tests() {
        for (key, hash) in [
            ("21", -973932308),
            ("foobar", -790332482),
            ("a-little-bit-long-string", -985981536),
            ("abc", 479470107),
            ("", 275646681),
            ("0", 971027396),
            ("1", -1993445489),
            ("42", 417700972),
            ("user-1", 1404122828),
            ("user-2", -324981792),
            ("user-3", 1141442267),
            ("order-1001", 297523878),
            ("order-1002", -809665508),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn keys_go_to_the_partitions_that_kafka_chooses() {
        assert_eq!([3, 6, 12].map(|n| partition_of(0, n)), [2, 2, 8]);
        assert_eq!([3, 6, 12].map(|n| partition_of(1, n)), [0, 3, 3]);
        assert_eq!([3, 6, 12].map(|n| partition_of(42, n)), [1, 4, 4]);
    }

    #[test]
    fn few_keys_over_partitions_are_visibly_skewed() {
        let mut counts = [0; 6];
        for i in 0..100 {
            counts[(murmur2(format!("user-{i}").as_bytes()) & 0x7fff_ffff) as usize % 6] += 1;
        }
        counts.sort_unstable();
        assert_eq!(counts, [13, 15, 16, 18, 18, 20]);
    }
}
