#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeSet;

use super::*;
use crate::install::oracle::{Scraped, promtool};

fn panels() -> Vec<Value> {
    dashboard()["panels"].as_array().unwrap().clone()
}

/// Each expression, as Grafana sends it, and what its lines are called.
fn queries() -> Vec<(String, String)> {
    let panels = panels();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    targets
        .flatten()
        .map(|target| {
            let expr = target["expr"].as_str().unwrap();
            let expr = expr.replace("$__rate_interval", "5m").replace("$job", ".*");
            let expr = expr.replace("$instance", ".*");
            assert!(!expr.contains('$') && !expr.contains("SELECT"), "{expr}");
            (expr, target["legendFormat"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn panels_ask_only_for_what_is_scraped() {
    let scraped = Scraped::new();
    let label = regex::Regex::new(r"\{\{([a-z_]+)\}\}").unwrap();
    for (expr, legend) in queries() {
        let labels = scraped.check(&expr);
        for found in label.captures_iter(&legend) {
            assert!(labels.contains(&found[1]), "{legend}: {expr}");
        }
    }
}

#[test]
fn prometheus_understands_every_expression() {
    let queries = queries();
    let rules: Vec<Value> = queries
        .iter()
        .enumerate()
        .map(|(index, (expr, _))| json!({ "record": format!("panel:{index}"), "expr": expr }))
        .collect();
    let file = json!({ "groups": [{ "name": "panels", "rules": rules }] }).to_string();
    let out = promtool(
        &["check", "rules", "panels.yaml"],
        &[("panels.yaml", &file)],
    );
    assert!(
        out.contains(&format!("SUCCESS: {} rules found", queries.len())),
        "{out}"
    );
}

#[test]
fn panels_lie_beside_one_another() {
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel:#}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= COLUMNS, "{panel:#}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{panel:#}");
            }
        }
    }
    // And no gaps: a row is as wide as the page.
    let height = taken.iter().map(|(_, y)| y + 1).max().unwrap();
    assert_eq!(u64::try_from(taken.len()).unwrap(), height * COLUMNS);
}
