//! Plugins in the running service: whether their files are others now, and asking those again that failed.
//!
//! A file that is another one is loaded beside the one in force, tried on what is remembered, and takes its place by the
//! way of a reload. What cannot be used changes nothing, and is said.

use std::time::Duration;

use muster_schedule::Moment;
use tokio::task::JoinSet;

use super::{Service, keeper::Job, reload::Request};
use crate::plugins::{Plugins, Stamps};

/// How often their files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What is known of the files of plugins.
pub(super) struct Watch {
    /// Somebody looks. A file system may hang: then nobody looks any more, and nothing else waits.
    pub(super) looking: JoinSet<Stamps>,
    looked_at: Moment,
    /// What they looked like when they were loaded, or when that was tried the last time.
    tried: Stamps,
    /// What they looked like the last time.
    last: Stamps,
}

impl Watch {
    pub(super) fn new(plugins: &Plugins, now: Moment) -> Self {
        Self {
            looking: JoinSet::new(),
            looked_at: now,
            tried: plugins.stamps().clone(),
            last: plugins.stamps().clone(),
        }
    }

    /// These have been loaded, or cannot be.
    pub(super) fn tried(&mut self, stamps: &Stamps) {
        self.tried.clone_from(stamps);
    }

    /// What they look like now. Says whether they are to be loaded: they are others, and nobody is just writing them.
    fn look(&mut self, now: &Stamps) -> bool {
        let settled = *now == self.last;
        self.last.clone_from(now);
        settled && *now != self.tried
    }
}

impl Service {
    /// Has somebody look when it is time.
    pub(super) fn watch_plugins(&mut self) {
        let now = self.uptime.now();
        let due = now.since(self.watch.looked_at) >= LOOK;
        if !due || self.plugins.places().is_empty() || !self.watch.looking.is_empty() {
            return;
        }
        self.watch.looked_at = now;
        let places = self.plugins.places().to_vec();
        self.watch
            .looking
            .spawn_blocking(move || Stamps::look(&places));
    }

    /// Somebody has looked.
    pub(super) fn watched(&mut self, stamps: Stamps) {
        // While something else is loaded it is not known what will be in force.
        let busy = self.reload || !self.reloads.is_empty() || self.not_now().is_some();
        if self.watch.look(&stamps) && !busy {
            self.watch.tried(&stamps);
            self.ask_for_reload(Request::by_files());
        }
    }

    /// Has those asked again whose time has come.
    pub(super) fn ask_plugins_again(&mut self) {
        let who = self.retries.due(self.uptime.now());
        if who.is_empty() {
            return;
        }
        tracing::info!(
            plugins = who.join(", "),
            "plugins are asked again about what they left undecided"
        );
        let now = self.now();
        self.keeper.send(Job::AskAgain { who, now });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_file_is_loaded_once_for_each_time_that_somebody_has_written_it() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("own.wasm");
        let places = [place.clone()];
        let look = || Stamps::look(&places);
        let mut watch = Watch::new(&Plugins::default(), Moment::default());
        watch.tried(&look());
        watch.look(&look());
        assert!(!watch.look(&look()), "it is not there, as before");
        fs::write(&place, "half").unwrap();
        assert!(!watch.look(&look()), "somebody may be just writing it");
        fs::write(&place, "half and half").unwrap();
        assert!(!watch.look(&look()), "somebody is");
        let whole = look();
        assert!(watch.look(&whole), "nobody is any more");
        watch.tried(&whole);
        assert!(
            !watch.look(&look()),
            "that was tried, with whatever outcome"
        );
        fs::remove_file(&place).unwrap();
        watch.look(&look());
        assert!(watch.look(&look()), "it is gone, which is news as well");
    }
}
