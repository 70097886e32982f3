//! [`Table`]: databases as they cross into a plugin.
//!
//! A text costs a call into the plugin when it crosses, and most texts of a fleet are the same few. So each crosses
//! once a batch, and a record holds numbers.

use std::fmt::Write as _;

use muster_model::{Database, EndpointRole, Label, Origin, Timestamp};

use super::bindings::muster::matcher::types::{Database as Row, Span};
use crate::Candidate;

/// Bytes of text after which a batch takes no more databases.
const FULL: usize = 4 << 20;
/// Places that are looked at for a text before it crosses once more. Whoever makes tags that all have one hash gains
/// nothing but a slower batch.
const PROBES: usize = 8;

/// The facts that do not come from the database's own.
const OWN_FACTS: &[&str] = &[
    "availability",
    "first-seen",
    "service",
    "tls-server-name",
    "unread",
];

/// Texts that no record holds as they are, by candidate.
pub(crate) struct Made {
    first_seen: Vec<(Option<Timestamp>, String)>,
    /// The one that is the candidate's.
    seen: Vec<usize>,
    /// Of those that have one: the candidate's place, and the text.
    roles: Vec<(usize, String)>,
    unread: Vec<(usize, String)>,
}

impl Made {
    pub(crate) fn new(candidates: &[Candidate<'_>]) -> Self {
        let mut made = Self {
            first_seen: Vec::new(),
            seen: Vec::with_capacity(candidates.len()),
            roles: Vec::new(),
            unread: Vec::new(),
        };
        for (place, candidate) in candidates.iter().enumerate() {
            let time = candidate.first_seen;
            // Those that one scan found have one time.
            if made.first_seen.last().is_none_or(|(last, _)| *last != time) {
                let text = time.map_or(String::new(), |time| time.to_string());
                made.first_seen.push((time, text));
            }
            made.seen.push(made.first_seen.len() - 1);
            let Database { role, unread, .. } = candidate.database;
            if matches!(role, EndpointRole::Custom(_)) {
                made.roles.push((place, role.to_string()));
            }
            if !unread.is_empty() {
                let mut text = String::new();
                for (nth, unread) in unread.iter().enumerate() {
                    let comma = if nth == 0 { "" } else { "," };
                    // Writing to a text does not fail.
                    let _written = write!(text, "{comma}{}", unread.as_str());
                }
                made.unread.push((place, text));
            }
        }
        made
    }

    fn first_seen(&self, place: usize) -> &str {
        self.seen
            .get(place)
            .and_then(|seen| self.first_seen.get(*seen))
            .map_or("", |(_, text)| text)
    }

    fn of(made: &[(usize, String)], place: usize) -> Option<&str> {
        let at = made
            .binary_search_by_key(&place, |(place, _)| *place)
            .ok()?;
        made.get(at).map(|(_, text)| text.as_str())
    }
}

/// By hash: the place of a text, or 0. Kept from batch to batch for its memory, not for what is in it.
pub(crate) type Slots = Vec<u32>;

/// One batch.
pub(crate) struct Table<'a> {
    pub(crate) texts: Vec<&'a str>,
    pub(crate) pairs: Vec<u32>,
    pub(crate) databases: Vec<Row>,
    slots: &'a mut Slots,
    /// The texts of the database before, in order: most of them are the next one's as well, and comparing is quicker
    /// than looking up.
    before: Vec<(&'a str, u32)>,
    /// Which of them is to be compared next.
    at: usize,
    /// Bytes of all texts.
    size: usize,
}

impl<'a> Table<'a> {
    /// Takes in as many databases as make a batch, at least one.
    pub(crate) fn new(
        candidates: &'a [Candidate<'a>],
        made: &'a Made,
        slots: &'a mut Slots,
    ) -> Self {
        let count = candidates.len();
        slots.clear();
        slots.resize(count.saturating_mul(16).next_power_of_two(), 0);
        let mut table = Self {
            texts: Vec::with_capacity(count.saturating_mul(8).saturating_add(64)),
            pairs: Vec::with_capacity(count.saturating_mul(64)),
            databases: Vec::with_capacity(count),
            slots,
            before: Vec::with_capacity(64),
            at: 0,
            size: 0,
        };
        table.texts.push("");
        for (place, candidate) in candidates.iter().enumerate() {
            if table.size >= FULL {
                break;
            }
            table.at = 0;
            let row = table.row(place, candidate, made);
            table.databases.push(row);
        }
        table
    }

    fn row(&mut self, place: usize, candidate: &Candidate<'a>, made: &'a Made) -> Row {
        let Database {
            id,
            scope,
            kind,
            protocol,
            identifier,
            role,
            region,
            endpoint,
            tls_server_name,
            engine,
            engine_version,
            state,
            tags,
            derived,
            facts,
            ..
        } = candidate.database;
        let provider = self.text(scope.provider.as_str());
        let kind = self.text(kind.as_str());
        let protocol = self.text(protocol.map_or("", |protocol| protocol.as_str()));
        let engine = self.text(engine);
        let engine_version = self.text(engine_version);
        let state_name = self.text(&state.name);
        let account = self.text(scope.account.as_str());
        let region = self.text(region);
        let role = self.text(Made::of(&made.roles, place).unwrap_or_else(|| role.as_str()));
        let name = self.text(identifier);

        let start = self.pairs.len();
        for (key, value) in facts {
            if !OWN_FACTS.contains(&key.as_str()) {
                self.pair(key, value);
            }
        }
        self.pair("availability", state.availability.as_str());
        self.pair("service", scope.service.as_str());
        let first_seen = made.first_seen(place);
        if !first_seen.is_empty() {
            self.pair("first-seen", first_seen);
        }
        if let Some(name) = tls_server_name {
            self.pair("tls-server-name", name);
        }
        if let Some(unread) = Made::of(&made.unread, place) {
            self.pair("unread", unread);
        }
        let facts = self.span(start);

        let start = self.pairs.len();
        for (key, value) in derived {
            self.pair(key, value);
        }
        let derived_span = self.span(start);
        let middle = self.pairs.len();
        for (key, value) in tags {
            self.pair(key, value);
        }
        let tags_span = self.span(middle);
        let labels = candidate.labels;
        let touched = |(_, label): (&str, &Label)| matches!(label.origin, Origin::Matcher(_));
        let labels = if labels.len() == derived.len() + tags.len() && !labels.iter().any(touched) {
            // No step has changed any, and no tag was kept out: the labels are those two, which lie side by side.
            self.span(start)
        } else {
            let start = self.pairs.len();
            for (key, value) in labels.values() {
                self.pair(key, value);
            }
            self.span(start)
        };
        let (host, port) = match endpoint {
            Some(endpoint) => (self.once(&endpoint.host), endpoint.port),
            None => (0, 0),
        };
        Row {
            id: self.once(id.as_str()),
            name,
            provider,
            kind,
            protocol,
            engine,
            engine_version,
            state: state_name,
            account,
            region,
            role,
            host,
            port: u32::from(port),
            tags: tags_span,
            derived: derived_span,
            labels,
            facts,
        }
    }

    fn pair(&mut self, key: &'a str, value: &'a str) {
        let key = self.text(key);
        let value = self.text(value);
        self.pairs.extend([key, value]);
    }

    fn span(&self, start: usize) -> Span {
        Span {
            start: number(start / 2),
            len: number(self.pairs.len().saturating_sub(start) / 2),
        }
    }

    /// Adds a text that no other database has.
    fn once(&mut self, text: &'a str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let place = number(self.texts.len());
        self.texts.push(text);
        self.size += text.len();
        place
    }

    /// The place of a text that is there, or is added.
    fn text(&mut self, text: &'a str) -> u32 {
        match self.before.get_mut(self.at) {
            Some((before, place)) if *before == text => {
                self.at += 1;
                return *place;
            }
            _ => {}
        }
        let place = self.shared(text);
        match self.before.get_mut(self.at) {
            Some(before) => *before = (text, place),
            None => self.before.push((text, place)),
        }
        self.at += 1;
        place
    }

    fn shared(&mut self, text: &'a str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let mask = self.slots.len().saturating_sub(1);
        let mut at = hash(text.as_bytes());
        for _ in 0..PROBES {
            at &= mask;
            match self.slots.get(at) {
                Some(0) => {
                    let place = self.once(text);
                    if let Some(slot) = self.slots.get_mut(at) {
                        *slot = place;
                    }
                    return place;
                }
                Some(&place) if self.texts.get(place as usize) == Some(&text) => return place,
                _ => at += 1,
            }
        }
        self.once(text)
    }
}

/// Lengths within a batch; a batch has some megabytes.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// From the length, and the first, middle and last eight bytes. Quick, not strong: see [`PROBES`].
fn hash(bytes: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(ODD);
        hash ^ (hash >> 32)
    };
    let mut state = mix(bytes.len() as u64, 0);
    let ends = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>());
    if let (Some(first), Some(last)) = ends {
        state = mix(state, u64::from_le_bytes(*first));
        state = mix(state, u64::from_le_bytes(*last));
        let middle = bytes.get(bytes.len() / 2 - 4..);
        if let Some(middle) = middle.and_then(|rest| rest.first_chunk::<8>()) {
            state = mix(state, u64::from_le_bytes(*middle));
        }
    } else {
        let word = bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        state = mix(state, word);
    }
    usize::try_from(state >> 24).unwrap_or(0)
}
