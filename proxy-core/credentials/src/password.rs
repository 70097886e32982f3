//! Stored passwords: which rule is for a target and user, and the file that it names.
//!
//! The file is read at each login, so that a rotated password counts at once. What it holds is in no error.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use muster_cloud::Secret;
use muster_model::Target;
use zeroize::Zeroizing;

use crate::{error::CredentialError, settings::SecretRule};

/// The longest password, in bytes.
const MAX_PASSWORD: usize = 8 << 10;

/// The file for this target and user: that of the first rule that selects both.
pub(crate) fn file_for<'a>(
    rules: &'a [SecretRule],
    target: &Target,
    db_user: &str,
) -> Option<&'a Path> {
    let rule = rules.iter().find(|rule| {
        rule.db_users.iter().any(|user| user.matches(db_user))
            && rule.databases.is_match(|key| target.labels.value(key))
    })?;
    Some(&rule.password_file)
}

/// Reads a password. One line break at its end is not part of it.
pub(crate) async fn read(file: &Path) -> Result<Secret, CredentialError> {
    let path = PathBuf::from(file);
    // At one go on a thread that may wait: each call by itself would go there and back, and leave a copy in its buffer.
    let read = tokio::task::spawn_blocking(move || read_text(&path)).await;
    read.unwrap_or_else(|error| Err(error.to_string()))
        .map_err(|why| CredentialError::Secret {
            file: PathBuf::from(file),
            why,
        })
}

fn read_text(file: &Path) -> Result<Secret, String> {
    let failed = |error: std::io::Error| error.to_string();
    // Before it is opened: opening a pipe would wait for somebody to write.
    let about = std::fs::metadata(file).map_err(failed)?;
    if !about.is_file() {
        return Err("it is not a file".to_owned());
    }
    private(file, &about)?;
    let open = std::fs::File::open(file).map_err(failed)?;
    // Room for one byte too many, so that nothing is moved and left behind while reading.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD + 2));
    let limit = MAX_PASSWORD as u64 + 2;
    open.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.len() > MAX_PASSWORD {
        return Err(format!("it is longer than {MAX_PASSWORD} bytes"));
    }
    if text.contains(['\0', '\n', '\r']) {
        return Err("it holds more than one line".to_owned());
    }
    Ok(Secret::new(text))
}

/// Nobody but the owner and the group may read it, and nobody but the owner may write it. Kubernetes mounts secrets with
/// 0644 unless told otherwise, and hands them to a group when told to.
#[cfg(unix)]
fn private(file: &Path, about: &std::fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o027 != 0 {
        return Err(format!(
            "its mode is {mode:04o}, so that others can read or change it: chmod 600 (Kubernetes: defaultMode: 0400)"
        ));
    }
    if mode & 0o040 != 0 {
        tracing::warn!(file = %file.display(), mode = format!("{mode:04o}"), "the group can read a password file");
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(_: &Path, _: &std::fs::Metadata) -> Result<(), String> {
    Ok(())
}
