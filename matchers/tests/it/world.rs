//! Databases in few words, and the files of cases.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use muster_matchers::SourceFilter;
use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Protocol, Provider, ResourceId, Scope,
    Selector, Service, State, Unsupported, fact,
};
use serde::{Deserialize, de::DeserializeOwned};

/// A database as a fixture writes it; what it leaves out is as ordinary as can be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Db {
    pub kind: Kind,
    pub identifier: String,
    pub role: EndpointRole,
    pub account: String,
    pub region: String,
    pub resource_group: Option<String>,
    pub engine: Option<String>,
    pub engine_version: String,
    pub protocol: Option<Protocol>,
    pub state: String,
    pub availability: Availability,
    pub endpoint: bool,
    pub tags: BTreeMap<String, String>,
    pub facts: BTreeMap<String, String>,
    pub unsupported: Option<Unsupported>,
}

impl Default for Db {
    fn default() -> Self {
        Self {
            kind: Kind::Rds,
            identifier: "orders".to_owned(),
            role: EndpointRole::Instance,
            account: "111111111111".to_owned(),
            region: "us-east-1".to_owned(),
            resource_group: None,
            engine: None,
            engine_version: "15.3".to_owned(),
            protocol: Some(Protocol::Postgres),
            state: "available".to_owned(),
            availability: Availability::Available,
            endpoint: true,
            tags: BTreeMap::new(),
            facts: BTreeMap::new(),
            unsupported: None,
        }
    }
}

impl Db {
    pub fn build(&self) -> Database {
        let service = self.kind.service().unwrap();
        let azure = service.provider() == Provider::Azure;
        let engine = self.engine.clone().unwrap_or_else(|| {
            match self.kind {
                Kind::Rds => "postgres",
                Kind::Aurora => "aurora-postgresql",
                Kind::Docdb => "docdb",
                Kind::Elasticache | Kind::ElasticacheServerless => "redis",
                Kind::AzurePostgresql => "Microsoft.DBforPostgreSQL/servers",
                Kind::AzurePostgresqlFlexible => "Microsoft.DBforPostgreSQL/flexibleServers",
                Kind::AzureMysql => "Microsoft.DBforMySQL/servers",
                Kind::AzureMysqlFlexible => "Microsoft.DBforMySQL/flexibleServers",
                Kind::SelfHosted => panic!("no matcher is asked about one"),
            }
            .to_owned()
        });
        let scope = if azure {
            Scope::azure(&self.account, service, None)
        } else {
            Scope::aws(&self.account, &self.region, service)
        };
        let mut derived = BTreeMap::from(
            [
                (
                    if azure {
                        "subscription-id"
                    } else {
                        "account-id"
                    },
                    self.account.as_str(),
                ),
                ("region", &self.region),
                ("engine", &engine),
                ("engine-version", &self.engine_version),
                ("endpoint-type", self.role.as_str()),
                ("teleport.dev/origin", "cloud"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let mut facts = self.facts.clone();
        if let Some(group) = &self.resource_group {
            derived.insert("resource-group".to_owned(), group.clone());
            facts.insert(fact::RESOURCE_GROUP.to_owned(), group.clone());
        }
        let provider_id = format!(
            "{}/{}/{}/{}",
            self.account, self.region, service, self.identifier
        );
        Database {
            id: ResourceId::of(&provider_id, &self.role.to_string()),
            scope: Arc::new(scope),
            kind: self.kind,
            protocol: self.protocol,
            identifier: self.identifier.clone(),
            role: self.role.clone(),
            region: self.region.clone(),
            endpoint: self.endpoint.then(|| Endpoint {
                host: "db.example.com".to_owned(),
                port: 5432,
            }),
            tls_server_name: None,
            engine,
            engine_version: self.engine_version.clone(),
            state: State {
                name: self.state.clone(),
                availability: self.availability,
            },
            tags: self.tags.clone(),
            derived,
            facts,
            unsupported: self.unsupported.clone(),
            unread: Default::default(),
            notes: Vec::new(),
        }
    }
}

/// A source as a fixture writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    name: String,
    #[serde(default)]
    services: Option<Vec<Service>>,
    #[serde(default)]
    accounts: Option<Vec<String>>,
    #[serde(default)]
    regions: Option<Vec<String>>,
    #[serde(default)]
    resource_groups: Option<Vec<String>>,
    #[serde(default = "Selector::all")]
    tags: Selector,
}

impl Source {
    pub fn build(&self) -> SourceFilter {
        let provider = if self.name.starts_with("sources.azure") {
            Provider::Azure
        } else {
            Provider::Aws
        };
        let all = || {
            Service::ALL
                .iter()
                .copied()
                .filter(|service| service.provider() == provider)
                .collect()
        };
        let set =
            |list: &Option<Vec<String>>| list.as_ref().map(|list| list.iter().cloned().collect());
        SourceFilter {
            name: self.name.clone(),
            provider,
            services: self.services.clone().unwrap_or_else(all),
            accounts: self.accounts.as_ref().map(|list| {
                list.iter()
                    .map(|id| muster_model::AccountId::new(id.as_str()))
                    .collect()
            }),
            regions: set(&self.regions),
            resource_groups: set(&self.resource_groups),
            tags: self.tags.clone(),
        }
    }
}

/// Sources that select everything there is.
pub fn everything() -> Vec<SourceFilter> {
    ["sources.aws[0]", "sources.azure[0]"]
        .map(|name| {
            serde_yaml::from_str::<Source>(&format!("name: {name}"))
                .unwrap()
                .build()
        })
        .to_vec()
}

/// Every file of a folder of `fixtures/`, with its name.
pub fn files<T: DeserializeOwned>(folder: &str) -> Vec<(String, T)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let file = serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(&text));
            (
                name.clone(),
                file.unwrap_or_else(|error| panic!("{name}: {error}")),
            )
        })
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(!files.is_empty(), "{} holds the cases", folder.display());
    files
}
