//! `muster apply` beside the service: what it wrote stands for the service as it does after a start.

use muster_model::Database;
use muster_plan::Settings;
use muster_store::{Store, tables};

use super::{
    super::{HeldPlan, Setup, Verdict},
    kit::{REGIONS, World, complete, fleet, setup},
};
use crate::pipeline::{
    run::{Ask, run},
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

/// What `muster apply` makes of these in the first region, before the service sees them.
fn apply(world: &mut World, found: Vec<Database>, settings: &Settings) -> super::super::Taken {
    world.now = world.now.plus(300);
    let state = State::load(&*world.store).unwrap();
    let mut scans = vec![complete(REGIONS[0], found)];
    scans.extend(REGIONS[1..].iter().map(|it| complete(it, fleet(it, 10))));
    let ask = Ask {
        chain: &setup().chain,
        settings,
        scopes_known: true,
        open: &[],
        now: world.now,
        run: "apply",
    };
    let made = run(&state, &scans, &ask);
    let applied = world
        .engine
        .apply(&made.writes, state.revision, "alice", world.now);
    applied.unwrap()
}

fn plans(world: &World) -> Vec<HeldPlan> {
    let plans = tables::PLANS.list(&*world.store).unwrap().records;
    plans.into_iter().map(|(_, plan)| plan.value).collect()
}

#[test]
fn what_the_brake_held_of_it_waits_and_goes_when_that_is_approved() {
    let mut world = world(braked());
    apply(&mut world, skipped(REGIONS[0]), &braked().settings);
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
    apply(&mut world, fleet(REGIONS[0], 4), &braked().settings);
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
    let mut hasty = braked().settings;
    hasty.grace.seconds = 0;
    let before = world.store.revision().unwrap();
    apply(&mut world, Vec::new(), &hasty);
    assert!(!world.written(before).contains_key("decisions"));
    assert_eq!(world.engine.waiting(), 1);
    world.engine.sweep(world.now).unwrap();
    assert_eq!((world.engine.waiting(), plans(&world).len()), (1, 1));
}
