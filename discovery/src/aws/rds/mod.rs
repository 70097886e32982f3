//! RDS: instances, Aurora clusters and Multi-AZ DB clusters.
//!
//! Two listings, each read once and unfiltered. A cluster's network, certificate authority and public address stand
//! with its instances, so the instances' listing serves both: there is no call per cluster.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_rds::{
    Client,
    types::{DbCluster, DbInstance},
};
use futures::future::join;
use muster_cloud::aws::AwsRegion;
use muster_model::{Scan, Scope};

use self::members::Members;
use super::pages::{Calls, Listing};
use crate::Scanner;

mod cluster;
mod instance;
mod members;
#[cfg(test)]
mod tests;

const INSTANCES: &str = "rds:DescribeDBInstances";
const CLUSTERS: &str = "rds:DescribeDBClusters";
/// Records a page: the most that the API gives.
pub(super) const PAGE: i32 = 100;

/// What the records of a region become, when both listings were read to their end. It asks nothing: this is all that
/// muster itself does with records that the SDK has parsed, and what the benchmark measures.
pub fn rds_records(
    scope: Arc<Scope>,
    instances: impl IntoIterator<Item = DbInstance>,
    clusters: impl IntoIterator<Item = DbCluster>,
) -> Scan {
    let mut scan = Scan::empty(scope);
    let mut members = Members::default();
    for record in instances {
        instance::take(record, &mut members, &mut scan);
    }
    members.complete = true;
    for record in clusters {
        cluster::take(record, &members, &mut scan);
    }
    scan.finish(true)
}

/// Reads the RDS of one region.
#[derive(Debug)]
pub(super) struct Rds {
    region: AwsRegion,
    scope: Arc<Scope>,
}

impl Rds {
    pub(super) const fn new(region: AwsRegion, scope: Arc<Scope>) -> Self {
        Self { region, scope }
    }
}

#[async_trait]
impl Scanner for Rds {
    fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    async fn scan(&self) -> Scan {
        let client = Client::new(self.region.sdk_config());
        let calls = Calls::new(self.region.budget("rds"));
        let mut scan = Scan::empty(Arc::clone(&self.scope));
        let mut members = Members::default();
        let mut clusters = Vec::new();

        let read_clusters = calls.pages(
            CLUSTERS,
            |marker| {
                client
                    .describe_db_clusters()
                    .max_records(PAGE)
                    .set_marker(marker)
                    .send()
            },
            |page| {
                clusters.extend(page.db_clusters.unwrap_or_default());
                page.marker
            },
        );
        let read_instances = calls.pages(
            INSTANCES,
            |marker| {
                client
                    .describe_db_instances()
                    .max_records(PAGE)
                    .set_marker(marker)
                    .send()
            },
            |page| {
                for record in page.db_instances.unwrap_or_default() {
                    instance::take(record, &mut members, &mut scan);
                }
                page.marker
            },
        );
        let (clusters_read, instances_read): (Listing, Listing) =
            join(read_clusters, read_instances).await;

        members.complete = instances_read.is_complete();
        for record in clusters {
            cluster::take(record, &members, &mut scan);
        }
        calls.finish(scan, [clusters_read, instances_read])
    }
}
