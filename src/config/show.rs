//! The configuration as muster understands it: every setting, defaults filled in, and where each came from.
//!
//! What is shown is itself a configuration that means the same.

mod databases;
mod proxy;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use muster_matchers::RuleFile;
use muster_model::{Provider, Service};
use muster_plan::Unconfigured;
use muster_schedule::{Pace, When};
use serde_yaml::{Mapping, Value};

use super::{
    AwsAccountRef, AwsSource, AzureSource, Config, Loaded, Sink, SinkKind, file::VERSION, words,
    yaml,
};

/// What was said elsewhere than in the file, and counts more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The store's directory, and who says so: `flag` or `env MUSTER_STORE`.
    pub store: Option<(PathBuf, &'static str)>,
}

/// The effective configuration as YAML. With `origin`, every line ends in a comment: `# file`, `# default`,
/// `# flag`, `# env MUSTER_STORE`.
pub fn show(loaded: &Loaded, overrides: &Overrides, origin: bool) -> String {
    let mut config = loaded.config.clone();
    if let Some((store, _)) = &overrides.store {
        config.store.clone_from(store);
    }
    let note = |path: &str| {
        let from = match &overrides.store {
            Some((_, from)) if path == "store" => from,
            _ if is_given(&loaded.given, path) => "file",
            _ => "default",
        };
        origin.then(|| from.to_owned())
    };
    yaml::write(&effective(&config), &note)
}

/// Whether the file gives the value at `path`, or the list that it stands in, or one value in place of the list.
fn is_given(given: &BTreeSet<String>, path: &str) -> bool {
    let list = || path.rsplit_once('[').map(|(list, _)| list);
    given.contains(path)
        || path.starts_with("rules")
        || list().is_some_and(|list| given.contains(list) && path.ends_with(']'))
        || given.contains(&path.replace("[0]", ""))
        || inherited(path).is_some_and(|path| given.contains(path))
}

/// What a source's schedule does not say is as the file's says.
fn inherited(path: &str) -> Option<&str> {
    let at = path
        .rfind(".schedule.")
        .filter(|_| path.starts_with("sources."))?;
    path.get(at + 1..)
}

pub(super) fn effective(config: &Config) -> Value {
    let Config {
        path: _,
        store,
        settings,
        aws,
        azure,
        databases,
        rules,
        plugins,
        requests,
        azure_endpoints,
        schedule,
        service,
        notify,
        history,
        proxy,
        audit,
    } = config;
    let mut sources = Vec::new();
    if !aws.is_empty() {
        sources.push(("aws", Value::Sequence(aws.iter().map(aws_source).collect())));
    }
    if !azure.is_empty() {
        sources.push((
            "azure",
            Value::Sequence(azure.iter().map(azure_source).collect()),
        ));
    }
    let mut top = vec![
        ("version", VERSION.into()),
        ("store", store.display().to_string().into()),
        ("group", settings.group.as_str().into()),
        ("policy", settings.policy.as_str().into()),
    ];
    if !sources.is_empty() {
        top.push(("sources", map(sources)));
    }
    if !databases.is_empty() {
        let databases = databases.iter().map(databases::database);
        top.push(("databases", Value::Sequence(databases.collect())));
    }
    if let Some(rules) = rules {
        top.push(("rules", Value::Sequence(rules.iter().map(rule).collect())));
    }
    let mut how = Vec::new();
    if !plugins.keys.is_empty() {
        let keys = plugins.keys.iter().map(|key| Value::from(key.as_str()));
        how.push(("keys", Value::Sequence(keys.collect())));
    }
    how.extend([
        ("time", words::duration(plugins.time.as_secs()).into()),
        ("memory_mib", plugins.memory_mib.into()),
        ("batch", number(plugins.batch)),
    ]);
    top.push(("plugins", map(how)));
    let unconfigured = match settings.unconfigured {
        Unconfigured::Hold => "hold",
        Unconfigured::Remove => "remove",
    };
    let grace = map([
        ("scans", settings.grace.scans.into()),
        ("time", words::duration(settings.grace.seconds).into()),
    ]);
    let brake = map([
        ("share", format!("{}%", settings.brake.percent).into()),
        ("at_least", number(settings.brake.at_least)),
        ("window", words::duration(settings.brake.window).into()),
    ]);
    top.push((
        "removal",
        map([
            ("grace", grace),
            ("brake", brake),
            ("unconfigured", unconfigured.into()),
        ]),
    ));
    top.push((
        "requests",
        map([
            ("per_second", requests.per_second.into()),
            ("concurrency", requests.concurrency.into()),
            ("attempts", requests.attempts.into()),
            ("timeout", words::duration(requests.timeout_seconds).into()),
            ("max_pages", number(requests.max_pages)),
            ("scopes_at_once", number(requests.scopes_at_once)),
        ]),
    ));
    let endpoints = [
        ("authority", &azure_endpoints.authority),
        ("management", &azure_endpoints.management),
    ];
    let endpoints: Vec<_> = endpoints
        .into_iter()
        .filter_map(|(key, url)| Some((key, Value::from(url.as_deref()?))))
        .collect();
    if !endpoints.is_empty() {
        top.push(("azure_endpoints", map(endpoints)));
    }
    top.push(("schedule", pace(schedule)));
    let listen = service
        .listen
        .map_or_else(|| "off".to_owned(), |address| address.to_string());
    top.push((
        "service",
        map([
            ("listen", listen.into()),
            ("shutdown", span(service.shutdown)),
            ("resolve", span(service.resolve)),
        ]),
    ));
    if !notify.is_empty() {
        top.push(("notify", Value::Sequence(notify.iter().map(sink).collect())));
    }
    top.push((
        "history",
        map([
            ("keep", words::duration(history.age).into()),
            ("entries", history.entries.into()),
        ]),
    ));
    top.extend(
        proxy
            .iter()
            .map(|settings| ("proxy", proxy::proxy(settings))),
    );
    top.push(("audit", proxy::audit(audit)));
    map(top)
}

fn pace(pace: &Pace) -> Value {
    let mut entries = match &pace.when {
        When::Every(every) => vec![("every", span(*every))],
        When::Cron {
            expression,
            time_zone,
        } => vec![
            ("cron", expression.as_str().into()),
            ("time_zone", time_zone.name().into()),
        ],
    };
    entries.push(("jitter", span(pace.jitter)));
    entries.push(("backoff_max", span(pace.backoff_max)));
    map(entries)
}

fn sink(sink: &Sink) -> Value {
    let texts = |texts: Vec<&str>| Value::Sequence(texts.into_iter().map(Value::from).collect());
    let events = sink.events.iter().map(|event| event.as_str()).collect();
    let mut entries = vec![
        ("name", sink.name.as_str().into()),
        ("events", texts(events)),
    ];
    entries.push(match &sink.how {
        SinkKind::Webhook {
            url,
            authorization_file,
            secret_file,
        } => {
            let file =
                |file: &Option<PathBuf>| Some(Value::from(file.as_ref()?.display().to_string()));
            let mut webhook = vec![("url", url.as_str().into())];
            webhook.extend(file(authorization_file).map(|file| ("authorization_file", file)));
            webhook.extend(file(secret_file).map(|file| ("secret_file", file)));
            ("webhook", map(webhook))
        }
        SinkKind::Command { argv } => ("command", texts(argv.iter().map(String::as_str).collect())),
    });
    entries.push(("timeout", span(sink.timeout)));
    map(entries)
}

fn span(span: Duration) -> Value {
    words::duration(span.as_secs()).into()
}

fn aws_source(source: &AwsSource) -> Value {
    let accounts = source.accounts.iter().map(|account| match account {
        AwsAccountRef::Ambient => "ambient".into(),
        AwsAccountRef::Role { arn, external_id } => {
            let mut role = vec![("assume_role", arn.as_str().into())];
            role.extend(external_id.as_deref().map(|id| ("external_id", id.into())));
            map(role)
        }
    });
    let mut entries = vec![
        ("types", types(&source.services)),
        ("regions", set(source.regions.as_ref())),
        ("accounts", Value::Sequence(accounts.collect())),
        ("tags", plain(&source.tags)),
    ];
    entries.extend(source.schedule.as_ref().map(|own| ("schedule", pace(own))));
    map(entries)
}

fn azure_source(source: &AzureSource) -> Value {
    let mut entries = vec![
        ("types", types(&source.services)),
        ("subscriptions", set(source.subscriptions.as_ref())),
        ("resource_groups", set(source.resource_groups.as_ref())),
        ("regions", set(source.regions.as_ref())),
        ("tags", plain(&source.tags)),
    ];
    entries.extend(source.schedule.as_ref().map(|own| ("schedule", pace(own))));
    map(entries)
}

/// The fewest words that say these services.
fn types(services: &BTreeSet<Service>) -> Value {
    let mut words: Vec<&str> = Vec::new();
    for (both, single, flexible) in [
        ("postgres", Service::Postgresql, Service::PostgresqlFlexible),
        ("mysql", Service::Mysql, Service::MysqlFlexible),
    ] {
        if services.contains(&single) && services.contains(&flexible) {
            words.push(both);
        } else {
            words.extend(
                [single, flexible]
                    .iter()
                    .filter(|one| services.contains(one))
                    .map(|one| words::type_word(*one)),
            );
        }
    }
    words.extend(
        services
            .iter()
            .filter(|service| service.provider() == Provider::Aws)
            .map(|service| words::type_word(*service)),
    );
    words
        .into_iter()
        .map(Value::from)
        .collect::<Vec<_>>()
        .into()
}

fn set(values: Option<&BTreeSet<String>>) -> Value {
    match values {
        None => vec![Value::from("*")].into(),
        Some(values) => values
            .iter()
            .map(|value| Value::from(value.as_str()))
            .collect::<Vec<_>>()
            .into(),
    }
}

/// A rule, with `enroll: true` where nothing is said of how.
fn rule(rule: &RuleFile) -> Value {
    let mut rule = plain(rule);
    if let Some(enroll) = rule.get_mut("enroll")
        && enroll.as_mapping().is_some_and(Mapping::is_empty)
    {
        *enroll = true.into();
    }
    rule
}

fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    Value::Mapping(
        entries
            .into_iter()
            .map(|(key, value)| (Value::from(key), value))
            .collect::<Mapping>(),
    )
}

fn number(number: usize) -> Value {
    u64::try_from(number).unwrap_or(u64::MAX).into()
}

/// A value as its serde form; one that has none (there is no such type here) as nothing.
fn plain(value: &impl serde::Serialize) -> Value {
    serde_yaml::to_value(value).unwrap_or_default()
}
