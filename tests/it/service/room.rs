//! Places where a service has file systems of its own, so that a test can fill them or make them read-only without
//! harm to anything else: mount namespaces. They end with the service.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

use super::{Service, World};

/// How a room is made and entered here: as root, or as root of a user namespace.
struct Door {
    make: &'static [&'static str],
    enter: &'static [&'static str],
}

const DOORS: [Door; 2] = [
    Door {
        make: &["--mount"],
        enter: &["--mount"],
    },
    Door {
        make: &["--mount", "--map-root-user"],
        enter: &["--mount", "--user", "--preserve-credentials"],
    },
];

/// The door that works on this machine; none where nobody may mount.
fn door() -> Option<&'static Door> {
    static FOUND: OnceLock<Option<usize>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        DOORS.iter().position(|door| {
            let dir = TempDir::new().expect("a directory");
            let tried = Command::new("unshare")
                .args(door.make)
                .args(["mount", "-t", "tmpfs", "none"])
                .arg(dir.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            tried.is_ok_and(|status| status.success())
        })
    });
    found.map(|door| &DOORS[door])
}

/// Whether a room can be made; says what is not tested where none can.
pub fn possible(untested: &str) -> bool {
    let possible = door().is_some();
    if !possible {
        // Not through `eprintln`: what a test prints is only seen when it fails.
        let told = writeln!(
            io::stderr(),
            "NOT TESTED here, because this user may make no mount namespace: {untested}"
        );
        told.expect("standard error");
    }
    possible
}

/// The directory in which the store is in a room: its file system.
pub fn disk(world: &World) -> PathBuf {
    world.dir.path().join("muster-demo")
}

/// Starts the service with a file system of so many megabytes in the place of the store's directory, after a shell
/// command that finds the directory as `$1`.
pub fn start(world: &World, megabytes: usize, before: &str) -> Service {
    let disk = disk(world);
    std::fs::create_dir_all(&disk).expect("a directory");
    let door = door().expect("a room is possible");
    let mut command = Command::new("unshare");
    let plain = world.command(&["run", "-v"]);
    let script = format!(
        "mount -t tmpfs -o size={megabytes}m,mode=700 none \"$1\" && {before} exec \"$2\" run -v"
    );
    command
        .args(door.make)
        .args(["sh", "-c", &script, "sh"])
        .arg(&disk)
        .arg(plain.get_program())
        .current_dir(world.dir.path())
        .env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("only set"));
    }
    world.launch(command).in_its_room()
}

/// Runs a shell command in the room of a service.
pub fn run(service: &Service, script: &str, dir: &Path) {
    let door = door().expect("a room is possible");
    let output = Command::new("nsenter")
        .args(["--target", &service.pid().to_string()])
        .args(door.enter)
        .args(["sh", "-c", script, "sh"])
        .arg(dir)
        .output()
        .expect("nsenter starts");
    assert!(output.status.success(), "{script}: {output:?}");
}
