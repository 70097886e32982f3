//! Brings what was written to the disk, on a thread of its own, so that a slow disk holds up nobody.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::shared::{Shared, lock};
use crate::files::Head;

/// What is to be brought to the disk: a file, then the head that says so.
pub(super) struct Job {
    pub(super) file: Arc<File>,
    pub(super) head: Option<(Arc<File>, Head)>,
    /// The directory, when a file in it is new.
    pub(super) dir: Option<File>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    busy: bool,
    over: bool,
    trouble: Option<String>,
}

/// The thread, as its owner sees it. It ends with its owner.
pub(super) struct Syncer {
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Syncer {
    pub(super) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let own = state.clone();
        thread::Builder::new()
            .name("audit-sync".to_owned())
            .spawn(move || run(&own, &shared))?;
        Ok(Self { state })
    }

    /// Whether it has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        let state = lock(&self.state.0);
        state.jobs.is_empty() && !state.busy
    }

    pub(super) fn post(&self, job: Job) {
        lock(&self.state.0).jobs.push_back(job);
        self.state.1.notify_all();
    }

    /// Why the last job failed.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.state.0).trouble.clone()
    }

    /// Waits until it has nothing to do.
    pub(super) fn wait(&self, until: Instant) -> bool {
        let limit = until.saturating_duration_since(Instant::now());
        let (state, changed) = &*self.state;
        let waited = changed.wait_timeout_while(lock(state), limit, |state| {
            !state.jobs.is_empty() || state.busy
        });
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.jobs.is_empty() && !state.busy && state.trouble.is_none()
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        lock(&self.state.0).over = true;
        self.state.1.notify_all();
    }
}

fn run(state: &(Mutex<State>, Condvar), shared: &Shared) {
    let (state, changed) = state;
    let mut wait = Duration::from_millis(50);
    let mut guard = lock(state);
    loop {
        let Some(job) = guard.jobs.pop_front() else {
            if guard.over {
                return;
            }
            guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        guard.busy = true;
        drop(guard);
        let done = job.run();
        guard = lock(state);
        guard.busy = false;
        match done {
            Ok(()) => {
                guard.trouble = None;
                wait = Duration::from_millis(50);
                shared
                    .tally
                    .syncs
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            Err(error) => {
                guard.trouble = Some(format!("cannot bring the audit log to the disk: {error}"));
                // The newer job, if there is one, stands for this one too when it is about the same file.
                let newer = guard
                    .jobs
                    .iter()
                    .any(|other| Arc::ptr_eq(&other.file, &job.file));
                if !newer {
                    guard.jobs.push_front(job);
                }
                if guard.over {
                    return;
                }
                let waited = changed.wait_timeout(guard, wait);
                guard = waited.unwrap_or_else(PoisonError::into_inner).0;
                wait = (wait * 2).min(Duration::from_secs(2));
            }
        }
        shared.unpark();
        changed.notify_all();
    }
}

impl Job {
    fn run(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if let Some(dir) = &self.dir {
            dir.sync_all()?;
        }
        if let Some((file, head)) = &self.head {
            head.write(file)?;
        }
        Ok(())
    }
}
