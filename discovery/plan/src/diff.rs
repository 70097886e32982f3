//! Field by field: what differs between two databases, or two targets.

use std::collections::BTreeMap;

use muster_model::{Database, Endpoint, FieldChange, Label, Labels, Target};

/// Whether to keep `a` rather than `b`, two records of one id, whatever order they came in.
pub(crate) fn prefer(a: &Database, b: &Database) -> bool {
    fn rank(database: &Database) -> (bool, bool, &str, &str, Option<&Endpoint>) {
        (
            database.endpoint.is_none(),
            database.tags.is_empty(),
            database.state.name.as_str(),
            database.engine_version.as_str(),
            database.endpoint.as_ref(),
        )
    }
    // A usable one first; then whatever decides, as long as it always decides the same.
    rank(a)
        .cmp(&rank(b))
        .then_with(|| format!("{a:?}").cmp(&format!("{b:?}")))
        .is_lt()
}

/// What a person would call different between two sightings of one database. Notes and facts that come and go
/// with a permission are left out.
pub(crate) fn databases(from: &Database, to: &Database) -> Vec<FieldChange> {
    let mut out = Vec::new();
    text(&mut out, "identifier", &from.identifier, &to.identifier);
    optional(
        &mut out,
        "endpoint",
        from.endpoint.as_ref(),
        to.endpoint.as_ref(),
    );
    text(&mut out, "engine", &from.engine, &to.engine);
    text(
        &mut out,
        "engine_version",
        &from.engine_version,
        &to.engine_version,
    );
    text(&mut out, "state", &from.state.name, &to.state.name);
    optional(
        &mut out,
        "tls_server_name",
        from.tls_server_name.as_ref(),
        to.tls_server_name.as_ref(),
    );
    text(
        &mut out,
        "scope",
        &from.scope.to_string(),
        &to.scope.to_string(),
    );
    optional(
        &mut out,
        "unsupported",
        from.unsupported.as_ref(),
        to.unsupported.as_ref(),
    );
    map(&mut out, "tags", &from.tags, &to.tags);
    map(&mut out, "derived", &from.derived, &to.derived);
    map(&mut out, "facts", &from.facts, &to.facts);
    out
}

/// What an update would change of a target.
pub(crate) fn targets(from: &Target, to: &Target) -> Vec<FieldChange> {
    let mut out = Vec::new();
    text(&mut out, "name", &from.name, &to.name);
    text(&mut out, "short_name", &from.short_name, &to.short_name);
    optional(
        &mut out,
        "endpoint",
        from.endpoint.as_ref(),
        to.endpoint.as_ref(),
    );
    optional(
        &mut out,
        "tls_server_name",
        from.tls_server_name.as_ref(),
        to.tls_server_name.as_ref(),
    );
    text(&mut out, "kind", from.kind.as_str(), to.kind.as_str());
    text(
        &mut out,
        "protocol",
        from.protocol.as_str(),
        to.protocol.as_str(),
    );
    text(&mut out, "engine", &from.engine, &to.engine);
    text(
        &mut out,
        "engine_version",
        &from.engine_version,
        &to.engine_version,
    );
    text(&mut out, "state", &from.state.name, &to.state.name);
    if from.state.name == to.state.name {
        // A newer muster may know better what a state means.
        text(
            &mut out,
            "availability",
            from.state.availability.as_str(),
            to.state.availability.as_str(),
        );
    }
    text(
        &mut out,
        "scope",
        &from.scope.to_string(),
        &to.scope.to_string(),
    );
    labels(&mut out, &from.labels, &to.labels);
    map(&mut out, "hints", &from.hints, &to.hints);
    map(&mut out, "facts", &from.facts, &to.facts);
    text(&mut out, "reason", &from.reason, &to.reason);
    out
}

fn text(out: &mut Vec<FieldChange>, field: &str, from: &str, to: &str) {
    if from != to {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        out.push(FieldChange {
            field: field.to_owned(),
            from: some(from),
            to: some(to),
        });
    }
}

fn optional<T: PartialEq + ToString>(
    out: &mut Vec<FieldChange>,
    field: &str,
    from: Option<&T>,
    to: Option<&T>,
) {
    if from != to {
        out.push(FieldChange {
            field: field.to_owned(),
            from: from.map(ToString::to_string),
            to: to.map(ToString::to_string),
        });
    }
}

fn map(
    out: &mut Vec<FieldChange>,
    field: &str,
    from: &BTreeMap<String, String>,
    to: &BTreeMap<String, String>,
) {
    both(out, field, from, to, |value| value.clone());
}

fn labels(out: &mut Vec<FieldChange>, from: &Labels, to: &Labels) {
    let collect = |labels: &Labels| -> BTreeMap<String, Label> {
        labels
            .iter()
            .map(|(key, label)| (key.to_owned(), label.clone()))
            .collect()
    };
    let (from, to) = (collect(from), collect(to));
    // The provenance is shown where it is all that changes.
    let same_value = |key: &str| from.get(key).map(|l| &l.value) == to.get(key).map(|l| &l.value);
    let mut changes = Vec::new();
    both(&mut changes, "labels", &from, &to, |label| {
        label.value.clone()
    });
    for change in &mut changes {
        let key = change.field.strip_prefix("labels.").unwrap_or_default();
        if same_value(key) {
            change.from = from
                .get(key)
                .map(|label| format!("{} ({:?})", label.value, label.origin));
            change.to = to
                .get(key)
                .map(|label| format!("{} ({:?})", label.value, label.origin));
        }
    }
    out.append(&mut changes);
}

fn both<V: PartialEq>(
    out: &mut Vec<FieldChange>,
    field: &str,
    from: &BTreeMap<String, V>,
    to: &BTreeMap<String, V>,
    show: impl Fn(&V) -> String,
) {
    for (key, old) in from {
        match to.get(key) {
            Some(new) if new == old => {}
            new => out.push(FieldChange {
                field: format!("{field}.{key}"),
                from: Some(show(old)),
                to: new.map(&show),
            }),
        }
    }
    for (key, new) in to.iter().filter(|(key, _)| !from.contains_key(*key)) {
        out.push(FieldChange {
            field: format!("{field}.{key}"),
            from: None,
            to: Some(show(new)),
        });
    }
}
