//! [`Choices`]: as whom somebody may open a target, for lists and for defaults.

/// As whom, and on which names, an identity may open a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Database users.
    pub db_users: Names,
    /// Database names. Not every name goes with every user, where several roles allow them.
    pub db_names: Names,
}

/// Names that are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Any name is, but for those in `not`.
    pub any: bool,
    /// Those that are named, sorted.
    pub named: Vec<String>,
    /// Those that are denied although any is allowed, sorted.
    pub not: Vec<String>,
}

impl Names {
    /// The one name that is allowed, when it is only one.
    pub fn only(&self) -> Option<&str> {
        match (self.any, self.named.as_slice()) {
            (false, [only]) => Some(only),
            _ => None,
        }
    }
}
