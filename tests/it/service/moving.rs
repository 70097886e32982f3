//! A cloud whose fleet changes while the service reads it, and what really happened there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use muster_model::ResourceId;

use super::World;
use crate::support::{
    cloud::{Call, Cloud, Reply, Sky, refusal, sts},
    draw::Draw,
    fleet::{Pace, Region, Truth, listing, page},
};

/// The account of the service's credentials.
pub const ACCOUNT: &str = "111111111111";
/// Records a page.
const PAGE: usize = 20;

/// The cloud: every scan of a region finds it changed.
pub struct Moving {
    regions: BTreeMap<String, Mutex<Local>>,
    /// Times in a thousand that a call fails.
    faults: usize,
    still: AtomicBool,
    refusing: AtomicBool,
    calls: AtomicUsize,
}

struct Local {
    region: Region,
    draw: Draw,
    /// What was there at the last step, and is to be enrolled.
    there: BTreeSet<ResourceId>,
    /// How often each ceased to be.
    ceased: BTreeMap<ResourceId, usize>,
}

/// What is there, and what was.
#[derive(Default)]
pub struct Past {
    /// Everything that is there.
    pub truth: BTreeMap<ResourceId, Truth>,
    /// How often each database vanished, began to be deleted, or was taken out by hand.
    pub ceased: BTreeMap<ResourceId, usize>,
}

/// A place beside such a cloud.
pub struct Fleet {
    pub world: World,
    pub sky: Arc<Moving>,
    _cloud: Cloud,
}

// === impl Fleet ===

impl Fleet {
    /// So many regions, all of whose databases are enrolled, and further lines of the configuration.
    pub fn new(regions: usize, pace: Pace, faults: usize, seed: u64, more: &str) -> Self {
        let sky = Moving::new(regions, pace, faults, seed);
        let cloud = Cloud::start(Arc::clone(&sky));
        let fleet = Self {
            world: World::at(cloud.url()),
            sky,
            _cloud: cloud,
        };
        fleet.configure(more);
        fleet
    }

    /// Writes the configuration, with these further lines.
    pub fn configure(&self, more: &str) {
        let regions = self.sky.names().join(", ");
        self.world.write(&format!(
            "version: 1
store: ./muster-demo
policy: sync
sources: {{ aws: [{{ types: [rds], regions: [{regions}] }}] }}
rules:
  - {{ name: by hand, match: {{ enroll: 'no' }}, skip: taken out by hand }}
  - {{ name: all, match: {{ '*': '*' }}, enroll: true }}
{more}
"
        ));
    }
}

// === impl Moving ===

impl Moving {
    /// So many regions of one account.
    pub fn new(regions: usize, pace: Pace, faults: usize, seed: u64) -> Arc<Self> {
        let local = |n: usize| {
            let name = format!("eu-west-{}", n + 1);
            let region = Region::new(ACCOUNT, &name, pace, seed);
            let local = Local {
                there: wanted(&region.truth()),
                region,
                draw: Draw::part(seed, &format!("calls {name}")),
                ceased: BTreeMap::new(),
            };
            (name, Mutex::new(local))
        };
        Arc::new(Self {
            regions: (0..regions).map(local).collect(),
            faults,
            still: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
        })
    }

    /// The names of the regions.
    pub fn names(&self) -> Vec<&str> {
        self.regions.keys().map(String::as_str).collect()
    }

    /// From now on nothing changes and nothing fails any more.
    pub fn rest(&self) {
        self.still.store(true, Ordering::Relaxed);
    }

    /// Whether every listing is refused from now on.
    pub fn refuse(&self, every: bool) {
        self.refusing.store(every, Ordering::Relaxed);
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Deletes a database that can be enrolled.
    pub fn delete_one(&self, region: &str) {
        let mut local = lock(&self.regions[region]);
        let wanted = local.there.clone();
        let deleted = local.region.delete(|id| wanted.contains(id));
        local.there.remove(&deleted);
        *local.ceased.entry(deleted).or_default() += 1;
    }

    /// What is there, and what was.
    pub fn past(&self) -> Past {
        let mut past = Past::default();
        for local in self.regions.values() {
            let local = lock(local);
            past.truth.extend(local.region.truth());
            past.ceased.extend(local.ceased.clone());
        }
        past
    }
}

impl Local {
    fn step(&mut self) {
        self.region.step();
        let there = wanted(&self.region.truth());
        for id in self.there.difference(&there) {
            *self.ceased.entry(id.clone()).or_default() += 1;
        }
        self.there = there;
    }
}

impl Sky for Moving {
    fn answer(&self, call: &Call) -> Reply {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if call.service == "sts" {
            return sts(call);
        }
        if self.refusing.load(Ordering::Relaxed) {
            return refusal(403, "AccessDenied", "not allowed to");
        }
        let still = self.still.load(Ordering::Relaxed);
        let mut local = lock(&self.regions[&call.region]);
        let marker = call.params.get("Marker").map(String::as_str);
        if !still && call.action == "DescribeDBInstances" && marker.is_none() {
            local.step();
        }
        let records = match call.action.as_str() {
            "DescribeDBInstances" => local.region.instances(),
            "DescribeDBClusters" => local.region.clusters(),
            other => panic!("rds:{other} is not made up here"),
        };
        let offset = marker.map_or(0, |marker| marker.parse().expect("a marker of ours"));
        let (records, next) = page(&records, offset, PAGE);
        let next = next.map(|next| next.to_string());
        let body = listing(&call.action, records, next.as_deref());
        if still || !local.draw.in_thousand(self.faults) {
            return Reply::Whole { status: 200, body };
        }
        match local.draw.below(5) {
            0 => refusal(400, "Throttling", "Rate exceeded"),
            1 => refusal(403, "AccessDenied", "not allowed to"),
            2 => refusal(503, "ServiceUnavailable", "not now"),
            3 => Reply::Silence,
            _ => Reply::Cut {
                keep: body.len() / 2,
                body,
                broken: true,
            },
        }
    }
}

/// Those that are to be enrolled, as far as the cloud's word on them goes.
fn wanted(truth: &BTreeMap<ResourceId, Truth>) -> BTreeSet<ResourceId> {
    let wanted = |truth: &Truth| {
        truth.state != "deleting" && truth.tags.get("enroll").is_none_or(|it| it != "no")
    };
    let wanted = truth.iter().filter(|(_, truth)| wanted(truth));
    wanted.map(|(id, _)| id.clone()).collect()
}

fn lock(local: &Mutex<Local>) -> MutexGuard<'_, Local> {
    local.lock().unwrap_or_else(PoisonError::into_inner)
}
