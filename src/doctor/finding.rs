//! [`Finding`]: one thing that is wrong, or soon will be.

use std::fmt;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is looked at together.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The configuration can be read, and is the one that the service goes by.
    Configuration,
    /// The store is there, whole, and its owner's alone; its disk has room.
    Store,
    /// The audit log can be written, is its owner's alone, and its disk has room.
    Audit,
    /// Authorities, the proxy's certificate, those that are trusted; the proxy's public names.
    Certificates,
    /// The clock, against the dates that others send.
    Clock,
    /// Addresses to listen on are free or the service's own, and reachable under the public names.
    Ports,
    /// There are credentials for each account, and each role can be assumed.
    Credentials,
    /// No scan was refused for want of a permission.
    Permissions,
    /// muster has a way to log in to each database.
    Logins,
    /// Each database has a name that resolves, answers, and shows a certificate that is trusted.
    Endpoints,
    /// A person's login counts, the proxy is reached, and psql is installed.
    Login,
}

/// How bad it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something does not work.
    Failed,
    /// Something will not work soon, or is less safe than it should be.
    Warning,
}

/// One thing that is wrong, or soon will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// A stable word for what it is: `disk-full`, `unreachable`. `docs/doctor.md` has all of them.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: a file, an address, an account, a database.
    pub subject: String,
    /// What is wrong, in a sentence without a full stop.
    pub what: String,
    /// Why, or what was compared with what; empty when there is no more to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What to do: a command, or the exact change. Some lines.
    pub remedy: String,
}

// === impl Check ===

impl Check {
    /// Those of whoever is logged in.
    pub const OF_A_PERSON: &'static [Self] = &[Self::Login, Self::Clock];

    /// Those of whoever runs muster.
    pub const ALL: &'static [Self] = &[
        Self::Configuration,
        Self::Store,
        Self::Audit,
        Self::Certificates,
        Self::Clock,
        Self::Ports,
        Self::Credentials,
        Self::Permissions,
        Self::Logins,
        Self::Endpoints,
    ];

    /// The word that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Store => "store",
            Self::Audit => "audit",
            Self::Certificates => "certificates",
            Self::Clock => "clock",
            Self::Ports => "ports",
            Self::Credentials => "credentials",
            Self::Permissions => "permissions",
            Self::Logins => "logins",
            Self::Endpoints => "endpoints",
            Self::Login => "login",
        }
    }

    /// A failure of this check.
    pub(super) fn failed(self, code: &str, subject: impl Into<String>) -> Finding {
        self.finding(Severity::Failed, code, subject)
    }

    /// A warning of this check.
    pub(super) fn warns(self, code: &str, subject: impl Into<String>) -> Finding {
        self.finding(Severity::Warning, code, subject)
    }

    pub(super) fn finding(
        self,
        severity: Severity,
        code: &str,
        subject: impl Into<String>,
    ) -> Finding {
        Finding {
            check: self,
            code: code.to_owned(),
            severity,
            subject: subject.into(),
            what: String::new(),
            why: String::new(),
            remedy: String::new(),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl Severity ===

impl Severity {
    /// All of them, the worst first.
    pub const ALL: &'static [Self] = &[Self::Failed, Self::Warning];

    /// The word that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Warning => "warning",
        }
    }
}

// === impl Finding ===

impl Finding {
    /// What is wrong.
    pub(super) fn what(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    /// Why.
    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// What to do.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}
