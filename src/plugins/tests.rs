#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../../tests/it/support/component.rs"]
mod component;

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use muster_matchers::{Candidate, Matcher, Verdict};
use muster_model::{
    Availability, Database, EndpointRole, Kind, Protocol, ResourceId, Scope, Service, State,
};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use self::component::{ENROLLS, PANICS, PASSES, REFUSES, SKIPS, plugin};
use super::*;
use crate::config::{Loaded as Config, With, parse_with};

/// A folder with plugins, and what loads them.
struct Place {
    dir: TempDir,
    loader: Loader,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            loader: Loader::new(),
        }
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        sha(bytes.as_ref())
    }

    /// What becomes of these rules; problems are those of their lines, without this folder.
    fn load(&self, more: &str) -> Result<Config, Vec<String>> {
        let text = format!(
            "version: 1\nstore: store\npolicy: sync\nsources: {{aws: {{types: rds, regions: '*'}}}}\n{more}"
        );
        let with = With {
            loader: &self.loader,
            store: None,
        };
        let dir = self.dir.path().display().to_string();
        parse_with(&text, Some(&self.dir.path().join("m.yaml")), with).map_err(|error| {
            let text = error.to_string().replace(&format!("{dir}/"), "");
            text.lines().map(str::to_owned).collect()
        })
    }

    /// The only plugin of one rule, or the only problem.
    fn one(&self, plugin: &str, plugins: &str) -> Result<Trusted, String> {
        let rules = format!("plugins: {plugins}\nrules:\n- {{name: own, plugin: {plugin}}}\n");
        match self.load(&rules) {
            Ok(config) => {
                let [loaded] = &config.plugins.loaded[..] else {
                    panic!("{:?}", config.plugins)
                };
                Ok(loaded.trusted.clone())
            }
            Err(problems) => Err(problems.join("\n")),
        }
    }
}

fn sha(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn database(protocol: Protocol, name: &str) -> Database {
    let arn = format!("arn:aws:rds:eu-west-1:111111111111:db:{name}");
    Database {
        id: ResourceId::of(&arn, "instance"),
        scope: Arc::new(Scope::aws("111111111111", "eu-west-1", Service::Rds)),
        kind: Kind::Rds,
        protocol: Some(protocol),
        identifier: name.to_owned(),
        role: EndpointRole::Instance,
        region: "eu-west-1".to_owned(),
        endpoint: None,
        tls_server_name: None,
        engine: "any".to_owned(),
        engine_version: String::new(),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        tags: BTreeMap::new(),
        derived: BTreeMap::new(),
        facts: BTreeMap::new(),
        unsupported: None,
        unread: Default::default(),
        notes: Vec::new(),
    }
}

#[test]
fn everything_that_stands_against_plugins_is_said_in_one_run() {
    let place = Place::new();
    let good = plugin("0.1.0", &[]);
    let pin = place.put("good.wasm", &good);
    place.put("refuses.wasm", plugin("0.1.0", &[REFUSES]));
    place.put("text.wasm", "hello, world");
    place.put("core.wasm", b"\0asm\x01\0\0\0");
    place.put("cut.wasm", &good[..good.len() / 2]);
    let next = [(
        "name",
        "(export \"muster:matcher/plugin@9.0.0\" (instance $plugin))",
    )];
    place.put("next.wasm", plugin("0.1.0", &next));
    place.put("none/readme.txt", "nothing here");
    place.put(
        "key.pem",
        "-----BEGIN NOTHING-----\n-----END NOTHING-----\n",
    );
    let problems = place
        .load(
            "plugins: { keys: [key.pem, ~/key.pem] }
rules:
  - { name: absent, plugin: { path: absent.wasm, unsigned: true } }
  - { name: text, plugin: { path: text.wasm, unsigned: true } }
  - { name: core, plugin: { path: core.wasm, unsigned: true } }
  - { name: cut, plugin: { path: cut.wasm, unsigned: true } }
  - { name: next, plugin: { path: next.wasm, unsigned: true } }
  - { name: pinned, plugin: { path: good.wasm, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 } }
  - { name: nobody, plugin: { path: good.wasm } }
  - { name: folder, plugin: { path: none, unsigned: true } }
  - { name: folder-pinned, plugin: { path: none, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 } }
  - name: refuses
    plugin:
      path: refuses.wasm
      unsigned: true
      settings:
        teams: none
  - { name: refuses-none, plugin: { path: refuses.wasm, unsigned: true } }
  - { name: home, plugin: { path: ~/good.wasm, unsigned: true } }
  - { name: fine, plugin: { path: good.wasm, unsigned: true } }
  - { name: misspelt, plugin: { path: good.wasm, unsined: true } }
",
        )
        .unwrap_err();
    let expected = [
        "m.yaml:5: plugins.keys[0]: the key key.pem cannot be used: ",
        "m.yaml:5: plugins.keys[1]: `~` is not expanded here (write the whole path)",
        "m.yaml:7: rules[0].plugin.path: there is no absent.wasm (a relative path begins at the directory of the configuration)",
        "m.yaml:8: rules[1].plugin.path: text.wasm: the file is not WebAssembly: ",
        "m.yaml:9: rules[2].plugin.path: core.wasm: the file is a core WebAssembly module, and a component is needed: ",
        "m.yaml:10: rules[3].plugin.path: cut.wasm: the file is cut short: ",
        "m.yaml:11: rules[4].plugin.path: next.wasm: the component exports `muster:matcher/plugin@9.0.0`, and this muster runs `muster:matcher/plugin@0.1",
        &format!(
            "m.yaml:12: rules[5].plugin.sha256: good.wasm is another file: its SHA-256 is {pin} ("
        ),
        &format!(
            "m.yaml:13: rules[6].plugin: nothing says that good.wasm may be run (pin it by `sha256: {pin}`, "
        ),
        "m.yaml:14: rules[7].plugin.path: there is no `*.wasm` in none (",
        "m.yaml:15: rules[8].plugin.sha256: a pin is for one file, and none is a directory (",
        "m.yaml:21: rules[9].plugin.settings.teams: none (so says wat 0.1.0; ",
        "m.yaml:22: rules[10].plugin.settings.teams: none (so says wat 0.1.0; ",
        "m.yaml:23: rules[11].plugin.path: `~` is not expanded here (write the whole path)",
        "m.yaml:25: rules[13].plugin.unsined: unknown key (did you mean `unsigned`?)",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}\n{expected}");
    }
}

#[test]
fn a_file_is_run_only_when_it_is_pinned_signed_or_explicitly_let_pass() {
    let place = Place::new();
    let good = plugin("0.1.0", &[]);
    let sha = place.put("a.wasm", &good);
    let pair = |seed: u8| Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let base64 = |pair: &Ed25519KeyPair| STANDARD.encode(pair.public_key().as_ref());
    let (ours, theirs) = (pair(1), pair(2));
    let keys = format!("{{keys: ['{}', '{}']}}", base64(&pair(3)), base64(&ours));
    let no_keys = "{time: 1s}";

    let pinned = format!("{{path: a.wasm, sha256: {}}}", sha.to_uppercase());
    assert_eq!(place.one(&pinned, no_keys), Ok(Trusted::Pinned));
    assert_eq!(
        place.one("{path: a.wasm, unsigned: true}", no_keys),
        Ok(Trusted::Unsigned)
    );
    let refused = |why: &str, plugins: &str| {
        let problem = place.one("{path: a.wasm}", plugins).unwrap_err();
        assert!(problem.contains(why), "{problem}");
    };
    refused("there is no signature: a.wasm.sig does not exist", &keys);
    place.put("a.wasm.sig", STANDARD.encode(theirs.sign(&good)));
    refused("the signature is not by any of the 2 keys", &keys);
    place.put("a.wasm.sig", "not base64 at all");
    refused("the signature is none", &keys);
    place.put("a.wasm.sig", STANDARD.encode(ours.sign(&good)) + "\n");
    refused("nothing says that a.wasm may be run", no_keys);
    assert_eq!(
        place.one("{path: a.wasm}", &keys),
        Ok(Trusted::Signed(base64(&ours)))
    );
    // Another file beside the same signature, and behind the same pin.
    place.put("a.wasm", plugin("0.2.0", &[]));
    refused("the signature is not by any of the 2 keys", &keys);
    let problem = place.one(&pinned, &keys).unwrap_err();
    assert!(problem.contains("a.wasm is another file"), "{problem}");
}

#[test]
fn the_plugins_of_a_folder_are_asked_in_the_order_of_their_names() {
    let place = Place::new();
    let bytes = |version: &str| plugin(version, &[PASSES]);
    for (name, version) in [("20-b", "2.0.0"), ("10-a", "1.0.0"), ("3", "3.0.0")] {
        place.put(&format!("all/{name}.wasm"), bytes(version));
    }
    // Somebody is just writing it, and what is no component at all.
    place.put("all/.30.wasm.part", "half a fi");
    place.put("all/.hidden.wasm", "half a fi");
    place.put("all/20-b.wasm.sig", "");
    let rules = "rules: [{name: own, plugin: {path: all, unsigned: true}}]\n";
    let config = place.load(rules).unwrap();
    let of = config.plugins.matchers();
    let versions: Vec<_> = of["own"].iter().map(|it| it.version()).collect();
    assert_eq!(versions, ["1.0.0", "2.0.0", "3.0.0"]);
    // Another file is another set of plugins; the same files are the same.
    let digest = config.plugins.digest();
    assert_eq!(place.load(rules).unwrap().plugins.digest(), digest);
    place.put("all/3.wasm", bytes("3.0.1"));
    assert_ne!(place.load(rules).unwrap().plugins.digest(), digest);
}

#[test]
fn how_those_do_that_stay_is_not_forgotten_over_another_one() {
    let place = Place::new();
    place.put("all/a.wasm", plugin("1.0.0", &[PANICS]));
    place.put("all/b.wasm", plugin("1.0.1", &[]));
    let rules = "rules: [{name: own, plugin: {path: all, unsigned: true}}]\n";
    let before = place.load(rules).unwrap().plugins;
    place.put("all/b.wasm", plugin("1.0.2", &[]));
    let fresh = place.load(rules).unwrap().plugins;
    let kept = (*fresh).clone().keeping(&before);
    let same = |one: &Plugins, other: &Plugins| -> Vec<bool> {
        let pairs = one.loaded.iter().zip(&other.loaded);
        pairs
            .map(|(a, b)| Arc::ptr_eq(&a.matcher, &b.matcher))
            .collect()
    };
    assert_eq!(same(&kept, &before), [true, false]);
    assert_eq!(same(&kept, &fresh), [false, true]);
    assert_eq!(kept.digest(), fresh.digest());
    assert_eq!(kept.stamps(), fresh.stamps());
}

#[test]
fn without_a_loader_no_file_is_looked_at() {
    let text = "version: 1\nstore: s\npolicy: sync\nsources: {aws: {types: rds, regions: '*'}}\n\
                rules: [{name: own, plugin: {path: nowhere.wasm}}]\n";
    let loaded = crate::config::parse(text, Some(Path::new("m.yaml"))).unwrap();
    assert!(loaded.plugins.is_empty());
}

/// Its verdicts on these, in one evaluation.
fn ask(own: &Own, databases: &[Database]) -> Vec<String> {
    let labels: Vec<_> = databases.iter().map(|it| it.labels().0).collect();
    let candidates: Vec<_> = databases
        .iter()
        .zip(&labels)
        .map(|(database, labels)| Candidate {
            database,
            labels,
            first_seen: None,
        })
        .collect();
    let verdicts = own.judge(&candidates).into_iter();
    let shown = verdicts.map(|verdict| match verdict {
        Ok(Verdict::Enroll(proposal)) => format!("enroll {:?}", proposal.labels),
        Ok(Verdict::Skip(reason)) => format!("skip {reason}"),
        Ok(Verdict::Pass(_)) => "pass".to_owned(),
        Err(failed) => failed.code.to_owned(),
    });
    shown.collect()
}

fn own(parts: &[(&str, &str)]) -> Arc<Own> {
    let place = Place::new();
    place.put("a.wasm", plugin("0.1.0", parts));
    let rules = "rules: [{name: own, plugin: {path: a.wasm, unsigned: true}}]\n";
    let config = place.load(rules).unwrap();
    Arc::clone(&config.plugins.loaded[0].matcher)
}

#[test]
fn a_component_is_a_matcher_of_the_chain() {
    let databases = [
        database(Protocol::Postgres, "a"),
        database(Protocol::Mysql, "b"),
    ];
    let asked = |parts: &[(&str, &str)]| ask(&own(parts), &databases);
    assert_eq!(
        asked(&[]),
        ["enroll [(\"by\", \"wat\")]", "skip not postgres"]
    );
    assert_eq!(asked(&[PASSES]), ["pass", "pass"]);
    assert_eq!(asked(&[SKIPS])[0], "skip not postgres");
    assert_eq!(asked(&[ENROLLS])[1], "enroll [(\"by\", \"wat\")]");
}

#[test]
fn one_that_fails_over_everything_is_paused_until_somebody_says_try_again() {
    let fails = own(&[PANICS]);
    let databases = [
        database(Protocol::Postgres, "a"),
        database(Protocol::Mysql, "b"),
    ];
    for row in 1..=health::PATIENCE {
        assert!(!fails.health().standing().paused);
        assert_eq!(ask(&fails, &databases), ["panicked", "panicked"]);
        assert_eq!(fails.health().standing().failures_in_a_row, row);
    }
    assert!(fails.health().standing().paused);
    assert_eq!(ask(&fails, &databases), [health::PAUSED; 2]);
    // It is asked once more, and only once.
    fails.health().try_again();
    assert_eq!(ask(&fails, &databases), ["panicked", "panicked"]);
    assert_eq!(ask(&fails, &databases), [health::PAUSED; 2]);
    let standing = fails.health().standing();
    assert_eq!((standing.judged, standing.failed), (0, 8));
}

#[test]
fn one_that_fails_over_a_single_database_is_asked_about_all_others() {
    // It fails over whatever does not speak `postgres`.
    let odd = own(&[(
        "judge",
        "(if (i32.ne (call $len (i32.load offset=16 (local.get $db))) (i32.const 8)) (then (unreachable)))
         (call $enroll (local.get $v))",
    )]);
    let good = [database(Protocol::Postgres, "a")];
    let bad = [database(Protocol::Mysql, "b")];
    let worse = [database(Protocol::Mysql, "c")];
    assert_eq!(ask(&odd, &good), ["enroll [(\"by\", \"wat\")]"]);
    for _ in 0..5 {
        assert_eq!(ask(&odd, &bad), ["panicked"]);
    }
    assert!(!odd.health().standing().paused);
    assert_eq!(ask(&odd, &good), ["enroll [(\"by\", \"wat\")]"]);
    // Several are another matter, and one that works ends it.
    for database in [&bad, &worse, &bad] {
        assert_eq!(ask(&odd, database), ["panicked"]);
    }
    assert!(odd.health().standing().paused);
    assert_eq!(ask(&odd, &good), [health::PAUSED]);
    odd.health().try_again();
    let all = [&bad[0], &good[0]].map(Clone::clone);
    assert_eq!(ask(&odd, &all), ["panicked", "enroll [(\"by\", \"wat\")]"]);
    assert!(!odd.health().standing().paused);
}
