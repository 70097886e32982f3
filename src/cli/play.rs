//! `muster play`: one session, from its beginning to its end.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use muster_audit::{Scene, play, script};
use serde_json::{Map, Value};

use super::{
    Common, Failure,
    audit::{Place, cannot},
    print,
};
use crate::{
    exit::Exit,
    report::{escape::shown, pretty},
};

/// Arguments of `muster play`.
#[derive(Args, Debug)]
pub struct Play {
    /// The session's id, from `muster audit search --event db.session.start --output wide`.
    session: String,
    /// How it is written.
    #[arg(short, long, alias = "output", value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

/// How a session is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: when, what, and how it ended.
    #[default]
    Text,
    /// Its events, as an array of objects.
    Json,
}

impl Play {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = self.place.find(common)?;
        let events = play(&dir, &self.session).map_err(|error| cannot(&dir, &error))?;
        if events.is_empty() {
            let session = &self.session;
            return Err(Failure::new(format!("cannot play the session `{session}`"))
                .because("the audit log has no event of it")
                .hint(
                    "`muster audit search --event db.session.start --output wide` lists sessions",
                ));
        }
        print(|out| match self.format {
            Format::Text => text(&events, out),
            Format::Json => pretty(&events, out),
        })?;
        Ok(Exit::Done)
    }
}

fn text(events: &[Map<String, Value>], out: &mut dyn Write) -> io::Result<()> {
    let first = events.first();
    let text = |key: &str| {
        let value = first
            .and_then(|event| event.get(key))
            .and_then(Value::as_str);
        shown(value.unwrap_or("?"))
    };
    writeln!(
        out,
        "Session {} of {} on {}, database {} as {}, from {}",
        text("sid"),
        text("user"),
        text("db_service"),
        text("db_name"),
        text("db_user"),
        text("addr.remote")
    )?;
    writeln!(out, "{}\n", text("time"))?;
    for scene in script(events) {
        show(&scene, out)?;
    }
    Ok(())
}

fn show(scene: &Scene, out: &mut dyn Write) -> io::Result<()> {
    let millis = scene.at_us / 1000;
    let (minutes, seconds) = (millis / 60_000, millis % 60_000);
    let time = format!("{minutes:4}:{:02}.{:03}", seconds / 1000, seconds % 1000);
    for (index, line) in scene.what.lines().enumerate() {
        let margin = if index == 0 { &*time } else { "           " };
        writeln!(out, "{margin}  {}", shown(line))?;
    }
    match &scene.outcome {
        Some(outcome) => writeln!(out, "             -> {}", shown(outcome)),
        None => Ok(()),
    }
}
