//! TLS, and certificates that are not trusted.

use muster_model::{Kind, Target, fact};
use rustls::{AlertDescription, CertificateError, Error};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::{
    Case,
    words::{argument, name, resource},
};
use crate::{
    api::Advice,
    method::{is_azure, is_cache, is_rds},
};

/// The words of Go's library, which people search for.
const LEGACY: &str = "x509: certificate relies on legacy Common Name field, use SANs instead";

/// What a certificate says of itself.
struct Shown {
    issuer: String,
    common_name: String,
    names: Vec<String>,
    /// Whether it cannot name hosts in any other way than by its common name.
    legacy: bool,
    /// Whether it says to be an authority's.
    authority: bool,
    ended: String,
}

/// The database does not speak TLS.
pub(super) fn no_tls(case: &Case<'_>) -> Advice {
    let target = case.target;
    let hint = if is_cache(target.kind) {
        "Switch in-transit encryption on. ElastiCache can do that for a group that exists, in two steps: preferred, then \
         required."
    } else if is_rds(target.kind) || is_azure(target.kind) || target.kind == Kind::Docdb {
        "The provider's databases all speak TLS: is this its host and port, or something before it?"
    } else {
        "Switch it on (PostgreSQL: ssl = on, with ssl_cert_file and ssl_key_file). muster speaks to no database in clear \
         text."
    };
    Advice {
        message: format!("database {} does not speak TLS", name(&target.name)),
        hint: hint.to_owned(),
        log: String::new(),
    }
}

/// TLS was not agreed on.
pub(super) fn tls(case: &Case<'_>, error: &Error, leaf: Option<&[u8]>) -> Advice {
    let target = case.target;
    let shown = leaf.and_then(read);
    let (what, hint) = match error {
        Error::InvalidCertificate(error) => certificate(target, error, shown.as_ref()),
        Error::AlertReceived(alert) => alerted(case, *alert),
        Error::PeerIncompatible(_) => (
            format!("no common way to encrypt: {error}"),
            "muster speaks TLS 1.2 and 1.3 with forward secrecy. Raise the server's lowest version \
             (ssl_min_protocol_version)."
                .to_owned(),
        ),
        Error::InvalidMessage(_) => (
            format!("what it sends is not TLS: {error}"),
            "Is this the database's host and port?".to_owned(),
        ),
        _ => (error.to_string(), String::new()),
    };
    let about = shown.map_or_else(String::new, |shown| {
        format!(
            "certificate: CN={}, issuer {}, names [{}], until {}; {error}",
            shown.common_name,
            shown.issuer,
            shown.names.join(", "),
            shown.ended
        )
    });
    Advice {
        message: format!("no TLS with database {}: {}", name(&target.name), what),
        hint,
        log: about,
    }
}

fn certificate(
    target: &Target,
    error: &CertificateError,
    shown: Option<&Shown>,
) -> (String, String) {
    let host = host(target);
    match error {
        CertificateError::NotValidForName
        | CertificateError::NotValidForNameContext { .. }
        | CertificateError::Other(_)
            if is_legacy(error, shown) =>
        {
            (LEGACY.to_owned(), rotate(target, true))
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = shown.map_or_else(String::new, |shown| {
                format!(", but for {}", shown.names.join(", "))
            });
            (
                format!("its certificate is not for {host}{names}"),
                "Connect by a name that the certificate has. Where the names differ on purpose, say in the record which one \
                 to check (`tls.server_name`), or check the chain only (`tls.mode: verify-ca`)."
                    .to_owned(),
            )
        }
        CertificateError::UnknownIssuer => {
            let by = shown.map_or_else(
                || "somebody that muster does not trust".to_owned(),
                |shown| format!("`{}`, which muster does not trust", shown.issuer),
            );
            (format!("its certificate was signed by {by}"), issuer(target))
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let when = shown.map_or_else(String::new, |shown| format!(" on {}", shown.ended));
            (format!("its certificate ended{when}"), rotate(target, false))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "its certificate is not valid yet".to_owned(),
            "Look at the clocks of muster's machine and of the server.".to_owned(),
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            "its certificate is not for servers".to_owned(),
            "Give the server a certificate with the extended key usage serverAuth.".to_owned(),
        ),
        CertificateError::BadSignature => (
            "its certificate is not its own: it does not hold the key".to_owned(),
            "Somebody shows a certificate that belongs to another server. Do not weaken the check; find out who answers at \
             this address."
                .to_owned(),
        ),
        CertificateError::Other(_) if shown.is_some_and(|shown| shown.authority) => {
            let by = shown.map_or("", |shown| shown.issuer.as_str());
            (
                format!("its certificate is an authority's own, `{by}`, which muster does not trust"),
                "A certificate that a server has signed itself is trusted when it is named: in the record (`tls.ca_cert`) or \
                 under `proxy.trust`."
                    .to_owned(),
            )
        }
        other => (format!("its certificate is not accepted: {other}"), rotate(target, false)),
    }
}

/// Whether the certificate names its host only where nobody looks any more.
fn is_legacy(error: &CertificateError, shown: Option<&Shown>) -> bool {
    match shown {
        Some(shown) => shown.legacy,
        None => matches!(
            error,
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty()
        ),
    }
}

/// How to get a new certificate. `legacy`: the one that is there is of the old kind.
fn rotate(target: &Target, legacy: bool) -> String {
    let region = argument(target.scope.region.as_str());
    let id = argument(resource(target));
    let ca = target.facts.get(fact::CA).map_or_else(String::new, |ca| {
        format!(" It is signed by {} now.", name(ca))
    });
    match target.kind {
        Kind::Rds | Kind::Aurora | Kind::Docdb => {
            let service = if target.kind == Kind::Docdb { "docdb" } else { "rds" };
            let (which, id) = if target.kind == Kind::Rds {
                ("", id)
            } else {
                (" Each instance of the cluster has its own.", "INSTANCE".to_owned())
            };
            let old = if legacy {
                "RDS and DocumentDB servers made before 2020-07-28 have such certificates. "
            } else {
                ""
            };
            format!(
                "{old}Rotate it to rds-ca-rsa2048-g1.{ca}{which} The \
                 server may restart:\n  aws {service} modify-db-instance --region {region} --db-instance-identifier {id} \
                 --ca-certificate-identifier rds-ca-rsa2048-g1 --apply-immediately"
            )
        }
        kind if is_azure(kind) || is_cache(kind) => {
            "The provider renews these certificates itself: is this its host, or something before it?".to_owned()
        }
        _ => "Give the server a new certificate that has its host name as a subject alternative name.".to_owned(),
    }
}

/// What to do about a signer that is not known.
fn issuer(target: &Target) -> String {
    let region = target.scope.region.as_str();
    match target.kind {
        Kind::Rds | Kind::Aurora | Kind::Docdb
            if ["cn-", "us-gov-", "us-iso", "eusc-"]
                .iter()
                .any(|start| region.starts_with(start)) =>
        {
            format!(
                "The bundle for {} is not among the certificates that come with muster: download it from AWS and name it \
                 under `proxy.trust`.",
                name(region)
            )
        }
        kind if is_rds(kind) || kind == Kind::Docdb => format!(
            "muster trusts the roots of RDS (G1) and of Amazon Trust Services. The authorities of 2019 have ended. {}\nA \
             newer root than muster has can be named under `proxy.trust`.",
            rotate(target, false)
        ),
        kind if is_azure(kind) || is_cache(kind) => {
            "muster trusts the public authorities here. Something between muster and the database may open TLS; if it is \
             to, name its certificate under `proxy.trust`."
                .to_owned()
        }
        _ => "Name the authority's certificate in the record (`tls.ca_cert`) or under `proxy.trust`.".to_owned(),
    }
}

/// The server ended the handshake.
fn alerted(case: &Case<'_>, alert: AlertDescription) -> (String, String) {
    let what = format!("the server ended the handshake ({alert:?})");
    let hint = match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            let has = if case.method == Some(crate::method::Method::Certificate) {
                "muster showed one of its database authority's"
            } else {
                "muster shows none here; the hint `auth: certificate` would have it show one"
            };
            format!(
                "The server wants a client certificate that it trusts; {has}. It must trust muster's database authority \
                 (ssl_ca_file)."
            )
        }
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
            "muster speaks TLS 1.2 and 1.3 with forward secrecy: does the server speak neither?"
                .to_owned()
        }
        _ => "The server's own log says more.".to_owned(),
    };
    (what, hint)
}

fn host(target: &Target) -> String {
    let host = target.tls_server_name.as_deref().or(target
        .endpoint
        .as_ref()
        .map(|endpoint| endpoint.host.as_str()));
    name(host.unwrap_or("its host"))
}

/// Reads a certificate as far as people want to know of it.
fn read(der: &[u8]) -> Option<Shown> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|names| {
            names
                .value
                .general_names
                .iter()
                .take(8)
                .map(shown_name)
                .collect()
        })
        .unwrap_or_else(Vec::new);
    let common_name = certificate
        .subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok())
        .map(name)
        .unwrap_or_default();
    Some(Shown {
        issuer: name(&certificate.issuer().to_string()),
        legacy: names.is_empty() && !common_name.is_empty(),
        authority: certificate.is_ca(),
        common_name,
        names,
        ended: name(&certificate.validity().not_after.to_string()),
    })
}

fn shown_name(general: &GeneralName<'_>) -> String {
    match general {
        GeneralName::DNSName(host) => name(host),
        GeneralName::IPAddress([a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
        GeneralName::IPAddress(bytes) => <[u8; 16]>::try_from(*bytes).map_or_else(
            |_| "an address".to_owned(),
            |bytes| std::net::Ipv6Addr::from(bytes).to_string(),
        ),
        other => name(&other.to_string()),
    }
}
