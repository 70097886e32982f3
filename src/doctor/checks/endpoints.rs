//! Each database has a name that resolves, answers, and shows a certificate that is trusted.

use muster_model::Timestamp;

use super::words::span;
use crate::doctor::{Check, Evidence, Finding, evidence::Endpoint};

/// Before the end of a certificate that somebody has to renew.
const ENDS: i64 = 21 * 86_400;

/// Looks at databases' addresses.
pub fn look(evidence: &Evidence) -> Vec<Finding> {
    let Some(seen) = &evidence.endpoints else {
        return Vec::new();
    };
    let mut findings: Vec<Finding> = seen
        .at
        .iter()
        .filter_map(|endpoint| one(endpoint, evidence.now))
        .collect();
    if seen.unfinished > 0 {
        findings.push(
            Check::Endpoints
                .warns("unfinished", "endpoints")
                .what(format!(
                    "{} of {} databases were not looked at",
                    seen.unfinished,
                    seen.looked + seen.unfinished
                ))
                .why("the time was over")
                .remedy("give it more: muster doctor endpoints --timeout 10m"),
        );
    }
    findings
}

fn one(seen: &Endpoint, now: Timestamp) -> Option<Finding> {
    let Endpoint {
        target,
        at,
        stopped,
        message,
        detail,
        hint,
        expires,
    } = seen;
    let check = Check::Endpoints;
    let Some(stopped) = stopped else {
        let end = expires.filter(|end| *end <= now.plus(ENDS))?;
        return Some(
            check
                .warns("certificate-ends", target)
                .what(format!(
                    "the certificate of database {target} ends in {}",
                    span(end.since(now))
                ))
                .why(format!("that of {at} ends at {end}"))
                .remedy(hint),
        );
    };
    let code = match stopped.as_str() {
        "resolve" => "unresolved",
        "connect" => "unreachable",
        "no-tls" => "no-tls",
        "tls" => "certificate",
        _ => "closed",
    };
    let why = if detail.is_empty() { at } else { detail };
    Some(
        check
            .failed(code, target)
            .what(message)
            .why(why)
            .remedy(hint),
    )
}
