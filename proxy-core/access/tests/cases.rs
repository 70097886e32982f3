//! Decisions as a table: each file of `fixtures/access/cases` is a situation and what is asked in it.
//!
//! Before the first `---` stands the situation, behind it the records, as people write them. Adding a case is adding a
//! file; `fixtures/access/README.md` says what may stand in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use muster_access::{
    Ask, Denial, Identity, Policy, Record, Replication, Route, Usage, Verdict, parse_records,
};
use muster_model::{
    Availability, Endpoint, Kind, Labels, Owner, Protocol, ResourceId, Scope, Service, State,
    Target, Timestamp,
};
use serde::Deserialize;

/// When all cases happen.
const NOW: &str = "2026-06-01T12:00:00Z";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it is about, for people.
    why: String,
    /// The node that decides.
    node: Option<String>,
    #[serde(default)]
    target: TargetFile,
    #[serde(default)]
    who: WhoFile,
    asks: Vec<AskFile>,
    /// Whether the target is listed for the user.
    sees: Option<bool>,
    /// As whom, in the order of names; `*` first when any is allowed, then those that are not, with `!`.
    choices: Option<ChoicesFile>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TargetFile {
    name: Option<String>,
    kind: Option<Kind>,
    protocol: Option<Protocol>,
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WhoFile {
    user: Option<String>,
    /// The roles of the certificate; left out: those of the user's record.
    roles: Option<Vec<String>>,
    usage: Option<Usage>,
    route: Option<Route>,
    /// Left out: an hour before.
    issued: Option<Timestamp>,
    /// Left out: twelve hours after that.
    expires: Option<Timestamp>,
    totp: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskFile {
    #[serde(default)]
    db_user: String,
    #[serde(default)]
    db_name: String,
    #[serde(default)]
    replication: String,
    #[serde(default)]
    expect: Expect,
}

/// What comes of it: `permit` with any of these, or `denied` with the operator's text.
#[derive(Default, Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    roles: Option<Vec<String>>,
    db_name: Option<String>,
    ends_at: Option<String>,
    ends_by: Option<String>,
    idle: Option<u64>,
    max_connections: Option<u32>,
    audit: Option<String>,
    code: Option<String>,
    denied: Option<String>,
    person: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChoicesFile {
    db_users: Vec<String>,
    db_names: Vec<String>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/access")
}

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = fixtures().join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn policy(records: &[Record]) -> Policy {
    records
        .iter()
        .fold(Policy::new(), |policy, record| match record {
            Record::Role(role) => policy.with_role(role.clone()),
            Record::User(user) => policy.with_user(user.clone()),
            Record::Lock(lock) => policy.with_lock(lock.clone()),
            Record::Db(_) | Record::Token(_) => policy,
        })
}

fn target(file: &TargetFile) -> Arc<Target> {
    let name = file
        .name
        .clone()
        .unwrap_or_else(|| "orders-rds-eu-west-1-1".to_owned());
    let mut labels = Labels::default();
    for (key, value) in &file.labels {
        assert!(labels.set(key, value.as_str(), "case"), "{key}");
    }
    Arc::new(Target {
        id: ResourceId::of(&format!("arn:aws:rds:eu-west-1:1:db:{name}"), "instance"),
        short_name: name.split('-').next().unwrap().to_owned(),
        name,
        kind: file.kind.unwrap_or(Kind::Rds),
        protocol: file.protocol.unwrap_or(Protocol::Postgres),
        endpoint: Some(Endpoint {
            host: "db.example.com".to_owned(),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".to_owned(),
        engine_version: "16.4".to_owned(),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        labels,
        hints: BTreeMap::new(),
        facts: BTreeMap::new(),
        scope: Arc::new(Scope::aws("1", "eu-west-1", Service::Rds)),
        owner: Owner {
            by: Owner::DISCOVERY.to_owned(),
            group: "main".to_owned(),
        },
        reason: "case".to_owned(),
    })
}

fn identity(file: &WhoFile, policy: &Policy) -> Identity {
    let user = file.user.clone().unwrap_or_else(|| "alice".to_owned());
    let has = policy.user(&user).map(|user| user.roles.clone());
    let issued = file.issued.unwrap_or(now().plus(-3600));
    Identity {
        roles: file.roles.clone().or(has).unwrap_or_default(),
        user,
        usage: file.usage.unwrap_or(Usage::User),
        route: file.route.clone(),
        cluster: "example".to_owned(),
        issued,
        expires: file.expires.unwrap_or(issued.plus(12 * 3600)),
        serial: "01".to_owned(),
        totp: file.totp,
    }
}

fn outcome(decision: &Result<muster_access::Permit, Denial>, wanted: &Expect) -> Expect {
    let mut is = Expect::default();
    match decision {
        Ok(permit) => {
            let options = permit.options();
            is.roles = Some(permit.roles().to_vec());
            is.db_name = wanted.db_name.as_ref().map(|_| permit.db_name().to_owned());
            is.ends_at = wanted.ends_at.as_ref().map(|_| options.ends_at.to_string());
            is.ends_by = wanted.ends_by.as_ref().map(|_| match &options.ends_by {
                muster_access::EndsBy::Certificate => "certificate".to_owned(),
                muster_access::EndsBy::Role(role) => format!("role {role}"),
                muster_access::EndsBy::UserExpires(user) => format!("expires of user {user}"),
                muster_access::EndsBy::RoleExpires(role) => format!("expires of role {role}"),
            });
            is.idle = options.idle.map(|idle| idle.as_secs());
            is.max_connections = options.max_connections;
            is.audit = wanted
                .audit
                .as_ref()
                .map(|_| options.audit.as_str().to_owned());
        }
        Err(denial) => {
            is.denied = Some(denial.to_string());
            is.code = wanted.code.as_ref().map(|_| denial.code().to_owned());
            is.person = wanted.person.as_ref().map(|_| denial.person());
        }
    }
    is
}

fn names(names: &muster_access::Names) -> Vec<String> {
    let any = names.any.then(|| "*".to_owned());
    let not = names.not.iter().map(|name| format!("!{name}"));
    any.into_iter()
        .chain(names.named.iter().cloned())
        .chain(not)
        .collect()
}

#[test]
fn every_case_is_decided_as_its_file_says() {
    let mut wrong = String::new();
    let files = files("cases");
    assert!(files.len() >= 40, "only {} cases were found", files.len());
    for (file, text) in files {
        let (head, tail) = text.split_once("\n---\n").unwrap_or((&text, ""));
        let case: Case =
            serde_yaml::from_str(head).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(!case.why.is_empty());
        let (records, problems) = parse_records(tail, now());
        let errors: Vec<_> = problems
            .iter()
            .filter(|problem| problem.is_error())
            .collect();
        assert!(errors.is_empty(), "{file}: {errors:?}");
        let mut policy = policy(&records);
        if let Some(node) = &case.node {
            policy = policy.at_node(node);
        }
        let target = target(&case.target);
        let who = identity(&case.who, &policy);
        for (index, asked) in case.asks.iter().enumerate() {
            let ask = Ask {
                db_user: &asked.db_user,
                db_name: &asked.db_name,
                replication: match asked.replication.as_str() {
                    "" => Replication::No,
                    "logical" => Replication::Logical,
                    "physical" => Replication::Physical,
                    other => panic!("{file}: {other}"),
                },
            };
            let decision = policy.permit(&who, &target, &ask, now());
            let explained = policy.explain(&who, &target, &ask, now());
            assert_eq!(explained.allowed, decision.is_ok(), "{file}");
            let by: BTreeSet<_> = explained
                .roles
                .iter()
                .filter(|step| step.verdict == Verdict::Allows)
                .map(|step| step.role.as_str())
                .collect();
            if let Ok(permit) = &decision {
                assert!(
                    permit.roles().iter().all(|role| by.contains(&**role)),
                    "{file}"
                );
                assert_eq!(permit.roles().len(), by.len(), "{file}");
            }
            let is = outcome(&decision, &asked.expect);
            if is != asked.expect {
                let _ = writeln!(
                    wrong,
                    "{file}, ask {index}: {:#?}\nis {is:#?}",
                    asked.expect
                );
            }
        }
        if let Some(sees) = case.sees {
            let is = policy.sees(&who, &target, now());
            // Who looks at many sees the same.
            let viewer = policy.viewer(&who, now());
            assert_eq!(viewer.is_ok_and(|viewer| viewer.sees(&target)), is);
            if is != sees {
                let _ = writeln!(wrong, "{file}: sees is {is}");
            }
        }
        if let Some(wanted) = case.choices {
            let is = policy.choices(&who, &target, now()).unwrap_or_default();
            let (users, databases) = (names(&is.db_users), names(&is.db_names));
            if users != wanted.db_users || databases != wanted.db_names {
                let _ = writeln!(wrong, "{file}: choices are {users:?} on {databases:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Files as people have them, good and bad: behind the records stand, as comments, the problems that are found.
/// `MUSTER_BLESS=1` writes them anew.
#[test]
fn every_problem_of_a_file_is_told_at_once_with_its_line() {
    let mut wrong = String::new();
    let files = files("records");
    assert!(files.len() >= 10, "only {} files were found", files.len());
    for (file, text) in files {
        let records_only: String = text
            .lines()
            .filter(|line| !line.starts_with("#> "))
            .flat_map(|line| [line, "\n"])
            .collect();
        let (records, problems) = parse_records(&records_only, now());
        let mut told = String::new();
        for problem in &problems {
            let severity = if problem.is_error() {
                "error"
            } else {
                "warning"
            };
            let _ = writeln!(told, "#> {severity}: {problem}");
        }
        for record in &records {
            let _ = writeln!(told, "#> read: {}/{}", record.kind(), record.name());
        }
        let with = format!("{records_only}{told}");
        if std::env::var_os("MUSTER_BLESS").is_some() {
            fs::write(fixtures().join("records").join(&file), &with).unwrap();
        } else if with != text {
            let _ = writeln!(wrong, "{file} is now:\n{told}");
        }
        for record in &records {
            let yaml = record.to_yaml();
            let (again, problems) = parse_records(&yaml, now());
            let errors: Vec<_> = problems
                .iter()
                .filter(|problem| problem.is_error())
                .collect();
            if again.as_slice() != std::slice::from_ref(record) {
                let _ = writeln!(
                    wrong,
                    "{file} comes back otherwise:\n{yaml}{errors:?}\n{again:?}"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What the page for people shows can be created as it stands there.
#[test]
fn the_examples_of_the_page_are_records() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/access.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect();
    assert!(blocks.len() >= 2);
    let mut kinds = BTreeSet::new();
    for block in blocks {
        let (records, problems) = parse_records(block, now());
        assert!(problems.is_empty(), "{problems:?}");
        kinds.extend(records.iter().map(Record::kind));
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
}
