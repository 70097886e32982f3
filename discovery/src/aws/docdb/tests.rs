#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use aws_sdk_docdb::types::{DbClusterMember, builders::DbClusterBuilder};
use muster_model::{Availability, Unsupported};

use super::*;
use crate::aws::testkit::{empty, endpoints, finished, only};

const ARN: &str = "arn:aws:rds:eu-west-1:222222222222:cluster:docs";

fn cluster(version: &str, members: &[bool]) -> DbClusterBuilder {
    let mut cluster = DbCluster::builder()
        .db_cluster_identifier("docs")
        .db_cluster_arn(ARN)
        .engine("docdb")
        .engine_version(version)
        .status("available")
        .endpoint("docs.cluster-abc.eu-west-1.docdb.amazonaws.com")
        .reader_endpoint("docs.cluster-ro-abc.eu-west-1.docdb.amazonaws.com")
        .db_cluster_resource_id("cluster-DOC")
        .port(27017);
    for writer in members {
        cluster = cluster.db_cluster_members(
            DbClusterMember::builder()
                .is_cluster_writer(*writer)
                .build(),
        );
    }
    cluster
}

fn scanned(record: DbCluster, tags: &Tags) -> Scan {
    let mut scan = empty(muster_model::Service::Docdb);
    take(record, tags, &mut scan);
    finished(scan)
}

fn tagged() -> Tags {
    Tags::from([(
        ARN.to_owned(),
        vec![rds::Tag::builder().key("env").value("prod").build()],
    )])
}

#[test]
fn a_cluster_has_a_cluster_endpoint_and_a_reader() {
    let scan = scanned(cluster("5.0.0", &[true, false]).build(), &tagged());
    assert_eq!(
        endpoints(&scan),
        [
            "cluster docs.cluster-abc.eu-west-1.docdb.amazonaws.com:27017",
            "reader docs.cluster-ro-abc.eu-west-1.docdb.amazonaws.com:27017",
        ]
    );
    for it in &scan.found {
        assert_eq!(
            (it.kind, it.protocol, &it.unsupported),
            (Kind::Docdb, Some(Protocol::Mongodb), &None)
        );
        assert_eq!(
            (it.region.as_str(), it.tags["env"].as_str()),
            ("eu-west-1", "prod")
        );
        assert_eq!(it.derived["teleport.dev/discovery-type"], "docdb");
        assert_eq!(it.fact(fact::RESOURCE_ID), Some("cluster-DOC"));
        assert!(it.unread.is_empty());
    }
}

#[test]
fn a_cluster_without_a_writer_has_only_readers() {
    for (members, want) in [
        (&[true][..], &["cluster"][..]),
        (&[false], &["reader"]),
        (&[], &["cluster"]),
    ] {
        let scan = scanned(cluster("5.0.0", members).build(), &tagged());
        let roles: Vec<_> = scan.found.iter().map(|it| it.role.as_str()).collect();
        assert_eq!(roles, want, "{members:?}");
    }
}

#[test]
fn versions_before_five_are_listed_as_too_old() {
    for (version, want) in [
        ("5.0.0", true),
        ("8.0.0", true),
        ("4.0.0", false),
        ("3.6.0", false),
        ("new", false),
        ("", false),
    ] {
        let scan = scanned(cluster(version, &[true]).build(), &tagged());
        let it = only(&scan);
        assert_eq!(it.unsupported.is_none(), want, "{version}");
        assert_eq!(
            it.unread.contains(&Unread::Version),
            version.is_empty(),
            "{version}"
        );
        if let Some(why) = &it.unsupported {
            let need = "5.0".to_owned();
            assert_eq!(
                *why,
                Unsupported::Version {
                    engine: "docdb".to_owned(),
                    have: version.to_owned(),
                    need
                }
            );
        }
    }
}

#[test]
fn tags_that_could_not_be_read_are_marked() {
    let scan = scanned(cluster("5.0.0", &[true]).build(), &Tags::new());
    assert!(only(&scan).unread.contains(&Unread::Tags));
}

#[test]
fn an_absent_list_of_tags_is_not_an_empty_one() {
    for (list, unread) in [(None, true), (Some(Vec::new()), false)] {
        let record = rds::DbCluster::builder()
            .db_cluster_arn(ARN)
            .set_tag_list(list);
        let tags = told(record.build()).into_iter().collect();
        let scan = scanned(cluster("5.0.0", &[true]).build(), &tags);
        assert_eq!(only(&scan).unread.contains(&Unread::Tags), unread);
    }
}

#[test]
fn other_engines_are_not_for_this_scanner_and_a_stopped_cluster_stays() {
    assert!(
        scanned(cluster("1.2", &[true]).engine("neptune").build(), &tagged())
            .found
            .is_empty()
    );
    let scan = scanned(
        cluster("5.0.0", &[true]).status("stopped").build(),
        &tagged(),
    );
    assert_eq!(only(&scan).state.availability, Availability::Stopped);
    let scan = scanned(
        cluster("5.0.0", &[true]).set_db_cluster_arn(None).build(),
        &tagged(),
    );
    assert_eq!(
        (scan.malformed.len(), scan.coverage.as_str()),
        (1, "partial")
    );
}
