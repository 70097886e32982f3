//! Ids and names of Azure Resource Manager.

use muster_model::Scope;

/// The parts of `/subscriptions/…/resourceGroups/…/providers/NAMESPACE/TYPE/NAME`, as they are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ArmId<'a> {
    pub subscription: &'a str,
    pub group: &'a str,
    pub namespace: &'a str,
    pub type_name: &'a str,
    pub name: &'a str,
}

impl<'a> ArmId<'a> {
    /// Takes a resource's id apart; none when it is the id of something else.
    pub fn parse(id: &'a str) -> Option<Self> {
        let mut parts = id.strip_prefix('/')?.split('/');
        let mut value = |key: Option<&str>| {
            if let Some(key) = key {
                parts.next().filter(|part| part.eq_ignore_ascii_case(key))?;
            }
            parts.next().filter(|part| !part.is_empty())
        };
        let id = Self {
            subscription: value(Some("subscriptions"))?,
            group: value(Some("resourceGroups"))?,
            namespace: value(Some("providers"))?,
            type_name: value(None)?,
            name: value(None)?,
        };
        parts.next().is_none().then_some(id)
    }
}

/// An id in the spelling that identity is compared by: ARM ids are case-insensitive, and services do not agree on the
/// case of a resource group's name.
pub(super) fn canonical(id: &str) -> String {
    id.to_ascii_lowercase()
}

/// A location as the API's short name: `East US` and `eastus` are one.
pub(super) fn region(location: &str) -> String {
    location
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Whether the scope's names can be parts of a URL's path, and only that.
pub(super) fn check_scope(scope: &Scope) -> Result<(), String> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
    let is_name = |name: &str| {
        !name.is_empty() && name.len() <= 360 && !name.ends_with('.') && name.chars().all(is_plain)
    };
    if !is_name(scope.account.as_str()) {
        return Err(format!("`{}` is not a subscription id", scope.account));
    }
    match &scope.resource_group {
        Some(group) if !is_name(group) => {
            Err(format!("`{group}` is not the name of a resource group"))
        }
        _ => Ok(()),
    }
}
