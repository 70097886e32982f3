//! Where somebody logs in, and how it is known that it is there.

use std::{fs, path::Path};

use muster_client::{
    Address, Api, HTTP, Introduction, Limits, Link, Pin, Ping, Profile, Profiles, Trust, introduce,
};

use super::ask::Answers;
use crate::cli::{
    Failure,
    authority::warn_of,
    context::now,
    person::{Which, clock, wait},
    status::lasts,
};
use crate::exit::Exit;

/// By how many seconds the clocks of the proxy and of this machine may differ before somebody is told.
const ASKEW: u64 = 120;

/// What is known of the proxy before it is asked.
pub(super) struct Known {
    address: Address,
    /// The login that there was, to this proxy.
    before: Option<Profile>,
}

/// The proxy, proven.
pub(super) struct Whom {
    /// Its API, without a certificate.
    pub api: Api,
    /// What it says of itself.
    pub ping: Ping,
    /// What its cluster is called here.
    pub name: String,
    before: Option<Profile>,
}

impl Known {
    /// Finds the address: as named, else as at the last login.
    pub fn look(
        profiles: &Profiles,
        which: &Which,
        proxy: Option<&Address>,
        invited: Option<&Link>,
    ) -> Result<Self, Failure> {
        let named = proxy.or(invited.map(|link| &link.address));
        let Some(address) = named else {
            let before = profiles.open(which.name()).map_err(|error| {
                let kind = error.kind().clone();
                let failure = Failure::from(error);
                match kind {
                    muster_client::Kind::NoLogin => failure.within("where is the proxy?").exits(Exit::Usage).hint(
                        "`muster login --proxy HOST --user NAME`, or `muster login --invite LINK` with an invitation",
                    ),
                    _ => failure,
                }
            })?;
            return Ok(Self {
                address: before.about.proxy.clone(),
                before: Some(before),
            });
        };
        // A login that cannot be read is no help, and in nobody's way.
        let all = profiles.list()?.into_iter();
        let mut there = all
            .filter_map(|(_, profile)| profile.ok())
            .filter(|profile| profile.about.proxy == *address);
        let before = match which.name() {
            Some(name) => there.find(|profile| profile.name() == name),
            None => there.next(),
        };
        Ok(Self {
            address: address.clone(),
            before,
        })
    }

    /// Who logged in there last.
    pub fn user(&self) -> Result<String, Failure> {
        let before = self.before.as_ref().map(|before| before.about.user.clone());
        before.ok_or_else(|| {
            Failure::new("who logs in?")
                .because(format!(
                    "nobody has logged in to {} from here yet",
                    self.address
                ))
                .hint(format!(
                    "`muster login --proxy {} --user NAME`",
                    self.address
                ))
                .exits(Exit::Usage)
        })
    }

    /// Whom to believe to be the proxy: by a file, by the fingerprint, by the last login, or by asking the person.
    pub fn trust(
        &self,
        pin: Option<Pin>,
        file: Option<&Path>,
        answers: &Answers,
    ) -> Result<Trust, Failure> {
        if let Some(file) = file {
            let cannot =
                || Failure::new(format!("cannot read the authority in {}", file.display()));
            let pem = fs::read_to_string(file).map_err(|error| cannot().cause(&error))?;
            return Trust::from_pem(&pem).map_err(|error| {
                cannot()
                    .because(error.why().join(": "))
                    .hint("`muster auth export --ca host` writes it")
            });
        }
        if let Some(pin) = pin {
            return Ok(self.introduction()?.pinned(pin)?);
        }
        if let Some(before) = &self.before {
            return Ok(before.trust()?);
        }
        if !answers.on_terminal() {
            return Err(Failure::new(format!("the proxy {} is not known here yet", self.address))
                .because("nobody said what its fingerprint is, and there is no terminal to ask on")
                .hint(
                    "add `--ca-pin sha256:HEX`, as `muster user add` and `muster auth status` print it, or `--ca-file FILE`",
                ));
        }
        let introduction = self.introduction()?;
        let (pin, trust) = introduction.signer()?;
        let cluster = crate::report::escape::shown(&introduction.ping.cluster).into_owned();
        let agreed = answers.agree(&format!(
            "The proxy {} of the cluster {cluster} is not known here yet. Its fingerprint is\n  {pin}\n\
             Is that the one that you were told (`muster auth status`, line `host`)? Type yes to trust it: ",
            self.address
        ))?;
        match agreed {
            true => Ok(trust),
            false => Err(Failure::new("not logged in")
                .because("the proxy's fingerprint was not agreed to")
                .hint("ask whoever runs it for the right one")),
        }
    }

    fn introduction(&self) -> Result<Introduction, Failure> {
        Ok(wait(introduce(
            &self.address,
            &clock(),
            Limits::default(),
        ))??)
    }

    /// Goes there, over a connection that is verified, and finds out what the cluster is called here.
    pub fn meet(self, trust: Trust, profiles: &Profiles, which: &Which) -> Result<Whom, Failure> {
        let tls = trust.tls(None, HTTP, &clock())?;
        let api = Api::new(self.address, tls, clock(), Limits::default());
        let ping = wait(api.ping())??;
        let name = match which.name() {
            Some(name) => name,
            None => self
                .before
                .as_ref()
                .map_or(ping.cluster.as_str(), Profile::name),
        };
        let name = name.to_owned();
        let there = profiles.open(Some(&name)).ok();
        if let Some(there) = there.filter(|there| !is_same(there, &api, &trust)) {
            let (proxy, user) = (&there.about.proxy, &there.about.user);
            return Err(Failure::new(format!("there is a login to another cluster called {name}"))
                .because(format!("it is the one of {user} at {proxy}, whose authority is another one"))
                .hint("call this one differently here: `--cluster NAME`; or `muster logout` there first"));
        }
        let here = now();
        let apart = here.since(ping.time).max(ping.time.since(here));
        if apart > ASKEW {
            let words = lasts(apart);
            let way = if here < ping.time {
                "behind"
            } else {
                "ahead of"
            };
            warn_of(&[format!(
                "the clock of this machine is {words} {way} the proxy's: set it, or logins end at odd times"
            )]);
        }
        Ok(Whom {
            api,
            ping,
            name,
            before: self.before,
        })
    }
}

impl Whom {
    /// Whether this user was asked for a code the last time.
    pub fn has_factor(&self, user: &str) -> bool {
        let before = self.before.as_ref().map(|before| &before.about);
        before.is_some_and(|about| about.user == user && about.second_factor)
    }
}

/// Whether a login is to the cluster that was just met: at the same address, or by the same authority.
fn is_same(there: &Profile, api: &Api, trust: &Trust) -> bool {
    let shares = |old: Trust| old.pins().iter().any(|pin| trust.pins().contains(pin));
    there.about.proxy == *api.address() || there.trust().is_ok_and(shares)
}
