//! Every metric that there is. The registry, the reference page and the tests of rules and dashboard are made from
//! this list.
//!
//! No label ever holds the name of a database, a target, an account or a person: there may be any number of them,
//! and they are in the history. What is said of scopes is said by service.

use super::{
    family::{
        Family,
        Kind::{self, Counter, Gauge, Histogram},
        Values::{self, Among, Known, Named},
    },
    values,
};

/// Declares the metrics, and the list of them.
macro_rules! families {
    ($($const:ident = $name:literal, $kind:expr, [$($label:literal),*], $values:expr, $help:literal;)+) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help, ".")]
            pub const $const: Family = family($name, $kind, $help, &[$($label),*], $values);
        )+

        /// All of them, in the order of the reference page.
        pub const ALL: &[Family] = &[$($const),+];
    };
}

/// How long a scan takes: from one small listing to a large account that is throttled.
const SCANS: Kind = Histogram(&[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
]);
/// How long a request takes, up to the time-out.
const REQUESTS: Kind = Histogram(&[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
/// How long the disk takes, from one write to a rewrite of everything.
const STORE: Kind = Histogram(&[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
]);

families! {
    BUILD_INFO = "muster_build_info", Gauge, ["version"], VERSION,
        "Always 1; the label says which version runs";
    SERVICE_STATE = "muster_service_state", Gauge, ["state"], Known(values::states),
        "1 for the state that the service is in, 0 for the others";
    SERVICE_REASONS = "muster_service_reasons", Gauge, ["code"], Known(values::reasons),
        "How many things are not as they should be, by what is wrong; `muster status` says more of each";
    FINDINGS = "muster_findings", Gauge, ["check", "severity"], Known(values::findings),
        "How many things are wrong or soon will be, as far as the service can tell without asking anybody; `muster status` says what, and `muster doctor` looks further";

    CONFIG_LOADED = "muster_config_loaded_timestamp_seconds", Gauge, [], Known(values::one),
        "When the configuration in force was loaded";
    CONFIG_LAST_RELOAD_SUCCESS = "muster_config_last_reload_success", Gauge, [], Known(values::one),
        "1 when the last reload came into force or there was none, 0 when it was rejected and the old configuration stays";
    CONFIG_LAST_RELOAD = "muster_config_last_reload_timestamp_seconds", Gauge, [], Among(values::one),
        "When a reload was last asked for; absent before the first";
    CONFIG_RELOADS = "muster_config_reloads_total", Counter, ["outcome"], Known(values::reloads),
        "Reloads that were asked for";

    SCANS_TOTAL = "muster_scans_total", Counter, ["provider", "service", "coverage"], Known(values::scans),
        "Scans of one scope that ended, by how much of it was read";
    SCAN_DURATION = "muster_scan_duration_seconds", SCANS, ["provider", "service"], Known(values::services),
        "How long a scan of one scope took, with waiting for the request budget";
    SCAN_ERRORS = "muster_scan_errors_total", Counter, ["provider", "service", "reason"], Known(values::scan_errors),
        "Calls that cost a scan its completeness, by why they failed";
    SCAN_WARNINGS = "muster_scan_warnings_total", Counter, ["provider", "service", "reason"], Known(values::scan_errors),
        "Calls that failed without costing completeness, by why they failed";
    SCAN_MALFORMED = "muster_scan_malformed_records_total", Counter, ["provider", "service"], Known(values::services),
        "Records of databases that could not be understood";
    SCAN_SCOPES = "muster_scan_scopes", Gauge, ["provider", "service", "state"], Known(values::scope_states),
        "Scopes that the configuration asks for, by how their last scan went; `untried` before the first";
    SCAN_SCOPES_RUNNING = "muster_scan_scopes_running", Gauge, ["provider", "service"], Known(values::services),
        "Scopes that are being scanned now";
    SCAN_SCOPES_KNOWN = "muster_scan_scopes_known", Gauge, [], Known(values::one),
        "1 when all scopes are known that the configuration asks for, 0 while a list of accounts, regions or subscriptions cannot be read";
    SCAN_LAST_ATTEMPT = "muster_scan_last_attempt_timestamp_seconds", Gauge, ["provider", "service"], Among(values::services),
        "When the scope that was not tried for longest was tried last; absent while none was tried";
    SCAN_LAST_SUCCESS = "muster_scan_last_success_timestamp_seconds", Gauge, ["provider", "service"], Among(values::services),
        "When the scope that was not completely read for longest was completely read; scopes that never were do not count, see muster_scan_scopes";
    SCAN_NEXT_DUE = "muster_scan_next_due_timestamp_seconds", Gauge, ["provider", "service"], Among(values::services),
        "When the next scan is due; in the past while a due scan has not begun";
    SCAN_FAILURES = "muster_scan_consecutive_failures", Gauge, ["provider", "service"], Known(values::services),
        "Incomplete scans in a row of the scope that has most of them";

    CLOUD_REQUESTS = "muster_cloud_requests_total", Counter, ["service", "operation", "outcome"], Known(values::requests),
        "Requests sent to the clouds, with those that were tried again, by how they ended";
    CLOUD_DURATION = "muster_cloud_request_duration_seconds", REQUESTS, ["service"], Known(values::cloud_services),
        "How long the clouds took to answer one request, or to fail";
    CLOUD_THROTTLED = "muster_cloud_throttled_total", Counter, ["service"], Known(values::cloud_services),
        "Requests that were answered with a demand to slow down";
    CLOUD_CREDENTIALS = "muster_cloud_credential_requests_total", Counter, ["provider", "outcome"], Known(values::credentials),
        "How often new credentials were asked for: the ambient ones, a role's, a token";
    CLOUD_CREDENTIAL_EXPIRY = "muster_cloud_credential_expiry_timestamp_seconds", Gauge, ["provider"], Among(values::providers),
        "When the credentials at hand end that end first; they are renewed when they are next needed, so it may lie in the past between two scans; absent without any that end";

    MATCH_VERDICTS = "muster_match_verdicts_total", Counter, ["matcher", "verdict"], Known(values::verdicts),
        "Databases that were judged, by who decided and what: those that are new or changed, and all after a change of rules";
    PLUGIN_STATE = "muster_plugin_state", Gauge, ["plugin", "state"], PLUGIN_STATES,
        "How many rules ask a plugin that is in this state: it answers, it failed over something the last time, or it failed again and again and is not asked for a while";
    PLUGIN_DATABASES = "muster_plugin_databases_total", Counter, ["plugin", "outcome"], PLUGIN_OUTCOMES,
        "Databases that a plugin was asked about, by whether it came to a verdict; begins anew when it is loaded anew";
    PLUGIN_UNDECIDED = "muster_plugin_undecided", Gauge, ["plugin"], PLUGIN,
        "Databases that a plugin left undecided: what is enrolled stays";
    PLUGIN_RELOADS = "muster_plugin_reloads_total", Counter, ["outcome"], Known(values::reloads),
        "How often the files of plugins were others and were loaded anew, or were refused so that those before stay";
    INVENTORY_DATABASES = "muster_inventory_databases", Gauge, ["provider", "kind"], Known(values::kinds),
        "Databases in the inventory";
    INVENTORY_SKIPPED = "muster_inventory_skipped", Gauge, ["reason"], Known(values::skips),
        "Databases in the inventory that are not to be enrolled, by why";
    TARGETS = "muster_targets", Gauge, ["protocol"], Known(values::protocols),
        "Targets: the databases that are enrolled";

    PLAN_CHANGES = "muster_plan_changes", Gauge, ["action"], Known(values::actions),
        "Changes that the next cycle would make if no safety held them, by what they would do; muster_plan_held has the same by safety";
    PLAN_APPLIED = "muster_plan_applied_total", Counter, ["action"], Known(values::actions),
        "Changes that were made to the targets";
    PLAN_HELD = "muster_plan_held", Gauge, ["safety"], Known(values::safeties),
        "Changes that a safety holds";
    PLANS_WAITING = "muster_plans_waiting", Gauge, [], Known(values::one),
        "Plans that the brake held and that wait for a person";

    STORE_UP = "muster_store_up", Gauge, [], Known(values::one),
        "1 when the store can be used, 0 when nothing can be written";
    STORE_SIZE = "muster_store_size_bytes", Gauge, [], Known(values::one),
        "Bytes of the store on disk";
    STORE_REVISION = "muster_store_revision", Gauge, [], Known(values::one),
        "The store's revision: each commit makes it one larger";
    STORE_DURATION = "muster_store_op_duration_seconds", STORE, ["op"], Known(values::store_ops),
        "How long an operation on the store took";
    STORE_FAILURES = "muster_store_failures_total", Counter, ["op"], Known(values::store_ops),
        "Operations on the store that failed, conflicts not among them";
    STORE_CONFLICTS = "muster_store_conflicts_total", Counter, [], Known(values::one),
        "Commits that were refused because what they rested on had changed, and that were made anew";

    NOTICES = "muster_notices_total", Counter, ["event"], Known(values::events),
        "What happened that one can be told of, whether or not there is a sink for it";
    NOTIFY_DELIVERIES = "muster_notify_deliveries_total", Counter, ["sink", "outcome"], SINK_OUTCOMES,
        "Attempts to deliver a notice";
    NOTIFY_DURATION = "muster_notify_duration_seconds", REQUESTS, [], Known(values::one),
        "How long an attempt to deliver a notice took";
    NOTIFY_WAITING = "muster_notify_waiting", Gauge, ["sink"], SINK,
        "Notices that the sink has not had yet";
    NOTIFY_DROPPED = "muster_notify_dropped_total", Counter, ["sink"], SINK,
        "Notices that the sink never got because too many waited";
    NOTIFY_FAILURES = "muster_notify_consecutive_failures", Gauge, ["sink"], SINK,
        "Failed deliveries in a row";
    NOTIFY_LAST = "muster_notify_last_delivery_timestamp_seconds", Gauge, ["sink"], SINK,
        "When a notice was last delivered; absent before the first";

    PROXY_UP = "muster_proxy_up", Gauge, [], Known(values::one),
        "1 while people can enter through the proxy, 0 when there is none";
    PROXY_SESSIONS = "muster_proxy_sessions", Gauge, [], Known(values::one),
        "Sessions that are open";
    PROXY_SESSIONS_TOTAL = "muster_proxy_sessions_opened_total", Counter, [], Known(values::one),
        "Sessions that were opened";
    PROXY_CONNECTIONS = "muster_proxy_connections_total", Counter, ["outcome"], Known(values::connections),
        "Connections that were taken, and those among them that were turned away at a limit, whose certificate did not say who it is, or that were refused by roles or by the database";
    PROXY_BYTES = "muster_proxy_bytes_total", Counter, ["direction"], Known(values::directions),
        "Bytes of sessions that have ended, as clients sent and got them";
    PROXY_CANCELS = "muster_proxy_cancel_requests_total", Counter, ["outcome"], Known(values::cancels),
        "Requests to cancel a query, by whether they were passed on to the database";
    PROXY_TARGETS = "muster_proxy_targets", Gauge, [], Known(values::one),
        "Databases that the proxy serves: enrolled ones, and those registered by hand";
    PROXY_CERTIFICATE = "muster_proxy_certificate_expiry_timestamp_seconds", Gauge, [], Among(values::one),
        "When the certificate ends that the proxy shows to people; absent without a proxy";
    AUDIT_UP = "muster_audit_up", Gauge, [], Known(values::one),
        "1 while the audit log can be written, or when there is no proxy";
    AUDIT_EVENTS = "muster_audit_events_total", Counter, [], Known(values::one),
        "Events of the audit log";

    PROCESS_CPU = "process_cpu_seconds_total", Counter, [], Known(values::one),
        "Processor time that the process used";
    PROCESS_MEMORY = "process_resident_memory_bytes", Gauge, [], Known(values::one),
        "Memory of the process that is in RAM";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes", Gauge, [], Known(values::one),
        "Address space of the process";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge, [], Among(values::one),
        "Open file descriptors; absent when there is none left to count them with";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, [], Among(values::one),
        "How many file descriptors the process may open; absent when there is no limit";
    PROCESS_START = "process_start_time_seconds", Gauge, [], Known(values::one),
        "When the service started";
}

const VERSION: Values = Named {
    what: "the version of the program",
    others: values::one,
};
const PLUGIN: Values = Named {
    what: "what a plugin calls itself",
    others: values::one,
};
const PLUGIN_STATES: Values = Named {
    what: "what a plugin calls itself",
    others: values::plugin_states,
};
const PLUGIN_OUTCOMES: Values = Named {
    what: "what a plugin calls itself",
    others: values::plugin_outcomes,
};
const SINK: Values = Named {
    what: "the name of a sink in the configuration",
    others: values::one,
};
const SINK_OUTCOMES: Values = Named {
    what: "the name of a sink in the configuration",
    others: values::deliveries,
};

const fn family(
    name: &'static str,
    kind: Kind,
    help: &'static str,
    labels: &'static [&'static str],
    values: Values,
) -> Family {
    Family {
        name,
        kind,
        help,
        labels,
        values,
    }
}
