//! What tells the four products apart, as data.

use muster_model::{Kind, Protocol, Service, Unsupported};

use super::{mysql, postgresql, server::Server, single};
use crate::states::States;

/// One product: how it is listed, and what its records have in common.
pub(super) struct Product {
    pub kind: Kind,
    pub protocol: Protocol,
    /// What people call such a server.
    pub name: &'static str,
    /// The ARM namespace and type; together the engine's name.
    pub namespace: &'static str,
    pub type_name: &'static str,
    /// The port, which no record holds.
    pub port: u16,
    pub states: &'static States,
    /// Reads a record of a listing.
    pub read: fn(&str) -> serde_json::Result<Server>,
    /// What stands against a version of the engine, and what a person should know about it.
    pub supported: fn(engine: &str, version: &str) -> Support,
    /// Error codes of a listing that say there can be no such servers in the scope.
    pub absent: &'static [&'static str],
}

/// What makes a version unfit, and a note for people.
pub(super) type Support = (Option<Unsupported>, Option<String>);

/// Where the provider's namespace is not registered, none of its resources can exist: a namespace with resources
/// cannot be unregistered.
const UNREGISTERED: &str = "MissingSubscriptionRegistration";

/// The cloud does not know the resource type (any more).
const NO_SUCH_TYPE: &str = "InvalidResourceType";

const FLEXIBLE: States = States {
    available: &["Ready", "Updating"],
    stopped: &["Stopped", "Stopping", "Starting"],
    unavailable: &["Disabled", "Dropping"],
};

const SINGLE: States = States {
    available: &["Ready"],
    stopped: &[],
    unavailable: &["Disabled", "Dropping", "Inaccessible"],
};

static PRODUCTS: [Product; 4] = [
    Product {
        kind: Kind::AzurePostgresql,
        protocol: Protocol::Postgres,
        name: "Azure Database for PostgreSQL single server",
        namespace: "Microsoft.DBforPostgreSQL",
        type_name: "servers",
        port: 5432,
        states: &SINGLE,
        read: single::single,
        supported: every_version,
        absent: &[NO_SUCH_TYPE, UNREGISTERED],
    },
    Product {
        kind: Kind::AzurePostgresqlFlexible,
        protocol: Protocol::Postgres,
        name: "Azure Database for PostgreSQL flexible server",
        namespace: "Microsoft.DBforPostgreSQL",
        type_name: "flexibleServers",
        port: 5432,
        states: &FLEXIBLE,
        read: postgresql::flexible,
        supported: every_version,
        absent: &[UNREGISTERED],
    },
    Product {
        kind: Kind::AzureMysql,
        protocol: Protocol::Mysql,
        name: "Azure Database for MySQL single server",
        namespace: "Microsoft.DBforMySQL",
        type_name: "servers",
        port: 3306,
        states: &SINGLE,
        read: single::single,
        supported: mysql::supported,
        absent: &[NO_SUCH_TYPE, UNREGISTERED],
    },
    Product {
        kind: Kind::AzureMysqlFlexible,
        protocol: Protocol::Mysql,
        name: "Azure Database for MySQL flexible server",
        namespace: "Microsoft.DBforMySQL",
        type_name: "flexibleServers",
        port: 3306,
        states: &FLEXIBLE,
        read: mysql::flexible,
        supported: mysql::supported,
        absent: &[UNREGISTERED],
    },
];

// === impl Product ===

impl Product {
    /// The product that a service lists; none when the service is not one of Azure.
    pub fn of(service: Service) -> Option<&'static Self> {
        PRODUCTS
            .iter()
            .find(|product| product.kind.service() == Some(service))
    }

    /// The ARM resource type, which is the engine's name in labels.
    pub fn engine(&self) -> String {
        format!("{}/{}", self.namespace, self.type_name)
    }

    /// The permission that listing needs.
    pub fn permission(&self) -> String {
        format!("{}/read", self.engine())
    }
}

/// Every version of PostgreSQL that Azure offers is served.
const fn every_version(_engine: &str, _version: &str) -> Support {
    (None, None)
}
