//! Databases and verdicts in tests, which run natively and need no WebAssembly.
//!
//! Nothing here is freed before the test process ends.

use std::collections::BTreeSet;

use crate::{
    About, Database, Matcher, Problem, Verdict,
    database::{Batch, Row, Span},
    json, settings, text,
};

/// A PostgreSQL instance on RDS with a name; what else is known of it is set on the builder.
pub fn database(name: &str) -> Builder {
    let id = format!("arn:aws:rds:eu-west-1:111122223333:db:{name}#instance");
    Builder::new()
        .id(&id)
        .name(name)
        .provider("aws")
        .kind("rds")
        .protocol("postgres")
        .engine("postgres")
        .engine_version("15.4")
        .state("available")
        .account("111122223333")
        .region("eu-west-1")
        .role("instance")
        .host(&format!("{name}.c9akciq32abc.eu-west-1.rds.amazonaws.com"))
        .port(5432)
        .fact("availability", "available")
        .fact("service", "rds")
}

/// What a matcher with settings (JSON) says of a database.
///
/// ```text
/// let verdict = verdict::<Production>("null", database("orders").tag("env", "prod"));
/// assert_eq!(verdict, Verdict::enroll("env is prod").label("tier", "gold"));
/// ```
///
/// # Panics
///
/// When the settings are refused, or muster would not follow the verdict, with the reason.
#[allow(clippy::panic)]
pub fn verdict<M: Matcher>(settings: &str, database: Builder) -> Verdict<'static> {
    match matcher::<M>(settings) {
        Ok(matcher) => judge(Box::leak(Box::new(matcher)), database.done()),
        Err(_) => panic!(
            "the settings are refused: {}",
            problems::<M>(settings).join("; ")
        ),
    }
}

/// What a matcher says against settings (JSON), as an operator reads it; nothing when it takes them.
pub fn problems<M: Matcher>(settings: &str) -> Vec<String> {
    match matcher::<M>(settings) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(Problem::to_string).collect(),
    }
}

/// A matcher with settings (JSON), as muster would make it.
pub fn matcher<M: Matcher>(settings: &str) -> Result<M, Vec<Problem>> {
    settings::configure(settings)
}

/// Has a database judged, twice, and holds the verdict against what muster accepts.
///
/// # Panics
///
/// When muster would not follow the verdict, with the reason.
#[allow(clippy::panic)]
pub fn judge<'a, M: Matcher>(matcher: &'a M, database: Database<'a>) -> Verdict<'a> {
    let verdict = matcher.judge(database);
    if let Err(why) = check(&verdict) {
        panic!("muster would not follow this verdict: {why}: {verdict:?}");
    }
    assert_eq!(
        matcher.judge(database),
        verdict,
        "asked twice, it gives two verdicts"
    );
    verdict
}

/// Holds what a matcher says of itself against what muster accepts.
///
/// # Panics
///
/// When muster would not load it, with the reason.
#[allow(clippy::panic)]
pub fn about<M: Matcher>() -> About {
    let about = M::ABOUT;
    let name = about.name;
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(
        !name.is_empty() && name.len() <= 64 && !name.starts_with('-') && name.bytes().all(letters),
        "`{name}` is no name: up to 64 small letters, digits and hyphens"
    );
    let schema = about.settings_schema;
    if !schema.is_empty() {
        if let Err(error) = json::parse(schema) {
            panic!("the schema of the settings is no JSON: {error}");
        }
    }
    about
}

fn check(verdict: &Verdict<'_>) -> Result<(), String> {
    match verdict {
        Verdict::Skip(_) | Verdict::Undecided(_) => Ok(()),
        Verdict::Pass(labels) => pairs("label", labels),
        Verdict::Enroll(enroll) => {
            if let Some(name) = &enroll.name {
                fit("the name", name, 255)?;
            }
            pairs("label", &enroll.labels)?;
            pairs("hint", &enroll.hints)
        }
    }
}

fn pairs(what: &str, pairs: &crate::verdict::List<'_>) -> Result<(), String> {
    if pairs.len() > 64 {
        return Err(format!("{} {what}s, and 64 are allowed", pairs.len()));
    }
    let mut seen = BTreeSet::new();
    for (key, value) in pairs {
        if key.is_empty() {
            return Err(format!("a {what} has no key"));
        }
        fit(&format!("the key of a {what}"), key, 128)?;
        fit(&format!("the {what} `{key}`"), value, 1024)?;
        if what == "label" && text::is_reserved(key) {
            return Err(format!("the label `{key}` is muster's own to write"));
        }
        if !seen.insert(key) {
            return Err(format!("the {what} `{key}` comes twice"));
        }
    }
    Ok(())
}

fn fit(what: &str, text: &str, most: usize) -> Result<(), String> {
    if text.len() > most {
        Err(format!(
            "{what} has {} bytes, and {most} are allowed",
            text.len()
        ))
    } else if text.chars().any(char::is_control) {
        Err(format!("{what} has a control character"))
    } else {
        Ok(())
    }
}

/// A database that is being described.
#[derive(Clone, Debug)]
pub struct Builder {
    texts: Vec<String>,
    row: Row,
    tags: Vec<[u32; 2]>,
    derived: Vec<[u32; 2]>,
    labels: Vec<[u32; 2]>,
    facts: Vec<[u32; 2]>,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $field(mut self, text: &str) -> Self {
                self.row.$field = self.text(text);
                self
            }
        )*
    };
}

// === impl Builder ===

impl Builder {
    /// A database of which nothing is known.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self {
            texts: vec![String::new()],
            row: Row::default(),
            tags: Vec::new(),
            derived: Vec::new(),
            labels: Vec::new(),
            facts: Vec::new(),
        }
    }

    texts! {
        /// See [`Database::id`].
        id,
        /// See [`Database::name`].
        name,
        /// See [`Database::provider`].
        provider,
        /// See [`Database::kind`].
        kind,
        /// See [`Database::protocol`].
        protocol,
        /// See [`Database::engine`].
        engine,
        /// See [`Database::engine_version`].
        engine_version,
        /// See [`Database::state`].
        state,
        /// See [`Database::account`].
        account,
        /// See [`Database::region`].
        region,
        /// See [`Database::role`].
        role,
        /// See [`Database::host`].
        host,
    }

    /// See [`Database::port`].
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.row.port = u32::from(port);
        self
    }

    /// With a tag, which is a label too unless muster reserves its key.
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        let pair = self.pair(key, value);
        put(&mut self.tags, pair);
        if !text::is_reserved(key) {
            put(&mut self.labels, pair);
        }
        self
    }

    /// With a label that muster derived.
    #[must_use]
    pub fn derived(mut self, key: &str, value: &str) -> Self {
        let pair = self.pair(key, value);
        put(&mut self.derived, pair);
        put(&mut self.labels, pair);
        self
    }

    /// With a label that a step before this one made.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        let pair = self.pair(key, value);
        put(&mut self.labels, pair);
        self
    }

    /// With a fact.
    #[must_use]
    pub fn fact(mut self, key: &str, value: &str) -> Self {
        let pair = self.pair(key, value);
        put(&mut self.facts, pair);
        self
    }

    /// The database. It is there until the test process ends.
    pub fn done(self) -> Database<'static> {
        let Self {
            texts,
            mut row,
            tags,
            derived,
            labels,
            facts,
        } = self;
        let mut pairs = Vec::new();
        let mut span = |list: Vec<[u32; 2]>| {
            let start = number(pairs.len());
            let len = number(list.len());
            pairs.extend(list);
            Span { start, len }
        };
        row.tags = span(tags);
        row.derived = span(derived);
        row.labels = span(labels);
        row.facts = span(facts);
        let texts: Vec<&'static str> = texts.into_iter().map(|text| &*text.leak()).collect();
        let batch = Batch {
            texts: texts.leak(),
            pairs: pairs.leak(),
        };
        Database::new(batch, Box::leak(Box::new(row)))
    }

    fn pair(&mut self, key: &str, value: &str) -> [u32; 2] {
        [self.text(key), self.text(value)]
    }

    fn text(&mut self, text: &str) -> u32 {
        let place = self.texts.iter().position(|there| there == text);
        number(place.unwrap_or_else(|| {
            self.texts.push(text.to_owned());
            self.texts.len() - 1
        }))
    }
}

/// In place of an earlier pair with this key. Equal texts of a builder have equal places.
fn put(list: &mut Vec<[u32; 2]>, pair: [u32; 2]) {
    let [key, value] = pair;
    match list.iter_mut().find(|[there, _]| *there == key) {
        Some([_, there]) => *there = value,
        None => list.push(pair),
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
