//! DocumentDB clusters.
//!
//! The answer to `DescribeDBClusters` carries the tags, but the record of the DocumentDB crate has no place for them.
//! So the tags are read by the same call through the RDS crate: it is the same API, under the same permission, and
//! one listing for the whole scope. Elastic clusters have an API of their own and are not read.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use aws_sdk_docdb::types::{DbCluster, Filter};
use aws_sdk_rds::types as rds;
use muster_cloud::aws::AwsRegion;
use muster_model::{EndpointRole, FailureReason, Kind, Protocol, Scan, Scope, Unread, fact};

use super::{
    listener::Listener,
    pages::{Calls, Listing},
    rds::PAGE,
    record::{Checked, Record},
};
use crate::{Scanner, states};

const CLUSTERS: &str = "rds:DescribeDBClusters";
const ENGINE: &str = "docdb";

/// Reads the DocumentDB of one region.
#[derive(Debug)]
pub(super) struct Docdb {
    region: AwsRegion,
    scope: Arc<Scope>,
}

/// The tags of the clusters, by ARN. A cluster that is not in it has unknown tags.
type Tags = HashMap<String, Vec<rds::Tag>>;

impl Docdb {
    pub(super) const fn new(region: AwsRegion, scope: Arc<Scope>) -> Self {
        Self { region, scope }
    }

    async fn clusters(&self, calls: &Calls) -> (Vec<DbCluster>, Listing) {
        let client = aws_sdk_docdb::Client::new(self.region.sdk_config());
        let filter = Filter::builder().name("engine").values(ENGINE).build();
        let mut found = Vec::new();
        let listing = calls
            .pages(
                CLUSTERS,
                |marker| {
                    let request = client
                        .describe_db_clusters()
                        .max_records(PAGE)
                        .set_marker(marker);
                    request.filters(filter.clone()).send()
                },
                |page| {
                    found.extend(page.db_clusters.unwrap_or_default());
                    page.marker
                },
            )
            .await;
        (found, listing)
    }

    async fn tags(&self, calls: &Calls) -> (Tags, Listing) {
        let client = aws_sdk_rds::Client::new(self.region.sdk_config());
        let filter = rds::Filter::builder().name("engine").values(ENGINE).build();
        let mut tags = Tags::new();
        let listing = calls
            .pages(
                CLUSTERS,
                |marker| {
                    let request = client
                        .describe_db_clusters()
                        .max_records(PAGE)
                        .set_marker(marker);
                    request.filters(filter.clone()).send()
                },
                |page| {
                    let clusters = page.db_clusters.unwrap_or_default().into_iter();
                    tags.extend(clusters.filter_map(told));
                    page.marker
                },
            )
            .await;
        (tags, listing)
    }
}

/// The tags that a record tells. One without a list, which is not an empty one, tells nothing.
fn told(record: rds::DbCluster) -> Option<(String, Vec<rds::Tag>)> {
    Some((record.db_cluster_arn?, record.tag_list?))
}

#[async_trait]
impl Scanner for Docdb {
    fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    async fn scan(&self) -> Scan {
        let calls = Calls::new(self.region.budget("rds"));
        let mut scan = Scan::empty(Arc::clone(&self.scope));
        let (clusters, mut listing) = self.clusters(&calls).await;
        // A region that does not know the engine has no cluster of it: that is an answer, not a failure.
        if !listing.answered
            && let Some(failure) = listing
                .failure
                .take_if(|it| it.reason == FailureReason::UnsupportedEngine)
        {
            listing.answered = true;
            scan.warnings.push(failure);
        }
        if !clusters.is_empty() {
            let (tags, read) = self.tags(&calls).await;
            scan.warnings.extend(read.failure);
            for record in clusters {
                take(record, &tags, &mut scan);
            }
        }
        calls.finish(scan, [listing])
    }
}

/// Takes one record. Other engines are the RDS scanner's, should an endpoint not know the filter.
fn take(record: DbCluster, tags: &Tags, scan: &mut Scan) {
    if record
        .engine
        .as_deref()
        .is_some_and(|engine| engine != ENGINE)
    {
        return;
    }
    if let Err(malformed) = map(record, tags, scan) {
        scan.malformed.push(malformed);
    }
}

fn map(record: DbCluster, tags: &Tags, scan: &mut Scan) -> Checked<()> {
    let mut seen = Record::new(
        &scan.scope,
        CLUSTERS,
        (Kind::Docdb, "DocumentDB cluster"),
        record.db_cluster_arn,
        record.db_cluster_identifier,
    )?;
    let engine = seen.need("engine", record.engine)?;
    seen.engine(engine, record.engine_version, Some(Protocol::Mongodb))?;
    seen.need_version(5, 0);
    seen.state(&states::CLUSTER, record.status)?;
    match tags.get(seen.arn()) {
        Some(tags) => seen.tags(tags.iter().cloned().map(|tag| (tag.key, tag.value)))?,
        None => seen.unread(Unread::Tags),
    }
    seen.fact(fact::RESOURCE_ID, record.db_cluster_resource_id)?;
    seen.created(record.cluster_create_time);

    let members = record.db_cluster_members.unwrap_or_default();
    let writers = members
        .iter()
        .filter(|member| member.is_cluster_writer == Some(true))
        .count();
    if members.is_empty() {
        seen.note("the provider lists no instances of this cluster");
    }
    let mut listeners = Vec::with_capacity(2);
    if writers > 0 || members.is_empty() {
        listeners.push(Listener::new(
            EndpointRole::Cluster,
            seen.endpoint(record.endpoint, record.port)?,
        ));
    }
    if writers < members.len() {
        listeners.push(Listener::new(
            EndpointRole::Reader,
            seen.endpoint(record.reader_endpoint, record.port)?,
        ));
    }
    seen.listen(listeners, scan);
    Ok(())
}

#[cfg(test)]
mod tests;
