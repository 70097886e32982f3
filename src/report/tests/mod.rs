#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod escaping;
mod listing;
mod size;

use std::{
    fs,
    path::{Path, PathBuf},
};

use muster_plan::Action;

use super::*;

const FORMATS: [(Format, &str); 5] = [
    (Format::Text, "report.txt"),
    (Format::Json, "report.json"),
    (Format::Markdown, "report.md"),
    (Format::Html, "report.html"),
    (Format::Csv, "report.csv"),
];

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn cases() -> Vec<(PathBuf, Plan)> {
    let mut folders: Vec<_> = fs::read_dir(root("fixtures/plan"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(folders.len() >= 5, "the cases are there");
    folders
        .into_iter()
        .map(|folder| {
            let plan = fs::read(folder.join("plan.json")).unwrap();
            let plan = serde_json::from_slice(&plan)
                .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            (folder, plan)
        })
        .collect()
}

fn case(name: &str) -> Plan {
    serde_json::from_slice(&fs::read(root("fixtures/plan").join(name).join("plan.json")).unwrap())
        .unwrap()
}

fn rendered(plan: &Plan, format: Format, options: &Options) -> String {
    let mut out = Vec::new();
    render(plan, format, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn everything() -> Options {
    Options {
        show_unchanged: true,
        show_skipped: true,
        ..Options::default()
    }
}

/// Compares with a file; rewrites it instead when `MUSTER_BLESS` is set.
fn golden(path: &Path, actual: &str) {
    if std::env::var_os("MUSTER_BLESS").is_some() {
        fs::write(path, actual).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == actual,
        "{} is stale: run with MUSTER_BLESS=1 and read the difference",
        path.display()
    );
}

#[test]
fn reports_are_as_the_golden_files_say() {
    for (folder, plan) in cases() {
        for (format, name) in FORMATS {
            golden(
                &folder.join(name),
                &rendered(&plan, format, &Options::default()),
            );
        }
    }
    let folder = root("fixtures/plan/rich");
    golden(
        &folder.join("report-all.txt"),
        &rendered(&case("rich"), Format::Text, &everything()),
    );
}

#[test]
fn schema_in_docs_is_the_one_of_the_types() {
    let mut schema = serde_json::to_string_pretty(&schema::json_schema()).unwrap();
    schema.push('\n');
    golden(&root("docs/plan.schema.json"), &schema);
}

/// Asserts that the objects at `pointer` have the keys that the schema's type documents, and all it requires.
fn documented(schema: &serde_json::Value, of: &str, objects: &[serde_json::Value]) {
    let of = schema.pointer(of).unwrap();
    let required: Vec<_> = of["required"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap())
        .collect();
    for object in objects {
        let object = object.as_object().unwrap();
        assert!(
            object.keys().all(|key| of["properties"].get(key).is_some()),
            "{object:?}"
        );
        assert!(
            required.iter().all(|key| object.contains_key(*key)),
            "{object:?}"
        );
    }
    for (name, property) in of["properties"].as_object().unwrap() {
        assert!(
            property.get("description").is_some() || property.get("$ref").is_some(),
            "{name} is not described"
        );
    }
}

#[test]
fn json_keeps_to_its_schema_and_reads_back_whole() {
    let schema = serde_json::to_value(schema::json_schema()).unwrap();
    for (folder, plan) in cases() {
        for options in [Options::default(), everything()] {
            let text = rendered(&plan, Format::Json, &options);
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let list = |of: &serde_json::Value, key: &str| of[key].as_array().unwrap().clone();
            documented(&schema, "", std::slice::from_ref(&value));
            documented(
                &schema,
                "/$defs/Summary",
                std::slice::from_ref(&value["summary"]),
            );
            documented(&schema, "/$defs/Scope", &list(&value, "scopes"));
            documented(&schema, "/$defs/Change", &list(&value, "changes"));
            documented(&schema, "/$defs/Skipped", &list(&value, "skipped"));
            for scope in list(&value, "scopes") {
                documented(&schema, "/$defs/Failure", &list(&scope, "failures"));
                documented(&schema, "/$defs/Failure", &list(&scope, "warnings"));
                documented(&schema, "/$defs/Malformed", &list(&scope, "malformed"));
            }
            for change in list(&value, "changes") {
                documented(&schema, "/$defs/Field", &list(&change, "fields"));
            }

            let report: schema::Report = serde_json::from_str(&text).unwrap();
            assert_eq!(report.version, 1);
            assert_eq!(
                serde_json::to_value(&report).unwrap(),
                value,
                "nothing is lost in reading"
            );
            let listed = |action| {
                report
                    .changes
                    .iter()
                    .filter(|change| change.action == action)
                    .count()
            };
            assert_eq!(listed(schema::Action::Add), plan.summary.add);
            assert_eq!(listed(schema::Action::Held), plan.summary.held);
            assert_eq!(
                listed(schema::Action::Keep),
                if options.show_unchanged {
                    plan.summary.keep
                } else {
                    0
                }
            );
            assert_eq!(
                report.skipped.len(),
                plan.summary.skip,
                "{}",
                folder.display()
            );
            for (change, original) in report.changes.iter().zip(view::visible(&plan, &options)) {
                assert_eq!(change.name, original.name, "escapes are undone by a reader");
                assert_eq!(change.reason, original.reason);
                assert_eq!(change.hold.is_some(), change.action == schema::Action::Held);
            }
        }
    }
}

#[test]
fn json_has_its_keys_in_the_documented_order() {
    let value: serde_json::Value =
        serde_json::from_str(&rendered(&case("rich"), Format::Json, &Options::default())).unwrap();
    let keys: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "version", "summary", "scopes", "changes", "skipped", "notes", "at"
        ]
    );
}

#[test]
fn text_never_breaks_its_columns() {
    for (folder, plan) in cases() {
        for width in [0, 40, 60, 80, 100, 200] {
            let text = rendered(
                &plan,
                Format::Text,
                &Options {
                    width,
                    ..everything()
                },
            );
            for line in text.lines() {
                assert!(!line.ends_with(' '), "{}: {line:?}", folder.display());
                // Headings and the last lines are sentences of our own; the rest keeps to the width.
                if line.starts_with("  ") && width >= 80 {
                    assert!(
                        wrap::width(line) <= width,
                        "{} at {width}: {line:?}",
                        folder.display()
                    );
                }
            }
        }
    }
}

#[test]
fn text_has_colours_only_when_asked() {
    let plan = case("rich");
    let coloured = rendered(
        &plan,
        Format::Text,
        &Options {
            color: true,
            ..Options::default()
        },
    );
    let plain = rendered(&plan, Format::Text, &Options::default());
    assert!(coloured.contains('\u{1b}'));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain, "colours change nothing else");
}

#[test]
fn held_rows_say_what_holds_them_and_what_would_be_done() {
    let plan = case("rich");
    let (text, page, comment) = (
        rendered(&plan, Format::Text, &Options::default()),
        rendered(&plan, Format::Html, &Options::default()),
        rendered(&plan, Format::Markdown, &Options::default()),
    );
    for change in plan
        .changes
        .iter()
        .filter(|change| change.action == Action::Held)
    {
        let hold = change.hold.as_ref().unwrap();
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("  ! {} ", change.name)))
            .unwrap();
        assert!(
            row.contains(&format!(
                "would {}, held by {}",
                view::verb(hold.would),
                hold.safety.as_str()
            )),
            "{row}"
        );
        assert!(comment.contains(&format!(
            "| {} | **{}** |",
            view::verb(hold.would),
            hold.safety.as_str()
        )));
    }
    assert_eq!(
        page.matches("class=\"badge held\"").count(),
        plan.summary.held
    );
}

#[test]
fn incomplete_scopes_name_call_permission_and_remedy() {
    let plan = case("rich");
    for format in [Format::Text, Format::Markdown, Format::Html] {
        let report = rendered(&plan, format, &Options::default());
        for said in [
            "rds:DescribeDBClusters",
            "missing permission",
            "elasticache:DescribeReplicationGroups",
            "muster install iam aws",
            "the next scan tries again",
        ] {
            // Lines may be wrapped anywhere between words.
            let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(report.contains(said), "{format:?}: {said}");
        }
    }
}

#[test]
fn skipped_ones_are_counted_until_all_are_asked_for() {
    let plan = case("rich");
    let few = rendered(&plan, Format::Text, &Options::default());
    assert!(few.contains("and 4 more (--show-skipped)"));
    assert!(!few.contains("dev-07"));
    let all = rendered(
        &plan,
        Format::Text,
        &Options {
            show_skipped: true,
            ..Options::default()
        },
    );
    assert!(all.contains("dev-07"));
    assert!(!all.contains("--show-skipped"));
}

#[test]
fn words_for_formats_are_read() {
    assert_eq!("markdown".parse(), Ok(Format::Markdown));
    assert_eq!("md".parse(), Ok(Format::Markdown));
    assert_eq!("HTML".parse(), Ok(Format::Html));
    let error = "pdf".parse::<Format>().unwrap_err();
    assert!(error.contains("`pdf`") && error.contains("csv"), "{error}");
}

#[test]
fn errors_of_the_writer_are_handed_on() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for (format, name) in FORMATS {
        let error = render(&case("rich"), format, &Options::default(), &mut Full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{name}");
    }
}
