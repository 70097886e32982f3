//! The reference page `docs/metrics.md`, made from the families. A test compares it with what is in the repository.

use std::fmt::Write;

use super::{
    families::ALL,
    family::{Family, Kind, Values},
};

const HEAD: &str = "\
# Metrics

Made from the program; `MUSTER_BLESS=1 cargo test` writes it anew.

`muster run` serves these at `/metrics` of its loopback port, in the text format of OpenMetrics for whoever accepts it
and in the older one of Prometheus for others. `muster install alerts` prints alerting rules for them, `muster install
grafana` a dashboard.

- Every series that can be known is there from the start, at zero, so that `rate` and `increase` see the first event.
  A metric of which that is not true says so.
- No label holds the name of a database, a target, an account or a person. What is said of scopes is said by service,
  so the number of series depends on the configuration's sinks and on nothing else.
- Times are seconds since 1970 by the service's clock; sizes are bytes.
- A histogram `NAME` has the series `NAME_bucket`, `NAME_sum` and `NAME_count`.
";

/// `docs/metrics.md`.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    // Writing to a String does not fail.
    let _ = writeln!(page, "\n| metric | type | labels |\n|---|---|---|");
    for family in ALL {
        let labels: Vec<_> = family
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let (name, kind) = (family.name, family.kind.as_str());
        let _ = writeln!(
            page,
            "| [`{name}`](#{name}) | {kind} | {} |",
            labels.join(", ")
        );
    }
    for family in ALL {
        describe(family, &mut page);
    }
    page
}

fn describe(family: &Family, page: &mut String) {
    let kind = family.kind.as_str();
    let _ = write!(page, "\n## {}\n\n{kind}. {}.", family.name, family.help);
    if let Values::Among(_) = family.values {
        let _ = write!(page, " A series is there only while it has a value.");
    }
    page.push('\n');
    let mut lines = Vec::new();
    for (label, values) in family.by_label() {
        let values = match (values, family.values) {
            (Some(values), _) => {
                let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
                values.join(", ")
            }
            (None, Values::Named { what, .. }) => what.to_owned(),
            (None, _) => String::new(),
        };
        lines.push(format!("- `{label}`: {values}"));
    }
    if let Kind::Histogram(bounds) = family.kind {
        let bounds: Vec<_> = bounds.iter().map(ToString::to_string).collect();
        lines.push(format!("- bounds, in seconds: {}", bounds.join(", ")));
    }
    if !lines.is_empty() {
        let _ = writeln!(page, "\n{}", lines.join("\n"));
    }
}
