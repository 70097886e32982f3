//! `muster doctor`: what is wrong or soon will be, each with its remedy. Looks, and changes nothing.
//!
//! | part | what it does |
//! |---|---|
//! | here | arguments, and the order in which evidence is gathered |
//! | `local` | what is on this machine: configuration, store, authorities, the service |
//! | `network` | what is elsewhere: names, clouds, databases |
//! | `person` | what somebody can look at who is only logged in |

mod local;
mod network;
mod person;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clap::{Args, ValueEnum};

use self::{local::Local, network::Reaching};
use super::{
    Common, Failure, block_on,
    context::now,
    person::{View, Which},
    print, unread_is_fine,
};
use crate::{
    config::words,
    doctor::{Check, Evidence, report::Report},
    exit::Exit,
    report,
};

/// Databases that are looked at unless all are asked for.
const SAMPLE: usize = 200;
/// How long looking at databases may take, unless somebody says otherwise or asks for all.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Arguments of `muster doctor`.
#[derive(Args, Debug)]
#[command(after_help = "\
Ends with 0 when nothing failed (there may be warnings), and with 4 when something does not work.

It works with and without a service that runs. Of databases it looks at a sample, some of each account, region and \
kind; --all looks at each. Nobody logs in to them. Credentials are asked for as this process finds them: run it as the \
service's user.

With --cluster, or where no configuration is at hand, it looks at the login: whether it counts, the way to the proxy, the \
clock, and psql.")]
pub struct Doctor {
    /// What is looked at. Default: everything.
    #[arg(value_enum, value_name = "CHECK")]
    checks: Vec<Check>,
    /// Look at every database, however long that takes.
    #[arg(long)]
    all: bool,
    /// Ask nobody but this machine: no names, no clouds, no databases.
    #[arg(long)]
    offline: bool,
    /// The longest that looking at databases may take: `30s`, `10m`. Default: 60s, and with --all as long as it takes.
    #[arg(long, value_name = "TIME", value_parser = span)]
    timeout: Option<Duration>,
    /// How it is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people: each check, then what is wrong and what to do.
    #[default]
    Text,
    /// An object with `at`, `checks` and `findings`.
    Json,
}

fn span(text: &str) -> Result<Duration, String> {
    words::seconds(text).map(Duration::from_secs)
}

impl Doctor {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let view = View::of(&self.which, common);
        let usual = match view {
            View::Operator => Check::ALL,
            View::Person => Check::OF_A_PERSON,
        };
        let asked: BTreeSet<Check> = match self.checks.as_slice() {
            [] => usual.iter().copied().collect(),
            some => some.iter().copied().collect(),
        };
        let named = !self.checks.is_empty();
        let mut seen = Seen {
            evidence: Evidence {
                now: now(),
                ..Evidence::default()
            },
            asked,
            named,
            skipped: BTreeMap::new(),
        };
        let others = seen.asked.iter().filter(|check| !usual.contains(check));
        for check in others.copied().collect::<Vec<_>>() {
            let why = match view {
                View::Operator => "a configuration is at hand; --cluster looks at a login",
                View::Person => "no configuration is at hand, or --cluster asks for the login",
            };
            seen.skip(check, why);
        }
        if view == View::Person {
            person::look(&self.which, self.offline, &mut seen)?;
            return self.report(&seen, common);
        }
        let most = (!self.all).then_some(SAMPLE);
        let local = Local::look(common, most, &mut seen)?;
        let reaching = Reaching {
            offline: self.offline,
            all: match (self.timeout, self.all) {
                (Some(timeout), _) => Some(timeout),
                (None, true) => None,
                (None, false) => Some(TIMEOUT),
            },
        };
        block_on(async {
            reaching.look(local, &mut seen).await;
            self.report(&seen, common)
        })
    }

    fn report(&self, seen: &Seen, common: &Common) -> Result<Exit, Failure> {
        let checks: Vec<Check> = seen.asked.iter().copied().collect();
        let report = Report::new(&seen.evidence, &checks, &seen.skipped);
        unread_is_fine(print(|out| match self.output {
            Output::Text => report.write(common.columns(), out),
            Output::Json => report::pretty(&report, out),
        }))?;
        Ok(match report.failed() {
            true => Exit::Findings,
            false => Exit::Done,
        })
    }
}

/// What was found out so far.
struct Seen {
    evidence: Evidence,
    asked: BTreeSet<Check>,
    /// Whether checks were asked for by name: then they are made where they usually would not be.
    named: bool,
    skipped: BTreeMap<Check, String>,
}

impl Seen {
    /// Whether a check was asked for.
    fn wants(&self, check: Check) -> bool {
        self.asked.contains(&check)
    }

    /// A check is not made.
    fn skip(&mut self, check: Check, why: impl Into<String>) {
        if self.wants(check) {
            self.skipped.entry(check).or_insert_with(|| why.into());
        }
    }
}
