#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use axum::response::IntoResponse as _;
use serde_json::json;
use tokio::time::{Duration, advance, pause};

use crate::{
    azure::{
        AzureAccess, AzureOptions,
        tests::{Got, Server, env, options, status},
    },
    error::{CallError, MAX_MESSAGE, Reason},
};

const SCOPE: &str = "https://management.azure.com/.default";
const LOGIN: [(&str, &str); 3] = [
    ("AZURE_TENANT_ID", "contoso.example"),
    ("AZURE_CLIENT_ID", "app"),
    ("AZURE_CLIENT_SECRET", "s3cret-of-the-app"),
];

async fn token(options: AzureOptions) -> Result<String, CallError> {
    token_for(SCOPE, options).await
}

async fn token_for(scope: &str, options: AzureOptions) -> Result<String, CallError> {
    let token = AzureAccess::load(options).unwrap().token(scope).await?;
    Ok(token.expose().to_owned())
}

fn granted(token: &str) -> axum::response::Response {
    json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": token })
        .to_string()
        .into_response()
}

fn form(got: &Got) -> Vec<(String, String)> {
    url::form_urlencoded::parse(got.body.as_bytes())
        .into_owned()
        .collect()
}

fn field(got: &Got, name: &str) -> String {
    form(got)
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
        .unwrap_or_default()
}

/// A program that stands for `az`. A file of the repository: one that a test wrote could be busy.
fn az() -> Option<PathBuf> {
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/azure/chain/az-stand-in.sh"))
}

#[tokio::test]
async fn without_credentials_every_source_is_named_with_its_reason() {
    for (vars, wants) in [
        (
            vec![],
            [
                "missing environment variable AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET",
                "AZURE_FEDERATED_TOKEN_FILE",
            ],
        ),
        (
            LOGIN[..1].to_vec(),
            [
                "missing environment variable AZURE_CLIENT_ID, AZURE_CLIENT_SECRET",
                "AZURE_FEDERATED_TOKEN_FILE",
            ],
        ),
        (
            LOGIN[..2].to_vec(),
            [
                "missing environment variable AZURE_CLIENT_SECRET;",
                "missing environment variable AZURE_FEDERATED_TOKEN_FILE;",
            ],
        ),
        // Empty is missing.
        (
            vec![LOGIN[0], LOGIN[1], ("AZURE_CLIENT_SECRET", " ")],
            [
                "missing environment variable AZURE_CLIENT_SECRET;",
                "IMDS: ",
            ],
        ),
        (
            vec![("IDENTITY_ENDPOINT", "http://127.0.0.1:1")],
            ["without IDENTITY_HEADER", "not in PATH"],
        ),
    ] {
        let error = token(AzureOptions {
            env: env(&vars),
            ..options()
        })
        .await
        .unwrap_err();
        assert_eq!(error.reason, Reason::NoCredentials);
        assert!(
            error
                .message
                .starts_with("DefaultAzureCredential: failed to acquire a token"),
            "{error}"
        );
        let sources = [
            "EnvironmentCredential: ",
            "WorkloadIdentityCredential: ",
            "ManagedIdentityCredential: ",
            "AzureCLICredential: az is not installed",
        ];
        let mut at = 0;
        for part in sources {
            at += error.message[at..]
                .find(part)
                .unwrap_or_else(|| panic!("{part} is missing or out of order: {error}"));
        }
        for want in wants {
            assert!(error.message.contains(want), "{want} is missing: {error}");
        }
        assert!(error.message.len() <= MAX_MESSAGE && !error.message.contains('\n'));
    }
}

#[tokio::test]
async fn a_client_secret_gets_a_token() {
    let server = Server::start(|_, _| granted("from-the-secret")).await;
    let access = options();
    let access = AzureOptions {
        authority: Some(server.url.clone()),
        env: env(&LOGIN),
        ..access
    };
    assert_eq!(token(access).await.unwrap(), "from-the-secret");
    let got = server.got();
    assert_eq!(got[0].uri.path(), "/contoso.example/oauth2/v2.0/token");
    assert_eq!(
        form(&got[0]),
        [
            ("grant_type", "client_credentials"),
            ("client_id", "app"),
            ("client_secret", "s3cret-of-the-app"),
            ("scope", SCOPE),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
}

#[tokio::test]
async fn a_source_that_is_set_up_and_fails_ends_the_chain() {
    let server = Server::start(|_, _| {
        let text =
            "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1\r\nCorrelation ID: 2";
        status(
            401,
            json!({ "error": "invalid_client", "error_description": text }).to_string(),
        )
    })
    .await;
    let options = AzureOptions {
        authority: Some(server.url.clone()),
        env: env(&LOGIN),
        cli: az(),
        ..options()
    };
    let error = token(options).await.unwrap_err();
    assert_eq!(error.reason, Reason::NoCredentials);
    assert!(
        error
            .message
            .ends_with("EnvironmentCredential: AADSTS7000215: Invalid client secret provided."),
        "{error}"
    );
    assert!(!error.message.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn the_authority_is_asked_again_when_it_is_busy() {
    let server = Server::start(|_, number| {
        if number < 2 {
            status(503, "")
        } else {
            granted("late")
        }
    })
    .await;
    let options = AzureOptions {
        authority: Some(server.url.clone()),
        env: env(&LOGIN),
        ..options()
    };
    assert_eq!(token(options).await.unwrap(), "late");
}

#[tokio::test]
async fn a_tenant_that_is_no_tenant_is_not_put_into_a_url() {
    for tenant in ["../admin", "a/b", "a?b", "..", "a#b"] {
        let vars = [("AZURE_TENANT_ID", tenant), LOGIN[1], LOGIN[2]];
        let error = token(AzureOptions {
            env: env(&vars),
            ..options()
        })
        .await
        .unwrap_err();
        assert!(
            error.message.contains("neither an id nor a domain name"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_federated_token_is_read_again_for_each_request() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let server = Server::start(|got, _| {
        // Over at once, so that every request for a token reaches the server.
        json!({ "expires_in": 0, "access_token": format!("for-{}", field(got, "client_assertion")) }).to_string()
    })
    .await;
    let vars = [
        LOGIN[0],
        LOGIN[1],
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
    ];
    let options = AzureOptions {
        authority: Some(server.url.clone()),
        env: env(&vars),
        ..options()
    };
    let access = AzureAccess::load(options).unwrap();
    for assertion in ["first", "second"] {
        fs::write(&file, format!("{assertion}\n")).unwrap();
        assert_eq!(
            access.token(SCOPE).await.unwrap().expose(),
            format!("for-{assertion}")
        );
    }
    let got = server.got();
    assert_eq!(
        field(&got[1], "client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert_eq!(field(&got[1], "client_id"), "app");

    fs::remove_file(&file).unwrap();
    let error = access.token(SCOPE).await.map(|_| ()).unwrap_err();
    assert!(
        error
            .message
            .contains("cannot read AZURE_FEDERATED_TOKEN_FILE"),
        "{error}"
    );
}

#[tokio::test]
async fn a_managed_identity_of_a_virtual_machine() {
    for (client, query) in [
        (
            None,
            "api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com",
        ),
        (
            Some("user-assigned"),
            "api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com&client_id=user-assigned",
        ),
    ] {
        let then = time::OffsetDateTime::now_utc().unix_timestamp() + 3600;
        let server = Server::start(move |_, _| {
            json!({ "access_token": "of-the-machine", "expires_on": then.to_string(), "token_type": "Bearer" }).to_string()
        })
        .await;
        let vars: Vec<_> = client
            .map(|client| ("AZURE_CLIENT_ID", client))
            .into_iter()
            .collect();
        let options = AzureOptions {
            imds: Some(server.url.clone()),
            env: env(&vars),
            ..options()
        };
        let access = AzureAccess::load(options).unwrap();
        for _ in 0..2 {
            assert_eq!(
                access.token(SCOPE).await.unwrap().expose(),
                "of-the-machine"
            );
        }
        let got = server.got();
        assert_eq!(got.len(), 1, "the token was not remembered");
        assert_eq!(got[0].uri.path(), "/metadata/identity/oauth2/token");
        assert_eq!(got[0].uri.query(), Some(query));
        assert_eq!(got[0].headers["metadata"], "true");
    }
}

#[tokio::test]
async fn a_machine_without_an_identity_is_passed_over() {
    let server = Server::start(|_, _| {
        status(
            400,
            json!({ "error": "invalid_request", "error_description": "Identity not found" })
                .to_string(),
        )
    })
    .await;
    let options = AzureOptions {
        imds: Some(server.url.clone()),
        cli: az(),
        ..options()
    };
    let token = token_for("https://person.example/.default", options).await;
    assert_eq!(token.unwrap(), "of-the-person");
}

#[tokio::test]
async fn a_managed_identity_of_app_service() {
    let server = Server::start(|_, _| {
        json!({ "access_token": "of-the-app", "expires_on": "4102444800" }).to_string()
    })
    .await;
    let endpoint = server.url.join("/msi/token").unwrap();
    let vars = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", "handle"),
    ];
    let options = AzureOptions {
        env: env(&vars),
        ..options()
    };
    assert_eq!(token(options).await.unwrap(), "of-the-app");
    let got = server.got();
    assert_eq!(
        got[0].uri.query(),
        Some("api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com")
    );
    assert_eq!(got[0].headers["x-identity-header"], "handle");
}

#[tokio::test]
async fn an_identity_endpoint_elsewhere_gets_no_secret_in_plain_text() {
    let vars = [
        ("IDENTITY_ENDPOINT", "http://attacker.example/"),
        ("IDENTITY_HEADER", "handle"),
    ];
    let error = token(AzureOptions {
        env: env(&vars),
        ..options()
    })
    .await
    .unwrap_err();
    assert!(
        error
            .message
            .contains("neither on this machine nor reached over https"),
        "{error}"
    );
}

#[tokio::test]
async fn the_azure_cli_is_asked_for_the_scope_and_its_error_is_passed_on() {
    let options = AzureOptions {
        cli: az(),
        ..options()
    };
    assert_eq!(
        token(options.clone()).await.unwrap(),
        format!("for account get-access-token --output json --scope {SCOPE}")
    );
    for (scope, want) in [
        ("logged-out", "az: Please run 'az login' to setup account."),
        ("silent", "az: failed without a word"),
        ("nonsense", "az: its output holds no access token"),
    ] {
        let error = token_for(scope, options.clone()).await.unwrap_err();
        assert!(
            error
                .message
                .ends_with(&format!("AzureCLICredential: {want}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn however_many_ask_one_request_is_made_and_renewed_in_time() {
    let server = Server::start(|_, number| granted(&format!("token-{number}"))).await;
    let options = AzureOptions {
        authority: Some(server.url.clone()),
        env: env(&LOGIN),
        ..options()
    };
    let access = AzureAccess::load(options).unwrap();
    let tokens = futures::future::join_all((0..20).map(|_| access.token(SCOPE))).await;
    assert!(
        tokens
            .iter()
            .all(|token| token.as_ref().ok().unwrap().expose() == "token-0")
    );
    assert_eq!(server.got().len(), 1);

    // 3,599 s of life, renewed 300 s before its end.
    for (seconds, want) in [(3200, "token-0"), (100, "token-1")] {
        pause();
        advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        assert_eq!(access.token(SCOPE).await.unwrap().expose(), want);
    }
    // Another scope is another token.
    assert_eq!(
        access
            .token("https://other.example/.default")
            .await
            .unwrap()
            .expose(),
        "token-2"
    );
}

#[tokio::test]
async fn a_failed_chain_is_not_walked_by_every_scope() {
    let server = Server::start(|_, _| status(401, r#"{"error":"invalid_client"}"#)).await;
    let options = AzureOptions {
        authority: Some(server.url.clone()),
        env: env(&LOGIN),
        ..options()
    };
    let access = AzureAccess::load(options).unwrap();
    for _ in 0..3 {
        assert_eq!(
            access.token(SCOPE).await.map(|_| ()).unwrap_err().reason,
            Reason::NoCredentials
        );
    }
    assert_eq!(server.got().len(), 1);
    pause();
    advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert!(access.token(SCOPE).await.is_err());
    assert_eq!(server.got().len(), 2);
}
