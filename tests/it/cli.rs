//! The commands as a person runs them: the real program, against recorded clouds on this machine.

mod access;
mod authority;
mod kept;
mod printed;
mod streams;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use muster_cloud::replay::{Replayer, Tape};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A directory with a configuration, and the clouds that it reads.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    replayer: Replayer,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

impl World {
    /// The example fleet, read through the environment's ordinary variables.
    pub(crate) fn demo() -> Self {
        let world = Self {
            dir: TempDir::new().expect("a directory"),
            replayer: serve(&["demo"]),
        };
        let config =
            fs::read_to_string(fixtures().join("demo/muster.yaml")).expect("the configuration");
        fs::write(world.config(), config + &world.azure()).expect("written");
        world
    }

    fn azure(&self) -> String {
        let url = self.replayer.url();
        format!(
            "\nazure_endpoints: {{ authority: \"{url}\", management: \"{url}\" }}\nrequests: {{ per_second: 1000 }}\n"
        )
    }

    /// The same place with the clouds of another day.
    fn on(self, tapes: &[&str]) -> Self {
        let old = self.azure();
        let world = Self {
            dir: self.dir,
            replayer: serve(tapes),
        };
        // Only the port differs; the file must not, or a saved plan would notice.
        let config = fs::read_to_string(world.config()).expect("the configuration");
        fs::write(world.config(), config.replace(&old, &world.azure())).expect("written");
        world
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("muster.yaml")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(self.dir.path(), args);
        command
            .env("MUSTER_CONFIG", self.config())
            .env("AWS_ENDPOINT_URL", self.replayer.url())
            .env("AWS_ACCESS_KEY_ID", "AKIADEMO111111111111")
            .env("AWS_SECRET_ACCESS_KEY", "recorded")
            .env("AZURE_TENANT_ID", "4f6c2b7e-90d1-4a55-8f3e-7c1d2e3f4a5b")
            .env("AZURE_CLIENT_ID", "muster")
            .env("AZURE_CLIENT_SECRET", "recorded-secret");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().expect("muster runs"))
    }

    fn json(&self, args: &[&str]) -> Value {
        let ended = self.run(args);
        serde_json::from_str(&ended.out)
            .unwrap_or_else(|error| panic!("{error}: {}{}", ended.out, ended.err))
    }

    fn names(&self) -> BTreeSet<String> {
        self.run(&["db", "ls", "-o", "name"])
            .done()
            .out
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn serve(tapes: &[&str]) -> Replayer {
    let dirs = tapes.iter().map(|tape| fixtures().join("cloud").join(tape));
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
    let _entered = RUNTIME.enter();
    Replayer::start(Tape::from_dirs(dirs).expect("a tape")).expect("a replayer")
}

/// The program with nothing of this machine's environment but what it needs.
fn bare(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .env("PATH", "/usr/bin:/bin")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

pub(crate) struct Ended {
    pub(crate) code: i32,
    out: String,
    err: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("ended by itself"),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }
}

#[track_caller]
fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` is not in:\n{text}");
}

#[test]
fn a_plan_has_the_documented_shape_and_its_numbers_agree() {
    let world = World::demo();
    let plan = world.json(&["plan", "--format", "json"]);
    let keys: Vec<&str> = plan
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys[..5],
        ["version", "summary", "scopes", "changes", "skipped"]
    );
    assert_eq!(plan["version"], 1);
    for action in ["add", "update", "remove", "held"] {
        let changes = plan["changes"].as_array().expect("changes");
        let counted = changes
            .iter()
            .filter(|change| change["action"] == action)
            .count();
        assert_eq!(plan["summary"][action], counted, "{action}");
    }
    assert_eq!(
        plan["summary"]["skip"],
        plan["skipped"].as_array().expect("skipped").len()
    );
    for change in plan["changes"].as_array().expect("changes") {
        for key in [
            "action", "id", "name", "kind", "protocol", "labels", "reason", "fields",
        ] {
            assert!(change.get(key).is_some(), "{key} of {change}");
        }
        assert!(
            !change["reason"].as_str().expect("a reason").is_empty(),
            "{change}"
        );
    }
    for scope in plan["scopes"].as_array().expect("scopes") {
        for key in [
            "provider", "account", "region", "service", "coverage", "error",
        ] {
            assert!(scope.get(key).is_some(), "{key} of {scope}");
        }
        assert_eq!(
            scope["coverage"] == "complete",
            scope["error"].is_null(),
            "{scope}"
        );
    }
    for skipped in plan["skipped"].as_array().expect("skipped") {
        assert!(
            !skipped["reason"].as_str().expect("a reason").is_empty(),
            "{skipped}"
        );
    }
    assert!(
        world.replayer.unmatched().is_empty(),
        "{:?}",
        world.replayer.unmatched()
    );
}

#[test]
fn a_plan_changes_nothing_not_even_a_directory() {
    let world = World::demo();
    let before = listing(world.dir.path());
    world.run(&["plan"]).done();
    assert_eq!(listing(world.dir.path()), before);
}

fn listing(dir: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[test]
fn two_plans_of_one_state_are_the_same_but_for_their_time() {
    let world = World::demo();
    let plan = || {
        let mut plan = world.json(&["plan", "--format", "json"]);
        plan.as_object_mut().expect("an object").remove("at");
        plan
    };
    assert_eq!(plan(), plan());
}

#[test]
fn exit_codes_are_those_of_the_page() {
    let world = World::demo();
    assert_eq!(world.run(&["plan"]).code, 0);
    // A region of the example is denied.
    assert_eq!(world.run(&["plan", "--detailed-exitcode"]).code, 3);
    assert_eq!(world.run(&["scan", "--dry-run"]).code, 3);
    assert_eq!(world.run(&["plan", "--no-such-flag"]).code, 64);
    assert_eq!(world.run(&["no-such-command"]).code, 64);
    assert_eq!(world.run(&["--help"]).code, 0);
    // Without the denied region there are changes, and then there are none.
    let config = fs::read_to_string(world.config()).expect("the configuration");
    fs::write(
        world.config(),
        config.replace("regions: \"*\"", "regions: [us-east-1]"),
    )
    .expect("written");
    assert_eq!(world.run(&["plan", "--detailed-exitcode"]).code, 2);
    world.run(&["apply"]).done();
    assert_eq!(world.run(&["plan", "--detailed-exitcode"]).code, 0);
    fs::write(world.config(), "version: 1\nstor: x\npolcy: sync\n").expect("written");
    let bad = world.run(&["plan"]);
    assert_eq!(bad.code, 78);
    assert_has(&bad.err, "stor");
    assert_has(&bad.err, "polcy");
}

#[test]
fn applying_enrolls_what_the_plan_showed_and_a_second_run_keeps_it() {
    let world = World::demo();
    let plan = world.json(&["plan", "--format", "json"]);
    let planned: BTreeSet<String> = plan["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .filter(|change| change["action"] == "add")
        .map(|change| change["name"].as_str().expect("a name").to_owned())
        .collect();
    assert!(planned.len() >= 10, "{planned:?}");
    world.run(&["apply"]).done();
    assert_eq!(world.names(), planned);
    let again = world.json(&["plan", "--format", "json"]);
    for action in ["add", "update", "remove"] {
        assert_eq!(again["summary"][action], 0, "{action}: {again}");
    }
}

#[test]
fn a_region_that_is_denied_the_next_day_keeps_its_databases() {
    let world = World::demo();
    world.run(&["apply"]).done();
    let before = world.names();
    let world = world.on(&["demo", "demo-2"]);
    let plan = world.json(&["plan", "--format", "json"]);
    let held: Vec<&Value> = plan["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .filter(|change| change["action"] == "held")
        .collect();
    let by = |safety: &str| {
        held.iter()
            .filter(|change| change["hold"]["safety"] == safety)
            .count()
    };
    assert!(by("coverage") > 0, "{plan}");
    assert_eq!(by("grace"), 1, "{plan}");
    assert_eq!(plan["summary"]["remove"], 0);
    world.run(&["apply"]).done();
    let after = world.names();
    assert!(
        before.is_subset(&after),
        "lost: {:?}",
        before.difference(&after).collect::<Vec<_>>()
    );
    let new: Vec<&String> = after.difference(&before).collect();
    assert!(
        new.iter().any(|name| name.starts_with("search-index-prod")),
        "{new:?}"
    );
}

#[test]
fn explain_answers_for_the_enrolled_the_skipped_and_the_never_seen() {
    let world = World::demo();
    world.run(&["apply"]).done();
    let name = world.names().into_iter().next().expect("one");
    let enrolled = world.run(&["explain", &name]).done().out;
    for part in [
        "Steps",
        "Labels",
        "(derived)",
        "enrolled as",
        "last seen",
        "History",
    ] {
        assert_has(&enrolled, part);
    }
    let plan = world.json(&["plan", "--format", "json"]);
    for code in ["engine-too-old", "engine-unsupported", "tls-off", "matcher"] {
        let skipped = plan["skipped"].as_array().expect("skipped");
        let row = skipped
            .iter()
            .find(|row| row["code"] == code)
            .unwrap_or_else(|| panic!("no {code}: {plan}"));
        let text = world
            .run(&["explain", row["id"].as_str().expect("an id")])
            .done()
            .out;
        assert_has(&text, "not enrolled");
        assert_has(&text, "skip:");
    }
    let never = world.run(&["explain", "no-such-database"]);
    assert_eq!(never.code, 1);
    for part in ["was never seen", "denied", "Possible causes"] {
        assert_has(&never.out, part);
    }
}

#[test]
fn a_record_that_makes_no_sense_costs_itself_and_is_explained() {
    // One broken record of three.
    let world = World {
        dir: TempDir::new().expect("a directory"),
        replayer: serve(&["faults/azure-malformed-record"]),
    };
    let config = "version: 1\nstore: ./store\npolicy: sync\nsources:\n  azure:\n    - types: [postgres-flexible]\n      \
                  subscriptions: [0a1b2c3d-1111-4aaa-8bbb-0c0d0e0f1011]\n";
    fs::write(world.config(), config.to_owned() + &world.azure()).expect("written");

    world.run(&["apply"]).done();
    assert_eq!(world.names().len(), 2, "the other two of three");
    // It is remembered: no cloud is asked again.
    let asked = world.replayer.asked();
    let explained = world.run(&["explain", "pg-2"]);
    assert_eq!(world.replayer.asked(), asked);
    assert_eq!(explained.code, 1);
    assert_has(&explained.out, "make no sense and may be it");
    assert_has(&explained.out, "flexibleservers/pg-2");
}

#[test]
fn without_credentials_every_source_that_was_tried_is_named() {
    let world = World::demo();
    let output = bare(world.dir.path(), &["plan"])
        .env("MUSTER_CONFIG", world.config())
        .output()
        .expect("muster runs");
    let ended = Ended::of(output);
    assert_eq!(ended.code, 1, "{}", ended.out);
    for part in [
        "cannot read any scope",
        "no-credentials",
        "AWS_ACCESS_KEY_ID",
        "AZURE_TENANT_ID",
        "hint:",
    ] {
        assert_has(&ended.err, part);
    }
}

#[test]
fn a_server_that_is_down_is_no_question_of_permissions() {
    let world = World::demo();
    // Nobody listens on the port of a replayer that has ended.
    let down = {
        let ended = serve(&["demo"]);
        ended.url().to_owned()
    };
    let config = "version: 1\nstore: ./store\npolicy: sync\nrequests: { attempts: 1 }\nsources:\n  \
                  aws:\n    - { types: [rds], regions: [us-east-1] }\n";
    fs::write(world.config(), config).expect("written");
    let mut command = world.command(&["plan"]);
    let ended = Ended::of(
        command
            .env("AWS_ENDPOINT_URL", down)
            .output()
            .expect("muster runs"),
    );
    assert_eq!(ended.code, 1);
    for part in [
        "unreachable",
        "nothing was changed",
        "check name resolution",
    ] {
        assert_has(&ended.err, part);
    }
    assert!(!ended.err.contains("install iam"), "{}", ended.err);
}

#[test]
fn no_secret_is_ever_printed() {
    let world = World::demo();
    for args in [
        &["plan", "-vv"][..],
        &["plan", "--format", "json"],
        &["config", "show"],
        &["scan", "-vv"],
    ] {
        let ended = world.run(args);
        for secret in ["recorded-secret", "recorded-token"] {
            assert!(
                !ended.out.contains(secret) && !ended.err.contains(secret),
                "{args:?} printed {secret}"
            );
        }
    }
}
