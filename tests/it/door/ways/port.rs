//! `muster db proxy`: a local port, and a socket.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::*;
use crate::support::reaper::Reaper;

/// The program, with a local port open.
pub struct Local {
    child: Child,
    _reaper: Reaper,
    out: BufReader<ChildStdout>,
    /// What it says of itself.
    pub ready: Value,
}

impl Local {
    /// Opens one for a database, as this person.
    pub fn open(eva: &Person, database: &str, args: &[&str]) -> Self {
        let args = [&["db", "proxy", database, "-o", "json"], args].concat();
        let mut child = eva
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line);
        let ready = ready.unwrap_or_else(|_| {
            let mut why = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut why)
                .unwrap();
            panic!("no port: {line}{why}")
        });
        Self {
            _reaper: Reaper::of(&child, "TERM", None),
            child,
            out,
            ready,
        }
    }

    fn dsn(&self, more: &str) -> String {
        let (host, port) = (self.ready["host"].as_str().unwrap(), &self.ready["port"]);
        format!("host={host} port={port} user=alice dbname=shop {more}")
    }

    /// Ends it by a signal, and returns what it complained about.
    pub fn end(mut self, signal: Signal) -> String {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        let output = self.child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        assert_eq!(rest, "");
        complaint(&output)
    }
}

#[test]
fn a_program_without_certificates_connects_to_a_local_port() {
    let town = town_at_one_port();
    let (service, proxy) = town.open();
    let eva = Person::new(&town, &proxy, "eva", "shop");
    let local = Local::open(&eva, "orders", &["--db-user", "alice", "--db-name", "shop"]);
    for more in [
        "sslmode=disable",
        "sslmode=prefer",
        "sslmode=prefer gssencmode=prefer",
    ] {
        let sql = eva
            .psql(&[], &["-d", &local.dsn(more), "-c", SELECT])
            .output();
        assert_eq!(said(&sql.unwrap()), "alice|shop", "{more}");
    }
    let url = local.ready["url"].as_str().unwrap().to_owned();
    let url = url.as_str();
    let sql = || eva.psql(&[], &["-d", url, "-c", SELECT]).output().unwrap();
    assert_eq!(said(&sql()), "alice|shop");
    // Who somebody is, is still said by the roles.
    let output = eva
        .psql(
            &[],
            &[
                "-d",
                &local.dsn("user=postgres sslmode=disable"),
                "-c",
                SELECT,
            ],
        )
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        complaint(&output).contains("postgres"),
        "{}",
        complaint(&output)
    );

    // Another user of the machine is turned away, before anything is carried.
    if rustix::process::geteuid().is_root() {
        let mut other = Command::new("setpriv");
        let psql = postgres::bin().join("psql");
        other
            .args(["--reuid=nobody", "--clear-groups"])
            .arg(psql)
            .args(["-XAtq", "-d", url, "-c", SELECT])
            .env_clear()
            .env("HOME", "/nonexistent");
        let output = other.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", complaint(&output));
        assert_eq!(output.stdout, b"");
    }

    // The service is started anew: whoever comes meanwhile waits for it.
    service.stop();
    let waiting = eva
        .psql(&[], &["-d", url, "-c", SELECT])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (service, again) = town.open();
    assert_eq!(again.listen, proxy.listen);
    assert_eq!(said(&waiting.wait_with_output().unwrap()), "alice|shop");
    assert_eq!(said(&sql()), "alice|shop");
    // A new login makes the old certificate's files go: the port takes the new one.
    eva.log_in();
    assert_eq!(said(&sql()), "alice|shop");
    // Whoever may no longer come in reads why, in the program that asked.
    said(&eva.run(&["logout"]));
    let output = sql();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        complaint(&output).contains("muster login"),
        "{}",
        complaint(&output)
    );

    let complaints = local.end(Signal::INT);
    if rustix::process::geteuid().is_root() {
        assert!(
            complaints.contains("turned a connection away"),
            "{complaints}"
        );
    }
    assert_eq!(sql().status.code(), Some(2));
    drop(service);
}

#[test]
fn a_socket_is_for_one_user_of_the_machine() {
    let town = Town::new("");
    let (_service, proxy) = town.open();
    let eva = Person::new(&town, &proxy, "eva", "shop");
    let dir = eva.home.join("socket");
    let place = dir.to_str().unwrap();
    let local = Local::open(
        &eva,
        "orders",
        &["--socket", place, "--db-user", "alice", "--db-name", "shop"],
    );
    let url = local.ready["url"].as_str().unwrap().to_owned();
    assert_eq!(local.ready["jdbc"], Value::Null);
    for dsn in [&local.dsn(""), &url] {
        let sql = eva.psql(&[], &["-d", dsn, "-c", SELECT]).output().unwrap();
        assert_eq!(said(&sql), "alice|shop", "{dsn}");
    }
    // Ctrl+C in a client goes the same way: the statement ends, and the session does not.
    let script = "select 1 from pg_sleep(60); select 'still here'";
    let file = eva.home.join("long.sql");
    fs::write(&file, script.replace("; ", ";\n")).unwrap();
    let slow = eva
        .psql(
            &[("PGAPPNAME", "slow")],
            &["-d", &url, "-f", file.to_str().unwrap()],
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let runs = "select count(*) from pg_stat_activity where application_name = 'slow' and wait_event = 'PgSleep'";
    let until = std::time::Instant::now() + crate::service::world::PATIENCE;
    while said(&eva.psql(&[], &["-d", &url, "-c", runs]).output().unwrap()) != "1" {
        assert!(std::time::Instant::now() < until, "it does not begin");
    }
    kill_process(Pid::from_child(&slow), Signal::INT).unwrap();
    let output = slow.wait_with_output().unwrap();
    assert!(
        complaint(&output).contains("canceling statement"),
        "{}",
        complaint(&output)
    );

    // The same place is not taken twice.
    let second = eva.run(&["db", "proxy", "orders", "--socket", place]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        complaint(&second).contains("somebody listens there"),
        "{}",
        complaint(&second)
    );
    local.end(Signal::TERM);
    assert!(!dir.join(".s.PGSQL.5432").exists());
}
