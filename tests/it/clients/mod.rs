//! Real clients: what each of them gets through the door is what it gets without it.
//!
//! The behaviours are files in `fixtures/clients`, whose page says what the steps of a file mean. A client is a robot
//! that does them, one at a time: a program of its own that reads steps and writes answers, or a few lines here. The door is
//! entered with a certificate, at a local port of `muster db proxy`, or by what `muster db config` prints.

mod case;
mod program;
mod psql;
mod tls;
mod tokio;

use std::{
    cell::OnceCell,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use muster::service::status::ProxyStatus;
use rustix::process::Signal;

use self::case::{Case, Step};
use crate::{
    door::{
        town::{POSTGRES, Papers, Town, said},
        ways::{Person, port::Local},
    },
    support::postgres::{PASSWORD, Postgres, bin, tools},
};

/// The other server, which speaks a later version of the protocol.
static POSTGRES_18: LazyLock<Postgres> = LazyLock::new(|| Postgres::start_18("late.db.test"));

/// A client that does what it is told.
pub trait Robot {
    /// Does one step and says what came of it.
    fn step(&mut self, words: &[String]) -> Vec<String>;
}

/// An answer of these words.
fn answer(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// What a long value is answered by.
fn digest(data: &[u8]) -> Vec<String> {
    // By ring, which is quick in a test's build as well.
    let sum = ring::digest::digest(&ring::digest::SHA256, data);
    let sum: String = sum
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    answer(&["rows", &format!("{},{sum}", data.len())])
}

/// How a database is reached: by the variables that libpq and its kin read.
#[derive(Clone)]
pub struct Way {
    /// Names and values.
    pub env: Vec<(&'static str, String)>,
}

impl Way {
    fn straight(postgres: &Postgres) -> Self {
        let mut way = Self::to(postgres.port.to_string(), &postgres.ca);
        way.env.push(("PGPASSWORD", PASSWORD.to_owned()));
        way
    }

    fn through(proxy: &ProxyStatus, papers: &Papers) -> Self {
        let port = proxy.listen[0].rsplit(':').next().unwrap().to_owned();
        let mut way = Self::to(port, &papers.ca);
        for (name, file) in [("PGSSLCERT", &papers.cert), ("PGSSLKEY", &papers.key)] {
            way.env.push((name, file.display().to_string()));
        }
        way
    }

    fn to(port: String, ca: &std::path::Path) -> Self {
        let text = str::to_owned;
        let mut way = Self::bare();
        way.env.extend([
            ("PGHOST", text("localhost")),
            ("PGPORT", port),
            ("PGUSER", text("alice")),
            ("PGDATABASE", text("shop")),
            ("PGSSLMODE", text("verify-full")),
            ("PGSSLROOTCERT", ca.display().to_string()),
        ]);
        way
    }

    /// By nothing but what stands in a URL: `DSN`, or `JDBC_URL`.
    fn by(variable: &'static str, url: &str) -> Self {
        let mut way = Self::bare();
        way.env.push((variable, url.to_owned()));
        way
    }

    fn bare() -> Self {
        let env = [
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C.UTF-8"),
        ];
        Self {
            env: env.map(|(name, value)| (name, value.to_owned())).into(),
        }
    }

    /// What one of the variables says; nothing when it is not there.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.env.iter().find(|(there, _)| *there == name)?;
        Some(value)
    }
}

/// Does all cases both ways, against both servers. `cannot` are the verbs that the client has no means for.
fn same(start: impl Fn(&Way) -> Box<dyn Robot>, cannot: &[&str]) {
    compare(start, cannot, &[], |town, proxy, name| {
        let orders = ["--db", name, "--db-user", "alice", "--db-name", "shop"];
        (Way::through(proxy, &town.sign("ana", &orders)), None)
    });
}

/// The same by a URL of a local port, as a graphical client has it; `key` is the kind of URL, `variable` who reads it.
fn same_by_port(
    start: impl Fn(&Way) -> Box<dyn Robot>,
    cannot: &[&str],
    (key, variable): (&str, &'static str),
) {
    let eva = OnceCell::new();
    compare(start, cannot, &[], |town, proxy, name| {
        let eva = eva.get_or_init(|| Person::new(town, proxy, "eva", "shop"));
        let local = Local::open(eva, name, &["--db-user", "alice", "--db-name", "shop"]);
        let way = Way::by(variable, local.ready[key].as_str().unwrap());
        (way, Some(local))
    });
}

/// The same by what `muster db config` prints; some behaviours are enough, for from there on the way is the same.
fn same_by_config(
    start: impl Fn(&Way) -> Box<dyn Robot>,
    cannot: &[&str],
    (format, variable): (&str, &'static str),
) {
    let (eva, few) = (
        OnceCell::new(),
        ["statements.yaml", "copy.yaml", "cancel.yaml"],
    );
    compare(start, cannot, &few, |town, proxy, name| {
        let eva = eva.get_or_init(|| Person::new(town, proxy, "eva", "shop"));
        let config = ["db", "config", name, "--format", format];
        let names = ["--db-user", "alice", "--db-name", "shop"];
        let url = said(&eva.run(&[&config[..], &names].concat()));
        (Way::by(variable, &url), None)
    });
}

/// Does the cases of these files, or all of them, without the door and through it, against both servers. `door` says which
/// way that is to a database, and what has to stay meanwhile.
fn compare(
    start: impl Fn(&Way) -> Box<dyn Robot>,
    cannot: &[&str],
    files: &[&str],
    door: impl Fn(&Town, &ProxyStatus, &str) -> (Way, Option<Local>),
) {
    let town = Town::new("");
    let late = &*POSTGRES_18;
    // Found by hand, as the other one; trusted by its record alone.
    let ca = std::fs::read_to_string(&late.ca).unwrap();
    town.create(&format!(
        "kind: db\nversion: v3\nmetadata: {{ name: late, labels: {{ env: test, team: shop }} }}\n\
         spec: {{ protocol: postgres, uri: \"localhost:{}\", tls: {{ ca_cert: {} }} }}\n",
        late.port,
        serde_json::to_string(&ca).unwrap(),
    ));
    let (service, proxy) = town.open();
    let mut wrong = Vec::new();
    for (name, postgres) in [("orders", &*POSTGRES), ("late", late)] {
        let (way, local) = door(&town, &proxy, name);
        let mut straight = start(&Way::straight(postgres));
        let mut through = start(&way);
        let wanted = |case: &Case| files.is_empty() || files.contains(&case.file.as_str());
        for case in Case::all().into_iter().filter(wanted) {
            let twice = [Once::new(), Once::new()];
            for robot in [&mut straight, &mut through] {
                assert_eq!(robot.step(&["again".to_owned()]), ["done"]);
            }
            for Step { words, says, needs } in &case.steps {
                if needs.as_deref().is_some_and(|verb| cannot.contains(&verb)) {
                    continue;
                }
                let expected = twice[0].does(&mut straight, words);
                let found = twice[1].does(&mut through, words);
                let told = cannot.contains(&words[0].as_str());
                let fits = match says {
                    _ if told || expected == ["cannot"] => told && expected == ["cannot"],
                    Some(says) => *says == expected,
                    None => expected[0] != "error",
                };
                if !fits || expected != found {
                    let short = |said: &[String]| {
                        let said = format!("{said:?}");
                        said.chars().take(300).collect::<String>()
                    };
                    wrong.push(format!(
                        "{} on {name}: {words:?}\n  directly    {}\n  through     {}\n  in the file {}",
                        case.file,
                        short(&expected),
                        short(&found),
                        short(says.as_deref().unwrap_or_default()),
                    ));
                }
            }
        }
        drop((straight, through));
        if let Some(local) = local {
            assert_eq!(local.end(Signal::INT), "", "{name}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    service.stop();
}

/// What stands for `{once}` while one client does one case in one way.
struct Once(String);

impl Once {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(70_000_001);
        Self(NEXT.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Has a step done with it, and says what came of it without it.
    fn does(&self, robot: &mut Box<dyn Robot>, words: &[String]) -> Vec<String> {
        let put = words.iter().map(|word| word.replace("{once}", &self.0));
        let said = robot.step(&put.collect::<Vec<_>>());
        let taken = said.iter().map(|word| word.replace(&self.0, "{once}"));
        taken.collect()
    }
}

#[test]
fn the_psql_of_the_system() {
    same(
        |way| Box::new(psql::Psql::start(bin().join("psql"), way)),
        // It takes parameters since version 16. Ctrl+C is tried at a terminal.
        &["ask", "prepare", "run", "pipeline", "state", "cancel"],
    );
}

#[test]
fn psql_18() {
    let program = tools().join("clients/psql-18/a/b/bin/psql");
    same(
        |way| Box::new(psql::Psql::start(program.clone(), way)),
        &["state", "cancel"],
    );
}

/// TLS without asking for it, and the later protocol with its long cancel keys, one by one and together.
#[test]
fn psql_18_begins_in_every_way() {
    let program = tools().join("clients/psql-18/a/b/bin/psql");
    let town = Town::new("");
    let (service, proxy) = town.open();
    let way = Way::through(&proxy, &town.ana());
    let start = |more: &str, sql: &str| {
        let port = way.get("PGPORT").unwrap();
        let at = format!("host=localhost port={port} {more}");
        Command::new(&program)
            .env_clear()
            .envs(way.env.iter().map(|(name, value)| (name, value)))
            .args(["-XAtq", "-d", &at, "-c", sql])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    for more in [
        "",
        "sslnegotiation=direct",
        "min_protocol_version=3.2 max_protocol_version=3.2",
        "sslnegotiation=direct min_protocol_version=3.2 max_protocol_version=latest",
    ] {
        let output = start(more, "select 'in'").wait_with_output().unwrap();
        assert_eq!(output.stdout, b"in\n", "{more}: {output:?}");
        let mark = Once::new().0;
        let child = start(more, &format!("select pg_sleep(300) /* {mark} */"));
        let running = format!(
            "select count(*) from pg_stat_activity where query like '%{mark} */' and pid <> pg_backend_pid()"
        );
        let is_running = |wanted: &str| {
            service.shows(&format!("{wanted} of the query {mark}"), |_| {
                POSTGRES.sql(&running).trim() == wanted
            });
        };
        is_running("1");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("canceling statement due to user request"),
            "{more}: {said}"
        );
        is_running("0");
    }
    service.stop();
}

#[test]
fn psycopg() {
    same(|way| python("psycopg_robot.py", way), &["lob"]);
}

#[test]
fn asyncpg() {
    same(
        |way| python("asyncpg_robot.py", way),
        &["pipeline", "state", "lob"],
    );
}

#[test]
fn tokio_postgres() {
    same(|way| Box::new(tokio::Tokio::start(way)), &["state", "lob"]);
}

#[test]
fn jdbc() {
    let place = tempfile::tempdir().unwrap();
    same(|way| Box::new(program::jdbc(way, place.path())), &[]);
}

#[test]
fn psycopg_at_a_local_port() {
    same_by_port(
        |way| python("psycopg_robot.py", way),
        &["lob"],
        ("url", "DSN"),
    );
}

#[test]
fn tokio_postgres_at_a_local_port() {
    same_by_port(
        |way| Box::new(tokio::Tokio::start(way)),
        &["state", "lob"],
        ("url", "DSN"),
    );
}

#[test]
fn jdbc_at_a_local_port() {
    let place = tempfile::tempdir().unwrap();
    same_by_port(
        |way| Box::new(program::jdbc(way, place.path())),
        &[],
        ("jdbc", "JDBC_URL"),
    );
}

#[test]
fn the_urls_of_db_config() {
    let place = tempfile::tempdir().unwrap();
    let (url, jdbc) = (("url", "DSN"), ("jdbc", "JDBC_URL"));
    same_by_config(|way| python("psycopg_robot.py", way), &["lob"], url);
    same_by_config(
        |way| python("asyncpg_robot.py", way),
        &["pipeline", "state", "lob"],
        url,
    );
    same_by_config(|way| Box::new(program::jdbc(way, place.path())), &[], jdbc);
}

/// Where the robots are that are programs.
fn here() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients")
}

fn python(script: &str, way: &Way) -> Box<dyn Robot> {
    let python = tools().join("bin/python");
    let script = here().join(script);
    let program = program::Program::start(&python, &[script.to_str().unwrap()], way, &[]);
    Box::new(program)
}
