//! `muster db wait`: until a database is there, and lets one in.

use std::{io::Write as _, time::Duration};

use clap::Args;
use clap_complete::ArgValueCompleter;
use muster_client::{Error, Kind, Limits, native::Chosen, native::choose, port};
use tokio::time::{Instant, sleep};

use super::{
    super::{
        Common, Failure,
        authority::Life,
        completions,
        person::{Person, Which, clock, profiles},
        print,
    },
    open::As,
};
use crate::{config::words, exit::Exit, report::escape::shown};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);

/// How long one try to connect may take.
const TRY: Duration = Duration::from_secs(15);

/// Arguments of `muster db wait`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 it is there, 69 it was not within the time, 1 it never will be (the login is over, the name is not unique).")]
pub struct Wait {
    /// Name, short name or id.
    #[arg(add = ArgValueCompleter::new(completions::databases))]
    database: String,
    /// Also until it lets you in.
    #[arg(long)]
    connect: bool,
    #[command(flatten)]
    named: As,
    /// How long to wait.
    #[arg(long, default_value = "5m", value_name = "TIME")]
    timeout: Life,
    #[command(flatten)]
    which: Which,
}

impl Wait {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let person = Person::open(&self.which)?;
        let named = self.connect.then_some(&self.named);
        let name = until(&person, &self.database, named, self.timeout, common)?;
        print(|out| writeln!(out, "{}", shown(&name)))?;
        Ok(Exit::Done)
    }
}

/// Waits until the database is seen, and lets in whom is `named` where somebody is. Returns its full name.
pub fn until(
    person: &Person,
    database: &str,
    named: Option<&As>,
    limit: Life,
    common: &Common,
) -> Result<String, Failure> {
    super::super::person::wait(async {
        let end = Instant::now() + Duration::from_secs(limit.0);
        let mut said = String::new();
        loop {
            let error = match look(person, database, named).await {
                Ok(name) => return Ok(name),
                Err(error) if !may_pass(&error) => return Err(person.failure(error)),
                Err(error) => error,
            };
            let why = match error.why() {
                [] => error.what().to_owned(),
                why => why.join(": "),
            };
            if Instant::now() + EVERY > end {
                let limit = words::duration(limit.0);
                return Err(
                    Failure::new(format!("waited {limit} for `{database}` in vain"))
                        .because(why)
                        .hint(
                            error
                                .next()
                                .unwrap_or("`muster db ls` shows those that you may open"),
                        )
                        .exits(Exit::Unavailable),
                );
            }
            if why != said && !common.quiet {
                let mut told = anstream::stderr().lock();
                let _ = writeln!(told, "waiting for {}: {}", shown(database), shown(&why));
                said = why;
            }
            sleep(EVERY).await;
        }
    })?
}

async fn look(person: &Person, database: &str, named: Option<&As>) -> Result<String, Error> {
    let db = person.api.database(database).await?;
    let Some(named) = named else {
        return Ok(db.name);
    };
    let named = (named.db_user.as_deref(), named.db_name.as_deref());
    let login = person
        .profile
        .db_login(&person.api, &db.name, &db.short_name, clock()());
    let kept = login.await?.about;
    let kept = (kept.db_user.as_deref(), kept.db_name.as_deref());
    let chosen: Chosen = choose(&db, named, kept)?;
    let profiles =
        profiles().map_err(|_| Error::new(Kind::NoHome, "there is no place for logins"))?;
    let issuer = port::OfProfile {
        profiles,
        cluster: person.profile.name().to_owned(),
        target: db.name.clone(),
        short_name: db.short_name,
        clock: clock(),
        limits: Limits::default(),
    };
    let keeper = port::Keeper::new(Box::new(issuer), clock());
    let proxy = &person.profile.about.proxy;
    port::accepts(proxy, &keeper, &clock(), &chosen, TRY).await?;
    Ok(db.name)
}

/// Whether waiting may help.
fn may_pass(error: &Error) -> bool {
    match error.kind() {
        Kind::Unreachable | Kind::Foreign => true,
        Kind::Refused(refusal) => {
            matches!(refusal.kind.as_str(), "not-found" | "busy" | "unavailable")
        }
        _ => false,
    }
}
