//! The SDK's clients on muster's configuration: the same reasons, and no retries of their own.

use std::time::Duration;

use muster_cloud::{BudgetConfig, CallError, Reason, aws::AwsAccess};

use crate::{
    CALLER, account, identity, options, refusal,
    server::{Say, Server, ok, status},
};

const CALL: &str = "sts:GetSessionToken";

/// Asks through the SDK's STS client, whose answers are in the same XML as those of RDS.
async fn ask(say: Say) -> (CallError, usize) {
    let (account, server) = account(move |_, _| say.clone()).await;
    let region = account.region("eu-west-1");
    let client = aws_sdk_sts::Client::new(region.sdk_config());
    let budget = region.budget("sts");
    let error = budget
        .call(CALL, || client.get_session_token().send())
        .await
        .unwrap_err();
    let asked = server.asked("GetSessionToken").len();
    assert_eq!(budget.requests() as usize, asked.max(1), "{error}");
    (error, asked)
}

#[tokio::test]
async fn every_failure_has_its_reason() {
    let start = "<GetSessionTokenResponse><GetSessionTokenResult><Credentials><AccessKeyId>A";
    let message =
        "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: sts:Other";
    let table: Vec<(Say, Reason, usize)> = vec![
        (
            status(403, refusal("AccessDenied", message)),
            Reason::Denied,
            1,
        ),
        (
            status(403, refusal("InvalidClientTokenId", "bad")),
            Reason::NoCredentials,
            1,
        ),
        (
            status(400, refusal("Throttling", "Rate exceeded")),
            Reason::Throttled,
            3,
        ),
        (
            status(
                400,
                refusal("InvalidParameterValue", "Unrecognized engine name: x"),
            ),
            Reason::UnsupportedEngine,
            1,
        ),
        (
            status(500, refusal("InternalFailure", "oops")),
            Reason::Server,
            3,
        ),
        (status(502, "<html>Bad gateway</html>"), Reason::Server, 3),
        (status(503, ""), Reason::Server, 3),
        (status(403, "not xml"), Reason::Denied, 1),
        (ok(start), Reason::Truncated, 3),
        (Say::CutShort(start.to_owned()), Reason::Truncated, 3),
        (
            ok("<GetSessionTokenResponse></wrong>"),
            Reason::Malformed,
            1,
        ),
        (ok("Welcome to the hotel"), Reason::Malformed, 1),
        (
            ok("<html><body>Sign in</body></html>"),
            Reason::Malformed,
            1,
        ),
        (Say::HangUp, Reason::Unreachable, 3),
    ];
    for (say, reason, times) in table {
        let shown = format!("{say:?}");
        let (error, asked) = ask(say).await;
        assert_eq!(error.reason, reason, "{shown}: {error:?}");
        assert_eq!(error.call, CALL);
        assert_eq!(asked, times, "{shown}: {error}");
        let permission = match (reason, shown.contains("sts:Other")) {
            (Reason::Denied, true) => Some("sts:Other"),
            (Reason::Denied, false) => Some(CALL),
            _ => None,
        };
        assert_eq!(error.permission.as_deref(), permission);
        assert!(!error.message.is_empty(), "{shown}");
    }
}

#[tokio::test]
async fn an_answer_cut_anywhere_is_never_taken_for_whole() {
    let whole = identity("111111111111", CALLER);
    let end = whole.rfind("</GetCallerIdentityResponse>").unwrap();
    let cuts = (1..end)
        .step_by(7)
        .map(|at| whole[..at].to_owned())
        .collect::<Vec<_>>();
    let count = cuts.len();
    let server = Server::start(move |_, n| ok(cuts[n.min(cuts.len() - 1)].clone())).await;
    let mut options = options(&server);
    options.budgets.attempts = 1;
    let access = AwsAccess::load(options).await;
    for n in 0..count {
        let error = access.account(None).await.expect_err("cut");
        assert!(
            matches!(error.reason, Reason::Truncated | Reason::Malformed),
            "{n}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_unreachable() {
    let server = Server::start(|_, _| Say::Silence).await;
    let mut options = options(&server);
    options.budgets = BudgetConfig {
        attempts: 2,
        attempt_timeout: Duration::from_millis(100),
        ..options.budgets
    };
    let error = AwsAccess::load(options)
        .await
        .account(None)
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::Unreachable);
    assert_eq!(server.asked("GetCallerIdentity").len(), 2);
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let server = Server::start(|_, _| Say::HangUp).await;
    let mut options = options(&server);
    // Port 1 of the loopback: nobody listens there.
    options.endpoint_url = Some("http://127.0.0.1:1".to_owned());
    let error = AwsAccess::load(options)
        .await
        .account(None)
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::Unreachable);
    assert!(error.message.to_lowercase().contains("refused"), "{error}");
}

#[tokio::test]
async fn nothing_is_sent_in_clear_where_tls_is_asked_for() {
    let server = Server::start(|_, _| ok(identity("111111111111", CALLER))).await;
    let mut options = options(&server);
    options.endpoint_url = Some(server.url.replace("http://", "https://"));
    let error = AwsAccess::load(options)
        .await
        .account(None)
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::Unreachable, "{error}");
    assert!(server.asked("GetCallerIdentity").is_empty());
}
