//! `muster db`: databases, and the ways to them.
//!
//! `ls|show`: the enrolled ones. With a configuration at hand they are the operator's, out of the store; else,
//! and with `--cluster`, those that one may open oneself, as the proxy lists them.

mod config;
mod connect;
mod env;
mod login;
mod mine;
mod open;
mod operator;
mod proxy;
mod wait;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

use super::{
    Common, Failure, ListFormat, completions,
    person::{View, Which},
};
use crate::exit::Exit;

const WHOSE: &str = "\
Where there is a configuration (--config, MUSTER_CONFIG, ./muster.yaml, /etc/muster/muster.yaml), these are all enrolled \
databases, as whoever runs muster sees them. Without one, and with --cluster, they are those that you may open, as \
the proxy says.";

/// Subcommands of `muster db`.
#[derive(Subcommand, Debug)]
pub enum Db {
    /// List the enrolled databases, or those that you may open.
    Ls(Ls),
    /// Show one database.
    Show(Show),
    /// Get a certificate for one database, for other programs.
    Login(login::Login),
    /// Throw the certificates for databases away.
    Logout(login::Logout),
    /// Open a database with its native client.
    Connect(connect::Connect),
    /// Print variables for programs, to be evaluated by a shell.
    Env(env::Env),
    /// Print what to type into other programs: URLs, JDBC, `pg_service.conf`.
    Config(config::Config),
    /// Open a local port or socket for one database, for programs without certificates.
    Proxy(proxy::Proxy),
    /// Wait until a database is there.
    Wait(wait::Wait),
}

/// Arguments of `muster db ls`.
#[derive(Args, Debug)]
#[command(after_help = WHOSE)]
pub struct Ls {
    /// Only those with these labels: KEY=VALUE, where VALUE may be `*`, a glob or `^regex$`; all must hold.
    #[arg(value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// Only those with all of these words in their name, description or labels.
    #[arg(long, value_name = "WORD")]
    search: Vec<String>,
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
    #[command(flatten)]
    which: Which,
}

/// Arguments of `muster db show`.
#[derive(Args, Debug)]
#[command(after_help = WHOSE)]
pub struct Show {
    /// Name, short name or id.
    #[arg(add = ArgValueCompleter::new(completions::databases))]
    database: String,
    /// How it is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
    #[command(flatten)]
    which: Which,
}

impl Db {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Self::Ls(args) => match View::of(&args.which, common) {
                View::Operator => args.of_all(common),
                View::Person => args.of_mine(),
            },
            Self::Show(args) => match View::of(&args.which, common) {
                View::Operator => args.of_all(common),
                View::Person => args.of_mine(),
            },
            Self::Login(args) => args.run(),
            Self::Logout(args) => args.run(),
            Self::Connect(args) => args.run(common),
            Self::Env(args) => args.run(),
            Self::Config(args) => args.run(),
            Self::Proxy(args) => args.run(common),
            Self::Wait(args) => args.run(common),
        }
    }
}

/// `KEY=VALUE` arguments as a selector; several values of one key are alternatives.
fn selector(labels: &[String]) -> Result<Option<muster_model::Selector>, Failure> {
    if labels.is_empty() {
        return Ok(None);
    }
    let mut asked: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for label in labels {
        let (key, value) = label.split_once('=').ok_or_else(|| {
            Failure::new(format!("cannot filter by `{label}`"))
                .because("it is not KEY=VALUE")
                .hint("for words, use --search")
                .exits(Exit::Usage)
        })?;
        asked.entry(key).or_default().push(value);
    }
    let value = serde_json::json!(asked);
    serde_json::from_value(value).map(Some).map_err(|error| {
        Failure::new("cannot filter by these labels")
            .cause(&error)
            .exits(Exit::Usage)
    })
}
