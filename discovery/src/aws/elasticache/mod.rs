//! ElastiCache replication groups, for Redis and Valkey.
//!
//! One listing finds the groups. Versions stand with their nodes, networks with the subnet groups, tags in an API of
//! their own: each is read once for the whole scope, and only where there is a group at all. What of these cannot be
//! read is a warning and is marked on the databases; it costs no coverage.
//!
//! Nodes outside of a replication group (Memcached, and single nodes, which have no encryption in transit for Redis)
//! are not read.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use aws_sdk_elasticache::Client;
use futures::future::join;
use muster_cloud::aws::AwsRegion;
use muster_model::{Scan, Scope};

use super::{pages::Calls, tags::Tags};
use crate::Scanner;

pub(super) mod group;
#[cfg(test)]
mod tests;

const GROUPS: &str = "elasticache:DescribeReplicationGroups";
const NODES: &str = "elasticache:DescribeCacheClusters";
const SUBNETS: &str = "elasticache:DescribeCacheSubnetGroups";
/// Records a page: the most that the API gives.
const PAGE: i32 = 100;

/// Reads the replication groups of one region.
#[derive(Debug)]
pub(super) struct Elasticache {
    region: AwsRegion,
    scope: Arc<Scope>,
}

/// What the groups' records do not say.
#[derive(Debug, Default)]
struct Around {
    /// The nodes by identifier.
    nodes: HashMap<String, Node>,
    /// Whether all nodes are known.
    nodes_complete: bool,
    /// The network of each subnet group.
    networks: HashMap<String, String>,
    /// Whether all subnet groups are known.
    networks_complete: bool,
    tags: Tags,
}

/// A cache cluster, which is what the API calls a node of a group.
#[derive(Debug, Default)]
struct Node {
    engine: Option<String>,
    version: Option<String>,
    subnets: Option<String>,
}

impl Elasticache {
    pub(super) const fn new(region: AwsRegion, scope: Arc<Scope>) -> Self {
        Self { region, scope }
    }
}

#[async_trait]
impl Scanner for Elasticache {
    fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    async fn scan(&self) -> Scan {
        let client = Client::new(self.region.sdk_config());
        let calls = Calls::new(self.region.budget("elasticache"));
        let mut scan = Scan::empty(Arc::clone(&self.scope));
        let mut groups = Vec::new();
        let listing = calls
            .pages(
                GROUPS,
                |marker| {
                    client
                        .describe_replication_groups()
                        .max_records(PAGE)
                        .set_marker(marker)
                        .send()
                },
                |page| {
                    groups.extend(page.replication_groups.unwrap_or_default());
                    page.marker
                },
            )
            .await;
        if !groups.is_empty() {
            let arns = groups
                .iter()
                .filter_map(|group| group.arn.clone())
                .collect();
            let around = read_around(&self.region, &client, &calls, arns, &mut scan).await;
            for record in groups {
                group::take(record, &around, &mut scan);
            }
        }
        calls.finish(scan, [listing])
    }
}

async fn read_around(
    region: &AwsRegion,
    client: &Client,
    calls: &Calls,
    arns: Vec<String>,
    scan: &mut Scan,
) -> Around {
    let mut nodes = HashMap::new();
    let read_nodes = calls.pages(
        NODES,
        |marker| {
            client
                .describe_cache_clusters()
                .max_records(PAGE)
                .set_marker(marker)
                .send()
        },
        |page| {
            for node in page.cache_clusters.unwrap_or_default() {
                // Nodes of no group say nothing of any.
                if let (Some(id), Some(_)) = (node.cache_cluster_id, node.replication_group_id) {
                    let subnets = node.cache_subnet_group_name;
                    nodes.insert(
                        id,
                        Node {
                            engine: node.engine,
                            version: node.engine_version,
                            subnets,
                        },
                    );
                }
            }
            page.marker
        },
    );
    let networks = networks(client, calls);
    let tags = Tags::read(
        region,
        client,
        calls,
        "elasticache:replicationgroup",
        arns,
        scan,
    );
    let (nodes_read, ((networks, networks_read), tags)) =
        join(read_nodes, join(networks, tags)).await;
    let (nodes_complete, networks_complete) =
        (nodes_read.is_complete(), networks_read.is_complete());
    scan.warnings
        .extend(nodes_read.failure.into_iter().chain(networks_read.failure));
    let networks = networks
        .into_iter()
        .filter_map(|group| Some((group.cache_subnet_group_name?, group.vpc_id?)))
        .collect();
    Around {
        nodes,
        nodes_complete,
        networks,
        networks_complete,
        tags,
    }
}

/// Reads the subnet groups of the region.
pub(super) async fn networks(
    client: &Client,
    calls: &Calls,
) -> (
    Vec<aws_sdk_elasticache::types::CacheSubnetGroup>,
    super::pages::Listing,
) {
    let mut groups = Vec::new();
    let listing = calls
        .pages(
            SUBNETS,
            |marker| {
                client
                    .describe_cache_subnet_groups()
                    .max_records(PAGE)
                    .set_marker(marker)
                    .send()
            },
            |page| {
                groups.extend(page.cache_subnet_groups.unwrap_or_default());
                page.marker
            },
        )
        .await;
    (groups, listing)
}
