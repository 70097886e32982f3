//! The thread that writes the log.
//!
//! It takes all that is queued every two milliseconds, chains it and writes it with one call. While it cannot write it
//! takes nothing more, so that the queues fill and those who write are told.

use std::{
    sync::{
        Arc,
        atomic::{Ordering, fence},
    },
    thread,
    time::{Duration, Instant},
};

use rtrb::Consumer;
use serde_json::{Map, Value as Json};

use super::{
    files,
    output::{Output, To, Wrote, object},
    shared::{Shared, Stop, lock},
    sync::Syncer,
};
use crate::{Actor, AdminEvent, Kind, Value, kinds, read::lines, scribe::Scribe};

/// How long it collects between two writes.
const COLLECT: Duration = Duration::from_millis(2);
/// Bytes that are taken from a queue at once, so that they are still in the processor's cache when they are hashed and
/// written. A longer line is taken as a whole.
const PIECE: usize = 128 << 10;
/// Pieces that are taken before it looks after other things.
const PIECES: usize = 64;
/// How often it looks whether its file is still there, and brings it to the disk, while there is something to do.
const LOOK: Duration = Duration::from_secs(1);
/// How often it looks when there is nothing to do.
const IDLE: Duration = Duration::from_secs(30);

pub(super) struct Writer {
    shared: Arc<Shared>,
    output: Output,
    scribe: Scribe,
    syncer: Syncer,
    sync_every: Duration,
    pens: Vec<Consumer<u8>>,
    /// What was taken from the queues, queue by queue, and where each one's part ends.
    taken: Vec<u8>,
    ends: Vec<usize>,
    /// Whether there is more in a queue than was taken.
    more: bool,
    synced: Instant,
    looked: Instant,
    retry: Duration,
    /// Why the file is not where it should be.
    lost: Option<String>,
    /// When to try again to begin the next file.
    turn_again: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        output: Output,
        scribe: Scribe,
        syncer: Syncer,
        sync_every: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            shared,
            output,
            scribe,
            syncer,
            sync_every,
            pens: Vec::new(),
            taken: Vec::new(),
            ends: Vec::new(),
            more: false,
            synced: now,
            looked: now,
            retry: COLLECT,
            lost: None,
            turn_again: None,
        }
    }

    pub(super) fn run(mut self) {
        self.shared.is_written_by(thread::current());
        let mut failing = None;
        loop {
            let question = self.shared.asked.load(Ordering::SeqCst);
            let stop = self.shared.stop();
            let took = self.round();
            let now = Instant::now();
            failing = took.is_err().then(|| failing.unwrap_or(now));
            let given_up = |stop: Stop| {
                now >= stop.until || failing.is_some_and(|since| now - since >= stop.again)
            };
            match (took, stop) {
                (Ok(true), _) if self.more => {}
                (Ok(true), _) => thread::park_timeout(COLLECT),
                (Ok(false), Some(stop)) => return self.finish(stop.until),
                (Ok(false), None) => {
                    self.shared.answer(question);
                    self.sleep();
                }
                (Err(()), Some(stop)) if given_up(stop) => return self.finish(stop.until),
                (Err(()), _) => {
                    thread::park_timeout(self.retry);
                    self.retry = (self.retry * 2).min(LOOK);
                }
            }
        }
    }

    /// Writes what waits, then takes what is queued and writes that: whether there was any.
    fn round(&mut self) -> Result<bool, ()> {
        self.upkeep();
        let mut took = false;
        let mut trouble = None;
        let mut wrote = Wrote::default();
        self.more = false;
        for _ in 0..PIECES {
            if let Err(error) = self.output.write(&mut wrote) {
                trouble = Some(error);
                break;
            }
            self.turn();
            // Lines may have followed from lines: of a file that ends and the next that begins.
            if self.output.is_clear() {
                if took && !self.more {
                    break;
                }
                if !self.take() {
                    break;
                }
                took = true;
            }
        }
        let tally = &self.shared.tally;
        tally.bytes.fetch_add(wrote.bytes, Ordering::Relaxed);
        tally.writes.fetch_add(wrote.calls, Ordering::Relaxed);
        let trouble = trouble
            .or_else(|| self.lost.clone())
            .or_else(|| self.syncer.trouble());
        if let Some((why, since)) = self.shared.is(trouble.as_deref()) {
            let event = AdminEvent::new(&kinds::LOG_RECOVERED, self.shared.now(), Actor::default())
                .with("error", Value::Text(&why))
                .with("start_time", Value::Time(since))
                .with("end_time", Value::Time(self.shared.now()));
            let line = files::line(&mut self.scribe, &event);
            self.output.append(&line);
            took = true;
        }
        if !self.output.is_clear() && trouble.is_some() {
            return Err(());
        }
        self.retry = COLLECT;
        Ok(took)
    }

    /// Goes on with the next file when it is time. Where there can be none the old one goes on being written, and it
    /// is tried again.
    fn turn(&mut self) {
        let now = Instant::now();
        if self.turn_again.is_some_and(|at| now < at) {
            return;
        }
        let turned = self
            .output
            .turn(&mut self.scribe, self.shared.now(), &self.syncer);
        self.turn_again = turned.is_err().then(|| now + LOOK);
        *lock(&self.shared.warning) = turned.err();
    }

    /// What is done now and then: looks after the file, and has it brought to the disk.
    fn upkeep(&mut self) {
        let now = Instant::now();
        if now - self.looked >= LOOK {
            self.looked = now;
            if let To::Files(files) = &mut self.output.to {
                match files.check(&mut self.scribe, self.shared.now()) {
                    Ok(lines) => {
                        self.lost = None;
                        for line in lines {
                            if lines::is(&line, &kinds::LOG_DAMAGED) {
                                let what = "a file was changed while it was being written";
                                lock(&self.shared.damage).get_or_insert_with(|| what.to_owned());
                            }
                            self.output.append(&line);
                        }
                    }
                    Err(error) => self.lost = Some(error),
                }
            }
        }
        if now - self.synced >= self.sync_every && self.output.is_clear() {
            self.synced = now;
            let chain = self.output.chain;
            if let To::Files(files) = &mut self.output.to {
                files.sync(&self.syncer, &chain, self.shared.now(), false);
            }
        }
    }

    fn sleep(&mut self) {
        self.shared.falls_asleep();
        if !self.has_waiting() && self.shared.stop().is_none() {
            let dirty = matches!(&self.output.to, To::Files(files) if files.dirty);
            thread::park_timeout(if dirty { self.sync_every } else { IDLE });
        }
        self.shared.is_awake();
    }

    fn has_waiting(&self) -> bool {
        self.pens.iter().any(|pen| pen.slots() > 0)
            || !lock(&self.shared.new_pens).is_empty()
            || !lock(&self.shared.admin).waiting.is_empty()
            || self.shared.skipped.load(Ordering::Relaxed) > 0
    }

    /// Takes all that is queued and chains it, by time as far as that can be had without waiting.
    fn take(&mut self) -> bool {
        self.pens.append(&mut lock(&self.shared.new_pens));
        self.taken.clear();
        self.ends.clear();
        let (taken, ends) = (&mut self.taken, &mut self.ends);
        let mut more = false;
        {
            let mut admin = lock(&self.shared.admin);
            if !admin.waiting.is_empty() {
                taken.append(&mut admin.waiting);
                ends.push(taken.len());
                self.shared.room.notify_all();
            }
        }
        self.pens.retain_mut(|pen| {
            // Asked before the queue is emptied: what a pen wrote before it was dropped is in the queue.
            let dropped = pen.is_abandoned();
            fence(Ordering::Acquire);
            let there = pen.slots();
            let took = piece(pen, there, taken);
            if took > 0 {
                ends.push(taken.len());
            }
            more |= took < there;
            !dropped || took < there
        });
        self.more = more;
        let skipped = self.shared.skipped.swap(0, Ordering::Relaxed);
        if skipped > 0 {
            let event = AdminEvent::new(&kinds::LOG_SKIPPED, self.shared.now(), Actor::default())
                .with("count", Value::Number(skipped));
            self.output.append(&files::line(&mut self.scribe, &event));
        }
        let events = self.chain() + u64::from(skipped > 0);
        self.shared
            .tally
            .events
            .fetch_add(events, Ordering::Relaxed);
        if self.taken.capacity() > (4 << 20) {
            self.taken = Vec::new();
        }
        events > 0
    }

    /// Chains what was taken: always the line that is the earliest of those that are first in their queues.
    fn chain(&mut self) -> u64 {
        let mut start = 0;
        let mut queues: Vec<&[u8]> = Vec::with_capacity(self.ends.len());
        for end in &self.ends {
            queues.push(self.taken.get(start..*end).unwrap_or(&[]));
            start = *end;
        }
        let mut events = 0;
        loop {
            let firsts = queues.iter_mut().filter(|queue| !queue.is_empty());
            let Some(queue) = firsts.min_by(|a, b| lines::time(a).cmp(&lines::time(b))) else {
                return events;
            };
            let len = memchr::memchr(b'\n', queue).map_or(queue.len(), |at| at + 1);
            let (line, rest) = queue.split_at(len);
            self.output.append(object(line));
            *queue = rest;
            events += 1;
        }
    }

    /// Ends the log, as well as it can be until then.
    fn finish(mut self, until: Instant) {
        let mut wrote = Wrote::default();
        if self.output.write(&mut wrote).is_ok() {
            self.take();
        }
        let waiting = self.waiting();
        if self.output.write(&mut wrote).is_ok() && waiting == 0 {
            let pid = u64::from(std::process::id());
            let event = AdminEvent::new(&kinds::LOG_STOP, self.shared.now(), Actor::default())
                .with("pid", Value::Number(pid));
            let line = files::line(&mut self.scribe, &event);
            self.output.append(&line);
        }
        let whole = self.output.write(&mut wrote).is_ok() && waiting == 0;
        let lost = waiting + self.output.unwritten().map(events).sum::<u64>();
        // What could not be said now is to be found again by the next start: the head stays as it was found.
        let damaged = (self.output.unwritten()).any(|line| lines::is(line, &kinds::LOG_DAMAGED));
        let (chain, written) = (self.output.chain, self.output.written());
        if let To::Files(files) = &mut self.output.to {
            let now = self.shared.now();
            if whole {
                files.sync(&self.syncer, &chain, now, true);
            } else {
                files.sync_end(&self.syncer, written, !damaged, lost, now);
            }
            self.syncer.wait(until.max(Instant::now() + LOOK));
        }
        // Whoever is told that it has ended may open it again.
        let shared = self.shared.clone();
        drop(self);
        shared.has_ended(lost);
    }

    /// How many events are queued that nobody will take any more.
    fn waiting(&mut self) -> u64 {
        let lines = |part: &[u8]| memchr::memchr_iter(b'\n', part).count() as u64;
        let mut waiting = self.shared.skipped.swap(0, Ordering::Relaxed);
        let mut admin = lock(&self.shared.admin);
        admin.over = true;
        waiting += lines(&admin.waiting);
        drop(admin);
        self.pens.append(&mut lock(&self.shared.new_pens));
        for pen in &mut self.pens {
            if let Ok(chunk) = pen.read_chunk(pen.slots()) {
                let (one, two) = chunk.as_slices();
                waiting += lines(one) + lines(two);
            }
        }
        waiting
    }
}

/// How many events are lost with a line that is not written. What the log says of its own beginning, end and files is none,
/// and of its damage it says again.
fn events(line: &[u8]) -> u64 {
    const OWN: [&Kind; 7] = [
        &kinds::LOG_START,
        &kinds::LOG_STOP,
        &kinds::LOG_DAMAGED,
        &kinds::LOG_RECOVERED,
        &kinds::FILE_START,
        &kinds::FILE_END,
        &kinds::FILES_REMOVED,
    ];
    if lines::is(line, &kinds::LOG_SKIPPED) {
        let event: Option<Map<String, Json>> = serde_json::from_slice(line).ok();
        let count = event.and_then(|event| event.get("count")?.as_u64());
        return count.unwrap_or(1);
    }
    u64::from(!OWN.iter().any(|kind| lines::is(line, kind)))
}

/// Takes whole lines from a queue that has so many bytes: how many were taken.
fn piece(pen: &mut Consumer<u8>, there: usize, taken: &mut Vec<u8>) -> usize {
    let start = taken.len();
    for most in [PIECE, there] {
        let Ok(chunk) = pen.read_chunk(there.min(most)) else {
            return 0;
        };
        let (one, two) = chunk.as_slices();
        taken.extend_from_slice(one);
        taken.extend_from_slice(two);
        let read = taken.get(start..).unwrap_or(&[]);
        if let Some(last) = memchr::memrchr(b'\n', read) {
            taken.truncate(start + last + 1);
            chunk.commit(last + 1);
            return last + 1;
        }
        taken.truncate(start);
    }
    0
}
