//! What a person types every day: logging in by an invitation and by a password, looking around, logging out; and what they
//! read when something stands against it.

mod clusters;
pub mod trouble;

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Instant,
};

use muster::service::status::ProxyStatus;
use serde_json::{Value, json};

use super::town::{Town, complaint, said};
use crate::service::world::PATIENCE;

const PASSWORD: &str = "correct horse battery";

/// Somebody at a machine of their own: no configuration of a service, and a home that is empty at first.
struct Person {
    home: PathBuf,
}

/// An invitation, as `muster user add` printed it.
struct Invited {
    link: String,
    token: String,
    pin: String,
}

impl Person {
    fn new(town: &Town, name: &str) -> Self {
        let home = town.world.dir.path().join(format!("home-{name}"));
        fs::create_dir(&home).unwrap();
        Self { home }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command
            .args(args)
            .current_dir(&self.home)
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command prints that works.
    fn does(&self, args: &[&str]) -> String {
        said(&self.run(args))
    }

    /// The three lines of a command that fails.
    fn fails(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?}: {output:?}");
        let text = complaint(&output);
        let starts = |line: &str| text.lines().any(|own| own.starts_with(line));
        assert!(
            starts("error: ") && starts("cause: ") && starts("hint:  "),
            "{text}"
        );
        text
    }

    /// Runs a command that reads these lines; says also what others of the machine could see of it meanwhile.
    fn types(&self, args: &[&str], lines: &[&str]) -> (Output, String) {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let proc = PathBuf::from(format!("/proc/{}", child.id()));
        let deadline = Instant::now() + PATIENCE;
        // A process that has just begun has no arguments yet.
        let mut seen = Vec::new();
        while seen.is_empty() && Instant::now() < deadline {
            seen = fs::read(proc.join("cmdline")).unwrap();
        }
        seen.extend(fs::read(proc.join("environ")).unwrap());
        let mut stdin = child.stdin.take().unwrap();
        // Who refuses at once reads nothing.
        let _ = stdin.write_all((lines.join("\n") + "\n").as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        (output, String::from_utf8_lossy(&seen).into_owned())
    }

    /// A file with these lines, that nobody else reads.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn cluster(&self, name: &str) -> PathBuf {
        self.home.join(".config/muster/clusters").join(name)
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.does(&["status", "-o", "json"])).unwrap()
    }
}

impl Invited {
    fn of(town: &Town, user: &str, roles: &str) -> Self {
        let printed = town.muster(&["user", "add", user, "--roles", roles]);
        let link = printed.lines().nth(1).unwrap().trim().to_owned();
        let (token, pin) = link.rsplit('/').next().unwrap().split_once('#').unwrap();
        Self {
            token: token.to_owned(),
            pin: pin.to_owned(),
            link,
        }
    }
}

fn address(proxy: &ProxyStatus) -> String {
    let port = proxy.listen[0].rsplit(':').next().unwrap();
    format!("localhost:{port}")
}

/// Every file below a directory.
fn files(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, all),
            false => all.push(path),
        }
    }
}

#[test]
fn from_an_invitation_through_a_day() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let invited = Invited::of(&town, "eva", "shop");
    let at = address(&proxy);
    assert!(
        invited.link.starts_with(&format!("https://{at}/invite/")),
        "{}",
        invited.link
    );
    let eva = Person::new(&town, "eva");
    let (output, seen) = eva.types(
        &["login", "--invite", "--password-file", "-"],
        &[&invited.link, PASSWORD],
    );
    let printed = said(&output) + &complaint(&output);
    assert!(
        printed.contains("eva is logged in to test") && printed.contains("shop"),
        "{printed}"
    );
    // Whatever is secret is in no list of processes, no output, and no file but the key.
    assert!(seen.contains("--password-file"), "{seen}");
    let mut kept = Vec::new();
    files(&eva.home, &mut kept);
    let kept: Vec<_> = kept
        .iter()
        .map(|path| (path, fs::read_to_string(path).unwrap()))
        .collect();
    for (path, text) in &kept {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
        assert_eq!(
            text.contains("PRIVATE KEY"),
            path.ends_with("user.key"),
            "{}",
            path.display()
        );
    }
    let texts = kept
        .iter()
        .map(|(_, text)| text.as_str())
        .chain([&*printed, &*seen]);
    for text in texts {
        assert!(
            !text.contains(PASSWORD) && !text.contains(&invited.token),
            "{text}"
        );
    }
    for dir in ["", "clusters", "clusters/test"] {
        let mode = fs::metadata(eva.home.join(".config/muster").join(dir)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o700, "{dir}");
    }
    // Who is that, where, as what, and what may they open?
    let status = eva.status();
    for (key, value) in [
        ("name", json!("test")),
        ("state", json!("valid")),
        ("user", json!("eva")),
        ("roles", json!(["shop"])),
        ("proxy", json!(at)),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("second_factor", json!(false)),
        ("problem", Value::Null),
    ] {
        assert_eq!(status["login"][key], value, "{status}");
    }
    let text = eva.does(&["status"]);
    assert!(text.contains("eva at test") && text.contains(&at), "{text}");
    let table = eva.does(&["db", "ls"]);
    let (head, row) = table.split_once('\n').unwrap();
    for (title, cell) in [
        ("NAME", "orders"),
        ("DESCRIPTION", "what people buy"),
        ("LABELS", "env=test,team=shop"),
        ("DB USERS", "alice,"),
    ] {
        assert!(head.contains(title) && row.contains(cell), "{table}");
    }
    for (args, found) in [
        (&["team=shop", "env=t*"][..], "orders"),
        (&["--search", "PEOPLE", "--search", "shop"], "orders"),
        (&["team=other"], ""),
        (&["--search", "nothing"], ""),
    ] {
        assert_eq!(
            eva.does(&[&["db", "ls", "-o", "name"], args].concat()),
            found,
            "{args:?}"
        );
    }
    let json: Value = serde_json::from_str(&eva.does(&["db", "ls", "-o", "json"])).unwrap();
    assert_eq!(json[0]["db_names"], json!(["postgres", "shop"]), "{json}");
    assert!(
        eva.does(&["db", "show", "orders"])
            .contains("db names         postgres,shop")
    );
    let nothing = eva.fails(&["db", "show", "secrets"]);
    assert!(nothing.contains("your roles do not allow it"), "{nothing}");
    assert_eq!(eva.does(&["session", "ls", "-o", "json"]), "[]");
    // Out, and nothing of it is left.
    assert!(eva.does(&["logout"]).contains("eva is logged out of test"));
    assert!(!eva.cluster("test").exists());
    assert!(eva.does(&["logout"]).contains("nobody"));
    let failed = eva.fails(&["db", "ls"]);
    assert!(
        failed.contains("you are not logged in") && failed.contains("`muster login "),
        "{failed}"
    );
    // In again, by the command that was printed with the invitation.
    let file = eva.file("password", &format!("{PASSWORD}\n"));
    eva.does(&[
        "login",
        "--proxy",
        &at,
        "--user",
        "eva",
        "--ca-pin",
        &invited.pin,
        "--password-file",
        &file,
        "--ttl",
        "1h",
    ]);
    // And from then on without any.
    eva.does(&["login", "--password-file", &file]);
    // What an operator does is theirs, with the same words.
    let all = town.muster(&["db", "ls", "-o", "json"]);
    assert!(
        all.contains("\"endpoint\"") || all.contains("\"uri\""),
        "{all}"
    );
    service.stop();
    let unreachable = eva.run(&["db", "ls"]);
    let text = complaint(&unreachable);
    assert!(
        unreachable.status.code() == Some(69) && text.contains(&at),
        "{text}"
    );
    // That the proxy is away makes nobody logged out.
    let status = eva.status();
    assert_eq!(status["login"]["state"], "valid");
    assert!(
        status["login"]["problem"]
            .as_str()
            .unwrap()
            .contains("cannot reach"),
        "{status}"
    );
}
