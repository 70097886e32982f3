//! Failures of the disk and of sled in words for people.
//!
//! sled copies an I/O error by writing its debug form into a new one, and unwraps errors of its own in places;
//! what the operating system said is looked for in there.

use std::io;

use rustix::io::Errno;

/// An I/O error that says what happened and what to do about it, of the same kind.
pub(super) fn plain(error: io::Error) -> io::Error {
    advised(found(error))
}

/// The operating system's error, wherever sled has put it.
pub(super) fn found(error: io::Error) -> io::Error {
    match error.get_ref().map(ToString::to_string) {
        Some(text) if looks_like_debug(&text) => {
            in_debug(&text).unwrap_or_else(|| error.kind().into())
        }
        _ => error,
    }
}

/// The same error, with what to do about it where that can be said.
pub(super) fn advised(error: io::Error) -> io::Error {
    let text = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => {
            "too many open files: raise the limit of this process (`ulimit -n`, `LimitNOFILE`) and try again"
        }
        Some(Errno::NFILE) => "too many open files on this machine: close some and try again",
        _ if error.kind() == io::ErrorKind::StorageFull => {
            "no space left on the device: free some space and try again"
        }
        _ => return error,
    };
    io::Error::new(error.kind(), text)
}

/// What sled says of an error that is not the operating system's.
pub(super) fn of_sled(error: sled::Error) -> String {
    match error {
        sled::Error::Io(error) => plain(error).to_string(),
        // Where, sled only has in debug form.
        sled::Error::Corruption { .. } => "what its file holds is corrupt".to_owned(),
        error => error.to_string(),
    }
}

/// The operating system's error in the debug form of one.
pub(super) fn in_debug(text: &str) -> Option<io::Error> {
    let (_, rest) = text.split_once("Os { code: ")?;
    let (code, _) = rest.split_once(',')?;
    Some(io::Error::from_raw_os_error(code.parse().ok()?))
}

fn looks_like_debug(text: &str) -> bool {
    ["Os { code: ", "Custom { kind: ", "Kind("]
        .iter()
        .any(|begin| text.contains(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "no space left on the device: free some space and try again";

    fn copied(error: io::Error) -> io::Error {
        match sled::Error::Io(error).clone() {
            sled::Error::Io(error) => error,
            other => io::Error::other(other),
        }
    }

    #[test]
    fn what_the_system_said_is_found_however_often_sled_has_copied_it() {
        let denied = || io::Error::from_raw_os_error(13);
        for error in [denied(), copied(denied()), copied(copied(denied()))] {
            let error = plain(error);
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            assert_eq!(error.to_string(), denied().to_string());
        }
    }

    #[test]
    fn a_process_without_descriptors_is_told_what_to_do() {
        let none = || io::Error::from_raw_os_error(24);
        for error in [none(), copied(none()), plain(none())] {
            let error = plain(error);
            assert_eq!(error.kind(), none().kind());
            assert!(error.to_string().contains("LimitNOFILE"), "{error}");
        }
    }

    #[test]
    fn a_full_disk_is_told_with_what_to_do() {
        let full = || io::Error::from_raw_os_error(28);
        for error in [
            full(),
            copied(full()),
            io::ErrorKind::StorageFull.into(),
            plain(full()),
        ] {
            let error = plain(error);
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert_eq!(error.to_string(), FULL);
        }
        assert_eq!(of_sled(sled::Error::Io(copied(full()))), FULL);
    }

    #[test]
    fn other_errors_keep_their_words_and_no_debug_form() {
        let custom = || io::Error::new(io::ErrorKind::InvalidData, "a bad header");
        assert_eq!(plain(custom()).to_string(), "a bad header");
        for error in [copied(custom()), copied(io::ErrorKind::InvalidData.into())] {
            assert_eq!(plain(error).to_string(), "invalid data");
        }
        let corrupt = sled::Error::Corruption { at: None, bt: () };
        assert_eq!(of_sled(corrupt), "what its file holds is corrupt");
    }
}
