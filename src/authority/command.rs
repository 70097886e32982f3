//! What may be asked of the authority, and what it answers.
//!
//! The same questions are asked by a command that has opened the journal itself and, as JSON, through the control socket
//! of the service that holds it. Records are in the form of their files: `kind`, `version`, `metadata`, `spec`.
//! Private keys, passwords and other secrets are in no answer but for those that are made for it.

use std::{fmt, str::FromStr};

use muster_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What sort of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Who may open which databases as whom.
    Role,
    /// A person.
    User,
    /// What lets a machine or a service join.
    Token,
    /// Who or what is shut out.
    Lock,
    /// A database that a person wrote down, and no cloud reported.
    Db,
    /// An authority for certificates. Made by muster; it can be read, and not written.
    CertAuthority,
}

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// There must be none of that name.
    Create,
    /// Whether there is one or not.
    Upsert,
    /// There must be one, and it must not have been changed since.
    Replace {
        /// Its revision, as it was read.
        revision: u64,
    },
}

/// A record, as its file would say it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What sort.
    pub kind: Kind,
    /// Its name, of its sort.
    pub name: String,
    /// Differs after each change of it.
    pub revision: u64,
    /// The file: `kind`, `version`, `metadata`, `spec`.
    pub body: Value,
}

/// Which authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ca {
    /// Signs people's certificates; the proxy trusts it.
    User,
    /// Signs the proxy's own certificate; people's clients trust it.
    Host,
    /// Signs the certificates that the proxy shows to databases; those trust it.
    Db,
}

/// One database, and as whom: a certificate that says so opens no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteAsked {
    /// The target's name.
    pub target: String,
    /// As which database user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_user: Option<String>,
    /// On which database name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_name: Option<String>,
}

/// Something that is asked of the authority.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Writes records, all or none. Answered by [`Answer::Documents`].
    Put {
        /// The files.
        records: Vec<Value>,
        /// Whether they may be there already.
        how: How,
    },
    /// One record. Answered by [`Answer::Documents`] with exactly one.
    Get {
        /// What sort.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// All records, or those of one sort, by sort and name. Answered by [`Answer::Documents`].
    List {
        /// None for all but the authorities.
        kind: Option<Kind>,
    },
    /// Removes a record. Answered by [`Answer::Documents`] with what it was.
    Remove {
        /// What sort.
        kind: Kind,
        /// Its name.
        name: String,
        /// The revision that it must have; none for any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
    },
    /// Writes a user who is not there yet, and invites them. Answered by [`Answer::Invited`].
    AddUser {
        /// The file.
        record: Value,
        /// How long the invitation lives, in seconds.
        seconds: u64,
    },
    /// Invites a user anew: to choose a password, and forget the old one. Answered by [`Answer::Invited`].
    Reset {
        /// Who.
        user: String,
        /// How long the invitation lives, in seconds.
        seconds: u64,
    },
    /// Makes a join token and its secret. Answered by [`Answer::Token`].
    AddToken {
        /// The file: `metadata.expires` is its end.
        record: Value,
    },
    /// Signs a user's certificate, at the word of the operator. Answered by [`Answer::Signed`].
    Sign {
        /// Who.
        user: String,
        /// The public key or the signing request, in PEM.
        key: String,
        /// How long it shall live, in seconds; none for as long as the roles allow, up to twelve hours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
        /// For one database only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<RouteAsked>,
    },
    /// How the authorities are. Answered by [`Answer::Authorities`].
    Authorities,
    /// Begins to exchange an authority for a new one. Answered by [`Answer::Authorities`].
    Rotate {
        /// Which.
        ca: Ca,
        /// How long both are trusted, in seconds.
        grace: u64,
    },
    /// Goes back to the authority that was, while both are trusted. Answered by [`Answer::Authorities`].
    RollBack {
        /// Which.
        ca: Ca,
    },
}

/// What the authority answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Records.
    Documents {
        /// In the order of the question, or by sort and name.
        documents: Vec<Document>,
        /// What is odd about what was written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    },
    /// An invitation. It is shown once.
    Invited(Invited),
    /// A join token. Its secret is shown once.
    Token {
        /// The record.
        document: Document,
        /// The secret.
        secret: Sensitive,
    },
    /// A certificate.
    Signed(Signed),
    /// The authorities.
    Authorities {
        /// The cluster's name.
        cluster: String,
        /// All three.
        authorities: Vec<CaStatus>,
    },
}

/// An invitation to choose a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// Who is invited.
    pub user: String,
    /// What proves it: 256 random bits. Only its hash is kept.
    pub token: Sensitive,
    /// Until when.
    pub expires: Timestamp,
    /// What is odd.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A certificate that was signed, with all that is needed to use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Whose.
    pub user: String,
    /// The certificate and what leads to its authority, in PEM.
    pub certificate: String,
    /// What the proxy's certificate is verified by, in PEM.
    pub host_ca: String,
    /// From when.
    pub issued: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    /// The roles in it.
    pub roles: Vec<String>,
    /// For one database only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteAsked>,
    /// Why it lives no longer, when it was asked to: `role contractor allows 1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<String>,
    /// Its serial number, in hexadecimal.
    pub serial: String,
}

/// How an authority is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaStatus {
    /// Which.
    pub ca: Ca,
    /// Its certificates: what signs comes first. Two while one is exchanged for the other.
    pub certificates: Vec<CaCertificate>,
    /// Until when both are trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_ends: Option<Timestamp>,
}

/// An authority's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaCertificate {
    /// SHA-256 of it, in hexadecimal.
    pub fingerprint: String,
    /// Whether it signs now.
    pub signs: bool,
    /// Since when.
    pub created: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    /// The certificate, in PEM.
    pub pem: String,
}

/// A text that must not be logged: it does not show itself to `{:?}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sensitive(pub String);

// === impl Kind ===

impl Kind {
    /// Every sort.
    pub const ALL: [Self; 6] = [
        Self::Role,
        Self::User,
        Self::Token,
        Self::Lock,
        Self::Db,
        Self::CertAuthority,
    ];

    /// The word of files and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::User => "user",
            Self::Token => "token",
            Self::Lock => "lock",
            Self::Db => "db",
            Self::CertAuthority => "cert_authority",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    /// Also takes what people type: `roles`, `cas`, `database`.
    fn from_str(text: &str) -> Result<Self, String> {
        let word = match text {
            "roles" => "role",
            "users" => "user",
            "tokens" => "token",
            "locks" => "lock",
            "dbs" | "database" | "databases" => "db",
            "ca" | "cas" | "cert_authorities" | "cert-authority" => "cert_authority",
            other => other,
        };
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == word);
        kind.ok_or_else(|| {
            format!("unknown kind `{text}` (expected one of: role, user, token, lock, db, cert_authority)")
        })
    }
}

// === impl Command ===

impl Command {
    /// Whether it only asks.
    pub const fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::Get { .. } | Self::List { .. } | Self::Authorities
        )
    }
}

// === impl Ca ===

impl Ca {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::User, Self::Host, Self::Db];

    /// The word of commands and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
            Self::Db => "db",
        }
    }
}

impl fmt::Display for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl Sensitive ===

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(..)")
    }
}
