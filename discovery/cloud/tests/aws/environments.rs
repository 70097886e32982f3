//! The chain of sources and the endpoints, in environments of their own: each in a process of its
//! own, since a process has only one.

use std::{path::Path, process::Command};

use muster_cloud::aws::{AwsAccess, AwsOptions};

use crate::{
    credentials::{aws, granted, role},
    server::{Request, Say, Server, ok, status},
};

/// Runs [`child`] with these variables and no others. Gives what it printed.
fn run(env: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "environments::child",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text
        .lines()
        .find_map(|line| line.split_once("RESULT "))
        .map(|(_, rest)| rest.to_owned());
    said.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
#[ignore = "started by the tests below, each with an environment of its own"]
fn child() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let result = runtime.block_on(async {
        let options = AwsOptions {
            budgets: muster_cloud::BudgetConfig {
                attempts: 1,
                credentials_timeout: std::env::var("TEST_LIMIT_MS")
                    .map_or(std::time::Duration::from_secs(15), |ms| {
                        std::time::Duration::from_millis(ms.parse().unwrap())
                    }),
                ..Default::default()
            },
            ..AwsOptions::default()
        };
        let access = AwsAccess::load(options).await;
        let role = std::env::var("TEST_ROLE").ok().map(|arn| role(&arn, None));
        let account = access.account(role.as_ref()).await?;
        Ok::<_, muster_cloud::CallError>((account.id().to_owned(), account.regions().await?))
    });
    match result {
        Ok((id, regions)) => println!("RESULT ok {id} {}", regions.join(",")),
        Err(error) => println!("RESULT {} {error}", error.reason),
    }
}

/// A server whose runtime outlives the blocking wait for a child.
fn server(
    say: impl Fn(&Request, usize) -> Say + Send + Sync + 'static,
) -> (Server, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    (runtime.block_on(Server::start(say)), runtime)
}

const OFF: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

#[test]
fn no_credentials_lists_every_source() {
    let said = run(&[OFF, ("HOME", "/nowhere")]);
    assert_eq!(
        said,
        "no-credentials aws:credentials: no AWS credentials; \
         environment: AWS_ACCESS_KEY_ID is not set; \
         profile: neither ~/.aws/config nor ~/.aws/credentials exists; \
         web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set; \
         container: AWS_CONTAINER_CREDENTIALS_*_URI is not set; \
         instance metadata: off by AWS_EC2_METADATA_DISABLED"
    );
}

#[test]
fn a_silent_metadata_service_does_not_hold_up_for_long() {
    let (server, _runtime) = server(|_, _| Say::Silence);
    let start = std::time::Instant::now();
    let said = run(&[
        ("HOME", "/nowhere"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.url),
    ]);
    let took = start.elapsed();
    assert!(
        said.contains("instance metadata: no answer (in a container, its hop limit must be 2)"),
        "{said}"
    );
    // Once for the region, once for the credentials.
    assert!(took < std::time::Duration::from_secs(8), "{took:?}");
}

#[test]
fn the_metadata_service_gives_region_and_credentials() {
    let (metadata, _first) = server(|request, _| match request.action() {
        "/latest/api/token" => Say::Answer(
            200,
            vec![("x-aws-ec2-metadata-token-ttl-seconds", "21600".to_owned())],
            "T".to_owned(),
        ),
        "/latest/meta-data/placement/region" => ok("cn-northwest-1"),
        "/latest/meta-data/iam/security-credentials/" => ok("role"),
        "/latest/meta-data/iam/security-credentials/role" => ok(
            r#"{"Code":"Success","LastUpdated":"2024-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIAIMDS","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#,
        ),
        _ => status(404, ""),
    });
    let (cloud, _second) = server(|request, _| aws(request));
    let said = run(&[
        ("HOME", "/nowhere"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url),
        ("AWS_ENDPOINT_URL", &cloud.url),
    ]);
    assert_eq!(said, "ok 111111111111 eu-west-1");
    let asked = cloud.asked("GetCallerIdentity");
    assert!(
        asked[0].header("authorization").contains("ASIAIMDS/"),
        "{asked:?}"
    );
    assert!(
        asked[0]
            .header("authorization")
            .contains("/cn-northwest-1/sts/"),
        "{asked:?}"
    );
}

#[test]
fn each_service_may_have_an_endpoint_of_its_own() {
    let (sts, _first) = server(|request, _| aws(request));
    let (ec2, _second) = server(|request, _| aws(request));
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        OFF,
    ];
    let mut env = vec![
        ("HOME", "/nowhere"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", sts.url.as_str()),
        ("AWS_ENDPOINT_URL_EC2", ec2.url.as_str()),
    ];
    env.extend(keys);
    assert_eq!(run(&env), "ok 111111111111 eu-west-1");
    assert_eq!(
        (
            sts.asked("GetCallerIdentity").len(),
            sts.asked("DescribeRegions").len()
        ),
        (1, 0)
    );
    let asked = ec2.asked("DescribeRegions");
    assert_eq!(asked.len(), 1);
    let scope = asked[0].header("authorization");
    assert!(
        scope.contains("Credential=AKIDENV/") && scope.contains("/eu-central-1/ec2/"),
        "{scope}"
    );
}

const KEYS: [(&str, &str); 4] = [
    OFF,
    ("HOME", "/nowhere"),
    ("AWS_ACCESS_KEY_ID", "AKIDENV"),
    ("AWS_SECRET_ACCESS_KEY", "s"),
];

#[test]
fn an_empty_endpoint_counts_as_none() {
    let (cloud, _runtime) = server(|request, _| aws(request));
    let url = cloud.url.as_str();
    for endpoints in [
        [
            ("AWS_ENDPOINT_URL", ""),
            ("AWS_ENDPOINT_URL_STS", url),
            ("AWS_ENDPOINT_URL_EC2", url),
        ],
        [
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ENDPOINT_URL_STS", ""),
            ("AWS_ENDPOINT_URL_EC2", " "),
        ],
    ] {
        let env = [&KEYS[..], &endpoints].concat();
        assert_eq!(run(&env), "ok 111111111111 eu-west-1", "{endpoints:?}");
    }
    // None at all is AWS itself, which this proxy keeps from being asked.
    let nobody = [
        ("AWS_ENDPOINT_URL", ""),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
    ];
    let said = run(&[&KEYS[..], &nobody].concat());
    assert!(
        said.starts_with("unreachable sts:GetCallerIdentity: "),
        "{said}"
    );
}

#[test]
fn an_endpoint_that_is_no_url_is_refused_at_once() {
    for (variable, value) in [
        ("AWS_ENDPOINT_URL", "notaurl"),
        ("AWS_ENDPOINT_URL", "file:///etc/passwd"),
        ("AWS_ENDPOINT_URL_STS", "localhost:5000"),
        ("AWS_ENDPOINT_URL_RDS", "http:/host"),
        (
            "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API",
            "ftp://example.com",
        ),
    ] {
        let said = run(&[&KEYS[..], &[(variable, value)]].concat());
        assert_eq!(
            said,
            format!("rejected aws:endpoint: {variable} `{value}` is not an http or https URL")
        );
    }
}

#[test]
fn profiles_work_as_elsewhere() {
    let (cloud, _runtime) = server(|request, _| match request.action() {
        "AssumeRole" => granted("222222222222"),
        _ => aws(request),
    });
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join(".aws");
    std::fs::create_dir(&dir).unwrap();
    write(
        &dir.join("config"),
        &format!(
            "[profile base]\nregion = eu-north-1\naws_access_key_id = AKIDBASE\naws_secret_access_key = s\n\
             [profile shop]\nregion = eu-north-1\nrole_arn = arn:aws:iam::222222222222:role/x\n\
             source_profile = base\nservices = local\n\
             [profile process]\nregion = eu-north-1\nservices = local\n\
             credential_process = printf '{{\"Version\":1,\"AccessKeyId\":\"AKIDPROCESS\",\"SecretAccessKey\":\"s\"}}'\n\
             [profile loop]\nrole_arn = arn:aws:iam::222222222222:role/x\nsource_profile = gone\n\
             [services local]\nsts =\n  endpoint_url = {url}\nec2 =\n  endpoint_url = {url}\n",
            url = cloud.url
        ),
    );
    let home = home.path().to_str().unwrap();
    let run = |profile: &str| {
        run(&[
            OFF,
            ("HOME", home),
            ("AWS_PROFILE", profile),
            ("PATH", "/usr/bin:/bin"),
            ("AWS_ENDPOINT_URL_STS", &cloud.url),
        ])
    };
    assert_eq!(run("process"), "ok 111111111111 eu-west-1");
    let asked = cloud.asked("GetCallerIdentity").pop().unwrap();
    assert!(
        asked
            .header("authorization")
            .contains("Credential=AKIDPROCESS/"),
        "{asked:?}"
    );

    assert_eq!(run("shop"), "ok 111111111111 eu-west-1");
    let asked = cloud.asked("GetCallerIdentity").pop().unwrap();
    assert!(
        asked
            .header("authorization")
            .contains("Credential=ASIAROLE222222222222/"),
        "{asked:?}"
    );

    let said = run("loop");
    assert!(
        said.starts_with("no-credentials") && said.contains("gone"),
        "{said}"
    );
    let said = run("missing");
    assert!(
        said.contains("profile: profile `missing` was not defined"),
        "{said}"
    );
}

#[test]
fn no_source_holds_up_for_long() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config");
    write(&config, "[default]\ncredential_process = /bin/sleep 20\n");
    let pipe = home.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let (config, pipe) = (config.to_str().unwrap(), pipe.to_str().unwrap());
    let env = [
        OFF,
        ("HOME", "/nowhere"),
        ("PATH", "/usr/bin:/bin"),
        ("TEST_LIMIT_MS", "300"),
    ];
    for variable in [
        ("AWS_CONFIG_FILE", config),
        ("AWS_CONFIG_FILE", pipe),
        ("AWS_SHARED_CREDENTIALS_FILE", pipe),
    ] {
        let said = run(&[&env[..], &[variable]].concat());
        assert_eq!(
            said,
            "no-credentials aws:credentials: no AWS credentials; \
             environment: AWS_ACCESS_KEY_ID is not set; profile: no answer within 300ms",
            "{variable:?}"
        );
    }
    let token = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", pipe),
        ("AWS_ROLE_ARN", "arn:aws:iam::222222222222:role/x"),
    ];
    let said = run(&[&env[..], &token].concat());
    assert!(
        said.ends_with("the file of AWS_WEB_IDENTITY_TOKEN_FILE is no regular file"),
        "{said}"
    );
}

#[test]
fn an_empty_endpoint_does_not_break_a_source_that_asks_aws() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config");
    write(
        &config,
        "[default]\nrole_arn = arn:aws:iam::222222222222:role/x\nsource_profile = base\n\
         [profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = s\n",
    );
    let said = run(&[
        OFF,
        ("HOME", "/nowhere"),
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("AWS_ENDPOINT_URL", ""),
    ]);
    assert!(
        said.ends_with("an AWS_ENDPOINT_URL variable that is empty has to be unset"),
        "{said}"
    );
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
