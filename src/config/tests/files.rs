//! Files that the configuration names: what is wrong with them is said in the same run as everything else.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::super::{Problem, With, load, load_with};
use crate::plugins::Loader;

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn check(dir: &Path, rest: &str) -> Vec<Problem> {
    let path = dir.join("muster.yaml");
    let text = format!(
        "version: 1\npolicy: sync\nsources: {{ aws: [{{ types: [rds], regions: [eu-west-1] }}] }}\n{rest}"
    );
    fs::write(&path, text).unwrap();
    // A command that does not need the files works without them.
    let plain = load(&path).unwrap();
    assert_eq!(plain.warnings, Vec::new());
    let loader = Loader::new();
    let with = With {
        loader: &loader,
        store: None,
    };
    match load_with(&path, with) {
        Ok(loaded) => loaded.warnings,
        Err(error) => error.problems,
    }
}

#[test]
fn every_file_that_is_missing_is_named_in_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    write(&dir.path().join("file"), "x", 0o600);
    write(&dir.path().join("open"), "x", 0o644);
    write(&dir.path().join("empty"), "", 0o600);
    let found = check(
        dir.path(),
        &format!(
            "store: file/store
proxy:
  listen: 127.0.0.1:7430
  trust: [gone.pem, file]
  secrets:
    - {{ databases: {{ env: a }}, password_file: {at}/gone }}
    - {{ databases: {{ env: b }}, password_file: {at}/open }}
audit: {{ dir: file }}
notify:
  - {{ name: a, events: [held], webhook: {{ url: 'https://h', secret_file: {at}/gone, authorization_file: {at}/empty }} }}
  - {{ name: b, events: [held], command: [{at}/gone] }}
  - {{ name: c, events: [held], command: [{at}/file] }}
"
        ),
    );
    let said: Vec<(&str, bool)> = found
        .iter()
        .map(|problem| (problem.path.as_str(), problem.warning))
        .collect();
    assert_eq!(
        said,
        [
            ("store", false),
            ("proxy.trust[0]", false),
            ("proxy.trust[1]", false),
            ("proxy.secrets[0].password_file", true),
            ("proxy.secrets[1].password_file", true),
            ("audit.dir", false),
            ("notify[0].webhook.authorization_file", true),
            ("notify[0].webhook.secret_file", true),
            ("notify[1].command[0]", true),
            ("notify[2].command[0]", true),
        ],
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .all(|problem| problem.line.is_some() && problem.hint.is_some())
    );
}

#[test]
fn nothing_is_said_of_files_that_are_as_they_should_be() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    let key = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    write(&dir.path().join("ca.pem"), &key.cert.pem(), 0o644);
    write(&dir.path().join("password"), "x", 0o600);
    write(&dir.path().join("program"), "#!/bin/sh\n", 0o755);
    let found = check(
        dir.path(),
        &format!(
            "store: not/there/yet
proxy:
  listen: 127.0.0.1:7430
  trust: [ca.pem]
  secrets: [{{ databases: {{ env: a }}, password_file: {at}/password }}]
audit: {{ dir: audit }}
notify: [{{ name: b, events: [held], command: [{at}/program, -x] }}]
"
        ),
    );
    assert_eq!(found, Vec::new());
}
