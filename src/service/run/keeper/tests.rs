//! The keeper, asked as the loop asks it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use tokio::sync::oneshot;

use super::*;
use crate::{
    pipeline::{
        run::{Ask, run},
        state::State,
    },
    service::engine::tests::kit::{REGIONS, complete, fleet, setup},
};

#[test]
fn what_a_persons_plan_says_of_databases_is_counted_also_where_it_enrolls_none() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::from_unix(1_800_000_000);
    let metrics = Metrics::new("1.2.3");
    let (mut keeper, mut answers) = Keeper::<()>::start(dir.path().to_owned(), metrics).unwrap();
    let mut books = |job| {
        keeper.send(job);
        answers.blocking_recv().unwrap().books
    };
    books(Job::Open { make: true });
    let setup = Box::new(setup());
    let before = books(Job::Load {
        setup: setup.clone(),
        now,
    });
    assert!(before.unwrap().counts.unwrap().skipped.is_empty());

    let mut found = fleet(REGIONS[0], 3);
    for database in &mut found {
        database.tags.insert("env".to_owned(), "dev".to_owned());
    }
    let ask = Ask {
        chain: &setup.chain,
        settings: &setup.settings,
        scopes_known: true,
        open: &[],
        now,
        run: "apply",
    };
    let made = run(&State::default(), &[complete(REGIONS[0], found)], &ask);
    let (reply, _) = oneshot::channel();
    let after = books(Job::Apply {
        writes: Box::new(made.writes),
        expected: Revision::default(),
        by: "alice".to_owned(),
        now,
        reply,
    });
    // Counting may have been too slow to be done at once.
    let after = after.unwrap();
    let counts = match after.counts {
        Some(counts) => counts,
        None => books(Job::Look).unwrap().counts.unwrap(),
    };
    assert_eq!(counts.databases["aws/rds"], 3);
    keeper.join();
}
