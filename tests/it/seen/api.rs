//! The API is as its document says, to the last field, and as its page says.

use serde::Deserialize;

use super::{
    LISTEN, World, get,
    reader::{
        Is::{AtLeast, Exactly},
        Reader,
    },
    sky::{Place, Weather},
};

/// What the reader found.
#[derive(Deserialize)]
struct Found {
    asked: Vec<String>,
    wrong: Vec<String>,
}

/// Asks everything, and finds nothing wrong.
fn walk(reader: &mut Reader) -> Vec<String> {
    let Found { asked, wrong } = reader.says("api");
    assert!(wrong.is_empty(), "{wrong:#?}");
    asked
}

#[test]
fn every_answer_about_the_example_fleet_is_as_the_document_says() {
    let world = World::with(&["demo"], LISTEN);
    let service = world.start();
    let mut reader = Reader::of(&service);
    reader.until(&[("muster_service_state{state=\"degraded\"}", Exactly(1.0))]);
    let asked = walk(&mut reader);
    let count = |prefix: &str| asked.iter().filter(|path| path.starts_with(prefix)).count();
    assert!(
        count("/api/v1/databases/") >= 36 * 2,
        "every database was asked for"
    );
    assert!(
        count("/api/v1/targets/") >= 31 * 2,
        "every target was asked for"
    );
    service.stop();
}

#[test]
fn held_plans_are_as_the_document_says() {
    let place = Place::new("");
    let service = place.world.start();
    let mut reader = Reader::of(&service);
    reader.until(&[("muster_plan_applied_total{action=\"add\"}", AtLeast(5.0))]);
    place.fleet.turns(Weather::Empty);
    reader.until(&[("muster_plans_waiting", Exactly(1.0))]);
    let asked = walk(&mut reader);
    assert!(
        asked.iter().any(|path| path == "/api/v1/plans/1"),
        "{asked:?}"
    );
    service.stop();
}

#[test]
fn the_document_that_is_served_is_the_one_in_the_repository() {
    let place = Place::new("");
    let service = place.world.start();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let there = std::fs::read_to_string(root.join("docs/openapi.json")).unwrap();
    let (code, served) = get(&service, "/openapi.json");
    assert_eq!(code, 200);
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parsed(&served), parsed(&there));
    service.stop();
}
