//! `muster db ls|show`: the enrolled databases. With a configuration at hand they are the operator's, out of the store; else,
//! and with `--cluster`, those that one may open oneself, as the proxy lists them.

mod mine;
mod operator;

use clap::{Args, Subcommand};

use super::{
    Common, Failure, ListFormat,
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
