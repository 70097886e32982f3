#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::Arc;

use muster_model::{Coverage, Failure, FailureReason, ResourceId, Scope, Service};
use muster_plan::{Action, ScopeLine, SkippedLine};

use super::{super::*, case, everything, rendered};

/// A plan with so many of each, all with names as bad for Markdown as names can be.
fn huge(number: usize) -> Plan {
    let rich = case("rich");
    let pick = |action| {
        rich.changes
            .iter()
            .find(|change| change.action == action)
            .unwrap()
    };
    let mut plan = Plan {
        changes: Vec::new(),
        skipped: Vec::new(),
        ..rich.clone()
    };
    for index in 0..number {
        for action in [Action::Add, Action::Update, Action::Held] {
            let mut change = pick(action).clone();
            change.id = ResourceId::of(&format!("arn:{index}"), action.as_str());
            change.name = format!("{}{index}", "@#|`".repeat(40));
            plan.changes.push(change);
        }
        plan.skipped.push(SkippedLine {
            id: ResourceId::of(&format!("arn:{index}"), "skip"),
            name: format!("{}{index}", "@".repeat(200)),
            code: format!("code-{}", index % 40),
            ..rich.skipped[0].clone()
        });
        plan.notes.push("@".repeat(300));
    }
    let failure = Failure {
        reason: FailureReason::Denied,
        call: "rds:DescribeDBInstances".to_owned(),
        message: "#".repeat(5_000),
        permission: Some("rds:DescribeDBInstances".to_owned()),
    };
    plan.scopes = (0..number)
        .map(|index| ScopeLine {
            scope: Arc::new(Scope::aws(&index.to_string(), "us-east-1", Service::Rds)),
            coverage: Coverage::Unread(vec![failure.clone(); 3]),
            found: 0,
            malformed: Vec::new(),
            warnings: vec![failure.clone()],
        })
        .collect();
    plan.summary.add = number;
    plan
}

#[test]
fn markdown_fits_a_comment_and_says_what_was_cut() {
    let plan = huge(500);
    let comment = rendered(
        &plan,
        Format::Markdown,
        &Options {
            title: "@".repeat(70_000),
            ..Options::default()
        },
    );
    assert!(comment.len() <= 65_536, "{}", comment.len());
    assert!(comment.contains("rows were cut here"));
    assert!(comment.contains(&view::summary(&plan.summary)));
    for section in [
        "### :warning: Held",
        "### :warning: Not completely read",
        "### Changes",
        "### Notes",
        "Skipped: 500",
    ] {
        assert!(comment.contains(section), "{section} has its share");
    }
    assert!(
        comment.matches("| `+` |").count() > 5,
        "changes are not pushed out"
    );
    assert_eq!(
        comment.matches("<details>").count(),
        comment.matches("</details>").count()
    );
}

/// Counts what is written, and how much of it at once at most.
#[derive(Default)]
struct Meter {
    total: usize,
    largest: usize,
}

impl io::Write for Meter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.total += bytes.len();
        self.largest = self.largest.max(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn reports_are_written_row_by_row() {
    let plan = huge(300);
    for format in [Format::Text, Format::Json, Format::Html, Format::Csv] {
        let mut meter = Meter::default();
        render(&plan, format, &everything(), &mut meter).unwrap();
        assert!(meter.total > 500_000, "{format:?} has {}", meter.total);
        assert!(
            meter.largest < 64_000,
            "{format:?} wrote {} at once",
            meter.largest
        );
    }
}
