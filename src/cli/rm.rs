//! `muster rm`: removes records.

use clap::Args;

use super::{Common, Failure, authority::Reached, print, records::Named};
use crate::{
    authority::{Command, Kind},
    exit::Exit,
    report::escape::shown,
};

/// Arguments of `muster rm`.
#[derive(Args, Debug)]
pub struct Rm {
    /// The records.
    #[arg(value_name = "KIND/NAME", required = true)]
    names: Vec<Named>,
    /// Also remove a role that users have. What it denies them is denied no longer.
    #[arg(long)]
    force: bool,
}

impl Rm {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        remove(common, &self.names, self.force)
    }
}

/// Removes records, after having looked that all of them are there.
pub(super) fn remove(common: &Common, names: &[Named], force: bool) -> Result<Exit, Failure> {
    let authority = Reached::look(common)?;
    let mut found = Vec::new();
    for Named { kind, name } in names {
        let (kind, name) = (*kind, name.clone());
        found.extend(authority.documents(Command::Get { kind, name })?);
    }
    if !force {
        let users = authority.documents(Command::List {
            kind: Some(Kind::User),
        })?;
        for role in names.iter().filter(|named| named.kind == Kind::Role) {
            let has = |body: &serde_json::Value| {
                let roles = body
                    .pointer("/spec/roles")
                    .and_then(|roles| roles.as_array());
                roles
                    .into_iter()
                    .flatten()
                    .any(|has| has.as_str() == Some(role.name.as_str()))
            };
            let users: Vec<&str> = users
                .iter()
                .filter(|user| has(&user.body))
                .map(|user| user.name.as_str())
                .take(5)
                .collect();
            if !users.is_empty() {
                return Err(Failure::new(format!("cannot remove {role}"))
                    .because(format!("these users have it, among others perhaps: {}", users.join(", ")))
                    .hint("take it from them first; `--force` removes it all the same, and with it what it denies them"));
            }
        }
    }
    for document in found {
        authority.ask(Command::Remove {
            kind: document.kind,
            name: document.name.clone(),
            revision: Some(document.revision),
        })?;
        let line = format!("{}/{} removed", document.kind, document.name);
        print(|out| writeln!(out, "{}", shown(&line)))?;
    }
    Ok(Exit::Done)
}
