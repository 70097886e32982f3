//! What the tests share: targets, tables in files, a clock that is set by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use muster_model::{
    Availability, Endpoint, Kind, Labels, Owner, Protocol, Provider, ResourceId, Scope, Service,
    State, Target,
};
use serde::de::DeserializeOwned;

use crate::Clock;

/// The tests' time: 2026-11-21T00:00:00Z.
pub const NOW: u64 = 1_795_219_200;

/// A table in `fixtures/credentials/`.
pub fn table<T: DeserializeOwned>(path: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/credentials")
        .join(path);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A clock that is set by hand, in seconds since 1970.
#[derive(Clone)]
pub struct Hand(Arc<AtomicU64>);

impl Hand {
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds)))
    }

    pub fn clock(&self) -> Clock {
        let hand = Arc::clone(&self.0);
        Arc::new(move || UNIX_EPOCH + Duration::from_secs(hand.load(Ordering::SeqCst)))
    }

    pub fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

/// An available PostgreSQL of this kind that a person wrote down.
pub fn target(kind: Kind, host: &str) -> Target {
    let scope = match kind.service() {
        Some(service) if service.provider() == Provider::Azure => {
            Scope::azure("00000000-0000-0000-0000-000000000001", service, None)
        }
        Some(service) => Scope::aws("111111111111", "eu-west-1", service),
        None => Scope::aws("", "", Service::Rds),
    };
    Target {
        id: ResourceId::of("static/orders", "server"),
        name: "orders".to_owned(),
        short_name: "orders".to_owned(),
        kind,
        protocol: Protocol::Postgres,
        endpoint: Some(Endpoint {
            host: host.to_owned(),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".to_owned(),
        engine_version: "16.4".to_owned(),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        labels: Labels::default(),
        hints: BTreeMap::new(),
        facts: BTreeMap::new(),
        scope: Arc::new(scope),
        owner: Owner {
            by: "config".to_owned(),
            group: "default".to_owned(),
        },
        reason: "written by hand".to_owned(),
    }
}

/// The same, found by muster.
pub fn found(kind: Kind, host: &str) -> Target {
    Target {
        owner: Owner {
            by: Owner::DISCOVERY.to_owned(),
            group: "default".to_owned(),
        },
        ..target(kind, host)
    }
}

/// The same, in another region.
pub fn in_region(target: Target, region: &str) -> Target {
    let scope = Scope {
        region: muster_model::Region::new(region),
        ..(*target.scope).clone()
    };
    Target {
        scope: Arc::new(scope),
        ..target
    }
}
