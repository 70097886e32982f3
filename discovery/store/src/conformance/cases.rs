//! The list of cases, and those about writing.

use std::collections::BTreeSet;

use super::{
    Case, Reopened, Subject, ensure, ensure_eq,
    oracle::{entries, random_steps, replay},
    readers,
};
use crate::{
    batch::{Batch, Expect, Found},
    changes::Changes,
    error::StoreError,
    key::{Key, MAX_KEY},
    store::{MAX_VALUE, Order, Revision, Store},
};

/// Every case.
pub const CASES: &[Case] = &[
    Case {
        name: "put, get and delete",
        run: put_get_delete,
    },
    Case {
        name: "revisions grow by one with each change, and only then",
        run: revisions,
    },
    Case {
        name: "a failed expectation changes nothing",
        run: expectations,
    },
    Case {
        name: "a key named twice changes nothing",
        run: twice,
    },
    Case {
        name: "checks guard without writing",
        run: checks,
    },
    Case {
        name: "scans are in order and end with their prefix",
        run: readers::scans,
    },
    Case {
        name: "a scan ends when told to",
        run: readers::scan_breaks,
    },
    Case {
        name: "a scan goes on behind a key",
        run: readers::scans_after,
    },
    Case {
        name: "pages tell of which revision they are",
        run: readers::pages_and_writes,
    },
    Case {
        name: "a scan's visitor cannot deadlock the store",
        run: readers::scan_reenters,
    },
    Case {
        name: "changes since a revision",
        run: readers::changes,
    },
    Case {
        name: "the change log is bounded",
        run: readers::changes_bounded,
    },
    Case {
        name: "any text is a key",
        run: texts,
    },
    Case {
        name: "large values, and too large ones",
        run: large,
    },
    Case {
        name: "many keys in one batch",
        run: many,
    },
    Case {
        name: "waiting ends with a commit or with the time",
        run: readers::waiting,
    },
    Case {
        name: "readers see whole batches while a writer writes",
        run: readers::whole_batches,
    },
    Case {
        name: "everything is there when opened again",
        run: reopened,
    },
    Case {
        name: "random steps agree with a map",
        run: random,
    },
];

pub(super) type Outcome = Result<(), String>;

pub(super) fn key(text: &str) -> Result<Key, String> {
    Key::new(text).map_err(|error| error.to_string())
}

pub(super) fn batch(puts: &[(&str, &[u8])]) -> Result<Batch, String> {
    let mut batch = Batch::new();
    for (name, value) in puts {
        batch.put(key(name)?, value.to_vec(), Expect::Any);
    }
    Ok(batch)
}

pub(super) fn commit(store: &dyn Store, batch: Batch) -> Result<u64, String> {
    store
        .commit(batch)
        .map(|revision| revision.0)
        .map_err(|error| error.to_string())
}

pub(super) fn revision(store: &dyn Store) -> Result<u64, String> {
    store
        .revision()
        .map(|revision| revision.0)
        .map_err(|error| error.to_string())
}

fn get(store: &dyn Store, name: &str) -> Result<Option<(Vec<u8>, u64)>, String> {
    let found = store.get(&key(name)?).map_err(|error| error.to_string())?;
    Ok(found.map(|found| (found.value, found.revision.0)))
}

pub(super) fn names(store: &dyn Store, prefix: &str) -> Result<Vec<String>, String> {
    Ok(entries(store, prefix, Order::Ascending)?
        .into_iter()
        .map(|(key, _)| key)
        .collect())
}

/// The keys changed since a revision; none when that is not known any more.
pub(super) fn changed(store: &dyn Store, since: u64) -> Result<Option<BTreeSet<String>>, String> {
    match store
        .changes_since(Revision(since))
        .map_err(|error| error.to_string())?
    {
        Changes::Known { keys, .. } => Ok(Some(keys.iter().map(Key::to_string).collect())),
        Changes::TooOld { .. } => Ok(None),
    }
}

fn put_get_delete(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    ensure_eq!(get(&*store, "k/1")?, None, "before");
    commit(&*store, batch(&[("k/1", b"one"), ("k/2", b"")])?)?;
    ensure_eq!(get(&*store, "k/1")?, Some((b"one".to_vec(), 1)), "put");
    ensure_eq!(
        get(&*store, "k/2")?,
        Some((Vec::new(), 1)),
        "an empty value"
    );
    commit(&*store, batch(&[("k/1", b"more than one")])?)?;
    ensure_eq!(
        get(&*store, "k/1")?,
        Some((b"more than one".to_vec(), 2)),
        "put again"
    );
    ensure_eq!(get(&*store, "k/2")?, Some((Vec::new(), 1)), "the other one");
    let mut delete = Batch::new();
    delete.delete(key("k/1")?, Expect::Any);
    commit(&*store, delete)?;
    ensure_eq!(get(&*store, "k/1")?, None, "deleted");
    ensure_eq!(names(&*store, "")?, ["k/2"], "what is left");
    Ok(())
}

fn revisions(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    ensure_eq!(revision(&*store)?, 0, "an empty store");
    ensure_eq!(commit(&*store, Batch::new())?, 0, "an empty batch");
    ensure_eq!(
        commit(&*store, batch(&[("a", b"1"), ("b", b"1")])?)?,
        1,
        "two keys at once"
    );
    ensure_eq!(
        commit(&*store, batch(&[("a", b"1")])?)?,
        2,
        "the same bytes again"
    );
    let mut nothing = Batch::new();
    nothing.delete(key("c")?, Expect::Any);
    nothing.check(key("a")?, Expect::At(Revision(2)));
    ensure_eq!(commit(&*store, nothing)?, 2, "a batch that changes nothing");
    ensure_eq!(
        changed(&*store, 2)?,
        Some(BTreeSet::new()),
        "changes of nothing"
    );
    let mut delete = Batch::new();
    delete.delete(key("a")?, Expect::Any);
    ensure_eq!(commit(&*store, delete)?, 3, "a deletion");
    ensure_eq!(revision(&*store)?, 3, "at the end");
    Ok(())
}

fn expectations(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    commit(&*store, batch(&[("there", b"1")])?)?;
    commit(&*store, batch(&[("other", b"1")])?)?;
    let at = |number| Expect::At(Revision(number));
    let wrong = [
        ("there", Expect::Absent, Found::At(Revision(1))),
        ("there", at(2), Found::At(Revision(1))),
        ("there", at(0), Found::At(Revision(1))),
        ("gone", at(1), Found::Absent),
    ];
    for (name, expect, there) in wrong {
        for op in ["put", "delete", "check"] {
            // The one before and the one after must not happen either.
            let mut batch = batch(&[("before", b"x")])?;
            match op {
                "put" => batch.put(key(name)?, b"x".to_vec(), expect),
                "delete" => batch.delete(key(name)?, expect),
                _ => batch.check(key(name)?, expect),
            }
            batch.put(key("zz-after")?, b"x".to_vec(), Expect::Any);
            let error = store.commit(batch).err();
            let Some(StoreError::Conflict {
                key,
                expected,
                found,
            }) = error
            else {
                return Err(format!("{op} {name} expecting {expect}: {error:?}"));
            };
            ensure_eq!(
                (key.as_str(), expected, found),
                (name, expect, there),
                "{op} {name}"
            );
            ensure_eq!(
                names(&*store, "")?,
                ["other", "there"],
                "{op} {name} expecting {expect}"
            );
            ensure_eq!(revision(&*store)?, 2, "{op} {name} expecting {expect}");
        }
    }
    ensure_eq!(
        changed(&*store, 2)?,
        Some(BTreeSet::new()),
        "the log of what failed"
    );
    let mut right = Batch::new();
    right.put(key("there")?, b"2".to_vec(), at(1));
    right.put(key("new")?, b"2".to_vec(), Expect::Absent);
    right.delete(key("other")?, at(2));
    ensure_eq!(commit(&*store, right)?, 3, "what is expected rightly");
    ensure_eq!(names(&*store, "")?, ["new", "there"], "after it");
    Ok(())
}

fn twice(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    let mut batch = batch(&[("a", b"1"), ("b", b"1")])?;
    batch.delete(key("a")?, Expect::Any);
    let error = store.commit(batch).err();
    ensure!(
        matches!(error, Some(StoreError::Twice { .. })),
        "found {error:?}"
    );
    ensure_eq!(
        (revision(&*store)?, names(&*store, "")?.len()),
        (0, 0),
        "what was written"
    );
    Ok(())
}

fn checks(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    commit(&*store, batch(&[("lease", b"mine")])?)?;
    for number in 2..4 {
        let mut batch = batch(&[("work", b"done")])?;
        batch.check(key("lease")?, Expect::At(Revision(1)));
        ensure_eq!(commit(&*store, batch)?, number, "with the lease");
    }
    ensure_eq!(
        get(&*store, "lease")?,
        Some((b"mine".to_vec(), 1)),
        "the lease"
    );
    Ok(())
}

fn texts(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    let longest = "x".repeat(MAX_KEY);
    let arn = "inventory/arn:aws:rds:eu-west-1:123456789012:cluster:größe/日本/#custom:\u{1F980}";
    let texts = [
        arn,
        "\u{0}",
        "\u{0}\u{0}",
        "a\u{0}b",
        "\u{D7FF}",
        "\u{FFFF}",
        " ",
        "\n",
        &longest,
    ];
    for (at, text) in (1..).zip(texts) {
        ensure_eq!(
            commit(&*store, batch(&[(text, text.as_bytes())])?)?,
            at,
            "{text:?}"
        );
        ensure_eq!(
            get(&*store, text)?,
            Some((text.as_bytes().to_vec(), at)),
            "{text:?}"
        );
        ensure!(
            names(&*store, text)?.iter().any(|name| name == text),
            "scanning {text:?}"
        );
    }
    ensure_eq!(names(&*store, "")?.len(), texts.len(), "all");
    ensure!(
        Key::new("x".repeat(MAX_KEY + 1)).is_err(),
        "a key that is too long"
    );
    ensure!(Key::new("").is_err(), "an empty key");
    Ok(())
}

fn large(subject: &mut dyn Subject) -> Outcome {
    let mut store = subject.fresh()?;
    let value = |len: usize, salt: usize| -> Vec<u8> {
        (0..len)
            .map(|at| ((at * 31 + salt) % 251).to_le_bytes()[0])
            .collect()
    };
    // Growing and shrinking: nothing of a longer one may shine through.
    for (round, len) in [1 << 20, 100, 3 << 20, (1 << 20) + 1, 0, 5000]
        .into_iter()
        .enumerate()
    {
        let bytes = value(len, round);
        commit(&*store, batch(&[("big", &bytes), ("small", b"s")])?)?;
        if let Reopened::Durable(again) = subject.reopen(store)? {
            store = again;
        } else {
            return large_in_memory(subject, &bytes);
        }
        let found = get(&*store, "big")?.map(|(value, _)| value);
        ensure!(
            found.as_ref() == Some(&bytes),
            "{len} bytes come back otherwise"
        );
        ensure_eq!(
            names(&*store, "")?,
            ["big", "small"],
            "keys with {len} bytes"
        );
    }
    too_large(&*store)
}

fn large_in_memory(subject: &mut dyn Subject, bytes: &[u8]) -> Outcome {
    let store = subject.fresh()?;
    commit(&*store, batch(&[("big", bytes)])?)?;
    ensure!(
        get(&*store, "big")?.is_some_and(|(value, _)| value == bytes),
        "it comes back otherwise"
    );
    too_large(&*store)
}

fn too_large(store: &dyn Store) -> Outcome {
    let before = (revision(store)?, names(store, "")?);
    let mut batch = batch(&[("before", b"")])?;
    batch.put(key("big")?, vec![0; MAX_VALUE + 1], Expect::Any);
    let error = store.commit(batch).err();
    ensure!(
        matches!(error, Some(StoreError::ValueTooLarge { .. })),
        "too large: {error:?}"
    );
    ensure_eq!((revision(store)?, names(store, "")?), before, "after it");
    Ok(())
}

fn many(subject: &mut dyn Subject) -> Outcome {
    let store = subject.fresh()?;
    let mut batch = Batch::new();
    for number in 0..10_000_u32 {
        batch.put(
            key(&format!("many/{number:05}"))?,
            number.to_be_bytes().to_vec(),
            Expect::Absent,
        );
    }
    ensure_eq!(commit(&*store, batch)?, 1, "one revision");
    let mut delete = Batch::new();
    for number in (0..10_000).step_by(2) {
        delete.delete(key(&format!("many/{number:05}"))?, Expect::At(Revision(1)));
    }
    ensure_eq!(commit(&*store, delete)?, 2, "the next one");
    let found = entries(&*store, "many/", Order::Ascending)?;
    ensure_eq!(found.len(), 5000, "what is left");
    for (number, (name, (value, _))) in (0..5000_u32).map(|half| half * 2 + 1).zip(found) {
        ensure_eq!(
            (name, value),
            (format!("many/{number:05}"), number.to_be_bytes().to_vec()),
            "it"
        );
    }
    Ok(())
}

fn reopened(subject: &mut dyn Subject) -> Outcome {
    let mut store = subject.fresh()?;
    for round in 0..4_u64 {
        let name = format!("k/{round}");
        commit(
            &*store,
            batch(&[(&name, b"v"), ("again", name.as_bytes())])?,
        )?;
        let before = entries(&*store, "", Order::Ascending)?;
        let Reopened::Durable(again) = subject.reopen(store)? else {
            return Ok(());
        };
        store = again;
        ensure_eq!(
            entries(&*store, "", Order::Ascending)?,
            before,
            "round {round}"
        );
        ensure_eq!(revision(&*store)?, round + 1, "the revision");
        ensure_eq!(
            changed(&*store, 0)?.map(|keys| keys.len() as u64),
            Some(round + 2),
            "the log"
        );
    }
    Ok(())
}

fn random(subject: &mut dyn Subject) -> Outcome {
    for seed in 0..8 {
        replay(subject, &random_steps(seed, 60)).map_err(|why| format!("seed {seed}: {why}"))?;
    }
    Ok(())
}
