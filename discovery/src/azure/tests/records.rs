//! Each record of `recorded/records.yaml`, by itself.

use std::{collections::BTreeMap, sync::Arc};

use muster_model::{Availability, Scope, Service, Timestamp, fact};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::azure::{
    arm::{self, ArmId},
    product::Product,
    server,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    service: Service,
    record: String,
    #[serde(default)]
    want: BTreeMap<String, Value>,
    malformed: Option<WantMalformed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantMalformed {
    message: String,
    id: Option<String>,
}

const SUBSCRIPTION: &str = "aaaa0000-0000-0000-0000-000000000001";

fn cases() -> Vec<Case> {
    serde_yaml::from_str(include_str!("../recorded/records.yaml")).unwrap()
}

fn scope(service: Service) -> Arc<Scope> {
    Arc::new(Scope::azure(SUBSCRIPTION, service, None))
}

#[test]
fn records_become_databases() {
    for case in cases() {
        let about = &case.about;
        let product = Product::of(case.service).unwrap();
        match (
            server::database(product, &scope(case.service), &case.record),
            case.malformed,
        ) {
            (Ok(database), None) => {
                let json = serde_json::to_value(&database).unwrap();
                assert!(!case.want.is_empty(), "{about}: nothing is wanted");
                for (pointer, want) in &case.want {
                    let have = json.pointer(pointer).unwrap_or(&Value::Null);
                    assert_eq!(have, want, "{about}: {pointer}");
                }
                if let Some(created) = database.fact(fact::CREATED) {
                    created.parse::<Timestamp>().unwrap();
                }
            }
            (Err(malformed), Some(want)) => {
                assert!(
                    malformed.message.contains(&want.message),
                    "{about}: {}",
                    malformed.message
                );
                assert_eq!(malformed.provider_id, want.id, "{about}");
                assert_eq!(malformed.call, product.permission(), "{about}");
            }
            (Ok(_), Some(want)) => panic!("{about}: expected `{}`", want.message),
            (Err(malformed), None) => panic!("{about}: {}", malformed.message),
        }
    }
}

#[test]
fn states_mean_what_the_provider_says() {
    use Availability::{Available, Stopped, Unavailable, Unknown};
    for (service, state, want) in [
        (Service::PostgresqlFlexible, "Ready", Available),
        (Service::PostgresqlFlexible, "Updating", Available),
        (Service::MysqlFlexible, "Stopped", Stopped),
        (Service::MysqlFlexible, "Stopping", Stopped),
        (Service::MysqlFlexible, "Starting", Stopped),
        (Service::PostgresqlFlexible, "Disabled", Unavailable),
        (Service::PostgresqlFlexible, "Dropping", Unavailable),
        (Service::PostgresqlFlexible, "Inaccessible", Unknown),
        (Service::Postgresql, "Ready", Available),
        (Service::Postgresql, "Inaccessible", Unavailable),
        (Service::Mysql, "Dropping", Unavailable),
        (Service::Mysql, "Disabled", Unavailable),
        (Service::Mysql, "Stopped", Unknown),
    ] {
        let product = Product::of(service).unwrap();
        let key = if product.type_name == "servers" {
            "userVisibleState"
        } else {
            "state"
        };
        let record = json!({
            "id": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/{}/x", product.engine()),
            "location": "eastus",
            "properties": { key: state, "version": "8.0" },
        });
        let database = server::database(product, &scope(service), &record.to_string()).unwrap();
        assert_eq!(database.state.availability, want, "{service} {state}");
        assert_eq!(
            database.notes.is_empty(),
            want != Unknown,
            "{service} {state}"
        );
    }
}

#[test]
fn a_huge_record_is_not_looked_at() {
    let product = Product::of(Service::Mysql).unwrap();
    let record = json!({
        "id": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/{}/x", product.engine()),
        "location": "eastus",
        "tags": { "a": "a".repeat(300_000) },
    });
    let malformed =
        server::database(product, &scope(Service::Mysql), &record.to_string()).unwrap_err();
    assert!(
        malformed.message.contains("more than 262144"),
        "{}",
        malformed.message
    );
    assert!(malformed.provider_id.is_some());
}

#[test]
fn every_azure_service_has_a_product_and_no_other() {
    for service in Service::ALL {
        let product = Product::of(*service);
        assert_eq!(
            product.is_some(),
            service.provider() == muster_model::Provider::Azure
        );
        assert_eq!(
            product.and_then(|product| product.kind.service()),
            product.map(|_| *service)
        );
    }
    let engines: Vec<_> = Service::ALL
        .iter()
        .filter_map(|service| Product::of(*service))
        .map(Product::engine)
        .collect();
    assert_eq!(
        engines,
        [
            "Microsoft.DBforPostgreSQL/servers",
            "Microsoft.DBforPostgreSQL/flexibleServers",
            "Microsoft.DBforMySQL/servers",
            "Microsoft.DBforMySQL/flexibleServers",
        ]
    );
}

#[test]
fn arm_ids_are_taken_apart() {
    let id = ArmId::parse("/subscriptions/S/resourcegroups/G/Providers/N.A/t/x").unwrap();
    assert_eq!(
        (
            id.subscription,
            id.group,
            id.namespace,
            id.type_name,
            id.name
        ),
        ("S", "G", "N.A", "t", "x")
    );
    for wrong in [
        "",
        "/",
        "subscriptions/S/resourceGroups/G/providers/N/t/x",
        "/subscriptions/S/resourceGroups/G/providers/N/t",
        "/subscriptions/S/resourceGroups/G/providers/N/t/",
        "/subscriptions/S/resourceGroups/G/providers/N/t/x/databases/y",
        "/subscriptions//resourceGroups/G/providers/N/t/x",
        "/tenants/S/resourceGroups/G/providers/N/t/x",
    ] {
        assert_eq!(ArmId::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn regions_are_short_names() {
    for (location, region) in [
        ("East US", "eastus"),
        ("eastus2", "eastus2"),
        (" Germany West Central ", "germanywestcentral"),
        ("", ""),
    ] {
        assert_eq!(arm::region(location), region);
    }
}

#[test]
fn names_that_would_change_the_path_are_refused() {
    for (subscription, group, good) in [
        (SUBSCRIPTION, None, true),
        (SUBSCRIPTION, Some("rg-1_(prod).x"), true),
        (SUBSCRIPTION, Some("größe"), true),
        ("", None, false),
        ("..", None, false),
        ("a/b", None, false),
        (SUBSCRIPTION, Some(".."), false),
        (SUBSCRIPTION, Some("a/../b"), false),
        (SUBSCRIPTION, Some("a?b"), false),
        (SUBSCRIPTION, Some("a%2fb"), false),
        (SUBSCRIPTION, Some(""), false),
    ] {
        let scope = Scope::azure(subscription, Service::Mysql, group);
        assert_eq!(
            arm::check_scope(&scope).is_ok(),
            good,
            "{subscription} {group:?}"
        );
    }
}

#[test]
fn an_id_that_no_store_would_take_costs_only_its_record() {
    let product = Product::of(Service::Mysql).unwrap();
    let read = |name: &str| {
        let id = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.DBforMySQL/servers/{name}"
        );
        let record = json!({ "id": id, "name": "a", "location": "eastus", "properties": {} });
        server::database(product, &scope(Service::Mysql), &record.to_string())
    };
    assert!(read("orders").is_ok());
    for name in [
        "a".repeat(2048),
        "a#server".to_owned(),
        "a\u{1b}[2J".to_owned(),
    ] {
        let malformed = read(&name).unwrap_err();
        assert!(
            malformed.message.contains("its id"),
            "{}",
            malformed.message
        );
        assert!(malformed.provider_id.is_some());
    }
}

proptest! {
    #[test]
    fn no_text_and_no_cut_record_panics(text in "\\PC{0,200}", cut in 0_usize..2000, which in 0_usize..32) {
        let cases = cases();
        let case = &cases[which % cases.len()];
        let product = Product::of(case.service).unwrap();
        let scope = scope(case.service);
        let _ = server::database(product, &scope, &text);
        let mut cut = cut.min(case.record.len());
        while !case.record.is_char_boundary(cut) {
            cut -= 1;
        }
        let _ = server::database(product, &scope, &case.record[..cut]);
    }
}
