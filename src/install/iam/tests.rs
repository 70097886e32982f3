#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{fs, path::Path};

use muster_model::{Provider, Service};
use serde_json::{Value, json};

use super::{Document, aws, aws_for, azure, azure_for, json as to_json, text};
use crate::config::{Config, parse};

fn config(text: &str) -> Config {
    parse(text, None)
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

/// A configuration with these sources.
fn sources(sources: &str) -> Config {
    config(&format!(
        "version: 1\nstore: x\npolicy: sync\nsources: {sources}\n"
    ))
}

fn actions(document: &Document) -> Vec<String> {
    let statements = document.body["Statement"].as_array().unwrap();
    let one_or_many = |actions: &Value| match actions {
        Value::Array(actions) => actions
            .iter()
            .map(|action| action.as_str().unwrap().to_owned())
            .collect(),
        action => vec![action.as_str().unwrap().to_owned()],
    };
    statements
        .iter()
        .flat_map(|statement| one_or_many(&statement["Action"]))
        .collect()
}

/// Every good configuration has its documents beside it; `MUSTER_BLESS=1` writes them anew.
#[test]
fn documents_of_the_example_configurations() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config");
    let mut wrong = String::new();
    for name in [
        "full",
        "minimal",
        "scalars",
        "created-default",
        "created-azure",
    ] {
        let config =
            config(&fs::read_to_string(fixtures.join(format!("good/{name}.yaml"))).unwrap());
        let mut documents = aws(&config, None);
        documents.extend(azure(&config));
        let path = fixtures.join(format!("iam/{name}.txt"));
        let actual = text(&documents);
        if std::env::var_os("MUSTER_BLESS").is_some() {
            fs::write(&path, &actual).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected != actual {
            wrong += &format!(
                "{}:\n--- file\n{expected}\n--- now\n{actual}\n",
                path.display()
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn each_service_gets_what_its_scan_calls_and_no_more() {
    let granted = |service| actions(&aws_for([service], false, false)[0]);
    assert_eq!(
        granted(Service::Rds),
        ["rds:DescribeDBClusters", "rds:DescribeDBInstances"]
    );
    assert_eq!(granted(Service::Docdb), ["rds:DescribeDBClusters"]);
    assert!(
        granted(Service::Elasticache).contains(&"elasticache:DescribeReplicationGroups".to_owned())
    );
    assert!(
        !granted(Service::Elasticache).contains(&"elasticache:DescribeServerlessCaches".to_owned())
    );
    assert!(
        !granted(Service::ElasticacheServerless)
            .contains(&"elasticache:DescribeReplicationGroups".to_owned())
    );
    for service in Service::ALL {
        let azure = service.provider() == Provider::Azure;
        assert_eq!(
            aws_for([*service], true, false).is_empty(),
            azure,
            "{service}"
        );
        assert_eq!(azure_for([*service]).is_empty(), !azure, "{service}");
    }
}

#[test]
fn nothing_that_writes_is_ever_asked_for() {
    for document in aws_for(Service::ALL.iter().copied(), true, false) {
        for action in actions(&document) {
            let (_, verb) = action.split_once(':').unwrap();
            assert!(
                ["Describe", "List", "Get"]
                    .iter()
                    .any(|read| verb.starts_with(read)),
                "{action}"
            );
        }
    }
    let role = &azure_for(Service::ALL.iter().copied())[0].body;
    let actions = role["Actions"].as_array().unwrap();
    assert_eq!(actions.len(), 5);
    assert!(
        actions
            .iter()
            .all(|action| action.as_str().unwrap().ends_with("/read")),
        "{role}"
    );
}

#[test]
fn regions_are_listed_only_where_all_are_asked_for() {
    let listed = |regions: &str| {
        let config = sources(&format!("{{ aws: {{ types: rds, regions: {regions} }} }}"));
        actions(&aws(&config, None)[0]).contains(&"ec2:DescribeRegions".to_owned())
    };
    assert!(listed("\"*\""));
    assert!(!listed("us-east-1"));
}

#[test]
fn each_account_is_granted_only_what_is_read_there() {
    let config = sources(
        "{ aws: [
          { types: rds, regions: us-east-1, accounts: [ambient] },
          { types: elasticache, regions: \"*\", accounts: [{ assume_role: \"arn:aws:iam::222222222222:role/a\", external_id: one }] },
          { types: docdb, regions: us-east-1, accounts: [
              { assume_role: \"arn:aws:iam::222222222222:role/a\", external_id: two },
              { assume_role: \"arn:aws:iam::333333333333:role/b\" } ] } ] }",
    );
    let documents = aws(
        &config,
        Some("arn:aws:sts::111111111111:assumed-role/muster/i-0123"),
    );
    let kinds: Vec<_> = documents
        .iter()
        .map(|document| (document.kind.as_str(), document.subject.as_str()))
        .collect();
    let (a, b) = (
        "arn:aws:iam::222222222222:role/a",
        "arn:aws:iam::333333333333:role/b",
    );
    assert_eq!(
        kinds,
        [
            ("policy", "ambient"),
            ("policy", a),
            ("trust", a),
            ("policy", b),
            ("trust", b)
        ]
    );
    assert_eq!(
        actions(&documents[0]),
        [
            "rds:DescribeDBClusters",
            "rds:DescribeDBInstances",
            "sts:AssumeRole"
        ]
    );
    assert_eq!(documents[0].body["Statement"][1]["Resource"], json!([a, b]));
    assert!(actions(&documents[1]).contains(&"ec2:DescribeRegions".to_owned()));
    assert!(!actions(&documents[1]).contains(&"rds:DescribeDBInstances".to_owned()));
    assert_eq!(actions(&documents[3]), ["rds:DescribeDBClusters"]);

    let trust = &documents[2].body["Statement"][0];
    assert_eq!(
        trust["Principal"]["AWS"],
        "arn:aws:iam::111111111111:role/muster"
    );
    assert_eq!(
        trust["Condition"]["StringEquals"]["sts:ExternalId"],
        json!(["one", "two"])
    );
    assert_eq!(documents[4].body["Statement"][0].get("Condition"), None);
}

#[test]
fn without_the_ambient_account_only_roles_are_entered() {
    let config = sources(
        "{ aws: { types: rds, regions: us-east-1, accounts: { assume_role: \"arn:aws:iam::222222222222:role/a\" } } }",
    );
    let documents = aws(&config, None);
    assert_eq!(actions(&documents[0]), ["sts:AssumeRole"]);
    assert_eq!(
        documents[2].body["Statement"][0]["Principal"]["AWS"],
        "PUT-THE-ARN-OF-MUSTER-HERE"
    );
    assert!(documents[2].title.contains("--principal"));
}

/// A managed policy has at most 6,144 characters.
#[test]
fn many_roles_are_spread_over_policies_that_fit() {
    let roles: Vec<String> = (0..500)
        .map(|number| format!("{{ assume_role: \"arn:aws:iam::{number:012}:role/organisation/muster-discovery\" }}"))
        .collect();
    let config = sources(&format!(
        "{{ aws: {{ types: [rds, docdb, elasticache, elasticache-serverless], regions: \"*\", accounts: [ambient, {}] }} }}",
        roles.join(", ")
    ));
    let documents = aws(&config, None);
    let own: Vec<_> = documents
        .iter()
        .filter(|document| document.subject == "ambient")
        .collect();
    let named: usize = own
        .iter()
        .flat_map(|document| document.body["Statement"].as_array().unwrap())
        .filter(|statement| statement["Sid"] == "EnterAccounts")
        .map(|statement| statement["Resource"].as_array().unwrap().len())
        .sum();
    assert_eq!(named, 500);
    assert!(own.len() > 1);
    assert!(
        own.iter()
            .all(|document| document.body.to_string().len() <= 6_144)
    );
    assert!(
        own[1].title.ends_with(&format!("part 2 of {}", own.len())),
        "{}",
        own[1].title
    );
}

#[test]
fn azure_roles_are_assignable_where_the_sources_look() {
    let id = "11111111-2222-3333-4444-555555555555";
    let other = "99999999-2222-3333-4444-555555555555";
    let scopes = |text: &str| azure(&sources(text))[0].body["AssignableScopes"].clone();
    assert_eq!(
        scopes(&format!(
            "{{ azure: {{ types: mysql, subscriptions: {id} }} }}"
        )),
        json!([format!("/subscriptions/{id}")])
    );
    assert_eq!(
        scopes(&format!(
            "{{ azure: {{ types: mysql, subscriptions: [{id}, {other}], resource_groups: g }} }}"
        )),
        json!([
            format!("/subscriptions/{id}/resourceGroups/g"),
            format!("/subscriptions/{other}/resourceGroups/g")
        ])
    );
    assert_eq!(
        scopes(&format!(
            "{{ azure: [{{ types: mysql, subscriptions: {id}, resource_groups: g }}, {{ types: postgres, subscriptions: {id} }}] }}"
        )),
        json!([format!("/subscriptions/{id}")])
    );
    let all = &azure(&sources("{ azure: { types: postgres-flexible } }"))[0];
    assert_eq!(
        all.body["AssignableScopes"],
        json!(["/subscriptions/PUT-A-SUBSCRIPTION-ID-HERE"])
    );
    assert!(all.title.contains("managementGroups"), "{}", all.title);
    assert_eq!(
        all.body["Actions"],
        json!([
            "Microsoft.DBforPostgreSQL/flexibleServers/read",
            "Microsoft.Resources/subscriptions/read"
        ])
    );
    let named = &azure(&sources(&format!(
        "{{ azure: {{ types: mysql, subscriptions: {id} }} }}"
    )))[0];
    assert_eq!(
        named.body["Actions"],
        json!([
            "Microsoft.DBforMySQL/flexibleServers/read",
            "Microsoft.DBforMySQL/servers/read"
        ])
    );
}

#[test]
fn a_cloud_without_sources_needs_nothing() {
    assert!(azure(&sources("{ aws: { types: rds, regions: us-east-1 } }")).is_empty());
    assert!(aws(&sources("{ azure: { types: mysql } }"), None).is_empty());
}

#[test]
fn json_holds_the_same_documents() {
    let documents = aws_for([Service::Rds], true, false);
    let json = to_json(&documents);
    assert_eq!(json["documents"][0]["document"], documents[0].body);
    assert_eq!(json["documents"][0]["kind"], "policy");
    let shown = text(&documents);
    let (title, body) = shown.split_once('\n').unwrap();
    assert!(title.starts_with("# "));
    assert_eq!(
        serde_json::from_str::<Value>(body).unwrap(),
        documents[0].body
    );
}

#[test]
fn logging_in_is_asked_for_where_people_log_in() {
    let users = |documents: &[Document]| -> Vec<Vec<String>> {
        let statement = |document: &Document| {
            let statements = document.body["Statement"].as_array().unwrap();
            let log_in = statements
                .iter()
                .find(|statement| statement["Action"] == "rds-db:connect")?;
            let arns = log_in["Resource"].as_array().unwrap();
            Some(
                arns.iter()
                    .map(|arn| arn.as_str().unwrap().to_owned())
                    .collect(),
            )
        };
        documents.iter().filter_map(statement).collect()
    };
    let both = "{ aws: [ { types: [rds], regions: [eu-west-1, eu-west-2] }, \
        { types: [rds], regions: [us-gov-west-1], accounts: [ { assume_role: \"arn:aws-us-gov:iam::222222222222:role/m\" } ] } ] }";
    assert_eq!(users(&aws(&sources(both), None)), Vec::<Vec<String>>::new());
    let proxy = format!(
        "version: 1\nstore: x\npolicy: sync\nsources: {both}\nproxy: {{ listen: \"127.0.0.1:7430\" }}\n"
    );
    assert_eq!(
        users(&aws(&config(&proxy), None)),
        [
            vec![
                "arn:aws:rds-db:eu-west-1:*:dbuser:*/*",
                "arn:aws:rds-db:eu-west-2:*:dbuser:*/*",
            ],
            vec!["arn:aws-us-gov:rds-db:us-gov-west-1:222222222222:dbuser:*/*"],
        ]
    );
    assert_eq!(
        users(&aws_for([Service::Rds], true, true)),
        [["arn:aws:rds-db:*:*:dbuser:*/*"]]
    );
    assert!(users(&aws_for([Service::Elasticache], true, true)).is_empty());
}
