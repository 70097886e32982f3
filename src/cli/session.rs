//! `muster session ls|end`: who is in which database through the proxy now. With a configuration at hand these are
//! everybody's; else, and with `--cluster`, one's own.

mod mine;

use std::borrow::Cow;

use clap::{Args, Subcommand};
use muster_model::Timestamp;
use muster_proxy::SessionView;

use super::{
    Common, Failure, ListFormat,
    context::now,
    person::{View, Which},
    print, service,
};
use crate::{
    control::Client,
    exit::Exit,
    report::{
        escape::shown,
        table::{Column, table},
    },
};

/// Subcommands of `muster session`.
#[derive(Subcommand, Debug)]
pub enum Session {
    /// List the sessions that are open: everybody's, or your own.
    Ls(Ls),
    /// End a session at once; its client reads why.
    End(End),
}

/// Arguments of `muster session ls`.
#[derive(Args, Debug)]
pub struct Ls {
    /// Only those of this user.
    #[arg(long)]
    user: Option<String>,
    /// Only those in this database.
    #[arg(long, alias = "database")]
    target: Option<String>,
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
    #[command(flatten)]
    which: Which,
}

/// Arguments of `muster session end`.
#[derive(Args, Debug)]
#[command(after_help = "\
What the user may is as it was: nothing keeps them from connecting again. `muster lock add` does, and ends their \
sessions as well.")]
pub struct End {
    /// The session's id, from `muster session ls`.
    #[arg(required = true, num_args = 1..)]
    ids: Vec<String>,
    /// What the client is told, where an operator ends it. Default: `an operator ended this session`.
    #[arg(long)]
    message: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// What a client is told whose session an operator ends.
const ENDED: &str = "an operator ended this session";

impl Session {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let which = match &self {
            Self::Ls(args) => &args.which,
            Self::End(args) => &args.which,
        };
        if View::of(which, common) == View::Person {
            return match self {
                Self::Ls(args) => args.of_mine(),
                Self::End(args) => args.of_mine(),
            };
        }
        let (client, _) = Client::connect(&service::store_dir(common)?)?;
        match self {
            Self::Ls(args) => args.run(&client),
            Self::End(args) => args.run(&client),
        }
    }
}

impl Ls {
    fn run(self, client: &Client) -> Result<Exit, Failure> {
        let mut sessions = client.wait(client.sessions())?;
        sessions.retain(|session| {
            let is = |wanted: &Option<String>, name: &str| {
                wanted.as_ref().is_none_or(|wanted| wanted == name)
            };
            is(&self.user, &session.user) && is(&self.target, &session.target)
        });
        let column =
            |title, wide, cell: fn(&SessionView) -> Cow<'_, str>| Column { title, wide, cell };
        let columns = [
            column("id", false, |session| session.id.as_str().into()),
            column("user", false, |session| session.user.as_str().into()),
            column("database", false, |session| session.target.as_str().into()),
            column("db user", false, |session| session.db_user.as_str().into()),
            column("db name", false, |session| session.db_name.as_str().into()),
            column("client", false, |session| session.client.to_string().into()),
            column("upstream", true, |session| {
                session.upstream.to_string().into()
            }),
            column("open for", false, |session| age(session.started).into()),
            column("idle for", false, |session| age(session.active).into()),
            column("statements", false, |session| {
                session.statements.to_string().into()
            }),
            column("ends at", true, |session| {
                session.ends_at.to_string().into()
            }),
            column("roles", true, |session| session.roles.join(", ").into()),
        ];
        print(|out| table(&columns, &sessions, self.output, out))?;
        Ok(Exit::Done)
    }
}

impl End {
    fn run(self, client: &Client) -> Result<Exit, Failure> {
        for id in &self.ids {
            let message = self.message.as_deref().unwrap_or(ENDED);
            client.wait(client.end_session(id, message))?;
            print(|out| writeln!(out, "ended the session {}", shown(id)))?;
        }
        Ok(Exit::Done)
    }
}

/// How long ago that was: `42s`, `3m`, `5h`, `2d`.
fn age(micros: i64) -> String {
    let seconds = now().since(Timestamp::from_unix(micros.div_euclid(1_000_000)));
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
