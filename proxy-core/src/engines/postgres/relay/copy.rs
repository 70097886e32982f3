//! COPY, and which Syncs the server passes over because of it.
//!
//! While it takes in rows, a server passes over Sync, up to where the client says that the rows end, or up to an error: and what
//! it had read by then, the server alone knows. Clients do send one, with the Execute that turns out to be a COPY, and another
//! behind the rows. So what came among the rows is kept as [`Kind::IgnoredSync`] until it is known how the COPY ends. Where it
//! fails, each of them may yet be answered; and what follows one is executed then, and passed over otherwise. That can never
//! be told, so a session in which something else follows before the next Sync ends.

use muster_audit::{Direction, Micros};

use super::{
    emit::{Action, Core},
    queue::{Kind, Waiting},
};
use crate::engine::Side;

/// Who broke the protocol, and how.
pub(super) type Wrong = (Side, &'static str);

const AMONG_ROWS: &str = "a message that has no place among the rows of COPY";
const BEHIND_ROWS: &str = "a message behind the rows of a COPY that failed, before a Sync";

/// COPY, while it runs.
#[derive(Debug, Default)]
pub(super) struct Copy {
    pub(super) direction: Option<Direction>,
    pub(super) binary: bool,
    /// The server reads rows, and passes over Sync and Flush.
    pub(super) taking_in: bool,
    pub(super) from_client: Moved,
    pub(super) from_server: Moved,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    pub(super) bytes: u64,
    pub(super) messages: u64,
}

impl Moved {
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.messages += 1;
    }
}

impl Core {
    /// The client sends a Sync.
    pub(super) fn sync(&mut self, at: Micros) {
        if !self.copy.taking_in {
            self.skipping = false;
            self.queue.push(Kind::Sync, at, 0, false, &[], &[]);
            self.owes();
            return;
        }
        match self.queue.last_mut() {
            Some(last) if last.kind == Kind::IgnoredSync => {
                last.number = last.number.saturating_add(1)
            }
            _ => self.queue.push(Kind::IgnoredSync, at, 1, false, &[], &[]),
        }
    }

    /// The client says that its rows end: those that the server takes in, or those of a COPY that has not begun yet.
    pub(super) fn rows_end(&mut self) {
        if std::mem::take(&mut self.copy.taking_in) {
            return;
        }
        if let Some(last) = self.queue.last_mut() {
            last.ends = last.ends.saturating_add(1);
        }
    }

    /// Why the client must not ask for anything now.
    pub(super) fn out_of_place(&self) -> Result<(), &'static str> {
        if self.copy.taking_in {
            Err(AMONG_ROWS)
        } else if self.skipping && self.doubt {
            Err(BEHIND_ROWS)
        } else {
            Ok(())
        }
    }

    pub(super) fn copy_begins(&mut self, tag: u8, body: &[u8], at: Micros) -> Result<(), Wrong> {
        let direction = match tag {
            b'G' => Direction::In,
            b'H' => Direction::Out,
            _ => Direction::Both,
        };
        if direction == Direction::Both && !self.settings.replication {
            return Err((Side::Server, "replication that was not asked for"));
        }
        if direction != Direction::Out {
            self.copy.taking_in = self.takes_in()?;
            let head = self.queue.head();
            if self.copy.taking_in && head.is_some_and(|head| head.kind == Kind::Execute) {
                // Its end is not told before another Flush or Sync.
                self.owed = self.queue.head_number();
            }
        }
        self.runs_on();
        self.done.at = at;
        self.copy.direction = Some(direction);
        self.copy.binary = body.first() == Some(&1);
        self.due(Action::Early);
        self.due(Action::CopyStart);
        Ok(())
    }

    /// What the client has sent since it asked for the COPY is read as rows, up to where it said that they end. Whether it has
    /// not said so yet.
    fn takes_in(&mut self) -> Result<bool, Wrong> {
        for (index, waiting) in self.queue.iter_mut().enumerate() {
            match waiting.kind {
                _ if index == 0 => {}
                Kind::Sync => (waiting.kind, waiting.number) = (Kind::IgnoredSync, 1),
                Kind::IgnoredSync => {}
                _ => return Err((Side::Client, AMONG_ROWS)),
            }
            if waiting.ends > 0 {
                waiting.ends -= 1;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An Execute has failed. If it was a COPY, some Sync among its rows may have been one.
    pub(super) fn doubts(&mut self) -> Result<(), Wrong> {
        let mut behind = self.queue.iter().skip(1).map(|waiting| waiting.kind);
        let next = behind.find(|kind| *kind != Kind::IgnoredSync);
        self.doubt = self.queue.get(1).is_some_and(Waiting::is_ignored);
        match next {
            Some(kind) if self.doubt && kind != Kind::Sync => Err((Side::Client, BEHIND_ROWS)),
            _ => Ok(()),
        }
    }

    /// The first in the queue is gone, and with it the Syncs among its rows, of which some may be answered yet if it failed.
    pub(super) fn forget_ignored(&mut self, failed: bool) {
        self.spare = 0;
        while let Some(head) = self.queue.head().filter(|head| head.is_ignored()) {
            if failed {
                self.spare = self.spare.saturating_add(head.number);
            }
            self.queue.pop();
        }
    }

    /// Whether `ReadyForQuery` answers a Sync that is forgotten already: nothing that waits can have been answered by it.
    pub(super) fn is_spare(&mut self) -> bool {
        let waits = |head: &Waiting| head.kind == Kind::Sync || head.started;
        let spare = self.spare > 0 && !self.queue.head().is_some_and(waits);
        self.spare -= u32::from(spare);
        spare
    }
}
