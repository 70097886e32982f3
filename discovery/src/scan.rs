//! [`Scanner`], and [`run`]: many scopes at once, with a cap, losing none.

use std::{any::Any, collections::HashMap, sync::Arc};

use async_trait::async_trait;
use muster_model::{Coverage, Failure, FailureReason, Scan, Scope};
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet},
};
use tracing::{debug, warn};

/// Reads one scope.
#[async_trait]
pub trait Scanner: Send + Sync {
    /// What it reads.
    fn scope(&self) -> &Arc<Scope>;

    /// Reads it once. Never fails: what went wrong is in the scan's coverage.
    async fn scan(&self) -> Scan;
}

/// Runs all scanners, at most `concurrency` at a time (at least one), each as a task of its own.
///
/// The scans come back in the order of the scanners. `progress` is told of each as it ends. A scanner
/// that panics gives an unread scan with [`FailureReason::Internal`] and costs the others nothing.
/// Dropping the future stops all scanners.
pub async fn run(
    scanners: Vec<Box<dyn Scanner>>,
    concurrency: usize,
    mut progress: impl FnMut(&Scan),
) -> Vec<Scan> {
    let slots = Arc::new(Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)));
    let scopes: Vec<_> = scanners
        .iter()
        .map(|scanner| Arc::clone(scanner.scope()))
        .collect();
    let mut scans: Vec<Option<Scan>> = scopes.iter().map(|_| None).collect();
    let mut places = HashMap::with_capacity(scopes.len());
    let mut tasks = JoinSet::new();
    for (place, scanner) in scanners.into_iter().enumerate() {
        let slots = Arc::clone(&slots);
        let task = tasks.spawn(async move {
            // The semaphore is never closed; without a permit the scan would merely start at once.
            let _slot = slots.acquire_owned().await;
            scanner.scan().await
        });
        places.insert(task.id(), place);
    }
    while let Some(ended) = tasks.join_next_with_id().await {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some((&place, scope)) = places
            .get(&id)
            .and_then(|place| Some((place, scopes.get(*place)?)))
        else {
            continue;
        };
        let scan = match ended {
            Ok((_, scan)) => scan,
            Err(error) => broken_off(scope, error),
        };
        debug!(scope = %scan.scope, coverage = scan.coverage.as_str(), found = scan.found.len(), "scope scanned");
        progress(&scan);
        if let Some(slot) = scans.get_mut(place) {
            *slot = Some(scan);
        }
    }
    scans.into_iter().flatten().collect()
}

/// The scan of a scanner that ended without one.
fn broken_off(scope: &Arc<Scope>, error: JoinError) -> Scan {
    let message = match error.try_into_panic() {
        Ok(panic) => format!("the scanner panicked: {}", panic_text(panic.as_ref())),
        Err(_) => "the scanner was cancelled".to_owned(),
    };
    warn!(%scope, message, "scanner broke off");
    let mut scan = Scan::empty(Arc::clone(scope));
    scan.coverage = Coverage::Unread(vec![Failure {
        reason: FailureReason::Internal,
        call: format!("scan {}", scope.service),
        message,
        permission: None,
    }]);
    scan
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests;
