//! Credentials, and the clock by the dates of a cloud's answers.

use std::sync::Arc;

use super::doctor;
use crate::{
    service::world::World,
    support::{
        cloud::{Call, Cloud, Reply, Sky, refusal, sts},
        moto::{Moto, ROLE},
    },
};

const OTHER: &str = "arn:aws:iam::222222222222:role/discovery";

/// An AWS in which no role can be assumed.
struct NoRoles;

impl Sky for NoRoles {
    fn answer(&self, call: &Call) -> Reply {
        match call.action.as_str() {
            "AssumeRole" => refusal(
                403,
                "AccessDenied",
                "not authorized to perform: sts:AssumeRole",
            ),
            _ => sts(call),
        }
    }
}

fn configure(world: &World, role: &str, external_id: &str) {
    world.write(&format!(
        "version: 1
store: muster-demo
policy: upsert-only
service: {{ listen: off }}
sources:
  aws:
    - types: [rds]
      regions: [us-east-1]
      accounts: [ambient, {{ assume_role: \"{role}\", external_id: {external_id} }}]
"
    ));
}

#[test]
fn a_role_that_may_not_be_assumed_is_told_with_both_policies() {
    let cloud = Cloud::start(Arc::new(NoRoles));
    let world = World::at(cloud.url());
    configure(&world, OTHER, "agreed");
    let found = doctor(world.command(&["doctor", "credentials"]));
    assert_eq!(found.code, 4);
    assert_eq!(found.all(), [format!("credentials/role-refused {OTHER}")]);
    let remedy = found.one("credentials/role-refused")["remedy"]
        .as_str()
        .unwrap();
    // Who asks is a session of a role, and policies name the role.
    for words in [
        "\"AWS\": \"arn:aws:iam::111111111111:role/muster\"",
        "\"sts:ExternalId\": \"agreed\"",
        &format!("\"Resource\": \"{OTHER}\""),
    ] {
        assert!(remedy.contains(words), "{words}: {remedy}");
    }
    found.says("credentials/role-refused", "why", "AccessDenied");
}

#[test]
fn every_source_of_credentials_that_was_tried_is_listed() {
    let world = World::at("http://127.0.0.1:1");
    configure(&world, OTHER, "agreed");
    let mut command = world.command(&["doctor", "credentials"]);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    let found = doctor(command);
    assert_eq!(found.code, 4);
    // One thing is wrong, whatever number of roles cannot be asked for because of it.
    assert_eq!(
        found.all(),
        ["credentials/no-credentials the ambient credentials"]
    );
    found.says("credentials/no-credentials", "why", "environment");
    found.says(
        "credentials/no-credentials",
        "remedy",
        "aws sts get-caller-identity",
    );
}

#[test]
fn the_clock_is_compared_with_the_date_of_an_answer() {
    let moto = Moto::shared();
    let world = World::at(&moto.url);
    configure(&world, ROLE, "fleet");
    let found = doctor(world.command(&["doctor", "clock", "credentials"]));
    // It is this machine's own clock on the other side.
    assert_eq!(
        (found.code, found.all()),
        (0, Vec::new()),
        "{:#}",
        found.report
    );
    let note = found.check("clock")["note"].as_str().unwrap().to_owned();
    assert!(note.contains("from AWS's date"), "{note}");
    let note = found.check("credentials")["note"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(note.contains(ROLE), "{note}");
}
