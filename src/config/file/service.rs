//! The keys of the service: when it scans, where it listens, whom it tells, what it keeps.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Duration, Many, Text, words};
use crate::service::notice::NoticeEvent;

/// When `muster run` reads the clouds again: `every` so often, or by `cron`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The time between two scans of a scope, from `1s` to `30d`. Either this or `cron`.
    #[schemars(extend("default" = super::super::EVERY), example = &"15m")]
    pub every: Option<Duration>,
    /// By the clock on the wall: minute, hour, day of month, month and day of week, or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`. Where both days are given both must match.
    #[schemars(example = &"0 6-20 * * MON-FRI")]
    pub cron: Option<String>,
    /// Whose clock that is, by its name in the IANA database. Only with `cron`; without it, `UTC`.
    #[schemars(example = &"Europe/Berlin")]
    pub time_zone: Option<String>,
    /// The most that a scan is put off, so that not all scopes are read at the same moment; at most the time
    /// between two scans. Without it, a tenth of that time, and no more than what stands here as the default.
    #[schemars(extend("default" = super::super::JITTER), example = &"1m")]
    pub jitter: Option<Duration>,
    /// The longest pause after scans that failed. It begins with the time between two scans, and doubles with
    /// every failure in a row; up to `30d`.
    #[schemars(extend("default" = super::super::BACKOFF_MAX), example = &"6h")]
    pub backoff_max: Option<Duration>,
}

/// When the scopes of one source are read again. What is not given is as in the file's `schedule`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceSchedule {
    /// The time between two scans of a scope, from `1s` to `30d`. Either this or `cron`.
    #[schemars(example = &"1h")]
    pub every: Option<Duration>,
    /// By the clock on the wall, as there.
    #[schemars(example = &"@daily")]
    pub cron: Option<String>,
    /// Whose clock that is.
    #[schemars(example = &"Europe/Berlin")]
    pub time_zone: Option<String>,
    /// The most that a scan is put off.
    #[schemars(example = &"1m")]
    pub jitter: Option<Duration>,
    /// The longest pause after scans that failed.
    #[schemars(example = &"1d")]
    pub backoff_max: Option<Duration>,
}

/// How `muster run` runs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The address and port of health, metrics and the read-only API, or `off`. It has no authentication, so the
    /// address has to be of this machine only (`127.0.0.1`, `[::1]`).
    #[schemars(with = "String", extend("default" = super::super::LISTEN), example = &"[::1]:7420")]
    pub listen: Option<Text>,
    /// How long a clean end may take, from `1s` to `10m`. Then what still runs is broken off.
    #[schemars(extend("default" = super::super::SHUTDOWN), example = &"1m")]
    pub shutdown: Option<Duration>,
    /// How often the lists of regions and subscriptions that a `*` stands for are read again, from `1s` to `1d`.
    #[schemars(extend("default" = super::super::RESOLVE), example = &"1h")]
    pub resolve: Option<Duration>,
}

/// Somebody who is told of changes: by a `webhook`, or by a `command`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["name", "events"]))]
pub struct Notify {
    /// Its name: no other has it. What was delivered is remembered under it. 1 to 64 of `a-z A-Z 0-9 . _ -`.
    /// Required.
    #[schemars(extend("pattern" = "^[A-Za-z0-9._-]{1,64}$"), example = &"chat")]
    pub name: Option<String>,
    /// What it is told of: `enrolled`, `updated`, `removed`, `held` (a safety holds a change) and `scope-failed`
    /// (a scope that was read before could not be), or `"*"` for all. Required.
    #[schemars(schema_with = "events", extend("examples" = [["enrolled", "removed", "held"]]))]
    pub events: Option<Many<String>>,
    /// An HTTP request.
    pub webhook: Option<Webhook>,
    /// A program with its arguments, started without a shell, that finds the change as JSON on its standard
    /// input. The program's path is absolute.
    #[schemars(extend("examples" = [["/usr/local/bin/announce", "--channel", "databases"]]))]
    pub command: Option<Many<String>>,
    /// The longest that one delivery may take, from `1s` to `5m`; then it is tried again.
    #[schemars(extend("default" = super::super::NOTIFY_TIMEOUT), example = &"30s")]
    pub timeout: Option<Duration>,
}

/// A POST of the change as JSON.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["url"]))]
pub struct Webhook {
    /// Where to: `https`, or `http` to this machine. No user name or password in it. Required.
    #[schemars(example = &"https://hooks.example.com/databases")]
    pub url: Option<String>,
    /// A file whose content is sent as the header `Authorization`. It is read at every delivery. The whole
    /// path.
    #[schemars(example = &"/etc/muster/hook.authorization")]
    pub authorization_file: Option<String>,
    /// A file whose content is the key of the signature (HMAC-SHA256) in the header `Muster-Signature`. It is read
    /// at every delivery. The whole path.
    #[schemars(example = &"/etc/muster/hook.secret")]
    pub secret_file: Option<String>,
}

/// How much of the history is kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// For how long, 1 hour or more.
    #[schemars(extend("default" = super::super::HISTORY_AGE), example = &"90d")]
    pub keep: Option<Duration>,
    /// How many entries, of all databases together.
    #[schemars(range(min = 1, max = 100_000_000), extend("default" = super::super::HISTORY_ENTRIES))]
    pub entries: Option<u64>,
}

fn events(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let events = NoticeEvent::ALL.iter().map(|event| event.as_str());
    words(events.chain(["*"]))
}
