//! HTTP on the proxy's port: the authority's API, for those who have no certificate yet and for those who want another.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use muster_proxy::{Caller, HttpService, tls::Leg};
use tokio::time::timeout;

use crate::authority;

/// How long the head of a request may take to come.
const HEAD: Duration = Duration::from_secs(15);
/// How long a connection may last, whatever it does.
const WHOLE: Duration = Duration::from_secs(300);

/// Serves the routes; each request carries the [`authority::Caller`] as an extension.
pub(super) struct Http(pub(super) Router);

#[async_trait]
impl HttpService for Http {
    async fn serve(&self, connection: Leg, caller: Caller) {
        let caller = authority::Caller {
            address: caller.address,
            login: caller.identity.map(|who| authority::Login {
                identity: Arc::clone(who.identity()),
                signer: who.signer(),
            }),
        };
        let routes = self.0.clone().layer(Extension(caller));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_headers(64)
            .serve_connection(TokioIo::new(connection), TowerToHyperService::new(routes));
        // What breaks off here is the caller's to notice; they may ask again.
        let _ = timeout(WHOLE, served).await;
    }
}
