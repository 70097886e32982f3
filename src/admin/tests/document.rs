//! The OpenAPI document says what is true: every route, and every answer.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::{Served, fleet, schema::check};
use crate::admin::{document, paths};

fn golden(path: &str, now: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("MUSTER_BLESS").is_some() {
        fs::write(&file, now).expect("the document can be written");
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == now,
        "{path} is stale: run `MUSTER_BLESS=1 cargo test`, and look at the difference"
    );
}

#[test]
fn the_document_in_the_repository_is_true() {
    golden("docs/openapi.json", &document());
}

#[test]
fn operations_are_named_once_and_every_heading_is_explained() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut ids = BTreeSet::new();
    let tags: BTreeSet<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].clone().to_string())
        .collect();
    let mut used = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let get = &item["get"];
        assert!(ids.insert(get["operationId"].to_string()), "{path}");
        assert_ne!(get["summary"], "", "{path}");
        used.insert(get["tags"][0].to_string());
        for named in path.split('{').skip(1) {
            let named = named.split('}').next().unwrap();
            let parameters = get["parameters"].as_array().unwrap();
            assert!(
                parameters
                    .iter()
                    .any(|p| p["name"] == named && p["in"] == "path"),
                "{path}"
            );
        }
    }
    assert_eq!(used, tags);
    assert_eq!(ids.len(), paths().count());
}

/// Every documented path answers, with what the document says of it, to the last field.
#[tokio::test]
async fn answers_are_as_documented() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let api = Served::of(10).await;
    let id = fleet::id(2)
        .as_str()
        .replace('/', "%2F")
        .replace('#', "%23");
    for (path, item) in document["paths"].as_object().unwrap() {
        let asked = path
            .replace("{id}", &id)
            .replace("{name}", "d2-rds-us-east-1-111111111111")
            .replace("{number}", "9");
        let answer = api.get(&asked).await;
        assert_eq!(answer.status, 200, "{asked}: {}", answer.text);
        let content = answer.header("content-type");
        let described = &item["get"]["responses"]["200"]["content"][content];
        assert!(described.is_object(), "{path} answers in {content}");
        if content == "application/json" {
            check(&document, &described["schema"], &answer.json(), path).unwrap();
        }
        if let Some(items) = answer.text.strip_prefix("{\"items\":") {
            assert!(
                !items.starts_with("[]"),
                "{path} is tested with something in it"
            );
        }
    }
    // All that a database can be, not only what the second one is.
    for n in [3, 9] {
        let id = fleet::id(n)
            .as_str()
            .replace('/', "%2F")
            .replace('#', "%23");
        let one = api.json(&format!("/api/v1/databases/{id}")).await;
        let schema = &document["paths"]["/api/v1/databases/{id}"]["get"]["responses"]["200"];
        check(
            &document,
            &schema["content"]["application/json"]["schema"],
            &one,
            "database",
        )
        .unwrap();
    }
    let problem = &document["components"]["responses"]["Problem"]["content"];
    for path in [
        "/nothing",
        "/api/v1/plans/0",
        "/api/v1/targets?limit=0",
        "/api/v1/targets/d0",
    ] {
        let answer = api.get(path).await;
        let schema = &problem[answer.header("content-type")]["schema"];
        check(&document, schema, &answer.json(), path).unwrap();
    }
    let ready = api
        .ask(
            reqwest::Method::GET,
            "/readyz",
            &[("accept", "application/json")],
        )
        .await;
    let schema = &document["paths"]["/readyz"]["get"]["responses"]["200"]["content"]["application/json"]
        ["schema"];
    check(&document, schema, &ready.json(), "/readyz").unwrap();
}

#[tokio::test]
async fn every_route_is_in_the_document_that_is_served() {
    let api = Served::of(1).await;
    let served = api.json("/openapi.json").await;
    let described: BTreeSet<&str> = served["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(described, paths().collect());
}
