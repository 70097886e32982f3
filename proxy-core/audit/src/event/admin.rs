//! What happens outside of sessions: the authority, users, roles, locks, tokens, targets.

use std::net::SocketAddr;

use super::{Kind, Value};
use crate::time::Micros;

/// Who did it, and from where.
#[derive(Clone, Copy, Debug, Default)]
pub struct Actor<'a> {
    /// The user's name; empty is nobody that is known, or muster itself.
    pub user: &'a str,
    /// The address it came from; none for what was done on this machine.
    pub remote: Option<SocketAddr>,
}

/// Something that happened outside of a session.
///
/// ```
/// use muster_audit::{Actor, AdminEvent, Micros, Value, kinds};
/// let by = Actor { user: "alice", remote: None };
/// let event = AdminEvent::new(&kinds::LOCK_CREATED, Micros::from_seconds(1_750_000_000), by)
///     .with("name", Value::Text("4711"))
///     .with("target", Value::Text("user: bob"));
/// # let _ = event;
/// ```
#[derive(Clone, Debug)]
pub struct AdminEvent<'a> {
    pub(crate) kind: &'static Kind,
    pub(crate) at: Micros,
    pub(crate) by: Actor<'a>,
    pub(crate) fields: Vec<(&'static str, Value<'a>)>,
}

impl<'a> AdminEvent<'a> {
    /// An event of [`kinds`](super::kinds).
    pub const fn new(kind: &'static Kind, at: Micros, by: Actor<'a>) -> Self {
        Self {
            kind,
            at,
            by,
            fields: Vec::new(),
        }
    }

    /// Says the time more exactly: what was given to the second was this moment, if this moment is in the ten seconds after
    /// it. Any other one is not believed.
    #[must_use]
    pub const fn exactly(mut self, now: Micros) -> Self {
        let later = now.0.saturating_sub(self.at.0);
        if 0 <= later && later < 10_000_000 {
            self.at = now;
        }
        self
    }

    /// Adds a field, one of those that the kind names. Never a secret: nothing here is redacted.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value<'a>) -> Self {
        debug_assert!(
            self.kind.fields.contains(&name),
            "{} has no field {name}",
            self.kind.event
        );
        self.fields.push((name, value));
        self
    }
}
