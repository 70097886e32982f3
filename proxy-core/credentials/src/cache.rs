//! Tokens that are used again: one for each host, port, region, user and chain of roles.
//!
//! RDS counts new tokens, not connections that bring one again, so that many sessions to one database need one token.
//! However many ask at once, one makes it and the others wait. Bounded: see [`MOST`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use muster_cloud::{Secret, aws::AssumeRole};

use crate::api::Clock;

/// The most tokens that are kept: 1 to 2 kB each.
pub(crate) const MOST: usize = 4096;

/// For how long a token is used again. It is good for fifteen minutes; the rest is for slow connections and clocks that
/// differ.
pub(crate) const USE: Duration = Duration::from_secs(10 * 60);

/// How long before its keys end a token is not used again.
const MARGIN: Duration = Duration::from_secs(30);

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub host: String,
    pub port: u16,
    pub region: String,
    pub user: String,
    pub roles: Vec<AssumeRole>,
}

/// Remembers tokens.
pub(crate) struct Tokens {
    clock: Clock,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

/// Whoever holds the lock makes the token.
type Slot = tokio::sync::Mutex<Option<Held>>;

struct Held {
    token: Secret,
    made: SystemTime,
    until: SystemTime,
}

// === impl Tokens ===

impl Tokens {
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            slots: Mutex::default(),
        }
    }

    /// The token for `key`: a remembered one, or the one that `make` makes, with the end of the keys that it is made of.
    /// A failure is not remembered here: whoever fetches keys does that.
    pub async fn get<E>(
        &self,
        key: Key,
        make: impl AsyncFnOnce(SystemTime) -> Result<(Secret, Option<SystemTime>), E>,
    ) -> Result<Secret, E> {
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        let now = (self.clock)();
        if let Some(held) = &*slot
            && held.is_good(now)
        {
            return Ok(held.token.clone());
        }
        let (token, keys_end) = make(now).await?;
        // The time that it took belongs to the token's age.
        let usable = now.checked_add(USE).unwrap_or(now);
        let until = match keys_end.map(|end| end.checked_sub(MARGIN).unwrap_or(now)) {
            Some(end) => usable.min(end),
            None => usable,
        };
        *slot = Some(Held {
            token: token.clone(),
            made: now,
            until,
        });
        Ok(token)
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST && !slots.contains_key(&key) {
            let now = (self.clock)();
            // Those that are being made stay: they are wanted.
            slots.retain(|_, slot| {
                slot.try_lock().map_or(true, |held| {
                    held.as_ref().is_some_and(|held| held.is_good(now))
                })
            });
            // All are good: any will do, for each is made again in a moment.
            let surplus = slots.len().saturating_sub(MOST / 2);
            if slots.len() >= MOST {
                let some: Vec<Key> = slots.keys().take(surplus).cloned().collect();
                for key in some {
                    slots.remove(&key);
                }
            }
        }
        Arc::clone(slots.entry(key).or_default())
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Held {
    /// A clock that was set back makes a token doubtful, not young.
    fn is_good(&self, now: SystemTime) -> bool {
        self.made <= now && now < self.until
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
        time::UNIX_EPOCH,
    };

    use super::*;
    use crate::testkit::{Hand, NOW};

    fn key(user: &str) -> Key {
        Key {
            host: "h".to_owned(),
            port: 5432,
            region: "eu-west-1".to_owned(),
            user: user.to_owned(),
            roles: Vec::new(),
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    async fn get(tokens: &Tokens, key: Key, made: &AtomicUsize, end: Option<SystemTime>) -> String {
        let make = async |_| {
            // Others come meanwhile.
            tokio::task::yield_now().await;
            let number = made.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>((Secret::new(&number.to_string()), end))
        };
        let Ok(token) = tokens.get(key, make).await;
        token.expose().to_owned()
    }

    #[tokio::test]
    async fn a_token_is_used_again_for_ten_minutes() {
        let (hand, made) = (Hand::at(NOW), AtomicUsize::new(0));
        let tokens = Tokens::new(hand.clock());
        for (after, want) in [(0, "0"), (599, "0"), (600, "1"), (601, "1")] {
            hand.set(NOW + after);
            assert_eq!(get(&tokens, key("alice"), &made, None).await, want);
        }
        // A clock that was set back makes a new one.
        hand.set(NOW);
        assert_eq!(get(&tokens, key("alice"), &made, None).await, "2");
        // Whatever it is for makes another one.
        let others = [
            key("bob"),
            Key {
                host: "i".to_owned(),
                ..key("alice")
            },
            Key {
                port: 5433,
                ..key("alice")
            },
            Key {
                region: "eu-west-2".to_owned(),
                ..key("alice")
            },
            Key {
                roles: vec![AssumeRole {
                    arn: "r".to_owned(),
                    external_id: None,
                }],
                ..key("alice")
            },
        ];
        for (number, other) in others.into_iter().enumerate() {
            let want = (number + 3).to_string();
            assert_eq!(get(&tokens, other, &made, None).await, want);
        }
    }

    #[tokio::test]
    async fn a_token_does_not_outlive_its_keys() {
        let (hand, made) = (Hand::at(NOW), AtomicUsize::new(0));
        let tokens = Tokens::new(hand.clock());
        let end = Some(at(NOW + 100));
        for (after, want) in [(0, "0"), (69, "0"), (70, "1"), (100, "2"), (101, "3")] {
            hand.set(NOW + after);
            assert_eq!(
                get(&tokens, key("alice"), &made, end).await,
                want,
                "{after}"
            );
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_make_one() {
        let (hand, made) = (Hand::at(NOW), AtomicUsize::new(0));
        let tokens = Tokens::new(hand.clock());
        let all = (0..100).map(|_| get(&tokens, key("alice"), &made, None));
        let all = futures_join(all).await;
        assert!(all.iter().all(|token| token == "0"), "{all:?}");
    }

    /// Polls all of them in turn until each is done.
    async fn futures_join<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
        let mut waiting: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
        std::future::poll_fn(move |context| {
            for (one, done) in waiting.iter_mut().filter(|(_, done)| done.is_none()) {
                if let std::task::Poll::Ready(output) = one.as_mut().poll(context) {
                    *done = Some(output);
                }
            }
            if waiting.iter().any(|(_, done)| done.is_none()) {
                return std::task::Poll::Pending;
            }
            let all = waiting.iter_mut().filter_map(|(_, done)| done.take());
            std::task::Poll::Ready(all.collect())
        })
        .await
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_work_to_the_next() {
        let hand = Hand::at(NOW);
        let tokens = Tokens::new(hand.clock());
        {
            let never = async |_| std::future::pending::<Result<_, Infallible>>().await;
            let mut waiting = Box::pin(tokens.get(key("alice"), never));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
        }
        let made = AtomicUsize::new(0);
        assert_eq!(get(&tokens, key("alice"), &made, None).await, "0");
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let tokens = Tokens::new(Hand::at(NOW).clock());
        let failed = tokens.get(key("alice"), async |_| Err("no keys")).await;
        assert_eq!(failed.err(), Some("no keys"));
        let made = AtomicUsize::new(0);
        assert_eq!(get(&tokens, key("alice"), &made, None).await, "0");
    }

    #[tokio::test]
    async fn there_are_never_more_than_the_most() {
        let (hand, made) = (Hand::at(NOW), AtomicUsize::new(0));
        let tokens = Tokens::new(hand.clock());
        for number in 0..2 * MOST + 10 {
            get(&tokens, key(&number.to_string()), &made, None).await;
            assert!(tokens.len() <= MOST);
        }
        assert!(tokens.len() >= MOST / 2, "{}", tokens.len());
        // Those that are no longer good go first.
        hand.set(NOW + 600);
        while tokens.len() < MOST {
            let number = made.load(Ordering::SeqCst) + 10 * MOST;
            get(&tokens, key(&number.to_string()), &made, None).await;
        }
        get(&tokens, key("last"), &made, None).await;
        assert!(tokens.len() < MOST);
    }
}
