//! A real PostgreSQL for the demo, where one is installed: in a directory of its own, on loopback alone, with TLS, and
//! as a user without rights where the demo is run as root. It ends with the demo, however that ends.
//!
//! People log in to it by certificates of muster's database authority, so that there is no password anywhere.

use std::{
    fs, io,
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// Where it has its data, in the demo's place.
pub(super) const DATA: &str = "postgres/data";
/// The name in its certificate.
pub const HOST: &str = "localhost";
/// The database user that people come as.
pub const DB_USER: &str = "reporting";
/// The database that they look at.
pub const DB_NAME: &str = "shop";

/// How long it may take to answer, and to end.
const START: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// What is in it.
const TABLES: &str = "\
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, town text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, placed date NOT NULL, total numeric(8, 2) NOT NULL);
INSERT INTO customers SELECT n, 'customer ' || n, (ARRAY['Oslo', 'Lyon', 'Graz'])[1 + n % 3] FROM generate_series(1, 40) n;
INSERT INTO orders SELECT n, 1 + n % 40, date '2026-01-01' + n % 180, 5 + n * 7 % 400 FROM generate_series(1, 500) n;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reporting;
";

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// None is installed.
    #[error("PostgreSQL is neither in PATH nor in /usr/lib/postgresql")]
    Absent,
    /// There is no user to run it as: it does not run as root.
    #[error(
        "there is neither a user `postgres` nor `nobody` to run it as, and it does not run as root"
    )]
    NoUser,
    /// Its certificate cannot be made.
    #[error("cannot make its certificate")]
    Certificate(#[from] rcgen::Error),
    /// A file or a program cannot be used.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// One of its programs failed.
    #[error("{program}: {said}")]
    Failed {
        /// Which.
        program: String,
        /// The end of what it said.
        said: String,
    },
}

/// A server that runs. It ends with this.
pub struct Postgres {
    server: Child,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its version: `15.8`.
    pub version: String,
    /// The authority that its certificate is trusted by: a PEM file.
    pub ca: PathBuf,
}

/// Its programs, and the user that they run as.
struct Programs {
    bin: PathBuf,
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// Starts one in the place of a demo. `clients` is the authority (PEM) of those who may log in.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub fn start(place: &Path, clients: &str) -> Result<Self, PostgresError> {
        let bin = installed(
            std::env::var_os("PATH").as_deref(),
            Path::new("/usr/lib/postgresql"),
        );
        let programs = Programs {
            bin: bin.ok_or(PostgresError::Absent)?,
            user: match geteuid().is_root() {
                true => Some(unprivileged().ok_or(PostgresError::NoUser)?),
                false => None,
            },
        };
        let dir = place.join("postgres");
        let made = fs::create_dir(&dir)
            .and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)));
        made.map_err(io(format!("make {}", dir.display())))?;
        let ca = certificates(&dir, place, clients)?;
        programs.own(&dir)?;

        let data = place.join(DATA);
        let mut initdb = programs.command("initdb", &dir);
        initdb.args([
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-U",
            "postgres",
            "-D",
        ]);
        done("initdb", initdb.arg(&data))?;
        let (server, port) = programs.serve(&dir, &data)?;
        let mut postgres = Self {
            server,
            port,
            version: String::new(),
            ca,
        };
        let sql = |database: &str, sql: &str| programs.sql(&dir, port, database, sql);
        sql("postgres", &format!("CREATE ROLE {DB_USER} LOGIN"))?;
        sql("postgres", &format!("CREATE DATABASE {DB_NAME}"))?;
        sql(DB_NAME, TABLES)?;
        let version = sql("postgres", "SHOW server_version")?;
        version
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .clone_into(&mut postgres.version);
        Ok(postgres)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT is its fast shutdown: sessions end, and nothing is kept that anybody wants.
        let _ = kill_process(Pid::from_child(&self.server), Signal::INT);
        let until = Instant::now() + END;
        while matches!(self.server.try_wait(), Ok(None)) {
            if Instant::now() >= until {
                let _ = self.server.kill();
                let _ = self.server.wait();
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

impl Programs {
    /// One of them, as the user that it runs as, and apart from the terminal's signals.
    fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = Command::new(self.bin.join(program));
        self.prepared(&mut command, dir);
        command
    }

    fn prepared(&self, command: &mut Command, dir: &Path) {
        command
            .current_dir(dir)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C");
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.process_group(0).stdin(Stdio::null());
    }

    /// The server. Where the machine has a program for it, it is told to end when the demo does, even by SIGKILL.
    fn server(&self, dir: &Path) -> Command {
        let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].map(Path::new);
        let Some(setpriv) = setpriv.into_iter().find(|path| path.exists()) else {
            return self.command("postgres", dir);
        };
        let mut command = Command::new(setpriv);
        command
            .args(["--pdeathsig", "INT", "--"])
            .arg(self.bin.join("postgres"));
        self.prepared(&mut command, dir);
        command
    }

    /// Gives a directory and what is in it to that user.
    fn own(&self, dir: &Path) -> Result<(), PostgresError> {
        let Some((user, group)) = self.user else {
            return Ok(());
        };
        let all = || {
            for entry in fs::read_dir(dir)? {
                chown(entry?.path(), Some(user), Some(group))?;
            }
            chown(dir, Some(user), Some(group))
        };
        all().map_err(io(format!("give away {}", dir.display())))
    }

    /// Starts the server on a port that the system has just given, and again when somebody else was quicker.
    fn serve(&self, dir: &Path, data: &Path) -> Result<(Child, u16), PostgresError> {
        let log = dir.join("log");
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let port = port.map_err(io("find a port".to_owned()))?.port();
            let mut server = self.server(dir);
            server.arg("-D").arg(data);
            let file = |name: &str| dir.join(name).display().to_string();
            for (setting, value) in [
                ("port", port.to_string()),
                ("listen_addresses", "127.0.0.1".to_owned()),
                ("unix_socket_directories", dir.display().to_string()),
                ("hba_file", file("hba.conf")),
                ("ssl", "on".to_owned()),
                ("ssl_cert_file", file("server.crt")),
                ("ssl_key_file", file("server.key")),
                ("ssl_ca_file", file("clients.crt")),
                ("fsync", "off".to_owned()),
            ] {
                server.arg("-c").arg(format!("{setting}={value}"));
            }
            let told = fs::File::create(&log).map_err(io(format!("write {}", log.display())))?;
            let server = server.stdout(Stdio::null()).stderr(told).spawn();
            let mut server = server.map_err(io("start postgres".to_owned()))?;
            let until = Instant::now() + START;
            while matches!(server.try_wait(), Ok(None)) {
                if self.sql(dir, port, "postgres", "SELECT 1").is_ok() {
                    return Ok((server, port));
                }
                if Instant::now() >= until {
                    let _ = server.kill();
                    let _ = server.wait();
                    break;
                }
                thread::sleep(LOOK);
            }
        }
        let said = fs::read_to_string(&log).unwrap_or_default();
        Err(PostgresError::Failed {
            program: "postgres".to_owned(),
            said: last(&said),
        })
    }

    /// Runs SQL as its superuser, through the socket that only that user and root can reach.
    fn sql(
        &self,
        dir: &Path,
        port: u16,
        database: &str,
        sql: &str,
    ) -> Result<String, PostgresError> {
        let mut psql = self.command("psql", dir);
        psql.args([
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            database,
            "-h",
        ]);
        psql.arg(dir).args(["-p", &port.to_string(), "-c", sql]);
        let output = done("psql", &mut psql)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The directory with the newest server of the machine: what `PATH` has goes first.
fn installed(path: Option<&std::ffi::OsStr>, packages: &Path) -> Option<PathBuf> {
    let is_one = |bin: &PathBuf| {
        let programs = ["postgres", "initdb", "psql"];
        programs.iter().all(|program| bin.join(program).exists())
    };
    let mut in_path = path.into_iter().flat_map(std::env::split_paths);
    in_path.find(is_one).or_else(|| {
        let versions = fs::read_dir(packages).into_iter().flatten().flatten();
        let versions = versions.filter_map(|entry| {
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        });
        let found = versions.filter(|(_, bin)| is_one(bin));
        found.max_by_key(|(major, _)| *major).map(|(_, bin)| bin)
    })
}

/// User and group that PostgreSQL agrees to run as.
fn unprivileged() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|wanted| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let (user, group) = (fields.nth(1)?, fields.next()?);
            (name == *wanted).then(|| Some((user.parse().ok()?, group.parse().ok()?)))?
        })
    })
}

/// An authority, a certificate of it for the server, whom the server believes, and who may enter. Returns the authority's
/// file, which is beside the directory: the proxy reads it.
fn certificates(dir: &Path, place: &Path, clients: &str) -> Result<PathBuf, PostgresError> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "databases of muster demo");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(vec![HOST.to_owned()])?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server = server.signed_by(&key, &authority)?;
    let ca = place.join("postgres-ca.crt");
    // Over TLS with a certificate for the database user's name, and in no other way.
    let hba = "local all all trust\nhostssl all all 127.0.0.1/32 cert\n";
    for (path, content, mode) in [
        (ca.clone(), authority.pem(), 0o644),
        (dir.join("server.crt"), server.pem(), 0o644),
        (dir.join("server.key"), key.serialize_pem(), 0o600),
        (dir.join("clients.crt"), clients.to_owned(), 0o644),
        (dir.join("hba.conf"), hba.to_owned(), 0o600),
    ] {
        let written = fs::write(&path, content)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)));
        written.map_err(io(format!("write {}", path.display())))?;
    }
    Ok(ca)
}

fn done(program: &str, command: &mut Command) -> Result<Output, PostgresError> {
    let output = command.output().map_err(io(format!("start {program}")))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(PostgresError::Failed {
            program: program.to_owned(),
            said: last(&String::from_utf8_lossy(&output.stderr)),
        }),
    }
}

/// The last line that says something.
fn last(said: &str) -> String {
    let line = said.lines().rev().find(|line| !line.trim().is_empty());
    line.map_or_else(
        || "it said nothing".to_owned(),
        |line| line.trim().to_owned(),
    )
}

fn io(what: String) -> impl FnOnce(io::Error) -> PostgresError {
    move |source| PostgresError::Io { what, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_newest_package_is_taken_unless_path_has_one() {
        let dir = tempfile::tempdir().unwrap();
        let packages = dir.path().join("packages");
        let make = |bin: &Path, programs: &[&str]| {
            fs::create_dir_all(bin).unwrap();
            for program in programs {
                fs::write(bin.join(program), "").unwrap();
            }
        };
        let whole = ["postgres", "initdb", "psql"];
        assert_eq!(installed(None, &packages), None);
        make(&packages.join("9/bin"), &whole);
        make(&packages.join("15/bin"), &whole);
        // A client alone is no server.
        make(&packages.join("17/bin"), &["psql"]);
        assert_eq!(installed(None, &packages), Some(packages.join("15/bin")));
        let own = dir.path().join("own");
        make(&own, &whole);
        assert_eq!(installed(Some(own.as_os_str()), &packages), Some(own));
    }
}
