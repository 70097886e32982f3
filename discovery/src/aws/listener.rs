//! One endpoint of a resource, and the database that it becomes.

use muster_model::{Database, Endpoint, EndpointRole, ResourceId, fact};

/// One endpoint of a resource, and what is true of this endpoint alone.
#[derive(Debug)]
pub(super) struct Listener {
    /// Its role.
    pub(super) role: EndpointRole,
    /// What tells it from another endpoint of the same role; part of the id.
    pub(super) part: Option<String>,
    /// Where it listens.
    pub(super) endpoint: Option<Endpoint>,
    /// The name in the certificate, where it is not the host.
    pub(super) tls_server_name: Option<String>,
    /// Whether it has a public address.
    pub(super) public: Option<bool>,
    /// The authority that signed its certificate.
    pub(super) ca: Option<String>,
}

// === impl Listener ===

impl Listener {
    /// An endpoint of which nothing else is known.
    pub(super) const fn new(role: EndpointRole, endpoint: Option<Endpoint>) -> Self {
        Self {
            role,
            part: None,
            endpoint,
            tls_server_name: None,
            public: None,
            ca: None,
        }
    }

    /// The database: what all endpoints of the resource share, and what this one has of its own.
    pub(super) fn database(self, arn: &str, product: &str, mut database: Database) -> Database {
        let description = match &self.role {
            EndpointRole::Instance | EndpointRole::Cluster | EndpointRole::Serverless => {
                format!("{product} ({}) in {}", database.engine, database.region)
            }
            EndpointRole::Custom(name) => {
                format!(
                    "{product} ({}) in {}, custom endpoint {name}",
                    database.engine, database.region
                )
            }
            role => format!(
                "{product} ({}) in {}, {} endpoint",
                database.engine,
                database.region,
                role.as_str()
            ),
        };
        database
            .facts
            .insert(fact::DESCRIPTION.to_owned(), description);
        database
            .derived
            .insert("endpoint-type".to_owned(), self.role.as_str().to_owned());
        set_flag(&mut database, fact::PUBLIC, self.public);
        if let Some(ca) = self.ca {
            database.facts.insert(fact::CA.to_owned(), ca);
        }
        database.id = match (&self.role, &self.part) {
            (role @ EndpointRole::Custom(_), None) => ResourceId::of(arn, &role.to_string()),
            (role, None) => ResourceId::of(arn, role.as_str()),
            (role, Some(part)) => ResourceId::of(arn, &format!("{role}:{part}")),
        };
        database.role = self.role;
        database.endpoint = self.endpoint;
        database.tls_server_name = self.tls_server_name;
        database
    }
}

/// Sets a fact that is true or false; nothing where it is not known.
pub(super) fn set_flag(database: &mut Database, name: &str, value: Option<bool>) {
    if let Some(value) = value {
        database.facts.insert(
            name.to_owned(),
            if value { "true" } else { "false" }.to_owned(),
        );
    }
}
