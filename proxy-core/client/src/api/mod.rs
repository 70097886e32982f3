//! The client of the API on the proxy's port. One connection a question: they are few, and a proxy that was started anew
//! in between is nobody's concern.

mod answers;
mod wire;

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;
use serde::{Serialize, de::DeserializeOwned};

use self::answers::{Databases, Sessions};
pub use self::answers::{
    DbView, Fingerprints, Invitation, Ping, Route, SessionView, Signed, Whoami,
};
use crate::{Address, Clock, Error, Kind, LocalKey, Result, Secret, trust::verify::foreign};

/// How long things may take, and how large an answer may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until there is a connection, TLS included.
    pub connect: Duration,
    /// From a question to the end of its answer.
    pub answer: Duration,
    /// The most bytes of an answer.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            bytes: 8 << 20,
        }
    }
}

/// Databases that are asked for at a time.
const PAGE: usize = 500;

/// The most pages that are read: a proxy that never ends is not followed.
const PAGES: usize = 1000;

/// The API of one proxy.
#[derive(Clone)]
pub struct Api {
    address: Address,
    tls: Arc<ClientConfig>,
    clock: Clock,
    limits: Limits,
}

/// What somebody logs in with.
pub struct Login<'a> {
    /// Who.
    pub user: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// The code of the second factor, where there is one.
    pub code: Option<&'a Secret>,
    /// The key that the certificate is for.
    pub key: &'a LocalKey,
    /// How long it shall live, such as `8h`; none for as long as the roles allow.
    pub ttl: Option<&'a str>,
}

/// What an invitation is taken with.
pub struct Accept<'a> {
    /// What proves it.
    pub token: &'a Secret,
    /// The password that is chosen.
    pub password: &'a Secret,
    /// A code of the second factor that is offered with it, to set it up.
    pub code: Option<&'a Secret>,
    /// The key that the certificate is for.
    pub key: &'a LocalKey,
    /// How long it shall live; none for as long as the roles allow.
    pub ttl: Option<&'a str>,
}

/// Which databases are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Words that all occur in name, description or labels.
    pub search: Vec<String>,
    /// `KEY=VALUE`, all of which hold; several values of one key are alternatives.
    pub labels: Vec<String>,
}

impl Api {
    /// The API at an address, over connections that are made with `tls` (see [`crate::Trust::tls`], with
    /// [`crate::HTTP`]).
    pub fn new(address: Address, tls: Arc<ClientConfig>, clock: Clock, limits: Limits) -> Self {
        Self {
            address,
            tls,
            clock,
            limits,
        }
    }

    /// Where the proxy is.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// What the proxy says to anybody.
    ///
    /// # Errors
    /// As all of these: when nobody answers, when it is no proxy, when it is not the one that is trusted, and when it
    /// says no.
    pub async fn ping(&self) -> Result<Ping> {
        self.get("/v1/ping").await
    }

    /// A certificate for password and code.
    ///
    /// # Errors
    /// As [`Self::ping`]. Refused with `second-factor` when the password is right and a code is missing.
    pub async fn login(&self, login: &Login<'_>) -> Result<Signed> {
        #[derive(Serialize)]
        struct Body<'a> {
            user: &'a str,
            password: &'a Secret,
            #[serde(skip_serializing_if = "Option::is_none")]
            totp: Option<&'a Secret>,
            key: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            ttl: Option<&'a str>,
        }
        let body = Body {
            user: login.user,
            password: login.password,
            totp: login.code,
            key: login.key.request()?,
            ttl: login.ttl,
        };
        self.post("/v1/login", &body).await
    }

    /// What an invitation offers.
    ///
    /// # Errors
    /// As [`Self::ping`].
    pub async fn invitation(&self, token: &Secret) -> Result<Invitation> {
        #[derive(Serialize)]
        struct Body<'a> {
            token: &'a Secret,
        }
        self.post("/v1/invite", &Body { token }).await
    }

    /// Takes an invitation: sets the password, and the second factor when its code is given; once. Logs in at once, for the
    /// code is used up by that.
    ///
    /// # Errors
    /// As [`Self::ping`].
    pub async fn accept(&self, accept: &Accept<'_>) -> Result<Signed> {
        #[derive(Serialize)]
        struct Body<'a> {
            token: &'a Secret,
            password: &'a Secret,
            #[serde(skip_serializing_if = "Option::is_none")]
            totp: Option<&'a Secret>,
            key: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            ttl: Option<&'a str>,
        }
        let body = Body {
            token: accept.token,
            password: accept.password,
            totp: accept.code,
            key: accept.key.request()?,
            ttl: accept.ttl,
        };
        self.post("/v1/invite/accept", &body).await
    }

    /// Who the proxy takes one for.
    ///
    /// # Errors
    /// As [`Self::ping`].
    pub async fn whoami(&self) -> Result<Whoami> {
        self.get("/v1/whoami").await
    }

    /// The databases that one's roles let one see, in the order of their names.
    ///
    /// # Errors
    /// As [`Self::ping`].
    pub async fn databases(&self, filter: &Filter) -> Result<Vec<DbView>> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES {
            let page: Databases = self.get(&filter.path(after.as_deref(), PAGE)).await?;
            all.extend(page.databases);
            match page.next {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                Some(_) => break,
                None => return Ok(all),
            }
        }
        Err(foreign(&self.address).because("its list of databases does not end"))
    }

    /// The first databases that one may see, in the order of their names: enough to complete a name.
    ///
    /// # Errors
    /// As [`Self::ping`].
    pub async fn some_databases(&self, filter: &Filter, most: usize) -> Result<Vec<DbView>> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        // A page may end before it is full: who sees few of many reads on.
        while all.len() < most {
            let page: Databases = self.get(&filter.path(after.as_deref(), most)).await?;
            all.extend(page.databases);
            match page.next {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                _ => break,
            }
        }
        all.truncate(most);
        Ok(all)
    }

    /// One database: by its full name, or by short name or id where that is unique among those that one may see.
    ///
    /// # Errors
    /// As [`Self::ping`]. Refused with `not-found`, and with `ambiguous` and candidates.
    pub async fn database(&self, name: &str) -> Result<DbView> {
        self.get(&format!("/v1/databases/{}", segment(name))).await
    }

    /// A certificate for one database, not longer and not for more than the one that this API shows.
    ///
    /// # Errors
    /// As [`Self::database`].
    pub async fn certificate(
        &self,
        key: &LocalKey,
        route: &Route,
        ttl: Option<&str>,
    ) -> Result<Signed> {
        #[derive(Serialize)]
        struct Body<'a> {
            key: String,
            route: &'a Route,
            #[serde(skip_serializing_if = "Option::is_none")]
            ttl: Option<&'a str>,
        }
        let body = Body {
            key: key.request()?,
            route,
            ttl,
        };
        self.post("/v1/certificates", &body).await
    }

    /// One's own sessions that are open.
    ///
    /// # Errors
    /// As [`Self::ping`].
    pub async fn sessions(&self) -> Result<Vec<SessionView>> {
        let Sessions { sessions } = self.get("/v1/sessions").await?;
        Ok(sessions)
    }

    /// Ends one of one's own sessions.
    ///
    /// # Errors
    /// As [`Self::ping`].
    pub async fn end_session(&self, id: &str) -> Result<()> {
        let path = format!("/v1/sessions/{}", segment(id));
        self.ask("DELETE", &path, None).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.read(&self.ask("GET", path, None).await?)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let body = serde_json::to_vec(body);
        let body = body.map_err(|_| Error::new(Kind::Usage, "cannot write the question"))?;
        self.read(&self.ask("POST", path, Some(body)).await?)
    }

    fn read<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T> {
        // What it says may hold secrets: it is not repeated.
        serde_json::from_slice(answer).map_err(|error| {
            foreign(&self.address).because(format!(
                "its answer makes no sense (line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    }
}

impl Filter {
    fn path(&self, after: Option<&str>, limit: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &limit.to_string());
        for word in &self.search {
            query.append_pair("search", word);
        }
        for label in &self.labels {
            query.append_pair("label", label);
        }
        if let Some(after) = after {
            query.append_pair("after", after);
        }
        format!("/v1/databases?{}", query.finish())
    }
}

/// A name as one part of a path.
fn segment(name: &str) -> String {
    use std::fmt::Write;
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                path.push(char::from(byte))
            }
            // Also the dot: `..` means something else in a path.
            _ => {
                // Writing to a String does not fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}
