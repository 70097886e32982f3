//! What a scan costs: nothing for what did not change, and for a change only that one.

use std::collections::BTreeMap;

use muster_plan::Unconfigured;
use muster_store::Store;

use super::kit::{REGIONS, World, complete, database, failed, fleet, setup};
use crate::service::notice::NoticeEvent;

fn keys<N: Copy>(all: &[(&str, N)]) -> BTreeMap<String, N> {
    all.iter().map(|(key, n)| ((*key).to_owned(), *n)).collect()
}

#[test]
fn an_unchanged_scan_writes_its_own_record_and_nothing_else() {
    let mut world = World::new(setup());
    let first = world.take(&complete(REGIONS[0], fleet(REGIONS[0], 50)));
    assert_eq!((first.judged, first.summary.add), (50, 50));
    assert_eq!(first.notices.len(), 50);
    let before = world.store.revision().unwrap();
    let again = world.take(&complete(REGIONS[0], fleet(REGIONS[0], 50)));
    assert_eq!(world.written(before), keys(&[("scopes", 1)]));
    assert_eq!(
        (again.judged, again.written, again.notices.len()),
        (0, 0, 0)
    );
    // Nor after a restart, which has to recognise everything.
    world.restart(setup());
    let before = world.store.revision().unwrap();
    let again = world.take(&complete(REGIONS[0], fleet(REGIONS[0], 50)));
    assert_eq!(world.written(before), keys(&[("scopes", 1)]));
    assert_eq!(
        (again.judged, again.written, again.notices.len()),
        (0, 0, 0)
    );
}

#[test]
fn one_changed_database_costs_one_judgement_and_one_update() {
    let mut world = World::new(setup());
    let mut found = fleet(REGIONS[0], 50);
    world.take(&complete(REGIONS[0], found.clone()));
    found[7].endpoint.as_mut().unwrap().port = 6432;
    let before = world.store.revision().unwrap();
    let taken = world.take(&complete(REGIONS[0], found));
    assert_eq!((taken.judged, taken.written), (1, 1));
    assert_eq!(taken.summary.update, 1);
    let written = world.written(before);
    assert_eq!((written["inventory"], written["targets"]), (1, 1));
    assert_eq!(taken.notices.len(), 1);
    assert_eq!(taken.notices[0].event, NoticeEvent::Updated);
    assert_eq!(taken.notices[0].fields[0].field, "endpoint");
}

#[test]
fn what_stays_missing_under_a_policy_that_never_removes_is_not_written_again_and_again() {
    let mut setup = setup();
    setup.settings.policy = muster_plan::Policy::UpsertOnly;
    let mut world = World::new(setup);
    world.take(&complete(REGIONS[0], fleet(REGIONS[0], 5)));
    for _ in 0..4 {
        world.take(&complete(REGIONS[0], fleet(REGIONS[0], 3)));
    }
    let before = world.store.revision().unwrap();
    let taken = world.take(&complete(REGIONS[0], fleet(REGIONS[0], 3)));
    assert_eq!(world.written(before), keys(&[("scopes", 1)]));
    assert_eq!((taken.judged, taken.notices.len()), (0, 0));
    assert_eq!(world.names().len(), 5);
}

#[test]
fn a_failed_scope_is_told_once_and_changes_nothing() {
    let mut world = World::new(setup());
    world.take(&complete(REGIONS[0], fleet(REGIONS[0], 5)));
    let events = |taken: crate::service::engine::Taken| -> Vec<NoticeEvent> {
        taken.notices.iter().map(|notice| notice.event).collect()
    };
    let first = world.take(&failed(REGIONS[0], Vec::new()));
    assert_eq!(events(first), [NoticeEvent::ScopeFailed]);
    for _ in 0..5 {
        assert!(events(world.take(&failed(REGIONS[0], Vec::new()))).is_empty());
    }
    assert_eq!(world.names().len(), 5);
    assert_eq!(world.engine.counts().held["coverage"], 5);
    world.take(&complete(REGIONS[0], fleet(REGIONS[0], 5)));
    assert_eq!(world.engine.counts().held.get("coverage"), None);
}

#[test]
fn what_is_enrolled_of_a_scope_that_nobody_asks_for_any_more_is_counted_by_what_it_waits_for() {
    let mut without = setup();
    without.settings.unconfigured = Unconfigured::Remove;
    without.settings.brake.percent = 20;
    without.scopes.pop();
    let mut world = World::new(setup());
    for region in REGIONS {
        world.take(&complete(region, fleet(region, 10)));
    }
    let now = world.now;
    world.engine.configure(without, now, "reload").unwrap();
    world.engine.sweep(now).unwrap();
    // A clock that jumps now would have the grace pass: see `service::run::time`.
    assert_eq!(world.engine.counts().held, keys(&[("grace", 10)]));
    world.engine.sweep(now.plus(900)).unwrap();
    assert_eq!(world.engine.counts().held, keys(&[("brake", 10)]));
}

#[test]
fn what_went_missing_in_such_a_scope_waits_for_no_grace_where_it_is_to_stay() {
    let mut without = setup();
    without.scopes.remove(0);
    let mut world = World::new(setup());
    world.take(&complete(REGIONS[0], fleet(REGIONS[0], 5)));
    world.take(&complete(REGIONS[0], fleet(REGIONS[0], 4)));
    assert_eq!(world.engine.counts().held, keys(&[("grace", 1)]));
    let now = world.now;
    let asked = without.clone();
    world.engine.configure(asked, now, "reload").unwrap();
    assert_eq!(world.engine.counts().held, keys(&[("coverage", 5)]));
    world.restart(without);
    assert_eq!(world.engine.counts().held, keys(&[("coverage", 5)]));
}

#[test]
fn a_page_that_comes_twice_settles_on_one_content_whatever_the_order() {
    let region = REGIONS[0];
    let one = database(region, "db-1", "prod", "one");
    let mut other = one.clone();
    other.endpoint.as_mut().unwrap().port = 6000;
    let mut world = World::new(setup());
    world.take(&complete(region, vec![one.clone(), other.clone()]));
    let before = world.store.revision().unwrap();
    for found in [
        vec![other.clone(), one.clone()],
        vec![one.clone(), other.clone(), one.clone()],
        vec![one.clone(), other.clone()],
    ] {
        let taken = world.take(&complete(region, found));
        assert_eq!(taken.written, 0);
    }
    assert!(!world.written(before).contains_key("inventory"));
}

#[test]
fn other_rules_judge_everything_again_and_say_beforehand_what_that_changes() {
    let mut world = World::new(setup());
    for region in REGIONS {
        world.take(&complete(region, fleet(region, 10)));
    }
    let mut other = setup();
    other.digest = "rules 2".to_owned();
    other.chain = super::kit::chain(
        "[{name: few, match: {name: \"db-[0-3]-*\"}, enroll: {name: \"x-{{ tags.name }}\"}}]",
    );
    let names = world.names();
    let before = world.store.revision().unwrap();
    let preview = world.engine.preview(&other, world.now).unwrap();
    assert_eq!(
        world.store.revision().unwrap(),
        before,
        "nothing is written"
    );
    assert_eq!(world.names(), names);
    let taken = world.engine.configure(other, world.now, "reload").unwrap();
    assert_eq!(taken.judged, 30);
    assert_eq!(preview.judged_otherwise, taken.decided);
    assert_eq!(preview.update, taken.summary.update as u64);
    assert_eq!(preview.remove, taken.summary.remove as u64);
    assert_eq!((taken.summary.update, taken.summary.remove), (0, 30));
}
