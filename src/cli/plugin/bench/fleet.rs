//! Databases that are made up, as different from each other as those of a company are.

use std::{collections::BTreeMap, sync::Arc};

use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Protocol, ResourceId, Scope, Service,
    State, Timestamp,
};

use super::super::database::Sample;

/// So many, always the same.
pub(super) fn fleet(databases: usize) -> Vec<Sample> {
    (0..databases)
        .map(|number| Sample::of(database(number), Some(Timestamp::from_unix(1_767_225_600))))
        .collect()
}

/// One of several, in turn.
fn one<T: Copy>(first: T, others: &[T], number: usize) -> T {
    match (number % (others.len() + 1)).checked_sub(1) {
        None => first,
        Some(place) => others.get(place).copied().unwrap_or(first),
    }
}

fn database(number: usize) -> Database {
    let region = one("eu-west-1", &["us-east-1", "ap-southeast-2"], number);
    let account = one("111122223333", &["444455556666"], number);
    let postgres = (Protocol::Postgres, "postgres", 5432);
    let (protocol, engine, port) = one(
        postgres,
        &[postgres, (Protocol::Mysql, "mysql", 3306)],
        number / 2,
    );
    let name = format!("orders-{number:05}");
    let vpc = format!("vpc-{:017x}", number % 25);
    let env = one("prod", &["staging", "dev", "production"], number);
    let texts = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    Database {
        id: ResourceId::of(
            &format!("arn:aws:rds:{region}:{account}:db:{name}"),
            "instance",
        ),
        scope: Arc::new(Scope::aws(account, region, Service::Rds)),
        kind: Kind::Rds,
        protocol: Some(protocol),
        identifier: name.clone(),
        role: EndpointRole::Instance,
        region: region.to_owned(),
        endpoint: Some(Endpoint {
            host: format!("{name}.c9akciq32abc.{region}.rds.amazonaws.com"),
            port,
        }),
        tls_server_name: None,
        engine: engine.to_owned(),
        engine_version: "15.4".to_owned(),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        tags: texts(&[
            ("Name", &name),
            ("env", env),
            ("team", &format!("team-{}", number % 30)),
            ("cost-center", &format!("cc-{:04}", number % 100)),
            ("owner", &format!("person{}@example.com", number % 50)),
            ("terraform", "true"),
            (
                "repo",
                &format!("github.com/example/infrastructure-{}", number % 40),
            ),
            ("backup", "daily"),
            ("data-class", one("internal", &["confidential"], number)),
            ("service", "checkout"),
        ]),
        derived: texts(&[
            ("account-id", account),
            ("endpoint-type", "instance"),
            ("engine", engine),
            ("engine-version", "15.4"),
            ("region", region),
            ("vpc-id", &vpc),
        ]),
        facts: texts(&[
            ("iam-auth", "true"),
            ("resource-id", &format!("db-{:026X}", number * 7919)),
            ("vpc-id", &vpc),
            ("public", "false"),
            ("tls", "required"),
            ("ca", "rds-ca-rsa2048-g1"),
            ("created", "2023-04-11T10:20:00Z"),
        ]),
        unsupported: None,
        unread: Default::default(),
        notes: Vec::new(),
    }
}

/// Bytes of text that a plugin is told of these, on average; labels are tags and derived ones, and not counted twice.
pub(super) fn size(samples: &[Sample]) -> usize {
    let pairs = |pairs: &BTreeMap<String, String>| -> usize {
        pairs
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum()
    };
    let size = |sample: &Sample| {
        let database = &sample.database;
        let endpoint = database.endpoint.as_ref();
        let texts = [
            database.id.as_str(),
            &database.identifier,
            endpoint.map_or("", |endpoint| &endpoint.host),
            database.kind.as_str(),
            &database.engine,
            &database.engine_version,
            &database.region,
            database.scope.account.as_str(),
            &database.state.name,
        ];
        let texts: usize = texts.iter().map(|text| text.len()).sum();
        texts + pairs(&database.tags) + pairs(&database.derived) + pairs(&database.facts)
    };
    samples.iter().map(size).sum::<usize>() / samples.len().max(1)
}
