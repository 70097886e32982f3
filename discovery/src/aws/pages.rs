//! Reading every page of a listing, and ending a scan.

use std::{
    collections::HashSet,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use muster_cloud::{Budget, CallError, Classify};
use muster_model::{Failure, FailureReason, Malformed, Scan};

use crate::failure::failure;

/// The calls of one scan: their budget, and how many were sent.
#[derive(Debug)]
pub(super) struct Calls {
    budget: Arc<Budget>,
    sent: AtomicU32,
}

/// How the reading of a listing went.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Whether at least one page was read.
    pub(super) answered: bool,
    /// Why it ended before the last page.
    pub(super) failure: Option<Failure>,
}

// === impl Calls ===

impl Calls {
    pub(super) const fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            sent: AtomicU32::new(0),
        }
    }

    /// One call, retried as the budget allows.
    pub(super) async fn call<T, E, Fut>(
        &self,
        call: &'static str,
        mut send: impl FnMut() -> Fut,
    ) -> Result<T, CallError>
    where
        E: Classify,
        Fut: Future<Output = Result<T, E>>,
    {
        self.budget
            .call(call, || {
                self.sent.fetch_add(1, Ordering::Relaxed);
                send()
            })
            .await
    }

    /// Reads every page. `send` asks for the page behind a marker; `take` takes a page and gives the next marker.
    ///
    /// A page without records is no end, a page without a marker is. A marker that comes twice would never end, so
    /// it ends the listing as truncated; so does a page beyond the budget's cap, as capped.
    pub(super) async fn pages<T, E, Fut>(
        &self,
        call: &'static str,
        send: impl Fn(Option<String>) -> Fut,
        mut take: impl FnMut(T) -> Option<String>,
    ) -> Listing
    where
        E: Classify,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut listing = Listing::default();
        let mut markers = HashSet::new();
        let mut marker: Option<String> = None;
        for _ in 0..self.budget.max_pages() {
            let page = match self.call(call, || send(marker.clone())).await {
                Ok(page) => page,
                Err(error) => return listing.ended(failure(error)),
            };
            listing.answered = true;
            marker = take(page).filter(|marker| !marker.is_empty());
            let Some(next) = &marker else {
                return listing;
            };
            if !markers.insert(next.clone()) {
                let message = format!(
                    "the same marker came twice, after {} pages",
                    markers.len() + 1
                );
                return listing.ended(own_failure(FailureReason::Truncated, call, message));
            }
        }
        let message = format!(
            "more than {} pages, the limit of one listing",
            self.budget.max_pages()
        );
        listing.ended(own_failure(FailureReason::Capped, call, message))
    }

    /// Requests sent, with those that were tried again.
    pub(super) fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends a scan: what was read twice counts once, and the coverage is settled. `listings` are the calls that find
    /// databases.
    pub(super) fn finish(
        &self,
        mut scan: Scan,
        listings: impl IntoIterator<Item = Listing>,
    ) -> Scan {
        let mut answered = false;
        for listing in listings {
            answered |= listing.answered;
            if let Some(failure) = listing.failure {
                scan.fail(failure);
            }
        }
        scan.requests = scan.requests.saturating_add(self.sent());
        // The sort is stable, so of two records with one id the one that was read later is the last.
        scan.found.sort_by(|a, b| a.id.cmp(&b.id));
        scan.found.dedup_by(|later, kept| {
            let same = later.id == kept.id;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        let key = |record: &Malformed| {
            (
                record.provider_id.clone(),
                record.call.clone(),
                record.message.clone(),
            )
        };
        scan.malformed.sort_by_cached_key(key);
        scan.malformed.dedup();
        scan.finish(answered)
    }
}

// === impl Listing ===

impl Listing {
    /// Whether every page was read.
    pub(super) const fn is_complete(&self) -> bool {
        self.failure.is_none()
    }

    fn ended(mut self, failure: Failure) -> Self {
        self.failure = Some(failure);
        self
    }
}

fn own_failure(reason: FailureReason, call: &str, message: String) -> Failure {
    Failure {
        reason,
        call: call.to_owned(),
        message,
        permission: None,
    }
}

#[cfg(test)]
mod tests;
