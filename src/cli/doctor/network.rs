//! What is elsewhere: names, clouds, databases. Everything is bounded in time and number.

use std::{sync::Arc, time::Duration};

use muster_cloud::Observed;
use muster_credentials::{DatabaseCa, Issued, Keyring};
use muster_model::Target;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{super::context::Context, Local, Seen};
use crate::{
    authority::{Ca, CaStatus},
    doctor::{
        Check,
        dates::Dates,
        evidence::Account,
        gather::{
            accounts, addresses,
            endpoints::{self, Limits},
        },
    },
    pipeline::sources::Clouds,
    proxy::{self, Hosts},
};

/// How long a name or a connection is waited for.
const EACH: Duration = Duration::from_secs(5);
/// How long a cloud is waited for.
const CLOUD: Duration = Duration::from_secs(20);
/// Databases that are looked at at once.
const AT_ONCE: usize = 64;

/// How far it goes.
pub(super) struct Reaching {
    /// Whether nobody is to be asked.
    pub offline: bool,
    /// The longest that looking at databases may take.
    pub all: Option<Duration>,
}

/// The database authority, as far as it is needed to recognise what it signed.
struct Signed(Arc<[CertificateDer<'static>]>);

impl DatabaseCa for Signed {
    fn issue(&self, _: &str, _: &Target) -> Result<Issued, String> {
        Err("nobody logs in here".to_owned())
    }

    fn signer(&self) -> [u8; 32] {
        [0; 32]
    }

    fn roots(&self) -> Arc<[CertificateDer<'static>]> {
        Arc::clone(&self.0)
    }
}

/// A keyring for advice alone.
pub(super) fn advisor(context: &Context) -> Option<Keyring> {
    keyring(context, &[])
}

fn keyring(context: &Context, authorities: &[CaStatus]) -> Option<Keyring> {
    let of_db = authorities.iter().filter(|status| status.ca == Ca::Db);
    let certificates = of_db.flat_map(|status| &status.certificates);
    let roots = certificates
        .filter_map(|certificate| CertificateDer::from_pem_slice(certificate.pem.as_bytes()).ok());
    let clouds = Arc::new(Clouds::new(&context.config, context.elsewhere.clone()));
    proxy::keyring(&context.config, clouds, Arc::new(Signed(roots.collect()))).ok()
}

impl Reaching {
    /// Looks.
    pub async fn look(&self, local: Local, seen: &mut Seen) {
        let Local {
            context,
            authorities,
            status,
            targets,
            logins,
            known,
            ..
        } = local;
        let Some(context) = context else {
            for check in [
                Check::Credentials,
                Check::Permissions,
                Check::Logins,
                Check::Endpoints,
            ] {
                seen.skip(check, "the configuration cannot be used");
            }
            return;
        };
        let proxy = context.config.proxy.as_ref();
        if proxy.is_some() || seen.named {
            seen.evidence.logins = logins.map(|count| count.finish(proxy));
            if seen.evidence.logins.is_none() {
                seen.skip(Check::Logins, "no database is known yet");
            }
        } else {
            seen.skip(Check::Logins, "there is no proxy in the configuration");
        }
        if seen.evidence.permissions.is_none() {
            seen.skip(Check::Permissions, "nothing was scanned yet");
        }
        if self.offline {
            for check in [Check::Credentials, Check::Endpoints] {
                seen.skip(check, "nobody is asked with --offline");
            }
            return;
        }
        if let Some(proxy) = proxy
            && let Some(certificates) = &mut seen.evidence.certificates
        {
            certificates.names = addresses::public_names(&proxy.public, EACH).await;
        }
        let serving = status.as_ref().and_then(|status| status.proxy.as_ref());
        let port =
            serving.and_then(|serving| serving.listen.first()?.rsplit(':').next()?.parse().ok());
        if let (Some(proxy), Some(port), Some(ports)) = (proxy, port, &mut seen.evidence.ports) {
            let of_host = authorities.iter().filter(|status| status.ca == Ca::Host);
            let host_ca = of_host.flat_map(|status| &status.certificates);
            let host_ca: Vec<String> = host_ca.map(|certificate| certificate.pem.clone()).collect();
            ports.reach = addresses::reach(&proxy.public, port, &host_ca, EACH).await;
        }
        if seen.wants(Check::Credentials) || seen.wants(Check::Clock) {
            let dates = Arc::new(Dates::default());
            let observed = Observed::by(Arc::clone(&dates) as Arc<_>);
            let clouds = Clouds::new(&context.config, context.elsewhere.clone()).observed(observed);
            let asked = accounts::accounts(&context.config, &clouds, CLOUD).await;
            if let Some(clock) = &mut seen.evidence.clock {
                clock.compared = dates.compared();
            }
            let told = seen.evidence.credentials.take().unwrap_or_default();
            seen.evidence.credentials = Some(merged(asked, told));
        }
        if !seen.wants(Check::Endpoints) {
            return;
        }
        if proxy.is_none() && !seen.named {
            return seen.skip(Check::Endpoints, "there is no proxy in the configuration");
        }
        if !known {
            return seen.skip(Check::Endpoints, "no database is known yet");
        }
        let Some(keyring) = keyring(&context, &authorities) else {
            return seen.skip(Check::Endpoints, "`proxy.trust` cannot be used");
        };
        let hosts = Hosts::new(proxy.iter().flat_map(|proxy| &proxy.hosts));
        let each = proxy.map_or(EACH, |proxy| proxy.connect_timeout.min(EACH));
        let limits = Limits {
            at_once: AT_ONCE,
            each,
            all: self.all,
        };
        let of = targets.seen();
        let looked = endpoints::endpoints(
            targets.chosen(),
            of,
            &keyring,
            &hosts,
            limits,
            seen.evidence.now,
        );
        seen.evidence.endpoints = Some(looked.await);
    }
}

/// What was asked just now goes before what a scan was told some time ago.
fn merged(asked: Vec<Account>, told: Vec<Account>) -> Vec<Account> {
    let mut all = asked;
    for account in told {
        let known = |other: &&Account| other.cloud == account.cloud && other.name == account.name;
        if all.iter().find(known).is_none() {
            all.push(account);
        }
    }
    all
}
