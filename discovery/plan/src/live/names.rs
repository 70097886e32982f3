//! Who has and who wants which name, over all databases.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use muster_model::Target;

use super::Entry;

/// The uses of every name, without regard to case.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    used: HashMap<Arc<str>, Used>,
}

/// The uses of one name, by slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    /// The target that has it.
    pub(super) holder: Option<u32>,
    /// Databases that want it.
    pub(super) wanted: Vec<u32>,
    /// Targets whose short name it is, and which have another name.
    pub(super) short: Vec<u32>,
}

/// The ways to use a name.
#[derive(Clone, Copy)]
enum Use {
    Hold,
    Want,
    Short,
}

impl Names {
    pub(super) fn get(&self, name: &str) -> Option<&Used> {
        self.used.get(name.to_lowercase().as_str())
    }

    /// Changes what a database wants. Everyone whose claim that may touch is stirred.
    pub(super) fn want(
        &mut self,
        slot: u32,
        wants: &mut Option<Arc<str>>,
        name: Option<&str>,
        stirred: &mut BTreeSet<u32>,
    ) {
        self.change(slot, wants, name.map(str::to_lowercase), Use::Want, stirred);
    }

    /// Changes what a target has.
    pub(super) fn hold(
        &mut self,
        slot: u32,
        entry: &mut Entry,
        target: Option<&Target>,
        stirred: &mut BTreeSet<u32>,
    ) {
        let name = target.map(|target| target.name.to_lowercase());
        let short = target
            .map(|target| target.short_name.to_lowercase())
            .filter(|short| Some(short) != name.as_ref());
        self.change(slot, &mut entry.holds, name, Use::Hold, stirred);
        self.change(slot, &mut entry.short, short, Use::Short, stirred);
    }

    fn change(
        &mut self,
        slot: u32,
        has: &mut Option<Arc<str>>,
        name: Option<String>,
        how: Use,
        stirred: &mut BTreeSet<u32>,
    ) {
        if has.as_deref() == name.as_deref() {
            return;
        }
        if let Some(old) = has.take()
            && let Some(used) = self.used.get_mut(&old)
        {
            used.remove(slot, how);
            stirred.extend(used.wanted.iter().filter(|other| **other != slot));
            if used.is_free() {
                self.used.remove(&old);
            }
        }
        if let Some(name) = name {
            let name: Arc<str> = match self.used.get_key_value(name.as_str()) {
                Some((known, _)) => Arc::clone(known),
                None => name.into(),
            };
            let used = self.used.entry(Arc::clone(&name)).or_default();
            stirred.extend(used.wanted.iter().filter(|other| **other != slot));
            used.add(slot, how);
            *has = Some(name);
        }
    }
}

impl Used {
    fn add(&mut self, slot: u32, how: Use) {
        match how {
            // Of two targets with one name, which only a hand can make, the later one counts, as in a whole plan.
            Use::Hold => self.holder = Some(slot),
            Use::Want => self.wanted.push(slot),
            Use::Short => self.short.push(slot),
        }
    }

    fn remove(&mut self, slot: u32, how: Use) {
        match how {
            Use::Hold => self.holder = self.holder.filter(|holder| *holder != slot),
            Use::Want => self.wanted.retain(|other| *other != slot),
            Use::Short => self.short.retain(|other| *other != slot),
        }
    }

    fn is_free(&self) -> bool {
        self.holder.is_none() && self.wanted.is_empty() && self.short.is_empty()
    }
}
