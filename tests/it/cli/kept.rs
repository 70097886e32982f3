//! What is kept between two runs: the store, and plans in files.

use std::{fs, process::Command};

use super::{World, assert_has};

#[test]
fn a_saved_plan_is_applied_once_and_only_where_it_fits() {
    let world = World::demo();
    world.run(&["plan", "--out", "plan.json"]).done();
    let saved = fs::read_to_string(world.dir.path().join("plan.json")).expect("saved");

    fs::write(
        world.dir.path().join("edited.json"),
        saved.replace("us-east-1.rds", "evil.example"),
    )
    .expect("written");
    let edited = world.run(&["apply", "edited.json"]);
    assert_eq!(edited.code, 1);
    assert_has(&edited.err, "edited or damaged");
    fs::write(world.dir.path().join("cut.json"), &saved[..saved.len() / 2]).expect("written");
    assert_has(
        &world.run(&["apply", "cut.json"]).err,
        "is not a saved plan",
    );
    assert_eq!(world.names().len(), 0, "nothing was applied");

    let config = fs::read_to_string(world.config()).expect("the configuration");
    fs::write(world.config(), format!("{config}\n# changed\n")).expect("written");
    assert_has(
        &world.run(&["apply", "plan.json"]).err,
        "the configuration, or a plugin that it names, has changed",
    );
    fs::write(world.config(), config).expect("written");

    assert_has(&world.run(&["apply", "plan.json"]).done().err, "Applied");
    assert!(world.names().len() >= 10);
    let again = world.run(&["apply", "plan.json"]);
    assert_eq!(again.code, 1);
    assert_has(&again.err, "stale");
    assert_has(&again.err, "hint:");
}

#[test]
fn a_store_that_lost_something_says_so_and_is_repaired() {
    let world = World::demo();
    world.run(&["apply"]).done();
    let before = world.names();
    assert_has(&world.run(&["store", "check"]).done().out, " 0 damaged");
    // As if the last acknowledged write had never reached the disk.
    let sh = |script: &str| {
        let done = Command::new("sh")
            .args(["-ec", script])
            .current_dir(world.dir.path())
            .status();
        assert!(done.expect("sh runs").success(), "{script}");
    };
    sh("cp -r muster-demo/data before");
    assert_eq!(world.run(&["scan"]).code, 3);
    sh("rm -r muster-demo/data; mv before muster-demo/data");
    let lost = world.run(&["db", "ls"]);
    assert_eq!(lost.code, 1);
    assert_has(&lost.err, "has lost something");
    assert_has(&lost.err, "muster store repair");
    assert_has(
        &world.run(&["store", "repair"]).done().out,
        "records are left, 0 could not be read",
    );
    assert_eq!(world.names(), before);
}

#[test]
fn a_second_process_is_told_who_holds_the_store() {
    let world = World::demo();
    world.run(&["apply"]).done();
    let _held =
        muster_store::SledStore::open(world.dir.path().join("muster-demo")).expect("opened");
    let second = world.run(&["db", "ls"]);
    assert_eq!(second.code, 1);
    assert_has(&second.err, &std::process::id().to_string());
    assert_has(&second.err, "in use");
}
