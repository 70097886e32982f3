//! Azure: credentials, endpoints, listings of Azure Resource Manager, and the subscriptions that a token sees.
//!
//! | part | what it gives |
//! |---|---|
//! | [`AzureAccess`] | a token when one is needed, and the way to the management endpoint |
//! | [`Listing`] | one listing, page by page: bounded, budgeted, and only from the management endpoint |
//! | [`Secret`] | a token that cannot be printed |
//!
//! Tokens go to the management endpoint only, over TLS unless that is on this machine. They are not given to the
//! `azure_mgmt_*` crates: `azure_core` 0.21 writes the `Authorization` header of each request into its debug log.
//! Knows no databases.

mod chain;
mod http;
mod listing;
mod secret;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};
use url::Url;

use self::{
    chain::{Chain, Token},
    http::{Http, is_safe},
};
pub use self::{
    listing::{Listing, ListingCall},
    secret::Secret,
};
use crate::{
    budget::{BudgetConfig, Budgets},
    error::{CallError, Reason},
    observe::{Cloud, Watch},
};

/// How an environment variable is looked up.
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What may be set from outside. [`Default`] is the public cloud with the process's environment.
#[derive(Clone)]
pub struct AzureOptions {
    /// Where tokens are asked for; default `AZURE_AUTHORITY_HOST`, or `https://login.microsoftonline.com`.
    pub authority: Option<Url>,
    /// Azure Resource Manager; default `https://management.azure.com`.
    pub management: Option<Url>,
    /// A token for the management endpoint, to use as it is, in place of the credential chain. Databases are not
    /// logged in to with it.
    pub token: Option<Secret>,
    /// The metadata service; default `http://169.254.169.254`.
    pub imds: Option<Url>,
    /// The Azure CLI; default `az`, searched in `PATH`.
    pub cli: Option<PathBuf>,
    /// The environment; default the process's.
    pub env: Lookup,
    /// The request budgets.
    pub budgets: Arc<Budgets>,
}

/// Access to Azure: one per process and tenant, shared by every scope.
pub struct AzureAccess {
    management: Url,
    chain: Chain,
    fixed: Option<Secret>,
    slots: Mutex<HashMap<String, Arc<Mutex<Slot>>>>,
    watch: Watch,
}

/// A subscription that the credentials can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled` or `Deleted`.
    pub state: String,
}

/// What is remembered of the last request for a token. Whoever holds its lock asks; the others wait.
#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Good(Secret, Instant),
    Bad(CallError, Instant),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionRecord {
    subscription_id: String,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    state: String,
}

const AUTHORITY: &str = "https://login.microsoftonline.com";
const MANAGEMENT: &str = "https://management.azure.com";
const IMDS: &str = "http://169.254.169.254";

/// A token is renewed so long before its end, or a tenth of its life when that is shorter.
const MARGIN: Duration = Duration::from_secs(300);

/// The life of a token whose end is not known.
const SHORT_LIFE: Duration = Duration::from_secs(120);

/// How long a failed chain is not tried again: many scopes ask at the same time.
const FAILURE_LIFE: Duration = Duration::from_secs(30);

const LIST_SUBSCRIPTIONS: &str = "Microsoft.Resources/subscriptions/read";

// === impl AzureOptions ===

impl Default for AzureOptions {
    fn default() -> Self {
        Self {
            authority: None,
            management: None,
            token: None,
            imds: None,
            cli: None,
            env: Arc::new(|name| std::env::var(name).ok()),
            budgets: Arc::new(Budgets::new(
                BudgetConfig::default(),
                u64::from(std::process::id()),
            )),
        }
    }
}

// === impl AzureAccess ===

impl AzureAccess {
    /// Settles the endpoints. Asks for no token yet.
    ///
    /// # Errors
    /// [`Reason::Rejected`] for an endpoint that is no URL or would be sent secrets in plain text.
    pub fn load(options: AzureOptions) -> Result<Self, CallError> {
        let wrong = |text: String| CallError::new(Reason::Rejected, chain::CALL, text);
        let parse = |text: &str, what: &str| {
            Url::parse(text).map_err(|error| wrong(format!("{what} `{text}`: {error}")))
        };
        let authority = match (options.authority, (options.env)("AZURE_AUTHORITY_HOST")) {
            (Some(url), _) => url,
            (None, Some(text)) if !text.trim().is_empty() => {
                // Azure's SDKs take a bare host name as well.
                let text = text.trim();
                let text = if text.contains("://") {
                    text.to_owned()
                } else {
                    format!("https://{text}")
                };
                parse(&text, "AZURE_AUTHORITY_HOST")?
            }
            _ => parse(AUTHORITY, "authority")?,
        };
        let management = options
            .management
            .map_or_else(|| parse(MANAGEMENT, "management endpoint"), Ok)?;
        for (url, what) in [
            (&authority, "authority"),
            (&management, "management endpoint"),
        ] {
            if !is_safe(url) {
                return Err(wrong(format!("the {what} {url} is not reached over https")));
            }
        }
        let http =
            Http::new().map_err(|error| wrong(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self {
            watch: options.budgets.config().observer.holder(Cloud::Azure),
            management,
            chain: Chain {
                env: options.env,
                authority,
                imds: options
                    .imds
                    .map_or_else(|| parse(IMDS, "metadata service"), Ok)?,
                cli: options
                    .cli
                    .unwrap_or_else(|| PathBuf::from(if cfg!(windows) { "az.cmd" } else { "az" })),
                http: Arc::new(http),
                budgets: options.budgets,
            },
            fixed: options.token,
            slots: Mutex::default(),
        })
    }

    /// The management endpoint.
    pub const fn management(&self) -> &Url {
        &self.management
    }

    /// The scope of tokens for the management endpoint.
    pub fn management_scope(&self) -> String {
        format!(
            "{}/.default",
            self.management.as_str().trim_end_matches('/')
        )
    }

    /// A token for a scope such as `https://management.azure.com/.default`: a remembered one, or a new one shortly
    /// before that ends. However many ask at once, one request is made. A failure is remembered for half a minute.
    ///
    /// # Errors
    /// [`Reason::NoCredentials`], with every source that was tried and why it gave none.
    pub async fn token(&self, scope: &str) -> Result<Secret, CallError> {
        if let Some(token) = &self.fixed {
            if scope == self.management_scope() {
                return Ok(token.clone());
            }
            let message = format!("the token that was given is not for {scope}");
            return Err(CallError::new(Reason::NoCredentials, chain::CALL, message));
        }
        let slot = Arc::clone(self.slots.lock().await.entry(scope.to_owned()).or_default());
        let mut slot = slot.lock().await;
        match &*slot {
            Slot::Good(token, until) if Instant::now() < *until => return Ok(token.clone()),
            Slot::Bad(error, until) if Instant::now() < *until => return Err(error.clone()),
            _ => {}
        }
        let answer = self.chain.token(scope).await;
        let now = Instant::now();
        self.watch.asked(match &answer {
            Ok(token) => Ok(token
                .life
                .and_then(|life| SystemTime::now().checked_add(life))),
            Err(error) => Err(error.reason),
        });
        match answer {
            Ok(Token { secret, life }) => {
                let usable = life.map_or(SHORT_LIFE, |life| {
                    life.saturating_sub(MARGIN.min(life / 10))
                });
                // A life beyond what a clock can hold is a token for ever.
                let until = now.checked_add(usable).unwrap_or(now + SHORT_LIFE);
                *slot = Slot::Good(secret.clone(), until);
                Ok(secret)
            }
            Err(error) => {
                *slot = Slot::Bad(error.clone(), now + FAILURE_LIFE);
                Err(error)
            }
        }
    }

    /// Forgets a token that was refused, unless it was replaced meanwhile.
    async fn forget(&self, scope: &str, refused: &Secret) {
        let slot = self.slots.lock().await.get(scope).map(Arc::clone);
        if let Some(slot) = slot {
            let mut slot = slot.lock().await;
            if matches!(&*slot, Slot::Good(token, _) if token.expose() == refused.expose()) {
                *slot = Slot::Empty;
            }
        }
    }

    /// A listing to be read page by page.
    pub fn listing(self: &Arc<Self>, call: ListingCall) -> Listing {
        Listing::new(Arc::clone(self), call)
    }

    /// Every subscription that the credentials can see, also those that are disabled.
    ///
    /// # Errors
    /// That of the first page that cannot be read: a list with holes would make a subscription look unconfigured.
    /// [`Reason::Denied`] when the list is empty, which is how Azure says that no role is assigned any more.
    pub async fn subscriptions(self: &Arc<Self>) -> Result<Vec<Subscription>, CallError> {
        let listing = self.listing(ListingCall {
            account: "*".to_owned(),
            service: "subscriptions".to_owned(),
            permission: LIST_SUBSCRIPTIONS.to_owned(),
            absent: &[],
        });
        let mut next = Some(listing.url(&["subscriptions"], "2022-12-01"));
        let mut found = Vec::new();
        while let Some(url) = next {
            next = listing.read(&url).await?;
            for record in listing.take() {
                let record: SubscriptionRecord =
                    serde_json::from_str(record.get()).map_err(|error| {
                        CallError::new(
                            Reason::Malformed,
                            LIST_SUBSCRIPTIONS,
                            format!("cannot read a subscription: {error}"),
                        )
                    })?;
                found.push(Subscription {
                    id: record.subscription_id,
                    name: record.display_name,
                    state: record.state,
                });
            }
        }
        if found.is_empty() {
            let message = "the credentials see no subscription: no role is assigned to them";
            return Err(CallError::denied(
                LIST_SUBSCRIPTIONS,
                LIST_SUBSCRIPTIONS,
                message,
            ));
        }
        Ok(found)
    }
}

impl fmt::Debug for AzureAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureAccess")
            .field("management", &self.management.as_str())
            .finish_non_exhaustive()
    }
}
