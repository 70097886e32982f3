//! The keys of matchers of one's own: whose they may be, and what they may use.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Duration, Many};

/// How the matchers of rules with a `plugin` are run, and whose they may be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plugins {
    /// Public Ed25519 keys, as base64 or as PEM files (relative to the directory of this file). A plugin without
    /// `sha256` and `unsigned` has to be signed by one of them: `muster plugin sign`.
    #[schemars(extend("examples" = [["keys/platform-team.pem"]]))]
    pub keys: Option<Many<String>>,
    /// How long a plugin may compute over one batch of databases, from `1s` to `1m`.
    #[schemars(extend("default" = super::super::PLUGIN_TIME), example = &"5s")]
    pub time: Option<Duration>,
    /// Memory that one instance of a plugin may have, in MiB.
    #[schemars(range(min = 1, max = 4096), extend("default" = super::super::PLUGIN_MEMORY))]
    pub memory_mib: Option<u64>,
    /// The most databases that a plugin is given at once. With `1` it sees each alone, at about ten times the cost.
    #[schemars(range(min = 1, max = 1000), extend("default" = super::super::PLUGIN_BATCH))]
    pub batch: Option<u64>,
}
