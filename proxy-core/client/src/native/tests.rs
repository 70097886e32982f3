#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use super::*;
use crate::DbView;

fn connection(user: &str, name: &str) -> Connection {
    Connection {
        database: "orders".to_owned(),
        protocol: "postgres".to_owned(),
        host: "proxy.example.com".to_owned(),
        port: 7430,
        db_user: user.to_owned(),
        db_name: name.to_owned(),
        ca_file: "/home/a na/ca.pem".into(),
        cert_file: "/home/a na/cert.pem".into(),
        key_file: "/home/a na/key.pem".into(),
        expires: Timestamp::from_unix(1_800_000_000),
    }
}

/// Names that shells and URLs take for something else.
const NAMES: &[&str] = &[
    "plain",
    "it's",
    "$(touch /tmp/x)`id`",
    "a b\\c\"d",
    "100%&?#/@:+",
    "ü€",
    "-rf",
    "a\nb",
];

#[test]
fn a_shell_sets_the_variables_to_what_was_meant() {
    for name in NAMES {
        let variables = connection(name, name).env();
        let script = Shell::Sh.export(&variables) + "printf '%s|%s' \"$PGUSER\" \"$PGSSLCERT\"";
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, format!("{name}|/home/a na/cert.pem"));
    }
    // The other shells need not be here: what they read is written down by their manuals.
    assert_eq!(word(Shell::Fish, r"it's \n"), r"'it\'s \\n'");
    assert_eq!(
        word(Shell::PowerShell, "it's $x \u{2019}"),
        "'it''s $x \u{2019}\u{2019}'"
    );
    assert_eq!(
        Shell::Fish.export(&[("A", "b".to_owned())]),
        "set -gx A 'b'\n"
    );
    assert_eq!(
        Shell::PowerShell.export(&[("A", "b".to_owned())]),
        "$env:A = 'b'\n"
    );
}

#[test]
fn urls_are_read_as_they_were_meant() {
    for name in NAMES {
        let url = url::Url::parse(&connection(name, name).url()).unwrap();
        let decoded = |text: &str| {
            // libpq decodes `%XX` alone: nothing else may stand for another letter.
            assert!(!text.contains('+'), "{text}");
            let text = format!("x={text}");
            let pair = url::form_urlencoded::parse(text.as_bytes()).next();
            pair.unwrap().1.into_owned()
        };
        assert_eq!(decoded(url.username()), *name);
        assert_eq!(decoded(url.path().trim_start_matches('/')), *name);
        assert!(
            url.query()
                .unwrap()
                .contains("sslrootcert=%2Fhome%2Fa%20na%2Fca.pem")
        );
    }
    let jdbc = connection("app", "shop").jdbc(Path::new("/k.pk8"));
    assert_eq!(
        jdbc,
        "jdbc:postgresql://proxy.example.com:7430/shop?user=app&sslmode=verify-full\
         &sslrootcert=%2Fhome%2Fa%20na%2Fca.pem&sslcert=%2Fhome%2Fa%20na%2Fcert.pem&sslkey=%2Fk.pk8"
    );
    assert_eq!(
        local_url("/run/me", 5432, Some("app"), Some("shop")),
        "postgresql://app@%2Frun%2Fme:5432/shop"
    );
    let local = |host: &str, user| local_jdbc(host, 5433, user, Some("a shop"));
    assert_eq!(
        local("127.0.0.1", Some("app")).as_deref(),
        Some("jdbc:postgresql://127.0.0.1:5433/a%20shop?user=app&sslmode=disable")
    );
    assert_eq!(
        local("127.0.0.1", None).as_deref(),
        Some("jdbc:postgresql://127.0.0.1:5433/a%20shop?sslmode=disable")
    );
    // Its driver knows no sockets.
    assert_eq!(local("/run/me", Some("app")), None);
    let v6 = Connection {
        host: "::1".to_owned(),
        ..connection("app", "shop")
    };
    assert!(v6.url().starts_with("postgresql://app@[::1]:7430/shop?"));
}

#[test]
fn a_section_of_a_file_holds_no_second_one() {
    let mut odd = connection("app\n[other]\nhost=evil", "shop");
    odd.database = "or]ders\n[x".to_owned();
    let text = odd.pg_service();
    assert_eq!(text.lines().filter(|line| line.starts_with('[')).count(), 1);
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("host="))
            .count(),
        1
    );
    assert!(
        text.starts_with("[ordersx]\nhost=proxy.example.com\n"),
        "{text}"
    );
}

#[test]
fn the_only_name_need_not_be_named() {
    let db = |users: &[&str], denied: &[&str]| DbView {
        name: "orders".to_owned(),
        db_users: users.iter().map(|user| (*user).to_owned()).collect(),
        db_users_denied: denied.iter().map(|user| (*user).to_owned()).collect(),
        db_names: vec!["shop".to_owned()],
        ..DbView::default()
    };
    let user = |db: &DbView, named: Option<&str>, kept: Option<&str>| {
        choose(db, (named, None), (kept, None))
            .map(|chosen| chosen.db_user)
            .map_err(|error| error.why().join("; "))
    };
    let one = db(&["app"], &[]);
    assert_eq!(user(&one, None, None).unwrap(), "app");
    assert_eq!(user(&one, None, Some("gone")).unwrap(), "app");
    assert!(
        user(&one, Some("boss"), None)
            .unwrap_err()
            .contains("allow: app")
    );
    let two = db(&["app", "reader"], &[]);
    assert_eq!(user(&two, None, Some("reader")).unwrap(), "reader");
    assert_eq!(user(&two, Some("app"), Some("reader")).unwrap(), "app");
    assert!(user(&two, None, None).unwrap_err().contains("app, reader"));
    let any = db(&["*"], &["root"]);
    assert_eq!(user(&any, Some("who"), None).unwrap(), "who");
    assert!(
        user(&any, Some("root"), None)
            .unwrap_err()
            .contains("any but root")
    );
    assert!(user(&any, None, None).is_err());
    // What is named is looked at by itself, whatever else is open.
    assert!(check(&two, (None, Some("shop"))).is_ok());
    assert!(check(&two, (None, Some("other"))).unwrap_err().why()[1].contains("shop"));
    assert!(
        user(&db(&[], &[]), None, None)
            .unwrap_err()
            .contains("none")
    );
}

#[test]
fn psql_is_the_one_in_path_else_the_newest() {
    let root = tempfile::tempdir().unwrap();
    let put = |dir: &str, mode: u32| {
        let dir = root.path().join(dir);
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("psql");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    };
    let find = |path: Option<&Path>| find_psql(path.map(Path::as_os_str), root.path());
    assert_eq!(find(None), None);
    put("usr/lib/postgresql/9/bin", 0o755);
    let newest = put("usr/lib/postgresql/18/bin", 0o755);
    put("usr/lib/postgresql/99/bin", 0o644);
    assert_eq!(find(None), Some(newest.clone()));
    let mine = put("mine", 0o755);
    assert_eq!(find(mine.parent()), Some(mine));
    let broken = put("broken", 0o644);
    assert_eq!(find(broken.parent()), Some(newest));
}
