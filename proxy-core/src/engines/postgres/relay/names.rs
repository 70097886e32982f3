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
/// Bytes by which PostgreSQL tells names apart.
const SIGNIFICANT: usize = 63;
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
            find(&self.portals, name).map(|(_, place)| place)
        };
        place.and_then(|place| self.places.get(place))
    }

    pub(super) fn close_statement(&mut self, name: &[u8]) {
        let place = if name.is_empty() {
            self.unnamed_statement.take()
        } else {
            take(&mut self.statements, name)
        };
        self.release(place);
    }

    pub(super) fn close_portal(&mut self, name: &[u8]) {
        let place = if name.is_empty() {
            self.unnamed_portal.take()
        } else {
            take(&mut self.portals, name)
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

/// The entry of a name; of one that is longer than what PostgreSQL keeps, also the one that it takes for the same.
fn find<'a>(names: &'a HashMap<Box<[u8]>, usize>, name: &[u8]) -> Option<(&'a [u8], usize)> {
    if let Some((name, place)) = names.get_key_value(name) {
        return Some((name, *place));
    }
    let kept = name.get(..SIGNIFICANT)?;
    let found = names.iter().find(|(name, _)| name.starts_with(kept));
    found.map(|(name, place)| (&**name, *place))
}

fn take(names: &mut HashMap<Box<[u8]>, usize>, name: &[u8]) -> Option<usize> {
    if let Some(place) = names.remove(name) {
        return Some(place);
    }
    let name: Box<[u8]> = find(names, name)?.0.into();
    names.remove(&name)
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
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

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

    #[test]
    fn names_are_told_apart_as_the_server_does() {
        let mut names = Names::default();
        let long = |end: &str| format!("{}{end}", "n".repeat(63)).into_bytes();
        names.prepare(&long("x"), b"SELECT 1", 8, None, Sensitive::No);
        assert_eq!(name(names.statement(&long("y"))).unwrap().1, "SELECT 1");
        assert_eq!(name(names.statement(&long(""))).unwrap().1, "SELECT 1");
        assert_eq!(name(names.statement(&long("")[..62])), None);
        names.prepare(&long("yy"), b"SELECT 2", 8, None, Sensitive::No);
        names.close_statement(&long("z"));
        assert_eq!(names.statements.len(), 0);
    }

    #[test]
    fn what_sql_closes_is_closed() {
        let cases: &[(&str, &[&str])] = &[
            ("DEALLOCATE b", &["A", "c d"]),
            ("deallocate prepare B ;", &["A", "c d"]),
            ("DEALLOCATE \"A\"", &["b", "c d"]),
            ("DEALLOCATE a", &["A", "b", "c d"]),
            // Not plain to see: nothing is believed any more.
            ("DEALLOCATE \"c d\"", &[]),
            ("DEALLOCATE ALL", &[]),
            ("DISCARD ALL", &[]),
            ("DEALLOCATE b; PREPARE b AS SELECT 2", &[]),
            ("DEALLOCATE /* */ b", &[]),
            ("DEALLOCATE b--", &[]),
        ];
        for (text, left) in cases {
            let mut names = Names::default();
            for name in ["", "A", "b", "c d"] {
                names.prepare(name.as_bytes(), b"SELECT 1", 8, None, Sensitive::No);
            }
            names.deallocate(text.as_bytes());
            let mut still: Vec<_> = names
                .statements
                .keys()
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect();
            still.sort();
            assert_eq!(still, *left, "{text}");
        }
    }
}
