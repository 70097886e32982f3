//! [`Trusted`]: why a file may be run. There is no third way: a file that nobody pinned, signed or explicitly let pass
//! is not loaded.

use std::path::Path;

use muster_matchers::PluginFile;

use super::signature::{self, PublicKey, SignatureError};

/// Why a file may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// The configuration names its digest.
    Pinned,
    /// It is signed; by which key, in base64.
    Signed(String),
    /// The configuration says that it needs neither.
    Unsigned,
}

/// Why it may not.
#[derive(Debug)]
pub(super) struct Distrusted {
    /// What of the rule's `plugin` it is about: `sha256`, `path`; empty for the whole.
    pub place: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Trusted {
    /// The word for it in lists.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Signed(_) => "signed",
            Self::Unsigned => "unsigned",
        }
    }
}

/// Whether a file with this content and digest may be run.
pub(super) fn trust(
    file: &Path,
    bytes: &[u8],
    sha256: &str,
    plugin: &PluginFile,
    keys: &[PublicKey],
) -> Result<Trusted, Distrusted> {
    let shown = file.display();
    if let Some(pin) = &plugin.sha256 {
        return if pin.eq_ignore_ascii_case(sha256) {
            Ok(Trusted::Pinned)
        } else {
            Err(Distrusted {
                place: "sha256",
                message: format!("{shown} is another file: its SHA-256 is {sha256}"),
                hint: "put the file there that was pinned, or pin this one if it is what you mean"
                    .to_owned(),
            })
        };
    }
    if plugin.unsigned {
        return Ok(Trusted::Unsigned);
    }
    if keys.is_empty() {
        return Err(Distrusted {
            place: "",
            message: format!("nothing says that {shown} may be run"),
            hint: format!(
                "pin it by `sha256: {sha256}`, list the keys that may sign it in `plugins.keys`, or say `unsigned: true`"
            ),
        });
    }
    let beside = signature::beside(file);
    let verified = signature::read(&beside)
        .and_then(|signature| signature::verify(bytes, &signature, keys).map(ToString::to_string));
    verified.map(Trusted::Signed).map_err(|error| {
        let hint = match &error {
            SignatureError::Absent { .. } => {
                "sign it by `muster plugin sign`, pin it by `sha256`, or say `unsigned: true`"
            }
            _ => "sign it anew by `muster plugin sign` with a key of `plugins.keys`",
        };
        Distrusted {
            place: "path",
            message: format!("{shown}: {}", chain(&error)),
            hint: hint.to_owned(),
        }
    })
}

/// An error and all that stands behind it, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        // Some repeat what stands behind them.
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        next = error.source();
    }
    line
}
