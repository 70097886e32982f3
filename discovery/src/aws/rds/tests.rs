#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use aws_sdk_rds::types::{
    DbCluster, DbClusterMember, DbInstance, DbSubnetGroup, Endpoint, Tag,
    builders::{DbClusterBuilder, DbInstanceBuilder},
};
use aws_smithy_types::DateTime;
use muster_model::{Availability, Kind, Protocol, Scan, Service, Unread, Unsupported, fact};
use proptest::prelude::*;

use super::{members::Members, *};
use crate::aws::{
    record::MAX_TEXT,
    testkit::{empty, endpoints, finished, only},
};

fn instance(name: &str, engine: &str, version: &str) -> DbInstanceBuilder {
    DbInstance::builder()
        .db_instance_identifier(name)
        .db_instance_arn(format!("arn:aws:rds:us-east-1:222222222222:db:{name}"))
        .engine(engine)
        .engine_version(version)
        .db_instance_status("available")
        .endpoint(Endpoint::builder().address(format!("{name}.abc.us-east-1.rds.amazonaws.com")).port(5432).build())
        .db_subnet_group(DbSubnetGroup::builder().vpc_id("vpc-1").build())
}

fn member(name: &str, cluster: &str) -> DbInstanceBuilder {
    instance(name, "aurora-postgresql", "15.4")
        .db_cluster_identifier(cluster)
        .publicly_accessible(false)
        .ca_certificate_identifier("rds-ca-rsa2048-g1")
}

fn cluster(name: &str, engine: &str, members: &[(&str, bool)]) -> DbClusterBuilder {
    let mut cluster = DbCluster::builder()
        .db_cluster_identifier(name)
        .db_cluster_arn(format!("arn:aws:rds:us-east-1:222222222222:cluster:{name}"))
        .engine(engine)
        .engine_version("15.4")
        .engine_mode("provisioned")
        .status("available")
        .endpoint(format!("{name}.cluster-abc.us-east-1.rds.amazonaws.com"))
        .reader_endpoint(format!("{name}.cluster-ro-abc.us-east-1.rds.amazonaws.com"))
        .port(5432);
    for (member, writer) in members {
        let member = DbClusterMember::builder().db_instance_identifier(*member).is_cluster_writer(*writer).build();
        cluster = cluster.db_cluster_members(member);
    }
    cluster
}

fn members_read(complete: bool) -> Members {
    let mut members = Members::default();
    members.complete = complete;
    members
}

fn scanned(instances: Vec<DbInstance>, clusters: Vec<DbCluster>) -> Scan {
    let mut scan = empty(Service::Rds);
    let mut members = members_read(true);
    for record in instances {
        instance::take(record, &mut members, &mut scan);
    }
    for record in clusters {
        cluster::take(record, &members, &mut scan);
    }
    finished(scan)
}

#[test]
fn an_instance_becomes_a_database_with_all_that_its_record_says() {
    let record = instance("orders", "postgres", "16.3")
        .tag_list(Tag::builder().key("env").value("prod").build())
        .tag_list(Tag::builder().key("empty").build())
        .iam_database_authentication_enabled(true)
        .publicly_accessible(false)
        .dbi_resource_id("db-ABC")
        .ca_certificate_identifier("rds-ca-rsa2048-g1")
        .instance_create_time(DateTime::from_secs(1_700_000_000))
        .build();
    let scan = scanned(vec![record], vec![]);
    assert!(scan.coverage.is_complete());
    let it = only(&scan);
    assert_eq!(it.id.as_str(), "arn:aws:rds:us-east-1:222222222222:db:orders#instance");
    assert_eq!((it.kind, it.protocol), (Kind::Rds, Some(Protocol::Postgres)));
    assert_eq!((it.identifier.as_str(), it.region.as_str()), ("orders", "us-east-1"));
    assert_eq!(it.endpoint.as_ref().unwrap().to_string(), "orders.abc.us-east-1.rds.amazonaws.com:5432");
    assert_eq!((&it.unsupported, it.notes.len(), it.unread.len()), (&None, 0, 0));
    let derived: Vec<_> = it.derived.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        derived,
        [
            "account-id=222222222222",
            "endpoint-type=instance",
            "engine=postgres",
            "engine-version=16.3",
            "muster/kind=rds",
            "region=us-east-1",
            "teleport.dev/cloud=AWS",
            "teleport.dev/discovery-type=rds",
            "teleport.dev/origin=cloud",
            "vpc-id=vpc-1",
        ]
    );
    let tags: Vec<_> = it.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["empty=", "env=prod"]);
    for (name, want) in [
        (fact::IAM_AUTH, "true"),
        (fact::PUBLIC, "false"),
        (fact::RESOURCE_ID, "db-ABC"),
        (fact::CA, "rds-ca-rsa2048-g1"),
        (fact::CREATED, "2023-11-14T22:13:20Z"),
        (fact::VPC, "vpc-1"),
        (fact::DESCRIPTION, "RDS instance (postgres) in us-east-1"),
    ] {
        assert_eq!(it.fact(name), Some(want), "{name}");
    }
}

#[test]
fn engines_that_cannot_be_served_are_listed_with_the_reason() {
    let engine = |engine: &str| Some(Unsupported::Engine { engine: engine.to_owned() });
    let version = |have: &str| {
        Some(Unsupported::Version { engine: "mariadb".to_owned(), have: have.to_owned(), need: "10.6".to_owned() })
    };
    for (name, have, protocol, want) in [
        ("postgres", "9.6.1", Some(Protocol::Postgres), None),
        ("mysql", "5.7.44", Some(Protocol::Mysql), None),
        ("mariadb", "10.6.14", Some(Protocol::Mysql), None),
        ("mariadb", "11.4.2", Some(Protocol::Mysql), None),
        ("mariadb", "10.5.23", Some(Protocol::Mysql), version("10.5.23")),
        ("mariadb", "unknown", Some(Protocol::Mysql), version("unknown")),
        ("mariadb", "", Some(Protocol::Mysql), version("")),
        ("oracle-ee", "19", None, engine("oracle-ee")),
        ("sqlserver-web", "15.00", None, engine("sqlserver-web")),
        ("db2-se", "11.5", None, engine("db2-se")),
        ("custom-oracle-ee", "19", None, engine("custom-oracle-ee")),
    ] {
        let scan = scanned(vec![instance("x", name, have).build()], vec![]);
        let it = only(&scan);
        assert_eq!((it.protocol, &it.unsupported), (protocol, &want), "{name} {have}");
        assert_eq!(it.derived.get("engine-version").map(String::as_str), Some(have).filter(|it| !it.is_empty()));
    }
}

#[test]
fn an_instance_that_is_being_made_has_no_endpoint_and_one_that_is_stopped_keeps_it() {
    let creating = instance("new", "mysql", "8.0").set_endpoint(None).db_instance_status("creating").build();
    let it = scanned(vec![creating], vec![]);
    assert_eq!((only(&it).endpoint.clone(), only(&it).state.availability), (None, Availability::Unavailable));

    let it = scanned(vec![instance("old", "mysql", "8.0").db_instance_status("stopped").build()], vec![]);
    assert!(only(&it).endpoint.is_some());
    assert_eq!(only(&it).state.availability, Availability::Stopped);

    let it = scanned(vec![instance("odd", "mysql", "8.0").db_instance_status("dreaming").build()], vec![]);
    assert_eq!(only(&it).state.availability, Availability::Unknown);
    assert!(only(&it).notes[0].contains("`dreaming`"));
}

#[test]
fn a_malformed_record_costs_only_itself_and_its_own_completeness() {
    let port = |port| Endpoint::builder().address("a.example.com").set_port(port).build();
    for (what, record, named, message) in [
        ("no ARN", instance("a", "mysql", "8").set_db_instance_arn(None), false, "`a` has no ARN"),
        ("no ids", DbInstance::builder(), false, "a record without an identifier has no ARN"),
        ("ARN", instance("a", "mysql", "8").db_instance_arn("arn:aws:rds"), false, "is not an ARN"),
        ("role in ARN", instance("a", "mysql", "8").db_instance_arn("arn:aws:rds:r:1:db:a#b"), false, "is not an ARN"),
        ("no id", instance("a", "mysql", "8").set_db_instance_identifier(None), true, "no identifier"),
        ("no engine", instance("a", "mysql", "8").set_engine(None), true, "no engine"),
        ("port 0", instance("a", "mysql", "8").endpoint(port(Some(0))), true, "0 is not a TCP port"),
        ("port", instance("a", "mysql", "8").endpoint(port(Some(65536))), true, "65536 is not a TCP port"),
        ("no port", instance("a", "mysql", "8").endpoint(port(None)), true, "a host and no port"),
        (
            "host",
            instance("a", "mysql", "8").endpoint(Endpoint::builder().address("a b\n").port(1).build()),
            true,
            "is not a host name",
        ),
        ("long", instance("a", "mysql", &"9".repeat(MAX_TEXT + 1)), true, "engine version is 4097 bytes"),
        (
            "long tag",
            instance("a", "mysql", "8").tag_list(Tag::builder().key("k").value("v".repeat(5000)).build()),
            true,
            "tag value is 5000 bytes",
        ),
        ("orphan", instance("a", "aurora-mysql", "8"), true, "names no cluster"),
    ] {
        let scan = scanned(vec![record.build(), instance("good", "mysql", "8.0").build()], vec![]);
        assert_eq!(endpoints(&scan), ["instance good.abc.us-east-1.rds.amazonaws.com:5432"], "{what}");
        assert_eq!(scan.malformed.len(), 1, "{what}");
        let malformed = &scan.malformed[0];
        assert!(malformed.message.contains(message), "{what}: {}", malformed.message);
        assert_eq!(malformed.provider_id.is_some(), named, "{what}");
        assert_eq!(malformed.call, "rds:DescribeDBInstances");
        assert_eq!(scan.coverage.is_complete(), named, "{what}");
    }
}

#[test]
fn a_cluster_has_a_writer_a_reader_and_its_custom_endpoints() {
    let instances = vec![member("w", "shop").build(), member("r", "shop").publicly_accessible(true).build()];
    let record = cluster("shop", "aurora-postgresql", &[("w", true), ("r", false)])
        .custom_endpoints("analytics.cluster-custom-abc.us-east-1.rds.amazonaws.com")
        .custom_endpoints("not-custom.example.com")
        .iam_database_authentication_enabled(true)
        .db_cluster_resource_id("cluster-ABC")
        .tag_list(Tag::builder().key("env").value("prod").build())
        .build();
    let scan = scanned(instances, vec![record]);
    assert_eq!(
        endpoints(&scan),
        [
            "custom:analytics analytics.cluster-custom-abc.us-east-1.rds.amazonaws.com:5432",
            "primary shop.cluster-abc.us-east-1.rds.amazonaws.com:5432",
            "reader shop.cluster-ro-abc.us-east-1.rds.amazonaws.com:5432",
        ]
    );
    assert!(scan.malformed[0].message.contains("`not-custom.example.com`"));
    assert_eq!(scan.malformed[0].provider_id.as_deref(), Some("arn:aws:rds:us-east-1:222222222222:cluster:shop"));
    assert!(scan.coverage.is_complete());
    let [custom, primary, reader] = &scan.found[..] else { panic!("{:?}", scan.found) };
    assert_eq!(custom.id.as_str(), "arn:aws:rds:us-east-1:222222222222:cluster:shop#custom:analytics");
    assert_eq!(custom.tls_server_name.as_deref(), Some("shop.cluster-abc.us-east-1.rds.amazonaws.com"));
    assert_eq!(custom.derived["endpoint-type"], "custom");
    assert_eq!(custom.base_name(), "shop-custom-analytics");
    assert_eq!(primary.tls_server_name, None);
    for it in [custom, primary, reader] {
        assert_eq!((it.kind, it.protocol), (Kind::Aurora, Some(Protocol::Postgres)));
        assert_eq!((it.derived["vpc-id"].as_str(), it.tags["env"].as_str()), ("vpc-1", "prod"));
        assert_eq!(it.fact(fact::CA), Some("rds-ca-rsa2048-g1"));
        assert_eq!(it.fact(fact::RESOURCE_ID), Some("cluster-ABC"));
    }
    let public = |it: &muster_model::Database| it.fact(fact::PUBLIC).map(str::to_owned);
    assert_eq!(public(primary).as_deref(), Some("false"));
    assert_eq!(public(reader).as_deref(), Some("true"));
    assert_eq!(public(custom), None, "its instances differ");
}

#[test]
fn which_endpoints_a_cluster_has_follows_from_its_members() {
    for (what, members, want) in [
        ("writer alone", &[("w", true)][..], &["primary"][..]),
        ("global secondary", &[("r", false)], &["reader"]),
        ("both", &[("r", false), ("w", true)], &["primary", "reader"]),
        ("none", &[], &["primary"]),
    ] {
        let scan = scanned(vec![], vec![cluster("c", "aurora-mysql", members).build()]);
        let roles: Vec<_> = scan.found.iter().map(|it| it.role.as_str()).collect();
        assert_eq!(roles, want, "{what}");
        let noted = scan.found.iter().all(|it| it.notes.iter().any(|note| note.contains("no instances")));
        assert_eq!(noted, members.is_empty(), "{what}");
    }
}

#[test]
fn clusters_that_cannot_be_served_are_listed_with_the_reason() {
    let mode = |mode: &str| Some(Unsupported::Mode { mode: mode.to_owned() });
    for (engine, version, have, kind, protocol, want) in [
        ("aurora-mysql", "8.0.mysql_aurora.3.05.2", "provisioned", Kind::Aurora, Some(Protocol::Mysql), None),
        ("aurora-mysql", "5.7.mysql_aurora.2.11.4", "serverless", Kind::Aurora, Some(Protocol::Mysql), mode("serverless")),
        ("aurora", "5.6.10a", "parallelquery", Kind::Aurora, Some(Protocol::Mysql), mode("parallelquery")),
        ("aurora", "5.6.mysql_aurora.1.22.2", "parallelquery", Kind::Aurora, Some(Protocol::Mysql), mode("parallelquery")),
        ("aurora", "5.6.mysql_aurora.1.23.0", "parallelquery", Kind::Aurora, Some(Protocol::Mysql), None),
        ("aurora", "5.6.mysql_aurora.1.22.2", "provisioned", Kind::Aurora, Some(Protocol::Mysql), None),
        ("postgres", "15.4", "provisioned", Kind::Rds, Some(Protocol::Postgres), None),
        ("mysql", "8.0.35", "provisioned", Kind::Rds, Some(Protocol::Mysql), None),
        (
            "neptune",
            "1.2.1.0",
            "provisioned",
            Kind::Rds,
            None,
            Some(Unsupported::Engine { engine: "neptune".to_owned() }),
        ),
    ] {
        let record = cluster("c", engine, &[("w", true)]).engine_version(version).engine_mode(have).build();
        let scan = scanned(vec![], vec![record]);
        let it = only(&scan);
        assert_eq!((it.kind, it.protocol, &it.unsupported), (kind, protocol, &want), "{engine} {version} {have}");
    }
}

#[test]
fn a_multi_az_cluster_is_rds_with_both_endpoints_and_mode_cluster() {
    let members = [("a", true), ("b", false), ("c", false)];
    let instances = ["a", "b", "c"].map(|name| instance(name, "postgres", "15.4").db_cluster_identifier("ha").build());
    let scan = scanned(instances.into(), vec![cluster("ha", "postgres", &members).publicly_accessible(true).build()]);
    let roles: Vec<_> = scan.found.iter().map(|it| (it.kind, it.role.as_str(), it.fact(fact::MODE))).collect();
    assert_eq!(roles, [(Kind::Rds, "primary", Some("cluster")), (Kind::Rds, "reader", Some("cluster"))]);
    assert!(scan.found.iter().all(|it| it.fact(fact::PUBLIC) == Some("true")));
}

#[test]
fn documentdb_is_left_to_its_own_scanner() {
    let instance = instance("d", "docdb", "5.0.0").db_cluster_identifier("docs").build();
    let scan = scanned(vec![instance], vec![cluster("docs", "docdb", &[("d", true)]).build()]);
    assert_eq!((scan.found.len(), scan.malformed.len()), (0, 0));
}

#[test]
fn a_network_that_could_not_be_read_is_marked_and_one_that_is_not_there_is_not() {
    for (complete, want) in [(true, false), (false, true)] {
        let mut scan = empty(Service::Rds);
        let members = members_read(complete);
        cluster::take(cluster("c", "aurora-mysql", &[("w", true)]).build(), &members, &mut scan);
        assert_eq!(only(&scan).unread.contains(&Unread::Vpc), want);
        assert!(!only(&scan).derived.contains_key("vpc-id"));
    }
}

#[test]
fn a_bad_port_of_a_cluster_is_one_malformed_record() {
    let record = cluster("c", "aurora-mysql", &[("w", true), ("r", false)]).port(70_000).build();
    let scan = scanned(vec![], vec![record]);
    assert_eq!((scan.found.len(), scan.malformed.len()), (0, 1));
    assert_eq!(scan.malformed[0].call, "rds:DescribeDBClusters");
}

/// A region: instances by number, clusters by number with their members, good and bad ones.
fn region(size: usize) -> (Vec<DbInstance>, Vec<DbCluster>) {
    let (mut instances, mut clusters) = (Vec::new(), Vec::new());
    for n in 0..size {
        match n % 4 {
            0 => instances.push(instance(&format!("i{n}"), "mysql", "8.0").build()),
            1 => {
                let (w, r, c) = (format!("w{n}"), format!("r{n}"), format!("c{n}"));
                instances.push(member(&w, &c).build());
                instances.push(member(&r, &c).publicly_accessible(true).build());
                clusters.push(cluster(&c, "aurora-postgresql", &[(&w, true), (&r, false)]).build());
            }
            2 => instances.push(instance(&format!("b{n}"), "postgres", "15").set_engine(None).build()),
            _ => clusters.push(cluster(&format!("n{n}"), "aurora-mysql", &[]).set_db_cluster_arn(None).build()),
        }
    }
    (instances, clusters)
}

proptest! {
    /// Neither the order of records and pages nor a record that comes on two pages changes what a scan finds.
    #[test]
    fn the_order_of_pages_does_not_change_the_scan(
        size in 0_usize..24,
        order in any::<proptest::sample::Index>(),
        twice in proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
        seed in any::<u64>(),
    ) {
        let (instances, clusters) = region(size);
        let want = scanned(instances.clone(), clusters.clone());
        let mut instances = instances;
        let mut clusters = clusters;
        for index in &twice {
            if !instances.is_empty() {
                instances.push(instances[index.index(instances.len())].clone());
            }
            if !clusters.is_empty() {
                clusters.push(clusters[index.index(clusters.len())].clone());
            }
        }
        if !instances.is_empty() {
            let middle = order.index(instances.len());
            instances.rotate_left(middle);
        }
        clusters.sort_by_key(|it| {
            let text = it.db_cluster_identifier.clone().unwrap_or_default();
            text.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
        });
        prop_assert_eq!(scanned(instances, clusters), want);
    }
}
