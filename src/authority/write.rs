//! Records: written, read and removed, and what follows from that.

use muster_access::Record;
use muster_audit::{Value as Field, kinds};
use muster_model::Timestamp;
use serde_json::Value;

use super::{
    Answer, Authority, By, Changed, Document, How, Kind, State,
    journal::Op,
    people::{INVITES, LOGINS, SILENCES},
    records::{self, Checked, refused},
    tell,
};
use crate::service::handle::{Refused, RefusedKind};

impl Authority {
    pub(super) fn list(&self, kind: Option<Kind>) -> Vec<Document> {
        let state = self.state();
        let kinds = kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
        let of = |kind| match (kind, kind_is_asked(&kinds)) {
            (Kind::CertAuthority, true) => self.ca_documents(&state),
            (Kind::CertAuthority, false) => Vec::new(),
            (kind, _) => records::of_kind(state.journal.records(), kind).collect(),
        };
        kinds.iter().copied().flat_map(of).collect()
    }

    pub(super) fn get(&self, kind: Kind, name: &str) -> Result<Document, Refused> {
        if kind == Kind::CertAuthority {
            let found = self
                .list(Some(kind))
                .into_iter()
                .find(|document| document.name == name);
            return found.ok_or_else(|| records::no_such(kind, name));
        }
        records::find(self.state().journal.records(), kind, name)
    }

    pub(super) fn put(&self, bodies: &[Value], how: How, by: By<'_>) -> Result<Answer, Refused> {
        let now = self.now();
        let checked = bodies.iter().map(|body| records::check(body, now));
        let checked: Vec<Checked> = checked.collect::<Result<_, _>>()?;
        let mut state = self.state();
        for Checked { kind, name, .. } in &checked {
            may_write(&state, *kind, name, how)?;
        }
        let documents = self.write(&mut state, &checked, Vec::new(), by, now)?;
        drop(state);
        let warnings = checked
            .into_iter()
            .flat_map(|checked| checked.warnings)
            .collect();
        Ok(Answer::Documents {
            documents,
            warnings,
        })
    }

    /// Writes records that were checked, with what else belongs to them, and has them in force.
    pub(super) fn write(
        &self,
        state: &mut State,
        checked: &[Checked],
        beside: Vec<Op>,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<Vec<Document>, Refused> {
        let was_there: Vec<bool> = checked
            .iter()
            .map(|Checked { kind, name, .. }| {
                state
                    .journal
                    .records()
                    .contains_key(&records::id(*kind, name))
            })
            .collect();
        let mut ops = beside;
        let mut policy = (**self.policy.load()).clone();
        for (checked, was_there) in checked.iter().zip(&was_there) {
            ops.push(Op::Put {
                id: records::id(checked.kind, &checked.name),
                value: checked.body.clone(),
            });
            let mut record = checked.record.clone();
            if let Record::User(user) = &mut record {
                if *was_there {
                    user.since = policy.user(&user.name).and_then(|before| before.since);
                } else {
                    user.since = Some(now);
                    ops.push(records::since(&user.name, now));
                }
            }
            policy = records::with(&policy, &record);
        }
        let revision = state.journal.append(ops)?;
        self.policy.store(policy.into());
        let mut documents = Vec::new();
        for (checked, was_there) in checked.iter().zip(was_there) {
            let Checked {
                kind, name, body, ..
            } = checked;
            tracing::info!(%kind, name = shown(&checked.record), by = by.who, "wrote a record");
            self.tell_of(&checked.record, *kind, was_there, false, by, now);
            self.changed_record(&checked.record);
            documents.push(Document {
                kind: *kind,
                name: name.clone(),
                revision,
                body: body.clone(),
            });
        }
        Ok(documents)
    }

    pub(super) fn remove(
        &self,
        kind: Kind,
        name: &str,
        revision: Option<u64>,
        by: By<'_>,
    ) -> Result<Answer, Refused> {
        if kind == Kind::CertAuthority {
            return Err(records::invalid("an authority cannot be removed")
                .hint("`muster auth rotate` exchanges it for a new one"));
        }
        let now = self.now();
        let mut state = self.state();
        let document = records::find(state.journal.records(), kind, name)?;
        if revision.is_some_and(|revision| revision != document.revision) {
            return Err(changed_meanwhile(kind, name));
        }
        let mut ops = vec![Op::Remove {
            id: records::id(kind, name),
        }];
        ops.extend(belonging(&state, kind, name));
        state.journal.append(ops)?;
        let policy = records::without(&self.policy.load(), kind, name);
        self.policy.store(policy.into());
        // What cannot be read can be removed all the same.
        if let Ok(record) = records::read(&document, now) {
            tracing::info!(%kind, name = shown(&record), by = by.who, "removed a record");
            self.tell_of(&record, kind, true, true, by, now);
            self.changed_record(&record);
        }
        drop(state);
        Ok(Answer::Documents {
            documents: vec![document],
            warnings: Vec::new(),
        })
    }

    fn tell_of(
        &self,
        record: &Record,
        kind: Kind,
        was_there: bool,
        removed: bool,
        by: By<'_>,
        now: Timestamp,
    ) {
        let event = tell::event(tell::of_record(kind, was_there, removed), now, by);
        let name = shown(record);
        let event = event.with("name", Field::Text(&name));
        match record {
            Record::User(user) if !removed => {
                let roles: Vec<&str> = user.roles.iter().map(String::as_str).collect();
                self.teller.tell(event.with("roles", Field::List(&roles)));
            }
            Record::Lock(lock) => {
                let target = lock.target.to_string();
                let mut event = event.with("target", Field::Text(&target));
                if !removed {
                    if let Some(message) = &lock.message {
                        event = event.with("message", Field::Text(message));
                    }
                    if let Some(expires) = lock.expires {
                        event = event.with("expires", tell::time(expires));
                    }
                }
                self.teller.tell(event);
            }
            Record::Token(token) if !removed => {
                let roles: Vec<&str> = token.roles.iter().map(String::as_str).collect();
                let mut event = event
                    .with("roles", Field::List(&roles))
                    .with("join_method", Field::Text(token.method.as_str()));
                if let Some(expires) = token.expires {
                    event = event.with("expires", tell::time(expires));
                }
                self.teller.tell(event);
            }
            _ => self.teller.tell(event),
        }
    }

    fn changed_record(&self, record: &Record) {
        self.announce(match record {
            Record::Role(role) => Changed::Role(role.name.clone()),
            Record::User(user) => Changed::User(user.name.clone()),
            Record::Lock(lock) => Changed::Lock(lock.target.clone()),
            Record::Db(db) => Changed::Target(db.name.clone()),
            Record::Token(_) => return,
        });
    }

    /// Removes what is over: invitations, tokens and locks, a day after their end; silences, a day after the last try.
    pub(super) fn sweep(&self, now: Timestamp) -> Result<(), Refused> {
        let before = now.plus(-24 * 3600);
        let mut state = self.state();
        let mut ops = Vec::new();
        let mut gone = Vec::new();
        for (id, stored) in state.journal.records() {
            let part = match id.table.as_str() {
                INVITES => "/expires",
                SILENCES => "/last",
                "token" => "/metadata/expires",
                "lock" => "/spec/expires",
                _ => continue,
            };
            if end_of(&stored.value, part).is_some_and(|end| end <= before) {
                ops.push(Op::Remove { id: id.clone() });
                if id.table == "token" {
                    ops.extend(belonging(&state, Kind::Token, &id.name));
                }
                if id.table == "lock" {
                    gone.push(id.name.clone());
                }
            }
        }
        state.journal.append(ops)?;
        let mut policy = (**self.policy.load()).clone();
        for lock in &gone {
            policy = policy.without_lock(lock);
        }
        if !gone.is_empty() {
            self.policy.store(policy.into());
        }
        let event = tell::event(&kinds::LOCK_DELETED, now, MUSTER);
        for lock in &gone {
            self.teller
                .tell(event.clone().with("name", Field::Text(lock)));
        }
        drop(state);
        Ok(())
    }
}

/// The time that stands there.
pub(super) fn end_of(value: &Value, part: &str) -> Option<Timestamp> {
    value.pointer(part)?.as_str()?.parse().ok()
}

/// What muster does by itself.
const MUSTER: By<'static> = By {
    who: "",
    from: None,
};

fn kind_is_asked(kinds: &[Kind]) -> bool {
    kinds.len() == 1
}

/// What else is kept of a record that goes.
fn belonging(state: &State, kind: Kind, name: &str) -> Vec<Op> {
    let remove = |id| Op::Remove { id };
    match kind {
        Kind::User => {
            let invites = state.invites_of(name).into_iter();
            let login = super::journal::Id::new(LOGINS, name);
            let login = state
                .journal
                .records()
                .contains_key(&login)
                .then_some(login);
            let since = records::since_id(name);
            let since = state
                .journal
                .records()
                .contains_key(&since)
                .then_some(since);
            invites.chain(login).chain(since).map(remove).collect()
        }
        Kind::Token => {
            let secret = super::journal::Id::new(super::people::SECRETS, name);
            let secret = state
                .journal
                .records()
                .contains_key(&secret)
                .then_some(secret);
            secret.into_iter().map(remove).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a record may be written so.
///
/// # Errors
/// Why not.
pub(super) fn may_write(state: &State, kind: Kind, name: &str, how: How) -> Result<(), Refused> {
    let there = state.journal.records().get(&records::id(kind, name));
    match (how, there) {
        (How::Create, Some(_)) => {
            let what = format!("there is a {kind} `{name}` already");
            Err(refused(RefusedKind::Conflict, what)
                .hint("`muster create --force` replaces it, and `muster edit` changes it"))
        }
        (How::Replace { .. }, None) => Err(records::no_such(kind, name)),
        (How::Replace { revision }, Some(stored)) if stored.revision != revision => {
            Err(changed_meanwhile(kind, name))
        }
        _ => Ok(()),
    }
}

fn changed_meanwhile(kind: Kind, name: &str) -> Refused {
    refused(
        RefusedKind::Conflict,
        format!("somebody else has changed the {kind} `{name}` meanwhile"),
    )
    .hint("look at it again, and make the change on what is there now")
}

/// A record's name, where that is no secret.
fn shown(record: &Record) -> String {
    match record {
        Record::Token(token) => token.shown(),
        other => other.name().to_owned(),
    }
}
