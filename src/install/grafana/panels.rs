//! What the dashboard shows, row by row.

/// One panel.
pub(super) struct Panel {
    /// What it shows.
    pub title: &'static str,
    /// What to see in it.
    pub about: &'static str,
    pub form: Form,
    /// The unit, as Grafana calls it.
    pub unit: &'static str,
    /// Of 24 columns.
    pub width: u64,
    /// What is asked of Prometheus; `SELECT` stands for what is selected.
    pub queries: &'static [Query],
}

/// An expression, and what to call what it gives.
pub(super) type Query = (&'static str, &'static str);

/// How numbers are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The last value, large.
    Number,
    /// The last value, large, and red above zero.
    Trouble,
    /// Lines over time.
    Lines,
    /// Areas over time, one upon the other.
    Areas,
}

/// Rows, each with its panels.
pub(super) const ROWS: &[(&str, &[Panel])] = &[
    (
        "Now",
        &[
            Panel {
                title: "State",
                about: "`muster status` says why it is not ready.",
                form: Form::Number,
                unit: "none",
                width: 6,
                queries: &[(
                    "muster_service_state{SELECT} == 1",
                    "{{instance}} {{state}}",
                )],
            },
            Panel {
                title: "Databases",
                about: "In the inventory.",
                form: Form::Number,
                unit: "none",
                width: 3,
                queries: &[("sum(muster_inventory_databases{SELECT})", "databases")],
            },
            Panel {
                title: "Targets",
                about: "Databases that are enrolled.",
                form: Form::Number,
                unit: "none",
                width: 3,
                queries: &[("sum(muster_targets{SELECT})", "targets")],
            },
            Panel {
                title: "Scopes not read",
                about: "Partly or not at all; `muster scope ls` lists them.",
                form: Form::Trouble,
                unit: "none",
                width: 3,
                queries: &[(
                    "sum(muster_scan_scopes{SELECT, state=~\"partial|unread\"})",
                    "scopes",
                )],
            },
            Panel {
                title: "Plans waiting",
                about: "Held by the brake; `muster plan ls` lists them.",
                form: Form::Trouble,
                unit: "none",
                width: 3,
                queries: &[("sum(muster_plans_waiting{SELECT})", "plans")],
            },
            Panel {
                title: "Changes held",
                about: "By any safety; `muster plan` shows them.",
                form: Form::Number,
                unit: "none",
                width: 3,
                queries: &[("sum(muster_plan_held{SELECT})", "changes")],
            },
            Panel {
                title: "Notices waiting",
                about: "That a sink has not had yet.",
                form: Form::Number,
                unit: "none",
                width: 3,
                queries: &[("sum(muster_notify_waiting{SELECT}) or vector(0)", "notices")],
            },
            Panel {
                title: "What is not as it should be",
                about: "Each reason is explained by `muster status`.",
                form: Form::Areas,
                unit: "none",
                width: 24,
                queries: &[(
                    "sum by (code) (muster_service_reasons{SELECT}) > 0",
                    "{{code}}",
                )],
            },
        ],
    ),
    (
        "Scans",
        &[
            Panel {
                title: "Scopes by how their last scan went",
                about: "",
                form: Form::Areas,
                unit: "none",
                width: 12,
                queries: &[("sum by (state) (muster_scan_scopes{SELECT})", "{{state}}")],
            },
            Panel {
                title: "Age of the oldest complete scan",
                about: "Of the scope that was not completely read for longest.",
                form: Form::Lines,
                unit: "s",
                width: 12,
                queries: &[(
                    "time() - min by (provider, service) (muster_scan_last_success_timestamp_seconds{SELECT})",
                    "{{provider}} {{service}}",
                )],
            },
            Panel {
                title: "Duration of a scan, 95 %",
                about: "With waiting for the request budget.",
                form: Form::Lines,
                unit: "s",
                width: 8,
                queries: &[(
                    "histogram_quantile(0.95, sum by (le, provider, service) (rate(muster_scan_duration_seconds_bucket{SELECT}[$__rate_interval])))",
                    "{{provider}} {{service}}",
                )],
            },
            Panel {
                title: "Failed calls of scans",
                about: "By why they failed.",
                form: Form::Lines,
                unit: "cpm",
                width: 8,
                queries: &[(
                    "60 * sum by (reason) (rate(muster_scan_errors_total{SELECT}[$__rate_interval])) > 0",
                    "{{reason}}",
                )],
            },
            Panel {
                title: "Scans",
                about: "By how much of the scope was read.",
                form: Form::Lines,
                unit: "cpm",
                width: 8,
                queries: &[(
                    "60 * sum by (coverage) (rate(muster_scans_total{SELECT}[$__rate_interval]))",
                    "{{coverage}}",
                )],
            },
        ],
    ),
    (
        "Clouds",
        &[
            Panel {
                title: "Requests",
                about: "By the interface they go to, with those that were tried again.",
                form: Form::Lines,
                unit: "reqps",
                width: 8,
                queries: &[(
                    "sum by (service) (rate(muster_cloud_requests_total{SELECT}[$__rate_interval])) > 0",
                    "{{service}}",
                )],
            },
            Panel {
                title: "Requests that failed",
                about: "By how they ended.",
                form: Form::Lines,
                unit: "reqps",
                width: 8,
                queries: &[(
                    "sum by (outcome) (rate(muster_cloud_requests_total{SELECT, outcome!=\"ok\"}[$__rate_interval])) > 0",
                    "{{outcome}}",
                )],
            },
            Panel {
                title: "Time to answer, 95 %",
                about: "Of one request.",
                form: Form::Lines,
                unit: "s",
                width: 8,
                queries: &[(
                    "histogram_quantile(0.95, sum by (le, service) (rate(muster_cloud_request_duration_seconds_bucket{SELECT}[$__rate_interval])))",
                    "{{service}}",
                )],
            },
            Panel {
                title: "Throttled",
                about: "The part of the requests that was told to slow down.",
                form: Form::Lines,
                unit: "percentunit",
                width: 12,
                queries: &[(
                    "sum by (service) (rate(muster_cloud_throttled_total{SELECT}[$__rate_interval])) / (sum by (service) (rate(muster_cloud_requests_total{SELECT}[$__rate_interval])) > 0)",
                    "{{service}}",
                )],
            },
            Panel {
                title: "Credentials",
                about: "Requests for new ones, by how they ended.",
                form: Form::Lines,
                unit: "cpm",
                width: 12,
                queries: &[(
                    "60 * sum by (provider, outcome) (rate(muster_cloud_credential_requests_total{SELECT}[$__rate_interval])) > 0",
                    "{{provider}} {{outcome}}",
                )],
            },
        ],
    ),
    (
        "Enrolment",
        &[
            Panel {
                title: "Databases by kind",
                about: "In the inventory.",
                form: Form::Areas,
                unit: "none",
                width: 8,
                queries: &[(
                    "sum by (provider, kind) (muster_inventory_databases{SELECT}) > 0",
                    "{{provider}} {{kind}}",
                )],
            },
            Panel {
                title: "Targets by protocol",
                about: "",
                form: Form::Areas,
                unit: "none",
                width: 8,
                queries: &[(
                    "sum by (protocol) (muster_targets{SELECT}) > 0",
                    "{{protocol}}",
                )],
            },
            Panel {
                title: "Not enrolled, by why",
                about: "`muster explain DATABASE` says more.",
                form: Form::Areas,
                unit: "none",
                width: 8,
                queries: &[(
                    "sum by (reason) (muster_inventory_skipped{SELECT}) > 0",
                    "{{reason}}",
                )],
            },
            Panel {
                title: "Changes made",
                about: "",
                form: Form::Lines,
                unit: "none",
                width: 8,
                queries: &[(
                    "sum by (action) (increase(muster_plan_applied_total{SELECT}[$__rate_interval]))",
                    "{{action}}",
                )],
            },
            Panel {
                title: "Changes held, by safety",
                about: "",
                form: Form::Areas,
                unit: "none",
                width: 8,
                queries: &[(
                    "sum by (safety) (muster_plan_held{SELECT}) > 0",
                    "{{safety}}",
                )],
            },
            Panel {
                title: "Databases judged",
                about: "Near zero while nothing changes.",
                form: Form::Lines,
                unit: "none",
                width: 8,
                queries: &[(
                    "sum by (verdict) (increase(muster_match_verdicts_total{SELECT}[$__rate_interval]))",
                    "{{verdict}}",
                )],
            },
        ],
    ),
    (
        "Store, notices, process",
        &[
            Panel {
                title: "Size of the store",
                about: "",
                form: Form::Lines,
                unit: "bytes",
                width: 8,
                queries: &[("muster_store_size_bytes{SELECT}", "{{instance}}")],
            },
            Panel {
                title: "Time of an operation on the store, 99 %",
                about: "",
                form: Form::Lines,
                unit: "s",
                width: 8,
                queries: &[(
                    "histogram_quantile(0.99, sum by (le, op) (rate(muster_store_op_duration_seconds_bucket{SELECT}[$__rate_interval])))",
                    "{{op}}",
                )],
            },
            Panel {
                title: "Deliveries of notices",
                about: "",
                form: Form::Lines,
                unit: "cpm",
                width: 8,
                queries: &[(
                    "60 * sum by (sink, outcome) (rate(muster_notify_deliveries_total{SELECT}[$__rate_interval]))",
                    "{{sink}} {{outcome}}",
                )],
            },
            Panel {
                title: "Memory",
                about: "",
                form: Form::Lines,
                unit: "bytes",
                width: 8,
                queries: &[("process_resident_memory_bytes{SELECT}", "{{instance}}")],
            },
            Panel {
                title: "Processor",
                about: "",
                form: Form::Lines,
                unit: "percentunit",
                width: 8,
                queries: &[(
                    "rate(process_cpu_seconds_total{SELECT}[$__rate_interval])",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "File descriptors",
                about: "",
                form: Form::Lines,
                unit: "none",
                width: 8,
                queries: &[("process_open_fds{SELECT}", "{{instance}}")],
            },
        ],
    ),
];
