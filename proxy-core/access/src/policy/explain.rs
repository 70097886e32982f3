//! [`Policy::explain`]: for every role what matched and what did not, and which one decided.

use std::{fmt::Write, sync::Arc};

use muster_model::{Target, Timestamp};
use serde::Serialize;

use super::{
    Policy,
    decide::{denies, lacks},
};
use crate::{
    identity::Identity,
    permit::{Ask, EndsBy, Name, Permit, Replication},
    role::{LabelRules, Role, Word, Words},
    user::Traits,
};

/// Why something is allowed or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who asked.
    pub user: String,
    /// For what.
    pub database: String,
    /// As which database user.
    pub db_user: String,
    /// On which database name, the protocol's default filled in; empty where there is none.
    pub db_name: String,
    /// Whether it is allowed.
    pub allowed: bool,
    /// The reason in one word: `allowed`, or as [`Denial::code`](crate::Denial::code).
    pub code: &'static str,
    /// What decided, in a sentence.
    pub decided: String,
    /// What the person would be told, when it is not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    /// Role by role, in the order of the user's record; then those of the certificate that the user has no more.
    pub roles: Vec<RoleStep>,
    /// How the session would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionTerms>,
}

/// What one role says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleStep {
    /// Its name.
    pub role: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// What its `allow` says; none where it is not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Checks>,
    /// By what it denies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denies_by: Option<String>,
}

/// What one role comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It allows it.
    Allows,
    /// It denies it: whatever others say, it is not allowed.
    Denies,
    /// It neither allows nor denies it.
    Nothing,
    /// It would allow it, but the certificate does not carry it: it was given after the login.
    NotCarried,
    /// The certificate carries it, and the user has it no more.
    TakenAway,
    /// There is no such role, or it has expired.
    NoSuchRole,
}

/// What the `allow` of a role says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// The labels.
    pub labels: Check,
    /// The database user.
    pub db_user: Check,
    /// The database name.
    pub db_name: Check,
    /// Replication, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication: Option<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Whether it is as the role asks.
    pub holds: bool,
    /// Why.
    pub why: String,
}

/// How a session would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionTerms {
    /// The roles that allow it.
    pub roles: Vec<String>,
    /// When it would end at the latest.
    pub ends_at: Timestamp,
    /// What sets that: `certificate`, a role, or the `expires` of a user or a role.
    pub ends_by: String,
    /// After how many idle seconds it would end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<u64>,
    /// How many sessions the user may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// `strict` or `best_effort`.
    pub audit: &'static str,
}

impl Policy {
    /// Explains what [`permit`](Self::permit) decides.
    pub fn explain(
        &self,
        who: &Identity,
        target: &Arc<Target>,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Explanation {
        let decision = self.permit(who, target, ask, now);
        let (code, decided, told) = match &decision {
            Ok(permit) => ("allowed", allowed_by(permit), None),
            Err(denial) => (denial.code(), denial.to_string(), Some(denial.person())),
        };
        Explanation {
            user: who.user.clone(),
            database: target.name.clone(),
            db_user: ask.db_user.to_owned(),
            db_name: match ask.name(target.protocol) {
                Name::One(name) => name.to_owned(),
                Name::All | Name::None => String::new(),
            },
            allowed: decision.is_ok(),
            code,
            decided,
            told,
            roles: self.steps(who, target, ask, now),
            session: decision.ok().map(|permit| terms(&permit)),
        }
    }

    fn steps(
        &self,
        who: &Identity,
        target: &Target,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Vec<RoleStep> {
        let empty = |role: &str, verdict| RoleStep {
            role: role.to_owned(),
            verdict,
            allow: None,
            denies_by: None,
        };
        let user = self
            .users
            .get(&who.user)
            .filter(|user| user.meta.holds(now));
        let mut steps = Vec::new();
        for name in user.iter().flat_map(|user| &user.roles) {
            let role = self.roles.get(name).filter(|role| role.meta.holds(now));
            let (Some(role), Some(user)) = (role, user) else {
                steps.push(empty(name, Verdict::NoSuchRole));
                continue;
            };
            let denied = denies(role, target, ask, &user.traits);
            let allows = lacks(role, target, ask, &user.traits).is_none();
            let verdict = match (&denied, allows) {
                (Some(_), _) => Verdict::Denies,
                (None, true) if who.roles.contains(name) => Verdict::Allows,
                (None, true) => Verdict::NotCarried,
                (None, false) => Verdict::Nothing,
            };
            steps.push(RoleStep {
                role: name.clone(),
                verdict,
                allow: (!role.allow.is_empty()).then(|| checks(role, target, ask, &user.traits)),
                denies_by: denied.map(|by| by.to_string()),
            });
        }
        let has = |name: &&String| user.is_some_and(|user| user.roles.contains(name));
        let gone = who.roles.iter().filter(|name| !has(name));
        steps.extend(gone.map(|name| empty(name, Verdict::TakenAway)));
        steps
    }
}

fn allowed_by(permit: &Permit) -> String {
    match permit.roles() {
        [one] => format!("role `{one}` allows it, and none denies it"),
        many => format!("roles `{}` allow it, and none denies it", many.join("`, `")),
    }
}

fn terms(permit: &Permit) -> SessionTerms {
    let options = permit.options();
    SessionTerms {
        roles: permit.roles().to_vec(),
        ends_at: options.ends_at,
        ends_by: match &options.ends_by {
            EndsBy::Certificate => "certificate".to_owned(),
            EndsBy::Role(role) => format!("role `{role}`"),
            EndsBy::UserExpires(user) => format!("`expires` of user `{user}`"),
            EndsBy::RoleExpires(role) => format!("`expires` of role `{role}`"),
        },
        idle_seconds: options.idle.map(|idle| idle.as_secs()),
        max_connections: options.max_connections,
        audit: options.audit.as_str(),
    }
}

fn checks(role: &Role, target: &Target, ask: &Ask<'_>, traits: &Traits) -> Checks {
    let allow = &role.allow;
    let db_name = match ask.name(target.protocol) {
        Name::One(name) => word(&allow.db_names, name, traits),
        Name::None => Check {
            holds: true,
            why: "none is asked for".to_owned(),
        },
        Name::All => any(&allow.db_names, traits),
    };
    Checks {
        labels: labels(&allow.labels, target, traits),
        db_user: word(&allow.db_users, ask.db_user, traits),
        db_name,
        replication: (ask.replication != Replication::No).then(|| Check {
            holds: role.options.db_replication,
            why: format!("`db_replication` is {}", role.options.db_replication),
        }),
    }
}

fn labels(rules: &LabelRules, target: &Target, traits: &Traits) -> Check {
    match rules.mismatch(&target.labels, traits) {
        Some(why) => Check { holds: false, why },
        None => Check {
            holds: true,
            why: format!("{rules}"),
        },
    }
}

fn word(words: &Words, name: &str, traits: &Traits) -> Check {
    if let Some(word) = words.find(name, traits) {
        let why = match word {
            Word::Literal(text) => format!("`{text}`"),
            Word::Any => "`*`".to_owned(),
            Word::Template(template) => format!("`{name}` by {template}"),
        };
        return Check { holds: true, why };
    }
    Check {
        holds: false,
        why: format!("`{name}` is not {}", list(words, traits)),
    }
}

fn any(words: &Words, traits: &Traits) -> Check {
    let holds = words.find_any(traits).is_some();
    let why = match holds {
        true => "`*`".to_owned(),
        false => format!("all are asked for, and not only {}", list(words, traits)),
    };
    Check { holds, why }
}

/// What a list of names allows, shortly.
fn list(words: &Words, traits: &Traits) -> String {
    const SHOWN: usize = 5;
    let values = words.values(traits);
    if values.is_empty() {
        return match words.templates().next() {
            Some(template) => format!("among none: the trait `{}` is empty", template.reads()),
            None => "among none".to_owned(),
        };
    }
    let more = values.len().saturating_sub(SHOWN);
    let shown: Vec<String> = values
        .iter()
        .take(SHOWN)
        .map(|value| format!("`{value}`"))
        .collect();
    match more {
        0 => format!("among {}", shown.join(", ")),
        more => format!("among {} and {more} more", shown.join(", ")),
    }
}

impl Verdict {
    /// In words, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Allows => "allows it",
            Self::Denies => "denies it",
            Self::Nothing => "says nothing about it",
            Self::NotCarried => "would allow it, but was given after the login: log in again",
            Self::TakenAway => "is in the certificate, and was taken away since",
            Self::NoSuchRole => "does not exist",
        }
    }

    /// A sign at the beginning of a line: `+`, `-`, `!`.
    const fn sign(self) -> char {
        match self {
            Self::Allows => '+',
            Self::Denies => '-',
            Self::Nothing => ' ',
            Self::NotCarried | Self::TakenAway | Self::NoSuchRole => '!',
        }
    }
}

impl Explanation {
    /// As lines for people.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let answer = if self.allowed { "Allowed" } else { "Denied" };
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "{answer}: {} on {} as {}",
            self.user, self.database, self.db_user
        );
        if !self.db_name.is_empty() {
            let _ = write!(out, ", database name {}", self.db_name);
        }
        let _ = writeln!(out, "\n  {}", self.decided);
        if self.roles.is_empty() {
            let _ = writeln!(out, "\nThe user has no roles.");
        } else {
            let _ = writeln!(out, "\nRoles");
        }
        for step in &self.roles {
            let _ = writeln!(
                out,
                "  {} {} {}",
                step.verdict.sign(),
                step.role,
                step.verdict.text()
            );
            if let Some(by) = &step.denies_by {
                let _ = writeln!(out, "      denied by {by}");
            }
            let checks = step.allow.iter().flat_map(|allow| {
                let replication = allow
                    .replication
                    .as_ref()
                    .map(|check| ("replication", check));
                [
                    ("db_labels", &allow.labels),
                    ("db_users", &allow.db_user),
                    ("db_names", &allow.db_name),
                ]
                .into_iter()
                .chain(replication)
            });
            for (what, check) in checks {
                let sign = if check.holds { "yes" } else { "no " };
                let _ = writeln!(out, "      {what:<11} {sign}  {}", check.why);
            }
        }
        if let Some(session) = &self.session {
            let _ = writeln!(out, "\nThe session");
            let _ = writeln!(
                out,
                "  ends at      {} ({})",
                session.ends_at, session.ends_by
            );
            if let Some(idle) = session.idle_seconds {
                let _ = writeln!(out, "  idle         {idle} s");
            }
            if let Some(most) = session.max_connections {
                let _ = writeln!(out, "  at once      {most}");
            }
            let _ = writeln!(out, "  audit        {}", session.audit);
        }
        out
    }
}
