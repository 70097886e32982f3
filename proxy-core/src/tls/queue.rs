//! The two queues of a connection: what came and is not opened or used yet, what is sealed and not sent yet.

use super::{
    pool,
    record::{BadRecord, Content, HEADER, Key, MAX_PLAIN},
};

/// Sealed records that wait to be written.
#[derive(Default)]
pub struct Outbox {
    memory: Option<Box<[u8]>>,
    start: usize,
    end: usize,
}

/// What was read: first plain text that nobody has used yet, then records that are not opened yet.
///
/// A record is opened where it lies. The plain text of a second one is moved up to the first, so that what is handed
/// on is one piece.
#[derive(Default)]
pub struct Inbox {
    memory: Option<Box<[u8]>>,
    plain: (usize, usize),
    sealed: (usize, usize),
}

// === impl Outbox ===

impl Outbox {
    /// The bytes to be written next.
    pub fn bytes(&self) -> &[u8] {
        self.memory
            .as_deref()
            .and_then(|memory| memory.get(self.start..self.end))
            .unwrap_or_default()
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Seals as much of `plain` as there is room for, in records as long as may be; answers how many bytes.
    pub fn seal(
        &mut self,
        key: &mut Key,
        content: Content,
        plain: &[u8],
    ) -> Result<usize, BadRecord> {
        let mut done = 0;
        for part in plain.chunks(MAX_PLAIN) {
            let room = self.room(part.len() + super::record::OVERHEAD);
            if room.len() < part.len() + super::record::OVERHEAD {
                break;
            }
            let written = key.seal(content, part, room)?;
            self.end += written;
            done += part.len();
        }
        Ok(done)
    }

    /// Appends bytes that are records already: the end of the handshake.
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let room = self.room(bytes.len());
        match room.get_mut(..bytes.len()) {
            Some(to) => {
                to.copy_from_slice(bytes);
                self.end += bytes.len();
                true
            }
            None => false,
        }
    }

    /// So many bytes were written.
    pub fn written(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
        if let Some(memory) = self.memory.take() {
            pool::give(memory);
        }
    }

    fn room(&mut self, want: usize) -> &mut [u8] {
        let memory = self.memory.get_or_insert_with(pool::take);
        if memory.len() - self.end < want && self.start > 0 {
            memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        memory.get_mut(self.end..).unwrap_or_default()
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.clear();
    }
}

// === impl Inbox ===

impl Inbox {
    /// The plain text that is there.
    pub fn plain(&self) -> &[u8] {
        self.memory
            .as_deref()
            .and_then(|memory| memory.get(self.plain.0..self.plain.1))
            .unwrap_or_default()
    }

    /// So many bytes of plain text were used.
    pub fn consume(&mut self, count: usize) {
        self.plain.0 = self.plain.0.saturating_add(count).min(self.plain.1);
        if self.plain.0 == self.plain.1 {
            self.plain = (0, 0);
            self.rest();
        }
    }

    /// Gives the memory back if nothing is in it.
    pub fn rest(&mut self) {
        if self.plain.0 == self.plain.1 && self.sealed.0 == self.sealed.1 {
            self.sealed = (0, 0);
            if let Some(memory) = self.memory.take() {
                pool::give(memory);
            }
        }
    }

    /// Room to read into. Only to be asked for while there is no plain text; a part of a record may be there.
    pub fn room(&mut self) -> &mut [u8] {
        let memory = self.memory.get_or_insert_with(pool::take);
        let (from, to) = self.sealed;
        if from == to {
            self.sealed = (0, 0);
        } else if self.plain.0 == self.plain.1 && from > 0 && memory.len() - to < memory.len() / 2 {
            memory.copy_within(from..to, 0);
            self.sealed = (0, to - from);
        }
        memory.get_mut(self.sealed.1..).unwrap_or_default()
    }

    /// So many bytes were read into the room.
    pub const fn filled(&mut self, count: usize) {
        self.sealed.1 += count;
    }

    /// What the handshake has read too much: plain text, then records. False when it is too long to be borne.
    pub fn preload(&mut self, plain: &[u8], sealed: &[u8]) -> bool {
        if plain.is_empty() && sealed.is_empty() {
            return true;
        }
        let memory = self.memory.get_or_insert_with(pool::take);
        let (middle, end) = (plain.len(), plain.len() + sealed.len());
        let (Some(to), true) = (memory.get_mut(..middle), end <= pool::PLAIN) else {
            return false;
        };
        to.copy_from_slice(plain);
        if let Some(to) = memory.get_mut(middle..end) {
            to.copy_from_slice(sealed);
        }
        self.plain = (0, middle);
        self.sealed = (middle, end);
        true
    }

    /// Puts plain text in front of the records that are not opened. False when there is other plain text, or no room.
    pub fn give_back(&mut self, plain: &[u8]) -> bool {
        if self.plain.0 != self.plain.1 {
            return plain.is_empty();
        }
        let sealed = self.sealed().to_vec();
        self.plain = (0, 0);
        self.sealed = (0, 0);
        let fits = self.preload(plain, &sealed);
        self.rest();
        fits
    }

    /// Whether the plain text of the next record may be handed on in one piece with what is there already. Databases send
    /// eight records of 8 KiB where there is room for four of the longest, and one left behind would cost a call of its own.
    pub fn has_place_for_next(&self, key: &Key) -> bool {
        let plain = self.plain.1 - self.plain.0;
        let next = match Key::record_length(self.sealed()) {
            Ok(Some(length)) => key.most_plain(length),
            // Said by `open`.
            Ok(None) | Err(_) => 0,
        };
        plain + next <= pool::PLAIN
    }

    /// Opens the next record if it is whole. Application data becomes plain text; any other content is answered.
    pub fn open(&mut self, key: &mut Key) -> Result<Option<Opened>, BadRecord> {
        let Some(length) = Key::record_length(self.sealed())? else {
            return Ok(None);
        };
        let (from, to) = self.sealed;
        if to - from < length {
            return Ok(None);
        }
        let Some(memory) = self.memory.as_deref_mut() else {
            return Ok(None);
        };
        let Some(record) = memory.get_mut(from..from + length) else {
            return Ok(None);
        };
        let (content, within) = key.open(record)?;
        self.sealed.0 = from + length;
        let (start, end) = (from + within.start, from + within.end);
        if content != Content::Data {
            let body = memory.get(start..end).unwrap_or_default();
            // Alerts have two bytes, key updates five; a ticket is only skipped, so its start is enough.
            let mut first = [0; 8];
            for (to, from) in first.iter_mut().zip(body) {
                *to = *from;
            }
            return Ok(Some(Opened::Control {
                content,
                first,
                length: end - start,
            }));
        }
        if start == end {
            return Ok(Some(Opened::Empty));
        }
        if self.plain.0 == self.plain.1 {
            self.plain = (start, end);
        } else {
            memory.copy_within(start..end, self.plain.1);
            self.plain.1 += end - start;
        }
        Ok(Some(Opened::Data))
    }

    fn sealed(&self) -> &[u8] {
        self.memory
            .as_deref()
            .and_then(|memory| memory.get(self.sealed.0..self.sealed.1))
            .unwrap_or_default()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            pool::give(memory);
        }
    }
}

/// What a record turned out to be.
#[derive(Clone, Copy, Debug)]
pub enum Opened {
    /// Application data; it is part of the plain text now.
    Data,
    /// Application data without a byte.
    Empty,
    /// Something between the two ends of TLS: its first bytes and its length.
    Control {
        /// What.
        content: Content,
        /// The first bytes of it, zeros behind its end.
        first: [u8; 8],
        /// Its length.
        length: usize,
    },
}

const _: () = assert!(HEADER + MAX_PLAIN < pool::SIZE / 2);
