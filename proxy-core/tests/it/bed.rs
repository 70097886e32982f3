//! What the tests stand on: a PostgreSQL, authorities, certificates, a door, and clients.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use muster_access::{
    IDENTITY_OID, Identity, LabelRules, Policy, Role, Route, Rules, Usage, User, Words,
};
use muster_audit::{Log, Micros};
use muster_credentials::{
    Advice, CredentialError, Credentials, Failure, Login, Proof, Secret, UpstreamTls,
};
use muster_model::{
    Availability, Endpoint, Kind, Labels, Owner, Protocol, ResourceId, Scope, Service, State,
    Target, Timestamp,
};
use muster_proxy::{Catalog, Door, HttpService, Parts, Settings, SystemResolver, Trust};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

use crate::server::{free_port, papers, postgres, trusting, upstream_tls};

/// A certificate authority.
pub struct Ca {
    pub der: CertificateDer<'static>,
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// One that this one has signed, with these params.
    pub fn below(&self, params: CertificateParams) -> Self {
        let (certificate, key) = self.sign(&params);
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn sign(&self, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// A server's certificate for `localhost`.
pub fn server(ca: &Ca) -> (rcgen::Certificate, KeyPair) {
    let names = [
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "*.door.test".to_owned(),
        "*.inner.door.test".to_owned(),
    ];
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    ca.sign(&params)
}

/// Logs in with the one password of the tests.
pub struct Login1 {
    tls: UpstreamTls,
    /// The same with a client certificate of `papers`.
    papers: Arc<ArcSwap<UpstreamTls>>,
    password: &'static str,
}

#[async_trait]
impl Credentials for Login1 {
    async fn login(&self, _: &Target, user: &str) -> Result<Login, CredentialError> {
        let secret = Secret::new(self.password);
        Ok(Login {
            user: user.to_owned(),
            proof: match user {
                "token" => Proof::Token(secret),
                "papers" => Proof::Certificate,
                _ => Proof::Password(secret),
            },
        })
    }

    fn tls(&self, _: &Target, user: &str) -> Result<UpstreamTls, CredentialError> {
        Ok(match user {
            "papers" => UpstreamTls::clone(&self.papers.load()),
            _ => self.tls.clone(),
        })
    }

    fn explain(&self, target: &Target, user: &str, failure: &Failure<'_>) -> Advice {
        let why = match failure {
            Failure::Refused { message, .. } => (*message).to_owned(),
            Failure::Unreachable { why, .. } => (*why).to_owned(),
            Failure::Tls { error, .. } => error.to_string(),
            _ => "it failed".to_owned(),
        };
        Advice {
            message: format!("cannot open {} as {user}: {why}", target.name),
            hint: "ask the bed".to_owned(),
            log: String::new(),
        }
    }
}

/// A door with all that belongs to it.
pub struct Bed {
    pub door: Door,
    pub catalog: Arc<ArcSwap<Catalog>>,
    pub policy: Arc<ArcSwap<Policy>>,
    pub trust: Arc<ArcSwap<Trust>>,
    pub audit: Log,
    pub users: Ca,
    pub doors: Ca,
    /// How the database user `papers` logs in.
    pub papers: Arc<ArcSwap<UpstreamTls>>,
    /// Seconds that the door's clock is ahead.
    pub ahead: Arc<AtomicI64>,
    pub dir: TempDir,
    names: AtomicU64,
}

pub fn target(id: &str, name: &str, endpoint: Option<SocketAddr>) -> Target {
    Target {
        id: ResourceId::of(id, "instance"),
        name: name.to_owned(),
        short_name: name.to_owned(),
        kind: Kind::Rds,
        protocol: Protocol::Postgres,
        endpoint: endpoint.map(|address| Endpoint {
            host: address.ip().to_string(),
            port: address.port(),
        }),
        tls_server_name: None,
        engine: "postgres".into(),
        engine_version: "15".into(),
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
    }
}

pub fn role(name: &str) -> Role {
    let allow = Rules {
        labels: LabelRules::all(),
        db_users: Words::parse(["alice", "carl", "md5", "token", "papers"]).unwrap(),
        db_names: Words::any(),
        ..Rules::default()
    };
    Role::new(name, allow)
}

pub fn user(name: &str, roles: &[&str]) -> User {
    User {
        name: name.to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        ..User::default()
    }
}

/// The door that most tests share.
pub fn bed() -> &'static Bed {
    static BED: OnceLock<Bed> = OnceLock::new();
    BED.get_or_init(|| Bed::new(Settings::default(), None))
}

impl Bed {
    pub fn new(settings: Settings, http: Option<Arc<dyn HttpService>>) -> Self {
        let postgres = postgres();
        let dir = tempfile::tempdir().unwrap();
        let (users, doors) = (Ca::new("users"), Ca::new("doors"));
        let (certificate, key) = server(&doors);
        fs::write(dir.path().join("door.pem"), &doors.pem).unwrap();
        let trust = Trust::new(
            "test",
            std::slice::from_ref(&users.der),
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], postgres.port));
        let stopped = Target {
            state: State {
                name: "stopped".into(),
                availability: Availability::Stopped,
            },
            ..target("stopped", "stopped", None)
        };
        let catalog: Catalog = [
            target("app", "app", Some(address)),
            target(
                "gone",
                "gone",
                Some(SocketAddr::from(([127, 0, 0, 1], free_port()))),
            ),
            stopped,
        ]
        .into_iter()
        .map(Arc::new)
        .collect();
        let policy = Policy::new()
            .with_role(role("dev"))
            .with_user(user("ann", &["dev"]));
        let papers = Arc::new(ArcSwap::from_pointee(papers(&postgres.clients)));
        let credentials = Login1 {
            tls: upstream_tls(trusting().with_no_client_auth()),
            papers: Arc::clone(&papers),
            password: "secret",
        };
        let audit = Log::open(muster_audit::Settings::new(
            dir.path().join("audit"),
            "test",
        ))
        .unwrap();
        let ahead = Arc::new(AtomicI64::new(0));
        let (catalog, policy, trust) = (
            Arc::new(ArcSwap::from_pointee(catalog)),
            Arc::new(ArcSwap::from_pointee(policy)),
            Arc::new(ArcSwap::from_pointee(trust)),
        );
        let clock = Arc::clone(&ahead);
        let seed = AtomicU64::new(1);
        let door = Door::start(Parts {
            settings: Settings {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                hosts: vec!["door.test".into(), "inner.door.test".into()],
                workers: 2,
                ..settings
            },
            catalog: Arc::clone(&catalog),
            policy: Arc::clone(&policy),
            trust: Arc::clone(&trust),
            credentials: Arc::new(credentials),
            audit: audit.clone(),
            http,
            clock: Arc::new(move || Micros(Micros::now().0 + clock.load(Relaxed) * 1_000_000)),
            // As random as a test needs it, and never twice the same.
            random: Arc::new(move |bytes| {
                for chunk in bytes.chunks_mut(32) {
                    let number = seed.fetch_add(1, Relaxed).to_be_bytes();
                    let hash = ring::digest::digest(&ring::digest::SHA256, &number);
                    chunk.copy_from_slice(&hash.as_ref()[..chunk.len()]);
                }
                true
            }),
            resolver: Arc::new(SystemResolver),
        })
        .unwrap();
        Self {
            door,
            catalog,
            policy,
            trust,
            audit,
            users,
            doors,
            papers,
            ahead,
            dir,
            names: AtomicU64::new(0),
        }
    }

    pub fn now(&self) -> i64 {
        Micros::now().seconds() + self.ahead.load(Relaxed)
    }

    /// A user and a role of its own, so that tests do not disturb each other.
    pub fn person(&self, change: impl FnOnce(&mut Role)) -> String {
        let name = format!("user-{}", self.names.fetch_add(1, Relaxed));
        let mut role = role(&name);
        change(&mut role);
        self.policy.rcu(|policy| {
            policy
                .with_role(role.clone())
                .with_user(user(&name, &[&name]))
        });
        name
    }

    pub fn identity(&self, user: &str, target: Option<&str>) -> Identity {
        Identity {
            user: user.to_owned(),
            roles: vec![user.to_owned()],
            usage: Usage::User,
            route: target.map(|target| Route {
                target: target.to_owned(),
                db_user: None,
                db_name: None,
            }),
            cluster: "test".into(),
            issued: Timestamp::from_unix(self.now() - 60),
            expires: Timestamp::from_unix(self.now() + 12 * 3600),
            serial: "1".into(),
            totp: false,
        }
    }

    /// What a certificate of this identity is made of.
    pub fn params(&self, identity: &Identity) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let at = |time: Timestamp| time::OffsetDateTime::from_unix_timestamp(time.unix()).unwrap();
        params.not_before = at(identity.issued);
        params.not_after = at(identity.expires);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.custom_extensions = vec![CustomExtension::from_oid_content(
            IDENTITY_OID,
            identity.encode().unwrap(),
        )];
        params
    }

    /// Writes a certificate and its key into files; their common beginning.
    pub fn certificate(&self, ca: &Ca, params: &CertificateParams) -> Certificate {
        let (certificate, key) = ca.sign(params);
        let name = format!("client-{}", self.names.fetch_add(1, Relaxed));
        let base = self.dir.path().join(name);
        fs::write(base.with_extension("crt"), certificate.pem()).unwrap();
        fs::write(base.with_extension("key"), key.serialize_pem()).unwrap();
        fs::set_permissions(
            base.with_extension("key"),
            fs::Permissions::from_mode(0o600),
        )
        .unwrap();
        Certificate {
            base,
            der: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }

    /// The same certificate, shown with others behind it.
    pub fn with_chain(&self, certificate: Certificate, chain: &[&str]) -> Certificate {
        let path = certificate.base.with_extension("crt");
        let own = fs::read_to_string(&path).unwrap();
        fs::write(path, [own, chain.concat()].concat()).unwrap();
        certificate
    }

    /// A certificate for a user that leads to the target.
    pub fn login(&self, user: &str, target: &str) -> Certificate {
        let identity = self.identity(user, Some(target));
        self.certificate(&self.users, &self.params(&identity))
    }
}

/// A client's certificate.
pub struct Certificate {
    pub base: PathBuf,
    pub der: CertificateDer<'static>,
    pub key: Vec<u8>,
}

pub fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
