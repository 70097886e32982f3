//! The lines of one file, from its beginning.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
};

use crate::{Kind, files};

/// The longest line that is read as one; what is longer is damage, and is read in pieces of this size.
pub(crate) const LONGEST: u64 = 64 << 20;

/// Reads a file line by line.
pub(crate) struct Lines {
    file: BufReader<File>,
    line: Vec<u8>,
    /// Where the next line begins.
    pub(crate) at: u64,
    /// How many lines were read.
    pub(crate) count: u64,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufReader::with_capacity(256 << 10, files::read(path)?),
            line: Vec::new(),
            at: 0,
            count: 0,
        })
    }

    /// The next line without its newline, and whether it had one: only the last may not.
    pub(crate) fn next(&mut self) -> io::Result<Option<(&[u8], bool)>> {
        self.line.clear();
        let read = (&mut self.file)
            .take(LONGEST)
            .read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.at += read as u64;
        self.count += 1;
        let whole = self.line.last() == Some(&b'\n');
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some((line, whole)))
    }
}

/// The time that a line begins with, as text: it sorts as times do.
pub(crate) fn time(line: &[u8]) -> Option<&[u8]> {
    let text = line
        .strip_prefix(b"{\"time\":\"")?
        .get(..crate::time::TIME_LEN)?;
    text.ends_with(b"Z").then_some(text)
}

/// The code of a line's event. What a user may say stands behind it, and has its quotes escaped.
pub(crate) fn code(line: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"\"code\":\"";
    let start = line.get(..160).unwrap_or(line);
    let (_, code) = start.split_at_checked(memchr::memmem::find(start, NAME)? + NAME.len())?;
    code.split(|byte| *byte == b'"').next()
}

/// Whether a line is an event of this kind.
pub(crate) fn is(line: &[u8], kind: &Kind) -> bool {
    code(line) == Some(kind.code.as_bytes())
}
