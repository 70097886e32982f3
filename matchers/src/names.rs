//! Names that nobody wrote: unique across regions, accounts and engines, and stable.
//!
//! The scheme is Teleport's, so that people find their databases under the names they know: the identifier
//! (with `-reader` or `-custom-NAME`), then the discovery type, region and account, or on Azure type, region, resource
//! group and subscription. A tag may replace the identifier, and then nothing is added.
//!
//! What a name is made of says nothing about identity: that is the provider's id.

use std::borrow::Cow;

use muster_model::{Database, Kind, Provider, fact, selector::Shown};

/// Tags that name their database; the first that is there counts.
pub const OVERRIDE_TAGS: &[&str] = &[
    "MusterName",
    "TeleportDatabaseName",
    "teleport.dev/database_name",
];

/// The longest name, in bytes. Long enough for what Azure allows: a server of 63 letters in a resource group of 90.
pub const MAX_NAME_LEN: usize = 255;

/// A name, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The unique one.
    pub name: String,
    /// The short one.
    pub short: String,
    /// Where it comes from, for the trace.
    pub from: String,
}

/// The name of a database for which no rule has one, or what is wrong with it.
pub(crate) fn of(database: &Database) -> Result<Name, String> {
    if let Some((tag, value)) = override_tag(database) {
        let name = database.role.name(value);
        check(&name).map_err(|why| format!("tag `{tag}` is `{}`: {why}", Shown(value)))?;
        return Ok(Name {
            short: name.clone(),
            name,
            from: format!("tag `{tag}`"),
        });
    }
    let short = database.base_name();
    let mut name = short.clone();
    let lower = short.to_lowercase();
    for part in suffix(database).iter().filter_map(|part| clean(part)) {
        if !lower.contains(&part.to_lowercase()) {
            name.push('-');
            name.push_str(&part);
        }
    }
    check(&name).map_err(|why| format!("`{}`: {why}", Shown(&name)))?;
    let identifier = Shown(&database.identifier);
    Ok(Name {
        name,
        short,
        from: format!("identifier `{identifier}`, with type, place and account"),
    })
}

/// The tag that names the database.
pub(crate) fn override_tag(database: &Database) -> Option<(&'static str, &str)> {
    OVERRIDE_TAGS
        .iter()
        .find_map(|tag| Some((*tag, database.tags.get(*tag)?.as_str())))
}

/// Whether a text can be a name; why not, otherwise.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let Some(first) = name.chars().next() else {
        return Err("a name is not empty".to_owned());
    };
    if name.len() > MAX_NAME_LEN {
        return Err(format!("a name has at most {MAX_NAME_LEN} letters"));
    }
    if let Some(wrong) = name.chars().find(|letter| !is_name_letter(*letter)) {
        return Err(format!(
            "a name has letters, digits, `-`, `_` and `.` only, not {wrong:?}"
        ));
    }
    if !first.is_ascii_alphanumeric() {
        return Err("a name begins with a letter or a digit".to_owned());
    }
    Ok(())
}

/// What follows the identifier, before it is cleaned.
fn suffix(database: &Database) -> Vec<Cow<'_, str>> {
    let kind = database.kind;
    let product = kind.discovery_type();
    let product = if kind == Kind::Aurora {
        format!("{product}-aurora").into()
    } else {
        Cow::from(product)
    };
    let mut parts = vec![product, Cow::from(database.region.as_str())];
    if database.scope.provider == Provider::Azure {
        parts.extend(resource_group(database).map(Cow::from));
    }
    parts.push(Cow::from(database.scope.account.as_str()));
    parts
}

/// The resource group (Azure).
pub(crate) fn resource_group(database: &Database) -> Option<&str> {
    database
        .fact(fact::RESOURCE_GROUP)
        .or_else(|| database.derived.get("resource-group").map(String::as_str))
        .or(database.scope.resource_group.as_deref())
}

/// A part as it may stand in a name: white space becomes `-`, runs of `-` become one, those at its ends go.
/// None when nothing is left, or when a name cannot hold what is.
fn clean(part: &str) -> Option<String> {
    let mut cleaned = String::with_capacity(part.len());
    for letter in part.chars() {
        let letter = if letter.is_whitespace() { '-' } else { letter };
        if !is_name_letter(letter) {
            return None;
        }
        if letter != '-' || !cleaned.ends_with('-') {
            cleaned.push(letter);
        }
    }
    let cleaned = cleaned.trim_matches('-');
    (!cleaned.is_empty()).then(|| cleaned.to_owned())
}

const fn is_name_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
}
