//! Scans: handed to tasks while there are slots, taken in by the engine, told to whoever asked for them.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use muster_discovery::run_one;
use muster_model::{Coverage, Scan, Scope, ScopeRecord};

use super::{
    SCAN_LIMIT, Service,
    commands::Later,
    keeper::{self, Job, Trouble},
};
use crate::{
    pipeline::run_id,
    service::{
        engine::Taken,
        handle::{Aside, Refused, RefusedKind, Reply, ScopeScan},
        notice::NoticeEvent,
    },
};

/// A scan that has ended.
pub(super) struct Ended {
    scan: Scan,
    took: Duration,
}

/// Somebody who waits for scans.
pub(super) struct Waiter {
    number: u64,
    /// The run of each scope that is the first to count; none for one that cannot be scanned before somebody has
    /// answered who was asked anew.
    pending: BTreeMap<Arc<Scope>, Option<u64>>,
    /// Whether scopes may come that are not known yet.
    resolving: bool,
    /// All scopes, not named ones.
    all: bool,
    done: Vec<ScopeScan>,
    reply: Option<Reply<Vec<ScopeScan>>>,
}

impl Service {
    /// Whether a scan may begin.
    pub(super) fn may_scan(&self) -> bool {
        self.loaded && self.stuck.is_none() && self.ending.is_none()
    }

    /// Hands out every scope whose turn it is.
    pub(super) fn start_scans(&mut self) {
        if !self.may_scan() {
            return;
        }
        let now = self.uptime.now();
        while let Some(scope) = self.queue.take(now) {
            let Some(scanner) = self.known.scanners.get(&scope) else {
                // The queue knows only those with a scanner.
                self.queue.ended(&scope, false, now);
                continue;
            };
            let scanner = Arc::clone(scanner);
            self.news = true;
            self.scans.spawn(async move {
                let begun = Instant::now();
                let scan = run_one(scanner, SCAN_LIMIT).await;
                Ended {
                    scan,
                    took: begun.elapsed(),
                }
            });
        }
    }

    /// A scan has ended: the engine takes it in, and its slot is free when it has.
    pub(super) fn scanned(&mut self, ended: Ended) {
        let Ended { scan, took } = ended;
        self.metrics.scan_ended(&scan, took);
        self.note_refusal(&scan);
        if self.stuck.is_some() {
            // It cannot be remembered. It is made again as soon as one can.
            let now = self.uptime.now();
            self.queue
                .ended(&scan.scope, scan.coverage.is_complete(), now);
            self.queue.now(&scan.scope, now);
            return;
        }
        let now = self.now();
        let standing = self.queue.standing(&scan.scope);
        let number = standing.map(|standing| standing.runs);
        self.keeper.send(Job::Take(Box::new(keeper::Scanned {
            scan,
            took,
            now,
            run: run_id(now),
            number,
        })));
    }

    /// The engine has taken a scan in, or could not.
    pub(super) fn took(
        &mut self,
        scope: &Arc<Scope>,
        complete: bool,
        took: Duration,
        (number, aside): (Option<u64>, Aside),
        outcome: Result<Taken, Trouble>,
    ) {
        let now = self.uptime.now();
        let ended = number.and_then(|_| self.queue.ended(scope, complete, now));
        self.news = true;
        match outcome {
            Ok(mut taken) => {
                let record = taken.scope.take();
                self.tell_of(&taken);
                if let Some(record) = record {
                    self.log_scan(&record, took, &taken);
                    self.board.scanned(record.clone(), took);
                    self.tell_waiters(ScopeScan { record, aside }, number);
                }
            }
            Err(Trouble::Store(why)) => {
                if number.is_some() {
                    self.queue.now(scope, now);
                }
                self.store_failed(&why);
            }
            Err(Trouble::Refused(refused)) => {
                tracing::error!(%scope, %refused, "a scan was not taken in");
            }
        }
        if ended.is_some_and(|ended| ended.gone) {
            // It ran when nobody asked for it any more, and does not run again.
            self.forget_waiting(std::slice::from_ref(scope));
        }
    }

    /// What was written is counted, logged, and told.
    pub(super) fn tell_of(&mut self, taken: &Taken) {
        self.metrics.taken(taken);
        // How a scope fails is said where its scan is taken in.
        let changes = taken.notices.iter();
        for notice in changes.filter(|notice| notice.event != NoticeEvent::ScopeFailed) {
            tracing::info!(
                event = notice.event.as_str(),
                name = notice.name,
                id = notice.id.as_ref().map(|id| id.as_str()),
                reason = notice.reason,
                would = notice.would,
                safety = notice.safety,
                run = notice.run,
                "change"
            );
        }
        if !taken.notices.is_empty() {
            self.deliverer.wake();
        }
        self.news = true;
    }

    fn log_scan(&self, record: &ScopeRecord, took: Duration, taken: &Taken) {
        let scope = &record.scope;
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let before = self.board.coverage(scope);
        match &record.coverage {
            Coverage::Complete => {
                if before.is_some_and(|before| !before.is_complete()) {
                    tracing::info!(%scope, found = record.found, "a scope can be read again");
                }
                tracing::debug!(%scope, found = record.found, judged = taken.judged, milliseconds, "scope scanned");
            }
            coverage => {
                let reasons: Vec<String> = coverage
                    .failures()
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                let reasons = reasons.join("; ");
                let row = record.failures_in_a_row;
                // Once is news; the same again and again is not.
                if before == Some(coverage) {
                    tracing::debug!(%scope, coverage = coverage.as_str(), reasons, row, milliseconds, "scope not completely read");
                } else {
                    tracing::warn!(%scope, coverage = coverage.as_str(), reasons, row, milliseconds, "scope not completely read");
                }
            }
        }
    }

    /// Has scopes scanned at once, for somebody who waits.
    pub(super) fn scan_now(&mut self, scopes: Vec<Scope>, reply: Reply<Vec<ScopeScan>>) {
        if let Some(refused) = self.not_now() {
            // Who asked may have gone, here and below.
            let _ = reply.send(Err(refused));
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
        let now = self.uptime.now();
        let pending: BTreeMap<_, _> = wanted
            .into_iter()
            .map(|scope| {
                let run = self.queue.now(&scope, now);
                (scope, run)
            })
            .collect();
        let resolving = (all && !self.is_fresh()) || pending.values().any(Option::is_none);
        self.waits = self.waits.wrapping_add(1);
        let waiter = Waiter {
            number: self.waits,
            pending,
            resolving,
            all,
            done: Vec::new(),
            reply: Some(reply),
        };
        if resolving {
            self.later.push(Later::Scan(waiter.number));
            self.resolve_soon();
        }
        self.waiters.push(waiter);
        self.answer_waiters();
    }

    /// The scopes that are meant, or all.
    pub(super) fn named(&self, scopes: Vec<Scope>) -> Result<Vec<Arc<Scope>>, Refused> {
        if scopes.is_empty() {
            return Ok(self.known.scopes().cloned().collect());
        }
        if let Some(unknown) = scopes.iter().find(|scope| !self.known.contains(scope)) {
            return Err(Refused {
                kind: RefusedKind::NotFound,
                what: format!("cannot scan {unknown}"),
                why: vec!["no source of the configuration asks for it".to_owned()],
                hint: Some("list the scopes with `muster scope ls`".to_owned()),
            });
        }
        Ok(scopes.into_iter().map(Arc::new).collect())
    }

    /// Everybody who was asked has answered: what has come to light since is waited for, too.
    pub(super) fn add_to_waiter(&mut self, number: u64) {
        let now = self.uptime.now();
        let Some(waiter) = self.waiters.iter_mut().find(|w| w.number == number) else {
            return;
        };
        waiter.resolving = false;
        let has = |waiter: &Waiter, scope: &Arc<Scope>| {
            waiter.done.iter().any(|scan| scan.record.scope == *scope)
        };
        for scope in self.known.scanners.keys() {
            let new = match waiter.pending.get(scope) {
                Some(run) => run.is_none(),
                None => waiter.all && !has(waiter, scope),
            };
            if new && let Some(run) = self.queue.now(scope, now) {
                waiter.pending.insert(Arc::clone(scope), Some(run));
            }
        }
        let known = &self.known;
        waiter.pending.retain(|scope, _| known.contains(scope));
        self.answer_waiters();
    }

    /// A scope's scan has ended.
    pub(super) fn tell_waiters(&mut self, scan: ScopeScan, number: Option<u64>) {
        let scope = &scan.record.scope;
        for waiter in &mut self.waiters {
            let counts = match (waiter.pending.get(scope), number) {
                (Some(Some(first)), Some(number)) => number >= *first,
                (Some(None), None) => true,
                _ => false,
            };
            if counts {
                waiter.pending.remove(scope);
                waiter.done.push(scan.clone());
            }
        }
        self.answer_waiters();
    }

    /// Nobody asks for these scopes any more.
    pub(super) fn forget_waiting(&mut self, dropped: &[Arc<Scope>]) {
        for waiter in &mut self.waiters {
            for scope in dropped {
                waiter.pending.remove(scope);
            }
        }
        self.answer_waiters();
    }

    /// Whoever waits is told that it will not come.
    pub(super) fn give_up_waiting(&mut self, refused: &Refused) {
        for later in std::mem::take(&mut self.later) {
            if let Later::Read { reply, .. } = later {
                let _ = reply.send(Err(refused.clone()));
            }
        }
        for waiter in std::mem::take(&mut self.waiters) {
            if let Some(reply) = waiter.reply {
                let _ = reply.send(Err(refused.clone()));
            }
        }
    }

    /// Answers those for whom everything has ended, and forgets those who have gone.
    fn answer_waiters(&mut self) {
        let gone = |waiter: &Waiter| waiter.reply.as_ref().is_none_or(Reply::is_closed);
        self.waiters.retain(|waiter| !gone(waiter));
        let ready = |waiter: &Waiter| waiter.pending.is_empty() && !waiter.resolving;
        if !self.waiters.iter().any(ready) {
            return;
        }
        // Who asks for the status next is to see what has been waited for.
        self.show_now();
        for waiter in &mut self.waiters {
            if ready(waiter)
                && let Some(reply) = waiter.reply.take()
            {
                waiter
                    .done
                    .sort_by(|a, b| a.record.scope.cmp(&b.record.scope));
                let _ = reply.send(Ok(std::mem::take(&mut waiter.done)));
            }
        }
        self.waiters.retain(|waiter| waiter.reply.is_some());
    }
}
