//! The log: who writes into it, and how it is kept.

mod error;
mod files;
mod health;
mod open;
mod output;
mod pen;
mod settings;
mod shared;
mod sync;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    thread,
    time::Duration,
};

use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};
use rtrb::RingBuffer;

pub use self::{
    error::AuditError,
    health::{Health, NotWritten},
    pen::Pen,
    settings::{Keep, Rotate, Settings, Sink},
};
use self::{
    files::Files,
    open::Note,
    output::{Output, To},
    shared::{ADMIN_QUEUE, Clock, Shared, lock},
    sync::Syncer,
    writer::Writer,
};
use crate::{Actor, AdminEvent, Micros, Value, chain, event::Limits, kinds, scribe::Scribe};

/// The audit log. A clone is the same log; the last one that is dropped ends it without waiting, so that
/// [`close`](Self::close) is to be called before.
#[derive(Clone)]
pub struct Log {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    settings: Settings,
    cluster_name: Arc<str>,
    seed: [u8; 16],
    pens: std::sync::atomic::AtomicU64,
}

/// What was counted since the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that the writer took from the queues.
    pub events: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Calls that wrote them.
    pub writes: u64,
    /// Times that they were brought to the disk.
    pub syncs: u64,
}

/// How a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All that was queued is written.
    Whole,
    /// So many events could not be written in time, and are lost.
    Lost(u64),
    /// The writer did not come back in time.
    Unknown,
}

impl Log {
    /// Opens the log where it ended, repairs what a crash left, and starts to write.
    ///
    /// # Errors
    /// [`AuditError`]: another process writes it, or the system does not allow it.
    pub fn open(settings: Settings) -> Result<Self, AuditError> {
        let mut seed = [0; 16];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| AuditError::Random)?;
        Self::open_with(settings, Arc::new(Micros::now), seed)
    }

    /// The same, with a clock for the log's own events and with chance of one's own.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with(
        mut settings: Settings,
        clock: Arc<dyn Fn() -> Micros + Send + Sync>,
        seed: [u8; 16],
    ) -> Result<Self, AuditError> {
        settings.max_statement = settings.max_statement.clamp(256, 1 << 20);
        settings.queue = settings.queue.max(16 * settings.max_statement);
        let cluster_name: Arc<str> = Arc::from(&*settings.cluster_name);
        let scribe = |number| new_scribe(&settings, &cluster_name, seed, number);
        let now = clock();
        let shared = Arc::new(Shared::new(clock as Clock, scribe(0)));
        let mut own = scribe(1);
        let mut output = output(&settings, &mut own, now)?;
        start(&mut output, &mut own, now);
        *lock(&shared.damage) = output.1.iter().find_map(Note::damage);
        let syncer = Syncer::start(shared.clone()).map_err(AuditError::Thread)?;
        let writer = Writer::new(shared.clone(), output.0, own, syncer, settings.sync_every);
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run())
            .map_err(AuditError::Thread)?;
        shared.is_written_by(thread.thread().clone());
        let owner = Owner {
            shared,
            settings,
            cluster_name,
            seed,
            pens: std::sync::atomic::AtomicU64::new(2),
        };
        Ok(Self {
            owner: Arc::new(owner),
        })
    }

    /// A pen, for one worker thread.
    pub fn pen(&self) -> Pen {
        let owner = &*self.owner;
        let number = owner.pens.fetch_add(1, Ordering::Relaxed);
        let scribe = new_scribe(&owner.settings, &owner.cluster_name, owner.seed, number);
        let (queue, out) = RingBuffer::new(owner.settings.queue);
        let mut new = lock(&owner.shared.new_pens);
        new.push(out);
        drop(new);
        Pen::new(owner.shared.clone(), queue, scribe)
    }

    /// Queues an event from outside of sessions. From any thread.
    ///
    /// # Errors
    /// As for [`Pen::write`].
    pub fn emit(&self, event: &AdminEvent<'_>) -> Result<(), NotWritten> {
        self.emit_within(event, Duration::ZERO)
    }

    /// The same, and waits so long for room in the queue: for those who have much to say at once, and may block.
    ///
    /// # Errors
    /// As for [`Pen::write`].
    pub fn emit_within(&self, event: &AdminEvent<'_>, limit: Duration) -> Result<(), NotWritten> {
        let shared = &*self.owner.shared;
        let full = |admin: &mut shared::Admin| admin.waiting.len() >= ADMIN_QUEUE && !admin.over;
        let mut admin = lock(&shared.admin);
        if full(&mut admin) && !limit.is_zero() {
            let waited = shared.room.wait_timeout_while(admin, limit, full);
            admin = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let taken = !full(&mut admin) && !admin.over;
        if taken {
            let shared::Admin {
                scribe, waiting, ..
            } = &mut *admin;
            scribe.admin(waiting, event);
        }
        let over = admin.over;
        drop(admin);
        shared.wake();
        if shared.is_failing() || over {
            return Err(shared.failing(taken));
        }
        if taken { Ok(()) } else { Err(NotWritten::Busy) }
    }

    /// Whether events are being written: one atomic load as long as they are.
    pub fn health(&self) -> Health {
        self.owner.shared.health()
    }

    /// What of the log was not as it was left, as far as that was found since it was opened: the file, and what is wrong with it.
    /// The log has an event of it, and goes on.
    pub fn damage(&self) -> Option<String> {
        lock(&self.owner.shared.damage).clone()
    }

    /// What is not as it should be, while events are written all the same: the next file cannot be begun.
    pub fn warning(&self) -> Option<String> {
        lock(&self.owner.shared.warning).clone()
    }

    /// What was counted.
    pub fn tally(&self) -> Tally {
        let counts = &self.owner.shared.tally;
        Tally {
            events: counts.events.load(Ordering::Relaxed),
            bytes: counts.bytes.load(Ordering::Relaxed),
            writes: counts.writes.load(Ordering::Relaxed),
            syncs: counts.syncs.load(Ordering::Relaxed),
        }
    }

    /// The settings, as they are applied.
    pub fn settings(&self) -> &Settings {
        &self.owner.settings
    }

    /// Waits until all that is queued now is written: false when that takes longer.
    pub fn flush(&self, limit: Duration) -> bool {
        self.owner.shared.flush(limit)
    }

    /// Writes what is queued, brings it to the disk and ends. Pens and clones that are left are told that the log has
    /// ended.
    pub fn close(&self, limit: Duration) -> Ended {
        self.close_trying(limit, limit)
    }

    /// The same, for who does not wait for somebody to make room: since it could not be written, it is tried `again` for so
    /// long only.
    pub fn close_trying(&self, limit: Duration, again: Duration) -> Ended {
        match self.owner.shared.end(limit, again) {
            Some(0) => Ended::Whole,
            Some(lost) => Ended::Lost(lost),
            None => Ended::Unknown,
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let limit = Duration::from_secs(1);
        self.shared.ask_to_end(limit, limit);
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sink = &self.owner.settings.sink;
        f.debug_struct("Log")
            .field("sink", sink)
            .finish_non_exhaustive()
    }
}

fn new_scribe(settings: &Settings, name: &Arc<str>, seed: [u8; 16], number: u64) -> Scribe {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&seed);
    context.update(&number.to_be_bytes());
    let hash = context.finish();
    let mut own = [0; 10];
    for (byte, from) in own.iter_mut().zip(hash.as_ref()) {
        *byte = *from;
    }
    let limits = Limits {
        statement: settings.max_statement,
        mask_literals: settings.mask_literals,
    };
    Scribe::new(own, name.clone(), limits)
}

fn output(
    settings: &Settings,
    scribe: &mut Scribe,
    now: Micros,
) -> Result<(Output, Vec<Note>), AuditError> {
    let dir = match &settings.sink {
        Sink::Stdout => {
            let output = Output::stdout().map_err(AuditError::io("open", "standard output"))?;
            return Ok((output, Vec::new()));
        }
        Sink::File(dir) => dir,
    };
    let mut opened = open::open(dir)?;
    let notes = std::mem::take(&mut opened.notes);
    let chain = opened.chain;
    let (files, first) = Files::new(
        dir.clone(),
        settings.rotate,
        settings.keep,
        opened,
        scribe,
        now,
    )?;
    let mut output = Output::new(chain, To::Files(Box::new(files)));
    if let Some(line) = first {
        output.append(&line);
    }
    Ok((output, notes))
}

/// Records that the log goes on, and what was found.
fn start((output, notes): &mut (Output, Vec<Note>), scribe: &mut Scribe, now: Micros) {
    let event = AdminEvent::new(&kinds::LOG_START, now, Actor::default())
        .with("pid", Value::Number(u64::from(std::process::id())))
        .with("version", Value::Text(env!("CARGO_PKG_VERSION")));
    let line = files::line(scribe, &event);
    output.append(&line);
    for note in notes {
        let line = match note {
            Note::Repaired {
                file,
                bytes,
                payload,
            } => {
                let event = AdminEvent::new(&kinds::LOG_REPAIRED, now, Actor::default())
                    .with("file", Value::Text(file))
                    .with("bytes", Value::Number(*bytes))
                    .with("payload", Value::Bytes(payload));
                files::line(scribe, &event)
            }
            Note::Damaged {
                file,
                error,
                expected,
                found,
            } => {
                let link = found.map(|found| chain::hex(&found.link));
                let mut event = AdminEvent::new(&kinds::LOG_DAMAGED, now, Actor::default())
                    .with("file", Value::Text(file))
                    .with("error", Value::Text(error));
                if let Some((seq, chain)) = expected {
                    event = event
                        .with("expected_seq", Value::Number(*seq))
                        .with("expected_chain", Value::Text(chain));
                }
                if let (Some(found), Some(link)) = (found, &link) {
                    event = event
                        .with("found_seq", Value::Number(found.seq))
                        .with("found_chain", Value::Text(link));
                }
                files::line(scribe, &event)
            }
            Note::Lost(count) => {
                let event = AdminEvent::new(&kinds::LOG_SKIPPED, now, Actor::default())
                    .with("count", Value::Number(*count));
                files::line(scribe, &event)
            }
        };
        output.append(&line);
    }
}
