//! Sessions that end before their time: by a lock, another role, a database that goes, an operator, the end of it all.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use muster::service::status::ProxyStatus;
use rustix::process::Signal;

use super::town::{Papers, Town};

/// A `psql` in which somebody sits.
struct Sitting {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Sitting {
    fn down(papers: &Papers, proxy: &ProxyStatus) -> Self {
        let mut psql = papers.psql(proxy, "user=alice dbname=shop", &[]);
        let mut child = psql
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut sitting = Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        };
        assert_eq!(sitting.asks("select 'here';"), "here");
        sitting
    }

    fn asks(&mut self, sql: &str) -> String {
        writeln!(self.stdin, "{sql}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Asks once more, and returns what it reads before it is out.
    fn wait_out(mut self) -> String {
        // It may be out before it has asked.
        let _ = writeln!(self.stdin, "select 'still here';");
        drop(self.stdin);
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        assert!(!said.contains("still here"), "{said}");
        let mut complaint = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complaint)
            .unwrap();
        assert!(!self.child.wait().unwrap().success());
        complaint
    }
}

#[test]
fn a_session_ends_when_it_would_no_longer_be_allowed() {
    let town = Town::new("  node_name: gate-1\n");
    let (service, proxy) = town.open();
    let ana = town.ana();
    let none = || {
        service.shows("no session", |status| {
            status.proxy.as_ref().unwrap().sessions == 0
        })
    };

    let sitting = Sitting::down(&ana, &proxy);
    town.muster(&[
        "lock",
        "add",
        "--user",
        "ana",
        "--message",
        "gone fishing",
        "--name",
        "fishing",
    ]);
    none();
    let text = sitting.wait_out();
    assert!(text.contains("gone fishing"), "{text}");
    let text = super::town::complaint(&ana.sql(&proxy, "select 1"));
    assert!(text.contains("FATAL"), "{text}");
    town.muster(&["lock", "rm", "fishing"]);

    // The whole node, by the name that its status says.
    let status = none();
    let node = status.proxy.and_then(|proxy| proxy.node_name);
    let node = node.as_deref().expect("a name");
    let sitting = Sitting::down(&ana, &proxy);
    town.muster(&["lock", "add", "--node", node, "--name", "gate"]);
    none();
    let text = sitting.wait_out();
    assert!(text.contains("access is locked"), "{text}");
    let text = super::town::complaint(&ana.sql(&proxy, "select 1"));
    assert!(text.contains("access is locked"), "{text}");
    town.muster(&["lock", "rm", "gate"]);

    let sitting = Sitting::down(&ana, &proxy);
    town.create(
        "kind: role\nversion: v7\nmetadata: { name: shop }\nspec: { allow: { db_labels: { team: shop }, db_users: [bob], db_names: [shop] } }\n",
    );
    none();
    let text = sitting.wait_out();
    assert!(text.contains("FATAL"), "{text}");
    town.create(
        "kind: role\nversion: v7\nmetadata: { name: shop }\nspec: { allow: { db_labels: { team: shop }, db_users: [alice], db_names: [shop] } }\n",
    );

    // One that an operator ends may come back.
    let sitting = Sitting::down(&ana, &proxy);
    let id = town.muster(&["session", "ls", "-o", "name"]);
    town.muster(&["session", "end", id.trim(), "--message", "please leave"]);
    none();
    let text = sitting.wait_out();
    assert!(text.contains("please leave"), "{text}");

    let sitting = Sitting::down(&ana, &proxy);
    town.muster(&["rm", "db/orders"]);
    none();
    let text = sitting.wait_out();
    assert!(text.contains("FATAL"), "{text}");
    service.stop();
}

#[test]
fn the_end_lets_a_query_finish_and_sends_the_idle_away() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let ana = town.ana();
    let idle = Sitting::down(&ana, &proxy);
    let mut busy = Sitting::down(&ana, &proxy);
    writeln!(busy.stdin, "select 'slept' from pg_sleep(10);").unwrap();
    service.shows("a statement under way", |_| {
        super::town::POSTGRES
            .sql("select count(*) from pg_stat_activity where state = 'active' and query like '%slept%' and pid <> pg_backend_pid()")
            .trim()
            != "0"
    });
    service.signal(Signal::TERM);
    service.shows("that one has left", |status| {
        status.proxy.as_ref().unwrap().sessions == 1
    });
    let text = idle.wait_out();
    assert!(text.contains("FATAL"), "{text}");
    let mut line = String::new();
    busy.stdout.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "slept");
    busy.wait_out();
    assert_eq!(service.ends().code(), Some(0));
}
