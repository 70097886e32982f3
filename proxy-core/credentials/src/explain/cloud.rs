//! No proof to log in with.

use muster_cloud::{CallError, Reason, aws::missing_assume_role_policies};
use muster_model::{Kind, Protocol, Target, fact};

use super::{
    Case,
    reach::state,
    words::{argument, name, resource},
};
use crate::{
    api::Advice,
    endpoint::EndpointError,
    error::{CredentialError, RoleRefused},
    method::{MethodError, is_azure},
};

/// What a missing proof means. What only the operator may see goes to the log alone.
pub(super) fn credentials(case: &Case<'_>, error: &CredentialError) -> Advice {
    let target = case.target;
    let (why, hint, log) = match error {
        CredentialError::Method(error) => {
            (error.to_string(), method(target, error), String::new())
        }
        CredentialError::Endpoint(error) => {
            (error.to_string(), endpoint(target, error), String::new())
        }
        CredentialError::Cloud(error) => cloud(target, error),
        CredentialError::Role(refused) => role(refused),
        CredentialError::NoAccess { cloud } => (
            format!("muster has no access to {cloud}"),
            format!("Give muster's process credentials for {cloud}, as for discovery."),
            String::new(),
        ),
        CredentialError::Region { .. } => (
            error.to_string(),
            "Correct the region in the database's record.".to_owned(),
            String::new(),
        ),
        CredentialError::NoSecret => (
            error.to_string(),
            "Its record says `auth: password`: name a file for this database and user under `proxy.secrets`."
                .to_owned(),
            String::new(),
        ),
        // Where the file is, and what is wrong with it, is the operator's.
        CredentialError::Secret { .. } => (
            "its stored password cannot be used".to_owned(),
            "muster's log says why: ask whoever runs it.".to_owned(),
            error.to_string(),
        ),
        CredentialError::Certificate(_) => (
            "muster could not issue a client certificate".to_owned(),
            "muster's log says why: ask whoever runs it.".to_owned(),
            error.to_string(),
        ),
        CredentialError::Trust(_) => (
            error.to_string(),
            "Correct the TLS settings of the database's record, or of the configuration.".to_owned(),
            String::new(),
        ),
        CredentialError::Unverified { .. } => (
            error.to_string(),
            "A token proves muster to whoever gets it, so it goes only to a server whose certificate and name were \
             checked. Take `tls.mode` away; name the authority's certificate (`tls.ca_cert`) if that is the reason for it."
                .to_owned(),
            String::new(),
        ),
    };
    Advice {
        message: format!(
            "cannot log in to database {} as {}: {why}",
            name(&target.name),
            name(case.db_user)
        ),
        hint,
        log,
    }
}

fn method(target: &Target, error: &MethodError) -> String {
    match error {
        MethodError::IamOff => {
            let (what, flag) = if target.kind == Kind::Aurora {
                ("modify-db-cluster", "--db-cluster-identifier")
            } else {
                ("modify-db-instance", "--db-instance-identifier")
            };
            format!(
                "Switch it on (\"password and IAM authentication\"); muster sees it at its next scan:\n  aws rds {what} \
                 --region {} {flag} {} --enable-iam-database-authentication --apply-immediately\nOr store a password for \
                 this database and user under `proxy.secrets`.",
                argument(target.scope.region.as_str()),
                argument(resource(target))
            )
        }
        MethodError::EntraOff => {
            let group = target
                .facts
                .get(fact::RESOURCE_GROUP)
                .map_or_else(|| "GROUP".to_owned(), |group| argument(group));
            let server = argument(resource(target));
            let how = if target.protocol == Protocol::Mysql {
                format!(
                    "az mysql flexible-server ad-admin create --resource-group {group} --server-name {server} \
                     --display-name NAME --object-id ID --identity IDENTITY"
                )
            } else {
                format!(
                    "az postgres flexible-server update --resource-group {group} --name {server} \
                     --microsoft-entra-auth Enabled"
                )
            };
            format!(
                "Switch it on, and set an Entra administrator; muster sees it at its next scan:\n  {how}\nOr store a \
                 password for this database and user under `proxy.secrets`."
            )
        }
        MethodError::Unknown { .. } | MethodError::NotOfKind { .. } => {
            "Correct the hint `auth` of the database's record, or take it away.".to_owned()
        }
        MethodError::NotYet { .. } => {
            "Store a password for this database and user under `proxy.secrets`.".to_owned()
        }
    }
}

fn endpoint(target: &Target, error: &EndpointError) -> String {
    match error {
        EndpointError::None { .. } => state(target).unwrap_or_else(|| {
            "The provider reports no endpoint yet. muster looks again at its next scan.".to_owned()
        }),
        EndpointError::Name { .. } => "Correct the host in the database's record.".to_owned(),
        EndpointError::Foreign { .. } => {
            "A token is sent to the provider's own hosts only. Correct host or region in the database's record, or say how \
             else muster logs in (`auth`)."
                .to_owned()
        }
    }
}

fn cloud(target: &Target, error: &CallError) -> (String, String, String) {
    let of = if is_azure(target.kind) {
        "Azure"
    } else {
        "AWS"
    };
    let mut log = error.to_string();
    let (why, hint) = match error.reason {
        Reason::NoCredentials => {
            log.push_str(if of == "AWS" {
                "\nOn EKS and in other containers the metadata service is out of reach while its hop limit is 1: raise it \
                 to 2 (aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2), or give the pod a role of \
                 its own (IRSA, Pod Identity)."
            } else {
                "\nThe order is that of Azure's default chain: environment, workload identity, managed identity, Azure CLI. \
                 A source that is set up and fails ends it."
            });
            (
                format!("muster has no credentials for {of}"),
                "muster's log lists every source that it tried: ask whoever runs it.",
            )
        }
        Reason::Throttled | Reason::Unreachable | Reason::Server | Reason::Truncated => (
            format!("{of} gave muster no token ({})", error.reason),
            "Try again in a moment. muster's log has the answer that it got.",
        ),
        _ => (
            format!("{of} gave muster no token ({})", error.reason),
            "muster's log has the answer that it got: ask whoever runs it.",
        ),
    };
    (why, hint.to_owned(), log)
}

fn role(refused: &RoleRefused) -> (String, String, String) {
    let RoleRefused {
        caller,
        role,
        external_id,
        error,
    } = refused;
    let (trust, permission) = missing_assume_role_policies(caller, role, external_id.as_deref());
    (
        format!("{} may not assume {}", name(caller), name(role)),
        format!(
            "Both are needed:\n1. The trust policy of {role}:\n{trust}\n2. A policy of {caller}:\n{permission}",
            role = name(role),
            caller = name(caller)
        ),
        error.to_string(),
    )
}
