#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::{Value, json};

use super::*;

fn authority(dir: &Path) -> Authority {
    let clock = Arc::new(|| Timestamp::from_unix(1_800_000_000));
    let passwords = Passwords::with(64, 1, 1, chance::system()).unwrap();
    let settings = Settings {
        cluster_name: "test".to_owned(),
        ..Settings::default()
    };
    Authority::open_with(dir, settings, clock, chance::system(), passwords).unwrap()
}

fn lock(name: &str, message: &str) -> Value {
    json!({"kind": "lock", "version": "v2", "metadata": {"name": name},
           "spec": {"target": {"user": "mallory"}, "message": message}})
}

fn put(authority: &Authority, record: Value, how: How) -> Result<Document, Refused> {
    let records = vec![record];
    match authority.handle(Command::Put { records, how }, "test")? {
        Answer::Documents { mut documents, .. } => Ok(documents.remove(0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_are_written_read_and_removed_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let made = authority(dir.path());
    let mut told = made.subscribe();
    let first = put(&made, lock("l", "a"), How::Create).unwrap();
    let mallory = LockTarget::User("mallory".to_owned());
    assert_eq!(told.try_recv().unwrap(), Changed::Lock(mallory));
    let again = put(&made, lock("l", "b"), How::Create).unwrap_err();
    assert_eq!(again.kind, RefusedKind::Conflict);
    let second = put(&made, lock("l", "b"), How::Upsert).unwrap();
    let stale = How::Replace {
        revision: first.revision,
    };
    let refused = put(&made, lock("l", "c"), stale).unwrap_err();
    assert_eq!(refused.kind, RefusedKind::Conflict);
    let fresh = How::Replace {
        revision: second.revision,
    };
    let third = put(&made, lock("l", "c"), fresh).unwrap();
    drop(made);
    let opened = authority(dir.path());
    let (kind, name) = (Kind::Lock, "l".to_owned());
    let get = Command::Get { kind, name };
    let Answer::Documents { documents, .. } = opened.handle(get.clone(), "test").unwrap() else {
        panic!("no documents")
    };
    assert_eq!(documents, [third]);
    let (kind, name, revision) = (Kind::Lock, "l".to_owned(), None);
    let remove = Command::Remove {
        kind,
        name,
        revision,
    };
    opened.handle(remove, "test").unwrap();
    let gone = opened.handle(get, "test").unwrap_err();
    assert_eq!(gone.kind, RefusedKind::NotFound);
}

#[test]
fn a_batch_is_written_wholly_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let made = authority(dir.path());
    put(&made, lock("b", "there"), How::Create).unwrap();
    let records = vec![lock("a", "new"), lock("b", "again")];
    let how = How::Create;
    let refused = made.handle(Command::Put { records, how }, "test");
    assert_eq!(refused.unwrap_err().kind, RefusedKind::Conflict);
    let left: Vec<String> = made
        .list(Some(Kind::Lock))
        .into_iter()
        .map(|d| d.name)
        .collect();
    assert_eq!(left, ["b"]);
}

#[test]
fn commands_go_over_the_socket_as_json() {
    let commands = [
        Command::Put {
            records: vec![lock("l", "m")],
            how: How::Replace { revision: 7 },
        },
        Command::List { kind: None },
        Command::Authorities,
        Command::Rotate {
            ca: Ca::User,
            grace: 3600,
        },
    ];
    for command in commands {
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
    }
    let secret = Sensitive("hunter2".to_owned());
    assert!(!format!("{secret:?}").contains("hunter2"));
}
