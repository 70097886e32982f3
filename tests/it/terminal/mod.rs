//! Somebody sits at a terminal, and `psql` behaves through the door as it does without it.

mod login;

use std::{fs, os::unix::fs::PermissionsExt};

use muster::service::status::ProxyStatus;

use crate::{
    door::town::{POSTGRES, Town, said},
    support::{postgres::bin, terminal::Terminal},
};

const PROMPT: &str = "shop=> ";

/// Ana takes her invitation, and is logged in.
fn logged_in(town: &Town, proxy: &ProxyStatus) {
    let invited = town.muster(&["user", "reset", "ana"]);
    let link = invited
        .split_whitespace()
        .find_map(|word| word.split_once("/invite/"));
    // The configuration leaves the port to the system.
    let port = proxy.listen[0].rsplit(':').next().unwrap();
    let link = format!("https://localhost:{port}/invite/{}", link.unwrap().1);
    let password = town.world.dir.path().join("ana.password");
    fs::write(&password, "correct horse battery\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let password = password.to_str().unwrap();
    let login = ["login", "--invite", &link, "--password-file", password];
    said(&town.world.command(&login).output().unwrap());
}

/// `muster db connect` at a terminal: `psql` as `alice` on `shop`.
fn psql(town: &Town, proxy: &ProxyStatus, more: &[(&str, &str)]) -> Terminal {
    logged_in(town, proxy);
    let connect = [
        "db",
        "connect",
        "orders",
        "--db-user",
        "alice",
        "--db-name",
        "shop",
        "--",
        "-X",
    ];
    let mut command = town.world.command(&connect);
    command
        .env("PATH", format!("{}:/usr/bin:/bin", bin().display()))
        .env("LC_ALL", "C.UTF-8")
        .envs(more.iter().copied());
    let terminal = Terminal::sit(&command);
    terminal.shows(PROMPT);
    terminal
}

#[test]
fn control_c_stops_a_query_and_not_the_session_and_control_d_ends_it() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let mut terminal = psql(&town, &proxy, &[]);
    terminal.types("select 'asleep' from pg_sleep(600);\n");
    service.shows("a statement under way", |_| {
        let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%asleep%' and pid <> pg_backend_pid()";
        POSTGRES.sql(running).trim() != "0"
    });
    terminal.types("\x03");
    terminal.shows("Cancel request sent");
    terminal.shows("ERROR:  canceling statement due to user request");
    terminal.shows(PROMPT);
    // In the midst of a line it takes the line back, and nothing is sent.
    terminal.types("select 'never' \x03");
    terminal.shows(PROMPT);
    terminal.types("select 6 * 7 as answer;\n");
    terminal.shows("42");
    terminal.shows(PROMPT);
    terminal.types("\x04");
    let (status, rest) = terminal.ends();
    assert_eq!(status.code(), Some(0), "{rest}");
    service.shows("nobody in", |status| {
        status.proxy.as_ref().unwrap().sessions == 0
    });
    service.stop();
}

#[test]
fn a_long_result_is_paged_by_the_size_of_the_window() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let mut terminal = psql(&town, &proxy, &[("PAGER", "more")]);
    terminal.types("select 'row ' || n as r from generate_series(1, 60) n;\n");
    let page = terminal.shows("--More--");
    assert!(
        page.contains("row 20") && !page.contains("row 24\n"),
        "{page}"
    );
    terminal.types("q");
    terminal.shows(PROMPT);
    // A taller window has room for all of it.
    terminal.becomes(80, 80);
    terminal.types("select 'line ' || n as r from generate_series(1, 60) n;\n");
    let page = terminal.shows("(60 rows)");
    assert!(
        page.contains("line 60") && !page.contains("--More--"),
        "{page}"
    );
    terminal.shows(PROMPT);
    // `\x auto` turns a row around that the window is too narrow for.
    terminal.types("\\x auto\n");
    terminal.shows(PROMPT);
    let wide = "select repeat('a', 60) as first, repeat('b', 60) as second;\n";
    terminal.types(wide);
    terminal.shows("-[ RECORD 1 ]");
    terminal.shows(PROMPT);
    terminal.becomes(80, 160);
    terminal.types(wide);
    let page = terminal.shows("(1 row)");
    assert!(!page.contains("RECORD"), "{page}");
    terminal.types("\\q\n");
    assert_eq!(terminal.ends().0.code(), Some(0));
    service.stop();
}

#[test]
fn a_password_is_changed_without_being_shown_or_written_down() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let mut terminal = psql(&town, &proxy, &[]);
    // For a role that nobody logs in as.
    POSTGRES.sql("create role forgetful; alter role alice createrole; grant forgetful to alice with admin option");
    terminal.types("\\password forgetful\n");
    terminal.shows("Enter new password for user \"forgetful\":");
    terminal.types("a new horse battery\n");
    terminal.shows("Enter it again:");
    terminal.types("a new horse battery\n");
    let shown = terminal.shows(PROMPT);
    assert!(!shown.contains("horse"), "{shown}");
    terminal.types("\\q\n");
    assert_eq!(terminal.ends().0.code(), Some(0));
    let kept = POSTGRES.sql("select rolpassword from pg_authid where rolname = 'forgetful'");
    assert!(kept.starts_with("SCRAM-SHA-256$"), "{kept}");
    service.stop();
    // psql hashes it itself, and the record has not even the hash.
    let events = format!("{:?}", town.events());
    assert!(events.contains("forgetful"), "{events}");
    for secret in ["horse", "SCRAM-SHA-256$"] {
        assert!(!events.contains(secret), "{secret} in {events}");
    }
    POSTGRES.sql("alter role alice nocreaterole; drop role forgetful");
}

#[test]
fn files_are_copied_to_the_database_and_back() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let dir = town.world.dir.path();
    let (from, to) = (dir.join("stock.csv"), dir.join("back.csv"));
    let stock: String = (1..=5000)
        .map(|n| format!("{n},\"crate, {n}\"\n"))
        .collect();
    fs::write(&from, &stock).unwrap();
    let mut terminal = psql(&town, &proxy, &[]);
    terminal.types("create temp table stock (n int, name text);\n");
    terminal.shows("CREATE TABLE");
    terminal.types(&format!("\\copy stock from '{}' csv\n", from.display()));
    terminal.shows("COPY 5000");
    terminal.types(&format!(
        "\\copy (select * from stock order by n) to '{}' (format csv, force_quote (name))\n",
        to.display()
    ));
    terminal.shows("COPY 5000");
    // Typed by hand, and ended by the key for the end.
    terminal.types("copy stock from stdin;\n");
    terminal.shows(">> ");
    terminal.types("7000\tby hand\n");
    terminal.shows(">> ");
    terminal.types("\x04");
    terminal.shows("COPY 1");
    terminal.types("\\q\n");
    assert_eq!(terminal.ends().0.code(), Some(0));
    assert_eq!(fs::read_to_string(to).unwrap(), stock);
    service.stop();
}
