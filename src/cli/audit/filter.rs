//! Which events are meant.

use std::str::FromStr;

use clap::Args;
use muster_audit::{
    Micros, Query,
    kinds::{KINDS, Kind},
};
use muster_model::Timestamp;

use crate::cli::{
    authority::{Life, warn_of},
    context::now,
};

/// Which events are meant: those that fit all that is given.
#[derive(Args, Debug, Clone, Default)]
pub(super) struct Filter {
    /// Of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// About this target.
    #[arg(long, value_name = "NAME", alias = "database")]
    target: Option<String>,
    /// Of sessions with this user of the database.
    #[arg(long, value_name = "NAME")]
    db_user: Option<String>,
    /// With this code: `TDB02I`.
    #[arg(long)]
    code: Option<String>,
    /// Of this type: `db.session.query`.
    #[arg(long, value_name = "TYPE")]
    event: Option<String>,
    /// Of this session.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// With this text in a statement, in what was bound to it, in its command tag, in an error or in a reason; in any case.
    #[arg(long)]
    text: Option<String>,
}

impl Filter {
    /// Warns of a code or a type that no muster like this one writes: another may have.
    pub(super) fn query(self) -> Query {
        let unknown = |what: &str, asked: &Option<String>, of: fn(&Kind) -> &'static str| {
            let asked = asked.as_ref()?;
            let known = KINDS.iter().any(|kind| of(kind) == asked);
            (!known)
                .then(|| format!("no event has the {what} `{asked}`; docs/audit.md lists them all"))
        };
        let warnings: Vec<_> = [
            unknown("code", &self.code, |kind| kind.code),
            unknown("type", &self.event, |kind| kind.event),
        ]
        .into_iter()
        .flatten()
        .collect();
        warn_of(&warnings);
        Query {
            user: self.user,
            target: self.target,
            db_user: self.db_user,
            code: self.code,
            event: self.event,
            sid: self.session,
            text: self.text,
            ..Query::default()
        }
    }
}

/// A point in time, as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    At(Timestamp),
    Ago(u64),
}

impl When {
    pub(super) fn micros(self) -> Micros {
        match self {
            Self::At(time) => Micros::from_seconds(time.unix()),
            Self::Ago(seconds) => {
                let back = i64::try_from(seconds).unwrap_or(i64::MAX);
                Micros::from_seconds(now().unix().saturating_sub(back))
            }
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = || format!("{text}T00:00:00Z").parse();
        if let Ok(time) = text.parse().or_else(|_| day()) {
            return Ok(Self::At(time));
        }
        text.parse().map(|Life(seconds)| Self::Ago(seconds)).map_err(|_| {
            "not a time (`2026-11-21T22:00:00Z`), a day (`2026-11-21`, which begins in UTC) or a span until now (`2h`, `7d`)"
                .to_owned()
        })
    }
}
