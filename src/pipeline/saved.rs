//! A plan in a file: made by `muster plan --out FILE`, looked at by a person, applied by `muster apply FILE`.
//!
//! The file is the JSON report with one key more, `saved`, which holds what is to be written. It is applied
//! only to the store and revision that it was made from, with the configuration that it was made with, and
//! while it is fresh: what was true when a person looked must still be true.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use muster_model::Timestamp;
use muster_plan::Plan;
use muster_store::Revision;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::run::Writes;
use crate::report;

/// The format of the part that is applied.
const FORMAT: u32 = 1;

/// Where the digest is.
const DIGEST: &str = "/saved/digest";

/// The largest file that is read: 512 MiB, as much as the store takes in one batch.
const MAX_FILE: u64 = 512 << 20;

/// How far ahead of the clock a plan may have been made, in seconds: clocks are set.
const MAX_AHEAD: u64 = 60;

/// What is to be written, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// The format's number.
    format: u32,
    /// When the plan was made.
    pub made: Timestamp,
    /// The store that it is for, as its directory's full path.
    store: String,
    /// The store's revision.
    pub(crate) revision: u64,
    /// SHA-256 of the configuration file.
    config: String,
    /// SHA-256 of everything else in the file, so that neither what is shown nor what is written can be edited
    /// without the other.
    digest: String,
    /// What is to be written.
    writes: Writes,
}

/// Why a saved plan is not applied.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The file cannot be read or written.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a saved plan.
    #[error("{path} is not a saved plan: {why}")]
    NotAPlan {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// It is one, and no longer fits.
    #[error("the plan is stale: {why}")]
    Stale {
        /// What has changed.
        why: String,
    },
}

/// What a plan is made from, and must still be when it is applied.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// The store's directory.
    pub store: &'a Path,
    /// Its revision.
    pub revision: Revision,
    /// The configuration file's bytes, and what identifies the plugins that it names.
    pub config: &'a [u8],
}

/// The file's content: report and saved part.
///
/// # Errors
/// When the plan cannot be written as JSON.
pub fn to_json(
    plan: &Plan,
    writes: Writes,
    basis: Basis<'_>,
    options: &report::Options,
) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    report::render(plan, report::Format::Json, options, &mut text)?;
    let mut report: Value = serde_json::from_slice(&text)?;
    let saved = Saved {
        format: FORMAT,
        made: plan.at,
        store: store_name(basis.store),
        revision: basis.revision.0,
        config: sha256(basis.config),
        digest: String::new(),
        writes,
    };
    if let Value::Object(report) = &mut report {
        report.insert("saved".to_owned(), serde_json::to_value(saved)?);
    }
    let digest = digest(&report)?;
    if let Some(place) = report.pointer_mut(DIGEST) {
        *place = digest.into();
    }
    let mut out = serde_json::to_vec_pretty(&report)?;
    out.push(b'\n');
    Ok(out)
}

/// Reads a saved plan.
///
/// # Errors
/// [`SavedError::Io`], [`SavedError::NotAPlan`].
pub fn read(path: &Path) -> Result<Saved, SavedError> {
    let name = path.display().to_string();
    let not = |why: String| SavedError::NotAPlan {
        path: name.clone(),
        why,
    };
    let io = |source| SavedError::Io {
        path: name.clone(),
        source,
    };
    let bytes = bounded(path, MAX_FILE)
        .map_err(io)?
        .ok_or_else(|| not(format!("it has more than {MAX_FILE} bytes")))?;
    let mut file: Value = serde_json::from_slice(&bytes).map_err(|error| not(error.to_string()))?;
    let told = file.pointer_mut(DIGEST).map(Value::take);
    if let Some(place) = file.pointer_mut(DIGEST) {
        *place = "".into();
    }
    let found = digest(&file).ok();
    let saved = file.get_mut("saved").map(Value::take).ok_or_else(|| {
        not("it has no part to apply (made by `muster plan --format json`, not with --out?)".into())
    })?;
    let saved: Saved = serde_json::from_value(saved).map_err(|error| not(error.to_string()))?;
    if saved.format != FORMAT {
        return Err(not(format!(
            "its format is {}, and this muster knows {FORMAT}",
            saved.format
        )));
    }
    if found.as_deref() != told.as_ref().and_then(Value::as_str) {
        return Err(not(
            "what it shows or would write is not what was planned: it was edited or damaged".into(),
        ));
    }
    Ok(saved)
}

/// What is in a file, unless it is more than `most` bytes. A device has no length of its own to go by.
fn bounded(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = fs::File::open(path)?;
    if file.metadata()?.len() > most {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

impl Saved {
    /// The writes, if everything still is as it was.
    ///
    /// # Errors
    /// [`SavedError::Stale`], with what has changed.
    pub fn check(
        self,
        basis: Basis<'_>,
        now: Timestamp,
        max_age_seconds: u64,
    ) -> Result<Writes, SavedError> {
        let stale = |why: String| Err(SavedError::Stale { why });
        if self.store != store_name(basis.store) {
            return stale(format!(
                "it was made for the store {}, and this is {}",
                self.store,
                store_name(basis.store)
            ));
        }
        if self.config != sha256(basis.config) {
            return stale(
                "the configuration, or a plugin that it names, has changed since".to_owned(),
            );
        }
        if self.revision != basis.revision.0 {
            let now = basis.revision;
            return stale(format!(
                "the store was at revision {} and is at {now}: something was applied or scanned since",
                self.revision
            ));
        }
        if self.made.since(now) > MAX_AHEAD {
            return stale(format!(
                "it was made at {}, and by this machine's clock it is {now}",
                self.made
            ));
        }
        let age = now.since(self.made);
        if age > max_age_seconds {
            return stale(format!(
                "its scans are {age} s old, and {max_age_seconds} s is the most they may be"
            ));
        }
        Ok(self.writes)
    }
}

fn store_name(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

/// Of the whole file, while the place of the digest holds an empty text. White space makes no difference.
fn digest(file: &Value) -> serde_json::Result<String> {
    Ok(sha256(&serde_json::to_vec(file)?))
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn saved() -> Saved {
        Saved {
            format: FORMAT,
            made: Timestamp::from_unix(1_000),
            store: store_name(Path::new("/store")),
            revision: 7,
            config: sha256(b"policy: sync"),
            digest: String::new(),
            writes: Writes::default(),
        }
    }

    fn check(store: &str, revision: u64, config: &[u8], at: i64) -> Result<Writes, String> {
        let basis = Basis {
            store: Path::new(store),
            revision: Revision(revision),
            config,
        };
        saved()
            .check(basis, Timestamp::from_unix(at), 60)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn neither_what_is_shown_nor_what_is_written_can_be_edited() {
        let plan = Plan {
            summary: muster_plan::Summary::default(),
            scopes: Vec::new(),
            changes: Vec::new(),
            skipped: Vec::new(),
            notes: vec!["look here".to_owned()],
            at: Timestamp::from_unix(1_000),
        };
        let writes = Writes {
            forget: vec![muster_model::ResourceId::new("arn:x#instance")],
            ..Writes::default()
        };
        let options = report::Options::default();
        let basis = Basis {
            store: Path::new("/store"),
            revision: Revision(7),
            config: b"policy: sync",
        };
        let file = to_json(&plan, writes.clone(), basis, &options).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        let reread = |text: &str| {
            fs::write(&path, text).unwrap();
            read(&path).map_err(|error| error.to_string())
        };
        let text = String::from_utf8(file).unwrap();
        assert_eq!(reread(&text).unwrap().writes, writes);
        let compact: Value = serde_json::from_str(&text).unwrap();
        assert!(reread(&compact.to_string()).is_ok());
        for (from, to) in [
            ("look here", "nothing to see"),
            ("\"remove\": 0", "\"remove\": 1"),
            ("arn:x#instance", "arn:y#instance"),
            ("\"revision\": 7", "\"revision\": 8"),
        ] {
            assert!(text.contains(from), "{from}");
            let refused = reread(&text.replace(from, to)).unwrap_err();
            assert!(refused.contains("edited or damaged"), "{from}: {refused}");
        }
    }

    #[test]
    fn a_plan_fits_while_everything_is_as_it_was() {
        assert!(check("/store", 7, b"policy: sync", 1_060).is_ok());
    }

    #[test]
    fn a_device_without_an_end_is_not_read_to_its_end() {
        assert!(bounded(Path::new("/dev/zero"), 4_096).unwrap().is_none());
        assert_eq!(
            bounded(Path::new("/dev/null"), 0).unwrap(),
            Some(Vec::new())
        );
    }

    #[test]
    fn each_thing_that_changed_is_named() {
        for (store, revision, config, at, why) in [
            ("/store", 7, "policy: sync", 1_061, "61 s old"),
            ("/store", 7, "policy: sync", 900, "by this machine's clock"),
            ("/store", 8, "policy: sync", 1_000, "revision 7 and is at 8"),
            (
                "/store",
                7,
                "policy: create-only",
                1_000,
                "the configuration, or a plugin that it names, has changed",
            ),
            (
                "/other",
                7,
                "policy: sync",
                1_000,
                "made for the store /store",
            ),
        ] {
            let refused = check(store, revision, config.as_bytes(), at).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
