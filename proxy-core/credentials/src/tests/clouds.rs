//! Logins by cloud, with clouds that are made up and clouds that are stand-ins on this machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use async_trait::async_trait;
use aws_credential_types::Credentials as Keys;
use muster_cloud::{
    CallError, Reason, Secret,
    aws::AssumeRole,
    azure::{AzureAccess, AzureOptions},
};
use muster_model::{AccountId, Kind, Protocol, ResourceId, Target, hint};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    AwsKeys, CredentialError, Credentials as _, EntraTokens, Failure, Keyring, Login, Parts, Proof,
    Settings,
    testkit::{Hand, NOW, found, target},
    token::{
        elasticache::{self, Cache},
        rds::{self, Rds},
    },
};

/// Remembers who was asked for; refuses the role named `refused`.
#[derive(Default)]
pub(super) struct Cloud {
    asked: Mutex<Vec<Vec<AssumeRole>>>,
    scopes: Mutex<Vec<String>>,
}

fn keys_of(roles: &[AssumeRole]) -> Keys {
    let id = roles.last().map_or("AMBIENT", |role| role.arn.as_str());
    let end = UNIX_EPOCH + Duration::from_secs(NOW + 3600);
    Keys::new(id, "secret", Some("session".to_owned()), Some(end), "test")
}

#[async_trait]
impl AwsKeys for Cloud {
    async fn keys(&self, roles: &[AssumeRole]) -> Result<Keys, CallError> {
        self.asked.lock().unwrap().push(roles.to_vec());
        if roles
            .last()
            .is_some_and(|role| role.arn.ends_with("/refused"))
        {
            return Err(CallError::new(Reason::Denied, "sts:AssumeRole", "no"));
        }
        Ok(keys_of(roles))
    }

    async fn caller(&self) -> Option<String> {
        Some("arn:aws:sts::111111111111:assumed-role/muster/i-0".to_owned())
    }
}

#[async_trait]
impl EntraTokens for Cloud {
    async fn entra_token(&self, scope: &str) -> Result<Secret, CallError> {
        self.scopes.lock().unwrap().push(scope.to_owned());
        Ok(Secret::new("entra-token"))
    }
}

pub(super) fn keyring(settings: Settings, cloud: &Arc<Cloud>) -> Keyring {
    Keyring::new(Parts {
        settings,
        aws: Some(Arc::clone(cloud) as Arc<dyn AwsKeys>),
        azure: Some(Arc::clone(cloud) as Arc<dyn EntraTokens>),
        database_ca: None,
        clock: Hand::at(NOW).clock(),
    })
    .unwrap()
}

fn token(login: Result<Login, CredentialError>) -> (String, String) {
    match login.unwrap_or_else(|error| panic!("{error}")) {
        Login {
            user,
            proof: Proof::Token(token),
        } => (user, token.expose().to_owned()),
        Login { proof, .. } => panic!("{}", proof.as_str()),
    }
}

fn role(name: &str, external_id: Option<&str>) -> AssumeRole {
    AssumeRole {
        arn: format!("arn:aws:iam::111111111111:role/{name}"),
        external_id: external_id.map(str::to_owned),
    }
}

const HOST: &str = "orders.abc.eu-west-1.rds.amazonaws.com";

fn rds_token(user: &str, roles: &[AssumeRole]) -> String {
    let ask = Rds {
        host: HOST,
        port: 5432,
        region: "eu-west-1",
        user,
    };
    let at = UNIX_EPOCH + Duration::from_secs(NOW);
    rds::token(ask, &keys_of(roles), at).expose().to_owned()
}

#[tokio::test]
async fn rds_gets_a_token_of_the_accounts_role() {
    let cloud = Arc::new(Cloud::default());
    let scanned = role("scanner", Some("x-1"));
    let settings = Settings {
        aws_roles: [(AccountId::new("111111111111"), scanned.clone())].into(),
        ..Settings::default()
    };
    let keyring = keyring(settings, &cloud);
    for protocol in [Protocol::Postgres, Protocol::Mysql] {
        let mut target = found(Kind::Rds, HOST);
        target.protocol = protocol;
        for _ in 0..3 {
            let (user, got) = token(keyring.login(&target, "alice").await);
            assert_eq!(user, "alice");
            assert_eq!(got, rds_token("alice", std::slice::from_ref(&scanned)));
        }
    }
    // One token, so the keys were asked for once.
    assert_eq!(*cloud.asked.lock().unwrap(), [vec![scanned.clone()]]);
    // Another role of the account counts at once, and no token of the one before is used again.
    let next = role("next", None);
    keyring.set_aws_roles([(AccountId::new("111111111111"), next.clone())].into());
    let (_, got) = token(keyring.login(&found(Kind::Rds, HOST), "alice").await);
    assert_eq!(got, rds_token("alice", std::slice::from_ref(&next)));
    assert_eq!(*cloud.asked.lock().unwrap(), [vec![scanned], vec![next]]);
}

#[tokio::test]
async fn a_records_own_role_goes_first_and_that_of_a_hint_does_not_count() {
    let cloud = Arc::new(Cloud::default());
    let keyring = keyring(Settings::default(), &cloud);
    let own = role("own", Some("x-2"));
    let with_hints = |mut target: Target| {
        let hints = [
            (hint::ASSUME_ROLE, own.arn.as_str()),
            (hint::EXTERNAL_ID, "x-2"),
        ];
        for (name, value) in hints {
            target.hints.insert(name.to_owned(), value.to_owned());
        }
        target
    };
    let written = with_hints(target(Kind::Rds, HOST));
    let (_, got) = token(keyring.login(&written, "alice").await);
    assert_eq!(got, rds_token("alice", std::slice::from_ref(&own)));
    let discovered = with_hints(found(Kind::Rds, HOST));
    let (_, got) = token(keyring.login(&discovered, "alice").await);
    assert_eq!(got, rds_token("alice", &[]));
    assert_eq!(*cloud.asked.lock().unwrap(), [vec![own], vec![]]);
}

#[tokio::test]
async fn a_role_that_is_refused_is_named() {
    let cloud = Arc::new(Cloud::default());
    let refused = role("refused", Some("x-1"));
    let settings = Settings {
        aws_roles: [(AccountId::new("111111111111"), refused.clone())].into(),
        ..Settings::default()
    };
    let error = keyring(settings, &cloud)
        .login(&found(Kind::Rds, HOST), "alice")
        .await
        .err()
        .unwrap();
    let CredentialError::Role(got) = error else {
        panic!("{error}");
    };
    assert_eq!(got.role, refused.arn);
    assert_eq!(got.external_id, refused.external_id);
    assert!(got.caller.ends_with(":assumed-role/muster/i-0"));
}

#[tokio::test]
async fn a_cache_gets_a_token_that_names_it() {
    let keyring = keyring(Settings::default(), &Arc::new(Cloud::default()));
    let mut cache = found(
        Kind::ElasticacheServerless,
        "s.serverless.euw1.cache.amazonaws.com",
    );
    cache.id = ResourceId::of(
        "arn:aws:elasticache:eu-west-1:111111111111:serverlesscache:sessions",
        "serverless",
    );
    cache.hints.insert(hint::AUTH.to_owned(), "iam".to_owned());
    let (_, got) = token(keyring.login(&cache, "alice").await);
    let ask = Cache {
        id: "sessions",
        serverless: true,
        region: "eu-west-1",
        user: "alice",
    };
    let want = elasticache::token(ask, &keys_of(&[]), UNIX_EPOCH + Duration::from_secs(NOW));
    assert_eq!(got, want.expose());
}

#[tokio::test]
async fn tokens_do_not_go_where_nobody_knows_who_is_there() {
    let cloud = Arc::new(Cloud::default());
    let keyring = keyring(Settings::default(), &cloud);
    for kind in [Kind::Rds, Kind::AzurePostgresql] {
        for host in ["evil.example", "10.0.0.7", "localhost"] {
            let error = keyring.login(&target(kind, host), "alice").await.err();
            assert!(
                matches!(error, Some(CredentialError::Endpoint(_))),
                "{host}"
            );
        }
        let host = if kind == Kind::Rds {
            HOST
        } else {
            "orders.postgres.database.azure.com"
        };
        for mode in ["verify-ca", "insecure"] {
            let mut target = target(kind, host);
            target
                .hints
                .insert(hint::TLS_MODE.to_owned(), mode.to_owned());
            let error = keyring.login(&target, "alice").await.err();
            assert!(
                matches!(error, Some(CredentialError::Unverified { .. })),
                "{mode}"
            );
        }
    }
    // Nobody was even asked.
    assert!(cloud.asked.lock().unwrap().is_empty());
    assert!(cloud.scopes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn azure_gets_the_token_of_its_cloud_and_single_servers_their_name() {
    let cloud = Arc::new(Cloud::default());
    let ring = keyring(Settings::default(), &cloud);
    for (kind, host, want) in [
        (
            Kind::AzurePostgresql,
            "orders.postgres.database.azure.com",
            "alice@orders",
        ),
        (
            Kind::AzurePostgresqlFlexible,
            "orders.postgres.database.chinacloudapi.cn",
            "alice",
        ),
    ] {
        let login = ring.login(&target(kind, host), "alice").await;
        assert_eq!(token(login), (want.to_owned(), "entra-token".to_owned()));
    }
    let settings = Settings {
        entra_scope: Some("https://elsewhere.example/.default".to_owned()),
        ..Settings::default()
    };
    let ring = keyring(settings, &cloud);
    let login = ring
        .login(
            &found(Kind::AzureMysqlFlexible, "db7.internal.example"),
            "alice",
        )
        .await;
    token(login);
    assert_eq!(
        *cloud.scopes.lock().unwrap(),
        [
            "https://ossrdbms-aad.database.windows.net/.default",
            "https://ossrdbms-aad.database.chinacloudapi.cn/.default",
            "https://elsewhere.example/.default",
        ]
    );
}

/// A machine's metadata service: answers every request with a token, and says what it was asked.
async fn metadata_service() -> (url::Url, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                if stream.read_buf(&mut bytes).await.unwrap() == 0 {
                    break;
                }
            }
            let text = String::from_utf8(bytes).unwrap();
            log.lock().unwrap().push(text);
            let body = r#"{"access_token":"from-the-machine","expires_on":"4102444800","token_type":"Bearer"}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url.parse().unwrap(), asked)
}

#[tokio::test]
async fn a_managed_identity_logs_in_to_azures_databases() {
    let (imds, asked) = metadata_service().await;
    let nowhere: url::Url = "http://127.0.0.1:1".parse().unwrap();
    let access = AzureAccess::load(AzureOptions {
        authority: Some(nowhere.clone()),
        management: Some(nowhere),
        imds: Some(imds),
        cli: Some("/nonexistent/az".into()),
        env: Arc::new(|_| None),
        ..AzureOptions::default()
    })
    .unwrap();
    let keyring = Keyring::new(Parts {
        settings: Settings::default(),
        aws: None,
        azure: Some(Arc::new(access)),
        database_ca: None,
        clock: Hand::at(NOW).clock(),
    })
    .unwrap();
    let host = "orders.postgres.database.azure.com";
    for kind in [Kind::AzurePostgresqlFlexible, Kind::AzurePostgresql] {
        let (_, got) = token(keyring.login(&target(kind, host), "alice").await);
        assert_eq!(got, "from-the-machine");
    }
    let asked = asked.lock().unwrap().clone();
    let [request] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    // The resource, as version 1 of the protocol has it, and not the scope.
    assert!(
        request.contains("resource=https%3A%2F%2Fossrdbms-aad.database.windows.net&")
            || request.contains("resource=https%3A%2F%2Fossrdbms-aad.database.windows.net "),
        "{request}"
    );
    let without = keyring.login(&found(Kind::Rds, HOST), "alice").await.err();
    assert_eq!(without, Some(CredentialError::NoAccess { cloud: "AWS" }));
}

/// A database that is not what it seems may repeat what it was sent.
#[tokio::test]
async fn a_token_that_a_database_repeats_is_not_shown() {
    let keyring = keyring(Settings::default(), &Arc::new(Cloud::default()));
    let entra = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsIng1dCI6IkwxS2ZLRkkifQ.\
        eyJhdWQiOiJodHRwczovL29zc3JkYm1zLWFhZC5kYXRhYmFzZS53aW5kb3dzLm5ldCJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
    for (kind, token, secret) in [
        (Kind::AzurePostgresqlFlexible, entra.to_owned(), "eyJhdWQ"),
        (
            Kind::Rds,
            rds_token("alice", &[]),
            "X-Amz-Signature=0123456789",
        ),
    ] {
        let signature = token.rsplit('=').next().unwrap().to_owned();
        for message in [
            format!("password authentication failed: {token}"),
            format!("user \"alice\" said \"{token}\""),
            format!("{token}\0\n"),
        ] {
            let advice = keyring.explain(
                &found(kind, HOST),
                "alice",
                &Failure::Refused {
                    severity: "FATAL",
                    code: "28000",
                    message: &message,
                },
            );
            let all = format!("{advice:?}");
            assert!(!all.contains(secret) && !all.contains(&signature), "{all}");
        }
    }
}
