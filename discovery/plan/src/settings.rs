//! What the planner may do, and how carefully.

use serde::{Deserialize, Serialize};

/// The settings of a plan. None of them has a default here: what could remove things is the configuration's
/// to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Which kinds of change are allowed at all.
    pub policy: Policy,
    /// How long a database has to be gone.
    pub grace: Grace,
    /// How much one plan may remove.
    pub brake: Brake,
    /// The discovery group; targets of other groups are left alone.
    pub group: String,
    /// What becomes of targets whose scope no source covers any more.
    pub unconfigured: Unconfigured,
}

/// Which kinds of change are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Add, update and remove.
    Sync,
    /// Add and update; never remove.
    UpsertOnly,
    /// Add; never update or remove.
    CreateOnly,
}

/// How long a database has to be missing from complete scans before its target is removed. Both must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grace {
    /// Complete scans in a row that did not find it.
    pub scans: u32,
    /// Seconds since the first of them.
    pub seconds: u64,
}

/// The largest part of the enrolled set that one plan may remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brake {
    /// Percent of this group's targets.
    pub percent: u8,
    /// So many may always be removed, however few targets there are.
    pub at_least: usize,
    /// Seconds for which what was removed counts: many small plans are no way around the brake.
    pub window: u64,
    /// The person said so: this one plan may remove any number.
    pub released: bool,
}

/// What becomes of targets whose scope no source covers any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unconfigured {
    /// They stay, and the plan says so.
    Hold,
    /// They are removed, under policy and brake.
    Remove,
}

impl Brake {
    /// How many of `targets` one plan may remove.
    pub fn allowance(&self, targets: usize) -> usize {
        if self.released {
            return usize::MAX;
        }
        let share = targets.saturating_mul(usize::from(self.percent.min(100))) / 100;
        share.max(self.at_least)
    }
}

impl Policy {
    /// The word that stands for it in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::UpsertOnly => "upsert-only",
            Self::CreateOnly => "create-only",
        }
    }
}
