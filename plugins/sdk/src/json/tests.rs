#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};

use super::{Error, Value, parse};

fn read<T: DeserializeOwned>(json: &str) -> Result<T, (String, String)> {
    parse(json)
        .and_then(T::deserialize)
        .map_err(Error::into_parts)
}

#[test]
fn what_is_json_is_read() {
    let text = |text: &str| Value::Text(text.to_owned());
    for (json, value) in [
        ("null", Value::Null),
        (" true ", Value::Bool(true)),
        ("0", Value::Positive(0)),
        ("-0", Value::Negative(0)),
        ("18446744073709551615", Value::Positive(u64::MAX)),
        ("-9223372036854775808", Value::Negative(i64::MIN)),
        (
            "18446744073709551616",
            Value::Float(18_446_744_073_709_551_616.0),
        ),
        ("1.5e-3", Value::Float(0.0015)),
        ("1E2", Value::Float(100.0)),
        (r#""""#, text("")),
        (r#""a\n\"\\\/\u00e9\ud83d\ude00ö""#, text("a\n\"\\/é😀ö")),
        ("[]", Value::List(Vec::new())),
        (
            "[1 , [2]]",
            Value::List(vec![
                Value::Positive(1),
                Value::List(vec![Value::Positive(2)]),
            ]),
        ),
        ("{ }", Value::Map(Vec::new())),
        (
            r#"{"a" : {"b":null}}"#,
            Value::Map(vec![(
                "a".to_owned(),
                Value::Map(vec![("b".to_owned(), Value::Null)]),
            )]),
        ),
    ] {
        assert_eq!(parse(json), Ok(value), "{json}");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for json in [
        "",
        " ",
        "nul",
        "nulll",
        "tru",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e999",
        "1 2",
        "[1,]",
        "[,]",
        "[1",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "\"",
        "\"\n\"",
        r#""\x""#,
        r#""\u12""#,
        r#""\u+123""#,
        r#""\ud83d""#,
        r#""\ud83d\u0041""#,
        r#""\udc00""#,
        "NaN",
        "[1}",
        "{\"a\":1]",
        "\u{feff}1",
    ] {
        assert!(parse(json).is_err(), "{json}");
    }
    let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(&deep(100)).is_ok());
    assert!(parse(&deep(100_000)).is_err());
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Everything {
    flag: bool,
    small: u8,
    signed: i32,
    ratio: f32,
    letter: Option<char>,
    pair: (String, u64),
    list: Vec<Choice>,
    map: BTreeMap<String, Inner>,
    wrapped: Wrapped,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Wrapped(Vec<u16>);

#[derive(Debug, Deserialize, PartialEq)]
struct Inner {
    needed: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Choice {
    Plain,
    One(u8),
    Two(u8, u8),
    Named { a: bool },
}

#[test]
fn serde_makes_everything_of_it() {
    let json = r#"{
        "flag": true, "small": 255, "signed": -7, "ratio": 1, "letter": "x", "pair": ["a", 1],
        "list": ["plain", {"one": 1}, {"two": [1, 2]}, {"named": {"a": true}}, {"plain": null}],
        "map": {"k": {"needed": "y", "more": [{}]}},
        "wrapped": [1]
    }"#;
    let wanted = Everything {
        flag: true,
        small: 255,
        signed: -7,
        ratio: 1.0,
        letter: Some('x'),
        pair: ("a".to_owned(), 1),
        list: vec![
            Choice::Plain,
            Choice::One(1),
            Choice::Two(1, 2),
            Choice::Named { a: true },
            Choice::Plain,
        ],
        map: BTreeMap::from([(
            "k".to_owned(),
            Inner {
                needed: "y".to_owned(),
            },
        )]),
        wrapped: Wrapped(vec![1]),
    };
    assert_eq!(read(json), Ok(wanted));
}

#[test]
fn errors_say_where_and_what() {
    for (json, path, message) in [
        ("[]", "", "is a list, expected struct Everything"),
        (r#"{"flag": 1}"#, "flag", "is 1, expected a boolean"),
        (r#"{"small": 256}"#, "small", "is 256, expected u8"),
        (
            r#"{"small": 1.5}"#,
            "small",
            "is a number with a point, expected u8",
        ),
        (r#"{"signed": "1"}"#, "signed", "is \"1\", expected i32"),
        (
            r#"{"pair": ["a"]}"#,
            "pair",
            "invalid length 1, expected a tuple of size 2",
        ),
        (
            r#"{"pair": ["a", 1, 2]}"#,
            "pair",
            "is a list of 3, expected 2",
        ),
        (
            r#"{"list": ["plain", "odd"]}"#,
            "list.1",
            "unknown variant `odd`, expected one of `plain`, `one`, `two`, `named`",
        ),
        (
            r#"{"list": [{"plain": 1}]}"#,
            "list.0",
            "has a number, expected nothing",
        ),
        (
            r#"{"list": [{"one": 1, "two": 2}]}"#,
            "list.0",
            "has 2 keys, expected one",
        ),
        (
            r#"{"list": [null]}"#,
            "list.0",
            "is null, expected a text or a map of one",
        ),
        (r#"{"map": {"k": {}}}"#, "map.k", "missing field `needed`"),
        (
            r#"{"map": {"k": {"needed": {}}}}"#,
            "map.k.needed",
            "is a map, expected a string",
        ),
        (
            r#"{"wrapped": [1, -1]}"#,
            "wrapped.1",
            "is -1, expected u16",
        ),
        (
            r#"{"falg": true}"#,
            "falg",
            "unknown field `falg`, expected one of ",
        ),
        ("{", "", "no JSON: expected a text at byte 1"),
    ] {
        let (found, said) = read::<Everything>(json).unwrap_err();
        assert_eq!(found, path, "{json}: {said}");
        assert!(said.starts_with(message), "{json}: {said}");
    }
}
