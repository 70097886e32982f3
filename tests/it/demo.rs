//! `muster demo --serve`: what it prints is followed, line by line, as a newcomer would; and nothing of it is left.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::reaper::Reaper;

/// How long anything may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(180);

/// The file of a demo's standard error.
const SAID: &str = "standard-error";

/// A demo that runs, and what it has printed.
struct Demo {
    child: Child,
    _reaper: Reaper,
    lines: Vec<String>,
}

impl Demo {
    /// Starts one and waits until it has said how to go on.
    fn start(temporary: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command.args(["demo", "--serve"]);
        Self::by(command, temporary)
    }

    /// The same by a command that comes to one.
    fn by(mut command: Command, temporary: &Path) -> Self {
        let mut child = command
            .current_dir(temporary)
            .env("TMPDIR", temporary)
            .env("HOME", temporary)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(temporary.join(SAID)).unwrap())
            .spawn()
            .unwrap();
        let (told, heard) = mpsc::channel();
        let printed = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in printed.lines() {
                if told.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut demo = Self {
            _reaper: Reaper::of(&child, "INT", None),
            child,
            lines: Vec::new(),
        };
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = heard
                .recv_timeout(left)
                .expect("the demo says how to go on");
            let is_last = line.contains(" status");
            demo.lines.push(line);
            if is_last {
                return demo;
            }
        }
    }

    /// The printed line that has all of these words.
    fn line(&self, words: &[&str]) -> &str {
        let found = self
            .lines
            .iter()
            .find(|line| words.iter().all(|word| line.contains(word)));
        let all = self.lines.join("\n");
        found
            .unwrap_or_else(|| panic!("nothing with {words:?} in:\n{all}"))
            .trim()
    }

    /// Does what a line says, in a shell, after the line that sets the environment.
    fn follow(&self, dir: &Path, line: &str) -> Output {
        self.follow_by(Command::new("sh"), dir, line)
    }

    /// The same in this shell.
    fn follow_by(&self, mut shell: Command, dir: &Path, line: &str) -> Output {
        let path = Path::new(env!("CARGO_BIN_EXE_muster")).parent().unwrap();
        let path = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
        shell
            .arg("-c")
            .arg(format!("{}\n{line}", self.line(&["export MUSTER_HOME="])))
            .current_dir(dir)
            .env("PATH", path)
            .env("HOME", dir)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The same, for what has to work.
    fn done(&self, dir: &Path, line: &str) -> String {
        let output = self.follow(dir, line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory for temporary files that PostgreSQL's user can pass through.
fn temporary() -> TempDir {
    let dir = tempfile::Builder::new()
        .prefix("muster-it-demo-")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn places(temporary: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(temporary).unwrap().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("muster-demo-")
        })
        .collect()
}

/// Waits until no PostgreSQL has its data below a directory.
fn no_postgres(temporary: &Path) {
    let marker = temporary.to_string_lossy().into_owned();
    let is_left = || {
        fs::read_dir("/proc").unwrap().flatten().any(|process| {
            fs::read(process.path().join("cmdline")).is_ok_and(|line| {
                let line = String::from_utf8_lossy(&line).into_owned();
                line.contains(&marker) && line.contains("postgres\0-D")
            })
        })
    };
    let until = Instant::now() + PATIENCE;
    while is_left() {
        assert!(Instant::now() < until, "a PostgreSQL is left");
        thread::yield_now();
    }
}

#[test]
fn a_newcomer_follows_the_lines_from_a_login_to_the_record_of_a_query() {
    let temporary = temporary();
    let dir = temporary.path();
    let demo = Demo::start(dir);
    let login = demo.done(dir, demo.line(&["muster login"]));
    assert!(login.contains("ana is logged in to demo"), "{login}");
    let ls = demo.done(dir, demo.line(&["muster db ls"]));
    assert!(ls.contains("shop-orders"), "{ls}");
    let query = demo.done(dir, demo.line(&["muster db connect", "SELECT"]));
    assert!(
        query.contains("(3 rows)") && query.contains("Graz"),
        "{query}"
    );
    // Nothing but what the role allows.
    let refused = demo.follow(
        dir,
        "muster db connect shop-orders -- -c 'DELETE FROM orders'",
    );
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("permission denied"), "{said}");
    let found = demo.done(dir, demo.line(&["audit search"]));
    let begun = found.lines().nth(1).expect("a session").trim();
    let session = begun.split_whitespace().last().unwrap();
    let play = demo.line(&[" play SESSION"]).replace("SESSION", session);
    let played = demo.done(dir, &play);
    assert!(played.contains("DELETE FROM orders"), "{played}");
    let explained = demo.done(dir, demo.line(&["access explain"]));
    assert!(
        explained.starts_with("Allowed: ana on shop-orders"),
        "{explained}"
    );
    // The operator sees the service, and the database of the configuration beside those that were found: whoever names
    // a configuration is not asked for their own view, as the environment says.
    let status = demo.line(&[" status"]).to_owned();
    let seen = String::from_utf8(demo.follow(dir, &status).stdout).unwrap();
    assert!(
        seen.contains("\nservice ") && seen.contains("\nproxy "),
        "{seen}"
    );
    // A call that the cloud throttles is made again later, so that the last ones come when they come.
    let until = Instant::now() + PATIENCE;
    loop {
        let all = demo.done(dir, &status.replace(" status", " db ls -o name"));
        if all.contains("shop-orders") && all.contains("orders-prod") {
            break;
        }
        assert!(Instant::now() < until, "{all}");
    }

    // Another configuration is in force at once, for databases too.
    let file = places(dir).remove(0).join("muster.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("name: shop-orders", "name: till");
    let text = text.replace("public: [localhost]", "public: [localhost, door.test]");
    fs::write(&file, text).unwrap();
    let reload = demo.line(&[" status"]).replace(" status", " reload");
    let changed = demo.done(dir, &reload);
    assert!(changed.contains("databases[0]"), "{changed}");
    let ls = demo.done(dir, demo.line(&["muster db ls"]));
    assert!(
        ls.contains("\ntill ") && !ls.contains("shop-orders"),
        "{ls}"
    );
    demo.done(dir, "muster db connect till -- -c 'SELECT 1'");
    // What waits for the next start is not said to be in force.
    let seen = String::from_utf8(demo.follow(dir, &status).stdout).unwrap();
    assert!(
        seen.contains("not all of it, before the service is restarted:")
            && seen.contains("proxy: "),
        "{seen}"
    );
    let doctor = status.replace(" status", " doctor configuration");
    let found = demo.done(dir, &doctor);
    assert!(found.contains("configuration/needs-restart"), "{found}");

    // Nothing was written under the lines to follow.
    let said = fs::read_to_string(dir.join(SAID)).unwrap();
    assert_eq!(said, "");

    assert_eq!(demo.end(Signal::TERM), Some(0));
    assert_eq!(places(dir), Vec::<PathBuf>::new());
    no_postgres(dir);
}

#[test]
fn a_demo_that_was_killed_leaves_nothing_in_the_way() {
    let temporary = temporary();
    let dir = temporary.path();
    let killed = Demo::start(dir);
    let left = places(dir);
    assert_eq!(left.len(), 1);
    assert_eq!(killed.end(Signal::KILL), None);
    let next = Demo::start(dir);
    let now = places(dir);
    assert!(now.len() == 1 && now != left, "{now:?}");
    assert_eq!(next.end(Signal::INT), Some(0));
    assert_eq!(places(dir), Vec::<PathBuf>::new());
    no_postgres(dir);
}

#[test]
fn without_postgresql_it_says_how_to_install_it_and_serves_the_rest() {
    let temporary = temporary();
    let dir = temporary.path();
    // A machine without it: nothing is at its place, and nothing in PATH.
    let program = env!("CARGO_BIN_EXE_muster");
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--map-root-user", "sh", "-c"]).arg(format!(
        "mount -t tmpfs none /usr/lib/postgresql && PATH=/nonexistent exec {program} demo --serve"
    ));
    let demo = Demo::by(unshare, dir);
    demo.line(&["There is no PostgreSQL on this machine"]);
    demo.line(&["apt-get install postgresql"]);
    let all = demo.lines.join("\n");
    assert!(
        !all.contains("shop-orders") && !all.contains("SESSION"),
        "{all}"
    );
    // What else is printed works.
    let login = demo.done(dir, demo.line(&["muster login"]));
    assert!(login.contains("ana is logged in to demo"), "{login}");
    // Nobody types as fast as this test: the first scan may be under way.
    let found = "orders-prod-rds-eu-west-1-111111111111";
    demo.done(dir, &format!("muster db wait {found} --timeout 2m"));
    let ls = demo.done(dir, demo.line(&["muster db ls"]));
    assert!(ls.contains(found), "{ls}");
    let found = demo.done(dir, demo.line(&["audit search"]));
    assert!(found.contains("user.login"), "{found}");
    let explained = demo.done(dir, demo.line(&["access explain"]));
    assert!(
        explained.starts_with("Allowed: ana on orders-prod"),
        "{explained}"
    );
    demo.done(dir, &format!("{} --wait", demo.line(&[" status"])));
    assert_eq!(demo.end(Signal::INT), Some(0));
    assert_eq!(places(dir), Vec::<PathBuf>::new());
}

#[test]
fn whoever_is_not_root_has_a_postgresql_as_well() {
    let temporary = temporary();
    let dir = temporary.path();
    // Where the program lies, others may not look.
    let program = dir.join("bin/muster");
    fs::create_dir(dir.join("bin")).unwrap();
    let built = env!("CARGO_BIN_EXE_muster");
    fs::hard_link(built, &program)
        .or_else(|_| fs::copy(built, &program).map(drop))
        .unwrap();
    let as_nobody = |program: &Path| {
        if !rustix::process::geteuid().is_root() {
            return Command::new(program);
        }
        let mut setpriv = Command::new("setpriv");
        setpriv
            .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
            .arg(program);
        setpriv
    };
    let home = dir.join("home");
    fs::create_dir(&home).unwrap();
    if rustix::process::geteuid().is_root() {
        let given = Command::new("chown")
            .arg("nobody:nogroup")
            .arg(&home)
            .status();
        assert!(given.unwrap().success());
    }
    let mut command = as_nobody(&program);
    command.args(["demo", "--serve"]);
    let demo = Demo::by(command, &home);
    demo.line(&["and PostgreSQL", "behind `shop-orders`"]);
    let follows = |words: &[&str]| {
        let line = demo
            .line(words)
            .replace("muster ", &format!("{} ", program.display()));
        let output = demo.follow_by(as_nobody(Path::new("sh")), &home, &line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    follows(&["muster login"]);
    let query = follows(&["muster db connect", "SELECT"]);
    assert!(query.contains("(3 rows)"), "{query}");
    assert_eq!(demo.end(Signal::INT), Some(0));
    assert_eq!(places(&home), Vec::<PathBuf>::new());
    no_postgres(&home);
}
