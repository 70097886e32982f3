//! Alerting rules for Prometheus, for the metrics of [`crate::metrics`].
//!
//! Each says what is wrong in a sentence, and what to do in commands of muster. They name no threshold that depends
//! on how large a fleet is; what depends on the schedule is written so that it can be changed by hand.

#[cfg(test)]
mod tests;

use serde::Serialize;

/// The job of Prometheus that scrapes muster, unless somebody says otherwise.
pub const JOB: &str = "muster";

/// A file of rules, as Prometheus reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rules {
    groups: Vec<Group>,
}

/// Rules that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Group {
    name: &'static str,
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Rule {
    alert: &'static str,
    expr: String,
    #[serde(rename = "for")]
    lasting: &'static str,
    labels: Labels,
    annotations: Annotations,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Labels {
    severity: Severity,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Annotations {
    summary: &'static str,
    description: &'static str,
}

/// How much it hurts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// Somebody should look at once: muster does not do its work.
    Critical,
    /// Somebody should look in working hours: a part of the work is not done, or soon will not be.
    Warning,
    /// Somebody should know.
    Info,
}

/// An alert: name, severity, expression, how long it has to last, what is wrong, what to do. `JOB` in the
/// expression stands for the job.
type Alert = (
    &'static str,
    Severity,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const SERVICE: &[Alert] = &[
    (
        "MusterDown",
        Severity::Critical,
        "up{job=JOB} == 0",
        "5m",
        "muster on {{ $labels.instance }} does not answer",
        "Prometheus cannot read its metrics. What is enrolled stays enrolled, and nothing new is found. See `systemctl status muster` and the log of the service; `muster status` on that machine says whether the service runs.",
    ),
    (
        "MusterAbsent",
        Severity::Critical,
        "absent(up{job=JOB})",
        "15m",
        "Prometheus does not know of any muster",
        "No target of this job is scraped. Either the scrape configuration has lost it, or the job has another name: then print these rules again with `muster install alerts --job NAME`.",
    ),
    (
        "MusterStuck",
        Severity::Critical,
        "muster_service_state{state=\"stuck\"} == 1 or muster_store_up == 0",
        "5m",
        "muster on {{ $labels.instance }} cannot write",
        "Nothing changes until it can: databases are neither enrolled nor removed. `muster status` says why (a full disk, a file system that cannot be written to, a damaged store); `muster store check` looks at the store itself.",
    ),
    (
        "MusterNeverReady",
        Severity::Warning,
        "muster_service_state{state=\"starting\"} == 1",
        "1h",
        "muster on {{ $labels.instance }} has been starting for an hour",
        "Not every scope has been tried since the start. `muster scope ls` lists the ones that are missing and why.",
    ),
    (
        "MusterRestarting",
        Severity::Warning,
        "changes(process_start_time_seconds{job=JOB}[1h]) > 3",
        "0m",
        "muster on {{ $labels.instance }} starts again and again",
        "It started {{ $value }} times within an hour. The end of its log says why it ended: `journalctl -u muster`. `muster config check` and `muster store check` find what it cannot start with.",
    ),
    (
        "MusterClockJumped",
        Severity::Warning,
        "muster_service_reasons{code=\"clock-jumped\"} > 0",
        "0m",
        "the clock of {{ $labels.instance }} jumped",
        "While the time is in doubt nothing counts as missing for long enough to be removed. Look at the machine's time synchronisation, then at `muster status`.",
    ),
    (
        "MusterFileDescriptors",
        Severity::Warning,
        "process_open_fds{job=JOB} / process_max_fds{job=JOB} > 0.8",
        "15m",
        "muster on {{ $labels.instance }} has used up most of its file descriptors",
        "When there are none left it can neither ask the clouds nor answer. Raise `LimitNOFILE` of the service, which `muster install systemd` prints, and start it again.",
    ),
];

const FINDINGS: &[Alert] = &[
    (
        "MusterFindings",
        Severity::Warning,
        "sum by (job, instance, check) (muster_findings{severity=\"failed\"}) > 0",
        "15m",
        "{{ $value }} things of muster on {{ $labels.instance }} do not work: {{ $labels.check }}",
        "`muster status` says what they are and what to do; `muster doctor {{ $labels.check }}` looks further.",
    ),
    (
        "MusterFindingsAhead",
        Severity::Info,
        "sum by (job, instance, check) (muster_findings{severity=\"warning\"}) > 0",
        "1h",
        "{{ $value }} things of muster on {{ $labels.instance }} soon will not work: {{ $labels.check }}",
        "A certificate near its end, a disk that fills up, a clock that goes wrong: `muster status` says which, and what to do.",
    ),
];

const CONFIG: &[Alert] = &[(
    "MusterConfigRejected",
    Severity::Warning,
    "muster_config_last_reload_success == 0",
    "10m",
    "muster on {{ $labels.instance }} runs with an old configuration",
    "The last reload was rejected, and what was in force before still is. `muster config check` lists every problem of the file; `muster reload` then puts it into force.",
)];

const PLUGINS: &[Alert] = &[
    (
        "MusterPluginPaused",
        Severity::Warning,
        "sum by (job, instance, plugin) (muster_plugin_state{state=\"paused\"}) > 0",
        "15m",
        "the plugin {{ $labels.plugin }} of muster on {{ $labels.instance }} fails again and again",
        "It is not asked for a while, and nothing is decided about its databases: what is enrolled stays, and what is new is not enrolled. `muster status` says how it fails. Put another version there, or take it out of the rules.",
    ),
    (
        "MusterPluginRejected",
        Severity::Warning,
        "muster_service_reasons{code=\"plugin-rejected\"} > 0",
        "15m",
        "muster on {{ $labels.instance }} runs an old version of a plugin",
        "The file is another one and cannot be used, so the version before goes on. `muster status` says why; after a restart it would not start with that file.",
    ),
];

const PROXY: &[Alert] = &[
    (
        "MusterAuditFailing",
        Severity::Critical,
        "muster_audit_up == 0",
        "0m",
        "the audit log of muster on {{ $labels.instance }} cannot be written",
        "Sessions end at their next statement, and none begins, until it can. `muster status` says why: mostly a full disk, or a directory that no longer belongs to the service's user.",
    ),
    (
        "MusterProxyCertificateEnds",
        Severity::Critical,
        "muster_proxy_certificate_expiry_timestamp_seconds - time() < 86400",
        "10m",
        "the certificate of muster's proxy on {{ $labels.instance }} ends within a day",
        "It is renewed by itself long before, so something keeps that from happening. `muster status` and the log say what; nobody can connect when it has ended.",
    ),
    (
        "MusterProxyTurnsAway",
        Severity::Warning,
        "increase(muster_proxy_connections_total{outcome=\"turned-away\"}[10m]) > 0",
        "0m",
        "muster's proxy on {{ $labels.instance }} turns connections away",
        "As many are open, or are being opened, as `proxy.max_connections` and `proxy.handshakes_per_address` allow. `muster session ls` shows who has them.",
    ),
];

const SCANS: &[Alert] = &[
    (
        "MusterScansOverdue",
        Severity::Critical,
        "time() - muster_scan_next_due_timestamp_seconds > 1800",
        "10m",
        "scans of {{ $labels.provider }} {{ $labels.service }} do not begin",
        "One has been due for {{ $value | humanizeDuration }}. `muster status` shows what is being scanned in its place, and `muster scan --now` asks for a scan at once. If nothing moves, start the service again.",
    ),
    (
        "MusterScopesUnread",
        Severity::Warning,
        "sum by (job, instance, provider, service) (muster_scan_scopes{state=~\"partial|unread\"}) > 0",
        "1h",
        "{{ $value }} scopes of {{ $labels.provider }} {{ $labels.service }} cannot be read completely",
        "What is new there is not found, and what is gone is not removed. `muster scope ls` says for each scope what failed and which permission is missing.",
    ),
    (
        "MusterScopeStale",
        Severity::Critical,
        "time() - muster_scan_last_success_timestamp_seconds > 6 * 3600",
        "15m",
        "a scope of {{ $labels.provider }} {{ $labels.service }} was last read {{ $value | humanizeDuration }} ago",
        "What is enrolled from it stays enrolled and may long be gone. `muster scope ls` shows which scope it is and why; after mending it, `muster scan --now` reads it at once. If the schedule asks for fewer scans than one in six hours, change the rule.",
    ),
    (
        "MusterScopesUnknown",
        Severity::Warning,
        "muster_scan_scopes_known == 0",
        "1h",
        "muster on {{ $labels.instance }} does not know everything that it should scan",
        "A list of accounts, regions or subscriptions cannot be read, so databases may be missing without a failed scan. `muster status` says which list, and `muster install iam aws` or `muster install iam azure` prints the permissions.",
    ),
    (
        "MusterPermissionMissing",
        Severity::Warning,
        "sum by (job, instance, provider, service) (increase(muster_scan_errors_total{reason=~\"denied|no-credentials\"}[1h])) > 0",
        "30m",
        "{{ $labels.provider }} refuses to let muster read {{ $labels.service }}",
        "Compare the permissions with what `muster install iam aws` or `muster install iam azure` prints; `muster scope ls` names the one that is missing.",
    ),
    (
        "MusterRecordsMalformed",
        Severity::Info,
        "sum by (job, instance, provider, service) (increase(muster_scan_malformed_records_total[6h])) > 0",
        "0m",
        "{{ $labels.provider }} {{ $labels.service }} describes databases in a way that muster does not understand",
        "They are neither enrolled nor removed. `muster scan` prints the records; a newer version of muster may know them.",
    ),
];

const CLOUDS: &[Alert] = &[
    (
        "MusterThrottled",
        Severity::Warning,
        "sum by (job, instance, service) (increase(muster_cloud_throttled_total[30m])) / (sum by (job, instance, service) (increase(muster_cloud_requests_total[30m])) > 0) > 0.1",
        "30m",
        "{{ $labels.service }} throttles {{ $value | humanizePercentage }} of muster's requests",
        "Scans take longer, and others who use the same account suffer too. Ask for less at a time, or less often: `muster config show` shows the limits on requests and the schedule.",
    ),
    (
        "MusterCredentialsFailing",
        Severity::Warning,
        "sum by (job, instance, provider) (increase(muster_cloud_credential_requests_total{outcome!=\"ok\"}[30m])) > 0",
        "15m",
        "muster on {{ $labels.instance }} cannot renew credentials for {{ $labels.provider }}",
        "Those at hand are used until they end. `muster scope ls` says which were asked for and what the answer was.",
    ),
    (
        "MusterCredentialsExpiring",
        Severity::Critical,
        "muster_cloud_credential_expiry_timestamp_seconds - time() < 900 and on (job, instance, provider) sum by (job, instance, provider) (increase(muster_cloud_credential_requests_total{outcome!=\"ok\"}[30m])) > 0",
        "0m",
        "muster's credentials for {{ $labels.provider }} end, and there are no new ones",
        "When they have ended, nothing of that cloud can be read. `muster scope ls` says which were asked for and what the answer was; after mending it, `muster scan --now` tries again at once.",
    ),
];

const ENROLMENT: &[Alert] = &[
    (
        "MusterPlanWaiting",
        Severity::Warning,
        "muster_plans_waiting > 0",
        "15m",
        "{{ $value }} plans of muster on {{ $labels.instance }} wait for a person",
        "The brake held more removals than one plan may make. `muster plan ls` lists them and `muster plan show NUMBER` shows one; then `muster plan approve NUMBER` or `muster plan reject NUMBER`.",
    ),
    (
        "MusterChangesHeld",
        Severity::Info,
        "muster_plan_held{safety=~\"matcher|name\"} > 0",
        "1h",
        "{{ $value }} changes cannot be made because of the safety `{{ $labels.safety }}`",
        "With `name` two databases want one name, with `matcher` a matcher fails. `muster plan` shows which databases; `muster explain DATABASE` says why.",
    ),
];

const STORE: &[Alert] = &[
    (
        "MusterStoreFailing",
        Severity::Warning,
        "sum by (job, instance, op) (increase(muster_store_failures_total[30m])) > 0",
        "0m",
        "muster's store on {{ $labels.instance }} fails to {{ $labels.op }}",
        "Each failed write is tried again, so nothing is lost yet. Look at the disk, then at `muster status` and `muster store check`.",
    ),
    (
        "MusterStoreGrowing",
        Severity::Warning,
        "muster_store_size_bytes > 2 * (muster_store_size_bytes offset 1w) and muster_store_size_bytes > 1e9",
        "1h",
        "muster's store on {{ $labels.instance }} has doubled within a week",
        "It holds {{ $value | humanize1024 }}B now. If the fleet has not doubled as well, keep less history: `muster config show` shows for how long it is kept.",
    ),
];

const NOTIFY: &[Alert] = &[
    (
        "MusterNotifyFailing",
        Severity::Warning,
        "muster_notify_consecutive_failures > 3",
        "15m",
        "the sink {{ $labels.sink }} has not taken muster's notices for a while",
        "Notices wait in order and are tried again. `muster status` says what the last answer was.",
    ),
    (
        "MusterNoticesLost",
        Severity::Warning,
        "increase(muster_notify_dropped_total[1h]) > 0",
        "0m",
        "the sink {{ $labels.sink }} will never get some of muster's notices",
        "Too many waited for it. What happened is in `muster history`; `muster status` says why the sink did not take them.",
    ),
];

/// The rules, for the metrics that `job` scrapes.
pub fn rules(job: &str) -> Rules {
    let groups = [
        ("muster-service", SERVICE),
        ("muster-findings", FINDINGS),
        ("muster-configuration", CONFIG),
        ("muster-plugins", PLUGINS),
        ("muster-scans", SCANS),
        ("muster-clouds", CLOUDS),
        ("muster-enrolment", ENROLMENT),
        ("muster-store", STORE),
        ("muster-notify", NOTIFY),
        ("muster-proxy", PROXY),
    ];
    let groups = groups.map(|(name, alerts)| Group {
        name,
        rules: alerts.iter().map(|alert| rule(alert, job)).collect(),
    });
    Rules {
        groups: groups.into(),
    }
}

/// The rules as YAML, for a file that stands under `rule_files` of Prometheus.
pub fn yaml(job: &str) -> String {
    let head = "# Alerting rules for muster; see docs/metrics.md for the metrics.\n";
    let rules = serde_yaml::to_string(&rules(job));
    // Strings in structs: there is nothing that could not be written.
    format!("{head}{}", rules.unwrap_or_default())
}

fn rule(alert: &Alert, job: &str) -> Rule {
    let (name, severity, expr, lasting, summary, description) = *alert;
    // PromQL's strings are Go's, of which JSON's are a part.
    let job = serde_json::Value::from(job).to_string();
    Rule {
        alert: name,
        expr: expr.replace("job=JOB", &format!("job={job}")),
        lasting,
        labels: Labels { severity },
        annotations: Annotations {
            summary,
            description,
        },
    }
}
