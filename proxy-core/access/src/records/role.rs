//! `kind: role`, versions v3 to v7, as people have them for Teleport.
//!
//! What concerns other products is left out with a warning. What would restrict access to databases and is not followed
//! here is an error: a role never means more than it says.

mod labels;
mod write;

use std::time::Duration;

pub(super) use self::write::write;
use super::{
    fields::{Field, Fields, Findings, NOT_FOLLOWED},
    problem::Problem,
    tree::child,
};
use crate::role::{Audit, LabelRules, Options, Role, RoleVersion, Rules, Word, Words};

/// Fields of `allow` and `deny` that concern other products.
const OTHER_RULES: &[&str] = &[
    "account_assignments",
    "app_labels",
    "app_labels_expression",
    "aws_role_arns",
    "azure_identities",
    "cluster_labels",
    "cluster_labels_expression",
    "db_service_labels",
    "db_service_labels_expression",
    "desktop_groups",
    "gcp_service_accounts",
    "github_permissions",
    "group_labels",
    "group_labels_expression",
    "host_groups",
    "host_sudoers",
    "impersonate",
    "join_sessions",
    "kubernetes_groups",
    "kubernetes_labels",
    "kubernetes_labels_expression",
    "kubernetes_resources",
    "kubernetes_users",
    "logins",
    "mcp",
    "namespaces",
    "node_labels",
    "node_labels_expression",
    "request",
    "require_session_join",
    "review_requests",
    "rules",
    "spiffe",
    "windows_desktop_labels",
    "windows_desktop_labels_expression",
    "windows_desktop_logins",
    "workload_identity_labels",
    "workload_identity_labels_expression",
];

/// Fields of `allow` and `deny` that would restrict access to databases.
const REFUSED_RULES: &[(&str, &str)] = &[
    (
        "db_labels_expression",
        "write it as `db_labels`, which has `not` and `exists` too: `env: { not: [prod] }`",
    ),
    (
        "db_permissions",
        "grant the permissions to the database user in the database itself",
    ),
    (
        "where",
        "remove it, or write what it says as `db_labels`, `db_users` and `db_names`",
    ),
];

/// Options that concern other products.
const OTHER_OPTIONS: &[&str] = &[
    "cert_extensions",
    "cert_format",
    "create_desktop_user",
    "create_host_user",
    "create_host_user_default_shell",
    "create_host_user_mode",
    "desktop_clipboard",
    "desktop_directory_sharing",
    "enhanced_recording",
    "forward_agent",
    "idp",
    "max_kubernetes_connections",
    "max_sessions",
    "mfa_verification_interval",
    "permit_x11_forwarding",
    "port_forwarding",
    "record_session",
    "request_prompt",
    "ssh_file_copy",
    "ssh_port_forwarding",
];

/// Options that would restrict access to databases.
const REFUSED_OPTIONS: &[(&str, &str)] = &[
    (
        "create_db_user",
        "make the database users in the database, and name them in `db_users`",
    ),
    (
        "create_db_user_mode",
        "make the database users in the database, and name them in `db_users`",
    ),
    (
        "device_trust_mode",
        "muster does not know devices: remove it if that is meant",
    ),
    (
        "pin_source_ip",
        "muster does not look at addresses: remove it if that is meant",
    ),
    (
        "request_access",
        "muster has no access requests: remove it if that is meant",
    ),
    (
        "require_session_mfa",
        "`require_totp: true` demands a second factor at login",
    ),
];

/// Reads the parts of a role behind its metadata.
pub(super) fn read(
    name: String,
    meta: crate::Meta,
    version: Option<Field<'_>>,
    root: &mut Fields<'_>,
    found: &mut Findings,
) -> Option<Role> {
    let version = read_version(version, root, found);
    let mut spec = root.map("spec", found)?;
    let lines = [spec.line_of("allow"), spec.line_of("deny")];
    let newest = version.unwrap_or(RoleVersion::V7);
    let allow = rules(&mut spec, "allow", newest, found);
    let deny = rules(&mut spec, "deny", newest, found);
    let options = match spec.map("options", found) {
        Some(options) => read_options(options, found),
        None => Options::default(),
    };
    spec.finish(found);
    if let (Some(deny), Some(allow)) = (&deny, &allow) {
        lint(lines, allow, deny, found);
    }
    Some(Role {
        name,
        version: version?,
        allow: allow?,
        deny: deny?,
        options,
        meta,
    })
}

fn read_version(
    version: Option<Field<'_>>,
    root: &Fields<'_>,
    found: &mut Findings,
) -> Option<RoleVersion> {
    const HINT: &str = "write `version: v7`; in v3 a role without `db_labels` allows all databases, from v4 on none";
    let Some(field) = version else {
        let problem = Problem::error("version", "a role has to say its version").at(root.line);
        found.tell(problem.hint(HINT));
        return None;
    };
    let text = field.text(found)?;
    let version = text.parse().ok();
    if version.is_none() {
        let message = format!("version `{text}` of roles is not known (known: v3 to v7)");
        found.wrong_hint(&field, message, HINT);
    }
    version
}

/// One side; none when something in it is wrong, since a side that is half understood may mean more.
fn rules(
    spec: &mut Fields<'_>,
    side: &'static str,
    version: RoleVersion,
    found: &mut Findings,
) -> Option<Rules> {
    let denies = side == "deny";
    let before = found.problems.len();
    let has_labels;
    let mut rules = Rules::default();
    match spec.get(side) {
        None => has_labels = false,
        Some(field) => {
            let mut map = Fields::of(field.node, field.path, found)?;
            has_labels = map.has("db_labels");
            if let Some(field) = map.get("db_labels") {
                rules.labels = labels::read(&field, denies, found);
            }
            for (key, words) in [
                ("db_users", &mut rules.db_users),
                ("db_names", &mut rules.db_names),
                ("db_roles", &mut rules.db_roles),
            ] {
                *words = read_words(&mut map, key, denies, found);
            }
            if !rules.db_roles.is_empty()
                && let Some(field) = map.get("db_roles")
            {
                let message = "it counts for nothing: muster makes no database users, and gives none of them roles";
                found.odd(&field, message.to_owned());
            }
            map.refuse(REFUSED_RULES, NOT_FOLLOWED, found);
            map.ignore(OTHER_RULES, "not about access to databases", found);
            map.finish(found);
        }
    }
    if version == RoleVersion::V3 && !denies {
        if !has_labels {
            rules.labels = LabelRules::all();
        } else if rules.labels.is_none() {
            let problem = Problem::warning(
                child(&spec.path, "allow.db_labels"),
                "no database is allowed",
            );
            found.tell(
                problem
                    .at(spec.line)
                    .hint("in v3 all are when `db_labels` is left out"),
            );
        }
    }
    let is_whole = !found.problems.iter().skip(before).any(Problem::is_error);
    is_whole.then_some(rules)
}

fn read_words(
    map: &mut Fields<'_>,
    key: &'static str,
    denies: bool,
    found: &mut Findings,
) -> Words {
    let mut words = Vec::new();
    for (text, field) in map.texts(key, found) {
        match Word::parse(&text) {
            Ok(word) => {
                if matches!(&word, Word::Literal(text) if text.contains('*')) {
                    let message = format!("`{text}` is a name with a star in it, and no pattern");
                    if denies {
                        found.wrong_hint(&field, message, "name what is denied, or deny `*`");
                    } else {
                        found.odd(&field, message);
                    }
                }
                words.push(text);
            }
            Err(error) => found.wrong(&field, error.to_string()),
        }
    }
    match Words::parse(&words) {
        Ok(words) => words,
        Err(error) => {
            found.tell(Problem::error(child(&map.path, key), error.to_string()).at(map.line));
            Words::default()
        }
    }
}

fn read_options(mut map: Fields<'_>, found: &mut Findings) -> Options {
    let mut options = Options {
        max_session_ttl: map.span("max_session_ttl", found),
        // The word of older role files.
        client_idle_timeout: map.span_unless("client_idle_timeout", "never", found),
        max_connections: map
            .get("max_connections")
            .and_then(|field| field.count(found)),
        require_totp: map.bool("require_totp", found).unwrap_or(false),
        audit: None,
        db_replication: map.bool("db_replication", found).unwrap_or(false),
    };
    if let Some(ttl) = options.max_session_ttl
        && ttl < Duration::from_secs(60)
    {
        let path = child(&map.path, "max_session_ttl");
        found.tell(Problem::error(path, "less than a minute is too short to log in").at(map.line));
    }
    if let Some(field) = map.get("audit") {
        options.audit = match field.text(found).as_deref() {
            Some("strict") => Some(Audit::Strict),
            Some("best_effort") => Some(Audit::BestEffort),
            Some(other) => {
                found.wrong(
                    &field,
                    format!("`{other}` is not one of: strict, best_effort"),
                );
                None
            }
            None => None,
        };
    }
    if let Some(field) = map.get("lock") {
        match field.text(found).as_deref() {
            Some("strict" | "best_effort" | "") | None => {}
            Some(other) => found.wrong(
                &field,
                format!("`{other}` is not one of: strict, best_effort"),
            ),
        }
    }
    if let Some(field) = map.get("disconnect_expired_cert")
        && field.bool(found) == Some(false)
    {
        found.odd(&field, "sessions end with their certificate in any case");
    }
    map.refuse(REFUSED_OPTIONS, NOT_FOLLOWED, found);
    map.ignore(OTHER_OPTIONS, "not about access to databases", found);
    map.finish(found);
    options
}

/// What is allowed and yet probably not meant.
fn lint(lines: [Option<usize>; 2], allow: &Rules, deny: &Rules, found: &mut Findings) {
    let [allow_line, deny_line] = lines;
    let says: Vec<&str> = [
        (!deny.labels.is_none(), "db_labels"),
        (!deny.db_users.is_empty(), "db_users"),
        (!deny.db_names.is_empty(), "db_names"),
    ]
    .into_iter()
    .filter_map(|(there, key)| there.then_some(key))
    .collect();
    if says.len() > 1 {
        let message = format!(
            "each of {} denies by itself, and not only all of them together",
            says.join(", ")
        );
        found.tell(Problem::warning("spec.deny", message).at(deny_line));
    }
    let missing = match (allow.labels.is_none(), allow.db_users.is_empty()) {
        (true, false) => "db_labels",
        (false, true) if !allow.labels.is_all() => "db_users",
        _ => return,
    };
    let message = format!(
        "without `{missing}` it allows nothing: one role has to allow labels, user and name"
    );
    found.tell(Problem::warning("spec.allow", message).at(allow_line));
}
