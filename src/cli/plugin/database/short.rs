//! The short form of a database: everything has a default, and what scanners would derive follows from the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Labels, Protocol, Provider, ResourceId,
    Scope, State, Timestamp, Unread, Unsupported,
};
use serde::{Deserialize, Deserializer, de};

use super::{BEFORE, Sample, Wrong, text_or_map};

/// A database of which an author says only what matters.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Short {
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
    /// The whole.
    pub(super) fn complete(self) -> Result<Sample, Wrong> {
        let kind = self.kind.unwrap_or_else(|| self.guess_kind());
        let service = kind.service().ok_or_else(|| Wrong {
            path: "kind".to_owned(),
            message: format!(
                "no scan finds a database of kind `{kind}`, so no plugin is asked about one"
            ),
        })?;
        let provider = service.provider();
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
            true => Scope::aws(&account, &region, service),
            false => Scope::azure(&account, service, None),
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
        Kind::SelfHosted => "",
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
