//! Plugins that were made for the first contract: they run for ever.

use muster_wasm::{Enroll, Evaluation, Level, Verdict};
use sha2::{Digest, Sha256};

use crate::kit::{self, Fleet};

#[test]
fn a_plugin_made_for_the_first_contract_still_runs() {
    let path = kit::fixtures().join("0.1/first.wat");
    let text = std::fs::read_to_string(path).expect("it is there");
    let digest = Sha256::digest(&text);
    assert_eq!(
        digest[..8],
        [0xb4, 0x8a, 0x35, 0x0d, 0xea, 0x60, 0x6f, 0x64],
        "first.wat is what stands for plugins that nobody can build again: it is never changed"
    );
    let plugin = kit::host().load(&kit::component(&text)).expect("it loads");
    assert_eq!(plugin.contract(), "0.1");
    let configured = plugin.configured("{}").expect("it accepts anything");
    let fleet = Fleet::new(40);
    let Evaluation { verdicts, .. } = configured.evaluate(&fleet.candidates());
    let enrolled = verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Ok(Verdict::Enroll(_))))
        .count();
    let skipped = verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Ok(Verdict::Skip(_))))
        .count();
    assert_eq!((enrolled, skipped), (26, 14));
}

#[test]
fn a_component_built_for_the_first_contract_still_says_all_that_it_can() {
    let bytes = std::fs::read(kit::fixtures().join("0.1/rust.wasm")).expect("it is there");
    assert_eq!(
        Sha256::digest(&bytes)[..8],
        [0x7a, 0x6a, 0xbe, 0x9a, 0x76, 0x95, 0x47, 0xc8],
        "rust.wasm is a plugin that nobody can build again: it is never changed"
    );
    let plugin = kit::host().load(&bytes).expect("it loads");
    let description = plugin.description();
    assert_eq!(description.name, "first");
    assert_eq!(description.settings_schema, r#"{"type":["object","null"]}"#);
    assert_eq!(
        description.facts,
        [("made-for".to_owned(), "0.1.0".to_owned())]
    );
    let Err(refused) = plugin.configured(r#"{"refuse":true}"#) else {
        panic!("it refuses these")
    };
    assert_eq!(
        refused.to_string(),
        "the settings are refused: refuse: as it was asked to"
    );

    let configured = plugin.configured("{\"a\":1}").expect("it accepts these");
    let fleet = Fleet::new(100);
    let evaluation = configured.evaluate(&fleet.candidates());
    for (candidate, verdict) in fleet.candidates().iter().zip(&evaluation.verdicts) {
        let database = candidate.database;
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let want = match database.tags["env"].as_str() {
            "prod" => Ok(Verdict::Enroll(Enroll {
                name: Some(format!("first-{}", database.identifier)),
                labels: vec![
                    pair("owner", &database.tags["team"]),
                    pair("where", &database.region),
                ],
                hints: vec![pair("description", "rds")],
                reason: format!(
                    "{}:{}",
                    database.protocol.expect("a protocol"),
                    database.endpoint.as_ref().expect("an endpoint").port
                ),
            })),
            "dev" => Ok(Verdict::Skip("dev".to_owned())),
            "staging" => Ok(Verdict::Pass(vec![pair("tier", "low")])),
            _ => Err(("undecided", "no env that it knows".to_owned())),
        };
        let got = verdict
            .clone()
            .map_err(|error| (error.code.as_str(), error.to_string()));
        assert_eq!(got, want, "{}", database.id);
    }
    assert_eq!(evaluation.log[0].level, Level::Debug);
    assert_eq!(evaluation.log[0].message, "{\"a\":1}");
}
