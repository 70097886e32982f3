//! Identity: providers, accounts, regions, services, scopes and resource ids.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// No cloud: a person wrote the database down. Only in [`Scope::self_hosted`]; not a word of any configuration.
    SelfHosted,
}

/// What a scope's calls are made to: one family of list calls of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// RDS instances and Aurora clusters (`rds:DescribeDBInstances`, `rds:DescribeDBClusters`).
    Rds,
    /// DocumentDB clusters.
    Docdb,
    /// ElastiCache replication groups.
    Elasticache,
    /// ElastiCache serverless caches.
    ElasticacheServerless,
    /// Azure Database for PostgreSQL, single server.
    Postgresql,
    /// Azure Database for PostgreSQL, flexible server.
    PostgresqlFlexible,
    /// Azure Database for MySQL, single server.
    Mysql,
    /// Azure Database for MySQL, flexible server.
    MysqlFlexible,
    /// None: nothing is asked about it. Only in [`Scope::self_hosted`].
    SelfHosted,
}

/// An enum whose variants are fixed words: `as_str`, `ALL`, `Display`, `FromStr` and serde from one table. Words behind `;`
/// are only shown: nobody can ask for them.
macro_rules! words {
    (
        $(#[$meta:meta])* $type:ident, $what:literal: $($variant:ident = $word:literal),+ $(,)?
        $(; $($shown:ident = $shown_word:literal),+)?
    ) => {
        impl $type {
            /// Every value that can be asked for, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that stands for it everywhere: configuration, reports, JSON, metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ $($(Self::$shown => $shown_word),+)? }
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!(
                        "unknown {} `{}` (expected one of: {})",
                        $what, text, [$($word),+].join(", ")
                    )),
                }
            }
        }

        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = ::std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }

        impl ::schemars::JsonSchema for $type {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }
    };
}
pub(crate) use words;

words!(Provider, "provider": Aws = "aws", Azure = "azure"; SelfHosted = "self-hosted");
words!(Service, "service":
    Rds = "rds",
    Docdb = "docdb",
    Elasticache = "elasticache",
    ElasticacheServerless = "elasticache-serverless",
    Postgresql = "postgresql",
    PostgresqlFlexible = "postgresql-flexible",
    Mysql = "mysql",
    MysqlFlexible = "mysql-flexible";
    SelfHosted = "self-hosted"
);

impl Service {
    /// The cloud that offers it.
    pub const fn provider(self) -> Provider {
        match self {
            Self::Rds | Self::Docdb | Self::Elasticache | Self::ElasticacheServerless => {
                Provider::Aws
            }
            Self::Postgresql | Self::PostgresqlFlexible | Self::Mysql | Self::MysqlFlexible => {
                Provider::Azure
            }
            Self::SelfHosted => Provider::SelfHosted,
        }
    }
}

/// A string that must not be mixed with another one. Cheap to clone.
macro_rules! text_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_type! {
    /// An AWS account number or an Azure subscription id.
    AccountId
}
text_type! {
    /// A region as the provider's API spells it: `us-east-1`, `westeurope`. `*` where a call lists every
    /// region at once (Azure).
    Region
}
text_type! {
    /// The provider's own id (ARN, ARM id) plus the endpoint role, as `ID#ROLE`. It is what a database *is*;
    /// its name is an attribute.
    ResourceId
}

impl ResourceId {
    /// The id of one endpoint of a provider's resource. `role` is the endpoint's role, or the role and the
    /// endpoint's own name where there can be several: `custom:analytics`.
    pub fn of(provider_id: &str, role: &str) -> Self {
        Self(format!("{provider_id}#{role}").into())
    }

    /// The provider's part: the ARN or ARM id.
    pub fn provider_id(&self) -> &str {
        self.0.rsplit_once('#').map_or(&*self.0, |(id, _)| id)
    }
}

/// One unit of scanning: what is read completely or not.
///
/// Printed and parsed as `PROVIDER/ACCOUNT/REGION/SERVICE`, with `/GROUP` at its end when it is narrowed to a
/// resource group. That of databases which no scan finds is printed as `self-hosted`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The cloud.
    pub provider: Provider,
    /// Account or subscription.
    pub account: AccountId,
    /// Region, or `*` where one call lists them all.
    pub region: Region,
    /// The family of calls.
    pub service: Service,
    /// Azure only: the resource group that the listing is narrowed to.
    pub resource_group: Option<String>,
}

impl Scope {
    /// An AWS scope.
    pub fn aws(account: &str, region: &str, service: Service) -> Self {
        Self {
            provider: Provider::Aws,
            account: AccountId::new(account),
            region: Region::new(region),
            service,
            resource_group: None,
        }
    }

    /// An Azure scope: a whole subscription, or one resource group of it.
    pub fn azure(subscription: &str, service: Service, resource_group: Option<&str>) -> Self {
        Self {
            provider: Provider::Azure,
            account: AccountId::new(subscription),
            region: Region::new("*"),
            service,
            resource_group: resource_group.map(str::to_owned),
        }
    }

    /// Where a database is that no cloud runs, and that no scan can say anything about.
    pub fn self_hosted() -> Self {
        Self {
            provider: Provider::SelfHosted,
            account: AccountId::new(NOWHERE),
            region: Region::new(NOWHERE),
            service: Service::SelfHosted,
            resource_group: None,
        }
    }
}

/// Account and region of what is not in a cloud.
const NOWHERE: &str = "none";
/// How [`Scope::self_hosted`] was written before it had a word of its own.
const BEFORE: &str = "aws/none/none/rds";

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.provider == Provider::SelfHosted {
            return f.write_str(self.provider.as_str());
        }
        write!(
            f,
            "{}/{}/{}/{}",
            self.provider, self.account, self.region, self.service
        )?;
        match &self.resource_group {
            Some(group) => write!(f, "/{group}"),
            None => Ok(()),
        }
    }
}

/// A text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a scope: expected PROVIDER/ACCOUNT/REGION/SERVICE, as `muster scope ls` prints them"
)]
pub struct ParseScopeError {
    text: String,
}

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseScopeError {
            text: text.to_owned(),
        };
        if text == Provider::SelfHosted.as_str() || text == BEFORE {
            return Ok(Self::self_hosted());
        }
        let mut parts = text.splitn(5, '/');
        let mut next = || {
            parts
                .next()
                .filter(|part| !part.is_empty())
                .ok_or_else(wrong)
        };
        let scope = Self {
            provider: next()?.parse().map_err(|_| wrong())?,
            account: AccountId::new(next()?),
            region: Region::new(next()?),
            service: next()?.parse().map_err(|_| wrong())?,
            resource_group: parts.next().map(str::to_owned),
        };
        if scope.service.provider() == scope.provider {
            Ok(scope)
        } else {
            Err(wrong())
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for Scope {
    fn schema_name() -> Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "One unit of scanning: PROVIDER/ACCOUNT/REGION/SERVICE, and the resource group where the \
                            listing is narrowed to one; self-hosted for a database that no scan finds.",
            "type": "string",
        })
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_scope_is_read_as_it_is_printed() {
        for scope in [
            Scope::aws("111111111111", "eu-west-1", Service::Docdb),
            Scope::azure("2222", Service::Mysql, None),
            Scope::azure("2222", Service::PostgresqlFlexible, Some("shop")),
            Scope::self_hosted(),
        ] {
            assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }
        assert_eq!(Scope::self_hosted().to_string(), "self-hosted");
        // As it stands in what was written before.
        let before: Scope = serde_json::from_str("\"aws/none/none/rds\"").unwrap();
        assert_eq!(before, Scope::self_hosted());
    }

    #[test]
    fn nobody_can_ask_for_a_scan_of_what_is_in_no_cloud() {
        for text in [
            "self-hosted/none/none/self-hosted",
            "self-hosted/",
            "aws/none/none/self-hosted",
            "self-hosted/1/r/rds",
            "aws/1/r/mysql",
            "aws/1/r",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
        assert!("self-hosted".parse::<Provider>().is_err());
        assert!("self-hosted".parse::<Service>().is_err());
        assert!(!Provider::ALL.contains(&Provider::SelfHosted));
        assert!(!Service::ALL.contains(&Service::SelfHosted));
    }
}
