//! `muster completions SHELL`, and what a shell that was told so asks for at each TAB: also the names of the databases that
//! one may open, and of the clusters that one is logged in to.
//!
//! Whoever presses TAB waits, and wants no messages: what is not known in a moment is not offered, and nothing is said.

use std::{env, ffi::OsStr, time::Duration};

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{CompleteEnv, CompletionCandidate, Shell, env::Shells};
use muster_client::{DbView, Filter, Limits};

use super::{
    Cli, Failure,
    person::{clock, profiles, wait},
    print,
};
use crate::exit::Exit;

/// The variable by which a shell says that it asks, and which one it is.
const ASKS: &str = "MUSTER_COMPLETE";

/// The most names that are offered.
const MOST: usize = 200;

/// How long the proxy may take.
const LIMITS: Limits = Limits {
    connect: Duration::from_millis(800),
    answer: Duration::from_millis(1200),
    bytes: 1 << 20,
};

/// Arguments of `muster completions`.
#[derive(Args, Debug)]
#[command(after_help = "\
  source <(muster completions bash)                    in ~/.bashrc
  source <(muster completions zsh)                     in ~/.zshrc, after compinit
  muster completions fish | source                     in ~/.config/fish/config.fish

The shell asks muster at each TAB: names of databases come from the proxy that you are logged in to.")]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let shell = self.shell.to_possible_value();
        let name = shell
            .as_ref()
            .map(|value| value.get_name())
            .unwrap_or_default();
        let shells = Shells::builtins();
        let shell = shells.completer(name);
        let shell = shell.ok_or_else(|| Failure::new(format!("cannot complete for {name}")))?;
        let mut script = Vec::new();
        shell.write_registration(ASKS, "muster", "muster", "muster", &mut script)?;
        print(|out| out.write_all(&script))?;
        Ok(Exit::Done)
    }
}

/// Answers a shell that asks how to go on. False when none asks.
pub(super) fn answered() -> bool {
    if env::var_os(ASKS).is_none_or(|shell| shell.is_empty()) {
        return false;
    }
    let here = env::current_dir().ok();
    let asked = CompleteEnv::with_factory(Cli::command)
        .var(ASKS)
        .bin("muster");
    // There is nobody to tell.
    let _ = asked.try_complete(env::args_os(), here.as_deref());
    true
}

/// The databases that one may open.
pub(super) fn databases(begun: &OsStr) -> Vec<CompletionCandidate> {
    let Some(begun) = begun.to_str() else {
        return Vec::new();
    };
    offered(&seen(begun).unwrap_or_default(), begun)
}

/// The databases that there is a certificate for.
pub(super) fn logins(begun: &OsStr) -> Vec<CompletionCandidate> {
    let profile = profiles()
        .ok()
        .and_then(|all| all.open(cluster().as_deref()).ok());
    let logins = profile.and_then(|profile| profile.db_logins().ok());
    let names = logins.into_iter().flatten().map(|login| login.about.target);
    beginning(names, begun)
}

/// The clusters that one is logged in to.
pub(super) fn clusters(begun: &OsStr) -> Vec<CompletionCandidate> {
    let names = profiles().ok().and_then(|all| all.names().ok());
    beginning(names.into_iter().flatten(), begun)
}

fn beginning(names: impl Iterator<Item = String>, begun: &OsStr) -> Vec<CompletionCandidate> {
    let begun = begun.to_str().unwrap_or_default();
    names
        .filter(|name| name.starts_with(begun))
        .map(CompletionCandidate::new)
        .collect()
}

fn cluster() -> Option<String> {
    env::var("MUSTER_CLUSTER")
        .ok()
        .filter(|name| !name.is_empty())
}

fn seen(begun: &str) -> Option<Vec<DbView>> {
    let profile = profiles().ok()?.open(cluster().as_deref()).ok()?;
    let api = profile.api(&clock(), LIMITS).ok()?;
    let search = begun.to_owned();
    let filter = Filter {
        search: Some(search)
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect(),
        ..Filter::default()
    };
    let found = async {
        let asked = api.some_databases(&filter, MOST);
        tokio::time::timeout(LIMITS.answer, asked).await
    };
    wait(found).ok()?.ok()?.ok()
}

/// The short name where it is enough, else the full one.
fn offered(all: &[DbView], begun: &str) -> Vec<CompletionCandidate> {
    let begins = |name: &str| {
        let head = name.get(..begun.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(begun))
    };
    let names = all.iter().filter_map(|db| {
        let short = db.short_name.as_str();
        let shared = all.iter().filter(|other| other.short_name == short).count();
        let short = Some(short).filter(|short| !short.is_empty() && shared == 1 && begins(short));
        let name = short.or(Some(db.name.as_str()).filter(|name| begins(name)))?;
        // What a shell would take for something else is not put into its line.
        let plain = name.chars().all(|c| !c.is_control());
        let help = Some(db.description.as_str()).filter(|text| !text.is_empty());
        plain.then(|| {
            CompletionCandidate::new(name)
                .help(help.map(|text| crate::report::escape::shown(text).into_owned().into()))
        })
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_offered_where_it_is_enough() {
        let db = |name: &str, short: &str| DbView {
            name: name.to_owned(),
            short_name: short.to_owned(),
            ..DbView::default()
        };
        let all = [
            db("orders-rds-eu", "orders"),
            db("orders-rds-us", "orders"),
            db("ordinal-rds-eu", "ordinal"),
            db("bills-rds-eu", "bills"),
        ];
        for (begun, expected) in [
            ("ord", vec!["orders-rds-eu", "orders-rds-us", "ordinal"]),
            ("ORDI", vec!["ordinal"]),
            ("ordinal-r", vec!["ordinal-rds-eu"]),
            ("b", vec!["bills"]),
            ("ü", vec![]),
            ("x", vec![]),
        ] {
            let names: Vec<_> = offered(&all, begun)
                .iter()
                .map(|one| one.get_value().to_string_lossy().into_owned())
                .collect();
            assert_eq!(names, expected, "{begun}");
        }
    }
}
