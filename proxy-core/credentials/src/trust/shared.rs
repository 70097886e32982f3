//! [`Trust`]: TLS settings that are made once and shared by all targets that are treated alike.
//!
//! A set of roots takes some 50 kB and a millisecond to build; a session takes a reference.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use muster_model::{ResourceId, Target};
use ring::digest;
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, ring as ring_provider},
    time_provider::TimeProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    plan::{By, Plan, plan},
    roots,
    verifier::Verifier,
};
use crate::{
    api::{Clock, DatabaseCa, UpstreamTls},
    endpoint,
    error::CredentialError,
    settings::{Settings, TlsMode, TlsRule},
};

/// The most settings that are kept. There are few without client certificates; with them, one for each user and target.
const MOST: usize = 512;

/// A client certificate is made anew so long before its end, or a tenth of what is left of it when that is shorter.
const MARGIN: Duration = Duration::from_secs(300);

/// Whom to trust, by target.
pub struct Trust {
    rules: Vec<TlsRule>,
    /// The roots of each rule that has a file.
    rule_roots: Vec<Option<RootCertStore>>,
    /// What every target trusts beside the usual ones.
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    clock: Clock,
    ca: Option<Arc<dyn DatabaseCa>>,
    verifiers: Mutex<HashMap<(Source, TlsMode), Arc<Verifier>>>,
    configs: Mutex<HashMap<ConfigKey, Kept>>,
}

/// Which roots, in a form that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Rds,
    Public,
    /// By the digest of the database authority's roots, which change when it is rotated.
    Elsewhere([u8; 32]),
    /// By the digest of the record's text.
    Record([u8; 32]),
    Rule(usize),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ConfigKey {
    source: Source,
    mode: TlsMode,
    client: Option<Client>,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Client {
    db_user: String,
    target: ResourceId,
    /// Who signed it: with another authority it is another certificate.
    signer: [u8; 32],
}

struct Kept {
    config: Arc<ClientConfig>,
    /// When the client certificate is to be made anew.
    until: Option<SystemTime>,
}

/// The time for rustls.
struct Now(Clock);

// === impl Trust ===

impl Trust {
    /// Reads the files that the settings name. They are read again when the settings are loaded again.
    ///
    /// # Errors
    /// One line for each file that cannot be used.
    pub fn new(
        settings: &Settings,
        clock: Clock,
        ca: Option<Arc<dyn DatabaseCa>>,
    ) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut extra = Vec::new();
        for file in &settings.ca_files {
            match roots::read_file(file) {
                Ok(certificates) => extra.extend(certificates),
                Err(why) => wrong.push(why),
            }
        }
        let mut rule_roots = Vec::new();
        for rule in &settings.tls {
            rule_roots.push(rule.ca_file.as_deref().and_then(|file| {
                roots::read_file(file)
                    .map(|certificates| with(RootCertStore::empty(), certificates))
                    .map_err(|why| wrong.push(why))
                    .ok()
            }));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self {
            rules: settings.tls.clone(),
            rule_roots,
            extra,
            provider: Arc::new(provider()),
            clock,
            ca,
            verifiers: Mutex::default(),
            configs: Mutex::default(),
        })
    }

    /// How the certificate of `target` is checked.
    ///
    /// # Errors
    /// [`CredentialError::Trust`].
    pub fn plan<'a>(&self, target: &'a Target) -> Result<Plan<'a>, CredentialError> {
        plan(target, &self.rules)
    }

    /// How to speak TLS to `target`; with `certificate`, as `db_user` with a client certificate.
    ///
    /// # Errors
    /// [`CredentialError::Trust`], [`CredentialError::Endpoint`], or [`CredentialError::Certificate`].
    pub fn tls(
        &self,
        target: &Target,
        db_user: &str,
        certificate: bool,
    ) -> Result<UpstreamTls, CredentialError> {
        let name = name(target)?;
        let plan = self.plan(target)?;
        let key = ConfigKey {
            source: self.source(&plan.by),
            mode: plan.mode,
            client: certificate.then(|| Client {
                db_user: db_user.to_owned(),
                target: target.id.clone(),
                signer: self.ca.as_ref().map_or([0; 32], |ca| ca.signer()),
            }),
        };
        let config = match self.kept(&key) {
            Some(config) => config,
            None => self.make(key, &plan.by, target, db_user)?,
        };
        Ok(UpstreamTls {
            config,
            name,
            verified: plan.mode != TlsMode::Insecure,
        })
    }

    /// The certificate of `target` that was refused last (DER), if that was lately.
    pub fn refused(&self, target: &Target) -> Option<Vec<u8>> {
        let name = name(target).ok()?;
        let plan = self.plan(target).ok()?;
        let key = (self.source(&plan.by), plan.mode);
        let verifier = lock(&self.verifiers).get(&key).map(Arc::clone)?;
        verifier.refused(&name)
    }

    fn kept(&self, key: &ConfigKey) -> Option<Arc<ClientConfig>> {
        let configs = lock(&self.configs);
        let kept = configs.get(key)?;
        kept.is_good(&self.clock).then(|| Arc::clone(&kept.config))
    }

    fn make(
        &self,
        key: ConfigKey,
        by: &By<'_>,
        target: &Target,
        db_user: &str,
    ) -> Result<Arc<ClientConfig>, CredentialError> {
        let wrong = |error: rustls::Error| CredentialError::Certificate(error.to_string());
        let verifier = self.verifier(key.source, key.mode, by)?;
        let time = Arc::new(Now(Arc::clone(&self.clock)));
        let builder = ClientConfig::builder_with_details(Arc::clone(&self.provider), time)
            .with_safe_default_protocol_versions()
            .map_err(|error| CredentialError::Trust(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let (mut config, until) = if key.client.is_some() {
            let ca = self.ca.as_ref().ok_or_else(|| {
                CredentialError::Certificate("there is no database authority".to_owned())
            })?;
            let issued = ca
                .issue(db_user, target)
                .map_err(CredentialError::Certificate)?;
            let now = (self.clock)();
            let end = u64::try_from(issued.expires.unix()).unwrap_or_default();
            let end = UNIX_EPOCH + Duration::from_secs(end);
            let left = end.duration_since(now).unwrap_or_default();
            let until = end.checked_sub(MARGIN.min(left / 10)).unwrap_or(now);
            let config = builder
                .with_client_auth_cert(issued.chain, issued.key)
                .map_err(wrong)?;
            (config, Some(until))
        } else {
            (builder.with_no_client_auth(), None)
        };
        // A session that is resumed has its certificates from the one before it: for longer than they are remembered here,
        // and maybe as another user. PostgreSQL's servers resume none anyway.
        config.resumption = Resumption::disabled();
        // The proxy opens and seals the records itself, where they lie.
        config.enable_secret_extraction = true;
        let config = Arc::new(config);
        let mut configs = lock(&self.configs);
        if configs.len() >= MOST {
            configs.retain(|_, kept| kept.is_good(&self.clock));
            if configs.len() >= MOST {
                configs.clear();
            }
        }
        let kept = Kept {
            config: Arc::clone(&config),
            until,
        };
        configs.insert(key, kept);
        Ok(config)
    }

    fn verifier(
        &self,
        source: Source,
        mode: TlsMode,
        by: &By<'_>,
    ) -> Result<Arc<Verifier>, CredentialError> {
        if let Some(verifier) = lock(&self.verifiers).get(&(source, mode)) {
            return Ok(Arc::clone(verifier));
        }
        let mut store = match by {
            By::Rds => roots::rds().clone(),
            By::Public => roots::public(),
            By::Elsewhere => with(roots::public(), self.ca_roots().to_vec()),
            By::Record(pem) => {
                let certificates = roots::read(pem).map_err(|why| {
                    CredentialError::Trust(format!("the record's certificates: {why}"))
                })?;
                with(RootCertStore::empty(), certificates)
            }
            By::Rule(number) => self
                .rule_roots
                .get(*number)
                .and_then(Option::clone)
                .unwrap_or_else(RootCertStore::empty),
        };
        store = with(store, self.extra.clone());
        let algorithms = self.provider.signature_verification_algorithms;
        let verifier = Arc::new(Verifier::new(mode, store, algorithms));
        let mut verifiers = lock(&self.verifiers);
        if verifiers.len() >= MOST {
            verifiers.clear();
        }
        Ok(Arc::clone(
            verifiers.entry((source, mode)).or_insert(verifier),
        ))
    }

    fn source(&self, by: &By<'_>) -> Source {
        match by {
            By::Rds => Source::Rds,
            By::Public => Source::Public,
            By::Elsewhere => {
                let roots = self.ca_roots();
                Source::Elsewhere(sha256(roots.iter().map(|root| root.as_ref())))
            }
            By::Record(pem) => Source::Record(sha256([pem.as_bytes()])),
            By::Rule(number) => Source::Rule(*number),
        }
    }

    fn ca_roots(&self) -> Arc<[CertificateDer<'static>]> {
        self.ca
            .as_ref()
            .map_or_else(|| Arc::from([]), |ca| ca.roots())
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

/// The name that the certificate must have.
pub(crate) fn name(target: &Target) -> Result<ServerName<'static>, CredentialError> {
    let host = match &target.tls_server_name {
        Some(name) => name,
        None => &endpoint::endpoint(target)?.host,
    };
    ServerName::try_from(host.clone()).map_err(|_| {
        CredentialError::Endpoint(endpoint::EndpointError::Name {
            host: host.chars().take(255).collect(),
        })
    })
}

fn with(mut store: RootCertStore, more: Vec<CertificateDer<'static>>) -> RootCertStore {
    // Each was looked at when it was read.
    store.add_parsable_certificates(more);
    store
}

fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

fn lock<K: Eq + Hash, V>(map: &Mutex<HashMap<K, V>>) -> std::sync::MutexGuard<'_, HashMap<K, V>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Kept ===

impl Kept {
    fn is_good(&self, clock: &Clock) -> bool {
        self.until.is_none_or(|until| clock() < until)
    }
}

// === impl Now ===

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        let since = (self.0)().duration_since(UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(since))
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now")
    }
}

/// AES with 128 bits first: as safe for this, and a third cheaper for bulk. Servers mostly follow the client's order.
fn provider() -> CryptoProvider {
    let mut provider = ring_provider::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| !format!("{:?}", suite.suite()).contains("AES_128"));
    // PostgreSQL before 18 takes P-256 alone (`ssl_ecdh_curve`). The key of the first group is sent with the hello: with
    // any other one the server asks again, which costs a round trip and a second key.
    provider
        .kx_groups
        .sort_by_key(|group| group.name() != rustls::NamedGroup::secp256r1);
    provider
}
