//! Files that the SDK would read for as long as it takes: pipes without a writer, shares that are
//! gone. They are tried here first, within a limit, on a thread that may be left behind.

#![allow(deprecated)] // The SDK's own builders take no other names.

use std::{env, fs, io, path::PathBuf, thread, time::Duration};

use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
use tokio::{sync::oneshot, time::timeout};

/// The most that is read of a profile file that is no regular file, in bytes.
const MAX_PIPE: u64 = 1 << 20;

/// The profile files, as the SDK may read them without waiting.
#[derive(Clone, Debug)]
pub(super) struct Profiles {
    pub files: ProfileFiles,
    /// Whether a file gave no answer in time, and was left out.
    pub late: bool,
}

enum Found {
    /// The SDK reads it, or says why it cannot.
    Regular,
    /// It can be read once only: this is what it held.
    Pipe(String),
}

/// Tries both profile files.
pub(super) async fn profiles(limit: Duration) -> Profiles {
    let (config, credentials) = tokio::join!(
        profile("AWS_CONFIG_FILE", "config", limit),
        profile("AWS_SHARED_CREDENTIALS_FILE", "credentials", limit),
    );
    let late = config.is_none() || credentials.is_none();
    let mut files = ProfileFiles::builder()
        .include_default_config_file(matches!(config, Some(Found::Regular)))
        .include_default_credentials_file(matches!(credentials, Some(Found::Regular)));
    for (kind, found) in [
        (ProfileFileKind::Config, config),
        (ProfileFileKind::Credentials, credentials),
    ] {
        files = match found {
            Some(Found::Regular) => files,
            Some(Found::Pipe(text)) => files.with_contents(kind, text),
            None => files.with_contents(kind, ""),
        };
    }
    let files = files.build();
    Profiles { files, late }
}

/// Whether the SDK may read the file that `variable` names.
///
/// # Errors
/// Why not: it is no regular file, or gave no answer in time.
pub(super) async fn may_read(variable: &str, limit: Duration) -> Result<(), String> {
    let Some(path) = env::var_os(variable).map(PathBuf::from) else {
        return Ok(());
    };
    match within(limit, move || try_file(&path, false)).await {
        Some(Some(Found::Regular)) => Ok(()),
        Some(_) => Err(format!("the file of {variable} is no regular file")),
        None => Err(no_answer(limit)),
    }
}

/// What is said of a source that was given up.
pub(super) fn no_answer(limit: Duration) -> String {
    if limit.subsec_nanos() == 0 {
        format!("no answer within {} s", limit.as_secs())
    } else {
        format!("no answer within {limit:?}")
    }
}

async fn profile(variable: &str, name: &str, limit: Duration) -> Option<Found> {
    let home = env::var_os("HOME").or_else(|| env::var_os("USERPROFILE"));
    let home = home.map(PathBuf::from).unwrap_or_default();
    let path = match env::var(variable) {
        Ok(path) => match path.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => PathBuf::from(path),
        },
        Err(_) => home.join(".aws").join(name),
    };
    within(limit, move || try_file(&path, true)).await?
}

/// Reads a file. None for one that can be read once only, when that must not be.
fn try_file(path: &PathBuf, once: bool) -> Option<Found> {
    let regular = fs::metadata(path).map_or(true, |it| it.is_file() || it.is_dir());
    if regular {
        // What it says does not matter here, nor why it cannot be read.
        drop(fs::read(path));
        return Some(Found::Regular);
    }
    if !once {
        return None;
    }
    let text = fs::File::open(path)
        .and_then(|file| io::read_to_string(io::Read::take(file, MAX_PIPE)))
        .unwrap_or_default();
    Some(Found::Pipe(text))
}

/// What `work` gives; none when that takes too long. The runtime never waits for the thread.
async fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = oneshot::channel();
    thread::Builder::new()
        .name("aws-file".to_owned())
        .spawn(move || drop(tell.send(work())))
        .ok()?;
    timeout(limit, told).await.ok()?.ok()
}
