//! Rules that can never match, for warnings. Only what is certain is said.
//!
//! A rule is out of reach when it contradicts itself, when an earlier one decides about everything that it
//! matches, or when no source can bring a database that it asks for.

use muster_model::{
    Provider, Selector, Service,
    selector::{Pattern, Requirement},
};

use crate::{problem::Problem, rule::Rule, source::SourceFilter};

/// Warns about every rule that can never match.
pub(crate) fn check(sources: &[SourceFilter], rules: &[Rule], problems: &mut Vec<Problem>) {
    for (place, rule) in rules.iter().enumerate() {
        let path = format!("rules[{place}].match");
        let (before, _) = rules.split_at(place);
        if let Some(why) = rule.select.contradiction() {
            problems.push(Problem::warning(path, format!("it can never match: {why}")));
        } else if let Some(first) = decided_before(before, &rule.select) {
            let message = format!(
                "it is never reached: {} ({}) decides first",
                first.who, first.select
            );
            problems.push(Problem::warning(path, message).hint("put the narrower rule first"));
        } else if let Some(why) = out_of_reach(sources, before, &rule.select) {
            problems.push(Problem::warning(path, format!("it can never match: {why}")));
        }
    }
}

/// The rule that decides about everything that `select` matches.
fn decided_before<'a>(before: &'a [Rule], select: &Selector) -> Option<&'a Rule> {
    before.iter().enumerate().find_map(|(place, first)| {
        let (_, between) = before.split_at(place + 1);
        // What the first one saw of its keys has to be what the later one sees.
        let as_it_was = || {
            let keys = || first.select.requirements().iter().map(Requirement::key);
            between
                .iter()
                .all(|rule| !keys().any(|key| rule.touches(key)))
        };
        (first.decides() && first.select.covers(select) && as_it_was()).then_some(first)
    })
}

/// Why no source can bring a database that `select` matches.
fn out_of_reach(sources: &[SourceFilter], before: &[Rule], select: &Selector) -> Option<String> {
    let mut first_reason = None;
    for source in sources {
        for service in &source.services {
            match stands_against(source, *service, before, select) {
                None => return None,
                Some(why) => first_reason = first_reason.or(Some(why)),
            }
        }
    }
    let reason = first_reason?;
    let only = matches!(sources, [source] if source.services.len() == 1);
    Some(if only {
        reason
    } else {
        format!("no source has such databases; of the first, {reason}")
    })
}

/// Why no database of one service of a source can match.
fn stands_against(
    source: &SourceFilter,
    service: Service,
    before: &[Rule],
    select: &Selector,
) -> Option<String> {
    for requirement in select.requirements() {
        let key = requirement.key();
        if let Some(values) = derived_values(source, service, key)
            && !values.iter().any(|value| may_be(requirement, value))
            // Where the label is not derived, it is absent: no tag can stand in for it.
            && requirement.check(None).is_err()
        {
            return Some(if values.is_empty() {
                format!("{} databases have no label `{key}`", service)
            } else {
                format!(
                    "`{key}` is one of [{}], asked for {requirement}",
                    values.join(", ")
                )
            });
        }
        let untouched = before.iter().all(|rule| !rule.touches(key));
        if untouched
            && let Some(asked) = source.tags.requirement(key)
            && asked.is_disjoint(requirement)
        {
            return Some(format!(
                "{} asks for {asked}, and the rule for {requirement}",
                source.who()
            ));
        }
    }
    None
}

/// The values that a derived label can have on databases of a service; none where any may come.
fn derived_values(source: &SourceFilter, service: Service, key: &str) -> Option<Vec<String>> {
    let owned = |values: &[&str]| Some(values.iter().map(|value| (*value).to_owned()).collect());
    let aws = source.provider == Provider::Aws;
    let accounts = || {
        let accounts = source.accounts.as_ref()?;
        Some(
            accounts
                .iter()
                .map(|account| account.as_str().to_owned())
                .collect(),
        )
    };
    match key {
        "region" => source
            .regions
            .as_ref()
            .map(|regions| regions.iter().cloned().collect()),
        "account-id" if aws => accounts(),
        "subscription-id" if !aws => accounts(),
        "resource-group" if !aws => source
            .resource_groups
            .as_ref()
            .map(|groups| groups.iter().cloned().collect()),
        "account-id" => owned(&[]),
        "subscription-id" | "resource-group" | "replication-role" | "source-server" if aws => {
            owned(&[])
        }
        "endpoint-type" => owned(endpoint_types(service)),
        "engine" => owned(engines(service)),
        _ => None,
    }
}

/// The endpoint roles of a service's databases, as `EndpointRole` describes them.
const fn endpoint_types(service: Service) -> &'static [&'static str] {
    match service {
        Service::Rds => &["instance", "primary", "reader", "custom"],
        Service::Docdb => &["cluster", "primary", "reader"],
        Service::Elasticache => &["configuration", "primary", "reader"],
        Service::ElasticacheServerless => &["serverless", "primary", "reader"],
        Service::Postgresql
        | Service::PostgresqlFlexible
        | Service::Mysql
        | Service::MysqlFlexible => &["server"],
        Service::SelfHosted => &[],
    }
}

/// The engines of a service that muster serves: others are skipped before any rule.
const fn engines(service: Service) -> &'static [&'static str] {
    match service {
        Service::Rds => &[
            "postgres",
            "mysql",
            "mariadb",
            "aurora",
            "aurora-mysql",
            "aurora-postgresql",
        ],
        Service::Docdb => &["docdb"],
        Service::Elasticache | Service::ElasticacheServerless => &["redis", "valkey"],
        Service::Postgresql => &["Microsoft.DBforPostgreSQL/servers"],
        Service::PostgresqlFlexible => &["Microsoft.DBforPostgreSQL/flexibleServers"],
        Service::Mysql => &["Microsoft.DBforMySQL/servers"],
        Service::MysqlFlexible => &["Microsoft.DBforMySQL/flexibleServers"],
        Service::SelfHosted => &[],
    }
}

/// Whether a label with this value, in upper or lower case as its provider likes, may satisfy the requirement.
fn may_be(requirement: &Requirement, value: &str) -> bool {
    let holds = |value: &str| requirement.check(Some(value)).is_ok();
    let same_letters = |pattern: &Pattern| pattern.as_str().eq_ignore_ascii_case(value);
    holds(value)
        || holds(&value.to_lowercase())
        || holds(&value.to_uppercase())
        || requirement.any_of().iter().any(same_letters)
        // A pattern that matches some other spelling cannot be ruled out where letters may differ.
        || (value.chars().any(char::is_alphabetic)
            && requirement.any_of().iter().any(|pattern| !pattern.is_literal() && loosely(pattern, value)))
}

/// Whether a pattern matches a value when case is left out of account, as far as that can be said.
fn loosely(pattern: &Pattern, value: &str) -> bool {
    if pattern.is_regex() {
        return true;
    }
    Pattern::parse(&pattern.as_str().to_lowercase())
        .is_ok_and(|lower| lower.matches(&value.to_lowercase()))
}
