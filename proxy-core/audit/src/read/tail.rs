//! Following the log as it is written.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::search::{Filter, Found, Query};
use crate::files::{self, LogFile};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// A log that is followed.
pub struct Follow {
    dir: PathBuf,
    filter: Filter,
    open: Option<(LogFile, File)>,
    at: u64,
    /// A line that has no end yet.
    part: Vec<u8>,
}

/// Follows the log of a directory from its end on: what matches `query`, whose times, order and limit do not count.
///
/// # Errors
/// The directory cannot be read.
pub fn follow(dir: &Path, query: Query) -> io::Result<Follow> {
    let query = Query {
        from: None,
        to: None,
        ..query
    };
    let mut follow = Follow {
        dir: dir.to_owned(),
        filter: Filter::new(query),
        open: None,
        at: 0,
        part: Vec::new(),
    };
    if let Some(file) = files::list(dir)?.pop() {
        let open = files::read(&file.path(dir))?;
        follow.at = open.metadata()?.len();
        follow.open = Some((file, open));
    }
    Ok(follow)
}

impl Follow {
    /// What was written since the last time. Whoever follows asks again after a while.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn poll(&mut self) -> io::Result<Vec<Found>> {
        let mut found = VecDeque::new();
        loop {
            self.read(&mut found)?;
            // A file is at its end for good once there is another.
            let number = self.open.as_ref().map_or(0, |(file, _)| file.number);
            let next = files::list(&self.dir)?
                .into_iter()
                .find(|file| file.number > number);
            let Some(next) = next else {
                return Ok(found.into());
            };
            self.read(&mut found)?;
            let open = files::read(&next.path(&self.dir))?;
            self.open = Some((next, open));
            self.at = 0;
            self.part.clear();
        }
    }

    fn read(&mut self, found: &mut VecDeque<Found>) -> io::Result<()> {
        let Some((_, file)) = &self.open else {
            return Ok(());
        };
        let mut damaged = 0;
        loop {
            let start = self.part.len();
            self.part.resize(start + CHUNK, 0);
            let read = file.read_at(self.part.get_mut(start..).unwrap_or_default(), self.at);
            self.part
                .truncate(start + read.as_ref().copied().unwrap_or(0));
            let read = read?;
            self.at += read as u64;
            if let Some(last) = memchr::memrchr(b'\n', &self.part) {
                let rest = self.part.split_off(last + 1);
                self.filter.block(&self.part, found, &mut damaged);
                self.part = rest;
            }
            if read < CHUNK {
                return Ok(());
            }
        }
    }
}
