//! A database's record as a [`Target`], and a target as a record for a Teleport cluster.

use std::{collections::BTreeMap, sync::Arc};

use muster_model::{
    Availability, Kind, Labels, Owner, Protocol, Provider, ResourceId, Scope, Service, State,
    Target, fact, hint,
};
use serde_json::{Map, Value, json};

use super::db::{DbRecord, TlsMode, given, put};

/// Where a person wrote a database down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Written {
    /// In a `kind: db` record.
    Record,
    /// In the configuration of the service.
    Configuration,
}

impl Written {
    /// What [`Owner::by`] says of such targets.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Configuration => "configuration",
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Record => "a person wrote it down",
            Self::Configuration => "the configuration names it",
        }
    }

    /// As Teleport calls it, in the label that roles of there may ask for.
    const fn origin(self) -> &'static str {
        match self {
            Self::Record => "dynamic",
            Self::Configuration => "config-file",
        }
    }
}

impl DbRecord {
    /// What kind of database it is, as far as the record tells.
    pub fn kind(&self) -> Kind {
        let host = self.endpoint.host.to_ascii_lowercase();
        let host = host.trim_end_matches('.');
        let mysql = self.protocol == Protocol::Mysql;
        let of_aws = |part: &str| {
            [".amazonaws.com", ".amazonaws.com.cn"].iter().any(|end| {
                host.strip_suffix(end)
                    .is_some_and(|host| host.ends_with(part) || host.contains(&format!("{part}.")))
            })
        };
        let is_sql = matches!(self.protocol, Protocol::Postgres | Protocol::Mysql);
        let of_azure = self.azure.name.is_some()
            || self.azure.resource_id.is_some()
            || host.ends_with(".postgres.database.azure.com")
            || host.ends_with(".mysql.database.azure.com");
        match self.protocol {
            Protocol::Mongodb if self.aws.docdb || of_aws(".docdb") => Kind::Docdb,
            Protocol::Redis if of_aws(".serverless") && of_aws(".cache") => {
                Kind::ElasticacheServerless
            }
            Protocol::Redis if self.aws.replication_group_id.is_some() || of_aws(".cache") => {
                Kind::Elasticache
            }
            _ if is_sql && of_azure => match (self.is_flexible(), mysql) {
                (true, false) => Kind::AzurePostgresqlFlexible,
                (true, true) => Kind::AzureMysqlFlexible,
                (false, false) => Kind::AzurePostgresql,
                (false, true) => Kind::AzureMysql,
            },
            _ if is_sql && self.aws.cluster_id.is_some() => Kind::Aurora,
            _ if is_sql && self.aws.instance_id.is_some() => Kind::Rds,
            _ if is_sql && of_aws(".rds") => match host.contains(".cluster-") {
                true => Kind::Aurora,
                false => Kind::Rds,
            },
            _ if is_sql && self.aws.region.is_some() => Kind::Rds,
            _ => Kind::SelfHosted,
        }
    }

    /// Single servers are no longer offered: it is one only where the record says so.
    fn is_flexible(&self) -> bool {
        let id = self
            .azure
            .resource_id
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        self.azure
            .is_flexi_server
            .unwrap_or_else(|| id.contains("/flexibleservers/") || !id.contains("/servers/"))
    }

    /// The database as the proxy serves it, out of a `kind: db` record.
    pub fn to_target(&self) -> Target {
        self.written_in(Written::Record)
    }

    /// The database as the proxy serves it. One of a record and one of the configuration with the same name have the
    /// same id: it is the same database, whoever says so.
    pub fn written_in(&self, written: Written) -> Target {
        let kind = self.kind();
        let engine = self.engine(kind);
        let region = self.region();
        let hints = [
            (hint::AUTH, self.auth.clone()),
            (
                hint::TLS_MODE,
                (self.tls_mode != TlsMode::VerifyFull).then(|| self.tls_mode.as_str().to_owned()),
            ),
            (hint::TLS_CA, self.tls_ca.clone()),
            (hint::ASSUME_ROLE, self.aws.assume_role_arn.clone()),
            (hint::EXTERNAL_ID, self.aws.external_id.clone()),
            (hint::AZURE_SERVER, self.azure.name.clone()),
            (hint::CACHE, self.aws.replication_group_id.clone()),
        ];
        let facts = [
            (fact::RESOURCE_ID, self.aws.resource_id.clone()),
            (fact::IAM_AUTH, self.aws.iam_auth.map(|on| on.to_string())),
            (fact::VPC, self.aws.vpc_id.clone()),
            (fact::DESCRIPTION, self.meta.description.clone()),
        ];
        Target {
            id: ResourceId::of(&format!("muster:db:{}", self.name), "server"),
            name: self.name.clone(),
            short_name: self.name.clone(),
            kind,
            protocol: self.protocol,
            endpoint: Some(self.endpoint.clone()),
            tls_server_name: self.tls_server_name.clone(),
            engine: engine.to_owned(),
            engine_version: String::new(),
            state: State {
                name: "available".to_owned(),
                availability: Availability::Available,
            },
            labels: self.labels(kind, engine, region.as_deref(), written),
            hints: texts(hints),
            facts: texts(facts),
            scope: Arc::new(self.scope(kind, region.as_deref())),
            owner: Owner {
                by: written.as_str().to_owned(),
                group: String::new(),
            },
            reason: written.reason().to_owned(),
        }
    }

    fn engine(&self, kind: Kind) -> &'static str {
        match (kind, self.protocol) {
            (Kind::AzurePostgresql, _) => "Microsoft.DBforPostgreSQL/servers",
            (Kind::AzurePostgresqlFlexible, _) => "Microsoft.DBforPostgreSQL/flexibleServers",
            (Kind::AzureMysql, _) => "Microsoft.DBforMySQL/servers",
            (Kind::AzureMysqlFlexible, _) => "Microsoft.DBforMySQL/flexibleServers",
            (Kind::Aurora, Protocol::Mysql) => "aurora-mysql",
            (Kind::Aurora, _) => "aurora-postgresql",
            (Kind::Docdb, _) => "docdb",
            (_, protocol) => protocol.as_str(),
        }
    }

    /// The record's labels, and those that muster would derive where the record does not say otherwise.
    fn labels(&self, kind: Kind, engine: &str, region: Option<&str>, written: Written) -> Labels {
        let cloud = match kind.service().map(Service::provider) {
            Some(Provider::Aws) => Some("AWS"),
            Some(Provider::Azure) => Some("Azure"),
            Some(Provider::SelfHosted) | None => None,
        };
        let derived = [
            ("engine", Some(engine.to_owned())),
            ("region", region.map(str::to_owned)),
            ("account-id", self.aws.account_id.clone()),
            ("vpc-id", self.aws.vpc_id.clone()),
        ];
        let mut derived = texts(derived);
        let mut others = Vec::new();
        for (key, value) in &self.meta.labels {
            // A person who may write records may say what a database is; only muster says who said it.
            if muster_model::DERIVED_KEYS.contains(&key.as_str()) {
                derived.insert(key.clone(), value.clone());
            } else {
                others.push((key, value));
            }
        }
        let own = [
            ("muster/kind", Some(kind.as_str().to_owned())),
            ("teleport.dev/cloud", cloud.map(str::to_owned)),
            ("teleport.dev/origin", Some(written.origin().to_owned())),
        ];
        derived.extend(texts(own));
        let (mut labels, _) = Labels::import(&derived, &BTreeMap::new());
        for (key, value) in others {
            // Reserved keys, which Teleport's own output has, say nothing that is not said above.
            let _is_set = labels.set(key, value.as_str(), written.as_str());
        }
        labels
    }

    /// The region: what the record says, or what the host's name does.
    fn region(&self) -> Option<String> {
        self.aws.region.clone().or_else(|| {
            let host = self.endpoint.host.to_ascii_lowercase();
            let name = [
                ".rds.amazonaws.com",
                ".rds.amazonaws.com.cn",
                ".docdb.amazonaws.com",
            ]
            .iter()
            .find_map(|end| {
                host.strip_suffix(end)?
                    .rsplit('.')
                    .next()
                    .map(str::to_owned)
            });
            name.filter(|name| name.contains('-'))
        })
    }

    /// Where it is. No scan of it says anything about the record, which is not discovery's.
    fn scope(&self, kind: Kind, region: Option<&str>) -> Scope {
        let account = self.aws.account_id.as_deref().unwrap_or("unknown");
        match kind.service() {
            Some(service) if service.provider() == Provider::Azure => {
                let id = self.azure.resource_id.as_deref().unwrap_or_default();
                let mut parts = id
                    .split('/')
                    .skip_while(|part| !part.eq_ignore_ascii_case("subscriptions"));
                let subscription = parts.nth(1).unwrap_or("unknown");
                Scope::azure(subscription, service, None)
            }
            Some(service) => Scope::aws(account, region.unwrap_or("unknown"), service),
            None => Scope::self_hosted(),
        }
    }
}

/// An enrolled database as a `kind: db` record that a Teleport cluster accepts; none while it has no endpoint.
pub fn export(target: &Target) -> Option<Value> {
    let endpoint = target.endpoint.as_ref()?;
    let text = |value: Option<&str>| value.map(Value::from);
    let fact = |name: &str| text(target.facts.get(name).map(String::as_str));
    let hint = |name: &str| text(target.hints.get(name).map(String::as_str));
    let mut labels = Map::new();
    for (key, value) in target.labels.values() {
        let is_theirs =
            key.starts_with("teleport.internal/") || key.starts_with("teleport.hidden/");
        if is_label(key) && !is_theirs && key != "teleport.dev/origin" {
            labels.insert(key.to_owned(), value.into());
        }
    }
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), target.name.as_str().into());
    put(&mut metadata, "description", fact(fact::DESCRIPTION));
    if !labels.is_empty() {
        metadata.insert("labels".to_owned(), Value::Object(labels));
    }
    let mut spec = Map::new();
    spec.insert("protocol".to_owned(), target.protocol.as_str().into());
    let uri = match target.protocol {
        Protocol::Redis if target.id.as_str().ends_with("#configuration") => {
            format!("rediss://{endpoint}?mode=cluster")
        }
        Protocol::Redis => format!("rediss://{endpoint}"),
        _ => endpoint.to_string(),
    };
    spec.insert("uri".to_owned(), uri.into());
    let tls = [
        ("mode", hint(hint::TLS_MODE)),
        ("ca_cert", hint(hint::TLS_CA)),
        ("server_name", text(target.tls_server_name.as_deref())),
    ];
    put(&mut spec, "tls", given(tls));
    put(&mut spec, "aws", export_aws(target, &fact, &hint));
    put(&mut spec, "azure", export_azure(target));
    Some(json!({
        "kind": "db",
        "version": "v3",
        "metadata": metadata,
        "spec": spec,
    }))
}

fn export_aws(
    target: &Target,
    fact: &dyn Fn(&str) -> Option<Value>,
    hint: &dyn Fn(&str) -> Option<Value>,
) -> Option<Value> {
    if target.kind.service()?.provider() != Provider::Aws {
        return None;
    }
    let known = |text: &str| (!["unknown", "none", "*"].contains(&text)).then(|| Value::from(text));
    let id = target.id.provider_id().rsplit(':').next().map(Value::from);
    let iam = target
        .facts
        .get(fact::IAM_AUTH)
        .map(|on| Value::Bool(on == "true"));
    let is_found = target.owner.is_discovery();
    let id = id.filter(|_| is_found);
    let (part, of) = match target.kind {
        Kind::Rds => (
            "rds",
            vec![
                ("instance_id", id),
                ("resource_id", fact(fact::RESOURCE_ID)),
                ("iam_auth", iam),
            ],
        ),
        Kind::Aurora => (
            "rds",
            vec![
                ("cluster_id", id),
                ("resource_id", fact(fact::RESOURCE_ID)),
                ("iam_auth", iam),
            ],
        ),
        Kind::Docdb => ("docdb", vec![("cluster_id", id)]),
        Kind::Elasticache => (
            "elasticache",
            vec![("replication_group_id", hint(hint::CACHE).or(id))],
        ),
        _ => ("", Vec::new()),
    };
    let entries = [
        ("region", known(target.scope.region.as_str())),
        ("account_id", known(target.scope.account.as_str())),
        ("assume_role_arn", hint(hint::ASSUME_ROLE)),
        ("external_id", hint(hint::EXTERNAL_ID)),
        (part, given(of)),
    ];
    given(entries.into_iter().filter(|(key, _)| !key.is_empty()))
}

fn export_azure(target: &Target) -> Option<Value> {
    if target.kind.service()?.provider() != Provider::Azure {
        return None;
    }
    let host = target
        .endpoint
        .as_ref()
        .map(|endpoint| endpoint.host.as_str());
    let name = target.hints.get(hint::AZURE_SERVER).map(String::as_str);
    let name = name.or_else(|| host?.split('.').next());
    let id = target.id.provider_id();
    let is_flexible = matches!(
        target.kind,
        Kind::AzurePostgresqlFlexible | Kind::AzureMysqlFlexible
    );
    given([
        ("name", name.map(Value::from)),
        ("resource_id", id.starts_with('/').then(|| id.into())),
        ("is_flexi_server", is_flexible.then_some(Value::Bool(true))),
    ])
}

/// Whether Teleport takes it as the key of a label.
fn is_label(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "/.-_:*".contains(letter))
}

fn texts<const N: usize>(entries: [(&str, Option<String>); N]) -> BTreeMap<String, String> {
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}
