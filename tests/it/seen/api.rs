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

/// `docs/api.md`.
fn page() -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join("docs/api.md")).expect("the page")
}

/// The blocks of a language on the page.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let page = page();
    let rest = page.split(&fence).skip(1);
    rest.map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_page_of_the_api_is_true() {
    let world = World::with(&["demo"], LISTEN);
    let service = world.start();
    let mut reader = Reader::of(&service);
    reader.until(&[("muster_service_state{state=\"degraded\"}", Exactly(1.0))]);

    // Everything that a reader may copy is answered.
    let mut asked = 0;
    for line in blocks("sh").iter().flat_map(|block| block.lines()) {
        let (_, url) = line.split_once("http://127.0.0.1:7420").expect("a request");
        let path = url.split('\'').next().unwrap();
        let (code, answer) = get(&service, path);
        assert_eq!(code, 200, "{line}: {answer}");
        asked += 1;
    }
    assert!(asked >= 9, "{asked}");

    // The problem is the one that is shown.
    let shown: serde_json::Value = serde_json::from_str(&blocks("json")[0]).unwrap();
    let (code, problem) = get(&service, "/api/v1/targets/nope");
    let problem: serde_json::Value = serde_json::from_str(&problem).unwrap();
    assert_eq!((code, problem), (404, shown));

    // The reader of pages reads all of them.
    let program = format!(
        "{}\nimport sys\nprint(len(list(everything(sys.argv[1], '/api/v1/databases'))))",
        blocks("python")[0].replace("limit=500", "limit=7")
    );
    let url = format!("http://{}", super::address(&service));
    let output = std::process::Command::new(super::reader::tool("python"))
        .args(["-c", &program, &url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let status: serde_json::Value =
        serde_json::from_str(&get(&service, "/api/v1/status").1).unwrap();
    let counts = status["counts"]["databases"].as_object().unwrap();
    let there: u64 = counts.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        there.to_string()
    );

    // Every path of the API is on the page.
    let document = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json"),
    );
    let document: serde_json::Value = serde_json::from_str(&document.unwrap()).unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(
            page().contains(&format!("`{path}`")),
            "{path} is not on the page"
        );
    }
    service.stop();
}

/// Every code that a problem can have is on the page.
#[test]
fn the_page_of_the_api_has_every_code() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(root.join("src/admin/problem.rs")).unwrap();
    let code = regex::Regex::new(r#"StatusCode::[A-Z_]+,\s*"([a-z-]+)""#).unwrap();
    // What is refused to commands is not asked for here.
    let lines = source
        .lines()
        .filter(|line| !line.contains("RefusedKind::"));
    let source = lines.collect::<Vec<_>>().join("\n");
    let page = page();
    let mut codes = 0;
    for found in code.captures_iter(&source) {
        let code = &found[1];
        codes += 1;
        assert!(
            page.contains(&format!("`{code}`")),
            "`{code}` is not on the page"
        );
    }
    assert!(codes >= 8, "{codes}");
}
