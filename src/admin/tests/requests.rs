//! What requests have to be, and what every answer has.

use reqwest::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Served, fleet};

/// Sends bytes, and reads until the other side closes.
async fn raw(api: &Served, request: &str) -> String {
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn only_names_of_this_machine_are_answered() {
    let api = Served::of(1).await;
    let port = api.address.port();
    for (host, status) in [
        ("127.0.0.1", "200"),
        (&format!("127.0.0.1:{port}"), "200"),
        ("127.0.0.1:9999", "200"),
        ("127.9.9.9", "200"),
        ("localhost", "200"),
        ("LOCALHOST:7420", "200"),
        ("[::1]:7420", "200"),
        ("[::ffff:127.0.0.1]", "200"),
        ("muster.example", "421"),
        ("localhost.example", "421"),
        ("127.0.0.1.example:7420", "421"),
        ("192.0.2.1", "421"),
        ("localhost@evil.example", "421"),
        ("evil.example@localhost", "421"),
        ("", "421"),
    ] {
        let request = format!("GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(code(&raw(&api, &request).await), status, "{host}");
    }
    for (request, status) in [
        ("GET /livez HTTP/1.0\r\n\r\n", "200"),
        ("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        (
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "400",
        ),
        (
            "GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "421",
        ),
        (
            "GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "200",
        ),
    ] {
        assert_eq!(code(&raw(&api, request).await), status, "{request}");
    }
}

#[tokio::test]
async fn every_answer_forbids_to_be_kept_or_guessed_at() {
    let api = Served::of(1).await;
    for path in [
        "/livez",
        "/metrics",
        "/api/v1/targets",
        "/sd/prometheus",
        "/nothing",
        "/api/v1/plans/0",
    ] {
        let answer = api
            .ask(Method::GET, path, &[("origin", "http://evil.example")])
            .await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        assert_ne!(answer.header("content-type"), "", "{path}");
    }
}

#[tokio::test]
async fn nothing_but_reading_is_answered() {
    let api = Served::of(1).await;
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ] {
        for path in ["/livez", "/api/v1/plans/9", "/nothing"] {
            let answer = api.ask(method.clone(), path, &[]).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), "GET, HEAD");
            assert_eq!(answer.problem(), "method-not-allowed");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let api = Served::of(10).await;
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        "/api/v1/targets?limit=2",
        "/sd/prometheus",
        "/openapi.json",
    ] {
        let (get, head) = (api.get(path).await, api.ask(Method::HEAD, path, &[]).await);
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(
            head.header("content-type"),
            get.header("content-type"),
            "{path}"
        );
        assert_eq!(head.text, "", "{path}");
    }
    assert_eq!(api.ask(Method::HEAD, "/nothing", &[]).await.status, 404);
}

#[tokio::test]
async fn parameters_are_taken_strictly() {
    let api = Served::of(3).await;
    for (path, says) in [
        (
            "/api/v1/targets?selecter=env=prod",
            "this path has: limit, cursor, prefix, selector",
        ),
        ("/api/v1/status?verbose", "this path has none"),
        (
            "/api/v1/targets?limit=0",
            "it has to be a number from 1 to 1000",
        ),
        (
            "/api/v1/targets?limit=1001",
            "it has to be a number from 1 to 1000",
        ),
        (
            "/api/v1/targets?limit=-1",
            "it has to be a number from 1 to 1000",
        ),
        (
            "/api/v1/targets?limit=ten",
            "it has to be a number from 1 to 1000",
        ),
        (
            "/api/v1/targets?limit=1&limit=2",
            "it is given more than once",
        ),
        (
            "/api/v1/targets?cursor=x",
            "it is not what `next` of a page of this list said",
        ),
        (
            "/api/v1/targets?cursor=%ff",
            "it is not what `next` of a page of this list said",
        ),
        (
            "/api/v1/history?cursor=aGlzdG9yeSB4",
            "it is not what `next` of a page of this list said",
        ),
        ("/api/v1/targets?selector=prod", "it is not KEY=VALUE"),
        (
            "/api/v1/plans?state=held",
            "it has to be one of: waiting, approved, rejected, superseded",
        ),
        (
            "/api/v1/scopes?coverage=bad",
            "it has to be one of: complete, partial, unread, unknown",
        ),
    ] {
        let answer = api.get(path).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "bad-parameter"),
            "{path}"
        );
        assert_eq!(answer.json()["why"][0], says, "{path}");
    }
    let many = "selector=a=b&".repeat(51);
    assert_eq!(
        api.get(&format!("/api/v1/targets?{many}")).await.problem(),
        "bad-request"
    );
    let bad = api.get("/api/v1/targets?selector=env=%5E($").await;
    assert_eq!(bad.problem(), "bad-parameter");
    // A cursor of one list is none of another.
    let page = api.json("/api/v1/databases?limit=1").await;
    let next = page["next"].as_str().unwrap();
    assert_eq!(
        api.get(&format!("/api/v1/targets?cursor={next}"))
            .await
            .problem(),
        "bad-parameter"
    );
    // Probes are asked by all sorts of programs.
    assert_eq!(api.get("/readyz?anything=1").await.status, 200);
}

#[tokio::test]
async fn a_path_that_is_not_there_says_where_the_others_are() {
    let api = Served::of(3).await;
    for path in [
        "/",
        "/api",
        "/api/v2/targets",
        "/api/v1/targets/",
        "/api/v1/databases/a/b",
        "/ui/",
    ] {
        let answer = api.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem()),
            (404, "not-found".to_owned()),
            "{path}"
        );
        assert!(
            answer.json()["hint"]
                .as_str()
                .unwrap()
                .contains("/openapi.json")
        );
    }
}

#[tokio::test]
async fn what_could_be_a_password_is_not_shown() {
    let api = Served::of(1).await;
    let config = api.json("/api/v1/config").await;
    assert_eq!(config["digest"], fleet::status().config.digest);
    assert_eq!(config["last_reload"]["accepted"], false);
    assert_eq!(config["effective"]["policy"], "sync");
    let mut shown = serde_json::json!({
        "notify": [
            { "webhook": { "url": "https://user:pw@hooks.example:8443/T0/secret?token=x#y" } },
            { "webhook": "https://hooks.example/" },
            { "command": ["/usr/bin/page", "--token", "secret"] },
        ],
        "store": "/var/lib/muster",
        "group": "a:b",
    });
    crate::admin::config::shorten(&mut shown, false);
    assert_eq!(
        shown,
        serde_json::json!({
            "notify": [
                { "webhook": { "url": "https://hooks.example:8443/<hidden>" } },
                { "webhook": "https://hooks.example/" },
                { "command": ["/usr/bin/page", "<hidden>", "<hidden>"] },
            ],
            "store": "/var/lib/muster",
            "group": "a:b",
        })
    );
}
