//! `muster lock add|ls|rm`: keeps somebody or something out, at once.

use clap::{ArgGroup, Args, Subcommand};
use muster_access::LockTarget;
use muster_model::Timestamp;
use serde_json::{Value, json};

use super::{
    Common, Failure, ListFormat,
    authority::{Life, Reached, node_name, text_at, warn_of},
    context::now,
    print,
    targets::is_unknown,
};
use crate::{
    authority::{Command, Document, How, Kind, chance},
    exit::Exit,
    report::{
        escape::shown,
        table::{Column, table},
    },
};

/// What a lock may keep out, in the words of the record.
const TARGETS: [&str; 4] = ["user", "role", "target", "node"];

/// Subcommands of `muster lock`.
#[derive(Subcommand, Debug)]
pub enum Lock {
    /// Keep out a user, everybody with a role, or everybody from a database or a node. Sessions that are open end at once.
    Add(Add),
    /// List locks.
    Ls(Ls),
    /// Remove a lock.
    Rm(Rm),
}

/// Arguments of `muster lock add`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("out").required(true).args(["user", "role", "target", "node"])))]
pub struct Add {
    /// A user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Everybody who has this role.
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// A database: its name, short name or id.
    #[arg(long, value_name = "NAME", alias = "database")]
    target: Option<String>,
    /// A node: everybody who comes through the proxy on it. By `proxy.node_name`, or the name of its machine.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// What the people concerned are told.
    #[arg(long)]
    message: Option<String>,
    /// How long it holds: `2h`, `30d`. Without it, until it is removed.
    #[arg(long)]
    ttl: Option<Life>,
    /// The lock's name. Without it, one is made.
    #[arg(long)]
    name: Option<String>,
}

/// Arguments of `muster lock ls`.
#[derive(Args, Debug)]
pub struct Ls {
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

/// Arguments of `muster lock rm`.
#[derive(Args, Debug)]
pub struct Rm {
    /// The lock's name, from `muster lock ls`.
    name: String,
}

impl Lock {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Self::Add(args) => args.run(common),
            Self::Ls(args) => args.run(common),
            Self::Rm(args) => args.run(common),
        }
    }
}

impl Add {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let out = [&self.user, &self.role, &self.target, &self.node];
        let out = TARGETS.into_iter().zip(out);
        let (word, who) = out
            .filter_map(|(word, name)| Some((word, name.as_ref()?)))
            .next()
            .ok_or_else(|| Failure::new("cannot lock nothing").exits(Exit::Usage))?;
        if self.ttl.is_some_and(|life| life.0 == 0) {
            let failure = Failure::new("a lock that holds for 0 s keeps nobody out");
            return Err(failure
                .hint("say how long it is to hold: `--ttl 2h`; without `--ttl` it holds until it is removed")
                .exits(Exit::Usage));
        }
        let name = match self.name {
            Some(name) => name,
            None => format!("{word}-{}", chance::hex(4).map_err(no_chance)?),
        };
        let mut spec = serde_json::Map::new();
        spec.insert("target".to_owned(), json!({ word: who }));
        if let Some(message) = &self.message {
            spec.insert("message".to_owned(), json!(message));
        }
        if let Some(life) = self.ttl {
            spec.insert("expires".to_owned(), json!(life.from(now())));
        }
        let record =
            json!({"kind": "lock", "version": "v2", "metadata": {"name": name}, "spec": spec});
        let (records, how) = (vec![record], How::Create);
        let reached = Reached::open(common)?;
        reached.ask(Command::Put { records, how })?;
        print(|out| writeln!(out, "{word} {} is locked: {}", shown(who), shown(&name)))?;
        // Somebody else may have been meant. The lock is there, whether that can be found out or not.
        if is_nobody(common, reached, word, who) == Some(true) {
            let what = if word == "target" { "database" } else { word };
            let mut warning =
                format!("there is no {what} `{who}`: the lock counts for nothing until there is");
            if word == "node" {
                let here = node_name(common);
                let here = here.map_or_else(
                    || "this machine has no name that counts: set `proxy.node_name`".to_owned(),
                    |here| format!("this one is `{here}`"),
                );
                warning = format!("{warning}; {here}");
            }
            warn_of(&[warning]);
        }
        Ok(Exit::Done)
    }
}

/// Whether a lock is on what is not there; `None` where that cannot be found out.
fn is_nobody(common: &Common, reached: Reached, word: &str, who: &str) -> Option<bool> {
    let kind = match word {
        "user" => Kind::User,
        "role" => Kind::Role,
        "target" => {
            // The store has one owner at a time.
            drop(reached);
            return is_unknown(common, |target| LockTarget::names_of(target).contains(&who));
        }
        _ => return Some(node_name(common).as_deref() != Some(who)),
    };
    let kind = Some(kind);
    let there = reached.documents(Command::List { kind }).ok()?;
    Some(!there.iter().any(|one| one.name == who))
}

impl Ls {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let kind = Some(Kind::Lock);
        let locks = Reached::look(common)?.documents(Command::List { kind })?;
        let columns = [
            Column {
                title: "name",
                wide: false,
                cell: |lock: &Document| lock.name.as_str().into(),
            },
            Column {
                title: "locks",
                wide: false,
                cell: |lock| locked(&lock.body).into(),
            },
            Column {
                title: "until",
                wide: false,
                cell: |lock| until(&lock.body).into(),
            },
            Column {
                title: "message",
                wide: false,
                cell: |lock| text_at(&lock.body, "/spec/message").into(),
            },
        ];
        print(|out| table(&columns, &locks, self.output, out))?;
        Ok(Exit::Done)
    }
}

impl Rm {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let (kind, revision) = (Kind::Lock, None);
        let name = self.name.clone();
        Reached::look(common)?.ask(Command::Remove {
            kind,
            name,
            revision,
        })?;
        print(|out| writeln!(out, "removed the lock {}", shown(&self.name)))?;
        Ok(Exit::Done)
    }
}

fn locked(body: &Value) -> String {
    let target = body.pointer("/spec/target").and_then(Value::as_object);
    let words = target.into_iter().flatten();
    let words = words.filter_map(|(word, name)| Some(format!("{word} {}", name.as_str()?)));
    words.collect::<Vec<_>>().join(", ")
}

fn until(body: &Value) -> String {
    let expires = text_at(body, "/spec/expires");
    match expires.parse::<Timestamp>() {
        Ok(expires) if expires <= now() => format!("{expires} (over)"),
        _ => expires.to_owned(),
    }
}

fn no_chance(error: chance::NoChance) -> Failure {
    Failure::new("cannot make a name").cause(&error)
}
