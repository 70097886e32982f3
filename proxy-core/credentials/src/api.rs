//! What the proxy sees of this crate: [`Credentials`], and the types of its questions and answers.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use muster_cloud::Secret;
use muster_model::{Target, Timestamp};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::error::CredentialError;

/// The time, so that tests can set it.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What opening a session at a database needs. One for the process; asked from every worker.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The name and the proof to log in with as `db_user`.
    ///
    /// May ask a cloud for keys or read a file, so the caller bounds the time. Dropping it half-way is harmless.
    ///
    /// # Errors
    /// Why there is no proof; `explain` with [`Failure::Credentials`] makes a text of it.
    async fn login(&self, target: &Target, db_user: &str) -> Result<Login, CredentialError>;

    /// How to speak TLS to the target as `db_user`. Cheap: settings are made once and shared.
    ///
    /// # Errors
    /// [`CredentialError::Trust`] or [`CredentialError::Certificate`], or that there is no endpoint.
    fn tls(&self, target: &Target, db_user: &str) -> Result<UpstreamTls, CredentialError>;

    /// What a failure means, and what to do. Asks nobody and blocks on nothing.
    fn explain(&self, target: &Target, db_user: &str, failure: &Failure<'_>) -> Advice;
}

/// Who to log in as, and with what.
pub struct Login {
    /// The name for the wire: `alice`, or `alice@server` for Azure's single servers.
    pub user: String,
    /// The proof.
    pub proof: Proof,
}

/// What proves to a database who logs in.
pub enum Proof {
    /// A cloud's token. It may be sent in clear text inside TLS that was verified ([`UpstreamTls::verified`]), and in
    /// no other way: never as an answer to MD5 or SCRAM, which a token cannot answer.
    Token(Secret),
    /// A stored password, for SCRAM or MD5; in clear text only inside TLS that was verified.
    Password(Secret),
    /// The client certificate of the TLS session. A password that the server asks for cannot be given.
    Certificate,
    /// Nothing. A password that the server asks for cannot be given.
    None,
}

/// How to speak TLS to a target.
#[derive(Clone)]
pub struct UpstreamTls {
    /// Verifier and client certificate. Shared by all targets that are treated alike. No ALPN is set.
    pub config: Arc<rustls::ClientConfig>,
    /// The name for SNI, and the one that the certificate must have.
    pub name: ServerName<'static>,
    /// Whether the certificate's chain is checked ([`crate::TlsMode`]). False only where a person asked for it.
    /// Neither tokens nor clear-text passwords may be sent when it is false.
    pub verified: bool,
}

/// What went wrong at a target.
#[derive(Clone, Copy)]
pub enum Failure<'a> {
    /// The database refused the login in its own words.
    Refused {
        /// `FATAL`, `ERROR`; MySQL has none.
        severity: &'a str,
        /// The SQLSTATE: `28000`.
        code: &'a str,
        /// The text.
        message: &'a str,
    },
    /// The database asks for a proof that is not at hand: SCRAM while there is a token.
    Unanswerable {
        /// What it asks for, as people call it: `SCRAM-SHA-256`, `a password in clear text`.
        asked: &'a str,
    },
    /// The database does not speak TLS.
    NoTls,
    /// TLS was not agreed on.
    Tls {
        /// Why.
        error: &'a rustls::Error,
        /// The server's own certificate (DER), when the caller has it. The verifier remembers the last ones that it
        /// refused, so `None` does as well.
        leaf: Option<&'a [u8]>,
    },
    /// No connection.
    Unreachable {
        /// Where.
        host: &'a str,
        /// Where.
        port: u16,
        /// For how long it was tried.
        tried_for: Duration,
        /// What the system said: `connection refused`, `no address`, `timed out`.
        why: &'a str,
    },
    /// The connection broke while logging in.
    Closed,
    /// There is no proof to log in with.
    Credentials(&'a CredentialError),
}

/// What a failure means, and what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// What failed, in one line. For the person at the client and for the record.
    pub message: String,
    /// What to do next, in some lines; empty when nothing is known. For the person at the client and for the record.
    /// It may name accounts, roles and policies: whoever sees it may open this target as this user.
    pub hint: String,
    /// What only the operator may see, for muster's own log: files, environment, addresses of metadata services.
    /// Empty when there is nothing more. Holds no secret either.
    pub log: String,
}

/// The certificate authority whose client certificates self-hosted databases accept.
pub trait DatabaseCa: Send + Sync {
    /// A new client certificate whose CN is `db_user`. It is kept and used again until shortly before it expires, or until
    /// another key [signs](Self::signer).
    ///
    /// # Errors
    /// Why there is none, in one line without a secret.
    fn issue(&self, db_user: &str, target: &Target) -> Result<Issued, String>;

    /// Which key signs now: any bytes, as long as two keys have not the same. What another key has signed is not shown to
    /// databases any more. Asked for each connection, so it hands out what it holds.
    fn signer(&self) -> [u8; 32];

    /// The authority's own certificates, old and new while it is rotated: servers that are no cloud's may show
    /// certificates that it signed. Asked for each connection, so it hands out what it holds.
    fn roots(&self) -> Arc<[CertificateDer<'static>]> {
        Arc::from([])
    }
}

/// A client certificate.
pub struct Issued {
    /// The certificate, then those that lead to the authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// Its end.
    pub expires: Timestamp,
}

// === impl Proof ===

impl Proof {
    /// In one word, for lists and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Password(_) => "password",
            Self::Certificate => "certificate",
            Self::None => "none",
        }
    }
}
