//! The HTTP clients of AWS: one for the services, shared by SDK clients and muster's own calls, and
//! one for the metadata services of the machine.
//!
//! TLS is always verified, against the system's roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` choose
//! others). The proxy variables of the environment are followed, except for this machine and the
//! metadata services, which no proxy can reach. Redirects are not followed: none of the layers here
//! knows how. Answers of the Query protocol are read here, whole and bounded, and looked over (see
//! [`super::xml`]) before any reader gets them.

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
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use bytes::{Bytes, BytesMut};
use url::{Host, Url};

use super::xml::{self, Broken};
use crate::{
    error::chain,
    observe::{Cloud, Observed},
};

/// The longest answer that is read, in bytes: 32 MiB.
const MAX_BODY: usize = 32 << 20;

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
    /// Who is told of the dates of answers.
    observed: Observed,
}

// === impl Http ===

impl Http {
    /// For the services. The budget bounds the time of a whole attempt.
    pub fn services(observed: &Observed) -> Self {
        Self::new(Duration::from_secs(5), None, observed.clone())
    }

    /// For the metadata services of an instance or a container: they are near, and where they are
    /// not, waiting is in vain.
    pub fn metadata() -> Self {
        let nobody = Observed::default();
        Self::new(Duration::from_secs(1), Some(Duration::from_secs(2)), nobody)
    }

    fn new(connect: Duration, read: Option<Duration>, observed: Observed) -> Self {
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
            observed,
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
        let query = request
            .headers()
            .get("content-type")
            .is_some_and(|kind: &str| kind.starts_with("application/x-www-form-urlencoded"));
        let answer = if is_near(request.uri()) {
            self.direct.call(request)
        } else {
            self.outside.call(request)
        };
        let observed = self.observed.clone();
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            observed.date(Cloud::Aws, answer.headers().get("date"));
            match query {
                true => whole(answer).await,
                false => Ok(answer),
            }
        })
    }
}

/// An answer of the Query protocol, once its body is there and sound.
async fn whole(mut response: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    if !response.status().is_success() {
        return Ok(response);
    }
    let body = read(response.take_body()).await;
    let checked = body.and_then(|body| xml::check(&body).map(|()| body));
    let body = checked.map_err(|broken| ConnectorError::other(broken.into(), None))?;
    *response.body_mut() = SdkBody::from(body);
    Ok(response)
}

/// The whole body, if it is not too long and does not break off.
pub(super) async fn read(body: SdkBody) -> Result<Bytes, Broken> {
    if let Some(bytes) = body.bytes() {
        return Ok(Bytes::copy_from_slice(bytes));
    }
    let mut stream = ByteStream::new(body);
    let mut whole = BytesMut::new();
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| Broken::Cut(chain(&error)))?;
        if whole.len() + part.len() > MAX_BODY {
            return Err(Broken::Nonsense(format!(
                "it is longer than {} MiB",
                MAX_BODY >> 20
            )));
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
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
