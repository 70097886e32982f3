//! [`Behind`]: what of the proxy the API shows. Who may see which part of it is decided where it is shown.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use muster_model::Target;
use muster_proxy::{Catalog, Door, SessionView};

/// What is behind the door.
#[derive(Clone)]
pub struct Behind {
    /// The databases: a snapshot that is swapped on change.
    pub catalog: Arc<ArcSwap<Catalog>>,
    /// The sessions, from when the door is open.
    pub sessions: Arc<OnceLock<Arc<dyn Sessions>>>,
    /// Whether a password is kept for this database, for any of its users.
    pub has_password: Arc<dyn Fn(&Target) -> bool + Send + Sync>,
}

/// Sessions that are open.
pub trait Sessions: Send + Sync {
    /// Those of one user, the oldest first.
    fn of(&self, user: &str) -> Vec<SessionView>;

    /// Ends one; its client reads the message. False when there is none of that id.
    fn end(&self, id: &str, message: &str) -> bool;
}

impl Sessions for Door {
    fn of(&self, user: &str) -> Vec<SessionView> {
        self.sessions_of(user)
    }

    fn end(&self, id: &str, message: &str) -> bool {
        Self::end(self, id, message)
    }
}

impl Behind {
    /// A catalog, before the door is open.
    pub fn new(
        catalog: Arc<ArcSwap<Catalog>>,
        has_password: Arc<dyn Fn(&Target) -> bool + Send + Sync>,
    ) -> Self {
        Self {
            catalog,
            sessions: Arc::default(),
            has_password,
        }
    }
}
