//! What judging costs: prints nanoseconds a database for 100,000 made-up databases.
//!
//! ```console
//! $ cargo run --release -p muster-matchers --example judge_bench
//! ```

#![allow(clippy::print_stdout)]

use std::{collections::BTreeMap, error::Error, hint::black_box, sync::Arc, time::Instant};

use muster_matchers::{Chain, Matchers, RuleFile, SourceFilter};
use muster_model::{
    Availability, Database, Decision, Endpoint, EndpointRole, Kind, Protocol, Provider, ResourceId,
    Scope, Selector, Service, State,
};

const COUNT: usize = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let databases: Vec<Database> = (0..COUNT).map(database).collect();
    println!("{COUNT} databases, 10 tags each");
    measure("no rules", &databases, None)?;
    for rules in [2, 20, 200] {
        measure(&format!("{rules} rules"), &databases, Some(rules))?;
    }
    Ok(())
}

fn measure(what: &str, databases: &[Database], rules: Option<usize>) -> Result<(), Box<dyn Error>> {
    let rules: Option<Vec<RuleFile>> = rules.map(rule_files).transpose()?;
    let source = SourceFilter {
        name: "sources.aws[0]".to_owned(),
        provider: Provider::Aws,
        services: vec![Service::Rds],
        accounts: None,
        regions: None,
        resource_groups: None,
        tags: Selector::of([("team", ["*"])])?,
    };
    let (chain, _) = Chain::build(vec![source], rules.as_deref(), &Matchers::new())
        .map_err(|problems| format!("{problems:?}"))?;
    let start = Instant::now();
    let mut enrolled = 0;
    for database in databases {
        let judgement = black_box(chain.judge(black_box(database)));
        enrolled += usize::from(matches!(judgement.decision, Decision::Enroll(_)));
    }
    let each = start.elapsed().as_nanos() / databases.len().max(1) as u128;
    println!("{what:>10}: {each:>7} ns a database, {enrolled} enrolled");
    Ok(())
}

/// A clean-up, rules that do not match, and at the end one that enrolls with templates.
fn rule_files(count: usize) -> Result<Vec<RuleFile>, serde_json::Error> {
    let mut rules = vec![serde_json::json!({
        "name": "normalise",
        "labels": { "rename": { "Environment": "env" }, "drop": ["aws:*"] }
    })];
    for number in 0..count.saturating_sub(2) {
        rules.push(serde_json::json!({
            "name": format!("other {number}"),
            "match": { "env": [format!("env-{number}"), "test-*"], "team": "*" },
            "skip": "not for people"
        }));
    }
    rules.push(serde_json::json!({
        "name": "rest",
        "enroll": { "name": "{{ identifier }}-{{ region }}" },
        "labels": { "add": { "owner": "{{ tags.team }}" } }
    }));
    serde_json::from_value(rules.into())
}

fn database(number: usize) -> Database {
    let texts = |pairs: &[(&str, String)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    };
    let mut tags = texts(&[
        ("Environment", format!("stage-{}", number % 7)),
        ("team", format!("team-{}", number % 40)),
        (
            "aws:cloudformation:stack-name",
            format!("stack-{}", number % 100),
        ),
        ("Name", format!("Orders {number}")),
    ]);
    tags.extend((0..6).map(|tag| (format!("cost-{tag}"), format!("centre-{}", number % 13))));
    Database {
        id: ResourceId::of(
            &format!("arn:aws:rds:us-east-1:111111111111:db:orders-{number}"),
            "instance",
        ),
        scope: Arc::new(Scope::aws("111111111111", "us-east-1", Service::Rds)),
        kind: Kind::Rds,
        protocol: Some(Protocol::Postgres),
        identifier: format!("orders-{number}"),
        role: EndpointRole::Instance,
        region: "us-east-1".to_owned(),
        endpoint: Some(Endpoint {
            host: format!("orders-{number}.example.com"),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".to_owned(),
        engine_version: "15.3".to_owned(),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        tags,
        derived: texts(&[
            ("account-id", "111111111111".to_owned()),
            ("region", "us-east-1".to_owned()),
            ("engine", "postgres".to_owned()),
            ("engine-version", "15.3".to_owned()),
            ("endpoint-type", "instance".to_owned()),
            ("vpc-id", "vpc-0a1b2c3d".to_owned()),
        ]),
        facts: BTreeMap::new(),
        unsupported: None,
        unread: Default::default(),
        notes: Vec::new(),
    }
}
