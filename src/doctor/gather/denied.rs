//! What scans say of permissions and credentials: from how each scope was read the last time.

use std::collections::{BTreeMap, BTreeSet};

use muster_model::{AccountId, Coverage, FailureReason, Provider, Scope};
use serde_json::Value;

use crate::{
    config::{AwsAccountRef, Config},
    doctor::evidence::{Account, Denied, Refusal},
    install::iam,
};

/// The call by which accounts are entered.
const ASSUME_ROLE: &str = "sts:AssumeRole";

/// What was denied, by account. Entering an account is no matter of its scans.
pub fn denied<'a>(scopes: impl IntoIterator<Item = (&'a Scope, &'a Coverage)>) -> Vec<Denied> {
    let mut all: BTreeMap<(Provider, AccountId), Denied> = BTreeMap::new();
    for (scope, coverage) in in_order(scopes) {
        let refused = coverage.failures().iter().filter(|failure| {
            failure.reason == FailureReason::Denied && failure.call != ASSUME_ROLE
        });
        let mut of_scope = BTreeSet::new();
        for failure in refused {
            let account = (scope.provider, scope.account.clone());
            let denied = all.entry(account).or_insert_with(|| Denied {
                provider: scope.provider.as_str().to_owned(),
                account: scope.account.to_string(),
                scope: scope.to_string(),
                message: failure.message.clone(),
                ..Denied::default()
            });
            let permission = failure.permission.as_ref().unwrap_or(&failure.call);
            if of_scope.insert(permission.clone()) {
                *denied.permissions.entry(permission.clone()).or_default() += 1;
            }
        }
    }
    all.into_values().collect()
}

/// Accounts for which a scan had no credentials, or whose role it was refused.
pub fn without_credentials<'a>(
    scopes: impl IntoIterator<Item = (&'a Scope, &'a Coverage)>,
    config: &Config,
) -> Vec<Account> {
    let roles: BTreeMap<AccountId, &AwsAccountRef> = config
        .aws
        .iter()
        .flat_map(|source| &source.accounts)
        .filter_map(|account| Some((account.account()?, account)))
        .collect();
    let mut all: BTreeMap<String, Account> = BTreeMap::new();
    for (scope, coverage) in in_order(scopes) {
        let failure = coverage.failures().iter().find(|failure| {
            failure.reason == FailureReason::NoCredentials
                || (failure.reason == FailureReason::Denied && failure.call == ASSUME_ROLE)
        });
        let Some(failure) = failure else { continue };
        let (cloud, role) = match scope.provider {
            Provider::Aws => ("AWS", roles.get(&scope.account)),
            Provider::Azure => ("Azure", None),
            // No cloud is asked for it.
            Provider::SelfHosted => continue,
        };
        let (name, external_id) = match role {
            Some(AwsAccountRef::Role { arn, external_id })
                if failure.reason == FailureReason::Denied =>
            {
                (arn.clone(), external_id.clone())
            }
            _ => (super::accounts::AMBIENT.to_owned(), None),
        };
        let key = format!("{cloud} {name}");
        all.entry(key).or_insert_with(|| Account {
            cloud: cloud.to_owned(),
            name,
            caller: None,
            failure: Some(Refusal {
                reason: failure.reason.as_str().to_owned(),
                message: failure.message.clone(),
                external_id,
            }),
        });
    }
    all.into_values().collect()
}

/// Scopes that were not completely read, by name: whoever tells of one of several tells of the same one.
fn in_order<'a>(
    scopes: impl IntoIterator<Item = (&'a Scope, &'a Coverage)>,
) -> Vec<(&'a Scope, &'a Coverage)> {
    let incomplete = |(_, coverage): &(&Scope, &Coverage)| !coverage.is_complete();
    let mut scopes: Vec<_> = scopes.into_iter().filter(incomplete).collect();
    scopes.sort_by_cached_key(|(scope, _)| scope.to_string());
    scopes
}

/// The permissions that `muster install iam` prints for a configuration.
pub fn printed(config: &Config) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let documents = iam::aws(config, None).into_iter().chain(iam::azure(config));
    for document in documents {
        collect(&document.body, &mut all);
    }
    all
}

/// Every text under a key for actions.
fn collect(value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if matches!(key.as_str(), "Action" | "Actions" | "actions") {
                    let one = value.as_str().into_iter();
                    let many = value.as_array().into_iter().flatten();
                    all.extend(one.map(str::to_owned));
                    all.extend(many.filter_map(Value::as_str).map(str::to_owned));
                } else {
                    collect(value, all);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, all)),
        _ => {}
    }
}
