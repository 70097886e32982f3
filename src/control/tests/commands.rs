//! What a command asks for reaches the loop, and the loop's answer the command.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use muster_matchers::SourceFilter;
use muster_model::{
    Coverage, HeldPlan, Provider, Scan, Scope, ScopeRecord, Service as Family, Verdict,
};
use muster_store::{Batch, Expect, Revision, tables};
use tokio::sync::mpsc;

use super::*;
use crate::{
    control::ClientError,
    pipeline::{held::plan_id, run::Writes},
    service::handle::{Aside, Reading, ReadingBasis, RefusedKind, Reloaded, ScopeScan},
};

fn scope(region: &str) -> Scope {
    Scope::aws("111111111111", region, Family::Rds)
}

fn held(number: u64, verdict: Verdict) -> HeldPlan {
    HeldPlan {
        number,
        made: Timestamp::from_unix(5),
        group: "default".to_owned(),
        removals: Vec::new(),
        targets: 10,
        allowance: 2,
        verdict,
    }
}

/// Who this process is, as the kernel tells the service.
fn me() -> String {
    format!("(uid {})", rustix::process::geteuid().as_raw())
}

#[test]
fn commands_reach_the_loop_with_who_asked() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let world = World::new().answering(move |command| match command {
        Command::ScanNow { scopes, reply } => {
            let record = |scope| ScopeScan {
                aside: Aside::default(),
                record: ScopeRecord {
                    scope: Arc::new(scope),
                    attempted: Timestamp::from_unix(9),
                    coverage: Coverage::Complete,
                    complete: Some(Timestamp::from_unix(9)),
                    found: 3,
                    failures_in_a_row: 0,
                    malformed: Vec::new(),
                },
            };
            let _ = reply.send(Ok(scopes.into_iter().map(record).collect()));
        }
        Command::Reload { by, dry_run, reply } => {
            log.lock().unwrap().push(by);
            let add = u64::from(dry_run);
            let _ = reply.send(Ok(Reloaded {
                add,
                ..Reloaded::default()
            }));
        }
        Command::Apply {
            writes,
            expected,
            by,
            reply,
        } => {
            log.lock().unwrap().push(by);
            assert_eq!(writes.forget.len(), 1);
            let _ = reply.send(Ok(expected.next()));
        }
        Command::Decide {
            plan,
            approve,
            by,
            reply,
        } => {
            let at = Timestamp::from_unix(7);
            let verdict = match approve {
                true => Verdict::Approved { by, at },
                false => Verdict::Rejected { by, at },
            };
            let _ = reply.send(Ok(held(plan, verdict)));
        }
        Command::Stop => log.lock().unwrap().push("stop".to_owned()),
        Command::Read { .. } => panic!("nobody reads"),
    });
    let client = world.client();
    let asked = vec![scope("us-east-1"), scope("eu-west-1")];
    let records = client.wait(client.scan(asked.clone())).unwrap();
    assert_eq!(
        records
            .iter()
            .map(|r| (*r.record.scope).clone())
            .collect::<Vec<_>>(),
        asked
    );
    assert_eq!(client.wait(client.reload(true)).unwrap().add, 1);
    assert_eq!(client.wait(client.reload(false)).unwrap().add, 0);
    let writes = Writes {
        forget: vec![muster_model::ResourceId::new("arn:x#instance")],
        ..Writes::default()
    };
    let applied = client.wait(client.apply(&writes, Revision(7))).unwrap();
    assert_eq!(applied, Revision(8));
    let approved = client.wait(client.decide(4, true)).unwrap();
    assert!(matches!(approved.verdict, Verdict::Approved { by, .. } if by.contains(&me())));
    let rejected = client.wait(client.decide(4, false)).unwrap();
    assert!(matches!(rejected.verdict, Verdict::Rejected { by, .. } if by.contains(&me())));
    client.wait(client.stop()).unwrap();
    // It is asked to stop, and not waited for.
    let end = Instant::now() + Duration::from_secs(60);
    while seen.lock().unwrap().len() < 4 {
        assert!(Instant::now() < end, "it does not stop");
        std::thread::yield_now();
    }
    let seen = seen.lock().unwrap();
    assert!(seen[..3].iter().all(|by| by.contains(&me())), "{seen:?}");
    assert_eq!(seen[3], "stop");
}

#[test]
fn a_refusal_arrives_as_it_was_said() {
    for kind in [
        RefusedKind::NotFound,
        RefusedKind::Conflict,
        RefusedKind::Invalid,
        RefusedKind::Unavailable,
        RefusedKind::Failed,
    ] {
        let world = World::new().answering(move |command| {
            if let Command::Reload { reply, .. } = command {
                let _ = reply.send(Err(refused(kind)));
            }
        });
        let client = world.client();
        let error = client.wait(client.reload(false)).unwrap_err();
        match error {
            ClientError::Refused(said) => assert_eq!(said, refused(kind)),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_loop_that_ends_says_so() {
    let world = World::new().answering(drop);
    let client = world.client();
    let error = client.wait(client.scan(Vec::new())).unwrap_err();
    assert!(
        error.to_string().contains("the service is ending"),
        "{error}"
    );
}

#[test]
fn plans_and_the_configuration_are_shown() {
    let world = World::new();
    let mut batch = Batch::new();
    for number in [1, 12] {
        let plan = held(number, Verdict::Waiting);
        tables::PLANS
            .put(&mut batch, &plan_id(number), &plan, Expect::Any)
            .unwrap();
    }
    world.store.commit(batch).unwrap();
    let client = world.client();
    let plans = client.wait(client.plans()).unwrap();
    assert_eq!(plans.iter().map(|p| p.number).collect::<Vec<_>>(), [1, 12]);
    assert_eq!(client.wait(client.plan(12)).unwrap().number, 12);
    let none = client.wait(client.plan(13)).unwrap_err();
    assert!(none.to_string().contains("there is no plan 13"), "{none}");
    let config = client.wait(client.config()).unwrap();
    assert_eq!(config.text.as_bytes(), active().bytes);
}

fn basis(scopes: usize) -> ReadingBasis {
    let filter = SourceFilter {
        name: "sources.aws[0]".to_owned(),
        provider: Provider::Aws,
        services: [Family::Rds].into(),
        accounts: None,
        regions: None,
        resource_groups: None,
        tags: muster_model::Selector::all(),
    };
    ReadingBasis {
        scopes,
        filters: vec![filter],
        open: Vec::new(),
        complete: true,
    }
}

/// A service that announces some scans and hands over others.
fn reading(announced: usize, given: usize) -> World {
    let mut keep = Vec::new();
    World::new().answering(move |command| {
        let Command::Read { reply, .. } = command else {
            return;
        };
        let (sender, scans) = mpsc::channel(16);
        for n in 0..given {
            let scan = Scan::empty(Arc::new(scope(&format!("region-{n}"))));
            sender.try_send(scan).unwrap();
        }
        if given == usize::MAX {
            keep.push(sender);
        }
        let _ = reply.send(Ok(Reading {
            basis: basis(announced),
            scans,
        }));
    })
}

#[test]
fn a_reading_is_whole_or_an_error() {
    let whole = reading(3, 3);
    let (client, mut shown) = (whole.client(), 0);
    let read = whole
        .runtime
        .block_on(client.read(Vec::new(), |_| shown += 1));
    let (found, scans) = read.unwrap();
    assert_eq!(found.filters, basis(3).filters);
    assert_eq!((scans.len(), shown), (3, 4));

    for (announced, given) in [(3, 2), (1, 0), (2, 3)] {
        let other = reading(announced, given);
        let client = other.client();
        let read = other.runtime.block_on(client.read(Vec::new(), |_| {}));
        let error = read.unwrap_err().to_string();
        assert!(error.contains("broke off reading"), "{error}");
    }

    let none = reading(0, 0);
    let client = none.client();
    let read = none.runtime.block_on(client.read(Vec::new(), |_| {}));
    assert!(read.unwrap().1.is_empty());
}

#[test]
fn who_goes_away_ends_the_reading() {
    let (gone, is_gone) = std::sync::mpsc::channel();
    let world = World::new().answering(move |command| {
        if let Command::Read { reply, .. } = command {
            let (sender, scans) = mpsc::channel(1);
            let _ = reply.send(Ok(Reading {
                basis: basis(1),
                scans,
            }));
            let gone = gone.clone();
            tokio::spawn(async move {
                sender.closed().await;
                let _ = gone.send(());
            });
        }
    });
    let client = world.client();
    world.runtime.block_on(async {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let mut begun = Some(begun);
        let reading = client.read(Vec::new(), |_| {
            let _ = begun.take().map(|begun| begun.send(()));
        });
        tokio::select! {
            _ = reading => panic!("it cannot end"),
            _ = has_begun => {}
        }
    });
    is_gone.recv_timeout(Duration::from_secs(20)).unwrap();
}
