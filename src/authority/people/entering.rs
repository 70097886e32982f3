//! Logging in: by password and code, and at the end of an invitation.

use std::net::SocketAddr;

use muster_audit::{Value as Field, kinds};
use muster_model::Timestamp;

use super::{
    super::{
        Authority, By, RouteAsked, Signed,
        ca::ClientKey,
        certificates::{Wanted, why_not},
        journal::{Id, Op},
        login::totp::Totp,
        records::{invalid, refused},
        tell,
    },
    Accepted, Denied, LOGINS, as_json,
};
use crate::service::handle::{Refused, RefusedKind};

/// What somebody logs in with.
pub(in crate::authority) struct LoginAsked<'a> {
    pub user: &'a str,
    pub password: &'a str,
    pub totp: Option<&'a str>,
    pub key: &'a str,
    pub seconds: Option<u64>,
    pub route: Option<RouteAsked>,
}

/// Who has shown password and code, and is not certified yet.
pub(in crate::authority) struct Proven {
    key: ClientKey,
    /// Whether a code was shown.
    pub factor: bool,
}

impl Authority {
    /// Logs in whoever has just taken an invitation: they have shown all that there is, and the code is used up.
    pub(in crate::authority) fn enter(
        &self,
        accepted: &Accepted,
        key: &ClientKey,
        seconds: Option<u64>,
        from: SocketAddr,
    ) -> Result<Signed, Denied> {
        let (now, Accepted { user, factor }) = (self.now(), accepted);
        let by = By {
            who: user,
            from: Some(from),
        };
        let terms = self.policy.load().terms(user, now);
        terms.map_err(|denial| self.shut_out(why_not(&denial, by), by, now))?;
        let wanted = Wanted {
            user,
            key,
            seconds,
            route: None,
            totp: *factor,
            within: None,
        };
        self.logged_in(wanted, by, now)
    }

    /// Checks password and code. Takes long, whoever asks.
    pub(in crate::authority) fn prove(
        &self,
        asked: &LoginAsked<'_>,
        from: SocketAddr,
    ) -> Result<Proven, Denied> {
        let now = self.now();
        self.may_try(from.ip(), now)?;
        let key = ClientKey::from_pem(asked.key).map_err(|error| invalid(error.to_string()))?;
        let name = asked.user.as_bytes();
        let mut tries = self.tries();
        tries.failures.heard(name, now).map_err(Denied::Often)?;
        tries.users.pass(name, now).map_err(Denied::Often)?;
        drop(tries);
        let login = self.state().login(asked.user);
        let right = self
            .passwords
            .is(asked.password, login.as_ref().map(|login| &*login.password))?;
        let secret = login.as_ref().and_then(|login| login.totp.as_deref());
        let totp = secret.map_or_else(
            || self.nobody.clone(),
            |secret| Totp::from_base32(secret).unwrap_or_else(|| self.nobody.clone()),
        );
        let used = login.as_ref().map_or(0, |login| login.used);
        let step = totp.check(asked.totp.unwrap_or_default(), now, used);
        let factor = secret.is_some();
        let by = By {
            who: asked.user,
            from: Some(from),
        };
        if right && factor && asked.totp.is_none_or(|code| code.trim().is_empty()) {
            // Said to nobody but whoever has the password. Not counted among wrong tries: it is a login's first half.
            self.login_failed("the password is right, the code is missing", by, now);
            return Err(Denied::Factor);
        }
        if !right || (factor && step.is_none()) {
            return Err(self.wrong(asked.user, from, now));
        }
        let terms = self.policy.load().terms(asked.user, now);
        let terms = terms.map_err(|denial| self.shut_out(why_not(&denial, by), by, now))?;
        if let (Some(role), false) = (terms.totp, factor) {
            let why = format!("the role {role} demands a second factor, and you have none");
            let Denied::Refused(refused) = self.shut_out(why, by, now) else {
                return Err(Denied::Wrong);
            };
            return Err(refused
                .hint("ask for a new invitation: `muster user reset` makes one")
                .into());
        }
        if let Some(step) = step.filter(|_| factor) {
            self.use_up(asked.user, step, from, now)?;
        }
        self.end_silence(asked.user);
        Ok(Proven { key, factor })
    }

    /// Logs in whoever has shown password and code: a certificate.
    pub(in crate::authority) fn login(
        &self,
        asked: LoginAsked<'_>,
        proven: &Proven,
        from: SocketAddr,
    ) -> Result<Signed, Denied> {
        let by = By {
            who: asked.user,
            from: Some(from),
        };
        let wanted = Wanted {
            user: asked.user,
            key: &proven.key,
            seconds: asked.seconds,
            route: asked.route,
            totp: proven.factor,
            within: None,
        };
        self.logged_in(wanted, by, self.now())
    }

    fn logged_in(&self, wanted: Wanted<'_>, by: By<'_>, now: Timestamp) -> Result<Signed, Denied> {
        let factor = wanted.totp;
        let signed = self.sign(wanted, by, now)?;
        let event = tell::event(&kinds::LOGIN, now, by).with("success", Field::Flag(true));
        let method = if factor { "password+totp" } else { "password" };
        self.teller.tell(event.with("method", Field::Text(method)));
        Ok(signed)
    }

    /// A code is good once, whoever else shows it at the same time.
    fn use_up(
        &self,
        user: &str,
        step: u64,
        from: SocketAddr,
        now: Timestamp,
    ) -> Result<(), Denied> {
        let mut state = self.state();
        let login = state.login(user).filter(|login| login.used < step);
        let Some(mut login) = login else {
            drop(state);
            return Err(self.wrong(user, from, now));
        };
        login.used = step;
        let put = Op::Put {
            id: Id::new(LOGINS, user),
            value: as_json(&login)?,
        };
        state.journal.append(vec![put]).map_err(Refused::from)?;
        drop(state);
        Ok(())
    }

    fn wrong(&self, user: &str, from: SocketAddr, now: Timestamp) -> Denied {
        let silent = self.tries().failures.wrong(user.as_bytes(), now);
        if silent {
            self.keep_silence(user);
        }
        let who: String = user.chars().take(256).collect();
        let by = By {
            who: &who,
            from: Some(from),
        };
        let error = match silent {
            true => {
                "wrong user name, password or code; too many in a row, so that no more are heard for a while"
            }
            false => "wrong user name, password or code",
        };
        self.login_failed(error, by, now);
        Denied::Wrong
    }

    fn shut_out(&self, why: String, by: By<'_>, now: Timestamp) -> Denied {
        self.login_failed(&why, by, now);
        Denied::Refused(refused(RefusedKind::Conflict, "you cannot log in").because(why))
    }

    fn login_failed(&self, error: &str, by: By<'_>, now: Timestamp) {
        let event = tell::event(&kinds::LOGIN_FAILED, now, by)
            .with("success", Field::Flag(false))
            .with("method", Field::Text("password"))
            .with("error", Field::Text(error));
        self.teller.tell(event);
    }
}
