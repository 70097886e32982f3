//! Finding events: by who, what, where and when, and by text.
//!
//! Lines are looked at as bytes for what every hit must have in it, a block at a time, and only those that have it are
//! parsed. Files whose events are all too early or too late are not opened at all.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use memchr::memmem;
use serde_json::{Map, Value};

use super::{blocks::Blocks, lines, text::Needle};
use crate::{
    files::{self, LogFile},
    json,
    time::Micros,
};

/// What is looked for: all of what is given.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Events of this user.
    pub user: Option<String>,
    /// Events about this target.
    pub target: Option<String>,
    /// Events of sessions with this user of the database.
    pub db_user: Option<String>,
    /// Events with this code.
    pub code: Option<String>,
    /// Events of this type.
    pub event: Option<String>,
    /// Events of this session.
    pub sid: Option<String>,
    /// Events with this text, in any case, in a statement, in what was bound to it, in its command tag, in an error or in a
    /// reason.
    pub text: Option<String>,
    /// Not before.
    pub from: Option<Micros>,
    /// Before.
    pub to: Option<Micros>,
    /// Which come first.
    pub order: Order,
    /// The most events.
    pub limit: Option<usize>,
}

/// Which events come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
}

/// An event that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its line, as it is in the file.
    pub line: Vec<u8>,
    /// Its fields.
    pub event: Map<String, Value>,
}

/// Looks for events in the log of a directory.
///
/// # Errors
/// The directory cannot be read.
pub fn search(dir: &Path, query: Query) -> io::Result<Matches> {
    let mut files: VecDeque<LogFile> = files::list(dir)?.into();
    if query.order == Order::Newest {
        files = files.into_iter().rev().collect();
    }
    Ok(Matches {
        dir: dir.to_owned(),
        left: query.limit.unwrap_or(usize::MAX),
        filter: Filter::new(query),
        files,
        blocks: None,
        block: Vec::new(),
        hits: VecDeque::new(),
        damaged: 0,
    })
}

/// Events that match, as they are found.
pub struct Matches {
    dir: PathBuf,
    filter: Filter,
    files: VecDeque<LogFile>,
    blocks: Option<Blocks>,
    block: Vec<u8>,
    hits: VecDeque<Found>,
    left: usize,
    damaged: u64,
}

impl Matches {
    /// Lines that looked like a hit and are damaged.
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    fn more(&mut self) -> io::Result<bool> {
        loop {
            if let Some(blocks) = &mut self.blocks {
                if blocks.next(&mut self.block)? {
                    self.filter
                        .block(&self.block, &mut self.hits, &mut self.damaged);
                    if self.filter.query.order == Order::Newest {
                        self.hits.make_contiguous().reverse();
                    }
                    if self.hits.is_empty() {
                        continue;
                    }
                    return Ok(true);
                }
                self.blocks = None;
            }
            let Some(file) = self.files.pop_front() else {
                return Ok(false);
            };
            let path = file.path(&self.dir);
            if !self.filter.may_be_in(&path) {
                continue;
            }
            match Blocks::open(&path, self.filter.query.order) {
                Ok(blocks) => self.blocks = Some(blocks),
                // Removed because it was old, meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Iterator for Matches {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        while self.hits.is_empty() {
            match self.more() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.left = 0;
                    return Some(Err(error));
                }
            }
        }
        self.left -= 1;
        self.hits.pop_front().map(Ok)
    }
}

/// A query, made ready to be asked of many lines.
pub(super) struct Filter {
    pub(super) query: Query,
    /// What every hit has in it; the first is looked for in a whole block.
    exact: Vec<Arc<memmem::Finder<'static>>>,
    text: Option<Needle>,
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
}

impl Filter {
    pub(super) fn new(query: Query) -> Self {
        let string = |value: &String| {
            let mut text = Vec::new();
            json::string(&mut text, value.as_bytes());
            text
        };
        // Those that fewer lines have come first.
        let values = [
            &query.sid,
            &query.user,
            &query.target,
            &query.db_user,
            &query.code,
            &query.event,
        ];
        let exact = values.into_iter().flatten().map(|value| {
            let needle = string(value);
            Arc::new(memmem::Finder::new(&needle).into_owned())
        });
        let text = query.text.as_ref().and_then(|text| {
            let mut needle = Vec::new();
            json::inner(&mut needle, text.as_bytes());
            Needle::new(&needle)
        });
        let time = |time: Option<Micros>| time.map(|time| time.text().to_vec());
        Self {
            exact: exact.collect(),
            text,
            from: time(query.from),
            to: time(query.to),
            query,
        }
    }

    /// The hits among the lines of a block.
    pub(super) fn block(&self, block: &[u8], hits: &mut VecDeque<Found>, damaged: &mut u64) {
        let mut at = 0;
        while at < block.len() {
            let Some(candidate) = self.candidate(block, at) else {
                return;
            };
            let before = block.get(..candidate).unwrap_or(&[]);
            let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
            let rest = block.get(candidate..).unwrap_or(&[]);
            let end = memchr::memchr(b'\n', rest).map_or(block.len(), |len| candidate + len);
            at = end + 1;
            let line = block.get(start..end).unwrap_or(&[]);
            match self.judge(line) {
                Some(Ok(event)) => hits.push_back(Found {
                    line: line.to_vec(),
                    event,
                }),
                Some(Err(_)) => *damaged += 1,
                None => {}
            }
        }
    }

    /// The next place in a block that may be in a hit.
    fn candidate(&self, block: &[u8], from: usize) -> Option<usize> {
        if let Some(finder) = self.exact.first() {
            return finder.find(block.get(from..)?).map(|at| from + at);
        }
        match &self.text {
            Some(needle) => needle.find(block, from),
            None => Some(from),
        }
    }

    /// Whether a line is a hit: its fields if it is, none if it is not.
    pub(super) fn judge(
        &self,
        line: &[u8],
    ) -> Option<Result<Map<String, Value>, serde_json::Error>> {
        if let Some(time) = lines::time(line) {
            let early = self.from.as_ref().is_some_and(|from| time < &**from);
            let late = self.to.as_ref().is_some_and(|to| time >= &**to);
            if early || late {
                return None;
            }
        } else if self.from.is_some() || self.to.is_some() {
            return None;
        }
        let raw = self.exact.iter().all(|finder| finder.find(line).is_some())
            && self
                .text
                .as_ref()
                .is_none_or(|needle| needle.find(line, 0).is_some());
        if !raw || line.is_empty() {
            return None;
        }
        match serde_json::from_slice(line) {
            Ok(event) if self.matches(&event) => Some(Ok(event)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }

    fn matches(&self, event: &Map<String, Value>) -> bool {
        let query = &self.query;
        let text = |key: &str| event.get(key).and_then(Value::as_str);
        let is = |wanted: &Option<String>, key: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| text(key) == Some(&**wanted))
        };
        let about = text("event").is_some_and(|event| event.starts_with("db."));
        let target = is(&query.target, "db_service") || (about && is(&query.target, "name"));
        target
            && is(&query.user, "user")
            && is(&query.db_user, "db_user")
            && is(&query.code, "code")
            && is(&query.event, "event")
            && is(&query.sid, "sid")
            && self.query.text.as_ref().is_none_or(|wanted| {
                let wanted = Needle::new(wanted.as_bytes());
                wanted.is_none_or(|wanted| TEXTS.iter().any(|key| has(event.get(*key), &wanted)))
            })
    }

    /// Whether a file can have hits, by the times in its last line; one that is not finished can.
    fn may_be_in(&self, path: &Path) -> bool {
        if self.from.is_none() && self.to.is_none() {
            return true;
        }
        let Some((from, to)) = span(path) else {
            return true;
        };
        let early = self
            .from
            .as_ref()
            .is_some_and(|least| to.as_bytes() < &**least);
        let late = self
            .to
            .as_ref()
            .is_some_and(|most| from.as_bytes() >= &**most);
        !early && !late
    }
}

/// Fields that are searched for a text.
const TEXTS: [&str; 9] = [
    "db_query",
    "query",
    "db_query_parameters",
    "parameters",
    "function_args",
    "error",
    "message",
    "reason",
    "command_tag",
];

fn has(value: Option<&Value>, needle: &Needle) -> bool {
    match value {
        Some(Value::String(text)) => needle.find(text.as_bytes(), 0).is_some(),
        Some(Value::Array(values)) => values.iter().any(|value| has(Some(value), needle)),
        _ => false,
    }
}

/// The times of a finished file's first and last event, from its last line.
fn span(path: &Path) -> Option<(String, String)> {
    let mut blocks = Blocks::open(path, Order::Newest).ok()?;
    let mut block = Vec::new();
    blocks.last(&mut block).ok()?;
    let event: Map<String, Value> = serde_json::from_slice(&block).ok()?;
    let text = |key: &str| Some(event.get(key)?.as_str()?.to_owned());
    (text("code")? == crate::kinds::FILE_END.code).then_some((text("from")?, text("to")?))
}
