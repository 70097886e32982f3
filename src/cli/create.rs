//! `muster create`: writes records from files, all or none.

use std::{collections::BTreeSet, io::Write as _, path::PathBuf};

use clap::Args;
use muster_access::Record;

use super::{Common, Failure, authority::Reached, print, records};
use crate::{
    authority::{Command, How},
    exit::Exit,
    report::escape::shown,
};

/// Arguments of `muster create`.
#[derive(Args, Debug)]
pub struct Create {
    /// A file of records (YAML, one document a record), a directory of such files, or `-` for standard input.
    #[arg(short, long = "file", value_name = "FILE")]
    file: Vec<PathBuf>,
    /// The same.
    #[arg(value_name = "FILE", required_unless_present = "file")]
    files: Vec<PathBuf>,
    /// Replace records that are there already.
    #[arg(long, alias = "upsert")]
    force: bool,
    /// Only say what is wrong with the files. Writes nothing.
    #[arg(long)]
    check: bool,
}

impl Create {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let paths: Vec<PathBuf> = self.file.into_iter().chain(self.files).collect();
        let sources = records::sources(&paths)?;
        let records = records::read(&sources)?;
        if self.check {
            print(|out| {
                for record in &records {
                    writeln!(out, "{} can be written", name(record))?;
                }
                Ok::<_, std::io::Error>(())
            })?;
            return Ok(Exit::Done);
        }
        let authority = Reached::open(common)?;
        let there = authority.documents(Command::List { kind: None })?;
        let find = |record: &Record| {
            there.iter().find(|document| {
                document.kind.as_str() == record.kind() && document.name == record.name()
            })
        };
        let known: Vec<&Record> = records
            .iter()
            .filter(|record| find(record).is_some())
            .collect();
        if !self.force && !known.is_empty() {
            let names: Vec<String> = known.iter().map(|record| name(record)).collect();
            let what = match names.as_slice() {
                [one] => format!("cannot create {one}: it is there already"),
                many => format!("cannot create {}: they are there already", many.join(", ")),
            };
            return Err(Failure::new(what).hint("`--force` replaces them; nothing was written"));
        }
        warn_of_roles(
            &records,
            &there
                .iter()
                .map(|document| (document.kind.as_str(), document.name.as_str()))
                .collect(),
        );
        let mut lines = Vec::new();
        let mut bodies = Vec::new();
        for record in &records {
            let body = record.to_value();
            let done = match find(record) {
                None => "created",
                Some(old) if old.body == body => "unchanged",
                Some(_) => "updated",
            };
            lines.push(format!("{} {done}", name(record)));
            if done != "unchanged" {
                bodies.push(body);
            }
        }
        if !bodies.is_empty() {
            let how = if self.force { How::Upsert } else { How::Create };
            authority.ask(Command::Put {
                records: bodies,
                how,
            })?;
        }
        print(|out| {
            lines
                .iter()
                .try_for_each(|line| writeln!(out, "{}", shown(line)))
        })?;
        Ok(Exit::Done)
    }
}

fn name(record: &Record) -> String {
    format!("{}/{}", record.kind(), record.name())
}

/// A role that does not exist allows nothing, so this harms nobody; but somebody meant another one.
fn warn_of_roles(records: &[Record], there: &BTreeSet<(&str, &str)>) {
    let mut told = anstream::stderr().lock();
    for record in records {
        let Record::User(user) = record else {
            continue;
        };
        for role in &user.roles {
            let comes = |other: &Record| other.kind() == "role" && other.name() == role;
            if !there.contains(&("role", role.as_str())) && !records.iter().any(comes) {
                let line = format!(
                    "user/{}: there is no role `{role}`: it counts for nothing until there is",
                    user.name
                );
                let _ = writeln!(told, "warning: {}", shown(&line));
            }
        }
    }
}
