//! Azure Database for MySQL: its records and versions.

use azure_core::date::to_rfc3339;
use azure_mgmt_mysql::package_flexibleserver_2024_01_01::models::{
    self, EnableStatusEnum, ReplicationRole,
};
use muster_model::Unsupported;

use super::{
    product::Support,
    server::{self, Server},
};

/// The first version that is served.
const NEED: (u32, u32) = (5, 7);

/// The versions that muster knows to work.
const KNOWN: [(u32, u32); 3] = [(5, 7), (8, 0), (8, 4)];

/// Reads a flexible server's record.
pub(super) fn flexible(record: &str) -> serde_json::Result<Server> {
    let models::Server {
        tracked_resource,
        properties,
        ..
    } = serde_json::from_str(record)?;
    let models::TrackedResource {
        resource,
        tags,
        location,
    } = tracked_resource;
    let properties = properties.unwrap_or_default();
    Ok(Server {
        id: resource.id,
        name: resource.name,
        location,
        tags,
        created: resource
            .system_data
            .and_then(|data| data.created_at)
            .map(|time| to_rfc3339(&time)),
        state: properties.state.as_ref().and_then(server::word),
        version: properties.version.as_ref().and_then(server::word),
        host: properties.fully_qualified_domain_name,
        // Administrators and the server parameter that decide on it are resources of their own.
        entra: None,
        public: properties
            .network
            .and_then(|network| network.public_network_access)
            .and_then(|access| match access {
                EnableStatusEnum::Enabled => Some(true),
                EnableStatusEnum::Disabled => Some(false),
                EnableStatusEnum::UnknownValue(_) => None,
            }),
        // A server parameter.
        tls: None,
        replication_role: match properties.replication_role {
            Some(role @ (ReplicationRole::Source | ReplicationRole::Replica)) => {
                server::word(&role)
            }
            _ => None,
        },
        source: properties.source_server_resource_id,
    })
}

/// What stands against a version, and what a person should know about it.
pub(super) fn supported(engine: &str, version: &str) -> Support {
    match major_minor(version) {
        Some(have) if have < NEED => {
            let (major, minor) = NEED;
            let need = format!("{major}.{minor}");
            (
                Some(Unsupported::Version {
                    engine: engine.to_owned(),
                    have: version.to_owned(),
                    need,
                }),
                None,
            )
        }
        Some(have) if KNOWN.contains(&have) => (None, None),
        _ => (
            None,
            Some(format!(
                "version `{version}` is not known to muster; taken as supported"
            )),
        ),
    }
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
