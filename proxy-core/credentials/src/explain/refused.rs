//! The database's own refusals.

use muster_model::{Protocol, Target};

use super::{
    Case,
    words::{connect_policy, entra_user, iam_user, name, said},
};
use crate::{api::Advice, method::Method};

/// What PostgreSQL calls a login that it does not accept, and MySQL's word for both.
const NOT_ACCEPTED: [&str; 2] = ["28000", "28P01"];

/// The database said no.
pub(super) fn refused(case: &Case<'_>, severity: &str, code: &str, message: &str) -> Advice {
    let target = case.target;
    let text = said(severity, message);
    let about = format!(
        "database {} refused the login of user {}: {text}",
        name(&target.name),
        name(case.db_user)
    );
    let lower = message.to_lowercase();
    let hint = if lower.contains("no encryption") || lower.contains("ssl off") {
        "The database accepts only encrypted connections from here, and this one was not. muster always encrypts: \
         something between muster and the database ended TLS."
            .to_owned()
    } else if lower.contains("aad_auth_tokentype") {
        entra_type(case)
    } else if lower.contains("no pg_hba.conf entry") {
        no_entry(case)
    } else if NOT_ACCEPTED.contains(&code) || lower.contains("authentication failed") {
        not_accepted(case)
    } else {
        other(code).to_owned()
    };
    Advice {
        message: about,
        hint,
        log: String::new(),
    }
}

/// The database asks for what is not at hand.
pub(super) fn unanswerable(case: &Case<'_>, asked: &str) -> Advice {
    let target = case.target;
    let (asked, user) = (name(asked), name(case.db_user));
    let has = match case.method {
        Some(Method::Iam) => "an IAM token",
        Some(Method::Entra) => "an Entra token",
        Some(Method::Password) => "a stored password",
        Some(Method::Certificate) => "a client certificate",
        Some(Method::None) | None => "nothing",
    };
    let hint = match case.method {
        Some(Method::Iam) => format!(
            "User {user} does not log in by IAM: the database would take a token otherwise. In the database:\n  {}\n\
             A user that has rds_iam can no longer log in with a password.",
            iam_user(target, case.db_user)
        ),
        Some(Method::Entra) => format!(
            "User {user} does not log in by Entra ID: the database would take a token otherwise. {}",
            entra_statement(target, case.db_user)
        ),
        Some(Method::Certificate) => format!(
            "{}\nOr store a password for this database and user under `proxy.secrets`.",
            certificate_entry(case)
        ),
        Some(Method::None) => "Say how muster logs in to this database: the hint `auth`, or a stored password under \
             `proxy.secrets`."
            .to_owned(),
        Some(Method::Password) | None => {
            "muster answers SCRAM-SHA-256, MD5, and clear text inside verified TLS. Set one of them for this user."
                .to_owned()
        }
    };
    Advice {
        message: format!(
            "database {} asks user {user} for {asked}, and muster has {has} for it",
            name(&target.name)
        ),
        hint,
        log: String::new(),
    }
}

fn not_accepted(case: &Case<'_>) -> String {
    let target = case.target;
    match case.method {
        Some(Method::Iam) => {
            let (policy, guessed) = connect_policy(target, case.db_user);
            let whose = match case.role {
                Some(role) => format!("Role {role}, which muster assumes for this database, needs"),
                None => "The identity that muster runs as needs".to_owned(),
            };
            let mut hint = format!(
                "Either is missing:\n1. {whose} this policy (a change takes some minutes to count"
            );
            for what in guessed {
                hint.push_str("; ");
                hint.push_str(what);
            }
            hint.push_str("):\n");
            hint.push_str(&policy);
            hint.push_str("\n2. In the database:\n  ");
            hint.push_str(&iam_user(target, case.db_user));
            hint.push_str(
                "\nWhere neither is: a token counts for 15 minutes by this machine's clock. `muster doctor` looks at it.",
            );
            hint
        }
        Some(Method::Entra) => entra_statement(target, case.db_user),
        Some(Method::Password) => {
            "The stored password is not this user's. It is read at each login: correct the file and connect again."
                .to_owned()
        }
        Some(Method::Certificate) => certificate_entry(case),
        Some(Method::None) | None => {
            "The database wants a proof and muster has none: give it the hint `auth`, or store a password under `proxy.secrets`."
                .to_owned()
        }
    }
}

fn entra_statement(target: &Target, db_user: &str) -> String {
    let which = if target.protocol == Protocol::Postgres {
        "in the database postgres"
    } else {
        "in the database mysql"
    };
    format!(
        "The identity that muster runs as needs a user of this name. As the server's Entra administrator, {which}, with \
         the identity's id put in:\n  {}\nOne identity may have several such users.",
        entra_user(target, db_user)
    )
}

fn entra_type(case: &Case<'_>) -> String {
    format!(
        "The database has this user for a person or a group, and muster logs in as a service. Drop it and make it again \
         with the type `service`:\n  {}",
        entra_user(case.target, case.db_user)
    )
}

fn no_entry(case: &Case<'_>) -> String {
    let hint =
        "The database has no rule that lets this user into this database from muster's address.";
    match case.method {
        Some(Method::Iam) => format!(
            "{hint} RDS says so too when the user does not exist, or may not log in by IAM. In the database:\n  {}",
            iam_user(case.target, case.db_user)
        ),
        Some(Method::Certificate) => format!("{hint} {}", certificate_entry(case)),
        _ => format!("{hint} Add one to pg_hba.conf, or correct the name of the database."),
    }
}

fn certificate_entry(case: &Case<'_>) -> String {
    match case.target.protocol {
        Protocol::Mysql => format!(
            "The server must trust muster's database authority (ssl_ca), and ask this user for its certificate:\n  \
             ALTER USER {} REQUIRE SUBJECT '/CN={}';",
            super::words::literal(case.target, case.db_user),
            name(case.db_user).replace('\'', "''")
        ),
        _ => "The server must trust muster's database authority (ssl_ca_file), and ask for its certificates in \
              pg_hba.conf, before other lines:\n  hostssl all all ADDRESS cert"
            .to_owned(),
    }
}

/// Refusals that are not about the proof. PostgreSQL's SQLSTATEs.
fn other(code: &str) -> &'static str {
    match code {
        "3D000" => {
            "There is no database of this name on the server. `psql -l` through muster lists those there are."
        }
        "42501" => {
            "The user may log in, and may not connect to this database: GRANT CONNECT ON DATABASE ... TO ...;"
        }
        "53300" => {
            "The server has no connection left. Look at who holds them (pg_stat_activity), or raise max_connections."
        }
        "57P03" => "The server is starting, stopping or recovering. Try again in a moment.",
        "57P01" | "57P02" => "The server is being restarted. Try again in a moment.",
        _ => "",
    }
}
