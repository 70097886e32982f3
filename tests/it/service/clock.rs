//! The machine's clock is set by a year, forward and back, while it runs: nothing is removed because of that, nothing
//! is scanned in a storm, and it goes on by its schedule.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use muster::service::status::{ServiceState, Status};
use serde_json::Value;
use tempfile::TempDir;

use super::{Service, disasters::STILL, moving::Fleet, world::PATIENCE};

const YEAR: i64 = 365 * 24 * 3600;

/// What the program is started with to believe in another time.
static SHIM: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let dir = TempDir::new().expect("a directory");
    let shim = dir.path().join("clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/clock.c");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&shim, &source])
        .output()
        .expect("cc starts: on Debian, apt-get install gcc libc6-dev");
    assert!(made.status.success(), "{made:?}");
    (dir, shim)
});

/// A clock that can be set.
struct Clock(File);

impl Clock {
    fn start(fleet: &Fleet) -> (Self, Service) {
        let path = fleet.world.dir.path().join("clock");
        let file = File::create(&path).expect("a file");
        let clock = Self(file);
        clock.set(0);
        let mut command = fleet.world.command(&["run", "-v"]);
        command
            .env("LD_PRELOAD", &SHIM.1)
            .env("MUSTER_TEST_CLOCK", path);
        let service = fleet.world.launch(command);
        (clock, service)
    }

    /// So many seconds ahead of the right time.
    fn set(&self, ahead: i64) {
        self.0
            .write_all_at(&ahead.to_ne_bytes(), 0)
            .expect("written");
    }
}

fn targets(status: &Status) -> u64 {
    status.counts.targets.values().sum()
}

/// It has noticed, and says so.
fn noticed(service: &Service, way: &str, times: usize) -> Status {
    let status = service.shows("that the clock jumped", |status| {
        status.reasons.iter().any(|reason| {
            reason.code == "clock-jumped" && reason.message.contains(&format!("jumped {way} by"))
        })
    });
    assert_eq!(status.state, ServiceState::Degraded, "{status:#?}");
    // The log comes through a pipe, a moment later.
    let until = Instant::now() + PATIENCE;
    let told = |line: &Value| line["fields"]["message"] == "the machine's clock jumped";
    while service.log().iter().filter(|line| told(line)).count() < times {
        assert!(Instant::now() < until, "not logged: {:#?}", service.log());
        thread::sleep(Duration::from_millis(20));
    }
    let (code, page) = service.get("/readyz?verbose");
    assert_eq!(code, 200, "{page}");
    assert!(page.contains("clock-jumped"), "{page}");
    status
}

fn scan(service: &Service) -> Status {
    let client = service.client();
    client.wait(client.scan(Vec::new())).expect("scanned");
    client.wait(client.status()).expect("a status")
}

/// By the same time of day as the rest of the status.
fn due_within_the_hour(status: &Status, way: &str) {
    for scope in &status.scopes {
        let Some(next) = scope.next else {
            assert!(scope.running, "{way}: it is due some time: {scope:?}");
            continue;
        };
        let seconds = next.unix() - status.at.unix();
        assert!((-100..3700).contains(&seconds), "{way}: in {seconds} s");
    }
}

#[test]
fn a_year_forward_or_back_lets_no_grace_pass_and_starts_no_storm() {
    let fleet = Fleet::new(
        2,
        STILL,
        0,
        2,
        "removal: { grace: { scans: 2, time: 1h } }
schedule: { every: 1h, jitter: 0s }
service: { listen: '127.0.0.1:0' }",
    );
    let (clock, service) = Clock::start(&fleet);
    let before = service.shows("all well", |status| status.state == ServiceState::Ready);
    let calls = fleet.sky.calls();
    scan(&service);
    let calls_of_a_scan = fleet.sky.calls() - calls;

    fleet.sky.delete_one("eu-west-1");
    let missing = scan(&service);
    assert_eq!(targets(&missing), targets(&before));
    assert_eq!(missing.counts.held.get("grace"), Some(&1), "{missing:#?}");

    let calls = fleet.sky.calls();
    let mut scans = 0;
    let mut last = missing;
    for (jump, (way, ahead)) in [("forward", YEAR), ("back", -YEAR), ("forward", 0)]
        .into_iter()
        .enumerate()
    {
        clock.set(ahead);
        let status = noticed(&service, way, jump + 1);
        // A time of day that only goes forward, and by no year.
        assert!(
            status.at >= last.at && status.at.since(last.at) < 3600,
            "{way}"
        );
        due_within_the_hour(&status, way);
        for _ in 0..3 {
            last = scan(&service);
            scans += 1;
            assert_eq!(
                targets(&last),
                targets(&before),
                "{way}: nothing is removed"
            );
            assert_eq!(last.counts.held.get("grace"), Some(&1), "{way}: {last:#?}");
            due_within_the_hour(&last, way);
        }
    }
    // Those that were asked for, and after each jump at most one that may have been missed.
    let most = (scans + 3) * calls_of_a_scan;
    let made = fleet.sky.calls() - calls;
    assert!(made <= most, "{made} calls, and {most} would be many");
    service.stop();
}

#[test]
fn it_scans_by_its_schedule_whatever_the_clock_says() {
    let fleet = Fleet::new(
        1,
        STILL,
        0,
        3,
        "schedule: { every: 2s, jitter: 0s }
service: { listen: '127.0.0.1:0' }",
    );
    let (clock, service) = Clock::start(&fleet);
    service.shows("all well", |status| status.state == ServiceState::Ready);
    for (jump, (way, ahead)) in [("back", -YEAR), ("forward", YEAR), ("back", 0)]
        .into_iter()
        .enumerate()
    {
        clock.set(ahead);
        noticed(&service, way, jump + 1);
        let calls = fleet.sky.calls();
        service.shows("further scans", |_| fleet.sky.calls() >= calls + 6);
    }
    service.stop();
}
