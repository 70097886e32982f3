//! What holds for all rules and databases.

use std::collections::BTreeMap;

use muster_matchers::{Chain, EnrollFile, LabelsFile, RuleFile};
use muster_model::{Decision, Labels, Origin, Selector};
use proptest::prelude::*;

use crate::{
    own::none,
    world::{Db, everything},
};

/// Keys that meet each other, and muster's own among them.
fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["env", "team", "tier", "aws:stack", "Environment"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["engine", "region", "account-id", "endpoint-type", "vpc-id"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["muster/x", "teleport.dev/origin", "teleport.internal/y"]).prop_map(str::to_owned),
        1 => "\\PC{1,8}",
    ]
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["prod", "dev", "cloud", "postgres", ""]).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => Just("{{ identifier }}".to_owned()),
    ]
}

fn any_template() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => any_value(),
        1 => Just("{{ tags.env }}".to_owned()),
        1 => Just("{{ labels[\"env\"] | default(region) }}-{{ identifier }}".to_owned()),
        1 => "\\{\\{ [a-z.()|+~\" ]{0,12} \\}\\}",
    ]
}

pub fn any_db() -> impl Strategy<Value = Db> {
    let names = prop_oneof![3 => "[a-z][a-z0-9-]{0,8}", 1 => "\\PC{0,8}"];
    (
        names,
        prop::collection::btree_map(any_key(), any_value(), 0..6),
        any::<bool>(),
    )
        .prop_map(|(identifier, tags, elsewhere)| Db {
            identifier,
            tags,
            region: if elsewhere { "eu-west-1" } else { "us-east-1" }.to_owned(),
            ..Db::default()
        })
}

fn any_labels() -> impl Strategy<Value = LabelsFile> {
    let texts = || prop::collection::btree_map(any_key(), any_key(), 0..3);
    let templates = prop::collection::btree_map(any_key(), any_template(), 0..3);
    let maps = prop::collection::btree_map(
        any_key(),
        prop::collection::btree_map(any_value(), any_value(), 1..3),
        0..2,
    );
    let drops = prop::collection::vec(
        prop_oneof![any_key(), Just("*".to_owned()), Just("aws:*".to_owned())],
        0..2,
    );
    (texts(), maps, drops, templates).prop_map(|(rename, map, drop, add)| LabelsFile {
        rename,
        map,
        drop,
        add,
    })
}

pub fn any_rule() -> impl Strategy<Value = RuleFile> {
    let select = prop::option::of(
        prop::collection::btree_map(
            "(env|team|region|engine)",
            prop::collection::vec(any_value(), 1..3),
            1..3,
        )
        .prop_filter_map("a selector", |keys| Selector::of(keys).ok()),
    );
    let outcome = prop_oneof![
        2 => prop::option::of(any_template()).prop_map(|name| (Some(EnrollFile { name, ..EnrollFile::default() }), None)),
        1 => Just((None, Some("not for people".to_owned()))),
        2 => Just((None, None)),
    ];
    (
        "[a-z]{1,6}",
        select,
        outcome,
        prop::option::of(any_labels()),
    )
        .prop_map(|(name, select, (enroll, skip), labels)| RuleFile {
            name,
            r#match: select,
            plugin: None,
            enroll,
            skip,
            labels,
        })
}

/// Few keys and few values: rules that cover each other, and that undo what the other one needs.
fn any_narrow_map(least: usize) -> impl Strategy<Value = BTreeMap<String, String>> {
    let values = prop::sample::select(vec!["prod", "dev"]).prop_map(str::to_owned);
    prop::collection::btree_map("(env|team)", values, least..3)
}

fn any_narrow_rule() -> impl Strategy<Value = RuleFile> {
    let values = prop::collection::vec(prop::sample::select(vec!["prod", "dev", "p*", "*"]), 1..3);
    let asked = prop_oneof![
        3 => values.clone().prop_map(|values| serde_json::json!(values)),
        1 => values.prop_map(|values| serde_json::json!({ "not": values })),
        1 => any::<bool>().prop_map(|exists| serde_json::json!({ "exists": exists })),
    ];
    let select = prop::collection::btree_map("(env|team|region)", asked, 1..3)
        .prop_map(|keys| serde_json::from_value(serde_json::json!(keys)).unwrap());
    let rename =
        prop_oneof![3 => Just(("", "")), 1 => Just(("team", "env")), 1 => Just(("env", "team"))];
    let drop = prop::option::of(prop::sample::select(vec!["env", "t*"]));
    let labels = (rename, drop, any_narrow_map(0)).prop_map(|((old, new), drop, add)| LabelsFile {
        rename: (!old.is_empty())
            .then(|| (old.to_owned(), new.to_owned()))
            .into_iter()
            .collect(),
        drop: drop.map(str::to_owned).into_iter().collect(),
        add,
        ..LabelsFile::default()
    });
    ("[a-z]{6}", select, any::<bool>(), labels).prop_map(|(name, select, enroll, labels)| {
        RuleFile {
            name,
            r#match: Some(select),
            plugin: None,
            enroll: enroll.then(EnrollFile::default),
            skip: None,
            labels: Some(labels).filter(|labels| !enroll && *labels != LabelsFile::default()),
        }
    })
}

/// Rules as a person may write them, less what is refused: so that many of them are judged by.
pub fn accepted(rules: &[RuleFile]) -> Vec<RuleFile> {
    let mut kept: Vec<RuleFile> = Vec::new();
    for rule in rules {
        kept.push(rule.clone());
        if Chain::build(everything(), Some(&kept), &none()).is_err() {
            kept.pop();
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn judging_is_deterministic_and_looks_at_no_other_database(
        rules in prop::collection::vec(any_rule(), 0..6),
        dbs in prop::collection::vec(any_db(), 1..6),
    ) {
        let rules = accepted(&rules);
        let (chain, warnings) = Chain::build(everything(), Some(&rules), &none()).unwrap();
        let (again, same_warnings) = Chain::build(everything(), Some(&rules), &none()).unwrap();
        prop_assert_eq!(warnings, same_warnings);
        let alone: Vec<_> = dbs.iter().map(|db| chain.judge(&db.build())).collect();
        for (db, judgement) in dbs.iter().zip(&alone).rev() {
            prop_assert_eq!(&again.judge(&db.build()), judgement);
            prop_assert!(!judgement.trace.steps.is_empty());
        }
    }

    #[test]
    fn no_tag_and_no_rule_can_forge_a_reserved_label(
        rules in prop::collection::vec(any_rule(), 0..6),
        db in any_db(),
    ) {
        let rules = accepted(&rules);
        for rules in [Some(rules.as_slice()), None] {
            let (chain, _) = Chain::build(everything(), rules, &none()).unwrap();
            let database = db.build();
            if let Decision::Enroll(enrollment) = chain.judge(&database).decision {
                let mut derived = BTreeMap::new();
                for (key, label) in enrollment.labels.iter().filter(|(key, _)| Labels::is_reserved(key)) {
                    prop_assert_eq!(&label.origin, &Origin::Derived, "{}", key);
                    derived.insert(key.to_owned(), label.value.clone());
                }
                prop_assert_eq!(&derived, &database.derived);
            }
        }
    }

    #[test]
    fn every_name_is_a_valid_one(rules in prop::collection::vec(any_rule(), 0..4), db in any_db()) {
        let rules = accepted(&rules);
        let (chain, _) = Chain::build(everything(), Some(&rules), &none()).unwrap();
        if let Decision::Enroll(enrollment) = chain.judge(&db.build()).decision {
            for name in [enrollment.name, enrollment.short_name] {
                prop_assert!((1..=255).contains(&name.len()), "{}", name);
                prop_assert!(name.starts_with(|first: char| first.is_ascii_alphanumeric()), "{}", name);
                prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{}", name);
            }
        }
    }

    /// A warning says "never": then never.
    #[test]
    fn a_rule_that_is_said_never_to_match_never_does(
        rules in prop::collection::vec(any_narrow_rule(), 2..6),
        source_tags in prop::option::of(prop::sample::select(vec!["prod", "dev"])),
        tags in prop::collection::vec(any_narrow_map(0), 1..12),
    ) {
        let rules = accepted(&rules);
        let mut sources = everything();
        for source in &mut sources {
            source.regions = Some(["us-east-1".to_owned()].into());
            if let Some(value) = source_tags {
                source.tags = Selector::of([("env", [value])]).unwrap();
            }
        }
        let (chain, warnings) = Chain::build(sources, Some(&rules), &none()).unwrap();
        for tags in tags {
            let db = Db { tags, ..Db::default() };
            for place in chain.judge(&db.build()).matched {
                let path = format!("rules[{place}].match");
                let never = warnings.iter().find(|warning| warning.path == path);
                prop_assert!(never.is_none(), "{:?} on {:?} with {:#?}", never, db, rules);
            }
        }
    }

    #[test]
    fn any_template_text_is_a_template_or_a_problem(text in "\\PC{0,24}", db in any_db()) {
        for text in [text.clone(), format!("{{{{ {text} }}}}")] {
            let rule = RuleFile {
                name: "any".to_owned(),
                r#match: None,
                plugin: None,
                enroll: Some(EnrollFile { name: Some(text), ..EnrollFile::default() }),
                skip: None,
                labels: None,
            };
            if let Ok((chain, _)) = Chain::build(everything(), Some(&[rule]), &none()) {
                chain.judge(&db.build());
            }
        }
    }
}
