//! What clumsy people and impatient programs do to it.

use std::{
    fs,
    time::{Duration, Instant},
};

use muster::service::status::ServiceState;
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use super::{
    Service,
    disasters::STILL,
    ends::{hanging, hung},
    moving::Fleet,
    world::{PATIENCE, RUNTIME},
};
use crate::notify::receiver::{Answer, Receiver};

fn config(flavour: usize) -> String {
    format!(
        "schedule: {{ every: 1s, jitter: 0s }}
service: {{ listen: off }}
removal: {{ brake: {{ share: {}% }} }}",
        10 + flavour
    )
}

/// The digest of the configuration's file.
fn digest(fleet: &Fleet) -> String {
    let bytes = fs::read(fleet.world.config()).expect("the configuration");
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_storm_of_hangups_ends_with_the_last_configuration() {
    let fleet = Fleet::new(2, STILL, 0, 1, &config(0));
    let service = fleet.world.start();
    let before = service.shows("all well", |status| status.state == ServiceState::Ready);
    for number in 0..300 {
        match number % 3 {
            0 => fleet.configure("nonsense: true"),
            flavour => fleet.configure(&config(flavour)),
        }
        service.signal(Signal::HUP);
    }
    fleet.configure(&config(7));
    service.signal(Signal::HUP);
    let last = digest(&fleet);
    let after = service.shows("the last configuration", |status| {
        status.config.digest == last && status.state == ServiceState::Ready
    });
    assert_eq!(after.counts, before.counts);
    // It scanned all the while, and still does.
    service.shows("further scans", |status| {
        let scanned =
            |scope: &muster::service::status::ScopeStatus| scope.complete > Some(after.at);
        status.scopes.iter().all(scanned)
    });
    service.stop();
}

/// Waits until a signal would not simply end it.
fn listens(service: &Service, signal: Signal) {
    let until = Instant::now() + PATIENCE;
    let path = format!("/proc/{}/status", service.pid());
    loop {
        let status = fs::read_to_string(&path).expect("it runs");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.expect("a line").trim(), 16).expect("a mask");
        if caught & (1 << (signal.as_raw() - 1)) != 0 {
            return;
        }
        assert!(Instant::now() < until, "it does not listen");
        std::thread::yield_now();
    }
}

#[test]
fn a_hangup_while_it_starts_is_not_lost() {
    let fleet = Fleet::new(1, STILL, 0, 1, &config(0));
    for number in 1..=10_u64 {
        fleet.configure(&config(0));
        let service = fleet.world.start();
        listens(&service, Signal::HUP);
        // The file was read before.
        std::thread::sleep(Duration::from_millis(number * 7));
        fleet.configure(&config(1));
        service.signal(Signal::HUP);
        let wanted = digest(&fleet);
        let status = service.shows("the new configuration", |status| {
            status.config.digest == wanted
        });
        let reload = status.config.last_reload.expect("a reload");
        assert!(reload.accepted, "{reload:?}");
        service.stop();
    }
}

#[test]
fn a_term_while_it_starts_ends_it_cleanly() {
    let fleet = Fleet::new(1, STILL, 0, 1, &config(0));
    for number in 0..10_u64 {
        let service = fleet.world.start();
        listens(&service, Signal::TERM);
        std::thread::sleep(Duration::from_millis(number * 11));
        service.stop();
        assert!(!fleet.world.store().join("muster.sock").exists());
    }
}

#[test]
fn a_reload_does_not_wait_for_a_scan_that_hangs() {
    let more = |every: &str| {
        format!(
            "schedule: {{ every: {every}, jitter: 0s }}\nservice: {{ listen: off, shutdown: 1s }}"
        )
    };
    let world = hanging(&more("1h"));
    let service = hung(&world);
    let client = service.client();
    let good = fs::read_to_string(world.config()).expect("the configuration");
    world.write(&format!("{good}\nnonsense: true\n"));
    let refused = client.wait(client.reload(false)).expect_err("refused");
    assert!(refused.to_string().contains("nonsense"), "{refused}");
    world.configure(&more("2h"));
    let reloaded = client.wait(client.reload(false)).expect("in force");
    assert!(!reloaded.changes.is_empty());
    let status = client.wait(client.status()).expect("a status");
    assert!(
        status.scopes.iter().any(|scope| scope.running),
        "it hangs on"
    );
    service.stop();
}

#[test]
fn a_pipe_in_place_of_the_configuration_is_refused_and_the_next_reload_works() {
    let fleet = Fleet::new(1, STILL, 0, 1, &config(0));
    let service = fleet.world.start();
    service.shows("all well", |status| status.state == ServiceState::Ready);
    let path = fleet.world.config();
    let text = fs::read_to_string(&path).expect("the configuration");
    fs::remove_file(&path).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo").success());
    service.signal(Signal::HUP);
    let refused = service.shows("a refusal", |status| status.config.last_reload.is_some());
    let reload = refused.config.last_reload.expect("a reload");
    let said = reload.messages.join("; ");
    assert!(
        !reload.accepted && said.contains("it is not a regular file"),
        "{said}"
    );
    fs::remove_file(&path).expect("removed");
    fleet.world.write(&text.replace("share: 10%", "share: 11%"));
    service.signal(Signal::HUP);
    let wanted = digest(&fleet);
    service.shows("the new configuration", |status| {
        status.config.digest == wanted
    });
    service.stop();
}

#[test]
fn another_place_for_the_store_waits_for_a_restart() {
    let fleet = Fleet::new(1, STILL, 0, 1, &config(0));
    let service = fleet.world.start();
    let before = service.shows("all well", |status| status.state == ServiceState::Ready);
    let text = fs::read_to_string(fleet.world.config()).expect("the configuration");
    fleet
        .world
        .write(&text.replace("store: ./muster-demo", "store: ./elsewhere"));
    let client = service.client();
    let reloaded = client.wait(client.reload(false)).expect("in force");
    let warned = |line: &String| line.contains("store: it stays") && line.contains("restart");
    assert!(reloaded.needs_restart.iter().any(warned), "{reloaded:?}");
    let after = client.wait(client.status()).expect("a status");
    assert_eq!(after.store.path, before.store.path);
    assert!(!fleet.world.dir.path().join("elsewhere").exists());
    service.stop();
}

#[test]
fn a_sink_that_hangs_does_not_keep_it_from_ending_and_is_told_again() {
    let hook = RUNTIME.block_on(Receiver::start(|number, _| match number {
        0 => Answer::Hangs,
        _ => Answer::Status(200),
    }));
    let more = format!(
        "{}\nnotify: [{{ name: hook, events: ['*'], webhook: {{ url: '{}' }}, timeout: 5m }}]",
        config(0).replace("off }", "off, shutdown: 10m }"),
        hook.url
    );
    let fleet = Fleet::new(1, STILL, 0, 1, &more);
    let service = fleet.world.start();
    let first = RUNTIME.block_on(hook.until(1));
    service.shows("all enrolled", |status| status.state == ServiceState::Ready);
    // It does not wait for the five minutes.
    service.stop();
    let service = fleet.world.start();
    let told = RUNTIME.block_on(hook.until(2));
    assert_eq!(told[1].body().delivery, first[0].body().delivery);
    service.stop();
}

#[test]
fn a_command_that_hangs_ends_with_it() {
    let fleet = Fleet::new(1, STILL, 0, 1, "");
    let file = fleet.world.dir.path().join("pid");
    let more = format!(
        "{}\nnotify: [{{ name: program, events: ['*'], command: [/bin/sh, -c, 'echo $$ > {}; exec sleep 1000'], timeout: 5m }}]",
        config(0),
        file.display()
    );
    fleet.configure(&more);
    let service = fleet.world.start();
    let until = Instant::now() + PATIENCE;
    let pid: u32 = loop {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Ok(pid) = text.trim().parse() {
            break pid;
        }
        assert!(
            Instant::now() < until,
            "it is not started: {:#?}",
            service.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    };
    service.stop();
    let there = format!("/proc/{pid}/comm");
    while fs::read_to_string(&there).is_ok_and(|name| name.trim() == "sleep") {
        assert!(Instant::now() < until, "the program is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn its_status_can_be_asked_for_while_the_configuration_is_wrong() {
    let fleet = Fleet::new(1, STILL, 0, 1, &config(0));
    let service = fleet.world.start();
    service.shows("all well", |status| status.state == ServiceState::Ready);
    fleet.configure("nonsense: true");
    let reload = fleet
        .world
        .command(&["reload"])
        .output()
        .expect("muster runs");
    let said = String::from_utf8_lossy(&reload.stderr).into_owned();
    assert!(
        !reload.status.success() && said.contains("nonsense"),
        "{said}"
    );
    let status = fleet
        .world
        .command(&["status"])
        .output()
        .expect("muster runs");
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.status.success(), "{status:?}");
    assert!(
        said.contains("config-rejected") && said.contains("nonsense"),
        "{said}"
    );
    service.stop();
    // Without a service the configuration's problems are what is wrong.
    let status = fleet
        .world
        .command(&["status"])
        .output()
        .expect("muster runs");
    let said = String::from_utf8_lossy(&status.stderr).into_owned();
    assert!(said.contains("nonsense"), "{said}");
}

#[test]
fn a_reload_of_what_names_no_store_says_what_stays_in_force() {
    let fleet = Fleet::new(1, STILL, 0, 1, &config(0));
    let service = fleet.world.start();
    let before = service.shows("all well", |status| status.state == ServiceState::Ready);
    let run = |args: &[&str]| {
        let ended = fleet.world.command(args).output().expect("muster runs");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(78), "{said}");
        said
    };
    let store = fleet.world.store();
    let store = store.to_str().expect("text");
    for (text, why) in [
        (&b""[..], "the file is empty"),
        (b"store: [", "not valid YAML"),
        (b"store: \xff", "not UTF-8"),
        (b"store: ./muster-demo\nstore: ./muster-demo", "given twice"),
    ] {
        fs::write(fleet.world.config(), text).expect("written");
        let said = run(&["reload"]);
        assert!(
            said.contains(why)
                && said.contains("the service keeps the configuration that it has")
                && said.contains("`muster --store DIR reload`"),
            "{said}"
        );
        // So it is: the service itself is asked.
        let said = run(&["--store", store, "reload"]);
        assert!(
            said.contains(why) && said.contains("the old one stays in force"),
            "{said}"
        );
    }
    let after = service.shows("a refusal", |status| status.config.last_reload.is_some());
    assert_eq!(after.config.digest, before.config.digest);
    service.stop();
}
