//! What all commands begin with that open one database: its certificate, and as whom on which name.

use std::{io::Write as _, path::PathBuf};

use clap::Args;
use muster_client::{DbLogin, DbView, Error, native::Chosen, native::Connection, native::choose};

use super::super::{
    Failure,
    context::now,
    person::{Person, Which, profiles},
};
use crate::{exit::Exit, report::escape::shown};

/// As whom on which name.
#[derive(Args, Clone, Debug, Default)]
pub struct As {
    /// The database user. Default: the one of the last `muster db login`, else the only one that your roles allow.
    #[arg(long, value_name = "USER")]
    pub db_user: Option<String>,
    /// The name of the database on its server. Default: as for the user.
    #[arg(long, value_name = "NAME")]
    pub db_name: Option<String>,
}

/// A database that can be opened.
pub struct Opened {
    /// What the proxy says of it.
    pub db: DbView,
    /// The certificate.
    pub login: DbLogin,
}

impl Opened {
    /// Has the proxy say which database is meant, and the certificate made where none is kept.
    pub fn of(person: &Person, database: &str) -> Result<Self, Failure> {
        let Person { profile, api } = person;
        person.ask(async {
            let db = api.database(database).await?;
            let login = profile.db_login(api, &db.name, &db.short_name, now());
            let login = login.await?;
            Ok(Self { db, login })
        })
    }

    /// The database that is meant, with all that another program has to know to open it. What may stand in its way is said.
    pub fn for_others(
        database: Option<String>,
        which: &Which,
        named: &As,
    ) -> Result<(Person, Self, Connection), Failure> {
        let database = named_or_only(database, which)?;
        let person = Person::open(which)?;
        let opened = Self::of(&person, &database)?;
        opened.is_postgres()?;
        let connection = opened.connection(&person, named)?;
        opened.say_notes();
        Ok((person, opened, connection))
    }

    /// As whom on which name.
    pub fn choose(&self, named: &As) -> Result<Chosen, Error> {
        let kept = &self.login.about;
        choose(
            &self.db,
            (named.db_user.as_deref(), named.db_name.as_deref()),
            (kept.db_user.as_deref(), kept.db_name.as_deref()),
        )
    }

    /// All that a client has to know.
    pub fn connection(&self, person: &Person, named: &As) -> Result<Connection, Failure> {
        let Chosen { db_user, db_name } = self.choose(named)?;
        let proxy = &person.profile.about.proxy;
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Ok(Connection {
            database: self.db.name.clone(),
            protocol: self.db.protocol.clone(),
            host: proxy.host().to_owned(),
            port: proxy.port(),
            db_user,
            db_name,
            ca_file: absolute(person.profile.host_ca_file()),
            cert_file: absolute(self.login.certificate_file()),
            key_file: absolute(self.login.key_file()),
            expires: self.login.about.expires,
        })
    }

    /// Says what speaks against connecting, on standard error. It is tried all the same.
    pub fn say_notes(&self) {
        let mut told = anstream::stderr().lock();
        for note in &self.db.notes {
            let _ = writeln!(told, "warning: {}: {}", shown(&self.db.name), shown(note));
        }
    }

    /// Refuses what no client of muster's knows how to speak.
    pub fn is_postgres(&self) -> Result<(), Failure> {
        match self.db.protocol.as_str() {
            "postgres" => Ok(()),
            other => Err(Failure::new(format!("cannot open `{}`", self.db.name))
                .because(format!(
                    "it speaks {other}, and muster serves PostgreSQL so far"
                ))
                .hint("`muster db ls -o wide` shows what each database speaks")),
        }
    }
}

/// The database that is meant: the one that is named, else the only one that there is a certificate for.
fn named_or_only(named: Option<String>, which: &Which) -> Result<String, Failure> {
    if let Some(named) = named {
        return Ok(named);
    }
    let profile = profiles()?.open(which.name())?;
    let logins = profile.db_logins()?;
    match logins.as_slice() {
        [only] => Ok(only.about.target.clone()),
        [] => Err(Failure::new("which database is meant?")
            .because("you are logged in to none")
            .hint("name one, or log in to it with `muster db login NAME`")
            .exits(Exit::Usage)),
        several => {
            let names: Vec<&str> = several
                .iter()
                .map(|one| one.about.target.as_str())
                .collect();
            Err(Failure::new("which database is meant?")
                .because(format!("you are logged in to: {}", names.join(", ")))
                .hint("name one of them")
                .exits(Exit::Usage))
        }
    }
}
