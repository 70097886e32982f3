#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeMap;

use aws_sdk_elasticache::types::{
    Endpoint, NodeGroup, ReplicationGroup, TransitEncryptionMode,
    builders::{NodeGroupBuilder, ReplicationGroupBuilder},
};
use muster_model::{Kind, Protocol, Service, Unread, Unsupported, fact};
use proptest::prelude::*;

use super::*;
use crate::aws::testkit::{empty, endpoints, finished, only};

fn arn(name: &str) -> String {
    format!("arn:aws:elasticache:us-east-1:222222222222:replicationgroup:{name}")
}

fn endpoint(host: &str) -> Endpoint {
    Endpoint::builder()
        .address(format!("{host}.abc.use1.cache.amazonaws.com"))
        .port(6379)
        .build()
}

fn shard(id: &str) -> NodeGroupBuilder {
    NodeGroup::builder()
        .node_group_id(id)
        .primary_endpoint(endpoint(&format!("master{id}")))
        .reader_endpoint(endpoint(&format!("replica{id}")))
}

fn group(name: &str) -> ReplicationGroupBuilder {
    ReplicationGroup::builder()
        .replication_group_id(name)
        .arn(arn(name))
        .engine("valkey")
        .status("available")
        .member_clusters(format!("{name}-001"))
        .transit_encryption_enabled(true)
        .transit_encryption_mode(TransitEncryptionMode::Required)
}

fn around(names: &[&str]) -> Around {
    let node = |name: &str| Node {
        engine: Some("valkey".to_owned()),
        version: Some("7.2.6".to_owned()),
        subnets: Some(format!("{name}-subnets")),
    };
    Around {
        nodes: names
            .iter()
            .map(|name| (format!("{name}-001"), node(name)))
            .collect(),
        nodes_complete: true,
        networks: names
            .iter()
            .map(|name| (format!("{name}-subnets"), "vpc-9".to_owned()))
            .collect(),
        networks_complete: true,
        tags: Tags::known(
            names
                .iter()
                .map(|name| {
                    (
                        arn(name),
                        BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
                    )
                })
                .collect(),
            true,
        ),
    }
}

fn scanned(records: Vec<ReplicationGroup>, around: &Around) -> Scan {
    let mut scan = empty(Service::Elasticache);
    for record in records {
        group::take(record, around, &mut scan);
    }
    finished(scan)
}

#[test]
fn a_group_has_a_primary_and_a_reader_with_what_stands_around_it() {
    let record = group("cart")
        .node_groups(shard("0001").build())
        .user_group_ids("b")
        .user_group_ids("a")
        .build();
    let scan = scanned(vec![record], &around(&["cart"]));
    assert_eq!(
        endpoints(&scan),
        [
            "primary master0001.abc.use1.cache.amazonaws.com:6379",
            "reader replica0001.abc.use1.cache.amazonaws.com:6379",
        ]
    );
    assert_eq!(
        scan.found[0].id.as_str(),
        format!("{}#primary", arn("cart"))
    );
    for it in &scan.found {
        assert_eq!(
            (it.kind, it.protocol, &it.unsupported),
            (Kind::Elasticache, Some(Protocol::Redis), &None)
        );
        assert_eq!(
            (it.engine_version.as_str(), it.derived["vpc-id"].as_str()),
            ("7.2.6", "vpc-9")
        );
        assert_eq!(
            (it.derived["engine"].as_str(), it.tags["env"].as_str()),
            ("valkey", "prod")
        );
        assert_eq!(
            (it.fact(fact::TLS), it.fact(fact::USER_GROUPS)),
            (Some("required"), Some("a,b"))
        );
        assert_eq!(it.fact(fact::IAM_AUTH), Some("true"));
        assert!(it.unread.is_empty() && it.notes.is_empty());
    }
}

#[test]
fn cluster_mode_has_one_configuration_endpoint() {
    let record = group("big")
        .cluster_enabled(true)
        .configuration_endpoint(endpoint("clustercfg"))
        .node_groups(NodeGroup::builder().node_group_id("0001").build())
        .node_groups(NodeGroup::builder().node_group_id("0002").build())
        .build();
    let scan = scanned(vec![record], &around(&["big"]));
    assert_eq!(
        endpoints(&scan),
        ["configuration clustercfg.abc.use1.cache.amazonaws.com:6379"]
    );
    assert_eq!(only(&scan).fact(fact::MODE), Some("cluster"));
}

#[test]
fn several_node_groups_have_ids_of_their_own() {
    let record = group("wide")
        .node_groups(shard("0001").build())
        .node_groups(shard("0002").build())
        .build();
    let scan = scanned(vec![record], &around(&["wide"]));
    let roles: Vec<_> = scan
        .found
        .iter()
        .map(|it| it.id.as_str().rsplit_once('#').unwrap().1)
        .collect();
    assert_eq!(
        roles,
        ["primary:0001", "primary:0002", "reader:0001", "reader:0002"]
    );
}

#[test]
fn encryption_in_transit_and_engine_decide_what_can_be_served() {
    let engine = |engine: &str| {
        Some(Unsupported::Engine {
            engine: engine.to_owned(),
        })
    };
    for (name, encrypted, mode, want, tls) in [
        ("redis", Some(true), None, None, "required"),
        (
            "valkey",
            Some(true),
            Some(TransitEncryptionMode::Preferred),
            None,
            "optional",
        ),
        ("redis", Some(false), None, Some(Unsupported::TlsOff), "off"),
        (
            "memcached",
            Some(true),
            None,
            engine("memcached"),
            "required",
        ),
    ] {
        let record = group("g")
            .engine(name)
            .set_transit_encryption_enabled(encrypted)
            .set_transit_encryption_mode(mode);
        let scan = scanned(vec![record.build()], &around(&["g"]));
        assert_eq!(
            (&only(&scan).unsupported, only(&scan).fact(fact::TLS)),
            (&want, Some(tls)),
            "{name}"
        );
    }
}

#[test]
fn a_group_that_does_not_say_whether_it_encrypts_is_malformed() {
    let silent = group("g").set_transit_encryption_enabled(None).build();
    let scan = scanned(vec![silent, group("h").build()], &around(&["g", "h"]));
    assert!(scan.found.iter().all(|it| it.identifier == "h"));
    let [malformed] = scan.malformed.as_slice() else {
        panic!("{:?}", scan.malformed)
    };
    assert_eq!(malformed.provider_id, Some(arn("g")));
    assert_eq!(
        malformed.message,
        "it does not say whether it encrypts in transit"
    );
}

#[test]
fn iam_is_known_only_from_version_seven_with_users() {
    for (version, users, want) in [
        ("7.2", true, Some("true")),
        ("6.2", true, None),
        ("7.2", false, None),
        ("", true, None),
    ] {
        let mut around = around(&["g"]);
        around.nodes.get_mut("g-001").unwrap().version = Some(version.to_owned());
        let record = group("g")
            .set_user_group_ids(users.then(|| vec!["users".to_owned()]))
            .build();
        assert_eq!(
            only(&scanned(vec![record], &around)).fact(fact::IAM_AUTH),
            want,
            "{version} {users}"
        );
    }
}

#[test]
fn what_could_not_be_read_is_marked_on_the_database() {
    let unread = Around::default();
    let scan = scanned(vec![group("g").build()], &unread);
    let marks: Vec<_> = only(&scan).unread.iter().copied().collect();
    assert_eq!(marks, [Unread::Tags, Unread::Vpc, Unread::Version]);
    assert!(
        scan.coverage.is_complete(),
        "only the listing of groups counts"
    );

    let nothing_there = Around {
        nodes_complete: true,
        networks_complete: true,
        tags: Tags::known(HashMap::new(), true),
        ..Around::default()
    };
    let scan = scanned(vec![group("g").build()], &nothing_there);
    assert!(only(&scan).unread.is_empty());
}

#[test]
fn a_group_that_is_being_made_is_listed_without_an_endpoint() {
    let scan = scanned(
        vec![group("new").status("creating").build()],
        &around(&["new"]),
    );
    assert_eq!(endpoints(&scan), ["primary -"]);
    let half = NodeGroup::builder().node_group_id("0001").build();
    let scan = scanned(
        vec![group("new").node_groups(half).build()],
        &around(&["new"]),
    );
    assert_eq!(endpoints(&scan), ["primary -"]);
}

#[test]
fn the_engine_may_stand_with_the_nodes_alone() {
    let silent = || group("g").set_engine(None).build();
    assert_eq!(
        only(&scanned(vec![silent()], &around(&["g"]))).engine,
        "valkey"
    );
    let scan = scanned(vec![silent()], &around(&[]));
    assert_eq!(only(&scan).engine, "redis");
    assert!(only(&scan).notes[0].contains("taken as redis"));
}

#[test]
fn a_malformed_group_costs_only_itself() {
    let bad = Endpoint::builder()
        .address("x.example.com")
        .port(-1)
        .build();
    let records = vec![
        group("bad")
            .node_groups(shard("0001").primary_endpoint(bad).build())
            .build(),
        group("lost").set_arn(None).build(),
        group("good").cluster_enabled(true).build(),
    ];
    let scan = scanned(records, &around(&[]));
    assert_eq!(only_identifier(&scan), "good");
    let named: Vec<_> = scan
        .malformed
        .iter()
        .map(|it| it.provider_id.clone())
        .collect();
    assert_eq!(named, [None, Some(arn("bad"))]);
    assert_eq!(scan.coverage.as_str(), "partial");
}

fn only_identifier(scan: &Scan) -> &str {
    assert_eq!(scan.found.len(), 1);
    &scan.found[0].identifier
}

proptest! {
    #[test]
    fn the_order_of_groups_does_not_change_the_scan(size in 1_usize..12, turn in any::<proptest::sample::Index>()) {
        let names: Vec<_> = (0..size).map(|n| format!("g{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let records: Vec<_> = names.iter().map(|name| group(name).node_groups(shard("0001").build()).build()).collect();
        let mut turned = records.clone();
        turned.rotate_left(turn.index(size));
        turned.push(records[0].clone());
        prop_assert_eq!(scanned(turned, &around(&names)), scanned(records, &around(&names)));
    }
}
