//! What the authority does, for the audit log.

use std::{
    net::SocketAddr,
    sync::{Mutex, OnceLock, PoisonError},
};

use muster_audit::{Actor, AdminEvent, Kind as Event, Log, Micros, NotWritten, Value, kinds};
use muster_model::Timestamp;

use super::{command::Kind, records::refused};
use crate::service::handle::{Refused, RefusedKind};

/// Who does something, and from where.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// Who: a user, or a person at the machine.
    pub who: &'a str,
    /// From where; none for this machine.
    pub from: Option<SocketAddr>,
}

/// The time to the microsecond. The authority itself goes by seconds.
pub type Exact = fn() -> Micros;

/// Where it is written.
#[derive(Default)]
pub(super) struct Teller {
    log: OnceLock<(Log, Exact)>,
    /// What became of the last event, so that the service's log is not filled with it.
    last: Mutex<Fate>,
}

/// What becomes of an event of something that is done already: from good to bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It is recorded.
    #[default]
    Recorded,
    /// It is recorded as soon as the log can be written again, if muster runs then.
    Waits,
    /// It is not recorded.
    Lost,
}

impl Fate {
    const fn of(told: &Result<(), NotWritten>) -> Self {
        match told {
            Ok(()) => Self::Recorded,
            Err(NotWritten::Failing { kept: true, .. }) => Self::Waits,
            Err(NotWritten::Failing { kept: false, .. } | NotWritten::Busy) => Self::Lost,
        }
    }
}

impl Teller {
    /// Begins to write to a log. The first one counts.
    pub fn begin(&self, log: Log, exact: Exact) {
        let _ = self.log.set((log, exact));
    }

    /// Writes an event that must not be missing: whoever asked gets nothing when it cannot be written.
    ///
    /// # Errors
    /// When it cannot be written now.
    pub fn strictly(&self, event: AdminEvent<'_>, by: By<'_>) -> Result<(), Refused> {
        let Some((log, exact)) = self.log.get() else {
            return Ok(());
        };
        log.emit(&event.exactly(exact())).map_err(|why| {
            let refused = refused(RefusedKind::Unavailable, "the audit log cannot be written");
            match by.from {
                None => refused
                    .because(why.to_string())
                    .hint("nothing is given out that is not written down; make room on the disk, or see `muster status`"),
                // Where it is on this machine is nobody's business out there.
                Some(_) => refused
                    .hint("nothing is given out that is not written down: tell whoever runs muster"),
            }
        })
    }

    /// Writes an event of something that is done already.
    pub fn tell(&self, event: AdminEvent<'_>) {
        let Some((log, exact)) = self.log.get() else {
            return;
        };
        let told = log.emit(&event.exactly(exact()));
        let news = self.news(Fate::of(&told));
        match (news, told.err()) {
            (Some(Fate::Waits), Some(why)) => tracing::warn!(
                %why,
                "events of the authority wait until the audit log can be written again; they are kept as long as muster runs"
            ),
            (Some(Fate::Lost), Some(why)) => {
                tracing::error!(%why, "an event of the authority is not in the audit log");
            }
            _ => {}
        }
    }

    /// What is to be said of an event: nothing when the one before had it no better.
    fn news(&self, fate: Fate) -> Option<Fate> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *last, fate);
        (fate > before).then_some(fate)
    }
}

/// An event.
pub(super) fn event<'a>(kind: &'static Event, now: Timestamp, by: By<'a>) -> AdminEvent<'a> {
    let actor = Actor {
        user: by.who,
        remote: by.from,
    };
    AdminEvent::new(kind, Micros::from_seconds(now.unix()), actor)
}

/// A time in an event.
pub(super) const fn time(at: Timestamp) -> Value<'static> {
    Value::Time(Micros::from_seconds(at.unix()))
}

/// The event of a record that was written or removed.
pub(super) const fn of_record(kind: Kind, was_there: bool, removed: bool) -> &'static Event {
    match (kind, was_there, removed) {
        (Kind::Role, _, true) => &kinds::ROLE_DELETED,
        (Kind::Role, true, _) => &kinds::ROLE_UPDATED,
        (Kind::Role, false, _) => &kinds::ROLE_CREATED,
        (Kind::User, _, true) => &kinds::USER_DELETED,
        (Kind::User, true, _) => &kinds::USER_UPDATED,
        (Kind::User, false, _) => &kinds::USER_CREATED,
        (Kind::Lock, _, true) => &kinds::LOCK_DELETED,
        (Kind::Lock, _, _) => &kinds::LOCK_CREATED,
        (Kind::Token, _, true) => &kinds::TOKEN_DELETED,
        (Kind::Token, _, _) => &kinds::TOKEN_CREATED,
        (Kind::Db, _, true) => &kinds::DB_DELETE,
        (Kind::Db, true, _) => &kinds::DB_UPDATE,
        (Kind::Db, false, _) => &kinds::DB_CREATE,
        (Kind::CertAuthority, _, _) => &kinds::AUTHORITY_ROTATED,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_waits_is_not_called_lost_and_what_is_lost_is() {
        let failing = |kept| {
            let why = Arc::from("cannot write");
            Err(NotWritten::Failing { why, kept })
        };
        let teller = Teller::default();
        let news = [
            (Ok(()), None),
            (failing(true), Some(Fate::Waits)),
            (failing(true), None),
            (failing(false), Some(Fate::Lost)),
            (Err(NotWritten::Busy), None),
            (failing(true), None),
            (Ok(()), None),
            (failing(true), Some(Fate::Waits)),
        ];
        for (told, said) in news {
            assert_eq!(teller.news(Fate::of(&told)), said, "{told:?}");
        }
    }
}
