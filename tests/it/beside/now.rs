//! What the service is asked to do at once, and what it says of it.

use super::{Ended, HOURLY, Place, SCOPE};

#[test]
fn it_scans_now_when_it_is_asked() {
    let place = Place::new(&["a"], HOURLY);
    for args in [&["scan", "--now"][..], &["scan", "--now", SCOPE]] {
        place
            .run(args)
            .fails(69, &["muster.sock", "muster run", "without --now"]);
    }
    assert!(!place.world.store().exists(), "asking made a store");

    let service = place.start();
    place.town.make("b");
    let scan = place.run(&["scan", "--now", "-o", "json"]).done().json();
    assert_eq!(scan[0]["scope"], SCOPE);
    assert_eq!(scan[0]["coverage"], "complete");
    assert_eq!(scan[0]["found"], 2);
    let ls = place.run(&["db", "ls", "-o", "name"]).done().out;
    assert_eq!(ls.lines().count(), 2, "what it found is enrolled: {ls}");

    place.town.deny(true);
    let denied = place.run(&["scan", "--now", SCOPE]);
    assert_eq!(denied.code, Some(3), "{denied:?}");
    assert!(denied.out.contains("unread"), "{}", denied.out);
    assert!(
        denied.out.contains("rds:DescribeDBInstances"),
        "{}",
        denied.out
    );
    assert_eq!(place.run(&["db", "ls", "-o", "name"]).done().out, ls);

    place
        .run(&["scan", "--now", "aws/111111111111/us-east-2/rds"])
        .fails(
            1,
            &[
                "cannot scan aws/111111111111/us-east-2/rds",
                "muster scope ls",
            ],
        );
    service.stop();
}

#[test]
fn it_loads_its_configuration_when_it_is_asked() {
    let place = Place::new(&["a", "b"], HOURLY);
    place
        .run(&["reload"])
        .fails(69, &["muster.sock", "muster run"]);
    let service = place.start();
    let same = place.run(&["reload"]).done();
    assert!(
        same.out.contains("is the same as the one in force"),
        "{}",
        same.out
    );

    let bare = super::town::config(HOURLY);
    let bad = format!("{bare}\nremvoal: {{}}\nnonsense: 1\n");
    place.world.write(&bad);
    for args in [&["reload"][..], &["reload", "--dry-run"]] {
        place.run(args).fails(78, &["remvoal", "nonsense"]);
    }
    // Who asks how it is need not have a configuration that is right.
    let status = place.run(&["status"]).done().out;
    assert!(status.contains("config-rejected"), "{status}");
    assert!(status.contains("nonsense"), "{status}");
    // Others do.
    place.run(&["db", "ls"]).fails(78, &["remvoal", "nonsense"]);

    // What it would come to is shown first, and then done.
    place.world.write(&bare.replace("env: prod", "env: test"));
    let dry = place.run(&["reload", "--dry-run"]).done().out;
    assert!(dry.contains("is valid. With it:"), "{dry}");
    assert!(dry.contains("2 databases are judged otherwise"), "{dry}");
    assert!(
        place
            .run(&["db", "ls", "-o", "name"])
            .done()
            .out
            .lines()
            .count()
            == 2
    );
    let done = place.run(&["reload"]).done().out;
    assert!(done.contains("is in force. With it:"), "{done}");
    let after = |done: &str| done.lines().last().expect("a line").to_owned();
    assert_eq!(after(&done), after(&dry));
    let status = place.run(&["status"]).done().out;
    assert!(!status.contains("config-rejected"), "{status}");
    service.stop();
}

#[test]
fn the_history_is_bounded_and_says_where_it_was_trimmed() {
    let place = Place::new(&["a", "b"], &format!("{HOURLY}\nhistory: {{ entries: 6 }}"));
    let service = place.start();
    for version in ["17.1", "17.2", "17.3", "17.4"] {
        place.town.upgrade("a", version);
        place.run(&["scan", "--now"]).done();
    }
    service.stop();
    // It is trimmed now and then, and whenever a command writes.
    place.run(&["apply"]).done();
    let all = place.run(&["history", "-n", "1000", "-o", "json"]).done();
    assert_eq!(all.json().as_array().expect("entries").len(), 6);
    assert!(
        all.err.contains("older entries were trimmed away"),
        "{}",
        all.err
    );
    // Nothing is said of it in the middle.
    let some = place.run(&["history", "-n", "2"]).done();
    assert_eq!(some.err, "");
    // Who is gone is still found by its old name.
    place.town.delete("b");
    place.run(&["apply", "--yes"]).done();
    place.run(&["apply", "--yes"]).done();
    let gone: Ended = place.run(&["history", "b"]).done();
    assert!(gone.out.contains("removed"), "{}", gone.out);
}
