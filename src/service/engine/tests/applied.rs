//! `muster apply` and `muster scan`, beside the service and before it starts: what they wrote stands for the service as it does
//! after a start, and what they judged by other rules does not stay.

use muster_model::Database;
use muster_store::{Revision, Store, tables};

use super::{
    super::{HeldPlan, Setup, Verdict},
    kit::{REGIONS, World, chain, complete, fleet, setup},
};
use crate::pipeline::{
    commit::commit,
    matched::Matched,
    run::{Ask, Writes, run},
    state::State,
};

fn braked() -> Setup {
    let mut setup = setup();
    setup.settings.brake.percent = 20;
    setup
}

/// Ten targets in each region.
fn world(setup: Setup) -> World {
    let mut world = World::new(setup);
    for region in REGIONS {
        world.take(&complete(region, fleet(region, 10)));
    }
    world
}

/// The same databases, but for their tags: the rules skip them.
fn skipped(region: &str) -> Vec<Database> {
    let mut found = fleet(region, 10);
    for database in &mut found {
        database.tags.insert("env".to_owned(), "dev".to_owned());
    }
    found
}

/// What a command makes of these in the first region, before the service sees them.
fn made(world: &mut World, found: Vec<Database>, by: &Setup) -> (Writes, Revision) {
    world.now = world.now.plus(300);
    let state = State::load(&*world.store).unwrap();
    let mut scans = vec![complete(REGIONS[0], found)];
    scans.extend(REGIONS[1..].iter().map(|it| complete(it, fleet(it, 10))));
    let ask = Ask {
        chain: &by.chain,
        settings: &by.settings,
        scopes_known: true,
        open: &[],
        now: world.now,
        run: "apply",
    };
    (run(&state, &scans, &ask).writes, state.revision)
}

/// `muster apply` beside the service.
fn apply(world: &mut World, found: Vec<Database>, by: &Setup) {
    let (writes, revision) = made(world, found, by);
    let now = world.now;
    world.engine.apply(&writes, revision, "alice", now).unwrap();
}

fn plans(world: &World) -> Vec<HeldPlan> {
    let plans = tables::PLANS.list(&*world.store).unwrap().records;
    plans.into_iter().map(|(_, plan)| plan.value).collect()
}

#[test]
fn what_the_brake_held_of_it_waits_and_goes_when_that_is_approved() {
    let mut world = world(braked());
    apply(&mut world, skipped(REGIONS[0]), &braked());
    assert_eq!((world.names().len(), world.engine.waiting()), (30, 1));
    world.engine.sweep(world.now).unwrap();
    assert_eq!(world.engine.counts().held["brake"], 10);
    // Neither another scope's scan nor its own lets go of them.
    world.take(&complete(REGIONS[1], fleet(REGIONS[1], 10)));
    world.take(&complete(REGIONS[0], skipped(REGIONS[0])));
    let held = plans(&world);
    assert_eq!(held.len(), 1);
    assert_eq!(
        (&held[0].verdict, held[0].removals.len()),
        (&Verdict::Waiting, 10)
    );
    let now = world.now;
    let (_, taken) = world
        .engine
        .decide(held[0].number, true, "bob", now)
        .unwrap();
    assert_eq!((taken.summary.remove, world.names().len()), (10, 20));
}

#[test]
fn what_it_did_not_find_counts_for_the_brake_before_the_next_scan_of_its_scope() {
    let mut world = world(braked());
    apply(&mut world, fleet(REGIONS[0], 4), &braked());
    assert_eq!(world.engine.counts().held["grace"], 6);
    // One more is the seventh of thirty, and six may go.
    let mut found = fleet(REGIONS[1], 10);
    found[0].tags.insert("env".to_owned(), "dev".to_owned());
    world.take(&complete(REGIONS[1], found));
    assert_eq!((world.names().len(), world.engine.waiting()), (30, 1));
}

#[test]
fn a_plan_of_it_that_writes_nothing_else_about_what_it_shows_stands_too() {
    let mut world = world(setup());
    // For the service ten of them wait for their grace.
    for _ in 0..2 {
        world.take(&complete(REGIONS[0], Vec::new()));
    }
    // The grace of whoever applies is over, and six are the most that may go.
    let mut hasty = braked();
    hasty.settings.grace.seconds = 0;
    let before = world.store.revision().unwrap();
    apply(&mut world, Vec::new(), &hasty);
    assert!(!world.written(before).contains_key("decisions"));
    assert_eq!(world.engine.waiting(), 1);
    world.engine.sweep(world.now).unwrap();
    assert_eq!((world.engine.waiting(), plans(&world).len()), (1, 1));
}

/// What the rules of the kit enroll is skipped by these.
fn others() -> Setup {
    Setup {
        chain: chain("[{ name: none, match: { '*': '*' }, skip: nobody gets anything }]"),
        digest: "rules 2".to_owned(),
        ..setup()
    }
}

#[test]
fn what_it_judged_by_other_rules_beside_the_service_is_judged_again_there() {
    let mut world = world(setup());
    // Something was seen otherwise, or not.
    for changed in [0, 3] {
        let mut found = fleet(REGIONS[0], 10);
        for database in found.iter_mut().take(changed) {
            database.engine_version = "17.0".to_owned();
        }
        apply(&mut world, found.clone(), &others());
        world.take(&complete(REGIONS[0], found));
        assert_eq!(world.names().len(), 30, "{changed}");
    }
    let before = world.store.revision().unwrap();
    world.restart(setup());
    assert_eq!(world.store.revision().unwrap(), before, "nothing is judged");
}

#[test]
fn so_it_is_when_the_service_starts_after_it() {
    for by in [Matched::All("rules 2"), Matched::Otherwise] {
        let mut world = world(setup());
        let (writes, revision) = made(&mut world, fleet(REGIONS[0], 10), &others());
        commit(&*world.store, &writes, revision, by, None).unwrap();
        assert_eq!(world.names(), [""; 0]);
        world.restart(setup());
        for region in REGIONS {
            world.take(&complete(region, fleet(region, 10)));
        }
        assert_eq!(world.names().len(), 30, "{by:?}");
    }
}

#[test]
fn what_it_judged_by_the_rules_of_a_service_that_starts_is_not_judged_again() {
    let mut world = world(setup());
    let (writes, revision) = made(&mut world, skipped(REGIONS[0]), &setup());
    let by = Matched::All("rules 1");
    commit(&*world.store, &writes, revision, by, None).unwrap();
    let before = world.store.revision().unwrap();
    world.restart(setup());
    assert_eq!(world.store.revision().unwrap(), before);
    let taken = world.take(&complete(REGIONS[0], skipped(REGIONS[0])));
    assert_eq!((taken.judged, world.names().len()), (0, 20));
}

#[test]
fn what_a_scan_saw_without_the_service_is_judged_when_that_starts() {
    let mut world = world(setup());
    let (writes, revision) = made(&mut world, skipped(REGIONS[0]), &setup());
    let writes = writes.inventory_only();
    commit(&*world.store, &writes, revision, Matched::Otherwise, None).unwrap();
    world.restart(setup());
    world.take(&complete(REGIONS[0], skipped(REGIONS[0])));
    assert_eq!(world.names().len(), 20);
}
