//! What becomes of clusters.

use super::*;

#[test]
fn a_cluster_has_a_writer_a_reader_and_its_custom_endpoints() {
    let instances = vec![
        member("w", "shop").build(),
        member("r", "shop").publicly_accessible(true).build(),
    ];
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
    assert!(
        scan.malformed[0]
            .message
            .contains("`not-custom.example.com`")
    );
    assert_eq!(
        scan.malformed[0].provider_id.as_deref(),
        Some("arn:aws:rds:us-east-1:222222222222:cluster:shop")
    );
    assert!(scan.coverage.is_complete());
    let [custom, primary, reader] = &scan.found[..] else {
        panic!("{:?}", scan.found)
    };
    assert_eq!(
        custom.id.as_str(),
        "arn:aws:rds:us-east-1:222222222222:cluster:shop#custom:analytics"
    );
    assert_eq!(
        custom.tls_server_name.as_deref(),
        Some("shop.cluster-abc.us-east-1.rds.amazonaws.com")
    );
    assert_eq!(custom.derived["endpoint-type"], "custom");
    assert_eq!(custom.base_name(), "shop-custom-analytics");
    assert_eq!(primary.tls_server_name, None);
    for it in [custom, primary, reader] {
        assert_eq!(
            (it.kind, it.protocol),
            (Kind::Aurora, Some(Protocol::Postgres))
        );
        assert_eq!(
            (it.derived["vpc-id"].as_str(), it.tags["env"].as_str()),
            ("vpc-1", "prod")
        );
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
        let noted = scan
            .found
            .iter()
            .all(|it| it.notes.iter().any(|note| note.contains("no instances")));
        assert_eq!(noted, members.is_empty(), "{what}");
    }
}

#[test]
fn clusters_that_cannot_be_served_are_listed_with_the_reason() {
    let mode = |mode: &str| {
        Some(Unsupported::Mode {
            mode: mode.to_owned(),
        })
    };
    for (engine, version, have, kind, protocol, want) in [
        (
            "aurora-mysql",
            "8.0.mysql_aurora.3.05.2",
            "provisioned",
            Kind::Aurora,
            Some(Protocol::Mysql),
            None,
        ),
        (
            "aurora-mysql",
            "5.7.mysql_aurora.2.11.4",
            "serverless",
            Kind::Aurora,
            Some(Protocol::Mysql),
            mode("serverless"),
        ),
        (
            "aurora",
            "5.6.10a",
            "parallelquery",
            Kind::Aurora,
            Some(Protocol::Mysql),
            mode("parallelquery"),
        ),
        (
            "aurora",
            "5.6.mysql_aurora.1.22.2",
            "parallelquery",
            Kind::Aurora,
            Some(Protocol::Mysql),
            mode("parallelquery"),
        ),
        (
            "aurora",
            "5.6.mysql_aurora.1.23.0",
            "parallelquery",
            Kind::Aurora,
            Some(Protocol::Mysql),
            None,
        ),
        (
            "aurora",
            "5.6.mysql_aurora.1.22.2",
            "provisioned",
            Kind::Aurora,
            Some(Protocol::Mysql),
            None,
        ),
        (
            "postgres",
            "15.4",
            "provisioned",
            Kind::Rds,
            Some(Protocol::Postgres),
            None,
        ),
        (
            "mysql",
            "8.0.35",
            "provisioned",
            Kind::Rds,
            Some(Protocol::Mysql),
            None,
        ),
        (
            "neptune",
            "1.2.1.0",
            "provisioned",
            Kind::Rds,
            None,
            Some(Unsupported::Engine {
                engine: "neptune".to_owned(),
            }),
        ),
    ] {
        let record = cluster("c", engine, &[("w", true)])
            .engine_version(version)
            .engine_mode(have)
            .build();
        let scan = scanned(vec![], vec![record]);
        let it = only(&scan);
        assert_eq!(
            (it.kind, it.protocol, &it.unsupported),
            (kind, protocol, &want),
            "{engine} {version} {have}"
        );
    }
}

#[test]
fn a_multi_az_cluster_is_rds_with_both_endpoints_and_mode_cluster() {
    let members = [("a", true), ("b", false), ("c", false)];
    let instances = ["a", "b", "c"].map(|name| {
        instance(name, "postgres", "15.4")
            .db_cluster_identifier("ha")
            .build()
    });
    let scan = scanned(
        instances.into(),
        vec![
            cluster("ha", "postgres", &members)
                .publicly_accessible(true)
                .build(),
        ],
    );
    let roles: Vec<_> = scan
        .found
        .iter()
        .map(|it| (it.kind, it.role.as_str(), it.fact(fact::MODE)))
        .collect();
    assert_eq!(
        roles,
        [
            (Kind::Rds, "primary", Some("cluster")),
            (Kind::Rds, "reader", Some("cluster"))
        ]
    );
    assert!(
        scan.found
            .iter()
            .all(|it| it.fact(fact::PUBLIC) == Some("true"))
    );
}

#[test]
fn documentdb_is_left_to_its_own_scanner() {
    let instance = instance("d", "docdb", "5.0.0")
        .db_cluster_identifier("docs")
        .build();
    let scan = scanned(
        vec![instance],
        vec![cluster("docs", "docdb", &[("d", true)]).build()],
    );
    assert_eq!((scan.found.len(), scan.malformed.len()), (0, 0));
}

#[test]
fn a_network_that_could_not_be_read_is_marked_and_one_that_is_not_there_is_not() {
    for (complete, want) in [(true, false), (false, true)] {
        let mut scan = empty(Service::Rds);
        let members = members_read(complete);
        cluster::take(
            cluster("c", "aurora-mysql", &[("w", true)]).build(),
            &members,
            &mut scan,
        );
        assert_eq!(only(&scan).unread.contains(&Unread::Vpc), want);
        assert!(!only(&scan).derived.contains_key("vpc-id"));
    }
}

#[test]
fn what_half_of_the_instances_say_is_marked_as_half() {
    let mut scan = empty(Service::Rds);
    let mut members = members_read(false);
    let known = Member {
        vpc: Some("vpc-1".to_owned()),
        public: Some(false),
        ca: Some("rds-ca-rsa2048-g1".to_owned()),
    };
    members.insert("w".to_owned(), known);
    cluster::take(
        cluster("c", "aurora-mysql", &[("w", true), ("r", false)]).build(),
        &members,
        &mut scan,
    );
    for database in &scan.found {
        assert_eq!(database.fact(fact::VPC), Some("vpc-1"));
        assert!(database.unread.contains(&Unread::Vpc), "{}", database.id);
    }
    let public: Vec<_> = scan.found.iter().map(|it| it.fact(fact::PUBLIC)).collect();
    assert_eq!(public, [Some("false"), None]);
}

#[test]
fn a_bad_port_of_a_cluster_is_one_malformed_record() {
    let record = cluster("c", "aurora-mysql", &[("w", true), ("r", false)])
        .port(70_000)
        .build();
    let scan = scanned(vec![], vec![record]);
    assert_eq!((scan.found.len(), scan.malformed.len()), (0, 1));
    assert_eq!(scan.malformed[0].call, "rds:DescribeDBClusters");
}
