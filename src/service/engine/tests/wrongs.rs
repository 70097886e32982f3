//! Sequences of scans, restarts, reloads and words of people that could take a database away wrongly, or never.

use std::sync::Arc;

use muster_model::{Database, Malformed, Scan, Scope, Service};
use muster_plan::{Grace, TargetWrite, Unconfigured};
use muster_store::tables;

use super::{
    super::{Setup, Verdict},
    kit::{REGIONS, World, chain, complete, database, failed, fleet, setup},
};
use crate::pipeline::run::Writes;

/// What was enrolled by the rules of the kit is not by these.
fn other_rules() -> Setup {
    Setup {
        chain: chain("[{ name: none, match: { '*': '*' }, skip: nobody gets anything }]"),
        digest: "rules 2".to_owned(),
        ..setup()
    }
}

fn braked() -> Setup {
    let mut setup = setup();
    setup.settings.brake.percent = 20;
    setup
}

fn one() -> Vec<Database> {
    fleet(REGIONS[0], 1)
}

#[test]
fn what_was_missing_when_the_rules_changed_is_judged_by_the_new_ones_when_it_returns() {
    let mut world = World::new(setup());
    world.take(&complete(REGIONS[0], one()));
    world.take(&complete(REGIONS[0], Vec::new()));
    world
        .engine
        .configure(other_rules(), world.now, "reload")
        .unwrap();
    assert_eq!(world.names().len(), 1, "it waits for its grace");
    world.take(&complete(REGIONS[0], one()));
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn so_it_is_when_a_record_that_nobody_understands_says_that_it_is_back() {
    let mut world = World::new(setup());
    world.take(&complete(REGIONS[0], one()));
    world.take(&complete(REGIONS[0], Vec::new()));
    world
        .engine
        .configure(other_rules(), world.now, "reload")
        .unwrap();
    world.take(&not_understood(complete(REGIONS[0], Vec::new())));
    assert_eq!(world.names(), [""; 0]);
}

fn not_understood(scan: Scan) -> Scan {
    Scan {
        malformed: vec![Malformed {
            provider_id: Some(one()[0].id.provider_id().to_owned()),
            call: "rds:DescribeDBInstances".to_owned(),
            message: "70000 is not a TCP port".to_owned(),
        }],
        ..scan
    }
}

#[test]
fn what_an_incomplete_scan_saw_and_could_not_understand_is_not_missing() {
    let mut world = World::new(setup());
    world.take(&complete(REGIONS[0], one()));
    world.take(&complete(REGIONS[0], Vec::new()));
    world.take(&not_understood(failed(REGIONS[0], fleet(REGIONS[0], 0))));
    for _ in 0..2 {
        // The grace is ten minutes from now on, and not from the first time.
        world.take(&complete(REGIONS[0], Vec::new()));
        assert_eq!(world.names().len(), 1);
    }
    world.take(&complete(REGIONS[0], Vec::new()));
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn a_scope_that_is_asked_for_again_proves_nothing_before_it_is_read() {
    let mut world = World::new(setup());
    for region in &REGIONS[..2] {
        world.take(&complete(region, fleet(region, 1)));
    }
    let mut without = setup();
    without.scopes.remove(0);
    world
        .engine
        .configure(without, world.now, "reload")
        .unwrap();
    world
        .engine
        .configure(other_rules(), world.now, "reload")
        .unwrap();
    assert_eq!(world.names(), [format!("db-0-{}", REGIONS[0])]);
    // The brake counts what was removed within the hour.
    world.now = world.now.plus(3600);
    world.take(&complete(REGIONS[0], one()));
    assert_eq!(world.names(), [""; 0]);
}

/// A database of the first region, as another region's scan finds it.
fn elsewhere() -> Database {
    Database {
        scope: super::kit::scope(REGIONS[1]),
        ..one().remove(0)
    }
}

#[test]
fn what_two_scopes_see_is_there_for_as_long_as_one_of_them_does() {
    for order in [[0, 1], [1, 0]] {
        let mut setup = setup();
        setup.settings.grace = Grace {
            scans: 1,
            seconds: 0,
        };
        let mut world = World::new(setup);
        let both = [
            complete(REGIONS[0], one()),
            complete(REGIONS[1], vec![elsewhere()]),
        ];
        for place in order {
            world.take(&both[place]);
        }
        let taken = world.take(&complete(REGIONS[0], Vec::new()));
        assert_eq!((world.names().len(), taken.written), (1, 0), "{order:?}");
        // Now it is the other's, and that one's word counts.
        world.take(&both[1]);
        world.take(&failed(REGIONS[1], Vec::new()));
        world.take(&complete(REGIONS[0], Vec::new()));
        assert_eq!(world.names().len(), 1, "{order:?}");
        world.take(&complete(REGIONS[1], Vec::new()));
        assert_eq!(world.names(), [""; 0], "{order:?}");
    }
}

#[test]
fn what_a_resource_groups_own_scan_sees_is_not_missing_because_the_whole_subscriptions_does_not_see_it()
 {
    let scopes = [None, Some("data")]
        .map(|group| Arc::new(Scope::azure("sub", Service::PostgresqlFlexible, group)));
    let mut setup = setup();
    setup.scopes = scopes.to_vec();
    setup.chain = super::kit::azure_chain();
    setup.settings.grace = Grace {
        scans: 1,
        seconds: 0,
    };
    let mut world = World::new(setup);
    let [whole, group] = &scopes;
    let found = Database {
        scope: Arc::clone(group),
        ..one().remove(0)
    };
    let scan = |scope: &Arc<Scope>, found: Vec<Database>| Scan {
        found,
        ..Scan::empty(Arc::clone(scope))
    };
    world.take(&scan(group, vec![found]));
    let taken = world.take(&scan(whole, Vec::new()));
    assert_eq!((world.names().len(), taken.written), (1, 0));
    // Once the group's own scan does not see it, either says that it is gone.
    world.take(&Scan {
        coverage: failed(REGIONS[0], Vec::new()).coverage,
        ..scan(group, Vec::new())
    });
    world.take(&scan(whole, Vec::new()));
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn a_clock_that_was_ahead_when_something_went_missing_puts_its_removal_off_no_longer_than_the_grace()
 {
    for scans in [1, 3] {
        let mut world = World::new(setup());
        world.take(&complete(REGIONS[0], one()));
        let ahead = world.now.plus(365 * 86_400);
        for _ in 0..scans {
            let gone = complete(REGIONS[0], Vec::new());
            world.engine.take(&gone, ahead, "run").unwrap();
        }
        for _ in 0..2 {
            world.take(&complete(REGIONS[0], Vec::new()));
            assert_eq!(world.names().len(), 1);
        }
        world.take(&complete(REGIONS[0], Vec::new()));
        assert_eq!(world.names(), [""; 0]);
    }
}

#[test]
fn a_clock_that_goes_back_makes_nothing_look_old() {
    let mut world = World::new(setup());
    world.take(&complete(REGIONS[0], one()));
    for _ in 0..20 {
        world.now = world.now.plus(-400);
        world.take(&complete(REGIONS[0], Vec::new()));
    }
    assert_eq!(world.names().len(), 1);
}

#[test]
fn a_restart_is_no_way_around_the_brake() {
    let mut world = World::new(braked());
    for region in REGIONS {
        world.take(&complete(region, fleet(region, 10)));
    }
    // Six of thirty may go.
    for region in &REGIONS[..2] {
        world.take(&complete(region, fleet(region, 6)));
    }
    world.restart(braked());
    for _ in 0..4 {
        world.take(&complete(REGIONS[0], fleet(REGIONS[0], 6)));
    }
    assert_eq!((world.names().len(), world.engine.waiting()), (30, 1));
}

/// Two thirds of what there is are gone, and a plan says so.
fn much_is_gone(world: &mut World) -> u64 {
    for region in REGIONS {
        world.take(&complete(region, fleet(region, 10)));
    }
    for region in &REGIONS[..2] {
        for _ in 0..4 {
            world.take(&complete(region, Vec::new()));
        }
    }
    last(world).number
}

fn last(world: &World) -> muster_model::HeldPlan {
    let plans = tables::PLANS.list(&*world.store).unwrap().records;
    plans.last().unwrap().1.value.clone()
}

#[test]
fn a_plan_that_waits_does_so_across_a_restart_and_nobody_is_told_again() {
    let mut world = World::new(braked());
    let number = much_is_gone(&mut world);
    world.restart(braked());
    for region in REGIONS.iter().rev() {
        let found = if *region == REGIONS[2] { 10 } else { 0 };
        let taken = world.take(&complete(region, fleet(region, found)));
        assert_eq!(taken.notices, [], "{region}");
    }
    let plan = last(&world);
    assert_eq!((plan.number, &plan.verdict), (number, &Verdict::Waiting));
    assert_eq!(plan.removals.len(), 20);
}

#[test]
fn a_plan_that_waits_does_so_while_a_scope_of_it_is_not_read() {
    let mut world = World::new(braked());
    let number = much_is_gone(&mut world);
    world.take(&failed(REGIONS[0], Vec::new()));
    let mut slower = braked();
    slower.settings.brake.percent = 21;
    world.engine.configure(slower, world.now, "reload").unwrap();
    let plan = last(&world);
    assert_eq!((plan.number, &plan.verdict), (number, &Verdict::Waiting));
    assert_eq!(plan.removals.len(), 20);
}

#[test]
fn what_was_rejected_and_came_back_is_asked_for_again_when_it_goes_again() {
    let mut world = World::new(braked());
    let number = much_is_gone(&mut world);
    world
        .engine
        .decide(number, false, "alice", world.now)
        .unwrap();
    for region in &REGIONS[..2] {
        world.take(&complete(region, fleet(region, 10)));
    }
    for _ in 0..4 {
        world.take(&complete(REGIONS[0], Vec::new()));
    }
    assert_eq!((world.names().len(), world.engine.waiting()), (30, 1));
    assert_eq!(last(&world).removals.len(), 10);
}

#[test]
fn an_approval_does_not_outlive_the_return_of_a_database_that_nothing_is_decided_about() {
    let mut world = World::new(braked());
    let number = much_is_gone(&mut world);
    for region in &REGIONS[..2] {
        world.take(&failed(region, Vec::new()));
    }
    world
        .engine
        .decide(number, true, "alice", world.now)
        .unwrap();
    assert_eq!(world.names().len(), 30);
    let mut back = fleet(REGIONS[0], 10);
    for database in &mut back {
        database.tags.insert("env".to_owned(), "broken".to_owned());
    }
    world.take(&complete(REGIONS[0], back));
    for _ in 0..4 {
        world.take(&complete(REGIONS[0], Vec::new()));
    }
    assert_eq!((world.names().len(), world.engine.waiting()), (30, 1));
}

#[test]
fn what_a_persons_plan_removed_and_the_service_would_not_is_enrolled_again() {
    let mut world = World::new(setup());
    world.take(&complete(REGIONS[0], one()));
    let writes = Writes {
        targets: vec![TargetWrite::Delete(one()[0].id.clone())],
        ..Writes::default()
    };
    let revision = world.engine.revision();
    world
        .engine
        .apply(&writes, revision, "alice", world.now)
        .unwrap();
    assert_eq!(world.names(), [""; 0]);
    world.take(&complete(REGIONS[0], one()));
    assert_eq!(world.names().len(), 1);
}

#[test]
fn what_could_not_have_its_name_and_was_not_seen_when_that_became_free_is_enrolled_when_it_is_seen()
{
    let mut setup = setup();
    setup.settings.grace = Grace {
        scans: 1,
        seconds: 0,
    };
    let other = || database(REGIONS[1], "other", "prod", "other");
    // Nothing was read, or something else; and the service was started again, or was not.
    for (read, started_again) in [(0, false), (0, true), (1, false), (1, true)] {
        let mut world = World::new(setup.clone());
        let wants = |region| database(region, "db", "prod", "theirs");
        world.take(&complete(REGIONS[0], vec![wants(REGIONS[0])]));
        world.take(&complete(REGIONS[1], vec![other(), wants(REGIONS[1])]));
        world.take(&failed(REGIONS[1], vec![other(); read]));
        if started_again {
            world.restart(setup.clone());
        }
        world.take(&complete(REGIONS[0], Vec::new()));
        world.take(&complete(REGIONS[2], Vec::new()));
        assert_eq!(world.names(), ["other"], "{read} {started_again}");
        world.take(&complete(REGIONS[1], vec![other(), wants(REGIONS[1])]));
        assert_eq!(world.names(), ["other", "theirs"], "{read} {started_again}");
    }
}

#[test]
fn what_another_scope_sees_as_well_stays_when_its_own_is_not_asked_for_any_more() {
    for other in [
        elsewhere(),
        Database {
            tags: [("env".to_owned(), "dev".to_owned())].into(),
            ..elsewhere()
        },
    ] {
        let mut asked = setup();
        asked.settings.unconfigured = Unconfigured::Remove;
        asked.settings.grace = Grace {
            scans: 1,
            seconds: 0,
        };
        let mut world = World::new(asked.clone());
        world.take(&complete(REGIONS[0], one()));
        world.take(&failed(REGIONS[1], vec![other]));
        asked.scopes.remove(0);
        asked.chain = other_rules().chain;
        asked.digest = other_rules().digest;
        world.engine.configure(asked, world.now, "reload").unwrap();
        assert_eq!(
            world.names().len(),
            1,
            "what sees it now was not completely read"
        );
        world.take(&complete(REGIONS[1], vec![elsewhere()]));
        assert_eq!(world.names(), [""; 0]);
    }
}
