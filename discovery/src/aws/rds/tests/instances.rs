//! What becomes of instances.

use super::*;

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
    assert_eq!(
        it.id.as_str(),
        "arn:aws:rds:us-east-1:222222222222:db:orders#instance"
    );
    assert_eq!(
        (it.kind, it.protocol),
        (Kind::Rds, Some(Protocol::Postgres))
    );
    assert_eq!(
        (it.identifier.as_str(), it.region.as_str()),
        ("orders", "us-east-1")
    );
    assert_eq!(
        it.endpoint.as_ref().unwrap().to_string(),
        "orders.abc.us-east-1.rds.amazonaws.com:5432"
    );
    assert_eq!(
        (&it.unsupported, it.notes.len(), it.unread.len()),
        (&None, 0, 0)
    );
    let derived: Vec<_> = it
        .derived
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
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
    let tags: Vec<_> = it
        .tags
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
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
    let engine = |engine: &str| {
        Some(Unsupported::Engine {
            engine: engine.to_owned(),
        })
    };
    let version = |have: &str| {
        Some(Unsupported::Version {
            engine: "mariadb".to_owned(),
            have: have.to_owned(),
            need: "10.6".to_owned(),
        })
    };
    for (name, have, protocol, want) in [
        ("postgres", "9.6.1", Some(Protocol::Postgres), None),
        ("mysql", "5.7.44", Some(Protocol::Mysql), None),
        ("mariadb", "10.6.14", Some(Protocol::Mysql), None),
        ("mariadb", "11.4.2", Some(Protocol::Mysql), None),
        (
            "mariadb",
            "10.5.23",
            Some(Protocol::Mysql),
            version("10.5.23"),
        ),
        (
            "mariadb",
            "unknown",
            Some(Protocol::Mysql),
            version("unknown"),
        ),
        ("mariadb", "", Some(Protocol::Mysql), version("")),
        ("oracle-ee", "19", None, engine("oracle-ee")),
        ("sqlserver-web", "15.00", None, engine("sqlserver-web")),
        ("db2-se", "11.5", None, engine("db2-se")),
        ("custom-oracle-ee", "19", None, engine("custom-oracle-ee")),
    ] {
        let scan = scanned(vec![instance("x", name, have).build()], vec![]);
        let it = only(&scan);
        assert_eq!(
            (it.protocol, &it.unsupported),
            (protocol, &want),
            "{name} {have}"
        );
        assert_eq!(
            it.derived.get("engine-version").map(String::as_str),
            Some(have).filter(|it| !it.is_empty())
        );
    }
}

#[test]
fn an_instance_that_is_being_made_has_no_endpoint_and_one_that_is_stopped_keeps_it() {
    let creating = instance("new", "mysql", "8.0")
        .set_endpoint(None)
        .db_instance_status("creating")
        .build();
    let it = scanned(vec![creating], vec![]);
    assert_eq!(
        (only(&it).endpoint.clone(), only(&it).state.availability),
        (None, Availability::Unavailable)
    );

    let it = scanned(
        vec![
            instance("old", "mysql", "8.0")
                .db_instance_status("stopped")
                .build(),
        ],
        vec![],
    );
    assert!(only(&it).endpoint.is_some());
    assert_eq!(only(&it).state.availability, Availability::Stopped);

    let it = scanned(
        vec![
            instance("odd", "mysql", "8.0")
                .db_instance_status("dreaming")
                .build(),
        ],
        vec![],
    );
    assert_eq!(only(&it).state.availability, Availability::Unknown);
    assert!(only(&it).notes[0].contains("`dreaming`"));
}

#[test]
fn a_malformed_record_costs_only_itself_and_its_own_completeness() {
    let port = |port| {
        Endpoint::builder()
            .address("a.example.com")
            .set_port(port)
            .build()
    };
    for (what, record, named, message) in [
        (
            "no ARN",
            instance("a", "mysql", "8").set_db_instance_arn(None),
            false,
            "`a` has no ARN",
        ),
        (
            "no ids",
            DbInstance::builder(),
            false,
            "a record without an identifier has no ARN",
        ),
        (
            "ARN",
            instance("a", "mysql", "8").db_instance_arn("arn:aws:rds"),
            false,
            "is not an ARN",
        ),
        (
            "role in ARN",
            instance("a", "mysql", "8").db_instance_arn("arn:aws:rds:r:1:db:a#b"),
            false,
            "is not an ARN",
        ),
        (
            "an ARN that no store would take",
            instance("a", "mysql", "8")
                .db_instance_arn(format!("arn:aws:rds:r:1:db:{}", "a".repeat(2048))),
            false,
            "is not an ARN",
        ),
        (
            "no id",
            instance("a", "mysql", "8").set_db_instance_identifier(None),
            true,
            "no identifier",
        ),
        (
            "no engine",
            instance("a", "mysql", "8").set_engine(None),
            true,
            "no engine",
        ),
        (
            "port 0",
            instance("a", "mysql", "8").endpoint(port(Some(0))),
            true,
            "0 is not a TCP port",
        ),
        (
            "port",
            instance("a", "mysql", "8").endpoint(port(Some(65536))),
            true,
            "65536 is not a TCP port",
        ),
        (
            "no port",
            instance("a", "mysql", "8").endpoint(port(None)),
            true,
            "a host and no port",
        ),
        (
            "host",
            instance("a", "mysql", "8")
                .endpoint(Endpoint::builder().address("a b\n").port(1).build()),
            true,
            "is not a host name",
        ),
        (
            "long",
            instance("a", "mysql", &"9".repeat(MAX_TEXT + 1)),
            true,
            "engine version is 4097 bytes",
        ),
        (
            "long tag",
            instance("a", "mysql", "8")
                .tag_list(Tag::builder().key("k").value("v".repeat(5000)).build()),
            true,
            "tag value is 5000 bytes",
        ),
        (
            "orphan",
            instance("a", "aurora-mysql", "8"),
            true,
            "names no cluster",
        ),
    ] {
        let scan = scanned(
            vec![record.build(), instance("good", "mysql", "8.0").build()],
            vec![],
        );
        assert_eq!(
            endpoints(&scan),
            ["instance good.abc.us-east-1.rds.amazonaws.com:5432"],
            "{what}"
        );
        assert_eq!(scan.malformed.len(), 1, "{what}");
        let malformed = &scan.malformed[0];
        assert!(
            malformed.message.contains(message),
            "{what}: {}",
            malformed.message
        );
        assert_eq!(malformed.provider_id.is_some(), named, "{what}");
        assert_eq!(malformed.call, "rds:DescribeDBInstances");
        assert_eq!(scan.coverage.is_complete(), named, "{what}");
    }
}
