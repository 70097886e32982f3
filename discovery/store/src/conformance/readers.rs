//! The cases about readers: scans, the log of changes, waiting, and what is seen while somebody writes.

use std::{collections::BTreeSet, ops::ControlFlow, sync::mpsc, thread, time::Duration};

use super::{
    Reopened, Subject,
    cases::{Outcome, batch, changed, commit, key, names, revision},
    ensure, ensure_eq,
    oracle::entries,
};
use crate::{
    batch::{Batch, Expect},
    error::StoreError,
    store::{Order, Revision, Store},
};

pub(super) fn scans(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    let all = [
        "a",
        "a/",
        "a/1",
        "a/10",
        "a/2",
        "a/é",
        "a/\u{10FFFF}",
        "a0",
        "ab/1",
        "b",
        "é/1",
    ];
    let mut shuffled = all;
    shuffled.reverse();
    shuffled.swap(0, 4);
    for name in shuffled {
        commit(&*store, batch(&[(name, name.as_bytes())])?)?;
    }
    let prefixes = [
        "",
        "a",
        "a/",
        "a/1",
        "a/\u{10FFFF}",
        "ab",
        "ab/",
        "b",
        "c",
        "é",
        "\u{10FFFF}",
    ];
    for prefix in prefixes {
        let mut expected: Vec<_> = all
            .into_iter()
            .filter(|key| key.starts_with(prefix))
            .collect();
        ensure_eq!(names(&*store, prefix)?, expected, "`{prefix}`");
        expected.reverse();
        let found = entries(&*store, prefix, Order::Descending)?;
        let found: Vec<_> = found.iter().map(|(key, _)| key.as_str()).collect();
        ensure_eq!(found, expected, "`{prefix}` from its end");
    }
    for (name, (value, _)) in entries(&*store, "", Order::Ascending)? {
        ensure_eq!(value, name.as_bytes(), "the value of {name}");
    }
    Ok(())
}

pub(super) fn scans_after(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    let all = ["a", "a/", "a/1", "a/10", "a/2", "a/\u{10FFFF}", "ab/1", "b"];
    for name in all {
        commit(&*store, batch(&[(name, b"")])?)?;
    }
    // What is there, what is not, what starts with the prefix and what lies before and behind all of it.
    let behind = [
        "\u{0}",
        "a",
        "a/",
        "a/0",
        "a/1",
        "a/1\u{0}",
        "a/10",
        "a/3",
        "a0",
        "ab/1",
        "b",
        "b/",
        "\u{10FFFF}",
    ];
    for prefix in ["", "a", "a/", "a/1", "a/\u{10FFFF}", "c", "\u{10FFFF}"] {
        for after in behind {
            let mut expected: Vec<_> = all
                .into_iter()
                .filter(|name| name.starts_with(prefix) && *name > after)
                .collect();
            let found = page(&*store, prefix, Some(after), Order::Ascending, usize::MAX)?.0;
            ensure_eq!(found, expected, "`{prefix}` after {after:?}");
            expected = all
                .into_iter()
                .rev()
                .filter(|name| name.starts_with(prefix) && *name < after)
                .collect();
            let found = page(&*store, prefix, Some(after), Order::Descending, usize::MAX)?.0;
            ensure_eq!(found, expected, "`{prefix}` down from {after:?}");
        }
    }
    Ok(())
}

pub(super) fn pages_and_writes(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    commit(
        &*store,
        batch(&[("a/1", b""), ("a/2", b""), ("a/3", b""), ("b", b"")])?,
    )?;
    let pages = |after: Option<&str>| page(&*store, "a/", after, Order::Ascending, 2);
    let own = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    ensure_eq!(pages(None)?, (own(&["a/1", "a/2"]), 1), "the first page");
    ensure_eq!(pages(Some("a/2"))?, (own(&["a/3"]), 1), "the second one");
    // Between two pages anybody can write, and the next page shows it and says so.
    let mut between = batch(&[("a/0", b""), ("a/25", b""), ("a/3", b"")])?;
    between.delete(key("a/2")?, Expect::Any);
    commit(&*store, between)?;
    ensure_eq!(
        pages(Some("a/2"))?,
        (own(&["a/25", "a/3"]), 2),
        "the second one after a write"
    );
    ensure_eq!(pages(Some("a/3"))?, (own(&[]), 2), "an empty one");
    Ok(())
}

/// The keys of a page of at most `limit`, and its revision.
fn page(
    store: &dyn Store,
    prefix: &str,
    after: Option<&str>,
    order: Order,
    limit: usize,
) -> Result<(Vec<String>, u64), String> {
    let after = after.map(key).transpose()?;
    let mut found = Vec::new();
    let scanned = store.scan_after(prefix, after.as_ref(), order, &mut |entry| {
        found.push(entry.map_or_else(|damaged| damaged.key, |entry| entry.key.to_owned()));
        if found.len() < limit {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    let revision = scanned.map_err(|error| error.to_string())?;
    Ok((found, revision.0))
}

pub(super) fn scan_breaks(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    commit(&*store, batch(&[("a/1", b""), ("a/2", b""), ("a/3", b"")])?)?;
    for (order, expected) in [(Order::Ascending, "a/1a/2"), (Order::Descending, "a/3a/2")] {
        let mut seen = String::new();
        let scanned = store.scan("a/", order, &mut |entry| {
            seen.push_str(entry.map_or("damaged", |entry| entry.key));
            if seen.len() < 6 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        ensure!(scanned.is_ok(), "{scanned:?}");
        ensure_eq!(seen, expected, "{order:?}");
    }
    Ok(())
}

pub(super) fn scan_reenters(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    commit(&*store, batch(&[("a/1", b""), ("a/2", b"")])?)?;
    let write = batch(&[("b/1", b"")])?;
    let mut outcomes = Vec::new();
    let scanned = store.scan("a/", Order::Ascending, &mut |_| {
        outcomes.push(store.revision().err());
        outcomes.push(store.commit(write.clone()).err());
        ControlFlow::Continue(())
    });
    ensure!(scanned.is_ok(), "{scanned:?}");
    ensure_eq!(outcomes.len(), 4, "visits");
    for error in outcomes.into_iter().flatten() {
        ensure!(matches!(error, StoreError::InScan), "{error}");
    }
    // And it is as usable as before.
    commit(&*store, write)?;
    Ok(())
}

pub(super) fn changes(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    let set = |keys: &[&str]| {
        Some(
            keys.iter()
                .map(|key| (*key).to_owned())
                .collect::<BTreeSet<_>>(),
        )
    };
    ensure_eq!(changed(&*store, 0)?, set(&[]), "an empty store");
    commit(&*store, batch(&[("a", b"1"), ("b", b"1")])?)?;
    commit(&*store, batch(&[("c", b"1")])?)?;
    let mut delete = batch(&[("c", b"2")])?;
    delete.delete(key("a")?, Expect::Any);
    delete.delete(key("never there")?, Expect::Any);
    commit(&*store, delete)?;
    let expected = [&["a", "b", "c"][..], &["a", "c"], &["a", "c"], &[]];
    for (since, expected) in (0..).zip(expected) {
        ensure_eq!(changed(&*store, since)?, set(expected), "since {since}");
    }
    ensure_eq!(
        changed(&*store, 4)?,
        None,
        "a revision that is still to come"
    );
    Ok(())
}

pub(super) fn changes_bounded(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    commit(&*store, batch(&[("first", b"")])?)?;
    let mut trimmed = false;
    for round in 0..200_u32 {
        let mut batch = Batch::new();
        for number in 0..1000 {
            batch.put(
                key(&format!("k/{number}"))?,
                round.to_be_bytes().to_vec(),
                Expect::Any,
            );
        }
        let now = commit(&*store, batch)?;
        let last = changed(&*store, now - 1)?.map(|keys| keys.len());
        ensure_eq!(last, Some(1000), "the last batch of {now}");
        trimmed = changed(&*store, 1)?.is_none();
        if trimmed {
            break;
        }
        ensure!(
            changed(&*store, 0)?.is_some_and(|keys| keys.contains("first")),
            "since 0 at {now}"
        );
    }
    ensure!(trimmed, "200,000 changes are all remembered");
    let Reopened::Durable(store) = subject.reopen(store)? else {
        return Ok(());
    };
    ensure_eq!(changed(&*store, 1)?, None, "opened again");
    ensure_eq!(
        changed(&*store, revision(&*store)?)?,
        Some(BTreeSet::new()),
        "from now on"
    );
    Ok(())
}

pub(super) fn waiting(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    let wait = |after, time| store.wait(Revision(after), time).map(|revision| revision.0);
    let text = |error: StoreError| error.to_string();
    ensure_eq!(
        wait(0, Duration::from_millis(1)).map_err(text)?,
        0,
        "nothing happens"
    );
    let long = Duration::from_secs(30);
    let (began, begin) = mpsc::channel();
    let woken = thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            let _parent_is_there = began.send(());
            wait(0, long)
        });
        let _waiter_is_there = begin.recv();
        let committed = batch(&[("a", b"")]).and_then(|batch| commit(&*store, batch));
        (committed, waiter.join())
    });
    ensure_eq!(woken.0, Ok(1), "the commit");
    ensure!(matches!(woken.1, Ok(Ok(1))), "the waiter: {:?}", woken.1);
    ensure_eq!(wait(0, long).map_err(text)?, 1, "what has happened already");
    Ok(())
}

pub(super) fn whole_batches(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    let store = &*store;
    let write = |round: u32| {
        let mut batch = Batch::new();
        for number in 0..40 {
            batch.put(
                key(&format!("k/{number}"))?,
                round.to_be_bytes().to_vec(),
                Expect::Any,
            );
        }
        commit(store, batch)
    };
    write(0)?;
    thread::scope(|scope| {
        let writer = scope.spawn(move || (1..60).try_for_each(|round| write(round).map(drop)));
        while !writer.is_finished() {
            let found = entries(store, "k/", Order::Ascending)?;
            let kinds: BTreeSet<_> = found.iter().map(|(_, entry)| entry).collect();
            ensure_eq!(
                (found.len(), kinds.len()),
                (40, 1),
                "a scan sees half a batch"
            );
        }
        writer
            .join()
            .map_err(|_| "the writer panicked".to_owned())?
    })
}
