//! A replayer with a tape, and AWS as muster reaches it, pointed at the replayer.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use muster_cloud::{
    BudgetConfig,
    aws::{AwsAccess, AwsOptions},
    replay::{Answer, Exchange, Replayer, Request, Tape},
};
use muster_discovery::{Scanner, aws_scanner};
use muster_model::{Scan, Scope, Service};

/// Account 111111111111 unless a test says otherwise.
pub const ACCOUNT: &str = "111111111111";

pub struct World {
    pub replayer: Replayer,
    access: AwsAccess,
}

/// A folder of recorded answers.
pub fn fixtures(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/cloud")
        .join(folder)
}

/// A budget that tries three times and hardly waits.
pub fn impatient() -> BudgetConfig {
    BudgetConfig {
        per_second: 10_000.0,
        burst: 10_000,
        attempts: 3,
        base_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(2),
        attempt_timeout: Duration::from_secs(20),
        patience: Duration::from_secs(20),
        ..BudgetConfig::default()
    }
}

impl World {
    /// Serves a tape to the account with this number.
    pub async fn new(mut tape: Tape, account: &str, budgets: BudgetConfig) -> Self {
        if !tape
            .exchanges()
            .iter()
            .any(|it| it.request.service.as_deref() == Some("sts"))
        {
            tape.push(caller());
        }
        let replayer = Replayer::start(tape).unwrap();
        let key = format!("ASIAEXAMPLE0{account}");
        let credentials = aws_sdk_rds::config::Credentials::new(key, "secret", None, None, "test");
        let options = AwsOptions {
            endpoint_url: Some(replayer.url().to_owned()),
            credentials: Some(credentials),
            budgets,
        };
        Self {
            access: AwsAccess::load(options).await,
            replayer,
        }
    }

    /// Serves `fixtures/cloud/faults/CASE`.
    pub async fn fault(case: &str, budgets: BudgetConfig) -> Self {
        let tape = Tape::from_dir(fixtures("faults").join(case)).unwrap();
        Self::new(tape, ACCOUNT, budgets).await
    }

    /// The scanner of one scope.
    pub async fn scanner(&self, region: &str, service: Service) -> Box<dyn Scanner> {
        let account = self.access.account(None).await.unwrap();
        let scope = Arc::new(Scope::aws(account.id(), region, service));
        aws_scanner(account.region(region), scope).unwrap()
    }

    /// One scan.
    pub async fn scan(&self, region: &str, service: Service) -> Scan {
        self.scanner(region, service).await.scan().await
    }

    /// The action of every call that was sent, but for the one that asks who we are.
    pub fn calls(&self) -> Vec<String> {
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        let log = self.replayer.log();
        log.iter()
            .filter(|it| it.service.as_deref() != Some("sts"))
            .map(|it| text(&it.action))
            .collect()
    }
}

/// Says that the caller is [`ACCOUNT`].
fn caller() -> Exchange {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <UserId>AROA:muster</UserId><Account>{ACCOUNT}</Account>\
         <Arn>arn:aws:sts::{ACCOUNT}:assumed-role/muster/muster</Arn></GetCallerIdentityResult>\
         </GetCallerIdentityResponse>"
    );
    answer("sts", "GetCallerIdentity", None, &body)
}

/// An exchange with one answer, for the page behind `marker`.
pub fn answer(service: &str, action: &str, marker: Option<&str>, body: &str) -> Exchange {
    Exchange {
        name: format!("{service} {action} {marker:?}"),
        about: String::new(),
        request: Request {
            service: Some(service.to_owned()),
            action: Some(action.to_owned()),
            marker: marker.map(str::to_owned),
            params: BTreeMap::new(),
            ..Request::default()
        },
        answers: vec![Answer::ok(body.to_owned())],
    }
}
