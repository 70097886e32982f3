//! A small world for the engine: three regions, label rules, a store in memory.

use std::{collections::BTreeMap, sync::Arc};

use muster_matchers::{Chain, Matcher, Matchers, RuleFile, SourceFilter};
use muster_model::{
    Availability, Coverage, Database, Endpoint, EndpointRole, Failure, FailureReason, Kind,
    Protocol, Provider, ResourceId, Scan, Scope, Selector, Service, State, Timestamp,
};
use muster_plan::{Brake, Grace, Policy, Settings, Unconfigured};
use muster_store::{Changes, Keep, MemoryStore, Revision, Store};

use super::super::{Engine, Setup};

pub(in crate::service) const REGIONS: [&str; 3] = ["ap-south-1", "eu-west-1", "us-east-1"];

pub(super) fn scope(region: &str) -> Arc<Scope> {
    Arc::new(Scope::aws("111111111111", region, Service::Rds))
}

/// `name` is the tag that the rules make the target's name of.
pub(super) fn database(region: &str, identifier: &str, env: &str, name: &str) -> Database {
    let id = format!("arn:aws:rds:{region}:111111111111:db:{identifier}");
    Database {
        id: ResourceId::of(&id, "instance"),
        scope: scope(region),
        kind: Kind::Rds,
        protocol: Some(Protocol::Postgres),
        identifier: identifier.to_owned(),
        role: EndpointRole::Instance,
        region: region.to_owned(),
        endpoint: Some(Endpoint {
            host: format!("{identifier}.{region}.example"),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".to_owned(),
        engine_version: "16.4".to_owned(),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        tags: BTreeMap::from([
            ("env".to_owned(), env.to_owned()),
            ("name".to_owned(), name.to_owned()),
        ]),
        derived: BTreeMap::from([("region".to_owned(), region.to_owned())]),
        facts: BTreeMap::new(),
        unsupported: None,
        unread: Default::default(),
        notes: Vec::new(),
    }
}

pub(in crate::service) fn complete(region: &str, found: Vec<Database>) -> Scan {
    Scan {
        found,
        ..Scan::empty(scope(region))
    }
}

pub(super) fn failed(region: &str, found: Vec<Database>) -> Scan {
    let failure = Failure {
        reason: FailureReason::Throttled,
        call: "rds:DescribeDBInstances".to_owned(),
        message: "slow down".to_owned(),
        permission: None,
    };
    Scan {
        coverage: if found.is_empty() {
            Coverage::Unread(vec![failure])
        } else {
            Coverage::Partial(vec![failure])
        },
        found,
        ..Scan::empty(scope(region))
    }
}

pub(super) const RULES: &str = r#"
- name: broken
  match: {env: broken}
  labels: {add: {size: "{{ tags.nothing.at.all }}"}}
- name: prod
  match: {env: prod}
  enroll: {name: "{{ tags.name }}"}
- name: dev
  match: {env: dev}
  skip: not for people
"#;

pub(super) fn chain(rules: &str) -> Chain {
    chain_for(Provider::Aws, Service::Rds, rules)
}

pub(super) fn azure_chain() -> Chain {
    chain_for(Provider::Azure, Service::PostgresqlFlexible, RULES)
}

/// Everything is asked of this one.
pub(super) fn chain_asking(matcher: Arc<dyn Matcher>) -> Chain {
    let rules = "[{name: own, plugin: {path: own.wasm, unsigned: true}}]";
    let matchers = Matchers::from([("own".to_owned(), vec![matcher])]);
    made(Provider::Aws, Service::Rds, rules, &matchers)
}

fn chain_for(provider: Provider, service: Service, rules: &str) -> Chain {
    made(provider, service, rules, &Matchers::new())
}

fn made(provider: Provider, service: Service, rules: &str, matchers: &Matchers) -> Chain {
    let rules: Vec<RuleFile> = serde_yaml::from_str(rules).unwrap();
    let source = SourceFilter {
        name: "sources[0]".to_owned(),
        provider,
        services: vec![service],
        accounts: None,
        regions: None,
        resource_groups: None,
        tags: Selector::all(),
    };
    Chain::build(vec![source], Some(&rules), matchers)
        .unwrap()
        .0
}

pub(in crate::service) fn setup() -> Setup {
    Setup {
        chain: chain(RULES),
        plugins: Arc::default(),
        digest: "rules 1".to_owned(),
        settings: Settings {
            policy: Policy::Sync,
            grace: Grace {
                scans: 2,
                seconds: 600,
            },
            brake: Brake {
                percent: 100,
                at_least: 1,
                window: 3600,
                released: false,
            },
            group: "default".to_owned(),
            unconfigured: Unconfigured::Hold,
        },
        scopes: REGIONS.iter().map(|region| scope(region)).collect(),
        scopes_known: true,
        open: Vec::new(),
        tell: true,
        history: Keep {
            age: 400 * 86_400,
            entries: 1_000_000,
        },
    }
}

pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) engine: Engine,
    pub(super) now: Timestamp,
}

impl World {
    pub(super) fn new(setup: Setup) -> Self {
        let store = Arc::new(MemoryStore::new());
        let now = Timestamp::from_unix(1_800_000_000);
        let engine = Engine::open(store.clone(), setup, now).unwrap();
        Self { store, engine, now }
    }

    /// Five minutes later a scan is taken in.
    pub(super) fn take(&mut self, scan: &Scan) -> super::super::Taken {
        self.now = self.now.plus(300);
        self.engine.take(scan, self.now, "run").unwrap()
    }

    pub(super) fn restart(&mut self, setup: Setup) {
        self.engine = Engine::open(self.store.clone(), setup, self.now).unwrap();
    }

    /// The collections whose keys were written since.
    pub(super) fn written(&self, since: Revision) -> BTreeMap<String, usize> {
        let Changes::Known { keys, .. } = self.store.changes_since(since).unwrap() else {
            panic!("the log is too short");
        };
        let mut written = BTreeMap::new();
        for key in keys {
            let collection = key.as_str().split('/').next().unwrap().to_owned();
            *written.entry(collection).or_default() += 1;
        }
        written
    }

    pub(super) fn names(&self) -> Vec<String> {
        let targets = muster_store::tables::TARGETS.list(&*self.store).unwrap();
        let mut names: Vec<_> = targets
            .records
            .into_iter()
            .map(|(_, target)| target.value.name)
            .collect();
        names.sort();
        names
    }
}

/// `count` databases of a region: `db-0`, `db-1` ...
pub(in crate::service) fn fleet(region: &str, count: usize) -> Vec<Database> {
    (0..count)
        .map(|n| {
            let name = format!("db-{n}");
            database(region, &name, "prod", &format!("{name}-{region}"))
        })
        .collect()
}
