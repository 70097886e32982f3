//! What plugins left undecided. They are asked about it again when whoever knows the time says so; everything else is
//! judged again when it changes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use muster_model::{Decision, ResourceId, Timestamp};

use super::{Engine, EngineError, Taken, configure::CHUNK, work::Work};
use crate::plugins::Loaded;

/// The databases that plugins left undecided.
#[derive(Clone, Debug, Default)]
pub(super) struct Undecided {
    of: HashMap<ResourceId, String>,
    by: BTreeMap<String, u64>,
}

impl Undecided {
    /// This is decided about a database now.
    pub(super) fn note(&mut self, id: &ResourceId, decision: &Decision) {
        match decision {
            Decision::Undecided { matcher, .. } if matcher.starts_with("plugin \"") => {
                if self.of.get(id) != Some(matcher) {
                    self.forget(id);
                    self.of.insert(id.clone(), matcher.clone());
                    *self.by.entry(matcher.clone()).or_default() += 1;
                }
            }
            _ => self.forget(id),
        }
    }

    /// Nobody is asked about this one any more.
    pub(super) fn forget(&mut self, id: &ResourceId) {
        let Some(who) = self.of.remove(id) else {
            return;
        };
        if let Some(many) = self.by.get_mut(&who) {
            *many = many.saturating_sub(1);
            if *many == 0 {
                self.by.remove(&who);
            }
        }
    }
}

impl Engine {
    /// How many databases each plugin left undecided, by what decisions call it.
    pub fn undecided(&self) -> &BTreeMap<String, u64> {
        &self.undecided.by
    }

    /// Asks plugins again about what they left undecided, also those that are paused.
    ///
    /// # Errors
    /// Those of the store.
    pub fn ask_again(
        &mut self,
        who: &[String],
        now: Timestamp,
        run: &str,
    ) -> Result<Taken, EngineError> {
        let is_asked = |name: &String| who.contains(name);
        let of = self.undecided.of.iter();
        let mut ids: Vec<ResourceId> = of
            .filter(|(_, name)| is_asked(name))
            .map(|(id, _)| id.clone())
            .collect();
        ids.sort();
        let plugins = Arc::clone(&self.setup.plugins);
        let asked: Vec<_> = plugins.all().filter(|it| is_asked(&it.who())).collect();
        for plugin in &asked {
            plugin.matcher.health().try_again();
        }
        let mut total = Taken::default();
        for chunk in ids.chunks(CHUNK) {
            let mut work = Work::default();
            self.look(&mut work, chunk.iter().map(|id| (id.clone(), true)), now)?;
            for id in chunk.iter().filter(|id| !work.judged.contains_key(*id)) {
                // It is missing; when it comes back it is judged.
                self.undecided.forget(id);
            }
            total.add(self.finish(work, now, run)?);
            // What it fails over again does not have to be all.
            let paused = |it: &&Loaded| it.matcher.health().standing().paused;
            if !asked.is_empty() && asked.iter().all(paused) {
                break;
            }
        }
        total.revision = self.revision;
        Ok(total)
    }
}
