//! `muster db login|logout|connect`.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::*;

#[test]
fn connect_is_psql_with_a_certificate_for_one_database() {
    let town = Town::new("");
    let (_service, proxy) = town.open();
    let eva = Person::new(&town, &proxy, "eva", "shop");
    let open = [
        "db",
        "connect",
        "orders",
        "--db-user",
        "alice",
        "--db-name",
        "shop",
        "--",
    ];
    let connect = |args: &[&str]| eva.run(&[&open[..], &["-XAtq"], args].concat());

    assert_eq!(said(&connect(&["-c", SELECT])), "alice|shop");
    // What the client's own arguments are, others of the machine see: nothing of ours is among them.
    let seen = said(&connect(&["-c", r"\! tr '\0' ' ' < /proc/$PPID/cmdline"]));
    assert!(seen.trim_end().ends_with("/cmdline"), "{seen}");
    assert!(!seen.contains("key") && !seen.contains("sslmode"), "{seen}");

    // Exit codes are psql's own: 1 its own trouble, 2 no connection, 3 an error in a script.
    let script = eva.home.join("script.sql");
    fs::write(&script, "select 1;\nselect nonsense;\n").unwrap();
    let file = script.to_str().unwrap();
    for (args, code, why) in [
        (&["-f", file, "-v", "ON_ERROR_STOP=1"][..], 3, "nonsense"),
        (&["-d", "template1", "-c", "select 1"], 2, "template1"),
        (&["--nonsense"], 1, "nonsense"),
        (&["-c", "select 1"], 0, ""),
    ] {
        let output = connect(args);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            complaint(&output)
        );
        assert!(complaint(&output).contains(why), "{}", complaint(&output));
    }

    // One user is not said, and three are allowed: which, it says.
    let output = eva.run(&["db", "connect", "orders", "--", "-c", SELECT]);
    assert_eq!(output.status.code(), Some(64));
    for word in ["alice, digested, scrammed", "--db-user"] {
        assert!(complaint(&output).contains(word), "{}", complaint(&output));
    }
    // Neither user nor name is allowed that no role has, and nobody is asked for it.
    for (option, name) in [("--db-user", "postgres"), ("--db-name", "template1")] {
        let output = eva.run(&[
            "db",
            "connect",
            "orders",
            "--db-user",
            "alice",
            "--db-name",
            "shop",
            option,
            name,
        ]);
        assert!(!output.status.success());
        let output = eva.run(&["db", "login", "orders", option, name]);
        assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
        assert!(
            complaint(&output).contains("your roles allow"),
            "{}",
            complaint(&output)
        );
    }
    let output = eva.run(&["db", "connect", "nothing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("muster db ls"),
        "{}",
        complaint(&output)
    );

    // Once said, it is remembered until the next login.
    said(&eva.run(&[
        "db",
        "login",
        "orders",
        "--db-user",
        "scrammed",
        "--db-name",
        "shop",
    ]));
    let again = ["db", "connect", "orders", "--", "-XAtqc", SELECT];
    assert_eq!(said(&eva.run(&again)), "scrammed|shop");

    for (path, mode) in files(&eva.login()) {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}", path.display());
    }

    // The database certificates go, and the login stays.
    let printed = said(&eva.run(&["db", "logout", "orders"]));
    assert!(printed.contains("orders"), "{printed}");
    assert_eq!(fs::read_dir(eva.login().join("db")).unwrap().count(), 0);
    assert!(!eva.run(&["db", "logout", "orders"]).status.success());
    said(&eva.run(&["db", "logout"]));
    assert_eq!(said(&connect(&["-c", SELECT])), "alice|shop");

    // Several at the same time make one certificate, whose key fits it.
    said(&eva.run(&["db", "logout"]));
    let args = [&open[..], &["-XAtqc", SELECT]].concat();
    let started = || {
        let mut command = eva.command(&args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let all: Vec<_> = (0..5).map(|_| started()).collect();
    for one in all {
        assert_eq!(said(&one.wait_with_output().unwrap()), "alice|shop");
    }
    assert_eq!(said(&connect(&["-c", SELECT])), "alice|shop");

    // Whoever a lock keeps out reads so at once.
    town.muster(&[
        "lock",
        "add",
        "--user",
        "eva",
        "--message",
        "call the office",
    ]);
    let output = connect(&["-c", SELECT]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("call the office"),
        "{}",
        complaint(&output)
    );

    // A login that is over says how to get another.
    let file = eva.login().join("profile.json");
    let mut about: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let (issued, expires) = (about["issued"].clone(), &mut about["expires"]);
    *expires = issued;
    fs::write(&file, about.to_string()).unwrap();
    let output = connect(&["-c", SELECT]);
    assert_eq!(output.status.code(), Some(1));
    for word in ["is over", "muster login --proxy localhost"] {
        assert!(complaint(&output).contains(word), "{}", complaint(&output));
    }
}

/// Everything below a directory, with its mode.
fn files(dir: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.push((path, mode));
    }
    assert!(!found.is_empty());
    found
}

#[test]
fn a_client_that_is_missing_is_said_with_how_to_install_it() {
    let town = Town::new("");
    let (_service, proxy) = town.open();
    let eva = Person::new(&town, &proxy, "eva", "shop");
    // Somebody's machine without PostgreSQL: nothing is at its place.
    let program = env!("CARGO_BIN_EXE_muster");
    let script = format!(
        "mount -t tmpfs none /usr/lib/postgresql && PATH=/nonexistent exec {program} db connect orders"
    );
    let mut unshare = Command::new("unshare");
    eva.settle(&mut unshare);
    let output = unshare
        .args(["--mount", "--map-root-user", "sh", "-c", &script])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    for word in ["cannot start psql", "postgresql-client", "libpq"] {
        assert!(complaint(&output).contains(word), "{}", complaint(&output));
    }
}

#[test]
fn a_shell_is_told_the_names_of_databases() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let eva = Person::new(&town, &proxy, "eva", "shop");
    let complete = |words: &str| {
        let script = format!(
            "source <(muster completions bash); COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _clap_complete_muster muster \"${{COMP_WORDS[$COMP_CWORD]}}\" x; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        eva.sh(&format!("exec bash -c '{}'", script.replace('\'', r"'\''")))
    };
    assert_eq!(said(&complete("muster db connect or")), "orders");
    assert_eq!(said(&complete("muster db connect zz")), "");
    assert!(said(&complete("muster db co")).contains("connect"));
    // Without a proxy there are no names, and no words either.
    service.stop();
    let output = complete("muster db connect or");
    assert_eq!(
        (said(&output).as_str(), complaint(&output).as_str()),
        ("", "")
    );
}
