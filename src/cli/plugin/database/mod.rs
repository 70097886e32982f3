//! A database as an author writes it down, or as the store, a scan or `muster db show` has it.

mod short;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use muster_model::{Database, EndpointRole, Labels, Origin, Record, Target, Timestamp};
use muster_wasm::Candidate;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Map, Value};

use self::short::Short;

/// Who set labels that are neither derived nor tags: the steps before the plugin.
const BEFORE: &str = "before";

/// A database that a plugin is asked about.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// It.
    pub database: Database,
    /// Its labels so far.
    pub labels: Labels,
    /// When it was seen first.
    pub first_seen: Option<Timestamp>,
}

/// What is wrong with one, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// `endpoint.port`; empty for the whole.
    pub path: String,
    /// What.
    pub message: String,
}

impl Sample {
    /// Reads one of four forms: a record of the store (`database`, `first_seen`), a database as scanners make it
    /// (it has a `scope`), an enrolled one as `muster db show -o json` prints it (it has an `owner`), or the short
    /// form, in which everything has a default.
    ///
    /// # Errors
    /// What does not fit.
    pub fn read(value: &Value) -> Result<Self, Wrong> {
        // `muster db show` prints a list of one.
        let value = match value {
            Value::Array(items) if items.len() == 1 => items.first().unwrap_or(value),
            value => value,
        };
        let Value::Object(fields) = value else {
            return Err(Wrong {
                path: String::new(),
                message: format!("expected a database, found {}", what(value)),
            });
        };
        let has = |key: &str| fields.contains_key(key);
        if has("database") {
            return stored(fields);
        }
        if has("owner") && has("short_name") {
            return decode::<Target>(value).map(enrolled);
        }
        if has("scope") {
            return decode::<Database>(value).map(|database| Self::of(database, None));
        }
        decode::<Short>(value).and_then(Short::complete)
    }

    /// One that no step has judged yet.
    pub fn of(database: Database, first_seen: Option<Timestamp>) -> Self {
        let (labels, _) = database.labels();
        Self {
            database,
            labels,
            first_seen,
        }
    }

    /// As a plugin is given it.
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            database: &self.database,
            labels: &self.labels,
            first_seen: self.first_seen,
        }
    }
}

/// A record of the store. What else a record has says nothing to a plugin.
fn stored(fields: &Map<String, Value>) -> Result<Sample, Wrong> {
    #[derive(Deserialize)]
    struct Stored {
        #[serde(default)]
        first_seen: Option<Timestamp>,
    }
    let within = |wrong: Wrong| wrong.at("database".to_owned());
    let database = fields.get("database").unwrap_or(&Value::Null);
    if database.get("database").is_some() {
        return Err(within(Wrong {
            path: "database".to_owned(),
            message: "a database in a database".to_owned(),
        }));
    }
    let whole = Value::Object(fields.clone());
    if let Ok(record) = serde_json::from_value::<Record>(whole.clone()) {
        return Ok(Sample::of(record.database, Some(record.first_seen)));
    }
    let mut sample = Sample::read(database).map_err(within)?;
    sample.first_seen = decode::<Stored>(&whole)?.first_seen.or(sample.first_seen);
    Ok(sample)
}

/// The database that a target was made of, as far as it tells: labels that matchers set count as set before.
fn enrolled(target: Target) -> Sample {
    let (mut tags, mut derived) = (BTreeMap::new(), BTreeMap::new());
    for (key, label) in target.labels.iter() {
        let (key, value) = (key.to_owned(), label.value.clone());
        match label.origin {
            Origin::Derived => derived.insert(key, value),
            Origin::Tag => tags.insert(key, value),
            Origin::Matcher(_) => None,
        };
    }
    let role = target
        .id
        .as_str()
        .rsplit_once('#')
        .and_then(|(_, role)| role.parse().ok())
        .unwrap_or(EndpointRole::Instance);
    let id = target.id.provider_id();
    let identifier = id.rsplit([':', '/']).next().unwrap_or(id).to_owned();
    let region = match derived.get("region") {
        Some(region) => region.clone(),
        None => target.scope.region.to_string(),
    };
    Sample {
        labels: target.labels,
        first_seen: None,
        database: Database {
            id: target.id,
            scope: target.scope,
            kind: target.kind,
            protocol: Some(target.protocol),
            identifier,
            role,
            region,
            endpoint: target.endpoint,
            tls_server_name: target.tls_server_name,
            engine: target.engine,
            engine_version: target.engine_version,
            state: target.state,
            tags,
            derived,
            facts: target.facts,
            unsupported: None,
            unread: BTreeSet::new(),
            notes: Vec::new(),
        },
    }
}

/// A text, or a map that is something.
pub(super) fn text_or_map<'de, D: Deserializer<'de>, M: Deserialize<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<Result<String, M>, D::Error> {
    struct Either<M> {
        expected: &'static str,
        map: std::marker::PhantomData<M>,
    }
    impl<'de, M: Deserialize<'de>> Visitor<'de> for Either<M> {
        type Value = Result<String, M>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expected)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Ok(text.to_owned()))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            M::deserialize(MapAccessDeserializer::new(map)).map(Err)
        }
    }
    deserializer.deserialize_any(Either {
        expected,
        map: std::marker::PhantomData,
    })
}

fn decode<T: de::DeserializeOwned>(value: &Value) -> Result<T, Wrong> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        Wrong {
            path,
            message: error.into_inner().to_string(),
        }
    })
}

const fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

impl Wrong {
    /// The same, seen from above.
    pub(super) fn at(self, above: String) -> Self {
        let path = match (above.as_str(), self.path.as_str()) {
            ("", _) => self.path,
            (_, "") => above,
            (_, path) if path.starts_with('[') => above + path,
            (_, path) => format!("{above}.{path}"),
        };
        Self { path, ..self }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}
