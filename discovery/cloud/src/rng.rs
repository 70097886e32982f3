//! A small seeded source of randomness for jitter: SplitMix64.
//!
//! Jitter spreads clients over time. It needs no secrecy, and a test needs to repeat it, so no
//! operating system source and no crate.

use std::sync::atomic::{AtomicU64, Ordering};

/// A sequence of numbers that its seed determines; shared by reference.
#[derive(Debug)]
pub(crate) struct SplitMix64(AtomicU64);

// === impl SplitMix64 ===

impl SplitMix64 {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number, any of 2^64.
    pub(crate) fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number in `0.0..1.0`.
    pub(crate) fn unit(&self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::SplitMix64;

    #[test]
    fn follows_the_published_sequence() {
        // Vigna's splitmix64.c, seed 1234567.
        let rng = SplitMix64::new(1_234_567);
        let got: Vec<u64> = (0..3).map(|_| rng.next()).collect();
        assert_eq!(
            got,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn stays_in_the_unit_interval() {
        let rng = SplitMix64::new(7);
        assert!(
            (0..10_000)
                .map(|_| rng.unit())
                .all(|u| (0.0..1.0).contains(&u))
        );
    }
}
