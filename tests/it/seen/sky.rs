//! A cloud with one region, which fares as a test says.

use std::sync::{Arc, Mutex};

use crate::{
    service::world::World,
    support::{
        cloud::{Call, Cloud, Reply, Sky, refusal, sts},
        fleet::{Pace, Region, listing},
    },
};

/// How the region fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It answers.
    Fair,
    /// It allows nothing.
    Denied,
    /// It asks to slow down.
    Throttled,
    /// It answers that nothing is there.
    Empty,
}

/// One region of one account.
pub struct Fleet {
    region: Region,
    weather: Mutex<Weather>,
}

/// The cloud, the place of a service beside it, and how the cloud fares.
pub struct Place {
    pub world: World,
    pub fleet: Arc<Fleet>,
    _cloud: Cloud,
}

impl Fleet {
    /// How it fares from now on.
    pub fn turns(&self, weather: Weather) {
        *self.weather.lock().expect("unpoisoned") = weather;
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().expect("unpoisoned")
    }
}

impl Sky for Fleet {
    fn answer(&self, call: &Call) -> Reply {
        if call.service == "sts" {
            return sts(call);
        }
        let records = match (self.weather(), call.action.as_str()) {
            (Weather::Denied, _) => return refusal(403, "AccessDenied", "not authorized"),
            (Weather::Throttled, _) => return refusal(400, "Throttling", "Rate exceeded"),
            (Weather::Empty, _) => Vec::new(),
            (Weather::Fair, "DescribeDBInstances") => self.region.instances(),
            (Weather::Fair, "DescribeDBClusters") => self.region.clusters(),
            (Weather::Fair, other) => panic!("rds:{other} is not made up here"),
        };
        Reply::Whole {
            status: 200,
            body: listing(&call.action, &records, None),
        }
    }
}

impl Place {
    /// A region with a dozen resources, scanned every second, and further lines of the configuration.
    pub fn new(more: &str) -> Self {
        let pace = Pace {
            size: 12,
            appears: 0,
            vanishes: 0,
            returns: 0,
            changes: 0,
        };
        let fleet = Arc::new(Fleet {
            region: Region::new("111111111111", "eu-west-1", pace, 7),
            weather: Mutex::new(Weather::Fair),
        });
        let cloud = Cloud::start(Arc::clone(&fleet));
        let world = World::at(cloud.url());
        let place = Self {
            world,
            fleet,
            _cloud: cloud,
        };
        place.configure(more);
        place
    }

    /// Writes the configuration, with these further lines.
    pub fn configure(&self, more: &str) {
        let text = "\
version: 1
store: ./muster-demo
policy: sync
sources:
  aws:
    - { types: [rds], regions: [eu-west-1] }
requests: { attempts: 1 }
schedule: { every: 1s, jitter: 0s, backoff_max: 1s }
removal: { grace: { scans: 1, time: 0s }, brake: { share: 20%, at_least: 1 } }
";
        let listen = super::LISTEN;
        self.world.write(&format!("{text}{listen}\n{more}\n"));
    }
}
