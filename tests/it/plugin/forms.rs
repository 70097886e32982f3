//! The short form of a database against what scanners make: the same databases come of both.

use muster_model::{Database, Provider};
use muster_store::{SledStore, tables};
use serde_json::{Value, json};

use super::kit::Desk;
use crate::cli::World;

/// Everything that the example fleet has, as the scanners made it.
fn scanned() -> Vec<Database> {
    let world = World::demo();
    // Some of its scopes are not to be read.
    assert_eq!(world.run(&["scan"]).code, 3);
    let store = SledStore::open(world.dir.path().join("muster-demo")).expect("a store");
    let listing = tables::INVENTORY.list(&store).expect("read");
    let records = listing.records.into_iter();
    records.map(|(_, record)| record.value.database).collect()
}

/// The same in the short form, without what follows from the rest.
fn short(database: &Database) -> Value {
    let mut short = json!({
        "name": database.identifier,
        "kind": database.kind,
        "engine_version": database.engine_version,
        "account": database.scope.account,
        "region": database.region,
        "role": database.role,
        "endpoint": database.endpoint,
        "state": database.state,
        "tags": database.tags,
        "facts": database.facts,
    });
    if database.protocol.is_none() {
        short["protocol"] = Value::Null;
    }
    if let Some(group) = database.derived.get("resource-group") {
        short["resource_group"] = json!(group);
    }
    let told: Vec<_> = ["replication-role", "source-server"]
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), json!(database.derived.get(*key)?))))
        .collect();
    short["derived"] = Value::Object(told.into_iter().collect());
    // Only where the kind does not say it.
    if database.scope.provider == Provider::Aws {
        short["engine"] = json!(database.engine);
    }
    short
}

#[test]
fn the_short_form_gives_what_scanners_give() {
    let databases = scanned();
    let desk = Desk::with(&[]);
    desk.write(
        "whole.json",
        serde_json::to_string(&databases).expect("JSON"),
    );
    let shorts: Vec<_> = databases.iter().map(short).collect();
    desk.write("short.json", serde_json::to_string(&shorts).expect("JSON"));
    let ran = |file| desk.json(&["run", "wat.wasm", "--database", file, "-o", "json"]);
    let (whole, short) = (ran("whole.json"), ran("short.json"));
    let (whole, short) = (
        whole.as_array().expect("a list"),
        short.as_array().expect("a list"),
    );
    assert_eq!(whole.len(), short.len());
    let mut kinds = std::collections::BTreeSet::new();
    for ((database, whole), short) in databases.iter().zip(whole).zip(short) {
        kinds.insert(database.kind);
        for field in ["identifier", "verdict", "labels_after", "shadowed"] {
            assert_eq!(whole[field], short[field], "{field} of {}", database.id);
        }
        // The cloud's own id is made up: as it would be, but for its letters' case and what a cloud adds to it.
        if database.scope.provider == Provider::Aws
            && !short["id"].as_str().expect("a text").contains("serverless")
        {
            assert_eq!(whole["id"], short["id"]);
        }
    }
    assert!(kinds.len() >= 6, "{kinds:?}");
}
