//! Guide 3: Azure Database for PostgreSQL with Entra ID. Azure is a recording, which also hands out the tokens; a real
//! PostgreSQL is the databases, and takes that very token, for the name that each kind of server has its users by.

use std::fs;

use muster_cloud::replay::{Replayer, Tape};
use serde_json::json;

use super::{
    Sitting,
    judge::{Judge, address},
    page::{Walk, blocks, page, troubles},
};
use crate::{
    service::world::{RUNTIME, World},
    support::postgres::Postgres,
};

const PAGE: &str = "guide-azure-postgresql.md";
const HOSTS: [&str; 3] = [
    "orders.postgres.database.azure.com",
    "ledger.postgres.database.azure.com",
    "shop.postgres.database.azure.com",
];

/// An Azure with the servers of the guide.
pub(super) struct Guide {
    pub(super) world: World,
    pub(super) judge: Judge,
    pub(super) postgres: Postgres,
    at: std::net::Ipv4Addr,
    pub(super) proxy: String,
}

impl Guide {
    pub(super) fn new() -> Self {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/guides/azure");
        let tape = Tape::from_dirs([dir]).unwrap();
        let _entered = RUNTIME.enter();
        let replayer = Replayer::start(tape).unwrap();
        let mut world = World::at(replayer.url());
        world.replayer = Some(replayer);
        let judge = Judge::start();
        let (postgres, at) = judge.postgres(&HOSTS, false);
        postgres.sql("CREATE USER \"alice@shop\"");
        let hosts = HOSTS.map(|host| format!("{host}: {at}")).join(", ");
        let proxy = format!(
            "  trust: {}\n  hosts: {{ {hosts} }}\n",
            postgres.ca.display()
        );
        Self {
            world,
            judge,
            postgres,
            at,
            proxy,
        }
    }

    /// The configuration says where Azure is.
    pub(super) fn endpoints(&self) -> String {
        let url = self.world.replayer.as_ref().unwrap().url();
        format!("azure_endpoints: {{ authority: \"{url}\", management: \"{url}\" }}\n")
    }

    /// The token that is handed out for databases, as it stands in the recording.
    pub(super) fn token() -> String {
        let tape = include_str!("../../../fixtures/guides/azure/tenant.yaml");
        let (_, rest) = tape.split_once("\"database-token.").unwrap();
        let (rest, _) = rest.split_once('"').unwrap();
        format!("database-token.{rest}")
    }
}

#[test]
fn the_guide_works_to_the_letter() {
    let guide = Guide::new();
    let token = Guide::token();
    guide
        .judge
        .goes_by(&json!({"kind": "text", "tokens": {"alice": token, "alice@shop": token}}));
    let port = super::free_port();
    let mut walk = Walk {
        world: &guide.world,
        postgres: &guide.postgres,
        judge: &guide.judge,
        here: vec![
            ("./muster-data".to_owned(), "./muster-demo".to_owned()),
            ("0.0.0.0:7430".to_owned(), format!("127.0.0.1:{port}")),
            ("localhost:7430".to_owned(), format!("localhost:{port}")),
            (
                "policy: upsert-only".to_owned(),
                format!("{}policy: upsert-only", guide.endpoints()),
            ),
        ],
        proxy: guide.proxy.clone(),
        service: None,
        printed: String::new(),
        link: String::new(),
    };
    walk.through(&blocks(&page(PAGE)));
    let judged = guide.judge.seen();
    let users: Vec<&str> = judged
        .iter()
        .filter_map(|one| one["user"].as_str())
        .collect();
    assert_eq!(users, ["alice", "alice@shop"], "{judged:?}");
    assert!(judged.iter().all(|one| one["right"] == true), "{judged:?}");
    walk.service.unwrap().stop();
    assert_eq!(guide.world.replayer.as_ref().unwrap().unmatched(), []);
}

#[test]
fn every_trouble_has_its_answer() {
    let guide = Guide::new();
    guide
        .judge
        .goes_by(&json!({"kind": "text", "tokens": {"alice": "the token of another identity"}}));
    let host = |name: &str| format!("{name}.postgres.database.azure.com");
    let (legacy, legacy_at) = guide.judge.postgres(&[&host("legacy")], true);
    let (closed, silent) = (address(), address());
    let silence = super::silence(silent);
    let trust = guide.world.dir.path().join("trust.pem");
    let roots = [&guide.postgres.ca, &legacy.ca].map(|file| fs::read_to_string(file).unwrap());
    fs::write(&trust, roots.concat()).unwrap();
    guide.world.write(&format!(
        "version: 1
store: muster-demo
policy: upsert-only
sources: {{ azure: [{{ types: [postgres] }}] }}
service: {{ listen: off }}
{}proxy:
  listen: 127.0.0.1:0
  trust: {}
  connect_timeout: 2s
  hosts:
    {}: {legacy_at}
    {}: {closed}
    {}: {silent}
    {}
",
        guide.endpoints(),
        trust.display(),
        host("legacy"),
        host("closed"),
        host("silent"),
        HOSTS
            .map(|host| format!("{host}: {}", guide.at))
            .join("\n    "),
    ));
    let by_hand = ["legacy", "closed", "silent"].map(|name| {
        format!(
            "kind: db\nversion: v3\nmetadata: {{ name: {name}, labels: {{ env: prod }} }}\n\
             spec: {{ protocol: postgres, uri: '{}:5432' }}\n---\n",
            host(name)
        )
    });
    let town = Sitting::new(
        &guide.world,
        &format!(
            "{}kind: role\nversion: v7\nmetadata: {{ name: access }}\n\
             spec: {{ allow: {{ db_labels: {{ env: prod }}, db_users: [alice], db_names: [shop] }} }}\n---\n\
             kind: user\nversion: v2\nmetadata: {{ name: alice }}\nspec: {{ roles: [access] }}\n",
            by_hand.concat()
        ),
    );
    let (service, proxy) = town.open(6);
    let page = page(PAGE);
    for (database, says) in [
        (
            "legacy",
            [
                "x509: certificate relies on legacy Common Name field, use SANs instead",
                "is this its host, or something before it?",
            ],
        ),
        (
            "closed",
            [
                "cannot reach database closed at closed.postgres.database.azure.com:5432",
                "nc -vz -w 5 closed.postgres.database.azure.com 5432",
            ],
        ),
        ("silent", ["(tried for 2 s)", "a firewall"]),
        (
            "orders",
            [
                "authentication failed for user \"alice\"",
                "pgaadauth_create_principal_with_oid",
            ],
        ),
        (
            "shop",
            [
                "authentication failed for user \"alice@shop\"",
                "IN ROLE azure_ad_user",
            ],
        ),
        (
            "ledger",
            [
                "Microsoft Entra authentication is off",
                "az postgres flexible-server update",
            ],
        ),
    ] {
        let text = town.refused(&proxy, database, "alice");
        for word in says {
            assert!(text.contains(word), "{database}: no {word:?} in {text}");
        }
        let (head, _) = says[0].split_once(" \"").unwrap_or((says[0], ""));
        let (head, _) = head.split_once(" database ").unwrap_or((head, ""));
        let (head, _) = head.split_once(" 2 s").unwrap_or((head, ""));
        assert!(page.contains(head), "the page does not say {head:?}");
    }
    drop(silence);
    guide
        .judge
        .goes_by(&json!({"kind": "text", "tokens": {"alice": Guide::token()}}));
    town.ends_without_a_word(service, &proxy, &guide.postgres);

    // Nobody gives it a token any more: each source is in the log, in order.
    let mut run = guide.world.command(&["run", "-v"]);
    for name in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"] {
        run.env_remove(name);
    }
    let service = guide.world.launch(run);
    let status = service.shows("a door", |status| status.proxy.is_some());
    let text = town.refused(&status.proxy.unwrap(), "orders", "alice");
    assert!(
        text.contains("muster has no credentials for Azure"),
        "{text}"
    );
    assert!(!text.contains("EnvironmentCredential"), "{text}");
    let line = service.hears("what was tried", |line| {
        let text = line.to_string();
        text.contains("orders")
            && text.contains("DefaultAzureCredential: failed to acquire a token")
    });
    let line = line.to_string();
    let mut rest = line.as_str();
    for source in [
        "EnvironmentCredential",
        "WorkloadIdentityCredential",
        "ManagedIdentityCredential",
        "AzureCLICredential",
    ] {
        let at = rest.find(source);
        rest = &rest[at.unwrap_or_else(|| panic!("no {source} in {line}"))..];
    }
    service.stop();
}

#[test]
fn no_row_of_the_page_is_untried() {
    // All of them above.
    let tried = [
        "`muster has no credentials for Azure`",
        "`authentication failed for user`",
        "`Microsoft Entra authentication is off`",
        "`x509: certificate relies on legacy Common Name field, use SANs instead`",
        "`cannot reach` … `(tried for`",
        "`SSL SYSCALL error` or `server closed the connection unexpectedly`",
    ];
    assert_eq!(troubles(&page(PAGE)), tried);
}
