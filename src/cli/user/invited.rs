//! What whoever invites somebody hands over: a link with the proxy's fingerprint, and the commands to log in.

use std::{
    io::{self, Write},
    net::IpAddr,
};

use muster_client::{Address, Link, Pin, Secret};

use super::super::{
    Common, Failure,
    authority::{Reached, nonsense, warn_of},
    context::Context,
    print,
};
use crate::{
    authority::{Answer, Ca, Command, Invited, machine},
    config::{Config, ProxySettings},
    control::Client,
    exit::Exit,
    report::escape::shown,
};

/// Prints an invitation.
pub(super) fn tell(common: &Common, reached: &Reached, answer: Answer) -> Result<Exit, Failure> {
    let Answer::Invited(invited) = answer else {
        return Err(nonsense());
    };
    warn_of(&invited.warnings);
    let config = Context::load(common).ok().map(|context| context.config);
    let link = config
        .and_then(|config| address(&config))
        .map(|address| Link {
            address,
            token: Secret::new(invited.token.0.clone()),
            // What is missing of a link can be had later; that there is an invitation cannot be taken back.
            pin: pin(reached).ok().flatten(),
        });
    print(|out| write(&invited, link.as_ref(), out))?;
    Ok(Exit::Done)
}

/// The fingerprint of the authority that signs the proxy's certificate.
fn pin(reached: &Reached) -> Result<Option<Pin>, Failure> {
    let Answer::Authorities { authorities, .. } = reached.ask(Command::Authorities)? else {
        return Err(nonsense());
    };
    let host = authorities.iter().find(|status| status.ca == Ca::Host);
    let mut certificates = host.into_iter().flat_map(|host| &host.certificates);
    let signs = certificates.find(|certificate| certificate.signs);
    Ok(signs.and_then(|certificate| certificate.fingerprint.parse().ok()))
}

fn write(invited: &Invited, link: Option<&Link>, out: &mut dyn Write) -> io::Result<()> {
    let Invited {
        user,
        token,
        expires,
        ..
    } = invited;
    let name = shown(user);
    writeln!(out, "{name} is invited, until {expires}:")?;
    let Some(link) = link else {
        writeln!(out, "  {}", token.0)?;
        writeln!(
            out,
            "This is shown once. Whoever has it chooses the password, at https://HOST:PORT/invite/ and these letters: where \
             the proxy is, the configuration does not say."
        )?;
        return Ok(());
    };
    writeln!(out, "  {}", link.text().reveal())?;
    writeln!(out, "In a terminal, with the link when it is asked for:")?;
    writeln!(out, "  muster login --invite")?;
    let pin = link
        .pin
        .map(|pin| format!(" --ca-pin {pin}"))
        .unwrap_or_default();
    writeln!(out, "Later, from another machine:")?;
    writeln!(
        out,
        "  muster login --proxy {} --user{}{}{pin}",
        link.address,
        // Or it would be taken for an option.
        if user.starts_with('-') { '=' } else { ' ' },
        quoted(user)
    )?;
    writeln!(
        out,
        "The link is shown once, and is a secret. Whoever has it chooses the password."
    )
}

/// Where people reach the proxy, as far as the configuration says so, and the service that runs.
fn address(config: &Config) -> Option<Address> {
    let proxy = config.proxy.as_ref()?;
    let listen = proxy.listen?;
    let port = match listen.port() {
        0 => opened(config)?,
        port => port,
    };
    let host = match host(proxy) {
        Some(host) => host,
        None if listen.ip().is_loopback() => "localhost".to_owned(),
        None => machine()?,
    };
    let host = match host.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host,
    };
    format!("{host}:{port}").parse().ok()
}

/// The first name that people reach it by, else the first address.
fn host(proxy: &ProxySettings) -> Option<String> {
    let is_name = |name: &&String| name.parse::<IpAddr>().is_err();
    let name = proxy.public.iter().find(is_name);
    name.or_else(|| proxy.public.first()).cloned()
}

/// The port that the system chose for the service that runs.
fn opened(config: &Config) -> Option<u16> {
    let (client, _) = Client::connect(&config.store).ok()?;
    let status = client.wait(client.status()).ok()?;
    let listen = status.proxy?.listen.into_iter().next()?;
    listen.rsplit_once(':')?.1.parse().ok()
}

/// A name for a shell.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+');
    match !name.is_empty() && name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("'{}'", shown(name).replace('\'', r"'\''")),
    }
}
