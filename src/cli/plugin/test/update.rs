//! `--update`: writes what was found in place of what was expected, and leaves everything else in the file alone.
//!
//! It works on lines, since no YAML library writes comments back. What comes of it is read again, and must differ in
//! nothing but these expectations: a file that is laid out in another way is not touched.

use super::{cases::Cases, expect::Expected};

/// Why a file was not rewritten.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unwritable {
    /// The line of the case.
    pub line: Option<usize>,
    /// Why.
    pub why: &'static str,
}

const UNKNOWN: &str = "its line is not known";

/// The text with these expectations (the place of a case among all, and what it is to expect).
///
/// # Errors
/// Where the file is not laid out in lines of its own for each expectation.
pub(super) fn rewrite(
    cases: &Cases,
    mut changes: Vec<(usize, Expected)>,
) -> Result<String, Unwritable> {
    // From behind, so that the lines before stay where they are.
    changes.sort_by_key(|(place, _)| {
        let line = cases.all.get(*place).and_then(|case| case.line);
        std::cmp::Reverse((line, *place))
    });
    let mut lines: Vec<String> = cases.text.lines().map(str::to_owned).collect();
    for (place, expected) in &changes {
        let Some(case) = cases.all.get(*place) else {
            continue;
        };
        let unwritable = |why| Unwritable {
            line: case.line,
            why,
        };
        let line = |path: &str| {
            let line = cases
                .document
                .line(path)
                .and_then(|line| line.checked_sub(1));
            line.ok_or_else(|| unwritable(UNKNOWN))
        };
        let lost = || unwritable(UNKNOWN);
        let path = format!("{}.expect", case.path);
        if cases.document.value(&path).is_some() {
            let at = line(&path)?;
            let text = lines.get(at).cloned().ok_or_else(lost)?;
            let (before, after) = text
                .split_once("expect:")
                .filter(|(before, _)| before.chars().all(|letter| letter == ' ' || letter == '-'))
                .ok_or_else(|| unwritable("`expect` is not the first key of its line"))?;
            let column = before.chars().count();
            let comment = match after.trim_start() {
                comment if comment.starts_with('#') => format!(" {comment}"),
                _ => String::new(),
            };
            let end = extent(&lines, at, column + 1);
            let new = written(before, column, &comment, expected);
            lines.splice(at..end, new);
        } else {
            let at = line(&case.path)?;
            let text = lines.get(at).cloned().ok_or_else(lost)?;
            let column = text
                .chars()
                .take_while(|letter| *letter == ' ' || *letter == '-')
                .count();
            let end = extent(&lines, at, column);
            let new = written(&" ".repeat(column), column, "", expected);
            lines.splice(end..end, new);
        }
    }
    let end = if cases.text.contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let text: String = lines.iter().flat_map(|line| [line, end]).collect();
    check(cases, &changes, &text).map(|()| text)
}

/// The line after the last one of what begins in line `at` and is indented by at least `column`. Empty lines and
/// comments behind it are not part of it.
fn extent(lines: &[String], at: usize, column: usize) -> usize {
    let mut end = at + 1;
    for (place, line) in lines.iter().enumerate().skip(at + 1) {
        let text = line.trim_start_matches(' ');
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if line.len() - text.len() < column {
            break;
        }
        end = place + 1;
    }
    end
}

fn written(before: &str, column: usize, comment: &str, expected: &Expected) -> Vec<String> {
    let lines = expected.lines();
    let mut new = Vec::new();
    match lines.as_slice() {
        // A word.
        [word] if !word.contains(':') => new.push(format!("{before}expect: {word}{comment}")),
        lines => {
            new.push(format!("{before}expect:{comment}"));
            let indent = " ".repeat(column + 2);
            // Texts of several lines have empty ones.
            let indented = |line: &String| format!("{indent}{line}").trim_end().to_owned();
            new.extend(lines.iter().map(indented));
        }
    }
    new
}

/// Reads the new text, and compares.
fn check(cases: &Cases, changes: &[(usize, Expected)], text: &str) -> Result<(), Unwritable> {
    let unwritable = |line| Unwritable {
        line,
        why: "it is not laid out in lines of its own",
    };
    let line = changes
        .last()
        .and_then(|(place, _)| cases.all.get(*place)?.line);
    let again = Cases::parse(&cases.path, text.to_owned(), false).map_err(|_| unwritable(line))?;
    if again.all.len() != cases.all.len() {
        return Err(unwritable(line));
    }
    for (place, (old, new)) in cases.all.iter().zip(&again.all).enumerate() {
        let change = changes.iter().find(|(changed, _)| *changed == place);
        let expected = change.map_or(old.expected.as_ref(), |(_, expected)| Some(expected));
        let same = old.name == new.name
            && old.settings == new.settings
            && old.sample.database == new.sample.database
            && old.sample.labels == new.sample.labels
            && old.sample.first_seen == new.sample.first_seen
            && new.expected.as_ref() == expected;
        if !same {
            return Err(unwritable(old.line));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )]

    use std::{collections::BTreeMap, path::Path};

    use super::*;
    use crate::cli::plugin::verdict::Said;

    fn cases(text: &str) -> Cases {
        Cases::parse(Path::new("tests.yaml"), text.to_owned(), false).expect("cases")
    }

    fn skip(reason: &str) -> Said {
        Said::Skip {
            reason: reason.to_owned(),
        }
    }

    fn enroll(labels: &[(&str, &str)]) -> Said {
        let labels: BTreeMap<_, _> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Said::Enroll {
            name: None,
            labels,
            hints: BTreeMap::new(),
            reason: "because".to_owned(),
        }
    }

    /// What becomes of a file when its cases come out so.
    fn updated(text: &str, said: &[(usize, Said)]) -> Result<String, Unwritable> {
        let cases = cases(text);
        let changes = said
            .iter()
            .map(|(place, said)| {
                (
                    *place,
                    Expected::of(said, cases.all[*place].expected.as_ref()),
                )
            })
            .collect();
        rewrite(&cases, changes)
    }

    const FILE: &str = "\
# Kept.
settings: { a: 1 }   # kept
cases:
  # Kept, before the first.
  - name: first  # kept
    database: { name: a }
    expect:  # kept
      enroll:
        labels: { env: prod }  # lost

  # Kept, before the second.
  - expect: skip
    name: second
    database:
      # kept
      name: b
  - name: third
    database: { name: c }
    # Kept, at the end.
";

    #[test]
    fn only_expectations_change() {
        let said = [
            (0, enroll(&[("env", "dev"), ("team", "a")])),
            (1, enroll(&[("env", "dev")])),
            (2, skip("no: \"reason\"")),
        ];
        let want = "\
# Kept.
settings: { a: 1 }   # kept
cases:
  # Kept, before the first.
  - name: first  # kept
    database: { name: a }
    expect: # kept
      enroll:
        labels:
          env: dev

  # Kept, before the second.
  - expect:
      enroll:
        labels:
          env: dev
        reason: because
    name: second
    database:
      # kept
      name: b
  - name: third
    database: { name: c }
    expect:
      skip: 'no: \"reason\"'
    # Kept, at the end.
";
        assert_eq!(updated(FILE, &said).unwrap(), want);
        let windows = FILE.replace('\n', "\r\n");
        assert_eq!(
            updated(&windows, &said).unwrap(),
            want.replace('\n', "\r\n")
        );
    }

    #[test]
    fn a_list_without_a_map_around_it_is_rewritten_too() {
        let text = "- name: a\n  database: {}\n  expect:\n    skip: |\n      one\n\n      two\n- name: b\n  database: {}\n";
        let want = "- name: a\n  database: {}\n  expect:\n    skip: other\n- name: b\n  database: {}\n  expect:\n    skip: b\n";
        assert_eq!(
            updated(text, &[(1, skip("b")), (0, skip("other"))]).unwrap(),
            want
        );
    }

    #[test]
    fn reasons_of_every_kind_come_back_as_they_were() {
        for reason in [
            "",
            " ",
            "yes",
            "1",
            "null",
            "# no",
            "a: b",
            "- x",
            "\u{fc}\u{1f600}",
            "'",
            "\"",
            "\\",
            "{",
            "%",
            "@",
            "~",
            "one  two ",
        ] {
            let text = updated("- name: a\n  database: {}\n", &[(0, skip(reason))]).unwrap();
            let expected = cases(&text).all[0].expected.clone();
            assert_eq!(
                expected,
                Some(Expected::Skip(Some(reason.to_owned()))),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_laid_out_otherwise_is_left_alone() {
        for text in [
            "[{ name: a, database: {}, expect: skip }]",
            "- { name: a, database: {}, expect: skip }\n",
            "- name: a\n  database: {}\n  \"expect\": skip\n",
            "- name: a\n  database: {}\n  ? expect\n  : skip\n",
        ] {
            let error = updated(text, &[(0, enroll(&[]))]).unwrap_err();
            assert_eq!(error.line, Some(1), "{text}");
        }
    }

    /// Whatever the file looks like, it is rewritten as meant or not at all: `rewrite` compares, and nothing panics.
    #[test]
    fn no_file_is_too_odd() {
        let seeds = [
            FILE,
            "- &a\n  name: a\n  database: {}\n  expect:\n    skip: |\n      one\n      two\n- name: b\n  database: {name: b}\n",
            "cases:\n- name: a\n  database: &d\n    tags: &t {a: b}\n  expect: &e\n    enroll:\n      labels: *t\n- name: b\n  database: *d\n  expect: *e\n",
            "cases: &c\n  - {name: a, database: {}}\n  - name: b\n    expect: pass\n    database: {}\nsettings: *c\n",
        ];
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut below = move |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % limit.max(1)
        };
        let (mut parsed, mut written) = (0, 0);
        for round in 0..4000 {
            let mut lines: Vec<String> = seeds[round % seeds.len()]
                .lines()
                .map(str::to_owned)
                .collect();
            for _ in 0..below(4) {
                let (at, other) = (below(lines.len()), below(lines.len()));
                match below(6) {
                    0 => lines.swap(at, other),
                    1 => lines[at].insert(0, ' '),
                    2 if lines[at].starts_with(' ') => drop(lines[at].remove(0)),
                    3 => lines.insert(at, "  # a comment".to_owned()),
                    4 => lines.insert(at, String::new()),
                    _ => {
                        lines[at] = lines[at].replace(
                            ": ",
                            [":  ", ": \n   ", ": !x ", ": [ ", ": >\n    "][below(5)],
                        )
                    }
                }
            }
            let text = lines.join(["\n", "\r\n"][below(2)]) + ["\n", "", "\n\n", "\n..."][below(4)];
            let Ok(cases) = Cases::parse(Path::new("tests.yaml"), text.clone(), false) else {
                continue;
            };
            parsed += 1;
            let mut changes = Vec::new();
            for (place, case) in cases.all.iter().enumerate() {
                let said = match below(3) {
                    0 => continue,
                    1 => skip("found"),
                    _ => enroll(&[("found", "1")]),
                };
                changes.push((place, Expected::of(&said, case.expected.as_ref())));
            }
            written += usize::from(rewrite(&cases, changes).is_ok());
        }
        assert!(parsed > 400 && written > 200, "{parsed} {written}");
    }
}
