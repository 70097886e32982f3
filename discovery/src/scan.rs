//! [`Scanner`], [`run`]: many scopes at once, with a cap, losing none; and [`run_one`]: one, for so long at most.

use std::{any::Any, collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use muster_model::{Coverage, Failure, FailureReason, Scan, Scope};
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet},
    time::timeout,
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

/// Runs one scanner, as a task of its own. One that panics, or is not done within the limit, gives an unread scan
/// with [`FailureReason::Internal`]. Dropping the future stops the scanner.
pub async fn run_one(scanner: Arc<dyn Scanner>, limit: Duration) -> Scan {
    let scope = Arc::clone(scanner.scope());
    let mut task = JoinSet::new();
    task.spawn(async move { scanner.scan().await });
    match timeout(limit, task.join_next()).await {
        Ok(Some(Ok(scan))) => scan,
        Ok(Some(Err(error))) => broken_off(&scope, error),
        Ok(None) => gave_none(&scope, "the scanner did not run".to_owned()),
        Err(_elapsed) => gave_none(
            &scope,
            format!("the scan was not done after {} s", limit.as_secs()),
        ),
    }
}

/// The scan of a scanner that ended without one.
fn broken_off(scope: &Arc<Scope>, error: JoinError) -> Scan {
    let message = match error.try_into_panic() {
        Ok(panic) => format!("the scanner panicked: {}", panic_text(panic.as_ref())),
        Err(_) => "the scanner was cancelled".to_owned(),
    };
    gave_none(scope, message)
}

fn gave_none(scope: &Arc<Scope>, message: String) -> Scan {
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
