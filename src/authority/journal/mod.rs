//! The journal: where users, roles, authorities, tokens and locks are kept.
//!
//! One file, to which whole batches are appended. A batch is on the disk when [`Journal::append`] returns, and is there
//! wholly or not at all. It is kept apart from the store of discovery: what is lost of that is found again by the
//! next scan, and what is lost of this is not.
//!
//! | what happened | what is done |
//! |---|---|
//! | the process was killed, the machine lost power | what had not been acknowledged is cut off, and said |
//! | a byte was changed, a part is missing in the middle | an error that names the place; nothing is dropped |
//! | the disk is full | the batch is refused; the next one is tried on a file that was written anew |
//! | the file has become much larger than what it holds | it is written anew beside itself, and takes its place |
//!
//! The records are small and few (one a user, role, token), so all of them are in memory.

mod error;
mod files;
mod frame;
mod held;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

pub use self::error::JournalError;
use self::{
    files::{LOCK, lock, open_file, private_dir, sync_dir},
    frame::{Chain, FILE, Read},
    held::{apply, live, weight},
};

/// The journal's file in its directory.
const NAME: &str = "journal";

/// Where the journal is written anew.
const NEW: &str = "journal.new";

/// The file is written anew when it is larger than this, and than [`GARBAGE`] times what it holds.
const SMALL: u64 = 1 << 20;
const GARBAGE: u64 = 4;

/// The bytes of one frame of a file that is written anew.
const CHUNK: usize = 1 << 20;

/// Which record: a table and a name in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    /// The table.
    pub table: String,
    /// The name in it.
    pub name: String,
}

/// One change of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// It is this from now on.
    Put {
        /// Which.
        #[serde(flatten)]
        id: Id,
        /// What it is.
        value: serde_json::Value,
    },
    /// It is gone.
    Remove {
        /// Which.
        #[serde(flatten)]
        id: Id,
    },
}

/// A record, with the number of the batch that wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Grows with each change of anything, and so differs after each change of this.
    pub revision: u64,
    /// What it is.
    pub value: Arc<serde_json::Value>,
}

/// All records.
pub type Records = BTreeMap<Id, Stored>;

/// What was cut off at the end, because it had not been written whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where the file ends now.
    pub at: u64,
    /// How many bytes there were behind it.
    pub bytes: u64,
}

/// The journal, open: no other process has it.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    file: File,
    length: u64,
    chain: Chain,
    revision: u64,
    records: Records,
    /// The bytes of the records, about.
    live: u64,
    /// A write failed: what is in the file is not known.
    broken: bool,
    cut: Option<Cut>,
    /// Holds a byte once the journal has been begun: that it is gone is then seen.
    lock: File,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    revision: u64,
    ops: Vec<Written>,
}

/// An operation with the revision of what it puts: a file that was written anew keeps them.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(flatten)]
    op: Op,
}

impl Id {
    /// A name in a table.
    pub fn new(table: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            name: name.into(),
        }
    }
}

// === impl Journal ===

impl Journal {
    /// Opens the journal in a directory, or begins one. The directory and its files are made readable by the owner
    /// alone.
    ///
    /// # Errors
    /// [`JournalError::InUse`] while another process has it, [`JournalError::Damaged`] when what was acknowledged cannot
    /// be read, and those of the file system.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        private_dir(dir)?;
        let lock = lock(dir)?;
        let path = dir.join(NAME);
        // What a process that was killed left half-written was never in force.
        match fs::remove_file(dir.join(NEW)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(JournalError::io("remove", &dir.join(NEW))(error));
            }
            _ => {}
        }
        let file = open_file(&path)?;
        let bytes = fs::read(&path).map_err(JournalError::io("read", &path))?;
        let replayed = Replayed::of(&path, &bytes)?;
        if replayed.begins && lock.metadata().is_ok_and(|lock| lock.len() > 0) {
            return Err(JournalError::Damaged {
                path,
                at: 0,
                length: bytes.len() as u64,
                why: "it was begun before, and nothing is left of it".to_owned(),
            });
        }
        let left = (bytes.len() - replayed.end) as u64;
        let mut journal = Self {
            dir: dir.to_owned(),
            file,
            length: replayed.end as u64,
            chain: replayed.chain,
            revision: replayed.revision,
            live: live(&replayed.records),
            records: replayed.records,
            broken: false,
            cut: (left > 0 && replayed.unmarked.is_none()).then_some(Cut {
                at: replayed.end as u64,
                bytes: left,
            }),
            lock,
        };
        let settled = journal.settle(replayed.begins, replayed.unmarked);
        settled.map_err(JournalError::io("write", &path))?;
        sync_dir(dir)?;
        let begun = journal
            .lock
            .set_len(1)
            .and_then(|()| journal.lock.sync_all());
        begun.map_err(JournalError::io("write", &dir.join(LOCK)))?;
        Ok(journal)
    }

    /// Sees to it that the file ends with a whole frame and its mark.
    fn settle(&mut self, begins: bool, unmarked: Option<usize>) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        if begins {
            self.file.write_all(&FILE)?;
            self.length = FILE.len() as u64;
        }
        if let Some(start) = unmarked {
            self.file.write_all(&frame::mark(start))?;
            self.length += frame::MARK_LEN as u64;
        }
        self.file.sync_all()
    }

    /// All records.
    pub const fn records(&self) -> &Records {
        &self.records
    }

    /// The number of the last batch.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// What was cut off when it was opened.
    pub const fn cut(&self) -> Option<Cut> {
        self.cut
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a batch: all of it or nothing. It is on the disk when this returns.
    ///
    /// # Errors
    /// When it could not be written: then nothing has changed, and the next batch is tried anew.
    pub fn append(&mut self, ops: Vec<Op>) -> Result<u64, JournalError> {
        if ops.is_empty() {
            return Ok(self.revision);
        }
        if self.broken {
            self.compact()?;
        }
        let revision = self.revision + 1;
        let ops = ops.into_iter().map(|op| Written { at: None, op });
        let payload = Payload {
            revision,
            ops: ops.collect(),
        };
        let path = self.path();
        let bytes = encode(&payload, &path)?;
        let too_large = JournalError::TooLarge { bytes: bytes.len() };
        let (frame, chain) = frame::encode(self.chain, &bytes).ok_or(too_large)?;
        let start = self.length;
        let written = self.file.seek(SeekFrom::Start(start)).and_then(|_| {
            self.file.write_all(&frame)?;
            self.file.sync_data()
        });
        if let Err(error) = written {
            // After a failed write or sync nobody knows what is on the disk. What can be taken back is, and the next
            // batch goes to a file that was written anew.
            self.broken = true;
            let _ = self.file.set_len(start);
            return Err(JournalError::io("write", &path)(error));
        }
        self.length += frame.len() as u64;
        self.chain = chain;
        self.mark(start);
        self.apply(payload);
        if self.length > SMALL && self.length > self.live.saturating_mul(GARBAGE) {
            // The batch is acknowledged whatever comes of this.
            if let Err(error) = self.compact() {
                tracing::warn!(error = %chain_of(&error), "cannot write the authority's journal anew");
            }
        }
        Ok(self.revision)
    }

    /// Writes the file anew, with nothing in it but what is so now.
    ///
    /// # Errors
    /// When that could not be done: the old file goes on.
    pub fn compact(&mut self) -> Result<(), JournalError> {
        let (new, path) = (self.dir.join(NEW), self.path());
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&new)
            .map_err(JournalError::io("create", &new))?;
        let bytes = self.image(&path)?;
        let written = file.write_all(&bytes.0).and_then(|()| file.sync_all());
        written.map_err(|error| {
            // It takes room on a disk that is full.
            let _ = fs::remove_file(&new);
            JournalError::io("write", &new)(error)
        })?;
        fs::rename(&new, &path).map_err(JournalError::io("replace", &path))?;
        // From here on the new file is the journal, also when the directory cannot be synced: both say the same.
        self.file = file;
        self.length = bytes.0.len() as u64;
        self.chain = bytes.1;
        self.broken = false;
        sync_dir(&self.dir).inspect_err(|_| self.broken = true)
    }

    /// A file that holds what is so now.
    fn image(&self, path: &Path) -> Result<(Vec<u8>, Chain), JournalError> {
        let mut image = FILE.to_vec();
        let mut chain = Chain::default();
        let mut records = self.records.iter().peekable();
        loop {
            let mut ops = Vec::new();
            let mut size = 0;
            while let Some((id, stored)) = records.next_if(|_| size < CHUNK) {
                let value = (*stored.value).clone();
                size += weight(id, &value);
                let op = Op::Put {
                    id: id.clone(),
                    value,
                };
                ops.push(Written {
                    at: Some(stored.revision),
                    op,
                });
            }
            let last = records.peek().is_none();
            let payload = Payload {
                revision: self.revision,
                ops,
            };
            let bytes = encode(&payload, path)?;
            let too_large = JournalError::TooLarge { bytes: bytes.len() };
            let (frame, next) = frame::encode(chain, &bytes).ok_or(too_large)?;
            let start = image.len();
            image.extend_from_slice(&frame);
            image.extend_from_slice(&frame::mark(start));
            chain = next;
            if last {
                return Ok((image, chain));
            }
        }
    }

    /// Says that what starts there was acknowledged. Not waited for: it only tells damage from a write that was cut.
    fn mark(&mut self, start: u64) {
        let mark = usize::try_from(start).map(frame::mark);
        match mark
            .map_err(io::Error::other)
            .and_then(|mark| self.file.write_all(&mark))
        {
            Ok(()) => self.length += frame::MARK_LEN as u64,
            // Half a mark may be there: the file is written anew before the next batch.
            Err(_) => self.broken = true,
        }
    }

    fn apply(&mut self, payload: Payload) {
        self.revision = payload.revision;
        apply(&mut self.records, &mut self.live, payload);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // A process that is just being started still has all files open for a moment: closing would not do.
        files::unlock(&self.lock);
    }
}

/// What a file holds.
struct Replayed {
    records: Records,
    revision: u64,
    chain: Chain,
    /// Where the last whole frame ends.
    end: usize,
    /// The last frame's beginning, when its mark is not there.
    unmarked: Option<usize>,
    /// Not even the file's beginning was written.
    begins: bool,
}

impl Replayed {
    fn of(path: &Path, bytes: &[u8]) -> Result<Self, JournalError> {
        let damaged = |at: usize, why: &str| JournalError::Damaged {
            path: path.to_owned(),
            at: at as u64,
            length: bytes.len() as u64,
            why: why.to_owned(),
        };
        let mut replayed = Self {
            records: Records::new(),
            revision: 0,
            chain: Chain::default(),
            end: FILE.len(),
            unmarked: None,
            begins: false,
        };
        if !bytes.starts_with(&FILE) {
            // Zeros are what a file system shows of a block that it promised and never wrote.
            if FILE.starts_with(bytes) || bytes.iter().all(|byte| *byte == 0) {
                replayed.begins = true;
                replayed.end = 0;
                return Ok(replayed);
            }
            return Err(damaged(0, "this is not a journal of this release"));
        }
        let mut live = 0;
        loop {
            let start = replayed.end;
            match frame::read(bytes, start, replayed.chain) {
                Read::End | Read::Torn => return Ok(replayed),
                Read::Damaged(why) => return Err(damaged(start, why)),
                Read::Frame {
                    payload,
                    chain,
                    mark,
                    marked,
                } => {
                    let payload: Payload = serde_json::from_slice(payload)
                        .map_err(|error| damaged(start, &error.to_string()))?;
                    replayed.revision = payload.revision;
                    apply(&mut replayed.records, &mut live, payload);
                    replayed.chain = chain;
                    if !marked {
                        (replayed.end, replayed.unmarked) = (mark, Some(start));
                        return Ok(replayed);
                    }
                    replayed.end = mark + frame::MARK_LEN;
                }
            }
        }
    }
}

fn encode(payload: &Payload, path: &Path) -> Result<Vec<u8>, JournalError> {
    serde_json::to_vec(payload)
        .map_err(|error| JournalError::io("write", path)(io::Error::other(error)))
}

fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
