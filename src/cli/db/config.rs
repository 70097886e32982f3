//! `muster db config`: what to type into other programs.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use serde_json::json;

use super::{
    super::{Failure, completions, person::Which, print},
    open::{As, Opened},
};
use crate::exit::Exit;

/// Arguments of `muster db config`.
#[derive(Args, Debug)]
#[command(after_help = "\
The files hold a certificate that is good until your login ends: after the next one, run `muster db login NAME` and the \
same places hold a new one. For JDBC the key is written as PKCS#8 in DER beside the others, 0600, because its driver \
reads no other.

  muster db config orders --format pg-service >> ~/.pg_service.conf")]
pub struct Config {
    /// Name, short name or id. Default: the only one that you are logged in to.
    #[arg(add = ArgValueCompleter::new(completions::databases))]
    database: Option<String>,
    #[command(flatten)]
    named: As,
    /// What it is for.
    #[arg(short, long, alias = "output", value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    which: Which,
}

/// For what.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// An object.
    Json,
    /// A URL for libpq and what is built on it.
    Url,
    /// A URL for JDBC.
    Jdbc,
    /// A section of `pg_service.conf`.
    PgService,
    /// A command for a shell.
    Cmd,
}

impl Config {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let (person, opened, connection) =
            Opened::for_others(self.database, &self.which, &self.named)?;
        let text = match self.format {
            Format::Text => connection.text(),
            Format::Json => {
                let mut value = json!(connection);
                if let Some(object) = value.as_object_mut() {
                    object.insert("url".to_owned(), json!(connection.url()));
                }
                format!("{value:#}\n")
            }
            Format::Url => connection.url() + "\n",
            Format::Jdbc => {
                let key = person.profile.write_pkcs8(&opened.login)?;
                let key = std::path::absolute(&key).unwrap_or(key);
                connection.jdbc(&key) + "\n"
            }
            Format::PgService => connection.pg_service(),
            Format::Cmd => connection.command() + "\n",
        };
        print(|out| out.write_all(text.as_bytes()))?;
        Ok(Exit::Done)
    }
}
