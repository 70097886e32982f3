//! A scripted server in this process, and what the tests against it share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod access;
mod listing;

use std::{collections::BTreeMap, sync::Mutex as StdMutex};

use super::*;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, Uri},
    response::{IntoResponse, Response},
};

/// A request that the server got.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: String,
}

/// A server on a free port of this machine. It runs until its test's runtime ends.
pub(super) struct Server {
    pub url: Url,
    got: Arc<StdMutex<Vec<Got>>>,
}

impl Server {
    /// Serves what `answer` makes of each request and its number, from 0.
    pub async fn start<F, R>(answer: F) -> Self
    where
        F: Fn(&Got, usize) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let got = Arc::new(StdMutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&got), Arc::new(answer));
        let router = Router::new().fallback(move |request: Request| {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body =
                    String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
                let got = Got {
                    uri: parts.uri,
                    headers: parts.headers,
                    body,
                };
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(got.clone());
                    seen.len() - 1
                };
                answer(&got, number).into_response()
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, got }
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

pub(super) fn env(vars: &[(&str, &str)]) -> Lookup {
    let vars: BTreeMap<String, String> = vars
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    Arc::new(move |name| vars.get(name).cloned())
}

/// Options under which nothing outside the test is asked, and nothing waits.
pub(super) fn options() -> AzureOptions {
    let config = BudgetConfig {
        per_second: 1e6,
        attempts: 3,
        base_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(1),
        max_pages: 5,
        ..BudgetConfig::default()
    };
    let nowhere = Url::parse("http://127.0.0.1:1").unwrap();
    AzureOptions {
        authority: Some(nowhere.clone()),
        management: Some(nowhere.clone()),
        token: None,
        imds: Some(nowhere),
        cli: Some(PathBuf::from("/nonexistent/az")),
        env: env(&[]),
        budgets: Arc::new(Budgets::new(config, 1)),
    }
}

pub(super) fn status(status: u16, body: impl Into<Body>) -> Response {
    Response::builder()
        .status(status)
        .body(body.into())
        .unwrap()
}

const TOKEN: &str = "eyJ-the-secret-of-the-test";

/// Access with a fixed token.
fn access(management: &Url) -> Arc<AzureAccess> {
    let options = AzureOptions {
        management: Some(management.clone()),
        token: Some(Secret::new(TOKEN)),
        ..options()
    };
    Arc::new(AzureAccess::load(options).unwrap())
}

fn things(access: &Arc<AzureAccess>) -> Listing {
    access.listing(ListingCall {
        account: "s".to_owned(),
        service: "test".to_owned(),
        permission: "Microsoft.Test/things/read".to_owned(),
        absent: &["InvalidResourceType"],
    })
}

/// Reads to the end; the records as text, and what ended it.
async fn read_all(listing: &Listing) -> (Vec<String>, Option<CallError>) {
    let mut records = Vec::new();
    let mut next = Some(listing.url(&["things"], "2020-01-01"));
    while let Some(url) = next {
        let answer = listing.read(&url).await;
        records.extend(listing.take().iter().map(|record| record.get().to_owned()));
        match answer {
            Ok(then) => next = then,
            Err(error) => return (records, Some(error)),
        }
    }
    (records, None)
}
