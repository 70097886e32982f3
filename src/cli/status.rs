//! `muster status`: who is logged in, how the service that runs is, and everything that is not as it should be.

mod login;
#[cfg(test)]
mod tests;
mod text;

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use serde::Serialize;

use self::login::Logins;
pub(super) use self::text::span as lasts;
use super::{
    Common, Failure,
    authority::warn_of,
    context::config_at_hand,
    person::{View, Which},
    print, service, unread_is_fine,
};
use crate::{
    control::{Client, ClientError, Limits},
    exit::Exit,
    report,
    service::status::{ServiceState, Status as Known},
};

/// How often a service is asked whether it is ready.
const AGAIN: Duration = Duration::from_millis(250);

/// Arguments of `muster status`.
#[derive(Args, Debug)]
#[command(after_help = "\
Shows the service where a configuration is at hand, and the login where there is one; with --cluster the login alone.

Ends with 0 when the service is ready or degraded (it works, and something is wrong), with 1 when it is not ready, \
and with 69 when no service answers; that is no failure for somebody who is logged in, unless --config, MUSTER_CONFIG, --store \
or --wait asks for the service. Where no service is asked for: with 0 when the login counts, else with 1.")]
pub struct Status {
    /// How it is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: Output,
    /// Wait until it is ready or degraded.
    #[arg(long)]
    wait: bool,
    /// The longest to wait: `30s`, `5m`, `1h`.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span, requires = "wait")]
    timeout: Duration,
    #[command(flatten)]
    which: Which,
}

/// What `-o json` writes: the keys of /api/v1/status where a service was asked, and those of the logins.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    service: Option<&'a Known>,
    #[serde(flatten)]
    logins: &'a Logins,
}

/// How the status is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people: what is wrong first.
    #[default]
    Text,
    /// The same as /api/v1/status, with `login` and `other_logins`.
    Json,
}

impl Status {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        // A cluster of the environment counts for nothing beside a configuration that is typed.
        let which = match View::of(&self.which, common) {
            View::Person => self.which.clone(),
            View::Operator => Which::default(),
        };
        let logins = Logins::look(&which)?;
        let named = common.store.is_some() || common.config.is_some() || self.wait;
        let at_hand = named || config_at_hand(common).is_some();
        let own = which.name().is_some();
        if own && !self.wait || !at_hand && logins.login.is_some() {
            self.print(None, &logins, common)?;
            return Ok(logins.exit());
        }
        if !at_hand {
            let nobody = logins.nobody();
            self.print(None, &logins, common)?;
            return Err(nobody);
        }
        match self.service(common) {
            Ok(status) => {
                self.print(Some(&status), &logins, common)?;
                Ok(exit(status.state))
            }
            Err(failure) => {
                self.print(None, &logins, common)?;
                if named || logins.login.is_none() {
                    return Err(failure);
                }
                warn_of(&[failure.in_one_line()]);
                Ok(logins.exit())
            }
        }
    }

    fn service(&self, common: &Common) -> Result<Known, Failure> {
        let dir = service::store_dir(common)?;
        let asked = if self.wait {
            wait(&dir, self.timeout)
        } else {
            ask(&dir, Limits::default())
        };
        Ok(asked?)
    }

    /// Nothing where there is nothing: then an error says so.
    fn print(
        &self,
        service: Option<&Known>,
        logins: &Logins,
        common: &Common,
    ) -> Result<(), Failure> {
        if service.is_none() && logins.is_empty() {
            return Ok(());
        }
        unread_is_fine(print(|out| match self.output {
            Output::Text => {
                if let Some(status) = service {
                    text::write(status, common.columns(), out)?;
                }
                if service.is_some() && !logins.is_empty() {
                    writeln!(out)?;
                }
                logins.write(common.columns(), out)
            }
            Output::Json => report::pretty(&Shown { service, logins }, out),
        }))?;
        Ok(())
    }
}

fn ask(dir: &Path, limits: Limits) -> Result<Known, ClientError> {
    let (client, _) = Client::connect_within(dir, limits)?;
    client.wait(client.status())
}

/// A service that is stopped, or hangs, takes questions and says nothing: it is not waited for longer than is left.
/// A second at the least is given to one that is only slow.
fn within(left: Duration) -> Limits {
    let usual = Limits::default();
    Limits {
        answer: usual.answer.min(left.max(Duration::from_secs(1))),
        ..usual
    }
}

/// Asks until it is ready, or the time is over; then with the last answer.
fn wait(dir: &Path, timeout: Duration) -> Result<Known, ClientError> {
    let start = Instant::now();
    loop {
        let asked = ask(dir, within(timeout.saturating_sub(start.elapsed())));
        let done = match &asked {
            Ok(status) => exit(status.state) == Exit::Done,
            // It may be about to start, or to be started again.
            Err(
                ClientError::Absent { .. }
                | ClientError::Silent { .. }
                | ClientError::Broken(_)
                | ClientError::Cut,
            ) => false,
            Err(_) => true,
        };
        let left = timeout.saturating_sub(start.elapsed());
        if done || left.is_zero() {
            return asked;
        }
        thread::sleep(AGAIN.min(left));
    }
}

/// The code of a state: 0 where `/readyz` says 200.
const fn exit(state: ServiceState) -> Exit {
    match state {
        ServiceState::Ready | ServiceState::Degraded => Exit::Done,
        ServiceState::Starting | ServiceState::Stuck | ServiceState::Draining => Exit::Failed,
    }
}

/// A time as a number with a unit.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number with a unit, such as 30s, 5m or 1h".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(seconds).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}
