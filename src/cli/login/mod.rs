//! `muster login`: a certificate for a password, or for an invitation.

mod ask;
mod invite;
mod whom;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use muster_client::{
    About, Address, Error, Kind, LocalKey, Login as Asked, Pin, Profile, Profiles, Secret, Signed,
};

use self::{
    ask::Answers,
    whom::{Known, Whom},
};
use super::{
    Failure,
    authority::Life,
    context::now,
    person::{Which, profiles, wait},
    print,
    status::lasts,
};
use crate::{exit::Exit, report::escape::shown};

/// Arguments of `muster login`.
#[derive(Args, Debug)]
#[command(after_help = "\
The first time, the proxy proves who it is by its fingerprint: --ca-pin, or the link of an invitation, carries it; on a \
terminal it is shown, to be compared. After that it is remembered, and without further arguments this logs in anew.

Secrets are asked for without echo. For scripts, --password-file has the password in its first line and, where one is asked \
for, the code in its second. With --invite alone the link is asked for, or read from standard input: an argument can be \
seen by others of this machine.")]
pub struct Login {
    /// Where the proxy is: HOST, or HOST:PORT. Default: as at the last login.
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "invite")]
    proxy: Option<Address>,
    /// Who logs in. Default: as at the last login.
    #[arg(long, value_name = "NAME", conflicts_with = "invite")]
    user: Option<String>,
    /// The fingerprint of the proxy's authority, as `muster user add` and `muster auth status` print it.
    #[arg(long, value_name = "sha256:HEX")]
    ca_pin: Option<Pin>,
    /// The proxy's authority itself, in PEM, as `muster auth export --ca host` writes it.
    #[arg(long, value_name = "FILE", conflicts_with = "ca_pin")]
    ca_file: Option<PathBuf>,
    /// Take an invitation: choose a password, and a second factor.
    #[arg(long, value_name = "LINK", num_args = 0..=1, default_missing_value = "-")]
    invite: Option<String>,
    /// How long the login lives: `8h`. Default: as long as the roles allow, 12h at most.
    #[arg(long, value_name = "TIME")]
    ttl: Option<Life>,
    /// Where the password stands, and the code in a second line; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

/// What is known before the proxy is asked for a certificate.
struct Start {
    profiles: Profiles,
    whom: Whom,
    key: LocalKey,
    ttl: Option<String>,
}

impl Login {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let profiles = profiles()?;
        let mut answers = Answers::of(self.password_file.as_deref())?;
        let invited = match &self.invite {
            Some(link) => Some(answers.link(link)?),
            None => None,
        };
        let known = Known::look(
            &profiles,
            &self.which,
            self.proxy.as_ref(),
            invited.as_ref(),
        )?;
        let user = match (&self.user, &invited) {
            (_, Some(_)) => None,
            (Some(user), None) => Some(user.clone()),
            (None, None) => Some(known.user()?),
        };
        let pin = self.ca_pin.or(invited.as_ref().and_then(|link| link.pin));
        let trust = known.trust(pin, self.ca_file.as_deref(), &answers)?;
        let start = Start {
            whom: known.meet(trust, &profiles, &self.which)?,
            profiles,
            key: LocalKey::make()?,
            ttl: self.ttl.map(|Life(seconds)| format!("{seconds}s")),
        };
        let (signed, factor) = match (invited, user) {
            (Some(link), _) => invite::take(&start, &link.token, &mut answers)?,
            (None, user) => start.log_in(&user.unwrap_or_default(), &mut answers)?,
        };
        let profile = start.keep(&signed, factor)?;
        print(|out| tell(&profile, out))?;
        Ok(Exit::Done)
    }
}

impl Start {
    /// A certificate for password and code. Says whether a code was needed.
    fn log_in(&self, user: &str, answers: &mut Answers) -> Result<(Signed, bool), Failure> {
        let place = format!("{user} at {}", self.whom.api.address());
        let password = answers.password(&format!("Password of {place}: "))?;
        let mut code = match self.whom.has_factor(user) {
            true => Some(answers.code("Code: ")?),
            false => answers.code_given(),
        };
        let mut answer = self.ask(user, &password, code.as_ref())?;
        if let Err(error) = &answer
            && code.is_none()
            && error.is_refused("second-factor")
        {
            code = Some(answers.code("Code of your second factor: ")?);
            answer = self.ask(user, &password, code.as_ref())?;
        }
        let signed = answer.map_err(|error| {
            let is_wrong = error.is_refused("login");
            let failure = refused(error, &format!("cannot log in as {place}"));
            match is_wrong {
                true => failure.hint(
                    "try again; a code is good once. Who has forgotten the password asks for a new invitation: \
                     `muster user reset` makes one",
                ),
                false => failure,
            }
        })?;
        Ok((signed, code.is_some()))
    }

    fn ask(
        &self,
        user: &str,
        password: &Secret,
        code: Option<&Secret>,
    ) -> Result<Result<Signed, Error>, Failure> {
        let asked = Asked {
            user,
            password,
            code,
            key: &self.key,
            ttl: self.ttl.as_deref(),
        };
        wait(self.whom.api.login(&asked))
    }

    /// Keeps the login, when it counts by the clock of this machine.
    fn keep(&self, signed: &Signed, factor: bool) -> Result<Profile, Failure> {
        let Whom {
            api, ping, name, ..
        } = &self.whom;
        let about = About::of(&ping.cluster, api.address(), signed, factor);
        about.valid(now(), name).map_err(|error| {
            Failure::from(error)
                .because(format!(
                    "the clock of the proxy says {}, the one of this machine {}",
                    ping.time,
                    now()
                ))
                .hint("set the clock of this machine, and log in again")
        })?;
        Ok(self.profiles.save(name, about, signed, &self.key)?)
    }
}

/// What the proxy refused, as a reason why something did not work; any other trouble is told as it is.
fn refused(error: Error, what: &str) -> Failure {
    match error.kind() {
        Kind::Refused(_) => {
            let said = error.what().to_owned();
            Failure::from(error).reworded(what, said)
        }
        _ => error.into(),
    }
}

fn tell(profile: &Profile, out: &mut dyn Write) -> io::Result<()> {
    let About {
        user,
        proxy,
        roles,
        expires,
        limited_by,
        ..
    } = &profile.about;
    let left = lasts(expires.since(now()));
    let (user, name) = (shown(user), shown(profile.name()));
    writeln!(
        out,
        "{user} is logged in to {name}, until {expires} (for {left})"
    )?;
    if let Some(why) = limited_by {
        writeln!(out, "  no longer, because {}", shown(why))?;
    }
    writeln!(out, "  proxy  {proxy}")?;
    writeln!(out, "  roles  {}", shown(&roles.join(", ")))?;
    writeln!(out, "`muster db ls` lists the databases that you may open.")
}
