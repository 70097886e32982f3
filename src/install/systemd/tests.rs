//! The unit against files in `fixtures/systemd`, against systemd itself where it is, and against a small reader.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{BadUnit, UnitOptions, unit};
use crate::config::{Config, parse};

const BASE: &str = "\
version: 1
store: /var/lib/muster
policy: sync
sources: { aws: { types: rds, regions: us-east-1 } }
";

fn config(more: &str) -> Config {
    let text = format!("{BASE}{more}");
    let loaded = parse(&text, Some(Path::new("/etc/muster/muster.yaml")));
    loaded.unwrap_or_else(|error| panic!("{error}")).config
}

fn options() -> UnitOptions {
    UnitOptions {
        program: PathBuf::from("/usr/local/bin/muster"),
        config: PathBuf::from("/etc/muster/muster.yaml"),
        store: None,
        user: None,
    }
}

/// Everything that a unit can say at once.
fn full() -> (Config, UnitOptions) {
    let config = config(
        "service: { shutdown: 2m }
notify:
  - name: chat
    events: \"*\"
    webhook:
      url: https://hooks.example.com/
      authorization_file: /run/credentials/muster.service/hook.authorization
      secret_file: /etc/muster/hook.secret
  - { name: program, events: [held], command: [/home/ops/announce, --urgent] }
proxy:
  listen: 0.0.0.0:443
  drain: 3m
  trust: /etc/muster/corporate-ca.pem
  secrets: { databases: { env: prod }, password_file: /run/credentials/muster.service/reporting.password }
audit: { dir: /srv/audit log }
",
    );
    let options = UnitOptions {
        program: PathBuf::from("/opt/my tools/muster"),
        config: PathBuf::from("/etc/muster/100%.yaml"),
        store: Some(PathBuf::from("/srv/the \"store\"")),
        user: Some("muster".to_owned()),
    };
    (config, options)
}

/// Values of a setting, in order.
fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    let lines = unit.lines();
    lines
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .collect()
}

fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/systemd")
        .join(name);
    if std::env::var_os("MUSTER_BLESS").is_some() {
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(expected, actual, "{}", path.display());
}

#[test]
fn the_units_are_those_of_the_fixtures() {
    golden("default.service", &unit(&config(""), &options()).unwrap());
    let (config, options) = full();
    golden("full.service", &unit(&config, &options).unwrap());
}

#[test]
fn every_line_is_a_section_a_setting_or_a_comment() {
    let (full, all) = full();
    for text in [unit(&config(""), &options()), unit(&full, &all)] {
        let text = text.unwrap();
        let mut sections = Vec::new();
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                Some(section) => sections.push(section.to_owned()),
                None => {
                    let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
                    assert!(
                        key.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                        "{line}"
                    );
                    assert!(!value.starts_with(' ') && !value.ends_with('\\'), "{line}");
                    assert!(!sections.is_empty(), "{line} before any section");
                }
            }
        }
        assert_eq!(sections, ["Unit", "Service", "Install"]);
        assert!(
            !text.contains("\nMemoryDenyWriteExecute"),
            "matchers will need it"
        );
    }
}

#[test]
fn systemd_waits_longer_than_the_service_takes() {
    for (shutdown, stop) in [("1s", "16"), ("30s", "45"), ("10m", "615")] {
        let config = config(&format!("service: {{ shutdown: {shutdown} }}\n"));
        let text = unit(&config, &options()).unwrap();
        assert_eq!(values(&text, "TimeoutStopSec"), [stop]);
    }
}

#[test]
fn a_proxy_may_drain_listen_and_write_its_log() {
    let text = unit(
        &config("proxy: { listen: \"[::]:7430\", drain: 2m }\n"),
        &options(),
    )
    .unwrap();
    assert_eq!(values(&text, "TimeoutStopSec"), ["145"]);
    assert_eq!(values(&text, "AmbientCapabilities"), [""]);
    let low = unit(&config("proxy: { listen: \"[::]:443\" }\n"), &options()).unwrap();
    assert_eq!(
        values(&low, "AmbientCapabilities"),
        ["CAP_NET_BIND_SERVICE"]
    );
    assert_eq!(
        values(&low, "CapabilityBoundingSet"),
        ["CAP_NET_BIND_SERVICE"]
    );
    let log = unit(&config("audit: { dir: /var/log/muster }\n"), &options()).unwrap();
    assert_eq!(values(&log, "LogsDirectory"), ["muster"]);
    let elsewhere = unit(&config("audit: { dir: /srv/audit }\n"), &options());
    assert_eq!(elsewhere, Err(BadUnit::Log(PathBuf::from("/srv/audit"))));
}

#[test]
fn all_commands_use_the_same_configuration_and_store() {
    let (config, options) = full();
    let text = unit(&config, &options).unwrap();
    let common = "--config /etc/muster/100%%.yaml --store \"/srv/the \\\"store\\\"\"";
    for (key, command) in [
        ("ExecStartPre", "config check"),
        ("ExecStart", "run"),
        ("ExecReload", "reload"),
    ] {
        let expected = format!("\"/opt/my tools/muster\" {command} {common}");
        assert_eq!(values(&text, key), [expected], "{key}");
    }
}

#[test]
fn the_store_is_made_by_systemd_or_owned_by_a_user() {
    let text = unit(&config(""), &options()).unwrap();
    assert_eq!(values(&text, "StateDirectory"), ["muster"]);
    assert_eq!(values(&text, "DynamicUser"), ["true"]);
    assert!(values(&text, "ReadWritePaths").is_empty());

    let elsewhere = |store: &str, user: Option<&str>| {
        let options = UnitOptions {
            store: Some(PathBuf::from(store)),
            user: user.map(str::to_owned),
            ..options()
        };
        unit(&config(""), &options)
    };
    let text = elsewhere("/var/lib/muster/production", None).unwrap();
    assert_eq!(values(&text, "StateDirectory"), ["muster/production"]);
    for store in ["/srv/muster", "/var/lib", "/var/lib/private/muster"] {
        assert_eq!(
            elsewhere(store, None),
            Err(BadUnit::Store(PathBuf::from(store)))
        );
    }
    let text = elsewhere("/srv/muster", Some("muster")).unwrap();
    assert_eq!(values(&text, "User"), ["muster"]);
    assert_eq!(values(&text, "ReadWritePaths"), ["/srv/muster"]);
    assert!(values(&text, "DynamicUser").is_empty() && values(&text, "StateDirectory").is_empty());
    let text = elsewhere("/var/lib/muster", Some("muster")).unwrap();
    assert_eq!(
        values(&text, "StateDirectory"),
        ["muster"],
        "systemd gives it to that user"
    );
}

#[test]
fn what_the_service_cannot_see_is_refused_or_let_in() {
    let refused = |change: fn(&mut UnitOptions)| {
        let mut options = options();
        change(&mut options);
        unit(&config(""), &options).unwrap_err()
    };
    assert!(matches!(
        refused(|o| o.config = PathBuf::from("muster.yaml")),
        BadUnit::Relative(_)
    ));
    assert!(matches!(
        refused(|o| o.config = PathBuf::from("/etc/../x.yaml")),
        BadUnit::Relative(_)
    ));
    assert!(matches!(
        refused(|o| o.config = PathBuf::from("/tmp/muster.yaml")),
        BadUnit::Temporary(_)
    ));
    assert!(matches!(
        refused(|o| o.store = Some(PathBuf::from("/var/tmp/x"))),
        BadUnit::Temporary(_)
    ));
    assert!(matches!(
        refused(|o| o.program = PathBuf::from("/opt/$x/muster")),
        BadUnit::Letters(_)
    ));
    assert!(matches!(
        refused(|o| o.config = PathBuf::from("/etc/a\nExecStart=b")),
        BadUnit::Letters(_)
    ));
    for user in ["", "root user", "1st", "a\nb", "%u", &"a".repeat(32)] {
        let options = UnitOptions {
            user: Some(user.to_owned()),
            ..options()
        };
        assert_eq!(
            unit(&config(""), &options),
            Err(BadUnit::User(user.to_owned()))
        );
    }
    let sink = |how: &str| config(&format!("notify: {{ name: a, events: held, {how} }}\n"));
    let home = |config: &Config| {
        let text = unit(config, &options()).unwrap();
        values(&text, "ProtectHome").join("")
    };
    assert_eq!(home(&config("")), "true");
    assert_eq!(home(&sink("command: /usr/bin/logger")), "true");
    assert_eq!(home(&sink("command: /home/ops/announce")), "read-only");
    assert_eq!(
        home(&sink(
            "webhook: { url: https://example.com, secret_file: /root/secret }"
        )),
        "read-only"
    );
    let temporary = unit(&sink("command: /tmp/announce"), &options());
    assert!(matches!(temporary, Err(BadUnit::Temporary(_))));
}

/// What systemd itself says: nothing about units that it understands.
#[test]
fn systemd_understands_the_units() {
    let found = Command::new("systemd-analyze").arg("--version").output();
    assert!(
        found.is_ok_and(|found| found.status.success()),
        "systemd-analyze is not there: run tests/run, or on Debian `apt-get install systemd`"
    );
    let dir = tempfile::tempdir().unwrap();
    let (full, mut all) = full();
    // It looks whether the program is there; ours may lie where a service does not see it.
    let program = PathBuf::from("/usr/bin/env");
    all.program.clone_from(&program);
    let default = UnitOptions {
        program,
        ..options()
    };
    for (name, text) in [
        ("muster-default.service", unit(&config(""), &default)),
        ("muster-full.service", unit(&full, &all)),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, text.unwrap()).unwrap();
        let said = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--generators=no"])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let about: Vec<&str> = said.lines().filter(|line| line.contains(name)).collect();
        assert!(about.is_empty(), "{said}");

        let exposure = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold=20"])
            .arg(&path)
            .output()
            .unwrap();
        let table = String::from_utf8_lossy(&exposure.stdout);
        assert!(
            exposure.status.success(),
            "more exposed than 2.0 of 10:\n{table}"
        );
    }
}
