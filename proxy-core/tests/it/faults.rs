//! What the machine does not give: a disk for the record, file descriptors for connections.

use std::{
    fmt::Debug,
    fs,
    net::TcpStream,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use muster_access::Audit;
use muster_audit::Health;
use muster_proxy::Settings;
use tokio::io::AsyncWriteExt;

use crate::{
    bed::{Bed, run},
    raw::{Hello, error, message, startup, up_to},
    server::{until, until_async},
};

const ALICE: &[(&str, &str)] = &[("user", "alice"), ("database", "app")];

#[test]
fn a_session_that_cannot_be_recorded_ends_unless_a_role_lets_it_go_on() {
    let bed = Bed::new(Settings::default(), None);
    let strict = bed.person(|_| {});
    let lax = bed.person(|role| role.options.audit = Some(Audit::BestEffort));
    let (strict, lax) = (bed.login(&strict, "app"), bed.login(&lax, "app"));
    let aside = tempfile::tempdir().unwrap();
    let aside = aside.path().join("aside");
    run(async {
        let one = bed.connect(&strict, "alice").await;
        let two = bed.connect(&lax, "alice").await;
        one.client.batch_execute("select 'before'").await.unwrap();
        // The volume of the log is gone.
        fs::rename(bed.dir.path(), &aside).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        let failed = loop {
            assert!(Instant::now() < end, "the session goes on without a record");
            if let Err(error) = one.client.batch_execute("select 'unrecorded'").await {
                break error;
            }
            two.client.batch_execute("select 'lax'").await.unwrap();
        };
        assert_ne!(bed.audit.health(), Health::Ok);
        let said = failed.as_db_error().expect("the database's words").clone();
        assert_eq!(said.code().code(), "58030", "{said}");
        assert!(said.message().contains("cannot be recorded"), "{said}");
        // Nor does another one begin.
        let hello = Hello {
            certificate: Some(&strict),
            ..Hello::default()
        };
        let refused = error(&bed.answer(hello, &startup(ALICE)).await);
        assert_eq!(refused[&'C'], "58030");
        assert!(refused[&'M'].contains("not opened"), "{refused:?}");
        two.client.batch_execute("select 'lax'").await.unwrap();
        let three = bed.connect(&lax, "alice").await;
        three.client.batch_execute("select 'lax'").await.unwrap();
        // It comes back, and so does everybody.
        fs::rename(&aside, bed.dir.path()).unwrap();
        until_async("the log is well", || bed.audit.health() == Health::Ok).await;
        let again = bed.connect(&strict, "alice").await;
        again.client.batch_execute("select 'again'").await.unwrap();
    });
    bed.door.stop();
    assert!(bed.audit.flush(Duration::from_secs(20)));
}

#[test]
fn who_is_in_the_middle_of_a_result_that_cannot_be_recorded_reads_why_it_ends() {
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    let aside = tempfile::tempdir().unwrap();
    let aside = aside.path().join("aside");
    run(async {
        let hello = Hello {
            certificate: Some(&certificate),
            ..Hello::default()
        };
        let mut stream = bed.tls(hello).await.unwrap();
        stream.write_all(&startup(ALICE)).await.unwrap();
        up_to(&mut stream, b'Z').await;
        // The database sends 8 KiB at a time, so that nearly all of the time the client is in the middle of a row.
        let rows = b"select repeat('x', 3000), pg_sleep(0.2) from generate_series(1, 1000)\0";
        stream.write_all(&message(b'Q', rows)).await.unwrap();
        up_to(&mut stream, b'D').await;
        fs::rename(bed.dir.path(), &aside).unwrap();
        // What waits for a second is recorded without its outcome. The log finds out by the first that it cannot be written,
        // and the session by the other.
        let more = message(b'Q', b"select 'more'\0");
        stream.write_all(&more).await.unwrap();
        until_async("the log fails", || bed.audit.health() != Health::Ok).await;
        stream.write_all(&more).await.unwrap();
        let said = tokio::time::timeout(Duration::from_secs(60), up_to(&mut stream, b'E')).await;
        let said = error(&said.expect("the session ends"));
        assert_eq!(said[&'C'], "58030", "{said:?}");
        assert!(said[&'M'].contains("cannot be recorded"), "{said:?}");
    });
    fs::rename(&aside, bed.dir.path()).unwrap();
    until("the log is well", || bed.audit.health() == Health::Ok);
    until("its end is recorded", || {
        let events = bed.events_of(&user);
        let mut kinds = events.iter().map(|event| event["event"].as_str().unwrap());
        kinds.any(|kind| kind == "client.disconnect") && kinds.any(|kind| kind == "db.session.end")
    });
    // What was kept while the log could not be written is in it once.
    let events = bed.events_of(&user);
    let queries = events.iter().filter_map(|event| event["db_query"].as_str());
    assert_eq!(
        queries.filter(|query| query.contains("more")).count(),
        2,
        "{events:?}"
    );
    bed.door.stop();
}

/// The texts of what is logged.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn times(&self, text: &str) -> usize {
        let all = self.0.lock().unwrap();
        all.iter().filter(|told| told.contains(text)).count()
    }
}

struct Message<'a>(&'a mut String);

impl tracing::field::Visit for Message<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

impl tracing::Subscriber for Told {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut Message(&mut text));
        self.0.lock().unwrap().push(text);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Says that this process is the child of the test below.
const CHILD: &str = "MUSTER_TEST_FEW_DESCRIPTORS";

#[test]
fn without_file_descriptors_the_door_waits_and_says_so() {
    // In a process of its own: the limit is the whole process's.
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "faults::child_with_few_descriptors",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

/// Sets how many descriptors this process may have.
fn allow(count: usize) {
    let status = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string()])
        .arg(format!("--nofile={count}:"))
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn child_with_few_descriptors() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let told = Told::default();
    tracing::subscriber::set_global_default(told.clone()).unwrap();
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    run(async {
        let session = bed.connect(&certificate, "alice").await;
        session.client.batch_execute("select 1").await.unwrap();
        let open = fs::read_dir("/proc/self/fd").unwrap().count();
        allow(open + 21);
        // Each takes one here and one at the door, until there are none. Where the door got the last one, a file takes it.
        let (mut held, mut files) = (Vec::new(), Vec::new());
        let end = Instant::now() + Duration::from_secs(60);
        while bed.door.numbers().accept_errors == 0 {
            assert!(Instant::now() < end);
            match TcpStream::connect(bed.door.local_addr()) {
                Ok(socket) => held.push(socket),
                Err(_) => {
                    held.pop();
                    files.extend(fs::File::open("/dev/null"));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        let began = Instant::now();
        let before = bed.door.numbers().accept_errors;
        until_async("it has tried some times", || {
            bed.door.numbers().accept_errors >= before + 12
        })
        .await;
        // Between two tries it waits for 50 ms: it does not use up the processor.
        assert!(began.elapsed() >= Duration::from_millis(500));
        let times = told.times("cannot take connections");
        assert!((1..4).contains(&times), "{times}");
        // Whoever is in goes on.
        session.client.batch_execute("select 2").await.unwrap();
        drop((held, files));
        allow(1024);
        let again = bed.connect(&certificate, "alice").await;
        again.client.batch_execute("select 3").await.unwrap();
        assert_eq!(told.times("connections are taken again"), 1);
    });
    until("they are gone", || bed.sessions_of(&user) == 0);
    bed.door.stop();
}
