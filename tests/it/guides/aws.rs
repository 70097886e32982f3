//! Guide 1: Aurora and RDS for PostgreSQL with IAM. moto is AWS; a real PostgreSQL is the databases; and whether a token
//! is right is judged by botocore.

use std::{collections::BTreeMap, fs, net::Ipv4Addr, process::Command};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    judge::{Judge, address},
    page::{Walk, blocks, page, troubles},
};
use crate::{
    door::town::complaint,
    service::world::World,
    support::{
        moto::Moto,
        postgres::{Postgres, tools},
    },
};

const PAGE: &str = "guide-aws-postgresql.md";
const REGION: &str = "us-west-1";

/// Where a database is.
#[derive(Deserialize)]
struct Place {
    host: String,
    port: u16,
    resource: String,
}

/// An AWS with the databases of the guide.
struct Guide {
    _moto: Moto,
    world: World,
    judge: Judge,
    postgres: Postgres,
    at: Ipv4Addr,
    places: BTreeMap<String, Place>,
}

impl Guide {
    fn new() -> Self {
        let moto = Moto::bare();
        let found = Command::new(tools().join("bin/python"))
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/tools/guide_rds.py"
            ))
            .args([&moto.url, REGION, "5432"])
            .output()
            .unwrap();
        assert!(found.status.success(), "{}", complaint(&found));
        let places: BTreeMap<String, Place> = serde_json::from_slice(&found.stdout).unwrap();
        let judge = Judge::start();
        let names: Vec<&str> = places.values().map(|place| place.host.as_str()).collect();
        let (postgres, at) = judge.postgres(&names, false);
        // What RDS has, and this server lacks; and Alice is made by the guide.
        postgres.sql("DROP DATABASE shop");
        postgres.sql("DROP USER alice");
        postgres.sql("CREATE ROLE rds_iam");
        postgres.sql("CREATE DATABASE shop");
        Self {
            world: World::at(&moto.url),
            _moto: moto,
            judge,
            postgres,
            at,
            places,
        }
    }

    fn hosts(&self) -> String {
        let hosts = self.places.values();
        let hosts = hosts.map(|place| format!("{}: {}", place.host, self.at));
        hosts.collect::<Vec<_>>().join(", ")
    }

    /// What the judge goes by for a database: the keys are those of muster's environment.
    fn rule(&self, name: &str) -> Value {
        let Place { host, port, .. } = &self.places[name];
        json!({"kind": "rds", "host": host, "port": port, "region": REGION, "users": ["alice"],
            "keys": {"AKIADEMO111111111111": ["recorded", null]}})
    }
}

#[test]
fn the_guide_works_to_the_letter() {
    let guide = Guide::new();
    let port = super::free_port();
    let mut walk = Walk {
        world: &guide.world,
        postgres: &guide.postgres,
        judge: &guide.judge,
        here: vec![
            ("./muster-data".to_owned(), "./muster-demo".to_owned()),
            ("0.0.0.0:7430".to_owned(), format!("127.0.0.1:{port}")),
            ("localhost:7430".to_owned(), format!("localhost:{port}")),
        ],
        proxy: format!(
            "  trust: {}\n  hosts: {{ {} }}\n",
            guide.postgres.ca.display(),
            guide.hosts()
        ),
        service: None,
        printed: String::new(),
        link: String::new(),
    };
    let page = page(PAGE);
    let blocks = blocks(&page);
    // The two databases are one server here, and each has tokens of its own.
    let aurora = blocks
        .iter()
        .position(|block| block.text.contains("db connect aurora"))
        .expect("a connection to Aurora");
    guide.judge.goes_by(&guide.rule("orders"));
    walk.through(&blocks[..aurora]);
    let (orders, rest) = blocks[aurora].text.split_once('\n').unwrap();
    let line = |text: &str| super::page::Block {
        language: "sh".to_owned(),
        text: text.to_owned(),
    };
    walk.through(&[line(orders)]);
    guide.judge.goes_by(&guide.rule("aurora"));
    walk.through(&[line(rest)]);
    walk.through(&blocks[aurora + 1..]);
    let judged = guide.judge.seen();
    assert_eq!(judged.len(), 2, "{judged:?}");
    for one in judged {
        assert_eq!(
            (&one["user"], &one["right"]),
            (&json!("alice"), &json!(true)),
            "{one}"
        );
    }
    walk.service.unwrap().stop();
}

/// What somebody tries who is in trouble, and what has to be in the answer.
struct Trouble<'a> {
    database: &'a str,
    says: &'a [&'a str],
}

#[test]
fn every_trouble_has_its_answer() {
    let guide = Guide::new();
    let (legacy, legacy_at) = guide
        .judge
        .postgres(&["legacy.aaaaaaaaaa.us-west-1.rds.amazonaws.com"], true);
    let (closed, silent) = (address(), address());
    // One that answers nobody: its queue is full.
    let silence = super::silence(silent);
    let world = &guide.world;
    let trust = world.dir.path().join("trust.pem");
    let roots = [&guide.postgres.ca, &legacy.ca].map(|file| fs::read_to_string(file).unwrap());
    fs::write(&trust, roots.concat()).unwrap();
    let orders = &guide.places["orders"].host;
    world.write(&format!(
        "version: 1
store: muster-demo
policy: upsert-only
sources: {{ aws: [{{ types: [rds], regions: [{REGION}] }}] }}
service: {{ listen: off }}
proxy:
  listen: 127.0.0.1:0
  trust: {}
  connect_timeout: 2s
  hosts:
    legacy.aaaaaaaaaa.us-west-1.rds.amazonaws.com: {legacy_at}
    closed.aaaaaaaaaa.us-west-1.rds.amazonaws.com: {closed}
    silent.aaaaaaaaaa.us-west-1.rds.amazonaws.com: {silent}
    db.corp.example: {at}
    {hosts}
",
        trust.display(),
        at = guide.at,
        hosts = guide.hosts().replace(", ", "\n    "),
    ));
    let by_hand = |name: &str, host: &str, region: &str| {
        format!(
            "kind: db\nversion: v3\nmetadata: {{ name: {name}, labels: {{ env: prod }} }}\n\
             spec: {{ protocol: postgres, uri: '{host}:5432', aws: {{ region: {region} }} }}\n---\n"
        )
    };
    let mut records = [
        by_hand("elsewhere", orders, "eu-west-1"),
        by_hand("alias", "db.corp.example", REGION),
    ]
    .concat();
    for name in ["legacy", "closed", "silent"] {
        let host = format!("{name}.aaaaaaaaaa.us-west-1.rds.amazonaws.com");
        records += &by_hand(name, &host, REGION);
    }
    records += "kind: role\nversion: v7\nmetadata: { name: access }\n\
        spec: { allow: { db_labels: { env: prod }, db_users: [alice, bob], db_names: [shop] } }\n---\n\
        kind: user\nversion: v2\nmetadata: { name: alice }\nspec: { roles: [access] }\n";
    guide
        .postgres
        .sql("CREATE USER alice; GRANT rds_iam TO alice; CREATE USER bob");
    let town = super::Sitting::new(world, &records);
    let (service, proxy) = town.open(8);
    let troubles = [
        Trouble {
            database: "ledger",
            says: &[
                "IAM database authentication is off",
                "aws rds modify-db-instance",
                "--enable-iam-database-authentication",
            ],
        },
        Trouble {
            database: "elsewhere",
            says: &["us-west-1", "is not a host of Amazon RDS in eu-west-1"],
        },
        Trouble {
            database: "alias",
            says: &["db.corp.example is not a host of Amazon RDS in us-west-1"],
        },
        Trouble {
            database: "legacy",
            says: &[
                "x509: certificate relies on legacy Common Name field, use SANs instead",
                "rds-ca-rsa2048-g1",
            ],
        },
        Trouble {
            database: "closed",
            says: &[
                "cannot reach",
                "closed.aaaaaaaaaa.us-west-1.rds.amazonaws.com:5432",
                "(tried for",
                "nc -vz",
            ],
        },
        Trouble {
            database: "silent",
            says: &[
                "cannot reach",
                "silent.aaaaaaaaaa.us-west-1.rds.amazonaws.com:5432",
                "(tried for 2 s)",
                "nc -vz",
                "security group",
            ],
        },
    ];
    for Trouble { database, says } in &troubles {
        let text = town.refused(&proxy, database, "alice");
        for word in *says {
            assert!(text.contains(word), "{database}: no {word:?} in {text}");
        }
    }
    // The token itself is wrong: for this user, by the clock, for that database.
    let refused = "authentication failed for user \"alice\"";
    for (what, changed, says) in [
        (
            "no policy",
            json!({"users": ["somebody else"]}),
            [refused, "rds-db:connect", "GRANT rds_iam TO"],
        ),
        (
            "expired",
            json!({"ahead": 1200}),
            [refused, "rds-db:connect", "clock"],
        ),
        (
            "other region",
            json!({"region": "us-east-1"}),
            [refused, "rds-db:connect", &guide.places["orders"].resource],
        ),
        (
            "other host",
            json!({"host": "orders.bbbbbbbbbb.us-west-1.rds.amazonaws.com"}),
            [refused, "rds-db:connect", "rds_iam"],
        ),
    ] {
        let mut rule = guide.rule("orders");
        rule.as_object_mut()
            .unwrap()
            .extend(changed.as_object().unwrap().clone());
        guide.judge.goes_by(&rule);
        let text = town.refused(&proxy, "orders", "alice");
        for word in says {
            assert!(text.contains(word), "{what}: no {word:?} in {text}");
        }
        let judged = guide.judge.seen();
        assert!(
            judged.iter().all(|one| one["right"] == false) && !judged.is_empty(),
            "{what}: {judged:?}"
        );
    }
    guide.judge.goes_by(&guide.rule("orders"));
    assert_eq!(town.asks(&proxy, "orders", "alice", "select 6 * 7"), "42");
    // An account whose role is in the configuration from now on is logged in to by that role, without a restart.
    let config = fs::read_to_string(world.config()).unwrap();
    let accounts =
        "accounts: [{ assume_role: 'arn:aws:iam::123456789012:role/muster' }], types: [rds]";
    world.write(&config.replace("types: [rds]", accounts));
    let reloaded = world.command(&["reload"]).output().unwrap();
    assert!(reloaded.status.success(), "{}", complaint(&reloaded));
    guide.judge.seen();
    town.refused(&proxy, "orders", "alice");
    let judged = guide.judge.seen();
    assert!(!judged.is_empty());
    for judged in judged {
        let why = judged["why"].as_str().unwrap();
        assert!(
            why.starts_with("made with the key ") && !why.contains("AKIADEMO"),
            "{why}"
        );
    }
    world.write(&config);
    let reloaded = world.command(&["reload"]).output().unwrap();
    assert!(reloaded.status.success(), "{}", complaint(&reloaded));
    assert_eq!(town.asks(&proxy, "orders", "alice", "select 6 * 7"), "42");
    drop(silence);
    town.ends_without_a_word(service, &proxy, &guide.postgres);
}

#[test]
fn no_row_of_the_page_is_untried() {
    // The first five above, the next two beside this file in `credentials`, and the last one above again.
    let tried = [
        "`authentication failed for user`",
        "`IAM database authentication is off`",
        "`is not a host of Amazon RDS in`",
        "`x509: certificate relies on legacy Common Name field, use SANs instead`",
        "`cannot reach` … `(tried for`",
        "`muster has no credentials for AWS`",
        "`may not assume`",
        "`SSL SYSCALL error` or `server closed the connection unexpectedly`",
    ];
    let page = page(PAGE);
    for row in troubles(&page) {
        assert!(tried.contains(&row), "no test tries {row}");
    }
    assert_eq!(troubles(&page).len(), tried.len());
}
