//! Selectors against the cases in `fixtures/selector/` (adding a case is adding a file), and properties of the
//! static analysis.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{collections::BTreeMap, fs, path::Path};

use proptest::prelude::*;
use serde::Deserialize;

use super::{MAX_KEYS, MAX_REGEXES, MAX_VALUES, Selector, SelectorError};

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What the cases show, for a reader.
    #[serde(rename = "about")]
    _about: String,
    #[serde(default)]
    matching: Vec<Matching>,
    #[serde(default)]
    refused: Vec<Refused>,
    #[serde(default)]
    relations: Vec<Relation>,
}

/// A selector, how it is printed, and labels that it matches or not.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Matching {
    selector: serde_yaml::Value,
    shown: String,
    #[serde(default)]
    contradiction: Option<String>,
    #[serde(default)]
    yes: Vec<Yes>,
    #[serde(default)]
    no: Vec<No>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Yes {
    labels: BTreeMap<String, String>,
    /// The matched requirements, printed.
    because: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct No {
    labels: BTreeMap<String, String>,
    /// The mismatch, printed.
    because: String,
}

/// Text that is no selector.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    /// YAML, as text: some of it could not be part of another file.
    yaml: String,
    /// Where, as a path into it.
    at: String,
    /// What the message says, in part.
    error: String,
}

/// Two selectors, and what is known of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relation {
    one: Selector,
    other: Selector,
    #[serde(default)]
    covers: bool,
    #[serde(default)]
    conflict: Option<String>,
}

fn files() -> Vec<(String, File)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/selector");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let file =
                serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, file)
        })
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(files.len() >= 3, "fixtures/selector holds the cases");
    files
}

fn lookup<'a>(labels: &'a BTreeMap<String, String>) -> impl Fn(&str) -> Option<&'a str> {
    |key| labels.get(key).map(String::as_str)
}

#[test]
fn fixtures_match_as_they_say() {
    for (name, file) in files() {
        for case in &file.matching {
            let selector: Selector = serde_yaml::from_value(case.selector.clone())
                .unwrap_or_else(|error| panic!("{name}: {}: {error}", case.shown));
            assert_eq!(selector.to_string(), case.shown, "{name}");
            assert_eq!(
                selector.contradiction(),
                case.contradiction,
                "{name}: {selector}"
            );
            for Yes { labels, because } in &case.yes {
                let matched = selector.matches(lookup(labels));
                let matched =
                    matched.unwrap_or_else(|why| panic!("{name}: {selector} on {labels:?}: {why}"));
                let reasons: Vec<_> = matched.iter().map(ToString::to_string).collect();
                assert_eq!(&reasons, because, "{name}: {selector} on {labels:?}");
                assert!(selector.is_match(lookup(labels)));
            }
            for No { labels, because } in &case.no {
                let mismatch = selector
                    .matches(lookup(labels))
                    .map(|matched| matched.len());
                let mismatch = mismatch.expect_err(&format!("{name}: {selector} on {labels:?}"));
                assert_eq!(
                    &mismatch.to_string(),
                    because,
                    "{name}: {selector} on {labels:?}"
                );
                assert!(!selector.is_match(lookup(labels)));
            }
        }
    }
}

#[test]
fn fixtures_are_refused_with_place_and_reason() {
    for (name, file) in files() {
        for case in &file.refused {
            let reader = serde_yaml::Deserializer::from_str(&case.yaml);
            let error = serde_path_to_error::deserialize::<_, Selector>(reader)
                .map(|selector| selector.to_string())
                .expect_err(&format!("{name}: {}", case.yaml));
            assert_eq!(
                error.path().to_string(),
                case.at,
                "{name}: {}: {error}",
                case.yaml
            );
            let message = error.inner().to_string();
            assert!(
                message.contains(&case.error),
                "{name}: {}: says {message}",
                case.yaml
            );
        }
    }
}

#[test]
fn fixtures_relate_as_they_say() {
    for (name, file) in files() {
        for Relation {
            one,
            other,
            covers,
            conflict,
        } in &file.relations
        {
            assert_eq!(
                one.covers(other),
                *covers,
                "{name}: does `{one}` cover `{other}`"
            );
            assert_eq!(
                one.conflict(other),
                conflict.as_deref(),
                "{name}: `{one}` with `{other}`"
            );
            assert_eq!(
                other.conflict(one),
                conflict.as_deref(),
                "{name}: `{other}` with `{one}`"
            );
        }
    }
}

#[test]
fn every_fixture_selector_survives_a_round_trip() {
    for (name, file) in files() {
        for case in &file.matching {
            let selector: Selector = serde_yaml::from_value(case.selector.clone()).unwrap();
            let yaml = serde_yaml::to_string(&selector).unwrap();
            assert_eq!(
                serde_yaml::from_str::<Selector>(&yaml).unwrap(),
                selector,
                "{name}: {yaml}"
            );
            let json = serde_json::to_string(&selector).unwrap();
            assert_eq!(
                serde_json::from_str::<Selector>(&json).unwrap(),
                selector,
                "{name}: {json}"
            );
        }
    }
}

#[test]
fn sizes_are_bounded() {
    let keys = |count: usize| Selector::of((0..count).map(|n| (format!("k{n}"), ["v"])));
    assert!(keys(MAX_KEYS).is_ok());
    assert_eq!(keys(MAX_KEYS + 1), Err(SelectorError::TooManyKeys));

    let values = |count: usize| Selector::of([("k", (0..count).map(|n| format!("v{n}")))]);
    assert!(values(MAX_VALUES).is_ok());
    assert_eq!(
        values(MAX_VALUES + 1),
        Err(SelectorError::TooManyValues { key: "k".into() })
    );

    let regexes = |count: usize| Selector::of([("k", (0..count).map(|n| format!("^v{n}$")))]);
    assert!(regexes(MAX_REGEXES).is_ok());
    assert_eq!(regexes(MAX_REGEXES + 1), Err(SelectorError::TooManyRegexes));

    let long = Selector::of([("k", ["a".repeat(1025)])])
        .unwrap_err()
        .to_string();
    assert!(
        long.contains("longer than 1024 bytes") && long.len() < 120,
        "{long}"
    );
    let large = Selector::of([("k", ["^(\\w{100}){100}$"])])
        .unwrap_err()
        .to_string();
    assert!(large.contains("when compiled"), "{large}");
    let deep = format!("^{}a{}$", "(".repeat(100), ")".repeat(100));
    assert!(Selector::of([("k", [deep])]).is_err());
}

#[test]
fn what_others_wrote_is_cut_and_escaped_in_reasons() {
    let selector = Selector::of([("env", ["prod"])]).unwrap();
    let value = format!("\u{1b}[2J{}", "x".repeat(500));
    let reason = selector
        .matches(|_| Some(value.as_str()))
        .unwrap_err()
        .to_string();
    assert!(
        reason.starts_with("env is `\\u{1b}[2Jxxx") && reason.ends_with("…`, asked for [prod]"),
        "{reason}"
    );
    assert!(reason.len() < 200);
}

#[test]
fn the_schema_knows_the_words() {
    let schema = serde_json::to_string(&schemars::schema_for!(Selector)).unwrap();
    for word in [
        "\"in\"",
        "\"not\"",
        "\"exists\"",
        "\"minProperties\":1",
        "\"additionalProperties\":false",
    ] {
        assert!(schema.contains(word), "{word} in {schema}");
    }
}

/// Patterns over a small alphabet, so that they meet each other and the values.
fn any_pattern() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab]{0,3}", 4 => "[ab*]{1,4}", 1 => Just("^a|b$".to_owned()), 1 => Just("^a*$".to_owned())]
}

fn any_requirement() -> impl Strategy<Value = serde_json::Value> {
    let patterns = || prop::option::of(prop::collection::vec(any_pattern(), 1..3));
    (patterns(), patterns(), prop::option::of(any::<bool>()))
        .prop_filter("something is asked", |(any_of, none_of, exists)| {
            any_of.is_some() || none_of.is_some() || exists.is_some()
        })
        .prop_map(|(any_of, none_of, exists)| {
            let mut map = serde_json::Map::new();
            any_of.map(|list| map.insert("in".into(), list.into()));
            none_of.map(|list| map.insert("not".into(), list.into()));
            exists.map(|exists| map.insert("exists".into(), exists.into()));
            map.into()
        })
}

fn any_selector() -> impl Strategy<Value = Selector> {
    prop::collection::btree_map("[xy]", any_requirement(), 1..3).prop_map(|keys| {
        serde_json::from_value(keys.into_iter().collect::<serde_json::Map<_, _>>().into()).unwrap()
    })
}

fn any_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[xy]", "[ab]{0,4}", 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn analysis_says_only_what_is_certain(
        one in any_selector(),
        other in any_selector(),
        many in prop::collection::vec(any_labels(), 1..12),
    ) {
        prop_assert!(one.covers(&one), "{one}");
        prop_assert!(Selector::all().covers(&one));
        for labels in &many {
            let (first, second) = (one.is_match(lookup(labels)), other.is_match(lookup(labels)));
            if one.covers(&other) {
                prop_assert!(first || !second, "{one} covers {other}, {labels:?}");
            }
            if let Some(key) = one.conflict(&other) {
                prop_assert!(!(first && second), "{one} and {other} conflict on {key}, {labels:?}");
            }
            if let Some(why) = one.contradiction() {
                prop_assert!(!first, "{one}: {why}: {labels:?}");
            }
            for key in ["x", "y"] {
                let possible = match labels.get(key) {
                    Some(value) => one.can_match_value(key, value),
                    None => one.can_match_absent(key),
                };
                prop_assert!(possible || !first, "{one} on {key}, {labels:?}");
            }
        }
    }

    #[test]
    fn a_glob_matches_as_the_regex_that_it_stands_for(glob in "[ab.*]{1,6}", value in "[ab.]{0,8}") {
        let regex = format!("^{}$", regex::escape(&glob).replace("\\*", ".*"));
        let expected = super::Pattern::parse(&regex).unwrap().matches(&value);
        prop_assert_eq!(super::Pattern::parse(&glob).unwrap().matches(&value), expected, "{}", glob);
    }

    #[test]
    fn any_text_is_a_pattern_or_an_error(pattern in "\\PC{0,12}", value in "\\PC{0,12}") {
        for text in [pattern.clone(), format!("^{pattern}$")] {
            if let Ok(pattern) = super::Pattern::parse(&text) {
                pattern.matches(&value);
            }
        }
    }
}
