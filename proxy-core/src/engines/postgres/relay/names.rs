//! What the names of prepared statements and portals stand for at the server, so that an event can say what was run.
//!
//! They change when the server says so, in the order of its answers, and never on a client's word: a statement that the
//! server refused must not stand in the record in place of the one that it kept.

use std::collections::HashMap;

use muster_audit::{Sensitive, Statement};

/// The most bytes of one statement that are kept for its later runs. The whole was recorded when it was prepared.
const MAX_TEXT: usize = 8 * 1024;
/// The most bytes of all statements of a session.
const MAX_TEXTS: usize = 512 * 1024;
/// The most names of each kind.
const MAX_NAMES: usize = 4096;
/// What an unused place keeps of its memory.
const KEEP: usize = 1024;

/// A prepared statement.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) name: Vec<u8>,
    text: Vec<u8>,
    length: u64,
    sha256: Option<[u8; 32]>,
    pub(super) sensitive: Sensitive,
    /// By how many names it can be reached.
    names: u32,
    used: u64,
}

impl Prepared {
    /// Its text, or the beginning of it. None where it was not kept.
    pub(super) fn statement(&self) -> Option<Statement<'_>> {
        (!self.text.is_empty()).then(|| Statement::part(&self.text, self.length, self.sha256))
    }
}

/// All names of a session. The unnamed ones, which most clients use for everything, cost no look-up.
#[derive(Debug, Default)]
pub(super) struct Names {
    places: Vec<Prepared>,
    free: Vec<usize>,
    unnamed_statement: Option<usize>,
    unnamed_portal: Option<usize>,
    statements: HashMap<Box<[u8]>, usize>,
    portals: HashMap<Box<[u8]>, usize>,
    bytes: usize,
    clock: u64,
}

impl Names {
    /// A statement was prepared.
    pub(super) fn prepare(
        &mut self,
        name: &[u8],
        text: &[u8],
        length: u64,
        sha256: Option<[u8; 32]>,
        sensitive: Sensitive,
    ) {
        self.close_statement(name);
        if !name.is_empty() && (self.statements.len() >= MAX_NAMES || self.bytes > MAX_TEXTS) {
            self.forget_oldest();
        }
        let kept = text.get(..MAX_TEXT).unwrap_or(text);
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Prepared::default());
            self.places.len() - 1
        });
        let Some(prepared) = self.places.get_mut(place) else {
            return;
        };
        prepared.name.extend_from_slice(name);
        prepared.text.extend_from_slice(kept);
        prepared.length = length;
        prepared.sha256 = sha256;
        prepared.sensitive = sensitive;
        prepared.names = 1;
        self.clock += 1;
        prepared.used = self.clock;
        self.bytes += prepared.name.len() + prepared.text.len();
        if name.is_empty() {
            self.unnamed_statement = Some(place);
        } else {
            self.statements.insert(name.into(), place);
        }
    }

    /// A portal was made of a statement.
    pub(super) fn bind(&mut self, portal: &[u8], statement: &[u8]) {
        self.close_portal(portal);
        let Some(place) = self.place(statement) else {
            return;
        };
        if !portal.is_empty() && self.portals.len() >= MAX_NAMES {
            return;
        }
        if let Some(prepared) = self.places.get_mut(place) {
            prepared.names += 1;
            self.clock += 1;
            prepared.used = self.clock;
        }
        if portal.is_empty() {
            self.unnamed_portal = Some(place);
        } else {
            self.portals.insert(portal.into(), place);
        }
    }

    /// What a statement's name stands for.
    pub(super) fn statement(&self, name: &[u8]) -> Option<&Prepared> {
        self.place(name).and_then(|place| self.places.get(place))
    }

    /// What a portal was made of.
    pub(super) fn portal(&self, name: &[u8]) -> Option<&Prepared> {
        let place = if name.is_empty() {
            self.unnamed_portal
        } else {
            self.portals.get(name).copied()
        };
        place.and_then(|place| self.places.get(place))
    }

    pub(super) fn close_statement(&mut self, name: &[u8]) {
        let place = if name.is_empty() {
            self.unnamed_statement.take()
        } else {
            self.statements.remove(name)
        };
        self.release(place);
    }

    pub(super) fn close_portal(&mut self, name: &[u8]) {
        let place = if name.is_empty() {
            self.unnamed_portal.take()
        } else {
            self.portals.remove(name)
        };
        self.release(place);
    }

    /// A transaction is over, and its portals with it.
    pub(super) fn end_transaction(&mut self) {
        let unnamed = self.unnamed_portal.take();
        self.release(unnamed);
        if self.portals.is_empty() {
            return;
        }
        for (_, place) in std::mem::take(&mut self.portals) {
            self.release(Some(place));
        }
    }

    fn place(&self, statement: &[u8]) -> Option<usize> {
        if statement.is_empty() {
            self.unnamed_statement
        } else {
            self.statements.get(statement).copied()
        }
    }

    fn release(&mut self, place: Option<usize>) {
        let Some((place, prepared)) =
            place.and_then(|place| Some((place, self.places.get_mut(place)?)))
        else {
            return;
        };
        prepared.names -= 1;
        if prepared.names > 0 {
            return;
        }
        self.bytes -= prepared.name.len() + prepared.text.len();
        prepared.name.clear();
        prepared.text.clear();
        prepared.text.shrink_to(KEEP);
        self.free.push(place);
    }

    /// Forgets the named statements that were not used for longest: an eighth, so that it is not done every time.
    fn forget_oldest(&mut self) {
        let mut used: Vec<u64> = self
            .statements
            .values()
            .filter_map(|place| Some(self.places.get(*place)?.used))
            .collect();
        let nth = used.len() / 8;
        if nth >= used.len() {
            return;
        }
        let (_, limit, _) = used.select_nth_unstable(nth);
        let limit = *limit;
        let old: Vec<_> = self
            .statements
            .iter()
            .filter(|(_, place)| {
                self.places
                    .get(**place)
                    .is_some_and(|prepared| prepared.used <= limit)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in old {
            self.close_statement(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn name(prepared: Option<&Prepared>) -> Option<(&str, &str)> {
        prepared.map(|p| {
            (
                std::str::from_utf8(&p.name).unwrap(),
                std::str::from_utf8(&p.text).unwrap(),
            )
        })
    }

    #[test]
    fn a_portal_stays_what_it_was_made_of() {
        let mut names = Names::default();
        for statement in [&b""[..], b"s"] {
            for portal in [&b""[..], b"p"] {
                names.prepare(statement, b"SELECT 1", 8, None, Sensitive::No);
                names.bind(portal, statement);
                names.prepare(statement, b"SELECT 2", 8, None, Sensitive::No);
                assert_eq!(name(names.portal(portal)).unwrap().1, "SELECT 1");
                assert_eq!(name(names.statement(statement)).unwrap().1, "SELECT 2");
                names.close_statement(statement);
                assert_eq!(name(names.statement(statement)), None);
                assert_eq!(name(names.portal(portal)).unwrap().1, "SELECT 1");
            }
        }
        names.end_transaction();
        assert_eq!(
            (name(names.portal(b"")), name(names.portal(b"p"))),
            (None, None)
        );
        assert_eq!((names.bytes, names.free.len()), (0, names.places.len()));
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let mut names = Names::default();
        let text = vec![b'x'; 100_000];
        names.prepare(b"used", b"SELECT 1", 8, None, Sensitive::No);
        for index in 0..3 * MAX_NAMES {
            names.prepare(
                format!("s{index}").as_bytes(),
                &text,
                100_000,
                None,
                Sensitive::No,
            );
            names.bind(b"", b"used");
            assert!(names.bytes <= MAX_TEXTS + 2 * MAX_TEXT && names.statements.len() <= MAX_NAMES);
        }
        assert_eq!(name(names.portal(b"")), Some(("used", "SELECT 1")));
        for index in 0..3 * MAX_NAMES {
            names.prepare(format!("t{index}").as_bytes(), b"", 0, None, Sensitive::No);
            names.bind(format!("p{index}").as_bytes(), b"used");
        }
        assert!(names.statements.len() <= MAX_NAMES && names.portals.len() <= MAX_NAMES);
        assert!(names.places.len() <= 2 * MAX_NAMES + 2);
    }

    #[test]
    fn the_unnamed_statement_takes_no_new_memory() {
        let mut names = Names::default();
        for _ in 0..1000 {
            names.prepare(b"", b"SELECT 1", 8, None, Sensitive::No);
            names.bind(b"", b"");
        }
        assert!(names.places.len() <= 3);
    }
}
