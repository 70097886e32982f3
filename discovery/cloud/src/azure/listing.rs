//! [`Listing`]: one listing of Azure Resource Manager, page by page.
//!
//! It serves two readers alike: our own loop ([`Listing::read`]), and the pagers of the `azure_mgmt_*` crates, as
//! their transport ([`Listing::transport`]). Those crates build the URLs and follow `nextLink`, but parse a page as
//! a whole, so that one bad record would cost all of them. Hence the transport keeps each record as raw text for
//! [`Listing::take`] and hands the crate an empty page with the link. It also puts the token in: the crates get a
//! placeholder, because `azure_core` 0.21 logs the header that it should redact.

use std::{
    collections::HashSet,
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use azure_core::{
    BytesStream, HttpClient, Method, RetryOptions, StatusCode, TransportOptions,
    auth::{AccessToken, TokenCredential},
    error::ErrorKind,
    headers::Headers,
};
use http::HeaderValue;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use url::Url;

use super::{
    AzureAccess, Secret,
    http::{Answer, exchange, unreadable},
};
use crate::{
    budget::Budget,
    error::{CallError, Classified, Reason},
};

/// What is listed, for whose budget, with which permission.
#[derive(Clone, Debug)]
pub struct ListingCall {
    /// The subscription, for the budget.
    pub account: String,
    /// The family of calls, for the budget: `postgresql-flexible`.
    pub service: String,
    /// The operation, which is also the permission that it needs:
    /// `Microsoft.DBforPostgreSQL/flexibleServers/read`.
    pub permission: String,
    /// Error codes that say there can be nothing to list: `InvalidResourceType`. As the first answer they count as
    /// an empty list; after a page they contradict it, and are an error like any other.
    pub absent: &'static [&'static str],
}

/// One listing. Clones share their state.
#[derive(Clone, Debug)]
pub struct Listing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: Arc<AzureAccess>,
    call: ListingCall,
    budget: Arc<Budget>,
    requests: AtomicU32,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    asked: HashSet<Url>,
    pages: usize,
    records: Vec<Box<RawValue>>,
}

/// A page. `value` is required: an answer without it is no empty list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Vec<Box<RawValue>>,
    #[serde(default)]
    next_link: Option<String>,
}

/// What the crates' pagers need to see of a page.
#[derive(Serialize)]
struct Rest<'a> {
    #[serde(rename = "nextLink", skip_serializing_if = "Option::is_none")]
    next_link: Option<&'a str>,
}

/// Stands where the crates expect a credential, and knows no secret.
#[derive(Debug)]
struct Placeholder;

const API_VERSION: &str = "api-version";

// === impl Listing ===

impl Listing {
    pub(super) fn new(access: Arc<AzureAccess>, call: ListingCall) -> Self {
        let budget = access.chain.budgets.of(&call.account, "*", &call.service);
        Self(Arc::new(Inner {
            access,
            call,
            budget,
            requests: AtomicU32::new(0),
            progress: Mutex::default(),
        }))
    }

    /// The URL of a path at the management endpoint.
    pub fn url(&self, path: &[&str], version: &str) -> Url {
        let mut url = self.0.access.management.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url.query_pairs_mut().append_pair(API_VERSION, version);
        url
    }

    /// Reads one page, keeps its records for [`Listing::take`], and answers with the next page's URL.
    ///
    /// # Errors
    /// Whatever the budget did not get over. Also, without a request being made: [`Reason::Malformed`] for a URL at
    /// another host than the management endpoint, [`Reason::Truncated`] for a page that was read before,
    /// [`Reason::Capped`] for one page too many.
    pub async fn read(&self, url: &Url) -> Result<Option<Url>, CallError> {
        let Some(link) = self.page(url).await? else {
            return Ok(None);
        };
        let mut next = url.join(&link).map_err(|error| {
            CallError::new(
                Reason::Malformed,
                self.name(),
                format!("cannot read nextLink: {error}"),
            )
        })?;
        if !next.query_pairs().any(|(key, _)| key == API_VERSION)
            && let Some((_, version)) = url.query_pairs().find(|(key, _)| key == API_VERSION)
        {
            next.query_pairs_mut().append_pair(API_VERSION, &version);
        }
        Ok(Some(next))
    }

    /// The records of the pages read since the last call, each as the text it came in.
    pub fn take(&self) -> Vec<Box<RawValue>> {
        mem::take(&mut self.progress().records)
    }

    /// Requests sent so far, with those that were tried again.
    pub fn requests(&self) -> u32 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Whether any page was read.
    pub fn answered(&self) -> bool {
        self.progress().pages > 0
    }

    /// The call's name in failures.
    pub fn name(&self) -> &str {
        &self.0.call.permission
    }

    /// The transport for a client of an `azure_mgmt_*` crate; use it with [`Listing::credential`] and
    /// [`Listing::retry`]. Its pages seem to be empty: the records are at [`Listing::take`].
    pub fn transport(&self) -> TransportOptions {
        TransportOptions::new(Arc::new(self.clone()))
    }

    /// The credential for such a client: a placeholder, since the transport puts the token in.
    pub fn credential(&self) -> Arc<dyn TokenCredential> {
        Arc::new(Placeholder)
    }

    /// The retries for such a client: none, since the budget makes them.
    pub fn retry(&self) -> RetryOptions {
        RetryOptions::none()
    }

    /// What went wrong, from an error of such a client.
    pub fn error(&self, error: azure_core::Error) -> CallError {
        match error.into_downcast::<CallError>() {
            Ok(error) => error,
            // All that is left to the crates is to put the URL together.
            Err(error) => CallError::new(Reason::Malformed, self.name(), error.to_string()),
        }
    }

    /// Reads one page and answers with its `nextLink`.
    async fn page(&self, url: &Url) -> Result<Option<String>, CallError> {
        self.admit(url)?;
        let scope = self.0.access.management_scope();
        let token = self.0.access.token(&scope).await?;
        let answer = self
            .0
            .budget
            .call(self.name(), || self.attempt(url, &token))
            .await;
        let page = match answer {
            Ok(page) => page,
            Err(error) => {
                if error.reason == Reason::Denied && error.permission.is_none() {
                    self.0.access.forget(&scope, &token).await;
                }
                return Err(error);
            }
        };
        let mut progress = self.progress();
        progress.pages += 1;
        progress.records.extend(page.value);
        Ok(page.next_link.filter(|link| !link.is_empty()))
    }

    /// Whether this page may be asked for.
    fn admit(&self, url: &Url) -> Result<(), CallError> {
        let wrong = |reason, text: String| Err(CallError::new(reason, self.name(), text));
        if url.origin() != self.0.access.management.origin() || !url.username().is_empty() {
            let host = url.host_str().unwrap_or("no host");
            return wrong(
                Reason::Malformed,
                format!("nextLink leads to another host: {host}"),
            );
        }
        let most = self.0.budget.max_pages();
        let mut progress = self.progress();
        if progress.asked.len() >= most {
            drop(progress);
            return Err(self.0.budget.capped(self.name()));
        }
        if !progress.asked.insert(url.clone()) {
            drop(progress);
            return wrong(
                Reason::Truncated,
                "nextLink leads back to a page that was read before".to_owned(),
            );
        }
        Ok(())
    }

    async fn attempt(&self, url: &Url, token: &Secret) -> Result<Page, Classified> {
        let call = self.name();
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| {
                CallError::new(
                    Reason::NoCredentials,
                    call,
                    "the token cannot be sent in a header",
                )
                .fatal()
            })?;
        bearer.set_sensitive(true);
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        let client = self.0.access.chain.http.to(url);
        let request = client
            .get(url.clone())
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, "application/json");
        let answer = exchange(request)
            .await
            .map_err(|broken| broken.classify(call))?;
        answer.tell_date(&self.0.access.chain.budgets.config().observer);
        self.understand(&answer)
    }

    fn understand(&self, answer: &Answer) -> Result<Page, Classified> {
        let call = self.name();
        if answer.status == http::StatusCode::OK {
            return serde_json::from_slice(&answer.body).map_err(|error| unreadable(call, &error));
        }
        let code = answer.arm_code();
        if self.0.call.absent.contains(&code.as_str())
            && answer.status.is_client_error()
            && !self.answered()
        {
            tracing::debug!(call, code, "nothing of this type can exist here");
            return Ok(Page {
                value: Vec::new(),
                next_link: None,
            });
        }
        Err(answer.refusal(call, call))
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.0
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl HttpClient for Listing {
    async fn execute_request(
        &self,
        request: &azure_core::Request,
    ) -> azure_core::Result<azure_core::Response> {
        let failed = |error: CallError| azure_core::Error::new(ErrorKind::Other, error);
        if *request.method() != Method::Get {
            return Err(failed(CallError::new(
                Reason::Rejected,
                self.name(),
                "a listing only reads",
            )));
        }
        let next_link = self.page(request.url()).await.map_err(failed)?;
        let rest = serde_json::to_vec(&Rest {
            next_link: next_link.as_deref(),
        })?;
        Ok(azure_core::Response::new(
            StatusCode::Ok,
            Headers::new(),
            Box::pin(BytesStream::new(rest)),
        ))
    }
}

#[async_trait]
impl TokenCredential for Placeholder {
    async fn get_token(&self, _scopes: &[&str]) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(
            "none",
            OffsetDateTime::now_utc() + time::Duration::hours(1),
        ))
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        Ok(())
    }
}
