//! What people and programs ask for, in the order in which they ask. Nothing of it holds the loop up: what takes
//! long goes on beside it.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use muster_discovery::{Scanner, run_one};
use muster_model::{Scan, Scope};
use tokio::{sync::mpsc, time::timeout};

use super::{
    Next, SCAN_LIMIT, Service,
    keeper::{Answer, Did, Job, Trouble},
    reload::Request,
};
use crate::service::{
    engine::Taken,
    handle::{Command, Reading, Refused, RefusedKind, Reply},
};

/// What waits until everybody who was asked which scopes there are has answered.
pub(super) enum Later {
    /// Somebody wants to read.
    Read {
        scopes: Vec<Scope>,
        reply: Reply<Reading>,
    },
    /// The waiter of this number wants all scans.
    Scan(u64),
}

/// How many may read the clouds for themselves at once.
const MAX_READINGS: usize = 4;
/// How many scopes each of them reads at once.
const READ_AT_ONCE: usize = 8;
/// How long a reader may take to take one scan.
const READER_PATIENCE: Duration = Duration::from_secs(5 * 60);

impl Service {
    pub(super) fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::ScanNow { scopes, reply } => self.scan_now(scopes, reply),
            Command::Read { scopes, reply } => self.ask_to_read(scopes, reply),
            Command::Reload { by, dry_run, reply } => {
                self.ask_for_reload(Request::by_command(by, dry_run, reply));
            }
            Command::Apply {
                writes,
                expected,
                by,
                reply,
            } => match self.not_now() {
                // Who asked may have gone, here and below.
                Some(refused) => drop(reply.send(Err(refused))),
                None => self.keeper.send(Job::Apply {
                    writes,
                    expected,
                    by,
                    now,
                    reply,
                }),
            },
            Command::Decide {
                plan,
                approve,
                by,
                reply,
            } => match self.not_now() {
                Some(refused) => drop(reply.send(Err(refused))),
                None => self.keeper.send(Job::Decide {
                    plan,
                    approve,
                    by,
                    now,
                    reply,
                }),
            },
            Command::Stop => self.begin_to_end("command"),
        }
    }

    /// The keeper has done something.
    pub(super) fn answered(&mut self, answer: Answer<Next>) {
        self.keeper.answered();
        let Answer { did, books } = answer;
        if let Some(books) = books {
            self.news |= self.board.book(books);
            let now = self.uptime.now();
            self.retries.know(self.board.undecided.keys(), now);
        }
        match did {
            Did::Opened(opened) => self.opened(opened),
            Did::Loaded(Ok(())) => self.is_loaded(),
            Did::Loaded(Err(trouble)) => self.fail(&trouble.lines()),
            Did::Took {
                scope,
                complete,
                took,
                number,
                aside,
                outcome,
            } => self.took(&scope, complete, took, (number, aside), outcome),
            Did::Configured { outcome, then } => self.configured(outcome, then),
            Did::Previewed { outcome, then } => self.previewed(outcome, then),
            Did::Served(outcome) => self.done(outcome),
            Did::Swept(outcome) => {
                self.sweeping = false;
                self.done(outcome);
            }
            Did::AskedAgain(outcome) => {
                self.retries.asked(self.uptime.now());
                self.done(outcome);
            }
            Did::Looked(outcome) => {
                self.looking = false;
                self.done(outcome.map(|()| Taken::default()));
            }
            Did::Closed => {}
        }
    }

    /// The engine has done something, or the store has failed.
    pub(super) fn done(&mut self, outcome: Result<Taken, Trouble>) {
        match outcome {
            Ok(taken) => {
                if taken.judged > 0 || taken.written > 0 || !taken.notices.is_empty() {
                    self.tell_of(&taken);
                }
            }
            Err(Trouble::Store(why)) => self.store_failed(&why),
            // Whoever asked has been told.
            Err(Trouble::Refused(_)) => {}
        }
    }

    fn ask_to_read(&mut self, scopes: Vec<Scope>, reply: Reply<Reading>) {
        if self.ending.is_some() {
            let _ = reply.send(Err(super::failure::ending()));
            return;
        }
        let readable = |scope: &Scope| self.known.scanners.contains_key(scope);
        let fresh = match scopes.is_empty() {
            true => self.is_fresh(),
            false => scopes.iter().all(readable),
        };
        // While the store cannot be used nobody is asked which scopes there are.
        if fresh || self.stuck.is_some() {
            self.read(scopes, reply);
        } else {
            self.later.push(Later::Read { scopes, reply });
            self.resolve_soon();
        }
    }

    /// Reads scopes for somebody, beside the queue, with slots of its own. Nothing is remembered.
    pub(super) fn read(&mut self, scopes: Vec<Scope>, reply: Reply<Reading>) {
        if self.readings.len() >= MAX_READINGS {
            let _ = reply.send(Err(Refused {
                kind: RefusedKind::Unavailable,
                what: "cannot read the clouds now".to_owned(),
                why: vec![format!("{MAX_READINGS} others are reading them")],
                hint: Some("try again when one of them has ended".to_owned()),
            }));
            return;
        }
        let all = scopes.is_empty();
        let wanted = match self.named(scopes) {
            Ok(wanted) => wanted,
            Err(refused) => {
                let _ = reply.send(Err(refused));
                return;
            }
        };
        let (readable, unread): (Vec<_>, Vec<_>) = wanted
            .iter()
            .partition(|scope| self.known.scanners.contains_key(*scope));
        let scanners: Vec<Arc<dyn Scanner>> = readable
            .iter()
            .filter_map(|scope| self.known.scanners.get(*scope).cloned())
            .collect();
        let unread: Vec<Scan> = unread
            .iter()
            .filter_map(|scope| self.known.unread.get(*scope).cloned())
            .collect();
        let (sender, scans) = mpsc::channel(1);
        let basis = self.known.basis(wanted.len(), all);
        if reply.send(Ok(Reading { basis, scans })).is_err() {
            return;
        }
        let at_once = self.config.requests.scopes_at_once.clamp(1, READ_AT_ONCE);
        self.readings
            .spawn(read_for(sender, scanners, unread, at_once));
    }
}

/// Reads and hands over, until somebody has had everything, or has gone. What is under way then is broken off.
async fn read_for(
    sender: mpsc::Sender<Scan>,
    scanners: Vec<Arc<dyn Scanner>>,
    unread: Vec<Scan>,
    at_once: usize,
) {
    let reading = stream::iter(scanners)
        .map(|scanner| run_one(scanner, SCAN_LIMIT))
        .buffer_unordered(at_once);
    let mut scans = stream::iter(unread).chain(reading).boxed();
    loop {
        let scan = tokio::select! {
            () = sender.closed() => return,
            scan = scans.next() => scan,
        };
        let Some(scan) = scan else { return };
        if !matches!(
            timeout(READER_PATIENCE, sender.send(scan)).await,
            Ok(Ok(()))
        ) {
            return;
        }
    }
}
