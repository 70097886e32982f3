//! Which way of logging in a target gets, and why. Pure: the target, and whether a stored password is for this user.
//!
//! What the record says (`auth`) goes before everything. Then a stored password, because somebody put it there for this
//! database and user. Then what the kind of database can: IAM on AWS, Entra on Azure, a client certificate elsewhere.
//! A way that the provider reports to be off is an error that says so, not a reason to try another one.

use std::{fmt, str::FromStr};

use muster_model::{Kind, Protocol, Target, fact, hint};

/// A way of logging in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// A token of AWS IAM.
    Iam,
    /// A token of Microsoft Entra ID.
    Entra,
    /// A stored password.
    Password,
    /// A client certificate of muster's database authority.
    Certificate,
    /// Nothing: the database asks for no proof, or the client gives it through the session.
    None,
}

/// Why it is this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The target's hint `auth` says so.
    Hint,
    /// A stored password is for this database and user.
    Secret,
    /// The kind of database has it.
    Kind,
    /// It is no cloud's database, and those trust muster's certificates.
    Elsewhere,
    /// The client says AUTH itself, through the session.
    Client,
}

/// A method, with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Which.
    pub method: Method,
    /// Why.
    pub why: Why,
}

/// Why there is no way of logging in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// The hint `auth` is none of the words.
    #[error(
        "unknown way of logging in `{word}` (expected one of: iam, entra, password, certificate, none)"
    )]
    Unknown {
        /// What it says.
        word: String,
    },
    /// The hint `auth` asks for what this kind of database does not have.
    #[error("{kind} has no {method} authentication")]
    NotOfKind {
        /// What it asks for.
        method: Method,
        /// The kind of database.
        kind: Kind,
    },
    /// IAM authentication is off.
    #[error("IAM database authentication is off")]
    IamOff,
    /// Entra authentication is off.
    #[error("Microsoft Entra authentication is off")]
    EntraOff,
    /// muster cannot log in to databases of this kind yet.
    #[error("logging in to {kind} over {protocol} is not supported")]
    NotYet {
        /// The kind of database.
        kind: Kind,
        /// Its protocol.
        protocol: Protocol,
    },
}

/// The way of logging in to `target`. `has_secret`: whether a stored password is for this database and user.
///
/// # Errors
/// Why there is none.
pub fn method(target: &Target, has_secret: bool) -> Result<Chosen, MethodError> {
    if let Some(word) = target.hints.get(hint::AUTH) {
        let method = word.parse::<Method>()?;
        return possible(target, method).map(|()| Chosen {
            method,
            why: Why::Hint,
        });
    }
    if has_secret {
        return Ok(Chosen {
            method: Method::Password,
            why: Why::Secret,
        });
    }
    let (method, why) = if is_rds(target.kind) {
        (Method::Iam, Why::Kind)
    } else if is_azure(target.kind) {
        (Method::Entra, Why::Kind)
    } else if is_cache(target.kind) {
        (Method::None, Why::Client)
    } else if target.kind == Kind::Docdb {
        return Err(not_yet(target));
    } else {
        (Method::Certificate, Why::Elsewhere)
    };
    possible(target, method).map(|()| Chosen { method, why })
}

fn possible(target: &Target, method: Method) -> Result<(), MethodError> {
    let off = |name: &str| target.facts.get(name).is_some_and(|value| value == "false");
    let kind = target.kind;
    match method {
        Method::Iam if kind == Kind::Docdb => Err(not_yet(target)),
        Method::Iam if !is_rds(kind) && !is_cache(kind) => {
            Err(MethodError::NotOfKind { method, kind })
        }
        Method::Iam if off(fact::IAM_AUTH) => Err(MethodError::IamOff),
        Method::Entra if !is_azure(kind) => Err(MethodError::NotOfKind { method, kind }),
        Method::Entra if off(fact::ENTRA_AUTH) => Err(MethodError::EntraOff),
        // Neither cloud's managed databases accept certificates of somebody else's authority.
        Method::Certificate if is_rds(kind) || is_azure(kind) || is_cache(kind) => {
            Err(MethodError::NotOfKind { method, kind })
        }
        _ => Ok(()),
    }
}

fn not_yet(target: &Target) -> MethodError {
    MethodError::NotYet {
        kind: target.kind,
        protocol: target.protocol,
    }
}

/// RDS and Aurora.
pub(crate) const fn is_rds(kind: Kind) -> bool {
    matches!(kind, Kind::Rds | Kind::Aurora)
}

/// ElastiCache, with and without servers.
pub(crate) const fn is_cache(kind: Kind) -> bool {
    matches!(kind, Kind::Elasticache | Kind::ElasticacheServerless)
}

/// Azure's databases.
pub(crate) const fn is_azure(kind: Kind) -> bool {
    is_azure_single(kind)
        || matches!(
            kind,
            Kind::AzurePostgresqlFlexible | Kind::AzureMysqlFlexible
        )
}

/// Azure's single servers, whose users carry the server's name.
pub(crate) const fn is_azure_single(kind: Kind) -> bool {
    matches!(kind, Kind::AzurePostgresql | Kind::AzureMysql)
}

// === impl Method ===

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Iam,
        Self::Entra,
        Self::Password,
        Self::Certificate,
        Self::None,
    ];

    /// The word of the hint `auth`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Entra => "entra",
            Self::Password => "password",
            Self::Certificate => "certificate",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Method {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Self, MethodError> {
        let method = Self::ALL.into_iter().find(|method| method.as_str() == text);
        method.ok_or_else(|| MethodError::Unknown {
            word: text.chars().take(64).collect(),
        })
    }
}

// === impl Why ===

impl Why {
    /// In a few words, for lists and explanations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hint => "the record's hint `auth` says so",
            Self::Secret => "a stored password is for this database and user",
            Self::Kind => "this kind of database has it",
            Self::Elsewhere => "it is no cloud's database",
            Self::Client => "the client authenticates itself",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
