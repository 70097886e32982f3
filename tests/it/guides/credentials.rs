//! Guide 1, where muster's own credentials are the trouble: a role that it may not assume, a chain of which the second
//! link breaks, and none at all.

use std::sync::Arc;

use serde_json::json;

use super::{Sitting, judge::Judge};
use crate::{
    service::world::World,
    support::cloud::{Call, Cloud, Reply, Sky, refusal, sts},
};

const HOST: &str = "orders.aaaaaaaaaa.us-west-1.rds.amazonaws.com";
const ROLE: &str = "arn:aws:iam::222222222222:role/databases";

/// An STS that lets nobody assume a role.
struct Strict;

impl Sky for Strict {
    fn answer(&self, call: &Call) -> Reply {
        match call.action.as_str() {
            "AssumeRole" => refusal(
                403,
                "AccessDenied",
                &format!(
                    "User: arn:aws:sts::{}:assumed-role/muster/muster is not authorized to perform: sts:AssumeRole on resource: {}",
                    call.account, call.params["RoleArn"]
                ),
            ),
            _ => sts(call),
        }
    }
}

/// A place with one database of AWS, written by hand, that is logged in to by a role.
fn place(url: &str, judge: &Judge) -> (World, crate::support::postgres::Postgres) {
    let world = World::at(url);
    let (postgres, at) = judge.postgres(&[HOST], false);
    world.write(&format!(
        "version: 1\nstore: muster-demo\npolicy: upsert-only\nservice: {{ listen: off }}\n\
         proxy:\n  listen: 127.0.0.1:0\n  trust: {}\n  hosts: {{ {HOST}: {at} }}\n",
        postgres.ca.display(),
    ));
    (world, postgres)
}

fn records(role: &str) -> String {
    format!(
        "kind: db\nversion: v3\nmetadata: {{ name: orders, labels: {{ env: prod }} }}\n\
         spec: {{ protocol: postgres, uri: '{HOST}:5432', aws: {{ region: us-west-1{role} }} }}\n---\n\
         kind: role\nversion: v7\nmetadata: {{ name: access }}\n\
         spec: {{ allow: {{ db_labels: {{ env: prod }}, db_users: [alice], db_names: [shop] }} }}\n---\n\
         kind: user\nversion: v2\nmetadata: {{ name: alice }}\nspec: {{ roles: [access] }}\n"
    )
}

#[test]
fn a_role_that_is_refused_is_answered_with_both_policies() {
    let (cloud, judge) = (Cloud::start(Arc::new(Strict)), Judge::start());
    let (world, _postgres) = place(cloud.url(), &judge);
    let role = format!(", assume_role_arn: '{ROLE}', external_id: x-1");
    let town = Sitting::new(&world, &records(&role));
    let (service, proxy) = town.open(1);
    let text = town.refused(&proxy, "orders", "alice");
    for word in [
        "arn:aws:sts::111111111111:assumed-role/muster/muster may not assume",
        ROLE,
        // The role has to trust who asks, by this id; and who asks has to be allowed to.
        "\"Principal\"",
        "\"sts:ExternalId\": \"x-1\"",
        "\"Action\": \"sts:AssumeRole\"",
        "\"Resource\": \"arn:aws:iam::222222222222:role/databases\"",
    ] {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    assert_eq!(judge.seen(), Vec::<serde_json::Value>::new());
    service.stop();
}

#[test]
fn the_token_of_an_assumed_role_is_right() {
    struct Kind;
    impl Sky for Kind {
        fn answer(&self, call: &Call) -> Reply {
            sts(call)
        }
    }
    let (cloud, judge) = (Cloud::start(Arc::new(Kind)), Judge::start());
    let (world, postgres) = place(cloud.url(), &judge);
    postgres.sql("ALTER DATABASE shop OWNER TO alice");
    let town = Sitting::new(&world, &records(&format!(", assume_role_arn: '{ROLE}'")));
    let (service, proxy) = town.open(1);
    // What `sts` hands out.
    judge.goes_by(&json!({"kind": "rds", "host": HOST, "port": 5432, "region": "us-west-1", "users": ["alice"],
        "keys": {"ASIAEXAMPLE0222222222222": ["secret", "token"]}}));
    assert_eq!(town.asks(&proxy, "orders", "alice", "select 6 * 7"), "42");
    service.stop();
}

#[test]
fn every_source_of_credentials_that_was_tried_is_in_the_log() {
    let judge = Judge::start();
    let (world, _postgres) = place("http://127.0.0.1:1", &judge);
    let town = Sitting::new(&world, &records(""));
    let mut run = world.command(&["run", "-v"]);
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_EC2_METADATA_DISABLED",
    ] {
        run.env_remove(name);
    }
    // An instance whose metadata service is out of reach, as behind a hop limit of 1.
    run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    let service = world.launch(run);
    let status = service.shows("a door", |status| status.proxy.is_some());
    let text = town.refused(&status.proxy.unwrap(), "orders", "alice");
    assert!(text.contains("muster has no credentials for AWS"), "{text}");
    assert!(!text.contains("AWS_ACCESS_KEY_ID"), "{text}");
    let line = service.hears("what was tried", |line| {
        let text = line.to_string();
        text.contains("orders") && text.contains("AWS_ACCESS_KEY_ID")
    });
    let line = line.to_string().to_lowercase();
    for source in [
        "environment",
        "profile",
        "web identity",
        "container",
        "metadata",
        "hop limit",
    ] {
        assert!(line.contains(source), "no {source:?} in {line}");
    }
    service.stop();
}
