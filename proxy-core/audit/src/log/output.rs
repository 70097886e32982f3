//! Where lines go: what was chained and is not yet written, and the file or pipe that takes it.
//!
//! Nothing here forgets bytes: what could not be written is tried again from where it stopped, in the middle of a line
//! if need be.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd as _,
    sync::Arc,
};

use super::{files::Files, sync::Syncer};
use crate::{
    chain::{self, Chain},
    scribe::Scribe,
    time::Micros,
};

pub(super) struct Output {
    pub(super) chain: Chain,
    /// The chain when all was written the last time.
    clear: Chain,
    /// Chained lines, of which `sent` bytes are written.
    out: Vec<u8>,
    sent: usize,
    pub(super) to: To,
}

pub(super) enum To {
    Stdout(File),
    Files(Box<Files>),
}

/// What a write did.
#[derive(Default)]
pub(super) struct Wrote {
    pub(super) bytes: u64,
    pub(super) calls: u64,
}

impl Output {
    pub(super) fn stdout() -> io::Result<Self> {
        let out = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::new(Chain::default(), To::Stdout(File::from(out))))
    }

    pub(super) const fn new(chain: Chain, to: To) -> Self {
        Self {
            chain,
            clear: chain,
            out: Vec::new(),
            sent: 0,
            to,
        }
    }

    /// Chains a line, made of an object without its end.
    pub(super) fn append(&mut self, object: &[u8]) {
        if let To::Files(files) = &mut self.to {
            files.current.saw(object);
        }
        self.chain.append(object, &mut self.out);
    }

    /// Whether all is written.
    pub(super) fn is_clear(&self) -> bool {
        self.sent == self.out.len()
    }

    /// Writes what is there; all of it, or as much as can be.
    pub(super) fn write(&mut self, wrote: &mut Wrote) -> Result<(), String> {
        while self.sent < self.out.len() {
            let rest = self.out.get(self.sent..).unwrap_or(&[]);
            let result = match &mut self.to {
                To::Stdout(file) => file.write(rest),
                To::Files(files) => (&*files.current.file).write(rest),
            };
            match result {
                Ok(0) => return Err(self.failed(&io::ErrorKind::WriteZero.into())),
                Ok(bytes) => {
                    self.sent += bytes;
                    wrote.bytes += bytes as u64;
                    wrote.calls += 1;
                    if let To::Files(files) = &mut self.to {
                        files.current.bytes += bytes as u64;
                        files.dirty = true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        self.out.clear();
        self.clear = self.chain;
        self.sent = 0;
        // One flood of long statements is not to be paid for as long as muster runs.
        if self.out.capacity() > (4 << 20) {
            self.out.shrink_to(1 << 20);
        }
        Ok(())
    }

    /// The chain of the last line that is written to its end, and the bytes of another that are written after it.
    pub(super) fn written(&self) -> (Chain, u64) {
        let sent = self.out.get(..self.sent).unwrap_or(&[]);
        let (lines, part) = sent.split_at(memchr::memrchr(b'\n', sent).map_or(0, |at| at + 1));
        let last = lines.strip_suffix(b"\n").and_then(|lines| {
            let start = memchr::memrchr(b'\n', lines).map_or(0, |at| at + 1);
            chain::parts(lines.get(start..)?)
        });
        (
            last.map_or(self.clear, |(_, chain)| chain),
            part.len() as u64,
        )
    }

    /// Chained lines that are not written to their end.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = &[u8]> {
        let sent = self.out.get(..self.sent).unwrap_or(&[]);
        let start = memchr::memrchr(b'\n', sent).map_or(0, |at| at + 1);
        let lines = self.out.get(start..).unwrap_or(&[]);
        lines.split_inclusive(|byte| *byte == b'\n')
    }

    fn failed(&self, error: &io::Error) -> String {
        match &self.to {
            To::Stdout(_) => format!("cannot write to standard output: {error}"),
            To::Files(files) => {
                let path = files.current.meta.path(&files.dir);
                format!("cannot write `{}`: {error}", path.display())
            }
        }
    }

    /// Begins the next file when it is time. To be called when all is written.
    pub(super) fn turn(
        &mut self,
        scribe: &mut Scribe,
        now: Micros,
        syncer: &Syncer,
    ) -> Result<(), String> {
        let chain = self.chain;
        let To::Files(files) = &mut self.to else {
            return Ok(());
        };
        if files.next.is_none() && files.is_full(now) {
            let next = files.create_next(now)?;
            let line = files.end_line(scribe, now);
            files.next = Some(next);
            self.append(&line);
            return Ok(());
        }
        if files.next.is_some() {
            files.sync(syncer, &chain, now, true);
            if let Some(line) = files.switch(scribe, &chain, now) {
                self.append(&line);
            }
            return Ok(());
        }
        if let Some(line) = files.retire(scribe, now)? {
            self.append(&line);
        }
        Ok(())
    }
}

/// The bytes of an object that a scribe wrote, without the newline.
pub(super) fn object(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// What is shared with the thread that syncs.
pub(super) type Shelf = Arc<File>;
