//! A request budget per account, region and service: how fast, how many at once, how patiently.
//!
//! Providers throttle per account, region and service, so this is where one process must hold
//! itself back, whichever scanner asks. The clients' own retries are off: two layers of back-off
//! multiply, and hide throttling. A throttled answer slows everyone who shares the budget, and
//! nobody else.
//!
//! Time is tokio's, so that a test can pause it; jitter comes from a seed.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    future::Future,
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    error::{CallError, Classify, Reason, Retry, one_line},
    observe::Observed,
    rng::SplitMix64,
};

/// How fast, how often and how patiently to ask. The defaults are documented per field.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Requests a second, retries included; default 10. Zero or less is taken as one an hour.
    pub per_second: f64,
    /// Requests that may go at once after a rest; default 10, at least 1.
    pub burst: u32,
    /// Requests under way at the same time; default 4, at least 1.
    pub concurrency: usize,
    /// Attempts at one call, the first included; default 6, at least 1.
    pub attempts: u32,
    /// Longest back-off before the second attempt, doubling from there; default 500 ms.
    /// The actual one is drawn from the upper half.
    pub base_delay: Duration,
    /// Longest back-off; default 20 s. A provider's `Retry-After` may be longer.
    pub max_delay: Duration,
    /// Longest wait for one answer; default 30 s.
    pub attempt_timeout: Duration,
    /// Longest wait for one source of credentials, such as a program or a file; default 15 s.
    pub credentials_timeout: Duration,
    /// Longest time that one call may spend waiting, in the queue and between attempts;
    /// default 2 min.
    pub patience: Duration,
    /// Pages that one listing may read; default 1000.
    pub max_pages: usize,
    /// Who is told of every attempt, and of the credentials; default nobody.
    pub observer: Observed,
}

/// The budgets of a process: one per account, region and service, made when first asked for.
#[derive(Debug)]
pub struct Budgets {
    config: BudgetConfig,
    seed: u64,
    all: Mutex<HashMap<[String; 3], Arc<Budget>>>,
}

/// The budget of one account, region and service.
#[derive(Debug)]
pub struct Budget {
    config: BudgetConfig,
    slots: Semaphore,
    bucket: Mutex<Bucket>,
    rng: SplitMix64,
    sent: AtomicU32,
}

/// A token bucket that lends: a reservation may make it negative, and says when it is paid back.
/// So the order of asking is the order of going.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
    /// Nobody sends before this: the provider asked for a pause.
    paused_until: Instant,
}

/// What one call may still wait.
struct Patience {
    left: Duration,
}

// === impl BudgetConfig ===

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            per_second: 10.0,
            burst: 10,
            concurrency: 4,
            attempts: 6,
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(20),
            attempt_timeout: Duration::from_secs(30),
            credentials_timeout: Duration::from_secs(15),
            patience: Duration::from_secs(120),
            max_pages: 1000,
            observer: Observed::default(),
        }
    }
}

impl BudgetConfig {
    /// Longest back-off after attempt `attempt` (1 is the first).
    fn ceiling(&self, attempt: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1).min(30));
        self.base_delay.saturating_mul(doubled).min(self.max_delay)
    }

    fn rate(&self) -> f64 {
        const SLOWEST: f64 = 1.0 / 3600.0;
        if self.per_second.is_finite() {
            self.per_second.max(SLOWEST)
        } else {
            f64::MAX
        }
    }
}

// === impl Budgets ===

impl Budgets {
    /// No budgets yet; each will follow `config`. `seed` starts their jitter: give each process
    /// another one.
    pub fn new(config: BudgetConfig, seed: u64) -> Self {
        Self {
            config,
            seed,
            all: Mutex::default(),
        }
    }

    /// What every budget follows.
    pub(crate) const fn config(&self) -> &BudgetConfig {
        &self.config
    }

    /// The budget of `service` in `region` of `account` (or subscription), shared with everyone
    /// who asks for it.
    pub fn of(&self, account: &str, region: &str, service: &str) -> Arc<Budget> {
        let key = [account.to_owned(), region.to_owned(), service.to_owned()];
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let seed = self.seed ^ hasher.finish();
        let budget = || Arc::new(Budget::new(self.config.clone(), seed));
        Arc::clone(lock(&self.all).entry(key).or_insert_with(budget))
    }
}

// === impl Budget ===

impl Budget {
    /// A budget of its own, whose jitter follows from `seed`.
    pub fn new(config: BudgetConfig, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            slots: Semaphore::new(config.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            bucket: Mutex::new(Bucket {
                tokens: f64::from(config.burst.max(1)),
                at: now,
                paused_until: now,
            }),
            rng: SplitMix64::new(seed),
            sent: AtomicU32::new(0),
            config,
        }
    }

    /// Runs one call under the budget: waits for a slot, sends, classifies, retries what may be
    /// retried.
    ///
    /// `call` is the IAM action or Azure operation (`rds:DescribeDBClusters`); `send` makes one
    /// attempt each time it is called. An attempt that takes longer than the configured time-out
    /// is dropped, and counts as unreachable.
    ///
    /// # Errors
    /// The last attempt's error, once it may not be retried, or attempts or patience are used up.
    /// [`Reason::Throttled`] if the call never left the queue.
    pub async fn call<T, E, F, Fut>(&self, call: &str, mut send: F) -> Result<T, CallError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Classify,
    {
        let mut patience = Patience {
            left: self.config.patience,
        };
        let mut last: Option<CallError> = None;
        for attempt in 1.. {
            let slot = match self.admit(&mut patience).await {
                Some(slot) => slot,
                None => {
                    return Err(match last {
                        Some(error) => out_of_patience(error, attempt - 1, None),
                        None => self.queued(call),
                    });
                }
            };
            self.sent.fetch_add(1, Ordering::Relaxed);
            let sent = Instant::now();
            let answer = timeout(self.config.attempt_timeout, send()).await;
            let took = sent.elapsed();
            let classified = match answer {
                Ok(Ok(answer)) => {
                    self.config.observer.attempt(call, None, took);
                    return Ok(answer);
                }
                Ok(Err(error)) => error.classify(call),
                Err(_elapsed) => self.too_slow(call).retry(Retry::Yes),
            };
            // Nobody waits for an answer now: let another call have the slot.
            drop(slot);
            self.config
                .observer
                .attempt(call, Some(classified.error.reason), took);

            let error = classified.error;
            let ceiling = self.config.ceiling(attempt);
            let backoff = ceiling.mul_f64(0.5 + 0.5 * self.rng.unit());
            let delay = match classified.retry {
                Retry::No => return Err(error),
                _ if attempt >= self.config.attempts => {
                    return Err(if attempt > 1 {
                        tried(error, attempt)
                    } else {
                        error
                    });
                }
                Retry::Yes => backoff,
                // Spread those who were told the same time.
                Retry::After(told) => told.saturating_add(backoff.min(self.config.base_delay)),
            };
            tracing::debug!(
                call,
                attempt,
                reason = error.reason.as_str(),
                ?delay,
                "call failed, trying again"
            );
            // No clock holds what a provider may write into `Retry-After`.
            let until = Instant::now() + delay.min(FAR);
            if error.reason == Reason::Throttled {
                let mut bucket = lock(&self.bucket);
                bucket.paused_until = bucket.paused_until.max(until);
            }
            if !patience.wait_until(until).await {
                let told = match classified.retry {
                    Retry::After(told) => Some(told),
                    Retry::Yes | Retry::No => None,
                };
                return Err(out_of_patience(error, attempt, told));
            }
            last = Some(error);
        }
        // Not reached: the loop ends by its own returns, as `attempts` is finite.
        Err(last.unwrap_or_else(|| self.queued(call)))
    }

    /// Requests sent so far, retries included.
    pub fn requests(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Pages that one listing may read; more is [`Reason::Capped`].
    pub const fn max_pages(&self) -> usize {
        self.config.max_pages
    }

    /// The error for a listing that has more than [`Budget::max_pages`] pages.
    pub fn capped(&self, call: &str) -> CallError {
        let message = format!(
            "more than {} pages; the rest was not read",
            self.config.max_pages
        );
        CallError::new(Reason::Capped, call, message)
    }

    /// Waits for a slot and for the rate; `None` when patience ends first.
    async fn admit(&self, patience: &mut Patience) -> Option<SemaphorePermit<'_>> {
        let asked = Instant::now();
        // The semaphore is never closed: the only error is the time-out.
        let slot = timeout(patience.left, self.slots.acquire())
            .await
            .ok()?
            .ok()?;
        patience.spend(asked.elapsed());
        let mut due = self.reserve();
        loop {
            if !patience.wait_until(due).await {
                self.give_back();
                return None;
            }
            // Someone else may have been told to pause meanwhile.
            let paused_until = lock(&self.bucket).paused_until;
            if paused_until <= Instant::now() {
                return Some(slot);
            }
            due = paused_until;
        }
    }

    /// Takes one token, and says when it is there.
    fn reserve(&self) -> Instant {
        let now = Instant::now();
        let rate = self.config.rate();
        let mut bucket = lock(&self.bucket);
        let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
        bucket.tokens = (bucket.tokens + earned).min(f64::from(self.config.burst.max(1))) - 1.0;
        bucket.at = now;
        let debt = (-bucket.tokens).max(0.0) / rate;
        let due = Duration::try_from_secs_f64(debt)
            .ok()
            .and_then(|debt| now.checked_add(debt));
        due.unwrap_or(now + FAR).max(bucket.paused_until)
    }

    fn give_back(&self) {
        lock(&self.bucket).tokens += 1.0;
    }

    fn queued(&self, call: &str) -> CallError {
        let pause = lock(&self.bucket)
            .paused_until
            .saturating_duration_since(Instant::now());
        let message = if pause.is_zero() {
            format!(
                "not sent: the request budget of {}/s was used up for {:?}",
                self.config.per_second, self.config.patience
            )
        } else {
            format!(
                "not sent: the provider throttled another call, and nothing may be sent for {}",
                seconds(pause)
            )
        };
        CallError::new(Reason::Throttled, call, message)
    }

    fn too_slow(&self, call: &str) -> CallError {
        let message = format!("no answer within {:?}", self.config.attempt_timeout);
        CallError::new(Reason::Unreachable, call, message)
    }
}

// === impl Patience ===

impl Patience {
    fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// Sleeps until `due`; `false`, at once, when that is too long.
    async fn wait_until(&mut self, due: Instant) -> bool {
        let wait = due.saturating_duration_since(Instant::now());
        if wait > self.left {
            return false;
        }
        if !wait.is_zero() {
            sleep_until(due).await;
            self.spend(wait);
        }
        true
    }
}

/// `told` is how long the provider asked to wait.
fn out_of_patience(error: CallError, attempts: u32, told: Option<Duration>) -> CallError {
    let told = told.map(|told| format!("; the provider asked to wait {}", seconds(told)));
    let message = one_line(&format!(
        "{} (gave up waiting, after {}{})",
        error.message,
        times(attempts),
        told.unwrap_or_default()
    ));
    CallError { message, ..error }
}

/// Whole seconds, rounded up: nobody waits for a fraction less.
fn seconds(time: Duration) -> String {
    let up = u64::from(time.subsec_nanos() > 0);
    format!("{} s", time.as_secs().saturating_add(up))
}

fn tried(error: CallError, attempts: u32) -> CallError {
    let message = one_line(&format!("{} (after {})", error.message, times(attempts)));
    CallError { message, ..error }
}

fn times(attempts: u32) -> String {
    format!("{attempts} attempt{}", if attempts == 1 { "" } else { "s" })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks; were it so, the numbers would still do.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longer than anyone's patience.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests;
