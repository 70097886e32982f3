//! Lists, pages, filters, and single things.

use std::sync::Arc;

use muster_store::{Batch, Collection, Expect, Key, MemoryStore, Store, tables};
use serde_json::{Value, json};

use super::{Served, fleet};
use crate::admin::page::MAX_READ;

fn ids(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect()
}

/// An id as a part of a path.
fn encoded(id: &str) -> String {
    id.replace(':', "%3A")
        .replace('/', "%2F")
        .replace('#', "%23")
}

#[tokio::test]
async fn pages_hold_every_item_once_in_order() {
    let api = Served::of(1203).await;
    for (limit, pages) in [(1000, 2), (500, 3), (7, 172)] {
        let (items, got) = api.all(&format!("/api/v1/databases?limit={limit}")).await;
        let items: Vec<Value> = items
            .into_iter()
            .map(|item| item["database"].clone())
            .collect();
        let want: Vec<_> = (0..1203).map(fleet::id).collect();
        let want: Vec<_> = want.iter().map(|id| id.as_str()).collect();
        assert_eq!(ids(&items), want, "{limit}");
        assert_eq!(got, pages, "{limit}");
    }
    let (targets, _) = api.all("/api/v1/targets?limit=100").await;
    assert_eq!(targets.len(), 602);
    let page = api.json("/api/v1/targets").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 100);
    assert_eq!(page["revision"], 1);
    // The items are what `muster db ls -o json` writes.
    assert_eq!(
        page["items"][1],
        serde_json::to_value(fleet::target(2)).unwrap()
    );
}

#[tokio::test]
async fn a_list_that_ends_with_its_page_has_no_next() {
    let api = Served::of(4).await;
    let page = api.json("/api/v1/databases?limit=4").await;
    assert_eq!(page["next"], Value::Null);
    let page = api.json("/api/v1/databases?limit=3").await;
    assert_ne!(page["next"], Value::Null);
    let empty = Served::of(0).await.json("/api/v1/targets").await;
    assert_eq!(empty, json!({ "items": [], "next": null, "revision": 1 }));
}

#[tokio::test]
async fn filters_narrow_a_list() {
    let api = Served::of(101).await;
    let (prod, _) = api.all("/api/v1/targets?selector=env%3Dprod&limit=2").await;
    let want: Vec<_> = (0..=10).map(|n| fleet::id(n * 10)).collect();
    assert_eq!(
        ids(&prod),
        want.iter().map(|id| id.as_str()).collect::<Vec<_>>()
    );
    // Several values of a key are alternatives, several keys all have to fit.
    for (selector, many) in [
        ("selector=team=t0&selector=team=t10", 2),
        ("selector=env=prod&selector=team=t12", 0),
        ("selector=env=*", 51),
        ("selector=team=t1*", 6),
        ("selector=team=^t1[02]$", 2),
        ("selector=no-such=x", 0),
        ("prefix=arn:aws:rds:us-east-1:111111111111:db:d/00000", 50),
        ("prefix=arn:aws:rds:us-east-1:111111111111:db:d/00001", 1),
        ("prefix=arn:azure", 0),
    ] {
        let (found, _) = api
            .all(&format!(
                "/api/v1/targets?{}&limit=3",
                selector.replace('^', "%5E")
            ))
            .await;
        assert_eq!(found.len(), many, "{selector}");
    }
    let (dev, _) = api
        .all("/api/v1/databases?selector=env=dev&selector=region=us-east-1")
        .await;
    assert_eq!(dev.len(), 90);
}

#[tokio::test]
async fn a_filter_that_fits_nothing_reads_a_bounded_part() {
    let api = Served::of(MAX_READ + 500).await;
    let page = api.json("/api/v1/databases?selector=env=none").await;
    assert_eq!(page["items"], json!([]));
    let next = page["next"].as_str().unwrap();
    let page = api
        .json(&format!(
            "/api/v1/databases?selector=env=none&cursor={next}"
        ))
        .await;
    assert_eq!((&page["items"], &page["next"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn what_cannot_be_read_is_listed_and_hides_nothing() {
    let store = Arc::new(MemoryStore::new());
    fleet::fill(&*store, 10);
    for (collection, n) in [("inventory", 5), ("decisions", 6), ("targets", 8)] {
        let key = Key::of(collection, fleet::id(n).as_str()).unwrap();
        let mut batch = Batch::new();
        batch.put(key, b"MR".to_vec(), Expect::Any);
        store.commit(batch).unwrap();
    }
    let api = Served::over(Ok(store)).await;
    for limit in [2, 100] {
        let (mut damaged, mut items, mut cursor) = (0, 0, String::new());
        loop {
            let page = api
                .json(&format!("/api/v1/databases?limit={limit}{cursor}"))
                .await;
            items += page["items"].as_array().unwrap().len();
            damaged += page["damaged"].as_array().map_or(0, Vec::len);
            let Some(next) = page["next"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!((items, damaged), (9, 1), "limit {limit}");
    }
    let page = api.json("/api/v1/databases").await;
    assert!(
        page["damaged"][0]["key"]
            .as_str()
            .unwrap()
            .contains("0000005")
    );
    assert_eq!(page["items"][5]["decision"]["decision"], "undecided");
    let one = api
        .get(&format!(
            "/api/v1/databases/{}",
            encoded(fleet::id(5).as_str())
        ))
        .await;
    assert_eq!(
        (one.status.as_u16(), one.problem()),
        (500, "damaged".to_owned())
    );
    // The other targets are found, by name too.
    let found = api.json("/api/v1/targets/d6").await;
    assert_eq!(found["id"], fleet::id(6).as_str());
}

#[tokio::test]
async fn one_database_comes_with_its_decision_and_target() {
    let api = Served::of(10).await;
    let path = |n| format!("/api/v1/databases/{}", encoded(fleet::id(n).as_str()));
    let two = api.json(&path(2)).await;
    assert_eq!(two["database"]["id"], fleet::id(2).as_str());
    assert_eq!(two["decision"]["decision"], "enroll");
    assert_eq!(two["trace"]["steps"][0]["who"], "rules");
    assert_eq!(two["target"]["name"], "d2-rds-us-east-1-111111111111");
    let three = api.json(&path(3)).await;
    assert_eq!(three["decision"]["reason"]["code"], "no-match");
    assert_eq!(three["target"], Value::Null);
    assert_eq!(three["missing"]["scans"], 1);
    let last = api.json(&path(9)).await;
    assert_eq!(
        (&last["decision"], &last["trace"]),
        (&Value::Null, &Value::Null)
    );
    let none = api.get("/api/v1/databases/arn%3Anone").await;
    assert_eq!(
        (none.status.as_u16(), none.problem()),
        (404, "not-found".to_owned())
    );
    let long = api
        .get(&format!("/api/v1/databases/{}", "x".repeat(3000)))
        .await;
    assert_eq!(
        (long.status.as_u16(), long.problem()),
        (400, "bad-parameter".to_owned())
    );
}

#[tokio::test]
async fn a_target_is_found_by_id_name_and_short_name() {
    let api = Served::of(1200).await;
    for name in [
        encoded(fleet::id(6).as_str()),
        "d6-rds-us-east-1-111111111111".to_owned(),
        "d6".to_owned(),
    ] {
        let found = api.json(&format!("/api/v1/targets/{name}")).await;
        assert_eq!(found["id"], fleet::id(6).as_str(), "{name}");
    }
    assert_eq!(
        api.json("/api/v1/targets/d1198").await["id"],
        fleet::id(1198).as_str()
    );
    let two = api.get("/api/v1/targets/d0").await;
    assert_eq!(
        (two.status.as_u16(), two.problem()),
        (409, "ambiguous".to_owned())
    );
    assert_eq!(
        two.json()["why"],
        json!([fleet::id(0).as_str(), fleet::id(2).as_str()])
    );
    assert_eq!(api.get("/api/v1/targets/d1").await.problem(), "not-found");
    assert_eq!(
        api.get("/api/v1/targets/%F0%9F%90%98").await.problem(),
        "not-found"
    );
}

#[tokio::test]
async fn scopes_are_those_of_the_configuration_and_of_the_store() {
    let store = Arc::new(MemoryStore::new());
    fleet::fill(&*store, 5);
    let api = Served::over(Ok(store)).await;
    let mut status = fleet::status();
    let gone = status.scopes.pop().unwrap();
    assert_eq!(gone.scope, fleet::scope());
    api.handle.set_status(status);
    let (scopes, pages) = api.all("/api/v1/scopes?limit=1").await;
    assert_eq!(pages, 3);
    let seen: Vec<_> = scopes
        .iter()
        .map(|scope| {
            let text = |key: &str| scope[key].as_str().unwrap_or("null").to_owned();
            (
                text("scope"),
                text("coverage"),
                scope["configured"] == true,
                text("next_scan"),
            )
        })
        .collect();
    let row = |service: &str, coverage: &str, configured, next: &str| {
        (
            format!("aws/111111111111/us-east-1/{service}"),
            coverage.to_owned(),
            configured,
            next.to_owned(),
        )
    };
    let next = "2023-11-14T22:19:20Z";
    assert_eq!(
        seen,
        [
            row("docdb", "unread", true, next),
            row("elasticache", "unknown", true, next),
            row("rds", "complete", false, "null"),
        ]
    );
    assert_eq!(
        scopes[0]["errors"],
        json!([
            "rds:DescribeDBClusters: denied: not authorized (missing permission: rds:DescribeDBClusters)"
        ])
    );
    assert_eq!(scopes[2]["malformed"], 1);
    let (unread, _) = api.all("/api/v1/scopes?coverage=unread").await;
    assert_eq!(unread.len(), 1);
}

#[tokio::test]
async fn held_plans_come_newest_first_and_whole_one_by_one() {
    let api = Served::of(5).await;
    let (plans, pages) = api.all("/api/v1/plans?limit=2").await;
    let numbers: Vec<_> = plans
        .iter()
        .map(|plan| plan["number"].as_u64().unwrap())
        .collect();
    assert_eq!((numbers.as_slice(), pages), ([9, 8, 7].as_slice(), 2));
    assert_eq!(plans[1]["verdict"]["by"], "ann");
    assert_eq!(plans[0]["remove"], 3);
    let (waiting, _) = api.all("/api/v1/plans?state=waiting").await;
    assert_eq!(waiting.len(), 1);
    let plan = api.json("/api/v1/plans/9").await;
    assert_eq!(plan["removals"].as_array().unwrap().len(), 3);
    for number in ["1", "-1", "x", "99999999999999999999"] {
        let none = api.get(&format!("/api/v1/plans/{number}")).await;
        assert_eq!(none.problem(), "not-found", "{number}");
    }
}

#[tokio::test]
async fn history_is_newest_first_of_one_or_of_all() {
    let api = Served::of(5).await;
    let times = |items: Vec<Value>| -> Vec<String> {
        items
            .iter()
            .map(|item| item["at"].as_str().unwrap()[17..19].to_owned())
            .collect()
    };
    let (all, pages) = api.all("/api/v1/history?limit=2").await;
    assert_eq!(
        (times(all), pages),
        (["24", "23", "22", "21", "20"].map(String::from).to_vec(), 3)
    );
    let id = encoded(fleet::id(1).as_str());
    let (one, _) = api
        .all(&format!("/api/v1/history?limit=1&database={id}"))
        .await;
    assert_eq!(times(one), ["23", "21"]);
    let (none, _) = api.all("/api/v1/history?database=nobody").await;
    assert_eq!(none, [Value::Null; 0]);
}

#[tokio::test]
async fn prometheus_gets_every_target_in_one_answer() {
    let api = Served::of(1303).await;
    let answer = api.get("/sd/prometheus").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let groups = answer.json();
    let groups = groups.as_array().unwrap();
    // One has no endpoint.
    assert_eq!(groups.len(), 651);
    let first = &groups[0];
    assert_eq!(first["targets"], json!(["d0.example:5432"]));
    for (label, value) in [
        ("name", "d0-rds-us-east-1-111111111111"),
        ("protocol", "postgres"),
        ("scope", "aws/111111111111/us-east-1/rds"),
        ("account", "111111111111"),
        ("label_env", "prod"),
        ("label_team", "t0"),
        ("labelpresent_team", "true"),
        // Two keys become one: the first is taken.
        ("label_cost_center", "c0"),
    ] {
        assert_eq!(
            first["labels"][format!("__meta_muster_{label}")],
            value,
            "{label}"
        );
    }
    let prod = api.json("/sd/prometheus?selector=env=prod").await;
    assert_eq!(prod.as_array().unwrap().len(), 131);
    assert_eq!(
        api.json("/sd/prometheus?selector=env=none").await,
        json!([])
    );
    assert_eq!(Served::of(0).await.json("/sd/prometheus").await, json!([]));
}

#[tokio::test]
async fn the_list_for_prometheus_is_broken_off_rather_than_shortened() {
    let store = Arc::new(MemoryStore::new());
    fleet::fill(&*store, 1303);
    // A record of a newer muster behind the first part: nothing behind it is shown.
    let id = fleet::id(1200);
    let newer = Collection::<Value>::new(tables::TARGETS.name(), 99);
    let mut batch = Batch::new();
    newer
        .put(&mut batch, id.as_str(), &json!({}), Expect::Any)
        .unwrap();
    store.commit(batch).unwrap();
    let api = Served::over(Ok(store)).await;
    let url = format!("http://{}/sd/prometheus", api.address);
    let response = api.client.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(
        response.bytes().await.is_err(),
        "the connection is broken off"
    );
    assert_eq!(
        api.get("/api/v1/targets?limit=1000").await.problem(),
        "unavailable"
    );
}
