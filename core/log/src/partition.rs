//! Which partition a key lives in: murmur2 as in Kafka's default partitioner.
//!
//! Both engines and every foreign producer must agree, or one key's records would stand in two partitions and lose
//! their order. Records without a key go to partition 0, where their order is kept.

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;
const R: u32 = 24;

/// The partition of a key among `partitions`.
#[must_use]
pub fn partition_for(key: Option<&[u8]>, partitions: u32) -> u32 {
    match key {
        Some(key) if partitions > 0 => (murmur2(key) & 0x7fff_ffff) % partitions,
        _ => 0,
    }
}

fn murmur2(data: &[u8]) -> u32 {
    // The length is an i32 in Kafka; records are far below 4 GiB, so the wrap never happens.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut h = SEED ^ length;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * index);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lg3_murmur2_agrees_with_kafka() {
        // The vectors of org.apache.kafka.common.utils.UtilsTest.
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ];
        for (text, hash) in vectors {
            assert_eq!(murmur2(text.as_bytes()), hash as u32, "{text}");
        }
    }

    #[test]
    fn lg3_keyless_records_go_to_partition_zero() {
        assert_eq!(partition_for(None, 7), 0);
        assert_eq!(partition_for(Some(b"abc"), 1), 0);
        assert_eq!(partition_for(Some(b"abc"), 7), 479_470_107 % 7);
    }
}
