//! The same two ways of logging in where a database is named in the configuration and not found: by its address and, for
//! AWS, its region. Judged as in the guides.

use serde_json::json;

use super::{Sitting, azure, judge::Judge};
use crate::{door::town::said, service::world::World};

const HOST: &str = "orders.aaaaaaaaaa.us-west-1.rds.amazonaws.com";
const PEOPLE: &str = "kind: role\nversion: v7\nmetadata: { name: access }\n\
     spec: { allow: { db_labels: { env: prod }, db_users: [alice], db_names: [shop] } }\n---\n\
     kind: user\nversion: v2\nmetadata: { name: alice }\nspec: { roles: [access] }\n";

#[test]
fn a_database_of_rds_is_named_with_its_region_and_logged_in_to_by_iam() {
    let (world, judge) = (World::at("http://127.0.0.1:1"), Judge::start());
    let (postgres, at) = judge.postgres(&[HOST], false);
    // As step 4 of the guide may be done: one command writes the file.
    let uri = format!("{HOST}:5432");
    let mut create = world.command(&["config", "create", "db", "--name", "orders"]);
    create.args(["--protocol", "postgres", "--uri", &uri]);
    create.args(["--aws-region", "us-west-1", "--labels", "env=prod"]);
    create.args(["--store", "./muster-demo", "--public", "localhost"]);
    create.args(["--proxy-listen", "127.0.0.1:0"]);
    let text = said(&create.output().unwrap());
    let here = format!(
        "\nproxy:\n  trust: {}\n  hosts: {{ {HOST}: {at} }}\n",
        postgres.ca.display()
    );
    assert_eq!(text.matches("\nproxy:\n").count(), 1, "{text}");
    let text = text.replace("\nproxy:\n", &here) + "\nservice: { listen: off }\n";
    world.write(&text);
    said(&world.command(&["config", "check"]).output().unwrap());

    let town = Sitting::new(&world, PEOPLE);
    let (service, proxy) = town.open(1);
    let rule = |users: &[&str]| {
        json!({"kind": "rds", "host": HOST, "port": 5432, "region": "us-west-1", "users": users,
            "keys": {"AKIADEMO111111111111": ["recorded", null]}})
    };
    judge.goes_by(&rule(&["alice"]));
    assert_eq!(town.asks(&proxy, "orders", "alice", "select 6 * 7"), "42");
    let judged = judge.seen();
    assert!(
        judged.len() == 1 && judged[0]["right"] == true,
        "{judged:?}"
    );
    // No policy: what is missing is shown, as far as the file says whose it is.
    judge.goes_by(&rule(&["somebody else"]));
    let refused = town.refused(&proxy, "orders", "alice");
    for word in [
        "authentication failed for user",
        "rds-db:connect",
        "GRANT rds_iam TO",
    ] {
        assert!(refused.contains(word), "no {word:?} in {refused}");
    }
    let with_id = text.replace(
        "      region: us-west-1\n",
        "      region: us-west-1\n      account_id: 123456789012\n      rds: { resource_id: db-AAAABBBBCCCCDDDDEEEEFFFFGG }\n",
    );
    assert_ne!(with_id, text);
    world.write(&with_id);
    said(&world.command(&["reload"]).output().unwrap());
    let refused = town.refused(&proxy, "orders", "alice");
    let arn = "arn:aws:rds-db:us-west-1:123456789012:dbuser:db-AAAABBBBCCCCDDDDEEEEFFFFGG/alice";
    assert!(refused.contains(arn), "{refused}");
    judge.seen();

    // Another region than the host's is found before anybody gets a token, and what ran before runs on.
    judge.goes_by(&rule(&["alice"]));
    let mut psql = town.psql(&proxy, "orders", "alice", "select 6 * 7");
    world.write(&text.replace("region: us-west-1", "region: eu-west-1"));
    let check = world.command(&["config", "check"]).output().unwrap();
    let text = String::from_utf8_lossy(&check.stderr);
    assert!(
        !check.status.success() && text.contains("is not a host of Amazon RDS in eu-west-1"),
        "{check:?}"
    );
    assert!(
        !world
            .command(&["reload"])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert_eq!(judge.seen(), Vec::<serde_json::Value>::new());
    assert_eq!(said(&psql.output().unwrap()), "42");
    service.stop();
}

#[test]
fn databases_of_azure_are_named_by_their_hosts_and_logged_in_to_by_entra() {
    let guide = azure::Guide::new();
    let token = azure::Guide::token();
    guide
        .judge
        .goes_by(&json!({"kind": "text", "tokens": {"alice": token, "alice@shop": token}}));
    // Of the single server the host does not say that it is one.
    guide.world.write(&format!(
        "version: 1
store: muster-demo
policy: upsert-only
service: {{ listen: off }}
databases:
  - {{ name: orders, protocol: postgres, uri: \"orders.postgres.database.azure.com:5432\", labels: {{ env: prod }} }}
  - name: shop
    protocol: postgres
    uri: shop.postgres.database.azure.com:5432
    labels: {{ env: prod }}
    azure: {{ name: shop, is_flexi_server: false }}
{}proxy:
  listen: 127.0.0.1:0
{}",
        guide.endpoints(),
        guide.proxy
    ));
    let check = guide.world.command(&["config", "check"]).output();
    said(&check.unwrap());
    let town = Sitting::new(&guide.world, PEOPLE);
    let (service, proxy) = town.open(2);
    for (database, user) in [("orders", "alice"), ("shop", "alice@shop")] {
        let sql = "select current_user";
        assert_eq!(town.asks(&proxy, database, "alice", sql), user);
    }
    let judged = guide.judge.seen();
    let users: Vec<&str> = judged
        .iter()
        .filter_map(|one| one["user"].as_str())
        .collect();
    assert_eq!(users, ["alice", "alice@shop"], "{judged:?}");
    // A token of another identity is refused with the statement that makes the user.
    guide
        .judge
        .goes_by(&json!({"kind": "text", "tokens": {"alice": "another"}}));
    let refused = town.refused(&proxy, "orders", "alice");
    assert!(
        refused.contains("pgaadauth_create_principal_with_oid"),
        "{refused}"
    );
    service.stop();
}
