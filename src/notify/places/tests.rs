#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use super::*;
use crate::notify::outbox::Tail;

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn counts(enrolled: u64) -> Counts {
    Counts::from([(NoticeEvent::Enrolled, enrolled)])
}

/// A queue from `first` to before `next`.
fn ends(epoch: i64, first: u64, next: u64) -> Ends {
    Ends {
        tail: Tail {
            epoch,
            next,
            counts: counts(next - 1),
        },
        before: counts(first - 1),
    }
}

fn at(epoch: i64, next: u64) -> Place {
    Place {
        epoch,
        next,
        seen: counts(next.saturating_sub(1)),
        ..Place::default()
    }
}

#[test]
fn what_was_saved_is_there_after_a_restart_and_what_was_not_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::load(dir.path());
    places.keep(&names(&["a", "b"]), Some(&Some(ends(7, 1, 5))));
    places.own("a", 1);
    places.put("a", 1, &at(7, 6));
    places.save().unwrap();
    places.put("a", 1, &at(7, 9));

    let places = Places::load(dir.path());
    places.keep(&names(&["a", "b", "new"]), Some(&Some(ends(7, 1, 20))));
    assert_eq!(places.of("a"), Some(at(7, 6)));
    assert_eq!(places.of("b"), Some(at(7, 5)), "began at the end of then");
    assert_eq!(places.of("new"), Some(at(7, 20)), "begins at the end");
}

#[test]
fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let places = Places::load(dir.path());
    places.keep(&names(&["a"]), Some(&None));
    places.save().unwrap();
    let mode = fs::metadata(dir.path().join(FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!dir.path().join(WRITING).exists());
}

#[test]
fn nothing_is_written_when_nothing_moved() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::load(dir.path());
    places.keep(&names(&[]), Some(&None));
    places.save().unwrap();
    assert!(!dir.path().join(FILE).exists(), "without sinks no file");
    places.keep(&names(&["a"]), Some(&None));
    places.save().unwrap();
    fs::remove_file(dir.path().join(FILE)).unwrap();
    places.save().unwrap();
    assert!(!dir.path().join(FILE).exists());
}

#[test]
fn a_sink_that_is_gone_is_forgotten_also_by_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::load(dir.path());
    places.keep(&names(&["a", "b"]), Some(&Some(ends(7, 1, 5))));
    places.save().unwrap();
    places.keep(&names(&["b"]), Some(&Some(ends(7, 1, 5))));
    places.save().unwrap();
    // In the same process, and in another one.
    for places in [places, Places::load(dir.path())] {
        places.keep(&names(&["a", "b"]), Some(&Some(ends(7, 1, 9))));
        assert_eq!(places.of("a"), Some(at(7, 9)));
        assert_eq!(places.of("b"), Some(at(7, 5)));
    }
}

#[test]
fn a_file_that_makes_no_sense_lets_everything_be_told_again() {
    for bad in ["", "{", "{\"format\":2,\"sinks\":{}}", "[]", "\u{0}\u{0}"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), bad).unwrap();
        let places = Places::load(dir.path());
        let queue = ends(7, 3, 9);
        places.keep(&names(&["a"]), Some(&Some(queue.clone())));
        let mut place = places.of("a").unwrap();
        place.fit(&queue);
        assert_eq!((place.epoch, place.next), (7, 0), "{bad:?}");
        assert_eq!(
            place.seen, queue.before,
            "and nothing counts as lost: {bad:?}"
        );
        // It is mended by the next save.
        places.save().unwrap();
        assert!(read(&dir.path().join(FILE)).is_ok(), "{bad:?}");
    }
}

#[test]
fn a_place_of_another_queue_begins_at_the_front() {
    let front = |mut place: Place, ends: &Ends| {
        place.fit(ends);
        (place.epoch, place.next, place.seen)
    };
    let queue = ends(7, 3, 9);
    assert_eq!(front(at(7, 5), &queue), (7, 5, counts(4)));
    assert_eq!(front(at(6, 5), &queue), (7, 0, counts(2)), "another store");
    assert_eq!(
        front(at(7, 10), &queue),
        (7, 0, counts(2)),
        "an older store"
    );
    let first = front(Place::at_end(None), &queue);
    assert_eq!(first, (7, 0, Counts::new()), "from before the first notice");
}

#[test]
fn what_lies_between_is_lost_as_far_as_it_was_wanted() {
    let mut place = at(7, 3);
    let before = Counts::from([(NoticeEvent::Enrolled, 12), (NoticeEvent::Held, 4)]);
    place.come_to(30, &before, &BTreeSet::from([NoticeEvent::Enrolled]));
    assert_eq!((place.dropped, place.untold, place.next), (10, 10, 30));
    place.come_to(30, &before, &BTreeSet::from([NoticeEvent::Enrolled]));
    assert_eq!(place.dropped, 10, "once");
}

#[test]
fn only_the_owner_moves_a_place() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::load(dir.path());
    places.keep(&names(&["a"]), Some(&None));
    places.own("a", 2);
    places.put("a", 1, &at(7, 9));
    assert_eq!(places.of("a"), Some(Place::at_end(None)));
    places.put("b", 2, &at(7, 9));
    assert_eq!(places.of("b"), None);
}

#[test]
fn trimmed_is_what_every_sink_has_had_and_the_file_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::load(dir.path());
    assert_eq!(places.trim_to(7), u64::MAX, "without sinks");
    places.keep(&names(&["a", "b"]), Some(&Some(ends(7, 1, 5))));
    assert_eq!(places.trim_to(7), 0, "not saved");
    places.save().unwrap();
    assert_eq!(places.trim_to(7), 5);
    places.own("a", 1);
    places.own("b", 2);
    places.put("a", 1, &at(7, 9));
    places.put("b", 2, &at(7, 8));
    assert_eq!(places.trim_to(7), 5, "not saved");
    places.save().unwrap();
    assert_eq!(places.trim_to(7), 8);
    assert_eq!(places.trim_to(8), 0, "numbers of another queue");
    places.keep(&names(&["a", "b", "c"]), None);
    assert_eq!(places.trim_to(7), 0, "nobody knows where c begins");
}

#[test]
fn a_save_that_fails_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::load(dir.path());
    places.keep(&names(&["a"]), Some(&Some(ends(7, 1, 5))));
    places.save().unwrap();
    fs::create_dir(dir.path().join(WRITING)).unwrap();
    places.own("a", 1);
    places.put("a", 1, &at(7, 6));
    places.save().unwrap_err();
    assert_eq!(places.trim_to(7), 5);
    assert_eq!(read(&dir.path().join(FILE)).unwrap()["a"], at(7, 5));
    fs::remove_dir(dir.path().join(WRITING)).unwrap();
    places.save().unwrap();
    assert_eq!(read(&dir.path().join(FILE)).unwrap()["a"], at(7, 6));
}
