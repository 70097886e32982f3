//! `muster access explain`: whether somebody may open a database, and which rule decides.

use std::{sync::Arc, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use muster_access::{Ask, Replication};
use muster_model::Target;

use super::{
    Common, Failure,
    authority::{Reached, node_name},
    context::now,
    explain::find,
    print, records,
    targets::targets_with,
};
use crate::{
    authority::Command,
    exit::Exit,
    report::{escape::shown, pretty},
};

/// How long a certificate is good for, unless a role says less.
const LIFE: Duration = Duration::from_secs(12 * 3600);

/// Subcommands of `muster access`.
#[derive(Subcommand, Debug)]
pub enum Access {
    /// Say whether a user may open a database, role by role, and which rule decides.
    Explain(Explain),
}

/// Arguments of `muster access explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// The user.
    user: String,
    /// The database: name, short name or id.
    database: String,
    /// The database user.
    #[arg(short = 'u', long, value_name = "NAME")]
    db_user: String,
    /// The database name. Without it, what the protocol takes then: for PostgreSQL the database user's name.
    #[arg(short = 'n', long, value_name = "NAME", default_value = "")]
    db_name: String,
    /// Ask about a replication connection.
    #[arg(long, value_enum, value_name = "KIND")]
    replication: Option<ReplicationKind>,
    /// How it is written.
    #[arg(short, long, alias = "format", value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReplicationKind {
    /// Of one database.
    Logical,
    /// Of the whole server.
    Physical,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// Lines for people.
    Text,
    /// JSON.
    Json,
}

impl Access {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Self::Explain(args) => args.run(common),
        }
    }
}

impl Explain {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let documents = Reached::look(common)?.documents(Command::List { kind: None })?;
        let (mut policy, written) = records::policy(&documents)?;
        if let Some(node) = node_name(common) {
            policy = policy.at_node(&node);
        }
        let now = now();
        let written = written.iter().filter(|db| db.meta.holds(now));
        let written = written.map(|db| db.to_target());
        let targets = targets_with(common, written.collect())?;
        let target = self.find(&targets)?;
        let who = policy
            .as_if_logged_in(&self.user, LIFE, now)
            .map_err(|denial| {
                Failure::new(denial.to_string())
                    .hint("`muster get users` lists those that are there")
            })?;
        let ask = Ask {
            db_user: &self.db_user,
            db_name: &self.db_name,
            replication: match self.replication {
                None => Replication::No,
                Some(ReplicationKind::Logical) => Replication::Logical,
                Some(ReplicationKind::Physical) => Replication::Physical,
            },
        };
        let explained = policy.explain(&who, &target, &ask, now);
        match self.output {
            Output::Json => print(|out| pretty(&explained, out))?,
            Output::Text => print(|out| {
                let text = explained.to_text();
                text.lines()
                    .try_for_each(|line| writeln!(out, "{}", shown(line)))
            })?,
        }
        Ok(Exit::Done)
    }

    fn find(&self, targets: &[Target]) -> Result<Arc<Target>, Failure> {
        let texts = |target: &'_ Target| -> [String; 3] {
            [
                target.name.clone(),
                target.short_name.clone(),
                target.id.to_string(),
            ]
        };
        let named: Vec<(&Target, [String; 3])> = targets
            .iter()
            .map(|target| (target, texts(target)))
            .collect();
        let found = find(named.iter(), &self.database, |(_, [name, short, id])| {
            [name, short, id]
        });
        match found {
            Ok((target, _)) => Ok(Arc::new((*target).clone())),
            Err(several) if several.is_empty() => {
                Err(Failure::new(format!("there is no enrolled database `{}`", self.database))
                    .hint("`muster db ls` lists those that are enrolled, and `muster get db` those that people wrote down"))
            }
            Err(several) => Err(Failure::new(format!("more than one database is called `{}`", self.database))
                .hint(format!("say one of: {}", several.join(", ")))),
        }
    }
}
