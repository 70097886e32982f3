//! The PostgreSQL behind the door, and waiting.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use muster_credentials::UpstreamTls;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    pki_types::{PrivateKeyDer, ServerName},
};
use tempfile::TempDir;

use crate::{
    bed::{Ca, server},
    reaper::Reaper,
};

/// A program of the newest PostgreSQL of the machine. A test that cannot run is a failed one.
pub fn program(name: &str) -> PathBuf {
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = folders
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            let path = entry.path().join("bin").join(name);
            path.exists().then_some((major, path))
        })
        .max();
    let (_, path) = newest.unwrap_or_else(|| {
        panic!("PostgreSQL's {name} is missing: `tests/run` installs it, or `apt-get install postgresql`")
    });
    path
}

/// The PostgreSQL of this test run.
pub struct Postgres {
    pub port: u16,
    pub ca: Ca,
    /// Whom the server believes about the names of its users.
    pub clients: Ca,
    _dir: TempDir,
    _server: Child,
    /// It is kept for all tests, so that nothing of it is ever dropped.
    _reaper: Reaper,
}

pub fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(Postgres::start)
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

/// PostgreSQL does not run as root.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program);
    command
}

/// How many backends of the database are at a statement with this mark.
pub fn at_work(mark: &str) -> usize {
    let sql = format!(
        "select count(*) from pg_stat_activity where query like '%{mark}%' and state = 'active' and pid <> pg_backend_pid()"
    );
    let output = postgres().direct(&sql);
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap()
}

impl Postgres {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let ca = Ca::new("databases");
        let (certificate, key) = server(&ca);
        fs::write(dir.path().join("server.crt"), certificate.pem()).unwrap();
        fs::write(dir.path().join("server.key"), key.serialize_pem()).unwrap();
        fs::set_permissions(
            dir.path().join("server.key"),
            fs::Permissions::from_mode(0o600),
        )
        .unwrap();
        if is_root() {
            let status = Command::new("chown")
                .args(["-R", "postgres:"])
                .arg(dir.path())
                .status()
                .unwrap();
            assert!(status.success());
        }
        let output = as_postgres(&program("initdb"))
            .args([
                "-N",
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--no-locale",
                "-D",
            ])
            .arg(&data)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let clients = Ca::new("clients of databases");
        fs::write(dir.path().join("clients.pem"), &clients.pem).unwrap();
        let hba = "host all postgres 127.0.0.1/32 trust\n\
                   hostssl all papers 127.0.0.1/32 cert\n\
                   hostssl replication all 127.0.0.1/32 scram-sha-256\n\
                   hostssl all token 127.0.0.1/32 password\n\
                   hostssl all md5 127.0.0.1/32 md5\n\
                   hostssl all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), hba).unwrap();
        let port = free_port();
        let set = |name: &str, value: &str| format!("{name}={value}");
        let file = |name: &str| dir.path().join(name).display().to_string();
        let child = as_postgres(&program("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", ""])
            .args([
                "-c",
                "ssl=on",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=200",
            ])
            .args(["-c", &set("ssl_cert_file", &file("server.crt"))])
            .args(["-c", &set("ssl_key_file", &file("server.key"))])
            .args(["-c", &set("ssl_ca_file", &file("clients.pem"))])
            .args(["-c", "wal_level=logical"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let reaper = Reaper::of(&child, "INT", Some(dir.path()));
        let server = Self {
            port,
            ca,
            clients,
            _dir: dir,
            _server: child,
            _reaper: reaper,
        };
        until("PostgreSQL answers", || {
            server.direct("select 1").status.success()
        });
        let sql =
            "create role alice login replication password 'secret'; create role papers login; create role bob login password 'secret';
                   create role token login password 'secret'; set password_encryption = md5;
                   create role md5 login password 'secret'; create database app;";
        let script = sql.split(';').map(str::trim).filter(|one| !one.is_empty());
        let mut command = server.psql_direct();
        for statement in script {
            command.args(["-c", statement]);
        }
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        server
    }

    fn psql_direct(&self) -> Command {
        let mut command = Command::new(program("psql"));
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d"]);
        command.arg(format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres",
            self.port
        ));
        command
    }

    /// Runs a statement past the door.
    pub fn direct(&self, sql: &str) -> Output {
        self.psql_direct().args(["-c", sql]).output().unwrap()
    }
}

/// What trusts it.
pub fn trusting() -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(postgres().ca.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

pub fn upstream_tls(config: ClientConfig) -> UpstreamTls {
    UpstreamTls {
        config: Arc::new(config),
        name: ServerName::try_from("localhost").unwrap(),
        verified: true,
    }
}

/// The same with a client certificate of `papers` that this authority has signed.
pub fn papers(ca: &Ca) -> UpstreamTls {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "papers");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let (certificate, key) = ca.sign(&params);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = trusting().with_client_auth_cert(vec![certificate.der().clone()], key);
    upstream_tls(config.unwrap())
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Waits for something to become true; long, because machines may be busy.
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < end, "never came: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The same inside of a runtime, whose other tasks go on meanwhile.
pub async fn until_async(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < end, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
