//! A real PostgreSQL with TLS, on loopback, with certificates made for it, and the programs that come with it.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

use super::reaper::Reaper;

/// The password of everybody. It has what a token has: it is long, and has signs that want quoting.
pub const PASSWORD: &str = "a password & as long/as=a token? 0123456789";
/// A database beside `postgres`.
pub const DB: &str = "shop";

/// A server that runs. It ends with this.
pub struct Postgres {
    dir: TempDir,
    server: Child,
    /// Most of them are kept for all tests of the process, and end with it.
    _reaper: Reaper,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// The name in its certificate.
    pub name: String,
    /// The certificate authority that it is to be trusted by: a PEM file.
    pub ca: PathBuf,
}

/// The folder of the newest PostgreSQL of the machine.
pub fn bin() -> PathBuf {
    let mut folders: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let major = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("postgres").exists().then_some((major, bin))
        })
        .collect();
    folders.sort();
    let (_, bin) = folders.pop().expect(
        "PostgreSQL is not installed: `tests/run` installs it, or `apt-get install postgresql`",
    );
    bin
}

/// The folder of a PostgreSQL 18, which `tests/tools/clients.sh` installs: the server alone.
pub fn bin_18() -> PathBuf {
    tools().join("clients/postgresql-18/bin")
}

/// Where the test tools are. `tests/run` installs them.
pub fn tools() -> PathBuf {
    std::env::var_os("MUSTER_TEST_TOOLS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools"),
        PathBuf::from,
    )
}

/// What a server is to be, where it is not as usual.
pub struct Wanted<'a> {
    /// The names in its certificate, beside `localhost`; the first one is the server's.
    pub names: &'a [&'a str],
    /// The folder of its programs.
    pub bin: PathBuf,
    /// The lines of `pg_hba.conf` for those who come by TCP.
    pub hba: &'a str,
    /// Whether its certificate has a common name and no other one, as before 2020.
    pub legacy: bool,
    /// An address of this machine, to listen at with the usual port; else 127.0.0.1 and a free port.
    pub at: Option<Ipv4Addr>,
}

// Clear passwords, as for tokens: the server asks for them over TLS alone.
const HBA: &str = "hostssl all scrammed 127.0.0.1/32 scram-sha-256\n\
     hostssl all digested 127.0.0.1/32 md5\n\
     hostssl all,replication all 127.0.0.1/32 password\n";

/// A command as a user that PostgreSQL's server agrees to run as.
fn server_command(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program);
    command
}

fn done(mut command: Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

impl Postgres {
    /// Starts one whose certificate has this name and `localhost`.
    pub fn start(name: &str) -> Self {
        Self::start_as(&Wanted {
            names: &[name],
            bin: bin(),
            hba: HBA,
            legacy: false,
            at: None,
        })
    }

    /// Starts a PostgreSQL 18 in the same way.
    pub fn start_18(name: &str) -> Self {
        Self::start_as(&Wanted {
            names: &[name],
            bin: bin_18(),
            hba: HBA,
            legacy: false,
            at: None,
        })
    }

    /// Starts one of another kind.
    pub fn start_as(wanted: &Wanted) -> Self {
        let name = wanted.names[0];
        let dir = tempfile::Builder::new()
            .prefix("muster-postgres-")
            .tempdir_in("/tmp")
            .unwrap();
        let ca = certificates(dir.path(), wanted);
        let mut bin = wanted.bin.clone();
        if rustix::process::geteuid().is_root() && !bin.starts_with("/usr") {
            // Where this project lies, its user may not be able to look.
            let copy = dir.path().join("server");
            let mut cp = Command::new("cp");
            cp.arg("-r").arg(bin.parent().unwrap()).arg(&copy);
            done(cp);
            bin = copy.join("bin");
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        if rustix::process::geteuid().is_root() {
            let mut chown = Command::new("chown");
            chown.args(["-R", "postgres:postgres"]).arg(dir.path());
            done(chown);
        }
        let data = dir.path().join("data");
        let mut initdb = server_command(&bin.join("initdb"));
        initdb
            .args([
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "-U",
                "postgres",
                "-D",
            ])
            .arg(&data);
        done(initdb);
        let hba = format!("local all all trust\n{}", wanted.hba);
        let hba_file = dir.path().join("hba.conf");
        fs::write(&hba_file, hba).unwrap();
        let (server, reaper, port) = listening(&bin, dir.path(), wanted.at);
        let postgres = Self {
            dir,
            server,
            _reaper: reaper,
            port,
            name: name.to_owned(),
            ca,
        };
        let quoted = PASSWORD.replace('\'', "''");
        postgres.sql(&format!(
            "CREATE USER alice PASSWORD '{quoted}' REPLICATION; CREATE USER scrammed PASSWORD '{quoted}'; \
             SET password_encryption = md5; CREATE USER digested PASSWORD '{quoted}';"
        ));
        postgres.sql(&format!("CREATE DATABASE {DB} OWNER alice;"));
        postgres
    }

    /// Has it show another certificate from now on.
    pub fn shows(&self, certificate: &str, key: &str) {
        // The files keep owner and mode.
        fs::write(self.dir.path().join("server.crt"), certificate).unwrap();
        fs::write(self.dir.path().join("server.key"), key).unwrap();
        let loaded = || self.sql("SELECT pg_conf_load_time()");
        let before = loaded();
        self.sql("SELECT pg_reload_conf()");
        let until = Instant::now() + Duration::from_secs(60);
        while loaded() == before {
            assert!(Instant::now() < until, "it does not load them");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs SQL as the superuser, past every proxy, and says what came out.
    pub fn sql(&self, sql: &str) -> String {
        let mut psql = Command::new(bin().join("psql"));
        psql.args([
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            "postgres",
            "-h",
        ])
        .arg(self.dir.path())
        .args(["-p", &self.port.to_string(), "-c", sql]);
        String::from_utf8(done(psql).stdout).unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT is its fast shutdown; `setpriv` has become it.
        let pid = rustix::process::Pid::from_child(&self.server);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let _ = self.server.wait();
    }
}

/// Starts the server on a port that the system has just given, and again when somebody else was quicker.
fn listening(programs: &Path, dir: &Path, at: Option<Ipv4Addr>) -> (Child, Reaper, u16) {
    let address = at.unwrap_or(Ipv4Addr::LOCALHOST);
    for _ in 0..5 {
        let any = || TcpListener::bind((address, 0)).unwrap().local_addr();
        let port = at.map_or_else(|| any().unwrap().port(), |_| 5432);
        let mut postgres = server_command(&programs.join("postgres"));
        let log = fs::File::create(dir.join("log")).unwrap();
        postgres.arg("-D").arg(dir.join("data"));
        for setting in [
            format!("port={port}"),
            format!("listen_addresses={address}"),
            format!("unix_socket_directories={}", dir.display()),
            format!("hba_file={}", dir.join("hba.conf").display()),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", dir.join("server.crt").display()),
            format!("ssl_key_file={}", dir.join("server.key").display()),
            "fsync=off".to_owned(),
            "max_connections=200".to_owned(),
            "max_wal_senders=4".to_owned(),
            "wal_level=logical".to_owned(),
        ] {
            postgres.arg("-c").arg(setting);
        }
        let mut server = postgres
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let reaper = Reaper::of(&server, "INT", Some(dir));
        let until = Instant::now() + Duration::from_secs(120);
        while server.try_wait().unwrap().is_none() {
            let mut ready = Command::new(bin().join("pg_isready"));
            ready
                .arg("-q")
                .arg("-h")
                .arg(dir)
                .args(["-p", &port.to_string()]);
            if ready.status().unwrap().success() {
                return (server, reaper, port);
            }
            assert!(Instant::now() < until, "PostgreSQL does not start");
            thread::sleep(Duration::from_millis(50));
        }
    }
    panic!(
        "PostgreSQL ended: {}",
        fs::read_to_string(dir.join("log")).unwrap()
    );
}

/// An authority, and a certificate of it for the server.
fn certificates(dir: &Path, wanted: &Wanted) -> PathBuf {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "databases of the test");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut names: Vec<String> = wanted.names.iter().map(ToString::to_string).collect();
    names.push("localhost".to_owned());
    if wanted.legacy {
        names.clear();
    }
    let mut server = CertificateParams::new(names).unwrap();
    let first = wanted.names[0];
    server.distinguished_name.push(DnType::CommonName, first);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server = server.signed_by(&key, &authority).unwrap();
    let ca = dir.join("ca.crt");
    fs::write(&ca, authority.pem()).unwrap();
    fs::write(dir.join("server.crt"), server.pem()).unwrap();
    let key_file = dir.join("server.key");
    fs::write(&key_file, key.serialize_pem()).unwrap();
    fs::set_permissions(key_file, fs::Permissions::from_mode(0o600)).unwrap();
    ca
}
