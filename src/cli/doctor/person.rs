//! What somebody who is logged in can look at: the login, the way to the proxy, the clock, and psql.

use std::{env, path::Path, time::Duration};

use muster_client::{
    Api, Error, HTTP, Kind, Limits, Profile,
    native::{INSTALL_PSQL, find_psql},
};

use super::{
    super::{
        Failure,
        context::now,
        person::{Which, clock, profiles, wait},
    },
    Seen,
};
use crate::doctor::{
    Check,
    evidence::{Clock, Compared, Login, NotReached},
    gather::files,
};

/// How long the proxy is waited for.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(10),
    bytes: 1 << 20,
};

/// Looks at a login, and at the proxy unless nobody is to be asked.
///
/// # Errors
/// When there is none.
pub(super) fn look(which: &Which, offline: bool, seen: &mut Seen) -> Result<(), Failure> {
    let profile = match profiles()?.open(which.name()) {
        Err(error) if *error.kind() == Kind::Damaged => {
            seen.evidence.login = Some(unreadable(&error, which));
            return Ok(());
        }
        opened => opened?,
    };
    let dir = profile.dir();
    let kept = [
        dir.to_owned(),
        profile.key_file(),
        profile.certificate_file(),
        profile.host_ca_file(),
    ];
    let psql = find_psql(env::var_os("PATH").as_deref(), Path::new("/"));
    let mut login = Login {
        name: profile.name().to_owned(),
        proxy: profile.about.proxy.to_string(),
        command: profile.login_command(),
        issued: profile.about.issued,
        expires: profile.about.expires,
        files: kept
            .iter()
            .filter_map(|path| files::place(path).ok())
            .collect(),
        user: files::user(),
        psql,
        install: INSTALL_PSQL.to_owned(),
        ..Login::default()
    };
    if let Err(error) = profile.credentials() {
        login.damaged = Some([error.what(), &error.why().join(": ")].join(": "));
    }
    let mut compared = Vec::new();
    if offline {
        seen.skip(Check::Clock, "nobody is asked with --offline");
    } else {
        compared.extend(ask(&profile, &mut login)?);
    }
    seen.evidence.clock = Some(Clock {
        compared,
        jumped: None,
        synchronized: files::synchronized(),
    });
    seen.evidence.login = Some(login);
    Ok(())
}

/// A login of which not even is known where and whose it is.
fn unreadable(error: &Error, which: &Which) -> Login {
    let name = which.name().unwrap_or("the login in use");
    let again = "muster login --proxy HOST --user NAME";
    Login {
        name: name.to_owned(),
        command: which.name().map_or_else(
            || again.to_owned(),
            |name| format!("{again} --cluster {name}"),
        ),
        damaged: Some([error.what(), &error.why().join(": ")].join(": ")),
        psql: find_psql(env::var_os("PATH").as_deref(), Path::new("/")),
        install: INSTALL_PSQL.to_owned(),
        ..Login::default()
    }
}

/// Asks the proxy what time it is, and whether it takes the login.
fn ask(profile: &Profile, login: &mut Login) -> Result<Option<Compared>, Failure> {
    // What it says to anybody it says whether the login counts or not.
    let tls = profile
        .trust()
        .and_then(|trust| trust.tls(None, HTTP, &clock()));
    let tls = match tls {
        Ok(tls) => tls,
        Err(error) => {
            login.damaged = Some([error.what(), &error.why().join(": ")].join(": "));
            return Ok(None);
        }
    };
    let api = Api::new(profile.about.proxy.clone(), tls, clock(), LIMITS);
    let compared = match wait(api.ping())? {
        Ok(ping) => Compared {
            with: "the proxy".to_owned(),
            theirs: ping.time,
            ours: now(),
        },
        Err(error) => {
            let kind = match error.kind() {
                Kind::Untrusted => "untrusted",
                Kind::Foreign | Kind::Refused(_) => "foreign",
                _ => "unreachable",
            };
            login.not_reached = Some(NotReached {
                kind: kind.to_owned(),
                why: [error.what(), &error.why().join(": ")].join(": "),
            });
            return Ok(None);
        }
    };
    if let Ok(api) = profile.api(&clock(), LIMITS)
        && let Err(error) = wait(api.whoami())?
    {
        login.refused = Some([error.what(), &error.why().join(": ")].join(": "));
    }
    Ok(Some(compared))
}
