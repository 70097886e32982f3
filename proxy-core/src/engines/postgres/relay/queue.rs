//! What was asked and is not answered: in order, with the texts behind one another in one buffer.

use std::{collections::VecDeque, ops::Range};

use muster_audit::{Micros, Redaction, Sensitive, Statement};

use super::{client::bind, encoding::Encoding};

/// The most messages that may wait for their answers before no more are taken from the client. Well above the 1,638 that
/// a server answers before it sends the first answer out (its buffer has 8 KiB, an answer at least five bytes), so that
/// both never wait for each other.
pub(super) const MAX_WAITING: usize = 4096;
/// The most bytes of texts that may wait, beyond names. A server may well not answer for longer than that: then the
/// texts are recorded and let go.
pub(super) const MAX_TEXTS: usize = 1024 * 1024;
/// What the queue keeps of its memory when it is empty.
const KEEP_TEXTS: usize = 1024;
const KEEP_WAITING: usize = 16;

/// What a message of the client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Parse,
    Bind,
    Describe,
    Execute,
    CloseStatement,
    ClosePortal,
    Function,
    Sync,
    /// One Sync or more that the server passes over, as they came among rows of [`super::copy`].
    IgnoredSync,
}

impl Kind {
    /// Whether the server ends its answer with `ReadyForQuery`.
    pub(super) fn ends_ready(self) -> bool {
        matches!(self, Self::Query | Self::Function | Self::Sync)
    }

    /// Whether there is an event of it.
    pub(super) fn is_recorded(self) -> bool {
        !matches!(self, Self::Describe | Self::Sync | Self::IgnoredSync)
    }

    /// Whether it runs something.
    pub(super) fn runs(self) -> bool {
        matches!(self, Self::Query | Self::Function | Self::Execute)
    }
}

/// One message that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) kind: Kind,
    pub(super) at: Micros,
    /// Its event is in the record.
    pub(super) written: bool,
    /// The event says how it ended.
    pub(super) told: bool,
    /// Some of its answer has come.
    pub(super) started: bool,
    /// Its texts are in the form of [`super::long`].
    pub(super) cut: bool,
    /// Its statement or values were let go of; names are still there.
    pub(super) shed: bool,
    /// What was said of the statement that was let go of.
    pub(super) sensitive: Sensitive,
    /// How its texts are to be read.
    encoding: Encoding,
    /// The event's number.
    pub(super) ei: u64,
    /// How many rows are asked for; a function's number; how many Syncs.
    pub(super) number: u32,
    /// How often the client has said behind it that its rows end, of a COPY that had not begun.
    pub(super) ends: u32,
    start: u64,
    len: u32,
    /// Bytes of the texts that are a name; the statement follows.
    name: u32,
}

impl Waiting {
    /// Whether nobody can tell what of its texts is a secret, so that nothing of them is recorded.
    pub(super) fn is_hidden(&self) -> bool {
        self.encoding == Encoding::Ambiguous
    }

    pub(super) fn is_ignored(&self) -> bool {
        self.kind == Kind::IgnoredSync
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// How what the client sends now is to be read.
    encoding: Encoding,
    waiting: VecDeque<Waiting>,
    /// How many went before the first one that waits.
    popped: u64,
    texts: Vec<u8>,
    /// Where `texts` begins.
    base: u64,
    /// Bytes that were left when texts were last let go of.
    floor: usize,
}

impl Queue {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            ..Self::default()
        }
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The client's encoding is another one from somewhere in what waits on. What was read before stays what it was.
    pub(super) fn change_encoding(&mut self, encoding: Encoding) {
        if encoding == Encoding::Ambiguous && self.encoding != encoding {
            for waiting in &mut self.waiting {
                waiting.encoding = encoding;
            }
        }
        self.encoding = encoding;
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// Whether texts are to be let go of, once they are recorded.
    pub(super) fn is_heavy(&self) -> bool {
        self.live() >= self.floor + MAX_TEXTS
    }

    /// Bytes of texts that wait.
    fn live(&self) -> usize {
        let first = self.waiting.front().map_or(self.base, |first| first.start);
        self.texts.len() - usize::try_from(first - self.base).unwrap_or(0)
    }

    /// Lets go of all texts but names. All that waits is in the record.
    pub(super) fn shed(&mut self) {
        let mut kept = Vec::new();
        for index in 0..self.waiting.len() {
            let Some(mut waiting) = self.waiting.get(index).copied() else {
                return;
            };
            let start = kept.len();
            let (name, text) = self.texts(&waiting);
            kept.extend_from_slice(name);
            match waiting.kind {
                Kind::Query | Kind::Parse if !waiting.shed => {
                    let text = if waiting.cut {
                        cut_statement(text).2
                    } else {
                        text
                    };
                    waiting.sensitive = if waiting.is_hidden() {
                        Sensitive::Yes
                    } else {
                        Redaction::of(text)
                    };
                }
                Kind::Bind => {
                    let names = bind(text).map_or(0, |(_, _, values)| text.len() - values.len());
                    kept.extend_from_slice(text.get(..names).unwrap_or_default());
                }
                _ => {}
            }
            waiting.shed = true;
            waiting.start = self.base + start as u64;
            waiting.len = u32::try_from(kept.len() - start).unwrap_or(u32::MAX);
            if let Some(place) = self.waiting.get_mut(index) {
                *place = waiting;
            }
        }
        self.floor = kept.len();
        self.texts = kept;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The number of the message that comes next, counted from the session's beginning.
    pub(super) fn next_number(&self) -> u64 {
        self.popped + self.waiting.len() as u64
    }

    /// The number of the first that waits.
    pub(super) fn head_number(&self) -> u64 {
        self.popped
    }

    pub(super) fn head(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    pub(super) fn head_mut(&mut self) -> Option<&mut Waiting> {
        self.waiting.front_mut()
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Waiting> {
        self.waiting.back_mut()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Waiting> {
        self.waiting.get(index)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Waiting> {
        self.waiting.get_mut(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.waiting.iter_mut()
    }

    /// Adds a message with a name and a text.
    pub(super) fn push(
        &mut self,
        kind: Kind,
        at: Micros,
        number: u32,
        cut: bool,
        name: &[u8],
        text: &[&[u8]],
    ) {
        let start = self.base + self.texts.len() as u64;
        self.texts.extend_from_slice(name);
        for part in text {
            self.texts.extend_from_slice(part);
        }
        let end = self.base + self.texts.len() as u64;
        self.waiting.push_back(Waiting {
            kind,
            at,
            written: !kind.is_recorded(),
            told: false,
            shed: false,
            sensitive: Sensitive::No,
            started: false,
            encoding: self.encoding,
            cut,
            ei: 0,
            number,
            ends: 0,
            start,
            len: u32::try_from(end - start).unwrap_or(u32::MAX),
            name: u32::try_from(name.len()).unwrap_or(u32::MAX),
        });
    }

    /// Forgets the first.
    pub(super) fn pop(&mut self) {
        let Some(gone) = self.waiting.pop_front() else {
            return;
        };
        self.popped += 1;
        if self.waiting.is_empty() {
            self.floor = 0;
            self.base += self.texts.len() as u64;
            self.texts.clear();
            self.texts.shrink_to(KEEP_TEXTS);
            self.waiting.shrink_to(KEEP_WAITING);
            return;
        }
        let done = usize::try_from(gone.start + u64::from(gone.len) - self.base).unwrap_or(0);
        if done > KEEP_TEXTS * 64 && done > self.texts.len() / 2 {
            self.texts.drain(..done.min(self.texts.len()));
            self.base += done as u64;
        }
    }

    fn range(&self, of: &Waiting) -> Range<usize> {
        let start = usize::try_from(of.start.saturating_sub(self.base)).unwrap_or(usize::MAX);
        start..start.saturating_add(of.len as usize)
    }

    /// The name and the text of a message that waits.
    pub(super) fn texts(&self, of: &Waiting) -> (&[u8], &[u8]) {
        let texts = self.texts.get(self.range(of)).unwrap_or_default();
        texts
            .split_at_checked(of.name as usize)
            .unwrap_or((texts, &[]))
    }

    /// The statement of a `Query` or `Parse`.
    pub(super) fn statement(&self, of: &Waiting) -> Statement<'_> {
        if of.is_hidden() {
            return Statement::hidden();
        }
        let (_, text) = self.texts(of);
        if !of.cut {
            return Statement::whole(text);
        }
        let (length, sha256, prefix) = cut_statement(text);
        Statement::part(prefix, length, Some(sha256))
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.texts.capacity() + self.waiting.capacity() * size_of::<Waiting>()
    }

    /// Lets go of memory while nothing waits.
    pub(super) fn rest(&mut self) {
        if self.waiting.is_empty() {
            self.base += self.texts.len() as u64;
            self.texts = Vec::new();
            self.waiting = VecDeque::new();
        }
    }
}

/// Length, hash and beginning of a statement that was cut, as [`push`](Queue::push) was given them one behind the other.
pub(super) fn cut_statement(text: &[u8]) -> (u64, [u8; 32], &[u8]) {
    let Some((length, rest)) = text.split_first_chunk::<8>() else {
        return (0, [0; 32], &[]);
    };
    let Some((sha256, prefix)) = rest.split_first_chunk::<32>() else {
        return (0, [0; 32], &[]);
    };
    (u64::from_be_bytes(*length), *sha256, prefix)
}
