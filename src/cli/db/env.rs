//! `muster db env`: variables for programs that are built on libpq.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use muster_client::native::Shell;
use serde_json::{Map, Value};

use super::{
    super::{Failure, completions, person::Which, print},
    open::{As, Opened},
};
use crate::exit::Exit;

/// Arguments of `muster db env`.
#[derive(Args, Debug)]
#[command(after_help = "\
  eval \"$(muster db env orders)\"                       in sh, bash and zsh
  muster db env orders --format fish | source          in fish
  muster db env orders --format powershell | Out-String | Invoke-Expression")]
pub struct Env {
    /// Name, short name or id. Default: the only one that you are logged in to.
    #[arg(add = ArgValueCompleter::new(completions::databases))]
    database: Option<String>,
    #[command(flatten)]
    named: As,
    /// For which shell, or as JSON.
    #[arg(short, long, alias = "output", value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    which: Which,
}

/// How variables are written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// sh, bash, zsh.
    #[default]
    Sh,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
    /// An object.
    Json,
}

impl Env {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let (_, _, connection) = Opened::for_others(self.database, &self.which, &self.named)?;
        let variables = connection.env();
        let text = match self.format {
            Format::Sh => Shell::Sh.export(&variables),
            Format::Fish => Shell::Fish.export(&variables),
            Format::Powershell => Shell::PowerShell.export(&variables),
            Format::Json => {
                let object: Map<String, Value> = variables
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), Value::String(value)))
                    .collect();
                format!("{:#}\n", Value::Object(object))
            }
        };
        print(|out| out.write_all(text.as_bytes()))?;
        Ok(Exit::Done)
    }
}
