use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use muster_store::{Batch, Collection, Expect, SledStore, Store};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    LONG, names, notices, outbox,
    receiver::{Answer, Receiver},
    start, webhook,
};

/// How many notices were queued: written in the batch that queues them.
const QUEUED: Collection<usize> = Collection::new("test-queued", 1);
/// The most that is repeated after a kill: what is delivered before it is remembered.
const GROUP: usize = 32;

const DIR: &str = "MUSTER_TEST_NOTIFY_DIR";
const URL: &str = "MUSTER_TEST_NOTIFY_URL";
const TOTAL: &str = "MUSTER_TEST_NOTIFY_TOTAL";

/// What is killed: it queues notices and delivers them, and goes on where it was.
#[ignore = "the process that other tests start and kill"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let variable = |name| std::env::var(name).unwrap();
    let url = Url::parse(&variable(URL)).unwrap();
    let total: usize = variable(TOTAL).parse().unwrap();
    let dir = Path::new(&dir);
    let store: Arc<dyn Store> = Arc::new(SledStore::open(dir).unwrap());
    let stop = CancellationToken::new();
    let deliverer = start(dir, Arc::clone(&store), &stop, &[webhook("a", &url)]).await;
    let mut queued = QUEUED.get(&*store, "n").unwrap().map_or(0, |n| n.value);
    while queued < total {
        let more = total.min(queued + 1 + queued % 23);
        let mut batch = Batch::new();
        outbox::append(&*store, &mut batch, &notices(queued..more)).unwrap();
        QUEUED.put(&mut batch, "n", &more, Expect::Any).unwrap();
        outbox::trim(&*store, &mut batch, deliverer.trim_to()).unwrap();
        store.commit(batch).unwrap();
        queued = more;
        deliverer.wake();
        tokio::task::yield_now().await;
    }
    super::eventually(
        || (deliverer.trim_to() > total as u64).then_some(()),
        || format!("{:?}", deliverer.status()),
    )
    .await;
    stop.cancel();
    deliverer.join(LONG).await;
}

fn spawn(dir: &Path, url: &Url, total: usize, extra: &[(&str, &Path)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "notify::kill::child", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(URL, url.as_str())
        .env(TOTAL, total.to_string())
        // Nobody listens there: what is on this machine is told without it.
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("ALL_PROXY", "http://127.0.0.1:9")
        .envs(extra.iter().copied())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_loses_nothing_and_repeats_little() {
    const KILLS: usize = 30;
    const ALL: usize = 3000;
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|n, _| Answer::Status(if n % 701 == 700 { 503 } else { 200 }));
    let receiver = receiver.await;
    for kill in 0..=KILLS {
        let before = receiver.got().len();
        let mut child = spawn(dir.path(), &receiver.url, ALL, &[]);
        // After so many requests; the moment within one is the scheduler's.
        let enough = if kill == KILLS {
            usize::MAX
        } else {
            before + 1 + (kill * 37) % 90
        };
        let until = Instant::now() + 2 * LONG;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if receiver.got().len() >= enough {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            assert!(Instant::now() < until, "{} requests", receiver.got().len());
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        if let Some(status) = status {
            assert!(status.success(), "{status}");
            break;
        }
    }
    let told: Vec<usize> = receiver
        .told()
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
    let mut next = 0;
    for name in told {
        assert!(name <= next, "{name} came where {next} should have");
        assert!(next - name <= GROUP, "{name} came again after {next}");
        next = next.max(name + 1);
    }
    assert_eq!(next, ALL);
    // The id says what is a repeat.
    let mut first: Vec<String> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for got in receiver.got() {
        if ids.insert(got.body().delivery) {
            first.push(got.body().notice.name);
        }
    }
    assert_eq!(first, names(0..ALL));
}

/// A receiver with a certificate that only a file of ours vouches for.
const TLS_RECEIVER: &str = r#"
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

#[tokio::test]
async fn a_certificate_of_a_private_authority_is_believed_when_the_system_does() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("certificate"), dir.path().join("key"));
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .stderr(Stdio::null())
        .status()
        .expect("openssl starts: on Debian, apt-get install openssl");
    assert!(made.success());
    let mut server = Command::new("python3")
        .args(["-c", TLS_RECEIVER])
        .args([&certificate, &key])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 starts");
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut port)
        .unwrap();
    let url = Url::parse(&format!("https://localhost:{}/", port.trim())).unwrap();

    // Trusted by nobody.
    let world = super::World::new(&[webhook("a", &url)]).await;
    world.append(&notices(0..1));
    let error = world.failure("a").await;
    assert!(error.contains("certificate"), "{error}");

    let store = dir.path().join("store");
    let mut child = spawn(&store, &url, 3, &[("SSL_CERT_FILE", &certificate)]);
    let status = tokio::task::spawn_blocking(move || child.wait())
        .await
        .unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(status.unwrap().success());
    let file = fs::read_to_string(store.join(muster::notify::FILE)).unwrap();
    assert!(file.contains("\"next\":4"), "{file}");
}
