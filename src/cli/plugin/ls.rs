//! `muster plugin ls`: the plugins that the configuration names.

use clap::Args;
use serde::Serialize;

use crate::{
    cli::{Common, Failure, ListFormat, context::Context, print},
    exit::Exit,
    plugins::{Loaded, Trusted},
    report::table::{Column, table},
};

/// Arguments of `muster plugin ls`.
#[derive(Args, Debug)]
#[command(after_help = "\
They are loaded and given their settings, as a service would; what stands against one of them is said, and the command \
ends with 78.")]
pub struct Ls {
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

/// A plugin, as a rule asks it.
#[derive(Serialize)]
struct Row {
    name: String,
    version: String,
    /// The rule that asks it.
    rule: String,
    /// Why it may be run: `pinned`, `signed`, `unsigned`.
    trusted: &'static str,
    /// By which key it is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The version of the contract that it was built for.
    contract: &'static str,
    file: String,
    sha256: String,
    /// In bytes.
    size: usize,
}

impl Ls {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        let rows: Vec<Row> = context.plugins()?.all().map(Row::of).collect();
        let columns = [
            Column {
                title: "name",
                wide: false,
                cell: |row: &Row| row.name.as_str().into(),
            },
            Column {
                title: "version",
                wide: false,
                cell: |row| row.version.as_str().into(),
            },
            Column {
                title: "rule",
                wide: false,
                cell: |row| row.rule.as_str().into(),
            },
            Column {
                title: "trusted",
                wide: false,
                cell: |row| row.trusted.into(),
            },
            Column {
                title: "file",
                wide: false,
                cell: |row| row.file.as_str().into(),
            },
            Column {
                title: "contract",
                wide: true,
                cell: |row| row.contract.into(),
            },
            Column {
                title: "key",
                wide: true,
                cell: |row| row.key.as_deref().unwrap_or_default().into(),
            },
            Column {
                title: "sha256",
                wide: true,
                cell: |row| row.sha256.as_str().into(),
            },
        ];
        print(|out| table(&columns, &rows, self.output, out))?;
        Ok(Exit::Done)
    }
}

impl Row {
    fn of(loaded: &Loaded) -> Self {
        let plugin = loaded.matcher.plugin();
        let description = plugin.description();
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            rule: loaded.rule.clone(),
            trusted: loaded.trusted.as_str(),
            key: match &loaded.trusted {
                Trusted::Signed(key) => Some(key.clone()),
                Trusted::Pinned | Trusted::Unsigned => None,
            },
            contract: plugin.contract(),
            file: loaded.path.display().to_string(),
            sha256: loaded.sha256.clone(),
            size: plugin.size(),
        }
    }
}
