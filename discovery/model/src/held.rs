//! [`HeldPlan`]: removals that the brake held, waiting for a person.

use serde::{Deserialize, Serialize};

use crate::{ResourceId, Timestamp};

/// A plan that the brake held, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeldPlan {
    /// Its number.
    pub number: u64,
    /// When the brake first held it.
    pub made: Timestamp,
    /// The group whose plan it is.
    pub group: String,
    /// What it would remove; of a plan that a person approved or rejected, all that was shown to them.
    pub removals: Vec<HeldRemoval>,
    /// How many targets there were.
    pub targets: u64,
    /// How many removals the brake would have let through.
    pub allowance: u64,
    /// What became of it.
    pub verdict: Verdict,
}

/// One removal of a held plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeldRemoval {
    /// Identity.
    pub id: ResourceId,
    /// The target's name.
    pub name: String,
    /// Why it would be removed.
    pub reason: String,
    /// What became of it since a person approved or rejected the plan.
    #[serde(default)]
    pub became: Became,
}

/// What became of one removal of a plan that a person approved or rejected.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// Nothing yet: what the person said counts for it.
    #[default]
    Open,
    /// It was removed.
    Removed,
    /// It stays: it is there again, or is not to be removed any more. What the person said does not count for the
    /// next time.
    Stays,
}

impl HeldPlan {
    /// The removals that what a person says, or said, counts for.
    pub fn open(&self) -> impl Iterator<Item = &HeldRemoval> {
        self.ended(Became::Open)
    }

    /// The removals of which this became.
    pub fn ended(&self, became: Became) -> impl Iterator<Item = &HeldRemoval> {
        let removals = self.removals.iter();
        removals.filter(move |removal| removal.became == became)
    }
}

/// What became of a held plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Verdict {
    /// It waits for a person.
    Waiting,
    /// A person approved it.
    Approved {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// A person rejected it.
    Rejected {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// It no longer stands: the databases came back, or another plan took its place.
    Superseded {
        /// When.
        at: Timestamp,
    },
}

impl Verdict {
    /// The word that stands for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Superseded { .. } => "superseded",
        }
    }
}
