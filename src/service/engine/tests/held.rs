//! Plans that the brake holds, and what a person says of them.

use muster_model::{Became, Event};
use muster_store::{Store, tables};

use super::{
    super::{EngineError, Setup, Verdict},
    kit::{REGIONS, World, complete, failed, fleet, setup},
};
use crate::service::notice::NoticeEvent;

fn braked() -> Setup {
    let mut setup = setup();
    setup.settings.brake.percent = 20;
    setup
}

/// Thirty targets, of which ten of one region and then ten of another vanish.
fn vanish(world: &mut World) {
    for region in REGIONS {
        world.take(&complete(region, fleet(region, 10)));
    }
    for region in &REGIONS[..2] {
        for _ in 0..4 {
            world.take(&complete(region, Vec::new()));
        }
    }
}

#[test]
fn a_loss_that_is_noticed_scope_by_scope_is_held_as_a_whole() {
    let mut world = World::new(braked());
    vanish(&mut world);
    assert_eq!(world.names().len(), 30);
    assert_eq!(world.engine.waiting(), 1);
    let plans = tables::PLANS.list(&*world.store).unwrap().records;
    let last = &plans.last().unwrap().1.value;
    assert_eq!(last.verdict, Verdict::Waiting);
    assert_eq!(
        (last.removals.len(), last.targets, last.allowance),
        (20, 30, 6)
    );
    let superseded = plans
        .iter()
        .filter(|(_, plan)| matches!(plan.value.verdict, Verdict::Superseded { .. }));
    assert_eq!(superseded.count(), plans.len() - 1);
}

#[test]
fn an_approved_plan_removes_what_it_showed_and_the_history_says_who() {
    let mut world = World::new(braked());
    vanish(&mut world);
    // One comes back before anybody looks.
    let mut found = fleet(REGIONS[0], 1);
    found[0].tags.insert("back".to_owned(), "yes".to_owned());
    world.take(&complete(REGIONS[0], found.clone()));
    let number = last(&world).number;
    let (plan, taken) = world
        .engine
        .decide(number, true, "alice (uid 1000)", world.now)
        .unwrap();
    assert_eq!(plan.removals.len(), 19);
    assert!(matches!(plan.verdict, Verdict::Approved { ref by, .. } if by == "alice (uid 1000)"));
    assert_eq!(taken.summary.remove, 19);
    assert_eq!(world.names().len(), 11);
    assert_eq!(world.engine.waiting(), 0);
    let lines = tables::HISTORY.recent(&*world.store, 100).unwrap().entries;
    let approved = lines.iter().filter(|entry| entry.event == Event::Approved);
    assert_eq!(
        approved
            .filter(|entry| entry.by == "alice (uid 1000)")
            .count(),
        19
    );
    let twice = world
        .engine
        .decide(number, true, "bob", world.now)
        .unwrap_err();
    assert!(matches!(twice, EngineError::NotWaiting(_)), "{twice}");
    // The plan goes on to say what it was.
    let ended = |world: &World, became| plan_of(world, number).ended(became).count();
    assert_eq!(plan_of(&world, number).removals.len(), 19);
    assert_eq!(ended(&world, Became::Removed), 19);
    // The same databases again: the approval was for one loss.
    world.take(&complete(REGIONS[0], fleet(REGIONS[0], 10)));
    assert_eq!(ended(&world, Became::Removed), 19);
    for _ in 0..4 {
        world.take(&complete(REGIONS[0], Vec::new()));
    }
    assert_eq!(world.names().len(), 20);
    assert_eq!(world.engine.waiting(), 1);
}

fn plan_of(world: &World, number: u64) -> muster_model::HeldPlan {
    let plans = tables::PLANS.list(&*world.store).unwrap().records;
    let mut plans = plans.into_iter().map(|(_, plan)| plan.value);
    plans.find(|plan| plan.number == number).unwrap()
}

#[test]
fn what_comes_back_before_its_removal_stays_and_the_plan_says_so() {
    let mut world = World::new(braked());
    vanish(&mut world);
    for region in &REGIONS[..2] {
        world.take(&failed(region, Vec::new()));
    }
    let number = last(&world).number;
    world
        .engine
        .decide(number, true, "alice", world.now)
        .unwrap();
    assert_eq!(plan_of(&world, number).open().count(), 20);
    world.take(&complete(REGIONS[0], fleet(REGIONS[0], 4)));
    let plan = plan_of(&world, number);
    let counts = [Became::Removed, Became::Stays, Became::Open].map(|it| plan.ended(it).count());
    assert_eq!((plan.removals.len(), counts), (20, [6, 4, 10]));
}

#[test]
fn a_rejected_plan_is_approved_only_while_no_other_took_its_place() {
    let mut world = World::new(braked());
    vanish(&mut world);
    let number = last(&world).number;
    let now = world.now;
    world.engine.decide(number, false, "alice", now).unwrap();
    for _ in 0..4 {
        world.take(&complete(REGIONS[2], fleet(REGIONS[2], 9)));
    }
    let newer = last(&world).number;
    assert!(newer > number);
    let now = world.now;
    let refused = world.engine.decide(number, true, "bob", now).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains(&format!("plan {newer} took its place since")),
        "{refused}"
    );
    // A person may think again of the one that stands.
    world.engine.decide(newer, false, "alice", now).unwrap();
    let (plan, taken) = world.engine.decide(newer, true, "alice", now).unwrap();
    assert!(matches!(plan.verdict, Verdict::Approved { .. }));
    assert_eq!(taken.summary.remove, 21);
    let refused = world.engine.decide(newer, false, "bob", now).unwrap_err();
    assert!(matches!(refused, EngineError::NotWaiting(_)), "{refused}");
}

fn last(world: &World) -> muster_model::HeldPlan {
    let plans = tables::PLANS.list(&*world.store).unwrap().records;
    plans.last().unwrap().1.value.clone()
}

#[test]
fn what_is_approved_of_an_unread_scope_waits_until_it_is_read() {
    let mut world = World::new(braked());
    vanish(&mut world);
    world.take(&failed(REGIONS[1], Vec::new()));
    let number = last(&world).number;
    let (_, taken) = world
        .engine
        .decide(number, true, "alice", world.now)
        .unwrap();
    assert_eq!(taken.summary.remove, 10);
    assert_eq!(world.names().len(), 20);
    world.take(&complete(REGIONS[1], Vec::new()));
    assert_eq!(world.names().len(), 10);
}

#[test]
fn a_rejected_plan_stays_away_until_it_grows() {
    let mut world = World::new(braked());
    vanish(&mut world);
    let number = last(&world).number;
    world
        .engine
        .decide(number, false, "alice", world.now)
        .unwrap();
    for _ in 0..3 {
        world.take(&complete(REGIONS[0], Vec::new()));
    }
    assert_eq!((world.engine.waiting(), world.names().len()), (0, 30));
    for _ in 0..4 {
        world.take(&complete(REGIONS[2], fleet(REGIONS[2], 9)));
    }
    assert_eq!(
        (world.engine.waiting(), last(&world).removals.len()),
        (1, 21)
    );
}

#[test]
fn held_plans_survive_a_restart_and_nothing_goes_before_its_scope_is_read_again() {
    let mut world = World::new(braked());
    vanish(&mut world);
    let number = last(&world).number;
    world.restart(braked());
    assert_eq!(world.engine.waiting(), 1);
    let (_, taken) = world
        .engine
        .decide(number, true, "alice", world.now)
        .unwrap();
    assert_eq!((taken.summary.remove, world.names().len()), (0, 30));
    world.take(&complete(REGIONS[0], Vec::new()));
    world.take(&complete(REGIONS[1], Vec::new()));
    assert_eq!(world.names().len(), 10);
}

#[test]
fn a_few_removals_in_each_scope_are_no_way_around_the_brake() {
    let mut world = World::new(braked());
    for region in REGIONS {
        world.take(&complete(region, fleet(region, 10)));
    }
    // Six of thirty may go in an hour.
    for _ in 0..4 {
        world.take(&complete(REGIONS[0], fleet(REGIONS[0], 6)));
    }
    assert_eq!(world.names().len(), 26);
    for _ in 0..4 {
        world.take(&complete(REGIONS[1], fleet(REGIONS[1], 6)));
    }
    assert_eq!((world.names().len(), world.engine.waiting()), (26, 1));
    // An hour later they may.
    world.now = world.now.plus(3600);
    let taken = world.take(&complete(REGIONS[1], fleet(REGIONS[1], 6)));
    assert_eq!((world.names().len(), world.engine.waiting()), (22, 0));
    assert!(
        taken
            .notices
            .iter()
            .all(|notice| notice.event == NoticeEvent::Removed)
    );
}

#[test]
fn a_store_that_moved_on_refuses_a_plan_unless_only_scopes_were_read() {
    let mut world = World::new(setup());
    world.take(&complete(REGIONS[0], fleet(REGIONS[0], 3)));
    let seen = world.store.revision().unwrap();
    world.take(&complete(REGIONS[0], fleet(REGIONS[0], 3)));
    let writes = crate::pipeline::run::Writes::default();
    let now = world.now;
    world.engine.apply(&writes, seen, "alice", now).unwrap();
    world.take(&complete(REGIONS[0], fleet(REGIONS[0], 4)));
    let stale = world.engine.apply(&writes, seen, "alice", now).unwrap_err();
    assert!(matches!(stale, EngineError::Stale { .. }), "{stale}");
}
