//! Opens the files of a log where it ended, and repairs what a crash left.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::AuditError;
use crate::{
    chain::{self, Chain},
    files::{self, HEAD, Head, LOCK, LogFile},
    kinds,
    read::lines::{self, Lines},
    time::{Micros, TIME_LEN},
};

/// A log's files, ready to be appended to.
pub(super) struct Opened {
    pub(super) lock: File,
    pub(super) head: Arc<File>,
    /// What the head says.
    pub(super) said: Option<Head>,
    pub(super) chain: Chain,
    /// The file to go on with; none when the next one must be a new one.
    pub(super) last: Option<Current>,
    /// The number of the newest file; 0 when there is none.
    pub(super) number: u64,
    pub(super) last_name: String,
    pub(super) notes: Vec<Note>,
}

/// The file that is written.
pub(super) struct Current {
    pub(super) meta: LogFile,
    pub(super) file: Arc<File>,
    pub(super) bytes: u64,
    pub(super) lines: u64,
    pub(super) began: Micros,
    /// The earliest and the latest time of an event in it.
    pub(super) span: Option<([u8; TIME_LEN], [u8; TIME_LEN])>,
}

/// What was found when the log was opened; it is recorded.
pub(super) enum Note {
    /// The last line was cut off, and was taken out.
    Repaired {
        file: String,
        bytes: u64,
        payload: Vec<u8>,
    },
    /// The log is not as it was left.
    Damaged {
        file: String,
        error: String,
        expected: Option<(u64, String)>,
        found: Option<Chain>,
    },
    /// So many events could not be written when the log ended.
    Lost(u64),
}

impl Note {
    /// What it says is damaged.
    pub(super) fn damage(&self) -> Option<String> {
        match self {
            Self::Damaged { file, error, .. } => Some(format!("{file}: {error}")),
            Self::Repaired { .. } | Self::Lost(_) => None,
        }
    }
}

/// How long to wait for those who only look.
const LOOKERS: std::time::Duration = std::time::Duration::from_millis(20);
/// Bytes of a cut line that are kept in the event that tells of it.
const KEPT: u64 = 4096;

impl Current {
    pub(super) fn create(dir: &Path, meta: LogFile, now: Micros) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .read(true)
            .mode(0o600)
            .open(meta.path(dir))?;
        Ok(Self {
            meta,
            file: Arc::new(file),
            bytes: 0,
            lines: 0,
            began: now,
            span: None,
        })
    }

    /// Takes the time of a line into the span.
    pub(super) fn saw(&mut self, line: &[u8]) {
        self.lines += 1;
        let Some(time) = lines::time(line).and_then(|time| <[u8; TIME_LEN]>::try_from(time).ok())
        else {
            return;
        };
        match &mut self.span {
            None => self.span = Some((time, time)),
            Some((from, to)) => {
                *from = time.min(*from);
                *to = time.max(*to);
            }
        }
    }
}

/// Makes the directory, and those that it is in, for its owner alone.
fn directory(dir: &Path) -> Result<(), AuditError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(AuditError::io("make the directory", dir))?;
    for_its_owner(dir)
}

/// Makes the directory again. What it was in has to be there: a volume that is gone for a while is not to be found with
/// something in its place when it comes back.
pub(super) fn directory_again(dir: &Path) -> Result<(), AuditError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(AuditError::io("make the directory", dir)(error))
        }
        _ => for_its_owner(dir),
    }
}

fn for_its_owner(dir: &Path) -> Result<(), AuditError> {
    let mode = fs::metadata(dir)
        .map_err(AuditError::io("read the mode of", dir))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(AuditError::io("keep others out of", dir))?;
    }
    Ok(())
}

/// Takes the lock, which this process then has for as long as the file is open.
pub(super) fn lock(dir: &Path) -> Result<File, AuditError> {
    let path = dir.join(LOCK);
    let mut options = OpenOptions::new();
    options
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600);
    let mut file = files::open(&path, &mut options).map_err(AuditError::io("open", &path))?;
    let mut locked = file.try_lock();
    for _ in 0..5 {
        // Whoever only looks whether somebody writes has it for a moment.
        if !matches!(locked, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(LOOKERS);
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = (&mut file).take(32).read_to_string(&mut text);
            return Err(AuditError::InUse {
                dir: dir.to_owned(),
                pid: text.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(AuditError::io("lock", &path)(error)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    // The number is for people only; a full disk may go without.
    let _ = written;
    Ok(file)
}

pub(super) fn open(dir: &Path) -> Result<Opened, AuditError> {
    directory(dir)?;
    let lock = lock(dir)?;
    let mut notes = Vec::new();
    let mut all = files::list(dir).map_err(AuditError::io("list", dir))?;
    let mut known = match Head::read(dir) {
        Ok(known) => known,
        Err(error) if error.kind() == io::ErrorKind::InvalidData || error.get_ref().is_some() => {
            notes.push(damage(HEAD, "the head cannot be read", None, None));
            None
        }
        Err(error) => return Err(AuditError::io("read", dir.join(HEAD))(error)),
    };
    let head_path = dir.join(HEAD);
    let head = Head::open(dir).map_err(AuditError::io("open", &head_path))?;
    let mut last = None;
    while let Some(meta) = all.last() {
        let path = meta.path(dir);
        let scan = scan(meta, &path, known.as_ref()).map_err(AuditError::io("read", &path))?;
        let Some(scan) = repair(scan, &mut notes).map_err(AuditError::io("repair", &path))? else {
            // Begun and never written.
            fs::remove_file(&path).map_err(AuditError::io("remove", &path))?;
            all.pop();
            continue;
        };
        last = Some(scan);
        break;
    }
    let newest = all.last().cloned();
    let mut chain = Chain::default();
    let mut current = None;
    let told = last.as_ref().is_some_and(|scan| scan.lost_told);
    if let Some(lost) = (known.as_ref()).map(|known| known.lost).filter(|_| !told)
        && lost > 0
    {
        notes.push(Note::Lost(lost));
    }
    if let Some(scan) = last {
        compare(dir, &scan, known.as_ref(), &all, &mut notes);
        match scan.last {
            Some(last) => {
                chain = last;
                current = Some(scan.current);
            }
            None => {
                notes.push(damage(
                    &scan.current.meta.name,
                    "the last line is not one of this log",
                    known.as_ref(),
                    None,
                ));
                if let Some(known) = &known {
                    chain = Chain {
                        seq: known.seq,
                        link: chain::unhex(known.chain.as_bytes()).unwrap_or_default(),
                    };
                }
            }
        }
    } else if let Some(known) = known.as_ref().filter(|known| known.seq > 0) {
        notes.push(damage(&known.file, "all files are gone", Some(known), None));
        chain = Chain {
            seq: known.seq,
            link: chain::unhex(known.chain.as_bytes()).unwrap_or_default(),
        };
    } else if known.is_none() {
        // So that a log without a head is always damage.
        let first = Head::new("", 0, &chain, Micros::default());
        first
            .write(&head)
            .map_err(AuditError::io("write", &head_path))?;
        known = Some(first);
    }
    Ok(Opened {
        lock,
        head: Arc::new(head),
        said: known,
        chain,
        last: current,
        number: newest.as_ref().map_or(0, |meta| meta.number),
        last_name: newest.map(|meta| meta.name).unwrap_or_default(),
        notes,
    })
}

fn damage(file: &str, error: &str, expected: Option<&Head>, found: Option<Chain>) -> Note {
    Note::Damaged {
        file: file.to_owned(),
        error: error.to_owned(),
        expected: expected.map(|head| (head.seq, head.chain.clone())),
        found,
    }
}

struct Scanned {
    current: Current,
    path: PathBuf,
    /// The last whole line's place, when it is one of this log.
    last: Option<Chain>,
    /// Bytes after the last whole line.
    tail: u64,
    /// Whether the head's line is where the head says.
    head_found: bool,
    /// Whether it is recorded how many events were lost when the head was written: who wrote that was killed before the head
    /// was written again.
    lost_told: bool,
}

/// Reads the newest file: where it ends, and what of it is whole.
fn scan(meta: &LogFile, path: &Path, known: Option<&Head>) -> io::Result<Scanned> {
    let mut current = Current {
        meta: meta.clone(),
        file: Arc::new(files::open(
            path,
            OpenOptions::new().read(true).append(true),
        )?),
        bytes: 0,
        lines: 0,
        began: Micros::default(),
        span: None,
    };
    let mut lines = Lines::open(path)?;
    let lost = known.filter(|head| head.lost > 0).map(|head| head.seq);
    let known = known.filter(|head| head.file == meta.name);
    let mut lost_told = false;
    let mut last: Option<Chain> = None;
    let mut tail = 0;
    let mut head_found = false;
    while let Some((line, whole)) = lines.next()? {
        if !whole {
            tail = line.len() as u64;
            continue;
        }
        current.saw(line);
        last = chain::parts(line).map(|(_, chain)| chain);
        let new = last.zip(lost).is_some_and(|(last, lost)| last.seq > lost);
        lost_told |= new && lines::is(line, &kinds::LOG_SKIPPED);
        current.bytes = lines.at;
        if let (Some(known), Some(chain)) = (known, &last)
            && known.bytes == lines.at
        {
            head_found = known.chain == chain::hex(&chain.link);
        }
    }
    let began = current.span.and_then(|(from, _)| {
        let text = String::from_utf8_lossy(&from).into_owned();
        text.parse::<jiff::Timestamp>().ok()
    });
    current.began = began.map_or(Micros::default(), |time| Micros(time.as_microsecond()));
    Ok(Scanned {
        current,
        path: path.to_owned(),
        last,
        tail,
        head_found,
        lost_told,
    })
}

/// Takes out what was cut off. None when nothing is left.
fn repair(scan: Scanned, notes: &mut Vec<Note>) -> io::Result<Option<Scanned>> {
    let whole = scan.current.bytes;
    if scan.tail > 0 {
        let mut payload = Vec::new();
        let mut file = files::read(&scan.path)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(whole))?;
        file.take(KEPT).read_to_end(&mut payload)?;
        scan.current.file.set_len(whole)?;
        scan.current.file.sync_all()?;
        notes.push(Note::Repaired {
            file: scan.current.meta.name.clone(),
            bytes: scan.tail,
            payload,
        });
    }
    Ok((whole > 0).then_some(scan))
}

/// Compares what is there with what the head says there must be.
fn compare(
    dir: &Path,
    scan: &Scanned,
    known: Option<&Head>,
    all: &[LogFile],
    notes: &mut Vec<Note>,
) {
    let name = &scan.current.meta.name;
    let Some(known) = known else {
        if notes.is_empty()
            || !notes
                .iter()
                .any(|note| matches!(note, Note::Damaged { .. }))
        {
            notes.push(damage(HEAD, "the head is gone", None, scan.last));
        }
        return;
    };
    if known.seq == 0 || scan.head_found {
        return;
    }
    if known.file == *name {
        let error = if scan.current.bytes < known.bytes {
            "lines that were on the disk are gone from its end"
        } else {
            "lines that were on the disk are not what they were"
        };
        notes.push(damage(name, error, Some(known), scan.last));
        return;
    }
    let there = all.iter().find(|file| file.name == known.file);
    let size = there.and_then(|file| fs::metadata(file.path(dir)).ok());
    if size.is_none_or(|size| size.len() < known.bytes) {
        notes.push(damage(
            &known.file,
            "the file that was written last is gone or shorter",
            Some(known),
            scan.last,
        ));
    }
}
