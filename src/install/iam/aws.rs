//! Policies for AWS: for muster's own credentials, and for each role that they assume.
//!
//! `sts:GetCallerIdentity` is called too, and needs no permission.

use std::collections::{BTreeMap, BTreeSet};

use muster_cloud::aws::Partition;
use muster_model::{Provider, Service};
use serde_json::{Value, json};

use super::{Document, Kind};
use crate::config::{AwsAccountRef, Config};

/// What stands in a trust policy for an ARN that nobody named. AWS refuses it, so that it cannot be forgotten.
pub const PLACEHOLDER: &str = "PUT-THE-ARN-OF-MUSTER-HERE";

/// The most characters of role ARNs in one policy. AWS allows 6,144 in a managed policy, without white space.
const MAX_ARNS_LEN: usize = 5_000;

/// What is done in one account.
#[derive(Debug, Default)]
struct Needs {
    services: BTreeSet<Service>,
    /// Whether a source asks for every region, so that the regions have to be listed.
    regions: bool,
    /// The regions that sources name.
    named: BTreeSet<String>,
    /// Whether people log in to what is found, by way of the proxy.
    log_in: bool,
    /// The external ids that it is entered with; `None` for a source that gives none.
    external_ids: BTreeSet<Option<String>>,
}

/// The documents for a configuration: first for muster's own credentials, then for each role its policy and its
/// trust policy. None when it has no AWS sources. `principal` is the ARN of muster's own role or user.
pub fn aws(config: &Config, principal: Option<&str>) -> Vec<Document> {
    let mut own: Option<Needs> = None;
    let mut roles: BTreeMap<&str, Needs> = BTreeMap::new();
    for source in &config.aws {
        for account in &source.accounts {
            let needs = match account {
                AwsAccountRef::Ambient => own.get_or_insert_default(),
                AwsAccountRef::Role { arn, external_id } => {
                    let needs = roles.entry(arn).or_default();
                    needs.external_ids.insert(external_id.clone());
                    needs
                }
            };
            needs.services.extend(&source.services);
            needs.regions |= source.regions.is_none();
            needs.named.extend(source.regions.iter().flatten().cloned());
            needs.log_in = config.proxy.is_some();
        }
    }
    let mut documents = Vec::new();
    let mut statements = own
        .as_ref()
        .map(|needs| needs.statements(None))
        .unwrap_or_default();
    let chunks = chunks(roles.keys().copied());
    let parts = chunks.len().max(1);
    if chunks.is_empty() && !statements.is_empty() {
        documents.push(own_policy(std::mem::take(&mut statements), 1, 1));
    }
    for (index, arns) in chunks.into_iter().enumerate() {
        let mut statements = std::mem::take(&mut statements);
        statements.push(json!({
            "Sid": "EnterAccounts", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arns,
        }));
        documents.push(own_policy(statements, index + 1, parts));
    }
    for (arn, needs) in roles {
        documents.push(Document {
            kind: Kind::Policy,
            subject: arn.to_owned(),
            title: format!("permissions policy of {arn}"),
            body: policy(needs.statements(Some(arn))),
        });
        let hint = match principal {
            Some(_) => "",
            None => ": put in the ARN that muster runs as, or give it with --principal",
        };
        documents.push(Document {
            kind: Kind::Trust,
            subject: arn.to_owned(),
            title: format!("trust policy of {arn}{hint}"),
            body: needs.trust(principal),
        });
    }
    documents
}

/// The document for some services in the account of muster's own credentials. Services of other clouds are left
/// out. `regions` is whether every region is to be looked in, `log_in` whether people log in to what is found.
pub fn aws_for(
    services: impl IntoIterator<Item = Service>,
    regions: bool,
    log_in: bool,
) -> Vec<Document> {
    let services: BTreeSet<Service> = services
        .into_iter()
        .filter(|service| service.provider() == Provider::Aws)
        .collect();
    if services.is_empty() {
        return Vec::new();
    }
    let needs = Needs {
        services,
        regions,
        named: BTreeSet::new(),
        log_in,
        external_ids: BTreeSet::new(),
    };
    vec![own_policy(needs.statements(None), 1, 1)]
}

impl Needs {
    /// What is needed as `role`; none for muster's own credentials.
    fn statements(&self, role: Option<&str>) -> Vec<Value> {
        let actions: BTreeSet<&str> = self
            .services
            .iter()
            .flat_map(|service| actions(*service))
            .copied()
            .collect();
        let mut statements = vec![json!({
            "Sid": "ReadDatabases", "Effect": "Allow", "Action": actions, "Resource": "*",
        })];
        if self.regions {
            statements.push(json!({
                "Sid": "ListRegions", "Effect": "Allow", "Action": "ec2:DescribeRegions", "Resource": "*",
            }));
        }
        if self.log_in && self.services.contains(&Service::Rds) {
            statements.push(json!({
                "Sid": "LogIn", "Effect": "Allow", "Action": "rds-db:connect", "Resource": self.users(role),
            }));
        }
        statements
    }

    /// Every user of the databases that are found: which of them muster may be, is for its roles to say. Whoever wants
    /// it narrower puts in the ids of databases and the names of users.
    fn users(&self, role: Option<&str>) -> Vec<String> {
        let mut parts = role.unwrap_or_default().split(':').skip(1);
        let partition = parts.next().filter(|partition| !partition.is_empty());
        let account = parts.nth(2).filter(|account| !account.is_empty());
        let everywhere = BTreeSet::from(["*".to_owned()]);
        let regions = if self.regions || self.named.is_empty() {
            &everywhere
        } else {
            &self.named
        };
        let user = |region: &String| {
            let partition = partition.unwrap_or_else(|| Partition::of_region(region).name());
            let account = account.unwrap_or("*");
            format!("arn:{partition}:rds-db:{region}:{account}:dbuser:*/*")
        };
        regions.iter().map(user).collect()
    }

    fn trust(&self, principal: Option<&str>) -> Value {
        let principal = principal.map_or_else(|| PLACEHOLDER.to_owned(), role_of);
        let mut statement = json!({
            "Sid": "Muster", "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:AssumeRole",
        });
        // A source without an external id could not get in if one were asked for.
        let ids: Option<Vec<&String>> = self.external_ids.iter().map(Option::as_ref).collect();
        if let (Some(ids), Some(statement)) = (ids, statement.as_object_mut()) {
            let ids = match ids.as_slice() {
                [] => return policy(vec![Value::Object(statement.clone())]),
                [only] => json!(only),
                several => json!(several),
            };
            statement.insert(
                "Condition".to_owned(),
                json!({ "StringEquals": { "sts:ExternalId": ids } }),
            );
        }
        policy(vec![statement])
    }
}

/// The calls that a scan of a service makes.
const fn actions(service: Service) -> &'static [&'static str] {
    match service {
        Service::Rds => &["rds:DescribeDBClusters", "rds:DescribeDBInstances"],
        // DocumentDB has RDS's API, and its permissions.
        Service::Docdb => &["rds:DescribeDBClusters"],
        Service::Elasticache => &[
            "elasticache:DescribeCacheClusters",
            "elasticache:DescribeCacheSubnetGroups",
            "elasticache:DescribeReplicationGroups",
            "elasticache:ListTagsForResource",
            "tag:GetResources",
        ],
        Service::ElasticacheServerless => &[
            "elasticache:DescribeCacheSubnetGroups",
            "elasticache:DescribeServerlessCaches",
            "elasticache:ListTagsForResource",
            "tag:GetResources",
        ],
        Service::Postgresql
        | Service::PostgresqlFlexible
        | Service::Mysql
        | Service::MysqlFlexible
        | Service::SelfHosted => &[],
    }
}

fn policy(statements: Vec<Value>) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn own_policy(statements: Vec<Value>, part: usize, parts: usize) -> Document {
    let part = if parts > 1 {
        format!(", part {part} of {parts}")
    } else {
        String::new()
    };
    Document {
        kind: Kind::Policy,
        subject: "ambient".to_owned(),
        title: format!("permissions policy for the credentials that muster runs with{part}"),
        body: policy(statements),
    }
}

/// ARNs in portions that fit into one policy each.
fn chunks<'a>(arns: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let mut chunks: Vec<Vec<&str>> = Vec::new();
    let mut len = 0;
    for arn in arns {
        len += arn.len() + 3;
        match chunks.last_mut() {
            Some(chunk) if len <= MAX_ARNS_LEN => chunk.push(arn),
            _ => {
                len = arn.len() + 3;
                chunks.push(vec![arn]);
            }
        }
    }
    chunks
}

/// The ARN of a role, where that of a session in it is given: trust policies name roles.
fn role_of(principal: &str) -> String {
    let session = || {
        let (head, rest) = principal.split_once(":assumed-role/")?;
        let (partition, account) = head.strip_prefix("arn:")?.split_once(":sts::")?;
        let (role, _) = rest.split_once('/')?;
        Some(format!("arn:{partition}:iam::{account}:role/{role}"))
    };
    session().unwrap_or_else(|| principal.to_owned())
}
