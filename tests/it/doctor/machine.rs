//! The machine: modes, damage, ports. And that nothing is changed by looking.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
};

use super::doctor;
use crate::service::world::World;

/// The demo's fleet with a door at this address.
fn with_door(address: &str) -> World {
    let proxy = format!("proxy: {{ listen: \"{address}\", cluster_name: test }}");
    World::with(&["demo"], &proxy)
}

fn apply(world: &World) {
    let output = world.command(&["apply"]).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_scans_and_records_say_is_found_without_asking_anybody() {
    let world = with_door("127.0.0.1:0");
    apply(&world);
    let found = doctor(world.command(&["doctor", "--offline"]));
    assert_eq!(found.code, 4);
    assert_eq!(
        found.all(),
        [
            "permissions/denied 222222222222",
            "logins/iam-off aws/111111111111/us-east-1",
        ]
    );
    found.says("permissions/denied", "remedy", "\"rds:DescribeDB");
    found.says("permissions/denied", "remedy", "muster install iam aws");
    found.says("logins/iam-off", "why", "audit-log-prod");
    found.says(
        "logins/iam-off",
        "remedy",
        "--db-instance-identifier audit-log-prod --enable-iam-database-authentication",
    );
    // Without a door nobody logs in, unless somebody asks all the same.
    world.configure("");
    let found = doctor(world.command(&["doctor", "--offline"]));
    assert_eq!(found.all(), ["permissions/denied 222222222222"]);
    let found = doctor(world.command(&["doctor", "--offline", "logins"]));
    assert_eq!(found.all(), ["logins/iam-off aws/111111111111/us-east-1"]);
}

#[test]
fn a_port_that_somebody_has_and_modes_that_are_too_wide_are_found_and_left_alone() {
    let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = somebody.local_addr().unwrap();
    let world = with_door(&address.to_string());
    apply(&world);
    let store = world.store();
    let mode = |mode| fs::set_permissions(&store, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o777);
    let found = doctor(world.command(&["doctor", "--offline", "store", "ports"]));
    assert_eq!(
        found.all(),
        [
            format!("store/mode {}", store.display()),
            format!("ports/port-in-use {address}"),
        ]
    );
    assert_eq!(found.code, 4);
    found.says(
        "store/mode",
        "remedy",
        &format!("chmod 700 {}", store.display()),
    );
    found.says(
        "ports/port-in-use",
        "why",
        &format!("(process {})", std::process::id()),
    );
    let after = fs::metadata(&store).unwrap().permissions().mode() & 0o777;
    assert_eq!(after, 0o777, "it changes nothing");
    // What it says to do is enough.
    mode(0o700);
    drop(somebody);
    let found = doctor(world.command(&["doctor", "--offline", "store", "ports"]));
    assert_eq!((found.code, found.all()), (0, Vec::new()));
}

#[test]
fn a_damaged_store_is_found_and_not_touched() {
    let world = with_door("127.0.0.1:0");
    apply(&world);
    let db = world.store().join("data/db");
    let mut bytes = fs::read(&db).unwrap();
    let middle = bytes.len() / 2;
    bytes[..middle].fill(0x55);
    fs::write(&db, &bytes).unwrap();
    let found = doctor(world.command(&["doctor", "--offline", "store", "logins", "permissions"]));
    assert_eq!(found.code, 4);
    assert_eq!(
        found.all(),
        [format!("store/unusable {}", world.store().display())]
    );
    assert!(
        found.one("store/unusable")["remedy"]
            .as_str()
            .unwrap()
            .len()
            > 10
    );
    assert_eq!(found.check("permissions")["state"], "skipped");
    assert!(fs::read(&db).unwrap() == bytes, "it changes nothing");
}

#[test]
fn a_configuration_that_cannot_be_used_is_a_finding_and_no_end() {
    let world = with_door("127.0.0.1:0");
    world.configure("polcy: sync");
    let found = doctor(world.command(&["doctor", "--offline"]));
    assert_eq!(found.code, 4);
    assert_eq!(
        found.all(),
        [format!(
            "configuration/invalid {}",
            world.config().display()
        )]
    );
    found.says("configuration/invalid", "why", "polcy");
    assert_eq!(found.check("credentials")["state"], "skipped");

    // A file of authorities that is not there.
    let gone = world.dir.path().join("gone.pem");
    let dangling = world.dir.path().join("dangling.pem");
    symlink(&gone, &dangling).unwrap();
    world.configure(&format!(
        "proxy: {{ listen: \"127.0.0.1:0\", cluster_name: test, trust: {} }}",
        dangling.display()
    ));
    let found = doctor(world.command(&["doctor", "--offline", "certificates"]));
    assert_eq!(
        found.all(),
        [format!(
            "certificates/trust-unreadable {}",
            dangling.display()
        )]
    );
}
