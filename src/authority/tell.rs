//! What the authority does, for the audit log.

use std::{
    net::SocketAddr,
    sync::{Mutex, OnceLock, PoisonError},
};

use muster_audit::{Actor, AdminEvent, Kind as Event, Log, Micros, Value, kinds};
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
    /// The last failure, so that the service's log is not filled with it.
    failing: Mutex<bool>,
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
    pub fn strictly(&self, event: AdminEvent<'_>) -> Result<(), Refused> {
        let Some((log, exact)) = self.log.get() else {
            return Ok(());
        };
        log.emit(&event.exactly(exact())).map_err(|why| {
            refused(RefusedKind::Unavailable, "the audit log cannot be written")
                .because(why.to_string())
                .hint("nothing is given out that is not written down; make room on the disk, or see `muster status`")
        })
    }

    /// Writes an event of something that is done already.
    pub fn tell(&self, event: AdminEvent<'_>) {
        let Some((log, exact)) = self.log.get() else {
            return;
        };
        let failed = log.emit(&event.exactly(exact())).err();
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = failed.as_ref().filter(|_| !*failing) {
            tracing::error!(%why, "an event of the authority could not be written to the audit log");
        }
        *failing = failed.is_some();
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
