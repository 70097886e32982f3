//! AWS as it answers, and as it fails: over real HTTP, against a stand-in on the loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

mod calls;
mod credentials;
mod environments;
mod sdk;
mod server;

use std::time::Duration;

use aws_credential_types::Credentials;
use muster_cloud::{
    BudgetConfig,
    aws::{AwsAccess, AwsAccount, AwsOptions},
};

use self::server::{Request, Say, Server, ok};

const CALLER: &str = "arn:aws:iam::111111111111:user/ann";

/// Options that ask `server` with given keys, and do not wait long between attempts.
fn options(server: &Server) -> AwsOptions {
    AwsOptions {
        endpoint_url: Some(server.url.clone()),
        credentials: Some(Credentials::new(
            "AKIDAMBIENT",
            "secret-ambient",
            None,
            None,
            "test",
        )),
        budgets: BudgetConfig {
            per_second: 10_000.0,
            burst: 10_000,
            attempts: 3,
            base_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(2),
            attempt_timeout: Duration::from_secs(5),
            ..BudgetConfig::default()
        },
    }
}

/// The ambient account of a stand-in that answers `sts:GetCallerIdentity`, and the rest by `say`.
async fn account(
    say: impl Fn(&Request, usize) -> Say + Send + Sync + 'static,
) -> (AwsAccount, Server) {
    let server = Server::start(move |request, n| match request.action() {
        "GetCallerIdentity" => ok(identity("111111111111", CALLER)),
        _ => say(request, n),
    })
    .await;
    let account = AwsAccess::load(options(&server))
        .await
        .account(None)
        .await
        .unwrap();
    (account, server)
}

fn identity(account: &str, arn: &str) -> String {
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>{arn}</Arn><UserId>U</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
}

fn refusal(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
}
