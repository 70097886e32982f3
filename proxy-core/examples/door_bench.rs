//! A whole door for a benchmark of proxies: one PostgreSQL behind, everybody with the certificate let in, audit on.
//!
//! It is told by environment variables where the server and the certificates are (`BENCH_UP_HOST`, `BENCH_UP_PORT`, ...),
//! makes a certificate with an identity for the load generator, and names it in the file `BENCH_SLOT_ENV` before it
//! listens. `BENCH_TARGETS=1000000` puts so many more databases into the catalog.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, env, fs, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use muster_access::{
    IDENTITY_OID, Identity, LabelRules, Policy, Role, Route, Rules, Usage, User, Words,
};
use muster_audit::{Log, Micros};
use muster_credentials::{
    Advice, CredentialError, Credentials, Failure, Keyring, Login, Proof, Secret, UpstreamTls,
};
use muster_model::{
    Availability, Endpoint, Kind, Labels, Owner, Protocol, ResourceId, Scope, Service, State,
    Target, Timestamp,
};
use muster_proxy::{Catalog, Door, Parts, Settings, SystemResolver, Trust};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// TLS as in production, with the memory of checked chains; the password stands in for a cloud's token.
struct Bench {
    keyring: Keyring,
    user: String,
    password: String,
}

#[async_trait]
impl Credentials for Bench {
    async fn login(&self, _: &Target, _: &str) -> Result<Login, CredentialError> {
        Ok(Login {
            user: self.user.clone(),
            proof: Proof::Password(Secret::new(&self.password)),
        })
    }

    fn tls(&self, target: &Target, db_user: &str) -> Result<UpstreamTls, CredentialError> {
        self.keyring.tls(target, db_user)
    }

    fn explain(&self, target: &Target, db_user: &str, failure: &Failure<'_>) -> Advice {
        self.keyring.explain(target, db_user, failure)
    }
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn certificates(file: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn target(id: &str, name: &str, host: &str, port: u16) -> Arc<Target> {
    Arc::new(Target {
        id: ResourceId::of(id, "instance"),
        name: name.to_owned(),
        short_name: name.to_owned(),
        kind: Kind::Rds,
        protocol: Protocol::Postgres,
        endpoint: Some(Endpoint {
            host: host.to_owned(),
            port,
        }),
        tls_server_name: (name == "bench").then(|| var("BENCH_UP_NAME")),
        engine: "postgres".into(),
        engine_version: "18".into(),
        state: State {
            name: "available".into(),
            availability: Availability::Available,
        },
        labels: Labels::default(),
        hints: BTreeMap::new(),
        facts: BTreeMap::new(),
        scope: Arc::new(Scope::aws("1", "eu-west-1", Service::Rds)),
        owner: Owner {
            by: "config".into(),
            group: String::new(),
        },
        reason: String::new(),
    })
}

fn credentials() -> Bench {
    let settings = muster_credentials::Settings {
        ca_files: vec![PathBuf::from(var("BENCH_CA"))],
        ..Default::default()
    };
    let keyring = Keyring::new(muster_credentials::Parts {
        settings,
        aws: None,
        azure: None,
        database_ca: None,
        clock: Arc::new(std::time::SystemTime::now),
    });
    Bench {
        keyring: keyring.unwrap(),
        user: var("BENCH_UP_USER"),
        password: var("BENCH_UP_PASSWORD"),
    }
}

/// An authority for users, and a certificate for the load generator, written into files.
fn identity(dir: &std::path::Path) -> CertificateDer<'static> {
    let now = Micros::now().seconds();
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let identity = Identity {
        user: "bench".into(),
        roles: vec!["bench".into()],
        usage: Usage::User,
        route: Some(Route {
            target: "bench".into(),
            db_user: None,
            db_name: None,
        }),
        cluster: "bench".into(),
        issued: Timestamp::from_unix(now - 60),
        expires: Timestamp::from_unix(now + 86_400),
        serial: "1".into(),
        totp: false,
    };
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.custom_extensions = vec![CustomExtension::from_oid_content(
        IDENTITY_OID,
        identity.encode().unwrap(),
    )];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    fs::write(dir.join("client.crt"), certificate.pem()).unwrap();
    let file = dir.join("client.key");
    fs::write(&file, key.serialize_pem()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    authority.der().clone()
}

fn main() {
    if env::var("BENCH_SUITE").is_ok_and(|suite| suite != "pg") {
        return;
    }
    let dir = PathBuf::from(var("BENCH_DIR"));
    let authority = identity(&dir);
    let key = PrivateKeyDer::from_pem_file(var("BENCH_SERVER_KEY")).unwrap();
    let trust = Trust::new(
        "bench",
        &[authority],
        certificates(&var("BENCH_SERVER_CERT")),
        key,
    )
    .unwrap();

    let port: u16 = var("BENCH_UP_PORT").parse().unwrap();
    let more: usize = env::var("BENCH_TARGETS").map_or(0, |count| count.parse().unwrap());
    let catalog: Catalog = (0..more)
        .map(|number| {
            target(
                &format!("more-{number}"),
                &format!("more-{number}"),
                "127.0.0.1",
                1,
            )
        })
        .chain([target("bench", "bench", &var("BENCH_UP_HOST"), port)])
        .collect();
    let allow = Rules {
        labels: LabelRules::all(),
        db_users: Words::any(),
        db_names: Words::any(),
        ..Rules::default()
    };
    let policy = Policy::new()
        .with_role(Role::new("bench", allow))
        .with_user(User {
            name: "bench".into(),
            roles: vec!["bench".into()],
            ..User::default()
        });
    let settings = Settings {
        listen: format!("{}:{}", var("BENCH_LISTEN_HOST"), var("BENCH_LISTEN_PORT"))
            .parse()
            .unwrap(),
        workers: env::var("BENCH_THREADS").map_or(2, |count| count.parse().unwrap()),
        ..Settings::default()
    };
    if let Ok(file) = env::var("BENCH_SLOT_ENV") {
        let text = format!(
            "SLOT_CERT={0}/client.crt\nSLOT_KEY={0}/client.key\n",
            dir.display()
        );
        fs::write(file, text).unwrap();
    }
    let audit = Log::open(muster_audit::Settings::new(dir.join("audit"), "bench")).unwrap();
    let random = SystemRandom::new();
    let door = Door::start(Parts {
        settings,
        catalog: Arc::new(ArcSwap::from_pointee(catalog)),
        policy: Arc::new(ArcSwap::from_pointee(policy)),
        trust: Arc::new(ArcSwap::from_pointee(trust)),
        credentials: Arc::new(credentials()),
        audit: audit.clone(),
        http: None,
        clock: Arc::new(Micros::now),
        random: Arc::new(move |bytes| random.fill(bytes).is_ok()),
        resolver: Arc::new(SystemResolver),
    })
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut end =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        end.recv().await;
        door.drain(Duration::from_secs(2), "the benchmark is over")
            .await;
    });
    door.stop();
    audit.close(Duration::from_secs(2));
}
