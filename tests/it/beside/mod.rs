//! Commands beside the service that holds the store: they answer as they do without it, and what a person decides
//! through them is what happens.

mod access;
mod held;
mod now;
mod same;
mod town;
mod trouble;

use std::sync::LazyLock;

use muster::service::status::{ServiceState, Status};
use regex::Regex;

use self::town::{Ended, HOURLY, Place, SCOPE};
use crate::service::world::Service;

impl Service {
    /// Waits until every scope has been tried since the start.
    fn tried(&self) -> Status {
        self.shows("every scope tried", |status| {
            status.state != ServiceState::Starting
        })
    }
}

/// A text in which times, the names of runs and revisions are all the same.
fn timeless(text: &str) -> String {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        let run = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(-\d+)*";
        Regex::new(&format!(r"{run}|revision \d+ and is at \d+")).expect("a pattern")
    });
    PATTERN.replace_all(text, "...").into_owned()
}
