//! Who is logged in, and whether the proxy agrees.

use std::{
    env,
    io::{self, Write},
    time::Duration,
};

use muster_client::{About, Kind, Limits, Profile, Profiles, Whoami};
use muster_model::Timestamp;
use serde::Serialize;

use super::{
    super::{
        Failure,
        context::now,
        person::{Person, Which, clock, wait},
    },
    text::{NARROW, Page, span},
};
use crate::{exit::Exit, report::escape::shown};

/// How long the proxy is waited for: what is on this machine is shown in any case.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(10),
    bytes: 1 << 20,
};

/// The logins of a person.
#[derive(Debug, Default, Serialize)]
pub(super) struct Logins {
    /// The one that commands use now.
    pub login: Option<LoginView>,
    /// The ones to other clusters, as they are kept.
    other_logins: Vec<LoginView>,
}

/// A login.
#[derive(Debug, Serialize)]
pub(super) struct LoginView {
    /// What the cluster is called here.
    name: String,
    state: State,
    /// Where, who, until when; none of a damaged one.
    #[serde(flatten)]
    about: Option<Kept>,
    /// The version of muster that the proxy is, as it says now.
    version: Option<String>,
    /// Why it does not count, or why the proxy could not be asked.
    problem: Option<String>,
    /// What to do about that.
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct Kept {
    cluster: String,
    proxy: String,
    user: String,
    roles: Vec<String>,
    issued: Timestamp,
    expires: Timestamp,
    second_factor: bool,
    limited_by: Option<String>,
}

/// How a login is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It counts; the proxy says so, or could not be asked.
    Valid,
    /// Its time is over.
    Over,
    /// By the clock of this machine its time has not come.
    Early,
    /// The proxy does not take it.
    Refused,
    /// Its files are not what muster wrote.
    Damaged,
}

impl Logins {
    /// Finds them, and asks the proxy of the one that is in use.
    ///
    /// # Errors
    /// When a cluster was named to which there is none.
    pub fn look(which: &Which) -> Result<Self, Failure> {
        let profiles = match Profiles::find(|name| env::var_os(name)) {
            Ok(profiles) => profiles,
            Err(error) if which.name().is_some() => return Err(error.into()),
            Err(_) => return Ok(Self::default()),
        };
        let chosen = match which.name() {
            Some(name) => {
                // That there is none is this command's error.
                match profiles.open(Some(name)) {
                    Err(error) if error.kind() != &Kind::Damaged => return Err(error.into()),
                    _ => Some(name.to_owned()),
                }
            }
            None => profiles.current()?,
        };
        let mut logins = Self::default();
        for (name, profile) in profiles.list()? {
            let in_use = chosen.as_ref() == Some(&name);
            let view = match profile {
                Ok(profile) if in_use => LoginView::asked(profile),
                Ok(profile) => LoginView::kept(&profile),
                Err(error) => LoginView {
                    name,
                    state: State::Damaged,
                    about: None,
                    version: None,
                    problem: Some([error.what(), &error.why().join(": ")].join(": ")),
                    hint: error.next().map(str::to_owned),
                },
            };
            match in_use {
                true => logins.login = Some(view),
                false => logins.other_logins.push(view),
            }
        }
        Ok(logins)
    }

    pub fn is_empty(&self) -> bool {
        self.login.is_none() && self.other_logins.is_empty()
    }

    /// 0 when the login counts.
    pub fn exit(&self) -> Exit {
        match &self.login {
            Some(login) if login.state == State::Valid => Exit::Done,
            _ => Exit::Failed,
        }
    }

    /// That there is neither a service nor a login.
    pub fn nobody(&self) -> Failure {
        if !self.is_empty() {
            return Failure::new("which cluster is meant?")
                .because("there are logins to several, and none is in use")
                .hint("name one with `--cluster NAME` or MUSTER_CLUSTER");
        }
        Failure::new("there is nothing to show")
            .because("nobody is logged in, and there is no configuration of a service here")
            .hint("log in with `muster login --proxy HOST --user NAME`; whoever runs muster adds `--config FILE`")
    }

    pub fn write(&self, width: usize, out: &mut dyn Write) -> io::Result<()> {
        let width = width.max(NARROW);
        let mut page = Page { out, width };
        if let Some(login) = &self.login {
            login.write(&mut page)?;
        }
        let mut title = "other logins";
        for other in &self.other_logins {
            page.line(title, &other.in_a_line())?;
            title = "";
        }
        Ok(())
    }
}

impl LoginView {
    /// As it is kept here.
    fn kept(profile: &Profile) -> Self {
        let (state, problem, hint) = match profile.valid(now()) {
            Ok(()) => (State::Valid, None, None),
            Err(error) => {
                let state = match error.kind() {
                    Kind::Expired => State::Over,
                    _ => State::Early,
                };
                let why = error.why().join(": ");
                (state, Some(why), error.next().map(str::to_owned))
            }
        };
        Self {
            name: profile.name().to_owned(),
            state,
            about: Some(Kept::of(&profile.about)),
            version: None,
            problem,
            hint,
        }
    }

    /// As the proxy says that it is.
    fn asked(profile: Profile) -> Self {
        let mut view = Self::kept(&profile);
        if view.state != State::Valid {
            return view;
        }
        let asked = profile.api(&clock(), LIMITS).map(|api| {
            let answer = wait(api.whoami());
            (Person { profile, api }, answer)
        });
        match asked {
            Ok((_, Ok(Ok(whoami)))) => view.confirm(whoami),
            Ok((person, Ok(Err(error)))) => {
                if matches!(error.kind(), Kind::Refused(_)) {
                    view.state = State::Refused;
                }
                view.hint = error.next().map(str::to_owned);
                if error.is_refused("certificate") {
                    view.hint = Some(format!(
                        "log in again with `{}`",
                        person.profile.login_command()
                    ));
                }
                view.problem = Some(person.failure(error).in_one_line());
            }
            Ok((_, Err(failure))) => view.problem = Some(failure.in_one_line()),
            Err(error) => {
                view.state = State::Damaged;
                view.problem = Some([error.what(), &error.why().join(": ")].join(": "));
                view.hint = error.next().map(str::to_owned);
            }
        }
        view
    }

    fn confirm(&mut self, whoami: Whoami) {
        self.version = Some(whoami.version);
        if let Some(about) = &mut self.about {
            about.roles = whoami.roles;
            about.second_factor = whoami.second_factor;
        }
    }

    fn write(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line("login", &self.in_a_line())?;
        if let Some(about) = &self.about {
            let version = self.version.as_ref();
            let version = version.map(|version| format!(", muster {}", shown(version)));
            let proxy = format!("{}{}", about.proxy, version.unwrap_or_default());
            page.line("proxy", &proxy)?;
            page.line("roles", &shown(&about.roles.join(", ")))?;
            if about.second_factor {
                page.line("", "with a second factor")?;
            }
            if let Some(why) = &about.limited_by {
                page.line("", &format!("no longer, because {}", shown(why)))?;
            }
        }
        if let Some(problem) = &self.problem {
            page.line("!", &shown(problem))?;
        }
        if let Some(hint) = &self.hint {
            page.line("", &shown(hint))?;
        }
        Ok(())
    }

    fn in_a_line(&self) -> String {
        let name = shown(&self.name).into_owned();
        let Some(about) = &self.about else {
            return format!("{name}: damaged");
        };
        let (user, until) = (shown(&about.user), about.expires);
        let how = match self.state {
            State::Valid => format!("until {until} (for {})", span(until.since(now()))),
            State::Over => format!("over since {until}"),
            State::Early => format!("from {}", about.issued),
            State::Refused => format!("until {until}, and the proxy does not take it"),
            State::Damaged => "damaged".to_owned(),
        };
        format!("{user} at {name}, {how}")
    }
}

impl Kept {
    fn of(about: &About) -> Self {
        Self {
            cluster: about.cluster.clone(),
            proxy: about.proxy.to_string(),
            user: about.user.clone(),
            roles: about.roles.clone(),
            issued: about.issued,
            expires: about.expires,
            second_factor: about.second_factor,
            limited_by: about.limited_by.clone(),
        }
    }
}
