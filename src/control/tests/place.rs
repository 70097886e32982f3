//! The socket as a file.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    os::unix::net::UnixListener,
};

use super::*;
use crate::control::{ClientError, NAME, peer};

#[test]
fn it_is_for_its_owner_alone_and_gone_at_the_end() {
    let mut world = World::new();
    let socket = world.dir.path().join(NAME);
    let found = fs::symlink_metadata(&socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    world.end();
    assert_eq!(fs::read_dir(world.dir.path()).unwrap().count(), 0);
    let absent = Client::connect(world.dir.path()).unwrap_err();
    assert!(absent.is_absent(), "{absent}");
}

#[test]
fn what_a_killed_service_left_is_replaced() {
    let dir = TempDir::new().unwrap();
    let _in_tokio = Runtime::new().unwrap();
    let _entered = _in_tokio.enter();
    drop(UnixListener::bind(dir.path().join(NAME)).unwrap());
    let absent = Client::connect(dir.path()).unwrap_err();
    assert!(absent.is_absent(), "{absent}");
    bind(dir.path()).unwrap();
}

#[test]
fn what_somebody_serves_and_what_is_no_socket_are_left_alone() {
    let world = World::new();
    let _entered = world.runtime.enter();
    let taken = bind(world.dir.path()).err().expect("refused");
    assert_eq!(taken.source.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(world.client().dir(), world.dir.path());

    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(NAME), "precious").unwrap();
    assert!(bind(dir.path()).is_err());
    assert_eq!(fs::read(dir.path().join(NAME)).unwrap(), b"precious");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_path_may_be_longer_than_a_socket_takes() {
    let root = TempDir::new().unwrap();
    let dir = root.path().join("d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&dir).unwrap();
    let runtime = Runtime::new().unwrap();
    let (handle, _commands) = Handle::new(status(&dir), active(), Ok(Arc::new(MemoryStore::new())));
    let stop = CancellationToken::new();
    let control = {
        let _entered = runtime.enter();
        bind(&dir).unwrap()
    };
    let served = runtime.spawn(control.serve(handle, stop.clone()));
    let found = fs::symlink_metadata(dir.join(NAME)).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    let (client, service) = Client::connect(&dir).unwrap();
    assert_eq!(service.pid, std::process::id());
    assert_eq!(client.wait(client.status()).unwrap().store.path, dir);
    stop.cancel();
    runtime.block_on(served).unwrap();
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn where_there_is_no_directory_there_is_no_service() {
    let dir = TempDir::new().unwrap();
    let absent = Client::connect(&dir.path().join("never")).unwrap_err();
    assert!(matches!(absent, ClientError::Absent { .. }), "{absent}");
}

#[test]
fn only_ones_own_user_and_root_are_answered() {
    for (uid, own, may) in [
        (1000, 1000, true),
        (0, 1000, true),
        (1001, 1000, false),
        (1000, 0, false),
    ] {
        assert_eq!(peer::may_ask(uid, own), may, "{uid} asks {own}");
    }
}

#[test]
fn only_the_store_s_owner_and_root_are_believed() {
    for (server, owner, own, may) in [
        (1000, 1000, 1000, true),
        (1000, 1000, 0, true),
        (0, 1000, 1000, true),
        (1000, 0, 1000, true),
        (1001, 1000, 1000, false),
        (1001, 1000, 0, false),
        (1001, 0, 0, false),
    ] {
        let said = peer::may_serve(server, owner, own);
        assert_eq!(
            said, may,
            "uid {server} serves uid {own} in a directory of uid {owner}"
        );
    }
}

#[test]
fn who_asks_is_named_as_this_machine_knows_them() {
    let passwd = "root:x:0:0:root:/root:/bin/sh\n# a comment\nbroken\nalice:x:1000:1000:A,,,:/home/alice:/bin/sh\nevil\u{1b}[2J:x:1001:::\n";
    for (uid, name) in [
        (0, Some("root")),
        (1000, Some("alice")),
        (1001, None),
        (7, None),
    ] {
        assert_eq!(peer::name_of(passwd, uid).as_deref(), name, "{uid}");
    }
}

#[test]
fn a_socket_that_somebody_removed_is_made_again() {
    let world = World::impatient();
    let socket = world.dir.path().join(NAME);
    fs::remove_file(&socket).unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !socket.exists() {
        assert!(std::time::Instant::now() < end, "it is not made again");
        std::thread::yield_now();
    }
    assert_eq!(world.client().dir(), world.dir.path());
    assert_eq!(fs::read_dir(world.dir.path()).unwrap().count(), 1);
}

#[test]
fn what_somebody_puts_in_the_sockets_place_is_left_alone_until_they_take_it_away() {
    let world = World::impatient();
    let socket = world.dir.path().join(NAME);
    let aside = world.dir.path().join("aside");
    fs::create_dir(&aside).unwrap();
    fs::write(aside.join("theirs"), "theirs").unwrap();
    fs::remove_file(&socket).unwrap();
    // The service may have been quicker.
    while fs::rename(&aside, &socket).is_err() {
        fs::remove_file(&socket).unwrap();
    }
    assert!(Client::connect(world.dir.path()).is_err());
    assert_eq!(fs::read(socket.join("theirs")).unwrap(), b"theirs");
    fs::remove_dir_all(&socket).unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !socket.exists() {
        assert!(std::time::Instant::now() < end, "it is not made again");
        std::thread::yield_now();
    }
    assert_eq!(world.client().dir(), world.dir.path());
}
