//! What a database answers, walked by its headers, and which message of the client it answers.

use muster_audit::{Micros, Redaction, Sensitive};

use super::{
    super::{
        codec::{HEADER, MAX_MESSAGE},
        error::fields,
    },
    client::bind,
    copy::{Copy, Wrong},
    emit::{Action, Core},
    encoding::{Encoding, MAX_STATUS},
    frames::{Collect, Message, Want},
    names::Prepared,
    queue::{Kind, Waiting, cut_statement},
};
use crate::engine::Side;

/// Bytes of an error that are read: its code and its text come first.
const MAX_ERROR: usize = 8 * 1024;
/// Bytes of a command's tag that are read.
const MAX_TAG: usize = 64;

const UNASKED: &str = "an answer to nothing that was asked";

/// What is wanted of a database's messages.
pub(super) struct ServerSide;

impl Collect for ServerSide {
    fn begin(&mut self, tag: u8, length: usize) -> Result<Want, &'static str> {
        Ok(Want::Prefix(match tag {
            b'D' | b'd' | b'T' | b't' | b'V' | b'N' | b'A' => 0,
            b'S' => MAX_STATUS,
            b'C' => MAX_TAG + 1,
            b'E' => MAX_ERROR,
            b'G' | b'H' | b'W' => 1,
            b'Z' if length == 1 => 1,
            b'1' | b'2' | b'3' | b'n' | b'I' | b's' | b'c' if length == 0 => 0,
            b'Z' | b'1' | b'2' | b'3' | b'n' | b'I' | b's' | b'c' => {
                return Err("a message that is too long for its type");
            }
            b'R' => return Err("authentication in the middle of a session"),
            b'K' => return Err("a key in the middle of a session"),
            _ => return Err("a message of an unknown type"),
        }))
    }

    fn piece(&mut self, _: &[u8]) {}
}

impl Core {
    /// Passes over whole messages of rows, which is most of what a database sends.
    pub(super) fn pass_rows(&mut self, bytes: &[u8], place: &mut usize) {
        if self.is_unasked() {
            return;
        }
        let from = *place;
        while let Some([tag @ (b'D' | b'd'), length @ ..]) = bytes
            .get(*place..)
            .and_then(|rest| rest.first_chunk::<HEADER>())
        {
            let length = u32::from_be_bytes(*length);
            let next = *place + 1 + length as usize;
            if !(4..=MAX_MESSAGE).contains(&length) || next > bytes.len() {
                break;
            }
            if *tag == b'd' {
                self.copy.from_server.add(length as usize - 4);
            }
            *place = next;
        }
        if *place > from {
            self.begins(b'D');
        }
    }

    /// Whether nothing waits that an answer could be to.
    fn is_unasked(&self) -> bool {
        let waits = |head: &Waiting| head.kind != Kind::Sync && !head.is_ignored();
        !self.queue.head().is_some_and(waits)
    }

    /// Some of a message with this tag has come: the answer of whoever is first in the queue has begun.
    pub(super) fn begins(&mut self, tag: u8) {
        if !matches!(tag, b'S' | b'A' | b'Z')
            && let Some(head) = self.queue.head_mut()
        {
            head.started = true;
        }
    }

    /// Takes a message of the database.
    pub(super) fn server_message(&mut self, message: Message<'_>, at: Micros) -> Result<(), Wrong> {
        let Message { tag, length, body } = message;
        if !matches!(tag, b'Z' | b'E' | b'N' | b'S' | b'A' | b'c') && self.is_unasked() {
            return Err((Side::Server, UNASKED));
        }
        match tag {
            b'D' | b'N' => self.runs_on(),
            b'd' => {
                self.copy.from_server.add(length);
                self.runs_on();
            }
            b'T' if self.queue.head().is_none_or(|head| head.kind.runs()) => self.runs_on(),
            b'T' | b'n' => self.answered(Kind::Describe, at),
            b'1' => {
                if let Some(index) = self.find(Kind::Parse) {
                    self.prepared(index);
                }
                self.answered(Kind::Parse, at);
            }
            b'2' => {
                if let Some(waiting) = self
                    .find(Kind::Bind)
                    .and_then(|index| self.queue.get(index))
                    && let Some((portal, statement, _)) = bind(self.queue.texts(waiting).1)
                {
                    self.names.bind(portal, statement);
                }
                self.answered(Kind::Bind, at);
            }
            b'3' => self.closed(at),
            b'C' => self.complete(body, at),
            b'I' | b's' => match self.queue.head().map(|head| head.kind) {
                Some(Kind::Query) => self.runs_on(),
                _ => self.answered(Kind::Execute, at),
            },
            b'V' => self.runs_on(),
            b'S' => {
                if let Some(encoding) = Encoding::of_status(body) {
                    self.queue.change_encoding(encoding);
                }
            }
            b'G' | b'H' | b'W' => self.copy_begins(tag, body, at)?,
            b'E' => self.failed(body, at)?,
            b'Z' => {
                self.transaction = body.first().copied().unwrap_or(b'I');
                if self.transaction == b'I' {
                    self.names.end_transaction();
                }
                (self.skipping, self.doubt) = (false, false);
                self.copy = Copy::default();
                self.done.at = at;
                self.due(Action::Ready);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn runs_on(&mut self) {
        if let Some(head) = self.queue.head_mut().filter(|head| head.kind.runs()) {
            head.started = true;
        }
    }

    /// The place of the first message of this kind before the next one that ends an answer. It is the first of all
    /// unless a server leaves answers out.
    fn find(&self, kind: Kind) -> Option<usize> {
        for (index, waiting) in self.queue.iter().enumerate() {
            if waiting.kind == kind {
                return Some(index);
            }
            if waiting.kind.ends_ready() {
                return None;
            }
        }
        None
    }

    /// The first message of this kind is answered; what stands before it will not be.
    fn answered(&mut self, kind: Kind, at: Micros) {
        let Some(index) = self.find(kind) else { return };
        if index > 0 {
            self.due(Action::Abandon(self.queue.head_number() + index as u64));
        }
        self.done.at = at;
        self.due(Action::Finish);
    }

    fn prepared(&mut self, index: usize) {
        let Some(waiting) = self.queue.get(index) else {
            return;
        };
        let (name, text) = self.queue.texts(waiting);
        if waiting.is_hidden() {
            self.names.prepare(name, &[], 0, None, Sensitive::Yes);
            return;
        }
        if waiting.shed {
            self.names.prepare(name, &[], 0, None, waiting.sensitive);
            return;
        }
        let (length, sha256, text) = if waiting.cut {
            let (length, sha256, prefix) = cut_statement(text);
            (length, Some(sha256), prefix)
        } else {
            (text.len() as u64, None, text)
        };
        self.names
            .prepare(name, text, length, sha256, Redaction::of(text));
    }

    fn closed(&mut self, at: Micros) {
        let kinds = [Kind::CloseStatement, Kind::ClosePortal];
        let Some((index, kind)) = kinds
            .iter()
            .filter_map(|kind| Some((self.find(*kind)?, *kind)))
            .min_by_key(|(index, _)| *index)
        else {
            return;
        };
        if let Some(waiting) = self.queue.get(index) {
            let (name, _) = self.queue.texts(waiting);
            match kind {
                Kind::CloseStatement => self.names.close_statement(name),
                _ => self.names.close_portal(name),
            }
        }
        self.answered(kind, at);
    }

    /// `CommandComplete`: the end of an Execute, or of one statement of a Query.
    fn complete(&mut self, body: &[u8], at: Micros) {
        let tag = body.split(|byte| *byte == 0).next().unwrap_or_default();
        self.done.complete(tag.get(..MAX_TAG).unwrap_or(tag), at);
        if tag.starts_with(b"DEALLOCATE") || tag == b"DISCARD ALL" {
            self.closed_by_sql();
        }
        if tag == b"DECLARE CURSOR"
            && let Some(head) = self.queue.head()
        {
            self.names.declare(self.queue.texts(head).0);
        }
        if self.copy.direction.is_some() {
            self.due(Action::CopyEnd);
        }
        match self.queue.head().map(|head| head.kind) {
            Some(Kind::Query) => self.runs_on(),
            _ => self.answered(Kind::Execute, at),
        }
    }

    /// Prepared statements can be closed by SQL too, and others be prepared under their names.
    fn closed_by_sql(&mut self) {
        let Some(head) = self.queue.head() else {
            return;
        };
        let (name, text) = self.queue.texts(head);
        if head.kind == Kind::Query {
            self.names.deallocate(text);
            return;
        }
        let prepared = self.names.portal(name).and_then(Prepared::statement);
        let text = prepared.map(|text| text.parts().0.to_vec());
        self.names.deallocate(&text.unwrap_or_default());
    }

    fn failed(&mut self, body: &[u8], at: Micros) -> Result<(), Wrong> {
        let (mut code, mut text) = (&[][..], &[][..]);
        for (name, value) in fields(body) {
            match name {
                b'C' => code = value,
                b'M' => text = value,
                _ => {}
            }
        }
        self.done.fail(code, text, at);
        if self.copy.direction.is_some() {
            self.due(Action::CopyEnd);
        }
        self.copy.taking_in = false;
        match self.queue.head().map(|head| head.kind) {
            Some(Kind::Query | Kind::Function) => self.runs_on(),
            None | Some(Kind::Sync | Kind::IgnoredSync) => self.due(Action::Loose),
            Some(_) => {
                self.doubts()?;
                self.due(Action::Finish);
                self.skip();
            }
        }
        Ok(())
    }

    /// From here to the next Sync, the server passes over all that it is asked.
    pub(super) fn skip(&mut self) {
        self.skipping = true;
        self.due(Action::Skip);
    }
}
