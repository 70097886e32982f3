//! One's own sessions, as the proxy lists them.

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
        let columns = [
            Column {
                title: "id",
                wide: false,
                cell: |session: &SessionView| session.id.as_str().into(),
            },
            Column {
                title: "database",
                wide: false,
                cell: |session| session.target.as_str().into(),
            },
            Column {
                title: "db user",
                wide: false,
                cell: |session| session.db_user.as_str().into(),
            },
            Column {
                title: "db name",
                wide: false,
                cell: |session| session.db_name.as_str().into(),
            },
            Column {
                title: "client",
                wide: true,
                cell: |session| session.client.as_str().into(),
            },
            Column {
                title: "open for",
                wide: false,
                cell: |session| age(session.started).into(),
            },
            Column {
                title: "idle for",
                wide: false,
                cell: |session| age(session.active).into(),
            },
            Column {
                title: "statements",
                wide: false,
                cell: |session| session.statements.to_string().into(),
            },
            Column {
                title: "ends at",
                wide: true,
                cell: |session| {
                    let ends = session.ends_at.map(|ends| ends.to_string());
                    ends.unwrap_or_default().into()
                },
            },
            Column {
                title: "roles",
                wide: true,
                cell: |session| session.roles.join(", ").into(),
            },
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
