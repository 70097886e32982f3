//! `kind: db`: a database that a person wrote down, in Teleport's form.

mod write;

use muster_model::{Endpoint, Protocol};

pub(super) use self::write::{given, put, write};
use super::{
    Problem,
    fields::{Fields, Findings},
    tree::child,
};
use crate::user::Meta;

/// A database that a person wrote down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbRecord {
    /// The unique name that people connect to.
    pub name: String,
    /// What the record says of itself; its labels are those that roles match.
    pub meta: Meta,
    /// The wire protocol.
    pub protocol: Protocol,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// How the server's certificate is checked.
    pub tls_mode: TlsMode,
    /// Certificates (PEM) that are trusted in place of the usual ones.
    pub tls_ca: Option<String>,
    /// The name to verify in the server's certificate, when it is not the endpoint's host.
    pub tls_server_name: Option<String>,
    /// How to log in, when it is not what the kind of database has: `iam`, `entra`, `password`, `certificate`, `none`.
    pub auth: Option<String>,
    /// What AWS knows of it.
    pub aws: Aws,
    /// What Azure knows of it.
    pub azure: Azure,
}

/// How a server's certificate is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Its chain and its name.
    #[default]
    VerifyFull,
    /// Its chain.
    VerifyCa,
    /// Not at all.
    Insecure,
}

/// What AWS knows of a database. Empty where it is none of theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aws {
    /// `eu-west-1`
    pub region: Option<String>,
    /// The account number.
    pub account_id: Option<String>,
    /// The role to assume before a token is made.
    pub assume_role_arn: Option<String>,
    /// The external id that goes with it.
    pub external_id: Option<String>,
    /// The RDS instance.
    pub instance_id: Option<String>,
    /// The Aurora or DocumentDB cluster.
    pub cluster_id: Option<String>,
    /// The id that IAM policies name: `db-…` or `cluster-…`.
    pub resource_id: Option<String>,
    /// Whether IAM authentication is on, where the record says so.
    pub iam_auth: Option<bool>,
    /// The VPC.
    pub vpc_id: Option<String>,
    /// The replication group of ElastiCache.
    pub replication_group_id: Option<String>,
    /// Whether the cluster is one of DocumentDB.
    pub docdb: bool,
}

/// What Azure knows of a database. Empty where it is none of theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Azure {
    /// The server's name.
    pub name: Option<String>,
    /// The ARM id.
    pub resource_id: Option<String>,
    /// Whether it is a flexible server, where the record says so.
    pub is_flexi_server: Option<bool>,
}

/// Protocols of Teleport's that muster does not speak.
const OTHER_PROTOCOLS: &[&str] = &[
    "cassandra",
    "clickhouse",
    "clickhouse-http",
    "cockroachdb",
    "dynamodb",
    "elasticsearch",
    "opensearch",
    "oracle",
    "snowflake",
    "spanner",
    "sqlserver",
];

/// The ways of logging in that a record may name.
const AUTH: &[&str] = &["iam", "entra", "password", "certificate", "none"];

/// Fields that make it a database that muster cannot reach.
const REFUSED: &[(&str, &str)] = &[
    (
        "gcp",
        "muster does not log in to Google Cloud: remove it, and have the database accept a password or a certificate",
    ),
    ("ad", "muster does not speak to SQL Server"),
    ("oracle", "muster does not speak to Oracle"),
    ("mongo_atlas", "muster does not log in to MongoDB Atlas"),
    (
        "dynamic_labels",
        "muster runs no commands: write what they would say under `metadata.labels`, or roles that deny by it would not",
    ),
];

/// What is said of such a field.
const NOT_SERVED: &str = "muster cannot serve a database with this";

const REFUSED_AWS: &[(&str, &str)] = &[
    ("dynamodb", "muster does not speak to DynamoDB"),
    ("memorydb", "muster does not log in to MemoryDB"),
    ("opensearch", "muster does not speak to OpenSearch"),
    (
        "rdsproxy",
        "muster does not log in to RDS Proxy: name the database behind it",
    ),
    ("redshift", "muster does not log in to Redshift"),
    ("redshift_serverless", "muster does not log in to Redshift"),
];

/// Reads the parts of a database's record behind the metadata.
pub(super) fn read(
    name: String,
    meta: Meta,
    root: &mut Fields<'_>,
    found: &mut Findings,
) -> Option<DbRecord> {
    let mut spec = root.map("spec", found)?;
    let protocol = read_protocol(&mut spec, found);
    let endpoint = read_uri(&mut spec, protocol, found);
    let mut tls_ca = spec.text("ca_cert", found).filter(|text| !text.is_empty());
    let (mut tls_mode, mut tls_server_name) = (TlsMode::default(), None);
    if let Some(mut tls) = spec.map("tls", found) {
        tls_mode = read_mode(&mut tls, found);
        let text = |text: &String| !text.is_empty();
        tls_ca = tls.text("ca_cert", found).filter(text).or(tls_ca);
        tls_server_name = tls.text("server_name", found).filter(text);
        tls.skip(&["trust_system_cert_pool"]);
        tls.finish(found);
    }
    if tls_ca
        .as_ref()
        .is_some_and(|pem| !pem.contains("-----BEGIN CERTIFICATE-----"))
    {
        let problem = Problem::error(
            child(&spec.path, "tls.ca_cert"),
            "it is no certificate in PEM",
        );
        let hint = "the record holds the certificate itself, and not the name of a file";
        found.tell(problem.at(spec.line).hint(hint));
    }
    let auth = spec.get("auth").and_then(|field| {
        let text = field.text(found)?;
        if !AUTH.contains(&text.as_str()) {
            found.wrong(
                &field,
                format!("`{text}` is not one of: {}", AUTH.join(", ")),
            );
        }
        Some(text)
    });
    let aws = match spec.map("aws", found) {
        Some(aws) => read_aws(aws, found),
        None => Aws::default(),
    };
    let azure = match spec.map("azure", found) {
        Some(azure) => read_azure(azure, found),
        None => Azure::default(),
    };
    if aws != Aws::default() && azure != Azure::default() {
        found.tell(Problem::error(&spec.path, "it is both of AWS and of Azure").at(spec.line));
    }
    spec.refuse(REFUSED, NOT_SERVED, found);
    spec.ignore(&["admin_user"], "muster makes no database users", found);
    spec.skip(&["mysql"]);
    spec.finish(found);
    Some(DbRecord {
        name,
        meta,
        protocol: protocol?,
        endpoint: endpoint?,
        tls_mode,
        tls_ca,
        tls_server_name,
        auth,
        aws,
        azure,
    })
}

fn read_protocol(spec: &mut Fields<'_>, found: &mut Findings) -> Option<Protocol> {
    let known = || {
        Protocol::ALL
            .iter()
            .map(|known| known.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let Some(field) = spec.get("protocol") else {
        let problem =
            Problem::error(child(&spec.path, "protocol"), "it says no protocol").at(spec.line);
        found.tell(problem.hint(format!("one of: {}", known())));
        return None;
    };
    let text = field.text(found)?;
    match text.as_str() {
        "postgresql" => return Some(Protocol::Postgres),
        "mariadb" => return Some(Protocol::Mysql),
        "valkey" => return Some(Protocol::Redis),
        _ => {}
    }
    let protocol = text.parse().ok();
    if protocol.is_none() {
        let what = if OTHER_PROTOCOLS.contains(&text.as_str()) {
            format!("muster does not speak `{text}` (known: {})", known())
        } else {
            format!("`{text}` is not one of: {}", known())
        };
        found.wrong(&field, what);
    }
    protocol
}

fn read_mode(tls: &mut Fields<'_>, found: &mut Findings) -> TlsMode {
    let Some(field) = tls.get("mode") else {
        return TlsMode::default();
    };
    match field.text(found).as_deref() {
        Some("verify-full" | "") | None => TlsMode::VerifyFull,
        Some("verify-ca") => TlsMode::VerifyCa,
        Some("insecure") => {
            found.odd(&field, "the server's certificate is not checked: no token and no clear-text password is sent to it");
            TlsMode::Insecure
        }
        Some(other) => {
            found.wrong(
                &field,
                format!("`{other}` is not one of: verify-full, verify-ca, insecure"),
            );
            TlsMode::default()
        }
    }
}

/// `HOST:PORT`, `[::1]:5432`, or a URL of which only scheme, host and port count.
fn read_uri(
    spec: &mut Fields<'_>,
    protocol: Option<Protocol>,
    found: &mut Findings,
) -> Option<Endpoint> {
    let Some(field) = spec.get("uri") else {
        let problem = Problem::error(child(&spec.path, "uri"), "it says no address").at(spec.line);
        found.tell(problem.hint("write `uri: HOST:PORT`"));
        return None;
    };
    let text = field.text(found)?;
    match endpoint(&text, protocol) {
        Ok(endpoint) => Some(endpoint),
        Err(why) => {
            found.wrong_hint(&field, why, "write `uri: HOST:PORT`");
            None
        }
    }
}

fn endpoint(text: &str, protocol: Option<Protocol>) -> Result<Endpoint, String> {
    if text.contains('@') {
        // Not repeated: there may be a password in it.
        return Err("the address holds a user name: muster logs in itself".to_owned());
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    if scheme == "mongodb+srv" {
        return Err("`mongodb+srv` is not followed: name a host and a port".to_owned());
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains(',') {
        return Err("there is more than one host in it".to_owned());
    }
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("`[` without `]`")?;
        (host, rest.strip_prefix(':'))
    } else {
        match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
    if host.is_empty() || host.len() > 253 || !host.chars().all(is_host) {
        return Err(format!("`{host}` is no host"));
    }
    if host.contains(':') && !authority.starts_with('[') {
        return Err("an IPv6 address stands in brackets: `[::1]:5432`".to_owned());
    }
    let port = match (port, protocol) {
        (Some(port), _) => {
            let number = port.parse().ok().filter(|number| *number != 0);
            Some(number.ok_or_else(|| format!("`{port}` is no port: 1 to 65535"))?)
        }
        (None, Some(Protocol::Mongodb)) => Some(27017),
        (None, Some(Protocol::Redis)) if !scheme.is_empty() => Some(6379),
        (None, _) => None,
    };
    Ok(Endpoint {
        host: host.to_owned(),
        port: port.ok_or("it has no port")?,
    })
}

fn read_aws(mut map: Fields<'_>, found: &mut Findings) -> Aws {
    let text = |map: &mut Fields<'_>, key, found: &mut Findings| {
        map.text(key, found).filter(|text| !text.is_empty())
    };
    let mut aws = Aws {
        region: text(&mut map, "region", found),
        account_id: text(&mut map, "account_id", found),
        assume_role_arn: text(&mut map, "assume_role_arn", found),
        external_id: text(&mut map, "external_id", found),
        ..Aws::default()
    };
    if let Some(mut rds) = map.map("rds", found) {
        aws.instance_id = text(&mut rds, "instance_id", found);
        aws.cluster_id = text(&mut rds, "cluster_id", found);
        aws.resource_id = text(&mut rds, "resource_id", found);
        aws.iam_auth = rds.bool("iam_auth", found);
        aws.vpc_id = text(&mut rds, "vpc_id", found);
        rds.skip(&["subnets", "security_groups"]);
        rds.finish(found);
    }
    if let Some(mut docdb) = map.map("docdb", found) {
        let cluster = text(&mut docdb, "cluster_id", found);
        let instance = text(&mut docdb, "instance_id", found);
        aws.docdb = cluster.is_some() || instance.is_some();
        aws.cluster_id = cluster.or(aws.cluster_id);
        aws.instance_id = instance.or(aws.instance_id);
        docdb.skip(&["endpoint_type"]);
        docdb.finish(found);
    }
    if let Some(mut cache) = map.map("elasticache", found) {
        aws.replication_group_id = text(&mut cache, "replication_group_id", found);
        cache.skip(&[
            "user_group_ids",
            "transit_encryption_enabled",
            "endpoint_type",
        ]);
        cache.finish(found);
    }
    map.refuse(REFUSED_AWS, NOT_SERVED, found);
    map.skip(&["iam_policy_status", "secret_store", "session_tags"]);
    map.finish(found);
    aws
}

fn read_azure(mut map: Fields<'_>, found: &mut Findings) -> Azure {
    let azure = Azure {
        name: map.text("name", found).filter(|text| !text.is_empty()),
        resource_id: map
            .text("resource_id", found)
            .filter(|text| !text.is_empty()),
        is_flexi_server: map.bool("is_flexi_server", found),
    };
    map.refuse(
        &[("redis", "muster does not log in to Azure Cache for Redis")],
        NOT_SERVED,
        found,
    );
    map.finish(found);
    azure
}

impl TlsMode {
    /// The word that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyFull => "verify-full",
            Self::VerifyCa => "verify-ca",
            Self::Insecure => "insecure",
        }
    }
}
