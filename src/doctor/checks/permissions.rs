//! No scan was refused for want of a permission.

use serde_json::json;

use super::words::count;
use crate::doctor::{
    Check, Evidence, Finding,
    evidence::{Denied, Permissions},
};

/// Looks at what scans were denied.
pub fn look(evidence: &Evidence) -> Vec<Finding> {
    let Some(seen) = &evidence.permissions else {
        return Vec::new();
    };
    let Permissions { denied, printed } = seen;
    let finding = |denied: &Denied| {
        let Denied {
            provider,
            account,
            permissions,
            scope,
            message,
        } = denied;
        let names: Vec<&str> = permissions.keys().map(String::as_str).collect();
        let scopes = permissions.values().max().copied().unwrap_or_default();
        let kind = if provider == "azure" {
            "subscription"
        } else {
            "account"
        };
        let unknown = printed.as_ref().map_or_else(Vec::new, |printed| {
            let unknown = names.iter().filter(|name| !printed.contains(**name));
            unknown.copied().collect()
        });
        // What has the printed policy already is denied by something above it.
        let above = if unknown.is_empty() && printed.is_some() {
            "\nThe printed policy has them: when the identity has it too, a permissions boundary, a service control \
             policy or a deny assignment stands above it."
        } else {
            ""
        };
        let missing = match provider.as_str() {
            "azure" => format!("{:#}", json!({ "actions": names })),
            _ => format!(
                "{:#}",
                json!({ "Effect": "Allow", "Action": names, "Resource": "*" })
            ),
        };
        Check::Permissions
            .failed("denied", account)
            .what(format!(
                "scans of {kind} {account} are denied {}, in {}",
                names.join(", "),
                count(scopes, "scope")
            ))
            .why(format!("{scope}: {message}"))
            .remedy(format!(
                "give the identity that muster uses there:\n{missing}\nthe whole policy: muster install iam {provider}{above}"
            ))
    };
    denied.iter().map(finding).collect()
}
