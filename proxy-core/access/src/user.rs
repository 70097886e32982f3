//! [`User`]: a person, with roles and traits.

use std::collections::BTreeMap;

use muster_model::Timestamp;

/// Values by name: what templates in roles are filled from.
pub type Traits = BTreeMap<String, Vec<String>>;

/// A person. How the person logs in is kept elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The unique name.
    pub name: String,
    /// The names of the roles.
    pub roles: Vec<String>,
    /// What templates in roles are filled from.
    pub traits: Traits,
    /// What else the record says.
    pub meta: Meta,
    /// Since when there is this user, where that is known; no part of the record. A certificate of before is of another one, who
    /// had the name.
    pub since: Option<Timestamp>,
}

/// What any record may say of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// For people.
    pub description: Option<String>,
    /// For people and tools; they decide nothing.
    pub labels: BTreeMap<String, String>,
    /// The first second in which the record counts as removed.
    pub expires: Option<Timestamp>,
}

impl Meta {
    /// Whether the record counts at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl User {
    /// A user without traits.
    pub fn new(
        name: impl Into<String>,
        roles: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            name: name.into(),
            roles: roles.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }
}
