//! Who gets which name. Two databases that want one name are both told, and neither silently wins.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use muster_model::{ResourceId, Target};

/// The claims on names of one plan. Names are compared without case: they end up in host names.
#[derive(Default)]
pub(crate) struct Claims<'a> {
    wanted: BTreeMap<String, BTreeSet<&'a ResourceId>>,
    held: BTreeMap<String, &'a ResourceId>,
    /// The short names of enrolled targets, where they differ from the unique one.
    short: BTreeMap<String, BTreeSet<&'a ResourceId>>,
}

/// What became of one claim.
pub(crate) enum Claim<'a> {
    /// Nobody else wants it, or it was there first. Who wants it in vain.
    Granted(Option<Others<'a>>),
    /// Somebody has it, or several newcomers want it at once.
    Refused(Refusal<'a>),
}

/// Why a name cannot be had. `Display` ends a sentence that begins with the name.
pub(crate) enum Refusal<'a> {
    /// These have or want it.
    Wanted(Others<'a>),
    /// People who use it now mean another database.
    Short(&'a ResourceId),
}

/// One database, and how many more.
#[derive(Clone, Copy)]
pub(crate) struct Others<'a> {
    pub(crate) first: &'a ResourceId,
    pub(crate) more: usize,
}

impl<'a> Claims<'a> {
    /// Notes the names that enrolled targets have: they keep them until they are removed.
    pub(crate) fn incumbents(targets: impl Iterator<Item = &'a Target>) -> Self {
        let mut claims = Self::default();
        for target in targets {
            let (name, short) = (target.name.to_lowercase(), target.short_name.to_lowercase());
            if name != short {
                claims.short.entry(short).or_default().insert(&target.id);
            }
            claims.held.insert(name, &target.id);
        }
        claims
    }

    /// Notes that a database wants a name.
    pub(crate) fn want(&mut self, id: &'a ResourceId, name: &str) {
        self.wanted
            .entry(name.to_lowercase())
            .or_default()
            .insert(id);
    }

    /// How a name is used by others than `id`.
    pub(crate) fn uses(&self, id: &ResourceId, name: &str) -> Uses<'a> {
        let key = name.to_lowercase();
        let wanted = self.wanted.get(&key);
        let holder = self.held.get(&key).copied();
        Uses {
            holder,
            others: wanted.and_then(|wanted| Others::of(wanted, id)),
            holder_wants: holder.is_some_and(|it| wanted.is_some_and(|all| all.contains(it))),
            // A short name that several share means none of them, and so is nobody's.
            short: self
                .short
                .get(&key)
                .filter(|users| users.len() == 1)
                .and_then(|users| users.first().copied()),
        }
    }
}

/// How a name is used, as far as it matters to one who wants it.
pub(crate) struct Uses<'a> {
    /// The target that has it.
    pub(crate) holder: Option<&'a ResourceId>,
    /// Who else wants it.
    pub(crate) others: Option<Others<'a>>,
    /// Whether the holder is among those who want it.
    pub(crate) holder_wants: bool,
    /// The one target whose short name it is.
    pub(crate) short: Option<&'a ResourceId>,
}

impl<'a> Uses<'a> {
    /// Settles the claim of `id`.
    pub(crate) fn settle(self, id: &ResourceId) -> Claim<'a> {
        match (self.holder, self.others) {
            (Some(holder), others) if holder == id => Claim::Granted(others),
            (Some(holder), others) => {
                let more = others.map_or(0, |others| others.more + 1);
                Claim::Refused(Refusal::Wanted(Others {
                    first: holder,
                    more: more - usize::from(self.holder_wants && more > 0),
                }))
            }
            (None, Some(others)) => Claim::Refused(Refusal::Wanted(others)),
            (None, None) => match self.short {
                Some(user) if user != id => Claim::Refused(Refusal::Short(user)),
                _ => Claim::Granted(None),
            },
        }
    }
}

impl<'a> Others<'a> {
    /// All but `id`; none when there is nobody else.
    fn of(all: &BTreeSet<&'a ResourceId>, id: &ResourceId) -> Option<Self> {
        let first = all.iter().find(|other| **other != id)?;
        let more = all.len() - 1 - usize::from(all.contains(id));
        Some(Self { first, more })
    }
}

impl fmt::Display for Others<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.more {
            0 => self.first.fmt(f),
            more => write!(f, "{} and {more} more", self.first),
        }
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted(others) => write!(f, "is also wanted by {others}"),
            Self::Short(user) => {
                write!(
                    f,
                    "is the short name of {user}: people who use it mean that one"
                )
            }
        }
    }
}
