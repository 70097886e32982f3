//! As whom, and on which name: what was named, else what was named before, else the only one that the roles allow.

use crate::{DbView, Error, Kind, Refusal, Result};

/// As whom, and on which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The database user.
    pub db_user: String,
    /// The database name.
    pub db_name: String,
}

/// What is allowed of one sort of name.
struct Allowed<'a> {
    /// `database user`.
    what: &'static str,
    option: &'static str,
    names: &'a [String],
    denied: &'a [String],
}

/// Chooses database user and name: `named` goes before `kept`, and both before the only one that the roles allow.
///
/// # Errors
/// When what was named is not allowed, and when nothing was and there are several: with those that are allowed.
pub fn choose(
    db: &DbView,
    named: (Option<&str>, Option<&str>),
    kept: (Option<&str>, Option<&str>),
) -> Result<Chosen> {
    let (users, names) = sorts(db);
    Ok(Chosen {
        db_user: users.choose(db, named.0, kept.0)?,
        db_name: names.choose(db, named.1, kept.1)?,
    })
}

/// Checks database user and name, those of them that are named.
///
/// # Errors
/// When one is not allowed: with those that are.
pub fn check(db: &DbView, named: (Option<&str>, Option<&str>)) -> Result<()> {
    let (users, names) = sorts(db);
    for (sort, named) in [(users, named.0), (names, named.1)] {
        if named.is_some() {
            sort.choose(db, named, None)?;
        }
    }
    Ok(())
}

fn sorts(db: &DbView) -> (Allowed<'_>, Allowed<'_>) {
    let users = Allowed {
        what: "database user",
        option: "--db-user",
        names: &db.db_users,
        denied: &db.db_users_denied,
    };
    let names = Allowed {
        what: "database name",
        option: "--db-name",
        names: &db.db_names,
        denied: &db.db_names_denied,
    };
    (users, names)
}

impl Allowed<'_> {
    fn choose(&self, db: &DbView, named: Option<&str>, kept: Option<&str>) -> Result<String> {
        if let Some(named) = named {
            if self.allows(named) {
                return Ok(named.to_owned());
            }
            let short: String = named.chars().take(256).collect();
            return Err(self
                .denied(db)
                .because(format!(
                    "your roles do not allow the {} `{short}` there",
                    self.what
                ))
                .because(self.in_words()));
        }
        if let Some(kept) = kept.filter(|kept| self.allows(kept)) {
            return Ok(kept.to_owned());
        }
        let mut literal = self.names.iter().filter(|name| *name != "*");
        match (self.any(), literal.next(), literal.next()) {
            (false, Some(only), None) => Ok(only.clone()),
            (false, None, _) => Err(self
                .denied(db)
                .because(self.in_words())
                .hint("ask whoever administers muster for a role that allows one")),
            _ => Err(self
                .cannot(db)
                .because(format!("it is not said which {} is meant", self.what))
                .because(self.in_words())
                .hint(format!("name one with `{} NAME`", self.option))),
        }
    }

    fn any(&self) -> bool {
        self.names.iter().any(|name| name == "*")
    }

    fn allows(&self, name: &str) -> bool {
        let is = |one: &String| one == name;
        (self.any() || self.names.iter().any(is)) && !self.denied.iter().any(is)
    }

    fn in_words(&self) -> String {
        let names = match (self.any(), self.names.is_empty()) {
            (true, _) if self.denied.is_empty() => "any".to_owned(),
            (true, _) => format!("any but {}", self.denied.join(", ")),
            (false, true) => "none".to_owned(),
            (false, false) => self.names.join(", "),
        };
        format!("your roles allow: {names}")
    }

    fn denied(&self, db: &DbView) -> Error {
        let refusal = Refusal {
            status: 403,
            kind: "refused".to_owned(),
            candidates: Vec::new(),
            retry_after: None,
        };
        let kind = Kind::Refused(Box::new(refusal));
        Error::new(kind, format!("cannot open `{}`", db.name))
            .hint(format!("name one of these with `{}`", self.option))
    }

    fn cannot(&self, db: &DbView) -> Error {
        Error::new(Kind::Usage, format!("cannot open `{}`", db.name))
    }
}
