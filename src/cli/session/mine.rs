//! One's own sessions, as the proxy lists them.

use std::borrow::Cow;

use muster_client::SessionView;

use super::{
    super::{Failure, person::Person, print},
    End, Ls, age,
};
use crate::{
    exit::Exit,
    report::{
        escape::shown,
        table::{Column, table},
    },
};

impl Ls {
    pub(super) fn of_mine(self) -> Result<Exit, Failure> {
        let person = Person::open(&self.which)?;
        let mut sessions = person.ask(person.api.sessions())?;
        sessions.retain(|session| {
            let is = |wanted: &Option<String>, name: &str| {
                wanted.as_ref().is_none_or(|wanted| wanted == name)
            };
            is(&self.user, &session.user) && is(&self.target, &session.target)
        });
        let column =
            |title, wide, cell: fn(&SessionView) -> Cow<'_, str>| Column { title, wide, cell };
        let columns = [
            column("id", false, |session| session.id.as_str().into()),
            column("database", false, |session| session.target.as_str().into()),
            column("db user", false, |session| session.db_user.as_str().into()),
            column("db name", false, |session| session.db_name.as_str().into()),
            column("client", true, |session| session.client.as_str().into()),
            column("open for", false, |session| age(session.started).into()),
            column("idle for", false, |session| age(session.active).into()),
            column("statements", false, |session| {
                session.statements.to_string().into()
            }),
            column("ends at", true, |session| {
                let ends = session.ends_at.map(|ends| ends.to_string());
                ends.unwrap_or_default().into()
            }),
            column("roles", true, |session| session.roles.join(", ").into()),
        ];
        print(|out| table(&columns, &sessions, self.output, out))?;
        Ok(Exit::Done)
    }
}

impl End {
    pub(super) fn of_mine(self) -> Result<Exit, Failure> {
        let person = Person::open(&self.which)?;
        for id in &self.ids {
            person.ask(person.api.end_session(id))?;
            print(|out| writeln!(out, "ended the session {}", shown(id)))?;
        }
        Ok(Exit::Done)
    }
}
