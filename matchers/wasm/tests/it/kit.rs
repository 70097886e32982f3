//! Fleets, hosts, and components made of text.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Labels, Protocol, ResourceId, Scope,
    Service, State, Timestamp,
};
use muster_wasm::{Candidate, Compiler, Host, Limits, Options};

/// `fixtures/plugins`.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/plugins")
}

/// The usual limits, on a machine of any size.
pub fn limits() -> Limits {
    Limits {
        threads: 2,
        ..Limits::default()
    }
}

/// Limits under which a test of what does not end is soon over. The time is that on the processor.
pub fn impatient() -> Limits {
    Limits {
        time: Duration::from_millis(150),
        ..limits()
    }
}

pub fn host_with(limits: Limits) -> Host {
    Host::new(Options {
        limits,
        compiler: Compiler::InProcess,
        cache: None,
    })
    .expect("a host")
}

pub fn host() -> Host {
    host_with(limits())
}

/// A fixture: what it is to come to, and the component.
#[derive(Debug)]
pub struct Fixture {
    pub name: String,
    /// `load`, `configure` or `evaluate`.
    pub stage: String,
    /// The code, or `ok`.
    pub code: String,
    /// What the error's text has in it.
    pub detail: String,
    pub component: Vec<u8>,
}

/// All in a folder, by name.
pub fn all(folder: &str) -> Vec<Fixture> {
    let mut paths: Vec<_> = std::fs::read_dir(fixtures().join(folder))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .collect();
    paths.sort();
    paths.iter().map(|path| fixture(path)).collect()
}

fn fixture(path: &Path) -> Fixture {
    let text = std::fs::read_to_string(path).expect("a fixture");
    let name = path
        .file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let header = |key: &str| {
        let prefix = format!(";; {key}: ");
        text.lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or_default()
            .to_owned()
    };
    let expect = header("expect");
    let (stage, code) = expect
        .split_once(' ')
        .unwrap_or_else(|| panic!("{name}: no line `;; expect: STAGE CODE`"));
    let component = if text.contains("\n;;@ ") {
        base_with(&sections(&text))
    } else {
        component(&text)
    };
    Fixture {
        stage: stage.to_owned(),
        code: code.to_owned(),
        detail: header("detail"),
        name,
        component,
    }
}

/// What follows each `;;@ NAME`.
fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections: BTreeMap<String, String> = BTreeMap::new();
    let mut at = None;
    for line in text.lines() {
        match line.strip_prefix(";;@ ") {
            Some(name) => at = Some(name.to_owned()),
            None => {
                if let Some(name) = &at {
                    let section = sections.entry(name.clone()).or_default();
                    section.push_str(line);
                    section.push('\n');
                }
            }
        }
    }
    sections
}

/// `base.wat`, with other sections in place of its own.
pub fn base_with(sections: &BTreeMap<String, String>) -> Vec<u8> {
    let base = std::fs::read_to_string(fixtures().join("base.wat")).expect("base.wat");
    let mut out = String::new();
    let mut used = 0;
    let mut skipping = false;
    for line in base.lines() {
        let trimmed = line.trim_start();
        if let Some(name) = trimmed.strip_prefix(";;[ ") {
            if let Some(section) = sections.get(name) {
                out.push_str(section);
                used += 1;
                skipping = true;
            }
        } else if trimmed == ";;]" {
            skipping = false;
        } else if !skipping {
            out.push_str(line);
            out.push('\n');
        }
    }
    assert_eq!(
        used,
        sections.len(),
        "base.wat has all of {:?}",
        sections.keys()
    );
    component(&out)
}

/// `base.wat` with some sections replaced.
pub fn base(replace: &[(&str, &str)]) -> Vec<u8> {
    let sections = replace
        .iter()
        .map(|(name, text)| ((*name).to_owned(), format!("{text}\n")))
        .collect();
    base_with(&sections)
}

/// Text to bytes.
pub fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A database as a scanner would report it; `i` decides about all that differs.
pub fn database(i: usize) -> Database {
    let region = ["eu-west-1", "us-east-1", "ap-southeast-2"][i % 3];
    let account = ["111122223333", "444455556666"][i % 2];
    let (protocol, engine, port) = [
        (Protocol::Postgres, "postgres", 5432),
        (Protocol::Mysql, "mysql", 3306),
        (Protocol::Postgres, "aurora-postgresql", 5432),
    ][i / 2 % 3];
    let name = format!("orders-{i:05}");
    let texts = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let env = ["prod", "staging", "dev", "production"][i % 4];
    let team = format!("team-{}", i % 30);
    let cost = format!("cc-{:04}", i % 100);
    let owner = format!("person{}@example.com", i % 50);
    let repo = format!("github.com/example/infrastructure-{}", i % 40);
    let vpc = format!("vpc-{:017x}", i % 25);
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
            ("team", &team),
            ("cost-center", &cost),
            ("owner", &owner),
            ("terraform", "true"),
            ("repo", &repo),
            ("backup", "daily"),
            ("data-class", ["internal", "confidential"][i % 2]),
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
            ("resource-id", &format!("db-{:026X}", i * 7919)),
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

/// Databases with the labels that they have before any rule.
pub struct Fleet(Vec<(Database, Labels)>);

impl Fleet {
    pub fn of(databases: Vec<Database>) -> Self {
        let with_labels = |database: Database| {
            let (labels, _) = database.labels();
            (database, labels)
        };
        Self(databases.into_iter().map(with_labels).collect())
    }

    pub fn new(databases: usize) -> Self {
        Self::of((0..databases).map(database).collect())
    }

    /// Changes the labels of the database at a place, as steps before a plugin do.
    pub fn labels(&mut self, place: usize) -> &mut Labels {
        &mut self.0[place].1
    }

    pub fn candidates(&self) -> Vec<Candidate<'_>> {
        self.0
            .iter()
            .map(|(database, labels)| Candidate {
                database,
                labels,
                first_seen: Some(Timestamp::from_unix(1_767_225_600)),
            })
            .collect()
    }
}
