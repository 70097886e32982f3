//! The table of routes: what there is, what it takes and what it answers. Router, check and document are made of it.

use std::sync::Arc;

use axum::routing::{MethodRouter, get};
use muster_model::{HeldPlan, HistoryEntry, Target};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{
    Api, details, health, lists,
    lists::{KnownDatabase, KnownScope, PlanLine},
    openapi,
    page::Page,
    problem, sd,
};
use crate::{metrics, service::status::Status};

/// One path.
pub(super) struct Route {
    /// The path, with `{names}` for what varies.
    pub(super) path: &'static str,
    /// What programs call it.
    pub(super) id: &'static str,
    /// Under which heading it stands.
    pub(super) tag: &'static str,
    /// What it answers, in a line.
    pub(super) summary: &'static str,
    /// What else is to be known.
    pub(super) about: &'static str,
    /// What it takes.
    pub(super) parameters: &'static [Parameter],
    /// Whether it refuses parameters that it does not have. Probes and scrapers are left alone.
    pub(super) strict: bool,
    /// What it answers, by status. What else is answered is a problem.
    pub(super) answers: &'static [Answer],
    /// What does it.
    pub(super) handler: fn() -> MethodRouter<Arc<Api>>,
}

/// Something that a request can say.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) about: &'static str,
    /// Whether it can be given several times.
    pub(super) many: bool,
    pub(super) takes: Takes,
}

/// Where a parameter is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
}

/// What a parameter's value is.
pub(super) enum Takes {
    /// Any text.
    Text,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A number, at least the first, at most the second; the third when nothing is said.
    Number(u64, u64, u64),
    /// Nothing: that it is there is enough.
    Nothing,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) content: &'static str,
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
}

/// The route with this path.
pub(super) fn find(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

fn anything(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}

const fn answer(
    status: u16,
    about: &'static str,
    content: &'static str,
    schema: fn(&mut SchemaGenerator) -> Schema,
) -> Answer {
    Answer {
        status,
        about,
        content,
        schema,
    }
}

const fn query(name: &'static str, about: &'static str, takes: Takes) -> Parameter {
    Parameter {
        name,
        place: Place::Query,
        about,
        many: false,
        takes,
    }
}

const fn path(name: &'static str, about: &'static str) -> Parameter {
    Parameter {
        name,
        place: Place::Path,
        about,
        many: false,
        takes: Takes::Text,
    }
}

const LIMIT: Parameter = query(
    "limit",
    "The most items of the page.",
    Takes::Number(
        1,
        super::page::MAX_LIMIT as u64,
        super::page::USUAL_LIMIT as u64,
    ),
);
const CURSOR: Parameter = query(
    "cursor",
    "Where the page begins: what `next` of the page before said.",
    Takes::Text,
);
const PREFIX: Parameter = query(
    "prefix",
    "Only items whose id begins with this, such as `arn:aws:rds:us-east-1:111111111111:`. It costs nothing to find them.",
    Takes::Text,
);
const SELECTOR: Parameter = Parameter {
    name: "selector",
    place: Place::Query,
    about: "Only items with this label: `KEY=VALUE`, where VALUE may be `*`, a glob or `^regex$`. Given several times, all keys have to fit, and several values of one key are alternatives. A page reads a bounded number of items, so that it can hold fewer than its limit, or none, and `next` still lead to more.",
    many: true,
    takes: Takes::Text,
};

/// What every path under `/api/v1` has in common.
const API: Route = Route {
    path: "",
    id: "",
    tag: "inventory",
    summary: "",
    about: "",
    parameters: &[],
    strict: true,
    answers: &[],
    handler: || get(details::status),
};

/// What every probe has in common.
const PROBE: Route = Route {
    tag: "health",
    strict: false,
    ..API
};

const LIVE: &[Answer] = &[
    answer(200, "The service's loop turns.", TEXT, of::<String>),
    answer(
        503,
        "It has given no sign for a minute.",
        TEXT,
        of::<String>,
    ),
];

/// Every route.
pub(super) const ROUTES: &[Route] = &[
    Route {
        path: "/livez",
        id: "live",
        summary: "Whether the service lives",
        about: "Says nothing of clouds, the store or the configuration: a restart would mend none of them.",
        answers: LIVE,
        handler: || get(health::live),
        ..PROBE
    },
    Route {
        path: "/healthz",
        id: "healthy",
        summary: "The same as /livez",
        answers: LIVE,
        handler: || get(health::live),
        ..PROBE
    },
    Route {
        path: "/startupz",
        id: "started",
        summary: "Whether every scope has been tried once since the start",
        answers: &[
            answer(200, "It has started.", TEXT, of::<String>),
            answer(503, "It is still starting.", TEXT, of::<String>),
        ],
        handler: || get(health::started),
        ..PROBE
    },
    Route {
        path: "/readyz",
        id: "ready",
        summary: "Whether the service can be relied on, and everything that is not as it should be",
        about: "`ready` and `degraded` are ready; `starting`, `stuck` and `draining` are not. Once it serves, a cloud that is down makes it `degraded`, with the reason, and not unready.",
        parameters: &[query(
            "verbose",
            "List the reasons also when it is ready. JSON has them always.",
            Takes::Nothing,
        )],
        answers: &[
            answer(200, "It is ready.", TEXT, of::<String>),
            answer(200, "It is ready.", JSON, of::<health::Readiness>),
            answer(503, "It is not ready.", TEXT, of::<String>),
            answer(503, "It is not ready.", JSON, of::<health::Readiness>),
        ],
        handler: || get(health::ready),
        ..PROBE
    },
    Route {
        path: "/metrics",
        id: "metrics",
        summary: "Metrics for Prometheus",
        about: "In the OpenMetrics format for whoever accepts it, else in the older text format.",
        answers: &[
            answer(
                200,
                "The metrics.",
                metrics::plain::CONTENT_TYPE,
                of::<String>,
            ),
            answer(200, "The metrics.", metrics::CONTENT_TYPE, of::<String>),
        ],
        handler: || get(health::scrape),
        ..PROBE
    },
    Route {
        path: "/version",
        id: "version",
        summary: "What runs",
        answers: &[answer(200, "The version.", JSON, of::<health::Version>)],
        handler: || get(health::version),
        ..PROBE
    },
    Route {
        path: "/openapi.json",
        id: "openapi",
        tag: "about",
        summary: "This document",
        answers: &[answer(200, "The document.", JSON, anything)],
        handler: || get(openapi::serve),
        ..PROBE
    },
    Route {
        path: "/sd/prometheus",
        id: "prometheusTargets",
        tag: "discovery",
        summary: "The enrolled databases for Prometheus' HTTP service discovery",
        about: "One group for each target that has an endpoint, all in one answer. Labels begin with `__meta_muster_`: `id`, `name`, `short_name`, `kind`, `protocol`, `engine`, `engine_version`, `state`, `availability`, `group`, `scope`, `provider`, `account`, `region`, `service`, and for each label of the target `label_KEY` and `labelpresent_KEY`, with `_` for what a name cannot hold. A target whose record is damaged is left out.",
        parameters: &[SELECTOR],
        answers: &[answer(200, "The groups.", JSON, of::<Vec<sd::Group>>)],
        handler: || get(sd::prometheus),
        ..API
    },
    Route {
        path: "/api/v1/status",
        id: "status",
        tag: "service",
        summary: "What the service knows of itself",
        about: "The same as `muster status -o json`.",
        answers: &[answer(200, "The status.", JSON, of::<Status>)],
        handler: || get(details::status),
        ..API
    },
    Route {
        path: "/api/v1/config",
        id: "config",
        tag: "service",
        summary: "The configuration in force, with defaults filled in",
        about: "Who is told of changes is shortened to the host or the program: the rest can hold a password.",
        answers: &[answer(
            200,
            "The configuration.",
            JSON,
            of::<details::Configuration>,
        )],
        handler: || get(details::config),
        ..API
    },
    Route {
        path: "/api/v1/scopes",
        id: "scopes",
        tag: "service",
        summary: "What is read, and how the scans go",
        parameters: &[
            LIMIT,
            CURSOR,
            query(
                "coverage",
                "Only scopes whose last scan came out like this.",
                Takes::Words(&["complete", "partial", "unread", "unknown"]),
            ),
        ],
        answers: &[answer(
            200,
            "A page of scopes, by name.",
            JSON,
            of::<Page<KnownScope>>,
        )],
        handler: || get(lists::scopes),
        ..API
    },
    Route {
        path: "/api/v1/databases",
        id: "databases",
        summary: "Every database that was seen and is not yet forgotten, enrolled or not",
        parameters: &[LIMIT, CURSOR, PREFIX, SELECTOR],
        answers: &[answer(
            200,
            "A page of databases, by id.",
            JSON,
            of::<Page<KnownDatabase>>,
        )],
        handler: || get(lists::databases),
        ..API
    },
    Route {
        path: "/api/v1/databases/{id}",
        id: "database",
        summary: "One database, what was decided of it, and why",
        parameters: &[path(
            "id",
            "Its id, with `%2F` for each slash and `%23` for `#`.",
        )],
        answers: &[answer(
            200,
            "The database.",
            JSON,
            of::<details::DatabaseDetail>,
        )],
        handler: || get(details::database),
        ..API
    },
    Route {
        path: "/api/v1/targets",
        id: "targets",
        summary: "The enrolled databases",
        about: "The items are those of `muster db ls -o json`, by id.",
        parameters: &[LIMIT, CURSOR, PREFIX, SELECTOR],
        answers: &[answer(
            200,
            "A page of targets, by id.",
            JSON,
            of::<Page<Target>>,
        )],
        handler: || get(lists::targets),
        ..API
    },
    Route {
        path: "/api/v1/targets/{name}",
        id: "target",
        summary: "One enrolled database",
        about: "By its id it is found at once; by a name all targets are looked through.",
        parameters: &[path(
            "name",
            "Its name, its short name when only one has it, or its id with `%2F` for each slash and `%23` for `#`.",
        )],
        answers: &[answer(200, "The target.", JSON, of::<Target>)],
        handler: || get(details::target),
        ..API
    },
    Route {
        path: "/api/v1/plans",
        id: "plans",
        tag: "changes",
        summary: "Plans that the brake held, newest first, without the list of what they would remove",
        about: "Approve and reject them by `muster plan approve` and `muster plan reject`.",
        parameters: &[
            LIMIT,
            CURSOR,
            query(
                "state",
                "Only plans of which this became.",
                Takes::Words(&["waiting", "approved", "rejected", "superseded"]),
            ),
        ],
        answers: &[answer(200, "A page of plans.", JSON, of::<Page<PlanLine>>)],
        handler: || get(lists::plans),
        ..API
    },
    Route {
        path: "/api/v1/plans/{number}",
        id: "plan",
        tag: "changes",
        summary: "One held plan, with what it would remove",
        parameters: &[path("number", "Its number.")],
        answers: &[answer(200, "The plan.", JSON, of::<HeldPlan>)],
        handler: || get(details::plan),
        ..API
    },
    Route {
        path: "/api/v1/history",
        id: "history",
        tag: "changes",
        summary: "What changed, newest first",
        about: "The items are those of `muster history -o json`.",
        parameters: &[
            LIMIT,
            CURSOR,
            query(
                "database",
                "Only of the database with this id; it may be long gone.",
                Takes::Text,
            ),
        ],
        answers: &[answer(
            200,
            "A page of the history.",
            JSON,
            of::<Page<HistoryEntry>>,
        )],
        handler: || get(lists::history),
        ..API
    },
];

/// The schema of what every path answers when something is wrong.
pub(super) fn problem(schemas: &mut SchemaGenerator) -> Schema {
    of::<problem::Body>(schemas)
}
