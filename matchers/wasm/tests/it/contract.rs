//! What crosses into a plugin and back, field by field.

use muster_model::{Endpoint, EndpointRole, Unread};
use muster_wasm::{ConfigureError, Enroll, Evaluation, Level, LoadError, Verdict};

use crate::kit::{self, Fleet};

/// What a plugin hands back that gives each database its text at `offset` as the reason.
fn reasons(fleet: &Fleet, offset: usize) -> Vec<String> {
    let judge = format!(
        "(call $skip (local.get $v)) \
         (i32.store offset=4 (local.get $v) (call $start (i32.load offset={offset} (local.get $db)))) \
         (i32.store offset=8 (local.get $v) (call $len (i32.load offset={offset} (local.get $db))))"
    );
    let component = kit::base(&[("judge", &judge)]);
    let plugin = kit::host().load(&component).expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let Evaluation { verdicts, .. } = configured.evaluate(&fleet.candidates());
    verdicts
        .into_iter()
        .map(|verdict| match verdict {
            Ok(Verdict::Skip(reason)) => reason,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// The pairs at `offset`, which the plugin hands back as hints: it copies the texts that they are places of.
fn pairs(fleet: &Fleet, offset: usize) -> Vec<Vec<(String, String)>> {
    let code = "\
        (func $copy (param $span i32) (param $to i32) (local $at i32) (local $n i32) (local $out i32)
          (local.set $at (i32.add (global.get $pairs) (i32.mul (i32.load (local.get $span)) (i32.const 8))))
          (local.set $n (i32.mul (i32.load offset=4 (local.get $span)) (i32.const 2)))
          (local.set $out (call $alloc (i32.mul (local.get $n) (i32.const 8))))
          (i32.store (local.get $to) (local.get $out))
          (i32.store offset=4 (local.get $to) (i32.load offset=4 (local.get $span)))
          (block $done (loop $each
            (br_if $done (i32.eqz (local.get $n)))
            (i32.store (local.get $out) (call $start (i32.load (local.get $at))))
            (i32.store offset=4 (local.get $out) (call $len (i32.load (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (local.set $out (i32.add (local.get $out) (i32.const 8)))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br $each))))";
    let judge = format!(
        "(call $copy (i32.add (local.get $db) (i32.const {offset})) (i32.add (local.get $v) (i32.const 24)))"
    );
    let component = kit::base(&[("judge", &judge), ("code", code)]);
    let plugin = kit::host().load(&component).expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let Evaluation { verdicts, .. } = configured.evaluate(&fleet.candidates());
    verdicts
        .into_iter()
        .map(|verdict| match verdict {
            Ok(Verdict::Enroll(Enroll { hints, .. })) => hints,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Databases that differ in everything that can differ.
fn fleet() -> Fleet {
    let mut databases: Vec<_> = (0..12).map(kit::database).collect();
    databases[1].role = EndpointRole::Custom("análisis".to_owned());
    databases[2].endpoint = None;
    databases[3].protocol = None;
    databases[4].tags.clear();
    databases[5]
        .tags
        .insert("città".to_owned(), "Zürich 東京".to_owned());
    databases[6].unread = [Unread::Tags, Unread::Vpc].into();
    databases[7].tls_server_name = Some("cluster.example".to_owned());
    databases[8].endpoint = Some(Endpoint {
        host: "other.example".to_owned(),
        port: 65535,
    });
    databases[9]
        .facts
        .insert("first-seen".to_owned(), "forged".to_owned());
    databases[10]
        .tags
        .insert("region".to_owned(), "forged".to_owned());
    let mut fleet = Fleet::of(databases);
    // As many as before, and others.
    let changed = fleet.labels(11);
    assert!(changed.remove("team").is_some());
    assert!(changed.set("tier", "gold", "rule"));
    assert!(fleet.labels(0).set("env", "changed", "rule"));
    fleet
}

#[test]
fn every_text_of_a_database_arrives() {
    let fleet = fleet();
    let candidates = fleet.candidates();
    let expected = |field: &str| -> Vec<String> {
        candidates
            .iter()
            .map(|candidate| {
                let database = candidate.database;
                match field {
                    "id" => database.id.to_string(),
                    "name" => database.identifier.clone(),
                    "provider" => database.scope.provider.to_string(),
                    "kind" => database.kind.to_string(),
                    "protocol" => database.protocol.map_or(String::new(), |p| p.to_string()),
                    "engine" => database.engine.clone(),
                    "engine-version" => database.engine_version.clone(),
                    "state" => database.state.name.clone(),
                    "account" => database.scope.account.to_string(),
                    "region" => database.region.clone(),
                    "role" => database.role.to_string(),
                    "host" => database
                        .endpoint
                        .as_ref()
                        .map_or(String::new(), |e| e.host.clone()),
                    other => panic!("{other}"),
                }
            })
            .collect()
    };
    let fields = [
        "id",
        "name",
        "provider",
        "kind",
        "protocol",
        "engine",
        "engine-version",
        "state",
        "account",
        "region",
        "role",
        "host",
    ];
    for (place, field) in fields.into_iter().enumerate() {
        assert_eq!(reasons(&fleet, place * 4), expected(field), "{field}");
    }
}

#[test]
fn the_port_arrives() {
    let fleet = fleet();
    let judge = "(if (i32.eq (i32.load offset=48 (local.get $db)) (i32.const 65535)) \
                 (then (call $enroll (local.get $v))) (else (call $skip (local.get $v))))";
    let plugin = kit::host()
        .load(&kit::base(&[("judge", judge)]))
        .expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let Evaluation { verdicts, .. } = configured.evaluate(&fleet.candidates());
    let enrolled: Vec<_> = (0..verdicts.len())
        .filter(|place| matches!(verdicts[*place], Ok(Verdict::Enroll(_))))
        .collect();
    assert_eq!(enrolled, [8]);
}

#[test]
fn tags_labels_and_facts_arrive() {
    let fleet = fleet();
    let candidates = fleet.candidates();
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let tags: Vec<Vec<_>> = candidates
        .iter()
        .map(|candidate| candidate.database.tags.clone().into_iter().collect())
        .collect();
    let derived: Vec<Vec<_>> = candidates
        .iter()
        .map(|candidate| candidate.database.derived.clone().into_iter().collect())
        .collect();
    let labels: Vec<Vec<_>> = candidates
        .iter()
        .map(|candidate| candidate.labels.values().map(owned).collect())
        .collect();
    let sorted = |mut pairs: Vec<Vec<(String, String)>>| {
        pairs.iter_mut().for_each(|pairs| pairs.sort());
        pairs
    };
    assert_eq!(pairs(&fleet, 52), tags);
    assert_eq!(pairs(&fleet, 60), derived);
    assert_eq!(sorted(pairs(&fleet, 68)), labels);

    let facts = pairs(&fleet, 76);
    let fact = |place: usize, key: &str| {
        let found: Vec<_> = facts[place].iter().filter(|(k, _)| k == key).collect();
        assert!(found.len() <= 1, "{key} comes once: {found:?}");
        found.first().map(|(_, value)| value.as_str())
    };
    assert_eq!(fact(0, "iam-auth"), Some("true"));
    assert_eq!(fact(0, "availability"), Some("available"));
    assert_eq!(fact(0, "service"), Some("rds"));
    assert_eq!(fact(0, "first-seen"), Some("2026-01-01T00:00:00Z"));
    assert_eq!(fact(0, "unread"), None);
    assert_eq!(fact(6, "unread"), Some("tags,vpc"));
    assert_eq!(fact(0, "tls-server-name"), None);
    assert_eq!(fact(7, "tls-server-name"), Some("cluster.example"));
    assert_eq!(
        fact(9, "first-seen"),
        Some("2026-01-01T00:00:00Z"),
        "a fact cannot pass for muster's own"
    );
}

#[test]
fn verdicts_come_back_whole() {
    let plugin = kit::host().load(&kit::base(&[])).expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let fleet = Fleet::new(30);
    let Evaluation { verdicts, .. } = configured.evaluate(&fleet.candidates());
    let enroll = Verdict::Enroll(Enroll {
        name: None,
        labels: vec![("by".to_owned(), "wat".to_owned())],
        hints: Vec::new(),
        reason: "postgres".to_owned(),
    });
    let skip = Verdict::Skip("not postgres".to_owned());
    for (candidate, verdict) in fleet.candidates().iter().zip(verdicts) {
        let postgres = candidate.database.protocol == Some(muster_model::Protocol::Postgres);
        let want = if postgres { &enroll } else { &skip };
        assert_eq!(verdict.as_ref(), Ok(want), "{}", candidate.database.id);
    }
}

#[test]
fn what_a_plugin_says_of_itself() {
    let component = kit::base(&[]);
    let plugin = kit::host().load(&component).expect("it loads");
    let description = plugin.description();
    assert_eq!(description.name, "wat");
    assert_eq!(description.version, "0.1.0");
    assert_eq!(description.author, "wat");
    assert_eq!(description.licence, "MIT");
    assert_eq!(description.summary, "it says so");
    assert_eq!(description.settings_schema, "");
    assert_eq!(plugin.contract(), "0.1");
    assert_eq!(plugin.size(), component.len());
    assert_eq!(plugin.digest().len(), 64);
}

#[test]
fn settings_arrive_and_are_logged_on_one_line() {
    let plugin = kit::host().load(&kit::base(&[])).expect("it loads");
    let settings = "{\"a\":\n\"\u{1b}[2Jü\"}";
    let configured = plugin.configured(settings).expect("it accepts anything");
    let fleet = Fleet::new(1);
    let Evaluation { log, .. } = configured.evaluate(&fleet.candidates());
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].level, Level::Info);
    assert_eq!(log[0].message, "{\"a\": \"\u{fffd}[2Jü\"}");
}

#[test]
fn settings_that_are_too_long_are_not_handed_over() {
    let plugin = kit::host().load(&kit::base(&[])).expect("it loads");
    let settings = "x".repeat(2 << 20);
    match plugin.configured(&settings) {
        Err(error @ ConfigureError::TooLarge { .. }) => {
            assert_eq!(error.code(), "settings-too-large");
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn a_patch_release_of_the_contract_is_the_same_contract() {
    for (version, runs) in [
        ("0.1.0", true),
        ("0.1.7", true),
        ("0.2.0", false),
        ("0.1.0-beta", false),
        ("1.1.0", false),
    ] {
        let name = format!("(export \"muster:matcher/plugin@{version}\" (instance $plugin))");
        let loaded = kit::host().load(&kit::base(&[("name", &name)]));
        match loaded {
            Ok(plugin) => {
                assert!(runs, "{version}");
                assert_eq!(plugin.contract(), "0.1");
            }
            Err(LoadError::Contract { found, .. }) => {
                assert!(!runs, "{version}");
                assert_eq!(found, [version]);
            }
            Err(error) => panic!("{version}: {error}"),
        }
    }
}
