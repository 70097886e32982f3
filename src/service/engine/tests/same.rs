//! Scan by scan comes to the same as all at once.
//!
//! The one is the engine, which takes in a scan at a time, is started again between any two, and given other
//! configurations; the other is a whole run over the last scan of every scope that is asked for.

use std::collections::{BTreeMap, BTreeSet};

use muster_model::{Coverage, Database, Malformed, ResourceId, Scan, Timestamp};
use muster_plan::{Grace, Policy, Safety, Standing, Unconfigured};
use muster_store::{MemoryStore, Store, tables};
use proptest::{prelude::*, test_runner::FileFailurePersistence};

use super::{
    super::Setup,
    kit::{REGIONS, World, chain, complete, database, failed, scope, setup},
};
use crate::pipeline::{
    commit::commit,
    matched::Matched,
    run::{Ask, Run, run},
    state::State,
};

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// One region is scanned.
    Scan(Read),
    /// The configuration is another one.
    Reload(Config),
}

/// One scan of one region: what is there, and how it was read.
#[derive(Clone, Debug)]
struct Read {
    region: usize,
    /// By number: its environment, and the name that it wants.
    fleet: BTreeMap<u8, (&'static str, u8)>,
    /// Of which number there is a record that cannot be understood.
    malformed: Option<u8>,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Complete,
    /// So many of the databases were read.
    Partial(u8),
    Unread,
}

#[derive(Clone, Copy, Debug)]
struct Config {
    /// Places in [`RULES`].
    rules: usize,
    /// Which regions are asked for.
    regions: [bool; REGIONS.len()],
    policy: Policy,
    unconfigured: Unconfigured,
}

/// What holds for a whole test.
#[derive(Clone, Copy, Debug)]
struct Way {
    grace: u64,
    /// Whether the databases from [`ROAMING`] on are in whatever region finds them, under one id.
    roam: bool,
}

const ROAMING: u8 = 4;

const RULES: [&str; 3] = [
    super::kit::RULES,
    "[{ name: dev, match: { env: dev }, enroll: { name: '{{ tags.name }}' } }, \
      { name: rest, match: { '*': '*' }, skip: only development }]",
    "[{ name: all, match: { '*': '*' }, enroll: { name: 'x-{{ tags.name }}' } }]",
];

fn config() -> impl Strategy<Value = Config> {
    let policy = prop_oneof![
        4 => Just(Policy::Sync),
        1 => Just(Policy::CreateOnly),
    ];
    let unconfigured = prop_oneof![Just(Unconfigured::Hold), Just(Unconfigured::Remove)];
    let asked = prop::bool::weighted(0.7);
    (0..RULES.len(), [asked, asked, asked], policy, unconfigured).prop_map(
        |(rules, regions, policy, unconfigured)| Config {
            rules,
            regions,
            policy,
            unconfigured,
        },
    )
}

fn read() -> impl Strategy<Value = Read> {
    let env =
        prop_oneof![5 => Just("prod"), 1 => Just("dev"), 1 => Just("broken"), 1 => Just("other")];
    // Few names, so that databases of all regions want the same.
    let fleet = prop::collection::btree_map(0..6u8, (env, 0..8u8), 0..6);
    let how = prop_oneof![
        5 => Just(How::Complete),
        2 => (0..5u8).prop_map(How::Partial),
        1 => Just(How::Unread),
    ];
    // Of those that do not roam: a record says its scope only when it is understood.
    let malformed = prop::option::weighted(0.2, 0..ROAMING);
    (0..REGIONS.len(), fleet, malformed, how).prop_map(|(region, fleet, malformed, how)| Read {
        region,
        fleet,
        malformed,
        how,
    })
}

/// Each with the minutes before it, and whether the service is started again before it.
fn steps() -> impl Strategy<Value = Vec<(Step, i64, bool)>> {
    let step = prop_oneof![
        6 => read().prop_map(Step::Scan),
        1 => config().prop_map(Step::Reload),
    ];
    prop::collection::vec((step, 0..40i64, any::<bool>()), 1..16)
}

fn way() -> impl Strategy<Value = Way> {
    (prop_oneof![Just(0), Just(1800)], any::<bool>()).prop_map(|(grace, roam)| Way { grace, roam })
}

impl Read {
    fn scan(&self, roam: bool) -> Scan {
        let region = REGIONS[self.region];
        let make = |n: u8, env: &str, name: u8| {
            let identifier = format!("db-{n}");
            if !roam || n < ROAMING {
                return database(region, &identifier, env, &format!("name-{name}"));
            }
            // All say the same of it but where it is: who is heard first would else decide who has which name.
            let id = ResourceId::of(&format!("arn:aws:rds:::db:{identifier}"), "instance");
            let found = database(region, &identifier, "prod", &identifier);
            Database { id, ..found }
        };
        let broken = self.malformed.map(|n| make(n, "prod", 0).id);
        let found = |count: usize| -> Vec<Database> {
            let all = self.fleet.iter().take(count);
            all.map(|(n, (env, name))| make(*n, env, *name))
                .filter(|found| Some(&found.id) != broken.as_ref())
                .collect()
        };
        let mut scan = match self.how {
            How::Complete => complete(region, found(usize::MAX)),
            How::Partial(count) => failed(region, found(count.into())),
            How::Unread => return failed(region, Vec::new()),
        };
        if let (Some(_), Coverage::Unread(failures)) = (&broken, &scan.coverage) {
            scan.coverage = Coverage::Partial(failures.clone());
        }
        scan.malformed.extend(broken.map(|id| Malformed {
            provider_id: Some(id.provider_id().to_owned()),
            call: "rds:DescribeDBInstances".to_owned(),
            message: "70000 is not a TCP port".to_owned(),
        }));
        scan
    }
}

impl Config {
    fn setup(&self, way: Way) -> Setup {
        let mut setup = setup();
        setup.chain = chain(RULES[self.rules]);
        setup.digest = format!("rules {}", self.rules);
        setup.scopes = self.asked().map(|place| scope(REGIONS[place])).collect();
        setup.settings.policy = self.policy;
        setup.settings.unconfigured = self.unconfigured;
        setup.settings.grace = Grace {
            scans: 1,
            seconds: way.grace,
        };
        // What the brake holds is released with the next scan of its scope, and not of another one.
        setup.settings.brake.released = true;
        setup
    }

    fn asked(&self) -> impl Iterator<Item = usize> {
        let regions = self.regions;
        (0..REGIONS.len()).filter(move |place| regions[*place])
    }
}

/// A whole run over the last scan of every region, until nothing changes any more.
fn whole(store: &MemoryStore, scans: &[Scan], setup: &Setup, now: Timestamp) -> Run {
    for _ in 0..10 {
        let state = State::load(store).unwrap();
        let ask = Ask {
            chain: &setup.chain,
            settings: &setup.settings,
            scopes_known: true,
            open: &[],
            now,
            run: "run",
        };
        let result = run(&state, scans, &ask);
        commit(store, &result.writes, state.revision, Matched::Alike, None).unwrap();
        if result.writes.targets.is_empty() {
            return result;
        }
    }
    panic!("a plan that is carried out has to come to an end");
}

/// What there is to see in a store.
fn seen(store: &dyn Store) -> impl PartialEq + std::fmt::Debug + use<> {
    let targets = tables::TARGETS.list(store).unwrap().records;
    let records = tables::INVENTORY.list(store).unwrap().records;
    let missing: BTreeSet<&String> = records
        .iter()
        .filter(|(_, record)| record.value.missing.is_some())
        .map(|(id, _)| id)
        .collect();
    let decisions = tables::DECISIONS.list(store).unwrap().records.into_iter();
    let decisions: Vec<_> = decisions
        // Nothing is judged about what is not there.
        .filter(|(id, _)| !missing.contains(id))
        .map(|(id, it)| (id, it.value.decision, it.value.trace))
        .collect();
    let enrolled: BTreeSet<String> = targets.iter().map(|(id, _)| id.clone()).collect();
    let targets: Vec<_> = targets.into_iter().map(|(_, it)| it.value).collect();
    let records: Vec<_> = records
        .into_iter()
        // What is gone and was not enrolled is forgotten some time: by the next scan of its scope, or by a whole run.
        .filter(|(id, it)| it.value.missing.is_none() || enrolled.contains(id))
        .map(|(_, it)| (it.value.database, it.value.missing.is_some()))
        .collect();
    (targets, records, decisions)
}

/// The last scans of the scopes that are asked for.
fn asked(config: &Config, last: &[Scan]) -> Vec<Scan> {
    config.asked().map(|place| last[place].clone()).collect()
}

/// What a name that became free brings about.
fn settle(world: &mut World) {
    for _ in 0..6 {
        world.engine.sweep(world.now).unwrap();
    }
}

/// What a whole run holds, by safety. What waits for its grace, or is kept by the policy, does so as well while its scope is
/// not completely read: that is what the service says then of what is missing and of what was seen, and a whole run not.
fn held(run: &Run, world: &World) -> BTreeMap<String, u64> {
    let mut held = BTreeMap::new();
    for change in &run.plan.changes {
        let Some(hold) = change.hold else { continue };
        let index = &world.engine.index;
        let unread = hold.safety == Safety::Coverage
            && (index.is_missing(&change.id) || index.is_seen(&change.id))
            && index.is_asked_for(&change.id);
        let safety = match index.standing(&change.id) {
            Standing::Held(waits) if unread => waits.safety,
            _ => hold.safety,
        };
        *held.entry(safety.as_str().to_owned()).or_default() += 1;
    }
    held
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        // What failed once is tried for ever; beside this file.
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]
    #[test]
    fn scan_by_scan_is_the_same_as_all_at_once(steps in steps(), way in way()) {
        let mut config = Config {
            rules: 0,
            regions: [true; REGIONS.len()],
            policy: Policy::Sync,
            unconfigured: Unconfigured::Hold,
        };
        let mut setup = config.setup(way);
        let mut world = World::new(setup.clone());
        let oracle = MemoryStore::new();
        let mut last: Vec<Scan> = REGIONS.iter().map(|region| complete(region, Vec::new())).collect();
        for scan in &last {
            world.engine.take(scan, world.now, "run").unwrap();
        }
        whole(&oracle, &last, &setup, world.now);
        for (step, minutes, restart) in steps {
            world.now = world.now.plus(minutes * 60);
            let now = world.now;
            if restart {
                world.restart(setup.clone());
                for scan in asked(&config, &last) {
                    world.engine.take(&scan, now, "run").unwrap();
                }
                settle(&mut world);
                whole(&oracle, &asked(&config, &last), &setup, now);
            }
            match step {
                Step::Scan(read) if config.regions[read.region] => {
                    let scan = read.scan(way.roam);
                    world.engine.take(&scan, now, "run").unwrap();
                    last[read.region] = scan;
                }
                Step::Scan(_) => continue,
                Step::Reload(other) => {
                    let before = std::mem::replace(&mut config, other);
                    setup = config.setup(way);
                    world.engine.configure(setup.clone(), now, "reload").unwrap();
                    // What is asked for again is not known before it is read, and that fails at first.
                    for place in config.asked().filter(|place| !before.regions[*place]) {
                        last[place] = failed(REGIONS[place], Vec::new());
                        world.engine.take(&last[place], now, "run").unwrap();
                    }
                }
            }
            // What the others saw counts when they see it again; so does what waits for its grace.
            if way.roam || way.grace > 0 {
                for scan in asked(&config, &last) {
                    world.engine.take(&scan, now, "run").unwrap();
                }
            }
            settle(&mut world);
            let all = whole(&oracle, &asked(&config, &last), &setup, now);

            prop_assert_eq!(seen(&*world.store), seen(&oracle));
            // What a person is told is held is what the plan of everything says.
            prop_assert_eq!(world.engine.counts().held, held(&all, &world));
        }
    }
}
