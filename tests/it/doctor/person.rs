//! Somebody who is only logged in.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use tempfile::TempDir;

use super::doctor;
use crate::door::town::Town;

#[test]
fn whoever_is_logged_in_looks_at_the_login_and_the_way_to_the_proxy() {
    let town = Town::new("");
    let (service, _) = town.open();
    let said = town.muster(&["user", "add", "--roles", "shop", "ben"]);
    let link = said
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("https://"));
    let link = link.unwrap_or_else(|| panic!("no link: {said}")).to_owned();
    let home = TempDir::new().unwrap();
    let password = home.path().join("password");
    fs::write(&password, "a long password of Ben's\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let muster = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command
            .args(args)
            .current_dir(home.path())
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin");
        command
    };
    // Nobody is logged in yet: that is an error, and says what to do.
    let nobody = muster(&["doctor"]).output().unwrap();
    let error = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert_ne!(nobody.status.code(), Some(0));
    assert!(error.contains("muster login"), "{error}");

    let password = password.to_str().unwrap();
    let mut login = muster(&["login", "--invite", &link, "--password-file", password]);
    let output = login.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let found = doctor(muster(&["doctor"]));
    assert_eq!(
        (found.code, found.all()),
        (0, Vec::new()),
        "{:#}",
        found.report
    );
    let clock = found.check("clock")["note"].as_str().unwrap();
    assert!(clock.contains("from the proxy's date"), "{clock}");
    let checks = found.report["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 2, "{checks:?}");

    // A key that others can read.
    let clusters = home.path().join(".config/muster/clusters");
    let key = fs::read_dir(&clusters).unwrap().next().unwrap().unwrap();
    let key = key.path().join("user.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    service.stop();
    let found = doctor(muster(&["doctor"]));
    assert_eq!(found.code, 4);
    found.says(
        "login/login-readable",
        "remedy",
        &format!("chmod 600 {}", key.display()),
    );
    found.says(
        "login/proxy-unreachable",
        "remedy",
        "nc -vz -w 5 localhost ",
    );

    // Not even where and whose the login is can be read.
    let profile = key.with_file_name("profile.json");
    fs::write(&profile, "{").unwrap();
    let found = doctor(muster(&["doctor"]));
    assert_eq!(found.code, 4);
    let file = profile.display().to_string();
    found.says("login/login-damaged", "why", &file);
    found.says("login/login-damaged", "remedy", "muster login --proxy");
}
