//! Messages out of bytes that come in pieces of any size.
//!
//! A message that is whole in the bytes at hand is handed out as a part of them. Only of a message that is not, its
//! beginning is kept, as far as it is wanted. So the common case copies nothing, and the worst one keeps a bounded prefix.

use super::super::codec::{HEADER, header};

/// What is wanted of a message's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Its first bytes, at most so many; the rest need only be passed over.
    Prefix(usize),
    /// All of it, piece by piece, through [`Collect::piece`].
    Pieces,
}

/// Who says what is wanted.
pub(super) trait Collect {
    /// A message begins. An error is what is wrong with it.
    fn begin(&mut self, tag: u8, length: usize) -> Result<Want, &'static str>;
    /// A piece of the body of a message that is wanted in pieces.
    fn piece(&mut self, bytes: &[u8]);
}

/// A message that has gone by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) tag: u8,
    /// The body's length.
    pub(super) length: usize,
    /// The body, or as much of its beginning as was wanted. Empty where it was wanted in pieces.
    pub(super) body: &'a [u8],
}

/// The place in one direction's stream of messages.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Bytes of a header that has not come as a whole.
    head: [u8; HEADER],
    have: usize,
    /// The message whose body has not come as a whole.
    open: Option<Open>,
    kept: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    tag: u8,
    length: usize,
    left: usize,
    want: Want,
}

/// The longest buffer that is kept for the next message.
const KEEP_CAPACITY: usize = 1024;

impl Frames {
    /// Whether the last byte that was seen was the last one of a message.
    pub(super) fn at_boundary(&self) -> bool {
        self.have == 0 && self.open.is_none()
    }

    /// The tag of the message of which some bytes, and not all, have come.
    pub(super) fn under_way(&self) -> Option<u8> {
        match self.open {
            Some(open) => Some(open.tag),
            None => self.head.first().copied().filter(|_| self.have > 0),
        }
    }

    /// Goes on from `*at` in `bytes` to the end of the next message, and hands that out. `None` when the bytes are
    /// used up first.
    pub(super) fn next<'a>(
        &'a mut self,
        bytes: &'a [u8],
        at: &mut usize,
        collect: &mut impl Collect,
    ) -> Result<Option<Message<'a>>, &'static str> {
        if self.at_boundary() {
            let rest = bytes.get(*at..).unwrap_or_default();
            let Some((tag, length)) = read(rest)? else {
                self.open_header(rest);
                *at = bytes.len();
                return Ok(None);
            };
            let want = collect.begin(tag, length)?;
            let body = rest.get(HEADER..).unwrap_or_default();
            if let Some(body) = body.get(..length) {
                *at += HEADER + length;
                let body = match want {
                    Want::Prefix(_) => body,
                    Want::Pieces => {
                        collect.piece(body);
                        &[]
                    }
                };
                return Ok(Some(Message { tag, length, body }));
            }
            *at += HEADER;
            self.begin(Open {
                tag,
                length,
                left: length,
                want,
            });
        }
        self.resume(bytes, at, collect)
    }

    /// The same in the middle of a message.
    fn resume<'a>(
        &'a mut self,
        bytes: &'a [u8],
        at: &mut usize,
        collect: &mut impl Collect,
    ) -> Result<Option<Message<'a>>, &'static str> {
        while self.open.is_none() {
            let Some(byte) = bytes.get(*at) else {
                return Ok(None);
            };
            *at += 1;
            if let Some(place) = self.head.get_mut(self.have) {
                *place = *byte;
            }
            self.have += 1;
            if let Some((tag, length)) = read(self.head.get(..self.have).unwrap_or_default())? {
                self.have = 0;
                let want = collect.begin(tag, length)?;
                self.begin(Open {
                    tag,
                    length,
                    left: length,
                    want,
                });
            }
        }
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let rest = bytes.get(*at..).unwrap_or_default();
        let piece = rest.get(..open.left).unwrap_or(rest);
        *at += piece.len();
        open.left -= piece.len();
        match open.want {
            Want::Pieces => collect.piece(piece),
            Want::Prefix(most) => {
                let room = most.saturating_sub(self.kept.len());
                self.kept
                    .extend_from_slice(piece.get(..room).unwrap_or(piece));
            }
        }
        if open.left > 0 {
            return Ok(None);
        }
        let Open { tag, length, .. } = *open;
        self.open = None;
        Ok(Some(Message {
            tag,
            length,
            body: &self.kept,
        }))
    }

    fn open_header(&mut self, rest: &[u8]) {
        self.have = rest.len();
        for (to, from) in self.head.iter_mut().zip(rest) {
            *to = *from;
        }
    }

    fn begin(&mut self, open: Open) {
        self.kept.clear();
        self.kept.shrink_to(KEEP_CAPACITY);
        self.open = Some(open);
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.kept.capacity()
    }

    /// Lets go of memory, between messages.
    pub(super) fn rest(&mut self) {
        if self.at_boundary() {
            self.kept = Vec::new();
        }
    }
}

fn read(bytes: &[u8]) -> Result<Option<(u8, usize)>, &'static str> {
    match header(bytes) {
        Ok(None) => Ok(None),
        Ok(Some((tag, length))) => Ok(Some((tag, usize::try_from(length).unwrap_or(usize::MAX)))),
        Err(_) => Err("a message of an impossible length"),
    }
}
