//! What the tests of the door are made of: a PostgreSQL, a service with a door, people and what they may.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::LazyLock,
};

use muster::service::status::ProxyStatus;

use crate::{
    service::world::{Service, World},
    support::postgres::{self, PASSWORD, Postgres},
};

/// One server for all tests: none of them changes what another one reads.
pub static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start("orders.db.test"));

/// A place with a configuration whose service serves the database `orders`.
pub struct Town {
    pub world: World,
}

/// The files of a certificate.
pub struct Papers {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub ca: PathBuf,
}

impl Town {
    /// A place whose configuration has these further lines under `proxy`.
    pub fn new(more: &str) -> Self {
        let town = Self {
            world: World::at("http://127.0.0.1:1"),
        };
        let postgres = &*POSTGRES;
        let (dir, ca) = (town.world.dir.path(), postgres.ca.display());
        let password = dir.join("password");
        fs::write(&password, PASSWORD).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&password, mode).unwrap();
        town.world.write(&format!(
            "version: 1
store: muster-demo
policy: upsert-only
service: {{ listen: 127.0.0.1:0 }}
proxy:
  listen: 127.0.0.1:0
  cluster_name: test
  trust: {ca}
  hosts: {{ {name}: 127.0.0.1 }}
  secrets: {{ databases: {{ env: test }}, password_file: {password} }}
{more}",
            name = postgres.name,
            password = password.display(),
        ));
        town.create(&format!(
            "kind: db
version: v3
metadata: {{ name: orders, description: what people buy, labels: {{ env: test, team: shop }} }}
spec: {{ protocol: postgres, uri: \"{name}:{port}\" }}
---
kind: role
version: v7
metadata: {{ name: shop }}
spec:
  allow:
    db_labels: {{ team: shop }}
    db_users: [alice, scrammed, digested]
    db_names: [shop, postgres]
---
kind: user
version: v2
metadata: {{ name: ana }}
spec: {{ roles: [shop] }}
",
            name = postgres.name,
            port = postgres.port,
        ));
        town
    }

    /// Creates records.
    pub fn create(&self, records: &str) {
        let file = self.world.dir.path().join("records.yaml");
        fs::write(&file, records).unwrap();
        self.muster(&["create", "--force", "-f", file.to_str().unwrap()]);
    }

    /// Runs a command that works, and returns what it prints.
    pub fn muster(&self, args: &[&str]) -> String {
        let output = self.world.command(args).output().unwrap();
        assert!(
            output.status.success(),
            "muster {args:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the service and waits until its door is open.
    pub fn open(&self) -> (Service, ProxyStatus) {
        let service = self.world.start();
        let status = service.shows("a door", |status| status.proxy.is_some());
        (service, status.proxy.unwrap())
    }

    /// A certificate, made by the operator.
    pub fn sign(&self, user: &str, more: &[&str]) -> Papers {
        let out = self
            .world
            .dir
            .path()
            .join(format!("papers-{user}-{}", more.concat()));
        let mut args = vec![
            "auth",
            "sign",
            "--user",
            user,
            "--out",
            out.to_str().unwrap(),
        ];
        args.extend(more);
        self.muster(&args);
        Papers {
            cert: out.with_extension("crt"),
            key: out.with_extension("key"),
            ca: out.with_extension("ca"),
        }
    }

    /// A certificate of Ana's for the database `orders`, as `alice` on `shop`.
    pub fn ana(&self) -> Papers {
        self.sign(
            "ana",
            &["--db", "orders", "--db-user", "alice", "--db-name", "shop"],
        )
    }

    /// The events of the audit log, oldest first.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.world.store().join("audit"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "jsonl")
            })
            .collect();
        files.sort();
        let lines = files.iter().map(|path| fs::read_to_string(path).unwrap());
        let lines: String = lines.collect();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Papers {
    /// The words with which libpq connects through the door.
    pub fn dsn(&self, proxy: &ProxyStatus, more: &str) -> String {
        let port = proxy.listen[0].rsplit(':').next().unwrap();
        format!(
            "host=localhost port={port} sslmode=verify-full sslrootcert={} sslcert={} sslkey={} {more}",
            self.ca.display(),
            self.cert.display(),
            self.key.display()
        )
    }

    /// `psql` through the door.
    pub fn psql(&self, proxy: &ProxyStatus, more: &str, args: &[&str]) -> Command {
        let mut psql = Command::new(postgres::bin().join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.dsn(proxy, more))
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null());
        psql
    }

    /// Runs SQL through the door as `alice` on `shop`.
    pub fn sql(&self, proxy: &ProxyStatus, sql: &str) -> Output {
        self.psql(proxy, "user=alice dbname=shop", &["-c", sql])
            .output()
            .unwrap()
    }
}

/// What a command has written to standard output; it must have worked.
pub fn said(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        complaint(output)
    );
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// What a command has written to standard error.
pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
