//! What the operator may set. Plain values: the configuration's reader has checked their shape.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use muster_cloud::aws::AssumeRole;
use muster_model::{AccountId, Selector, selector::Pattern};

/// How muster authenticates to databases. [`Default`] is what needs no settings: cloud tokens with the ambient
/// credentials, and every certificate checked.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The role to assume for targets of an AWS account: the one that the account is scanned with. An account that is
    /// not here is reached with the ambient credentials.
    pub aws_roles: BTreeMap<AccountId, AssumeRole>,
    /// The scope of tokens for Azure's databases. None: that of the cloud that the host name belongs to.
    pub entra_scope: Option<String>,
    /// Files of certificates (PEM) that are trusted beside the usual ones, by every target.
    pub ca_files: Vec<PathBuf>,
    /// How certificates are checked; the first rule that selects a target counts. A record's own settings go before.
    pub tls: Vec<TlsRule>,
    /// Stored passwords; the first rule that selects target and user counts.
    pub secrets: Vec<SecretRule>,
}

/// How the certificates of some databases are checked.
#[derive(Clone, Debug)]
pub struct TlsRule {
    /// Which databases, by their labels.
    pub databases: Selector,
    /// How.
    pub mode: TlsMode,
    /// A file of certificates (PEM) that are trusted in place of the usual ones.
    pub ca_file: Option<PathBuf>,
}

/// A password that is kept in a file.
#[derive(Clone, Debug)]
pub struct SecretRule {
    /// For which databases, by their labels.
    pub databases: Selector,
    /// For which database users.
    pub db_users: Vec<Pattern>,
    /// The file, read at each login. It must not be readable by everybody.
    pub password_file: PathBuf,
}

/// How a server's certificate is checked. The handshake's signature is checked in every mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsMode {
    /// Its chain, its validity and its name.
    #[default]
    VerifyFull,
    /// Its chain and its validity, but not its name. No token is sent.
    VerifyCa,
    /// Nothing. No token is sent, and no password in clear text.
    Insecure,
}

// === impl TlsMode ===

impl TlsMode {
    /// Every mode, the strictest first.
    pub const ALL: [Self; 3] = [Self::VerifyFull, Self::VerifyCa, Self::Insecure];

    /// The word of configurations and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyFull => "verify-full",
            Self::VerifyCa => "verify-ca",
            Self::Insecure => "insecure",
        }
    }
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TlsMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mode = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        mode.ok_or_else(|| {
            format!("unknown TLS mode `{text}` (expected one of: verify-full, verify-ca, insecure)")
        })
    }
}
