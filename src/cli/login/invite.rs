//! Taking an invitation: choosing a password, and a second factor where one is wanted or demanded.

use muster_client::{Accept, Invitation, Secret, Signed};

use super::{Answers, Failure, Start, refused, wait};
use crate::{authority::login::password::SHORTEST, report::escape::shown};

/// How often somebody may mistype something.
const TRIES: usize = 3;

/// What failed when the proxy says no.
const CANNOT: &str = "cannot take the invitation";

/// Takes it, and is logged in. Says whether there is a second factor now.
pub(super) fn take(
    start: &Start,
    token: &Secret,
    answers: &mut Answers,
) -> Result<(Signed, bool), Failure> {
    let offered = wait(start.whom.api.invitation(token))?;
    let invitation = offered.map_err(|error| refused(error, CANNOT))?;
    answers.say(&format!(
        "Welcome, {}. This invitation to {} is good once, until {}.",
        shown(&invitation.user),
        shown(&start.whom.name),
        invitation.expires
    ))?;
    let mut left = TRIES;
    loop {
        let password = choose(answers)?;
        let code = factor(&invitation, answers)?;
        let accept = Accept {
            token,
            password: &password,
            code: code.as_ref(),
            key: &start.key,
            ttl: start.ttl.as_deref(),
        };
        left -= 1;
        match wait(start.whom.api.accept(&accept))? {
            Ok(signed) => return Ok((signed, code.is_some())),
            // Too short a password, or a code that was mistyped.
            Err(error) if error.is_refused("invalid") && answers.asks() && left > 0 => {
                let again = refused(error, "this does not do");
                answers.say(&format!("{}. Once more:", again.in_one_line()))?;
            }
            Err(error) => return Err(refused(error, CANNOT)),
        }
    }
}

/// A new password: twice the same on a terminal.
fn choose(answers: &mut Answers) -> Result<Secret, Failure> {
    if !answers.asks() {
        return answers.password("");
    }
    for _ in 0..TRIES {
        let password = answers.password("A new password, of at least 12 characters: ")?;
        // What else does not do the proxy says; this would be said two questions later.
        if password.reveal().chars().count() < SHORTEST {
            answers.say("This is too short.")?;
            continue;
        }
        let again = answers.password("The same again: ")?;
        if password.reveal() == again.reveal() {
            return Ok(password);
        }
        answers.say("These were not the same.")?;
    }
    Err(Failure::new("no password was chosen")
        .because("it was too short, or not twice the same")
        .hint("the invitation is still good: try again"))
}

/// The code of a second factor, where one is set up.
fn factor(invitation: &Invitation, answers: &mut Answers) -> Result<Option<Secret>, Failure> {
    if !answers.asks() {
        return match (answers.code_given(), invitation.totp_required) {
            (None, true) => Err(Failure::new("a second factor has to be set up")
                .because("your roles demand one, and its secret is shown on a terminal alone")
                .hint("use `muster login --invite` on a terminal, or open the link in a browser")),
            (code, _) => Ok(code),
        };
    }
    let wanted = invitation.totp_required
        || answers.agree("Set up a second factor, with an authenticator app? Type yes if so: ")?;
    if !wanted {
        return Ok(None);
    }
    if invitation.totp_required {
        answers.say("Your roles demand a second factor.")?;
    }
    answers.say(&format!(
        "Put this secret into an authenticator app:\n  {}\n  {}",
        shown(invitation.totp_secret.reveal()),
        shown(invitation.totp_link.reveal())
    ))?;
    answers.code("The code that it shows: ").map(Some)
}
