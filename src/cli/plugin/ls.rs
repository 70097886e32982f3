//! `muster plugin ls`: the plugins that the configuration names, and how they do in the service that runs.

use std::{io::Write, path::Path};

use clap::Args;
use serde::Serialize;

use crate::{
    cli::{Common, Failure, ListFormat, context::Context, print},
    control::{Client, ClientError},
    exit::Exit,
    plugins::{Loaded, Trusted},
    report::{
        escape::shown,
        table::{Column, table},
    },
    service::status::PluginStatus,
};

/// The state of a plugin that the service has in another version.
const OTHER: &str = "other version";
/// The state of a plugin that the service does not have.
const UNKNOWN: &str = "not in force";
/// The state of a plugin where no service runs.
const NO_SERVICE: &str = "no service";

/// Arguments of `muster plugin ls`.
#[derive(Args, Debug)]
#[command(after_help = "\
They are loaded and given their settings, as a service would; what stands against one of them is said, and the command \
ends with 78. The state is that in the service that runs: working, failing, paused; `other version` and `not in force` \
where it has not taken what is here, and `muster status` says why.")]
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
    state: &'static str,
    /// Why it may be run: `pinned`, `signed`, `unsigned`.
    trusted: String,
    /// By which key it is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The version of the contract that it was built for.
    #[serde(skip_serializing_if = "Option::is_none")]
    contract: Option<&'static str>,
    file: String,
    sha256: String,
    /// How it does in the service; none where that does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<PluginStatus>,
}

impl Ls {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        let in_force = in_force(&context.config.store);
        let plugins = context.plugins();
        let rows: Vec<Row> = match (&plugins, &in_force) {
            (Ok(plugins), in_force) => {
                let of = |loaded| Row::of(loaded, in_force.as_deref());
                plugins.all().map(of).collect()
            }
            // What the files are now cannot be used; what is in force is another matter.
            (Err(_), in_force) => in_force.iter().flatten().map(Row::in_force).collect(),
        };
        if plugins.is_ok() || !rows.is_empty() {
            print(|out| table(&COLUMNS, &rows, self.output, out))?;
        }
        plugins.map(|_| Exit::Done)
    }
}

const COLUMNS: [Column<Row>; 9] = [
    Column {
        title: "name",
        wide: false,
        cell: |row| row.name.as_str().into(),
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
        title: "state",
        wide: false,
        cell: |row| row.state.into(),
    },
    Column {
        title: "trusted",
        wide: false,
        cell: |row| row.trusted.as_str().into(),
    },
    Column {
        title: "file",
        wide: false,
        cell: |row| row.file.as_str().into(),
    },
    Column {
        title: "failure",
        wide: true,
        cell: |row| {
            let failure = row
                .service
                .as_ref()
                .and_then(|plugin| plugin.failure.as_deref());
            failure.unwrap_or_default().into()
        },
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

/// The plugins of the service that holds this store; none where none does.
fn in_force(store: &Path) -> Option<Vec<PluginStatus>> {
    let asked = Client::connect(store).and_then(|(client, _)| client.wait(client.status()));
    match asked {
        Ok(status) => Some(status.plugins),
        Err(ClientError::Absent { .. }) => None,
        Err(error) => {
            let mut out = anstream::stderr().lock();
            // Nobody reads standard error: nobody is told.
            let _ = writeln!(
                out,
                "warning: the service does not say how they do: {}",
                shown(&error.to_string())
            );
            None
        }
    }
}

impl Row {
    fn of(loaded: &Loaded, in_force: Option<&[PluginStatus]>) -> Self {
        let plugin = loaded.matcher.plugin();
        let description = plugin.description();
        // The service may name the file from another folder.
        let same = |other: &&PluginStatus| {
            other.rule == loaded.rule && other.path.file_name() == loaded.path.file_name()
        };
        let service = in_force.and_then(|in_force| in_force.iter().find(same));
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            rule: loaded.rule.clone(),
            state: match (in_force, service) {
                (None, _) => NO_SERVICE,
                (Some(_), None) => UNKNOWN,
                (Some(_), Some(other)) if other.sha256 != loaded.sha256 => OTHER,
                (Some(_), Some(same)) => same.state.as_str(),
            },
            trusted: loaded.trusted.as_str().to_owned(),
            key: match &loaded.trusted {
                Trusted::Signed(key) => Some(key.clone()),
                Trusted::Pinned | Trusted::Unsigned => None,
            },
            contract: Some(plugin.contract()),
            file: loaded.path.display().to_string(),
            sha256: loaded.sha256.clone(),
            service: service.cloned(),
        }
    }

    /// One of which only the service knows.
    fn in_force(plugin: &PluginStatus) -> Self {
        Self {
            name: plugin.name.clone(),
            version: plugin.version.clone(),
            rule: plugin.rule.clone(),
            state: plugin.state.as_str(),
            trusted: plugin.trusted.clone(),
            key: None,
            contract: None,
            file: plugin.path.display().to_string(),
            sha256: plugin.sha256.clone(),
            service: Some(plugin.clone()),
        }
    }
}
