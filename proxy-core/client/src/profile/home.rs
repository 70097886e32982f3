//! Where a person's logins are.

use std::{ffi::OsString, path::PathBuf};

use crate::{Error, Kind, Result};

pub(super) fn find(env: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let dir = |name: &str| {
        env(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(home) = dir("MUSTER_HOME") {
        return Ok(home);
    }
    // A path that is not absolute is none (XDG Base Directory Specification).
    if let Some(config) = dir("XDG_CONFIG_HOME").filter(|path| path.is_absolute()) {
        return Ok(config.join("muster"));
    }
    if let Some(home) = dir("HOME").filter(|path| path.is_absolute()) {
        return Ok(home.join(".config/muster"));
    }
    Err(
        Error::new(Kind::NoHome, "there is no place to keep a login")
            .because("neither MUSTER_HOME nor XDG_CONFIG_HOME nor HOME is set")
            .hint("set MUSTER_HOME to a directory of your own"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn the_first_place_that_is_named_counts() {
        for (env, home) in [
            (
                &[
                    ("MUSTER_HOME", "/a"),
                    ("XDG_CONFIG_HOME", "/b"),
                    ("HOME", "/c"),
                ][..],
                Some("/a"),
            ),
            (
                &[
                    ("MUSTER_HOME", ""),
                    ("XDG_CONFIG_HOME", "/b"),
                    ("HOME", "/c"),
                ],
                Some("/b/muster"),
            ),
            (
                &[("XDG_CONFIG_HOME", "b"), ("HOME", "/c")],
                Some("/c/.config/muster"),
            ),
            (&[("HOME", "/c")], Some("/c/.config/muster")),
            (&[("HOME", "")], None),
            (&[], None),
        ] {
            let get = |name: &str| {
                let found = env.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| OsString::from(value))
            };
            match (find(get), home) {
                (Ok(found), Some(home)) => assert_eq!(found, PathBuf::from(home)),
                (Err(error), None) => {
                    assert_eq!(error.kind(), &Kind::NoHome);
                    assert!(error.next().unwrap().contains("MUSTER_HOME"));
                }
                (found, _) => panic!("{env:?}: {found:?}"),
            }
        }
    }
}
