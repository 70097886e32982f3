//! Policies, ARNs and quoting.

use muster_cloud::{aws::Partition, error::one_line};
use muster_model::{Kind, Protocol, Target, fact};
use serde_json::json;

use crate::method::is_azure_single;

/// The longest name that is shown, in characters.
const MAX_NAME: usize = 128;

/// A name from outside, on one line.
pub(super) fn name(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(clean).take(MAX_NAME).collect()
}

/// What the database said, on one line, without what looks like a token: a database that repeats what it was sent must
/// not hand it to the client.
pub(super) fn said(severity: &str, message: &str) -> String {
    let mut clean = one_line(message);
    // MySQL's words, which say whether there was one.
    for word in ["(using password: YES)", "(using password: NO)"] {
        if message.contains(word) {
            clean = clean.replace("(using password: (hidden)", word);
        }
    }
    let message = clean;
    if severity.is_empty() {
        message
    } else {
        format!("{}: {message}", name(severity))
    }
}

/// A name in SQL: as it is when it is simple, else in the protocol's quotes.
pub(super) fn identifier(target: &Target, text: &str) -> String {
    let text = name(text);
    let simple = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match target.protocol {
        _ if simple => text,
        Protocol::Mysql => format!("`{}`", text.replace('`', "``")),
        _ => format!("\"{}\"", text.replace('"', "\"\"")),
    }
}

/// A text in SQL. A backslash is doubled for MySQL, where it would mean something.
pub(super) fn literal(target: &Target, text: &str) -> String {
    let text = name(text).replace('\'', "''");
    if target.protocol == Protocol::Mysql {
        format!("'{}'", text.replace('\\', "\\\\"))
    } else {
        format!("'{text}'")
    }
}

/// An argument in a shell.
pub(super) fn argument(text: &str) -> String {
    let text = name(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// The partition that the target is in.
pub(super) fn partition(target: &Target) -> &'static str {
    Partition::of_arn(target.id.provider_id())
        .unwrap_or_else(|| Partition::of_region(target.scope.region.as_str()))
        .name()
}

/// The last part of the provider's id: what a person called the instance, cluster or server.
pub(super) fn resource(target: &Target) -> &str {
    let id = target.id.provider_id();
    id.rsplit([':', '/'])
        .next()
        .filter(|last| !last.is_empty())
        .unwrap_or(&target.name)
}

/// The policy that lets muster log in to an RDS database as a user, and what in it had to be guessed.
pub(super) fn connect_policy(target: &Target, db_user: &str) -> (String, Vec<&'static str>) {
    let mut guessed = Vec::new();
    let account = target.scope.account.as_str();
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let account = if is_account {
        account
    } else {
        guessed.push("put in the number of the database's account");
        "ACCOUNT"
    };
    let id = match target.facts.get(fact::RESOURCE_ID) {
        Some(id) => id.as_str(),
        None => {
            guessed.push(if target.kind == Kind::Aurora {
                "put in the cluster's DbClusterResourceId (cluster-...)"
            } else {
                "put in the instance's DbiResourceId (db-...), or the proxy's prx-..."
            });
            "RESOURCE-ID"
        }
    };
    let arn = format!(
        "arn:{}:rds-db:{}:{account}:dbuser:{id}/{}",
        partition(target),
        target.scope.region,
        name(db_user)
    );
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "rds-db:connect", "Resource": arn }],
    });
    (format!("{policy:#}"), guessed)
}

/// The statements that make a user of an RDS database log in by IAM.
pub(super) fn iam_user(target: &Target, db_user: &str) -> String {
    if target.protocol == Protocol::Mysql {
        format!(
            "CREATE USER {} IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';",
            literal(target, db_user)
        )
    } else {
        let user = identifier(target, db_user);
        format!("CREATE USER {user};   -- when it does not exist yet\n  GRANT rds_iam TO {user};")
    }
}

/// The statements that make a user of an Azure database log in by Entra ID.
pub(super) fn entra_user(target: &Target, db_user: &str) -> String {
    // At single servers the name in the database is without the server's.
    match (target.protocol, is_azure_single(target.kind)) {
        (Protocol::Mysql, _) => format!(
            "SET aad_auth_validate_oids_in_tenant = OFF;\n  CREATE AADUSER {} IDENTIFIED BY 'CLIENT-ID';",
            literal(target, db_user)
        ),
        (_, true) => format!(
            "SET aad_validate_oids_in_tenant = off;\n  CREATE ROLE {} WITH LOGIN PASSWORD 'CLIENT-ID' IN ROLE azure_ad_user;",
            identifier(target, db_user)
        ),
        (_, false) => format!(
            "SELECT * FROM pgaadauth_create_principal_with_oid({}, 'OBJECT-ID', 'service', false, false);",
            literal(target, db_user)
        ),
    }
}
