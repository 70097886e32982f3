//! Listings: pages, bounds and what every answer means.

use std::io;

use axum::{body::Body, http::HeaderMap, response::Response};
use serde_json::json;

use super::*;
use crate::{
    azure::http::retry_after,
    replay::{Replayer, Tape},
};

#[tokio::test]
async fn every_page_is_read_with_the_token() {
    let server = Server::start(|got, number| {
        let here = format!("http://{}", got.headers["host"].to_str().unwrap());
        json!({
            "value": [number],
            // One absolute link, one relative and without a version, as both occur.
            "nextLink": match number {
                0 => json!(format!("{here}/things?api-version=2020-01-01&$skiptoken=a")),
                1 => json!("/things?$skiptoken=b"),
                _ => json!(null),
            },
        })
        .to_string()
    })
    .await;
    let access = access(&server.url);
    let listing = things(&access);
    let (records, error) = read_all(&listing).await;
    assert_eq!(
        (records, error),
        (vec!["0".to_owned(), "1".to_owned(), "2".to_owned()], None)
    );
    let got = server.got();
    assert_eq!(
        got[1].uri.query(),
        Some("api-version=2020-01-01&$skiptoken=a")
    );
    assert_eq!(
        got[2].uri.query(),
        Some("$skiptoken=b&api-version=2020-01-01")
    );
    assert!(
        got.iter()
            .all(|got| got.headers["authorization"] == format!("Bearer {TOKEN}"))
    );
    assert_eq!(listing.requests(), 3);
}

#[tokio::test]
async fn what_an_answer_means() {
    struct Case {
        status: u16,
        body: &'static str,
        reason: Reason,
        permission: bool,
        requests: u32,
    }
    let denied = r#"{"error":{"code":"AuthorizationFailed","message":"The client 'x' does not have authorization"}}"#;
    for (text, case) in [
        (
            "HTTP 403 AuthorizationFailed",
            Case {
                status: 403,
                body: denied,
                reason: Reason::Denied,
                permission: true,
                requests: 1,
            },
        ),
        (
            "HTTP 401",
            Case {
                status: 401,
                body: "",
                reason: Reason::Denied,
                permission: false,
                requests: 1,
            },
        ),
        (
            "HTTP 404 ResourceGroupNotFound",
            Case {
                status: 404,
                body: r#"{"error":{"code":"ResourceGroupNotFound","message":"Resource group 'x' could not be found."}}"#,
                reason: Reason::Rejected,
                permission: false,
                requests: 1,
            },
        ),
        (
            "HTTP 302",
            Case {
                status: 302,
                body: "",
                reason: Reason::Rejected,
                permission: false,
                requests: 1,
            },
        ),
        (
            "HTTP 500",
            Case {
                status: 500,
                body: "oops",
                reason: Reason::Server,
                permission: false,
                requests: 3,
            },
        ),
        (
            "HTTP 503",
            Case {
                status: 503,
                body: "",
                reason: Reason::Server,
                permission: false,
                requests: 3,
            },
        ),
        (
            "HTTP 429",
            Case {
                status: 429,
                body: "",
                reason: Reason::Throttled,
                permission: false,
                requests: 3,
            },
        ),
        (
            "cannot read",
            Case {
                status: 200,
                body: "<html>",
                reason: Reason::Malformed,
                permission: false,
                requests: 1,
            },
        ),
        // An answer without a list is no empty list.
        (
            "cannot read",
            Case {
                status: 200,
                body: "{}",
                reason: Reason::Malformed,
                permission: false,
                requests: 1,
            },
        ),
        (
            "cannot read",
            Case {
                status: 200,
                body: r#"{"value":null}"#,
                reason: Reason::Malformed,
                permission: false,
                requests: 1,
            },
        ),
        (
            "ends in the middle",
            Case {
                status: 200,
                body: r#"{"value":[{"id":"#,
                reason: Reason::Truncated,
                permission: false,
                requests: 3,
            },
        ),
        (
            "ends in the middle",
            Case {
                status: 200,
                body: "",
                reason: Reason::Truncated,
                permission: false,
                requests: 3,
            },
        ),
    ] {
        let (code, body) = (case.status, case.body);
        let server = Server::start(move |_, _| status(code, body)).await;
        let listing = things(&access(&server.url));
        let (records, error) = read_all(&listing).await;
        let error = error.expect(text);
        assert_eq!(error.reason, case.reason, "{text}: {error}");
        assert!(error.message.contains(text), "{text}: {error}");
        assert_eq!(error.call, "Microsoft.Test/things/read");
        assert_eq!(error.permission.is_some(), case.permission, "{text}");
        assert_eq!(listing.requests(), case.requests, "{text}");
        assert!(records.is_empty() && !listing.answered());
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_truncated() {
    let tape = r#"
request: { path: /things }
responses: [{ body: '{"value":[1,2,3]}', fault: { truncate-after: 12 } }]
"#;
    let replayer = Replayer::start(Tape::from_files([("tape.yaml", tape)]).unwrap()).unwrap();
    let (_, error) = read_all(&things(&access(&Url::parse(replayer.url()).unwrap()))).await;
    assert_eq!(replayer.asked(), 3);
    assert_eq!(error.unwrap().reason, Reason::Truncated);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_read() {
    let server = Server::start(|_, _| {
        let chunk = axum::body::Bytes::from(vec![b' '; 1 << 20]);
        let endless = futures::stream::repeat_with(move || Ok::<_, io::Error>(chunk.clone()));
        status(200, Body::from_stream(endless))
    })
    .await;
    let (_, error) = read_all(&things(&access(&server.url))).await;
    assert_eq!(error.unwrap().reason, Reason::Capped);
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let server = Server::start(|_, number| match number {
        0 => Response::builder()
            .status(429)
            .header("x-ms-retry-after-ms", "1")
            .body(Body::empty())
            .unwrap(),
        1 => Response::builder()
            .status(503)
            .header("retry-after", "0")
            .body(Body::empty())
            .unwrap(),
        _ => status(200, r#"{"value":[7]}"#),
    })
    .await;
    let listing = things(&access(&server.url));
    let (records, error) = read_all(&listing).await;
    assert_eq!((records, error), (vec!["7".to_owned()], None));
    assert_eq!(listing.requests(), 3);
}

#[tokio::test]
async fn a_retry_after_beyond_patience_ends_the_call() {
    let server = Server::start(|_, _| {
        Response::builder()
            .status(429)
            .header("retry-after", "86400")
            .body(Body::empty())
            .unwrap()
    })
    .await;
    let listing = things(&access(&server.url));
    let (_, error) = read_all(&listing).await;
    assert_eq!(error.unwrap().reason, Reason::Throttled);
    assert_eq!(listing.requests(), 1);
}

#[tokio::test]
async fn a_link_to_another_host_is_refused_and_the_page_before_it_kept() {
    let other = Server::start(|_, _| r#"{"value":[]}"#).await;
    for link in [
        other.url.to_string(),
        "https://attacker.example/things".to_owned(),
        "//attacker.example/".to_owned(),
    ] {
        let server =
            Server::start(move |_, _| json!({ "value": [1], "nextLink": link }).to_string()).await;
        let (records, error) = read_all(&things(&access(&server.url))).await;
        let error = error.unwrap();
        assert_eq!(records, ["1"]);
        assert_eq!(error.reason, Reason::Malformed, "{error}");
        assert!(error.message.contains("another host"), "{error}");
    }
    assert!(other.got().is_empty(), "the token went to another host");
}

#[tokio::test]
async fn a_link_in_a_circle_is_half_an_answer() {
    let server = Server::start(|_, number| {
        json!({ "value": [number], "nextLink": format!("/things?api-version=1&p={}", number % 2) })
            .to_string()
    })
    .await;
    let (records, error) = read_all(&things(&access(&server.url))).await;
    assert_eq!(records, ["0", "1", "2"]);
    assert_eq!(error.unwrap().reason, Reason::Truncated);
}

#[tokio::test]
async fn more_pages_than_allowed_are_reported() {
    let server = Server::start(|_, number| {
        json!({ "value": [number], "nextLink": format!("/things?p={number}") }).to_string()
    })
    .await;
    let (records, error) = read_all(&things(&access(&server.url))).await;
    assert_eq!(records.len(), 5);
    assert_eq!(error.unwrap().reason, Reason::Capped);
}

#[tokio::test]
async fn a_type_that_does_not_exist_is_an_empty_list_only_where_that_was_said() {
    let body = r#"{"error":{"code":"InvalidResourceType","message":"The resource type could not be found"}}"#;
    let server = Server::start(move |_, _| status(404, body)).await;
    let access = access(&server.url);
    let knowing = things(&access);
    assert_eq!(read_all(&knowing).await, (Vec::new(), None));
    assert!(knowing.answered());

    let strict = access.listing(ListingCall {
        account: "s".to_owned(),
        service: "test".to_owned(),
        permission: "Microsoft.Test/things/read".to_owned(),
        absent: &[],
    });
    assert_eq!(read_all(&strict).await.1.unwrap().reason, Reason::Rejected);
}

#[tokio::test]
async fn a_type_that_has_listed_servers_cannot_be_unknown_on_the_next_page() {
    let body = r#"{"error":{"code":"InvalidResourceType","message":"The resource type could not be found"}}"#;
    let server = Server::start(move |_, number| match number {
        0 => status(
            200,
            r#"{"value":[1],"nextLink":"/things?api-version=1&p=1"}"#,
        ),
        _ => status(404, body),
    })
    .await;
    let (records, error) = read_all(&things(&access(&server.url))).await;
    assert_eq!(records, ["1"]);
    assert_eq!(error.unwrap().reason, Reason::Rejected);
}

#[tokio::test]
async fn an_unreachable_endpoint_is_told_from_a_refusal() {
    let access = Arc::new(
        AzureAccess::load(AzureOptions {
            token: Some(Secret::new(TOKEN)),
            ..options()
        })
        .unwrap(),
    );
    let (_, error) = read_all(&things(&access)).await;
    assert_eq!(error.unwrap().reason, Reason::Unreachable);
}

#[test]
fn retry_after_comes_in_three_spellings() {
    for (name, value, want) in [
        ("retry-after", "7", Some(Duration::from_secs(7))),
        (
            "retry-after",
            "Fri, 01 Jan 2021 00:00:00 GMT",
            Some(Duration::ZERO),
        ),
        ("retry-after-ms", "7", Some(Duration::from_millis(7))),
        ("x-ms-retry-after-ms", "7", Some(Duration::from_millis(7))),
        ("retry-after", "soon", None),
        ("retry-later", "7", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        assert_eq!(retry_after(&headers), want, "{name}: {value}");
    }
}
