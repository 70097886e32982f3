//! What the tests of the service are made of: a place with recorded clouds, and the program running in it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, LazyLock, Mutex},
    thread,
    time::{Duration, Instant},
};

use muster::{
    control::Client,
    service::status::{ServiceState, Status},
};
use muster_cloud::replay::{Replayer, Tape};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::reaper::Reaper;

/// How long anything may take that is waited for. The machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Where the servers beside the service run.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// A directory with a configuration, and the clouds that it reads.
pub struct World {
    pub dir: TempDir,
    pub replayer: Option<Replayer>,
    /// Where the clouds answer, or would.
    url: String,
}

/// The program, running.
pub struct Service {
    child: Child,
    _reaper: Reaper,
    log: Arc<(Mutex<Vec<Value>>, Condvar)>,
    store: PathBuf,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

// === impl World ===

impl World {
    /// The example fleet, scanned every second.
    pub fn demo() -> Self {
        Self::with(&["demo"], "schedule: { every: 1s, jitter: 0s }")
    }

    /// The clouds of these recordings, and further lines of the configuration.
    pub fn with(tapes: &[&str], more: &str) -> Self {
        let dirs = tapes.iter().map(|tape| fixtures().join("cloud").join(tape));
        Self::of(Tape::from_dirs(dirs).expect("a tape"), more)
    }

    /// The clouds of this recording.
    pub fn of(tape: Tape, more: &str) -> Self {
        let _entered = RUNTIME.enter();
        let replayer = Replayer::start(tape).expect("a replayer");
        let mut world = Self::at(replayer.url());
        world.replayer = Some(replayer);
        world.configure(more);
        world
    }

    /// A place beside clouds that answer there, without a configuration.
    pub fn at(url: &str) -> Self {
        Self {
            dir: TempDir::new().expect("a directory"),
            url: url.to_owned(),
            replayer: None,
        }
    }

    /// Writes the configuration: the example's, with these further lines. The API listens only where they say so:
    /// many services run beside each other here.
    pub fn configure(&self, more: &str) {
        let demo = fs::read_to_string(fixtures().join("demo/muster.yaml")).expect("the example");
        let url = &self.url;
        let off = match more.contains("service:") {
            true => "",
            false => "service: { listen: off }\n",
        };
        let text = format!(
            "{demo}\nazure_endpoints: {{ authority: \"{url}\", management: \"{url}\" }}\n{off}{more}\n"
        );
        self.write(&text);
    }

    /// Writes the configuration.
    pub fn write(&self, text: &str) {
        fs::write(self.config(), text).expect("written");
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("muster.yaml")
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("muster-demo")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("MUSTER_CONFIG", self.config())
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", "AKIADEMO111111111111")
            .env("AWS_SECRET_ACCESS_KEY", "recorded")
            .env("AZURE_TENANT_ID", "4f6c2b7e-90d1-4a55-8f3e-7c1d2e3f4a5b")
            .env("AZURE_CLIENT_ID", "muster")
            .env("AZURE_CLIENT_SECRET", "recorded-secret");
        command
    }

    /// Starts the service.
    pub fn start(&self) -> Service {
        self.launch(self.command(&["run", "-v"]))
    }

    /// The same with a log as in production: no line for every scan.
    pub fn start_quietly(&self) -> Service {
        self.launch(self.command(&["run"]))
    }

    /// Starts the service by this command.
    pub fn launch(&self, mut command: Command) -> Service {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("muster runs");
        let log: Arc<(Mutex<Vec<Value>>, Condvar)> = Arc::default();
        let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let shared = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                shared.0.lock().expect("unpoisoned").push(event);
                shared.1.notify_all();
            }
        });
        Service {
            _reaper: Reaper::of(&child, "KILL", None),
            child,
            log,
            store: self.store(),
        }
    }
}

// === impl Service ===

impl Service {
    /// Waits until a line of the log fits, and returns it.
    pub fn hears(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        let (lines, more) = &*self.log;
        let mut lines = lines.lock().expect("unpoisoned");
        loop {
            if let Some(line) = lines.iter().find(|line| fits(line)) {
                return line.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no line says {what}: {lines:#?}");
            lines = more.wait_timeout(lines, left).expect("unpoisoned").0;
        }
    }

    /// Waits for a message, constant as it is.
    pub fn says(&self, message: &str) -> Value {
        self.hears(message, |line| line["fields"]["message"] == message)
    }

    /// Waits until it has come into a state.
    pub fn is(&self, state: ServiceState) -> Value {
        let word = state.as_str();
        let line = self.hears(word, |line| {
            line["fields"]["message"] == "state" && line["fields"]["to"] == word
        });
        let level = match state {
            ServiceState::Stuck => "ERROR",
            ServiceState::Degraded => "WARN",
            ServiceState::Starting | ServiceState::Ready | ServiceState::Draining => "INFO",
        };
        assert_eq!(line["level"], level, "{line}");
        line
    }

    /// Everything that it has logged.
    pub fn log(&self) -> Vec<Value> {
        self.log.0.lock().expect("unpoisoned").clone()
    }

    /// Who asks it.
    pub fn client(&self) -> Client {
        let until = Instant::now() + PATIENCE;
        loop {
            match Client::connect(&self.store) {
                Ok((client, _)) => return client,
                Err(error) => assert!(Instant::now() < until, "{error}: {:#?}", self.log()),
            }
            thread::yield_now();
        }
    }

    /// Waits until its status fits, and returns it.
    pub fn shows(&self, what: &str, fits: impl Fn(&Status) -> bool) -> Status {
        let until = Instant::now() + PATIENCE;
        let client = self.client();
        loop {
            let status = client.wait(client.status()).expect("a status");
            if fits(&status) {
                return status;
            }
            assert!(Instant::now() < until, "never {what}: {status:#?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a signal");
    }

    /// Kills it.
    pub fn kill(mut self) {
        self.child.kill().expect("a signal");
        self.child.wait().expect("a child");
    }

    /// Waits until it has ended, by itself.
    pub fn ends(mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < until, "it does not end: {:#?}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it has ended, by itself, and returns what it said as well.
    pub fn ends_with_log(self) -> (ExitStatus, String) {
        let log = Arc::clone(&self.log);
        let status = self.ends();
        // The reader of its log holds the other one, and ends with it.
        let until = Instant::now() + PATIENCE;
        while Arc::strong_count(&log) > 1 && Instant::now() < until {
            thread::yield_now();
        }
        let lines = log.0.lock().expect("unpoisoned");
        let line = |line: &Value| {
            line.as_str()
                .map_or_else(|| line.to_string(), str::to_owned)
        };
        (
            status,
            lines.iter().map(line).collect::<Vec<_>>().join("\n"),
        )
    }

    /// Where its store is as it sees it, when its file systems are not ours.
    pub fn in_its_room(mut self) -> Self {
        let root = format!("/proc/{}/root", self.pid());
        let store = self.store.strip_prefix("/").expect("an absolute path");
        self.store = Path::new(&root).join(store);
        self
    }

    /// Its store's directory, for us.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// What its API answers to a GET: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let client = self.client();
        let status = client.wait(client.status()).expect("a status");
        let address = status.listen.expect("it listens");
        let mut stream = TcpStream::connect(&address).expect("the API listens");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let code = head.split(' ').nth(1).expect("a status");
        (code.parse().expect("a number"), body.to_owned())
    }

    /// Ends it cleanly.
    pub fn stop(self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ends().code(), Some(0));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
