//! `muster db login|logout`: the certificate for one database, kept for other programs.

use clap::Args;
use clap_complete::ArgValueCompleter;
use muster_client::native::check;

use super::{
    super::{
        Failure, completions,
        person::{Person, Which, profiles},
        print,
    },
    open::{As, Opened},
};
use crate::{exit::Exit, report::escape::shown};

/// Arguments of `muster db login`.
#[derive(Args, Debug)]
#[command(after_help = "\
The certificate is for this database alone, and good for as long as your login. User and name that are given here are \
remembered for `connect`, `env`, `config` and `proxy`, until you log in anew with `muster login`.")]
pub struct Login {
    /// Name, short name or id.
    #[arg(add = ArgValueCompleter::new(completions::databases))]
    database: String,
    #[command(flatten)]
    named: As,
    #[command(flatten)]
    which: Which,
}

/// Arguments of `muster db logout`.
#[derive(Args, Debug)]
pub struct Logout {
    /// Name or short name. Default: all of them.
    #[arg(add = ArgValueCompleter::new(completions::logins))]
    database: Option<String>,
    #[command(flatten)]
    which: Which,
}

impl Login {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let person = Person::open(&self.which)?;
        let mut opened = Opened::of(&person, &self.database)?;
        // Whoever names nothing may do so later; what is named has to be allowed.
        check(
            &opened.db,
            (self.named.db_user.as_deref(), self.named.db_name.as_deref()),
        )?;
        person.profile.remember(
            &mut opened.login,
            self.named.db_user.as_deref(),
            self.named.db_name.as_deref(),
        )?;
        opened.say_notes();
        print(|out| {
            writeln!(
                out,
                "logged in to the database {} until {}",
                shown(&opened.db.name),
                opened.login.about.expires
            )?;
            writeln!(out, "  muster db connect {}", shown(&self.database))
        })?;
        Ok(Exit::Done)
    }
}

impl Logout {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let profile = profiles()?.open(self.which.name())?;
        let Some(database) = self.database else {
            let count = profile.db_dirs()?.len();
            profile.forget_databases()?;
            print(|out| writeln!(out, "logged out of {count} databases"))?;
            return Ok(Exit::Done);
        };
        let logins = profile.db_logins()?;
        let targets = logins.iter().map(|login| &login.about);
        let of_name = |name: &str| name.eq_ignore_ascii_case(&database);
        let meant: Vec<&str> = match targets.clone().find(|about| of_name(&about.target)) {
            Some(about) => vec![about.target.as_str()],
            None => targets
                .filter(|about| of_name(&about.short_name))
                .map(|about| about.target.as_str())
                .collect(),
        };
        match meant.as_slice() {
            [only] => {
                profile.forget_database(only)?;
                print(|out| writeln!(out, "logged out of the database {}", shown(only)))?;
                Ok(Exit::Done)
            }
            [] => {
                // What cannot be read is taken away as well.
                if profile.forget_database(&database)? {
                    print(|out| writeln!(out, "logged out of the database {}", shown(&database)))?;
                    return Ok(Exit::Done);
                }
                Err(Failure::new(format!("cannot log out of `{database}`"))
                    .because("you are not logged in to it")
                    .hint("`muster db logout` without a name logs out of all of them"))
            }
            several => Err(Failure::new(format!("cannot log out of `{database}`"))
                .because(format!("it may be: {}", several.join(", ")))
                .hint("use one of the full names")),
        }
    }
}
