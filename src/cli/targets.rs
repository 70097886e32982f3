//! All databases that people can be let into, for commands: what discovery enrolled, the databases of the
//! configuration and those of records, under the same rule of names as in the proxy.

use std::{collections::BTreeMap, io};

use muster_access::Record;
use muster_model::Target;

use super::{
    Common, Failure,
    authority::{Reached, warn_of},
    context::{Context, load, now},
    opened::Opened,
    service,
};
use crate::{
    authority::{Command, DIR, Document, Kind},
    config::Config,
    pipeline::state::State,
    proxy::named::{by_hand, configured},
};

/// All of them, by name. A store that is not there yet holds nothing.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn targets(common: &Common) -> Result<Vec<Target>, Failure> {
    let found = found(common)?;
    Ok(beside(common, config(common).as_ref(), found))
}

/// The same, where the records of the authority are known already.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn targets_with(common: &Common, records: Vec<Target>) -> Result<Vec<Target>, Failure> {
    let config = config(common);
    let configured = config.map_or_else(Vec::new, |config| configured(&config.databases));
    Ok(by_hand(configured, records).beside(found(common)?))
}

/// Whether none of them is meant; `None` where that cannot be found out.
pub(super) fn is_unknown(common: &Common, is_meant: impl Fn(&Target) -> bool) -> Option<bool> {
    Some(!targets(common).ok()?.iter().any(is_meant))
}

/// A state whose targets are all of them.
pub(super) fn with_written(common: &Common, config: &Config, state: State) -> State {
    let found = state.targets.into_values();
    let targets: BTreeMap<_, _> = beside(common, Some(config), found)
        .into_iter()
        .map(|target| (target.id.clone(), target))
        .collect();
    State { targets, ..state }
}

fn beside(
    common: &Common,
    config: Option<&Config>,
    found: impl IntoIterator<Item = Target>,
) -> Vec<Target> {
    let configured = config.map_or_else(Vec::new, |config| configured(&config.databases));
    by_hand(configured, records(common)).beside(found)
}

/// The configuration, if there is one that can be used.
fn config(common: &Common) -> Option<Config> {
    Context::load(common).ok().map(|context| context.config)
}

/// The databases of records. Where the authority cannot be asked, there is a warning and none of them: what was
/// found can be shown all the same.
fn records(common: &Common) -> Vec<Target> {
    let is_there = service::store_dir(common).is_ok_and(|dir| dir.join(DIR).exists());
    if !is_there {
        return Vec::new();
    }
    let kind = Some(Kind::Db);
    let documents =
        Reached::look(common).and_then(|authority| authority.documents(Command::List { kind }));
    match documents {
        Ok(documents) => documents.iter().filter_map(of_record).collect(),
        Err(failure) => {
            warn_of(&[format!(
                "databases of records are not among these: {}",
                failure.in_one_line()
            )]);
            Vec::new()
        }
    }
}

fn of_record(document: &Document) -> Option<Target> {
    match Record::from_value(&document.body, now()) {
        Ok((Record::Db(record), _)) => record.meta.holds(now()).then(|| record.to_target()),
        _ => None,
    }
}

/// What discovery has enrolled.
fn found(common: &Common) -> Result<Vec<Target>, Failure> {
    let dir = service::store_dir(common)?;
    match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Failure::new(format!("cannot read {}", dir.display())).cause(&error));
        }
        Ok(_) => {}
    }
    let state = load(&Opened::open(&dir)?)?;
    Ok(state.targets.values().cloned().collect())
}
