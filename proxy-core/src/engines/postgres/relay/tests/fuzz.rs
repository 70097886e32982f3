//! Bytes that were changed by chance: a relay may end the session, and nothing else. `MUSTER_FUZZ` is the number of tries.

use super::*;

/// A generator that gives the same numbers every time.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 32).unwrap() % limit.max(1)
    }

    /// Changes some of `bytes`: bits, bytes, lengths, order.
    pub(crate) fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(7) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                2 => bytes[at] = [0, 0xff, 0x7f, 0x80, b'S', b'E', b'Z'][self.below(7)],
                3 => bytes.truncate(at),
                4 => {
                    let end = (at + self.below(64)).min(bytes.len());
                    let part = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, part);
                }
                5 => {
                    let end = (at + self.below(16)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => bytes.insert(at, u8::try_from(self.below(256)).unwrap()),
            }
        }
    }
}

pub(crate) fn tries(default: u64) -> u64 {
    std::env::var("MUSTER_FUZZ")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
fn changed_bytes_of_either_side_never_do_more_than_end_the_session() {
    let talks = super::transcripts::conversations();
    let (mut whole, mut ended) = (0_u64, 0_u64);
    for seed in 0..tries(1000) {
        let mut chance = Chance::new(seed);
        let talk = &talks[chance.below(talks.len())];
        let settings = Settings {
            max_statement: [16, 1000, 65536][chance.below(3)],
            replication: chance.below(2) == 0,
            ..SETTINGS
        };
        let mut play = Play::new(settings);
        let mut writes = Chance::new(seed + 7);
        play.lines.busy = (chance.below(3) == 0)
            .then(|| -> Box<dyn FnMut() -> bool + Send> { Box::new(move || writes.below(5) == 0) });
        let ok = talk.iter().all(|(client, bytes)| {
            let mut bytes = bytes.clone();
            if chance.below(4) == 0 {
                chance.change(&mut bytes);
            }
            let mut rest = &bytes[..];
            let mut patience = 50;
            while !rest.is_empty() && patience > 0 {
                let end = if chance.below(2) == 0 {
                    rest.len()
                } else {
                    1 + chance.below(rest.len())
                };
                let passed = if *client {
                    play.relay
                        .from_client(&rest[..end], Micros(0), &mut play.lines)
                } else {
                    play.relay
                        .from_server(&rest[..end], Micros(0), &mut play.lines)
                };
                let Ok(passed) = passed else { return false };
                assert!(passed <= end);
                patience -= i32::from(passed == 0);
                rest = &rest[passed..];
                if !rest.is_empty() && passed == 0 && end < rest.len() && !*client {
                    // What was held must be shown again as it was, with more behind it.
                    let Ok(passed) = play.relay.from_server(rest, Micros(0), &mut play.lines)
                    else {
                        return false;
                    };
                    rest = &rest[passed..];
                }
            }
            let _ = play.relay.tick(
                Micros::from_seconds(i64::try_from(seed % 3).unwrap()),
                &mut play.lines,
            );
            true
        });
        if ok {
            whole += 1
        } else {
            ended += 1
        }
        for _ in 0..100_000 {
            if play.relay.finish(Micros(0), &mut play.lines).is_ok() {
                break;
            }
        }
        assert!(play.relay.memory() < 8 * 1024 * 1024);
        play.relay.rest();
    }
    // Both happen, or nothing was tried.
    assert!(
        whole > 0 && ended > 0,
        "{whole} went through, {ended} were ended"
    );
}
