//! ElastiCache serverless caches.
//!
//! A cache names its subnets and not their network. The cache subnet groups of the region name both, so that the
//! network is known where one of them holds the cache's subnet; elsewhere it is marked as not read.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use aws_sdk_elasticache::{
    Client,
    types::{CacheSubnetGroup, ServerlessCache},
};
use futures::future::join;
use muster_cloud::aws::AwsRegion;
use muster_model::{EndpointRole, Kind, Scan, Scope, Unread, fact};

use super::{
    elasticache::{
        group::{cache_protocol, login, place},
        networks,
    },
    listener::Listener,
    pages::Calls,
    record::{Checked, Record},
    tags::Tags,
};
use crate::{Scanner, states};

#[cfg(test)]
mod tests;

const CACHES: &str = "elasticache:DescribeServerlessCaches";
/// Records a page: the most that the API gives.
const PAGE: i32 = 100;

/// Reads the serverless caches of one region.
#[derive(Debug)]
pub(super) struct Serverless {
    region: AwsRegion,
    scope: Arc<Scope>,
}

/// What the caches' records do not say.
#[derive(Debug, Default)]
struct Around {
    /// The network of each subnet.
    networks: HashMap<String, String>,
    tags: Tags,
}

impl Serverless {
    pub(super) const fn new(region: AwsRegion, scope: Arc<Scope>) -> Self {
        Self { region, scope }
    }
}

#[async_trait]
impl Scanner for Serverless {
    fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    async fn scan(&self) -> Scan {
        let client = Client::new(self.region.sdk_config());
        let calls = Calls::new(self.region.budget("elasticache"));
        let mut scan = Scan::empty(Arc::clone(&self.scope));
        let mut caches = Vec::new();
        let listing = calls
            .pages(
                CACHES,
                |token| {
                    client
                        .describe_serverless_caches()
                        .max_results(PAGE)
                        .set_next_token(token)
                        .send()
                },
                |page| {
                    caches.extend(page.serverless_caches.unwrap_or_default());
                    page.next_token
                },
            )
            .await;
        if !caches.is_empty() {
            let arns = caches
                .iter()
                .filter_map(|cache| cache.arn.clone())
                .collect();
            let tags = Tags::read(
                &self.region,
                &client,
                &calls,
                "elasticache:serverlesscache",
                arns,
                &mut scan,
            );
            let ((groups, groups_read), tags) = join(networks(&client, &calls), tags).await;
            scan.warnings.extend(groups_read.failure);
            let around = Around {
                networks: by_subnet(groups),
                tags,
            };
            for record in caches {
                take(record, &around, &mut scan);
            }
        }
        calls.finish(scan, [listing])
    }
}

fn by_subnet(groups: Vec<CacheSubnetGroup>) -> HashMap<String, String> {
    let mut networks = HashMap::new();
    for group in groups {
        let (Some(vpc), Some(subnets)) = (group.vpc_id, group.subnets) else {
            continue;
        };
        networks.extend(
            subnets
                .into_iter()
                .filter_map(|it| it.subnet_identifier)
                .map(|it| (it, vpc.clone())),
        );
    }
    networks
}

fn take(record: ServerlessCache, around: &Around, scan: &mut Scan) {
    if let Err(malformed) = map(record, around, scan) {
        scan.malformed.push(malformed);
    }
}

fn map(record: ServerlessCache, around: &Around, scan: &mut Scan) -> Checked<()> {
    let mut seen = Record::new(
        &scan.scope,
        CACHES,
        (Kind::ElasticacheServerless, "ElastiCache serverless cache"),
        record.arn,
        record.serverless_cache_name,
    )?;
    let engine = seen.need("engine", record.engine)?;
    let protocol = cache_protocol(&engine);
    seen.engine(
        engine,
        record.full_engine_version.or(record.major_engine_version),
        protocol,
    )?;
    seen.state(&states::ELASTICACHE, record.status)?;
    around.tags.give(&mut seen)?;
    let subnets = record.subnet_ids.unwrap_or_default();
    seen.vpc(
        subnets
            .iter()
            .find_map(|subnet| around.networks.get(subnet))
            .cloned(),
    )?;
    if !seen.has_vpc() {
        seen.unread(Unread::Vpc);
    }
    // A serverless cache cannot be had without encryption in transit.
    seen.fact(fact::TLS, Some("required".to_owned()))?;
    seen.fact(fact::MODE, Some("serverless".to_owned()))?;
    let user_group: Vec<_> = record
        .user_group_id
        .into_iter()
        .filter(|id| !id.is_empty())
        .collect();
    login(&mut seen, &user_group)?;
    seen.created(record.create_time);

    let endpoint = place(&seen, record.endpoint)?;
    let mut listeners = vec![Listener::new(EndpointRole::Serverless, endpoint)];
    if let Some(endpoint) = place(&seen, record.reader_endpoint)? {
        listeners.push(Listener::new(EndpointRole::Reader, Some(endpoint)));
    }
    seen.listen(listeners, scan);
    Ok(())
}
