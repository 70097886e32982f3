//! What a scan of RDS costs in processor time. `tests/tools/bench_scan.py` runs it beside botocore.
//!
//! `scan_bench serve 10000` answers listings of so many databases from memory, prints its address and ends with its
//! input. `scan_bench scan URL 5` reads them five times, and prints as JSON what one database costs: the whole scan
//! (HTTP, the SDK's parsing, muster), and muster's own part, which is what happens to records that are already parsed.
//! The two are processes of their own, so that the server's time is not the scanner's.

#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

use aws_sdk_rds::{
    Client,
    config::Credentials,
    types::{DbCluster, DbInstance},
};
use muster_cloud::{
    BudgetConfig,
    aws::{AwsAccess, AwsAccount, AwsOptions},
    replay::{Answer, Exchange, Replayer, Request, Tape},
};
use muster_discovery::aws::{aws_scanner, rds_records};
use muster_model::{Scope, Service};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ACCOUNT: &str = "111111111111";
const REGION: &str = "us-east-1";
const PAGE: usize = 100;

/// Records as RDS gives them: an instance, a cluster with a writer and a reader, and those two.
const INSTANCES: &str =
    include_str!("../../fixtures/cloud/demo/aws/111111111111/eu-west-1/rds-instances.xml");
const CLUSTERS: &str =
    include_str!("../../fixtures/cloud/demo/aws/111111111111/eu-west-1/rds-clusters.xml");

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", databases] => serve(databases.parse()?).await,
        ["scan", url, rounds] => measure(url, rounds.parse()?).await,
        _ => Err("usage: scan_bench serve DATABASES | scan URL ROUNDS".into()),
    }
}

// === the server ===

async fn serve(databases: usize) -> Outcome<()> {
    let replayer = Replayer::start(fleet(databases)?)?;
    println!("{}", replayer.url());
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    replayer.shutdown().await;
    Ok(())
}

/// Four fifths are instances, one fifth the endpoints of Aurora clusters, which have a writer and a reader each.
fn fleet(databases: usize) -> Outcome<Tape> {
    let clusters = databases / 10;
    let instance = record(
        INSTANCES,
        "DBInstance",
        "<DBInstanceIdentifier>orders-prod<",
    )?;
    let cluster = record(CLUSTERS, "DBCluster", "<DBClusterIdentifier>loyalty<")?;
    let members = [1, 2].map(|number| {
        record(
            INSTANCES,
            "DBInstance",
            &format!("<DBInstanceIdentifier>loyalty-{number}<"),
        )
    });
    let [writer, reader] = members;
    let (writer, reader) = (writer?, reader?);

    let singles = (0..databases - 2 * clusters)
        .map(|number| instance.replace("orders-prod", &format!("orders-{number:05}")));
    let named =
        |text: &str, number: usize| text.replace("loyalty", &format!("loyalty-{number:05}"));
    let members = (0..clusters).flat_map(|number| [named(writer, number), named(reader, number)]);
    let mut tape = Tape::default();
    listing(
        &mut tape,
        "DescribeDBInstances",
        "DBInstances",
        singles.chain(members).collect(),
    );
    listing(
        &mut tape,
        "DescribeDBClusters",
        "DBClusters",
        (0..clusters).map(|number| named(cluster, number)).collect(),
    );
    let identity = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <UserId>AROA:bench</UserId><Account>{ACCOUNT}</Account><Arn>arn:aws:sts::{ACCOUNT}:assumed-role/bench/bench</Arn>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    push(&mut tape, "sts", "GetCallerIdentity", None, identity);
    Ok(tape)
}

/// The element of a recorded answer that holds `mark`.
fn record<'a>(answer: &'a str, element: &str, mark: &str) -> Outcome<&'a str> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let at = answer.find(mark).ok_or("the recorded answer has changed")?;
    let (before, after) = answer.split_at(at);
    let start = before
        .rfind(&open)
        .ok_or("the recorded answer has changed")?;
    let end = at
        + after
            .find(&close)
            .ok_or("the recorded answer has changed")?
        + close.len();
    Ok(answer.get(start..end).unwrap_or_default())
}

fn listing(tape: &mut Tape, action: &str, element: &str, records: Vec<String>) {
    let pages = records.len().div_ceil(PAGE).max(1);
    for page in 0..pages {
        let records: String = records
            .iter()
            .skip(page * PAGE)
            .take(PAGE)
            .map(String::as_str)
            .collect();
        let marker = if page + 1 < pages {
            format!("<Marker>page-{}</Marker>", page + 1)
        } else {
            String::new()
        };
        let body = format!(
            "<{action}Response xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><{action}Result>{marker}\
             <{element}>{records}</{element}></{action}Result></{action}Response>"
        );
        push(
            tape,
            "rds",
            action,
            (page > 0).then(|| format!("page-{page}")),
            body,
        );
    }
}

fn push(tape: &mut Tape, service: &str, action: &str, marker: Option<String>, body: String) {
    let request = Request {
        service: Some(service.to_owned()),
        action: Some(action.to_owned()),
        // The first page is asked for without a marker.
        marker: Some(marker.unwrap_or_default()),
        ..Request::default()
    };
    let name = format!("{action} {:?}", request.marker);
    tape.push(Exchange {
        name,
        about: String::new(),
        request,
        answers: vec![Answer::ok(body)],
    });
}

// === the measurement ===

async fn measure(url: &str, rounds: usize) -> Outcome<()> {
    let account = account(url).await?;
    let scope = Arc::new(Scope::aws(account.id(), REGION, Service::Rds));
    let scanner =
        aws_scanner(account.region(REGION), Arc::clone(&scope)).ok_or("no scanner for RDS")?;

    let mut whole = Vec::new();
    let mut databases = 0;
    // The first round opens the connections and is not counted.
    for round in 0..=rounds.max(1) {
        let before = cpu();
        let scan = scanner.scan().await;
        let spent = cpu().saturating_sub(before);
        if !scan.coverage.is_complete() || !scan.malformed.is_empty() {
            return Err(format!(
                "the scan was not complete: {:?} {:?}",
                scan.coverage, scan.malformed
            )
            .into());
        }
        databases = scan.found.len();
        if round > 0 {
            whole.push(per_database(spent, databases));
        }
    }

    let (instances, clusters) = parsed(&account).await?;
    let mut own = Vec::new();
    for round in 0..=rounds.max(1) {
        let (instances, clusters) = (instances.clone(), clusters.clone());
        let before = cpu();
        let scan = rds_records(Arc::clone(&scope), instances, clusters);
        let spent = cpu().saturating_sub(before);
        if scan.found.len() != databases {
            return Err("the records did not become what the scan found".into());
        }
        if round > 0 {
            own.push(per_database(spent, databases));
        }
    }
    println!(
        "{}",
        json!({ "databases": databases, "whole_us": whole, "own_us": own })
    );
    Ok(())
}

async fn account(url: &str) -> Outcome<AwsAccount> {
    let key = format!("ASIABENCH{ACCOUNT}");
    let access = AwsAccess::load(AwsOptions {
        endpoint_url: Some(url.to_owned()),
        credentials: Some(Credentials::new(key, "secret", None, None, "bench")),
        // What is measured is work, not waiting.
        budgets: BudgetConfig {
            per_second: 1e6,
            burst: 100_000,
            attempts: 1,
            ..BudgetConfig::default()
        },
    })
    .await;
    Ok(access.account(None).await?)
}

/// Both listings, as the SDK parses them.
async fn parsed(account: &AwsAccount) -> Outcome<(Vec<DbInstance>, Vec<DbCluster>)> {
    let client = Client::new(account.region(REGION).sdk_config());
    let instances = client
        .describe_db_instances()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    let clusters = client
        .describe_db_clusters()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    Ok((instances, clusters))
}

/// The processor time of this process, user and system, all threads.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Microseconds.
fn per_database(spent: Duration, databases: usize) -> f64 {
    let databases = u32::try_from(databases.max(1)).unwrap_or(u32::MAX);
    spent.as_secs_f64() * 1e6 / f64::from(databases)
}
