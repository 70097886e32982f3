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
    store::{Order, Revision},
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
