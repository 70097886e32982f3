//! A receiver as `docs/notify.md` tells people to write it, told by the real service.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::Deserialize;

use super::{
    get,
    reader::{
        Is::{AtLeast, Exactly},
        Reader, tool,
    },
    sky::Place,
};
use crate::notify::page::{Snippet, snippet};

/// What stands around the page's example. It answers 500 until a line comes on its standard input, prints its port,
/// and then what it was told, checked.
const RECEIVER: &str = r#"
import http.server, json, sys, threading

status = 500

class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signed = self.headers["Muster-Signature"]
        said = json.loads(body)
        print(json.dumps({
            "genuine": is_from_muster(b"a shared secret", signed, body),
            "forged": is_from_muster(b"another secret", signed, body) or is_from_muster(b"a shared secret", signed, body + b" "),
            "old": is_from_muster(b"a shared secret", signed, body, time.time() + 3600),
            "same": self.headers["Muster-Delivery"] == said["delivery"] and self.headers["Muster-Event"] == said["event"],
            "status": status,
            "event": said["event"],
            "delivery": said["delivery"],
            "authorization": self.headers["Authorization"],
        }), flush=True)
        answer = f"no {self.headers['Authorization']} {self.path}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    status = int(line)
"#;

#[derive(Debug, Deserialize)]
struct Told {
    genuine: bool,
    forged: bool,
    old: bool,
    same: bool,
    status: u16,
    event: String,
    delivery: String,
    authorization: String,
}

struct Receiver {
    child: Child,
    orders: ChildStdin,
    told: BufReader<ChildStdout>,
    port: u16,
}

impl Receiver {
    fn start() -> Self {
        let mut child = Command::new(tool("python"))
            .args(["-c", &format!("{}\n{RECEIVER}", snippet(Snippet::Python))])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the receiver starts");
        let mut told = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        told.read_line(&mut line).expect("a port");
        Self {
            orders: child.stdin.take().expect("its input"),
            port: line.trim().parse().expect("a port"),
            told,
            child,
        }
    }

    fn answers(&mut self, status: u16) {
        writeln!(self.orders, "{status}").expect("it listens");
    }

    /// What it is told next. Whoever wrote the page has promised that it is genuine.
    fn hears(&mut self) -> Told {
        let mut line = String::new();
        self.told.read_line(&mut line).expect("a line");
        let told: Told = serde_json::from_str(&line).expect("it was told");
        assert!(told.genuine && told.same, "{told:?}");
        assert!(!told.forged && !told.old, "{told:?}");
        assert_eq!(told.authorization, "Bearer of-the-hook");
        told
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_receiver_of_the_page_is_told_in_order_and_its_failures_are_seen() {
    let mut receiver = Receiver::start();
    let place = Place::new("");
    for (name, content) in [
        ("hook.secret", "a shared secret\n"),
        ("hook.auth", "Bearer of-the-hook\n"),
    ] {
        fs::write(place.world.dir.path().join(name), content).unwrap();
    }
    let url = format!("http://127.0.0.1:{}/hooks/t0ken-in-the-path", receiver.port);
    let dir = place.world.dir.path().display();
    place.configure(&format!(
        "notify:\n  - name: chat\n    events: \"*\"\n    webhook: {{ url: \"{url}\", secret_file: {dir}/hook.secret, authorization_file: {dir}/hook.auth }}"
    ));
    let service = place.world.start();
    let mut reader = Reader::of(&service);

    // It fails: that is counted, and nothing is skipped.
    let first = receiver.hears();
    assert_eq!((first.status, first.event.as_str()), (500, "enrolled"));
    reader.until(&[
        (
            "muster_notify_deliveries_total{sink=\"chat\",outcome=\"failed\"}",
            AtLeast(1.0),
        ),
        (
            "muster_notify_deliveries_total{sink=\"chat\",outcome=\"delivered\"}",
            Exactly(0.0),
        ),
        (
            "muster_notify_consecutive_failures{sink=\"chat\"}",
            AtLeast(1.0),
        ),
        ("muster_notify_waiting{sink=\"chat\"}", AtLeast(5.0)),
        ("muster_notify_duration_seconds_count", AtLeast(1.0)),
        (
            "muster_service_reasons{code=\"notify-failing\"}",
            Exactly(1.0),
        ),
    ]);
    let (code, text) = get(&service, "/readyz?verbose");
    assert_eq!(code, 200);
    assert!(
        text.contains("notify-failing chat: ") && text.contains("500"),
        "{text}"
    );

    // Mended: the same one again, and then all others, each once.
    receiver.answers(204);
    let enrolled = reader
        .value("muster_notices_total{event=\"enrolled\"}")
        .unwrap();
    let mut deliveries = Vec::new();
    while (deliveries.len() as f64) < enrolled {
        let told = receiver.hears();
        if told.status == 500 {
            assert_eq!(told.delivery, first.delivery, "none is told before it");
        } else {
            deliveries.push(told.delivery);
        }
    }
    assert_eq!(deliveries[0], first.delivery);
    let numbers: Vec<u64> = deliveries
        .iter()
        .map(|id| id.rsplit('-').next().unwrap().parse().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    reader.until(&[
        (
            "muster_notify_deliveries_total{sink=\"chat\",outcome=\"delivered\"}",
            Exactly(enrolled),
        ),
        ("muster_notify_waiting{sink=\"chat\"}", Exactly(0.0)),
        (
            "muster_notify_consecutive_failures{sink=\"chat\"}",
            Exactly(0.0),
        ),
        ("muster_notify_dropped_total{sink=\"chat\"}", Exactly(0.0)),
        (
            "muster_notify_last_delivery_timestamp_seconds{sink=\"chat\"}",
            AtLeast(1.7e9),
        ),
        (
            "muster_service_reasons{code=\"notify-failing\"}",
            Exactly(0.0),
        ),
        ("muster_service_state{state=\"ready\"}", Exactly(1.0)),
    ]);

    // What the receiver said back to it is shown nowhere.
    let shown: Vec<String> = [
        "/api/v1/status",
        "/api/v1/config",
        "/readyz?verbose",
        "/metrics",
    ]
    .iter()
    .map(|path| get(&service, path).1)
    .chain(service.log().iter().map(ToString::to_string))
    .chain([text])
    .collect();
    for secret in ["of-the-hook", "a shared secret", "t0ken"] {
        let found = shown.iter().find(|text| text.contains(secret));
        assert_eq!(found, None, "{secret}");
    }
    service.stop();
}
