//! The door as a part of the service: what the proxy core serves, whom it asks, and where it writes down what was done.
//!
//! | part | what it does |
//! |---|---|
//! | here | from the configuration to a door that is open, and to its end |
//! | `feeder`, `named` | publishes the targets of the store and the databases that people wrote down as the catalog |
//! | `follow` | keeps catalog, policy and trust as they are, and tells the door what changed |
//! | `clouds`, `hosts` | keys, tokens and addresses for databases |
//! | `http` | the authority's API on the door's port |
//!
//! Nothing here decides who may enter: that is `muster-access`, by the records of the authority.

mod clouds;
mod feeder;
mod follow;
mod hosts;
mod http;
pub mod named;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use muster_access::DbRecord;
use muster_audit::{Health, Log};
use muster_cloud::aws::AssumeRole;
use muster_credentials::{DatabaseCa, Keyring, SecretRule};
use muster_model::{AccountId, Target, Timestamp, selector::Pattern};
use muster_proxy::{Door, SessionView, Trust};
use ring::rand::{SecureRandom, SystemRandom};

pub use self::hosts::Hosts;
use self::{clouds::Ways, feeder::Feeder, follow::Follow, http::Http};
use crate::{
    authority::{self, Authority, Behind},
    config::{AuditSettings, AuditSink, AwsAccountRef, Config, ProxySettings},
    pipeline::sources::Clouds,
    service::{
        handle::{Handle, Refused, RefusedKind},
        status::{AuditFailure, AuditStatus, ProxyNumbers, ProxyStatus},
    },
};

/// The directory of the audit log in the store's, where the configuration names none.
pub const AUDIT_DIR: &str = "audit";

/// The door that is open.
pub struct Proxy {
    door: Door,
    feeder: Arc<Feeder>,
    authority: Arc<Authority>,
    log: Log,
    drain: Duration,
    follow: Follow,
    keyring: Arc<Keyring>,
}

/// What a door is opened with.
pub struct Options<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Where people enter.
    pub settings: &'a ProxySettings,
    /// The ways into the clouds, for keys and tokens.
    pub clouds: Clouds,
    /// The service, for its store.
    pub handle: Handle,
    /// Who people are.
    pub authority: Arc<Authority>,
    /// What is written down.
    pub log: Log,
}

/// Where the audit log of a configuration is.
pub fn audit_dir(settings: &AuditSettings, store: &Path) -> PathBuf {
    settings
        .dir
        .clone()
        .unwrap_or_else(|| store.join(AUDIT_DIR))
}

/// Opens the audit log, and repairs what a crash left of it.
///
/// # Errors
/// When another process writes it, or the directory cannot be written.
pub fn open_log(
    settings: &AuditSettings,
    store: &Path,
    cluster_name: &str,
) -> Result<Log, Refused> {
    let dir = audit_dir(settings, store);
    let mut wanted = muster_audit::Settings::new(&dir, cluster_name);
    if settings.sink == AuditSink::Stdout {
        wanted.sink = muster_audit::Sink::Stdout;
    }
    wanted.rotate.bytes = settings.rotate_mib << 20;
    wanted.rotate.every = settings.rotate_every;
    wanted.keep.age = Some(settings.keep);
    wanted.max_statement = usize::try_from(settings.statement_kib << 10).unwrap_or(usize::MAX);
    wanted.mask_literals = settings.mask_literals;
    Log::open(wanted).map_err(|error| {
        let what = format!("open the audit log {}", dir.display());
        let hint = "look whether the directory can be written and belongs to the service's user; \
             `audit.dir` names another";
        cannot(&what, &error, hint)
    })
}

// === impl Proxy ===

impl Proxy {
    /// Opens the door. What the store holds is published before the first connection is taken.
    ///
    /// # Errors
    /// When an address cannot be listened on, or a file of certificates cannot be used: all of it.
    pub async fn open(options: Options<'_>) -> Result<Self, Refused> {
        let Options {
            config,
            settings,
            clouds,
            handle,
            authority,
            log,
        } = options;
        let database_ca = Arc::clone(&authority) as Arc<_>;
        let keyring = keyring(config, Arc::new(clouds), database_ca);
        let keyring = keyring.map_err(|why| Refused {
            kind: RefusedKind::Invalid,
            what: "cannot trust what `proxy.trust` names".to_owned(),
            why,
            hint: Some("name PEM files with certificates of authorities".to_owned()),
        })?;

        let keyring = Arc::new(keyring);

        let feeder = Arc::new(Feeder::new());
        feeder.set_configured(named::configured(&config.databases));
        feeder.set_records(authority.databases());
        let (trust, expires) = trust(&authority)?;
        let trust = Arc::new(ArcSwap::from_pointee(trust));
        let random = SystemRandom::new();
        let behind = Behind::new(Arc::clone(feeder.catalog()), has_password(settings));
        let parts = muster_proxy::Parts {
            settings: door_settings(settings),
            catalog: Arc::clone(feeder.catalog()),
            policy: Arc::clone(authority.policy()),
            trust: Arc::clone(&trust),
            credentials: Arc::clone(&keyring) as Arc<_>,
            audit: log.clone(),
            http: Some(Arc::new(Http(
                Arc::clone(&authority).router(behind.clone()),
            ))),
            clock: Arc::new(muster_audit::Micros::now),
            random: Arc::new(move |bytes: &mut [u8]| random.fill(bytes).is_ok()),
            resolver: Arc::new(Hosts::new(&settings.hosts)),
        };
        let mut follow = Follow::new(
            Arc::clone(&feeder),
            handle,
            Arc::clone(&authority),
            trust,
            expires,
        );
        follow.read_store();
        let door = Door::start(parts).map_err(|error| {
            let addresses = settings.listen.iter().chain(&settings.postgres);
            let addresses: Vec<_> = addresses.map(ToString::to_string).collect();
            let hint = "choose another port in `proxy.listen`";
            cannot(
                &format!("listen on {}", addresses.join(" and ")),
                &error,
                hint,
            )
        })?;
        follow.start(door.clone())?;
        // Nobody else sets it.
        let _ = behind.sessions.set(Arc::new(door.clone()));
        Ok(Self {
            door,
            feeder,
            authority,
            log,
            drain: settings.drain,
            follow,
            keyring,
        })
    }

    /// How it is.
    pub fn status(&self) -> ProxyStatus {
        let numbers = self.door.numbers();
        ProxyStatus {
            cluster_name: self.authority.cluster_name().to_owned(),
            node_name: self.authority.node_name().map(str::to_owned),
            listen: self
                .door
                .addresses()
                .iter()
                .map(ToString::to_string)
                .collect(),
            certificate_expires: self.follow.certificate_expires(),
            targets: self.feeder.catalog().load().len(),
            sessions: numbers.open,
            numbers: ProxyNumbers {
                accepted: numbers.accepted,
                turned_away: numbers.turned_away,
                not_identified: numbers.not_identified,
                refused: numbers.refused,
                sessions: numbers.begun,
                cancels: numbers.cancels,
                cancels_ignored: numbers.cancels_ignored,
                bytes_from_clients: numbers.from_client,
                bytes_to_clients: numbers.to_client,
            },
            audit: audit_status(&self.log),
        }
    }

    /// These are the databases of the configuration from now on. Sessions on those that are gone end; on those that are
    /// others now they are judged again.
    pub fn set_databases(&self, databases: &[DbRecord]) {
        let touched = self.feeder.set_configured(named::configured(databases));
        follow::tell(&self.door, touched);
    }

    /// These are the sources from now on: in their accounts, databases are logged in to by their roles.
    pub fn set_sources(&self, config: &Config) {
        self.keyring.set_aws_roles(aws_roles(config));
    }

    /// The sessions that are open.
    pub fn sessions(&self) -> Vec<SessionView> {
        self.door.sessions()
    }

    /// Ends one session; false when there is none of that id.
    pub fn end_session(&self, id: &str, message: &str) -> bool {
        self.door.end(id, message)
    }

    /// The databases that are served.
    pub fn catalog(&self) -> Arc<muster_proxy::Catalog> {
        self.feeder.catalog().load_full()
    }

    /// Who people are.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What databases are logged in to with.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The door itself, for what is counted there.
    pub const fn door(&self) -> &Door {
        &self.door
    }

    /// Ends all sessions, those with nothing under way first, within the time that the configuration allows; then closes the
    /// door. The audit log stays open: others write to it as well.
    pub async fn close(&self) {
        let message = "muster is being stopped; connect again in a moment";
        let broken_off = self.door.drain(self.drain, message).await;
        self.follow.stop();
        let door = self.door.clone();
        match tokio::task::spawn_blocking(move || door.stop()).await {
            Ok(()) => tracing::info!(broken_off, "the proxy has ended"),
            Err(_) => tracing::error!("the proxy did not end in order"),
        }
    }
}

fn audit_status(log: &Log) -> AuditStatus {
    let path = match &log.settings().sink {
        muster_audit::Sink::File(dir) => Some(dir.clone()),
        muster_audit::Sink::Stdout => None,
    };
    let failure = match log.health() {
        Health::Ok => None,
        Health::Failing { why, since } => Some(AuditFailure {
            why: why.as_ref().to_owned(),
            since: Timestamp::from_unix(since.0.div_euclid(1_000_000)),
        }),
    };
    AuditStatus {
        damage: log.damage(),
        path,
        events_total: log.tally().events,
        failure,
    }
}

/// Whose certificates are believed now, and what is shown to people, with the end of that.
fn trust(authority: &Authority) -> Result<(Trust, Timestamp), Refused> {
    let what = "make the proxy's certificate";
    let hint = "`muster auth status` shows the authorities";
    let authority::Trust {
        cluster,
        users,
        chain,
        key,
        expires,
    } = authority
        .trust()
        .map_err(|error| cannot(what, &error, hint))?;
    let trust = Trust::new(cluster, &users, chain, key);
    Ok((trust.map_err(|error| cannot(what, &error, hint))?, expires))
}

/// What databases are logged in to with, and trusted by, as the configuration says.
///
/// # Errors
/// One line for each file of `proxy.trust` that cannot be used.
pub fn keyring(
    config: &Config,
    clouds: Arc<Clouds>,
    database_ca: Arc<dyn DatabaseCa>,
) -> Result<Keyring, Vec<String>> {
    let ways = Arc::new(Ways(clouds));
    Keyring::new(muster_credentials::Parts {
        settings: config
            .proxy
            .as_ref()
            .map(|settings| keyring_settings(config, settings))
            .unwrap_or_default(),
        aws: Some(Arc::clone(&ways) as Arc<_>),
        azure: Some(ways),
        database_ca: Some(database_ca),
        clock: Arc::new(SystemTime::now),
    })
}

fn door_settings(settings: &ProxySettings) -> muster_proxy::Settings {
    let names = settings
        .public
        .iter()
        .filter(|name| name.parse::<std::net::IpAddr>().is_err());
    muster_proxy::Settings {
        listen: settings
            .listen
            .unwrap_or_else(|| ([127, 0, 0, 1], 0).into()),
        postgres: settings.postgres.into_iter().collect(),
        hosts: names.cloned().collect(),
        workers: settings.workers.map_or(0, std::num::NonZeroUsize::get),
        connections: settings.max_connections,
        handshakes_per_address: settings.handshakes_per_address,
        handshake_timeout: settings.handshake_timeout,
        connect_timeout: settings.connect_timeout,
        ..muster_proxy::Settings::default()
    }
}

/// Whether the configuration names a password for a database, for any of its users.
fn has_password(settings: &ProxySettings) -> Arc<dyn Fn(&Target) -> bool + Send + Sync> {
    let secrets = settings.secrets.iter();
    let selectors: Vec<_> = secrets.map(|secret| secret.databases.clone()).collect();
    Arc::new(move |target| {
        let value = |key: &str| target.labels.value(key);
        selectors
            .iter()
            .any(|selector| selector.matches(value).is_ok())
    })
}

/// The roles to assume, by account.
fn aws_roles(config: &Config) -> BTreeMap<AccountId, AssumeRole> {
    let accounts = config.aws.iter().flat_map(|source| &source.accounts);
    let roles = accounts.filter_map(|account| match account {
        AwsAccountRef::Ambient => None,
        AwsAccountRef::Role { arn, external_id } => {
            let role = AssumeRole {
                arn: arn.clone(),
                external_id: external_id.clone(),
            };
            Some((account.account()?, role))
        }
    });
    roles.collect()
}

fn keyring_settings(config: &Config, settings: &ProxySettings) -> muster_credentials::Settings {
    let secrets = settings.secrets.iter().map(|secret| {
        let all = ["*".to_owned()];
        let (users, all) = (secret.db_users.iter().flatten(), all.iter());
        let users: Vec<_> = match secret.db_users {
            None => all.collect(),
            Some(_) => users.collect(),
        };
        SecretRule {
            databases: secret.databases.clone(),
            // What is no pattern was refused with the configuration.
            db_users: users
                .into_iter()
                .filter_map(|user| Pattern::parse(user).ok())
                .collect(),
            password_file: secret.password_file.clone(),
        }
    });
    muster_credentials::Settings {
        aws_roles: aws_roles(config),
        ca_files: settings.trust.clone(),
        secrets: secrets.collect(),
        ..muster_credentials::Settings::default()
    }
}

fn cannot(what: &str, error: &(dyn std::error::Error + 'static), hint: &str) -> Refused {
    let mut why = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        why.push(error.to_string());
        next = error.source();
    }
    Refused {
        kind: RefusedKind::Failed,
        what: format!("cannot {what}"),
        why,
        hint: Some(hint.to_owned()),
    }
}
