//! A database as an author writes it down, or as the store, a scan or `muster db show` has it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Labels, Origin, Protocol, Provider,
    Record, ResourceId, Scope, State, Target, Timestamp, Unread, Unsupported,
};
use muster_wasm::Candidate;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Map, Value};

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

/// A database of which an author says only what matters.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Short {
    #[serde(alias = "identifier")]
    name: Option<String>,
    id: Option<String>,
    provider: Option<Provider>,
    kind: Option<Kind>,
    /// None inside: one that muster does not speak.
    #[serde(deserialize_with = "given")]
    protocol: Option<Option<Protocol>>,
    engine: Option<String>,
    engine_version: Option<String>,
    state: Option<StateFile>,
    account: Option<String>,
    region: Option<String>,
    role: Option<EndpointRole>,
    /// None inside: there is none.
    #[serde(deserialize_with = "given")]
    endpoint: Option<Option<EndpointFile>>,
    tls_server_name: Option<String>,
    resource_group: Option<String>,
    tags: BTreeMap<String, String>,
    /// In place of what follows from the rest, key by key.
    derived: BTreeMap<String, String>,
    /// What steps before the plugin set.
    labels: BTreeMap<String, String>,
    facts: BTreeMap<String, String>,
    unsupported: Option<Unsupported>,
    unread: BTreeSet<Unread>,
    notes: Vec<String>,
    first_seen: Option<Timestamp>,
}

/// `null` is something else than nothing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl Short {
    fn complete(self) -> Result<Sample, Wrong> {
        let kind = self.kind.unwrap_or_else(|| self.guess_kind());
        let provider = kind.service().provider();
        if let Some(other) = self.provider.filter(|other| *other != provider) {
            return Err(Wrong {
                path: "provider".to_owned(),
                message: format!("`{other}` has no {kind}: that is of {provider}"),
            });
        }
        if let Some(key) = self.labels.keys().find(|key| Labels::is_reserved(key)) {
            return Err(Wrong {
                path: format!("labels.{key}"),
                message: "muster itself writes this label: it belongs to `derived`".to_owned(),
            });
        }
        let protocol = match self.protocol {
            Some(protocol) => protocol,
            None => Some(guess_protocol(kind, self.engine.as_deref())),
        };
        let identifier = self.name.unwrap_or_else(|| "orders".to_owned());
        let aws = provider == Provider::Aws;
        let text = |given: Option<String>, aws_has: &str, azure_has: &str| {
            given.unwrap_or_else(|| if aws { aws_has } else { azure_has }.to_owned())
        };
        let account = text(
            self.account,
            "111122223333",
            "11111111-2222-3333-4444-555555555555",
        );
        let region = text(self.region, "eu-west-1", "westeurope");
        let group = (!aws).then(|| {
            self.resource_group
                .unwrap_or_else(|| "databases".to_owned())
        });
        let role = self.role.unwrap_or_else(|| usual_role(kind));
        let engine = self.engine.unwrap_or_else(|| usual_engine(kind, protocol));
        let engine_version = self.engine_version.unwrap_or_else(|| {
            match protocol {
                Some(Protocol::Postgres) => "16.4",
                Some(Protocol::Mysql) => "8.0.39",
                Some(Protocol::Mongodb) => "5.0.0",
                Some(Protocol::Redis) => "7.1.0",
                None => "",
            }
            .to_owned()
        });
        let host = format!("{identifier}.{region}.example.com");
        let port = match protocol {
            Some(Protocol::Mysql) => 3306,
            Some(Protocol::Mongodb) => 27017,
            Some(Protocol::Redis) => 6379,
            _ => 5432,
        };
        let endpoint = match self.endpoint {
            None => Some(Endpoint { host, port }),
            Some(None) => None,
            Some(Some(file)) => Some(Endpoint {
                host: file.host.unwrap_or(host),
                port: file.port.unwrap_or(port),
            }),
        };
        let provider_id = match &group {
            None => format!(
                "arn:aws:{}:{region}:{account}:{}:{identifier}",
                family(kind),
                part(kind)
            ),
            Some(group) => format!(
                "/subscriptions/{account}/resourceGroups/{group}/providers/{}/{identifier}",
                family(kind)
            ),
        };
        let id = match self.id {
            Some(id) => ResourceId::new(id),
            None => ResourceId::of(&provider_id, &role.to_string()),
        };
        let scope = match aws {
            true => Scope::aws(&account, &region, kind.service()),
            false => Scope::azure(&account, kind.service(), None),
        };
        let mut derived = BTreeMap::new();
        let mut derive = |key: &str, value: &str| {
            if !value.is_empty() {
                derived.insert(key.to_owned(), value.to_owned());
            }
        };
        derive(if aws { "account-id" } else { "subscription-id" }, &account);
        derive("region", &region);
        derive("resource-group", group.as_deref().unwrap_or_default());
        derive("engine", &engine);
        derive("engine-version", &engine_version);
        derive("endpoint-type", if aws { role.as_str() } else { "" });
        derive(
            "vpc-id",
            self.facts.get("vpc-id").map_or("", String::as_str),
        );
        derive("muster/kind", kind.as_str());
        derive("teleport.dev/cloud", if aws { "AWS" } else { "Azure" });
        derive("teleport.dev/discovery-type", kind.discovery_type());
        derive("teleport.dev/origin", "cloud");
        derived.extend(self.derived);
        let mut facts = self.facts;
        if let Some(group) = group {
            facts.entry("resource-group".to_owned()).or_insert(group);
        }
        let database = Database {
            id,
            scope: Arc::new(scope),
            kind,
            protocol,
            identifier,
            role,
            region,
            endpoint,
            tls_server_name: self.tls_server_name,
            engine,
            engine_version,
            state: self
                .state
                .map_or_else(|| named("available".to_owned()), |file| file.0),
            tags: self.tags,
            derived,
            facts,
            unsupported: self.unsupported,
            unread: self.unread,
            notes: self.notes,
        };
        let mut sample = Sample::of(database, self.first_seen);
        for (key, value) in self.labels {
            // Reserved keys were refused above.
            let _set = sample.labels.set(&key, value, BEFORE);
        }
        Ok(sample)
    }

    fn guess_kind(&self) -> Kind {
        let engine = self.engine.as_deref().unwrap_or_default().to_lowercase();
        let protocol = self.protocol.flatten();
        let mysql = protocol == Some(Protocol::Mysql) || engine.contains("mysql");
        if self.provider == Some(Provider::Azure) {
            return match mysql {
                true => Kind::AzureMysqlFlexible,
                false => Kind::AzurePostgresqlFlexible,
            };
        }
        match (engine.as_str(), protocol) {
            (engine, _) if engine.starts_with("aurora") => Kind::Aurora,
            ("docdb", _) | (_, Some(Protocol::Mongodb)) => Kind::Docdb,
            ("redis" | "valkey", _) | (_, Some(Protocol::Redis)) => Kind::Elasticache,
            _ => Kind::Rds,
        }
    }
}

fn guess_protocol(kind: Kind, engine: Option<&str>) -> Protocol {
    let engine = engine.unwrap_or_default().to_lowercase();
    match kind {
        Kind::Docdb => Protocol::Mongodb,
        Kind::Elasticache | Kind::ElasticacheServerless => Protocol::Redis,
        Kind::AzureMysql | Kind::AzureMysqlFlexible => Protocol::Mysql,
        Kind::Rds | Kind::Aurora if engine.contains("mysql") || engine.contains("mariadb") => {
            Protocol::Mysql
        }
        _ => Protocol::Postgres,
    }
}

fn usual_role(kind: Kind) -> EndpointRole {
    match kind {
        Kind::Rds => EndpointRole::Instance,
        Kind::Aurora | Kind::Elasticache => EndpointRole::Primary,
        Kind::Docdb => EndpointRole::Cluster,
        Kind::ElasticacheServerless => EndpointRole::Serverless,
        _ => EndpointRole::Server,
    }
}

fn usual_engine(kind: Kind, protocol: Option<Protocol>) -> String {
    let mysql = protocol == Some(Protocol::Mysql);
    match kind {
        Kind::Rds if mysql => "mysql",
        Kind::Rds => "postgres",
        Kind::Aurora if mysql => "aurora-mysql",
        Kind::Aurora => "aurora-postgresql",
        Kind::Docdb => "docdb",
        Kind::Elasticache | Kind::ElasticacheServerless => "redis",
        _ => family(kind),
    }
    .to_owned()
}

/// The service in an ARN; in an ARM id the type.
const fn family(kind: Kind) -> &'static str {
    match kind {
        Kind::Rds | Kind::Aurora | Kind::Docdb => "rds",
        Kind::Elasticache | Kind::ElasticacheServerless => "elasticache",
        Kind::AzurePostgresql => "Microsoft.DBforPostgreSQL/servers",
        Kind::AzurePostgresqlFlexible => "Microsoft.DBforPostgreSQL/flexibleServers",
        Kind::AzureMysql => "Microsoft.DBforMySQL/servers",
        Kind::AzureMysqlFlexible => "Microsoft.DBforMySQL/flexibleServers",
    }
}

/// The word before the name in an ARN.
const fn part(kind: Kind) -> &'static str {
    match kind {
        Kind::Rds => "db",
        Kind::Elasticache => "replicationgroup",
        Kind::ElasticacheServerless => "serverlesscache",
        _ => "cluster",
    }
}

/// A state, or its name alone.
#[derive(Debug)]
struct StateFile(State);

fn named(name: String) -> State {
    let availability = match name.to_lowercase().as_str() {
        "available" | "ready" => Availability::Available,
        "stopped" | "stopping" | "starting" => Availability::Stopped,
        "creating" | "deleting" | "dropping" | "failed" | "disabled" => Availability::Unavailable,
        _ => Availability::Unknown,
    };
    State { name, availability }
}

impl<'de> Deserialize<'de> for StateFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            name: String,
            availability: Option<Availability>,
        }
        match text_or_map(
            deserializer,
            "a state, or a map with `name` and `availability`",
        )? {
            Ok(name) => Ok(Self(named(name))),
            Err(Whole { name, availability }) => {
                let mut state = named(name);
                state.availability = availability.unwrap_or(state.availability);
                Ok(Self(state))
            }
        }
    }
}

/// An endpoint, or `host:port`.
#[derive(Debug)]
struct EndpointFile {
    host: Option<String>,
    port: Option<u16>,
}

impl<'de> Deserialize<'de> for EndpointFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            host: Option<String>,
            port: Option<u16>,
        }
        match text_or_map(deserializer, "`HOST:PORT`, or a map with `host` and `port`")? {
            Err(Whole { host, port }) => Ok(Self { host, port }),
            Ok(text) => {
                let (host, port) = text
                    .rsplit_once(':')
                    .ok_or_else(|| de::Error::custom(format!("`{text}` is not HOST:PORT")))?;
                let port = port
                    .parse()
                    .map_err(|_| de::Error::custom(format!("`{port}` is not a port")))?;
                Ok(Self {
                    host: Some(host.trim_matches(['[', ']']).to_owned()),
                    port: Some(port),
                })
            }
        }
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
