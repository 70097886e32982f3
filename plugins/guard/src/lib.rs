//! A matcher that lets no database through that is public, takes clients in the clear, is too old, or has no logins of
//! the cloud's.
//!
//! It enrolls nothing itself: what it has nothing against is passed on to the next step.

#![allow(missing_docs)]

use std::{borrow::Cow, collections::BTreeMap};

use muster_plugin::{About, Database, Glob, Matcher, Problem, Verdict, Version};
use serde::{Deserialize, Deserializer};

/// What a database must not be. A check that is not named is not made.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// It has a public address.
    #[serde(deserialize_with = "named")]
    public: Option<Check>,
    /// It takes clients that do not encrypt.
    #[serde(deserialize_with = "named")]
    in_the_clear: Option<Check>,
    /// Neither IAM nor Entra authentication is on.
    #[serde(deserialize_with = "named")]
    no_cloud_login: Option<Check>,
    /// Its engine is older than this.
    oldest: BTreeMap<String, Version>,
    /// What counts where the version of an engine in `oldest` cannot be read.
    unknown_version: Unknown,
    /// Names or ids that nothing is held against.
    except: Vec<Glob>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Check {
    /// What counts where it is not known.
    unknown: Unknown,
    /// Kinds that are checked; all where there are none.
    kinds: Vec<Glob>,
}

/// What is not known counts as this.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Unknown {
    Allow,
    #[default]
    Refuse,
    Undecided,
}

/// `public:` with nothing behind it is a check as well.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Check>, D::Error> {
    Option::deserialize(deserializer).map(|check| Some(check.unwrap_or_default()))
}

pub struct Guard {
    settings: Settings,
}

/// What speaks against a database so far.
#[derive(Default)]
struct Against {
    known: Vec<Cow<'static, str>>,
    unknown: Vec<Cow<'static, str>>,
}

impl Matcher for Guard {
    const ABOUT: About =
        muster_plugin::about!().with_schema(include_str!("../settings.schema.json"));

    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let Settings {
            public,
            in_the_clear,
            no_cloud_login,
            oldest,
            ..
        } = &settings;
        let checks = [public, in_the_clear, no_cloud_login];
        if checks.iter().all(|check| check.is_none()) && oldest.is_empty() {
            return Err(Problem::whole(
                "nothing is checked: name one of `public`, `in-the-clear`, `no-cloud-login` and `oldest`",
            )
            .into());
        }
        Ok(Self { settings })
    }

    fn judge<'a>(&'a self, database: Database<'a>) -> Verdict<'a> {
        let Settings {
            public,
            in_the_clear,
            no_cloud_login,
            oldest,
            unknown_version,
            except,
        } = &self.settings;
        if except
            .iter()
            .any(|glob| glob.matches(database.name()) || glob.matches(database.id()))
        {
            return Verdict::pass();
        }
        let mut against = Against::default();
        against.check(
            public,
            database,
            database.is("public"),
            "it has a public address",
            "whether it has a public address",
        );
        against.check(
            in_the_clear,
            database,
            database.fact("tls").map(|tls| tls != "required"),
            "it takes clients that do not encrypt",
            "whether it takes clients that do not encrypt",
        );
        against.check(
            no_cloud_login,
            database,
            no_login(database),
            "neither IAM nor Entra authentication is on",
            "whether IAM or Entra authentication is on",
        );
        if let Some(oldest) = oldest.get(database.engine()) {
            match database.version() {
                Some(version) if version < *oldest => against
                    .known
                    .push(format!("{} {version} is older than {oldest}", database.engine()).into()),
                Some(_) => {}
                None => against.unknown(*unknown_version, "its version"),
            }
        }
        against.verdict()
    }
}

muster_plugin::export!(Guard);

/// Whether it is known that nobody logs in by the cloud: one that is on is enough, and one that is known to be off
/// says it where the other is not a thing of that cloud.
fn no_login(database: Database<'_>) -> Option<bool> {
    match (database.is("iam-auth"), database.is("entra-auth")) {
        (Some(true), _) | (_, Some(true)) => Some(false),
        (Some(false), _) | (_, Some(false)) => Some(true),
        (None, None) => None,
    }
}

// === impl Against ===

impl Against {
    fn check(
        &mut self,
        check: &Option<Check>,
        database: Database<'_>,
        bad: Option<bool>,
        why: &'static str,
        what: &'static str,
    ) {
        let Some(Check { unknown, kinds }) = check else {
            return;
        };
        if !kinds.is_empty() && !kinds.iter().any(|kind| kind.matches(database.kind())) {
            return;
        }
        match bad {
            Some(true) => self.known.push(why.into()),
            Some(false) => {}
            None => self.unknown(*unknown, what),
        }
    }

    fn unknown(&mut self, counts_as: Unknown, what: &'static str) {
        match counts_as {
            Unknown::Allow => {}
            Unknown::Refuse => self.known.push(format!("{what} is not known").into()),
            Unknown::Undecided => self.unknown.push(format!("{what} is not known").into()),
        }
    }

    /// What is known to be wrong is wrong whatever else is not known.
    fn verdict(self) -> Verdict<'static> {
        let Self { known, unknown } = self;
        if !known.is_empty() {
            Verdict::skip(known.join("; "))
        } else if !unknown.is_empty() {
            Verdict::undecided(unknown.join("; "))
        } else {
            Verdict::pass()
        }
    }
}

#[cfg(test)]
mod tests;
