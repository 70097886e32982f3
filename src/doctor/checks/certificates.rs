//! Authorities, the proxy's certificate, those that are trusted, and the names in them.

use muster_model::Timestamp;

use super::words::{argument, path, span};
use crate::doctor::{
    Check, Evidence, Finding,
    evidence::{Authority, Certificates, PublicName, TrustFile},
};

const DAY: i64 = 86_400;

/// Before the end of an authority there has to be time to give its successor to databases and people.
const AUTHORITY: i64 = 60 * DAY;
/// Before databases get to know one authority alone again.
const OVERLAP: i64 = 7 * DAY;
/// The proxy's certificate lives for a month and is made anew long before: something keeps that from happening.
const SHOWN: i64 = 2 * DAY;
/// Before the end of a certificate that somebody else has to renew.
const TRUSTED: i64 = 30 * DAY;

/// Looks at certificates.
pub fn look(evidence: &Evidence) -> Vec<Finding> {
    let Some(seen) = &evidence.certificates else {
        return Vec::new();
    };
    let now = evidence.now;
    let Certificates {
        authorities,
        shown_until,
        trusted,
        names,
        failure,
    } = seen;
    let mut findings = Vec::new();
    if let Some(trouble) = failure {
        let hint = match trouble.hint.as_str() {
            "" => "look at them with: muster auth status",
            hint => hint,
        };
        findings.push(
            Check::Certificates
                .failed("authorities-unreadable", "authorities")
                .what("the authorities for certificates cannot be looked at")
                .why(&trouble.why)
                .remedy(hint),
        );
    }
    findings.extend(authorities.iter().filter_map(|seen| authority(seen, now)));
    findings.extend(rotations(authorities, now));
    findings.extend(shown_until.and_then(|end| shown(end, now)));
    findings.extend(trusted.iter().flat_map(|file| trust_file(file, now)));
    findings.extend(names.iter().filter_map(public_name));
    findings
}

fn authority(seen: &Authority, now: Timestamp) -> Option<Finding> {
    let Authority {
        ca, signs, expires, ..
    } = seen;
    // One that only stands by until its overlap is over is meant to end.
    if !signs || *expires > now.plus(AUTHORITY) {
        return None;
    }
    let remedy = format!("muster auth rotate --ca {}", argument(ca));
    let remedy = match ca.as_str() {
        "db" => format!(
            "{remedy}\nthen give databases both: muster auth export --ca db --out db-ca.pem"
        ),
        _ => remedy,
    };
    let check = Check::Certificates;
    Some(if *expires <= now {
        check
            .failed("authority-ended", ca)
            .what(format!(
                "the {ca} authority has ended, and nothing that it signed counts"
            ))
            .why(format!("its certificate ended at {expires}"))
            .remedy(remedy)
    } else {
        check
            .warns("authority-ends", ca)
            .what(format!(
                "the {ca} authority ends in {}",
                span(expires.since(now))
            ))
            .why(format!("its certificate ends at {expires}"))
            .remedy(remedy)
    })
}

/// Databases have to be told by hand while one authority follows another.
fn rotations(authorities: &[Authority], now: Timestamp) -> Option<Finding> {
    let ends = authorities
        .iter()
        .filter(|seen| seen.ca == "db")
        .filter_map(|seen| seen.overlap_ends)
        .find(|ends| *ends > now && *ends <= now.plus(OVERLAP))?;
    let finding = Check::Certificates
        .warns("rotation", "db")
        .what(format!(
            "databases have to trust the new db authority within {}",
            span(ends.since(now))
        ))
        .why(format!("the old one signs until {ends}, and the new one after that"))
        .remedy(
            "give both to each self-hosted database (PostgreSQL: ssl_ca_file): muster auth export --ca db --out \
             db-ca.pem\nor go back: muster auth rotate --ca db --rollback",
        );
    Some(finding)
}

fn shown(end: Timestamp, now: Timestamp) -> Option<Finding> {
    let check = Check::Certificates;
    let remedy = "it is made anew by itself long before its end: see why not in the service's log (journalctl -u muster), \
                  and start the service again: systemctl restart muster";
    if end <= now {
        return Some(
            check
                .failed("proxy-certificate-ended", "proxy")
                .what("the proxy's certificate has ended, and nobody can connect")
                .why(format!("it ended at {end}"))
                .remedy(remedy),
        );
    }
    (end <= now.plus(SHOWN)).then(|| {
        check
            .warns("proxy-certificate-ends", "proxy")
            .what(format!(
                "the proxy's certificate ends in {}",
                span(end.since(now))
            ))
            .why(format!("it ends at {end}"))
            .remedy(remedy)
    })
}

fn trust_file(file: &TrustFile, now: Timestamp) -> Vec<Finding> {
    let check = Check::Certificates;
    let subject = file.path.display().to_string();
    if let Some(failure) = &file.failure {
        return vec![
            check
                .failed("trust-unreadable", subject)
                .what("a file of `proxy.trust` cannot be used, so the proxy does not start")
                .why(failure)
                .remedy(format!(
                    "put a PEM file with certificates there, or take it out of `proxy.trust`; what is there: openssl \
                     x509 -noout -subject -enddate -in {}",
                    path(&file.path)
                )),
        ];
    }
    let ended = file.certificates.iter().filter_map(|(whose, end)| {
        let finding = if *end <= now {
            check
                .warns("trust-ended", &subject)
                .what("a certificate of `proxy.trust` has ended, and counts for nothing")
                .why(format!("that of {whose} ended at {end}"))
        } else if *end <= now.plus(TRUSTED) {
            check
                .warns("trust-ends", &subject)
                .what(format!(
                    "a certificate of `proxy.trust` ends in {}",
                    span(end.since(now))
                ))
                .why(format!("that of {whose} ends at {end}"))
        } else {
            return None;
        };
        Some(finding.remedy(format!(
            "replace it in {} by its successor, then restart the service: it reads the file when it starts",
            path(&file.path)
        )))
    });
    ended.collect()
}

fn public_name(seen: &PublicName) -> Option<Finding> {
    let PublicName {
        name,
        addresses,
        failure,
    } = seen;
    if !addresses.is_empty() {
        return None;
    }
    let why = failure.as_deref().unwrap_or("it has no address");
    Some(
        Check::Certificates
            .warns("public-unresolved", name)
            .what("a name of `proxy.public` does not resolve here")
            .why(why)
            .remedy(format!(
                "add an address record for it to your DNS, or correct it in `proxy.public`; to look again: getent hosts {}",
                argument(name)
            )),
    )
}
