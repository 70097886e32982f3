//! Every file of `fixtures/plugins/hostile` ends as it says, in a named error about itself, and the plugin beside it
//! goes on judging.

use muster_wasm::{Configured, Evaluation, Host, Verdict};

use crate::kit::{self, Fixture, Fleet};

/// More than are judged one by one for a spot check.
const FLEET: usize = 25;

/// Loads, configures and asks; the stage that was reached, its code, and its text.
fn run(host: &Host, fixture: &Fixture, fleet: &Fleet) -> (&'static str, String, String) {
    let plugin = match host.load(&fixture.component) {
        Ok(plugin) => plugin,
        Err(error) => return ("load", error.code().to_owned(), error.to_string()),
    };
    let configured = match plugin.configured("null") {
        Ok(configured) => configured,
        Err(error) => return ("configure", error.code().to_owned(), error.to_string()),
    };
    let Evaluation { verdicts, .. } = configured.evaluate(&fleet.candidates());
    assert_eq!(verdicts.len(), FLEET, "{}: one for each", fixture.name);
    let mut errors = verdicts.iter().map(|verdict| verdict.as_ref().err());
    match errors.next().flatten() {
        None => {
            assert!(
                errors.all(|error| error.is_none()),
                "{}: some fail",
                fixture.name
            );
            ("evaluate", "ok".to_owned(), String::new())
        }
        Some(first) => {
            for error in errors {
                let code = error.map(|error| error.code);
                assert_eq!(code, Some(first.code), "{}: all fail alike", fixture.name);
            }
            (
                "evaluate",
                first.code.as_str().to_owned(),
                first.to_string(),
            )
        }
    }
}

fn healthy(host: &Host) -> Configured {
    let plugin = host.load(&kit::base(&[])).expect("the base loads");
    plugin.configured("{}").expect("and accepts anything")
}

fn enrolled(configured: &Configured, fleet: &Fleet) -> usize {
    let Evaluation { verdicts, .. } = configured.evaluate(&fleet.candidates());
    verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Ok(Verdict::Enroll(_))))
        .count()
}

#[test]
fn each_ends_in_its_own_named_error_and_the_rest_goes_on() {
    // What ends by itself has the usual time for it, on however slow a machine.
    let (patient, impatient) = (kit::host(), kit::host_with(kit::impatient()));
    let fleet = Fleet::new(FLEET);
    let [beside_patient, beside_impatient] = [&patient, &impatient].map(healthy);
    let right = enrolled(&beside_patient, &fleet);
    assert!(right > 0 && right < FLEET, "the base tells them apart");
    let mut wrong = Vec::new();
    let fixtures = kit::all("hostile");
    assert!(fixtures.len() > 60, "the fixtures are there");
    for fixture in &fixtures {
        let (host, healthy) = match fixture.code.as_str() {
            "timeout" => (&impatient, &beside_impatient),
            _ => (&patient, &beside_patient),
        };
        let (stage, code, text) = run(host, fixture, &fleet);
        let want = (fixture.stage.as_str(), fixture.code.as_str());
        if (stage, code.as_str()) != want || !text.contains(&fixture.detail) {
            wrong.push(format!(
                "{}: want {} {} ({}), got {stage} {code} ({text})",
                fixture.name, fixture.stage, fixture.code, fixture.detail
            ));
        }
        assert!(
            !text.chars().any(char::is_control),
            "{}: {text:?} is one line for a terminal",
            fixture.name
        );
        assert_eq!(
            enrolled(healthy, &fleet),
            right,
            "after {} the other plugin judges as before",
            fixture.name
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
