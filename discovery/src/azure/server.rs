//! From one record of a listing to a [`Database`].
//!
//! The products' own records come down to a [`Server`] first, in the files named after them; what a server means is
//! the same for all of them, and is here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use muster_cloud::error::one_line;
use muster_model::{Database, Endpoint, EndpointRole, Malformed, ResourceId, Scope, fact};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{arm, arm::ArmId, product::Product};

/// The longest record that is looked at, in bytes.
const MAX_RECORD: usize = 256 << 10;

/// The longest id, in bytes: what the store takes, with room for the endpoint's role.
const MAX_ID: usize = 1536;

/// The longest host name (RFC 1035).
const MAX_HOST: usize = 253;

/// What the products' records have in common. What a record does not say is none.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub id: Option<String>,
    pub name: Option<String>,
    pub location: String,
    pub tags: Option<Value>,
    /// RFC 3339.
    pub created: Option<String>,
    pub state: Option<String>,
    pub version: Option<String>,
    pub host: Option<String>,
    /// Whether Entra authentication is on.
    pub entra: Option<bool>,
    /// Whether it has a public address.
    pub public: Option<bool>,
    /// `required` or `optional`.
    pub tls: Option<&'static str>,
    /// `Source` or `Replica`.
    pub replication_role: Option<String>,
    /// The ARM id of a replica's source.
    pub source: Option<String>,
}

/// All that is needed of a record to know that it was seen.
#[derive(Deserialize)]
struct Identified {
    id: String,
}

/// The database that a record describes.
///
/// # Errors
/// What is wrong with the record, and whose record it is where that can be read.
pub(super) fn database(
    product: &Product,
    scope: &Arc<Scope>,
    record: &str,
) -> Result<Database, Malformed> {
    read(product, record)
        .and_then(|server| judge(product, scope, server))
        .map_err(|message| Malformed {
            provider_id: serde_json::from_str::<Identified>(record)
                .ok()
                .filter(|record| ArmId::parse(&record.id).is_some())
                .map(|record| arm::canonical(&record.id)),
            call: product.permission(),
            message: one_line(&message),
        })
}

fn read(product: &Product, record: &str) -> Result<Server, String> {
    if record.len() > MAX_RECORD {
        return Err(format!(
            "the record is {} bytes long, more than {MAX_RECORD}",
            record.len()
        ));
    }
    (product.read)(record).map_err(|error| format!("cannot read the record: {error}"))
}

fn judge(product: &Product, scope: &Arc<Scope>, server: Server) -> Result<Database, String> {
    let id = server
        .id
        .filter(|id| !id.is_empty())
        .ok_or("the record has no id")?;
    if id.len() > MAX_ID || id.chars().any(|c| c.is_control() || c == '#') {
        return Err("its id is too long, or holds what no id may".to_owned());
    }
    let parts = ArmId::parse(&id).ok_or_else(|| format!("`{id}` is not the id of a server"))?;
    let is_ours = parts.namespace.eq_ignore_ascii_case(product.namespace)
        && parts.type_name.eq_ignore_ascii_case(product.type_name)
        && parts
            .subscription
            .eq_ignore_ascii_case(scope.account.as_str());
    if !is_ours {
        return Err(format!(
            "`{id}` was not asked for: it is of another type or subscription"
        ));
    }
    let identifier = server
        .name
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| parts.name.to_owned());
    let endpoint = endpoint(server.host, product.port)?;
    let region = arm::region(&server.location);
    if region.is_empty() {
        return Err("the record has no location".to_owned());
    }

    let mut notes = Vec::new();
    let (state, note) = product
        .states
        .state(server.state.filter(|state| !state.is_empty()));
    notes.extend(note);
    let engine = product.engine();
    let engine_version = server.version.unwrap_or_default();
    let unsupported = if engine_version.is_empty() {
        notes.push("the provider reports no version".to_owned());
        None
    } else {
        let (unsupported, note) = (product.supported)(&engine, &engine_version);
        notes.extend(note);
        unsupported
    };
    let tags = tags(server.tags, &mut notes);

    let mut derived = BTreeMap::from(
        [
            ("engine", engine.as_str()),
            ("muster/kind", product.kind.as_str()),
            ("region", &region),
            ("resource-group", parts.group),
            ("subscription-id", parts.subscription),
            ("teleport.dev/cloud", "Azure"),
            ("teleport.dev/discovery-type", product.kind.discovery_type()),
            ("teleport.dev/origin", "cloud"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    if !engine_version.is_empty() {
        derived.insert("engine-version".to_owned(), engine_version.clone());
    }
    if let Some(role) = server.replication_role {
        derived.insert("replication-role".to_owned(), role);
    }
    if let Some(source) = server.source.as_deref().and_then(ArmId::parse) {
        derived.insert("source-server".to_owned(), source.name.to_owned());
    }

    let description = format!("{} in {region}", product.name);
    let flag = |value: Option<bool>| value.map(|value| value.to_string());
    let facts = [
        (fact::CREATED, server.created),
        (fact::DESCRIPTION, Some(description)),
        (fact::ENTRA_AUTH, flag(server.entra)),
        (fact::PUBLIC, flag(server.public)),
        (fact::RESOURCE_GROUP, Some(parts.group.to_owned())),
        (fact::TLS, server.tls.map(str::to_owned)),
    ];
    Ok(Database {
        id: ResourceId::of(&arm::canonical(&id), EndpointRole::Server.as_str()),
        scope: Arc::clone(scope),
        kind: product.kind,
        protocol: Some(product.protocol),
        identifier,
        role: EndpointRole::Server,
        region,
        endpoint,
        tls_server_name: None,
        engine,
        engine_version,
        state,
        tags,
        derived,
        facts: facts
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
        unsupported,
        unread: BTreeSet::new(),
        notes,
    })
}

fn endpoint(host: Option<String>, port: u16) -> Result<Option<Endpoint>, String> {
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        return Ok(None);
    };
    let is_host = host.len() <= MAX_HOST
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if is_host {
        Ok(Some(Endpoint { host, port }))
    } else {
        Err("its domain name is none".to_owned())
    }
}

/// The tags that are texts; a note for each that is not.
fn tags(tags: Option<Value>, notes: &mut Vec<String>) -> BTreeMap<String, String> {
    match tags {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(tags)) => {
            let text = |(key, value)| match value {
                Value::String(value) => Some((key, value)),
                _ => {
                    notes.push(format!("tag `{key}` is no text and was left out"));
                    None
                }
            };
            tags.into_iter().filter_map(text).collect()
        }
        Some(_) => {
            notes.push("the tags are no list of keys and values and were left out".to_owned());
            BTreeMap::new()
        }
    }
}

/// The word that stands for a value of the crates' enums, also for one that they do not know.
pub(super) fn word(value: &impl Serialize) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => Some(word),
        _ => None,
    }
}

/// `Enabled` and `Disabled`.
pub(super) fn is_enabled(word: &str) -> Option<bool> {
    match word {
        "Enabled" => Some(true),
        "Disabled" => Some(false),
        _ => None,
    }
}
