//! What the tests of this folder share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::Arc;

use muster_cloud::{Budget, BudgetConfig};
use muster_model::{Database, Scan, Scope, Service};

use super::pages::{Calls, Listing};

/// An empty scan of account 111111111111 in us-east-1.
pub(super) fn empty(service: Service) -> Scan {
    Scan::empty(Arc::new(Scope::aws("111111111111", "us-east-1", service)))
}

/// The end of a scan whose listings were all read.
pub(super) fn finished(scan: Scan) -> Scan {
    let calls = Calls::new(Arc::new(Budget::new(BudgetConfig::default(), 0)));
    calls.finish(
        scan,
        [Listing {
            answered: true,
            failure: None,
        }],
    )
}

/// The one database that was found.
pub(super) fn only(scan: &Scan) -> &Database {
    assert_eq!((scan.found.len(), &scan.malformed), (1, &Vec::new()));
    &scan.found[0]
}

/// `role host:port`, or `role -`, of all that was found, in the order of the ids.
pub(super) fn endpoints(scan: &Scan) -> Vec<String> {
    let mut found: Vec<_> = scan.found.iter().collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
        .into_iter()
        .map(|it| match &it.endpoint {
            Some(endpoint) => format!("{} {endpoint}", it.role),
            None => format!("{} -", it.role),
        })
        .collect()
}
