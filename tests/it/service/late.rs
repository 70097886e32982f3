//! Answers of the cloud that come when something else is asked for by then.

use std::{
    fs,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use muster_model::{Scope, Service as Kind};
use rustix::process::Signal;
use tokio::sync::watch;

use super::{
    World, disasters,
    moving::{ACCOUNT, Moving},
    world::PATIENCE,
};
use crate::support::cloud::{Call, Cloud, Reply, Sky};

/// What is written down of a call whose answer is kept back.
const KEPT: &str = "kept back";

/// Two regions, and one call whose answer is kept back.
struct Late {
    regions: Arc<Moving>,
    open: watch::Sender<bool>,
    /// The action and the region of what is kept back.
    kept: Mutex<(&'static str, &'static str)>,
    /// What was asked for.
    calls: Mutex<Vec<(String, String)>>,
}

impl Late {
    fn new(action: &'static str, region: &'static str) -> Arc<Self> {
        let regions = Moving::new(2, disasters::STILL, 0, 1);
        regions.rest();
        Arc::new(Self {
            regions,
            open: watch::Sender::new(false),
            kept: Mutex::new((action, region)),
            calls: Mutex::default(),
        })
    }

    fn keep_back(&self, action: &'static str, region: &'static str) {
        *self.kept.lock().unwrap() = (action, region);
    }

    fn count(&self, action: &str, region: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        let same = calls.iter().filter(|(is, at)| is == action && at == region);
        same.count()
    }

    /// Waits for so many of these calls.
    fn waits_for(&self, action: &str, region: &str, many: usize) {
        let until = Instant::now() + PATIENCE;
        while self.count(action, region) < many {
            assert!(Instant::now() < until, "{:?}", self.calls.lock().unwrap());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Sky for Late {
    fn answer(&self, call: &Call) -> Reply {
        let region = match call.service.as_str() {
            "ec2" => "*",
            _ => call.region.as_str(),
        };
        let reply = if call.action == "DescribeRegions" {
            let item = |name: &&str| format!("<item><regionName>{name}</regionName></item>");
            let items: String = self.regions.names().iter().map(item).collect();
            let body = format!(
                "<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
            );
            Reply::Whole { status: 200, body }
        } else {
            self.regions.answer(call)
        };
        let is_kept = (call.action.as_str(), region) == *self.kept.lock().unwrap();
        let asked = (call.action.clone(), region.to_owned());
        self.calls.lock().unwrap().push(asked);
        match reply {
            Reply::Whole { status: 200, body } if is_kept => {
                let kept = (KEPT.to_owned(), region.to_owned());
                self.calls.lock().unwrap().push(kept);
                let open = self.open.subscribe();
                Reply::When { open, body }
            }
            reply => reply,
        }
    }
}

fn configure(world: &World, regions: &str) {
    configure_more(world, regions, "");
}

fn configure_more(world: &World, regions: &str, more: &str) {
    world.write(&format!(
        "version: 1
store: ./muster-demo
policy: sync
sources: {{ aws: [{{ types: [rds], regions: [{regions}] }}] }}
rules: [{{ name: all, match: {{ '*': '*' }}, enroll: true }}]
schedule: {{ every: 1h, jitter: 0s }}
requests: {{ attempts: 1, timeout: 60s }}
service: {{ listen: off, resolve: 1s }}
{more}"
    ));
}

fn scope(region: &str) -> Scope {
    Scope::aws(ACCOUNT, region, Kind::Rds)
}

#[test]
fn which_scopes_there_were_by_the_configuration_before_is_not_heard_any_more() {
    let sky = Late::new("", "");
    let cloud = Cloud::start(Arc::clone(&sky));
    let world = World::at(cloud.url());
    configure(&world, "'*'");
    let service = world.start();
    disasters::well(&service);
    let client = service.client();

    sky.keep_back("DescribeRegions", "*");
    sky.waits_for(KEPT, "*", 1);
    configure(&world, "eu-west-1");
    client.wait(client.reload(false)).expect("a new one");
    sky.open.send_replace(true);
    service.says("which scopes there are was asked for another configuration: it is not heard");
    let refused = client.wait(client.scan(vec![scope("eu-west-2")]));
    let refused = refused.expect_err("nobody asks for it").to_string();
    assert!(
        refused.contains("no source of the configuration asks for it"),
        "{refused}"
    );
    client
        .wait(client.scan(vec![scope("eu-west-1")]))
        .expect("a scan");
    service.stop();
}

#[test]
fn who_waits_for_a_scan_that_nobody_asks_for_any_more_is_told() {
    let list = "DescribeDBInstances";
    let sky = Late::new(list, "eu-west-2");
    let cloud = Cloud::start(Arc::clone(&sky));
    let world = World::at(cloud.url());
    configure(&world, "eu-west-1, eu-west-2");
    let service = world.start();
    for region in ["eu-west-1", "eu-west-2"] {
        sky.waits_for(list, region, 1);
    }
    service.shows("one of two", |status| {
        status.scopes.iter().any(|scope| scope.found > 0)
    });
    // The one that runs is to run again for who asks now.
    let client = service.client();
    let (sender, scanned) = mpsc::channel();
    let waits = thread::spawn(move || sender.send(client.wait(client.scan(Vec::new()))));
    sky.waits_for(list, "eu-west-1", 2);
    configure(&world, "eu-west-1");
    let client = service.client();
    client.wait(client.reload(false)).expect("a new one");
    sky.open.send_replace(true);
    let scanned = scanned.recv_timeout(PATIENCE).expect("an answer");
    let scanned = scanned.expect("scans");
    let regions: Vec<_> = scanned
        .iter()
        .map(|scan| scan.record.scope.region.as_str())
        .collect();
    assert_eq!(regions, ["eu-west-1"]);
    waits.join().expect("no panic").expect("sent");
    service.stop();
}

#[test]
fn what_is_done_at_the_authority_while_it_ends_is_recorded() {
    for proxy in ["", "proxy: { listen: '127.0.0.1:0' }\n"] {
        let list = "DescribeDBInstances";
        let sky = Late::new(list, "eu-west-2");
        let cloud = Cloud::start(Arc::clone(&sky));
        let world = World::at(cloud.url());
        configure_more(&world, "eu-west-1, eu-west-2", proxy);
        let service = world.start();
        sky.waits_for(KEPT, "eu-west-2", 1);
        service.signal(Signal::TERM);
        service.says("ending: what is under way may end within the limit");
        if !proxy.is_empty() {
            service.says("the proxy has ended");
        }
        let lock = ["lock", "add", "--user", "mallory", "--name", "late"];
        let locked = world.command(&lock).output().expect("muster runs");
        assert!(locked.status.success(), "{locked:?}");
        sky.open.send_replace(true);
        assert_eq!(service.ends().code(), Some(0));
        let files = fs::read_dir(world.store().join("audit")).expect("the audit log");
        let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap_or_default());
        let events: String = texts.collect();
        let at = |event: &str| {
            events
                .find(event)
                .unwrap_or_else(|| panic!("{event}: {events}"))
        };
        assert!(
            at("\"lock.created\"") < at("\"audit.log.stop\""),
            "{events}"
        );
    }
}
