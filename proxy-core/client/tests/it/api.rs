//! The API's client: what it asks, and what it makes of answers.

use std::time::Duration;

use muster_client::{
    Accept, Api, Filter, HTTP, Kind, Limits, LocalKey, Login, Route, Secret, Trust,
};
use serde_json::json;

use crate::server::{Answers, Ca, Proxy, clock};

async fn api(answers: Answers, limits: Limits) -> (Api, Proxy) {
    let ca = Ca::new();
    let proxy = Proxy::start(ca.shows("localhost", -100, 100), None, answers).await;
    let tls = Trust::from_pem(&ca.pem())
        .unwrap()
        .tls(None, HTTP, &clock());
    (
        Api::new(proxy.address(), tls.unwrap(), clock(), limits),
        proxy,
    )
}

fn problem(kind: &str, more: &serde_json::Value) -> String {
    let mut body =
        json!({"type": format!("urn:muster:denied:{kind}"), "title": "no", "status": 401});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn a_refusal_says_why_and_what_to_do_next() {
    let more =
        json!({"why": ["one", "two"], "hint": "wait", "candidates": ["a", "b"], "retry_after": 7});
    let answers = Answers::from([
        ("GET /v1/whoami", (429, problem("often", &more))),
        (
            "GET /v1/databases/orders%2Fx%20%2E%2E",
            (404, problem("not-found", &json!({}))),
        ),
        ("GET /v1/sessions", (502, "<html>".to_owned())),
    ]);
    let (api, _proxy) = api(answers, Limits::default()).await;
    let error = api.whoami().await.unwrap_err();
    assert_eq!(
        (error.what(), error.why().len(), error.next()),
        ("no", 2, Some("wait"))
    );
    let Kind::Refused(refusal) = error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!(
        (refusal.status, refusal.kind.as_str(), refusal.retry_after),
        (429, "often", Some(7))
    );
    assert_eq!(refusal.candidates, ["a", "b"]);
    // A name is one part of the path, whatever it holds.
    let error = api.database("orders/x ..").await.unwrap_err();
    assert!(error.is_refused("not-found"), "{error:?}");
    let error = api.sessions().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Foreign);
}

#[tokio::test]
async fn passwords_and_codes_go_in_the_body_alone_and_keys_do_not_leave() {
    let (api, proxy) = api(Answers::new(), Limits::default()).await;
    let key = LocalKey::make().unwrap();
    let (password, code) = (
        Secret::new("correct horse".to_owned()),
        Secret::new("123456".to_owned()),
    );
    let login = Login {
        user: "eva",
        password: &password,
        code: Some(&code),
        key: &key,
        ttl: Some("8h"),
    };
    assert!(api.login(&login).await.is_err());
    let accept = Accept {
        token: &code,
        password: &password,
        code: None,
        key: &key,
        ttl: None,
    };
    assert!(api.accept(&accept).await.is_err());
    let asked = proxy.asked.lock().unwrap();
    let bodies: Vec<serde_json::Value> = asked
        .iter()
        .map(|asked| {
            let (head, body) = asked.split_once("\r\n\r\n").unwrap();
            assert!(
                !head.contains("horse") && !head.contains("123456"),
                "{head}"
            );
            serde_json::from_str(body).unwrap()
        })
        .collect();
    let request = bodies[0]["key"].as_str().unwrap();
    assert!(
        request.starts_with("-----BEGIN CERTIFICATE REQUEST-----"),
        "{request}"
    );
    assert_eq!(
        bodies[0],
        json!({"user": "eva", "password": "correct horse", "totp": "123456", "key": request, "ttl": "8h"})
    );
    // What is not given is not sent: the proxy takes no keys that it does not know.
    let keys: Vec<&String> = bodies[1].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["token", "password", "key"]);
}

#[tokio::test]
async fn lists_are_read_page_by_page_to_their_end() {
    let page = |names: &[&str], next: Option<&str>| {
        let databases: Vec<_> = names
            .iter()
            .map(|name| json!({"name": name, "new": 1}))
            .collect();
        (
            200,
            json!({"databases": databases, "next": next}).to_string(),
        )
    };
    let answers = Answers::from([
        (
            "GET /v1/databases?limit=500&search=a+b&label=env%3Dprod",
            page(&["a", "b"], Some("b")),
        ),
        (
            "GET /v1/databases?limit=500&search=a+b&label=env%3Dprod&after=b",
            page(&["c"], None),
        ),
        ("GET /v1/databases?limit=500", page(&["a"], Some("a"))),
        (
            "GET /v1/databases?limit=500&after=a",
            page(&["a"], Some("a")),
        ),
    ]);
    let (api, _proxy) = api(answers, Limits::default()).await;
    let filter = Filter {
        search: vec!["a b".to_owned()],
        labels: vec!["env=prod".to_owned()],
    };
    let found = api.databases(&filter).await.unwrap();
    let names: Vec<&str> = found.iter().map(|db| db.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    // One that leads nowhere is not followed for ever.
    let error = api.databases(&Filter::default()).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Foreign);
}

#[tokio::test]
async fn answers_are_bounded_and_never_repeated() {
    let long = json!({"user": "x".repeat(5000)}).to_string();
    let answers = Answers::from([
        ("GET /v1/whoami", (200, long)),
        ("GET /v1/sessions", (200, "{\"geheim\": tru".to_owned())),
    ]);
    let limits = Limits {
        bytes: 4096,
        ..Limits::default()
    };
    let (api, _proxy) = api(answers, limits).await;
    let error = api.whoami().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Foreign, "{error:?}");
    let error = api.sessions().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Foreign);
    assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    // It reads the question, and is then busy for ever: a listener behind TLS that never answers.
    let ca = Ca::new();
    let shown = ca.shows("localhost", -100, 100);
    let config = rustls::ServerConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(shown.chain, shown.key)
    .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(acceptor.accept(stream).await);
        }
    });
    let limits = Limits {
        answer: Duration::from_millis(200),
        ..Limits::default()
    };
    let tls = Trust::from_pem(&ca.pem())
        .unwrap()
        .tls(None, HTTP, &clock());
    let api = Api::new(address.parse().unwrap(), tls.unwrap(), clock(), limits);
    let error = api.whoami().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Unreachable);
    assert!(error.what().contains("does not answer"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_one_database_says_how_to_connect() {
    let body = json!({
        "user": "eva", "certificate": "c", "host_ca": "h", "issued": "2027-01-15T08:00:00Z",
        "expires": "2027-01-15T09:00:00Z", "roles": ["shop"], "serial": "0a",
        "route": {"target": "orders", "db_user": "alice"},
        "target": "orders", "protocol": "postgres", "server_name": "localhost",
    });
    let answers = Answers::from([("POST /v1/certificates", (200, body.to_string()))]);
    let (api, proxy) = api(answers, Limits::default()).await;
    let route = Route {
        target: "ord".to_owned(),
        db_user: Some("alice".to_owned()),
        db_name: None,
    };
    let signed = api
        .certificate(&LocalKey::make().unwrap(), &route, None)
        .await
        .unwrap();
    assert_eq!(
        (signed.target.as_deref(), signed.server_name.as_deref()),
        (Some("orders"), Some("localhost"))
    );
    let asked = proxy.asked.lock().unwrap();
    assert!(
        asked[0].contains(r#""route":{"target":"ord","db_user":"alice"}"#),
        "{asked:?}"
    );
}
