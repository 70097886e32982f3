//! There are credentials for each account, and each role can be assumed.

use muster_cloud::aws::missing_assume_role_policies;

use crate::doctor::{
    Check, Evidence, Finding,
    evidence::{Account, Refusal},
};

/// Looks at credentials.
pub fn look(evidence: &Evidence) -> Vec<Finding> {
    let accounts = evidence.credentials.iter().flatten();
    accounts.filter_map(account).collect()
}

fn account(account: &Account) -> Option<Finding> {
    let Refusal {
        reason,
        message,
        external_id,
    } = account.failure.as_ref()?;
    let Account {
        cloud,
        name,
        caller,
        ..
    } = account;
    let check = Check::Credentials;
    let is_role = name.starts_with("arn:");
    let finding = match reason.as_str() {
        "denied" if is_role => {
            let caller = caller.as_deref().unwrap_or("PUT-THE-ARN-OF-MUSTER-HERE");
            let external_id = external_id.as_deref();
            let (trust, permission) = missing_assume_role_policies(caller, name, external_id);
            check
                .failed("role-refused", name)
                .what(format!("{caller} may not assume {name}"))
                .remedy(format!(
                    "both are needed:\n1. the trust policy of {name}:\n{trust}\n2. a policy of {caller}:\n{permission}"
                ))
        }
        "no-credentials" => {
            let remedy = match cloud.as_str() {
                "AWS" => "give muster's process one of the sources: an instance profile or a role of its pod, a profile \
                          (AWS_PROFILE), or keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY); to try it: aws sts \
                          get-caller-identity\nIn containers the metadata service is out of reach while its hop limit is \
                          1: aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2"
                    .to_owned(),
                _ => "give muster's process one of the sources: a managed identity, workload identity, a client \
                      (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), or log in: az login\nA source that is set \
                      up and fails ends the search."
                    .to_owned(),
            };
            check
                .failed("no-credentials", name)
                .what(format!("there are no credentials for {cloud}"))
                .remedy(remedy)
        }
        "denied" => check
            .failed("refused", name)
            .what(format!("{cloud} does not accept the credentials"))
            .remedy(match cloud.as_str() {
                "AWS" => "see whose they are, and put valid ones in their place: aws sts get-caller-identity",
                _ => "see whose they are, and put valid ones in their place: az account get-access-token",
            }),
        "unreachable" => check
            .failed("cloud-unreachable", name)
            .what(format!("{cloud} cannot be reached"))
            .remedy(match cloud.as_str() {
                "AWS" => "check name resolution, firewall and HTTPS_PROXY: curl -sSI https://sts.amazonaws.com",
                _ => "check name resolution, firewall and HTTPS_PROXY: curl -sSI https://login.microsoftonline.com",
            }),
        _ => check
            .warns("credentials-unknown", name)
            .what(format!("{cloud} did not say whether the credentials are good ({reason})"))
            .remedy("try again in a moment: muster doctor credentials"),
    };
    Some(finding.why(message))
}
