//! Matchers of one's own, as a person uses them: in a plan, in an explanation, in the running service.

use std::{fs, path::PathBuf, process::Output};

use muster::service::status::{PluginState, Status};
use serde_json::Value;

use crate::{
    service::world::{Service, World},
    support::component::{ENROLLS, PANICS, REFUSES, SKIPS, plugin},
};

/// The example fleet, judged by `own.wasm` and nothing else.
fn world() -> World {
    let world = World::demo();
    configure(&world, "unsigned: true", "");
    world
}

/// Has the rules ask `own.wasm`.
fn configure(world: &World, trust: &str, more: &str) {
    let (of_service, more) = match more.starts_with("service:") {
        true => (more, ""),
        false => ("", more),
    };
    world.configure(&format!(
        "schedule: {{ every: 1s, jitter: 0s }}\n{of_service}"
    ));
    let text = fs::read_to_string(world.config()).expect("a configuration");
    let (before, rest) = text.split_once("\nrules:\n").expect("rules");
    let (_, after) = rest.split_once("\nremoval:\n").expect("what follows");
    // Each test is about matchers, and none about the brake.
    let after = after.replace("share: 20%, at_least: 1", "share: 100%, at_least: 1");
    world.write(&format!(
        "{before}\nrules:\n  - name: own\n    plugin: {{ path: own.wasm, {trust} }}\n{more}\nremoval:\n{after}"
    ));
}

fn put(world: &World, version: &str, parts: &[(&str, &str)]) -> PathBuf {
    let path = world.dir.path().join("own.wasm");
    let next = path.with_extension("next");
    fs::write(&next, plugin(version, parts)).expect("written");
    fs::rename(&next, &path).expect("moved");
    path
}

fn run(world: &World, args: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = world.command(args).output().expect("muster runs");
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.code(), text)
}

#[track_caller]
fn done(world: &World, args: &[&str]) -> String {
    let (code, text) = run(world, args);
    assert_eq!(code, Some(0), "{args:?}: {text}");
    text
}

fn plan(world: &World) -> Value {
    let output = world
        .command(&["plan", "--format", "json"])
        .output()
        .expect("muster runs");
    let out = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&out)
        .unwrap_or_else(|error| panic!("{error}: {out}{}", String::from_utf8_lossy(&output.stderr)))
}

fn of(plan: &Value, what: &str) -> u64 {
    plan["summary"][what].as_u64().expect("a count")
}

fn enrolled(world: &World) -> Vec<String> {
    let text = done(world, &["db", "ls", "-o", "name"]);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_plan_and_an_explanation_show_what_a_plugin_said() {
    let world = world();
    put(&world, "1.2.3", &[]);
    let checked = done(&world, &["config", "check"]);
    assert!(checked.contains("1 rule, 1 plugin, "), "{checked}");
    let made = plan(&world);
    assert!(of(&made, "add") > 0, "{made}");
    done(&world, &["apply", "--yes"]);
    let names = enrolled(&world);
    assert_eq!(names.len() as u64, of(&made, "add"));
    let explained = done(&world, &["explain", &names[0]]);
    for line in [
        "rule \"own\"",
        "asks",
        "plugin \"wat\" 1.2.3",
        "`by` is `wat`, added",
        "by=wat  (plugin \"wat\")",
        "plugin \"wat\" of rule \"own\": ",
    ] {
        assert!(explained.contains(line), "{line}: {explained}");
    }
    // The machine code of it is kept beside the store, for this user alone.
    let compiled = world.store().join("compiled");
    assert!(fs::read_dir(&compiled).expect("kept").count() > 0);

    // A new version that says the same changes nothing; one that says otherwise does.
    put(&world, "1.2.4", &[]);
    let again = plan(&world);
    assert_eq!(
        (
            of(&again, "add"),
            of(&again, "update"),
            of(&again, "remove")
        ),
        (0, 0, 0)
    );
    put(&world, "2.0.0", &[SKIPS]);
    let other = plan(&world);
    assert_eq!(of(&other, "remove"), names.len() as u64, "{other}");
}

#[test]
fn a_plugin_that_fails_leaves_alone_what_is_enrolled() {
    let world = world();
    put(&world, "1.0.0", &[]);
    done(&world, &["apply", "--yes"]);
    let names = enrolled(&world);
    assert!(!names.is_empty());
    put(&world, "1.0.1", &[PANICS]);
    let made = plan(&world);
    assert_eq!((of(&made, "remove"), of(&made, "update")), (0, 0), "{made}");
    done(&world, &["apply", "--yes"]);
    assert_eq!(enrolled(&world), names);
    let explained = done(&world, &["explain", &names[0]]);
    assert!(
        explained.contains("undecided: plugin \"wat\": panicked: "),
        "{explained}"
    );
    // One that cannot be loaded stops the command before anything is read, and says why.
    put(&world, "1.0.2", &[REFUSES]);
    let (code, text) = run(&world, &["plan"]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("rules[0].plugin"), "{text}");
    assert!(text.contains("so says wat 1.0.2"), "{text}");
    assert_eq!(enrolled(&world), names);
}

#[test]
fn a_saved_plan_is_not_applied_by_another_plugin() {
    let world = world();
    put(&world, "1.0.0", &[]);
    done(&world, &["apply", "--yes"]);
    put(&world, "1.0.1", &[ENROLLS]);
    done(&world, &["plan", "--out", "plan.json"]);
    put(&world, "1.0.2", &[ENROLLS]);
    let (code, text) = run(&world, &["apply", "plan.json"]);
    assert_ne!(code, Some(0), "{text}");
    assert!(
        text.contains("a plugin that it names, has changed"),
        "{text}"
    );
    put(&world, "1.0.1", &[ENROLLS]);
    done(&world, &["apply", "plan.json"]);
}

/// Waits until so many are enrolled, and says how they are called.
fn serves(service: &Service, what: &str, fits: impl Fn(u64) -> bool) -> u64 {
    let status = service.shows(what, |status| {
        let targets = status.counts.targets.values().sum();
        status.scopes.iter().all(|scope| scope.attempted.is_some()) && fits(targets)
    });
    status.counts.targets.values().sum()
}

#[test]
fn the_service_judges_everything_again_by_a_new_version() {
    let world = world();
    put(&world, "1.0.0", &[]);
    let service = world.start();
    let first = serves(&service, "what speaks postgres", |targets| targets > 0);
    put(&world, "1.1.0", &[ENROLLS]);
    done(&world, &["reload"]);
    let all = serves(&service, "what speaks anything", |targets| targets > first);
    // One that fails decides nothing.
    put(&world, "1.2.0", &[PANICS]);
    let reloaded = done(&world, &["reload"]);
    assert!(reloaded.contains(" 0 to remove, "), "{reloaded}");
    assert_eq!(serves(&service, "the same", |targets| targets == all), all);
    // One that cannot be loaded does not come into force.
    put(&world, "1.3.0", &[REFUSES]);
    let (code, text) = run(&world, &["reload"]);
    assert_ne!(code, Some(0), "{text}");
    assert!(text.contains("so says wat 1.3.0"), "{text}");
    assert_eq!(serves(&service, "the same", |targets| targets == all), all);
    service.stop();

    // The same after a restart by yet another one, which nobody had told of.
    put(&world, "2.0.0", &[SKIPS]);
    let service = world.start();
    serves(&service, "nothing", |targets| targets == 0);
    service.stop();
}

#[test]
fn the_service_takes_another_version_by_itself_and_keeps_the_old_one_when_it_is_bad() {
    let world = world();
    put(&world, "1.0.0", &[]);
    let service = world.start();
    let first = serves(&service, "what speaks postgres", |targets| targets > 0);
    let version = |status: &Status| status.plugins[0].version.clone();

    put(&world, "1.1.0", &[ENROLLS]);
    service.shows("the new version", |status| version(status) == "1.1.0");
    let all = serves(&service, "what speaks anything", |targets| targets > first);
    let in_force = service.says("other versions of plugins are in force");
    assert!(
        in_force["fields"]["add"].as_u64().expect("a count") > 0,
        "{in_force}"
    );

    // One that cannot be used: the one before goes on, and it is said why.
    put(&world, "1.2.0", &[REFUSES]);
    let status = service.shows("a refusal", |status| {
        reason(status, "plugin-rejected").is_some()
    });
    assert_eq!(version(&status), "1.1.0");
    // What is in force is listed, and what stands against the file.
    let (code, text) = run(&world, &["plugin", "ls"]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("1.1.0") && text.contains("working"), "{text}");
    assert!(text.contains("so says wat 1.2.0"), "{text}");
    let why = reason(&status, "plugin-rejected").expect("it").to_owned();
    assert!(why.contains("so says wat 1.2.0"), "{why}");
    assert_eq!(status.counts.targets.values().sum::<u64>(), all);
    assert_eq!(service.log().iter().filter(|line| refused(line)).count(), 1);
    fs::remove_file(world.dir.path().join("own.wasm")).expect("removed");
    let gone = |status: &Status| {
        reason(status, "plugin-rejected").is_some_and(|why| why.contains("there is no"))
    };
    let status = service.shows("that it is gone", gone);
    assert_eq!(version(&status), "1.1.0");

    // The one in force put back is no news, and ends it.
    put(&world, "1.1.0", &[ENROLLS]);
    let status = service.shows("nothing wrong with it", |status| {
        reason(status, "plugin-rejected").is_none()
    });
    assert_eq!(version(&status), "1.1.0");
    put(&world, "2.0.0", &[SKIPS]);
    serves(&service, "nothing", |targets| targets == 0);
    service.stop();
}

fn refused(line: &Value) -> bool {
    let message =
        "files of plugins are others now and were refused, and those before stay in force";
    line["fields"]["message"] == message
}

fn reason<'s>(status: &'s Status, code: &str) -> Option<&'s str> {
    let reason = status.reasons.iter().find(|reason| reason.code == code)?;
    Some(&reason.message)
}

#[test]
fn one_that_fails_again_and_again_is_paused_and_everybody_can_see_it() {
    let world = world();
    put(&world, "1.0.1", &[PANICS]);
    // Each scope is an evaluation, and several have databases.
    configure(
        &world,
        "unsigned: true",
        "service: { listen: \"127.0.0.1:0\" }",
    );
    let service = world.start();
    let status = service.shows("a pause", |status| {
        status.plugins[0].state == PluginState::Paused
            && status.scopes.iter().all(|scope| scope.attempted.is_some())
    });
    let plugin = &status.plugins[0];
    assert!(plugin.failures_in_a_row >= 3, "{plugin:?}");
    assert!(plugin.undecided > 3, "{plugin:?}");
    assert!(plugin.next.is_some(), "{plugin:?}");
    let why = reason(&status, "plugin-paused").expect("a reason");
    assert!(why.contains("panicked: "), "{why}");
    service.says("a matcher fails again and again, and is not asked for a while");
    let shown = done(&world, &["status"]);
    assert!(
        shown.contains("wat 1.0.1, for rule own, unsigned: paused; "),
        "{shown}"
    );
    let listed = done(&world, &["plugin", "ls", "-o", "wide"]);
    assert!(
        listed.contains("paused") && listed.contains("panicked: "),
        "{listed}"
    );
    let (_, metrics) = service.get("/metrics");
    for line in [
        "muster_plugin_state{plugin=\"wat\",state=\"paused\"} 1",
        "muster_service_reasons{code=\"plugin-paused\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let (code, body) = service.get("/api/v1/status");
    assert_eq!(code, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["plugins"][0]["state"], "paused");
    assert!(enrolled(&world).is_empty(), "nothing is decided");

    // Another version is asked at once.
    put(&world, "1.0.2", &[]);
    service.shows("it works", |status| {
        let plugin = &status.plugins[0];
        plugin.state == PluginState::Working && plugin.undecided == 0
    });
    service.stop();
}

#[test]
fn what_another_version_would_change_is_seen_before_it_is_there() {
    let world = world();
    put(&world, "1.0.0", &[]);
    let new = |version: &str, parts: &[(&str, &str)]| {
        fs::write(world.dir.path().join("new.wasm"), plugin(version, parts)).expect("written");
    };
    new("2.0.0", &[ENROLLS]);
    let (code, text) = run(&world, &["plan", "--matcher", "new.wasm"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("no scan was ever made"), "{text}");

    done(&world, &["apply", "--yes"]);
    let names = enrolled(&world);
    let text = done(&world, &["plan", "--matcher", "new.wasm"]);
    assert!(
        text.contains("Rule \"own\": wat 2.0.0 in place of wat 1.0.0 ("),
        "{text}"
    );
    let what = |args: &[&str]| -> Value {
        let all = [&["plan", "--format", "json"], args].concat();
        let output = world.command(&all).output().expect("muster runs");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let more = what(&["--matcher", "new.wasm"]);
    assert!(of(&more, "add") > 0, "{more}");
    assert_eq!(
        (of(&more, "remove"), of(&more, "update"), of(&more, "keep")),
        (0, 0, 0)
    );
    // One that says the same changes nothing, whatever it is called by itself.
    new("2.0.1", &[]);
    let same = what(&["--matcher", "own=new.wasm"]);
    assert!(
        same["changes"].as_array().expect("a list").is_empty(),
        "{same}"
    );
    // One that fails decides nothing; one that cannot be loaded is told as such.
    new("2.0.2", &[PANICS]);
    let fails = what(&["--matcher", "new.wasm"]);
    assert!(of(&fails, "held") >= names.len() as u64, "{fails}");
    assert_eq!(of(&fails, "remove"), 0);
    for (rule, why) in [
        ("new.wasm", "so says wat 2.0.3"),
        (
            "other=new.wasm",
            "no rule \"other\" asks a plugin: rule \"own\" asks `wat`",
        ),
        ("absent.wasm", "there is no absent.wasm"),
    ] {
        new("2.0.3", &[REFUSES]);
        let (code, text) = run(&world, &["plan", "--matcher", rule]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(why), "{text}");
    }

    // Beside the service, which goes on with its own.
    let service = world.start();
    serves(&service, "what is enrolled", |targets| {
        targets == names.len() as u64
    });
    new("3.0.0", &[SKIPS]);
    let all = what(&["--matcher", "new.wasm"]);
    assert_eq!(of(&all, "remove"), names.len() as u64, "{all}");
    let status = service.shows("its own", |_| true);
    assert_eq!(status.plugins[0].version, "1.0.0");
    assert_eq!(enrolled(&world), names);
    service.stop();
}

#[test]
fn one_that_failed_is_asked_again_after_a_minute_and_then_ever_later() {
    let world = world();
    put(&world, "1.0.0", &[PANICS]);
    let service = world.start();
    let failed = service.shows("a failure", |status| status.plugins[0].undecided > 0);
    assert_eq!(failed.counts.targets.values().sum::<u64>(), 0);
    service.says("plugins are asked again about what they left undecided");
    // Twice as long, from then on.
    let again = service.shows("the next time", |status| {
        let next = status.plugins[0].next;
        next.is_some_and(|next| next.since(status.at) > 60)
    });
    let plugin = &again.plugins[0];
    assert!(plugin.failed > failed.plugins[0].failed, "{plugin:?}");
    assert!(
        plugin.undecided >= failed.plugins[0].undecided,
        "{plugin:?}"
    );
    service.stop();
}
