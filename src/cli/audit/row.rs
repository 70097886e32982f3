//! An event as a row.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use muster_audit::{Found, kinds, script};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::report::{escape::shown, table::Column};

/// An event; as JSON it is what is in the file.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Row(pub(super) Map<String, Value>);

impl Row {
    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// What was done, and how it ended, in one line that is not too long.
    fn what(&self) -> String {
        let scene = script(std::slice::from_ref(&self.0)).into_iter().next();
        let Some(scene) = scene else {
            return String::new();
        };
        let own = scene.what != self.text("event");
        let name = ["name", "error", "reason", "file"].map(|key| self.text(key));
        let kind = kinds::KINDS
            .iter()
            .find(|kind| kind.code == self.text("code"));
        let said = name.into_iter().find(|text| !text.is_empty());
        let what = match (kind, said) {
            _ if own => scene.what,
            (Some(kind), Some(said)) => format!("{}: {said}", kind.when),
            (Some(kind), None) => kind.when.to_owned(),
            (None, said) => said.unwrap_or_default().to_owned(),
        };
        let mut line: String = what.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() > MOST {
            line = line.chars().take(MOST - 3).chain("...".chars()).collect();
        }
        match scene.outcome.filter(|_| own) {
            Some(outcome) => format!("{line} -> {outcome}"),
            None => line,
        }
    }
}

/// Characters of a statement in a table.
const MOST: usize = 100;

fn plain<'a>(row: &'a Row, key: &str) -> Cow<'a, str> {
    row.text(key).into()
}

pub(super) fn columns() -> Vec<Column<Row>> {
    let column = |title, wide, cell: fn(&Row) -> Cow<'_, str>| Column { title, wide, cell };
    vec![
        column("time", false, |row| plain(row, "time")),
        column("code", true, |row| plain(row, "code")),
        column("event", false, |row| plain(row, "event")),
        column("user", false, |row| plain(row, "user")),
        column("target", false, |row| plain(row, "db_service")),
        column("what", false, |row| row.what().into()),
        column("db name", true, |row| plain(row, "db_name")),
        column("db user", true, |row| plain(row, "db_user")),
        column("client", true, |row| plain(row, "addr.remote")),
        column("session", true, |row| plain(row, "sid")),
    ]
}

/// An event as a line of its own, for what is shown as it is found.
pub(super) fn line(found: Found, raw: bool, out: &mut dyn Write) -> io::Result<()> {
    if raw {
        out.write_all(&found.line)?;
        return out.write_all(b"\n");
    }
    let row = Row(found.event);
    let parts = ["time", "event", "user", "db_service"].map(|key| match row.text(key) {
        "" => "-",
        text => text,
    });
    writeln!(out, "{}  {}", shown(&parts.join("  ")), shown(&row.what()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_says_what_was_done() {
        for (event, expected) in [
            (
                json!({"code": "T1000I", "event": "user.login"}),
                "a user logged in",
            ),
            (
                json!({"code": "T1000W", "event": "user.login", "error": "wrong user name, password or code"}),
                "a login failed: wrong user name, password or code",
            ),
            (
                json!({"code": "T9000I", "event": "role.created", "name": "dev"}),
                "a role was made: dev",
            ),
            (
                json!({"code": "X1", "event": "of.another.release", "reason": "why"}),
                "why",
            ),
            (
                json!({"code": "TDB02I", "event": "db.session.query", "db_query": "select 1",
                    "success": true, "command_tag": "SELECT 1"}),
                "select 1 -> SELECT 1",
            ),
        ] {
            let Value::Object(event) = event else {
                panic!("no event");
            };
            assert_eq!(Row(event).what(), expected);
        }
    }
}
