//! The metrics move when the thing happens, and health and readiness say why.

use std::fs;

use muster::service::status::ServiceState;
use rustix::process::Signal;

use super::{
    World, get,
    reader::{
        Is::{Absent, AtLeast, Exactly},
        Reader,
    },
    sky::{Place, Weather},
};

const RDS: &str = "provider=\"aws\",service=\"rds\"";

/// A series of scans of RDS, with further labels.
fn rds(name: &str, more: &str) -> String {
    format!("{name}{{{RDS}{more}}}")
}

#[test]
fn a_scan_a_failure_and_a_held_plan_are_counted_as_they_happen() {
    let place = Place::new("");
    let service = place.world.start();
    let mut reader = Reader::of(&service);
    let complete = rds("muster_scans_total", ",coverage=\"complete\"");
    reader.until(&[
        (&complete, AtLeast(1.0)),
        ("muster_service_state{state=\"ready\"}", Exactly(1.0)),
        ("muster_service_state{state=\"starting\"}", Exactly(0.0)),
        ("muster_scan_scopes_known", Exactly(1.0)),
        (&rds("muster_scan_scopes", ",state=\"complete\""), Exactly(1.0)),
        (&rds("muster_scan_duration_seconds_count", ""), AtLeast(1.0)),
        (&rds("muster_scan_last_success_timestamp_seconds", ""), AtLeast(1.7e9)),
        (&rds("muster_scan_last_attempt_timestamp_seconds", ""), AtLeast(1.7e9)),
        ("muster_cloud_requests_total{service=\"rds\",operation=\"rds:DescribeDBInstances\",outcome=\"ok\"}", AtLeast(1.0)),
        ("muster_cloud_request_duration_seconds_count{service=\"rds\"}", AtLeast(2.0)),
        ("muster_store_up", Exactly(1.0)),
        ("muster_store_revision", AtLeast(1.0)),
        // The files are looked at every few seconds.
        ("muster_store_size_bytes", AtLeast(4096.0)),
        ("muster_store_op_duration_seconds_count{op=\"commit\"}", AtLeast(1.0)),
        ("muster_store_op_duration_seconds_count{op=\"open\"}", Exactly(1.0)),
        ("muster_config_last_reload_success", Exactly(1.0)),
        ("muster_config_last_reload_timestamp_seconds", Absent),
        ("process_resident_memory_bytes", AtLeast(1e6)),
    ]);
    let (code, text) = get(&service, "/readyz?verbose");
    assert_eq!((code, text.as_str()), (200, "ready\n"));
    assert_eq!(get(&service, "/startupz").0, 200);

    // What is counted is what there is.
    let protocols = ["postgres", "mysql", "mongodb", "redis"];
    let sum = |reader: &mut Reader, name: &str, label: &str, words: &[&str]| -> f64 {
        let scrape = |word: &&str| reader.value(&format!("{name}{{{label}=\"{word}\"}}"));
        words.iter().filter_map(scrape).sum()
    };
    let targets = sum(&mut reader, "muster_targets", "protocol", &protocols);
    assert!(targets >= 5.0, "{targets}");
    let enrolled = "muster_match_verdicts_total{matcher=\"rules\",verdict=\"enroll\"}";
    assert_eq!(reader.value(enrolled), Some(targets));
    assert_eq!(
        reader.value("muster_plan_applied_total{action=\"add\"}"),
        Some(targets)
    );
    assert_eq!(
        reader.value("muster_notices_total{event=\"enrolled\"}"),
        Some(targets)
    );
    let ls = place
        .world
        .command(&["db", "ls", "-o", "name"])
        .output()
        .unwrap();
    let listed = String::from_utf8_lossy(&ls.stdout).lines().count();
    assert_eq!(listed as f64, targets);

    // Denied: the scope is unread, the service degraded, and still ready.
    place.fleet.turns(Weather::Denied);
    reader.until(&[
        (&rds("muster_scans_total", ",coverage=\"unread\""), AtLeast(2.0)),
        (&rds("muster_scan_errors_total", ",reason=\"denied\""), AtLeast(2.0)),
        (&rds("muster_scan_consecutive_failures", ""), AtLeast(2.0)),
        (&rds("muster_scan_scopes", ",state=\"unread\""), Exactly(1.0)),
        (&rds("muster_scan_scopes", ",state=\"complete\""), Exactly(0.0)),
        ("muster_cloud_requests_total{service=\"rds\",operation=\"rds:DescribeDBInstances\",outcome=\"denied\"}", AtLeast(2.0)),
        ("muster_service_state{state=\"degraded\"}", Exactly(1.0)),
        ("muster_service_reasons{code=\"scope-unread\"}", Exactly(1.0)),
        ("muster_notices_total{event=\"scope-failed\"}", Exactly(1.0)),
    ]);
    let (code, text) = get(&service, "/readyz?verbose");
    assert_eq!(code, 200);
    assert!(
        text.starts_with("degraded\nscope-unread aws/111111111111/eu-west-1/rds: "),
        "{text}"
    );
    assert!(text.contains("grant rds:DescribeDB"), "what to do: {text}");
    assert_eq!(get(&service, "/readyz"), (200, "degraded\n".to_owned()));

    place.fleet.turns(Weather::Throttled);
    reader.until(&[
        (
            &rds("muster_scan_errors_total", ",reason=\"throttled\""),
            AtLeast(1.0),
        ),
        (
            "muster_cloud_throttled_total{service=\"rds\"}",
            AtLeast(1.0),
        ),
    ]);
    place.fleet.turns(Weather::Fair);
    reader.until(&[
        (&rds("muster_scan_consecutive_failures", ""), Exactly(0.0)),
        ("muster_service_state{state=\"ready\"}", Exactly(1.0)),
        (
            "muster_service_reasons{code=\"scope-unread\"}",
            Exactly(0.0),
        ),
        ("muster_plan_applied_total{action=\"remove\"}", Exactly(0.0)),
    ]);

    // All are gone at once: the brake holds that, and a person is asked.
    place.fleet.turns(Weather::Empty);
    reader.until(&[
        ("muster_plans_waiting", Exactly(1.0)),
        ("muster_plan_held{safety=\"brake\"}", Exactly(targets)),
        ("muster_plan_changes{action=\"remove\"}", Exactly(targets)),
        (
            "muster_service_reasons{code=\"plan-waiting\"}",
            Exactly(1.0),
        ),
        ("muster_notices_total{event=\"held\"}", AtLeast(targets)),
        ("muster_plan_applied_total{action=\"remove\"}", Exactly(0.0)),
    ]);
    let (code, text) = get(&service, "/readyz?verbose");
    assert_eq!(code, 200);
    assert!(
        text.contains("plan-waiting 1 plan: ") && text.contains("muster plan ls"),
        "{text}"
    );
    let approved = place
        .world
        .command(&["plan", "approve", "1", "--yes"])
        .output()
        .unwrap();
    assert!(approved.status.success(), "{approved:?}");
    reader.until(&[
        ("muster_plans_waiting", Exactly(0.0)),
        (
            "muster_plan_applied_total{action=\"remove\"}",
            Exactly(targets),
        ),
        ("muster_plan_changes{action=\"remove\"}", Exactly(0.0)),
        ("muster_notices_total{event=\"removed\"}", Exactly(targets)),
        ("muster_service_state{state=\"ready\"}", Exactly(1.0)),
    ]);
    assert_eq!(
        sum(&mut reader, "muster_targets", "protocol", &protocols),
        0.0
    );
    service.stop();
}

#[test]
fn a_refused_reload_is_seen_until_a_good_one() {
    let place = Place::new("");
    let service = place.world.start();
    let mut reader = Reader::of(&service);
    reader.until(&[("muster_service_state{state=\"ready\"}", Exactly(1.0))]);
    let loaded = reader
        .value("muster_config_loaded_timestamp_seconds")
        .unwrap();

    place.configure("nonsense: true");
    service.signal(Signal::HUP);
    reader.until(&[
        ("muster_config_last_reload_success", Exactly(0.0)),
        (
            "muster_config_reloads_total{outcome=\"rejected\"}",
            Exactly(1.0),
        ),
        (
            "muster_config_last_reload_timestamp_seconds",
            AtLeast(loaded),
        ),
        ("muster_config_loaded_timestamp_seconds", Exactly(loaded)),
        (
            "muster_service_reasons{code=\"config-rejected\"}",
            Exactly(1.0),
        ),
    ]);
    let (code, text) = get(&service, "/readyz?verbose");
    assert_eq!(code, 200);
    assert!(
        text.contains("config-rejected ") && text.contains("nonsense"),
        "{text}"
    );

    place.configure("rules:\n  - { name: none, match: { region: \"*\" }, skip: \"closed\" }");
    service.signal(Signal::HUP);
    reader.until(&[
        ("muster_config_last_reload_success", Exactly(1.0)),
        (
            "muster_config_reloads_total{outcome=\"accepted\"}",
            Exactly(1.0),
        ),
        (
            "muster_config_reloads_total{outcome=\"rejected\"}",
            Exactly(1.0),
        ),
        (
            "muster_service_reasons{code=\"config-rejected\"}",
            Exactly(0.0),
        ),
        // All that is remembered was judged again.
        (
            "muster_match_verdicts_total{matcher=\"rules\",verdict=\"skip\"}",
            AtLeast(1.0),
        ),
    ]);
    service.stop();
}

#[test]
fn a_store_that_fails_is_seen_by_everybody_but_the_probe_of_life() {
    let place = Place::new("");
    let service = place.world.start();
    let mut reader = Reader::of(&service);
    reader.until(&[("muster_service_state{state=\"ready\"}", Exactly(1.0))]);

    let aside = place.world.dir.path().join("aside");
    fs::rename(place.world.store(), &aside).unwrap();
    service.is(ServiceState::Stuck);
    reader.until(&[
        ("muster_store_up", Exactly(0.0)),
        ("muster_service_state{state=\"stuck\"}", Exactly(1.0)),
        (
            "muster_service_reasons{code=\"store-failed\"}",
            Exactly(1.0),
        ),
    ]);
    for path in ["/readyz", "/readyz?verbose"] {
        let (code, text) = get(&service, path);
        assert_eq!(code, 503);
        assert!(text.starts_with("stuck\nstore-failed "), "{path}: {text}");
        assert!(
            text.contains("deleted or moved away") || text.contains("not there"),
            "{text}"
        );
    }
    // A restart would not bring it back.
    assert_eq!(get(&service, "/livez"), (200, "alive\n".to_owned()));
    assert_eq!(get(&service, "/healthz").0, 200);
    let (code, problem) = get(&service, "/api/v1/databases");
    assert_eq!(code, 503);
    let problem: serde_json::Value = serde_json::from_str(&problem).unwrap();
    assert_eq!(problem["code"], "unavailable");
    assert_eq!(get(&service, "/api/v1/status").0, 200);

    fs::rename(&aside, place.world.store()).unwrap();
    reader.until(&[
        ("muster_store_up", Exactly(1.0)),
        ("muster_service_state{state=\"ready\"}", Exactly(1.0)),
        (
            "muster_store_op_duration_seconds_count{op=\"open\"}",
            Exactly(2.0),
        ),
    ]);
    service.stop();
}

/// Two clouds at once: what holds for one service of one cloud holds for all of them.
#[test]
fn the_example_fleet_is_counted_cloud_by_cloud() {
    let world = World::with(
        &["demo"],
        &format!("schedule: {{ every: 1s, jitter: 0s }}\n{}", super::LISTEN),
    );
    let service = world.start();
    let mut reader = Reader::of(&service);
    reader.until(&[
        ("muster_service_state{state=\"degraded\"}", Exactly(1.0)),
        (
            "muster_inventory_databases{provider=\"azure\",kind=\"azure-mysql-flexible\"}",
            Exactly(2.0),
        ),
        (
            "muster_inventory_databases{provider=\"aws\",kind=\"docdb\"}",
            Exactly(4.0),
        ),
        (
            "muster_cloud_credential_expiry_timestamp_seconds{provider=\"aws\"}",
            AtLeast(1.7e9),
        ),
        (
            "muster_cloud_credential_expiry_timestamp_seconds{provider=\"azure\"}",
            AtLeast(1.7e9),
        ),
        (
            "muster_cloud_credential_requests_total{provider=\"azure\",outcome=\"ok\"}",
            Exactly(1.0),
        ),
        ("muster_plan_held{safety=\"name\"}", Exactly(1.0)),
        ("muster_plan_changes{action=\"add\"}", Exactly(1.0)),
        (
            "muster_service_reasons{code=\"scope-unread\"}",
            Exactly(2.0),
        ),
    ]);
    service.stop();
}
