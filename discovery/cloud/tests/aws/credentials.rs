//! Whose credentials are used: roles.

use muster_cloud::{
    Reason,
    aws::{AssumeRole, AwsAccess},
};

use crate::{
    CALLER, identity, options, refusal,
    server::{Request, Say, Server, ok, status},
};

const REGIONS: &str = "<DescribeRegionsResponse><regionInfo><item><regionName>eu-west-1</regionName>\
    </item></regionInfo></DescribeRegionsResponse>";

pub fn role(arn: &str, external_id: Option<&str>) -> AssumeRole {
    AssumeRole {
        arn: arn.to_owned(),
        external_id: external_id.map(str::to_owned),
    }
}

pub fn granted(account: &str) -> Say {
    granted_to(
        account,
        &format!(
            "<AssumedRoleUser><AssumedRoleId>R:muster</AssumedRoleId>\
             <Arn>arn:aws:sts::{account}:assumed-role/muster/muster</Arn></AssumedRoleUser>"
        ),
    )
}

fn granted_to(account: &str, user: &str) -> Say {
    ok(format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         {user}<Credentials><AccessKeyId>ASIAROLE{account}</AccessKeyId>\
         <SecretAccessKey>secret-role</SecretAccessKey><SessionToken>token-role</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
         </AssumeRoleResult></AssumeRoleResponse>"
    ))
}

pub fn aws(request: &Request) -> Say {
    match request.action() {
        "GetCallerIdentity" => ok(identity("111111111111", CALLER)),
        "DescribeRegions" => ok(REGIONS),
        "GetResources" => ok(r#"{"ResourceTagMappingList":[]}"#),
        _ => Say::HangUp,
    }
}

#[tokio::test]
async fn a_role_is_taken_once_and_used_everywhere() {
    let server = Server::start(|request, _| match request.action() {
        "AssumeRole" => granted("222222222222"),
        _ => aws(request),
    })
    .await;
    let access = AwsAccess::load(options(&server)).await;
    let role = role("arn:aws:iam::222222222222:role/team/muster", Some("x-1"));
    let (first, second) = tokio::join!(access.account(Some(&role)), access.account(Some(&role)));
    let account = first.unwrap();
    assert_eq!(
        (account.id(), second.unwrap().id()),
        ("222222222222", "222222222222")
    );
    assert_eq!(account.regions().await.unwrap(), ["eu-west-1"]);
    for region in ["eu-west-1", "eu-west-2", "eu-west-3"] {
        account.region(region).tags(&[]).await.unwrap();
    }

    let taken = server.asked("AssumeRole");
    assert_eq!(taken.len(), 1);
    assert!(
        taken[0].body.contains("ExternalId=x-1"),
        "{}",
        taken[0].body
    );
    assert!(
        taken[0]
            .header("authorization")
            .contains("Credential=AKIDAMBIENT/")
    );
    let used = server.asked("GetResources");
    assert_eq!(used.len(), 3);
    for request in used.iter().chain(&server.asked("DescribeRegions")) {
        assert!(
            request
                .header("authorization")
                .contains("Credential=ASIAROLE222222222222/")
        );
        assert_eq!(request.header("x-amz-security-token"), "token-role");
    }
    let shown = format!("{access:?} {account:?} {:?}", account.region("eu-west-1"));
    assert!(
        !shown.contains("secret") && !shown.contains("token-role"),
        "{shown}"
    );
}

#[tokio::test]
async fn sdk_clients_use_the_role_of_their_account() {
    let server = Server::start(|request, _| match request.action() {
        "AssumeRole" if request.body.contains("222222222222") => granted("222222222222"),
        "AssumeRole" => granted("333333333333"),
        _ => aws(request),
    })
    .await;
    let access = AwsAccess::load(options(&server)).await;
    for id in ["222222222222", "333333333333", "222222222222"] {
        let role = role(&format!("arn:aws:iam::{id}:role/muster"), None);
        let region = access
            .account(Some(&role))
            .await
            .unwrap()
            .region("eu-west-1");
        aws_sdk_sts::Client::new(region.sdk_config())
            .get_caller_identity()
            .send()
            .await
            .unwrap();
        let last = server.asked("GetCallerIdentity").pop().unwrap();
        assert!(
            last.header("authorization")
                .contains(&format!("ASIAROLE{id}/")),
            "{id}"
        );
    }
    assert_eq!(server.asked("AssumeRole").len(), 2);
}

#[tokio::test]
async fn a_refused_role_says_who_asked_and_what_is_missing() {
    let arn = "arn:aws:iam::222222222222:role/muster";
    let named = format!(
        "User: arn:aws:sts::111111111111:assumed-role/ci/i-1 is not authorized to perform: \
         sts:AssumeRole on resource: {arn}"
    );
    for (message, caller) in [
        (
            named.as_str(),
            "arn:aws:sts::111111111111:assumed-role/ci/i-1",
        ),
        ("Access denied", CALLER),
    ] {
        let body = refusal("AccessDenied", message);
        let server = Server::start(move |request, _| match request.action() {
            "AssumeRole" => status(403, body.clone()),
            _ => aws(request),
        })
        .await;
        let access = AwsAccess::load(options(&server)).await;
        let error = access
            .account(Some(&role(arn, Some("x-1"))))
            .await
            .unwrap_err();
        assert_eq!(
            (error.reason, error.call.as_str()),
            (Reason::Denied, "sts:AssumeRole")
        );
        assert_eq!(error.permission.as_deref(), Some("sts:AssumeRole"));
        let want = format!("{caller} may not assume {arn} with external id `x-1`: ");
        assert!(error.message.starts_with(&want), "{error}");
        assert!(
            error.message.contains("trust policy") && !error.message.contains('\n'),
            "{error}"
        );
        // What is known to be refused is not asked again by every scope.
        access
            .account(Some(&role(arn, Some("x-1"))))
            .await
            .unwrap_err();
        assert_eq!(server.asked("AssumeRole").len(), 1);
    }
}

#[tokio::test]
async fn a_role_of_the_wrong_account_is_refused() {
    let server = Server::start(|request, _| match request.action() {
        "AssumeRole" => granted("999999999999"),
        _ => aws(request),
    })
    .await;
    let access = AwsAccess::load(options(&server)).await;
    let role = role("arn:aws:iam::222222222222:role/muster", None);
    let error = access.account(Some(&role)).await.unwrap_err();
    assert_eq!(error.reason, Reason::Malformed);
    assert!(error.message.contains("999999999999"), "{error}");
}

#[tokio::test]
async fn a_role_of_nobody_is_refused() {
    for user in [
        "",
        "<AssumedRoleUser><AssumedRoleId>R:muster</AssumedRoleId></AssumedRoleUser>",
        "<AssumedRoleUser><AssumedRoleId>R:muster</AssumedRoleId><Arn>muster</Arn></AssumedRoleUser>",
    ] {
        let server = Server::start(move |request, _| match request.action() {
            "AssumeRole" => granted_to("222222222222", user),
            _ => aws(request),
        })
        .await;
        let access = AwsAccess::load(options(&server)).await;
        let role = role("arn:aws:iam::222222222222:role/muster", None);
        let error = access.account(Some(&role)).await.unwrap_err();
        assert_eq!(error.reason, Reason::Malformed, "{user}: {error}");
    }
}

#[tokio::test]
async fn what_is_no_role_is_not_asked_for() {
    let server = Server::start(|request, _| aws(request)).await;
    let access = AwsAccess::load(options(&server)).await;
    let error = access
        .account(Some(&role("muster", None)))
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::Rejected);
    assert!(
        error.message.contains("`muster` is not the ARN of a role"),
        "{error}"
    );
    assert!(server.asked("AssumeRole").is_empty());
}

#[tokio::test]
async fn a_given_endpoint_that_is_no_url_is_refused_at_once() {
    let server = Server::start(|request, _| aws(request)).await;
    let mut options = options(&server);
    options.endpoint_url = Some("notaurl".to_owned());
    let access = AwsAccess::load(options).await;
    let role = role("arn:aws:iam::222222222222:role/muster", None);
    for role in [None, Some(&role)] {
        let error = access.account(role).await.unwrap_err();
        assert_eq!(error.reason, Reason::Rejected);
        assert_eq!(
            error.message,
            "the endpoint `notaurl` is not an http or https URL"
        );
    }
}

#[tokio::test]
async fn a_chain_asks_for_each_role_as_the_one_before_it() {
    let server = Server::start(|request, _| match request.action() {
        "AssumeRole" if request.body.contains("222222222222") => granted("222222222222"),
        "AssumeRole" => granted("333333333333"),
        _ => aws(request),
    })
    .await;
    let access = AwsAccess::load(options(&server)).await;
    let chain = [
        role("arn:aws:iam::222222222222:role/muster", Some("x-1")),
        role("arn:aws:iam::333333333333:role/alice", None),
    ];
    for _ in 0..2 {
        let keys = access.credentials(&chain).await.unwrap();
        assert_eq!(keys.access_key_id(), "ASIAROLE333333333333");
    }
    let keys = access.credentials(&chain[..1]).await.unwrap();
    assert_eq!(keys.access_key_id(), "ASIAROLE222222222222");
    let keys = access.credentials(&[]).await.unwrap();
    assert_eq!(keys.access_key_id(), "AKIDAMBIENT");

    let asked = server.asked("AssumeRole");
    let [first, second] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert!(first.header("authorization").contains("AKIDAMBIENT/"));
    assert!(first.body.contains("ExternalId=x-1"));
    assert!(
        second
            .header("authorization")
            .contains("ASIAROLE222222222222/")
    );
    assert!(!second.body.contains("ExternalId"), "{}", second.body);

    let long = vec![chain[0].clone(); 5];
    let error = access.credentials(&long).await.unwrap_err();
    assert_eq!(error.reason, Reason::Rejected);
}

#[tokio::test]
async fn a_refusal_in_a_chain_names_the_role_that_asked() {
    let server = Server::start(|request, _| match request.action() {
        "AssumeRole" if request.body.contains("222222222222") => granted("222222222222"),
        "AssumeRole" => status(403, refusal("AccessDenied", "Access denied")),
        _ => aws(request),
    })
    .await;
    let access = AwsAccess::load(options(&server)).await;
    let chain = [
        role("arn:aws:iam::222222222222:role/muster", None),
        role("arn:aws:iam::333333333333:role/alice", None),
    ];
    let error = access.credentials(&chain).await.unwrap_err();
    assert_eq!(error.reason, Reason::Denied);
    assert!(
        error.message.starts_with(
            "arn:aws:iam::222222222222:role/muster may not assume arn:aws:iam::333333333333:role/alice"
        ),
        "{error}"
    );
}
