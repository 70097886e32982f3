//! `kind: user`: roles and traits. How a user logs in is no part of the record.

use serde_json::{Map, Value, json};

use super::{
    fields::{Fields, Findings},
    meta,
};
use crate::user::{Meta, Traits, User};

/// The most roles of a user, as many as a certificate carries.
const MAX_ROLES: usize = 256;

/// The most values of a trait.
const MAX_VALUES: usize = 1024;

/// Reads the parts of a user behind the metadata.
pub(super) fn read(
    name: String,
    mut meta: Meta,
    root: &mut Fields<'_>,
    found: &mut Findings,
) -> Option<User> {
    let mut spec = root.map("spec", found)?;
    let roles = spec.texts("roles", found);
    if let Some((_, field)) = roles.get(MAX_ROLES) {
        found.wrong(field, format!("a user has at most {MAX_ROLES} roles"));
    }
    let mut traits = Traits::new();
    if let Some(mut map) = spec.map("traits", found) {
        for (key, field) in map.all() {
            if field.node.is_null() {
                continue;
            }
            let values: Vec<String> = field
                .texts(found)
                .into_iter()
                .map(|(text, _)| text)
                .collect();
            if values.len() > MAX_VALUES {
                found.wrong(&field, format!("a trait has at most {MAX_VALUES} values"));
            }
            if !values.is_empty() {
                traits.insert(key.to_owned(), values);
            }
        }
    }
    if let Some(expires) = spec.time("expires", found) {
        meta.expires = Some(meta.expires.map_or(expires, |other| other.min(expires)));
    }
    if let Some(mut status) = spec.map("status", found) {
        if let Some(field) = status.get("is_locked")
            && field.bool(found) == Some(true)
        {
            found.wrong_hint(
                &field,
                "a user is locked by a record of its own",
                "remove it, and write a `kind: lock` with `spec.target.user`",
            );
        }
        status.skip(&[
            "lock_expires",
            "locked_message",
            "locked_time",
            "mfa_weakest_device",
            "password_state",
            "recovery_attempt_lock_expires",
        ]);
        status.finish(found);
    }
    spec.ignore(
        &[
            "github_identities",
            "oidc_identities",
            "saml_identities",
            "trusted_device_ids",
        ],
        "people log in to muster by password",
        found,
    );
    spec.skip(&["created_by", "local_auth"]);
    spec.finish(found);
    let mut names: Vec<String> = roles.into_iter().map(|(text, _)| text).collect();
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|role| seen.insert(role.clone()));
    Some(User {
        name,
        roles: names,
        traits,
        meta,
        since: None,
    })
}

/// As a file says it.
pub(super) fn write(user: &User) -> Value {
    let mut spec = Map::new();
    spec.insert("roles".to_owned(), json!(user.roles));
    if !user.traits.is_empty() {
        spec.insert("traits".to_owned(), json!(user.traits));
    }
    json!({
        "kind": "user",
        "version": "v2",
        "metadata": meta::write(&user.name, &user.meta),
        "spec": spec,
    })
}
