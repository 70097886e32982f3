//! The files of a log: their names, their order, and the head that says how far the log must at least go.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::{
    chain::{self, Chain},
    time::Micros,
};

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    /// Its place among the files, from 1.
    pub(crate) number: u64,
    /// Its name: `audit-20261121T223441Z-000001.jsonl`.
    pub(crate) name: String,
}

impl LogFile {
    pub(crate) fn new(number: u64, at: Micros) -> Self {
        let text = at.to_string();
        let digits: String = text
            .chars()
            .take(19)
            .filter(|c| *c != '-' && *c != ':')
            .collect();
        Self {
            number,
            name: format!("audit-{digits}Z-{number:06}.jsonl"),
        }
    }

    fn of(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
        let (start, number) = rest.split_once('-')?;
        let shaped = start.len() == 16
            && start.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        if !shaped || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            number: number.parse().ok()?,
            name: name.to_owned(),
        })
    }

    pub(crate) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(&self.name)
    }
}

/// The files in a directory, in the order in which they were written.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<LogFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Some(file) = entry.file_name().to_str().and_then(LogFile::of) {
            files.push(file);
        }
    }
    files.sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
    Ok(files)
}

/// Opens a file of the log, which has to be a regular one: a pipe, a socket or a device under its name is an error that names it,
/// and is not waited for.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[expect(clippy::cast_possible_wrap, reason = "flags are bits")]
    let flags = OFlags::NONBLOCK.bits() as i32;
    let foreign = || {
        io::Error::other(format!(
            "`{}` is no regular file, and does not belong there",
            path.display()
        ))
    };
    let opened = options.custom_flags(flags).open(path);
    // A pipe that nobody reads cannot be opened to be written, and a socket not at all.
    let file = opened.map_err(|error| match fs::metadata(path) {
        Ok(there) if !there.is_file() => foreign(),
        _ => error,
    })?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(foreign())
    }
}

/// The same, to read it.
pub(crate) fn read(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().read(true))
}

/// How far the log must go: written when all up to there is on the disk.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) seq: u64,
    pub(crate) chain: String,
    pub(crate) time: String,
    /// Events that could not be written when the log ended. The next one that opens it says so in it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) lost: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_none(lost: &u64) -> bool {
    *lost == 0
}

/// The head's file.
pub(crate) const HEAD: &str = "head.json";
/// Its length, always: it is written in place, so that a full disk does not stop it, and in one sector.
const HEAD_LEN: usize = 512;
/// The file that says that somebody writes the log.
pub(crate) const LOCK: &str = "lock";

impl Head {
    pub(crate) fn new(file: &str, bytes: u64, chain: &Chain, at: Micros) -> Self {
        Self {
            file: file.to_owned(),
            bytes,
            seq: chain.seq,
            chain: chain::hex(&chain.link),
            time: at.to_string(),
            lost: 0,
        }
    }

    /// Reads it: none when there is no file.
    pub(crate) fn read(dir: &Path) -> io::Result<Option<Self>> {
        let mut file = match read(&dir.join(HEAD)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    pub(crate) fn open(dir: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        open(&dir.join(HEAD), &mut options)
    }

    pub(crate) fn write(&self, file: &File) -> io::Result<()> {
        let mut text = serde_json::to_vec(self)?;
        text.resize(HEAD_LEN.max(text.len() + 1) - 1, b' ');
        text.push(b'\n');
        file.write_all_at(&text, 0)?;
        file.sync_data()
    }
}
