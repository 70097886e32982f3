//! What the program prints by itself: the demo, the formats of a plan, completions and policies.

use super::*;

#[test]
fn the_demo_needs_nothing_and_shows_what_makes_people_curious() {
    let dir = TempDir::new().expect("a directory");
    let ended = Ended::of(bare(dir.path(), &["demo"]).output().expect("muster runs")).done();
    for part in [
        "held by name",
        "held by grace",
        "held by coverage",
        "is too old",
        "denied rds:DescribeDBClusters",
        "tag not used",
        "`Stopped`",
        "IAM authentication is off",
    ] {
        assert_has(&ended.out, part);
    }
    assert_eq!(ended.out.matches("\nPlan: ").count(), 2, "two runs");
    assert!(listing(dir.path()).is_empty(), "it leaves nothing behind");
}

#[test]
fn every_format_renders_the_example() {
    let world = World::demo();
    for (format, part) in [
        ("text", "Plan: "),
        ("json", "\"version\": 1"),
        ("markdown", "|"),
        ("html", "<!doctype html>"),
        ("csv", "action,"),
    ] {
        let text = world.run(&["plan", "--format", format]).done().out;
        assert!(
            text.to_lowercase().contains(&part.to_lowercase()),
            "{format}: {text}"
        );
    }
}

#[test]
fn completions_and_policies_are_printed() {
    let world = World::demo();
    for shell in ["bash", "zsh", "fish"] {
        assert_has(&world.run(&["completions", shell]).done().out, "muster");
    }
    let aws = world.run(&["install", "iam", "aws"]).done().out;
    for part in [
        "rds:DescribeDBInstances",
        "tag:GetResources",
        "ec2:DescribeRegions",
        "sts:AssumeRole",
        "muster-demo",
    ] {
        assert_has(&aws, part);
    }
    assert_has(
        &world.run(&["install", "iam", "azure"]).done().out,
        "Microsoft.DBforPostgreSQL/flexibleServers/read",
    );
}
