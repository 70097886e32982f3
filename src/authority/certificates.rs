//! Certificates: who gets one, for how long, and what limits that.

use std::{sync::Arc, time::Duration};

use muster_access::{Denial, Identity, Route, Usage};
use muster_audit::{Value as Field, kinds};
use muster_credentials::{DatabaseCa, Issued};
use muster_model::{Target, Timestamp};
use muster_proxy::Signer;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Answer, Authority, By, Ca, Changed, Document, Kind, RouteAsked, Signed, State,
    api::Login,
    ca::{self, CaError, ClientKey},
    journal::{Id, Op},
    records::{because_of, invalid, refused},
    tell,
};
use crate::service::handle::{Refused, RefusedKind};

/// The table of authorities, with their keys.
pub(super) const TABLE: &str = "authority";

/// How long a user's certificate lives when nothing limits it, and the longest: twelve hours, in seconds.
pub const LONGEST: u64 = 12 * 3600;

/// The shortest life of a user's certificate, in seconds.
const SHORTEST: u64 = 60;

/// How long a certificate for a database lives, in seconds.
const DB_LIFE: i64 = 12 * 3600;

/// How long the proxy's own certificate lives, in seconds, and how long before its end there is a new one.
const SERVER_LIFE: i64 = 30 * 24 * 3600;
const SERVER_RENEWED: i64 = 10 * 24 * 3600;

/// The most characters of each part of a route.
const MAX_ROUTE: usize = 256;

/// What the proxy believes and shows.
#[derive(Debug)]
pub struct Trust {
    /// The cluster's name: an identity of another one is not believed.
    pub cluster: String,
    /// The authorities of users that are trusted: two while one is exchanged.
    pub users: Vec<CertificateDer<'static>>,
    /// The proxy's own certificate.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// Its end.
    pub expires: Timestamp,
}

/// A certificate that somebody may have.
pub(super) struct Wanted<'a> {
    pub user: &'a str,
    pub key: &'a ClientKey,
    pub seconds: Option<u64>,
    pub route: Option<RouteAsked>,
    pub totp: bool,
    /// The certificate that this one is asked for with: it cannot allow more, or longer.
    pub within: Option<&'a Login>,
}

impl Authority {
    /// Signs a user's certificate.
    pub(super) fn sign(
        &self,
        wanted: Wanted<'_>,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<Signed, Refused> {
        let Wanted {
            user,
            key,
            seconds,
            route,
            totp,
            within,
        } = wanted;
        let (signer, within) = match within {
            Some(login) => (Some(login.signer), Some(&*login.identity)),
            None => (None, None),
        };
        let policy = self.policy.load();
        let cannot = || refused(RefusedKind::Conflict, "cannot sign this certificate");
        let terms = policy
            .terms(user, now)
            .map_err(|denial| cannot().because(why_not(&denial, by)))?;
        if let Some(lock) = within.and_then(|within| policy.locked_out(within, now)) {
            let message = lock.message.as_deref().unwrap_or("access is locked");
            return Err(cannot().because(message));
        }
        let mut roles = terms.roles;
        if let Some(within) = within {
            roles.retain(|role| within.roles.contains(role));
        }
        let (life, limited_by) = life(seconds, terms.max_ttl, within, now)?;
        let route = route.map(checked).transpose()?;
        let expires = now.plus(i64::try_from(life).unwrap_or_default());
        let identity = Identity {
            user: user.to_owned(),
            roles: roles.clone(),
            usage: match route {
                Some(_) => Usage::Database,
                None => Usage::User,
            },
            route: route.clone(),
            cluster: self.cluster.clone(),
            issued: now,
            expires,
            serial: String::new(),
            totp,
        };
        let state = self.state();
        // Under the lock: whoever was let in before an exchange must not have the new key sign for a certificate of the old.
        if signer.is_some_and(|signer| !state.user.believes(signer, now)) {
            let why = "the authority that made your certificate is no longer trusted: log in again";
            return Err(cannot().because(why));
        }
        let leaf = state.ca(Ca::User).sign_user(identity, key, &self.chance);
        let leaf = leaf.map_err(|error| because_of(cannot(), &error))?;
        let host_ca = state.ca(Ca::Host).trusted_pem(now);
        drop(state);
        let names: Vec<&str> = roles.iter().map(String::as_str).collect();
        let mut event = tell::event(&kinds::CERT_CREATED, now, by)
            .with("cert_type", Field::Text("user"))
            .with("name", Field::Text(user))
            .with("roles", Field::List(&names))
            .with("serial", Field::Text(&leaf.serial))
            .with("expires", tell::time(expires));
        if let Some(route) = &route {
            event = event.with("db_service", Field::Text(&route.target));
            if let Some(db_user) = &route.db_user {
                event = event.with("db_user", Field::Text(db_user));
            }
            if let Some(db_name) = &route.db_name {
                event = event.with("db_name", Field::Text(db_name));
            }
        }
        self.teller.strictly(event, by)?;
        Ok(Signed {
            user: user.to_owned(),
            certificate: leaf.pem(),
            host_ca,
            issued: now,
            expires,
            route: route.map(|route| RouteAsked {
                target: route.target,
                db_user: route.db_user,
                db_name: route.db_name,
            }),
            roles,
            limited_by,
            serial: leaf.serial,
        })
    }

    /// Whether what this key has signed for users is good now. Does not block.
    pub(super) fn believes(&self, signer: Signer) -> bool {
        self.users.load().believes(signer, self.now())
    }

    /// Whose certificates the proxy believes, and the one that it shows: a new one at each call.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn trust(&self) -> Result<Trust, CaError> {
        let now = self.now();
        let names = self.settings.names();
        let expires = now.plus(SERVER_LIFE);
        let state = self.state();
        let names = names.iter().map(String::as_str);
        let made = state
            .ca(Ca::Host)
            .sign_server(names, now, expires, &self.chance)?;
        let users = state.ca(Ca::User).trusted(now);
        *self.shown() = (state.believed(now), expires);
        drop(state);
        Ok(Trust {
            cluster: self.cluster.clone(),
            users,
            chain: vec![made.leaf.certificate],
            key: made.key,
            expires,
        })
    }

    /// Whether what [`Self::trust`] gave last is to be asked for again: the certificate ends soon, or other authorities
    /// are trusted than then.
    pub fn trust_is_old(&self) -> bool {
        let now = self.now();
        let believed = self.state().believed(now);
        let shown = self.shown();
        shown.0 != believed || shown.1.plus(-SERVER_RENEWED) <= now
    }

    pub(super) fn authorities(&self) -> Answer {
        let now = self.now();
        let state = self.state();
        Answer::Authorities {
            cluster: self.cluster.clone(),
            authorities: Ca::ALL.iter().map(|ca| state.ca(*ca).status(now)).collect(),
        }
    }

    pub(super) fn rotate(&self, ca: Ca, grace: u64, by: By<'_>) -> Result<Answer, Refused> {
        self.exchange(ca, by, "rotate", |old, now| {
            old.rotate(grace, now, &self.chance)
        })
    }

    pub(super) fn roll_back(&self, ca: Ca, by: By<'_>) -> Result<Answer, Refused> {
        self.exchange(ca, by, "rollback", ca::Authority::roll_back)
    }

    /// Forgets the keys of authorities whose overlap is over.
    pub(super) fn settle(&self, now: Timestamp) -> Result<(), Refused> {
        for ca in Ca::ALL {
            if self.state().ca(ca).settled(now).is_some() {
                let by = By {
                    who: "",
                    from: None,
                };
                self.exchange(ca, by, "standby", |old, now| {
                    Ok(old.settled(now).unwrap_or_else(|| old.clone()))
                })?;
            }
        }
        Ok(())
    }

    fn exchange(
        &self,
        ca: Ca,
        by: By<'_>,
        phase: &str,
        change: impl FnOnce(&ca::Authority, Timestamp) -> Result<ca::Authority, CaError>,
    ) -> Result<Answer, Refused> {
        let now = self.now();
        let mut state = self.state();
        let made = change(state.ca(ca), now).map_err(not_exchanged)?;
        let put = Op::Put {
            id: Id::new(TABLE, ca.as_str()),
            value: made.store().map_err(not_exchanged)?,
        };
        state.journal.append(vec![put])?;
        let ends = made.status(now).overlap_ends;
        *state.ca_mut(ca) = made;
        self.users.store(Arc::new(state.user.clone()));
        self.databases.store(Arc::new(state.db.clone()));
        drop(state);
        tracing::info!(%ca, phase, by = by.who, "exchanged an authority for certificates");
        let mut event = tell::event(&kinds::AUTHORITY_ROTATED, now, by)
            .with("name", Field::Text(ca.as_str()))
            .with("phase", Field::Text(phase));
        if let Some(ends) = ends {
            event = event.with("expires", tell::time(ends));
        }
        self.teller.tell(event);
        self.announce(Changed::Trust);
        Ok(self.authorities())
    }

    /// The authorities as records, without their keys.
    pub(super) fn ca_documents(&self, state: &State) -> Vec<Document> {
        let now = self.now();
        let document = |ca: Ca| {
            let stored = state.journal.records().get(&Id::new(TABLE, ca.as_str()));
            let status = state.ca(ca).status(now);
            Document {
                kind: Kind::CertAuthority,
                name: ca.to_string(),
                revision: stored.map_or(0, |stored| stored.revision),
                body: json!({
                    "kind": "cert_authority",
                    "version": "v2",
                    "metadata": {"name": ca.as_str()},
                    "spec": {
                        "cluster_name": self.cluster,
                        "certificates": status.certificates,
                        "overlap_ends": status.overlap_ends.map_or(Value::Null, |ends| json!(ends)),
                    },
                }),
            }
        };
        Ca::ALL.into_iter().map(document).collect()
    }
}

impl DatabaseCa for Authority {
    fn signer(&self) -> [u8; 32] {
        let signing = self.databases.load().signing(self.now());
        signing.map_or([0; 32], |certificate| Sha256::digest(certificate).into())
    }

    fn issue(&self, db_user: &str, _: &Target) -> Result<Issued, String> {
        let now = self.now();
        let expires = now.plus(DB_LIFE);
        let made = self
            .state()
            .ca(Ca::Db)
            .sign_db_user(db_user, now, expires, &self.chance);
        let made = made.map_err(|error| error.to_string())?;
        Ok(Issued {
            chain: vec![made.leaf.certificate],
            key: made.key,
            expires,
        })
    }
}

/// Why somebody gets no certificate: all of it for whoever is at this machine, and for others what is theirs to know.
pub(super) fn why_not(denial: &Denial, by: By<'_>) -> String {
    match denial {
        denial if by.from.is_none() => denial.to_string(),
        Denial::Locked { .. } => denial.person(),
        _ => "your account has ended: ask whoever runs muster".to_owned(),
    }
}

/// How long a certificate lives, in seconds, and what keeps it from living longer.
fn life(
    asked: Option<u64>,
    role: Option<(Duration, String)>,
    within: Option<&Identity>,
    now: Timestamp,
) -> Result<(u64, Option<String>), Refused> {
    if asked.is_some_and(|asked| asked < SHORTEST) {
        return Err(invalid(format!(
            "a certificate lives for {SHORTEST} s at least"
        )));
    }
    let (mut life, mut limited_by) = (asked.unwrap_or(LONGEST), None);
    if life > LONGEST {
        life = LONGEST;
        limited_by = Some("no certificate lives longer than 12h".to_owned());
    }
    if let Some((most, role)) = role {
        // Counted from the login, or a certificate that is renewed again and again would outlive what the role allows.
        let passed = within.map_or(0, |within| now.since(within.issued));
        let left = most.as_secs().saturating_sub(passed);
        let shown = crate::config::words::duration(most.as_secs());
        if left == 0 {
            let why = format!("the role {role} allows {shown} after a login: log in again");
            return Err(
                refused(RefusedKind::Conflict, "cannot sign this certificate").because(why),
            );
        }
        if left < life {
            life = left;
            limited_by = Some(format!("the role {role} allows {shown}"));
        }
    }
    if let Some(within) = within
        && within.expires.since(now) < life
    {
        life = within.expires.since(now);
        limited_by = Some("the certificate that it was asked for with ends then".to_owned());
    }
    Ok((life, limited_by))
}

/// A route that can stand in a certificate.
fn checked(route: RouteAsked) -> Result<Route, Refused> {
    let parts = [
        Some(&route.target),
        route.db_user.as_ref(),
        route.db_name.as_ref(),
    ];
    for part in parts.into_iter().flatten() {
        if part.is_empty() || part.chars().count() > MAX_ROUTE || part.chars().any(char::is_control)
        {
            return Err(invalid("database, user and name have 1 to 256 characters"));
        }
    }
    Ok(Route {
        target: route.target,
        db_user: route.db_user,
        db_name: route.db_name,
    })
}

const LOOK: &str = "`muster auth status` shows how the authorities are";

fn not_exchanged(error: CaError) -> Refused {
    let (kind, hint) = match &error {
        CaError::Rotating { .. } => (
            RefusedKind::Conflict,
            "wait for its end, or take it back with `--rollback`; where a key has leaked, `--grace 0` ends all at once",
        ),
        CaError::NotRotating(_) => (RefusedKind::Conflict, LOOK),
        _ => (RefusedKind::Failed, LOOK),
    };
    because_of(refused(kind, "cannot exchange the authority"), &error).hint(hint)
}
