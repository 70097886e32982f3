//! Matchers of one's own: asked in batches, and again when they failed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use muster_matchers::{Candidate, Failed, Matcher, Proposal, Verdict};
use muster_model::Decision;
use muster_store::tables;

use super::{
    super::Setup,
    kit::{World, chain_asking, complete, database, fleet, setup},
};

/// Enrolls everything when it is well, and fails over everything when it is not.
#[derive(Debug, Default)]
struct Moody {
    ill: AtomicBool,
    asked: Mutex<Vec<usize>>,
}

impl Moody {
    fn is_ill(&self, ill: bool) {
        self.ill.store(ill, Ordering::SeqCst);
    }

    fn asked(&self) -> Vec<usize> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Matcher for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn version(&self) -> &str {
        "1"
    }

    fn judge(&self, candidates: &[Candidate<'_>]) -> Vec<Result<Verdict, Failed>> {
        self.asked.lock().unwrap().push(candidates.len());
        let verdict = |candidate: &Candidate<'_>| {
            if self.ill.load(Ordering::SeqCst) {
                return Err(Failed::new("timeout", "it did not end"));
            }
            assert!(candidate.first_seen.is_some(), "the service knows it");
            Ok(Verdict::Enroll(Proposal::default()))
        };
        candidates.iter().map(verdict).collect()
    }
}

const WHO: &str = "plugin \"moody\"";

fn world() -> (Arc<Moody>, World) {
    let moody = Arc::new(Moody::default());
    let setup = asking(&moody, "1");
    (moody, World::new(setup))
}

fn asking(moody: &Arc<Moody>, digest: &str) -> Setup {
    Setup {
        chain: chain_asking(Arc::clone(moody) as _),
        digest: digest.to_owned(),
        ..setup()
    }
}

fn ask(world: &mut World) -> super::super::Taken {
    let who = [WHO.to_owned()];
    world.engine.ask_again(&who, world.now, "again").unwrap()
}

#[test]
fn what_a_scan_changed_is_judged_in_one_go_and_so_is_everything_by_another_version() {
    let (moody, mut world) = world();
    world.take(&complete("eu-west-1", fleet("eu-west-1", 40)));
    assert_eq!(moody.asked(), [40]);
    let mut changed = fleet("eu-west-1", 40);
    for database in changed.iter_mut().take(7) {
        database.engine_version = "17.0".to_owned();
    }
    changed.push(database("eu-west-1", "new", "prod", "new"));
    world.take(&complete("eu-west-1", changed.clone()));
    assert_eq!(moody.asked(), [8]);
    world.take(&complete("eu-west-1", changed));
    assert_eq!(moody.asked(), [0; 0], "what is as it was is not judged");
    let now = world.now;
    let taken = world
        .engine
        .configure(asking(&moody, "2"), now, "new")
        .unwrap();
    assert_eq!(moody.asked(), [41]);
    assert_eq!((taken.written, taken.decided), (0, 0), "it says the same");
}

#[test]
fn what_it_failed_over_stays_as_it_is_and_is_judged_when_it_is_asked_again() {
    let (moody, mut world) = world();
    let region = "eu-west-1";
    let mut found = fleet(region, 3);
    world.take(&complete(region, found.clone()));
    let names = world.names();
    assert_eq!(names.len(), 3);

    moody.is_ill(true);
    found[0].engine_version = "17.0".to_owned();
    found.push(database(region, "new", "prod", "new"));
    world.take(&complete(region, found.clone()));
    assert_eq!(world.names(), names);
    let two = BTreeMap::from([(WHO.to_owned(), 2)]);
    assert_eq!(world.engine.undecided(), &two);
    assert_eq!(moody.asked(), [3, 2]);

    // In vain, and that changes nothing.
    let taken = ask(&mut world);
    assert_eq!((taken.judged, taken.written, taken.decided), (2, 0, 0));
    assert_eq!(world.engine.undecided(), &two);
    // Others are asked: not this one.
    moody.asked();
    let others = ["plugin \"other\"".to_owned()];
    world.engine.ask_again(&others, world.now, "again").unwrap();
    assert_eq!(moody.asked(), [0; 0]);
    // It is known after a restart as well.
    world.restart(asking(&moody, "1"));
    assert_eq!(world.engine.undecided(), &two);

    moody.is_ill(false);
    let taken = ask(&mut world);
    assert_eq!(moody.asked(), [2]);
    assert_eq!(taken.judged, 2);
    assert_eq!(world.names().len(), 4);
    assert!(world.engine.undecided().is_empty());
    let decision = tables::DECISIONS.get(&*world.store, found[0].id.as_str());
    let decision = decision.unwrap().unwrap().value.decision;
    assert!(matches!(decision, Decision::Enroll(_)), "{decision:?}");
}

#[test]
fn nobody_is_asked_about_what_is_gone() {
    let (moody, mut world) = world();
    moody.is_ill(true);
    let region = "eu-west-1";
    world.take(&complete(region, fleet(region, 2)));
    assert_eq!(world.engine.undecided()[WHO], 2);
    world.take(&complete(region, fleet(region, 1)));
    moody.asked();
    ask(&mut world);
    assert_eq!(moody.asked(), [1]);
    assert_eq!(world.engine.undecided()[WHO], 1);
    // It comes back, and is judged as what is new.
    moody.is_ill(false);
    world.take(&complete(region, fleet(region, 2)));
    ask(&mut world);
    assert_eq!(world.names().len(), 2);
    assert!(world.engine.undecided().is_empty());
}

#[test]
fn a_preview_of_one_that_fails_leaves_the_engine_as_it_is() {
    let (moody, mut world) = world();
    world.take(&complete("eu-west-1", fleet("eu-west-1", 2)));
    let sick = Arc::new(Moody::default());
    sick.is_ill(true);
    let preview = world
        .engine
        .preview(&asking(&sick, "2"), world.now)
        .unwrap();
    assert_eq!((preview.judged_otherwise, preview.remove), (2, 0));
    assert!(world.engine.undecided().is_empty());
    assert_eq!(moody.asked(), [2]);
}
