//! [`Observer`]: who is told of every request and of every set of credentials, for metrics.
//!
//! It is called on the way of a request, so it must neither wait nor fail. Nobody watches unless somebody is put
//! into [`BudgetConfig::observer`](crate::BudgetConfig::observer).

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::error::Reason;

/// Who is told what goes to the clouds. Each method has to return at once.
pub trait Observer: fmt::Debug + Send + Sync {
    /// One attempt at a call has ended: `failed` is none when it was answered. `call` is the permission's name
    /// (`rds:DescribeDBClusters`); `took` is the time from sending, without the wait for the budget.
    fn attempt(&self, call: &str, failed: Option<Reason>, took: Duration);

    /// Credentials were asked for. With them comes when they end; none for those without an end.
    fn credentials(&self, holder: Holder, cloud: Cloud, answer: Result<Option<SystemTime>, Reason>);

    /// A holder of credentials is gone, and its credentials with it.
    fn released(&self, holder: Holder);
}

/// Whose clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cloud {
    /// Amazon's.
    Aws,
    /// Microsoft's.
    Azure,
}

/// One who holds one set of credentials at a time: the ambient ones, or one role's. Never the same twice in a
/// process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder(u64);

/// An [`Observer`], or none. Two are equal when they are the same one.
#[derive(Clone, Default)]
pub struct Observed(Option<Arc<dyn Observer>>);

/// What tells of the credentials of one holder, to its end.
#[derive(Debug)]
pub(crate) struct Watch {
    observed: Observed,
    holder: Holder,
    cloud: Cloud,
}

// === impl Observed ===

impl Observed {
    /// Observed by this one.
    pub fn by(observer: Arc<dyn Observer>) -> Self {
        Self(Some(observer))
    }

    pub(crate) fn attempt(&self, call: &str, failed: Option<Reason>, took: Duration) {
        if let Some(observer) = &self.0 {
            observer.attempt(call, failed, took);
        }
    }

    /// A new holder of credentials.
    pub(crate) fn holder(&self, cloud: Cloud) -> Watch {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Watch {
            observed: self.clone(),
            holder: Holder(NEXT.fetch_add(1, Ordering::Relaxed)),
            cloud,
        }
    }
}

impl From<Arc<dyn Observer>> for Observed {
    fn from(observer: Arc<dyn Observer>) -> Self {
        Self::by(observer)
    }
}

impl PartialEq for Observed {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Observed"
        } else {
            "Unobserved"
        })
    }
}

// === impl Watch ===

impl Watch {
    pub(crate) fn asked(&self, answer: Result<Option<SystemTime>, Reason>) {
        if let Some(observer) = &self.observed.0 {
            observer.credentials(self.holder, self.cloud, answer);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(observer) = &self.observed.0 {
            observer.released(self.holder);
        }
    }
}
