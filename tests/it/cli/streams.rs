//! What is at the other end of the program's files and streams: full disks, pipes that are closed, devices.

use std::{fs::File, io::Read, os::unix::fs::FileTypeExt, process::Stdio};

use super::*;

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let world = World::demo();
    for args in [
        &["plan"][..],
        &["plan", "--format", "csv"],
        &["apply"],
        &["config", "show"],
        &["scope", "ls"],
        &["install", "iam", "aws"],
    ] {
        let full = File::create("/dev/full").expect("a device that is full");
        let ended = Ended::of(world.command(args).stdout(full).output().expect("runs"));
        assert_eq!(ended.code, 1, "{args:?}: {}", ended.err);
        assert_has(&ended.err, "cannot write the output");
    }
    assert_eq!(world.names().len(), 0, "a plan that nobody saw was applied");
}

#[test]
fn who_stops_reading_changes_neither_what_is_done_nor_the_code() {
    let world = World::demo();
    let unread = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Ended::of(world.command(args).stdout(writer).output().expect("runs"))
    };
    assert_eq!(unread(&["plan", "--detailed-exitcode"]).code, 3);
    assert_eq!(unread(&["scan", "--dry-run"]).code, 3);
    assert_has(&unread(&["apply"]).done().err, "Applied");
    assert!(!world.names().is_empty());
    for format in ["json", "yaml", "csv", "wide"] {
        let ended = unread(&["db", "ls", "-o", format]).done();
        assert_eq!(ended.err, "", "{format}");
    }
}

#[test]
fn a_plan_is_saved_through_a_link_or_into_a_pipe_and_replaces_neither() {
    let world = World::demo();
    let at = |name: &str| world.dir.path().join(name);
    fs::write(at("plan.json"), "old").expect("written");
    std::os::unix::fs::symlink("plan.json", at("link.json")).expect("a link");
    world.run(&["plan", "--out", "link.json"]).done();
    assert!(at("link.json").is_symlink());
    assert_has(
        &fs::read_to_string(at("plan.json")).expect("saved"),
        "\"saved\"",
    );

    mkfifo(&at("pipe"));
    let running = world
        .command(&["plan", "--out", "pipe"])
        .stdout(Stdio::null())
        .spawn();
    let mut saved = String::new();
    File::open(at("pipe"))
        .and_then(|mut pipe| pipe.read_to_string(&mut saved))
        .expect("read");
    assert!(running.expect("runs").wait().expect("ends").success());
    assert_has(&saved, "\"saved\"");
    let kind = fs::metadata(at("pipe")).expect("there").file_type();
    assert!(kind.is_fifo());
}

#[test]
fn a_configuration_may_come_through_a_pipe() {
    let world = World::demo();
    let text = fs::read_to_string(world.config()).expect("the configuration");
    let pipe = world.dir.path().join("pipe.yaml");
    mkfifo(&pipe);
    let written = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, text)
    });
    world
        .run(&["--config", "pipe.yaml", "plan", "--out", "plan.json"])
        .done();
    written.join().expect("ended").expect("written");
    // It is the same configuration, wherever it was read from.
    assert_has(&world.run(&["apply", "plan.json"]).done().err, "Applied");
}

fn mkfifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}
