//! A sink that is told by a program: it gets each notice as one line of JSON on its standard input.
//!
//! Delivered is what it ended with status 0 for. It is started without a shell and with few of our variables,
//! for ours may hold the keys to the clouds; in a process group of its own, so that what it started ends with it
//! when its time is over. What it leaves running when it ends by itself is left alone.

use std::{
    io,
    pin::pin,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use muster_model::Timestamp;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command as Process},
};

use super::{
    body::Delivery,
    task::{Failure, Transport},
    text,
};

/// What a program sees of our environment.
const KEPT: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];
/// How long the rest of its standard error is waited for after its end. Something that it started may hold it
/// open for ever.
const REST: Duration = Duration::from_millis(200);

/// A sink that is told by a program.
pub(super) struct Command {
    argv: Vec<String>,
    timeout: Duration,
}

/// A program that runs, with all that it started. Whoever drops it kills them.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Command {
    pub(super) const fn new(argv: Vec<String>, timeout: Duration) -> Self {
        Self { argv, timeout }
    }

    fn program(&self) -> &str {
        self.argv.first().map_or("?", String::as_str)
    }

    fn start(&self, delivery: &Delivery) -> io::Result<Running> {
        let mut process = Process::new(self.program());
        process
            .args(self.argv.iter().skip(1))
            .env_clear()
            .envs(
                KEPT.iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .env("MUSTER_EVENT", delivery.event.as_str())
            .env("MUSTER_DELIVERY", &delivery.id)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = process.spawn()?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Running { child, group })
    }

    async fn run(&self, running: &mut Running, delivery: &Delivery) -> Result<(), Failure> {
        let program = self.program();
        let stdin = running.child.stdin.take();
        let stderr = running.child.stderr.take();
        let line = format!("{}\n", delivery.json);
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // A program need not read: what it thinks of the notice is its status.
                let _ = stdin.write_all(line.as_bytes()).await;
            }
        };
        let mut said = Vec::new();
        let status = {
            let mut listen = pin!(listen(stderr, &mut said));
            let mut fed = pin!(feed);
            let (mut heard_all, mut fed_all) = (false, false);
            let status = loop {
                tokio::select! {
                    status = running.child.wait() => break status,
                    () = &mut listen, if !heard_all => heard_all = true,
                    () = &mut fed, if !fed_all => fed_all = true,
                }
            };
            running.ended();
            if !heard_all && !status.as_ref().is_ok_and(ExitStatus::success) {
                // What it said before it ended may still be in the pipe.
                let _ = tokio::time::timeout(REST, listen).await;
            }
            status
        };
        let status =
            status.map_err(|error| Failure::new(format!("cannot wait for {program}: {error}")))?;
        if status.success() {
            return Ok(());
        }
        let mut failure = format!("{program} ended with {status}");
        if let Some(line) = text::first_line(&said, &[]) {
            failure.push_str(": ");
            failure.push_str(&line);
        }
        Err(Failure::new(failure))
    }
}

impl Transport for Command {
    async fn deliver(&mut self, delivery: &Delivery, _: Timestamp) -> Result<(), Failure> {
        let program = self.program();
        let mut running = self
            .start(delivery)
            .map_err(|error| Failure::new(format!("cannot start {program}: {error}")))?;
        let run = self.run(&mut running, delivery);
        if let Ok(done) = tokio::time::timeout(self.timeout, run).await {
            return done;
        }
        running.kill();
        // So that it is gone before the next one starts.
        let _ = tokio::time::timeout(REST, running.child.wait()).await;
        running.ended();
        Err(Failure::new(format!(
            "{program} did not end within {} s, and was killed",
            self.timeout.as_secs_f64()
        )))
    }
}

impl Running {
    /// It was waited for: its number may be another's soon.
    fn ended(&mut self) {
        self.group = None;
    }

    fn kill(&self) {
        if let Some(group) = self.group {
            // Nobody waited for its leader, so that the number is still its own. That nobody is left is fine.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads to the end, and keeps the beginning.
async fn listen(from: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let room = text::MAX_READ.saturating_sub(said.len());
        said.extend(buffer.iter().take(read.min(room)));
    }
}
