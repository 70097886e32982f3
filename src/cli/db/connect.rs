//! `muster db connect`: the native client, with a certificate for this database alone.

use std::{env, ffi::OsString, os::unix::process::CommandExt, path::Path, process::Command};

use clap::Args;
use clap_complete::ArgValueCompleter;
use muster_client::native::{CLEARED, INSTALL_PSQL, find_psql};

use super::{
    super::{
        Common, Failure,
        authority::Life,
        completions,
        person::{Person, Which},
    },
    open::{As, Opened},
    wait,
};
use crate::exit::Exit;

/// Arguments of `muster db connect`.
#[derive(Args, Debug)]
#[command(after_help = "\
The client is `psql`: the first in PATH, else the newest in /usr/lib/postgresql. It replaces muster, so that its exit \
code, signals and terminal are its own. Where the database is and which files to show it learns from its environment \
(PGHOST, PGSSLCERT, ...); nothing secret stands in its arguments.

  muster db connect orders -- -c 'SELECT 1'")]
pub struct Connect {
    /// Name, short name or id.
    #[arg(add = ArgValueCompleter::new(completions::databases))]
    database: String,
    #[command(flatten)]
    named: As,
    /// Wait until the database is enrolled and lets you in.
    #[arg(long)]
    wait: bool,
    /// How long to wait.
    #[arg(long, requires = "wait", default_value = "5m", value_name = "TIME")]
    timeout: Life,
    #[command(flatten)]
    which: Which,
    /// Arguments for the client, after `--`.
    #[arg(last = true, value_name = "CLIENT ARGUMENTS")]
    args: Vec<OsString>,
}

impl Connect {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let person = Person::open(&self.which)?;
        // Before anybody is asked for anything.
        let psql = find_psql(env::var_os("PATH").as_deref(), Path::new("/"));
        let psql = psql.ok_or_else(|| {
            Failure::new("cannot start psql")
                .because("it is neither in PATH nor in /usr/lib/postgresql")
                .hint(INSTALL_PSQL)
        })?;
        if self.wait {
            wait::until(
                &person,
                &self.database,
                Some(&self.named),
                self.timeout,
                common,
            )?;
        }
        let opened = Opened::of(&person, &self.database)?;
        opened.is_postgres()?;
        let connection = opened.connection(&person, &self.named)?;
        opened.say_notes();
        let mut command = Command::new(&psql);
        for name in CLEARED {
            command.env_remove(name);
        }
        command.envs(connection.env()).args(&self.args);
        let error = command.exec();
        Err(Failure::new(format!("cannot start {}", psql.display())).cause(&error))
    }
}
