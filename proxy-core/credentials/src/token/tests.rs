//! Tokens, held against published answers, the SDK's own signer and botocore.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use muster_model::{Kind, ResourceId, hint};
use proptest::prelude::*;
use serde::Deserialize;

use super::{
    LIFE,
    elasticache::{Cache, token_for},
    entra,
    rds::{self, Rds},
};
use crate::testkit::{table, target};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table<T> {
    #[allow(dead_code)]
    about: String,
    cases: Vec<T>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    id: String,
    secret: String,
    session: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RdsCase {
    name: String,
    keys: Keys,
    at: u64,
    host: String,
    port: u16,
    region: String,
    user: String,
    signature: Option<String>,
    token: Option<String>,
    #[serde(default)]
    holds: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CacheCase {
    name: String,
    keys: Keys,
    at: u64,
    cache: String,
    #[serde(default)]
    serverless: bool,
    region: String,
    user: String,
    expires: Option<u64>,
    signature: String,
    #[serde(default)]
    holds: Vec<String>,
}

fn keys(keys: Keys) -> Credentials {
    Credentials::new(keys.id, keys.secret, keys.session, None, "test")
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn check(name: &str, token: &str, signature: Option<&str>, holds: &[String]) {
    if let Some(want) = signature {
        let (_, got) = token.split_once("&X-Amz-Signature=").unwrap();
        assert_eq!(got, want, "{name}");
    }
    for text in holds {
        assert!(token.contains(text.as_str()), "{name}: {token}");
    }
}

#[test]
fn tokens_for_rds_are_those_that_others_published() {
    for file in ["rds/known.yaml", "rds/encoding.yaml"] {
        for case in table::<Table<RdsCase>>(file).cases {
            let ask = Rds {
                host: &case.host,
                port: case.port,
                region: &case.region,
                user: &case.user,
            };
            let token = rds::token(ask, &keys(case.keys), at(case.at));
            let token = token.expose();
            check(&case.name, token, case.signature.as_deref(), &case.holds);
            if let Some(want) = case.token {
                assert_eq!(token, want, "{}", case.name);
            }
        }
    }
}

#[test]
fn tokens_for_caches_are_those_that_others_published() {
    for case in table::<Table<CacheCase>>("elasticache/known.yaml").cases {
        let ask = Cache {
            id: &case.cache,
            serverless: case.serverless,
            region: &case.region,
            user: &case.user,
        };
        let token = token_for(
            ask,
            &keys(case.keys),
            at(case.at),
            case.expires.unwrap_or(LIFE),
        );
        check(
            &case.name,
            token.expose(),
            Some(&case.signature),
            &case.holds,
        );
    }
}

/// What the SDK's signer makes of a URL in which every byte of the user's name is written as `%XX`.
fn by_the_sdk(ask: Rds<'_>, keys: &Credentials, at: SystemTime) -> String {
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(Duration::from_secs(LIFE));
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = keys.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(ask.region)
        .name("rds-db")
        .time(at)
        .settings(settings)
        .build()
        .unwrap();
    let user: String = ask
        .user
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let url = format!(
        "http://{}:{}/?Action=connect&DBUser={user}",
        ask.host, ask.port
    );
    let request =
        SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[])).unwrap();
    sign(request, &params.into())
        .unwrap()
        .signature()
        .to_owned()
}

proptest! {
    #[test]
    fn the_sdk_signs_any_name_alike(
        user in "\\PC{1,63}",
        host in "[a-z][a-z0-9-]{0,20}(\\.[a-z0-9]{1,10}){1,4}",
        // The SDK leaves 80 out of the host.
        port in 81_u16..,
        region in "[a-z]{2}-[a-z]{4,9}-[1-9]",
        secret in "[A-Za-z0-9/+]{40}",
        session in proptest::option::of("[A-Za-z0-9/+=]{1,900}"),
        seconds in 0_u64..4_000_000_000,
    ) {
        let keys = Credentials::new("AKIDEXAMPLE", secret, session, None, "test");
        let ask = Rds { host: &host, port, region: &region, user: &user };
        let token = rds::token(ask, &keys, at(seconds));
        let (_, signature) = token.expose().split_once("&X-Amz-Signature=").unwrap();
        prop_assert_eq!(signature, by_the_sdk(ask, &keys, at(seconds)));
    }
}

/// botocore signs with the time of its machine, so its time is read out of its token.
#[test]
fn botocore_signs_alike() {
    let tools = std::env::var("MUSTER_TEST_TOOLS")
        .unwrap_or_else(|_| format!("{}/../../target/test-tools", env!("CARGO_MANIFEST_DIR")));
    let python = format!("{tools}/bin/python3");
    let script = "import sys, botocore.session\n\
        s = botocore.session.Session()\n\
        s.set_credentials('AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', sys.argv[2] or None)\n\
        c = s.create_client('rds', region_name='eu-west-1')\n\
        print(c.generate_db_auth_token(DBHostname='db.abc.eu-west-1.rds.amazonaws.com', Port=5432, DBUsername=sys.argv[1]))\n";
    for (user, session) in [
        ("alice", ""),
        ("a b+c&d=e%20/ü@x", ""),
        ("alice", "IQoJ+b3/JpZ2luX2VjE=="),
    ] {
        let Ok(answer) = Command::new(&python)
            .args(["-c", script, user, session])
            .output()
        else {
            eprintln!("skipped: no {python}; tests/tools/servers.sh installs it");
            return;
        };
        let text = String::from_utf8(answer.stdout).unwrap();
        assert!(
            answer.status.success(),
            "{}",
            String::from_utf8_lossy(&answer.stderr)
        );
        let theirs = parameters(text.trim());
        let time = &theirs["X-Amz-Date"];
        let session = Some(session.to_owned()).filter(|session| !session.is_empty());
        let keys = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            session,
            None,
            "test",
        );
        let ask = Rds {
            host: "db.abc.eu-west-1.rds.amazonaws.com",
            port: 5432,
            region: "eu-west-1",
            user,
        };
        let ours = rds::token(ask, &keys, from_stamp(time));
        assert_eq!(parameters(ours.expose()), theirs, "{user}");
    }
}

/// The parameters of a token as they are written; their order is free.
fn parameters(token: &str) -> BTreeMap<String, String> {
    let (host, query) = token.split_once("/?").unwrap();
    let mut all: BTreeMap<String, String> = query
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect();
    all.insert("host".to_owned(), host.to_owned());
    all
}

/// The time of `20240826T220000Z`.
fn from_stamp(stamp: &str) -> SystemTime {
    let number = |range: std::ops::Range<usize>| stamp[range].parse::<u8>().unwrap();
    let date = time::Date::from_calendar_date(
        stamp[..4].parse().unwrap(),
        number(4..6).try_into().unwrap(),
        number(6..8),
    )
    .unwrap();
    let at = date
        .with_hms(number(9..11), number(11..13), number(13..15))
        .unwrap();
    at.assume_utc().into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntraTable {
    #[allow(dead_code)]
    about: String,
    users: Vec<UserCase>,
    scopes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserCase {
    kind: Kind,
    id: String,
    host: String,
    hint: Option<String>,
    user: String,
    want: String,
}

#[test]
fn names_and_scopes_for_azure_are_those_of_the_table() {
    let table: EntraTable = table("entra/users.yaml");
    for case in table.users {
        let mut target = target(case.kind, &case.host);
        let (id, role) = case.id.rsplit_once('#').unwrap();
        target.id = ResourceId::of(id, role);
        if let Some(name) = case.hint {
            target.hints.insert(hint::AZURE_SERVER.to_owned(), name);
        }
        assert_eq!(
            entra::user(&target, &case.user),
            case.want,
            "{} {}",
            case.id,
            case.user
        );
    }
    for (host, want) in table.scopes {
        assert_eq!(entra::scope(&host), want, "{host}");
    }
}
