//! Matchers of one's own: which files they are, whether they may be run, and what they are to the chain.
//!
//! | file | what is in it |
//! |---|---|
//! | `compiler` | the process that compiles them |
//! | `file` | reads files that others name, without waiting for any and without running out of memory |
//! | `signature` | whose a file is: keys, signatures, and their files |
//! | `load` | from a configuration to matchers, or to all that stands against them |
//! | `trust` | why a file may be run |
//! | `matcher` | one of them, as the chain asks it |
//! | `health` | whether it works, and when it is not asked any more |
//! | `replace` | one tried in the place of another |
//! | `watch` | whether a file is another one, without reading it |

pub mod compiler;
pub mod file;
pub mod health;
pub mod load;
pub mod matcher;
pub mod replace;
pub mod signature;
pub mod trust;
pub mod watch;

use std::{fmt, path::PathBuf, sync::Arc};

use muster_matchers::{Matcher, Matchers};

pub use self::{load::Loader, matcher::Own, trust::Trusted, watch::Stamps};

/// The matchers behind the rules of a configuration.
#[derive(Clone, Default)]
pub struct Plugins {
    loaded: Vec<Arc<Loaded>>,
    /// The files and folders that rules name.
    places: Vec<PathBuf>,
    /// What they looked like before they were read.
    stamps: Stamps,
}

/// One of them.
pub struct Loaded {
    /// The rule that asks it.
    pub rule: String,
    /// The file that it came from.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Why it may be run.
    pub trusted: Trusted,
    /// It, as the chain asks it.
    pub matcher: Arc<Own>,
}

impl Plugins {
    /// All of them, in the order in which they are asked.
    pub fn all(&self) -> impl Iterator<Item = &Loaded> {
        self.loaded.iter().map(|loaded| &**loaded)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.loaded.is_empty()
    }

    /// The files and folders that rules name.
    pub fn places(&self) -> &[PathBuf] {
        &self.places
    }

    /// What those looked like before they were read.
    pub const fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// Goes on with those that were loaded `before` from the same files, for the same rules with the same settings: how
    /// they do is not forgotten over another one's new version.
    #[must_use]
    pub fn keeping(mut self, before: &Self) -> Self {
        for loaded in &mut self.loaded {
            let same = |it: &&Arc<Loaded>| {
                (&it.rule, &it.path, &it.sha256) == (&loaded.rule, &loaded.path, &loaded.sha256)
            };
            if let Some(same) = before.loaded.iter().find(same) {
                *loaded = Arc::clone(same);
            }
        }
        self
    }

    /// As the chain takes them.
    pub fn matchers(&self) -> Matchers {
        let mut matchers = Matchers::new();
        for loaded in &self.loaded {
            let of_rule = matchers.entry(loaded.rule.clone()).or_default();
            of_rule.push(Arc::clone(&loaded.matcher) as Arc<dyn Matcher>);
        }
        matchers
    }

    /// What tells these files from others: rules and digests, in order. Their settings are the configuration's. Empty
    /// where there are none.
    pub fn digest(&self) -> String {
        let line = |loaded: &Arc<Loaded>| format!("{:?} {}\n", loaded.rule, loaded.sha256);
        self.loaded.iter().map(line).collect()
    }

    fn push(&mut self, loaded: Loaded) {
        self.loaded.push(Arc::new(loaded));
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.loaded.iter()).finish()
    }
}

impl Loaded {
    /// What decisions and labels call it: `plugin "owner"`.
    pub fn who(&self) -> String {
        format!("plugin \"{}\"", self.matcher.name())
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule, path, sha256, ..
        } = self;
        write!(f, "{rule:?} {} {sha256}", path.display())
    }
}

#[cfg(test)]
mod tests;
