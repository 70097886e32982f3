//! The API as a client sees it: over a real connection, with a store behind it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod connections;
mod document;
mod fleet;
mod health;
mod lists;
mod requests;
mod schema;

use std::{net::SocketAddr, sync::Arc};

use muster_store::{MemoryStore, Store};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::serve_with;
use crate::service::{
    handle::{Active, Handle, Refused},
    status::Status,
};

/// A served API. It ends with the test.
struct Served {
    address: SocketAddr,
    handle: Handle,
    stop: CancellationToken,
    client: reqwest::Client,
    ended: tokio::task::JoinHandle<()>,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Served {
    /// With these databases; of each second one a target.
    async fn of(databases: usize) -> Self {
        let store = Arc::new(MemoryStore::new());
        fleet::fill(&*store, databases);
        Self::over(Ok(store)).await
    }

    async fn over(store: Result<Arc<dyn Store>, Refused>) -> Self {
        let (handle, _) = Handle::new(fleet::status(), active(), store);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let scrape = Box::new(|status: &Status| format!("# {}\n", status.state.as_str()));
        let ended = tokio::spawn(serve_with(listener, handle.clone(), scrape, stop.clone()));
        Self {
            address,
            handle,
            stop,
            client: reqwest::Client::builder()
                .no_proxy()
                .pool_max_idle_per_host(0)
                .build()
                .unwrap(),
            ended,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[]).await
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// What is there, as JSON.
    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    /// Every item of a list, page by page, and how many pages there were.
    async fn all(&self, path: &str) -> (Vec<Value>, usize) {
        let (mut items, mut pages) = (Vec::new(), 0);
        let mut cursor = String::new();
        loop {
            let page = self.json(&format!("{path}{cursor}")).await;
            pages += 1;
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (items, pages),
            }
        }
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The problem that it is, by its code.
    fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// The example's configuration, with what could hold a password.
fn active() -> Active {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(root.join("fixtures/demo/muster.yaml")).unwrap();
    let path = root.join("fixtures/demo/muster.yaml");
    let loaded = crate::config::load(&path).unwrap();
    Active {
        config: loaded.config,
        bytes,
        loaded: muster_model::Timestamp::from_unix(1_700_000_000),
    }
}
