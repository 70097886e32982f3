//! Messages that are too long to be kept: what the record needs of them is taken as they go by.
//!
//! Of a statement that is its beginning, its length and the SHA-256 of all of it; of values that are bound, the
//! beginning of each.

use ring::digest::{Context, SHA256};

/// The longest name of a statement or portal that is read. Servers tell names apart by their first 63 bytes.
pub(super) const MAX_NAME: usize = 1024;
/// What is wrong with a longer one.
pub(super) const LONG_NAME: &str = "a name that is too long";
/// Bytes of one value that are kept of a long message.
const VALUE_KEPT: usize = 1024;

/// What is taken of a long message, in the form in which [`super::queue`] keeps it.
#[derive(Default)]
pub(super) struct Long {
    phase: Phase,
    /// Nothing may follow the statement.
    exact: bool,
    most: usize,
    digest: Option<Context>,
    /// What is wrong with the message.
    pub(super) broken: Option<&'static str>,
    /// Names with their closing zeros; for values also the counts and the values.
    pub(super) head: Vec<u8>,
    /// The beginning of the statement.
    pub(super) text: Vec<u8>,
    /// The length of the statement.
    pub(super) length: u64,
    /// The SHA-256 of the statement.
    pub(super) sha256: Option<[u8; 32]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Names up to their closing zeros; so many, then the statement or the values follow.
    Names { left: u8, then_text: bool },
    /// The statement, up to its closing zero.
    Text,
    /// A function's number.
    Number(Field),
    /// How many formats follow.
    Formats(Field),
    /// Formats.
    Kept { left: usize },
    /// How many values follow.
    Count(Field),
    /// How long a value is.
    Length(Field),
    /// A value.
    Value { left: usize, keep: usize },
    /// What follows is not needed.
    #[default]
    End,
}

/// A field of a fixed length that comes in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bytes: [u8; 4],
    have: u8,
    size: u8,
}

impl Field {
    fn new(size: u8) -> Self {
        Self {
            bytes: [0; 4],
            have: 0,
            size,
        }
    }

    /// Takes what it needs; its number when it is whole.
    fn feed(&mut self, piece: &mut &[u8]) -> Option<u32> {
        while self.have < self.size {
            let (byte, rest) = piece.split_first()?;
            if let Some(place) = self
                .bytes
                .get_mut(4 - usize::from(self.size) + usize::from(self.have))
            {
                *place = *byte;
            }
            self.have += 1;
            *piece = rest;
        }
        Some(u32::from_be_bytes(self.bytes))
    }
}

impl Long {
    /// Begins with a message of text: one behind so many names.
    pub(super) fn text(&mut self, names: u8, most: usize) {
        self.clear(most);
        self.digest = Some(Context::new(&SHA256));
        self.exact = names == 0;
        self.phase = if names == 0 {
            Phase::Text
        } else {
            Phase::Names {
                left: names,
                then_text: true,
            }
        };
    }

    /// Begins with a message of values: behind two names, or behind the four bytes of a function's number.
    pub(super) fn values(&mut self, names: bool, most: usize) {
        self.clear(most);
        self.exact = false;
        self.phase = if names {
            Phase::Names {
                left: 2,
                then_text: false,
            }
        } else {
            Phase::Number(Field::new(4))
        };
    }

    fn clear(&mut self, most: usize) {
        self.head.clear();
        self.text.clear();
        self.most = most;
        self.length = 0;
        self.digest = None;
        self.sha256 = None;
        self.broken = None;
        self.phase = Phase::End;
    }

    /// Lets go of memory.
    pub(super) fn rest(&mut self) {
        *self = Self::default();
    }

    /// The message is over. An error where that was too early.
    pub(super) fn finish(&mut self) -> Result<(), &'static str> {
        if let Some(what) = self.broken {
            return Err(what);
        }
        match self.phase {
            Phase::End => Ok(()),
            _ => Err("a message that ends inside a field"),
        }
    }

    pub(super) fn feed(&mut self, mut piece: &[u8]) {
        // Every step takes something, or ends.
        while !piece.is_empty() && self.broken.is_none() {
            self.phase = match self.phase {
                Phase::Names { left, then_text } => self.name(&mut piece, left, then_text),
                Phase::Text => self.statement(&mut piece),
                Phase::Number(mut field) => match field.feed(&mut piece) {
                    None => Phase::Number(field),
                    Some(_) => {
                        self.head.extend_from_slice(&field.bytes);
                        Phase::Formats(Field::new(2))
                    }
                },
                Phase::Formats(mut field) => match field.feed(&mut piece) {
                    None => Phase::Formats(field),
                    Some(count) => {
                        self.head
                            .extend_from_slice(field.bytes.get(2..).unwrap_or_default());
                        self.formats(count)
                    }
                },
                Phase::Kept { left } => {
                    let taken = piece.get(..left).unwrap_or(piece);
                    self.head.extend_from_slice(taken);
                    piece = piece.get(taken.len()..).unwrap_or_default();
                    match left - taken.len() {
                        0 => Phase::Count(Field::new(2)),
                        left => Phase::Kept { left },
                    }
                }
                Phase::Count(mut field) => match field.feed(&mut piece) {
                    None => Phase::Count(field),
                    Some(count) => {
                        self.head
                            .extend_from_slice(field.bytes.get(2..).unwrap_or_default());
                        self.length = u64::from(count);
                        self.next_value()
                    }
                },
                Phase::Length(mut field) => match field.feed(&mut piece) {
                    None => Phase::Length(field),
                    Some(length) => self.value(length),
                },
                Phase::Value { left, keep } => {
                    let taken = piece.get(..left).unwrap_or(piece);
                    let kept = taken.get(..keep).unwrap_or(taken);
                    self.head.extend_from_slice(kept);
                    piece = piece.get(taken.len()..).unwrap_or_default();
                    match left - taken.len() {
                        0 => self.next_value(),
                        left => Phase::Value {
                            left,
                            keep: keep - kept.len(),
                        },
                    }
                }
                Phase::End => {
                    if self.exact {
                        self.broken = Some("bytes behind the end of a statement");
                    }
                    return;
                }
            };
        }
    }

    fn name(&mut self, piece: &mut &[u8], left: u8, then_text: bool) -> Phase {
        let end = memchr::memchr(0, piece);
        let taken = piece
            .get(..end.map_or(piece.len(), |end| end + 1))
            .unwrap_or(piece);
        self.head.extend_from_slice(taken);
        *piece = piece.get(taken.len()..).unwrap_or_default();
        // Two names and their zeros may stand here.
        if self.head.len() > 2 * MAX_NAME + 2 {
            self.broken = Some(LONG_NAME);
        }
        match (end, left) {
            (None, _) => Phase::Names { left, then_text },
            (Some(_), 0 | 1) if then_text => Phase::Text,
            (Some(_), 0 | 1) => Phase::Formats(Field::new(2)),
            (Some(_), _) => Phase::Names {
                left: left - 1,
                then_text,
            },
        }
    }

    fn statement(&mut self, piece: &mut &[u8]) -> Phase {
        let end = memchr::memchr(0, piece);
        let text = piece.get(..end.unwrap_or(piece.len())).unwrap_or(piece);
        let room = self.most.saturating_sub(self.text.len());
        self.text
            .extend_from_slice(text.get(..room).unwrap_or(text));
        self.length += u64::try_from(text.len()).unwrap_or(u64::MAX);
        if let Some(digest) = &mut self.digest {
            digest.update(text);
        }
        *piece = piece
            .get(text.len() + usize::from(end.is_some())..)
            .unwrap_or_default();
        if end.is_none() {
            return Phase::Text;
        }
        self.sha256 = self
            .digest
            .take()
            .and_then(|digest| digest.finish().as_ref().try_into().ok());
        Phase::End
    }

    fn formats(&self, count: u32) -> Phase {
        match usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_mul(2)
        {
            0 => Phase::Count(Field::new(2)),
            left => Phase::Kept { left },
        }
    }

    /// `self.length` counts the values that are still to come.
    fn next_value(&mut self) -> Phase {
        match self.length.checked_sub(1) {
            None => Phase::End,
            Some(left) => {
                self.length = left;
                Phase::Length(Field::new(4))
            }
        }
    }

    /// A value's length, then how much of it is kept, then that.
    fn value(&mut self, length: u32) -> Phase {
        let left = usize::try_from(length.cast_signed().max(0)).unwrap_or(0);
        let keep = if self.head.len() > self.most {
            0
        } else {
            left.min(VALUE_KEPT)
        };
        self.head.extend_from_slice(&length.to_be_bytes());
        self.head
            .extend_from_slice(&u32::try_from(keep).unwrap_or(0).to_be_bytes());
        if left == 0 {
            self.next_value()
        } else {
            Phase::Value { left, keep }
        }
    }
}
