//! What happens to the machine happens to the service: a full disk, one that cannot be written or read, no file
//! descriptors, a clock that is set. It says so in its state, its log and its readiness, takes nothing away, and goes
//! on by itself where it can.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
};

use muster::{
    control::RemoteStore,
    service::status::{ServiceState, Status},
};
use rustix::process::{Pid, Resource, Rlimit, Signal, getuid, prlimit};

use super::{Service, kills::books::Books, moving::Fleet, room};
use crate::support::fleet::Pace;

/// Nothing changes by itself.
pub const STILL: Pace = Pace {
    size: 10,
    appears: 0,
    vanishes: 0,
    returns: 0,
    changes: 0,
};

const MORE: &str = "schedule: { every: 1s, jitter: 0s }
requests: { attempts: 1, timeout: 5s }
service: { listen: '127.0.0.1:0' }";

fn fleet() -> Fleet {
    Fleet::new(2, STILL, 0, 1, MORE)
}

/// Waits until all is well, and everything that was found is counted.
pub fn well(service: &Service) -> Status {
    service.shows("all well", |status| {
        let found: u64 = status.scopes.iter().map(|scope| scope.found).sum();
        status.state == ServiceState::Ready
            && found > 0
            && status.counts.databases.values().sum::<u64>() == found
    })
}

fn books(service: &Service) -> Books {
    Books::of(&RemoteStore::new(service.client()), None)
}

/// It cannot write: says so to everybody, with these words, and what it knows is there.
fn is_stuck(service: &Service, before: &Status, words: &[&str]) {
    let status = service.shows("that it is stuck", |status| {
        status.state == ServiceState::Stuck
            && words.iter().all(|word| {
                let failure = status.store.failure.as_deref();
                failure.is_some_and(|failure| failure.contains(word))
            })
    });
    let reason = &status.reasons[0];
    assert_eq!(reason.code, "store-failed", "{status:#?}");
    assert_eq!(reason.subject, status.store.path.display().to_string());
    assert!(
        words.iter().all(|word| reason.message.contains(word)),
        "{reason:?}"
    );
    assert!(reason.message.contains("tried again"), "{reason:?}");
    assert_eq!(status.counts.targets, before.counts.targets);
    let line = service.hears("why", |line| {
        line["fields"]["message"] == "the store cannot be used: nothing is scanned until it can"
    });
    assert_eq!(line["level"], "ERROR");
    let (code, body) = service.get("/readyz");
    assert_eq!(code, 503, "{body}");
    assert!(
        body.starts_with("stuck\n") && words.iter().all(|word| body.contains(word)),
        "{body}"
    );
    // It lives: whoever restarted it would mend nothing.
    assert_eq!(service.get("/livez").0, 200);
}

/// It has gone on by itself, from where it was.
fn is_well_again(service: &Service, before: &Status, held: &Books) {
    service.says("the store can be used again");
    let after = service.shows("all well again, and a scan", |status| {
        status.state == ServiceState::Ready
            && status.store.failure.is_none()
            && status.store.revision > before.store.revision
            && status
                .scopes
                .iter()
                .all(|scope| scope.attempted > Some(before.at))
            // An attempt while it lasted may have found only a part; the next one finds all.
            && status.counts == before.counts
    });
    assert_eq!(after.state, ServiceState::Ready);
    assert_eq!(service.get("/readyz").0, 200);
    books(service).go_on_from(held, &|| "after it".to_owned());
}

/// Writes a file until no more fits.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("a file");
    let chunk = vec![b'x'; 64 << 10];
    loop {
        match file.write_all(&chunk) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
                return;
            }
        }
    }
}

#[test]
fn a_full_disk_stops_it_until_there_is_room() {
    if !room::possible("a full disk (writes that fail are, with a limit on the size of files)") {
        return;
    }
    let fleet = fleet();
    let service = room::start(&fleet.world, 24, "");
    let before = well(&service);
    let held = books(&service);
    // Beside the store's own files, as a log that grew.
    let filler = service.store().join("core");
    fill(&filler);
    is_stuck(
        &service,
        &before,
        &["no space left on the device", "free some space"],
    );
    fs::remove_file(&filler).expect("removed");
    is_well_again(&service, &before, &held);
    service.stop();
}

/// Sets a limit of a running process and returns what it was.
fn limit(service: &Service, resource: Resource, current: Option<u64>) -> Option<u64> {
    let pid = Pid::from_raw(i32::try_from(service.pid()).expect("a pid"));
    // What it is now cannot be asked for without setting it.
    let text = fs::read_to_string(format!("/proc/{}/limits", service.pid())).expect("limits");
    let name = match resource {
        Resource::Fsize => "Max file size",
        _ => "Max open files",
    };
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.expect("the limit").trim_start_matches(name);
    let mut values = line.split_whitespace().map(|word| word.parse::<u64>().ok());
    let before = values.next().flatten();
    let maximum = values.next().flatten();
    let new = Rlimit { current, maximum };
    prlimit(pid, resource, new).expect("a limit of our own process");
    before
}

#[test]
fn writes_that_fail_stop_it_until_they_do_not() {
    let fleet = fleet();
    let service = fleet.world.start();
    let before = well(&service);
    let held = books(&service);
    // Every write to a file fails, as on a disk that is over its quota.
    let usual = limit(&service, Resource::Fsize, Some(0));
    is_stuck(&service, &before, &["File too large"]);
    limit(&service, Resource::Fsize, usual);
    is_well_again(&service, &before, &held);
    service.stop();
}

#[test]
fn while_it_is_stuck_it_says_no_and_can_be_ended() {
    let fleet = fleet();
    let service = fleet.world.start();
    let before = well(&service);
    limit(&service, Resource::Fsize, Some(0));
    is_stuck(&service, &before, &["File too large"]);
    let client = service.client();
    for refused in [
        client.wait(client.scan(Vec::new())).map(drop),
        client.wait(client.reload(true)).map(drop),
        client.wait(client.decide(1, true)).map(drop),
    ] {
        let refused = refused.expect_err("it cannot");
        let text = refused.to_string();
        assert!(text.contains("File too large"), "{text}");
    }
    // It has let go of the store: whoever can read it may.
    let ls = fleet.world.command(&["db", "ls", "-o", "name"]).output();
    let ls = ls.expect("muster runs");
    assert!(ls.status.success(), "{ls:?}");
    let listed = String::from_utf8_lossy(&ls.stdout).lines().count() as u64;
    assert_eq!(listed, before.counts.targets.values().sum::<u64>());
    let status = fleet.world.command(&["status"]).output();
    let status = status.expect("muster runs");
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.status.code(), Some(1), "{status:?}");
    assert!(said.contains("is stuck: it cannot write"), "{said}");
    assert!(said.contains("store-failed"), "{said}");
    service.signal(Signal::TERM);
    assert_eq!(service.ends().code(), Some(0));
    // Everything is as it was, and free.
    let service = fleet.world.start();
    assert_eq!(well(&service).counts, before.counts);
    service.stop();
}

#[test]
fn without_file_descriptors_it_waits_for_some() {
    let fleet = fleet();
    let service = fleet.world.start();
    let before = well(&service);
    let held = books(&service);
    // No number that is free may be used: it cannot even look for new files in the store, or take a connection.
    let usual = limit(&service, Resource::Nofile, Some(3));
    let stuck = service.is(ServiceState::Stuck);
    let why = stuck["fields"]["reason"].as_str().expect("a reason");
    assert!(
        why.contains("too many open files") && why.contains("LimitNOFILE"),
        "{why}"
    );
    // Enough for those who ask, and too few for the store.
    let used: Vec<u64> = fs::read_dir(format!("/proc/{}/fd", service.pid()))
        .expect("its descriptors")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    let free = (0..).filter(|number| !used.contains(number)).nth(1);
    limit(&service, Resource::Nofile, free.map(|last| last + 1));
    is_stuck(&service, &before, &["too many open files", "LimitNOFILE"]);
    limit(&service, Resource::Nofile, usual);
    is_well_again(&service, &before, &held);
    service.stop();
}

#[test]
fn a_file_system_that_becomes_read_only_stops_it_until_it_can_be_written() {
    if !room::possible("a read-only file system") {
        return;
    }
    let fleet = fleet();
    // Another one beside it, in whose place it comes.
    let service = room::start(&fleet.world, 24, "");
    let before = well(&service);
    let held = books(&service);
    let disk = room::disk(&fleet.world);
    // What is open stays writable: the store is made to open its files again.
    let usual = limit(&service, Resource::Fsize, Some(0));
    is_stuck(&service, &before, &["File too large"]);
    room::run(
        &service,
        "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"",
        &disk,
    );
    limit(&service, Resource::Fsize, usual);
    is_stuck(&service, &before, &["Read-only file system"]);
    room::run(&service, "umount \"$1\"", &disk);
    is_well_again(&service, &before, &held);
    service.stop();
}

#[test]
fn a_store_on_a_read_only_file_system_does_not_start() {
    if !room::possible("a start on a read-only file system") {
        return;
    }
    let fleet = fleet();
    let disk = room::disk(&fleet.world);
    fs::create_dir(&disk).expect("a directory");
    let service = room::start(&fleet.world, 24, "mount -o remount,bind,ro \"$1\" &&");
    let (status, text) = service.ends_with_log();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
    assert!(
        text.contains("hint:") && text.contains("writable"),
        "{text}"
    );
}

/// Whoever can be kept out by permissions: this user, or for root another one.
fn ordinary() -> Option<u32> {
    getuid().is_root().then_some(65534)
}

/// Lets the service's user have the directory.
fn hand_over(fleet: &Fleet) {
    if let Some(user) = ordinary() {
        for path in [fleet.world.dir.path(), &fleet.world.config()] {
            chown(path, Some(user), Some(user)).expect("root may");
        }
    }
}

fn start_as_ordinary(fleet: &Fleet) -> Service {
    let mut command = fleet.world.command(&["run", "-v"]);
    if let Some(user) = ordinary() {
        command.uid(user).gid(user);
    }
    fleet.world.launch(command)
}

#[test]
fn a_store_that_it_may_not_read_stops_it_until_it_may() {
    let fleet = fleet();
    hand_over(&fleet);
    let service = start_as_ordinary(&fleet);
    let before = well(&service);
    let held = books(&service);
    let mode = |mode| fs::set_permissions(fleet.world.store(), fs::Permissions::from_mode(mode));
    mode(0o000).expect("the mode is set");
    // Nobody but root can ask it: its socket is in there.
    let stuck = service.is(ServiceState::Stuck);
    let why = stuck["fields"]["reason"].as_str().expect("a reason");
    assert!(why.contains("Permission denied"), "{why}");
    assert!(
        why.contains(&fleet.world.store().display().to_string()),
        "{why}"
    );
    mode(0o700).expect("the mode is set");
    is_well_again(&service, &before, &held);
    service.stop();
}

#[test]
fn a_store_of_another_user_is_told_with_what_to_do() {
    let fleet = fleet();
    hand_over(&fleet);
    let service = start_as_ordinary(&fleet);
    well(&service);
    service.stop();
    // Somebody ran a command as root, and files of it are root's; or for others: nobody may write.
    let data = fleet.world.store().join("data");
    let mark = fleet.world.store().join("acknowledged");
    for path in [&mark, &data.join("db")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o400)).expect("the mode is set");
        if ordinary().is_some() {
            chown(path, Some(0), Some(0)).expect("root may");
        }
    }
    let service = start_as_ordinary(&fleet);
    let (status, text) = service.ends_with_log();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("error: cannot open the store"), "{text}");
    assert!(text.contains("Permission denied"), "{text}");
    assert!(
        text.contains("hint:") && text.contains("the service's user"),
        "{text}"
    );
    // No word of damage: the data is good.
    assert!(
        !text.contains("damaged") && !text.contains("backup"),
        "{text}"
    );
}

#[test]
fn a_damaged_store_does_not_start_and_says_how_to_go_on() {
    let fleet = fleet();
    let service = fleet.world.start();
    let before = well(&service);
    service.stop();
    let held = Books::read(&fleet.world.store(), None);
    let db = fleet.world.store().join("data/db");
    let whole = fs::read(&db).expect("the data");
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[..middle].fill(0x55);
    fs::write(&db, &bytes).expect("written");
    let (status, text) = fleet.world.start().ends_with_log();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("error: cannot open the store"), "{text}");
    assert!(
        text.contains("restore the directory from a backup"),
        "{text}"
    );
    // The backup is put back.
    fs::write(&db, &whole).expect("written");
    let service = fleet.world.start();
    let after = well(&service);
    assert_eq!(after.counts, before.counts);
    books(&service).go_on_from(&held, &|| "after it".to_owned());
    service.stop();
}

#[test]
fn data_that_is_moved_from_under_it_stops_it_until_it_is_back() {
    let fleet = fleet();
    let service = fleet.world.start();
    let before = well(&service);
    let held = books(&service);
    let data = fleet.world.store().join("data");
    let aside = fleet.world.dir.path().join("aside");
    fs::rename(&data, &aside).expect("moved");
    is_stuck(&service, &before, &["its directory data is missing"]);
    fs::rename(&aside, &data).expect("moved back");
    is_well_again(&service, &before, &held);
    service.stop();
}

#[test]
fn a_file_of_the_data_that_is_moved_away_or_cut_off_stops_it() {
    let fleet = fleet();
    let service = fleet.world.start();
    let before = well(&service);
    let held = books(&service);
    let db = fleet.world.store().join("data/db");
    let aside = fleet.world.dir.path().join("aside");
    fs::rename(&db, &aside).expect("moved");
    let stuck = service.is(ServiceState::Stuck);
    let why = stuck["fields"]["reason"].as_str().expect("a reason");
    let gone = format!("the file {} was deleted or moved away", db.display());
    assert!(why.contains(&gone), "{why}");
    is_stuck(&service, &before, &["its file data/db is missing"]);
    fs::rename(&aside, &db).expect("moved back");
    is_well_again(&service, &before, &held);

    let file = File::options().write(true).open(&db).expect("the data");
    file.set_len(0).expect("cut off");
    let cut = format!("the file {} was cut off", db.display());
    service.hears("what was done to it", |line| {
        let why = line["fields"]["reason"].as_str().unwrap_or_default();
        why.contains(&cut)
    });
    is_stuck(&service, &before, &["restore the directory from a backup"]);
    service.signal(Signal::TERM);
    assert_eq!(service.ends().code(), Some(0));
}

#[test]
fn a_lock_that_is_removed_stops_it_and_is_named() {
    let fleet = fleet();
    let service = fleet.world.start();
    let before = well(&service);
    let held = books(&service);
    let lock = fleet.world.store().join("lock");
    fs::remove_file(&lock).expect("removed");
    let stuck = service.is(ServiceState::Stuck);
    let why = stuck["fields"]["reason"].as_str().expect("a reason");
    let gone = format!("the file {} was deleted or moved away", lock.display());
    assert!(why.contains(&gone), "{why}");
    // Nothing is lost with it: the store is opened again, with another one.
    is_well_again(&service, &before, &held);
    service.stop();
}
