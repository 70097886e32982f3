//! `muster logout`: forgets logins, with all that was made with them.

use clap::Args;
use muster_client::Kind;

use super::{
    Failure,
    person::{Which, profiles},
    print,
};
use crate::{exit::Exit, report::escape::shown};

/// Arguments of `muster logout`.
#[derive(Args, Debug)]
#[command(after_help = "\
Takes away key, certificate and what was made with them for databases. Programs that are connected stay so; `muster lock add` \
is for whoever runs muster, when a key was lost.")]
pub struct Logout {
    /// Forget the logins to all clusters.
    #[arg(long, conflicts_with = "cluster")]
    all: bool,
    #[command(flatten)]
    which: Which,
}

impl Logout {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let profiles = profiles()?;
        let names = match (self.all, self.which.name()) {
            (true, _) => profiles.names()?,
            (false, Some(name)) => vec![name.to_owned()],
            (false, None) => match profiles.current()? {
                Some(name) => vec![name],
                None if profiles.names()?.is_empty() => Vec::new(),
                // Several, and none in use: that is a question, and not for a guess.
                None => vec![profiles.open(None)?.name().to_owned()],
            },
        };
        let mut forgotten = Vec::new();
        for name in names {
            let user = match profiles.open(Some(&name)) {
                Ok(profile) => Some(profile.about.user),
                Err(error) if error.kind() == &Kind::NoLogin => return Err(error.into()),
                Err(_) => None,
            };
            if profiles.forget(&name)? {
                forgotten.push((name, user));
            }
        }
        print(|out| {
            if forgotten.is_empty() {
                return writeln!(out, "nobody was logged in");
            }
            forgotten.iter().try_for_each(|(name, user)| match user {
                Some(user) => writeln!(out, "{} is logged out of {}", shown(user), shown(name)),
                None => writeln!(out, "forgot the damaged login to {}", shown(name)),
            })
        })?;
        Ok(Exit::Done)
    }
}
