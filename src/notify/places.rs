//! [`Places`]: how far each sink is in the queue, in a small file beside the store.
//!
//! Not in the store, whose revision would move with each delivery and make every saved plan stale. The file is
//! written whole under another name, synced and renamed, so that it is always the old one or the new one.
//!
//! A sink that the file does not name is new, and begins at the end of the queue. When the file is there and
//! cannot be understood, every sink is told again what still waits: better twice than never.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use muster_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::outbox::{Counts, Ends, Queued};
use crate::service::notice::NoticeEvent;

/// The file in the store's directory.
pub const FILE: &str = "notify.json";
/// Where it is written first.
const WRITING: &str = "notify.json.new";
const FORMAT: u32 = 1;
/// The largest file that is read.
const MAX_FILE: u64 = 16 << 20;

/// How far one sink is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The epoch of the queue that the numbers belong to; 0 for "before the first notice".
    pub(super) epoch: i64,
    /// Every notice below this number is dealt with.
    pub(super) next: u64,
    /// How many of each event lie before it.
    pub(super) seen: Counts,
    /// Notices that the sink wanted and never got, ever.
    pub(super) dropped: u64,
    /// How many of those it was not told of yet.
    pub(super) untold: u64,
    /// The last delivery.
    pub(super) delivered: Option<Timestamp>,
}

/// How far each sink is.
pub(super) struct Places {
    dir: PathBuf,
    state: Mutex<State>,
    /// One writes at a time, and always the newest.
    writing: Mutex<()>,
}

struct State {
    sinks: BTreeMap<String, Moving>,
    /// What the file says of them; none when that is not known.
    file: Option<BTreeMap<String, Place>>,
    /// Whether the file says more than that.
    stale: bool,
}

struct Moving {
    /// The task that may move it.
    owner: u64,
    /// None while the end of the queue, where it begins, is not known.
    place: Option<Place>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    sinks: BTreeMap<String, Place>,
}

// === impl Place ===

impl Place {
    /// At the end of the queue.
    pub(super) fn at_end(ends: Option<&Ends>) -> Self {
        let tail = ends.map(|ends| ends.tail.clone()).unwrap_or_default();
        Self {
            epoch: tail.epoch,
            next: tail.next,
            seen: tail.counts,
            ..Self::default()
        }
    }

    /// In no queue that could be: everything that waits is told again.
    fn unknown() -> Self {
        Self {
            epoch: -1,
            ..Self::default()
        }
    }

    /// Whether there is nothing behind it.
    pub(super) fn is_at_end(&self, ends: &Ends) -> bool {
        self.epoch == ends.tail.epoch && self.next == ends.tail.next
    }

    /// Fits it into the queue that is there: at its beginning when it was a place in another one, or one that
    /// the queue has not reached, as after the store was put back from a backup.
    pub(super) fn fit(&mut self, ends: &Ends) {
        let tail = &ends.tail;
        if self.epoch != tail.epoch && self.epoch == 0 {
            self.epoch = tail.epoch;
        }
        if self.epoch != tail.epoch || self.next > tail.next {
            self.epoch = tail.epoch;
            self.next = 0;
            self.seen.clone_from(&ends.before);
        }
    }

    /// Comes to a notice: what was between the two is lost, as far as the sink wanted it.
    pub(super) fn come_to(&mut self, seq: u64, before: &Counts, events: &BTreeSet<NoticeEvent>) {
        let lost = between(&self.seen, before, events);
        self.dropped = self.dropped.saturating_add(lost);
        self.untold = self.untold.saturating_add(lost);
        self.next = seq;
        self.seen.clone_from(before);
    }

    /// Leaves a notice behind.
    pub(super) fn pass(&mut self, seq: u64, queued: &Queued) {
        self.next = seq.saturating_add(1);
        self.seen.clone_from(&queued.before);
        let count = self.seen.entry(queued.notice.event).or_default();
        *count = count.saturating_add(1);
    }
}

/// How many notices of these events lie between two places.
pub(super) fn between(from: &Counts, to: &Counts, events: &BTreeSet<NoticeEvent>) -> u64 {
    let at = |counts: &Counts, event| counts.get(event).copied().unwrap_or(0);
    events
        .iter()
        .map(|event| at(to, event).saturating_sub(at(from, event)))
        .fold(0, u64::saturating_add)
}

// === impl Places ===

impl Places {
    /// What the file in a directory says. It says nothing when it is not there.
    pub(super) fn load(dir: &Path) -> Self {
        let path = dir.join(FILE);
        let file = read(&path)
            .inspect_err(|error| {
                tracing::warn!(
                    path = %path.display(),
                    %error,
                    "cannot tell who had which notice: all that wait are sent again"
                );
            })
            .ok();
        Self {
            dir: dir.to_owned(),
            state: Mutex::new(State {
                sinks: BTreeMap::new(),
                file,
                stale: false,
            }),
            writing: Mutex::new(()),
        }
    }

    /// Forgets every sink but these, and finds a place for those that are new: as the file says, or else the
    /// end of the queue, when `ends` is known.
    pub(super) fn keep(&self, names: &BTreeSet<String>, ends: Option<&Option<Ends>>) {
        let mut state = self.state();
        let State { sinks, file, stale } = &mut *state;
        sinks.retain(|name, _| names.contains(name));
        for name in names {
            sinks.entry(name.clone()).or_insert_with(|| {
                let place = match file {
                    None => Some(Place::unknown()),
                    Some(file) => file
                        .get(name)
                        .cloned()
                        .or_else(|| ends.map(|ends| Place::at_end(ends.as_ref()))),
                };
                Moving { owner: 0, place }
            });
        }
        // What it said of the others is forgotten, lest one of them comes back and is told the past.
        *stale |= match file {
            None => true,
            Some(file) => file.keys().any(|name| !names.contains(name)),
        };
        file.get_or_insert_default()
            .retain(|name, _| names.contains(name));
    }

    /// Lets a task move a sink's place, and no other one from now on. The place; none when it is not known yet.
    pub(super) fn own(&self, name: &str, owner: u64) -> Option<Place> {
        let mut state = self.state();
        let moving = state.sinks.get_mut(name)?;
        moving.owner = owner;
        moving.place.clone()
    }

    /// Moves a sink's place, if it is the task's.
    pub(super) fn put(&self, name: &str, owner: u64, place: &Place) {
        if let Some(moving) = self.state().sinks.get_mut(name)
            && moving.owner == owner
        {
            moving.place = Some(place.clone());
        }
    }

    /// Where a sink is; none when that is not known yet.
    pub(super) fn of(&self, name: &str) -> Option<Place> {
        self.state().sinks.get(name)?.place.clone()
    }

    /// The number below which nobody needs a notice any more, not even after a kill.
    pub(super) fn trim_to(&self, epoch: i64) -> u64 {
        let state = self.state();
        let of = |name| {
            let place = state.file.as_ref()?.get(name)?;
            (place.epoch == epoch || place.epoch == 0).then_some(place.next)
        };
        let places = state.sinks.keys().map(|name| of(name).unwrap_or(0));
        places.min().unwrap_or(u64::MAX)
    }

    /// Writes the file, unless it says all this already. It blocks.
    ///
    /// # Errors
    /// When it cannot be written. The one that was there stays.
    pub(super) fn save(&self) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let sinks: BTreeMap<String, Place> = {
            let state = self.state();
            let places = state.sinks.iter();
            let sinks = places
                .filter_map(|(name, moving)| Some((name.clone(), moving.place.clone()?)))
                .collect();
            if !state.stale && state.file.as_ref() == Some(&sinks) {
                return Ok(());
            }
            sinks
        };
        let written = Written {
            format: FORMAT,
            sinks,
        };
        self.write(&serde_json::to_vec(&written)?)?;
        let mut state = self.state();
        // A sink that was forgotten meanwhile is in the file now.
        state.stale = written
            .sinks
            .keys()
            .any(|name| !state.sinks.contains_key(name));
        state.file = Some(written.sinks);
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let writing = self.dir.join(WRITING);
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&writing)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&writing, self.dir.join(FILE))?;
        File::open(&self.dir)?.sync_all()
    }

    // No code that could panic runs under the lock, so a poisoned one still guards a whole state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file says: nothing of any sink when it is not there.
fn read(path: &Path) -> io::Result<BTreeMap<String, Place>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    let written: Written = serde_json::from_slice(&bytes)?;
    if written.format != FORMAT {
        return Err(io::Error::other(format!(
            "its format is {}, and this muster knows {FORMAT}",
            written.format
        )));
    }
    Ok(written.sinks)
}

#[cfg(test)]
mod tests;
