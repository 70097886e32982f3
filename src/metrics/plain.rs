//! The text format of Prometheus, made from that of OpenMetrics, for readers that do not ask for the latter.
//!
//! The two differ in what a counter is called where it is described, and in the mark at the end.

use super::{families::ALL, family::Kind};

/// The content type of what [`plain`] returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The same metrics in the text format of Prometheus.
pub fn plain(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len() + 1024);
    for line in openmetrics.lines() {
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|kind| {
            let (name, rest) = line.strip_prefix(kind)?.split_once(' ')?;
            Some((kind, name, rest))
        });
        match described {
            Some((kind, name, rest)) => {
                let end = if is_counter(name) { "_total" } else { "" };
                for part in [kind, name, end, " ", rest] {
                    out.push_str(part);
                }
            }
            None if line == "# EOF" => continue,
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Whether this is how OpenMetrics calls one of our counters.
fn is_counter(name: &str) -> bool {
    ALL.iter().any(|family| {
        family.kind == Kind::Counter && family.name.strip_suffix("_total") == Some(name)
    })
}
