//! Credentials, by account: each is asked for once.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt as _, stream};
use muster_cloud::{CallError, Reason, aws::AssumeRole};
use tokio::time::timeout;

use crate::{
    config::{AwsAccountRef, Config},
    doctor::evidence::{Account, Refusal},
    pipeline::sources::Clouds,
};

/// What the credentials are called that the machine has.
pub const AMBIENT: &str = "the ambient credentials";

/// Roles that are asked for at once.
const AT_ONCE: usize = 8;

/// Asks for the credentials of every account that the configuration names.
pub async fn accounts(config: &Config, clouds: &Clouds, each: Duration) -> Vec<Account> {
    let mut all = Vec::new();
    let roles: BTreeSet<&AwsAccountRef> = config
        .aws
        .iter()
        .flat_map(|source| &source.accounts)
        .collect();
    if !roles.is_empty() {
        all.extend(aws(&roles, clouds, each).await);
    }
    if !config.azure.is_empty() {
        let answer = timeout(each, async {
            let access = clouds.azure().await.clone()?;
            access.token(&access.management_scope()).await.map(drop)
        });
        let failure = match answer.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(refusal(&error)),
            Err(_) => Some(late(each)),
        };
        all.push(Account {
            cloud: "Azure".to_owned(),
            name: AMBIENT.to_owned(),
            caller: None,
            failure,
        });
    }
    all
}

async fn aws(accounts: &BTreeSet<&AwsAccountRef>, clouds: &Clouds, each: Duration) -> Vec<Account> {
    let access = clouds.aws().await;
    let (caller, failure) = match timeout(each, access.caller()).await {
        Ok(Ok(caller)) => (Some(caller.arn.clone()), None),
        Ok(Err(error)) => (None, Some(refusal(&error))),
        Err(_) => (None, Some(late(each))),
    };
    // Without them no role can be asked for: that is one thing that is wrong, and not many.
    let ends = failure.is_some();
    let mut all = vec![Account {
        cloud: "AWS".to_owned(),
        name: AMBIENT.to_owned(),
        caller: caller.clone(),
        failure,
    }];
    if ends {
        return all;
    }
    let one = async |account: &AwsAccountRef| {
        let AwsAccountRef::Role { arn, external_id } = account else {
            return None;
        };
        let role = [AssumeRole {
            arn: arn.clone(),
            external_id: external_id.clone(),
        }];
        let failure = match timeout(each, access.credentials(&role)).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(Refusal {
                external_id: external_id.clone(),
                ..refusal(&error)
            }),
            Err(_) => Some(late(each)),
        };
        Some(Account {
            cloud: "AWS".to_owned(),
            name: arn.clone(),
            caller: caller.clone(),
            failure,
        })
    };
    let asked: Vec<Option<Account>> = stream::iter(accounts.iter().copied())
        .map(one)
        .buffered(AT_ONCE)
        .collect()
        .await;
    all.extend(asked.into_iter().flatten());
    all
}

fn refusal(error: &CallError) -> Refusal {
    let reason = match error.reason {
        // A time-out is one as well, wherever it comes from.
        Reason::Server | Reason::Truncated => Reason::Unreachable,
        reason => reason,
    };
    Refusal {
        reason: reason.to_string(),
        message: error.to_string(),
        external_id: None,
    }
}

fn late(each: Duration) -> Refusal {
    Refusal {
        reason: Reason::Unreachable.to_string(),
        message: format!("there was no answer within {} s", each.as_secs()),
        external_id: None,
    }
}
