//! Scanners for Azure Database for PostgreSQL and MySQL, flexible and single server.
//!
//! Flexible servers are listed by the clients of `azure_mgmt_postgresql` and `azure_mgmt_mysql`, and their records are
//! those crates' types. The API of single servers is in no release of these crates, and the service is retired in the
//! public cloud, though not in every other: it is listed by calls of our own, and a cloud that no longer knows the
//! resource type has no such servers.
//!
//! A listing costs one call a page, and nothing per server. Everything that is listed is reported, without filters,
//! so that a person can ask why something is not enrolled.

mod arm;
mod mysql;
mod pages;
mod postgresql;
mod product;
mod server;
mod single;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use muster_cloud::{
    CallError, Reason,
    azure::{AzureAccess, Listing, ListingCall},
};
use muster_model::{Scan, Scope};

use self::product::Product;
use crate::{Scanner, failure::failure};

/// The scanner of an Azure scope; none when the scope's service is not one of Azure.
pub fn azure_scanner(access: Arc<AzureAccess>, scope: Arc<Scope>) -> Option<Box<dyn Scanner>> {
    let product = Product::of(scope.service)?;
    Some(Box::new(Servers {
        access,
        scope,
        product,
    }))
}

/// The servers of one product in one subscription or resource group.
struct Servers {
    access: Arc<AzureAccess>,
    scope: Arc<Scope>,
    product: &'static Product,
}

#[async_trait]
impl Scanner for Servers {
    fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    async fn scan(&self) -> Scan {
        let mut scan = Scan::empty(Arc::clone(&self.scope));
        let listing = self.listing();
        if let Err(error) = self.read(&listing, &mut scan).await {
            scan.fail(failure(error));
        }
        scan.requests = listing.requests();
        scan.finish(listing.answered())
    }
}

impl Servers {
    fn listing(&self) -> Listing {
        self.access.listing(ListingCall {
            account: self.scope.account.to_string(),
            service: self.scope.service.to_string(),
            permission: self.product.permission(),
            absent: self.product.absent,
        })
    }

    /// Reads every page into the scan. What was read before an error stays.
    async fn read(&self, listing: &Listing, scan: &mut Scan) -> Result<(), CallError> {
        arm::check_scope(&self.scope)
            .map_err(|text| CallError::new(Reason::Rejected, listing.name(), text))?;
        let mut pages = pages::pages(self.product, listing, &self.access, &self.scope)?;
        while let Some(page) = pages.next().await {
            page?;
            for record in listing.take() {
                match server::database(self.product, &self.scope, record.get()) {
                    Ok(database) => scan.found.push(database),
                    Err(malformed) => scan.malformed.push(malformed),
                }
            }
        }
        Ok(())
    }
}
