//! Logging in: from an invitation to a query, with `curl`, `openssl` and `psql`.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Command,
    sync::Arc,
};

use muster::service::status::ProxyStatus;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::{Value, json};

use super::town::{Papers, Town, complaint, said};

/// Asks the API as `curl` does, with the proxy's certificate checked.
pub struct Web<'a> {
    town: &'a Town,
    url: String,
}

impl Web<'_> {
    pub fn of<'a>(town: &'a Town, proxy: &ProxyStatus) -> Web<'a> {
        let ca = town.world.dir.path().join("host.pem");
        town.muster(&[
            "auth",
            "export",
            "--ca",
            "host",
            "--out",
            ca.to_str().unwrap(),
        ]);
        let port = proxy.listen[0].rsplit(':').next().unwrap();
        let url = format!("https://localhost:{port}");
        Web { town, url }
    }

    fn ask(&self, path: &str, body: Option<&Value>, papers: Option<&Papers>) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--max-time",
            "60",
            "-w",
            "\n%{http_code}",
            "--cacert",
            "host.pem",
        ]);
        curl.current_dir(self.town.world.dir.path());
        if let Some(body) = body {
            curl.args([
                "-d",
                &body.to_string(),
                "-H",
                "content-type: application/json",
            ]);
        }
        if let Some(papers) = papers {
            curl.arg("--cert")
                .arg(&papers.cert)
                .arg("--key")
                .arg(&papers.key);
        }
        let output = curl.arg(format!("{}{path}", self.url)).output().unwrap();
        let text = said(&output);
        let (body, code) = text.rsplit_once('\n').unwrap();
        (code.parse().unwrap(), body.to_owned())
    }

    pub fn post(&self, path: &str, body: &Value, papers: Option<&Papers>) -> (u16, Value) {
        let (code, answer) = self.ask(path, Some(body), papers);
        (code, serde_json::from_str(&answer).unwrap())
    }

    /// A key of `openssl`'s making, and what of it may be shown.
    fn key(&self, name: &str) -> (Papers, String) {
        let dir = self.town.world.dir.path();
        let papers = Papers {
            cert: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
            ca: dir.join("host.pem"),
        };
        let mut openssl = Command::new("openssl");
        openssl.args([
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
        ]);
        said(&openssl.arg(&papers.key).output().unwrap());
        let mut public = Command::new("openssl");
        public.args(["pkey", "-pubout", "-in"]).arg(&papers.key);
        let public = said(&public.output().unwrap());
        (papers, public)
    }

    /// Keeps the certificate of an answer beside its key.
    fn keep(papers: Papers, answer: &Value) -> Papers {
        fs::write(&papers.cert, answer["certificate"].as_str().unwrap()).unwrap();
        papers
    }
}

#[test]
fn from_an_invitation_to_a_query() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let web = Web::of(&town, &proxy);
    let (code, ping) = web.ask("/v1/ping", None, None);
    assert!(
        code == 200 && ping.contains("\"cluster\":\"test\""),
        "{ping}"
    );
    let invited = town.muster(&["user", "add", "eva", "--roles", "shop"]);
    let token = invited.lines().nth(1).unwrap().trim();
    let token = token.rsplit('/').next().unwrap();
    let (token, _) = token.split_once('#').unwrap();
    let (code, page) = web.ask(&format!("/invite/{token}"), None, None);
    assert!(code == 200 && page.contains("Welcome, eva"), "{page}");
    let password = "correct horse battery";
    let (code, answer) = web.post(
        "/v1/invite/accept",
        &json!({"token": token, "password": password}),
        None,
    );
    assert_eq!((code, &answer["user"]), (200, &json!("eva")), "{answer}");
    let (papers, key) = web.key("eva");
    let login = |password: &str| {
        web.post(
            "/v1/login",
            &json!({"user": "eva", "password": password, "key": key}),
            None,
        )
    };
    let (code, answer) = login("wrong horse battery");
    assert_eq!(code, 401, "{answer}");
    let (code, answer) = login(password);
    assert_eq!(
        (code, &answer["roles"]),
        (200, &json!(["shop"])),
        "{answer}"
    );
    let eva = Web::keep(papers, &answer);
    // With that certificate there is another one, for one database, and nobody gets it without.
    let (papers, key) = web.key("eva-orders");
    let wanted = json!({"key": key, "ttl": "10m",
        "route": {"target": "orders", "db_user": "alice", "db_name": "shop"}});
    let (code, _) = web.post("/v1/certificates", &wanted, None);
    assert_eq!(code, 401);
    let (code, answer) = web.post("/v1/certificates", &wanted, Some(&eva));
    assert_eq!(code, 200, "{answer}");
    let orders = Web::keep(papers, &answer);
    assert_eq!(said(&orders.sql(&proxy, "select current_user")), "alice");
    // Who is locked gets nothing, with either.
    town.muster(&[
        "lock",
        "add",
        "--user",
        "eva",
        "--message",
        "call the office",
    ]);
    let refused = complaint(&orders.sql(&proxy, "select 1"));
    assert!(refused.contains("call the office"), "{refused}");
    let (code, answer) = web.post("/v1/certificates", &wanted, Some(&eva));
    assert!(
        code == 403 && answer.to_string().contains("call the office"),
        "{answer}"
    );
    let (code, _) = login(password);
    assert_eq!(code, 403);
    service.stop();
    // Before the service, by commands, and through it: all of it is in one log.
    let events = town.events();
    for (code, times) in [
        ("T9000I", 1),
        ("T6000I", 1),
        ("T1005I", 1),
        ("T1000W", 2),
        ("T1000I", 1),
        ("TLK00I", 1),
    ] {
        let found = events.iter().filter(|event| event["code"] == code).count();
        assert_eq!(found, times, "{code}");
    }
    let text = format!("{events:?}");
    assert!(!text.contains(password) && !text.contains(token));
}

#[test]
fn an_exchange_of_authorities_shuts_nobody_out_until_it_is_over() {
    let town = Town::new("");
    let (_service, proxy) = town.open();
    let before = town.ana();
    let (one, two) = ("select 1", "select 2");
    town.muster(&["auth", "rotate", "--ca", "user", "--grace", "1h"]);
    let within = town.sign(
        "ana",
        &[
            "--ttl",
            "1h",
            "--db",
            "orders",
            "--db-user",
            "alice",
            "--db-name",
            "shop",
        ],
    );
    assert_eq!(said(&before.sql(&proxy, one)), "1");
    assert_eq!(said(&within.sql(&proxy, two)), "2");
    town.muster(&["auth", "rotate", "--ca", "user", "--rollback"]);
    assert_eq!(said(&before.sql(&proxy, one)), "1");
    assert!(!within.sql(&proxy, two).status.success());
    // The key has leaked.
    town.muster(&["auth", "rotate", "--ca", "user", "--grace", "0"]);
    let refused = complaint(&before.sql(&proxy, one));
    assert!(
        refused.contains("was not made by this cluster's authority"),
        "{refused}"
    );
}

/// One connection for many requests, as a browser keeps it.
struct Kept(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Kept {
    fn open(proxy: &ProxyStatus, papers: &Papers) -> Self {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(&papers.ca).unwrap() {
            roots.add(root.unwrap()).unwrap();
        }
        let chain = CertificateDer::pem_file_iter(&papers.cert).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                chain.map(Result::unwrap).collect(),
                PrivateKeyDer::from_pem_file(&papers.key).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(&proxy.listen[0]).unwrap();
        Self(BufReader::new(StreamOwned::new(client, socket)))
    }

    fn ask(&mut self, head: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let request =
            format!("{head} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut code, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            code = code.or_else(|| line.split(' ').nth(1).map(|code| code.parse().unwrap()));
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).unwrap();
        (code.unwrap(), serde_json::from_slice(&answer).unwrap())
    }
}

#[test]
fn a_leaked_key_opens_nothing_after_its_exchange_also_where_a_connection_is_kept() {
    let town = Town::new("");
    let (_service, proxy) = town.open();
    let web = Web::of(&town, &proxy);
    let shown = town.sign("ana", &[]);
    let mut kept = Kept::open(&proxy, &shown);
    let (_, key) = web.key("ana-orders");
    let wanted = json!({"key": key, "route": {"target": "orders", "db_user": "alice"}}).to_string();
    let (code, answer) = kept.ask("POST /v1/certificates", &wanted);
    assert_eq!(code, 200, "{answer}");
    town.muster(&["auth", "rotate", "--ca", "user", "--grace", "0"]);
    for head in ["POST /v1/certificates", "GET /v1/whoami"] {
        let body = if head.starts_with("POST") {
            &wanted
        } else {
            ""
        };
        let (code, answer) = kept.ask(head, body);
        assert_eq!(code, 401, "{answer}");
        assert!(answer.to_string().contains("no longer trusted"), "{answer}");
    }
    // Who comes with it now is told what is wrong with it, and not that there is none.
    let (code, answer) = Kept::open(&proxy, &shown).ask("GET /v1/whoami", "");
    assert_eq!(code, 401, "{answer}");
    let why = "was not made by this cluster's authority for users";
    assert!(answer.to_string().contains(why), "{answer}");
}
