//! The HTTP clients of AWS: one for the services, shared by SDK clients and muster's own calls, and
//! one for the metadata services of the machine.
//!
//! TLS is always verified, against the system's roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` choose
//! others). The proxy variables of the environment are followed, except for this machine and the
//! metadata services, which no proxy can reach. Redirects are not followed: none of the layers here
//! knows how.

use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use url::{Host, Url};

/// Makes connections, and keeps them. Its time-outs are set when it is built, so all who share it
/// share one pool.
#[derive(Clone, Debug)]
pub(super) struct Http {
    connector: SharedHttpConnector,
}

/// Goes straight to what no proxy can reach, and past the proxy to everything else.
#[derive(Debug)]
struct Route {
    outside: Connector,
    direct: Connector,
}

// === impl Http ===

impl Http {
    /// For the services. The budget bounds the time of a whole attempt.
    pub fn services() -> Self {
        Self::new(Duration::from_secs(5), None)
    }

    /// For the metadata services of an instance or a container: they are near, and where they are
    /// not, waiting is in vain.
    pub fn metadata() -> Self {
        Self::new(Duration::from_secs(1), Some(Duration::from_secs(2)))
    }

    fn new(connect: Duration, read: Option<Duration>) -> Self {
        let mut settings = HttpConnectorSettings::builder().connect_timeout(connect);
        settings.set_read_timeout(read);
        let settings = settings.build();
        let connector = |proxy| {
            Connector::builder()
                .connector_settings(settings.clone())
                .sleep_impl(TokioSleep::new())
                .proxy_config(proxy)
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build()
        };
        let route = Route {
            outside: connector(ProxyConfig::from_env()),
            direct: connector(ProxyConfig::disabled()),
        };
        Self {
            connector: SharedHttpConnector::new(route),
        }
    }

    /// For the SDK.
    pub fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// Sends one request; the answer's body is still to be read.
    pub fn send(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.connector.call(request)
    }
}

impl HttpClient for Http {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.connector.clone()
    }
}

// === impl Route ===

impl HttpConnector for Route {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if is_near(request.uri()) {
            self.direct.call(request)
        } else {
            self.outside.call(request)
        }
    }
}

/// This machine, or an address that means something only on it.
fn is_near(uri: &str) -> bool {
    match Url::parse(uri).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Some(Host::Ipv6(ip)) => {
            // The metadata services' unique local addresses, of instances and of pods.
            ip.is_loopback() || ip.segments().starts_with(&[0xfd00, 0x0ec2])
        }
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn knows_what_no_proxy_can_reach() {
        for near in [
            "http://127.0.0.1:5000/",
            "http://[::1]:5000/",
            "http://localhost/x",
            "http://169.254.169.254/latest/api/token",
            "http://169.254.170.2/v2",
            "http://[fd00:ec2::254]/latest",
            "http://[fd00:ec2::23]/v1/credentials",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in [
            "https://rds.eu-west-1.amazonaws.com/",
            "https://localhost.example.com/",
            "http://10.0.0.1/",
            "nonsense",
        ] {
            assert!(!is_near(far), "{far}");
        }
    }
}
