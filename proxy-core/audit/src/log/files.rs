//! The files of a log that is being written: when the next one begins, which old ones go, and what to do when somebody
//! takes them away.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
};

use super::{
    AuditError, Keep, Rotate,
    open::{self, Current, Opened},
    output::{Shelf, object},
    sync::{Job, Syncer},
};
use crate::{
    Actor, AdminEvent, Value,
    chain::{self, Chain},
    files::{self, HEAD, Head, LOCK, LogFile},
    kinds,
    scribe::Scribe,
    time::Micros,
};

pub(super) struct Files {
    pub(super) dir: PathBuf,
    pub(super) current: Current,
    /// The file that follows, once the last line of the current one is written.
    pub(super) next: Option<Current>,
    /// Whether something was written that is not on the disk.
    pub(super) dirty: bool,
    rotate: Rotate,
    keep: Keep,
    head: Shelf,
    /// What it says, or soon will; none when it said nothing that could be read.
    said: Option<Head>,
    /// Held for as long as the log is written.
    lock: File,
    /// Old files that go as soon as the line that says so is written.
    doomed: Vec<LogFile>,
    /// Whether old files are to be looked for.
    look_for_old: bool,
    /// Whether the directory has a name in it that is not on the disk.
    dir_dirty: bool,
}

impl Files {
    /// The files of an opened log, and the line that the file begins with when it is a new one.
    pub(super) fn new(
        dir: PathBuf,
        rotate: Rotate,
        keep: Keep,
        opened: Opened,
        scribe: &mut Scribe,
        now: Micros,
    ) -> Result<(Self, Option<Vec<u8>>), AuditError> {
        let Opened {
            lock,
            head,
            said,
            chain,
            last,
            number,
            last_name,
            ..
        } = opened;
        let (current, first) = match last {
            Some(current) => (current, None),
            None => {
                let meta = LogFile::new(number + 1, now);
                let path = meta.path(&dir);
                let line = start_line(scribe, &meta.name, &last_name, &chain, now);
                let current =
                    Current::create(&dir, meta, now).map_err(AuditError::io("make", path))?;
                (current, Some(line))
            }
        };
        let files = Self {
            dir,
            current,
            next: None,
            dirty: false,
            rotate,
            keep,
            head,
            said,
            lock,
            doomed: Vec::new(),
            look_for_old: true,
            dir_dirty: true,
        };
        Ok((files, first))
    }

    // === rotation ===

    pub(super) fn is_full(&self, now: Micros) -> bool {
        let age = u128::from(now.since(self.current.began));
        // A file with nothing in it but its first line is as good as a new one.
        self.current.lines > 1
            && (self.current.bytes >= self.rotate.bytes || age >= self.rotate.every.as_micros())
    }

    pub(super) fn create_next(&self, now: Micros) -> Result<Current, String> {
        let meta = LogFile::new(self.current.meta.number + 1, now);
        let path = meta.path(&self.dir);
        Current::create(&self.dir, meta, now)
            .map_err(|error| format!("cannot make `{}`: {error}", path.display()))
    }

    pub(super) fn end_line(&self, scribe: &mut Scribe, now: Micros) -> Vec<u8> {
        let text = now.text();
        let (from, to) = self.current.span.unwrap_or((text, text));
        let (from, to) = (from.min(text), to.max(text));
        let event = AdminEvent::new(&kinds::FILE_END, now, Actor::default())
            .with("file", Value::Text(&self.current.meta.name))
            .with("lines", Value::Number(self.current.lines + 1))
            .with("from", Value::Bytes(&from))
            .with("to", Value::Bytes(&to));
        line(scribe, &event)
    }

    /// Goes on with the next file: the line that it begins with.
    pub(super) fn switch(
        &mut self,
        scribe: &mut Scribe,
        chain: &Chain,
        now: Micros,
    ) -> Option<Vec<u8>> {
        let next = self.next.take()?;
        let line = start_line(scribe, &next.meta.name, &self.current.meta.name, chain, now);
        self.current = next;
        self.dir_dirty = true;
        self.look_for_old = true;
        Some(line)
    }

    /// Removes what the line says that was written before, and says in a line what is to go next.
    pub(super) fn retire(
        &mut self,
        scribe: &mut Scribe,
        now: Micros,
    ) -> Result<Option<Vec<u8>>, String> {
        while let Some(file) = self.doomed.last() {
            let path = file.path(&self.dir);
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // It is looked for again when the next file begins.
                Err(_) => {
                    self.doomed.clear();
                    break;
                }
            }
            self.doomed.pop();
        }
        if !std::mem::take(&mut self.look_for_old) {
            return Ok(None);
        }
        let Ok(all) = files::list(&self.dir) else {
            return Ok(None);
        };
        let old = self.old(&all, now);
        let Some(last) = old.last() else {
            return Ok(None);
        };
        let end = last_chain(&last.path(&self.dir));
        let names: Vec<&str> = old.iter().map(|file| &*file.name).collect();
        let link = end.map(|end| chain::hex(&end.link)).unwrap_or_default();
        let event = AdminEvent::new(&kinds::FILES_REMOVED, now, Actor::default())
            .with("files", Value::List(&names))
            .with("last_seq", Value::Number(end.map_or(0, |end| end.seq)))
            .with("last_chain", Value::Text(&link));
        let line = line(scribe, &event);
        self.doomed = old.into_iter().rev().cloned().collect();
        Ok(Some(line))
    }

    /// Files from the oldest on that are too many or too old.
    fn old<'a>(&self, all: &'a [LogFile], now: Micros) -> Vec<&'a LogFile> {
        let before = |file: &&LogFile| file.number < self.current.meta.number;
        let finished: Vec<&LogFile> = all.iter().filter(before).collect();
        let most = self.keep.files.unwrap_or(usize::MAX).max(1);
        let too_many = (finished.len() + 1).saturating_sub(most);
        let too_old = self.keep.age.map_or(0, |age| {
            let is_old = |file: &&&LogFile| {
                let written = fs::metadata(file.path(&self.dir)).map(|found| found.mtime());
                written.is_ok_and(|written| {
                    u128::from(now.since(Micros::from_seconds(written))) > age.as_micros()
                })
            };
            finished.iter().take_while(is_old).count()
        });
        finished.into_iter().take(too_many.max(too_old)).collect()
    }

    // === the disk ===

    /// Has what was written brought to the disk.
    pub(super) fn sync(&mut self, syncer: &Syncer, chain: &Chain, now: Micros, at_once: bool) {
        if !self.dirty || (!at_once && !syncer.is_idle()) {
            return;
        }
        let dir = if self.dir_dirty {
            File::open(&self.dir).ok()
        } else {
            None
        };
        let head = Head::new(&self.current.meta.name, self.current.bytes, chain, now);
        self.said = Some(head.clone());
        syncer.post(Job {
            file: self.current.file.clone(),
            head: Some((self.head.clone(), head)),
            dir,
        });
        self.dir_dirty = false;
        self.dirty = false;
    }

    /// The same at the end, where `lost` events could not be written: `chain` is that of the last line that is written to its
    /// end, and `part` bytes of another follow it, which is one of those that are lost and is taken out. With no such line in
    /// this file, or none that the head may name, it goes on saying how far the log is what it said.
    pub(super) fn sync_end(
        &mut self,
        syncer: &Syncer,
        (chain, part): (Chain, u64),
        moves: bool,
        lost: u64,
        now: Micros,
    ) {
        let bytes = self.current.bytes.saturating_sub(part);
        let file = &self.current.file;
        let there = file.metadata().map_or(0, |there| there.len());
        if part > 0 && there == self.current.bytes && file.set_len(bytes).is_ok() {
            self.current.bytes = bytes;
        }
        if moves && bytes > 0 {
            self.said = Some(Head::new(&self.current.meta.name, bytes, &chain, now));
        }
        let said = self.said.as_mut().map(|said| {
            said.lost = lost;
            (self.head.clone(), said.clone())
        });
        syncer.post(Job {
            file: self.current.file.clone(),
            head: said,
            dir: File::open(&self.dir).ok(),
        });
    }

    /// Looks whether the file is still the one that is in the directory: what to record when it was not, and why it
    /// could not be set right.
    pub(super) fn check(
        &mut self,
        scribe: &mut Scribe,
        now: Micros,
    ) -> Result<Vec<Vec<u8>>, String> {
        let mut lines = Vec::new();
        let path = self.current.meta.path(&self.dir);
        let why =
            |what: &str, error: &io::Error| format!("cannot {what} `{}`: {error}", path.display());
        let own = self
            .current
            .file
            .metadata()
            .map_err(|error| why("look at", &error))?;
        let there = match fs::metadata(&path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(why("look at", &error)),
        };
        let same = |there: &fs::Metadata| (there.ino(), there.dev()) == (own.ino(), own.dev());
        if !there.as_ref().is_some_and(same) {
            self.restore(there.is_some(), now)
                .map_err(|error| why("restore", &error))?;
            let event = AdminEvent::new(&kinds::FILE_RESTORED, now, Actor::default())
                .with("file", Value::Text(&self.current.meta.name))
                .with("bytes", Value::Number(self.current.bytes));
            lines.push(line(scribe, &event));
        } else if own.len() != self.current.bytes {
            let error = format!(
                "{} bytes were written, and the file has {}",
                self.current.bytes,
                own.len()
            );
            let event = AdminEvent::new(&kinds::LOG_DAMAGED, now, Actor::default())
                .with("file", Value::Text(&self.current.meta.name))
                .with("error", Value::Text(&error));
            lines.push(line(scribe, &event));
            self.current.bytes = own.len();
        }
        if !self.dir.join(HEAD).exists() {
            self.head = Head::open(&self.dir)
                .map_err(|error| why("make the head beside", &error))?
                .into();
            self.dirty = true;
        }
        Ok(lines)
    }

    /// Makes the file again from what is still open of it.
    fn restore(&mut self, taken: bool, now: Micros) -> io::Result<()> {
        open::directory_again(&self.dir).map_err(io::Error::other)?;
        let mut meta = self.current.meta.clone();
        if taken {
            let newest = files::list(&self.dir)?.last().map_or(0, |file| file.number);
            meta = LogFile::new(newest.max(meta.number) + 1, now);
        }
        if !self.dir.join(LOCK).exists() {
            self.lock = open::lock(&self.dir).map_err(io::Error::other)?;
        }
        let path = meta.path(&self.dir);
        let new = Current::create(&self.dir, meta, now)?;
        let mut old = &*self.current.file;
        let copied = old
            .rewind()
            .and_then(|()| io::copy(&mut old.take(self.current.bytes), &mut &*new.file));
        match copied {
            Ok(bytes) => {
                self.current.meta = new.meta;
                self.current.file = new.file;
                self.current.bytes = bytes;
                self.dirty = true;
                self.dir_dirty = true;
                Ok(())
            }
            Err(error) => {
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }
}

fn start_line(
    scribe: &mut Scribe,
    name: &str,
    previous: &str,
    chain: &Chain,
    now: Micros,
) -> Vec<u8> {
    let link = chain::hex(&chain.link);
    let event = AdminEvent::new(&kinds::FILE_START, now, Actor::default())
        .with("file", Value::Text(name))
        .with("previous_file", Value::Text(previous))
        .with("previous_chain", Value::Text(&link));
    line(scribe, &event)
}

/// An event as an object without its end.
pub(super) fn line(scribe: &mut Scribe, event: &AdminEvent<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    scribe.admin(&mut out, event);
    object(&out).to_vec()
}

/// The place in the log of a file's last whole line.
fn last_chain(path: &std::path::Path) -> Option<Chain> {
    let mut file = files::read(path).ok()?;
    let len = file.metadata().ok()?.len();
    let mut tail = Vec::new();
    file.seek(io::SeekFrom::Start(len.saturating_sub(64 << 10)))
        .ok()?;
    file.read_to_end(&mut tail).ok()?;
    let whole = tail.strip_suffix(b"\n")?;
    let start = memchr::memrchr(b'\n', whole).map_or(0, |at| at + 1);
    chain::parts(whole.get(start..)?).map(|(_, chain)| chain)
}
