//! Tables of what needs no clock and no cloud: methods and endpoints. Logins are in the modules below.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clouds;
mod passwords;
mod properties;

use std::collections::BTreeMap;

use muster_model::{Kind, Owner, Protocol};
use serde::Deserialize;

use crate::{
    endpoint::token_endpoint,
    method::method,
    testkit::{in_region, table, target},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table<T> {
    #[allow(dead_code)]
    about: String,
    cases: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MethodCase {
    kind: Kind,
    protocol: Option<Protocol>,
    #[serde(default)]
    facts: BTreeMap<String, String>,
    #[serde(default)]
    hints: BTreeMap<String, String>,
    #[serde(default)]
    secret: bool,
    want: Option<String>,
    why: Option<String>,
    error: Option<String>,
}

#[test]
fn methods_are_those_of_the_table() {
    for case in table::<Table<MethodCase>>("method/table.yaml").cases {
        let mut target = target(case.kind, "h");
        target.protocol = case.protocol.unwrap_or(Protocol::Postgres);
        target.facts.clone_from(&case.facts);
        target.hints.clone_from(&case.hints);
        let got = method(&target, case.secret);
        let said = |why: &crate::method::Why| format!("{why:?}").to_lowercase();
        assert_eq!(
            got.as_ref().err().map(ToString::to_string),
            case.error,
            "{case:?}"
        );
        assert_eq!(
            got.as_ref().ok().map(|chosen| chosen.method.to_string()),
            case.want,
            "{case:?}"
        );
        assert_eq!(
            got.as_ref().ok().map(|chosen| said(&chosen.why)),
            case.why,
            "{case:?}"
        );
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointCase {
    kind: Kind,
    region: String,
    host: Option<String>,
    owner: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

#[test]
fn tokens_go_to_the_hosts_of_the_table() {
    for case in table::<Table<EndpointCase>>("endpoint/table.yaml").cases {
        let mut target = in_region(
            target(case.kind, case.host.as_deref().unwrap_or_default()),
            &case.region,
        );
        if case.host.is_none() {
            target.endpoint = None;
        }
        if let Some(state) = &case.state {
            target.state.name.clone_from(state);
        }
        target.owner = Owner {
            by: case.owner.clone().unwrap_or_else(|| "config".to_owned()),
            group: "default".to_owned(),
        };
        match (token_endpoint(&target), &case.error) {
            (Ok(endpoint), None) => assert_eq!(Some(&endpoint.host), case.host.as_ref()),
            (Err(error), Some(want)) => {
                let error = error.to_string();
                assert!(error.contains(want), "{case:?}: {error}");
            }
            (got, _) => panic!("{case:?}: {got:?}"),
        }
    }
}
