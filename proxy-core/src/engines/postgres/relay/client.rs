//! What a client asks, read as far as the record needs it.

use muster_audit::{Micros, NotWritten};

use super::{
    super::codec::Reader,
    Long,
    emit::Core,
    frames::{Collect, Message, Want},
    long::{LONG_NAME, MAX_NAME},
    queue::Kind,
    values::Bound,
};
use crate::engine::{Record, Stop};

/// The longest body of messages that carry names only, as PostgreSQL bounds it.
const MAX_SMALL: usize = 10_000;
/// How much longer than a statement the message around it may be to be kept as a whole.
const AROUND: usize = 4 * 1024;

/// What is wanted of a client's messages.
pub(super) struct ClientSide<'a> {
    pub(super) long: &'a mut Long,
    pub(super) most: usize,
}

impl Collect for ClientSide<'_> {
    fn begin(&mut self, tag: u8, length: usize) -> Result<Want, &'static str> {
        let whole = self.most + AROUND;
        match tag {
            b'Q' | b'P' | b'B' | b'F' if length <= whole => return Ok(Want::Prefix(whole)),
            b'Q' => self.long.text(0, self.most),
            b'P' => self.long.text(1, self.most),
            b'B' => self.long.values(true, self.most),
            b'F' => self.long.values(false, self.most),
            b'd' => return Ok(Want::Prefix(0)),
            b'E' | b'C' | b'D' if length <= MAX_SMALL => return Ok(Want::Prefix(MAX_SMALL)),
            b'f' if length <= MAX_SMALL => return Ok(Want::Prefix(0)),
            b'S' | b'H' | b'X' | b'c' if length == 0 => return Ok(Want::Prefix(0)),
            b'E' | b'C' | b'D' | b'f' | b'S' | b'H' | b'X' | b'c' => {
                return Err("a message that is too long for its type");
            }
            b'p' => return Err("a password in the middle of a session"),
            _ => return Err("a message of an unknown type"),
        }
        Ok(Want::Pieces)
    }

    fn piece(&mut self, bytes: &[u8]) {
        self.long.feed(bytes);
    }
}

const NO_END: &str = "a text without its end";
const BEHIND: &str = "bytes behind the end of a message's fields";
const BROKEN_VALUES: &str = "values that are not laid out as they should be";

impl Core {
    /// Whether a message with this tag is not to be taken now. What moves rows, and ends, always is.
    pub(super) fn is_full_for(
        &mut self,
        tag: Option<u8>,
        record: &mut dyn Record,
    ) -> Result<bool, Stop> {
        if self.copy.taking_in || matches!(tag, None | Some(b'd' | b'c' | b'f' | b'H' | b'X')) {
            return Ok(false);
        }
        if self.queue.is_heavy() {
            match self.shed(record) {
                Ok(()) => {}
                Err(NotWritten::Busy) => return Ok(true),
                Err(failing) => return Err(Stop::Record(failing)),
            }
        }
        Ok(self.queue.is_full())
    }

    /// Takes a message of the client into the queue.
    pub(super) fn client_message(
        &mut self,
        message: Message<'_>,
        long: &mut Long,
        at: Micros,
    ) -> Result<(), &'static str> {
        let Message { tag, length, body } = message;
        // Wanted in pieces, and therefore here in no piece at all.
        let cut = body.is_empty() && length > self.settings.max_statement;
        match tag {
            b'Q' | b'P' | b'B' | b'F' if cut => self.long_message(tag, long, at)?,
            b'Q' => {
                let (end, text) = body.split_last().ok_or(NO_END)?;
                if *end != 0 {
                    return Err(NO_END);
                }
                if memchr::memchr(0, text).is_some() {
                    return Err(BEHIND);
                }
                self.ask(Kind::Query, at, 0, false, &[], &[text])?;
            }
            b'P' => {
                let mut reader = Reader::new(body);
                let name = name(&mut reader)?;
                let text = reader.text().ok_or(NO_END)?;
                let types = reader.u16().ok_or(NO_END)?;
                if reader.rest().len() != usize::from(types) * 4 {
                    return Err(BEHIND);
                }
                self.ask(Kind::Parse, at, 0, false, name, &[text])?;
            }
            b'B' => {
                let (portal, statement, values) = bind(body).ok_or(NO_END)?;
                if portal.len().max(statement.len()) > MAX_NAME {
                    return Err(LONG_NAME);
                }
                if !Bound::read(values, false).is_some_and(|bound| bound.is_well_formed(false)) {
                    return Err(BROKEN_VALUES);
                }
                self.ask(Kind::Bind, at, 0, false, &[], &[body])?;
            }
            b'F' => {
                let mut reader = Reader::new(body);
                let number = reader.u32().ok_or(NO_END)?;
                if !Bound::read(reader.rest(), false)
                    .is_some_and(|bound| bound.is_well_formed(true))
                {
                    return Err(BROKEN_VALUES);
                }
                self.ask(Kind::Function, at, number, false, &[], &[reader.rest()])?;
            }
            b'E' => {
                let mut reader = Reader::new(body);
                let portal = name(&mut reader)?;
                let rows = reader.u32().ok_or(NO_END)?;
                if !reader.rest().is_empty() {
                    return Err(BEHIND);
                }
                self.ask(Kind::Execute, at, rows, false, portal, &[])?;
            }
            b'C' | b'D' => {
                let mut reader = Reader::new(body);
                let what = reader.u8().ok_or(NO_END)?;
                let name = name(&mut reader)?;
                if !reader.rest().is_empty() {
                    return Err(BEHIND);
                }
                let kind = match (tag, what) {
                    (b'D', b'S' | b'P') => Kind::Describe,
                    (_, b'S') => Kind::CloseStatement,
                    (_, b'P') => Kind::ClosePortal,
                    _ => return Err("neither a statement nor a portal"),
                };
                self.ask(kind, at, 0, false, name, &[])?;
            }
            b'S' => self.sync(at),
            b'H' => self.owes(),
            b'd' => self.copy.from_client.add(length),
            b'c' | b'f' => self.rows_end(),
            _ => {}
        }
        Ok(())
    }

    fn long_message(&mut self, tag: u8, long: &mut Long, at: Micros) -> Result<(), &'static str> {
        long.finish()?;
        let head = &long.head;
        match tag {
            b'Q' | b'P' => {
                let sha256 = long.sha256.ok_or(NO_END)?;
                let length = long.length.to_be_bytes();
                let (kind, name) = if tag == b'Q' {
                    (Kind::Query, &[][..])
                } else {
                    (Kind::Parse, head.split_last().ok_or(NO_END)?.1)
                };
                self.ask(kind, at, 0, true, name, &[&length, &sha256, &long.text])?;
            }
            b'B' => self.ask(Kind::Bind, at, 0, true, &[], &[head])?,
            _ => {
                let (number, values) = head.split_first_chunk::<4>().ok_or(NO_END)?;
                self.ask(
                    Kind::Function,
                    at,
                    u32::from_be_bytes(*number),
                    true,
                    &[],
                    &[values],
                )?;
            }
        }
        long.rest();
        Ok(())
    }

    fn ask(
        &mut self,
        kind: Kind,
        at: Micros,
        number: u32,
        cut: bool,
        name: &[u8],
        text: &[&[u8]],
    ) -> Result<(), &'static str> {
        self.out_of_place()?;
        self.statements += u64::from(kind.runs());
        self.queue.push(kind, at, number, cut, name, text);
        if kind.ends_ready() {
            self.owes();
        }
        if self.skipping {
            self.skip();
        }
        Ok(())
    }
}

fn name<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], &'static str> {
    let name = reader.text().ok_or(NO_END)?;
    if name.len() > MAX_NAME {
        return Err(LONG_NAME);
    }
    Ok(name)
}

/// The portal, the statement and the rest of a `Bind`.
pub(super) fn bind(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut reader = Reader::new(body);
    Some((reader.text()?, reader.text()?, reader.rest()))
}
