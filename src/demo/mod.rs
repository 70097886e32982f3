//! The embedded example fleet: recorded answers of AWS and Azure, served by a small local replayer, and the
//! configuration that reads them. No account and no network: every request goes to this process.
//!
//! What is real: the scanners, the store, the matchers, the plan. Only the answers are recorded.
//!
//! | part | what it does |
//! |---|---|
//! | here | the recorded clouds, and the configuration |
//! | `door` | a proxy beside them, and somebody who may enter |
//! | `postgres` | a real database of this machine behind it |
//! | `place` | the directory that all of it is in, and gone with |

pub mod door;
mod place;
pub mod postgres;

use std::{collections::BTreeMap, path::Path};

use aws_credential_types::Credentials;
use include_dir::{Dir, include_dir};
use muster_cloud::replay::{Replayer, Tape};

pub use self::place::Place;
use crate::pipeline::sources::Elsewhere;

static FIRST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/cloud/demo");
static SECOND: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/cloud/demo-2");

/// The configuration of the example.
pub const CONFIG: &str = include_str!("../../fixtures/demo/muster.yaml");

/// The day of the example's fleet, and what became of it the day after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// The fleet as it is found.
    First,
    /// One database is gone, one has moved, one is new, and a region that could be read is denied.
    Second,
}

/// Why the example cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The recorded answers cannot be understood.
    #[error("cannot read the recorded answers")]
    Tape(#[from] muster_cloud::replay::TapeError),
    /// No port could be opened.
    #[error("cannot serve the recorded answers on this machine's loopback address")]
    Serve(#[from] std::io::Error),
}

/// Starts the replayer for a day. It stops when it is dropped.
///
/// # Errors
/// [`DemoError`].
pub fn serve(day: Day) -> Result<Replayer, DemoError> {
    Ok(Replayer::start(tape(day)?)?)
}

/// Lets another day begin.
///
/// # Errors
/// [`DemoError`].
pub fn turn(replayer: &Replayer, day: Day) -> Result<(), DemoError> {
    Ok(replayer.change(&tape(day)?)?)
}

fn tape(day: Day) -> Result<Tape, DemoError> {
    let mut files = BTreeMap::new();
    collect(&FIRST, &mut files);
    if day == Day::Second {
        collect(&SECOND, &mut files);
    }
    Ok(Tape::from_files(files)?)
}

/// The configuration of the example for a service that somebody watches: everything goes faster.
pub fn service_config() -> String {
    let faster = CONFIG.replace(
        "grace: { scans: 2, time: 30m }",
        "grace: { scans: 2, time: 30s }",
    );
    format!("{faster}{SERVICE}")
}

const SERVICE: &str = "
# Faster than anybody needs it, to be watched.
schedule: { every: 5s, jitter: 1s, backoff_max: 30s }
service: { listen: 127.0.0.1:0 }
requests: { per_second: 1000 }
";

/// Where the example's clouds are.
pub fn elsewhere(replayer: &Replayer) -> Elsewhere {
    Elsewhere {
        endpoint: Some(replayer.url().to_owned()),
        // The replayer knows an account by the end of its access key id. Nothing of this is secret.
        aws_credentials: Some(Credentials::new(
            "AKIADEMO111111111111",
            "recorded",
            None,
            None,
            "demo",
        )),
        azure_token: Some("recorded".to_owned()),
    }
}

fn collect(dir: &'static Dir<'static>, files: &mut BTreeMap<String, &'static [u8]>) {
    for file in dir.files() {
        files.insert(name(file.path()), file.contents());
    }
    for dir in dir.dirs() {
        collect(dir, files);
    }
}

/// The name with `/`, whatever the machine writes.
fn name(path: &Path) -> String {
    path.components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use crate::config;

    #[test]
    fn the_watched_service_goes_by_the_same_rules_only_faster() {
        let usual = config::parse(CONFIG, None).unwrap().config;
        let faster = config::parse(&service_config(), None).unwrap().config;
        assert_eq!(faster.matching_digest(), usual.matching_digest());
        assert_eq!(faster.settings.grace.scans, usual.settings.grace.scans);
        assert_eq!(faster.settings.grace.seconds, 30);
        assert!(faster.service.shutdown > Duration::ZERO);
        assert_ne!(faster.schedule, usual.schedule);
    }
}
