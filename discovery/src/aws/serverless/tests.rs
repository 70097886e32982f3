#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeMap;

use aws_sdk_elasticache::types::{Endpoint, Subnet, builders::ServerlessCacheBuilder};
use muster_model::{Protocol, Service, Unsupported};

use super::*;
use crate::aws::testkit::{empty, endpoints, finished, only};

const ARN: &str = "arn:aws:elasticache:us-east-1:222222222222:serverlesscache:sessions";

fn cache(engine: &str) -> ServerlessCacheBuilder {
    ServerlessCache::builder()
        .serverless_cache_name("sessions")
        .arn(ARN)
        .engine(engine)
        .major_engine_version("8")
        .full_engine_version("8.1")
        .status("available")
        .subnet_ids("subnet-1")
        .endpoint(endpoint(6379))
}

fn endpoint(port: i32) -> Endpoint {
    Endpoint::builder()
        .address("sessions-abc.serverless.use1.cache.amazonaws.com")
        .port(port)
        .build()
}

fn around() -> Around {
    let subnet = Subnet::builder().subnet_identifier("subnet-1").build();
    let group = CacheSubnetGroup::builder()
        .vpc_id("vpc-7")
        .subnets(subnet)
        .build();
    let tags = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    Around {
        networks: by_subnet(vec![group]),
        tags: Tags::known(HashMap::from([(ARN.to_owned(), tags)]), true),
    }
}

fn scanned(record: ServerlessCache, around: &Around) -> Scan {
    let mut scan = empty(Service::ElasticacheServerless);
    take(record, around, &mut scan);
    finished(scan)
}

#[test]
fn a_cache_has_one_endpoint_and_a_reader_where_one_is_reported() {
    let scan = scanned(cache("valkey").user_group_id("users").build(), &around());
    let it = only(&scan);
    assert_eq!(it.id.as_str(), format!("{ARN}#serverless"));
    assert_eq!(
        (it.kind, it.protocol),
        (Kind::ElasticacheServerless, Some(Protocol::Redis))
    );
    assert_eq!(
        (it.engine_version.as_str(), it.derived["vpc-id"].as_str()),
        ("8.1", "vpc-7")
    );
    assert_eq!(
        (it.fact(fact::TLS), it.fact(fact::MODE)),
        (Some("required"), Some("serverless"))
    );
    assert_eq!(
        (it.fact(fact::USER_GROUPS), it.fact(fact::IAM_AUTH)),
        (Some("users"), Some("true"))
    );
    assert_eq!(
        (
            it.tags["env"].as_str(),
            it.derived["endpoint-type"].as_str()
        ),
        ("prod", "serverless")
    );

    let scan = scanned(
        cache("redis").reader_endpoint(endpoint(6380)).build(),
        &around(),
    );
    assert_eq!(
        endpoints(&scan),
        [
            "reader sessions-abc.serverless.use1.cache.amazonaws.com:6380",
            "serverless sessions-abc.serverless.use1.cache.amazonaws.com:6379",
        ]
    );
    assert_eq!(
        scan.found[0].fact(fact::IAM_AUTH),
        None,
        "no users, no way to log in by IAM"
    );
}

#[test]
fn memcached_is_listed_as_an_engine_that_is_not_served() {
    let scan = scanned(cache("memcached").build(), &around());
    assert_eq!(
        only(&scan).unsupported,
        Some(Unsupported::Engine {
            engine: "memcached".to_owned()
        })
    );
    assert_eq!(only(&scan).protocol, None);
}

#[test]
fn a_network_or_tags_that_are_not_known_are_marked() {
    let scan = scanned(cache("valkey").build(), &Around::default());
    let marks: Vec<_> = only(&scan).unread.iter().copied().collect();
    assert_eq!(marks, [Unread::Tags, Unread::Vpc]);
}

#[test]
fn a_cache_that_is_being_made_has_no_endpoint_and_one_without_a_name_is_malformed() {
    let scan = scanned(
        cache("valkey")
            .set_endpoint(None)
            .status("creating")
            .build(),
        &around(),
    );
    assert_eq!(endpoints(&scan), ["serverless -"]);
    let scan = scanned(
        cache("valkey").set_serverless_cache_name(None).build(),
        &around(),
    );
    assert_eq!(
        (scan.found.len(), scan.malformed[0].provider_id.as_deref()),
        (0, Some(ARN))
    );
}
