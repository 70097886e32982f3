//! A cloud of one region whose databases a test makes and deletes, and a place that reads it.

use std::{
    collections::BTreeMap,
    process::Output,
    sync::{Arc, Mutex},
};

use crate::{
    service::world::{Service, World},
    support::{
        cloud::{Call, Cloud, Reply, Sky, refusal, sts},
        fleet::listing,
    },
};

pub const SCOPE: &str = "aws/111111111111/us-east-1/rds";

/// One region of one account.
#[derive(Default)]
pub struct Town {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Name to version.
    databases: BTreeMap<String, String>,
    denied: bool,
    silent: bool,
    /// Questions that were taken and not answered.
    unanswered: usize,
}

/// The town, and a directory with a configuration that reads it.
pub struct Place {
    pub world: World,
    pub town: Arc<Town>,
    _cloud: Arc<Cloud>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

// === impl Town ===

impl Town {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().expect("unpoisoned"))
    }

    pub fn make(&self, name: &str) {
        self.upgrade(name, "16.4");
    }

    pub fn upgrade(&self, name: &str, version: &str) {
        self.with(|state| state.databases.insert(name.to_owned(), version.to_owned()));
    }

    pub fn delete(&self, name: &str) {
        self.with(|state| state.databases.remove(name))
            .expect("it was there");
    }

    pub fn deny(&self, denied: bool) {
        self.with(|state| state.denied = denied);
    }

    /// From now on it takes questions and never answers.
    pub fn fall_silent(&self) {
        self.with(|state| state.silent = true);
    }

    /// How many questions it has not answered.
    pub fn unanswered(&self) -> usize {
        self.with(|state| state.unanswered)
    }
}

impl Sky for Town {
    fn answer(&self, call: &Call) -> Reply {
        if call.service == "sts" {
            return sts(call);
        }
        let records = self.with(|state| {
            if state.silent {
                state.unanswered += 1;
                return Err(Reply::Silence);
            }
            if state.denied {
                return Err(refusal(403, "AccessDenied", "not authorized"));
            }
            if call.action != "DescribeDBInstances" {
                return Ok(Vec::new());
            }
            Ok(state.databases.iter().map(instance).collect())
        });
        match records {
            Ok(records) => Reply::Whole {
                status: 200,
                body: listing(&call.action, &records, None),
            },
            Err(reply) => reply,
        }
    }
}

fn instance((name, version): (&String, &String)) -> String {
    format!(
        "<DBInstance><DBInstanceIdentifier>{name}</DBInstanceIdentifier><Engine>postgres</Engine>\
         <EngineVersion>{version}</EngineVersion><DBInstanceStatus>available</DBInstanceStatus>\
         <Endpoint><Address>{name}.abc.us-east-1.rds.amazonaws.com</Address><Port>5432</Port></Endpoint>\
         <DBInstanceArn>arn:aws:rds:us-east-1:111111111111:db:{name}</DBInstanceArn>\
         <IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled>\
         <TagList><Tag><Key>env</Key><Value>prod</Value></Tag></TagList></DBInstance>"
    )
}

/// Reads the town once an hour, removes at once, and lets one removal through.
pub fn config(more: &str) -> String {
    format!(
        "version: 1
store: ./muster-demo
policy: sync
sources:
  aws:
    - types: [rds]
      regions: [us-east-1]
rules:
  - name: production
    match: {{ env: prod }}
    enroll: true
removal:
  grace: {{ scans: 1, time: 0s }}
  brake: {{ share: 0%, at_least: 1 }}
requests: {{ attempts: 1, per_second: 1000 }}
{more}
"
    )
}

pub const HOURLY: &str = "schedule: { every: 1h, jitter: 0s }\nservice: { listen: off }";

// === impl Place ===

impl Place {
    /// With these databases.
    pub fn new(databases: &[&str], more: &str) -> Self {
        let town = Arc::new(Town::default());
        for name in databases {
            town.make(name);
        }
        let cloud = Arc::new(Cloud::start(Arc::clone(&town)));
        Self::of(town, cloud, more)
    }

    /// Another directory that reads the same town.
    pub fn twin(&self, more: &str) -> Self {
        Self::of(Arc::clone(&self.town), Arc::clone(&self._cloud), more)
    }

    fn of(town: Arc<Town>, cloud: Arc<Cloud>, more: &str) -> Self {
        let world = World::at(cloud.url());
        world.write(&config(
            &more.replace("DIR", &world.dir.path().display().to_string()),
        ));
        Self {
            world,
            town,
            _cloud: cloud,
        }
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.world.command(args).output().expect("muster runs"))
    }

    /// Runs the service until it has tried everything once.
    pub fn start(&self) -> Service {
        let service = self.world.start();
        service.tried();
        service
    }
}

// === impl Ended ===

impl Ended {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn fails(self, code: i32, says: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        for text in says {
            assert!(self.err.contains(text), "no {text:?} in {}", self.err);
        }
        // No raw control characters, and what to do next.
        assert!(!self.err.chars().any(|c| c.is_control() && c != '\n'));
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}
