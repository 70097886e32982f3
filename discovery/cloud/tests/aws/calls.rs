//! The calls that muster signs itself.

use muster_cloud::Reason;

use crate::{
    account,
    server::{Say, ok, status},
};

const REGIONS: &str = "<DescribeRegionsResponse><regionInfo>\
    <item><regionName>eu-west-1</regionName><optInStatus>opt-in-not-required</optInStatus></item>\
    <item><regionName>af-south-1</regionName><optInStatus>opted-in</optInStatus></item>\
    </regionInfo></DescribeRegionsResponse>";

fn denied(message: &str) -> String {
    format!(
        "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>{message}</Message>\
         </Error></Errors><RequestID>r</RequestID></Response>"
    )
}

#[tokio::test]
async fn lists_the_enabled_regions_with_one_signed_call() {
    let (account, server) = account(|_, _| ok(REGIONS)).await;
    assert_eq!(account.id(), "111111111111");
    assert_eq!(
        account.regions().await.unwrap(),
        ["af-south-1", "eu-west-1"]
    );
    let asked = server.asked("DescribeRegions");
    assert_eq!(asked.len(), 1);
    let authorization = asked[0].header("authorization");
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDAMBIENT/"),
        "{authorization}"
    );
    assert!(
        authorization.contains("/ec2/aws4_request"),
        "{authorization}"
    );
    assert_eq!(
        asked[0].header("host"),
        server.url.trim_start_matches("http://")
    );
}

#[tokio::test]
async fn comes_back_when_throttled() {
    let (account, server) = account(|_, n| match n {
        0 => Say::Answer(429, vec![("retry-after", "0".to_owned())], String::new()),
        1 => Say::Answer(
            503,
            vec![("x-amz-retry-after", "5".to_owned())],
            denied("slow").replace("UnauthorizedOperation", "RequestLimitExceeded"),
        ),
        _ => ok(REGIONS),
    })
    .await;
    assert_eq!(account.regions().await.unwrap().len(), 2);
    assert_eq!(server.asked("DescribeRegions").len(), 3);
}

#[tokio::test]
async fn every_failure_has_its_reason() {
    // What is said, the reason, and how often it is asked for: three attempts are allowed.
    let message = "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: \
                   ec2:DescribeRegions because no identity-based policy allows it";
    let cut = &REGIONS[..90];
    let table: Vec<(Say, Reason, usize)> = vec![
        (status(403, denied(message)), Reason::Denied, 1),
        (status(403, "<html>Forbidden</html>"), Reason::Denied, 1),
        (status(503, "<html>Bad gateway</html>"), Reason::Server, 3),
        (Say::CutShort(cut.to_owned()), Reason::Truncated, 3),
        (ok(cut), Reason::Truncated, 3),
        (
            ok("<DescribeRegionsResponse><regionInfo></wrong>"),
            Reason::Malformed,
            1,
        ),
        (
            ok("<DescribeRegionsResponse><regionInfo/></DescribeRegionsResponse>"),
            Reason::Malformed,
            1,
        ),
        (ok("Welcome to the hotel"), Reason::Malformed, 1),
        (ok("x".repeat(33 << 20)), Reason::Malformed, 1),
        (status(429, ""), Reason::Throttled, 3),
        (Say::HangUp, Reason::Unreachable, 3),
        (status(302, ""), Reason::Rejected, 1),
    ];
    for (say, reason, times) in table {
        let shown = format!("{say:?}").chars().take(200).collect::<String>();
        let (account, server) = account(move |_, _| say.clone()).await;
        let error = account.regions().await.expect_err(&shown);
        assert_eq!(error.reason, reason, "{shown}: {error}");
        assert_eq!(error.call, "ec2:DescribeRegions");
        assert_eq!(
            server.asked("DescribeRegions").len(),
            times,
            "{shown}: {error}"
        );
        let permission = (reason == Reason::Denied).then_some("ec2:DescribeRegions");
        assert_eq!(error.permission.as_deref(), permission, "{shown}");
        assert!(!error.to_string().contains("secret-ambient"), "{error}");
    }
}

#[tokio::test]
async fn one_cut_answer_costs_one_attempt() {
    let (account, server) = account(|_, n| match n {
        0 => Say::CutShort(REGIONS[..90].to_owned()),
        _ => ok(REGIONS),
    })
    .await;
    assert_eq!(account.regions().await.unwrap().len(), 2);
    assert_eq!(server.asked("DescribeRegions").len(), 2);
}

#[tokio::test]
async fn reads_the_tags_of_every_page() {
    let (account, server) = account(|request, n| {
        assert_eq!(n == 1, request.body.contains("\"PaginationToken\":\"p2\""), "{}", request.body);
        ok(match n {
            0 => {
                r#"{"PaginationToken":"p2","ResourceTagMappingList":[
                {"ResourceARN":"arn:a","Tags":[{"Key":"env","Value":"prod"},{"Key":"empty","Value":""}]}]}"#
            }
            _ => {
                r#"{"PaginationToken":"","ResourceTagMappingList":[
                {"ResourceARN":"arn:b","Tags":[]}]}"#
            }
        })
    })
    .await;
    let tags = account
        .region("eu-west-1")
        .tags(&["elasticache:replicationgroup"])
        .await
        .unwrap();
    assert_eq!(tags.len(), 2);
    assert_eq!(tags["arn:a"]["env"], "prod");
    assert_eq!(tags["arn:a"]["empty"], "");
    assert!(tags["arn:b"].is_empty());
    let asked = server.asked("GetResources");
    assert_eq!(asked.len(), 2);
    assert!(
        asked[0]
            .body
            .contains(r#""ResourceTypeFilters":["elasticache:replicationgroup"]"#)
    );
    assert!(
        asked[0]
            .header("authorization")
            .contains("/eu-west-1/tagging/aws4_request")
    );
}

#[tokio::test]
async fn a_listing_that_is_not_read_to_its_end_gives_nothing() {
    let page = |token: &str| {
        ok(format!(
            r#"{{"PaginationToken":"{token}","ResourceTagMappingList":[]}}"#
        ))
    };
    let (going_round, server) = account(move |_, _| page("same")).await;
    let error = going_round.region("eu-west-1").tags(&[]).await.unwrap_err();
    assert_eq!(
        (error.reason, server.asked("GetResources").len()),
        (Reason::Malformed, 2)
    );

    let (endless, server) = account(move |_, n| page(&n.to_string())).await;
    let error = endless.region("eu-west-1").tags(&[]).await.unwrap_err();
    assert_eq!(
        (error.reason, server.asked("GetResources").len()),
        (Reason::Capped, 1000)
    );
    assert!(error.message.contains("1000 pages"), "{error}");
}

#[tokio::test]
async fn a_refusal_to_list_tags_names_the_permission() {
    let (account, _server) = account(|_, _| {
        status(400, r#"{"__type":"AccessDeniedException","Message":"User: arn:x is not authorized to perform: tag:GetResources"}"#)
    })
    .await;
    let error = account.region("eu-west-1").tags(&[]).await.unwrap_err();
    assert_eq!(error.reason, Reason::Denied);
    assert_eq!(error.permission.as_deref(), Some("tag:GetResources"));
}

#[tokio::test]
async fn a_region_that_is_no_host_name_is_sent_nothing() {
    let (account, server) = account(|_, _| ok(REGIONS)).await;
    // With an endpoint of its own the region is part of the signature only; a slash would still
    // make another credential scope of it.
    let error = account.region("eu/west").tags(&[]).await;
    assert!(
        error.is_err() && server.asked("GetResources").is_empty(),
        "{error:?}"
    );
}
