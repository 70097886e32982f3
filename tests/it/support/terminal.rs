//! A terminal, and a program that somebody sits before.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// How long anything may take that is waited for. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// A pseudo-terminal with a program at it.
pub struct Terminal {
    keys: File,
    child: Child,
    shown: Arc<(Mutex<Shown>, Condvar)>,
}

#[derive(Default)]
struct Shown {
    /// All that was ever written to it, without the carriage returns.
    text: String,
    /// How much of it somebody has waited for already.
    read: usize,
    /// Nobody writes to it any more.
    over: bool,
}

impl Terminal {
    /// Starts a program at a terminal of 24 lines with 80 columns.
    pub fn sit(command: &Command) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap();
        size(&keys, 24, 80);
        let open = || -> OwnedFd {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            rustix::fs::open(&name, flags, Mode::empty()).unwrap()
        };
        // It becomes the program, in a session of its own that this terminal controls.
        let mut seated = Command::new("setsid");
        seated
            .args(["--ctty", "--wait"])
            // Whoever runs the tests behind a shell ignores Ctrl+C, and so would all that they start.
            .args(["env", "--default-signal=INT,QUIT"])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env("TERM", "dumb");
        if let Some(dir) = command.get_current_dir() {
            seated.current_dir(dir);
        }
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                seated.env(name, value);
            }
        }
        let child = seated
            .stdin(open())
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap();
        let shown: Arc<(Mutex<Shown>, Condvar)> = Arc::default();
        let keys = File::from(keys);
        let (mut screen, shared) = (keys.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The last program that leaves a terminal makes reading it an error.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).replace('\r', "");
                shared.0.lock().unwrap().text += &text;
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().over = true;
            shared.1.notify_all();
        });
        Self { keys, child, shown }
    }

    /// Types this.
    pub fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until this is shown, after what was waited for before, and returns all that was shown until then.
    pub fn shows(&self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let (shown, more) = &*self.shown;
        let mut shown = shown.lock().unwrap();
        loop {
            if let Some(at) = shown.text[shown.read..].find(text) {
                let end = shown.read + at + text.len();
                let seen = shown.text[shown.read..end].to_owned();
                shown.read = end;
                return seen;
            }
            let left = until.saturating_duration_since(Instant::now());
            let rest = &shown.text[shown.read..];
            assert!(!left.is_zero() && !shown.over, "no {text:?} in {rest:?}");
            shown = more.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// Waits until the program has ended, and returns how, and what was shown and not waited for.
    pub fn ends(mut self) -> (ExitStatus, String) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let shown = self.shown.0.lock().unwrap();
            assert!(Instant::now() < until, "it does not end: {:?}", shown.text);
            drop(shown);
            thread::sleep(Duration::from_millis(20));
        };
        let (shown, more) = &*self.shown;
        let mut shown = shown.lock().unwrap();
        while !shown.over && Instant::now() < until {
            shown = more.wait_timeout(shown, PATIENCE).unwrap().0;
        }
        let rest = shown.text[shown.read..].to_owned();
        drop(shown);
        (status, rest)
    }

    /// Gives the window another size, as dragging its corner does.
    pub fn becomes(&self, lines: u16, columns: u16) {
        size(&self.keys, lines, columns);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(keys: impl std::os::fd::AsFd, lines: u16, columns: u16) {
    let size = Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(keys, size).unwrap();
}
