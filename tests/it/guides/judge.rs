//! The judge of tokens, beside a PostgreSQL that asks it: `tests/tools/ldap_judge.py`.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
};

use serde_json::{Value, json};

use crate::support::postgres::{Postgres, Wanted, bin, tools};

/// Who says whether a password is right.
pub struct Judge {
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    port: u16,
}

impl Judge {
    /// Starts one that says no.
    pub fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/ldap_judge.py");
        let mut child = Command::new(tools().join("bin/python"))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("install the test servers with `tests/tools/servers.sh`");
        let stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        stdout.read_line(&mut port).unwrap();
        Self {
            child,
            talk: Mutex::new((stdin, stdout)),
            port: port.trim().parse().unwrap(),
        }
    }

    /// What it goes by from now on.
    pub fn goes_by(&self, rule: &Value) {
        assert_eq!(self.told(rule), "ok");
    }

    /// What it has judged since it was asked last.
    pub fn seen(&self) -> Vec<Value> {
        serde_json::from_str(&self.told(&json!("seen"))).unwrap()
    }

    fn told(&self, what: &Value) -> String {
        let mut talk = self.talk.lock().unwrap();
        writeln!(talk.0, "{what}").unwrap();
        let mut line = String::new();
        talk.1.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// A PostgreSQL that asks this judge about everybody, at an address of its own and the usual port.
    pub fn postgres(&self, names: &[&str], legacy: bool) -> (Postgres, Ipv4Addr) {
        let hba = format!(
            "hostssl all all 127.0.0.0/8 ldap ldapserver=127.0.0.1 ldapport={} ldapprefix=\"cn=\" ldapsuffix=\",dc=judge\"\n",
            self.port
        );
        let at = address();
        let postgres = Postgres::start_as(&Wanted {
            names,
            bin: bin(),
            hba: &hba,
            legacy,
            at: Some(at),
        });
        (postgres, at)
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this machine at which nobody listens on PostgreSQL's port.
pub fn address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [high, low, ..] = std::process::id().to_le_bytes();
    loop {
        let at = Ipv4Addr::new(
            127,
            1 + high % 200,
            low,
            NEXT.fetch_add(1, Ordering::Relaxed),
        );
        if TcpListener::bind((at, 5432)).is_ok() {
            return at;
        }
    }
}
