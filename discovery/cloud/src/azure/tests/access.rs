//! Access: endpoints, scopes, subscriptions, and tokens that stay secret.

use std::io::{self, Write};

use serde_json::json;

use super::*;
use crate::{azure::http::is_safe, observe::testkit::Recorder};

#[tokio::test]
async fn subscriptions_are_listed_over_pages() {
    let server = Server::start(|got, number| {
        assert_eq!(got.uri.path(), "/subscriptions");
        let record = json!({
            "id": format!("/subscriptions/s{number}"),
            "authorizationSource": "RoleBased",
            "tenantId": "t",
            "subscriptionId": format!("s{number}"),
            "displayName": format!("Team {number}"),
            "state": if number == 0 { "Enabled" } else { "Disabled" },
        });
        let next = (number == 0).then_some("/subscriptions?api-version=2022-12-01&$skiptoken=x");
        json!({ "value": [record], "nextLink": next, "count": { "type": "Total", "value": 2 } })
            .to_string()
    })
    .await;
    let found = access(&server.url).subscriptions().await.unwrap();
    let rows: Vec<_> = found
        .iter()
        .map(|s| (s.id.as_str(), s.name.as_str(), s.state.as_str()))
        .collect();
    assert_eq!(
        rows,
        [("s0", "Team 0", "Enabled"), ("s1", "Team 1", "Disabled")]
    );
    assert_eq!(server.got()[0].uri.query(), Some("api-version=2022-12-01"));
}

#[tokio::test]
async fn subscriptions_that_cannot_all_be_read_are_an_error() {
    for body in [
        r#"{"value":[{"displayName":"no id"}]}"#,
        r#"{"value":[],"nextLink":"https://attacker.example"}"#,
    ] {
        let server = Server::start(move |_, _| body).await;
        assert_eq!(
            access(&server.url)
                .subscriptions()
                .await
                .unwrap_err()
                .reason,
            Reason::Malformed
        );
    }
}

#[tokio::test]
async fn no_subscriptions_at_all_is_a_permission_that_is_gone() {
    let server = Server::start(|_, _| r#"{"value":[],"count":{"type":"Total","value":0}}"#).await;
    let error = access(&server.url).subscriptions().await.unwrap_err();
    assert_eq!(
        (error.reason, error.permission.as_deref()),
        (
            Reason::Denied,
            Some("Microsoft.Resources/subscriptions/read")
        )
    );
}

#[test]
fn secrets_travel_over_tls_or_not_at_all() {
    for (url, safe) in [
        ("https://management.azure.com", true),
        ("http://127.0.0.1:8080", true),
        ("http://localhost:8080", true),
        ("http://[::1]:8080", true),
        ("http://management.azure.com", false),
        ("http://10.0.0.1", false),
        ("http://127.0.0.1.attacker.example", false),
        ("ftp://127.0.0.1", false),
    ] {
        assert_eq!(is_safe(&Url::parse(url).unwrap()), safe, "{url}");
        for options in [
            AzureOptions {
                management: Some(Url::parse(url).unwrap()),
                ..options()
            },
            AzureOptions {
                authority: Some(Url::parse(url).unwrap()),
                ..options()
            },
            AzureOptions {
                authority: None,
                env: env(&[("AZURE_AUTHORITY_HOST", url)]),
                ..options()
            },
        ] {
            assert_eq!(AzureAccess::load(options).is_ok(), safe, "{url}");
        }
    }
}

#[test]
fn the_scope_follows_the_management_endpoint() {
    for (management, scope) in [
        (None, "https://management.azure.com/.default"),
        (
            Some("https://management.chinacloudapi.cn/"),
            "https://management.chinacloudapi.cn/.default",
        ),
        (Some("http://127.0.0.1:99"), "http://127.0.0.1:99/.default"),
    ] {
        let management = management.map(|url| Url::parse(url).unwrap());
        let access = AzureAccess::load(AzureOptions {
            management,
            ..options()
        })
        .unwrap();
        assert_eq!(access.management_scope(), scope);
    }
}

/// Collects log lines.
#[derive(Clone, Default)]
struct Log(Arc<StdMutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `azure_core` 0.21 logs the `Authorization` header of every request, and redacts all others.
#[tokio::test]
async fn no_log_level_shows_a_token() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new("trace"))
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let server = Server::start(|_, _| r#"{"value":[1]}"#).await;
    let listing = things(&access(&server.url));
    // As the clients of the `azure_mgmt_*` crates do it.
    let options = azure_core::ClientOptions::default()
        .transport(listing.transport())
        .retry(listing.retry());
    let pipeline = azure_core::Pipeline::new(None, None, options, Vec::new(), Vec::new());
    let mut request =
        azure_core::Request::new(listing.url(&["things"], "1"), azure_core::Method::Get);
    let token = listing.credential().get_token(&["x"]).await.unwrap().token;
    request.insert_header("authorization", format!("Bearer {}", token.secret()));
    pipeline
        .send(&azure_core::Context::default(), &mut request)
        .await
        .unwrap();

    assert_eq!(listing.take().len(), 1);
    assert_eq!(
        server.got()[0].headers["authorization"],
        format!("Bearer {TOKEN}")
    );
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("transport policy"),
        "the log is not the one that this test is about: {log}"
    );
    assert!(!log.contains(TOKEN), "{log}");
}

#[tokio::test]
async fn an_observer_is_told_of_tokens() {
    let token = json!({ "access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer" });
    let body = token.to_string();
    let server = Server::start(move |_, number| {
        let (code, body) = match number {
            0 => (200, body.clone()),
            _ => (401, r#"{"error":"invalid_client"}"#.to_owned()),
        };
        status(code, body)
    })
    .await;
    let (recorder, observer) = Recorder::new();
    let budgets = Budgets::new(
        BudgetConfig {
            observer,
            ..options().budgets.config().clone()
        },
        1,
    );
    let access = AzureAccess::load(AzureOptions {
        authority: Some(server.url.clone()),
        env: env(&[
            ("AZURE_TENANT_ID", "tenant"),
            ("AZURE_CLIENT_ID", "client"),
            ("AZURE_CLIENT_SECRET", "secret"),
        ]),
        budgets: Arc::new(budgets),
        ..options()
    })
    .unwrap();
    let before = now();
    // The second scope's token is refused; the first's is remembered.
    access.token("one/.default").await.unwrap();
    access.token("one/.default").await.unwrap();
    assert!(access.token("other/.default").await.is_err());
    let after = now();
    drop(access);
    let told: Vec<String> = recorder.told();
    let (tokens, requests): (Vec<_>, Vec<_>) = told
        .iter()
        .partition(|line| !line.starts_with("azure:token"));
    assert_eq!(tokens.len(), 3, "{told:?}");
    let until = tokens[0].strip_prefix("Azure credentials until ").unwrap();
    let until: u64 = until.parse().unwrap();
    assert!((before + 3600..=after + 3600).contains(&until), "{told:?}");
    assert_eq!(
        tokens[1..],
        ["Azure credentials no-credentials", "released"]
    );
    assert!(requests[0].starts_with("azure:token ok "), "{told:?}");
    assert!(
        requests[1].starts_with("azure:token no-credentials "),
        "{told:?}"
    );
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[tokio::test]
async fn a_given_token_is_for_the_management_endpoint_alone() {
    let management = Url::parse("http://127.0.0.1:1").unwrap();
    let access = access(&management);
    let token = access.token(&access.management_scope()).await.unwrap();
    assert_eq!(token.expose(), TOKEN);
    let error = access
        .token("https://ossrdbms-aad.database.windows.net/.default")
        .await
        .err()
        .unwrap();
    assert_eq!(error.reason, Reason::NoCredentials);
}
