#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod clusters;
mod instances;

use aws_sdk_rds::types::{
    DbCluster, DbClusterMember, DbInstance, DbSubnetGroup, Endpoint, Tag,
    builders::{DbClusterBuilder, DbInstanceBuilder},
};
use aws_smithy_types::DateTime;
use muster_model::{Availability, Kind, Protocol, Scan, Service, Unread, Unsupported, fact};
use proptest::prelude::*;

use super::{
    members::{Member, Members},
    *,
};
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
        .endpoint(
            Endpoint::builder()
                .address(format!("{name}.abc.us-east-1.rds.amazonaws.com"))
                .port(5432)
                .build(),
        )
        .db_subnet_group(DbSubnetGroup::builder().vpc_id("vpc-1").build())
        .set_tag_list(Some(Vec::new()))
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
        .port(5432)
        .set_tag_list(Some(Vec::new()));
    for (member, writer) in members {
        let member = DbClusterMember::builder()
            .db_instance_identifier(*member)
            .is_cluster_writer(*writer)
            .build();
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
            2 => instances.push(
                instance(&format!("b{n}"), "postgres", "15")
                    .set_engine(None)
                    .build(),
            ),
            _ => clusters.push(
                cluster(&format!("n{n}"), "aurora-mysql", &[])
                    .set_db_cluster_arn(None)
                    .build(),
            ),
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

#[test]
fn an_absent_list_of_tags_is_not_an_empty_one() {
    for (tags, unread) in [(None, true), (Some(Vec::new()), false)] {
        let single = instance("i", "postgres", "15").set_tag_list(tags.clone());
        let cluster = cluster("c", "aurora-postgresql", &[]).set_tag_list(tags);
        let scan = scanned(vec![single.build()], vec![cluster.build()]);
        assert_eq!(scan.found.len(), 2, "{:?}", scan.malformed);
        for it in &scan.found {
            assert_eq!(it.unread.contains(&Unread::Tags), unread, "{}", it.id);
        }
    }
}
