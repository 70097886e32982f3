//! [`Decision`]: what the matchers said of a database, and the [`Trace`] of why.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{Labels, Shadowed, State};

/// The outcome of the matcher chain for one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// It is to be enrolled.
    Enroll(Enrollment),
    /// It is not, and why.
    Skip {
        /// Why.
        reason: Skip,
    },
    /// A matcher failed, so nothing is decided: what is enrolled stays as it is, what is not is not added.
    Undecided {
        /// Which matcher.
        matcher: String,
        /// What went wrong.
        message: String,
    },
}

/// What an enrolled database is to be called and labelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Enrollment {
    /// The unique name.
    pub name: String,
    /// The short name that people may use while it is unambiguous; equals `name` when there is no suffix.
    pub short_name: String,
    /// All labels with their provenance.
    pub labels: Labels,
    /// Connection hints for the proxy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hints: BTreeMap<String, String>,
    /// The matcher that decided.
    pub matcher: String,
    /// Why, in one line: `rule "prod" (env in [prod])`.
    pub reason: String,
}

/// Why a database is not enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Skip {
    /// It can never be served as it is.
    Unsupported {
        /// What stands against it.
        why: Unsupported,
    },
    /// It cannot be used in its present state. A database that is already enrolled stays.
    State {
        /// The state.
        state: State,
    },
    /// The provider reports no endpoint yet. A database that is already enrolled stays.
    NoEndpoint,
    /// No source's filters select it.
    NotSelected {
        /// What the nearest source asked for and the database lacks.
        detail: String,
    },
    /// A rule or plugin skips it.
    Matcher {
        /// Which.
        matcher: String,
        /// Its reason.
        reason: String,
    },
    /// No matcher had an opinion.
    NoMatch,
    /// The name that it would get is not a valid one.
    BadName {
        /// The name, and what is wrong with it.
        detail: String,
    },
}

/// What makes a database impossible to serve, whatever the rules say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "unsupported", rename_all = "kebab-case")]
pub enum Unsupported {
    /// muster does not speak the engine's protocol.
    Engine {
        /// The engine.
        engine: String,
    },
    /// The version is too old for what muster needs (IAM authentication, TLS).
    Version {
        /// The engine.
        engine: String,
        /// The version it has.
        have: String,
        /// The first version that will do.
        need: String,
    },
    /// The engine's mode has no endpoint for us (Aurora Serverless v1, old parallel query).
    Mode {
        /// The mode.
        mode: String,
    },
    /// Encryption in transit is off.
    TlsOff,
}

/// Every step on the way to a decision, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Trace {
    /// The steps.
    pub steps: Vec<Step>,
    /// Tags that could not become labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadowed: Vec<Shadowed>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Step {
    /// Who: `support`, `state`, `source aws[0]`, `rule "prod"`, `name`.
    pub who: String,
    /// What came of it: `passed`, `enroll`, `skip`, `no match`, `labels`.
    pub outcome: String,
    /// The particulars: which label decided, which was set.
    pub detail: String,
}

// === impl Skip ===

impl Skip {
    /// A stable word for counting and for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsupported { why } => why.code(),
            Self::State { .. } => "state",
            Self::NoEndpoint => "no-endpoint",
            Self::NotSelected { .. } => "not-selected",
            Self::Matcher { .. } => "matcher",
            Self::NoMatch => "no-match",
            Self::BadName { .. } => "bad-name",
        }
    }

    /// Whether it says only that the database cannot be used just now. Such a reason keeps a new database
    /// out, and never takes an enrolled one away.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::State { .. } | Self::NoEndpoint)
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { why } => why.fmt(f),
            Self::State { state } => {
                write!(f, "state is `{}`: not usable yet or any more", state.name)
            }
            Self::NoEndpoint => f.write_str("the provider reports no endpoint yet"),
            Self::NotSelected { detail } => write!(f, "no source selects it: {detail}"),
            Self::Matcher { matcher, reason } => write!(f, "{matcher}: {reason}"),
            Self::NoMatch => f.write_str("no rule enrolls it"),
            Self::BadName { detail } => write!(f, "name: {detail}"),
        }
    }
}

// === impl Unsupported ===

impl Unsupported {
    /// A stable word for counting and for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Engine { .. } => "engine-unsupported",
            Self::Version { .. } => "engine-too-old",
            Self::Mode { .. } => "mode-unsupported",
            Self::TlsOff => "tls-off",
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine { engine } => write!(f, "engine `{engine}` is not one that muster serves"),
            Self::Version { engine, have, need } if have.is_empty() => {
                write!(f, "{engine}: version unknown, {need} or later is needed")
            }
            Self::Version { engine, have, need } => {
                write!(f, "{engine} {have} is too old: {need} or later is needed")
            }
            Self::Mode { mode } => write!(f, "engine mode `{mode}` is not supported"),
            Self::TlsOff => f.write_str("encryption in transit is off"),
        }
    }
}

// === impl Trace ===

impl Trace {
    /// Adds a step.
    pub fn step(
        &mut self,
        who: impl Into<String>,
        outcome: impl Into<String>,
        detail: impl Into<String>,
    ) {
        self.steps.push(Step {
            who: who.into(),
            outcome: outcome.into(),
            detail: detail.into(),
        });
    }
}
