//! The list says what is written, so it is held against the sources of those who write: what nobody writes is not in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::Path};

use super::*;

/// Every file in Rust below `dir` that is no test, with its path.
fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs")
            && !["tests.rs", "_tests.rs", "page.rs", "kinds.rs"]
                .iter()
                .any(|end| name.ends_with(end))
        {
            found.push((
                path.to_string_lossy().into_owned(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
}

fn all() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for dir in ["src", "proxy-core/src", "proxy-core/audit/src"] {
        sources(&root.join(dir), &mut found);
    }
    assert!(found.len() > 100);
    found
}

/// The constants of the list by their names, as they stand in its source.
fn names() -> Vec<(&'static str, &'static Kind)> {
    let source = include_str!("kinds.rs");
    let (_, list) = source.split_once("\nkinds! {\n").unwrap();
    let names = list.lines().filter_map(|line| {
        let (name, rest) = line.trim().split_once(" = \"")?;
        let code = rest.split('"').next()?;
        Some((name, KINDS.iter().find(|kind| kind.code == code)?))
    });
    let names: Vec<_> = names.collect();
    assert_eq!(names.len(), KINDS.len());
    names
}

#[test]
fn every_kind_is_written_by_somebody() {
    let sources = all();
    let (_, ours) = sources
        .iter()
        .find(|(path, _)| path.ends_with("audit/src/event/write.rs"))
        .unwrap();
    for (name, _) in names() {
        // What the pen writes is made of an `Event`, by whoever has a session.
        let line = ours
            .lines()
            .find(|line| line.ends_with(&format!("=> &kinds::{name},")));
        let (wanted, within) = match line.and_then(|line| line.trim().strip_prefix("Self::")) {
            Some(variant) => {
                let variant = variant.split([' ', '{']).next().unwrap();
                (format!("Event::{variant}"), "proxy-core/src/")
            }
            None => (format!("kinds::{name}"), ""),
        };
        let written = sources.iter().any(|(path, text)| {
            path.contains(within)
                && text.match_indices(&wanted).any(|(at, _)| {
                    let next = text[at + wanted.len()..].chars().next();
                    next.is_some_and(|next| !next.is_alphanumeric() && next != '_')
                })
        });
        assert!(written, "nobody writes {name}: there is no `{wanted}`");
    }
}

#[test]
fn every_field_outside_of_sessions_is_written_by_somebody() {
    let sources = all();
    let (_, pen) = sources
        .iter()
        .find(|(path, _)| path.ends_with("audit/src/event/write.rs"))
        .unwrap();
    for (name, kind) in names() {
        if pen.contains(&format!("=> &kinds::{name},")) {
            // `page.rs` holds these against what is really written.
            continue;
        }
        for field in kind.fields {
            // Whoever did it is in every event.
            let given = ["user", "addr.remote"].contains(field);
            let with = format!(".with(\"{field}\", ");
            assert!(
                given || sources.iter().any(|(_, text)| text.contains(&with)),
                "nobody writes the field {field} of {name}"
            );
        }
    }
}

/// Words of a meaning that stand for what is written as it is.
fn quoted(of: &str, list: &'static [(&str, &str)]) -> Vec<&'static str> {
    let (_, meaning) = list.iter().find(|(name, _)| *name == of).unwrap();
    let words: Vec<_> = meaning.split('`').skip(1).step_by(2).collect();
    assert!(!words.is_empty());
    words
}

#[test]
fn the_values_that_the_page_names_are_those_that_are_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let model = fs::read_to_string(root.join("discovery/model/src/kind.rs")).unwrap();
    for word in quoted("db_type", SESSION) {
        assert!(
            model.contains(&format!(" = \"{word}\",\n")),
            "`{word}` is no kind"
        );
    }
    let sources = all();
    for word in quoted("method", MEANINGS)
        .into_iter()
        .chain(quoted("cert_type", MEANINGS))
    {
        let text = format!("Field::Text(\"{word}\")");
        let chosen = format!("{{ \"{word}\" }}");
        let written = sources
            .iter()
            .filter(|(path, _)| path.contains("src/authority/"))
            .any(|(_, source)| source.contains(&text) || source.contains(&chosen));
        assert!(written, "`{word}` is written by nobody");
    }
}
