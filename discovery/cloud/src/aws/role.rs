//! Taking a role in another account, and what to say when that is refused.

use async_trait::async_trait;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_sts::{Client, error::SdkError, operation::assume_role::AssumeRoleError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde_json::json;

use super::{
    Ambient,
    cache::{Cached, Source},
    partition::Partition,
};
use crate::error::{CallError, Classified, Classify, Reason};

const CALL: &str = "sts:AssumeRole";
/// The name that the other account's audit log shows.
const SESSION: &str = "muster";

/// A role to take: on the ambient credentials, or on those of the role before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AssumeRole {
    /// `arn:aws:iam::111111111111:role/muster`.
    pub arn: String,
    /// The external id that the role's trust policy asks for.
    pub external_id: Option<String>,
}

/// Takes a role whenever asked.
#[derive(Debug)]
pub(super) struct RoleSource {
    pub ambient: Ambient,
    /// The role to ask as, and its credentials; none for the ambient ones.
    pub before: Option<(AssumeRole, Cached)>,
    pub role: AssumeRole,
}

// === impl AssumeRole ===

impl AssumeRole {
    /// The account that the role is in; `None` if this is no role's ARN.
    pub fn account_id(&self) -> Option<&str> {
        let mut parts = self.arn.splitn(6, ':');
        let (arn, partition, service, region) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (account, resource) = (parts.next()?, parts.next()?);
        let name = resource.strip_prefix("role/")?;
        let sound = arn == "arn"
            && partition.starts_with("aws")
            && (service, region) == ("iam", "")
            && is_account_id(account)
            && !name.is_empty()
            && !name.ends_with('/');
        sound.then_some(account)
    }

    pub(super) fn checked(&self) -> Result<(&str, &'static Partition), CallError> {
        let parts = self.account_id().zip(Partition::of_arn(&self.arn));
        parts.ok_or_else(|| {
            let message = format!(
                "`{}` is not the ARN of a role, as in arn:aws:iam::111111111111:role/muster",
                self.arn
            );
            CallError::new(Reason::Rejected, CALL, message)
        })
    }
}

// === impl RoleSource ===

#[async_trait]
impl Source for RoleSource {
    async fn fetch(&self) -> Result<Credentials, CallError> {
        let (account, partition) = self.role.checked()?;
        // Without credentials there is nothing to ask with: say that, not a refusal.
        let mut sdk = self.ambient.sdk_in(partition);
        match &self.before {
            None => drop(self.ambient.credentials.get().await?),
            Some((_, credentials)) => {
                credentials.get().await?;
                let provider = SharedCredentialsProvider::new(credentials.clone());
                sdk = sdk.to_builder().credentials_provider(provider).build();
            }
        }
        let client = Client::new(&sdk);
        let budget = self.ambient.budget("sts");
        let answer = budget
            .call(CALL, || async {
                let request = client
                    .assume_role()
                    .role_arn(&self.role.arn)
                    .role_session_name(SESSION)
                    .set_external_id(self.role.external_id.clone());
                request.send().await.map_err(Refused)
            })
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.reason == Reason::Denied => return Err(self.explain(error).await),
            Err(error) => return Err(error),
        };
        let malformed = |message: String| CallError::new(Reason::Malformed, CALL, message);
        // A stand-in for AWS that ignores the role would otherwise show one account as another.
        let taken = answer.assumed_role_user().and_then(|user| {
            let account = user.arn().split(':').nth(4)?;
            is_account_id(account).then_some(account)
        });
        match taken {
            Some(got) if got == account => {}
            Some(got) => {
                return Err(malformed(format!(
                    "asked for a role of account {account}, got one of {got}"
                )));
            }
            None => {
                return Err(malformed(format!(
                    "asked for a role of account {account}, and the answer does not say whose \
                     role it is"
                )));
            }
        }
        let Some(keys) = answer.credentials() else {
            return Err(malformed("the answer holds no credentials".to_owned()));
        };
        let expiry = (*keys.expiration())
            .try_into()
            .map_err(|_| malformed("the credentials' end is no time".to_owned()))?;
        Ok(Credentials::new(
            keys.access_key_id(),
            keys.secret_access_key(),
            Some(keys.session_token().to_owned()),
            Some(expiry),
            "muster role",
        ))
    }
}

impl RoleSource {
    /// A refusal, with who asked for what, and the two places where it can be allowed.
    async fn explain(&self, error: CallError) -> CallError {
        let caller = match (named_caller(&error.message), &self.before) {
            (Some(caller), _) => caller.to_owned(),
            (None, Some((before, _))) => before.arn.clone(),
            (None, None) => match self.ambient.caller().await {
                Ok(caller) => caller.arn.clone(),
                Err(_) => "the caller".to_owned(),
            },
        };
        let AssumeRole { arn, external_id } = &self.role;
        let (with, must) = match external_id {
            Some(id) => (format!("with external id `{id}`"), " with this external id"),
            None => ("without an external id".to_owned(), ""),
        };
        let message = format!(
            "{caller} may not assume {arn} {with}: the caller's policy must allow sts:AssumeRole on \
             the role, and the role's trust policy must name the caller{must}; STS said {}",
            error.message
        );
        CallError::denied(CALL, CALL, message)
    }
}

/// STS's refusal. A role that does not exist and one that may not be taken look the same to it.
struct Refused(SdkError<AssumeRoleError, HttpResponse>);

impl Classify for Refused {
    fn classify(&self, call: &str) -> Classified {
        match self.0.as_service_error() {
            Some(AssumeRoleError::RegionDisabledException(_)) => CallError::new(
                Reason::Rejected,
                call,
                "STS is switched off in this region for this account; set AWS_REGION to another one",
            )
            .fatal(),
            _ => self.0.classify(call),
        }
    }
}

/// Who asked, as in `User: arn:... is not authorized to perform`.
fn named_caller(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("User: ")?;
    rest.split_whitespace()
        .next()
        .filter(|arn| arn.starts_with("arn:"))
}

/// The two policies that let `caller` take `role`, as JSON: the role's trust policy, and the policy
/// for the caller.
///
/// `caller` is the ARN that `sts:GetCallerIdentity` gives. A session's ARN becomes that of its
/// role; the path of a role is not in a session's ARN, so a role with a path must be put in by
/// hand. Only a single sign-on role, whose path is known, is matched by a condition.
pub fn missing_assume_role_policies(
    caller: &str,
    role: &str,
    external_id: Option<&str>,
) -> (String, String) {
    let (principal, arn_like) = principal(caller);
    let mut condition = serde_json::Map::new();
    if let Some(id) = external_id {
        condition.insert("StringEquals".to_owned(), json!({ "sts:ExternalId": id }));
    }
    if let Some(pattern) = arn_like {
        condition.insert("ArnLike".to_owned(), json!({ "aws:PrincipalArn": pattern }));
    }
    let mut trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": principal },
            "Action": CALL,
        }],
    });
    if !condition.is_empty()
        && let Some(statement) = trust
            .pointer_mut("/Statement/0")
            .and_then(|s| s.as_object_mut())
    {
        statement.insert("Condition".to_owned(), condition.into());
    }
    let permission = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": CALL, "Resource": role }],
    });
    (format!("{trust:#}"), format!("{permission:#}"))
}

/// Whom a trust policy must name to mean `caller`, and the pattern to add when that is too wide.
fn principal(caller: &str) -> (String, Option<String>) {
    let parts = caller.splitn(6, ':').collect::<Vec<_>>();
    if let [arn, partition, "sts", _, account, resource] = parts.as_slice()
        && let Some(session) = resource.strip_prefix("assumed-role/")
        && let Some((role, _)) = session.rsplit_once('/')
    {
        let root = format!("{arn}:{partition}:iam::{account}");
        return if role.starts_with("AWSReservedSSO_") {
            let pattern = format!("{root}:role/aws-reserved/sso.amazonaws.com/*{role}");
            (format!("{root}:root"), Some(pattern))
        } else {
            (format!("{root}:role/{role}"), None)
        };
    }
    (caller.to_owned(), None)
}

pub(super) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::Value;

    use super::*;

    #[test]
    fn reads_the_account_from_a_role() {
        let account = |arn: &str| {
            let role = AssumeRole {
                arn: arn.to_owned(),
                external_id: None,
            };
            role.account_id().map(str::to_owned)
        };
        assert_eq!(
            account("arn:aws:iam::111111111111:role/muster").unwrap(),
            "111111111111"
        );
        assert_eq!(
            account("arn:aws-cn:iam::111111111111:role/a/b/c").unwrap(),
            "111111111111"
        );
        for wrong in [
            "",
            "muster",
            "arn:aws:iam::111111111111:user/a",
            "arn:aws:iam::1111:role/a",
            "arn:aws:iam:eu-west-1:111111111111:role/a",
            "arn:aws:sts::111111111111:assumed-role/a/b",
            "arn:aws:iam::111111111111:role/",
        ] {
            assert_eq!(account(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn writes_the_policies_that_are_missing() {
        let role = "arn:aws:iam::222222222222:role/muster";
        let table = [
            (
                "arn:aws:iam::111111111111:user/ops/ann",
                "arn:aws:iam::111111111111:user/ops/ann",
                None,
            ),
            (
                "arn:aws:sts::111111111111:assumed-role/ci/i-0abc",
                "arn:aws:iam::111111111111:role/ci",
                None,
            ),
            (
                "arn:aws-us-gov:sts::111111111111:assumed-role/AWSReservedSSO_Admin_1a2b/ann@example.com",
                "arn:aws-us-gov:iam::111111111111:root",
                Some(
                    "arn:aws-us-gov:iam::111111111111:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Admin_1a2b",
                ),
            ),
        ];
        for (caller, principal, pattern) in table {
            let (trust, permission) = missing_assume_role_policies(caller, role, Some("x-1"));
            let trust: Value = serde_json::from_str(&trust).unwrap();
            let statement = &trust["Statement"][0];
            assert_eq!(statement["Principal"]["AWS"], principal);
            assert_eq!(
                statement["Condition"]["StringEquals"]["sts:ExternalId"],
                "x-1"
            );
            assert_eq!(
                statement["Condition"]["ArnLike"]["aws:PrincipalArn"].as_str(),
                pattern
            );
            let permission: Value = serde_json::from_str(&permission).unwrap();
            assert_eq!(permission["Statement"][0]["Resource"], role);
            assert_eq!(permission["Statement"][0]["Action"], "sts:AssumeRole");
        }
        let (trust, _) = missing_assume_role_policies(table[0].0, role, None);
        assert!(!trust.contains("Condition"), "{trust}");
    }
}
