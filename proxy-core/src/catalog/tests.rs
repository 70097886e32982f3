//! What a person types, and which target it leads to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeMap;

use muster_model::{Availability, Endpoint, Kind, Labels, Owner, Protocol, Scope, Service, State};
use proptest::prelude::*;

use super::*;

fn target(id: &str, name: &str, short: &str) -> Arc<Target> {
    Arc::new(Target {
        id: ResourceId::of(id, "instance"),
        name: name.to_owned(),
        short_name: short.to_owned(),
        kind: Kind::Rds,
        protocol: Protocol::Postgres,
        endpoint: Some(Endpoint {
            host: "db.example.com".into(),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".into(),
        engine_version: "15".into(),
        state: State {
            name: "available".into(),
            availability: Availability::Available,
        },
        labels: Labels::default(),
        hints: BTreeMap::new(),
        facts: BTreeMap::new(),
        scope: Arc::new(Scope::aws("1", "eu-west-1", Service::Rds)),
        owner: Owner {
            by: "config".into(),
            group: String::new(),
        },
        reason: String::new(),
    })
}

#[test]
fn a_name_or_an_unshared_short_name_leads_to_the_target() {
    let catalog: Catalog = [
        target("a", "orders-1", "orders"),
        target("b", "bills-1", "bills"),
    ]
    .into_iter()
    .collect();
    assert_eq!(
        catalog.find("orders-1").unwrap().id,
        ResourceId::of("a", "instance")
    );
    assert_eq!(
        catalog.find("BILLS").unwrap().id,
        ResourceId::of("b", "instance")
    );
    assert_eq!(
        catalog.find("x").unwrap_err(),
        NoTarget::Unknown("x".into())
    );

    let more = catalog.with(target("c", "orders-2", "orders"));
    assert_eq!(
        more.find("orders").unwrap_err(),
        NoTarget::Ambiguous {
            name: "orders".into(),
            count: 2
        }
    );
    // A snapshot that somebody still holds does not change.
    assert!(catalog.find("orders").is_ok());
    assert!(
        more.without(&ResourceId::of("a", "instance"))
            .find("orders")
            .is_ok()
    );
}

proptest! {
    /// Whatever was added, renamed and removed: the indexes say what a plain list says.
    #[test]
    fn indexes_agree_with_a_list(steps in prop::collection::vec((0u8..6, 0u8..4, 0u8..3, any::<bool>()), 0..40)) {
        let mut catalog = Catalog::new();
        let mut list: BTreeMap<u8, (String, String)> = BTreeMap::new();
        for (id, name, short, add) in steps {
            if add {
                let (name, short) = (format!("n{name}-{id}"), format!("s{short}"));
                catalog = catalog.with(target(&id.to_string(), &name, &short));
                list.insert(id, (name, short));
            } else {
                catalog = catalog.without(&ResourceId::of(&id.to_string(), "instance"));
                list.remove(&id);
            }
        }
        prop_assert_eq!(catalog.len(), list.len());
        for (name, _) in list.values() {
            prop_assert!(catalog.find(name).is_ok());
        }
        // The second half of the list, in order.
        let mut names: Vec<&String> = list.values().map(|(name, _)| name).collect();
        names.sort();
        let half = names.len() / 2;
        let after = half.checked_sub(1).map(|last| names[last].to_uppercase());
        let rest: Vec<&String> = catalog.after(after.as_deref()).map(|target| &target.name).collect();
        prop_assert_eq!(rest, &names[half..]);
        for short in ["s0", "s1", "s2"] {
            let sharers = list.values().filter(|(_, s)| s == short).count();
            prop_assert_eq!(catalog.called(short).count(), sharers);
            match catalog.find(short) {
                Ok(_) => prop_assert_eq!(sharers, 1),
                Err(NoTarget::Unknown(_)) => prop_assert_eq!(sharers, 0),
                Err(NoTarget::Ambiguous { count, .. }) => prop_assert_eq!(sharers, count),
            }
        }
    }
}
