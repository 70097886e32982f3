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

    /// An answer that was read anyway had this date, to the second, when it was so late here.
    fn date(&self, cloud: Cloud, theirs: SystemTime, ours: SystemTime) {
        let _ = (cloud, theirs, ours);
    }
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

// === impl Holder ===

impl Holder {
    /// Another one.
    #[expect(
        clippy::new_without_default,
        reason = "no two are equal, so there is no default"
    )]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
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

    /// An answer has come just now, with this header `Date`.
    pub(crate) fn date(&self, cloud: Cloud, header: Option<&str>) {
        use aws_smithy_types::date_time::{DateTime, Format};
        if let Some(observer) = &self.0
            && let Some(text) = header
            && let Ok(date) = DateTime::from_str(text, Format::HttpDate)
            && let Ok(theirs) = SystemTime::try_from(date)
        {
            observer.date(cloud, theirs, SystemTime::now());
        }
    }

    /// A new holder of credentials.
    pub(crate) fn holder(&self, cloud: Cloud) -> Watch {
        Watch {
            observed: self.clone(),
            holder: Holder::new(),
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

#[cfg(test)]
pub(crate) mod testkit {
    #![allow(clippy::unwrap_used)]
    use std::sync::Mutex;

    use super::*;

    /// Writes down what it is told.
    #[derive(Debug, Default)]
    pub(crate) struct Recorder(Mutex<Vec<String>>);

    impl Recorder {
        /// One, and what it observes.
        pub(crate) fn new() -> (Arc<Self>, Observed) {
            let recorder = Arc::new(Self::default());
            let observed = Observed::by(Arc::clone(&recorder) as Arc<dyn Observer>);
            (recorder, observed)
        }

        /// What it was told since it was asked last.
        pub(crate) fn told(&self) -> Vec<String> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }

        fn note(&self, what: String) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl Observer for Recorder {
        fn attempt(&self, call: &str, failed: Option<Reason>, took: Duration) {
            let outcome = failed.map_or("ok", Reason::as_str);
            self.note(format!("{call} {outcome} {took:?}"));
        }

        fn credentials(
            &self,
            _holder: Holder,
            cloud: Cloud,
            answer: Result<Option<SystemTime>, Reason>,
        ) {
            let answer = match answer {
                Ok(Some(end)) => {
                    let end = end.duration_since(SystemTime::UNIX_EPOCH).unwrap();
                    format!("until {}", end.as_secs())
                }
                Ok(None) => "without an end".to_owned(),
                Err(reason) => reason.to_string(),
            };
            self.note(format!("{cloud:?} credentials {answer}"));
        }

        fn released(&self, _holder: Holder) {
            self.note("released".to_owned());
        }
    }
}
