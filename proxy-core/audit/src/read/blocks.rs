//! A file in blocks of whole lines, from either end.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use super::{lines::LONGEST, search::Order};
use crate::files;

/// Bytes that are read at once. A longer line is read in a longer block.
const BLOCK: u64 = 1 << 20;

pub(super) struct Blocks {
    file: File,
    order: Order,
    /// What is left to read.
    start: u64,
    end: u64,
}

impl Blocks {
    pub(super) fn open(path: &Path, order: Order) -> io::Result<Self> {
        let file = files::read(path)?;
        let end = file.metadata()?.len();
        Ok(Self {
            file,
            order,
            start: 0,
            end,
        })
    }

    /// The next lines into `block`: false when there are no more. A last line without its end is left out.
    pub(super) fn next(&mut self, block: &mut Vec<u8>) -> io::Result<bool> {
        let mut size = BLOCK;
        while self.start < self.end {
            let len = size.min(self.end - self.start);
            let at = match self.order {
                Order::Oldest => self.start,
                Order::Newest => self.end - len,
            };
            block.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
            self.file.read_exact_at(block, at)?;
            let whole = match self.order {
                Order::Oldest => self.keep_first(block),
                Order::Newest => self.keep_last(block, at),
            };
            if whole {
                if !block.is_empty() {
                    return Ok(true);
                }
            } else if len == self.end - self.start || size > LONGEST {
                return Ok(false);
            } else {
                size *= 2;
            }
        }
        Ok(false)
    }

    fn keep_first(&mut self, block: &mut Vec<u8>) -> bool {
        let Some(last) = memchr::memrchr(b'\n', block) else {
            return false;
        };
        block.truncate(last + 1);
        self.start += block.len() as u64;
        true
    }

    fn keep_last(&mut self, block: &mut Vec<u8>, at: u64) -> bool {
        let Some(last) = memchr::memrchr(b'\n', block) else {
            // The end of the file that has no end of a line.
            return false;
        };
        block.truncate(last + 1);
        if at == 0 {
            self.end = 0;
            return true;
        }
        // What stands before the first newline is the end of a line that begins before this block.
        match memchr::memchr(b'\n', block) {
            Some(first) if first < last => {
                block.drain(..=first);
                self.end = at + first as u64 + 1;
                true
            }
            _ => false,
        }
    }
}

impl Blocks {
    /// The last line of a file that ends with a short one.
    pub(super) fn last(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        let len = self.end.min(4096);
        line.resize(usize::try_from(len).unwrap_or(0), 0);
        self.file.read_exact_at(line, self.end - len)?;
        if line.pop() != Some(b'\n') {
            line.clear();
        }
        if let Some(before) = memchr::memrchr(b'\n', line) {
            line.drain(..=before);
        }
        Ok(())
    }
}
