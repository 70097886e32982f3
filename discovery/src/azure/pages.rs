//! How each product's pages are asked for.
//!
//! Whoever asks, the records of a page are at [`Listing::take`] once the stream has given it.

use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use muster_cloud::{
    CallError,
    azure::{AzureAccess, Listing},
};
use muster_model::{Kind, Scope};

use super::product::Product;

/// Pages that were read; ends after the first that was not.
pub(super) type Pages = BoxStream<'static, Result<(), CallError>>;

/// The last version of the single servers' API.
const SINGLE_VERSION: &str = "2017-12-01";

/// The pages of one listing.
pub(super) fn pages(
    product: &Product,
    listing: &Listing,
    access: &AzureAccess,
    scope: &Scope,
) -> Result<Pages, CallError> {
    match product.kind {
        Kind::AzurePostgresqlFlexible => postgresql_flexible(listing, access, scope),
        Kind::AzureMysqlFlexible => mysql_flexible(listing, access, scope),
        _ => Ok(single(product, listing, scope)),
    }
}

/// The crates' clients are alike, but of different types.
macro_rules! flexible {
    ($name:ident, $package:path) => {
        fn $name(
            listing: &Listing,
            access: &AzureAccess,
            scope: &Scope,
        ) -> Result<Pages, CallError> {
            use $package as package;
            let client = package::Client::builder(listing.credential())
                .endpoint(access.management().clone())
                .scopes(&[&access.management_scope()])
                .transport(listing.transport())
                .retry(listing.retry())
                .build()
                .map_err(|error| listing.error(error))?
                .servers_client();
            let subscription = scope.account.as_str();
            let pages = match &scope.resource_group {
                Some(group) => client
                    .list_by_resource_group(subscription, group)
                    .into_stream()
                    .boxed(),
                None => client.list(subscription).into_stream().boxed(),
            };
            let listing = listing.clone();
            Ok(pages
                .map_ok(drop)
                .map_err(move |error| listing.error(error))
                .boxed())
        }
    };
}

flexible!(
    postgresql_flexible,
    azure_mgmt_postgresql::package_flexibleserver_2024_08_01
);
flexible!(
    mysql_flexible,
    azure_mgmt_mysql::package_flexibleserver_2024_01_01
);

fn single(product: &Product, listing: &Listing, scope: &Scope) -> Pages {
    let mut path = vec!["subscriptions", scope.account.as_str()];
    if let Some(group) = &scope.resource_group {
        path.extend(["resourceGroups", group]);
    }
    path.extend(["providers", product.namespace, product.type_name]);
    let first = listing.url(&path, SINGLE_VERSION);
    let listing = listing.clone();
    stream::try_unfold(Some(first), move |next| {
        let listing = listing.clone();
        async move {
            let Some(url) = next else { return Ok(None) };
            Ok(Some(((), listing.read(&url).await?)))
        }
    })
    .boxed()
}
