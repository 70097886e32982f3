//! What sort of database it is, and which wire protocol it speaks.

use crate::{Service, id::words};

/// The product, as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Amazon RDS instance.
    Rds,
    /// Amazon Aurora cluster.
    Aurora,
    /// Amazon DocumentDB cluster.
    Docdb,
    /// Amazon ElastiCache replication group.
    Elasticache,
    /// Amazon ElastiCache serverless cache.
    ElasticacheServerless,
    /// Azure Database for PostgreSQL, single server.
    AzurePostgresql,
    /// Azure Database for PostgreSQL, flexible server.
    AzurePostgresqlFlexible,
    /// Azure Database for MySQL, single server.
    AzureMysql,
    /// Azure Database for MySQL, flexible server.
    AzureMysqlFlexible,
    /// A database that no cloud runs. No scan finds it: a person wrote it down.
    SelfHosted,
}

/// A wire protocol: what a client of the database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// MongoDB, as DocumentDB speaks it.
    Mongodb,
    /// Redis and Valkey.
    Redis,
}

words!(Kind, "kind":
    Rds = "rds",
    Aurora = "aurora",
    Docdb = "docdb",
    Elasticache = "elasticache",
    ElasticacheServerless = "elasticache-serverless",
    AzurePostgresql = "azure-postgresql",
    AzurePostgresqlFlexible = "azure-postgresql-flexible",
    AzureMysql = "azure-mysql",
    AzureMysqlFlexible = "azure-mysql-flexible",
    SelfHosted = "self-hosted",
);
words!(Protocol, "protocol": Postgres = "postgres", Mysql = "mysql", Mongodb = "mongodb", Redis = "redis");

impl Kind {
    /// The service whose scan finds it; none for those that no scan finds.
    pub const fn service(self) -> Option<Service> {
        Some(match self {
            Self::Rds | Self::Aurora => Service::Rds,
            Self::Docdb => Service::Docdb,
            Self::Elasticache => Service::Elasticache,
            Self::ElasticacheServerless => Service::ElasticacheServerless,
            Self::AzurePostgresql => Service::Postgresql,
            Self::AzurePostgresqlFlexible => Service::PostgresqlFlexible,
            Self::AzureMysql => Service::Mysql,
            Self::AzureMysqlFlexible => Service::MysqlFlexible,
            Self::SelfHosted => return None,
        })
    }

    /// The matcher type, as Teleport's `teleport.dev/discovery-type` label and name suffix spell it.
    pub const fn discovery_type(self) -> &'static str {
        match self {
            Self::Rds | Self::Aurora => "rds",
            Self::Docdb => "docdb",
            Self::Elasticache => "elasticache",
            Self::ElasticacheServerless => "elasticache-serverless",
            Self::AzurePostgresql | Self::AzurePostgresqlFlexible => "postgres",
            Self::AzureMysql | Self::AzureMysqlFlexible => "mysql",
            Self::SelfHosted => "self-hosted",
        }
    }
}
