//! Ends what a test process has started once that process is gone, however it went.
//!
//! What is kept in a `static` is never dropped, and nobody cleans up after SIGKILL. So a small shell holds the other end of
//! a pipe of this process, and does it when the pipe closes. (A signal at the parent's death is no way: Linux sends it when
//! the *thread* ends that has started the child.)

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Nobody ever writes: `read` is over when the test process is. `$1` is the process, `$2` the signal, `$3` a directory.
const SCRIPT: &str = "read -r _
kill -s \"$2\" \"$1\" || true
for _ in $(seq 200); do kill -0 \"$1\" || break; sleep 0.1; done
kill -s KILL \"$1\" || true
[ -z \"$3\" ] || rm -rf -- \"$3\"";

/// Who waits for the end of this process. Dropped, it does nothing: then the owner of the child has ended it.
pub struct Reaper {
    shell: Child,
}

impl Reaper {
    /// From now on `child` gets this signal (`INT`, …) when this process is gone; and then a directory goes that it has used.
    pub fn of(child: &Child, signal: &str, dir: Option<&Path>) -> Self {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "reaper", &child.id().to_string(), signal])
            .arg(dir.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What is sent to all of a terminal, or of a `timeout`, is not for it.
            .process_group(0)
            .spawn()
            .expect("a shell");
        Self { shell }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // Before its pipe closes.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{self, BufRead, BufReader, Write},
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    /// What is done by the process that the test below kills.
    #[test]
    #[ignore = "run by another test"]
    fn one_who_is_killed() {
        let dir = tempfile::tempdir().unwrap().keep();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let _reaper = Reaper::of(&child, "TERM", Some(&dir));
        writeln!(io::stdout(), "started {} {}", child.id(), dir.display()).unwrap();
        // Until its end.
        let _ = child.wait();
    }

    #[test]
    fn what_a_killed_test_has_started_ends() {
        // Without the crate.
        let (_, path) = module_path!().split_once("::").unwrap();
        let mut test = Command::new(std::env::current_exe().unwrap())
            .arg(format!("{path}::one_who_is_killed"))
            .args(["--exact", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(test.stdout.take().unwrap());
        let line = out.lines().map(Result::unwrap);
        let line = { line }.find(|line| line.contains("started ")).unwrap();
        let mut words = line.split("started ").nth(1).unwrap().split(' ');
        let (process, dir) = (words.next().unwrap(), words.next().unwrap());
        let process = format!("/proc/{process}/stat");
        // One that is dead, and that nobody has asked about, counts as ended.
        let is_there = || fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z "));
        assert!(is_there() && Path::new(dir).exists(), "{line}");
        test.kill().unwrap();
        test.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while is_there() || Path::new(dir).exists() {
            assert!(Instant::now() < until, "{line}: it is still there");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
