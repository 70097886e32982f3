//! What every request has to be, and what every answer gets.
//!
//! A page in a browser can send requests to a loopback port under a host name of its own (DNS rebinding), and would
//! then be allowed to read the answers. So the name has to be one that no page from elsewhere can have.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, Uri, Version, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{problem::Problem, query, routes};

/// Which requests are answered.
pub(super) struct Guard {
    listen: Option<IpAddr>,
}

/// Lets a request through or not, and completes the answer.
pub(super) async fn around(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.check(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let status = response.status();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if status == axum::http::StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

// === impl Guard ===

impl Guard {
    /// For an API that listens there.
    pub(super) fn new(address: Option<SocketAddr>) -> Self {
        Self {
            listen: address.map(|address| address.ip()),
        }
    }

    fn check(&self, request: &Request) -> Result<(), Problem> {
        self.check_host(request.uri(), request.headers(), request.version())?;
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Problem::method());
        }
        let path = request.extensions().get::<MatchedPath>();
        match path.and_then(|path| routes::find(path.as_str())) {
            Some(route) if route.strict => query::check(request.uri(), route.parameters),
            _ => Ok(()),
        }
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap, version: Version) -> Result<(), Problem> {
        let mut named = headers.get_all(header::HOST).iter();
        match (named.next(), named.next()) {
            (Some(host), None) => {
                let host = host
                    .to_str()
                    .ok()
                    .and_then(|host| host.parse::<Authority>().ok());
                if !host.is_some_and(|host| self.is_ours(&host)) {
                    return Err(Problem::misdirected());
                }
            }
            (Some(_), Some(_)) => return Err(Problem::bad_request("it has several headers Host")),
            // Old health checks send none; a browser always does.
            (None, _) if version <= Version::HTTP_10 => {}
            (None, _) => return Err(Problem::bad_request("it has no header Host")),
        }
        match uri.authority() {
            Some(named) if !self.is_ours(named) => Err(Problem::misdirected()),
            _ => Ok(()),
        }
    }

    /// Whether a name is one of this machine that needs no name server, or the address that is listened on. Any
    /// port: one that was forwarded is not the one that is listened on.
    fn is_ours(&self, named: &Authority) -> bool {
        // A part before an `@` has no place in a Host, and hides which name is meant.
        if named.as_str().contains('@') {
            return false;
        }
        let host = named.host().trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(ip) => {
                let listen = self.listen.map(|listen| listen.to_canonical());
                let ip = ip.to_canonical();
                // Where every address is listened on, every one is meant; a page has a name, not a number.
                ip.is_loopback()
                    || listen.is_some_and(|listen| listen == ip || listen.is_unspecified())
            }
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }
}
