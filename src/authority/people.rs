//! People: invitations, passwords, second factors and logging in.
//!
//! Whoever is not known costs the same work and gets the same answer as whoever shows a wrong password. What is told
//! beyond that is told only to those who have shown all that they have.

mod entering;
mod silence;

use std::net::{IpAddr, SocketAddr};

use muster_access::Record;
use muster_audit::{Value as Field, kinds};
use muster_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use self::{
    entering::LoginAsked,
    silence::{SILENCES, restore as restore_silences},
};
use super::{
    Answer, Authority, By, How, Invited, Kind, State,
    journal::{Id, Op, Stored},
    login::{
        limit::origin,
        password::{HashError, Passwords},
        secret,
        totp::Totp,
    },
    records::{self, invalid, refused},
    tell,
    write::may_write,
};
use crate::service::handle::{Refused, RefusedKind};

/// The table of passwords and second factors, by user.
pub(super) const LOGINS: &str = "login";

/// The table of invitations, by the hash of their secret.
pub(super) const INVITES: &str = "invite";

/// The table of the hashes of join tokens' secrets, by the token's name.
pub(super) const SECRETS: &str = "token-secret";

/// The longest that an invitation lives, in seconds.
const LONGEST_INVITE: u64 = 30 * 24 * 3600;

/// How somebody proves who they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Login {
    /// Argon2id, as PHC string.
    password: String,
    /// In base32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    totp: Option<String>,
    /// The last step of time whose code was used.
    #[serde(default)]
    used: u64,
    /// Since when.
    since: Timestamp,
}

/// An invitation that was not used yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Invite {
    user: String,
    expires: Timestamp,
    /// The second factor that is offered with it, in base32.
    totp: String,
}

/// What whoever holds an invitation is shown.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Invitation {
    /// Who is invited.
    pub user: String,
    /// Until when.
    pub expires: Timestamp,
    /// Whether a second factor has to be set up.
    pub totp_required: bool,
    /// For an authenticator app, to type in.
    pub totp_secret: String,
    /// The same, as a link.
    pub totp_link: String,
}

/// Somebody who has just taken an invitation.
pub(super) struct Accepted {
    pub user: String,
    /// Whether they set up a second factor.
    pub factor: bool,
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(super) enum Denied {
    /// User, password or code is wrong; which of them is not said.
    Wrong,
    /// The password is right, and no code was shown where one is needed.
    Factor,
    /// The invitation is wrong, over or used.
    Invitation,
    /// Too many tries: again after so many seconds.
    Often(u64),
    /// Anything else.
    Refused(Refused),
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<HashError> for Denied {
    fn from(error: HashError) -> Self {
        Self::Refused(
            refused(RefusedKind::Failed, "cannot check passwords").because(error.to_string()),
        )
    }
}

impl State {
    /// The invitations of a user that were not used yet.
    pub(super) fn invites_of(&self, user: &str) -> Vec<Id> {
        let invites = records::table(self.journal.records(), INVITES);
        let of = |(_, stored): &(&str, &Stored)| {
            stored.value.get("user").and_then(Value::as_str) == Some(user)
        };
        invites
            .filter(of)
            .map(|(name, _)| Id::new(INVITES, name))
            .collect()
    }

    fn login(&self, user: &str) -> Option<Login> {
        let stored = self.journal.records().get(&Id::new(LOGINS, user))?;
        Login::deserialize(&*stored.value).ok()
    }

    fn invite(&self, token: &str, now: Timestamp) -> Option<(Id, Invite)> {
        let id = Id::new(INVITES, secret::hash(token)?);
        let stored = self.journal.records().get(&id)?;
        let invite = Invite::deserialize(&*stored.value).ok()?;
        (now < invite.expires).then_some((id, invite))
    }
}

impl Authority {
    /// Writes a user who is not there yet, and invites them.
    pub(super) fn add_user(
        &self,
        record: &Value,
        seconds: u64,
        by: By<'_>,
    ) -> Result<Answer, Refused> {
        let now = self.now();
        let checked = records::check(record, now)?;
        let Record::User(user) = &checked.record else {
            return Err(invalid("only a user can be invited"));
        };
        let mut warnings = checked.warnings.clone();
        let policy = self.policy.load();
        for role in user.roles.iter().filter(|role| policy.role(role).is_none()) {
            warnings.push(format!("there is no role `{role}` yet: it allows nothing"));
        }
        let mut state = self.state();
        may_write(&state, Kind::User, &checked.name, How::Create)?;
        let (invited, put) = self.invite(&checked.name, seconds, now, warnings)?;
        self.write(&mut state, &[checked], vec![put], by, now)?;
        drop(state);
        self.tell_invited(&invited, seconds, by, now);
        Ok(Answer::Invited(invited))
    }

    /// Invites a user anew. The old password and second factor are worthless from now on.
    pub(super) fn reset(&self, user: &str, seconds: u64, by: By<'_>) -> Result<Answer, Refused> {
        let now = self.now();
        let mut state = self.state();
        records::find(state.journal.records(), Kind::User, user)?;
        let (invited, put) = self.invite(user, seconds, now, Vec::new())?;
        let mut ops: Vec<Op> = state
            .invites_of(user)
            .into_iter()
            .map(|id| Op::Remove { id })
            .collect();
        ops.push(Op::Remove {
            id: Id::new(LOGINS, user),
        });
        ops.push(put);
        // Whoever is invited anew is heard.
        ops.extend(silence::end(&state.journal, user));
        state.journal.append(ops)?;
        drop(state);
        self.tries().failures.right(user.as_bytes());
        self.tell_invited(&invited, seconds, by, now);
        Ok(Answer::Invited(invited))
    }

    fn invite(
        &self,
        user: &str,
        seconds: u64,
        now: Timestamp,
        warnings: Vec<String>,
    ) -> Result<(Invited, Op), Refused> {
        if !(60..=LONGEST_INVITE).contains(&seconds) {
            return Err(invalid(
                "an invitation lives for a minute at least, and for 30 days at most",
            ));
        }
        let expires = now.plus(i64::try_from(seconds).unwrap_or_default());
        let (token, hash) = secret::create(&self.chance)?;
        let invite = Invite {
            user: user.to_owned(),
            expires,
            totp: Totp::create(&self.chance)?.as_base32(),
        };
        let put = Op::Put {
            id: Id::new(INVITES, hash),
            value: as_json(&invite)?,
        };
        let invited = Invited {
            user: user.to_owned(),
            token,
            expires,
            warnings,
        };
        Ok((invited, put))
    }

    fn tell_invited(&self, invited: &Invited, seconds: u64, by: By<'_>, now: Timestamp) {
        let event = tell::event(&kinds::INVITED, now, by)
            .with("name", Field::Text(&invited.user))
            .with("ttl", Field::Number(seconds))
            .with("expires", tell::time(invited.expires));
        self.teller.tell(event);
    }

    /// Makes a join token with a secret of its own.
    pub(super) fn add_token(&self, record: &Value, by: By<'_>) -> Result<Answer, Refused> {
        let now = self.now();
        let checked = records::check(record, now)?;
        if checked.kind != Kind::Token {
            return Err(invalid("only a token has a secret"));
        }
        let (secret, hash) = secret::create(&self.chance)?;
        let mut state = self.state();
        may_write(&state, Kind::Token, &checked.name, How::Create)?;
        let put = Op::Put {
            id: Id::new(SECRETS, &checked.name),
            value: hash.into(),
        };
        let mut documents = self.write(&mut state, &[checked], vec![put], by, now)?;
        drop(state);
        let document = documents
            .pop()
            .ok_or_else(|| invalid("there is no token"))?;
        Ok(Answer::Token { document, secret })
    }

    /// What an invitation offers.
    pub(super) fn invitation(&self, token: &str, from: SocketAddr) -> Result<Invitation, Denied> {
        let now = self.now();
        self.may_try(from.ip(), now)?;
        let (_, invite) = self.state().invite(token, now).ok_or(Denied::Invitation)?;
        let totp = Totp::from_base32(&invite.totp).ok_or(Denied::Invitation)?;
        let terms = self.policy.load().terms(&invite.user, now);
        Ok(Invitation {
            totp_required: terms.is_ok_and(|terms| terms.totp.is_some()),
            totp_secret: totp.as_base32(),
            totp_link: totp.link(&self.cluster, &invite.user),
            user: invite.user,
            expires: invite.expires,
        })
    }

    /// Takes an invitation on this machine: whoever may open the authority could do so anyway.
    ///
    /// # Errors
    /// When it is wrong or used, or the password is none that may be chosen.
    pub fn accept_here(&self, token: &str, password: &str) -> Result<(), Refused> {
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        match self.accept(token, password, None, here) {
            Ok(_) => Ok(()),
            Err(Denied::Refused(refused)) => Err(refused),
            Err(_) => Err(invalid("the invitation is over or used")),
        }
    }

    /// Takes an invitation: sets the password, and the second factor when its code is shown. Once. Takes long.
    pub(super) fn accept(
        &self,
        token: &str,
        password: &str,
        code: Option<&str>,
        from: SocketAddr,
    ) -> Result<Accepted, Denied> {
        let now = self.now();
        self.may_try(from.ip(), now)?;
        let found = self.state().invite(token, now);
        let (_, invite) = found.ok_or(Denied::Invitation)?;
        Passwords::fits(password).map_err(|unfit| invalid(unfit.to_string()))?;
        let terms = self.policy.load().terms(&invite.user, now);
        let required = terms.is_ok_and(|terms| terms.totp.is_some());
        let used = match code {
            None if required => {
                return Err(invalid("your roles demand a second factor")
                    .hint("put the secret of the invitation into an authenticator app, and send its code")
                    .into());
            }
            None => None,
            Some(code) => {
                let totp = Totp::from_base32(&invite.totp);
                let used = totp.and_then(|totp| totp.check(code, now, 0));
                let wrong = || invalid("the code is wrong").hint("the app's clock has to be right");
                Some(used.ok_or_else(wrong)?)
            }
        };
        let login = Login {
            password: self.passwords.hash(password)?,
            totp: used.is_some().then(|| invite.totp.clone()),
            used: used.unwrap_or_default(),
            since: now,
        };
        let mut state = self.state();
        // Somebody may have used it while the password was hashed.
        let (id, invite) = state.invite(token, now).ok_or(Denied::Invitation)?;
        let put = Op::Put {
            id: Id::new(LOGINS, &invite.user),
            value: as_json(&login)?,
        };
        let append = state.journal.append(vec![Op::Remove { id }, put]);
        append.map_err(Refused::from)?;
        drop(state);
        let by = By {
            who: &invite.user,
            from: Some(from),
        };
        let name = Field::Text(&invite.user);
        self.teller
            .tell(tell::event(&kinds::PASSWORD_CHANGED, now, by).with("name", name));
        if login.totp.is_some() {
            let event = tell::event(&kinds::MFA_ADDED, now, by).with("name", name);
            self.teller.tell(event.with("method", Field::Text("totp")));
        }
        Ok(Accepted {
            factor: login.totp.is_some(),
            user: invite.user,
        })
    }

    fn may_try(&self, from: IpAddr, now: Timestamp) -> Result<(), Denied> {
        let passed = self.tries().addresses.pass(&origin(from), now);
        passed.map_err(Denied::Often)
    }
}

fn as_json<T: Serialize>(value: &T) -> Result<Value, Refused> {
    serde_json::to_value(value).map_err(|error| {
        refused(RefusedKind::Failed, "cannot keep this").because(error.to_string())
    })
}
