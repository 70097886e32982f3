//! The commands. This file is the table of contents; each command is a file of its own.

mod access;
mod apply;
mod args;
mod audit;
mod auth;
mod authority;
mod completions;
mod config;
mod context;
mod create;
mod db;
mod demo;
pub mod docs;
mod doctor;
mod edit;
mod error;
mod explain;
mod export;
mod get;
mod history;
mod install;
mod lock;
mod login;
mod logout;
mod opened;
mod person;
mod plan;
mod plans;
mod play;
mod plugin;
mod records;
mod reload;
mod rm;
mod role;
mod run;
mod scan;
mod scope;
mod service;
mod session;
mod status;
mod store;
mod targets;
mod token;
mod trial;
mod user;

use std::io::{self, Write};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};
use muster_model::Labels;

pub use self::{
    args::{Common, ListFormat, ReportArgs},
    error::Failure,
};
use crate::{exit::Exit, pipeline::run_id, report::escape::shown};

/// Finds an organisation's cloud databases and decides which are enrolled; nothing happens that a dry run would
/// not have shown.
#[derive(Parser, Debug)]
#[command(name = "muster", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start here:
  muster demo                      see a plan without any cloud account
  muster config create -o FILE     write a commented configuration
  muster plan                      show what would change; changes nothing
  muster apply                     change it

Exit codes: 0 done, 1 failed, 2 changes and 3 incomplete (with --detailed-exitcode), 4 findings of \
`doctor`, 64 usage, 69 no answer of the service, 78 configuration, 130 interrupted.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Show what muster does, with an embedded example fleet: no account, no network.
    Demo(demo::Demo),
    /// Write, check and show the configuration.
    #[command(subcommand)]
    Config(config::Config),
    /// Run as a service: scan on schedule, and keep what is enrolled true by itself.
    Run(run::Run),
    /// Read the clouds once and remember what is there. Enrolls nothing by itself.
    Scan(scan::Scan),
    /// Read the clouds and show what would be enrolled, updated and removed, and why. Changes nothing.
    Plan(plan::Plan),
    /// Carry out a plan: a saved one, or the one that is made now.
    Apply(apply::Apply),
    /// Log in: a certificate for a password, or for an invitation.
    Login(login::Login),
    /// Forget a login, with all that was made with it.
    Logout(logout::Logout),
    /// Show who is logged in, how the service that runs is, and everything that is not as it should be.
    Status(status::Status),
    /// Find what is wrong or soon will be, each with its remedy. Changes nothing.
    Doctor(doctor::Doctor),
    /// Have the service that runs read its configuration again.
    Reload(reload::Reload),
    /// List what is read: account or subscription, region and service.
    #[command(subcommand)]
    Scope(scope::Scope),
    /// List and show databases: all that are enrolled, or those that you may open.
    #[command(subcommand)]
    Db(db::Db),
    /// Say why a database is enrolled, or why not: every step from the cloud's answer to the verdict.
    Explain(explain::Explain),
    /// Show what changed, when, and by which scan, matcher and person.
    History(history::History),
    /// Search the record of what people did, follow it, and check that it is whole.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Show a session from its beginning to its end.
    Play(play::Play),
    /// Check the store, or repair a damaged one.
    #[command(subcommand)]
    Store(store::Store),
    /// Write records from files: roles, users, databases, join tokens, locks. All of them or none.
    Create(create::Create),
    /// Show records, as files that `create` takes.
    Get(get::Get),
    /// Change a record in an editor.
    Edit(edit::Edit),
    /// Remove records.
    Rm(rm::Rm),
    /// List, show and remove roles.
    #[command(subcommand)]
    Role(role::Role),
    /// Say who may open which database as whom, and why.
    #[command(subcommand)]
    Access(access::Access),
    /// Write the enrolled databases for another tool.
    Export(export::Export),
    /// Add, list, change and invite the people who may enter.
    #[command(subcommand)]
    User(user::User),
    /// Make, list and remove what lets machines and services join.
    #[command(subcommand)]
    Token(token::Token),
    /// Keep a user, a role, a database or a node out, at once.
    #[command(subcommand)]
    Lock(lock::Lock),
    /// Show, export and exchange the authorities for certificates; sign one without a login.
    #[command(subcommand)]
    Auth(auth::Auth),
    /// List the sessions that are open through the proxy, and end them.
    #[command(subcommand)]
    Session(session::Session),
    /// Write matchers of your own, in WebAssembly: build, run, test, measure and sign them; list those in use.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Print what has to be set up outside muster.
    #[command(subcommand)]
    Install(install::Install),
    /// Print completions for a shell.
    Completions(completions::Completions),
}

/// Runs the program and says how it ended.
pub fn main() -> Exit {
    if completions::answered() {
        return Exit::Done;
    }
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    cli.common.start_log(cli.command.is_service());
    match run(cli) {
        Ok(exit) => exit,
        // Whoever reads our output has seen enough.
        Err(failure) if failure.is_broken_pipe() => Exit::Done,
        Err(failure) => {
            failure.print(&mut anstream::stderr().lock());
            failure.exit()
        }
    }
}

fn usage(error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    let plain = |line: &str| shown(line).into_owned();
    // A closed pipe on the way to `--help | head` is nobody's concern.
    let _ = if text.lines().all(|line| plain(line) == line) {
        error.print()
    } else {
        // An argument that would rather be obeyed by the terminal than read.
        let lines: Vec<String> = text.lines().map(plain).collect();
        writeln!(io::stderr(), "{}", lines.join("\n"))
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::Usage,
    }
}

impl Command {
    fn is_service(&self) -> bool {
        match self {
            Self::Run(_) => true,
            Self::Demo(demo) => demo.is_service(),
            _ => false,
        }
    }
}

/// Labels with where they come from, a line each.
fn label_lines(labels: &Labels, out: &mut dyn Write) -> io::Result<()> {
    for (key, label) in labels.iter() {
        writeln!(
            out,
            "  {}={}  ({})",
            shown(key),
            shown(&label.value),
            shown(label.origin.as_str())
        )?;
    }
    Ok(())
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let common = &cli.common;
    match cli.command {
        Command::Demo(args) => args.run(common),
        Command::Config(args) => args.run(common),
        Command::Run(args) => args.run(common),
        Command::Scan(args) => block_on(args.run(common)),
        Command::Plan(args) => block_on(args.run(common)),
        Command::Apply(args) => block_on(args.run(common)),
        Command::Login(args) => args.run(),
        Command::Logout(args) => args.run(),
        Command::Status(args) => args.run(common),
        Command::Doctor(args) => args.run(common),
        Command::Reload(args) => args.run(common),
        Command::Scope(args) => block_on(args.run(common)),
        Command::Db(args) => args.run(common),
        Command::Explain(args) => block_on(args.run(common)),
        Command::History(args) => args.run(common),
        Command::Audit(args) => args.run(common),
        Command::Play(args) => args.run(common),
        Command::Store(args) => args.run(common),
        Command::Create(args) => args.run(common),
        Command::Get(args) => args.run(common),
        Command::Edit(args) => args.run(common),
        Command::Rm(args) => args.run(common),
        Command::Role(args) => args.run(common),
        Command::Access(args) => args.run(common),
        Command::Export(args) => args.run(common),
        Command::User(args) => args.run(common),
        Command::Token(args) => args.run(common),
        Command::Lock(args) => args.run(common),
        Command::Auth(args) => args.run(common),
        Command::Session(args) => args.run(common),
        Command::Plugin(args) => args.run(common),
        Command::Install(args) => args.run(common),
        Command::Completions(args) => args.run(),
    }
}

/// Runs a command that talks to clouds. SIGINT ends it: nothing is written half.
fn block_on(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start").cause(&error))?;
    let ended = runtime.block_on(async {
        tokio::select! {
            // A command that has ended has done what it says, signal or not.
            biased;
            ended = command => ended,
            signal = tokio::signal::ctrl_c() => match signal {
                Ok(()) => Ok(Exit::Interrupted),
                Err(error) => Err(Failure::new("cannot listen for SIGINT").cause(&error)),
            },
        }
    });
    runtime.shutdown_background();
    ended
}

/// Writes to standard output, to the end: what does not fit on a full disk is an error and not a shorter answer.
/// Colours are the caller's to leave out.
fn print<E: From<io::Error>>(
    write: impl FnOnce(&mut dyn io::Write) -> Result<(), E>,
) -> Result<(), E> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    write(&mut out)?;
    Ok(out.flush()?)
}

/// A report that nobody reads to its end (`| head`) changes nothing about what the command does and says.
fn unread_is_fine(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
