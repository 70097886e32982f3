//! What the names of prepared statements and portals stand for at the server, so that an event can say what was run.
//!
//! They change when the server says so, in the order of its answers, and never on a client's word: a statement that the
//! server refused must not stand in the record in place of the one that it kept.

use std::collections::HashMap;

use muster_audit::{Sensitive, Statement};

/// The most bytes of one statement that are kept for its later runs. The whole was recorded when it was prepared.
const MAX_TEXT: usize = 8 * 1024;
/// The most bytes of all statements of a session, with those that only portals still need; one more may come on top.
const MAX_TEXTS: usize = 512 * 1024;
/// The most names of each kind.
const MAX_NAMES: usize = 4096;
/// Bytes by which PostgreSQL tells names apart.
const SIGNIFICANT: usize = 63;
/// What an unused place keeps of its memory,
const KEEP: usize = 1024;
/// and how many places do: what is prepared for one use and then for the next needs no new memory.
const KEEPING: usize = 4;

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

    fn memory(&self) -> usize {
        self.name.capacity() + self.text.capacity()
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
    /// In this transaction there are portals that are not known here.
    unknown_portals: bool,
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
        if !name.is_empty() {
            // It may stay for long.
            prepared.name.shrink_to(2 * name.len());
            prepared.text.shrink_to(2 * kept.len());
        }
        prepared.length = length;
        prepared.sha256 = sha256;
        prepared.sensitive = sensitive;
        prepared.names = 1;
        self.clock += 1;
        prepared.used = self.clock;
        self.bytes += prepared.memory();
        if name.is_empty() {
            self.unnamed_statement = Some(place);
        } else {
            self.statements.insert(name.into(), place);
        }
    }

    /// A portal was made of a statement. It is not known here when its statement is not, or when there is no room: a portal
    /// keeps its statement, whatever becomes of that one's name.
    pub(super) fn bind(&mut self, portal: &[u8], statement: &[u8]) {
        self.close_portal(portal);
        let Some(place) = self.place(statement) else {
            self.unknown_portals = true;
            return;
        };
        if let Some(prepared) = self.places.get_mut(place) {
            prepared.names += 1;
            self.clock += 1;
            prepared.used = self.clock;
        }
        if portal.is_empty() {
            self.unnamed_portal = Some(place);
            return;
        }
        if self.bytes > MAX_TEXTS {
            self.forget_oldest();
        }
        if self.portals.len() >= MAX_NAMES || self.bytes > MAX_TEXTS {
            self.release(Some(place));
            self.unknown_portals = true;
            return;
        }
        self.bytes += portal.len();
        self.portals.insert(portal.into(), place);
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
            find(&self.portals, name).map(|(_, place)| place)
        };
        place.and_then(|place| self.places.get(place))
    }

    /// Whether an error of what this portal runs may quote what nobody may read. Of a portal that is not known here it may.
    pub(super) fn is_sensitive(&self, portal: &[u8]) -> Sensitive {
        match self.portal(portal) {
            Some(prepared) => prepared.sensitive,
            None if self.unknown_portals => Sensitive::Yes,
            None => Sensitive::No,
        }
    }

    pub(super) fn close_statement(&mut self, name: &[u8]) {
        let place = if name.is_empty() {
            self.unnamed_statement.take()
        } else {
            take(&mut self.statements, name).map(|(_, place)| place)
        };
        self.release(place);
    }

    pub(super) fn close_portal(&mut self, name: &[u8]) {
        let place = if name.is_empty() {
            self.unnamed_portal.take()
        } else {
            take(&mut self.portals, name).map(|(name, place)| {
                self.bytes -= name.len();
                place
            })
        };
        self.release(place);
    }

    /// A statement of SQL has closed prepared statements: the one that `text` names, or all where it names none that is
    /// plain to see.
    pub(super) fn deallocate(&mut self, text: &[u8]) {
        if let Some(name) = deallocated(text) {
            self.close_statement(&name);
            return;
        }
        let unnamed = self.unnamed_statement.take();
        self.release(unnamed);
        for (_, place) in std::mem::take(&mut self.statements) {
            self.release(Some(place));
        }
    }

    /// A transaction is over, and its portals with it.
    pub(super) fn end_transaction(&mut self) {
        self.unknown_portals = false;
        let unnamed = self.unnamed_portal.take();
        self.release(unnamed);
        self.close_named_portals();
    }

    /// A statement of SQL has made a cursor, which is a portal: perhaps under the name of one that SQL has closed before. The
    /// statement itself may be run by the portal `by`.
    pub(super) fn declare(&mut self, by: &[u8]) {
        let by = take(&mut self.portals, by);
        self.close_named_portals();
        self.portals.extend(by);
        self.unknown_portals = true;
    }

    fn close_named_portals(&mut self) {
        if self.portals.is_empty() {
            return;
        }
        for (name, place) in std::mem::take(&mut self.portals) {
            self.bytes -= name.len();
            self.release(Some(place));
        }
    }

    fn place(&self, statement: &[u8]) -> Option<usize> {
        if statement.is_empty() {
            self.unnamed_statement
        } else {
            find(&self.statements, statement).map(|(_, place)| place)
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
        self.bytes -= prepared.memory();
        if self.free.len() < KEEPING {
            prepared.name.clear();
            prepared.text.clear();
            prepared.text.shrink_to(KEEP);
        } else {
            prepared.name = Vec::new();
            prepared.text = Vec::new();
        }
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

/// The entry of a name; of one that is longer than what PostgreSQL keeps, also the one that it takes for the same.
fn find<'a>(names: &'a HashMap<Box<[u8]>, usize>, name: &[u8]) -> Option<(&'a [u8], usize)> {
    if let Some((name, place)) = names.get_key_value(name) {
        return Some((name, *place));
    }
    let kept = name.get(..SIGNIFICANT)?;
    let found = names.iter().find(|(name, _)| name.starts_with(kept));
    found.map(|(name, place)| (&**name, *place))
}

fn take(names: &mut HashMap<Box<[u8]>, usize>, name: &[u8]) -> Option<(Box<[u8]>, usize)> {
    if let Some(found) = names.remove_entry(name) {
        return Some(found);
    }
    let name: Box<[u8]> = find(names, name)?.0.into();
    names.remove_entry(&name)
}

/// The name in `DEALLOCATE name`, as the server reads it, where the text is that and nothing more.
fn deallocated(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text)
        .ok()?
        .trim()
        .trim_end_matches(';')
        .trim_end();
    let mut words = text.split_ascii_whitespace();
    let is = |word: Option<&str>, expected: &str| {
        word.is_some_and(|word| word.eq_ignore_ascii_case(expected))
    };
    if !is(words.next(), "deallocate") {
        return None;
    }
    let mut name = words.next()?;
    if name.eq_ignore_ascii_case("prepare") {
        name = words.next()?;
    }
    if words.next().is_some() || name.eq_ignore_ascii_case("all") {
        return None;
    }
    if let Some(quoted) = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
    {
        return (!quoted.contains('"')).then(|| quoted.as_bytes().to_vec());
    }
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain.then(|| name.to_ascii_lowercase().into_bytes())
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
