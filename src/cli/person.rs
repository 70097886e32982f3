//! A person's side of the commands: which cluster is meant, whose view is shown, and the questions to the proxy.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use clap_complete::ArgValueCompleter;
use muster_client::{Api, Clock, Error, Kind, Limits, Profile, Profiles};

use super::{
    Common, Failure, completions,
    context::{config_at_hand, now},
};
use crate::exit::Exit;

/// Which login is meant.
#[derive(Args, Clone, Debug, Default)]
pub struct Which {
    /// The cluster, where you are logged in to several. Default: the one of the last login.
    #[arg(long, env = "MUSTER_CLUSTER", value_name = "NAME", add = ArgValueCompleter::new(completions::clusters))]
    pub cluster: Option<String>,
}

/// Whose view a command shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// All there is, out of the store: whoever runs muster.
    Operator,
    /// What one's roles allow, as the proxy says: whoever is logged in.
    Person,
}

impl Which {
    /// The name, where one is given: an empty variable names none.
    pub fn name(&self) -> Option<&str> {
        self.cluster.as_deref().filter(|name| !name.is_empty())
    }
}

impl View {
    /// A person's where a cluster is named, or no configuration is at hand.
    pub fn of(which: &Which, common: &Common) -> Self {
        let name = which.name().map(OsStr::new);
        let cluster = Given::of(name, "MUSTER_CLUSTER");
        let path = |path: &Option<PathBuf>, variable| {
            Given::of(path.as_deref().map(Path::as_os_str), variable)
        };
        let runs = path(&common.config, "MUSTER_CONFIG").max(path(&common.store, "MUSTER_STORE"));
        Self::by(cluster, runs, || config_at_hand(common).is_some())
    }

    /// What is typed counts before what the environment says, and a cluster before a configuration.
    fn by(cluster: Given, runs: Given, at_hand: impl FnOnce() -> bool) -> Self {
        match (cluster, runs) {
            (Given::Typed, _) => Self::Person,
            (_, Given::Typed) => Self::Operator,
            (Given::Environment, _) => Self::Person,
            (Given::Not, Given::Environment) => Self::Operator,
            (Given::Not, Given::Not) if at_hand() => Self::Operator,
            (Given::Not, Given::Not) => Self::Person,
        }
    }
}

/// How an argument came to its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Given {
    Not,
    Environment,
    Typed,
}

impl Given {
    /// What has the value of its variable is taken to come from there.
    fn of(value: Option<&OsStr>, variable: &str) -> Self {
        match value {
            None => Self::Not,
            Some(value) if env::var_os(variable).as_deref() == Some(value) => Self::Environment,
            Some(_) => Self::Typed,
        }
    }
}

/// A login that counts, and the proxy's API with its certificate.
pub struct Person {
    /// The login.
    pub profile: Profile,
    /// The API.
    pub api: Api,
}

impl Person {
    /// Whoever is logged in.
    ///
    /// # Errors
    /// When nobody is, or not any more: with the command that logs in.
    pub fn open(which: &Which) -> Result<Self, Failure> {
        let profile = profiles()?.open(which.name())?;
        let api = profile.api(&clock(), Limits::default())?;
        Ok(Self { profile, api })
    }

    /// Asks the proxy.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn ask<T>(&self, question: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        wait(question)?.map_err(|error| self.failure(error))
    }

    /// An error of the proxy's, as the person is told who has this login.
    pub fn failure(&self, error: Error) -> Failure {
        // What the proxy thinks of the certificate itself, and not of what was asked with it.
        if error.is_refused("certificate") {
            let why = error.what().to_owned();
            let name = self.profile.name();
            return Failure::new(format!("the proxy does not take the login to {name}"))
                .because(why)
                .hint(format!(
                    "log in again with `{}`",
                    self.profile.login_command()
                ));
        }
        error.into()
    }
}

/// Where logins are kept.
///
/// # Errors
/// When the environment names no place.
pub fn profiles() -> Result<Profiles, Failure> {
    Ok(Profiles::find(|name| env::var_os(name))?)
}

/// The machine's clock.
pub fn clock() -> Clock {
    Arc::new(now)
}

/// Waits for an answer. SIGINT ends the command as any other: nothing is kept half.
///
/// # Errors
/// When the system gives no means to wait.
pub fn wait<T>(question: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start").cause(&error))?;
    let answer = runtime.block_on(question);
    // A name that is still looked up is not waited for.
    runtime.shutdown_background();
    Ok(answer)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.kind() {
            Kind::Usage => Exit::Usage,
            Kind::Unreachable => Exit::Unavailable,
            _ => Exit::Failed,
        };
        let mut failure = Self::new(error.what()).exits(exit);
        for why in error.why() {
            failure = failure.because(why);
        }
        if let Kind::Refused(refusal) = error.kind() {
            if !refusal.candidates.is_empty() {
                failure = failure.because(format!("it may be: {}", refusal.candidates.join(", ")));
            }
            if let Some(seconds) = refusal.retry_after {
                failure = failure.because(format!("the proxy listens again in {seconds} s"));
            }
        }
        match (error.next(), error.kind()) {
            (Some(hint), _) => failure.hint(hint),
            // A lock, or a role: what there is to know of it, others know.
            (None, Kind::Refused(refusal)) if refusal.kind == "refused" => failure.hint(
                "ask whoever runs muster: `muster access explain` and `muster lock ls` say why",
            ),
            (None, Kind::Refused(refusal)) if refusal.kind == "invalid" => {
                failure.hint("put that right, and try again")
            }
            (None, _) => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_counts_before_what_the_environment_says() {
        use Given::{Environment, Not, Typed};
        use View::{Operator, Person};
        for (cluster, runs, at_hand, view) in [
            (Not, Not, false, Person),
            (Not, Not, true, Operator),
            (Not, Environment, false, Operator),
            (Environment, Not, true, Person),
            (Environment, Environment, true, Person),
            (Environment, Typed, false, Operator),
            (Typed, Environment, true, Person),
            (Typed, Typed, true, Person),
        ] {
            assert_eq!(
                View::by(cluster, runs, || at_hand),
                view,
                "{cluster:?} {runs:?} {at_hand}"
            );
        }
    }
}
