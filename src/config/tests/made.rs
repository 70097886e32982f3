//! What muster writes itself: created configurations, the schema, the reference page.

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use super::{super::schema, golden, read, root};
use crate::config::{
    CreateOptions, Overrides,
    create::{NewDatabase, What, create},
    parse,
    show::show,
};

#[test]
fn schema_and_reference_are_up_to_date() {
    let docs = root().join("docs");
    let schema = golden(&docs.join("muster.schema.json"), &schema::json());
    let page = golden(&docs.join("configuration.md"), &schema::reference());
    assert_eq!((schema, page), (Ok(()), Ok(())));
}

#[test]
fn every_setting_has_a_meaning_and_no_setting_may_be_null() {
    fn walk(value: &Value, settings: &mut usize) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (key, property) in properties {
                *settings += 1;
                let described = property
                    .get("description")
                    .and_then(Value::as_str)
                    .is_some_and(|text| text.len() > 5);
                assert!(
                    described || ["in", "not", "exists"].contains(&key.as_str()),
                    "`{key}` says nothing"
                );
            }
        }
        match value {
            Value::Object(object) => object.values().for_each(|value| walk(value, settings)),
            Value::Array(items) => items.iter().for_each(|value| walk(value, settings)),
            Value::String(text) => assert_ne!(text, "null"),
            Value::Null => panic!("null in the schema"),
            _ => {}
        }
    }
    let mut settings = 0;
    walk(&schema::schema(), &mut settings);
    assert!(settings > 40, "{settings} settings");
}

/// What the schema calls the default is what a file without the key gets.
#[test]
fn defaults_of_the_schema_are_the_defaults() {
    fn walk(
        schema: &Value,
        at: &Value,
        effective: &serde_yaml::Value,
        path: &str,
        seen: &mut usize,
    ) {
        let at = match at.get("$ref").and_then(Value::as_str) {
            Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap(),
            None => at,
        };
        let branches = at
            .get("anyOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        branches.for_each(|branch| walk(schema, branch, effective, path, seen));
        for (key, field) in at
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let path = format!("{path}/{key}");
            let Some(value) = effective.get(key) else {
                continue;
            };
            let value = value
                .get(0)
                .filter(|item| item.is_mapping())
                .unwrap_or(value);
            if let Some(default) = field.get("default") {
                assert_eq!(serde_json::to_value(value).unwrap(), *default, "{path}");
                *seen += 1;
            }
            walk(schema, field, value, &path, seen);
        }
    }
    let text = "version: 1\nstore: x\npolicy: sync\nsources:\n  aws: { types: rds, regions: us-east-1 }\n  azure: { types: mysql }\n";
    let loaded = parse(text, None).unwrap();
    let effective = serde_yaml::from_str(&show(&loaded, &Overrides::default(), false)).unwrap();
    let (schema, mut seen) = (schema::schema(), 0);
    walk(&schema, &schema, &effective, "", &mut seen);
    assert!(seen >= 17, "only {seen} defaults were compared");
}

#[test]
fn a_created_configuration_says_what_was_asked_for() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let options = CreateOptions {
        aws_types: words(&["rds", "docdb"]),
        aws_regions: words(&["us-east-1", "eu-west-1"]),
        aws_tags: vec![
            pair("env", "prod"),
            pair("team", "*"),
            pair("env", "staging"),
        ],
        assume_roles: vec![
            (
                "arn:aws:iam::222222222222:role/muster-discovery".to_owned(),
                Some("0012".to_owned()),
            ),
            (
                "arn:aws:iam::333333333333:role/muster-discovery".to_owned(),
                None,
            ),
        ],
        azure_types: words(&["mysql-flexible"]),
        azure_subscriptions: words(&["11111111-2222-3333-4444-555555555555"]),
        azure_resource_groups: words(&["databases-prod"]),
        azure_regions: words(&["West Europe"]),
        azure_tags: vec![pair("on", "yes")],
        store: Some("./data".to_owned()),
        policy: Some("sync".to_owned()),
        group: Some("production".to_owned()),
        ..CreateOptions::default()
    };
    let created = |name: &str, options: &CreateOptions| {
        let path = root().join("fixtures/config/good").join(name);
        golden(&path, &create(options).unwrap()).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(read(&path).unwrap().warnings.is_empty());
    };
    created("created.yaml", &options);
    created("created-default.yaml", &CreateOptions::default());
    let azure = CreateOptions {
        azure_types: words(&["postgres"]),
        ..CreateOptions::default()
    };
    created("created-azure.yaml", &azure);
    let database = NewDatabase {
        name: "aurora".to_owned(),
        description: None,
        protocol: "postgres".to_owned(),
        uri: "aurora.cluster-cbaewgrdx4jb.us-west-1.rds.amazonaws.com:5432".to_owned(),
        labels: vec![pair("env", "prod")],
        aws_region: Some("us-west-1".to_owned()),
    };
    let one = CreateOptions {
        what: What::Database,
        database: Some(database.clone()),
        public: words(&["db.example.com"]),
        ..CreateOptions::default()
    };
    created("created-db.yaml", &one);
    let plain = NewDatabase {
        labels: Vec::new(),
        aws_region: None,
        description: Some("orders: of the shop".to_owned()),
        uri: "orders.internal:5432".to_owned(),
        ..database.clone()
    };
    let all = CreateOptions {
        what: What::All,
        database: Some(plain),
        proxy_listen: Some("127.0.0.1:7431".to_owned()),
        ..CreateOptions::default()
    };
    created("created-all.yaml", &all);
    let without = CreateOptions {
        what: What::All,
        ..CreateOptions::default()
    };
    created("created-all-found.yaml", &without);
    // A token goes to no host but the provider's.
    let elsewhere = CreateOptions {
        database: Some(NewDatabase {
            uri: "orders.internal:5432".to_owned(),
            ..database
        }),
        ..one
    };
    let error = create(&elsewhere).unwrap_err().to_string();
    assert!(
        error.contains("databases[0].uri: no token is sent there"),
        "{error}"
    );
}

/// Comments of a created file are settings: without their `#` they are valid too.
#[test]
fn what_is_commented_out_can_be_used() {
    let text = create(&CreateOptions::default()).unwrap();
    let is_setting = |line: &str| {
        let line = line.trim_start().trim_start_matches("# ").trim_start();
        line.starts_with("- ")
            || line.split_once(':').is_some_and(|(key, _)| {
                key.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            })
    };
    let uncommented: String = text
        .lines()
        .filter(|line| is_setting(line) && !line.contains("yaml-language-server"))
        .map(|line| format!("{}\n", line.replacen("# ", "", 1)))
        .collect();
    let loaded = parse(&uncommented, Some(Path::new("m.yaml")))
        .unwrap_or_else(|error| panic!("{error}\n{uncommented}"));
    assert_eq!(
        (loaded.config.aws.len(), loaded.config.azure.len()),
        (1, 1),
        "{uncommented}"
    );
    assert_eq!(loaded.config.rules.map(|rules| rules.len()), Some(2));
    assert_eq!(loaded.config.aws[0].accounts.len(), 2);
    assert_eq!(loaded.config.databases.len(), 1);
    assert!(loaded.config.proxy.is_some());
}

#[test]
fn options_that_make_no_configuration_are_refused_by_name() {
    let options = CreateOptions {
        aws_types: vec!["rdz".to_owned()],
        ..CreateOptions::default()
    };
    let error = create(&options).unwrap_err().to_string();
    assert!(
        error.contains("sources.aws[0].types[0]: unknown type `rdz` (did you mean `rds`?)"),
        "{error}"
    );
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(
        "[a-zA-Z0-9 :#'\"\\\\{}\\[\\],&*!|>%@`~é\u{7f}\u{85}\u{2028}😀\n\t-]{1,12}",
        0..3,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is asked for is in the file as it was asked for, or is refused; it never means something else.
    #[test]
    fn created_configurations_parse(
        types in prop::sample::subsequence(vec!["rds", "docdb", "elasticache", "elasticache-serverless"], 0..4),
        azure in prop::sample::subsequence(vec!["postgres", "mysql-flexible", "mysql-single"], 0..3),
        regions in texts(),
        values in prop::collection::vec("[a-zA-Z0-9 :#'\"\\\\{}\\],&!|>%@`~é\u{7f}\u{85}\u{2028}😀\n\t-]{1,12}", 0..3),
        policy in prop::option::of(prop::sample::select(vec!["sync", "upsert-only", "create-only"])),
        store in "[a-zA-Z0-9 :#'\"\\\\{}\\[\\],&*!|>%@`é😀-]{1,20}",
    ) {
        prop_assume!(!store.trim().is_empty());
        let words = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let values: Vec<String> = values.into_iter().filter(|value| !value.starts_with('^')).collect();
        let regions: Vec<String> = regions.into_iter().filter(|region| !region.trim().is_empty() && region != "*").collect();
        let options = CreateOptions {
            aws_types: words(types),
            azure_types: words(azure),
            aws_regions: regions.clone(),
            aws_tags: values.iter().map(|value| ("a key: #".to_owned(), value.clone())).collect(),
            policy: policy.map(str::to_owned),
            store: Some(format!("/{store}")),
            ..CreateOptions::default()
        };
        let text = create(&options).unwrap_or_else(|error| panic!("{error}"));
        let config = parse(&text, None).unwrap().config;
        prop_assert_eq!(&config.store, &std::path::PathBuf::from(format!("/{store}")).components().collect::<std::path::PathBuf>());
        prop_assert_eq!(config.settings.policy.as_str(), policy.unwrap_or("upsert-only"));
        if let Some(source) = config.aws.first() {
            let lower = |names: Vec<String>| names.iter().map(|name| name.to_lowercase()).collect::<std::collections::BTreeSet<_>>();
            let read = source.regions.clone().map(|regions| lower(regions.into_iter().collect()));
            prop_assert_eq!(read, (!regions.is_empty()).then(|| lower(regions)));
            let asked = source.tags.requirement("a key: #").map(|key| key.any_of().iter().map(|value| value.as_str().to_owned()).collect::<Vec<_>>());
            prop_assert_eq!(asked, (!values.is_empty()).then_some(values));
        }
    }
}
