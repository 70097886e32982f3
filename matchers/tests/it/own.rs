//! Matchers of one's own: as a fixture tells them what to say, and as they may say anything.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
};

use muster_matchers::{
    Candidate, Chain, Failed, Matcher, Matchers, Proposal, RuleFile, Subject, Verdict,
};
use muster_model::{Decision, Labels, Origin, Timestamp};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{
    properties::{accepted, any_db, any_rule},
    world::{Db, everything},
};

/// No matchers of one's own.
pub fn none() -> Matchers {
    Matchers::default()
}

/// A matcher that says what a fixture has for it, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scripted {
    name: String,
    #[serde(default = "first_version")]
    version: String,
    #[serde(default)]
    says: Vec<Line>,
    /// So many verdicts fewer than it was asked for.
    #[serde(default)]
    short: usize,
}

fn first_version() -> String {
    "1.0.0".to_owned()
}

#[derive(Debug, Deserialize)]
struct Line {
    /// Labels so far that a database must have for it.
    #[serde(default)]
    of: BTreeMap<String, String>,
    #[serde(flatten)]
    what: What,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Enroll {
        #[serde(default)]
        name: Option<String>,
        #[serde(default)]
        labels: BTreeMap<String, String>,
        #[serde(default)]
        hints: BTreeMap<String, String>,
        #[serde(default)]
        reason: String,
    },
    Skip(String),
    Pass(BTreeMap<String, String>),
    Fail(String),
}

impl Matcher for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn judge(&self, candidates: &[Candidate<'_>]) -> Vec<Result<Verdict, Failed>> {
        let fits = |line: &Line, candidate: &Candidate<'_>| {
            let has = |(key, value): (&String, &String)| candidate.labels.value(key) == Some(value);
            line.of.iter().all(has)
        };
        let verdict = |candidate: &Candidate<'_>| {
            let line = self.says.iter().find(|line| fits(line, candidate));
            match line.map(|line| line.what.clone()) {
                None => Ok(Verdict::Pass(Vec::new())),
                Some(What::Pass(labels)) => Ok(Verdict::Pass(labels.into_iter().collect())),
                Some(What::Skip(reason)) => Ok(Verdict::Skip(reason)),
                Some(What::Fail(detail)) => Err(Failed::new("timeout", detail)),
                Some(What::Enroll {
                    name,
                    labels,
                    hints,
                    reason,
                }) => Ok(Verdict::Enroll(Proposal {
                    name,
                    labels: labels.into_iter().collect(),
                    hints: hints.into_iter().collect(),
                    reason,
                })),
            }
        };
        let count = candidates.len().saturating_sub(self.short);
        candidates.iter().take(count).map(verdict).collect()
    }
}

/// A matcher whose verdict is drawn from all that a database is, and that keeps count.
#[derive(Debug)]
struct Drawn {
    seed: u64,
    asked: Mutex<Vec<usize>>,
}

impl Matcher for Drawn {
    fn name(&self) -> &str {
        "drawn"
    }

    fn version(&self) -> &str {
        "1"
    }

    fn judge(&self, candidates: &[Candidate<'_>]) -> Vec<Result<Verdict, Failed>> {
        self.asked.lock().unwrap().push(candidates.len());
        let verdict = |candidate: &Candidate<'_>| {
            let mut hasher = DefaultHasher::new();
            (self.seed, candidate.first_seen, &candidate.database.id).hash(&mut hasher);
            for (key, label) in candidate.labels.iter() {
                (key, &label.value, &label.origin).hash(&mut hasher);
            }
            let drawn = hasher.finish();
            let pick = |list: &[&str], shift: u32| {
                let place = usize::try_from((drawn >> shift) & 0xff).unwrap() % list.len();
                list[place].to_owned()
            };
            let keys = [
                "env",
                "team",
                "tier",
                "region",
                "muster/x",
                "Teleport.dev/origin",
            ];
            let labels = vec![(pick(&keys, 8), pick(&["prod", "dev", ""], 16))];
            match drawn % 6 {
                0 => Ok(Verdict::Skip(pick(&["not for people", ""], 24))),
                1 => Err(Failed::new("panicked", pick(&["one", "two"], 24))),
                2 | 3 => Ok(Verdict::Pass(labels)),
                _ => Ok(Verdict::Enroll(Proposal {
                    name: (drawn & 64 == 0).then(|| pick(&["db", "", "no name", "a/b"], 32)),
                    labels,
                    hints: vec![(pick(&["reader", "tls"], 40), "x".to_owned())],
                    reason: pick(&["because", ""], 48),
                })),
            }
        };
        candidates.iter().map(verdict).collect()
    }
}

/// A rule that asks for a plugin.
fn asking(name: &str, yaml: &str) -> RuleFile {
    let yaml = format!("{{name: {name}, plugin: {{path: {name}.wasm, unsigned: true}}, {yaml}}}");
    serde_yaml::from_str(&yaml).unwrap()
}

fn drawn(seed: u64) -> Arc<Drawn> {
    Arc::new(Drawn {
        seed,
        asked: Mutex::default(),
    })
}

#[test]
fn a_matcher_is_asked_once_a_batch_and_only_about_what_is_left_for_it() {
    let rules = [
        serde_yaml::from_str("{name: out, match: {env: dev}, skip: not for people}").unwrap(),
        asking("first", "match: {env: [prod, stage]}"),
        asking("second", "labels: {add: {seen: yes}}"),
    ];
    let says = |of: &str, what: &str| {
        let yaml = format!("{{name: scripted, says: [{{of: {of}, {what}}}]}}");
        serde_yaml::from_str::<Scripted>(&yaml).unwrap()
    };
    let second = drawn(7);
    let matchers = Matchers::from([
        (
            "first".to_owned(),
            vec![Arc::new(says("{env: prod}", "skip: not yet")) as Arc<dyn Matcher>],
        ),
        ("second".to_owned(), vec![Arc::clone(&second) as _]),
    ]);
    let (chain, _) = Chain::build(everything(), Some(&rules), &matchers).unwrap();
    let databases: Vec<_> = (0..90)
        .map(|number| {
            let env = ["dev", "prod", "stage"][number % 3].to_owned();
            let db = Db {
                identifier: format!("db-{number}"),
                tags: BTreeMap::from([("env".to_owned(), env)]),
                ..Db::default()
            };
            db.build()
        })
        .collect();
    let subjects: Vec<_> = databases.iter().map(Subject::from).collect();
    let judged = chain.judge_all(&subjects);
    assert_eq!(*second.asked.lock().unwrap(), [30]);
    for (place, judgement) in judged.iter().enumerate() {
        let expected = [vec![0], vec![1], vec![1, 2]][place % 3].clone();
        assert_eq!(judgement.matched, expected, "{place}");
    }
}

#[test]
fn a_rule_whose_matchers_are_not_there_is_no_rule() {
    let rules = [asking("first", "match: {env: prod}")];
    let empty = Matchers::from([("first".to_owned(), Vec::new())]);
    for matchers in [none(), empty] {
        let problems = Chain::build(everything(), Some(&rules), &matchers).unwrap_err();
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["rules[0].plugin: its plugin is not loaded"]);
    }
    assert_eq!(Chain::check(everything(), Some(&rules)), []);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_judgement_is_the_same_alone_in_any_batch_and_in_any_order(
        rules in prop::collection::vec(any_rule(), 0..5),
        places in prop::collection::vec((0_usize..6, any::<bool>()), 1..3),
        dbs in prop::collection::vec((any_db(), prop::option::of(0_i64..3)), 1..12),
        seed in any::<u64>(),
        batch in 1_usize..12,
    ) {
        let mut rules = accepted(&rules);
        let mut matchers = Matchers::new();
        for (number, (place, twice)) in places.iter().enumerate() {
            let name = format!("own-{number}");
            let how = if *twice { "enroll: {hints: {tls: '{{ region }}'}}" } else { "labels: {add: {own: 'yes'}}" };
            rules.insert((*place).min(rules.len()), asking(&name, how));
            let asked = (0..=u64::from(*twice)).map(|more| drawn(seed ^ more) as Arc<dyn Matcher>);
            matchers.insert(name, asked.collect());
        }
        let (chain, _) = Chain::build(everything(), Some(&rules), &matchers).unwrap();
        let databases: Vec<_> = dbs.iter().map(|(db, seen)| (db.build(), seen.map(Timestamp::from_unix))).collect();
        let subjects: Vec<_> = databases
            .iter()
            .map(|(database, first_seen)| Subject { database, first_seen: *first_seen })
            .collect();
        let alone: Vec<_> = subjects.iter().map(|subject| chain.judge(*subject)).collect();
        let mut batches = Vec::new();
        for part in subjects.chunks(batch) {
            batches.extend(chain.judge_all(part));
        }
        prop_assert_eq!(&batches, &alone);
        let mut backwards: Vec<_> = subjects.clone();
        backwards.reverse();
        let mut judged = chain.judge_all(&backwards);
        judged.reverse();
        prop_assert_eq!(&judged, &alone);
        for (judgement, (database, _)) in alone.iter().zip(&databases) {
            if let Decision::Enroll(enrollment) = &judgement.decision {
                for (key, label) in enrollment.labels.iter().filter(|(key, _)| Labels::is_reserved(key)) {
                    prop_assert_eq!(&label.origin, &Origin::Derived, "{}", key);
                    prop_assert_eq!(Some(&label.value), database.derived.get(key));
                }
                prop_assert!(enrollment.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)));
            }
        }
    }
}
