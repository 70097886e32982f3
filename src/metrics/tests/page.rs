//! The page as a whole: what is described is there, in both formats, and readers of others understand it.

use super::*;

#[test]
fn what_is_scraped_is_what_is_described() {
    let text = everything();
    let samples = samples(&text);
    for family in ALL {
        let declared = match family.kind {
            Kind::Counter => family.name.trim_end_matches("_total"),
            Kind::Gauge | Kind::Histogram(_) => family.name,
        };
        let line = format!("# TYPE {declared} {}\n", family.kind.as_str());
        assert_eq!(text.matches(&line).count(), 1, "{line}");
        let line = format!("# HELP {declared} {}.\n", family.help);
        assert_eq!(text.matches(&line).count(), 1, "{line}");
    }
    let mut named = BTreeSet::new();
    for sample in &samples {
        let family = ALL
            .iter()
            .find(|family| match family.kind {
                Kind::Histogram(_) => ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|end| sample.name.strip_suffix(end) == Some(family.name)),
                Kind::Counter | Kind::Gauge => sample.name == family.name,
            })
            .unwrap_or_else(|| panic!("{} is not described", sample.name));
        named.insert(family.name);
        let mut labels = sample.labels.clone();
        assert_eq!(
            labels.remove("le").is_some(),
            sample.name.ends_with("_bucket"),
            "{sample:?}"
        );
        for (label, values) in family.by_label() {
            let got = labels.remove(label).expect(label);
            if let Some(values) = values {
                assert!(values.contains(&got.as_str()), "{sample:?}");
            }
        }
        assert_eq!(labels, BTreeMap::new(), "{sample:?}");
    }
    let described: BTreeSet<_> = ALL.iter().map(|family| family.name).collect();
    assert_eq!(described, named);
}

#[test]
fn what_can_be_known_is_there_from_the_start() {
    let text = Metrics::new("1.2.3").encode(&empty());
    let samples = samples(&text);
    for family in ALL {
        let suffix = match family.kind {
            Kind::Histogram(_) => "_count",
            Kind::Counter | Kind::Gauge => "",
        };
        let name = format!("{}{suffix}", family.name);
        for row in family.known() {
            let labels = family.labels.iter().copied().zip(row.iter().copied());
            let labels: Vec<_> = labels.collect();
            let found = value(&text, &name, &labels);
            let found = found.unwrap_or_else(|| panic!("{name} {labels:?} is not there"));
            if family.kind != Kind::Gauge && !family.name.starts_with("process_") {
                assert_eq!(found, 0.0, "{name} {labels:?}");
            }
        }
        if matches!(family.values, Values::Among(_)) && family.name.starts_with("muster_") {
            assert!(samples.iter().all(|sample| sample.name != name), "{name}");
        }
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn names_and_texts_are_as_they_should_be() {
    let mut names = BTreeSet::new();
    for family in ALL {
        let name = family.name;
        assert!(names.insert(name), "{name} is there twice");
        assert!(
            name.starts_with("muster_") || name.starts_with("process_"),
            "{name}"
        );
        let counter = family.kind == Kind::Counter;
        assert_eq!(name.ends_with("_total"), counter, "{name}");
        if let Kind::Histogram(bounds) = family.kind {
            assert!(name.ends_with("_seconds"), "{name}");
            assert!(bounds.is_sorted(), "{name}");
        }
        // The encoder neither escapes a help text nor looks whether it ends with a full stop.
        assert!(!family.help.contains(['\n', '\\']), "{name}");
        assert!(!family.help.ends_with('.'), "{name}");
        let named = usize::from(matches!(family.values, Values::Named { .. }));
        let rows = match family.values {
            Values::Known(rows) | Values::Among(rows) => rows(),
            Values::Named { others, .. } => others(),
        };
        let mut seen = BTreeSet::new();
        for row in rows {
            assert_eq!(row.len() + named, family.labels.len(), "{name} {row:?}");
            assert!(seen.insert(row.clone()), "{name} has {row:?} twice");
        }
    }
}

/// Prometheus's own client for Python reads the text strictly.
#[test]
fn a_reader_that_is_not_ours_understands_a_scrape() {
    const READ: &str = r#"
import json
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
for family in read(open("scrape.txt").read()):
    for sample in family.samples:
        print(json.dumps([family.name, family.type, sample.name, sample.labels, sample.value]))
"#;
    type Line = (String, String, String, BTreeMap<String, String>, f64);
    let mut status = full();
    let odd = "a \"name\" with \\ and \n and \u{e4}";
    status.notify[0].name = odd.to_owned();
    let folder = tempfile::tempdir().unwrap();
    for (text, sink) in [
        (everything(), "chat"),
        (Metrics::new("1.2.3").encode(&status), odd),
    ] {
        std::fs::write(folder.path().join("scrape.txt"), &text).unwrap();
        let read = oracle::python(READ, folder.path());
        let lines: Vec<Line> = read
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            lines.len(),
            text.lines().filter(|line| !line.starts_with('#')).count()
        );
        let mut sinks = BTreeSet::new();
        for (family, kind, _, labels, value) in lines {
            let described = ALL
                .iter()
                .find(|described| described.name.trim_end_matches("_total") == family)
                .unwrap_or_else(|| panic!("{family} is not described"));
            assert_eq!(described.kind.as_str(), kind, "{family}");
            assert!(value >= 0.0, "{family} {labels:?}");
            sinks.extend(labels.get("sink").cloned());
        }
        assert_eq!(sinks, BTreeSet::from([sink.to_owned()]));
    }
}

/// Prometheus's own tool finds nothing to say of the older format: names, types, units, help.
#[test]
fn the_older_format_is_without_fault() {
    let openmetrics = everything();
    let text = plain::plain(&openmetrics);
    oracle::promtool_reads(&["check", "metrics"], &text);
    assert_eq!(samples(&text), samples(&openmetrics));
    for family in ALL {
        let line = format!("# TYPE {} {}\n", family.name, family.kind.as_str());
        assert_eq!(text.matches(&line).count(), 1, "{line}");
    }
}

/// Whoever writes the text down twice sees in a comparison what changed and nothing else.
#[test]
fn the_order_is_always_the_same() {
    let lines = |text: String| -> Vec<String> {
        let all = text.lines().filter(|line| !line.starts_with("process_"));
        all.map(str::to_owned).collect()
    };
    assert_eq!(lines(everything()), lines(everything()));
}

/// Ten thousand scopes are as many lines as three.
#[test]
fn the_size_does_not_depend_on_the_scopes() {
    let metrics = Metrics::new("1.2.3");
    let mut status = full();
    let few = samples(&metrics.encode(&status)).len();
    status.scopes = (0..10_000)
        .map(|index| {
            untried(Scope::aws(
                &format!("{index:012}"),
                "eu-west-1",
                Service::Rds,
            ))
        })
        .collect();
    status.scopes.extend(full().scopes);
    assert_eq!(samples(&metrics.encode(&status)).len(), few);
}
