#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;
use crate::{
    install::oracle::{Scraped, promtool},
    metrics::{
        Metrics,
        testkit::{full, samples},
    },
    service::status::{Counts, PluginState, ServiceState},
};

fn every_rule() -> Vec<Rule> {
    let groups = rules(JOB).groups.into_iter();
    groups.flat_map(|group| group.rules).collect()
}

#[test]
fn prometheus_takes_the_rules() {
    let out = promtool(
        &["check", "rules", "alerts.yaml"],
        &[("alerts.yaml", &yaml(JOB))],
    );
    let found = format!("SUCCESS: {} rules found", every_rule().len());
    assert!(out.contains(&found), "{out}");
}

#[test]
fn a_job_may_be_called_anything() {
    for job in ["a b", "quote\" and \\", "{{ $value }}", "JOB", ""] {
        let text = yaml(job);
        promtool(
            &["check", "rules", "alerts.yaml"],
            &[("alerts.yaml", &text)],
        );
        let back: Value = serde_yaml::from_str(&text).unwrap();
        let expr = back["groups"][0]["rules"][0]["expr"].as_str().unwrap();
        assert_eq!(expr, format!("up{{job={}}} == 0", json!(job)));
    }
}

#[test]
fn rules_ask_only_for_what_is_scraped() {
    let scraped = Scraped::new();
    let label = regex::Regex::new(r"\$labels\.([a-z_]+)").unwrap();
    for rule in every_rule() {
        let labels = scraped.check(&rule.expr);
        let Annotations {
            summary,
            description,
        } = rule.annotations;
        for found in label.captures_iter(&format!("{summary} {description}")) {
            assert!(labels.contains(&found[1]), "{}: {}", rule.alert, &found[0]);
        }
    }
}

#[test]
fn every_rule_says_what_is_wrong_and_what_to_do() {
    let mut names = BTreeSet::new();
    for rule in every_rule() {
        let Rule {
            alert, annotations, ..
        } = rule;
        assert!(names.insert(alert), "{alert} is there twice");
        assert!(!annotations.summary.ends_with('.'), "{alert}");
        assert!(annotations.description.ends_with('.'), "{alert}");
        assert!(annotations.description.contains("`muster "), "{alert}");
    }
}

/// Series by their names and labels, with their first values and by how much they grow each minute.
type Series = BTreeMap<String, String>;

/// How far apart the scrapes are, in minutes: Prometheus forgets a series after five.
const STEP: usize = 4;
/// How long the tests go on, in minutes.
const MINUTES: usize = 420;
const FRESH: &str = "0+60";

/// What a service in good health is scraped as, minute by minute from the beginning of time.
fn healthy() -> Series {
    let mut status = full();
    status.state = ServiceState::Ready;
    status.reasons.clear();
    status.findings.clear();
    status.config.last_reload = None;
    status.counts = Counts::default();
    status.plans_waiting = 0;
    for sink in &mut status.notify {
        (sink.waiting, sink.dropped, sink.failures_in_a_row) = (0, 0, 0);
    }
    for plugin in &mut status.plugins {
        plugin.state = PluginState::Working;
    }
    status.scopes.truncate(1);
    if let Some(proxy) = &mut status.proxy {
        proxy.audit.failure = None;
    }
    let text = Metrics::new("1.2.3").encode(&status);
    let mut series = Series::new();
    let rules = yaml(JOB);
    for sample in samples(&text) {
        // Most series are none of the rules' concern.
        if !rules.contains(&sample.name) {
            continue;
        }
        let labels = sample
            .labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""));
        let labels: Vec<_> = labels.collect();
        let value = match sample.name.as_str() {
            name if name.contains("_next_due_") => "300+60".to_owned(),
            name if name.contains("_certificate_expiry_") => "864000+60".to_owned(),
            name if name.starts_with("muster_scan_last_") => FRESH.to_owned(),
            "process_open_fds" => "10+0".to_owned(),
            "process_max_fds" => "1000+0".to_owned(),
            _ => format!("{}+0", sample.value),
        };
        series.insert(name(&sample.name, &labels.join(",")), value);
    }
    // Between two scans nobody needs credentials, and those at hand may have ended.
    let expiry = "muster_cloud_credential_expiry_timestamp_seconds";
    series.insert(name(expiry, "provider=\"aws\""), "0+0".to_owned());
    series.insert(name("up", ""), "1+0".to_owned());
    series
}

fn name(metric: &str, labels: &str) -> String {
    let comma = if labels.is_empty() { "" } else { "," };
    format!("{metric}{{job=\"muster\",instance=\"a:1\"{comma}{labels}}}")
}

/// A test for `promtool`: with these series, exactly these alerts fire at that minute.
fn case(title: &str, series: &Series, minute: usize, expected: &[&str]) -> Value {
    let input = series.iter().map(|(series, value)| {
        let (first, each) = value.split_once('+').unwrap();
        let each = each.parse::<usize>().unwrap() * STEP;
        json!({ "series": series, "values": format!("{first}+{each}x{}", minute / STEP) })
    });
    let input: Vec<Value> = input.collect();
    let expected: Vec<Value> = expected
        .iter()
        .map(|alert| json!({ "labels": format!("{{alertname=\"{alert}\"}}"), "value": 1 }))
        .collect();
    json!({
        "name": title,
        "interval": format!("{STEP}m"),
        "input_series": input,
        "promql_expr_test": [{
            "expr": "count by (alertname) (ALERTS{alertstate=\"firing\"})",
            "eval_time": format!("{minute}m"),
            "exp_samples": expected,
        }],
    })
}

/// Alerts that fire, and how the service differs from a healthy one; `None` for a series that is not there.
type Trouble = (
    &'static [&'static str],
    &'static [(&'static str, &'static str, Option<&'static str>)],
);

const TROUBLES: &[Trouble] = &[
    (&["MusterDown"], &[("up", "", Some("0+0"))]),
    (&["MusterAbsent"], &[("up", "", None)]),
    (
        &["MusterStuck"],
        &[
            ("muster_service_state", "state=\"ready\"", Some("0+0")),
            ("muster_service_state", "state=\"stuck\"", Some("1+0")),
        ],
    ),
    (&["MusterStuck"], &[("muster_store_up", "", Some("0+0"))]),
    (
        &["MusterNeverReady"],
        &[("muster_service_state", "state=\"starting\"", Some("1+0"))],
    ),
    (
        &["MusterRestarting"],
        &[("process_start_time_seconds", "", Some("0+60"))],
    ),
    (
        &["MusterClockJumped"],
        &[(
            "muster_service_reasons",
            "code=\"clock-jumped\"",
            Some("1+0"),
        )],
    ),
    (
        &["MusterFileDescriptors"],
        &[("process_open_fds", "", Some("900+0"))],
    ),
    (
        &["MusterFindings"],
        &[(
            "muster_findings",
            "check=\"logins\",severity=\"failed\"",
            Some("2+0"),
        )],
    ),
    (
        &["MusterFindingsAhead"],
        &[(
            "muster_findings",
            "check=\"store\",severity=\"warning\"",
            Some("1+0"),
        )],
    ),
    (
        &["MusterConfigRejected"],
        &[("muster_config_last_reload_success", "", Some("0+0"))],
    ),
    (
        &["MusterPluginPaused"],
        &[(
            "muster_plugin_state",
            "plugin=\"owner\",state=\"paused\"",
            Some("1+0"),
        )],
    ),
    (
        &["MusterPluginRejected"],
        &[(
            "muster_service_reasons",
            "code=\"plugin-rejected\"",
            Some("1+0"),
        )],
    ),
    (
        &["MusterAuditFailing"],
        &[("muster_audit_up", "", Some("0+0"))],
    ),
    (
        &["MusterProxyCertificateEnds"],
        &[(
            "muster_proxy_certificate_expiry_timestamp_seconds",
            "",
            Some("80000+0"),
        )],
    ),
    (
        &["MusterProxyTurnsAway"],
        &[(
            "muster_proxy_connections_total",
            "outcome=\"turned-away\"",
            Some("0+1"),
        )],
    ),
    (
        &["MusterScansOverdue"],
        &[(
            "muster_scan_next_due_timestamp_seconds",
            "provider=\"aws\",service=\"rds\"",
            Some("100+0"),
        )],
    ),
    (
        &["MusterScopesUnread"],
        &[(
            "muster_scan_scopes",
            "provider=\"aws\",service=\"rds\",state=\"partial\"",
            Some("1+0"),
        )],
    ),
    (
        &["MusterScopeStale"],
        &[(
            "muster_scan_last_success_timestamp_seconds",
            "provider=\"aws\",service=\"rds\"",
            Some("100+0"),
        )],
    ),
    (
        &["MusterScopesUnknown"],
        &[("muster_scan_scopes_known", "", Some("0+0"))],
    ),
    (
        &["MusterPermissionMissing"],
        &[(
            "muster_scan_errors_total",
            "provider=\"aws\",reason=\"denied\",service=\"rds\"",
            Some("0+1"),
        )],
    ),
    (
        &["MusterRecordsMalformed"],
        &[(
            "muster_scan_malformed_records_total",
            "provider=\"aws\",service=\"rds\"",
            Some("0+1"),
        )],
    ),
    (
        &["MusterThrottled"],
        &[
            (
                "muster_cloud_throttled_total",
                "service=\"rds\"",
                Some("0+1"),
            ),
            (
                "muster_cloud_requests_total",
                "operation=\"rds:DescribeDBClusters\",outcome=\"ok\",service=\"rds\"",
                Some("0+4"),
            ),
        ],
    ),
    // One in fifty is what a busy account does now and then.
    (
        &[],
        &[
            (
                "muster_cloud_throttled_total",
                "service=\"rds\"",
                Some("0+1"),
            ),
            (
                "muster_cloud_requests_total",
                "operation=\"rds:DescribeDBClusters\",outcome=\"ok\",service=\"rds\"",
                Some("0+50"),
            ),
        ],
    ),
    (
        &["MusterCredentialsExpiring", "MusterCredentialsFailing"],
        &[(
            "muster_cloud_credential_requests_total",
            "outcome=\"denied\",provider=\"aws\"",
            Some("0+1"),
        )],
    ),
    (
        &["MusterCredentialsFailing"],
        &[
            (
                "muster_cloud_credential_requests_total",
                "outcome=\"denied\",provider=\"aws\"",
                Some("0+1"),
            ),
            (
                "muster_cloud_credential_expiry_timestamp_seconds",
                "provider=\"aws\"",
                Some("3600+60"),
            ),
        ],
    ),
    (
        &["MusterPlanWaiting"],
        &[("muster_plans_waiting", "", Some("1+0"))],
    ),
    (
        &["MusterChangesHeld"],
        &[("muster_plan_held", "safety=\"name\"", Some("2+0"))],
    ),
    // The grace holds every removal for a while.
    (
        &[],
        &[("muster_plan_held", "safety=\"grace\"", Some("2+0"))],
    ),
    (
        &["MusterStoreFailing"],
        &[("muster_store_failures_total", "op=\"commit\"", Some("0+1"))],
    ),
    (
        &["MusterNotifyFailing"],
        &[(
            "muster_notify_consecutive_failures",
            "sink=\"chat\"",
            Some("9+0"),
        )],
    ),
    (
        &["MusterNoticesLost"],
        &[("muster_notify_dropped_total", "sink=\"chat\"", Some("0+1"))],
    ),
];

#[test]
fn each_alert_fires_in_its_trouble_and_none_without() {
    let healthy = healthy();
    let mut tests = vec![case("healthy", &healthy, MINUTES, &[])];
    let mut fired: BTreeSet<&str> = BTreeSet::new();
    for (alerts, differences) in TROUBLES {
        let mut series = healthy.clone();
        for (metric, labels, value) in *differences {
            let name = name(metric, labels);
            let before = series.remove(&name);
            assert!(before.is_some(), "{name} is not among what is scraped");
            if let Some(value) = value {
                series.insert(name, (*value).to_owned());
            }
        }
        tests.push(case(&alerts.join(" and "), &series, MINUTES, alerts));
        fired.extend(*alerts);
    }
    // A week is long: only what it takes.
    let alert = "MusterStoreGrowing";
    let size = [(
        name("muster_store_size_bytes", ""),
        "600000000+200000".to_owned(),
    )];
    let up = [(name("up", ""), "1+0".to_owned())];
    tests.push(case(
        alert,
        &size.into_iter().chain(up).collect(),
        8 * 24 * 60,
        &[alert],
    ));
    fired.insert(alert);

    let every: BTreeSet<&str> = every_rule().iter().map(|rule| rule.alert).collect();
    assert_eq!(fired, every, "an alert that was never seen to fire");
    let file = json!({
        "rule_files": ["alerts.yaml"],
        "evaluation_interval": "10m",
        "tests": tests,
    });
    promtool(
        &["test", "rules", "test.yaml"],
        &[
            ("alerts.yaml", &yaml(JOB)),
            ("test.yaml", &file.to_string()),
        ],
    );
}
