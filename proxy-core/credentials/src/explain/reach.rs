//! No connection.

use std::time::Duration;

use muster_model::{Availability, Target, fact};

use super::{
    Case,
    words::{argument, name},
};
use crate::api::Advice;

/// No connection came about.
pub(super) fn unreachable(
    case: &Case<'_>,
    host: &str,
    port: u16,
    tried_for: Duration,
    why: &str,
) -> Advice {
    let target = case.target;
    let (host, why) = (name(host), name(why));
    let at = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let lower = why.to_lowercase();
    let mut hint = Vec::new();
    if let Some(state) = state(target) {
        hint.push(state);
    }
    if lower.contains("refused") {
        hint.push(format!(
            "The host answers, and nothing listens at port {port}: is it the database's port?"
        ));
    } else if ["address", "resolve", "lookup", "name", "dns"]
        .iter()
        .any(|word| lower.contains(word))
    {
        hint.push(format!(
            "The name has no address here. From the machine that muster runs on: getent hosts {}",
            argument(&host)
        ));
        if target
            .facts
            .get(fact::PUBLIC)
            .is_some_and(|public| public == "false")
        {
            hint.push(
                "The database has a private address: muster must run in its network, or one that is connected to it and \
                 uses its DNS."
                    .to_owned(),
            );
        }
    } else {
        let mut text = String::from(
            "Nothing answers: a security group, a firewall or a missing route is in the way. It must let muster's machine in",
        );
        if let Some(vpc) = target.facts.get(fact::VPC) {
            text.push_str(&format!("; the database is in {}", name(vpc)));
        }
        if target
            .facts
            .get(fact::PUBLIC)
            .is_some_and(|public| public == "false")
        {
            text.push_str(", and has no public address");
        }
        text.push('.');
        hint.push(text);
    }
    hint.push(format!(
        "Test the route from the machine that muster runs on: nc -vz -w 5 {} {port}",
        argument(&host)
    ));
    Advice {
        message: format!(
            "cannot reach database {} at {at}: {why} (tried for {} s)",
            name(&target.name),
            tenths(tried_for)
        ),
        hint: hint.join("\n"),
        log: String::new(),
    }
}

/// The connection broke during the login.
pub(super) fn closed(case: &Case<'_>) -> Advice {
    let mut hint = Vec::new();
    if let Some(state) = state(case.target) {
        hint.push(state);
    }
    hint.push(
        "The server, or something before it, ended the connection without a word: it may be restarting or failing over, or \
         out of connections. Its own log says more."
            .to_owned(),
    );
    Advice {
        message: format!(
            "database {} closed the connection during the login of user {}",
            name(&case.target.name),
            name(case.db_user)
        ),
        hint: hint.join("\n"),
        log: String::new(),
    }
}

/// What the provider's state has to do with it.
pub(super) fn state(target: &Target) -> Option<String> {
    let state = name(&target.state.name);
    match target.state.availability {
        Availability::Stopped => Some(format!(
            "The database is {state}: start it and connect again."
        )),
        Availability::Unavailable => {
            Some(format!("The database is {state}, and cannot be used now."))
        }
        Availability::Available | Availability::Unknown => None,
    }
}

fn tenths(span: Duration) -> String {
    let tenths = (span.as_millis() + 50) / 100;
    if tenths.is_multiple_of(10) {
        format!("{}", tenths / 10)
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}
