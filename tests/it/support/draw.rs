//! Random choices that a seed determines, so that a failure can be run again.

/// What random choices start from: another one each time, unless `MUSTER_TEST_SEED` names one.
pub fn seed() -> u64 {
    std::env::var("MUSTER_TEST_SEED").map_or_else(
        |_| {
            let time = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |time| u64::from(time.subsec_nanos()));
            (u64::from(std::process::id()) << 32) | time
        },
        |seed| seed.parse().expect("MUSTER_TEST_SEED is a number"),
    )
}

/// Prints the seed when a test fails.
pub struct Printed(pub u64);

impl Drop for Printed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0}: MUSTER_TEST_SEED={0} runs it again", self.0);
        }
    }
}

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// A sequence of its own for a part of the test, so that what one part draws does not depend on the others.
    pub fn part(seed: u64, name: &str) -> Self {
        let mut draw = Self(seed);
        for byte in name.bytes() {
            draw.0 ^= u64::from(byte);
            draw.next();
        }
        draw
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it is below a usize")
    }

    /// True so many times in a thousand.
    pub fn in_thousand(&mut self, times: usize) -> bool {
        self.below(1000) < times
    }

    /// One of them; there must be one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
