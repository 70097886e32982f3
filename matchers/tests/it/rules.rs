//! Rules, sources and databases, with the decisions they come to and the trace of them.

use std::{collections::BTreeMap, sync::Arc};

use muster_matchers::{Chain, Matcher, Matchers, Problem, RuleFile};
use muster_model::{Decision, Labels, Origin};
use serde::Deserialize;

use crate::{
    own::Scripted,
    world::{Db, Source, everything, files},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    /// Default: one of each cloud that selects everything.
    #[serde(default)]
    sources: Option<Vec<Source>>,
    #[serde(default)]
    rules: Option<Vec<RuleFile>>,
    /// The matchers of one's own behind the rules, by the rule's name.
    #[serde(default)]
    matchers: BTreeMap<String, Vec<Scripted>>,
    /// All the problems there are, in order: `error` or `warning`, the path, a part of the message.
    #[serde(default)]
    problems: Vec<(String, String, String)>,
    #[serde(default)]
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    database: Db,
    /// `enroll`, `undecided`, or the code of the reason for skipping.
    decision: String,
    /// A part of the reason.
    #[serde(default)]
    because: Option<String>,
    /// The rule that decided, by its place.
    #[serde(default)]
    rule: Option<usize>,
    /// Labels that there are, as `VALUE (tag|derived|MATCHER)`.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Labels that there are not.
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    hints: BTreeMap<String, String>,
    /// Tags that were kept out of the labels.
    #[serde(default)]
    shadowed: Vec<String>,
    /// Steps that the trace holds, in this order: `WHO | OUTCOME | DETAIL`.
    #[serde(default)]
    trace: Vec<String>,
}

#[test]
fn fixtures_come_to_the_decisions_that_they_say() {
    for (file, File { scenarios, .. }) in files::<File>("rules") {
        for mut scenario in scenarios {
            let about = format!("{file}: {}", scenario.name);
            let sources = match &scenario.sources {
                Some(sources) => sources.iter().map(Source::build).collect(),
                None => everything(),
            };
            let matchers: Matchers = std::mem::take(&mut scenario.matchers)
                .into_iter()
                .map(|(rule, all)| {
                    let all = all.into_iter().map(|it| Arc::new(it) as Arc<dyn Matcher>);
                    (rule, all.collect())
                })
                .collect();
            let built = Chain::build(sources, scenario.rules.as_deref(), &matchers);
            let problems = match &built {
                Ok((_, warnings)) => warnings,
                Err(problems) => problems,
            };
            same_problems(&about, problems, &scenario.problems);
            assert_eq!(
                built.is_err(),
                problems.iter().any(|problem| !problem.warning),
                "{about}"
            );
            if let Ok((chain, _)) = built {
                for case in &scenario.cases {
                    judge(&about, &chain, case);
                }
            } else {
                assert!(
                    scenario.cases.is_empty(),
                    "{about}: cases of rules that are refused"
                );
            }
        }
    }
}

fn same_problems(about: &str, problems: &[Problem], expected: &[(String, String, String)]) {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), expected.len(), "{about}: {all:#?}");
    for (problem, (kind, path, message)) in problems.iter().zip(expected) {
        assert_eq!(problem.warning, kind == "warning", "{about}: {problem}");
        assert_eq!(&problem.path, path, "{about}: {problem}");
        assert!(
            problem.to_string().contains(message.as_str()),
            "{about}: {problem}"
        );
    }
}

fn judge(about: &str, chain: &Chain, case: &Case) {
    let judgement = chain.judge(&case.database.build());
    let about = format!("{about}: {} {:#?}", case.database.identifier, judgement);
    let (code, because) = match &judgement.decision {
        Decision::Enroll(enrollment) => {
            for (key, expected) in &case.labels {
                assert_eq!(
                    &shown(&enrollment.labels, key),
                    expected,
                    "label {key}, {about}"
                );
            }
            for key in &case.without {
                assert_eq!(enrollment.labels.value(key), None, "label {key}, {about}");
            }
            assert_eq!(enrollment.hints, case.hints, "{about}");
            ("enroll", enrollment.reason.clone())
        }
        Decision::Skip { reason } => (reason.code(), reason.to_string()),
        Decision::Undecided { message, .. } => ("undecided", message.clone()),
    };
    assert_eq!(code, case.decision, "{about}");
    if let Some(expected) = &case.because {
        assert!(because.contains(expected.as_str()), "{because}: {about}");
    }
    if case.rule.is_some() {
        assert_eq!(judgement.rule, case.rule, "{about}");
    }
    let shadowed: Vec<_> = judgement
        .trace
        .shadowed
        .iter()
        .map(|tag| tag.key.as_str())
        .collect();
    assert_eq!(shadowed, case.shadowed, "{about}");
    let steps = judgement
        .trace
        .steps
        .iter()
        .map(|step| format!("{} | {} | {}", step.who, step.outcome, step.detail));
    let mut steps = steps.collect::<Vec<_>>().into_iter();
    for expected in &case.trace {
        assert!(
            steps.any(|step| step == *expected),
            "no step `{expected}` (in this order) in {about}"
        );
    }
}

fn shown(labels: &Labels, key: &str) -> String {
    match labels.label(key) {
        None => "none".to_owned(),
        Some(label) => match &label.origin {
            Origin::Derived => format!("{} (derived)", label.value),
            Origin::Tag => format!("{} (tag)", label.value),
            Origin::Matcher(who) => format!("{} ({who})", label.value),
        },
    }
}

/// What cannot even be read: where, and what is said.
#[test]
fn bad_rules_are_refused_where_they_are_wrong() {
    for (yaml, at, message) in [
        (
            "[{name: a, enrol: true}]",
            "[0].enrol",
            "unknown field `enrol`",
        ),
        ("[{enroll: true}]", "[0]", "missing field `name`"),
        (
            "[{name: a, enroll: false}]",
            "[0].enroll",
            "write `skip: REASON`",
        ),
        (
            "[{name: a, enroll: yes}]",
            "[0].enroll",
            "`true`, or a map with `name` and `hints`",
        ),
        (
            "[{name: a, enroll: {nam: x}}]",
            "[0].enroll.nam",
            "unknown field `nam`",
        ),
        (
            "[{name: a, match: , enroll: true}]",
            "[0].match",
            "write \"*\": \"*\" to select all",
        ),
        (
            "[{name: a, match: {}, enroll: true}]",
            "[0].match",
            "write \"*\": \"*\" to select all",
        ),
        (
            "[{name: a, match: {env: ['^[$']}, enroll: true}]",
            "[0].match.env[0]",
            "key `env`: pattern `^[$`",
        ),
        (
            "[{name: a, labels: {add: {x: '1', x: '2'}}}]",
            "[0].labels.add",
            "`x` is given twice",
        ),
        (
            "[{name: a, labels: {map: {x: {a: '1', a: '2'}}}}]",
            "[0].labels.map.x",
            "`a` is given twice",
        ),
        (
            "[{name: a, labels: {set: {x: '1'}}}]",
            "[0].labels.set",
            "unknown field `set`",
        ),
    ] {
        let reader = serde_yaml::Deserializer::from_str(yaml);
        let error = serde_path_to_error::deserialize::<_, Vec<RuleFile>>(reader).expect_err(yaml);
        assert_eq!(error.path().to_string(), at, "{yaml}: {error}");
        assert!(
            error.inner().to_string().contains(message),
            "{yaml}: {error}"
        );
    }
}

#[test]
fn rules_survive_a_round_trip() {
    for (file, File { scenarios, .. }) in files::<File>("rules") {
        for rule in scenarios
            .iter()
            .flat_map(|scenario| scenario.rules.iter().flatten())
        {
            let yaml = serde_yaml::to_string(rule).unwrap();
            assert_eq!(
                &serde_yaml::from_str::<RuleFile>(&yaml).unwrap(),
                rule,
                "{file}: {yaml}"
            );
        }
    }
}
