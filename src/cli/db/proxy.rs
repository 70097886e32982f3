//! `muster db proxy`: a local port for programs that know nothing of certificates.

use std::{io::Write as _, path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use muster_client::{
    Limits,
    native::{local_jdbc, local_url},
    port::{Keeper, Listener, OfProfile, Place, Port, Settings, TCP_CHECKED},
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    super::{
        Common, Failure, completions,
        person::{Person, Which, clock, profiles, wait},
        print,
    },
    open::{As, Opened},
};
use crate::{exit::Exit, report::escape::shown};

/// The port in the name of a socket, where none is named.
const PORT: u16 = 5432;

/// Arguments of `muster db proxy`.
#[derive(Args, Debug)]
#[command(after_help = "\
Connections to it are in clear text and without a password, within this machine; from here to the proxy they are \
TLS with your certificate. It renews that while your login lasts, and takes a new login when you log in again. Other \
users of this machine are turned away; on systems other than Linux that needs --socket.

  muster db proxy orders --port 5433
  psql 'host=127.0.0.1 port=5433 user=app dbname=shop sslmode=disable'")]
pub struct Proxy {
    /// Name, short name or id.
    #[arg(add = ArgValueCompleter::new(completions::databases))]
    database: String,
    /// The port of 127.0.0.1, or in the name of the socket. Default: any that is free; 5432 for a socket.
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// A Unix socket in this directory, in place of a port: clients name the directory as host.
    #[arg(long, value_name = "DIR")]
    socket: Option<PathBuf>,
    #[command(flatten)]
    named: As,
    /// How the line is written that says where it listens.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

/// How the line is written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// An object, on one line.
    Json,
}

impl Proxy {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let person = Person::open(&self.which)?;
        let opened = Opened::of(&person, &self.database)?;
        opened.is_postgres()?;
        // Whoever connects says as whom: here it is only for the line that is printed.
        let chosen = match opened.choose(&self.named) {
            Ok(chosen) => Some(chosen),
            Err(error) if self.named.db_user.is_some() || self.named.db_name.is_some() => {
                return Err(error.into());
            }
            Err(_) => None,
        };
        opened.say_notes();
        let place = match self.socket {
            Some(dir) => Place::Unix(dir, self.port.unwrap_or(PORT)),
            None => Place::Tcp(self.port.unwrap_or(0)),
        };
        let issuer = OfProfile {
            profiles: profiles()?,
            cluster: person.profile.name().to_owned(),
            target: opened.db.name.clone(),
            short_name: opened.db.short_name.clone(),
            clock: clock(),
            limits: Limits::default(),
        };
        let quiet = common.quiet;
        let port = Arc::new(Port {
            proxy: person.profile.about.proxy.clone(),
            keeper: Keeper::new(Box::new(issuer), clock()),
            clock: clock(),
            settings: Settings::default(),
            notice: Box::new(move |text| {
                if !quiet {
                    let _ = writeln!(anstream::stderr().lock(), "{}", shown(text));
                }
            }),
        });
        let (user, name) = chosen
            .map(|chosen| (chosen.db_user, chosen.db_name))
            .unzip();
        wait(async {
            let cannot = |error| Failure::new("cannot listen for signals").cause(&error);
            let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
            let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
            let listener = place.listen().await?;
            let is_tcp = matches!(place, Place::Tcp(_));
            if is_tcp && !TCP_CHECKED && !quiet {
                let _ = writeln!(
                    anstream::stderr().lock(),
                    "warning: other users of this machine can use this port: `--socket DIR` keeps them out"
                );
            }
            ready(
                self.output,
                &opened.db.name,
                &listener,
                user.as_deref(),
                name.as_deref(),
            )?;
            let stop = async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            };
            let served = port.serve(&listener, stop).await;
            served
                .map_err(|error| Failure::new("cannot take connections any more").cause(&error))?;
            Ok(Exit::Done)
        })?
    }
}

/// Says where it listens. Whoever starts it reads this line, and then connects.
fn ready(
    output: Output,
    database: &str,
    listener: &Listener,
    user: Option<&str>,
    name: Option<&str>,
) -> Result<(), Failure> {
    let (host, port) = (listener.host(), listener.port());
    let url = local_url(host, port, user, name);
    let jdbc = local_jdbc(host, port, user, name);
    print(|out| match output {
        Output::Json => {
            let line = json!({
                "database": database, "host": host, "port": port, "db_user": user, "db_name": name, "url": url, "jdbc": jdbc,
            });
            writeln!(out, "{line}")
        }
        Output::Text => {
            writeln!(
                out,
                "{} is at {}, port {port}, for you alone, until you press Ctrl+C",
                shown(database),
                shown(host)
            )?;
            writeln!(out, "  {}", shown(&url))?;
            match &jdbc {
                Some(jdbc) => writeln!(out, "  {}", shown(jdbc)),
                None => Ok(()),
            }
        }
    })?;
    Ok(())
}
