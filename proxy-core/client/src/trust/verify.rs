//! How rustls is told the time, and what its refusals mean to a person.

use std::{io, sync::Arc, time::Duration};

use muster_model::Timestamp;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, WantsVerifier, crypto::CryptoProvider,
    time_provider::TimeProvider,
};
use rustls_pki_types::UnixTime;

use super::Clock;
use crate::{Address, Error, Kind, Result};

/// The clock, as rustls asks for it.
struct Told(Clock);

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

impl TimeProvider for Told {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix((self.0)()))
    }
}

pub(crate) fn unix(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(
        u64::try_from(time.unix()).unwrap_or_default(),
    ))
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The beginning of every connection's settings.
pub(crate) fn builder(clock: &Clock) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>> {
    let told = Arc::new(Told(Arc::clone(clock)));
    let builder = ClientConfig::builder_with_details(provider(), told);
    builder
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Kind::Foreign, "cannot speak TLS").because(error.to_string()))
}

/// Why a handshake with the proxy failed.
pub(crate) fn failed(error: &io::Error, address: &Address, now: Timestamp) -> Error {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => distrusted(why, address, now),
        Some(rustls::Error::AlertReceived(alert)) => foreign(address).because(format!(
            "it ends the handshake of TLS with the alert {alert:?}"
        )),
        Some(rustls::Error::InvalidMessage(_)) => {
            foreign(address).because("what it answers is not TLS")
        }
        Some(error) => foreign(address).because(error.to_string()),
        None => broke_off(error, address),
    }
}

/// Somebody answers, and is no proxy of muster's.
pub(crate) fn foreign(address: &Address) -> Error {
    Error::new(Kind::Foreign, format!("{address} is not a muster proxy"))
        .hint("check host and port: the port is the one of `proxy.listen` in the configuration of the service")
}

fn broke_off(error: &io::Error, address: &Address) -> Error {
    if error.kind() == io::ErrorKind::ConnectionReset {
        let what = format!("cannot reach the proxy {address}");
        return Error::new(Kind::Unreachable, what)
            .because("it breaks the connection off: the service starts or ends there, or something else listens")
            .hint("try again; if it lasts, check host and port");
    }
    let error = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closes the connection".to_owned(),
        _ => error.to_string(),
    };
    foreign(address).because(error)
}

/// Why the proxy's certificate is not believed.
pub(crate) fn distrusted(why: &CertificateError, address: &Address, now: Timestamp) -> Error {
    let not_proven = || {
        Error::new(
            Kind::Untrusted,
            format!("{address} does not prove to be the proxy that is meant"),
        )
    };
    let clock = || {
        Error::new(
            Kind::Clock,
            format!("cannot trust {address}: a clock is wrong"),
        )
    };
    let time =
        |time: UnixTime| Timestamp::from_unix(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    match why {
        CertificateError::NotValidYetContext { not_before, .. } => clock()
            .because(format!(
                "its certificate is valid from {}, and the clock of this machine says {now}",
                time(*not_before)
            ))
            .hint("set the clock of this machine; if it is right, the clock of the proxy is ahead"),
        CertificateError::NotValidYet => clock()
            .because(format!("its certificate is not valid yet, and the clock of this machine says {now}"))
            .hint("set the clock of this machine; if it is right, the clock of the proxy is ahead"),
        CertificateError::ExpiredContext { not_after, .. } => clock()
            .because(format!(
                "its certificate was valid until {}, and the clock of this machine says {now}",
                time(*not_after)
            ))
            .hint("set the clock of this machine; if it is right, the proxy has not renewed its certificate: tell whoever runs it"),
        CertificateError::NotValidForNameContext { presented, .. } => not_proven()
            .because(format!(
                "its certificate is not for {}, but for {}",
                address.host(),
                names(presented)
            ))
            .hint("log in by one of these names, or have whoever runs it add this one to `proxy.public`"),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => not_proven()
            .because("its certificate was not signed by the authority that this login trusts")
            .hint(
                "somebody may be between you and it: ask whoever runs it whether its authority was exchanged. If so, \
                 log in with the new fingerprint: `muster login --ca-pin sha256:…`",
            ),
        other => not_proven().because(other.to_string()),
    }
}

/// Names as they stand in a certificate; bounded, for whoever reads them.
fn names(presented: &[String]) -> String {
    let short: Vec<&str> = presented.iter().take(8).map(|name| plain(name)).collect();
    match short.as_slice() {
        [] => "no name at all".to_owned(),
        names => names.join(", "),
    }
}

/// What stands in `DnsName("localhost")`.
fn plain(name: &str) -> &str {
    name.split_once('(')
        .map_or(name, |(_, rest)| rest)
        .trim_matches(|c| matches!(c, '"' | ')'))
}
