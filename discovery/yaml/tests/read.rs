//! Lines, keys given twice, bounds; and that the trees are what `serde_yaml` reads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use muster_yaml::{Content, Node, Settings, Twice, Wrong, all, one};
use proptest::prelude::*;
use serde_json::{Value, json};

const SETTINGS: Settings = Settings {
    most_values: 1000,
    child: |path, key| format!("{path}/{key}"),
};

fn read(text: &str) -> Node<Value> {
    one(text, SETTINGS).unwrap().root
}

/// The lines of all values, in the order of the text.
fn lines(node: &Node<Value>) -> Vec<(String, Option<usize>)> {
    fn walk(node: &Node<Value>, path: String, lines: &mut Vec<(String, Option<usize>)>) {
        lines.push((path.clone(), node.line));
        match &node.content {
            Content::Scalar(_) => {}
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, format!("{path}[{index}]"), lines);
                }
            }
            Content::Map(entries) => {
                for (key, value) in entries {
                    walk(value, format!("{path}/{key}"), lines);
                }
            }
        }
    }
    let mut all = Vec::new();
    walk(node, String::new(), &mut all);
    all
}

#[test]
fn every_value_knows_its_line() {
    let text = "# a comment\na: 1\nb:\n  - x\n  -\n    c: 'two\n      lines'\n    d: |\n      long\n      text\n    e: [1,\n      2]\nf:\n";
    let found: Vec<_> = lines(&read(text))
        .into_iter()
        .map(|(path, line)| format!("{path} {}", line.unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            " 2",
            "/a 2",
            "/b 3",
            "/b[0] 4",
            "/b[1] 6",
            "/b[1]/c 6",
            "/b[1]/d 8",
            "/b[1]/e 11",
            "/b[1]/e[0] 11",
            "/b[1]/e[1] 12",
            "/f 13",
        ]
    );
}

#[test]
fn a_key_that_is_given_twice_counts_once_and_is_told() {
    let document = one::<Value>("a: {x: 1}\nb: 2\na:\n  y: 3\n  y: 4\n", SETTINGS).unwrap();
    assert_eq!(document.root.value(), json!({"a": {"x": 1}, "b": 2}));
    let twice = |path: &str, line, first| Twice {
        path: path.to_owned(),
        line,
        first,
    };
    assert_eq!(document.twice, [twice("/a/y", 5, 4), twice("/a", 3, 1)]);
}

#[test]
fn keys_are_words_whatever_they_look_like() {
    let node = read("1: a\ntrue: b\n1.5: c\n~: d\n-2: e\n");
    let Content::Map(entries) = node.content else {
        panic!("no map");
    };
    let keys: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["1", "true", "1.5", "null", "-2"]);
}

#[test]
fn documents_are_read_up_to_the_one_that_is_wrong() {
    let read = all::<Value>(
        "a: 1\n---\nb: 2\nb: 3\n---\nc: 4\nc: 5\n\t- x: [\n---\nd: 6\n",
        SETTINGS,
    );
    let values: Vec<_> = read.documents.iter().map(|one| one.root.value()).collect();
    assert_eq!(values, [json!({"a": 1}), json!({"b": 2})]);
    assert_eq!(
        read.documents
            .iter()
            .map(|one| one.twice.len())
            .collect::<Vec<_>>(),
        [0, 1]
    );
    let Some(Wrong::Syntax { line, message, .. }) = read.wrong else {
        panic!("{:?}", read.wrong);
    };
    assert!(
        line >= 7 && !message.contains(" at line "),
        "{line} {message}"
    );
    assert!(matches!(
        one::<Value>("a: 1\n---\nb: 2\n", SETTINGS),
        Err(Wrong::Syntax { message, .. }) if message.contains("more than one document")
    ));
}

#[test]
fn what_is_too_much_is_refused_before_it_costs_anything() {
    let brackets = format!("a: 1\nb: {}", "[".repeat(100_000));
    assert_eq!(
        one::<Value>(&brackets, SETTINGS).unwrap_err(),
        Wrong::Brackets { line: 2 }
    );
    // Each of ten aliases is ten times the one before.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let last = format!("*a{}", n - 1);
        bomb += &format!("a{n}: &a{n} [{}]\n", [last.as_str(); 10].join(", "));
    }
    for text in [bomb, "- x\n".repeat(1000)] {
        let Err(Wrong::Syntax { message, .. }) = one::<Value>(&text, SETTINGS) else {
            panic!("was read");
        };
        assert!(
            message.contains("more than 1000 values") || message.contains("repetition limit"),
            "{message}"
        );
    }
    // The bound is one for the whole text.
    let parts = "- x\n- x\n---\n".repeat(400);
    assert_eq!(all::<Value>(&parts, SETTINGS).documents.len(), 333);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[ -~äß€\n\t]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[ -~ä]{0,8}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_yaml_writes_is_read_as_it_was(value in value()) {
        let text = serde_yaml::to_string(&value).unwrap();
        prop_assert_eq!(read(&text).value(), value);
    }

    #[test]
    fn the_same_is_read_as_serde_yaml_reads(text in "[a-c:\\-\\[\\]{}&*'\"|>#,! \n0-9.~]{0,60}") {
        let ours = one::<Value>(&text, SETTINGS);
        // Of a key that is given twice we take the first, and it the last.
        if let (Ok(ours), Ok(theirs)) = (ours, serde_yaml::from_str::<Value>(&text))
            && ours.twice.is_empty()
        {
            prop_assert_eq!(ours.root.value(), theirs);
        }
    }
}
