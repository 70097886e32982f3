#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{fs, path::Path};

use super::*;

/// An AWS call in the Query protocol, as an SDK sends it.
async fn query(
    replayer: &Replayer,
    account: &str,
    region: &str,
    service: &str,
    form: &str,
) -> (u16, String) {
    let response = reqwest::Client::new()
        .post(format!("{}/", replayer.url()))
        .header("authorization", signed(account, region, service))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned())
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn signed(account: &str, region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=ASIAMUST{account}/20260101/{region}/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=00"
    )
}

fn tape(text: &'static str) -> Tape {
    Tape::from_files([("tape.yaml", text)]).unwrap()
}

fn problems(files: &[(&str, &'static str)]) -> Vec<String> {
    let error = Tape::from_files(files.to_vec()).unwrap_err();
    error.problems.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn an_aws_call_is_told_apart_by_account_region_service_action_marker_and_parameter() {
    let replayer = Replayer::start(tape(
        r#"
request: { service: rds, action: DescribeDBInstances }
responses: [{ body: any }]
---
request: { service: rds, action: DescribeDBInstances, account: "111111111111" }
responses: [{ body: account }]
---
request: { service: rds, action: DescribeDBInstances, account: "111111111111", region: eu-west-1 }
responses: [{ body: region }]
---
request: { service: rds, action: DescribeDBInstances, account: "111111111111", region: eu-west-1, marker: page2 }
responses: [{ body: second page }]
---
request: { service: rds, action: DescribeDBClusters, params: { Filters.Filter.1.Values.Value.1: docdb } }
responses: [{ body: documents }]
"#,
    ))
    .unwrap();
    let form = "Action=DescribeDBInstances&Version=2014-10-31";
    let marked = "Action=DescribeDBInstances&Marker=page2";
    let docdb = "Action=DescribeDBClusters&Filters.Filter.1.Name=engine&Filters.Filter.1.Values.Value.1=docdb";
    for (account, region, service, form, want) in [
        ("222222222222", "us-east-1", "rds", form, (200, "any")),
        ("111111111111", "us-east-1", "rds", form, (200, "account")),
        ("111111111111", "eu-west-1", "rds", form, (200, "region")),
        (
            "111111111111",
            "eu-west-1",
            "rds",
            marked,
            (200, "second page"),
        ),
        (
            "111111111111",
            "us-east-1",
            "rds",
            docdb,
            (200, "documents"),
        ),
        ("nobody", "us-east-1", "rds", form, (200, "any")),
    ] {
        let (status, body) = query(&replayer, account, region, service, form).await;
        assert_eq!((status, body.as_str()), want, "{account} {region} {form}");
    }
    let (status, body) = query(
        &replayer,
        "111111111111",
        "us-east-1",
        "rds",
        "Action=DescribeDBClusters&Marker=m",
    )
    .await;
    assert_eq!(
        (status, body.as_str()),
        (
            404,
            "replayer: rds DescribeDBClusters in 111111111111/us-east-1 from m -> nothing recorded\n"
        )
    );
    assert_eq!(replayer.unmatched().len(), 1);
    assert_eq!((replayer.log().len(), replayer.asked()), (7, 7));
    assert_eq!(
        replayer.log()[3].to_string(),
        "rds DescribeDBInstances in 111111111111/eu-west-1 from page2 -> 200 (tape.yaml#4)"
    );
    replayer.shutdown().await;
}

#[tokio::test]
async fn a_json_call_is_read_by_its_target_and_fields() {
    let replayer = Replayer::start(tape(
        r#"
request:
  service: tagging
  action: GetResources
  params: { ResourceTypeFilters.1: "elasticache:replicationgroup", ResourcesPerPage: "100" }
  marker: ""
responses: [{ body: "{}" }]
"#,
    ))
    .unwrap();
    let call = |body: &'static str| {
        reqwest::Client::new()
            .post(replayer.url())
            .header(
                "authorization",
                signed("111111111111", "us-east-1", "tagging"),
            )
            .header(
                "x-amz-target",
                "ResourceGroupsTaggingAPI_20170126.GetResources",
            )
            .header("content-type", "application/x-amz-json-1.1")
            .body(body)
            .send()
    };
    let first = r#"{"ResourcesPerPage":100,"PaginationToken":"","ResourceTypeFilters":["elasticache:replicationgroup"]}"#;
    let response = call(first).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let next = r#"{"ResourcesPerPage":100,"PaginationToken":"x","ResourceTypeFilters":["elasticache:replicationgroup"]}"#;
    assert_eq!(
        call(next).await.unwrap().status(),
        404,
        "the exchange asks for the first page only"
    );
}

#[tokio::test]
async fn an_azure_call_is_told_apart_by_path_and_query_and_may_name_the_replayer() {
    let replayer = Replayer::start(tape(
        r#"
request: { method: GET, path: /subscriptions/s1/servers, query: { api-version: "1", $skiptoken: "" } }
responses: [{ body: '{"nextLink":"{{URL}}/subscriptions/s1/servers?api-version=1&$skiptoken=2"}' }]
---
request: { method: GET, path: /subscriptions/s1/servers, query: { api-version: "1", $skiptoken: "2" } }
responses: [{ body: '{"value":[]}' }]
---
request: { method: POST, path: /tenant/oauth2/v2.0/token, params: { grant_type: client_credentials } }
responses: [{ body: '{"access_token":"t"}' }]
"#,
    ))
    .unwrap();
    let get = |url: String| async move { reqwest::get(url).await.unwrap().text().await.unwrap() };
    let first = get(format!(
        "{}/subscriptions/s1/servers?api-version=1",
        replayer.url()
    ))
    .await;
    let next = format!(
        "{}/subscriptions/s1/servers?api-version=1&$skiptoken=2",
        replayer.url()
    );
    assert_eq!(first, format!(r#"{{"nextLink":"{next}"}}"#));
    assert_eq!(get(next).await, r#"{"value":[]}"#);
    let token = reqwest::Client::new()
        .post(format!("{}/tenant/oauth2/v2.0/token", replayer.url()))
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_secret", "hush"),
        ])
        .send()
        .await
        .unwrap();
    assert_eq!(token.text().await.unwrap(), r#"{"access_token":"t"}"#);
    assert!(
        !format!("{:?}", replayer.log()).contains("hush"),
        "a secret must not be kept"
    );
}

#[tokio::test]
async fn answers_come_in_turn_and_the_last_one_repeats() {
    let replayer = Replayer::start(tape(
        r#"
request: { action: Ask }
responses:
  - { status: 429, headers: { Retry-After: "1" }, body: slow down }
  - { status: 500 }
  - { body: fine }
"#,
    ))
    .unwrap();
    let mut got = Vec::new();
    for _ in 0..4 {
        got.push(query(&replayer, "", "us-east-1", "rds", "Action=Ask").await);
    }
    let want = [(429, "slow down"), (500, ""), (200, "fine"), (200, "fine")];
    assert_eq!(got, want.map(|(status, body)| (status, body.to_owned())));
    let again = Replayer::start(tape(
        "request: { action: Ask }\nresponses: [{ status: 429, headers: { Retry-After: '7' } }]",
    ));
    let response = reqwest::get(format!("{}/?Action=Ask", again.unwrap().url())).await;
    assert!(response.is_err(), "a dropped replayer no longer answers");
}

#[tokio::test]
async fn faults_reach_the_client_as_broken_connections() {
    let replayer = Replayer::start(tape(
        r#"
request: { path: /cut }
responses: [{ body: "0123456789", fault: { truncate-after: 4 } }, { body: whole }]
---
request: { path: /close }
responses: [{ body: "0123456789", fault: close }]
---
request: { path: /hang }
responses: [{ fault: hang }]
"#,
    ))
    .unwrap();
    let at = |path: &str| format!("{}/{path}", replayer.url());
    for _ in 0..20 {
        let replayer = Replayer::start(tape(
            "request: { path: /cut }\nresponses: [{ body: '0123456789', fault: { truncate-after: 4 } }]",
        ))
        .unwrap();
        let mut response = reqwest::get(format!("{}/cut", replayer.url()))
            .await
            .unwrap();
        assert_eq!(
            (response.status().as_u16(), response.content_length()),
            (200, Some(10))
        );
        assert_eq!(
            response.chunk().await.unwrap().unwrap(),
            "0123",
            "what was not cut arrives"
        );
        assert!(response.chunk().await.is_err());
    }
    assert!(reqwest::get(at("cut")).await.unwrap().text().await.is_err());
    assert_eq!(
        reqwest::get(at("cut")).await.unwrap().text().await.unwrap(),
        "whole"
    );
    let error = reqwest::get(at("close")).await.unwrap_err();
    assert!(error.is_request() && !error.is_connect(), "{error:?}");

    let hanging = tokio::spawn(reqwest::get(at("hang")));
    while replayer.asked() < 4 {
        tokio::task::yield_now().await;
    }
    assert!(!hanging.is_finished());
    let seen: Vec<_> = replayer.log().iter().map(ToString::to_string).collect();
    assert_eq!(
        seen[2..],
        [
            "GET /close -> no answer (tape.yaml#2)",
            "GET /hang -> no answer (tape.yaml#3)"
        ]
    );
    replayer.shutdown().await;
    assert!(
        hanging.await.unwrap().is_err(),
        "stopping ends a hanging call"
    );
}

#[tokio::test]
async fn a_request_body_is_bounded() {
    let replayer = Replayer::start(tape("request: { path: / }\nresponses: [{}]")).unwrap();
    let huge = reqwest::Client::new()
        .post(replayer.url())
        .body(vec![b'x'; (1 << 20) + 1])
        .send()
        .await
        .unwrap();
    assert_eq!(huge.status(), 413);
}

#[tokio::test]
async fn an_exchange_made_by_a_program_must_be_valid_http() {
    let mut tape = Tape::default();
    let request = Request {
        path: Some("/".to_owned()),
        ..Request::default()
    };
    let answer = Answer {
        status: 9999,
        ..Answer::ok("x")
    };
    tape.push(Exchange {
        name: "made".to_owned(),
        about: String::new(),
        request,
        answers: vec![answer],
    });
    let error = Replayer::start(tape).unwrap_err();
    assert_eq!(error.to_string(), "exchange made: invalid status code");
}

#[test]
fn without_a_runtime_it_does_not_start() {
    assert!(Replayer::start(Tape::default()).is_err());
}

#[test]
fn every_problem_of_a_tape_is_reported_with_its_file() {
    let found = problems(&[
        ("a.yaml", "request: { servise: rds }\nresponses: [{}]"),
        ("b.yaml", "request: {}\nresponses: []"),
        (
            "c/c.yaml",
            "request: { action: A }\nresponses: [{ body_file: no.xml }, { status: 1000 }]",
        ),
        (
            "d.yaml",
            "request: { action: B }\nresponses: [{ body: x, body_file: x.xml }]",
        ),
        (
            "e.yaml",
            "request: { action: A }\nresponses: [{ body: abc, fault: { truncate-after: 3 } }]",
        ),
        (
            "f.yaml",
            "request: { action: C }\nresponses: [{ fault: explode }]",
        ),
        (
            "g.yaml",
            "request: { action: D }\nresponses: [{ headers: { 'a b': c } }]",
        ),
        ("README.md", "words: [of"),
    ]);
    let starts = [
        "a.yaml: request: unknown field `servise`",
        "b.yaml: the request asks for nothing",
        "b.yaml: there is no response",
        "c/c.yaml: there is no body file `c/no.xml`",
        "c/c.yaml: 1000 is not an HTTP status",
        "d.yaml: a response has `body` or `body_file`, not both",
        "e.yaml: the request is the same as in c/c.yaml",
        "e.yaml: truncate-after is 3, but the body has only 3 bytes",
        "f.yaml: responses[0]: expected `close`, `hang` or `truncate-after: BYTES`",
        "g.yaml: `a b` is not the name of a header",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (have, want) in found.iter().zip(starts) {
        assert!(have.starts_with(want), "{have} / {want}");
    }
}

#[test]
fn a_later_directory_replaces_files_of_the_same_name() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(one.path().join("rds")).unwrap();
    fs::create_dir_all(two.path().join("rds")).unwrap();
    let exchange = "about: page\nrequest: { action: A }\nresponses: [{ body_file: page.xml }]";
    fs::write(one.path().join("rds/a.yaml"), exchange).unwrap();
    fs::write(one.path().join("rds/page.xml"), "<first/>").unwrap();
    fs::write(two.path().join("rds/page.xml"), "<second/>").unwrap();
    let tape = Tape::from_dirs([one.path(), two.path()]).unwrap();
    let [exchange] = tape.exchanges() else {
        panic!("{tape:?}")
    };
    assert_eq!(
        (exchange.name.as_str(), exchange.about.as_str()),
        ("rds/a.yaml", "page")
    );
    assert_eq!(exchange.answers[0].body, "<second/>");

    let error = Tape::from_dirs([one.path().join("no such directory")]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no such directory: cannot read the directory"),
        "{error}"
    );
}

/// The repository's recordings are valid, and say what they are for.
#[test]
fn every_recording_of_the_repository_loads() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cloud"));
    let (demo, second) = (root.join("demo"), root.join("demo-2"));
    let mut tapes = vec![vec![demo.clone()], vec![demo, second]];
    for case in fs::read_dir(root.join("faults")).unwrap() {
        tapes.push(vec![case.unwrap().path()]);
    }
    assert!(tapes.len() > 30, "{} recordings", tapes.len());
    for dirs in tapes {
        let tape = Tape::from_dirs(&dirs).unwrap_or_else(|error| panic!("{dirs:?}: {error}"));
        for exchange in tape.exchanges() {
            assert!(
                !exchange.about.is_empty(),
                "{dirs:?}: {} says nothing",
                exchange.name
            );
        }
    }
}

#[tokio::test]
async fn other_answers_take_over_at_once_and_begin_with_their_first() {
    let first = "request: { service: rds, action: A }\nresponses: [{ body: one }, { body: two }]\n";
    let second = "request: { service: rds, action: A }\nresponses: [{ body: three }]\n";
    let replayer = Replayer::start(tape(first)).unwrap();
    let ask = || query(&replayer, "111111111111", "us-east-1", "rds", "Action=A");
    assert_eq!(ask().await, (200, "one".to_owned()));
    replayer.change(&tape(second)).unwrap();
    assert_eq!(ask().await, (200, "three".to_owned()));
    replayer.change(&tape(first)).unwrap();
    assert_eq!(ask().await, (200, "one".to_owned()));
    assert_eq!(ask().await, (200, "two".to_owned()));
    assert_eq!(replayer.log().len(), 4);
}
