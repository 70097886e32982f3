//! Azure Database for PostgreSQL: its records. Every version is served.

use azure_core::date::to_rfc3339;
use azure_mgmt_postgresql::package_flexibleserver_2024_08_01::models::{
    self, auth_config, network,
};

use super::server::{self, Server};

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
        entra: properties
            .auth_config
            .and_then(|auth| auth.active_directory_auth)
            .and_then(|entra| match entra {
                auth_config::ActiveDirectoryAuth::Enabled => Some(true),
                auth_config::ActiveDirectoryAuth::Disabled => Some(false),
                auth_config::ActiveDirectoryAuth::UnknownValue(_) => None,
            }),
        public: properties
            .network
            .and_then(|network| network.public_network_access)
            .and_then(|access| match access {
                network::PublicNetworkAccess::Enabled => Some(true),
                network::PublicNetworkAccess::Disabled => Some(false),
                network::PublicNetworkAccess::UnknownValue(_) => None,
            }),
        // Whether TLS is required is a server parameter; replicas look like every other server.
        tls: None,
        replication_role: None,
        source: None,
    })
}
