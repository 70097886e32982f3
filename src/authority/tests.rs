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
fn a_record_is_called_only_what_a_file_and_a_command_can_name() {
    let dir = tempfile::tempdir().unwrap();
    let made = authority(dir.path());
    let long = "é".repeat(256);
    put(&made, lock(&long, "m"), How::Create).unwrap();
    for name in ["", " l", "l ", "a/b", "a\u{7}b", &format!("{long}é")] {
        let refused = put(&made, lock(name, "m"), How::Create).unwrap_err();
        assert_eq!(refused.kind, RefusedKind::Invalid, "{name:?}");
        assert!(refused.why[0].contains("metadata.name"), "{refused:?}");
    }
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

/// An authority at a time that the test sets.
fn timed(dir: &Path) -> (Authority, Arc<std::sync::atomic::AtomicI64>) {
    let time = Arc::new(std::sync::atomic::AtomicI64::new(1_800_000_000));
    let at = Arc::clone(&time);
    let clock =
        Arc::new(move || Timestamp::from_unix(at.load(std::sync::atomic::Ordering::SeqCst)));
    let passwords = Passwords::with(64, 1, 1, chance::system()).unwrap();
    let settings = Settings {
        cluster_name: "test".to_owned(),
        node_name: None,
        public: ["db.example.com".to_owned()].into(),
    };
    let opened = Authority::open_with(dir, settings, clock, chance::system(), passwords);
    (opened.unwrap(), time)
}

fn pass(time: &std::sync::atomic::AtomicI64, seconds: i64) {
    time.fetch_add(seconds, std::sync::atomic::Ordering::SeqCst);
}

#[test]
fn what_it_does_is_in_the_audit_log_without_secrets() {
    let (dir, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = authority(dir.path());
    let log = Log::open(muster_audit::Settings::new(logs.path(), "test")).unwrap();
    made.record(log.clone(), || Micros(1_800_000_000_250_000));
    let user = json!({"kind": "user", "version": "v2", "metadata": {"name": "alice"}, "spec": {"roles": []}});
    let (record, seconds) = (user, 3600);
    let invited = made.handle(Command::AddUser { record, seconds }, "root (uid 0)");
    let Ok(Answer::Invited(invited)) = invited else {
        panic!("not invited")
    };
    let from = "10.0.0.9:4711".parse().unwrap();
    made.accept(&invited.token.0, "correct horse battery", None, from)
        .unwrap();
    let key = rcgen::KeyPair::generate().unwrap().public_key_pem();
    let login = |password| {
        let asked = people::LoginAsked {
            user: "alice",
            password,
            totp: None,
            key: &key,
            seconds: None,
            route: None,
        };
        let proven = made.prove(&asked, from)?;
        made.login(asked, &proven, from)
    };
    login("wrong password here").unwrap_err();
    let signed = login("correct horse battery").unwrap();
    put(&made, lock("l", "out"), How::Create).unwrap();
    let (ca, grace) = (Ca::Db, 60);
    made.handle(Command::Rotate { ca, grace }, "root (uid 0)")
        .unwrap();
    drop(made);
    log.close(std::time::Duration::from_secs(30));
    let files = std::fs::read_dir(logs.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = files
        .filter(|path| path.is_file())
        .map(|path| std::fs::read(path).unwrap());
    let text: String = files
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    // Codes of the peer's: user, invitation, password, failed login, certificate, login, lock; and of ours: exchange.
    for code in [
        "T1002I", "T6000I", "T1005I", "T1000W", "TC000I", "T1000I", "TLK00I", "MCA00I",
    ] {
        assert_eq!(
            text.matches(&format!("\"code\":\"{code}\"")).count(),
            1,
            "{code}: {text}"
        );
    }
    assert!(
        text.contains(&signed.serial) && text.contains("10.0.0.9:4711"),
        "{text}"
    );
    assert!(text.contains("root (uid 0)"), "{text}");
    // The authority goes by seconds, and events by microseconds.
    let exact = text.matches("\"time\":\"2027-01-15T08:00:00.250000Z\"");
    assert_eq!(exact.count(), 8, "{text}");
    for secret in [
        &*invited.token.0,
        "correct horse battery",
        "wrong password here",
    ] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn what_is_over_is_put_away() {
    let dir = tempfile::tempdir().unwrap();
    let (made, time) = timed(dir.path());
    let first = made.trust().unwrap();
    assert!(!made.trust_is_old());
    let mut told = made.subscribe();
    let (ca, grace) = (Ca::User, 3600);
    made.handle(Command::Rotate { ca, grace }, "test").unwrap();
    assert_eq!(told.try_recv().unwrap(), Changed::Trust);
    assert!(made.trust_is_old());
    assert_eq!(
        (first.users.len(), made.trust().unwrap().users.len()),
        (1, 2)
    );
    let mut short = lock("short", "for an hour");
    short["spec"]["expires"] = json!(made.now().plus(3600));
    put(&made, short, How::Create).unwrap();
    put(&made, lock("long", "for ever"), How::Create).unwrap();
    let record = json!({"kind": "token", "version": "v2",
                        "metadata": {"name": "hour", "expires": made.now().plus(3600)},
                        "spec": {"roles": ["db"], "join_method": "token"}});
    made.handle(Command::AddToken { record }, "test").unwrap();
    let secrets = || {
        let state = made.state();
        let ids = state.journal.records().keys();
        ids.filter(|id| id.table == people::SECRETS).count()
    };
    pass(&time, 3600);
    made.tick();
    assert!(made.trust_is_old());
    assert_eq!(made.trust().unwrap().users.len(), 1);
    assert_ne!(made.trust().unwrap().users, first.users);
    // For a day one can see that there was a lock.
    assert_eq!(made.list(Some(Kind::Lock)).len(), 2);
    assert_eq!((made.list(Some(Kind::Token)).len(), secrets()), (1, 1));
    pass(&time, 24 * 3600);
    made.tick();
    let left = made.list(Some(Kind::Lock));
    assert_eq!(
        left.iter().map(|lock| &*lock.name).collect::<Vec<_>>(),
        ["long"]
    );
    assert_eq!((made.list(Some(Kind::Token)).len(), secrets()), (0, 0));
    // The proxy's certificate is renewed ten days before its end.
    let expires = made.trust().unwrap().expires;
    pass(&time, 19 * 24 * 3600);
    made.tick();
    assert!(!made.trust_is_old());
    pass(&time, 24 * 3600);
    assert!(made.trust_is_old());
    assert!(made.trust().unwrap().expires > expires);
}

#[test]
fn a_certificate_of_before_is_not_of_the_user_who_has_the_name_now() {
    let dir = tempfile::tempdir().unwrap();
    let (made, time) = timed(dir.path());
    let user = |roles: &[&str]| json!({"kind": "user", "version": "v2", "metadata": {"name": "ana"}, "spec": {"roles": roles}});
    let role = json!({"kind": "role", "version": "v7", "metadata": {"name": "dev"},
                      "spec": {"allow": {"db_labels": {"*": "*"}, "db_users": ["app"], "db_names": ["*"]}}});
    put(&made, role, How::Create).unwrap();
    put(&made, user(&["dev"]), How::Create).unwrap();
    let life = std::time::Duration::from_secs(12 * 3600);
    let login = |made: &Authority| {
        let (policy, now) = (made.policy().load_full(), made.now());
        policy.as_if_logged_in("ana", life, now).unwrap()
    };
    let admitted = |made: &Authority, who| {
        let admitted = made.policy().load().admits(who, made.now());
        admitted.map_err(|denial| denial.code())
    };
    let old = login(&made);
    pass(&time, 10);
    put(&made, user(&["dev", "dev"]), How::Upsert).unwrap();
    assert_eq!(admitted(&made, &old), Ok(vec!["dev".to_owned()]));
    let (kind, name, revision) = (Kind::User, "ana".to_owned(), None);
    let remove = Command::Remove {
        kind,
        name,
        revision,
    };
    made.handle(remove, "test").unwrap();
    put(&made, user(&["dev"]), How::Create).unwrap();
    assert_eq!(admitted(&made, &old), Err("older-than-user"));
    let new = login(&made);
    pass(&time, 10);
    put(&made, user(&["dev", "dev"]), How::Upsert).unwrap();
    drop(made);
    let (made, time) = timed(dir.path());
    pass(&time, 20);
    assert_eq!(admitted(&made, &old), Err("older-than-user"));
    assert_eq!(admitted(&made, &new), Ok(vec!["dev".to_owned()]));
}

#[test]
fn databases_are_shown_a_certificate_with_the_users_name() {
    use muster_credentials::DatabaseCa as _;
    let dir = tempfile::tempdir().unwrap();
    let (made, time) = timed(dir.path());
    let db = json!({"kind": "db", "version": "v3", "metadata": {"name": "orders", "labels": {"env": "prod"}},
                    "spec": {"protocol": "postgres", "uri": "db.internal:5432"}});
    let mut told = made.subscribe();
    put(&made, db, How::Create).unwrap();
    assert_eq!(
        told.try_recv().unwrap(),
        Changed::Target("orders".to_owned())
    );
    let targets = made.databases();
    assert_eq!(targets.len(), 1);
    // One that is over by itself is served no more.
    let day = json!({"kind": "db", "version": "v3",
                     "metadata": {"name": "day", "expires": made.now().plus(86_400)},
                     "spec": {"protocol": "postgres", "uri": "day.internal:5432"}});
    put(&made, day, How::Create).unwrap();
    assert_eq!(made.databases().len(), 2);
    pass(&time, 86_399);
    assert!(!made.databases_ended());
    pass(&time, 1);
    assert!(made.databases_ended());
    assert_eq!(made.databases().len(), 1);
    assert!(!made.databases_ended());
    let issued = made.issue("app", &targets[0]).unwrap();
    assert_eq!(issued.expires, made.now().plus(12 * 3600));
    let (_, read) = x509_parser::parse_x509_certificate(&issued.chain[0]).unwrap();
    assert_eq!(read.subject().to_string(), "CN=app");
    let Answer::Authorities { authorities, .. } =
        made.handle(Command::Authorities, "test").unwrap()
    else {
        panic!("no authorities")
    };
    let signer = &authorities
        .iter()
        .find(|status| status.ca == Ca::Db)
        .unwrap()
        .certificates[0];
    let (_, pem) = x509_parser::pem::parse_x509_pem(signer.pem.as_bytes()).unwrap();
    let signer = pem.parse_x509().unwrap();
    read.verify_signature(Some(signer.public_key())).unwrap();
    // Another key signs: at once where the old one is worthless at once, else when its grace is over.
    let (ca, grace) = (Ca::Db, 3600);
    let first = made.signer();
    made.handle(Command::Rotate { ca, grace }, "test").unwrap();
    assert_eq!(made.signer(), first);
    pass(&time, 3600);
    let second = made.signer();
    assert_ne!(second, first);
    made.tick();
    let (ca, grace) = (Ca::Db, 0);
    made.handle(Command::Rotate { ca, grace }, "test").unwrap();
    assert!(![first, second].contains(&made.signer()));
    // No key of an authority is in any answer.
    let all = made
        .handle(
            Command::List {
                kind: Some(Kind::CertAuthority),
            },
            "test",
        )
        .unwrap();
    let all = serde_json::to_string(&all).unwrap();
    assert!(
        all.contains("BEGIN CERTIFICATE") && !all.contains("\"key\""),
        "{all}"
    );
}

#[test]
fn authorities_are_the_same_after_a_restart_and_others_for_another_cluster() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let documents = |authority: &Authority| authority.list(Some(Kind::CertAuthority));
    let first = documents(&authority(one.path()));
    assert_eq!(documents(&authority(one.path())), first);
    assert_ne!(documents(&authority(two.path())), first);
    // The name is that of the first start.
    let passwords = Passwords::with(64, 1, 1, chance::system()).unwrap();
    let settings = Settings {
        cluster_name: "renamed".to_owned(),
        ..Settings::default()
    };
    let clock: Clock = Arc::new(|| Timestamp::from_unix(1_800_000_000));
    let again = Authority::open_with(one.path(), settings, clock, chance::system(), passwords);
    assert_eq!(again.unwrap().cluster_name(), "test");
}
