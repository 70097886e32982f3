//! How often somebody may try. Bounded in memory, with the time passed in.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use muster_model::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The most that is remembered. Who makes more is rid of some of it, and no more.
const REMEMBERED: usize = 1 << 16;

/// Lets so many through at once, and then one in so many seconds; for each key apart.
#[derive(Debug)]
pub struct Limiter {
    burst: i64,
    seconds: i64,
    /// For each key, when it will have made up for what it has had.
    made_up: HashMap<Key, i64>,
}

/// Wrong tries in a row of each user, known or not, and until when no more are heard.
#[derive(Debug, Default)]
pub struct Failures {
    of: HashMap<Key, Failed>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failed {
    count: u32,
    last: i64,
    until: i64,
}

/// A user who is not heard, as it is kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Wrong tries in a row.
    pub count: u32,
    /// When the last one was.
    pub last: Timestamp,
    /// Until when no more are heard.
    pub until: Timestamp,
}

type Key = [u8; 16];

/// Wrong tries in a row after which a user is not heard for a while.
pub const FAILURES: u32 = 10;

/// For how long, in seconds, after [`FAILURES`]; each further one doubles it, up to [`LONGEST_SILENCE`].
const SILENCE: i64 = 60;

/// The longest, in seconds.
const LONGEST_SILENCE: i64 = 3600;

/// Wrong tries are forgotten after so many seconds without one.
const FORGOTTEN: i64 = 24 * 3600;

impl Limiter {
    /// So many at once, and then one in so many seconds.
    pub fn new(burst: u32, seconds: u32) -> Self {
        Self {
            burst: i64::from(burst),
            seconds: i64::from(seconds),
            made_up: HashMap::new(),
        }
    }

    /// Whether one more may be; if not, after how many seconds.
    ///
    /// # Errors
    /// The seconds.
    pub fn pass(&mut self, who: &[u8], now: Timestamp) -> Result<(), u64> {
        let now = now.unix();
        let (most, each) = (self.burst * self.seconds, self.seconds);
        if self.made_up.len() >= REMEMBERED {
            self.made_up.retain(|_, made_up| *made_up > now);
            thin(&mut self.made_up);
        }
        let made_up = self.made_up.entry(key(who)).or_insert(now);
        // A clock that was set back keeps nobody out for longer than the whole allowance.
        let from = (*made_up).clamp(now, now + most);
        let then = from + each;
        if then - now > most {
            return Err(u64::try_from(then - now - most).unwrap_or_default());
        }
        *made_up = then;
        Ok(())
    }
}

impl Failures {
    /// Whether a user is heard; if not, after how many seconds.
    ///
    /// # Errors
    /// The seconds.
    pub fn heard(&self, who: &[u8], now: Timestamp) -> Result<(), u64> {
        let until = self.of.get(&key(who)).map_or(0, |failed| failed.until);
        // As above, for a clock that was set back.
        let left = (until - now.unix()).min(LONGEST_SILENCE);
        match u64::try_from(left) {
            Ok(left) if left > 0 => Err(left),
            _ => Ok(()),
        }
    }

    /// A wrong try. Says whether the user is not heard from now on.
    pub fn wrong(&mut self, who: &[u8], now: Timestamp) -> bool {
        let now = now.unix();
        if self.of.len() >= REMEMBERED {
            self.of.retain(|_, failed| failed.last + FORGOTTEN > now);
            thin(&mut self.of);
        }
        let failed = self.of.entry(key(who)).or_default();
        if failed.last + FORGOTTEN <= now {
            failed.count = 0;
        }
        failed.count = failed.count.saturating_add(1);
        failed.last = now;
        if failed.count < FAILURES {
            return false;
        }
        let doubled = SILENCE << (failed.count - FAILURES).min(8);
        failed.until = now + doubled.min(LONGEST_SILENCE);
        true
    }

    /// A right try: the row is broken. Says whether the user had been silent.
    pub fn right(&mut self, who: &[u8]) -> bool {
        let broken = self.of.remove(&key(who));
        broken.is_some_and(|failed| failed.count >= FAILURES)
    }

    /// What is to be kept of a user who has tried too often.
    pub fn silence(&self, who: &[u8]) -> Option<Silence> {
        let failed = self.of.get(&key(who))?;
        (failed.count >= FAILURES).then(|| Silence {
            count: failed.count,
            last: Timestamp::from_unix(failed.last),
            until: Timestamp::from_unix(failed.until),
        })
    }

    /// Puts back what was kept under a name of [`silence_name`]. A name that is none is left out.
    pub fn restore(&mut self, name: &str, kept: &Silence) {
        let Some(key) = read_name(name) else { return };
        let failed = Failed {
            count: kept.count,
            last: kept.last.unix(),
            until: kept.until.unix(),
        };
        self.of.insert(key, failed);
    }
}

/// The part of an address that one person can be expected to have: all of IPv4, the network of IPv6.
pub fn origin(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.octets().to_vec(),
            None => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).octets().to_vec()
            }
        },
    }
}

/// The name that a silence is kept under. It does not say whose it is: strangers choose these names, and who exists has no say.
pub fn silence_name(who: &[u8]) -> String {
    key(who).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_name(name: &str) -> Option<Key> {
    let bytes = (0..name.len()).step_by(2).map(|at| {
        let pair = name.get(at..at + 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes?.try_into().ok()
}

/// Names are as long as a stranger wants; what is kept of them is not.
fn key(who: &[u8]) -> Key {
    let digest = Sha256::digest(who);
    let mut key = [0; 16];
    key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    key
}

/// Rid of a part, whichever, when there is no room.
fn thin<T>(map: &mut HashMap<Key, T>) {
    if map.len() < REMEMBERED {
        return;
    }
    let mut place = 0_u32;
    map.retain(|_, _| {
        place = place.wrapping_add(1);
        !place.is_multiple_of(4)
    });
}
