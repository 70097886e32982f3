#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod browser;
mod databases;
mod factor;
mod places;
mod rotated;
mod tries;

use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::StatusCode;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use muster_access::Usage;
use muster_model::Timestamp;
use muster_proxy::Signer;
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::*;
use crate::authority::{
    Answer, Command, How, Settings,
    chance::system,
    login::{password::Passwords, totp::Totp},
};

/// An authority with its API, at a time that goes by as the test says.
struct Door {
    authority: Arc<Authority>,
    time: Arc<AtomicI64>,
    behind: Behind,
    dir: tempfile::TempDir,
}

const PASSWORD: &str = "correct horse battery";

fn role(name: &str, options: &Value) -> Value {
    json!({"kind": "role", "version": "v7", "metadata": {"name": name}, "spec": {
        "options": options,
        "allow": {"db_labels": {"*": "*"}, "db_users": ["app"], "db_names": ["*"]},
    }})
}

fn database(name: &str, labels: &Value) -> Value {
    json!({"kind": "db", "version": "v3",
        "metadata": {"name": name, "labels": labels, "description": format!("the {name} of all")},
        "spec": {"protocol": "postgres", "uri": format!("{name}.db.test:5432")}})
}

fn user(name: &str, roles: &[&str]) -> Value {
    json!({"kind": "user", "version": "v2", "metadata": {"name": name}, "spec": {"roles": roles}})
}

fn key() -> String {
    KeyPair::generate().unwrap().public_key_pem()
}

impl Door {
    fn open(dir: tempfile::TempDir, time: Arc<AtomicI64>) -> Self {
        let at = Arc::clone(&time);
        let clock = Arc::new(move || Timestamp::from_unix(at.load(Ordering::SeqCst)));
        let settings = Settings {
            cluster_name: "production".to_owned(),
            ..Settings::default()
        };
        let passwords = Passwords::with(64, 1, 1, system()).unwrap();
        let opened = Authority::open_with(dir.path(), settings, clock, system(), passwords);
        Self {
            authority: Arc::new(opened.unwrap()),
            time,
            behind: Behind::new(Arc::default(), Arc::new(|_| false)),
            dir,
        }
    }

    /// The same after a restart.
    fn again(self) -> Self {
        drop(Arc::into_inner(self.authority).unwrap());
        Self::open(self.dir, self.time)
    }

    fn new() -> Self {
        let time = Arc::new(AtomicI64::new(1_800_000_000));
        let door = Self::open(tempfile::tempdir().unwrap(), time);
        let records = vec![
            role("plain", &json!({})),
            role("short", &json!({"max_session_ttl": "2h"})),
            role("careful", &json!({"require_totp": true})),
            role("other", &json!({})),
        ];
        let how = How::Create;
        door.ask(Command::Put { records, how });
        door.offer(vec![database("orders", &json!({"env": "prod"}))]);
        door
    }

    /// Registers databases, and publishes all that there are.
    fn offer(&self, records: Vec<Value>) {
        let how = How::Upsert;
        self.ask(Command::Put { records, how });
        let all = self.authority.databases().into_iter().map(Arc::new);
        self.behind.catalog.store(Arc::new(all.collect()));
    }

    fn ask(&self, command: Command) -> Answer {
        self.authority.handle(command, "test").unwrap()
    }

    fn pass(&self, seconds: i64) {
        self.time.fetch_add(seconds, Ordering::SeqCst);
    }

    fn now(&self) -> Timestamp {
        self.authority.now()
    }

    fn invite(&self, name: &str, roles: &[&str]) -> String {
        let (record, seconds) = (user(name, roles), 3600);
        let Answer::Invited(invited) = self.ask(Command::AddUser { record, seconds }) else {
            panic!("not invited")
        };
        invited.token.0
    }

    /// Who signs for users now.
    fn signer(&self) -> Signer {
        let signing = self.authority.state().user.signing(self.now());
        Signer::of(&signing.unwrap()).unwrap()
    }

    async fn send(
        &self,
        from: &str,
        who: Option<Arc<Identity>>,
        path: &str,
        body: Vec<u8>,
    ) -> (StatusCode, Value) {
        let method = if body.is_empty() { "GET" } else { "POST" };
        self.call(method, from, who, path, body).await
    }

    async fn call(
        &self,
        method: &str,
        from: &str,
        who: Option<Arc<Identity>>,
        path: &str,
        body: Vec<u8>,
    ) -> (StatusCode, Value) {
        let login = who.map(|identity| Login {
            identity,
            signer: self.signer(),
        });
        self.call_with(method, from, login, path, Body::from(body))
            .await
    }

    async fn call_with(
        &self,
        method: &str,
        from: &str,
        login: Option<Login>,
        path: &str,
        body: Body,
    ) -> (StatusCode, Value) {
        let caller = Caller {
            address: format!("{from}:4711").parse().unwrap(),
            login: login.ok_or(muster_proxy::NotIdentified::Missing),
        };
        let router = Arc::clone(&self.authority)
            .router(self.behind.clone())
            .layer(Extension(caller));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(body)
            .unwrap();
        let response = TowerToHyperService::new(router)
            .call(request)
            .await
            .unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send("10.0.0.1", None, path, serde_json::to_vec(body).unwrap())
            .await
    }

    /// A user with a password, and a second factor where it is asked for.
    async fn member(&self, name: &str, roles: &[&str], factor: bool) -> Option<Totp> {
        let token = self.invite(name, roles);
        let (status, offer) = self.post("/v1/invite", &json!({ "token": token })).await;
        assert_eq!(status, StatusCode::OK, "{offer}");
        assert_eq!(offer["user"], name);
        let totp = Totp::from_base32(offer["totp_secret"].as_str().unwrap()).unwrap();
        let mut body = json!({"token": token, "password": PASSWORD});
        if factor {
            body["totp"] = json!(code(&totp, self.now()));
        }
        let (status, answer) = self.post("/v1/invite/accept", &body).await;
        assert_eq!(
            (status, &answer["user"]),
            (StatusCode::OK, &json!(name)),
            "{answer}"
        );
        factor.then_some(totp)
    }

    async fn login(&self, name: &str, more: &Value) -> (StatusCode, Value) {
        let mut body = json!({"user": name, "password": PASSWORD, "key": key()});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        self.post("/v1/login", &body).await
    }
}

/// The code that the app shows.
fn code(totp: &Totp, now: Timestamp) -> String {
    totp.at(now)
}

fn pem_of(pem: &str) -> rustls_pki_types::CertificateDer<'static> {
    use rustls_pki_types::pem::PemObject;
    rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn identity(answer: &Value) -> Arc<Identity> {
    let der = pem_of(answer["certificate"].as_str().unwrap());
    let (_, read) = x509_parser::parse_x509_certificate(&der).unwrap();
    let extension = read
        .extensions()
        .iter()
        .find(|extension| extension.value.starts_with(b"{"));
    Arc::new(Identity::decode(extension.unwrap().value).unwrap())
}

#[tokio::test]
async fn an_invitation_becomes_a_password_and_that_a_certificate() {
    let door = Door::new();
    door.member("alice", &["plain", "short"], false).await;
    let (status, answer) = door.login("alice", &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["roles"], json!(["plain", "short"]));
    assert_eq!(answer["limited_by"], "the role short allows 2h");
    assert_eq!(answer["expires"], json!(door.now().plus(7200)));
    let who = identity(&answer);
    assert_eq!(
        (who.user.as_str(), who.usage, who.totp),
        ("alice", Usage::User, false)
    );
    assert_eq!(who.cluster, "production");
    assert!(
        answer["host_ca"]
            .as_str()
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
    // Shorter is no trouble; longer than twelve hours nobody gets.
    let (_, answer) = door.login("alice", &json!({"ttl": "10m"})).await;
    assert_eq!(
        (&answer["expires"], answer.get("limited_by")),
        (&json!(door.now().plus(600)), None)
    );
    door.member("bob", &["plain"], false).await;
    let (_, answer) = door.login("bob", &json!({"ttl": "30h"})).await;
    assert_eq!(answer["expires"], json!(door.now().plus(12 * 3600)));
    assert_eq!(answer["limited_by"], "no certificate lives longer than 12h");
    let (status, _) = door.login("bob", &json!({"ttl": "5s"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_invitation_is_good_once_and_not_for_ever() {
    let door = Door::new();
    let token = door.invite("alice", &["plain"]);
    let accept = |token: &str, password: &str| json!({"token": token, "password": password});
    let (status, answer) = door
        .post("/v1/invite/accept", &accept(&token, "short"))
        .await;
    assert_eq!(
        (status, &answer["title"]),
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            &json!("a password has at least 12 characters")
        )
    );
    // A wrong try did not use it up.
    let (status, _) = door
        .post("/v1/invite/accept", &accept(&token, PASSWORD))
        .await;
    assert_eq!(status, StatusCode::OK);
    let (again, used) = door
        .post("/v1/invite/accept", &accept(&token, "another password"))
        .await;
    let (unknown, wrong) = door
        .post("/v1/invite/accept", &accept("unknown", PASSWORD))
        .await;
    assert_eq!(
        (again, unknown),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    assert_eq!(used, wrong);
    let (status, _) = door.login("alice", &json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let token = door.invite("bob", &["plain"]);
    door.pass(3600);
    let (status, _) = door
        .post("/v1/invite/accept", &accept(&token, PASSWORD))
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // A reset ends the old password at once, and the invitation before it.
    let reset = |door: &Door| {
        let (user, seconds) = ("alice".to_owned(), 3600);
        match door.ask(Command::Reset { user, seconds }) {
            Answer::Invited(invited) => invited.token.0,
            other => panic!("{other:?}"),
        }
    };
    let first = reset(&door);
    let second = reset(&door);
    let (status, _) = door.login("alice", &json!({})).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, _) = door.post("/v1/invite", &json!({ "token": first })).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, _) = door.post("/v1/invite", &json!({ "token": second })).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_finds_out_who_there_is() {
    let door = Door::new();
    door.member("alice", &["plain"], false).await;
    door.invite("invited", &["plain"]);
    let mut answers = Vec::new();
    for who in ["alice", "invited", "nobody", ""] {
        answers.push(
            door.login(who, &json!({"password": "wrong password"}))
                .await,
        );
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
        assert_eq!(answer.0, StatusCode::UNAUTHORIZED);
    }
    // Nor by how long they are not heard. Not even the right password is, then.
    for who in ["nobody", "alice"] {
        let mut last = StatusCode::OK;
        for n in 0..12 {
            let body = json!({"user": who, "password": "wrong password", "key": key()});
            let body = serde_json::to_vec(&body).unwrap();
            door.pass(10);
            last = door
                .send(&format!("10.1.{n}.1"), None, "/v1/login", body)
                .await
                .0;
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "{who}");
    }
    let (status, answer) = door.login("alice", &json!({})).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
    assert!(answer["retry_after"].as_u64().unwrap() <= 60);
    door.pass(3600);
    let (status, _) = door.login("alice", &json!({})).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn one_certificate_gives_another_that_allows_less() {
    let door = Door::new();
    door.member("alice", &["plain", "short"], false).await;
    let (_, first) = door.login("alice", &json!({"ttl": "1h"})).await;
    let who = identity(&first);
    let ask = |more: Value| {
        let mut body = json!({"key": key(), "route": {"target": "orders", "db_user": "app"}});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::to_vec(&body).unwrap()
    };
    door.pass(1800);
    let path = "/v1/certificates";
    let (status, second) = door
        .send("10.0.0.1", Some(Arc::clone(&who)), path, ask(json!({})))
        .await;
    assert_eq!(status, StatusCode::OK, "{second}");
    let routed = identity(&second);
    assert_eq!(routed.expires, who.expires);
    assert_eq!(routed.usage, Usage::Database);
    assert_eq!(routed.route.as_ref().unwrap().target, "orders");
    // That one gives no other, and none gives none.
    for nobody in [Some(routed), None] {
        let (status, _) = door.send("10.0.0.1", nobody, path, ask(json!({}))).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    // A role that was taken away is not in it; one that came is not either.
    let (records, how) = (vec![user("alice", &["short", "other"])], How::Upsert);
    door.ask(Command::Put { records, how });
    let (_, third) = door
        .send(
            "10.0.0.1",
            Some(Arc::clone(&who)),
            path,
            ask(json!({"ttl": "5m"})),
        )
        .await;
    assert_eq!(identity(&third).roles, ["short"]);
    // A role's time that was made shorter counts from the login, half an hour ago.
    for (ttl, want) in [("40m", Some(2400)), ("30m", None)] {
        let records = vec![role("short", &json!({"max_session_ttl": ttl}))];
        door.ask(Command::Put {
            records,
            how: How::Upsert,
        });
        let (status, fourth) = door
            .send("10.0.0.1", Some(Arc::clone(&who)), path, ask(json!({})))
            .await;
        match want {
            Some(seconds) => assert_eq!(identity(&fourth).expires, who.issued.plus(seconds)),
            None => assert_eq!(status, StatusCode::FORBIDDEN, "{fourth}"),
        }
    }
    let lock = json!({"kind": "lock", "version": "v2", "metadata": {"name": "l"},
        "spec": {"target": {"user": "alice"}, "message": "call the office"}});
    let (records, how) = (vec![lock], How::Create);
    door.ask(Command::Put { records, how });
    let (status, answer) = door
        .send("10.0.0.1", Some(Arc::clone(&who)), path, ask(json!({})))
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        answer["why"][0]
            .as_str()
            .unwrap()
            .contains("call the office"),
        "{answer}"
    );
    let (status, _) = door.login("alice", &json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    door.pass(3600);
    let (status, _) = door.send("10.0.0.1", Some(who), path, ask(json!({}))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_without_being_repeated() {
    let door = Door::new();
    let large = vec![b' '; MAX_BODY + 1];
    let cases: [(&str, Vec<u8>, u16); 6] = [
        ("/v1/login", b"{\"password\": \"hunter2\"".to_vec(), 400),
        ("/v1/login", b"{\"hunter2\": 1}".to_vec(), 400),
        ("/v1/login", large, 413),
        (
            "/v1/login",
            b"{\"user\":\"hunter2\",\"password\":\"hunter2\",\"key\":\"hunter2\"}".to_vec(),
            422,
        ),
        ("/v1/nothing", b"{}".to_vec(), 404),
        ("/v1/ping", b"{}".to_vec(), 405),
    ];
    for (path, body, expected) in cases {
        let (status, answer) = door.send("10.0.0.1", None, path, body).await;
        assert_eq!(status.as_u16(), expected, "{path}: {answer}");
        assert_eq!(answer["status"], expected);
        assert!(!answer.to_string().contains("hunter2"), "{answer}");
    }
    let (status, answer) = door.send("10.0.0.1", None, "/v1/ping", Vec::new()).await;
    assert_eq!(
        (status, &answer["cluster"]),
        (StatusCode::OK, &json!("production"))
    );
    // What is signed by whom is to be found out before anything is believed.
    let pem = answer["host_ca"].as_str().unwrap();
    let der = pem_of(pem);
    let digest = ring::digest::digest(&ring::digest::SHA256, &der);
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let shown = answer["fingerprints"]["host"][0].as_str().unwrap();
    assert_eq!(shown.replace(':', "").to_lowercase(), hex);
    assert_eq!(answer["fingerprints"]["user"].as_array().unwrap().len(), 1);
}
