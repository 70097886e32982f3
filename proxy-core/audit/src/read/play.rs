//! One session, from its beginning to its end.

use std::{io, path::Path};

use serde_json::{Map, Value};

use super::search::{Order, Query, search};

/// All events of a session, in their order.
///
/// # Errors
/// The log cannot be read.
pub fn play(dir: &Path, sid: &str) -> io::Result<Vec<Map<String, Value>>> {
    let query = Query {
        sid: Some(sid.to_owned()),
        order: Order::Oldest,
        ..Query::default()
    };
    let mut events = Vec::new();
    for found in search(dir, query)? {
        let event = found?.event;
        let ended = event.get("event").and_then(Value::as_str) == Some("db.session.end");
        events.push(event);
        if ended {
            break;
        }
    }
    // The order of the file is that of the session but for what waited in two queues.
    events.sort_by_key(|event| event.get("ei").and_then(Value::as_u64));
    Ok(events)
}

/// A line of a session that is shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// Microseconds since the session's first event.
    pub at_us: u64,
    /// What was done.
    pub what: String,
    /// How it ended, where that is known.
    pub outcome: Option<String>,
}

/// The events of a session as people read them.
pub fn script(events: &[Map<String, Value>]) -> Vec<Scene> {
    let start = events.first().and_then(time);
    let at = |event: &Map<String, Value>| match (start, time(event)) {
        (Some(start), Some(now)) => u64::try_from(now - start).unwrap_or(0),
        _ => 0,
    };
    events
        .iter()
        .map(|event| Scene {
            at_us: at(event),
            what: what(event),
            outcome: outcome(event),
        })
        .collect()
}

fn time(event: &Map<String, Value>) -> Option<i64> {
    let time: jiff::Timestamp = event.get("time")?.as_str()?.parse().ok()?;
    Some(time.as_microsecond())
}

fn what(event: &Map<String, Value>) -> String {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    let number = |key: &str| event.get(key).and_then(Value::as_u64).unwrap_or_default();
    let name = |key: &str| match text(key) {
        None | Some("") => "the unnamed one".to_owned(),
        Some(name) => format!("`{name}`"),
    };
    let cut = |line: String, key: &str| match number(key) {
        0 => line,
        bytes => format!("{line} ... (of {bytes} bytes)"),
    };
    match text("event").unwrap_or_default() {
        "db.session.start" if event.get("success") == Some(&Value::Bool(true)) => {
            "the session began".to_owned()
        }
        "db.session.start" => "the session was refused".to_owned(),
        "db.session.end" => format!(
            "the session ended after {} statements, {} bytes in and {} bytes out",
            number("statements"),
            number("bytes_from_client"),
            number("bytes_to_client")
        ),
        "db.session.query" => {
            let line = text("db_query").unwrap_or_default().to_owned();
            bound(
                cut(line, "db_query_length"),
                event.get("db_query_parameters"),
            )
        }
        "db.session.result" => format!("the result of event {}", number("query_ei")),
        "db.session.postgres.statements.parse" => {
            let query = text("query").unwrap_or_default();
            cut(
                format!("prepare {}: {query}", name("statement_name")),
                "query_length",
            )
        }
        "db.session.postgres.statements.bind" => bound(
            format!("bind {}", name("statement_name")),
            event.get("parameters"),
        ),
        "db.session.postgres.statements.execute" => {
            let line = match text("query") {
                Some(query) => cut(query.to_owned(), "query_length"),
                None => match text("statement_name") {
                    Some(_) => format!("execute {}", name("statement_name")),
                    None => format!("execute portal {}", name("portal_name")),
                },
            };
            bound(line, event.get("parameters"))
        }
        "db.session.postgres.statements.close" => match text("portal_name") {
            Some(_) => format!("close portal {}", name("portal_name")),
            None => format!("close {}", name("statement_name")),
        },
        "db.session.postgres.function" => bound(
            format!("call function {}", number("function_oid")),
            event.get("function_args"),
        ),
        "db.session.postgres.copy.start" => {
            format!("copy {}", text("direction").unwrap_or_default())
        }
        "db.session.postgres.copy.end" => format!(
            "copy {} ended after {} bytes",
            text("direction").unwrap_or_default(),
            number("bytes")
        ),
        "db.session.cancel" => "cancel".to_owned(),
        "db.session.malformed_packet" => "bytes that the protocol does not allow".to_owned(),
        "client.disconnect" => format!("disconnected: {}", text("reason").unwrap_or_default()),
        other => other.to_owned(),
    }
}

fn bound(line: String, values: Option<&Value>) -> String {
    let Some(values) = values.and_then(Value::as_array).filter(|v| !v.is_empty()) else {
        return line;
    };
    let shown = values.iter().enumerate().map(|(index, value)| {
        let value = match value {
            Value::String(text) => format!("'{text}'"),
            _ => "NULL".to_owned(),
        };
        format!("${} = {value}", index + 1)
    });
    format!("{line}  [{}]", shown.collect::<Vec<_>>().join(", "))
}

fn outcome(event: &Map<String, Value>) -> Option<String> {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    let mut parts = Vec::new();
    match (text("error"), text("error_code")) {
        (Some(error), Some(code)) => parts.push(format!("error {code}: {error}")),
        (Some(error), None) => parts.push(format!("error: {error}")),
        (None, _) => {
            parts.extend(text("command_tag").map(ToOwned::to_owned));
            if let Some(rows) = event.get("affected_records").and_then(Value::as_u64) {
                parts.push(if rows == 1 {
                    "1 row".to_owned()
                } else {
                    format!("{rows} rows")
                });
            }
        }
    }
    if let Some(micros) = event.get("duration_us").and_then(Value::as_u64) {
        parts.push(format!("{}.{:03} ms", micros / 1000, micros % 1000));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
