//! The texts, as files: `fixtures/credentials/advice/`. `MUSTER_BLESS=1` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use muster_cloud::{CallError, Reason, aws::AssumeRole};
use muster_model::{
    AccountId, Availability, Kind, Owner, Protocol, ResourceId, Selector, hint, selector::Pattern,
};
use rcgen::{DnType, ExtendedKeyUsagePurpose};
use rustls::{AlertDescription, Error};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::Deserialize;

use crate::{
    Advice, CredentialError, Credentials, Failure, Keyring, Parts, RoleRefused, SecretRule,
    Settings, TlsMode,
    endpoint::token_endpoint,
    testkit::{Hand, NOW, in_region, table, target},
    trust::testkit::{Authority, Leaf, meet, params},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[allow(dead_code)]
    about: String,
    cases: Vec<TextCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextCase {
    name: String,
    kind: Kind,
    protocol: Option<Protocol>,
    id: Option<String>,
    host: Option<String>,
    region: Option<String>,
    state: Option<(String, Availability)>,
    #[serde(default)]
    facts: BTreeMap<String, String>,
    #[serde(default)]
    hints: BTreeMap<String, String>,
    #[serde(default)]
    found: bool,
    /// Whether a stored password is for it.
    #[serde(default)]
    secret: bool,
    role: Option<String>,
    user: Option<String>,
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    failure: What,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Refused {
        severity: String,
        code: String,
        message: String,
    },
    Unanswerable(String),
    NoTls,
    /// What the server shows.
    Certificate(Shows),
    Alert(String),
    NotTls,
    Unreachable {
        after: f64,
        why: String,
    },
    Closed,
    /// Whatever the login comes to.
    Login,
    Cloud {
        reason: String,
        message: String,
    },
    Role {
        caller: String,
        role: String,
        external_id: Option<String>,
    },
    Other(String),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Shows {
    NoNames,
    Version1,
    OtherName,
    OtherAuthority,
    Expired,
    Early,
    ForClients,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/credentials")
}

fn text(advice: &Advice) -> String {
    let Advice { message, hint, log } = advice;
    let mut text = format!("{message}\n");
    for (head, part) in [("hint", hint), ("log only", log)] {
        if !part.is_empty() {
            text.push_str(&format!("\n--- {head}\n{part}\n"));
        }
    }
    text
}

/// What a client says of a server that shows this.
fn shown(keyring: &Keyring, target: &muster_model::Target, ours: &Authority, what: Shows) -> Error {
    let host = target.endpoint.as_ref().unwrap().host.clone();
    let mut params = params(&[host.as_str()]);
    params.distinguished_name.push(DnType::CommonName, &host);
    let at = |seconds: u64| {
        time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap()).unwrap()
    };
    let theirs = Authority::new("somebody else");
    let leaf = match what {
        Shows::NoNames => {
            params.subject_alt_names.clear();
            ours.sign(&params)
        }
        Shows::Version1 => {
            let pem = fs::read(folder().join("tls/version-1.pem")).unwrap();
            Leaf {
                chain: vec![CertificateDer::from_pem_slice(&pem).unwrap()],
                ..ours.sign(&params)
            }
        }
        Shows::OtherName => ours.server("other.example"),
        Shows::OtherAuthority => theirs.sign(&params),
        Shows::Expired => {
            params.not_after = at(NOW - 60);
            ours.sign(&params)
        }
        Shows::Early => {
            params.not_before = at(NOW + 60);
            ours.sign(&params)
        }
        Shows::ForClients => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            ours.sign(&params)
        }
    };
    let tls = keyring.tls(target, "alice").unwrap();
    meet(&tls, &leaf, None).client.unwrap_err()
}

async fn advice(case: &TextCase, ours: &Authority, ca: &Path) -> Advice {
    let host = case.host.as_deref().unwrap_or("orders.internal.example");
    let mut target = target(case.kind, host);
    if host.is_empty() {
        target.endpoint = None;
    }
    if let Some(region) = &case.region {
        target = in_region(target, region);
    }
    if let Some(id) = &case.id {
        target.id = ResourceId::of(id, "server");
    }
    if let Some((name, availability)) = &case.state {
        target.state.name.clone_from(name);
        target.state.availability = *availability;
    }
    if case.found {
        target.owner.by = Owner::DISCOVERY.to_owned();
    }
    target.protocol = case.protocol.unwrap_or(Protocol::Postgres);
    target.facts.clone_from(&case.facts);
    target.hints.clone_from(&case.hints);
    let mut settings = Settings {
        ca_files: vec![ca.to_owned()],
        ..Settings::default()
    };
    if case.secret {
        settings.secrets.push(SecretRule {
            databases: Selector::all(),
            db_users: vec![Pattern::parse("*").unwrap()],
            password_file: PathBuf::from("/etc/muster/orders.password"),
        });
    }
    if let Some(role) = &case.role {
        let role = AssumeRole {
            arn: role.clone(),
            external_id: None,
        };
        settings
            .aws_roles
            .insert(AccountId::new("111111111111"), role);
    }
    let keyring = Keyring::new(Parts {
        settings,
        aws: None,
        azure: None,
        database_ca: None,
        clock: Hand::at(NOW).clock(),
    })
    .unwrap();
    let user = case.user.as_deref().unwrap_or("alice");
    let explain = |failure: &Failure<'_>| keyring.explain(&target, user, failure);
    match &case.failure {
        What::Refused {
            severity,
            code,
            message,
        } => explain(&Failure::Refused {
            severity,
            code,
            message,
        }),
        What::Unanswerable(asked) => explain(&Failure::Unanswerable { asked }),
        What::NoTls => explain(&Failure::NoTls),
        What::Certificate(what) => {
            let error = shown(&keyring, &target, ours, *what);
            explain(&Failure::Tls {
                error: &error,
                leaf: None,
            })
        }
        What::Alert(alert) => {
            let alert = match alert.as_str() {
                "certificate-required" => AlertDescription::CertificateRequired,
                "protocol-version" => AlertDescription::ProtocolVersion,
                other => panic!("{other}"),
            };
            explain(&Failure::Tls {
                error: &Error::AlertReceived(alert),
                leaf: None,
            })
        }
        What::NotTls => explain(&Failure::Tls {
            error: &Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
            leaf: None,
        }),
        What::Unreachable { after, why } => explain(&Failure::Unreachable {
            host,
            port: 5432,
            tried_for: Duration::from_secs_f64(*after),
            why,
        }),
        What::Closed => explain(&Failure::Closed),
        What::Login => {
            let error = keyring.login(&target, user).await.err().unwrap();
            explain(&Failure::Credentials(&error))
        }
        What::Cloud { reason, message } => {
            let reason = Reason::ALL
                .into_iter()
                .find(|word| word.as_str() == reason)
                .unwrap();
            let error = CredentialError::Cloud(CallError::new(reason, "aws:credentials", message));
            explain(&Failure::Credentials(&error))
        }
        What::Role {
            caller,
            role,
            external_id,
        } => {
            let error = CallError::new(Reason::Denied, "sts:AssumeRole", "AccessDenied");
            let error = CredentialError::Role(Box::new(RoleRefused {
                caller: caller.clone(),
                role: role.clone(),
                external_id: external_id.clone(),
                error,
            }));
            explain(&Failure::Credentials(&error))
        }
        What::Other(which) => {
            let error = match which.as_str() {
                "no-access" => CredentialError::NoAccess { cloud: "AWS" },
                "region" => CredentialError::Region {
                    region: "eu west".to_owned(),
                },
                "certificate" => CredentialError::Certificate("the authority is locked".to_owned()),
                "unverified" => CredentialError::Unverified {
                    mode: TlsMode::VerifyCa,
                },
                "foreign" => token_endpoint(&target).unwrap_err().into(),
                other => panic!("{other}"),
            };
            explain(&Failure::Credentials(&error))
        }
    }
}

#[tokio::test]
async fn texts_are_those_of_the_files() {
    let scratch = tempfile::tempdir().unwrap();
    let ca = scratch.path().join("ca.pem");
    let ours = Authority::new("our authority");
    fs::write(&ca, &ours.pem).unwrap();
    let folder = folder().join("advice");
    let bless = std::env::var_os("MUSTER_BLESS").is_some();
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for case in table::<Table>("advice/cases.yaml").cases {
        let got = text(&advice(&case, &ours, &ca).await);
        let path = folder.join(format!("{}.txt", case.name));
        assert!(names.insert(path.clone()), "{} is there twice", case.name);
        if bless {
            fs::write(&path, &got).unwrap();
        }
        let want = fs::read_to_string(&path).unwrap_or_default();
        if got != want {
            wrong.push(format!("=== {}\n{got}--- instead of\n{want}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let known = names.contains(&path) || path.ends_with("cases.yaml");
        assert!(known, "{} belongs to no case", path.display());
    }
}

/// Names come from outside: what is to be copied must not do more than it says.
#[tokio::test]
async fn names_cannot_break_out_of_what_is_to_be_copied() {
    let user = "x'; DROP ROLE a; --\"`\n$(reboot)";
    let scratch = tempfile::tempdir().unwrap();
    let ca = scratch.path().join("ca.pem");
    let ours = Authority::new("our authority");
    fs::write(&ca, &ours.pem).unwrap();
    for (kind, protocol) in [
        (Kind::Rds, Protocol::Postgres),
        (Kind::Rds, Protocol::Mysql),
        (Kind::AzurePostgresqlFlexible, Protocol::Postgres),
        (Kind::AzureMysqlFlexible, Protocol::Mysql),
        (Kind::AzurePostgresql, Protocol::Postgres),
    ] {
        let case = TextCase {
            name: String::new(),
            kind,
            protocol: Some(protocol),
            id: Some("arn:aws:rds:eu-west-1:111111111111:db:$(reboot)".to_owned()),
            host: None,
            region: None,
            state: None,
            facts: BTreeMap::new(),
            hints: BTreeMap::from([(hint::AZURE_SERVER.to_owned(), "s".to_owned())]),
            found: false,
            secret: false,
            role: None,
            user: Some(user.to_owned()),
            failure: What::Refused {
                severity: "FATAL".to_owned(),
                code: "28000".to_owned(),
                message: format!("PAM authentication failed for user \"{user}\""),
            },
        };
        let advice = advice(&case, &ours, &ca).await;
        assert!(!advice.message.contains('\n'), "{}", advice.message);
        for line in advice
            .hint
            .lines()
            .filter(|line| line.contains("DROP ROLE"))
        {
            let quoted = [
                "'x''; DROP",
                "\"x'; DROP",
                "`x'; DROP",
                "dbuser:RESOURCE-ID/x'; DROP",
            ];
            assert!(quoted.iter().any(|text| line.contains(text)), "{line}");
        }
    }
}
