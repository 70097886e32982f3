//! [`Keeper`]: the certificate of a local port, always a good one while there can be one.
//!
//! It is looked at when somebody connects: that is when it has to be good, and a machine that slept over the end of one
//! needs no timer. It is renewed while the old one still has some time, so that a proxy that does not answer at that moment
//! keeps nobody out.

use std::sync::Arc;

use async_trait::async_trait;
use muster_model::Timestamp;
use rustls::ClientConfig;
use tokio::sync::Mutex;

use super::POSTGRES;
use crate::{Clock, Credentials, Limits, Profiles, Result, Trust, database::MARGIN};

/// How many seconds pass until a renewal that failed is tried again.
const PAUSE: i64 = 30;

/// A certificate for a database, and whom to believe.
pub struct Issued {
    /// The certificate with its key.
    pub credentials: Credentials,
    /// By what the proxy is verified.
    pub trust: Trust,
    /// The first second in which it is no longer good.
    pub expires: Timestamp,
}

/// Who has certificates made.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Which login there is now: another text when the person has logged in anew.
    ///
    /// # Errors
    /// When there is none, or it is over.
    fn login(&self) -> Result<(String, Timestamp)>;

    /// A certificate with that login.
    ///
    /// # Errors
    /// Those of the proxy.
    async fn issue(&self) -> Result<Issued>;
}

/// Keeps a good certificate.
pub struct Keeper {
    issuer: Box<dyn Issuer>,
    clock: Clock,
    held: Mutex<Option<Held>>,
}

struct Held {
    login: String,
    expires: Timestamp,
    /// When a renewal is tried again, after one that failed.
    again: Timestamp,
    tls: Arc<ClientConfig>,
}

impl Keeper {
    /// Asks `issuer` when there is need.
    pub fn new(issuer: Box<dyn Issuer>, clock: Clock) -> Self {
        Self {
            issuer,
            clock,
            held: Mutex::new(None),
        }
    }

    /// How a connection is made now. Renews the certificate first where it ends soon or is of an older login.
    ///
    /// # Errors
    /// When the login is over, and when the proxy gives no certificate while the one that is held is good no more.
    pub async fn tls(&self) -> Result<Arc<ClientConfig>> {
        let mut held = self.held.lock().await;
        let now = (self.clock)();
        let login = self.issuer.login();
        let good = held.as_ref().filter(|held| now < held.expires);
        if let (Some(good), Ok((login, ends))) = (good, &login) {
            let lasts = now.plus(MARGIN) < good.expires || *ends <= good.expires;
            if good.login == *login && (lasts || now < good.again) {
                return Ok(Arc::clone(&good.tls));
            }
        }
        match self.renew(login?.0).await {
            Ok(renewed) => {
                let tls = Arc::clone(&renewed.tls);
                *held = Some(renewed);
                Ok(tls)
            }
            // Until its end the old one is as good as ever, and nobody else waits for a proxy that does not answer.
            Err(error) => match held.as_mut().filter(|held| now < held.expires) {
                Some(good) => {
                    good.again = now.plus(PAUSE);
                    Ok(Arc::clone(&good.tls))
                }
                None => Err(error),
            },
        }
    }

    async fn renew(&self, login: String) -> Result<Held> {
        let Issued {
            credentials,
            trust,
            expires,
        } = self.issuer.issue().await?;
        Ok(Held {
            login,
            expires,
            again: expires.plus(-MARGIN),
            tls: trust.tls(Some(&credentials), POSTGRES, &self.clock)?,
        })
    }
}

/// Certificates by the login that is kept in files, whichever it is at the time.
pub struct OfProfile {
    /// The logins.
    pub profiles: Profiles,
    /// Of which cluster.
    pub cluster: String,
    /// The database's full name.
    pub target: String,
    /// Its short one.
    pub short_name: String,
    /// The clock.
    pub clock: Clock,
    /// How long the proxy may take.
    pub limits: Limits,
}

#[async_trait]
impl Issuer for OfProfile {
    fn login(&self) -> Result<(String, Timestamp)> {
        let profile = self.profiles.open(Some(&self.cluster))?;
        profile.valid((self.clock)())?;
        Ok((profile.about.serial.clone(), profile.about.expires))
    }

    async fn issue(&self) -> Result<Issued> {
        let profile = self.profiles.open(Some(&self.cluster))?;
        let api = profile.api(&self.clock, self.limits)?;
        let login = profile
            .db_login(&api, &self.target, &self.short_name, (self.clock)())
            .await?;
        Ok(Issued {
            credentials: profile.db_credentials(&login)?,
            trust: profile.trust()?,
            expires: login.about.expires,
        })
    }
}
