//! `kind: token`: with what a node may join.

use muster_model::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Problem,
    fields::{Fields, Findings, NOT_FOLLOWED},
    meta, span,
    tree::child,
};
use crate::{
    token::{AllowRule, JoinMethod, Token},
    user::Meta,
};

/// What a node of muster may be.
const ROLES: &[&str] = &["db", "discovery", "proxy"];

/// Other ways of joining that Teleport has.
const OTHER_METHODS: &[&str] = &[
    "azure",
    "azure_devops",
    "bitbucket",
    "bound_keypair",
    "circleci",
    "env0",
    "gcp",
    "github",
    "gitlab",
    "iam",
    "kubernetes",
    "oracle",
    "spacelift",
    "terraform_cloud",
    "tpm",
];

/// Fields of allow rules that restrict who may join and that muster does not check.
const REFUSED_ALLOW: &[(&str, &str)] = &[
    ("aws_arn", "name the account in `aws_account`"),
    ("aws_organization_id", "name the accounts, a rule each"),
];

/// Reads the parts of a token behind the metadata.
pub(super) fn read(
    name: String,
    mut meta: Meta,
    root: &mut Fields<'_>,
    now: Timestamp,
    found: &mut Findings,
) -> Option<Token> {
    let mut spec = root.map("spec", found)?;
    let roles = read_roles(&mut spec, found);
    let method = match spec.get("join_method") {
        None => Some(JoinMethod::Token),
        Some(field) => match field.text(found).as_deref() {
            Some("" | "token") => Some(JoinMethod::Token),
            Some("ec2") => Some(JoinMethod::Ec2),
            Some(other) if OTHER_METHODS.contains(&other) => {
                found.wrong(
                    &field,
                    format!("muster does not know the join method `{other}` (known: token, ec2)"),
                );
                None
            }
            Some(other) => {
                found.wrong(&field, format!("`{other}` is not one of: token, ec2"));
                None
            }
            None => None,
        },
    };
    let allow = read_allow(&mut spec, found);
    let iid_ttl = spec.span("aws_iid_ttl", found);
    match method {
        Some(JoinMethod::Ec2) if allow.is_empty() => {
            let problem = Problem::error(
                child(&spec.path, "allow"),
                "it says no account that may join",
            );
            found.tell(
                problem
                    .at(spec.line)
                    .hint("write `allow: [{ aws_account: \"111122223333\" }]`"),
            );
        }
        Some(JoinMethod::Token) if !allow.is_empty() || iid_ttl.is_some() => {
            let problem = Problem::error(
                child(&spec.path, "allow"),
                "only `join_method: ec2` looks at this",
            );
            found.tell(problem.at(spec.line));
        }
        _ => {}
    }
    spec.refuse(&[("bot_name", "muster has no bots")], NOT_FOLLOWED, found);
    spec.ignore(
        &["suggested_agent_matcher_labels", "suggested_labels"],
        "nothing follows them",
        found,
    );
    spec.finish(found);
    let expires = meta.expires.take();
    if expires.is_some_and(|expires| expires <= now) {
        found.tell(Problem::warning("metadata.expires", "it has expired already").at(root.line));
    }
    Some(Token {
        name,
        method: method?,
        roles,
        expires,
        allow,
        iid_ttl,
        meta,
    })
}

fn read_roles(spec: &mut Fields<'_>, found: &mut Findings) -> Vec<String> {
    let mut roles = Vec::new();
    let named = spec.texts("roles", found);
    for (text, field) in &named {
        let role = text.to_lowercase();
        if ROLES.contains(&role.as_str()) {
            if !roles.contains(&role) {
                roles.push(role);
            }
        } else {
            found.odd(
                field,
                format!(
                    "`{text}` is left out: muster has no such nodes (known: {})",
                    ROLES.join(", ")
                ),
            );
        }
    }
    if roles.is_empty() {
        let message = "it says nothing that a node may be";
        let problem = Problem::error(child(&spec.path, "roles"), message).at(spec.line);
        found.tell(problem.hint("write `roles: [db]`"));
    }
    roles
}

fn read_allow(spec: &mut Fields<'_>, found: &mut Findings) -> Vec<AllowRule> {
    let Some(field) = spec.get("allow") else {
        return Vec::new();
    };
    let mut rules = Vec::new();
    for item in field.items() {
        let Some(mut map) = Fields::of(item.node, item.path, found) else {
            continue;
        };
        let account = map.needed("aws_account", found);
        let regions = map.texts("aws_regions", found);
        let role = map.text("aws_role", found).filter(|text| !text.is_empty());
        map.refuse(REFUSED_ALLOW, NOT_FOLLOWED, found);
        map.finish(found);
        if let Some(aws_account) = account {
            rules.push(AllowRule {
                aws_account,
                aws_regions: regions.into_iter().map(|(text, _)| text).collect(),
                aws_role: role,
            });
        }
    }
    rules
}

/// As a file says it.
pub(super) fn write(token: &Token) -> Value {
    let mut spec = Map::new();
    spec.insert("roles".to_owned(), json!(token.roles));
    spec.insert("join_method".to_owned(), token.method.as_str().into());
    if let Some(ttl) = token.iid_ttl {
        spec.insert("aws_iid_ttl".to_owned(), span::write(ttl).into());
    }
    let rules: Vec<Value> = token
        .allow
        .iter()
        .map(|rule| {
            let mut map = Map::new();
            map.insert("aws_account".to_owned(), rule.aws_account.as_str().into());
            if !rule.aws_regions.is_empty() {
                map.insert("aws_regions".to_owned(), json!(rule.aws_regions));
            }
            if let Some(role) = &rule.aws_role {
                map.insert("aws_role".to_owned(), role.as_str().into());
            }
            Value::Object(map)
        })
        .collect();
    if !rules.is_empty() {
        spec.insert("allow".to_owned(), Value::Array(rules));
    }
    let meta = Meta {
        expires: token.expires,
        ..token.meta.clone()
    };
    json!({
        "kind": "token",
        "version": "v2",
        "metadata": meta::write(&token.name, &meta),
        "spec": spec,
    })
}
