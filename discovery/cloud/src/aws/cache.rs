//! Credentials that are fetched once, shared, and renewed before they expire.
//!
//! This is the identity cache of the process: the SDK's own is off. All regions of an account ask
//! here, so that one role is taken once and not once per region and service.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use aws_smithy_async::time::SharedTimeSource;

use crate::{
    error::CallError,
    observe::{Cloud, Observed, Watch},
};

/// Where credentials come from.
#[async_trait]
pub(super) trait Source: fmt::Debug + Send + Sync {
    /// Gets new ones.
    async fn fetch(&self) -> Result<Credentials, CallError>;
}

/// Keeps the credentials of one source.
#[derive(Clone)]
pub(super) struct Cached(Arc<Inner>);

struct Inner {
    source: Box<dyn Source>,
    clock: SharedTimeSource,
    watch: Watch,
    state: Mutex<State>,
    /// Held while fetching, so that one does and the others wait.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Credentials>,
    /// From here on, others are wanted.
    renew_at: Option<SystemTime>,
    /// A failure is the answer until then: asking again at once would fail again, a hundred times.
    failed: Option<(SystemTime, CallError)>,
}

// === impl Cached ===

impl Cached {
    pub fn new(
        source: impl Source + 'static,
        clock: SharedTimeSource,
        observed: &Observed,
    ) -> Self {
        Self(Arc::new(Inner {
            source: Box::new(source),
            clock,
            watch: observed.holder(Cloud::Aws),
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }))
    }

    /// Credentials that have not expired.
    ///
    /// # Errors
    /// The source's, when there are none left to use.
    pub async fn get(&self) -> Result<Credentials, CallError> {
        let inner = &*self.0;
        if let Some(answer) = inner.known() {
            return answer;
        }
        let _fetching = match inner.fetching.try_lock() {
            Ok(guard) => guard,
            // Another one renews; what is still good does meanwhile.
            Err(_) => match inner.usable() {
                Some(credentials) => return Ok(credentials),
                None => inner.fetching.lock().await,
            },
        };
        // It may have been done while waiting.
        if let Some(answer) = inner.known() {
            return answer;
        }
        let fetched = inner.source.fetch().await;
        let answer = fetched.as_ref().map(Credentials::expiry);
        inner.watch.asked(answer.map_err(|error| error.reason));
        inner.keep(fetched)
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cached").field(&self.0.source).finish()
    }
}

impl ProvideCredentials for Cached {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        // The reason travels as the source, where the classification finds it.
        future::ProvideCredentials::new(async {
            self.get().await.map_err(CredentialsError::provider_error)
        })
    }
}

// === impl Inner ===

impl Inner {
    /// What need not be fetched: fresh credentials, or a recent failure.
    fn known(&self) -> Option<Result<Credentials, CallError>> {
        let now = self.clock.now();
        let state = self.state();
        match (&state.held, state.renew_at, &state.failed) {
            (Some(held), Some(renew_at), _) if now < renew_at => Some(Ok(held.clone())),
            (_, _, Some((until, error))) if now < *until => Some(Err(error.clone())),
            _ => None,
        }
    }

    /// What has not expired, fresh or not.
    fn usable(&self) -> Option<Credentials> {
        let now = self.clock.now();
        let held = self.state().held.clone()?;
        held.expiry()
            .is_none_or(|expiry| now < expiry)
            .then_some(held)
    }

    fn keep(&self, fetched: Result<Credentials, CallError>) -> Result<Credentials, CallError> {
        let now = self.clock.now();
        let usable = self.usable();
        let mut state = self.state();
        match (fetched, usable) {
            (Ok(new), _) => {
                let renew_at = match new.expiry() {
                    // The source may have nothing newer yet: do not ask it for every request.
                    Some(expiry) => (expiry - MARGIN).max(now + PAUSE).min(expiry),
                    None => now + NO_EXPIRY,
                };
                *state = State {
                    held: Some(new.clone()),
                    renew_at: Some(renew_at),
                    failed: None,
                };
                Ok(new)
            }
            (Err(error), Some(old)) => {
                tracing::warn!(%error, "cannot renew the credentials; those at hand are used until they expire");
                state.renew_at = Some(now + PAUSE);
                Ok(old)
            }
            (Err(error), None) => {
                *state = State {
                    failed: Some((now + PAUSE, error.clone())),
                    ..State::default()
                };
                Err(error)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long before they expire credentials are renewed.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// How long a source is left alone after it was asked.
const PAUSE: Duration = Duration::from_secs(20);
/// How often credentials without an end are read again, since a file may have changed.
const NO_EXPIRY: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::UNIX_EPOCH,
    };

    use aws_smithy_async::time::TimeSource;

    use super::*;
    use crate::{error::Reason, observe::testkit::Recorder};

    #[derive(Clone, Debug, Default)]
    struct Clock(Arc<AtomicU64>);

    impl TimeSource for Clock {
        fn now(&self) -> SystemTime {
            at(self.0.load(Ordering::SeqCst))
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// When the next credentials expire, or that there are none.
    type Answer = Result<Option<u64>, ()>;

    /// Gives what the script says, and counts.
    #[derive(Clone, Debug, Default)]
    struct Script {
        answers: Arc<Mutex<Vec<Answer>>>,
        asked: Arc<AtomicU64>,
    }

    #[async_trait]
    impl Source for Script {
        async fn fetch(&self) -> Result<Credentials, CallError> {
            tokio::task::yield_now().await;
            let n = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            let mut answers = self.answers.lock().unwrap();
            match if answers.is_empty() {
                Ok(None)
            } else {
                answers.remove(0)
            } {
                Ok(expiry) => Ok(Credentials::new(
                    format!("AK{n}"),
                    "s",
                    None,
                    expiry.map(at),
                    "test",
                )),
                Err(()) => Err(CallError::new(
                    Reason::Unreachable,
                    "sts:AssumeRole",
                    "no route",
                )),
            }
        }
    }

    fn cached(answers: &[Answer]) -> (Cached, Clock, Script) {
        observed(answers, &Observed::default())
    }

    fn observed(answers: &[Answer], observed: &Observed) -> (Cached, Clock, Script) {
        let script = Script::default();
        script.answers.lock().unwrap().extend_from_slice(answers);
        let clock = Clock::default();
        (
            Cached::new(
                script.clone(),
                SharedTimeSource::new(clock.clone()),
                observed,
            ),
            clock,
            script,
        )
    }

    async fn key(cached: &Cached) -> String {
        cached.get().await.unwrap().access_key_id().to_owned()
    }

    #[tokio::test]
    async fn asks_once_for_many() {
        let (cached, _, script) = cached(&[]);
        let keys = futures::future::join_all((0..20).map(|_| key(&cached))).await;
        assert!(keys.iter().all(|key| key == "AK1"), "{keys:?}");
        assert_eq!(script.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn renews_before_the_end() {
        let (cached, clock, _) = cached(&[Ok(Some(3600)), Ok(Some(7200))]);
        for (now, want) in [
            (0, "AK1"),
            (3299, "AK1"),
            (3300, "AK2"),
            (6899, "AK2"),
            (6900, "AK3"),
        ] {
            clock.0.store(now, Ordering::SeqCst);
            assert_eq!(key(&cached).await, want, "at {now}");
        }
    }

    #[tokio::test]
    async fn a_source_with_nothing_newer_is_not_asked_for_every_request() {
        let (cached, clock, script) = cached(&[Ok(Some(100)), Ok(Some(100))]);
        for now in 0..20 {
            clock.0.store(now, Ordering::SeqCst);
            key(&cached).await;
        }
        assert_eq!(script.asked.load(Ordering::SeqCst), 1);
        clock.0.store(20, Ordering::SeqCst);
        assert_eq!(key(&cached).await, "AK2");
    }

    #[tokio::test]
    async fn a_failed_renewal_leaves_what_is_still_good() {
        let (cached, clock, _) = cached(&[Ok(Some(3600)), Err(()), Err(()), Ok(None)]);
        key(&cached).await;
        clock.0.store(3400, Ordering::SeqCst);
        assert_eq!(key(&cached).await, "AK1");
        clock.0.store(3600, Ordering::SeqCst);
        assert_eq!(cached.get().await.unwrap_err().reason, Reason::Unreachable);
        clock.0.store(3620, Ordering::SeqCst);
        assert_eq!(key(&cached).await, "AK4");
    }

    #[tokio::test]
    async fn an_observer_is_told_of_every_renewal_and_of_the_end() {
        let (recorder, observer) = Recorder::new();
        let (cached, clock, _) = observed(&[Ok(Some(3600)), Err(()), Ok(None)], &observer);
        for now in [0, 10, 3400, 3600] {
            clock.0.store(now, Ordering::SeqCst);
            key(&cached).await;
        }
        let shared = cached.clone();
        drop(cached);
        let renewals = [
            "Aws credentials until 3600",
            "Aws credentials unreachable",
            "Aws credentials without an end",
        ];
        assert_eq!(recorder.told(), renewals);
        drop(shared);
        assert_eq!(recorder.told(), ["released"]);
    }

    #[tokio::test]
    async fn a_failure_is_not_repeated_for_everyone() {
        let (cached, _, script) = cached(&[Err(())]);
        for _ in 0..10 {
            cached.get().await.unwrap_err();
        }
        assert_eq!(script.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn debug_shows_no_secret() {
        let (cached, _, _) = cached(&[]);
        cached.get().await.unwrap();
        assert!(!format!("{cached:?}").contains("AK1"));
    }
}
