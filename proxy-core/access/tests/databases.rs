//! Databases that people wrote down, as the proxy serves them; and enrolled ones as records for a Teleport cluster.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{collections::BTreeMap, sync::Arc};

use muster_access::{DbRecord, Record, export, parse_records};
use muster_model::{
    Availability, Endpoint, Kind, Labels, Owner, Protocol, ResourceId, Scope, State, Target,
    Timestamp, fact, hint,
};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn record(spec: &str) -> DbRecord {
    let text = format!(
        "kind: db\nversion: v3\nmetadata: {{ name: x, labels: {{ env: dev }} }}\nspec: {spec}\n"
    );
    let (records, problems) = parse_records(&text, NOW);
    match records.into_iter().next() {
        Some(Record::Db(db)) => db,
        other => panic!("{spec}: {other:?} {problems:?}"),
    }
}

#[test]
fn the_kind_follows_from_what_the_record_says() {
    for (spec, want) in [
        (
            "{ protocol: postgres, uri: 'db.internal:5432' }",
            Kind::SelfHosted,
        ),
        (
            "{ protocol: mysql, uri: '10.0.0.1:3306' }",
            Kind::SelfHosted,
        ),
        (
            "{ protocol: redis, uri: 'redis.internal:6379' }",
            Kind::SelfHosted,
        ),
        (
            "{ protocol: mongodb, uri: 'mongodb://mongo.internal' }",
            Kind::SelfHosted,
        ),
        (
            "{ protocol: postgres, uri: 'a.abc.eu-west-1.rds.amazonaws.com:5432' }",
            Kind::Rds,
        ),
        (
            "{ protocol: mysql, uri: 'A.ABC.cn-north-1.RDS.amazonaws.com.cn:3306' }",
            Kind::Rds,
        ),
        (
            "{ protocol: postgres, uri: 'a.cluster-abc.eu-west-1.rds.amazonaws.com:5432' }",
            Kind::Aurora,
        ),
        (
            "{ protocol: postgres, uri: 'a.cluster-ro-abc.eu-west-1.rds.amazonaws.com:5432' }",
            Kind::Aurora,
        ),
        (
            "{ protocol: postgres, uri: 'db.internal:5432', aws: { region: eu-west-1 } }",
            Kind::Rds,
        ),
        (
            "{ protocol: postgres, uri: 'db.internal:5432', aws: { rds: { instance_id: a } } }",
            Kind::Rds,
        ),
        (
            "{ protocol: postgres, uri: 'db.internal:5432', aws: { rds: { cluster_id: a } } }",
            Kind::Aurora,
        ),
        // Somebody else's host that only looks like one of theirs.
        (
            "{ protocol: postgres, uri: 'rds.amazonaws.com.example.com:5432' }",
            Kind::SelfHosted,
        ),
        (
            "{ protocol: postgres, uri: 'evilrds.amazonaws.com:5432' }",
            Kind::SelfHosted,
        ),
        (
            "{ protocol: mongodb, uri: 'a.cluster-abc.us-east-1.docdb.amazonaws.com:27017' }",
            Kind::Docdb,
        ),
        (
            "{ protocol: redis, uri: 'rediss://m.a.abc.euw1.cache.amazonaws.com:6379' }",
            Kind::Elasticache,
        ),
        (
            "{ protocol: redis, uri: 'rediss://a-abc.serverless.euw1.cache.amazonaws.com:6379' }",
            Kind::ElasticacheServerless,
        ),
        (
            "{ protocol: postgres, uri: 'a.postgres.database.azure.com:5432' }",
            Kind::AzurePostgresqlFlexible,
        ),
        (
            "{ protocol: mysql, uri: 'a.mysql.database.azure.com:3306', azure: { is_flexi_server: false } }",
            Kind::AzureMysql,
        ),
        (
            "{ protocol: postgres, uri: 'a.postgres.database.azure.com:5432', azure: { resource_id: /subscriptions/1/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/servers/a } }",
            Kind::AzurePostgresql,
        ),
    ] {
        let db = record(spec);
        assert_eq!(db.kind(), want, "{spec}");
        let target = db.to_target();
        assert_eq!(target.labels.value("muster/kind"), Some(want.as_str()));
        assert_eq!(target.labels.value("env"), Some("dev"));
        assert!(!target.owner.is_discovery());
        assert_eq!(target.endpoint, Some(db.endpoint));
    }
}

#[test]
fn the_region_is_a_label_that_roles_can_ask_for() {
    let region = |spec: &str| {
        let target = record(spec).to_target();
        target.labels.value("region").map(str::to_owned)
    };
    let host = "{ protocol: postgres, uri: 'a.abc.eu-west-1.rds.amazonaws.com:5432' }";
    assert_eq!(region(host).as_deref(), Some("eu-west-1"));
    let said = "{ protocol: postgres, uri: 'db:5432', aws: { region: us-east-1, account_id: '111122223333' } }";
    assert_eq!(region(said).as_deref(), Some("us-east-1"));
    let target = record(said).to_target();
    assert_eq!(target.labels.value("account-id"), Some("111122223333"));
    assert_eq!(target.scope.to_string(), "aws/111122223333/us-east-1/rds");
    assert_eq!(region("{ protocol: postgres, uri: 'db:5432' }"), None);
}

#[test]
fn a_record_cannot_pass_for_what_muster_found() {
    let text = "kind: db\nversion: v3\nmetadata: { name: x, labels: { muster/kind: rds, Teleport.dev/origin: cloud, teleport.dev/origin: cloud, engine: oracle } }\nspec: { protocol: postgres, uri: 'db:1' }\n";
    let (records, _) = parse_records(text, NOW);
    let Record::Db(db) = &records[0] else {
        panic!()
    };
    let labels = db.to_target().labels;
    assert_eq!(labels.value("muster/kind"), Some("self-hosted"));
    assert_eq!(db.to_target().scope.to_string(), "self-hosted");
    assert_eq!(labels.value("teleport.dev/origin"), Some("dynamic"));
    assert_eq!(labels.value("Teleport.dev/origin"), None);
    // What it is, a person may say.
    assert_eq!(labels.value("engine"), Some("oracle"));
}

#[test]
fn what_connecting_needs_stands_in_the_hints() {
    let target = record(
        "{ protocol: postgres, uri: 'db:5432', auth: password, tls: { mode: verify-ca, server_name: other, ca_cert: '-----BEGIN CERTIFICATE-----' }, aws: { region: r-1, assume_role_arn: arn, external_id: e, rds: { resource_id: db-1, iam_auth: false } } }",
    )
    .to_target();
    let hint = |name| target.hints.get(name).map(String::as_str);
    assert_eq!(hint(hint::AUTH), Some("password"));
    assert_eq!(hint(hint::TLS_MODE), Some("verify-ca"));
    assert_eq!(hint(hint::TLS_CA), Some("-----BEGIN CERTIFICATE-----"));
    assert_eq!(hint(hint::ASSUME_ROLE), Some("arn"));
    assert_eq!(hint(hint::EXTERNAL_ID), Some("e"));
    assert_eq!(target.tls_server_name.as_deref(), Some("other"));
    assert_eq!(
        target.facts.get(fact::RESOURCE_ID).map(String::as_str),
        Some("db-1")
    );
    assert_eq!(
        target.facts.get(fact::IAM_AUTH).map(String::as_str),
        Some("false")
    );
    let plain = record("{ protocol: postgres, uri: 'db:5432' }").to_target();
    assert!(plain.hints.is_empty() && plain.facts.is_empty());
}

fn found(kind: Kind, protocol: Protocol, id: &str, host: &str) -> Target {
    let derived = BTreeMap::from([
        ("region".to_owned(), "eu-west-1".to_owned()),
        ("teleport.dev/origin".to_owned(), "cloud".to_owned()),
        (
            "teleport.internal/discovered-name".to_owned(),
            "orders".to_owned(),
        ),
    ]);
    let tags = BTreeMap::from([
        ("env".to_owned(), "prod".to_owned()),
        ("a tag with spaces".to_owned(), "x".to_owned()),
    ]);
    let (labels, _) = Labels::import(&derived, &tags);
    let service = kind.service().unwrap();
    let scope = match service.provider() {
        muster_model::Provider::Aws => Scope::aws("111122223333", "eu-west-1", service),
        muster_model::Provider::Azure => Scope::azure("1111", service, None),
        muster_model::Provider::SelfHosted => panic!("none finds one"),
    };
    Target {
        id: ResourceId::of(id, "instance"),
        name: "orders-rds-eu-west-1".to_owned(),
        short_name: "orders".to_owned(),
        kind,
        protocol,
        endpoint: Some(Endpoint {
            host: host.to_owned(),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".to_owned(),
        engine_version: String::new(),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        labels,
        hints: BTreeMap::new(),
        facts: BTreeMap::from([
            (fact::RESOURCE_ID.to_owned(), "db-ABC".to_owned()),
            (fact::IAM_AUTH.to_owned(), "true".to_owned()),
            (fact::DESCRIPTION.to_owned(), "a database".to_owned()),
        ]),
        scope: Arc::new(scope),
        owner: Owner {
            by: Owner::DISCOVERY.to_owned(),
            group: "main".to_owned(),
        },
        reason: String::new(),
    }
}

#[test]
fn what_is_exported_is_the_same_database_when_it_is_read_again() {
    for (kind, protocol, id, host) in [
        (
            Kind::Rds,
            Protocol::Postgres,
            "arn:aws:rds:eu-west-1:111122223333:db:orders",
            "orders.abc.eu-west-1.rds.amazonaws.com",
        ),
        (
            Kind::Aurora,
            Protocol::Mysql,
            "arn:aws:rds:eu-west-1:111122223333:cluster:orders",
            "orders.cluster-abc.eu-west-1.rds.amazonaws.com",
        ),
        (
            Kind::Docdb,
            Protocol::Mongodb,
            "arn:aws:rds:eu-west-1:111122223333:cluster:docs",
            "docs.cluster-abc.eu-west-1.docdb.amazonaws.com",
        ),
        (
            Kind::Elasticache,
            Protocol::Redis,
            "arn:aws:elasticache:eu-west-1:111122223333:replicationgroup:cache",
            "m.cache.abc.euw1.cache.amazonaws.com",
        ),
        (
            Kind::ElasticacheServerless,
            Protocol::Redis,
            "arn:aws:elasticache:eu-west-1:111122223333:serverlesscache:c",
            "c-abc.serverless.euw1.cache.amazonaws.com",
        ),
        (
            Kind::AzurePostgresqlFlexible,
            Protocol::Postgres,
            "/subscriptions/1111/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/flexibleServers/shop",
            "shop.postgres.database.azure.com",
        ),
        (
            Kind::AzureMysql,
            Protocol::Mysql,
            "/subscriptions/1111/resourceGroups/g/providers/Microsoft.DBforMySQL/servers/shop",
            "shop.mysql.database.azure.com",
        ),
    ] {
        let target = found(kind, protocol, id, host);
        let value = export(&target).unwrap();
        let (record, problems) =
            Record::from_value(&value, NOW).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert!(problems.is_empty(), "{problems:?}");
        let Record::Db(db) = record else { panic!() };
        let again = db.to_target();
        assert_eq!((again.kind, again.protocol), (kind, protocol));
        assert_eq!(
            (&again.name, &again.endpoint),
            (&target.name, &target.endpoint)
        );
        assert_eq!(again.labels.value("env"), Some("prod"));
        assert_eq!(again.scope.account, target.scope.account, "{value}");
        // Teleport takes no such key, and keeps those that it writes itself.
        let labels = value["metadata"]["labels"].as_object().unwrap();
        assert_eq!(labels.keys().collect::<Vec<_>>(), ["env", "region"]);
    }
    let rds = export(&found(
        Kind::Rds,
        Protocol::Postgres,
        "arn:aws:rds:eu-west-1:111122223333:db:orders",
        "h",
    ))
    .unwrap();
    assert_eq!(rds["spec"]["aws"]["rds"]["instance_id"], "orders");
    assert_eq!(rds["spec"]["aws"]["rds"]["resource_id"], "db-ABC");
    assert_eq!(rds["spec"]["aws"]["rds"]["iam_auth"], true);
    assert_eq!(rds["spec"]["aws"]["account_id"], "111122223333");
    let mut gone = found(Kind::Rds, Protocol::Postgres, "x", "h");
    gone.endpoint = None;
    assert!(export(&gone).is_none());
}
